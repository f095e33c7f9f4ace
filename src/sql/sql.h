/*
 * sql.h: SQLite, behind the one door through which dbtrain uses it.
 *
 * A connection and its statements belong to one thread at a time. Every failure carries SQLite's
 * own message and is mapped: BUSY and LOCKED to DBT_ELOCKED, FULL and IOERR and READONLY and
 * CANTOPEN to DBT_EIO, NOMEM to DBT_ENOMEM, CORRUPT and NOTADB and a missing file to DBT_EFORMAT,
 * TOOBIG to DBT_EDATA when it was bound and to DBT_EFORMAT when it was read, INTERRUPT to
 * DBT_EINTERRUPTED, else DBT_EINTERNAL. A table that has given its last id, which SQLite calls
 * FULL, is DBT_EFORMAT, as is a statement that has no meaning since other programs changed the
 * tables (dbt__sql_know_schema). A step that takes longer than any can on a sound file of its size
 * is ended: DBT_EFORMAT. In a program that has called dbt_tune_heap, the heap of SQLite is limited
 * to what the longest values that statements were made for may take: DBT_ENOMEM.
 *
 * Statements: bind (indices from 1), step until DBT_DONE, reset. Binding cannot fail visibly: the
 * first failure is kept and reported by the next step, so that a row of binds needs one check.
 *
 *     dbt__bind_int(statement, 1, id);
 *     while ((status = dbt__step(statement, err)) == DBT_OK)
 *         total += dbt__column_int(statement, 0);
 *     dbt__reset(statement);
 */
#ifndef DBT_SQL_H
#define DBT_SQL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <dbtrain/page.h>
#include <dbtrain/status.h>

typedef struct dbt__sql dbt__sql;
typedef struct dbt__statement dbt__statement;

/* Bytes of a value, at most: a name, settings; a document or a term, of which a reader holds two or
 * three copies; rows of a cache, all names together; weights, which is SQLite's own limit. A longer
 * one is damage. */
#define DBT__LONGEST_NAME ((size_t)1 << 20)
#define DBT__LONGEST_TEXT ((size_t)64 << 20)
#define DBT__LONGEST_ROWS ((size_t)256 << 20)
#define DBT__LONGEST_WEIGHTS ((size_t)1000000000)

typedef enum dbt__sql_mode { DBT__SQL_READ, DBT__SQL_WRITE, DBT__SQL_CREATE } dbt__sql_mode;

/*
 * Opens a connection with the settings that every connection of dbtrain has: busy time-out, foreign
 * keys on, synchronous FULL, mmap off, extended codes, defensive, no triggers, no ATTACH. It
 * neither checks nor makes a schema, but reads it, within limits of work and memory. READ works on
 * read-only files, folders and media. DBT_EFORMAT when the file is missing (for CREATE: its
 * folder), a folder or no database, or when its schema is damaged or absurd; DBT_EIO when it cannot
 * be opened or, but for READ, not be written.
 */
dbt_status dbt__sql_open(const char *path, dbt__sql_mode mode, dbt__sql **sql,
                         dbt_error *err) DBT_MUST_USE;
/* A new database in memory, for work on the side. DBT_ENOMEM. */
dbt_status dbt__sql_open_memory(dbt__sql **sql, dbt_error *err) DBT_MUST_USE;
/* Takes NULL. All statements must be finalized. The log is left as it is, unless the last thing
 * was a dbt__sql_checkpoint that succeeded: then it is removed. */
void dbt__sql_close(dbt__sql *sql);
/* "3.40.1"; static. */
const char *dbt__sql_version(void);

/* Foreign keys are checked, as from the beginning, or not; inside of a transaction, too. No
 * statement may be under way. */
void dbt__sql_check_keys(dbt__sql *sql, bool checked);

/* Asked while another program has the file locked, `seconds` after the wait began, many times a
 * second: false ends it. */
typedef bool dbt__sql_wait(void *context, double seconds);
/* From now on a lock of another program is waited for as long as `wait` says, and not for 5
 * seconds; these again after a checkpoint, or where it is NULL. */
