/* remove.c: a run deleted, with all that is stored of it; the cached rows deleted. */
#include "block_table.h"
#include "run.h"
#include "store_internal.h"

/* A run that was stopped once its vocabulary was stored and before it had a network does not name
 * it: it is that of the settings and the documents that the run has. Damaged settings are none, and
 * do not keep a run from being deleted. */
static dbt_status measure_run(dbt__sql *sql, dbt_removed *removed, int64_t *vectorizer_id,
                              dbt_error *err)
{
    dbt__statement *select = NULL;
    dbt_status status = dbt__prepare(
        sql,
        "SELECT " DBT__RUN_BYTES ", v.id, NOT EXISTS (SELECT 1 FROM run o"
        " WHERE o.vectorizer_id = v.id AND o.id <> r.id)"
        " FROM run r LEFT JOIN vectorizer v ON v.id = r.vectorizer_id OR (r.vectorizer_id IS NULL"
        "  AND instr(r.settings, '\"vectorizer\":' || v.settings)"
        "  AND instr(r.settings, '\"train_fingerprint\":\"' || v.fingerprint || '\"'))"
        " WHERE r.id = ?",
        &select, err);
    if (status < 0) return status;
    dbt__bind_int(select, 1, removed->run_id);
    status = dbt__step(select, err);
    if (status == DBT_OK) {
        removed->bytes = dbt__column_int(select, 0);
        *vectorizer_id = dbt__column_int(select, 1);
        removed->vocabulary = *vectorizer_id != 0 && dbt__column_int(select, 2) != 0;
    }
    dbt__finalize(select);
    return status < 0 ? status : DBT_OK;
}

static dbt_status remove_run(dbt__sql *sql, const char *run, dbt_removed *removed, dbt_error *err)
{
    int64_t vectorizer_id = 0;
    dbt_status status = dbt__run_find(sql, run, &removed->run_id, err);
    if (status == DBT_OK) status = measure_run(sql, removed, &vectorizer_id, err);
    if (status == DBT_OK) status = dbt__run_delete(sql, removed->run_id, err);
    if (status == DBT_OK && removed->vocabulary)
        status = dbt__sql_run(sql, "DELETE FROM vectorizer WHERE id = ?", &vectorizer_id, 1, err);
    return status;
}

/* A transaction of a store that can be written. */
static dbt_status begin(dbt_store *store, dbt_error *err)
{
    if (!dbt_store_writable(store))
        return dbt__fail(err, DBT_EIO, "'%s' was opened read-only", dbt_store_path(store));
    return dbt__sql_begin(dbt__store_sql(store), err);
}

dbt_status dbt_run_remove(dbt_store *store, const char *run, dbt_removed *removed, dbt_error *err)
{
    *removed = (dbt_removed){0};
    dbt__sql *sql = dbt__store_sql(store);
    dbt_status status = begin(store, err);
    if (status < 0) return status;
    status = remove_run(sql, run, removed, err);
    return dbt__sql_end(sql, status, err);
}

dbt_status dbt_cache_remove(dbt_store *store, int64_t *bytes, dbt_error *err)
{
    *bytes = 0;
    dbt__sql *sql = dbt__store_sql(store);
    dbt_status status = begin(store, err);
    if (status < 0) return status;
    status = dbt__block_table_bytes(sql, bytes, err);
    if (status == DBT_OK) status = dbt__sql_exec(sql, "DELETE FROM row_cache", err);
    return dbt__sql_end(sql, status, err);
}
