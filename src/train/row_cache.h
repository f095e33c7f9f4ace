/*
 * row_cache.h: the vectorized form of a split, kept in memory between epochs.
 *
 * Vectorizing a text costs several times what a step of the network does with it, and gives the
 * same entries in every epoch. Packed they take a tenth of the text, so the rows of most splits fit
 * into what --memory leaves. A cache holds all rows of its split, or there is none.
 */
#ifndef DBT_ROW_CACHE_H
#define DBT_ROW_CACHE_H

#include <dbtrain/page.h>
#include <dbtrain/pool.h>
#include <dbtrain/store.h>
#include <dbtrain/train.h>
#include <dbtrain/vectorizer.h>

#include "base.h"

typedef struct dbt__row_cache dbt__row_cache;

/*
 * Vectorizes the first n_rows rows of a split in all threads of the pool. *cache is NULL when they
 * do not fit into `memory` bytes. The vectorizer must outlive the cache. The observer's stop is
 * asked between rounds of pages. DBT_EINTERRUPTED, DBT_ENOMEM, and the cursor's.
 */
dbt_status dbt__row_cache_fill(dbt_store *store, const char *split, int64_t n_rows,
                               const dbt_vectorizer *vectorizer, dbt_pool *pool, size_t memory,
                               const dbt_observer *observer, dbt__row_cache **cache,
                               dbt_error *err) DBT_MUST_USE;
/* Takes NULL. */
void dbt__row_cache_free(dbt__row_cache *cache);
/* Memory that it takes; 0 for NULL. */
size_t dbt__row_cache_bytes(const dbt__row_cache *cache);
/*
 * The rows at n positions of the split: appended to a page, their texts empty, and packed, in
 * memory of the cache. Any thread. DBT_ENOMEM.
 */
dbt_status dbt__row_cache_read(const dbt__row_cache *cache, const int64_t *position, size_t n,
                               dbt_page *page, dbt_packed_row *packed, dbt_error *err) DBT_MUST_USE;

#endif
