/* exposure.c: what a run saw, by the origins of its splits then and now. */
#include "exposure.h"

enum { TRAINING, VALIDATION, ROLES };

/*
 * The split that has all documents that a role's split had, whether it is another, and how many of
 * its first documents there were then (NULL: that is not known): what was ingested later is none of
 * the run's. Where the run's own split was cut anew that is the one that has no origin above it:
 * those between may have been cut anew, too; where that is gone it is what there is. Runs of before
 * there were train_origin and validation_origin tell so much: a part that they held out themselves
 * has this share and seed.
 */
#define SOURCE_OF(split_id, origin_then, documents_then)                                           \
    "WITH RECURSIVE part AS (SELECT id, name, checked_json(origin) AS origin FROM split),"         \
    " begun AS (SELECT seed, " split_id " AS split_id, checked_json(settings) AS settings"         \
    "  FROM run WHERE id = ?),"                                                                    \
    " role AS (SELECT s.id AS id, r.settings ->> '" documents_then "' AS documents,"               \
    "  r.settings ->> '" origin_then "' ->> 'parent' AS parent_then,"                              \
    "  r.settings ->> '" origin_then "' ->> 'documents' AS parent_documents,"                      \
    "  coalesce(r.settings ->> '" origin_then "',"                                                 \
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
    " SELECT id, 0, documents FROM role WHERE NOT recut AND id IS NOT NULL UNION ALL"              \
    " SELECT s.id, 1, (SELECT parent_documents FROM role WHERE parent_then = s.name)"              \
    "  FROM part s JOIN above ON s.name = above.name WHERE s.origin IS NULL"                       \
    " UNION ALL SELECT id, 1, NULL FROM role WHERE recut AND id IS NOT NULL"

/* What a run had of a role. */
typedef struct source {
    int64_t split_id; /* 0: there is none */
    int64_t documents;
    bool recut;
} source;

static dbt_status find_source(dbt__sql *sql, const char *query, int64_t run_id, source *found,
                              dbt_error *err)
{
    dbt__statement *select = NULL;
    *found = (source){0};
    dbt_status status = dbt__prepare(sql, query, &select, err);
    if (status < 0) return status;
    dbt__bind_int(select, 1, run_id);
    status = dbt__step(select, err);
    if (status == DBT_OK) {
        found->split_id = dbt__column_int(select, 0);
        found->recut = dbt__column_int(select, 1) != 0;
        found->documents = dbt__column_is_null(select, 2) ? INT64_MAX : dbt__column_int(select, 2);
    }
    dbt__finalize(select);
    return status < 0 ? status : DBT_OK;
}

/* Whether one of the split's documents is among those of the source. CROSS and + keep SQLite from
 * going through the source, which may be many times larger. */
static dbt_status ask_shared(dbt__sql *sql, int64_t split_id, const source *from, bool *shared,
                             dbt_error *err)
{
    *shared = from->split_id == split_id; /* without a look at its documents */
    if (*shared || from->split_id == 0) return DBT_OK;
    dbt__statement *select = NULL;
    dbt_status status = dbt__prepare(
        sql,
        "SELECT EXISTS (SELECT 1 FROM split_document AS one CROSS JOIN split_document AS other"
        " ON other.document_id = one.document_id AND other.split_id = ?2 AND +other.position < ?3"
        " WHERE one.split_id = ?1)",
        &select, err);
    if (status < 0) return status;
    dbt__bind_int(select, 1, split_id);
    dbt__bind_int(select, 2, from->split_id);
    dbt__bind_int(select, 3, from->documents);
    status = dbt__step(select, err);
    if (status == DBT_OK) *shared = dbt__column_int(select, 0) != 0;
    dbt__finalize(select);
    return status;
}

dbt_status dbt__exposure_find(dbt__sql *sql, int64_t run_id, int64_t split_id,
                              dbt__exposure *exposure, dbt_error *err)
{
    static const char *const queries[ROLES] = {
        [TRAINING] = SOURCE_OF("train_split_id", "train_origin", "train_documents"),
        [VALIDATION] =
            SOURCE_OF("validation_split_id", "validation_origin", "validation_documents"),
    };
    source from[ROLES] = {0};
    bool shared[ROLES] = {false};
    *exposure = (dbt__exposure){0};
    dbt_status status = DBT_OK;
    for (int i = 0; status == DBT_OK && i < ROLES; i++) {
        status = find_source(sql, queries[i], run_id, &from[i], err);
        if (status == DBT_OK) status = ask_shared(sql, split_id, &from[i], &shared[i], err);
    }
    exposure->in_training = shared[TRAINING];
    exposure->in_validation = shared[VALIDATION];
    exposure->is_recut = (shared[TRAINING] && from[TRAINING].recut) ||
                         (!shared[TRAINING] && shared[VALIDATION] && from[VALIDATION].recut);
    return status;
}
