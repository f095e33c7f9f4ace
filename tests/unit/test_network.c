/*
 * test_network.c: gradients against central differences, catching up against the sweep, optimizers
 * against other people's trajectories, the same bits for any number of threads, and refusals.
 */
#include "testing.h"

#include <math.h>
#include <string.h>

#include <jansson.h>

#include "amount.h"
#include "network_internal.h"

/* An allocation that is too large must fail, under the sanitizers too, whose hooks these are. */
__attribute__((visibility("default"))) const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}
__attribute__((visibility("default"))) const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "allocator_may_return_null=1";
}

/* --- what the tests are made of --- */

static const dbt_position first_step = {1, 1};

static dbt_network_options small_options(void)
{
    dbt_network_options options;
    dbt_network_options_init(&options);
    options.n_inputs = 40;
    options.n_classes = 3;
    options.units = 7;
    return options;
}

static dbt_network *make_network(const dbt_network_options *options, dbt_pool *pool)
{
    dbt_error err = {0};
    dbt_network *network;
    assert_ok(dbt_network_new(options, pool, &network, &err), err);
    return network;
}

/* Rows of about n_entries random entries each, some of them empty, as a function of `key`. */
static dbt_batch *make_batch(size_t n_rows, size_t n_columns, size_t n_entries, uint64_t key)
{
    dbt_error err = {0};
    dbt_batch *batch;
    assert_ok(dbt_batch_new(&batch, &err), err);
    assert_ok(dbt_batch_reserve(batch, n_rows, n_rows * n_columns, &err), err);
    batch->n_rows = n_rows;
    batch->n_columns = n_columns;
    size_t entry = 0;
    for (size_t r = 0; r < n_rows; r++) {
        batch->row_start[r] = entry;
        uint64_t row_key = dbt__random(key, r);
        for (size_t c = 0; c < n_columns && r % 9 != 8; c++) {
            if (dbt__random_below(row_key, 2 * c, n_columns) >= n_entries) continue;
            batch->column[entry] = (uint32_t)c;
            batch->value[entry++] = (float)(dbt__random_double(row_key, 2 * c + 1) - 0.3);
        }
    }
    batch->row_start[n_rows] = entry;
    return batch;
}

static void fill_labels(size_t n, size_t n_classes, uint64_t key, int32_t *label)
{
    for (size_t r = 0; r < n; r++)
        label[r] = (int32_t)dbt__random_below(key, r, n_classes);
}

static size_t count_weights(dbt_network *network)
{
    size_t n = 0;
    for (size_t p = 0; p < dbt_network_parameters(network); p++) {
        dbt_parameter parameter = dbt_network_parameter(network, p);
        n += parameter.rows * parameter.columns;
    }
    return n;
}

/* All weights and biases in one array, which the caller frees. */
static float *copy_weights(dbt_network *network)
{
    float *copy = dbt__alloc_array(count_weights(network), sizeof *copy);
    assert_non_null(copy);
    size_t at = 0;
    for (size_t p = 0; p < dbt_network_parameters(network); p++) {
        dbt_parameter parameter = dbt_network_parameter(network, p);
        memcpy(copy + at, parameter.value, parameter.rows * parameter.columns * sizeof *copy);
        at += parameter.rows * parameter.columns;
    }
    return copy;
}

static void assert_weights(dbt_network *network, const float *expected)
{
    float *found = copy_weights(network);
    assert_memory_equal(found, expected, count_weights(network) * sizeof *found);
    dbt__free(found);
}

static bool have_file(const char *path)
{
    FILE *file = fopen(path, "r");
    if (file != NULL) (void)fclose(file);
    return file != NULL;
}

/* Values of a shared suite; the test is skipped where it is not there. */
static json_t *load_suite(const char *path)
{
    if (!have_file(path)) {
        print_message("skipped: %s is not there\n", path);
        skip();
    }
    json_error_t error;
    json_t *root = json_load_file(path, 0, &error);
    if (root == NULL) fail_msg("%s:%d: %s", path, error.line, error.text);
    return root;
}

/* --- options --- */

static void test_options__out_of_range_are_refused(void **state)
{
    (void)state;
    dbt_network_options options[24];
    size_t n = 0;
    for (size_t i = 0; i < 24; i++)
        options[i] = small_options();
    options[n++].n_inputs = 0;
    options[n++].n_inputs = (size_t)1 << 31;
    options[n++].n_classes = 1;
    options[n++].n_classes = ((size_t)1 << 24) + 1;
    options[n++].layers = 0;
    options[n++].layers = 65;
    options[n++].units = 0;
    options[n++].units = 65537;
    options[n++].dropout = 1;
    options[n++].dropout = -0.1;
    options[n++].dropout = NAN;
    options[n++].l2 = -1;
    options[n++].l2 = INFINITY;
    options[n++].label_smoothing = 1;
    options[n++].learning_rate = 0;
    options[n++].learning_rate = INFINITY;
    options[n++].learning_rate = NAN;
    options[n++].momentum = 1;
    options[n++].weight_decay = -1;
    options[n++].optimizer = (dbt_optimizer)99;
    options[n++].optimizer = (dbt_optimizer)5;
    for (size_t i = 0; i < n; i++) {
        dbt_error err = {0};
        dbt_network *network;
        if (dbt_network_new(&options[i], NULL, &network, &err) != DBT_EUSAGE)
            fail_msg("options %zu were taken", i);
        assert_null(network);
        assert_true(err.message[0] != '\0');
    }
}

static void test_optimizer__names_go_both_ways(void **state)
{
    (void)state;
    static const char *const names[] = {"adam", "adamw", "lazy-adam", "sgd", "adagrad"};
    for (int i = 0; i < 5; i++) {
        dbt_error err = {0};
        dbt_optimizer optimizer = (dbt_optimizer)77;
        assert_ok(dbt_optimizer_parse(names[i], &optimizer, &err), err);
        assert_int_equal(optimizer, i);
        assert_string_equal(dbt_optimizer_name(optimizer), names[i]);
    }
    dbt_error err = {0};
    dbt_optimizer optimizer;
    assert_int_equal(dbt_optimizer_parse("rmsprop", &optimizer, &err), DBT_EUSAGE);
    assert_string_equal(err.message,
                        "no optimizer 'rmsprop' (there are: adam, adamw, lazy-adam, sgd, adagrad)");
}

static void test_network__absurd_sizes_are_out_of_memory(void **state)
{
    (void)state;
    dbt_network_options options = small_options();
    options.n_inputs = INT32_MAX;
    options.units = 65536;
    assert_true(dbt_network_bytes(&options) > (size_t)1 << 48);
    dbt_error err = {0};
    dbt_network *network;
    assert_int_equal(dbt_network_new(&options, NULL, &network, &err), DBT_ENOMEM);
    assert_null(network);
    options.units = SIZE_MAX / 8;
    assert_true(dbt_network_bytes(&options) == SIZE_MAX);
    options = small_options();
    options.layers = SIZE_MAX;
    assert_true(dbt_network_bytes(&options) == SIZE_MAX);
}

static void test_network__bytes_grow_with_what_the_optimizer_keeps(void **state)
{
    (void)state;
    dbt_network_options options = small_options();
    options.n_inputs = 20000;
    options.units = 64;
    size_t array = 20000 * 64 * sizeof(float), adam = dbt_network_bytes(&options);
    assert_true(adam > 4 * array && adam < 4 * array + 400000);
    options.optimizer = DBT_SGD;
    size_t sgd = dbt_network_bytes(&options);
    assert_true(sgd > 2 * array && sgd < 2 * array + 400000);
    options.layers = 12;
    assert_true(dbt_network_bytes(&options) > sgd + 10 * 2 * 64 * 64 * sizeof(float));
    options.layers = 2;
    options.momentum = 0.9;
    size_t momentum = dbt_network_bytes(&options);
    assert_true(momentum > 3 * array && momentum < 3 * array + 400000);
}

static void test_network__weight_bytes_are_those_of_all_layers(void **state)
{
    (void)state;
    dbt_network_options options = small_options();
    options.n_inputs = 100;
    options.units = 50;
    options.n_classes = 3;
    options.layers = 4;
    assert_int_equal(dbt_network_weight_bytes(&options),
                     (101 * 50 + 2 * 51 * 50 + 51 * 3) * sizeof(float));
    options.layers = 1;
    assert_int_equal(dbt_network_weight_bytes(&options), 101 * 3 * sizeof(float));
    options.layers = SIZE_MAX;
    assert_true(dbt_network_weight_bytes(&options) == SIZE_MAX);
}

/* What a step has reserved that grows with the batch. */
static size_t scratch_of(const dbt_network *network)
{
    size_t bytes =
        (network->sums_capacity + network->delta_capacity[0] + network->delta_capacity[1]) *
        sizeof(float);
    for (size_t i = 0; i < network->options.layers; i++)
        bytes += network->activations.capacity[i] * sizeof(float);
    for (size_t i = 0; i < network->n_spans; i++) {
        const dbt__sparse *sparse = &network->prepared->sparse[i];
        bytes += network->span[i].gradient_capacity * sizeof(float);
        bytes += (sparse->row_capacity + sparse->start_capacity) * sizeof(size_t);
        bytes += (sparse->column_capacity + sparse->active_capacity + sparse->active_row_capacity) *
                 sizeof(uint32_t);
        bytes += (sparse->value_capacity + sparse->active_value_capacity) * sizeof(float);
    }
    return bytes;
}

