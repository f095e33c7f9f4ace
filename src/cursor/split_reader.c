/*
 * split_reader.c: runs of neighbouring rows of a split, by seek.
 *
 * CROSS JOIN: SQLite keeps the order of the tables whatever statistics ANALYZE has left in the
 * file, so this is a seek into the primary key of split_document and needs no sorting. The position
 * that comes with each row shows that none is missing, and that they do come in their order.
 */
#include "split_reader.h"

#include "base.h"

enum { SAMPLES = 128 };

/*
 * Pages are read once, so what matters is that their memory is in the processor's cache: 1 MB has
 * room for a block of the shuffled order and the inner pages above it. With half of that, of ten
 * million rows a ninth fewer are read a second.
 *
 * A look at all cells of a page, of which a scattered split needs few, costs a tenth of the time of
 * its rows. Here damage spreads to nothing, as nothing is written, and checksums find what is read
 * wrong.
 */
#define SETTINGS "PRAGMA cache_size = -1024; PRAGMA cell_size_check = OFF"

#define ROWS_WITH(more)                                                                            \
    "SELECT 1 FROM split_document AS place"                                                        \
    " CROSS JOIN document ON document.id = place.document_id"                                      \
    " WHERE place.split_id = ? AND place.position >= ? AND place.position < ?"                     \
    " AND take(place.position, document.id, document.label_id, document.weight,"                   \
    " document.text" more ") ORDER BY place.position"

dbt_status dbt__split_reader_init(dbt__split_reader *reader, dbt_store *store, const char *name,
                                  bool verify, dbt_split *split, dbt_error *err)
{
    dbt_status status = dbt_store_find_split(store, name, split, err);
    if (status < 0) return status;
    reader->split_id = split->id;
    reader->verify = verify;
    reader->name = dbt__strdup(name);
    if (reader->name == NULL) return dbt__out_of_memory(err, "a cursor");
    status = dbt__store_reader(store, &reader->sql, err);
    if (status == DBT_OK) status = dbt__sql_exec(reader->sql, SETTINGS, err);
    if (status == DBT_OK)
        status =
            dbt__prepare(reader->sql, verify ? ROWS_WITH(", document.checksum") : ROWS_WITH(""),
                         &reader->rows, err);
    if (status == DBT_OK) dbt__allow_bytes(reader->rows, DBT__LONGEST_TEXT);
    return status;
}

void dbt__split_reader_release(dbt__split_reader *reader)
{
    dbt__finalize(reader->rows);
    dbt__sql_close(reader->sql);
    dbt__free(reader->name);
    *reader = (dbt__split_reader){0};
}

typedef struct taking {
    const dbt__split_reader *reader;
    dbt__take_row *take;
    void *context;
    int64_t next; /* position */
} taking;

static dbt_status fail_damaged(const taking *t, int64_t document_id, dbt_error *err)
{
    return dbt__fail(err, DBT_EFORMAT,
                     "document %lld, at position %lld of split '%s', is not what was stored: the "
                     "file is damaged; take an older copy of it or, if its text and label are as "
                     "they should be: UPDATE document SET checksum = NULL WHERE id = %lld",
                     (long long)document_id, (long long)t->next - 1, t->reader->name,
                     (long long)document_id);
}

static dbt_status take_values(void *context, dbt__value **value, dbt_error *err)
{
    taking *t = context;
    if (dbt__value_int(value[0]) != t->next) return dbt__split_lacks(t->reader->name, t->next, err);
    t->next++;
    const dbt__row row = {.text = dbt__value_text(value[4]),
                          .document_id = dbt__value_int(value[1]),
                          .label_id = dbt__value_int(value[2]),
                          .weight = dbt__value_double(value[3])};
    if (!dbt__value_is_text(value[4]))
        return dbt__fail(err, DBT_EFORMAT, "document %lld has no text: the file is damaged",
                         (long long)row.document_id);
    if (t->reader->verify && !dbt__value_is_null(value[5]) &&
        dbt__value_int(value[5]) !=
            dbt__document_checksum(row.document_id, row.label_id, row.weight, row.text))
        return fail_damaged(t, row.document_id, err);
    return t->take(t->context, &row, err);
}

dbt_status dbt__split_read(dbt__split_reader *reader, int64_t first, int64_t n, dbt__take_row *take,
                           void *context, dbt_error *err)
{
    taking t = {.reader = reader, .take = take, .context = context, .next = first};
    dbt__bind_int(reader->rows, 1, reader->split_id);
    dbt__bind_int(reader->rows, 2, first);
    dbt__bind_int(reader->rows, 3, first + n);
    dbt_status status = dbt__each(reader->rows, take_values, &t, err);
    return status < 0 || t.next == first + n ? status : dbt__split_lacks(reader->name, t.next, err);
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
