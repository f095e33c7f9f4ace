/* fit_internal.h: a training under way, shared by its preparation (fit.c) and its loop (epochs.c).
 */
#ifndef DBT_FIT_INTERNAL_H
#define DBT_FIT_INTERNAL_H

#include <dbtrain/cursor.h>
#include <dbtrain/network.h>
#include <dbtrain/pool.h>
#include <dbtrain/train.h>
#include <dbtrain/vectorizer.h>

#include "base.h"
#include "labels.h"
#include "loader.h"
#include "row_cache.h"
#include "scan.h"
#include "sql.h"
#include "vocabulary.h"

typedef struct dbt__fit {
    dbt_store *store;
    dbt__sql *sql;                /* the store's */
    dbt_fit_options options;      /* the caller's, completed */
    const dbt_observer *observer; /* never NULL */
    dbt_fit_result *result;

    char *folder; /* of the database */
    char *train;  /* names of the splits */
    char *validation;
    dbt_split train_split;
    dbt_split validation_split;

    dbt_pool *pool;
    dbt__survey survey; /* of the training split; its labels are the outputs */
    int64_t vectorizer_id;
    dbt_vectorizer *vectorizer;
    dbt_network *network;
    float *class_weight; /* [labels] */

    dbt_cursor *train_cursor;
    dbt_cursor *validation_cursor;
    dbt__row_cache *train_rows; /* NULL: they are vectorized anew in each epoch */
    dbt__row_cache *validation_rows;
    dbt__loader *loader;
    dbt__scanner *scanner;
    int64_t steps;            /* of an epoch */
    int64_t validation_pages; /* of a validation */

    int32_t *label; /* [batch_size], scratch */
    float *weight;  /* [batch_size], scratch */
    double best_val_loss;
    int64_t wait; /* epochs since the best */
} dbt__fit;

void dbt__fit_note(const dbt__fit *fit, const char *format, ...) DBT_PRINTF(2, 3);

/* Epochs until one of the reasons to stop, everything stored as it happens; fit->result is kept
 * current. */
dbt_status dbt__fit_epochs(dbt__fit *fit, dbt_error *err) DBT_MUST_USE;

#endif
