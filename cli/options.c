/*
 * options.c: command lines read, and help written, from the same table.
 *
 * Reading: each word is an option, an option's value, or an argument. A value is checked against
 * the kind and range of its option and stored into the command's struct. Help: a usage line, the
 * description, then arguments and options in two columns, the right one wrapped at the width of a
 * terminal.
 */
#include "options.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"

#define HELP_WIDTH 80    /* of the whole text */
#define HELP_MAX_LEFT 28 /* wider names put their help on the next line */
#define USAGE_BYTES 256
#define SUGGEST_MAX_BYTES 64 /* names longer than this get no suggestion */

/* --- suggestions --- */

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t least = a < b ? a : b;
    return least < c ? least : c;
}

/* Edits (insert, delete, replace, swap of neighbours) that turn a into b; both are short. */
static size_t edit_distance(const char *a, const char *b)
{
    size_t row[3][SUGGEST_MAX_BYTES + 1];
    size_t a_length = strlen(a);
    size_t b_length = strlen(b);
    size_t *before = row[0];
    size_t *last = row[1];
    size_t *now = row[2];
    for (size_t j = 0; j <= b_length; j++)
        last[j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        now[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            now[j] = min3(last[j] + 1, now[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                before[j - 2] + 1 < now[j])
                now[j] = before[j - 2] + 1;
        }
        size_t *oldest = before;
        before = last;
        last = now;
        now = oldest;
    }
    return last[b_length];
}

/* Whether a word is the first letters of the parts of a name: lr, of learning-rate. */
static bool is_initials(const char *word, const char *name)
{
    if (strchr(name, '-') == NULL) return false;
    for (;; name++, word++) {
        if (*word == '\0' || *word != *name) return false;
        name = strchr(name, '-');
        if (name == NULL) return word[1] == '\0';
    }
}

const char *cli_suggest(const char *word, const char *const *name, size_t n)
{
    const char *best = NULL;
    size_t length = strlen(word);
    size_t best_distance = length / 3 + 2; /* one more than what is still near */
    if (length == 0 || length > SUGGEST_MAX_BYTES) return NULL;
    for (size_t i = 0; i < n; i++) {
        if (strlen(name[i]) > SUGGEST_MAX_BYTES) continue;
        size_t distance = edit_distance(word, name[i]);
        if (length >= 3 && strncmp(word, name[i], length) == 0) distance = 1; /* cut off */
        if (is_initials(word, name[i])) distance = 0;
        if (distance < best_distance) {
            best_distance = distance;
            best = name[i];
        } else if (distance == best_distance) {
            best = NULL;
        }
    }
    return best;
}

/* --- values --- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* A whole number, which ends at *end. The program never calls setlocale, so strto* read as in C. */
static bool parse_integer(const char *text, const char **end, int64_t *value)
{
    const char *digits = text + (*text == '-' || *text == '+');
    char *stop;
    if (!is_digit(*digits)) return false;
    errno = 0;
    long long number = strtoll(text, &stop, 10);
    if (errno != 0) return false;
    *end = stop;
    *value = number;
    return true;
}

static bool parse_size(const char *text, int64_t *value)
{
    const char *end;
    if (!is_digit(*text) || !parse_integer(text, &end, value)) return false;
    if (*end == '\0') return true;
    static const char units[] = "KMGT";
    char letter = (char)(*end >= 'a' && *end <= 'z' ? *end - 'a' + 'A' : *end);
    const char *unit = strchr(units, letter);
    if (unit == NULL || end[1] != '\0') return false;
    int shift = 10 * (int)(unit - units + 1);
    if (*value > (INT64_MAX >> shift)) return false;
    *value <<= shift;
    return true;
}

/* A decimal number; neither hexadecimal, nor infinite, nor NaN, all of which strtod would take. */
static bool parse_number(const char *text, double *value)
{
    char *end;
    if (text[0] == '\0' || text[strspn(text, "0123456789+-.eE")] != '\0') return false;
    *value = strtod(text, &end);
    return *end == '\0' && isfinite(*value);
}

/* "512M" for 536870912. */
static const char *size_text(char buffer[CLI_NUMBER_BYTES], int64_t bytes)
{
    static const char *const unit[] = {"", "K", "M", "G", "T"};
    size_t i = 0;
    while (i < 4 && bytes != 0 && bytes % 1024 == 0) {
        bytes /= 1024;
        i++;
    }
    snprintf(buffer, CLI_NUMBER_BYTES, "%" PRId64 "%s", bytes, unit[i]);
    return buffer;
}

static int64_t option_maximum(const cli_option *option)
{
    int64_t most = INT64_MAX;
    if (option->kind != CLI_INTEGER && (uint64_t)most > SIZE_MAX) most = (int64_t)SIZE_MAX;
    return option->maximum != 0 ? option->maximum : most;
}

/* --- messages --- */

/* Adds to what a buffer holds, cut off where it is full. */
static void append_text(char *buffer, size_t bytes, const char *format, ...) DBT_PRINTF(3, 4);
static void append_text(char *buffer, size_t bytes, const char *format, ...)
{
    size_t used = strlen(buffer);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(buffer + used, bytes - used, format, arguments);
    va_end(arguments);
}

/* --- refusals: what would have been right, and what was given --- */

/* More than any number that there is; of text that begins as one. */
static bool is_too_large(const cli_option *option, const char *text)
{
    char *end;
    double value = strtod(text, &end);
    int64_t one;
    char unit[] = "1?";
    unit[1] = *end;
    if (option->kind == CLI_SIZE && *end != '\0' && parse_size(unit, &one)) {
        value *= (double)one;
        end++;
    }
    return *end == '\0' && value >= (double)option_maximum(option);
}

static dbt_status refuse_whole(const cli_option *option, const char *text, dbt_error *err)
{
    char low[CLI_NUMBER_BYTES];
    char high[CLI_NUMBER_BYTES];
    bool size = option->kind == CLI_SIZE;
    if (size) {
        size_text(low, option->minimum);
        size_text(high, option->maximum);
    } else {
        snprintf(low, sizeof low, "%" PRId64, option->minimum);
        snprintf(high, sizeof high, "%" PRId64, option->maximum);
    }
    const char *what = size ? "a size such as 64M" : "a whole number";
    if (option->maximum == 0 && is_too_large(option, text))
        return cli_fail(err, DBT_EUSAGE, "--%s must be %s, at most %" PRId64 ", not '%s'",
                        option->name, what, option_maximum(option), text);
    if (option->maximum == 0)
        return cli_fail(err, DBT_EUSAGE, "--%s must be %s, at least %s, not '%s'", option->name,
                        what, low, text);
    return cli_fail(err, DBT_EUSAGE, "--%s must be %s%s from %s to %s, not '%s'", option->name,
                    what, size ? "," : "", low, high, text);
}

static bool number_in_range(const cli_option *option, double value)
{
    bool low_open = option->bound == CLI_ABOVE_LOW || option->bound == CLI_BETWEEN;
    bool high_open = option->bound == CLI_BELOW_HIGH || option->bound == CLI_BETWEEN;
    if (low_open ? value <= option->low : value < option->low) return false;
    return option->high == 0 || (high_open ? value < option->high : value <= option->high);
}

static dbt_status refuse_number(const cli_option *option, const char *text, dbt_error *err)
{
    bool low_open = option->bound == CLI_ABOVE_LOW || option->bound == CLI_BETWEEN;
    bool high_open = option->bound == CLI_BELOW_HIGH || option->bound == CLI_BETWEEN;
    char high[2 * CLI_NUMBER_BYTES] = "";
    if (option->high != 0)
        snprintf(high, sizeof high, " and %s %g", high_open ? "below" : "at most", option->high);
    return cli_fail(err, DBT_EUSAGE, "--%s must be a number %s %g%s, not '%s'", option->name,
                    low_open ? "above" : "of at least", option->low, high, text);
}

static dbt_status refuse_choice(const cli_option *option, const char *text, dbt_error *err)
{
    char list[256] = "";
    for (size_t i = 0; option->choices[i] != NULL; i++) {
        const char *comma = i == 0 ? "" : option->choices[i + 1] == NULL ? " or " : ", ";
        append_text(list, sizeof list, "%s%s", comma, option->choices[i]);
    }
    return cli_fail(err, DBT_EUSAGE, "--%s must be %s, not '%s'", option->name, list, text);
}

/* --- storing --- */

static dbt_status store_whole(const cli_option *option, const char *text, void *field,
                              dbt_error *err)
{
    int64_t value;
    const char *end = "";
    bool read = option->kind == CLI_SIZE ? parse_size(text, &value)
                                         : parse_integer(text, &end, &value) && *end == '\0';
    if (!read || value < option->minimum || value > option_maximum(option))
        return refuse_whole(option, text, err);
    if (option->kind == CLI_INTEGER)
        memcpy(field, &value, sizeof value); /* an int64_t or a uint64_t */
    else
        *(size_t *)field = (size_t)value;
    return DBT_OK;
}

/* The items share one copy of the text, which stands behind the array. */
static dbt_status store_list(const cli_option *option, const char *text, cli_list *list,
                             dbt_error *err)
{
    size_t n = 1;
    for (const char *c = text; *c != '\0'; c++)
        n += *c == ',';
    size_t bytes = strlen(text) + 1;
    const char **item = malloc(n * sizeof *item + bytes);
    if (item == NULL) return cli_fail(err, DBT_ENOMEM, "out of memory for --%s", option->name);
    char *copy = memcpy((char *)(item + n), text, bytes);
    for (size_t i = 0; i < n; i++) {
        size_t length = strcspn(copy, ",");
        copy[length] = '\0';
        item[i] = copy;
        copy += length + 1;
        if (length == 0) {
            free(item);
            return cli_fail(err, DBT_EUSAGE, "--%s must be names separated by commas, not '%s'",
                            option->name, text);
        }
    }
    free(list->item);
    *list = (cli_list){item, n};
    return DBT_OK;
}

static dbt_status store_choice(const cli_option *option, const char *text, int *field,
                               dbt_error *err)
{
    for (int i = 0; option->choices[i] != NULL; i++)
        if (strcmp(option->choices[i], text) == 0) {
            *field = i;
            return DBT_OK;
        }
    return refuse_choice(option, text, err);
}

static dbt_status store_value(const cli_option *option, const char *text, void *field,
                              dbt_error *err)
{
    switch (option->kind) {
    case CLI_INTEGER:
    case CLI_COUNT:
    case CLI_SIZE:
        return store_whole(option, text, field, err);
    case CLI_NUMBER: {
        double value;
        if (!parse_number(text, &value) || !number_in_range(option, value))
            return refuse_number(option, text, err);
        *(double *)field = value;
        return DBT_OK;
    }
    case CLI_STRING:
        if (*text == '\0') return cli_fail(err, DBT_EUSAGE, "--%s must not be empty", option->name);
        *(const char **)field = text;
        return DBT_OK;
    case CLI_LIST:
        return store_list(option, text, field, err);
    case CLI_CHOICE:
        return store_choice(option, text, field, err);
    case CLI_CUSTOM:
        if (option->parse(text, field)) return DBT_OK;
        return cli_fail(err, DBT_EUSAGE, "--%s must be %s, not '%s'", option->name,
                        option->expected, text);
    default:
        return cli_fail(err, DBT_EINTERNAL, "--%s takes no value", option->name);
    }
}

static bool takes_value(const cli_option *option)
{
    return option->kind >= CLI_INTEGER;
}

static bool can_be_negated(const cli_option *option)
{
    return option->kind == CLI_SWITCH || option->kind == CLI_TRISTATE;
}

static void store_truth(const cli_option *option, bool truth, void *field)
{
    if (option->kind == CLI_TRISTATE)
        *(int *)field = truth ? 1 : 2;
    else
        *(bool *)field = truth;
}

static dbt_status store_optional(const cli_option *option, const char *value, void *field,
                                 dbt_error *err)
{
    if (value == NULL) return DBT_OK;
    if (*value == '\0') return cli_fail(err, DBT_EUSAGE, "--%s= must not be empty", option->name);
    *(const char **)field = value;
    return DBT_OK;
}

/* --- reading --- */

/* What is still to be read. */
typedef struct reading {
    cli_input *input;
    int next; /* word */
} reading;

static bool same_name(const char *name, const char *word, size_t length)
{
    return strlen(name) == length && memcmp(name, word, length) == 0;
}

/* The option of a name of `length` bytes; NULL: none. */
static const cli_option *find_option(const cli_command *command, const char *word, size_t length,
                                     bool *negated)
{
    for (const cli_option *option = command->options; option->kind != CLI_END; option++) {
        *negated = false;
        if (option->kind == CLI_HEADING) continue;
        if (same_name(option->name, word, length)) return option;
        *negated = true;
        if (can_be_negated(option) && length > 3 && memcmp(word, "no-", 3) == 0 &&
            same_name(option->name, word + 3, length - 3))
            return option;
    }
    return NULL;
}

static dbt_status refuse_option(const cli_command *command, const char *word, size_t length,
                                dbt_error *err)
{
    const char *name[128] = {"help"};
    size_t n = 1;
    char cut[SUGGEST_MAX_BYTES + 1];
    snprintf(cut, sizeof cut, "%.*s", (int)(length < sizeof cut ? length : sizeof cut), word);
    bool no = strncmp(cut, "no-", 3) == 0;
    for (const cli_option *option = command->options; option->kind != CLI_END; option++)
        if (option->kind != CLI_HEADING && (!no || can_be_negated(option)) &&
            n < sizeof name / sizeof name[0])
            name[n++] = option->name;
    const char *near = cli_suggest(no ? cut + 3 : cut, name, n);
    if (near != NULL)
        return cli_fail(err, DBT_EUSAGE, "unknown option '--%s' (did you mean '--%s%s'?)", cut,
                        no ? "no-" : "", near);
    return cli_fail(err, DBT_EUSAGE, "unknown option '--%s' (see 'dbtrain %s --help')", cut,
                    command->name);
}

/* Reads the option whose word, without its dashes, is given; takes the next word when it needs a
 * value. */
static dbt_status read_option(reading *r, const char *word, dbt_error *err)
{
    const cli_command *command = r->input->command;
    size_t length = strcspn(word, "=");
    const char *value = word[length] == '=' ? word + length + 1 : NULL;
    bool negated;
    const cli_option *option = find_option(command, word, length, &negated);
    if (option == NULL) return refuse_option(command, word, length, err);
    void *field = (char *)r->input->values + option->field;
    r->input->given[option - command->options] = true;
    if (option->kind == CLI_OPTIONAL) return store_optional(option, value, field, err);
    if (!takes_value(option)) {
        if (value != NULL)
            return cli_fail(err, DBT_EUSAGE, "--%.*s takes no value", (int)length, word);
        store_truth(option, !negated, field);
        return DBT_OK;
    }
    if (value == NULL) {
        if (r->next == r->input->n_words || strncmp(r->input->word[r->next], "--", 2) == 0)
            return cli_fail(err, DBT_EUSAGE, "--%s needs a value: --%s=%s", option->name,
                            option->name, option->argument);
        value = r->input->word[r->next++];
    }
    return store_value(option, value, field, err);
}

static dbt_status read_words(reading *r, dbt_error *err)
{
    dbt_status status = DBT_OK;
    bool options_ended = false;
    while (status == DBT_OK && r->next < r->input->n_words) {
        const char *word = r->input->word[r->next++];
        if (options_ended || word[0] != '-' || word[1] == '\0')
            r->input->argument[r->input->n_arguments++] = word;
        else if (strcmp(word, "--") == 0)
            options_ended = true;
        else if (word[1] == '-')
            status = read_option(r, word + 2, err);
        else
            status =
                cli_fail(err, DBT_EUSAGE, "unknown option '%s' (options begin with '--')", word);
    }
    return status;
}

/* "usage: dbtrain NAME DATABASE ..." */
static const char *usage_text(char *buffer, size_t bytes, const cli_command *command)
{
    buffer[0] = '\0';
    append_text(buffer, bytes, "usage: dbtrain %s", command->name);
    for (const cli_argument *argument = command->arguments; argument->name != NULL; argument++)
        append_text(buffer, bytes, argument->optional ? " [%s%s]" : " %s%s", argument->name,
                    argument->many ? "..." : "");
    append_text(buffer, bytes, " [OPTION...]");
    return buffer;
}

/* An option whose value may be left out takes the next word for an argument. */
static const cli_option *find_valueless(const cli_input *input)
{
    const cli_option *option = input->command->options;
    for (; option->kind != CLI_END; option++)
        if (option->kind == CLI_OPTIONAL && cli_given(input, option->name)) return option;
    return NULL;
}

static dbt_status fail_unexpected(const cli_input *input, const char *argument, dbt_error *err)
{
    char usage[USAGE_BYTES];
    const cli_option *option = find_valueless(input);
    if (option != NULL)
        return cli_fail(err, DBT_EUSAGE,
                        "unexpected argument '%s': if it is the value of --%s, give --%s=%s",
                        argument, option->name, option->name, argument);
    return cli_fail(err, DBT_EUSAGE, "unexpected argument '%s' (%s)", argument,
                    usage_text(usage, sizeof usage, input->command));
}

static dbt_status check_arguments(const cli_input *input, dbt_error *err)
{
    const cli_argument *argument = input->command->arguments;
    char usage[USAGE_BYTES];
    size_t n = 0;
    for (; argument[n].name != NULL; n++) {
        if (n < input->n_arguments && input->argument[n][0] == '\0')
            return cli_fail(err, DBT_EUSAGE, "%s must not be empty", argument[n].name);
        if (n >= input->n_arguments && !argument[n].optional)
            return cli_fail(err, DBT_EUSAGE, "%s is missing (%s)", argument[n].name,
                            usage_text(usage, sizeof usage, input->command));
    }
    bool many = n > 0 && argument[n - 1].many;
    return input->n_arguments > n && !many ? fail_unexpected(input, input->argument[n], err)
                                           : DBT_OK;
}

static size_t count_options(const cli_command *command)
{
    size_t n = 0;
    while (command->options[n].kind != CLI_END)
        n++;
    return n;
}

dbt_status cli_input_read(cli_input *input, const cli_command *command, int argc, char **argv,
                          dbt_error *err)
{
    *input = (cli_input){.command = command, .n_words = argc, .word = argv};
    input->values = calloc(1, command->values_size + 1);
    input->argument = calloc((size_t)argc + 1, sizeof *input->argument);
    input->given = calloc(count_options(command) + 1, sizeof *input->given);
    if (input->values == NULL || input->argument == NULL || input->given == NULL)
        return cli_fail(err, DBT_ENOMEM, "out of memory for the command line");
    if (command->init != NULL) command->init(input->values);
    reading r = {.input = input};
    dbt_status status = read_words(&r, err);
    return status < 0 ? status : check_arguments(input, err);
}

dbt_status cli_input_read_again(const cli_input *input, dbt_error *err)
{
    cli_input again = *input;
    again.n_arguments = 0;
    reading r = {.input = &again};
    return read_words(&r, err);
}

void cli_input_release(cli_input *input)
{
    if (input->values != NULL)
        for (const cli_option *option = input->command->options; option->kind != CLI_END; option++)
            if (option->kind == CLI_LIST)
                free(((cli_list *)(void *)((char *)input->values + option->field))->item);
    free(input->values);
    free(input->argument);
    free(input->given);
    *input = (cli_input){0};
}

bool cli_given(const cli_input *input, const char *name)
{
    bool negated;
    const cli_option *option = find_option(input->command, name, strlen(name), &negated);
    return option != NULL && input->given[option - input->command->options];
}

bool cli_has_word(int argc, char **argv, const char *word)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], word) == 0) return true;
    return false;
}

