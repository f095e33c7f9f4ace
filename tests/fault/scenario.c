/* scenario.c: the commands of the fault tests, and their invariants. */
#include "scenario.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include <dbtrain/ingest.h>
#include <dbtrain/train.h>

#include "base.h"

enum { N_SOURCES = 3, SOURCE_ROWS = 20, EPOCHS = 2, DIGEST_BYTES = 80 };

static char folder[64];
static char source[N_SOURCES][96];
static char expected[SCENARIOS][DIGEST_BYTES];
static char complaint[2048];
/* What scenarios begin from is made in a blank file with smaller pages than the store's own: more
 * of them are read and written, and less is copied. That is how older files are, too. */
static bool preparing;

/* The file that a scenario begins from; the log beside it has the same name and -wal, the journal
 * -journal. */
static const char *const prepared[SCENARIOS] = {
    [SCENARIO_INGEST_LOG] = "crashed.db",
    [SCENARIO_INGEST_RESUMED] = "stopped.db",
    [SCENARIO_FIT] = "ingested.db",
    [SCENARIO_FIT_LOG] = "logged.db",
    [SCENARIO_FIT_THREADS] = "ingested.db",
    [SCENARIO_EVALUATE] = "fitted.db",
    [SCENARIO_PREDICT] = "fitted.db",
    [SCENARIO_INFO] = "fitted.db",
    [SCENARIO_EVALUATE_JOURNAL] = "journal.db",
};

const char *scenario_name(scenario_kind kind)
{
    static const char *const names[SCENARIOS] = {
#define SCENARIO_NAME(program, name, kind) #name,
        SCENARIO_LIST(SCENARIO_NAME, )
#undef SCENARIO_NAME
    };
    return names[kind];
}

static const char *path_in_folder(const char *name, const char *suffix)
{
    static char paths[4][128];
    static unsigned turn;
    char *path = paths[turn++ % 4];
    (void)snprintf(path, sizeof paths[0], "%s/%s%s", folder, name, suffix);
    return path;
}

const char *scenario_path(void)
{
    return path_in_folder("work.db", "");
}

/* --- files --- */

static bool write_source(int number)
{
    static const char *const labels[] = {"a", "b", "c"};
    FILE *file = fopen(source[number], "w");
    if (file == NULL) return false;
    (void)fputs("label,text\n", file);
    for (int i = 0; i < SOURCE_ROWS; i++) {
        (void)fprintf(file, "%s,", labels[i % 3]);
        for (int j = 0; j < 8; j++) {
            uint64_t n = (uint64_t)((number * SOURCE_ROWS + i) * 8 + j);
            (void)fprintf(file, "%s%s%d", j == 0 ? "" : " ", j % 2 == 0 ? labels[i % 3] : "word",
                          10 + (int)dbt__random_below(5, n, j % 2 == 0 ? 5 : 20));
        }
        (void)fputc('\n', file);
    }
    return fclose(file) == 0;
}

/* A file that is not there leaves none. */
static void copy_file(const char *from, const char *to)
{
    static char data[4 << 20];
    (void)unlink(to);
    int in = open(from, O_RDONLY);
    if (in < 0) return;
    int out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    ssize_t bytes = read(in, data, sizeof data);
    if (bytes < 0 || bytes == sizeof data || write(out, data, (size_t)bytes) != bytes) abort();
    (void)close(in);
    (void)close(out);
}

static void copy_database(const char *from, const char *to)
{
    copy_file(path_in_folder(from, ""), path_in_folder(to, ""));
    copy_file(path_in_folder(from, "-wal"), path_in_folder(to, "-wal"));
    copy_file(path_in_folder(from, "-journal"), path_in_folder(to, "-journal"));
    (void)unlink(path_in_folder(to, "-shm"));
    (void)unlink(path_in_folder(to, "-writer"));
}

void scenario_reset(scenario_kind kind)
{
    const char *nothing = preparing ? "blank.db" : "none.db";
    copy_database(prepared[kind] == NULL ? nothing : prepared[kind], "work.db");
}

/* --- the commands --- */

static void acknowledge_rows(void *context, const dbt_ingest_progress *progress)
{
    ((scenario_outcome *)context)->documents = progress->documents;
}

static void acknowledge_epoch(void *context, const dbt_epoch *epoch)
{
    ((scenario_outcome *)context)->epochs = epoch->epoch;
}

