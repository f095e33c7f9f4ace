/* vectorize.c: a split as the network of a run sees it. */
#include <dbtrain/cursor.h>

#include "model.h"
#include "page_rows.h"
#include "store_internal.h"

#define PAGE_ROWS 256

dbt_status dbt_vectorize(dbt_store *store, const dbt_model *model, const char *split,
                         dbt_batch_visit visit, void *context, dbt_error *err)
{
    dbt_cursor_options options;
    dbt_cursor_options_init(&options);
    options.split = split;
    options.verify = true;
    dbt_split found;
    dbt_cursor *cursor = NULL;
    dbt_page *page = NULL;
    dbt_batch *batch = NULL;
    dbt_transformer *transformer = NULL;
    int32_t *output = NULL;
    dbt_status status = dbt__split_find_verified(store, split, &found, err);
    if (status == DBT_OK)
        status = dbt__page_rows(store, split, found.documents, PAGE_ROWS, &options.batch_size, err);
    if (status == DBT_OK) status = dbt_cursor_open(store, &options, &cursor, err);
    if (status == DBT_OK) output = dbt__alloc_array(options.batch_size, sizeof *output);
    if (status == DBT_OK && output == NULL) status = dbt__out_of_memory(err, "a batch");
    if (status == DBT_OK) status = dbt_page_new(&page, err);
    if (status == DBT_OK) status = dbt_batch_new(&batch, err);
    if (status == DBT_OK) status = dbt_transformer_new(model->vectorizer, &transformer, err);
    while (status == DBT_OK && (status = dbt_cursor_next(cursor, page, err)) == DBT_OK) {
        status = dbt_transform(transformer, page, NULL, batch, err);
        if (status < 0) break;
        for (size_t i = 0; i < page->n_rows; i++)
            output[i] = dbt_model_output(model, page->label_id[i]);
        status = visit(context, batch, page, output, err);
    }
    dbt_transformer_free(transformer);
    dbt_batch_free(batch);
    dbt_page_free(page);
    dbt_cursor_close(cursor);
    dbt__free(output);
    return status < 0 ? status : DBT_OK;
}
