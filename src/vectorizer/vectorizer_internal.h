/*
 * vectorizer_internal.h: what the files of the vectorizer share.
 *
 *   rounds   reads the corpus and runs a pass over it on all threads, in a fixed order
 *   count    a pass: document frequencies of all n-grams, in shards
 *   shard    a table of some of the n-grams
 *   runs     counts that do not fit into memory, as sorted runs
 *   lexicon  the terms that are kept, in memory or in a file
 *   table    the same, or a part of them, for look-ups by hash
 *   hashing  the table of a vectorizer that has no terms
 *   row      a document to its tf-idf cells and their norm
 *   norms    the norms of all documents, where the table comes in parts
 *   score    a pass: sums of the cells by term and class; F
 *   select   which terms become features
 *   fetch    a pass: the strings of terms
 *   fit      all of them, one after another
 *   encode   a vectorizer to and from stored parts
 *   transform  pages to batches, documents to packed rows
 *   pack     packed rows to batches
 */
#ifndef DBT_VECTORIZER_INTERNAL_H
#define DBT_VECTORIZER_INTERNAL_H

#include <math.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <dbtrain/vectorizer.h>

#include "analyzer.h"
#include "base.h"
#include "spill.h"

/* n-grams that are asked of an analyzer at once: they stay in the first cache. */
#define DBT__BLOCK 512
/* Of the memory, what the heap may take when counting has ended and before scoring begins, in use
 * or free, for pages that are touched again are cheaper than new ones: one of so many. Large tables
 * are apart from the heap, and have what it leaves. */
#define DBT__HEAP_PART 4
/* Parts of the hash space that one task of a round applies. */
#define DBT__GROUPS 256
#define DBT__NO_FEATURE UINT32_MAX
/* Terms and documents are counted in 31 bits while fitting. */
#define DBT__MAX_TERMS (UINT32_C(1) << 31)
#define DBT__MAX_DOCUMENTS (UINT32_C(1) << 31)

/* Goes to files as it is, so it has no padding, which would have no value. */
typedef struct dbt__kept {
    uint64_t hash;
    uint32_t document_frequency;
    uint32_t unused; /* 0 */
} dbt__kept;

/* --- table --- */

typedef struct dbt__entry {
    uint64_t hash; /* UINT64_MAX: the place is empty */
    uint32_t idf;  /* index into dbt__table.idf */
    uint32_t feature;
} dbt__entry;

/* Entries of a bucket: a cache line. */
#define DBT__BUCKET 4

/*
 * An open-addressing table of buckets whose entries ascend with the hash all through the table: a
 * bucket that is full spills into the next. An empty place counts as the highest hash, so the place
 * of a hash is found by counting the lower ones in its bucket, without a branch, and in the next
 * one only where all of them are lower.
 */
typedef struct dbt__table {
    dbt__entry *entry;  /* [n_places], on a cache line */
    void *memory;       /* that holds the entries */
    uint64_t n_buckets; /* that a hash may begin at */
    uint64_t base;      /* the lowest hash */
    uint64_t span;      /* from it to the highest */
    uint64_t factor;    /* 2^64 * n_buckets / (span + 1) */
    size_t n_places;    /* of these and those they spill into; the last is empty */
    size_t n_terms;
    double *idf;                  /* [n_idf], one for each distinct document frequency */
    uint64_t *share;              /* [n_idf]: what such a term adds to a norm: row.c */
    uint32_t *document_frequency; /* [n_idf] */
    size_t n_idf;
    unsigned hash_bits; /* not 0: there are no entries, and places are columns: hashing.c */
} dbt__table;

/* Bytes of a table at its densest. */
size_t dbt__table_bytes(size_t n_terms);
/* From terms in the order of their hashes. Features are their ranks. The places are sparse, for
 * faster look-ups, where that takes at most `memory` bytes. DBT_ENOMEM. */
