/*
 * cursor.h: pages of a split, or of a query, epoch after epoch.
 *
 * With n rows and a batch size B an epoch has ceil(n / B) pages; page k of the split's order is its
 * rows [k*B, (k+1)*B), the last one short: LIMIT B OFFSET k*B, at a cost that does not grow with k.
 * Shuffled, it is the same rows of the order that (seed, epoch) gives. The number of rows is fixed
 * when the cursor is opened: rows that are added to the split later are not seen.
 *
 * The cursor reads through a connection of its own and holds no read transaction between calls, so
 * it never keeps a writer's log from being emptied. Once opened it no longer needs the store, and
 * may be used by another thread than the store's, though by one at a time.
 *
 *     for (epoch = 1; epoch <= 10; epoch++) {
 *         status = dbt_cursor_reset(cursor, epoch, &err);
 *         while (status == DBT_OK && (status = dbt_cursor_next(cursor, page, &err)) == DBT_OK)
 *             use(page);
 *     }
 */
#ifndef DBTRAIN_CURSOR_H
#define DBTRAIN_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <dbtrain/page.h>
#include <dbtrain/status.h>
#include <dbtrain/store.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Of the shuffled order: for a seed, an epoch, a number of rows, the mean length of their texts (of
 * 128 rows, evenly spread) and a number of classes it is the same in all programs of this version.
 */
#define DBT_ORDER_VERSION 4

typedef struct dbt_cursor dbt_cursor;

typedef struct dbt_cursor_options {
    const char *split; /* name of a split; or NULL and */
    const char *query; /* one SELECT that yields a column text, and maybe label (a name from the
                          table label, or NULL) and weight; it should have an ORDER BY. Pages are
                          literal LIMIT/OFFSET, which costs SQLite a walk over all rows before the
                          page: an epoch is quadratic in the rows. Cannot be shuffled. document_id
                          is the row number from 1. */
    int64_t n_rows;    /* 0: as many as there are now; else the first n_rows of the split's order */
    size_t batch_size; /* 128; rows a page, 1 .. 2^20 */
    bool shuffle;      /* false */
    uint64_t seed;     /* 123 */
    bool verify;       /* false; of a split, a document that is not what its checksum says is
                          DBT_EFORMAT. Those that were written in a shell have none. */
    size_t classes;    /* 0; by which rows may be sorted: of more than 64, smaller blocks are mixed,
                          which takes longer to read */
    size_t memory;     /* 32 MiB; bytes of text that may be held to mix distant rows, 32 more a row
                          included: a split that is likely to take at most 28 MiB is held whole, if
                          it fits; of others up to 65,536 rows of up to 24 MiB at a time. Where these
                          have more, rows are fetched one by one: same order, slower. */
} dbt_cursor_options;

DBT_EXPORT void dbt_cursor_options_init(dbt_cursor_options *options);

/*
 * Opens a cursor at page 0 of epoch 1. The strings of `options` are copied. DBT_EUSAGE (no such
 * split, an option out of range, a query that is not a SELECT or lacks a column), DBT_EFORMAT,
 * DBT_EIO, DBT_ENOMEM. A split without rows is not an error: its epochs have no pages.
 */
DBT_EXPORT DBT_MUST_USE dbt_status dbt_cursor_open(dbt_store *store,
                                                   const dbt_cursor_options *options,
                                                   dbt_cursor **cursor, dbt_error *err);
/* Takes NULL. */
DBT_EXPORT void dbt_cursor_close(dbt_cursor *cursor);

DBT_EXPORT int64_t dbt_cursor_rows(const dbt_cursor *cursor);
/* ceil(rows / batch_size): the pages, or steps, of an epoch. */
DBT_EXPORT int64_t dbt_cursor_pages(const dbt_cursor *cursor);

/* Goes to page 0 of an epoch (1, 2, ...). */
DBT_EXPORT DBT_MUST_USE dbt_status dbt_cursor_reset(dbt_cursor *cursor, int64_t epoch,
                                                    dbt_error *err);
/*
 * Replaces `page` by the next page: DBT_OK; DBT_DONE after the last one of the epoch, again and
 * again until reset. DBT_EFORMAT when documents of the split are missing or, with `verify`,
 * damaged: the message names split and position and says what to do. DBT_EDATA when a query's row
 * has no text, a label that the table lacks, or is gone; DBT_EUSAGE when SQLite cannot compute it.
 * DBT_ELOCKED, DBT_EIO, DBT_ENOMEM. After an error `page` is empty and the same page is next.
 */
DBT_EXPORT DBT_MUST_USE dbt_status dbt_cursor_next(dbt_cursor *cursor, dbt_page *page,
                                                   dbt_error *err);
/* Replaces `page` by page `index` of the epoch and makes the one after it the next. As
 * dbt_cursor_next; DBT_EUSAGE when there is no such page. */
DBT_EXPORT DBT_MUST_USE dbt_status dbt_cursor_read(dbt_cursor *cursor, int64_t index,
                                                   dbt_page *page, dbt_error *err);
/* The rows of page `index` of the epoch by their positions in the split (of a query: row numbers
 * from 0), without reading them: position[0 .. *n - 1] for an array of batch_size. The next page
 * stays what it was. DBT_EUSAGE when there is no such page. */
DBT_EXPORT DBT_MUST_USE dbt_status dbt_cursor_positions(dbt_cursor *cursor, int64_t index,
                                                        int64_t *position, size_t *n,
                                                        dbt_error *err);

#ifdef __cplusplus
}
#endif
#endif
