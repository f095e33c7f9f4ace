/*
 * test_meddling.c: documents that another program changes while a fit is under way, at any moment
 * (FAULTS B5): it is told of or the fit ends, no run is lost, and nothing that was made of the
 * changed documents is taken for what the others give.
 */
#include "testing.h"

#include <sqlite3.h>

#include "quickstart.h"

static const char *const edits[] = {
    "UPDATE document SET text = 'gone now' WHERE id % 3 = 0",
    "UPDATE document SET text = text || ' and more' WHERE id = 440",
    "UPDATE document SET label_id = NULL WHERE id = 7",
};
enum { EDITS = sizeof edits / sizeof *edits };

/* Acts at the n-th time that a fit asks whether to stop, which it does at each page and step. */
typedef struct meddler {
    const char *path, *act;
    long at, asked;
} meddler;

static void change(const char *path, const char *script)
{
    sqlite3 *other = NULL;
    assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_busy_timeout(other, 10000), SQLITE_OK);
    char *message = NULL;
    if (sqlite3_exec(other, script, NULL, NULL, &message) != SQLITE_OK) fail_msg("%s", message);
    assert_int_equal(sqlite3_close(other), SQLITE_OK);
}

static bool meddle(void *context)
{
    meddler *m = context;
    if (++m->asked == m->at) change(m->path, m->act);
    return false;
}

static bool stop_at(void *context)
{
    meddler *m = context;
    return ++m->asked >= m->at;
}

static dbt_store *make_store(const char *name)
{
    dbt_store *store = make_quickstart(name);
    change(dbt_store_path(store), "CREATE TABLE kept AS SELECT id, label_id, text FROM document");
    return store;
}

static void restore(dbt_store *store)
{
    change(dbt_store_path(store),
           "UPDATE document SET text = kept.text, label_id = kept.label_id FROM kept"
           " WHERE kept.id = document.id"
           " AND (kept.text <> document.text OR kept.label_id IS NOT document.label_id)");
}

static dbt_fit_options one_thread(bool cache)
{
    dbt_fit_options options = quick_options(1);
    options.threads = 1;
    options.vectorizer.top_k = 0; /* all terms have to be found again */
    options.cache = cache;
    return options;
}

/* Of a run on the documents as they were at first, with whatever is in the file. */
static void assert_bits(dbt_store *store, const dbt_fit_options *options, const char *expected,
                        const char *edit, long at)
{
    dbt_fit_result result = fit(store, options);
    char *bits = bits_of_run(store, result.run_id);
    if (strcmp(bits, expected) != 0) fail_msg("'%s' at %ld: a later run has other bits", edit, at);
    free(bits);
    run_sql(store, "DELETE FROM run; DELETE FROM row_cache; DELETE FROM vectorizer");
}

static void check_outcome(const meddler *m, dbt_status status, const dbt_error *err)
{
    if (status != DBT_OK && status != DBT_EDATA)
        fail_msg("'%s' at %ld: status %d: %s", m->act, m->at, status, err->message);
    if (status == DBT_EDATA && strstr(err->message, "changed by another program") == NULL &&
        strstr(err->message, "without a label") == NULL && /* before they were surveyed, */
        strstr(err->message, "got another label while training ran") == NULL) /* and after */
        fail_msg("'%s' at %ld: %s", m->act, m->at, err->message);
}

/* Times that a fit asks before it trains, and some; then each step is like the others. */
enum { EVERY_TIME_UNTIL = 20, THEN_EVERY = 9 };

/* One edit at every moment until the fit trains, then now and then. */
static long change_at_every_moment(dbt_store *store, const dbt_fit_options *options,
                                   const char *edit, const char *expected)
{
    long ended = 0;
    meddler m = {dbt_store_path(store), edit, 0, 0};
    do {
        m.at += m.at < EVERY_TIME_UNTIL ? 1 : THEN_EVERY;
        m.asked = 0;
        dbt_error err = {0};
        dbt_fit_result result;
        const dbt_observer observer = {.stop = meddle, .context = &m};
        dbt_status status = dbt_fit(store, options, &observer, &result, &err);
        check_outcome(&m, status, &err);
        ended += status < 0;
        restore(store);
        assert_bits(store, options, expected, edit, m.at);
    } while (m.asked >= m.at);
    return ended;
}

static void check_edits(const char *name, bool cache)
{
    dbt_store *store = make_store(name);
    dbt_fit_options options = one_thread(cache);
    char *expected = bits_of_run(store, fit(store, &options).run_id);
    run_sql(store, "DELETE FROM run; DELETE FROM row_cache; DELETE FROM vectorizer");
    for (int i = 0; i < EDITS; i++)
        assert_true(change_at_every_moment(store, &options, edits[i], expected) > 5);
    free(expected);
    close_store(store);
}

static void test_meddling__documents_that_change_spoil_no_later_run(void **state)
{
    (void)state;
    check_edits("plain.db", false);
}

static void test_meddling__documents_that_change_are_not_kept_vectorized(void **state)
{
    (void)state;
    check_edits("cache.db", true);
}

/* A run that goes on while its vocabulary is counted: id of one that was stopped there. */
static int64_t stop_run(dbt_store *store, const dbt_fit_options *options)
{
    dbt_error err = {0};
    dbt_fit_result result;
    meddler m = {dbt_store_path(store), NULL, 0, 0};
    const dbt_observer observer = {.stop = stop_at, .context = &m};
    do {
        m.at++;
        m.asked = 0;
        assert_int_equal(dbt_fit(store, options, &observer, &result, &err), DBT_EINTERRUPTED);
        err = (dbt_error){0};
    } while (result.run_id == 0);
    return result.run_id;
}

static dbt_status go_on(dbt_store *store, const dbt_observer *observer, dbt_error *err)
{
    dbt_resume resume;
    dbt_fit_result result;
    assert_ok(dbt_resume_find(store, NULL, &resume, err), *err);
    dbt_status status = dbt_fit(store, &resume.options, observer, &result, err);
    dbt_resume_release(&resume);
    return status;
}

static void test_meddling__a_run_that_goes_on_is_not_lost(void **state)
{
    (void)state;
    dbt_store *store = make_store("resumed.db");
    dbt_fit_options options = one_thread(false);
    char *expected = bits_of_run(store, fit(store, &options).run_id);
    run_sql(store, "DELETE FROM run; DELETE FROM vectorizer");
    long failed = 0;
    meddler m = {dbt_store_path(store), edits[2], 0, 0};
    do {
        int64_t run = stop_run(store, &options);
        m.at += m.at < EVERY_TIME_UNTIL ? 1 : THEN_EVERY;
        m.asked = 0;
        dbt_error err = {0};
        const dbt_observer observer = {.stop = meddle, .context = &m};
        dbt_status status = go_on(store, &observer, &err);
        restore(store);
        assert_int_equal(ask(store, "SELECT count(*) FROM run"), 1);
        err = (dbt_error){0};
        if (status < 0) assert_ok(go_on(store, NULL, &err), err);
        failed += status < 0;
        char *bits = bits_of_run(store, run);
        if (status < 0) assert_string_equal(bits, expected);
        free(bits);
        run_sql(store, "DELETE FROM run; DELETE FROM vectorizer");
    } while (m.asked >= m.at);
    assert_true(failed > 5);
    free(expected);
    close_store(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_meddling__documents_that_change_spoil_no_later_run),
        cmocka_unit_test(test_meddling__documents_that_change_are_not_kept_vectorized),
        cmocka_unit_test(test_meddling__a_run_that_goes_on_is_not_lost),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
