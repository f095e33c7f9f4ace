/*
 * analyzer.h: scikit-learn's analyzers: a document to the hashes of its n-grams.
 *
 *     dbt__analyzer_begin(analyzer, text, &err);
 *     while ((n = dbt__analyzer_next(analyzer, ngrams, capacity)) > 0)
 *         use(ngrams, n);
 *
 * n-grams come in groups: word n-grams that end with one word, character n-grams that begin at one
 * place, shortest first. Their order over a document is fixed, but not scikit-learn's.
 */
#ifndef DBT_TEXT_ANALYZER_H
#define DBT_TEXT_ANALYZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base.h"

/* Longest n-gram, in words or code points, and so the most n-grams of a group. */
#define DBT__NGRAM_MAX 8

typedef enum dbt__analyzer_kind {
    DBT__ANALYZER_WORD,
    DBT__ANALYZER_CHAR,
    DBT__ANALYZER_CHAR_WB
} dbt__analyzer_kind;

typedef struct dbt__analyzer_options {
    dbt__analyzer_kind kind;
    uint32_t ngram_min; /* 1 .. ngram_max */
    uint32_t ngram_max; /* .. DBT__NGRAM_MAX */
    bool lowercase;
    bool strip_accents;
    uint64_t seed; /* of the hash function */
    uint64_t
        hash_mask; /* bits of the hash that are used: all; fewer to provoke collisions in tests */
} dbt__analyzer_options;

typedef struct dbt__ngram {
    uint64_t hash;  /* never UINT64_MAX */
    uint32_t check; /* differs, but for a chance of 2^-32, for two n-grams of one hash */
    uint32_t tag;   /* the caller's */
} dbt__ngram;

typedef struct dbt__analyzer dbt__analyzer;

/* An analyzer is one thread's. DBT_ENOMEM. */
dbt_status dbt__analyzer_new(const dbt__analyzer_options *options, dbt__analyzer **analyzer,
                             dbt_error *err) DBT_MUST_USE;
/* Takes NULL. */
void dbt__analyzer_free(dbt__analyzer *analyzer);
/* Begins a document; `text` is not needed afterwards. Invalid UTF-8 is taken as Python's
 * decode(errors='replace') does. DBT_ENOMEM. */
dbt_status dbt__analyzer_begin(dbt__analyzer *analyzer, const char *text, size_t bytes,
                               dbt_error *err) DBT_MUST_USE;
/* Most n-grams of a group: ngram_max - ngram_min + 1. */
size_t dbt__analyzer_width(const dbt__analyzer *analyzer);
/*
 * Gives the next whole groups that fit into `capacity` (at least the width) n-grams, each with its
 * tag set to `tag`, and returns how many n-grams they are; 0: the document is at its end.
 */
size_t dbt__analyzer_next(dbt__analyzer *analyzer, uint32_t tag, dbt__ngram *ngrams,
                          size_t capacity);
/*
 * The string of n-gram `i` of the group that dbt__analyzer_next gave, which must have been called
 * with the width as capacity. *term is valid until the next call on this analyzer. DBT_ENOMEM.
 */
dbt_status dbt__analyzer_term(dbt__analyzer *analyzer, size_t i, const char **term,
                              size_t *term_bytes, dbt_error *err) DBT_MUST_USE;
/* The hash of a term given as a string, as dbt__analyzer_next would give it. DBT_ENOMEM. */
dbt_status dbt__analyzer_hash(dbt__analyzer *analyzer, const char *term, size_t term_bytes,
                              dbt__ngram *ngram, dbt_error *err) DBT_MUST_USE;

#endif
