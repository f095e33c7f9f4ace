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

/*
 * The vectorizer with these options fitted on the surveyed documents: loaded when the store has it,
 * else fitted, unless the observer wants to stop, and stored in one transaction. *id is its row;
 * *found tells which it was; stats are of a fit.
 */
dbt_status dbt__vocabulary_obtain(dbt_store *store, const char *split,
                                  const dbt_vectorizer_options *options, const dbt__survey *survey,
                                  dbt_pool *pool, const dbt_observer *observer,
                                  dbt_vectorizer **vectorizer, int64_t *id, bool *found,
                                  dbt_vectorizer_stats *stats, dbt_error *err) DBT_MUST_USE;
/* Vectorizer `id`; whole, unless `limits`, which may be NULL, does not allow that: its memory,
 * table_memory and spill_folder count. DBT_EFORMAT when it is damaged. */
dbt_status dbt__vocabulary_load(dbt__sql *sql, int64_t id, const dbt_vectorizer_options *limits,
                                dbt_vectorizer **vectorizer, dbt_error *err) DBT_MUST_USE;

#endif
