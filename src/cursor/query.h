/* query.h: pages of a user's query, by literal LIMIT and OFFSET. */
#ifndef DBT_QUERY_H
#define DBT_QUERY_H

#include <dbtrain/page.h>

#include "sql.h"
#include "store_internal.h"

typedef struct dbt__query {
    dbt__sql *sql; /* its own, read-only */
    dbt__statement *rows;
    char *database; /* for messages */
} dbt__query;

/* *n_rows: how many rows the query yields now. DBT_EUSAGE when the text is no such query. */
dbt_status dbt__query_init(dbt__query *query, dbt_store *store, const char *text, int64_t *n_rows,
                           dbt_error *err) DBT_MUST_USE;
/* Takes a query of zeros. */
void dbt__query_release(dbt__query *query);
/* Appends rows first .. first + n - 1 of the query to a page. */
dbt_status dbt__query_read(dbt__query *query, int64_t first, int64_t n, dbt_page *page,
                           dbt_error *err) DBT_MUST_USE;

#endif
