/*
 * ingest_seen.c: the documents of splits, for finding duplicates.
 *
 * They are found by 64-bit hash in a temporary table (SQLite spills it to disk), and compared with
 * the text they seem to equal: a collision costs a comparison, not a document.
 */
#include <string.h>

#include "ingest_internal.h"

struct dbt__seen {
    dbt__sql *sql;
    dbt__statement *find, *add, *document;
};

static dbt_status prepare(dbt__seen *seen, dbt_error *err)
{
    dbt_status status =
        dbt__sql_exec(seen->sql,
                      "DROP TABLE IF EXISTS temp.seen;"
                      "CREATE TABLE temp.seen (split_id INTEGER, hash INTEGER, document_id INTEGER,"
                      " PRIMARY KEY (split_id, hash, document_id)) WITHOUT ROWID",
                      err);
    if (status == DBT_OK)
        status = dbt__prepare(seen->sql,
                              "SELECT document_id FROM temp.seen WHERE split_id = ?1 AND hash = ?2",
                              &seen->find, err);
    if (status == DBT_OK)
        status =
            dbt__prepare(seen->sql, "INSERT INTO temp.seen VALUES (?1, ?2, ?3)", &seen->add, err);
    if (status == DBT_OK)
        status = dbt__prepare(seen->sql,
                              "SELECT coalesce(label_id, 0), text FROM document WHERE id = ?1",
                              &seen->document, err);
    if (status == DBT_OK) dbt__allow_bytes(seen->document, DBT__LONGEST_TEXT);
    return status;
}

dbt_status dbt__seen_new(dbt__sql *sql, dbt__seen **seen, dbt_error *err)
{
    *seen = NULL;
    dbt__seen *made = dbt__alloc(sizeof *made);
    if (made == NULL) return dbt__out_of_memory(err, "duplicates");
    made->sql = sql;
    dbt_status status = prepare(made, err);
    if (status < 0)
        dbt__seen_free(made);
    else
        *seen = made;
    return status;
}

void dbt__seen_free(dbt__seen *seen)
{
    if (seen == NULL) return;
    dbt__finalize(seen->find);
    dbt__finalize(seen->add);
    dbt__finalize(seen->document);
    /* Where that fails the table goes with the connection. */
    (void)!dbt__sql_exec(seen->sql, "DROP TABLE IF EXISTS temp.seen", NULL);
    dbt__free(seen);
}

int64_t dbt__seen_hash(int64_t label_id, dbt_text text)
{
    return (int64_t)dbt__hash(text.data, text.bytes, (uint64_t)label_id);
}

dbt_status dbt__seen_add(dbt__seen *seen, int64_t split_id, int64_t hash, int64_t document_id,
                         dbt_error *err)
{
    dbt__bind_int(seen->add, 1, split_id);
    dbt__bind_int(seen->add, 2, hash);
    dbt__bind_int(seen->add, 3, document_id);
    return dbt__run(seen->add, err);
}

dbt_status dbt__seen_add_split(dbt__seen *seen, int64_t split_id, int64_t source_id, dbt_error *err)
{
    dbt__statement *all;
    dbt_status status =
        dbt__prepare(seen->sql,
                     "SELECT d.id, coalesce(d.label_id, 0), d.text FROM split_document s"
                     " JOIN document d ON d.id = s.document_id WHERE s.split_id = ?1"
                     " AND d.source_id IS NOT ?2",
                     &all, err);
    if (status < 0) return status;
    dbt__allow_bytes(all, DBT__LONGEST_TEXT);
    dbt__bind_int(all, 1, split_id);
    dbt__bind_int(all, 2, source_id);
    while ((status = dbt__step(all, err)) == DBT_OK) {
        int64_t hash = dbt__seen_hash(dbt__column_int(all, 1), dbt__column_text(all, 2));
        status = dbt__seen_add(seen, split_id, hash, dbt__column_int(all, 0), err);
        if (status < 0) break;
    }
    dbt__finalize(all);
    return status < 0 ? status : DBT_OK;
}

/* *same: the document that `find` stands at has this text and label. */
static dbt_status compare_document(const dbt__seen *seen, int64_t label_id, dbt_text text,
                                   bool *same, dbt_error *err)
{
    dbt__bind_int(seen->document, 1, dbt__column_int(seen->find, 0));
    dbt_status status = dbt__step(seen->document, err);
    if (status == DBT_OK) {
        dbt_text other = dbt__column_text(seen->document, 1);
        *same = dbt__column_int(seen->document, 0) == label_id && other.bytes == text.bytes &&
                (text.bytes == 0 || memcmp(other.data, text.data, text.bytes) == 0);
    }
    dbt__reset(seen->document);
    return status;
}

dbt_status dbt__seen_find(dbt__seen *seen, int64_t split_id, int64_t hash, int64_t label_id,
                          dbt_text text, bool *found, dbt_error *err)
{
    *found = false;
    dbt__bind_int(seen->find, 1, split_id);
    dbt__bind_int(seen->find, 2, hash);
    dbt_status status = DBT_OK;
    while (!*found && (status = dbt__step(seen->find, err)) == DBT_OK) {
        status = compare_document(seen, label_id, text, found, err);
        if (status < 0) break;
    }
    dbt__reset(seen->find);
    return status < 0 ? status : DBT_OK;
}