/* --- help --- */

/* Prints words of a text up to its newline or end, wrapped; the first line begins at `column`,
 * others at `indent`. Returns where the text goes on. */
static const char *print_wrapped(const char *text, size_t column, size_t indent)
{
    size_t at = column;
    while (*text != '\0' && *text != '\n') {
        size_t length = strcspn(text, " \n");
        if (at > indent && at + 1 + length > HELP_WIDTH) {
            cli_print("\n%*s", (int)indent, "");
            at = indent;
        } else if (at > indent) {
            cli_print(" ");
            at++;
        }
        cli_write(text, length);
        at += length;
        text += length;
        while (*text == ' ')
            text++;
    }
    cli_print("\n");
    return *text == '\n' ? text + 1 : text;
}

static void print_row(const char *left, const char *right, size_t left_width)
{
    size_t column = 2 + left_width + 2;
    if (strlen(left) > left_width)
        cli_print("  %s\n%*s", left, (int)column, "");
    else
        cli_print("  %-*s  ", (int)left_width, left);
    print_wrapped(right, column, column);
}

static void option_left(char *buffer, size_t bytes, const cli_option *option)
{
    if (can_be_negated(option))
        snprintf(buffer, bytes, "--[no-]%s", option->name);
    else if (option->kind == CLI_OPTIONAL)
        snprintf(buffer, bytes, "--%s[=%s]", option->name, option->argument);
    else if (takes_value(option))
        snprintf(buffer, bytes, "--%s %s", option->name, option->argument);
    else
        snprintf(buffer, bytes, "--%s", option->name);
}