static dbt_status run_ingest(dbt_store *store, scenario_outcome *outcome)
{
    const char *const paths[N_SOURCES] = {source[0], source[1], source[2]};
    dbt_ingest_options options;
    dbt_ingest_result result;
    dbt_ingest_options_init(&options);
    options.progress = acknowledge_rows;
    options.context = outcome;
    return dbt_ingest(store, paths, N_SOURCES, &options, &result, &outcome->err);
}

static dbt_status fit_with(size_t threads, dbt_store *store, scenario_outcome *outcome)
{
    const dbt_observer observer = {.epoch = acknowledge_epoch, .context = outcome};
    dbt_fit_options options;
    dbt_fit_result result;
    dbt_fit_options_init(&options);
    options.batch_size = 16;
    options.epochs = EPOCHS;
    options.threads = threads;
    options.vectorizer.ngram_max = 1;
    options.vectorizer.top_k = 20;
    options.network.units = 4;
    dbt_status status = dbt_fit(store, &options, &observer, &result, &outcome->err);
    outcome->best_epoch = result.best_epoch;
    return status;
}

static dbt_status run_fit(dbt_store *store, scenario_outcome *outcome)
{
    return fit_with(1, store, outcome);
}

static dbt_status run_fit_in_threads(dbt_store *store, scenario_outcome *outcome)
{
    return fit_with(2, store, outcome);
}

static dbt_status run_evaluate(dbt_store *store, scenario_outcome *outcome)
{
    dbt_model *model = NULL;
    dbt_report report = {0};
    dbt_status status = dbt_model_open(store, NULL, DBT_WEIGHTS_BEST, &model, &outcome->err);
    if (status == DBT_OK)
        status = dbt_evaluate(store, model, "train", 1, NULL, &report, &outcome->err);
    dbt_report_release(&report);
    dbt_model_close(model);
    return status;
}

static dbt_status run_predict(dbt_store *store, scenario_outcome *outcome)
{
    static const char text[] = "a10 word11 a12 word13";
    const float *probability;
    dbt_model *model = NULL;
    dbt_page *page = NULL;
    dbt_error *err = &outcome->err;
    dbt_status status = dbt_model_open(store, NULL, DBT_WEIGHTS_BEST, &model, err);
    if (status == DBT_OK) status = dbt_page_new(&page, err);
    if (status == DBT_OK)
        status = dbt_page_append(page, (dbt_text){text, sizeof text - 1}, 0, 0, 1, err);
    if (status == DBT_OK) status = dbt_model_predict(model, page, &probability, err);
    if (status == DBT_OK) outcome->answer = (double)probability[0];
    dbt_page_free(page);
    dbt_model_close(model);
    return status;
}

static dbt_status run_info(dbt_store *store, scenario_outcome *outcome)
{
    dbt_info info = {0};
    dbt_status status = dbt_info_read(store, &info, &outcome->err);
    if (status == DBT_OK)
        outcome->answer =
            (double)info.documents + info.split[0].mean_words + (double)info.run[0].epochs;
    dbt_info_release(&info);
    return status;
}

scenario_outcome scenario_run(scenario_kind kind)
{
    static dbt_status (*const commands[SCENARIOS])(dbt_store *, scenario_outcome *) = {
        [SCENARIO_INGEST] = run_ingest,
        [SCENARIO_INGEST_LOG] = run_ingest,
        [SCENARIO_INGEST_RESUMED] = run_ingest,
        [SCENARIO_FIT] = run_fit,
        [SCENARIO_FIT_LOG] = run_fit,
        [SCENARIO_FIT_THREADS] = run_fit_in_threads,
        [SCENARIO_EVALUATE] = run_evaluate,
        [SCENARIO_PREDICT] = run_predict,
        [SCENARIO_INFO] = run_info,
        [SCENARIO_EVALUATE_JOURNAL] = run_evaluate,
    };
    static const dbt_store_mode modes[SCENARIOS] = {
        [SCENARIO_INGEST] = DBT_STORE_CREATE,
        [SCENARIO_INGEST_LOG] = DBT_STORE_CREATE,
        [SCENARIO_INGEST_RESUMED] = DBT_STORE_CREATE,
        [SCENARIO_FIT] = DBT_STORE_WRITE,
        [SCENARIO_FIT_LOG] = DBT_STORE_WRITE,
        [SCENARIO_FIT_THREADS] = DBT_STORE_WRITE,
        [SCENARIO_EVALUATE] = DBT_STORE_WRITE,
        [SCENARIO_PREDICT] = DBT_STORE_READ,
        [SCENARIO_INFO] = DBT_STORE_READ,
        [SCENARIO_EVALUATE_JOURNAL] = DBT_STORE_WRITE,
    };
    scenario_outcome outcome = {0};
    dbt_store *store = NULL;
    outcome.status = dbt_store_open(scenario_path(), modes[kind], &store, &outcome.err);
    if (outcome.status == DBT_OK) outcome.status = commands[kind](store, &outcome);
    outcome.closed = dbt_store_close(store, NULL);
    return outcome;
}

