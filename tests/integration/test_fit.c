/* test_fit.c: training on the corpus that ships with the project: what it learns, what it stores,
 * when it stops, and that the same seed gives the same bits. */
#include "testing.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <sqlite3.h>

#include "quickstart.h"

static void test_fit__learns_the_quickstart_corpus(void **state)
{
    (void)state;
    dbt_store *store = make_quickstart("learns.db");
    dbt_fit_options options = quick_options(20);
    dbt_error err = {0};
    dbt_report report;
    options.validation = NULL;
    options.validation_split = 0.1;
    options.name = "first";
    dbt_fit_result result = fit(store, &options);
    assert_int_equal(result.run_id, 1);
    dbt_model *model = open_model(store, "first", DBT_WEIGHTS_BEST);
    assert_ok(dbt_evaluate(store, model, "test", 2, NULL, &report, &err), err);
    assert_true(report.acc > 0.85);
    assert_int_equal(report.documents, QUICKSTART_TEST);
    assert_answer(store,
                  "SELECT status || ' ' || seed || ' ' || (finished_at >= started_at) FROM run",
                  "finished 123 1");
    assert_answer(store,
                  "SELECT group_concat(l.name) FROM run_label r JOIN label l ON l.id = r.label_id",
                  "computers,cooking,cycling,gardening,travel");
    assert_int_equal(ask(store, "SELECT count(*) FROM feature"),
                     dbt_model_get_info(model).n_features);
    assert_int_equal(ask(store, "SELECT count(*) FROM epoch"), result.epochs);
    assert_int_equal(ask(store, "SELECT best_epoch FROM run"), result.best_epoch);
    dbt_report_release(&report);
    dbt_model_close(model);
    close_store(store);
}

/* SQLite's clock, in milliseconds of the Julian calendar: a day earlier each time it is read. */
static sqlite3_int64 wrong_time;

static int tell_wrong_time(sqlite3_vfs *vfs, sqlite3_int64 *time)
{
    (void)vfs;
    *time = wrong_time -= 86400000;
    return SQLITE_OK;
}

static void test_fit__a_clock_that_is_wrong_changes_dates_alone(void **state)
{
    (void)state;
    dbt_store *store = make_quickstart("clock.db");
    dbt_fit_options options = quick_options(3);
    (void)fit(store, &options);
    char *expected = bits_of_run(store, 1);
    sqlite3_vfs *right = sqlite3_vfs_find(NULL), wrong = *right;
    wrong.zName = "wrong-clock";
    wrong.xCurrentTimeInt64 = tell_wrong_time;
    wrong_time = INT64_C(2471105) * 86400000; /* in 2053 */
    assert_int_equal(sqlite3_vfs_register(&wrong, 1), SQLITE_OK);
    close_store(store);
    store = make_quickstart("wrong-clock.db");
    for (int64_t run = 1; run <= 3; run++)
        assert_int_equal(fit(store, &options).run_id, run);
    char *found = bits_of_run(store, 3);
    assert_string_equal(found, expected);
    assert_answer(
        store,
        "SELECT (a.started_at > '2053-' AND b.started_at < a.started_at"
        " AND a.finished_at < a.started_at) FROM run a, run b WHERE a.id = 2 AND b.id = 3",
        "1");
    assert_answer(store,
                  "SELECT group_concat(run || '.' || epoch) FROM"
                  " (SELECT run, epoch FROM history ORDER BY run, epoch)",
                  "1.1,1.2,1.3,2.1,2.2,2.3,3.1,3.2,3.3");
    assert_int_equal(ask(store, "SELECT count(*) FROM epoch WHERE seconds < 0 OR seconds > 3600"),
                     0);
    close_store(store);
    assert_int_equal(sqlite3_vfs_unregister(&wrong), SQLITE_OK);
    assert_int_equal(sqlite3_vfs_register(right, 1), SQLITE_OK);
    free(expected);
    free(found);
}

static dbt_fit_options hashing_options(uint32_t hash_bits, int64_t epochs)
{
    dbt_fit_options options = quick_options(epochs);
    options.vectorizer.hash_bits = hash_bits;
    return options;
}

/* Accuracy on the test split of a new run. */
static double learn(dbt_store *store, const dbt_fit_options *options)
{
    dbt_error err = {0};
    dbt_report report;
    (void)fit(store, options);
    dbt_model *model = open_model(store, NULL, DBT_WEIGHTS_BEST);
    assert_ok(dbt_evaluate(store, model, "test", 2, NULL, &report, &err), err);
    double acc = report.acc;
    dbt_report_release(&report);
    dbt_model_close(model);
    return acc;
}

/* Some 12,500 n-grams: a tenth of them share a column with another. */
static void test_fit__learns_from_hashed_ngrams_nearly_as_well(void **state)
{
    (void)state;
    dbt_store *store = make_quickstart("hashed.db");
    dbt_fit_options counting = quick_options(20), hashing = hashing_options(17, 20);
    double counted = learn(store, &counting);
    int64_t features = ask(store, "SELECT count(*) FROM feature");
    double hashed = learn(store, &hashing);
    if (!(hashed > 0.85 && hashed > counted - 0.05)) fail_msg("%g, not %g", hashed, counted);
    assert_int_equal(ask(store, "SELECT rows FROM parameter WHERE run_id = 2 AND layer = 0"
                                " AND name = 'weight' AND kind = 'best'"),
                     1 << 17);
    assert_int_equal(ask(store, "SELECT vectorizer_id FROM run WHERE id = 2"), 2);
    assert_int_equal(ask(store, "SELECT count(*) FROM feature"), features);
    assert_int_equal(ask(store, "SELECT count(*) FROM top_feature WHERE run_id = 2"), 0);
    close_store(store);
}

static void test_fit__hashed_ngrams_take_the_memory_of_their_columns_alone(void **state)
{
    (void)state;
    dbt_fit_options counting = quick_options(1), few = hashing_options(10, 1),
                    many = hashing_options(20, 1);
    const size_t weights = ((size_t)1 << 20) * 64 * sizeof(float);
    const dbt_split_info large = {.documents = 100000,
                                  .n_labels = 2,
                                  .mean_words = 200,
                                  .ngrams = 8e6,
                                  .terms = 1e6},
                         small = {.documents = 100,
                                  .n_labels = 2,
                                  .mean_words = 20,
                                  .ngrams = 3000,
                                  .terms = 700};
    assert_true(dbt_fit_bytes(&few, &large) < dbt_fit_bytes(&counting, &large));
    assert_true(dbt_fit_bytes(&many, &large) > 3 * weights);
    assert_true(dbt_fit_bytes(&many, &small) > 3 * weights);
}

/* Rows that are kept are packed; those of a single epoch are not. */
static void test_fit__hashed_ngrams_give_the_same_bits_for_any_threads_and_memory(void **state)
{
    (void)state;
    for (int64_t epochs = 1; epochs <= 3; epochs += 2) {
        char *expected = NULL;
        for (size_t threads = 1; threads <= 4; threads++) {
            dbt_store *store = make_quickstart("hashed.db");
            dbt_fit_options options = hashing_options(14, epochs);
            options.threads = threads;
            options.memory = (size_t)(80 * threads) << 20;
            char *bits = bits_of_run(store, fit(store, &options).run_id);
            if (expected == NULL) expected = strdup(bits);
            assert_string_equal(bits, expected);
            free(bits);
            close_store(store);
        }
        free(expected);
    }
}

