/*
 * ingest_write.c: documents into tables, in large transactions.
 *
 * A document is two rows (itself and its place in the split), both at the right edge of their
 * trees, and is stored together with others (ingest_pending.c). Labels are looked up in memory
 * (ingest_labels.c), and so is where a split ends. A commit syncs the log twice and is what an
 * ingest would wait for; so one comes every 32 MiB of text or 100,000 rows.
 *
 * Foreign keys are not checked row by row, which would cost more than the rows: the ids that a row
 * refers to were found or made by this writer, and are looked up again when another program has
 * changed the file between two transactions.
 */
#include <string.h>

#include "ingest_internal.h"

enum { COMMIT_BYTES = 32 * 1024 * 1024, COMMIT_ROWS = 100000 };
/* SQLite's data_version counts from 1. */
enum { NO_VERSION = 0, ANOTHER_VERSION = -1 };

/* A split that this writer appends to. */
typedef struct open_split {
    int64_t id;
    int64_t documents;
    int64_t next_position;
    bool changed;
    bool is_new; /* this writer has made it */
    char *name;
} open_split;

/* Statement numbers; their texts are below. */
typedef enum statement_id {
    FIND_SOURCE,
    LEAST_GONE,
    HAS_SOURCE,
    FIND_UNFINISHED,
    ADD_SOURCE,
    UPDATE_SOURCE,
    REFUSE_SOURCES,
    FIND_SPLIT,
    ADD_SPLIT,
    UPDATE_SPLIT,
    DELETE_EMPTY_SPLIT,
    ADD_REJECT,
    COUNT_LABELS,
    N_STATEMENTS
} statement_id;

/* Documents of a source that are not in its split any more. They are not looked for by the split,
 * whose places may be many: '+' keeps SQLite from it. */
#define GONE                                                                                       \
    "documents - (SELECT count(DISTINCT document_id) FROM split_document"                          \
    " WHERE document_id BETWEEN first_document_id AND last_document_id"                            \
    " AND +split_id = (SELECT id FROM split WHERE name = source.split))"

static const char *const statement_texts[N_STATEMENTS] = {
    /* ?5: count those that are gone. */
    [FIND_SOURCE] = "SELECT documents, CASE WHEN ?5 THEN " GONE " END FROM source"
                    " WHERE name = ?1 AND status = 'loaded' AND split = ?2"
                    " AND (?3 IS NULL OR bytes = ?3) AND (?4 IS NULL OR digest = ?4)"
                    " ORDER BY id LIMIT 1",
    [LEAST_GONE] = "SELECT min(" GONE ") FROM source WHERE name = ?1 AND status = 'loaded'"
                   " AND split = ?2 AND bytes = ?3 AND digest = ?4",
    [HAS_SOURCE] = "SELECT 1 FROM source WHERE name = ?1 LIMIT 1",
    [FIND_UNFINISHED] =
        "SELECT id, documents, rejected, first_document_id, last_document_id FROM source"
        " WHERE id = (SELECT max(id) FROM source) AND status = 'loading'"
        " AND name = ?1 AND format = ?2 AND split = ?3",
    [ADD_SOURCE] =
        "INSERT INTO source (name, format, status, split) VALUES (?1, ?2, 'loading', ?3)",
    [UPDATE_SOURCE] = "UPDATE source SET documents = ?2, rejected = ?3, first_document_id = ?4,"
                      " last_document_id = ?5, status = ?6, bytes = ?7, digest = ?8 WHERE id = ?1",
    [REFUSE_SOURCES] = "UPDATE source SET status = 'refused' WHERE id >= ?1",
    [FIND_SPLIT] =
        "SELECT id, documents, (SELECT coalesce(max(position) + 1, 0) FROM split_document"
        " WHERE split_id = split.id) FROM split WHERE name = ?1",
    [ADD_SPLIT] = "INSERT INTO split (name) VALUES (?1)",
    [UPDATE_SPLIT] = "UPDATE split SET documents = ?2 WHERE id = ?1",
    [DELETE_EMPTY_SPLIT] = "DELETE FROM split WHERE id = ?1 AND documents = 0",
    [ADD_REJECT] = "INSERT INTO reject (source_id, line, reason, raw) VALUES (?1, ?2, ?3, ?4)",
    [COUNT_LABELS] = "SELECT count(DISTINCT label_id) FROM document"
                     " WHERE id BETWEEN ?1 AND ?2 AND source_id = ?3",
};

