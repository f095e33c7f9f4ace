/*
 * test_resume.c: a run that was stopped or killed, anywhere, and gone on with ends with the same
 * bits as one that was not.
 *
 * A run is stopped by its observer after a number of steps, or killed in a child process. The
 * vocabulary is the same for all runs of a store, so what is compared is weights and history.
 */
#include "testing.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "quickstart.h"

/* --- runs that end early --- */

/* How often a fit of the quickstart corpus is asked before it has a run: once a split is surveyed.
 */
enum { SURVEY_ASKS = 2 };

typedef struct stopper {
    int64_t steps;         /* after which to stop; 0: as soon as there is a run; -1: never */
    int64_t asked;         /* where that is 0 */
    int64_t done;          /* steps, in this process */
    bool kill;             /* rather than stop, the process kills itself */
    int64_t kill_epoch;    /* as soon as this epoch is committed; 0: not */
    bool nap;              /* for more than a second, before the first step is over */
    int64_t hide_epoch;    /* as soon as this epoch is committed another program hides the table of
                            * checkpoints, and some time goes by */
    const char *path;      /* of the database, for that */
    const char *kill_note; /* as soon as a note begins so; NULL: not */
    char notes[2048];
} stopper;

static void keep_note(void *context, const char *line)
{
    stopper *s = context;
    if (s->kill_note != NULL && strncmp(line, s->kill_note, strlen(s->kill_note)) == 0)
        (void)raise(SIGKILL);
    size_t used = strlen(s->notes);
    (void)snprintf(s->notes + used, sizeof s->notes - used, "%s\n", line);
}

static void nap(void)
{
    (void)nanosleep(&(struct timespec){1, 100000000}, NULL);
}

static void count_step(void *context, int64_t epoch, int64_t step, int64_t steps, double loss,
                       double acc)
{
    stopper *s = context;
    (void)epoch;
    s->done++;
    if (s->nap && s->done == 1) nap();
    assert_true(step >= 1 && step <= steps && isfinite(loss) && acc >= 0 && acc <= 1);
    if (s->kill && s->done == s->steps) (void)raise(SIGKILL);
}

static void hide_checkpoints(const char *path)
{
    dbt__sql *sql;
    dbt_error err = {0};
    assert_ok(dbt__sql_open(path, DBT__SQL_WRITE, &sql, &err), err);
    assert_ok(dbt__sql_exec(sql, "ALTER TABLE checkpoint RENAME TO hidden", &err), err);
    dbt__sql_close(sql);
}

static void look_at_epoch(void *context, const dbt_epoch *epoch)
{
    const stopper *s = context;
    if (s->hide_epoch == epoch->epoch) {
        hide_checkpoints(s->path);
        nap();
        nap();
    }
    if (s->kill_epoch == epoch->epoch) (void)raise(SIGKILL);
}

static bool is_time(void *context)
{
    stopper *s = context;
    if (s->kill || s->steps < 0 || s->done < s->steps) return false;
    return s->steps > 0 || s->asked++ >= SURVEY_ASKS;
}

static dbt_observer observe(stopper *s)
{
    return (dbt_observer){keep_note, count_step, look_at_epoch, is_time, s};
}

static dbt_status fit_until(dbt_store *store, const dbt_fit_options *options, stopper *s,
                            dbt_fit_result *result, dbt_error *err)
{
    const dbt_observer observer = observe(s);
    *err = (dbt_error){0};
    return dbt_fit(store, options, &observer, result, err);
}

/* A new run, stopped after some steps; its id. */
static int64_t stop_after(dbt_store *store, const dbt_fit_options *options, int64_t steps)
{
    stopper s = {.steps = steps};
    dbt_fit_result result;
    dbt_error err;
    assert_int_equal(fit_until(store, options, &s, &result, &err), DBT_EINTERRUPTED);
    assert_int_equal(s.done, steps);
    return result.run_id;
}

/* Goes on with a run (0: the one found by default) for some steps, -1: to its end. */
static dbt_status go_on(dbt_store *store, int64_t run_id, size_t threads, int64_t steps,
                        dbt_fit_result *result)
{
    char reference[24];
    stopper s = {.steps = steps};
    dbt_resume resume;
    dbt_error err = {0};
    (void)snprintf(reference, sizeof reference, "%lld", (long long)run_id);
    assert_ok(dbt_resume_find(store, run_id == 0 ? NULL : reference, &resume, &err), err);
    resume.options.threads = threads;
    dbt_status status = fit_until(store, &resume.options, &s, result, &err);
    if (status != DBT_OK && status != DBT_EINTERRUPTED) fail_msg("%s", err.message);
    dbt_resume_release(&resume);
    return status;
}

static void finish(dbt_store *store, int64_t run_id, size_t threads, dbt_fit_result *result)
{
    assert_int_equal(go_on(store, run_id, threads, -1, result), DBT_OK);
    assert_int_equal(result->run_id, run_id);
}

static void assert_same_bits(dbt_store *store, int64_t run_id, const char *expected)
{
    char *bits = bits_of_run(store, run_id);
    char query[120];
    if (strcmp(bits, expected) != 0) fail_msg("run %lld differs", (long long)run_id);
    free(bits);
    (void)snprintf(query, sizeof query, "SELECT status FROM run WHERE id = %lld",
                   (long long)run_id);
    assert_answer(store, query, "finished");
}

/* Small, so that a run takes a few milliseconds. */
static dbt_fit_options small_options(int64_t epochs)
{
    dbt_fit_options options = quick_options(epochs);
    options.vectorizer.top_k = 300;
    options.network.units = 16;
    options.network.learning_rate = 0.005;
    options.checkpoint_every = 0;
    options.patience = 1000;
    return options;
}

/* --- stopped --- */

/* 50 steps an epoch, of 49 pages: passes and epochs are not in step. */
static void test_resume__after_any_of_150_steps_ends_with_the_same_bits(void **state)
{
    (void)state;
    dbt_store *store = make_quickstart("points.db");
    dbt_fit_options options = small_options(3);
    dbt_fit_result whole, result;
    options.batch_size = 9;
    options.steps_per_epoch = 50;
    whole = fit(store, &options);
    char *expected = bits_of_run(store, whole.run_id);
    for (int64_t steps = 1; steps <= 150; steps++) {
        options.threads = (size_t)(1 + steps % 3);
        int64_t run_id = stop_after(store, &options, steps);
        finish(store, run_id, (size_t)(1 + (steps + 1) % 3), &result);
        assert_same_bits(store, run_id, expected);
        assert_int_equal(result.epochs, whole.epochs);
        assert_int_equal(result.best_epoch, whole.best_epoch);
        assert_true(result.best_val_loss == whole.best_val_loss);
        assert_true(result.best_val_acc == whole.best_val_acc);
    }
    free(expected);
    close_store(store);
}

