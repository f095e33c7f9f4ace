/*
 * order.h: the shuffled order of an epoch, a function of (seed, epoch, number of rows).
 *
 * Rows are cut into blocks of neighbours, because SQLite reads 32 neighbours about as fast as 3
 * rows that are scattered. The blocks are permuted; runs of the permuted blocks form windows, of
 * equal size but for one block; the rows of a window are shuffled. A page of a window of so many
 * blocks holds rows from all over the split, so a corpus that is sorted by class comes out mixed,
 * and a split that fits into one window comes out in a uniformly random order. A split of a few
 * windows has smaller blocks: where an epoch is short, a window with more blocks of one class than
 * of another would be felt at its end.
 *
 * Nothing is kept but a few numbers: the permutation of the blocks is computed, not stored.
 */
#ifndef DBT_ORDER_H
#define DBT_ORDER_H

#include <stddef.h>
#include <stdint.h>

enum {
    DBT__WINDOW_ROWS = 16384,
    DBT__BLOCK_ROWS = 128,
    DBT__SMALL_BLOCK_ROWS = 8, /* of splits of at most DBT__SMALL_SPLIT_ROWS rows */
    DBT__SMALL_SPLIT_ROWS = 8 * DBT__WINDOW_ROWS,
    DBT__WINDOW_BLOCKS = DBT__WINDOW_ROWS / DBT__SMALL_BLOCK_ROWS /* the most there can be */
};

typedef struct dbt__order {
    uint64_t key;
    int64_t n_rows;
    int64_t block_rows;
    int64_t n_blocks;
    int64_t n_windows;
    int64_t full_blocks; /* of block_rows rows */
    int64_t short_rows;  /* rows of the last block of the split if it is not full, else 0 */
    int64_t short_place; /* where among the permuted blocks that one is put */
    int half_bits;       /* of the permutation's domain, 2^(2 * half_bits) >= full_blocks */
} dbt__order;

/* Which rows a window has, and in which order. Row i of the window is at position
 * block[shuffled[i] / block_rows] + shuffled[i] % block_rows of the split. */
typedef struct dbt__order_window {
    size_t block_rows;
    size_t n_blocks;
    size_t n_rows;
    int64_t block[DBT__WINDOW_BLOCKS];   /* first positions, ascending: all blocks but the last are
                                            full */
    uint16_t shuffled[DBT__WINDOW_ROWS]; /* [n_rows] */
} dbt__order_window;

void dbt__order_init(dbt__order *order, int64_t n_rows, uint64_t seed, int64_t epoch);
/* The window that row `row` of the order, 0 .. n_rows - 1, is in. */
int64_t dbt__order_window_of(const dbt__order *order, int64_t row);
/* The first row of a window, 0 .. n_windows; n_rows for n_windows. */
int64_t dbt__order_window_start(const dbt__order *order, int64_t window);
void dbt__order_fill(const dbt__order *order, int64_t window, dbt__order_window *filled);

#endif
