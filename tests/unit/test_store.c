/* test_store.c: opening, refusing, making and closing the file; splits; the views. */
#define _GNU_SOURCE /* __fsword_t */
#include "scratch.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <dbtrain/store.h>
#include <sqlite3.h>

#include "base.h"
#include "store_internal.h"

/* The schema version of today. */
enum { LATEST = 3 };

/* The whole file; freed with free. */
static char *slurp(const char *path, size_t *bytes)
{
    struct stat facts;
    assert_int_equal(stat(path, &facts), 0);
    *bytes = (size_t)facts.st_size;
    char *data = malloc(*bytes + 1);
    FILE *file = fopen(path, "rb");
    assert_non_null(data);
    assert_non_null(file);
    assert_int_equal(fread(data, 1, *bytes, file), *bytes);
    assert_int_equal(fclose(file), 0);
    return data;
}

static void run(dbt_store *store, const char *script)
{
    dbt_error err = {0};
    assert_ok(dbt__sql_exec(dbt__store_sql(store), script, &err), err);
}

static int64_t ask(dbt_store *store, const char *query)
{
    dbt_error err = {0};
    int64_t value;
    assert_ok(dbt__sql_int(dbt__store_sql(store), query, -1, &value, &err), err);
    return value;
}

static dbt_store *create(const char *path)
{
    dbt_error err = {0};
    dbt_store *store;
    assert_ok(dbt_store_open(path, DBT_STORE_CREATE, &store, &err), err);
    return store;
}

static void close_store(dbt_store *store)
{
    dbt_error err = {0};
    assert_ok(dbt_store_close(store, &err), err);
}

/* A database of another program's, or one that a script has spoilt. */
static void make_with_sql(const char *path, const char *script)
{
    dbt_error err = {0};
    dbt__sql *sql;
    assert_ok(dbt__sql_open(path, DBT__SQL_CREATE, &sql, &err), err);
    assert_ok(dbt__sql_exec(sql, script, &err), err);
    dbt__sql_close(sql);
}

/* Changes what the header of a database says of its encoding: 1 is UTF-8, 2 UTF-16le. */
static void set_encoding(const char *path, int encoding)
{
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, 59, SEEK_SET), 0);
    assert_int_equal(fputc(encoding, file), encoding);
    assert_int_equal(fclose(file), 0);
}

static void test_store__create_makes_a_file_that_says_what_it_is(void **state)
{
    (void)state;
    static const char *const names[] = {"new.db", "zero.db"};
    write_file(path_of("zero.db"), "", 0);
    for (size_t i = 0; i < 2; i++) {
        dbt_store *store = create(path_of(names[i]));
        assert_string_equal(dbt_store_path(store), path_of(names[i]));
        assert_true(dbt_store_writable(store));
        assert_int_equal(ask(store, "PRAGMA application_id"), 0x64627472);
        assert_int_equal(ask(store, "PRAGMA user_version"), LATEST);
        assert_int_equal(ask(store, "SELECT journal_mode = 'wal' FROM pragma_journal_mode"), 1);
        assert_int_equal(ask(store, "PRAGMA page_size"), 65536);
        assert_int_equal(ask(store,
                             "SELECT count(*) FROM pragma_table_list WHERE schema = 'main'"
                             " AND type = 'table' AND NOT strict AND name NOT LIKE 'sqlite%'"),
                         0);
        assert_int_equal(ask(store, "SELECT count(*) FROM pragma_table_list WHERE strict"), 19);
        assert_int_equal(ask(store, "SELECT count(*) FROM sqlite_schema WHERE type = 'view'"), 7);
        close_store(store);
        assert_false(exists(path_of(i == 0 ? "new.db-wal" : "zero.db-wal")));
        dbt_error err = {0};
        assert_ok(dbt_store_open(path_of(names[i]), DBT_STORE_READ, &store, &err), err);
        assert_false(dbt_store_writable(store));
        assert_int_equal(ask(store, "SELECT count(*) FROM corpus"), 0);
        close_store(store);
    }
}

