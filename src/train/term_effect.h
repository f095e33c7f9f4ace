/*
 * term_effect.h: what each term says for each label, by a trained network: the table term_effect.
 */
#ifndef DBT_TERM_EFFECT_H
#define DBT_TERM_EFFECT_H

#include <dbtrain/network.h>
#include <dbtrain/pool.h>
#include <dbtrain/vectorizer.h>

#include "base.h"
#include "labels.h"
#include "sql.h"

/* Terms that are kept of each label. */
#define DBT__STRONGEST_TERMS 100

/*
 * Replaces those of the run, inside the caller's transaction, by those of the network: of each
 * label the DBT__STRONGEST_TERMS that raise its probability most, of equals the first; fewer where
 * fewer raise it. None where features are hashes, which have no terms. The same for any number of
 * threads. DBT_ENOMEM.
 */
dbt_status dbt__term_effect_write(dbt__sql *sql, int64_t run_id, const dbt_network *network,
                                  const dbt_vectorizer *vectorizer, const dbt__label_map *labels,
                                  dbt_pool *pool, dbt_error *err) DBT_MUST_USE;

#endif
