/* test_evaluate.c: what is done with a trained run: evaluating, predicting, vectorizing, and the
 * overview of a file. */
#include "testing.h"

#include <math.h>

#include <dbtrain/cursor.h>

#include "model.h"
#include "quickstart.h"

/* --- evaluating --- */

/* A trained quickstart corpus; validation is NULL or the name of a split. */
static dbt_store *make_trained(const char *name, const char *validation)
{
    dbt_store *store = make_quickstart(name);
    dbt_fit_options options = quick_options(6);
    options.validation = validation;
    (void)fit(store, &options);
    return store;
}

static dbt_report evaluate(dbt_store *store, const dbt_model *model, const char *split,
                           size_t threads)
{
    dbt_error err = {0};
    dbt_report report;
    assert_ok(dbt_evaluate(store, model, split, threads, NULL, &report, &err), err);
    return report;
}

static void test_evaluate__report_and_views_agree(void **state)
{
    (void)state;
    dbt_store *store = make_trained("agree.db", "test");
    dbt_model *model = open_model(store, NULL, DBT_WEIGHTS_BEST);
    dbt_report report = evaluate(store, model, "test", 2);
    int64_t hits = 0, all = 0;
    char query[300];
    assert_int_equal(report.n_outputs, QUICKSTART_LABELS);
    assert_int_equal(report.n_classes, QUICKSTART_LABELS);
    for (size_t i = 0; i < report.n_classes; i++) {
        const dbt_class_row *row = &report.class_row[i];
        int64_t support = 0;
        for (size_t j = 0; j < report.n_outputs; j++) {
            int64_t cell = dbt_report_documents(&report, i, j);
            support += cell;
            (void)snprintf(query, sizeof query,
                           "SELECT coalesce(sum(documents), 0) FROM confusion WHERE actual = '%s'"
                           " AND predicted = '%s' AND split = 'test' AND kind = 'best'",
                           row->label, dbt_model_label(model, j));
            assert_int_equal(ask(store, query), cell);
        }
        assert_int_equal(support, row->support);
        all += support;
        hits += row->correct;
        assert_int_equal(row->correct, dbt_report_documents(&report, i, i));
        (void)snprintf(query, sizeof query,
                       "SELECT abs(precision - %.17g) + abs(recall - %.17g) + abs(f1 - %.17g)"
                       " + abs(support - %lld) FROM class_report WHERE label = '%s'",
                       row->precision, row->recall, row->f1, (long long)row->support, row->label);
        assert_true(ask_number(store, query) < 1e-12);
    }
    assert_int_equal(all, QUICKSTART_TEST);
    assert_int_equal(report.documents, QUICKSTART_TEST);
    assert_near(report.acc, (double)hits / (double)all, 1e-12);
    assert_near(report.weighted_recall, report.acc, 1e-12);
    assert_int_equal(ask(store, "SELECT count(*) FROM mistake"), all - hits);
    assert_near(report.loss, ask_number(store, "SELECT loss FROM evaluation"), 0);
    dbt_report_release(&report);
    dbt_model_close(model);
    close_store(store);
}

/* Two of the model's five labels: the others enter no average, unless they are predicted. */
static void test_evaluate__labels_that_are_not_there_enter_no_average(void **state)
{
    (void)state;
    dbt_store *store = make_trained("two.db", "test");
    dbt_model *model = open_model(store, NULL, DBT_WEIGHTS_BEST);
    run_sql(store,
            "INSERT INTO split (name, documents) SELECT 'two', count(*) FROM corpus WHERE split ="
            " 'test' AND label IN ('cooking', 'travel');"
            "INSERT INTO split_document SELECT (SELECT id FROM split WHERE name = 'two'),"
            " row_number() OVER (ORDER BY id) - 1, id FROM corpus WHERE split = 'test' AND"
            " label IN ('cooking', 'travel')");
    dbt_report report = evaluate(store, model, "two", 1);
    char query[400];
    (void)snprintf(query, sizeof query,
                   "SELECT abs(avg(precision) - %.17g) + abs(avg(recall) - %.17g) + abs(avg(f1) -"
                   " %.17g) FROM class_report WHERE split = 'two'",
                   report.macro_precision, report.macro_recall, report.macro_f1);
    assert_true(ask_number(store, query) < 1e-12);
    assert_in_range(ask(store, "SELECT count(*) FROM class_report WHERE split = 'two'"), 2,
                    QUICKSTART_LABELS - 1);
    assert_int_equal(report.n_classes, QUICKSTART_LABELS);
    dbt_report_release(&report);
    dbt_model_close(model);
    close_store(store);
}

static void test_evaluate__the_validation_split_gives_the_figures_of_the_best_epoch(void **state)
{
    (void)state;
    dbt_store *store = make_trained("best.db", "test");
    dbt_model *model = open_model(store, NULL, DBT_WEIGHTS_BEST);
    const char *best = "SELECT %s FROM history h JOIN run r ON r.id = h.run"
                       " AND r.best_epoch = h.epoch";
    char query[200];
    dbt_report one = evaluate(store, model, "test", 1);
    (void)snprintf(query, sizeof query, best, "val_loss");
    assert_near(one.loss, ask_number(store, query), 1e-6);
    (void)snprintf(query, sizeof query, best, "val_acc");
    assert_near(one.acc, ask_number(store, query), 1e-6);
    assert_true(one.is_validation && !one.is_train && one.stored);
    for (size_t threads = 2; threads <= 8; threads *= 2) {
        dbt_report many = evaluate(store, model, "test", threads);
        assert_true(many.loss == one.loss && many.acc == one.acc);
        dbt_report_release(&many);
    }
    dbt_report train = evaluate(store, model, "train", 2);
    assert_true(train.is_train && !train.is_validation);
    dbt_report_release(&train);
    dbt_report_release(&one);
    dbt_model_close(model);
    close_store(store);
}

