/* exposure.c: what a run saw, by the origins of its splits then and now. */
#include "exposure.h"

#include "store_internal.h"

enum { TRAINING, VALIDATION, ROLES };

/*
 * The split that has all documents that a role's split had, and whether it is another. Where the
 * run's own split was cut anew that is the one that has no origin above it: those between may have
 * been cut anew, too; where that is gone it is what there is. Runs of before there were
 * train_origin and validation_origin tell so much: a part that they held out themselves has this
 * share and seed.
 */
#define SOURCE_OF(split_id, origin_then)                                                           \
    "WITH RECURSIVE part AS (SELECT id, name, checked_json(origin) AS origin FROM split),"         \
    " begun AS (SELECT seed, " split_id " AS split_id, checked_json(settings) AS settings"         \
    "  FROM run WHERE id = ?),"                                                                    \
    " role AS (SELECT s.id AS id, coalesce(r.settings ->> '" origin_then "',"                      \
    "   iif(r.settings ->> 'validation' IS NULL, s.origin, NULL)) AS origin,"                      \
    "  CASE WHEN r.settings ->> '" origin_then "' IS NOT NULL"                                     \
    "       THEN s.origin IS NOT r.settings ->> '" origin_then "'"                                 \
    "       WHEN r.settings ->> 'validation' IS NULL"                                              \
    "       THEN s.origin ->> 'seed' IS NOT r.seed OR round(s.origin ->> 'fraction', 12)"          \
    "            IS NOT round(r.settings ->> 'validation_split', 12)"                              \
    "       ELSE 0 END AS recut"                                                                   \
    "  FROM begun r LEFT JOIN part s ON s.id = r.split_id),"                                       \
    " above (name) AS (SELECT checked_json(origin) ->> 'parent' FROM role WHERE recut"             \
    "  UNION SELECT s.origin ->> 'parent' FROM part s JOIN above ON s.name = above.name)"          \
    " SELECT id, 0 FROM role WHERE NOT recut AND id IS NOT NULL UNION ALL"                         \
    " SELECT s.id, 1 FROM part s JOIN above ON s.name = above.name WHERE s.origin IS NULL"         \
    " UNION ALL SELECT id, 1 FROM role WHERE recut AND id IS NOT NULL"

/* *split_id is 0 when there is none. */
static dbt_status find_source(dbt__sql *sql, const char *query, int64_t run_id, int64_t *split_id,
                              bool *recut, dbt_error *err)
{
    dbt__statement *select = NULL;
    *split_id = 0;
    *recut = false;
    dbt_status status = dbt__prepare(sql, query, &select, err);
    if (status < 0) return status;
    dbt__bind_int(select, 1, run_id);
    status = dbt__step(select, err);
    if (status == DBT_OK) {
        *split_id = dbt__column_int(select, 0);
        *recut = dbt__column_int(select, 1) != 0;
    }
    dbt__finalize(select);
    return status < 0 ? status : DBT_OK;
}

dbt_status dbt__exposure_find(dbt__sql *sql, int64_t run_id, int64_t split_id,
                              dbt__exposure *exposure, dbt_error *err)
{
    static const char *const queries[ROLES] = {
        [TRAINING] = SOURCE_OF("train_split_id", "train_origin"),
        [VALIDATION] = SOURCE_OF("validation_split_id", "validation_origin"),
    };
    int64_t source[ROLES], shared[ROLES] = {0};
    bool recut[ROLES];
    *exposure = (dbt__exposure){0};
    dbt_status status = DBT_OK;
    for (int i = 0; status == DBT_OK && i < ROLES; i++) {
        status = find_source(sql, queries[i], run_id, &source[i], &recut[i], err);
        if (status == DBT_OK && source[i] == split_id)
            shared[i] = 1; /* without a look at its documents */
        else if (status == DBT_OK && source[i] != 0)
            status = dbt__split_shared(sql, split_id, source[i], &shared[i], err);
    }
    exposure->in_training = shared[TRAINING] > 0;
    exposure->in_validation = shared[VALIDATION] > 0;
    exposure->is_recut = (exposure->in_training && recut[TRAINING]) ||
                         (!exposure->in_training && exposure->in_validation && recut[VALIDATION]);
    return status;
}
