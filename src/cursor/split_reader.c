/*
 * split_reader.c: runs of neighbouring rows of a split, by seek.
 *
 * Positions are unique, so n rows from a range of n positions are all of them: the position need
 * not be read with each row. Only when rows lack is the first gap looked for.
 *
 * CROSS JOIN: SQLite keeps the order of the tables whatever statistics ANALYZE has left in the
 * file, so this is a seek into the primary key of split_document and needs no sorting.
 */
#include "split_reader.h"

#include "base.h"

#define FROM_RANGE                                                                                 \
    " FROM split_document AS place CROSS JOIN document ON document.id = place.document_id"         \
    " WHERE place.split_id = ? AND place.position >= ? AND place.position < ?"                     \
    " ORDER BY place.position"

dbt_status dbt__split_reader_init(dbt__split_reader *reader, dbt_store *store, const char *name,
                                  dbt_split *split, dbt_error *err)
{
    dbt_status status = dbt_store_find_split(store, name, split, err);
    if (status < 0) return status;
    reader->split_id = split->id;
    reader->name = dbt__strdup(name);
    if (reader->name == NULL) return dbt__out_of_memory(err, "a cursor");
    status = dbt__store_reader(store, &reader->sql, err);
    /* Pages are read once, so what matters is that their memory is in the processor's cache: 1 MB
     * has room for a block of the shuffled order and the inner pages above it. With half of that,
     * of ten million rows a ninth fewer are read a second. */
    if (status == DBT_OK) status = dbt__sql_exec(reader->sql, "PRAGMA cache_size = -1024", err);
    if (status == DBT_OK)
        status = dbt__prepare(
            reader->sql,
            "SELECT document.id, document.label_id, document.weight, document.text" FROM_RANGE,
            &reader->rows, err);
    return status;
}

void dbt__split_reader_release(dbt__split_reader *reader)
{
    dbt__finalize(reader->rows);
    dbt__sql_close(reader->sql);
    dbt__free(reader->name);
    *reader = (dbt__split_reader){0};
}

static void bind_range(dbt__statement *statement, const dbt__split_reader *reader, int64_t first,
                       int64_t n)
{
    dbt__bind_int(statement, 1, reader->split_id);
    dbt__bind_int(statement, 2, first);
    dbt__bind_int(statement, 3, first + n);
}

/* Says which is the first position in a range that has no document. */
static dbt_status fail_at_gap(dbt__split_reader *reader, int64_t first, int64_t n, dbt_error *err)
{
    dbt__statement *statement;
    dbt_status status =
        dbt__prepare(reader->sql, "SELECT place.position" FROM_RANGE, &statement, err);
    if (status < 0) return status;
    int64_t position = first;
    bind_range(statement, reader, first, n);
    while ((status = dbt__step(statement, err)) == DBT_OK &&
           dbt__column_int(statement, 0) == position)
        position++;
    dbt__finalize(statement);
    return status < 0 ? status : dbt__split_lacks(reader->name, position, err);
}

dbt_status dbt__split_read(dbt__split_reader *reader, int64_t first, int64_t n, dbt__take_row *take,
                           void *context, dbt_error *err)
{
    dbt__statement *rows = reader->rows;
    dbt_status status = DBT_OK;
    bind_range(rows, reader, first, n);
    for (int64_t i = 0; i < n; i++) {
        status = dbt__step(rows, err);
        if (status != DBT_OK) break;
        dbt__row row = {dbt__column_text(rows, 3), dbt__column_int(rows, 0),
                        dbt__column_int(rows, 1), dbt__column_double(rows, 2)};
        status = row.text.data == NULL ? dbt__out_of_memory(err, "a document")
                                       : take(context, &row, err);
        if (status < 0) break;
    }
    dbt__reset(rows);
    return status == DBT_DONE ? fail_at_gap(reader, first, n, err) : status;
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
