/*
 * block_store.h: blocks of vectorized rows outside of memory, of which those in use are held.
 *
 * They are in a temporary file or in the database (block_table.h). All are written, in order, then
 * the store is finished, and then they are read in any order. One thread at a time.
 */
#ifndef DBT_BLOCK_STORE_H
#define DBT_BLOCK_STORE_H

#include "base.h"

/* Where blocks are. */
typedef struct dbt__block_place {
    void *context;
    dbt_status (*write)(void *context, size_t block, const unsigned char *data, size_t bytes,
                        dbt_error *err);
    dbt_status (*finish)(void *context, dbt_error *err); /* NULL: nothing to do */
    /* *data is the caller's, to be freed with dbt__free. */
    dbt_status (*read)(void *context, size_t block, unsigned char **data, size_t *bytes,
                       dbt_error *err);
    void (*free)(void *context);
} dbt__block_place;

/* A temporary file in this folder, for blocks 0 .. n_blocks - 1. DBT_ENOMEM. */
dbt_status dbt__block_file(const char *folder, size_t n_blocks, dbt__block_place *place,
                           dbt_error *err) DBT_MUST_USE;

typedef struct dbt__block_store dbt__block_store;

/* Of blocks 0 .. n_blocks - 1. Takes the place over, also when it fails. DBT_ENOMEM. */
dbt_status dbt__block_store_new(const dbt__block_place *place, size_t n_blocks,
                                dbt__block_store **store, dbt_error *err) DBT_MUST_USE;
/* What is not finished is lost. Takes NULL. */
void dbt__block_store_free(dbt__block_store *store);
/* DBT_EIO, DBT_ENOMEM, and what the place returns. */
dbt_status dbt__block_store_write(dbt__block_store *store, size_t block, const unsigned char *data,
                                  size_t bytes, dbt_error *err) DBT_MUST_USE;
dbt_status dbt__block_store_finish(dbt__block_store *store, dbt_error *err) DBT_MUST_USE;
/* *data is valid until the next call. DBT_EIO, DBT_EFORMAT (damaged), DBT_ENOMEM. */
dbt_status dbt__block_store_read(dbt__block_store *store, size_t block, const unsigned char **data,
                                 size_t *bytes, dbt_error *err) DBT_MUST_USE;

#endif