enum { UNSEEN = 0, TRAINED_ON = 1, STOPPED = 2, RECUT = 4 };

/* Of the split: what the model's run saw of it. */
static int seen(dbt_store *store, const dbt_model *model, const char *split)
{
    dbt_report report = evaluate(store, model, split, 1);
    int what = (report.is_train ? TRAINED_ON : 0) | (report.is_validation ? STOPPED : 0) |
               (report.is_recut ? RECUT : 0);
    dbt_report_release(&report);
    return what;
}

/* Cuts 'train' with another share. */
static void cut_anew(dbt_store *store)
{
    dbt_fit_options options = quick_options(1);
    options.validation = NULL;
    options.validation_split = 0.3;
    (void)fit(store, &options);
}

/* Of a run whose held-out documents were cut anew since, documents of both parts were seen. */
static void test_evaluate__parts_that_were_cut_anew_count_as_seen(void **state)
{
    (void)state;
    dbt_store *store = make_trained("recut.db", NULL);
    dbt_model *model = open_model(store, NULL, DBT_WEIGHTS_BEST);
    assert_int_equal(seen(store, model, "train/train"), TRAINED_ON);
    assert_int_equal(seen(store, model, "train/validation"), STOPPED);
    assert_int_equal(seen(store, model, "train"), TRAINED_ON | STOPPED);
    cut_anew(store);
    assert_int_equal(seen(store, model, "train/validation"), TRAINED_ON | STOPPED | RECUT);
    assert_int_equal(seen(store, model, "train/train"), TRAINED_ON | STOPPED | RECUT);
    assert_int_equal(seen(store, model, "test"), UNSEEN);
    /* A run of before it was kept what its splits were cut from. */
    run_sql(store, "UPDATE run SET settings = json_remove(settings, '$.train_origin',"
                   " '$.validation_origin', '$.digest')");
    dbt_model_close(model);
    model = open_model(store, "1", DBT_WEIGHTS_BEST);
    assert_int_equal(seen(store, model, "train/validation"), TRAINED_ON | STOPPED | RECUT);
    assert_int_equal(seen(store, model, "test"), UNSEEN);
    dbt_model_close(model);
    model = open_model(store, "2", DBT_WEIGHTS_BEST);
    assert_int_equal(seen(store, model, "train/validation"), STOPPED);
    dbt_model_close(model);
    close_store(store);
}

/* The same when it is named what the run trains and validates on. */
static void test_evaluate__named_parts_that_were_cut_anew_count_as_seen(void **state)
{
    (void)state;
    dbt_store *store = make_trained("named.db", NULL);
    dbt_fit_options options = quick_options(1);
    options.train = "train/train";
    options.validation = "test";
    int64_t trained = fit(store, &options).run_id;
    options.train = "test";
    options.validation = "train/validation";
    int64_t validated = fit(store, &options).run_id;
    /* Cut out of a part: the run's own parts are of train/train. */
    options.train = "train/train";
    options.validation = NULL;
    options.validation_split = 0.4;
    int64_t nested = fit(store, &options).run_id;
    const int64_t runs[] = {trained, validated, nested};
    static const struct {
        const char *split;
        int before[3], after[3];
    } expected[] = {
        {"test", {STOPPED, TRAINED_ON, UNSEEN}, {STOPPED, TRAINED_ON, UNSEEN}},
        {"train/train",
         {TRAINED_ON, UNSEEN, TRAINED_ON | STOPPED},
         {TRAINED_ON | RECUT, STOPPED | RECUT, TRAINED_ON | STOPPED}},
        {"train/validation",
         {UNSEEN, STOPPED, UNSEEN},
         {TRAINED_ON | RECUT, STOPPED | RECUT, TRAINED_ON | STOPPED}},
        {"train/train/validation",
         {TRAINED_ON, UNSEEN, STOPPED},
         {TRAINED_ON | RECUT, STOPPED | RECUT, STOPPED}},
    };
    for (int after = 0; after < 2; after++) {
        if (after) cut_anew(store);
        for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
            char name[24];
            (void)snprintf(name, sizeof name, "%lld", (long long)runs[i]);
            dbt_model *model = open_model(store, name, DBT_WEIGHTS_BEST);
            for (size_t j = 0; j < sizeof expected / sizeof *expected; j++)
                assert_int_equal(seen(store, model, expected[j].split),
                                 after ? expected[j].after[i] : expected[j].before[i]);
            dbt_model_close(model);
        }
    }
    close_store(store);
}

/* What is left of them tells, where the split that they were cut from is gone. */
static void test_evaluate__parts_without_their_split_count_as_seen(void **state)
{
    (void)state;
    dbt_store *store = make_trained("rootless.db", NULL);
    dbt_model *model = open_model(store, NULL, DBT_WEIGHTS_BEST);
    cut_anew(store);
    run_sql(store, "DELETE FROM split WHERE name = 'train'");
    assert_int_equal(seen(store, model, "train/train"), TRAINED_ON | RECUT);
    assert_int_equal(seen(store, model, "train/validation"), STOPPED | RECUT);
    dbt_model_close(model);
    close_store(store);
}

