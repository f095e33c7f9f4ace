/*
 * page_digests.h: a digest of each page of a split, so that who reads it again knows its documents
 * for those of the first time: another program may write between any two pages.
 */
#ifndef DBT_PAGE_DIGESTS_H
#define DBT_PAGE_DIGESTS_H

#include <dbtrain/page.h>
#include <dbtrain/status.h>

#include <stdatomic.h>

#include "base.h"

typedef struct dbt__page_digests {
    size_t page_rows; /* of each page but the last; 0: there are no digests */
    size_t n_pages;
    uint64_t *digest;     /* [n_pages]: over ids, labels, weights and texts */
    atomic_bool mismatch; /* a page was not what it had been */
} dbt__page_digests;

/* For n_rows rows. DBT_ENOMEM. */
dbt_status dbt__page_digests_init(dbt__page_digests *digests, int64_t n_rows, size_t page_rows,
                                  dbt_error *err) DBT_MUST_USE;
/* One of zeros too. */
void dbt__page_digests_release(dbt__page_digests *digests);
/* Rows from `first` on, one page or several whole ones. Other pages may be noted at the same time.
 */
void dbt__page_digests_note(dbt__page_digests *digests, int64_t first, const dbt_page *rows);
/* DBT_EDATA: the page is not what it was. Any number of threads. */
dbt_status dbt__page_digests_check(dbt__page_digests *digests, const char *split, int64_t number,
                                   const dbt_page *page, dbt_error *err) DBT_MUST_USE;

#endif