static void test_network__a_step_takes_no_more_scratch_than_is_told(void **state)
{
    (void)state;
    static const struct {
        size_t n_rows, n_inputs, n_classes, units, layers;
    } shapes[] = {{600, 40, 3, 7, 2},    {4000, 30, 2, 90, 4}, {500, 400, 2, 1, 1},
                  {700, 20, 300, 16, 3}, {900, 50, 200, 1, 1}, {1, 1000, 5, 64, 2}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        dbt_network_options options = small_options();
        options.n_inputs = shapes[i].n_inputs;
        options.n_classes = shapes[i].n_classes;
        options.units = shapes[i].units;
        options.layers = shapes[i].layers;
        size_t n_rows = shapes[i].n_rows;
        dbt_network *network = make_network(&options, NULL);
        dbt_batch *batch = make_batch(n_rows, options.n_inputs, 10, i);
        int32_t *label = calloc(n_rows, sizeof *label);
        dbt_error err = {0};
        dbt_metrics metrics;
        assert_non_null(label);
        fill_labels(n_rows, options.n_classes, i, label);
        assert_ok(dbt_network_train(network, batch, label, NULL, first_step, &metrics, &err), err);
        size_t told = dbt_network_step_bytes(&options, n_rows, batch->row_start[n_rows]);
        size_t taken = scratch_of(network);
        /* Arrays have room for sixteen at least. */
        assert_true(taken <= told + 10 * 16 * sizeof(size_t));
        assert_true(told <= taken + taken / 4 + 10000);
        free(label);
        dbt_batch_free(batch);
        dbt_network_free(network);
    }
    dbt_network_options options = small_options();
    assert_true(dbt_network_step_bytes(&options, SIZE_MAX / 2, 0) == SIZE_MAX);
    assert_true(dbt_network_step_bytes(&options, 1, SIZE_MAX / 2) == SIZE_MAX);
    assert_true(dbt_workspace_bytes(&options, SIZE_MAX / 2) == SIZE_MAX);
    assert_true(dbt_workspace_bytes(&options, 10) == 10 * (7 + 3 + 3) * sizeof(float));
}

static void test_network__starts_glorot_uniform(void **state)
{
    (void)state;
    dbt_network_options options = small_options();
    options.n_inputs = 500;
    options.units = 40;
    dbt_network *network = make_network(&options, NULL);
    assert_int_equal(dbt_network_parameters(network), 4);
    static const size_t shapes[4][2] = {{500, 40}, {1, 40}, {40, 3}, {1, 3}};
    for (size_t p = 0; p < 4; p++) {
        dbt_parameter parameter = dbt_network_parameter(network, p);
        assert_int_equal(parameter.layer, p / 2);
        assert_string_equal(parameter.name, p % 2 == 0 ? "weight" : "bias");
        assert_int_equal(parameter.rows, shapes[p][0]);
        assert_int_equal(parameter.columns, shapes[p][1]);
        size_t n = parameter.rows * parameter.columns;
        double sum = 0, squares = 0;
        double limit = sqrt(6.0 / (double)(parameter.rows + parameter.columns));
        for (size_t i = 0; i < n; i++) {
            double w = (double)parameter.value[i];
            if (p % 2 == 1) assert_true(w == 0);
            assert_true(fabs(w) <= limit * (1 + 1e-7));
            sum += w;
            squares += w * w;
        }
        if (p % 2 == 1) continue;
        double deviation = limit / sqrt(3); /* of a uniform number */
        assert_true(fabs(sum / (double)n) < 5 * deviation / sqrt((double)n));
        assert_true(fabs(sqrt(squares / (double)n) / deviation - 1) < 5 / sqrt((double)n));
    }
    float *weights = copy_weights(network);
    dbt_network *again = make_network(&options, NULL);
    assert_weights(again, weights);
    options.seed++;
    dbt_network *other = make_network(&options, NULL);
    assert_true(dbt_network_parameter(other, 0).value[0] != weights[0]);
    dbt__free(weights);
    dbt_network_free(network);
    dbt_network_free(again);
    dbt_network_free(other);
}

/* --- gradients: a network in double, written from the formulas --- */

#define WIDEST 160

typedef struct reference {
    const dbt_network_options *options;
    const dbt_batch *batch;
    const int32_t *label;
    const float *weight;
    const dbt__mask *mask; /* NULL: no dropout */
    double *parameter;     /* as copy_weights has them */
} reference;

static double mask_factor(const reference *ref, size_t row, size_t layer, size_t element)
{
    if (ref->mask == NULL) return 1;
    uint32_t hash = dbt__dropout_hash(dbt__mask_key(ref->mask, row, layer), (uint32_t)element);
    return hash >= ref->mask->dropout.threshold ? 1 / (1 - ref->options->dropout) : 0;
}

/* The logits of a row. */
static void reference_forward(const reference *ref, size_t row, double z[WIDEST])
{
    double h[WIDEST];
    const double *w = ref->parameter;
    for (size_t i = 0; i < ref->options->layers; i++) {
        size_t inputs, outputs;
        dbt__layer_shape(ref->options, i, &inputs, &outputs);
        const double *b = w + inputs * outputs;
        for (size_t o = 0; o < outputs; o++) {
            z[o] = b[o];
            if (i > 0) {
                for (size_t j = 0; j < inputs; j++)
                    z[o] += h[j] * w[j * outputs + o];
                continue;
            }
            for (size_t e = ref->batch->row_start[row]; e < ref->batch->row_start[row + 1]; e++)
                z[o] += (double)ref->batch->value[e] *
                        mask_factor(ref, row, 0, ref->batch->column[e]) *
                        w[ref->batch->column[e] * outputs + o];
        }
        for (size_t o = 0; o < outputs; o++)
            h[o] = (z[o] > 0 ? z[o] : 0) * mask_factor(ref, row, i + 1, o);
        w = b + outputs;
    }
}

static double reference_row_loss(const reference *ref, size_t row)
{
    double z[WIDEST], s = ref->options->label_smoothing;
    size_t k = ref->options->n_classes;
    reference_forward(ref, row, z);
    if (k == 2) {
        double y = ref->label[row] * (1 - s) + s / 2, p = 1 / (1 + exp(-z[0]));
        return -y * log(p) - (1 - y) * log(1 - p);
    }
    double sum = 0, loss = 0;
    for (size_t i = 0; i < k; i++)
        sum += exp(z[i]);
    for (size_t i = 0; i < k; i++) {
        double y = (i == (size_t)ref->label[row] ? 1 - s : 0) + s / (double)k;
        loss -= y * log(exp(z[i]) / sum);
    }
    return loss;
}

/* sum(weight * loss) / n + l2 * sum of squared weights */
static double reference_loss(const reference *ref, double *data_loss)
{
    double sum = 0, squares = 0;
    for (size_t r = 0; r < ref->batch->n_rows; r++)
        sum += (ref->weight == NULL ? 1 : (double)ref->weight[r]) * reference_row_loss(ref, r);
    const double *w = ref->parameter;
    for (size_t i = 0; i < ref->options->layers; i++) {
        size_t inputs, outputs;
        dbt__layer_shape(ref->options, i, &inputs, &outputs);
        for (size_t j = 0; j < inputs * outputs; j++)
            squares += w[j] * w[j];
        w += inputs * outputs + outputs;
    }
    if (data_loss != NULL) *data_loss = sum;
    return sum / (double)ref->batch->n_rows + ref->options->l2 * squares;
}

/* Network i of the test: every loss, depth, l2, smoothing and dropout occurs with each other; one
 * in 24 is wider than the columns that are summed at once. */
static dbt_network_options varied_options(size_t i)
{
    dbt_network_options options = small_options();
    options.n_inputs = 9 + i % 3;
    options.n_classes = 2 + i % 4;
    options.layers = 1 + i / 4 % 4;
    options.units = 1 + dbt__random_below(31, i, 9);
    if (i % 24 == 23) {
        options.units = WIDEST - i % 7;
        options.layers = 2;
    }
    options.dropout = i % 3 == 0 ? 0.3 : 0;
    options.l2 = i % 5 < 2 ? 0.01 : 0;
    options.label_smoothing = i % 7 < 3 ? 0.1 : 0;
    options.seed = 1000 + i;
    options.optimizer = DBT_SGD; /* with a rate of 1 it subtracts the gradient */
    options.learning_rate = 1;
    return options;
}

static void check_gradient(size_t number, double found, double up, double down, double h)
{
    double expected = (up - down) / (2 * h);
    if (!(fabs(found - expected) <= 5e-7 + 1e-6 * fabs(expected)))
        fail_msg("network %zu: a derivative is %.9g, not %.9g", number, found, expected);
}

