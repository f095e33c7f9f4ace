/* cmd_ingest.c: `dbtrain ingest`: labelled text into the database. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <dbtrain/ingest.h>
#include <dbtrain/store.h>

#include "commands.h"

typedef struct ingest_values {
    dbt_ingest_options options;
    int format;
    int header;
    cli_list text_columns;
    bool json;
} ingest_values;

static const char *const formats[] = {
#define FORMAT_TEXT(name, text) text,
    DBT_FORMAT_LIST(FORMAT_TEXT)
#undef FORMAT_TEXT
        NULL};

static void init_values(void *values)
{
    ingest_values *v = values;
    dbt_ingest_options_init(&v->options);
    v->format = (int)v->options.format;
    v->header = (int)v->options.header;
}

/* One ASCII character, or a name for the one that is hard to type. */
static bool parse_delimiter(const char *text, void *value)
{
    char *delimiter = value;
    if (strcmp(text, "tab") == 0 || strcmp(text, "\\t") == 0) text = "\t";
    if (text[0] == '\0' || text[1] != '\0' || (text[0] & 0x80) != 0) return false;
    if (strchr("\"\r\n", text[0]) != NULL) return false;
    *delimiter = text[0];
    return true;
}

/* A whole number, or "all", which the library knows as -1. */
static bool parse_max_rejects(const char *text, void *value)
{
    int64_t number = 0;
    if (strcmp(text, "all") == 0) {
        *(int64_t *)value = -1;
        return true;
    }
    if (*text == '\0') return false;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9' || number > (INT64_MAX - 9) / 10) return false;
        number = number * 10 + (*text - '0');
    }
    *(int64_t *)value = number;
    return true;
}

#define FIELD(member) CLI_FIELD(ingest_values, member)

static const cli_argument ingest_arguments[] = {
    {.name = "DATABASE", .help = "the SQLite file; made when it does not exist"},
    {.name = "SOURCE",
     .help = "a file, compressed file, archive or folder; - is stdin",
     .many = true},
    {0}};

static const cli_option ingest_options[] = {
    {.kind = CLI_HEADING, .help = "What the input is"},
    {.name = "format",
     .kind = CLI_CHOICE,
     .field = FIELD(format),
     .argument = "FORMAT",
     .choices = formats,
     .help = "csv, tsv (its quotes are text: where fields are quoted, csv with --delimiter tab), "
             "jsonl, folder (of class folders) or fasttext",
     .shown = "detected"},
    {.name = "header",
     .kind = CLI_TRISTATE,
     .field = FIELD(header),
     .help = "whether the first row names the columns",
     .shown = "detected"},
    {.name = "delimiter",
     .kind = CLI_CUSTOM,
     .field = FIELD(options.delimiter),
     .argument = "CHAR",
     .parse = parse_delimiter,
     .expected = "one ASCII character or 'tab'",
     .help = "what separates the columns",
     .shown = "what a first line sep=; names, else comma; tab for tsv"},
    {.name = "unescape",
     .kind = CLI_FLAG,
     .field = FIELD(options.unescape),
     .help = "a literal \\n, \\\" or \\\\ in the text becomes a line break, a quote, a backslash"},
    {.name = "encoding",
     .kind = CLI_STRING,
     .field = FIELD(options.encoding),
     .argument = "NAME",
     .help = "of the text, by its name in iconv: latin1, windows-1252, ...",
     .shown = "UTF-8"},
    {.kind = CLI_HEADING, .help = "What becomes of it"},
    {.name = "split",
     .kind = CLI_STRING,
     .field = FIELD(options.split),
     .argument = "NAME",
     .help = "split that the documents go to; those of a class folder unsup or unlabeled have no "
             "label, and keep the split of that name",
     .shown = "train, test, valid, validation, val or dev, as the file's or folder's name says, "
              "else train"},
    {.name = "label-column",
     .kind = CLI_STRING,
     .field = FIELD(options.label_column),
     .argument = "COLUMN",
     .help = "name or number (from 1) of the column with the label; none: there are no labels",
     .shown = "from the header; without one 1"},
    {.name = "text-column",
     .kind = CLI_LIST,
     .field = FIELD(text_columns),
     .argument = "COLUMN,...",
     .help = "names or numbers of the columns with text, joined with \", \"",
     .shown = "from the header, where of two the other one is it; without one all but the label"},
    {.name = "classes",
     .kind = CLI_STRING,
     .field = FIELD(options.classes),
     .argument = "FILE",
     .help = "names for the labels 1, 2, ..., one a line; labels that are such a name stay as they "
             "are; none: labels are not named",
     .shown = "classes.txt in the same folder or archive, where that is the source"},
    {.name = "dedup",
     .kind = CLI_FLAG,
     .field = FIELD(options.dedup),
     .help = "leave out a text that is already in the split under the same label"},
    {.name = "again",
     .kind = CLI_FLAG,
     .field = FIELD(options.again),
     .help = "ingest a file once more although it is there already"},
    {.kind = CLI_HEADING, .help = "What is refused"},
    {.name = "max-rejects",
     .kind = CLI_CUSTOM,
     .field = FIELD(options.max_rejects),
     .argument = "N",
     .parse = parse_max_rejects,
     .expected = "a whole number, at least 0, or 'all'",
     .help = "rows that may be refused before the whole command is; all: any number",
     .shown = "0"},
    {.name = "max-document",
     .kind = CLI_SIZE,
     .field = FIELD(options.max_document),
     .argument = "SIZE",
     .minimum = 1,
     .maximum = 64 << 20,
     .help = "longer records are refused; all of one counts: other columns, quotes, a whole line "
             "of JSON"},
    {.kind = CLI_HEADING, .help = "General"},
    {.name = "json",
     .kind = CLI_FLAG,
     .field = FIELD(json),
     .help = "print the summary as one object of JSON"},
    {0}};

