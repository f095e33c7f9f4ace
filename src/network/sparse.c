/*
 * sparse.c: what a step makes of its batch: dropout on the entries, and the transpose.
 *
 * Forward reads the batch row by row; the gradient of the first layer needs it feature by feature:
 * row f of the gradient is the sum over the batch rows that have feature f. A counting sort turns
 * one into the other and finds the active features, ascending, on the way. What it costs depends on
 * the entries, and on the features only through a bit set that is scanned; counters are put back to
 * zero one by one.
 *
 * Whether an entry is dropped is a function of (seed, epoch, step, row, feature), not of where it
 * stands.
 */
#include "network_internal.h"

/* Keys of the masks differ from those of other uses of the same seed (network.c: the weights). */
#define MASK_STREAM UINT64_C(0x6d61736b)
#define MAXIMUM_LAYERS 64

dbt__mask dbt__mask_make(const dbt_network_options *options, dbt_position position)
{
    uint64_t epoch_key = dbt__random(options->seed ^ MASK_STREAM, (uint64_t)position.epoch);
    return (dbt__mask){
        .dropout = {.threshold = (uint32_t)(options->dropout * 0x1.0p32),
                    .scale = (float)(1 / (1 - options->dropout))},
        .step_key = dbt__random(epoch_key, (uint64_t)position.step),
    };
}

uint64_t dbt__mask_key(const dbt__mask *mask, size_t row, size_t layer)
{
    return dbt__random(mask->step_key, (uint64_t)row * MAXIMUM_LAYERS + layer);
}

static size_t bit_words(size_t n_columns)
{
    return n_columns / 64 + 1;
}

dbt_status dbt__sparse_init(dbt__sparse *sparse, size_t n_columns, const dbt__kernels *kernels,
                            dbt_error *err)
{
    *sparse = (dbt__sparse){.kernels = kernels, .n_columns = n_columns};
    sparse->cursor = dbt__alloc_array(n_columns, sizeof *sparse->cursor);
    sparse->seen = dbt__alloc_array(bit_words(n_columns), sizeof *sparse->seen);
    if (sparse->cursor == NULL || sparse->seen == NULL) {
        dbt__sparse_release(sparse);
        return dbt__out_of_memory(err, "a transposed batch");
    }
    return DBT_OK;
}

void dbt__sparse_release(dbt__sparse *sparse)
{
    dbt__free(sparse->active);
    dbt__free(sparse->active_start);
    dbt__free(sparse->active_row);
    dbt__free(sparse->active_value);
    dbt__free(sparse->row_start);
    dbt__free(sparse->column);
    dbt__free(sparse->value);
    dbt__free(sparse->cursor);
    dbt__free(sparse->seen);
    *sparse = (dbt__sparse){0};
}

dbt_status dbt__batch_check(const dbt_batch *batch, size_t n_columns, dbt_error *err)
{
    if (batch->n_columns != n_columns)
        return dbt__fail(err, DBT_EUSAGE, "a batch of %zu features for a network of %zu",
                         batch->n_columns, n_columns);
    uint32_t largest = 0;
    size_t n_entries = batch->row_start[batch->n_rows];
    for (size_t e = 0; e < n_entries; e++)
        largest = batch->column[e] > largest ? batch->column[e] : largest;
    if (largest >= n_columns)
        return dbt__fail(err, DBT_EUSAGE, "a batch has feature %u, the network %zu features",
                         (unsigned)largest, n_columns);
    if (n_entries > UINT32_MAX)
        return dbt__fail(err, DBT_EUSAGE, "a batch of %zu entries is too large", n_entries);
    return DBT_OK;
}

