/*
 * checkpoint.c: the state of a training as bytes, and the row that holds them.
 *
 * A state is a head of numbers of 8 bytes, the last steps of the first layer's rows, and the arrays
 * of the optimizer as they lie in memory. Its length follows from the network's shape, so nothing
 * in it says how long a part is: a state of another length is not one of this network. Encoding and
 * decoding walk over the same list of parts.
 *
 * States and weights of a run keep their length, so SQLite overwrites them where they are, and of
 * pages that are the same as before it writes nothing: an UPDATE, not a REPLACE, which would free
 * all pages and take them again.
 */
#include "checkpoint.h"

#include <math.h>
#include <string.h>

#include "state.h"
#include "weights.h"

/* The parts are the memory as it is: weights.c. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "states are stored little-endian");
_Static_assert(sizeof(double) == 8 && sizeof(float) == 4, "states are stored as IEEE 754");

static const char magic[8] = {'d', 'b', 't', 's', 't', 'a', 't', 'e'};
enum { VERSION = 1 };

/* What comes before the arrays; every member has 8 bytes. */
typedef struct head {
    char magic[8];
    int64_t version;
    double learning_rate;
    dbt__progress progress;
} head;
_Static_assert(sizeof(head) == 13 * 8, "a head has no padding");

/* A part of a state: bytes of the network's own memory. */
typedef struct part {
    void *data;
    size_t n_bytes;
} part;

/* Part 0: the last steps; then the arrays. */
static part part_of(const dbt_network *network, size_t index)
{
    if (index == 0) {
        size_t n_rows;
        int64_t *last_step = dbt__network_last_steps(network, &n_rows);
        return (part){last_step, n_rows * sizeof *last_step};
    }
    dbt__state_array array = dbt__network_state_array(network, index - 1);
    return (part){array.value, array.n * sizeof *array.value};
}

static size_t count_parts(const dbt_network *network)
{
    return 1 + dbt__network_state_arrays(network);
}

size_t dbt__checkpoint_bytes(const dbt_network *network)
{
    size_t n_bytes = sizeof(head);
    for (size_t i = 0; i < count_parts(network); i++)
        if (__builtin_add_overflow(n_bytes, part_of(network, i).n_bytes, &n_bytes)) return SIZE_MAX;
    return n_bytes;
}

dbt_status dbt__checkpoint_check(const dbt_network *network, dbt_error *err)
{
    dbt_status status = dbt_network_check(network, err);
    return status < 0 ? status : dbt__network_state_check(network, err);
}

dbt_status dbt__checkpoint_encode(const dbt_network *network, const dbt__progress *progress,
                                  unsigned char **state, size_t *n_bytes, dbt_error *err)
{
    *state = NULL;
    *n_bytes = dbt__checkpoint_bytes(network);
    dbt_status status = dbt__network_state_check(network, err);
    if (status < 0) return status;
    unsigned char *made = dbt__alloc_array(*n_bytes, 1);
    if (made == NULL) return dbt__out_of_memory(err, "a checkpoint");
    head first = {.version = VERSION,
                  .learning_rate = dbt_network_get_options(network)->learning_rate,
                  .progress = *progress};
    memcpy(first.magic, magic, sizeof magic);
    memcpy(made, &first, sizeof first);
    unsigned char *at = made + sizeof first;
    for (size_t i = 0; i < count_parts(network); i++) {
        part p = part_of(network, i);
        if (p.n_bytes > 0) memcpy(at, p.data, p.n_bytes);
        at += p.n_bytes;
    }
    *state = made;
    return DBT_OK;
}

/* No training comes so far, and what counts on from there does not overflow. */
#define MOST_COUNTED (INT64_MAX / 2)

static bool is_count(int64_t number, int64_t least)
{
    return number >= least && number <= MOST_COUNTED;
}

static dbt_status check_head(const head *first, dbt_error *err)
{
    const dbt__progress *p = &first->progress;
    if (memcmp(first->magic, magic, sizeof magic) != 0)
        return dbt__fail(err, DBT_EFORMAT, "is not the state of a training");
    if (first->version != VERSION)
        return dbt__fail(err, DBT_EFORMAT, "is of version %lld, this program knows version %d",
                         (long long)first->version, VERSION);
    if (!isfinite(p->loss) || !isfinite(p->correct) || !isfinite(p->seconds) ||
        !isfinite(p->best_val_loss) || !isfinite(p->best_val_acc))
        return dbt__fail(err, DBT_EFORMAT, "holds a number that is not finite");
    if (!is_count(p->epoch, 1) || !is_count(p->step, 0) || !is_count(p->rows, 0) ||
        p->correct < 0 || p->seconds < 0 || p->best_epoch < 0 || p->best_epoch >= p->epoch)
        return dbt__fail(err, DBT_EFORMAT, "holds a number that is out of range");
    return DBT_OK;
}

