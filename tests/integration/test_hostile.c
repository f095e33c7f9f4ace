/*
 * test_hostile.c: databases made to do harm: schemas with SQL of their own, schemas without end,
 * damage at any byte, files that are none.
 */
#include "quickstart.h"
#include "amount.h"

#include <errno.h>
#include <sqlite3.h>
#ifdef __linux__
#include <sys/inotify.h>
#endif
#include <sys/stat.h>

static const char *path_of(const char *name)
{
    static char paths[4][160];
    static unsigned turn;
    char *path = paths[turn++ % 4];
    (void)snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static void write_file(const char *path, const void *data, size_t bytes)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, bytes, file), bytes);
    assert_int_equal(fclose(file), 0);
}

/* The whole file; freed with free. */
static unsigned char *read_file(const char *path, size_t *bytes)
{
    struct stat facts;
    assert_int_equal(stat(path, &facts), 0);
    *bytes = (size_t)facts.st_size;
    unsigned char *data = malloc(*bytes + 1);
    FILE *file = fopen(path, "rb");
    assert_non_null(data);
    assert_non_null(file);
    assert_int_equal(fread(data, 1, *bytes, file), *bytes);
    assert_int_equal(fclose(file), 0);
    return data;
}

/* As an attacker does it: a connection without dbtrain's settings. */
static void spoil(const char *path, const char *script)
{
    sqlite3 *handle;
    char *message = NULL;
    assert_int_equal(sqlite3_open(path, &handle), SQLITE_OK);
    if (sqlite3_exec(handle, "PRAGMA writable_schema = ON; PRAGMA synchronous = OFF", NULL, NULL,
                     NULL) != SQLITE_OK ||
        sqlite3_exec(handle, script, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", script, message);
    assert_int_equal(sqlite3_close(handle), SQLITE_OK);
}

/* A new store, closed, with a script run on it; its path. */
static const char *make_spoilt(const char *script)
{
    close_store(create_store("spoilt.db"));
    const char *path = path_of("spoilt.db");
    spoil(path, script);
    return path;
}

static const dbt_store_mode modes[] = {DBT_STORE_READ, DBT_STORE_WRITE, DBT_STORE_CREATE};

/* Refused in every mode, with a message that contains `part`. */
static void assert_refused(const char *path, const char *part)
{
    for (size_t i = 0; i < 3; i++) {
        dbt_error err = {0};
        dbt_store *store;
        dbt_status status = dbt_store_open(path, modes[i], &store, &err);
        if (status != DBT_EFORMAT || strstr(err.message, part) == NULL)
            fail_msg("'%s' wanted, got %d %s", part, status, err.message);
        assert_null(store);
    }
}

/* --- schemas --- */

#define CHANGE(from, to, name)                                                                     \
    "UPDATE sqlite_schema SET sql = replace(sql, '" from "', '" to "') WHERE name = '" name "'"
#define DOCUMENT "table 'document' is not as dbtrain makes it"

static void test_schema__what_runs_sql_of_the_file_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *script, *part;
    } cases[] = {
        /* something else under our names */
        {"DROP TABLE document; CREATE VIEW document AS WITH RECURSIVE n (id) AS (SELECT 1 UNION ALL"
         " SELECT id + 1 FROM n) SELECT id, 1 AS label_id, 1.0 AS weight, 'x' AS text FROM n",
         DOCUMENT},
        {"DROP TABLE document; CREATE VIRTUAL TABLE document USING fts5 (id, label_id, text)",
         DOCUMENT},
        {"DROP TABLE document; CREATE TABLE Document (id INTEGER PRIMARY KEY, text TEXT)",
         DOCUMENT},
        {"DROP TABLE document", "table 'document' is missing"},
        {"DROP TABLE term_effect", "table 'term_effect' is missing"},
        {"DROP TABLE label; CREATE TABLE l (id, name); CREATE INDEX label ON l (name)",
         "table 'label' is not as dbtrain makes it"},
        {"DROP VIEW history", "view 'history' is missing"},
        {"DROP VIEW history; CREATE TABLE history (run, epoch)",
         "view 'history' is not as dbtrain makes it"},
        {"DROP VIEW corpus; CREATE VIEW corpus AS SELECT randomblob(1000000000) AS text",
         "view 'corpus' is not as dbtrain makes it"},
        {"DROP INDEX source_by_name", "index 'source_by_name' is missing"},
        {"DROP INDEX source_by_name; CREATE TABLE source_by_name (a)",
         "index 'source_by_name' is not as dbtrain makes it"},
        {"DROP INDEX source_by_name; CREATE TABLE t (name); CREATE INDEX source_by_name ON t "
         "(name)",
         "index 'source_by_name' is not as dbtrain makes it"},
        {"DROP INDEX source_by_name; CREATE UNIQUE INDEX source_by_name ON source (name)",
         "index 'source_by_name' is not as dbtrain makes it"},
        {"DROP INDEX prediction_by_document; CREATE INDEX prediction_by_document ON prediction"
         " (document_id) WHERE label_id > 1",
         "index 'prediction_by_document' is not as dbtrain makes it"},
        /* our tables with more in them */
        {"ALTER TABLE document ADD COLUMN more TEXT GENERATED ALWAYS AS (hex(zeroblob(400000000)))",
         DOCUMENT},
        {"ALTER TABLE document ADD COLUMN more TEXT DEFAULT 'x'", DOCUMENT},
        {"ALTER TABLE document ADD COLUMN more INTEGER REFERENCES nowhere (id)", DOCUMENT},
        {CHANGE("text        TEXT NOT NULL",
                "text TEXT NOT NULL CHECK (length(hex(zeroblob(9e7))))", "document"),
         DOCUMENT},
        {CHANGE("text        TEXT NOT NULL", "text TEXT NOT NULL COLLATE NOCASE", "document"),
         DOCUMENT},
        {CHANGE("DEFAULT 1.0", "DEFAULT (abs(random()))", "document"), DOCUMENT},
        {CHANGE("REFERENCES label (id)", "REFERENCES label (id) ON DELETE CASCADE", "document"),
         DOCUMENT},
        {CHANGE(" STRICT", "", "document"), DOCUMENT},
        {CHANGE("TEXT NOT NULL UNIQUE", "TEXT NOT NULL UNIQUE ON CONFLICT REPLACE", "split"),
         "table 'split' is not as dbtrain makes it"},
        {CHANGE("kind", "kinD", "parameter"), "table 'parameter' is not as dbtrain makes it"},
        {CHANGE("FROM epoch", "FROM epoch, epoch AS again", "history"),
         "view 'history' is not as dbtrain makes it"},
        /* what hangs on them */
        {"CREATE TRIGGER t AFTER INSERT ON document BEGIN DELETE FROM run; END",
         DOCUMENT ": it has the trigger 't'"},
        {"CREATE TRIGGER t BEFORE DELETE ON SOURCE BEGIN SELECT hex(zeroblob(400000000)); END",
         "table 'source' is not as dbtrain makes it: it has the trigger 't'"},
        {"CREATE TRIGGER t INSTEAD OF INSERT ON corpus BEGIN DELETE FROM run; END",
         "view 'corpus' is not as dbtrain makes it: it has the trigger 't'"},
        {"CREATE INDEX i ON document (hex(zeroblob(length(text))))",
         DOCUMENT ": it has the index 'i'"},
        {"CREATE INDEX i ON document (source_line, lower(text))",
         DOCUMENT ": it has the index 'i'"},
        {"CREATE INDEX i ON document (label_id) WHERE length(text) > 3",
         DOCUMENT ": it has the index 'i'"},
        {"CREATE INDEX i ON label (name COLLATE NOCASE)",
         "table 'label' is not as dbtrain makes it: it has the index 'i'"},
        {"CREATE UNIQUE INDEX i ON document (text)", DOCUMENT ": it has the index 'i'"},
        /* what SQLite itself does not take */
        {CHANGE("CREATE TABLE document (", "CREATE TABLE document AS SELECT (", "document"),
         "malformed database schema"},
        {"UPDATE sqlite_schema SET name = 'other' WHERE name = 'document'",
         "malformed database schema"},
        {"UPDATE sqlite_schema SET type = 'view' WHERE name = 'document'",
         "malformed database schema"},
        {"UPDATE sqlite_schema SET rootpage = 100000 WHERE name = 'document'",
         "malformed database schema"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_refused(make_spoilt(cases[i].script), cases[i].part);
}

static void test_schema__what_users_made_is_left_alone(void **state)
{
    (void)state;
    static const char *const scripts[] = {
        "CREATE TABLE note (document_id INTEGER REFERENCES document (id) ON DELETE CASCADE,"
        " text TEXT CHECK (text <> ''), words AS (length(text)))",
        "CREATE VIEW short AS SELECT id FROM document WHERE length(text) < 10",
        "CREATE TABLE note (a, b); CREATE UNIQUE INDEX i ON note (lower(a)) WHERE b;"
        "CREATE TRIGGER t AFTER INSERT ON note BEGIN DELETE FROM note WHERE a < new.a; END",
        "CREATE INDEX document_by_label ON document (label_id, source_line DESC)",
        "CREATE VIRTUAL TABLE search USING fts5 (text)",
        "CREATE TABLE \"a'b\" (\"c d\"); ANALYZE",
    };
    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
        const char *path = make_spoilt(scripts[i]);
        for (size_t m = 0; m < 3; m++) {
            dbt_error err = {0};
            dbt_store *store;
            assert_ok(dbt_store_open(path, modes[m], &store, &err), err);
            close_store(store);
        }
    }
}

static void test_schema__no_trigger_runs_even_on_a_users_table(void **state)
{
    (void)state;
    const char *path = make_spoilt(
        "INSERT INTO document (text) VALUES ('x');"
        "CREATE TABLE note (document_id INTEGER REFERENCES document (id) ON DELETE CASCADE);"
        "INSERT INTO note VALUES (1); CREATE TABLE seen (a);"
        "CREATE TRIGGER t AFTER DELETE ON note BEGIN INSERT INTO seen VALUES (1); END");
    dbt_error err = {0};
    dbt_store *store;
    assert_ok(dbt_store_open(path, DBT_STORE_WRITE, &store, &err), err);
    run_sql(store, "DELETE FROM document");
    assert_int_equal(ask(store, "SELECT count(*) FROM note"), 0);
    assert_int_equal(ask(store, "SELECT count(*) FROM seen"), 0);
    close_store(store);
}

#define ADD_VIEWS "INSERT INTO sqlite_schema SELECT 'view', "

static void test_schema__one_without_end_is_refused_in_bounded_memory(void **state)
{
    (void)state;
    static const char *const scripts[] = {
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 40000)" ADD_VIEWS
        "'v' || i, 'v' || i, 0, 'CREATE VIEW v' || i ||"
        " ' AS SELECT 1' FROM n",
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 40)" ADD_VIEWS
        "'v' || i, 'v' || i, 0, 'CREATE VIEW v' || i ||"
        " ' AS SELECT 1' || replace(hex(zeroblob(200000)), '00', ',1') FROM n",
        ADD_VIEWS "'v', 'v', 0, format('CREATE VIEW v AS SELECT%2000000d', 1)",
    };
    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
        const char *path = make_spoilt(scripts[i]);
        dbt_error err = {0};
        dbt_store *store;
        (void)sqlite3_memory_highwater(1);
        sqlite3_int64 before = sqlite3_memory_used();
        assert_int_equal(dbt_store_open(path, DBT_STORE_READ, &store, &err), DBT_EFORMAT);
        assert_non_null(strstr(err.message, "schema"));
        assert_in_range(sqlite3_memory_highwater(1) - before, 0, 200 << 20);
    }
}

