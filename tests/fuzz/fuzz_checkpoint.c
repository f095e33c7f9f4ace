/*
 * fuzz_checkpoint.c: bytes as the state of a training: refused, or a state that is written as it
 * was read, and a network that goes on: its next step succeeds or is said to diverge.
 *
 * Byte 0: bit 0 makes magic and version right, bit 1 the length; bits 2 to 4 choose the optimizer,
 * bit 5 adds l2, bit 6 a hidden layer. The rest is the state.
 */
#include <math.h>

#include <dbtrain/network.h>

#include "checkpoint.h"
#include "fuzz.h"

enum { N_INPUTS = 5, MAX_STATE = 1024 };

/* Where members of a head begin: schema/README.md. */
enum { AT_MAGIC = 0, AT_VERSION = 8, AT_EPOCH = 32, HEAD_BYTES = 104 };

static dbt_network *make_network(unsigned flags)
{
    static const dbt_optimizer optimizers[] = {
#define OPTIMIZER(name, text) name,
        DBT_OPTIMIZER_LIST(OPTIMIZER)
#undef OPTIMIZER
    };
    dbt_error err = {0};
    dbt_network *network;
    dbt_network_options options;
    dbt_network_options_init(&options);
    options.n_inputs = N_INPUTS;
    options.n_classes = 3;
    options.units = 2;
    options.optimizer = optimizers[(flags >> 2 & 7) % (sizeof optimizers / sizeof *optimizers)];
    options.momentum = 0.9;
    options.l2 = (flags & 32) != 0 ? 0.01 : 0;
    options.layers = (flags & 64) != 0 ? 2 : 1;
    fuzz_ok(dbt_network_new(&options, NULL, &network, &err), err);
    return network;
}

/* The state that the input is, in a copy of exactly its length. */
static unsigned char *make_state(fuzz_input *input, unsigned flags, size_t right, size_t *bytes)
{
    unsigned char state[MAX_STATE] = {0};
    const uint64_t version = 1;
    *bytes = input->bytes < MAX_STATE ? input->bytes : MAX_STATE;
    if (*bytes > 0) memcpy(state, input->data, *bytes);
    if ((flags & 1) != 0) {
        memcpy(state + AT_MAGIC, "dbtstate", 8);
        memcpy(state + AT_VERSION, &version, sizeof version);
    }
    if ((flags & 2) != 0) *bytes = right;
    return (unsigned char *)fuzz_copy(state, *bytes);
}

static void check_progress(const dbt__progress *p)
{
    fuzz_check(p->epoch >= 1 && p->step >= 0 && p->rows >= 0);
    fuzz_check(p->best_epoch >= 0 && p->best_epoch < p->epoch);
    fuzz_check(isfinite(p->loss) && isfinite(p->correct) && isfinite(p->seconds));
    fuzz_check(isfinite(p->best_val_loss) && isfinite(p->best_val_acc));
}

/* One step, of which some rows lag behind; then all are caught up. */
static void go_on(dbt_network *network, const dbt__progress *progress)
{
    static const size_t row_start[] = {0, 2, 3};
    static const uint32_t column[] = {0, 2, 4};
    static const float value[] = {0.5F, -0.25F, 1};
    static const int32_t label[] = {0, 2};
    const dbt_batch batch = {.n_rows = 2,
                             .n_columns = N_INPUTS,
                             .row_start = (size_t *)row_start,
                             .column = (uint32_t *)column,
                             .value = (float *)value};
    const dbt_position position = {progress->epoch, progress->step};
    dbt_error err = {0};
    dbt_metrics metrics;
    dbt_status status = dbt_network_train(network, &batch, label, NULL, position, &metrics, &err);
    fuzz_check(status == DBT_OK || status == DBT_EDIVERGED);
    if (status == DBT_OK) fuzz_check(isfinite(metrics.loss) && metrics.n_rows == 2);
    dbt_network_settle(network);
}

static void check_accepted(dbt_network *network, const unsigned char *state, size_t bytes,
                           const dbt__progress *progress)
{
    dbt_error err = {0};
    unsigned char *again;
    size_t again_bytes;
    check_progress(progress);
    fuzz_ok(dbt__checkpoint_encode(network, progress, &again, &again_bytes, &err), err);
    fuzz_check(again_bytes == bytes && memcmp(again, state, bytes) == 0);
    dbt__free(again);
    go_on(network, progress);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    fuzz_input input = {data, bytes};
    unsigned flags = fuzz_byte(&input);
    dbt_network *network = make_network(flags);
    dbt__progress progress;
    dbt_error err = {0};
    size_t right = dbt__checkpoint_bytes(network), state_bytes;
    fuzz_check(right <= MAX_STATE);
    unsigned char *state = make_state(&input, flags, right, &state_bytes);
    dbt_status status = dbt__checkpoint_decode(state, state_bytes, network, &progress, &err);
    if (status == DBT_OK)
        check_accepted(network, state, state_bytes, &progress);
    else
        fuzz_refused(status, &err);
    free(state);
    dbt_network_free(network);
    return 0;
}
