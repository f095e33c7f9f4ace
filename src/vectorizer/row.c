/*
 * row.c: a document to its cells: the terms of the vocabulary in it, counted, and their norm.
 *
 * n-grams come in blocks; the table's places of a block are asked of memory all at once, then
 * looked at, so that waiting for one covers the others. Terms that are found are counted in a small
 * set that is emptied by taking another stamp. Where n-grams are hashed into columns, these are the
 * places, and nothing is looked up.
 *
 * The norm is summed in integers, in units of 2^-54, so that its bits do not depend on the order of
 * the cells, nor on how a vocabulary that is larger than memory is cut into parts. A term adds
 * count^2 idf^2 (l2) or count idf (l1). As ln(2^32) + 1 bounds idf, idf^2 takes 64 bits; the counts
 * of a document add up to less than 2^32, so the sum takes 128. Rounding idf^2 >= 1 to 2^-54 is
 * what a double does to it, too.
 */
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
    size_t needed = row->n + DBT__BLOCK;
    dbt_status status = DBT_OK;
    while (status == DBT_OK && needed > (size_t)1 << (row->slot_bits - 1))
        status = grow_slots(row, err);
    if (status == DBT_OK)
        status = dbt__reserve((void **)&row->cell, &row->capacity, needed, sizeof *row->cell,
                              "a row", err);
    return status;
}

static inline dbt__cell new_cell(const dbt__table *table, uint32_t place)
{
    if (table->hash_bits != 0) return (dbt__cell){place, 0, place, 0};
    const dbt__entry *entry = &table->entry[place];
    return (dbt__cell){place, entry->idf, entry->feature, 0};
}

/* Counts the terms at these places. Whether a term has been in the document before is a toss-up
 * that no branch may depend on: its cell is written either way, a new one behind the others. What
 * changes is held in local variables: the compiler must take it that writing a slot changes the
 * row. */
static void count_terms(dbt__row *row, const dbt__table *table, const uint32_t *place, size_t n)
{
    const unsigned bits = row->slot_bits;
    const size_t mask = ((size_t)1 << bits) - 1;
    const uint64_t stamp = (uint64_t)row->stamp << 32;
    uint64_t *slots = row->slot;
    dbt__cell *cells = row->cell;
    size_t n_cells = row->n;
    for (size_t i = 0; i < n; i++) {
        size_t at = slot_of(place[i], bits), index;
        cells[n_cells] = new_cell(table, place[i]);
        /* A slot of this stamp less the stamp is the index of a cell; of another one it is higher
         * than any, and taken for that of the new cell, where the search ends. */
        for (;; at = (at + 1) & mask) {
            index = slots[at] - stamp;
            index = index < n_cells ? index : n_cells;
            if (cells[index].place == place[i]) break;
        }
        slots[at] = stamp | index;
        cells[index].count++;
        n_cells += index == n_cells;
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

/* Counts the n-grams of a block by column: none is unknown. */
static void count_hashes(dbt__row *row, const dbt__table *table, size_t n)
{
    uint32_t column[DBT__BLOCK];
    for (size_t i = 0; i < n; i++)
        column[i] = (uint32_t)(row->block[i].hash >> (64 - table->hash_bits));
    count_terms(row, table, column, n);
}

uint64_t dbt__norm_share(const dbt_vectorizer_options *options, double idf)
{
    double share = options->norm == DBT_NORM_L1 ? idf : idf * idf;
    return (uint64_t)nearbyint(share * 0x1p54);
}

/* What the cells add to the norm, before the root is taken of an l2 norm. */
static dbt__uint128 sum_shares(const dbt__row *row, const dbt__table *table,
                               const dbt_vectorizer_options *options)
{
    dbt__uint128 sum = 0;
    bool squares = options->norm == DBT_NORM_L2;
    for (size_t i = 0; i < row->n; i++) {
        uint64_t share = table->share[row->cell[i].idf], count = row->cell[i].count;
        if (options->sublinear_tf) {
            double weight = dbt__weigh(options, row->cell[i].count);
            sum += (dbt__uint128)((squares ? weight * weight : weight) * (double)share);
        } else {
            sum += (dbt__uint128)share * (squares ? count * count : count);
        }
    }
    return sum;
}

double dbt__norm_of(const dbt_vectorizer_options *options, dbt__uint128 shares)
{
    if (options->norm == DBT_NORM_NONE || shares == 0) return 1;
    double sum = (double)shares * 0x1p-54;
    return options->norm == DBT_NORM_L2 ? sqrt(sum) : sum;
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
        if (table->hash_bits != 0)
            count_hashes(row, table, n);
        else
            count_block(row, table, n);
    }
    row->shares = sum_shares(row, table, options);
    row->norm = dbt__norm_of(options, row->shares);
    return DBT_OK;
}