void dbt__sql_set_wait(dbt__sql *sql, dbt__sql_wait *wait, void *context);
/* The last transaction could not begin, for a lock. */
bool dbt__sql_waited_in_vain(const dbt__sql *sql);

/* Runs a script of statements; rows are dropped. */
dbt_status dbt__sql_exec(dbt__sql *sql, const char *script, dbt_error *err) DBT_MUST_USE;
/* Runs one statement with n numbers for its first parameters; rows are dropped. */
dbt_status dbt__sql_run(dbt__sql *sql, const char *text, const int64_t *value, size_t n,
                        dbt_error *err) DBT_MUST_USE;
/* First column of the first row as an integer; `missing` when there is no row or it is NULL. */
dbt_status dbt__sql_int(dbt__sql *sql, const char *query, int64_t missing, int64_t *value,
                        dbt_error *err) DBT_MUST_USE;

/* The tables are now as statements expect them, or were when `other` (NULL: none) was told so: if
 * they change, that was another program. */
void dbt__sql_know_schema(dbt__sql *sql, const dbt__sql *other);
/* From now on a transaction that writes, and a checkpoint, look first whether somebody has written
 * into the file past SQLite, or set its time. A file in WAL mode, on a disk of this machine; what
 * is in its log is moved into it, as far as readers allow. */
void dbt__sql_watch_file(dbt__sql *sql);

/* BEGIN IMMEDIATE; COMMIT (when it fails, roll back); ROLLBACK (which cannot fail in a way that
 * matters, and does nothing outside of a transaction). The first two give DBT_EFORMAT when the file
 * was moved, deleted or replaced since it was opened, or else written to (dbt__sql_watch_file). */
dbt_status dbt__sql_begin(dbt__sql *sql, dbt_error *err) DBT_MUST_USE;
/* Begins a transaction that only reads: what is read in it is of one moment. End it with
 * dbt__sql_rollback. */
dbt_status dbt__sql_begin_read(dbt__sql *sql, dbt_error *err) DBT_MUST_USE;
dbt_status dbt__sql_commit(dbt__sql *sql, dbt_error *err) DBT_MUST_USE;
void dbt__sql_rollback(dbt__sql *sql);
/* Ends the transaction of work that has ended with `status`: commits it when that is DBT_OK, else,
 * or when that fails, rolls it back. */
dbt_status dbt__sql_end(dbt__sql *sql, dbt_status status, dbt_error *err) DBT_MUST_USE;
/* True outside of any transaction, read or write. */
bool dbt__sql_idle(dbt__sql *sql);
/* The write-ahead log: beside the file, whatever symbolic link leads to that. SQLite's own; NULL
 * for a database in memory. */
const char *dbt__sql_log_path(const dbt__sql *sql);
/* Bytes of the write-ahead log; 0 when there is none, -1 when that cannot be told. */
int64_t dbt__sql_log_bytes(const dbt__sql *sql);
/* Moves the write-ahead log into the file and empties it. DBT_ELOCKED when a reader is in the way,
 * or a writer; that is waited for for 5 seconds, and not again where it has just kept a transaction
 * from beginning. */
dbt_status dbt__sql_checkpoint(dbt__sql *sql, dbt_error *err) DBT_MUST_USE;

dbt_status dbt__prepare(dbt__sql *sql, const char *text, dbt__statement **statement,
                        dbt_error *err) DBT_MUST_USE;
/*
 * Prepares a user's query: exactly one statement that reads and yields columns, without parameters.
 * *bytes is its length in `text` without the closing semicolon. DBT_EUSAGE says what is wrong with
 * it. From then on steps of this connection may take any time.
 */
dbt_status dbt__prepare_query(dbt__sql *sql, const char *text, dbt__statement **statement,
                              size_t *bytes, dbt_error *err) DBT_MUST_USE;
/* Lets the statement read and write values of up to so many bytes. To one that was not told, and
 * only reads, values longer than DBT__LONGEST_NAME are damage; to one that writes, than
 * DBT__LONGEST_ROWS. */
void dbt__allow_bytes(dbt__statement *statement, size_t longest);
/* Takes NULL. */
void dbt__finalize(dbt__statement *statement);

