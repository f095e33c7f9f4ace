/* test_reader_suites.c: csv-spectrum, JSONTestSuite, utf8tests and blns, where they are
 * (../shared/suites). */
#include "testing.h"

#include <dirent.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base.h"
#include "reader.h"
#include "utf8.h"

#define SUITES DBT_SHARED_DATA "/suites"

static void skip_without(const char *path)
{
    if (access(path, R_OK) == 0) return;
    print_message("skipped: %s is not there\n", path);
    skip();
}

static void read_bytes(const char *path, dbt__buffer *bytes)
{
    char block[65536];
    ssize_t got;
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    dbt__buffer_init(bytes, 0);
    while ((got = read(fd, block, sizeof block)) > 0)
        assert_int_equal(dbt__buffer_append(bytes, block, (size_t)got, NULL), DBT_OK);
    assert_int_equal(got, 0);
    (void)close(fd);
}

static const size_t chunks[] = {1, 2, 3, 7, 64, 4096};
enum { CHUNKS = sizeof chunks / sizeof *chunks };

/* A reader over one file, at its first record. */
typedef struct opened {
    dbt__catalog *catalog;
    dbt__reader *reader;
} opened;

static void open_reader(const char *path, const dbt__reader_options *options, opened *o)
{
    dbt_error err = {0};
    const dbt__part *part;
    dbt__stream *stream;
    assert_ok(dbt__catalog_open(path, options->format, true, (dbt__waiting){0}, &o->catalog, &err),
              err);
    assert_ok(dbt__reader_new(options, &o->reader, &err), err);
    assert_ok(dbt__catalog_next(o->catalog, &part, &err), err);
    assert_ok(dbt__catalog_stream(o->catalog, &stream, &err), err);
    assert_ok(dbt__reader_start(o->reader, stream, part, &err), err);
}

static void close_reader(opened *o)
{
    dbt__reader_free(o->reader);
    dbt__catalog_close(o->catalog);
}

/* --- csv-spectrum --- */

/* One column of a csv file is what the JSON says, at a chunk size. */
static void compare_column(const char *path, const json_t *rows, const char *column, size_t chunk)
{
    dbt_error err = {0};
    opened o;
    dbt__reader_options options;
    dbt__reader_options_init(&options);
    options.format = DBT__CSV;
    options.header = DBT__HEADER_YES;
    options.label_column = "none";
    options.text_column = &column;
    options.n_text_columns = 1;
    options.chunk = options.sample = chunk;
    open_reader(path, &options, &o);
    const dbt__record *record;
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *value = json_object_get(json_array_get(rows, i), column);
        assert_ok(dbt__reader_next(o.reader, &record, &err), err);
        assert_null(record->reason);
        assert_int_equal(record->text.bytes, json_string_length(value));
        assert_memory_equal(record->text.data, json_string_value(value), record->text.bytes);
    }
    assert_int_equal(dbt__reader_next(o.reader, &record, &err), DBT_DONE);
    close_reader(&o);
}

static void test_csv_spectrum__means_what_its_json_says(void **state)
{
    (void)state;
    static const char *const names[] = {"comma_in_quotes",
                                        "empty",
                                        "empty_crlf",
                                        "escaped_quotes",
                                        "json",
                                        "newlines",
                                        "newlines_crlf",
                                        "quotes_and_newlines",
                                        "simple",
                                        "simple_crlf",
                                        "location_coordinates",
                                        "utf8"};
    skip_without(SUITES "/csv-spectrum/csvs");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char csv[256], json[256];
        dbt__buffer bytes, clean;
        int64_t replaced = 0;
        print_message("%s\n", names[i]);
        (void)snprintf(csv, sizeof csv, SUITES "/csv-spectrum/csvs/%s.csv", names[i]);
        (void)snprintf(json, sizeof json, SUITES "/csv-spectrum/json/%s.json", names[i]);
        /* One of the JSON files is not UTF-8: its text is compared as the reader would give it. */
        read_bytes(json, &bytes);
        dbt__buffer_init(&clean, 0);
        assert_int_equal(dbt__utf8_repair(bytes.data, bytes.length, &clean, &replaced, NULL),
                         DBT_OK);
        json_t *rows = json_loadb(clean.data, clean.length, 0, NULL);
        assert_non_null(rows);
        const char *column;
        json_t *value;
        json_object_foreach(json_array_get(rows, 0), column, value)
        {
            /* The suite's known error: the JSON has another number than the CSV. */
            if (strcmp(column, "Contact Phone Number") == 0) continue;
            for (size_t c = 0; c < CHUNKS; c++)
                compare_column(csv, rows, column, chunks[c]);
        }
        json_decref(rows);
        dbt__buffer_release(&bytes);
        dbt__buffer_release(&clean);
    }
}

