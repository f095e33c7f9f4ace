/*
 * cursor.c: pages of a split, or of a query, epoch after epoch.
 *
 * Three sources give rows first .. first + n - 1 of an epoch: a split in its order (split_reader.c:
 * one seek a page), a split in the shuffled order (order.c, window.c), and a query (query.c). What
 * is here cuts the epoch into pages and checks options.
 */
#include <dbtrain/cursor.h>

#include "base.h"
#include "query.h"
#include "split_reader.h"
#include "window.h"

#define MAX_BATCH_SIZE ((size_t)1 << 20)

struct dbt_cursor {
    bool is_query;
    dbt__query query;        /* of zeros unless is_query */
    dbt__split_reader split; /* of zeros if is_query */
    dbt__window *window;     /* NULL: in order */
    dbt__order order;        /* of this epoch, when shuffled */
    int64_t row_bytes;       /* mean of a text, when shuffled */
    size_t classes;          /* by which rows may be sorted */
    uint64_t seed;
    int64_t n_rows;
    int64_t batch_size;
    int64_t next; /* page */
};

void dbt_cursor_options_init(dbt_cursor_options *options)
{
    *options = (dbt_cursor_options){.batch_size = 128, .seed = 123, .memory = (size_t)32 << 20};
}

static dbt_status check_options(const dbt_cursor_options *options, dbt_error *err)
{
    if ((options->split == NULL) == (options->query == NULL))
        return dbt__fail(err, DBT_EUSAGE, "a cursor needs a split or a query");
    if (options->query != NULL && options->shuffle)
        return dbt__fail(err, DBT_EUSAGE, "the rows of a query cannot be shuffled");
    if (options->batch_size < 1 || options->batch_size > MAX_BATCH_SIZE)
        return dbt__fail(err, DBT_EUSAGE, "the batch size must be 1 to %zu, not %zu",
                         MAX_BATCH_SIZE, options->batch_size);
    if (options->n_rows < 0)
        return dbt__fail(err, DBT_EUSAGE, "the number of rows must not be negative");
    return DBT_OK;
}

static dbt_status open_source(dbt_cursor *cursor, dbt_store *store,
                              const dbt_cursor_options *options, dbt_error *err)
{
    if (cursor->is_query)
        return dbt__query_init(&cursor->query, store, options->query, &cursor->n_rows, err);
    dbt_split split;
    dbt_status status =
        dbt__split_reader_init(&cursor->split, store, options->split, options->verify, &split, err);
    if (status < 0) return status;
    cursor->n_rows = split.documents;
    return DBT_OK;
}

static dbt_status open_window(dbt_cursor *cursor, size_t memory, dbt_error *err)
{
    dbt_status status =
        dbt__split_mean_bytes(&cursor->split, cursor->n_rows, &cursor->row_bytes, err);
    return status < 0 ? status : dbt__window_new(memory, &cursor->window, err);
}

dbt_status dbt_cursor_open(dbt_store *store, const dbt_cursor_options *options, dbt_cursor **cursor,
                           dbt_error *err)
{
    *cursor = NULL;
    dbt_status status = check_options(options, err);
    if (status < 0) return status;
    dbt_cursor *made = dbt__alloc(sizeof *made);
    if (made == NULL) return dbt__out_of_memory(err, "a cursor");
    made->is_query = options->query != NULL;
    made->seed = options->seed;
    made->classes = options->classes;
    made->batch_size = (int64_t)options->batch_size;
    status = open_source(made, store, options, err);
    if (status == DBT_OK && options->n_rows != 0 && options->n_rows < made->n_rows)
        made->n_rows = options->n_rows;
    if (status == DBT_OK && options->shuffle) status = open_window(made, options->memory, err);
    if (status == DBT_OK) status = dbt_cursor_reset(made, 1, err);
    if (status < 0) {
        dbt_cursor_close(made);
        return status;
    }
    *cursor = made;
    return DBT_OK;
}

void dbt_cursor_close(dbt_cursor *cursor)
{
    if (cursor == NULL) return;
    dbt__query_release(&cursor->query);
    dbt__split_reader_release(&cursor->split);
    dbt__window_free(cursor->window);
    dbt__free(cursor);
}

int64_t dbt_cursor_rows(const dbt_cursor *cursor)
{
    return cursor->n_rows;
}

int64_t dbt_cursor_pages(const dbt_cursor *cursor)
{
    return cursor->n_rows / cursor->batch_size + (cursor->n_rows % cursor->batch_size != 0);
}

dbt_status dbt_cursor_reset(dbt_cursor *cursor, int64_t epoch, dbt_error *err)
{
    if (epoch < 1)
        return dbt__fail(err, DBT_EUSAGE, "epochs count from 1, not %lld", (long long)epoch);
    cursor->next = 0;
    if (cursor->window != NULL) {
        dbt__order_init(&cursor->order, cursor->n_rows, cursor->row_bytes, cursor->classes,
                        cursor->seed, epoch);
        dbt__window_reset(cursor->window);
    }
    return DBT_OK;
}

/* Rows of page `index`: from *first on. */
static int64_t rows_of_page(const dbt_cursor *cursor, int64_t index, int64_t *first)
{
    *first = index * cursor->batch_size;
    int64_t n = cursor->n_rows - *first;
    return n < cursor->batch_size ? n : cursor->batch_size;
}

static dbt_status read_page(dbt_cursor *cursor, int64_t index, dbt_page *page, dbt_error *err)
{
    int64_t first;
    int64_t n = rows_of_page(cursor, index, &first);
    dbt_status status;
    if (cursor->is_query)
        status = dbt__query_read(&cursor->query, first, n, page, err);
    else if (cursor->window != NULL)
        status =
            dbt__window_read(cursor->window, &cursor->split, &cursor->order, first, n, page, err);
    else
        status = dbt__split_read(&cursor->split, first, n, dbt__append_row, page, err);
    if (status < 0) {
        dbt_page_clear(page);
        return status;
    }
    page->index = index;
    cursor->next = index + 1;
    return DBT_OK;
}

dbt_status dbt_cursor_next(dbt_cursor *cursor, dbt_page *page, dbt_error *err)
{
    dbt_page_clear(page);
    if (cursor->next >= dbt_cursor_pages(cursor)) return DBT_DONE;
    return read_page(cursor, cursor->next, page, err);
}

static dbt_status check_page(const dbt_cursor *cursor, int64_t index, dbt_error *err)
{
    if (index >= 0 && index < dbt_cursor_pages(cursor)) return DBT_OK;
    return dbt__fail(err, DBT_EUSAGE, "no page %lld: the epoch has %lld", (long long)index,
                     (long long)dbt_cursor_pages(cursor));
}

dbt_status dbt_cursor_read(dbt_cursor *cursor, int64_t index, dbt_page *page, dbt_error *err)
{
    dbt_page_clear(page);
    dbt_status status = check_page(cursor, index, err);
    return status < 0 ? status : read_page(cursor, index, page, err);
}

dbt_status dbt_cursor_positions(dbt_cursor *cursor, int64_t index, int64_t *position, size_t *n,
                                dbt_error *err)
{
    *n = 0;
    dbt_status status = check_page(cursor, index, err);
    if (status < 0) return status;
    int64_t first;
    int64_t rows = rows_of_page(cursor, index, &first);
    if (cursor->window != NULL)
        dbt__window_positions(cursor->window, &cursor->order, first, rows, position);
    for (int64_t i = 0; cursor->window == NULL && i < rows; i++)
        position[i] = first + i;
    *n = (size_t)rows;
    return DBT_OK;
}
