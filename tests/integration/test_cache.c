/*
 * test_cache.c: fit with its vectorized rows kept in the database: the same bits as without, used
 * again as long as they are of the same rows, never when they are unfinished or damaged.
 */
#include "testing.h"

#include <signal.h>
#include <sys/wait.h>

#include "quickstart.h"
#include "weights.h"

/* --- fits that are looked at, or end early --- */

typedef struct onlooker {
    char notes[2048];
    int stops;       /* how often it was asked whether to stop: counted right with one thread */
    int stop_at;     /* says yes from this time on; 0: never */
    bool kill;       /* rather, the process kills itself */
    int64_t stopped; /* step after which it says yes; 0: never */
    int64_t steps;
} onlooker;

static void keep_note(void *context, const char *line)
{
    onlooker *o = context;
    size_t used = strlen(o->notes);
    (void)snprintf(o->notes + used, sizeof o->notes - used, "%s\n", line);
}

static void count_step(void *context, int64_t epoch, int64_t step, int64_t steps, double loss,
                       double acc)
{
    onlooker *o = context;
    o->steps++;
    assert_true(epoch >= 1 && step <= steps && isfinite(loss) && isfinite(acc));
}

static bool is_time(void *context)
{
    onlooker *o = context;
    o->stops++;
    bool now =
        (o->stop_at > 0 && o->stops >= o->stop_at) || (o->stopped > 0 && o->steps >= o->stopped);
    if (now && o->kill) (void)raise(SIGKILL);
    return now;
}

static dbt_status fit_watched(dbt_store *store, const dbt_fit_options *options, onlooker *o,
                              dbt_error *err)
{
    const dbt_observer observer = {
        .note = keep_note, .step = count_step, .stop = is_time, .context = o};
    dbt_fit_result result;
    *err = (dbt_error){0};
    return dbt_fit(store, options, &observer, &result, err);
}

static dbt_fit_options cached_options(int64_t epochs)
{
    dbt_fit_options options = quick_options(epochs);
    options.vectorizer.top_k = 300;
    options.network.units = 16;
    options.cache = true;
    return options;
}

/* Fits and tells which splits' rows were found and which were made. */
static void assert_notes(dbt_store *store, const dbt_fit_options *options, const char *train,
                         const char *validation)
{
    char expected[256];
    onlooker o = {0};
    dbt_error err;
    assert_ok(fit_watched(store, options, &o, &err), err);
    (void)snprintf(expected, sizeof expected,
                   "vectorized rows of 'train': %s in the database\n"
                   "vectorized rows of 'test': %s in the database\n",
                   train, validation);
    if (strstr(o.notes, expected) == NULL) fail_msg("%s", o.notes);
}

static char *bits_of_last_run(dbt_store *store)
{
    return bits_of_run(store, ask(store, "SELECT max(id) FROM run"));
}

/* The last run has the bits that a fit without the cache has. */
static void assert_bits_without_cache(dbt_store *store, const dbt_fit_options *options)
{
    dbt_fit_options without = *options;
    without.cache = false;
    char *bits = bits_of_last_run(store);
    char *expected = bits_of_run(store, fit(store, &without).run_id);
    assert_string_equal(bits, expected);
    free(bits);
    free(expected);
}

/* --- the same bits --- */

static void test_cache__gives_the_same_bits_for_any_threads_memory_and_page_size(void **state)
{
    (void)state;
    static const size_t threads[] = {1, 2, 3, 8};
    static const int64_t page_rows[] = {7, 16, 128, 500};
    for (size_t p = 0; p < sizeof page_rows / sizeof *page_rows; p++) {
        dbt_store *store = make_quickstart("bits.db");
        dbt_fit_options options = cached_options(3);
        options.batch_size = page_rows[p];
        options.shuffle = p != 1;
        for (size_t i = 0; i < sizeof threads / sizeof *threads; i++) {
            options.threads = threads[i];
            options.memory = (size_t)(i % 2 == 0 ? 84 : 512) << 20;
            assert_notes(store, &options, "kept", "kept");
            assert_bits_without_cache(store, &options);
            assert_notes(store, &options, "found", "found");
            assert_bits_without_cache(store, &options);
            run_sql(store, "DELETE FROM row_cache");
        }
        close_store(store);
    }
}

