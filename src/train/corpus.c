/* corpus.c: a split as the vectorizer reads it. */
#include "corpus.h"

static dbt_status go_on(void *context, dbt_error *err)
{
    const dbt_observer *observer = ((const dbt__corpus *)context)->observer;
    if (observer->stop != NULL && observer->stop(observer->context))
        return dbt__fail(err, DBT_EINTERRUPTED, "interrupted before the first epoch");
    return DBT_OK;
}

static dbt_status read_page(void *context, int64_t index, dbt_page *page, dbt_error *err)
{
    dbt_status status = go_on(context, err);
    if (status < 0) return status;
    return dbt_cursor_read(((const dbt__corpus *)context)->cursor, index, page, err);
}

dbt_status dbt__corpus_open(dbt__corpus *corpus, dbt_store *store, const char *split,
                            int64_t n_rows, const dbt_observer *observer, dbt_error *err)
{
    *corpus = (dbt__corpus){.observer = observer};
    corpus->pages = (dbt_corpus){corpus, n_rows, DBT__CORPUS_PAGE_ROWS, read_page, go_on};
    dbt_cursor_options options;
    dbt_cursor_options_init(&options);
    options.split = split;
    options.n_rows = n_rows;
    options.batch_size = DBT__CORPUS_PAGE_ROWS;
    return dbt_cursor_open(store, &options, &corpus->cursor, err);
}

void dbt__corpus_close(dbt__corpus *corpus)
{
    dbt_cursor_close(corpus->cursor);
    corpus->cursor = NULL;
}