static void test_resume__with_hashed_ngrams_ends_with_the_same_bits(void **state)
{
    (void)state;
    dbt_store *store = make_quickstart("hashed.db");
    dbt_fit_options options = small_options(3);
    dbt_fit_result result;
    options.vectorizer.hash_bits = 12;
    char *expected = bits_of_run(store, fit(store, &options).run_id);
    for (int64_t steps = 1; steps < 84; steps += 20) {
        int64_t run_id = stop_after(store, &options, steps);
        finish(store, run_id, 3, &result);
        assert_same_bits(store, run_id, expected);
    }
    assert_int_equal(ask(store, "SELECT count(*) FROM vectorizer"), 1);
    free(expected);
    close_store(store);
}

static void test_resume__of_every_optimizer_goes_on_again_and_again(void **state)
{
    (void)state;
    static const struct {
        dbt_optimizer optimizer;
        double momentum, l2;
        bool nesterov;
        int64_t steps_per_epoch;
    } cases[] = {
        {DBT_ADAM, 0, 0, false, 0},      {DBT_ADAM, 0, 1e-3, false, 0},
        {DBT_ADAM, 0, 0, false, 11},     {DBT_ADAMW, 0, 0, false, 0},
        {DBT_LAZY_ADAM, 0, 0, false, 0}, {DBT_LAZY_ADAM, 0, 1e-3, false, 0},
        {DBT_SGD, 0, 0, false, 0},       {DBT_SGD, 0.9, 0, false, 0},
        {DBT_SGD, 0.9, 0, true, 41},     {DBT_SGD, 0.9, 1e-3, true, 0},
        {DBT_ADAGRAD, 0, 0, false, 0},   {DBT_ADAGRAD, 0, 1e-3, false, 3},
    };
    dbt_store *store = make_quickstart("optimizers.db");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        dbt_fit_options options = small_options(3);
        dbt_fit_result result;
        options.network.optimizer = cases[i].optimizer;
        options.network.momentum = cases[i].momentum;
        options.network.l2 = cases[i].l2;
        options.network.nesterov = cases[i].nesterov;
        options.network.layers = 1 + i % 3;
        options.steps_per_epoch = cases[i].steps_per_epoch;
        options.class_weight = "cooking=2,travel=0.5";
        char *expected = bits_of_run(store, fit(store, &options).run_id);
        int64_t run_id = stop_after(store, &options, 2);
        size_t threads = 1;
        while (go_on(store, run_id, threads, 7, &result) == DBT_EINTERRUPTED)
            threads = 1 + threads % 3;
        assert_same_bits(store, run_id, expected);
        free(expected);
    }
    close_store(store);
}

/* Random labels cannot be learnt, so val_loss soon rises. */
static void test_resume__early_stopping_counts_on(void **state)
{
    (void)state;
    static const int64_t patiences[] = {0, 2};
    dbt_store *store = make_quickstart("patience.db");
    run_sql(store, "UPDATE document SET checksum = NULL, label_id = 1 + (id * 7919 % 104729) % 5");
    for (size_t i = 0; i < 2; i++) {
        dbt_fit_options options = small_options(1000);
        options.patience = patiences[i];
        dbt_fit_result result, whole = fit(store, &options);
        assert_true(whole.stopped_early);
        char *expected = bits_of_run(store, whole.run_id);
        for (int64_t steps = 1; steps < whole.epochs * 28; steps += 13) {
            int64_t run_id = stop_after(store, &options, steps);
            finish(store, run_id, 2, &result);
            assert_same_bits(store, run_id, expected);
            assert_true(result.stopped_early);
            assert_int_equal(result.epochs, whole.epochs);
        }
        free(expected);
    }
    close_store(store);
}

/* After the last step of an epoch only validation asks whether to stop. */
static bool stop_in_validation(void *context)
{
    stopper *s = context;
    return s->done == 28;
}

static void test_resume__stopped_in_validation_it_validates(void **state)
{
    (void)state;
    dbt_store *store = make_quickstart("validation.db");
    dbt_fit_options options = small_options(2);
    char *expected = bits_of_run(store, fit(store, &options).run_id);
    stopper s = {.steps = -1};
    dbt_observer observer = observe(&s);
    dbt_fit_result result;
    dbt_error err = {0};
    observer.stop = stop_in_validation;
    assert_int_equal(dbt_fit(store, &options, &observer, &result, &err), DBT_EINTERRUPTED);
    assert_string_equal(err.message, "validation of epoch 1: interrupted");
    assert_int_equal(ask(store, "SELECT count(*) FROM epoch WHERE run_id = 2"), 0);
    assert_int_equal(ask(store, "SELECT step FROM checkpoint WHERE run_id = 2"), 28);
    finish(store, 2, 2, &result);
    assert_same_bits(store, 2, expected);
    free(expected);
    close_store(store);
}

static void test_resume__checkpoints_do_not_change_the_bits(void **state)
{
    (void)state;
    static const double seconds[] = {1e-9, 0.01, 0.2, 60};
    dbt_store *store = make_quickstart("often.db");
    dbt_fit_options options = small_options(3);
    char *expected = bits_of_run(store, fit(store, &options).run_id);
    for (size_t i = 0; i < sizeof seconds / sizeof *seconds; i++) {
        options.checkpoint_every = seconds[i];
        assert_same_bits(store, fit(store, &options).run_id, expected);
    }
    /* What has finished needs none. */
    assert_int_equal(ask(store, "SELECT count(*) FROM checkpoint"), 0);
    free(expected);
    close_store(store);
}

static void test_resume__last_weights_that_are_shown_are_caught_up(void **state)
{
    (void)state;
    dbt_store *store = make_quickstart("shown.db");
    dbt_fit_options options = small_options(1);
    options.steps_per_epoch = 13; /* the end of an epoch catches up the network itself */
    int64_t settled = fit(store, &options).run_id;
    options.steps_per_epoch = 28;
    int64_t stopped = stop_after(store, &options, 13);
    char *lagging = ask_text(store, "SELECT digest FROM parameter WHERE run_id = 2 AND layer = 0"
                                    " AND name = 'weight' AND kind = 'last'");
    char *expected = ask_text(store, "SELECT digest FROM parameter WHERE run_id = 1 AND layer = 0"
                                     " AND name = 'weight' AND kind = 'last'");
    assert_string_not_equal(lagging, expected);
    free(lagging);
    free(expected);

    dbt_page *page;
    dbt_error err = {0};
    char reference[2][24];
    float first[QUICKSTART_LABELS];
    static const char text[] = "the bread dough needs flour, and the garden needs rain";
    assert_ok(dbt_page_new(&page, &err), err);
    assert_ok(dbt_page_append(page, (dbt_text){text, sizeof text - 1}, 1, 0, 1, &err), err);
    (void)snprintf(reference[0], sizeof reference[0], "%lld", (long long)settled);
    (void)snprintf(reference[1], sizeof reference[1], "%lld", (long long)stopped);
    for (size_t i = 0; i < 2; i++) {
        const float *probability;
        dbt_model *model = open_model(store, reference[i], DBT_WEIGHTS_LAST);
        assert_ok(dbt_model_predict(model, page, &probability, &err), err);
        if (i == 0)
            memcpy(first, probability, sizeof first);
        else
            assert_memory_equal(probability, first, sizeof first);
        dbt_model_close(model);
    }
    dbt_page_free(page);
    close_store(store);
}

