/* cmd_rm.c: `dbtrain rm`: deletes a run, or the cached rows. */
#include <dbtrain/train.h>

#include "commands.h"

typedef struct rm_values {
    bool cache;
    bool json;
} rm_values;

static const cli_argument rm_arguments[] = {
    {.name = "DATABASE", .help = "the SQLite file that holds the run"},
    {.name = "RUN", .optional = true, .help = "number or name of the run"},
    {0}};

static const cli_option rm_options[] = {
    {.kind = CLI_HEADING, .help = "What to delete, instead of a run"},
    {.name = "cache",
     .kind = CLI_FLAG,
     .field = CLI_FIELD(rm_values, cache),
     .help = "the vectorized rows that fit --cache has kept"},
    {.kind = CLI_HEADING, .help = "Output"},
    {.name = "json",
     .kind = CLI_FLAG,
     .field = CLI_FIELD(rm_values, json),
     .help = "one object of JSON"},
    {0}};

static dbt_status print_removed(const rm_values *v, const dbt_removed *removed, dbt_error *err)
{
    char bytes[CLI_NUMBER_BYTES];
    if (v->json)
        return cli_print_json(json_pack("{s:I, s:I, s:b}", "run", (json_int_t)removed->run_id,
                                        "bytes", (json_int_t)removed->bytes, "vocabulary",
                                        (int)removed->vocabulary),
                              err);
    cli_print("run %lld deleted: %s of weights, checkpoint and predictions%s\n",
              (long long)removed->run_id, cli_bytes(bytes, removed->bytes),
              removed->vocabulary ? ", and its vocabulary, which no other run uses" : "");
    return DBT_OK;
}

static dbt_status remove_run(const cli_input *input, dbt_store *store, dbt_error *err)
{
    dbt_removed removed;
    dbt_status status = dbt_run_remove(store, input->argument[1], &removed, err);
    return status < 0 ? status : print_removed(input->values, &removed, err);
}

static dbt_status remove_cache(const cli_input *input, dbt_store *store, dbt_error *err)
{
    const rm_values *v = input->values;
    char text[CLI_NUMBER_BYTES];
    int64_t bytes;
    dbt_status status = dbt_cache_remove(store, &bytes, err);
    if (status < 0) return status;
    if (v->json) return cli_print_json(json_pack("{s:I}", "bytes", (json_int_t)bytes), err);
    cli_print("cached rows deleted: %s\n", cli_bytes(text, bytes));
    return DBT_OK;
}

static dbt_status run_rm(const cli_input *input, dbt_error *err)
{
    const rm_values *v = input->values;
    if (v->cache == (input->n_arguments > 1))
        return cli_fail(err, DBT_EUSAGE, "what to delete is either a RUN or --cache: give one");
    dbt_store *store = NULL;
    dbt_status status = cli_store_open(input->argument[0], DBT_STORE_WRITE, &store, err);
    if (status < 0) return status;
    status = v->cache ? remove_cache(input, store, err) : remove_run(input, store, err);
    cli_store_close(store);
    return status;
}

const cli_command cli_rm = {
    .name = "rm",
    .summary = "delete a run, or the cached rows",
    .description =
        "Deletes a run with its history, weights, checkpoint, evaluations and predictions, and "
        "with its vocabulary and its cached rows, unless another run uses it. Documents and splits "
        "stay. `dbtrain info` tells what each run takes. With --cache deletes, instead of a run, "
        "all vectorized rows that fit --cache has kept.\n"
        "DATABASE keeps its size: what comes next uses the space. To make the file smaller: "
        "sqlite3 DATABASE vacuum",
    .examples = "  dbtrain rm imdb.db 3\n"
                "  dbtrain rm imdb.db first-try\n"
                "  dbtrain rm imdb.db --cache\n",
    .arguments = rm_arguments,
    .options = rm_options,
    .values_size = sizeof(rm_values),
    .run = run_rm};
