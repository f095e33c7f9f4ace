/*
 * window.c: the rows of the shuffled order that are being handed out.
 *
 * Rows are read into memory in the order of the file and handed out from there in their shuffled
 * order. Of a small split all are held at once, if their texts fit into the memory that was
 * granted: each of its windows has rows on nearly every page of the file, so window by window the
 * file would be read as many times as there are windows. Else one window is held at a
 * time, read block by block. Where not even its texts fit, rows are fetched one by one, in the same
 * order: slower, but such texts are so long that the seek is not what takes the time.
 *
 * What did not fit is not tried again: the split, as its texts stay the same, and a window for the
 * rest of the epoch, whose windows are much alike.
 */
#include "window.h"

#include <string.h>

#include "base.h"

/* What is held of a row, before its text. */
typedef struct row_head {
    int64_t document_id;
    int64_t label_id;
    double weight;
    size_t n_bytes;
} row_head;
_Static_assert(sizeof(row_head) == DBT__ROW_BYTES, "what the order takes a row to need");

/* In place of a window's number. */
enum { NO_WINDOW = -1, ALL_WINDOWS = -2 };

struct dbt__window {
    int64_t planned; /* the window that `plan` describes */
    dbt__order_window plan;
    int64_t loaded;         /* the window whose texts are held, or are too large to be */
    bool full;              /* what was being read did not fit */
    bool too_large;         /* the texts of a window are not held */
    bool split_too_large;   /* those of all windows are not */
    size_t n_rows;          /* that are to be held */
    size_t n_held, n_slots; /* that are held; that there is room for in */
    size_t *offset;         /* where in `bytes` a row is, in the order of the positions */
    dbt__buffer bytes;
};

dbt_status dbt__window_new(size_t memory, dbt__window **window, dbt_error *err)
{
    *window = NULL;
    dbt__window *made = dbt__alloc(sizeof *made);
    if (made == NULL) return dbt__out_of_memory(err, "a cursor");
    dbt__buffer_init(&made->bytes, memory == 0 ? 1 : memory);
    made->planned = made->loaded = NO_WINDOW;
    *window = made;
    return DBT_OK;
}

void dbt__window_free(dbt__window *window)
{
    if (window == NULL) return;
    dbt__buffer_release(&window->bytes);
    dbt__free(window->offset);
    dbt__free(window);
}

void dbt__window_reset(dbt__window *window)
{
    window->planned = window->loaded = NO_WINDOW;
    window->too_large = false;
}

/* Makes room for a row and, as new memory is dear to touch, and the rows to move, for as much as
 * all rows will take if the others are like those so far. */
static dbt_status reserve_bytes(dbt__window *window, size_t needed, dbt_error *err)
{
    dbt__buffer *bytes = &window->bytes;
    size_t left = bytes->maximum - bytes->length;
    if (needed > left) {
        window->full = true; /* no error: hold_rows goes on from here */
        return DBT_EDATA;
    }
    if (needed <= bytes->capacity - bytes->length) return DBT_OK;
    double mean = (double)(bytes->length + needed) / (double)(window->n_held + 1);
    double expected = 1.05 * mean * (double)(window->n_rows - window->n_held);
    size_t more = expected < (double)left ? (size_t)expected : left;
    return dbt__buffer_reserve(bytes, more > needed ? more : needed, err);
}

static dbt_status hold_row(void *context, const dbt__row *row, dbt_error *err)
{
    dbt__window *window = context;
    const row_head head = {row->document_id, row->label_id, row->weight, row->text.bytes};
    dbt_status status = reserve_bytes(window, sizeof head + row->text.bytes, err);
    if (status < 0) return status;
    char *place = window->bytes.data + window->bytes.length;
    window->offset[window->n_held++] = window->bytes.length;
    memcpy(place, &head, sizeof head);
    memcpy(place + sizeof head, row->text.data, row->text.bytes);
    window->bytes.length += sizeof head + row->text.bytes;
    return DBT_OK;
}

static dbt_status hold_blocks(dbt__window *window, dbt__split_reader *reader, dbt_error *err)
{
    const dbt__order_window *plan = &window->plan;
    dbt_status status = dbt__split_begin(reader, err);
    for (size_t i = 0; status == DBT_OK && i < plan->n_blocks; i++) {
        size_t left = plan->n_rows - window->n_held;
        int64_t n = (int64_t)(left < plan->block_rows ? left : plan->block_rows);
        status = dbt__split_read(reader, plan->block[i], n, hold_row, window, err);
    }
    dbt__split_end(reader);
    return status;
}

/* Reads all rows of the order, or those of the planned window; `full` says whether they fitted. */
static dbt_status hold_rows(dbt__window *window, dbt__split_reader *reader, int64_t n_rows,
                            bool whole, dbt_error *err)
{
    window->n_rows = (size_t)n_rows;
    window->n_held = 0;
    window->bytes.length = 0;
    window->full = false;
    dbt_status status = dbt__reserve((void **)&window->offset, &window->n_slots, window->n_rows,
                                     sizeof *window->offset, "a cursor", err);
    if (status == DBT_OK)
        status = whole ? dbt__split_read(reader, 0, n_rows, hold_row, window, err)
                       : hold_blocks(window, reader, err);
    if (!window->full) return status;
    dbt__buffer_release(&window->bytes);
    return DBT_OK;
}

/* Holds what the planned window needs, or finds that it is too large. */
static dbt_status load_window(dbt__window *window, dbt__split_reader *reader,
                              const dbt__order *order, dbt_error *err)
{
    dbt_status status = DBT_OK;
    window->loaded = NO_WINDOW;
    if (order->is_small && !window->split_too_large) {
        status = hold_rows(window, reader, order->n_rows, true, err);
        window->split_too_large = window->full;
        if (status == DBT_OK && !window->full) window->loaded = ALL_WINDOWS;
        if (!window->full) return status;
    }
    if (!window->too_large) {
        status = hold_rows(window, reader, (int64_t)window->plan.n_rows, false, err);
        window->too_large = window->full;
    }
    if (status == DBT_OK) window->loaded = window->planned;
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

static const char *row_at(const dbt__window *window, size_t place)
{
    size_t row = window->loaded == ALL_WINDOWS ? (size_t)position_of(window, place)
                                               : window->plan.shuffled[place];
    return window->bytes.data + window->offset[row];
}

/* Rows lie far apart: a row is asked of the memory a little before it is copied. In line by force:
 * GCC 12 takes a call of a function that does nothing but this for one without effect. */
static DBT__ALWAYS_INLINE void prefetch_row(const dbt__window *window, size_t place)
{
    if (place >= window->plan.n_rows) return;
    const char *row = row_at(window, place);
    for (size_t i = 0; i < 320; i += 64)
        __builtin_prefetch(row + i);
}

static dbt_status append_held(const dbt__window *window, size_t first, size_t n, dbt_page *page,
                              dbt_error *err)
{
    for (size_t i = first; i < first + n; i++) {
        const char *row = row_at(window, i);
        row_head head;
        memcpy(&head, row, sizeof head);
        prefetch_row(window, i + 8);
        dbt_status status = dbt_page_append(page, (dbt_text){row + sizeof head, head.n_bytes},
                                            head.document_id, head.label_id, head.weight, err);
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
        if (window->loaded != window->planned && window->loaded != ALL_WINDOWS)
            status = load_window(window, reader, order, err);
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