/* --- damage --- */

enum { TEXTS = 3 };

/* What a model says of some texts. */
typedef struct opinion {
    float probability[TEXTS][QUICKSTART_LABELS];
} opinion;

static opinion ask_model(dbt_model *model)
{
    static const char *const texts[TEXTS] = {"the team won the match in the last minute",
                                             "stocks fell as the bank raised its rates", ""};
    opinion given;
    dbt_error err = {0};
    dbt_page *page;
    const float *probability;
    assert_ok(dbt_page_new(&page, &err), err);
    for (size_t i = 0; i < TEXTS; i++)
        assert_ok(dbt_page_append(page, (dbt_text){texts[i], strlen(texts[i])}, 1, 0, 1, &err),
                  err);
    assert_ok(dbt_model_predict(model, page, &probability, &err), err);
    assert_int_equal(dbt_model_get_info(model).n_labels, QUICKSTART_LABELS);
    memcpy(given.probability, probability, sizeof given.probability);
    dbt_page_free(page);
    return given;
}

/* DBT_OK: there is an opinion; else a refusal, which is never a bug of the program's. */
static dbt_status ask_file(const char *path, opinion *given)
{
    dbt_error err = {0};
    dbt_store *store = NULL;
    dbt_model *model = NULL;
    dbt_status status = dbt_store_open(path, DBT_STORE_READ, &store, &err);
    if (status == DBT_OK) status = dbt_model_open(store, NULL, DBT_WEIGHTS_BEST, &model, &err);
    if (status == DBT_OK) *given = ask_model(model);
    if (status == DBT_EINTERNAL) fail_msg("%s", err.message);
    dbt_model_close(model);
    (void)dbt_store_close(store, NULL);
    return status;
}

