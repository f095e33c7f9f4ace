/* test_options.c: command lines into values, for each kind of option; suggestions. */
#include "testing.h"

#include <string.h>

#include "commands.h"

typedef struct values {
    bool flag;
    bool on;
    int tristate;
    int64_t integer;
    uint64_t seed;
    size_t count;
    size_t size;
    double open;   /* (0, 1) */
    double closed; /* [0, 1] */
    double rate;   /* > 0 */
    const char *string;
    const char *optional;
    cli_list list;
    int choice;
    int custom;
} values;

static void init_values(void *memory)
{
    values *v = memory;
    v->on = true;
    v->integer = 5;
    v->open = 0.25;
}

static bool parse_seven(const char *text, void *value)
{
    if (strcmp(text, "seven") != 0) return false;
    *(int *)value = 7;
    return true;
}

static const char *const choices[] = {"adam", "sgd", "adagrad", NULL};

#define FIELD(member) CLI_FIELD(values, member)

static const cli_option options[] = {
    {.kind = CLI_HEADING, .help = "All kinds"},
    {.name = "flag", .kind = CLI_FLAG, .field = FIELD(flag)},
    {.name = "on", .kind = CLI_SWITCH, .field = FIELD(on)},
    {.name = "tristate", .kind = CLI_TRISTATE, .field = FIELD(tristate)},
    {.name = "integer",
     .kind = CLI_INTEGER,
     .field = FIELD(integer),
     .argument = "N",
     .minimum = -3,
     .maximum = 1000},
    {.name = "seed", .kind = CLI_INTEGER, .field = FIELD(seed), .argument = "N"},
    {.name = "count", .kind = CLI_COUNT, .field = FIELD(count), .argument = "N", .minimum = 1},
    {.name = "size", .kind = CLI_SIZE, .field = FIELD(size), .argument = "SIZE", .minimum = 1},
    {.name = "open",
     .kind = CLI_NUMBER,
     .field = FIELD(open),
     .argument = "F",
     .high = 1,
     .bound = CLI_BETWEEN},
    {.name = "closed", .kind = CLI_NUMBER, .field = FIELD(closed), .argument = "F", .high = 1},
    {.name = "rate",
     .kind = CLI_NUMBER,
     .field = FIELD(rate),
     .argument = "F",
     .bound = CLI_ABOVE_LOW},
    {.name = "string", .kind = CLI_STRING, .field = FIELD(string), .argument = "TEXT"},
    {.name = "optional", .kind = CLI_OPTIONAL, .field = FIELD(optional), .argument = "TEXT"},
    {.name = "list", .kind = CLI_LIST, .field = FIELD(list), .argument = "NAME,..."},
    {.name = "choice",
     .kind = CLI_CHOICE,
     .field = FIELD(choice),
     .argument = "NAME",
     .choices = choices},
    {.name = "custom",
     .kind = CLI_CUSTOM,
     .field = FIELD(custom),
     .argument = "WORD",
     .parse = parse_seven,
     .expected = "'seven'"},
    {0}};

static const cli_argument arguments[] = {{.name = "DATABASE", .help = "a file"},
                                         {.name = "FILE", .help = "another", .optional = true},
                                         {0}};

static const cli_command command = {.name = "try",
                                    .arguments = arguments,
                                    .options = options,
                                    .values_size = sizeof(values),
                                    .init = init_values};

/* Reads up to seven words; the caller releases the input. */
static dbt_status read_line(cli_input *input, const char *const words[8], dbt_error *err)
{
    int n = 0;
    while (n < 7 && words[n] != NULL)
        n++;
    return cli_input_read(input, &command, n, (char **)words, err);
}

static void test_options__store_what_was_given_and_keep_the_defaults(void **state)
{
    (void)state;
    static const char *const words[8] = {"a.db",   "--integer=-3", "--seed", "9223372036854775807",
                                         "--open", "0.5",          "b"};
    cli_input input;
    dbt_error err = {0};
    assert_int_equal(read_line(&input, words, &err), DBT_OK);
    const values *v = input.values;
    assert_int_equal(v->integer, -3);
    assert_true(v->seed == UINT64_C(9223372036854775807));
    assert_true(v->open == 0.5);
    assert_true(v->on);
    assert_false(v->flag);
    assert_null(v->string);
    assert_int_equal(input.n_arguments, 2);
    assert_string_equal(input.argument[0], "a.db");
    assert_string_equal(input.argument[1], "b");
    assert_true(cli_given(&input, "open"));
    assert_false(cli_given(&input, "closed"));
    cli_input_release(&input);
}

