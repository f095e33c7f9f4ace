/*
 * test_train_faults.c: whatever fails while a file is filled, trained on, asked and cleaned up.
 *
 * scenario.h's commands, which the other tests of faults break from below, in their plain form;
 * here are their options and the other commands, broken where dbtrain calls.
 */
#include "task.h"

#include <string.h>

#include <sqlite3.h>

#include <dbtrain/cursor.h>
#include <dbtrain/ingest.h>
#include <dbtrain/train.h>

#include "../scratch.h"
#include "../amount.h"
#include "base.h"
#include "shimvfs.h"

/* --- files --- */

/* A file that is not there leaves none. By stdio, whose calls do not fail here. */
static void copy_file(const char *from, const char *to)
{
    static char data[4 << 20];
    (void)remove(to);
    FILE *in = fopen(from, "rb");
    if (in == NULL) return;
    size_t bytes = fread(data, 1, sizeof data, in);
    assert_true(bytes < sizeof data);
    assert_int_equal(fclose(in), 0);
    write_file(to, data, bytes);
}

static void copy_database(const char *from, const char *to)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-writer"};
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        char source[64], target[64];
        (void)snprintf(source, sizeof source, "%s%s", from, i < 2 ? suffixes[i] : "-none");
        (void)snprintf(target, sizeof target, "%s%s", to, suffixes[i]);
        copy_file(path_of(source), path_of(target));
    }
}

static void write_sources(void)
{
    char text[4096] = "label,text\n";
    for (uint64_t i = 0; i < 24; i++) {
        size_t used = strlen(text);
        char label = (char)('a' + (char)(i % 3));
        (void)snprintf(text + used, sizeof text - used, "%c,%c%d word%d %c%d word%d\n", label,
                       label, (int)dbt__random_below(1, i, 3), (int)dbt__random_below(2, i, 4),
                       label, (int)dbt__random_below(3, i, 3), (int)dbt__random_below(4, i, 4));
    }
    write_file(path_of("rows.csv"), text, strlen(text));
    static const char again[] = "label,text\na,new words\na,new words\nc,other words\nrefused\n";
    write_file(path_of("again.csv"), again, sizeof again - 1);
    static const char test[] = "label,text\na,a1 word1 a2\nb,b1 word2\nd,d1 word3\n";
    write_file(path_of("test.csv"), test, sizeof test - 1);
    static const char unlabelled[] = "text\na1 word1 a2\nb1 word2\n";
    write_file(path_of("dev.csv"), unlabelled, sizeof unlabelled - 1);
}

/* --- a task: a copy of a file, a command, a query that digests what it left --- */

typedef struct command {
    const char *name;
    const char *from; /* NULL: no file */
    dbt_store_mode mode;
    dbt_status (*run)(dbt_store *store, uint64_t *digest, dbt_error *err);
    const char *query;
} command;

static void mix(uint64_t *digest, const void *data, size_t bytes)
{
    *digest = dbt__hash(bytes == 0 ? "" : data, bytes, *digest + bytes + 1);
}

/* By calls that do not fail here. */
static void mix_answer(uint64_t *digest, const char *query)
{
    sqlite3 *handle = NULL;
    char **cell = NULL;
    int rows = 0, columns = 0;
    assert_int_equal(sqlite3_open_v2(path_of("work.db"), &handle, SQLITE_OPEN_READWRITE, "unix"),
                     SQLITE_OK);
    assert_int_equal(sqlite3_get_table(handle, query, &cell, &rows, &columns, NULL), SQLITE_OK);
    for (int i = 0; i < (rows + 1) * columns; i++)
        mix(digest, cell[i] == NULL ? "" : cell[i], cell[i] == NULL ? 0 : strlen(cell[i]));
    sqlite3_free_table(cell);
    assert_int_equal(sqlite3_close(handle), SQLITE_OK);
}

/* Whatever has failed: predictions of a split are of its documents. */
static void assert_no_strangers(void)
{
    uint64_t none = 0, found = 0;
    mix_answer(&none, "SELECT 0 AS n");
    mix_answer(&found, "SELECT count(*) AS n FROM prediction p WHERE NOT EXISTS (SELECT 1 FROM"
                       " split_document s WHERE s.split_id = p.split_id"
                       " AND s.document_id = p.document_id)");
    assert_true(found == none);
}

