/*
 * first_layer.c: the layer whose inputs are sparse: what a step does to its rows, a part at a time.
 *
 * Its rows, one for each feature, are cut into DBT__PARTS parts. With X_p the columns of the batch
 * that belong to part p, W_p its rows of the weights, and both in fixed order,
 *
 *     X W + b = b + X_0 W_0 + X_1 W_1 + ...,
 *
 * so a part's sums, its gradient and its update need nothing of the others' rows. Parts are dealt
 * out in spans, one for each thread. A thread has the same span in every phase of every step: rows
 * stay in the cache of one processor, and only sums and gradients of outputs, a small part of what
 * is read, go from one to another. (Shared out row by row of the batch, or column by column of the
 * weights, an epoch of 64 units takes longer with two processors than with one.)
 */
#include "network_internal.h"

/* Multiply-adds from which the phases of a step are shared out. With two processors a whole fit
 * with steps of 45 thousand is a twentieth faster shared out, of 70 and of 125 thousand a tenth. */
#define WORTH_SHARING 40e3
/* Columns of the weights that are summed one after the other, so that they fit into the cache. */
#define SUM_COLUMNS 128
/* Rows whose sums one task adds up. */
#define TASK_ROWS 16

dbt_status dbt__spans_init(dbt_network *network, dbt_error *err)
{
    size_t n = dbt__smaller(dbt_pool_threads(network->pool), DBT__PARTS);
    network->span = dbt__alloc_array(n, sizeof *network->span);
    if (network->span == NULL) return dbt__out_of_memory(err, "a network");
    network->n_spans = n;
    for (size_t i = 0; i < n; i++) {
        dbt__span *span = &network->span[i];
        span->first_part = DBT__PARTS * i / n;
        span->n_parts = DBT__PARTS * (i + 1) / n - span->first_part;
        span->first_row = dbt__part_bound(network, span->first_part);
        span->end_row = dbt__part_bound(network, span->first_part + span->n_parts);
    }
    return DBT_OK;
}

void dbt__spans_release(dbt_network *network)
{
    for (size_t i = 0; i < network->n_spans; i++)
        dbt__free(network->span[i].gradient);
    dbt__free(network->span);
    dbt__free(network->sums);
}

/* The span that has all of the parts first .. first + n - 1, or NULL. */
static const dbt__span *span_with(const dbt_network *network, size_t first, size_t n)
{
    const dbt__span *span = network->span;
    while (first >= span->first_part + span->n_parts)
        span++;
    return first + n <= span->first_part + span->n_parts ? span : NULL;
}

/* One phase of a step: a task for each span. */
typedef struct span_pass {
    dbt_network *network;
    const dbt_batch *batch; /* NULL: it is prepared */
    const dbt_prepared *prepared;
    const dbt__mask *mask;
    size_t first, end;  /* rows of the batch that are summed */
    float *output;      /* [rows x outputs] */
    const float *delta; /* [rows x outputs]: the gradient of the outputs before relu */
    int64_t step;
} span_pass;

static dbt_status run_spans(dbt_network *network, dbt_task task, void *context, dbt_error *err)
{
    return dbt_pool_for(network->share_step ? network->pool : NULL, network->n_spans, task, context,
                        err);
}

/* --- rows that lag --- */

/* Rows of a span: those of its batch, or all of them. */
typedef struct row_list {
    const uint32_t *row; /* NULL: first, first + 1, ... */
    size_t first;
    size_t n;
} row_list;

static row_list list_rows(const dbt__span *span, bool all)
{
    if (all) return (row_list){NULL, span->first_row, span->end_row - span->first_row};
    return (row_list){span->sparse->active, 0, span->sparse->n_active};
}

static size_t row_of(const row_list *list, size_t i)
{
    return list->row == NULL ? list->first + i : list->row[i];
}