/* A new file that is abandoned goes, unless something is in it, or somebody is. */
static void test_store__abandoned_files_go_when_they_are_nobodys(void **state)
{
    (void)state;
    static const struct {
        const char *by_store, *by_other;
        bool stays;
    } cases[] = {
        {NULL, NULL, false},
        {"INSERT INTO source (name, format, status) VALUES ('a', 'csv', 'refused')", NULL, true},
        {NULL, "CREATE TABLE mine (a)", true},
        {NULL, "INSERT INTO label (name) VALUES ('a')", true},
        {NULL, "BEGIN; SELECT * FROM label", true},
        {NULL, "SELECT * FROM label", true}, /* it has it open still */
        {NULL, "BEGIN IMMEDIATE; CREATE TABLE mine (a)", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sqlite3 *other = NULL;
        dbt_store *store = create(path_of("abandoned.db"));
        if (cases[i].by_store != NULL) run(store, cases[i].by_store);
        run(store, "PRAGMA busy_timeout = 10");
        if (cases[i].by_other != NULL) {
            assert_int_equal(sqlite3_open(path_of("abandoned.db"), &other), SQLITE_OK);
            assert_int_equal(sqlite3_exec(other, cases[i].by_other, NULL, NULL, NULL), SQLITE_OK);
        }
        (void)dbt_store_abandon(store, NULL);
        if (exists(path_of("abandoned.db")) != cases[i].stays) fail_msg("case %zu", i);
        assert_false(exists(path_of("abandoned.db-writer")));
        assert_int_equal(sqlite3_close(other), SQLITE_OK);
        (void)unlink(path_of("abandoned.db"));
        assert_false(exists(path_of("abandoned.db-wal")));
    }
    close_store(create(path_of("abandoned.db")));
    dbt_store *store = create(path_of("abandoned.db"));
    assert_int_equal(dbt_store_abandon(store, NULL), DBT_OK); /* it was there */
    assert_true(exists(path_of("abandoned.db")));
    assert_int_equal(dbt_store_abandon(NULL, NULL), DBT_OK);
}

static void test_store__create_finishes_what_a_killed_one_began(void **state)
{
    (void)state;
    make_with_sql(path_of("begun.db"), "PRAGMA journal_mode = WAL");
    close_store(create(path_of("begun.db")));
    dbt_store *store = create(path_of("begun.db"));
    assert_int_equal(ask(store, "PRAGMA user_version"), LATEST);
    close_store(store);
}

/* What later versions added is taken out again, and a view that is made anew. Files that programs
 * of these versions made are read in cli/older-databases. */
static void make_version_1(const char *path)
{
    dbt_store *store = create(path);
    run(store, "DROP TRIGGER document_inserted; DROP TRIGGER document_changed; ALTER TABLE "
               "document DROP COLUMN checksum;"
               "ALTER TABLE evaluation DROP COLUMN fingerprint;"
               "DROP TABLE row_block; DROP TABLE row_cache; DROP VIEW history;"
               "PRAGMA user_version = 1;"
               "INSERT INTO label (id, name) VALUES (1, 'pos');"
               "INSERT INTO document (id, label_id, text) VALUES (1, 1, 'a good film')");
    close_store(store);
}

static void test_store__a_file_of_version_1_is_brought_to_todays_by_a_writer(void **state)
{
    (void)state;
    static const dbt_store_mode modes[] = {DBT_STORE_WRITE, DBT_STORE_CREATE};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        dbt_error err = {0};
        dbt_store *store;
        const char *path = path_of(i == 0 ? "old-write.db" : "old-create.db");
        make_version_1(path);
        assert_int_equal(dbt_store_open(path, DBT_STORE_READ, &store, &err), DBT_EFORMAT);
        assert_non_null(strstr(err.message, "has schema version 1, of an older dbtrain: a command "
                                            "that writes brings it to version 3; 'dbtrain rm "));
        err = (dbt_error){0};
        assert_ok(dbt_store_open(path, modes[i], &store, &err), err);
        assert_int_equal(ask(store, "PRAGMA user_version"), LATEST);
        assert_int_equal(ask(store, "SELECT count(*) FROM row_cache"), 0);
        assert_int_equal(ask(store, "SELECT count(*) FROM row_block"), 0);
        assert_int_equal(ask(store, "SELECT count(*) FROM history"), 0);
        assert_int_equal(ask(store, "SELECT count(*) FROM corpus WHERE label = 'pos'"), 1);
        close_store(store);
        assert_ok(dbt_store_open(path, DBT_STORE_READ, &store, &err), err);
        close_store(store);
    }
}

/* A migration that fails leaves the file as it was. */
static void test_store__a_migration_is_done_whole_or_not_at_all(void **state)
{
    (void)state;
    dbt_error err = {0};
    dbt_store *store;
    make_version_1(path_of("half.db"));
    make_with_sql(path_of("half.db"), "CREATE TABLE row_block (x)");
    assert_int_equal(dbt_store_open(path_of("half.db"), DBT_STORE_WRITE, &store, &err),
                     DBT_EFORMAT);
    assert_non_null(strstr(err.message, "schema version 2 needs a name that something of your own "
                                        "has: "));
    assert_non_null(strstr(err.message, "table row_block already exists"));
    assert_null(store);
    make_with_sql(path_of("half.db"), "CREATE TABLE row_cache (x); DROP TABLE row_cache;"
                                      "DROP TABLE row_block");
    err = (dbt_error){0};
    assert_ok(dbt_store_open(path_of("half.db"), DBT_STORE_WRITE, &store, &err), err);
    assert_int_equal(ask(store, "PRAGMA user_version"), LATEST);
    close_store(store);
}

