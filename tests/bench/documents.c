/* documents.c: generated or stored documents, in memory, as CSV and in databases. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

#include <dbtrain/ingest.h>

#include "base.h"
#include "bench.h"

/* Text goes into one block, as offsets while it grows; `finish` makes them pointers. */
typedef struct collector {
    bench_documents documents;
    size_t row_capacity, byte_capacity;
} collector;

static void *grow(void *memory, size_t n, size_t size)
{
    void *grown = realloc(memory, n * size);
    if (grown == NULL) bench_fail("out of memory for documents");
    return grown;
}

static void collect(collector *c, const char *text, size_t bytes, int64_t label_id)
{
    bench_documents *d = &c->documents;
    if (d->n == c->row_capacity) {
        c->row_capacity = 2 * d->n + 1024;
        d->text = grow(d->text, c->row_capacity, sizeof *d->text);
        d->label_id = grow(d->label_id, c->row_capacity, sizeof *d->label_id);
    }
    if (d->memory == NULL || d->bytes + bytes > c->byte_capacity) {
        c->byte_capacity = 2 * (d->bytes + bytes) + 1;
        d->memory = grow(d->memory, c->byte_capacity, 1);
    }
    memcpy(d->memory + d->bytes, text, bytes);
    d->text[d->n] = (dbt_text){.bytes = bytes};
    d->label_id[d->n++] = label_id;
    d->bytes += bytes;
}

static bench_documents finish(collector *c)
{
    size_t at = 0;
    for (size_t i = 0; i < c->documents.n; i++) {
        c->documents.text[i].data = c->documents.memory + at;
        at += c->documents.text[i].bytes;
    }
    return c->documents;
}

static generator *open_generator(const generator_options *options)
{
    generator *g = generator_new(options);
    if (g == NULL) bench_fail("out of memory for the generator");
    return g;
}

bench_documents bench_generate(const generator_options *options)
{
    collector c = {0};
    generator *g = open_generator(options);
    for (int64_t k = 0; k < options->documents; k++) {
        generated document = generator_next(g, k);
        if (document.text == NULL) bench_fail("out of memory for a document");
        collect(&c, document.text, document.bytes, document.label);
    }
    generator_free(g);
    return finish(&c);
}

bench_documents bench_load(const char *database, const char *split)
{
    dbt_error err = {0};
    dbt_page *page;
    dbt_cursor *cursor;
    dbt_cursor_options options;
    dbt_store *store = bench_open(database, DBT_STORE_READ);
    dbt_cursor_options_init(&options);
    options.split = split;
    bench_must(dbt_page_new(&page, &err), &err);
    bench_must(dbt_cursor_open(store, &options, &cursor, &err), &err);
    collector c = {0};
    dbt_status status;
    while ((status = dbt_cursor_next(cursor, page, &err)) == DBT_OK)
        for (size_t r = 0; r < page->n_rows; r++)
            collect(&c, page->text[r].data, page->text[r].bytes, page->label_id[r]);
    bench_must(status, &err);
    dbt_cursor_close(cursor);
    dbt_page_free(page);
    bench_must(dbt_store_close(store, &err), &err);
    return finish(&c);
}

void bench_append(bench_documents *documents, const bench_documents *more)
{
    collector c = {
        .documents = *documents, .row_capacity = documents->n, .byte_capacity = documents->bytes};
    for (size_t i = 0; i < more->n; i++)
        collect(&c, more->text[i].data, more->text[i].bytes, more->label_id[i]);
    *documents = finish(&c);
}

void bench_release(bench_documents *documents)
{
    free(documents->text);
    free(documents->label_id);
    free(documents->memory);
    *documents = (bench_documents){0};
}

size_t bench_pages(const bench_documents *documents)
{
    return (documents->n + BENCH_PAGE_ROWS - 1) / BENCH_PAGE_ROWS;
}

static dbt_status read_page(void *context, size_t reader, int64_t index, dbt_page *page,
                            dbt_error *err)
{
    (void)reader;
    const bench_documents *documents = context;
    size_t begin = (size_t)index * BENCH_PAGE_ROWS, end = begin + BENCH_PAGE_ROWS;
    dbt_page_clear(page);
    page->index = index;
    for (size_t i = begin; i < end && i < documents->n; i++) {
        dbt_status status = dbt_page_append(page, documents->text[i], (int64_t)i + 1,
                                            documents->label_id[i], 1, err);
        if (status < 0) return status;
    }
    return DBT_OK;
}

dbt_corpus bench_corpus(const bench_documents *documents)
{
    return (dbt_corpus){.context = (void *)documents,
                        .n_documents = (int64_t)documents->n,
                        .page_rows = BENCH_PAGE_ROWS,
                        .read = read_page};
}

void bench_fill_page(const bench_documents *documents, size_t index, dbt_page *page)
{
    dbt_error err = {0};
    bench_must(read_page((void *)documents, 0, (int64_t)index, page, &err), &err);
}

void bench_write_csv(const generator_options *options, const char *path)
{
    generator *g = open_generator(options);
    FILE *file = fopen(path, "wb");
    if (file == NULL || !generator_write(g, file) || fclose(file) != 0)
        bench_fail("cannot write '%s': %s", path, strerror(errno));
    generator_free(g);
}

void bench_ingest(const char *database, const char *const *paths, size_t n_paths)
{
    dbt_error err = {0};
    dbt_ingest_options options;
    dbt_ingest_result result;
    bench_remove_database(database);
    dbt_store *store = bench_open(database, DBT_STORE_CREATE);
    dbt_ingest_options_init(&options);
    bench_must(dbt_ingest(store, paths, n_paths, &options, &result, &err), &err);
    bench_must(dbt_store_close(store, &err), &err);
}

dbt_store *bench_open(const char *database, dbt_store_mode mode)
{
    dbt_error err = {0};
    dbt_store *store;
    bench_must(dbt_store_open(database, mode, &store, &err), &err);
    return store;
}

/* draw(n): a number in [0, 1), the same for the same n. */
static void draw(sqlite3_context *context, int n, sqlite3_value **argument)
{
    (void)n;
    sqlite3_result_double(context,
                          dbt__random_double(1, (uint64_t)sqlite3_value_int64(argument[0])));
}

void bench_execute(const char *database, const char *script)
{
    sqlite3 *connection;
    char *message = NULL;
    if (sqlite3_open(database, &connection) != SQLITE_OK ||
        sqlite3_create_function(connection, "draw", 1, SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL,
                                draw, NULL, NULL) != SQLITE_OK ||
        sqlite3_exec(connection, "PRAGMA foreign_keys = ON", NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_exec(connection, script, NULL, NULL, &message) != SQLITE_OK)
        bench_fail("'%s': %s", database, message == NULL ? sqlite3_errmsg(connection) : message);
    (void)sqlite3_close(connection);
}

bool bench_find_imdb(const bench_options *options, const char *paths[2])
{
    static char names[2][512];
    static const char *const parts[] = {"train", "test"};
    for (size_t i = 0; i < 2; i++) {
        (void)snprintf(names[i], sizeof names[i], "%s/imdb/%s.csv", options->data, parts[i]);
        paths[i] = names[i];
    }
    return access(paths[0], R_OK) == 0 && access(paths[1], R_OK) == 0;
}

int64_t bench_size(const bench_options *options, int64_t usual)
{
    return options->n_sizes > 0 ? options->size[0] : usual;
}
