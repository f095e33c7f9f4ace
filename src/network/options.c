/* options.c: the ranges of a network's options, the names of optimizers, and what a network will
 * take. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "network_internal.h"

static const char *const optimizer_names[] = {
#define DBT_OPTIMIZER_NAME(name, text) text,
    DBT_OPTIMIZER_LIST(DBT_OPTIMIZER_NAME)
#undef DBT_OPTIMIZER_NAME
};
#define OPTIMIZERS (sizeof optimizer_names / sizeof *optimizer_names)

void dbt_network_options_init(dbt_network_options *options)
{
    *options = (dbt_network_options){
        .layers = 2,
        .units = 64,
        .dropout = 0.2,
        .optimizer = DBT_ADAM,
        .learning_rate = 1e-3,
        .weight_decay = 4e-3,
        .seed = 123,
    };
}

const char *dbt_optimizer_name(dbt_optimizer optimizer)
{
    return (size_t)optimizer < OPTIMIZERS ? optimizer_names[optimizer] : "unknown";
}

dbt_status dbt_optimizer_parse(const char *name, dbt_optimizer *optimizer, dbt_error *err)
{
    char names[128] = "";
    for (size_t i = 0; i < OPTIMIZERS; i++) {
        if (strcmp(name, optimizer_names[i]) == 0) {
            *optimizer = (dbt_optimizer)i;
            return DBT_OK;
        }
        size_t used = strlen(names);
        (void)snprintf(names + used, sizeof names - used, "%s%s", i == 0 ? "" : ", ",
                       optimizer_names[i]);
    }
    return dbt__fail(err, DBT_EUSAGE, "no optimizer '%s' (there are: %s)", name, names);
}

static dbt_status check_count(const char *name, size_t value, size_t least, size_t most,
                              dbt_error *err)
{
    if (value >= least && value <= most) return DBT_OK;
    return dbt__fail(err, DBT_EUSAGE, "%s must be %zu to %zu, not %zu", name, least, most, value);
}

/* least <= value < bound; a NaN is in no range. */
static dbt_status check_number(const char *name, double value, double least, double bound,
                               dbt_error *err)
{
    if (value >= least && value < bound) return DBT_OK;
    if (isinf(bound))
        return dbt__fail(err, DBT_EUSAGE, "%s must be %g or more, not %g", name, least, value);
    return dbt__fail(err, DBT_EUSAGE, "%s must be from %g to below %g, not %g", name, least, bound,
                     value);
}

static dbt_status check_learning_rate(double rate, dbt_error *err)
{
    if (rate > 0 && isfinite(rate)) return DBT_OK;
    return dbt__fail(err, DBT_EUSAGE, "learning rate must be more than 0, not %g", rate);
}

dbt_status dbt__network_options_check(const dbt_network_options *options, dbt_error *err)
{
    dbt_status status = check_count("features", options->n_inputs, 1, INT32_MAX, err);
    if (status == DBT_OK)
        status = check_count("classes", options->n_classes, 2, (size_t)1 << 24, err);
    if (status == DBT_OK) status = check_count("layers", options->layers, 1, 64, err);
    if (status == DBT_OK) status = check_count("units", options->units, 1, 65536, err);
    if (status == DBT_OK) status = check_number("dropout", options->dropout, 0, 1, err);
    if (status == DBT_OK) status = check_number("l2", options->l2, 0, INFINITY, err);
    if (status == DBT_OK)
        status = check_number("label smoothing", options->label_smoothing, 0, 1, err);
    if (status == DBT_OK) status = check_learning_rate(options->learning_rate, err);
    if (status == DBT_OK) status = check_number("momentum", options->momentum, 0, 1, err);
    if (status == DBT_OK)
        status = check_number("weight decay", options->weight_decay, 0, INFINITY, err);
    if (status == DBT_OK && (size_t)options->optimizer >= OPTIMIZERS)
        status = dbt__fail(err, DBT_EUSAGE, "no optimizer %d", (int)options->optimizer);
    return status;
}

size_t dbt__network_outputs(const dbt_network_options *options)
{
    return options->n_classes == 2 ? 1 : options->n_classes;
}

void dbt__layer_shape(const dbt_network_options *options, size_t layer, size_t *inputs,
                      size_t *outputs)
{
    *inputs = layer == 0 ? options->n_inputs : options->units;
    *outputs = layer + 1 == options->layers ? dbt__network_outputs(options) : options->units;
}

