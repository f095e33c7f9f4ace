/* test_vectorizer_faults.c: whatever fails while a vocabulary is fitted, stored, loaded and used.
 */
#include "../amount.h"
#include "task.h"

#include <string.h>

#include <dbtrain/vectorizer.h>

#include "../scratch.h"
#include "../unit/corpus.h"
#include "base.h"

static const dbt_text texts[] = {
    {"the quick brown fox jumps over the lazy dog", 43},
    {"the lazy dog sleeps, the quick fox does not", 43},
    {"stocks fell and bonds rose on the news", 38},
    {"the news of bonds made stocks and banks fall", 44},
    {"d\xc3\xa9j\xc3\xa0 vu: the fox, the dog and the bonds", 38},
    {"quick quick quick news", 22},
};
enum { TEXTS = sizeof texts / sizeof *texts };
static const int64_t label_ids[TEXTS] = {1, 1, 2, 2, 1, 2}, labels[] = {1, 2};

/* Of so many words that the least memory does not hold their counts. */
enum { LARGE_WORDS = 3000, LARGE_WORD_BYTES = 8 };
static char large_bytes[TEXTS][LARGE_WORDS * LARGE_WORD_BYTES];
static dbt_text large_texts[TEXTS];

typedef struct setting {
    const char *name;
    dbt_analyzer_kind analyzer;
    int64_t max_features, top_k;
    uint32_t hash_bits;
    bool unscored, spilled, large;
} setting;

static const setting settings[] = {
    {"words", DBT_ANALYZER_WORD, .top_k = 10},
    {"all words, without labels", DBT_ANALYZER_WORD, .unscored = true},
    {"the most frequent words", DBT_ANALYZER_WORD, .max_features = 15, .top_k = 10},
    {"characters", DBT_ANALYZER_CHAR, .top_k = 40},
    {"characters within words", DBT_ANALYZER_CHAR_WB, .top_k = 40},
    {"hashed words", DBT_ANALYZER_WORD, .hash_bits = 8},
    {"words in parts", DBT_ANALYZER_WORD, .top_k = 10, .spilled = true},
    {"words in parts, without labels", DBT_ANALYZER_WORD, .unscored = true, .spilled = true},
    {"words counted in runs", DBT_ANALYZER_WORD, .top_k = 10, .spilled = true, .large = true},
};

static const dbt_text *texts_of(const setting *from)
{
    for (size_t i = 0; i < TEXTS; i++) {
        char *to = large_bytes[i];
        for (size_t word = 0; word < LARGE_WORDS; word++)
            to += snprintf(to, LARGE_WORD_BYTES, "w%zu ", (i / 2 * LARGE_WORDS) + word);
        large_texts[i] = (dbt_text){large_bytes[i], (size_t)(to - large_bytes[i])};
    }
    return from->large ? large_texts : texts;
}

static dbt_vectorizer_options make_options(const setting *from)
{
    dbt_vectorizer_options options;
    dbt_vectorizer_options_init(&options);
    options.analyzer = from->analyzer;
    options.min_df = 1;
    options.max_features = from->max_features;
    options.top_k = from->top_k;
    options.hash_bits = from->hash_bits;
    options.memory = (size_t)1 << 20;
    if (!from->spilled) return options;
    options.spill_folder = folder;
    options.table_memory = 1;
    return options;
}

static void mix(uint64_t *digest, const void *data, size_t bytes)
{
    *digest = dbt__hash(bytes == 0 ? "" : data, bytes, *digest + bytes + 1);
}