static void test_fit__any_number_of_threads_gives_the_same_bits(void **state)
{
    (void)state;
    static const size_t threads[] = {1, 2, 3, 4, 8};
    char *expected = NULL;
    for (size_t i = 0; i < sizeof threads / sizeof *threads; i++) {
        dbt_store *store = make_quickstart("threads.db");
        dbt_fit_options options = quick_options(4);
        options.threads = threads[i];
        options.validation = NULL;
        char *bits = bits_of_run(store, fit(store, &options).run_id);
        if (expected == NULL) expected = strdup(bits);
        assert_string_equal(bits, expected);
        free(bits);
        close_store(store);
    }
    free(expected);
}

static void test_fit__every_optimizer_gives_the_same_bits_for_any_threads(void **state)
{
    (void)state;
    static const dbt_optimizer optimizers[] = {DBT_ADAMW, DBT_LAZY_ADAM, DBT_SGD, DBT_ADAGRAD};
    dbt_store *store = make_quickstart("optimizers.db");
    for (size_t i = 0; i < sizeof optimizers / sizeof *optimizers; i++) {
        dbt_fit_options options = quick_options(3);
        options.network.optimizer = optimizers[i];
        options.network.momentum = 0.9;
        options.network.learning_rate = 0.01;
        options.network.layers = 3;
        options.network.units = 16;
        options.class_weight = "cooking=2,travel=0.5";
        options.threads = 1;
        char *one = bits_of_run(store, fit(store, &options).run_id);
        options.threads = 3;
        char *three = bits_of_run(store, fit(store, &options).run_id);
        assert_string_equal(one, three);
        free(one);
        free(three);
    }
    close_store(store);
}

static void test_fit__the_seed_decides(void **state)
{
    (void)state;
    dbt_store *store = make_quickstart("seed.db");
    dbt_fit_options options = quick_options(3);
    char *first = bits_of_run(store, fit(store, &options).run_id);
    char *again = bits_of_run(store, fit(store, &options).run_id);
    options.seed = 124;
    char *other = bits_of_run(store, fit(store, &options).run_id);
    options.seed = 123;
    options.shuffle = false;
    char *in_order = bits_of_run(store, fit(store, &options).run_id);
    assert_string_equal(first, again);
    assert_string_not_equal(first, other);
    assert_string_not_equal(first, in_order);
    assert_int_equal(ask(store, "SELECT seed FROM run WHERE id = 3"), 124);
    free(first);
    free(again);
    free(other);
    free(in_order);
    close_store(store);
}

static void test_fit__the_smallest_memory_gives_the_same_bits(void **state)
{
    (void)state;
    dbt_store *store = make_quickstart("memory.db");
    dbt_fit_options options = quick_options(2);
    dbt_error err = {0};
    dbt_fit_result result;
    size_t needed = 0;
    char *expected = bits_of_run(store, fit(store, &options).run_id);
    run_sql(store, "DELETE FROM run; DELETE FROM vectorizer");

    options.memory = (size_t)1 << 20;
    assert_int_equal(dbt_fit(store, &options, NULL, &result, &err), DBT_EUSAGE);
    assert_int_equal(
        sscanf(err.message,
               "a memory limit of 1 MiB is too low: this network needs at least %zu MiB", &needed),
        1);
    assert_true(needed >= 48);
    options.memory = (needed - 1) << 20;
    assert_int_equal(dbt_fit(store, &options, NULL, &result, &err), DBT_EUSAGE);
    options.memory = needed << 20;
    char *bits = bits_of_run(store, fit(store, &options).run_id);
    assert_string_equal(bits, expected);
    free(bits);
    free(expected);
    close_store(store);
}

static void test_fit__validation_steps_are_batches_however_they_are_paged(void **state)
{
    (void)state;
    dbt_store *store = make_quickstart("steps.db");
    dbt_fit_options options = quick_options(1);
    options.validation = "train"; /* 400 documents: a batch of 300 is two pages */
    options.batch_size = 300;
    options.validation_steps = 1;
    int64_t limited = fit(store, &options).run_id;
    run_sql(store, "INSERT INTO split (name, documents) VALUES ('first', 300);"
                   "INSERT INTO split_document SELECT (SELECT id FROM split WHERE name = 'first'),"
                   " position, document_id FROM split_document WHERE position < 300 AND"
                   " split_id = (SELECT id FROM split WHERE name = 'train')");
    options.validation = "first";
    options.validation_steps = 0;
    int64_t whole = fit(store, &options).run_id;
    char query[200];
    (void)snprintf(query, sizeof query,
                   "SELECT count(DISTINCT val_loss) FROM epoch WHERE run_id IN (%lld, %lld)",
                   (long long)limited, (long long)whole);
    assert_int_equal(ask(store, query), 1);
    close_store(store);
}

/* Documents of made-up words, of which a few tell the label: some 450,000 distinct n-grams. */
static dbt_store *make_many_words(const char *name)
{
    enum { DOCUMENTS = 1500, WORDS = 250, VOCABULARY = 100000 };
    static const char *const splits[] = {"train", "test"};
    dbt_store *store = create_store(name);
    char path[2][200];
    const char *const paths[] = {path[0], path[1]};
    for (size_t split = 0; split < 2; split++) {
        (void)snprintf(path[split], sizeof path[split], "%s/%s.csv", folder, splits[split]);
        FILE *file = fopen(path[split], "w");
        assert_non_null(file);
        fputs("label,text\n", file);
        for (uint64_t d = 0; d < (split == 0 ? DOCUMENTS : DOCUMENTS / 10); d++) {
            fprintf(file, "%s,\"%s", d % 2 == 0 ? "even" : "odd", d % 2 == 0 ? "zero" : "one");
            for (uint64_t w = 0; w < WORDS; w++)
                fprintf(file, " w%zu", (size_t)dbt__random_below(d * 2 + split, w, VOCABULARY));
            fputs("\"\n", file);
        }
        assert_int_equal(fclose(file), 0);
    }
    ingest_files(store, paths, 2);
    return store;
}

static void keep_note(void *context, const char *line)
{
    char *notes = context;
    strncat(notes, line, 2047 - strlen(notes));
}

static void test_fit__counts_that_do_not_fit_give_the_same_bits(void **state)
{
    (void)state;
    static const struct {
        size_t threads, mib;
    } cases[] = {{1, 59}, {3, 65}}; /* the third thread takes some */
    dbt_store *store = make_many_words("words.db");
    dbt_fit_options options = quick_options(2);
    dbt_error err = {0};
    options.network.units = 4;
    options.vectorizer.top_k = 200;
    char *expected = bits_of_run(store, fit(store, &options).run_id);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char notes[2048] = "";
        const dbt_observer observer = {.note = keep_note, .context = notes};
        dbt_fit_result result;
        run_sql(store, "DELETE FROM run; DELETE FROM vectorizer");
        options.threads = cases[i].threads;
        options.memory = cases[i].mib << 20;
        assert_ok(dbt_fit(store, &options, &observer, &result, &err), err);
        assert_non_null(strstr(notes, "counted in 1 pass through a temporary file of "));
        char *bits = bits_of_run(store, result.run_id);
        assert_string_equal(bits, expected);
        free(bits);
    }
    free(expected);
    close_store(store);
}

