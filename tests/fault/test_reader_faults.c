/* test_reader_faults.c: whatever fails while files, folders, archives and pipes are read. */
#include "task.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <archive.h>
#include <archive_entry.h>

#include "../scratch.h"
#include "base.h"
#include "reader.h"

/* --- what is read --- */

typedef struct entry {
    const char *path, *text;
} entry;

static const entry rows[] = {
    {"readme", "not rows\n"},
    {"train.csv", "1,\"said \"\"aye\"\"\",x\n2,b\\nc,y\n"},
    {"test.csv", "2,d,z\n1,e,w\n"},
    {"classes.txt", "first\nsecond\n"},
    {NULL, NULL},
};
static const entry documents[] = {
    {"train/neg/2.txt", "bad"},  {"train/neg/1.txt", "worse"},
    {"train/pos/1.txt", "good"}, {"train/unsup/1.txt", "so"},
    {"test/neg/1.txt", "worst"}, {"test/pos/1.txt", "better"},
    {"notes.md", "beside"},      {NULL, NULL},
};
static const entry header[] = {
    {"train.csv", "label,title,text,text2\n\"a\"\"b\",T,\"x \"\"q\"\"\",y\nb,U,z,w\nrefused\n"},
    {NULL, NULL}};
static const entry objects[] = {
    {"rows.jsonl",
     "{\"label\": \"a\", \"title\": \"T\", \"text\": \"x\", \"more\": [1, {\"k\": 2}]}\n"
     "{\"label\": 7, \"text\": \"y\\u0000\", \"large\": 1e309}\nno json\n\n{\"text\": \"z\", "
     "\"label\": null}\n"},
    {NULL, NULL}};
static const entry lines[] = {{"rows.txt", "__label__a x y\n__label__b z\n\nno label\n"},
                              {NULL, NULL}};
static const entry latin[] = {{"rows.csv", "a,caf\xe9\nb,na\xefve\n"}, {NULL, NULL}};

/* Begins as zip does, and as bzip2. */
static const entry packed_looks[] = {
    {"zip.csv", "PK,x\nb,y\n"}, {"bz2.csv", "BZh,x\nb,y\n"}, {NULL, NULL}};

static void write_files(const char *name, const entry *entries)
{
    char command[256];
    for (; entries->path != NULL; entries++) {
        char path[160];
        (void)snprintf(path, sizeof path, "%s/%s/%s", folder, name, entries->path);
        (void)snprintf(command, sizeof command, "mkdir -p \"$(dirname '%s')\"", path);
        assert_int_equal(system(command), 0);
        write_file(path, entries->text, strlen(entries->text));
    }
}

/* As files of a tar, zip or 7-zip archive, or one file as a compressed stream. */
static void write_archive(const char *name, int format, int filter, const entry *entries)
{
    struct archive *archive = archive_write_new();
    assert_int_equal(archive_write_set_format(archive, format), ARCHIVE_OK);
    assert_int_equal(archive_write_add_filter(archive, filter), ARCHIVE_OK);
    assert_int_equal(archive_write_open_filename(archive, path_of(name)), ARCHIVE_OK);
    for (; entries->path != NULL; entries++) {
        struct archive_entry *made = archive_entry_new();
        archive_entry_set_pathname(made, entries->path);
        archive_entry_set_size(made, (la_int64_t)strlen(entries->text));
        archive_entry_set_filetype(made, AE_IFREG);
        archive_entry_set_perm(made, 0644);
        assert_int_equal(archive_write_header(archive, made), ARCHIVE_OK);
        assert_int_equal(archive_write_data(archive, entries->text, strlen(entries->text)),
                         strlen(entries->text));
        archive_entry_free(made);
    }
    assert_int_equal(archive_write_close(archive), ARCHIVE_OK);
    assert_int_equal(archive_write_free(archive), ARCHIVE_OK);
}

/* --- reading --- */

typedef struct reading {
    const char *path; /* in the folder */
    bool piped;       /* it comes through stdin */
    dbt__format format;
    bool unescape;
    const char *text_column, *encoding;
} reading;

static void mix(uint64_t *digest, const char *data, size_t bytes)
{
    *digest = dbt__hash(bytes == 0 ? "" : data, bytes, *digest + bytes + 1);
}

static void mix_string(uint64_t *digest, const char *text)
{
    mix(digest, text == NULL ? "" : text, text == NULL ? 0 : strlen(text));
}

static void mix_record(uint64_t *digest, const dbt__record *record)
{
    mix(digest, (const char *)&record->line, sizeof record->line);
    mix_string(digest, record->reason);
    if (record->reason != NULL) {
        mix(digest, record->raw.data, record->raw.bytes);
        return;
    }
    if (record->labelled) mix(digest, record->label.data, record->label.bytes);
    mix(digest, record->text.data, record->text.bytes);
}