/* --- JSONTestSuite --- */

static void write_bytes(const char *path, const char *const *pieces, const size_t *bytes, size_t n)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(write(fd, pieces[i] == NULL ? "" : pieces[i], bytes[i]), bytes[i]);
    assert_int_equal(close(fd), 0);
}

/* How many records of a JSON Lines file are documents, and how many are refused. */
static void count_records(const char *path, size_t chunk, size_t *accepted, size_t *refused)
{
    dbt_error err = {0};
    opened o;
    const dbt__record *record;
    dbt__reader_options options;
    dbt__reader_options_init(&options);
    options.format = DBT__JSONL;
    options.label_column = "label";
    /* A small sample: that some of the contents are no text is not what is tried here. */
    options.sample = 16;
    options.chunk = chunk;
    *accepted = *refused = 0;
    open_reader(path, &options, &o);
    dbt_status status;
    while ((status = dbt__reader_next(o.reader, &record, &err)) == DBT_OK)
        ++*(record->reason == NULL ? accepted : refused);
    assert_int_equal(status, DBT_DONE);
    close_reader(&o);
}

/* A file of one line, {"label":"l","text":"t","value":CONTENT}: is it a document? JSON Lines cannot
 * hold the line breaks of a valid content: they become spaces, which means the same outside of
 * strings, and inside they are not valid. An invalid one keeps its line breaks, and no line of it
 * may be accepted. */
static bool accepts(const dbt__buffer *content, bool is_invalid, const char *path)
{
    static const char before[] = "{\"label\":\"l\",\"text\":\"t\",\"value\":", after[] = "}\n";
    const char *const pieces[] = {before, content->data, after};
    const size_t bytes[] = {sizeof before - 1, content->length, sizeof after - 1};
    size_t accepted[CHUNKS], refused[CHUNKS];
    for (size_t i = 0; i < content->length && !is_invalid; i++)
        if (content->data[i] == '\n' || content->data[i] == '\r') content->data[i] = ' ';
    write_bytes(path, pieces, bytes, 3);
    for (size_t c = 0; c < CHUNKS; c++) {
        count_records(path, chunks[c], &accepted[c], &refused[c]);
        assert_true(accepted[c] + refused[c] == 1 || is_invalid);
        assert_int_equal(accepted[c], accepted[0]);
        assert_int_equal(refused[c], refused[0]);
    }
    return accepted[0] > 0;
}

/* The file as one document of a class folder: what is text comes out as it was, but for a byte
 * order mark. */
