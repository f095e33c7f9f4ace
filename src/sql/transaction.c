/*
 * transaction.c: transactions, the locks of others that are in their way, and the log.
 *
 * A writer looks before and after each transaction whether the file is still the one that it has
 * open, and whether nobody has written into it past SQLite (intrusion.c).
 */
#include "sql_internal.h"

static int keep_waiting(void *context, int times)
{
    static const struct timespec nap = {.tv_nsec = 20 * 1000 * 1000};
    dbt__sql *sql = context;
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    if (times == 0) sql->wait_began = now;
    double seconds = (double)(now.tv_sec - sql->wait_began.tv_sec) +
                     1e-9 * (double)(now.tv_nsec - sql->wait_began.tv_nsec);
    if (!sql->wait(sql->wait_context, seconds)) return 0;
    (void)nanosleep(&nap, NULL); /* a signal may end it early */
    return 1;
}

void dbt__sql_set_wait(dbt__sql *sql, dbt__sql_wait *wait, void *context)
{
    sql->wait = wait;
    sql->wait_context = context;
    if (wait != NULL)
        (void)sqlite3_busy_handler(sql->handle, keep_waiting, sql);
    else
        (void)sqlite3_busy_timeout(sql->handle, DBT__BUSY_MILLISECONDS);
}

bool dbt__sql_waited_in_vain(const dbt__sql *sql)
{
    return sql->waited_in_vain;
}

/* The file that is open may have lost its name: what is written into it then is lost, and somebody
 * else's file may bear the name. */
static dbt_status check_name(const dbt__sql *sql, dbt_error *err)
{
    int moved = 0;
    (void)sqlite3_file_control(sql->handle, "main", SQLITE_FCNTL_HAS_MOVED, &moved);
    if (!moved) return DBT_OK;
    return dbt__fail(err, DBT_EFORMAT, "'%s' was moved, deleted or replaced while it was in use",
                     sql->path);
}

void dbt__sql_watch_file(dbt__sql *sql)
{
    sql->is_watched = true;
    /* A log that was recovered counts as one that is being moved, until it is. */
    (void)sqlite3_wal_checkpoint_v2(sql->handle, "main", SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    dbt__file_look(sql->handle, sql->path, &sql->seen);
}

static void look_again(dbt__sql *sql)
{
    if (sql->is_watched) dbt__file_look(sql->handle, sql->path, &sql->seen);
}

static dbt_status check_content(dbt__sql *sql, dbt_error *err)
{
    if (!sql->is_watched) return DBT_OK;
    dbt__file_state now;
    dbt__file_look(sql->handle, sql->path, &now);
    if (dbt__file_has_intruder(&sql->seen, &now))
        return dbt__fail(err, DBT_EFORMAT,
                         "'%s' was written to (or given another time), not through SQLite, while "
                         "it was in use: copy it and its log '%s' before all else; if 'PRAGMA "
                         "integrity_check' of the copy is not ok, the two do not belong together",
                         sql->path, dbt__sql_log_path(sql));
    sql->seen = now;
    return DBT_OK;
}

static dbt_status check_file(dbt__sql *sql, dbt_error *err)
{
    dbt_status status = check_name(sql, err);
    return status < 0 ? status : check_content(sql, err);
}

dbt_status dbt__sql_begin(dbt__sql *sql, dbt_error *err)
{
    dbt_status status = check_file(sql, err);
    if (status < 0) return status;
    /* A deferred transaction that turns into a writing one fails at once instead of waiting. */
    status = dbt__sql_exec(sql, "BEGIN IMMEDIATE", err);
    sql->waited_in_vain = status == DBT_ELOCKED;
    return status;
}

dbt_status dbt__sql_begin_read(dbt__sql *sql, dbt_error *err)
{
    return dbt__sql_exec(sql, "BEGIN", err);
}

dbt_status dbt__sql_commit(dbt__sql *sql, dbt_error *err)
{
    dbt_status status = check_file(sql, err);
    if (status == DBT_OK) status = dbt__sql_exec(sql, "COMMIT", err);
    if (status == DBT_OK) status = check_content(sql, err);
    return status;
}

void dbt__sql_rollback(dbt__sql *sql)
{
    /* After some errors SQLite has rolled back already. */
    if (sqlite3_get_autocommit(sql->handle)) return;
    (void)sqlite3_step(sql->rollback);
    (void)sqlite3_reset(sql->rollback);
}

dbt_status dbt__sql_end(dbt__sql *sql, dbt_status status, dbt_error *err)
{
    if (status == DBT_OK) status = dbt__sql_commit(sql, err);
    if (status < 0) dbt__sql_rollback(sql);
    return status;
}

bool dbt__sql_idle(dbt__sql *sql)
{
    return sqlite3_get_autocommit(sql->handle) &&
           sqlite3_txn_state(sql->handle, NULL) == SQLITE_TXN_NONE;
}

dbt_status dbt__sql_checkpoint(dbt__sql *sql, dbt_error *err)
{
    dbt_status status = check_content(sql, err);
    if (status < 0) return status;
    if (sql->wait != NULL) dbt__sql_set_wait(sql, NULL, NULL);
    if (sql->waited_in_vain) (void)sqlite3_busy_timeout(sql->handle, 0);
    if (sqlite3_wal_checkpoint_v2(sql->handle, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL) !=
        SQLITE_OK)
        return dbt__sql_fail(sql, SQLITE_OK, err);
    (void)sqlite3_db_config(sql->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
    look_again(sql);
    return DBT_OK;
}