dbt_status dbt__table_init(dbt__table *table, const dbt__kept *kept, size_t n_terms, size_t memory,
                           const dbt_vectorizer_options *options, int64_t n_documents,
                           dbt_error *err) DBT_MUST_USE;
/* A zeroed one too. */
void dbt__table_release(dbt__table *table);
/* Makes term hash[i] feature i, and no other term a feature. */
void dbt__table_set_features(dbt__table *table, const uint64_t *hash, size_t n);

/* First place of the bucket where the search for a hash begins: the buckets share out the hashes
 * from the lowest to the highest of the table, of which a part of a vocabulary has some only. Any
 * other hash begins at the last bucket, where it is not found either. */
static inline size_t dbt__table_home(const dbt__table *table, uint64_t hash)
{
    uint64_t distance = hash - table->base;
    if (distance > table->span) distance = table->span;
    return (size_t)(((dbt__uint128)distance * table->factor) >> 64) * DBT__BUCKET;
}
/* Place of a term, or of a higher hash when it is not there; `home` is dbt__table_home's. */
static inline size_t dbt__table_find(const dbt__table *table, uint64_t hash, size_t home)
{
    for (;; home += DBT__BUCKET) {
        const dbt__entry *entry = table->entry + home;
        size_t lower = (size_t)(entry[0].hash < hash) + (entry[1].hash < hash) +
                       (entry[2].hash < hash) + (entry[3].hash < hash);
        if (lower < DBT__BUCKET) return home + lower;
    }
}
/* scikit-learn's idf; 1 when it is off. */
double dbt__idf(const dbt_vectorizer_options *options, int64_t n_documents,
                int64_t document_frequency);

/* --- lexicon --- */

typedef struct dbt__lexicon {
    dbt__kept *kept; /* [n_kept]: those that are not in the file */
    size_t n_kept;
    size_t capacity;
    size_t limit; /* of n_kept, where there is a folder to spill into */
    const char *spill_folder;
    dbt__spill *spill; /* NULL: all are in memory */
    size_t n_spilled;
} dbt__lexicon;

/* `memory`: bytes that fitting or loading may take. Terms that would take more than their part of
 * it go to a file in spill_folder, if that is not NULL, which must stay until the lexicon is
 * finished.
 */
void dbt__lexicon_init(dbt__lexicon *lexicon, const char *spill_folder, size_t memory);
/* One of zeros too. */
void dbt__lexicon_release(dbt__lexicon *lexicon);
/* Makes room for n terms in all, or for as many of them as stay in memory: nothing is moved while
 * they come. DBT_ENOMEM. */
dbt_status dbt__lexicon_expect(dbt__lexicon *lexicon, size_t n, dbt_error *err) DBT_MUST_USE;
/* Makes room for `more` terms at kept[n_kept]. DBT_EDATA (too many terms), DBT_EIO, DBT_ENOMEM. */
dbt_status dbt__lexicon_reserve(dbt__lexicon *lexicon, size_t more, dbt_error *err) DBT_MUST_USE;
/* There are no more: what is partly in the file, or would make a table of more than table_memory
 * bytes (0: any), goes there wholly. */
dbt_status dbt__lexicon_finish(dbt__lexicon *lexicon, size_t table_memory,
                               dbt_error *err) DBT_MUST_USE;
bool dbt__lexicon_is_spilled(const dbt__lexicon *lexicon);
size_t dbt__lexicon_terms(const dbt__lexicon *lexicon);
/* Terms first .. first + n - 1 of a spilled one. */
dbt_status dbt__lexicon_read(const dbt__lexicon *lexicon, size_t first, size_t n, dbt__kept *kept,
                             dbt_error *err) DBT_MUST_USE;
/* The table of terms first .. first + n - 1. */
dbt_status dbt__lexicon_table(const dbt__lexicon *lexicon, size_t first, size_t n, size_t memory,
                              const dbt_vectorizer_options *options, int64_t n_documents,
                              dbt__table *table, dbt_error *err) DBT_MUST_USE;

