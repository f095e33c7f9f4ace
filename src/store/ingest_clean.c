/*
 * ingest_clean.c: documents of refused and abandoned sources out of the file again, and those of an
 * unfinished source that are no longer what is read.
 *
 * A source's documents are a range of ids. They go in batches, the highest ids first, each batch
 * with its places and the splits' counts in one transaction; the last one leaves the splits dense,
 * drops labels and splits that nothing is left of, and sets the source's range to NULL, which marks
 * it as clean. Killed at any moment, the next writer goes on.
 *
 * Between two transactions of an ingest somebody else may have added documents: their ids lie in
 * the range, too, and they stay.
 *
 * Foreign keys are off meanwhile: nothing has an index by label, so that checking each label that
 * goes would scan all documents. What refers to the documents is deleted here, once.
 */
#include <stdio.h>

#include "ingest_internal.h"

enum { BATCH = 20000 };

typedef struct range {
    int64_t source_id, first, last;
    int64_t kept; /* documents of the source before it */
} range;

/* The newest source that is to be cleaned: DBT_DONE when there is none. */
static dbt_status find_range(dbt__sql *sql, range *found, dbt_error *err)
{
    dbt__statement *find;
    dbt_status status =
        dbt__prepare(sql,
                     "SELECT id, first_document_id, last_document_id FROM source WHERE status ="
                     " 'refused' AND first_document_id IS NOT NULL ORDER BY id DESC LIMIT 1",
                     &find, err);
    if (status < 0) return status;
    status = dbt__step(find, err);
    if (status == DBT_OK)
        *found = (range){dbt__column_int(find, 0), dbt__column_int(find, 1),
                         dbt__column_int(find, 2), 0};
    dbt__finalize(find);
    return status;
}

/* Takes the ids from .. r.last out, in the transaction that is open. */
static dbt_status delete_batch(dbt__sql *sql, const range *r, int64_t from, dbt_error *err)
{
#define OF_SOURCE                                                                                  \
    "document_id IN (SELECT id FROM document WHERE id BETWEEN ?1 AND ?2 AND source_id = ?3)"
    static const char *const texts[] = {
        "INSERT OR IGNORE INTO temp.touched SELECT DISTINCT split_id FROM split_document"
        " WHERE " OF_SOURCE,
        "UPDATE split SET documents = documents - (SELECT count(*) FROM split_document"
        " WHERE " OF_SOURCE " AND split_id = split.id)"
        " WHERE id IN (SELECT id FROM temp.touched)",
        "DELETE FROM prediction WHERE " OF_SOURCE,
        "DELETE FROM split_document WHERE " OF_SOURCE,
        "DELETE FROM document WHERE id BETWEEN ?1 AND ?2 AND source_id = ?3",
    };
#undef OF_SOURCE
    dbt_status status = DBT_OK;
    for (size_t i = 0; i < sizeof texts / sizeof *texts && status == DBT_OK; i++)
        status = dbt__sql_run(sql, texts[i], (int64_t[]){from, r->last, r->source_id}, 3, err);
    if (status == DBT_OK)
        status = dbt__sql_run(sql,
                              "UPDATE source SET last_document_id = ?1, documents = documents - ?2"
                              " WHERE id = ?3",
                              (int64_t[]){from - 1, dbt__sql_changes(sql), r->source_id}, 3, err);
    return status;
}

/* A split that lost places in its middle: the others close up. */
static dbt_status make_dense(dbt__sql *sql, int64_t split_id, dbt_error *err)
{
    dbt_status status = dbt__sql_exec(sql,
                                      "DROP TABLE IF EXISTS temp.dense;"
                                      "CREATE TABLE temp.dense (id INTEGER PRIMARY KEY,"
                                      " document_id INTEGER)",
                                      err);
    static const char *const texts[] = {
        "INSERT INTO temp.dense (document_id) SELECT document_id FROM split_document"
        " WHERE split_id = ?1 ORDER BY position",
        "DELETE FROM split_document WHERE split_id = ?1",
        "INSERT INTO split_document (split_id, position, document_id)"
        " SELECT ?1, id - 1, document_id FROM temp.dense ORDER BY id",
        "UPDATE split SET documents = (SELECT count(*) FROM temp.dense) WHERE id = ?1",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts && status == DBT_OK; i++)
        status = dbt__sql_run(sql, texts[i], &split_id, 1, err);
    if (status == DBT_OK) status = dbt__sql_exec(sql, "DROP TABLE temp.dense", err);
    return status;
}

