/*
 * train.c: one step: the batch, forward, loss, backward, and the update.
 *
 * Until the gradient is known to be finite nothing but rows that lag is touched, and those are only
 * brought to where they should be. So a step that diverges leaves the network as it was, and a
 * checkpoint made before it is still what the network holds.
 *
 * Backward, with dZ_i the gradient of layer i's outputs before relu:
 *
 *     dW_i = H_(i-1)^T dZ_i,   db_i = sum of the rows of dZ_i,   dH_(i-1) = dZ_i W_i^T
 *
 * and for layer 0, of which a batch sees few rows, row f of dW_0 = sum over the rows r that have f
 * of x_rf dZ_0[r].
 */
#include <math.h>

#include "network_internal.h"

/* Weights of one task. Bits do not depend on it. */
#define TASK_WEIGHTS 32768

typedef struct backward_pass {
    dbt_network *network;
    size_t n_rows; /* of the batch */
    size_t layer;
    const float *delta; /* dZ of the layer */
    float *below;       /* dZ of the layer below */
    int64_t step;
} backward_pass;

dbt_status dbt__fail_gradient(int64_t step, size_t layer, dbt_error *err)
{
    return dbt__fail(err, DBT_EDIVERGED, "step %lld: the gradient of layer %zu is not finite",
                     (long long)step, layer);
}

/* dW[rows, :] = H[:, rows]^T dZ */
static dbt_status run_weight_gradient(const backward_pass *pass, size_t task, dbt_error *err)
{
    dbt_network *network = pass->network;
    const dbt__layer *layer = &network->layer[pass->layer];
    size_t row = task * DBT__BLOCK, n = dbt__smaller(DBT__BLOCK, layer->inputs - row);
    const float *h = network->activations.output[pass->layer - 1];
    float *dw = network->gradient.weight[pass->layer] + row * layer->outputs;
    dbt_status status =
        dbt__gemm(DBT__TRANSPOSED, DBT__AS_IS, n, layer->outputs, pass->n_rows, 1, h + row,
                  layer->inputs, pass->delta, layer->outputs, 0, dw, layer->outputs, err);
    if (status == DBT_OK && !network->kernels->is_finite(n * layer->outputs, dw))
        status = dbt__fail_gradient(pass->step, pass->layer, err);
    return status;
}

/* dH[:, columns] = dZ W[columns, :]^T, then through relu and dropout to dZ of the layer below */
static dbt_status run_input_gradient(const backward_pass *pass, size_t task, dbt_error *err)
{
    const dbt_network *network = pass->network;
    const dbt__layer *layer = &network->layer[pass->layer];
    size_t column = task * DBT__BLOCK, n = dbt__smaller(DBT__BLOCK, layer->inputs - column);
    dbt_status status =
        dbt__gemm(DBT__AS_IS, DBT__TRANSPOSED, pass->n_rows, n, layer->outputs, 1, pass->delta,
                  layer->outputs, layer->weight + column * layer->outputs, layer->outputs, 0,
                  pass->below + column, layer->inputs, err);
    if (status < 0) return status;
    float scale = (float)(1 / (1 - network->options.dropout));
    const float *h = network->activations.output[pass->layer - 1];
    for (size_t r = 0; r < pass->n_rows; r++)
        network->kernels->relu_gradient(n, h + r * layer->inputs + column, scale,
                                        pass->below + r * layer->inputs + column);
    return DBT_OK;
}

static dbt_status run_dense_gradient(void *context, size_t task, size_t worker, dbt_error *err)
{
    (void)worker;
    const backward_pass *pass = context;
    size_t blocks = dbt__divide_up(pass->network->layer[pass->layer].inputs, DBT__BLOCK);
    if (task < blocks) return run_weight_gradient(pass, task, err);
    return run_input_gradient(pass, task - blocks, err);
}

static dbt_status sum_bias_gradient(const backward_pass *pass, dbt_error *err)
{
    dbt_network *network = pass->network;
    size_t outputs = network->layer[pass->layer].outputs;
    float *db = network->gradient.bias[pass->layer];
    for (size_t i = 0; i < outputs; i++)
        db[i] = 0;
    for (size_t r = 0; r < pass->n_rows; r++)
        network->kernels->add(outputs, pass->delta + r * outputs, db);
    if (network->kernels->is_finite(outputs, db)) return DBT_OK;
    return dbt__fail_gradient(pass->step, pass->layer, err);
}

/* The gradient of the step, from that of the logits in delta[layers - 1 mod 2]. */
static dbt_status propagate_back(backward_pass *pass, dbt_error *err)
{
    dbt_network *network = pass->network;
    dbt_status status = DBT_OK;
    for (size_t i = network->options.layers; i-- > 0 && status == DBT_OK;) {
        const dbt__layer *layer = &network->layer[i];
        pass->layer = i;
        pass->delta = network->delta[i % 2];
        pass->below = network->delta[(i + 1) % 2];
        status = sum_bias_gradient(pass, err);
        if (i == 0 || status < 0) break;
        double work = 2 * (double)pass->n_rows * (double)layer->inputs * (double)layer->outputs;
        status = dbt__run_phase(network->pool, work / DBT__DENSE_SPEED,
                                2 * dbt__divide_up(layer->inputs, DBT__BLOCK), run_dense_gradient,
                                pass, err);
    }
    if (status < 0) return status;
    return dbt__first_layer_backward(network, pass->delta, pass->step, err);
}

typedef struct dense_update {
    dbt_network *network;
    size_t layer;
} dense_update;