/* A fitted file in rollback mode (a log would not be beside its damaged copies) without free pages.
 */
static unsigned char *make_fitted(size_t *bytes)
{
    dbt_store *store = make_quickstart("fitted.db");
    dbt_fit_options options = quick_options(1);
    options.network.units = 4;
    options.vectorizer.top_k = 200;
    (void)fit(store, &options);
    close_store(store);
    spoil(path_of("fitted.db"), "PRAGMA journal_mode = DELETE; VACUUM");
    return read_file(path_of("fitted.db"), bytes);
}

static void test_damage__a_flipped_byte_is_told_or_changes_no_number(void **state)
{
    (void)state;
    size_t bytes, refused = 0, flips = (size_t)choose_amount(200, 600, 20000);
    opinion whole, damaged;
    unsigned char *data = make_fitted(&bytes);
    const char *path = path_of("flipped.db");
    write_file(path, data, bytes);
    assert_int_equal(ask_file(path, &whole), DBT_OK);
    for (uint64_t i = 0; i < flips; i++) {
        size_t at = dbt__random_below(1, i, bytes);
        unsigned char flip = (unsigned char)(1 + dbt__random_below(2, i, 255));
        data[at] ^= flip;
        write_file(path, data, bytes);
        if (ask_file(path, &damaged) != DBT_OK)
            refused++;
        else if (memcmp(&damaged, &whole, sizeof whole) != 0)
            fail_msg("byte %zu xor %d: other numbers without a word", at, flip);
        data[at] ^= flip;
    }
    print_message("%zu of %zu flips refused\n", refused, flips);
    assert_in_range(refused, 1, flips - 1);
    free(data);
}

#define PAGE_BYTES ((size_t)65536)

static void put_number(unsigned char *at, uint64_t value, int bytes)
{
    while (bytes-- > 0) {
        at[bytes] = (unsigned char)value;
        value >>= 8;
    }
}

static uint64_t get_number(const unsigned char *at, int bytes)
{
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++)
        value = value << 8 | at[i];
    return value;
}

/* An inner page of a table, all children of which are one page. */
static void forge_page(unsigned char *page, uint64_t child)
{
    enum { CHILDREN = 2000, CELL = PAGE_BYTES - 5, HEAD = 12 };
    memset(page, 0, PAGE_BYTES);
    page[0] = 5;
    put_number(page + 3, CHILDREN, 2);
    put_number(page + 5, CELL, 2);
    put_number(page + 8, child, 4);
    for (size_t i = 0; i < CHILDREN; i++)
        put_number(page + HEAD + 2 * i, CELL, 2); /* the same cell */
    put_number(page + CELL, child, 4);
    page[CELL + 4] = 1; /* its key */
}

