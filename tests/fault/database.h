/* database.h: looking at a database with SQLite alone, in the tests that drive the real program. */
#ifndef DBT_TEST_DATABASE_H
#define DBT_TEST_DATABASE_H

#include "testing.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

/* A file that is not there leaves none. */
static inline void copy_file(const char *from, const char *to)
{
    char data[65536];
    ssize_t bytes = 0;
    (void)unlink(to);
    int in = open(from, O_RDONLY);
    if (in < 0) return;
    int out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    assert_true(out >= 0);
    while ((bytes = read(in, data, sizeof data)) > 0)
        assert_int_equal(write(out, data, (size_t)bytes), bytes);
    (void)close(in);
    (void)close(out);
}

/* File and log, as a crash would find them: the index of the log is made anew. */
static inline void copy_database(const char *from, const char *to)
{
    static const char *const suffixes[] = {"", "-wal"};
    char source[256], target[256];
    for (int i = 0; i < 2; i++) {
        (void)snprintf(source, sizeof source, "%s%s", from, suffixes[i]);
        (void)snprintf(target, sizeof target, "%s%s", to, suffixes[i]);
        copy_file(source, target);
    }
    (void)snprintf(target, sizeof target, "%s-shm", to);
    (void)unlink(target);
}

/* And the lock file that a killed writer has left. */
static inline void remove_database(const char *path)
{
    char lock[280];
    copy_database("/nonexistent", path);
    (void)snprintf(lock, sizeof lock, "%s-writer", path);
    (void)unlink(lock);
}

static inline sqlite3 *open_database(const char *path, int flags)
{
    sqlite3 *handle = NULL;
    if (sqlite3_open_v2(path, &handle, flags, NULL) != SQLITE_OK)
        fail_msg("'%s': %s", path, sqlite3_errmsg(handle));
    return handle;
}

/* The first value of a query as text, in static memory; "" when there is none. */
static inline const char *ask_text(sqlite3 *handle, const char *query)
{
    static char answers[2][4096];
    static unsigned turn;
    char *answer = answers[turn++ % 2];
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(handle, query, -1, &statement, NULL);
    if (code == SQLITE_OK) code = sqlite3_step(statement);
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        fail_msg("%s: %s", query, sqlite3_errmsg(handle));
    const unsigned char *text = code == SQLITE_ROW ? sqlite3_column_text(statement, 0) : NULL;
    (void)snprintf(answer, sizeof answers[0], "%s", text == NULL ? "" : (const char *)text);
    (void)sqlite3_finalize(statement);
    return answer;
}

static inline int64_t ask_number(sqlite3 *handle, const char *query)
{
    return strtoll(ask_text(handle, query), NULL, 10);
}

static inline void assert_sound(sqlite3 *handle)
{
    assert_string_equal(ask_text(handle, "PRAGMA integrity_check"), "ok");
    assert_string_equal(ask_text(handle, "PRAGMA foreign_key_check"), "");
}

/* False while the program has not made its tables yet. */
static inline int has_tables(sqlite3 *handle)
{
    return ask_number(handle, "SELECT count(*) FROM sqlite_schema WHERE name = 'document'") == 1;
}

#endif
