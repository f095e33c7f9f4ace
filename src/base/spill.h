/*
 * spill.h: bytes that do not fit into memory, in a file without a name.
 *
 * The file goes when it is closed, or when the process ends, however it ends. It is made when
 * something is first written. Any number of threads may read and write different ranges at once.
 */
#ifndef DBT_SPILL_H
#define DBT_SPILL_H

#include "base.h"

typedef struct dbt__spill dbt__spill;

/* In this folder (copied). DBT_ENOMEM. */
dbt_status dbt__spill_new(const char *folder, dbt__spill **spill, dbt_error *err) DBT_MUST_USE;
/* Takes NULL. */
void dbt__spill_free(dbt__spill *spill);
/* The folder that it was made for; its own. */
const char *dbt__spill_folder(const dbt__spill *spill);
/* DBT_EIO: the folder cannot be written, or the disk is full. */
dbt_status dbt__spill_write(dbt__spill *spill, uint64_t offset, const void *data, size_t bytes,
                            dbt_error *err) DBT_MUST_USE;
/* Bytes that were written before. DBT_EIO. */
dbt_status dbt__spill_read(dbt__spill *spill, uint64_t offset, void *data, size_t bytes,
                           dbt_error *err) DBT_MUST_USE;

#endif