/* Documents are what was seen, not the split that they are in. */
static void test_evaluate__seen_documents_are_known_in_other_splits(void **state)
{
    (void)state;
    dbt_store *store = make_trained("others.db", "test");
    dbt_model *model = open_model(store, NULL, DBT_WEIGHTS_BEST);
    run_sql(store, "INSERT INTO split (name, documents) VALUES ('some', 20);"
                   "INSERT INTO split_document SELECT (SELECT id FROM split WHERE name = 'some'),"
                   " position, document_id FROM split_document WHERE position < 20 AND"
                   " split_id = (SELECT id FROM split WHERE name = 'test')");
    assert_int_equal(seen(store, model, "some"), STOPPED);
    run_sql(store, "UPDATE split_document SET document_id = (SELECT document_id FROM"
                   " split_document WHERE split_id = (SELECT id FROM split WHERE name = 'train'))"
                   " WHERE position = 3 AND"
                   " split_id = (SELECT id FROM split WHERE name = 'some')");
    assert_int_equal(seen(store, model, "some"), TRAINED_ON | STOPPED);
    dbt_model_close(model);
    close_store(store);
}

/* A split 'fresh' of the documents of 'train' from this position on. */
static void add_fresh(dbt_store *store, int first)
{
    char sql[400];
    (void)snprintf(sql, sizeof sql,
                   "INSERT INTO split (name, documents) SELECT 'fresh', documents - %d FROM split"
                   " WHERE name = 'train';"
                   "INSERT INTO split_document SELECT (SELECT id FROM split WHERE name = 'fresh'),"
                   " position - %d, document_id FROM split_document WHERE position >= %d"
                   " AND split_id = (SELECT id FROM split WHERE name = 'train')",
                   first, first, first);
    run_sql(store, sql);
}

