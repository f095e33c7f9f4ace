/*
 * network.c: the network as an object: its memory and its parameters.
 *
 * Memory that depends on the options alone is allocated here, once; what depends on the batch grows
 * with the largest batch seen. A step that is repeated allocates nothing.
 */
#include <math.h>

#include "network_internal.h"

/* Keys of the weights differ from those of other uses of the same seed (sparse.c: the masks). */
#define WEIGHT_STREAM UINT64_C(0x776569676874)
/* Multiply-adds that take some 40 microseconds: calling a pool of two takes 1 while its threads are
 * awake, 33 when they sleep. */
#define WORTH_WAKING 200e3

static float *allocate(size_t rows, size_t columns, float start)
{
    size_t n;
    if (!dbt__multiply(rows, columns, &n)) return NULL;
    float *array = dbt__alloc_aligned(n, sizeof *array);
    for (size_t i = 0; array != NULL && start != 0 && i < n; i++)
        array[i] = start;
    return array;
}

static bool allocate_layer(const dbt_network_options *options, size_t index, dbt__layer *layer)
{
    dbt__layer_shape(options, index, &layer->inputs, &layer->outputs);
    layer->weight = allocate(layer->inputs, layer->outputs, 0);
    layer->bias = allocate(1, layer->outputs, 0);
    bool done = layer->weight != NULL && layer->bias != NULL;
    float start = dbt__optimizer_initial_state(options);
    for (size_t i = 0; done && i < dbt__optimizer_states(options); i++) {
        layer->weight_state[i] = allocate(layer->inputs, layer->outputs, start);
        layer->bias_state[i] = allocate(1, layer->outputs, start);
        done = layer->weight_state[i] != NULL && layer->bias_state[i] != NULL;
    }
    return done;
}

static bool allocate_gradient(const dbt_network *network, dbt__gradient *gradient)
{
    size_t layers = network->options.layers;
    gradient->weight = dbt__alloc_array(layers, sizeof *gradient->weight);
    gradient->bias = dbt__alloc_array(layers, sizeof *gradient->bias);
    bool done = gradient->weight != NULL && gradient->bias != NULL;
    for (size_t i = 0; done && i < layers; i++) {
        const dbt__layer *layer = &network->layer[i];
        gradient->bias[i] = allocate(1, layer->outputs, 0);
        if (i > 0) gradient->weight[i] = allocate(layer->inputs, layer->outputs, 0);
        done = gradient->bias[i] != NULL && (i == 0 || gradient->weight[i] != NULL);
    }
    return done;
}

static bool allocate_network(dbt_network *network)
{
    const dbt_network_options *options = &network->options;
    network->layer = dbt__alloc_array(options->layers, sizeof *network->layer);
    network->optimizer = dbt__alloc(sizeof *network->optimizer);
    bool done = network->layer != NULL && network->optimizer != NULL;
    for (size_t i = 0; done && i < options->layers; i++)
        done = allocate_layer(options, i, &network->layer[i]);
    if (done && dbt__optimizer_lags(options)) {
        network->last_step = dbt__alloc_array(options->n_inputs, sizeof *network->last_step);
        done = network->last_step != NULL;
    }
    if (done && options->l2 > 0) {
        network->zero_row = allocate(1, network->layer[0].outputs, 0);
        done = network->zero_row != NULL;
    }
    return done && allocate_gradient(network, &network->gradient);
}

/* Glorot and Bengio, AISTATS 2010, as Keras' glorot_uniform. */
static void fill_weights(dbt_network *network)
{
    for (size_t i = 0; i < network->options.layers; i++) {
        const dbt__layer *layer = &network->layer[i];
        double limit = sqrt(6 / ((double)layer->inputs + (double)layer->outputs));
        uint64_t key = dbt__random(network->options.seed ^ WEIGHT_STREAM, i);
        for (size_t j = 0; j < layer->inputs * layer->outputs; j++)
            layer->weight[j] = (float)(limit * (2 * dbt__random_double(key, j) - 1));
    }
}