static void test_store__refused_files_are_left_as_they_were(void **state)
{
    (void)state;
    write_file(path_of("text.db"), "pos,a good film, as good as any that I have seen\n", 49);
    write_file(path_of("gzip.db"), "\x1f\x8b\x08\0\0\0\0\0\0\3abcdefghijklmnopqrstuvwxyz", 36);
    write_file(path_of("empty.db"), "", 0);
    make_with_sql(path_of("foreign.db"),
                  "CREATE TABLE document (x); INSERT INTO document VALUES (1)");
    make_with_sql(path_of("id.db"), "PRAGMA application_id = 77; PRAGMA user_version = 1");
    make_with_sql(path_of("utf16.db"),
                  "PRAGMA application_id = 1684173938; PRAGMA user_version = 1");
    set_encoding(path_of("utf16.db"), 2);
    dbt_store *made = create(path_of("newer.db"));
    run(made, "INSERT INTO label (name) VALUES ('pos'); PRAGMA user_version = 7");
    close_store(made);
    static const struct {
        const char *name;
        dbt_store_mode mode;
        const char *message;
    } cases[] = {
        {"missing.db", DBT_STORE_READ, "no such file '"},
        {"missing.db", DBT_STORE_WRITE, "no such file '"},
        {".", DBT_STORE_CREATE, "is a folder"},
        {"text.db", DBT_STORE_CREATE, "file is not a database"},
        {"gzip.db", DBT_STORE_WRITE, "file is not a database"},
        {"empty.db", DBT_STORE_READ, "is empty, not a dbtrain file"},
        {"empty.db", DBT_STORE_WRITE, "is empty, not a dbtrain file"},
        {"foreign.db", DBT_STORE_CREATE, "an SQLite database, but not a dbtrain file"},
        {"id.db", DBT_STORE_CREATE, "(application_id 77)"},
        {"utf16.db", DBT_STORE_CREATE, "not in UTF-8"},
        {"newer.db", DBT_STORE_READ, "it has schema version 7, this program knows up to 3"},
        {"newer.db", DBT_STORE_CREATE, "it has schema version 7, this program knows up to 3"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *path = path_of(cases[i].name);
        bool is_file = exists(path) && cases[i].name[0] != '.';
        size_t before_bytes = 0, after_bytes = 0;
        char *before = is_file ? slurp(path, &before_bytes) : NULL;
        dbt_error err = {0};
        dbt_store *store;
        assert_int_equal(dbt_store_open(path, cases[i].mode, &store, &err), DBT_EFORMAT);
        assert_null(store);
        if (strstr(err.message, cases[i].message) == NULL) fail_msg("%s", err.message);
        char *after = is_file ? slurp(path, &after_bytes) : NULL;
        assert_int_equal(before_bytes, after_bytes);
        if (is_file) assert_memory_equal(before, after, before_bytes);
        free(before);
        free(after);
    }
    assert_false(exists(path_of("missing.db")));
}

static void test_store__close_says_when_the_log_could_not_be_emptied(void **state)
{
    (void)state;
    dbt_error err = {0};
    dbt_store *store = create(path_of("busy.db"));
    dbt__sql *reader;
    assert_ok(dbt__store_reader(store, &reader, &err), err);
    assert_ok(dbt__sql_exec(reader, "BEGIN; SELECT count(*) FROM label", &err), err);
    run(store, "INSERT INTO label (name) VALUES ('pos'); PRAGMA busy_timeout = 10");
    assert_int_equal(dbt_store_close(store, &err), DBT_ELOCKED);
    assert_non_null(strstr(err.message, "nothing is lost"));
    dbt__sql_close(reader);
    assert_true(exists(path_of("busy.db-wal")));
    store = create(path_of("busy.db"));
    assert_int_equal(ask(store, "SELECT count(*) FROM label"), 1);
    close_store(store);
    assert_false(exists(path_of("busy.db-wal")));
    assert_int_equal(dbt_store_close(NULL, &err), DBT_OK);
}

/* statfs as the linker wraps it: on a system of files with this magic number, if it is not 0. */
static uint32_t claimed_magic;
int __real_statfs(const char *path, struct statfs *facts);
int __wrap_statfs(const char *path, struct statfs *facts);
int __wrap_statfs(const char *path, struct statfs *facts)
{
    int result = __real_statfs(path, facts);
    if (claimed_magic != 0) facts->f_type = (__fsword_t)claimed_magic;
    return result;
}

typedef struct told_lines {
    int n;
    char last[DBT_ERROR_BYTES];
} told_lines;

static void keep_line(void *context, const char *line)
{
    told_lines *told = context;
    told->n++;
    (void)snprintf(told->last, sizeof told->last, "%s", line);
}

static void test_store__cautions_of_systems_whose_locks_fail(void **state)
{
    (void)state;
    static const struct {
        uint32_t magic;
        const char *name;
    } cases[] = {
        {0x6969, "on NFS,"},    {0xff534d42, "on CIFS,"}, {0xfe534d42, "on SMB,"},
        {0x01021997, "on 9P,"}, {0x65735546, "on FUSE,"}, {0xef53, NULL}, /* ext4 */
        {0x01021994, NULL},                                               /* tmpfs */
    };
    dbt_store *store = create(path_of("placed.db"));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        told_lines told = {0};
        claimed_magic = cases[i].magic;
        dbt_store_cautions(store, keep_line, &told);
        claimed_magic = 0;
        assert_int_equal(told.n, cases[i].name != NULL);
        if (cases[i].name != NULL) assert_non_null(strstr(told.last, cases[i].name));
    }
    close_store(store);
}

static void test_store__cautions_of_a_second_name(void **state)
{
    (void)state;
    char other[256];
    (void)snprintf(other, sizeof other, "%s-too", path_of("named.db"));
    dbt_store *store = create(path_of("named.db"));
    told_lines told = {0};
    claimed_magic = 0xef53;
    dbt_store_cautions(store, keep_line, &told);
    assert_int_equal(told.n, 0);
    assert_int_equal(link(path_of("named.db"), other), 0);
    dbt_store_cautions(store, keep_line, &told);
    claimed_magic = 0;
    assert_int_equal(told.n, 1);
    assert_non_null(strstr(told.last, "has 2 names"));
    close_store(store);
    assert_int_equal(unlink(other), 0);
}

static void test_store__find_split_lists_what_there_is(void **state)
{
    (void)state;
    dbt_error err = {0};
    dbt_split split;
    dbt_store *store = create(path_of("splits.db"));
    assert_int_equal(dbt_store_find_split(store, "train", &split, &err), DBT_EUSAGE);
    assert_non_null(strstr(err.message, "no split 'train' in '"));
    assert_non_null(strstr(err.message, "splits.db' (it has none)"));
    run(store, "INSERT INTO split (name, documents) VALUES ('train', 3), ('test', 4)");
    err = (dbt_error){0};
    assert_int_equal(dbt_store_find_split(store, "trian", &split, &err), DBT_EUSAGE);
    assert_non_null(strstr(err.message, "splits.db' (has: train, test)"));
    err = (dbt_error){0};
    assert_ok(dbt_store_find_split(store, "test", &split, &err), err);
    assert_int_equal(split.id, 2);
    assert_int_equal(split.documents, 4);
    close_store(store);
}

/*
 * A split 'all' of n documents in three labels, sorted by label, and every tenth without one. Every
 * seventh text is 'copy', under changing labels.
 */
static dbt_store *make_corpus(const char *name, int n)
{
    char script[1024];
    dbt_store *store = create(path_of(name));
    (void)snprintf(
        script, sizeof script,
        "INSERT INTO label (name) VALUES ('a'), ('b'), ('c');"
        "INSERT INTO split (name, documents) VALUES ('all', %d);"
        "WITH RECURSIVE i (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM i WHERE n + 1 < %d)"
        " INSERT INTO document (label_id, text) SELECT iif(n %% 10 = 9, NULL, n * 3 / %d + 1),"
        " iif(n %% 7 = 3, 'copy', 'text ' || n) FROM i;"
        "INSERT INTO split_document SELECT 1, id - 1, id FROM document",
        n, n, n);
    run(store, script);
    return store;
}

static void hold_out_of(dbt_store *store, const char *name, double fraction, uint64_t seed,
                        dbt_split *train, dbt_split *validation, bool *reused)
{
    dbt_error err = {0};
    const dbt_hold_out_options options = {.fraction = fraction, .seed = seed};
    assert_ok(dbt_store_hold_out(store, name, &options, train, validation, reused, &err), err);
    assert_true(dbt__sql_idle(dbt__store_sql(store)));
}

