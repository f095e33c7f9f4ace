/* test_sql.c: connections and their settings, errors and their mapping, statements. */
#include "scratch.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <dbtrain/heap.h>
#include <sqlite3.h>

#include "base.h"
#include "sql.h"

/* A file in WAL mode with the table t(a, b), closed cleanly. */
static void make_database(const char *path)
{
    dbt_error err = {0};
    dbt__sql *sql;
    assert_ok(dbt__sql_open(path, DBT__SQL_CREATE, &sql, &err), err);
    assert_ok(dbt__sql_exec(sql,
                            "PRAGMA journal_mode = WAL; DROP TABLE IF EXISTS t;"
                            "CREATE TABLE t (a INTEGER, b TEXT); INSERT INTO t VALUES (1, 'one')",
                            &err),
              err);
    assert_ok(dbt__sql_checkpoint(sql, &err), err);
    dbt__sql_close(sql);
}

static int64_t ask(dbt__sql *sql, const char *query)
{
    dbt_error err = {0};
    int64_t value;
    assert_ok(dbt__sql_int(sql, query, -1, &value, &err), err);
    return value;
}

static void test_sql__open_says_what_is_wrong_with_a_path(void **state)
{
    (void)state;
    write_file(path_of("text.db"), "label,text\npos,a good film, really\nneg,a bad one\n", 48);
    static const struct {
        const char *name;
        dbt__sql_mode mode;
        dbt_status status;
        const char *message;
    } cases[] = {
        {"missing.db", DBT__SQL_READ, DBT_EFORMAT, "no such file"},
        {"missing.db", DBT__SQL_WRITE, DBT_EFORMAT, "no such file"},
        {"no/folder/x.db", DBT__SQL_CREATE, DBT_EFORMAT, "no/folder/' for '"},
        {"text.db/x.db", DBT__SQL_CREATE, DBT_EFORMAT, "text.db/' for '"},
        {".", DBT__SQL_CREATE, DBT_EFORMAT, "is a folder"},
        {"text.db/x", DBT__SQL_READ, DBT_EFORMAT, "no such file"},
        {"text.db", DBT__SQL_READ, DBT_EFORMAT, "file is not a database"},
        {"text.db", DBT__SQL_CREATE, DBT_EFORMAT, "file is not a database"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        dbt_error err = {0};
        dbt__sql *sql;
        assert_int_equal(dbt__sql_open(path_of(cases[i].name), cases[i].mode, &sql, &err),
                         cases[i].status);
        assert_null(sql);
        assert_int_equal(err.status, cases[i].status);
        if (strstr(err.message, cases[i].message) == NULL) fail_msg("%s", err.message);
        if (strstr(err.message, cases[i].name) == NULL) fail_msg("%s", err.message);
    }
    assert_false(exists(path_of("missing.db")));

    dbt_error err = {0};
    dbt__sql *sql;
    assert_int_equal(dbt__sql_open("/dev/null", DBT__SQL_READ, &sql, &err), DBT_EFORMAT);
    assert_string_equal(err.message, "'/dev/null' is not a regular file");
}

static void test_sql__names_are_names_of_files(void **state)
{
    (void)state;
    static const char *const names[] = {":memory:", "file:x?mode=memory", "a%20b#c?d.db"};
    char before[512];
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(folder), 0);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        make_database(names[i]);
        assert_true(exists(names[i]));
    }
    assert_int_equal(chdir(before), 0);
}

static void test_sql__every_connection_has_the_settings(void **state)
{
    (void)state;
    const char *path = path_of("settings.db"), *other = path_of("other.db");
    char attach[200];
    (void)snprintf(attach, sizeof attach, "ATTACH '%s' AS other", other);
    make_database(path);
    for (dbt__sql_mode mode = DBT__SQL_READ; mode <= DBT__SQL_CREATE; mode++) {
        dbt_error err = {0};
        dbt__sql *sql;
        assert_ok(dbt__sql_open(path, mode, &sql, &err), err);
        assert_int_equal(ask(sql, "PRAGMA foreign_keys"), 1);
        assert_int_equal(ask(sql, "PRAGMA busy_timeout"), 5000);
        assert_int_equal(ask(sql, "PRAGMA synchronous"), 2);
        assert_int_equal(ask(sql, "PRAGMA trusted_schema"), 0);
        assert_int_equal(ask(sql, "PRAGMA cell_size_check"), 1);
        assert_int_equal(ask(sql, "PRAGMA mmap_size"), 0);
        /* What defensive and the switched-off extensions refuse. */
        assert_int_not_equal(dbt__sql_exec(sql, "SELECT load_extension('x')", &err), DBT_OK);
        err = (dbt_error){0};
        assert_int_not_equal(dbt__sql_exec(sql, attach, &err), DBT_OK);
        assert_non_null(strstr(err.message, "not authorized"));
        assert_false(exists(other));
        err = (dbt_error){0};
        assert_int_not_equal(dbt__sql_exec(sql,
                                           "PRAGMA writable_schema = ON;"
                                           "UPDATE sqlite_schema SET sql = sql",
                                           &err),
                             DBT_OK);
        assert_non_null(strstr(err.message, "sqlite_master may not be modified"));
        dbt__sql_close(sql);
    }
}

static void test_sql__a_reader_cannot_write(void **state)
{
    (void)state;
    make_database(path_of("reader.db"));
    dbt_error err = {0};
    dbt__sql *sql;
    assert_ok(dbt__sql_open(path_of("reader.db"), DBT__SQL_READ, &sql, &err), err);
    assert_int_equal(dbt__sql_exec(sql, "DELETE FROM t", &err), DBT_EIO);
    assert_non_null(strstr(err.message, "readonly"));
    dbt__sql_close(sql);
}

static dbt_status opened_status;
static dbt_error opened_error;
static int64_t opened_rows;

static void read_rows(const char *path)
{
    dbt__sql *sql;
    opened_error = (dbt_error){0};
    opened_rows = -1;
    opened_status = dbt__sql_open(path, DBT__SQL_READ, &sql, &opened_error);
    if (opened_status == DBT_OK)
        opened_status =
            dbt__sql_int(sql, "SELECT count(*) FROM t", -1, &opened_rows, &opened_error);
    dbt__sql_close(sql);
}

