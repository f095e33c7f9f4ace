/*
 * hashing.c: a vectorizer that has no vocabulary.
 *
 * Feature hashing (Weinberger et al., 2009, without its signs): the column of an n-gram is the top
 * bits of its hash, so there is nothing to count or to keep; documents
 * are read only until one has an n-gram. The table has no entries: its places
 * are the columns, all with the one idf of 1. Rows are then filled, normalised, sorted and packed
 * as those of a vocabulary are.
 */
#include "vectorizer_internal.h"

dbt_status dbt__hashing_init(dbt_vectorizer *vectorizer, dbt_error *err)
{
    dbt__table *table = &vectorizer->table;
    table->idf = dbt__alloc_array(1, sizeof *table->idf);
    table->share = dbt__alloc_array(1, sizeof *table->share);
    if (table->idf == NULL || table->share == NULL) {
        dbt__table_release(table);
        return dbt__out_of_memory(err, "a vectorizer");
    }
    table->n_idf = 1;
    table->idf[0] = 1;
    table->share[0] = dbt__norm_share(&vectorizer->options, 1);
    table->hash_bits = vectorizer->options.hash_bits;
    vectorizer->n_features = (size_t)1 << table->hash_bits;
    return DBT_OK;
}

/* Whether one of the page's documents has an n-gram. */
static dbt_status look_through(dbt__analyzer *analyzer, const dbt_page *page, bool *has_term,
                               dbt_error *err)
{
    dbt__ngram block[DBT__BLOCK];
    for (size_t i = 0; i < page->n_rows && !*has_term; i++) {
        dbt_status status =
            dbt__analyzer_begin(analyzer, page->text[i].data, page->text[i].bytes, err);
        if (status < 0) return status;
        *has_term = dbt__analyzer_next(analyzer, 0, block, DBT__BLOCK) > 0;
    }
    return DBT_OK;
}

dbt_status dbt__hashing_find_term(const dbt_vectorizer_options *options, const dbt_corpus *corpus,
                                  bool *has_term, dbt_error *err)
{
    dbt__analyzer_options analyzed = dbt__options_analyzer(options, 0, UINT64_MAX);
    dbt__analyzer *analyzer = NULL;
    dbt_page *page = NULL;
    *has_term = false;
    dbt_status status = dbt__analyzer_new(&analyzed, &analyzer, err);
    if (status == DBT_OK) status = dbt_page_new(&page, err);
    int64_t n_pages = (corpus->n_documents + corpus->page_rows - 1) / corpus->page_rows;
    for (int64_t i = 0; status == DBT_OK && i < n_pages && !*has_term; i++) {
        status = corpus->read(corpus->context, 0, i, page, err);
        if (status == DBT_OK) status = look_through(analyzer, page, has_term, err);
    }
    dbt_page_free(page);
    dbt__analyzer_free(analyzer);
    return status;
}
