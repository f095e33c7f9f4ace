/*
 * budget.h: what of a fit may take how much of its memory limit, and how much a fit will take.
 *
 * Counting and training follow each other, so each may have what the other gave back. While
 * training there are the network, a checkpoint on its way into the database, batches, the
 * vocabulary and what the cursor holds; vectorized rows have what these leave.
 */
#ifndef DBT_BUDGET_H
#define DBT_BUDGET_H

#include <dbtrain/train.h>
#include <dbtrain/vectorizer.h>

#include "base.h"
#include "survey.h"

/* What `used` leaves of `memory`; 0: nothing. */
static inline size_t dbt__budget_left(size_t memory, size_t used)
{
    return used < memory ? memory - used : 0;
}

/* Gives the vectorizer's options their share of options->memory. DBT_EUSAGE, saying how much it
 * takes, when that is too little for this network. Before the documents are surveyed (NULL) what is
 * too little in any case is refused. */
dbt_status dbt__budget_vectorizer(dbt_fit_options *options, const dbt__survey *survey,
                                  dbt_error *err) DBT_MUST_USE;
/* DBT_EUSAGE, saying how much so many features take: for when they are more than the vectorizer's
 * most_features. */
dbt_status dbt__budget_refuse(const dbt_fit_options *options, const dbt__survey *survey,
                              int64_t n_features, dbt_error *err) DBT_MUST_USE;
/* The same once the features are known, and how many of them a document has. */
dbt_status dbt__budget_check(const dbt_fit_options *options, const dbt__survey *survey,
                             const dbt_vectorizer *vectorizer, dbt_error *err) DBT_MUST_USE;
/* Threads that were asked for, or else so many as there are cores, but no more than half of the
 * limit is enough for: once the documents are surveyed, for threads that hold long ones. */
size_t dbt__budget_threads(const dbt_fit_options *options, const dbt__survey *survey);
/* Entries of a document, on the average, as document frequencies tell; 0: not known. */
double dbt__budget_row_entries(const dbt_vectorizer *vectorizer);
/* Bytes that the network leaves of the limit: for the vectorizer, rows in memory, and what is free
 * in the heap. */
size_t dbt__budget_beside_network(const dbt_fit_options *options, const dbt__survey *survey,
                                  const dbt_vectorizer *vectorizer);
/* Bytes that vectorized rows may take in memory while training. */
size_t dbt__budget_rows(const dbt_fit_options *options, const dbt__survey *survey,
                        const dbt_vectorizer *vectorizer);
/* Bytes that making them may take, before there is a network. */
size_t dbt__budget_work(const dbt_fit_options *options, const dbt__survey *survey,
                        const dbt_vectorizer *vectorizer);

#endif