/* --- options that are not for all formats --- */

typedef struct format_set {
    unsigned formats; /* 1 << dbt_format of each */
    const char *names;
} format_set;

#define DELIMITED (1 << DBT_FORMAT_CSV | 1 << DBT_FORMAT_TSV)
static const format_set delimited = {DELIMITED, "csv and tsv"};
static const format_set of_columns = {DELIMITED | 1 << DBT_FORMAT_JSONL, "csv, tsv and jsonl"};
static const format_set of_rows = {DELIMITED | 1 << DBT_FORMAT_JSONL | 1 << DBT_FORMAT_FASTTEXT,
                                   "csv, tsv, jsonl and fasttext"};

typedef struct format_option {
    const char *name;
    const format_set *use;
} format_option;

static const format_option format_options[] = {{"header", &delimited},
                                               {"delimiter", &delimited},
                                               {"unescape", &delimited},
                                               {"label-column", &of_columns},
                                               {"text-column", &of_columns},
                                               {"classes", &of_rows},
                                               {NULL, NULL}};

static bool is_none(const char *value)
{
    return value != NULL && strcmp(value, "none") == 0;
}

/* It is on the command line, and does nothing with these formats. */
static bool is_idle(const cli_input *input, const format_option *option, unsigned read)
{
    const dbt_ingest_options *options = &((const ingest_values *)input->values)->options;
    if (!cli_given(input, option->name) || (option->use->formats & read) != 0) return false;
    /* To leave the labels out, or their names, is for all formats. */
    if (strcmp(option->name, "label-column") == 0) return !is_none(options->label_column);
    return strcmp(option->name, "classes") != 0 || !is_none(options->classes);
}

/* A format that is given holds for all sources. */
static dbt_status check_effects(const cli_input *input, dbt_error *err)
{
    const ingest_values *v = input->values;
    if (v->format == DBT_FORMAT_DETECT) return DBT_OK;
    for (const format_option *o = format_options; o->name != NULL; o++)
        if (is_idle(input, o, 1u << v->format))
            return cli_fail(err, DBT_EUSAGE, "--%s does nothing with --format %s: it is for %s",
                            o->name, formats[v->format], o->use->names);
    return DBT_OK;
}

/* One that is detected may differ from source to source. A source that was there already may be the
 * one that an option was meant for. */
static void tell_effects(const cli_input *input, const dbt_ingest_result *result)
{
    if (result->formats == 0 || result->recognised > 0) return;
    for (const format_option *o = format_options; o->name != NULL; o++)
        if (is_idle(input, o, result->formats))
            cli_note("--%s did nothing: it is for %s, of which there was none", o->name,
                     o->use->names);
}

/* A misspelt source must not leave an empty database behind. */
static dbt_status check_sources(const cli_input *input, dbt_error *err)
{
    for (size_t i = 1; i < input->n_arguments; i++) {
        const char *source = input->argument[i];
        if (strcmp(source, "-") != 0 && access(source, R_OK) != 0)
            return cli_fail(err, DBT_EDATA, "cannot read '%s': %s", source, strerror(errno));
    }
    return DBT_OK;
}

static void show_progress(void *context, const dbt_ingest_progress *progress)
{
    (void)context;
    char documents[CLI_NUMBER_BYTES];
    char bytes[CLI_NUMBER_BYTES];
    cli_progress("%s documents, %s of %s", cli_thousands(documents, progress->documents),
                 cli_bytes(bytes, progress->bytes), progress->source);
}

