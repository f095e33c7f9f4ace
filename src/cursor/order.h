/*
 * order.h: the shuffled order of an epoch, a function of (seed, epoch, number of rows, their mean
 * length, classes).
 *
 * Rows are cut into blocks of neighbours, because SQLite reads 32 neighbours about as fast as 3
 * rows that are scattered. A window is a number of blocks whose rows are shuffled; the blocks of a
 * window are drawn from all over the split, one from each of as many equal parts. So in a corpus
 * that is sorted by class each window has nearly every class, as long as it has twice as many
 * blocks as there are classes; and a split that fits into one window comes out in a uniformly
 * random order. Windows are of equal size but for one block.
 *
 * A block is so many bytes that to seek it costs little of reading it, and a window so many blocks
 * as memory can be asked for on an ordinary machine. With many classes blocks are smaller. A split
 * that can be held whole has smaller blocks, which are the fairer drawn.
 *
 * Nothing is kept but a few numbers: which block is drawn is computed, not stored. Whoever changes
 * the order changes DBT_ORDER_VERSION: a run that was trained on another cannot go on.
 */
#ifndef DBT_ORDER_H
#define DBT_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    DBT__BLOCK_BYTES = 192 << 10, /* of text, at most, unless one row has more */
    DBT__BLOCK_ROWS = 512,        /* at most */
    DBT__WINDOW_BLOCKS = 128,     /* at least; more of fewer rows for more than 64 classes */
    /* A split whose texts, and ROW_BYTES more for each row, are at most HELD_BYTES. */
    DBT__HELD_BYTES = 28 << 20,
    DBT__ROW_BYTES = 32,
    DBT__SMALL_BLOCK_ROWS = 8,
    DBT__SMALL_WINDOW_BLOCKS = 2048,
    /* The most that there can be of a window. */
    DBT__MAX_WINDOW_BLOCKS = DBT__SMALL_WINDOW_BLOCKS,
    DBT__MAX_WINDOW_ROWS = DBT__WINDOW_BLOCKS * DBT__BLOCK_ROWS
};

typedef struct dbt__order {
    uint64_t key;
    int64_t n_rows;
    bool is_small; /* it is to be held whole */
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
    int64_t block[DBT__MAX_WINDOW_BLOCKS];   /* first positions, ascending: all blocks but the last
                                                are full */
    uint16_t shuffled[DBT__MAX_WINDOW_ROWS]; /* [n_rows] */
} dbt__order_window;

/* row_bytes: mean bytes of a text. classes: by which rows may be sorted; 0: unknown. */
void dbt__order_init(dbt__order *order, int64_t n_rows, int64_t row_bytes, size_t classes,
                     uint64_t seed, int64_t epoch);
/* The window that row `row` of the order, 0 .. n_rows - 1, is in. */
int64_t dbt__order_window_of(const dbt__order *order, int64_t row);
/* The first row of a window, 0 .. n_windows; n_rows for n_windows. */
int64_t dbt__order_window_start(const dbt__order *order, int64_t window);
void dbt__order_fill(const dbt__order *order, int64_t window, dbt__order_window *filled);

#endif