/* --- what must hold --- */

static const char *complain(const char *format, ...) DBT_PRINTF(1, 2);
static const char *complain(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(complaint, sizeof complaint, format, arguments);
    va_end(arguments);
    return complaint;
}

/* The first value of a query, as text; "" for NULL, "error: ..." when it cannot be run. */
static void ask(sqlite3 *handle, const char *query, char *answer, size_t bytes)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(handle, query, -1, &statement, NULL);
    if (code == SQLITE_OK) code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        const unsigned char *text = sqlite3_column_text(statement, 0);
        (void)snprintf(answer, bytes, "%s", text == NULL ? "" : (const char *)text);
    } else if (code == SQLITE_DONE) {
        answer[0] = '\0';
    } else {
        (void)snprintf(answer, bytes, "error: %s", sqlite3_errmsg(handle));
    }
    (void)sqlite3_finalize(statement);
}

static int64_t ask_number(sqlite3 *handle, const char *query)
{
    char answer[256];
    ask(handle, query, answer, sizeof answer);
    return strncmp(answer, "error", 5) == 0 ? -1 : strtoll(answer, NULL, 10);
}

/* Everything that a command is to leave, without times and ids, as a hash. */
static const char *const contents[SCENARIOS] = {
    [SCENARIO_INGEST] =
        "SELECT (SELECT group_concat(x, char(10)) FROM (SELECT s.name || s.documents || '|' || "
        "p.position"
        " || '|' || l.name || '|' || d.weight || '|' || d.text || '|' || o.name || d.source_line"
        " AS x FROM split_document p JOIN split s ON s.id = p.split_id JOIN document d ON d.id ="
        " p.document_id JOIN label l ON l.id = d.label_id JOIN source o ON o.id = d.source_id"
        " WHERE o.status = 'loaded' AND s.name = 'train' ORDER BY s.name, p.position))"
        " || (SELECT count(*) FROM document) || (SELECT group_concat(documents || digest)"
        " FROM (SELECT * FROM source WHERE status = 'loaded' ORDER BY name))"
        " || (SELECT group_concat(name) FROM (SELECT name FROM label ORDER BY name))",
    [SCENARIO_FIT] =
        "SELECT r.status || v.digest || v.terms || (SELECT group_concat(digest) FROM (SELECT digest"
        "   FROM vocabulary WHERE vectorizer_id = v.id ORDER BY part))"
        " || (SELECT group_concat(kind || layer || name || digest) FROM (SELECT * FROM parameter"
        "   WHERE run_id = r.id ORDER BY kind, layer, name))"
        " || (SELECT group_concat(printf('%d %d %!.9g', label_id, feature_id, effect)) FROM"
        "   (SELECT * FROM term_effect WHERE run_id = r.id ORDER BY label_id, feature_id))"
        " || (SELECT group_concat(printf('%!.17g %!.17g %!.17g %!.17g', loss, acc, val_loss,"
        "   val_acc)) FROM (SELECT * FROM epoch WHERE run_id = r.id ORDER BY epoch))"
        " || (SELECT group_concat(name || documents) FROM (SELECT * FROM split ORDER BY name))"
        " FROM run r JOIN vectorizer v ON v.id = r.vectorizer_id ORDER BY r.id DESC LIMIT 1",
    [SCENARIO_EVALUATE] =
        "SELECT (SELECT group_concat(documents || printf('%!.17g %!.17g', loss, acc)) FROM "
        "evaluation)"
        " || (SELECT"
        " group_concat(x) FROM (SELECT document_id || '|' || label_id || '|' || "
        " printf('%!.17g', probability) AS x FROM prediction ORDER BY document_id))",
};

static bool is_fit(scenario_kind kind)
{
    return kind == SCENARIO_FIT || kind == SCENARIO_FIT_LOG || kind == SCENARIO_FIT_THREADS;
}