static void test_resume__evaluations_of_weights_that_change_go(void **state)
{
    (void)state;
    dbt_store *store = make_quickstart("evaluated.db");
    dbt_fit_options options = small_options(2);
    dbt_fit_result result;
    dbt_error err = {0};
    dbt_report report;
    (void)stop_after(store, &options, 40);
    (void)stop_after(store, &options, 40);
    for (int i = 0; i < 4; i++) {
        dbt_model *model =
            open_model(store, i < 2 ? "1" : "2", i % 2 == 0 ? DBT_WEIGHTS_BEST : DBT_WEIGHTS_LAST);
        assert_ok(dbt_evaluate(store, model, "test", 2, NULL, &report, &err), err);
        dbt_report_release(&report);
        dbt_model_close(model);
    }
    assert_int_equal(ask(store, "SELECT count(*) FROM evaluation"), 4);
    finish(store, 2, 2, &result);
    assert_answer(store, "SELECT group_concat(run_id) FROM evaluation", "1,1");
    assert_int_equal(ask(store, "SELECT count(*) FROM prediction WHERE run_id = 2"), 0);
    assert_int_equal(ask(store, "SELECT count(*) FROM prediction WHERE run_id = 1"),
                     2 * QUICKSTART_TEST);
    close_store(store);
}

/* --- killed --- */

/* A new run, or with options.resume one that goes on, in a child that kills itself. */
static void kill_run(const char *path, const dbt_fit_options *options, const stopper *when)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        stopper s = *when;
        dbt_store *store;
        dbt_error err = {0};
        dbt_fit_result result;
        if (dbt_store_open(path, DBT_STORE_WRITE, &store, &err) == DBT_OK)
            (void)fit_until(store, options, &s, &result, &err);
        _exit(1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static dbt_store *reopen(const char *path)
{
    dbt_store *store;
    dbt_error err = {0};
    assert_ok(dbt_store_open(path, DBT_STORE_WRITE, &store, &err), err);
    assert_answer(store, "PRAGMA integrity_check", "ok");
    return store;
}

/* Where a slow machine may make a checkpoint at an epoch's end or not. */
enum { ANY_STEP = -2, NO_STEP = -1 };

static void test_resume__killed_it_goes_on_from_its_last_checkpoint(void **state)
{
    (void)state;
    static const struct {
        double checkpoint_every;
        stopper when;
        int64_t step; /* of the checkpoint */
    } cases[] = {
        {1e-9, {.kill = true, .steps = 1}, 1},
        {1e-9, {.kill = true, .steps = 27}, 27},
        {1e-9, {.kill = true, .steps = 28}, 28},
        {1e-9, {.kill = true, .steps = 47}, 47},
        {1e-9, {.steps = -1, .kill_epoch = 2}, ANY_STEP},
        {0, {.kill = true, .steps = 1}, NO_STEP},
        {0, {.kill = true, .steps = 40}, ANY_STEP},
        {0, {.steps = -1, .kill_epoch = 2}, ANY_STEP},
        {0, {.steps = -1, .kill_epoch = 3}, ANY_STEP},
        {0, {.steps = -1, .kill_epoch = 1, .nap = true}, 28},
    };
    char path[160];
    dbt_store *store = make_quickstart("killed.db");
    dbt_fit_options options = small_options(3);
    dbt_fit_result result;
    (void)snprintf(path, sizeof path, "%s", dbt_store_path(store));
    char *expected = bits_of_run(store, fit(store, &options).run_id);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char query[120];
        close_store(store);
        options.checkpoint_every = cases[i].checkpoint_every;
        kill_run(path, &options, &cases[i].when);
        store = reopen(path);
        int64_t run_id = ask(store, "SELECT max(id) FROM run WHERE status = 'running'");
        (void)snprintf(query, sizeof query, "SELECT step FROM checkpoint WHERE run_id = %lld",
                       (long long)run_id);
        int64_t step = ask(store, query);
        if (cases[i].step != ANY_STEP) assert_int_equal(step, cases[i].step);
        finish(store, run_id, 1 + i % 3, &result);
        assert_same_bits(store, run_id, expected);
    }
    free(expected);
    close_store(store);
}

/* --- before there is a vocabulary --- */

static void assert_uncounted(dbt_store *store, const char *status)
{
    assert_int_equal(ask(store, "SELECT count(*) FROM run"), 1);
    assert_answer(store, "SELECT status FROM run", status);
    assert_int_equal(ask(store, "SELECT vectorizer_id IS NULL FROM run"), 1);
    assert_int_equal(ask(store, "SELECT count(*) FROM vectorizer"), 0);
    dbt_error err = {0};
    dbt_info info;
    assert_ok(dbt_info_read(store, &info, &err), err);
    assert_int_equal(info.n_runs, 1);
    assert_string_equal(info.run[0].status, status); /* the writer is this process */
    assert_string_equal(info.run[0].train_split, "train");
    dbt_info_release(&info);
    dbt_model *model;
    assert_int_equal(dbt_model_open(store, "1", DBT_WEIGHTS_BEST, &model, &err), DBT_EUSAGE);
    assert_string_equal(err.message, "run 1 has no stored weights");
}

static void assert_resume_refused(dbt_store *store, const char *message)
{
    dbt_resume resume;
    dbt_error err = {0};
    dbt_fit_result result;
    assert_ok(dbt_resume_find(store, NULL, &resume, &err), err);
    stopper s = {.steps = -1};
    assert_int_equal(fit_until(store, &resume.options, &s, &result, &err), DBT_EUSAGE);
    assert_string_equal(err.message, message);
    dbt_resume_release(&resume);
}

static void test_resume__stopped_while_it_counts_it_counts_again(void **state)
{
    (void)state;
    static const stopper moments[] = {
        {.steps = 0},
        {.steps = -1, .kill_note = "vocabulary: "},
    };
    dbt_fit_options options = small_options(2);
    options.vectorizer.min_df = 3;
    dbt_store *whole = make_quickstart("counted.db");
    char *expected = bits_of_run(whole, fit(whole, &options).run_id);
    close_store(whole);
    for (size_t i = 0; i < sizeof moments / sizeof *moments; i++) {
        char path[160];
        stopper s = moments[i];
        dbt_fit_result result;
        dbt_error err;
        dbt_store *store = make_quickstart("counting.db");
        (void)snprintf(path, sizeof path, "%s", dbt_store_path(store));
        if (s.kill_note == NULL) {
            assert_int_equal(fit_until(store, &options, &s, &result, &err), DBT_EINTERRUPTED);
            assert_string_equal(err.message, "interrupted before the first epoch");
            assert_int_equal(result.run_id, 1);
        } else {
            close_store(store);
            kill_run(path, &options, &s);
            store = reopen(path);
        }
        assert_uncounted(store, s.kill_note == NULL ? "interrupted" : "running");
        run_sql(store, "UPDATE document SET checksum = NULL, text = text || ' more' WHERE id = 7");
        assert_resume_refused(store, "run 1 cannot go on: the first 440 documents of split 'train'"
                                     " are not those it began with");
        run_sql(store,
                "UPDATE document SET checksum = NULL, text = substr(text, 1, length(text) - 5)"
                " WHERE id = 7");
        assert_int_equal(go_on(store, 0, 2, 0, &result), DBT_EINTERRUPTED);
        finish(store, 1, 3, &result);
        assert_same_bits(store, 1, expected);
        close_store(store);
    }
    free(expected);
}