static dbt_status run_command(const void *what, uint64_t *digest, dbt_error *err)
{
    const command *to = what;
    dbt_store *store = NULL;
    copy_database(to->from == NULL ? "none.db" : to->from, "work.db");
    dbt_status status = dbt_store_open(path_of("work.db"), to->mode, &store, err);
    if (status == DBT_OK) status = to->run(store, digest, err);
    (void)dbt_store_close(store, NULL); /* what was committed is there all the same */
    if (to->from != NULL) assert_no_strangers();
    if (status == DBT_OK && to->query != NULL) mix_answer(digest, to->query);
    return status;
}

/* --- the commands --- */

static dbt_status ingest(dbt_store *store, uint64_t *digest, dbt_error *err)
{
    const char *const paths[] = {path_of("rows.csv"), path_of("test.csv"), path_of("dev.csv")};
    dbt_ingest_options options;
    dbt_ingest_result result;
    dbt_ingest_options_init(&options);
    dbt_status status = dbt_ingest(store, paths, 2, &options, &result, err);
    mix(digest, &result.documents, sizeof result.documents);
    options.label_column = "none";
    if (status == DBT_OK) status = dbt_ingest(store, paths + 2, 1, &options, &result, err);
    return status;
}

static dbt_status ingest_more(dbt_store *store, uint64_t *digest, dbt_error *err)
{
    const char *const paths[] = {path_of("rows.csv"), path_of("again.csv")};
    dbt_ingest_options options;
    dbt_ingest_result result;
    dbt_ingest_options_init(&options);
    options.split = "train";
    options.dedup = true;
    options.max_rejects = -1;
    dbt_status status = dbt_ingest(store, paths, 2, &options, &result, err);
    if (status == DBT_OK) mix(digest, &result, sizeof result);
    return status;
}

static dbt_fit_options fit_options(void)
{
    dbt_fit_options options;
    dbt_fit_options_init(&options);
    options.batch_size = 8;
    options.epochs = 2;
    options.threads = 1;
    options.vectorizer.ngram_max = 1;
    options.vectorizer.top_k = 8;
    options.network.units = 2;
    return options;
}

static dbt_status fit_with(dbt_store *store, const dbt_fit_options *options,
                           const dbt_observer *observer, uint64_t *digest, dbt_error *err)
{
    dbt_fit_result result = {0};
    dbt_status status = dbt_fit(store, options, observer, &result, err);
    mix(digest, &result.best_val_loss, sizeof result.best_val_loss);
    return status;
}

static dbt_status fit_cached(dbt_store *store, uint64_t *digest, dbt_error *err)
{
    dbt_fit_options options = fit_options();
    options.name = "cached";
    options.cache = true;
    options.class_weight = "balanced";
    return fit_with(store, &options, NULL, digest, err);
}

static dbt_status fit_hashed(dbt_store *store, uint64_t *digest, dbt_error *err)
{
    dbt_fit_options options = fit_options();
    options.vectorizer.hash_bits = 6;
    options.class_weight = "a=2,b=1";
    options.network.optimizer = DBT_ADAMW;
    options.checkpoint_every = 0;
    return fit_with(store, &options, NULL, digest, err);
}

static void count_step(void *steps, int64_t epoch, int64_t step, int64_t of, double loss,
                       double acc)
{
    (void)epoch, (void)step, (void)of, (void)loss, (void)acc;
    ++*(int *)steps;
}

static bool stop_in_second_epoch(void *steps)
{
    return *(int *)steps == 4;
}

static dbt_status fit_stopped(dbt_store *store, uint64_t *digest, dbt_error *err)
{
    int steps = 0;
    dbt_error cause = {0};
    const dbt_observer observer = {
        .step = count_step, .stop = stop_in_second_epoch, .context = &steps};
    const dbt_fit_options options = fit_options();
    dbt_status status = fit_with(store, &options, &observer, digest, &cause);
    if (status == DBT_EINTERRUPTED) return DBT_OK;
    return dbt__fail(err, status, "%s", cause.message);
}