static void hold_out(dbt_store *store, double fraction, uint64_t seed, dbt_split *train,
                     dbt_split *validation, bool *reused)
{
    hold_out_of(store, "all", fraction, seed, train, validation, reused);
}

static void test_hold_out__parts_are_whole_and_ordered(void **state)
{
    (void)state;
    dbt_split train, validation;
    bool reused;
    dbt_store *store = make_corpus("parts.db", 10000);
    hold_out(store, 0.2, 123, &train, &validation, &reused);
    assert_false(reused);
    assert_int_equal(train.documents + validation.documents, 10000);
    /* 0.2 of the 8,571 different texts: 1714, standard deviation 37; the copies are on one side. */
    assert_true(fabs((double)(validation.documents % 10000) - 1714) < 5 * 37 ||
                fabs((double)(validation.documents - 1429) - 1714) < 5 * 37);
    assert_int_equal(ask(store, "SELECT count(DISTINCT document_id) FROM split_document"
                                " WHERE split_id > 1"),
                     10000);
    assert_int_equal(ask(store, "SELECT count(*) FROM split JOIN (SELECT split_id, count(*) AS n,"
                                " max(position) AS last FROM split_document GROUP BY 1) AS s"
                                " ON s.split_id = split.id"
                                " WHERE split.documents <> s.n OR s.last <> s.n - 1"),
                     0);
    /* The order is the parent's. */
    assert_int_equal(ask(store, "SELECT count(*) FROM split_document AS a JOIN split_document AS b"
                                " ON b.split_id = a.split_id AND b.position = a.position + 1"
                                " WHERE a.document_id >= b.document_id"),
                     0);
    /* What was held out once must be held out by every later program. */
    assert_int_equal(validation.documents, 1693);
    assert_int_equal(ask(store, "SELECT sum(document_id) FROM split_document WHERE split_id = 3"),
                     8484998);
    dbt_split found;
    dbt_error err = {0};
    assert_ok(dbt_store_find_split(store, "all/validation", &found, &err), err);
    assert_int_equal(found.id, validation.id);
    assert_int_equal(found.documents, validation.documents);
    close_store(store);
}

static void test_hold_out__copies_never_straddle_and_labels_start_in_training(void **state)
{
    (void)state;
    dbt_split train, validation;
    bool reused;
    dbt_store *store = make_corpus("copies.db", 400);
    int copies_held = 0;
    /* A label whose first document is a copy of earlier documents of other labels. */
    run(store, "INSERT INTO label (name) VALUES ('late');"
               "INSERT INTO document (label_id, text) VALUES (4, 'text 5'), (4, 'text 401');"
               "INSERT INTO split_document VALUES (1, 400, 401), (1, 401, 402);"
               "UPDATE split SET documents = 402");
    for (uint64_t seed = 0; seed < 40; seed++) {
        hold_out(store, 0.5, seed, &train, &validation, &reused);
        assert_int_equal(ask(store, "SELECT count(*) FROM (SELECT text FROM corpus"
                                    " WHERE split LIKE 'all/%' GROUP BY text"
                                    " HAVING count(DISTINCT split) > 1)"),
                         0);
        assert_int_equal(ask(store, "SELECT count(*) FROM (SELECT min(id) AS id FROM document"
                                    " WHERE label_id IS NOT NULL GROUP BY label_id) AS first"
                                    " JOIN corpus ON corpus.id = first.id"
                                    " WHERE corpus.split = 'all/train'"),
                         4);
        assert_int_equal(ask(store, "SELECT count(*) FROM corpus WHERE text = 'text 5'"
                                    " AND split = 'all/validation'"),
                         0);
        copies_held += (int)ask(store, "SELECT count(*) > 0 FROM corpus WHERE text = 'copy'"
                                       " AND split = 'all/validation'");
    }
    assert_in_range(copies_held, 8, 32); /* 20, standard deviation 3.2 */
    close_store(store);
}

static void test_hold_out__is_reused_until_something_changes(void **state)
{
    (void)state;
    dbt_split train, validation, again, other;
    bool reused;
    dbt_store *store = make_corpus("reuse.db", 5000);
    hold_out(store, 0.2, 123, &train, &validation, &reused);
    hold_out(store, 0.2, 123, &again, &other, &reused);
    assert_true(reused);
    assert_int_equal(again.id, train.id);
    assert_int_equal(again.documents, train.documents);
    assert_int_equal(other.id, validation.id);
    assert_int_equal(other.documents, validation.documents);
    static const struct {
        const char *change;
        double fraction;
        uint64_t seed;
    } changes[] = {
        {"", 0.2, 124},
        {"", 0.25, 124},
        {"UPDATE document SET text = 'other' WHERE id = 17", 0.25, 124},
        {"UPDATE document SET label_id = 2 WHERE id = 1", 0.25, 124},
        {"DELETE FROM split_document WHERE split_id = 2 AND position = 5", 0.25, 124},
        {"UPDATE split_document SET document_id = 5000 - position WHERE split_id = 1", 0.25, 124},
    };
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        run(store, changes[i].change);
        hold_out(store, changes[i].fraction, changes[i].seed, &again, &other, &reused);
        assert_false(reused);
        assert_int_equal(again.id, train.id);
        assert_int_equal(other.id, validation.id);
        assert_int_equal(again.documents + other.documents, 5000);
        hold_out(store, changes[i].fraction, changes[i].seed, &again, &other, &reused);
        assert_true(reused);
    }
    close_store(store);
}

static void test_hold_out__a_split_of_another_origin_is_left_alone(void **state)
{
    (void)state;
    dbt_store *store = make_corpus("own.db", 500);
    run(store, "INSERT INTO split (name, documents) VALUES ('all/validation', 2);"
               "INSERT INTO split_document VALUES (2, 0, 7), (2, 1, 8)");
    dbt_split train, validation;
    dbt_error err = {0};
    bool reused;
    assert_int_equal(dbt_store_hold_out(store, "all",
                                        &(dbt_hold_out_options){.fraction = 0.2, .seed = 1}, &train,
                                        &validation, &reused, &err),
                     DBT_EUSAGE);
    assert_string_equal(err.message, "split 'all/validation' was not cut from 'all', so it is left "
                                     "alone: give the split to validate on, or rename that one");
    assert_int_equal(ask(store, "SELECT count(*) FROM split"), 2);
    assert_int_equal(ask(store, "SELECT count(*) FROM split_document WHERE split_id = 2"), 2);
    close_store(store);
}

