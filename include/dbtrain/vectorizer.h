/*
 * vectorizer.h: text to sparse tf-idf rows, with scikit-learn's values.
 *
 * dbt_vectorizer_fit counts the n-grams of a corpus and keeps those that tell its labels apart:
 * scikit-learn's TfidfVectorizer, then SelectKBest(f_classif, k=top_k) on the normalised rows.
 * The corpus is read in pages, several times, never at once: once or more (as often as the memory
 * limit demands) to count, once or more to score, once to fetch the selected terms.
 *
 * With hash_bits it reads nothing and makes a hashing vectorizer at once (scikit-learn's
 * HashingVectorizer(alternate_sign=False), with another hash function): an n-gram's column is the
 * top bits of its 64-bit hash, so n-grams that share a column are counted as one, none is left out,
 * and a column has no term, no document frequency and no score.
 *
 * A fitted vectorizer never changes and may be used by any number of threads; each of them has a
 * dbt_transformer, which holds the scratch memory.
 *
 *     dbt_vectorizer_options options;
 *     dbt_vectorizer_options_init(&options);
 *     dbt_vectorizer_fit(&options, &corpus, &labels, pool, &vectorizer, &err);
 *     dbt_transformer_new(vectorizer, &transformer, &err);
 *     dbt_transform(transformer, page, NULL, batch, &err);
 */
#ifndef DBTRAIN_VECTORIZER_H
#define DBTRAIN_VECTORIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <dbtrain/batch.h>
#include <dbtrain/page.h>
#include <dbtrain/pool.h>
#include <dbtrain/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Part of a stored vectorizer's settings: raised whenever the same options and data would give
 * another vocabulary or other values. */
#define DBT_VECTORIZER_VERSION 2

#define DBT_MAX_HASH_BITS 24

typedef enum dbt_analyzer_kind {
    DBT_ANALYZER_WORD,   /* \b\w\w+\b, n-grams of words joined by one space */
    DBT_ANALYZER_CHAR,   /* n-grams of code points; runs of white space count as one space */
    DBT_ANALYZER_CHAR_WB /* the same within words padded by a space on either side */
} dbt_analyzer_kind;

typedef enum dbt_accents { DBT_ACCENTS_KEEP, DBT_ACCENTS_UNICODE } dbt_accents;

typedef enum dbt_norm { DBT_NORM_NONE, DBT_NORM_L1, DBT_NORM_L2 } dbt_norm;

/* The names are TfidfVectorizer's. */
typedef struct dbt_vectorizer_options {
    dbt_analyzer_kind analyzer; /* word */
    uint32_t ngram_min;         /* 1; 1 .. ngram_max */
    uint32_t ngram_max;         /* 2; ngram_min .. 8 */
    bool lowercase;             /* true */
    dbt_accents strip_accents;  /* unicode */
    int64_t min_df;             /* 2; documents a term must at least be in; 1 .. */
    double max_df;              /* 1.0; share of the documents a term may at most be in; (0, 1] */
    int64_t max_features;       /* 0: all; else the most frequent terms by total count, ties to
                                   the term that sorts first */
    bool sublinear_tf;          /* false; true: 1 + ln(tf) */
    bool use_idf;               /* true */
    bool smooth_idf;            /* true: ln((1 + n) / (1 + df)) + 1; false: ln(n / df) + 1 */
    dbt_norm norm;              /* l2 */
    int64_t top_k;              /* 20000: features kept, by f_classif; 0: all, unscored labels
                                   allowed */
    uint32_t hash_bits;         /* 0: off; 1 .. 24: n-grams are hashed into 2^hash_bits columns, and
                                   min_df, max_df, max_features, use_idf, smooth_idf and top_k are
                                   without effect */
    size_t memory;              /* bytes that fitting may take; 256 MiB; at least 1 MiB */
    size_t table_memory;    /* 0: any; bytes that the table of all terms may take afterwards, too */
    int64_t most_features;  /* 0: any; more are refused before their terms are fetched */
    size_t most_term_bytes; /* 0: any; that the features' terms may take together: more are refused
                               while they are fetched or loaded */
    const char *spill_folder; /* NULL; folder for temporary files, without which a vocabulary that
                                 does not fit into memory takes more */
} dbt_vectorizer_options;

/* What fitting took; for messages. All 0 with hash_bits. */
typedef struct dbt_vectorizer_stats {
    int64_t tokens; /* n-gram occurrences in the corpus */
    int64_t terms;  /* vocabulary before selection (min_df, max_df, max_features applied) */
    int64_t counting_passes; /* 1, and one more for each hash function that had a collision */
    int64_t spilled_bytes; /* of counts, to a temporary file, where they did not fit into memory */
    int64_t scoring_passes;
} dbt_vectorizer_stats;