static void open_for_writing(const char *path)
{
    dbt__sql *sql;
    opened_error = (dbt_error){0};
    opened_status = dbt__sql_open(path, DBT__SQL_WRITE, &sql, &opened_error);
    dbt__sql_close(sql);
}

static void test_sql__reads_a_file_in_a_read_only_folder(void **state)
{
    (void)state;
    assert_int_equal(mkdir(path_of("still?#%"), 0755), 0);
    make_database(path_of("still?#%/a.db"));
    assert_int_equal(chmod(path_of("still?#%/a.db"), 0444), 0);
    assert_int_equal(chmod(path_of("still?#%"), 0555), 0);
    assert_int_equal(chmod(folder, 0755), 0);
    as_nobody(read_rows, path_of("still?#%/a.db"));
    assert_ok(opened_status, opened_error);
    assert_int_equal(opened_rows, 1);
    as_nobody(open_for_writing, path_of("still?#%/a.db"));
    assert_int_equal(opened_status, DBT_EIO);
    assert_non_null(strstr(opened_error.message, "still?#%/' must be writable, too (Permission"));
    assert_int_equal(chmod(path_of("still?#%"), 0777), 0);
    as_nobody(open_for_writing, path_of("still?#%/a.db"));
    assert_int_equal(opened_status, DBT_EIO);
    assert_non_null(strstr(opened_error.message, "a.db' cannot be written (Permission denied)"));
    assert_int_equal(chmod(path_of("still?#%"), 0755), 0);
}

/* Reads a row, lets the owner change the file, and reads the next. */
static void read_while_it_changes(const char *path)
{
    bool root = geteuid() == 65534 && getuid() == 0;
    dbt__sql *sql;
    dbt__statement *rows = NULL;
    opened_error = (dbt_error){0};
    assert_ok(dbt__sql_open(path, DBT__SQL_READ, &sql, &opened_error), opened_error);
    assert_ok(dbt__prepare(sql, "SELECT a FROM t UNION ALL SELECT 2 UNION ALL SELECT 3", &rows,
                           &opened_error),
              opened_error);
    assert_int_equal(dbt__step(rows, &opened_error), DBT_OK);
    assert_int_equal(dbt__step(rows, &opened_error), DBT_OK);
    if (root) assert_int_equal(seteuid(0), 0);
    struct timespec later[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = 1700000000}};
    assert_int_equal(utimensat(AT_FDCWD, path, later, 0), 0);
    if (root) assert_int_equal(seteuid(65534), 0);
    opened_status = dbt__step(rows, &opened_error);
    dbt__finalize(rows);
    dbt__sql_close(sql);
}

static void test_sql__tells_when_a_file_that_it_reads_without_locks_is_changed(void **state)
{
    (void)state;
    char path[160];
    assert_int_equal(mkdir(path_of("theirs"), 0755), 0);
    (void)snprintf(path, sizeof path, "%s", path_of("theirs/a.db"));
    make_database(path);
    assert_int_equal(chmod(path_of("theirs"), 0555), 0);
    as_nobody(read_while_it_changes, path);
    assert_int_equal(opened_status, DBT_EDATA);
    assert_non_null(strstr(opened_error.message, "a.db' was changed by somebody else"));
    assert_int_equal(chmod(path_of("theirs"), 0755), 0);
}

static void test_sql__does_not_read_past_a_log_it_cannot_use(void **state)
{
    (void)state;
    assert_int_equal(mkdir(path_of("logged"), 0755), 0);
    char path[160], linked[160];
    (void)snprintf(path, sizeof path, "%s", path_of("logged/a.db"));
    (void)snprintf(linked, sizeof linked, "%s", path_of("linked.db"));
    make_database(path);
    /* A commit that only the log holds: closed without a checkpoint. */
    dbt_error err = {0};
    dbt__sql *sql;
    assert_ok(dbt__sql_open(path, DBT__SQL_WRITE, &sql, &err), err);
    assert_ok(dbt__sql_exec(sql, "INSERT INTO t VALUES (2, 'two')", &err), err);
    dbt__sql_close(sql);
    assert_true(exists(path_of("logged/a.db-wal")));
    read_rows(path);
    assert_int_equal(opened_rows, 2);
    (void)unlink(path_of("logged/a.db-shm"));
    assert_int_equal(chmod(path_of("logged"), 0555), 0);
    as_nobody(read_rows, path);
    assert_int_equal(opened_status, DBT_EIO);
    assert_int_equal(symlink(path, linked), 0); /* the log is not beside this name */
    as_nobody(read_rows, linked);
    assert_int_equal(opened_status, DBT_EIO);
    assert_int_equal(chmod(path_of("logged"), 0755), 0);
    read_rows(linked);
    assert_int_equal(opened_rows, 2);
    assert_ok(dbt__sql_open(linked, DBT__SQL_READ, &sql, &err), err);
    assert_true(dbt__sql_log_bytes(sql) > 0);
    dbt__sql_close(sql);
}

static void test_sql__checkpoint_empties_the_log(void **state)
{
    (void)state;
    const char *path = path_of("log.db"), *log = path_of("log.db-wal");
    make_database(path);
    assert_false(exists(log));
    dbt_error err = {0};
    dbt__sql *sql, *reader;
    assert_ok(dbt__sql_open(path, DBT__SQL_WRITE, &sql, &err), err);
    assert_ok(dbt__sql_exec(sql, "INSERT INTO t VALUES (2, 'two')", &err), err);
    assert_ok(dbt__sql_open(path, DBT__SQL_READ, &reader, &err), err);
    assert_ok(dbt__sql_exec(reader, "BEGIN; SELECT * FROM t", &err), err);
    assert_false(dbt__sql_idle(reader));
    assert_ok(dbt__sql_exec(sql, "PRAGMA busy_timeout = 10", &err), err);
    assert_int_equal(dbt__sql_checkpoint(sql, &err), DBT_ELOCKED);
    dbt__sql_close(reader);
    assert_true(exists(log));
    err = (dbt_error){0};
    assert_ok(dbt__sql_checkpoint(sql, &err), err);
    dbt__sql_close(sql);
    assert_false(exists(log));
}

typedef struct patience {
    double seconds; /* after which it ends, and those that it was asked last */
    int asked;
} patience;

static bool wait_a_while(void *context, double seconds)
{
    patience *p = context;
    assert_true(p->asked == 0 ? seconds < 0.1 : seconds > 0);
    p->asked++;
    return seconds < p->seconds;
}

