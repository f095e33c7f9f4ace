/* test_checkpoint.c: the state of a training: out of one network and into another, and what is no
 * state. */
#include "testing.h"

#include <math.h>
#include <string.h>

#include <dbtrain/network.h>

#include "../corpus_store.h"
#include "checkpoint.h"
#include "state.h"
#include "weights.h"

enum { N_INPUTS = 7, N_CLASSES = 3, BATCH_ROWS = 4 };

/* Where the members of a head begin; schema/README.md. */
enum {
    AT_MAGIC = 0,
    AT_VERSION = 8,
    AT_LEARNING_RATE = 16,
    AT_EPOCH = 32,
    AT_STEP = 40,
    AT_LOSS = 48,
    AT_CORRECT = 56,
    AT_ROWS = 64,
    AT_SECONDS = 72,
    AT_BEST_EPOCH = 80,
    AT_BEST_VAL_LOSS = 88,
    AT_BEST_VAL_ACC = 96,
    HEAD_BYTES = 104
};

static dbt_network_options small_options(dbt_optimizer optimizer)
{
    dbt_network_options options;
    dbt_network_options_init(&options);
    options.n_inputs = N_INPUTS;
    options.n_classes = N_CLASSES;
    options.units = 3;
    options.optimizer = optimizer;
    options.learning_rate = 0.01;
    options.momentum = 0.9;
    return options;
}

static dbt_network *make_network(const dbt_network_options *options)
{
    dbt_error err = {0};
    dbt_network *network;
    assert_ok(dbt_network_new(options, NULL, &network, &err), err);
    return network;
}

/* Steps first .. last, of batches that each lack some of the features. */
static void train(dbt_network *network, int64_t first, int64_t last)
{
    dbt_error err = {0};
    dbt_metrics metrics;
    for (int64_t step = first; step <= last; step++) {
        size_t row_start[BATCH_ROWS + 1];
        uint32_t column[BATCH_ROWS];
        float value[BATCH_ROWS];
        int32_t label[BATCH_ROWS];
        for (size_t r = 0; r < BATCH_ROWS; r++) {
            row_start[r] = r;
            column[r] = (uint32_t)dbt__random_below((uint64_t)step, r, N_INPUTS);
            value[r] = 0.5F + (float)r;
            label[r] = (int32_t)(r % N_CLASSES);
        }
        row_start[BATCH_ROWS] = BATCH_ROWS;
        const dbt_batch batch = {.n_rows = BATCH_ROWS,
                                 .n_columns = N_INPUTS,
                                 .row_start = row_start,
                                 .column = column,
                                 .value = value};
        const dbt_position position = {1, step};
        assert_ok(dbt_network_train(network, &batch, label, NULL, position, &metrics, &err), err);
    }
}

static dbt__progress some_progress(void)
{
    return (dbt__progress){.seed = 123,
                           .epoch = 3,
                           .step = 9,
                           .loss = 1.25,
                           .correct = 3,
                           .rows = 8,
                           .seconds = 0.5,
                           .best_epoch = 2,
                           .best_val_loss = 0.75,
                           .best_val_acc = 0.5};
}

typedef struct encoded {
    unsigned char *bytes;
    size_t n;
} encoded;

static encoded encode(const dbt_network *network, const dbt__progress *progress)
{
    dbt_error err = {0};
    encoded state;
    assert_ok(dbt__checkpoint_encode(network, progress, &state.bytes, &state.n, &err), err);
    assert_int_equal(state.n, dbt__checkpoint_bytes(network));
    return state;
}

/* A network after nine steps, and its state. */
static dbt_network *make_trained(dbt_optimizer optimizer, encoded *state)
{
    dbt_network_options options = small_options(optimizer);
    dbt_network *network = make_network(&options);
    const dbt__progress progress = some_progress();
    train(network, 1, 9);
    *state = encode(network, &progress);
    return network;
}

static void copy_parameters(dbt_network *from, dbt_network *to)
{
    for (size_t i = 0; i < dbt_network_parameters(from); i++) {
        dbt_parameter a = dbt_network_parameter(from, i), b = dbt_network_parameter(to, i);
        memcpy(b.value, a.value, a.rows * a.columns * sizeof(float));
    }
}

