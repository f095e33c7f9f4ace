/*
 * prepare.c: what a step makes of its batch without the weights, which may be done before it.
 *
 * That is dropout on the entries, and their transpose: of short documents a quarter of what a step
 * costs, and not worth sharing out. Who makes batches ahead of the training thread makes this, too.
 */
#include "network_internal.h"

dbt_status dbt_preparer_new(const dbt_network *network, dbt_preparer **preparer, dbt_error *err)
{
    *preparer = NULL;
    dbt_preparer *made = dbt__alloc(sizeof *made);
    if (made == NULL) return dbt__out_of_memory(err, "a batch");
    made->network = network;
    made->columns = dbt__alloc_array(network->n_spans, sizeof *made->columns);
    dbt_status status = made->columns == NULL ? dbt__out_of_memory(err, "a batch") : DBT_OK;
    for (size_t i = 0; status == DBT_OK && i < network->n_spans; i++) {
        const dbt__span *span = &network->span[i];
        status = dbt__column_set_init(&made->columns[i], span->end_row - span->first_row, err);
    }
    if (status < 0) {
        dbt_preparer_free(made);
        return status;
    }
    *preparer = made;
    return DBT_OK;
}

void dbt_preparer_free(dbt_preparer *preparer)
{
    if (preparer == NULL) return;
    for (size_t i = 0; preparer->columns != NULL && i < preparer->network->n_spans; i++)
        dbt__column_set_release(&preparer->columns[i]);
    dbt__free(preparer->columns);
    dbt__free(preparer);
}

static void init_sparse(const dbt_network *network, const dbt__span *span, dbt__sparse *sparse)
{
    uint32_t bound[DBT__PARTS + 1];
    for (size_t p = 0; p <= span->n_parts; p++)
        bound[p] = dbt__part_bound(network, span->first_part + p);
    dbt__sparse_init(sparse, bound, span->n_parts, network->kernels);
}

dbt_status dbt_prepared_new(const dbt_network *network, dbt_prepared **prepared, dbt_error *err)
{
    *prepared = NULL;
    dbt_prepared *made = dbt__alloc(sizeof *made);
    if (made == NULL) return dbt__out_of_memory(err, "a batch");
    made->n_spans = network->n_spans;
    made->sparse = dbt__alloc_array(made->n_spans, sizeof *made->sparse);
    if (made->sparse == NULL) {
        dbt__free(made);
        return dbt__out_of_memory(err, "a batch");
    }
    for (size_t i = 0; i < made->n_spans; i++)
        init_sparse(network, &network->span[i], &made->sparse[i]);
    *prepared = made;
    return DBT_OK;
}

void dbt_prepared_free(dbt_prepared *prepared)
{
    if (prepared == NULL) return;
    for (size_t i = 0; i < prepared->n_spans; i++)
        dbt__sparse_release(&prepared->sparse[i]);
    dbt__free(prepared->sparse);
    dbt__free(prepared);
}

dbt_status dbt__prepare_begin(const dbt_network *network, const dbt_batch *batch,
                              dbt_position position, dbt_prepared *prepared, dbt_error *err)
{
    prepared->n_rows = 0; /* until it is known that the batch is one */
    if (batch->n_rows == 0) return dbt__fail(err, DBT_EUSAGE, "a batch without rows");
    dbt_status status = dbt__batch_check(batch, network->options.n_inputs, err);
    if (status < 0) return status;
    prepared->n_rows = batch->n_rows;
    prepared->n_entries = batch->row_start[batch->n_rows];
    prepared->mask = dbt__mask_make(&network->options, position);
    prepared->step = position.step;
    return DBT_OK;
}

dbt_status dbt__prepare_span(const dbt_preparer *preparer, const dbt_batch *batch, size_t span,
                             dbt_prepared *prepared, dbt_error *err)
{
    return dbt__sparse_fill(&prepared->sparse[span], &preparer->columns[span], batch,
                            &prepared->mask, err);
}

dbt_status dbt_prepare(dbt_preparer *preparer, const dbt_batch *batch, dbt_position position,
                       dbt_prepared *prepared, dbt_error *err)
{
    dbt_status status = dbt__prepare_begin(preparer->network, batch, position, prepared, err);
    for (size_t i = 0; status == DBT_OK && i < prepared->n_spans; i++)
        status = dbt__prepare_span(preparer, batch, i, prepared, err);
    if (status < 0) prepared->n_rows = 0; /* no step is made of it */
    return status;
}
