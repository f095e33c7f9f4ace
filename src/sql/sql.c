/*
 * sql.c: connections: how they are opened, what they may take, and what their errors mean.
 *
 * Every connection gets the same settings, whoever opens it: a busy time-out of 5 seconds, foreign
 * keys, synchronous FULL (an acknowledged commit survives a power loss), no memory map (a file that
 * another process cuts short would end this one by SIGBUS), and the switches that keep a file from
 * running logic of its own: defensive, untrusted schema, no extensions, cell sizes checked, no
 * value that is longer than any of its kind that is stored.
 *
 * The log is never moved into the file behind the caller's back when a connection closes, because
 * SQLite reports no failure of that checkpoint (a full disk would go unseen), and because a file
 * that is only looked at and refused must not change. dbt__sql_checkpoint does it in the open; only
 * after it has succeeded may the closing connection remove the log, which is empty then.
 *
 * Names are taken as names of files, whatever they look like: SQLite may be built to understand
 * "file:" and ":memory:", so a relative path is given to it with "./" in front.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base.h"
#include "heap.h"
#include "json.h"
#include "sql_internal.h"

/* Pages of the log from which a commit moves it into the file, 4 MiB of those that stores have;
 * what the log is cut to when it begins anew, 8 MiB. */
#define LOG_PAGES 64
#define LOG_BYTES "8388608"
/* The longest statement: a user's query, or an object's in a file's schema. */
#define LONGEST_STATEMENT 1000000
/* What reading a file's schema may take: instructions of SQLite's machine, looked at every few of
 * them, and memory. 200,000 are some twenty thousand objects: SQLite's time grows with their
 * square. */
#define SCHEMA_LOOK_EVERY 10
#define SCHEMA_MAX_LOOKS 20000
#define SCHEMA_MAX_BYTES (64 << 20)

/*
 * What one step of a statement may take: instructions of SQLite's machine, for each byte of the
 * file and its log, and some for free. A row has a dozen bytes or more with its place in the split,
 * and a scan, a join or a sort takes some tens of instructions for each; but in a forged tree, in
 * which many pages point at one, a few pages can hold rows without end.
 */
#define STEP_LOOK_EVERY 1000000
#define STEP_FREE_LOOKS 20
#define STEP_BYTES_A_LOOK 10000

/* What SQLite's heap may hold: a schema, caches of pages and sorters; and a value some times over,
 * as it is read and as it becomes part of a row. */
#define HEAP_BYTES ((sqlite3_int64)128 << 20)
#define HEAP_VALUES 3

/* What a schema that is being read has taken. */
typedef struct schema_guard {
    int looks;
    sqlite3_int64 bytes_before;
} schema_guard;

const char *dbt__sql_version(void)
{
    return sqlite3_libversion();
}

/* --- errors --- */

static dbt_status map_code(int extended)
{
    switch (extended & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
        return DBT_ELOCKED;
    case SQLITE_IOERR:
        return extended == SQLITE_IOERR_NOMEM ? DBT_ENOMEM : DBT_EIO;
    case SQLITE_FULL:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
        return DBT_EIO;
    case SQLITE_NOMEM:
        return DBT_ENOMEM;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_CONSTRAINT: /* of a sound file everything that is written fits into it */
        return DBT_EFORMAT;
    case SQLITE_TOOBIG:
        return DBT_EDATA;
    case SQLITE_INTERRUPT:
        return DBT_EINTERRUPTED;
    default:
        return DBT_EINTERNAL;
    }
}

/* SQLite says "full", as of a disk, when a table has given its last id. Asking makes it forget what
 * the error was. */
static dbt_status fail_full(const dbt__sql *sql, dbt_error *err)
{
    sqlite3_stmt *select = NULL;
    bool found = sqlite3_prepare_v2(sql->handle,
                                    "SELECT 1 FROM sqlite_sequence WHERE seq = 9223372036854775807",
                                    -1, &select, NULL) == SQLITE_OK &&
                 sqlite3_step(select) == SQLITE_ROW;
    (void)sqlite3_finalize(select);
    if (!found) return dbt__fail(err, DBT_EIO, "'%s': %s", sql->path, sqlite3_errstr(SQLITE_FULL));
    return dbt__fail(err, DBT_EFORMAT,
                     "'%s': sqlite_sequence leaves no id for another row: the file is damaged",
                     sql->path);
}

