/*
 * lexicon.c: all terms of a vocabulary, with their document frequencies, in the order of hashes.
 *
 * As long as they are few they are an array; beyond that they go to a temporary file, in the same
 * form, and are read back a part at a time.
 */
#include "vectorizer_internal.h"

/* Of the memory, what the array may take: with the table that is made of it, five quarters of its
 * size, more than a half. */
#define ARRAY_PART 4

void dbt__lexicon_init(dbt__lexicon *lexicon, const char *spill_folder, size_t memory)
{
    *lexicon = (dbt__lexicon){.spill_folder = spill_folder,
                              .limit = memory / ARRAY_PART / sizeof(dbt__kept)};
}

void dbt__lexicon_release(dbt__lexicon *lexicon)
{
    dbt__free(lexicon->kept);
    dbt__spill_free(lexicon->spill);
    *lexicon = (dbt__lexicon){0};
}

bool dbt__lexicon_is_spilled(const dbt__lexicon *lexicon)
{
    return lexicon->spill != NULL;
}

static dbt_status spill_kept(dbt__lexicon *lexicon, dbt_error *err)
{
    dbt_status status = DBT_OK;
    if (lexicon->spill == NULL)
        status = dbt__spill_new(lexicon->spill_folder, &lexicon->spill, err);
    if (status == DBT_OK)
        status = dbt__spill_write(lexicon->spill, lexicon->n_spilled * sizeof *lexicon->kept,
                                  lexicon->kept, lexicon->n_kept * sizeof *lexicon->kept, err);
    if (status < 0) return status;
    lexicon->n_spilled += lexicon->n_kept;
    lexicon->n_kept = 0;
    return DBT_OK;
}

/* By a half, but not beyond the limit, at which the terms go to the file: while they are moved they
 * are there twice. */
static dbt_status grow_kept(dbt__lexicon *lexicon, size_t needed, dbt_error *err)
{
    if (needed <= lexicon->capacity) return DBT_OK;
    size_t grown = lexicon->capacity + lexicon->capacity / 2;
    if (lexicon->spill_folder != NULL && grown > lexicon->limit) grown = lexicon->limit;
    if (grown < needed) grown = needed;
    dbt__kept *moved = dbt__grow_array(lexicon->kept, grown, sizeof *moved);
    if (moved == NULL) return dbt__out_of_memory(err, "a vocabulary");
    lexicon->kept = moved;
    lexicon->capacity = grown;
    return DBT_OK;
}

dbt_status dbt__lexicon_expect(dbt__lexicon *lexicon, size_t n, dbt_error *err)
{
    if (lexicon->spill_folder != NULL && n > lexicon->limit) n = lexicon->limit;
    return n > DBT__MAX_TERMS ? DBT_OK : grow_kept(lexicon, n, err);
}

dbt_status dbt__lexicon_reserve(dbt__lexicon *lexicon, size_t more, dbt_error *err)
{
    if (lexicon->n_spilled + lexicon->n_kept + more > DBT__MAX_TERMS)
        return dbt__fail(err, DBT_EDATA, "more than %u terms: raise min-df", DBT__MAX_TERMS);
    if (lexicon->spill_folder != NULL && lexicon->n_kept > 0 &&
        lexicon->n_kept + more > lexicon->limit) {
        dbt_status status = spill_kept(lexicon, err);
        if (status < 0) return status;
    }
    return grow_kept(lexicon, lexicon->n_kept + more, err);
}

size_t dbt__lexicon_terms(const dbt__lexicon *lexicon)
{
    return lexicon->n_spilled + lexicon->n_kept;
}

dbt_status dbt__lexicon_finish(dbt__lexicon *lexicon, size_t table_memory, dbt_error *err)
{
    bool fits = table_memory == 0 || dbt__table_bytes(lexicon->n_kept) <= table_memory;
    if (lexicon->spill == NULL && (fits || lexicon->spill_folder == NULL)) return DBT_OK;
    dbt_status status = spill_kept(lexicon, err);
    dbt__free(lexicon->kept);
    lexicon->kept = NULL;
    lexicon->capacity = 0;
    return status;
}

dbt_status dbt__lexicon_read(const dbt__lexicon *lexicon, size_t first, size_t n, dbt__kept *kept,
                             dbt_error *err)
{
    return dbt__spill_read(lexicon->spill, first * sizeof *kept, kept, n * sizeof *kept, err);
}

dbt_status dbt__lexicon_table(const dbt__lexicon *lexicon, size_t first, size_t n, size_t memory,
                              const dbt_vectorizer_options *options, int64_t n_documents,
                              dbt__table *table, dbt_error *err)
{
    *table = (dbt__table){0};
    if (lexicon->spill == NULL)
        return dbt__table_init(table, lexicon->kept + first, n, memory, options, n_documents, err);
    dbt__kept *kept = dbt__alloc_array(n, sizeof *kept);
    if (kept == NULL) return dbt__out_of_memory(err, "a vocabulary");
    dbt_status status = dbt__lexicon_read(lexicon, first, n, kept, err);
    if (status == DBT_OK)
        status = dbt__table_init(table, kept, n, memory, options, n_documents, err);
    dbt__free(kept);
    return status;
}