/* What is predicted, where no dropout is. */
static void check_probabilities(const reference *ref, const dbt_network *network)
{
    dbt_error err = {0};
    dbt_workspace *workspace;
    const float *found;
    size_t k = ref->options->n_classes;
    reference whole = *ref;
    whole.mask = NULL;
    assert_ok(dbt_workspace_new(network, &workspace, &err), err);
    assert_ok(dbt_network_predict(network, workspace, ref->batch, &found, &err), err);
    for (size_t r = 0; r < ref->batch->n_rows; r++) {
        double z[WIDEST], sum = 0;
        reference_forward(&whole, r, z);
        if (k == 2) {
            z[1] = z[0];
            z[0] = 0;
        }
        for (size_t i = 0; i < k; i++)
            sum += exp(z[i]);
        for (size_t i = 0; i < k; i++)
            assert_true(fabs((double)found[r * k + i] - exp(z[i]) / sum) < 1e-5);
    }
    dbt_workspace_free(workspace);
}

static void check_gradients(size_t number)
{
    enum { ROWS = 11 };
    const double h = 1e-6;
    dbt_error err = {0};
    dbt_network_options options = varied_options(number);
    dbt_network *network = make_network(&options, NULL);
    dbt_batch *batch = make_batch(ROWS, options.n_inputs, 5, 50 + number);
    int32_t label[ROWS];
    float weight[ROWS];
    fill_labels(ROWS, options.n_classes, 90 + number, label);
    for (size_t r = 0; r < ROWS; r++)
        weight[r] = 0.5f + (float)(label[r] % 3);
    dbt_position position = {3, (int64_t)(17 + number)};
    dbt__mask mask = dbt__mask_make(&options, position);

    /* Biases of 0 would put empty rows on the kink of relu, where there is no derivative. */
    for (size_t p = 1; p < dbt_network_parameters(network); p += 2)
        for (size_t i = 0; i < dbt_network_parameter(network, p).columns; i++)
            dbt_network_parameter(network, p).value[i] =
                (float)(dbt__random_double(number, 100 * p + i) - 0.4);
    float *before = copy_weights(network);
    size_t n = count_weights(network);
    double *parameter = dbt__alloc_array(n, sizeof *parameter);
    assert_non_null(parameter);
    for (size_t i = 0; i < n; i++)
        parameter[i] = (double)before[i];
    reference ref = {
        &options, batch, label, number % 2 == 0 ? weight : NULL, options.dropout > 0 ? &mask : NULL,
        parameter};
    check_probabilities(&ref, network);
    dbt_metrics metrics;
    assert_ok(dbt_network_train(network, batch, label, ref.weight, position, &metrics, &err), err);
    double data_loss;
    (void)reference_loss(&ref, &data_loss);
    assert_int_equal(metrics.n_rows, ROWS);
    assert_true(fabs(metrics.loss - data_loss) < 1e-5);
    float *after = copy_weights(network);
    for (size_t i = 0; i < n; i++) {
        double kept = parameter[i];
        parameter[i] = kept + h;
        double up = reference_loss(&ref, NULL);
        parameter[i] = kept - h;
        double down = reference_loss(&ref, NULL);
        parameter[i] = kept;
        check_gradient(number, (double)before[i] - (double)after[i], up, down, h);
    }
    dbt__free(parameter);
    dbt__free(before);
    dbt__free(after);
    dbt_batch_free(batch);
    dbt_network_free(network);
}

static void test_gradient__agrees_with_central_differences(void **state)
{
    (void)state;
    for (long i = 0; i < choose_amount(48, 48, 1000); i++)
        check_gradients((size_t)i);
}

/* --- catching up --- */

enum { CELLS = 24 };

/* n steps without a gradient in double, one after the other, as the rules have them. */
static void sweep(const dbt_network_options *options, int64_t done, int64_t n, double *w,
                  double *s0, double *s1)
{
    for (int64_t t = done + 1; t <= done + n; t++) {
        if (options->optimizer == DBT_SGD) {
            *s0 *= options->momentum;
            *w += options->nesterov ? options->momentum * *s0 : *s0;
            continue;
        }
        double rate =
            options->learning_rate * sqrt(1 - pow(0.999, (double)t)) / (1 - pow(0.9, (double)t));
        if (options->optimizer == DBT_ADAMW)
            *w -= options->learning_rate * options->weight_decay * *w;
        *s0 *= 0.9;
        *s1 *= 0.999;
        *w -= rate * *s0 / (sqrt(*s1) + 1e-7);
    }
}

/* A gap: 1 .. 6000 steps, short ones more often, and some at the end of the table. */
static int64_t draw_gap(uint64_t key, uint64_t i)
{
    if (i % 10 == 9) return DBT__MAXIMUM_GAP - 2 + (int64_t)dbt__random_below(key, 3 * i, 5);
    return 1 + (int64_t)pow(6000, dbt__random_double(key, 3 * i)) - 1 +
           (int64_t)dbt__random_below(key, 3 * i + 1, 3);
}

/* Catches weights of 0 (so that what is seen is the displacement) and of about 1 up. */
static void check_catch_up(const dbt_network_options *options, int64_t step, int64_t gap,
                           const float *s0, const float *s1, bool large)
{
    static dbt__optimizer optimizer;
    float w[CELLS], a[CELLS], b[CELLS];
    memcpy(a, s0, sizeof a);
    memcpy(b, s1, sizeof b);
    for (size_t i = 0; i < CELLS; i++)
        w[i] = large ? 1 + (float)i / CELLS : 0;
    dbt__optimizer_init(&optimizer, options, dbt__kernels_get());
    dbt__optimizer_set(&optimizer, step + gap, options->learning_rate);
    dbt__optimizer_prepare(&optimizer, gap / 2); /* the table can be continued */
    dbt__optimizer_prepare(&optimizer, gap);
    dbt__optimizer_catch_up(&optimizer, gap, CELLS, w, a, b);
    for (size_t i = 0; i < CELLS; i++) {
        double x = large ? (double)(1 + (float)i / CELLS) : 0, m = (double)s0[i], v = (double)s1[i];
        sweep(options, step, gap, &x, &m, &v);
        double rounding = large ? 1.2e-7 * (1 + (double)i / CELLS) : 0; /* of floats of that size */
        if (!(fabs((double)w[i] - x) <= 2e-8 + rounding))
            fail_msg("%s, %lld steps after %lld: %.9g, not %.9g",
                     dbt_optimizer_name(options->optimizer), (long long)gap, (long long)step,
                     (double)w[i], x);
        assert_true(fabs((double)a[i] - m) <= 1e-6 * fabs(m) + 1e-37);
        assert_true(fabs((double)b[i] - v) <= 1e-6 * fabs(v) + 1e-37);
    }
}

/* Moments after steps with random gradients of all sizes, then a gap; again and again. */
static void check_random_gaps(const dbt_network_options *options, uint64_t key)
{
    static dbt__optimizer optimizer;
    float w[CELLS] = {0}, s0[CELLS] = {0}, s1[CELLS] = {0}, g[CELLS];
    dbt__optimizer_init(&optimizer, options, dbt__kernels_get());
    for (uint64_t i = 0; i < 120; i++) {
        for (size_t c = 0; c < CELLS; c++) {
            double size = pow(10, -8 * dbt__random_double(key + 1, i * CELLS + c));
            g[c] = (float)(size * (2 * dbt__random_double(key + 2, i * CELLS + c) - 1));
            if (options->optimizer == DBT_SGD) g[c] *= 1e-2f;
        }
        dbt__optimizer_begin(&optimizer);
        dbt__optimizer_update(&optimizer, true, CELLS, g, w, s0, s1);
        dbt__optimizer_end(&optimizer);
        if (i % 3 == 0) continue; /* several gradients in a row */
        int64_t gap = draw_gap(key, i);
        check_catch_up(options, optimizer.step, gap, s0, s1, false);
        check_catch_up(options, optimizer.step, gap, s0, s1, true);
        dbt__optimizer_set(&optimizer, optimizer.step + gap, options->learning_rate);
        dbt__optimizer_prepare(&optimizer, gap);
        dbt__optimizer_catch_up(&optimizer, gap, CELLS, w, s0, s1);
        if (i % 20 == 19) /* early steps again, with old moments */
            dbt__optimizer_set(&optimizer, (int64_t)(i / 20), options->learning_rate);
    }
}