/* 0: it cannot be read. */
static int64_t read_schema_version(sqlite3 *handle)
{
    sqlite3_stmt *statement = NULL;
    int64_t version = 0;
    if (sqlite3_prepare_v2(handle, "PRAGMA main.schema_version", -1, &statement, NULL) ==
            SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        version = sqlite3_column_int64(statement, 0);
    (void)sqlite3_finalize(statement);
    return version;
}

void dbt__sql_know_schema(dbt__sql *sql, const dbt__sql *other)
{
    sql->schema_version = other == NULL ? read_schema_version(sql->handle) : other->schema_version;
}

/* SQLite does not know what a statement means, which it did when the file was opened: either its
 * tables have changed since, or it is a bug. */
static dbt_status fail_statement(const dbt__sql *sql, const char *text, dbt_error *err)
{
    char cause[DBT_ERROR_BYTES];
    (void)snprintf(cause, sizeof cause, "%s", text); /* the next statement replaces it */
    int64_t now = sql->schema_version == 0 ? 0 : read_schema_version(sql->handle);
    if (now == 0 || now == sql->schema_version)
        return dbt__fail(err, DBT_EINTERNAL, "'%s': %s", sql->path, cause);
    return dbt__fail(err, DBT_EFORMAT,
                     "'%s': %s: another program has changed its tables while it was in use",
                     sql->path, cause);
}

dbt_status dbt__sql_fail(const dbt__sql *sql, int code, dbt_error *err)
{
    if (sql->is_endless)
        return dbt__fail(err, DBT_EFORMAT,
                         "'%s': a table seems to have rows without end: the file is damaged",
                         sql->path);
    /* Not one that was bound: then there is a code. */
    if (code == SQLITE_OK && sqlite3_errcode(sql->handle) == SQLITE_TOOBIG)
        return dbt__fail(
            err, DBT_EFORMAT,
            "'%s': a value in it is longer than %zu MiB: dbtrain stores none like that", sql->path,
            sql->longest >> 20);
    if (code == SQLITE_OK && sqlite3_errcode(sql->handle) == SQLITE_FULL)
        return fail_full(sql, err);
    const char *text = code == SQLITE_OK ? sqlite3_errmsg(sql->handle) : sqlite3_errstr(code);
    if (code == SQLITE_OK) code = sqlite3_extended_errcode(sql->handle);
    dbt_status status = map_code(code);
    int cause = status == DBT_EIO ? sqlite3_system_errno(sql->handle) : 0;
    if (cause == ENOMEM) status = DBT_ENOMEM; /* mapping the log's index, say */
    if ((code & 0xff) == SQLITE_BUSY)
        return dbt__fail(err, status, "'%s': %s: another program has a transaction open in it",
                         sql->path, text);
    if ((code & 0xff) == SQLITE_CONSTRAINT)
        return dbt__fail(err, status,
                         "'%s': %s: what is in the file contradicts that; 'PRAGMA integrity_check' "
                         "may tell more",
                         sql->path, text);
    if ((code & 0xff) == SQLITE_ERROR) return fail_statement(sql, text, err);
    char reason[128];
    if (cause != 0 && strerror_r(cause, reason, sizeof reason) == 0)
        return dbt__fail(err, status, "'%s': %s (%s)", sql->path, text, reason);
    return dbt__fail(err, status, "'%s': %s", sql->path, text);
}

/* --- limits --- */

void dbt__sql_limit(dbt__sql *sql, size_t longest)
{
    if (sql->longest == longest) return;
    sql->longest = longest;
    (void)sqlite3_limit(sql->handle, SQLITE_LIMIT_LENGTH, (int)longest);
}

/* Its heap is one for all connections, those of other threads, too: the limit only grows. */
void dbt__sql_make_room(size_t longest)
{
    static atomic_int_least64_t most;
    if (!dbt__heap_is_tuned()) return;
    int64_t bytes = HEAP_BYTES + HEAP_VALUES * (int64_t)longest, before = atomic_load(&most);
    while (bytes > before && !atomic_compare_exchange_weak(&most, &before, bytes))
        ;
    if (bytes <= before) return;
    /* Another thread may have gone further meanwhile, and told SQLite before. */
    do {
        bytes = atomic_load(&most);
        (void)sqlite3_hard_heap_limit64(bytes);
    } while (bytes != atomic_load(&most));
}

/* --- connections --- */

/* What SQLite would say less clearly. The file is not opened: closing a descriptor of it would drop
 * SQLite's locks. */
static dbt_status check_path(const char *path, dbt__sql_mode mode, dbt_error *err)
{
    struct stat facts;
    if (stat(path, &facts) != 0) {
        bool missing = errno == ENOENT || errno == ENOTDIR || errno == ENAMETOOLONG;
        if (!missing) return DBT_OK; /* SQLite's own message will do */
        if (mode == DBT__SQL_CREATE) return DBT_OK;
        return dbt__fail(err, DBT_EFORMAT, "no such file '%s'", path);
    }
    if (S_ISDIR(facts.st_mode))
        return dbt__fail(err, DBT_EFORMAT, "'%s' is a folder, not a database", path);
    if (!S_ISREG(facts.st_mode))
        return dbt__fail(err, DBT_EFORMAT, "'%s' is not a regular file", path);
    /* SQLite takes a file of one byte for an empty one. */
    if (facts.st_size == 1)
        return dbt__fail(err, DBT_EFORMAT, "'%s': file is not a database", path);
    return DBT_OK;
}

static dbt_status append_string(dbt__buffer *buffer, const char *text, dbt_error *err)
{
    return dbt__buffer_append(buffer, text, strlen(text), err);
}

/* The URI of a file that nobody changes. */
static dbt_status write_immutable_uri(const char *path, dbt__buffer *uri, dbt_error *err)
{
    dbt_status status = append_string(uri, path[0] == '/' ? "file:" : "file:./", err);
    for (const char *p = path; status == DBT_OK && *p != '\0'; p++) {
        char escaped[4] = {*p, '\0', '\0', '\0'};
        if (strchr("%?#", *p) != NULL)
            (void)snprintf(escaped, sizeof escaped, "%%%02X", (unsigned)(unsigned char)*p);
        status = append_string(uri, escaped, err);
    }
    if (status == DBT_OK) status = dbt__buffer_append(uri, "?immutable=1", 13, err);
    return status;
}

static dbt_status write_plain_name(const char *path, dbt__buffer *name, dbt_error *err)
{
    dbt_status status = path[0] == '/' ? DBT_OK : append_string(name, "./", err);
    return status < 0 ? status : dbt__buffer_append(name, path, strlen(path) + 1, err);
}

static dbt_status open_handle(dbt__sql *sql, dbt__sql_mode mode, bool immutable, dbt_error *err)
{
    static const int flags[] = {[DBT__SQL_READ] = SQLITE_OPEN_READONLY,
                                [DBT__SQL_WRITE] = SQLITE_OPEN_READWRITE,
                                [DBT__SQL_CREATE] = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE};
    dbt__buffer name;
    dbt__buffer_init(&name, 0);
    dbt_status status = immutable ? write_immutable_uri(sql->path, &name, err)
                                  : write_plain_name(sql->path, &name, err);
    if (status < 0) goto out;
    /* A connection belongs to one thread at a time: it needs no mutex. */
    int code = sqlite3_open_v2(
        name.data, &sql->handle,
        flags[mode] | SQLITE_OPEN_NOMUTEX | (immutable ? SQLITE_OPEN_URI : 0), NULL);
    if (sql->handle == NULL)
        status = dbt__out_of_memory(err, "a connection");
    else if (code != SQLITE_OK)
        status = dbt__sql_fail(sql, SQLITE_OK, err);
out:
    dbt__buffer_release(&name);
    return status;
}

/* Of the file and its log. */
static int64_t count_bytes(const dbt__sql *sql)
{
    struct stat facts;
    int64_t bytes = stat(sql->path, &facts) == 0 ? (int64_t)facts.st_size : 0;
    int64_t log = dbt__sql_log_bytes(sql);
    return log > 0 ? bytes + log : bytes;
}

static int watch_step(void *context)
{
    dbt__sql *sql = context;
    if (++sql->looks > STEP_FREE_LOOKS && !sql->is_unwatched)
        sql->is_endless = sql->looks > STEP_FREE_LOOKS + count_bytes(sql) / STEP_BYTES_A_LOOK;
    return sql->is_endless;
}

static int watch_schema(void *context)
{
    schema_guard *guard = context;
    return ++guard->looks > SCHEMA_MAX_LOOKS ||
           sqlite3_memory_used() - guard->bytes_before > SCHEMA_MAX_BYTES;
}

/* SQLite parses the whole schema, somebody else's, before it prepares a first statement. Nothing of
 * it is run yet. */
static dbt_status read_schema(dbt__sql *sql, dbt_error *err)
{
    schema_guard guard = {0, sqlite3_memory_used()};
    dbt_error cause = {0};
    sqlite3_progress_handler(sql->handle, SCHEMA_LOOK_EVERY, watch_schema, &guard);
    dbt_status status = dbt__sql_exec(sql, "SELECT 1 FROM sqlite_schema LIMIT 1", &cause);
    sqlite3_progress_handler(sql->handle, 0, NULL, NULL);
    if (status == DBT_OK) return DBT_OK;
    if (status == DBT_EINTERRUPTED)
        return dbt__fail(err, DBT_EFORMAT, "'%s': its schema is too large to be read", sql->path);
    /* There is nothing wrong with the statement. */
    if (status == DBT_EINTERNAL || status == DBT_EDATA) status = DBT_EFORMAT;
    return dbt__fail(err, status, "%s", cause.message);
}

/* Whatever text it is in. Some pragmas have their effect when they are prepared, which is before a
 * user's text is known to be a query. */
static int authorize(void *context, int action, const char *first, const char *second,
                     const char *schema, const char *trigger)
{
    (void)first, (void)second, (void)schema, (void)trigger;
    const dbt__sql *sql = context;
    if (action == SQLITE_ATTACH || action == SQLITE_DETACH) return SQLITE_DENY;
    return action == SQLITE_PRAGMA && sql->is_foreign ? SQLITE_DENY : SQLITE_OK;
}

static dbt_status apply_settings(dbt__sql *sql, dbt_error *err)
{
    static const struct {
        int option;
        int value;
    } settings[] = {
        {SQLITE_DBCONFIG_ENABLE_FKEY, 1},      {SQLITE_DBCONFIG_DEFENSIVE, 1},
        {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},   {SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0},
        {SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1}, {SQLITE_DBCONFIG_ENABLE_TRIGGER, 0},
    };
    dbt__sql_make_room(DBT__LONGEST_NAME);
    dbt__sql_limit(sql, DBT__LONGEST_NAME);
    (void)sqlite3_limit(sql->handle, SQLITE_LIMIT_SQL_LENGTH, LONGEST_STATEMENT);
    (void)sqlite3_limit(sql->handle, SQLITE_LIMIT_ATTACHED, 0);
    (void)sqlite3_set_authorizer(sql->handle, authorize, sql);
    (void)sqlite3_extended_result_codes(sql->handle, 1);
    (void)sqlite3_busy_timeout(sql->handle, DBT__BUSY_MILLISECONDS);
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        int now = -1;
        int code = sqlite3_db_config(sql->handle, settings[i].option, settings[i].value, &now);
        /* A library built without extensions has no switch for them. */
        if (code != SQLITE_OK && settings[i].option != SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION)
            return dbt__sql_fail(sql, code, err);
    }
    int added = dbt__add_checked_json(sql->handle);
    if (added == SQLITE_OK) added = dbt__add_take(sql->handle, &sql->taker);
    if (added != SQLITE_OK) return dbt__sql_fail(sql, added, err);
    (void)sqlite3_wal_autocheckpoint(sql->handle, LOG_PAGES);
    dbt_status status = dbt__sql_exec(sql,
                                      "PRAGMA mmap_size = 0; PRAGMA cell_size_check = ON;"
                                      "PRAGMA journal_size_limit = " LOG_BYTES,
                                      err);
    if (status == DBT_OK) status = read_schema(sql, err);
    if (status == DBT_OK) status = dbt__sql_exec(sql, "PRAGMA synchronous = FULL", err);
    sqlite3_progress_handler(sql->handle, STEP_LOOK_EVERY, watch_step, sql);
    return status;
}

