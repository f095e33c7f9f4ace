/*
 * fuzz_store.c: sequences of calls on a store, against a model of it: two lists of numbers.
 *
 * Two bytes an operation: which, and with what. The documents of a split are the numbers that were
 * ingested into it, in their order.
 */
#include <dbtrain/cursor.h>
#include <dbtrain/ingest.h>

#include "scratch_folder.h"

enum { MAX_OPERATIONS = 12, MAX_DOCUMENTS = 512, SPLITS = 2 };

static const char *const split_name[SPLITS] = {"a", "b"};

typedef struct world {
    dbt_store *store;
    int next; /* number of the next document, and of the next file */
    int document[SPLITS][MAX_DOCUMENTS];
    int n[SPLITS];
} world;

static void open_store(world *w, dbt_store_mode mode)
{
    dbt_error err = {0};
    fuzz_ok(dbt_store_open(scratch_path("store.db"), mode, &w->store, &err), err);
}

static dbt_status ingest(world *w, const char *path, int split, dbt_ingest_result *result,
                         dbt_error *err)
{
    dbt_ingest_options options;
    dbt_ingest_options_init(&options);
    options.format = DBT_FORMAT_CSV;
    options.header = DBT_HEADER_NO;
    options.split = split_name[split];
    return dbt_ingest(w->store, &path, 1, &options, result, err);
}

/* A file of n new documents; one row more, without a text, where it is to be refused. */
static const char *write_source(world *w, int n, bool refused)
{
    char csv[1024], name[32];
    size_t used = 0;
    for (int i = 0; i < n; i++)
        used +=
            (size_t)snprintf(csv + used, sizeof csv - used, "%d,number %d\n", i % 2, w->next + i);
    if (refused) used += (size_t)snprintf(csv + used, sizeof csv - used, "0\n");
    (void)snprintf(name, sizeof name, "source-%d.csv", w->next);
    const char *path = scratch_path(name);
    scratch_write(path, csv, used);
    return path;
}

static void add_documents(world *w, int split, int n)
{
    dbt_error err = {0};
    dbt_ingest_result result;
    if (w->n[split] + n > MAX_DOCUMENTS) return;
    const char *path = write_source(w, n, false);
    fuzz_ok(ingest(w, path, split, &result, &err), err);
    fuzz_check(result.documents == n && result.rejected == 0);
    /* The same file again is recognised. */
    fuzz_ok(ingest(w, path, split, &result, &err), err);
    fuzz_check(result.documents == 0 && result.recognised == 1);
    fuzz_check(unlink(path) == 0);
    for (int i = 0; i < n; i++)
        w->document[split][w->n[split]++] = w->next++;
}

static void add_refused(world *w, int split, int n)
{
    dbt_error err = {0};
    dbt_ingest_result result;
    const char *path = write_source(w, n, true);
    fuzz_check(ingest(w, path, split, &result, &err) == DBT_EDATA);
    fuzz_check(unlink(path) == 0);
    w->next += n;
}

/* The number of "number N". */
static int read_number(dbt_text text)
{
    char copy[32];
    fuzz_check(text.bytes > 7 && text.bytes < sizeof copy && memcmp(text.data, "number ", 7) == 0);
    memcpy(copy, text.data, text.bytes);
    copy[text.bytes] = '\0';
    return (int)strtol(copy + 7, NULL, 10);
}

/* Every document once; in their order, unless shuffled. */
static void read_split(world *w, int split, size_t batch_size, bool shuffle)
{
    dbt_error err = {0};
    dbt_cursor *cursor;
    dbt_page *page;
    dbt_cursor_options options;
    dbt_split facts;
    int n = 0;
    int64_t sum = 0;
    if (w->n[split] == 0) return;
    fuzz_ok(dbt_store_find_split(w->store, split_name[split], &facts, &err), err);
    fuzz_check(facts.documents == w->n[split]);
    dbt_cursor_options_init(&options);
    options.split = split_name[split];
    options.batch_size = batch_size;
    options.shuffle = shuffle;
    fuzz_ok(dbt_cursor_open(w->store, &options, &cursor, &err), err);
    fuzz_ok(dbt_page_new(&page, &err), err);
    dbt_status status;
    while ((status = dbt_cursor_next(cursor, page, &err)) == DBT_OK) {
        for (size_t r = 0; r < page->n_rows; r++, n++) {
            int number = read_number(page->text[r]);
            fuzz_check(n < w->n[split]);
            fuzz_check(shuffle || number == w->document[split][n]);
            sum += number - w->document[split][n];
        }
        fuzz_check(page->n_rows == batch_size || n == w->n[split]);
    }
    fuzz_check(status == DBT_DONE && n == w->n[split] && sum == 0);
    dbt_page_free(page);
    dbt_cursor_close(cursor);
}

static void hold_out(world *w, int split, unsigned char value)
{
    dbt_error err = {0};
    dbt_split train = {0}, validation = {0};
    bool reused;
    if (w->n[split] == 0) return;
    const dbt_hold_out_options options = {.fraction = (value + 1) / 258.0, .seed = value};
    dbt_status status = dbt_store_hold_out(w->store, split_name[split], &options, &train,
                                           &validation, &reused, &err);
    if (status < 0) {
        fuzz_check(status == DBT_EDATA);
        return;
    }
    fuzz_check(train.documents > 0 && validation.documents > 0);
    fuzz_check(train.documents + validation.documents == w->n[split]);
    fuzz_ok(dbt_store_hold_out(w->store, split_name[split], &options, &train, &validation, &reused,
                               &err),
            err);
    fuzz_check(reused);
}

static void operate(world *w, unsigned char kind, unsigned char value)
{
    dbt_error err = {0};
    int split = value & 1;
    switch (kind % 6) {
    case 0:
    case 1:
        add_documents(w, split, 1 + value / 2 % 20);
        break;
    case 2:
        read_split(w, split, 1 + value / 4 % 9, (value & 2) != 0);
        break;
    case 3:
        hold_out(w, split, value);
        break;
    case 4:
        add_refused(w, split, value / 2 % 8);
        break;
    default:
        fuzz_ok(dbt_store_close(w->store, &err), err);
        open_store(w, DBT_STORE_WRITE);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static world w;
    fuzz_input input = {data, bytes};
    dbt_error err = {0};
    w = (world){.next = 1};
    (void)unlink(scratch_path("store.db"));
    open_store(&w, DBT_STORE_CREATE);
    for (int i = 0; i < MAX_OPERATIONS && input.bytes > 0; i++) {
        unsigned char kind = fuzz_byte(&input);
        operate(&w, kind, fuzz_byte(&input));
    }
    for (int split = 0; split < SPLITS; split++)
        read_split(&w, split, 5, false);
    fuzz_ok(dbt_store_close(w.store, &err), err);
    return 0;
}