struct dbt__writer {
    dbt__sql *sql;
    dbt__statement *statement[N_STATEMENTS];
    dbt__seen *seen; /* NULL: duplicates are documents like others */
    bool in_transaction;
    int64_t rows; /* since the last commit */
    int64_t bytes;
    int64_t first_source_id; /* of this writer; 0: none */
    dbt__written source;
    dbt__replay *replay; /* of a source that goes on, until all that is stored of it was read again;
                            `source` counts what is stored */
    open_split *split;   /* [n_splits] */
    size_t n_splits, split_capacity;
    size_t current; /* the source's split */
    dbt__labels *labels;
    dbt__pending *pending; /* documents of the source, that it and its split count already */
    int64_t data_version;  /* of the file, as this writer knows it */
};

/* --- life --- */

dbt_status dbt__writer_new(dbt__sql *sql, bool dedup, dbt__writer **writer, dbt_error *err)
{
    *writer = NULL;
    dbt__writer *w = dbt__alloc(sizeof *w);
    if (w == NULL) return dbt__out_of_memory(err, "a writer");
    w->sql = sql;
    dbt_status status = DBT_OK;
    for (size_t i = 0; i < N_STATEMENTS && status == DBT_OK; i++)
        status = dbt__prepare(sql, statement_texts[i], &w->statement[i], err);
    if (status == DBT_OK) status = dbt__labels_new(sql, &w->labels, err);
    if (status == DBT_OK) status = dbt__pending_new(sql, &w->pending, err);
    if (status == DBT_OK && dedup) status = dbt__seen_new(sql, &w->seen, err);
    if (status < 0)
        dbt__writer_free(w);
    else
        *writer = w;
    return status;
}

void dbt__writer_free(dbt__writer *w)
{
    if (w == NULL) return;
    for (size_t i = 0; i < N_STATEMENTS; i++)
        dbt__finalize(w->statement[i]);
    dbt__replay_free(w->replay);
    dbt__sql_rollback(w->sql);
    dbt__sql_check_keys(w->sql, true);
    dbt__seen_free(w->seen);
    for (size_t i = 0; i < w->n_splits; i++)
        dbt__free(w->split[i].name);
    dbt__free(w->split);
    dbt__labels_free(w->labels);
    dbt__pending_free(w->pending);
    dbt__free(w);
}

const dbt__written *dbt__writer_source(const dbt__writer *writer)
{
    return &writer->source;
}

/* Finds a split as it is now, or makes it. */
static dbt_status find_split(dbt__writer *w, const char *name, open_split *split, bool *is_new,
                             dbt_error *err)
{
    dbt__statement *find = w->statement[FIND_SPLIT], *add = w->statement[ADD_SPLIT];
    dbt__bind_string(find, 1, name);
    dbt_status status = dbt__step(find, err);
    *is_new = status == DBT_DONE;
    split->documents = split->next_position = 0;
    if (status == DBT_OK) {
        split->id = dbt__column_int(find, 0);
        split->documents = dbt__column_int(find, 1);
        split->next_position = dbt__column_int(find, 2);
    }
    dbt__reset(find);
    if (!*is_new) return status;
    dbt__bind_string(add, 1, name);
    status = dbt__run(add, err);
    split->id = dbt__sql_last_id(w->sql);
    return status;
}

/* --- transactions --- */

/* What is known of the file is known of it as it was; another program may have written since. */
static dbt_status look_again(dbt__writer *w, dbt_error *err)
{
    int64_t version;
    bool is_new;
    dbt_status status = dbt__sql_int(w->sql, "PRAGMA data_version", 0, &version, err);
    bool changed = w->data_version != NO_VERSION && version != w->data_version;
    w->data_version = version;
    if (status < 0 || !changed) return status;
    dbt__labels_forget(w->labels);
    for (size_t i = 0; i < w->n_splits && status == DBT_OK; i++)
        status = find_split(w, w->split[i].name, &w->split[i], &is_new, err);
    return status;
}

static dbt_status begin(dbt__writer *w, dbt_error *err)
{
    if (w->in_transaction) return DBT_OK;
    dbt__sql_check_keys(w->sql, false); /* taking out turns them on again */
    dbt_status status = dbt__sql_begin(w->sql, err);
    w->in_transaction = status == DBT_OK;
    w->rows = w->bytes = 0;
    dbt__pending_forget_ids(w->pending);
    return status < 0 ? status : look_again(w, err);
}

