/* corpus.c: a split as the vectorizer reads it. */
#include "corpus.h"

#include "observer.h"
#include "page_rows.h"

static dbt_status go_on(void *context, dbt_error *err)
{
    const dbt__corpus *corpus = context;
    if (dbt__stop_wanted(corpus->observer))
        return dbt__fail(err, DBT_EINTERRUPTED, "interrupted before the first epoch");
    return DBT_OK;
}

static dbt_status read_page(void *context, size_t reader, int64_t index, dbt_page *page,
                            dbt_error *err)
{
    const dbt__corpus *corpus = context;
    dbt_status status = reader == 0 ? go_on(context, err) : DBT_OK;
    if (status == DBT_OK) status = dbt_cursor_read(corpus->cursor[reader], index, page, err);
    if (status < 0 || corpus->digests == NULL) return status;
    return dbt__page_digests_check(corpus->digests, corpus->split, index, page, err);
}

dbt_status dbt__corpus_open(dbt__corpus *corpus, dbt_store *store, const char *split,
                            int64_t n_rows, dbt__page_digests *digests, size_t n_readers,
                            const dbt_observer *observer, dbt_error *err)
{
    *corpus = (dbt__corpus){
        .n_cursors = n_readers, .observer = observer, .split = split, .digests = digests};
    dbt_cursor_options options;
    dbt_cursor_options_init(&options);
    options.split = split;
    options.n_rows = n_rows;
    corpus->cursor = dbt__alloc_array(n_readers, sizeof *corpus->cursor);
    if (corpus->cursor == NULL) return dbt__out_of_memory(err, "cursors");
    dbt_status status = DBT_OK;
    if (digests != NULL)
        options.batch_size = digests->page_rows;
    else
        status =
            dbt__page_rows(store, split, n_rows, DBT__CORPUS_PAGE_ROWS, &options.batch_size, err);
    corpus->pages = (dbt_corpus){corpus, n_rows, (int64_t)options.batch_size, read_page, go_on};
    for (size_t i = 0; status == DBT_OK && i < n_readers; i++)
        status = dbt_cursor_open(store, &options, &corpus->cursor[i], err);
    return status;
}

void dbt__corpus_close(dbt__corpus *corpus)
{
    for (size_t i = 0; corpus->cursor != NULL && i < corpus->n_cursors; i++)
        dbt_cursor_close(corpus->cursor[i]);
    dbt__free(corpus->cursor);
    corpus->cursor = NULL;
}