/* What evaluate says of a split. */
typedef struct verdict {
    int64_t documents, unlabelled;
    double loss, acc;
    int64_t confusion[QUICKSTART_LABELS * QUICKSTART_LABELS];
    char labels[256];
} verdict;

static void take_report(const dbt_report *report, verdict *given)
{
    const size_t most = sizeof given->confusion / sizeof *given->confusion;
    given->documents = report->documents;
    given->unlabelled = report->unlabelled;
    given->loss = report->loss;
    given->acc = report->acc;
    assert_in_range(report->n_classes * report->n_outputs, 0, most);
    for (size_t i = 0; i < report->n_cells; i++) {
        const dbt_report_cell *cell = &report->cell[i];
        given->confusion[cell->actual * report->n_outputs + cell->predicted] = cell->documents;
    }
    for (size_t i = 0; i < report->n_classes; i++)
        (void)strncat(given->labels, report->class_row[i].label,
                      sizeof given->labels - strlen(given->labels) - 1);
}

/* Of the statuses, as ask_file. */
static dbt_status evaluate_file(const char *path, const char *split, verdict *given)
{
    dbt_error err = {0};
    dbt_store *store = NULL;
    dbt_model *model = NULL;
    dbt_report report = {0};
    *given = (verdict){0};
    dbt_status status = dbt_store_open(path, DBT_STORE_READ, &store, &err);
    if (status == DBT_OK) status = dbt_model_open(store, NULL, DBT_WEIGHTS_BEST, &model, &err);
    if (status == DBT_OK) status = dbt_evaluate(store, model, split, 1, NULL, &report, &err);
    if (status == DBT_OK) take_report(&report, given);
    if (status == DBT_EINTERNAL) fail_msg("%s", err.message);
    dbt_report_release(&report);
    dbt_model_close(model);
    (void)dbt_store_close(store, NULL);
    return status;
}

/* Where most of the file is: in what it holds, not in the room that pages have left. */
static void test_damage__a_flipped_bit_is_told_or_changes_no_evaluation(void **state)
{
    (void)state;
    size_t bytes, refused = 0, flips = (size_t)choose_amount(150, 400, 20000);
    verdict whole, damaged;
    unsigned char *data = make_fitted(&bytes);
    const char *path = path_of("flipped-bits.db");
    write_file(path, data, bytes);
    assert_int_equal(evaluate_file(path, "test", &whole), DBT_OK);
    assert_int_equal(whole.documents, QUICKSTART_TEST);
    for (uint64_t i = 0; i < flips; i++) {
        size_t at = dbt__random_below(3, i, bytes);
        while (data[at] == 0)
            at = (at + 1) % bytes;
        unsigned char flip = (unsigned char)(1U << dbt__random_below(4, i, 8));
        data[at] ^= flip;
        write_file(path, data, bytes);
        if (evaluate_file(path, "test", &damaged) != DBT_OK)
            refused++;
        else if (memcmp(&damaged, &whole, sizeof whole) != 0)
            fail_msg("byte %zu xor %d: another report without a word", at, flip);
        data[at] ^= flip;
    }
    print_message("%zu of %zu flips refused\n", refused, flips);
    assert_in_range(refused, 1, flips - 1);
    free(data);
}

/* Flips each bit of the bytes before a text: sizes, id and types of a row, label and weight. */
static void flip_head(const char *path, unsigned char *data, size_t bytes, const char *text,
                      const verdict *whole)
{
    verdict damaged;
    size_t at = 24, n = strlen(text);
    while (at + n < bytes && memcmp(data + at, text, n) != 0)
        at++;
    assert_in_range(at, 24, bytes - n);
    for (size_t bit = 0; bit < (size_t)24 * 8; bit++) {
        data[at - 1 - bit / 8] ^= (unsigned char)(1U << bit % 8);
        write_file(path, data, bytes);
        if (evaluate_file(path, "train/validation", &damaged) == DBT_OK &&
            memcmp(&damaged, whole, sizeof damaged) != 0)
            fail_msg("'%s', bit %zu of what is before it: another report without a word", text,
                     bit);
        data[at - 1 - bit / 8] ^= (unsigned char)(1U << bit % 8);
    }
}

/* Documents of both parts are neighbours in the file: one that took the other's id would be found
 * in its place. */
static void test_damage__of_a_document_s_head_is_told(void **state)
{
    (void)state;
    size_t bytes;
    verdict whole;
    dbt_store *store = make_quickstart("heads.db");
    dbt_fit_options options = quick_options(1);
    options.validation = NULL;
    options.network.units = 4;
    options.vectorizer.top_k = 200;
    (void)fit(store, &options);
    char *texts[2];
    for (int i = 0; i < 2; i++) {
        char query[200];
        (void)snprintf(query, sizeof query,
                       "SELECT text FROM document WHERE id = (SELECT document_id FROM"
                       " split_document JOIN split ON split.id = split_id"
                       " WHERE name = 'train/validation' AND position = %d) - %d",
                       5 + i, i);
        texts[i] = ask_text(store, query);
    }
    close_store(store);
    const char *path = path_of("heads.db");
    spoil(path, "PRAGMA journal_mode = DELETE; VACUUM");
    unsigned char *data = read_file(path, &bytes);
    assert_int_equal(evaluate_file(path, "train/validation", &whole), DBT_OK);
    assert_true(whole.documents > 50);
    for (int i = 0; i < 2; i++) {
        flip_head(path, data, bytes, texts[i], &whole);
        free(texts[i]);
    }
    free(data);
}