static void test_cache__of_one_split_for_both_is_one(void **state)
{
    (void)state;
    dbt_store *store = make_quickstart("both.db");
    dbt_fit_options options = cached_options(2);
    options.validation = "train";
    (void)fit(store, &options);
    assert_int_equal(ask(store, "SELECT count(*) FROM row_cache"), 1);
    assert_int_equal(ask(store, "SELECT documents FROM row_cache"), QUICKSTART_TRAIN);
    assert_bits_without_cache(store, &options);
    close_store(store);
}

/* --- used again --- */

static void test_cache__is_used_by_fits_that_ask_for_it_and_left_alone_by_others(void **state)
{
    (void)state;
    dbt_store *store = make_quickstart("reuse.db");
    const char *all = "SELECT group_concat(c.id || status || digest) FROM row_cache c"
                      " JOIN row_block ON row_cache_id = c.id";
    dbt_fit_options options = cached_options(1);
    assert_notes(store, &options, "kept", "kept");
    assert_answer(store, "SELECT group_concat(documents || status) FROM row_cache",
                  "440filled,110filled");
    assert_int_equal(ask(store, "SELECT count(*) FROM row_block"), 4 + 1);
    char *blocks = ask_text(store, all);
    options.seed = 7;
    options.network.layers = 3;
    assert_notes(store, &options, "found", "found");
    options.validation_steps = 2;
    assert_notes(store, &options, "found", "found");

    /* a fit without it does not read it, and does not care what is in it */
    onlooker o = {0};
    dbt_error err;
    options.cache = false;
    run_sql(store, "UPDATE row_block SET value = x'00'");
    assert_ok(fit_watched(store, &options, &o, &err), err);
    assert_null(strstr(o.notes, "vectorized rows"));
    assert_answer(store, all, blocks);

    /* another vocabulary has a cache of its own */
    options = cached_options(1);
    options.vectorizer.top_k = 200;
    assert_notes(store, &options, "kept", "kept");
    assert_int_equal(ask(store, "SELECT count(*) FROM row_cache"), 4);
    free(blocks);
    close_store(store);
}

static void test_cache__serves_a_run_that_goes_on(void **state)
{
    (void)state;
    dbt_store *store = make_quickstart("resume.db");
    dbt_fit_options options = cached_options(3);
    char *expected = bits_of_run(store, fit(store, &options).run_id);
    for (int cached = 0; cached < 4; cached++) {
        onlooker o = {.stopped = 33};
        dbt_error err;
        dbt_resume resume;
        options.cache = cached % 2 == 0;
        assert_int_equal(fit_watched(store, &options, &o, &err), DBT_EINTERRUPTED);
        err = (dbt_error){0};
        assert_ok(dbt_resume_find(store, NULL, &resume, &err), err);
        assert_false(resume.options.cache);
        resume.options.cache = cached / 2 == 0;
        (void)fit(store, &resume.options);
        dbt_resume_release(&resume);
        char *bits = bits_of_last_run(store);
        assert_string_equal(bits, expected);
        free(bits);
    }
    free(expected);
    close_store(store);
}

/* --- stale --- */

static void test_cache__of_other_rows_is_replaced(void **state)
{
    (void)state;
    static const struct {
        const char *change;
        const char *train, *validation;
    } cases[] = {
        {"UPDATE document SET checksum = NULL, text = text || ' bread' WHERE id = 200", "kept",
         "found"},
        {"UPDATE document SET checksum = NULL, text = text || ' bread' WHERE id = 500", "found",
         "kept"},
        {"UPDATE document SET checksum = NULL, label_id = 1 + label_id % 5 WHERE id = 201", "kept",
         "found"},
        {"UPDATE document SET checksum = NULL, label_id = 1 + label_id % 5 WHERE id = 501", "found",
         "kept"},
        {"UPDATE document SET checksum = NULL, weight = 0.5 WHERE id = 502", "found", "kept"},
        /* the same row under another id */
        {"INSERT INTO document (label_id, text) SELECT label_id, text FROM document WHERE id = 503;"
         "UPDATE split_document SET document_id = (SELECT max(id) FROM document)"
         " WHERE document_id = 503",
         "found", "kept"},
        /* two rows in each other's place */
        {"CREATE TEMP TABLE two AS SELECT split_id, position, 1009 - document_id AS document_id"
         " FROM split_document WHERE document_id IN (504, 505);"
         "REPLACE INTO split_document (split_id, position, document_id) SELECT * FROM two",
         "found", "kept"},
        /* one row less */
        {"DELETE FROM split_document WHERE (split_id, position) = (SELECT id, documents - 1 FROM "
         "split WHERE name = 'test');"
         "UPDATE split SET documents = documents - 1 WHERE name = 'test'",
         "found", "kept"},
        {"UPDATE document SET checksum = NULL, text = text || ' soup' WHERE id IN (5, 506)", "kept",
         "kept"},
        {"UPDATE document SET source_line = 1", "found", "found"},
    };
    dbt_store *store = make_quickstart("stale.db");
    dbt_fit_options options = cached_options(2);
    (void)fit(store, &options);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        run_sql(store, cases[i].change);
        /* other training documents make another vocabulary, and so other rows of both */
        bool anew = strcmp(cases[i].train, "kept") == 0;
        assert_notes(store, &options, cases[i].train, anew ? "kept" : cases[i].validation);
        assert_bits_without_cache(store, &options);
        assert_int_equal(ask(store, "SELECT count(*) FROM row_cache JOIN split ON split.id ="
                                    " split_id WHERE split.name = 'train'"),
                         1);
    }
    close_store(store);
}