/* --- sources and splits --- */

dbt_status dbt__writer_has_source(dbt__writer *w, const char *name, bool *has, dbt_error *err)
{
    dbt__statement *find = w->statement[HAS_SOURCE];
    dbt__bind_string(find, 1, name);
    dbt_status status = dbt__step(find, err);
    *has = status == DBT_OK;
    dbt__reset(find);
    return status < 0 ? status : DBT_OK;
}

/* Of all sources of that content: one may be a copy of another that has lost some. */
static dbt_status find_least_gone(dbt__writer *w, const char *name, const char *split,
                                  int64_t bytes, const char *digest, int64_t *gone, dbt_error *err)
{
    dbt__statement *find = w->statement[LEAST_GONE];
    dbt__bind_string(find, 1, name);
    dbt__bind_string(find, 2, split);
    dbt__bind_int(find, 3, bytes);
    dbt__bind_string(find, 4, digest);
    dbt_status status = dbt__step(find, err);
    /* Less than none, where another program has added documents meanwhile. */
    if (status == DBT_OK) *gone = dbt__column_int(find, 0) < 0 ? 0 : dbt__column_int(find, 0);
    dbt__reset(find);
    return status < 0 ? status : DBT_OK;
}

dbt_status dbt__writer_find_source(dbt__writer *w, const char *name, const char *split,
                                   int64_t bytes, const char *digest, int64_t *documents,
                                   int64_t *gone, dbt_error *err)
{
    dbt__statement *find = w->statement[FIND_SOURCE];
    bool some_gone = false;
    *documents = -1;
    if (gone != NULL) *gone = 0;
    dbt__bind_string(find, 1, name);
    dbt__bind_string(find, 2, split);
    dbt__bind_null(find, 3);
    if (bytes >= 0) dbt__bind_int(find, 3, bytes);
    if (digest == NULL)
        dbt__bind_null(find, 4);
    else
        dbt__bind_string(find, 4, digest);
    dbt__bind_int(find, 5, gone != NULL);
    dbt_status status = dbt__step(find, err);
    if (status == DBT_OK) {
        *documents = dbt__column_int(find, 0);
        some_gone = dbt__column_int(find, 1) > 0;
    }
    dbt__reset(find);
    if (status < 0 || !some_gone) return status < 0 ? status : DBT_OK;
    return find_least_gone(w, name, split, bytes, digest, gone, err);
}

/* Finds or makes the split and makes it the current one. */
static dbt_status open_split_named(dbt__writer *w, const char *name, dbt_error *err)
{
    for (w->current = 0; w->current < w->n_splits; w->current++)
        if (strcmp(w->split[w->current].name, name) == 0) return DBT_OK;
    dbt_status status = dbt__reserve((void **)&w->split, &w->split_capacity, w->n_splits + 1,
                                     sizeof *w->split, "splits", err);
    if (status < 0) return status;
    open_split made = {0};
    status = find_split(w, name, &made, &made.is_new, err);
    if (status == DBT_OK && !made.is_new && w->seen != NULL)
        status = dbt__seen_add_split(w->seen, made.id, w->source.id, err);
    if (status < 0) return status;
    made.name = dbt__strdup(name);
    if (made.name == NULL) return dbt__out_of_memory(err, "splits");
    w->split[w->n_splits++] = made;
    return DBT_OK;
}

dbt_status dbt__writer_begin_source(dbt__writer *w, const char *name, const char *format,
                                    const char *split, dbt_error *err)
{
    dbt_status status = begin(w, err);
    if (status == DBT_OK) status = open_split_named(w, split, err);
    if (status < 0) return status;
    dbt__statement *add = w->statement[ADD_SOURCE];
    dbt__bind_string(add, 1, name);
    dbt__bind_string(add, 2, format);
    dbt__bind_string(add, 3, split);
    status = dbt__run(add, err);
    if (status < 0) return status;
    w->source = (dbt__written){.id = dbt__sql_last_id(w->sql)};
    dbt__labels_count_anew(w->labels);
    if (w->first_source_id == 0) w->first_source_id = w->source.id;
    return DBT_OK;
}