static void test_fit__a_vocabulary_is_reused_for_the_same_settings_and_data(void **state)
{
    (void)state;
    dbt_store *store = make_quickstart("reuse.db");
    const char *vectorizers = "SELECT count(*) FROM vectorizer";
    const char *last_used = "SELECT vectorizer_id FROM run ORDER BY id DESC LIMIT 1";
    dbt_fit_options options = quick_options(1);
    (void)fit(store, &options);
    options.network.units = 8;
    options.network.layers = 3;
    options.seed = 5;
    options.memory = (size_t)200 << 20;
    options.threads = 1;
    (void)fit(store, &options);
    assert_int_equal(ask(store, vectorizers), 1);

    options.vectorizer.top_k = 500;
    (void)fit(store, &options);
    assert_int_equal(ask(store, vectorizers), 2);
    assert_int_equal(ask(store, "SELECT count(*) FROM feature WHERE vectorizer_id = 2"), 500);
    options.vectorizer.ngram_max = 1;
    (void)fit(store, &options);
    assert_int_equal(ask(store, vectorizers), 3);
    options.vectorizer.min_df = 3;
    (void)fit(store, &options);
    assert_int_equal(ask(store, vectorizers), 4);
    assert_int_equal(ask(store, last_used), 4);
    options = quick_options(1);
    (void)fit(store, &options);
    assert_int_equal(ask(store, vectorizers), 4);
    assert_int_equal(ask(store, last_used), 1);

    /* documents of another split change nothing; of this one everything */
    run_sql(store, "UPDATE document SET checksum = NULL, text = 'x' WHERE id = (SELECT max(id) "
                   "FROM document)");
    (void)fit(store, &options);
    assert_int_equal(ask(store, last_used), 1);
    run_sql(store, "UPDATE document SET checksum = NULL, text = text || 'x' WHERE id = 200");
    (void)fit(store, &options);
    assert_int_equal(ask(store, last_used), 5);
    run_sql(store,
            "UPDATE document SET checksum = NULL, label_id = 1 + label_id % 5 WHERE id = 201");
    (void)fit(store, &options);
    assert_int_equal(ask(store, last_used), 6);
    assert_int_equal(ask(store, vectorizers), 6);
    close_store(store);
}

static void test_fit__a_validation_split_is_cut_off_and_reused(void **state)
{
    (void)state;
    static const char both[] =
        "SELECT document_id FROM split_document s JOIN split p ON p.id = s.split_id"
        " WHERE p.name IN ('train/train', 'train/validation')";
    char query[600];
    dbt_store *store = make_quickstart("cut.db");
    dbt_fit_options options = quick_options(1);
    options.validation = NULL;
    (void)fit(store, &options);
    assert_int_equal(ask(store, "SELECT count(*) FROM split"), 4);
    assert_int_equal(ask(store, "SELECT sum(documents) FROM split WHERE name LIKE 'train/%'"),
                     QUICKSTART_TRAIN);
    (void)snprintf(query, sizeof query, "SELECT count(DISTINCT document_id) FROM (%s)", both);
    assert_int_equal(ask(store, query), QUICKSTART_TRAIN);
    (void)snprintf(query, sizeof query,
                   "SELECT count(*) FROM split_document s JOIN split p ON p.id = s.split_id"
                   " WHERE p.name = 'train' AND s.document_id NOT IN (%s)",
                   both);
    assert_int_equal(ask(store, query), 0);
    int64_t held_out = ask(store, "SELECT documents FROM split WHERE name = 'train/validation'");
    assert_in_range(held_out, 60, 120);
    assert_int_equal(ask(store, "SELECT settings ->> 'validation_documents' FROM run"), held_out);

    (void)fit(store, &options);
    assert_int_equal(ask(store, "SELECT count(*) FROM vectorizer"), 1);
    assert_int_equal(ask(store, "SELECT count(DISTINCT train_split_id || ' ' ||"
                                " validation_split_id) FROM run"),
                     1);
    assert_answer(store,
                  "SELECT t.name || ' ' || v.name FROM run r JOIN split t ON t.id ="
                  " r.train_split_id JOIN split v ON v.id = r.validation_split_id",
                  "train/train train/validation");
    options.seed = 9;
    (void)fit(store, &options);
    assert_int_equal(ask(store, "SELECT count(*) FROM vectorizer"), 2);
    assert_int_equal(ask(store, "SELECT count(*) FROM split"), 4);
    close_store(store);
}

/* The newest run, on its parts. */
static void evaluate_parts(dbt_store *store)
{
    dbt_model *model = open_model(store, NULL, DBT_WEIGHTS_BEST);
    static const char *const parts[] = {"train/train", "train/validation"};
    for (size_t i = 0; i < 2; i++) {
        dbt_error err = {0};
        dbt_report report;
        assert_ok(dbt_evaluate(store, model, parts[i], 1, NULL, &report, &err), err);
        dbt_report_release(&report);
    }
    dbt_model_close(model);
}

/* What is there of parts is of their documents. */
static void test_fit__that_cuts_parts_anew_takes_what_was_evaluated_on_them(void **state)
{
    (void)state;
    static const char strangers[] =
        "SELECT count(*) FROM prediction p WHERE NOT EXISTS (SELECT 1 FROM split_document s"
        " WHERE s.split_id = p.split_id AND s.document_id = p.document_id)";
    dbt_store *store = make_quickstart("outcomes.db");
    dbt_fit_options options = quick_options(1);
    options.validation = NULL;
    (void)fit(store, &options);
    evaluate_parts(store);
    dbt_model *model = open_model(store, "1", DBT_WEIGHTS_BEST);
    dbt_error err = {0};
    dbt_report report;
    assert_ok(dbt_evaluate(store, model, "test", 1, NULL, &report, &err), err);
    dbt_report_release(&report);
    dbt_model_close(model);
    /* The same parts, and with a document more. */
    (void)fit(store, &options);
    add_document(store, "train", "travel", "a train to the sea");
    (void)fit(store, &options);
    assert_int_equal(ask(store, "SELECT count(*) FROM evaluation"), 3);
    assert_int_equal(ask(store, "SELECT count(*) FROM prediction"),
                     QUICKSTART_TRAIN + QUICKSTART_TEST);
    evaluate_parts(store);
    options.seed = 9;
    (void)fit(store, &options);
    assert_int_equal(ask(store, strangers), 0);
    assert_answer(store, "SELECT group_concat(name) FROM evaluation JOIN split ON id = split_id",
                  "test");
    assert_int_equal(ask(store, "SELECT count(*) FROM prediction"), QUICKSTART_TEST);
    assert_int_equal(ask(store, "SELECT count(*) FROM class_report WHERE split <> 'test'"), 0);
    evaluate_parts(store);
    assert_int_equal(ask(store, strangers), 0);
    close_store(store);
}