/* What it was begun with is verified before it gets its vocabulary. */
static void test_resume__other_settings_of_a_run_that_counts_are_damage(void **state)
{
    (void)state;
    dbt_store *store = make_quickstart("tampered.db");
    dbt_fit_options options = small_options(2);
    dbt_resume resume;
    dbt_fit_result result;
    dbt_error err = {0};
    stopper s = {.steps = 0};
    assert_int_equal(fit_until(store, &options, &s, &result, &err), DBT_EINTERRUPTED);
    run_sql(store, "UPDATE run SET settings = json_set(settings, '$.dropout', 0.4)");
    err = (dbt_error){0};
    assert_ok(dbt_resume_find(store, NULL, &resume, &err), err);
    s.steps = -1;
    assert_int_equal(fit_until(store, &resume.options, &s, &result, &err), DBT_EFORMAT);
    assert_string_equal(err.message, "run 1: its settings, or the names of its labels, are not"
                                     " those that it was trained with; where a label was"
                                     " renamed, name it as it was, or fit anew");
    dbt_resume_release(&resume);
    close_store(store);
}

static void test_resume__of_a_run_that_was_refused_there_is_nothing(void **state)
{
    (void)state;
    dbt_store *store = make_quickstart("refused.db");
    dbt_fit_options options = small_options(2);
    dbt_fit_result result;
    dbt_error err = {0};
    stopper s = {.steps = -1};
    options.vectorizer.min_df = 10000;
    assert_int_equal(fit_until(store, &options, &s, &result, &err), DBT_EDATA);
    assert_int_equal(result.run_id, 0);
    assert_int_equal(ask(store, "SELECT count(*) FROM run"), 0);
    assert_int_equal(ask(store, "SELECT count(*) FROM run_label"), 0);
    close_store(store);
}

static void test_resume__a_run_that_counts_again_is_running(void **state)
{
    (void)state;
    char path[160];
    dbt_store *store = make_quickstart("recounted.db");
    dbt_fit_options options = small_options(2);
    dbt_fit_result result;
    dbt_error err = {0};
    stopper s = {.steps = 0}, kill = {.steps = -1, .kill_note = "vocabulary: "};
    (void)snprintf(path, sizeof path, "%s", dbt_store_path(store));
    assert_int_equal(fit_until(store, &options, &s, &result, &err), DBT_EINTERRUPTED);
    assert_uncounted(store, "interrupted");
    close_store(store);
    options.resume = 1;
    kill_run(path, &options, &kill);
    store = reopen(path);
    assert_uncounted(store, "running");
    assert_int_equal(ask(store, "SELECT message IS NULL AND finished_at IS NULL FROM run"), 1);
    close_store(store);
}

static void test_resume__a_run_that_has_no_terms_is_deleted(void **state)
{
    (void)state;
    dbt_store *store = make_quickstart("no-terms.db");
    dbt_fit_options options = small_options(2);
    dbt_fit_result result;
    dbt_error err = {0};
    stopper s = {.steps = 0};
    options.vectorizer.min_df = 10000;
    assert_int_equal(fit_until(store, &options, &s, &result, &err), DBT_EINTERRUPTED);
    assert_uncounted(store, "interrupted");
    options.resume = 1;
    s.steps = -1;
    err = (dbt_error){0};
    assert_int_equal(fit_until(store, &options, &s, &result, &err), DBT_EDATA);
    assert_int_equal(result.run_id, 0);
    assert_int_equal(ask(store, "SELECT count(*) FROM run"), 0);
    close_store(store);
}

/* How large its network is, is known once the terms are counted. */
static void test_resume__a_run_that_memory_is_short_for_goes_on_with_more(void **state)
{
    (void)state;
    dbt_store *store = make_quickstart("short.db");
    dbt_fit_options options = small_options(1);
    dbt_fit_result result;
    dbt_error err = {0};
    stopper s = {.steps = 0};
    options.vectorizer.top_k = 0;
    options.network.units = 1024;
    char *expected = bits_of_run(store, fit(store, &options).run_id);
    run_sql(store, "DELETE FROM run; DELETE FROM vectorizer");
    assert_int_equal(fit_until(store, &options, &s, &result, &err), DBT_EINTERRUPTED);
    const int64_t run_id = result.run_id;
    options.resume = run_id;
    options.memory = (size_t)60 << 20;
    s.steps = -1;
    err = (dbt_error){0};
    assert_int_equal(fit_until(store, &options, &s, &result, &err), DBT_EUSAGE);
    assert_non_null(strstr(err.message, "it can go on with a higher --memory"));
    assert_answer(store, "SELECT status FROM run", "failed");
    assert_int_equal(ask(store, "SELECT message LIKE '%this network needs%' FROM run"), 1);
    options.memory = (size_t)512 << 20;
    err = (dbt_error){0};
    assert_ok(fit_until(store, &options, &s, &result, &err), err);
    assert_int_equal(result.run_id, run_id);
    assert_same_bits(store, run_id, expected);
    free(expected);
    close_store(store);
}

static void test_resume__no_run_is_left_of_a_vocabulary_that_is_damaged(void **state)
{
    (void)state;
    dbt_store *store = make_quickstart("damaged.db");
    dbt_fit_options options = small_options(1);
    dbt_fit_result result;
    dbt_error err = {0};
    stopper s = {.steps = -1};
    (void)fit(store, &options);
    run_sql(store, "UPDATE vectorizer SET digest = '0000000000000000'");
    options.name = "again";
    assert_int_equal(fit_until(store, &options, &s, &result, &err), DBT_EFORMAT);
    assert_int_equal(result.run_id, 0);
    assert_int_equal(ask(store, "SELECT max(id) FROM run"), 1);
    close_store(store);
}

static void test_resume__killed_again_and_again_it_ends_with_the_same_bits(void **state)
{
    (void)state;
    char path[160];
    dbt_store *store = make_quickstart("chain.db");
    dbt_fit_options options = small_options(3);
    dbt_fit_result result;
    stopper when = {.kill = true, .steps = 9};
    (void)snprintf(path, sizeof path, "%s", dbt_store_path(store));
    char *expected = bits_of_run(store, fit(store, &options).run_id);
    options.checkpoint_every = 1e-9;
    for (int i = 0; i < 9; i++) {
        close_store(store);
        options.threads = (size_t)(1 + i % 3);
        kill_run(path, &options, &when);
        store = reopen(path);
        options.resume = 2;
        assert_int_equal(ask(store, "SELECT step FROM checkpoint WHERE run_id = 2"), 9 * (i + 1));
    }
    finish(store, 2, 2, &result);
    assert_same_bits(store, 2, expected);
    free(expected);
    close_store(store);
}

