/*
 * cmd_predict.c: `dbtrain predict`: the label of each line, or of each document of a split.
 *
 * Lines are answered as they come: whatever one read gave is predicted and flushed before the next
 * read, so a program at the other end of a pipe gets each answer at once, and a file goes through
 * in large pages.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <utf8proc.h>

#include <dbtrain/page.h>
#include <dbtrain/train.h>

#include "commands.h"
#include "model_options.h"

typedef struct predict_values {
    cli_model_values model;
    const char *split;
    bool probabilities;
    int64_t top;
    double threshold;
    size_t threads;
    bool json;
} predict_values;

enum { PAGE_LINES = 256, READ_BYTES = 1 << 16, LONGEST_LINE = 1 << 26 };

/* A file being answered line by line. */
typedef struct line_stream {
    const predict_values *values;
    const char *name;
    int descriptor;
    dbt_model *model;
    dbt_page *page;
    size_t *order; /* [n_labels], scratch: outputs by descending probability */
    char *data;    /* bytes read that are not answered yet */
    size_t length;
    size_t capacity;
    int64_t lines;
} line_stream;

static void init_values(void *values)
{
    predict_values *v = values;
    v->top = 0;
}

#define FIELD(member) CLI_FIELD(predict_values, member)

static const cli_argument predict_arguments[] = {
    {.name = "DATABASE", .help = "the SQLite file that holds the run"},
    {.name = "FILE", .help = "texts, one a line; - or nothing is stdin", .optional = true},
    {0}};

static const cli_option predict_options[] = {
    {.kind = CLI_HEADING, .help = "What to predict"},
    {.name = "split",
     .kind = CLI_STRING,
     .field = FIELD(split),
     .argument = "SPLIT",
     .help = "predict and store the documents of a split instead of lines"},
    CLI_MODEL_OPTIONS(predict_values),
    {.kind = CLI_HEADING, .help = "What to print"},
    {.name = "probabilities",
     .kind = CLI_FLAG,
     .field = FIELD(probabilities),
     .help = "every label, a tab and its probability, the most probable first"},
    {.name = "top",
     .kind = CLI_INTEGER,
     .field = FIELD(top),
     .argument = "K",
     .minimum = 1,
     .maximum = 1 << 24,
     .help = "the same for the K most probable labels",
     .shown = ""},
    {.name = "threshold",
     .kind = CLI_NUMBER,
     .field = FIELD(threshold),
     .argument = "P",
     .high = 1,
     .help = "leave out labels less probable than this; an empty line when none is left"},
    {.name = "json", .kind = CLI_FLAG, .field = FIELD(json), .help = "one object of JSON a line"},
    {.kind = CLI_HEADING, .help = "General"},
    {.name = "threads",
     .kind = CLI_COUNT,
     .field = FIELD(threads),
     .argument = "N",
     .minimum = 1,
     .maximum = 256,
     .help = "threads to use for a split",
     .shown = "usable cores"},
    {0}};

/* The k most probable outputs into stream->order, first of equals first. */
static void order_outputs(line_stream *stream, const float *p, size_t n, size_t k)
{
    size_t kept = 0;
    for (size_t output = 0; output < n; output++) {
        size_t at = kept;
        while (at > 0 && p[stream->order[at - 1]] < p[output])
            at--;
        if (at >= k) continue;
        size_t moved = kept < k ? kept - at : k - 1 - at;
        memmove(stream->order + at + 1, stream->order + at, moved * sizeof *stream->order);
        stream->order[at] = output;
        if (kept < k) kept++;
    }
}

static dbt_status print_row_json(const line_stream *stream, const float *p, size_t k,
                                 dbt_error *err)
{
    json_t *row = json_pack("{s:o, s:o}", "label", json_null(), "probability", json_null());
    json_t *list = json_array();
    for (size_t i = 0; i < k; i++) {
        size_t output = stream->order[i];
        if ((double)p[output] < stream->values->threshold) break;
        const char *label = dbt_model_label(stream->model, output);
        if (i == 0) {
            (void)json_object_set_new(row, "label", cli_json_text(label));
            (void)json_object_set_new(row, "probability", cli_json_number((double)p[output]));
        }
        (void)json_array_append_new(list,
                                    json_pack("{s:o, s:o}", "label", cli_json_text(label),
                                              "probability", cli_json_number((double)p[output])));
    }
    bool wanted = stream->values->probabilities || stream->values->top > 0;
    if (wanted)
        (void)json_object_set_new(row, "labels", list);
    else
        json_decref(list);
    return cli_print_json(row, err);
}

static void print_row(const line_stream *stream, const float *p, size_t k)
{
    bool numbers = stream->values->probabilities || stream->values->top > 0;
    for (size_t i = 0; i < k; i++) {
        size_t output = stream->order[i];
        if ((double)p[output] < stream->values->threshold) break;
        if (i > 0) cli_write("\t", 1);
        cli_print_name(dbt_model_label(stream->model, output)); /* one field: without tabs */
        if (numbers) cli_print("\t%.6g", (double)p[output]);
    }
    cli_write("\n", 1);
}