static void assert_same_parameters(dbt_network *a, dbt_network *b)
{
    for (size_t i = 0; i < dbt_network_parameters(a); i++) {
        dbt_parameter p = dbt_network_parameter(a, i), q = dbt_network_parameter(b, i);
        assert_memory_equal(p.value, q.value, p.rows * p.columns * sizeof(float));
    }
}

static void test_checkpoint__a_network_goes_on_as_if_it_had_not_stopped(void **state)
{
    (void)state;
    static const dbt_optimizer optimizers[] = {DBT_ADAM, DBT_ADAMW, DBT_LAZY_ADAM, DBT_SGD,
                                               DBT_ADAGRAD};
    for (size_t i = 0; i < sizeof optimizers / sizeof *optimizers; i++) {
        for (int l2 = 0; l2 <= 1; l2++) {
            dbt_network_options options = small_options(optimizers[i]);
            options.l2 = 0.01 * l2;
            dbt_network *one = make_network(&options);
            dbt_network *other = make_network(&options);
            const dbt__progress progress = some_progress();
            dbt__progress read = {0};
            dbt_error err = {0};
            train(one, 1, 9);
            encoded state_bytes = encode(one, &progress);
            copy_parameters(one, other);
            assert_ok(dbt__checkpoint_decode(state_bytes.bytes, state_bytes.n, other, &read, &err),
                      err);
            assert_memory_equal(&read, &progress, sizeof read);
            assert_int_equal(dbt__network_step(other), 9);
            train(one, 10, 15);
            train(other, 10, 15);
            assert_same_parameters(one, other);
            dbt_network_settle(one);
            dbt_network_settle(other);
            assert_same_parameters(one, other);
            dbt__free(state_bytes.bytes);
            dbt_network_free(one);
            dbt_network_free(other);
        }
    }
}

static void test_checkpoint__the_encoding_is_that_of_the_readme(void **state)
{
    (void)state;
    encoded e;
    int64_t version, last_step[N_INPUTS];
    double learning_rate;
    float moment;
    dbt__progress progress;
    dbt_network *network = make_trained(DBT_ADAM, &e);
    size_t n_rows;
    const int64_t *expected = dbt__network_last_steps(network, &n_rows);
    /* 7 last steps, two moments of 7 x 3, 3, 3 x 3 and 3 numbers */
    assert_int_equal(e.n, HEAD_BYTES + 7 * 8 + 2 * (21 + 3 + 9 + 3) * 4);
    assert_memory_equal(e.bytes, "dbtstate", 8);
    memcpy(&version, e.bytes + AT_VERSION, 8);
    assert_int_equal(version, 1);
    memcpy(&learning_rate, e.bytes + AT_LEARNING_RATE, 8);
    assert_true(learning_rate == 0.01);
    memcpy(&progress, e.bytes + AT_EPOCH - 8, sizeof progress);
    const dbt__progress written = some_progress();
    assert_memory_equal(&progress, &written, sizeof progress);
    memcpy(last_step, e.bytes + HEAD_BYTES, sizeof last_step);
    assert_int_equal(n_rows, N_INPUTS);
    assert_memory_equal(last_step, expected, sizeof last_step);
    memcpy(&moment, e.bytes + e.n - 4, 4);
    assert_true(moment == dbt__network_state_array(network, 7).value[2]);
    dbt__free(e.bytes);
    dbt_network_free(network);
}

