/*
 * exposure.h: whether a run has seen documents of a split: was trained on them, or stopped by them.
 *
 * Known by the documents, in whatever split they are; what was ingested into the run's splits after
 * it was begun it has not seen. A run keeps what its splits were cut from
 * (settings.train_origin, .validation_origin): a part that a later fit has cut anew, or that is
 * gone, no longer tells what the run saw, so that all it was cut from may have been.
 */
#ifndef DBT_EXPOSURE_H
#define DBT_EXPOSURE_H

#include "base.h"
#include "sql.h"

typedef struct dbt__exposure {
    bool in_training;
    bool in_validation;
    bool is_recut; /* may have been, in one of them */
} dbt__exposure;

dbt_status dbt__exposure_find(dbt__sql *sql, int64_t run_id, int64_t split_id,
                              dbt__exposure *exposure, dbt_error *err) DBT_MUST_USE;

#endif
