/*
 * pack.c: the vectorized form of a document in some two bytes an entry, and batches out of it.
 *
 * An entry of a batch is count * idf / norm, so a row is its norm and, by ascending column, how far
 * the column is from the one before and how often the term occurs. Unpacking repeats the arithmetic
 * of dbt_transform on the same numbers: the same bits. A packed row:
 *
 *     8 bytes   the norm, little-endian binary64
 *     then for each entry, as LEB128:
 *               2 * (column - column before - 1), the first column counted from -1, plus 1 where
 *               the count is not 1, which then follows, less 2
 */
#include <string.h>

#include "leb128.h"
#include "vectorizer_internal.h"

#define NORM_BYTES 8

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "norms are packed little-endian");

size_t dbt__pack_limit(size_t n_cells)
{
    return NORM_BYTES + n_cells * 2 * 5;
}

size_t dbt__pack_cells(double norm, const uint32_t *column, const uint32_t *count, size_t n,
                       unsigned char *row)
{
    memcpy(row, &norm, NORM_BYTES);
    size_t bytes = NORM_BYTES;
    uint32_t next = 0; /* the lowest column that may come */
    for (size_t i = 0; i < n; i++) {
        uint64_t gap = column[i] - next;
        bytes += dbt__leb128_put(row + bytes, gap << 1 | (count[i] != 1));
        if (count[i] != 1) bytes += dbt__leb128_put(row + bytes, count[i] - 2);
        next = column[i] + 1;
    }
    return bytes;
}

/* Appends the entries of a row to the batch, which has room for them. */
static bool unpack_entries(const dbt_vectorizer *vectorizer, const dbt_packed_row *row,
                           dbt_batch *batch, size_t *n_entries)
{
    const unsigned char *from = row->data + NORM_BYTES, *end = row->data + row->bytes;
    size_t n = *n_entries;
    uint64_t next = 0, number, more;
    double norm;
    memcpy(&norm, row->data, NORM_BYTES);
    while (from < end) {
        if (!dbt__leb128_get(&from, end, &number)) return false;
        uint64_t column = next + (number >> 1), count = 1;
        if ((number & 1) != 0) {
            if (!dbt__leb128_get(&from, end, &more) || more > UINT32_MAX - 2) return false;
            count = more + 2;
        }
        if (column >= vectorizer->n_features) return false;
        batch->column[n] = (uint32_t)column;
        batch->value[n++] = (float)(dbt__weigh(&vectorizer->options, (uint32_t)count) *
                                    vectorizer->idf[column] / norm);
        next = column + 1;
    }
    *n_entries = n;
    return true;
}

dbt_status dbt_unpack(const dbt_vectorizer *vectorizer, const dbt_packed_row *row, size_t n_rows,
                      dbt_batch *batch, dbt_error *err)
{
    size_t most = 0, n = 0;
    batch->n_rows = 0;
    for (size_t r = 0; r < n_rows; r++) {
        if (row[r].bytes < NORM_BYTES)
            return dbt__fail(err, DBT_EFORMAT, "packed row %zu is too short", r);
        most += row[r].bytes - NORM_BYTES; /* an entry takes a byte at least */
    }
    dbt_status status = dbt_batch_reserve(batch, n_rows, most, err);
    if (status < 0) return status;
    batch->n_columns = vectorizer->n_features;
    batch->row_start[0] = 0;
    for (size_t r = 0; r < n_rows; r++) {
        if (!unpack_entries(vectorizer, &row[r], batch, &n))
            return dbt__fail(err, DBT_EFORMAT, "packed row %zu is damaged", r);
        batch->row_start[r + 1] = n;
    }
    batch->n_rows = n_rows;
    return DBT_OK;
}
