/* test_reader.c: records of csv, tsv, JSON Lines and fastText, UTF-8, encodings, limits. */
#include "testing.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base.h"
#include "reader.h"
#include "utf8.h"

/* --- a file with given bytes, and what the reader makes of it --- */

static char *folder; /* of the test's files */

static int make_folder(void **state)
{
    (void)state;
    static char path[] = "/tmp/dbtrain-test-XXXXXX";
    folder = mkdtemp(path);
    return folder == NULL ? -1 : 0;
}

static char file_path[256];

static int remove_folder(void **state)
{
    (void)state;
    (void)unlink(file_path);
    return rmdir(folder);
}

static const char *write_file(const char *name, const void *data, size_t bytes)
{
    if (file_path[0] != '\0') (void)unlink(file_path);
    (void)snprintf(file_path, sizeof file_path, "%s/%s", folder, name);
    int fd = open(file_path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    const char *p = data;
    while (bytes > 0) {
        ssize_t put = write(fd, p, bytes);
        assert_true(put > 0);
        p += put;
        bytes -= (size_t)put;
    }
    assert_int_equal(close(fd), 0);
    return file_path;
}

/* Records as "LINE LABEL|TEXT" and "LINE !REASON", one a line; a label of "-" is none. */
static char out[1 << 20];
static char said[1024];
static int64_t replaced_utf8, replaced_nul;

static dbt_status read_path(const char *path, const dbt__reader_options *options, dbt_error *err)
{
    dbt__catalog *catalog = NULL;
    dbt__reader *reader = NULL;
    dbt__stream *stream;
    const dbt__part *part;
    size_t used = 0;
    out[0] = said[0] = '\0';
    dbt_status status =
        dbt__catalog_open(path, options->format, true, (dbt__waiting){0}, &catalog, err);
    if (status == DBT_OK) status = dbt__reader_new(options, &reader, err);
    while (status == DBT_OK && (status = dbt__catalog_next(catalog, &part, err)) == DBT_OK) {
        status = dbt__catalog_stream(catalog, &stream, err);
        if (status == DBT_OK) status = dbt__reader_start(reader, stream, part, err);
        if (status < 0) break;
        (void)snprintf(said, sizeof said, "%s", dbt__reader_said(reader));
        const dbt__record *record;
        while ((status = dbt__reader_next(reader, &record, err)) == DBT_OK) {
            int put;
            if (record->reason != NULL) assert_true(dbt__is_utf8(record->reason));
            if (record->reason != NULL)
                put = snprintf(out + used, sizeof out - used, "%d !%s\n", (int)record->line,
                               record->reason);
            else
                put = snprintf(out + used, sizeof out - used, "%d %.*s|%.*s\n", (int)record->line,
                               record->labelled ? (int)record->label.bytes : 1,
                               record->labelled ? record->label.data : "-", (int)record->text.bytes,
                               record->text.data);
            used += (size_t)put;
            assert_true(used < sizeof out);
        }
        if (status == DBT_DONE) {
            const dbt__record *again;
            assert_int_equal(dbt__reader_next(reader, &again, err), DBT_DONE);
            status = DBT_OK;
        }
    }
    if (reader != NULL) {
        replaced_utf8 = dbt__reader_replaced_utf8(reader);
        replaced_nul = dbt__reader_replaced_nul(reader);
    }
    dbt__reader_free(reader);
    dbt__catalog_close(catalog);
    return status == DBT_DONE ? DBT_OK : status;
}

static void expect(const char *path, const dbt__reader_options *options, const char *expected)
{
    dbt_error err = {0};
    assert_ok(read_path(path, options, &err), err);
    assert_string_equal(out, expected);
}

static const size_t chunks[] = {1, 2, 3, 7, 64, 4096};

/* The same records for every chunk size. */
static void expect_at_all_chunks(const char *path, dbt__reader_options options,
                                 const char *expected)
{
    for (size_t i = 0; i < sizeof chunks / sizeof *chunks; i++) {
        options.chunk = options.sample = chunks[i];
        print_message("chunk %zu\n", chunks[i]);
        expect(path, &options, expected);
    }
}

/* --- csv --- */

typedef struct csv_case {
    const char *name, *data, *expected;
} csv_case;

static const csv_case csv_cases[] = {
    {"plain", "a,x\nb,y\n", "1 a|x\n2 b|y\n"},
    {"no final newline", "a,x\nb,y", "1 a|x\n2 b|y\n"},
    {"crlf", "a,x\r\nb,y\r\n", "1 a|x\n2 b|y\n"},
    {"lone cr", "a,x\rb,y\r", "1 a|x\n2 b|y\n"},
    {"mixed breaks", "a,x\rb,y\r\nc,z\n\nd,w", "1 a|x\n2 b|y\n3 c|z\n5 d|w\n"},
    {"blank lines", "\n\na,x\n\r\n\nb,y\n\n", "3 a|x\n6 b|y\n"},
    {"byte order mark", "\xef\xbb\xbf\"a\",x\n", "1 a|x\n"},
    {"quotes", "\"a\",\"x, y\"\n", "1 a|x, y\n"},
    {"doubled quotes", "a,\"say \"\"hi\"\"\"\n", "1 a|say \"hi\"\n"},
    {"only doubled quotes", "a,\"\"\"\"\n", "1 a|\"\n"},
    {"empty quoted text", "a,\"\"\n", "1 a|\n"},
    {"empty text", "a,\nb,", "1 a|\n2 b|\n"},
    {"newline in quotes", "a,\"x\ny\"\nb,z\n", "1 a|x\ny\n3 b|z\n"},
    {"crlf in quotes", "a,\"x\r\ny\"\r\nb,z\r\n", "1 a|x\r\ny\n3 b|z\n"},
    {"cr in quotes", "a,\"x\ry\"\rb,z", "1 a|x\ry\n3 b|z\n"},
    {"quote inside an unquoted field", "a,x \"y\" z\n", "1 a|x \"y\" z\n"},
    {"quote at the end of data", "a,\"x\"", "1 a|x\n"},
    {"text after a quote", "a,\"x\"y\nb,z\n", "1 !text after a closing quote\n2 b|z\n"},
    {"space after a quote", "a,\"x\" \r\nb,z\n", "1 !text after a closing quote\n2 b|z\n"},
    {"text after a quote across lines", "a,\"x\ny\"z\nb,z\n",
     "1 !the quote that opens here is closed in line 2, with text after it\n2 !has 1 field, needs "
     "2\n"
     "3 b|z\n"},
    {"stray quote before a quoted word", "a,x\nb,\"y y\nc,z\nd,he said \"no\" to w\ne,v\n",
     "1 a|x\n2 !the quote that opens here is closed in line 4, with text after it\n3 c|z\n"
     "4 d|he said \"no\" to w\n5 e|v\n"},
    {"text after a quote on a later line", "\"a\na\",\"x\"y\nb,z\n",
     "2 !text after a closing quote\n3 b|z\n"},
    {"quotes escaped by backslashes", "a,\"he said \\\"hi\\\" ok\"\nb,\"\\\"x\"\nc,z\n",
     "1 !text after a closing quote: a quote within quotes is doubled (\"\"), not written \\\"\n"
     "2 !text after a closing quote: a quote within quotes is doubled (\"\"), not written \\\"\n"
     "3 c|z\n"},
    {"a quote escaped by a backslash on a later line", "a,\"x\ny \\\"z\"\nb,w\n",
     "1 !the quote that opens here is closed in line 2, with text after it: a quote within quotes "
     "is doubled (\"\"), not written \\\"\n2 !has 1 field, needs 2\n3 b|w\n"},
    {"open quote", "a,x\nb,\"y\nc,z\n",
     "1 a|x\n2 !the quote that opens here is never closed\n3 c|z\n"},
    {"open quote on a later line", "a,x\n\"b\nb\",\"y\nc,z\n",
     "1 a|x\n3 !the quote that opens here is never closed\n4 c|z\n"},
    {"quote as the last byte", "a,x\nb,\"",
     "1 a|x\n2 !the quote that opens here is never closed\n"},
    {"too few fields", "a,x\nb\nc,z\n", "1 a|x\n2 !has 1 field, needs 2\n3 c|z\n"},
    {"more fields are text", "a,x\nb,y,z\n", "1 a|x\n2 b|y, z\n"},
    {"empty label", ",x\n\"\",y\nc,z\n", "1 !empty label\n2 !empty label\n3 c|z\n"},
    {"label is kept as it is", " 5 ,x\n007,y\n1e3,z\n", "1  5 |x\n2 007|y\n3 1e3|z\n"},
    {"joined fields", "1,\"a \"\"b\"\"\",c\n2,,\n", "1 1|a \"b\", c\n2 2|, \n"},
    {"backslashes are kept", "1,\"a\\nb \\\"\"c\\\"\"\"\n", "1 1|a\\nb \\\"c\\\"\n"},
    {"empty file", "", ""},
    {"blank file", "\n\r\n\n", ""},
    {"one byte", "a", "1 !has 1 field, needs 2\n"},
};

static void test_csv__corner_cases_at_every_chunk_size(void **state)
{
    (void)state;
    dbt__reader_options options;
    dbt__reader_options_init(&options);
    options.format = DBT__CSV;
    options.header = DBT__HEADER_NO;
    for (size_t i = 0; i < sizeof csv_cases / sizeof *csv_cases; i++) {
        print_message("%s\n", csv_cases[i].name);
        const char *path = write_file("a.csv", csv_cases[i].data, strlen(csv_cases[i].data));
        expect_at_all_chunks(path, options, csv_cases[i].expected);
    }
}

static void test_csv__unescapes_when_asked_and_says_so_when_not(void **state)
{
    (void)state;
    static const char data[] = "1,\"a\\nb \\\"\"c\\\"\" \\\\n \\t\\\"\nx,\\\n";
    static const char good[] = "1,\"a\\nb \\\"\"c\\\"\" \\\\n \\t\"\n2,d\\\n";
    (void)data;
    dbt__reader_options options;
    dbt__reader_options_init(&options);
    const char *path = write_file("a.csv", good, strlen(good));
    expect(path, &options, "1 1|a\\nb \\\"c\\\" \\\\n \\t\n2 2|d\\\n");
    assert_non_null(strstr(said, "--unescape"));
    options.unescape = true;
    expect(path, &options, "1 1|a\nb \"c\" \\n \\t\n2 2|d\\\n");
    assert_null(strstr(said, "--unescape"));
}

/* What is said of a file. */
static const char *hear(const char *name, const char *data, const dbt__reader_options *options)
{
    dbt_error err = {0};
    assert_ok(read_path(write_file(name, data, strlen(data)), options, &err), err);
    return said;
}

static void test_tsv__says_that_fields_are_quoted(void **state)
{
    (void)state;
    static const struct {
        const char *data;
        bool said;
    } cases[] = {
        {"\"ham\"\t\"text \"\"x\"\" y\"\n\"spam\"\t\"z\"\n", true},
        {"ham\t\"a \"\"b\"\"\"\nham\tc\nspam\t\"\"\"d\"\"\"\nspam\t\"\"\"e\"\"\"", true},
        {"ham\t\"a\" or \"b\"\nham\t\"c\" d\nspam\te \"f\"\nspam\t\"\n", false},
        {"ham\t\"a\"\nspam\t\"b\"\nspam\tc\n", false},
        {"\t\t\n\"", false},
    };
    static const char advice[] =
        ", fields in quotes are kept as they are (--format csv --delimiter "
        "tab reads them)";
    dbt__reader_options options;
    dbt__reader_options_init(&options);
    options.format = DBT__TSV;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool has = strstr(hear("a.tsv", cases[i].data, &options), advice) != NULL;
        if (has != cases[i].said) fail_msg("%zu: %s", i, said);
    }
    options.delimiter = '|';
    assert_non_null(strstr(hear("a.tsv", "\"a\"|\"b\"\n\"c\"|\"d\"\n", &options),
                           "(--format csv --delimiter '|' reads them)"));
    /* csv reads them so. */
    options.format = DBT__CSV;
    options.delimiter = '\t';
    assert_null(strstr(hear("a.csv", cases[0].data, &options), "in quotes"));
}