/* ", 12 duplicates left out", for numbers that are not 0. */
static void print_count(int64_t n, const char *one, const char *many)
{
    char number[CLI_NUMBER_BYTES];
    if (n != 0) cli_print(", %s %s", cli_thousands(number, n), cli_plural(n, one, many));
}

/* Some are in every corpus; of a text in another encoding nearly every document has some. */
static bool is_odd_encoding(const dbt_ingest_result *result)
{
    return result->replaced_utf8 > result->documents / 10;
}

static void print_summary(const char *path, const dbt_ingest_result *result)
{
    char number[CLI_NUMBER_BYTES];
    static const char one[] = "invalid UTF-8 sequence replaced";
    static const char many[] = "invalid UTF-8 sequences replaced";
    bool asks = is_odd_encoding(result); /* at the line's end */
    int64_t added = result->documents - result->resumed;
    cli_print("%s: %s %s added", path, cli_thousands(number, added),
              cli_plural(added, "document", "documents"));
    print_count(result->resumed, "was there of the ingest that did not end",
                "were there of the ingest that did not end");
    print_count(result->rejected, "row refused", "rows refused");
    print_count(result->duplicates, "duplicate left out", "duplicates left out");
    if (!asks) print_count(result->replaced_utf8, one, many);
    print_count(result->replaced_nul, "NUL character replaced", "NUL characters replaced");
    print_count(result->recognised, "source was there already", "sources were there already");
    if (asks) print_count(result->replaced_utf8, one, many);
    cli_print("%s\n", asks ? ": is it in another encoding? begin with a new "
                             "database and give --encoding"
                           : "");
}

static dbt_status print_summary_json(const char *path, const dbt_ingest_result *result,
                                     dbt_error *err)
{
    return cli_print_json(
        json_pack("{s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "database", cli_json_text(path),
                  "sources", (json_int_t)result->sources, "recognised",
                  (json_int_t)result->recognised, "documents", (json_int_t)result->documents,
                  "resumed", (json_int_t)result->resumed, "rejected", (json_int_t)result->rejected,
                  "duplicates", (json_int_t)result->duplicates, "replaced_utf8",
                  (json_int_t)result->replaced_utf8, "replaced_nul",
                  (json_int_t)result->replaced_nul),
        err);
}

static dbt_status run_ingest(const cli_input *input, dbt_error *err)
{
    const ingest_values *v = input->values;
    const char *path = input->argument[0];
    dbt_ingest_options options = v->options;
    options.format = (dbt_format)v->format;
    options.header = (dbt_header)v->header;
    options.text_column = v->text_columns.item;
    options.n_text_columns = v->text_columns.n;
    options.said = cli_note_line;
    options.progress = show_progress;
    options.stop = cli_stop;

    dbt_store *store = NULL;
    dbt_ingest_result result = {0};
    dbt_status status = check_effects(input, err);
    if (status == DBT_OK) status = check_sources(input, err);
    if (status < 0) return status;
    status = cli_store_open(path, DBT_STORE_CREATE, &store, err);
    if (status < 0) return status;
    status = dbt_ingest(store, input->argument + 1, input->n_arguments - 1, &options, &result, err);
    if (status < 0) {
        cli_store_abandon(store);
        return status;
    }
    cli_store_close(store);
    tell_effects(input, &result);
    if (v->json) return print_summary_json(path, &result, err);
    print_summary(path, &result);
    return DBT_OK;
}

const cli_command cli_ingest = {
    .name = "ingest",
    .summary = "read labelled text into the database",
    .description =
        "Reads labelled text from files, folders, archives and stdin into DATABASE. "
        "What a source is "
        "(format, header, columns, split) is detected, and said; the options below "
        "decide it instead. "
        "Each row becomes a document, or a row of the table `reject` that tells why "
        "not. A file that is there already (under that name, in that split, with those "
        "bytes) is recognised and left alone; the same content from stdin, under "
        "another name or in another split comes in, too, and that is said (of files in class "
        "folders when most of them were there). "
        "After an interruption the same command goes on after the last row that was "
        "committed.",
    .examples = "  dbtrain ingest imdb.db train.csv test.csv\n"
                "  dbtrain ingest imdb.db aclImdb_v1.tar.gz\n"
                "  dbtrain ingest sms.db spam.tsv --no-header --split messages\n"
                "  zcat reviews.jsonl.gz | dbtrain ingest reviews.db - --format jsonl\n",
    .arguments = ingest_arguments,
    .options = ingest_options,
    .values_size = sizeof(ingest_values),
    .init = init_values,
    .run = run_ingest};