static void test_store__a_file_that_is_written_is_in_wal_mode(void **state)
{
    (void)state;
    dbt_error err = {0};
    close_store(make_corpus("copied.db", 10));
    dbt__sql *sql;
    assert_ok(dbt__sql_open(path_of("copied.db"), DBT__SQL_WRITE, &sql, &err), err);
    assert_ok(dbt__sql_exec(sql, "PRAGMA journal_mode = DELETE", &err), err);
    dbt__sql_close(sql);
    dbt_store *store;
    assert_ok(dbt_store_open(path_of("copied.db"), DBT_STORE_READ, &store, &err), err);
    assert_int_equal(ask(store, "SELECT journal_mode = 'delete' FROM pragma_journal_mode"), 1);
    close_store(store);
    assert_ok(dbt_store_open(path_of("copied.db"), DBT_STORE_WRITE, &store, &err), err);
    assert_int_equal(ask(store, "SELECT journal_mode = 'wal' FROM pragma_journal_mode"), 1);
    close_store(store);
}

static bool may_write;

static void ask_rights(const char *path)
{
    may_write = dbt_store_may_write(path);
}

static void open_as_told(const char *path)
{
    dbt_error err = {0};
    dbt_store *store;
    ask_rights(path);
    assert_ok(dbt_store_open(path, may_write ? DBT_STORE_WRITE : DBT_STORE_READ, &store, &err),
              err);
    close_store(store);
}

static void test_store__may_be_written_with_its_folder(void **state)
{
    (void)state;
    static const struct {
        mode_t file, folder;
        bool may;
    } cases[] = {{0666, 0777, true}, {0444, 0777, false}, {0666, 0555, false}, {0444, 0555, false}};
    char path[160], linked[160];
    (void)snprintf(path, sizeof path, "%s", path_of("shared/a.db"));
    (void)snprintf(linked, sizeof linked, "%s", path_of("linked.db"));
    assert_int_equal(mkdir(path_of("shared"), 0755), 0);
    close_store(make_corpus("shared/a.db", 10));
    assert_int_equal(symlink("shared/a.db", linked), 0);
    assert_int_equal(chmod(folder, 0755), 0); /* nobody may write where the link is */
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *const names[] = {path, linked};
        assert_int_equal(chmod(path, cases[i].file), 0);
        assert_int_equal(chmod(path_of("shared"), cases[i].folder), 0);
        for (size_t j = 0; j < 2; j++) {
            as_nobody(ask_rights, names[j]);
            assert_int_equal(may_write, cases[i].may);
            as_nobody(open_as_told, names[j]);
        }
    }
    assert_int_equal(chmod(path_of("shared"), 0755), 0);
    assert_false(dbt_store_may_write(path_of("none.db")));
    assert_false(dbt_store_may_write(path_of("none/a.db")));
}

static void test_hold_out__documents_that_are_added_move_no_other(void **state)
{
    (void)state;
    dbt_split train, validation;
    bool reused;
    dbt_store *store = make_corpus("grow.db", 3000);
    hold_out(store, 0.3, 5, &train, &validation, &reused);
    run(store, "CREATE TEMP TABLE before AS SELECT * FROM split_document WHERE split_id > 1;"
               "WITH RECURSIVE i (n) AS (SELECT 3000 UNION ALL SELECT n + 1 FROM i WHERE n < 3499)"
               " INSERT INTO document (label_id, text) SELECT 1, 'text ' || n FROM i;"
               "INSERT INTO split_document SELECT 1, id - 1, id FROM document WHERE id > 3000;"
               "UPDATE split SET documents = 3500 WHERE id = 1");
    int64_t before = validation.documents;
    hold_out(store, 0.3, 5, &train, &validation, &reused);
    assert_false(reused);
    assert_true(validation.documents > before);
    assert_int_equal(ask(store, "SELECT count(*) FROM before JOIN split_document AS after"
                                " USING (split_id, position, document_id)"),
                     3000);
    close_store(store);
}

/* The texts that are left have hashes above the limit of the first cut. */
static void test_hold_out__a_part_is_cut_by_other_hashes(void **state)
{
    (void)state;
    dbt_split train, validation, parent;
    bool reused;
    dbt_store *store = make_corpus("nested.db", 10000);
    hold_out(store, 0.2, 123, &parent, &validation, &reused);
    for (int i = 0; i < 2; i++) {
        hold_out_of(store, "all/train", 0.2, 123, &train, &validation, &reused);
        assert_int_equal(reused, i);
        assert_int_equal(train.documents + validation.documents, parent.documents);
    }
    /* Of some 6,900 different texts and 1,429 copies, which are on one side. */
    int64_t n = validation.documents;
    if (n > 2000) n -= 1429;
    assert_true(fabs((double)n - 0.2 * (10000 - 1429) * 0.8) < 5 * 34);
    close_store(store);
}

static void test_hold_out__options_begin_as_fit_s_do(void **state)
{
    (void)state;
    dbt_hold_out_options options;
    dbt_hold_out_options_init(&options);
    assert_true(options.fraction == 0.2);
    assert_int_equal(options.seed, 123);
    assert_null(options.stop);
}

static bool stop_later(void *asks_left)
{
    return (*(int *)asks_left)-- == 0;
}