static void test_csv__refuses_long_records_in_bounded_memory(void **state)
{
    (void)state;
    char data[4000];
    memset(data, 'x', sizeof data);
    memcpy(data, "a,", 2);
    memcpy(data + 1500, "\nb,\"", 4); /* a quoted field with line breaks, too long too */
    data[2000] = data[2100] = '\n';
    memcpy(data + 2200, "\"\"", 2);
    memcpy(data + 3500, "\",y\nc,z\n", 8);
    dbt__reader_options options;
    dbt__reader_options_init(&options);
    options.format = DBT__CSV;
    options.header = DBT__HEADER_NO;
    options.max_document = 1000;
    const char *path = write_file("a.csv", data, 3508);
    expect_at_all_chunks(path, options,
                         "1 !longer than 1000 bytes (--max-document)\n"
                         "2 !the quote that opens here is not closed within 1000 bytes\n"
                         "5 c|z\n");
}

/* What is skipped ends where its line does, however that ends, and whichever quote of a run of them
 * is the last that is in memory. */
static void test_csv__goes_on_behind_a_long_record(void **state)
{
    (void)state;
    enum { LONG = 1200 };
    static const char *const ends[] = {"\n", "\r\n", "\r"};
    static const char *const lasts[] = {"\"",   "\"\"\"", "\"\"x\"\"\"\"\"",
                                        "\n\"", "\r\"",   "\r\n\"\"\""};
    dbt__reader_options options;
    dbt__reader_options_init(&options);
    options.format = DBT__CSV;
    options.header = DBT__HEADER_NO;
    options.max_document = 1000;
    char text[LONG + 1], data[3 * LONG], expected[200];
    memset(text, 'x', LONG);
    text[LONG] = '\0';
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        for (size_t j = 0; j < sizeof lasts / sizeof *lasts; j++) {
            const char *end = ends[i];
            int n = snprintf(data, sizeof data, "a,%s%sb,y%sc,\"%s%s%sd,z", text, end, end, text,
                             lasts[j], end);
            bool two_lines = strpbrk(lasts[j], "\r\n") != NULL;
            (void)snprintf(expected, sizeof expected,
                           "1 !longer than 1000 bytes (--max-document)\n"
                           "2 b|y\n"
                           "3 !the quote that opens here is not closed within 1000 bytes\n"
                           "%d d|z\n",
                           two_lines ? 5 : 4);
            expect_at_all_chunks(write_file("a.csv", data, (size_t)n), options, expected);
            /* and where nothing follows */
            size_t whole = (size_t)n - strlen("d,z");
            *strrchr(expected, '\n') = '\0';
            strrchr(expected, '\n')[1] = '\0';
            expect_at_all_chunks(write_file("a.csv", data, whole), options, expected);
            whole -= strlen(end);
            expect_at_all_chunks(write_file("a.csv", data, whole), options, expected);
        }
}

