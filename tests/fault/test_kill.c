/*
 * test_kill.c: the real program is killed at random moments (FAULTS A1, A2, A3, G1, G2, G5).
 *
 * `dbtrain ingest` shows on its terminal how many documents are committed, `dbtrain fit` prints an
 * epoch after it was committed: what was shown before the kill must be in the file after it. The
 * file is looked at through a copy, so that it is the next dbtrain that recovers it; every third
 * kill comes so soon after the start that it hits the recovery. When a command gets through, what
 * it leaves must be what an undisturbed one leaves.
 *
 * DBT_KILL, a pattern such as '*__fit_*', chooses among the tests, so that processors share a
 * night.
 */
#include "testing.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../scratch.h"
#include "../amount.h"
#include "base.h"
#include "database.h"
#include "program.h"

enum {
    N_SOURCES = 24,
    SOURCE_ROWS = 25,
    LONG_ROWS = 250000, /* of the source that is committed in parts */
    COMMIT_KILLS = 300,
    NIGHTLY_KILLS = 10000
};

static uint64_t seed, drawn;

static double draw(double below)
{
    return below * dbt__random_double(seed, drawn++);
}

static long wanted_kills(void)
{
    return choose_amount(30, COMMIT_KILLS, NIGHTLY_KILLS);
}

/* --- the commands --- */

static char sources[N_SOURCES][160];
static const char *ingest_words[N_SOURCES + 3];
static const char *fit_words[] = {
    "fit",     NULL,  "--batch-size", "16", "--epochs", "12", "--patience", "12", "--units", "8",
    "--top-k", "200", "--threads",    "2",  "--seed",   "5",  "--verbose",  "2",  NULL};
static char work[160], copy[160], ingested[160];

static void write_sources(void)
{
    ingest_words[0] = "ingest";
    ingest_words[1] = work;
    for (int i = 0; i < N_SOURCES; i++) {
        char text[SOURCE_ROWS * 64] = "label,text\n";
        for (int j = 0; j < SOURCE_ROWS; j++)
            (void)snprintf(text + strlen(text), sizeof text - strlen(text), "%c,text %d of %d\n",
                           'a' + j % 3, j, i);
        (void)snprintf(sources[i], sizeof sources[i], "%s/%02d.csv", folder, i);
        write_file(sources[i], text, strlen(text));
        ingest_words[i + 2] = sources[i];
    }
}

/* The last number that stands before `unit` in what the program has shown; 0: none. */
static int64_t last_number(const char *text, const char *unit)
{
    int64_t number = 0;
    for (const char *at = text; (at = strstr(at, unit)) != NULL; at++) {
        const char *begin = at;
        while (begin > text && strchr("0123456789", begin[-1]) != NULL)
            begin--;
        if (begin < at) number = strtoll(begin, NULL, 10);
    }
    return number;
}

/* Epochs whose line of figures was shown: 'Epoch 3/12' comes before it. */
static int64_t shown_epochs(const char *text)
{
    int64_t n = 0;
    for (const char *at = text; (at = strstr(at, " - val_acc: ")) != NULL; at++)
        if (strchr(at, '\n') != NULL && strstr(text, "Epoch ") < at) n++;
    /* The closing line of a run that was not killed has a val_acc, too. */
    return strstr(text, ": best epoch ") != NULL ? n - 1 : n;
}

/* What a complete ingest leaves, and a complete fit. */
static const char ingest_contents[] =
    "SELECT count(*) || '/' || sum(p.position * (unicode(l.name) + length(d.text) +"
    " unicode(substr(d.text, -1)))) || '/' || (SELECT count(*) FROM source WHERE status = 'loaded')"
    " FROM split_document p JOIN document d ON d.id = p.document_id JOIN label l ON l.id ="
    " d.label_id";
#define RUN_DIGEST                                                                                 \
    "(SELECT group_concat(kind || layer || name || digest) FROM (SELECT * FROM parameter WHERE"    \
    " run_id = run.id ORDER BY kind, layer, name))"

