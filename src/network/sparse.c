/*
 * sparse.c: what a step makes of its batch, in a range of columns: dropout on the entries, and the
 * transpose.
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

dbt_status dbt__column_set_init(dbt__column_set *columns, size_t n_columns, dbt_error *err)
{
    columns->cursor = dbt__alloc_array(n_columns, sizeof *columns->cursor);
    columns->seen = dbt__alloc_array(bit_words(n_columns), sizeof *columns->seen);
    if (columns->cursor != NULL && columns->seen != NULL) return DBT_OK;
    dbt__column_set_release(columns);
    return dbt__out_of_memory(err, "a transposed batch");
}

void dbt__column_set_release(dbt__column_set *columns)
{
    dbt__free(columns->cursor);
    dbt__free(columns->seen);
    *columns = (dbt__column_set){0};
}

void dbt__sparse_init(dbt__sparse *sparse, const uint32_t *bound, size_t n_parts,
                      const dbt__kernels *kernels)
{
    *sparse = (dbt__sparse){.kernels = kernels, .n_parts = n_parts};
    memcpy(sparse->bound, bound, (n_parts + 1) * sizeof *bound);
}

void dbt__sparse_release(dbt__sparse *sparse)
{
    dbt__free(sparse->active);
    dbt__free(sparse->active_start);
    dbt__free(sparse->active_row);
    dbt__free(sparse->active_value);
    dbt__free(sparse->start);
    dbt__free(sparse->column);
    dbt__free(sparse->value);
    *sparse = (dbt__sparse){0};
}

/* Columns ascend within each row, and all are below n_columns. */
static bool has_valid_columns(const dbt_batch *batch, size_t n_columns)
{
    uint32_t invalid = 0;
    for (size_t r = 0; r < batch->n_rows; r++) {
        size_t end = batch->row_start[r + 1];
        if (batch->row_start[r] == end) continue;
        for (size_t e = batch->row_start[r] + 1; e < end; e++)
            invalid |= batch->column[e - 1] >= batch->column[e];
        invalid |= batch->column[end - 1] >= n_columns;
    }
    return invalid == 0;
}

dbt_status dbt__batch_check(const dbt_batch *batch, size_t n_columns, dbt_error *err)
{
    if (batch->n_columns != n_columns)
        return dbt__fail(err, DBT_EUSAGE, "a batch of %zu features for a network of %zu",
                         batch->n_columns, n_columns);
    size_t n_entries = batch->row_start[batch->n_rows];
    if (n_entries > UINT32_MAX)
        return dbt__fail(err, DBT_EUSAGE, "a batch of %zu entries is too large", n_entries);
    if (!has_valid_columns(batch, n_columns))
        return dbt__fail(err, DBT_EUSAGE,
                         "features of a batch's row are not ascending, or not below the %zu of the "
                         "network",
                         n_columns);
    return DBT_OK;
}

/* The first of n ascending columns that is not below `column`, without a branch on what they are.
 */
static size_t find_column(const uint32_t *columns, size_t n, uint32_t column)
{
    const uint32_t *from = columns;
    for (; n > 1; n -= n / 2)
        from = from[n / 2 - 1] < column ? from + n / 2 : from;
    return (size_t)(from - columns) + (n == 1 && *from < column);
}