static dbt_status make_all_dense(dbt__sql *sql, dbt_error *err)
{
    for (int64_t last = 0;;) {
        dbt__statement *find;
        int64_t id = 0;
        dbt_status status = dbt__prepare(
            sql,
            "SELECT id FROM split WHERE id > ?1 AND id IN (SELECT id FROM temp.touched) AND "
            "documents"
            " <> (SELECT coalesce(max(position) + 1, 0) FROM split_document WHERE split_id ="
            " split.id) ORDER BY id LIMIT 1",
            &find, err);
        if (status < 0) return status;
        dbt__bind_int(find, 1, last);
        status = dbt__step(find, err);
        if (status == DBT_OK) id = dbt__column_int(find, 0);
        dbt__finalize(find);
        if (status != DBT_OK) return status == DBT_DONE ? DBT_OK : status;
        status = make_dense(sql, id, err);
        if (status < 0) return status;
        last = id;
    }
}

/* Splits and labels of which nothing is left, and, where no documents are kept, the mark that the
 * source is clean. */
static dbt_status finish_source(dbt__sql *sql, const range *r, bool is_last, dbt_error *err)
{
    dbt_status status = make_all_dense(sql, err);
    if (status == DBT_OK)
        status = dbt__sql_exec(
            sql,
            "DELETE FROM evaluation WHERE split_id IN (SELECT id FROM temp.touched)"
            " AND split_id IN (SELECT id FROM split WHERE documents = 0);"
            "DELETE FROM row_block WHERE row_cache_id IN (SELECT c.id FROM row_cache c"
            " JOIN split s ON s.id = c.split_id WHERE s.documents = 0"
            " AND s.id IN (SELECT id FROM temp.touched));"
            "DELETE FROM row_cache WHERE split_id IN (SELECT id FROM split"
            " WHERE documents = 0 AND id IN (SELECT id FROM temp.touched));"
            "DELETE FROM split WHERE documents = 0"
            " AND id IN (SELECT id FROM temp.touched);"
            "DELETE FROM temp.touched",
            err);
    /* One scan of all documents: only when all sources are done. */
    if (status == DBT_OK && is_last)
        status = dbt__sql_exec(sql,
                               "DELETE FROM label WHERE id NOT IN (SELECT label_id FROM document "
                               "WHERE label_id IS NOT NULL)"
                               " AND id NOT IN (SELECT label_id FROM run_label)"
                               " AND id NOT IN (SELECT label_id FROM term_effect)"
                               " AND id NOT IN (SELECT label_id FROM prediction)",
                               err);
    if (status == DBT_OK)
        status =
            dbt__sql_run(sql,
                         "UPDATE source SET documents = ?2,"
                         " first_document_id = iif(?2 = 0, NULL, first_document_id),"
                         " last_document_id = iif(?2 = 0, NULL, last_document_id) WHERE id = ?1",
                         (int64_t[]){r->source_id, r->kept}, 2, err);
    return status;
}

static dbt_status count_dirty(dbt__sql *sql, int64_t *n, dbt_error *err)
{
    return dbt__sql_int(
        sql,
        "SELECT count(*) FROM source WHERE status = 'refused' AND first_document_id IS NOT NULL", 0,
        n, err);
}

/* One transaction of a clean-up: the range's end is out, and it is shorter. */
static dbt_status clean_some(dbt__sql *sql, range *r, bool is_last_source, dbt_error *err)
{
    int64_t from = r->last - BATCH + 1 > r->first ? r->last - BATCH + 1 : r->first;
    dbt_status status = dbt__sql_begin(sql, err);
    if (status < 0) return status;
    if (r->last >= r->first) status = delete_batch(sql, r, from, err);
    if (status == DBT_OK && from <= r->first) status = finish_source(sql, r, is_last_source, err);
    r->last = from - 1;
    return dbt__sql_end(sql, status, err);
}