static void find_longest_gap(const dbt_network *network, dbt__span *span, bool all)
{
    row_list list = list_rows(span, all);
    int64_t oldest = network->optimizer->step;
    for (size_t i = 0; i < list.n; i++) {
        int64_t last = network->last_step[row_of(&list, i)];
        oldest = last < oldest ? last : oldest;
    }
    span->longest_gap = network->optimizer->step - oldest;
}

/* The coefficients of all gaps that were found. */
static void prepare_gaps(dbt_network *network)
{
    int64_t longest = 0;
    for (size_t i = 0; i < network->n_spans; i++)
        if (network->span[i].longest_gap > longest) longest = network->span[i].longest_gap;
    if (longest > 0) dbt__optimizer_prepare(network->optimizer, longest);
}

static void catch_up_rows(dbt_network *network, const dbt__span *span, bool all)
{
    dbt__layer *layer = &network->layer[0];
    row_list list = list_rows(span, all);
    for (size_t i = 0; i < list.n; i++) {
        size_t row = row_of(&list, i), at = row * layer->outputs;
        if (i + DBT__ROWS_AHEAD < list.n)
            dbt__prefetch_row(layer, row_of(&list, i + DBT__ROWS_AHEAD));
        int64_t gap = network->optimizer->step - network->last_step[row];
        if (gap == 0) continue;
        float *state1 = layer->weight_state[1] == NULL ? NULL : layer->weight_state[1] + at;
        dbt__optimizer_catch_up(network->optimizer, gap, layer->outputs, layer->weight + at,
                                layer->weight_state[0] + at, state1);
        network->last_step[row] = network->optimizer->step;
    }
}

static dbt_status settle_span(void *context, size_t task, size_t worker, dbt_error *err)
{
    (void)worker, (void)err;
    dbt_network *network = context;
    catch_up_rows(network, &network->span[task], true);
    return DBT_OK;
}

void dbt_network_settle(dbt_network *network)
{
    const dbt__layer *layer = &network->layer[0];
    if (network->last_step == NULL) return;
    network->share_step =
        DBT__UPDATE_COST * (double)layer->inputs * (double)layer->outputs >= WORTH_SHARING;
    for (size_t i = 0; i < network->n_spans; i++)
        find_longest_gap(network, &network->span[i], true);
    prepare_gaps(network);
    (void)!run_spans(network, settle_span, network, NULL); /* its tasks cannot fail */
}

/* --- the batch --- */

static dbt_status read_span(void *context, size_t task, size_t worker, dbt_error *err)
{
    (void)worker;
    const span_pass *pass = context;
    dbt_network *network = pass->network;
    dbt__span *span = &network->span[task];
    dbt_status status = DBT_OK;
    size_t n_values;
    if (pass->batch != NULL)
        status = dbt__prepare_span(network->preparer, pass->batch, task, network->prepared, err);
    if (status < 0) return status;
    span->sparse = &pass->prepared->sparse[task];
    if (!dbt__multiply(span->sparse->n_active, network->layer[0].outputs, &n_values))
        return dbt__out_of_memory(err, "a gradient");
    if (network->last_step != NULL) find_longest_gap(network, span, false);
    return dbt__reserve((void **)&span->gradient, &span->gradient_capacity, n_values, sizeof(float),
                        "a gradient", err);
}

dbt_status dbt__first_layer_read(dbt_network *network, const dbt_batch *batch,
                                 const dbt_prepared *prepared, dbt_error *err)
{
    size_t outputs = network->layer[0].outputs, n_sums;
    network->share_step = (double)prepared->n_entries * (double)outputs >= WORTH_SHARING;
    if (!dbt__multiply(DBT__PARTS * dbt__smaller(prepared->n_rows, DBT__SUM_ROWS), outputs,
                       &n_sums))
        return dbt__out_of_memory(err, "sums");
    dbt_status status = dbt__reserve((void **)&network->sums, &network->sums_capacity, n_sums,
                                     sizeof(float), "sums", err);
    if (status < 0) return status;
    span_pass pass = {.network = network, .batch = batch, .prepared = prepared};
    status = run_spans(network, read_span, &pass, err);
    if (status == DBT_OK && network->last_step != NULL) prepare_gaps(network);
    return status;
}