static void test_hold_out__that_is_interrupted_leaves_the_file_as_it_was(void **state)
{
    (void)state;
    static const char everything[] =
        "SELECT sum((split_id * 10007 + position) * 10009 + document_id) +"
        " (SELECT sum(id * documents) FROM split) FROM split_document";
    dbt_store *store = make_corpus("interrupted.db", 5000);
    dbt_split train, validation;
    bool reused;
    hold_out(store, 0.5, 1, &train, &validation, &reused);
    int64_t before = ask(store, everything);
    int asks = 0;
    for (dbt_status status = DBT_EINTERRUPTED; status != DBT_OK; asks++) {
        int left = asks;
        dbt_error err = {0};
        status = dbt_store_hold_out(
            store, "all",
            &(dbt_hold_out_options){
                .fraction = 0.2, .seed = 1, .stop = stop_later, .context = &left},
            &train, &validation, &reused, &err);
        assert_int_equal(status, left < 0 ? DBT_EINTERRUPTED : DBT_OK);
        assert_true(dbt__sql_idle(dbt__store_sql(store)));
        assert_int_equal(ask(store, everything) == before, status != DBT_OK);
    }
    assert_int_equal(asks, 5); /* two chunks are read, two written */
    close_store(store);
}

static void test_hold_out__refuses_what_cannot_be_cut(void **state)
{
    (void)state;
    dbt_split train, validation;
    bool reused;
    dbt_store *store = make_corpus("refuse.db", 30);
    static const double fractions[] = {0, 1, -0.1, 1.5, (double)NAN};
    for (size_t i = 0; i < sizeof fractions / sizeof fractions[0]; i++)
        assert_int_equal(
            dbt_store_hold_out(store, "all",
                               &(dbt_hold_out_options){.fraction = fractions[i], .seed = 1}, &train,
                               &validation, &reused, NULL),
            DBT_EUSAGE);
    assert_int_equal(dbt_store_hold_out(store, "none",
                                        &(dbt_hold_out_options){.fraction = 0.5, .seed = 1}, &train,
                                        &validation, &reused, NULL),
                     DBT_EUSAGE);
    dbt_error err = {0};
    assert_int_equal(dbt_store_hold_out(store, "all",
                                        &(dbt_hold_out_options){.fraction = 1e-9, .seed = 1},
                                        &train, &validation, &reused, &err),
                     DBT_EDATA);
    assert_non_null(strstr(err.message, "split 'all/validation' would have no documents"));
    assert_int_equal(ask(store, "SELECT count(*) FROM split"), 1);
    assert_true(dbt__sql_idle(dbt__store_sql(store)));
    /* A document that somebody deleted, in a shell with and without foreign keys. */
    for (int keys = 0; keys < 2; keys++) {
        run(store, keys ? "PRAGMA foreign_keys = ON" : "PRAGMA foreign_keys = OFF");
        run(store,
            keys ? "DELETE FROM document WHERE id = 4" : "DELETE FROM document WHERE id = 18");
        err = (dbt_error){0};
        assert_int_equal(dbt_store_hold_out(store, "all",
                                            &(dbt_hold_out_options){.fraction = 0.5, .seed = 1},
                                            &train, &validation, &reused, &err),
                         DBT_EFORMAT);
        assert_non_null(strstr(err.message, keys ? "'all' lacks the document at position 3:"
                                                 : "'all' lacks the document at position 17:"));
    }
    close_store(store);
}

/* Joins the rows of a query: columns by |, rows by newline. */
static void assert_rows(dbt_store *store, const char *query, const char *expected)
{
    char text[2048] = "";
    dbt_error err = {0};
    dbt__statement *statement;
    dbt_status status;
    assert_ok(dbt__prepare(dbt__store_sql(store), query, &statement, &err), err);
    while ((status = dbt__step(statement, &err)) == DBT_OK) {
        for (int i = 0; i < dbt__columns(statement); i++) {
            dbt_text value = dbt__column_text(statement, i);
            size_t used = strlen(text);
            (void)snprintf(text + used, sizeof text - used, "%s%.*s", i == 0 ? "" : "|",
                           (int)value.bytes, value.data == NULL ? "" : value.data);
        }
        strcat(text, "\n");
    }
    if (status != DBT_DONE) fail_msg("%s", err.message);
    dbt__finalize(statement);
    assert_string_equal(text, expected);
}

/*
 * Actual    cat cat cat dog dog owl (none)
 * predicted cat cat dog cat dog cat  dog; label 'elk' is never seen, 'fox' only predicted, in
 * another run.
 */
static dbt_store *make_predictions(const char *name)
{
    dbt_store *store = create(path_of(name));
    run(store,
        "INSERT INTO source (name, format, status) VALUES ('a.csv', 'csv', 'loaded');"
        "INSERT INTO label (name) VALUES ('cat'), ('dog'), ('owl'), ('elk'), ('fox');"
        "INSERT INTO split (name, documents) VALUES ('train', 2), ('test', 7);"
        "INSERT INTO document (label_id, source_id, source_line, text) VALUES"
        " (1, 1, 1, 'one'), (1, 1, 2, 'two'), (1, 1, 3, 'three'), (2, 1, 4, 'four'),"
        " (2, 1, 5, 'five'), (3, 1, 6, 'six'), (NULL, 1, 7, 'seven'), (1, NULL, NULL, 'eight');"
        "INSERT INTO split_document SELECT 2, id - 1, id FROM document WHERE id < 8;"
        "INSERT INTO split_document VALUES (1, 0, 2), (1, 1, 1);"
        "INSERT INTO vectorizer (settings, fingerprint, documents, terms, digest)"
        " VALUES ('{}', 'x', 2, 2, 'x');"
        "INSERT INTO feature VALUES (1, 0, 'fur', 2, 1.0, 3.5), (1, 1, 'wing', 2, 1.0, 2.5);"
        "INSERT INTO run (name, vectorizer_id, status, seed, settings)"
        " VALUES ('first', 1, 'finished', 1, '{}'), (NULL, 1, 'finished', 1, '{}');"
        "INSERT INTO epoch VALUES (1, 1, 0.5, 0.75, 0.6, 0.7, 0.001, 7, 1.5);"
        "INSERT INTO term_effect VALUES (1, 1, 0, 0.25), (1, 3, 1, 0.5);"
        "INSERT INTO prediction VALUES (1, 2, 'best', 1, 1, 0.9), (1, 2, 'best', 2, 1, 0.8),"
        " (1, 2, 'best', 3, 2, 0.7), (1, 2, 'best', 4, 1, 0.6), (1, 2, 'best', 5, 2, 0.9),"
        " (1, 2, 'best', 6, 1, 0.5), (1, 2, 'best', 7, 2, 0.5),"
        " (2, 2, 'last', 1, 5, 0.5)");
    return store;
}

