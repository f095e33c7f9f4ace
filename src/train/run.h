/*
 * run.h: the rows of `run` and `epoch`: a training as the sqlite3 shell sees it, while it runs and
 * after.
 */
#ifndef DBT_RUN_H
#define DBT_RUN_H

#include <dbtrain/train.h>

#include "base.h"
#include "labels.h"
#include "sql.h"

/* Bytes of the weights, predictions, terms and checkpoint of run r, in SQL. A prediction's key,
 * value and cell take about 40, a term's 20. */
#define DBT__RUN_BYTES                                                                             \
    "((SELECT coalesce(sum(length(value)), 0) FROM parameter WHERE run_id = r.id)"                 \
    " + (SELECT coalesce(sum(length(state)), 0) FROM checkpoint WHERE run_id = r.id)"              \
    " + 40 * (SELECT count(*) FROM prediction WHERE run_id = r.id)"                                \
    " + 20 * (SELECT count(*) FROM term_effect WHERE run_id = r.id))"

/* Whether the origin `made` of a part, as a run has it, is of another cut than the one `now`, in
 * SQL. */
#define DBT__CUT_ANEW                                                                              \
    "(made ->> 'fraction', made ->> 'seed') <> (now ->> 'fraction', now ->> 'seed')"

typedef struct dbt__run_row {
    int64_t train_split_id;
    int64_t validation_split_id;
    int64_t
        n_train; /* documents that the run trains and validates on: rows added later are not its */
    int64_t n_validation;
    uint64_t train_fingerprint; /* of the documents that it trains on */
    uint64_t validation_fingerprint;
    const char *vectorizer; /* JSON: settings of the vocabulary that it will have */
} dbt__run_row;

/* DBT_EUSAGE when a run may not be called so (NULL: no name): it is taken, or could be an id. */
dbt_status dbt__run_check_name(dbt__sql *sql, const char *name, dbt_error *err) DBT_MUST_USE;
/* Inserts the run (status 'running'), which has no vocabulary yet, and its labels in one
 * transaction. DBT_EUSAGE as dbt__run_check_name. */
dbt_status dbt__run_create(dbt__sql *sql, const dbt_fit_options *options, const dbt__run_row *row,
                           const dbt__label_map *labels, int64_t *run_id,
                           dbt_error *err) DBT_MUST_USE;
/* Gives the run its vocabulary, the network of these options, and, as JSON, what its bits depend on
 * beside settings and data; in one transaction. DBT_EFORMAT as dbt__run_verify. */
dbt_status dbt__run_complete(dbt__sql *sql, int64_t run_id, int64_t vectorizer_id,
                             const dbt_network_options *network, const char *environment,
                             dbt_error *err) DBT_MUST_USE;
/* With all that is stored of it, but its vocabulary. */
dbt_status dbt__run_delete(dbt__sql *sql, int64_t run_id, dbt_error *err) DBT_MUST_USE;
/* Compares the run's seed, vectorizer, settings and names of labels with the digest that was stored
 * when it was made. DBT_EFORMAT: they are others now. */
dbt_status dbt__run_verify(dbt__sql *sql, int64_t run_id, dbt_error *err) DBT_MUST_USE;
/* Inserts an epoch, inside the caller's transaction. */
dbt_status dbt__run_add_epoch(dbt__sql *sql, const dbt_epoch *epoch, dbt_error *err) DBT_MUST_USE;
/* Inside the transaction that stores the weights of this epoch as the best. */
dbt_status dbt__run_set_best_epoch(dbt__sql *sql, int64_t run_id, int64_t epoch,
                                   dbt_error *err) DBT_MUST_USE;
/* The run goes on: it is 'running' again. Evaluations and predictions of weights that will change
 * go; epoch `first` and those after it (INT64_MAX: none) are taken back, with the best weights if
 * they are of one of them. One transaction. */
dbt_status dbt__run_reopen(dbt__sql *sql, int64_t run_id, int64_t first,
                           dbt_error *err) DBT_MUST_USE;
/* The same where processor or libraries are no longer those that the run began with: the difference
 * is kept with its settings. DBT_EFORMAT as dbt__run_verify. */
dbt_status dbt__run_continue(dbt__sql *sql, int64_t run_id, int64_t first, const char *difference,
                             dbt_error *err) DBT_MUST_USE;
/* Sets the final status, inside the caller's transaction. `message` may be NULL; what
 * dbt__run_continue has kept is put behind it. */
dbt_status dbt__run_set_status(dbt__sql *sql, int64_t run_id, const char *run_status,
                               const char *message, dbt_error *err) DBT_MUST_USE;
/* The one row of a query with a run's id as its only parameter. DBT_EUSAGE when there is no such
 * run. *select is to be finalized, after an error, too. */
dbt_status dbt__run_ask(dbt__sql *sql, int64_t run_id, const char *query, dbt__statement **select,
                        dbt_error *err) DBT_MUST_USE;
/* The run that `reference` (an id, a name, or NULL: the newest with weights) means. DBT_EUSAGE
 * lists those that there are. */
dbt_status dbt__run_find(dbt__sql *sql, const char *reference, int64_t *run_id,
                         dbt_error *err) DBT_MUST_USE;

#endif
