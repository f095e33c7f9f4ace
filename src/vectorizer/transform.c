/*
 * transform.c: pages to batches, and documents to packed rows.
 *
 * The selected cells of a document are put in the order of their columns by a radix sort of
 * (column, cell): a comparison sort of some hundred numbers would take a third of the whole time,
 * in mispredicted branches.
 */
#include <string.h>

#include "vectorizer_internal.h"

/* Fewer cells are sorted by insertion. */
#define SMALL_ROW 24

struct dbt_transformer {
    const dbt_vectorizer *vectorizer;
    dbt__analyzer *analyzer;
    dbt__row row;
    const dbt__table *table; /* that the row was made with */
    unsigned column_bits;
    size_t n;      /* selected cells of the document */
    uint64_t *key; /* [n]: column, cell */
    uint64_t *spare;
    uint32_t *column;
    double *value;
    uint32_t *count;
    unsigned char *packed;
    size_t key_capacity;
    size_t spare_capacity;
    size_t column_capacity;
    size_t value_capacity;
    size_t count_capacity;
    size_t packed_capacity;
};

dbt_status dbt_transformer_new(const dbt_vectorizer *vectorizer, dbt_transformer **transformer,
                               dbt_error *err)
{
    *transformer = NULL;
    dbt_transformer *made = dbt__alloc(sizeof *made);
    if (made == NULL) return dbt__out_of_memory(err, "a transformer");
    made->vectorizer = vectorizer;
    while (made->column_bits < 32 && (vectorizer->n_features - 1) >> made->column_bits != 0)
        made->column_bits++;
    dbt__analyzer_options options =
        dbt__options_analyzer(&vectorizer->options, vectorizer->seed, UINT64_MAX);
    dbt_status status = dbt__analyzer_new(&options, &made->analyzer, err);
    if (status == DBT_OK) status = dbt__row_init(&made->row, err);
    if (status < 0)
        dbt_transformer_free(made);
    else
        *transformer = made;
    return status;
}

void dbt_transformer_free(dbt_transformer *transformer)
{
    if (transformer == NULL) return;
    dbt__analyzer_free(transformer->analyzer);
    dbt__row_release(&transformer->row);
    dbt__free(transformer->key);
    dbt__free(transformer->spare);
    dbt__free(transformer->column);
    dbt__free(transformer->value);
    dbt__free(transformer->count);
    dbt__free(transformer->packed);
    dbt__free(transformer);
}

static void sort_insertion(uint64_t *key, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        uint64_t moved = key[i];
        size_t at = i;
        for (; at > 0 && key[at - 1] > moved; at--)
            key[at] = key[at - 1];
        key[at] = moved;
    }
}

/* Sorts transformer->key by column, 8 bits at a time; columns differ, so the cells do not matter.
 */
static void sort_keys(dbt_transformer *transformer)
{
    size_t n = transformer->n;
    if (n < SMALL_ROW) {
        sort_insertion(transformer->key, n);
        return;
    }
    for (unsigned shift = 32; shift < 32 + transformer->column_bits; shift += 8) {
        uint64_t *from = transformer->key, *to = transformer->spare;
        uint32_t next[256] = {0}, start = 0;
        for (size_t i = 0; i < n; i++)
            next[from[i] >> shift & 0xFF]++;
        for (size_t digit = 0; digit < 256; digit++) {
            uint32_t count = next[digit];
            next[digit] = start;
            start += count;
        }
        for (size_t i = 0; i < n; i++)
            to[next[from[i] >> shift & 0xFF]++] = from[i];
        size_t capacity = transformer->key_capacity;
        transformer->key = to;
        transformer->spare = from;
        transformer->key_capacity = transformer->spare_capacity;
        transformer->spare_capacity = capacity;
    }
}

static dbt_status check_whole(const dbt_transformer *transformer, dbt_error *err)
{
    if (dbt_vectorizer_is_whole(transformer->vectorizer)) return DBT_OK;
    return dbt__fail(err, DBT_EUSAGE, "the vocabulary is not in memory: norms must be given");
}

/* Of the cell that a key names. */
static double value_of(const dbt_transformer *transformer, uint64_t key)
{
    return dbt__row_value(&transformer->row, transformer->table, &transformer->vectorizer->options,
                          (size_t)(key & UINT32_MAX));
}

/* The document's cells, and the sorted keys of those that are features. norm NULL: it is found, for
 * which all terms are needed. */
