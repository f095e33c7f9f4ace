/* unfinished.h: what an ingest that did not end has left out of a split. */
#ifndef DBT_UNFINISHED_H
#define DBT_UNFINISHED_H

#include <dbtrain/train.h>

#include "base.h"
#include "sql.h"

/* Tells the observer, who may be NULL, where an ingest into one of the splits (`other` may be NULL)
 * has not ended: some of its documents are missing. */
dbt_status dbt__unfinished_tell(dbt__sql *sql, const dbt_observer *observer, const char *split,
                                const char *other, dbt_error *err) DBT_MUST_USE;

#endif