static void test_sql__a_lock_is_waited_for_as_long_as_wanted(void **state)
{
    (void)state;
    const char *path = path_of("wait.db");
    make_database(path);
    dbt_error err = {0};
    dbt__sql *one, *two;
    patience p = {.seconds = 0.2};
    assert_ok(dbt__sql_open(path, DBT__SQL_WRITE, &one, &err), err);
    assert_ok(dbt__sql_open(path, DBT__SQL_WRITE, &two, &err), err);
    dbt__sql_set_wait(two, wait_a_while, &p);
    assert_ok(dbt__sql_begin(two, &err), err);
    dbt__sql_rollback(two);
    assert_int_equal(p.asked, 0);
    assert_ok(dbt__sql_begin(one, &err), err);
    for (int i = 0; i < 2; i++) {
        p.asked = 0;
        assert_false(dbt__sql_waited_in_vain(two) && i == 0);
        assert_int_equal(dbt__sql_begin(two, NULL), DBT_ELOCKED);
        assert_in_range(p.asked, 2, 20);
        assert_true(dbt__sql_waited_in_vain(two));
    }
    dbt__sql_rollback(one);
    assert_ok(dbt__sql_begin(two, &err), err);
    assert_false(dbt__sql_waited_in_vain(two));
    dbt__sql_rollback(two);
    /* Others, who read, are waited for as ever. */
    assert_ok(dbt__sql_checkpoint(two, &err), err);
    assert_int_equal(ask(two, "PRAGMA busy_timeout"), 5000);
    dbt__sql_close(one);
    dbt__sql_close(two);
}

/* 40 commits of 256 KiB; the most bytes that the log had after one of them. */
static int64_t write_much(dbt__sql *sql)
{
    int64_t most = 0;
    for (int i = 0; i < 40; i++) {
        dbt_error err = {0};
        assert_ok(dbt__sql_exec(sql, "INSERT INTO t VALUES (2, zeroblob(262144))", &err), err);
        int64_t bytes = dbt__sql_log_bytes(sql);
        most = bytes > most ? bytes : most;
    }
    return most;
}

static void test_sql__the_log_stays_small_unless_somebody_reads(void **state)
{
    (void)state;
    dbt_error err = {0};
    dbt__sql *writer, *reader;
    make_database(path_of("log.db"));
    assert_ok(dbt__sql_open(path_of("log.db"), DBT__SQL_WRITE, &writer, &err), err);
    assert_ok(dbt__sql_open(path_of("log.db"), DBT__SQL_READ, &reader, &err), err);
    assert_int_equal(dbt__sql_log_bytes(writer), 0);
    const int64_t small = 8 << 20;
    assert_true(write_much(writer) <= small);
    assert_ok(dbt__sql_begin_read(reader, &err), err);
    assert_int_equal(ask(reader, "SELECT count(*) FROM t"), 41);
    assert_true(write_much(writer) > small);
    dbt__sql_rollback(reader);
    (void)write_much(writer);
    assert_true(dbt__sql_log_bytes(writer) <= small);
    dbt__sql_close(reader);
    dbt__sql_close(writer);
}

static void test_sql__transactions_begin_immediately(void **state)
{
    (void)state;
    const char *path = path_of("begin.db");
    make_database(path);
    dbt_error err = {0};
    dbt__sql *one, *two;
    assert_ok(dbt__sql_open(path, DBT__SQL_WRITE, &one, &err), err);
    assert_ok(dbt__sql_open(path, DBT__SQL_WRITE, &two, &err), err);
    assert_true(dbt__sql_idle(one));
    assert_ok(dbt__sql_begin(one, &err), err);
    assert_false(dbt__sql_idle(one));
    assert_ok(dbt__sql_exec(two, "PRAGMA busy_timeout = 10", &err), err);
    assert_int_equal(dbt__sql_begin(two, &err), DBT_ELOCKED);
    assert_non_null(strstr(err.message, "begin.db': database is locked: another program has a"));
    /* It has waited: it does not again, to close. */
    assert_int_equal(ask(two, "PRAGMA busy_timeout"), 10);
    assert_int_equal(dbt__sql_checkpoint(two, NULL), DBT_ELOCKED);
    assert_int_equal(ask(two, "PRAGMA busy_timeout"), 0);
    err = (dbt_error){0};
    assert_ok(dbt__sql_exec(one, "INSERT INTO t VALUES (2, 'two')", &err), err);
    assert_int_equal(dbt__sql_last_id(one), 2);
    assert_int_equal(dbt__sql_changes(one), 1);
    dbt__sql_rollback(one);
    dbt__sql_rollback(one); /* outside of a transaction: nothing */
    assert_true(dbt__sql_idle(one));
    assert_int_equal(ask(two, "SELECT count(*) FROM t"), 1);
    assert_ok(dbt__sql_begin(two, &err), err);
    assert_ok(dbt__sql_exec(two, "DELETE FROM t", &err), err);
    assert_ok(dbt__sql_commit(two, &err), err);
    assert_int_equal(ask(one, "SELECT count(*) FROM t"), 0);
    dbt__sql_close(one);
    dbt__sql_close(two);
}

static void test_sql__what_is_read_in_a_transaction_is_of_one_moment(void **state)
{
    (void)state;
    const char *path = path_of("moment.db");
    make_database(path);
    dbt_error err = {0};
    dbt__sql *reader, *writer;
    assert_ok(dbt__sql_open(path, DBT__SQL_READ, &reader, &err), err);
    assert_ok(dbt__sql_open(path, DBT__SQL_WRITE, &writer, &err), err);
    assert_ok(dbt__sql_begin_read(reader, &err), err);
    assert_int_equal(ask(reader, "SELECT count(*) FROM t"), 1);
    assert_ok(dbt__sql_exec(writer, "INSERT INTO t VALUES (2, 'two')", &err), err);
    assert_int_equal(ask(reader, "SELECT count(*) FROM t"), 1);
    dbt__sql_rollback(reader);
    assert_true(dbt__sql_idle(reader));
    assert_int_equal(ask(reader, "SELECT count(*) FROM t"), 2);
    dbt__sql_close(reader);
    dbt__sql_close(writer);
}

