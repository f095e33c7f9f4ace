/* test_cursor.c: pages of a split, in order and shuffled; pages of a query. */
#include "scratch.h"

#include <stdlib.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include <dbtrain/cursor.h>

#include "base.h"
#include "order.h"
#include "split_reader.h"
#include "store_internal.h"

static void run(dbt_store *store, const char *script)
{
    dbt_error err = {0};
    assert_ok(dbt__sql_exec(dbt__store_sql(store), script, &err), err);
}

static int64_t ask(dbt_store *store, const char *query)
{
    dbt_error err = {0};
    int64_t value;
    assert_ok(dbt__sql_int(dbt__store_sql(store), query, -1, &value, &err), err);
    return value;
}

/*
 * Documents 1 .. n, sorted by label: the first half is label 1, the rest 2, every 50th none; text
 * 'text ID'. Two splits: 'all', and 'back' with every third document, backwards.
 */
static dbt_store *make_store(const char *name, int n)
{
    char path[160], script[1024];
    dbt_error err = {0};
    dbt_store *store;
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_ok(dbt_store_open(path, DBT_STORE_CREATE, &store, &err), err);
    (void)snprintf(script, sizeof script,
                   "BEGIN; INSERT INTO label (name) VALUES ('neg'), ('pos');"
                   "INSERT INTO split (name) VALUES ('all'), ('back');"
                   "WITH RECURSIVE i (n) AS (SELECT 1 WHERE %d > 0 UNION ALL"
                   " SELECT n + 1 FROM i WHERE n < %d)"
                   " INSERT INTO document (label_id, weight, text)"
                   " SELECT iif(n %% 50 = 0, NULL, 1 + (n * 2 > %d)), n * 0.5, 'text ' || n FROM i;"
                   "INSERT INTO split_document SELECT 1, id - 1, id FROM document;"
                   "INSERT INTO split_document SELECT 2, row_number() OVER (ORDER BY id DESC) - 1,"
                   " id FROM document WHERE id %% 3 = 0;"
                   "UPDATE split SET documents ="
                   " (SELECT count(*) FROM split_document WHERE split_id = id); COMMIT",
                   n, n, n);
    run(store, script);
    return store;
}

static void close_store(dbt_store *store)
{
    dbt_error err = {0};
    assert_ok(dbt_store_close(store, &err), err);
}

static dbt_page *new_page(void)
{
    dbt_error err = {0};
    dbt_page *page;
    assert_ok(dbt_page_new(&page, &err), err);
    return page;
}

static dbt_cursor *open_cursor(dbt_store *store, const char *split, size_t batch_size, bool shuffle,
                               size_t memory)
{
    dbt_error err = {0};
    dbt_cursor *cursor;
    dbt_cursor_options options;
    dbt_cursor_options_init(&options);
    options.split = split;
    options.batch_size = batch_size;
    options.shuffle = shuffle;
    options.memory = memory;
    assert_ok(dbt_cursor_open(store, &options, &cursor, &err), err);
    return cursor;
}

/* Checks that row i of a page is the document whose id it says. */
static void check_row(const dbt_page *page, size_t i, int64_t n)
{
    char text[32];
    int64_t id = page->document_id[i];
    int bytes = snprintf(text, sizeof text, "text %lld", (long long)id);
    assert_int_equal(page->text[i].bytes, bytes);
    assert_memory_equal(page->text[i].data, text, (size_t)bytes);
    assert_int_equal(page->label_id[i], id % 50 == 0 ? 0 : 1 + (id * 2 > n));
    assert_true(page->weight[i] == (double)id * 0.5);
}

/* Reads an epoch into ids[n]; checks the pages' sizes and numbers, and that each row comes once. */
static void read_epoch(dbt_cursor *cursor, int64_t epoch, size_t batch_size, int64_t n_documents,
                       int64_t *ids)
{
    dbt_error err = {0};
    dbt_page *page = new_page();
    size_t n = (size_t)dbt_cursor_rows(cursor), seen = 0;
    char *met = calloc((size_t)n_documents + 1, 1);
    assert_non_null(met);
    assert_int_equal(dbt_cursor_pages(cursor), (n + batch_size - 1) / batch_size);
    assert_ok(dbt_cursor_reset(cursor, epoch, &err), err);
    dbt_status status;
    for (int64_t index = 0; (status = dbt_cursor_next(cursor, page, &err)) == DBT_OK; index++) {
        assert_int_equal(page->index, index);
        assert_int_equal(page->n_rows, n - seen < batch_size ? n - seen : batch_size);
        for (size_t i = 0; i < page->n_rows; i++) {
            check_row(page, i, n_documents);
            assert_int_equal(met[page->document_id[i]], 0);
            met[page->document_id[i]] = 1;
            ids[seen++] = page->document_id[i];
        }
    }
    assert_int_equal(status, DBT_DONE);
    assert_int_equal(seen, n);
    assert_int_equal(dbt_cursor_next(cursor, page, &err), DBT_DONE);
    assert_int_equal(page->n_rows, 0);
    free(met);
    dbt_page_free(page);
}

static void test_cursor__gives_each_row_once_for_any_batch_size(void **state)
{
    (void)state;
    enum { N = 530 };
    static const size_t batch_sizes[] = {1, 2, 3, 7, N - 1, N, N + 1, 1000};
    dbt_store *store = make_store("once.db", N);
    int64_t ids[N], first[N];
    for (size_t b = 0; b < sizeof batch_sizes / sizeof batch_sizes[0]; b++) {
        dbt_cursor *cursor = open_cursor(store, "all", batch_sizes[b], false, 0);
        assert_int_equal(dbt_cursor_rows(cursor), N);
        read_epoch(cursor, 2, batch_sizes[b], N, ids);
        for (int i = 0; i < N; i++)
            assert_int_equal(ids[i], i + 1);
        dbt_cursor_close(cursor);
        /* The shuffled order does not depend on the batch size either. */
        cursor = open_cursor(store, "all", batch_sizes[b], true, 1 << 20);
        read_epoch(cursor, 2, batch_sizes[b], N, b == 0 ? first : ids);
        if (b > 0) assert_memory_equal(ids, first, sizeof ids);
        dbt_cursor_close(cursor);
    }
    dbt_cursor *cursor = open_cursor(store, "back", 7, false, 0);
    read_epoch(cursor, 1, 7, N, ids);
    for (int i = 0; i < N / 3; i++)
        assert_int_equal(ids[i], 3 * (N / 3 - i));
    dbt_cursor_close(cursor);
    dbt_cursor_close(NULL);
    close_store(store);
}