static void test_fit__stops_when_patience_is_at_an_end(void **state)
{
    (void)state;
    /* random labels cannot be learnt, so val_loss soon rises */
    static const struct {
        int64_t patience, epochs;
        bool early;
    } cases[] = {{0, 1000, true}, {2, 1000, true}, {5, 1000, true}, {900, 12, false}};
    dbt_store *store = make_quickstart("patience.db");
    run_sql(store, "UPDATE document SET checksum = NULL, label_id = 1 + (id * 7919 % 104729) % 5");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        dbt_fit_options options = quick_options(cases[i].epochs);
        char query[200];
        options.patience = cases[i].patience;
        options.network.learning_rate = 0.005;
        dbt_fit_result result = fit(store, &options);
        long long run = (long long)result.run_id;
        assert_int_equal(result.stopped_early, cases[i].early);
        if (cases[i].early)
            assert_int_equal(result.epochs,
                             result.best_epoch + (cases[i].patience == 0 ? 1 : cases[i].patience));
        else
            assert_int_equal(result.epochs, cases[i].epochs);
        assert_true(result.best_epoch < result.epochs);
        (void)snprintf(query, sizeof query, "SELECT count(*) FROM epoch WHERE run_id = %lld", run);
        assert_int_equal(ask(store, query), result.epochs);
        (void)snprintf(query, sizeof query,
                       "SELECT epoch FROM epoch WHERE run_id = %lld ORDER BY val_loss LIMIT 1",
                       run);
        assert_int_equal(ask(store, query), result.best_epoch);
        (void)snprintf(query, sizeof query, "SELECT best_epoch FROM run WHERE id = %lld", run);
        assert_int_equal(ask(store, query), result.best_epoch);
        (void)snprintf(query, sizeof query,
                       "SELECT count(DISTINCT digest) FROM parameter WHERE run_id = %lld", run);
        assert_int_equal(ask(store, query), 8);
    }
    close_store(store);
}

/* --- what others see while it runs --- */

typedef struct onlooker {
    const char *path;
    int64_t steps;
    int64_t epochs;
    int64_t stop_after; /* steps after which `stop` says yes; -1: never */
    int64_t notes;
} onlooker;

/* Numbers are compared here: in SQL they would be texts, which SQLite under valgrind reads with the
 * last bit wrong. */
static void assert_stored(dbt__sql *sql, const dbt_epoch *epoch)
{
    dbt_error err = {0};
    dbt__statement *select;
    assert_ok(dbt__prepare(sql,
                           "SELECT e.loss, e.acc, e.val_loss, e.val_acc, r.status = 'running'"
                           " FROM epoch e JOIN run r ON r.id = e.run_id WHERE e.epoch = ?",
                           &select, &err),
              err);
    dbt__bind_int(select, 1, epoch->epoch);
    assert_ok(dbt__step(select, &err), err);
    assert_true(dbt__column_double(select, 0) == epoch->loss);
    assert_true(dbt__column_double(select, 1) == epoch->acc);
    assert_true(dbt__column_double(select, 2) == epoch->val_loss);
    assert_true(dbt__column_double(select, 3) == epoch->val_acc);
    assert_int_equal(dbt__column_int(select, 4), 1);
    dbt__finalize(select);
}

static void look_at_epoch(void *context, const dbt_epoch *epoch)
{
    onlooker *o = context;
    dbt_error err = {0};
    dbt__sql *sql;
    int64_t value;
    o->epochs++;
    assert_int_equal(epoch->epoch, o->epochs);
    assert_int_equal(epoch->steps, 28);
    assert_int_equal(o->steps, 28 * o->epochs);
    assert_ok(dbt__sql_open(o->path, DBT__SQL_READ, &sql, &err), err);
    assert_ok(dbt__sql_int(sql, "SELECT count(*) FROM history", -1, &value, &err), err);
    assert_int_equal(value, epoch->epoch);
    assert_stored(sql, epoch);
    /* The best weights come with a checkpoint, and the run says of which epoch they are. */
    assert_ok(dbt__sql_int(sql,
                           "SELECT 4 * (best_epoch IS NOT NULL) = (SELECT count(*) FROM parameter"
                           " WHERE kind = 'best') FROM run",
                           -1, &value, &err),
              err);
    assert_int_equal(value, 1);
    dbt__sql_close(sql);
    /* No reader of the training holds a transaction, so the log can be emptied. */
    assert_ok(dbt__sql_open(o->path, DBT__SQL_WRITE, &sql, &err), err);
    assert_ok(dbt__sql_checkpoint(sql, &err), err);
    dbt__sql_close(sql);
}

static void count_step(void *context, int64_t epoch, int64_t step, int64_t steps, double loss,
                       double acc)
{
    onlooker *o = context;
    assert_int_equal(steps, 28);
    assert_int_equal(o->steps, (epoch - 1) * steps + step - 1);
    assert_true(isfinite(loss) && acc >= 0 && acc <= 1);
    o->steps++;
}

static bool stop_later(void *context)
{
    onlooker *o = context;
    return o->stop_after >= 0 && o->steps >= o->stop_after;
}

static void count_note(void *context, const char *line)
{
    onlooker *o = context;
    assert_true(strlen(line) > 0);
    o->notes++;
}

static dbt_observer observe(onlooker *o)
{
    return (dbt_observer){count_note, count_step, look_at_epoch, stop_later, o};
}

static void stop_at_survey(void *context, const char *line)
{
    if (strncmp(line, "training on ", strlen("training on ")) == 0) *(bool *)context = true;
}

static bool is_stopped(void *context)
{
    return *(bool *)context;
}

/* Parts that an earlier run was trained on are not given up for a run that never was; the first
 * ones are of use to the next. */
static void test_fit__interrupted_before_there_is_a_run_it_leaves_the_splits_of_others(void **state)
{
    (void)state;
    static const char places[] = "SELECT group_concat(split_id || ' ' || position || ' ' ||"
                                 " document_id) || (SELECT group_concat(name || documents ||"
                                 " coalesce(origin, '')) FROM split) || (SELECT count(*) || '"
                                 " ' || total(acc) FROM evaluation) || (SELECT count(*) || ' ' ||"
                                 " total(probability) FROM prediction) FROM split_document";
    dbt_store *store = make_quickstart("recut.db");
    dbt_fit_options options = quick_options(1);
    options.validation = NULL;
    for (int other = 0; other < 2; other++) {
        bool stopped = false;
        dbt_error err = {0};
        dbt_fit_result result;
        const dbt_observer observer = {
            .note = stop_at_survey, .stop = is_stopped, .context = &stopped};
        options.seed = 1 + (uint64_t)other;
        char *before = ask_text(store, places);
        assert_int_equal(dbt_fit(store, &options, &observer, &result, &err), DBT_EINTERRUPTED);
        assert_non_null(strstr(err.message, "interrupted while 'train/train' was surveyed"));
        assert_int_equal(result.run_id, 0);
        assert_int_equal(ask(store, "SELECT count(*) FROM run"), other);
        char *after = ask_text(store, places);
        assert_int_equal(strcmp(before, after) == 0, other == 1);
        free(before);
        free(after);
        if (other == 0) {
            (void)fit(store, &options);
            evaluate_parts(store);
        }
    }
    close_store(store);
}

/* Another program, which does something as soon as the vocabulary is made, and undoes it when it is
 * told of. */
typedef struct meddler {
    const char *path, *act, *undo;
    sqlite3 *other;
    pthread_t caller;
    int waits;
} meddler;

static void meddle(void *context, const char *line)
{
    meddler *m = context;
    assert_true(pthread_equal(pthread_self(), m->caller));
    if (strncmp(line, "vocabulary: ", strlen("vocabulary: ")) == 0) {
        assert_int_equal(sqlite3_open(m->path, &m->other), SQLITE_OK);
        assert_int_equal(sqlite3_exec(m->other, m->act, NULL, NULL, NULL), SQLITE_OK);
    }
    if (strstr(line, "another program has a transaction open") != NULL) {
        m->waits++;
        assert_int_equal(sqlite3_exec(m->other, m->undo, NULL, NULL, NULL), SQLITE_OK);
    }
}