static void test_sql__int_tells_missing_from_zero(void **state)
{
    (void)state;
    make_database(path_of("int.db"));
    dbt_error err = {0};
    dbt__sql *sql;
    assert_ok(dbt__sql_open(path_of("int.db"), DBT__SQL_READ, &sql, &err), err);
    assert_int_equal(ask(sql, "SELECT 0"), 0);
    assert_int_equal(ask(sql, "SELECT NULL"), -1);
    assert_int_equal(ask(sql, "SELECT a FROM t WHERE a > 1"), -1);
    int64_t value;
    assert_int_equal(dbt__sql_int(sql, "SELECT x FROM t", -1, &value, &err), DBT_EINTERNAL);
    assert_non_null(strstr(err.message, "no such column: x"));
    dbt__sql_close(sql);
}

static void test_sql__statements_carry_values_both_ways(void **state)
{
    (void)state;
    dbt_error err = {0};
    dbt__sql *sql;
    dbt__statement *statement;
    make_database(path_of("values.db"));
    assert_ok(dbt__sql_open(path_of("values.db"), DBT__SQL_READ, &sql, &err), err);
    assert_ok(dbt__prepare(sql, "SELECT ?1 AS i, ?2, ?3, ?4, ?5, ?6, ?7", &statement, &err), err);
    assert_int_equal(dbt__columns(statement), 7);
    assert_string_equal(dbt__column_name(statement, 0), "i");
    for (int round = 0; round < 2; round++) {
        dbt__bind_int(statement, 1, INT64_MIN);
        dbt__bind_double(statement, 2, 0.1);
        dbt__bind_text(statement, 3, "a\0b", 3);
        dbt__bind_string(statement, 4, "");
        dbt__bind_blob(statement, 5, "\xff", 1);
        dbt__bind_null(statement, 6);
        dbt__bind_string(statement, 7, NULL);
        assert_int_equal(dbt__step(statement, &err), DBT_OK);
        assert_true(dbt__column_int(statement, 0) == INT64_MIN);
        assert_true(dbt__column_double(statement, 1) == 0.1);
        assert_int_equal(dbt__column_text(statement, 2).bytes, 3);
        assert_memory_equal(dbt__column_text(statement, 2).data, "a\0b", 3);
        assert_non_null(dbt__column_text(statement, 3).data);
        assert_int_equal(dbt__column_text(statement, 3).bytes, 0);
        size_t bytes;
        assert_memory_equal(dbt__column_blob(statement, 4, &bytes), "\xff", 1);
        assert_int_equal(bytes, 1);
        for (int column = 5; column < 7; column++) {
            assert_true(dbt__column_is_null(statement, column));
            assert_null(dbt__column_text(statement, column).data);
        }
        assert_int_equal(dbt__step(statement, &err), DBT_DONE);
        dbt__reset(statement);
        assert_true(dbt__sql_idle(sql));
    }
    /* Bindings do not outlive a reset. */
    assert_int_equal(dbt__step(statement, &err), DBT_OK);
    assert_true(dbt__column_is_null(statement, 0));
    dbt__finalize(statement);
    dbt__finalize(NULL);
    dbt__sql_close(sql);
}

typedef struct taken {
    int n, most; /* so far; that are wanted */
    int64_t sum;
} taken;

static dbt_status take(void *context, dbt__value **value, dbt_error *err)
{
    taken *t = context;
    static const char *const texts[] = {"one", "", NULL};
    assert_int_equal(dbt__value_int(value[0]), t->n + 1);
    assert_true(dbt__value_double(value[1]) == (t->n + 1) / 2.0);
    dbt_text text = dbt__value_text(value[2]);
    const char *expected = texts[t->n % 3];
    if (expected == NULL)
        assert_null(text.data);
    else
        assert_memory_equal(text.data, expected, strlen(expected));
    assert_int_equal(text.bytes, expected == NULL ? 0 : strlen(expected));
    t->sum += dbt__value_int(value[0]);
    if (++t->n == t->most) return dbt__fail(err, DBT_EDATA, "that is enough");
    return DBT_OK;
}

static void test_sql__rows_can_be_taken_within_a_statement(void **state)
{
    (void)state;
    dbt_error err = {0};
    dbt__sql *sql;
    dbt__statement *statement;
    make_database(path_of("take.db"));
    assert_ok(dbt__sql_open(path_of("take.db"), DBT__SQL_WRITE, &sql, &err), err);
    assert_ok(dbt__sql_exec(sql,
                            "INSERT INTO t VALUES (2, ''), (3, NULL), (4, 'one'), (5, '');"
                            "CREATE VIEW v AS SELECT take(a, a, b) FROM t",
                            &err),
              err);
    assert_ok(dbt__prepare(sql,
                           "SELECT 1 FROM t WHERE a <= ? AND take(a, a / 2.0, b) ORDER BY rowid",
                           &statement, &err),
              err);
    for (int most = 1; most < 8; most++) { /* all but the last two times it is ended */
        taken t = {.most = most};
        err = (dbt_error){0};
        dbt__bind_int(statement, 1, 5);
        dbt_status status = dbt__each(statement, take, &t, &err);
        assert_int_equal(status, most <= 5 ? DBT_EDATA : DBT_OK);
        if (status < 0) assert_string_equal(err.message, "that is enough");
        assert_int_equal(t.n, most < 5 ? most : 5);
        assert_int_equal(t.sum, t.n * (t.n + 1) / 2);
        assert_true(dbt__sql_idle(sql));
    }
    /* Nobody else's: not a plain statement's, not a view's. */
    dbt__bind_int(statement, 1, 5);
    assert_true(dbt__run(statement, &err) < 0);
    assert_non_null(strstr(err.message, "take() is dbtrain's own"));
    dbt__finalize(statement);
    err = (dbt_error){0};
    assert_true(dbt__prepare(sql, "SELECT * FROM v", &statement, &err) < 0);
    assert_non_null(strstr(err.message, "unsafe use of take()"));
    err = (dbt_error){0};
    /* What SQLite objects to is told by SQLite. */
    taken none = {0};
    assert_ok(dbt__prepare(sql,
                           "SELECT 1 FROM t WHERE abs(a - 9223372036854775807 - 2) AND take(a)",
                           &statement, &err),
              err);
    assert_true(dbt__each(statement, take, &none, &err) < 0);
    assert_non_null(strstr(err.message, "integer overflow"));
    assert_true(dbt__each(statement, take, &none, NULL) < 0);
    assert_int_equal(none.n, 0);
    dbt__finalize(statement);
    dbt__sql_close(sql);
}