static void test_csv__refuses_too_many_fields(void **state)
{
    (void)state;
    enum { FIELDS = 65537 };
    char *data = malloc(FIELDS + 8);
    assert_non_null(data);
    memset(data, ',', FIELDS);
    memcpy(data + FIELDS, "\na,b\n", 6);
    dbt__reader_options options;
    dbt__reader_options_init(&options);
    options.format = DBT__CSV;
    options.header = DBT__HEADER_NO;
    options.sample = 1;
    expect(write_file("a.csv", data, FIELDS + 5), &options, "1 !more than 65536 fields\n2 a|b\n");
    free(data);
}

static void test_lines__longer_than_a_document_are_refused(void **state)
{
    (void)state;
    static const char lines[] = "__label__a much too long a text\n__label__b x\n";
    static const char objects[] = "{\"label\":\"a\",\"text\":\"much too long a text\"}\n"
                                  "{\"label\":1,\"text\":2}\n";
    dbt__reader_options options;
    dbt__reader_options_init(&options);
    options.max_document = 24;
    options.format = DBT__FASTTEXT;
    expect_at_all_chunks(write_file("a.txt", lines, sizeof lines - 1), options,
                         "1 !longer than 24 bytes (--max-document)\n2 b|x\n");
    options.format = DBT__JSONL;
    expect_at_all_chunks(write_file("a.jsonl", objects, sizeof objects - 1), options,
                         "1 !longer than 24 bytes (--max-document)\n2 1|2\n");
}

static void test_csv__an_open_quote_takes_no_memory(void **state)
{
    (void)state;
    /* The quote opens on line 2 and 2 MB follow: the window must not hold them. */
    size_t bytes = 2 << 20;
    char *data = malloc(bytes);
    assert_non_null(data);
    memset(data, '\n', bytes);
    memcpy(data, "a,b\nc,\"", 7);
    dbt__reader_options options;
    dbt__reader_options_init(&options);
    options.max_document = 10000;
    dbt_error err = {0};
    assert_int_equal(read_path(write_file("a.csv", data, bytes), &options, &err), DBT_EDATA);
    assert_non_null(
        strstr(err.message, "a.csv:2: the quote that opens here is never closed: mend"));
    /* Where it is closed in the end, it was a long text. */
    memcpy(data + bytes - 7, "\"\nd,e\n", 6);
    char expected[200];
    (void)snprintf(
        expected, sizeof expected,
        "1 a|b\n2 !the quote that opens here is not closed within 10000 bytes\n%zu d|e\n",
        bytes - 7 - 7 + 2 + 1);
    expect(write_file("a.csv", data, bytes), &options, expected);
    free(data);
}

/* --- columns --- */

typedef struct column_case {
    const char *data, *label, *text1, *text2;
    dbt__header header;
    dbt_status status;
    const char *expected; /* records, or a part of the message */
    const char *said;
} column_case;