static void test_catch_up__is_the_sweep(void **state)
{
    (void)state;
    static const struct {
        dbt_optimizer optimizer;
        double momentum;
        bool nesterov;
        double weight_decay;
    } cases[] = {{DBT_ADAM, 0, false, 0.004}, {DBT_ADAMW, 0, false, 0.004},
                 {DBT_ADAMW, 0, false, 0.5},  {DBT_ADAMW, 0, false, 0},
                 {DBT_SGD, 0.9, false, 0},    {DBT_SGD, 0.5, true, 0},
                 {DBT_SGD, 0.99, true, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        dbt_network_options options = small_options();
        options.optimizer = cases[i].optimizer;
        options.momentum = cases[i].momentum;
        options.nesterov = cases[i].nesterov;
        options.weight_decay = cases[i].weight_decay;
        check_random_gaps(&options, 40 * (i + 1));
    }
}

/* A whole network that is caught up when rows are read, against one that is swept after each step.
 * Of one layer: a relu that the last bit of a sum turns off in one of them alone would move them
 * apart for good, which happens in one of forty. */
static void check_lagging_network(dbt_optimizer kind, double momentum, uint64_t seed)
{
    enum { ROWS = 8, STEPS = 1500 };
    dbt_network_options options = small_options();
    options.layers = 1;
    options.seed = seed;
    options.n_inputs = 300;
    options.optimizer = kind;
    options.momentum = momentum;
    dbt_network *lagging = make_network(&options, NULL), *swept = make_network(&options, NULL);
    for (int64_t step = 1; step <= STEPS; step++) {
        dbt_error err = {0};
        dbt_metrics metrics;
        int32_t label[ROWS];
        dbt_batch *batch = make_batch(ROWS, options.n_inputs, 2, (uint64_t)step % 70);
        fill_labels(ROWS, options.n_classes, (uint64_t)step, label);
        dbt_position position = {1, step};
        assert_ok(dbt_network_train(lagging, batch, label, NULL, position, &metrics, &err), err);
        assert_ok(dbt_network_train(swept, batch, label, NULL, position, &metrics, &err), err);
        dbt_network_settle(swept);
        if (step == STEPS / 2) {
            dbt_network_set_learning_rate(lagging, 3e-4);
            dbt_network_set_learning_rate(swept, 3e-4);
        }
        dbt_batch_free(batch);
    }
    dbt_network_settle(lagging);
    float *a = copy_weights(lagging), *b = copy_weights(swept);
    for (size_t i = 0; i < count_weights(swept); i++)
        if (!(fabsf(a[i] - b[i]) <= 2e-5f))
            fail_msg("weight %zu is %.9g, not %.9g", i, (double)a[i], (double)b[i]);
    dbt__free(a);
    dbt__free(b);
    dbt_network_free(lagging);
    dbt_network_free(swept);
}

static void test_network__rows_that_lag_end_where_a_sweep_ends(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 10; seed++) {
        check_lagging_network(DBT_ADAM, 0, seed);
        check_lagging_network(DBT_ADAMW, 0, seed);
        check_lagging_network(DBT_SGD, 0.9, seed);
    }
}

/* Trains on features 0..19 first, then on 20..39 alone: do the first rows still move? */
static bool untouched_rows_move(dbt_optimizer kind, double momentum, double l2)
{
    dbt_network_options options = small_options();
    options.optimizer = kind;
    options.momentum = momentum;
    options.l2 = l2;
    options.dropout = 0;
    dbt_network *network = make_network(&options, NULL);
    dbt_error err = {0};
    dbt_metrics metrics;
    static const int32_t label[8] = {0, 1, 2, 0, 1, 2, 0, 1};
    dbt_batch *batch = make_batch(8, 20, 10, 3);
    batch->n_columns = 40;
    assert_ok(dbt_network_train(network, batch, label, NULL, first_step, &metrics, &err), err);
    dbt_network_settle(network);
    float *before = copy_weights(network);
    for (size_t e = 0; e < batch->row_start[8]; e++)
        batch->column[e] += 20;
    assert_ok(dbt_network_train(network, batch, label, NULL, (dbt_position){1, 2}, &metrics, &err),
              err);
    dbt_network_settle(network);
    float *after = copy_weights(network);
    bool moved = memcmp(before, after, 20 * options.units * sizeof *before) != 0;
    assert_true(memcmp(before, after, count_weights(network) * sizeof *before) != 0);
    dbt__free(before);
    dbt__free(after);
    dbt_batch_free(batch);
    dbt_network_free(network);
    return moved;
}

static void test_optimizer__which_rows_move_without_a_gradient(void **state)
{
    (void)state;
    assert_true(untouched_rows_move(DBT_ADAM, 0, 0));
    assert_true(untouched_rows_move(DBT_ADAMW, 0, 0));
    assert_true(untouched_rows_move(DBT_SGD, 0.9, 0));
    assert_true(untouched_rows_move(DBT_ADAM, 0, 1e-3));
    assert_true(untouched_rows_move(DBT_SGD, 0, 1e-3));
    assert_true(untouched_rows_move(DBT_ADAGRAD, 0, 1e-3));
    assert_false(untouched_rows_move(DBT_SGD, 0, 0));
    assert_false(untouched_rows_move(DBT_ADAGRAD, 0, 0));
    assert_false(untouched_rows_move(DBT_LAZY_ADAM, 0, 0));
    assert_false(untouched_rows_move(DBT_LAZY_ADAM, 0, 1e-3));
}

/* --- other people's trajectories, through the update of plain arrays --- */

static double sigmoid(double z)
{
    return 1 / (1 + exp(-z));
}

/* PyTorch's test network: 2-3-1, sigmoid after both layers, the loss the sum of three outputs. W1
 * [3 x 2], b1, W2, b2. */
static void torch_gradient(const float p[13], float g[13])
{
    static const double x[3][2] = {{0.1, 0.2}, {0.3, 0.4}, {0.5, 0.6}};
    double sum[13] = {0};
    for (int s = 0; s < 3; s++) {
        double h[3], z = (double)p[12];
        for (int i = 0; i < 3; i++) {
            h[i] = sigmoid((double)p[2 * i] * x[s][0] + (double)p[2 * i + 1] * x[s][1] +
                           (double)p[6 + i]);
            z += (double)p[9 + i] * h[i];
        }
        double y = sigmoid(z), dz = y * (1 - y);
        sum[12] += dz;
        for (int i = 0; i < 3; i++) {
            double dh = dz * (double)p[9 + i] * h[i] * (1 - h[i]);
            sum[9 + i] += dz * h[i];
            sum[6 + i] += dh;
            sum[2 * i] += dh * x[s][0];
            sum[2 * i + 1] += dh * x[s][1];
        }
    }
    for (int i = 0; i < 13; i++)
        g[i] = (float)sum[i];
}

static double number(const json_t *object, const char *key, double otherwise)
{
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : otherwise;
}

/* Samples after steps 1 and 101: float drifts from double in the long run. */
static void follow_torch(const json_t *root, const char *name, dbt_optimizer kind)
{
    const json_t *setting = json_object_get(json_object_get(root, "optimizers"), name);
    const json_t *hyper = json_object_get(setting, "hyper");
    const json_t *samples = json_object_get(setting, "samples");
    assert_true(json_array_size(samples) >= 2);
    dbt_network_options options = small_options();
    options.optimizer = kind;
    options.learning_rate = number(hyper, "lr", NAN);
    options.momentum = number(hyper, "momentum", 0);
    options.nesterov = json_is_true(json_object_get(hyper, "nesterov"));
    options.weight_decay = number(hyper, "decoupled_decay", 0);
    options.l2 = number(hyper, "l2", 0) / 2; /* PyTorch adds l2 * w to the gradient */
    static dbt__optimizer optimizer;
    dbt__optimizer_init(&optimizer, &options, dbt__kernels_get());
    double epsilon = number(hyper, "eps", kind == DBT_ADAGRAD ? 1e-10 : 1e-8);
    optimizer.epsilon = epsilon;
    float p[13], g[13], s0[13] = {0}, s1[13] = {0};
    for (size_t i = 0; i < 13; i++)
        p[i] = (float)json_number_value(json_array_get(json_object_get(root, "initial_params"), i));
    for (int step = 1; step <= 101; step++) {
        /* PyTorch corrects v before it adds epsilon, Keras after. */
        if (kind != DBT_ADAGRAD) optimizer.epsilon = epsilon * sqrt(1 - pow(0.999, step));
        torch_gradient(p, g);
        dbt__optimizer_begin(&optimizer);
        dbt__optimizer_update(&optimizer, true, 13, g, p, s0, s1);
        dbt__optimizer_end(&optimizer);
        if (step != 1 && step != 101) continue;
        const json_t *sample = json_array_get(samples, step == 1 ? 0 : 1);
        for (size_t i = 0; i < 13; i++) {
            double expected = json_number_value(json_array_get(sample, i));
            if (!(fabs((double)p[i] - expected) <= 1e-4))
                fail_msg("%s, step %d: parameter %zu is %.9g, not %.9g", name, step, i,
                         (double)p[i], expected);
        }
    }
}

