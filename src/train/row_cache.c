/*
 * row_cache.c: packed rows in blocks of neighbouring positions.
 *
 * A block is one piece of memory, or of a file: where each of its rows begins and the last one
 * ends, then the rows:
 *
 *     uint32     start[rows + 1]
 *     for each row, as LEB128:
 *                document id; 2 * label id, plus 1 where the weight is not 1, which then follows as
 *                binary64; then the packed row of the vectorizer
 *
 * Pages of an in-order cursor are the blocks, so each is made by one task, whatever the threads.
 * When the blocks outgrow the memory, or are to be kept in the database, they go to a store after
 * each round.
 */
#include "row_cache.h"

#include <stdatomic.h>
#include <string.h>

#include "corpus.h"
#include "leb128.h"

#define BLOCK_ROWS DBT__CORPUS_PAGE_ROWS
/* Blocks of a round, for each thread. */
#define ROUND_BLOCKS 64
#define FACTS_BYTES (2 * DBT__LEB128_MAX + sizeof(double))
struct dbt__row_cache {
    size_t n_blocks;
    unsigned char **block;   /* [n_blocks]; all NULL when they are in the store */
    atomic_size_t bytes;     /* of blocks */
    dbt__block_store *store; /* NULL: they are in memory */
    bool found;              /* in the database */
};

typedef struct fill_worker {
    dbt_transformer *transformer;
    dbt_page *page;
    dbt__buffer rows;
} fill_worker;

