/*
 * test_network_golden.c: the twelve trajectories of data/golden/network.json, made in float64 by
 * another program, stepped through the public interface in float and in sparse form.
 *
 * Feature 11 occurs in one row only, so a network that moves only the rows a batch touches fails.
 */
#include "testing.h"

#include <math.h>
#include <string.h>

#include <jansson.h>

#include <dbtrain/network.h>

#define TOLERANCE 1e-6
#define ROWS 24
#define FEATURES 12
#define UNITS 5

static json_t *root;

static double number(const json_t *object, const char *key, double otherwise)
{
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : otherwise;
}

static int load_values(void **state)
{
    (void)state;
    json_error_t error;
    root = json_load_file(DBT_TEST_DATA "/golden/network.json", 0, &error);
    if (root == NULL) print_error("%s:%d: %s\n", error.source, error.line, error.text);
    return root == NULL ? -1 : 0;
}

static int free_values(void **state)
{
    (void)state;
    json_decref(root);
    return 0;
}

/* Rows begin .. begin + n - 1 of X, without their zeros. */
static void fill_batch(dbt_batch *batch, size_t begin, size_t n)
{
    const json_t *x = json_object_get(root, "X");
    dbt_error err = {0};
    assert_ok(dbt_batch_reserve(batch, n, n * FEATURES, &err), err);
    batch->n_rows = n;
    batch->n_columns = FEATURES;
    size_t entry = 0;
    for (size_t r = 0; r < n; r++) {
        const json_t *row = json_array_get(x, begin + r);
        assert_int_equal(json_array_size(row), FEATURES);
        batch->row_start[r] = entry;
        for (size_t c = 0; c < FEATURES; c++) {
            double value = json_number_value(json_array_get(row, c));
            if (value == 0) continue;
            batch->column[entry] = (uint32_t)c;
            batch->value[entry++] = (float)value;
        }
    }
    batch->row_start[n] = entry;
}

static dbt_network *make_network(const json_t *test)
{
    const json_t *optimizer = json_object_get(test, "optimizer");
    dbt_error err = {0};
    dbt_network_options options;
    dbt_network_options_init(&options);
    options.n_inputs = FEATURES;
    options.n_classes = (size_t)number(test, "classes", 0);
    options.layers = (size_t)number(test, "layers", 0);
    options.units = UNITS;
    options.dropout = number(test, "dropout", 0);
    options.l2 = number(test, "l2", 0);
    options.label_smoothing = number(test, "label_smoothing", 0);
    options.learning_rate = number(optimizer, "learning_rate", 0);
    options.momentum = number(optimizer, "momentum", 0);
    options.weight_decay = number(optimizer, "weight_decay", 0);
    options.nesterov = json_is_true(json_object_get(optimizer, "nesterov"));
    const char *name = json_string_value(json_object_get(optimizer, "name"));
    assert_ok(dbt_optimizer_parse(name, &options.optimizer, &err), err);
    dbt_network *network;
    assert_ok(dbt_network_new(&options, NULL, &network, &err), err);
    return network;
}

/* Number i of a matrix (an array of rows) or of a bias (an array of numbers). */
static double value_at(const json_t *array, size_t columns, size_t i)
{
    const json_t *row = json_array_get(array, 0);
    if (!json_is_array(row)) return json_number_value(json_array_get(array, i));
    return json_number_value(json_array_get(json_array_get(array, i / columns), i % columns));
}

static const json_t *expected_parameter(const json_t *values, dbt_parameter parameter)
{
    const char *key = strcmp(parameter.name, "bias") == 0 ? "biases" : "weights";
    const json_t *array = json_array_get(json_object_get(values, key), parameter.layer);
    assert_true(json_is_array(array));
    return array;
}

static void set_parameters(dbt_network *network, const json_t *values)
{
    for (size_t p = 0; p < dbt_network_parameters(network); p++) {
        dbt_parameter parameter = dbt_network_parameter(network, p);
        const json_t *array = expected_parameter(values, parameter);
        for (size_t i = 0; i < parameter.rows * parameter.columns; i++)
            parameter.value[i] = (float)value_at(array, parameter.columns, i);
    }
}

static void check_close(double found, double expected, const char *what, size_t test, size_t step)
{
    if (!(fabs(found - expected) <= TOLERANCE))
        fail_msg("case %zu, step %zu: %s is %.9g, not %.9g", test, step, what, found, expected);
}

static void compare_parameters(dbt_network *network, const json_t *values, size_t test, size_t step)
{
    for (size_t p = 0; p < dbt_network_parameters(network); p++) {
        dbt_parameter parameter = dbt_network_parameter(network, p);
        const json_t *array = expected_parameter(values, parameter);
        for (size_t i = 0; i < parameter.rows * parameter.columns; i++)
            check_close((double)parameter.value[i], value_at(array, parameter.columns, i),
                        parameter.name, test, step);
    }
}