static void test_sql__a_failed_bind_is_reported_by_the_step(void **state)
{
    (void)state;
    dbt_error err = {0};
    dbt__sql *sql;
    dbt__statement *statement;
    make_database(path_of("bind.db"));
    assert_ok(dbt__sql_open(path_of("bind.db"), DBT__SQL_WRITE, &sql, &err), err);
    assert_ok(dbt__prepare(sql, "INSERT INTO t VALUES (?, ?)", &statement, &err), err);
    dbt__bind_int(statement, 3, 1);
    dbt__bind_int(statement, 1, 1);
    assert_int_equal(dbt__step(statement, &err), DBT_EINTERNAL);
    assert_int_equal(dbt__run(statement, NULL), DBT_EINTERNAL);
    err = (dbt_error){0};
    dbt__bind_int(statement, 1, 5);
    assert_ok(dbt__run(statement, &err), err);
    dbt__bind_text(statement, 1, "", (size_t)1 << 40);
    assert_int_equal(dbt__run(statement, &err), DBT_EDATA);
    assert_int_equal(ask(sql, "SELECT count(*) FROM t WHERE a = 5 AND b IS NULL"), 1);
    assert_int_equal(ask(sql, "SELECT count(*) FROM t"), 2);
    dbt__finalize(statement);
    dbt__sql_close(sql);
}

/* Rows 0 .. n - 1 of group `group`; the last one's number is left NULL. */
static void insert_rows(dbt__sql *sql, const dbt__bulk *bulk, int64_t group, size_t n)
{
    dbt_error err = {0};
    for (size_t at = 0, rows; at < n; at += rows) {
        dbt__statement *statement;
        rows = dbt__bulk_next(bulk, n - at, &statement);
        assert_in_range(rows, 1, n - at);
        dbt__bind_int(statement, 1, group);
        for (size_t i = 0; i < rows; i++)
            if (at + i + 1 < n) dbt__bind_int(statement, (int)i + 2, (int64_t)(at + i));
        assert_ok(dbt__run(statement, &err), err);
    }
    assert_true(dbt__sql_idle(sql));
}

/* Each statement has its own limit, whichever was used before it. */
static void test_sql__long_values_are_for_statements_that_expect_them(void **state)
{
    (void)state;
    static const struct {
        size_t longest;
        const char *read, *refusal;
    } kinds[] = {
        {DBT__LONGEST_NAME, "SELECT zeroblob(1048577)", "longer than 1 MiB"},
        {DBT__LONGEST_TEXT, "SELECT zeroblob(67108865)", "longer than 64 MiB"},
        {DBT__LONGEST_ROWS, "SELECT zeroblob(268435457)", "longer than 256 MiB"},
        {DBT__LONGEST_WEIGHTS, NULL, NULL},
    };
    enum { KINDS = sizeof kinds / sizeof kinds[0] };
    dbt_error err = {0};
    dbt__sql *sql;
    dbt__statement *bind[KINDS], *read[KINDS] = {NULL};
    char *value = dbt__alloc_array(DBT__LONGEST_ROWS + 1, 1);
    assert_non_null(value);
    make_database(path_of("large.db"));
    assert_ok(dbt__sql_open(path_of("large.db"), DBT__SQL_READ, &sql, &err), err);
    for (int i = 0; i < KINDS; i++) {
        assert_ok(dbt__prepare(sql, "SELECT length(?)", &bind[i], &err), err);
        if (i > 0) dbt__allow_bytes(bind[i], kinds[i].longest);
        if (kinds[i].read == NULL) continue;
        assert_ok(dbt__prepare(sql, kinds[i].read, &read[i], &err), err);
        if (i > 0) dbt__allow_bytes(read[i], kinds[i].longest);
    }
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < KINDS; i++) {
            dbt_error refused = {0};
            for (int j = 0; j + 1 < KINDS; j++) {
                dbt__bind_blob(bind[i], 1, value, kinds[j].longest + 1);
                assert_int_equal(dbt__step(bind[i], NULL), j < i ? DBT_OK : DBT_EDATA);
                dbt__reset(bind[i]);
                dbt__bind_text(bind[i], 1, value, kinds[j].longest + 1);
                assert_int_equal(dbt__step(bind[i], NULL), j < i ? DBT_OK : DBT_EDATA);
                dbt__reset(bind[i]);
            }
            if (read[i] == NULL) continue;
            assert_int_equal(dbt__step(read[i], &refused), DBT_EFORMAT);
            assert_non_null(strstr(refused.message, kinds[i].refusal));
            dbt__reset(read[i]);
        }
    }
    for (int i = 0; i < KINDS; i++) {
        dbt__finalize(bind[i]);
        dbt__finalize(read[i]);
    }
    dbt__sql_close(sql);
    dbt__free(value);
}

/* How a query that holds so many megabytes in memory ends, in a process of its own. */
static dbt_status fill_memory(int megabytes, size_t longest)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dbt__sql *sql = NULL;
        dbt__statement *statement = NULL;
        char fill[200];
        (void)snprintf(fill, sizeof fill,
                       "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT %d)"
                       " SELECT count(*) FROM (SELECT DISTINCT i, zeroblob(1000000) FROM n)",
                       megabytes);
        dbt_tune_heap();
        dbt_status status = dbt__sql_open(path_of("heap.db"), DBT__SQL_READ, &sql, NULL);
        if (status == DBT_OK) status = dbt__sql_exec(sql, "PRAGMA temp_store = MEMORY", NULL);
        if (status == DBT_OK) status = dbt__prepare(sql, fill, &statement, NULL);
        if (status == DBT_OK) dbt__allow_bytes(statement, longest);
        if (status == DBT_OK) status = dbt__run(statement, NULL);
        dbt__finalize(statement);
        dbt__sql_close(sql);
        _exit(-status);
    }
    int ended;
    assert_int_equal(waitpid(child, &ended, 0), child);
    assert_true(WIFEXITED(ended));
    return (dbt_status)-WEXITSTATUS(ended);
}

static void test_sql__a_heap_that_is_dbtrains_is_limited(void **state)
{
    (void)state;
    make_database(path_of("heap.db"));
    assert_int_equal(fill_memory(50, DBT__LONGEST_NAME), DBT_OK);
    assert_int_equal(fill_memory(200, DBT__LONGEST_NAME), DBT_ENOMEM);
    assert_int_equal(fill_memory(200, DBT__LONGEST_TEXT), DBT_OK);
}

