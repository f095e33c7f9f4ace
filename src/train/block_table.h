/*
 * block_table.h: blocks of vectorized rows in the database: the tables row_cache and row_block.
 *
 * A cache belongs to a vectorizer and a split, and is valid for the rows whose fingerprint it
 * bears. One that was not filled to its end is never used.
 */
#ifndef DBT_BLOCK_TABLE_H
#define DBT_BLOCK_TABLE_H

#include <dbtrain/store.h>

#include "base.h"
#include "block_store.h"
#include "sql.h"

/* Which rows. */
typedef struct dbt__block_key {
    const char *split; /* its name */
    int64_t split_id;
    int64_t vectorizer_id;
    int64_t documents;    /* the first of the split */
    uint64_t fingerprint; /* of their ids, labels, weights and texts, in order */
} dbt__block_key;

/*
 * The blocks that a valid cache has (*found), or else those of a new one, which takes the place of
 * what is stale or unfinished. Written with the store's connection, in transactions of about a
 * megabyte, read with one of its own, which holds no transaction between blocks. What is freed
 * before it is finished is deleted. The store and the key's name must outlive the place. Reading
 * says DBT_EFORMAT of a block that is missing or damaged. DBT_EIO, DBT_ENOMEM.
 */
dbt_status dbt__block_table(dbt_store *store, const dbt__block_key *key, dbt__block_place *place,
                            bool *found, dbt_error *err) DBT_MUST_USE;
/* Of all blocks of all caches. */
dbt_status dbt__block_table_bytes(dbt__sql *sql, int64_t *bytes, dbt_error *err) DBT_MUST_USE;

#endif
