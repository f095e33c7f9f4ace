/*
 * fetch.c: the strings of the terms that were selected.
 *
 * All passes before know terms by their hashes. Where it is known in which document a term first
 * occurs, those documents alone are read again; else all are, until no string is missing. Tasks are
 * runs of pages; the one that meets a term first claims it and keeps its string. Which one that is
 * does not matter: the string is the same, and it is checked against the term's hash.
 */
#include <stdlib.h>
#include <string.h>

#include "vectorizer_internal.h"

typedef struct found_term {
    uint32_t term;
    uint32_t length;
    size_t start; /* in the worker's bytes */
} found_term;

typedef struct term_finder {
    dbt__buffer bytes;
    found_term *found;
    size_t n_found;
    size_t capacity;
} term_finder;

typedef struct fetch_state {
    dbt__rounds *rounds;
    const dbt__table *table;
    const uint64_t *wanted;
    size_t n;
    atomic_uchar *claimed; /* [n] */
    atomic_size_t n_claimed;
    atomic_size_t n_bytes; /* of the strings that were found */
    term_finder *finder;   /* [workers] */
} fetch_state;

static bool is_wanted(const fetch_state *fetch, int64_t document)
{
    return fetch->wanted == NULL || (fetch->wanted[document / 64] >> (document % 64) & 1) != 0;
}

static const dbt__entry *find_entry(const dbt__table *table, uint64_t hash)
{
    return &table->entry[dbt__table_find(table, hash, dbt__table_home(table, hash))];
}

static dbt_status keep_term(fetch_state *fetch, term_finder *finder, dbt__worker *worker,
                            uint32_t term, size_t i, dbt_error *err)
{
    const char *data;
    size_t bytes;
    dbt_status status = dbt__analyzer_term(worker->analyzer, i, &data, &bytes, err);
    if (status < 0) return status;
    dbt__ngram ngram;
    status = dbt__analyzer_hash(worker->analyzer, data, bytes, &ngram, err);
    if (status < 0) return status;
    if (find_entry(fetch->table, ngram.hash)->feature != term)
        return dbt__fail(err, DBT_EINTERNAL, "a term's string has another hash than the term");
    size_t all = atomic_fetch_add(&fetch->n_bytes, bytes) + bytes;
    status = dbt__check_term_bytes(fetch->rounds->options, all, err);
    if (status < 0) return status;
    if (bytes > UINT32_MAX) return dbt__fail(err, DBT_EDATA, "a term of %zu bytes", bytes);
    status = dbt__reserve((void **)&finder->found, &finder->capacity, finder->n_found + 1,
                          sizeof *finder->found, "terms", err);
    size_t start = finder->bytes.length;
    if (status == DBT_OK) status = dbt__buffer_append(&finder->bytes, data, bytes, err);
    if (status < 0) return status;
    finder->found[finder->n_found++] = (found_term){term, (uint32_t)bytes, start};
    return DBT_OK;
}

static dbt_status search_document(fetch_state *fetch, term_finder *finder, dbt__worker *worker,
                                  dbt_text text, dbt_error *err)
{
    const dbt__table *table = fetch->table;
    dbt__ngram group[DBT__NGRAM_MAX];
    size_t width = dbt__analyzer_width(worker->analyzer), n;
    dbt_status status = dbt__analyzer_begin(worker->analyzer, text.data, text.bytes, err);
    while (status == DBT_OK && (n = dbt__analyzer_next(worker->analyzer, 0, group, width)) > 0) {
        for (size_t i = 0; status == DBT_OK && i < n; i++) {
            const dbt__entry *entry = find_entry(table, group[i].hash);
            uint32_t term = entry->feature;
            if (entry->hash != group[i].hash || term == DBT__NO_FEATURE) continue;
            if (atomic_load_explicit(&fetch->claimed[term], memory_order_relaxed) != 0) continue;
            if (atomic_exchange(&fetch->claimed[term], 1) != 0) continue;
            atomic_fetch_add(&fetch->n_claimed, 1);
            status = keep_term(fetch, finder, worker, term, i, err);
        }
    }
    return status;
}

static dbt_status search_pages(void *context, size_t task, size_t number, dbt_error *err)
{
    fetch_state *fetch = context;
    dbt__rounds *rounds = fetch->rounds;
    dbt__worker *worker = &rounds->worker[number];
    dbt_status status = DBT_OK;
    int64_t page = (int64_t)task * rounds->slot_pages, end = page + rounds->slot_pages;
    if (end > rounds->n_pages) end = rounds->n_pages;
    for (; status == DBT_OK && page < end; page++) {
        int64_t first = page * rounds->corpus->page_rows;
        int64_t last = first + rounds->corpus->page_rows;
        if (last > rounds->corpus->n_documents) last = rounds->corpus->n_documents;
        int64_t document = first;
        while (document < last && !is_wanted(fetch, document))
            document++;
        if (document == last || atomic_load(&fetch->n_claimed) == fetch->n) continue;
        status = dbt__rounds_read(rounds, worker, page, err);
        for (; status == DBT_OK && document < last; document++)
            if (is_wanted(fetch, document))
                status = search_document(fetch, &fetch->finder[number], worker,
                                         worker->page->text[document - first], err);
    }
    return status;
}

