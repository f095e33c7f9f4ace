/*
 * encode.c: a vectorizer to parts that can be stored, and back.
 *
 * Stored are the options, the features and, here, the hashes and document frequencies of the other
 * terms, in the order of the hashes: differences between neighbours, as LEB128 numbers, so a term
 * takes 8 bytes of the 12. A part:
 *
 *     bytes  0.. 7  XXH3 of the rest
 *            8..11  1, the version of this encoding
 *           12..15  number of the part
 *           16..23  seed of the hash function
 *           24..31  terms in the part
 *           32..    for each term: hash less the one before (0 before the first), document
 * frequency
 *
 * Numbers are little-endian. There is always at least one part, for the seed. The features' hashes
 * are not stored: they follow from their strings. Everything that is read is checked; what was
 * stored by another program with other Unicode tables would still be self-consistent, so that is
 * the concern of the settings it was stored with.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "leb128.h"
#include "vectorizer_internal.h"

#define ENCODING_VERSION 1
#define HEADER_BYTES 32
/* Places of the table that a part covers: at most as many terms, each of at most 10 + 5 bytes. */
#define PART_PLACES 65536
#define MAX_TERM_BYTES 15

/* What a vectorizer needs until it is loaded. */
typedef struct dbt__loading {
    dbt__kept *kept;
    size_t n_kept;
    size_t kept_capacity;
    uint32_t n_parts;
    uint64_t last_hash;
    size_t term_bytes;
    size_t term_capacity;
    size_t start_capacity;
    size_t frequency_capacity;
    size_t score_capacity;
} dbt__loading;

static void put_number(unsigned char *to, uint64_t number, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        to[i] = (unsigned char)(number >> (8 * i));
}

static uint64_t get_number(const unsigned char *from, size_t bytes)
{
    uint64_t number = 0;
    for (size_t i = 0; i < bytes; i++)
        number |= (uint64_t)from[i] << (8 * i);
    return number;
}

size_t dbt_vectorizer_parts(const dbt_vectorizer *vectorizer)
{
    return (vectorizer->table.n_places + PART_PLACES - 1) / PART_PLACES;
}

/* Writes the terms of a part and returns the bytes; *n is how many terms they are. */
static size_t put_terms(const dbt_vectorizer *vectorizer, size_t part, unsigned char *to, size_t *n)
{
    const dbt__table *table = &vectorizer->table;
    size_t first = part * PART_PLACES, length = 0;
    size_t end = table->n_places - first < PART_PLACES ? table->n_places : first + PART_PLACES;
    uint64_t before = 0;
    *n = 0;
    for (size_t i = first; i < end; i++) {
        const dbt__entry *entry = &table->entry[i];
        if (entry->hash == UINT64_MAX || entry->feature != DBT__NO_FEATURE) continue;
        length += dbt__leb128_put(to + length, entry->hash - before);
        length += dbt__leb128_put(to + length, table->document_frequency[entry->idf]);
        before = entry->hash;
        ++*n;
    }
    return length;
}

dbt_status dbt_vectorizer_encode(const dbt_vectorizer *vectorizer, size_t part,
                                 unsigned char **value, size_t *bytes, dbt_error *err)
{
    *value = NULL;
    *bytes = 0;
    if (part >= dbt_vectorizer_parts(vectorizer))
        return dbt__fail(err, DBT_EUSAGE, "a vectorizer has no part %zu", part);
    unsigned char *made = dbt__alloc_array(HEADER_BYTES + PART_PLACES * MAX_TERM_BYTES, 1);
    if (made == NULL) return dbt__out_of_memory(err, "a vectorizer");
    size_t n;
    size_t length = HEADER_BYTES + put_terms(vectorizer, part, made + HEADER_BYTES, &n);
    put_number(made + 8, ENCODING_VERSION, 4);
    put_number(made + 12, part, 4);
    put_number(made + 16, vectorizer->seed, 8);
    put_number(made + 24, n, 8);
    put_number(made, dbt__hash(made + 8, length - 8, 0), 8);
    *value = made;
    *bytes = length;
    return DBT_OK;
}

/* --- loading --- */

