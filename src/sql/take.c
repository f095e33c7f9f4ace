/*
 * take.c: rows that are taken within the statement.
 *
 * A step out of SQLite for each row, and calls that ask for its columns, are a sixth of what a
 * short row costs. A function in WHERE is called where SQLite has the values at hand.
 */
#include "take.h"

#include <stddef.h>

static void take_values(sqlite3_context *context, int n, sqlite3_value **value)
{
    (void)n;
    dbt__taker *taker = sqlite3_user_data(context);
    if (taker->take == NULL) {
        sqlite3_result_error(context, "take() is dbtrain's own", -1);
        return;
    }
    taker->status = taker->take(taker->context, value, taker->err);
    if (taker->status < 0)
        sqlite3_result_error_code(context, SQLITE_ABORT);
    else
        sqlite3_result_int(context, 0);
}

int dbt__add_take(sqlite3 *handle, dbt__taker *taker)
{
    return sqlite3_create_function_v2(handle, "take", -1, SQLITE_UTF8 | SQLITE_DIRECTONLY, taker,
                                      take_values, NULL, NULL, NULL);
}

int64_t dbt__value_int(dbt__value *value)
{
    return sqlite3_value_int64(value);
}

bool dbt__value_is_null(dbt__value *value)
{
    return sqlite3_value_type(value) == SQLITE_NULL;
}

bool dbt__value_is_text(dbt__value *value)
{
    return sqlite3_value_type(value) == SQLITE_TEXT;
}

double dbt__value_double(dbt__value *value)
{
    return sqlite3_value_double(value);
}

dbt_text dbt__value_text(dbt__value *value)
{
    const char *data = sqlite3_value_blob(value);
    if (data != NULL) return (dbt_text){data, (size_t)sqlite3_value_bytes(value)};
    return (dbt_text){sqlite3_value_type(value) == SQLITE_NULL ? NULL : "", 0};
}
