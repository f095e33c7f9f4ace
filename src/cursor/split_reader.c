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
    " WHERE place.split_id = ? AND place.position >= ? AND place.position < ?"
#define IN_ORDER " ORDER BY place.position"

enum { SAMPLES = 128 };

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
        status = dbt__prepare(reader->sql,
                              "SELECT 1" FROM_RANGE " AND take(document.id, document.label_id,"
                              " document.weight, document.text)" IN_ORDER,
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
        dbt__prepare(reader->sql, "SELECT place.position" FROM_RANGE IN_ORDER, &statement, err);
    if (status < 0) return status;
    int64_t position = first;
    bind_range(statement, reader, first, n);
    while ((status = dbt__step(statement, err)) == DBT_OK &&
           dbt__column_int(statement, 0) == position)
        position++;
    dbt__finalize(statement);
    return status < 0 ? status : dbt__split_lacks(reader->name, position, err);
}

typedef struct taking {
    dbt__take_row *take;
    void *context;
    int64_t n_rows; /* so far */
} taking;

static dbt_status take_values(void *context, const dbt__values *values, dbt_error *err)
{
    taking *t = context;
    const dbt__row row = {dbt__value_text(values, 3), dbt__value_int(values, 0),
                          dbt__value_int(values, 1), dbt__value_double(values, 2)};
    if (row.text.data == NULL)
        return dbt__fail(err, DBT_EFORMAT, "document %lld has no text: the file is damaged",
                         (long long)row.document_id);
    t->n_rows++;
    return t->take(t->context, &row, err);
}

dbt_status dbt__split_read(dbt__split_reader *reader, int64_t first, int64_t n, dbt__take_row *take,
                           void *context, dbt_error *err)
{
    taking t = {.take = take, .context = context};
    bind_range(reader->rows, reader, first, n);
    dbt_status status = dbt__each(reader->rows, take_values, &t, err);
    return status < 0 || t.n_rows == n ? status : fail_at_gap(reader, first, n, err);
}

dbt_status dbt__split_begin(dbt__split_reader *reader, dbt_error *err)
{
    return dbt__sql_exec(reader->sql, "BEGIN", err);
}

void dbt__split_end(dbt__split_reader *reader)
{
    dbt__sql_rollback(reader->sql);
}

static dbt_status add_bytes(void *context, const dbt__row *row, dbt_error *err)
{
    (void)err;
    *(int64_t *)context += (int64_t)row->text.bytes;
    return DBT_OK;
}

dbt_status dbt__split_mean_bytes(dbt__split_reader *reader, int64_t n, int64_t *bytes,
                                 dbt_error *err)
{
    int64_t samples = n < SAMPLES ? n : SAMPLES;
    *bytes = 0;
    dbt_status status = dbt__split_begin(reader, err);
    for (int64_t i = 0; status == DBT_OK && i < samples; i++) {
        int64_t position = n / samples * i + n % samples * i / samples;
        status = dbt__split_read(reader, position, 1, add_bytes, bytes, err);
    }
    dbt__split_end(reader);
    if (samples > 0) *bytes /= samples;
    return status;
}

dbt_status dbt__append_row(void *page, const dbt__row *row, dbt_error *err)
{
    return dbt_page_append(page, row->text, row->document_id, row->label_id, row->weight, err);
}
