/*
 * table.c: the terms of a vocabulary by hash.
 *
 * Hashes are uniform, so the place hash * n / 2^64 keeps their order: the table is built by one
 * walk over the sorted terms, each at its home or right behind the one before. A search that fails
 * ends early, and the terms that a stored vectorizer needs are read off in order. Of a term only
 * the number of its document frequency is kept: there are few distinct ones, so their idf stay in
 * the first cache.
 */
#include <stdlib.h>
#include <string.h>

#include "vectorizer_internal.h"

double dbt__idf(const dbt_vectorizer_options *options, int64_t n_documents,
                int64_t document_frequency)
{
    if (!options->use_idf) return 1;
    double n = (double)n_documents, df = (double)document_frequency;
    return options->smooth_idf ? log((n + 1) / (df + 1)) + 1 : log(n / df) + 1;
}

static int compare_uint32(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* Frequencies below it, nearly all, are found by marking and by index, not by sorting and search.
 */
enum { SMALL = 4096 };

/* Distinct frequencies, ascending. */
static dbt_status list_frequencies(dbt__table *table, const dbt__kept *kept, dbt_error *err)
{
    bool seen[SMALL] = {false};
    size_t capacity = 0, n = 0;
    dbt_status status = DBT_OK;
    for (size_t i = 0; status == DBT_OK && i < table->n_terms; i++) {
        uint32_t df = kept[i].document_frequency;
        if (df < SMALL && seen[df]) continue;
        if (df < SMALL) seen[df] = true;
        status = dbt__reserve((void **)&table->document_frequency, &capacity, n + 1,
                              sizeof *table->document_frequency, "a vocabulary", err);
        if (status == DBT_OK) table->document_frequency[n++] = df;
    }
    if (status < 0 || n == 0) return status;
    qsort(table->document_frequency, n, sizeof *table->document_frequency, compare_uint32);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || table->document_frequency[i] != table->document_frequency[table->n_idf - 1])
            table->document_frequency[table->n_idf++] = table->document_frequency[i];
    return DBT_OK;
}

/* The number of a frequency that is one of the table's. */
static uint32_t find_frequency(const dbt__table *table, uint32_t df)
{
    size_t low = 0, high = table->n_idf - 1;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (table->document_frequency[middle] < df)
            low = middle + 1;
        else
            high = middle;
    }
    return (uint32_t)low;
}

/* Places up to the last that is taken, and an empty one, in whole buckets. */
static size_t count_places(const dbt__table *table, const dbt__kept *kept)
{
    size_t next = (size_t)table->n_buckets * DBT__BUCKET - 1;
    size_t taken = 0;
    for (size_t i = 0; i < table->n_terms; i++) {
        size_t home = dbt__table_home(table, kept[i].hash);
        taken = (home > taken ? home : taken) + 1;
    }
    if (taken > next) next = taken;
    return (next / DBT__BUCKET + 1) * DBT__BUCKET;
}

/* n_places places, to be filled. */
static dbt_status make_places(dbt__table *table, dbt_error *err)
{
    size_t bytes;
    if (!dbt__multiply(table->n_places, sizeof *table->entry, &bytes) || bytes > SIZE_MAX - 64)
        return dbt__out_of_memory(err, "a vocabulary");
    table->memory = dbt__grow_array(NULL, bytes + 64, 1);
    if (table->memory == NULL) return dbt__out_of_memory(err, "a vocabulary");
    table->entry = (dbt__entry *)(((uintptr_t)table->memory + 63) / 64 * 64);
    return DBT_OK;
}

/* Places first .. end - 1, if any; the next place. */
static size_t fill_empty(dbt__table *table, size_t first, size_t end)
{
    for (; first < end; first++)
        memset(&table->entry[first], 0xFF, sizeof *table->entry);
    return first;
}

/* Each term at its home or right behind the one before: one walk over memory that is touched for
 * the first time. */
