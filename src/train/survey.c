/*
 * survey.c: labels counted, texts and ids hashed.
 *
 * Reading takes most of the time: all threads read pages, each through a cursor of its own, which
 * are then taken in their order.
 */
#include "survey.h"

#include <math.h>

#include <dbtrain/cursor.h>
#include <dbtrain/page.h>

#include "corpus.h"
#include "observer.h"
#include "page_rows.h"
#include "store_internal.h"

/* Rows of a page, of long documents fewer. */
#define PAGE_ROWS 256
/* Pages that are read before they are taken, for each thread, but no more in all: some documents
 * are so long that a page is one of them. */
#define PAGES_AHEAD 2
#define MOST_PAGES_AHEAD 4

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

static void check_weights(dbt__survey *survey, const dbt_page *page)
{
    for (size_t i = 0; i < page->n_rows; i++) {
        float weight = (float)page->weight[i]; /* what training multiplies with */
        if (weight > 0) survey->has_weight = true;
        if (survey->bad_weight < 0 && !(weight >= 0 && isfinite(weight)))
            survey->bad_weight = survey->documents + (int64_t)i;
    }
}

static dbt_status count_page(dbt__survey *survey, const dbt_page *page, dbt_error *err)
{
    size_t bytes = 0;
    check_weights(survey, page);
    for (size_t i = 0; i < page->n_rows; i++) {
        bytes += page->text[i].bytes;
        if (page->text[i].bytes > survey->longest) survey->longest = page->text[i].bytes;
        if (page->label_id[i] == 0) {
            survey->unlabelled++;
            continue;
        }
        dbt_status status = dbt__label_map_count(&survey->labels, page->label_id[i], 1, err);
        if (status < 0) return status;
    }
    survey->documents += (int64_t)page->n_rows;
    survey->text_bytes += (int64_t)bytes;
    if (bytes > survey->page) survey->page = bytes;
    return DBT_OK;
}

typedef struct reading {
    size_t n_cursors; /* one a thread */
    dbt_cursor **cursor;
    size_t n_slots;
    dbt_page **page; /* [n_slots] */
    int64_t first;   /* number of the page in slot 0 */
    size_t page_rows;
    dbt__page_digests *digests;
} reading;

static void close_reading(reading *r)
{
    for (size_t i = 0; r->cursor != NULL && i < r->n_cursors; i++)
        dbt_cursor_close(r->cursor[i]);
    for (size_t i = 0; r->page != NULL && i < r->n_slots; i++)
        dbt_page_free(r->page[i]);
    dbt__free(r->cursor);
    dbt__free(r->page);
}

static dbt_status open_reading(reading *r, dbt_store *store, const char *split, int64_t n_rows,
                               size_t n_threads, dbt__page_digests *digests, dbt_error *err)
{
    dbt_cursor_options options;
    dbt_cursor_options_init(&options);
    options.split = split;
    options.n_rows = n_rows;
    options.verify = true;
    size_t n_slots = PAGES_AHEAD * n_threads;
    *r = (reading){.n_cursors = n_threads,
                   .n_slots = n_slots < MOST_PAGES_AHEAD ? n_slots : MOST_PAGES_AHEAD};
    r->cursor = dbt__alloc_array(r->n_cursors, sizeof *r->cursor);
    r->page = dbt__alloc_array(r->n_slots, sizeof(dbt_page *));
    r->digests = digests;
    if (r->cursor == NULL || r->page == NULL) return dbt__out_of_memory(err, "a survey");
    dbt_status status = dbt__page_rows(store, split, n_rows, PAGE_ROWS, &options.batch_size, err);
    r->page_rows = options.batch_size;
    size_t rows = r->page_rows < DBT__CORPUS_PAGE_ROWS ? r->page_rows : DBT__CORPUS_PAGE_ROWS;
    if (status == DBT_OK) status = dbt__page_digests_init(digests, n_rows, rows, err);
    for (size_t i = 0; status == DBT_OK && i < r->n_cursors; i++)
        status = dbt_cursor_open(store, &options, &r->cursor[i], err);
    for (size_t i = 0; status == DBT_OK && i < r->n_slots; i++)
        status = dbt_page_new(&r->page[i], err);
    return status;
}

static dbt_status read_page(void *context, size_t task, size_t worker, dbt_error *err)
{
    reading *r = context;
    int64_t number = r->first + (int64_t)task;
    dbt_status status = dbt_cursor_read(r->cursor[worker], number, r->page[task], err);
    if (status == DBT_OK)
        dbt__page_digests_note(r->digests, number * (int64_t)r->page_rows, r->page[task]);
    return status;
}

static dbt_status take_pages(reading *r, const char *split, dbt_pool *pool,
                             const dbt_observer *observer, dbt__hasher *hasher, dbt__hasher *ids,
                             dbt__survey *survey, dbt_error *err)
{
    int64_t n_pages = dbt_cursor_pages(r->cursor[0]);
    dbt_status status = DBT_OK;
    for (; status == DBT_OK && r->first < n_pages; r->first += (int64_t)r->n_slots) {
        int64_t rest = n_pages - r->first;
        size_t n = rest < (int64_t)r->n_slots ? (size_t)rest : r->n_slots;
        if (dbt__stop_wanted(observer))
            return dbt__fail(err, DBT_EINTERRUPTED, "interrupted while '%s' was surveyed", split);
        status = dbt_pool_for(pool, n, read_page, r, err);
        for (size_t i = 0; status == DBT_OK && i < n; i++) {
            const dbt_page *page = r->page[i];
            hash_page(hasher, page);
            dbt__hasher_update(ids, page->document_id, page->n_rows * sizeof *page->document_id);
            status = count_page(survey, page, err);
        }
    }
    return status;
}

dbt_status dbt__survey_split(dbt_store *store, const char *split, int64_t n_rows, dbt_pool *pool,
                             const dbt_observer *observer, dbt__survey *survey, dbt_error *err)
{
    *survey = (dbt__survey){.bad_weight = -1};
    reading r = {0};
    dbt__hasher *hasher = dbt__hasher_new(), *ids = dbt__hasher_new();
    dbt_status status =
        hasher == NULL || ids == NULL ? dbt__out_of_memory(err, "a fingerprint") : DBT_OK;
    if (status == DBT_OK)
        status =
            open_reading(&r, store, split, n_rows, dbt_pool_threads(pool), &survey->pages, err);
    if (status == DBT_OK) status = take_pages(&r, split, pool, observer, hasher, ids, survey, err);
    if (status == DBT_OK) {
        survey->fingerprint = dbt__hasher_digest(hasher);
        dbt__hasher_update(ids, &survey->fingerprint, sizeof survey->fingerprint);
        survey->row_fingerprint = dbt__hasher_digest(ids);
        status = dbt__label_map_finish(&survey->labels, dbt__store_sql(store), err);
    }
    close_reading(&r);
    dbt__hasher_free(hasher);
    dbt__hasher_free(ids);
    return status;
}

void dbt__survey_release(dbt__survey *survey)
{
    dbt__label_map_release(&survey->labels);
    dbt__page_digests_release(&survey->pages);
}