static dbt_status resume(dbt_store *store, uint64_t *digest, dbt_error *err)
{
    dbt_resume found = {0};
    dbt_status status = dbt_resume_find(store, NULL, &found, err);
    found.options.threads = 1;
    if (status == DBT_OK) status = fit_with(store, &found.options, NULL, digest, err);
    dbt_resume_release(&found);
    return status;
}

static dbt_status evaluate(dbt_store *store, uint64_t *digest, dbt_error *err)
{
    dbt_model *model = NULL;
    dbt_report report = {0};
    dbt_status status = dbt_model_open(store, NULL, DBT_WEIGHTS_LAST, &model, err);
    if (status == DBT_OK) status = dbt_evaluate(store, model, "test", 1, NULL, &report, err);
    mix(digest, &report.loss, sizeof report.loss);
    dbt_report_release(&report);
    if (status == DBT_OK) status = dbt_evaluate(store, model, "dev", 1, NULL, &report, err);
    mix(digest, &report.unlabelled, sizeof report.unlabelled);
    dbt_report_release(&report);
    dbt_model_close(model);
    return status;
}

static dbt_status evaluate_parts(dbt_store *store, uint64_t *digest, dbt_error *err)
{
    static const char *const parts[] = {"train/train", "train/validation"};
    dbt_model *model = NULL;
    dbt_status status = dbt_model_open(store, NULL, DBT_WEIGHTS_BEST, &model, err);
    for (int i = 0; status == DBT_OK && i < 2; i++) {
        dbt_report report = {0};
        status = dbt_evaluate(store, model, parts[i], 1, NULL, &report, err);
        mix(digest, &report.loss, sizeof report.loss);
        dbt_report_release(&report);
    }
    dbt_model_close(model);
    return status;
}

/* The first one is refused once it has cut the parts, and cuts them back. */
static dbt_status fit_recut(dbt_store *store, uint64_t *digest, dbt_error *err)
{
    dbt_error refusal = {0};
    dbt_fit_options options = fit_options();
    options.seed = 9;
    options.class_weight = "e=2";
    dbt_status status = fit_with(store, &options, NULL, digest, &refusal);
    if (status != DBT_EUSAGE) return dbt__fail(err, status, "%s", refusal.message);
    options.class_weight = NULL;
    return fit_with(store, &options, NULL, digest, err);
}

static dbt_status visit_batch(void *digest, const dbt_batch *batch, const dbt_page *page,
                              const int32_t *output, dbt_error *err)
{
    (void)err;
    mix(digest, batch->value, batch->row_start[batch->n_rows] * sizeof *batch->value);
    mix(digest, output, page->n_rows * sizeof *output);
    return DBT_OK;
}

static dbt_status vectorize(dbt_store *store, uint64_t *digest, dbt_error *err)
{
    dbt_model *model = NULL;
    dbt_status status = dbt_model_open(store, NULL, DBT_WEIGHTS_BEST, &model, err);
    if (status == DBT_OK) status = dbt_vectorize(store, model, "test", visit_batch, digest, err);
    dbt_model_close(model);
    return status;
}

static dbt_status look(dbt_store *store, uint64_t *digest, dbt_error *err)
{
    dbt_info info = {0};
    dbt_status status = dbt_info_read(store, &info, err);
    if (status == DBT_OK) {
        mix(digest, &info.documents, sizeof info.documents);
        mix(digest, &info.cache_bytes, sizeof info.cache_bytes);
        mix(digest, &info.split[0].median_words, sizeof info.split[0].median_words);
        mix(digest, info.run[0].status, strlen(info.run[0].status));
    }
    dbt_info_release(&info);
    return status;
}

static dbt_status read_query(dbt_store *store, uint64_t *digest, dbt_error *err)
{
    dbt_cursor_options options;
    dbt_cursor *cursor = NULL;
    dbt_page *page = NULL;
    dbt_cursor_options_init(&options);
    options.query = "SELECT text, label FROM corpus WHERE split = 'train' ORDER BY id";
    options.batch_size = 10;
    dbt_status status = dbt_cursor_open(store, &options, &cursor, err);
    if (status == DBT_OK) status = dbt_page_new(&page, err);
    while (status == DBT_OK && (status = dbt_cursor_next(cursor, page, err)) == DBT_OK)
        for (size_t i = 0; i < page->n_rows; i++)
            mix(digest, page->text[i].data, page->text[i].bytes);
    dbt_page_free(page);
    dbt_cursor_close(cursor);
    return status == DBT_DONE ? DBT_OK : status;
}