/* --- unfinished --- */

/* So many documents, and with ALL_TERMS such rows, that blocks are committed before all are there.
 */
enum { ALL_TERMS = 0 };

static dbt_store *make_large(const char *name)
{
    dbt_store *store = make_quickstart(name);
    run_sql(store,
            "INSERT INTO document (label_id, text) SELECT d.label_id, d.text FROM document d"
            " JOIN split_document ON document_id = d.id JOIN split s ON s.id = split_id,"
            " (WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60)"
            "  SELECT i FROM n) WHERE s.name = 'train';"
            "INSERT INTO split_document (split_id, position, document_id)"
            " SELECT s.id, d.id - 551 + s.documents, d.id FROM document d, split s"
            " WHERE s.name = 'train' AND d.id > 550;"
            "UPDATE split SET documents = (SELECT count(*) FROM split_document WHERE split_id ="
            " split.id)");
    return store;
}

static void kill_fit(const char *path, const dbt_fit_options *options, int stop_at)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        onlooker o = {.stop_at = stop_at, .kill = true};
        dbt_store *store;
        dbt_error err = {0};
        if (dbt_store_open(path, DBT_STORE_WRITE, &store, &err) == DBT_OK)
            (void)fit_watched(store, options, &o, &err);
        _exit(1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void test_cache__that_was_being_filled_when_killed_is_made_anew(void **state)
{
    (void)state;
    /* Its vocabulary is there, so that after the survey, 53 rounds of pages of the training split
     * and one of the test split, to fill it is the first that asks whether to stop: at each of the
     * 210 blocks of the training split, then at that of the test split. */
    enum { SURVEY = 54 };
    static const struct {
        int stop_at;
        bool some; /* of its blocks are there */
        const char *train;
    } cases[] = {
        {SURVEY + 1, false, "kept"}, {SURVEY + 200, true, "kept"}, {SURVEY + 211, false, "found"}};
    char path[160];
    dbt_store *store = make_large("killed.db");
    dbt_fit_options options = cached_options(1);
    options.cache = false;
    options.threads = 1;
    options.vectorizer.top_k = ALL_TERMS;
    options.batch_size = 128;
    (void)fit(store, &options);
    options.cache = true;
    (void)snprintf(path, sizeof path, "%s", dbt_store_path(store));
    assert_int_equal(ask(store, "SELECT (documents + 127) / 128 FROM split WHERE name = 'train'"),
                     210);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        dbt_error err = {0};
        close_store(store);
        kill_fit(path, &options, cases[i].stop_at);
        assert_ok(dbt_store_open(path, DBT_STORE_WRITE, &store, &err), err);
        assert_answer(store, "PRAGMA integrity_check", "ok");
        assert_int_equal(ask(store, "SELECT count(*) FROM row_cache WHERE status = 'filling'"), 1);
        int64_t blocks = ask(store, "SELECT count(*) FROM row_block JOIN row_cache c"
                                    " ON c.id = row_cache_id WHERE status = 'filling'");
        assert_true(cases[i].some ? blocks > 0 : blocks == 0);
        assert_notes(store, &options, cases[i].train, "kept");
        assert_int_equal(ask(store, "SELECT count(*) FROM row_cache WHERE status = 'filled'"), 2);
        assert_int_equal(ask(store, "SELECT count(*) FROM row_cache"), 2);
        assert_int_equal(ask(store, "SELECT count(*) FROM row_block"), 211);
        assert_bits_without_cache(store, &options);
        run_sql(store, "DELETE FROM row_cache");
    }
    close_store(store);
}