static const char *contents_of(scenario_kind kind)
{
    if (kind == SCENARIO_INGEST_LOG || kind == SCENARIO_INGEST_RESUMED)
        return contents[SCENARIO_INGEST];
    if (kind == SCENARIO_EVALUATE_JOURNAL) return contents[SCENARIO_EVALUATE];
    return is_fit(kind) ? contents[SCENARIO_FIT] : contents[kind];
}

/* Of what a command has left, or of the answer that it gave. */
static void digest_result(scenario_kind kind, const scenario_outcome *outcome, sqlite3 *handle,
                          char digest[DIGEST_BYTES])
{
    static char text[1 << 18];
    if (contents_of(kind) == NULL) {
        (void)snprintf(digest, DIGEST_BYTES, "%.9g", outcome->answer);
        return;
    }
    ask(handle, contents_of(kind), text, sizeof text);
    (void)snprintf(digest, DIGEST_BYTES, "%016llx of %zu bytes: %.20s",
                   (unsigned long long)dbt__hash(text, strlen(text), 0), strlen(text), text);
}

static const char *check_sound(sqlite3 *handle)
{
    char answer[1024];
    ask(handle, "PRAGMA integrity_check", answer, sizeof answer);
    if (strcmp(answer, "ok") != 0) return complain("integrity_check: %s", answer);
    ask(handle, "PRAGMA foreign_key_check", answer, sizeof answer);
    if (answer[0] != '\0') return complain("foreign_key_check: %s", answer);
    return NULL;
}

/* Rows: what was acknowledged is there, each source is whole or not there at all, but for the one
 * that goes on, and counts are right. */
static const char *check_documents(scenario_kind kind, sqlite3 *handle,
                                   const scenario_outcome *outcome)
{
    if (ask_number(handle, "SELECT count(*) FROM sqlite_schema WHERE name = 'document'") != 1)
        return outcome->documents == 0 ? NULL : complain("the documents are gone");
    int64_t n = ask_number(handle, "SELECT count(*) FROM document");
    if (n < outcome->documents)
        return complain("%lld documents, but %lld were acknowledged", (long long)n,
                        (long long)outcome->documents);
    int64_t part = ask_number(handle, "SELECT coalesce(sum(documents), 0) FROM source"
                                      " WHERE status <> 'loaded'");
    if ((n - (kind == SCENARIO_INGEST_RESUMED ? part : 0)) % SOURCE_ROWS != 0)
        return complain("%lld documents: a source is there in part", (long long)n);
    int64_t wrong = ask_number(
        handle, "SELECT (SELECT count(*) FROM split s WHERE documents <> (SELECT count(*) FROM"
                " split_document WHERE split_id = s.id) OR documents <> (SELECT coalesce(max("
                " position) + 1, 0) FROM split_document WHERE split_id = s.id)) + (SELECT count(*)"
                " FROM source s WHERE documents <> (SELECT count(*) FROM document WHERE source_id ="
                " s.id))");
    return wrong == 0 ? NULL : complain("%lld splits or sources miscount", (long long)wrong);
}

/* A run: every acknowledged epoch; best weights that are whole, and of an epoch that is there, once
 * the run says that it has them; a finished one does. */
static const char *check_run(sqlite3 *handle, const scenario_outcome *outcome)
{
    int64_t epochs =
        ask_number(handle, "SELECT count(*) FROM epoch WHERE run_id = (SELECT max(id) FROM run)");
    int64_t best = ask_number(
        handle,
        "SELECT count(*) FROM run r WHERE (SELECT count(*) FROM parameter WHERE run_id = r.id"
        " AND kind = 'best') <> iif(best_epoch IS NULL, 0, 4) OR best_epoch IS NOT NULL AND "
        "best_epoch NOT IN"
        " (SELECT epoch FROM epoch WHERE run_id = r.id)"
        " OR status = 'finished' AND (best_epoch IS NULL OR NOT EXISTS (SELECT 1 FROM term_effect"
        " WHERE run_id = r.id))");
    if (epochs < outcome->epochs)
        return complain("%lld epochs, but %lld were acknowledged", (long long)epochs,
                        (long long)outcome->epochs);
    if (outcome->best_epoch != 0 &&
        ask_number(handle, "SELECT best_epoch FROM run WHERE id = (SELECT max(id) FROM run)") !=
            outcome->best_epoch)
        return complain("the weights of epoch %lld are said to be kept",
                        (long long)outcome->best_epoch);
    return best == 0 ? NULL
                     : complain("%lld runs have no weights of their best epoch", (long long)best);
}