/* --- which run, and whether --- */

static void test_resume__takes_the_newest_run_that_can_go_on(void **state)
{
    (void)state;
    dbt_store *store = make_quickstart("newest.db");
    dbt_fit_options options = small_options(2);
    dbt_resume resume;
    dbt_error err = {0};
    dbt_fit_result result;
    assert_ok(dbt_resume_find(store, NULL, &resume, &err), err);
    assert_int_equal(resume.run_id, 0);
    assert_int_equal(resume.options.resume, 0);
    dbt_resume_release(&resume);
    assert_int_equal(dbt_resume_find(store, "1", &resume, &err), DBT_EUSAGE);
    assert_string_equal(err.message, "there is no run yet: dbtrain fit makes one");
    dbt_resume_release(&resume);

    (void)fit(store, &options);
    options.name = "second";
    (void)stop_after(store, &options, 3);
    options.name = NULL;
    (void)stop_after(store, &options, 4);
    (void)fit(store, &options);
    static const char *const references[] = {NULL, "3", "second", "1"};
    static const int64_t expected[] = {3, 3, 2, 1};
    for (size_t i = 0; i < 4; i++) {
        err = (dbt_error){0};
        assert_ok(dbt_resume_find(store, references[i], &resume, &err), err);
        assert_int_equal(resume.run_id, expected[i]);
        assert_int_equal(resume.options.resume, expected[i]);
        assert_int_equal(resume.options.batch_size, 16);
        assert_int_equal(resume.options.vectorizer.top_k, 300);
        assert_string_equal(resume.options.validation, "test");
        dbt_resume_release(&resume);
    }
    assert_int_equal(dbt_resume_find(store, "9", &resume, &err), DBT_EUSAGE);
    assert_string_equal(err.message, "no run '9' (has: 4, 3, 2 'second', 1)");
    dbt_resume_release(&resume);
    assert_int_equal(go_on(store, 0, 2, -1, &result), DBT_OK);
    assert_int_equal(result.run_id, 3);
    assert_int_equal(go_on(store, 0, 2, -1, &result), DBT_OK);
    assert_int_equal(result.run_id, 2);
    /* all have finished: the newest is said to have */
    assert_int_equal(go_on(store, 0, 2, -1, &result), DBT_OK);
    assert_int_equal(result.run_id, 4);
    close_store(store);
}

static void test_resume__of_a_finished_run_changes_nothing(void **state)
{
    (void)state;
    dbt_store *store = make_quickstart("finished.db");
    dbt_fit_options options = small_options(1000);
    options.patience = 0;
    dbt_error err = {0};
    dbt_fit_result result, whole = fit(store, &options);
    stopper s = {.steps = 0};
    char *finished_at = ask_text(store, "SELECT finished_at FROM run");
    options.resume = 1;
    assert_ok(fit_until(store, &options, &s, &result, &err), err);
    assert_memory_equal(&result, &whole, sizeof result);
    assert_string_equal(s.notes, "run 1 has finished: nothing is left to do\n");
    assert_answer(store, "SELECT finished_at FROM run", finished_at);
    free(finished_at);
    close_store(store);
}

static void test_resume__of_a_diverged_run_is_refused(void **state)
{
    (void)state;
    dbt_store *store = make_quickstart("diverged.db");
    dbt_fit_options options = small_options(2);
    dbt_fit_result result;
    dbt_error err;
    stopper s = {.steps = -1};
    options.network.learning_rate = 1e30;
    options.checkpoint_every = 1e-9;
    assert_int_equal(fit_until(store, &options, &s, &result, &err), DBT_EDIVERGED);
    /* what it was before is kept */
    assert_int_equal(ask(store, "SELECT step FROM checkpoint"), s.done);
    assert_true(s.done > 0);
    dbt_model_close(open_model(store, "1", DBT_WEIGHTS_LAST));
    options.resume = 1;
    assert_int_equal(fit_until(store, &options, &s, &result, &err), DBT_EDIVERGED);
    assert_non_null(strstr(err.message, "run 1 diverged, and would again"));
    assert_answer(store, "SELECT status FROM run", "diverged");
    close_store(store);
}

/* Of lazy Adam, v overflows in epoch 2, from a document of a huge weight, while losses and weights
 * stay finite. Whether checkpoints fall due before its end, and whether it is stopped there,
 * changes neither what is said nor what is stored. */
static void test_resume__an_optimizer_that_overflows_diverges_at_the_end_of_the_epoch(void **state)
{
    (void)state;
    static const struct {
        double checkpoint_every;
        int64_t steps;
    } cases[] = {{0, -1}, {60, -1}, {1e-9, -1}, {60, 13}, {1e-9, 13}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        dbt_store *store = make_quickstart("overflows.db");
        run_sql(store, "UPDATE document SET checksum = NULL, weight = 1e22 WHERE id IN (SELECT"
                       " document_id FROM split_document JOIN split ON split.id = split_id"
                       " WHERE name = 'train' AND position = 150)");
        dbt_fit_options options = quick_options(2);
        options.shuffle = false;
        options.steps_per_epoch = 7;
        options.network.optimizer = DBT_LAZY_ADAM;
        options.checkpoint_every = cases[i].checkpoint_every;
        dbt_fit_result result;
        dbt_error err;
        stopper s = {.steps = cases[i].steps};
        assert_int_equal(fit_until(store, &options, &s, &result, &err), DBT_EDIVERGED);
        const char *said = "a number that the optimizer keeps of layer 0 is not finite";
        if (strstr(err.message, said) == NULL) fail_msg("%s", err.message);
        assert_int_equal(s.done, cases[i].steps < 0 ? 14 : cases[i].steps);
        assert_int_equal(result.best_epoch, 1);
        assert_answer(store, "SELECT status FROM run", "diverged");
        assert_int_equal(ask(store, "SELECT count(*) FROM epoch"), 1);
        assert_int_equal(ask(store, "SELECT best_epoch FROM run"), 1);
        assert_int_equal(ask(store, "SELECT count(*) FROM parameter WHERE kind = 'best'"), 4);
        dbt_model_close(open_model(store, "1", DBT_WEIGHTS_BEST));
        close_store(store);
    }
}

static void assert_refused(dbt_store *store, const dbt_fit_options *options, const char *message)
{
    stopper s = {.steps = -1};
    dbt_fit_result result;
    dbt_error err;
    assert_int_equal(fit_until(store, options, &s, &result, &err), DBT_EUSAGE);
    assert_string_equal(err.message, message);
    assert_int_equal(s.done, 0);
    assert_answer(store, "SELECT status FROM run", "interrupted");
}

