/*
 * page.c: pages: rows of columns, and the texts one after another in one buffer.
 *
 * The text pointers are set anew when the buffer has moved, so that a filled page needs no fixing.
 */
#include <dbtrain/page.h>

#include "base.h"

struct dbt__page_memory {
    dbt_text *text;
    int64_t *document_id;
    int64_t *label_id;
    double *weight;
    size_t capacity; /* rows that fit into all four */
    dbt__buffer bytes;
};

dbt_status dbt_page_new(dbt_page **page, dbt_error *err)
{
    *page = NULL;
    dbt_page *made = dbt__alloc(sizeof *made);
    struct dbt__page_memory *memory = dbt__alloc(sizeof *memory);
    if (made == NULL || memory == NULL) {
        dbt__free(made);
        dbt__free(memory);
        return dbt__out_of_memory(err, "a page");
    }
    made->memory = memory;
    *page = made;
    return DBT_OK;
}

void dbt_page_free(dbt_page *page)
{
    if (page == NULL) return;
    dbt__free(page->memory->text);
    dbt__free(page->memory->document_id);
    dbt__free(page->memory->label_id);
    dbt__free(page->memory->weight);
    dbt__buffer_release(&page->memory->bytes);
    dbt__free(page->memory);
    dbt__free(page);
}

void dbt_page_clear(dbt_page *page)
{
    page->n_rows = 0;
    page->index = 0;
    page->memory->bytes.length = 0;
}

/* Each array is as long as its capacity says, even when a later one could not grow. */
static dbt_status reserve_rows(struct dbt__page_memory *memory, size_t rows, dbt_error *err)
{
    if (rows <= memory->capacity) return DBT_OK;
    size_t text = memory->capacity, id = text, label = text, weight = text;
    dbt_status status =
        dbt__reserve((void **)&memory->text, &text, rows, sizeof *memory->text, "a page", err);
    if (status == DBT_OK)
        status = dbt__reserve((void **)&memory->document_id, &id, rows, sizeof *memory->document_id,
                              "a page", err);
    if (status == DBT_OK)
        status = dbt__reserve((void **)&memory->label_id, &label, rows, sizeof *memory->label_id,
                              "a page", err);
    if (status == DBT_OK)
        status = dbt__reserve((void **)&memory->weight, &weight, rows, sizeof *memory->weight,
                              "a page", err);
    if (status == DBT_OK) memory->capacity = text;
    return status;
}

static void point_texts(struct dbt__page_memory *memory, size_t rows)
{
    size_t offset = 0;
    for (size_t i = 0; i < rows; i++) {
        memory->text[i].data = memory->bytes.data + offset;
        offset += memory->text[i].bytes;
    }
}

dbt_status dbt_page_append(dbt_page *page, dbt_text text, int64_t document_id, int64_t label_id,
                           double weight, dbt_error *err)
{
    struct dbt__page_memory *memory = page->memory;
    const char *before = memory->bytes.data;
    size_t row = page->n_rows;
    dbt_status status = reserve_rows(memory, row + 1, err);
    if (status < 0) return status;
    /* A page of rows must be readable even if the buffer cannot take this one. */
    page->text = memory->text;
    page->document_id = memory->document_id;
    page->label_id = memory->label_id;
    page->weight = memory->weight;
    /* One byte more than needed: data is never NULL, not even of an empty text. */
    status = dbt__buffer_reserve(&memory->bytes, text.bytes + 1, err);
    if (status < 0) return status;
    if (memory->bytes.data != before) point_texts(memory, row);
    memory->text[row] = (dbt_text){memory->bytes.data + memory->bytes.length, text.bytes};
    status = dbt__buffer_append(&memory->bytes, text.data, text.bytes, err);
    if (status < 0) return status;
    memory->document_id[row] = document_id;
    memory->label_id[row] = label_id;
    memory->weight[row] = weight;
    page->n_rows = row + 1;
    return DBT_OK;
}
