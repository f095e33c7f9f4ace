/*
 * row_cache.c: packed rows in blocks of neighbouring positions.
 *
 * A block is one piece of memory: where each of its rows begins and the last one ends, then the
 * rows:
 *
 *     uint32     start[rows + 1]
 *     for each row, as LEB128:
 *                document id; 2 * label id, plus 1 where the weight is not 1, which then follows as
 *                binary64; then the packed row of the vectorizer
 *
 * Pages of an in-order cursor are the blocks, so each is made by one task, whatever the threads.
 */
#include "row_cache.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include <dbtrain/cursor.h>

#include "leb128.h"

#define BLOCK_ROWS 128
/* Blocks of a round, for each thread: few enough to be asked soon whether to stop. */
#define ROUND_BLOCKS 64
#define FACTS_BYTES (2 * DBT__LEB128_MAX + sizeof(double))

struct dbt__row_cache {
    size_t n_blocks;
    unsigned char **block;
    atomic_size_t bytes;
};

typedef struct fill_worker {
    dbt_transformer *transformer;
    dbt_page *page;
    dbt__buffer rows;
} fill_worker;

typedef struct fill_state {
    dbt__row_cache *cache;
    dbt_cursor *cursor;
    pthread_mutex_t reading; /* the cursor is one thread's at a time */
    size_t n_workers;
    fill_worker *worker;
    size_t first; /* block of this round's task 0 */
} fill_state;

static size_t put_facts(unsigned char *to, const dbt_page *page, size_t row)
{
    bool weighted = page->weight[row] != 1;
    size_t n = dbt__leb128_put(to, (uint64_t)page->document_id[row]);
    n += dbt__leb128_put(to + n, (uint64_t)page->label_id[row] << 1 | weighted);
    if (weighted) memcpy(to + n, &page->weight[row], sizeof(double));
    return weighted ? n + sizeof(double) : n;
}

static dbt_status append_row(fill_worker *worker, size_t row, dbt_error *err)
{
    unsigned char facts[FACTS_BYTES];
    dbt_packed_row packed;
    size_t n = put_facts(facts, worker->page, row);
    dbt_status status = dbt__buffer_append(&worker->rows, (const char *)facts, n, err);
    if (status == DBT_OK)
        status = dbt_pack_text(worker->transformer, worker->page->text[row], NULL, &packed, err);
    if (status == DBT_OK)
        status = dbt__buffer_append(&worker->rows, (const char *)packed.data, packed.bytes, err);
    return status;
}

static dbt_status make_block(fill_state *fill, fill_worker *worker, size_t block, dbt_error *err)
{
    uint32_t start[BLOCK_ROWS + 1];
    size_t n = worker->page->n_rows, head = (n + 1) * sizeof *start;
    worker->rows.length = 0;
    for (size_t row = 0; row < n; row++) {
        start[row] = (uint32_t)(head + worker->rows.length);
        dbt_status status = append_row(worker, row, err);
        if (status < 0) return status;
    }
    start[n] = (uint32_t)(head + worker->rows.length);
    unsigned char *made = dbt__grow_array(NULL, start[n], 1);
    if (made == NULL) return dbt__out_of_memory(err, "vectorized rows");
    memcpy(made, start, head);
    if (worker->rows.length > 0) memcpy(made + head, worker->rows.data, worker->rows.length);
    fill->cache->block[block] = made;
    atomic_fetch_add(&fill->cache->bytes, start[n]);
    return DBT_OK;
}

static dbt_status fill_block(void *context, size_t task, size_t number, dbt_error *err)
{
    fill_state *fill = context;
    fill_worker *worker = &fill->worker[number];
    size_t block = fill->first + task;
    (void)pthread_mutex_lock(&fill->reading);
    dbt_status status = dbt_cursor_read(fill->cursor, (int64_t)block, worker->page, err);
    (void)pthread_mutex_unlock(&fill->reading);
    return status < 0 ? status : make_block(fill, worker, block, err);
}

/* What all blocks will take, as those that are there do; with what the allocator adds to each. */
static double expect_bytes(const dbt__row_cache *cache, size_t n_filled)
{
    double filled = (double)atomic_load(&cache->bytes) + 16.0 * (double)n_filled;
    return filled / (double)n_filled * (double)cache->n_blocks;
}

/* *fits false: the rows take more than `memory`. */
static dbt_status fill_blocks(fill_state *fill, dbt_pool *pool, size_t memory,
                              const dbt_observer *observer, bool *fits, dbt_error *err)
{
    dbt__row_cache *cache = fill->cache;
    size_t round = ROUND_BLOCKS * fill->n_workers, n;
    *fits = true;
    for (; *fits && fill->first < cache->n_blocks; fill->first += n) {
        if (observer->stop != NULL && observer->stop(observer->context))
            return dbt__fail(err, DBT_EINTERRUPTED, "interrupted before the first epoch");
        n = cache->n_blocks - fill->first < round ? cache->n_blocks - fill->first : round;
        dbt_status status = dbt_pool_for(pool, n, fill_block, fill, err);
        if (status < 0) return status;
        *fits = expect_bytes(cache, fill->first + n) <= (double)memory;
    }
    return DBT_OK;
}