/* --- row --- */

typedef struct dbt__cell {
    uint32_t place; /* of the table */
    uint32_t idf;
    uint32_t feature;
    uint32_t count;
} dbt__cell;

/* Scratch memory for the cells of one document, in the order in which terms first occur. */
typedef struct dbt__row {
    dbt__cell *cell;
    size_t n;
    dbt__uint128 shares; /* sum of what the cells add to the norm, features or not */
    double norm;         /* what values are divided by */
    /* private */
    size_t capacity;
    uint64_t *slot; /* stamp in the high half, index of the cell in the low half */
    unsigned slot_bits;
    uint32_t stamp;
    dbt__ngram block[DBT__BLOCK];
} dbt__row;

dbt_status dbt__row_init(dbt__row *row, dbt_error *err) DBT_MUST_USE;
/* A zeroed one too. */
void dbt__row_release(dbt__row *row);
/* What a distinct document frequency adds to a norm: dbt__table.share. */
uint64_t dbt__norm_share(const dbt_vectorizer_options *options, double idf);
/* The norm of a row, from the sum of what all its cells add. */
double dbt__norm_of(const dbt_vectorizer_options *options, dbt__uint128 shares);
/* Weight of a term that occurs `count` times: tf. */
static inline double dbt__weigh(const dbt_vectorizer_options *options, uint32_t count)
{
    return options->sublinear_tf ? log((double)count) + 1 : (double)count;
}
/* The normalised value of cell i. */
static inline double dbt__row_value(const dbt__row *row, const dbt__table *table,
                                    const dbt_vectorizer_options *options, size_t i)
{
    const dbt__cell *cell = &row->cell[i];
    return dbt__weigh(options, cell->count) * table->idf[cell->idf] / row->norm;
}
/* Replaces cells and norm by those of a document. DBT_ENOMEM. */
dbt_status dbt__row_fill(dbt__row *row, const dbt__table *table,
                         const dbt_vectorizer_options *options, dbt__analyzer *analyzer,
                         dbt_text text, dbt_error *err) DBT_MUST_USE;

/* --- rounds --- */

typedef union dbt__item {
    dbt__ngram ngram; /* counting; its tag is the document */
    struct {
        double value;
        uint32_t term;
        uint32_t document;
    } cell; /* scoring */
} dbt__item;

/* Scratch memory of one thread. */
typedef struct dbt__worker {
    dbt_page *page;
    dbt__uint128 *shares; /* [rows of a page]: of its documents' norms, where there are norms */
    dbt__analyzer *analyzer;
    dbt__row row;
    dbt__item *item; /* [capacity of a slot] */
    uint8_t *group;  /* [capacity of a slot]: of each item */
    size_t n_items;
    int64_t page_number; /* of the page, during a pass; -1: none */
    int64_t unfinished;  /* document of that page which analyzer and row are at; -1: none */
    uint64_t taken;      /* n-grams of it from the analyzer: another may have taken more since */
} dbt__worker;

/* Some neighbouring pages, and the items of their documents, by group. */
typedef struct dbt__slot {
    int64_t page; /* the next one to read, from its row on, without the n-grams or cells to skip */
    int64_t end_page;
    size_t row;
    uint64_t skip;
    bool done;   /* all pages are read */
    bool filled; /* items wait to be applied */
    uint32_t first_document;
    uint32_t n_documents;
    int64_t tokens;
    uint32_t *class_of; /* [documents of a slot]: by document - first_document */
    dbt__item *item;    /* [capacity of a slot]: a part of dbt__rounds.item */
    size_t group_start[DBT__GROUPS + 1];
} dbt__slot;

typedef struct dbt__rounds dbt__rounds;
typedef struct dbt_norms dbt__norms;