/* Bound text and blobs are not copied: they must stay until reset or the next binding. */
void dbt__bind_int(dbt__statement *statement, int index, int64_t value);
void dbt__bind_double(dbt__statement *statement, int index, double value);
/* data NULL binds NULL. */
void dbt__bind_text(dbt__statement *statement, int index, const char *data, size_t bytes);
void dbt__bind_string(dbt__statement *statement, int index, const char *text);
void dbt__bind_blob(dbt__statement *statement, int index, const void *data, size_t bytes);
void dbt__bind_null(dbt__statement *statement, int index);

/* DBT_OK: a row; DBT_DONE. */
dbt_status dbt__step(dbt__statement *statement, dbt_error *err) DBT_MUST_USE;
/* Steps a statement that yields no rows, then resets it: DBT_OK. */
dbt_status dbt__run(dbt__statement *statement, dbt_error *err) DBT_MUST_USE;
/* Ends the reading of rows and releases the transaction; bindings are cleared. */
void dbt__reset(dbt__statement *statement);

/* Values of a row: the arguments of take(), there during the call that they are passed to. */
typedef struct sqlite3_value dbt__value;
typedef dbt_status dbt__take_values(void *context, dbt__value **value, dbt_error *err);

/*
 * Runs a statement whose WHERE ends with `AND take(a, b, ...)`: each row that is left then goes to
 * `take`, in the order in which SQLite finds them, and the statement yields none. Then resets it:
 * DBT_OK, or the first status of `take` below 0, which ends it. Faster than steps. `take` must not
 * use the connection.
 */
dbt_status dbt__each(dbt__statement *statement, dbt__take_values *take, void *context,
                     dbt_error *err) DBT_MUST_USE;
bool dbt__value_is_null(dbt__value *value);
bool dbt__value_is_text(dbt__value *value);
int64_t dbt__value_int(dbt__value *value);
double dbt__value_double(dbt__value *value);
/* data is NULL when the value is NULL. */
dbt_text dbt__value_text(dbt__value *value);

/* An INSERT of rows, many by a statement. */
typedef struct dbt__bulk {
    dbt__statement *many, *one;
} dbt__bulk;

/*
 * Prepares HEAD ROW, ROW, ...: `head` is "INSERT OR FAIL INTO t (...) VALUES", `row` for example
 * "(?1, ?)": a `?` is the parameter after the largest before it, so each row has its own; what has
 * a number is shared by all. To be finalized after a failure, too. OR FAIL: to be able to take back
 * half of a statement, SQLite would copy each page that the statement changes into a journal, which
 * costs more than is won. Whoever sees one fail takes back the transaction.
 */
dbt_status dbt__bulk_prepare(dbt__sql *sql, const char *head, const char *row, dbt__bulk *bulk,
                             dbt_error *err) DBT_MUST_USE;
/* The statement for the next of the rows that are left, and how many it takes: their parameters are
 * to be bound, and it is to be run. */
size_t dbt__bulk_next(const dbt__bulk *bulk, size_t left, dbt__statement **statement);
void dbt__bulk_finalize(dbt__bulk *bulk);

/* Columns from 0, of the row that the last step gave; text and blobs are valid until the next step
 * or reset. */
int dbt__columns(dbt__statement *statement);
const char *dbt__column_name(dbt__statement *statement, int column);
bool dbt__column_is_null(dbt__statement *statement, int column);
int64_t dbt__column_int(dbt__statement *statement, int column);
double dbt__column_double(dbt__statement *statement, int column);
/* data is NULL when the value is NULL or memory ran out (then the next step says so). */
dbt_text dbt__column_text(dbt__statement *statement, int column);
/* A copy with a NUL at its end, to be freed with dbt__free; NULL for NULL. DBT_ENOMEM. */
dbt_status dbt__column_copy(dbt__statement *statement, int column, char **copy,
                            dbt_error *err) DBT_MUST_USE;
const void *dbt__column_blob(dbt__statement *statement, int column, size_t *bytes);

/* rowid of the last INSERT; rows changed by the last statement. */
int64_t dbt__sql_last_id(dbt__sql *sql);
int64_t dbt__sql_changes(dbt__sql *sql);

#endif
