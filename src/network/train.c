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

/* Rows of layer 0, and weights of other layers, of one task. Bits do not depend on these. */
#define TASK_ROWS 256
#define TASK_WEIGHTS 32768

typedef struct backward_pass {
    dbt_network *network;
    size_t n_rows; /* of the batch */
    size_t layer;
    const float *delta; /* dZ of the layer */
    float *below;       /* dZ of the layer below */
    bool with_dropout;
    int64_t step;
} backward_pass;

static dbt_status fail_gradient(const backward_pass *pass, dbt_error *err)
{
    return dbt__fail(err, DBT_EDIVERGED, "step %lld: the gradient of layer %zu is not finite",
                     (long long)pass->step, pass->layer);
}

static dbt_status run_row_gradient(void *context, size_t task, size_t worker, dbt_error *err)
{
    (void)worker;
    const backward_pass *pass = context;
    dbt_network *network = pass->network;
    const dbt__sparse *sparse = &network->sparse;
    size_t outputs = network->layer[0].outputs;
    float *values = network->gradient.row_value;
    size_t begin = task * TASK_ROWS, end = dbt__smaller(begin + TASK_ROWS, sparse->n_active);
    for (size_t i = begin; i < end; i++) {
        size_t entry = sparse->active_start[i];
        network->kernels->gather(outputs, NULL, sparse->active_start[i + 1] - entry,
                                 sparse->active_row + entry, sparse->active_value + entry,
                                 pass->delta, outputs, values + i * outputs);
    }
    if (!network->kernels->is_finite((end - begin) * outputs, values + begin * outputs))
        return fail_gradient(pass, err);
    return DBT_OK;
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
        status = fail_gradient(pass, err);
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
    float scale = pass->with_dropout ? (float)(1 / (1 - network->options.dropout)) : 1;
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
    return network->kernels->is_finite(outputs, db) ? DBT_OK : fail_gradient(pass, err);
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
    const dbt__sparse *sparse = &network->sparse;
    network->gradient.n_rows = sparse->n_active;
    network->gradient.row = sparse->active;
    double n_entries = (double)sparse->active_start[sparse->n_active];
    return dbt__run_phase(dbt__row_pool(network), n_entries * (double)network->layer[0].outputs,
                          dbt__divide_up(sparse->n_active, TASK_ROWS), run_row_gradient, pass, err);
}

static void update_row(dbt_network *network, size_t row, const float *gradient)
{
    dbt__layer *layer = &network->layer[0];
    size_t at = row * layer->outputs;
    dbt__optimizer_update(network->optimizer, true, layer->outputs, gradient, layer->weight + at,
                          layer->weight_state[0] == NULL ? NULL : layer->weight_state[0] + at,
                          layer->weight_state[1] == NULL ? NULL : layer->weight_state[1] + at);
}

/* Rows of layer 0 that have a gradient. */
static dbt_status update_active_rows(void *context, size_t task, size_t worker, dbt_error *err)
{
    (void)worker, (void)err;
    dbt_network *network = context;
    const dbt__gradient *gradient = &network->gradient;
    size_t end = dbt__smaller((task + 1) * TASK_ROWS, gradient->n_rows);
    for (size_t i = task * TASK_ROWS; i < end; i++) {
        if (i + DBT__ROWS_AHEAD < end)
            dbt__prefetch_row(&network->layer[0], gradient->row[i + DBT__ROWS_AHEAD]);
        update_row(network, gradient->row[i], gradient->row_value + i * network->layer[0].outputs);
        if (network->last_step != NULL)
            network->last_step[gradient->row[i]] = network->optimizer->step + 1;
    }
    return DBT_OK;
}

