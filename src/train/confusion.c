/* confusion.c: pairs of an actual label and a predicted one, and their documents. */
#include "confusion.h"

/* Where the pair is, or the free slot where it belongs. There is always a free one. */
static dbt__pair *find_slot(const dbt__confusion *confusion, int64_t label_id, int32_t predicted)
{
    size_t mask = confusion->capacity - 1;
    size_t i = (size_t)dbt__random((uint64_t)label_id, (uint64_t)predicted) & mask;
    for (;; i = (i + 1) & mask) {
        dbt__pair *slot = &confusion->slots[i];
        if (slot->documents == 0 || (slot->label_id == label_id && slot->predicted == predicted))
            return slot;
    }
}

static dbt_status grow(dbt__confusion *confusion, dbt_error *err)
{
    dbt__confusion grown = {.n = confusion->n,
                            .capacity = confusion->capacity == 0 ? 64 : confusion->capacity * 2};
    grown.slots = dbt__alloc_array(grown.capacity, sizeof *grown.slots);
    if (grown.slots == NULL) return dbt__out_of_memory(err, "a report");
    for (size_t i = 0; i < confusion->capacity; i++) {
        const dbt__pair *pair = &confusion->slots[i];
        if (pair->documents != 0) *find_slot(&grown, pair->label_id, pair->predicted) = *pair;
    }
    dbt__free(confusion->slots);
    *confusion = grown;
    return DBT_OK;
}

dbt_status dbt__confusion_count(dbt__confusion *confusion, int64_t label_id, int32_t predicted,
                                dbt_error *err)
{
    if (2 * (confusion->n + 1) > confusion->capacity) {
        dbt_status status = grow(confusion, err);
        if (status < 0) return status;
    }
    dbt__pair *slot = find_slot(confusion, label_id, predicted);
    if (slot->documents == 0) {
        *slot = (dbt__pair){.label_id = label_id, .predicted = predicted};
        confusion->n++;
    }
    slot->documents++;
    return DBT_OK;
}

void dbt__confusion_compact(dbt__confusion *confusion)
{
    size_t n = 0;
    for (size_t i = 0; i < confusion->capacity; i++)
        if (confusion->slots[i].documents != 0) confusion->slots[n++] = confusion->slots[i];
}

void dbt__confusion_release(dbt__confusion *confusion)
{
    dbt__free(confusion->slots);
    *confusion = (dbt__confusion){0};
}