static void test_views__show_the_corpus(void **state)
{
    (void)state;
    dbt_store *store = make_predictions("corpus.db");
    assert_rows(store, "SELECT id, split, label, text, source, line FROM corpus ORDER BY id, split",
                "1|test|cat|one|a.csv|1\n1|train|cat|one|a.csv|1\n2|test|cat|two|a.csv|2\n"
                "2|train|cat|two|a.csv|2\n3|test|cat|three|a.csv|3\n4|test|dog|four|a.csv|4\n"
                "5|test|dog|five|a.csv|5\n6|test|owl|six|a.csv|6\n7|test||seven|a.csv|7\n"
                "8||cat|eight||\n");
    assert_rows(store, "SELECT split, label, documents FROM label_count ORDER BY split, label",
                "|cat|1\ntest||1\ntest|cat|3\ntest|dog|2\ntest|owl|1\ntrain|cat|2\n");
    close_store(store);
}

static void test_views__agree_with_scikit_learn(void **state)
{
    (void)state;
    dbt_store *store = make_predictions("report.db");
    assert_rows(store,
                "SELECT run_id, kind, split, actual, predicted, documents FROM confusion"
                " ORDER BY 1, 4, 5",
                "1|best|test|cat|cat|2\n1|best|test|cat|dog|1\n1|best|test|dog|cat|1\n"
                "1|best|test|dog|dog|1\n1|best|test|owl|cat|1\n2|last|test|cat|fox|1\n");
    /* precision_recall_fscore_support(zero_division=0) of the same rows. */
    assert_rows(
        store,
        "SELECT run_id, kind, split, label, printf('%.6f|%.6f|%.6f', precision, recall, f1),"
        " support FROM class_report ORDER BY 1, 4",
        "1|best|test|cat|0.500000|0.666667|0.571429|3\n"
        "1|best|test|dog|0.500000|0.500000|0.500000|2\n"
        "1|best|test|owl|0.000000|0.000000|0.000000|1\n"
        "2|last|test|cat|0.000000|0.000000|0.000000|1\n"
        "2|last|test|fox|0.000000|0.000000|0.000000|0\n");
    assert_rows(store,
                "SELECT kind, split, document_id, actual, predicted, probability, text"
                " FROM mistake WHERE run_id = 1 ORDER BY document_id",
                "best|test|3|cat|dog|0.7|three\nbest|test|4|dog|cat|0.6|four\n"
                "best|test|6|owl|cat|0.5|six\n");
    close_store(store);
}

static void test_views__show_the_runs(void **state)
{
    (void)state;
    dbt_store *store = make_predictions("runs.db");
    assert_rows(store, "SELECT * FROM history", "1|1|0.5|0.75|0.6|0.7|0.001|1.5\n");
    assert_rows(store, "SELECT run_id, label, term, effect FROM top_feature ORDER BY effect DESC",
                "1|owl|wing|0.5\n1|cat|fur|0.25\n");
    close_store(store);
}

/* Views must stay cheap on millions of documents: no scan where a seek will do. */
static void test_views__seek_where_they_can(void **state)
{
    (void)state;
    static const struct {
        const char *query;
        const char *forbidden;
    } cases[] = {
        {"SELECT * FROM corpus WHERE split = 'test'", "SCAN split_document"},
        {"SELECT * FROM corpus WHERE id = 1", "SCAN document"},
        {"SELECT * FROM label_count", "AUTOMATIC"},
        {"SELECT * FROM confusion WHERE run_id = 1", "SCAN prediction"},
        {"SELECT * FROM class_report WHERE run_id = 1 AND split = 'test'", "SCAN prediction"},
        {"SELECT * FROM mistake WHERE run_id = 1", "SCAN prediction"},
        {"DELETE FROM document WHERE id = 1", "SCAN"},
    };
    dbt_store *store = make_predictions("plans.db");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char query[256];
        dbt_error err = {0};
        dbt__statement *statement;
        int rows = 0;
        (void)snprintf(query, sizeof query, "EXPLAIN QUERY PLAN %s", cases[i].query);
        assert_ok(dbt__prepare(dbt__store_sql(store), query, &statement, &err), err);
        for (; dbt__step(statement, &err) == DBT_OK; rows++) {
            dbt_text step = dbt__column_text(statement, 3);
            char line[256];
            (void)snprintf(line, sizeof line, "%.*s", (int)step.bytes, step.data);
            if (strstr(line, cases[i].forbidden) != NULL) fail_msg("%s: %s", query, line);
        }
        assert_true(rows > 0);
        dbt__finalize(statement);
    }
    close_store(store);
}

static void test_lock__a_second_writer_is_refused_and_told_who(void **state)
{
    (void)state;
    dbt_error err = {0};
    dbt_store *first, *second, *reader;
    char linked[160], holder[32];
    (void)snprintf(linked, sizeof linked, "%s", path_of("link.db"));
    assert_ok(dbt_store_open(path_of("lock.db"), DBT_STORE_CREATE, &first, &err), err);
    assert_int_equal(symlink(path_of("lock.db"), linked), 0);
    (void)snprintf(holder, sizeof holder, "process %ld since", (long)getpid());
    const char *const names[] = {path_of("lock.db"), linked};
    for (size_t i = 0; i < 2; i++) {
        dbt_error refused = {0};
        assert_int_equal(dbt_store_open(names[i], DBT_STORE_WRITE, &second, &refused), DBT_ELOCKED);
        assert_null(second);
        assert_non_null(strstr(refused.message, holder));
    }
    assert_ok(dbt_store_open(linked, DBT_STORE_READ, &reader, &err), err);
    assert_true(dbt__store_has_writer(reader));
    assert_ok(dbt_store_close(first, &err), err);
    assert_false(dbt__store_has_writer(reader));
    assert_false(exists(path_of("lock.db-writer")));
    assert_ok(dbt_store_close(reader, &err), err);
    assert_ok(dbt_store_open(linked, DBT_STORE_WRITE, &second, &err), err);
    assert_ok(dbt_store_close(second, &err), err);
}