static const char *check_state(scenario_kind kind, const scenario_outcome *outcome, sqlite3 *handle)
{
    const char *wrong = check_sound(handle);
    if (wrong == NULL) wrong = check_documents(kind, handle, outcome);
    if (wrong == NULL && is_fit(kind)) wrong = check_run(handle, outcome);
    if (wrong != NULL || outcome->status != DBT_OK) return wrong;
    char digest[DIGEST_BYTES];
    digest_result(kind, outcome, handle, digest);
    if (strcmp(digest, expected[kind]) != 0)
        return complain("it says that it is done, but left %s, not %s", digest, expected[kind]);
    return NULL;
}

/* The file as SQLite itself sees it; a file that was never made is in order where nothing was
 * acknowledged. */
static const char *check_file(scenario_kind kind, const scenario_outcome *outcome)
{
    sqlite3 *handle = NULL;
    struct stat facts;
    if (stat(scenario_path(), &facts) != 0)
        return prepared[kind] == NULL && outcome->documents == 0 && outcome->status < 0
                   ? NULL
                   : complain("the file is gone");
    int code = sqlite3_open_v2(scenario_path(), &handle, SQLITE_OPEN_READWRITE, "unix");
    const char *wrong = code == SQLITE_OK
                            ? check_state(kind, outcome, handle)
                            : complain("cannot be opened: %s", sqlite3_errmsg(handle));
    (void)sqlite3_close(handle);
    return wrong;
}

const char *scenario_check(scenario_kind kind, const scenario_outcome *outcome, bool repeat)
{
    if (outcome->status < 0 && outcome->err.message[0] == '\0') return complain("no message");
    if (access(path_in_folder("work.db", "-writer"), F_OK) == 0)
        return complain("the lock file stayed");
    const char *wrong = check_file(kind, outcome);
    if (wrong != NULL || !repeat) return wrong;
    if (kind == SCENARIO_PREDICT || kind == SCENARIO_INFO) return NULL; /* nothing has changed */
    scenario_outcome again = scenario_run(kind);
    if (again.status != DBT_OK) return complain("repeated, it fails: %s", again.err.message);
    if (again.closed != DBT_OK) return complain("repeated, it cannot close the file");
    wrong = check_file(kind, &again);
    if (wrong == NULL) return NULL;
    char kept[1024];
    (void)snprintf(kept, sizeof kept, "%s", wrong);
    return complain("repeated: %s", kept);
}

/* --- preparation --- */

static bool stop_in_time(void *asks_left)
{
    return (*(int *)asks_left)-- == 0;
}

/* The documents that are there when an ingest is stopped as it asks for the n-th time; -1: it
 * failed otherwise, or ended. */
static int64_t stop_ingest(int n)
{
    const char *const paths[] = {source[0], source[1]};
    dbt_ingest_options options;
    dbt_ingest_result result;
    dbt_store *store = NULL;
    sqlite3 *handle = NULL;
    dbt_ingest_options_init(&options);
    options.stop = stop_in_time;
    options.context = &n;
    scenario_reset(SCENARIO_INGEST);
    if (dbt_store_open(scenario_path(), DBT_STORE_CREATE, &store, NULL) < 0) return -1;
    bool stopped = dbt_ingest(store, paths, 2, &options, &result, NULL) == DBT_EINTERRUPTED;
    if (dbt_store_close(store, NULL) < 0 || !stopped) return -1;
    int code = sqlite3_open_v2(scenario_path(), &handle, SQLITE_OPEN_READWRITE, "unix");
    int64_t documents =
        code == SQLITE_OK ? ask_number(handle, "SELECT count(*) FROM document") : -1;
    (void)sqlite3_close(handle);
    return documents;
}

/* An ingest that was stopped in the second source, of which the last rows are other ones since. */
static bool leave_stopped(void)
{
    enum { STOPPED = SOURCE_ROWS + 13 };
    int64_t documents = 0;
    /* Once before each row, and before each read. */
    for (int n = STOPPED; documents >= 0 && documents < STOPPED; n++)
        documents = stop_ingest(n);
    if (documents != STOPPED) return false;
    sqlite3 *handle = NULL;
    int code = sqlite3_open_v2(scenario_path(), &handle, SQLITE_OPEN_READWRITE, "unix");
    if (code == SQLITE_OK)
        code = sqlite3_exec(handle, "UPDATE document SET text = 'other' WHERE id = 29", NULL, NULL,
                            NULL);
    (void)sqlite3_close(handle);
    copy_database("work.db", "stopped.db");
    return code == SQLITE_OK;
}