static void test_resume__other_settings_are_refused_with_a_list(void **state)
{
    (void)state;
    dbt_store *store = make_quickstart("settings.db");
    dbt_fit_options options = small_options(2), other;
    (void)stop_after(store, &options, 5);
    options.resume = 1;
    options.threads = 3;
    options.memory = (size_t)200 << 20;
    options.checkpoint_every = 7;

    other = options;
    other.batch_size = 17;
    assert_refused(store, &other, "run 1 was begun with other settings: batch_size is 16, not 17");
    other = options;
    other.network.learning_rate = 0.1;
    other.network.optimizer = DBT_SGD;
    other.shuffle = false;
    other.name = "x";
    other.seed = 7;
    other.validation = NULL;
    other.vectorizer.ngram_max = 1;
    assert_refused(store, &other,
                   "run 1 was begun with other settings: validation is \"test\", not null;"
                   " shuffle is 1, not 0; optimizer is \"adam\", not \"sgd\"; learning_rate is"
                   " 0.005, not 0.1; seed is 123, not 7; name is null, not \"x\"; ngram_max is 2,"
                   " not 1");
    other = options;
    other.vectorizer.hash_bits = 12;
    assert_refused(store, &other, "run 1 was begun with other settings: hash_bits is 0, not 12");
    stopper s = {.steps = -1};
    dbt_fit_result result;
    dbt_error err;
    assert_ok(fit_until(store, &options, &s, &result, &err), err);
    close_store(store);
}

static void refuse_other_share(dbt_store *store, dbt_fit_options *options)
{
    options->validation_split = 0.7;
    options->resume = 1;
    assert_refused(store, options,
                   "run 1 was begun with other settings: validation_split is 0.2, not 0.7");
    close_store(store);
}

/* Beside a split to validate on, the share to hold out is no setting; once it was stored. */
static void test_resume__a_share_to_hold_out_counts_without_a_validation_split(void **state)
{
    (void)state;
    static const char share[] =
        "SELECT coalesce(json_type(settings, '$.validation_split'), 'none') FROM run";
    dbt_store *store = make_quickstart("share.db");
    dbt_fit_options options = small_options(2);
    dbt_fit_result result;
    (void)stop_after(store, &options, 5);
    assert_answer(store, share, "none");
    (void)go_on(store, 1, 1, 5, &result);
    run_sql(store, "UPDATE run SET settings = json_remove(json_set(settings, '$.validation_split',"
                   " 0.2), '$.digest')");
    (void)go_on(store, 1, 1, 5, &result);
    assert_answer(store, share, "real");
    refuse_other_share(store, &options);

    store = make_quickstart("share.db");
    options = small_options(2);
    options.validation = NULL;
    (void)stop_after(store, &options, 5);
    assert_answer(store, share, "real");
    refuse_other_share(store, &options);
}