static void test_lock__a_second_writer_is_refused_under_a_hard_link(void **state)
{
    (void)state;
    dbt_error err = {0}, refused = {0};
    dbt_store *first, *second;
    char other[160];
    (void)snprintf(other, sizeof other, "%s", path_of("other.db"));
    assert_ok(dbt_store_open(path_of("names.db"), DBT_STORE_CREATE, &first, &err), err);
    assert_ok(dbt_store_close(first, &err), err);
    assert_int_equal(link(path_of("names.db"), other), 0);
    assert_ok(dbt_store_open(path_of("names.db"), DBT_STORE_WRITE, &first, &err), err);
    assert_int_equal(dbt_store_open(other, DBT_STORE_WRITE, &second, &refused), DBT_ELOCKED);
    assert_non_null(strstr(refused.message, "hard links"));
    assert_false(exists(path_of("other.db-writer")));
    assert_ok(dbt_store_close(first, &err), err);
    assert_ok(dbt_store_open(other, DBT_STORE_WRITE, &second, &err), err);
    assert_ok(dbt_store_close(second, &err), err);
}

/* Neither a file of that name nor what a link of that name leads to is signed or removed. */
static void test_lock__files_of_others_are_left_alone(void **state)
{
    (void)state;
    dbt_error err = {0};
    dbt_store *store;
    char side[160];
    (void)snprintf(side, sizeof side, "%s", path_of("own.db-writer"));
    for (int linked = 0; linked <= 1; linked++) {
        dbt_error refused = {0};
        const char *own = linked ? path_of("precious") : side;
        FILE *file = fopen(own, "w");
        assert_non_null(file);
        assert_true(fputs("precious", file) >= 0);
        assert_int_equal(fclose(file), 0);
        if (linked) assert_int_equal(symlink(own, side), 0);
        assert_int_equal(dbt_store_open(path_of("own.db"), DBT_STORE_CREATE, &store, &refused),
                         DBT_EIO);
        assert_non_null(strstr(refused.message, "own.db-writer"));
        struct stat facts;
        assert_int_equal(stat(side, &facts), 0);
        assert_int_equal(facts.st_size, strlen("precious"));
        assert_int_equal(unlink(side), 0);
    }
    assert_ok(dbt_store_open(path_of("own.db"), DBT_STORE_CREATE, &store, &err), err);
    assert_ok(dbt_store_close(store, &err), err);
}

static void test_lock__a_killed_writer_blocks_nobody(void **state)
{
    (void)state;
    dbt_error err = {0};
    dbt_store *store;
    assert_ok(dbt_store_open(path_of("killed.db"), DBT_STORE_CREATE, &store, &err), err);
    assert_ok(dbt_store_close(store, &err), err);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (dbt_store_open(path_of("killed.db"), DBT_STORE_WRITE, &store, NULL) == DBT_OK)
            (void)kill(getpid(), SIGKILL);
        _exit(1);
    }
    int outcome;
    assert_int_equal(waitpid(child, &outcome, 0), child);
    assert_true(WIFSIGNALED(outcome) && WTERMSIG(outcome) == SIGKILL);
    assert_true(exists(path_of("killed.db-writer")));
    assert_ok(dbt_store_open(path_of("killed.db"), DBT_STORE_WRITE, &store, &err), err);
    assert_ok(dbt_store_close(store, &err), err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_store__create_makes_a_file_that_says_what_it_is),
        cmocka_unit_test(test_store__abandoned_files_go_when_they_are_nobodys),
        cmocka_unit_test(test_store__create_finishes_what_a_killed_one_began),
        cmocka_unit_test(test_store__a_file_of_version_1_is_brought_to_todays_by_a_writer),
        cmocka_unit_test(test_store__a_migration_is_done_whole_or_not_at_all),
        cmocka_unit_test(test_store__refused_files_are_left_as_they_were),
        cmocka_unit_test(test_store__close_says_when_the_log_could_not_be_emptied),
        cmocka_unit_test(test_lock__a_second_writer_is_refused_and_told_who),
        cmocka_unit_test(test_lock__a_second_writer_is_refused_under_a_hard_link),
        cmocka_unit_test(test_lock__files_of_others_are_left_alone),
        cmocka_unit_test(test_lock__a_killed_writer_blocks_nobody),
        cmocka_unit_test(test_store__cautions_of_systems_whose_locks_fail),
        cmocka_unit_test(test_store__cautions_of_a_second_name),
        cmocka_unit_test(test_store__find_split_lists_what_there_is),
        cmocka_unit_test(test_store__may_be_written_with_its_folder),
        cmocka_unit_test(test_hold_out__parts_are_whole_and_ordered),
        cmocka_unit_test(test_hold_out__copies_never_straddle_and_labels_start_in_training),
        cmocka_unit_test(test_hold_out__is_reused_until_something_changes),
        cmocka_unit_test(test_hold_out__a_split_of_another_origin_is_left_alone),
        cmocka_unit_test(test_store__a_file_that_is_written_is_in_wal_mode),
        cmocka_unit_test(test_hold_out__documents_that_are_added_move_no_other),
        cmocka_unit_test(test_hold_out__a_part_is_cut_by_other_hashes),
        cmocka_unit_test(test_hold_out__options_begin_as_fit_s_do),
        cmocka_unit_test(test_hold_out__that_is_interrupted_leaves_the_file_as_it_was),
        cmocka_unit_test(test_hold_out__refuses_what_cannot_be_cut),
        cmocka_unit_test(test_views__show_the_corpus),
        cmocka_unit_test(test_views__agree_with_scikit_learn),
        cmocka_unit_test(test_views__show_the_runs),
        cmocka_unit_test(test_views__seek_where_they_can),
    };
    return cmocka_run_group_tests_name("store", tests, make_folder, remove_folder);
}
