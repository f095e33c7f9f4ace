/*
 * order.c: the shuffled order of an epoch.
 *
 * The blocks are permuted by a Feistel network over the smallest domain 2^(2h) that holds them all;
 * a number that leaves the range is sent through again until it falls back into it (cycle walking;
 * Black and Rogaway, CT-RSA 2002), fewer than four times on average. The last block of the split,
 * if short, is not among them: it is put at a random place by itself, which leaves all other blocks
 * equal and the arithmetic simple.
 */
#include "order.h"

#include <stdlib.h>

#include "base.h"

/* Six rounds: one more than makes a Feistel network indistinguishable from random (Luby and
 * Rackoff; Patarin). */
enum { ROUNDS = 6 };
/* Keeps these numbers apart from others that come of the same seed: "order". */
#define ORDER_STREAM UINT64_C(0x6f72646572)

static uint64_t key_of_blocks(const dbt__order *order)
{
    return dbt__random(order->key, 0);
}

static uint64_t key_of_window(const dbt__order *order, int64_t window)
{
    return dbt__random(order->key, 2 + (uint64_t)window);
}

void dbt__order_init(dbt__order *order, int64_t n_rows, uint64_t seed, int64_t epoch)
{
    *order = (dbt__order){.n_rows = n_rows};
    order->key = dbt__random(seed ^ ORDER_STREAM, (uint64_t)epoch);
    order->block_rows = n_rows <= DBT__SMALL_SPLIT_ROWS ? DBT__SMALL_BLOCK_ROWS : DBT__BLOCK_ROWS;
    order->full_blocks = n_rows / order->block_rows;
    order->short_rows = n_rows % order->block_rows;
    order->n_blocks = order->full_blocks + (order->short_rows != 0);
    int64_t window_blocks = DBT__WINDOW_ROWS / order->block_rows;
    order->n_windows = order->n_blocks / window_blocks + (order->n_blocks % window_blocks != 0);
    order->short_place = order->n_blocks;
    if (order->short_rows != 0)
        order->short_place =
            (int64_t)dbt__random_below(dbt__random(order->key, 1), 0, (uint64_t)order->n_blocks);
    order->half_bits = 1;
    while (order->half_bits < 31 && (INT64_C(1) << (2 * order->half_bits)) < order->full_blocks)
        order->half_bits++;
}

/* The full block at place `place` of the permuted full blocks. */
static int64_t permute_block(const dbt__order *order, int64_t place)
{
    uint64_t key = key_of_blocks(order);
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
    } while (number >= (uint64_t)order->full_blocks);
    return (int64_t)number;
}

/* The first position of the block at place `place` of the order. */
static int64_t block_at(const dbt__order *order, int64_t place)
{
    int64_t block = order->full_blocks; /* the short one */
    if (place < order->short_place)
        block = permute_block(order, place);
    else if (place > order->short_place)
        block = permute_block(order, place - 1);
    return block * order->block_rows;
}

/* The place of a window's first block. The first n_blocks % n_windows windows have one block more.
 */
static int64_t window_place(const dbt__order *order, int64_t window)
{
    int64_t size = order->n_blocks / order->n_windows;
    int64_t larger = order->n_blocks % order->n_windows;
    return window * size + (window < larger ? window : larger);
}

int64_t dbt__order_window_start(const dbt__order *order, int64_t window)
{
    int64_t place = window_place(order, window);
    int64_t lacking = place > order->short_place ? order->block_rows - order->short_rows : 0;
    return place * order->block_rows - lacking;
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

static int compare_blocks(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

void dbt__order_fill(const dbt__order *order, int64_t window, dbt__order_window *filled)
{
    int64_t place = window_place(order, window);
    filled->block_rows = (size_t)order->block_rows;
    filled->n_blocks = (size_t)(window_place(order, window + 1) - place);
    filled->n_rows = (size_t)(dbt__order_window_start(order, window + 1) -
                              dbt__order_window_start(order, window));
    for (size_t i = 0; i < filled->n_blocks; i++)
        filled->block[i] = block_at(order, place + (int64_t)i);
    /* The rows are shuffled anyway: blocks in the order of the file are read faster, and the short
     * one is the last. */
    qsort(filled->block, filled->n_blocks, sizeof filled->block[0], compare_blocks);
    uint64_t key = key_of_window(order, window);
    for (size_t i = 0; i < filled->n_rows; i++) { /* Fisher-Yates, inside out */
        size_t j = (size_t)dbt__random_below(key, i, i + 1);
        filled->shuffled[i] = filled->shuffled[j];
        filled->shuffled[j] = (uint16_t)i;
    }
}