/* SQLite's word for it is that of a full disk. */
static void test_sql__ids_that_have_run_out_are_no_full_disk(void **state)
{
    (void)state;
    dbt_error err = {0};
    dbt__sql *sql;
    make_database(path_of("ids.db"));
    assert_ok(dbt__sql_open(path_of("ids.db"), DBT__SQL_WRITE, &sql, &err), err);
    assert_ok(dbt__sql_exec(sql,
                            "CREATE TABLE u (id INTEGER PRIMARY KEY AUTOINCREMENT);"
                            "INSERT INTO u VALUES (9223372036854775807)",
                            &err),
              err);
    assert_int_equal(dbt__sql_exec(sql, "INSERT INTO u DEFAULT VALUES", &err), DBT_EFORMAT);
    assert_non_null(strstr(err.message, "no id for another row"));
    err = (dbt_error){0};
    assert_ok(dbt__sql_exec(sql,
                            "DELETE FROM u; DELETE FROM sqlite_sequence; "
                            "PRAGMA max_page_count = 2",
                            &err),
              err);
    static const char fill[] = "CREATE TABLE v (a); INSERT INTO v VALUES (zeroblob(900000))";
    assert_int_equal(dbt__sql_exec(sql, fill, &err), DBT_EIO);
    assert_non_null(strstr(err.message, "disk is full"));
    dbt__sql_close(sql);
}

static void test_sql__bulk_inserts_any_number_of_rows(void **state)
{
    (void)state;
    static const int64_t numbers[] = {0, 1, 2, 15, 16, 17, 32, 100};
    dbt_error err = {0};
    dbt__sql *sql;
    dbt__bulk bulk;
    make_database(path_of("bulk.db"));
    assert_ok(dbt__sql_open(path_of("bulk.db"), DBT__SQL_WRITE, &sql, &err), err);
    assert_ok(dbt__sql_exec(sql, "DELETE FROM t", &err), err);
    assert_ok(dbt__bulk_prepare(sql, "INSERT OR FAIL INTO t (a, b) VALUES", "(?1, ?)", &bulk, &err),
              err);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        char query[160];
        int64_t n = numbers[i];
        insert_rows(sql, &bulk, n, (size_t)n);
        (void)snprintf(query, sizeof query,
                       "SELECT count(*) * 100000 + count(b) * 1000 + coalesce(sum(b), 0)"
                       " FROM t WHERE a = %lld",
                       (long long)n);
        int64_t numbered = n > 0 ? n - 1 : 0;
        assert_int_equal(ask(sql, query),
                         n * 100000 + numbered * 1000 + numbered * (numbered - 1) / 2);
    }
    dbt__bulk_finalize(&bulk);
    assert_int_equal(dbt__bulk_prepare(sql, "INSERT INTO nowhere VALUES", "(?)", &bulk, &err),
                     DBT_EINTERNAL);
    dbt__bulk_finalize(&bulk);
    dbt__sql_close(sql);
}

/* The PRAGMA would do nothing inside of a transaction. */
static void test_sql__keys_are_checked_or_not_within_a_transaction(void **state)
{
    (void)state;
    static const char orphan[] = "INSERT INTO child VALUES (7)";
    dbt_error err = {0};
    dbt__sql *sql;
    dbt__statement *insert;
    assert_ok(dbt__sql_open(path_of("keys.db"), DBT__SQL_CREATE, &sql, &err), err);
    assert_ok(dbt__sql_exec(sql,
                            "CREATE TABLE parent (id INTEGER PRIMARY KEY);"
                            "CREATE TABLE child (parent_id INTEGER REFERENCES parent (id))",
                            &err),
              err);
    assert_ok(dbt__sql_begin(sql, &err), err);
    assert_ok(dbt__prepare(sql, orphan, &insert, &err), err);
    assert_int_equal(dbt__run(insert, NULL), DBT_EFORMAT);
    dbt__sql_check_keys(sql, false);
    assert_ok(dbt__run(insert, &err), err);
    assert_ok(dbt__sql_exec(sql, orphan, &err), err);
    dbt__sql_check_keys(sql, true);
    assert_int_equal(dbt__run(insert, NULL), DBT_EFORMAT);
    assert_int_equal(dbt__sql_exec(sql, orphan, NULL), DBT_EFORMAT);
    dbt__finalize(insert);
    assert_ok(dbt__sql_commit(sql, &err), err);
    assert_int_equal(ask(sql, "SELECT count(*) FROM child"), 2);
    dbt__sql_close(sql);
}

static void test_sql__checked_json_is_an_object(void **state)
{
    (void)state;
    static const char *const objects[] = {
        "{}",
        " { } ",
        "{\"a\":1,\"b\":-2.5e3,\"c\":\"x\",\"d\":null,\"e\":true}",
        "{\"a\" : {\"b\" : [{}, [1,{\"d\":2}], 3]} , \"c\" : \"{[,\\\"}\\\\\"}",
    };
    /* SQLite calls some of them valid. */
    static const char *const others[] = {
        "{{\"a\":\"b\"}:1}",
        "{\"a\":1,{\"b\":\"c\"}:2}",
        "[1]",
        "{\"a\":[{},{[]:1}]}",
        "{\"a\":1,}",
        "{\"a\"}",
        "{",
        "\"a\"",
        "1",
        "null",
        "",
        "{}{}",
        "{\"a\":\"b",
        "{\"a\\",
    };
    dbt_error err = {0};
    dbt__sql *sql;
    dbt__statement *select;
    assert_ok(dbt__sql_open_memory(&sql, &err), err);
    assert_ok(dbt__prepare(sql, "SELECT checked_json(?)", &select, &err), err);
    for (size_t i = 0; i < sizeof objects / sizeof *objects; i++) {
        dbt__bind_string(select, 1, objects[i]);
        assert_ok(dbt__step(select, &err), err);
        assert_string_equal(dbt__column_text(select, 0).data, objects[i]);
        dbt__reset(select);
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        dbt__bind_string(select, 1, others[i]);
        if (dbt__step(select, &err) != DBT_EFORMAT) fail_msg("%s", others[i]);
        dbt__reset(select);
    }
    dbt__bind_string(select, 1, NULL);
    assert_ok(dbt__step(select, &err), err);
    assert_true(dbt__column_is_null(select, 0));
    dbt__finalize(select);
    dbt__sql_close(sql);
}

