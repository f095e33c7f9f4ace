/*
 * pack.c: the vectorized form of a document in some two bytes an entry, and batches out of it.
 *
 * An entry of a batch is count * idf / norm, so a row is its norm and, by ascending column, how far
 * the column is from the one before and how often the term occurs. Unpacking repeats the arithmetic
 * of dbt_transform on the same numbers: the same bits. A packed row, little-endian:
 *
 *     binary64     the norm
 *     uint32       n, the number of entries; in the highest bit whether units have 32 bits, not 16
 *     unit[n]      2 * (column - column before - 1), the first column counted from -1, plus 1 where
 *                  the count is not 1
 *     unit[...]    the counts that are not 1
 *
 * Units of one width, and counts apart, are read without a branch on what they hold.
 */
#include <string.h>

#include "vectorizer_internal.h"

#define HEAD_BYTES (sizeof(double) + sizeof(uint32_t))
#define WIDE (UINT32_C(1) << 31)
/* Entries whose counts are held at once. */
#define CHUNK 512

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "rows are packed little-endian");

size_t dbt__pack_limit(size_t n_cells)
{
    return HEAD_BYTES + 2 * n_cells * sizeof(uint32_t);
}

static bool needs_wide(const uint32_t *column, const uint32_t *count, size_t n)
{
    uint32_t next = 0;
    bool wide = false;
    for (size_t i = 0; i < n; i++) {
        wide |= column[i] - next > INT16_MAX || count[i] > UINT16_MAX;
        next = column[i] + 1;
    }
    return wide;
}

static DBT__ALWAYS_INLINE unsigned char *put_unit(unsigned char *to, uint32_t unit,
                                                  size_t unit_bytes)
{
    memcpy(to, &unit, unit_bytes);
    return to + unit_bytes;
}

static DBT__ALWAYS_INLINE unsigned char *put_units(const uint32_t *column, const uint32_t *count,
                                                   size_t n, size_t unit_bytes, unsigned char *to)
{
    uint32_t next = 0;
    for (size_t i = 0; i < n; i++) {
        to = put_unit(to, (column[i] - next) << 1 | (count[i] != 1), unit_bytes);
        next = column[i] + 1;
    }
    for (size_t i = 0; i < n; i++)
        if (count[i] != 1) to = put_unit(to, count[i], unit_bytes);
    return to;
}

size_t dbt__pack_cells(double norm, const uint32_t *column, const uint32_t *count, size_t n,
                       unsigned char *row)
{
    bool wide = needs_wide(column, count, n);
    uint32_t head = (uint32_t)n | (wide ? WIDE : 0);
    memcpy(row, &norm, sizeof norm);
    memcpy(row + sizeof norm, &head, sizeof head);
    unsigned char *to = row + HEAD_BYTES;
    to = wide ? put_units(column, count, n, sizeof(uint32_t), to)
              : put_units(column, count, n, sizeof(uint16_t), to);
    return (size_t)(to - row);
}

/* A packed row, taken apart. */
typedef struct row_parts {
    double norm;
    size_t n;
    size_t unit_bytes;
    const unsigned char *unit; /* [n_units] */
    size_t n_units;
} row_parts;

static bool take_apart(const dbt_packed_row *row, row_parts *parts)
{
    uint32_t head;
    if (row->bytes < HEAD_BYTES) return false;
    memcpy(&parts->norm, row->data, sizeof parts->norm);
    memcpy(&head, row->data + sizeof parts->norm, sizeof head);
    parts->n = head & ~WIDE;
    parts->unit_bytes = (head & WIDE) != 0 ? sizeof(uint32_t) : sizeof(uint16_t);
    parts->unit = row->data + HEAD_BYTES;
    parts->n_units = (row->bytes - HEAD_BYTES) / parts->unit_bytes;
    return (row->bytes - HEAD_BYTES) % parts->unit_bytes == 0 && parts->n <= parts->n_units;
}

static DBT__ALWAYS_INLINE uint32_t get_unit(const unsigned char *unit, size_t i, size_t unit_bytes)
{
    uint32_t number = 0;
    memcpy(&number, unit + i * unit_bytes, unit_bytes);
    return number;
}

/* value = count * idf / norm; without idf it is 1. */
static void compute_values(const dbt_vectorizer *vectorizer, double norm, const uint32_t *column,
                           const uint32_t *count, size_t n, float *value)
{
    const double *idf = vectorizer->idf;
    if (idf == NULL)
        for (size_t i = 0; i < n; i++)
            value[i] = (float)(dbt__weigh(&vectorizer->options, count[i]) / norm);
    else if (vectorizer->options.sublinear_tf)
        for (size_t i = 0; i < n; i++)
            value[i] = (float)(dbt__weigh(&vectorizer->options, count[i]) * idf[column[i]] / norm);
    else
        for (size_t i = 0; i < n; i++)
            value[i] = (float)((double)count[i] * idf[column[i]] / norm);
}

/* With a constant width, so that units are loads and not calls. Where no count is left the last
 * unit is read in its stead, and not used. Columns ascend, so those of a chunk are valid when its
 * last one is. */
static DBT__ALWAYS_INLINE bool unpack_units(const dbt_vectorizer *vectorizer,
                                            const row_parts *parts, size_t unit_bytes,
                                            uint32_t *column, float *value)
{
    uint32_t count[CHUNK];
    size_t at = parts->n; /* of the next count */
    uint64_t next = 0;    /* the lowest column that may come */
    for (size_t start = 0; start < parts->n; start += CHUNK) {
        size_t n = parts->n - start < CHUNK ? parts->n - start : CHUNK;
        for (size_t i = 0; i < n; i++) {
            uint32_t unit = get_unit(parts->unit, start + i, unit_bytes), more = unit & 1;
            size_t stored = at < parts->n_units ? at : parts->n_units - 1;
            uint32_t other = get_unit(parts->unit, stored, unit_bytes);
            next += unit >> 1;
            column[start + i] = (uint32_t)next++;
            count[i] = more != 0 ? other : 1;
            at += more;
        }
        if (next > vectorizer->n_features) return false;
        compute_values(vectorizer, parts->norm, column + start, count, n, value + start);
    }
    return at == parts->n_units;
}

static bool unpack_row(const dbt_vectorizer *vectorizer, const row_parts *parts, uint32_t *column,
                       float *value)
{
    if (parts->unit_bytes == sizeof(uint16_t))
        return unpack_units(vectorizer, parts, sizeof(uint16_t), column, value);
    return unpack_units(vectorizer, parts, sizeof(uint32_t), column, value);
}

dbt_status dbt_unpack(const dbt_vectorizer *vectorizer, const dbt_packed_row *row, size_t n_rows,
                      dbt_batch *batch, dbt_error *err)
{
    size_t n = 0;
    batch->n_rows = 0;
    dbt_status status = dbt_batch_reserve(batch, n_rows, 0, err);
    if (status < 0) return status;
    batch->n_columns = vectorizer->n_features;
    batch->row_start[0] = 0;
    for (size_t r = 0; r < n_rows; r++) {
        row_parts parts;
        if (!take_apart(&row[r], &parts))
            return dbt__fail(err, DBT_EFORMAT, "packed row %zu is cut short", r);
        status = dbt_batch_reserve(batch, n_rows, n + parts.n, err);
        if (status < 0) return status;
        if (!unpack_row(vectorizer, &parts, batch->column + n, batch->value + n))
            return dbt__fail(err, DBT_EFORMAT, "packed row %zu is damaged", r);
        n += parts.n;
        batch->row_start[r + 1] = n;
    }
    batch->n_rows = n_rows;
    return DBT_OK;
}