/*
 * A pass. `document` appends the items of a document to the worker's, *complete false when they do
 * not all fit: it is called again, with slot->skip as it left it, for the rest. Mostly that is the
 * same worker's, who then goes on where it was (worker->unfinished is the document): else a
 * document would be taken apart as often as it fills a slot. `apply` takes the items of a group,
 * slots in the order of documents; two groups at the same time. `finish_round` may end the pass
 * with an error.
 */
typedef struct dbt__pass {
    dbt_status (*document)(struct dbt__pass *pass, dbt__worker *worker, dbt__slot *slot, size_t row,
                           uint32_t document, bool *complete, dbt_error *err);
    dbt_status (*apply)(struct dbt__pass *pass, size_t group, const dbt__slot *slot,
                        const dbt__item *item, size_t n_items, dbt_error *err);
    dbt_status (*finish_slot)(struct dbt__pass *pass, const dbt__slot *slot, dbt_error *err);
    dbt_status (*finish_round)(struct dbt__pass *pass, dbt_error *err);
} dbt__pass;

struct dbt__rounds {
    const dbt_vectorizer_options *options;
    const dbt_corpus *corpus;
    dbt_pool *pool;
    size_t n_workers;
    dbt__worker *worker;
    size_t n_slots;
    dbt__slot *slot;
    dbt__item *item;      /* of all slots */
    size_t slot_capacity; /* items */
    int64_t n_pages;
    int64_t slot_pages;
    size_t memory;           /* bytes that tables and sums of a pass may take */
    const dbt__norms *norms; /* NULL: a row has all the terms of its norm */
    double *norm;            /* [documents]: where scoring puts them then; NULL: nowhere */
    /* the pass under way */
    dbt__pass *pass;
    size_t head; /* slot with the lowest pages */
    int64_t next_page;
    size_t n_apply;
};

dbt_status dbt__rounds_init(dbt__rounds *rounds, const dbt_vectorizer_options *options,
                            const dbt_corpus *corpus, dbt_pool *pool, dbt_error *err) DBT_MUST_USE;
/* A zeroed one too. */
void dbt__rounds_release(dbt__rounds *rounds);
/* Gives every worker an analyzer with this hash function. DBT_ENOMEM. */
dbt_status dbt__rounds_set_hash(dbt__rounds *rounds, uint64_t seed, uint64_t hash_mask,
                                dbt_error *err) DBT_MUST_USE;
/* Runs a pass over the whole corpus. */
dbt_status dbt__rounds_run(dbt__rounds *rounds, dbt__pass *pass, dbt_error *err) DBT_MUST_USE;
/* Replaces the worker's page, checking its rows. */
dbt_status dbt__rounds_read(dbt__rounds *rounds, dbt__worker *worker, int64_t page,
                            dbt_error *err) DBT_MUST_USE;

/* --- count --- */

typedef struct dbt__counts {
    dbt__lexicon lexicon;
    uint64_t *total; /* [terms]: occurrences; NULL unless asked for */
    size_t total_capacity;
    uint64_t seed; /* of the hash function that had no collision */
    int64_t tokens;
    int64_t passes;
    int64_t spilled_bytes; /* of runs */
} dbt__counts;

/* Counts the corpus and keeps the terms within min_df and max_df. `hash_mask` is that of the first
 * attempt; after a collision all bits are used. */
dbt_status dbt__count(dbt__rounds *rounds, uint64_t hash_mask, dbt__counts *counts,
                      dbt_error *err) DBT_MUST_USE;
void dbt__counts_release(dbt__counts *counts);

/* --- norms --- */

/* Terms of a part, of which table and array fit into half of the memory. */
size_t dbt__part_terms(size_t memory);

/* Norms of documents: in memory; or in a file, as sums of what the terms of each add to it. */
struct dbt_norms {
    dbt_vectorizer_options options;
    double *value;     /* [documents], or NULL */
    dbt__spill *spill; /* a dbt__uint128 a document, or NULL */
    bool begun;        /* a part has been added */
};

dbt_status dbt__norms_init(dbt__norms *norms, const dbt_vectorizer_options *options,
                           const char *spill_folder, dbt_error *err) DBT_MUST_USE;