/* The call that finds no thread, counted from 1; 0: none. The linker leads pthread_create here. */
static int no_thread_at;

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *context);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *context);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *context)
{
    if (no_thread_at > 0 && --no_thread_at == 0) return EAGAIN;
    return __real_pthread_create(thread, attributes, run, context);
}

/* By a thread of its own, and where there is none for that, which is the second, by the caller. */
static void check_wait_to_store(const char *name, int no_thread)
{
    dbt_store *store = make_quickstart(name);
    dbt_fit_options options = quick_options(2);
    dbt_error err = {0};
    dbt_fit_result result = fit(store, &options);
    char *expected = bits_of_run(store, result.run_id);
    run_sql(store, "DELETE FROM run; DELETE FROM vectorizer");
    meddler m = {.path = dbt_store_path(store),
                 .act = "BEGIN IMMEDIATE",
                 .undo = "ROLLBACK",
                 .caller = pthread_self()};
    const dbt_observer observer = {.note = meddle, .context = &m};
    no_thread_at = no_thread;
    assert_ok(dbt_fit(store, &options, &observer, &result, &err), err);
    assert_int_equal(no_thread_at, 0);
    assert_int_equal(m.waits, 1);
    char *bits = bits_of_run(store, result.run_id);
    assert_string_equal(bits, expected);
    assert_int_equal(ask(store, "SELECT count(*) FROM vectorizer"), 1);
    sqlite3_close(m.other);
    free(bits);
    free(expected);
    close_store(store);
}

static void test_fit__waits_for_others_to_store_the_vocabulary(void **state)
{
    (void)state;
    check_wait_to_store("locked.db", 0);
    check_wait_to_store("no-thread.db", 2);
}

static void test_fit__ends_when_the_vocabulary_cannot_be_stored(void **state)
{
    (void)state;
    dbt_store *store = make_quickstart("unstored.db");
    dbt_fit_options options = quick_options(2);
    dbt_error err = {0};
    dbt_fit_result result;
    meddler m = {.path = dbt_store_path(store),
                 .act = "ALTER TABLE feature RENAME TO gone",
                 .caller = pthread_self()};
    const dbt_observer observer = {.note = meddle, .context = &m};
    assert_int_equal(dbt_fit(store, &options, &observer, &result, &err), DBT_EFORMAT);
    assert_non_null(strstr(err.message, "feature"));
    assert_int_equal(ask(store, "SELECT count(*) FROM vectorizer"), 0);
    assert_int_equal(ask(store, "SELECT count(*) FROM run"), 0);
    sqlite3_close(m.other);
    close_store(store);
}

static void test_fit__epochs_are_visible_to_others_as_they_end(void **state)
{
    (void)state;
    /* With the rows kept, and with pages read from the file all the time. */
    static const size_t memory[] = {0, (size_t)87 << 20};
    for (size_t i = 0; i < 2; i++) {
        dbt_store *store = make_quickstart("visible.db");
        dbt_fit_options options = quick_options(5);
        dbt_error err = {0};
        dbt_fit_result result;
        onlooker o = {.path = dbt_store_path(store), .stop_after = -1};
        const dbt_observer observer = observe(&o);
        if (memory[i] != 0) options.memory = memory[i];
        assert_ok(dbt_fit(store, &options, &observer, &result, &err), err);
        assert_int_equal(o.epochs, 5);
        assert_int_equal(o.steps, 5 * 28);
        assert_true(o.notes >= 2);
        close_store(store);
    }
}

static void test_fit__interrupted_in_an_epoch_it_keeps_what_was_learnt(void **state)
{
    (void)state;
    static const struct {
        int64_t stop_after, epochs;
    } cases[] = {{1, 0}, {10, 0}, {28 + 10, 1}, {2 * 28 + 27, 2}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        dbt_store *store = make_quickstart("interrupted.db");
        dbt_fit_options options = quick_options(10);
        dbt_error err = {0};
        dbt_fit_result result;
        onlooker o = {.path = dbt_store_path(store), .stop_after = cases[i].stop_after};
        const dbt_observer observer = observe(&o);
        assert_int_equal(dbt_fit(store, &options, &observer, &result, &err), DBT_EINTERRUPTED);
        assert_int_equal(result.run_id, 1);
        assert_int_equal(result.epochs, cases[i].epochs);
        assert_int_equal(result.best_epoch, cases[i].epochs);
        assert_answer(store, "SELECT status FROM run", "interrupted");
        char *message = ask_text(store, "SELECT message FROM run");
        assert_non_null(message);
        assert_string_equal(message, err.message);
        free(message);
        assert_int_equal(ask(store, "SELECT count(*) FROM parameter WHERE kind = 'last'"), 4);
        dbt_model *last = open_model(store, NULL, DBT_WEIGHTS_LAST);
        dbt_model *best = open_model(store, NULL, DBT_WEIGHTS_BEST);
        assert_int_equal(dbt_model_get_info(last).weights, DBT_WEIGHTS_LAST);
        assert_int_equal(dbt_model_get_info(best).weights,
                         cases[i].epochs > 0 ? DBT_WEIGHTS_BEST : DBT_WEIGHTS_LAST);
        assert_int_equal(dbt_model_get_info(best).best_epoch, cases[i].epochs);
        dbt_model_close(last);
        dbt_model_close(best);
        close_store(store);
    }
}

static void test_fit__that_diverges_says_so_and_stores_no_nan(void **state)
{
    (void)state;
    dbt_store *store = make_quickstart("diverged.db");
    dbt_fit_options options = quick_options(3);
    dbt_error err = {0};
    dbt_fit_result result;
    dbt_model *model;
    options.network.learning_rate = 1e30;
    assert_int_equal(dbt_fit(store, &options, NULL, &result, &err), DBT_EDIVERGED);
    assert_answer(store, "SELECT status FROM run", "diverged");
    assert_int_equal(ask(store, "SELECT count(*) FROM run WHERE message IS NULL"), 0);
    /* SQLite stores NaN as NULL */
    assert_int_equal(ask(store, "SELECT count(*) FROM epoch WHERE loss IS NULL OR acc IS NULL OR"
                                " val_loss IS NULL OR val_acc IS NULL OR abs(loss) > 1e300 OR"
                                " abs(val_loss) > 1e300"),
                     0);
    assert_int_equal(ask(store, "SELECT count(*) FROM parameter WHERE kind = 'last'"), 0);
    err = (dbt_error){0};
    assert_int_equal(dbt_model_open(store, "1", DBT_WEIGHTS_LAST, &model, &err), DBT_EUSAGE);

    /* the next run is none the worse */
    options.network.learning_rate = 1e-3;
    assert_int_equal(fit(store, &options).epochs, 3);
    close_store(store);
}