static const column_case column_cases[] = {
    {"1,x\n", NULL, NULL, NULL, 0, DBT_OK, "1 1|x\n",
     "csv, no header, label = column 1, text = column 2"},
    {"text,Label\nx,1\n", NULL, NULL, NULL, 0, DBT_OK, "2 1|x\n",
     "csv, header, label = 'Label', text = 'text'"},
    {"id,review,title,stars\n7,x,t,4\n", NULL, NULL, NULL, 0, DBT_OK, "2 4|t, x\n",
     "csv, header, label = 'stars', text = 'title' + 'review'"},
    {"text,label\n", NULL, NULL, NULL, DBT__HEADER_NO, DBT_OK, "1 text|label\n", NULL},
    {"p,q\na,b\n", NULL, NULL, NULL, DBT__HEADER_YES, DBT_EDATA, "(columns: p, q)", NULL},
    {"p,label\na,b\n", NULL, NULL, NULL, 0, DBT_OK, "2 b|a\n",
     "csv, header, label = 'label', text = 'p'"},
    {"label,title\na,b\n", NULL, NULL, NULL, 0, DBT_OK, "2 a|b\n",
     "csv, header, label = 'label', text = 'title'"},
    {"p,text\na,b\n", NULL, NULL, NULL, 0, DBT_EDATA, "--label-column", NULL},
    {"p,label,q\na,b,c\n", NULL, NULL, NULL, 0, DBT_EDATA, "--text-column", NULL},
    {"p,q\na,b\n", "q", "p", NULL, 0, DBT_OK, "2 b|a\n", "csv, header, label = 'q', text = 'p'"},
    {"p,q\na,b\n", "2", "1", NULL, 0, DBT_OK, "1 q|p\n2 b|a\n",
     "csv, no header, label = column 2, text = column 1"},
    {"p,q,r\na,b,c\n", "none", NULL, NULL, 0, DBT_OK, "1 -|p, q, r\n2 -|a, b, c\n",
     "csv, no header, no label, text = column 1 + column 2 + column 3"},
    {"none,x\nother,y\n", "none", NULL, NULL, 0, DBT_OK, "1 -|none, x\n2 -|other, y\n",
     "csv, no header, no label, text = column 1 + column 2"},
    {"p,q,r\na,b,c\n", "1", "3", "2", 0, DBT_OK, "1 p|r, q\n2 a|c, b\n", NULL},
    {"p,q,r\na,b,c\n", "2", NULL, NULL, 0, DBT_OK, "1 q|p, r\n2 b|a, c\n", NULL},
    {"p,q\na,b\n", "9", NULL, NULL, 0, DBT_EUSAGE, "no column '9'", NULL},
    {"text,label\na,b\n", "lable", NULL, NULL, 0, DBT_EUSAGE, "(columns: text, label)", NULL},
    {"p,q\na,b\n", "1", "x", NULL, 0, DBT_EUSAGE, "no column 'x'", NULL},
    {"label,text,text\na,b,c\n", NULL, NULL, NULL, 0, DBT_EDATA, "columns 2 and 3 are both", NULL},
    {"title,title,text,label\na,b,c,d\n", NULL, NULL, NULL, 0, DBT_EDATA, "'title'", NULL},
    {"p,p,text\na,b,c\n", "p", NULL, NULL, 0, DBT_EUSAGE, "--label-column takes a number", NULL},
    {"Text,text,label\na,b,c\n", NULL, NULL, NULL, 0, DBT_OK, "2 c|b\n", NULL},
    {"label,text\na,b\n", NULL, "label", NULL, 0, DBT_EUSAGE, "'label' would be the label", NULL},
    {"a,b\n", "2", "1", "2", 0, DBT_EUSAGE, "column 2 would be the label", NULL},
    {"label,text\na\nb,c,d\ne,f\n", NULL, NULL, NULL, 0, DBT_OK,
     "2 !has 1 field, the header has 2\n3 !has 3 fields, the header has 2\n4 e|f\n", NULL},
};

static void test_columns__are_detected_or_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof column_cases / sizeof *column_cases; i++) {
        const column_case *c = &column_cases[i];
        const char *texts[] = {c->text1, c->text2};
        dbt__reader_options options;
        dbt__reader_options_init(&options);
        options.label_column = c->label;
        options.text_column = texts;
        options.n_text_columns = (c->text1 != NULL) + (size_t)(c->text2 != NULL);
        options.header = c->header;
        dbt_error err = {0};
        print_message("case %zu\n", i);
        dbt_status status =
            read_path(write_file("a.csv", c->data, strlen(c->data)), &options, &err);
        if (status != c->status) fail_msg("%d: %s", status, err.message);
        if (c->status < 0)
            assert_non_null(strstr(err.message, c->expected));
        else
            assert_string_equal(out, c->expected);
        if (c->said != NULL) assert_string_equal(said, c->said);
    }
}

static void test_classes__name_the_labels(void **state)
{
    (void)state;
    dbt_error err = {0};
    dbt__class_names classes;
    static const char names[] = "World\r\nSport\n\n";
    assert_ok(dbt__class_names_parse(names, sizeof names - 1, "classes.txt", &classes, &err), err);
    assert_int_equal(classes.n, 2);
    dbt__reader_options options;
    dbt__reader_options_init(&options);
    options.classes = &classes;
    options.classes_name = "classes.txt";
    static const char data[] = "2,x\n1,y\n3,z\n0,v\nx,w\n";
    expect(write_file("a.csv", data, sizeof data - 1), &options,
           "1 Sport|x\n2 World|y\n3 !label '3' is not one of the 2 classes of 'classes.txt', "
           "counted from 1\n"
           "4 !label '0' is not one of the 2 classes of 'classes.txt', counted from 1\n"
           "5 !label 'x' is not one of the 2 classes of 'classes.txt', counted from 1\n");
    static const char latin[] = "caf\xe9,x\n\"\xc3\n\",y\n";
    expect(write_file("a.csv", latin, sizeof latin - 1), &options,
           "1 !label 'caf?' is not one of the 2 classes of 'classes.txt', counted from 1\n"
           "2 !label '?\n' is not one of the 2 classes of 'classes.txt', counted from 1\n");
    dbt__class_names_release(&classes);
    static const char gap[] = "a\n\nb\n";
    assert_int_equal(dbt__class_names_parse(gap, sizeof gap - 1, "c.txt", &classes, &err),
                     DBT_EDATA);
    assert_string_equal(err.message, "c.txt:2: empty class name");
    err = (dbt_error){0};
    static const char twice[] = "b\na\nB\nb\nc";
    assert_int_equal(dbt__class_names_parse(twice, sizeof twice - 1, "c.txt", &classes, &err),
                     DBT_EDATA);
    assert_string_equal(err.message, "c.txt:4: class name 'b' is that of line 1, too");
}