/* A run has of its splits what was there when it was begun. */
static void test_evaluate__documents_that_came_later_are_unseen(void **state)
{
    (void)state;
    static const struct {
        const char *name, *train, *validation;
        bool recut;
        int from_last; /* place of the run that 'fresh' begins at, or 0: behind all of them */
        int expected;
    } cases[] = {
        {"later.db", "train", "test", false, 0, UNSEEN},
        {"later-last.db", "train", "test", false, 1, TRAINED_ON},
        {"later-stop.db", "test", "train", false, 0, UNSEEN},
        {"later-stop-last.db", "test", "train", false, 1, STOPPED},
        {"later-part.db", "train", NULL, false, 0, UNSEEN},
        {"later-recut.db", "train", NULL, true, 0, UNSEEN},
        {"later-recut-last.db", "train", NULL, true, 1, TRAINED_ON | STOPPED | RECUT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        dbt_store *store = make_quickstart(cases[i].name);
        dbt_fit_options options = quick_options(1);
        options.train = cases[i].train;
        options.validation = cases[i].validation;
        (void)fit(store, &options);
        add_document(store, "train", "chess", "a queen for a rook, then mate in three moves");
        add_document(store, "train", "chess", "the knight on the rim is dim");
        if (cases[i].recut) cut_anew(store);
        add_fresh(store, QUICKSTART_TRAIN - cases[i].from_last);
        dbt_model *model = open_model(store, "1", DBT_WEIGHTS_BEST);
        assert_int_equal(seen(store, model, "fresh"), cases[i].expected);
        dbt_model_close(model);
        close_store(store);
    }
}

static void test_evaluate__again_replaces_what_was_stored(void **state)
{
    (void)state;
    dbt_store *store = make_trained("again.db", "test");
    for (int i = 0; i < 2; i++) {
        dbt_model *best = open_model(store, NULL, DBT_WEIGHTS_BEST);
        dbt_model *last = open_model(store, NULL, DBT_WEIGHTS_LAST);
        const dbt_model *models[] = {best, last};
        for (size_t j = 0; j < 2; j++) {
            dbt_report report = evaluate(store, models[j], "test", 1);
            dbt_report_release(&report);
        }
        dbt_model_close(best);
        dbt_model_close(last);
        assert_int_equal(ask(store, "SELECT count(*) FROM evaluation"), 2);
        assert_int_equal(ask(store, "SELECT count(*) FROM prediction"), 2 * QUICKSTART_TEST);
        run_sql(store, "UPDATE prediction SET probability = -1");
    }
    dbt_model *model = open_model(store, NULL, DBT_WEIGHTS_BEST);
    dbt_report report = evaluate(store, model, "test", 1);
    dbt_report_release(&report);
    assert_int_equal(
        ask(store, "SELECT count(*) FROM prediction WHERE kind = 'best' AND probability > 0"),
        QUICKSTART_TEST);
    dbt_model_close(model);
    close_store(store);
}

static void test_evaluate__unknown_labels_count_as_wrong_and_missing_ones_not_at_all(void **state)
{
    (void)state;
    dbt_store *store = make_trained("strange.db", "test");
    dbt_model *model = open_model(store, NULL, DBT_WEIGHTS_BEST);
    add_document(store, "mixed", "zoology", "the zebra and the okapi in the zoo");
    add_document(store, "mixed", "chess", "a queen for a rook, then mate in three moves");
    add_document(store, "mixed", "chess", "the knight on the rim is dim");
    add_document(store, "mixed", "cycling", "the bike has a flat tyre and a rusty chain");
    add_document(store, "mixed", NULL, "neither this nor that");
    dbt_report report = evaluate(store, model, "mixed", 2);
    assert_int_equal(report.documents, 4);
    assert_int_equal(report.unlabelled, 1);
    assert_int_equal(report.n_outputs, QUICKSTART_LABELS);
    assert_int_equal(report.n_classes, QUICKSTART_LABELS + 2);
    assert_string_equal(report.class_row[5].label, "chess");
    assert_string_equal(report.class_row[6].label, "zoology");
    assert_int_equal(report.class_row[5].support, 2);
    assert_int_equal(report.class_row[6].support, 1);
    assert_true(report.class_row[5].recall == 0 && report.class_row[5].f1 == 0);
    assert_true(report.acc <= 0.25 && isfinite(report.loss));
    /* an unknown label costs what Keras' smallest probability does */
    assert_true(report.loss > 3 * -log(1e-7) / 4);
    int64_t predicted = 0;
    for (size_t i = 0; i < report.n_outputs; i++)
        predicted += report.predicted[i];
    assert_int_equal(predicted, 5);
    assert_int_equal(ask(store, "SELECT count(*) FROM prediction"), 5);
    assert_int_equal(ask(store, "SELECT documents FROM evaluation"), 4);
    dbt_report_release(&report);

    /* without any label there are predictions and nothing to compare them with */
    run_sql(store, "UPDATE document SET label_id = NULL WHERE id > 550");
    report = evaluate(store, model, "mixed", 2);
    assert_int_equal(report.documents, 0);
    assert_int_equal(report.unlabelled, 5);
    assert_true(isnan(report.loss) && isnan(report.acc));
    assert_int_equal(ask(store, "SELECT count(*) FROM evaluation"), 0);
    assert_int_equal(ask(store, "SELECT count(*) FROM prediction"), 5);
    dbt_report_release(&report);
    dbt_model_close(model);
    close_store(store);
}

/* dbtrain gives none of these, but a file may have them. */
static void test_evaluate__ids_of_labels_may_be_any_numbers(void **state)
{
    (void)state;
    dbt_store *store = make_trained("numbers.db", "test");
    dbt_model *model = open_model(store, NULL, DBT_WEIGHTS_BEST);
    run_sql(store, "INSERT INTO label (id, name) VALUES (-9223372036854775807 - 1, 'least'),"
                   " (-7, 'negative')");
    add_document(store, "mixed", "negative", "the zebra and the okapi in the zoo");
    add_document(store, "mixed", "negative", "a queen for a rook, then mate in three moves");
    add_document(store, "mixed", "negative", "the bike has a flat tyre and a rusty chain");
    add_document(store, "mixed", "least", "the knight on the rim is dim");
    /* the last one that there can be: no other row can be inserted after it */
    run_sql(store, "INSERT INTO label (id, name) VALUES (9223372036854775807, 'most');"
                   "UPDATE document SET label_id = 9223372036854775807"
                   " WHERE text LIKE '%okapi in the zoo'");
    dbt_report report = evaluate(store, model, "mixed", 1);
    static const struct {
        const char *label;
        int64_t support;
    } expected[] = {{"least", 1}, {"most", 1}, {"negative", 2}};
    assert_int_equal(report.documents, 4);
    assert_int_equal(report.n_classes, QUICKSTART_LABELS + 3);
    for (size_t i = 0; i < 3; i++) {
        const dbt_class_row *row = &report.class_row[QUICKSTART_LABELS + i];
        assert_string_equal(row->label, expected[i].label);
        assert_int_equal(row->support, expected[i].support);
    }
    for (size_t j = 0; j < report.n_outputs; j++) {
        int64_t predicted = 0;
        for (size_t i = 0; i < report.n_classes; i++)
            predicted += dbt_report_documents(&report, i, j);
        assert_int_equal(predicted, report.predicted[j]);
    }
    dbt_report_release(&report);
    dbt_model_close(model);
    close_store(store);
}

/* Labels that the model does not know come after its own, in the order of their names, whatever
 * that of their ids is. */
static void test_evaluate__cells_are_those_that_have_documents(void **state)
{
    (void)state;
    enum { MANY = 300 };
    dbt_store *store = make_trained("cells.db", "test");
    dbt_model *model = open_model(store, NULL, DBT_WEIGHTS_BEST);
    run_sql(store, "WITH RECURSIVE i (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM i WHERE n < 299)"
                   " INSERT INTO label (name) SELECT printf('x%03d', n * 7 % 300) FROM i");
    run_sql(store, "UPDATE document SET checksum = NULL,"
                   " label_id = (SELECT max(id) - document.id % 300 FROM label)"
                   " WHERE id <= 400");
    dbt_report report = evaluate(store, model, "train", 2);
    assert_int_equal(report.documents, QUICKSTART_TRAIN);
    assert_int_equal(report.n_classes, QUICKSTART_LABELS + MANY);
    assert_int_equal(report.n_cells, ask(store, "SELECT count(*) FROM confusion"));
    assert_in_range(report.n_cells, MANY + 1, QUICKSTART_TRAIN);
    int64_t documents = 0;
    for (size_t i = 0; i < report.n_cells; i++) {
        const dbt_report_cell *cell = &report.cell[i];
        char query[200];
        (void)snprintf(query, sizeof query,
                       "SELECT documents FROM confusion WHERE actual = '%s' AND predicted = '%s'",
                       report.class_row[cell->actual].label,
                       dbt_model_label(model, cell->predicted));
        assert_int_equal(ask(store, query), cell->documents);
        assert_int_equal(dbt_report_documents(&report, cell->actual, cell->predicted),
                         cell->documents);
        if (i > 0)
            assert_true(cell[-1].actual < cell->actual ||
                        (cell[-1].actual == cell->actual && cell[-1].predicted < cell->predicted));
        documents += cell->documents;
    }
    assert_int_equal(documents, QUICKSTART_TRAIN);
    assert_string_equal(report.class_row[QUICKSTART_LABELS].label, "x000");
    dbt_report_release(&report);
    assert_int_equal(dbt_report_documents(&report, 0, 0), 0);
    dbt_model_close(model);
    close_store(store);
}

/* As the schema allows: it is evaluated as often, and has one prediction. */
static void test_evaluate__a_document_may_be_in_a_split_twice(void **state)
{
    (void)state;
    dbt_store *store = make_trained("twice.db", "test");
    dbt_model *model = open_model(store, NULL, DBT_WEIGHTS_BEST);
    run_sql(store, "INSERT INTO split_document SELECT split_id, documents, document_id"
                   " FROM split_document JOIN split ON split.id = split_id"
                   " WHERE name = 'test' AND position = 7;"
                   "UPDATE split SET documents = documents + 1 WHERE name = 'test'");
    dbt_report report = evaluate(store, model, "test", 1);
    assert_int_equal(report.documents, QUICKSTART_TEST + 1);
    assert_true(report.stored);
    assert_int_equal(ask(store, "SELECT count(*) FROM prediction"), QUICKSTART_TEST);
    dbt_report_release(&report);
    dbt_model_close(model);
    close_store(store);
}

static bool stop_at_once(void *context)
{
    (void)context;
    return true;
}

static void test_evaluate__that_fails_leaves_what_was_there(void **state)
{
    (void)state;
    dbt_store *store = make_trained("fails.db", "test");
    dbt_model *model = open_model(store, NULL, DBT_WEIGHTS_BEST);
    const dbt_observer impatient = {.stop = stop_at_once};
    dbt_error err = {0};
    dbt_report report = evaluate(store, model, "test", 1);
    dbt_report_release(&report);
    assert_int_equal(dbt_evaluate(store, model, "test", 1, &impatient, &report, &err),
                     DBT_EINTERRUPTED);
    assert_false(report.stored);
    dbt_report_release(&report);
    err = (dbt_error){0};
    assert_int_equal(dbt_evaluate(store, model, "tset", 1, NULL, &report, &err), DBT_EUSAGE);
    assert_non_null(strstr(err.message, "no split 'tset'"));
    dbt_report_release(&report);
    assert_int_equal(ask(store, "SELECT count(*) FROM evaluation"), 1);
    assert_int_equal(ask(store, "SELECT count(*) FROM prediction"), QUICKSTART_TEST);
    dbt_model_close(model);
    close_store(store);
}

static void test_evaluate__a_read_only_store_gets_a_report(void **state)
{
    (void)state;
    char path[160];
    dbt_error err = {0};
    dbt_store *store = make_trained("read.db", "test");
    (void)snprintf(path, sizeof path, "%s", dbt_store_path(store));
    close_store(store);
    assert_ok(dbt_store_open(path, DBT_STORE_READ, &store, &err), err);
    dbt_model *model = open_model(store, NULL, DBT_WEIGHTS_BEST);
    dbt_report report = evaluate(store, model, "test", 2);
    assert_false(report.stored);
    assert_int_equal(report.documents, QUICKSTART_TEST);
    assert_true(report.acc > 0.5);
    assert_int_equal(ask(store, "SELECT count(*) FROM evaluation"), 0);
    assert_int_equal(ask(store, "SELECT count(*) FROM prediction"), 0);
    dbt_report_release(&report);
    dbt_model_close(model);
    close_store(store);
}

/* --- models --- */

static void test_model__damage_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *change, *part;
    } cases[] = {
        {"UPDATE parameter SET value = zeroblob(length(value)) WHERE layer = 1", "digest"},
        {"DELETE FROM parameter WHERE layer = 1 AND name = 'bias'",
         "best bias of layer 1: missing"},
        {"UPDATE run SET settings = json_set(settings, '$.units', 63)", "shape"},
        {"UPDATE run SET settings = json_set(settings, '$.units', 0)", "units must be 1 to 65536"},
        {"UPDATE run SET settings = json_set(settings, '$.classes', 4)", "labels"},
        {"UPDATE run SET settings = '[]'", "not a JSON object"},
        {"DELETE FROM run_label WHERE output = 2", "lacks output 2"},
        {"UPDATE run SET settings = json_set(settings, '$.dropout', 0.1)", "its settings"},
        {"UPDATE run SET seed = seed + 1", "its settings"},
        {"UPDATE label SET name = 'x' || name WHERE id = 3", "the names of its labels"},
        {"UPDATE run_label SET label_id = 3 - label_id WHERE label_id < 3",
         "the names of its labels"},
        {"DELETE FROM feature WHERE id = 7", "feature 7 is missing"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        dbt_store *store = make_quickstart("damaged.db");
        dbt_fit_options options = quick_options(1);
        dbt_error err = {0};
        dbt_model *model;
        (void)fit(store, &options);
        run_sql(store, cases[i].change);
        dbt_status status = dbt_model_open(store, NULL, DBT_WEIGHTS_BEST, &model, &err);
        if (status != DBT_EFORMAT || strstr(err.message, cases[i].part) == NULL)
            fail_msg("%s: %d %s", cases[i].change, status, err.message);
        assert_null(model);
        close_store(store);
    }
}