static dbt_status answer_page(line_stream *stream, dbt_error *err)
{
    size_t n_labels = dbt_model_get_info(stream->model).n_labels, k = 1;
    if (stream->values->top > 0) k = (size_t)stream->values->top;
    if (k > n_labels || (stream->values->probabilities && stream->values->top == 0)) k = n_labels;
    const float *p;
    dbt_status status = dbt_model_predict(stream->model, stream->page, &p, err);
    for (size_t row = 0; status == DBT_OK && row < stream->page->n_rows; row++) {
        order_outputs(stream, p + row * n_labels, n_labels, k);
        if (stream->values->json)
            status = print_row_json(stream, p + row * n_labels, k, err);
        else
            print_row(stream, p + row * n_labels, k);
    }
    dbt_page_clear(stream->page);
    return status;
}

/* Answers the whole lines that are there; at the end of the file the last one needs no line break.
 */
static dbt_status answer_lines(line_stream *stream, bool at_end, dbt_error *err)
{
    size_t begin = 0;
    dbt_status status = DBT_OK;
    while (status == DBT_OK && begin < stream->length) {
        const char *line = stream->data + begin;
        const char *end = memchr(line, '\n', stream->length - begin);
        if (end == NULL && !at_end) break;
        size_t bytes = end == NULL ? stream->length - begin : (size_t)(end - line);
        begin += bytes + (end != NULL);
        stream->lines++;
        status = dbt_page_append(stream->page, (dbt_text){line, bytes}, 0, 0, 1, err);
        if (status == DBT_OK && stream->page->n_rows == PAGE_LINES)
            status = answer_page(stream, err);
    }
    if (status == DBT_OK && stream->page->n_rows > 0) status = answer_page(stream, err);
    if (begin > 0) memmove(stream->data, stream->data + begin, stream->length - begin);
    stream->length -= begin;
    return status == DBT_OK ? cli_flush(err) : status;
}

static dbt_status reserve_read(line_stream *stream, dbt_error *err)
{
    if (stream->length > LONGEST_LINE)
        return cli_fail(err, DBT_EDATA, "%s:%lld: the line is longer than 64 MiB", stream->name,
                        (long long)stream->lines + 1);
    if (stream->capacity - stream->length >= READ_BYTES) return DBT_OK;
    size_t capacity = stream->capacity + stream->capacity / 2 + READ_BYTES;
    char *data = realloc(stream->data, capacity);
    if (data == NULL) return cli_fail(err, DBT_ENOMEM, "out of memory for a line");
    stream->data = data;
    stream->capacity = capacity;
    return DBT_OK;
}

/* What a file that begins so is, and what to do with it; NULL: it may be text. */
static const char *find_foreign(const char *data, size_t bytes)
{
    static const struct {
        const char *magic;
        size_t bytes;
        const char *what;
    } kinds[] = {
        {"\x1f\x8b", 2, "is compressed: unpack it into a pipe"},
        {"BZh", 3, "is compressed: unpack it into a pipe"},
        {"\xfd"
         "7zXZ",
         5, "is compressed: unpack it into a pipe"},
        {"\x28\xb5\x2f\xfd", 4, "is compressed: unpack it into a pipe"},
        {"PK\3\4", 4, "is an archive: unpack it into a pipe"},
        {"\xff\xfe", 2, "is UTF-16: make it UTF-8 with iconv"},
        {"\xfe\xff", 2, "is UTF-16: make it UTF-8 with iconv"},
        {"SQLite format 3", 16, "is an SQLite database: --split names a split"},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (bytes >= kinds[i].bytes && memcmp(data, kinds[i].magic, kinds[i].bytes) == 0)
            return kinds[i].what;
    size_t nuls = 0;
    for (size_t i = 0; i < bytes; i++)
        nuls += data[i] == '\0';
    return nuls > bytes / 10 ? "is no text: it has NUL bytes" : NULL;
}

/* A character may be cut off at the end. */
static bool is_utf8(const char *data, size_t bytes)
{
    enum { LONGEST = 4 };
    for (size_t i = 0; i < bytes;) {
        utf8proc_int32_t code_point;
        utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)data + i,
                                              (utf8proc_ssize_t)(bytes - i), &code_point);
        if (n <= 0) return bytes - i < LONGEST;
        i += (size_t)n;
    }
    return true;
}

/* Of what was read first. */
static dbt_status check_text(const line_stream *stream, dbt_error *err)
{
    const char *what = find_foreign(stream->data, stream->length);
    if (what != NULL) return cli_fail(err, DBT_EDATA, "'%s' %s", stream->name, what);
    if (!is_utf8(stream->data, stream->length))
        cli_note("'%s' is not all UTF-8: its other bytes count as no letters (iconv converts it)",
                 stream->name);
    return DBT_OK;
}

