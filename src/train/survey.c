/* survey.c: labels counted, texts and ids hashed. */
#include "survey.h"

#include <dbtrain/cursor.h>

#include "store_internal.h"

#define SURVEY_PAGE_ROWS 1024

static void hash_page(dbt__hasher *hasher, const dbt_page *page)
{
    for (size_t i = 0; i < page->n_rows; i++) {
        struct {
            int64_t label_id;
            double weight;
            uint64_t bytes;
        } head = {page->label_id[i], page->weight[i], page->text[i].bytes};
        dbt__hasher_update(hasher, &head, sizeof head);
        dbt__hasher_update(hasher, page->text[i].data, page->text[i].bytes);
    }
}

static dbt_status count_page(dbt__survey *survey, const dbt_page *page, dbt_error *err)
{
    for (size_t i = 0; i < page->n_rows; i++) {
        survey->text_bytes += (int64_t)page->text[i].bytes;
        if (page->label_id[i] == 0) {
            survey->unlabelled++;
            continue;
        }
        dbt_status status = dbt__label_map_count(&survey->labels, page->label_id[i], 1, err);
        if (status < 0) return status;
    }
    survey->documents += (int64_t)page->n_rows;
    return DBT_OK;
}

dbt_status dbt__survey_split(dbt_store *store, const char *split, int64_t n_rows,
                             dbt__survey *survey, dbt_error *err)
{
    *survey = (dbt__survey){0};
    dbt_cursor_options options;
    dbt_cursor_options_init(&options);
    options.split = split;
    options.n_rows = n_rows;
    options.batch_size = SURVEY_PAGE_ROWS;
    dbt_cursor *cursor = NULL;
    dbt_page *page = NULL;
    dbt__hasher *hasher = dbt__hasher_new(), *ids = dbt__hasher_new();
    dbt_status status =
        hasher == NULL || ids == NULL ? dbt__out_of_memory(err, "a fingerprint") : DBT_OK;
    if (status == DBT_OK) status = dbt_cursor_open(store, &options, &cursor, err);
    if (status == DBT_OK) status = dbt_page_new(&page, err);
    while (status == DBT_OK && (status = dbt_cursor_next(cursor, page, err)) == DBT_OK) {
        hash_page(hasher, page);
        dbt__hasher_update(ids, page->document_id, page->n_rows * sizeof *page->document_id);
        status = count_page(survey, page, err);
    }
    if (status == DBT_DONE) {
        survey->fingerprint = dbt__hasher_digest(hasher);
        dbt__hasher_update(ids, &survey->fingerprint, sizeof survey->fingerprint);
        survey->row_fingerprint = dbt__hasher_digest(ids);
        status = dbt__label_map_finish(&survey->labels, dbt__store_sql(store), err);
    }
    dbt__hasher_free(hasher);
    dbt__hasher_free(ids);
    dbt_page_free(page);
    dbt_cursor_close(cursor);
    return status;
}