static dbt_status clean_up(dbt_store *store, uint64_t *digest, dbt_error *err)
{
    dbt_removed removed = {0};
    int64_t bytes = 0;
    dbt_status status = dbt_cache_remove(store, &bytes, err);
    mix(digest, &bytes, sizeof bytes);
    if (status == DBT_OK) status = dbt_run_remove(store, "cached", &removed, err);
    mix(digest, &removed.vocabulary, sizeof removed.vocabulary);
    return status;
}

#define ALL_DOCUMENTS                                                                              \
    "SELECT s.name || p.position || coalesce(l.name, '-') || d.text FROM split_document p"         \
    " JOIN split s ON s.id = p.split_id JOIN document d ON d.id = p.document_id"                   \
    " LEFT JOIN label l ON l.id = d.label_id ORDER BY s.name, p.position"
#define ALL_WEIGHTS                                                                                \
    "SELECT r.status || kind || layer || p.name || digest FROM parameter p JOIN run r ON"          \
    " r.id = p.run_id ORDER BY r.id, kind, layer, p.name"

static const command commands[] = {
    {"ingest", NULL, DBT_STORE_CREATE, ingest, ALL_DOCUMENTS},
    {"ingest more", "ingested.db", DBT_STORE_WRITE, ingest_more, ALL_DOCUMENTS},
    {"fit, keeping rows", "ingested.db", DBT_STORE_WRITE, fit_cached, ALL_WEIGHTS},
    {"fit, hashed", "fitted.db", DBT_STORE_WRITE, fit_hashed, ALL_WEIGHTS},
    {"fit, stopped", "ingested.db", DBT_STORE_WRITE, fit_stopped, "SELECT status FROM run"},
    {"resume", "stopped.db", DBT_STORE_WRITE, resume, ALL_WEIGHTS},
    {"evaluate", "fitted.db", DBT_STORE_WRITE, evaluate,
     "SELECT document_id || label_id || probability FROM prediction ORDER BY 1"},
    {"evaluate parts", "fitted.db", DBT_STORE_WRITE, evaluate_parts,
     "SELECT document_id || label_id || probability FROM prediction ORDER BY 1"},
    {"fit, cutting anew", "evaluated.db", DBT_STORE_WRITE, fit_recut,
     "SELECT r.status || (SELECT count(*) FROM prediction) || (SELECT count(*) FROM evaluation)"
     " FROM run r ORDER BY id"},
    {"vectorize", "fitted.db", DBT_STORE_READ, vectorize, NULL},
    {"info", "fitted.db", DBT_STORE_READ, look, NULL},
    {"query", "ingested.db", DBT_STORE_READ, read_query, NULL},
    {"rm", "fitted.db", DBT_STORE_WRITE, clean_up, "SELECT count(*) FROM run, vectorizer"},
};

static void test_commands__fail_with_a_message_or_do_everything(void **state)
{
    (void)state;
    const long step = choose_amount(43, 5, 1);
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        const fault_task task = {commands[i].name, run_command, &commands[i]};
        run_task_with_faults(&task, step);
    }
}

/* --- preparation --- */

static bool prepare_file(const command *to, const char *keep)
{
    uint64_t digest = 0;
    dbt_error err = {0};
    if (run_command(to, &digest, &err) < 0) {
        (void)fprintf(stderr, "%s: %s\n", to->name, err.message);
        return false;
    }
    copy_database("work.db", keep);
    return true;
}

/* The shim is here for its speed alone: it waits for no disk. */
static int let_through(const shim_call *call)
{
    (void)call;
    return SQLITE_OK;
}

static int prepare(void **state)
{
    shim_register(let_through);
    if (make_folder(state) != 0) return -1;
    write_sources();
    return prepare_file(&commands[0], "ingested.db") && prepare_file(&commands[2], "fitted.db") &&
                   prepare_file(&commands[4], "stopped.db") &&
                   prepare_file(&commands[7], "evaluated.db")
               ? 0
               : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_commands__fail_with_a_message_or_do_everything),
    };
    return cmocka_run_group_tests(tests, prepare, remove_folder);
}
