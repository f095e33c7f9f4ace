/* page_digests.c: what the documents of a page were. */
#include "page_digests.h"

dbt_status dbt__page_digests_init(dbt__page_digests *digests, int64_t n_rows, size_t page_rows,
                                  dbt_error *err)
{
    size_t n_pages = ((size_t)n_rows + page_rows - 1) / page_rows;
    digests->digest = dbt__alloc_array(n_pages, sizeof *digests->digest);
    if (digests->digest == NULL) return dbt__out_of_memory(err, "digests of pages");
    digests->page_rows = page_rows;
    digests->n_pages = n_pages;
    return DBT_OK;
}

void dbt__page_digests_release(dbt__page_digests *digests)
{
    dbt__free(digests->digest);
    *digests = (dbt__page_digests){0};
}

static uint64_t digest_rows(const dbt_page *page, size_t first, size_t end)
{
    uint64_t digest = 0;
    for (size_t i = first; i < end; i++) {
        const dbt_text *text = &page->text[i];
        struct {
            int64_t document_id, label_id;
            double weight;
            uint64_t text;
        } row = {page->document_id[i], page->label_id[i], page->weight[i],
                 dbt__hash(text->data, text->bytes, 0)};
        digest = dbt__hash(&row, sizeof row, digest);
    }
    return digest;
}

void dbt__page_digests_note(dbt__page_digests *digests, int64_t first, const dbt_page *rows)
{
    size_t number = (size_t)first / digests->page_rows;
    for (size_t at = 0; at < rows->n_rows; at += digests->page_rows, number++) {
        size_t left = rows->n_rows - at;
        size_t n = left < digests->page_rows ? left : digests->page_rows;
        digests->digest[number] = digest_rows(rows, at, at + n);
    }
}

dbt_status dbt__page_digests_check(dbt__page_digests *digests, const char *split, int64_t number,
                                   const dbt_page *page, dbt_error *err)
{
    if (digests->digest[number] == digest_rows(page, 0, page->n_rows)) return DBT_OK;
    atomic_store(&digests->mismatch, true);
    return dbt__fail(err, DBT_EDATA,
                     "documents of split '%s' were changed by another program while a vocabulary "
                     "or rows were made of them: give the same command again",
                     split);
}