/* DBT_DONE: none is unfinished, or another one. */
static dbt_status find_unfinished(dbt__writer *w, const char *name, const char *format,
                                  const char *split, dbt_error *err)
{
    dbt__statement *find = w->statement[FIND_UNFINISHED];
    dbt__bind_string(find, 1, name);
    dbt__bind_string(find, 2, format);
    dbt__bind_string(find, 3, split);
    dbt_status status = dbt__step(find, err);
    if (status == DBT_OK)
        w->source = (dbt__written){.id = dbt__column_int(find, 0),
                                   .documents = dbt__column_int(find, 1),
                                   .rejected = dbt__column_int(find, 2),
                                   .first_document_id = dbt__column_int(find, 3),
                                   .last_document_id = dbt__column_int(find, 4)};
    dbt__reset(find);
    return status;
}

static void end_replay(dbt__writer *w)
{
    dbt__replay_free(w->replay);
    w->replay = NULL;
}

dbt_status dbt__writer_resume_source(dbt__writer *w, const char *name, const char *format,
                                     const char *split, bool *resumed, dbt_error *err)
{
    *resumed = false;
    dbt_status status = find_unfinished(w, name, format, split, err);
    if (status != DBT_OK) return status == DBT_DONE ? DBT_OK : status;
    w->first_source_id = w->source.id;
    status = begin(w, err);
    if (status == DBT_OK) status = open_split_named(w, split, err);
    if (status == DBT_OK) status = dbt__replay_new(w->sql, &w->source, &w->replay, err);
    if (status == DBT_OK && dbt__replay_is_over(w->replay)) end_replay(w);
    *resumed = status == DBT_OK;
    return status;
}

/* --- documents --- */

/* Labels, splits and places that the transaction made are gone. */
static void take_back(dbt__writer *w)
{
    dbt__sql_rollback(w->sql);
    w->in_transaction = false;
    w->data_version = ANOTHER_VERSION;
}

/* Stores what is pending. A failure may leave some of it stored: the transaction is taken back, but
 * for one document that is too large, which is none. */
static dbt_status store_pending(dbt__writer *w, dbt_error *err)
{
    open_split *split = &w->split[w->current];
    int64_t first_id, n = (int64_t)dbt__pending_documents(w->pending);
    if (n == 0) return DBT_OK;
    dbt_status status = dbt__pending_store(w->pending, w->source.id, split->id,
                                           split->next_position, &first_id, err);
    if (status < 0) {
        w->source.documents -= n;
        split->documents -= n;
        if (n > 1) take_back(w);
        return status;
    }
    split->next_position += n;
    if (w->source.first_document_id == 0) w->source.first_document_id = first_id;
    w->source.last_document_id = first_id + n - 1;
    return DBT_OK;
}

static dbt_status add_document(dbt__writer *w, const dbt__record *record, int64_t label_id,
                               dbt_error *err)
{
    open_split *split = &w->split[w->current];
    size_t bytes = record->text.bytes;
    dbt_status status = DBT_OK;
    if (!dbt__pending_has_room(w->pending, bytes)) status = store_pending(w, err);
    if (status < 0) return status;
    /* One that has no room even now is the record's own and cannot wait; one that duplicates are
     * compared with must be in the file. */
    bool can_wait = dbt__pending_has_room(w->pending, bytes) && w->seen == NULL;
    dbt__pending_add(w->pending, label_id, record->line, record->text);
    w->source.documents++;
    split->documents++;
    split->changed = true;
    return can_wait ? DBT_OK : store_pending(w, err);
}

/* bytes -1: not known. */
static dbt_status update_source(dbt__writer *w, const char *state, int64_t bytes,
                                const char *digest, dbt_error *err)
{
    dbt__statement *update = w->statement[UPDATE_SOURCE];
    const dbt__written *source = &w->source;
    dbt_status status = store_pending(w, err);
    if (status < 0) return status;
    dbt__bind_int(update, 1, source->id);
    dbt__bind_int(update, 2, source->documents);
    dbt__bind_int(update, 3, source->rejected);
    dbt__bind_null(update, 4);
    dbt__bind_null(update, 5);
    if (source->documents > 0) {
        dbt__bind_int(update, 4, source->first_document_id);
        dbt__bind_int(update, 5, source->last_document_id);
    }
    dbt__bind_string(update, 6, state);
    dbt__bind_null(update, 7);
    if (bytes >= 0) dbt__bind_int(update, 7, bytes);
    dbt__bind_null(update, 8);
    if (digest != NULL) dbt__bind_string(update, 8, digest);
    status = dbt__run(update, err);
    if (status == DBT_OK && dbt__sql_changes(w->sql) == 0)
        status = dbt__fail(err, DBT_EFORMAT,
                           "the source that was being written is no longer in the file");
    return status;
}

