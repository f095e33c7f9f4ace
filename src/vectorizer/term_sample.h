/*
 * term_sample.h: about how many different n-grams documents have, and how many of them are in more
 * than one document, in little memory and one walk over the texts.
 */
#ifndef DBT_TERM_SAMPLE_H
#define DBT_TERM_SAMPLE_H

#include <dbtrain/vectorizer.h>

#include "base.h"

typedef struct dbt__term_sample dbt__term_sample;

/* Of n-grams as these options make them. DBT_ENOMEM, as of those that follow. */
dbt_status dbt__term_sample_new(const dbt_vectorizer_options *options, dbt__term_sample **sample,
                                dbt_error *err) DBT_MUST_USE;
/* Takes NULL. */
void dbt__term_sample_free(dbt__term_sample *sample);
dbt_status dbt__term_sample_add(dbt__term_sample *sample, dbt_text document,
                                dbt_error *err) DBT_MUST_USE;
/* Different n-grams so far: exact up to 50,000, with a standard deviation of 0.6 % beyond. */
double dbt__term_sample_ngrams(const dbt__term_sample *sample);
/* Those in min_df documents or more. */
double dbt__term_sample_terms(const dbt__term_sample *sample, int64_t min_df);

#endif
