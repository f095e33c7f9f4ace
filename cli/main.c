/*
 * main.c: the dbtrain program: finds the command, runs it, and ends as a Unix program should.
 *
 * The exit code is the negated status of the command (status.h). Signals set a flag that commands
 * ask for between steps; another one, a second later, ends the program at once. A command that
 * ended because of a signal has saved its work, and the program then ends by that signal itself, so
 * that the shell knows (130, 143) and a script's loop stops. setlocale is never called: numbers are
 * read and written the same everywhere.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <dbtrain/heap.h>

#include "commands.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const cli_command *const commands[] = {
#define COMMAND_ADDRESS(name) &cli_##name,
    CLI_COMMAND_LIST(COMMAND_ADDRESS)
#undef COMMAND_ADDRESS
};

static volatile sig_atomic_t stop_signal;

bool cli_stopped(void)
{
    return stop_signal != 0;
}

bool cli_stop(void *context)
{
    (void)context;
    return cli_stopped();
}

/* --- the process --- */

/* A closed descriptor 0, 1 or 2 would be given to the next file that is opened, the database
 * say, and a message would be written into it. */
static void open_standard_descriptors(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) == -1 && errno == EBADF && open("/dev/null", O_RDWR) != fd) _exit(1);
}

/* The same signal comes twice where it is sent to a process and to its group, as timeout(1) does.
 */
#define REPEAT_SECONDS 1.0

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* A second one, some time after the first, ends the program at once. */
static void handle_stop(int number)
{
    static double stopped; /* when */
    if (stop_signal == 0) {
        stopped = now();
        stop_signal = number;
    } else if (now() - stopped >= REPEAT_SECONDS) {
        signal(number, SIG_DFL);
        raise(number);
    }
}

/* What was ignored by whoever started the program (nohup, a shell's background job) stays so. */
static void catch_signal(int number)
{
    struct sigaction action = {.sa_handler = handle_stop};
    struct sigaction before;
    if (sigaction(number, NULL, &before) == 0 && before.sa_handler == SIG_IGN) return;
    sigfillset(&action.sa_mask); /* one handler at a time */
    sigaction(number, &action, NULL);
}

static void set_signals(void)
{
    catch_signal(SIGINT);
    catch_signal(SIGTERM);
    catch_signal(SIGHUP);
    signal(SIGPIPE, SIG_IGN); /* a write fails with EPIPE instead: output.c */
    signal(SIGXFSZ, SIG_IGN); /* as a full disk */
}

static int end_by_signal(int number)
{
    signal(number, SIG_DFL);
    raise(number);
    return 128 + number; /* when the signal is blocked */
}

/* --- the program's own help --- */

static const char usage[] = "usage: dbtrain COMMAND DATABASE [ARGUMENT...] [OPTION...]\n"
                            "       dbtrain --help | --version | COMMAND --help\n";

static void print_program_help(void)
{
    cli_print("%s\n"
              "Keeps labelled text in one SQLite file, trains a text classifier from pages of\n"
              "it, and says how good that classifier is. Everything in the file can be read\n"
              "with sqlite3, also while it is trained on.\n"
              "\n"
              "Commands:\n",
              usage);
    for (size_t i = 0; i < COUNT(commands); i++)
        cli_print("  %-10s %s\n", commands[i]->name, commands[i]->summary);
    cli_print("\n"
              "'dbtrain COMMAND --help' tells a command's arguments and options.\n"
              "\n"
              "A first run:\n"
              "  dbtrain ingest news.db train.csv test.csv\n"
              "  dbtrain fit news.db\n"
              "  dbtrain evaluate news.db --split test\n"
              "  sqlite3 -readonly news.db \"select * from history\"\n"
              "\n"
              "Exit codes:\n"
              "  0 done                      5 database locked by another process\n"
              "  1 internal error            6 disk full or I/O error\n"
              "  2 usage                     7 out of memory\n"
              "  3 input data                8 training diverged\n"
              "  4 not a usable database     130 interrupted, 143 terminated\n");
}

static const cli_command *find_command(const char *name)
{
    for (size_t i = 0; i < COUNT(commands); i++)
        if (strcmp(commands[i]->name, name) == 0) return commands[i];
    return NULL;
}

static int refuse_command(const char *name)
{
    const char *names[COUNT(commands)];
    for (size_t i = 0; i < COUNT(commands); i++)
        names[i] = commands[i]->name;
    const char *near = cli_suggest(name, names, COUNT(commands));
    if (name[0] == '-')
        cli_note("unknown option '%.200s' (see 'dbtrain --help')", name);
    else if (near != NULL)
        cli_note("unknown command '%.200s' (did you mean '%s'?)", name, near);
    else
        cli_note("unknown command '%.200s' (see 'dbtrain --help')", name);
    return -DBT_EUSAGE;
}

/* --- running --- */

/* Says what went wrong and gives the exit code. */
static int report_end(dbt_status status, const dbt_error *err)
{
    cli_progress_clear();
    if (status >= 0) return 0;
    if (status == DBT_EINTERRUPTED && stop_signal == 0 && cli_reader_gone()) return 0;
    cli_note("%s", err->message[0] != '\0' ? err->message : dbt_status_text(status));
    bool was_stopped =
        status == DBT_EINTERRUPTED || status == DBT_ELOCKED; /* it would have waited */
    if (was_stopped && stop_signal != 0) return end_by_signal(stop_signal);
    return status == DBT_EINTERRUPTED ? -DBT_EINTERNAL : -(int)status;
}

static int run_command(const cli_command *command, int argc, char **argv)
{
    dbt_error err = {0};
    dbt_error flush_err = {0};
    cli_input input = {0};
    cli_name_set(command->name);
    dbt_status status = cli_input_read(&input, command, argc, argv, &err);
    if (status < 0) {
        cli_input_release(&input);
        return report_end(status, &err);
    }
    status = command->run(&input, &err);
    cli_input_release(&input);
    dbt_status flushed = cli_flush(&flush_err);
    if (status >= 0 && flushed < 0) return report_end(flushed, &flush_err);
    return report_end(status, &err);
}

/* Ends what only prints to stdout. */
static int finish_print(dbt_status status, dbt_error *err)
{
    if (status >= 0) status = cli_flush(err);
    return report_end(status, err);
}

static int print_command_help(const cli_command *command)
{
    dbt_error err = {0};
    return finish_print(cli_print_help(command, &err), &err);
}

static int print_help(void)
{
    dbt_error err = {0};
    print_program_help();
    return finish_print(DBT_OK, &err);
}

static int print_version(void)
{
    dbt_error err = {0};
    cli_print("dbtrain %s\n", DBTRAIN_VERSION);
    return finish_print(DBT_OK, &err);
}

static bool is_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0;
}

int main(int argc, char **argv)
{
    dbt_tune_heap();
    open_standard_descriptors();
    set_signals();
    if (argc < 2) {
        fputs(usage, stderr);
        return -DBT_EUSAGE;
    }
    if (strcmp(argv[1], "--version") == 0) return print_version();
    bool help = is_help(argv[1]);
    if (help && argc == 2) return print_help();
    const char *name = argv[help ? 2 : 1];
    const cli_command *command = find_command(name);
    if (command == NULL) return refuse_command(name);
    if (help || cli_has_word(argc - 2, argv + 2, "--help") ||
        cli_has_word(argc - 2, argv + 2, "-h"))
        return print_command_help(command);
    if (cli_has_word(argc - 2, argv + 2, "--version")) return print_version();
    return run_command(command, argc - 2, argv + 2);
}
