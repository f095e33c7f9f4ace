/* cmd_vectorize.c: `dbtrain vectorize`: a split as the network sees it, as LIBSVM text. */
#include <stdio.h>

#include <dbtrain/train.h>

#include "commands.h"
#include "model_options.h"

typedef struct vectorize_values {
    cli_model_values model;
    const char *split;
} vectorize_values;

enum { ENTRY_BYTES = 40 };

static void init_values(void *values)
{
    vectorize_values *v = values;
    v->split = "train";
}

static const cli_argument vectorize_arguments[] = {
    {.name = "DATABASE", .help = "the SQLite file that holds the run and the split"}, {0}};

static const cli_option vectorize_options[] = {{.kind = CLI_HEADING, .help = "What to print"},
                                               {.name = "split",
                                                .kind = CLI_STRING,
                                                .field = CLI_FIELD(vectorize_values, split),
                                                .argument = "SPLIT",
                                                .help = "split to vectorize"},
                                               CLI_RUN_OPTION(vectorize_values),
                                               {0}};

/* "1 3:0.25 17:0.5": the label's output (-1: none, or unknown to the run), then indices from 1. */
static dbt_status print_batch(void *context, const dbt_batch *batch, const dbt_page *page,
                              const int32_t *output, dbt_error *err)
{
    (void)context;
    (void)page;
    for (size_t row = 0; row < batch->n_rows; row++) {
        char text[ENTRY_BYTES];
        int bytes = snprintf(text, sizeof text, "%d", (int)output[row]);
        cli_write(text, (size_t)bytes);
        for (size_t i = batch->row_start[row]; i < batch->row_start[row + 1]; i++) {
            bytes = snprintf(text, sizeof text, " %lu:%.9g", (unsigned long)batch->column[i] + 1,
                             (double)batch->value[i]);
            cli_write(text, (size_t)bytes);
        }
        cli_write("\n", 1);
    }
    if (cli_stopped()) return cli_fail(err, DBT_EINTERRUPTED, "interrupted");
    return cli_flush(err);
}

static dbt_status run_vectorize(const cli_input *input, dbt_error *err)
{
    const vectorize_values *v = input->values;
    dbt_store *store = NULL;
    dbt_model *model = NULL;
    dbt_status status = cli_store_open(input->argument[0], DBT_STORE_READ, &store, err);
    if (status == DBT_OK) status = cli_open_model(store, &v->model, &model, err);
    if (status == DBT_OK) status = dbt_vectorize(store, model, v->split, print_batch, NULL, err);
    dbt_model_close(model);
    cli_store_close(store);
    return status;
}

const cli_command cli_vectorize = {
    .name = "vectorize",
    .summary = "print a split as the network sees it",
    .description =
        "Prints the tf-idf rows of a split as LIBSVM text: the number of the label's output (see "
        "the table run_label; -1: no label, or one that the run does not know), then index:value "
        "pairs, indices ascending from 1 (a feature's id, plus 1).",
    .examples = "  dbtrain vectorize imdb.db --split test > test.svm\n",
    .arguments = vectorize_arguments,
    .options = vectorize_options,
    .values_size = sizeof(vectorize_values),
    .init = init_values,
    .run = run_vectorize};
