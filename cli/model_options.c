/* model_options.c: choosing a run. */
#include "model_options.h"

const char *const cli_weights_choices[] = {"best", "last", NULL};

static void tell_choice(const dbt_model_info *info)
{
    const char *open = info->name == NULL ? "" : " '", *close = info->name == NULL ? "" : "'";
    const char *name = info->name == NULL ? "" : info->name;
    if (info->weights == DBT_WEIGHTS_BEST)
        cli_note("using run %lld%s%s%s, best epoch %lld", (long long)info->run_id, open, name,
                 close, (long long)info->best_epoch);
    else
        cli_note("using run %lld%s%s%s, last weights", (long long)info->run_id, open, name, close);
}

dbt_status cli_open_model(dbt_store *store, const cli_model_values *values, dbt_model **model,
                          dbt_error *err)
{
    dbt_weights wanted = values->weights == 0 ? DBT_WEIGHTS_BEST : DBT_WEIGHTS_LAST;
    dbt_status status = dbt_model_open(store, values->run, wanted, model, err);
    if (status < 0) return status;
    dbt_model_info info = dbt_model_get_info(*model);
    if (info.weights != wanted)
        cli_note("run %lld was stopped before its first epoch ended: using its last weights",
                 (long long)info.run_id);
    else if (values->run == NULL)
        tell_choice(&info);
    return DBT_OK;
}
