/*
 * paging.c: what a page costs: by the way of reading, by the size of the split, near and far, and
 * in a scattered split.
 *
 * A literal OFFSET makes an epoch quadratic, so of that a sample of pages is read.
 */
#include <string.h>

#include <sqlite3.h>

#include "bench.h"

/* Of the shuffled order, pages that are in one window, of texts that are short. */
enum { NEAR_PAGES = 100, WINDOW_PAGES = 400, SAMPLED_PAGES = 10 };

/* All pages of a split, or some of them. */
typedef struct reading {
    const char *database;
    const char *split; /* NULL: all documents, by literal LIMIT and OFFSET */
    bool shuffle;
    enum { ALL_PAGES, FIRST_PAGES, LAST_PAGES, SPREAD_PAGES } which;
    int64_t pages; /* 0: all */
} reading;

static void rate(int64_t rows, double seconds, double *value)
{
    value[0] = (double)rows / seconds / 1e3;
}

/* The scan that other ways are compared with: every row, copied out. */
static void run_scan(void *context, size_t run, double *value)
{
    (void)run;
    const reading *r = context;
    dbt_error err = {0};
    dbt_page *page;
    sqlite3 *connection;
    sqlite3_stmt *scan;
    int64_t rows = 0;
    int code;
    if (sqlite3_open_v2(r->database, &connection, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX,
                        NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(connection, "SELECT id, label_id, weight, text FROM document", -1, &scan,
                           NULL) != SQLITE_OK)
        bench_fail("'%s': %s", r->database, sqlite3_errmsg(connection));
    bench_must(dbt_page_new(&page, &err), &err);
    double begin = bench_now();
    for (; (code = sqlite3_step(scan)) == SQLITE_ROW; rows++) {
        if (rows % BENCH_PAGE_ROWS == 0) dbt_page_clear(page);
        dbt_text text = {(const char *)sqlite3_column_text(scan, 3),
                         (size_t)sqlite3_column_bytes(scan, 3)};
        bench_must(dbt_page_append(page, text, sqlite3_column_int64(scan, 0),
                                   sqlite3_column_int64(scan, 1), sqlite3_column_double(scan, 2),
                                   &err),
                   &err);
    }
    rate(rows, bench_now() - begin, value);
    if (code != SQLITE_DONE) bench_fail("'%s': %s", r->database, sqlite3_errmsg(connection));
    dbt_page_free(page);
    (void)sqlite3_finalize(scan);
    (void)sqlite3_close(connection);
}

static dbt_cursor *open_cursor(const reading *r)
{
    dbt_error err = {0};
    dbt_cursor *cursor;
    dbt_cursor_options options;
    dbt_store *store = bench_open(r->database, DBT_STORE_READ);
    dbt_cursor_options_init(&options);
    options.split = r->split;
    if (r->split == NULL) options.query = "SELECT text, weight FROM document ORDER BY id";
    options.shuffle = r->shuffle;
    options.batch_size = BENCH_PAGE_ROWS;
    bench_must(dbt_cursor_open(store, &options, &cursor, &err), &err);
    bench_must(dbt_store_close(store, &err), &err);
    return cursor;
}

/* The number of the k-th page that is read. */
static int64_t page_number(const reading *r, int64_t all, int64_t n, int64_t k)
{
    if (r->which == LAST_PAGES) return all - n + k;
    return r->which == SPREAD_PAGES ? all * (2 * k + 1) / (2 * n) : k;
}

static void run_cursor(void *context, size_t run, double *value)
{
    const reading *r = context;
    dbt_error err = {0};
    dbt_page *page;
    dbt_cursor *cursor = open_cursor(r);
    int64_t all = dbt_cursor_pages(cursor),
            n = r->which == ALL_PAGES || r->pages > all ? all : r->pages;
    int64_t rows = 0;
    bench_must(dbt_page_new(&page, &err), &err);
    bench_must(dbt_cursor_reset(cursor, (int64_t)run + 1, &err), &err);
    double begin = bench_now();
    for (int64_t k = 0; k < n; k++) {
        bench_must(dbt_cursor_read(cursor, page_number(r, all, n, k), page, &err), &err);
        rows += (int64_t)page->n_rows;
    }
    rate(rows, bench_now() - begin, value);
    dbt_page_free(page);
    dbt_cursor_close(cursor);
}

/* Two splits of a twentieth of the documents: scattered ones, and neighbours. */
static void make_splits(const char *database)
{
    bench_execute(
        database,
        "BEGIN;"
        "INSERT INTO split (name) VALUES ('scattered'), ('contiguous');"
        "INSERT INTO split_document SELECT (SELECT id FROM split WHERE name = 'scattered'),"
        " row_number() OVER (ORDER BY id) - 1, id FROM document"
        " WHERE draw(id) < 0.05;"
        "INSERT INTO split_document SELECT (SELECT id FROM split WHERE name = 'contiguous'),"
        " row_number() OVER (ORDER BY id) - 1, id FROM document WHERE id > (SELECT max(id) / 2 FROM"
        " document) ORDER BY id LIMIT (SELECT count(*) FROM split_document WHERE split_id ="
        " (SELECT id FROM split WHERE name = 'scattered'));"
        "UPDATE split SET documents = (SELECT count(*) FROM split_document WHERE split_id = "
        "split.id)"
        " WHERE name IN ('scattered', 'contiguous');"
        "COMMIT;"
        "PRAGMA wal_checkpoint(TRUNCATE)");
}

static void measure_readings(const bench_options *options, const char *title, const char *note,
                             size_t n, const bench_contestant *contestants)
{
    bench_measure(options, &(bench_table){.section = "paging",
                                          .title = title,
                                          .note = note,
                                          .n_metrics = 1,
                                          .metric = {{"thousand rows/s", 1}},
                                          .n_contestants = n,
                                          .contestant = contestants});
}

static void measure_database(const bench_options *options, const char *database, int64_t documents)
{
    reading in_order = {database, "train", false, ALL_PAGES, 0},
            shuffled = {database, "train", true, ALL_PAGES, 0},
            literal = {database, NULL, false, SPREAD_PAGES, SAMPLED_PAGES};
    reading near_pages[] = {{database, "train", false, FIRST_PAGES, NEAR_PAGES},
                            {database, "train", false, LAST_PAGES, NEAR_PAGES},
                            {database, "train", true, FIRST_PAGES, WINDOW_PAGES},
                            {database, "train", true, LAST_PAGES, WINDOW_PAGES},
                            {database, NULL, false, FIRST_PAGES, SAMPLED_PAGES},
                            {database, NULL, false, LAST_PAGES, SAMPLED_PAGES}};
    reading splits[] = {{database, "contiguous", false, ALL_PAGES, 0},
                        {database, "scattered", false, ALL_PAGES, 0},
                        {database, "contiguous", true, ALL_PAGES, 0},
                        {database, "scattered", true, ALL_PAGES, 0}};
    char title[128];
    (void)snprintf(title, sizeof title, "%s documents", bench_grouped(documents));
    measure_readings(options, title, "pages of 128; literal OFFSET: ten pages spread evenly", 4,
                     (bench_contestant[]){{"raw scan of document", run_scan, &in_order},
                                          {"cursor, in order", run_cursor, &in_order},
                                          {"cursor, shuffled", run_cursor, &shuffled},
                                          {"literal LIMIT OFFSET", run_cursor, &literal}});
    (void)snprintf(title, sizeof title, "%s documents, near and far", bench_grouped(documents));
    measure_readings(
        options, title,
        "each from a cursor just opened; shuffled, rows are read a window of up to 512 pages at a "
        "time, small splits whole",
        6,
        (bench_contestant[]){{"in order, first 100 pages", run_cursor, &near_pages[0]},
                             {"in order, last 100 pages", run_cursor, &near_pages[1]},
                             {"shuffled, first 400 pages", run_cursor, &near_pages[2]},
                             {"shuffled, last 400 pages", run_cursor, &near_pages[3]},
                             {"literal OFFSET, first 10 pages", run_cursor, &near_pages[4]},
                             {"literal OFFSET, last 10 pages", run_cursor, &near_pages[5]}});
    (void)snprintf(title, sizeof title, "splits of a twentieth of %s documents",
                   bench_grouped(documents));
    measure_readings(options, title, NULL, 4,
                     (bench_contestant[]){{"contiguous, in order", run_cursor, &splits[0]},
                                          {"scattered, in order", run_cursor, &splits[1]},
                                          {"contiguous, shuffled", run_cursor, &splits[2]},
                                          {"scattered, shuffled", run_cursor, &splits[3]}});
}

void bench_section_paging(const bench_options *options)
{
    static const int64_t usual[] = {100000, 1000000, 10000000};
    const int64_t *size = options->n_sizes > 0 ? options->size : usual;
    size_t n = options->n_sizes > 0 ? options->n_sizes : options->large ? 3 : 2;
    const char *database = bench_path(options, "paging.db"),
               *csv = bench_path(options, "train.csv");
    for (size_t i = 0; i < n; i++) {
        generator_options corpus;
        generator_options_init(&corpus);
        corpus.documents = size[i];
        bench_write_csv(&corpus, csv);
        bench_ingest(database, &csv, 1);
        make_splits(database);
        measure_database(options, database, size[i]);
    }
    bench_remove_database(database);
}
