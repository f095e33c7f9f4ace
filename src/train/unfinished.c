/* unfinished.c: sources that are still 'loading'. */
#include "unfinished.h"

#include <stdio.h>

static void tell_source(const dbt_observer *observer, dbt_text name, dbt_text split,
                        int64_t documents)
{
    char line[DBT_ERROR_BYTES];
    (void)snprintf(line, sizeof line,
                   "the ingest of '%.*s' into '%.*s' did not end: %lld of its documents are there, "
                   "and the same ingest again brings the others",
                   (int)name.bytes, name.data, (int)split.bytes, split.data, (long long)documents);
    observer->note(observer->context, line);
}

dbt_status dbt__unfinished_tell(dbt__sql *sql, const dbt_observer *observer, const char *split,
                                const char *other, dbt_error *err)
{
    if (observer == NULL || observer->note == NULL) return DBT_OK;
    dbt__statement *find = NULL;
    dbt_status status = dbt__prepare(
        sql,
        "SELECT name, documents, split FROM source WHERE status = 'loading' AND split IN (?, ?)",
        &find, err);
    if (status < 0) return status;
    dbt__bind_string(find, 1, split);
    dbt__bind_string(find, 2, other);
    while ((status = dbt__step(find, err)) == DBT_OK) {
        dbt_text name = dbt__column_text(find, 0), into = dbt__column_text(find, 2);
        if (name.data != NULL && into.data != NULL)
            tell_source(observer, name, into, dbt__column_int(find, 1));
    }
    dbt__finalize(find);
    return status < 0 ? status : DBT_OK;
}