/* One selected term. */
typedef struct dbt_feature {
    const char *term; /* UTF-8, not terminated; owned by the vectorizer */
    size_t term_bytes;
    int64_t document_frequency;
    double idf;   /* 1 when use_idf is off */
    double score; /* F of f_classif; NaN where scikit-learn's is NaN or fitting had no labels */
} dbt_feature;

/* The label of each row as a class: maps a page's label_id to 0 .. n_classes - 1. */
typedef struct dbt_classes {
    size_t n_classes;
    const int64_t *label_id; /* [n_classes], any order, no duplicates */
} dbt_classes;

typedef struct dbt_vectorizer dbt_vectorizer;
typedef struct dbt_transformer dbt_transformer;

DBT_EXPORT void dbt_vectorizer_options_init(dbt_vectorizer_options *options);
/* "15.0.0": the version of Unicode that case, accents and word characters follow; static. */
DBT_EXPORT const char *dbt_vectorizer_unicode_version(void);

/*
 * Fits a vocabulary. `classes` may be NULL when top_k is 0: then no scores are computed; and with
 * hash_bits, which reads rows only until one has a term. A row whose label is not among the classes
 * is DBT_EDATA when scores are wanted. The result does not depend on the pool's threads or on
 * options->memory. `stats` may be NULL. DBT_EUSAGE (an option out of range), DBT_EDATA (empty
 * vocabulary; fewer than two classes), DBT_ENOMEM, DBT_EINTERNAL (the corpus gave other texts the
 * second time), and what the corpus returns.
 */
DBT_EXPORT DBT_MUST_USE dbt_status dbt_vectorizer_fit(const dbt_vectorizer_options *options,
                                                      const dbt_corpus *corpus,
                                                      const dbt_classes *classes, dbt_pool *pool,
                                                      dbt_vectorizer **vectorizer,
                                                      dbt_vectorizer_stats *stats, dbt_error *err);
/* Takes NULL. */
DBT_EXPORT void dbt_vectorizer_free(dbt_vectorizer *vectorizer);

DBT_EXPORT const dbt_vectorizer_options *
dbt_vectorizer_get_options(const dbt_vectorizer *vectorizer);
/* Number of features: the columns of its batches. They are in byte order of the terms, where they
 * have terms. */
DBT_EXPORT size_t dbt_vectorizer_features(const dbt_vectorizer *vectorizer);
/* Feature `id`, 0 .. dbt_vectorizer_features - 1. Of a hashing vectorizer all are alike: an empty
 * term of document frequency 0. */
DBT_EXPORT dbt_feature dbt_vectorizer_feature(const dbt_vectorizer *vectorizer, size_t id);
/* Documents it was fitted on, the n of idf. */
DBT_EXPORT int64_t dbt_vectorizer_documents(const dbt_vectorizer *vectorizer);
/* Terms before selection. The norm of a row runs over all of them, so they must be kept. 0 of a
 * hashing vectorizer. */
DBT_EXPORT int64_t dbt_vectorizer_terms(const dbt_vectorizer *vectorizer);
/*
 * A vectorizer is whole when the table of all its terms is in memory. One that is not (fitting it,
 * or loading it, found more terms than memory allows) can still make rows, for documents whose
 * norms are known: dbt_norms.
 */
DBT_EXPORT bool dbt_vectorizer_is_whole(const dbt_vectorizer *vectorizer);
/* Memory that it takes, about. */
DBT_EXPORT size_t dbt_vectorizer_bytes(const dbt_vectorizer *vectorizer);

/*
 * The terms that were not selected, as parts of at most about 1 MiB: a stored vectorizer is its
 * options, its documents, its features and these parts. `part` counts from 0; *value is the
 * caller's, to be freed with dbt_free; the encoding is little-endian on every machine. A hashing
 * vectorizer has no parts, and none of its features is stored.
 */
DBT_EXPORT size_t dbt_vectorizer_parts(const dbt_vectorizer *vectorizer);
DBT_EXPORT DBT_MUST_USE dbt_status dbt_vectorizer_encode(const dbt_vectorizer *vectorizer,
                                                         size_t part, unsigned char **value,
                                                         size_t *bytes, dbt_error *err);
/*
 * Builds a vectorizer from what was stored: new, then each feature in the order of its id, then
 * each part, then finish, before which it must not be used; a hashing one is new with no terms,
 * then finish. Features and parts are checked (order, lengths, finite numbers, no duplicates):
 * DBT_EFORMAT says what is wrong with them. Of the options memory, table_memory and spill_folder
 * say, as for fitting, when it is not to be whole; DBT_EUSAGE: beyond most_term_bytes.
 */