/* The first of the gradient's rows that is not before `row`. */
static size_t find_active(const dbt__gradient *gradient, size_t row)
{
    size_t low = 0, high = gradient->n_rows;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (gradient->row[middle] < row)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* All rows of layer 0: with l2 those without an entry in the batch have a gradient too. */
static dbt_status update_all_rows(void *context, size_t task, size_t worker, dbt_error *err)
{
    (void)worker, (void)err;
    dbt_network *network = context;
    const dbt__gradient *gradient = &network->gradient;
    size_t begin = task * TASK_ROWS,
           end = dbt__smaller(begin + TASK_ROWS, network->options.n_inputs);
    size_t next = find_active(gradient, begin);
    for (size_t row = begin; row < end; row++) {
        const float *value = network->zero_row;
        if (next < gradient->n_rows && gradient->row[next] == row)
            value = gradient->row_value + next++ * network->layer[0].outputs;
        update_row(network, row, value);
    }
    return DBT_OK;
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

static dbt_status update_first_layer(dbt_network *network, dbt_error *err)
{
    const dbt_network_options *options = &network->options;
    bool all = options->l2 > 0 && options->optimizer != DBT_LAZY_ADAM;
    size_t n_rows = all ? options->n_inputs : network->gradient.n_rows;
    double work = DBT__UPDATE_COST * (double)n_rows * (double)network->layer[0].outputs;
    return dbt__run_phase(dbt__row_pool(network), work, dbt__divide_up(n_rows, TASK_ROWS),
                          all ? update_all_rows : update_active_rows, network, err);
}

/* Applies the gradient. Its tasks cannot fail, so no weight is moved without the others. */
static dbt_status apply_gradient(dbt_network *network, dbt_error *err)
{
    dbt__optimizer_begin(network->optimizer);
    dbt_status status = update_first_layer(network, err);
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

static dbt_status reserve_floats(float **memory, size_t *capacity, size_t rows, size_t columns,
                                 dbt_error *err)
{
    size_t needed;
    if (!dbt__multiply(rows, columns, &needed)) return dbt__out_of_memory(err, "a gradient");
    return dbt__reserve((void **)memory, capacity, needed, sizeof **memory, "a gradient", err);
}

static dbt_status reserve_gradient(dbt_network *network, size_t n_rows, dbt_error *err)
{
    dbt_status status =
        reserve_floats(&network->gradient.row_value, &network->gradient.row_capacity,
                       network->sparse.n_active, network->layer[0].outputs, err);
    for (size_t i = 0; i < network->options.layers && status == DBT_OK; i++)
        status = reserve_floats(&network->delta[i % 2], &network->delta_capacity[i % 2], n_rows,
                                network->layer[i].outputs, err);
    return status;
}

dbt_status dbt_network_train(dbt_network *network, const dbt_batch *batch, const int32_t *label,
                             const float *weight, dbt_position position, dbt_metrics *metrics,
                             dbt_error *err)
{
    const dbt_network_options *options = &network->options;
    *metrics = (dbt_metrics){0};
    if (batch->n_rows == 0) return dbt__fail(err, DBT_EUSAGE, "a batch without rows");
    dbt_status status = dbt__batch_check(batch, options->n_inputs, err);
    if (status == DBT_OK) status = check_labels(network, batch->n_rows, label, err);
    if (status < 0) return status;

    dbt__mask mask = dbt__mask_make(options, position);
    const dbt__mask *used_mask = options->dropout > 0 ? &mask : NULL;
    dbt__sparse *sparse = &network->sparse;
    status = dbt__sparse_fill(sparse, batch, used_mask, err);
    if (status == DBT_OK) status = reserve_gradient(network, batch->n_rows, err);
    if (status < 0) return status;
    dbt__network_catch_up(network, sparse->active, sparse->n_active);
    status =
        dbt__forward(network, network->pool, &sparse->rows, used_mask, &network->activations, err);
    if (status < 0) return status;

    size_t last = options->layers - 1;
    dbt__targets targets = {batch->n_rows, options->n_classes, label, weight,
                            options->label_smoothing};
    dbt_metrics measured;
    dbt__loss(&targets, network->activations.output[last], network->delta[last % 2], &measured);
    if (!isfinite(measured.loss))
        return dbt__fail(err, DBT_EDIVERGED, "step %lld: the loss is not finite",
                         (long long)position.step);
    backward_pass pass = {.network = network,
                          .n_rows = batch->n_rows,
                          .with_dropout = used_mask != NULL,
                          .step = position.step};
    status = propagate_back(&pass, err);
    if (status == DBT_OK) status = apply_gradient(network, err);
    if (status == DBT_OK) *metrics = measured;
    return status;
}
