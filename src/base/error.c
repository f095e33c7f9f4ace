/* error.c: dbt_error: the first error wins, outer layers add context in front. */
#include <stdio.h>
#include <string.h>

#include "base.h"

const char *dbt_status_text(dbt_status status)
{
    switch (status) {
#define STATUS_CASE(name, value, text)                                                             \
    case name:                                                                                     \
        return text;
        DBT_STATUS_LIST(STATUS_CASE)
#undef STATUS_CASE
    }
    return "unknown status";
}

dbt_status dbt__fail(dbt_error *err, dbt_status status, const char *format, ...)
{
    if (err != NULL && err->status == DBT_OK) {
        va_list arguments;
        va_start(arguments, format);
        (void)vsnprintf(err->message, sizeof err->message, format, arguments);
        va_end(arguments);
        err->status = status;
    }
    return status;
}

dbt_status dbt__out_of_memory(dbt_error *err, const char *what)
{
    return dbt__fail(err, DBT_ENOMEM, "out of memory for %s", what);
}

dbt_status dbt__context(dbt_error *err, const char *format, ...)
{
    if (err == NULL || err->status == DBT_OK) return err == NULL ? DBT_EINTERNAL : DBT_OK;
    char inner[DBT_ERROR_BYTES];
    memcpy(inner, err->message, sizeof inner);
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(err->message, sizeof err->message, format, arguments);
    va_end(arguments);
    size_t used = length < 0 ? 0 : (size_t)length;
    if (used < sizeof err->message)
        (void)snprintf(err->message + used, sizeof err->message - used, ": %.*s",
                       (int)(sizeof err->message - used - 1), inner);
    return err->status;
}
