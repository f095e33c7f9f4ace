/* state.c: the state of a training, handed out and taken back. */
#include "state.h"

#include <math.h>

#include "network_internal.h"

size_t dbt__network_state_arrays(const dbt_network *network)
{
    return 2 * network->options.layers * dbt__optimizer_states(&network->options);
}

/* Index = (layer * 2 + is_bias) * states + state. */
dbt__state_array dbt__network_state_array(const dbt_network *network, size_t index)
{
    size_t states = dbt__optimizer_states(&network->options);
    size_t parameter = index / states, state = index % states;
    const dbt__layer *layer = &network->layer[parameter / 2];
    if (parameter % 2 == 1) return (dbt__state_array){layer->bias_state[state], layer->outputs};
    return (dbt__state_array){layer->weight_state[state], layer->inputs * layer->outputs};
}

int64_t *dbt__network_last_steps(const dbt_network *network, size_t *n_rows)
{
    *n_rows = network->last_step == NULL ? 0 : network->options.n_inputs;
    return network->last_step;
}

int64_t dbt__network_step(const dbt_network *network)
{
    return network->optimizer->step;
}

dbt_status dbt__network_state_check(const dbt_network *network, dbt_error *err)
{
    size_t n_arrays = dbt__network_state_arrays(network);
    for (size_t i = 0; i < n_arrays; i++) {
        dbt__state_array array = dbt__network_state_array(network, i);
        if (!network->kernels->is_finite(array.n, array.value))
            return dbt__fail(err, DBT_EDIVERGED,
                             "a number that the optimizer keeps of layer %zu is not finite",
                             i * network->options.layers / n_arrays);
    }
    return DBT_OK;
}

dbt_status dbt__network_state_restore(dbt_network *network, int64_t step, double learning_rate,
                                      dbt_error *err)
{
    dbt_error cause = {0};
    if (step < 0) return dbt__fail(err, DBT_EFORMAT, "a step of %lld", (long long)step);
    if (!(learning_rate > 0 && isfinite(learning_rate)))
        return dbt__fail(err, DBT_EFORMAT, "a learning rate of %g", learning_rate);
    if (dbt__network_state_check(network, &cause) < 0)
        return dbt__fail(err, DBT_EFORMAT, "%s", cause.message);
    for (size_t i = 0; network->last_step != NULL && i < network->options.n_inputs; i++)
        if (network->last_step[i] < 0 || network->last_step[i] > step)
            return dbt__fail(err, DBT_EFORMAT, "row %zu has moved up to step %lld, of %lld", i,
                             (long long)network->last_step[i], (long long)step);
    dbt__optimizer_set(network->optimizer, step, learning_rate);
    network->options.learning_rate = learning_rate;
    return DBT_OK;
}

dbt__machine dbt__network_machine(const dbt_network *network)
{
    return (dbt__machine){network->kernels->name, DBT__ARITHMETIC, dbt__blas_name()};
}