static void test_optimizer__follows_pytorch(void **state)
{
    (void)state;
    json_t *root = load_suite(DBT_SHARED_DATA "/suites/pytorch-optim/optim_baseline.json");
    static const struct {
        const char *name;
        dbt_optimizer kind;
    } cases[] = {
        {"Adam", DBT_ADAM},
        {"Adam_with_weight_decay", DBT_ADAM},
        {"AdamW", DBT_ADAMW},
        {"AdamW_without_weight_decay", DBT_ADAMW},
        {"Adagrad", DBT_ADAGRAD},
        {"Adagrad_with_weight_decay", DBT_ADAGRAD},
        {"SGD", DBT_SGD},
        {"SGD_with_weight_decay", DBT_SGD},
        {"SGD_with_weight_decay_and_momentum", DBT_SGD},
        {"SGD_with_weight_decay_and_nesterov_momentum", DBT_SGD},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        follow_torch(root, cases[i].name, cases[i].kind);
    json_decref(root);
}

static void test_optimizer__follows_keras(void **state)
{
    (void)state;
    json_t *root = load_suite(DBT_SHARED_DATA "/suites/keras-optim/golden.json");
    const json_t *single = json_object_get(root, "single_step");
    static const dbt_optimizer kinds[] = {DBT_SGD, DBT_ADAM};
    for (size_t k = 0; k < 2; k++) {
        const json_t *test = json_array_get(single, k);
        dbt_network_options options = small_options();
        options.optimizer = kinds[k];
        options.learning_rate = number(test, "lr", NAN);
        static dbt__optimizer optimizer;
        dbt__optimizer_init(&optimizer, &options, dbt__kernels_get());
        float w[4], g[4], s0[4] = {0}, s1[4] = {0};
        for (size_t i = 0; i < 4; i++) {
            w[i] = (float)json_number_value(json_array_get(json_object_get(test, "vars"), i));
            g[i] = (float)json_number_value(json_array_get(json_object_get(test, "grads"), i));
        }
        dbt__optimizer_begin(&optimizer);
        dbt__optimizer_update(&optimizer, true, 4, g, w, s0, s1);
        for (size_t i = 0; i < 4; i++)
            assert_true(fabs((double)w[i] - json_number_value(json_array_get(
                                                json_object_get(test, "expect"), i))) <= 1e-4);
    }
    const json_t *rows =
        json_object_get(json_object_get(json_object_get(root, "golden"), "SGD"), "rows");
    dbt_network_options options = small_options();
    options.optimizer = DBT_SGD;
    options.learning_rate = 0.01;
    options.nesterov = true;
    static dbt__optimizer sgd;
    dbt__optimizer_init(&sgd, &options, dbt__kernels_get());
    float w[10], g[10];
    for (size_t i = 0; i < 10; i++)
        w[i] = 1, g[i] = 0.01f;
    assert_int_equal(json_array_size(rows), 5);
    for (size_t r = 0; r < 5; r++) {
        dbt__optimizer_begin(&sgd);
        dbt__optimizer_update(&sgd, true, 10, g, w, NULL, NULL);
        dbt__optimizer_end(&sgd);
        for (size_t i = 0; i < 10; i++) {
            double expected = json_number_value(json_array_get(json_array_get(rows, r), i));
            assert_true(fabs((double)w[i] - expected) <= 5e-4);
            g[i] = 0.1f * (float)(i + 1);
        }
    }
    json_decref(root);
}

/* 3-2-1 with logistic units, one row, one step of SGD with l2, worked by hand in scikit-learn's
 * test. */
static void test_optimizer__follows_scikit_learns_worked_example(void **state)
{
    (void)state;
    json_t *root = load_suite(DBT_SHARED_DATA "/suites/sklearn-mlp/worked_example.json");
    static const double x[3] = {0.6, 0.8, 0.7};
    float w1[6] = {0.1f, 0.2f, 0.3f, 0.1f, 0.5f, 0}, b1[2] = {0.1f, 0.1f}, w2[2] = {0.1f, 0.2f};
    float b2 = 1, dw1[6], db1[2], dw2[2];
    double h[2], z = (double)b2;
    for (int u = 0; u < 2; u++) {
        double sum = (double)b1[u];
        for (int i = 0; i < 3; i++)
            sum += x[i] * (double)w1[2 * i + u];
        h[u] = sigmoid(sum);
        z += h[u] * (double)w2[u];
    }
    float dz = (float)sigmoid(z); /* the label is 0 */
    for (int u = 0; u < 2; u++) {
        dw2[u] = dz * (float)h[u];
        db1[u] = dz * w2[u] * (float)(h[u] * (1 - h[u]));
        for (int i = 0; i < 3; i++)
            dw1[2 * i + u] = db1[u] * (float)x[i];
    }
    dbt_network_options options = small_options();
    options.optimizer = DBT_SGD;
    options.learning_rate = number(root, "lr", NAN);
    options.l2 = number(root, "l2_alpha", NAN) / 2;
    static dbt__optimizer optimizer;
    dbt__optimizer_init(&optimizer, &options, dbt__kernels_get());
    dbt__optimizer_begin(&optimizer);
    dbt__optimizer_update(&optimizer, true, 6, dw1, w1, NULL, NULL);
    dbt__optimizer_update(&optimizer, true, 2, dw2, w2, NULL, NULL);
    dbt__optimizer_update(&optimizer, false, 2, db1, b1, NULL, NULL);
    dbt__optimizer_update(&optimizer, false, 1, &dz, &b2, NULL, NULL);

    const json_t *expect = json_object_get(root, "expect_decimal3");
    for (size_t i = 0; i < 6; i++) {
        const json_t *row = json_array_get(json_object_get(expect, "W1"), i / 2);
        assert_true(fabs((double)w1[i] - json_number_value(json_array_get(row, i % 2))) < 5e-4);
    }
    for (size_t u = 0; u < 2; u++) {
        const json_t *row = json_array_get(json_object_get(expect, "W2"), u);
        assert_true(fabs((double)w2[u] - json_number_value(json_array_get(row, 0))) < 5e-4);
        const json_t *bias = json_array_get(json_object_get(expect, "b1"), u);
        assert_true(fabs((double)b1[u] - json_number_value(bias)) < 5e-4);
    }
    const json_t *bias = json_array_get(json_object_get(expect, "b2"), 0);
    assert_true(fabs((double)b2 - json_number_value(bias)) < 5e-4);
    json_decref(root);
}

/* --- the same bits --- */

typedef struct net_shape {
    const char *name;
    size_t units, layers, classes;
    double l2;
    dbt_optimizer optimizer;
} net_shape;

/* A step in two halves, with all that it needs made for it alone. */
static void train_prepared(dbt_network *network, const dbt_batch *batch, const int32_t *label,
                           dbt_position position)
{
    dbt_error err = {0};
    dbt_preparer *preparer;
    dbt_prepared *prepared;
    dbt_metrics metrics;
    assert_ok(dbt_preparer_new(network, &preparer, &err), err);
    assert_ok(dbt_prepared_new(network, &prepared, &err), err);
    assert_ok(dbt_prepare(preparer, batch, position, prepared, &err), err);
    dbt_preparer_free(preparer);
    assert_ok(dbt_network_train_prepared(network, prepared, label, NULL, &metrics, &err), err);
    dbt_prepared_free(prepared);
}

/* Weights after some steps, every second of them prepared where `prepare` is set, and a settling;
 * the caller frees them. */
static float *train_for_bits(const net_shape *shape, size_t threads, bool prepare, size_t *n)
{
    enum { ROWS = 300 }; /* more than are summed at once */
    dbt_error err = {0};
    dbt_network_options options = small_options();
    options.n_inputs = 1000;
    options.units = shape->units;
    options.layers = shape->layers;
    options.n_classes = shape->classes;
    options.l2 = shape->l2;
    options.optimizer = shape->optimizer;
    dbt_pool *pool = NULL;
    if (threads > 0) assert_ok(dbt_pool_new(threads, &pool, &err), err);
    dbt_network *network = make_network(&options, pool);
    for (int64_t step = 1; step <= 5; step++) {
        int32_t label[ROWS];
        dbt_metrics metrics;
        dbt_batch *batch = make_batch(ROWS, options.n_inputs, 130, (uint64_t)step);
        fill_labels(ROWS, options.n_classes, (uint64_t)step, label);
        dbt_position position = {1, step};
        if (prepare && step % 2 == 0)
            train_prepared(network, batch, label, position);
        else
            assert_ok(dbt_network_train(network, batch, label, NULL, position, &metrics, &err),
                      err);
        dbt_batch_free(batch);
    }
    dbt_network_settle(network);
    *n = count_weights(network);
    float *weights = copy_weights(network);
    dbt_network_free(network);
    dbt_pool_free(pool);
    return weights;
}

/* Neither of what was never prepared, nor of what could not be, is a step made. */
static void test_network__takes_no_step_that_was_not_prepared(void **state)
{
    (void)state;
    dbt_error err = {0};
    dbt_network_options options = small_options();
    dbt_network *network = make_network(&options, NULL);
    dbt_preparer *preparer;
    dbt_prepared *prepared;
    dbt_metrics metrics;
    const int32_t label[4] = {0};
    assert_ok(dbt_preparer_new(network, &preparer, &err), err);
    assert_ok(dbt_prepared_new(network, &prepared, &err), err);
    assert_int_equal(dbt_network_train_prepared(network, prepared, label, NULL, &metrics, &err),
                     DBT_EUSAGE);
    dbt_batch *batch = make_batch(4, options.n_inputs, 3, 1);
    err = (dbt_error){0};
    assert_ok(dbt_prepare(preparer, batch, (dbt_position){1, 1}, prepared, &err), err);
    batch->column[0] = (uint32_t)options.n_inputs; /* there is none */
    assert_int_equal(dbt_prepare(preparer, batch, (dbt_position){1, 2}, prepared, &err),
                     DBT_EUSAGE);
    assert_int_equal(dbt_network_train_prepared(network, prepared, label, NULL, &metrics, &err),
                     DBT_EUSAGE);
    dbt_batch_free(batch);
    dbt_prepared_free(prepared);
    dbt_preparer_free(preparer);
    dbt_network_free(network);
}

static void test_network__same_bits_for_any_number_of_threads(void **state)
{
    (void)state;
    static const net_shape shapes[] = {{"narrow", 64, 2, 2, 0, DBT_ADAM},
                                       {"odd", 77, 3, 5, 0, DBT_ADAMW},
                                       {"wide", 600, 3, 20, 0, DBT_ADAM},
                                       {"swept", 64, 2, 300, 1e-4, DBT_ADAM},
                                       {"flat", 64, 1, 700, 0, DBT_ADAGRAD}};
    static const size_t threads[] = {1, 2, 3, 4, 8, 11};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        size_t n, m;
        float *alone = train_for_bits(&shapes[i], 0, false, &n);
        for (size_t t = 0; t < sizeof threads / sizeof *threads; t++) {
            float *together = train_for_bits(&shapes[i], threads[t], t % 2 == 1, &m);
            assert_int_equal(n, m);
            if (memcmp(alone, together, n * sizeof *alone) != 0)
                fail_msg("%s: other bits with %zu threads", shapes[i].name, threads[t]);
            dbt__free(together);
        }
        dbt__free(alone);
    }
}