static dbt_status update_dense_weights(void *context, size_t task, size_t worker, dbt_error *err)
{
    (void)worker, (void)err;
    const dense_update *update = context;
    dbt_network *network = update->network;
    dbt__layer *layer = &network->layer[update->layer];
    size_t at = task * TASK_WEIGHTS;
    size_t n = dbt__smaller(TASK_WEIGHTS, layer->inputs * layer->outputs - at);
    dbt__optimizer_update(network->optimizer, true, n, network->gradient.weight[update->layer] + at,
                          layer->weight + at,
                          layer->weight_state[0] == NULL ? NULL : layer->weight_state[0] + at,
                          layer->weight_state[1] == NULL ? NULL : layer->weight_state[1] + at);
    return DBT_OK;
}

/* Applies the gradient. Its tasks cannot fail, so no weight is moved without the others. */
static dbt_status apply_gradient(dbt_network *network, dbt_error *err)
{
    dbt__optimizer_begin(network->optimizer);
    dbt_status status = dbt__first_layer_update(network, err);
    for (size_t i = 0; i < network->options.layers && status == DBT_OK; i++) {
        dbt__layer *layer = &network->layer[i];
        dbt__optimizer_update(network->optimizer, false, layer->outputs, network->gradient.bias[i],
                              layer->bias, layer->bias_state[0], layer->bias_state[1]);
        if (i == 0) continue;
        dense_update update = {network, i};
        size_t n = layer->inputs * layer->outputs;
        status =
            dbt__run_phase(network->pool, DBT__UPDATE_COST * (double)n,
                           dbt__divide_up(n, TASK_WEIGHTS), update_dense_weights, &update, err);
    }
    dbt__optimizer_end(network->optimizer);
    return status;
}

static dbt_status check_labels(const dbt_network *network, size_t n_rows, const int32_t *label,
                               dbt_error *err)
{
    for (size_t r = 0; r < n_rows; r++)
        if (label[r] < 0 || (size_t)label[r] >= network->options.n_classes)
            return dbt__fail(err, DBT_EUSAGE, "label %d of row %zu, the network has %zu classes",
                             (int)label[r], r, network->options.n_classes);
    return DBT_OK;
}

static dbt_status reserve_delta(dbt_network *network, size_t n_rows, dbt_error *err)
{
    for (size_t i = 0; i < network->options.layers; i++) {
        size_t needed;
        if (!dbt__multiply(n_rows, network->layer[i].outputs, &needed))
            return dbt__out_of_memory(err, "a gradient");
        dbt_status status =
            dbt__reserve((void **)&network->delta[i % 2], &network->delta_capacity[i % 2], needed,
                         sizeof(float), "a gradient", err);
        if (status < 0) return status;
    }
    return DBT_OK;
}

static dbt_status forward(dbt_network *network, const dbt_batch *batch,
                          const dbt_prepared *prepared, dbt_error *err)
{
    size_t n_rows = prepared->n_rows;
    dbt__activations *activations = &network->activations;
    dbt_status status = dbt__first_layer_read(network, batch, prepared, err);
    if (status == DBT_OK) status = dbt__activations_reserve(network, n_rows, activations, err);
    if (status == DBT_OK) status = reserve_delta(network, n_rows, err);
    if (status < 0) return status;
    const dbt__mask *used = network->options.dropout > 0 ? &prepared->mask : NULL;
    status = dbt__first_layer_forward(network, used, n_rows, activations->output[0], err);
    if (status < 0) return status;
    return dbt__forward_dense(network, network->pool, n_rows, used, activations, err);
}

/* The step itself; a batch that is not NULL is prepared on the way. */
static dbt_status take_step(dbt_network *network, const dbt_batch *batch,
                            const dbt_prepared *prepared, const int32_t *label, const float *weight,
                            dbt_metrics *metrics, dbt_error *err)
{
    const dbt_network_options *options = &network->options;
    dbt_status status = check_labels(network, prepared->n_rows, label, err);
    if (status == DBT_OK) status = forward(network, batch, prepared, err);
    if (status < 0) return status;

    size_t last = options->layers - 1;
    dbt__targets targets = {prepared->n_rows, options->n_classes, label, weight,
                            options->label_smoothing};
    dbt_metrics measured;
    dbt__loss(&targets, network->activations.output[last], network->delta[last % 2], &measured);
    if (!isfinite(measured.loss))
        return dbt__fail(err, DBT_EDIVERGED, "step %lld: the loss is not finite",
                         (long long)prepared->step);
    backward_pass pass = {.network = network, .n_rows = prepared->n_rows, .step = prepared->step};
    status = propagate_back(&pass, err);
    if (status == DBT_OK) status = apply_gradient(network, err);
    if (status == DBT_OK) *metrics = measured;
    return status;
}

dbt_status dbt_network_train(dbt_network *network, const dbt_batch *batch, const int32_t *label,
                             const float *weight, dbt_position position, dbt_metrics *metrics,
                             dbt_error *err)
{
    dbt_status status = DBT_OK;
    *metrics = (dbt_metrics){0};
    if (network->preparer == NULL) status = dbt_preparer_new(network, &network->preparer, err);
    if (status == DBT_OK && network->prepared == NULL)
        status = dbt_prepared_new(network, &network->prepared, err);
    if (status == DBT_OK)
        status = dbt__prepare_begin(network, batch, position, network->prepared, err);
    if (status < 0) return status;
    return take_step(network, batch, network->prepared, label, weight, metrics, err);
}

dbt_status dbt_network_train_prepared(dbt_network *network, const dbt_prepared *prepared,
                                      const int32_t *label, const float *weight,
                                      dbt_metrics *metrics, dbt_error *err)
{
    *metrics = (dbt_metrics){0};
    if (prepared->n_rows == 0) return dbt__fail(err, DBT_EUSAGE, "a step that was not prepared");
    return take_step(network, NULL, prepared, label, weight, metrics, err);
}