dbt_status dbt__checkpoint_decode(const unsigned char *state, size_t n_bytes, dbt_network *network,
                                  dbt__progress *progress, dbt_error *err)
{
    size_t expected = dbt__checkpoint_bytes(network);
    if (n_bytes != expected)
        return dbt__fail(err, DBT_EFORMAT, "has %zu bytes, a network of the run's shape %zu",
                         n_bytes, expected);
    head first;
    memcpy(&first, state, sizeof first);
    dbt_status status = check_head(&first, err);
    if (status < 0) return status;
    const unsigned char *at = state + sizeof first;
    for (size_t i = 0; i < count_parts(network); i++) {
        part p = part_of(network, i);
        if (p.n_bytes > 0) memcpy(p.data, at, p.n_bytes);
        at += p.n_bytes;
    }
    status = dbt__network_state_restore(network, first.progress.step, first.learning_rate, err);
    if (status == DBT_OK) *progress = first.progress;
    return status;
}

dbt_status dbt__checkpoint_write(dbt__sql *sql, int64_t run_id, dbt_network *network,
                                 const dbt__progress *progress, dbt_error *err)
{
    dbt__statement *insert = NULL;
    unsigned char *state = NULL;
    size_t n_bytes = 0;
    char digest[DBT__DIGEST_CHARS];
    dbt_status status = dbt__weights_write(sql, run_id, DBT_WEIGHTS_LAST, network, NULL, err);
    if (status == DBT_OK) status = dbt__checkpoint_encode(network, progress, &state, &n_bytes, err);
    if (status == DBT_OK)
        status = dbt__prepare(
            sql,
            "INSERT INTO checkpoint (run_id, epoch, step, state, digest) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (run_id) DO UPDATE SET epoch = excluded.epoch,"
            " step = excluded.step, state = excluded.state,"
            " digest = excluded.digest",
            &insert, err);
    if (status < 0) goto out;
    dbt__allow_bytes(insert, DBT__LONGEST_WEIGHTS);
    dbt__digest_text(dbt__hash(state, n_bytes, 0), digest);
    dbt__bind_int(insert, 1, run_id);
    dbt__bind_int(insert, 2, progress->epoch);
    dbt__bind_int(insert, 3, progress->step);
    dbt__bind_blob(insert, 4, state, n_bytes);
    dbt__bind_string(insert, 5, digest);
    status = dbt__run(insert, err);
out:
    dbt__finalize(insert);
    dbt__free(state);
    return status;
}

dbt_status dbt__checkpoint_finish(dbt__sql *sql, int64_t run_id, dbt_network *network,
                                  dbt_error *err)
{
    dbt_network_settle(network);
    dbt_status status = dbt__weights_write(sql, run_id, DBT_WEIGHTS_LAST, network, NULL, err);
    if (status < 0) return status;
    return dbt__sql_run(sql, "DELETE FROM checkpoint WHERE run_id = ?", &run_id, 1, err);
}

/* The row at hand of `select`: state, digest, epoch, step. */
static dbt_status take_state(dbt__statement *select, dbt_network *network, dbt__progress *progress,
                             dbt_error *err)
{
    size_t n_bytes = 0;
    const unsigned char *state = dbt__column_blob(select, 0, &n_bytes);
    if (state == NULL) return dbt__out_of_memory(err, "a checkpoint");
    dbt_text stored = dbt__column_text(select, 1);
    char digest[DBT__DIGEST_CHARS];
    dbt__digest_text(dbt__hash(state, n_bytes, 0), digest);
    if (stored.bytes != 16 || memcmp(stored.data, digest, 16) != 0)
        return dbt__fail(err, DBT_EFORMAT, "damaged: its digest does not match");
    dbt_status status = dbt__checkpoint_decode(state, n_bytes, network, progress, err);
    if (status == DBT_OK && (progress->epoch != dbt__column_int(select, 2) ||
                             progress->step != dbt__column_int(select, 3)))
        status = dbt__fail(err, DBT_EFORMAT, "is of another epoch or step than its row says");
    return status;
}

dbt_status dbt__checkpoint_read(dbt__sql *sql, int64_t run_id, dbt_network *network,
                                dbt__progress *progress, bool *found, dbt_error *err)
{
    *found = false;
    dbt__statement *select = NULL;
    dbt_status status = dbt__prepare(
        sql, "SELECT state, digest, epoch, step FROM checkpoint WHERE run_id = ?", &select, err);
    if (status < 0) return status;
    dbt__allow_bytes(select, DBT__LONGEST_WEIGHTS);
    dbt__bind_int(select, 1, run_id);
    status = dbt__step(select, err);
    if (status == DBT_OK) {
        *found = true;
        status = take_state(select, network, progress, err);
        if (status < 0) (void)dbt__context(err, "run %lld: its checkpoint", (long long)run_id);
    }
    dbt__finalize(select);
    if (status == DBT_OK) status = dbt__weights_read(sql, run_id, DBT_WEIGHTS_LAST, network, err);
    return status < 0 ? status : DBT_OK;
}