/* Finds what there is once in a file, and changes its last byte. */
static void damage(const char *path, const char *what)
{
    size_t bytes, n = strlen(what), found = 0;
    unsigned char *data = read_file(path, &bytes);
    for (size_t i = 0; i + n <= bytes; i++)
        if (memcmp(data + i, what, n) == 0) {
            data[i + n - 1] ^= 1;
            found++;
        }
    assert_int_equal(found, 1);
    write_file(path, data, bytes);
    free(data);
}

static void test_damage__of_a_text_is_told_and_a_change_is_none(void **state)
{
    (void)state;
    size_t bytes;
    verdict before, after;
    dbt_error err = {0};
    dbt_store *store;
    const char *path = path_of("fitted.db");
    free(make_fitted(&bytes));
    spoil(path, "UPDATE document SET text = text || ' said the only goalkeeper'"
                " WHERE id = (SELECT max(id) FROM document)");
    assert_int_equal(evaluate_file(path, "test", &before), DBT_OK);
    damage(path, "said the only goalkeeper"); /* no checksum: the change took it */
    assert_int_equal(evaluate_file(path, "test", &after), DBT_OK);
    (void)unlink(path);
    free(make_fitted(&bytes));
    spoil(path, "CREATE TEMP TABLE kept AS SELECT max(id) AS id FROM document;"
                "INSERT INTO document (label_id, text)"
                " SELECT label_id, 'the only goalkeeper' FROM document JOIN kept USING (id);"
                "UPDATE document SET checksum = 1 WHERE id = last_insert_rowid();"
                "UPDATE split_document SET document_id = last_insert_rowid()"
                " WHERE document_id = (SELECT id FROM kept)");
    assert_int_equal(evaluate_file(path, "test", &after), DBT_EFORMAT);
    assert_ok(dbt_store_open(path, DBT_STORE_WRITE, &store, &err), err);
    dbt_fit_options options = quick_options(1);
    dbt_fit_result result;
    assert_int_equal(dbt_fit(store, &options, NULL, &result, &err), DBT_EFORMAT);
    assert_non_null(strstr(err.message, "document 551, at position 109 of split 'test', is not "));
    assert_non_null(strstr(err.message, "UPDATE document SET checksum = NULL WHERE id = 551"));
    close_store(store);
}

/* Copies of rows have other ids, in another file other labels. */
static void test_damage__what_a_shell_inserts_is_none(void **state)
{
    (void)state;
    size_t bytes;
    verdict before, after;
    const char *path = path_of("fitted.db");
    free(make_fitted(&bytes));
    assert_int_equal(evaluate_file(path, "test", &before), DBT_OK);
    spoil(path, "REPLACE INTO document SELECT id, label_id, weight, source_id, source_line,"
                " text || ' ', checksum FROM document WHERE id % 2 = 0;"
                "UPDATE document SET id = id + 1000 WHERE id = 549;"
                "UPDATE split_document SET document_id = 1549 WHERE document_id = 549");
    assert_int_equal(evaluate_file(path, "test", &after), DBT_OK);
    assert_memory_equal(&after, &before, sizeof after);
}

/* The table and its index have the name; which is damaged nobody can tell. */
static void test_damage__of_a_name_is_told(void **state)
{
    (void)state;
    /* A label's name; its types in the head of its row; a split's id, after its name in the index.
     */
    static const struct {
        const char *bytes;
        size_t n, at;
        unsigned char flip;
        const char *message;
    } damages[] = {
        {"\x03\x00\x1b\x63ooking", 10, 4, 0x40, "the name of label "}, /* "c/oking" */
        {"\x03\x00\x1b\x63ooking", 10, 1, 0x80, "the name of label "}, /* NULL */
        {"\x03\x00\x1b\x63ooking", 10, 2, 0x01, "the name of label "}, /* no text */
        {"\x03\x15\x01test\x02", 8, 7, 0x01, "the name of split "},
    };
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        size_t bytes, at = 0;
        dbt_error err = {0};
        dbt_store *store;
        dbt_model *model;
        dbt_fit_options options = quick_options(1);
        dbt_fit_result result;
        const char *path = path_of("fitted.db");
        (void)unlink(path);
        unsigned char *data = make_fitted(&bytes);
        while (at + damages[i].n < bytes && memcmp(data + at, damages[i].bytes, damages[i].n) != 0)
            at++;
        assert_in_range(at, 1, bytes - damages[i].n - 1);
        data[at + damages[i].at] ^= damages[i].flip;
        write_file(path, data, bytes);
        free(data);
        assert_ok(dbt_store_open(path, DBT_STORE_WRITE, &store, &err), err);
        assert_int_equal(dbt_fit(store, &options, NULL, &result, &err), DBT_EFORMAT);
        assert_non_null(strstr(err.message, damages[i].message));
        err = (dbt_error){0};
        assert_int_equal(dbt_model_open(store, NULL, DBT_WEIGHTS_BEST, &model, &err), DBT_EFORMAT);
        close_store(store);
    }
}

