/* sql_internal.h: a connection and a statement, as the files of this folder share them. */
#ifndef DBT_SQL_INTERNAL_H
#define DBT_SQL_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <sqlite3.h>

#include "base.h"
#include "intrusion.h"
#include "sql.h"
#include "take.h"

/* For which a lock is waited for, unless dbt__sql_set_wait says otherwise. */
#define DBT__BUSY_MILLISECONDS 5000

struct dbt__sql {
    sqlite3 *handle;
    int64_t looks;   /* at the step under way */
    bool is_endless; /* it took too much */
    bool is_unwatched;
    bool is_foreign;     /* the text that is being prepared is a user's */
    size_t longest;      /* of a value, as of the statement that was used last */
    bool waited_in_vain; /* to begin a transaction, the last time */
    dbt__sql_wait *wait; /* NULL: DBT__BUSY_MILLISECONDS */
    void *wait_context;
    struct timespec wait_began;
    bool is_watched;        /* for what others write into the file past SQLite */
    bool is_immutable;      /* SQLite reads it without locks: nobody may write to it meanwhile */
    dbt__file_state seen;   /* the last time, or when it was opened as immutable */
    int64_t schema_version; /* as it is known to dbtrain; 0: not told */
    dbt__taker taker;
    sqlite3_stmt *rollback; /* made beforehand: giving up must need no memory */
    char *path;             /* as the caller gave it, for messages */
};

struct dbt__statement {
    dbt__sql *sql;
    sqlite3_stmt *handle;
    size_t longest; /* bytes of a value */
    int failed;     /* SQLite's code of the first bind or column access that failed since the last
                       reset */
};

/* Records what `code`, or for SQLITE_OK the connection's last error, was. */
dbt_status dbt__sql_fail(const dbt__sql *sql, int code, dbt_error *err);
/* Values of the connection are no longer than this. SQLite has one limit for all statements: each
 * sets its own before it is used. */
void dbt__sql_limit(dbt__sql *sql, size_t longest);
/* SQLite's heap may hold values of so many bytes. */
void dbt__sql_make_room(size_t longest);

#endif