static dbt_status select_cells(dbt_transformer *transformer, dbt_text text, const double *norm,
                               dbt_error *err)
{
    const dbt_vectorizer *vectorizer = transformer->vectorizer;
    dbt__row *row = &transformer->row;
    dbt_status status = norm == NULL ? check_whole(transformer, err) : DBT_OK;
    bool features = norm != NULL && vectorizer->features.n_terms > 0;
    transformer->table = features ? &vectorizer->features : &vectorizer->table;
    if (status == DBT_OK)
        status = dbt__row_fill(row, transformer->table, &vectorizer->options, transformer->analyzer,
                               text, err);
    if (status == DBT_OK && norm != NULL) row->norm = *norm;
    if (status == DBT_OK)
        status = dbt__reserve((void **)&transformer->key, &transformer->key_capacity, row->n + 1,
                              sizeof *transformer->key, "a row", err);
    if (status == DBT_OK)
        status = dbt__reserve((void **)&transformer->spare, &transformer->spare_capacity,
                              row->n + 1, sizeof *transformer->spare, "a row", err);
    if (status < 0) return status;
    size_t n = 0;
    for (size_t i = 0; i < row->n; i++) {
        transformer->key[n] = (uint64_t)row->cell[i].feature << 32 | i;
        n += row->cell[i].feature != DBT__NO_FEATURE;
    }
    transformer->n = n;
    sort_keys(transformer);
    return DBT_OK;
}

dbt_status dbt_transform(dbt_transformer *transformer, const dbt_page *page, const double *norm,
                         dbt_batch *batch, dbt_error *err)
{
    size_t n = 0;
    dbt_status status = dbt_batch_reserve(batch, page->n_rows, 0, err);
    if (status < 0) return status;
    batch->n_rows = 0;
    batch->n_columns = transformer->vectorizer->n_features;
    batch->row_start[0] = 0;
    for (size_t r = 0; r < page->n_rows; r++) {
        status = select_cells(transformer, page->text[r], norm == NULL ? NULL : &norm[r], err);
        if (status == DBT_OK)
            status = dbt_batch_reserve(batch, page->n_rows, n + transformer->n, err);
        if (status < 0) return status;
        const uint64_t *key = transformer->key;
        for (size_t i = 0; i < transformer->n; i++, n++) {
            batch->column[n] = (uint32_t)(key[i] >> 32);
            batch->value[n] = (float)value_of(transformer, key[i]);
        }
        batch->row_start[r + 1] = n;
        batch->n_rows = r + 1;
    }
    return DBT_OK;
}

dbt_status dbt_transform_text(dbt_transformer *transformer, dbt_text text, const uint32_t **column,
                              const double **value, size_t *n, dbt_error *err)
{
    dbt_status status = select_cells(transformer, text, NULL, err);
    if (status == DBT_OK)
        status = dbt__reserve((void **)&transformer->column, &transformer->column_capacity,
                              transformer->n + 1, sizeof *transformer->column, "a row", err);
    if (status == DBT_OK)
        status = dbt__reserve((void **)&transformer->value, &transformer->value_capacity,
                              transformer->n + 1, sizeof *transformer->value, "a row", err);
    if (status < 0) return status;
    for (size_t i = 0; i < transformer->n; i++) {
        transformer->column[i] = (uint32_t)(transformer->key[i] >> 32);
        transformer->value[i] = value_of(transformer, transformer->key[i]);
    }
    *column = transformer->column;
    *value = transformer->value;
    *n = transformer->n;
    return DBT_OK;
}

dbt_status dbt_pack_text(dbt_transformer *transformer, dbt_text text, const double *norm,
                         dbt_packed_row *row, dbt_error *err)
{
    *row = (dbt_packed_row){0};
    dbt_status status = select_cells(transformer, text, norm, err);
    size_t n = transformer->n;
    if (status == DBT_OK)
        status = dbt__reserve((void **)&transformer->column, &transformer->column_capacity, n + 1,
                              sizeof *transformer->column, "a row", err);
    if (status == DBT_OK)
        status = dbt__reserve((void **)&transformer->count, &transformer->count_capacity, n + 1,
                              sizeof *transformer->count, "a row", err);
    if (status == DBT_OK)
        status = dbt__reserve((void **)&transformer->packed, &transformer->packed_capacity,
                              dbt__pack_limit(n), 1, "a row", err);
    if (status < 0) return status;
    for (size_t i = 0; i < n; i++) {
        transformer->column[i] = (uint32_t)(transformer->key[i] >> 32);
        transformer->count[i] = transformer->row.cell[transformer->key[i] & UINT32_MAX].count;
    }
    row->data = transformer->packed;
    row->bytes = dbt__pack_cells(transformer->row.norm, transformer->column, transformer->count, n,
                                 transformer->packed);
    return DBT_OK;
}
