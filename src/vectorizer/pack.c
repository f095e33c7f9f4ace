/*
 * pack.c: the vectorized form of a document in some two bytes an entry, and batches out of it.
 *
 * An entry of a batch is count * idf / norm, so a row is its norm and, by ascending column, how far
 * the column is from the one before and how often the term occurs, which is mostly once. Unpacking
 * repeats the arithmetic of dbt_transform on the same numbers: the same bits. A packed row,
 * little-endian:
 *
 *     binary64     the norm
 *     uint32       n, the number of entries; the highest bit: units have 32 bits instead of 16
 *     unit[n]      column - column before - 1, the first column counted from -1
 *     unit         m
 *     unit[m][2]   the entries whose count is not 1, ascending: number (0 .. n - 1) and count
 *
 * So columns are a running sum of what is read in order, all values are computed as if counts were
 * 1, and few are computed again.
 */
#include <string.h>

#include "vectorizer_internal.h"

#define HEAD_BYTES (sizeof(double) + sizeof(uint32_t))
#define WIDE (UINT32_C(1) << 31)
/* Rows that one task unpacks, and entries of a batch from which more than one thread does. */
#define TASK_ROWS 16
#define WORTH_SHARING 4096

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "rows are packed little-endian");

size_t dbt__pack_limit(size_t n_cells)
{
    return HEAD_BYTES + (1 + 3 * n_cells) * sizeof(uint32_t);
}