/* All strings into one array, by term. */
static dbt_status gather_terms(const fetch_state *fetch, dbt__terms *terms, dbt_error *err)
{
    size_t bytes = 0, n = 0;
    for (size_t w = 0; w < fetch->rounds->n_workers; w++) {
        bytes += fetch->finder[w].bytes.length;
        n += fetch->finder[w].n_found;
    }
    if (n != fetch->n)
        return dbt__fail(err, DBT_EINTERNAL,
                         "%zu of %zu terms are in no document: the corpus changed while it was "
                         "read",
                         fetch->n - n, fetch->n);
    terms->n = n;
    terms->bytes = dbt__alloc_array(bytes, 1);
    terms->start = dbt__alloc_array(n, sizeof *terms->start);
    terms->length = dbt__alloc_array(n, sizeof *terms->length);
    if (terms->bytes == NULL || terms->start == NULL || terms->length == NULL)
        return dbt__out_of_memory(err, "terms");
    size_t base = 0;
    for (size_t w = 0; w < fetch->rounds->n_workers; w++) {
        const term_finder *finder = &fetch->finder[w];
        if (finder->bytes.length > 0)
            memcpy(terms->bytes + base, finder->bytes.data, finder->bytes.length);
        for (size_t i = 0; i < finder->n_found; i++) {
            terms->start[finder->found[i].term] = base + finder->found[i].start;
            terms->length[finder->found[i].term] = finder->found[i].length;
        }
        base += finder->bytes.length;
    }
    return DBT_OK;
}

dbt_status dbt__fetch(dbt__rounds *rounds, const dbt__table *table, size_t n,
                      const uint64_t *wanted, dbt__terms *terms, dbt_error *err)
{
    *terms = (dbt__terms){0};
    fetch_state fetch = {.rounds = rounds, .table = table, .wanted = wanted, .n = n};
    fetch.claimed = dbt__alloc_array(n, sizeof *fetch.claimed);
    fetch.finder = dbt__alloc_array(rounds->n_workers, sizeof *fetch.finder);
    dbt_status status = DBT_OK;
    if (fetch.claimed == NULL || fetch.finder == NULL) status = dbt__out_of_memory(err, "terms");
    size_t tasks = (size_t)((rounds->n_pages + rounds->slot_pages - 1) / rounds->slot_pages);
    if (status == DBT_OK) status = dbt_pool_for(rounds->pool, tasks, search_pages, &fetch, err);
    if (status == DBT_OK) status = gather_terms(&fetch, terms, err);
    for (size_t w = 0; fetch.finder != NULL && w < rounds->n_workers; w++) {
        dbt__buffer_release(&fetch.finder[w].bytes);
        dbt__free(fetch.finder[w].found);
    }
    dbt__free(fetch.finder);
    dbt__free(fetch.claimed);
    if (status < 0) dbt__terms_release(terms);
    return status;
}

/* The documents in which the candidates were first met; NULL: all have to be read. */
static dbt_status mark_documents(int64_t n_documents, const dbt__candidate *item, size_t n,
                                 uint64_t **wanted, dbt_error *err)
{
    *wanted = NULL;
    for (size_t i = 0; i < n; i++)
        if (item[i].first_document == DBT__NO_DOCUMENT) return DBT_OK;
    *wanted = dbt__alloc_array((size_t)n_documents / 64 + 1, sizeof **wanted);
    if (*wanted == NULL) return dbt__out_of_memory(err, "terms");
    for (size_t i = 0; i < n; i++)
        (*wanted)[item[i].first_document / 64] |= UINT64_C(1) << (item[i].first_document % 64);
    return DBT_OK;
}

dbt_status dbt__fetch_candidates(dbt__rounds *rounds, const dbt__candidate *item, size_t n,
                                 dbt__terms *terms, dbt_error *err)
{
    *terms = (dbt__terms){0};
    int64_t n_documents = rounds->corpus->n_documents;
    dbt__table table = {0};
    uint64_t *wanted = NULL;
    dbt__kept *kept = dbt__alloc_array(n, sizeof *kept);
    if (kept == NULL) return dbt__out_of_memory(err, "terms");
    for (size_t i = 0; i < n; i++)
        kept[i] = (dbt__kept){item[i].hash, item[i].document_frequency, 0};
    dbt_status status =
        dbt__table_init(&table, kept, n, SIZE_MAX, rounds->options, n_documents, err);
    dbt__free(kept);
    if (status == DBT_OK) status = mark_documents(n_documents, item, n, &wanted, err);
    if (status == DBT_OK) status = dbt__fetch(rounds, &table, n, wanted, terms, err);
    dbt__free(wanted);
    dbt__table_release(&table);
    return status;
}

void dbt__terms_release(dbt__terms *terms)
{
    dbt__free(terms->bytes);
    dbt__free(terms->start);
    dbt__free(terms->length);
    *terms = (dbt__terms){0};
}

typedef struct sort_key {
    const char *data;
    uint32_t length;
    uint32_t term;
} sort_key;

static int compare_terms(const void *a, const void *b)
{
    const sort_key *x = a, *y = b;
    uint32_t shorter = x->length < y->length ? x->length : y->length;
    int order = memcmp(x->data, y->data, shorter);
    return order != 0 ? order : (x->length > y->length) - (x->length < y->length);
}

dbt_status dbt__terms_sort(const dbt__terms *terms, uint32_t **order, dbt_error *err)
{
    *order = dbt__alloc_array(terms->n, sizeof **order);
    sort_key *key = dbt__alloc_array(terms->n, sizeof *key);
    if (*order == NULL || key == NULL) {
        dbt__free(*order);
        dbt__free(key);
        *order = NULL;
        return dbt__out_of_memory(err, "terms");
    }
    for (size_t i = 0; i < terms->n; i++)
        key[i] = (sort_key){terms->bytes + terms->start[i], terms->length[i], (uint32_t)i};
    qsort(key, terms->n, sizeof *key, compare_terms);
    for (size_t i = 0; i < terms->n; i++)
        (*order)[i] = key[i].term;
    dbt__free(key);
    return DBT_OK;
}
