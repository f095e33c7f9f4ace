/* scan.c: rounds of pages through the network. */
#include "scan.h"

#include <pthread.h>
#include <string.h>

#include "observer.h"

/* Enough pages a round that threads seldom wait for each other at its end. */
#define PAGES_PER_WORKER 8

/* Texts and entries are one thread's, and gone when it takes the next page. */
typedef struct scan_worker {
    dbt__page_batch pair;
    dbt_transformer *transformer;
    dbt_workspace *workspace;
} scan_worker;

struct dbt__scanner {
    dbt__feed feed;
    pthread_mutex_t reading; /* the cursor is one thread's at a time */
    const dbt_network *network;
    const dbt__label_map *labels;
    dbt_pool *pool;
    size_t n_workers;
    scan_worker *workers;
    size_t n_slots;
    dbt__scanned *slots; /* [n_slots], the pages of a round */
    int64_t first;       /* page of slot 0 in this round */
};

/* The most probable output of each row, the first of equals; of two, output 1 needs more than a
 * half. */
static void choose_outputs(dbt__scanned *slot, const float *probability, size_t n_outputs)
{
    for (size_t row = 0; row < slot->n_rows; row++) {
        const float *p = probability + row * n_outputs;
        size_t best = 0;
        for (size_t j = 1; j < n_outputs; j++)
            if (p[j] > p[best]) best = j;
        slot->predicted[row] = (int32_t)best;
        slot->probability[row] = p[best];
    }
}

/* What is left of a page in its slot. */
static void keep_page(const dbt__scanner *scanner, const dbt_page *page, dbt__scanned *slot)
{
    slot->page = page->index;
    slot->n_rows = page->n_rows;
    if (page->n_rows > 0) {
        memcpy(slot->document_id, page->document_id, page->n_rows * sizeof *slot->document_id);
        memcpy(slot->label_id, page->label_id, page->n_rows * sizeof *slot->label_id);
    }
    for (size_t i = 0; i < page->n_rows; i++)
        slot->text_hash[i] = dbt__hash(page->text[i].data, page->text[i].bytes, 0);
    dbt__label_map_page(scanner->labels, page, slot->actual);
}

static dbt_status scan_page(void *context, size_t task, size_t worker, dbt_error *err)
{
    dbt__scanner *scanner = context;
    scan_worker *w = &scanner->workers[worker];
    dbt__scanned *slot = &scanner->slots[task];
    (void)pthread_mutex_lock(&scanner->reading);
    dbt_status status =
        dbt__feed_read(&scanner->feed, scanner->first + (int64_t)task, &w->pair, err);
    (void)pthread_mutex_unlock(&scanner->reading);
    if (status == DBT_OK)
        status = dbt__feed_vectorize(&scanner->feed, w->transformer, &w->pair, err);
    const float *probability = NULL;
    if (status == DBT_OK)
        status =
            dbt_network_predict(scanner->network, w->workspace, w->pair.batch, &probability, err);
    if (status < 0) return status;
    keep_page(scanner, w->pair.page, slot);
    choose_outputs(slot, probability, scanner->labels->n);
    slot->metrics = dbt_network_score(w->workspace, slot->actual);
    return DBT_OK;
}

static dbt_status make_worker(const dbt__scanner *scanner, scan_worker *w, dbt_error *err)
{
    dbt_status status = dbt__page_batch_init(&w->pair, &scanner->feed, err);
    if (status == DBT_OK)
        status = dbt_transformer_new(scanner->feed.vectorizer, &w->transformer, err);
    if (status == DBT_OK) status = dbt_workspace_new(scanner->network, &w->workspace, err);
    return status;
}

static dbt_status make_slot(dbt__scanned *slot, size_t n_rows, dbt_error *err)
{
    slot->document_id = dbt__alloc_array(n_rows, sizeof *slot->document_id);
    slot->label_id = dbt__alloc_array(n_rows, sizeof *slot->label_id);
    slot->text_hash = dbt__alloc_array(n_rows, sizeof *slot->text_hash);
    slot->actual = dbt__alloc_array(n_rows, sizeof *slot->actual);
    slot->predicted = dbt__alloc_array(n_rows, sizeof *slot->predicted);
    slot->probability = dbt__alloc_array(n_rows, sizeof *slot->probability);
    if (slot->document_id == NULL || slot->label_id == NULL || slot->text_hash == NULL ||
        slot->actual == NULL || slot->predicted == NULL || slot->probability == NULL)
        return dbt__out_of_memory(err, "predictions");
    return DBT_OK;
}

