/* environment.h: what the bits of a run depend on beside its settings and data. */
#ifndef DBT_ENVIRONMENT_H
#define DBT_ENVIRONMENT_H

#include <dbtrain/network.h>

#include "base.h"
#include "sql.h"

/* *json, to be freed with dbt__free: an object of the kernels chosen for this processor, the
 * version of the arithmetic of a step, and the libraries whose versions matter:
 * {"kernels": "avx2", "arithmetic": 3, "blas": ..., "unicode": ..., "libc": ...}. */
dbt_status dbt__environment_write(dbt__sql *sql, const dbt_network *network, char **json,
                                  dbt_error *err) DBT_MUST_USE;

#endif