/* The default that init set, as text; false: nothing worth showing. */
static bool default_text(const cli_option *option, const void *field, char *buffer, size_t bytes)
{
    char size[CLI_NUMBER_BYTES];
    int64_t integer;
    switch (option->kind) {
    case CLI_SWITCH:
        snprintf(buffer, bytes, "%s", *(const bool *)field ? "on" : "off");
        return true;
    case CLI_INTEGER:
        memcpy(&integer, field, sizeof integer);
        snprintf(buffer, bytes, "%" PRId64, integer);
        return true;
    case CLI_COUNT:
        snprintf(buffer, bytes, "%zu", *(const size_t *)field);
        return true;
    case CLI_SIZE:
        snprintf(buffer, bytes, "%s", size_text(size, (int64_t) * (const size_t *)field));
        return true;
    case CLI_NUMBER:
        snprintf(buffer, bytes, "%g", *(const double *)field);
        return true;
    case CLI_STRING:
        if (*(const char *const *)field == NULL) return false;
        snprintf(buffer, bytes, "%s", *(const char *const *)field);
        return true;
    case CLI_CHOICE:
        snprintf(buffer, bytes, "%s", option->choices[*(const int *)field]);
        return true;
    default:
        return false;
    }
}

static void print_option(const cli_option *option, const void *values, size_t left_width)
{
    char left[64];
    char fallback[128];
    char right[512];
    const char *shown = option->shown;
    option_left(left, sizeof left, option);
    if (shown == NULL &&
        default_text(option, (const char *)values + option->field, fallback, sizeof fallback))
        shown = fallback;
    if (shown != NULL && shown[0] != '\0')
        snprintf(right, sizeof right, "%s (default: %s)", option->help, shown);
    else
        snprintf(right, sizeof right, "%s", option->help);
    print_row(left, right, left_width);
}