/* --- forward --- */

/* The part's sums of rows first .. end - 1: [rows x outputs]. */
static float *sums_of(const span_pass *pass, size_t part)
{
    return pass->network->sums + part * (pass->end - pass->first) * pass->network->layer[0].outputs;
}

static void sum_part(const span_pass *pass, const dbt__span *span, size_t part, size_t column,
                     size_t n)
{
    const dbt__layer *layer = &pass->network->layer[0];
    const dbt__sparse *sparse = span->sparse;
    float *sums = sums_of(pass, span->first_part + part) + column;
    for (size_t r = pass->first; r < pass->end; r++, sums += layer->outputs) {
        const size_t *start = sparse->start + r * sparse->n_parts + part;
        pass->network->kernels->gather(n, NULL, start[1] - start[0], sparse->column + start[0],
                                       sparse->value + start[0], layer->weight + column,
                                       layer->outputs, sums);
    }
}

/* Adds sums in pairs, then those of pairs, ..., into the first part's of each: of the pairs that
 * are within the span, or for NULL of those that are in no span; rows begin .. end - 1. */
static void add_pairs(const span_pass *pass, const dbt__span *span, size_t begin, size_t end)
{
    const dbt_network *network = pass->network;
    size_t outputs = network->layer[0].outputs, at = (begin - pass->first) * outputs;
    for (size_t width = 1; width < DBT__PARTS; width *= 2) {
        for (size_t p = 0; p < DBT__PARTS; p += 2 * width) {
            const dbt__span *of = span_with(network, p, 2 * width);
            if (of == span)
                network->kernels->add((end - begin) * outputs, sums_of(pass, p + width) + at,
                                      sums_of(pass, p) + at);
        }
    }
}

static dbt_status sum_span(void *context, size_t task, size_t worker, dbt_error *err)
{
    (void)worker, (void)err;
    const span_pass *pass = context;
    dbt_network *network = pass->network;
    const dbt__span *span = &network->span[task];
    size_t outputs = network->layer[0].outputs;
    if (pass->first == 0 && network->last_step != NULL) catch_up_rows(network, span, false);
    for (size_t part = 0; part < span->n_parts; part++)
        for (size_t column = 0; column < outputs; column += SUM_COLUMNS)
            sum_part(pass, span, part, column, dbt__smaller(SUM_COLUMNS, outputs - column));
    add_pairs(pass, span, pass->first, pass->end);
    return DBT_OK;
}

/* What spans have summed, and the bias; then relu and dropout. */
static dbt_status add_sums(void *context, size_t task, size_t worker, dbt_error *err)
{
    (void)worker, (void)err;
    const span_pass *pass = context;
    const dbt_network *network = pass->network;
    const dbt__layer *layer = &network->layer[0];
    size_t begin = pass->first + task * TASK_ROWS, end = dbt__smaller(begin + TASK_ROWS, pass->end);
    add_pairs(pass, NULL, begin, end);
    for (size_t r = begin; r < end; r++) {
        float *y = pass->output + r * layer->outputs;
        memcpy(y, layer->bias, layer->outputs * sizeof *y);
        network->kernels->add(layer->outputs, sums_of(pass, 0) + (r - pass->first) * layer->outputs,
                              y);
        dbt__activate(network, pass->mask, 0, r, 0, layer->outputs, y);
    }
    return DBT_OK;
}

