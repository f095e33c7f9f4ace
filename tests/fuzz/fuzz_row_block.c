/*
 * fuzz_row_block.c: a row of the table `row_block` with any bytes and digest: refused, or rows of
 * which each is refused or unpacked within the vocabulary.
 *
 * Byte 0: bit 0 makes the digest right. The rest is the block.
 */
#include <dbtrain/ingest.h>
#include <dbtrain/train.h>

#include "row_cache.h"
#include "scratch_folder.h"
#include "store_internal.h"
#include "vocabulary.h"
#include "weights.h"

enum { N_ROWS = 6 };

static const char corpus[] = "pos,a good film and a good cast\nneg,a bad film and a dull plot\n"
                             "pos,good fun with a fine plot\nneg,dull and bad from start to end\n"
                             "pos,a fine cast in a fine film\nneg,bad cast and bad fun\n";

static dbt_store *store;
static dbt_pool *pool;
static dbt_vectorizer *vectorizer;
static dbt__block_key key;
static dbt__statement *update;
static dbt_batch *batch;
static dbt_page *page;

static void ingest(void)
{
    dbt_error err = {0};
    dbt_ingest_options options;
    dbt_ingest_result result;
    const char *csv = scratch_path("train.csv");
    scratch_write(csv, corpus, sizeof corpus - 1);
    fuzz_ok(dbt_store_open(scratch_path("rows.db"), DBT_STORE_CREATE, &store, &err), err);
    dbt_ingest_options_init(&options);
    options.header = DBT_HEADER_NO;
    fuzz_ok(dbt_ingest(store, &csv, 1, &options, &result, &err), err);
}

static void fit_vectorizer(dbt__survey *survey)
{
    static const dbt_observer nobody = {0};
    dbt_error err = {0};
    dbt_vectorizer_options options;
    dbt_vectorizer_stats stats;
    dbt_vectorizer_options_init(&options);
    options.min_df = 1;
    options.top_k = 10;
    fuzz_ok(dbt__vocabulary_fit(store, "train", &options, survey, pool, &nobody, &vectorizer,
                                &stats, &err),
            err);
    fuzz_ok(dbt__vocabulary_store(store, &options, survey, vectorizer, &key.vectorizer_id, &err),
            err);
}

/* The cache that the database has, or else a new one. */
static dbt__row_cache *open_cache(void)
{
    static const dbt_observer nobody = {0};
    const dbt__row_cache_options options = {.split = "train", .n_rows = N_ROWS, .key = &key};
    dbt_error err = {0};
    dbt__row_cache *cache;
    fuzz_ok(dbt__row_cache_fill(store, &options, vectorizer, pool, &nobody, &cache, &err), err);
    return cache;
}

static void make_world(void)
{
    dbt_error err = {0};
    dbt__survey survey;
    dbt_split split;
    fuzz_ok(dbt_pool_new(1, &pool, &err), err);
    fuzz_ok(dbt_batch_new(&batch, &err), err);
    fuzz_ok(dbt_page_new(&page, &err), err);
    ingest();
    fuzz_ok(dbt_store_find_split(store, "train", &split, &err), err);
    fuzz_ok(dbt__survey_split(store, "train", N_ROWS, NULL, NULL, &survey, &err), err);
    key = (dbt__block_key){"train", split.id, 0, N_ROWS, survey.row_fingerprint};
    fit_vectorizer(&survey);
    dbt__survey_release(&survey);
    dbt__row_cache_free(open_cache());
    fuzz_ok(dbt__prepare(dbt__store_sql(store), "UPDATE row_block SET value = ?, digest = ?",
                         &update, &err),
            err);
}

static void store_block(fuzz_input *input)
{
    dbt_error err = {0};
    char digest[DBT__DIGEST_CHARS] = "0123456789abcdef";
    bool sealed = (fuzz_byte(input) & 1) != 0;
    if (sealed) dbt__digest_text(dbt__hash(input->data, input->bytes, 0), digest);
    dbt__bind_blob(update, 1, input->bytes == 0 ? (const void *)"" : input->data, input->bytes);
    dbt__bind_string(update, 2, digest);
    fuzz_ok(dbt__run(update, &err), err);
}

static void read_row(dbt__row_cache *cache, int64_t position, dbt__buffer *bytes)
{
    dbt_error err = {0};
    dbt_packed_row packed;
    dbt_page_clear(page);
    dbt_status status = dbt__row_cache_read(cache, &position, 1, page, &packed, bytes, &err);
    if (status == DBT_OK) {
        fuzz_check(page->n_rows == 1 && page->text[0].bytes == 0 && page->label_id[0] >= 0);
        status = dbt_unpack(vectorizer, &packed, 1, NULL, batch, &err);
    }
    if (status < 0) {
        fuzz_refused(status, &err);
        fuzz_check(status == DBT_EFORMAT);
        return;
    }
    for (size_t i = 0; i < batch->row_start[1]; i++)
        fuzz_check(batch->column[i] < dbt_vectorizer_features(vectorizer));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    fuzz_input input = {data, bytes};
    dbt__buffer packed;
    if (store == NULL) make_world();
    store_block(&input);
    dbt__buffer_init(&packed, 0);
    dbt__row_cache *cache = open_cache();
    fuzz_check(dbt__row_cache_was_found(cache));
    for (int64_t position = 0; position < N_ROWS; position++)
        read_row(cache, position, &packed);
    dbt__row_cache_free(cache);
    dbt__buffer_release(&packed);
    return 0;
}
