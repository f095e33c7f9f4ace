/*
 * ingest_pending.c: documents that wait in memory, to be stored many at a time.
 *
 * They go in many by a statement (sql/bulk.c); then one INSERT ... SELECT over their ids, which
 * follow one another, gives them their places in the split. OR FAIL there, too: whoever sees one
 * fail takes back the transaction.
 */
#include <string.h>

#include "ingest_internal.h"
#include "store_internal.h"

enum { MAX_ROWS = 256, TEXT_BYTES = 256 * 1024 };
#define WEIGHT 1.0
#define UNKNOWN (-1)

typedef struct pending_row {
    int64_t label_id; /* 0: unlabelled */
    int64_t line;
    dbt_text text; /* in `texts`; one that is too long for that is its owner's */
} pending_row;

struct dbt__pending {
    dbt__sql *sql;
    dbt__bulk add;
    dbt__statement *ask_last_id;
    int64_t last_id; /* that was given to a document, whether that is there or not; or UNKNOWN */
    dbt__statement *place;
    pending_row *row; /* [MAX_ROWS] */
    size_t n;
    char *texts; /* [TEXT_BYTES] */
    size_t bytes;
};

dbt_status dbt__pending_new(dbt__sql *sql, dbt__pending **pending, dbt_error *err)
{
    *pending = NULL;
    dbt_status status = DBT_OK;
    dbt__pending *made = dbt__alloc(sizeof *made);
    if (made == NULL) return dbt__out_of_memory(err, "documents");
    made->sql = sql;
    made->last_id = UNKNOWN;
    made->row = dbt__alloc_array(MAX_ROWS, sizeof *made->row);
    made->texts = dbt__alloc_array(TEXT_BYTES, 1);
    if (made->row == NULL || made->texts == NULL) status = dbt__out_of_memory(err, "documents");
    if (status == DBT_OK)
        status = dbt__bulk_prepare(sql,
                                   "INSERT OR FAIL INTO document (source_id, weight, label_id,"
                                   " source_line, text, checksum) VALUES",
                                   "(?1, ?2, ?, ?, ?, ?)", &made->add, err);
    if (status == DBT_OK)
        status = dbt__prepare(
            sql,
            "SELECT max(coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'document'), 0),"
            " coalesce((SELECT max(id) FROM document), 0))",
            &made->ask_last_id, err);
    if (status == DBT_OK)
        status = dbt__prepare(sql,
                              "INSERT OR FAIL INTO split_document (split_id, position, document_id)"
                              " SELECT ?1, ?2 + id - ?3, id FROM document"
                              " WHERE id BETWEEN ?3 AND ?4 ORDER BY id",
                              &made->place, err);
    if (status < 0)
        dbt__pending_free(made);
    else
        *pending = made;
    return status;
}

void dbt__pending_free(dbt__pending *pending)
{
    if (pending == NULL) return;
    dbt__bulk_finalize(&pending->add);
    dbt__finalize(pending->ask_last_id);
    dbt__finalize(pending->place);
    dbt__free(pending->row);
    dbt__free(pending->texts);
    dbt__free(pending);
}

size_t dbt__pending_documents(const dbt__pending *pending)
{
    return pending->n;
}

bool dbt__pending_has_room(const dbt__pending *pending, size_t bytes)
{
    return pending->n < MAX_ROWS && bytes <= TEXT_BYTES - pending->bytes;
}

void dbt__pending_add(dbt__pending *pending, int64_t label_id, int64_t line, dbt_text text)
{
    if (text.bytes > 0 && text.bytes <= TEXT_BYTES - pending->bytes) {
        char *copy = pending->texts + pending->bytes;
        memcpy(copy, text.data, text.bytes);
        pending->bytes += text.bytes;
        text.data = copy;
    }
    pending->row[pending->n++] = (pending_row){label_id, line, text};
}

void dbt__pending_forget_ids(dbt__pending *pending)
{
    pending->last_id = UNKNOWN;
}

static dbt_status find_last_id(dbt__pending *p, dbt_error *err)
{
    if (p->last_id != UNKNOWN) return DBT_OK;
    dbt_status status = dbt__step(p->ask_last_id, err);
    if (status == DBT_OK) p->last_id = dbt__column_int(p->ask_last_id, 0);
    dbt__reset(p->ask_last_id);
    return status;
}

/* The first of them will have the id `first_id`. */
static dbt_status store_rows(dbt__statement *add, const pending_row *row, size_t rows,
                             int64_t source_id, int64_t first_id, dbt_error *err)
{
    dbt__bind_int(add, 1, source_id);
    dbt__bind_double(add, 2, WEIGHT);
    for (size_t i = 0; i < rows; i++) {
        int index = (int)(4 * i + 3);
        if (row[i].label_id != 0) dbt__bind_int(add, index, row[i].label_id);
        dbt__bind_int(add, index + 1, row[i].line);
        dbt__bind_text(add, index + 2, row[i].text.data, row[i].text.bytes);
        dbt__bind_int(
            add, index + 3,
            dbt__document_checksum(first_id + (int64_t)i, row[i].label_id, WEIGHT, row[i].text));
    }
    return dbt__run(add, err);
}

dbt_status dbt__pending_store(dbt__pending *p, int64_t source_id, int64_t split_id,
                              int64_t position, int64_t *first_id, dbt_error *err)
{
    size_t n = p->n;
    *first_id = 0;
    dbt_status status = find_last_id(p, err);
    int64_t before = p->last_id;
    for (size_t at = 0, rows; at < n && status == DBT_OK; at += rows) {
        dbt__statement *add;
        rows = dbt__bulk_next(&p->add, n - at, &add);
        status = store_rows(add, &p->row[at], rows, source_id, before + 1 + (int64_t)at, err);
    }
    p->n = p->bytes = 0;
    p->last_id = UNKNOWN;
    if (status < 0) return status;
    int64_t last_id = dbt__sql_last_id(p->sql);
    if (last_id != before + (int64_t)n)
        return dbt__fail(err, DBT_EFORMAT,
                         "documents were not given the ids that were next: the file is damaged");
    p->last_id = last_id;
    *first_id = before + 1;
    dbt__bind_int(p->place, 1, split_id);
    dbt__bind_int(p->place, 2, position);
    dbt__bind_int(p->place, 3, *first_id);
    dbt__bind_int(p->place, 4, last_id);
    return dbt__run(p->place, err);
}
