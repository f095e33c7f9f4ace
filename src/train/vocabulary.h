/*
 * vocabulary.h: fitted vectorizers in the store: found again by settings and data, or fitted and
 * kept.
 */
#ifndef DBT_VOCABULARY_H
#define DBT_VOCABULARY_H

#include <dbtrain/pool.h>
#include <dbtrain/train.h>
#include <dbtrain/vectorizer.h>

#include "base.h"
#include "sql.h"
#include "survey.h"

/* The settings that a vectorizer of these options is stored with, as JSON: the options, and the
 * versions that the result depends on beside them. The caller frees *json with dbt__free. */
dbt_status dbt__vocabulary_settings(dbt__sql *sql, const dbt_vectorizer_options *options,
                                    char **json, dbt_error *err) DBT_MUST_USE;
/* The vectorizer that the store has of these options and surveyed documents, and its row. NULL and
 * 0: none. DBT_EFORMAT when it is damaged. */
dbt_status dbt__vocabulary_find(dbt_store *store, const dbt_vectorizer_options *options,
                                const dbt__survey *survey, dbt_vectorizer **vectorizer, int64_t *id,
                                dbt_error *err) DBT_MUST_USE;
/* One fitted on the surveyed documents of a split, unless the observer wants to stop. */
dbt_status dbt__vocabulary_fit(dbt_store *store, const char *split,
                               const dbt_vectorizer_options *options, dbt__survey *survey,
                               dbt_pool *pool, const dbt_observer *observer,
                               dbt_vectorizer **vectorizer, dbt_vectorizer_stats *stats,
                               dbt_error *err) DBT_MUST_USE;
/* Stores what was fitted with these options on these documents, to be found again, in one
 * transaction. *id is its row. */
dbt_status dbt__vocabulary_store(dbt_store *store, const dbt_vectorizer_options *options,
                                 const dbt__survey *survey, const dbt_vectorizer *vectorizer,
                                 int64_t *id, dbt_error *err) DBT_MUST_USE;
/* Vectorizer `id`; whole, unless `limits`, which may be NULL, does not allow that: its memory,
 * table_memory and spill_folder count. DBT_EFORMAT when it is damaged. */
dbt_status dbt__vocabulary_load(dbt__sql *sql, int64_t id, const dbt_vectorizer_options *limits,
                                dbt_vectorizer **vectorizer, dbt_error *err) DBT_MUST_USE;

#endif