static char expected_ingest[256], expected_fit[1024];
static size_t ingest_bytes, fit_bytes; /* that they print */

/* Keeps what an undisturbed command has left. */
static void learn_contents(const char *query, char *text, size_t bytes)
{
    sqlite3 *handle = open_database(work, SQLITE_OPEN_READWRITE);
    (void)snprintf(text, bytes, "%s", ask_text(handle, query));
    (void)sqlite3_close(handle);
    assert_true(strlen(text) > 10);
}

/* --- a kill --- */

/*
 * Starts a command and kills it at a random moment; true when it got through. Every third kill
 * comes within milliseconds, when what the one before has left is recovered; the others shortly
 * after the program has shown a random part of what it shows in all, so that they fall all over its
 * work however fast the machine is.
 */
static bool kill_some_time(program *child, const char *const *words, bool terminal, size_t bytes,
                           int number)
{
    program_start(child, terminal, words);
    bool early = draw(3) < 1;
    size_t heard = early ? 0 : (size_t)draw((double)bytes * 1.3);
    if (!program_hear(child, heard) && !program_listen(child, draw(early ? 0.04 : 0.01)))
        (void)kill(child->pid, number);
    int status = program_wait(child);
    if (WIFSIGNALED(status) && WTERMSIG(status) == number) return false;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail_msg("DBT_SEED=%llu: '%s' ended with %d: %s", (unsigned long long)seed, words[0],
                 status, child->text);
    return true;
}

/* --- ingest --- */

/* Sound, nothing in part, and at least `acknowledged` documents, of which sources that are loaded.
 */
static int64_t check_ingested(int64_t acknowledged)
{
    copy_database(work, copy);
    if (!exists(copy)) {
        assert_int_equal(acknowledged, 0);
        return 0;
    }
    sqlite3 *handle = open_database(copy, SQLITE_OPEN_READWRITE);
    int64_t loaded = 0;
    assert_sound(handle);
    if (has_tables(handle)) {
        loaded = ask_number(
            handle, "SELECT coalesce(sum(documents), 0) FROM source WHERE status = 'loaded'");
        assert_int_equal(ask_number(handle, "SELECT count(*) FROM document"),
                         ask_number(handle, "SELECT coalesce(sum(documents), 0) FROM source"));
        assert_int_equal(ask_number(handle, "SELECT count(*) FROM split_document"),
                         ask_number(handle, "SELECT coalesce(sum(documents), 0) FROM split"));
        assert_int_equal(loaded % SOURCE_ROWS, 0);
    }
    if (loaded < acknowledged)
        fail_msg("DBT_SEED=%llu: %lld documents, but %lld were acknowledged",
                 (unsigned long long)seed, (long long)loaded, (long long)acknowledged);
    (void)sqlite3_close(handle);
    return loaded;
}

static void assert_ingested(void)
{
    sqlite3 *handle = open_database(work, SQLITE_OPEN_READWRITE);
    assert_string_equal(ask_text(handle, ingest_contents), expected_ingest);
    (void)sqlite3_close(handle);
}

static void kill_ingest_with(int number, long kills)
{
    long through = 0;
    int64_t loaded = 0, acknowledged = 0;
    remove_database(work);
    for (long i = 0; i < kills;) {
        program child;
        bool done = kill_some_time(&child, ingest_words, true, ingest_bytes, number);
        int64_t shown = last_number(child.text, " documents, ");
        program_release(&child);
        acknowledged += shown;
        loaded = check_ingested(loaded + shown);
        if (number != SIGKILL && exists(path_of("work.db-writer")))
            fail_msg("DBT_SEED=%llu: the lock file stayed", (unsigned long long)seed);
        if (done) {
            assert_ingested();
            remove_database(work);
            loaded = 0;
            through++;
        } else {
            i++;
        }
    }
    print_message("%ld kills of an ingest, %ld got through, %lld documents acknowledged, "
                  "DBT_SEED=%llu\n",
                  kills, through, (long long)acknowledged, (unsigned long long)seed);
    assert_true(acknowledged > 0);
}

