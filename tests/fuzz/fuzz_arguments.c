/*
 * fuzz_arguments.c: command lines of every command: read, or refused as a mistake in usage.
 *
 * Byte 0 chooses the command; the rest are its arguments, each ended by a zero byte.
 */
#include "commands.h"
#include "fuzz.h"

enum { MAX_ARGUMENTS = 64 };

/* What main.c has for the commands, which are not run here. */
bool cli_stopped(void)
{
    return false;
}

bool cli_stop(void *context)
{
    (void)context;
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static const cli_command *const commands[] = {
#define COMMAND(name) &cli_##name,
        CLI_COMMAND_LIST(COMMAND)
#undef COMMAND
    };
    fuzz_input input = {data, bytes};
    const cli_command *command = commands[fuzz_byte(&input) % (sizeof commands / sizeof *commands)];
    char *line = malloc(input.bytes + 1), *word[MAX_ARGUMENTS + 1];
    int n = 0;
    fuzz_check(line != NULL);
    if (input.bytes > 0) memcpy(line, input.data, input.bytes);
    line[input.bytes] = 0;
    for (size_t at = 0; at < input.bytes && n < MAX_ARGUMENTS; at += strlen(line + at) + 1)
        word[n++] = line + at;
    word[n] = NULL;
    cli_input read;
    dbt_error err = {0};
    dbt_status status = cli_input_read(&read, command, n, word, &err);
    if (status < 0) {
        fuzz_refused(status, &err);
        fuzz_check(status == DBT_EUSAGE);
    } else {
        fuzz_check(read.n_arguments <= (size_t)n);
        for (size_t i = 0; i < read.n_arguments; i++)
            fuzz_check(read.argument[i] >= line && read.argument[i] <= line + input.bytes);
    }
    cli_input_release(&read);
    free(line);
    return 0;
}