static dbt_status make_workers(dbt__scanner *scanner, dbt_error *err)
{
    scanner->workers = dbt__alloc_array(scanner->n_workers, sizeof *scanner->workers);
    scanner->slots = dbt__alloc_array(scanner->n_slots, sizeof *scanner->slots);
    if (scanner->workers == NULL || scanner->slots == NULL)
        return dbt__out_of_memory(err, "predictions");
    dbt_status status = DBT_OK;
    for (size_t i = 0; status == DBT_OK && i < scanner->n_workers; i++)
        status = make_worker(scanner, &scanner->workers[i], err);
    for (size_t i = 0; status == DBT_OK && i < scanner->n_slots; i++)
        status = make_slot(&scanner->slots[i], scanner->feed.batch_size, err);
    return status;
}

dbt_status dbt__scanner_new(const dbt__feed *feed, const dbt_network *network,
                            const dbt__label_map *labels, dbt_pool *pool, dbt__scanner **scanner,
                            dbt_error *err)
{
    *scanner = NULL;
    dbt__scanner *made = dbt__alloc(sizeof *made);
    if (made == NULL) return dbt__out_of_memory(err, "predictions");
    made->feed = *feed;
    (void)pthread_mutex_init(&made->reading, NULL);
    made->network = network;
    made->labels = labels;
    made->pool = pool;
    made->n_workers = dbt_pool_threads(pool);
    made->n_slots = PAGES_PER_WORKER * made->n_workers;
    dbt_status status = make_workers(made, err);
    if (status < 0) {
        dbt__scanner_free(made);
        return status;
    }
    *scanner = made;
    return DBT_OK;
}

void dbt__scanner_free(dbt__scanner *scanner)
{
    if (scanner == NULL) return;
    for (size_t i = 0; scanner->workers != NULL && i < scanner->n_workers; i++) {
        dbt__page_batch_release(&scanner->workers[i].pair);
        dbt_transformer_free(scanner->workers[i].transformer);
        dbt_workspace_free(scanner->workers[i].workspace);
    }
    for (size_t i = 0; scanner->slots != NULL && i < scanner->n_slots; i++) {
        dbt__free(scanner->slots[i].document_id);
        dbt__free(scanner->slots[i].label_id);
        dbt__free(scanner->slots[i].text_hash);
        dbt__free(scanner->slots[i].actual);
        dbt__free(scanner->slots[i].predicted);
        dbt__free(scanner->slots[i].probability);
    }
    (void)pthread_mutex_destroy(&scanner->reading);
    dbt__free(scanner->workers);
    dbt__free(scanner->slots);
    dbt__free(scanner);
}

dbt_status dbt__scan(dbt__scanner *scanner, int64_t n_pages, dbt__scan_visit visit, void *context,
                     const dbt_observer *observer, dbt_metrics *metrics, dbt_error *err)
{
    *metrics = (dbt_metrics){0};
    for (int64_t first = 0; first < n_pages; first += (int64_t)scanner->n_slots) {
        if (dbt__stop_wanted(observer)) return dbt__fail(err, DBT_EINTERRUPTED, "interrupted");
        int64_t left = n_pages - first;
        size_t n = left < (int64_t)scanner->n_slots ? (size_t)left : scanner->n_slots;
        scanner->first = first;
        dbt_status status = dbt_pool_for(scanner->pool, n, scan_page, scanner, err);
        for (size_t i = 0; status == DBT_OK && i < n; i++) {
            metrics->loss += scanner->slots[i].metrics.loss;
            metrics->correct += scanner->slots[i].metrics.correct;
            metrics->n_rows += scanner->slots[i].metrics.n_rows;
            if (visit != NULL) status = visit(context, &scanner->slots[i], err);
        }
        if (status < 0) return status;
    }
    return DBT_OK;
}
