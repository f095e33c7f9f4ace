/* small_vectorizer.h: one fitted vectorizer, for targets that decode what belongs to it. */
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

/* Ten features of some thirty terms; made once. */
static inline const dbt_vectorizer *small_vectorizer(void)
{
    static const int64_t label_id[] = {1, 1, 2, 2}, labels[] = {1, 2};
    static dbt_vectorizer *vectorizer;
    if (vectorizer != NULL) return vectorizer;
    dbt_pool *pool;
    dbt_error err = {0};
    dbt_vectorizer_options options;
    dbt_vectorizer_options_init(&options);
    options.min_df = 1;
    options.top_k = 10;
    array_corpus array = {small_text, label_id, SMALL_TEXTS, 2, -1};
    const dbt_corpus corpus = make_array_corpus(&array);
    const dbt_classes classes = {2, labels};
    fuzz_ok(dbt_pool_new(1, &pool, &err), err);
    fuzz_ok(dbt_vectorizer_fit(&options, &corpus, &classes, pool, &vectorizer, NULL, &err), err);
    dbt_pool_free(pool);
    return vectorizer;
}

#endif