static void test_kill__ingest_keeps_what_it_showed(void **state)
{
    (void)state;
    kill_ingest_with(SIGKILL, wanted_kills());
}

static void test_kill__ingest_ends_by_the_signal(void **state)
{
    (void)state;
    kill_ingest_with(SIGINT, wanted_kills() / 10);
    kill_ingest_with(SIGTERM, wanted_kills() / 10);
}

/* --- one long source --- */

static const char long_contents[] =
    "SELECT count(*) || '/' || sum(position * length(text)) || '/' || sum(source_line <> position "
    "+ 1)"
    " || '/' || min(text = position) FROM split_document JOIN document ON id = document_id";

/* Sound, whole commits, and nothing that was committed has gone: no id is given twice, so that the
 * highest tells how many rows were ever written. */
static int64_t check_long(int64_t before)
{
    copy_database(work, copy);
    if (!exists(copy)) return 0;
    sqlite3 *handle = open_database(copy, SQLITE_OPEN_READWRITE);
    int64_t n = 0;
    assert_sound(handle);
    if (has_tables(handle)) {
        n = ask_number(handle, "SELECT count(*) FROM document");
        assert_int_equal(n, ask_number(handle, "SELECT coalesce(max(id), 0) FROM document"));
        assert_int_equal(n, ask_number(handle, "SELECT coalesce(sum(documents), 0) FROM source"));
        assert_int_equal(n, ask_number(handle, "SELECT coalesce(sum(documents), 0) FROM split"));
        assert_in_range(ask_number(handle, "SELECT count(*) FROM source"), n > 0, 1);
    }
    assert_in_range(n, before, LONG_ROWS);
    (void)sqlite3_close(handle);
    return n;
}

static const char *write_long_source(void)
{
    const char *path = path_of("long.csv");
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (int i = 0; i < LONG_ROWS; i++)
        assert_true(fprintf(file, "%c,%d\n", 'a' + i % 3, i) > 0);
    assert_int_equal(fclose(file), 0);
    return path;
}

/* True when it got through. Every second kill comes after a commit was shown. *seconds: the least
 * that one which got through has taken; more than that is too late for a kill. */
static bool kill_long(const char *const *words, double *seconds, bool *resumed)
{
    program child;
    double begin = program_clock();
    program_start(&child, true, words);
    bool ended = false;
    if (draw(2) < 1)
        while (!ended && strstr(child.text, " documents, ") == NULL)
            ended = program_hear(&child, child.length + 1);
    if (!ended && !program_listen(&child, draw(*seconds))) (void)kill(child.pid, SIGKILL);
    int status = program_wait(&child);
    *resumed = strstr(child.text, "goes on after") != NULL;
    if (strstr(child.text, "taken out") != NULL || (WIFEXITED(status) && WEXITSTATUS(status) != 0))
        fail_msg("DBT_SEED=%llu: %s", (unsigned long long)seed, child.text);
    program_release(&child);
    double took = program_clock() - begin;
    if (WIFEXITED(status) && took < *seconds) *seconds = took;
    return WIFEXITED(status);
}

