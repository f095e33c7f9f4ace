/*
 * rounds.c: passes over the corpus on all threads, with results that do not depend on the threads.
 *
 * A round has two phases. First each task fills a slot: it reads some neighbouring pages, takes
 * their documents apart into items of 16 bytes and sorts these into groups by where they will be
 * counted. Then each task takes one group through all slots, in the order of the documents. No two
 * threads touch the same sums, and every sum is made in the order of the documents, however the
 * tasks were dealt out.
 *
 * A slot has a fixed size. What does not fit of its pages waits: the slot is applied as it is and
 * goes on in the next round, where it comes first; slots behind it keep their items until then. So
 * a page of huge documents costs rounds, not memory.
 */
#include <string.h>

#include "vectorizer_internal.h"

/* Items a slot holds, and documents it is made for, when memory allows: 460 n-grams a film review.
 */
#define SLOT_ITEMS ((size_t)96 * 1024)
#define SLOT_DOCUMENTS 128
#define MINIMUM_SLOTS 16

/* An eighth of the memory is for slots: as many as the threads are busy with, or fewer and smaller
 * ones. */
static void plan_slots(dbt__rounds *rounds)
{
    size_t items = rounds->options->memory / 8 / sizeof(dbt__item);
    size_t wanted = 2 * rounds->n_workers > MINIMUM_SLOTS ? 2 * rounds->n_workers : MINIMUM_SLOTS;
    rounds->n_slots = items / SLOT_ITEMS < wanted ? items / SLOT_ITEMS : wanted;
    rounds->slot_capacity = SLOT_ITEMS;
    if (rounds->n_slots < 2) {
        rounds->n_slots = 2;
        rounds->slot_capacity = items / 2;
    }
    if (rounds->slot_capacity < 2 * DBT__BLOCK) rounds->slot_capacity = 2 * DBT__BLOCK;
    int64_t page_rows = rounds->corpus->page_rows;
    rounds->n_pages = (rounds->corpus->n_documents + page_rows - 1) / page_rows;
    rounds->slot_pages = page_rows < SLOT_DOCUMENTS ? SLOT_DOCUMENTS / page_rows : 1;
}

static dbt_status init_worker(dbt__worker *worker, size_t page_rows, size_t capacity,
                              dbt_error *err)
{
    dbt_status status = dbt_page_new(&worker->page, err);
    if (status == DBT_OK) status = dbt__row_init(&worker->row, err);
    if (status < 0) return status;
    worker->shares = dbt__alloc_array(page_rows, sizeof *worker->shares);
    worker->item = dbt__alloc_array(capacity, sizeof *worker->item);
    worker->group = dbt__alloc_array(capacity, sizeof *worker->group);
    if (worker->shares == NULL || worker->item == NULL || worker->group == NULL)
        return dbt__out_of_memory(err, "reading the corpus");
    return DBT_OK;
}

static dbt_status init_items(dbt__rounds *rounds, dbt_error *err)
{
    size_t n;
    if (dbt__multiply(rounds->n_slots, rounds->slot_capacity, &n))
        rounds->item = dbt__grow_array(NULL, n, sizeof *rounds->item);
    if (rounds->item == NULL) return dbt__out_of_memory(err, "reading the corpus");
    return DBT_OK;
}

dbt_status dbt__rounds_init(dbt__rounds *rounds, const dbt_vectorizer_options *options,
                            const dbt_corpus *corpus, dbt_pool *pool, dbt_error *err)
{
    *rounds = (dbt__rounds){.options = options, .corpus = corpus, .pool = pool};
    rounds->n_workers = dbt_pool_threads(pool);
    rounds->memory = options->memory / 5 * 3;
    plan_slots(rounds);
    rounds->worker = dbt__alloc_array(rounds->n_workers, sizeof *rounds->worker);
    rounds->slot = dbt__alloc_array(rounds->n_slots, sizeof *rounds->slot);
    if (rounds->worker == NULL || rounds->slot == NULL) {
        dbt__free(rounds->worker);
        dbt__free(rounds->slot);
        *rounds = (dbt__rounds){0};
        return dbt__out_of_memory(err, "reading the corpus");
    }
    dbt_status status = DBT_OK;
    for (size_t i = 0; status == DBT_OK && i < rounds->n_workers; i++)
        status =
            init_worker(&rounds->worker[i], (size_t)corpus->page_rows, rounds->slot_capacity, err);
    size_t rows = (size_t)(corpus->page_rows * rounds->slot_pages);
    if (status == DBT_OK) status = init_items(rounds, err);
    for (size_t i = 0; status == DBT_OK && i < rounds->n_slots; i++) {
        rounds->slot[i].item = rounds->item + i * rounds->slot_capacity;
        rounds->slot[i].class_of = dbt__alloc_array(rows, sizeof *rounds->slot[i].class_of);
        if (rounds->slot[i].class_of == NULL)
            status = dbt__out_of_memory(err, "reading the corpus");
    }
    if (status < 0) dbt__rounds_release(rounds);
    return status;
}

