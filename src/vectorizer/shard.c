/* shard.c: making, growing and adding to a table of counts. */
#include "shard.h"

#include <string.h>

void dbt__shard_release(dbt__shard *shard)
{
    dbt__free(shard->entry);
    dbt__free(shard->total);
    *shard = (dbt__shard){0};
}

dbt_status dbt__shard_init(dbt__shard *shard, uint32_t capacity, bool totals, dbt_error *err)
{
    *shard = (dbt__shard){.capacity = capacity};
    shard->entry = dbt__alloc_array(dbt__shard_places(capacity), sizeof *shard->entry);
    if (totals) shard->total = dbt__alloc_array(dbt__shard_places(capacity), sizeof *shard->total);
    if (shard->entry != NULL && (!totals || shard->total != NULL)) return DBT_OK;
    dbt__shard_release(shard);
    return dbt__out_of_memory(err, "counting terms");
}

/* Puts the entries into a larger table; false: they do not fit into that one either. */
static bool move_entries(const dbt__shard *from, dbt__shard *to)
{
    size_t places = dbt__shard_places(from->capacity), last = dbt__shard_places(to->capacity) - 1;
    for (size_t i = 0; i < places; i++) {
        if (from->entry[i].document_frequency == 0) continue;
        size_t at = dbt__shard_home(to, from->entry[i].key);
        while (at < last && to->entry[at].document_frequency != 0)
            at++;
        if (at == last) return false;
        to->entry[at] = from->entry[i];
        if (to->total != NULL) to->total[at] = from->total[i];
    }
    to->n = from->n;
    return true;
}

dbt_status dbt__shard_grow(dbt__shard *shard, double growth, dbt_error *err)
{
    double capacity = shard->capacity;
    for (;;) {
        capacity = ceil(capacity * growth);
        if (capacity > UINT32_MAX / 2) return dbt__out_of_memory(err, "counting terms");
        dbt__shard grown;
        dbt_status status = dbt__shard_init(&grown, (uint32_t)capacity, shard->total != NULL, err);
        if (status < 0) return status;
        bool fits = move_entries(shard, &grown);
        if (fits) {
            dbt__shard_release(shard);
            *shard = grown;
            return DBT_OK;
        }
        dbt__shard_release(&grown);
    }
}

/* After growing if that is due. */
dbt_status dbt__shard_add(dbt__shard *shard, uint64_t key, uint32_t document, bool goes_on,
                          size_t at, dbt_error *err)
{
    while (at == dbt__shard_places(shard->capacity) - 1 ||
           shard->n >= DBT__SHARD_FULL(shard->capacity)) {
        dbt_status status = dbt__shard_grow(shard, DBT__LEAST_GROWTH, err);
        if (status < 0) return status;
        at = dbt__shard_find(shard, key);
    }
    shard->entry[at] = (dbt__count_entry){key, goes_on ? DBT__GOES_ON | 1 : 1, document};
    shard->n++;
    if (shard->total != NULL) shard->total[at]++;
    return DBT_OK;
}

void dbt__shard_clear(dbt__shard *shard)
{
    size_t places = dbt__shard_places(shard->capacity);
    memset(shard->entry, 0, places * sizeof *shard->entry);
    if (shard->total != NULL) memset(shard->total, 0, places * sizeof *shard->total);
    shard->n = 0;
}

void dbt__shard_sort(dbt__shard *shard, dbt__df_bounds bounds)
{
    dbt__count_entry *entry = shard->entry;
    uint64_t *total = shard->total;
    size_t places = dbt__shard_places(shard->capacity), n = 0;
    for (size_t i = 0; i < places; i++) {
        dbt__count_entry moved = entry[i]; /* of 0 documents where the place is free */
        if (moved.document_frequency < bounds.low || moved.document_frequency > bounds.high)
            continue;
        uint64_t moved_total = total == NULL ? 0 : total[i];
        size_t at = n++;
        for (; at > 0 && entry[at - 1].key > moved.key; at--) {
            entry[at] = entry[at - 1];
            if (total != NULL) total[at] = total[at - 1];
        }
        entry[at] = moved;
        if (total != NULL) total[at] = moved_total;
    }
    shard->n = (uint32_t)n;
}