/* What is stored behind what was read again goes, and the source goes on from there. */
static dbt_status cut_source(dbt__writer *w, dbt_error *err)
{
    const dbt__kept *kept = dbt__replay_kept(w->replay);
    dbt__written *source = &w->source;
    open_split *split = &w->split[w->current];
    bool is_new;
    dbt_status status = dbt__writer_commit(w, err);
    if (status == DBT_OK) status = dbt__ingest_cut(w->sql, kept, source->last_document_id, err);
    if (status == DBT_OK) status = begin(w, err);
    if (status == DBT_OK) status = find_split(w, split->name, split, &is_new, err);
    if (status < 0) return status;
    source->taken_out = source->documents - kept->documents;
    source->documents = kept->documents;
    source->rejected = kept->rejected;
    if (kept->documents == 0) source->first_document_id = 0;
    source->last_document_id = kept->last_document_id;
    dbt__labels_forget(w->labels); /* some may be out of the file */
    end_replay(w);
    return DBT_OK;
}

dbt_status dbt__writer_end_source(dbt__writer *w, int64_t bytes, const char *digest,
                                  dbt__written *written, dbt_error *err)
{
    dbt_status status = w->replay == NULL ? DBT_OK : cut_source(w, err);
    if (status == DBT_OK) status = begin(w, err);
    if (status == DBT_OK) status = update_source(w, "loaded", bytes, digest, err);
    if (status < 0) return status;
    *written = w->source;
    w->source = (dbt__written){0};
    return DBT_OK;
}

/* It reads all of the source's documents, and does so only when what was asked of the labels in
 * memory says that it must be. */
dbt_status dbt__writer_count_labels(dbt__writer *w, int64_t *n, dbt_error *err)
{
    dbt__statement *count = w->statement[COUNT_LABELS];
    *n = 0;
    if (w->replay != NULL || !dbt__labels_are_many(w->labels)) return DBT_OK;
    dbt_status status = begin(w, err);
    if (status == DBT_OK) status = store_pending(w, err);
    if (status < 0 || w->source.documents == 0) return status;
    dbt__bind_int(count, 1, w->source.first_document_id);
    dbt__bind_int(count, 2, w->source.last_document_id);
    dbt__bind_int(count, 3, w->source.id);
    status = dbt__step(count, err);
    int64_t labels = status == DBT_OK ? dbt__column_int(count, 0) : 0;
    dbt__reset(count);
    if (labels > w->source.documents / 2) *n = labels;
    return status < 0 ? status : DBT_OK;
}

/* --- records --- */

static dbt_status add_reject(dbt__writer *w, const dbt__record *record, dbt_error *err)
{
    dbt__statement *add = w->statement[ADD_REJECT];
    dbt__bind_int(add, 1, w->source.id);
    dbt__bind_int(add, 2, record->line);
    dbt__bind_string(add, 3, record->reason);
    dbt__bind_blob(add, 4, record->raw.bytes == 0 ? "" : record->raw.data, record->raw.bytes);
    dbt_status status = dbt__run(add, err);
    if (status == DBT_OK) w->source.rejected++;
    return status;
}

/* Looks up the label, and whether the split holds the document. */
static dbt_status look_up(dbt__writer *w, const dbt__record *record, int64_t *label_id,
                          int64_t *hash, bool *found, dbt_error *err)
{
    dbt_status status = DBT_OK;
    *label_id = *hash = 0;
    *found = false;
    if (record->labelled) status = dbt__labels_get(w->labels, record->label, label_id, err);
    if (status < 0 || w->seen == NULL) return status;
    *hash = dbt__seen_hash(*label_id, record->text);
    return dbt__seen_find(w->seen, w->split[w->current].id, *hash, *label_id, record->text, found,
                          err);
}

