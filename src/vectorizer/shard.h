/*
 * shard.h: an open-addressing table of the n-grams whose hashes begin with the same 8 bits, and in
 * how many documents each is.
 *
 * Entries are 16 bytes, four to a cache line: the other 56 bits of the hash with 8 check bits,
 * document frequency, and the document that was counted last, which is what tells a second
 * occurrence in the same document. Places ascend with the hash, so that growing and reading out are
 * walks.
 */
#ifndef DBT_SHARD_H
#define DBT_SHARD_H

#include "vectorizer_internal.h"

/* How many times as large a shard becomes at least when it grows. */
#define DBT__LEAST_GROWTH 1.4

/* Entries with which a shard grows: above four fifths full a search takes long. */
#define DBT__SHARD_FULL(capacity) ((capacity) - (capacity) / 5)

/* Set in a document frequency: the first of these documents was cut, and had been counted in part
 * before (runs.h). */
#define DBT__GOES_ON (UINT32_C(1) << 31)

typedef struct dbt__count_entry {
    uint64_t key;                /* dbt__count_key of its n-gram */
    uint32_t document_frequency; /* 0: the place is free */
    uint32_t last_document;
} dbt__count_entry;

/* Terms with at least `low` (> 0) and at most `high` documents. */
typedef struct dbt__df_bounds {
    uint32_t low;
    uint32_t high;
} dbt__df_bounds;

typedef struct dbt__shard {
    dbt__count_entry *entry; /* [dbt__shard_places(capacity)] */
    uint64_t *total;         /* [as many]: occurrences; NULL unless wanted */
    uint32_t capacity;       /* homes */
    uint32_t n;
} dbt__shard;

/* The hash without the bits that chose the shard, and check bits. */
static inline uint64_t dbt__count_key(const dbt__ngram *ngram)
{
    return ngram->hash << 8 | (ngram->check & 0xFF);
}

static inline bool dbt__same_hash(uint64_t key, uint64_t other)
{
    return (key ^ other) <= 0xFF;
}

/* Homes, and room for entries that are pushed off the last ones. */
static inline size_t dbt__shard_places(uint32_t capacity)
{
    return (size_t)capacity + capacity / 8 + 64;
}

static inline size_t dbt__shard_home(const dbt__shard *shard, uint64_t key)
{
    return (size_t)(((key >> 32) * shard->capacity) >> 32);
}

/* Place of an n-gram, or the free one where it belongs: the last place is always free. */
static inline size_t dbt__shard_find(const dbt__shard *shard, uint64_t key)
{
    size_t at = dbt__shard_home(shard, key);
    while (shard->entry[at].document_frequency != 0 && !dbt__same_hash(shard->entry[at].key, key))
        at++;
    return at;
}

/* DBT_ENOMEM, as of those that follow. */
dbt_status dbt__shard_init(dbt__shard *shard, uint32_t capacity, bool totals,
                           dbt_error *err) DBT_MUST_USE;
/* One of zeros too. */
void dbt__shard_release(dbt__shard *shard);
/* Makes a shard at least so many times as large. */
dbt_status dbt__shard_grow(dbt__shard *shard, double growth, dbt_error *err) DBT_MUST_USE;
/* Counts an n-gram that the shard does not know yet; `at` is where dbt__shard_find ended. */
dbt_status dbt__shard_add(dbt__shard *shard, uint64_t key, uint32_t document, bool goes_on,
                          size_t at, dbt_error *err) DBT_MUST_USE;
/* Moves the n entries that are within the bounds to the front, ascending by key: they are but for
 * what probing moved. The others are lost. No more can be found or added until all are forgotten.
 */
void dbt__shard_sort(dbt__shard *shard, dbt__df_bounds bounds);
/* Forgets the entries, keeps the memory. */
void dbt__shard_clear(dbt__shard *shard);

#endif