DBT_EXPORT DBT_MUST_USE dbt_status dbt_vectorizer_load_new(const dbt_vectorizer_options *options,
                                                           int64_t n_documents, int64_t n_terms,
                                                           dbt_vectorizer **vectorizer,
                                                           dbt_error *err);
DBT_EXPORT DBT_MUST_USE dbt_status dbt_vectorizer_load_feature(dbt_vectorizer *vectorizer,
                                                               const dbt_feature *feature,
                                                               dbt_error *err);
DBT_EXPORT DBT_MUST_USE dbt_status dbt_vectorizer_load_part(dbt_vectorizer *vectorizer,
                                                            const unsigned char *value,
                                                            size_t bytes, dbt_error *err);
DBT_EXPORT DBT_MUST_USE dbt_status dbt_vectorizer_load_finish(dbt_vectorizer *vectorizer,
                                                              dbt_error *err);

/* Scratch memory of one thread. The vectorizer must outlive it. DBT_ENOMEM. */
DBT_EXPORT DBT_MUST_USE dbt_status dbt_transformer_new(const dbt_vectorizer *vectorizer,
                                                       dbt_transformer **transformer,
                                                       dbt_error *err);
/* Takes NULL. */
DBT_EXPORT void dbt_transformer_free(dbt_transformer *transformer);
/*
 * Replaces `batch` by the tf-idf rows of a page: row r is page->text[r]. Values are computed in
 * float64 and rounded once. They do not depend on the other rows. norm[r], from dbt_norms_read, is
 * that of row r; norm NULL: they are found, for which the vectorizer must be whole and which takes
 * longer, to the same bits. DBT_EUSAGE (it is not whole), DBT_ENOMEM.
 */
DBT_EXPORT DBT_MUST_USE dbt_status dbt_transform(dbt_transformer *transformer, const dbt_page *page,
                                                 const double *norm, dbt_batch *batch,
                                                 dbt_error *err);
/* One document in float64: *column and *value hold *n entries, columns ascending, valid until the
 * next call on this transformer. As dbt_transform. */
DBT_EXPORT DBT_MUST_USE dbt_status dbt_transform_text(dbt_transformer *transformer, dbt_text text,
                                                      const uint32_t **column, const double **value,
                                                      size_t *n, dbt_error *err);

/*
 * A row packed into some two bytes an entry, so that many can be kept: unpacking one costs a small
 * part of vectorizing its text. It means something to the vectorizer that made it alone.
 */
typedef struct dbt_packed_row {
    const unsigned char *data;
    size_t bytes;
} dbt_packed_row;

/* Packs one document; `row` is valid until the next call on this transformer. `norm` as for
 * dbt_transform. DBT_EUSAGE, DBT_ENOMEM. */
DBT_EXPORT DBT_MUST_USE dbt_status dbt_pack_text(dbt_transformer *transformer, dbt_text text,
                                                 const double *norm, dbt_packed_row *row,
                                                 dbt_error *err);
/* Replaces `batch` by n_rows packed rows: the bits that dbt_transform gives for their texts. Any
 * thread; with a pool (NULL: without) the one that may use it. DBT_EFORMAT (no row of this
 * vectorizer), DBT_ENOMEM. */
DBT_EXPORT DBT_MUST_USE dbt_status dbt_unpack(const dbt_vectorizer *vectorizer,
                                              const dbt_packed_row *row, size_t n_rows,
                                              dbt_pool *pool, dbt_batch *batch, dbt_error *err);

/*
 * The norms of all documents of a corpus under a vectorizer that is not whole, in a temporary file:
 * the corpus is read as often as the terms make parts that fit into `memory`, at least 1 MiB.
 * DBT_EUSAGE (it is whole, or less memory), DBT_EIO, DBT_ENOMEM, and what the corpus returns.
 */
typedef struct dbt_norms dbt_norms;
DBT_EXPORT DBT_MUST_USE dbt_status dbt_norms_new(const dbt_vectorizer *vectorizer,
                                                 const dbt_corpus *corpus, dbt_pool *pool,
                                                 size_t memory, dbt_norms **norms, dbt_error *err);
/* Takes NULL. */
DBT_EXPORT void dbt_norms_free(dbt_norms *norms);
/* Those of the documents that a vectorizer was fitted on; its own. NULL: it was loaded, hashes, or
 * was fitted without classes, or with less memory than they take. */
DBT_EXPORT const dbt_norms *dbt_vectorizer_norms(const dbt_vectorizer *vectorizer);
/* norm[0 .. n - 1] of documents first .. first + n - 1. Any thread. DBT_EIO. */
DBT_EXPORT DBT_MUST_USE dbt_status dbt_norms_read(const dbt_norms *norms, int64_t first, size_t n,
                                                  double *norm, dbt_error *err);

#ifdef __cplusplus
}
#endif
#endif
