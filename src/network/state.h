/*
 * state.h: what an exact resume needs of a network in training, beside its options and parameters.
 *
 * It is handed out as the network's own memory, so that whoever stores it copies nothing twice: a
 * number of arrays of floats (the optimizer's, for each parameter), the step up to which each row
 * of the first layer has moved, and two numbers. Filled in and accepted by
 * dbt__network_state_restore, it makes the next step what it would have been.
 */
#ifndef DBT_NETWORK_STATE_H
#define DBT_NETWORK_STATE_H

#include <dbtrain/network.h>

#include "base.h"

typedef struct dbt__state_array {
    float *value;
    size_t n;
} dbt__state_array;

/* Arrays of the optimizer: for each layer those of its weight, then those of its bias; as many as
 * the rule keeps. */
size_t dbt__network_state_arrays(const dbt_network *network);
dbt__state_array dbt__network_state_array(const dbt_network *network, size_t index);
/* [*n_rows]: the step up to which a row of the first layer has moved; NULL and 0 when rows of this
 * network do not lag. */
int64_t *dbt__network_last_steps(const dbt_network *network, size_t *n_rows);
/* Steps taken. */
int64_t dbt__network_step(const dbt_network *network);

/* DBT_EDIVERGED, naming the layer, when a number of the arrays is not finite. */
dbt_status dbt__network_state_check(const dbt_network *network, dbt_error *err) DBT_MUST_USE;
/*
 * The arrays and last steps, which the caller has filled in, are those of a network that has taken
 * `step` steps and takes the next one at this learning rate. DBT_EFORMAT when they cannot be:
 * a last step outside 0 .. step, a number that is not finite, a learning rate that is not more than
 * 0. The network is then of no use.
 */
dbt_status dbt__network_state_restore(dbt_network *network, int64_t step, double learning_rate,
                                      dbt_error *err) DBT_MUST_USE;

/* What the bits of a training depend on beside its options: names of the kernels chosen for this
 * processor and of the BLAS with what it was built for and chose, static; and the version of the
 * arithmetic of a step. */
typedef struct dbt__machine {
    const char *kernels;
    int64_t arithmetic;
    const char *blas;
} dbt__machine;

/* A network must have been made before, since that loads the BLAS. */
dbt__machine dbt__network_machine(const dbt_network *network);

#endif
