/*
 * query.c: pages of a user's query, by literal LIMIT and OFFSET.
 *
 * The query becomes a subquery, on a line of its own so that a comment at its end stays one. Its
 * text was prepared alone before, so it is one statement that only reads, and the connection cannot
 * write. Labels come by name and are looked up in the table. What SQLite objects to is the user's
 * mistake, not a bug.
 */
#include "query.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base.h"

/* A query longer than this is a mistake. */
#define MAX_QUERY_BYTES ((size_t)1 << 20)

typedef struct query_columns {
    bool text;
    bool label;
    bool weight;
} query_columns;

static dbt_status fail_query(dbt_error *err, dbt_status status, const dbt_error *inner)
{
    return dbt__fail(err, status == DBT_EINTERNAL ? DBT_EUSAGE : status, "query: %s",
                     inner->message);
}

/* Checks the text, and finds its length and which of the three columns it has. */
static dbt_status check_query(dbt__sql *sql, const char *text, size_t *bytes,
                              query_columns *columns, dbt_error *err)
{
    dbt__statement *statement;
    dbt_status status = dbt__prepare_query(sql, text, &statement, bytes, err);
    if (status < 0) return status;
    for (int i = 0; i < dbt__columns(statement); i++) {
        const char *name = dbt__column_name(statement, i);
        if (name == NULL) continue;
        columns->text |= strcasecmp(name, "text") == 0;
        columns->label |= strcasecmp(name, "label") == 0;
        columns->weight |= strcasecmp(name, "weight") == 0;
    }
    dbt__finalize(statement);
    if (*bytes > MAX_QUERY_BYTES) return dbt__fail(err, DBT_EUSAGE, "the query is too long");
    if (!columns->text) return dbt__fail(err, DBT_EUSAGE, "the query has no column named text");
    return DBT_OK;
}

/* Prepares HEAD FROM (the query) TAIL. */
static dbt_status prepare_around(dbt__sql *sql, const char *head, const char *text, size_t bytes,
                                 const char *tail, dbt__statement **statement, dbt_error *err)
{
    *statement = NULL;
    size_t room = strlen(head) + bytes + strlen(tail) + 32;
    char *whole = dbt__alloc_array(room, 1);
    if (whole == NULL) return dbt__out_of_memory(err, "a query");
    (void)snprintf(whole, room, "%s FROM (%.*s\n) AS query%s", head, (int)bytes, text, tail);
    dbt_status status = dbt__prepare(sql, whole, statement, err);
    dbt__free(whole);
    if (status == DBT_OK) dbt__allow_bytes(*statement, DBT__LONGEST_TEXT);
    return status;
}

static dbt_status count_rows(dbt__sql *sql, const char *text, size_t bytes, int64_t *n_rows,
                             dbt_error *err)
{
    dbt__statement *statement;
    dbt_status status = prepare_around(sql, "SELECT count(*)", text, bytes, "", &statement, err);
    if (status == DBT_OK) status = dbt__step(statement, err);
    if (status == DBT_OK) *n_rows = dbt__column_int(statement, 0);
    dbt__finalize(statement);
    return status;
}

/* The columns of the paged statement: text, weight, label as it came, its id. */
static dbt_status prepare_rows(dbt__query *query, const char *text, size_t bytes,
                               const query_columns *columns, dbt_error *err)
{
    char head[256];
    (void)snprintf(head, sizeof head, "SELECT query.text, %s, %s",
                   columns->weight ? "coalesce(query.weight, 1.0)" : "1.0",
                   columns->label ? "CAST(query.label AS TEXT), (SELECT id FROM main.label AS known"
                                    " WHERE known.name = CAST(query.label AS TEXT))"
                                  : "NULL, NULL");
    return prepare_around(query->sql, head, text, bytes, " LIMIT ? OFFSET ?", &query->rows, err);
}

dbt_status dbt__query_init(dbt__query *query, dbt_store *store, const char *text, int64_t *n_rows,
                           dbt_error *err)
{
    size_t bytes;
    query_columns columns = {false, false, false};
    dbt_status status = dbt__store_reader(store, &query->sql, err);
    if (status < 0) return status;
    query->database = dbt__strdup(dbt_store_path(store));
    if (query->database == NULL) return dbt__out_of_memory(err, "a cursor");
    dbt_error inner = {0};
    status = check_query(query->sql, text, &bytes, &columns, &inner);
    if (status == DBT_OK) status = prepare_rows(query, text, bytes, &columns, &inner);
    if (status == DBT_OK) status = count_rows(query->sql, text, bytes, n_rows, &inner);
    return status < 0 ? fail_query(err, status, &inner) : DBT_OK;
}

void dbt__query_release(dbt__query *query)
{
    dbt__finalize(query->rows);
    dbt__sql_close(query->sql);
    dbt__free(query->database);
    *query = (dbt__query){0};
}

static dbt_status append_row(dbt__query *query, int64_t number, dbt_page *page, dbt_error *err)
{
    dbt_text text = dbt__column_text(query->rows, 0);
    if (text.data == NULL && dbt__column_is_null(query->rows, 0))
        return dbt__fail(err, DBT_EDATA, "row %lld has no text", (long long)number);
    if (text.data == NULL) return dbt__out_of_memory(err, "a document");
    if (!dbt__column_is_null(query->rows, 2) && dbt__column_is_null(query->rows, 3)) {
        dbt_text label = dbt__column_text(query->rows, 2);
        int shown = label.bytes < 200 ? (int)label.bytes : 200;
        return dbt__fail(err, DBT_EDATA, "row %lld: no label '%.*s' in '%s'", (long long)number,
                         shown, label.data == NULL ? "" : label.data, query->database);
    }
    return dbt_page_append(page, text, number, dbt__column_int(query->rows, 3),
                           dbt__column_double(query->rows, 1), err);
}

dbt_status dbt__query_read(dbt__query *query, int64_t first, int64_t n, dbt_page *page,
                           dbt_error *err)
{
    dbt_error inner = {0};
    dbt_status status = DBT_OK;
    dbt__bind_int(query->rows, 1, n);
    dbt__bind_int(query->rows, 2, first);
    for (int64_t i = first; status == DBT_OK && i < first + n; i++) {
        status = dbt__step(query->rows, &inner);
        if (status == DBT_DONE)
            status = dbt__fail(&inner, DBT_EDATA, "row %lld is gone: the data has changed",
                               (long long)(i + 1));
        if (status == DBT_OK) status = append_row(query, i + 1, page, &inner);
    }
    dbt__reset(query->rows);
    return status < 0 ? fail_query(err, status, &inner) : DBT_OK;
}