static void test_sql__a_query_is_one_reading_statement(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *fault; /* NULL: it is one */
        size_t bytes;
    } cases[] = {
        {"SELECT 1", NULL, 8},
        {"SELECT 1;", NULL, 8},
        {"SELECT 1 ; -- the end; or not\n", NULL, 9},
        {"VALUES (1)", NULL, 10},
        {"WITH x AS (SELECT 1) SELECT * FROM x", NULL, 36},
        {"", "empty", 0},
        {" -- nothing", "empty", 0},
        {"SELECT 1; SELECT 2", "more than one", 0},
        {"SELECT ?", "parameters", 0},
        {"DELETE FROM t", "not a SELECT", 0},
        {"DELETE FROM t RETURNING a", "not a SELECT", 0},
        {"BEGIN", "not a SELECT", 0},
        {"ATTACH 'x' AS y", "not a SELECT", 0},
        {"PRAGMA foreign_keys = OFF", "not a SELECT", 0},
        {"SELECT 1; PRAGMA foreign_keys = OFF", "not a SELECT", 0},
        {"SELECT name FROM pragma_table_info('t')", NULL, 39},
        {"VACUUM INTO 'x'", "not a SELECT", 0},
        {"EXPLAIN SELECT 1", "not a SELECT", 0},
        {"SELECT stars", "no such column: stars", 0},
        {"SELEC 1", "syntax error", 0},
    };
    dbt_error err = {0};
    dbt__sql *sql;
    make_database(path_of("query.db"));
    assert_ok(dbt__sql_open(path_of("query.db"), DBT__SQL_READ, &sql, &err), err);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        dbt__statement *statement;
        size_t bytes;
        err = (dbt_error){0};
        dbt_status status = dbt__prepare_query(sql, cases[i].text, &statement, &bytes, &err);
        if (cases[i].fault == NULL) {
            assert_ok(status, err);
            assert_int_equal(bytes, cases[i].bytes);
        } else {
            if (status != DBT_EUSAGE) fail_msg("%s", cases[i].text);
            assert_null(statement);
            if (strstr(err.message, cases[i].fault) == NULL) fail_msg("%s", err.message);
        }
        dbt__finalize(statement);
    }
    assert_int_equal(ask(sql, "PRAGMA foreign_keys"), 1);
    dbt__sql_close(sql);
}

static void test_sql__damage_is_a_format_error(void **state)
{
    (void)state;
    const char *path = path_of("damaged.db");
    make_database(path);
    char page[4096];
    memset(page, 0xa5, sizeof page);
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, 4096, SEEK_SET), 0); /* page 2: the root of t */
    assert_int_equal(fwrite(page, 1, sizeof page, file), sizeof page);
    assert_int_equal(fclose(file), 0);
    dbt_error err = {0};
    dbt__sql *sql;
    int64_t rows;
    assert_ok(dbt__sql_open(path, DBT__SQL_READ, &sql, &err), err);
    assert_int_equal(dbt__sql_int(sql, "SELECT count(*) FROM t", 0, &rows, &err), DBT_EFORMAT);
    assert_non_null(strstr(err.message, "malformed"));
    dbt__sql_close(sql);
}

static void test_sql__a_file_that_was_replaced_is_not_written_into(void **state)
{
    (void)state;
    dbt_error err = {0};
    dbt__sql *sql;
    make_database(path_of("here.db"));
    make_database(path_of("other.db"));
    assert_ok(dbt__sql_open(path_of("here.db"), DBT__SQL_WRITE, &sql, &err), err);
    assert_ok(dbt__sql_begin(sql, &err), err);
    assert_ok(dbt__sql_exec(sql, "INSERT INTO t VALUES (2, 'two')", &err), err);
    assert_int_equal(rename(path_of("here.db"), path_of("moved.db")), 0);
    assert_int_equal(rename(path_of("other.db"), path_of("here.db")), 0);
    assert_int_equal(dbt__sql_commit(sql, &err), DBT_EFORMAT);
    assert_non_null(strstr(err.message, "was moved, deleted or replaced"));
    dbt__sql_rollback(sql);
    assert_true(dbt__sql_idle(sql));
    err = (dbt_error){0};
    assert_int_equal(dbt__sql_begin(sql, &err), DBT_EFORMAT);
    dbt__sql_close(sql);
}

/* As a shell's ">" and cp do it: the file stays the same one. */
static void overwrite(const char *name, const char *with)
{
    char data[65536];
    FILE *from = fopen(path_of(with), "rb"), *to = fopen(path_of(name), "wb");
    assert_non_null(from);
    assert_non_null(to);
    for (size_t n; (n = fread(data, 1, sizeof data, from)) > 0;)
        assert_int_equal(fwrite(data, 1, n, to), n);
    assert_int_equal(fclose(from), 0);
    assert_int_equal(fclose(to), 0);
}

static void assert_same_content(const char *name, const char *expected)
{
    FILE *one = fopen(path_of(name), "rb"), *other = fopen(path_of(expected), "rb");
    assert_non_null(one);
    assert_non_null(other);
    for (int c = 0; c != EOF;) {
        c = fgetc(one);
        assert_int_equal(c, fgetc(other));
    }
    assert_int_equal(fclose(one), 0);
    assert_int_equal(fclose(other), 0);
}

static void test_sql__a_file_that_was_overwritten_is_not_written_into(void **state)
{
    (void)state;
    write_file(path_of("nothing"), "", 0);
    static const char *const with[] = {"nothing", "other.db", "before.db"};
    for (size_t i = 0; i < sizeof with / sizeof *with; i++) {
        dbt_error err = {0};
        dbt__sql *sql;
        make_database(path_of("over.db"));
        make_database(path_of("other.db"));
        overwrite("before.db", "over.db");
        assert_ok(dbt__sql_open(path_of("over.db"), DBT__SQL_WRITE, &sql, &err), err);
        dbt__sql_watch_file(sql);
        assert_ok(dbt__sql_begin(sql, &err), err);
        assert_ok(dbt__sql_exec(sql, "INSERT INTO t VALUES (2, 'two')", &err), err);
        assert_ok(dbt__sql_commit(sql, &err), err);
        assert_ok(dbt__sql_begin(sql, &err), err);
        assert_ok(dbt__sql_exec(sql, "INSERT INTO t VALUES (3, 'three')", &err), err);
        overwrite("over.db", with[i]);
        assert_int_equal(dbt__sql_commit(sql, &err), DBT_EFORMAT);
        assert_non_null(strstr(err.message, "over.db' was written to"));
        dbt__sql_rollback(sql);
        assert_int_equal(dbt__sql_begin(sql, NULL), DBT_EFORMAT);
        assert_int_equal(dbt__sql_checkpoint(sql, NULL), DBT_EFORMAT);
        dbt__sql_close(sql);
        assert_same_content("over.db", with[i]);
        assert_int_equal(unlink(path_of("over.db-wal")), 0);
        (void)unlink(path_of("over.db-shm"));
    }
}