/* *sum += a * b * c; SIZE_MAX stands for an overflow, and stays. */
static void add_product(size_t *sum, size_t a, size_t b, size_t c)
{
    size_t product;
    if (*sum == SIZE_MAX || !dbt__multiply(a, b, &product) ||
        !dbt__multiply(product, c, &product) || __builtin_add_overflow(*sum, product, sum))
        *sum = SIZE_MAX;
}

/* `times` layers, each array of which is kept `copies` times. */
static void add_layers(size_t *bytes, const dbt_network_options *options, size_t layer,
                       size_t times, size_t copies)
{
    size_t inputs, outputs, one = 0;
    dbt__layer_shape(options, layer, &inputs, &outputs);
    add_product(&one, inputs, outputs, copies * sizeof(float));
    add_product(&one, outputs, copies, sizeof(float));
    add_product(bytes, one, times, 1);
}

/* So many copies of the arrays of all layers. */
static void add_network(size_t *bytes, const dbt_network_options *options, size_t copies)
{
    size_t last = options->layers - 1;
    add_layers(bytes, options, 0, 1, copies);
    if (last > 1) add_layers(bytes, options, 1, last - 1, copies);
    if (last > 0) add_layers(bytes, options, last, 1, copies);
}

size_t dbt_network_weight_bytes(const dbt_network_options *options)
{
    size_t bytes = 0;
    add_network(&bytes, options, 1);
    return bytes;
}

size_t dbt_preparer_bytes(const dbt_network_options *options)
{
    size_t bytes = 0;
    add_product(&bytes, options->n_inputs, 1, sizeof(uint32_t));
    add_product(&bytes, options->n_inputs / 64 + 1, 1, sizeof(uint64_t));
    return bytes;
}

size_t dbt_network_bytes(const dbt_network_options *options)
{
    size_t bytes = sizeof(dbt_network) + sizeof(dbt__optimizer);
    add_product(&bytes, options->layers, sizeof(dbt__layer), 1);
    /* value, the optimizer's states, gradient */
    add_network(&bytes, options, 2 + dbt__optimizer_states(options));
    add_product(&bytes, dbt_preparer_bytes(options), 1, 1);
    /* the rows' last steps */
    if (dbt__optimizer_lags(options)) add_product(&bytes, options->n_inputs, 1, sizeof(int64_t));
    return bytes;
}

/* Of all layers, as dbt__activations_reserve makes them. */
static void add_activations(size_t *bytes, const dbt_network_options *options, size_t n_rows)
{
    add_product(bytes, n_rows * sizeof(float), options->units, options->layers - 1);
    add_product(bytes, n_rows * sizeof(float), dbt__network_outputs(options), 1);
}

/* The batch after dropout and its transpose, of which a column has 12 bytes more. */
size_t dbt_prepared_bytes(const dbt_network_options *options, size_t n_rows, size_t n_entries)
{
    size_t bytes = 0, n_active = dbt__smaller(n_entries, options->n_inputs);
    add_product(&bytes, n_rows, DBT__PARTS + 1, sizeof(size_t));
    add_product(&bytes, n_entries, 2, sizeof(uint32_t) + sizeof(float));
    add_product(&bytes, n_active, 1, sizeof(uint32_t) + sizeof(size_t));
    return bytes;
}

size_t dbt_network_step_bytes(const dbt_network_options *options, size_t n_rows, size_t n_entries)
{
    size_t bytes = 0, inputs, outputs, top = dbt__network_outputs(options);
    if (n_rows > SIZE_MAX / sizeof(size_t) / (DBT__PARTS + 1)) return SIZE_MAX;
    dbt__layer_shape(options, 0, &inputs, &outputs);
    add_activations(&bytes, options, n_rows);
    /* gradients of the outputs, of which every second layer has the same memory */
    if (options->layers > 2 && options->units > top) top = options->units;
    add_product(&bytes, n_rows * sizeof(float), top, 1);
    if (options->layers > 1) add_product(&bytes, n_rows * sizeof(float), options->units, 1);
    /* the parts' sums, the rows of the first layer's gradient */
    add_product(&bytes, dbt__smaller(n_rows, DBT__SUM_ROWS) * sizeof(float), outputs, DBT__PARTS);
    add_product(&bytes, dbt__smaller(n_entries, inputs), outputs, sizeof(float));
    add_product(&bytes, dbt_prepared_bytes(options, n_rows, n_entries), 1, 1);
    return bytes;
}

size_t dbt_workspace_bytes(const dbt_network_options *options, size_t n_rows)
{
    size_t bytes = 0;
    if (n_rows > SIZE_MAX / sizeof(float)) return SIZE_MAX;
    add_activations(&bytes, options, n_rows);
    add_product(&bytes, n_rows, options->n_classes, sizeof(float));
    return bytes;
}
