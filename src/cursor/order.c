/*
 * order.c: the shuffled order of an epoch.
 *
 * With W windows, the full blocks of the split are cut into strata of W neighbours, and each window
 * gets one block of each stratum. Which one, says a permutation of the stratum's blocks: a Feistel
 * network over the smallest domain 2^(2h) that holds W; a number that leaves the range is sent
 * through again until it falls back into it (cycle walking; Black and Rogaway, CT-RSA 2002). One
 * stratum is shorter, if W does not divide the blocks: which one it is, is drawn, and it gives to
 * the first windows. The last block of the split, if short, belongs to no stratum and is drawn for
 * one of the windows that got one block less.
 */
#include "order.h"

#include "base.h"

/* Six rounds: one more than makes a Feistel network indistinguishable from random (Luby and
 * Rackoff; Patarin). */
enum { ROUNDS = 6 };
/* Keeps these numbers apart from others that come of the same seed: "order". */
#define ORDER_STREAM UINT64_C(0x6f72646572)

static uint64_t key_of_stratum(const dbt__order *order, int64_t stratum)
{
    return dbt__random(dbt__random(order->key, 0), (uint64_t)stratum);
}

static uint64_t key_of_window(const dbt__order *order, int64_t window)
{
    return dbt__random(order->key, 2 + (uint64_t)window);
}

/* Rows of a block, a power of two, as are the pages of rows that are kept in vectorized form; and
 * blocks of a window. */
static int64_t choose_blocks(int64_t row_bytes, size_t classes, int64_t *window_blocks)
{
    int64_t rows = DBT__BLOCK_ROWS;
    while (rows > 1 && rows * row_bytes > DBT__BLOCK_BYTES)
        rows /= 2;
    *window_blocks = DBT__WINDOW_BLOCKS;
    while (rows > 1 && *window_blocks < DBT__MAX_WINDOW_BLOCKS &&
           (size_t)*window_blocks / 2 < classes) {
        rows /= 2;
        *window_blocks *= 2;
    }
    return rows;
}

void dbt__order_init(dbt__order *order, int64_t n_rows, int64_t row_bytes, size_t classes,
                     uint64_t seed, int64_t epoch)
{
    int64_t window_blocks = DBT__SMALL_WINDOW_BLOCKS;
    *order = (dbt__order){.n_rows = n_rows, .block_rows = DBT__SMALL_BLOCK_ROWS};
    order->key = dbt__random(seed ^ ORDER_STREAM, (uint64_t)epoch);
    order->is_small = n_rows <= DBT__HELD_BYTES / (row_bytes + DBT__ROW_BYTES);
    if (!order->is_small) order->block_rows = choose_blocks(row_bytes, classes, &window_blocks);
    order->short_rows = n_rows % order->block_rows;
    int64_t full_blocks = n_rows / order->block_rows;
    int64_t n_blocks = full_blocks + (order->short_rows != 0);
    if (n_blocks == 0) return;
    order->n_windows = (n_blocks - 1) / window_blocks + 1;
    order->n_strata = full_blocks / order->n_windows;
    order->short_blocks = full_blocks % order->n_windows;
    uint64_t key = dbt__random(order->key, 1);
    order->short_stratum = (int64_t)dbt__random_below(key, 0, (uint64_t)order->n_strata + 1);
    order->short_window =
        order->short_blocks +
        (int64_t)dbt__random_below(key, 1, (uint64_t)(order->n_windows - order->short_blocks));
    order->half_bits = 1;
    while (order->half_bits < 31 && (INT64_C(1) << (2 * order->half_bits)) < order->n_windows)
        order->half_bits++;
}

/* Which of the n blocks of a stratum is at place `place` of its order. The turn makes each as
 * likely as another: the network of a few numbers alone is a little uneven. */
static int64_t permute(const dbt__order *order, int64_t stratum, int64_t place, int64_t n)
{
    uint64_t key = key_of_stratum(order, stratum);
    uint64_t mask = (UINT64_C(1) << order->half_bits) - 1;
    uint64_t number = (uint64_t)place;
    do {
        uint64_t left = number >> order->half_bits, right = number & mask;
        for (uint64_t round = 0; round < ROUNDS; round++) {
            uint64_t mixed = (left ^ dbt__random(key, right * ROUNDS + round)) & mask;
            left = right;
            right = mixed;
        }
        number = left << order->half_bits | right;
    } while (number >= (uint64_t)n);
    uint64_t turn = dbt__random_below(key, UINT64_MAX, (uint64_t)n);
    return (int64_t)((number + turn) % (uint64_t)n);
}

int64_t dbt__order_window_start(const dbt__order *order, int64_t window)
{
    int64_t more = window < order->short_blocks ? window : order->short_blocks;
    return (window * order->n_strata + more) * order->block_rows +
           (window > order->short_window ? order->short_rows : 0);
}

int64_t dbt__order_window_of(const dbt__order *order, int64_t row)
{
    int64_t low = 0, high = order->n_windows; /* start(low) <= row < start(high) */
    while (high - low > 1) {
        int64_t middle = low + (high - low) / 2;
        if (dbt__order_window_start(order, middle) <= row)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* The window's blocks, in the order of the split: so they are read faster, and the rows are
 * shuffled anyway. */
static void fill_blocks(const dbt__order *order, int64_t window, dbt__order_window *filled)
{
    int64_t first = 0; /* block of the stratum */
    filled->n_blocks = 0;
    for (int64_t stratum = 0; stratum <= order->n_strata; stratum++) {
        int64_t n = stratum == order->short_stratum ? order->short_blocks : order->n_windows;
        if (window < n)
            filled->block[filled->n_blocks++] =
                (first + permute(order, stratum, window, n)) * order->block_rows;
        first += n;
    }
    filled->n_rows = filled->n_blocks * filled->block_rows;
    if (window != order->short_window || order->short_rows == 0) return;
    filled->block[filled->n_blocks++] = first * order->block_rows;
    filled->n_rows += (size_t)order->short_rows;
}

void dbt__order_fill(const dbt__order *order, int64_t window, dbt__order_window *filled)
{
    filled->block_rows = (size_t)order->block_rows;
    fill_blocks(order, window, filled);
    uint64_t key = key_of_window(order, window);
    for (size_t i = 0; i < filled->n_rows; i++) { /* Fisher-Yates, inside out */
        size_t j = (size_t)dbt__random_below(key, i, i + 1);
        filled->shuffled[i] = filled->shuffled[j];
        filled->shuffled[j] = (uint16_t)i;
    }
}