static void test_resume__other_data_is_refused_with_a_list(void **state)
{
    (void)state;
    static const struct {
        const char *change, *message;
    } cases[] = {
        {"UPDATE document SET checksum = NULL, text = text || '.' WHERE id = 7",
         "the first 440 documents of split 'train' are not those it began with"},
        {"UPDATE document SET checksum = NULL, weight = 2 WHERE id = 440",
         "the first 440 documents of split 'train' are not those it began with"},
        {"UPDATE document SET checksum = NULL, label_id = 1 + label_id % 5 WHERE id = 441",
         "the first 110 documents of split 'test' are not those it began with"},
        {"UPDATE document SET checksum = NULL, text = 'x' WHERE id IN (1, 550)",
         "the first 440 documents of split 'train' are not those it began with; the first 110"
         " documents of split 'test' are not those it began with"},
        {"UPDATE vectorizer SET settings = json_set(settings, '$.version', 99)",
         "its vocabulary was made by version 99 of the vectorizer, not 2"},
        {"UPDATE run SET settings = json_remove(settings, '$.order_version')",
         "its documents are shuffled by version 1 of the order, not 4"},
        {"UPDATE label SET name = 'zucchini' WHERE name = 'computers'",
         "its labels are not those it began with"},
        {"DELETE FROM split_document WHERE split_id = 2 AND position > 99;"
         " UPDATE split SET documents = 100 WHERE id = 2",
         "its validation split 'test' has 100 documents, and had 110"},
        {"DELETE FROM split WHERE name = 'train'", "its training split is gone"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        dbt_store *store = make_quickstart("data.db");
        dbt_fit_options options = small_options(2);
        char message[400];
        (void)stop_after(store, &options, 5);
        options.resume = 1;
        run_sql(store, cases[i].change);
        (void)snprintf(message, sizeof message, "run 1 cannot go on: %s", cases[i].message);
        assert_refused(store, &options, message);
        close_store(store);
    }
}

static void test_resume__documents_that_were_added_are_not_its(void **state)
{
    (void)state;
    dbt_fit_options options = small_options(3), other;
    dbt_fit_result result;
    options.validation = NULL;
    dbt_store *undisturbed = make_quickstart("undisturbed.db");
    char *expected = bits_of_run(undisturbed, fit(undisturbed, &options).run_id);
    close_store(undisturbed);

    dbt_store *store = make_quickstart("added.db");
    (void)stop_after(store, &options, 33);
    add_document(store, "train", "cooking", "one more recipe for bread and for soup");
    add_document(store, "train", "chess", "a new label with a pawn, a bishop and a queen");
    /* another run takes them, and makes the parts anew */
    other = options;
    other.seed = options.seed;
    (void)fit(store, &other);
    assert_int_equal(ask(store, "SELECT sum(documents) FROM split WHERE name LIKE 'train/%'"), 442);
    finish(store, 1, 3, &result);
    assert_same_bits(store, 1, expected);
    free(expected);
    close_store(store);
}

/* What the row of run 2 says: how it begins, and what is in it. */
static void assert_message(dbt_store *store, const char *begin, const char *part)
{
    char *message = ask_text(store, "SELECT message FROM run WHERE id = 2");
    assert_non_null(message);
    if (strncmp(message, begin, strlen(begin)) != 0 || strstr(message, part) == NULL ||
        strstr(message, "continued on another processor, ") == NULL)
        fail_msg("%s", message);
    free(message);
}

/* What was stored of the processor is another; the bits are in truth the same. */
static void resume_moved(const char *name, const char *settings, const char *told)
{
    char path[160], update[300];
    dbt_store *store = make_quickstart(name);
    dbt_fit_options options = small_options(4);
    stopper when = {.steps = -1, .kill_epoch = 3}, s = {.steps = 5};
    dbt_fit_result result;
    dbt_error err;
    (void)snprintf(path, sizeof path, "%s", dbt_store_path(store));
    char *expected = bits_of_run(store, fit(store, &options).run_id);
    close_store(store);
    options.checkpoint_every = 1e-9; /* with every step */
    kill_run(path, &options, &when);
    store = reopen(path);
    assert_int_equal(ask(store, "SELECT best_epoch FROM run WHERE id = 2"), 2);
    run_sql(store, "DELETE FROM checkpoint WHERE run_id = 2"); /* of a slow machine */
    (void)snprintf(update, sizeof update,
                   "UPDATE run SET settings = json_remove(json_set(settings, %s), '$.digest',"
                   " '$.arithmetic') WHERE id = 2",
                   settings);
    run_sql(store, update);
    options.resume = 2;
    assert_int_equal(fit_until(store, &options, &s, &result, &err), DBT_EINTERRUPTED);
    assert_non_null(strstr(s.notes, "run 2 was begun on another processor"));
    assert_non_null(strstr(s.notes, "kernels is \"abacus\", not "));
    assert_non_null(strstr(s.notes, told));
    assert_int_equal(ask(store, "SELECT count(*) FROM epoch WHERE run_id = 2"), 0);
    assert_int_equal(
        ask(store, "SELECT count(*) FROM parameter WHERE run_id = 2 AND kind = 'best'"), 0);
    assert_int_equal(ask(store, "SELECT best_epoch FROM run WHERE id = 2"), -1);
    assert_message(store, "interrupted in epoch 1, ", told);
    /* Where it has ended on the one that it was begun on, that is still to be known. */
    run_sql(store, "UPDATE run SET settings = json_remove(json_set(settings, '$.kernels',"
                   " (SELECT settings ->> 'kernels' FROM run WHERE id = 1), '$.arithmetic',"
                   " (SELECT settings ->> 'arithmetic' FROM run WHERE id = 1)), '$.digest')"
                   " WHERE id = 2");
    finish(store, 2, 2, &result);
    assert_message(store, "continued on", told);
    assert_same_bits(store, 2, expected);
    assert_int_equal(ask(store, "SELECT message IS NULL FROM run WHERE id = 1"), 1);
    free(expected);
    close_store(store);
}

static void test_resume__on_another_processor_is_told_and_takes_back_what_was_ahead(void **state)
{
    (void)state;
    /* What older programs have stored. */
    resume_moved("parts.db", "'$.kernels', 'abacus', '$.sum_parts', 8", "arithmetic is 2, not 3");
    resume_moved("one.db", "'$.kernels', 'abacus'", "arithmetic is 1, not 3");
}

/* What older programs, or those of another processor, have stored. */
static void pretend_kernels(dbt_store *store, const char *kernels)
{
    char update[200];
    (void)snprintf(update, sizeof update,
                   "UPDATE run SET settings = json_remove(json_set(settings, '$.kernels', %s),"
                   " '$.digest')",
                   kernels);
    run_sql(store, update);
}

/* Goes on with run 1, and stops it before it has made a step. */
static void resume_and_stop(dbt_store *store, stopper *s)
{
    dbt_resume resume;
    dbt_fit_result result;
    dbt_error err = {0};
    assert_ok(dbt_resume_find(store, "1", &resume, &err), err);
    assert_int_equal(fit_until(store, &resume.options, s, &result, &err), DBT_EINTERRUPTED);
    assert_int_equal(s->done, s->steps);
    dbt_resume_release(&resume);
}

/* The first epoch is in the checkpoint, the second one is better and is not; what they are where
 * the run goes on is not known. */
static void test_resume__of_a_run_that_failed_keeps_the_best_of_its_checkpoint(void **state)
{
    (void)state;
    char path[160];
    dbt_store *store = make_quickstart("failed.db");
    dbt_fit_options options = small_options(5);
    (void)snprintf(path, sizeof path, "%s", dbt_store_path(store));
    stopper failing = {.steps = -1, .nap = true, .hide_epoch = 2, .path = path}, s = {.steps = 1};
    dbt_fit_result result;
    dbt_error err;
    options.checkpoint_every = 2;
    assert_int_equal(fit_until(store, &options, &failing, &result, &err), DBT_EFORMAT);
    assert_answer(store, "SELECT status FROM run", "failed");
    run_sql(store, "ALTER TABLE hidden RENAME TO checkpoint");
    if (ask(store, "SELECT epoch FROM checkpoint") != 2) {
        close_store(store);
        print_message("skipped: an epoch took a second\n");
        skip();
    }
    assert_int_equal(
        ask(store, "SELECT (SELECT val_loss FROM epoch WHERE epoch = 2)"
                   " < (SELECT val_loss FROM epoch WHERE epoch = 1) AND count(*) = 2 FROM epoch"),
        1);
    assert_int_equal(result.best_epoch, 1);
    pretend_kernels(store, "'abacus'");
    resume_and_stop(store, &s);
    assert_int_equal(ask(store, "SELECT best_epoch FROM run"), 1);
    assert_int_equal(ask(store, "SELECT count(*) FROM parameter WHERE kind = 'best'"), 4);
    assert_int_equal(ask(store, "SELECT count(*) FROM epoch"), 1);
    close_store(store);
}

/* Epochs 3 and 4 were computed elsewhere, behind the checkpoint, before the run came back. */
static void test_resume__back_from_another_processor_takes_back_what_was_ahead(void **state)
{
    (void)state;
    char path[160];
    dbt_store *store = make_quickstart("back.db");
    dbt_fit_options options = small_options(6);
    (void)snprintf(path, sizeof path, "%s", dbt_store_path(store));
    char *expected = bits_of_run(store, fit(store, &options).run_id);
    run_sql(store, "DELETE FROM run; DELETE FROM sqlite_sequence WHERE name = 'run'");
    (void)stop_after(store, &options, 60); /* in epoch 3 */
    pretend_kernels(store, "'abacus'");
    close_store(store);
    options.resume = 1;
    kill_run(path, &options, &(stopper){.steps = -1, .kill_epoch = 4});
    store = reopen(path);
    if (ask(store, "SELECT epoch FROM checkpoint") != 3) {
        close_store(store);
        free(expected);
        print_message("skipped: an epoch took a second\n");
        skip();
    }
    assert_int_equal(ask(store, "SELECT count(*) FROM epoch"), 4);
    /* It is now where it was begun. */
    char here[80];
    char *kernels = ask_text(store, "SELECT settings ->> 'continued' FROM run");
    assert_int_equal(sscanf(kernels, "kernels is \"abacus\", not %79[^;]", here), 1);
    free(kernels);
    for (char *c = here; *c != '\0'; c++)
        if (*c == '"') *c = '\'';
    pretend_kernels(store, here);
    stopper s = {.steps = 1};
    resume_and_stop(store, &s);
    assert_non_null(strstr(s.notes, "run 1 was continued on another processor, with other"));
    assert_int_equal(ask(store, "SELECT count(*) FROM epoch"), 2);
    dbt_fit_result result;
    finish(store, 1, 2, &result);
    assert_same_bits(store, 1, expected);
    free(expected);
    close_store(store);
}

#define OTHER_RUN                                                                                  \
    "its settings, or the names of its labels, are not those that it was trained with; where a "   \
    "label was renamed, name it as it was, or fit anew"

static void test_resume__a_damaged_checkpoint_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *change, *part;
        int64_t steps; /* before it */
    } cases[] = {
        {"DELETE FROM epoch", "of the 1 epochs before its checkpoint only 0 are in the table epoch",
         30},
        {"UPDATE checkpoint SET state = zeroblob(length(state))", "its digest does not match", 5},
        {"UPDATE run SET seed = 124", "its checkpoint, at epoch 1, step 5, is not of this run", 5},
        {"UPDATE run SET settings = json_set(settings, '$.steps_per_epoch', 4)",
         "its checkpoint, at epoch 1, step 5, is not of this run", 5},
        {"UPDATE parameter SET value = x'00'", "not of the run's shape", 5},
        {"UPDATE run SET settings = json_set(settings, '$.learning_rate', 0.5)", OTHER_RUN, 5},
        {"UPDATE run SET settings = json_set(settings, '$.kernels', 'abacus')", OTHER_RUN, 5},
        {"UPDATE label SET name = name || 's' WHERE id = 2", OTHER_RUN, 5},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        dbt_store *store = make_quickstart("damaged.db");
        dbt_fit_options options = small_options(2);
        dbt_resume resume;
        dbt_fit_result result;
        stopper s = {.steps = -1};
        dbt_error err = {0};
        (void)stop_after(store, &options, cases[i].steps);
        run_sql(store, cases[i].change);
        assert_ok(dbt_resume_find(store, NULL, &resume, &err), err);
        assert_int_equal(fit_until(store, &resume.options, &s, &result, &err), DBT_EFORMAT);
        if (strstr(err.message, cases[i].part) == NULL) fail_msg("%s", err.message);
        dbt_resume_release(&resume);
        close_store(store);
    }
}