void dbt__rounds_release(dbt__rounds *rounds)
{
    if (rounds->worker == NULL) return;
    for (size_t i = 0; i < rounds->n_workers; i++) {
        dbt__worker *worker = &rounds->worker[i];
        dbt_page_free(worker->page);
        dbt__analyzer_free(worker->analyzer);
        dbt__row_release(&worker->row);
        dbt__free(worker->shares);
        dbt__free(worker->item);
        dbt__free(worker->group);
    }
    for (size_t i = 0; i < rounds->n_slots; i++)
        dbt__free(rounds->slot[i].class_of);
    dbt__free(rounds->item);
    dbt__free(rounds->worker);
    dbt__free(rounds->slot);
    *rounds = (dbt__rounds){0};
}

dbt_status dbt__rounds_set_hash(dbt__rounds *rounds, uint64_t seed, uint64_t hash_mask,
                                dbt_error *err)
{
    dbt__analyzer_options options = dbt__options_analyzer(rounds->options, seed, hash_mask);
    dbt_status status = DBT_OK;
    for (size_t i = 0; status == DBT_OK && i < rounds->n_workers; i++) {
        dbt__analyzer_free(rounds->worker[i].analyzer);
        status = dbt__analyzer_new(&options, &rounds->worker[i].analyzer, err);
    }
    return status;
}

dbt_status dbt__rounds_read(dbt__rounds *rounds, dbt__worker *worker, int64_t page, dbt_error *err)
{
    const dbt_corpus *corpus = rounds->corpus;
    dbt_status status =
        corpus->read(corpus->context, (size_t)(worker - rounds->worker), page, worker->page, err);
    if (status < 0) return status;
    int64_t rest = corpus->n_documents - page * corpus->page_rows;
    int64_t rows = rest < corpus->page_rows ? rest : corpus->page_rows;
    if ((int64_t)worker->page->n_rows != rows)
        return dbt__fail(err, DBT_EINTERNAL, "page %lld has %zu documents, not %lld",
                         (long long)page, worker->page->n_rows, (long long)rows);
    if (rounds->norms == NULL) return DBT_OK;
    return dbt__norms_shares(rounds->norms, page * corpus->page_rows, (size_t)rows, worker->shares,
                             err);
}

/* The worker's items to the slot, by group, in their order. */
static void sort_items(const dbt__worker *worker, dbt__slot *slot)
{
    size_t next[DBT__GROUPS] = {0};
    for (size_t i = 0; i < worker->n_items; i++)
        next[worker->group[i]]++;
    size_t start = 0;
    for (size_t g = 0; g < DBT__GROUPS; g++) {
        size_t n = next[g];
        slot->group_start[g] = next[g] = start;
        start += n;
    }
    slot->group_start[DBT__GROUPS] = start;
    for (size_t i = 0; i < worker->n_items; i++)
        slot->item[next[worker->group[i]]++] = worker->item[i];
}

/* The slot's page, unless the worker has it from the round before. */
static dbt_status hold_page(dbt__rounds *rounds, dbt__worker *worker, int64_t page, dbt_error *err)
{
    if (worker->page_number == page) return DBT_OK;
    worker->page_number = worker->unfinished = -1;
    dbt_status status = dbt__rounds_read(rounds, worker, page, err);
    if (status == DBT_OK) worker->page_number = page;
    return status;
}