void dbt__loading_free(dbt__loading *loading)
{
    if (loading == NULL) return;
    dbt__free(loading->kept);
    dbt__free(loading);
}

dbt_status dbt_vectorizer_load_new(const dbt_vectorizer_options *options, int64_t n_documents,
                                   int64_t n_terms, dbt_vectorizer **vectorizer, dbt_error *err)
{
    *vectorizer = NULL;
    dbt_status status = dbt__options_check(options, err);
    if (status < 0) return status;
    if (n_documents < 1 || n_documents >= (int64_t)DBT__MAX_DOCUMENTS || n_terms < 1 ||
        n_terms > (int64_t)DBT__MAX_TERMS)
        return dbt__fail(err, DBT_EFORMAT, "a vectorizer of %lld terms from %lld documents",
                         (long long)n_terms, (long long)n_documents);
    dbt_vectorizer *made = dbt__alloc(sizeof *made);
    if (made == NULL) return dbt__out_of_memory(err, "a vectorizer");
    made->options = *options;
    made->n_documents = n_documents;
    made->n_terms = n_terms;
    made->loading = dbt__alloc(sizeof *made->loading);
    if (made->loading == NULL) {
        dbt_vectorizer_free(made);
        return dbt__out_of_memory(err, "a vectorizer");
    }
    *vectorizer = made;
    return DBT_OK;
}

static dbt_status check_feature(const dbt_vectorizer *vectorizer, const dbt_feature *feature,
                                dbt_error *err)
{
    size_t id = vectorizer->n_features;
    if ((int64_t)id >= vectorizer->n_terms)
        return dbt__fail(err, DBT_EFORMAT, "more features than the %lld terms",
                         (long long)vectorizer->n_terms);
    if (feature->term_bytes == 0) return dbt__fail(err, DBT_EFORMAT, "feature %zu is empty", id);
    if (feature->document_frequency < 1 || feature->document_frequency > vectorizer->n_documents)
        return dbt__fail(err, DBT_EFORMAT, "feature %zu is in %lld of %lld documents", id,
                         (long long)feature->document_frequency,
                         (long long)vectorizer->n_documents);
    double idf =
        dbt__idf(&vectorizer->options, vectorizer->n_documents, feature->document_frequency);
    if (!(fabs(feature->idf - idf) <= 1e-9))
        return dbt__fail(err, DBT_EFORMAT, "feature %zu has the idf %.17g, not %.17g", id,
                         feature->idf, idf);
    if (id == 0) return DBT_OK;
    size_t start = vectorizer->term_start[id - 1];
    size_t bytes = vectorizer->term_start[id] - start;
    size_t shorter = bytes < feature->term_bytes ? bytes : feature->term_bytes;
    int order = memcmp(vectorizer->term_bytes + start, feature->term, shorter);
    if (order > 0 || (order == 0 && bytes >= feature->term_bytes))
        return dbt__fail(err, DBT_EFORMAT, "feature %zu does not sort behind the one before", id);
    return DBT_OK;
}

dbt_status dbt_vectorizer_load_feature(dbt_vectorizer *vectorizer, const dbt_feature *feature,
                                       dbt_error *err)
{
    if (vectorizer->loading == NULL)
        return dbt__fail(err, DBT_EUSAGE, "the vectorizer is loaded already");
    dbt__loading *load = vectorizer->loading;
    dbt_status status = check_feature(vectorizer, feature, err);
    size_t id = vectorizer->n_features, end = load->term_bytes + feature->term_bytes;
    if (status == DBT_OK)
        status = dbt__reserve((void **)&vectorizer->term_bytes, &load->term_capacity, end, 1,
                              "a vocabulary", err);
    if (status == DBT_OK)
        status = dbt__reserve((void **)&vectorizer->term_start, &load->start_capacity, id + 2,
                              sizeof *vectorizer->term_start, "a vocabulary", err);
    if (status == DBT_OK)
        status = dbt__reserve((void **)&vectorizer->document_frequency, &load->frequency_capacity,
                              id + 1, sizeof *vectorizer->document_frequency, "a vocabulary", err);
    if (status == DBT_OK)
        status = dbt__reserve((void **)&vectorizer->score, &load->score_capacity, id + 1,
                              sizeof *vectorizer->score, "a vocabulary", err);
    if (status < 0) return status;
    memcpy(vectorizer->term_bytes + load->term_bytes, feature->term, feature->term_bytes);
    vectorizer->term_start[id] = load->term_bytes;
    vectorizer->term_start[id + 1] = load->term_bytes = end;
    vectorizer->document_frequency[id] = (uint32_t)feature->document_frequency;
    vectorizer->score[id] = feature->score;
    vectorizer->n_features = id + 1;
    return DBT_OK;
}