/* Rows that nobody would miss: the split has fewer documents than places. */
static void test_damage__a_split_that_counts_less_than_it_has_is_refused(void **state)
{
    (void)state;
    size_t bytes;
    verdict given;
    dbt_error err = {0};
    const char *path = path_of("fitted.db");
    free(make_fitted(&bytes));
    spoil(path, "UPDATE split SET documents = documents - 8 WHERE name = 'test'");
    assert_int_equal(evaluate_file(path, "test", &given), DBT_EFORMAT);
    dbt_store *store;
    assert_ok(dbt_store_open(path, DBT_STORE_WRITE, &store, &err), err);
    dbt_fit_options options = quick_options(1);
    dbt_fit_result result;
    for (int held_out = 0; held_out <= 1; held_out++) {
        options.train = held_out ? "test" : "train";
        options.validation = held_out ? NULL : "test";
        err = (dbt_error){0};
        assert_int_equal(dbt_fit(store, &options, NULL, &result, &err), DBT_EFORMAT);
        assert_non_null(strstr(err.message, "split 'test' has 110 places, and says that it has 102 "
                                            "documents: if the places are right, number them "
                                            "anew as schema/README.md shows"));
    }
    close_store(store);
}

/* The table gets 2000^4 leaves: three pages are added, each of which points at the next. */
static void test_damage__a_table_without_end_is_refused(void **state)
{
    (void)state;
    enum { ADDED = 3 };
    size_t bytes;
    dbt_error err = {0};
    dbt_store *store;
    dbt_info info;
    unsigned char *data = make_fitted(&bytes);
    assert_ok(dbt_store_open(path_of("fitted.db"), DBT_STORE_READ, &store, &err), err);
    uint64_t root =
        (uint64_t)ask(store, "SELECT rootpage FROM sqlite_schema WHERE name = 'document'");
    close_store(store);
    unsigned char *forged = calloc(1, bytes + ADDED * PAGE_BYTES);
    assert_non_null(forged);
    memcpy(forged, data, bytes);
    unsigned char *top = forged + (root - 1) * PAGE_BYTES;
    uint64_t pages = bytes / PAGE_BYTES, leaf = get_number(top + get_number(top + 12, 2), 4);
    assert_int_equal(top[0], 5);
    forge_page(top, pages + 1);
    for (uint64_t i = 0; i < ADDED; i++)
        forge_page(forged + (pages + i) * PAGE_BYTES, i + 1 < ADDED ? pages + i + 2 : leaf);
    put_number(forged + 28, pages + ADDED, 4);
    write_file(path_of("forged.db"), forged, bytes + ADDED * PAGE_BYTES);
    assert_ok(dbt_store_open(path_of("forged.db"), DBT_STORE_READ, &store, &err), err);
    assert_int_equal(dbt_info_read(store, &info, &err), DBT_EFORMAT);
    assert_non_null(strstr(err.message, "rows without end"));
    dbt_info_release(&info);
    close_store(store);
    free(forged);
    free(data);
}

static void test_damage__settings_belong_to_what_was_fitted(void **state)
{
    (void)state;
    static const char *const changes[] = {
        "UPDATE vectorizer SET settings = json_set(settings, '$.ngram_max', 1)",
        "UPDATE vectorizer SET settings = json_set(settings, '$.lowercase', 0)",
        "UPDATE vectorizer SET settings = json_set(settings, '$.sublinear_tf', 1)",
        "UPDATE vectorizer SET settings = json_set(settings, '$.norm', 'none')",
    };
    size_t bytes;
    unsigned char *data = make_fitted(&bytes);
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        opinion given;
        write_file(path_of("changed.db"), data, bytes);
        spoil(path_of("changed.db"), changes[i]);
        assert_int_equal(ask_file(path_of("changed.db"), &given), DBT_EFORMAT);
    }
    free(data);
}

/* Or, when it lacks a part of its last page that nobody reads, it tells what it told whole. */
static void test_damage__a_file_cut_short_is_refused(void **state)
{
    (void)state;
    size_t bytes;
    opinion whole, given;
    unsigned char *data = make_fitted(&bytes);
    write_file(path_of("short.db"), data, bytes);
    assert_int_equal(ask_file(path_of("short.db"), &whole), DBT_OK);
    const size_t lengths[] = {1,    15,   16,   99,        100,       511,          512,      4095,
                              4096, 4097, 8192, bytes / 3, bytes / 2, bytes - 4096, bytes - 1};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        write_file(path_of("short.db"), data, lengths[i]);
        dbt_status status = ask_file(path_of("short.db"), &given);
        bool same = lengths[i] > bytes - PAGE_BYTES && status == DBT_OK &&
                    memcmp(&given, &whole, sizeof whole) == 0;
        if (status != DBT_EFORMAT && !same) fail_msg("%zu bytes: %d", lengths[i], status);
    }
    free(data);
}

static void test_file__what_is_no_database_is_refused(void **state)
{
    (void)state;
    static const char header[100] = "SQLite format 3";
    static const struct {
        const char *name, *bytes;
        size_t n;
    } cases[] = {
        {"one.db", "S", 1},
        {"99.db", header, 99},
        {"100.db", header, 100},
        {"text.db", "label,text\npos,a good film\n", 27},
        {"gzip.db", "\x1f\x8b\x08\0\0\0\0\0\0\3abcdefghijklmnopqrstuvwxyz", 36},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t bytes;
        write_file(path_of(cases[i].name), cases[i].bytes, cases[i].n);
        assert_refused(path_of(cases[i].name), "");
        unsigned char *after = read_file(path_of(cases[i].name), &bytes);
        assert_int_equal(bytes, cases[i].n);
        assert_memory_equal(after, cases[i].bytes, bytes);
        free(after);
    }
    assert_int_equal(mkfifo(path_of("fifo.db"), 0600), 0);
    assert_refused(path_of("fifo.db"), "is not a regular file");
    assert_refused("/dev/zero", "is not a regular file");
    assert_refused("/dev/null", "is not a regular file");
    assert_refused(folder, "is a folder");
}