static void test_cursor__a_split_without_rows_has_no_pages(void **state)
{
    (void)state;
    dbt_store *store = make_store("none.db", 0);
    for (int shuffle = 0; shuffle < 2; shuffle++) {
        dbt_cursor *cursor = open_cursor(store, "all", 7, shuffle != 0, 100);
        int64_t nothing;
        assert_int_equal(dbt_cursor_pages(cursor), 0);
        read_epoch(cursor, 1, 7, 0, &nothing);
        dbt_cursor_close(cursor);
    }
    close_store(store);
}

static void test_cursor__orders_depend_on_seed_and_epoch_alone(void **state)
{
    (void)state;
    enum { N = 20000 };
    static int64_t ids[4][N];
    dbt_store *store = make_store("orders.db", N);
    dbt_cursor *cursor = open_cursor(store, "all", 128, true, (size_t)32 << 20);
    read_epoch(cursor, 1, 128, N, ids[0]);
    read_epoch(cursor, 2, 128, N, ids[1]);
    assert_memory_not_equal(ids[0], ids[1], sizeof ids[0]);
    read_epoch(cursor, 1, 128, N, ids[2]);
    assert_memory_equal(ids[0], ids[2], sizeof ids[0]);
    dbt_cursor_close(cursor);

    dbt_error err = {0};
    dbt_cursor_options options;
    dbt_cursor_options_init(&options);
    options.split = "all";
    options.shuffle = true;
    options.seed = 124;
    assert_ok(dbt_cursor_open(store, &options, &cursor, &err), err);
    read_epoch(cursor, 1, 128, N, ids[3]);
    assert_memory_not_equal(ids[0], ids[3], sizeof ids[0]);
    dbt_cursor_close(cursor);

    /* Memory changes the way of reading, not the order: none at all, not enough for a window, for
     * one of the two, for both. */
    static const size_t memories[] = {0, 1000, 600000, 1000000};
    for (size_t i = 0; i < sizeof memories / sizeof memories[0]; i++) {
        cursor = open_cursor(store, "all", 128, true, memories[i]);
        for (int64_t epoch = 1; epoch <= 2; epoch++) {
            read_epoch(cursor, epoch, 128, N, ids[2]);
            assert_memory_equal(ids[epoch - 1], ids[2], sizeof ids[0]);
        }
        dbt_cursor_close(cursor);
    }
    close_store(store);
}

static void test_cursor__pages_can_be_read_in_any_order(void **state)
{
    (void)state;
    enum { N = 20000, B = 300 };
    static int64_t ids[N];
    dbt_error err = {0};
    dbt_store *store = make_store("random.db", N);
    dbt_page *page = new_page();
    static const size_t memories[] = {0, 600000, 1000000}; /* for no window, for one, for both */
    for (size_t way = 0; way <= sizeof memories / sizeof memories[0]; way++) {
        bool shuffle = way > 0;
        dbt_cursor *cursor = open_cursor(store, "all", B, shuffle, shuffle ? memories[way - 1] : 0);
        read_epoch(cursor, 3, B, N, ids);
        assert_ok(dbt_cursor_reset(cursor, 3, &err), err);
        for (uint64_t turn = 0; turn < 40; turn++) {
            int64_t index = (int64_t)dbt__random_below(9, turn, (N + B - 1) / B);
            assert_ok(dbt_cursor_read(cursor, index, page, &err), err);
            assert_int_equal(page->index, index);
            assert_memory_equal(page->document_id, ids + index * B, page->n_rows * sizeof ids[0]);
        }
        /* The page after it is the next one. */
        assert_ok(dbt_cursor_read(cursor, 11, page, &err), err);
        assert_ok(dbt_cursor_next(cursor, page, &err), err);
        assert_int_equal(page->index, 12);
        assert_int_equal(page->document_id[0], ids[12 * B]);
        assert_int_equal(dbt_cursor_read(cursor, 67, page, NULL), DBT_EUSAGE);
        assert_int_equal(dbt_cursor_read(cursor, -1, page, NULL), DBT_EUSAGE);
        assert_int_equal(dbt_cursor_reset(cursor, 0, NULL), DBT_EUSAGE);
        dbt_cursor_close(cursor);
    }
    dbt_page_free(page);
    close_store(store);
}

/* Reads pages until one cannot be read or the epoch ends; gives their number. */
static int64_t read_on(dbt_cursor *cursor, dbt_page *page, dbt_status *status)
{
    int64_t n = 0;
    while ((*status = dbt_cursor_next(cursor, page, NULL)) == DBT_OK)
        n++;
    return n;
}

