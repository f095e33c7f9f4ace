/*
 * term_sample.c: n-grams are sampled by their hashes, so that each occurrence of one is met or none
 * (Gibbons, "Distinct sampling for highly-accurate answers to distinct values queries", 2001): all
 * at first, and each time that the table is full those of the lower half of the hashes stay.
 */
#include "term_sample.h"

#include "shard.h"
#include "vectorizer_internal.h"

#define HOMES 65536

struct dbt__term_sample {
    dbt__analyzer *analyzer;
    dbt__shard kept; /* by the hash without the bits that are 0 in all of them */
    unsigned zeros;  /* how many: one of 2^zeros n-grams is in the sample */
    uint32_t n_documents;
    dbt__ngram block[DBT__BLOCK];
};

dbt_status dbt__term_sample_new(const dbt_vectorizer_options *options, dbt__term_sample **sample,
                                dbt_error *err)
{
    *sample = NULL;
    dbt__term_sample *made = dbt__alloc(sizeof *made);
    if (made == NULL) return dbt__out_of_memory(err, "a sample of terms");
    dbt__analyzer_options analyzer = dbt__options_analyzer(options, 0, UINT64_MAX);
    dbt_status status = dbt__analyzer_new(&analyzer, &made->analyzer, err);
    if (status == DBT_OK) status = dbt__shard_init(&made->kept, HOMES, false, err);
    if (status < 0)
        dbt__term_sample_free(made);
    else
        *sample = made;
    return status;
}

void dbt__term_sample_free(dbt__term_sample *sample)
{
    if (sample == NULL) return;
    dbt__analyzer_free(sample->analyzer);
    dbt__shard_release(&sample->kept);
    dbt__free(sample);
}

/* Drops about a half of the sample. */
static dbt_status halve(dbt__term_sample *sample, dbt_error *err)
{
    dbt__shard half, *kept = &sample->kept;
    dbt_status status = dbt__shard_init(&half, HOMES, false, err);
    size_t places = dbt__shard_places(kept->capacity);
    for (size_t i = 0; status == DBT_OK && i < places; i++) {
        dbt__count_entry entry = kept->entry[i];
        if (entry.document_frequency == 0 || entry.key >> 63 != 0) continue;
        size_t at = dbt__shard_find(&half, entry.key << 1);
        status = dbt__shard_add(&half, entry.key << 1, entry.last_document, false, at, err);
        if (status == DBT_OK) {
            at = dbt__shard_find(&half, entry.key << 1);
            half.entry[at].document_frequency = entry.document_frequency;
        }
    }
    if (status < 0) {
        dbt__shard_release(&half);
        return status;
    }
    dbt__shard_release(kept);
    *kept = half;
    sample->zeros++;
    return DBT_OK;
}

/* A hash that differs from another in its last eight bits alone counts as the same. */
static dbt_status add_ngram(dbt__term_sample *sample, uint64_t hash, dbt_error *err)
{
    dbt__shard *kept = &sample->kept;
    uint64_t key = hash << sample->zeros;
    size_t at = dbt__shard_find(kept, key);
    dbt__count_entry *entry = &kept->entry[at];
    if (entry->document_frequency > 0) {
        entry->document_frequency += entry->last_document != sample->n_documents;
        entry->last_document = sample->n_documents;
        return DBT_OK;
    }
    dbt_status status = dbt__shard_add(kept, key, sample->n_documents, false, at, err);
    if (status == DBT_OK && kept->n >= DBT__SHARD_FULL(HOMES)) status = halve(sample, err);
    return status;
}

dbt_status dbt__term_sample_add(dbt__term_sample *sample, dbt_text document, dbt_error *err)
{
    dbt_status status = dbt__analyzer_begin(sample->analyzer, document.data, document.bytes, err);
    sample->n_documents++;
    for (size_t n = DBT__BLOCK; status == DBT_OK && n != 0;) {
        n = dbt__analyzer_next(sample->analyzer, 0, sample->block, DBT__BLOCK);
        for (size_t i = 0; status == DBT_OK && i < n; i++) {
            uint64_t hash = sample->block[i].hash;
            if (sample->zeros == 0 || hash >> (64 - sample->zeros) == 0)
                status = add_ngram(sample, hash, err);
        }
    }
    return status;
}

double dbt__term_sample_ngrams(const dbt__term_sample *sample)
{
    return (double)((uint64_t)sample->kept.n << sample->zeros);
}

double dbt__term_sample_terms(const dbt__term_sample *sample, int64_t min_df)
{
    const dbt__shard *kept = &sample->kept;
    uint64_t n = 0;
    for (size_t i = 0; i < dbt__shard_places(kept->capacity); i++) {
        uint32_t df = kept->entry[i].document_frequency;
        n += df > 0 && df >= min_df;
    }
    return (double)(n << sample->zeros);
}