dbt_status dbt__first_layer_forward(dbt_network *network, const dbt__mask *mask, size_t n_rows,
                                    float *output, dbt_error *err)
{
    size_t outputs = network->layer[0].outputs;
    dbt_status status = DBT_OK;
    span_pass pass = {.network = network, .mask = mask, .output = output};
    for (; pass.first < n_rows && status == DBT_OK; pass.first = pass.end) {
        pass.end = dbt__smaller(pass.first + DBT__SUM_ROWS, n_rows);
        size_t n = pass.end - pass.first;
        status = run_spans(network, sum_span, &pass, err);
        if (status == DBT_OK)
            status = dbt__run_phase(network->pool, (double)(DBT__PARTS * n) * (double)outputs,
                                    dbt__divide_up(n, TASK_ROWS), add_sums, &pass, err);
    }
    return status;
}

/* --- backward --- */

static dbt_status make_gradient(void *context, size_t task, size_t worker, dbt_error *err)
{
    (void)worker;
    const span_pass *pass = context;
    dbt_network *network = pass->network;
    dbt__span *span = &network->span[task];
    const dbt__sparse *sparse = span->sparse;
    size_t outputs = network->layer[0].outputs;
    for (size_t i = 0; i < sparse->n_active; i++) {
        size_t entry = sparse->active_start[i];
        network->kernels->gather(outputs, NULL, sparse->active_start[i + 1] - entry,
                                 sparse->active_row + entry, sparse->active_value + entry,
                                 pass->delta, outputs, span->gradient + i * outputs);
    }
    if (!network->kernels->is_finite(sparse->n_active * outputs, span->gradient))
        return dbt__fail_gradient(pass->step, 0, err);
    return DBT_OK;
}

dbt_status dbt__first_layer_backward(dbt_network *network, const float *delta, int64_t step,
                                     dbt_error *err)
{
    span_pass pass = {.network = network, .delta = delta, .step = step};
    return run_spans(network, make_gradient, &pass, err);
}

/* --- the update --- */

static void update_row(dbt_network *network, size_t row, const float *gradient)
{
    dbt__layer *layer = &network->layer[0];
    size_t at = row * layer->outputs;
    dbt__optimizer_update(network->optimizer, true, layer->outputs, gradient, layer->weight + at,
                          layer->weight_state[0] == NULL ? NULL : layer->weight_state[0] + at,
                          layer->weight_state[1] == NULL ? NULL : layer->weight_state[1] + at);
}

/* Rows that have a gradient. */
static dbt_status update_active_rows(void *context, size_t task, size_t worker, dbt_error *err)
{
    (void)worker, (void)err;
    dbt_network *network = context;
    const dbt__span *span = &network->span[task];
    const dbt__sparse *sparse = span->sparse;
    for (size_t i = 0; i < sparse->n_active; i++) {
        size_t row = sparse->active[i];
        if (i + DBT__ROWS_AHEAD < sparse->n_active)
            dbt__prefetch_row(&network->layer[0], sparse->active[i + DBT__ROWS_AHEAD]);
        update_row(network, row, span->gradient + i * network->layer[0].outputs);
        if (network->last_step != NULL) network->last_step[row] = network->optimizer->step + 1;
    }
    return DBT_OK;
}

/* All rows: with l2 those without an entry in the batch have a gradient too. */
static dbt_status update_all_rows(void *context, size_t task, size_t worker, dbt_error *err)
{
    (void)worker, (void)err;
    dbt_network *network = context;
    const dbt__span *span = &network->span[task];
    size_t next = 0;
    for (size_t row = span->first_row; row < span->end_row; row++) {
        const float *value = network->zero_row;
        if (next < span->sparse->n_active && span->sparse->active[next] == row)
            value = span->gradient + next++ * network->layer[0].outputs;
        update_row(network, row, value);
    }
    return DBT_OK;
}

dbt_status dbt__first_layer_update(dbt_network *network, dbt_error *err)
{
    const dbt_network_options *options = &network->options;
    bool all = options->l2 > 0 && options->optimizer != DBT_LAZY_ADAM;
    return run_spans(network, all ? update_all_rows : update_active_rows, network, err);
}
