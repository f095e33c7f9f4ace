/*
 * commands.h: what a command of the program is, and the list of them.
 *
 * A command is one file, cmd_NAME.c, that defines one `const cli_command cli_NAME`: data that
 * drives parsing, range checks and help (options.h), and a run function. main.c finds the command,
 * lets options.c fill in its values, runs it, and turns the status that it returns into a message
 * and an exit code.
 *
 * A run function prints results with output.h, never exits, and returns a status with its error
 * like any function of the library. Long work asks cli_stopped between steps and ends with
 * DBT_EINTERRUPTED after it has saved.
 */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

#include <stdbool.h>
#include <stddef.h>

#include <dbtrain/status.h>
#include <dbtrain/store.h>

#include "options.h"
#include "output.h"

/* X(name), in the order in which the help lists them: file cmd_NAME.c, object cli_NAME. */
#define CLI_COMMAND_LIST(X) X(ingest) X(fit) X(evaluate) X(predict) X(vectorize) X(info) X(rm)

typedef struct cli_command {
    const char *name;
    const char *summary;           /* one line, for the list of commands */
    const char *description;       /* paragraphs, separated by newlines; wrapped by the help */
    const char *examples;          /* lines, printed as they are */
    const cli_argument *arguments; /* ends with {0} */
    const cli_option *options;     /* ends with {0} */
    size_t values_size;            /* of the struct that the options are stored in */
    void (*init)(void *values); /* fills in the defaults (memory is zeroed); the help shows them */
    dbt_status (*run)(const cli_input *input, dbt_error *err);
} cli_command;

#define CLI_COMMAND_DECLARE(name) extern const cli_command cli_##name;
CLI_COMMAND_LIST(CLI_COMMAND_DECLARE)
#undef CLI_COMMAND_DECLARE

/* A signal asked the program to end. */
bool cli_stopped(void);
/* The same, in the shape of the library's `stop` callbacks. */
bool cli_stop(void *context);

/* dbt_store_open; whoever is to write is told what is unsafe about the file's place. */
dbt_status cli_store_open(const char *path, dbt_store_mode mode, dbt_store **store, dbt_error *err);
/* Closes a store; what could not be moved out of its log is told as a note: nothing is lost by it.
 */
void cli_store_close(dbt_store *store);
/* The same after a failure: a file that was made for nothing goes. */
void cli_store_abandon(dbt_store *store);

#endif