static dbt_status check_header(const dbt_vectorizer *vectorizer, const unsigned char *value,
                               size_t bytes, dbt_error *err)
{
    const dbt__loading *load = vectorizer->loading;
    uint32_t part = load->n_parts;
    if (bytes < HEADER_BYTES || get_number(value, 8) != dbt__hash(value + 8, bytes - 8, 0))
        return dbt__fail(err, DBT_EFORMAT, "part %u of the vocabulary is damaged", part);
    if (get_number(value + 8, 4) != ENCODING_VERSION)
        return dbt__fail(err, DBT_EFORMAT, "part %u of the vocabulary has an unknown encoding",
                         part);
    if (get_number(value + 12, 4) != part)
        return dbt__fail(err, DBT_EFORMAT, "part %u of the vocabulary is missing", part);
    if (part > 0 && get_number(value + 16, 8) != vectorizer->seed)
        return dbt__fail(err, DBT_EFORMAT, "part %u belongs to another vocabulary", part);
    if (get_number(value + 24, 8) > (uint64_t)vectorizer->n_terms - load->n_kept)
        return dbt__fail(err, DBT_EFORMAT, "part %u has more terms than the vocabulary", part);
    return DBT_OK;
}

static dbt_status load_terms(dbt_vectorizer *vectorizer, const unsigned char *from,
                             const unsigned char *end, size_t n, dbt_error *err)
{
    dbt__loading *load = vectorizer->loading;
    uint64_t hash = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t step = 0, df = 0;
        bool read = dbt__leb128_get(&from, end, &step) && dbt__leb128_get(&from, end, &df);
        bool rises = !__builtin_add_overflow(hash, step, &hash) && hash != UINT64_MAX &&
                     (load->n_kept == 0 || hash > load->last_hash);
        if (!read || !rises || df < 1 || df > (uint64_t)vectorizer->n_documents)
            return dbt__fail(err, DBT_EFORMAT, "part %u of the vocabulary is wrong at term %zu",
                             load->n_parts, i);
        load->kept[load->n_kept++] = (dbt__kept){hash, (uint32_t)df};
        load->last_hash = hash;
    }
    if (from != end)
        return dbt__fail(err, DBT_EFORMAT, "part %u of the vocabulary is too long", load->n_parts);
    return DBT_OK;
}

dbt_status dbt_vectorizer_load_part(dbt_vectorizer *vectorizer, const unsigned char *value,
                                    size_t bytes, dbt_error *err)
{
    if (vectorizer->loading == NULL)
        return dbt__fail(err, DBT_EUSAGE, "the vectorizer is loaded already");
    dbt__loading *load = vectorizer->loading;
    dbt_status status = check_header(vectorizer, value, bytes, err);
    if (status < 0) return status;
    uint64_t n = get_number(value + 24, 8);
    /* A term takes two bytes at least: what is claimed cannot make the memory grow beyond what is
     * there. */
    if (n > (bytes - HEADER_BYTES) / 2)
        return dbt__fail(err, DBT_EFORMAT, "part %u of the vocabulary is too short", load->n_parts);
    size_t before = load->n_kept;
    status = dbt__reserve((void **)&load->kept, &load->kept_capacity, before + (size_t)n,
                          sizeof *load->kept, "a vocabulary", err);
    if (status == DBT_OK)
        status = load_terms(vectorizer, value + HEADER_BYTES, value + bytes, (size_t)n, err);
    if (status < 0) {
        load->n_kept = before;
        return status;
    }
    vectorizer->seed = get_number(value + 16, 8);
    load->n_parts++;
    return DBT_OK;
}

