/* page_rows.c: the mean length of some documents, spread evenly over a split. */
#include "page_rows.h"

#include "sql.h"
#include "store_internal.h"

#define SAMPLES 16

/* *bytes stays what it is where there is no document: whoever reads the page tells. */
static dbt_status add_text(dbt__statement *select, const char *split, int64_t position,
                           size_t *bytes, dbt_error *err)
{
    dbt__bind_string(select, 1, split);
    dbt__bind_int(select, 2, position);
    dbt_status status = dbt__step(select, err);
    if (status == DBT_OK) {
        dbt_text text;
        status = dbt__document_text(select, 0, &text, err);
        *bytes += text.bytes;
    }
    dbt__reset(select);
    return status < 0 ? status : DBT_OK;
}

dbt_status dbt__page_rows(dbt_store *store, const char *split, int64_t n_rows, size_t most,
                          size_t *rows, dbt_error *err)
{
    dbt__statement *select = NULL;
    size_t bytes = 0;
    *rows = most;
    dbt_status status = dbt__prepare(
        dbt__store_sql(store),
        "SELECT document.text FROM split_document AS place JOIN document"
        " ON document.id = place.document_id"
        " WHERE place.split_id = (SELECT id FROM split WHERE name = ?) AND place.position = ?",
        &select, err);
    if (status < 0) return status;
    dbt__allow_bytes(select, DBT__LONGEST_TEXT);
    /* Of a few documents the same one twice, or more often, for the same mean. */
    for (int64_t i = 0; status == DBT_OK && i < SAMPLES; i++)
        status = add_text(select, split, n_rows / SAMPLES * i + n_rows % SAMPLES * i / SAMPLES,
                          &bytes, err);
    dbt__finalize(select);
    while (*rows > 1 && bytes / SAMPLES > DBT__PAGE_BYTES / *rows)
        *rows /= 2;
    return status;
}
