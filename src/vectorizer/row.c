/*
 * row.c: a document to its cells: the terms of the vocabulary in it, counted, weighted and
 * normalised.
 *
 * n-grams come in blocks; the table's places of a block are asked of memory all at once, then
 * looked at, so that waiting for one covers the others. Terms that are found are counted in a small
 * set that is emptied by taking another stamp. Sums run over the cells in the order of first
 * occurrence, four at a time, which depends on the document alone.
 */
#include <math.h>
#include <string.h>

#include "vectorizer_internal.h"

#define FIRST_SLOT_BITS 10
/* Places asked of memory before the first of them is looked at. */
#define PREFETCH 48

dbt_status dbt__row_init(dbt__row *row, dbt_error *err)
{
    *row = (dbt__row){.slot_bits = FIRST_SLOT_BITS};
    row->slot = dbt__alloc_array((size_t)1 << FIRST_SLOT_BITS, sizeof *row->slot);
    return row->slot == NULL ? dbt__out_of_memory(err, "a row") : DBT_OK;
}

void dbt__row_release(dbt__row *row)
{
    dbt__free(row->slot);
    dbt__free(row->cell);
    dbt__free(row->value);
    *row = (dbt__row){0};
}

static inline size_t slot_of(uint32_t place, unsigned slot_bits)
{
    return (size_t)((place * UINT64_C(0x9e3779b97f4a7c15)) >> (64 - slot_bits));
}

/* Twice as many slots, filled with the cells there are. */
static dbt_status grow_slots(dbt__row *row, dbt_error *err)
{
    unsigned bits = row->slot_bits + 1;
    uint64_t *slot = dbt__alloc_array((size_t)1 << bits, sizeof *slot);
    if (slot == NULL) return dbt__out_of_memory(err, "a row");
    size_t mask = ((size_t)1 << bits) - 1;
    for (size_t i = 0; i < row->n; i++) {
        size_t at = slot_of(row->cell[i].place, bits);
        while (slot[at] != 0)
            at = (at + 1) & mask;
        slot[at] = (uint64_t)row->stamp << 32 | i;
    }
    dbt__free(row->slot);
    row->slot = slot;
    row->slot_bits = bits;
    return DBT_OK;
}

/* Room for a block's cells, the set at most half full. */
static dbt_status reserve_cells(dbt__row *row, dbt_error *err)
{
    size_t needed = row->n + DBT__BLOCK, capacity = row->capacity;
    dbt_status status = DBT_OK;
    while (status == DBT_OK && needed > (size_t)1 << (row->slot_bits - 1))
        status = grow_slots(row, err);
    if (status == DBT_OK)
        status =
            dbt__reserve((void **)&row->cell, &capacity, needed, sizeof *row->cell, "a row", err);
    if (status == DBT_OK)
        status = dbt__reserve((void **)&row->value, &row->capacity, needed, sizeof *row->value,
                              "a row", err);
    return status;
}

/* Counts the terms at these places. What changes is held in local variables: the compiler must take
 * it that writing a slot changes the row. */
static void count_terms(dbt__row *row, const dbt__table *table, const uint32_t *place, size_t n)
{
    const unsigned bits = row->slot_bits;
    const size_t mask = ((size_t)1 << bits) - 1;
    const uint64_t stamp = (uint64_t)row->stamp << 32;
    uint64_t *slots = row->slot;
    dbt__cell *cells = row->cell;
    size_t n_cells = row->n;
    for (size_t i = 0; i < n; i++) {
        size_t at = slot_of(place[i], bits);
        /* A slot of this stamp less the stamp is the index of a cell; of another one it is higher.
         */
        while (slots[at] - stamp <= UINT32_MAX && cells[slots[at] - stamp].place != place[i])
            at = (at + 1) & mask;
        uint64_t index = slots[at] - stamp;
        if (index <= UINT32_MAX) {
            cells[index].count++;
        } else {
            const dbt__entry *entry = &table->entry[place[i]];
            slots[at] = stamp | n_cells;
            cells[n_cells++] = (dbt__cell){place[i], entry->idf, entry->feature, 1};
        }
    }
    row->n = n_cells;
}

/* Counts the terms of a block: first all are looked up, without a branch on what is found, then
 * those found are counted. */
static void count_block(dbt__row *row, const dbt__table *table, size_t n)
{
    size_t home[DBT__BLOCK];
    uint32_t found[DBT__BLOCK];
    size_t n_found = 0, ahead = n < PREFETCH ? n : PREFETCH;
    for (size_t i = 0; i < ahead; i++) {
        home[i] = dbt__table_home(table, row->block[i].hash);
        __builtin_prefetch(&table->entry[home[i]]);
    }
    for (size_t i = 0; i < n; i++) {
        if (i + PREFETCH < n) {
            home[i + PREFETCH] = dbt__table_home(table, row->block[i + PREFETCH].hash);
            __builtin_prefetch(&table->entry[home[i + PREFETCH]]);
        }
        uint64_t hash = row->block[i].hash;
        size_t place = dbt__table_find(table, hash, home[i]);
        found[n_found] = (uint32_t)place;
        n_found += table->entry[place].hash == hash;
    }
    count_terms(row, table, found, n_found);
}

static double sum_norm(const double *value, size_t n, bool squares)
{
    double sum[4] = {0, 0, 0, 0};
    for (size_t i = 0; i < n; i++)
        sum[i % 4] += squares ? value[i] * value[i] : fabs(value[i]);
    double total = (sum[0] + sum[1]) + (sum[2] + sum[3]);
    return squares ? sqrt(total) : total;
}

static void weigh_cells(dbt__row *row, const dbt__table *table,
                        const dbt_vectorizer_options *options)
{
    for (size_t i = 0; i < row->n; i++) {
        double count = row->cell[i].count;
        if (options->sublinear_tf) count = log(count) + 1;
        row->value[i] = count * table->idf[row->cell[i].idf];
    }
    if (options->norm == DBT_NORM_NONE) return;
    double norm = sum_norm(row->value, row->n, options->norm == DBT_NORM_L2);
    if (norm == 0) return;
    for (size_t i = 0; i < row->n; i++)
        row->value[i] /= norm;
}

dbt_status dbt__row_fill(dbt__row *row, const dbt__table *table,
                         const dbt_vectorizer_options *options, dbt__analyzer *analyzer,
                         dbt_text text, dbt_error *err)
{
    row->n = 0;
    if (++row->stamp == 0) {
        memset(row->slot, 0, sizeof *row->slot << row->slot_bits);
        row->stamp = 1;
    }
    dbt_status status = dbt__analyzer_begin(analyzer, text.data, text.bytes, err);
    if (status < 0) return status;
    for (;;) {
        size_t n = dbt__analyzer_next(analyzer, 0, row->block, DBT__BLOCK);
        if (n == 0) break;
        status = reserve_cells(row, err);
        if (status < 0) return status;
        count_block(row, table, n);
    }
    weigh_cells(row, table, options);
    return DBT_OK;
}