static void test_cursor__a_small_split_is_read_once_an_epoch_if_it_fits(void **state)
{
    (void)state;
    enum { N = 20000, B = 100 }; /* two windows */
    dbt_error err = {0};
    dbt_store *store = make_store("small.db", N);
    dbt_page *page = new_page();
    dbt_cursor *all = open_cursor(store, "all", B, true, 1000000);
    dbt_cursor *window = open_cursor(store, "all", B, true, 600000);
    dbt_cursor *row = open_cursor(store, "all", B, true, 0);
    assert_ok(dbt_cursor_next(all, page, &err), err);
    assert_ok(dbt_cursor_next(window, page, &err), err);
    assert_ok(dbt_cursor_next(row, page, &err), err);
    run(store, "DELETE FROM document");
    /* What is held still comes; what is not is missing. */
    dbt_status status;
    assert_int_equal(read_on(all, page, &status), N / B - 1);
    assert_int_equal(status, DBT_DONE);
    assert_int_equal(read_on(window, page, &status), N / B / 2 - 1);
    assert_int_equal(status, DBT_EFORMAT);
    assert_int_equal(read_on(row, page, &status), 0);
    assert_int_equal(status, DBT_EFORMAT);
    assert_ok(dbt_cursor_reset(all, 2, &err), err);
    assert_int_equal(read_on(all, page, &status), 0);
    assert_int_equal(status, DBT_EFORMAT);
    dbt_cursor_close(all);
    dbt_cursor_close(window);
    dbt_cursor_close(row);
    dbt_page_free(page);
    close_store(store);
}

static void test_cursor__positions_are_those_of_the_page(void **state)
{
    (void)state;
    enum { N = 40000, B = 100 }; /* three windows */
    dbt_store *store = make_store("positions.db", N);
    dbt_error err = {0};
    dbt_page *page = new_page();
    for (int shuffle = 0; shuffle < 2; shuffle++) {
        dbt_cursor *cursor = open_cursor(store, "all", B, shuffle != 0, 1 << 22);
        assert_ok(dbt_cursor_reset(cursor, 3, &err), err);
        for (int64_t index = 0; index < dbt_cursor_pages(cursor); index += 7) {
            int64_t position[B], other[B];
            size_t n, n_other;
            assert_ok(dbt_cursor_positions(cursor, index, position, &n, &err), err);
            assert_ok(dbt_cursor_positions(cursor, (index * 31) % 400, other, &n_other, &err), err);
            assert_ok(dbt_cursor_read(cursor, index, page, &err), err);
            assert_int_equal(n, page->n_rows);
            for (size_t i = 0; i < n; i++)
                assert_int_equal(page->document_id[i], position[i] + 1);
        }
        int64_t position[B];
        size_t n;
        assert_int_equal(dbt_cursor_positions(cursor, N / B, position, &n, NULL), DBT_EUSAGE);
        assert_int_equal(dbt_cursor_positions(cursor, -1, position, &n, NULL), DBT_EUSAGE);
        dbt_cursor_close(cursor);
    }
    dbt_page_free(page);
    close_store(store);
}

static void test_cursor__mixes_a_corpus_that_is_sorted_by_class(void **state)
{
    (void)state;
    enum { N = 200000, B = 128 };
    static int64_t ids[N];
    dbt_store *store = make_store("sorted.db", N);
    dbt_cursor *cursor = open_cursor(store, "all", B, true, (size_t)32 << 20);
    double deviation = 0;
    for (int64_t epoch = 1; epoch <= 2; epoch++) {
        read_epoch(cursor, epoch, B, N, ids);
        for (int page = 0; page < N / B; page++) {
            int upper = 0;
            for (int i = 0; i < B; i++)
                upper += ids[page * B + i] > N / 2;
            assert_in_range(upper, B / 4, B - B / 4);
            deviation += (upper - B / 2.0) * (upper - B / 2.0);
        }
    }
    /* That of rows drawn at random: windows have both halves alike. */
    assert_true(deviation / (2.0 * (N / B)) < 1.15 * B / 4);
    dbt_cursor_close(cursor);
    close_store(store);
}

/* Where in the split row `i` of a window is. */
static int64_t position_in(const dbt__order_window *window, size_t i)
{
    size_t row = window->shuffled[i];
    return window->block[row / window->block_rows] + (int64_t)(row % window->block_rows);
}

/* Every row of the split comes once, in windows that are where they are said to be. */
static void check_permutation(int64_t n_rows, int64_t row_bytes, size_t classes, int64_t epoch)
{
    static dbt__order_window window;
    char *met = calloc((size_t)n_rows, 1);
    assert_non_null(met);
    dbt__order order;
    dbt__order_init(&order, n_rows, row_bytes, classes, 77, epoch);
    int64_t row = 0;
    for (int64_t w = 0; w < order.n_windows; w++) {
        assert_int_equal(dbt__order_window_start(&order, w), row);
        dbt__order_fill(&order, w, &window);
        assert_true(window.n_blocks <= DBT__MAX_WINDOW_BLOCKS);
        assert_true(window.n_rows <= DBT__MAX_WINDOW_ROWS);
        for (size_t i = 0; i < window.n_rows; i++, row++) {
            assert_int_equal(dbt__order_window_of(&order, row), w);
            int64_t position = position_in(&window, i);
            assert_true(position >= 0 && position < n_rows);
            assert_int_equal(met[position]++, 0);
        }
    }
    assert_int_equal(row, n_rows);
    assert_int_equal(dbt__order_window_start(&order, order.n_windows), row);
    free(met);
}

static void test_order__is_a_permutation_at_every_size(void **state)
{
    (void)state;
    /* Mean lengths, by the rows of a block: 8 of splits that are held whole; 512 ... 1 of others.
     */
    static const int64_t row_bytes[] = {0, 300, 1000, 20000, 150000, 1000000};
    for (size_t b = 0; b < sizeof row_bytes / sizeof row_bytes[0]; b++) {
        dbt__order order;
        dbt__order_init(&order, 200000, row_bytes[b], 0, 77, 1);
        const int64_t block = order.block_rows,
                      window =
                          block * (order.is_small ? DBT__SMALL_WINDOW_BLOCKS : DBT__WINDOW_BLOCKS),
                      held = DBT__HELD_BYTES / (row_bytes[b] + DBT__ROW_BYTES);
        assert_int_equal(order.is_small, b == 0);
        const int64_t sizes[] = {1,
                                 2,
                                 block - 1,
                                 block,
                                 block + 1,
                                 2 * block,
                                 2 * block + 1,
                                 3 * block - 1,
                                 window - 1,
                                 window,
                                 window + 1,
                                 window + block - 1,
                                 window + block,
                                 window + block + 1,
                                 2 * window - 1,
                                 2 * window,
                                 2 * window + 1,
                                 3 * window + 1,
                                 65536,
                                 65537,
                                 99999,
                                 100001,
                                 held - 1,
                                 held,
                                 held + 1};
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
            if (sizes[i] > 0) check_permutation(sizes[i], row_bytes[b], i % 3 * 200, (int64_t)i);
    }
}