const char *dbt__sql_log_path(const dbt__sql *sql)
{
    const char *file = sqlite3_db_filename(sql->handle, "main");
    return file == NULL || file[0] == '\0' ? NULL : sqlite3_filename_wal(file);
}

int64_t dbt__sql_log_bytes(const dbt__sql *sql)
{
    const char *path = dbt__sql_log_path(sql);
    struct stat facts;
    if (path == NULL) return -1;
    if (stat(path, &facts) == 0) return (int64_t)facts.st_size;
    return errno == ENOENT ? 0 : -1;
}

/*
 * A file in WAL mode on a read-only medium or in a read-only folder cannot be opened plainly:
 * SQLite wants to make the log's index beside it. If there is no log, the file alone is the whole
 * truth, and can be opened as immutable: as long as it stays so, which others, who may write there,
 * need not heed. Each step looks whether it did. With a log the file alone would be an old state
 * without a word, so then the error stands.
 */
static dbt_status open_reader(dbt__sql *sql, dbt_error *err)
{
    dbt_error first = {0};
    dbt_status status = open_handle(sql, DBT__SQL_READ, false, &first);
    if (status == DBT_OK) status = apply_settings(sql, &first);
    int code = sql->handle == NULL ? SQLITE_NOMEM : sqlite3_errcode(sql->handle) & 0xff;
    if ((code == SQLITE_CANTOPEN || code == SQLITE_READONLY) && dbt__sql_log_bytes(sql) == 0) {
        (void)sqlite3_close(sql->handle);
        sql->handle = NULL;
        dbt_error second = {0};
        sql->is_immutable = dbt__file_glance(sql->path, &sql->seen);
        status = open_handle(sql, DBT__SQL_READ, true, &second);
        if (status == DBT_OK) status = apply_settings(sql, &second);
    }
    if (status < 0) return dbt__fail(err, status, "%s", first.message);
    return DBT_OK;
}