static void test_fit__steps_per_epoch_go_through_all_documents(void **state)
{
    (void)state;
    /* 28 pages a pass, of 16 documents, the last one of 8 */
    static const struct {
        int64_t steps, epochs;
    } cases[] = {{10, 6}, {28, 2}, {1, 30}, {59, 2}};
    dbt_store *store = make_quickstart("steps.db");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        dbt_fit_options options = quick_options(cases[i].epochs);
        options.steps_per_epoch = cases[i].steps;
        options.patience = 1000;
        long long run = (long long)fit(store, &options).run_id;
        int64_t step = 0;
        for (long long e = 1; e <= cases[i].epochs; e++) {
            char query[120];
            int64_t expected = 0;
            for (int64_t end = step + cases[i].steps; step < end; step++)
                expected += step % 28 == 27 ? 8 : 16;
            (void)snprintf(query, sizeof query,
                           "SELECT documents FROM epoch WHERE run_id = %lld AND epoch = %lld", run,
                           e);
            assert_int_equal(ask(store, query), expected);
        }
    }
    /* as many steps as pages is what happens without the option */
    dbt_fit_options options = quick_options(2);
    options.patience = 1000;
    char *plain = bits_of_run(store, fit(store, &options).run_id);
    char *counted = bits_of_run(store, 2);
    assert_string_equal(plain, counted);
    free(plain);
    free(counted);
    close_store(store);
}

static void test_fit__validation_steps_take_the_first_pages(void **state)
{
    (void)state;
    dbt_store *store = make_quickstart("validation-steps.db");
    dbt_fit_options options = quick_options(2);
    char *all = bits_of_run(store, fit(store, &options).run_id);
    options.validation_steps = 7;
    char *seven = bits_of_run(store, fit(store, &options).run_id);
    options.validation_steps = 1000;
    char *many = bits_of_run(store, fit(store, &options).run_id);
    assert_string_equal(seven, all);
    assert_string_equal(many, all);
    free(all);
    free(seven);
    free(many);

    options.validation_steps = 2;
    dbt_fit_result result = fit(store, &options);
    run_sql(store, "INSERT INTO split (name, documents) VALUES ('first', 32);"
                   "INSERT INTO split_document SELECT (SELECT id FROM split WHERE name = 'first'),"
                   " position, document_id FROM split_document s JOIN split p ON p.id = s.split_id"
                   " WHERE p.name = 'test' AND position < 32");
    dbt_model *model = open_model(store, NULL, DBT_WEIGHTS_BEST);
    dbt_error err = {0};
    dbt_report report;
    assert_ok(dbt_evaluate(store, model, "first", 1, NULL, &report, &err), err);
    assert_near(report.loss, result.best_val_loss, 1e-6);
    assert_near(report.acc, result.best_val_acc, 1e-9);
    dbt_report_release(&report);
    dbt_model_close(model);
    close_store(store);
}

static void test_fit__class_weights_and_document_weights_enter_the_loss(void **state)
{
    (void)state;
    dbt_store *store = make_quickstart("weights.db");
    dbt_fit_options options = quick_options(1);
    options.shuffle = false;
    char *plain = bits_of_run(store, fit(store, &options).run_id);
    options.class_weight = "balanced"; /* of equally many documents: 1 each */
    char *balanced = bits_of_run(store, fit(store, &options).run_id);
    assert_string_equal(balanced, plain);
    options.class_weight = "cooking=2,cycling=2,computers=2,gardening=2,travel=2";
    (void)fit(store, &options);
    options.class_weight = NULL;
    run_sql(store, "UPDATE document SET checksum = NULL, weight = 2");
    (void)fit(store, &options);
    assert_int_equal(ask(store, "SELECT count(DISTINCT loss) FROM epoch WHERE run_id IN (3, 4)"),
                     1);
    double ratio = ask_number(store, "SELECT (SELECT loss FROM epoch WHERE run_id = 3) /"
                                     " (SELECT loss FROM epoch WHERE run_id = 1)");
    assert_true(ratio > 1.9 && ratio < 2.1);
    free(plain);
    free(balanced);
    close_store(store);
}

/* --- refusals --- */

/* All splits, what is in them, and what runs made of that. */
static char *read_splits(dbt_store *store)
{
    return ask_text(store,
                    "SELECT (SELECT group_concat(id || name || documents || ifnull(origin,"
                    " ''), ';') FROM split) || (SELECT group_concat(split_id || ' ' ||"
                    " position || ' ' || document_id) FROM split_document)"
                    " || ifnull((SELECT group_concat(run_id || kind || split_id || documents ||"
                    " printf('%!.17g %!.17g', loss, acc) || evaluated_at || fingerprint)"
                    " FROM evaluation), '') || ifnull((SELECT group_concat(run_id || kind ||"
                    " split_id || document_id || label_id || printf('%!.17g', probability))"
                    " FROM prediction), '')");
}

/* Fits, expecting a refusal that leaves no run, and the splits as they were. */
static void assert_refused(dbt_store *store, const dbt_fit_options *options, dbt_status expected,
                           const char *part)
{
    dbt_error err = {0};
    dbt_fit_result result;
    int64_t runs = ask(store, "SELECT count(*) FROM run");
    char *splits = read_splits(store);
    dbt_status status = dbt_fit(store, options, NULL, &result, &err);
    if (status != expected || strstr(err.message, part) == NULL)
        fail_msg("%d: %s (expected %d: %s)", status, err.message, expected, part);
    assert_int_equal(result.run_id, 0);
    assert_int_equal(ask(store, "SELECT count(*) FROM run"), runs);
    assert_answer(store, "SELECT count(*) FROM temp.sqlite_schema", "0");
    char *left = read_splits(store);
    assert_string_equal(left, splits);
    free(splits);
    free(left);
}

/* A split of twenty documents of two labels with the weights that SQL makes of their positions. */
static void weigh_split(dbt_store *store, const char *name, const char *weight)
{
    char sql[400];
    for (int i = 0; i < 20; i++) {
        char text[64];
        (void)snprintf(text, sizeof text, "train %d to the sea, by the river", i);
        add_document(store, name, i % 2 == 0 ? "travel" : "cooking", text);
    }
    (void)snprintf(
        sql, sizeof sql,
        "UPDATE document SET checksum = NULL, weight = (SELECT %s FROM (SELECT position AS id FROM"
        " split_document WHERE document_id = document.id)) WHERE id IN (SELECT"
        " document_id FROM split_document JOIN split ON split.id = split_id"
        " WHERE name = '%s')",
        weight, name);
    run_sql(store, sql);
}