/* Blocks are about as large in bytes, whatever the rows; windows fit into the memory that a cursor
 * is granted by default. */
static void test_order__blocks_and_windows_have_their_bytes(void **state)
{
    (void)state;
    dbt_cursor_options options;
    dbt_cursor_options_init(&options);
    assert_true(DBT__HELD_BYTES < options.memory);
    for (int64_t row_bytes = 1; row_bytes < 300000; row_bytes += 1 + row_bytes / 7) {
        dbt__order order;
        dbt__order_init(&order, INT64_C(1) << 40, row_bytes, 2, 5, 1);
        int64_t bytes = order.block_rows * row_bytes,
                head_bytes = order.block_rows * DBT__ROW_BYTES;
        assert_true(order.block_rows == DBT__BLOCK_ROWS || bytes > DBT__BLOCK_BYTES / 2);
        assert_true(order.block_rows == 1 || bytes <= DBT__BLOCK_BYTES);
        if (row_bytes <= DBT__BLOCK_BYTES)
            assert_true((size_t)((bytes + head_bytes) * DBT__WINDOW_BLOCKS) < options.memory);
    }
}

/* Windows of equal size: the last one mixes as many blocks as the others. */
static void test_order__no_window_is_a_remnant(void **state)
{
    (void)state;
    static const int64_t row_bytes[] = {10, 1000};
    for (size_t b = 0; b < 2; b++) {
        const int64_t block = b == 0 ? DBT__SMALL_BLOCK_ROWS : 128,
                      window =
                          b == 0 ? block * DBT__SMALL_WINDOW_BLOCKS : block * DBT__WINDOW_BLOCKS;
        for (int64_t n = b == 0 ? window + 1 : 2 * window; n < 60000; n += 997) {
            dbt__order order;
            dbt__order_init(&order, n, row_bytes[b], 2, 5, 1);
            assert_int_equal(order.block_rows, block);
            for (int64_t w = 0; w < order.n_windows; w++)
                assert_true(dbt__order_window_start(&order, w + 1) -
                                dbt__order_window_start(&order, w) >=
                            window / 2 - block);
        }
    }
}

/* Of a split that is sorted by class a window has nearly all classes. (With windows of a third as
 * many blocks as a hundred classes, accuracy after an epoch was a sixth lower than in a random
 * order; of three hundred next to nothing was learnt.) */
static void test_order__windows_have_most_classes(void **state)
{
    (void)state;
    enum { MOST = 1000 };
    static const size_t class_counts[] = {2, 64, 100, 300, MOST};
    static const int64_t row_bytes[] = {10, 250, 700, 1300, 9000};
    static dbt__order_window window;
    const int64_t n = 1000000;
    for (size_t b = 0; b < 25; b++) {
        const size_t classes = class_counts[b % 5];
        dbt__order order;
        dbt__order_init(&order, n, row_bytes[b / 5], classes, 11, 1);
        int64_t missing = 0;
        for (int64_t w = 0; w < order.n_windows; w++) {
            double share[MOST] = {0};
            dbt__order_fill(&order, w, &window);
            for (size_t i = 0; i < window.n_rows; i++)
                share[(size_t)(position_in(&window, i) * (int64_t)classes / n)] +=
                    (double)classes / (double)window.n_rows;
            for (size_t c = 0; c < classes; c++) {
                missing += share[c] == 0;
                assert_true(share[c] < 3);
            }
        }
        assert_true(missing * 20 < order.n_windows * (int64_t)classes);
    }
}

/* Each row of a small split is as likely at one place as at another: chi-squared over 4,000 epochs.
 */
static void test_order__small_splits_are_shuffled_uniformly(void **state)
{
    (void)state;
    enum { N = 17 * DBT__SMALL_BLOCK_ROWS, EPOCHS = 4000 };
    static int counts[N][N];
    static dbt__order_window window;
    memset(counts, 0, sizeof counts);
    for (int epoch = 1; epoch <= EPOCHS; epoch++) {
        dbt__order order;
        dbt__order_init(&order, N, 10, 0, 123, epoch);
        dbt__order_fill(&order, 0, &window);
        for (size_t i = 0; i < N; i++)
            counts[i][position_in(&window, i)]++;
    }
    double expected = (double)EPOCHS / N, chi = 0;
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++)
            chi += (counts[i][j] - expected) * (counts[i][j] - expected) / expected;
    /* (N - 1)^2 = 18225 degrees of freedom: mean 18225, standard deviation 191. */
    assert_true(chi > 18225 - 5 * 191 && chi < 18225 + 5 * 191);
}

/* A block is as likely in one window as in another: chi-squared, for few windows and for some. */
static void test_order__windows_draw_blocks_uniformly(void **state)
{
    (void)state;
    enum { EPOCHS = 200, MOST = 12 };
    static dbt__order_window window;
    for (int64_t n_windows = 2; n_windows <= MOST; n_windows += 2) {
        double counts[MOST][MOST] = {{0}}, drawn = 0, chi = 0;
        for (int epoch = 1; epoch <= EPOCHS; epoch++) {
            dbt__order order;
            dbt__order_init(&order, n_windows * DBT__WINDOW_BLOCKS * 32, 6000, 0, 321, epoch);
            assert_int_equal(order.block_rows, 32);
            assert_int_equal(order.n_windows, n_windows);
            for (int64_t w = 0; w < n_windows; w++) {
                dbt__order_fill(&order, w, &window);
                for (size_t i = 0; i < window.n_blocks; i++, drawn++)
                    counts[window.block[i] / order.block_rows % n_windows][w]++;
            }
        }
        double expected = drawn / (double)(n_windows * n_windows);
        for (int64_t i = 0; i < n_windows; i++)
            for (int64_t w = 0; w < n_windows; w++)
                chi += (counts[i][w] - expected) * (counts[i][w] - expected) / expected;
        /* of that many degrees of freedom, and their standard deviation is sqrt(2 * freedom) */
        double freedom = (double)((n_windows - 1) * (n_windows - 1));
        assert_true(chi < freedom + 4 * sqrt(2 * freedom) + 4);
    }
}