/* Why a path cannot be opened for writing, where SQLite says it less clearly: a log and a lock are
 * made beside the file, so the folder must be writable too. */
static dbt_status explain_refusal(const char *path, const dbt_error *cause, dbt_error *err)
{
    const char *slash = strrchr(path, '/');
    char *folder = dbt__strdup(slash == NULL ? "." : path);
    if (folder == NULL) return dbt__out_of_memory(err, "a connection");
    if (slash != NULL) folder[slash + 1 - path] = '\0';
    dbt_status status = cause->status;
    if (faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS) != 0)
        status = errno == ENOENT || errno == ENOTDIR
                     ? dbt__fail(err, DBT_EFORMAT, "no folder '%s' for '%s': make it first", folder,
                                 path)
                     : dbt__fail(err, DBT_EIO,
                                 "'%s' cannot be written: its folder '%s' must be writable, too "
                                 "(%s)",
                                 path, folder, strerror(errno));
    else if (faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) != 0 && errno != ENOENT)
        status = dbt__fail(err, DBT_EIO, "'%s' cannot be written (%s)", path, strerror(errno));
    else
        (void)dbt__fail(err, status, "%s", cause->message);
    dbt__free(folder);
    return status;
}

static dbt_status open_writer(dbt__sql *sql, dbt__sql_mode mode, dbt_error *err)
{
    dbt_error cause = {0};
    dbt_status status = open_handle(sql, mode, false, &cause);
    if (status == DBT_OK) status = apply_settings(sql, &cause);
    /* SQLite falls back to reading without a word. */
    if (status == DBT_OK && sqlite3_db_readonly(sql->handle, "main") == 1)
        status = dbt__fail(&cause, DBT_EIO, "'%s' is read-only", sql->path);
    if (status == DBT_EIO) return explain_refusal(sql->path, &cause, err);
    return status < 0 ? dbt__fail(err, status, "%s", cause.message) : DBT_OK;
}

