/* statement.c: statements: prepared, bound, stepped, read. */
#include <string.h>

#include "sql_internal.h"

dbt_status dbt__sql_exec(dbt__sql *sql, const char *script, dbt_error *err)
{
    sql->looks = 0;
    dbt__sql_limit(sql, DBT__LONGEST_ROWS);
    if (sqlite3_exec(sql->handle, script, NULL, NULL, NULL) == SQLITE_OK) return DBT_OK;
    return dbt__sql_fail(sql, SQLITE_OK, err);
}

dbt_status dbt__sql_int(dbt__sql *sql, const char *query, int64_t missing, int64_t *value,
                        dbt_error *err)
{
    *value = missing;
    dbt__statement *statement;
    dbt_status status = dbt__prepare(sql, query, &statement, err);
    if (status < 0) return status;
    status = dbt__step(statement, err);
    if (status == DBT_OK && !dbt__column_is_null(statement, 0))
        *value = dbt__column_int(statement, 0);
    dbt__finalize(statement);
    return status < 0 ? status : DBT_OK;
}

dbt_status dbt__sql_run(dbt__sql *sql, const char *text, const int64_t *value, size_t n,
                        dbt_error *err)
{
    dbt__statement *statement;
    dbt_status status = dbt__prepare(sql, text, &statement, err);
    if (status < 0) return status;
    for (size_t i = 0; i < n; i++)
        dbt__bind_int(statement, (int)i + 1, value[i]);
    status = dbt__run(statement, err);
    dbt__finalize(statement);
    return status;
}

int64_t dbt__sql_last_id(dbt__sql *sql)
{
    return sqlite3_last_insert_rowid(sql->handle);
}

int64_t dbt__sql_changes(dbt__sql *sql)
{
    return sqlite3_changes64(sql->handle);
}

void dbt__allow_bytes(dbt__statement *statement, size_t longest)
{
    dbt__sql_make_room(longest);
    statement->longest = longest;
}

/* *tail is what follows the first statement of `text`, which may be a user's. */
static dbt_status prepare_first(dbt__sql *sql, const char *text, bool is_foreign,
                                dbt__statement **statement, const char **tail, dbt_error *err)
{
    *statement = NULL;
    dbt__statement *made = dbt__alloc(sizeof *made);
    if (made == NULL) return dbt__out_of_memory(err, "a statement");
    made->sql = sql;
    made->longest = DBT__LONGEST_NAME;
    sql->is_foreign = is_foreign;
    int code =
        sqlite3_prepare_v3(sql->handle, text, -1, SQLITE_PREPARE_PERSISTENT, &made->handle, tail);
    sql->is_foreign = false;
    if (code != SQLITE_OK) {
        dbt__free(made);
        return code == SQLITE_AUTH ? dbt__fail(err, DBT_EUSAGE, "the query is not a SELECT")
                                   : dbt__sql_fail(sql, SQLITE_OK, err);
    }
    /* A user's index may have the texts of rows that go: then they are read. */
    if (!sqlite3_stmt_readonly(made->handle)) dbt__allow_bytes(made, DBT__LONGEST_ROWS);
    *statement = made;
    return DBT_OK;
}

dbt_status dbt__prepare(dbt__sql *sql, const char *text, dbt__statement **statement, dbt_error *err)
{
    return prepare_first(sql, text, false, statement, NULL, err);
}

/* Why a statement is no query of a user's, or NULL. */
static const char *find_query_fault(const dbt__statement *first, const dbt__statement *second)
{
    if (first->handle == NULL) return "the query is empty";
    if (second->handle != NULL) return "the query is more than one statement";
    if (sqlite3_column_count(first->handle) == 0 || !sqlite3_stmt_readonly(first->handle) ||
        sqlite3_stmt_isexplain(first->handle) != 0)
        return "the query is not a SELECT";
    if (sqlite3_bind_parameter_count(first->handle) != 0) return "the query has parameters";
    return NULL;
}

dbt_status dbt__prepare_query(dbt__sql *sql, const char *text, dbt__statement **statement,
                              size_t *bytes, dbt_error *err)
{
    *bytes = 0;
    const char *tail = text;
    dbt__statement *second = NULL;
    dbt_error inner = {0};
    dbt_status status = prepare_first(sql, text, true, statement, &tail, &inner);
    if (status == DBT_OK) status = prepare_first(sql, tail, true, &second, NULL, &inner);
    if (status == DBT_OK) {
        const char *fault = find_query_fault(*statement, second);
        if (fault != NULL) status = dbt__fail(&inner, DBT_EUSAGE, "%s", fault);
    }
    dbt__finalize(second);
    if (status < 0) {
        dbt__finalize(*statement);
        *statement = NULL;
        /* A mistake in the text is the user's. */
        if (status == DBT_EINTERNAL) status = DBT_EUSAGE;
        return dbt__fail(err, status, "%s", inner.message);
    }
    sql->is_unwatched = true; /* how long it takes is the user's affair */
    *bytes = (size_t)(tail - text);
    if (text[*bytes - 1] == ';') --*bytes;
    return DBT_OK;
}

void dbt__finalize(dbt__statement *statement)
{
    if (statement == NULL) return;
    (void)sqlite3_finalize(statement->handle);
    dbt__free(statement);
}

static void keep_failure(dbt__statement *statement, int code)
{
    if (statement->failed == SQLITE_OK) statement->failed = code;
}