/* What a stored run was trained on must not change with the program: these are for ever, or for
 * this DBT_ORDER_VERSION. */
static void test_order__stays_what_it_was(void **state)
{
    (void)state;
    static dbt__order_window window;
    dbt__order order;
    uint64_t digest = 0;
    for (int64_t n = 10; n < 1000000; n = n * 3 + 1) {
        dbt__order_init(&order, n, 700, n % 2 == 0 ? 2 : 300, 123, 2);
        for (int64_t w = 0; w < order.n_windows; w++) {
            dbt__order_fill(&order, w, &window);
            for (size_t i = 0; i < window.n_rows; i++)
                digest = dbt__random(digest, (uint64_t)position_in(&window, i));
        }
    }
    assert_true(digest == UINT64_C(0x8870bf206c1d591f));
}

static void test_cursor__order_is_the_split_s_own(void **state)
{
    (void)state;
    /* `reverse_unordered_selects` shows where an ORDER BY is missing; ANALYZE may change a plan. */
    enum { N = 3000 };
    dbt_error err = {0};
    dbt_store *store = make_store("reverse.db", N);
    run(store, "ANALYZE");
    dbt__split_reader reader = {0};
    dbt_split split;
    dbt_page *page = new_page();
    assert_ok(dbt__split_reader_init(&reader, store, "back", false, &split, &err), err);
    assert_int_equal(split.documents, N / 3);
    assert_ok(dbt__sql_exec(reader.sql, "PRAGMA reverse_unordered_selects = 1", &err), err);
    assert_ok(dbt__split_read(&reader, 100, 200, dbt__append_row, page, &err), err);
    assert_int_equal(page->n_rows, 200);
    for (int i = 0; i < 200; i++)
        assert_int_equal(page->document_id[i], 3 * (N / 3 - 100 - i));
    assert_true(dbt__sql_idle(reader.sql));
    dbt_page_free(page);
    dbt__split_reader_release(&reader);
    close_store(store);
}

/* Blocks and windows are cut by it. */
static void test_cursor__the_mean_of_texts_is_that_of_a_sample(void **state)
{
    (void)state;
    enum { N = 6000 };
    dbt_error err = {0};
    dbt_store *store = make_store("mean.db", N);
    run(store, "UPDATE document SET text = printf('%.*c', 1 + id % 10, 'x')");
    dbt__split_reader reader = {0};
    dbt_split split;
    int64_t bytes;
    assert_ok(dbt__split_reader_init(&reader, store, "all", false, &split, &err), err);
    assert_int_equal(split.documents, N);
    assert_ok(dbt__split_mean_bytes(&reader, 20, &bytes, &err), err);
    assert_int_equal(bytes, 5);
    assert_ok(dbt__split_mean_bytes(&reader, 1, &bytes, &err), err);
    assert_int_equal(bytes, 2);
    assert_ok(dbt__split_mean_bytes(&reader, 0, &bytes, &err), err);
    assert_int_equal(bytes, 0);
    /* Every row of the second half is longer, and half of the sample is of it. */
    run(store, "UPDATE document SET text = printf('%.*c', iif(id <= 3000, 10, 30), 'x')");
    assert_ok(dbt__split_mean_bytes(&reader, N, &bytes, &err), err);
    assert_int_equal(bytes, 20);
    dbt__split_reader_release(&reader);
    close_store(store);
}

static void test_cursor__does_not_see_what_comes_later(void **state)
{
    (void)state;
    enum { N = 100 };
    int64_t ids[2 * N];
    dbt_error err = {0};
    dbt_store *store = make_store("later.db", N);
    dbt_cursor *cursor = open_cursor(store, "all", 16, false, 0);
    dbt_cursor *shuffled = open_cursor(store, "all", 16, true, 1 << 20);
    run(store, "INSERT INTO document (text) SELECT 'text ' || (id + 100) FROM document;"
               "INSERT INTO split_document SELECT 1, id - 1, id FROM document WHERE id > 100;"
               "UPDATE split SET documents = 200 WHERE id = 1");
    read_epoch(cursor, 1, 16, N, ids);
    read_epoch(shuffled, 1, 16, N, ids);
    dbt_cursor_close(cursor);
    dbt_cursor_close(shuffled);
    /* Nor more than it is told to. */
    dbt_cursor_options options;
    dbt_cursor_options_init(&options);
    options.split = "all";
    options.n_rows = 37;
    options.batch_size = 16;
    assert_ok(dbt_cursor_open(store, &options, &cursor, &err), err);
    assert_int_equal(dbt_cursor_rows(cursor), 37);
    read_epoch(cursor, 1, 16, N, ids);
    dbt_cursor_close(cursor);
    close_store(store);
}

