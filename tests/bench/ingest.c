/* ingest.c: the same CSV into a file by an INSERT loop, by sqlite3 .import and by dbtrain. */
#include <string.h>

#include <sqlite3.h>

#include "bench.h"

/* As the writer of dbtrain commits. */
enum { COMMIT_ROWS = 100000, COMMIT_BYTES = 32 * 1024 * 1024 };

typedef struct contest {
    const bench_options *options;
    const char *paths[2];
    size_t n_paths;
    bench_documents documents; /* the same rows, in memory */
    const char *database;
} contest;

static void rate(const contest *c, double seconds, double *value)
{
    value[0] = seconds;
    value[1] = (double)c->documents.n / seconds / 1e3;
    value[2] = (double)c->documents.bytes / seconds / 1e6;
}

static void execute(sqlite3 *connection, const char *script)
{
    if (sqlite3_exec(connection, script, NULL, NULL, NULL) != SQLITE_OK)
        bench_fail("%s: %s", script, sqlite3_errmsg(connection));
}

static void insert_rows(sqlite3 *connection, const bench_documents *documents)
{
    sqlite3_stmt *insert;
    size_t rows = 0, bytes = 0;
    if (sqlite3_prepare_v2(connection, "INSERT INTO t (label, text) VALUES (?1, ?2)", -1, &insert,
                           NULL) != SQLITE_OK)
        bench_fail("INSERT: %s", sqlite3_errmsg(connection));
    execute(connection, "BEGIN IMMEDIATE");
    for (size_t i = 0; i < documents->n; i++) {
        const dbt_text *text = &documents->text[i];
        (void)sqlite3_bind_int64(insert, 1, documents->label_id[i]);
        (void)sqlite3_bind_text64(insert, 2, text->data, text->bytes, SQLITE_STATIC, SQLITE_UTF8);
        if (sqlite3_step(insert) != SQLITE_DONE)
            bench_fail("INSERT: %s", sqlite3_errmsg(connection));
        (void)sqlite3_reset(insert);
        bytes += text->bytes;
        if (++rows < COMMIT_ROWS && bytes < COMMIT_BYTES) continue;
        execute(connection, "COMMIT; BEGIN IMMEDIATE");
        rows = bytes = 0;
    }
    execute(connection, "COMMIT");
    (void)sqlite3_finalize(insert);
}

static void run_loop(void *context, size_t run, double *value)
{
    (void)run;
    const contest *c = context;
    sqlite3 *connection;
    bench_remove_database(c->database);
    double begin = bench_now();
    if (sqlite3_open(c->database, &connection) != SQLITE_OK)
        bench_fail("cannot open '%s'", c->database);
    execute(connection, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                        "CREATE TABLE t (label TEXT, text TEXT)");
    insert_rows(connection, &c->documents);
    execute(connection, "PRAGMA wal_checkpoint(TRUNCATE)");
    (void)sqlite3_close(connection);
    rate(c, bench_now() - begin, value);
}

static void run_import(void *context, size_t run, double *value)
{
    (void)run;
    const contest *c = context;
    char commands[2][1024];
    for (size_t i = 0; i < 2; i++)
        (void)snprintf(commands[i], sizeof commands[i], ".import --csv '%s' t",
                       c->paths[i < c->n_paths ? i : 0]);
    const char *const argv[] = {"sqlite3",
                                c->database,
                                "CREATE TABLE t (label TEXT, text TEXT)",
                                commands[0],
                                c->n_paths == 2 ? commands[1] : NULL,
                                NULL};
    bench_remove_database(c->database);
    rate(c, bench_process(c->options, argv, NULL, NULL).seconds, value);
}

static void run_dbtrain(void *context, size_t run, double *value)
{
    (void)run;
    const contest *c = context;
    const char *const argv[] = {c->options->dbtrain,
                                "ingest",
                                c->database,
                                c->paths[0],
                                c->n_paths == 2 ? c->paths[1] : NULL,
                                NULL};
    bench_remove_database(c->database);
    rate(c, bench_process(c->options, argv, NULL, NULL).seconds, value);
}

static void run_contest(contest *c, const char *title)
{
    const char *const version[] = {"sqlite3", "--version", NULL};
    bench_contestant contestants[3] = {{"INSERT loop", run_loop, c},
                                       {"dbtrain ingest", run_dbtrain, c}};
    size_t n = 2;
    if (bench_try(c->options, version))
        contestants[n++] = (bench_contestant){"sqlite3 .import", run_import, c};
    else
        bench_skip(c->options, "ingest", "sqlite3 .import: no sqlite3");
    bench_measure(
        c->options,
        &(bench_table){
            .section = "ingest",
            .title = title,
            .note = "INSERT loop: rows from memory into (label, text); WAL, synchronous FULL, "
                    "transactions and checkpoint as dbtrain's.\n"
                    "The others read the CSV; .import with the shell's defaults. MB of text.",
            .n_metrics = 3,
            .metric = {{"seconds", 3}, {"thousand rows/s", 0}, {"MB/s", 1}},
            .n_contestants = n,
            .contestant = contestants,
        });
}

void bench_section_ingest(const bench_options *options)
{
    contest c = {.options = options, .n_paths = 1, .database = bench_path(options, "ingest.db")};
    generator_options corpus;
    generator_options_init(&corpus);
    corpus.documents = bench_size(options, 500000);
    c.paths[0] = bench_path(options, "train.csv");
    bench_write_csv(&corpus, c.paths[0]);
    c.documents = bench_generate(&corpus);
    char title[128];
    (void)snprintf(title, sizeof title, "%s generated documents, %.0f MB",
                   bench_grouped(corpus.documents), (double)c.documents.bytes / 1e6);
    run_contest(&c, title);
    bench_release(&c.documents);

    if (!bench_find_imdb(options, c.paths)) {
        bench_skip(options, "ingest", "IMDb: no '%s'", c.paths[0]);
        return;
    }
    c.n_paths = 2;
    bench_ingest(c.database, c.paths, 2);
    bench_documents test = bench_load(c.database, "test");
    c.documents = bench_load(c.database, "train");
    bench_append(&c.documents, &test);
    run_contest(&c, "IMDb, train.csv and test.csv");
    bench_release(&test);
    bench_release(&c.documents);
}