static size_t find_left_width(const cli_command *command)
{
    char left[64];
    size_t width = strlen("--help");
    for (const cli_argument *argument = command->arguments; argument->name != NULL; argument++)
        if (strlen(argument->name) > width) width = strlen(argument->name);
    for (const cli_option *option = command->options; option->kind != CLI_END; option++) {
        if (option->kind == CLI_HEADING) continue;
        option_left(left, sizeof left, option);
        size_t length = strlen(left);
        if (length > width && length <= HELP_MAX_LEFT) width = length;
    }
    return width;
}

dbt_status cli_print_help(const cli_command *command, dbt_error *err)
{
    char usage[USAGE_BYTES];
    void *values = calloc(1, command->values_size + 1);
    if (values == NULL) return cli_fail(err, DBT_ENOMEM, "out of memory for the help");
    if (command->init != NULL) command->init(values);
    size_t left_width = find_left_width(command);
    cli_print("%s\n\n", usage_text(usage, sizeof usage, command));
    for (const char *text = command->description; *text != '\0';)
        text = print_wrapped(text, 0, 0);
    cli_print("\nArguments:\n");
    for (const cli_argument *argument = command->arguments; argument->name != NULL; argument++)
        print_row(argument->name, argument->help, left_width);
    for (const cli_option *option = command->options; option->kind != CLI_END; option++) {
        if (option->kind == CLI_HEADING)
            cli_print("\n%s:\n", option->help);
        else
            print_option(option, values, left_width);
    }
    print_row("--help", "print this", left_width);
    if (command->examples != NULL) cli_print("\nExamples:\n%s", command->examples);
    free(values);
    return DBT_OK;
}
