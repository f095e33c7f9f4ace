/*
 * batch.h: a batch, what the network sees of a page: a sparse matrix in CSR form.
 *
 * Row r has the entries row_start[r] .. row_start[r + 1] - 1 of `column` and `value`; within a row
 * columns ascend strictly. A row may be empty. A batch is reused: filling it again keeps its
 * memory.
 */
#ifndef DBTRAIN_BATCH_H
#define DBTRAIN_BATCH_H

#include <stddef.h>
#include <stdint.h>

#include <dbtrain/status.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct dbt_batch {
    size_t n_rows;
    size_t n_columns;    /* features of the vectorizer that made it */
    size_t *row_start;   /* [n_rows + 1] */
    uint32_t *column;    /* [row_start[n_rows]] */
    float *value;        /* [row_start[n_rows]] */
    size_t row_capacity; /* private: rows and entries that fit without growing */
    size_t entry_capacity;
} dbt_batch;

DBT_EXPORT DBT_MUST_USE dbt_status dbt_batch_new(dbt_batch **batch, dbt_error *err);
/* Takes NULL. */
DBT_EXPORT void dbt_batch_free(dbt_batch *batch);
/* Makes room for n_rows rows and n_entries entries, keeping what is there. DBT_ENOMEM. */
DBT_EXPORT DBT_MUST_USE dbt_status dbt_batch_reserve(dbt_batch *batch, size_t n_rows,
                                                     size_t n_entries, dbt_error *err);

#ifdef __cplusplus
}
#endif
#endif