/* One part: its digest before and after, all that is said of it, its records. */
static dbt_status read_part(dbt__catalog *catalog, dbt__reader *reader, const dbt__part *part,
                            uint64_t *digest, dbt_error *err)
{
    dbt__stream *stream = NULL;
    const dbt__record *record;
    uint64_t before = 0, after = 0;
    int64_t bytes;
    bool known = false, changed;
    mix_string(digest, part->name);
    mix_string(digest, part->split);
    mix_string(digest, part->label);
    dbt_status status = dbt__catalog_digest(catalog, &before, &known, err);
    if (status == DBT_OK) status = dbt__catalog_stream(catalog, &stream, err);
    if (status == DBT_OK) status = dbt__reader_start(reader, stream, part, err);
    if (status == DBT_OK) mix_string(digest, dbt__reader_said(reader));
    while (status == DBT_OK && (status = dbt__reader_next(reader, &record, err)) == DBT_OK)
        mix_record(digest, record);
    if (status == DBT_DONE) status = dbt__stream_finish(stream, &bytes, &after, &changed, err);
    if (status == DBT_OK && known) assert_true(before == after);
    mix(digest, (const char *)&after, sizeof after);
    mix(digest, (const char *)&known, sizeof known);
    return status;
}

static dbt_status read_all(const void *what, uint64_t *digest, dbt_error *err)
{
    const reading *from = what;
    dbt__reader_options options;
    dbt__catalog *catalog = NULL;
    dbt__reader *reader = NULL;
    const dbt__part *part;
    dbt__reader_options_init(&options);
    options.format = from->format;
    options.unescape = from->unescape;
    options.encoding = from->encoding;
    options.text_column = &from->text_column;
    options.n_text_columns = from->text_column != NULL;
    options.chunk = 32;
    dbt_status status = dbt__catalog_open(from->piped ? "-" : path_of(from->path), from->format,
                                          true, (dbt__waiting){0}, &catalog, err);
    if (status == DBT_OK) status = dbt__reader_new(&options, &reader, err);
    while (status == DBT_OK && (status = dbt__catalog_next(catalog, &part, err)) == DBT_OK)
        status = read_part(catalog, reader, part, digest, err);
    dbt__reader_free(reader);
    dbt__catalog_close(catalog);
    return status == DBT_DONE ? DBT_OK : status;
}

/* Through a pipe that holds all of the file. */
static dbt_status read_pipe(const void *what, uint64_t *digest, dbt_error *err)
{
    static char data[32 * 1024];
    const reading *from = what;
    int ends[2];
    FILE *file = fopen(path_of(from->path), "rb");
    assert_non_null(file);
    size_t bytes = fread(data, 1, sizeof data, file);
    assert_true(bytes < sizeof data);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(pipe(ends), 0);
    FILE *in = fdopen(ends[1], "wb");
    assert_non_null(in);
    assert_int_equal(fwrite(data, 1, bytes, in), bytes);
    assert_int_equal(fclose(in), 0);
    assert_int_equal(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
    (void)close(ends[0]);
    return read_all(what, digest, err);
}

static const reading readings[] = {
    {.path = "header/train.csv", .unescape = true},
    {.path = "header/train.csv", .text_column = "text2"},
    {.path = "objects/rows.jsonl"},
    {.path = "objects/rows.jsonl", .text_column = "text"},
    {.path = "lines/rows.txt", .format = DBT__FASTTEXT},
    {.path = "latin/rows.csv", .encoding = "latin1"},
    {.path = "rows/"},
    {.path = "rows", .format = DBT__CSV},
    {.path = "documents"},
    {.path = "documents/train"},
    {.path = "documents/."},
    {.path = "rows.csv.gz"},
    {.path = "rows.tar.gz"},
    {.path = "rows.zip"},
    {.path = "documents.tar"},
    {.path = "documents.7z"},
    {.path = "packed_looks"},
    {.path = "packed_looks/zip.csv", .piped = true},
    {.path = "packed_looks/bz2.csv", .piped = true},
    {.path = "header/train.csv", .piped = true},
    {.path = "rows.csv.gz", .piped = true},
    {.path = "rows.tar.gz", .piped = true},
    {.path = "documents.7z", .piped = true},
    {.path = "rows.zip", .piped = true},
};

static void test_reader__fails_with_a_message_or_reads_everything(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof readings / sizeof *readings; i++) {
        char name[64];
        (void)snprintf(name, sizeof name, "%s%s", readings[i].path,
                       readings[i].piped ? " through a pipe" : "");
        const fault_task task = {name, readings[i].piped ? read_pipe : read_all, &readings[i]};
        run_task_with_faults(&task, 1);
    }
}

static int prepare(void **state)
{
    allocations_install_json();
    if (make_folder(state) != 0) return -1;
    write_files("rows", rows);
    write_files("documents", documents);
    write_files("header", header);
    write_files("objects", objects);
    write_files("lines", lines);
    write_files("latin", latin);
    write_files("packed_looks", packed_looks);
    write_archive("rows.csv.gz", ARCHIVE_FORMAT_RAW, ARCHIVE_FILTER_GZIP, header);
    write_archive("rows.tar.gz", ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_GZIP, rows);
    write_archive("rows.zip", ARCHIVE_FORMAT_ZIP, ARCHIVE_FILTER_NONE, rows);
    write_archive("documents.tar", ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_NONE, documents);
    write_archive("documents.7z", ARCHIVE_FORMAT_7ZIP, ARCHIVE_FILTER_NONE, documents);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reader__fails_with_a_message_or_reads_everything),
    };
    return cmocka_run_group_tests(tests, prepare, remove_folder);
}
