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
 * Parts are cut from the places of the table, or, where all terms are in a file, from these; a
 * loader does not mind how. Numbers are little-endian. There is always at least one part, for the
 * seed. The features' hashes are not stored: they follow from their strings. Everything that is
 * read is checked; what was stored by another program with other Unicode tables would still be
 * self-consistent, so that is the concern of the settings it was stored with.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "leb128.h"
#include "vectorizer_internal.h"

#define ENCODING_VERSION 1
#define HEADER_BYTES 32
/* Terms of a part, about; a term takes at most 10 + 5 bytes. */
#define PART_TERMS 65536
#define MAX_TERM_BYTES 15

/* What a vectorizer needs until it is loaded. */
typedef struct dbt__loading {
    dbt__lexicon lexicon; /* the terms that are not features */
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
    if (vectorizer->options.hash_bits != 0) return 0;
    return (size_t)vectorizer->n_terms / PART_TERMS + 1;
}

/* The lowest hash of a part: a hash is in part hash * parts / 2^64. */
static uint64_t lowest_hash(const dbt_vectorizer *vectorizer, size_t part)
{
    size_t n_parts = dbt_vectorizer_parts(vectorizer);
    return (uint64_t)((((dbt__uint128)part << 64) + n_parts - 1) / n_parts);
}

/* Where in the table, or among the terms of the file, the hashes of a part begin; past the end for
 * the part behind the last. */
static dbt_status find_part(const dbt_vectorizer *vectorizer, size_t part, size_t *start,
                            dbt_error *err)
{
    const dbt__table *table = &vectorizer->table;
    const dbt__lexicon *lexicon = &vectorizer->lexicon;
    bool whole = dbt_vectorizer_is_whole(vectorizer);
    size_t low = 0, high = whole ? table->n_places : dbt__lexicon_terms(lexicon);
    uint64_t hash = lowest_hash(vectorizer, part);
    *start = part == 0 ? 0 : high;
    if (part == 0 || part == dbt_vectorizer_parts(vectorizer)) return DBT_OK;
    if (whole) {
        *start =
            hash <= table->base ? 0 : dbt__table_find(table, hash, dbt__table_home(table, hash));
        return DBT_OK;
    }
    while (low < high) {
        dbt__kept middle;
        size_t at = low + (high - low) / 2;
        dbt_status status = dbt__lexicon_read(lexicon, at, 1, &middle, err);
        if (status < 0) return status;
        if (middle.hash < hash)
            low = at + 1;
        else
            high = at;
    }
    *start = low;
    return DBT_OK;
}

/* A part under way. */
typedef struct part_writer {
    unsigned char *to;
    size_t length;
    uint64_t before; /* hash */
    size_t n;
} part_writer;

static void put_term(part_writer *part, uint64_t hash, uint32_t document_frequency)
{
    part->length += dbt__leb128_put(part->to + part->length, hash - part->before);
    part->length += dbt__leb128_put(part->to + part->length, document_frequency);
    part->before = hash;
    part->n++;
}

static void put_places(const dbt__table *table, size_t first, size_t end, part_writer *part)
{
    for (size_t i = first; i < end; i++) {
        const dbt__entry *entry = &table->entry[i];
        if (entry->hash != UINT64_MAX && entry->feature == DBT__NO_FEATURE)
            put_term(part, entry->hash, table->document_frequency[entry->idf]);
    }
}

/* The table is that of the features: what it holds is left out. */
static dbt_status put_file(const dbt_vectorizer *vectorizer, size_t first, size_t end,
                           part_writer *part, dbt_error *err)
{
    const dbt__table *table = &vectorizer->table;
    dbt__kept *kept = dbt__alloc_array(end - first, sizeof *kept);
    if (kept == NULL) return dbt__out_of_memory(err, "a vectorizer");
    dbt_status status = dbt__lexicon_read(&vectorizer->lexicon, first, end - first, kept, err);
    for (size_t i = 0; status == DBT_OK && i < end - first; i++) {
        uint64_t hash = kept[i].hash;
        size_t place = dbt__table_find(table, hash, dbt__table_home(table, hash));
        if (table->entry[place].hash != hash) put_term(part, hash, kept[i].document_frequency);
    }
    dbt__free(kept);
    return status;
}