static void check_document(const dbt__buffer *content, const char *folder)
{
    char path[64];
    dbt__buffer clean;
    int64_t replaced = 0, nuls = 0;
    (void)snprintf(path, sizeof path, "%s/l/document", folder);
    write_bytes(path, (const char *const *)&content->data, &content->length, 1);
    dbt__buffer_init(&clean, 0);
    assert_int_equal(
        dbt__utf8_clean(content->data, content->length, &clean, &replaced, &nuls, NULL), DBT_OK);
    size_t mark = clean.length >= 3 && memcmp(clean.data, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    for (size_t c = 0; c < CHUNKS; c++) {
        dbt_error err = {0};
        opened o;
        const dbt__record *record;
        dbt__reader_options options;
        dbt__reader_options_init(&options);
        options.chunk = chunks[c];
        open_reader(folder, &options, &o);
        assert_ok(dbt__reader_next(o.reader, &record, &err), err);
        assert_null(record->reason);
        assert_int_equal(record->text.bytes, clean.length - mark);
        if (clean.length > mark)
            assert_memory_equal(record->text.data, clean.data + mark, clean.length - mark);
        assert_int_equal(dbt__reader_next(o.reader, &record, &err), DBT_DONE);
        close_reader(&o);
    }
    dbt__buffer_release(&clean);
}

/* Called with the content of each file of the suite: 'y', 'n' or 'i'. */
typedef void (*visit_json)(const char *name, dbt__buffer *content, const char *folder);

static int json_counts[256], json_wrong;

static void visit_suite(visit_json visit)
{
    static const char suite[] = SUITES "/JSONTestSuite/test_parsing";
    char folder[] = "/tmp/dbtrain-test-XXXXXX", name[512], command[64];
    skip_without(suite);
    assert_non_null(mkdtemp(folder));
    DIR *open = opendir(suite);
    assert_non_null(open);
    memset(json_counts, 0, sizeof json_counts);
    json_wrong = 0;
    const struct dirent *entry;
    while ((entry = readdir(open)) != NULL) {
        dbt__buffer content;
        if (strstr(entry->d_name, ".json") == NULL) continue;
        (void)snprintf(name, sizeof name, "%s/%s", suite, entry->d_name);
        read_bytes(name, &content);
        json_counts[(unsigned char)entry->d_name[0]]++;
        visit(entry->d_name, &content, folder);
        dbt__buffer_release(&content);
    }
    (void)closedir(open);
    (void)snprintf(command, sizeof command, "rm -r '%s'", folder);
    assert_int_equal(system(command), 0);
    assert_int_equal(json_counts['y'], 95);
    assert_int_equal(json_counts['n'], 188);
    assert_int_equal(json_counts['i'], 35);
    assert_int_equal(json_wrong, 0);
}

static void visit_as_value(const char *name, dbt__buffer *content, const char *folder)
{
    char path[64];
    (void)snprintf(path, sizeof path, "%s/line", folder);
    bool accepted = accepts(content, name[0] == 'n', path);
    if (name[0] == 'i' || accepted == (name[0] == 'y')) return;
    print_message("%s is %s\n", name, accepted ? "accepted" : "refused");
    json_wrong++;
}

static void visit_as_document(const char *name, dbt__buffer *content, const char *folder)
{
    char path[64];
    /* Bytes that are not text at all (UTF-16) are refused as a file, with advice. */
    if (strstr(name, "utf16") != NULL || strstr(name, "UTF-16") != NULL) return;
    if (memchr(content->data == NULL ? "" : content->data, '\0', content->length) != NULL) return;
    (void)snprintf(path, sizeof path, "%s/l", folder);
    (void)mkdir(path, 0700);
    check_document(content, folder);
}

static void test_json_test_suite__as_a_value_of_a_line(void **state)
{
    (void)state;
    visit_suite(visit_as_value);
}

static void test_json_test_suite__as_a_document(void **state)
{
    (void)state;
    visit_suite(visit_as_document);
}

/* --- blns --- */

/* Every string in a file of the format, and out of it unchanged at every chunk size. */
static void check_strings(const json_t *strings, dbt__format format, const char *file)
{
    for (size_t c = 0; c < CHUNKS; c++) {
        static const char *const text_column[] = {"text"};
        dbt_error err = {0};
        opened o;
        const dbt__record *record;
        dbt__reader_options options;
        dbt__reader_options_init(&options);
        options.format = format;
        options.header = DBT__HEADER_YES;
        options.label_column = "none";
        options.text_column = text_column;
        options.n_text_columns = 1;
        options.chunk = chunks[c];
        open_reader(file, &options, &o);
        for (size_t i = 0; i < json_array_size(strings); i++) {
            const json_t *string = json_array_get(strings, i);
            assert_ok(dbt__reader_next(o.reader, &record, &err), err);
            if (record->reason != NULL) fail_msg("string %zu: %s", i, record->reason);
            assert_int_equal(record->text.bytes, json_string_length(string));
            if (record->text.bytes > 0)
                assert_memory_equal(record->text.data, json_string_value(string),
                                    record->text.bytes);
        }
        assert_int_equal(dbt__reader_next(o.reader, &record, &err), DBT_DONE);
        assert_int_equal(dbt__reader_replaced_utf8(o.reader), 0);
        close_reader(&o);
    }
}

static void put_csv(FILE *file, const json_t *string)
{
    const char *text = json_string_value(string);
    (void)fputc('"', file);
    for (size_t i = 0; i < json_string_length(string); i++) {
        if (text[i] == '"') (void)fputc('"', file);
        (void)fputc(text[i], file);
    }
    (void)fputs("\"\n", file);
}

static void test_blns__go_in_and_out_unchanged(void **state)
{
    (void)state;
    static const char path[] = SUITES "/blns/blns.json";
    char folder[] = "/tmp/dbtrain-test-XXXXXX", csv[64], jsonl[64];
    skip_without(path);
    json_t *strings = json_load_file(path, 0, NULL);
    assert_non_null(strings);
    assert_non_null(mkdtemp(folder));
    (void)snprintf(csv, sizeof csv, "%s/a.csv", folder);
    (void)snprintf(jsonl, sizeof jsonl, "%s/a.jsonl", folder);
    FILE *file = fopen(csv, "w");
    assert_non_null(file);
    (void)fputs("text\n", file);
    for (size_t i = 0; i < json_array_size(strings); i++)
        put_csv(file, json_array_get(strings, i));
    assert_int_equal(fclose(file), 0);
    file = fopen(jsonl, "w");
    assert_non_null(file);
    for (size_t i = 0; i < json_array_size(strings); i++) {
        json_t *row = json_pack("{sO}", "text", json_array_get(strings, i));
        assert_int_equal(json_dumpf(row, file, 0), 0);
        (void)fputc('\n', file);
        json_decref(row);
    }
    assert_int_equal(fclose(file), 0);
    check_strings(strings, DBT__CSV, csv);
    check_strings(strings, DBT__JSONL, jsonl);
    assert_true(json_array_size(strings) > 480);
    json_decref(strings);
    assert_int_equal(unlink(csv) + unlink(jsonl) + rmdir(folder), 0);
}

/* --- utf8tests --- */

/* "C2 A9" or "EFBFBD  EFBFBD" or "nothing" as bytes. */
static size_t parse_hex(const char *text, size_t length, char *bytes)
{
    size_t n = 0;
    for (size_t i = 0; i + 1 < length; i++) {
        if (text[i] == ' ') continue;
        char pair[3] = {text[i], text[i + 1], '\0'}, *end;
        long value = strtol(pair, &end, 16);
        if (*end != '\0') return 0;
        bytes[n++] = (char)value;
        i++;
    }
    return n;
}

/* `expected` as the suite has it: in it a NUL stays, in a document it is replaced too. */
static void check_replacing(const char *name, const char *bytes, size_t n, const char *expected,
                            size_t n_expected)
{
    dbt__buffer out;
    int64_t replaced = 0, nuls = 0;
    char wanted[1024];
    size_t n_wanted = 0;
    for (size_t i = 0; i < n_expected; i++) {
        memcpy(wanted + n_wanted, expected[i] == '\0' ? "\xef\xbf\xbd" : &expected[i],
               expected[i] == '\0' ? 3 : 1);
        n_wanted += expected[i] == '\0' ? 3 : 1;
    }
    dbt__buffer_init(&out, 0);
    assert_int_equal(dbt__utf8_clean(bytes, n, &out, &replaced, &nuls, NULL), DBT_OK);
    if (out.length != n_wanted || (n_wanted > 0 && memcmp(out.data, wanted, n_wanted) != 0))
        fail_msg("%s", name);
    bool valid = n == n_wanted && memcmp(bytes, wanted, n) == 0;
    assert_int_equal(dbt__utf8_valid(bytes, n) == n, valid);
    assert_int_equal(replaced + nuls == 0, valid);
    dbt__buffer_release(&out);
}

static void test_utf8tests__replace_every_maximal_subpart(void **state)
{
    (void)state;
    static const char path[] = SUITES "/utf8tests/utf8tests.txt";
    skip_without(path);
    dbt__buffer text;
    read_bytes(path, &text);
    assert_int_equal(dbt__buffer_append(&text, "", 1, NULL), DBT_OK);
    int cases = 0;
    for (char *line = strtok(text.data, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        char bytes[512], expected[512];
        char *kind = strchr(line, ':');
        if (line[0] == '#' || kind == NULL) continue;
        kind += 1 + strspn(kind + 1, " ");
        char *data = strchr(kind, ':');
        assert_non_null(data);
        data++;
        cases++;
        if (strncmp(kind, "valid:", 6) == 0) {
            check_replacing(line, data, strlen(data), data, strlen(data));
        } else if (strncmp(kind, "valid hex:", 10) == 0) {
            size_t n = parse_hex(data, strlen(data), bytes);
            check_replacing(line, bytes, n, bytes, n);
        } else {
            char *skipping = strchr(data, ':');
            assert_non_null(skipping);
            char *replacing = strchr(skipping + 1, ':');
            assert_non_null(replacing);
            size_t n = parse_hex(data, (size_t)(skipping - data), bytes);
            size_t n_expected = parse_hex(replacing + 1, strlen(replacing + 1), expected);
            check_replacing(line, bytes, n, expected, n_expected);
        }
    }
    assert_int_equal(cases, 222);
    dbt__buffer_release(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_csv_spectrum__means_what_its_json_says),
        cmocka_unit_test(test_json_test_suite__as_a_value_of_a_line),
        cmocka_unit_test(test_json_test_suite__as_a_document),
        cmocka_unit_test(test_blns__go_in_and_out_unchanged),
        cmocka_unit_test(test_utf8tests__replace_every_maximal_subpart),
    };
    return cmocka_run_group_tests_name("reader suites", tests, NULL, NULL);
}
