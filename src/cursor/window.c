/*
 * window.c: the window of the shuffled order that is being handed out.
 *
 * The blocks of a window are read into memory one after another, and its rows handed out from there
 * in their shuffled order. Where the texts do not fit into the memory that was granted, rows are
 * fetched one by one, in the same order: slower, but such texts are so long that the seek is not
 * what takes the time. Having met one window that is too large, the rest of the epoch does not try
 * again, as its windows are much alike.
 */
#include "window.h"

#include <string.h>

#include "base.h"

typedef struct held_row {
    size_t offset; /* in `bytes` */
    size_t n_bytes;
    int64_t document_id;
    int64_t label_id;
    double weight;
} held_row;

struct dbt__window {
    int64_t planned; /* the window that `plan` describes, or -1 */
    dbt__order_window plan;
    int64_t loaded; /* the window whose texts are held, or are too large to be; -1 */
    bool too_large; /* the texts are not held */
    size_t n_held;
    held_row *held; /* [DBT__WINDOW_ROWS]: the blocks' rows, in the order of the blocks */
    dbt__buffer bytes;
};

dbt_status dbt__window_new(size_t memory, dbt__window **window, dbt_error *err)
{
    *window = NULL;
    dbt__window *made = dbt__alloc(sizeof *made);
    if (made != NULL) made->held = dbt__alloc_array(DBT__WINDOW_ROWS, sizeof *made->held);
    if (made == NULL || made->held == NULL) {
        dbt__free(made);
        return dbt__out_of_memory(err, "a cursor");
    }
    dbt__buffer_init(&made->bytes, memory == 0 ? 1 : memory);
    made->planned = made->loaded = -1;
    *window = made;
    return DBT_OK;
}

void dbt__window_free(dbt__window *window)
{
    if (window == NULL) return;
    dbt__buffer_release(&window->bytes);
    dbt__free(window->held);
    dbt__free(window);
}

void dbt__window_reset(dbt__window *window)
{
    window->planned = window->loaded = -1;
    window->too_large = false;
}

static dbt_status hold_row(void *context, const dbt__row *row, dbt_error *err)
{
    dbt__window *window = context;
    dbt_error full = {0};
    size_t offset = window->bytes.length;
    dbt_status status = dbt__buffer_append(&window->bytes, row->text.data, row->text.bytes, &full);
    if (status == DBT_EDATA) {
        window->too_large = true; /* no error: load_window goes on from here */
        return DBT_EDATA;
    }
    if (status < 0) return dbt__fail(err, status, "%s", full.message);
    window->held[window->n_held++] =
        (held_row){offset, row->text.bytes, row->document_id, row->label_id, row->weight};
    return DBT_OK;
}

static dbt_status load_blocks(dbt__window *window, dbt__split_reader *reader, dbt_error *err)
{
    const dbt__order_window *plan = &window->plan;
    window->n_held = 0;
    window->bytes.length = 0;
    /* So that `bytes` has data even if all texts are empty. */
    dbt_status status = dbt__buffer_reserve(&window->bytes, 1, err);
    if (status == DBT_OK) status = dbt__split_begin(reader, err);
    for (size_t i = 0; status == DBT_OK && i < plan->n_blocks; i++) {
        size_t left = plan->n_rows - window->n_held;
        int64_t n = (int64_t)(left < plan->block_rows ? left : plan->block_rows);
        status = dbt__split_read(reader, plan->block[i], n, hold_row, window, err);
    }
    dbt__split_end(reader);
    return status;
}

/* Plans the window that row `first` of the order is in, and gives the place of that row in it and
 * how many of `n` rows follow there. */
static size_t plan_window(dbt__window *window, const dbt__order *order, int64_t first, int64_t n,
                          size_t *here)
{
    int64_t index = dbt__order_window_of(order, first);
    if (index != window->planned) {
        dbt__order_fill(order, index, &window->plan);
        window->planned = index;
        window->loaded = -1;
    }
    size_t start = (size_t)(first - dbt__order_window_start(order, index));
    *here = window->plan.n_rows - start;
    if (n < (int64_t)*here) *here = (size_t)n;
    return start;
}

static int64_t position_of(const dbt__window *window, size_t place)
{
    size_t row = window->plan.shuffled[place];
    const dbt__order_window *plan = &window->plan;
    return plan->block[row / plan->block_rows] + (int64_t)(row % plan->block_rows);
}

/* The texts of the planned window. */
static dbt_status load_window(dbt__window *window, dbt__split_reader *reader, dbt_error *err)
{
    dbt_status status = window->too_large ? DBT_OK : load_blocks(window, reader, err);
    if (window->too_large) {
        dbt__buffer_release(&window->bytes);
        status = DBT_OK;
    }
    if (status == DBT_OK) window->loaded = window->planned;
    return status;
}

/* Rows lie far apart: a row is asked of the memory a little before it is copied (a tenth of the
 * whole time). */
static void prefetch_row(const dbt__window *window, size_t place)
{
    if (place >= window->plan.n_rows) return;
    const held_row *row = &window->held[window->plan.shuffled[place]];
    const char *text = window->bytes.data + row->offset;
    for (size_t i = 0; i < row->n_bytes && i < 256; i += 64)
        __builtin_prefetch(text + i);
}

static dbt_status append_held(const dbt__window *window, size_t first, size_t n, dbt_page *page,
                              dbt_error *err)
{
    for (size_t i = first; i < first + n; i++) {
        const held_row *row = &window->held[window->plan.shuffled[i]];
        dbt_text text = {window->bytes.data + row->offset, row->n_bytes};
        prefetch_row(window, i + 4);
        dbt_status status =
            dbt_page_append(page, text, row->document_id, row->label_id, row->weight, err);
        if (status < 0) return status;
    }
    return DBT_OK;
}

static dbt_status append_fetched(const dbt__window *window, dbt__split_reader *reader, size_t first,
                                 size_t n, dbt_page *page, dbt_error *err)
{
    dbt_status status = dbt__split_begin(reader, err);
    for (size_t i = first; status == DBT_OK && i < first + n; i++)
        status = dbt__split_read(reader, position_of(window, i), 1, dbt__append_row, page, err);
    dbt__split_end(reader);
    return status;
}

dbt_status dbt__window_read(dbt__window *window, dbt__split_reader *reader, const dbt__order *order,
                            int64_t first, int64_t n, dbt_page *page, dbt_error *err)
{
    dbt_status status = DBT_OK;
    for (size_t here; status == DBT_OK && n > 0; first += (int64_t)here, n -= (int64_t)here) {
        size_t start = plan_window(window, order, first, n, &here);
        if (window->loaded != window->planned) status = load_window(window, reader, err);
        if (status < 0) break;
        status = window->too_large ? append_fetched(window, reader, start, here, page, err)
                                   : append_held(window, start, here, page, err);
    }
    return status;
}

void dbt__window_positions(dbt__window *window, const dbt__order *order, int64_t first, int64_t n,
                           int64_t *position)
{
    for (size_t here; n > 0; first += (int64_t)here, n -= (int64_t)here) {
        size_t start = plan_window(window, order, first, n, &here);
        for (size_t i = 0; i < here; i++)
            *position++ = position_of(window, start + i);
    }
}