/* --- dropout --- */

static void test_dropout__of_the_input_depends_on_row_and_feature_alone(void **state)
{
    (void)state;
    enum { ROWS = 50, FEATURES = 400 };
    dbt_network_options options = small_options();
    dbt_error err = {0};
    dbt__sparse whole, part;
    dbt__column_set columns;
    dbt_batch *batch = make_batch(ROWS, FEATURES, 200, 6);
    const uint32_t bound[] = {0, FEATURES};
    assert_ok(dbt__column_set_init(&columns, FEATURES, &err), err);
    dbt__sparse_init(&whole, bound, 1, dbt__kernels_get());
    dbt__sparse_init(&part, bound, 1, dbt__kernels_get());
    dbt__mask mask = dbt__mask_make(&options, (dbt_position){2, 5});
    assert_ok(dbt__sparse_fill(&whole, &columns, batch, &mask, &err), err);
    double share = (double)whole.start[ROWS] / (double)batch->row_start[ROWS];
    assert_true(fabs(share - 0.8) < 5 * sqrt(0.16 / (double)batch->row_start[ROWS]));

    /* Every other entry of the batch: those of them that were kept are kept again. */
    size_t kept = 0;
    for (size_t r = 0; r < ROWS; r++) {
        size_t begin = batch->row_start[r], end = batch->row_start[r + 1];
        batch->row_start[r] = kept;
        for (size_t e = begin; e < end; e++) {
            if (e % 2 == 1) continue;
            batch->column[kept] = batch->column[e];
            batch->value[kept++] = batch->value[e];
        }
    }
    batch->row_start[ROWS] = kept;
    assert_ok(dbt__sparse_fill(&part, &columns, batch, &mask, &err), err);
    for (size_t r = 0; r < ROWS; r++) {
        size_t w = whole.start[r], p = part.start[r];
        for (size_t e = batch->row_start[r]; e < batch->row_start[r + 1]; e++) {
            while (w < whole.start[r + 1] && whole.column[w] < batch->column[e])
                w++;
            bool in_whole = w < whole.start[r + 1] && whole.column[w] == batch->column[e];
            bool in_part = p < part.start[r + 1] && part.column[p] == batch->column[e];
            assert_int_equal(in_whole, in_part);
            if (in_part) assert_true(part.value[p++] == whole.value[w]);
        }
        assert_int_equal(p, part.start[r + 1]);
    }
    dbt__sparse_release(&whole);
    dbt__sparse_release(&part);
    dbt__column_set_release(&columns);
    dbt_batch_free(batch);
}

/* Weights after one step at a position; the caller frees them. */
static float *step_at(dbt_position position, uint64_t seed)
{
    dbt_network_options options = small_options();
    dbt_error err = {0};
    dbt_metrics metrics;
    int32_t label[10];
    options.seed = seed;
    dbt_network *network = make_network(&options, NULL);
    for (size_t i = 0; i < options.n_inputs * options.units; i++)
        dbt_network_parameter(network, 0).value[i] = (float)(i % 13) / 13 - 0.4f;
    dbt_batch *batch = make_batch(10, options.n_inputs, 20, 1);
    fill_labels(10, 3, 1, label);
    assert_ok(dbt_network_train(network, batch, label, NULL, position, &metrics, &err), err);
    float *weights = copy_weights(network);
    dbt_batch_free(batch);
    dbt_network_free(network);
    return weights;
}

static void test_dropout__is_a_function_of_seed_epoch_and_step(void **state)
{
    (void)state;
    const size_t bytes = 40 * 7 * sizeof(float);
    float *base = step_at((dbt_position){4, 9}, 1), *same = step_at((dbt_position){4, 9}, 1);
    float *others[] = {step_at((dbt_position){5, 9}, 1), step_at((dbt_position){4, 10}, 1),
                       step_at((dbt_position){4, 9}, 2)};
    assert_memory_equal(base, same, bytes);
    for (size_t i = 0; i < 3; i++) {
        assert_true(memcmp(base, others[i], bytes) != 0);
        dbt__free(others[i]);
    }
    dbt__free(base);
    dbt__free(same);
}

/* The entry of the batch at (row, column). */
static float value_at(const dbt_batch *batch, size_t row, uint32_t column)
{
    size_t at = batch->row_start[row];
    while (at < batch->row_start[row + 1] && batch->column[at] != column)
        at++;
    assert_true(at < batch->row_start[row + 1]);
    return batch->value[at];
}

/* Each entry between the bounds is there once, in the part that it belongs to. */
static void check_parts(const dbt__sparse *sparse, const dbt_batch *batch)
{
    size_t expected = 0, seen = 0;
    for (size_t e = 0; e < batch->row_start[batch->n_rows]; e++)
        expected += batch->column[e] >= sparse->bound[0] &&
                    batch->column[e] < sparse->bound[sparse->n_parts];
    for (size_t i = 0; i < batch->n_rows * sparse->n_parts; i++) {
        size_t row = i / sparse->n_parts, part = i % sparse->n_parts;
        for (size_t e = sparse->start[i]; e < sparse->start[i + 1]; e++, seen++) {
            assert_in_range(sparse->column[e], sparse->bound[part], sparse->bound[part + 1] - 1);
            assert_true(value_at(batch, row, sparse->column[e]) == sparse->value[e]);
            if (e > sparse->start[i]) assert_true(sparse->column[e] > sparse->column[e - 1]);
        }
    }
    assert_int_equal(seen, expected);
}

/* Feature by feature, the same entries. */
static void check_transpose(const dbt__sparse *sparse, const dbt_batch *batch)
{
    size_t seen = 0;
    for (size_t i = 0; i < sparse->n_active; i++) {
        if (i > 0) assert_true(sparse->active[i] > sparse->active[i - 1]);
        assert_true(sparse->active_start[i + 1] > sparse->active_start[i]);
        for (size_t e = sparse->active_start[i]; e < sparse->active_start[i + 1]; e++, seen++) {
            if (e > sparse->active_start[i])
                assert_true(sparse->active_row[e] > sparse->active_row[e - 1]);
            assert_true(value_at(batch, sparse->active_row[e], sparse->active[i]) ==
                        sparse->active_value[e]);
        }
    }
    assert_int_equal(seen, sparse->start[sparse->n_rows * sparse->n_parts]);
}

static void test_sparse__has_the_range_in_parts_and_transposed(void **state)
{
    (void)state;
    enum { ROWS = 30, FEATURES = 200 };
    static const struct {
        size_t n_parts;
        uint32_t bound[5];
    } ranges[] = {{1, {0, FEATURES}},
                  {1, {63, 129}},
                  {3, {0, 50, 51, FEATURES}},
                  {4, {100, 100, 164, 190, FEATURES}}, /* one without columns */
                  {1, {7, 7}}};
    dbt_error err = {0};
    dbt_network_options options = small_options();
    options.dropout = 0;
    dbt__mask mask = dbt__mask_make(&options, (dbt_position){1, 1});
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        dbt__sparse sparse;
        dbt__column_set columns;
        const uint32_t *bound = ranges[i].bound;
        size_t n_parts = ranges[i].n_parts;
        assert_ok(dbt__column_set_init(&columns, bound[n_parts] - bound[0], &err), err);
        dbt__sparse_init(&sparse, bound, n_parts, dbt__kernels_get());
        for (uint64_t round = 0; round < 3; round++) { /* what a call leaves behind is clean */
            dbt_batch *batch = make_batch(ROWS, FEATURES, 3 + 20 * (size_t)round, round);
            assert_ok(dbt__sparse_fill(&sparse, &columns, batch, &mask, &err), err);
            check_parts(&sparse, batch);
            check_transpose(&sparse, batch);
            dbt_batch_free(batch);
        }
        dbt__sparse_release(&sparse);
        dbt__column_set_release(&columns);
    }
}