static dbt_cursor *open_split(dbt_store *store, const char *split, size_t batch_size)
{
    dbt_error err = {0};
    dbt_cursor *cursor;
    dbt_cursor_options options;
    dbt_cursor_options_init(&options);
    options.split = split;
    options.batch_size = batch_size;
    assert_ok(dbt_cursor_open(store, &options, &cursor, &err), err);
    return cursor;
}

static void assert_predicted(dbt_store *store, const dbt_model *model, int64_t document_id,
                             const float *probability)
{
    char query[300];
    size_t best = 0;
    float sum = 0;
    for (size_t i = 0; i < QUICKSTART_LABELS; i++) {
        if (probability[i] > probability[best]) best = i;
        sum += probability[i];
    }
    assert_near((double)sum, 1, 1e-5);
    (void)snprintf(query, sizeof query,
                   "SELECT p.probability FROM prediction p JOIN label l ON l.id = p.label_id"
                   " WHERE p.document_id = %lld AND l.name = '%s'",
                   (long long)document_id, dbt_model_label(model, best));
    assert_near(ask_number(store, query), (double)probability[best], 1e-6);
}

static void test_predict__agrees_with_what_evaluate_stored(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 7, 110};
    dbt_store *store = make_trained("predict.db", "test");
    dbt_model *model = open_model(store, NULL, DBT_WEIGHTS_BEST);
    dbt_error err = {0};
    dbt_page *page;
    dbt_report report = evaluate(store, model, "test", 2);
    assert_ok(dbt_page_new(&page, &err), err);
    for (size_t i = 0; i < 3; i++) {
        dbt_cursor *cursor = open_split(store, "test", sizes[i]);
        dbt_status status;
        while ((status = dbt_cursor_next(cursor, page, &err)) == DBT_OK) {
            const float *probability;
            assert_ok(dbt_model_predict(model, page, &probability, &err), err);
            for (size_t row = 0; row < page->n_rows; row++)
                assert_predicted(store, model, page->document_id[row],
                                 probability + row * QUICKSTART_LABELS);
        }
        assert_int_equal(status, DBT_DONE);
        dbt_cursor_close(cursor);
    }
    dbt_page_free(page);
    dbt_report_release(&report);
    dbt_model_close(model);
    close_store(store);
}

