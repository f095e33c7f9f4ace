/*
 * page_rows.h: how many rows a page has where that is ours to choose: fewer of long documents, so
 * that the texts that threads hold do not grow with them.
 */
#ifndef DBT_PAGE_ROWS_H
#define DBT_PAGE_ROWS_H

#include <dbtrain/store.h>

#include "base.h"

/* Texts of a page, in bytes, on the average. */
#define DBT__PAGE_BYTES ((size_t)1 << 20)

/*
 * *rows is `most` (at least 1), or a half of it, a quarter ..., down to 1: the largest of these of
 * whose texts a page has DBT__PAGE_BYTES at most, as some of the first n_rows documents of the
 * split tell. It depends on these documents alone. DBT_ENOMEM, DBT_EIO.
 */
dbt_status dbt__page_rows(dbt_store *store, const char *split, int64_t n_rows, size_t most,
                          size_t *rows, dbt_error *err) DBT_MUST_USE;

#endif
