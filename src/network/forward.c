/*
 * forward.c: the layers above the first; from a batch to probabilities and metrics.
 *
 * Dense layers are products, cut into blocks of columns; relu and dropout are applied by the task
 * that made the block. A training step has its own way through the first layer (first_layer.c);
 * dbt_network_predict, which many threads call at once, sums a row's features from first to last.
 */
#include "network_internal.h"

/* Columns of the first layer that are summed at once. Bits do not depend on it. */
#define SUM_COLUMNS 128

struct dbt_workspace {
    const dbt_network *network;
    dbt__activations activations;
    float *probability;
    size_t probability_capacity;
    size_t n_rows; /* of the batch predicted last */
};

typedef struct forward_pass {
    const dbt_network *network;
    size_t n_rows;
    const dbt__mask *mask;
    size_t layer;
    const float *input; /* output of the layer below */
    float *output;
} forward_pass;

void dbt__activate(const dbt_network *network, const dbt__mask *mask, size_t layer, size_t row,
                   size_t first, size_t n, float *x)
{
    if (layer + 1 == network->options.layers) return;
    uint64_t key = mask == NULL ? 0 : dbt__mask_key(mask, row, layer + 1);
    network->kernels->relu(n, mask == NULL ? NULL : &mask->dropout, key, first, x);
}

/* Y[:, columns] = X W[:, columns] + b[columns] */
static dbt_status run_dense_task(void *context, size_t task, size_t worker, dbt_error *err)
{
    (void)worker;
    const forward_pass *pass = context;
    const dbt__layer *layer = &pass->network->layer[pass->layer];
    size_t column = task * DBT__BLOCK, n = dbt__smaller(DBT__BLOCK, layer->outputs - column);
    float *y = pass->output + column;
    for (size_t r = 0; r < pass->n_rows; r++)
        memcpy(y + r * layer->outputs, layer->bias + column, n * sizeof *y);
    dbt_status status =
        dbt__gemm(DBT__AS_IS, DBT__AS_IS, pass->n_rows, n, layer->inputs, 1, pass->input,
                  layer->inputs, layer->weight + column, layer->outputs, 1, y, layer->outputs, err);
    if (status < 0) return status;
    for (size_t r = 0; r < pass->n_rows; r++)
        dbt__activate(pass->network, pass->mask, pass->layer, r, column, n, y + r * layer->outputs);
    return DBT_OK;
}

dbt_status dbt__activations_init(dbt__activations *activations, size_t n_layers, dbt_error *err)
{
    *activations = (dbt__activations){.n_layers = n_layers};
    activations->output = dbt__alloc_array(n_layers, sizeof *activations->output);
    activations->capacity = dbt__alloc_array(n_layers, sizeof *activations->capacity);
    if (activations->output != NULL && activations->capacity != NULL) return DBT_OK;
    dbt__activations_release(activations);
    return dbt__out_of_memory(err, "activations");
}

void dbt__activations_release(dbt__activations *activations)
{
    for (size_t i = 0; activations->output != NULL && i < activations->n_layers; i++)
        dbt__free(activations->output[i]);
    dbt__free(activations->output);
    dbt__free(activations->capacity);
    *activations = (dbt__activations){0};
}

dbt_status dbt__activations_reserve(const dbt_network *network, size_t n_rows,
                                    dbt__activations *activations, dbt_error *err)
{
    for (size_t i = 0; i < activations->n_layers; i++) {
        size_t needed;
        if (!dbt__multiply(n_rows, network->layer[i].outputs, &needed))
            return dbt__out_of_memory(err, "activations");
        dbt_status status =
            dbt__reserve((void **)&activations->output[i], &activations->capacity[i], needed,
                         sizeof(float), "activations", err);
        if (status < 0) return status;
    }
    return DBT_OK;
}

