/*
 * bulk.c: INSERT of many rows by a statement.
 *
 * When a short row is stored by an INSERT of its own, most of the time goes to what each statement
 * does once: it looks up the last id in sqlite_sequence and writes it back, and goes down from the
 * root of each tree. A statement for many rows does that once and goes on from leaf to leaf.
 */
#include <string.h>

#include "base.h"
#include "sql.h"

enum { ROWS = 16 };

static dbt_status prepare_rows(dbt__sql *sql, const char *head, const char *row, size_t n,
                               dbt__statement **statement, dbt_error *err)
{
    dbt__buffer text;
    dbt__buffer_init(&text, 0);
    dbt_status status = dbt__buffer_append(&text, head, strlen(head), err);
    for (size_t i = 0; i < n && status == DBT_OK; i++) {
        if (i > 0) status = dbt__buffer_append(&text, ", ", 2, err);
        if (status == DBT_OK) status = dbt__buffer_append(&text, row, strlen(row), err);
    }
    if (status == DBT_OK) status = dbt__buffer_append(&text, "", 1, err);
    if (status == DBT_OK) status = dbt__prepare(sql, text.data, statement, err);
    dbt__buffer_release(&text);
    return status;
}

dbt_status dbt__bulk_prepare(dbt__sql *sql, const char *head, const char *row, dbt__bulk *bulk,
                             dbt_error *err)
{
    *bulk = (dbt__bulk){NULL, NULL};
    dbt_status status = prepare_rows(sql, head, row, ROWS, &bulk->many, err);
    return status < 0 ? status : prepare_rows(sql, head, row, 1, &bulk->one, err);
}

size_t dbt__bulk_next(const dbt__bulk *bulk, size_t left, dbt__statement **statement)
{
    size_t rows = left >= ROWS ? ROWS : 1;
    *statement = rows == 1 ? bulk->one : bulk->many;
    return rows;
}

void dbt__bulk_finalize(dbt__bulk *bulk)
{
    dbt__finalize(bulk->many);
    dbt__finalize(bulk->one);
    *bulk = (dbt__bulk){NULL, NULL};
}