static void test_cursor__leaves_the_writer_alone(void **state)
{
    (void)state;
    enum { N = 20000 };
    char log[160];
    dbt_error err = {0};
    dbt_store *store = make_store("writer.db", N);
    dbt_cursor *train = open_cursor(store, "all", 128, true, 1 << 20);
    dbt_cursor *validation = open_cursor(store, "back", 128, false, 0);
    dbt_page *page = new_page();
    (void)snprintf(log, sizeof log, "%s/writer.db-wal", folder);
    run(store, "PRAGMA busy_timeout = 0");
    for (int i = 0; i < 60; i++) {
        /* Two at once; a page that is refused (the last) leaves no transaction either. */
        assert_ok(dbt_cursor_next(train, page, &err), err);
        if (i < 50) assert_ok(dbt_cursor_read(validation, (i * 7) % 52, page, &err), err);
        assert_ok(dbt__sql_begin(dbt__store_sql(store), &err), err);
        run(store, "INSERT INTO label (name) SELECT 'l' || count(*) FROM label");
        assert_ok(dbt__sql_commit(dbt__store_sql(store), &err), err);
        assert_true(access(log, F_OK) == 0);
        assert_ok(dbt__sql_checkpoint(dbt__store_sql(store), &err), err);
    }
    dbt_page_free(page);
    dbt_cursor_close(train);
    dbt_cursor_close(validation);
    close_store(store);
}

static void test_cursor__missing_documents_are_an_error_not_a_short_page(void **state)
{
    (void)state;
    dbt_error err = {0};
    dbt_store *store = make_store("missing.db", 100);
    dbt_page *page = new_page();
    dbt_cursor *cursor = open_cursor(store, "all", 10, false, 0);
    dbt_cursor *shuffled = open_cursor(store, "all", 10, true, 1 << 20);
    dbt_cursor *fetched = open_cursor(store, "all", 100, true, 0);
    assert_ok(dbt_cursor_next(cursor, page, &err), err);
    /* Deleted in a shell without foreign keys, and at the end of the split with them. */
    run(store, "PRAGMA foreign_keys = OFF; DELETE FROM document WHERE id = 18;"
               "PRAGMA foreign_keys = ON; DELETE FROM document WHERE id = 100");
    for (int again = 0; again < 2; again++) {
        err = (dbt_error){0};
        assert_int_equal(dbt_cursor_next(cursor, page, &err), DBT_EFORMAT);
        assert_string_equal(err.message,
                            "split 'all' lacks the document at position 17: it was deleted; close "
                            "the gap as schema/README.md shows, or ingest into a new file");
        assert_int_equal(page->n_rows, 0);
    }
    assert_int_equal(dbt_cursor_next(shuffled, page, NULL), DBT_EFORMAT);
    assert_int_equal(dbt_cursor_next(fetched, page, NULL), DBT_EFORMAT);
    err = (dbt_error){0};
    assert_int_equal(dbt_cursor_read(cursor, 9, page, &err), DBT_EFORMAT);
    assert_non_null(strstr(err.message, "position 99"));
    /* The same page is still the next, and comes when the document is back. */
    run(store, "INSERT INTO document (id, label_id, weight, text) VALUES (18, 1, 9, 'text 18'),"
               " (100, NULL, 50, 'text 100'); INSERT INTO split_document VALUES (1, 99, 100)");
    err = (dbt_error){0};
    assert_ok(dbt_cursor_next(cursor, page, &err), err);
    assert_int_equal(page->index, 1);
    assert_int_equal(page->n_rows, 10);
    check_row(page, 7, 100);
    int64_t ids[100];
    read_epoch(shuffled, 1, 10, 100, ids);
    read_epoch(fetched, 1, 100, 100, ids);
    dbt_page_free(page);
    dbt_cursor_close(cursor);
    dbt_cursor_close(shuffled);
    dbt_cursor_close(fetched);
    close_store(store);
}

/* More text than is held whole: two windows, each of 128 blocks from all over the split. */
static void test_cursor__a_large_split_is_read_by_windows(void **state)
{
    (void)state;
    enum { N = 1900, B = 100 };
    static int64_t ids[2][N];
    dbt_error err = {0};
    dbt_store *store = make_store("large.db", N);
    dbt_page *page = new_page();
    run(store, "UPDATE document SET text = hex(zeroblob(7998)) || printf('%04d', id)");
    static const size_t memories[] = {(size_t)32 << 20, 4 << 20, 0}; /* for a window, for none */
    for (size_t i = 0; i < sizeof memories / sizeof memories[0]; i++) {
        dbt_cursor *cursor = open_cursor(store, "all", B, true, memories[i]);
        int64_t *got = ids[i > 0];
        char met[N + 1] = {0};
        for (int64_t k = 0; k < N / B; k++) {
            assert_ok(dbt_cursor_next(cursor, page, &err), err);
            assert_int_equal(page->n_rows, B);
            for (int j = 0; j < B; j++) {
                int64_t id = page->document_id[j];
                assert_int_equal(page->text[j].bytes, 16000);
                char digits[5] = "";
                memcpy(digits, page->text[j].data + 15996, 4);
                assert_int_equal(atoi(digits), id);
                assert_int_equal(met[id]++, 0);
                got[k * B + j] = id;
            }
        }
        assert_int_equal(dbt_cursor_next(cursor, page, &err), DBT_DONE);
        if (i > 0) assert_memory_equal(ids[0], ids[1], sizeof ids[0]);
        dbt_cursor_close(cursor);
    }
    dbt_page_free(page);
    close_store(store);
}

/* A window that cannot be read has overwritten what was held of the one before. */
static void test_cursor__a_window_is_read_again_after_one_that_fails(void **state)
{
    (void)state;
    enum { N = 1900, B = 100, LAST = N / B - 1 };
    dbt_error err = {0};
    dbt_store *store = make_store("failing-window.db", N);
    dbt_page *page = new_page();
    run(store, "UPDATE document SET text = hex(zeroblob(8000))");
    dbt_cursor *cursor = open_cursor(store, "all", B, true, (size_t)32 << 20);
    assert_ok(dbt_cursor_read(cursor, LAST, page, &err), err);
    char script[100];
    (void)snprintf(script, sizeof script,
                   "PRAGMA foreign_keys = OFF; DELETE FROM document WHERE id = %lld",
                   (long long)page->document_id[B / 2]);
    int64_t ids[B];
    assert_ok(dbt_cursor_read(cursor, 0, page, &err), err);
    memcpy(ids, page->document_id, sizeof ids);
    run(store, script);
    assert_int_equal(dbt_cursor_read(cursor, LAST, page, NULL), DBT_EFORMAT);
    assert_ok(dbt_cursor_read(cursor, 0, page, &err), err);
    assert_memory_equal(page->document_id, ids, sizeof ids);
    dbt_cursor_close(cursor);
    dbt_page_free(page);
    close_store(store);
}

