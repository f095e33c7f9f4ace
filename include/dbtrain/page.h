/*
 * page.h: a page, the unit in which documents move: up to batch_size documents, with their texts.
 *
 * A cursor fills pages, a vectorizer turns a page into a batch. A page owns copies of its texts, so
 * it stays valid when the database changes and can be handed to another thread. A page is reused:
 * filling it again keeps its memory.
 *
 * dbt_corpus is how a module that does not know SQL (the vectorizer) reads documents: pages of
 * something that can be read any number of times, in any order of pages.
 */
#ifndef DBTRAIN_PAGE_H
#define DBTRAIN_PAGE_H

#include <stddef.h>
#include <stdint.h>

#include <dbtrain/status.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct dbt_text {
    const char *data; /* not terminated by NUL; valid UTF-8 when it comes from a store */
    size_t bytes;
} dbt_text;

typedef struct dbt_page {
    int64_t index; /* page number in its epoch, from 0 */
    size_t n_rows;
    const dbt_text *text; /* [n_rows]; valid until the page is cleared, appended to or freed */
    const int64_t *document_id; /* [n_rows] */
    const int64_t *label_id;    /* [n_rows]; 0: the document has no label */
    const double *weight;       /* [n_rows] */
    struct dbt__page_memory *memory;
} dbt_page;

/* A new, empty page. DBT_ENOMEM. */
DBT_EXPORT DBT_MUST_USE dbt_status dbt_page_new(dbt_page **page, dbt_error *err);
/* Takes NULL. */
DBT_EXPORT void dbt_page_free(dbt_page *page);
/* Forgets the rows, keeps the memory. */
DBT_EXPORT void dbt_page_clear(dbt_page *page);
/* Appends a copy of one document. All pointers into the page may move. DBT_ENOMEM. */
DBT_EXPORT DBT_MUST_USE dbt_status dbt_page_append(dbt_page *page, dbt_text text,
                                                   int64_t document_id, int64_t label_id,
                                                   double weight, dbt_error *err);

/*
 * Pages that can be read repeatedly. Pages 0 .. ceil(n_documents / page_rows) - 1 hold page_rows
 * documents each, the last one what is left. `read` replaces the content of `page` by page
 * `index`. Several threads call it at once, each as the `reader` that is its number in the pool
 * which the work was given: 0, the caller's thread, to dbt_pool_threads - 1. `go_on`, which may be
 * NULL, is called by the caller's thread now and then where no page is read for long; what it
 * returns but DBT_OK ends the work, as of `read`.
 */
typedef struct dbt_corpus {
    void *context;
    int64_t n_documents;
    int64_t page_rows;
    dbt_status (*read)(void *context, size_t reader, int64_t index, dbt_page *page, dbt_error *err);
    dbt_status (*go_on)(void *context, dbt_error *err);
} dbt_corpus;

#ifdef __cplusplus
}
#endif
#endif