/* Whatever decodes is what the bytes say: encoded again it gives them. */
static void test_checkpoint__each_flipped_byte_is_refused_or_decoded_as_it_is(void **state)
{
    (void)state;
    encoded e;
    dbt_network *network = make_trained(DBT_ADAM, &e);
    dbt_network_options options = small_options(DBT_ADAM);
    size_t refused = 0;
    for (size_t i = 0; i < e.n; i++) {
        for (int bit = 0; bit < 8; bit++) {
            dbt_network *other = make_network(&options);
            dbt__progress read;
            dbt_error err = {0};
            e.bytes[i] ^= (unsigned char)(1 << bit);
            dbt_status status = dbt__checkpoint_decode(e.bytes, e.n, other, &read, &err);
            if (status == DBT_OK) {
                encoded again = encode(other, &read);
                assert_memory_equal(again.bytes, e.bytes, e.n);
                dbt__free(again.bytes);
            } else {
                assert_int_equal(status, DBT_EFORMAT);
                assert_true(err.message[0] != '\0');
                refused++;
            }
            e.bytes[i] ^= (unsigned char)(1 << bit);
            dbt_network_free(other);
        }
    }
    assert_in_range(refused, 16 * 8, 8 * e.n - 1);
    dbt__free(e.bytes);
    dbt_network_free(network);
}

static void assert_not_decoded(const encoded *e, dbt_network *network, const char *part)
{
    dbt__progress read;
    dbt_error err = {0};
    assert_int_equal(dbt__checkpoint_decode(e->bytes, e->n, network, &read, &err), DBT_EFORMAT);
    if (strstr(err.message, part) == NULL) fail_msg("'%s' is not in '%s'", part, err.message);
}

static void test_checkpoint__a_state_of_another_shape_is_refused(void **state)
{
    (void)state;
    static const struct {
        size_t n_inputs, n_classes, units, layers;
        dbt_optimizer optimizer;
    } cases[] = {{8, 3, 3, 2, DBT_ADAM},   {7, 4, 3, 2, DBT_ADAM},      {7, 3, 4, 2, DBT_ADAM},
                 {7, 3, 3, 3, DBT_ADAM},   {7, 3, 3, 2, DBT_LAZY_ADAM}, {7, 3, 3, 2, DBT_SGD},
                 {7, 3, 3, 2, DBT_ADAGRAD}};
    encoded e;
    dbt_network *network = make_trained(DBT_ADAM, &e);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        dbt_network_options options = small_options(cases[i].optimizer);
        options.n_inputs = cases[i].n_inputs;
        options.n_classes = cases[i].n_classes;
        options.units = cases[i].units;
        options.layers = cases[i].layers;
        dbt_network *other = make_network(&options);
        assert_not_decoded(&e, other, "bytes, a network of the run's shape");
        dbt_network_free(other);
    }
    static const size_t lengths[] = {0, 1, 8, HEAD_BYTES - 1, HEAD_BYTES};
    size_t whole = e.n;
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        e.n = lengths[i];
        assert_not_decoded(&e, network, "bytes, a network of the run's shape");
    }
    e.n = whole - 1;
    assert_not_decoded(&e, network, "bytes, a network of the run's shape");
    dbt__free(e.bytes);
    dbt_network_free(network);
}