static void test_fit__refuses_splits_that_cannot_be_learnt_from(void **state)
{
    (void)state;
    static const struct {
        const char *train, *validation;
        int64_t min_df;
        dbt_status status;
        const char *part;
    } cases[] = {
        {"trian", "test", 2, DBT_EUSAGE, "no split 'trian' in "},
        {"trian", NULL, 2, DBT_EUSAGE, "no split 'trian' in "},
        {"train", "tset", 2, DBT_EUSAGE, "no split 'tset' in "},
        {"trian", "test", 2, DBT_EUSAGE, "(has: train, test, "},
        {"one", "test", 2, DBT_EDATA,
         "a classifier needs at least two labels: split 'one' has only 'travel'"},
        {"one", NULL, 2, DBT_EDATA, "has only 'travel'"},
        {"train", "strange", 2, DBT_EDATA,
         "split 'strange' has label 'chess', which training split 'train' lacks"},
        {"train", NULL, 10000, DBT_EDATA, "vocabulary"},
        {"bare", NULL, 2, DBT_EDATA, "without a label"},
        {"bare", "test", 2, DBT_EDATA, "split 'bare' has 18 documents without a label"},
        {"train", "bare", 2, DBT_EDATA, "split 'bare' has documents without a label"},
        {"empty", "test", 2, DBT_EDATA, "split 'empty' has no documents"},
        {"train", "empty", 2, DBT_EDATA, "split 'empty' has no documents"},
        {"train", "test", 10000, DBT_EDATA, "vocabulary"},
        {"below", "test", 2, DBT_EDATA, "the document at position 3 of split 'below' has a weight"},
        {"endless", NULL, 2, DBT_EDATA,
         "of split 'endless/train' has a weight that is negative or"},
        {"nothing", "test", 2, DBT_EDATA, "all documents of split 'nothing' have the weight 0"},
        {"odd", "test", 2, DBT_EDATA, "label 'negative' of split 'odd' has the id -5"},
        {"huge", "test", 2, DBT_EDATA,
         "label 'huge' of split 'huge' has the id 5000000000000000000"},
    };
    dbt_store *store = make_quickstart("refused.db");
    for (int i = 0; i < 20; i++) {
        char text[64];
        (void)snprintf(text, sizeof text, "train %d to the sea, by the river", i);
        add_document(store, "one", "travel", text);
        add_document(store, "bare", i == 0 ? "travel" : i == 1 ? "cooking" : NULL, text);
    }
    run_sql(store, "INSERT INTO label (id, name) VALUES (-5, 'negative'),"
                   " (5000000000000000000, 'huge')");
    add_document(store, "odd", "travel", "a train to the sea");
    add_document(store, "odd", "negative", "a train to the river");
    add_document(store, "huge", "travel", "a train to the sea");
    add_document(store, "huge", "huge", "a train to the river");
    add_document(store, "strange", "travel", "a train to the sea");
    add_document(store, "strange", "chess", "a queen for a rook");
    run_sql(store, "INSERT INTO split (name) VALUES ('empty')");
    weigh_split(store, "below", "iif(id % 20 = 3, -0.5, 1)");
    weigh_split(store, "endless", "9e999");
    weigh_split(store, "nothing", "0");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        dbt_fit_options options = quick_options(1);
        options.train = cases[i].train;
        options.validation = cases[i].validation;
        options.vectorizer.min_df = cases[i].min_df;
        assert_refused(store, &options, cases[i].status, cases[i].part);
    }
    close_store(store);
}

static void test_fit__refused_leaves_the_parts_of_earlier_runs(void **state)
{
    (void)state;
    dbt_store *store = make_quickstart("parts.db");
    dbt_fit_options options = quick_options(1);
    options.validation = NULL;
    (void)fit(store, &options);
    assert_answer(store, "SELECT count(*) FROM temp.sqlite_schema", "0");
    evaluate_parts(store);
    assert_int_equal(ask(store, "SELECT count(*) FROM prediction"), QUICKSTART_TRAIN);
    for (int i = 0; i < 3; i++) {
        dbt_fit_options other = options;
        if (i == 0) other.seed = 9;
        if (i == 1) other.validation_split = 0.5;
        if (i == 2) add_document(store, "train", "travel", "a train to the sea");
        other.vectorizer.min_df = 10000;
        assert_refused(store, &other, DBT_EDATA, "empty vocabulary");
        other.vectorizer.min_df = 2;
        other.class_weight = "chess=2";
        assert_refused(store, &other, DBT_EUSAGE, "no label 'chess'");
    }
    close_store(store);
}