/* --- divergence and refusals --- */

/* What is made wrong, and what then says so. */
static const char *const divergences[] = {
    "the loss is not finite",                /* NaN in the batch */
    "the loss is not finite",                /* infinity in the batch */
    "the loss is not finite",                /* NaN in a bias */
    "the loss is not finite",                /* NaN as a row's weight */
    "the loss is not finite",                /* infinity as a row's weight */
    "the gradient of layer 1 is not finite", /* a loss that double holds, and a gradient that float
                                                does not */
};
#define DIVERGENCES (sizeof divergences / sizeof *divergences)

static void check_divergence(size_t what, dbt_network *network, dbt_batch *batch,
                             const int32_t *label)
{
    dbt_error err = {0};
    dbt_metrics metrics;
    float kept = batch->value[3], weight[9];
    for (size_t r = 0; r < 9; r++)
        weight[r] = what == 5 ? 3e38f : 1;
    float *bias = dbt_network_parameter(network, 1).value, kept_bias = bias[0];
    if (what == 0) batch->value[3] = NAN;
    if (what == 1) batch->value[3] = INFINITY;
    if (what == 2) bias[0] = NAN;
    if (what == 3) weight[2] = NAN;
    if (what == 4) weight[1] = INFINITY;
    if (what == 5) batch->value[3] = 1e30f;
    float *before = copy_weights(network);
    assert_int_equal(
        dbt_network_train(network, batch, label, weight, (dbt_position){1, 12}, &metrics, &err),
        DBT_EDIVERGED);
    assert_int_equal(err.status, DBT_EDIVERGED);
    char message[100];
    (void)snprintf(message, sizeof message, "step 12: %s", divergences[what]);
    assert_string_equal(err.message, message);
    assert_weights(network, before);
    dbt__free(before);
    batch->value[3] = kept;
    bias[0] = kept_bias;
}

static void test_train__diverges_without_touching_the_weights(void **state)
{
    (void)state;
    for (size_t what = 0; what < DIVERGENCES; what++) {
        dbt_network_options options = small_options();
        options.dropout = 0;
        dbt_network *network = make_network(&options, NULL);
        dbt_batch *batch = make_batch(9, options.n_inputs, 20, 4);
        dbt_error err = {0};
        dbt_metrics metrics;
        int32_t label[9];
        fill_labels(9, 3, 5, label);
        assert_ok(dbt_network_train(network, batch, label, NULL, first_step, &metrics, &err), err);
        dbt_network_settle(network);
        check_divergence(what, network, batch, label);
        /* It goes on afterwards as if nothing had been. */
        assert_ok(
            dbt_network_train(network, batch, label, NULL, (dbt_position){1, 2}, &metrics, &err),
            err);
        assert_ok(dbt_network_check(network, &err), err);
        dbt_batch_free(batch);
        dbt_network_free(network);
    }
}

static void test_train__an_absurd_learning_rate_diverges(void **state)
{
    (void)state;
    for (int kind = 0; kind < 5; kind++) {
        dbt_network_options options = small_options();
        options.optimizer = (dbt_optimizer)kind;
        options.learning_rate = 1e30;
        dbt_network *network = make_network(&options, NULL);
        dbt_batch *batch = make_batch(9, options.n_inputs, 20, 4);
        dbt_status status = DBT_OK;
        int32_t label[9];
        fill_labels(9, 3, 5, label);
        for (int64_t step = 1; step <= 20 && status == DBT_OK; step++) {
            dbt_error err = {0};
            dbt_metrics metrics;
            status = dbt_network_train(network, batch, label, NULL, (dbt_position){1, step},
                                       &metrics, &err);
        }
        assert_int_equal(status, DBT_EDIVERGED);
        dbt_batch_free(batch);
        dbt_network_free(network);
    }
}

static void test_check__names_the_parameter(void **state)
{
    (void)state;
    dbt_network_options options = small_options();
    dbt_network *network = make_network(&options, NULL);
    dbt_error err = {0};
    assert_ok(dbt_network_check(network, &err), err);
    dbt_network_parameter(network, 3).value[2] = NAN;
    assert_int_equal(dbt_network_check(network, &err), DBT_EDIVERGED);
    assert_string_equal(err.message, "a bias of layer 1 is not finite");
    err = (dbt_error){0};
    dbt_network_parameter(network, 0).value[40 * 7 - 1] = INFINITY;
    assert_int_equal(dbt_network_check(network, &err), DBT_EDIVERGED);
    assert_string_equal(err.message, "a weight of layer 0 is not finite");
    dbt_network_free(network);
}

static void test_train__refuses_what_does_not_fit(void **state)
{
    (void)state;
    dbt_network_options options = small_options();
    dbt_network *network = make_network(&options, NULL);
    dbt_batch *batch = make_batch(9, options.n_inputs, 20, 4);
    float *before = copy_weights(network);
    dbt_preparer *preparer;
    dbt_prepared *prepared;
    dbt_error none = {0};
    assert_ok(dbt_preparer_new(network, &preparer, &none), none);
    assert_ok(dbt_prepared_new(network, &prepared, &none), none);
    size_t late = batch->row_start[7] + 2;
    for (int what = 0; what < 7; what++) {
        dbt_error err = {0};
        dbt_metrics metrics;
        int32_t label[9] = {0};
        uint32_t column = batch->column[5], late_column = batch->column[late];
        if (what == 0) batch->n_rows = 0;
        if (what == 1) batch->n_columns = 39;
        if (what == 2) batch->column[5] = 40;
        if (what == 3) label[8] = 3;
        if (what == 4) label[0] = -1;
        if (what == 5) batch->column[late] = batch->column[late - 1];
        if (what == 6) batch->column[late] = 40;
        assert_int_equal(dbt_network_train(network, batch, label, NULL, first_step, &metrics, &err),
                         DBT_EUSAGE);
        assert_true(err.message[0] != '\0');
        /* a batch is refused when it is prepared, labels are by the step */
        dbt_error other = {0};
        dbt_status status = dbt_prepare(preparer, batch, first_step, prepared, &other);
        if ((what == 3 || what == 4) && status == DBT_OK)
            status = dbt_network_train_prepared(network, prepared, label, NULL, &metrics, &other);
        assert_int_equal(status, DBT_EUSAGE);
        assert_string_equal(other.message, err.message);
        batch->n_rows = 9;
        batch->n_columns = 40;
        batch->column[5] = column;
        batch->column[late] = late_column;
    }
    dbt_preparer_free(preparer);
    dbt_prepared_free(prepared);
    assert_weights(network, before);
    dbt__free(before);
    dbt_batch_free(batch);
    dbt_network_free(network);
}

static void test_network__takes_null_where_it_says_so(void **state)
{
    (void)state;
    dbt_network_free(NULL);
    dbt_workspace_free(NULL);
    dbt_preparer_free(NULL);
    dbt_prepared_free(NULL);
}

/* --- predicting --- */

static void test_predict__does_not_depend_on_how_rows_are_batched(void **state)
{
    (void)state;
    static const size_t classes[] = {2, 3, 30};
    for (size_t i = 0; i < 3; i++) {
        dbt_network_options options = small_options();
        options.n_classes = classes[i];
        options.units = 300;
        options.layers = 3;
        dbt_network *network = make_network(&options, NULL);
        dbt_error err = {0};
        dbt_workspace *workspace, *other;
        assert_ok(dbt_workspace_new(network, &workspace, &err), err);
        assert_ok(dbt_workspace_new(network, &other, &err), err);
        dbt_batch *batch = make_batch(70, options.n_inputs, 20, 4);
        const float *whole, *one;
        assert_ok(dbt_network_predict(network, workspace, batch, &whole, &err), err);
        for (size_t r = 0; r < 70; r++) {
            size_t begin = batch->row_start[r], starts[2] = {0, batch->row_start[r + 1] - begin};
            dbt_batch row = {.n_rows = 1,
                             .n_columns = options.n_inputs,
                             .row_start = starts,
                             .column = batch->column + begin,
                             .value = batch->value + begin};
            assert_ok(dbt_network_predict(network, other, &row, &one, &err), err);
            double sum = 0;
            for (size_t k = 0; k < classes[i]; k++) {
                float p = whole[r * classes[i] + k];
                assert_true(p >= 0 && p <= 1);
                assert_true(fabsf(p - one[k]) < 1e-6f);
                sum += (double)p;
            }
            assert_true(fabs(sum - 1) < 1e-5);
        }
        dbt_batch_free(batch);
        dbt_workspace_free(workspace);
        dbt_workspace_free(other);
        dbt_network_free(network);
    }
}

static void set_all(dbt_network *network, float value)
{
    for (size_t p = 0; p < dbt_network_parameters(network); p++) {
        dbt_parameter parameter = dbt_network_parameter(network, p);
        for (size_t i = 0; i < parameter.rows * parameter.columns; i++)
            parameter.value[i] = value;
    }
}

