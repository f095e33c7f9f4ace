/* test_network_faults.c: whatever fails while a network is made, trained and predicted with. */
#include "task.h"

#include <string.h>

#include <dbtrain/network.h>

#include "base.h"

enum { ROWS = 12, INPUTS = 10, CLASSES = 3 };

/* Each row has three entries, in columns of its own label mostly. */
static dbt_status make_batch(dbt_batch **batch, dbt_error *err)
{
    dbt_status status = dbt_batch_new(batch, err);
    if (status == DBT_OK) status = dbt_batch_reserve(*batch, ROWS, ROWS * 3, err);
    if (status < 0) return status;
    (*batch)->n_rows = ROWS;
    (*batch)->n_columns = INPUTS;
    for (size_t r = 0; r < ROWS; r++) {
        (*batch)->row_start[r] = 3 * r;
        for (size_t k = 0; k < 3; k++) {
            (*batch)->column[3 * r + k] = (uint32_t)(r % CLASSES + 3 * k);
            (*batch)->value[3 * r + k] = 0.5F + 0.1F * (float)k;
        }
    }
    (*batch)->row_start[ROWS] = 3 * ROWS;
    return DBT_OK;
}

static void mix(uint64_t *digest, const void *data, size_t bytes)
{
    *digest = dbt__hash(data, bytes, *digest + bytes);
}

static dbt_status train_prepared(dbt_network *network, const dbt_batch *batch, const int32_t *label,
                                 dbt_position position, dbt_metrics *metrics, dbt_error *err)
{
    dbt_preparer *preparer = NULL;
    dbt_prepared *prepared = NULL;
    dbt_status status = dbt_preparer_new(network, &preparer, err);
    if (status == DBT_OK) status = dbt_prepared_new(network, &prepared, err);
    if (status == DBT_OK) status = dbt_prepare(preparer, batch, position, prepared, err);
    if (status == DBT_OK)
        status = dbt_network_train_prepared(network, prepared, label, NULL, metrics, err);
    dbt_preparer_free(preparer);
    dbt_prepared_free(prepared);
    return status;
}

static dbt_status take_steps(dbt_network *network, const dbt_batch *batch, uint64_t *digest,
                             dbt_error *err)
{
    int32_t label[ROWS];
    dbt_status status = DBT_OK;
    for (int r = 0; r < ROWS; r++)
        label[r] = r % CLASSES;
    for (int64_t step = 1; status == DBT_OK && step <= 3; step++) {
        dbt_metrics metrics = {0};
        dbt_position position = {1, step};
        status = step < 3 ? dbt_network_train(network, batch, label, NULL, position, &metrics, err)
                          : train_prepared(network, batch, label, position, &metrics, err);
        mix(digest, &metrics.loss, sizeof metrics.loss);
    }
    if (status == DBT_OK) dbt_network_settle(network);
    return status;
}

static dbt_status train_and_predict(const void *what, uint64_t *digest, dbt_error *err)
{
    const dbt_network_options *options = what;
    dbt_network *network = NULL;
    dbt_workspace *workspace = NULL;
    dbt_batch *batch = NULL;
    const float *probability;
    dbt_status status = make_batch(&batch, err);
    if (status == DBT_OK) status = dbt_network_new(options, NULL, &network, err);
    if (status == DBT_OK) status = take_steps(network, batch, digest, err);
    if (status == DBT_OK) status = dbt_workspace_new(network, &workspace, err);
    if (status == DBT_OK)
        status = dbt_network_predict(network, workspace, batch, &probability, err);
    if (status == DBT_OK) mix(digest, probability, ROWS * CLASSES * sizeof *probability);
    dbt_workspace_free(workspace);
    dbt_network_free(network);
    dbt_batch_free(batch);
    return status;
}

static void test_network__fails_with_a_message_or_has_the_same_bits(void **state)
{
    (void)state;
    static const dbt_optimizer optimizers[] = {DBT_ADAM, DBT_ADAMW, DBT_LAZY_ADAM, DBT_SGD,
                                               DBT_ADAGRAD};
    for (size_t i = 0; i < sizeof optimizers / sizeof *optimizers; i++)
        for (size_t layers = 1; layers <= 3; layers++) {
            char name[64];
            dbt_network_options options;
            dbt_network_options_init(&options);
            options.n_inputs = INPUTS;
            options.n_classes = CLASSES;
            options.units = 4;
            options.layers = layers;
            options.optimizer = optimizers[i];
            options.momentum = optimizers[i] == DBT_SGD ? 0.9 : 0;
            (void)snprintf(name, sizeof name, "%s, %zu layers", dbt_optimizer_name(optimizers[i]),
                           layers);
            const fault_task task = {name, train_and_predict, &options};
            run_task_with_faults(&task, 1);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_network__fails_with_a_message_or_has_the_same_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