static dbt_status prepare_rollback(dbt__sql *sql, dbt_error *err)
{
    int code = sqlite3_prepare_v3(sql->handle, "ROLLBACK", -1, SQLITE_PREPARE_PERSISTENT,
                                  &sql->rollback, NULL);
    return code == SQLITE_OK ? DBT_OK : dbt__sql_fail(sql, SQLITE_OK, err);
}

dbt_status dbt__sql_open(const char *path, dbt__sql_mode mode, dbt__sql **sql, dbt_error *err)
{
    *sql = NULL;
    dbt_status status = check_path(path, mode, err);
    if (status < 0) return status;
    dbt__sql *made = dbt__alloc(sizeof *made);
    if (made != NULL) made->path = dbt__strdup(path);
    if (made == NULL || made->path == NULL)
        status = dbt__out_of_memory(err, "a connection");
    else
        status = mode == DBT__SQL_READ ? open_reader(made, err) : open_writer(made, mode, err);
    if (status == DBT_OK) status = prepare_rollback(made, err);
    if (status < 0) {
        dbt__sql_close(made);
        return status;
    }
    *sql = made;
    return DBT_OK;
}

dbt_status dbt__sql_open_memory(dbt__sql **sql, dbt_error *err)
{
    *sql = NULL;
    dbt__sql *made = dbt__alloc(sizeof *made);
    if (made != NULL) made->path = dbt__strdup(":memory:");
    if (made == NULL || made->path == NULL ||
        sqlite3_open_v2(made->path, &made->handle,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                        NULL) != SQLITE_OK ||
        dbt__add_checked_json(made->handle) != SQLITE_OK) {
        dbt__sql_close(made);
        return dbt__out_of_memory(err, "a database in memory");
    }
    *sql = made;
    return DBT_OK;
}

void dbt__sql_close(dbt__sql *sql)
{
    if (sql == NULL) return;
    (void)sqlite3_finalize(sql->rollback);
    (void)sqlite3_close_v2(sql->handle);
    dbt__free(sql->path);
    dbt__free(sql);
}

void dbt__sql_check_keys(dbt__sql *sql, bool checked)
{
    (void)sqlite3_db_config(sql->handle, SQLITE_DBCONFIG_ENABLE_FKEY, checked ? 1 : 0, NULL);
}