/* As if a program had been killed after the script: file, log and journal as they are on the disk.
 */
static bool leave_killed(const char *from, const char *name, const char *script)
{
    sqlite3 *handle = NULL;
    copy_database(from, "killed.db");
    int code =
        sqlite3_open_v2(path_in_folder("killed.db", ""), &handle, SQLITE_OPEN_READWRITE, "unix");
    if (code == SQLITE_OK) code = sqlite3_exec(handle, script, NULL, NULL, NULL);
    copy_database("killed.db", name);
    (void)sqlite3_close(handle);
    return code == SQLITE_OK;
}

/* Whether a journal was left by which a file that was written to becomes what it was. */
static bool has_journal(const char *name)
{
    struct stat journal;
    return stat(path_in_folder(name, "-journal"), &journal) == 0 && journal.st_size > 512;
}

static bool make_blank(void)
{
    sqlite3 *handle = NULL;
    int code = sqlite3_open_v2(path_in_folder("blank.db", ""), &handle,
                               SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, "unix");
    if (code == SQLITE_OK)
        code = sqlite3_exec(handle, "PRAGMA page_size = 16384; VACUUM", NULL, NULL, NULL);
    return sqlite3_close(handle) == SQLITE_OK && code == SQLITE_OK;
}

static bool run_undisturbed(scenario_kind kind, const char *keep)
{
    scenario_reset(kind);
    scenario_outcome outcome = scenario_run(kind);
    sqlite3 *handle = NULL;
    if (outcome.status != DBT_OK || outcome.closed != DBT_OK) {
        (void)fprintf(stderr, "%s, undisturbed: %s\n", scenario_name(kind), outcome.err.message);
        return false;
    }
    if (sqlite3_open_v2(scenario_path(), &handle, SQLITE_OPEN_READWRITE, "unix") == SQLITE_OK)
        digest_result(kind, &outcome, handle, expected[kind]);
    (void)sqlite3_close(handle);
    if (keep != NULL) copy_database("work.db", keep);
    bool ok = strstr(expected[kind], "error") == NULL && strstr(expected[kind], " 0 bytes") == NULL;
    if (!ok) (void)fprintf(stderr, "%s, undisturbed: %s\n", scenario_name(kind), expected[kind]);
    return ok;
}

bool scenario_prepare(const char *where)
{
    (void)snprintf(folder, sizeof folder, "%s", where);
    for (int i = 0; i < N_SOURCES; i++) {
        (void)snprintf(source[i], sizeof source[i], "%s/%d.csv", folder, i);
        if (!write_source(i)) return false;
    }
    preparing = true;
    bool ok = make_blank() && leave_stopped() && run_undisturbed(SCENARIO_INGEST, "ingested.db") &&
              leave_killed("ingested.db", "logged.db",
                           "UPDATE document SET weight = weight; UPDATE label SET name = name") &&
              run_undisturbed(SCENARIO_FIT, "fitted.db") &&
              leave_killed("fitted.db", "journal.db",
                           "PRAGMA journal_mode = DELETE; PRAGMA cache_size = 1; BEGIN;"
                           "UPDATE document SET text = text || text; UPDATE label SET name = id;"
                           "UPDATE parameter SET value = zeroblob(9)") &&
              has_journal("journal.db") &&
              leave_killed("ingested.db", "crashed.db",
                           "UPDATE source SET status = 'loading', digest = NULL WHERE id = 2;"
                           "DROP TRIGGER document_inserted; DROP TRIGGER document_changed; ALTER "
                           "TABLE document DROP COLUMN checksum;"
                           "ALTER TABLE evaluation DROP COLUMN fingerprint;"
                           "DROP TABLE row_block; DROP TABLE row_cache; PRAGMA user_version = 1");
    preparing = false;
    for (int kind = 0; ok && kind < SCENARIOS; kind++)
        ok = run_undisturbed((scenario_kind)kind, NULL);
    return ok && strcmp(expected[SCENARIO_FIT_THREADS], expected[SCENARIO_FIT]) == 0;
}