/* What is stored of one, put together anew. */
static dbt_status load_copy(const dbt_vectorizer *from, const dbt_vectorizer_options *options,
                            dbt_vectorizer **copy, uint64_t *digest, dbt_error *err)
{
    dbt_status status = dbt_vectorizer_load_new(options, dbt_vectorizer_documents(from),
                                                dbt_vectorizer_terms(from), copy, err);
    size_t n = options->hash_bits > 0 ? 0 : dbt_vectorizer_features(from);
    for (size_t i = 0; status == DBT_OK && i < n; i++) {
        dbt_feature feature = dbt_vectorizer_feature(from, i);
        mix(digest, feature.term, feature.term_bytes);
        mix(digest, &feature.idf, sizeof feature.idf);
        status = dbt_vectorizer_load_feature(*copy, &feature, err);
    }
    for (size_t i = 0; status == DBT_OK && i < dbt_vectorizer_parts(from); i++) {
        unsigned char *value = NULL;
        size_t bytes;
        status = dbt_vectorizer_encode(from, i, &value, &bytes, err);
        if (status == DBT_OK) mix(digest, value, bytes);
        if (status == DBT_OK) status = dbt_vectorizer_load_part(*copy, value, bytes, err);
        dbt_free(value);
    }
    if (status == DBT_OK) status = dbt_vectorizer_load_finish(*copy, err);
    return status;
}

/* All texts in one batch, and each packed. */
static dbt_status use(const dbt_vectorizer *vectorizer, const dbt_corpus *corpus,
                      const dbt_text *text, uint64_t *digest, dbt_error *err)
{
    dbt_transformer *transformer = NULL;
    dbt_page *page = NULL;
    dbt_batch *batch = NULL;
    dbt_norms *norms = NULL;
    double norm[TEXTS] = {0};
    bool whole = dbt_vectorizer_is_whole(vectorizer);
    dbt_status status = dbt_page_new(&page, err);
    if (status == DBT_OK) status = dbt_batch_new(&batch, err);
    if (status == DBT_OK) status = dbt_transformer_new(vectorizer, &transformer, err);
    if (status == DBT_OK) status = corpus->read(corpus->context, 0, 0, page, err);
    if (status == DBT_OK && whole) status = dbt_transform(transformer, page, NULL, batch, err);
    if (status == DBT_OK && whole)
        mix(digest, batch->value, batch->row_start[batch->n_rows] * sizeof *batch->value);
    if (status == DBT_OK && !whole)
        status = dbt_norms_new(vectorizer, corpus, NULL, (size_t)1 << 20, &norms, err);
    if (status == DBT_OK && !whole) status = dbt_norms_read(norms, 0, TEXTS, norm, err);
    for (size_t i = 0; status == DBT_OK && i < TEXTS; i++) {
        dbt_packed_row row;
        status = dbt_pack_text(transformer, text[i], whole ? NULL : &norm[i], &row, err);
        if (status == DBT_OK) status = dbt_unpack(vectorizer, &row, 1, NULL, batch, err);
        if (status == DBT_OK) mix(digest, batch->value, batch->row_start[1] * sizeof *batch->value);
    }
    dbt_norms_free(norms);
    dbt_transformer_free(transformer);
    dbt_batch_free(batch);
    dbt_page_free(page);
    return status;
}

static dbt_status fit_and_use(const void *what, uint64_t *digest, dbt_error *err)
{
    const setting *from = what;
    const dbt_vectorizer_options options = make_options(from);
    const dbt_text *text = texts_of(from);
    array_corpus array = {text, label_ids, TEXTS, TEXTS, -1};
    const dbt_corpus corpus = make_array_corpus(&array);
    const dbt_classes classes = {2, labels};
    dbt_vectorizer *fitted = NULL, *loaded = NULL;
    dbt_vectorizer_stats stats;
    dbt_status status = dbt_vectorizer_fit(&options, &corpus, from->unscored ? NULL : &classes,
                                           NULL, &fitted, &stats, err);
    if (status == DBT_OK) assert_true((stats.spilled_bytes > 0) == from->large);
    if (status == DBT_OK) status = use(fitted, &corpus, text, digest, err);
    if (status == DBT_OK) status = load_copy(fitted, &options, &loaded, digest, err);
    if (status == DBT_OK) status = use(loaded, &corpus, text, digest, err);
    dbt_vectorizer_free(fitted);
    dbt_vectorizer_free(loaded);
    return status;
}

static void test_vectorizer__fails_with_a_message_or_has_the_same_bits(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        const fault_task task = {settings[i].name, fit_and_use, &settings[i]};
        run_task_with_faults(&task, settings[i].large ? choose_amount(1999, 97, 1)
                                                      : choose_amount(5, 1, 1));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectorizer__fails_with_a_message_or_has_the_same_bits),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