dbt_status dbt__forward_dense(const dbt_network *network, dbt_pool *pool, size_t n_rows,
                              const dbt__mask *mask, dbt__activations *activations, dbt_error *err)
{
    if (n_rows == 0) return DBT_OK; /* there may be no outputs to point to */
    dbt_status status = DBT_OK;
    forward_pass pass = {.network = network, .n_rows = n_rows, .mask = mask};
    for (size_t i = 1; i < network->options.layers && status == DBT_OK; i++) {
        const dbt__layer *layer = &network->layer[i];
        pass.layer = i;
        pass.input = activations->output[i - 1];
        pass.output = activations->output[i];
        double work = (double)n_rows * (double)layer->inputs * (double)layer->outputs;
        status =
            dbt__run_phase(pool, work / DBT__DENSE_SPEED,
                           dbt__divide_up(layer->outputs, DBT__BLOCK), run_dense_task, &pass, err);
    }
    return status;
}

dbt_status dbt_workspace_new(const dbt_network *network, dbt_workspace **workspace, dbt_error *err)
{
    *workspace = NULL;
    dbt_workspace *made = dbt__alloc(sizeof *made);
    if (made == NULL) return dbt__out_of_memory(err, "a workspace");
    made->network = network;
    dbt_status status = dbt__activations_init(&made->activations, network->options.layers, err);
    if (status < 0) {
        dbt_workspace_free(made);
        return status;
    }
    *workspace = made;
    return DBT_OK;
}

void dbt_workspace_free(dbt_workspace *workspace)
{
    if (workspace == NULL) return;
    dbt__activations_release(&workspace->activations);
    dbt__free(workspace->probability);
    dbt__free(workspace);
}

/* Y = X W + b, then relu; a block of columns of all rows, then the next, so that the weights of one
 * are still in the cache for the next row. */
static void sum_features(const dbt_network *network, const dbt_batch *batch, float *output)
{
    const dbt__layer *layer = &network->layer[0];
    for (size_t column = 0; column < layer->outputs; column += SUM_COLUMNS) {
        size_t n = dbt__smaller(SUM_COLUMNS, layer->outputs - column);
        for (size_t r = 0; r < batch->n_rows; r++) {
            size_t entry = batch->row_start[r];
            float *y = output + r * layer->outputs + column;
            network->kernels->gather(n, layer->bias + column, batch->row_start[r + 1] - entry,
                                     batch->column + entry, batch->value + entry,
                                     layer->weight + column, layer->outputs, y);
            dbt__activate(network, NULL, 0, r, column, n, y);
        }
    }
}

dbt_status dbt_network_predict(const dbt_network *network, dbt_workspace *workspace,
                               const dbt_batch *batch, const float **probability, dbt_error *err)
{
    *probability = NULL;
    workspace->n_rows = 0;
    if (workspace->network != network)
        return dbt__fail(err, DBT_EUSAGE, "a workspace of another network");
    dbt_status status = dbt__batch_check(batch, network->options.n_inputs, err);
    if (status < 0) return status;
    size_t n_classes = network->options.n_classes, needed;
    if (!dbt__multiply(batch->n_rows, n_classes, &needed))
        return dbt__out_of_memory(err, "probabilities");
    status = dbt__reserve((void **)&workspace->probability, &workspace->probability_capacity,
                          needed, sizeof(float), "probabilities", err);
    if (status < 0) return status;

    status = dbt__activations_reserve(network, batch->n_rows, &workspace->activations, err);
    if (status < 0) return status;
    sum_features(network, batch, workspace->activations.output[0]);
    status = dbt__forward_dense(network, NULL, batch->n_rows, NULL, &workspace->activations, err);
    if (status < 0) return status;
    dbt__probabilities(batch->n_rows, n_classes,
                       workspace->activations.output[network->options.layers - 1],
                       workspace->probability);
    workspace->n_rows = batch->n_rows;
    *probability = workspace->probability;
    return DBT_OK;
}

dbt_metrics dbt_network_score(const dbt_workspace *workspace, const int32_t *label)
{
    const dbt_network_options *options = &workspace->network->options;
    dbt__targets targets = {
        .n_rows = workspace->n_rows, .n_classes = options->n_classes, .label = label};
    dbt_metrics metrics;
    dbt__loss(&targets, workspace->activations.output[options->layers - 1], NULL, &metrics);
    return metrics;
}