static dbt_status fill_slot(void *context, size_t task, size_t number, dbt_error *err)
{
    dbt__rounds *rounds = context;
    dbt__slot *slot = &rounds->slot[(rounds->head + task) % rounds->n_slots];
    dbt__worker *worker = &rounds->worker[number];
    if (slot->filled) return DBT_OK;
    worker->n_items = 0;
    bool complete = true;
    for (; complete && slot->page < slot->end_page; slot->page += complete) {
        dbt_status status = hold_page(rounds, worker, slot->page, err);
        while (status == DBT_OK && complete && slot->row < worker->page->n_rows) {
            int64_t document = slot->page * rounds->corpus->page_rows + (int64_t)slot->row;
            status = rounds->pass->document(rounds->pass, worker, slot, slot->row,
                                            (uint32_t)document, &complete, err);
            worker->unfinished = complete ? -1 : document;
            if (complete) slot->row++;
        }
        if (status < 0) return status;
        if (complete) slot->row = 0;
    }
    slot->done = complete;
    slot->filled = true;
    sort_items(worker, slot);
    return DBT_OK;
}

static dbt_status apply_group(void *context, size_t group, size_t number, dbt_error *err)
{
    (void)number;
    dbt__rounds *rounds = context;
    dbt_status status = DBT_OK;
    for (size_t i = 0; status == DBT_OK && i < rounds->n_apply; i++) {
        const dbt__slot *slot = &rounds->slot[(rounds->head + i) % rounds->n_slots];
        size_t start = slot->group_start[group], end = slot->group_start[group + 1];
        status =
            rounds->pass->apply(rounds->pass, group, slot, slot->item + start, end - start, err);
    }
    return status;
}

/* The next pages for a slot; past the end it has none and is done at once. */
static void give_pages(dbt__rounds *rounds, dbt__slot *slot)
{
    int64_t end = rounds->next_page + rounds->slot_pages;
    if (end > rounds->n_pages) end = rounds->n_pages;
    int64_t first = rounds->next_page * rounds->corpus->page_rows;
    int64_t last = end * rounds->corpus->page_rows;
    if (last > rounds->corpus->n_documents) last = rounds->corpus->n_documents;
    slot->page = rounds->next_page;
    slot->end_page = end;
    slot->row = 0;
    slot->skip = 0;
    slot->done = slot->filled = false;
    slot->first_document = (uint32_t)first;
    slot->n_documents = last > first ? (uint32_t)(last - first) : 0;
    slot->tokens = 0;
    rounds->next_page = end;
}

/* Slots that are applied: those before the first that has more to come, and that one. */
static size_t count_ready(const dbt__rounds *rounds)
{
    for (size_t i = 0; i < rounds->n_slots; i++)
        if (!rounds->slot[(rounds->head + i) % rounds->n_slots].done) return i + 1;
    return rounds->n_slots;
}

/* After a round: slots that are done get the pages that come next, and go to the end of the ring.
 */
static dbt_status turn_slots(dbt__rounds *rounds, dbt_error *err)
{
    dbt_status status = DBT_OK;
    for (size_t i = 0; status == DBT_OK && i < rounds->n_apply; i++) {
        dbt__slot *slot = &rounds->slot[rounds->head];
        slot->filled = false;
        if (!slot->done) break;
        if (rounds->pass->finish_slot != NULL)
            status = rounds->pass->finish_slot(rounds->pass, slot, err);
        give_pages(rounds, slot);
        rounds->head = (rounds->head + 1) % rounds->n_slots;
    }
    return status;
}

dbt_status dbt__rounds_run(dbt__rounds *rounds, dbt__pass *pass, dbt_error *err)
{
    rounds->pass = pass;
    rounds->head = 0;
    rounds->next_page = 0;
    for (size_t i = 0; i < rounds->n_slots; i++)
        give_pages(rounds, &rounds->slot[i]);
    for (size_t i = 0; i < rounds->n_workers; i++)
        rounds->worker[i].page_number = rounds->worker[i].unfinished = -1;
    dbt_status status = DBT_OK;
    while (status == DBT_OK && rounds->slot[rounds->head].page < rounds->n_pages) {
        status = dbt_pool_for(rounds->pool, rounds->n_slots, fill_slot, rounds, err);
        if (status < 0) break;
        rounds->n_apply = count_ready(rounds);
        status = dbt_pool_for(rounds->pool, DBT__GROUPS, apply_group, rounds, err);
        if (status == DBT_OK) status = turn_slots(rounds, err);
        if (status == DBT_OK && pass->finish_round != NULL) status = pass->finish_round(pass, err);
    }
    return status;
}