/* A value only behind '=': the next word is what it would be anyway. */
static void test_options__a_value_may_be_left_out_of_an_optional_one(void **state)
{
    (void)state;
    static const struct {
        const char *words[8];
        bool given;
        const char *value;
    } cases[] = {{{"a.db"}, false, NULL},
                 {{"--optional", "a.db"}, true, NULL},
                 {{"--optional=3", "a.db"}, true, "3"},
                 {{"a.db", "--optional"}, true, NULL},
                 {{"--optional=x", "a.db", "--optional"}, true, "x"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cli_input input;
        dbt_error err = {0};
        assert_int_equal(read_line(&input, cases[i].words, &err), DBT_OK);
        const values *v = input.values;
        assert_int_equal(cli_given(&input, "optional"), cases[i].given);
        assert_int_equal(v->optional == NULL, cases[i].value == NULL);
        if (cases[i].value != NULL) assert_string_equal(v->optional, cases[i].value);
        assert_int_equal(input.n_arguments, 1);
        assert_string_equal(input.argument[0], "a.db");
        cli_input_release(&input);
    }
    static const char *const empty[8] = {"--optional=", "a.db"};
    cli_input input;
    dbt_error err = {0};
    assert_int_equal(read_line(&input, empty, &err), DBT_EUSAGE);
    assert_string_equal(err.message, "--optional= must not be empty");
    cli_input_release(&input);
}

static void test_options__read_again_change_what_was_given_alone(void **state)
{
    (void)state;
    static const char *const words[8] = {"a.db", "--open=0.5", "--list=a,b", "b", "--no-on"};
    cli_input input;
    dbt_error err = {0};
    assert_int_equal(read_line(&input, words, &err), DBT_OK);
    values *v = input.values;
    v->open = 0.75;
    v->integer = 9;
    v->on = true;
    assert_int_equal(cli_input_read_again(&input, &err), DBT_OK);
    assert_true(v->open == 0.5);
    assert_int_equal(v->integer, 9);
    assert_false(v->on);
    assert_int_equal(v->list.n, 2);
    assert_int_equal(input.n_arguments, 2);
    assert_string_equal(input.argument[1], "b");
    cli_input_release(&input);
}

static void test_options__the_last_of_a_repeated_one_counts(void **state)
{
    (void)state;
    static const char *const words[8] = {"--flag",        "--no-on",  "--list=a,b", "--tristate",
                                         "--no-tristate", "--list=c", "a.db"};
    cli_input input;
    dbt_error err = {0};
    assert_int_equal(read_line(&input, words, &err), DBT_OK);
    const values *v = input.values;
    assert_true(v->flag);
    assert_false(v->on);
    assert_int_equal(v->tristate, 2);
    assert_int_equal(v->list.n, 1);
    assert_string_equal(v->list.item[0], "c");
    cli_input_release(&input);
}

static void test_options__two_dashes_end_them_and_one_is_an_argument(void **state)
{
    (void)state;
    static const char *const words[8] = {"-", "--", "--flag"};
    cli_input input;
    dbt_error err = {0};
    assert_int_equal(read_line(&input, words, &err), DBT_OK);
    assert_false(((const values *)input.values)->flag);
    assert_string_equal(input.argument[0], "-");
    assert_string_equal(input.argument[1], "--flag");
    cli_input_release(&input);
}

static void test_options__read_each_kind(void **state)
{
    (void)state;
    static const char *const words[8] = {"a.db",          "--size=512m", "--count=12",
                                         "--closed=1",    "--rate=1e-3", "--choice=sgd",
                                         "--custom=seven"};
    cli_input input;
    dbt_error err = {0};
    assert_int_equal(read_line(&input, words, &err), DBT_OK);
    const values *v = input.values;
    assert_int_equal(v->size, (size_t)512 << 20);
    assert_int_equal(v->count, 12);
    assert_true(v->closed == 1);
    assert_true(v->rate == 1e-3);
    assert_int_equal(v->choice, 1);
    assert_int_equal(v->custom, 7);
    cli_input_release(&input);
}

static void test_options__refusals_say_what_would_be_right(void **state)
{
    (void)state;
    static const struct {
        const char *word;
        const char *message;
    } cases[] = {
        {"--integer=-4", "--integer must be a whole number from -3 to 1000, not '-4'"},
        {"--integer=1001", "--integer must be a whole number from -3 to 1000, not '1001'"},
        {"--integer=1.0", "--integer must be a whole number from -3 to 1000, not '1.0'"},
        {"--integer= 1", "--integer must be a whole number from -3 to 1000, not ' 1'"},
        {"--integer=", "--integer must be a whole number from -3 to 1000, not ''"},
        {"--seed=-1", "--seed must be a whole number, at least 0, not '-1'"},
        {"--seed=9223372036854775808",
         "--seed must be a whole number, at most 9223372036854775807, not '9223372036854775808'"},
        {"--count=0", "--count must be a whole number, at least 1, not '0'"},
        {"--size=8388608T",
         "--size must be a size such as 64M, at most 9223372036854775807, not '8388608T'"},
        {"--size=9E", "--size must be a size such as 64M, at least 1, not '9E'"},
        {"--size=1KB", "--size must be a size such as 64M, at least 1, not '1KB'"},
        {"--size=+1K", "--size must be a size such as 64M, at least 1, not '+1K'"},
        {"--open=0", "--open must be a number above 0 and below 1, not '0'"},
        {"--open=1", "--open must be a number above 0 and below 1, not '1'"},
        {"--open=0,5", "--open must be a number above 0 and below 1, not '0,5'"},
        {"--closed=1.01", "--closed must be a number of at least 0 and at most 1, not '1.01'"},
        {"--closed=nan", "--closed must be a number of at least 0 and at most 1, not 'nan'"},
        {"--rate=1e999", "--rate must be a number above 0, not '1e999'"},
        {"--rate=0x1", "--rate must be a number above 0, not '0x1'"},
        {"--choice=adamw", "--choice must be adam, sgd or adagrad, not 'adamw'"},
        {"--custom=8", "--custom must be 'seven', not '8'"},
        {"--list=a,", "--list must be names separated by commas, not 'a,'"},
        {"--string=", "--string must not be empty"},
        {"--flag=1", "--flag takes no value"},
        {"--no-on=1", "--no-on takes no value"},
        {"--string", "--string needs a value: --string=TEXT"},
        {"--no-flag", "unknown option '--no-flag' (see 'dbtrain try --help')"},
        {"--strnig=x", "unknown option '--strnig' (did you mean '--string'?)"},
        {"--no-no", "unknown option '--no-no' (did you mean '--no-on'?)"},
        {"-x", "unknown option '-x' (options begin with '--')"},
        {"", "FILE must not be empty"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *const words[8] = {"a.db", cases[i].word};
        cli_input input;
        dbt_error err = {0};
        assert_int_equal(read_line(&input, words, &err), DBT_EUSAGE);
        assert_string_equal(err.message, cases[i].message);
        cli_input_release(&input);
    }
}

static void test_options__arguments_are_counted(void **state)
{
    (void)state;
    static const char *const words[8] = {"a", "b", "c"};
    static const char *const none[8] = {NULL};
    cli_input input;
    dbt_error err = {0};
    assert_int_equal(read_line(&input, words, &err), DBT_EUSAGE);
    assert_string_equal(err.message,
                        "unexpected argument 'c' (usage: dbtrain try DATABASE [FILE] [OPTION...])");
    cli_input_release(&input);
    err = (dbt_error){0};
    assert_int_equal(read_line(&input, none, &err), DBT_EUSAGE);
    assert_string_equal(err.message,
                        "DATABASE is missing (usage: dbtrain try DATABASE [FILE] [OPTION...])");
    cli_input_release(&input);
}

static void test_suggest__one_near_name_or_none(void **state)
{
    (void)state;
    static const char *const names[] = {"validation", "validation-split", "train", "top-k"};
    static const struct {
        const char *word;
        const char *name;
    } cases[] = {{"trian", "train"},
                 {"valdation", "validation"},
                 {"topk", "top-k"},
                 {"tr", NULL},
                 {"val", NULL},
                 {"xyzzy", NULL},
                 {"validation-", NULL},
                 {"", NULL},
                 {"validation-spl", "validation-split"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *found = cli_suggest(cases[i].word, names, 4);
        assert_string_equal(found != NULL ? found : "none",
                            cases[i].name != NULL ? cases[i].name : "none");
    }
}

static void test_thousands__groups_digits(void **state)
{
    (void)state;
    char buffer[CLI_NUMBER_BYTES];
    assert_string_equal(cli_thousands(buffer, 0), "0");
    assert_string_equal(cli_thousands(buffer, 999), "999");
    assert_string_equal(cli_thousands(buffer, 1000), "1,000");
    assert_string_equal(cli_thousands(buffer, -1234567), "-1,234,567");
    assert_string_equal(cli_thousands(buffer, INT64_MIN), "-9,223,372,036,854,775,808");
}

static void test_bytes__in_the_unit_that_fits(void **state)
{
    (void)state;
    char buffer[CLI_NUMBER_BYTES];
    assert_string_equal(cli_bytes(buffer, 1), "1 byte");
    assert_string_equal(cli_bytes(buffer, 1023), "1023 bytes");
    assert_string_equal(cli_bytes(buffer, 1024), "1.0 KiB");
    assert_string_equal(cli_bytes(buffer, (1 << 20) - 1), "1.0 MiB");
    assert_string_equal(cli_bytes(buffer, INT64_MAX), "8388608.0 TiB");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options__store_what_was_given_and_keep_the_defaults),
        cmocka_unit_test(test_options__a_value_may_be_left_out_of_an_optional_one),
        cmocka_unit_test(test_options__read_again_change_what_was_given_alone),
        cmocka_unit_test(test_options__the_last_of_a_repeated_one_counts),
        cmocka_unit_test(test_options__two_dashes_end_them_and_one_is_an_argument),
        cmocka_unit_test(test_options__read_each_kind),
        cmocka_unit_test(test_options__refusals_say_what_would_be_right),
        cmocka_unit_test(test_options__arguments_are_counted),
        cmocka_unit_test(test_suggest__one_near_name_or_none),
        cmocka_unit_test(test_thousands__groups_digits),
        cmocka_unit_test(test_bytes__in_the_unit_that_fits),
    };
    return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