static dbt_status make_workers(fill_state *fill, const dbt_vectorizer *vectorizer, dbt_error *err)
{
    fill->worker = dbt__alloc_array(fill->n_workers, sizeof *fill->worker);
    if (fill->worker == NULL) return dbt__out_of_memory(err, "vectorized rows");
    dbt_status status = DBT_OK;
    for (size_t i = 0; status == DBT_OK && i < fill->n_workers; i++) {
        status = dbt_transformer_new(vectorizer, &fill->worker[i].transformer, err);
        if (status == DBT_OK) status = dbt_page_new(&fill->worker[i].page, err);
    }
    return status;
}

static void release_workers(fill_state *fill)
{
    for (size_t i = 0; fill->worker != NULL && i < fill->n_workers; i++) {
        dbt_transformer_free(fill->worker[i].transformer);
        dbt_page_free(fill->worker[i].page);
        dbt__buffer_release(&fill->worker[i].rows);
    }
    dbt__free(fill->worker);
}

static dbt_status new_cache(int64_t n_rows, dbt__row_cache **cache, dbt_error *err)
{
    *cache = dbt__alloc(sizeof **cache);
    if (*cache == NULL) return dbt__out_of_memory(err, "vectorized rows");
    (*cache)->n_blocks = (size_t)((n_rows + BLOCK_ROWS - 1) / BLOCK_ROWS);
    (*cache)->block = dbt__alloc_array((*cache)->n_blocks, sizeof *(*cache)->block);
    atomic_store(&(*cache)->bytes, (*cache)->n_blocks * sizeof *(*cache)->block);
    return (*cache)->block == NULL ? dbt__out_of_memory(err, "vectorized rows") : DBT_OK;
}

dbt_status dbt__row_cache_fill(dbt_store *store, const char *split, int64_t n_rows,
                               const dbt_vectorizer *vectorizer, dbt_pool *pool, size_t memory,
                               const dbt_observer *observer, dbt__row_cache **cache, dbt_error *err)
{
    *cache = NULL;
    fill_state fill = {.n_workers = dbt_pool_threads(pool)};
    dbt_cursor_options options;
    dbt_cursor_options_init(&options);
    options.split = split;
    options.n_rows = n_rows;
    options.batch_size = BLOCK_ROWS;
    bool fits = false;
    (void)pthread_mutex_init(&fill.reading, NULL);
    dbt_status status = new_cache(n_rows, &fill.cache, err);
    if (status == DBT_OK) status = make_workers(&fill, vectorizer, err);
    if (status == DBT_OK) status = dbt_cursor_open(store, &options, &fill.cursor, err);
    if (status == DBT_OK) status = fill_blocks(&fill, pool, memory, observer, &fits, err);
    release_workers(&fill);
    dbt_cursor_close(fill.cursor);
    (void)pthread_mutex_destroy(&fill.reading);
    if (status == DBT_OK && fits) {
        *cache = fill.cache;
    } else {
        dbt__row_cache_free(fill.cache);
        dbt__trim_memory();
    }
    return status;
}

void dbt__row_cache_free(dbt__row_cache *cache)
{
    if (cache == NULL) return;
    for (size_t i = 0; cache->block != NULL && i < cache->n_blocks; i++)
        dbt__free(cache->block[i]);
    dbt__free(cache->block);
    dbt__free(cache);
}

size_t dbt__row_cache_bytes(const dbt__row_cache *cache)
{
    return cache == NULL ? 0 : atomic_load(&cache->bytes);
}

/* Reads the facts of a row, which this file has written. */
static dbt_status take_row(const unsigned char *from, const unsigned char *end, dbt_page *page,
                           dbt_packed_row *packed, dbt_error *err)
{
    uint64_t document_id = 0, label = 0;
    double weight = 1;
    bool read = dbt__leb128_get(&from, end, &document_id) && dbt__leb128_get(&from, end, &label);
    if (!read) return dbt__fail(err, DBT_EINTERNAL, "a vectorized row is cut short");
    if ((label & 1) != 0) {
        memcpy(&weight, from, sizeof weight);
        from += sizeof weight;
    }
    *packed = (dbt_packed_row){from, (size_t)(end - from)};
    return dbt_page_append(page, (dbt_text){"", 0}, (int64_t)document_id, (int64_t)(label >> 1),
                           weight, err);
}

dbt_status dbt__row_cache_read(const dbt__row_cache *cache, const int64_t *position, size_t n,
                               dbt_page *page, dbt_packed_row *packed, dbt_error *err)
{
    dbt_status status = DBT_OK;
    for (size_t i = 0; status == DBT_OK && i < n; i++) {
        size_t block = (size_t)position[i] / BLOCK_ROWS, row = (size_t)position[i] % BLOCK_ROWS;
        const unsigned char *data = cache->block[block];
        uint32_t limit[2];
        memcpy(limit, data + row * sizeof *limit, sizeof limit);
        status = take_row(data + limit[0], data + limit[1], page, &packed[i], err);
    }
    return status;
}