/* --- what terms say --- */

/* Of a document of one term, or of none (SIZE_MAX): probabilities of all labels, to `to`. */
static void predict_term(const dbt_model *model, dbt_workspace *workspace, size_t term, float *to)
{
    dbt_error err = {0};
    dbt_feature feature = {.idf = 0};
    if (term != SIZE_MAX) feature = dbt_vectorizer_feature(model->vectorizer, term);
    bool raw = dbt_vectorizer_get_options(model->vectorizer)->norm == DBT_NORM_NONE;
    size_t start[2] = {0, term != SIZE_MAX};
    uint32_t column = (uint32_t)term;
    float value = raw ? (float)feature.idf : 1;
    const float *probability;
    dbt_batch batch = {.n_rows = 1,
                       .n_columns = dbt_vectorizer_features(model->vectorizer),
                       .row_start = start,
                       .column = &column,
                       .value = &value};
    assert_ok(dbt_network_predict(model->network, workspace, &batch, &probability, &err), err);
    memcpy(to, probability, model->labels.n * sizeof *to);
}

/* The stored effects of a label are those of its terms, and no other's is larger. */
static void assert_strongest(dbt_store *store, const dbt_model *model, size_t output,
                             const float *effect, size_t n_terms)
{
    enum { MOST = 100 };
    char query[300];
    float least = 1;
    size_t n = 0, n_positive = 0;
    for (size_t term = 0; term < n_terms; term++) {
        (void)snprintf(query, sizeof query,
                       "SELECT coalesce(max(effect), 9) FROM term_effect WHERE run_id = %lld"
                       " AND label_id = %lld AND feature_id = %zu",
                       (long long)model->run_id, (long long)model->labels.label[output].id, term);
        double stored = ask_number(store, query);
        float own = effect[term * model->labels.n + output];
        n_positive += own > 0;
        if (stored == 9) continue;
        assert_near(stored, (double)own, 2e-6);
        least = own < least ? own : least;
        n++;
    }
    assert_true(n_positive > 0);
    assert_int_equal(n, n_positive < MOST ? n_positive : MOST);
    size_t above = 0;
    for (size_t term = 0; term < n_terms; term++)
        above += effect[term * model->labels.n + output] > least + 2e-6F;
    assert_true(above < MOST || n_positive < MOST);
}

static void assert_term_effects(dbt_store *store, const dbt_fit_options *options)
{
    dbt_error err = {0};
    (void)fit(store, options);
    dbt_model *model = open_model(store, NULL, DBT_WEIGHTS_BEST);
    dbt_workspace *workspace;
    assert_ok(dbt_workspace_new(model->network, &workspace, &err), err);
    size_t n_terms = dbt_vectorizer_features(model->vectorizer), n = model->labels.n;
    float *effect = calloc(n_terms * n, sizeof *effect), empty[QUICKSTART_LABELS];
    assert_non_null(effect);
    predict_term(model, workspace, SIZE_MAX, empty);
    for (size_t term = 0; term < n_terms; term++) {
        predict_term(model, workspace, term, effect + term * n);
        for (size_t output = 0; output < n; output++)
            effect[term * n + output] -= empty[output];
    }
    for (size_t output = 0; output < n; output++)
        assert_strongest(store, model, output, effect, n_terms);
    free(effect);
    dbt_workspace_free(workspace);
    dbt_model_close(model);
}

static void test_terms__the_strongest_of_each_label_are_stored(void **state)
{
    (void)state;
    dbt_store *store = make_quickstart("terms.db");
    dbt_fit_options options = quick_options(3);
    assert_term_effects(store, &options);
    options.vectorizer.norm = DBT_NORM_NONE;
    options.vectorizer.top_k = 300;
    options.threads = 1;
    assert_term_effects(store, &options);
    assert_int_equal(
        ask(store, "SELECT count(*) FROM top_feature t JOIN feature f ON f.term = t.term"
                   " AND f.vectorizer_id = (SELECT vectorizer_id FROM run WHERE id = t.run_id)"),
        ask(store, "SELECT count(*) FROM term_effect"));
    close_store(store);
}