/* A checksum that is there and does not fit; documents that a shell writes have none. */
static void test_cursor__a_damaged_document_is_told_where_that_is_asked(void **state)
{
    (void)state;
    static const char *const damages[] = {"label_id = 2", "label_id = NULL", "weight = 2.25",
                                          "text = 'text 6'", "text = ''"};
    dbt_store *store = make_store("damaged.db", 20);
    dbt_page *page = new_page();
    dbt_cursor_options options;
    dbt_cursor_options_init(&options);
    options.split = "all";
    options.batch_size = 3;
    options.verify = true;
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        char script[160];
        dbt_error err = {0};
        dbt_cursor *cursor;
        (void)snprintf(script, sizeof script,
                       "UPDATE document SET label_id = 1, weight = 2.5, text = 'text 5',"
                       " checksum = %lld WHERE id = 5",
                       (long long)dbt__document_checksum(5, 1, 2.5, (dbt_text){"text 5", 6}));
        run(store, script);
        assert_ok(dbt_cursor_open(store, &options, &cursor, &err), err);
        assert_ok(dbt_cursor_read(cursor, 1, page, &err), err);
        (void)snprintf(script, sizeof script, "UPDATE document SET %s WHERE id = 5", damages[i]);
        run(store, script);
        assert_ok(dbt_cursor_read(cursor, 0, page, &err), err);
        assert_int_equal(dbt_cursor_read(cursor, 1, page, &err), DBT_EFORMAT);
        assert_non_null(strstr(err.message, "document 5, at position 4 of split 'all', is not what "
                                            "was stored"));
        assert_int_equal(page->n_rows, 0);
        dbt_cursor_close(cursor);
        err = (dbt_error){0};
        cursor = open_cursor(store, "all", 3, false, 0);
        assert_ok(dbt_cursor_read(cursor, 1, page, &err), err);
        dbt_cursor_close(cursor);
    }
    dbt_page_free(page);
    close_store(store);
}

static void test_cursor__an_empty_text_is_a_text(void **state)
{
    (void)state;
    dbt_store *store = make_store("empty.db", 10);
    run(store, "UPDATE document SET text = '' WHERE id = 4");
    for (int shuffle = 0; shuffle < 2; shuffle++) {
        dbt_page *page = new_page();
        dbt_cursor *cursor = open_cursor(store, "all", 10, shuffle != 0, 1 << 20);
        dbt_error err = {0};
        assert_ok(dbt_cursor_next(cursor, page, &err), err);
        for (size_t i = 0; i < page->n_rows; i++)
            assert_int_equal(page->text[i].bytes == 0, page->document_id[i] == 4);
        dbt_page_free(page);
        dbt_cursor_close(cursor);
    }
    close_store(store);
}

static void test_cursor__options_are_checked(void **state)
{
    (void)state;
    static const struct {
        dbt_cursor_options options;
        const char *message;
    } cases[] = {
        {{.batch_size = 1}, "a split or a query"},
        {{.split = "all", .query = "SELECT 1", .batch_size = 1}, "a split or a query"},
        {{.split = "al", .batch_size = 1}, "(has: all, back)"},
        {{.split = "all", .batch_size = 0}, "batch size"},
        {{.split = "all", .batch_size = (1 << 20) + 1}, "batch size"},
        {{.split = "all", .batch_size = 1, .n_rows = -1}, "negative"},
        {{.query = "SELECT 'a' AS text", .batch_size = 1, .shuffle = true}, "shuffled"},
        {{.query = "SELECT 'a' AS x", .batch_size = 1}, "no column named text"},
        {{.query = "SELECT words AS text FROM document", .batch_size = 1}, "no such column: words"},
        {{.query = "DELETE FROM document RETURNING text", .batch_size = 1}, "not a SELECT"},
        {{.query = "SELECT 'a' AS text; DROP TABLE label", .batch_size = 1}, "more than one"},
        {{.query = "SELECT 'a' AS text) --", .batch_size = 1}, "syntax error"},
        {{.query = ";SELECT 'a' AS text", .batch_size = 1}, "syntax error"},
        {{.query = "SELECT abs(-9223372036854775808) AS text", .batch_size = 1}, "overflow"},
    };
    dbt_store *store = make_store("options.db", 10);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        dbt_error err = {0};
        dbt_cursor *cursor;
        dbt_page *page = new_page();
        dbt_status status = dbt_cursor_open(store, &cases[i].options, &cursor, &err);
        if (status == DBT_OK) status = dbt_cursor_next(cursor, page, &err);
        if (status != DBT_EUSAGE || strstr(err.message, cases[i].message) == NULL)
            fail_msg("case %zu: %s", i, err.message);
        dbt_cursor_close(cursor);
        dbt_page_free(page);
    }
    close_store(store);
}