static void write_header(const dbt_vectorizer *vectorizer, size_t part, const part_writer *writer,
                         unsigned char *value)
{
    put_number(value + 8, ENCODING_VERSION, 4);
    put_number(value + 12, part, 4);
    put_number(value + 16, vectorizer->seed, 8);
    put_number(value + 24, writer->n, 8);
    put_number(value, dbt__hash(value + 8, HEADER_BYTES + writer->length - 8, 0), 8);
}

dbt_status dbt_vectorizer_encode(const dbt_vectorizer *vectorizer, size_t part,
                                 unsigned char **value, size_t *bytes, dbt_error *err)
{
    *value = NULL;
    *bytes = 0;
    if (part >= dbt_vectorizer_parts(vectorizer))
        return dbt__fail(err, DBT_EUSAGE, "a vectorizer has no part %zu", part);
    size_t first, end;
    dbt_status status = find_part(vectorizer, part, &first, err);
    if (status == DBT_OK) status = find_part(vectorizer, part + 1, &end, err);
    if (status < 0) return status;
    unsigned char *made = dbt__alloc_array(HEADER_BYTES + (end - first) * MAX_TERM_BYTES, 1);
    if (made == NULL) return dbt__out_of_memory(err, "a vectorizer");
    part_writer writer = {.to = made + HEADER_BYTES};
    if (dbt_vectorizer_is_whole(vectorizer))
        put_places(&vectorizer->table, first, end, &writer);
    else
        status = put_file(vectorizer, first, end, &writer, err);
    if (status < 0) {
        dbt__free(made);
        return status;
    }
    write_header(vectorizer, part, &writer, made);
    *value = made;
    *bytes = HEADER_BYTES + writer.length;
    return DBT_OK;
}

/* --- loading --- */

void dbt__loading_free(dbt__loading *loading)
{
    if (loading == NULL) return;
    dbt__lexicon_release(&loading->lexicon);
    dbt__free(loading);
}

dbt_status dbt_vectorizer_load_new(const dbt_vectorizer_options *options, int64_t n_documents,
                                   int64_t n_terms, dbt_vectorizer **vectorizer, dbt_error *err)
{
    *vectorizer = NULL;
    dbt_status status = dbt__options_check(options, err);
    if (status < 0) return status;
    int64_t most = options->hash_bits != 0 ? 0 : (int64_t)DBT__MAX_TERMS;
    int64_t least = options->hash_bits != 0 ? 0 : 1;
    if (n_documents < 1 || n_documents >= (int64_t)DBT__MAX_DOCUMENTS || n_terms < least ||
        n_terms > most)
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
    dbt__lexicon_init(&made->loading->lexicon, options->spill_folder, options->memory);
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
    if (status == DBT_OK) status = dbt__check_term_bytes(&vectorizer->options, end, err);
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
    if (get_number(value + 24, 8) >
        (uint64_t)vectorizer->n_terms - dbt__lexicon_terms(&load->lexicon))
        return dbt__fail(err, DBT_EFORMAT, "part %u has more terms than the vocabulary", part);
    return DBT_OK;
}