static void test_terms__hashes_have_none(void **state)
{
    (void)state;
    dbt_store *store = make_quickstart("hashes.db");
    dbt_fit_options options = quick_options(2);
    options.vectorizer.hash_bits = 10;
    (void)fit(store, &options);
    assert_int_equal(ask(store, "SELECT count(*) FROM term_effect"), 0);
    close_store(store);
}

/* --- vectorizing --- */

typedef struct comparison {
    dbt_cursor *cursor;
    dbt_transformer *transformer;
    dbt_page *page;
    dbt_batch *batch;
    const dbt_model *model;
    int64_t rows;
    int64_t fail_at;
} comparison;

static dbt_status compare_batch(void *context, const dbt_batch *batch, const dbt_page *page,
                                const int32_t *output, dbt_error *err)
{
    comparison *c = context;
    if (c->rows == c->fail_at) return dbt__fail(err, DBT_EIO, "enough");
    assert_ok(dbt_cursor_next(c->cursor, c->page, err), *err);
    assert_ok(dbt_transform(c->transformer, c->page, NULL, c->batch, err), *err);
    assert_int_equal(batch->n_rows, c->batch->n_rows);
    size_t n = batch->row_start[batch->n_rows];
    assert_memory_equal(batch->row_start, c->batch->row_start,
                        (batch->n_rows + 1) * sizeof(size_t));
    assert_memory_equal(batch->column, c->batch->column, n * sizeof(uint32_t));
    assert_memory_equal(batch->value, c->batch->value, n * sizeof(float));
    for (size_t i = 0; i < page->n_rows; i++) {
        assert_int_equal(page->document_id[i], c->page->document_id[i]);
        assert_int_equal(output[i], dbt_model_output(c->model, page->label_id[i]));
    }
    c->rows += (int64_t)batch->n_rows;
    return DBT_OK;
}

static void test_vectorize__rows_are_those_of_the_vectorizer(void **state)
{
    (void)state;
    dbt_store *store = make_trained("vectorize.db", "test");
    dbt_model *model = open_model(store, NULL, DBT_WEIGHTS_BEST);
    dbt_error err = {0};
    comparison c = {.cursor = open_split(store, "train", 256), .model = model, .fail_at = -1};
    assert_ok(dbt_transformer_new(dbt_model_vectorizer(model), &c.transformer, &err), err);
    assert_ok(dbt_page_new(&c.page, &err), err);
    assert_ok(dbt_batch_new(&c.batch, &err), err);
    assert_ok(dbt_vectorize(store, model, "train", compare_batch, &c, &err), err);
    assert_int_equal(c.rows, QUICKSTART_TRAIN);
    assert_int_equal(dbt_model_output(model, 999), -1);
    assert_int_equal(dbt_model_output(model, 0), -1);

    c.rows = 0;
    c.fail_at = 256;
    assert_ok(dbt_cursor_reset(c.cursor, 1, &err), err);
    assert_int_equal(dbt_vectorize(store, model, "train", compare_batch, &c, &err), DBT_EIO);
    assert_string_equal(err.message, "enough");
    err = (dbt_error){0};
    assert_int_equal(dbt_vectorize(store, model, "trian", compare_batch, &c, &err), DBT_EUSAGE);
    dbt_batch_free(c.batch);
    dbt_page_free(c.page);
    dbt_transformer_free(c.transformer);
    dbt_cursor_close(c.cursor);
    dbt_model_close(model);
    close_store(store);
}

/* --- the overview --- */

static void test_info__medians_are_numpys(void **state)
{
    (void)state;
    static const struct {
        const char *split, *text;
    } documents[] = {
        {"odd", "one"},
        {"odd", "one two  three\tfour\n"},
        {"odd", " a b "},
        {"even", ""},
        {"even", "a b c"},
        {"even", "a\xc2\xa0"
                 "b\xe3\x80\x80"
                 "c\xe2\x80\xa8"
                 "d"},
        {"even", "a b c d e f g h i j"},
    };
    dbt_store *store = create_store("info.db");
    dbt_error err = {0};
    dbt_info info;
    for (size_t i = 0; i < sizeof documents / sizeof *documents; i++)
        add_document(store, documents[i].split, i == 3 ? NULL : "x", documents[i].text);
    run_sql(store, "INSERT INTO split (name) VALUES ('empty')");
    assert_ok(dbt_info_read(store, &info, &err), err);
    assert_int_equal(info.documents, 7);
    assert_int_equal(info.n_splits, 3);
    assert_int_equal(info.n_runs, 0);
    /* 1, 4, 2 and 0, 3, 4, 10 */
    assert_true(info.split[0].median_words == 2);
    assert_near(info.split[0].mean_words, 7.0 / 3, 1e-12);
    assert_true(info.split[1].median_words == 3.5);
    assert_true(info.split[1].mean_words == 17.0 / 4);
    assert_int_equal(info.split[1].n_labels, 2);
    assert_string_equal(info.split[1].label[0].label, "x");
    assert_int_equal(info.split[1].label[0].documents, 3);
    assert_null(info.split[1].label[1].label);
    assert_int_equal(info.split[1].label[1].documents, 1);
    assert_true(info.split[2].documents == 0 && info.split[2].n_labels == 0);
    dbt_info_release(&info);
    close_store(store);
}

