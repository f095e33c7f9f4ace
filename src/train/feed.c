/* feed.c: pages to batches, through the vectorizer or out of a cache. */
#include "feed.h"

dbt_status dbt__page_batch_init(dbt__page_batch *pair, const dbt__feed *feed, dbt_error *err)
{
    *pair = (dbt__page_batch){0};
    dbt_status status = dbt_page_new(&pair->page, err);
    if (status == DBT_OK) status = dbt_batch_new(&pair->batch, err);
    if (status < 0) return status;
    pair->position = dbt__alloc_array(feed->batch_size, sizeof *pair->position);
    pair->norm = dbt__alloc_array(feed->norms == NULL ? 0 : feed->batch_size, sizeof *pair->norm);
    pair->packed =
        dbt__alloc_array(feed->cache == NULL ? 0 : feed->batch_size, sizeof *pair->packed);
    if (pair->position == NULL || pair->norm == NULL || pair->packed == NULL)
        return dbt__out_of_memory(err, "a batch");
    return DBT_OK;
}

void dbt__page_batch_release(dbt__page_batch *pair)
{
    dbt_page_free(pair->page);
    dbt_batch_free(pair->batch);
    dbt__free(pair->position);
    dbt__free(pair->norm);
    dbt__free(pair->packed);
    dbt__buffer_release(&pair->bytes);
    *pair = (dbt__page_batch){0};
}

static dbt_status read_norms(const dbt__feed *feed, int64_t index, dbt__page_batch *pair,
                             dbt_error *err)
{
    size_t n;
    dbt_status status = dbt_cursor_positions(feed->cursor, index, pair->position, &n, err);
    for (size_t i = 0; status == DBT_OK && i < n; i++)
        status = dbt_norms_read(feed->norms, pair->position[i], 1, &pair->norm[i], err);
    return status;
}

static dbt_status read_cache(const dbt__feed *feed, int64_t index, dbt__page_batch *pair,
                             dbt_error *err)
{
    size_t n;
    dbt_page_clear(pair->page);
    pair->page->index = index;
    dbt_status status = dbt_cursor_positions(feed->cursor, index, pair->position, &n, err);
    if (status < 0) return status;
    return dbt__row_cache_read(feed->cache, pair->position, n, pair->page, pair->packed,
                               &pair->bytes, err);
}

dbt_status dbt__feed_read(const dbt__feed *feed, int64_t index, dbt__page_batch *pair,
                          dbt_error *err)
{
    if (feed->cache != NULL) return read_cache(feed, index, pair, err);
    dbt_status status = dbt_cursor_read(feed->cursor, index, pair->page, err);
    if (status == DBT_OK && feed->norms != NULL) status = read_norms(feed, index, pair, err);
    return status;
}

dbt_status dbt__feed_vectorize(const dbt__feed *feed, dbt_transformer *transformer,
                               dbt__page_batch *pair, dbt_error *err)
{
    if (feed->cache != NULL)
        return dbt_unpack(feed->vectorizer, pair->packed, pair->page->n_rows, feed->pool,
                          pair->batch, err);
    return dbt_transform(transformer, pair->page, feed->norms == NULL ? NULL : pair->norm,
                         pair->batch, err);
}