static dbt_status reserve_arrays(dbt__sparse *sparse, size_t n_rows, size_t n_entries,
                                 dbt_error *err)
{
    size_t n_columns = sparse->bound[sparse->n_parts] - sparse->bound[0];
    size_t n_active = n_entries < n_columns ? n_entries : n_columns;
    const struct {
        void **memory;
        size_t *capacity;
        size_t needed;
        size_t size;
    } arrays[] = {
        {(void **)&sparse->start, &sparse->row_capacity, n_rows * sparse->n_parts + 1,
         sizeof(size_t)},
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

/* The range of a row's entries that lies between the first and the last bound. */
static void find_range(const dbt__sparse *sparse, const dbt_batch *batch, size_t row, size_t *begin,
                       size_t *n)
{
    size_t start = batch->row_start[row], n_row = batch->row_start[row + 1] - start;
    const uint32_t *column = batch->column + start;
    size_t first = find_column(column, n_row, sparse->bound[0]);
    *begin = start + first;
    *n = find_column(column + first, n_row - first, sparse->bound[sparse->n_parts]);
}

static size_t count_entries(const dbt__sparse *sparse, const dbt_batch *batch)
{
    size_t n_entries = 0;
    for (size_t r = 0; r < batch->n_rows; r++) {
        size_t begin, n;
        find_range(sparse, batch, r, &begin, &n);
        n_entries += n;
    }
    return n_entries;
}

/* Copies what is kept of the range, and notes where each part of each row begins. */
static void keep_entries(dbt__sparse *sparse, const dbt_batch *batch, const dbt__mask *mask)
{
    size_t kept = 0;
    for (size_t r = 0; r < batch->n_rows; r++) {
        size_t begin, n, *start = sparse->start + r * sparse->n_parts;
        find_range(sparse, batch, r, &begin, &n);
        uint32_t *column = sparse->column + kept;
        n = sparse->kernels->drop_entries(n, &mask->dropout, dbt__mask_key(mask, r, 0),
                                          batch->column + begin, batch->value + begin, column,
                                          sparse->value + kept);
        start[0] = kept;
        for (size_t p = 1, at = 0; p < sparse->n_parts; p++) {
            at += find_column(column + at, n - at, sparse->bound[p]);
            start[p] = kept + at;
        }
        kept += n;
    }
    sparse->start[batch->n_rows * sparse->n_parts] = kept;
    sparse->n_rows = batch->n_rows;
}

/* Lists the columns that occur, ascending, with room for their entries, and turns their counts
 * into the places where their entries go. */
static void list_active(dbt__sparse *sparse, dbt__column_set *columns)
{
    size_t n_active = 0, n_columns = sparse->bound[sparse->n_parts] - sparse->bound[0];
    uint32_t place = 0;
    for (size_t w = 0; w < bit_words(n_columns); w++) {
        for (uint64_t bits = columns->seen[w]; bits != 0; bits &= bits - 1) {
            uint32_t column = (uint32_t)(w * 64 + (size_t)__builtin_ctzll(bits));
            uint32_t count = columns->cursor[column];
            sparse->active[n_active] = sparse->bound[0] + column;
            sparse->active_start[n_active++] = place;
            columns->cursor[column] = place;
            place += count;
        }
        columns->seen[w] = 0;
    }
    sparse->active_start[n_active] = place;
    sparse->n_active = n_active;
}

static void transpose(dbt__sparse *sparse, dbt__column_set *columns)
{
    size_t n_entries = sparse->start[sparse->n_rows * sparse->n_parts];
    const uint32_t first = sparse->bound[0];
    for (size_t e = 0; e < n_entries; e++) {
        uint32_t column = sparse->column[e] - first;
        columns->cursor[column]++;
        columns->seen[column / 64] |= UINT64_C(1) << column % 64;
    }
    list_active(sparse, columns);
    for (size_t r = 0; r < sparse->n_rows; r++) {
        size_t end = sparse->start[(r + 1) * sparse->n_parts];
        for (size_t e = sparse->start[r * sparse->n_parts]; e < end; e++) {
            uint32_t place = columns->cursor[sparse->column[e] - first]++;
            sparse->active_row[place] = (uint32_t)r;
            sparse->active_value[place] = sparse->value[e];
        }
    }
    for (size_t i = 0; i < sparse->n_active; i++)
        columns->cursor[sparse->active[i] - first] = 0;
}

dbt_status dbt__sparse_fill(dbt__sparse *sparse, dbt__column_set *columns, const dbt_batch *batch,
                            const dbt__mask *mask, dbt_error *err)
{
    /* Room for one even where there is none: arrays are there then. */
    dbt_status status =
        reserve_arrays(sparse, batch->n_rows, count_entries(sparse, batch) + 1, err);
    if (status < 0) return status;
    keep_entries(sparse, batch, mask);
    transpose(sparse, columns);
    return DBT_OK;
}