static void test_score__ties_unknown_labels_and_certainty(void **state)
{
    (void)state;
    for (size_t classes = 2; classes <= 3; classes++) {
        dbt_network_options options = small_options();
        options.n_classes = classes;
        dbt_network *network = make_network(&options, NULL);
        dbt_error err = {0};
        dbt_workspace *workspace;
        assert_ok(dbt_workspace_new(network, &workspace, &err), err);
        dbt_batch *batch = make_batch(4, options.n_inputs, 20, 4);
        const float *probability;
        set_all(network, 0);
        assert_ok(dbt_network_predict(network, workspace, batch, &probability, &err), err);
        /* All classes alike: the first one is the prediction. */
        dbt_metrics metrics = dbt_network_score(workspace, (int32_t[]){0, 0, 1, -1});
        assert_int_equal(metrics.n_rows, 4);
        assert_true(metrics.correct == 2);
        double expected = 3 * log((double)classes) - log(1e-7);
        assert_true(fabs(metrics.loss - expected) < 1e-6);
        /* A logit of 200 or more: the loss of the other class is that logit, not infinite. */
        dbt_network_parameter(network, 3).value[0] = 200;
        assert_ok(dbt_network_predict(network, workspace, batch, &probability, &err), err);
        int32_t sure = classes == 2 ? 1 : 0, wrong = 1 - sure;
        assert_true(probability[sure] == 1);
        metrics = dbt_network_score(workspace, (int32_t[]){sure, sure, sure, wrong});
        assert_true(metrics.correct == 3);
        assert_true(fabs(metrics.loss - 200) < 1e-6);
        dbt_batch_free(batch);
        dbt_workspace_free(workspace);
        dbt_network_free(network);
    }
}

enum { CLASSES = 3 };

/* The class that the probabilities choose, the first of equals; it is the one that counts as right.
 */
static int32_t choose_class(size_t n_classes, const float *logit)
{
    float probability[CLASSES];
    dbt__probabilities(1, n_classes, logit, probability);
    int32_t chosen = 0;
    for (int32_t k = 1; k < (int32_t)n_classes; k++)
        if (probability[k] > probability[chosen]) chosen = k;
    for (int32_t label = 0; label < (int32_t)n_classes; label++) {
        const dbt__targets targets = {.n_rows = 1, .n_classes = n_classes, .label = &label};
        dbt_metrics metrics;
        dbt__loss(&targets, logit, NULL, &metrics);
        assert_true(metrics.correct == (label == chosen ? 1 : 0));
    }
    return chosen;
}

/* Logits that differ by less than their probabilities in float can. */
static void test_score__decides_as_the_probabilities_do(void **state)
{
    (void)state;
    const float next = nextafterf(0.01f, 1);
    const struct {
        float logit[CLASSES];
        int32_t expected;
    } cases[] = {{{0, 0.01f, next}, 1},    {{next, 0.01f, 0}, 0}, {{0.01f, 0, next}, 0},
                 {{0.01f, 0.01f, 0}, 0},   {{0, 0.5f, 0.6f}, 2},  {{1, 1.00001f, 0}, 1},
                 {{-90, -90.0001f, 0}, 2}, {{0, 1e-7f, 2e-7f}, 2}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(choose_class(CLASSES, cases[i].logit), cases[i].expected);
    for (int i = -500; i <= 500; i++) {
        const float logit = 1e-9f * (float)i;
        int32_t chosen = choose_class(2, &logit);
        if (i <= 0) assert_int_equal(chosen, 0);
        if (i > 250) assert_int_equal(chosen, 1);
    }
}

static void test_predict__no_rows_empty_rows_and_refusals(void **state)
{
    (void)state;
    dbt_network_options options = small_options();
    dbt_network *network = make_network(&options, NULL), *other = make_network(&options, NULL);
    dbt_error err = {0};
    dbt_workspace *workspace;
    const float *probability;
    assert_ok(dbt_workspace_new(network, &workspace, &err), err);
    dbt_batch *batch = make_batch(9, options.n_inputs, 20, 4);
    batch->n_rows = 0;
    assert_ok(dbt_network_predict(network, workspace, batch, &probability, &err), err);
    assert_int_equal(dbt_network_score(workspace, NULL).n_rows, 0);
    batch->n_rows = 9; /* row 8 has no entry: its hidden layer is 0, its logits the bias */
    assert_ok(dbt_network_predict(network, workspace, batch, &probability, &err), err);
    for (size_t k = 0; k < 3; k++)
        assert_true(fabsf(probability[8 * 3 + k] - 1.0f / 3) < 1e-6f);
    assert_int_equal(dbt_network_predict(other, workspace, batch, &probability, &err), DBT_EUSAGE);
    err = (dbt_error){0};
    batch->n_columns = 41;
    assert_int_equal(dbt_network_predict(network, workspace, batch, &probability, &err),
                     DBT_EUSAGE);
    assert_null(probability);
    dbt_batch_free(batch);
    dbt_workspace_free(workspace);
    dbt_network_free(network);
    dbt_network_free(other);
}

static void test_network__learns_what_can_be_learnt(void **state)
{
    (void)state;
    enum { ROWS = 60 };
    dbt_network_options options = small_options();
    options.learning_rate = 0.01;
    dbt_network *network = make_network(&options, NULL);
    dbt_error err = {0};
    dbt_batch *batch = make_batch(ROWS, options.n_inputs, 20, 4);
    int32_t label[ROWS];
    for (size_t r = 0; r < ROWS; r++) { /* the class is that of the row's first feature */
        size_t begin = batch->row_start[r];
        label[r] = begin == batch->row_start[r + 1] ? 0 : (int32_t)(batch->column[begin] % 3);
    }
    dbt_metrics metrics;
    for (int64_t step = 1; step <= 600; step++)
        assert_ok(
            dbt_network_train(network, batch, label, NULL, (dbt_position){1, step}, &metrics, &err),
            err);
    dbt_network_settle(network);
    dbt_workspace *workspace;
    const float *probability;
    assert_ok(dbt_workspace_new(network, &workspace, &err), err);
    assert_ok(dbt_network_predict(network, workspace, batch, &probability, &err), err);
    metrics = dbt_network_score(workspace, label);
    assert_true(metrics.correct >= ROWS - 1);
    assert_true(metrics.loss / ROWS < 0.2);
    dbt_workspace_free(workspace);
    dbt_batch_free(batch);
    dbt_network_free(network);
}

static void test_penalty__is_l2_times_squared_weights(void **state)
{
    (void)state;
    dbt_network_options options = small_options();
    options.l2 = 0.5;
    dbt_network *network = make_network(&options, NULL);
    set_all(network, 2);
    assert_true(dbt_network_penalty(network) == 0.5 * 4 * (40 * 7 + 7 * 3));
    dbt_network_free(network);
    options.l2 = 0;
    network = make_network(&options, NULL);
    assert_true(dbt_network_penalty(network) == 0);
    dbt_network_free(network);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options__out_of_range_are_refused),
        cmocka_unit_test(test_optimizer__names_go_both_ways),
        cmocka_unit_test(test_network__absurd_sizes_are_out_of_memory),
        cmocka_unit_test(test_network__bytes_grow_with_what_the_optimizer_keeps),
        cmocka_unit_test(test_network__weight_bytes_are_those_of_all_layers),
        cmocka_unit_test(test_network__a_step_takes_no_more_scratch_than_is_told),
        cmocka_unit_test(test_network__starts_glorot_uniform),
        cmocka_unit_test(test_gradient__agrees_with_central_differences),
        cmocka_unit_test(test_catch_up__is_the_sweep),
        cmocka_unit_test(test_network__rows_that_lag_end_where_a_sweep_ends),
        cmocka_unit_test(test_optimizer__which_rows_move_without_a_gradient),
        cmocka_unit_test(test_optimizer__follows_pytorch),
        cmocka_unit_test(test_optimizer__follows_keras),
        cmocka_unit_test(test_optimizer__follows_scikit_learns_worked_example),
        cmocka_unit_test(test_network__takes_no_step_that_was_not_prepared),
        cmocka_unit_test(test_network__same_bits_for_any_number_of_threads),
        cmocka_unit_test(test_dropout__of_the_input_depends_on_row_and_feature_alone),
        cmocka_unit_test(test_dropout__is_a_function_of_seed_epoch_and_step),
        cmocka_unit_test(test_sparse__has_the_range_in_parts_and_transposed),
        cmocka_unit_test(test_train__diverges_without_touching_the_weights),
        cmocka_unit_test(test_train__an_absurd_learning_rate_diverges),
        cmocka_unit_test(test_check__names_the_parameter),
        cmocka_unit_test(test_train__refuses_what_does_not_fit),
        cmocka_unit_test(test_network__takes_null_where_it_says_so),
        cmocka_unit_test(test_predict__does_not_depend_on_how_rows_are_batched),
        cmocka_unit_test(test_score__ties_unknown_labels_and_certainty),
        cmocka_unit_test(test_score__decides_as_the_probabilities_do),
        cmocka_unit_test(test_predict__no_rows_empty_rows_and_refusals),
        cmocka_unit_test(test_network__learns_what_can_be_learnt),
        cmocka_unit_test(test_penalty__is_l2_times_squared_weights),
    };
    return cmocka_run_group_tests_name("network", tests, NULL, NULL);
}