static dbt_status load_terms(dbt_vectorizer *vectorizer, const unsigned char *from,
                             const unsigned char *end, size_t n, dbt_error *err)
{
    dbt__loading *load = vectorizer->loading;
    dbt__lexicon *lexicon = &load->lexicon;
    bool is_first = dbt__lexicon_terms(lexicon) == 0;
    uint64_t hash = 0;
    dbt_status status = dbt__lexicon_reserve(lexicon, n, err);
    if (status < 0) return status;
    for (size_t i = 0; i < n; i++, is_first = false) {
        uint64_t step = 0, df = 0;
        bool read = dbt__leb128_get(&from, end, &step) && dbt__leb128_get(&from, end, &df);
        bool rises = !__builtin_add_overflow(hash, step, &hash) && hash != UINT64_MAX &&
                     (is_first || hash > load->last_hash);
        if (!read || !rises || df < 1 || df > (uint64_t)vectorizer->n_documents)
            return dbt__fail(err, DBT_EFORMAT, "part %u of the vocabulary is wrong at term %zu",
                             load->n_parts, i);
        lexicon->kept[lexicon->n_kept++] =
            (dbt__kept){.hash = hash, .document_frequency = (uint32_t)df};
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
    status = load_terms(vectorizer, value + HEADER_BYTES, value + bytes, (size_t)n, err);
    if (status < 0) return status;
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

/* The other terms, in the order of their hashes, read a chunk at a time. */
typedef struct term_reader {
    const dbt__lexicon *lexicon;
    size_t next;   /* of all terms */
    size_t n_left; /* of the chunk */
    const dbt__kept *at;
    dbt__kept *chunk;
} term_reader;

enum { CHUNK_TERMS = 65536 };

/* *term NULL: there are no more. */
static dbt_status peek_term(term_reader *reader, const dbt__kept **term, dbt_error *err)
{
    *term = NULL;
    size_t rest = dbt__lexicon_terms(reader->lexicon) - reader->next;
    if (reader->n_left == 0 && rest > 0) {
        size_t n = rest < CHUNK_TERMS ? rest : CHUNK_TERMS;
        reader->at = reader->chunk;
        if (!dbt__lexicon_is_spilled(reader->lexicon)) {
            n = rest;
            reader->at = reader->lexicon->kept;
        } else {
            dbt_status status =
                dbt__lexicon_read(reader->lexicon, reader->next, n, reader->chunk, err);
            if (status < 0) return status;
        }
        reader->n_left = n;
        reader->next += n;
    }
    if (reader->n_left > 0) *term = reader->at;
    return DBT_OK;
}

/* Merges features and other terms into the order of their hashes. */
static dbt_status merge_terms(const dbt_vectorizer *vectorizer, const loaded_term *term,
                              term_reader *reader, dbt__lexicon *merged, dbt_error *err)
{
    size_t n = (size_t)vectorizer->n_terms, f = 0;
    uint64_t before = 0;
    for (size_t i = 0; i < n; i++) {
        const dbt__kept *other;
        dbt_status status = peek_term(reader, &other, err);
        if (status == DBT_OK) status = dbt__lexicon_reserve(merged, 1, err);
        if (status < 0) return status;
        bool take = other == NULL || (f < vectorizer->n_features && term[f].hash <= other->hash);
        dbt__kept next = take ? (dbt__kept){.hash = term[f].hash,
                                            .document_frequency = term[f].document_frequency}
                              : *other;
        if (take) {
            f++;
        } else {
            reader->at++;
            reader->n_left--;
        }
        if (i > 0 && next.hash <= before)
            return dbt__fail(err, DBT_EFORMAT, "the vocabulary has a term twice");
        merged->kept[merged->n_kept++] = next;
        before = next.hash;
    }
    return dbt__lexicon_finish(merged, vectorizer->options.table_memory, err);
}

/* The table: of all terms, or of the features when the terms are in a file. */
static dbt_status make_table(dbt_vectorizer *vectorizer, const loaded_term *term, dbt_error *err)
{
    dbt__lexicon *lexicon = &vectorizer->lexicon;
    size_t n = vectorizer->n_features;
    dbt__kept *kept = NULL;
    uint64_t *hash = dbt__alloc_array(n, sizeof *hash);
    dbt_status status = hash == NULL ? dbt__out_of_memory(err, "a vocabulary") : DBT_OK;
    for (size_t i = 0; status == DBT_OK && i < n; i++)
        hash[term[i].feature] = term[i].hash;
    if (status == DBT_OK && dbt__lexicon_is_spilled(lexicon)) {
        kept = dbt__alloc_array(n, sizeof *kept);
        for (size_t i = 0; kept != NULL && i < n; i++)
            kept[i] =
                (dbt__kept){.hash = term[i].hash, .document_frequency = term[i].document_frequency};
        status = kept == NULL ? dbt__out_of_memory(err, "a vocabulary")
                              : dbt__table_init(&vectorizer->table, kept, n, SIZE_MAX,
                                                &vectorizer->options, vectorizer->n_documents, err);
    } else if (status == DBT_OK) {
        status = dbt__lexicon_table(lexicon, 0, dbt__lexicon_terms(lexicon),
                                    vectorizer->options.memory / 4, &vectorizer->options,
                                    vectorizer->n_documents, &vectorizer->table, err);
        dbt__lexicon_release(lexicon);
    }
    if (status == DBT_OK) dbt__table_set_features(&vectorizer->table, hash, n);
    dbt__free(kept);
    dbt__free(hash);
    return status;
}

static dbt_status merge_features(dbt_vectorizer *vectorizer, loaded_term *term, dbt_error *err)
{
    const dbt__loading *load = vectorizer->loading;
    term_reader reader = {.lexicon = &load->lexicon};
    dbt__lexicon_init(&vectorizer->lexicon, vectorizer->options.spill_folder,
                      vectorizer->options.memory);
    dbt_status status = hash_features(vectorizer, term, err);
    if (status == DBT_OK && dbt__lexicon_is_spilled(&load->lexicon)) {
        reader.chunk = dbt__alloc_array(CHUNK_TERMS, sizeof *reader.chunk);
        if (reader.chunk == NULL) status = dbt__out_of_memory(err, "a vocabulary");
    }
    if (status == DBT_OK)
        status = merge_terms(vectorizer, term, &reader, &vectorizer->lexicon, err);
    if (status == DBT_OK) status = make_table(vectorizer, term, err);
    if (status == DBT_OK) status = dbt__vectorizer_weigh(vectorizer, err);
    dbt__free(reader.chunk);
    return status;
}

static dbt_status finish_hashing(dbt_vectorizer *vectorizer, dbt_error *err)
{
    if (vectorizer->loading->n_parts > 0)
        return dbt__fail(err, DBT_EFORMAT, "a hashing vectorizer has no vocabulary");
    return dbt__hashing_init(vectorizer, err);
}

static dbt_status finish_vocabulary(dbt_vectorizer *vectorizer, dbt_error *err)
{
    dbt__loading *load = vectorizer->loading;
    size_t n = (size_t)vectorizer->n_terms;
    size_t n_others = dbt__lexicon_terms(&load->lexicon);
    if (load->n_parts == 0 || vectorizer->n_features == 0 || n_others + vectorizer->n_features != n)
        return dbt__fail(err, DBT_EFORMAT,
                         "the vocabulary has %zu features and %zu other terms, not %zu in all",
                         vectorizer->n_features, n_others, n);
    loaded_term *term = dbt__alloc_array(vectorizer->n_features, sizeof *term);
    dbt_status status = term == NULL ? dbt__out_of_memory(err, "a vocabulary")
                                     : dbt__lexicon_finish(&load->lexicon, 0, err);
    if (status == DBT_OK) status = merge_features(vectorizer, term, err);
    dbt__free(term);
    return status;
}

dbt_status dbt_vectorizer_load_finish(dbt_vectorizer *vectorizer, dbt_error *err)
{
    if (vectorizer->loading == NULL)
        return dbt__fail(err, DBT_EUSAGE, "the vectorizer is loaded already");
    dbt_status status = vectorizer->options.hash_bits != 0 ? finish_hashing(vectorizer, err)
                                                           : finish_vocabulary(vectorizer, err);
    if (status < 0) return status;
    dbt__loading_free(vectorizer->loading);
    vectorizer->loading = NULL;
    vectorizer->options.spill_folder = NULL; /* the caller's */
    return DBT_OK;
}