static void test_cache__of_a_fit_that_was_interrupted_leaves_nothing(void **state)
{
    (void)state;
    dbt_store *store = make_large("interrupted.db");
    dbt_fit_options options = cached_options(1);
    dbt_error err;
    options.cache = false;
    options.threads = 1;
    options.vectorizer.top_k = ALL_TERMS;
    (void)fit(store, &options);
    options.cache = true;
    onlooker o = {.stop_at = 200};
    assert_int_equal(fit_watched(store, &options, &o, &err), DBT_EINTERRUPTED);
    assert_int_equal(ask(store, "SELECT count(*) FROM row_cache"), 0);
    assert_int_equal(ask(store, "SELECT count(*) FROM row_block"), 0);
    close_store(store);
}

/* --- damaged --- */

/* Where the rows of a block begin and the last one ends: a full one's numbers. */
enum { BLOCK_STARTS = 129 };

/* Block 1, which the training split alone has, gets another value, under the digest that is right
 * for it. */
static void forge_block(dbt_store *store, const void *value, size_t bytes)
{
    dbt_error err = {0};
    char digest[DBT__DIGEST_CHARS];
    dbt__statement *update = NULL;
    dbt__digest_text(dbt__hash(value, bytes, 0), digest);
    assert_ok(dbt__prepare(dbt__store_sql(store),
                           "UPDATE row_block SET value = ?, digest = ? WHERE block = 1", &update,
                           &err),
              err);
    dbt__bind_blob(update, 1, value, bytes);
    dbt__bind_string(update, 2, digest);
    assert_ok(dbt__run(update, &err), err);
    dbt__finalize(update);
}

/* A fit with the cache is refused; once the cache is dropped, it is as any. */
static void assert_refused(dbt_store *store, const dbt_fit_options *options, const char *message,
                           const char *expected)
{
    onlooker o = {0};
    dbt_error err;
    int64_t bytes;
    assert_int_equal(fit_watched(store, options, &o, &err), DBT_EFORMAT);
    if (strstr(err.message, message) == NULL) fail_msg("%s", err.message);
    assert_answer(store, "SELECT status FROM run ORDER BY id DESC LIMIT 1", "failed");
    err = (dbt_error){0};
    assert_ok(dbt_cache_remove(store, &bytes, &err), err);
    assert_true(bytes > 0);
    assert_int_equal(ask(store, "SELECT count(*) FROM row_block"), 0);
    assert_notes(store, options, "kept", "kept");
    char *bits = bits_of_last_run(store);
    assert_string_equal(bits, expected);
    free(bits);
}

static void test_cache__that_is_damaged_is_told_with_the_block_and_what_to_do(void **state)
{
    (void)state;
    static const struct {
        const char *damage;
        const char *message;
    } cases[] = {
        {"UPDATE row_block SET value = CAST(substr(value, 1, 700) || x'2a' || substr(value, 702)"
         " AS BLOB) WHERE row_cache_id = 1 AND block = 2",
         "block 2 of the cached rows of split 'train': damaged: its digest does not match"},
        {"UPDATE row_block SET value = x'' WHERE row_cache_id = 2",
         "block 0 of the cached rows of split 'test': damaged: its digest does not match"},
        {"UPDATE row_block SET digest = '' WHERE row_cache_id = 2",
         "block 0 of the cached rows of split 'test': damaged: its digest does not match"},
        {"DELETE FROM row_block WHERE row_cache_id = 1 AND block = 3",
         "block 3 of the cached rows of split 'train': it is missing"},
        {"DELETE FROM row_block", "of the cached rows of split 'train': it is missing"},
    };
    dbt_fit_options options = cached_options(2);
    dbt_store *undisturbed = make_quickstart("undisturbed.db");
    char *expected = bits_of_run(undisturbed, fit(undisturbed, &options).run_id);
    close_store(undisturbed);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char advice[240];
        dbt_store *store = make_quickstart("damaged.db");
        (void)fit(store, &options);
        /* so that what is to be dropped is more than nothing */
        run_sql(store, "INSERT INTO row_block VALUES (1, 99, x'00', '')");
        run_sql(store, cases[i].damage);
        if (ask(store, "SELECT count(*) FROM row_block") == 0)
            run_sql(store, "INSERT INTO row_block VALUES (1, 99, x'00', '')");
        (void)snprintf(advice, sizeof advice, "%s ('dbtrain rm %s --cache' drops them)",
                       cases[i].message, dbt_store_path(store));
        assert_refused(store, &options, advice, expected);
        close_store(store);
    }
    free(expected);
}