static void fill_places(dbt__table *table, const dbt__kept *kept)
{
    uint32_t number_of[SMALL];
    for (uint32_t i = 0; i < table->n_idf && table->document_frequency[i] < SMALL; i++)
        number_of[table->document_frequency[i]] = i;
    size_t next = 0;
    for (size_t i = 0; i < table->n_terms; i++) {
        uint32_t df = kept[i].document_frequency;
        uint32_t number = df < SMALL ? number_of[df] : find_frequency(table, df);
        next = fill_empty(table, next, dbt__table_home(table, kept[i].hash));
        table->entry[next++] = (dbt__entry){kept[i].hash, number, (uint32_t)i};
    }
    (void)fill_empty(table, next, table->n_places);
}

/* Buckets for n terms that leave three fifths of the places empty, or a fifth. */
static size_t sparse_buckets(size_t n_terms)
{
    return n_terms * 5 / 8 + 1;
}

static size_t dense_buckets(size_t n_terms)
{
    return n_terms * 5 / 16 + 1;
}

/* Shares out the hashes; a narrower range than that would overflow the factor. */
static void spread_hashes(dbt__table *table, const dbt__kept *kept)
{
    static const uint64_t least_span = UINT64_C(1) << 40;
    size_t n = table->n_terms;
    table->base = n == 0 ? 0 : kept[0].hash;
    table->span = n == 0 ? 0 : kept[n - 1].hash - table->base;
    if (table->span < least_span) {
        table->base = 0;
        table->span = UINT64_MAX;
    }
    dbt__uint128 range = (dbt__uint128)table->span + 1;
    table->factor = (uint64_t)(((dbt__uint128)table->n_buckets << 64) / range);
}

size_t dbt__table_bytes(size_t n_terms)
{
    return (dense_buckets(n_terms) + 1) * DBT__BUCKET * sizeof(dbt__entry);
}

dbt_status dbt__table_init(dbt__table *table, const dbt__kept *kept, size_t n_terms, size_t memory,
                           const dbt_vectorizer_options *options, int64_t n_documents,
                           dbt_error *err)
{
    *table = (dbt__table){.n_terms = n_terms, .n_buckets = sparse_buckets(n_terms)};
    if (sparse_buckets(n_terms) > memory / (DBT__BUCKET * sizeof(dbt__entry)))
        table->n_buckets = dense_buckets(n_terms);
    spread_hashes(table, kept);
    dbt_status status = list_frequencies(table, kept, err);
    if (status < 0) goto out;
    table->n_places = count_places(table, kept);
    status = make_places(table, err);
    if (status < 0) goto out;
    table->idf = dbt__alloc_array(table->n_idf, sizeof *table->idf);
    table->share = dbt__alloc_array(table->n_idf, sizeof *table->share);
    if (table->idf == NULL || table->share == NULL) {
        status = dbt__out_of_memory(err, "a vocabulary");
        goto out;
    }
    for (size_t i = 0; i < table->n_idf; i++) {
        table->idf[i] = dbt__idf(options, n_documents, table->document_frequency[i]);
        table->share[i] = dbt__norm_share(options, table->idf[i]);
    }
    fill_places(table, kept);
out:
    if (status < 0) dbt__table_release(table);
    return status;
}

void dbt__table_release(dbt__table *table)
{
    dbt__free(table->memory);
    dbt__free(table->idf);
    dbt__free(table->share);
    dbt__free(table->document_frequency);
    *table = (dbt__table){0};
}

void dbt__table_set_features(dbt__table *table, const uint64_t *hash, size_t n)
{
    for (size_t i = 0; i < table->n_places; i++)
        table->entry[i].feature = DBT__NO_FEATURE;
    for (size_t i = 0; i < n; i++) {
        size_t place = dbt__table_find(table, hash[i], dbt__table_home(table, hash[i]));
        table->entry[place].feature = (uint32_t)i;
    }
}