/* What a kill leaves, a log without its index, is recovered, and then watched as any. */
static void test_sql__a_file_whose_log_was_recovered_is_watched(void **state)
{
    (void)state;
    dbt_error err = {0};
    dbt__sql *sql;
    make_database(path_of("left.db"));
    make_database(path_of("other.db"));
    assert_ok(dbt__sql_open(path_of("left.db"), DBT__SQL_WRITE, &sql, &err), err);
    assert_ok(dbt__sql_exec(sql, "INSERT INTO t VALUES (2, 'two')", &err), err);
    dbt__sql_close(sql);
    assert_true(exists(path_of("left.db-wal")));
    (void)unlink(path_of("left.db-shm"));
    assert_ok(dbt__sql_open(path_of("left.db"), DBT__SQL_WRITE, &sql, &err), err);
    assert_int_equal(ask(sql, "SELECT count(*) FROM t"), 2);
    dbt__sql_watch_file(sql);
    overwrite("left.db", "other.db");
    assert_int_equal(dbt__sql_begin(sql, &err), DBT_EFORMAT);
    dbt__sql_close(sql);
    assert_same_content("left.db", "other.db");
}

/* Other programs write, and move the log into the file, through SQLite. */
static void test_sql__what_others_do_through_sqlite_is_no_intrusion(void **state)
{
    (void)state;
    static const char *const scripts[] = {
        "INSERT INTO t VALUES (9, 'nine')",
        "PRAGMA wal_checkpoint",
        "PRAGMA wal_checkpoint(TRUNCATE)",
        "INSERT INTO t VALUES (8, zeroblob(8000000))",
        "VACUUM",
        "DELETE FROM t WHERE a = 8; VACUUM",
        "PRAGMA wal_checkpoint; INSERT INTO t VALUES (7, 'seven'); PRAGMA wal_checkpoint(RESTART)",
    };
    dbt_error err = {0};
    dbt__sql *sql;
    sqlite3 *other;
    make_database(path_of("shared.db"));
    assert_ok(dbt__sql_open(path_of("shared.db"), DBT__SQL_WRITE, &sql, &err), err);
    dbt__sql_watch_file(sql);
    assert_int_equal(sqlite3_open(path_of("shared.db"), &other), SQLITE_OK);
    for (size_t i = 0; i < 3 * sizeof scripts / sizeof *scripts; i++) {
        assert_ok(dbt__sql_begin(sql, &err), err);
        assert_ok(dbt__sql_exec(sql, "INSERT INTO t VALUES (2, zeroblob(10000))", &err), err);
        assert_ok(dbt__sql_commit(sql, &err), err);
        assert_int_equal(sqlite3_exec(other, scripts[i / 3], NULL, NULL, NULL), SQLITE_OK);
        if (i % 3 == 1) assert_ok(dbt__sql_checkpoint(sql, &err), err);
    }
    assert_int_equal(sqlite3_close(other), SQLITE_OK);
    assert_int_equal(ask(sql, "SELECT count(*) FROM t WHERE a = 2"), 21);
    dbt__sql_close(sql);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sql__open_says_what_is_wrong_with_a_path),
        cmocka_unit_test(test_sql__names_are_names_of_files),
        cmocka_unit_test(test_sql__every_connection_has_the_settings),
        cmocka_unit_test(test_sql__a_reader_cannot_write),
        cmocka_unit_test(test_sql__reads_a_file_in_a_read_only_folder),
        cmocka_unit_test(test_sql__tells_when_a_file_that_it_reads_without_locks_is_changed),
        cmocka_unit_test(test_sql__does_not_read_past_a_log_it_cannot_use),
        cmocka_unit_test(test_sql__checkpoint_empties_the_log),
        cmocka_unit_test(test_sql__a_lock_is_waited_for_as_long_as_wanted),
        cmocka_unit_test(test_sql__the_log_stays_small_unless_somebody_reads),
        cmocka_unit_test(test_sql__transactions_begin_immediately),
        cmocka_unit_test(test_sql__what_is_read_in_a_transaction_is_of_one_moment),
        cmocka_unit_test(test_sql__int_tells_missing_from_zero),
        cmocka_unit_test(test_sql__statements_carry_values_both_ways),
        cmocka_unit_test(test_sql__rows_can_be_taken_within_a_statement),
        cmocka_unit_test(test_sql__a_failed_bind_is_reported_by_the_step),
        cmocka_unit_test(test_sql__long_values_are_for_statements_that_expect_them),
        cmocka_unit_test(test_sql__a_heap_that_is_dbtrains_is_limited),
        cmocka_unit_test(test_sql__ids_that_have_run_out_are_no_full_disk),
        cmocka_unit_test(test_sql__bulk_inserts_any_number_of_rows),
        cmocka_unit_test(test_sql__keys_are_checked_or_not_within_a_transaction),
        cmocka_unit_test(test_sql__checked_json_is_an_object),
        cmocka_unit_test(test_sql__a_query_is_one_reading_statement),
        cmocka_unit_test(test_sql__damage_is_a_format_error),
        cmocka_unit_test(test_sql__a_file_that_was_replaced_is_not_written_into),
        cmocka_unit_test(test_sql__a_file_that_was_overwritten_is_not_written_into),
        cmocka_unit_test(test_sql__a_file_whose_log_was_recovered_is_watched),
        cmocka_unit_test(test_sql__what_others_do_through_sqlite_is_no_intrusion),
    };
    return cmocka_run_group_tests_name("sql", tests, make_folder, remove_folder);
}