static dbt_status reserve_arrays(dbt__sparse *sparse, size_t n_rows, size_t n_entries,
                                 dbt_error *err)
{
    size_t n_active = n_entries < sparse->n_columns ? n_entries : sparse->n_columns;
    const struct {
        void **memory;
        size_t *capacity;
        size_t needed;
        size_t size;
    } arrays[] = {
        {(void **)&sparse->row_start, &sparse->row_capacity, n_rows + 1, sizeof(size_t)},
        {(void **)&sparse->column, &sparse->column_capacity, n_entries, sizeof(uint32_t)},
        {(void **)&sparse->value, &sparse->value_capacity, n_entries, sizeof(float)},
        {(void **)&sparse->active, &sparse->active_capacity, n_active, sizeof(uint32_t)},
        {(void **)&sparse->active_start, &sparse->start_capacity, n_active + 1, sizeof(size_t)},
        {(void **)&sparse->active_row, &sparse->active_row_capacity, n_entries, sizeof(uint32_t)},
        {(void **)&sparse->active_value, &sparse->active_value_capacity, n_entries, sizeof(float)},
    };
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
        dbt_status status = dbt__reserve(arrays[i].memory, arrays[i].capacity, arrays[i].needed,
                                         arrays[i].size, "a transposed batch", err);
        if (status < 0) return status;
    }
    return DBT_OK;
}

static void drop_entries(dbt__sparse *sparse, const dbt_batch *batch, const dbt__mask *mask)
{
    size_t kept = 0;
    for (size_t r = 0; r < batch->n_rows; r++) {
        size_t begin = batch->row_start[r], n = batch->row_start[r + 1] - begin;
        sparse->row_start[r] = kept;
        kept += sparse->kernels->drop_entries(n, &mask->dropout, dbt__mask_key(mask, r, 0),
                                              batch->column + begin, batch->value + begin,
                                              sparse->column + kept, sparse->value + kept);
    }
    sparse->row_start[batch->n_rows] = kept;
    sparse->rows = (dbt__rows){batch->n_rows, sparse->row_start, sparse->column, sparse->value};
}

/* Lists the columns that occur, ascending, with room for their entries, and turns their counts
 * into the places where their entries go. */
static void list_active(dbt__sparse *sparse)
{
    size_t n_active = 0;
    uint32_t place = 0;
    for (size_t w = 0; w < bit_words(sparse->n_columns); w++) {
        for (uint64_t bits = sparse->seen[w]; bits != 0; bits &= bits - 1) {
            uint32_t column = (uint32_t)(w * 64 + (size_t)__builtin_ctzll(bits));
            uint32_t count = sparse->cursor[column];
            sparse->active[n_active] = column;
            sparse->active_start[n_active++] = place;
            sparse->cursor[column] = place;
            place += count;
        }
        sparse->seen[w] = 0;
    }
    sparse->active_start[n_active] = place;
    sparse->n_active = n_active;
}

static void transpose_rows(dbt__sparse *sparse)
{
    const dbt__rows *rows = &sparse->rows;
    size_t n_entries = rows->row_start[rows->n_rows];
    for (size_t e = 0; e < n_entries; e++) {
        uint32_t column = rows->column[e];
        sparse->cursor[column]++;
        sparse->seen[column / 64] |= UINT64_C(1) << column % 64;
    }
    list_active(sparse);
    for (size_t r = 0; r < rows->n_rows; r++) {
        for (size_t e = rows->row_start[r]; e < rows->row_start[r + 1]; e++) {
            uint32_t place = sparse->cursor[rows->column[e]]++;
            sparse->active_row[place] = (uint32_t)r;
            sparse->active_value[place] = rows->value[e];
        }
    }
    for (size_t i = 0; i < sparse->n_active; i++)
        sparse->cursor[sparse->active[i]] = 0;
}

dbt_status dbt__sparse_fill(dbt__sparse *sparse, const dbt_batch *batch, const dbt__mask *mask,
                            dbt_error *err)
{
    dbt_status status = reserve_arrays(sparse, batch->n_rows, batch->row_start[batch->n_rows], err);
    if (status < 0) return status;
    if (mask != NULL)
        drop_entries(sparse, batch, mask);
    else
        sparse->rows = (dbt__rows){batch->n_rows, batch->row_start, batch->column, batch->value};
    transpose_rows(sparse);
    return DBT_OK;
}