typedef struct fill_state {
    const dbt__row_cache_options *options;
    dbt__row_cache *cache;
    const dbt_vectorizer *vectorizer;
    dbt_pool *pool;
    dbt__corpus corpus;
    const dbt_norms *norms; /* NULL: the vectorizer is whole */
    dbt_norms *made_norms;  /* those, unless they were known */
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

static dbt_status append_row(fill_worker *worker, size_t row, const double *norm, dbt_error *err)
{
    unsigned char facts[FACTS_BYTES];
    dbt_packed_row packed;
    size_t n = put_facts(facts, worker->page, row);
    dbt_status status = dbt__buffer_append(&worker->rows, (const char *)facts, n, err);
    if (status == DBT_OK)
        status = dbt_pack_text(worker->transformer, worker->page->text[row], norm, &packed, err);
    if (status == DBT_OK)
        status = dbt__buffer_append(&worker->rows, (const char *)packed.data, packed.bytes, err);
    return status;
}

/* Packs the page's rows behind those that the block has; start[row] is where each begins. */
static dbt_status append_page(fill_state *fill, fill_worker *worker, int64_t first, uint32_t *start,
                              dbt_error *err)
{
    double norm[BLOCK_ROWS];
    size_t n = worker->page->n_rows;
    dbt_status status = DBT_OK;
    if (fill->norms != NULL) status = dbt_norms_read(fill->norms, first, n, norm, err);
    for (size_t row = 0; status == DBT_OK && row < n; row++) {
        start[row] = (uint32_t)worker->rows.length;
        status = append_row(worker, row, fill->norms == NULL ? NULL : &norm[row], err);
    }
    return status;
}

/* The block's rows to the worker's, page by page: *n of them. */
static dbt_status pack_rows(fill_state *fill, size_t number, size_t block, uint32_t *start,
                            size_t *n, dbt_error *err)
{
    fill_worker *worker = &fill->worker[number];
    const dbt_corpus *pages = &fill->corpus.pages;
    int64_t first = (int64_t)block * BLOCK_ROWS, end = first + BLOCK_ROWS;
    dbt_status status = DBT_OK;
    if (end > pages->n_documents) end = pages->n_documents;
    *n = (size_t)(end - first);
    worker->rows.length = 0;
    for (int64_t at = first; status == DBT_OK && at < end; at += pages->page_rows) {
        status = pages->read(pages->context, number, at / pages->page_rows, worker->page, err);
        if (status == DBT_OK) status = append_page(fill, worker, at, start + (at - first), err);
    }
    return status;
}

static dbt_status fill_block(void *context, size_t task, size_t number, dbt_error *err)
{
    fill_state *fill = context;
    const dbt__buffer *rows = &fill->worker[number].rows;
    size_t block = fill->first + task, n;
    uint32_t start[BLOCK_ROWS + 1];
    dbt_status status = pack_rows(fill, number, block, start, &n, err);
    if (status < 0) return status;
    size_t head = (n + 1) * sizeof *start, bytes = head + rows->length;
    if (bytes > UINT32_MAX)
        return dbt__fail(err, DBT_EDATA,
                         "%zu neighbouring documents have too many different terms to be kept", n);
    start[n] = (uint32_t)rows->length;
    for (size_t row = 0; row <= n; row++)
        start[row] += (uint32_t)head;
    unsigned char *made = dbt__grow_array(NULL, bytes, 1);
    if (made == NULL) return dbt__out_of_memory(err, "vectorized rows");
    memcpy(made, start, head);
    if (rows->length > 0) memcpy(made + head, rows->data, rows->length);
    fill->cache->block[block] = made;
    atomic_fetch_add(&fill->cache->bytes, bytes);
    return DBT_OK;
}

static size_t block_bytes(const unsigned char *block)
{
    uint32_t head;
    /* The first row begins where the starts, one more than the rows, end. */
    memcpy(&head, block, sizeof head);
    uint32_t end;
    memcpy(&end, block + head - sizeof end, sizeof end);
    return end;
}

/* What all blocks will take, as those that are there do; with what the allocator adds to each. */
static double expect_bytes(const dbt__row_cache *cache, size_t n_filled)
{
    double filled = (double)atomic_load(&cache->bytes) + 16.0 * (double)n_filled;
    return filled / (double)n_filled * (double)cache->n_blocks;
}

/* --- filling --- */

/* Blocks first .. end - 1 to the store, out of memory. */
static dbt_status store_blocks(dbt__row_cache *cache, size_t first, size_t end, dbt_error *err)
{
    for (size_t i = first; i < end; i++) {
        unsigned char *block = cache->block[i];
        size_t bytes = block_bytes(block);
        dbt_status status = dbt__block_store_write(cache->store, i, block, bytes, err);
        if (status < 0) return status;
        atomic_fetch_sub(&cache->bytes, bytes);
        dbt__free(block);
        cache->block[i] = NULL;
    }
    return DBT_OK;
}

static dbt_status open_file(dbt__row_cache *cache, const char *folder, dbt_error *err)
{
    dbt__block_place place;
    dbt_status status = dbt__block_file(folder, cache->n_blocks, &place, err);
    return status < 0 ? status : dbt__block_store_new(&place, cache->n_blocks, &cache->store, err);
}

static dbt_status open_table(dbt__row_cache *cache, dbt_store *store, const dbt__block_key *key,
                             dbt_error *err)
{
    dbt__block_place place;
    dbt_status status = dbt__block_table(store, key, &place, &cache->found, err);
    return status < 0 ? status : dbt__block_store_new(&place, cache->n_blocks, &cache->store, err);
}

/* After a round: the blocks stay, or go to the store. *fits false: neither is possible. */
static dbt_status settle_round(fill_state *fill, size_t end, bool *fits, dbt_error *err)
{
    dbt__row_cache *cache = fill->cache;
    if (cache->store != NULL) return store_blocks(cache, fill->first, end, err);
    if (expect_bytes(cache, end) <= (double)fill->options->memory) return DBT_OK;
    *fits = fill->options->spill_folder != NULL;
    if (!*fits) return DBT_OK;
    dbt_status status = open_file(cache, fill->options->spill_folder, err);
    return status < 0 ? status : store_blocks(cache, 0, end, err);
}

static dbt_status fill_blocks(fill_state *fill, bool *fits, dbt_error *err)
{
    dbt__row_cache *cache = fill->cache;
    size_t round = ROUND_BLOCKS * fill->n_workers, n;
    *fits = true;
    for (; *fits && fill->first < cache->n_blocks; fill->first += n) {
        n = cache->n_blocks - fill->first < round ? cache->n_blocks - fill->first : round;
        dbt_status status = dbt_pool_for(fill->pool, n, fill_block, fill, err);
        if (status == DBT_OK) status = settle_round(fill, fill->first + n, fits, err);
        if (status < 0) return status;
    }
    return cache->store == NULL ? DBT_OK : dbt__block_store_finish(cache->store, err);
}

static dbt_status make_workers(fill_state *fill, dbt_error *err)
{
    fill->worker = dbt__alloc_array(fill->n_workers, sizeof *fill->worker);
    if (fill->worker == NULL) return dbt__out_of_memory(err, "vectorized rows");
    dbt_status status = DBT_OK;
    for (size_t i = 0; status == DBT_OK && i < fill->n_workers; i++) {
        status = dbt_transformer_new(fill->vectorizer, &fill->worker[i].transformer, err);
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

static dbt_status find_norms(fill_state *fill, dbt_error *err)
{
    fill->norms = fill->options->norms;
    if (fill->norms != NULL || dbt_vectorizer_is_whole(fill->vectorizer)) return DBT_OK;
    dbt_status status = dbt_norms_new(fill->vectorizer, &fill->corpus.pages, fill->pool,
                                      fill->options->work_memory, &fill->made_norms, err);
    fill->norms = fill->made_norms;
    return status;
}

/* Makes all blocks, into *fill->cache. */
static dbt_status make_rows(fill_state *fill, dbt_store *store, const dbt_observer *observer,
                            bool *fits, dbt_error *err)
{
    const dbt__row_cache_options *options = fill->options;
    dbt_status status = dbt__corpus_open(&fill->corpus, store, options->split, options->n_rows,
                                         options->digests, fill->n_workers, observer, err);
    if (status == DBT_OK && options->meanwhile != NULL && options->key == NULL)
        options->meanwhile(options->context);
    if (status == DBT_OK) status = find_norms(fill, err);
    if (status == DBT_OK) status = make_workers(fill, err);
    if (status == DBT_OK) status = fill_blocks(fill, fits, err);
    release_workers(fill);
    dbt_norms_free(fill->made_norms);
    dbt__corpus_close(&fill->corpus);
    return status;
}

dbt_status dbt__row_cache_fill(dbt_store *store, const dbt__row_cache_options *options,
                               const dbt_vectorizer *vectorizer, dbt_pool *pool,
                               const dbt_observer *observer, dbt__row_cache **cache, dbt_error *err)
{
    *cache = NULL;
    fill_state fill = {.options = options,
                       .vectorizer = vectorizer,
                       .pool = pool,
                       .n_workers = dbt_pool_threads(pool)};
    bool fits = true;
    dbt_status status = new_cache(options->n_rows, &fill.cache, err);
    if (status == DBT_OK && options->key != NULL)
        status = open_table(fill.cache, store, options->key, err);
    if (status == DBT_OK && !fill.cache->found)
        status = make_rows(&fill, store, observer, &fits, err);
    if (status == DBT_OK && fits)
        *cache = fill.cache;
    else
        dbt__row_cache_free(fill.cache);
    dbt__trim_memory(options->work_memory / 2);
    return status;
}

void dbt__row_cache_free(dbt__row_cache *cache)
{
    if (cache == NULL) return;
    for (size_t i = 0; cache->block != NULL && i < cache->n_blocks; i++)
        dbt__free(cache->block[i]);
    dbt__block_store_free(cache->store);
    dbt__free(cache->block);
    dbt__free(cache);
}

size_t dbt__row_cache_bytes(const dbt__row_cache *cache)
{
    return cache == NULL ? 0 : atomic_load(&cache->bytes);
}

bool dbt__row_cache_is_stored(const dbt__row_cache *cache)
{
    return cache->store != NULL;
}

bool dbt__row_cache_was_found(const dbt__row_cache *cache)
{
    return cache->found;
}

/* --- reading --- */

/* Reads the facts of a row. What came from a file is not trusted. */
static dbt_status take_row(const unsigned char *from, const unsigned char *end, dbt_page *page,
                           dbt_packed_row *packed, dbt_error *err)
{
    uint64_t document_id = 0, label = 0;
    double weight = 1;
    bool read = dbt__leb128_get(&from, end, &document_id) && dbt__leb128_get(&from, end, &label);
    bool weighted = (label & 1) != 0;
    if (!read || (weighted && (size_t)(end - from) < sizeof weight))
        return dbt__fail(err, DBT_EFORMAT, "a vectorized row is cut short");
    if (weighted) {
        memcpy(&weight, from, sizeof weight);
        from += sizeof weight;
    }
    *packed = (dbt_packed_row){from, (size_t)(end - from)};
    return dbt_page_append(page, (dbt_text){"", 0}, (int64_t)document_id, (int64_t)(label >> 1),
                           weight, err);
}

/* A row's bytes; of a store they stay until the next row is asked for. */
static dbt_status find_row(dbt__row_cache *cache, int64_t position, const unsigned char **from,
                           const unsigned char **end, dbt_error *err)
{
    size_t block = (size_t)position / BLOCK_ROWS, row = (size_t)position % BLOCK_ROWS;
    const unsigned char *data = cache->block[block];
    uint32_t limit[2];
    size_t bytes = SIZE_MAX; /* in memory: as they were made */
    *from = *end = NULL;
    if (data == NULL) {
        dbt_status status = dbt__block_store_read(cache->store, block, &data, &bytes, err);
        if (status < 0) return status;
    }
    bool inside = (row + 2) * sizeof *limit <= bytes;
    if (inside) memcpy(limit, data + row * sizeof *limit, sizeof limit);
    if (!inside || limit[0] > limit[1] || limit[1] > bytes)
        return dbt__fail(err, DBT_EFORMAT, "block %zu of vectorized rows lacks row %zu", block,
                         row);
    *from = data + limit[0];
    *end = data + limit[1];
    return DBT_OK;
}

/* Copies what is packed, which a block read later would replace: until all are copied, data is an
 * offset. */
static dbt_status copy_packed(dbt_packed_row *packed, dbt__buffer *bytes, dbt_error *err)
{
    size_t offset = bytes->length;
    dbt_status status = dbt__buffer_append(bytes, (const char *)packed->data, packed->bytes, err);
    packed->data = (const unsigned char *)(uintptr_t)offset;
    return status;
}

/* Rows of a shuffled page are anywhere in memory: all are asked for before the first is read.
 * Inlined, since a compiler may drop calls of what has no other effect. */
static DBT__ALWAYS_INLINE void prefetch_rows(const dbt__row_cache *cache, const int64_t *position,
                                             size_t n)
{
    enum { LINE = 64, MOST_LINES = 2 };
    for (size_t i = 0; i < n; i++) {
        const unsigned char *data = cache->block[position[i] / BLOCK_ROWS];
        __builtin_prefetch(data + position[i] % BLOCK_ROWS * (int64_t)sizeof(uint32_t));
    }
    for (size_t i = 0; i < n; i++) {
        uint32_t limit[2];
        const unsigned char *data = cache->block[position[i] / BLOCK_ROWS];
        memcpy(limit, data + position[i] % BLOCK_ROWS * (int64_t)sizeof *limit, sizeof limit);
        uint32_t most = limit[0] + MOST_LINES * LINE;
        for (uint32_t at = limit[0]; at < limit[1] && at < most; at += LINE)
            __builtin_prefetch(data + at);
    }
}

dbt_status dbt__row_cache_read(dbt__row_cache *cache, const int64_t *position, size_t n,
                               dbt_page *page, dbt_packed_row *packed, dbt__buffer *bytes,
                               dbt_error *err)
{
    dbt_status status = DBT_OK;
    bytes->length = 0;
    if (cache->store == NULL) prefetch_rows(cache, position, n);
    /* Rows may all be empty: there is a place for them to point to even then. */
    if (cache->store != NULL) status = dbt__buffer_reserve(bytes, 1, err);
    for (size_t i = 0; status == DBT_OK && i < n; i++) {
        const unsigned char *from, *end;
        status = find_row(cache, position[i], &from, &end, err);
        if (status == DBT_OK) status = take_row(from, end, page, &packed[i], err);
        if (status == DBT_OK && cache->store != NULL) status = copy_packed(&packed[i], bytes, err);
    }
    for (size_t i = 0; status == DBT_OK && cache->store != NULL && i < n; i++)
        packed[i].data = (const unsigned char *)bytes->data + (uintptr_t)packed[i].data;
    return status;
}