/* In memory, if they take no more than `memory`; else it stays empty. They are the caller's to set.
 */
void dbt__norms_init_small(dbt__norms *norms, int64_t n_documents, size_t memory);
/* One of zeros too. */
void dbt__norms_release(dbt__norms *norms);
/* Adds the terms of a table, for all documents. */
dbt_status dbt__norms_add(dbt__norms *norms, dbt__rounds *rounds, const dbt__table *table,
                          dbt_error *err) DBT_MUST_USE;
/* Of documents first .. first + n - 1. Any thread. */
dbt_status dbt__norms_shares(const dbt__norms *norms, int64_t first, size_t n, dbt__uint128 *shares,
                             dbt_error *err) DBT_MUST_USE;

/* --- select --- */

/* The k-th highest of n > 0 keys, 1 <= k <= n, and how many are higher. */
uint64_t dbt__select_key(const uint64_t *key, size_t n, size_t k, size_t *n_higher);
/* Keys whose order is that of scores: NaN lowest, then -inf to inf. */
uint64_t dbt__score_key(double score);

/* A term that may become a feature. */
typedef struct dbt__candidate {
    uint64_t hash;
    double score;
    uint32_t document_frequency;
    uint32_t first_document; /* that it is in, or DBT__NO_DOCUMENT: not known */
} dbt__candidate;
#define DBT__NO_DOCUMENT UINT32_MAX

/* The k best terms of those seen, and those that are tied with the last of them, all or the first
 * in byte order, in the order in which they came: that of their hashes. */
typedef struct dbt__candidates {
    dbt__candidate *item;
    size_t n;
    size_t capacity;
    size_t k;           /* 0: all */
    size_t most;        /* that are held, unless k is 0 */
    uint64_t threshold; /* a lower key is not among the best */
} dbt__candidates;

/* None yet; `memory` is what the vectorizer may take. `item` is the caller's to free. */
void dbt__candidates_init(dbt__candidates *candidates, size_t k, size_t memory);
/* Between two passes over the corpus: it may be read, to decide between tied terms. */
dbt_status dbt__candidates_add(dbt__candidates *candidates, const dbt__candidate *candidate,
                               dbt__rounds *rounds, dbt_error *err) DBT_MUST_USE;
/* Drops all but the k best, of the tied those that sort first. */
dbt_status dbt__candidates_decide(dbt__candidates *candidates, dbt__rounds *rounds,
                                  dbt_error *err) DBT_MUST_USE;
/* Drops all but the best and the tied: *n_tied of those at the threshold belong to the k. */
dbt_status dbt__candidates_finish(dbt__candidates *candidates, size_t *n_tied,
                                  dbt_error *err) DBT_MUST_USE;

/* --- score --- */

/*
 * scikit-learn's f_oneway from sums: sum[k] of the values in class k, n_class[k] documents (classes
 * without documents do not count), squares: of all values. NaN or infinite where scikit-learn's is;
 * where that is what rounding makes of a division by 0, infinite, or 0 if the values do not vary.
 */
double dbt__anova_f(const double *sum, const int64_t *n_class, size_t n_classes, double squares);

/* How many of n terms are scored in one pass, beside a table of so many bytes. */
size_t dbt__score_span(const dbt__rounds *rounds, size_t n_classes, size_t n_terms,
                       size_t table_bytes);
/* Scores the terms of a table and adds them to the candidates; *passes more over the corpus. */
dbt_status dbt__score(dbt__rounds *rounds, const dbt__table *table, const dbt_classes *classes,
                      dbt__candidates *candidates, int64_t *passes, dbt_error *err) DBT_MUST_USE;

/* --- fetch --- */

typedef struct dbt__terms {
    char *bytes;
    size_t n;
    size_t *start;    /* [n] */
    uint32_t *length; /* [n] */
} dbt__terms;