static const json_t *find_step(const json_t *test, size_t step)
{
    const json_t *steps = json_object_get(test, "steps");
    for (size_t i = 0; i < json_array_size(steps); i++) {
        const json_t *entry = json_array_get(steps, i);
        if ((size_t)number(entry, "step", 0) == step) return entry;
    }
    fail_msg("no step %zu", step);
    return NULL;
}

/* Takes all steps. settle_at_once: catches rows up after each of them; else only where values are
 * compared. Comparing settles the network, which changes bits but not what they mean. */
static size_t follow_trajectory(const json_t *test, size_t number_of_test, dbt_network *network,
                                bool settle_at_once)
{
    size_t batch_size = (size_t)number(test, "batch_size", 0), step = 0, compared = 0;
    const json_t *labels = json_object_get(test, "labels");
    const json_t *class_weight = json_object_get(test, "class_weight");
    dbt_error err = {0};
    dbt_batch *batch;
    assert_ok(dbt_batch_new(&batch, &err), err);
    for (int64_t epoch = 1; epoch <= (int64_t)number(test, "epochs", 0); epoch++) {
        for (size_t begin = 0; begin < ROWS; begin += batch_size) {
            fill_batch(batch, begin, batch_size);
            int32_t label[ROWS];
            float weight[ROWS];
            for (size_t r = 0; r < batch_size; r++) {
                label[r] = (int32_t)json_integer_value(json_array_get(labels, begin + r));
                weight[r] =
                    !json_is_array(class_weight)
                        ? 1
                        : (float)json_number_value(json_array_get(class_weight, (size_t)label[r]));
            }
            double penalty = dbt_network_penalty(network);
            dbt_metrics metrics;
            step++;
            assert_ok(dbt_network_train(network, batch, label,
                                        json_is_array(class_weight) ? weight : NULL,
                                        (dbt_position){epoch, (int64_t)step}, &metrics, &err),
                      err);
            const json_t *values = find_step(test, step);
            double loss = metrics.loss / (double)metrics.n_rows;
            check_close(loss, number(values, "batch_loss", NAN), "batch_loss", number_of_test,
                        step);
            check_close(loss + penalty, number(values, "total_loss", NAN), "total_loss",
                        number_of_test, step);
            if (settle_at_once) dbt_network_settle(network);
            if (json_object_get(values, "weights") == NULL) continue;
            dbt_network_settle(network);
            compare_parameters(network, values, number_of_test, step);
            compared++;
        }
    }
    dbt_batch_free(batch);
    return compared;
}

static void compare_probabilities(const json_t *test, size_t number_of_test, dbt_network *network)
{
    const json_t *expected = json_object_get(test, "final_probabilities");
    dbt_error err = {0};
    dbt_batch *batch;
    dbt_workspace *workspace;
    const float *probability;
    assert_ok(dbt_batch_new(&batch, &err), err);
    assert_ok(dbt_workspace_new(network, &workspace, &err), err);
    fill_batch(batch, 0, ROWS);
    assert_ok(dbt_network_predict(network, workspace, batch, &probability, &err), err);
    size_t n_classes = dbt_network_get_options(network)->n_classes;
    for (size_t r = 0; r < ROWS; r++) {
        const json_t *row = json_array_get(expected, r);
        if (n_classes == 2) {
            double p = json_number_value(json_array_get(row, 0));
            check_close((double)probability[2 * r + 1], p, "probability", number_of_test, ROWS);
            check_close((double)probability[2 * r], 1 - p, "probability", number_of_test, ROWS);
            continue;
        }
        for (size_t k = 0; k < n_classes; k++)
            check_close((double)probability[r * n_classes + k],
                        json_number_value(json_array_get(row, k)), "probability", number_of_test,
                        ROWS);
    }
    dbt_workspace_free(workspace);
    dbt_batch_free(batch);
}

static void follow_all(bool settle_at_once)
{
    const json_t *cases = json_object_get(root, "cases");
    assert_int_equal(json_array_size(cases), 12);
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *test = json_array_get(cases, i);
        dbt_network *network = make_network(test);
        set_parameters(network, json_object_get(test, "initial"));
        assert_int_equal(follow_trajectory(test, i, network, settle_at_once), 3);
        compare_probabilities(test, i, network);
        dbt_network_free(network);
    }
}

static void test_network__follows_the_golden_trajectories(void **state)
{
    (void)state;
    follow_all(false);
}

static void test_network__follows_them_when_settled_after_every_step(void **state)
{
    (void)state;
    follow_all(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_network__follows_the_golden_trajectories),
        cmocka_unit_test(test_network__follows_them_when_settled_after_every_step),
    };
    return cmocka_run_group_tests_name("network golden", tests, load_values, free_values);
}
