/*
 * norms.c: the norms of the documents of a corpus.
 *
 * A document's norm runs over all terms of the vocabulary. Where it is known, its row can be made
 * out of the features alone, a table that a near cache holds. So those that scoring meets are kept.
 *
 * Where no table holds all terms they have to be made beforehand. When the terms come in parts,
 * each part adds what its terms add: sums of integers (row.c), so that the parts change no bit.
 * These are kept in a file, by document: ten million of them take 160 MB.
 */
#include <string.h>

#include "vectorizer_internal.h"

typedef struct norms_pass {
    dbt__norms *norms;
    dbt__rounds *rounds;
    const dbt__table *table;
} norms_pass;

size_t dbt__part_terms(size_t memory)
{
    return memory / 2 / (sizeof(dbt__kept) + dbt__table_bytes(1024) / 1024);
}

dbt_status dbt__norms_init(dbt__norms *norms, const dbt_vectorizer_options *options,
                           const char *spill_folder, dbt_error *err)
{
    *norms = (dbt__norms){.options = *options};
    return dbt__spill_new(spill_folder, &norms->spill, err);
}

void dbt__norms_init_small(dbt__norms *norms, int64_t n_documents, size_t memory)
{
    *norms = (dbt__norms){0};
    if ((uint64_t)n_documents <= memory / sizeof *norms->value)
        norms->value = dbt__alloc_array((size_t)n_documents, sizeof *norms->value);
}

void dbt__norms_release(dbt__norms *norms)
{
    dbt__free(norms->value);
    dbt__spill_free(norms->spill);
    *norms = (dbt__norms){0};
}

dbt_status dbt__norms_shares(const dbt__norms *norms, int64_t first, size_t n, dbt__uint128 *shares,
                             dbt_error *err)
{
    return dbt__spill_read(norms->spill, (uint64_t)first * sizeof *shares, shares,
                           n * sizeof *shares, err);
}

static dbt_status add_page(const norms_pass *pass, dbt__worker *worker, int64_t page,
                           dbt_error *err)
{
    const dbt__rounds *rounds = pass->rounds;
    const dbt__norms *norms = pass->norms;
    int64_t first = page * rounds->corpus->page_rows;
    size_t n = worker->page->n_rows;
    dbt_status status = DBT_OK;
    memset(worker->shares, 0, n * sizeof *worker->shares);
    if (norms->begun) status = dbt__norms_shares(norms, first, n, worker->shares, err);
    for (size_t row = 0; status == DBT_OK && row < n; row++) {
        status = dbt__row_fill(&worker->row, pass->table, &norms->options, worker->analyzer,
                               worker->page->text[row], err);
        worker->shares[row] += worker->row.shares;
    }
    if (status == DBT_OK)
        status = dbt__spill_write(norms->spill, (uint64_t)first * sizeof *worker->shares,
                                  worker->shares, n * sizeof *worker->shares, err);
    return status;
}

static dbt_status add_pages(void *context, size_t task, size_t number, dbt_error *err)
{
    const norms_pass *pass = context;
    dbt__rounds *rounds = pass->rounds;
    dbt__worker *worker = &rounds->worker[number];
    int64_t page = (int64_t)task * rounds->slot_pages, end = page + rounds->slot_pages;
    dbt_status status = DBT_OK;
    for (; status == DBT_OK && page < end && page < rounds->n_pages; page++) {
        status = dbt__rounds_read(rounds, worker, page, err);
        if (status == DBT_OK) status = add_page(pass, worker, page, err);
    }
    return status;
}

dbt_status dbt__norms_add(dbt__norms *norms, dbt__rounds *rounds, const dbt__table *table,
                          dbt_error *err)
{
    norms_pass pass = {norms, rounds, table};
    size_t tasks = (size_t)((rounds->n_pages + rounds->slot_pages - 1) / rounds->slot_pages);
    dbt_status status = dbt_pool_for(rounds->pool, tasks, add_pages, &pass, err);
    norms->begun = true;
    return status;
}

/* --- of a fitted vectorizer --- */

static dbt_status add_parts(const dbt_vectorizer *vectorizer, dbt__rounds *rounds, size_t memory,
                            dbt__norms *norms, dbt_error *err)
{
    const dbt__lexicon *lexicon = &vectorizer->lexicon;
    size_t n_terms = dbt__lexicon_terms(lexicon), part = dbt__part_terms(memory);
    dbt_status status = DBT_OK;
    for (size_t first = 0; status == DBT_OK && first < n_terms; first += part) {
        dbt__table table;
        size_t n = n_terms - first < part ? n_terms - first : part;
        status = dbt__lexicon_table(lexicon, first, n, 0, &vectorizer->options,
                                    vectorizer->n_documents, &table, err);
        if (status == DBT_OK) status = dbt__norms_add(norms, rounds, &table, err);
        dbt__table_release(&table);
    }
    return status;
}

dbt_status dbt_norms_new(const dbt_vectorizer *vectorizer, const dbt_corpus *corpus, dbt_pool *pool,
                         size_t memory, dbt_norms **norms, dbt_error *err)
{
    *norms = NULL;
    if (dbt_vectorizer_is_whole(vectorizer))
        return dbt__fail(err, DBT_EUSAGE, "a whole vectorizer needs no norms");
    dbt_vectorizer_options options = vectorizer->options;
    options.memory = memory;
    dbt_status status = dbt__check_memory(memory, err);
    if (status < 0) return status;
    dbt__rounds rounds = {0};
    dbt__norms *made = dbt__alloc(sizeof *made);
    if (made == NULL) return dbt__out_of_memory(err, "norms");
    status = dbt__norms_init(made, &vectorizer->options,
                             dbt__spill_folder(vectorizer->lexicon.spill), err);
    if (status == DBT_OK) status = dbt__rounds_init(&rounds, &options, corpus, pool, err);
    if (status == DBT_OK) status = dbt__rounds_set_hash(&rounds, vectorizer->seed, UINT64_MAX, err);
    if (status == DBT_OK) status = add_parts(vectorizer, &rounds, memory, made, err);
    dbt__rounds_release(&rounds);
    if (status < 0)
        dbt_norms_free(made);
    else
        *norms = made;
    return status;
}

const dbt_norms *dbt_vectorizer_norms(const dbt_vectorizer *vectorizer)
{
    const dbt__norms *norms = &vectorizer->norms;
    return norms->value == NULL && norms->spill == NULL ? NULL : norms;
}

void dbt_norms_free(dbt_norms *norms)
{
    if (norms == NULL) return;
    dbt__norms_release(norms);
    dbt__free(norms);
}

dbt_status dbt_norms_read(const dbt_norms *norms, int64_t first, size_t n, double *norm,
                          dbt_error *err)
{
    enum { CHUNK = 128 };
    dbt__uint128 shares[CHUNK];
    if (norms->value != NULL) {
        memcpy(norm, norms->value + first, n * sizeof *norm);
        return DBT_OK;
    }
    for (size_t done = 0; done < n; done += CHUNK) {
        size_t some = n - done < CHUNK ? n - done : CHUNK;
        dbt_status status = dbt__norms_shares(norms, first + (int64_t)done, some, shares, err);
        if (status < 0) return status;
        for (size_t i = 0; i < some; i++)
            norm[done + i] = dbt__norm_of(&norms->options, shares[i]);
    }
    return DBT_OK;
}