static void test_query__pages_are_limit_offset(void **state)
{
    (void)state;
    dbt_error err = {0};
    dbt_store *store = make_store("query.db", 100);
    dbt_page *page = new_page();
    dbt_cursor *cursor;
    dbt_cursor_options options;
    dbt_cursor_options_init(&options);
    options.query = "SELECT document.id, text, label.name AS Label, weight FROM document"
                    " LEFT JOIN label ON label.id = label_id ORDER BY document.id DESC; -- all";
    options.batch_size = 30;
    assert_ok(dbt_cursor_open(store, &options, &cursor, &err), err);
    assert_int_equal(dbt_cursor_rows(cursor), 100);
    assert_int_equal(dbt_cursor_pages(cursor), 4);
    for (int epoch = 1; epoch <= 2; epoch++) {
        int64_t seen = 0;
        dbt_status status;
        assert_ok(dbt_cursor_reset(cursor, epoch, &err), err);
        while ((status = dbt_cursor_next(cursor, page, &err)) == DBT_OK) {
            for (size_t i = 0; i < page->n_rows; i++, seen++) {
                char text[32];
                int64_t id = 100 - seen;
                int bytes = snprintf(text, sizeof text, "text %lld", (long long)id);
                assert_int_equal(page->text[i].bytes, bytes);
                assert_memory_equal(page->text[i].data, text, (size_t)bytes);
                assert_int_equal(page->document_id[i], seen + 1);
                assert_int_equal(page->label_id[i], id % 50 == 0 ? 0 : 1 + (id > 50));
                assert_true(page->weight[i] == (double)id * 0.5);
            }
        }
        assert_int_equal(status, DBT_DONE);
        assert_int_equal(seen, 100);
    }
    /* Rows that go away are an error, and the connection is idle: the writer can empty its log. */
    run(store, "DELETE FROM document WHERE id <= 20; PRAGMA busy_timeout = 0");
    assert_int_equal(dbt_cursor_read(cursor, 2, page, &err), DBT_EDATA);
    assert_string_equal(err.message, "query: row 81 is gone: the data has changed");
    err = (dbt_error){0};
    assert_ok(dbt__sql_checkpoint(dbt__store_sql(store), &err), err);
    dbt_cursor_close(cursor);
    dbt_page_free(page);
    close_store(store);
}

static void test_query__rows_are_checked(void **state)
{
    (void)state;
    static const struct {
        const char *query;
        dbt_status status;
        const char *message;
        int64_t label_id;
        double weight;
    } cases[] = {
        {"SELECT 'a' AS text", DBT_OK, "", 0, 1},
        {"VALUES ('a')", DBT_EUSAGE, "no column named text", 0, 0},
        {"SELECT 5 AS text, 'pos' AS label, NULL AS weight", DBT_OK, "", 2, 1},
        {"SELECT '' AS text, NULL AS label, 3 AS weight", DBT_OK, "", 0, 3},
        {"SELECT x'' AS text", DBT_OK, "", 0, 1},
        {"SELECT NULL AS text", DBT_EDATA, "query: row 1 has no text", 0, 0},
        {"SELECT 'a' AS text, 'psi' AS label", DBT_EDATA, "query: row 1: no label 'psi' in '", 0,
         0},
        {"SELECT 'a' AS text, 7 AS label", DBT_OK, "", 3, 1},
    };
    dbt_store *store = make_store("rows.db", 10);
    run(store, "INSERT INTO label (name) VALUES ('7')");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        dbt_error err = {0};
        dbt_cursor *cursor;
        dbt_cursor_options options;
        dbt_page *page = new_page();
        dbt_cursor_options_init(&options);
        options.query = cases[i].query;
        dbt_status status = dbt_cursor_open(store, &options, &cursor, &err);
        if (status == DBT_OK) status = dbt_cursor_next(cursor, page, &err);
        if (status != cases[i].status || strstr(err.message, cases[i].message) == NULL)
            fail_msg("%s: %s", cases[i].query, err.message);
        assert_int_equal(page->n_rows, status == DBT_OK);
        if (status == DBT_OK) {
            assert_int_equal(page->label_id[0], cases[i].label_id);
            assert_true(page->weight[0] == cases[i].weight);
        }
        dbt_cursor_close(cursor);
        dbt_page_free(page);
    }
    assert_int_equal(ask(store, "SELECT count(*) FROM label"), 3);
    close_store(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cursor__gives_each_row_once_for_any_batch_size),
        cmocka_unit_test(test_cursor__a_split_without_rows_has_no_pages),
        cmocka_unit_test(test_cursor__orders_depend_on_seed_and_epoch_alone),
        cmocka_unit_test(test_cursor__pages_can_be_read_in_any_order),
        cmocka_unit_test(test_cursor__a_small_split_is_read_once_an_epoch_if_it_fits),
        cmocka_unit_test(test_cursor__positions_are_those_of_the_page),
        cmocka_unit_test(test_cursor__mixes_a_corpus_that_is_sorted_by_class),
        cmocka_unit_test(test_order__is_a_permutation_at_every_size),
        cmocka_unit_test(test_order__blocks_and_windows_have_their_bytes),
        cmocka_unit_test(test_order__no_window_is_a_remnant),
        cmocka_unit_test(test_order__windows_have_most_classes),
        cmocka_unit_test(test_order__small_splits_are_shuffled_uniformly),
        cmocka_unit_test(test_order__windows_draw_blocks_uniformly),
        cmocka_unit_test(test_order__stays_what_it_was),
        cmocka_unit_test(test_cursor__order_is_the_split_s_own),
        cmocka_unit_test(test_cursor__the_mean_of_texts_is_that_of_a_sample),
        cmocka_unit_test(test_cursor__does_not_see_what_comes_later),
        cmocka_unit_test(test_cursor__leaves_the_writer_alone),
        cmocka_unit_test(test_cursor__missing_documents_are_an_error_not_a_short_page),
        cmocka_unit_test(test_cursor__a_large_split_is_read_by_windows),
        cmocka_unit_test(test_cursor__a_window_is_read_again_after_one_that_fails),
        cmocka_unit_test(test_cursor__a_damaged_document_is_told_where_that_is_asked),
        cmocka_unit_test(test_cursor__an_empty_text_is_a_text),
        cmocka_unit_test(test_cursor__options_are_checked),
        cmocka_unit_test(test_query__pages_are_limit_offset),
        cmocka_unit_test(test_query__rows_are_checked),
    };
    return cmocka_run_group_tests_name("cursor", tests, make_folder, remove_folder);
}