static void test_checkpoint__numbers_that_cannot_be_are_refused(void **state)
{
    (void)state;
    const struct {
        size_t at;
        int64_t whole;
        double number;
        bool is_number;
        const char *part;
    } cases[] = {
        {AT_VERSION, 2, 0, false, "is of version 2, this program knows version 1"},
        {AT_EPOCH, 0, 0, false, "out of range"},
        {AT_STEP, -1, 0, false, "out of range"},
        {AT_ROWS, -1, 0, false, "out of range"},
        {AT_EPOCH, INT64_MAX, 0, false, "out of range"},
        {AT_STEP, INT64_MAX, 0, false, "out of range"},
        {AT_ROWS, INT64_MAX, 0, false, "out of range"},
        {AT_BEST_EPOCH, 3, 0, false, "out of range"},
        {AT_BEST_EPOCH, -1, 0, false, "out of range"},
        {AT_STEP, 8, 0, false, "has moved up to step 9, of 8"},
        {HEAD_BYTES, 10, 0, false, "row 0 has moved up to step 10, of 9"},
        {HEAD_BYTES, -1, 0, false, "row 0 has moved up to step -1, of 9"},
        {AT_LEARNING_RATE, 0, 0, true, "a learning rate of 0"},
        {AT_LEARNING_RATE, 0, (double)NAN, true, "a learning rate of"},
        {AT_LOSS, 0, (double)INFINITY, true, "not finite"},
        {AT_LOSS, 0, (double)NAN, true, "not finite"},
        {AT_CORRECT, 0, (double)NAN, true, "not finite"},
        {AT_CORRECT, 0, -1, true, "out of range"},
        {AT_SECONDS, 0, (double)NAN, true, "not finite"},
        {AT_SECONDS, 0, -0.5, true, "out of range"},
        {AT_BEST_VAL_LOSS, 0, (double)NAN, true, "not finite"},
        {AT_BEST_VAL_ACC, 0, (double)INFINITY, true, "not finite"},
        {HEAD_BYTES + 56, 0, (double)NAN, true, "keeps of layer 0 is not finite"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        encoded e;
        dbt_network *network = make_trained(DBT_ADAM, &e);
        memcpy(e.bytes + cases[i].at,
               cases[i].is_number ? (const void *)&cases[i].number : (const void *)&cases[i].whole,
               8);
        assert_not_decoded(&e, network, cases[i].part);
        dbt__free(e.bytes);
        dbt_network_free(network);
    }
}

/* Before the first step of a run, and before its first epoch has ended. */
static void test_checkpoint__the_least_numbers_are_decoded(void **state)
{
    (void)state;
    encoded unused;
    dbt_network *network = make_trained(DBT_ADAM, &unused);
    dbt__free(unused.bytes);
    const dbt__progress progress = {.epoch = 1, .step = 9};
    encoded e = encode(network, &progress);
    dbt__progress read;
    dbt_error err = {0};
    assert_ok(dbt__checkpoint_decode(e.bytes, e.n, network, &read, &err), err);
    assert_memory_equal(&read, &progress, sizeof read);
    dbt__free(e.bytes);
    dbt_network_free(network);
}

/* --- in the store --- */

static dbt_store *make_checkpoint_store(dbt_network *network)
{
    dbt_store *store = create_store("checkpoint.db");
    const dbt__progress progress = some_progress();
    dbt_error err = {0};
    run_sql(store, "INSERT INTO run (id, status, seed, settings) VALUES (3, 'running', 123, '{}')");
    assert_ok(dbt__checkpoint_write(dbt__store_sql(store), 3, network, &progress, &err), err);
    return store;
}

static void test_checkpoint__is_one_a_run_with_the_last_weights(void **state)
{
    (void)state;
    encoded e;
    dbt_network *network = make_trained(DBT_ADAM, &e);
    dbt_network_options options = small_options(DBT_ADAM);
    dbt_network *other = make_network(&options);
    dbt_store *store = make_checkpoint_store(network);
    dbt__progress progress = some_progress(), read;
    dbt_error err = {0};
    bool found = false;
    train(network, 10, 11);
    progress.step = 11;
    assert_ok(dbt__checkpoint_write(dbt__store_sql(store), 3, network, &progress, &err), err);
    assert_int_equal(ask(store, "SELECT count(*) FROM checkpoint"), 1);
    assert_int_equal(ask(store, "SELECT epoch * 100 + step FROM checkpoint"), 311);
    assert_int_equal(ask(store, "SELECT count(*) FROM parameter WHERE kind = 'last'"), 4);
    assert_ok(dbt__checkpoint_read(dbt__store_sql(store), 3, other, &read, &found, &err), err);
    assert_true(found);
    assert_memory_equal(&read, &progress, sizeof read);
    assert_same_parameters(network, other);
    assert_ok(dbt__checkpoint_read(dbt__store_sql(store), 4, other, &read, &found, &err), err);
    assert_false(found);
    dbt__free(e.bytes);
    dbt_network_free(network);
    dbt_network_free(other);
    close_store(store);
}

static void assert_not_read(dbt_store *store, const char *part)
{
    dbt_network_options options = small_options(DBT_ADAM);
    dbt_network *network = make_network(&options);
    dbt__progress read;
    dbt_error err = {0};
    bool found;
    assert_int_equal(dbt__checkpoint_read(dbt__store_sql(store), 3, network, &read, &found, &err),
                     DBT_EFORMAT);
    if (strstr(err.message, part) == NULL) fail_msg("'%s' is not in '%s'", part, err.message);
    dbt_network_free(network);
}

static void test_checkpoint__damage_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *change, *part;
    } cases[] = {
        {"UPDATE checkpoint SET state = zeroblob(length(state))",
         "run 3: its checkpoint: damaged: its digest does not match"},
        {"UPDATE checkpoint SET state = x''", "its digest does not match"},
        {"UPDATE checkpoint SET digest = ''", "its digest does not match"},
        {"UPDATE checkpoint SET step = 8", "is of another epoch or step than its row says"},
        {"UPDATE checkpoint SET epoch = 2", "is of another epoch or step than its row says"},
        {"DELETE FROM parameter WHERE layer = 1 AND name = 'bias'", "last bias of layer 1"},
        {"UPDATE parameter SET value = zeroblob(length(value)) WHERE name = 'weight'",
         "last weight of layer 0: damaged"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        encoded e;
        dbt_network *network = make_trained(DBT_ADAM, &e);
        dbt_store *store = make_checkpoint_store(network);
        run_sql(store, cases[i].change);
        assert_not_read(store, cases[i].part);
        dbt__free(e.bytes);
        dbt_network_free(network);
        close_store(store);
    }
}