/* --- what a file claims --- */

static void test_claims__are_checked_before_memory_is_taken(void **state)
{
    (void)state;
    static const struct {
        const char *change, *part;
    } cases[] = {
        {"UPDATE run SET settings = json_set(settings, '$.units', 65536, '$.layers', 64)", "shape"},
        {"UPDATE run SET settings = json_set(settings, '$.layers', 4)", "shape"},
        {"UPDATE run SET settings = json_set(settings, '$.units', 9223372036854775807)", "shape"},
        {"UPDATE parameter SET rows = 4194305, columns = 211106198978564 WHERE layer = 0", "shape"},
        {"UPDATE parameter SET rows = 9223372036854775807, columns = 2 WHERE layer = 0", "shape"},
        {"UPDATE parameter SET rows = -rows, columns = -columns WHERE layer = 0", "shape"},
        {"UPDATE parameter SET value = zeroblob(20000000) WHERE layer = 0", "shape"},
        {"UPDATE vectorizer SET terms = 4000000000", "terms"},
        {"UPDATE vectorizer SET documents = -1", "documents"},
        {"UPDATE feature SET term = CAST(zeroblob(20000000) AS TEXT) WHERE id = 5", "feature 5"},
        {"UPDATE feature SET term = CAST(zeroblob(300000000) AS TEXT) WHERE id = 5",
         "longer than 64 MiB"},
        {"INSERT INTO feature SELECT vectorizer_id, 200, term, document_frequency, idf, score"
         " FROM feature WHERE id = 199",
         "feature 200"},
        {"UPDATE feature SET id = 1000000000 WHERE id = 199", "feature 199 is missing"},
        {"UPDATE feature SET idf = 9e999 WHERE id = 3", "feature 3"},
        {"UPDATE label SET name = name || CAST(zeroblob(1048576) AS TEXT)", "longer than 1 MiB"},
        {"UPDATE vectorizer SET settings = CAST(zeroblob(100000000) AS TEXT)", "longer than 1 MiB"},
        {"UPDATE run SET settings = CAST(zeroblob(100000000) AS TEXT)", "longer than 1 MiB"},
        {"UPDATE run SET vectorizer_id = NULL", "vectorizer 0"},
        {"DELETE FROM parameter WHERE kind = 'best'", "best weights are missing"},
    };
    size_t bytes;
    unsigned char *data = make_fitted(&bytes);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        dbt_error err = {0};
        dbt_store *store;
        dbt_model *model = NULL;
        write_file(path_of("claims.db"), data, bytes);
        spoil(path_of("claims.db"), cases[i].change);
        assert_ok(dbt_store_open(path_of("claims.db"), DBT_STORE_READ, &store, &err), err);
        dbt_status status = dbt_model_open(store, NULL, DBT_WEIGHTS_BEST, &model, &err);
        if (status != DBT_EFORMAT || strstr(err.message, cases[i].part) == NULL)
            fail_msg("%s: %d %s", cases[i].change, status, err.message);
        dbt_model_close(model);
        close_store(store);
    }
    free(data);
}

static void test_claims__of_a_run_that_is_to_go_on(void **state)
{
    (void)state;
    size_t bytes;
    dbt_error err = {0};
    dbt_store *store;
    dbt_resume resume;
    unsigned char *data = make_fitted(&bytes);
    write_file(path_of("resume.db"), data, bytes);
    spoil(path_of("resume.db"), "UPDATE run SET status = 'interrupted', settings = 'nope'");
    assert_ok(dbt_store_open(path_of("resume.db"), DBT_STORE_READ, &store, &err), err);
    assert_int_equal(dbt_resume_find(store, NULL, &resume, &err), DBT_EFORMAT);
    assert_non_null(strstr(err.message, "run 1: stored settings are not a JSON object"));
    dbt_resume_release(&resume);
    close_store(store);
    free(data);
}

/* SQLite 3.40 crashes on the last two. */
static void test_claims__what_is_no_json_is_damage(void **state)
{
    (void)state;
    static const char *const values[] = {"nope", "[1]", "{\"a\":\"\",{\"\":1,\"norm\":\"\"}:4}",
                                         "{{\"x\":\"\"}:\"\"}"};
    static const char *const places[] = {
        "UPDATE run SET status = 'interrupted', settings = '%s'",
        "UPDATE run SET status = 'interrupted'; UPDATE vectorizer SET settings = '%s'",
        "UPDATE split SET origin = '%s'",
    };
    size_t bytes;
    unsigned char *data = make_fitted(&bytes);
    for (size_t i = 0; i < 12; i++) {
        char script[200];
        dbt_error err = {0};
        dbt_store *store;
        dbt_resume resume;
        dbt_model *model;
        dbt_removed removed;
        write_file(path_of("json.db"), data, bytes);
        (void)snprintf(script, sizeof script, places[i / 4], values[i % 4]);
        spoil(path_of("json.db"), script);
        assert_ok(dbt_store_open(path_of("json.db"), DBT_STORE_WRITE, &store, &err), err);
        if (i < 8) {
            assert_int_equal(dbt_resume_find(store, NULL, &resume, &err), DBT_EFORMAT);
            dbt_resume_release(&resume);
            assert_int_equal(dbt_model_open(store, "1", DBT_WEIGHTS_BEST, &model, &err),
                             DBT_EFORMAT);
        } else {
            const char *path = path_of("row.csv");
            dbt_ingest_options options;
            dbt_ingest_result result;
            write_file(path, (const unsigned char *)"a,text\n", 7);
            dbt_ingest_options_init(&options);
            options.split = "train";
            assert_int_equal(dbt_ingest(store, &path, 1, &options, &result, &err), DBT_EFORMAT);
        }
        err = (dbt_error){0};
        assert_ok(dbt_run_remove(store, "1", &removed, &err), err);
        assert_true(removed.vocabulary);
        close_store(store);
    }
    free(data);
}

