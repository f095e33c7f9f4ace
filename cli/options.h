/*
 * options.h: one table a command that drives parsing, range checks and help.
 *
 * An option says its name, kind, range, and where in the command's struct of values its value goes
 * (CLI_FIELD). Defaults are not written in the table: the command's init function fills them in
 * (mostly by the library's own *_options_init), and the help prints what it finds there. So neither
 * a range nor a default is ever said in two places.
 *
 * Options may stand anywhere after the command, as --name=value or --name value; of a repeated one
 * the last counts; `--` ends them; `-` is an argument. Names are not abbreviated, so that a later
 * option breaks no script; what is misspelt gets a suggestion. Numbers are read strictly and the
 * same in every locale.
 */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <dbtrain/status.h>

typedef enum cli_kind {
    CLI_END,      /* closes the table */
    CLI_HEADING,  /* `help` is the heading of the options that follow */
    CLI_FLAG,     /* bool: --name */
    CLI_SWITCH,   /* bool: --name and --no-name */
    CLI_TRISTATE, /* int: --name gives 1, --no-name gives 2, neither leaves 0 */
    CLI_OPTIONAL, /* const char *, not empty: --name (which cli_given tells) or --name=value */
    CLI_INTEGER,  /* int64_t, or uint64_t with a minimum of at least 0 */
    CLI_COUNT,    /* size_t */
    CLI_SIZE,     /* size_t, bytes; K, M, G and T are powers of 1024 */
    CLI_NUMBER,   /* double */
    CLI_STRING,   /* const char *, not empty */
    CLI_LIST,     /* cli_list: not empty strings, separated by commas */
    CLI_CHOICE,   /* int: index of one of `choices` */
    CLI_CUSTOM    /* what `parse` makes of it */
} cli_kind;

/* Whether a bound of a CLI_NUMBER is itself excluded. */
typedef enum cli_bound { CLI_CLOSED, CLI_ABOVE_LOW, CLI_BELOW_HIGH, CLI_BETWEEN } cli_bound;

typedef struct cli_list {
    const char **item; /* [n] */
    size_t n;
} cli_list;

typedef struct cli_option {
    const char *name; /* without the dashes */
    cli_kind kind;
    size_t field;         /* offset of the value: CLI_FIELD(type, member) */
    const char *argument; /* its value's name in the help: "N", "NAME", ... */
    const char *help;     /* one phrase, lower case, no full stop */
    const char *shown; /* default as the help shows it; NULL: the value that init set; "": none */
    int64_t minimum;   /* of INTEGER, COUNT, SIZE */
    int64_t maximum;   /* 0: as large as the type */
    double low;        /* of NUMBER */
    double high;       /* 0: unbounded */
    cli_bound bound;
    const char *const *choices;                   /* of CHOICE; ends with NULL */
    bool (*parse)(const char *text, void *value); /* of CUSTOM; false: not acceptable */
    const char *expected; /* of CUSTOM: "--name must be EXPECTED, not 'text'" */
} cli_option;

#define CLI_FIELD(type, member) offsetof(type, member)

/* What stands on the command line beside options. */
typedef struct cli_argument {
    const char *name;
    const char *help;
    bool optional;
    bool many; /* one or more; the last argument only */
} cli_argument;

/* A command line that was read. */
typedef struct cli_input {
    const struct cli_command *command;
    void *values;          /* the command's struct */
    const char **argument; /* [n_arguments] */
    size_t n_arguments;
    bool *given; /* by position in the table: the option was on the command line */
    int n_words; /* the words themselves, which stay the caller's */
    char **word;
} cli_input;

/*
 * Reads the arguments after the command's name. Strings point into argv. Release `input` in any
 * case. DBT_EUSAGE: the message says what is wrong with which option. DBT_ENOMEM.
 */
dbt_status cli_input_read(cli_input *input, const struct cli_command *command, int argc,
                          char **argv, dbt_error *err) DBT_MUST_USE;
/* Reads the options again, over values that have changed since: what is on the command line wins
 * over other defaults than the command's. */
dbt_status cli_input_read_again(const cli_input *input, dbt_error *err) DBT_MUST_USE;
void cli_input_release(cli_input *input);
/* The option was on the command line, whatever its value. */
bool cli_given(const cli_input *input, const char *name);

/* The word is among the arguments, before any `--`. */
bool cli_has_word(int argc, char **argv, const char *word);
/* The whole help of a command. DBT_ENOMEM. */
dbt_status cli_print_help(const struct cli_command *command, dbt_error *err) DBT_MUST_USE;

/* The one of n names nearest to a misspelt word, or NULL when none or several are near. */
const char *cli_suggest(const char *word, const char *const *name, size_t n);

#endif
