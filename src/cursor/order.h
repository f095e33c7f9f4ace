/*
 * order.h: the shuffled order of an epoch, a function of (seed, epoch, number of rows).
 *
 * Rows are cut into blocks of neighbours, because SQLite reads 32 neighbours about as fast as 3
 * rows that are scattered. A window is a number of blocks whose rows are shuffled; the blocks of a
 * window are drawn from all over the split, one from each of as many equal parts. So in a corpus
 * that is sorted by class each window has every class in its proportion, and a split that fits into
 * one window comes out in a uniformly random order. Windows are of equal size but for one block. A
 * split of a few windows has smaller blocks, which are the fairer drawn.
 *
 * Nothing is kept but a few numbers: which block is drawn is computed, not stored. Whoever changes
 * the order changes DBT_ORDER_VERSION: a run that was trained on another cannot go on.
 */
#ifndef DBT_ORDER_H
#define DBT_ORDER_H

#include <stddef.h>
#include <stdint.h>

enum {
    DBT__WINDOW_ROWS = 16384,
    DBT__BLOCK_ROWS = 512,
    DBT__SMALL_BLOCK_ROWS = 8, /* of splits of at most DBT__SMALL_SPLIT_ROWS rows */
    DBT__SMALL_SPLIT_ROWS = 8 * DBT__WINDOW_ROWS,
    DBT__WINDOW_BLOCKS = DBT__WINDOW_ROWS / DBT__SMALL_BLOCK_ROWS /* the most there can be */
};

typedef struct dbt__order {
    uint64_t key;
    int64_t n_rows;
    int64_t block_rows;
    int64_t n_windows;
    int64_t n_strata;      /* of n_windows blocks each; there is one more, of less */
    int64_t short_blocks;  /* of that one */
    int64_t short_stratum; /* its number, 0 .. n_strata */
    int64_t short_rows;    /* rows of the last block of the split if it is not full, else 0 */
    int64_t short_window;  /* the window that has it */
    int half_bits;         /* of the permutations' domain, 2^(2 * half_bits) >= n_windows */
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