/*
 * The strings of the n terms whose features in the table are 0 .. n - 1. `wanted`, if not NULL, has
 * a bit set for each document that needs to be read.
 */
dbt_status dbt__fetch(dbt__rounds *rounds, const dbt__table *table, size_t n,
                      const uint64_t *wanted, dbt__terms *terms, dbt_error *err) DBT_MUST_USE;
/* The same of candidates, in the order of their hashes: term i is that of item i. */
dbt_status dbt__fetch_candidates(dbt__rounds *rounds, const dbt__candidate *item, size_t n,
                                 dbt__terms *terms, dbt_error *err) DBT_MUST_USE;
void dbt__terms_release(dbt__terms *terms);
/* order[i] is the term that is i-th in byte order; an array of the caller's. DBT_ENOMEM. */
dbt_status dbt__terms_sort(const dbt__terms *terms, uint32_t **order, dbt_error *err) DBT_MUST_USE;

/* --- pack --- */

/* The most bytes that a row of n cells takes packed. */
size_t dbt__pack_limit(size_t n_cells);
/* Packs cells by ascending column; returns the bytes. */
size_t dbt__pack_cells(double norm, const uint32_t *column, const uint32_t *count, size_t n,
                       unsigned char *row);

/* --- the vectorizer --- */

struct dbt_vectorizer {
    dbt_vectorizer_options options;
    int64_t n_documents;
    int64_t n_terms;
    uint64_t seed;
    dbt__table table;     /* of all terms, or when the lexicon is in a file, of the features */
    dbt__table features;  /* of the features, where `table` is of all terms and there are norms */
    dbt__lexicon lexicon; /* all terms, where they are in a file; else empty */
    dbt__norms norms;     /* of the documents it was fitted on; empty where they were not kept */
    size_t n_features;
    char *term_bytes;
    size_t *term_start; /* [n_features + 1] */
    uint32_t *document_frequency;
    double *idf; /* [n_features]; NULL: all are 1, since n-grams are hashed */
    double *score;
    struct dbt__loading *loading; /* until dbt_vectorizer_load_finish */
};

/* DBT_EUSAGE when terms of so many bytes are more than options->most_term_bytes. */
dbt_status dbt__check_term_bytes(const dbt_vectorizer_options *options, size_t bytes,
                                 dbt_error *err) DBT_MUST_USE;
/* Makes a vectorizer, of which nothing but the options and documents is known, a hashing one.
 * DBT_ENOMEM. */
dbt_status dbt__hashing_init(dbt_vectorizer *vectorizer, dbt_error *err) DBT_MUST_USE;
/* Reads pages in their order until a document has an n-gram. */
dbt_status dbt__hashing_find_term(const dbt_vectorizer_options *options, const dbt_corpus *corpus,
                                  bool *has_term, dbt_error *err) DBT_MUST_USE;
/* Makes the idf of all features, once there are all. DBT_ENOMEM. */
dbt_status dbt__vectorizer_weigh(dbt_vectorizer *vectorizer, dbt_error *err) DBT_MUST_USE;
dbt_status dbt__check_memory(size_t memory, dbt_error *err) DBT_MUST_USE;
dbt_status dbt__options_check(const dbt_vectorizer_options *options, dbt_error *err) DBT_MUST_USE;
dbt__analyzer_options dbt__options_analyzer(const dbt_vectorizer_options *options, uint64_t seed,
                                            uint64_t hash_mask);
/* dbt_vectorizer_fit, the first attempt at counting with a part of the hash's bits only. */
dbt_status dbt__vectorizer_fit_masked(const dbt_vectorizer_options *options,
                                      const dbt_corpus *corpus, const dbt_classes *classes,
                                      dbt_pool *pool, uint64_t hash_mask,
                                      dbt_vectorizer **vectorizer, dbt_vectorizer_stats *stats,
                                      dbt_error *err) DBT_MUST_USE;
void dbt__loading_free(struct dbt__loading *loading);

#endif
