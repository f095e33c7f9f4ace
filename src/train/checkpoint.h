/*
 * checkpoint.h: a training under way in the store: one row of `checkpoint` a run, replaced in
 * place, together with the run's 'last' weights.
 *
 * The weights are stored as they are: rows of the first layer that lag (network.h) are not caught
 * up, since that would change later bits; the step each has moved up to is in the state. Whoever
 * shows 'last' weights reads the checkpoint and settles the network that came out.
 *
 * The encoding of the state is told in schema/README.md.
 */
#ifndef DBT_CHECKPOINT_H
#define DBT_CHECKPOINT_H

#include <dbtrain/network.h>

#include "base.h"
#include "sql.h"

/* SQLite keeps at most DBT__LONGEST_WEIGHTS bytes in a row: of a state or a parameter so many, for
 * its other columns are a few. */
#define DBT__CHECKPOINT_MAX_BYTES (DBT__LONGEST_WEIGHTS - 1024)

/* Where a training is; with the network, all that its next step depends on. */
typedef struct dbt__progress {
    uint64_t seed;
    int64_t epoch; /* the one under way, from 1 */
    int64_t step;  /* steps taken in the whole run */
    double loss;   /* sums over the steps of this epoch so far */
    double correct;
    int64_t rows;
    double seconds;       /* that this epoch took so far */
    int64_t best_epoch;   /* 0: none yet */
    double best_val_loss; /* 0 while there is none */
    double best_val_acc;
} dbt__progress;

/* Bytes of the state of a network; SIZE_MAX on overflow. */
size_t dbt__checkpoint_bytes(const dbt_network *network);
/* DBT_EDIVERGED when a weight, or a number that the optimizer keeps, is not finite. None becomes
 * finite again by any step. */
dbt_status dbt__checkpoint_check(const dbt_network *network, dbt_error *err) DBT_MUST_USE;
/* *state is the caller's, to be freed with dbt__free. DBT_EDIVERGED when a number is not finite,
 * DBT_ENOMEM. */
dbt_status dbt__checkpoint_encode(const dbt_network *network, const dbt__progress *progress,
                                  unsigned char **state, size_t *n_bytes,
                                  dbt_error *err) DBT_MUST_USE;
/* DBT_EFORMAT, saying why, when the bytes are not a state of a network of this shape; the network
 * is then of no use. */
dbt_status dbt__checkpoint_decode(const unsigned char *state, size_t n_bytes, dbt_network *network,
                                  dbt__progress *progress, dbt_error *err) DBT_MUST_USE;

/* Replaces the run's checkpoint and 'last' weights, inside the caller's transaction. DBT_EDIVERGED
 * when a number is not finite. */
dbt_status dbt__checkpoint_write(dbt__sql *sql, int64_t run_id, dbt_network *network,
                                 const dbt__progress *progress, dbt_error *err) DBT_MUST_USE;
/* In its place, of a training that is over and needs no state: the 'last' weights, settled. */
dbt_status dbt__checkpoint_finish(dbt__sql *sql, int64_t run_id, dbt_network *network,
                                  dbt_error *err) DBT_MUST_USE;
/* Fills a network of the run's options with 'last' weights and state, neither of them caught up.
 * *found: there is a checkpoint; if not, nothing is touched. DBT_EFORMAT when either is damaged. */
dbt_status dbt__checkpoint_read(dbt__sql *sql, int64_t run_id, dbt_network *network,
                                dbt__progress *progress, bool *found, dbt_error *err) DBT_MUST_USE;

#endif