static bool needs_wide(const uint32_t *column, const uint32_t *count, size_t n)
{
    uint32_t next = 0;
    bool wide = n > UINT16_MAX;
    for (size_t i = 0; i < n; i++) {
        wide |= column[i] - next > UINT16_MAX || count[i] > UINT16_MAX;
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
        to = put_unit(to, column[i] - next, unit_bytes);
        next = column[i] + 1;
    }
    uint32_t n_counts = 0;
    for (size_t i = 0; i < n; i++)
        n_counts += count[i] != 1;
    to = put_unit(to, n_counts, unit_bytes);
    for (size_t i = 0; i < n; i++) {
        if (count[i] == 1) continue;
        to = put_unit(to, (uint32_t)i, unit_bytes);
        to = put_unit(to, count[i], unit_bytes);
    }
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

static DBT__ALWAYS_INLINE uint32_t get_unit(const unsigned char *unit, size_t i, size_t unit_bytes)
{
    uint32_t number = 0;
    memcpy(&number, unit + i * unit_bytes, unit_bytes);
    return number;
}

/* A packed row, taken apart. */
typedef struct row_parts {
    double norm;
    size_t n;
    size_t n_counts; /* entries whose count is not 1 */
    size_t unit_bytes;
    const unsigned char *gap;   /* unit[n] */
    const unsigned char *count; /* unit[n_counts][2] */
} row_parts;

static bool take_apart(const dbt_packed_row *row, row_parts *parts)
{
    uint32_t head;
    if (row->bytes < HEAD_BYTES) return false;
    memcpy(&parts->norm, row->data, sizeof parts->norm);
    memcpy(&head, row->data + sizeof parts->norm, sizeof head);
    parts->n = head & ~WIDE;
    parts->unit_bytes = (head & WIDE) != 0 ? sizeof(uint32_t) : sizeof(uint16_t);
    size_t bytes = row->bytes - HEAD_BYTES, n_units = bytes / parts->unit_bytes;
    if (bytes % parts->unit_bytes != 0 || parts->n >= n_units) return false;
    parts->gap = row->data + HEAD_BYTES;
    parts->n_counts = get_unit(parts->gap, parts->n, parts->unit_bytes);
    parts->count = parts->gap + (parts->n + 1) * parts->unit_bytes;
    return n_units == parts->n + 1 + 2 * parts->n_counts;
}

/* Columns ascend, so all are valid when the last one is. */
static DBT__ALWAYS_INLINE bool unpack_columns(const dbt_vectorizer *vectorizer,
                                              const row_parts *parts, size_t unit_bytes,
                                              uint32_t *column)
{
    uint64_t next = 0; /* the lowest column that may come */
    for (size_t i = 0; i < parts->n; i++) {
        next += get_unit(parts->gap, i, unit_bytes);
        column[i] = (uint32_t)next++;
    }
    return next <= vectorizer->n_features;
}

/* value = count * idf / norm, of entries that occur once; without idf it is 1. */
static void compute_values(const dbt_vectorizer *vectorizer, const row_parts *parts,
                           const uint32_t *column, float *value)
{
    const double *idf = vectorizer->idf, norm = parts->norm;
    for (size_t i = 0; i < parts->n; i++)
        value[i] = (float)((idf == NULL ? 1 : idf[column[i]]) / norm);
}

/* And of the others. */
static DBT__ALWAYS_INLINE bool unpack_counts(const dbt_vectorizer *vectorizer,
                                             const row_parts *parts, size_t unit_bytes,
                                             const uint32_t *column, float *value)
{
    const double *idf = vectorizer->idf;
    size_t next = 0; /* the lowest number that may come */
    for (size_t i = 0; i < parts->n_counts; i++) {
        size_t number = get_unit(parts->count, 2 * i, unit_bytes);
        uint32_t count = get_unit(parts->count, 2 * i + 1, unit_bytes);
        if (number < next || number >= parts->n) return false;
        next = number + 1;
        double weight = dbt__weigh(&vectorizer->options, count);
        value[number] = (float)(weight * (idf == NULL ? 1 : idf[column[number]]) / parts->norm);
    }
    return true;
}

/* With a constant width, so that units are loads and not calls. */
static DBT__ALWAYS_INLINE bool unpack_units(const dbt_vectorizer *vectorizer,
                                            const row_parts *parts, size_t unit_bytes,
                                            uint32_t *column, float *value)
{
    if (!unpack_columns(vectorizer, parts, unit_bytes, column)) return false;
    compute_values(vectorizer, parts, column, value);
    return unpack_counts(vectorizer, parts, unit_bytes, column, value);
}

static bool unpack_row(const dbt_vectorizer *vectorizer, const row_parts *parts, uint32_t *column,
                       float *value)
{
    if (parts->unit_bytes == sizeof(uint16_t))
        return unpack_units(vectorizer, parts, sizeof(uint16_t), column, value);
    return unpack_units(vectorizer, parts, sizeof(uint32_t), column, value);
}

typedef struct unpacking {
    const dbt_vectorizer *vectorizer;
    const dbt_packed_row *row;
    dbt_batch *batch;
    size_t n_rows;
} unpacking;

static dbt_status unpack_rows(void *context, size_t task, size_t worker, dbt_error *err)
{
    (void)worker;
    const unpacking *u = context;
    size_t begin = task * TASK_ROWS;
    size_t end = u->n_rows - begin < TASK_ROWS ? u->n_rows : begin + TASK_ROWS;
    for (size_t r = begin; r < end; r++) {
        row_parts parts;
        size_t at = u->batch->row_start[r];
        if (!take_apart(&u->row[r], &parts) ||
            !unpack_row(u->vectorizer, &parts, u->batch->column + at, u->batch->value + at))
            return dbt__fail(err, DBT_EFORMAT, "packed row %zu is damaged", r);
    }
    return DBT_OK;
}

/* Where each row begins in the batch. */
static dbt_status place_rows(const unpacking *u, dbt_error *err)
{
    size_t n = 0;
    for (size_t r = 0; r < u->n_rows; r++) {
        row_parts parts;
        if (!take_apart(&u->row[r], &parts))
            return dbt__fail(err, DBT_EFORMAT, "packed row %zu is cut short", r);
        u->batch->row_start[r] = n;
        n += parts.n;
    }
    u->batch->row_start[u->n_rows] = n;
    return DBT_OK;
}

dbt_status dbt_unpack(const dbt_vectorizer *vectorizer, const dbt_packed_row *row, size_t n_rows,
                      dbt_pool *pool, dbt_batch *batch, dbt_error *err)
{
    unpacking u = {vectorizer, row, batch, n_rows};
    batch->n_rows = 0;
    batch->n_columns = vectorizer->n_features;
    dbt_status status = dbt_batch_reserve(batch, n_rows, 0, err);
    if (status == DBT_OK) status = place_rows(&u, err);
    if (status < 0) return status;
    size_t n_entries = batch->row_start[n_rows];
    status = dbt_batch_reserve(batch, n_rows, n_entries, err);
    if (status == DBT_OK)
        status = dbt_pool_for(n_entries < WORTH_SHARING ? NULL : pool,
                              (n_rows + TASK_ROWS - 1) / TASK_ROWS, unpack_rows, &u, err);
    if (status == DBT_OK) batch->n_rows = n_rows;
    return status;
}
