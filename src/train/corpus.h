/* corpus.h: a split as the vectorizer reads it: pages, until somebody wants to stop. */
#ifndef DBT_CORPUS_H
#define DBT_CORPUS_H

#include <dbtrain/cursor.h>
#include <dbtrain/page.h>
#include <dbtrain/store.h>
#include <dbtrain/train.h>

#include "base.h"
#include "page_digests.h"

/* Rows of a page, of long documents a half, a quarter, ... of them. */
#define DBT__CORPUS_PAGE_ROWS 128

typedef struct dbt__corpus {
    size_t n_cursors; /* one a reader */
    dbt_cursor **cursor;
    const dbt_observer *observer;
    const char *split;          /* borrowed */
    dbt__page_digests *digests; /* of it, borrowed; NULL: its pages are taken as they are */
    dbt_corpus pages;           /* its context is this object, which must not be moved */
} dbt__corpus;

/* The first n_rows rows of a split, in its order, for so many readers. The observer is asked by the
 * first of them whether to stop: DBT_EINTERRUPTED. With digests a page that is not what it was when
 * they were noted is DBT_EDATA. Close it in any case. What dbt_cursor_open returns. */
dbt_status dbt__corpus_open(dbt__corpus *corpus, dbt_store *store, const char *split,
                            int64_t n_rows, dbt__page_digests *digests, size_t n_readers,
                            const dbt_observer *observer, dbt_error *err) DBT_MUST_USE;
/* One of zeros too. */
void dbt__corpus_close(dbt__corpus *corpus);

#endif
