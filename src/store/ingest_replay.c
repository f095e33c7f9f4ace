/*
 * ingest_replay.c: what an ingest that did not end has stored of a source, held against the source.
 *
 * Neither a size nor a digest, nor the options of that command, say that a source may go on: the
 * rows themselves do. Each record that is read now must be the next one that is stored, so what
 * stays in the file is what this command would have written there. It costs a seek a record, and
 * holds no transaction.
 */
#include <string.h>

#include "ingest_internal.h"

struct dbt__replay {
    dbt__statement *next_document, *next_reject;
    dbt__written stored;
    dbt__kept kept;
};

dbt_status dbt__replay_new(dbt__sql *sql, const dbt__written *stored, dbt__replay **replay,
                           dbt_error *err)
{
    *replay = NULL;
    dbt__replay *made = dbt__alloc(sizeof *made);
    if (made == NULL) return dbt__out_of_memory(err, "a replay");
    made->stored = *stored;
    made->kept =
        (dbt__kept){.source_id = stored->id, .last_document_id = stored->first_document_id - 1};
    dbt_status status =
        dbt__prepare(sql,
                     "SELECT d.id, d.source_line, l.name, d.text FROM document d LEFT JOIN label l"
                     " ON l.id = d.label_id WHERE d.id > ?1 AND d.id <= ?2 AND d.source_id = ?3"
                     " ORDER BY d.id LIMIT 1",
                     &made->next_document, err);
    if (status == DBT_OK) dbt__allow_bytes(made->next_document, DBT__LONGEST_TEXT);
    if (status == DBT_OK)
        status = dbt__prepare(sql,
                              "SELECT id, line, reason, raw FROM reject"
                              " WHERE source_id = ?1 AND id > ?2 ORDER BY id LIMIT 1",
                              &made->next_reject, err);
    if (status < 0)
        dbt__replay_free(made);
    else
        *replay = made;
    return status;
}

void dbt__replay_free(dbt__replay *replay)
{
    if (replay == NULL) return;
    dbt__finalize(replay->next_document);
    dbt__finalize(replay->next_reject);
    dbt__free(replay);
}

static bool is_equal(dbt_text a, const void *data, size_t bytes)
{
    return a.bytes == bytes && (bytes == 0 || memcmp(a.data, data, bytes) == 0);
}

static bool is_same_document(dbt__statement *row, const dbt__record *record)
{
    dbt_text label = dbt__column_text(row, 2), text = dbt__column_text(row, 3);
    return dbt__column_int(row, 1) == record->line &&
           dbt__column_is_null(row, 2) == !record->labelled &&
           (!record->labelled || is_equal(record->label, label.data, label.bytes)) &&
           is_equal(record->text, text.data, text.bytes);
}

static bool is_same_reject(dbt__statement *row, const dbt__record *record)
{
    size_t bytes;
    const void *raw = dbt__column_blob(row, 3, &bytes);
    dbt_text reason = {record->reason, strlen(record->reason)}, stored = dbt__column_text(row, 2);
    return dbt__column_int(row, 1) == record->line && is_equal(reason, stored.data, stored.bytes) &&
           is_equal(record->raw, raw, bytes);
}

static dbt_status match_document(dbt__replay *r, const dbt__record *record, bool *same,
                                 dbt_error *err)
{
    dbt__bind_int(r->next_document, 1, r->kept.last_document_id);
    dbt__bind_int(r->next_document, 2, r->stored.last_document_id);
    dbt__bind_int(r->next_document, 3, r->stored.id);
    dbt_status status = dbt__step(r->next_document, err);
    *same = status == DBT_OK && is_same_document(r->next_document, record);
    if (*same) {
        r->kept.last_document_id = dbt__column_int(r->next_document, 0);
        r->kept.documents++;
    }
    dbt__reset(r->next_document);
    return status < 0 ? status : DBT_OK;
}

static dbt_status match_reject(dbt__replay *r, const dbt__record *record, bool *same,
                               dbt_error *err)
{
    dbt__bind_int(r->next_reject, 1, r->stored.id);
    dbt__bind_int(r->next_reject, 2, r->kept.last_reject_id);
    dbt_status status = dbt__step(r->next_reject, err);
    *same = status == DBT_OK && is_same_reject(r->next_reject, record);
    if (*same) {
        r->kept.last_reject_id = dbt__column_int(r->next_reject, 0);
        r->kept.rejected++;
    }
    dbt__reset(r->next_reject);
    return status < 0 ? status : DBT_OK;
}

dbt_status dbt__replay_match(dbt__replay *replay, const dbt__record *record, bool *same,
                             dbt_error *err)
{
    return record->reason == NULL ? match_document(replay, record, same, err)
                                  : match_reject(replay, record, same, err);
}

bool dbt__replay_is_over(const dbt__replay *replay)
{
    return replay->kept.documents >= replay->stored.documents &&
           replay->kept.rejected >= replay->stored.rejected;
}

const dbt__kept *dbt__replay_kept(const dbt__replay *replay)
{
    return &replay->kept;
}
