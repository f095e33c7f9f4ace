/*
 * confusion.h: how many documents of each label were taken for each output of a model.
 *
 * Of as many labels as one likes most pairs never occur: what is kept are those that do, in a table
 * by hash, so that memory grows with them alone.
 */
#ifndef DBT_CONFUSION_H
#define DBT_CONFUSION_H

#include "base.h"

/* Documents of a label that were taken for an output. Ids are the file's, and may be any number. */
typedef struct dbt__pair {
    int64_t label_id;
    int64_t documents; /* 0: a free slot */
    int32_t predicted;
} dbt__pair;

/* Begins as {0}. */
typedef struct dbt__confusion {
    size_t n;         /* pairs */
    size_t capacity;  /* a power of two, or 0 */
    dbt__pair *slots; /* [capacity], in no order */
} dbt__confusion;

/* Counts one document. DBT_ENOMEM. */
dbt_status dbt__confusion_count(dbt__confusion *confusion, int64_t label_id, int32_t predicted,
                                dbt_error *err) DBT_MUST_USE;
/* The pairs, without the free slots between them, to the front of `slots`: [n], in no order.
 * Nothing may be counted after it. */
void dbt__confusion_compact(dbt__confusion *confusion);
void dbt__confusion_release(dbt__confusion *confusion);

#endif
