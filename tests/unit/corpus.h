/* corpus.h: a dbt_corpus over arrays of texts and labels, for tests of the vectorizer. */
#ifndef DBT_TEST_CORPUS_H
#define DBT_TEST_CORPUS_H

#include <dbtrain/page.h>

typedef struct array_corpus {
    const dbt_text *text;
    const int64_t *label_id; /* NULL: all 1 */
    int64_t n_documents;
    int64_t page_rows;
    int64_t fail_at; /* page whose reading fails; -1: none */
} array_corpus;

static inline dbt_status read_array_page(void *context, size_t reader, int64_t index,
                                         dbt_page *page, dbt_error *err)
{
    (void)reader;
    const array_corpus *corpus = context;
    if (index == corpus->fail_at) {
        if (err != NULL && err->status == DBT_OK) *err = (dbt_error){DBT_EIO, 0, "page failed"};
        return DBT_EIO;
    }
    dbt_page_clear(page);
    page->index = index;
    dbt_status status = DBT_OK;
    int64_t end = (index + 1) * corpus->page_rows;
    if (end > corpus->n_documents) end = corpus->n_documents;
    for (int64_t i = index * corpus->page_rows; status == DBT_OK && i < end; i++)
        status = dbt_page_append(page, corpus->text[i], i + 1,
                                 corpus->label_id == NULL ? 1 : corpus->label_id[i], 1, err);
    return status;
}

static inline dbt_corpus make_array_corpus(array_corpus *corpus)
{
    return (dbt_corpus){.context = corpus,
                        .n_documents = corpus->n_documents,
                        .page_rows = corpus->page_rows,
                        .read = read_array_page};
}

#endif