/* A digest can be forged. What it then vouches for is not read past its end. */
static void test_cache__that_is_forged_is_refused(void **state)
{
    (void)state;
    static const struct {
        uint32_t start[BLOCK_STARTS];
        size_t bytes;
        const char *message;
    } cases[] = {
        {{0}, 1, "block 1 of vectorized rows lacks row"},
        {{0}, sizeof(uint32_t) * BLOCK_STARTS, "a vectorized row is cut short"},
        {{UINT32_MAX, UINT32_MAX},
         sizeof(uint32_t) * BLOCK_STARTS,
         "block 1 of vectorized rows lacks row 0"},
        {{600, 500}, sizeof(uint32_t) * BLOCK_STARTS, "block 1 of vectorized rows lacks row 0"},
    };
    dbt_fit_options options = cached_options(1);
    options.shuffle = false;
    dbt_store *store = make_quickstart("forged.db");
    char *expected = bits_of_run(store, fit(store, &options).run_id);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        forge_block(store, cases[i].start, cases[i].bytes);
        assert_refused(store, &options, cases[i].message, expected);
    }
    free(expected);
    close_store(store);
}

/* --- dropped --- */

static void test_cache__is_shown_and_goes_on_request_or_with_its_vocabulary(void **state)
{
    (void)state;
    dbt_store *store = make_quickstart("dropped.db"), *reader;
    dbt_fit_options options = cached_options(1);
    dbt_error err = {0};
    dbt_info info;
    dbt_removed removed;
    int64_t bytes;
    (void)fit(store, &options);
    assert_ok(dbt_info_read(store, &info, &err), err);
    assert_true(info.cache_bytes > QUICKSTART_TRAIN + QUICKSTART_TEST);
    assert_ok(dbt_store_open(dbt_store_path(store), DBT_STORE_READ, &reader, &err), err);
    assert_int_equal(dbt_cache_remove(reader, &bytes, &err), DBT_EIO);
    close_store(reader);
    err = (dbt_error){0};
    assert_ok(dbt_cache_remove(store, &bytes, &err), err);
    assert_int_equal(bytes, info.cache_bytes);
    dbt_info_release(&info);
    assert_ok(dbt_info_read(store, &info, &err), err);
    assert_int_equal(info.cache_bytes, 0);
    dbt_info_release(&info);
    assert_ok(dbt_cache_remove(store, &bytes, &err), err);
    assert_int_equal(bytes, 0);

    assert_notes(store, &options, "kept", "kept");
    assert_ok(dbt_run_remove(store, "1", &removed, &err), err);
    assert_int_equal(ask(store, "SELECT count(*) FROM row_cache"), 2);
    assert_ok(dbt_run_remove(store, "2", &removed, &err), err);
    assert_int_equal(ask(store, "SELECT count(*) FROM row_cache"), 0);
    assert_int_equal(ask(store, "SELECT count(*) FROM row_block"), 0);
    close_store(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cache__gives_the_same_bits_for_any_threads_memory_and_page_size),
        cmocka_unit_test(test_cache__of_one_split_for_both_is_one),
        cmocka_unit_test(test_cache__is_used_by_fits_that_ask_for_it_and_left_alone_by_others),
        cmocka_unit_test(test_cache__serves_a_run_that_goes_on),
        cmocka_unit_test(test_cache__of_other_rows_is_replaced),
        cmocka_unit_test(test_cache__that_was_being_filled_when_killed_is_made_anew),
        cmocka_unit_test(test_cache__of_a_fit_that_was_interrupted_leaves_nothing),
        cmocka_unit_test(test_cache__that_is_damaged_is_told_with_the_block_and_what_to_do),
        cmocka_unit_test(test_cache__that_is_forged_is_refused),
        cmocka_unit_test(test_cache__is_shown_and_goes_on_request_or_with_its_vocabulary),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
