/* model_options.h: what commands that use a trained run have in common. */
#ifndef CLI_MODEL_OPTIONS_H
#define CLI_MODEL_OPTIONS_H

#include <dbtrain/train.h>

#include "commands.h"

typedef struct cli_model_values {
    const char *run;
    int weights;
} cli_model_values;

extern const char *const cli_weights_choices[];

/* Rows of an option table, --run and --weights or --run alone, for a struct whose member `model` is
 * the values. */
#define CLI_RUN_OPTION(type)                                                                       \
    {                                                                                              \
        .name = "run", .kind = CLI_STRING, .field = CLI_FIELD(type, model.run), .argument = "RUN", \
        .help = "number or name of a run", .shown = "the newest with weights"                      \
    }
#define CLI_MODEL_OPTIONS(type)                                                                    \
    CLI_RUN_OPTION(type),                                                                          \
    {                                                                                              \
        .name = "weights", .kind = CLI_CHOICE, .field = CLI_FIELD(type, model.weights),            \
        .argument = "best|last", .choices = cli_weights_choices,                                   \
        .help = "of its best epoch, or of its last step", .shown = "best"                          \
    }

/* Opens the model that the options ask for and says which one it is when they do not name it. */
dbt_status cli_open_model(dbt_store *store, const cli_model_values *values, dbt_model **model,
                          dbt_error *err) DBT_MUST_USE;

#endif