typedef struct loaded_term {
    uint64_t hash;
    uint32_t document_frequency;
    uint32_t feature;
} loaded_term;

static int compare_hashes(const void *a, const void *b)
{
    uint64_t x = ((const loaded_term *)a)->hash, y = ((const loaded_term *)b)->hash;
    return (x > y) - (x < y);
}

/* The features by hash. */
static dbt_status hash_features(const dbt_vectorizer *vectorizer, loaded_term *term, dbt_error *err)
{
    dbt__analyzer *analyzer;
    dbt__analyzer_options options =
        dbt__options_analyzer(&vectorizer->options, vectorizer->seed, UINT64_MAX);
    dbt_status status = dbt__analyzer_new(&options, &analyzer, err);
    for (size_t i = 0; status == DBT_OK && i < vectorizer->n_features; i++) {
        size_t start = vectorizer->term_start[i];
        dbt__ngram ngram;
        status = dbt__analyzer_hash(analyzer, vectorizer->term_bytes + start,
                                    vectorizer->term_start[i + 1] - start, &ngram, err);
        if (status == DBT_OK)
            term[i] = (loaded_term){ngram.hash, vectorizer->document_frequency[i], (uint32_t)i};
    }
    dbt__analyzer_free(analyzer);
    if (status == DBT_OK) qsort(term, vectorizer->n_features, sizeof *term, compare_hashes);
    return status;
}

/* Merges features and other terms into the order of their hashes. */
static dbt_status merge_terms(const dbt_vectorizer *vectorizer, const loaded_term *term,
                              dbt__kept *merged, uint32_t *feature, dbt_error *err)
{
    const dbt__loading *load = vectorizer->loading;
    size_t n = (size_t)vectorizer->n_terms, f = 0, k = 0;
    for (size_t i = 0; i < n; i++) {
        bool take =
            k == load->n_kept || (f < vectorizer->n_features && term[f].hash <= load->kept[k].hash);
        if (take) {
            merged[i] = (dbt__kept){term[f].hash, term[f].document_frequency};
            feature[i] = term[f++].feature;
        } else {
            merged[i] = load->kept[k++];
            feature[i] = DBT__NO_FEATURE;
        }
        if (i > 0 && merged[i].hash <= merged[i - 1].hash)
            return dbt__fail(err, DBT_EFORMAT, "the vocabulary has a term twice");
    }
    return DBT_OK;
}

dbt_status dbt_vectorizer_load_finish(dbt_vectorizer *vectorizer, dbt_error *err)
{
    if (vectorizer->loading == NULL)
        return dbt__fail(err, DBT_EUSAGE, "the vectorizer is loaded already");
    const dbt__loading *load = vectorizer->loading;
    size_t n = (size_t)vectorizer->n_terms;
    if (load->n_parts == 0 || vectorizer->n_features == 0 ||
        load->n_kept + vectorizer->n_features != n)
        return dbt__fail(err, DBT_EFORMAT,
                         "the vocabulary has %zu features and %zu other terms, not %zu in all",
                         vectorizer->n_features, load->n_kept, n);
    loaded_term *term = dbt__alloc_array(vectorizer->n_features, sizeof *term);
    dbt__kept *merged = dbt__alloc_array(n, sizeof *merged);
    uint32_t *feature = dbt__alloc_array(n, sizeof *feature);
    dbt_status status = DBT_OK;
    if (term == NULL || merged == NULL || feature == NULL)
        status = dbt__out_of_memory(err, "a vocabulary");
    if (status == DBT_OK) status = hash_features(vectorizer, term, err);
    if (status == DBT_OK) status = merge_terms(vectorizer, term, merged, feature, err);
    if (status == DBT_OK)
        status = dbt__table_init(&vectorizer->table, merged, n, &vectorizer->options,
                                 vectorizer->n_documents, err);
    if (status == DBT_OK) status = dbt__vectorizer_weigh(vectorizer, err);
    if (status == DBT_OK) {
        dbt__table_map(&vectorizer->table, feature);
        dbt__loading_free(vectorizer->loading);
        vectorizer->loading = NULL;
    }
    dbt__free(term);
    dbt__free(merged);
    dbt__free(feature);
    return status;
}