static void test_classes__are_labels_themselves(void **state)
{
    (void)state;
    dbt_error err = {0};
    dbt__class_names classes;
    static const char names[] = "World\nSport\n2\n12345678901234567890\nSci/Tech\n1a\nWor";
    assert_ok(dbt__class_names_parse(names, sizeof names - 1, "c.txt", &classes, &err), err);
    static const struct {
        const char *label, *name;
    } cases[] = {{"World", "World"}, {"Wor", "Wor"},
                 {"1a", "1a"},       {"Sci/Tech", "Sci/Tech"},
                 {"2", "Sport"},     {"3", "2"},
                 {"007", "Wor"},     {"0", NULL},
                 {"8", NULL},        {"12345678901234567890", NULL},
                 {"world", NULL},    {"Worl", NULL},
                 {"Worlds", NULL},   {"World ", NULL},
                 {"A", NULL},        {"zzz", NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const dbt_text label = {cases[i].label, strlen(cases[i].label)};
        const char *name = dbt__class_names_find(&classes, label);
        print_message("%s\n", cases[i].label);
        assert_int_equal(name == NULL, cases[i].name == NULL);
        if (name != NULL) assert_string_equal(name, cases[i].name);
    }
    dbt__class_names_release(&classes);
}

/* A label, or the name of a file or of a member, that is too long to be shown ends with a character
 * of it, wherever its end is; a character is one of two, three or four bytes. */
static void test_reasons__end_with_a_character(void **state)
{
    (void)state;
    static const char *const characters[] = {"\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
    static char *name[] = {"World"};
    static char *const *sorted[] = {name};
    const dbt__class_names classes = {1, name, sorted};
    for (size_t i = 0; i < 12; i++) {
        char shown[301], data[400], expected[700];
        const char *character = characters[i / 4];
        size_t width = strlen(character), used = i % 4;
        memset(shown, 'a', used);
        for (; used + width < sizeof shown; used += width)
            memcpy(shown + used, character, width);
        shown[used] = '\0';
        dbt__reader_options options;
        dbt__reader_options_init(&options);
        options.classes = &classes;
        options.classes_name = shown;
        int label = (int)(40 - (40 - i % 4) % width), member = (int)(80 - (80 - i % 4) % width);
        int put = snprintf(expected, sizeof expected,
                           "1 !label '%.*s' is not one of the 1 classes of '", label, shown);
        int rest = 255 - (put - 3);
        rest -= (rest - (int)(i % 4)) % (int)width;
        (void)snprintf(expected + put, sizeof expected - (size_t)put, "%.*s\n", rest, shown);
        (void)snprintf(data, sizeof data, "%s,x\n", shown);
        expect(write_file("a.csv", data, strlen(data)), &options, expected);
        options.classes = NULL;
        options.label_column = shown;
        (void)snprintf(expected, sizeof expected,
                       "1 !no label: '%.*s' is missing\n2 !no text: 'text' is missing\n", member,
                       shown);
        (void)snprintf(data, sizeof data, "{\"text\":\"x\"}\n{\"%s\":1}\n", shown);
        expect(write_file("a.jsonl", data, strlen(data)), &options, expected);
    }
}

/* --- formats --- */

typedef struct format_case {
    const char *name, *data, *expected, *said;
} format_case;

static const format_case format_cases[] = {
    {"a.tsv", "ham\t\"x\nspam\ty \"z\"\n", "1 ham|\"x\n2 spam|y \"z\"\n",
     "tsv, no header, label = column 1, text = column 2"},
    {"a.txt", "ham\tx, y\nspam\tz\n", "1 ham|x, y\n2 spam|z\n",
     "tsv, no header, label = column 1, text = column 2"},
    {"a", "ham,x\ty\nspam,z\n", "1 ham|x\ty\n2 spam|z\n",
     "csv, no header, label = column 1, text = column 2"},
    {"a.data", "\n {\"label\": 1, \"text\": \"x\"}\n", "2 1|x\n",
     "jsonl, label = 'label', text = 'text'"},
    {"a.train", "__label__a x y\n__label__b\n", "1 a|x y\n2 b|\n", "fasttext, label = __label__"},
    {"a.jsonl",
     "{\"text\":\"x\\ny\",\"stars\":1.50}\n\n{\"stars\":-0,\"text\":true}\n"
     "{\"stars\":\"a\",\"text\":12345678901234567}\n{\"stars\":false,\"text\":\"\"}\n",
     "1 1.50|x\ny\n3 -0|true\n4 a|12345678901234567\n5 false|\n",
     "jsonl, label = 'stars', text = 'text'"},
    {"a.jsonl",
     "{\"text\":\"x\",\"label\":null}\n{\"text\":\"x\"}\n[1]\n{\"label\":\"a\"}\n"
     "{\"label\":\"\",\"text\":\"x\"}\n{\"label\":[1],\"text\":\"x\"}\n{\"label\":\"l\",\"text\":{}"
     "}\n",
     "1 !no label: 'label' is null\n2 !no label: 'label' is missing\n3 !no JSON object\n"
     "4 !no text: 'text' is missing\n5 !empty label\n6 !no label: 'label' is an array\n"
     "7 !no text: 'text' is an object\n",
     NULL},
    {"a.jsonl",
     "{\"label\":\"a\",\"title\":\"t\",\"body\":\"b\"}\r{\"label\":1e3,\"l\\u0061bel\":7e1,"
     "\"title\":\"t\",\"body\":\"u\"}",
     "1 a|t, b\n2 7e1|t, u\n", "jsonl, label = 'label', text = 'title' + 'body'"},
    {"a.jsonl",
     "{\"label\":\"a\",\"title\":\"t\",\"text\":\"x\"}\n{\"label\":\"a\",\"text\":\"y\"}\n"
     "{\"label\":\"a\",\"title\":null,\"text\":\"z\"}\n{\"label\":\"a\",\"title\":\"t\"}\n",
     "1 a|t, x\n2 a|y\n3 a|z\n4 !no text: 'text' is missing\n",
     "jsonl, label = 'label', text = 'title' + 'text'"},
    {"a.jsonl",
     "{ \"more\" : [1, {\"label\": \"}\"}, []]\t,\"label\":\t1.50 ,\"x\\\"y\": \"{\","
     " \"text\" : \"x\"\t}\n{\"text\":2,\"label\":3}\n",
     "1 1.50|x\n2 3|2\n", NULL},
    {"a.jsonl",
     "{\"id\":12345678901234567890,\"label\":12,\"text\":\"x\"}\n"
     "{\"id\":-98765432109876543210,\"label\":-0,\"text\":\"y\",\"of\":[18446744073709551615]}\n"
     "{\"label\":18446744073709551615,\"text\":-9223372036854775809}\n"
     "{\"id\":1e309,\"label\":1,\"text\":\"x\"}\n",
     "1 12|x\n2 -0|y\n3 18446744073709551615|-9223372036854775809\n4 1|x\n",
     "jsonl, label = 'label', text = 'text'"},
    {"a.jsonl",
     "{\"id\":1e309,\"label\":-1.5E+400,\"text\":1e309}\n"
     "{\"of\":[-1e999,\"1e309\", 2E400],\"label\":\"a\\u0000\",\"text\":\"\\\\ "
     "1e309\",\"to\":-9e308}\n"
     "{\"label\":1e-999,\"text\":\"\xc3\xa9\",\"a\":1e309\t,\"b\":{\"c\" : 1e309 }}\n"
     "{\"label\":\"1e309\",\"text\":\"x\",\"a\":1e309,}\n",
     "1 -1.5E+400|1e309\n2 a\xef\xbf\xbd|\\ 1e309\n3 1e-999|\xc3\xa9\n"
     "4 !invalid JSON at byte 39: string or '}' expected near '}'\n",
     "jsonl, label = 'label', text = 'text'"},
    {"a.jsonl", "no json\n{\"text\"\n",
     "1 !invalid JSON at byte 2: '[' or '{' expected near 'no'\n"
     "2 !invalid JSON at byte 7: ':' expected near end of file\n",
     NULL},
    {"a.jsonl", "{\"text\":\"x\",\"label\":\"\\\xc3\xa9\"}\n",
     "1 !invalid JSON at byte 23: invalid escape near '\"\\?'\n", NULL},
    {"a.fasttext",
     "__label__a __label__b x\nx\n__label__ x\n__label__c x __label__d\n__label__e\tx\n",
     "1 !several labels: one label a document is supported\n"
     "2 !no label: it does not begin with '__label__'\n3 !empty label\n"
     "4 !several labels: one label a document is supported\n5 e|x\n",
     NULL},
};

static void test_lines__without_a_label_are_plain_text(void **state)
{
    (void)state;
    static const char lines[] = "of, not horrid\n\"I loved it\", she said\nfine\n";
    dbt__reader_options options;
    dbt__reader_options_init(&options);
    options.label_column = "none";
    expect(write_file("a.txt", lines, sizeof lines - 1), &options,
           "1 -|of, not horrid\n2 -|\"I loved it\", she said\n3 -|fine\n");
    static const char rows[] = "x,y\n\"z\",v\n";
    expect(write_file("a.csv", rows, sizeof rows - 1), &options, "1 -|x, y\n2 -|z, v\n");
    options.delimiter = ',';
    expect(write_file("a.txt", rows, sizeof rows - 1), &options, "1 -|x, y\n2 -|z, v\n");
}

static void test_labels__longer_than_any_name_are_refused(void **state)
{
    (void)state;
    char *data = dbt__alloc_array(2 * DBT__LABEL_BYTES + 64, 1), expected[DBT__LABEL_BYTES + 128];
    assert_non_null(data);
    size_t bytes = 0;
    for (size_t i = 0; i < 2; i++) {
        memset(data + bytes, 'a', DBT__LABEL_BYTES + i);
        memcpy(data + bytes + DBT__LABEL_BYTES + i, ",x\n", 3);
        bytes += DBT__LABEL_BYTES + i + 3;
    }
    (void)snprintf(expected, sizeof expected, "1 %.*s|x\n2 !label of 65537 bytes, at most 65536\n",
                   (int)DBT__LABEL_BYTES, data);
    dbt__reader_options options;
    dbt__reader_options_init(&options);
    expect(write_file("long-label.csv", data, bytes), &options, expected);
    dbt__free(data);
}

static void test_formats__are_detected_by_name_and_content(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof format_cases / sizeof *format_cases; i++) {
        const format_case *c = &format_cases[i];
        dbt__reader_options options;
        dbt__reader_options_init(&options);
        print_message("case %zu\n", i);
        if (strcmp(c->name, "a.fasttext") == 0) options.format = DBT__FASTTEXT;
        expect(write_file(c->name, c->data, strlen(c->data)), &options, c->expected);
        if (c->said != NULL) assert_string_equal(said, c->said);
    }
}

/* A line of an array of numbers. */
static void expect_of_numbers(const char *numbers, const char *expected)
{
    char data[512];
    dbt__reader_options options;
    dbt__reader_options_init(&options);
    (void)snprintf(data, sizeof data, "{\"label\":\"a\",\"text\":\"x\",\"of\":[%s]}\n", numbers);
    expect_at_all_chunks(write_file("a.jsonl", data, strlen(data)), options, expected);
}

static void test_jsonl__numbers_too_large_for_a_double_are_as_valid_as_others(void **state)
{
    (void)state;
    char many[400], digits[401];
    memset(digits, '7', sizeof digits - 1);
    digits[400] = '\0';
    static const char *const invalid[] = {"1-1e309", "1e5-1e309", "1e309-1",    "1e309.5",
                                          "1e309e5", "1e309 5",   "1e3091e309", "--1e309",
                                          "+1e309",  "01e309",    "1.e309",     ".1e309",
                                          "1e309.",  "1e309-",    "true-1e309", "1e309true"};
    static const char *const valid[] = {"1e309", "1e309 ", " -1e309", "1E+309,-1E+309", "0.1e310"};
    for (size_t i = 0; i < sizeof valid / sizeof *valid; i++)
        expect_of_numbers(valid[i], "1 a|x\n");
    expect_of_numbers(digits, "1 a|x\n");
    for (size_t i = 0; i < sizeof invalid / sizeof *invalid; i++) {
        char data[128];
        dbt__reader_options options;
        dbt_error err = {0};
        dbt__reader_options_init(&options);
        (void)snprintf(data, sizeof data, "{\"label\":\"a\",\"text\":\"x\",\"of\":[%s]}\n",
                       invalid[i]);
        assert_ok(read_path(write_file("a.jsonl", data, strlen(data)), &options, &err), err);
        if (strncmp(out, "1 !invalid JSON", 15) != 0) fail_msg("'%s': %s", invalid[i], out);
    }
    for (int n = 15; n <= 17; n++) {
        for (int i = 0; i < n; i++)
            memcpy(many + 6 * i, "1e309,", 6);
        many[6 * n - 1] = '\0';
        expect_of_numbers(many, n <= 16 ? "1 a|x\n"
                                        : "1 !invalid JSON at byte 131: real number overflow near "
                                          "'1e309'\n");
    }
}

static void test_delimiter__may_be_chosen(void **state)
{
    (void)state;
    dbt__reader_options options;
    dbt__reader_options_init(&options);
    options.delimiter = ';';
    static const char data[] = "a;\"x;y\"\nb;z,w\n";
    expect(write_file("a.csv", data, sizeof data - 1), &options, "1 a|x;y\n2 b|z,w\n");
    assert_string_equal(said, "csv, delimiter ';', no header, label = column 1, text = column 2");
    options.delimiter = '\t';
    static const char tabs[] = "a\t\"x\ty\"\nb\tz,w\n";
    expect(write_file("a.csv", tabs, sizeof tabs - 1), &options, "1 a|x\ty\n2 b|z,w\n");
    assert_string_equal(said, "csv, delimiter tab, no header, label = column 1, text = column 2");
    static const char other[] = "sep=;\na\tx;y\n";
    expect(write_file("a.csv", other, sizeof other - 1), &options, "2 a|x;y\n");
}

static void test_separator__may_be_the_first_line(void **state)
{
    (void)state;
    dbt__reader_options options;
    dbt__reader_options_init(&options);
    static const struct {
        const char *name, *data, *expected;
    } cases[] = {
        {"a.csv", "\xef\xbb\xbfsep=;\r\nlabel;text\r\na;x, y\r\n", "3 a|x, y\n"},
        {"a.csv", "SEP=,\na,x\n", "2 a|x\n"},
        {"a.csv", "sep=\t\na\t\"x\ty\"\n", "2 a|x\ty\n"},
        {"a.csv", "sep=|", ""},
        {"a.csv", "sep=x,y\na,z\n", "1 sep=x|y\n2 a|z\n"},
        {"a.csv", "sep=;,y\na,z\n", "1 sep=;|y\n2 a|z\n"},
        {"a.tsv", "sep=\t\na\tz\n", "1 sep=|\n2 a|z\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect(write_file(cases[i].name, cases[i].data, strlen(cases[i].data)), &options,
               cases[i].expected);
}

static void test_splits__come_from_base_names(void **state)
{
    (void)state;
    static const struct {
        const char *name, *split;
    } cases[] = {{"train.csv", "train"},
                 {"Test.CSV", "test"},
                 {"foo-dev.tsv.gz", "dev"},
                 {"a_val", "val"},
                 {"a.valid", "valid"},
                 {"imdb.csv", NULL},
                 {"latest.csv", NULL},
                 {"x-validation.jsonl.zst", "validation"},
                 {"20news-bydate-train", "train"},
                 {"train.tar.gz", "train"},
                 {".train", "train"},
                 {"contest", NULL},
                 {"", NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *split = dbt__split_of_name(cases[i].name, strlen(cases[i].name));
        if (cases[i].split == NULL)
            assert_null(split);
        else
            assert_string_equal(split, cases[i].split);
    }
}

/* --- characters --- */

static void test_utf8__every_position_of_nul_is_replaced(void **state)
{
    (void)state;
    dbt__reader_options options;
    dbt__reader_options_init(&options);
    for (size_t at = 0; at < 64; at++) {
        char data[66] = "a,", expected[80] = "1 a|";
        memset(data + 2, 'x', 64);
        data[2 + at] = '\0';
        memset(expected + 4, 'x', 66);
        memcpy(expected + 4 + at, "\xef\xbf\xbd", 3);
        memcpy(expected + 70, "\n", 2);
        expect(write_file("a.csv", data, sizeof data), &options, expected);
        assert_int_equal(replaced_nul, 1);
        assert_int_equal(replaced_utf8, 0);
    }
}

static void test_utf8__ill_formed_bytes_are_replaced_and_counted(void **state)
{
    (void)state;
    dbt__reader_options options;
    dbt__reader_options_init(&options);
    static const char data[] = "l\xffm,caf\xe9 cr\xc3\xa8me \xf0\x9f\x98 \xed\xa0\x80\n";
    expect(write_file("a.csv", data, sizeof data - 1), &options,
           "1 l\xef\xbf\xbdm|caf\xef\xbf\xbd cr\xc3\xa8me \xef\xbf\xbd "
           "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\n");
    assert_int_equal(replaced_utf8, 6);
    static const char json[] = "{\"label\":\"a\\u0000\",\"text\":\"\xff\\\\u0000\"}\n";
    expect(write_file("a.jsonl", json, sizeof json - 1), &options,
           "1 a\xef\xbf\xbd|\xef\xbf\xbd\\u0000\n");
    assert_int_equal(replaced_utf8, 1);
    assert_int_equal(replaced_nul, 1);
}

static void test_encoding__is_converted_at_every_chunk_size(void **state)
{
    (void)state;
    dbt__reader_options options;
    dbt__reader_options_init(&options);
    options.format = DBT__CSV;
    options.header = DBT__HEADER_NO;
    options.encoding = "latin1";
    static const char latin[] = "a,caf\xe9\nb,\xfc\n";
    expect_at_all_chunks(write_file("a.csv", latin, sizeof latin - 1), options,
                         "1 a|caf\xc3\xa9\n2 b|\xc3\xbc\n");
    options.encoding = "UTF-16";
    static const char wide[] = "\xff\xfe"
                               "a\0,\0\xe9\0\n\0b\0,\0\x3d\xd8\0\xde\n\0c\0,\0\x3d\xd8\n\0";
    expect_at_all_chunks(write_file("a.csv", wide, sizeof wide - 1), options,
                         "1 a|\xc3\xa9\n2 b|\xf0\x9f\x98\x80\n3 c|\xef\xbf\xbd\n");
    assert_int_equal(replaced_utf8, 1);
    options.encoding = "UTF-32LE";
    static const char wider[] =
        "a\0\0\0,\0\0\0\xe9\0\0\0\n\0\0\0b\0\0\0,\0\0\0\0\xf6\x01\0\n\0\0\0";
    expect_at_all_chunks(write_file("a.csv", wider, sizeof wider - 1), options,
                         "1 a|\xc3\xa9\n2 b|\xf0\x9f\x98\x80\n");
    options.encoding = "utf8"; /* what is not converted is repaired */
    static const char plain[] = "a,caf\xe9\n";
    expect_at_all_chunks(write_file("a.csv", plain, sizeof plain - 1), options,
                         "1 a|caf\xef\xbf\xbd\n");
    options.encoding = "cp1258"; /* iconv keeps a letter that a mark may follow to itself */
    static const char viet[] = "a,ma\xec\nb,pills";
    expect_at_all_chunks(write_file("a.csv", viet, sizeof viet - 1), options,
                         "1 a|m\xc3\xa1\n2 b|pills\n");
    options.encoding = "cp1255";
    static const char hebrew[] = "a,\xf9\xec\xe5\xed";
    expect_at_all_chunks(write_file("a.csv", hebrew, sizeof hebrew - 1), options,
                         "1 a|\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d\n");
    options.encoding = "klingon-8";
    dbt_error err = {0};
    assert_int_equal(read_path(file_path, &options, &err), DBT_EUSAGE);
    assert_non_null(strstr(err.message, "unknown encoding 'klingon-8'"));
}

static void test_foreign__content_is_refused_with_advice(void **state)
{
    (void)state;
    static const char le[] = "a\0,\0b\0c\0d\0e\0\n\0f\0,\0g\0h\0";
    static const char be[] = "\0a\0,\0b\0c\0d\0e\0\n\0f\0,\0g\0h";
    char binary[512], latin[200];
    for (size_t i = 0; i < sizeof binary; i++)
        binary[i] = (char)dbt__random_below(7, i, 256);
    memset(latin, '\xe4', sizeof latin);
    static char zeros[2000];
    const struct {
        const char *data;
        size_t bytes;
        const char *message;
    } cases[] = {
        {"\xff\xfe"
         "a\0",
         4, "a.csv: looks like UTF-16: give --encoding utf-16"},
        {"\xfe\xff\0a", 4, "a.csv: looks like UTF-16: give --encoding utf-16"},
        {"\xff\xfe\0\0a\0\0\0", 8, "a.csv: looks like UTF-32: give --encoding utf-32"},
        {"\0\0\xfe\xff\0\0\0a", 8, "a.csv: looks like UTF-32: give --encoding utf-32"},
        {"SQLite format 3\0\x10", 17, "a.csv: is an SQLite database, no text"},
        {le, sizeof le - 1, "a.csv: looks like UTF-16: give --encoding utf-16le"},
        {be, sizeof be - 1, "a.csv: looks like UTF-16: give --encoding utf-16be"},
        {binary, sizeof binary, "a.csv: "},
        {latin, sizeof latin, "a.csv: is not UTF-8: give --encoding"},
        {zeros, sizeof zeros, "a.csv: looks like binary data"},
    };
    dbt__reader_options options;
    dbt__reader_options_init(&options);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        dbt_error err = {0};
        print_message("case %zu\n", i);
        assert_int_equal(
            read_path(write_file("a.csv", cases[i].data, cases[i].bytes), &options, &err),
            DBT_EDATA);
        if (strstr(err.message, cases[i].message) == NULL) fail_msg("%s", err.message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_csv__corner_cases_at_every_chunk_size),
        cmocka_unit_test(test_csv__unescapes_when_asked_and_says_so_when_not),
        cmocka_unit_test(test_tsv__says_that_fields_are_quoted),
        cmocka_unit_test(test_csv__refuses_long_records_in_bounded_memory),
        cmocka_unit_test(test_csv__goes_on_behind_a_long_record),
        cmocka_unit_test(test_csv__refuses_too_many_fields),
        cmocka_unit_test(test_lines__longer_than_a_document_are_refused),
        cmocka_unit_test(test_csv__an_open_quote_takes_no_memory),
        cmocka_unit_test(test_columns__are_detected_or_named),
        cmocka_unit_test(test_classes__name_the_labels),
        cmocka_unit_test(test_classes__are_labels_themselves),
        cmocka_unit_test(test_reasons__end_with_a_character),
        cmocka_unit_test(test_lines__without_a_label_are_plain_text),
        cmocka_unit_test(test_labels__longer_than_any_name_are_refused),
        cmocka_unit_test(test_formats__are_detected_by_name_and_content),
        cmocka_unit_test(test_jsonl__numbers_too_large_for_a_double_are_as_valid_as_others),
        cmocka_unit_test(test_delimiter__may_be_chosen),
        cmocka_unit_test(test_separator__may_be_the_first_line),
        cmocka_unit_test(test_splits__come_from_base_names),
        cmocka_unit_test(test_utf8__every_position_of_nul_is_replaced),
        cmocka_unit_test(test_utf8__ill_formed_bytes_are_replaced_and_counted),
        cmocka_unit_test(test_encoding__is_converted_at_every_chunk_size),
        cmocka_unit_test(test_foreign__content_is_refused_with_advice),
    };
    return cmocka_run_group_tests_name("reader", tests, make_folder, remove_folder);
}