dbt_status dbt_network_new(const dbt_network_options *options, dbt_pool *pool,
                           dbt_network **network, dbt_error *err)
{
    *network = NULL;
    dbt_status status = dbt__network_options_check(options, err);
    if (status == DBT_OK) status = dbt__blas_load(err);
    if (status < 0) return status;

    dbt_network *made = dbt__alloc(sizeof *made);
    if (made == NULL) return dbt__out_of_memory(err, "a network");
    made->options = *options;
    made->pool = pool;
    made->kernels = dbt__kernels_get();
    if (dbt_network_bytes(options) == SIZE_MAX || !allocate_network(made)) {
        status = dbt__out_of_memory(err, "a network");
        goto out;
    }
    status = dbt__spans_init(made, err);
    if (status == DBT_OK) status = dbt__activations_init(&made->activations, options->layers, err);
    if (status < 0) goto out;
    dbt__optimizer_init(made->optimizer, options, made->kernels);
    fill_weights(made);
    *network = made;
    made = NULL;
out:
    dbt_network_free(made);
    return status;
}

static void free_layer(dbt__layer *layer)
{
    dbt__free(layer->weight);
    dbt__free(layer->bias);
    for (size_t i = 0; i < 2; i++) {
        dbt__free(layer->weight_state[i]);
        dbt__free(layer->bias_state[i]);
    }
}

void dbt_network_free(dbt_network *network)
{
    if (network == NULL) return;
    dbt__gradient *gradient = &network->gradient;
    for (size_t i = 0; i < network->options.layers; i++) {
        if (network->layer != NULL) free_layer(&network->layer[i]);
        if (gradient->weight != NULL) dbt__free(gradient->weight[i]);
        if (gradient->bias != NULL) dbt__free(gradient->bias[i]);
    }
    dbt__free(gradient->weight);
    dbt__free(gradient->bias);
    dbt__free(network->layer);
    dbt__free(network->optimizer);
    dbt__free(network->last_step);
    dbt__free(network->zero_row);
    dbt__free(network->delta[0]);
    dbt__free(network->delta[1]);
    dbt__spans_release(network);
    dbt_preparer_free(network->preparer);
    dbt_prepared_free(network->prepared);
    dbt__activations_release(&network->activations);
    dbt__free(network);
}

const dbt_network_options *dbt_network_get_options(const dbt_network *network)
{
    return &network->options;
}

size_t dbt_network_parameters(const dbt_network *network)
{
    return 2 * network->options.layers;
}

dbt_parameter dbt_network_parameter(dbt_network *network, size_t index)
{
    const dbt__layer *layer = &network->layer[index / 2];
    if (index % 2 == 1) return (dbt_parameter){index / 2, "bias", 1, layer->outputs, layer->bias};
    return (dbt_parameter){index / 2, "weight", layer->inputs, layer->outputs, layer->weight};
}

double dbt_network_penalty(const dbt_network *network)
{
    if (network->options.l2 == 0) return 0;
    double sum = 0;
    for (size_t i = 0; i < network->options.layers; i++) {
        const dbt__layer *layer = &network->layer[i];
        sum += network->kernels->squares(layer->inputs * layer->outputs, layer->weight);
    }
    return network->options.l2 * sum;
}

dbt_status dbt_network_check(const dbt_network *network, dbt_error *err)
{
    for (size_t i = 0; i < network->options.layers; i++) {
        const dbt__layer *layer = &network->layer[i];
        const char *name = NULL;
        if (!network->kernels->is_finite(layer->inputs * layer->outputs, layer->weight))
            name = "weight";
        else if (!network->kernels->is_finite(layer->outputs, layer->bias))
            name = "bias";
        if (name != NULL)
            return dbt__fail(err, DBT_EDIVERGED, "a %s of layer %zu is not finite", name, i);
    }
    return DBT_OK;
}

dbt_status dbt__run_phase(dbt_pool *pool, double work, size_t n_tasks, dbt_task task, void *context,
                          dbt_error *err)
{
    return dbt_pool_for(work < WORTH_WAKING ? NULL : pool, n_tasks, task, context, err);
}

void dbt_network_set_learning_rate(dbt_network *network, double learning_rate)
{
    if (learning_rate == network->optimizer->learning_rate) return;
    dbt_network_settle(network);
    dbt__optimizer_set(network->optimizer, network->optimizer->step, learning_rate);
    network->options.learning_rate = learning_rate;
}