/* A record of a source that goes on. *stored: it is there already, or is a duplicate. */
static dbt_status replay_record(dbt__writer *w, const dbt__record *record, bool *stored,
                                dbt_error *err)
{
    int64_t label_id, hash = 0;
    bool dedup = w->seen != NULL && record->reason == NULL;
    dbt_status status = DBT_OK;
    *stored = false;
    if (dedup) status = look_up(w, record, &label_id, &hash, stored, err);
    if (*stored) w->source.duplicates++;
    if (status < 0 || *stored) return status;
    status = dbt__replay_match(w->replay, record, stored, err);
    if (status < 0 || !*stored) return status < 0 ? status : cut_source(w, err);
    if (dedup)
        status = dbt__seen_add(w->seen, w->split[w->current].id, hash,
                               dbt__replay_kept(w->replay)->last_document_id, err);
    if (dbt__replay_is_over(w->replay)) end_replay(w);
    return status;
}

static dbt_status write_record(dbt__writer *w, const dbt__record *record, dbt_error *err)
{
    int64_t label_id, hash;
    bool found;
    if (record->reason != NULL) return add_reject(w, record, err);
    dbt_status status = look_up(w, record, &label_id, &hash, &found, err);
    if (status == DBT_OK && found) {
        w->source.duplicates++;
        return DBT_OK;
    }
    if (status == DBT_OK) status = add_document(w, record, label_id, err);
    if (status == DBT_OK && w->seen != NULL)
        status =
            dbt__seen_add(w->seen, w->split[w->current].id, hash, w->source.last_document_id, err);
    return status;
}

dbt_status dbt__writer_add(dbt__writer *w, const dbt__record *record, dbt_error *err)
{
    bool stored = false;
    dbt_status status = begin(w, err);
    w->rows++;
    w->bytes += (int64_t)record->text.bytes;
    if (status == DBT_OK && w->replay != NULL) status = replay_record(w, record, &stored, err);
    if (status < 0 || stored) return status;
    return write_record(w, record, err);
}

/* --- the end of a transaction --- */

bool dbt__writer_is_full(const dbt__writer *w)
{
    return w->rows >= COMMIT_ROWS || w->bytes >= COMMIT_BYTES;
}

dbt_status dbt__writer_commit(dbt__writer *w, dbt_error *err)
{
    if (!w->in_transaction) return DBT_OK;
    dbt_status status = DBT_OK;
    if (w->source.id != 0) status = update_source(w, "loading", -1, NULL, err);
    for (size_t i = 0; i < w->n_splits && status == DBT_OK; i++) {
        if (!w->split[i].changed) continue;
        dbt__bind_int(w->statement[UPDATE_SPLIT], 1, w->split[i].id);
        dbt__bind_int(w->statement[UPDATE_SPLIT], 2, w->split[i].documents);
        status = dbt__run(w->statement[UPDATE_SPLIT], err);
        w->split[i].changed = false;
    }
    if (status < 0) return status;
    status = dbt__sql_commit(w->sql, err);
    /* It may have been committed and then found that somebody else has written into the file: what
     * comes next must ask anew. */
    w->in_transaction = !dbt__sql_idle(w->sql);
    return status;
}

/* Splits that a source of refused rows alone was to go to; those that have documents go with them.
 */
static dbt_status drop_empty_splits(dbt__writer *w, dbt_error *err)
{
    dbt_status status = begin(w, err);
    for (size_t i = 0; i < w->n_splits && status == DBT_OK; i++) {
        if (!w->split[i].is_new) continue;
        dbt__bind_int(w->statement[DELETE_EMPTY_SPLIT], 1, w->split[i].id);
        status = dbt__run(w->statement[DELETE_EMPTY_SPLIT], err);
    }
    return status < 0 ? status : dbt__writer_commit(w, err);
}

dbt_status dbt__writer_refuse(dbt__writer *w, dbt_error *err)
{
    if (w->first_source_id == 0) return DBT_OK;
    dbt_status status = begin(w, err);
    if (status < 0) return status;
    /* The counts first: a commit would make the current source 'loading' again. */
    if (w->source.id != 0) status = update_source(w, "refused", -1, NULL, err);
    w->source.id = 0;
    /* A source may be gone: what a failed batch took back began with it. Those before are not. */
    if (status == DBT_EFORMAT) status = begin(w, err);
    if (status < 0) return status;
    dbt__bind_int(w->statement[REFUSE_SOURCES], 1, w->first_source_id);
    status = dbt__run(w->statement[REFUSE_SOURCES], err);
    if (status == DBT_OK) status = dbt__writer_commit(w, err);
    return status < 0 ? status : drop_empty_splits(w, err);
}