/* --- deleting --- */

static void test_run_remove__frees_all_that_is_the_runs(void **state)
{
    (void)state;
    static const char *const tables[] = {"run",        "run_label",  "epoch",     "parameter",
                                         "checkpoint", "evaluation", "prediction"};
    dbt_store *store = make_quickstart("remove.db");
    dbt_fit_options options = small_options(1);
    dbt_error err = {0};
    dbt_removed removed;
    dbt_report report;
    options.name = "first";
    (void)fit(store, &options);
    options.name = NULL;
    (void)stop_after(store, &options, 3);
    for (int i = 0; i < 2; i++) {
        dbt_model *model = open_model(store, i == 0 ? "1" : "2", DBT_WEIGHTS_LAST);
        assert_ok(dbt_evaluate(store, model, "test", 2, NULL, &report, &err), err);
        dbt_report_release(&report);
        dbt_model_close(model);
    }
    dbt_info info;
    assert_ok(dbt_info_read(store, &info, &err), err);
    int64_t bytes = info.run[0].bytes;
    dbt_info_release(&info);

    assert_ok(dbt_run_remove(store, "first", &removed, &err), err);
    assert_int_equal(removed.run_id, 1);
    assert_int_equal(removed.bytes, bytes);
    assert_false(removed.vocabulary);
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        char query[100];
        const char *column = i == 0 ? "id" : "run_id";
        (void)snprintf(query, sizeof query, "SELECT count(DISTINCT %s) FROM %s WHERE %s IN (1, 2)",
                       column, tables[i], column);
        int64_t left = ask(store, query);
        assert_int_equal(left, strcmp(tables[i], "epoch") == 0 ? 0 : 1);
    }
    assert_int_equal(ask(store, "SELECT count(*) FROM vectorizer"), 1);
    assert_ok(dbt_run_remove(store, "2", &removed, &err), err);
    assert_true(removed.vocabulary);
    assert_int_equal(ask(store, "SELECT count(*) FROM vectorizer"), 0);
    assert_int_equal(ask(store, "SELECT count(*) FROM feature"), 0);
    assert_int_equal(ask(store, "SELECT count(*) FROM vocabulary"), 0);
    assert_int_equal(ask(store, "SELECT count(*) FROM document"),
                     QUICKSTART_TRAIN + QUICKSTART_TEST);
    assert_answer(store, "PRAGMA integrity_check", "ok");

    /* the space is used again */
    int64_t pages = ask(store, "PRAGMA page_count");
    (void)fit(store, &options);
    assert_in_range(ask(store, "PRAGMA page_count"), 1, pages);
    assert_int_equal(ask(store, "SELECT max(id) FROM run"), 3);
    assert_int_equal(dbt_run_remove(store, "1", &removed, &err), DBT_EUSAGE);
    assert_string_equal(err.message, "no run '1' (has: 3)");

    /* of a run that was stopped before it named its vocabulary */
    run_sql(store, "UPDATE run SET vectorizer_id = NULL, settings = (SELECT json_set(run.settings,"
                   " '$.vectorizer', json(v.settings), '$.train_fingerprint', v.fingerprint)"
                   " FROM vectorizer v WHERE v.id = run.vectorizer_id)");
    assert_ok(dbt_run_remove(store, "3", &removed, &err), err);
    assert_true(removed.vocabulary);
    assert_int_equal(ask(store, "SELECT count(*) FROM vectorizer"), 0);
    close_store(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resume__after_any_of_150_steps_ends_with_the_same_bits),
        cmocka_unit_test(test_resume__with_hashed_ngrams_ends_with_the_same_bits),
        cmocka_unit_test(test_resume__of_every_optimizer_goes_on_again_and_again),
        cmocka_unit_test(test_resume__early_stopping_counts_on),
        cmocka_unit_test(test_resume__stopped_in_validation_it_validates),
        cmocka_unit_test(test_resume__checkpoints_do_not_change_the_bits),
        cmocka_unit_test(test_resume__last_weights_that_are_shown_are_caught_up),
        cmocka_unit_test(test_resume__evaluations_of_weights_that_change_go),
        cmocka_unit_test(test_resume__killed_it_goes_on_from_its_last_checkpoint),
        cmocka_unit_test(test_resume__killed_again_and_again_it_ends_with_the_same_bits),
        cmocka_unit_test(test_resume__stopped_while_it_counts_it_counts_again),
        cmocka_unit_test(test_resume__other_settings_of_a_run_that_counts_are_damage),
        cmocka_unit_test(test_resume__a_run_that_counts_again_is_running),
        cmocka_unit_test(test_resume__a_run_that_has_no_terms_is_deleted),
        cmocka_unit_test(test_resume__a_run_that_memory_is_short_for_goes_on_with_more),
        cmocka_unit_test(test_resume__no_run_is_left_of_a_vocabulary_that_is_damaged),
        cmocka_unit_test(test_resume__of_a_run_that_was_refused_there_is_nothing),
        cmocka_unit_test(test_resume__takes_the_newest_run_that_can_go_on),
        cmocka_unit_test(test_resume__of_a_finished_run_changes_nothing),
        cmocka_unit_test(test_resume__of_a_diverged_run_is_refused),
        cmocka_unit_test(test_resume__an_optimizer_that_overflows_diverges_at_the_end_of_the_epoch),
        cmocka_unit_test(test_resume__other_settings_are_refused_with_a_list),
        cmocka_unit_test(test_resume__a_share_to_hold_out_counts_without_a_validation_split),
        cmocka_unit_test(test_resume__other_data_is_refused_with_a_list),
        cmocka_unit_test(test_resume__documents_that_were_added_are_not_its),
        cmocka_unit_test(test_resume__on_another_processor_is_told_and_takes_back_what_was_ahead),
        cmocka_unit_test(test_resume__of_a_run_that_failed_keeps_the_best_of_its_checkpoint),
        cmocka_unit_test(test_resume__back_from_another_processor_takes_back_what_was_ahead),
        cmocka_unit_test(test_resume__a_damaged_checkpoint_is_told),
        cmocka_unit_test(test_run_remove__frees_all_that_is_the_runs),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