static void test_kill__ingest_goes_on_after_its_last_commit(void **state)
{
    (void)state;
    const char *const words[] = {"ingest", work, write_long_source(), "--split", "long", NULL};
    char expected[256];
    long through = 0, resumed = 0, kills = choose_amount(3, 20, 1000);
    remove_database(work);
    double begin = program_clock();
    assert_int_equal(program_run(words), 0);
    double seconds = program_clock() - begin;
    learn_contents(long_contents, expected, sizeof expected);
    remove_database(work);
    for (long i = 0, stored = 0; i < kills;) {
        bool goes_on, done = kill_long(words, &seconds, &goes_on);
        /* Killed after the last commit, all rows are there and the file is recognised. */
        if (goes_on ? stored == 0 : done && stored > 0 && stored < LONG_ROWS)
            fail_msg("%ld rows were there: resumed %d", stored, goes_on);
        resumed += goes_on;
        stored = (long)check_long(stored);
        i += !done;
        if (!done) continue;
        sqlite3 *handle = open_database(work, SQLITE_OPEN_READWRITE);
        assert_string_equal(ask_text(handle, long_contents), expected);
        (void)sqlite3_close(handle);
        remove_database(work);
        stored = 0;
        through++;
    }
    print_message("%ld kills within a source, %ld went on, %ld got through, DBT_SEED=%llu\n", kills,
                  resumed, through, (unsigned long long)seed);
}

/* --- fit --- */

/* Sound, the newest run has the epochs that were shown and its best weights, and every finished run
 * the weights of an undisturbed one. */
static void check_fitted(int64_t runs_before, int64_t epochs, int number)
{
    copy_database(work, copy);
    sqlite3 *handle = open_database(copy, SQLITE_OPEN_READWRITE);
    assert_sound(handle);
    int64_t stored = ask_number(handle, "SELECT count(*) FROM epoch WHERE run_id ="
                                        " (SELECT max(id) FROM run)");
    int64_t runs = ask_number(handle, "SELECT count(*) FROM run");
    if (epochs > 0 && (runs == runs_before || stored < epochs))
        fail_msg("DBT_SEED=%llu: %lld epochs, but %lld were shown", (unsigned long long)seed,
                 (long long)stored, (long long)epochs);
    assert_int_equal(
        ask_number(handle, "SELECT count(*) FROM run WHERE (SELECT count(*) FROM parameter WHERE"
                           " run_id = run.id AND kind = 'best') <> 4 * (best_epoch IS NOT NULL)"),
        0);
    char query[1400];
    (void)snprintf(query, sizeof query,
                   "SELECT count(*) FROM run WHERE status = 'finished' AND " RUN_DIGEST " <> '%s'",
                   expected_fit);
    assert_int_equal(ask_number(handle, query), 0);
    if (number != SIGKILL)
        assert_int_equal(ask_number(handle, "SELECT count(*) FROM run WHERE status NOT IN"
                                            " ('finished', 'interrupted')"),
                         0);
    (void)sqlite3_close(handle);
}

static int64_t count_runs(void)
{
    copy_database(work, copy);
    sqlite3 *handle = open_database(copy, SQLITE_OPEN_READWRITE);
    int64_t runs = ask_number(handle, "SELECT count(*) FROM run");
    (void)sqlite3_close(handle);
    return runs;
}

static void kill_fit_with(int number, long kills)
{
    long through = 0;
    int64_t epochs = 0;
    for (long i = 0, since = 10; i < kills;) {
        if (since++ == 10) { /* a file of its own for each ten, so that it stays small */
            copy_database(ingested, work);
            since = 1;
        }
        program child;
        int64_t runs = count_runs();
        bool done = kill_some_time(&child, fit_words, false, fit_bytes, number);
        int64_t shown = shown_epochs(child.text);
        program_release(&child);
        check_fitted(runs, shown, number);
        epochs += shown;
        through += done;
        i += !done;
    }
    print_message("%ld kills of a fit, %ld got through, %lld epochs shown, DBT_SEED=%llu\n", kills,
                  through, (long long)epochs, (unsigned long long)seed);
    assert_true(epochs > 0);
}

static void test_kill__fit_keeps_what_it_showed(void **state)
{
    (void)state;
    kill_fit_with(SIGKILL, wanted_kills());
}

static void test_kill__fit_ends_by_the_signal(void **state)
{
    (void)state;
    kill_fit_with(SIGINT, wanted_kills() / 10);
    kill_fit_with(SIGTERM, wanted_kills() / 10);
    kill_fit_with(SIGHUP, wanted_kills() / 10);
}

