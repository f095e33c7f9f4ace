/* resume_find.c: the run that is to go on, and the options that it was begun with. */
#include "run.h"
#include "settings.h"
#include "store_internal.h"

struct dbt__resume_memory {
    char *name;
    char *train;
    char *validation;
    char *class_weight;
};

/* 0: there is none. */
static dbt_status find_run(dbt__sql *sql, const char *run, int64_t *run_id, dbt_error *err)
{
    if (run != NULL) return dbt__run_find(sql, run, run_id, err);
    return dbt__sql_int(
        sql,
        "SELECT coalesce((SELECT max(id) FROM run WHERE status IN ('running', 'interrupted',"
        " 'failed')), (SELECT max(id) FROM run))",
        0, run_id, err);
}

static dbt_status read_options(dbt__sql *sql, dbt_resume *resume, dbt_error *err)
{
    dbt_fit_options *options = &resume->options;
    dbt__statement *select = NULL;
    dbt_status status = dbt__run_ask(
        sql, resume->run_id, "SELECT settings, seed, name FROM run WHERE id = ?", &select, err);
    if (status == DBT_OK)
        status = dbt__settings_read_column(sql, dbt__fit_fields, options, select, 0, err);
    if (status == DBT_OK) status = dbt__column_copy(select, 2, &resume->memory->name, err);
    if (status == DBT_OK) {
        options->seed = (uint64_t)dbt__column_int(select, 1);
        options->name = resume->memory->name;
    }
    dbt__finalize(select);
    return status;
}

/* The rest of the settings: what options only point to, and the vocabulary's, which are with the
 * run as long as it has none. */
static dbt_status read_members(dbt__sql *sql, dbt_resume *resume, dbt_error *err)
{
    struct dbt__resume_memory *memory = resume->memory;
    dbt_fit_options *options = &resume->options;
    dbt__statement *select = NULL;
    dbt_status status = dbt__run_ask(
        sql, resume->run_id,
        "SELECT coalesce(v.settings, r.settings -> 'vectorizer'), r.settings ->> 'train',"
        " r.settings ->> 'validation', r.settings ->> 'class_weight'"
        " FROM (SELECT id, vectorizer_id, checked_json(settings) AS settings FROM run) AS r"
        " LEFT JOIN vectorizer v ON v.id = r.vectorizer_id WHERE r.id = ?",
        &select, err);
    if (status == DBT_OK && dbt__column_is_null(select, 0))
        status = dbt__fail(err, DBT_EFORMAT, "its vocabulary is gone");
    if (status == DBT_OK)
        status = dbt__settings_read_column(sql, dbt__vectorizer_fields, &options->vectorizer,
                                           select, 0, err);
    if (status == DBT_OK) status = dbt__column_copy(select, 1, &memory->train, err);
    if (status == DBT_OK) status = dbt__column_copy(select, 2, &memory->validation, err);
    if (status == DBT_OK) status = dbt__column_copy(select, 3, &memory->class_weight, err);
    if (memory->train != NULL) options->train = memory->train;
    options->validation = memory->validation;
    options->class_weight = memory->class_weight;
    dbt__finalize(select);
    return status;
}

dbt_status dbt_resume_find(dbt_store *store, const char *run, dbt_resume *resume, dbt_error *err)
{
    *resume = (dbt_resume){0};
    dbt_fit_options_init(&resume->options);
    resume->memory = dbt__alloc(sizeof *resume->memory);
    if (resume->memory == NULL) return dbt__out_of_memory(err, "a run");
    dbt__sql *sql = dbt__store_sql(store);
    dbt_status status = find_run(sql, run, &resume->run_id, err);
    if (status < 0 || resume->run_id == 0) return status;
    resume->options.resume = resume->run_id;
    status = read_options(sql, resume, err);
    if (status == DBT_OK) status = read_members(sql, resume, err);
    if (status < 0) (void)dbt__context(err, "run %lld", (long long)resume->run_id);
    return status;
}

void dbt_resume_release(dbt_resume *resume)
{
    struct dbt__resume_memory *memory = resume->memory;
    if (memory != NULL) {
        dbt__free(memory->name);
        dbt__free(memory->train);
        dbt__free(memory->validation);
        dbt__free(memory->class_weight);
        dbt__free(memory);
    }
    *resume = (dbt_resume){0};
}
