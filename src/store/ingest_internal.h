/*
 * ingest_internal.h: the two halves of ingest that know SQL: writing rows, taking rows out.
 *
 * The writer holds the statements and one transaction at a time. Between two commits the counts of
 * source and split are in memory; a commit writes them with the rows they count, so that every
 * committed state is whole.
 */
#ifndef DBT_INGEST_INTERNAL_H
#define DBT_INGEST_INTERNAL_H

#include <dbtrain/ingest.h>

#include "base.h"
#include "reader.h"
#include "sql.h"

typedef struct dbt__writer dbt__writer;

/* The source that is being written. */
typedef struct dbt__written {
    int64_t id; /* 0: none */
    int64_t documents;
    int64_t rejected;
    int64_t duplicates;
    int64_t first_document_id;
    int64_t last_document_id;
} dbt__written;

dbt_status dbt__writer_new(dbt__sql *sql, bool dedup, dbt__writer **writer,
                           dbt_error *err) DBT_MUST_USE;
/* Takes NULL. What is not committed is rolled back. */
void dbt__writer_free(dbt__writer *writer);
/*
 * Finds a loaded source of that name, split and size: *documents is -1 when there is none. `digest`
 * NULL: any digest will do, to know whether reading the file for its digest is worth while.
 */
dbt_status dbt__writer_find_source(dbt__writer *writer, const char *name, const char *split,
                                   int64_t bytes, const char *digest, int64_t *documents,
                                   dbt_error *err) DBT_MUST_USE;
/* Begins a source ('loading') that goes to a split, which is made when it is not there. */
dbt_status dbt__writer_begin_source(dbt__writer *writer, const char *name, const char *format,
                                    const char *split, dbt_error *err) DBT_MUST_USE;
/* Writes a record: a document, or a row of `reject`; or neither, when it is a duplicate. */
dbt_status dbt__writer_add(dbt__writer *writer, const dbt__record *record,
                           dbt_error *err) DBT_MUST_USE;
/* The source is complete ('loaded'). */
dbt_status dbt__writer_end_source(dbt__writer *writer, int64_t bytes, const char *digest,
                                  dbt_error *err) DBT_MUST_USE;
const dbt__written *dbt__writer_source(const dbt__writer *writer);
/* Enough has been written since the last commit. */
bool dbt__writer_is_full(const dbt__writer *writer);
dbt_status dbt__writer_commit(dbt__writer *writer, dbt_error *err) DBT_MUST_USE;
/* Marks all sources that this writer began as 'refused' and commits. */
dbt_status dbt__writer_refuse(dbt__writer *writer, dbt_error *err) DBT_MUST_USE;

/*
 * Takes out the documents of sources that are 'refused' or were left 'loading': an ingest that was
 * killed, or a clean-up that was. Their rows in `source` and `reject` stay. Not inside a
 * transaction. *interrupted: how many sources had been left 'loading'.
 */
dbt_status dbt__ingest_clean(dbt__sql *sql, int64_t *interrupted, dbt_error *err) DBT_MUST_USE;

#endif