/* --- resume --- */

static bool knows_resume(void)
{
    static const char *const words[] = {"fit", "--help", NULL};
    program child;
    program_start(&child, false, words);
    (void)program_wait(&child);
    bool knows = strstr(child.text, "--resume") != NULL;
    program_release(&child);
    return knows;
}

/* Kills a run and resumes it until it gets through; kills within the chain. */
static long follow_chain(void)
{
    const char *words[sizeof fit_words / sizeof *fit_words + 2] = {0};
    static const char *const resume[] = {"fit",  work, "--resume=1", "--checkpoint-every",
                                         "0.01", NULL};
    long kills = 0;
    bool started = false, through = false;
    memcpy(words, fit_words, sizeof fit_words);
    words[sizeof fit_words / sizeof *fit_words - 1] = "--checkpoint-every";
    words[sizeof fit_words / sizeof *fit_words] = "0.01";
    copy_database(ingested, work);
    while (!through) {
        program child;
        /* So soon that most chains are of many kills. */
        through = kill_some_time(&child, started ? resume : words, false, fit_bytes / 4, SIGKILL);
        program_release(&child);
        started = count_runs() > 0;
        kills += !through;
    }
    return kills;
}

static void test_kill__a_resumed_run_ends_with_the_same_weights(void **state)
{
    (void)state;
    if (!knows_resume()) {
        print_message("skipped: this dbtrain cannot resume\n");
        skip();
    }
    long chains = choose_amount(2, 20, 200), kills = 0;
    for (long i = 0; i < chains; i++) {
        kills += follow_chain();
        check_fitted(0, 1, SIGKILL);
        sqlite3 *handle = open_database(work, SQLITE_OPEN_READWRITE);
        assert_string_equal(ask_text(handle, "SELECT group_concat(status) FROM run"), "finished");
        (void)sqlite3_close(handle);
    }
    print_message("%ld chains of %ld kills, DBT_SEED=%llu\n", chains, kills,
                  (unsigned long long)seed);
    assert_true(kills > 0);
}

/* --- preparation --- */

/* Runs a command undisturbed and says how much it prints. */
static size_t run_once(const char *const *words, bool terminal)
{
    program child;
    program_start(&child, terminal, words);
    size_t bytes = program_wait(&child) == 0 ? child.length : 0;
    program_release(&child);
    assert_true(bytes > 100); /* it worked, and said so */
    return bytes;
}

static int prepare(void **state)
{
    if (make_folder(state) != 0) return -1;
    seed = chosen_seed();
    (void)snprintf(work, sizeof work, "%s/work.db", folder);
    (void)snprintf(copy, sizeof copy, "%s/copy.db", folder);
    (void)snprintf(ingested, sizeof ingested, "%s/ingested.db", folder);
    write_sources();
    ingest_bytes = run_once(ingest_words, true);
    learn_contents(ingest_contents, expected_ingest, sizeof expected_ingest);

    const char *const corpus[] = {"ingest", ingested, DBT_TEST_DATA "/quickstart-train.csv", NULL};
    if (program_run(corpus) != 0) return -1;
    copy_database(ingested, work);
    fit_words[1] = work;
    fit_bytes = run_once(fit_words, false);
    learn_contents("SELECT " RUN_DIGEST " FROM run", expected_fit, sizeof expected_fit);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kill__ingest_keeps_what_it_showed),
        cmocka_unit_test(test_kill__ingest_ends_by_the_signal),
        cmocka_unit_test(test_kill__ingest_goes_on_after_its_last_commit),
        cmocka_unit_test(test_kill__fit_keeps_what_it_showed),
        cmocka_unit_test(test_kill__fit_ends_by_the_signal),
        cmocka_unit_test(test_kill__a_resumed_run_ends_with_the_same_weights),
    };
    cmocka_set_test_filter(getenv("DBT_KILL"));
    return cmocka_run_group_tests(tests, prepare, remove_folder);
}
