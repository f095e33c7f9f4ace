/*
 * row_cache.h: the vectorized form of a split, kept between epochs.
 *
 * Vectorizing a text costs several times what a step of the network does with it, and gives the
 * same entries in every epoch. Packed they take a tenth of the text, so the rows of most splits fit
 * into what --memory leaves. Rows of a vectorizer that is not whole are kept in any case, if need
 * be in a temporary file, since making them takes several passes over the split. With --cache they
 * are kept in the database, for later runs too.
 */
#ifndef DBT_ROW_CACHE_H
#define DBT_ROW_CACHE_H

#include <dbtrain/page.h>
#include <dbtrain/pool.h>
#include <dbtrain/store.h>
#include <dbtrain/train.h>
#include <dbtrain/vectorizer.h>

#include "base.h"
#include "block_table.h"
#include "page_digests.h"

typedef struct dbt__row_cache dbt__row_cache;

typedef struct dbt__row_cache_options {
    const char *split;
    int64_t n_rows;     /* the first of the split */
    size_t memory;      /* bytes that rows may take */
    size_t work_memory; /* bytes that making them may take, for a vectorizer that is not whole */
    const dbt_norms *norms; /* of these rows, where they are known; NULL: they are made if needed */
    const char *spill_folder;   /* NULL: rows that do not fit into memory are not kept */
    const dbt__block_key *key;  /* NULL: the rows are not kept in the database */
    dbt__page_digests *digests; /* of these rows, where only rows of these documents are wanted */
    /* NULL, or called once nobody here needs the store's connection any more: not with a key. */
    void (*meanwhile)(void *context);
    void *context;
} dbt__row_cache_options;

/*
 * Vectorizes the rows in all threads of the pool, unless the database has them. *cache is NULL when
 * they do not fit and may not go to a file. The vectorizer must outlive the cache. The observer's
 * stop is asked between rounds of pages. DBT_EINTERRUPTED, DBT_EIO, DBT_ENOMEM, and the cursor's.
 */
dbt_status dbt__row_cache_fill(dbt_store *store, const dbt__row_cache_options *options,
                               const dbt_vectorizer *vectorizer, dbt_pool *pool,
                               const dbt_observer *observer, dbt__row_cache **cache,
                               dbt_error *err) DBT_MUST_USE;
/* Takes NULL. */
void dbt__row_cache_free(dbt__row_cache *cache);
/* Memory that it takes; 0 for NULL. */
size_t dbt__row_cache_bytes(const dbt__row_cache *cache);
/* Whether the rows are in a file, the database or a temporary one. */
bool dbt__row_cache_is_stored(const dbt__row_cache *cache);
/* Whether they were in the database already. */
bool dbt__row_cache_was_found(const dbt__row_cache *cache);
/*
 * The rows at n positions of the split: appended to a page, their texts empty, and packed, in
 * memory of the cache or of `bytes`, whose content is replaced. One thread at a time. DBT_EIO,
 * DBT_EFORMAT (a block is damaged), DBT_ENOMEM.
 */
dbt_status dbt__row_cache_read(dbt__row_cache *cache, const int64_t *position, size_t n,
                               dbt_page *page, dbt_packed_row *packed, dbt__buffer *bytes,
                               dbt_error *err) DBT_MUST_USE;

#endif