static void refuse_numbers(dbt_store *store)
{
    static const struct {
        size_t field;
        int64_t value; /* all these fields are 8 bytes wide */
        const char *part;
    } cases[] = {
        {offsetof(dbt_fit_options, batch_size), 0, "batch size must be 1 to 1048576"},
        {offsetof(dbt_fit_options, batch_size), (1 << 20) + 1, "batch size must be 1 to 1048576"},
        {offsetof(dbt_fit_options, epochs), 0, "epochs must be at least 1"},
        {offsetof(dbt_fit_options, patience), -1, "patience at least 0"},
        {offsetof(dbt_fit_options, steps_per_epoch), -1, "steps must not be negative"},
        {offsetof(dbt_fit_options, validation_steps), -1, "steps must not be negative"},
        {offsetof(dbt_fit_options, seed), INT64_MIN, "seed must be below 2^63"},
        {offsetof(dbt_fit_options, threads), 257, "256"},
        {offsetof(dbt_fit_options, memory), 0, "memory limit"},
        {offsetof(dbt_fit_options, vectorizer.min_df), 0, "min-df must be at least 1"},
        {offsetof(dbt_fit_options, network.layers), 0, "layers must be 1 to 64"},
        {offsetof(dbt_fit_options, network.layers), 65, "layers must be 1 to 64"},
        {offsetof(dbt_fit_options, network.units), 0, "units must be 1 to 65536"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        dbt_fit_options options = quick_options(1);
        memcpy((char *)&options + cases[i].field, &cases[i].value, sizeof cases[i].value);
        assert_refused(store, &options, DBT_EUSAGE, cases[i].part);
    }
}

static void refuse_fractions(dbt_store *store)
{
    static const struct {
        size_t field;
        double value;
        const char *part;
    } cases[] = {
        {offsetof(dbt_fit_options, validation_split), 0, "validation split must be between"},
        {offsetof(dbt_fit_options, validation_split), 1, "validation split must be between"},
        {offsetof(dbt_fit_options, validation_split), NAN, "validation split must be between"},
        {offsetof(dbt_fit_options, checkpoint_every), -1, "seconds between checkpoints must be"},
        {offsetof(dbt_fit_options, checkpoint_every), NAN, "seconds between checkpoints must be"},
        {offsetof(dbt_fit_options, network.dropout), 1, "dropout must be"},
        {offsetof(dbt_fit_options, network.l2), -1, "l2 must be"},
        {offsetof(dbt_fit_options, network.label_smoothing), 1, "label smoothing must be"},
        {offsetof(dbt_fit_options, network.learning_rate), 0, "learning rate must be"},
        {offsetof(dbt_fit_options, network.learning_rate), NAN, "learning rate must be"},
        {offsetof(dbt_fit_options, network.momentum), 1, "momentum must be"},
        {offsetof(dbt_fit_options, network.weight_decay), INFINITY, "weight decay must be"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        dbt_fit_options options = quick_options(1);
        options.validation = NULL;
        memcpy((char *)&options + cases[i].field, &cases[i].value, sizeof cases[i].value);
        assert_refused(store, &options, DBT_EUSAGE, cases[i].part);
    }
}

static void test_fit__features_that_do_not_fit_leave_nothing_behind(void **state)
{
    (void)state;
    dbt_store *store = make_quickstart("features.db");
    dbt_fit_options options = quick_options(2);
    options.vectorizer.top_k = 0;
    options.vectorizer.min_df = 1;
    options.network.units = 2000;
    options.memory = (size_t)64 << 20;
    assert_refused(store, &options, DBT_EUSAGE,
                   "; a top-k, a higher min-df or fewer units take less");
    assert_int_equal(ask(store, "SELECT count(*) FROM run"), 0);
    assert_int_equal(ask(store, "SELECT count(*) FROM vectorizer"), 0);
    assert_int_equal(ask(store, "SELECT count(*) FROM split WHERE origin IS NOT NULL"), 0);
    close_store(store);
}

/* 2^22 columns of 64 units are a GiB, of which SGD keeps no state. */
static void test_fit__weights_that_no_row_can_hold_are_refused(void **state)
{
    (void)state;
    dbt_store *store = make_quickstart("weights.db");
    dbt_fit_options options = quick_options(1);
    options.vectorizer.hash_bits = 22;
    options.network.optimizer = DBT_SGD;
    options.memory = (size_t)10 << 30;
    assert_refused(
        store, &options, DBT_EUSAGE,
        "the largest weight of this network is of 1073 MB, and SQLite stores at most 999 "
        "in a value: take fewer features or units");
    assert_int_equal(ask(store, "SELECT count(*) FROM run"), 0);
    close_store(store);
}

/* 20,000 features are asked for, and a tenth of them are there. */
static void test_fit__memory_is_asked_for_what_there_is(void **state)
{
    (void)state;
    dbt_store *store = make_quickstart("little.db");
    dbt_fit_options options = quick_options(1);
    options.network.units = 1024;
    assert_int_equal(fit(store, &options).run_id, 1);
    options.network.units = 16384;
    assert_refused(store, &options, DBT_EUSAGE, "a memory limit of 512 MiB is too low");
    options.vectorizer.min_df = 3; /* another vocabulary, which is counted first */
    assert_refused(store, &options, DBT_EUSAGE, "a memory limit of 512 MiB is too low");
    assert_int_equal(ask(store, "SELECT count(*) FROM run"), 1);
    assert_int_equal(ask(store, "SELECT count(*) FROM vectorizer"), 1);
    close_store(store);
}

static void test_fit__refuses_options_out_of_range(void **state)
{
    (void)state;
    dbt_store *store = make_quickstart("range.db");
    refuse_numbers(store);
    refuse_fractions(store);
    dbt_fit_options options = quick_options(1);
    options.network.optimizer = (dbt_optimizer)99;
    assert_refused(store, &options, DBT_EUSAGE, "no optimizer 99");
    options = quick_options(1);
    options.vectorizer.ngram_min = 3;
    assert_refused(store, &options, DBT_EUSAGE, "ngram range");
    options = quick_options(1);
    options.vectorizer.hash_bits = 99;
    assert_refused(store, &options, DBT_EUSAGE, "hash-bits must be at most 24");
    options.vectorizer.hash_bits = 24;
    assert_refused(store, &options, DBT_EUSAGE, "a memory limit of 512 MiB is too low");
    options = quick_options(1);
    options.network.units = 4;
    options.vectorizer.top_k = 200;
    options.memory = (size_t)64 << 20;
    options.threads = 16; /* they leave nothing for the network, */
    assert_refused(store, &options, DBT_EUSAGE, "; fewer threads take less");
    options.threads = 5; /* or too little for counting */
    assert_refused(store, &options, DBT_EUSAGE, "; fewer threads take less");
    options = quick_options(1);
    options.class_weight = "chess=2";
    assert_refused(store, &options, DBT_EUSAGE, "no label 'chess' in the training split");
    options.class_weight = "travel=x";
    assert_refused(store, &options, DBT_EUSAGE, "'travel=x' is not a number");
    close_store(store);
}

/* Counting a large corpus takes minutes: what can be told at once is. */
static void test_fit__refuses_a_name_before_it_counts(void **state)
{
    (void)state;
    static const struct {
        const char *name, *part;
    } cases[] = {{"1", "must not be empty or a number"},
                 {"", "must not be empty or a number"},
                 {"taken", "run 1 is called 'taken' already"}};
    dbt_store *store = make_quickstart("names.db");
    dbt_fit_options options = quick_options(1);
    options.name = "taken";
    (void)fit(store, &options);
    run_sql(store, "UPDATE document SET checksum = NULL, text = text || ' again'");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        options.name = cases[i].name;
        assert_refused(store, &options, DBT_EUSAGE, cases[i].part);
    }
    options.name = NULL;
    options.class_weight = "chess=2";
    assert_refused(store, &options, DBT_EUSAGE, "no label 'chess'");
    assert_int_equal(ask(store, "SELECT count(*) FROM vectorizer"), 1);
    close_store(store);
}

static void test_fit__refuses_a_store_that_is_read_only(void **state)
{
    (void)state;
    char path[160];
    dbt_error err = {0};
    dbt_store *store = make_quickstart("readonly.db");
    dbt_fit_options options = quick_options(1);
    (void)snprintf(path, sizeof path, "%s", dbt_store_path(store));
    close_store(store);
    assert_ok(dbt_store_open(path, DBT_STORE_READ, &store, &err), err);
    assert_refused(store, &options, DBT_EIO, "was opened read-only");
    close_store(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fit__learns_the_quickstart_corpus),
        cmocka_unit_test(test_fit__a_clock_that_is_wrong_changes_dates_alone),
        cmocka_unit_test(test_fit__learns_from_hashed_ngrams_nearly_as_well),
        cmocka_unit_test(test_fit__hashed_ngrams_take_the_memory_of_their_columns_alone),
        cmocka_unit_test(test_fit__hashed_ngrams_give_the_same_bits_for_any_threads_and_memory),
        cmocka_unit_test(test_fit__any_number_of_threads_gives_the_same_bits),
        cmocka_unit_test(test_fit__every_optimizer_gives_the_same_bits_for_any_threads),
        cmocka_unit_test(test_fit__the_seed_decides),
        cmocka_unit_test(test_fit__the_smallest_memory_gives_the_same_bits),
        cmocka_unit_test(test_fit__memory_is_asked_for_what_there_is),
        cmocka_unit_test(test_fit__features_that_do_not_fit_leave_nothing_behind),
        cmocka_unit_test(test_fit__weights_that_no_row_can_hold_are_refused),
        cmocka_unit_test(test_fit__validation_steps_are_batches_however_they_are_paged),
        cmocka_unit_test(test_fit__counts_that_do_not_fit_give_the_same_bits),
        cmocka_unit_test(test_fit__a_vocabulary_is_reused_for_the_same_settings_and_data),
        cmocka_unit_test(test_fit__a_validation_split_is_cut_off_and_reused),
        cmocka_unit_test(test_fit__that_cuts_parts_anew_takes_what_was_evaluated_on_them),
        cmocka_unit_test(test_fit__stops_when_patience_is_at_an_end),
        cmocka_unit_test(
            test_fit__interrupted_before_there_is_a_run_it_leaves_the_splits_of_others),
        cmocka_unit_test(test_fit__waits_for_others_to_store_the_vocabulary),
        cmocka_unit_test(test_fit__ends_when_the_vocabulary_cannot_be_stored),
        cmocka_unit_test(test_fit__epochs_are_visible_to_others_as_they_end),
        cmocka_unit_test(test_fit__interrupted_in_an_epoch_it_keeps_what_was_learnt),
        cmocka_unit_test(test_fit__that_diverges_says_so_and_stores_no_nan),
        cmocka_unit_test(test_fit__steps_per_epoch_go_through_all_documents),
        cmocka_unit_test(test_fit__validation_steps_take_the_first_pages),
        cmocka_unit_test(test_fit__class_weights_and_document_weights_enter_the_loss),
        cmocka_unit_test(test_fit__refuses_splits_that_cannot_be_learnt_from),
        cmocka_unit_test(test_fit__refused_leaves_the_parts_of_earlier_runs),
        cmocka_unit_test(test_fit__refuses_options_out_of_range),
        cmocka_unit_test(test_fit__refuses_a_name_before_it_counts),
        cmocka_unit_test(test_fit__refuses_a_store_that_is_read_only),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