void dbt__bind_int(dbt__statement *statement, int index, int64_t value)
{
    keep_failure(statement, sqlite3_bind_int64(statement->handle, index, value));
}

void dbt__bind_double(dbt__statement *statement, int index, double value)
{
    keep_failure(statement, sqlite3_bind_double(statement->handle, index, value));
}

void dbt__bind_text(dbt__statement *statement, int index, const char *data, size_t bytes)
{
    dbt__sql_limit(statement->sql, statement->longest);
    keep_failure(statement, sqlite3_bind_text64(statement->handle, index, data, bytes,
                                                SQLITE_STATIC, SQLITE_UTF8));
}

void dbt__bind_string(dbt__statement *statement, int index, const char *text)
{
    dbt__bind_text(statement, index, text, text == NULL ? 0 : strlen(text));
}

void dbt__bind_blob(dbt__statement *statement, int index, const void *data, size_t bytes)
{
    dbt__sql_limit(statement->sql, statement->longest);
    keep_failure(statement,
                 sqlite3_bind_blob64(statement->handle, index, data, bytes, SQLITE_STATIC));
}

void dbt__bind_null(dbt__statement *statement, int index)
{
    keep_failure(statement, sqlite3_bind_null(statement->handle, index));
}

/* Of a file that is read without locks; what was read of it may then be of two states. */
static bool was_changed(const dbt__sql *sql)
{
    dbt__file_state now;
    return sql->is_immutable &&
           !(dbt__file_glance(sql->path, &now) && dbt__file_is_same(&sql->seen, &now));
}

dbt_status dbt__step(dbt__statement *statement, dbt_error *err)
{
    dbt__sql *sql = statement->sql;
    if (statement->failed != SQLITE_OK) return dbt__sql_fail(sql, statement->failed, err);
    sql->looks = 0;
    dbt__sql_limit(sql, statement->longest);
    int code = sqlite3_step(statement->handle);
    if (was_changed(sql))
        return dbt__fail(
            err, DBT_EDATA,
            "'%s' was changed by somebody else while it was read, without locks as its "
            "folder cannot be written to: give the same command again",
            sql->path);
    switch (code) {
    case SQLITE_ROW:
        return DBT_OK;
    case SQLITE_DONE:
        return DBT_DONE;
    default:
        return dbt__sql_fail(sql, SQLITE_OK, err);
    }
}

dbt_status dbt__run(dbt__statement *statement, dbt_error *err)
{
    dbt_status status;
    do {
        status = dbt__step(statement, err);
    } while (status == DBT_OK);
    dbt__reset(statement);
    return status < 0 ? status : DBT_OK;
}

dbt_status dbt__each(dbt__statement *statement, dbt__take_values *take, void *context,
                     dbt_error *err)
{
    dbt__taker *taker = &statement->sql->taker;
    dbt_error inner = {0}; /* an end that `take` wants need not be an error */
    *taker = (dbt__taker){take, context, DBT_OK, err};
    dbt_status status = dbt__run(statement, &inner), taken = taker->status;
    *taker = (dbt__taker){0};
    if (taken < 0) return taken;
    if (status < 0 && err != NULL && err->status == DBT_OK) *err = inner;
    return status;
}

void dbt__reset(dbt__statement *statement)
{
    /* Its result repeats the error of the last step. */
    (void)sqlite3_reset(statement->handle);
    (void)sqlite3_clear_bindings(statement->handle);
    statement->failed = SQLITE_OK;
}

int dbt__columns(dbt__statement *statement)
{
    return sqlite3_column_count(statement->handle);
}

const char *dbt__column_name(dbt__statement *statement, int column)
{
    return sqlite3_column_name(statement->handle, column);
}

bool dbt__column_is_null(dbt__statement *statement, int column)
{
    return sqlite3_column_type(statement->handle, column) == SQLITE_NULL;
}

int64_t dbt__column_int(dbt__statement *statement, int column)
{
    return sqlite3_column_int64(statement->handle, column);
}

double dbt__column_double(dbt__statement *statement, int column)
{
    return sqlite3_column_double(statement->handle, column);
}

dbt_status dbt__column_copy(dbt__statement *statement, int column, char **copy, dbt_error *err)
{
    *copy = NULL;
    if (dbt__column_is_null(statement, column)) return DBT_OK;
    dbt_text text = dbt__column_text(statement, column);
    if (text.data != NULL) *copy = dbt__alloc_array(text.bytes + 1, 1);
    if (*copy == NULL) return dbt__out_of_memory(err, "a stored text");
    memcpy(*copy, text.data, text.bytes);
    return DBT_OK;
}

const void *dbt__column_blob(dbt__statement *statement, int column, size_t *bytes)
{
    const void *data = sqlite3_column_blob(statement->handle, column);
    *bytes = data == NULL ? 0 : (size_t)sqlite3_column_bytes(statement->handle, column);
    if (data != NULL || dbt__column_is_null(statement, column)) return data;
    if ((sqlite3_errcode(statement->sql->handle) & 0xff) == SQLITE_NOMEM) {
        keep_failure(statement, SQLITE_NOMEM);
        return NULL;
    }
    return ""; /* SQLite gives NULL for a value without bytes, too */
}

/* Text is read as a blob: the same bytes, without the copy that the closing NUL costs. */
dbt_text dbt__column_text(dbt__statement *statement, int column)
{
    size_t bytes;
    const char *data = dbt__column_blob(statement, column, &bytes);
    return (dbt_text){data, bytes};
}
