/* split_reader.c: runs of neighbouring rows of a split, by seek. */
#include "split_reader.h"

#include "base.h"

/* CROSS JOIN: SQLite keeps the order of the tables whatever statistics ANALYZE has left in the
 * file, so this is a seek into the primary key of split_document and needs no sorting. */
static const char select_rows[] =
    "SELECT place.position, document.id, document.label_id, document.weight, document.text"
    " FROM split_document AS place CROSS JOIN document ON document.id = place.document_id"
    " WHERE place.split_id = ? AND place.position >= ? AND place.position < ?"
    " ORDER BY place.position";

dbt_status dbt__split_reader_init(dbt__split_reader *reader, dbt_store *store, const char *name,
                                  dbt_split *split, dbt_error *err)
{
    dbt_status status = dbt_store_find_split(store, name, split, err);
    if (status < 0) return status;
    reader->split_id = split->id;
    reader->name = dbt__strdup(name);
    if (reader->name == NULL) return dbt__out_of_memory(err, "a cursor");
    status = dbt__store_reader(store, &reader->sql, err);
    if (status == DBT_OK) status = dbt__prepare(reader->sql, select_rows, &reader->rows, err);
    return status;
}

void dbt__split_reader_release(dbt__split_reader *reader)
{
    dbt__finalize(reader->rows);
    dbt__sql_close(reader->sql);
    dbt__free(reader->name);
    *reader = (dbt__split_reader){0};
}

dbt_status dbt__split_read(dbt__split_reader *reader, int64_t first, int64_t n, dbt__take_row *take,
                           void *context, dbt_error *err)
{
    dbt__statement *rows = reader->rows;
    dbt_status status = DBT_OK;
    dbt__bind_int(rows, 1, reader->split_id);
    dbt__bind_int(rows, 2, first);
    dbt__bind_int(rows, 3, first + n);
    for (int64_t position = first; position < first + n; position++) {
        status = dbt__step(rows, err);
        if (status == DBT_DONE || (status == DBT_OK && dbt__column_int(rows, 0) != position))
            status = dbt__split_lacks(reader->name, position, err);
        if (status < 0) break;
        dbt__row row = {dbt__column_text(rows, 4), dbt__column_int(rows, 1),
                        dbt__column_int(rows, 2), dbt__column_double(rows, 3)};
        status = row.text.data == NULL ? dbt__out_of_memory(err, "a document")
                                       : take(context, &row, err);
        if (status < 0) break;
    }
    dbt__reset(rows);
    return status;
}

dbt_status dbt__split_begin(dbt__split_reader *reader, dbt_error *err)
{
    return dbt__sql_exec(reader->sql, "BEGIN", err);
}

void dbt__split_end(dbt__split_reader *reader)
{
    dbt__sql_rollback(reader->sql);
}

dbt_status dbt__append_row(void *page, const dbt__row *row, dbt_error *err)
{
    return dbt_page_append(page, row->text, row->document_id, row->label_id, row->weight, err);
}
