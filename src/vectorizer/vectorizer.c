/* vectorizer.c: options, and what a fitted vectorizer tells of itself. */
#include <math.h>

#include "unicode.h"
#include "vectorizer_internal.h"

void dbt_vectorizer_options_init(dbt_vectorizer_options *options)
{
    *options = (dbt_vectorizer_options){
        .analyzer = DBT_ANALYZER_WORD,
        .ngram_min = 1,
        .ngram_max = 2,
        .lowercase = true,
        .strip_accents = DBT_ACCENTS_UNICODE,
        .min_df = 2,
        .max_df = 1.0,
        .use_idf = true,
        .smooth_idf = true,
        .norm = DBT_NORM_L2,
        .top_k = 20000,
        .memory = (size_t)256 << 20,
    };
}

dbt_status dbt__check_memory(size_t memory, dbt_error *err)
{
    if (memory >= (size_t)1 << 20) return DBT_OK;
    return dbt__fail(err, DBT_EUSAGE, "memory must be at least 1 MiB, not %zu bytes", memory);
}

dbt_status dbt__options_check(const dbt_vectorizer_options *options, dbt_error *err)
{
    if (options->analyzer > DBT_ANALYZER_CHAR_WB || options->strip_accents > DBT_ACCENTS_UNICODE ||
        options->norm > DBT_NORM_L2)
        return dbt__fail(err, DBT_EUSAGE, "unknown analyzer, accents or norm");
    if (options->ngram_min < 1 || options->ngram_min > options->ngram_max ||
        options->ngram_max > DBT__NGRAM_MAX)
        return dbt__fail(err, DBT_EUSAGE, "ngram range %u,%u is not within 1 to %d, low to high",
                         options->ngram_min, options->ngram_max, DBT__NGRAM_MAX);
    if (options->min_df < 1)
        return dbt__fail(err, DBT_EUSAGE, "min-df must be at least 1, not %lld",
                         (long long)options->min_df);
    if (!(options->max_df > 0 && options->max_df <= 1))
        return dbt__fail(err, DBT_EUSAGE, "max-df must be above 0 and at most 1, not %g",
                         options->max_df);
    if (options->max_features < 0 || options->top_k < 0)
        return dbt__fail(err, DBT_EUSAGE, "max-features and top-k must not be negative");
    if (options->hash_bits > DBT_MAX_HASH_BITS)
        return dbt__fail(err, DBT_EUSAGE, "hash-bits must be 1 to %d, or 0 for none, not %u",
                         DBT_MAX_HASH_BITS, options->hash_bits);
    return dbt__check_memory(options->memory, err);
}

dbt__analyzer_options dbt__options_analyzer(const dbt_vectorizer_options *options, uint64_t seed,
                                            uint64_t hash_mask)
{
    static const dbt__analyzer_kind kind[] = {
        [DBT_ANALYZER_WORD] = DBT__ANALYZER_WORD,
        [DBT_ANALYZER_CHAR] = DBT__ANALYZER_CHAR,
        [DBT_ANALYZER_CHAR_WB] = DBT__ANALYZER_CHAR_WB,
    };
    return (dbt__analyzer_options){
        .kind = kind[options->analyzer],
        .ngram_min = options->ngram_min,
        .ngram_max = options->ngram_max,
        .lowercase = options->lowercase,
        .strip_accents = options->strip_accents == DBT_ACCENTS_UNICODE,
        .seed = seed,
        .hash_mask = hash_mask,
    };
}

dbt_status dbt__check_term_bytes(const dbt_vectorizer_options *options, size_t bytes,
                                 dbt_error *err)
{
    if (options->most_term_bytes == 0 || bytes <= options->most_term_bytes) return DBT_OK;
    return dbt__fail(err, DBT_EUSAGE,
                     "the terms that become features, or may, have more than %zu MiB together, and "
                     "memory has room for no more: a lower top-k or more memory helps",
                     options->most_term_bytes >> 20);
}

dbt_status dbt__vectorizer_weigh(dbt_vectorizer *vectorizer, dbt_error *err)
{
    vectorizer->idf = dbt__alloc_array(vectorizer->n_features, sizeof *vectorizer->idf);
    if (vectorizer->idf == NULL) return dbt__out_of_memory(err, "a vocabulary");
    for (size_t i = 0; i < vectorizer->n_features; i++)
        vectorizer->idf[i] = dbt__idf(&vectorizer->options, vectorizer->n_documents,
                                      vectorizer->document_frequency[i]);
    return DBT_OK;
}

void dbt_vectorizer_free(dbt_vectorizer *vectorizer)
{
    if (vectorizer == NULL) return;
    dbt__table_release(&vectorizer->table);
    dbt__table_release(&vectorizer->features);
    dbt__lexicon_release(&vectorizer->lexicon);
    dbt__norms_release(&vectorizer->norms);
    dbt__loading_free(vectorizer->loading);
    dbt__free(vectorizer->term_bytes);
    dbt__free(vectorizer->term_start);
    dbt__free(vectorizer->document_frequency);
    dbt__free(vectorizer->idf);
    dbt__free(vectorizer->score);
    dbt__free(vectorizer);
}

const dbt_vectorizer_options *dbt_vectorizer_get_options(const dbt_vectorizer *vectorizer)
{
    return &vectorizer->options;
}

size_t dbt_vectorizer_features(const dbt_vectorizer *vectorizer)
{
    return vectorizer->n_features;
}

dbt_feature dbt_vectorizer_feature(const dbt_vectorizer *vectorizer, size_t id)
{
    if (vectorizer->options.hash_bits != 0)
        return (dbt_feature){.term = "", .idf = 1, .score = (double)NAN};
    size_t start = vectorizer->term_start[id];
    return (dbt_feature){
        .term = vectorizer->term_bytes + start,
        .term_bytes = vectorizer->term_start[id + 1] - start,
        .document_frequency = vectorizer->document_frequency[id],
        .idf = vectorizer->idf[id],
        .score = vectorizer->score[id],
    };
}

int64_t dbt_vectorizer_documents(const dbt_vectorizer *vectorizer)
{
    return vectorizer->n_documents;
}

int64_t dbt_vectorizer_terms(const dbt_vectorizer *vectorizer)
{
    return vectorizer->n_terms;
}

bool dbt_vectorizer_is_whole(const dbt_vectorizer *vectorizer)
{
    return !dbt__lexicon_is_spilled(&vectorizer->lexicon);
}

static size_t held_by_table(const dbt__table *table)
{
    return table->n_places * sizeof *table->entry +
           table->n_idf *
               (sizeof *table->idf + sizeof *table->share + sizeof *table->document_frequency);
}

size_t dbt_vectorizer_bytes(const dbt_vectorizer *vectorizer)
{
    size_t n = vectorizer->options.hash_bits != 0 ? 0 : vectorizer->n_features;
    size_t n_norms = vectorizer->norms.value == NULL ? 0 : (size_t)vectorizer->n_documents;
    return held_by_table(&vectorizer->table) + held_by_table(&vectorizer->features) +
           n_norms * sizeof(double) +
           n * (sizeof *vectorizer->term_start + sizeof *vectorizer->document_frequency +
                sizeof *vectorizer->idf + sizeof *vectorizer->score) +
           (n == 0 ? 0 : vectorizer->term_start[n]);
}

const char *dbt_vectorizer_unicode_version(void)
{
    return dbt__unicode_version();
}
