/* small_vectorizer.h: fitted vectorizers, for targets that decode what belongs to one. */
#ifndef DBT_FUZZ_SMALL_VECTORIZER_H
#define DBT_FUZZ_SMALL_VECTORIZER_H

#include <dbtrain/vectorizer.h>

#include "../unit/corpus.h"
#include "fuzz.h"

static const dbt_text small_text[] = {
    {"the quick brown fox jumps over the lazy dog", 43},
    {"the lazy dog sleeps, the quick fox does not", 43},
    {"stocks fell and bonds rose on the news", 38},
    {"the news of bonds made stocks and banks fall", 44},
};
enum { SMALL_TEXTS = sizeof small_text / sizeof *small_text };

/* SMALL_WORDS and SMALL_LOGARITHMS (of counts) have ten features of some thirty terms. */
typedef enum small_kind { SMALL_WORDS, SMALL_HASHED, SMALL_LOGARITHMS, SMALL_KINDS } small_kind;

static inline dbt_corpus small_corpus(void)
{
    static const int64_t label_id[] = {1, 1, 2, 2};
    static array_corpus array = {small_text, label_id, SMALL_TEXTS, 2, -1};
    return make_array_corpus(&array);
}

static inline dbt_pool *small_pool(void)
{
    static dbt_pool *pool;
    dbt_error err = {0};
    if (pool == NULL) fuzz_ok(dbt_pool_new(1, &pool, &err), err);
    return pool;
}

/* Made once. */
static inline const dbt_vectorizer *small_vectorizer(small_kind kind)
{
    static const int64_t labels[] = {1, 2};
    static dbt_vectorizer *vectorizer[SMALL_KINDS];
    if (vectorizer[kind] != NULL) return vectorizer[kind];
    dbt_error err = {0};
    dbt_vectorizer_options options;
    dbt_vectorizer_options_init(&options);
    options.min_df = 1;
    options.top_k = 10;
    options.hash_bits = kind == SMALL_HASHED ? 8 : 0;
    options.sublinear_tf = kind == SMALL_LOGARITHMS;
    const dbt_corpus corpus = small_corpus();
    const dbt_classes classes = {2, labels};
    fuzz_ok(dbt_vectorizer_fit(&options, &corpus, &classes, small_pool(), &vectorizer[kind], NULL,
                               &err),
            err);
    return vectorizer[kind];
}

#endif