static dbt_status answer_stream(line_stream *stream, dbt_error *err)
{
    for (bool first = true;; first = false) {
        dbt_status status = reserve_read(stream, err);
        if (status < 0) return status;
        if (cli_stopped()) return cli_fail(err, DBT_EINTERRUPTED, "interrupted");
        ssize_t bytes = read(stream->descriptor, stream->data + stream->length, READ_BYTES);
        if (bytes < 0 && errno == EINTR) continue;
        if (bytes < 0)
            return cli_fail(err, DBT_EDATA, "cannot read '%s': %s", stream->name, strerror(errno));
        stream->length += (size_t)bytes;
        if (first && (status = check_text(stream, err)) < 0) return status;
        status = answer_lines(stream, bytes == 0, err);
        if (status < 0 || bytes == 0) return status;
    }
}

static dbt_status predict_lines(const cli_input *input, dbt_model *model, dbt_error *err)
{
    const char *name = input->n_arguments > 1 ? input->argument[1] : "-";
    bool from_stdin = strcmp(name, "-") == 0;
    line_stream stream = {.values = input->values,
                          .name = from_stdin ? "stdin" : name,
                          .descriptor = from_stdin ? STDIN_FILENO : open(name, O_RDONLY),
                          .model = model};
    if (stream.descriptor < 0)
        return cli_fail(err, DBT_EDATA, "cannot read '%s': %s", name, strerror(errno));
    stream.order = calloc(dbt_model_get_info(model).n_labels, sizeof *stream.order);
    dbt_status status = stream.order == NULL ? cli_fail(err, DBT_ENOMEM, "out of memory") : DBT_OK;
    if (status == DBT_OK) status = dbt_page_new(&stream.page, err);
    if (status == DBT_OK) status = answer_stream(&stream, err);
    if (!from_stdin) (void)close(stream.descriptor);
    dbt_page_free(stream.page);
    free(stream.order);
    free(stream.data);
    return status;
}

/* How many documents got which label. */
static dbt_status print_predicted(const dbt_model *model, const char *split,
                                  const int64_t *predicted, bool json, dbt_error *err)
{
    dbt_status status = DBT_OK;
    cli_table table;
    cli_table_init(&table, "lr");
    for (size_t i = 0; status == DBT_OK && i < dbt_model_get_info(model).n_labels; i++) {
        char number[CLI_NUMBER_BYTES];
        const char *label = dbt_model_label(model, i);
        cli_table_add(&table, "%s", label);
        cli_table_add(&table, "%s", cli_thousands(number, predicted[i]));
        if (json)
            status = cli_print_json(json_pack("{s:o, s:o, s:I}", "split", cli_json_text(split),
                                              "label", cli_json_text(label), "documents",
                                              (json_int_t)predicted[i]),
                                    err);
    }
    if (status == DBT_OK && !json) {
        cli_print("split '");
        cli_print_name(split);
        cli_print("', predicted:\n");
        status = cli_table_print(&table, 2, err);
    }
    cli_table_release(&table);
    return status;
}

static dbt_status predict_split(const predict_values *v, dbt_store *store, const dbt_model *model,
                                dbt_error *err)
{
    const dbt_observer observer = {.note = cli_note_line, .stop = cli_stop};
    dbt_report report;
    dbt_status status = dbt_evaluate(store, model, v->split, v->threads, &observer, &report, err);
    if (status == DBT_OK) status = print_predicted(model, v->split, report.predicted, v->json, err);
    dbt_report_release(&report);
    return status;
}

/* Options of what is printed for a line say nothing of a split. */
static dbt_status check_split_options(const cli_input *input, dbt_error *err)
{
    static const char *const names[] = {"probabilities", "top", "threshold"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (cli_given(input, names[i]))
            return cli_fail(err, DBT_EUSAGE, "--split and --%s exclude each other", names[i]);
    return DBT_OK;
}

static dbt_status run_predict(const cli_input *input, dbt_error *err)
{
    const predict_values *v = input->values;
    if (v->split != NULL && input->n_arguments > 1)
        return cli_fail(err, DBT_EUSAGE, "give a FILE or --split, not both");
    dbt_store *store = NULL;
    dbt_model *model = NULL;
    dbt_status status = v->split == NULL ? DBT_OK : check_split_options(input, err);
    if (status == DBT_OK)
        status = cli_store_open(input->argument[0],
                                v->split == NULL ? DBT_STORE_READ : DBT_STORE_WRITE, &store, err);
    if (status == DBT_OK) status = cli_open_model(store, &v->model, &model, err);
    if (status == DBT_OK)
        status = v->split == NULL ? predict_lines(input, model, err)
                                  : predict_split(v, store, model, err);
    dbt_model_close(model);
    cli_store_close(store);
    return status;
}

const cli_command cli_predict = {
    .name = "predict",
    .summary = "label lines of text, or a split",
    .description =
        "Prints a line for each line of FILE or stdin, empty ones too: the most probable label. "
        "Answers come as soon as lines do, so it can serve at the end of a pipe. With --split the "
        "documents of a split are predicted and stored in the table `prediction`.",
    .examples = "  echo 'A gripping film, and a funny one.' | dbtrain predict imdb.db\n"
                "  dbtrain predict news.db new.txt --top 3\n"
                "  dbtrain predict imdb.db --split unsup\n",
    .arguments = predict_arguments,
    .options = predict_options,
    .values_size = sizeof(predict_values),
    .init = init_values,
    .run = run_predict};