static void test_checkpoint__each_flipped_byte_of_a_stored_one_is_noticed(void **state)
{
    (void)state;
    encoded e;
    dbt_error err = {0};
    dbt__statement *update = NULL;
    dbt_network *network = make_trained(DBT_ADAM, &e);
    dbt_store *store = make_checkpoint_store(network);
    assert_ok(dbt__prepare(dbt__store_sql(store), "UPDATE checkpoint SET state = ?", &update, &err),
              err);
    for (size_t i = 0; i < e.n; i++) {
        e.bytes[i] ^= (unsigned char)(1 << (i % 8));
        dbt__bind_blob(update, 1, e.bytes, e.n);
        assert_ok(dbt__run(update, &err), err);
        assert_not_read(store, "damaged: its digest does not match");
        e.bytes[i] ^= (unsigned char)(1 << (i % 8));
    }
    dbt__finalize(update);
    dbt__free(e.bytes);
    dbt_network_free(network);
    close_store(store);
}

static void test_checkpoint__of_numbers_that_are_not_finite_is_not_written(void **state)
{
    (void)state;
    encoded e;
    dbt_error err = {0};
    const dbt__progress progress = some_progress();
    dbt_network *network = make_trained(DBT_ADAM, &e);
    dbt_store *store = make_checkpoint_store(network);
    dbt__network_state_array(network, 5).value[1] = INFINITY;
    assert_int_equal(dbt__checkpoint_write(dbt__store_sql(store), 3, network, &progress, &err),
                     DBT_EDIVERGED);
    assert_string_equal(err.message, "a number that the optimizer keeps of layer 1 is not finite");
    dbt__free(e.bytes);
    dbt_network_free(network);
    close_store(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_checkpoint__a_network_goes_on_as_if_it_had_not_stopped),
        cmocka_unit_test(test_checkpoint__the_encoding_is_that_of_the_readme),
        cmocka_unit_test(test_checkpoint__each_flipped_byte_is_refused_or_decoded_as_it_is),
        cmocka_unit_test(test_checkpoint__a_state_of_another_shape_is_refused),
        cmocka_unit_test(test_checkpoint__numbers_that_cannot_be_are_refused),
        cmocka_unit_test(test_checkpoint__the_least_numbers_are_decoded),
        cmocka_unit_test(test_checkpoint__is_one_a_run_with_the_last_weights),
        cmocka_unit_test(test_checkpoint__damage_is_told),
        cmocka_unit_test(test_checkpoint__each_flipped_byte_of_a_stored_one_is_noticed),
        cmocka_unit_test(test_checkpoint__of_numbers_that_are_not_finite_is_not_written),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
