/* batch.c: memory of CSR batches. */
#include <dbtrain/batch.h>

#include "base.h"

dbt_status dbt_batch_new(dbt_batch **batch, dbt_error *err)
{
    *batch = dbt__alloc(sizeof **batch);
    if (*batch == NULL) return dbt__out_of_memory(err, "a batch");
    dbt_status status = dbt_batch_reserve(*batch, 1, 1, err);
    if (status < 0) {
        dbt_batch_free(*batch);
        *batch = NULL;
        return status;
    }
    (*batch)->row_start[0] = 0;
    return DBT_OK;
}

void dbt_batch_free(dbt_batch *batch)
{
    if (batch == NULL) return;
    dbt__free(batch->row_start);
    dbt__free(batch->column);
    dbt__free(batch->value);
    dbt__free(batch);
}

dbt_status dbt_batch_reserve(dbt_batch *batch, size_t n_rows, size_t n_entries, dbt_error *err)
{
    dbt_status status = dbt__reserve((void **)&batch->row_start, &batch->row_capacity, n_rows + 1,
                                     sizeof *batch->row_start, "a batch", err);
    if (status < 0) return status;
    size_t columns = batch->entry_capacity;
    status = dbt__reserve((void **)&batch->column, &columns, n_entries, sizeof *batch->column,
                          "a batch", err);
    if (status < 0) return status;
    return dbt__reserve((void **)&batch->value, &batch->entry_capacity, n_entries,
                        sizeof *batch->value, "a batch", err);
}
