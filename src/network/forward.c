/*
 * forward.c: from a batch to logits, and to probabilities and metrics.
 *
 * The first layer is a sum of weight rows for each row of the batch; it is cut into tasks of some
 * rows and some columns, the columns slower, so that the columns of the weights that a task reads
 * are still in the cache for the next. The other layers are dense products, cut into blocks of
 * columns. relu and dropout are applied by the task that made the block.
 *
 * A training step and dbt_network_predict run the same code, the latter without dropout and pool.
 */
#include <string.h>

#include "network_internal.h"

/* A task of the first layer: its rows and columns. Bits do not depend on these. */
#define TASK_ROWS 16
#define TASK_COLUMNS 128

struct dbt_workspace {
    const dbt_network *network;
    dbt__activations activations;
    float *probability;
    size_t probability_capacity;
    size_t n_rows; /* of the batch predicted last */
};

typedef struct forward_pass {
    const dbt_network *network;
    const dbt__rows *rows;
    const dbt__mask *mask;
    size_t layer;
    const float *input; /* output of the layer below; NULL for layer 0 */
    float *output;
} forward_pass;

/* relu and dropout of one row's columns first .. first + n - 1, unless they are logits. */
static void activate(const forward_pass *pass, size_t row, size_t first, size_t n, float *x)
{
    if (pass->layer + 1 == pass->network->options.layers) return;
    uint64_t key = pass->mask == NULL ? 0 : dbt__mask_key(pass->mask, row, pass->layer + 1);
    pass->network->kernels->relu(n, pass->mask == NULL ? NULL : &pass->mask->dropout, key, first,
                                 x);
}

/* Y[rows, columns] = X[rows, :] W[:, columns] + b[columns] */
static dbt_status run_sparse_task(void *context, size_t task, size_t worker, dbt_error *err)
{
    (void)worker, (void)err;
    const forward_pass *pass = context;
    const dbt__rows *rows = pass->rows;
    const dbt__layer *layer = &pass->network->layer[0];
    size_t row_tasks = dbt__divide_up(rows->n_rows, TASK_ROWS);
    size_t column = task / row_tasks * TASK_COLUMNS;
    size_t n = dbt__smaller(TASK_COLUMNS, layer->outputs - column);
    size_t begin = task % row_tasks * TASK_ROWS,
           end = dbt__smaller(begin + TASK_ROWS, rows->n_rows);
    for (size_t r = begin; r < end; r++) {
        size_t entry = rows->row_start[r];
        float *y = pass->output + r * layer->outputs + column;
        pass->network->kernels->gather(n, layer->bias + column, rows->row_start[r + 1] - entry,
                                       rows->column + entry, rows->value + entry,
                                       layer->weight + column, layer->outputs, y);
        activate(pass, r, column, n, y);
    }
    return DBT_OK;
}

/* Y[:, columns] = X W[:, columns] + b[columns] */
static dbt_status run_dense_task(void *context, size_t task, size_t worker, dbt_error *err)
{
    (void)worker;
    const forward_pass *pass = context;
    const dbt__layer *layer = &pass->network->layer[pass->layer];
    size_t column = task * DBT__BLOCK, n = dbt__smaller(DBT__BLOCK, layer->outputs - column);
    size_t n_rows = pass->rows->n_rows;
    float *y = pass->output + column;
    for (size_t r = 0; r < n_rows; r++)
        memcpy(y + r * layer->outputs, layer->bias + column, n * sizeof *y);
    dbt_status status =
        dbt__gemm(DBT__AS_IS, DBT__AS_IS, n_rows, n, layer->inputs, 1, pass->input, layer->inputs,
                  layer->weight + column, layer->outputs, 1, y, layer->outputs, err);
    if (status < 0) return status;
    for (size_t r = 0; r < n_rows; r++)
        activate(pass, r, column, n, y + r * layer->outputs);
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

static dbt_status reserve_activations(const dbt_network *network, size_t n_rows,
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

dbt_status dbt__forward(const dbt_network *network, dbt_pool *pool, const dbt__rows *rows,
                        const dbt__mask *mask, dbt__activations *activations, dbt_error *err)
{
    dbt_status status = reserve_activations(network, rows->n_rows, activations, err);
    if (status < 0 || rows->n_rows == 0) return status;

    forward_pass pass = {.network = network, .rows = rows, .mask = mask};
    pass.output = activations->output[0];
    size_t outputs = network->layer[0].outputs;
    size_t n_tasks =
        dbt__divide_up(rows->n_rows, TASK_ROWS) * dbt__divide_up(outputs, TASK_COLUMNS);
    double n_entries = (double)(rows->row_start[rows->n_rows] - rows->row_start[0]);
    status = dbt__run_phase(pool == NULL ? NULL : dbt__row_pool(network),
                            n_entries * (double)outputs, n_tasks, run_sparse_task, &pass, err);
    for (size_t i = 1; i < network->options.layers && status == DBT_OK; i++) {
        const dbt__layer *layer = &network->layer[i];
        pass.layer = i;
        pass.input = activations->output[i - 1];
        pass.output = activations->output[i];
        double work = (double)rows->n_rows * (double)layer->inputs * (double)layer->outputs;
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

    dbt__rows rows = {batch->n_rows, batch->row_start, batch->column, batch->value};
    status = dbt__forward(network, NULL, &rows, NULL, &workspace->activations, err);
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
