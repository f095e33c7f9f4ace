/*
 * hashing.c: a vectorizer that has no vocabulary.
 *
 * Feature hashing (Weinberger et al., 2009, without its signs): the column of an n-gram is the top
 * bits of its hash, so there is nothing to count or to keep. The table has no entries: its places
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
