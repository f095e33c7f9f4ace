/*
 * feed.h: the batches of a split: what a cursor pages and a vectorizer makes of it, or what a cache
 * has of both.
 *
 * Making a batch has two halves: dbt__feed_read is one thread's at a time and fixes what the batch
 * holds, dbt__feed_vectorize does the work and may run in many threads at once.
 */
#ifndef DBT_FEED_H
#define DBT_FEED_H

#include <dbtrain/batch.h>
#include <dbtrain/cursor.h>
#include <dbtrain/page.h>
#include <dbtrain/pool.h>
#include <dbtrain/vectorizer.h>

#include "base.h"
#include "row_cache.h"

/* All must outlive the feed. The cursor is used by nobody else. */
typedef struct dbt__feed {
    dbt_cursor *cursor;
    const dbt_vectorizer *vectorizer;
    dbt__row_cache *cache;  /* NULL: none */
    const dbt_norms *norms; /* of the split's documents, in its order; NULL: not known */
    dbt_pool *pool;    /* helps with a batch out of the cache; NULL: several threads make them */
    size_t batch_size; /* of the cursor */
    size_t rows_ahead; /* that may be made before they are used, two batches in any case; 0: no
                        * matter how many */
} dbt__feed;

/* A page and the batch made of it. */
typedef struct dbt__page_batch {
    dbt_page *page; /* its texts are empty when it came from a cache */
    dbt_batch *batch;
    int64_t *position;      /* [batch_size]: of the rows, where there is a cache or are norms */
    double *norm;           /* [batch_size]: theirs, where there are norms */
    dbt_packed_row *packed; /* [batch_size]: the rows, where there is a cache; in `bytes` */
    dbt__buffer bytes;
} dbt__page_batch;

dbt_status dbt__page_batch_init(dbt__page_batch *pair, const dbt__feed *feed,
                                dbt_error *err) DBT_MUST_USE;
/* One of zeros too. */
void dbt__page_batch_release(dbt__page_batch *pair);
/* Page `index` of the cursor's epoch. One thread at a time. What dbt_cursor_read returns. */
dbt_status dbt__feed_read(const dbt__feed *feed, int64_t index, dbt__page_batch *pair,
                          dbt_error *err) DBT_MUST_USE;
/* The batch of what was read. Any thread, with a transformer of its own. */
dbt_status dbt__feed_vectorize(const dbt__feed *feed, dbt_transformer *transformer,
                               dbt__page_batch *pair, dbt_error *err) DBT_MUST_USE;

#endif