#ifdef __linux__
/* Everything that a file names as a path, of source to cache, names `trap`. */
static void name_everywhere(dbt_store *store, const char *trap)
{
    char script[1200];
    (void)snprintf(script, sizeof script,
                   "UPDATE source SET name = '%s'; UPDATE split SET name = '%s', origin ="
                   " json_object('parent', '%s', 'path', '%s') WHERE id = 2;"
                   "UPDATE run SET status = 'interrupted', name = '%s', settings = json_remove("
                   "json_set(settings, '$.validation', '%s', '$.spill_folder', '%s', '$.folder',"
                   " '%s', '$.cache', '%s', '$.blas', '%s'), '$.digest')",
                   trap, trap, trap, trap, trap, trap, trap, trap, trap, trap);
    run_sql(store, script);
}

static void use_all(dbt_store *store)
{
    dbt_error err = {0};
    dbt_resume resume;
    dbt_fit_result result;
    dbt_report report;
    dbt_info info;
    char *validation = ask_text(store, "SELECT name FROM split WHERE id = 2");
    assert_ok(dbt_resume_find(store, NULL, &resume, &err), err);
    resume.options.epochs = 1;
    assert_ok(dbt_fit(store, &resume.options, NULL, &result, &err), err);
    assert_int_equal(result.run_id, 1);
    dbt_model *model = open_model(store, NULL, DBT_WEIGHTS_BEST);
    assert_ok(dbt_evaluate(store, model, validation, 1, NULL, &report, &err), err);
    assert_ok(dbt_info_read(store, &info, &err), err);
    ingest_files(store, (const char *const[]){DBT_TEST_DATA "/quickstart-test.csv"}, 1);
    dbt_info_release(&info);
    dbt_report_release(&report);
    dbt_model_close(model);
    dbt_resume_release(&resume);
    free(validation);
}

static bool was_opened(int watch)
{
    char event[4096];
    ssize_t bytes = read(watch, event, sizeof event);
    assert_true(bytes > 0 || errno == EAGAIN);
    return bytes > 0;
}

static void test_claims__no_path_of_a_file_is_opened(void **state)
{
    (void)state;
    size_t bytes;
    free(make_fitted(&bytes));
    assert_int_equal(mkdir(path_of("trap"), 0700), 0);
    write_file(path_of("trap/secret"), "a,b\n", 4);
    int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    assert_true(watch >= 0);
    assert_true(inotify_add_watch(watch, path_of("trap"), IN_ALL_EVENTS) >= 0);
    dbt_error err = {0};
    dbt_store *store;
    assert_ok(dbt_store_open(path_of("fitted.db"), DBT_STORE_WRITE, &store, &err), err);
    name_everywhere(store, path_of("trap/secret"));
    use_all(store);
    close_store(store);
    assert_false(was_opened(watch));
    free(read_file(path_of("trap/secret"), &bytes));
    assert_true(was_opened(watch));
    assert_int_equal(close(watch), 0);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_schema__what_runs_sql_of_the_file_is_refused),
        cmocka_unit_test(test_schema__what_users_made_is_left_alone),
        cmocka_unit_test(test_schema__no_trigger_runs_even_on_a_users_table),
        cmocka_unit_test(test_schema__one_without_end_is_refused_in_bounded_memory),
        cmocka_unit_test(test_damage__a_flipped_byte_is_told_or_changes_no_number),
        cmocka_unit_test(test_damage__a_flipped_bit_is_told_or_changes_no_evaluation),
        cmocka_unit_test(test_damage__of_a_document_s_head_is_told),
        cmocka_unit_test(test_damage__of_a_text_is_told_and_a_change_is_none),
        cmocka_unit_test(test_damage__what_a_shell_inserts_is_none),
        cmocka_unit_test(test_damage__of_a_name_is_told),
        cmocka_unit_test(test_damage__a_split_that_counts_less_than_it_has_is_refused),
        cmocka_unit_test(test_damage__a_table_without_end_is_refused),
        cmocka_unit_test(test_damage__settings_belong_to_what_was_fitted),
        cmocka_unit_test(test_damage__a_file_cut_short_is_refused),
        cmocka_unit_test(test_file__what_is_no_database_is_refused),
        cmocka_unit_test(test_claims__are_checked_before_memory_is_taken),
        cmocka_unit_test(test_claims__of_a_run_that_is_to_go_on),
        cmocka_unit_test(test_claims__what_is_no_json_is_damage),
#ifdef __linux__
        cmocka_unit_test(test_claims__no_path_of_a_file_is_opened),
#endif
    };
    return cmocka_run_group_tests_name("hostile", tests, make_folder, remove_folder);
}
