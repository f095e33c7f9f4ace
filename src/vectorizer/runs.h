/*
 * runs.h: counts that do not fit into memory, as sorted runs in a temporary file.
 *
 * A run is what the shards held when they were full: for each shard a segment of records, ascending
 * by key. Merging the segments of a shard gives its counts. All of it is bounded by what it is
 * given: the more runs, the less is read of each at a time.
 *
 * A document may be cut between two runs, as it is between two rounds. An n-gram that it has in
 * both would count twice; so a record says whether the last document it counted is the one that was
 * cut at the end of its run, and whether the first is the one that was cut before it.
 */
#ifndef DBT_RUNS_H
#define DBT_RUNS_H

#include "shard.h"
#include "vectorizer_internal.h"

#define DBT__NO_DOCUMENT UINT32_MAX

typedef struct dbt__segment {
    uint64_t offset;
    uint64_t bytes;
} dbt__segment;

typedef struct dbt__runs {
    const char *folder; /* the caller's */
    bool totals;
    size_t n;
    dbt__spill *spill;     /* NULL while n is 0 */
    dbt__segment *segment; /* [n * DBT__GROUPS] */
    uint32_t *cut;         /* [n]: the document that goes on in the next run */
    size_t segment_capacity, cut_capacity;
    atomic_uint_fast64_t end; /* of the file */
} dbt__runs;

/* Terms of one shard, ascending by hash; arrays of the caller's. */
typedef struct dbt__merged {
    dbt__kept *kept;
    uint64_t *total; /* NULL unless wanted */
    size_t n;
    size_t kept_capacity, total_capacity;
    bool collided; /* two n-grams have the same hash */
} dbt__merged;

void dbt__runs_init(dbt__runs *runs, const char *folder, bool totals);
/* One of zeros too. */
void dbt__runs_release(dbt__runs *runs);
/* A new run, in the middle of document `cut`, or of none: DBT__NO_DOCUMENT. DBT_ENOMEM. */
dbt_status dbt__runs_begin(dbt__runs *runs, uint32_t cut, dbt_error *err) DBT_MUST_USE;
/* Writes a shard to the last run; its entries are left in another order. Any thread, each shard
 * once. DBT_EIO, DBT_ENOMEM. */
dbt_status dbt__runs_write(dbt__runs *runs, size_t number, dbt__shard *shard,
                           dbt_error *err) DBT_MUST_USE;
/* Merges the segments of a shard, with buffers of at most `memory` bytes, or the least that it can
 * do with; `merged` is one of zeros. Any thread. DBT_EIO, DBT_ENOMEM. */
dbt_status dbt__runs_merge(const dbt__runs *runs, size_t number, dbt__df_bounds bounds,
                           size_t memory, dbt__merged *merged, dbt_error *err) DBT_MUST_USE;
void dbt__merged_release(dbt__merged *merged);

#endif
