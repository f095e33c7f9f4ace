/* budget.c: the sizes that a memory limit is cut by, and the estimate for one that is to be set. */
#include "budget.h"

#include <math.h>

#include <dbtrain/network.h>

#define MIB ((size_t)1 << 20)
/* Kept back from the memory limit for what is not a table of the vectorizer: program, libraries,
 * SQLite's caches, pages under way, ends of huge pages. */
#define FIXED_BYTES (41 * MIB)
/* The least that counting is given. */
#define COUNTING_BYTES (16 * MIB)
/* What the cursor holds of a shuffled split whose rows are not kept. */
#define WINDOW_BYTES (32 * MIB)

/* The most features that there will be; 0: not known before counting. */
static size_t expect_features(const dbt_vectorizer_options *options)
{
    return options->hash_bits != 0 ? (size_t)1 << options->hash_bits : (size_t)options->top_k;
}

/* What training takes at most, beside vocabulary and rows: the network, a copy of its best weights,
 * and a checkpoint on the way into the database: what the optimizer keeps of the largest matrix, up
 * to twice its size, here and in SQLite. */
static size_t training_bytes(const dbt_fit_options *options, size_t n_features, size_t n_labels)
{
    dbt_network_options network = options->network;
    network.n_inputs = n_features > 0 ? n_features : 1;
    network.n_classes = n_labels;
    size_t bytes = dbt_network_bytes(&network), matrix;
    size_t outputs = network.layers == 1 ? network.n_classes : network.units;
    if (!dbt__multiply(network.n_inputs * sizeof(float), outputs, &matrix) ||
        !dbt__multiply(matrix, 5, &matrix) || __builtin_add_overflow(bytes, matrix, &bytes) ||
        __builtin_add_overflow(bytes, FIXED_BYTES, &bytes))
        return SIZE_MAX;
    return bytes;
}

dbt_status dbt__budget_vectorizer(dbt_fit_options *options, size_t n_labels, dbt_error *err)
{
    dbt_vectorizer_options *vectorizer = &options->vectorizer;
    size_t memory = options->memory;
    size_t training = training_bytes(options, expect_features(vectorizer), n_labels);
    size_t least = FIXED_BYTES + COUNTING_BYTES;
    const char *hint = "";
    if (least < training) {
        least = training;
        /* The features there will be are not known before counting: those that are asked for are.
         */
        hint = vectorizer->hash_bits != 0 ? "; fewer hash-bits or units take less"
                                          : "; a lower top-k or fewer units take less";
    }
    if (memory < least)
        return dbt__fail(err, DBT_EUSAGE,
                         "a memory limit of %zu MiB is too low: this network needs %zu MiB%s",
                         memory / MIB, (least + MIB - 1) / MIB, hint);
    vectorizer->memory = memory - FIXED_BYTES;
    vectorizer->table_memory = dbt__budget_left(memory, training + WINDOW_BYTES) + MIB;
    return DBT_OK;
}

size_t dbt__budget_rows(const dbt_fit_options *options, size_t n_labels,
                        const dbt_vectorizer *vectorizer)
{
    size_t used = training_bytes(options, dbt_vectorizer_features(vectorizer), n_labels) +
                  dbt_vectorizer_bytes(vectorizer);
    return dbt__budget_left(options->memory, used);
}

size_t dbt__budget_work(const dbt_fit_options *options, const dbt_vectorizer *vectorizer)
{
    return dbt__budget_left(options->memory, FIXED_BYTES + dbt_vectorizer_bytes(vectorizer));
}

/* --- how much memory it takes --- */

/* Fitted to the maximum resident set of default fits on 550 notes, SMS spam, 1,000, 5,000 and
 * 25,000 reviews of IMDb, and 20 Newsgroups, one million and ten million generated documents: the
 * estimate is within a fifth of each but the smallest, where it says half too much. */
#define PROCESS_BYTES (9.0 * (double)MIB) /* program, libraries, SQLite */
#define TRAINING_FACTOR 2.0      /* of the network: weights being stored, features, batches */
#define TERM_BYTES 24.0          /* of a term while training */
#define COUNTED_TERM_BYTES 192.0 /* while counting, the n-grams that are dropped later included */
#define SCORED_TERM_BYTES 130.0  /* while scoring, beside its sums, when they are few, */
#define SCORED_TERMS_BYTES (30.0 * (double)MIB) /* and when they are many: this, and each */
#define SCORED_MORE_BYTES 50.0
/* Of the limit, what counting and scoring take of it at most. */
#define COUNTING_PART 0.5
#define SCORING_PART 0.7
#define WINDOW_ROWS 16384.0 /* that the cursor shuffles at once */
#define WORD_BYTES 6.0

static double larger(double a, double b)
{
    return a > b ? a : b;
}

static double smaller(double a, double b)
{
    return a < b ? a : b;
}

size_t dbt_fit_bytes(const dbt_fit_options *options, int64_t documents, double mean_words,
                     size_t n_labels)
{
    double words = (double)documents * mean_words;
    /* Heaps' law, fitted to the terms that those corpora have with n-grams of 1 and 2 words. */
    double terms = 0.94 * pow(words, 0.85) * options->vectorizer.ngram_max / 2.0;
    double features = (double)expect_features(&options->vectorizer);
    if (options->vectorizer.hash_bits != 0)
        terms = 0;
    else
        features = features > 0 ? smaller(terms, features) : terms;
    dbt_network_options network = options->network;
    network.n_inputs = features < 1 ? 1 : (size_t)features;
    network.n_classes = n_labels < 2 ? 2 : n_labels;
    size_t network_bytes = dbt_network_bytes(&network);
    if (network_bytes == SIZE_MAX) return SIZE_MAX;

    double sums = 8.0 * (double)(network.n_classes + 1), limit = (double)options->memory;
    double counting = smaller(terms * COUNTED_TERM_BYTES, COUNTING_PART * limit);
    double scoring = smaller(terms * (SCORED_TERM_BYTES + sums),
                             SCORED_TERMS_BYTES + terms * (SCORED_MORE_BYTES + sums));
    double tables = larger(counting, smaller(scoring, SCORING_PART * limit));
    double window = smaller(smaller((double)documents, WINDOW_ROWS) * mean_words * WORD_BYTES,
                            32.0 * (double)MIB);
    double kept = TERM_BYTES * terms; /* unless they are used in parts */
    if (kept > SCORING_PART * limit) kept = 0;
    double training = TRAINING_FACTOR * (double)network_bytes + kept + window;
    return (size_t)(PROCESS_BYTES + larger(tables, training));
}