static dbt_status clean_all(dbt__sql *sql, dbt_error *err)
{
    for (;;) {
        range r;
        int64_t n_dirty;
        dbt_status status = find_range(sql, &r, err);
        if (status != DBT_OK) return status == DBT_DONE ? DBT_OK : status;
        status = count_dirty(sql, &n_dirty, err);
        if (status == DBT_OK) status = clean_some(sql, &r, n_dirty == 1, err);
        if (status < 0) return status;
    }
}

static dbt_status begin_cleaning(dbt__sql *sql, dbt_error *err)
{
    return dbt__sql_exec(sql,
                         "PRAGMA foreign_keys = OFF;"
                         "CREATE TABLE IF NOT EXISTS temp.touched (id INTEGER PRIMARY KEY)",
                         err);
}

/* In any case: the connection goes on to be used. */
static dbt_status end_cleaning(dbt__sql *sql, dbt_status status, dbt_error *err)
{
    dbt_status again =
        dbt__sql_exec(sql, "DROP TABLE IF EXISTS temp.touched; PRAGMA foreign_keys = ON", err);
    return status < 0 ? status : again;
}

dbt_status dbt__ingest_clean(dbt__sql *sql, dbt_error *err)
{
    int64_t n_dirty;
    dbt_status status = count_dirty(sql, &n_dirty, err);
    if (status < 0 || n_dirty == 0) return status;
    status = begin_cleaning(sql, err);
    if (status == DBT_OK) status = clean_all(sql, err);
    return end_cleaning(sql, status, err);
}

/* DBT_DONE: none is unfinished. */
static dbt_status find_unfinished(dbt__sql *sql, dbt__abandoned *found, dbt_error *err)
{
    dbt__statement *find;
    dbt_status status =
        dbt__prepare(sql,
                     "SELECT count(*), sum(documents), min(name) FROM source WHERE status ="
                     " 'loading' HAVING count(*) > 0",
                     &find, err);
    if (status < 0) return status;
    status = dbt__step(find, err);
    if (status == DBT_OK) {
        dbt_text name = dbt__column_text(find, 2);
        found->sources = dbt__column_int(find, 0);
        found->documents = dbt__column_int(find, 1);
        if (name.data != NULL)
            (void)snprintf(found->name, sizeof found->name, "%.*s", (int)name.bytes, name.data);
    }
    dbt__finalize(find);
    return status;
}

dbt_status dbt__ingest_abandon(dbt__sql *sql, dbt__abandoned *abandoned, dbt_error *err)
{
    *abandoned = (dbt__abandoned){0};
    dbt_status status = find_unfinished(sql, abandoned, err);
    if (status != DBT_OK) return status == DBT_DONE ? DBT_OK : status;
    status = dbt__sql_begin(sql, err);
    if (status < 0) return status;
    status =
        dbt__sql_exec(sql, "UPDATE source SET status = 'refused' WHERE status = 'loading'", err);
    status = dbt__sql_end(sql, status, err);
    return status < 0 ? status : dbt__ingest_clean(sql, err);
}

static dbt_status cut_rejects(dbt__sql *sql, const dbt__kept *kept, dbt_error *err)
{
    dbt_status status = dbt__sql_begin(sql, err);
    if (status < 0) return status;
    status = dbt__sql_run(sql, "DELETE FROM reject WHERE source_id = ?1 AND id > ?2",
                          (int64_t[]){kept->source_id, kept->last_reject_id}, 2, err);
    if (status == DBT_OK)
        status = dbt__sql_run(sql, "UPDATE source SET rejected = ?2 WHERE id = ?1",
                              (int64_t[]){kept->source_id, kept->rejected}, 2, err);
    return dbt__sql_end(sql, status, err);
}

dbt_status dbt__ingest_cut(dbt__sql *sql, const dbt__kept *kept, int64_t last_document_id,
                           dbt_error *err)
{
    range r = {kept->source_id, kept->last_document_id + 1, last_document_id, kept->documents};
    dbt_status status = cut_rejects(sql, kept, err);
    if (status == DBT_OK) status = begin_cleaning(sql, err);
    do {
        if (status == DBT_OK) status = clean_some(sql, &r, true, err);
    } while (status == DBT_OK && r.last >= r.first);
    return end_cleaning(sql, status, err);
}