/* The characters that Python's str.split() takes for white space, and such as look like one. */
static void test_info__words_are_pythons(void **state)
{
    (void)state;
    static const struct {
        const char *between;
        int words; /* of an a, this and a b */
    } cases[] = {
        {" ", 2},
        {"\t", 2},
        {"\n", 2},
        {"\v", 2},
        {"\f", 2},
        {"\r", 2},
        {"\x08", 1},
        {"\x0e", 1},
        {"\x1b", 1},
        {"\x1c", 2},
        {"\x1f", 2},
        {"\x7f", 1},
        {"\xc2\x84", 1},
        {"\xc2\x85", 2},
        {"\xc2\xa0", 2},
        {"\xc2\xa1", 1},
        {"\xc3\xa0", 1},
        {"\xe1\x9a\x80", 2},
        {"\xe1\x9a\x81", 1},
        {"\xe1\x9b\x80", 1},
        {"\xe2\x80\x80", 2},
        {"\xe2\x80\x8a", 2},
        {"\xe2\x80\x8b", 1},
        {"\xe2\x80\xa7", 1},
        {"\xe2\x80\xa8", 2},
        {"\xe2\x80\xa9", 2},
        {"\xe2\x80\xaf", 2},
        {"\xe2\x80\xb0", 1},
        {"\xe2\x81\x9f", 2},
        {"\xe2\x81\x9e", 1},
        {"\xe2\x82\x9f", 1},
        {"\xe3\x80\x80", 2},
        {"\xe3\x80\x81", 1},
        {"\xe3\x81\x80", 1},
    };
    dbt_store *store = create_store("words.db");
    dbt_error err = {0};
    dbt_info info;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char split[16], text[16];
        (void)snprintf(split, sizeof split, "%zu", i);
        (void)snprintf(text, sizeof text, "a%sb", cases[i].between);
        add_document(store, split, "x", text);
    }
    add_document(store, "cut", "x", "a \xc3\xa9"); /* two bytes from the end */
    assert_ok(dbt_info_read(store, &info, &err), err);
    assert_int_equal(info.n_splits, sizeof cases / sizeof *cases + 1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const dbt_split_info *split = &info.split[i];
        size_t n = strtoul(split->name, NULL, 10);
        if (split->name[0] != 'c' && split->median_words != cases[n].words)
            fail_msg("case %zu: %g words", n, split->median_words);
    }
    dbt_info_release(&info);
    close_store(store);
}

static void test_info__tells_of_runs(void **state)
{
    (void)state;
    dbt_store *store = make_trained("runs.db", NULL);
    dbt_error err = {0};
    dbt_info info;
    assert_ok(dbt_info_read(store, &info, &err), err);
    assert_int_equal(info.n_runs, 1);
    assert_int_equal(info.n_splits, 4);
    assert_int_equal(info.sources, 2);
    const dbt_run_info *run = &info.run[0];
    assert_string_equal(run->status, "finished");
    assert_string_equal(run->train_split, "train/train");
    assert_string_equal(run->validation_split, "train/validation");
    assert_int_equal(run->epochs, ask(store, "SELECT count(*) FROM epoch"));
    assert_true(run->val_loss == ask_number(store, "SELECT min(val_loss) FROM epoch"));
    assert_int_equal(run->bytes, ask(store, "SELECT sum(length(value)) + 20 * (SELECT count(*) FROM"
                                            " term_effect) FROM parameter"));
    assert_null(run->name);
    dbt_info_release(&info);
    close_store(store);
}

/* Their sum is more than SQLite adds up. */
static void test_info__counts_that_are_forged_are_no_bug(void **state)
{
    (void)state;
    dbt_store *store = make_quickstart("forged.db");
    dbt_error err = {0};
    dbt_info info;
    run_sql(store, "UPDATE source SET status = 'loading', documents = 9223372036854775807");
    assert_ok(dbt_info_read(store, &info, &err), err);
    assert_true(info.unfinished == INT64_MAX);
    dbt_info_release(&info);
    close_store(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_evaluate__report_and_views_agree),
        cmocka_unit_test(test_evaluate__labels_that_are_not_there_enter_no_average),
        cmocka_unit_test(test_evaluate__the_validation_split_gives_the_figures_of_the_best_epoch),
        cmocka_unit_test(test_evaluate__parts_that_were_cut_anew_count_as_seen),
        cmocka_unit_test(test_evaluate__named_parts_that_were_cut_anew_count_as_seen),
        cmocka_unit_test(test_evaluate__parts_without_their_split_count_as_seen),
        cmocka_unit_test(test_evaluate__seen_documents_are_known_in_other_splits),
        cmocka_unit_test(test_evaluate__documents_that_came_later_are_unseen),
        cmocka_unit_test(test_evaluate__again_replaces_what_was_stored),
        cmocka_unit_test(test_evaluate__unknown_labels_count_as_wrong_and_missing_ones_not_at_all),
        cmocka_unit_test(test_evaluate__ids_of_labels_may_be_any_numbers),
        cmocka_unit_test(test_evaluate__cells_are_those_that_have_documents),
        cmocka_unit_test(test_evaluate__a_document_may_be_in_a_split_twice),
        cmocka_unit_test(test_evaluate__that_fails_leaves_what_was_there),
        cmocka_unit_test(test_evaluate__a_read_only_store_gets_a_report),
        cmocka_unit_test(test_model__damage_is_told),
        cmocka_unit_test(test_predict__agrees_with_what_evaluate_stored),
        cmocka_unit_test(test_terms__the_strongest_of_each_label_are_stored),
        cmocka_unit_test(test_terms__hashes_have_none),
        cmocka_unit_test(test_vectorize__rows_are_those_of_the_vectorizer),
        cmocka_unit_test(test_info__medians_are_numpys),
        cmocka_unit_test(test_info__words_are_pythons),
        cmocka_unit_test(test_info__tells_of_runs),
        cmocka_unit_test(test_info__counts_that_are_forged_are_no_bug),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
