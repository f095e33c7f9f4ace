/* split_reader.h: runs of neighbouring rows of a split, by seek. */
#ifndef DBT_SPLIT_READER_H
#define DBT_SPLIT_READER_H

#include <dbtrain/page.h>

#include "sql.h"
#include "store_internal.h"

typedef struct dbt__split_reader {
    dbt__sql *sql; /* its own, read-only */
    dbt__statement *rows;
    int64_t split_id;
    char *name;
    bool verify; /* documents are compared with their checksums */
} dbt__split_reader;

/* One document, its text valid during the call that it is passed to. */
typedef struct dbt__row {
    dbt_text text;
    int64_t document_id;
    int64_t label_id; /* 0: none */
    double weight;
} dbt__row;

typedef dbt_status dbt__take_row(void *context, const dbt__row *row, dbt_error *err);

dbt_status dbt__split_reader_init(dbt__split_reader *reader, dbt_store *store, const char *name,
                                  bool verify, dbt_split *split, dbt_error *err) DBT_MUST_USE;
/* Takes a reader of zeros. */
void dbt__split_reader_release(dbt__split_reader *reader);
/* Passes the rows at positions first .. first + n - 1, in their order; DBT_EFORMAT when one is
 * missing or damaged. No transaction is left open. A status of `take` below 0 ends it. */
dbt_status dbt__split_read(dbt__split_reader *reader, int64_t first, int64_t n, dbt__take_row *take,
                           void *context, dbt_error *err) DBT_MUST_USE;
/* The mean bytes of a text, 0 of no rows: of 128 rows that are evenly spread over the first n. As
 * dbt__split_read. */
dbt_status dbt__split_mean_bytes(dbt__split_reader *reader, int64_t n, int64_t *bytes,
                                 dbt_error *err) DBT_MUST_USE;
/* Between these two the reads share one transaction: cheaper for many short ones. */
dbt_status dbt__split_begin(dbt__split_reader *reader, dbt_error *err) DBT_MUST_USE;
void dbt__split_end(dbt__split_reader *reader);

/* A take_row that appends to a dbt_page. */
dbt_status dbt__append_row(void *page, const dbt__row *row, dbt_error *err);

#endif
