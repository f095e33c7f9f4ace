/* test_ingest.c: sources into a store: layouts, splits, refusal, recognition, clean-up. */
#include "testing.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <string.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <dbtrain/ingest.h>

#include "base.h"
#include "sql.h"
#include "store_internal.h"

/* --- a folder for each test --- */

static char folder[64];
static char path_of[16][160]; /* what at() gave, in turn */

static const char *at(const char *name)
{
    static size_t turn;
    char *path = path_of[turn++ % 16];
    (void)snprintf(path, sizeof path_of[0], "%s/%s", folder, name);
    return path;
}

static int make_folder(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof folder, "/tmp/dbtrain-test-XXXXXX");
    return mkdtemp(folder) == NULL ? -1 : 0;
}

/* Of three levels: no test makes more. */
static void empty_folder(const char *path, int levels)
{
    DIR *open = opendir(path);
    const struct dirent *entry;
    if (open == NULL) return;
    while ((entry = readdir(open)) != NULL) {
        char name[400];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        (void)snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        if (unlink(name) != 0 && levels > 0) empty_folder(name, levels - 1);
    }
    (void)closedir(open);
    (void)rmdir(path);
}

static int remove_folder(void **state)
{
    (void)state;
    empty_folder(folder, 3);
    return 0;
}

static void write_bytes(const char *path, const char *data, size_t bytes)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, bytes), bytes);
    assert_int_equal(close(fd), 0);
}

static const char *write_text(const char *name, const char *text)
{
    const char *path = at(name);
    write_bytes(path, text, strlen(text));
    return path;
}

static void make_subfolder(const char *name)
{
    assert_int_equal(mkdir(at(name), 0700), 0);
}

typedef struct entry {
    const char *name, *text; /* "-> name": a symbolic link */
} entry;

/* An archive of the entries: "tar.gz", "zip" or "7z" by its name. */
static const char *write_archive(const char *name, const entry *entries, size_t n)
{
    const char *path = at(name);
    struct archive *a = archive_write_new();
    if (strstr(name, ".zip") != NULL)
        assert_int_equal(archive_write_set_format_zip(a), ARCHIVE_OK);
    else if (strstr(name, ".7z") != NULL)
        assert_int_equal(archive_write_set_format_7zip(a), ARCHIVE_OK);
    else
        assert_int_equal(archive_write_set_format_pax_restricted(a), ARCHIVE_OK);
    if (strstr(name, ".gz") != NULL) assert_int_equal(archive_write_add_filter_gzip(a), ARCHIVE_OK);
    assert_int_equal(archive_write_open_filename(a, path), ARCHIVE_OK);
    for (size_t i = 0; i < n; i++) {
        struct archive_entry *e = archive_entry_new();
        archive_entry_set_pathname(e, entries[i].name);
        bool is_link = strncmp(entries[i].text, "-> ", 3) == 0;
        size_t bytes = is_link ? 0 : strlen(entries[i].text);
        archive_entry_set_filetype(e, is_link ? AE_IFLNK : AE_IFREG);
        if (is_link) archive_entry_set_symlink(e, entries[i].text + 3);
        archive_entry_set_perm(e, 0600);
        archive_entry_set_size(e, (la_int64_t)bytes);
        assert_int_equal(archive_write_header(a, e), ARCHIVE_OK);
        assert_int_equal(archive_write_data(a, entries[i].text, bytes), bytes);
        archive_entry_free(e);
    }
    assert_int_equal(archive_write_close(a), ARCHIVE_OK);
    assert_int_equal(archive_write_free(a), ARCHIVE_OK);
    return path;
}

/* --- a store and what is in it --- */

static dbt_store *store;
static char said[4096];
static dbt_ingest_options options;
static dbt_ingest_result result;
static dbt_error err;

static void hear(void *context, const char *line)
{
    (void)context;
    /* The folder's name changes from run to run. */
    for (const char *p = line; *p != '\0';) {
        if (strncmp(p, folder, strlen(folder)) == 0 && p[strlen(folder)] == '/') {
            p += strlen(folder) + 1;
            continue;
        }
        size_t used = strlen(said);
        assert_true(used + 2 < sizeof said);
        said[used] = *p++;
        said[used + 1] = '\0';
    }
    assert_true(strlen(said) + 2 < sizeof said);
    memcpy(said + strlen(said), "\n", 2);
}

static int open_store(void **state)
{
    if (make_folder(state) != 0) return -1;
    err = (dbt_error){0};
    dbt_ingest_options_init(&options);
    options.said = hear;
    return dbt_store_open(at("test.db"), DBT_STORE_CREATE, &store, &err) == DBT_OK ? 0 : -1;
}

static int close_store(void **state)
{
    dbt_error ignored = {0};
    dbt_status status = dbt_store_close(store, &ignored);
    store = NULL;
    (void)remove_folder(state);
    return status == DBT_OK ? 0 : -1;
}

static dbt_status ingest(const char *path)
{
    said[0] = '\0';
    err = (dbt_error){0};
    return dbt_ingest(store, &path, 1, &options, &result, &err);
}

static int64_t count(const char *query)
{
    int64_t value;
    dbt_error problem = {0};
    assert_ok(dbt__sql_int(dbt__store_sql(store), query, -1, &value, &problem), problem);
    return value;
}

/* Rows of a query, columns joined with '|', rows with a space. */
static const char *rows(const char *query)
{
    static char text[4096];
    dbt__statement *statement;
    dbt_error problem = {0};
    text[0] = '\0';
    assert_ok(dbt__prepare(dbt__store_sql(store), query, &statement, &problem), problem);
    while (dbt__step(statement, &problem) == DBT_OK) {
        for (int i = 0; i < dbt__columns(statement); i++) {
            size_t used = strlen(text);
            dbt_text value = dbt__column_text(statement, i);
            (void)snprintf(text + used, sizeof text - used, "%s%.*s",
                           i > 0      ? "|"
                           : used > 0 ? " "
                                      : "",
                           value.data == NULL ? 4 : (int)value.bytes,
                           value.data == NULL ? "NULL" : value.data);
        }
    }
    dbt__finalize(statement);
    assert_int_equal(problem.status, DBT_OK);
    return text;
}

/* What holds after any ingest, good or refused. */
static void check_invariants(void)
{
    assert_string_equal(rows("PRAGMA integrity_check"), "ok");
    assert_string_equal(rows("PRAGMA foreign_key_check"), "");
    assert_string_equal(rows("PRAGMA foreign_keys"), "1");
    assert_int_equal(
        count("SELECT count(*) FROM split s WHERE documents <> (SELECT count(*) FROM"
              " split_document WHERE split_id = s.id) OR documents <> (SELECT"
              " coalesce(max(position) + 1, 0) FROM split_document WHERE split_id = s.id)"),
        0);
    assert_int_equal(
        count("SELECT count(*) FROM source s"
              " LEFT JOIN (SELECT source_id, count(*) AS n FROM document GROUP BY 1) d"
              " ON d.source_id = s.id"
              " LEFT JOIN (SELECT source_id, count(*) AS n FROM reject GROUP BY 1) r"
              " ON r.source_id = s.id"
              " WHERE s.documents <> coalesce(d.n, 0) OR s.rejected <> coalesce(r.n, 0)"),
        0);
    assert_true(dbt__sql_idle(dbt__store_sql(store)));
}

#define CORPUS                                                                                     \
    "SELECT s.name, coalesce(l.name, '-'), d.text FROM split_document p JOIN document d ON d.id =" \
    " p.document_id JOIN split s ON s.id = p.split_id LEFT JOIN label l ON l.id = d.label_id"      \
    " ORDER BY s.name, p.position"

/* --- layouts --- */

static void test_ingest__a_file_by_its_name(void **state)
{
    (void)state;
    assert_ok(ingest(write_text("train.csv", "b,x\na,y\n")), err);
    assert_ok(ingest(write_text("a-dev.tsv", "a\tz\n")), err);
    assert_string_equal(rows(CORPUS), "dev|a|z train|b|x train|a|y");
    assert_string_equal(said, "a-dev.tsv: tsv, no header, label = column 1, text = column 2, "
                              "split 'dev'\n");
    options.split = "mine";
    assert_ok(ingest(write_text("c.jsonl", "{\"text\":\"t\",\"label\":1}\n")), err);
    assert_string_equal(rows("SELECT name, documents FROM split ORDER BY id"),
                        "train|2 dev|1 mine|1");
    assert_string_equal(
        rows("SELECT format, status, documents, first_document_id, last_document_id,"
             " split, bytes FROM source ORDER BY id"),
        "csv|loaded|2|1|2|train|8 tsv|loaded|1|3|3|dev|4 "
        "jsonl|loaded|1|4|4|mine|23");
    assert_string_equal(rows("SELECT source_line FROM document"), "1 2 1 1");
    check_invariants();
}

static void make_reviews(void)
{
    static const char *const folders[] = {"c",      "c/train",    "c/train/pos",  "c/train/neg",
                                          "c/test", "c/test/pos", "c/train/unsup"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        make_subfolder(folders[i]);
    (void)write_text("c/README", "left out");
    (void)write_text("c/train/urls.txt", "left out");
    (void)write_text("c/train/pos/2.txt", "good\n");
    (void)write_text("c/train/pos/10.txt", "fine");
    (void)write_text("c/train/pos/.hidden", "no");
    (void)write_text("c/train/neg/1.txt", "");
    (void)write_text("c/test/pos/1.txt", "\xef\xbb\xbfgr\xfc"
                                         "n");
    (void)write_text("c/train/unsup/1.txt", "who knows");
}

static void test_ingest__a_folder_of_class_folders(void **state)
{
    (void)state;
    make_reviews();
    assert_ok(ingest(at("c")), err);
    assert_string_equal(rows(CORPUS), "test|pos|gr\xef\xbf\xbdn train|neg| train|pos|fine "
                                      "train|pos|good\n unsup|-|who knows");
    assert_string_equal(said, "c: folder of 2 classes ('neg', 'pos'), splits 'test', 'train', "
                              "'unsup'; left out: README, train/urls.txt\n");
    assert_int_equal(result.sources, 5);
    assert_int_equal(result.replaced_utf8, 1);
    /* Byte order of path: ids follow it. */
    assert_string_equal(rows("SELECT substr(name, length(name) - 8) FROM source ORDER BY id"),
                        "pos/1.txt neg/1.txt os/10.txt pos/2.txt sup/1.txt");
    check_invariants();
    /* Again: nothing; with a file more: that one. */
    assert_ok(ingest(at("c")), err);
    assert_int_equal(result.sources, 0);
    assert_int_equal(result.recognised, 5);
    assert_non_null(strstr(said, "already ingested (5 documents): nothing to do"));
    (void)write_text("c/train/neg/2.txt", "bad");
    assert_ok(ingest(at("c")), err);
    assert_int_equal(result.sources, 1);
    assert_int_equal(count("SELECT count(*) FROM document"), 6);
    check_invariants();
}

static void test_ingest__an_archive_of_class_folders(void **state)
{
    (void)state;
    static const entry entries[] = {{"./n-train/b/2", "two"},
                                    {"./n-train/a/1", "one"},
                                    {"./n-test/a/3", "three"},
                                    {"./n-train/README", "left out"},
                                    {"./n-train/a/.x", "hidden"}};
    static const char *const names[] = {"n.tar.gz", "n.zip", "n.7z", "n.tar"};
    for (size_t i = 0; i < 4; i++) {
        print_message("%s\n", names[i]);
        assert_ok(ingest(write_archive(names[i], entries, 5)), err);
        assert_int_equal(result.sources, 3);
        assert_non_null(strstr(said, ": folder of 2 classes ('a', 'b'), splits 'test', 'train'; "
                                     "left out: n-train/README\n"));
    }
    assert_string_equal(rows(CORPUS), "test|a|three test|a|three test|a|three test|a|three "
                                      "train|b|two train|a|one train|b|two train|a|one "
                                      "train|b|two train|a|one train|b|two train|a|one");
    assert_ok(ingest(at("n.zip")), err);
    assert_int_equal(result.recognised, 3);
    check_invariants();
}

static void test_ingest__an_archive_of_files_with_classes(void **state)
{
    (void)state;
    static const entry entries[] = {{"ag/train.csv", "2,t,b\n"},
                                    {"ag/test.csv", "1,u,c\n"},
                                    {"ag/classes.txt", "World\nSport\n"},
                                    {"ag/readme.txt", "about"}};
    assert_ok(ingest(write_archive("ag.tar.gz", entries, 4)), err);
    assert_string_equal(rows(CORPUS), "test|World|u, c train|Sport|t, b");
    assert_string_equal(
        said,
        "ag.tar.gz: archive of 2 files; left out: ag/readme.txt\n"
        "ag.tar.gz/ag/train.csv: csv, no header, label = column 1, text = column 2 + column 3,"
        " classes of 'ag/classes.txt', split 'train'\n"
        "ag.tar.gz/ag/test.csv: csv, no header, label = column 1, text = column 2 + column 3,"
        " classes of 'ag/classes.txt', split 'test'\n");
    assert_ok(ingest(at("ag.tar.gz")), err);
    assert_int_equal(result.recognised, 2);
    assert_int_equal(result.sources, 0);
    check_invariants();
}

/* Whatever packed it: a row that is not there is not left out without a word. */
static void test_ingest__a_link_in_an_archive_has_no_content(void **state)
{
    (void)state;
    static const char *const archives[] = {"links.tar.gz", "links.zip", "links.7z"};
    static const entry entries[] = {{"neg/1", "bad"}, {"pos/1", "good"}, {"pos/2", "-> 1"}};
    for (size_t i = 0; i < sizeof archives / sizeof *archives; i++) {
        assert_int_equal(ingest(write_archive(archives[i], entries, 3)), DBT_EDATA);
        assert_non_null(strstr(err.message, "/pos/2: is a symbolic link"));
        assert_string_equal(rows(CORPUS), "");
    }
    check_invariants();
}

static void test_ingest__what_is_no_regular_file_is_left_out(void **state)
{
    (void)state;
    static const char *const folders[] = {"odd", "odd/train", "odd/train/pos", "odd/train/neg"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        make_subfolder(folders[i]);
    (void)write_text("odd/train/pos/1.txt", "good");
    (void)write_text("odd/train/neg/1.txt", "bad");
    assert_int_equal(symlink("1.txt", at("odd/train/pos/again.txt")), 0);
    assert_int_equal(symlink("..", at("odd/train/back")), 0);
    assert_int_equal(symlink("nowhere", at("odd/train/gone.txt")), 0);
    assert_int_equal(symlink("nowhere", at("odd/train/pos/.hidden.txt")), 0);
    assert_int_equal(mkfifo(at("odd/train/pos/pipe.txt"), 0600), 0);
    assert_ok(ingest(at("odd")), err);
    assert_string_equal(said,
                        "odd: folder of 2 classes ('neg', 'pos'), split 'train'; left out: "
                        "train/gone.txt; links to folders are not followed: train/back; left out, "
                        "for they are no files: train/pos/pipe.txt\n");
    /* A link to a file is that file. */
    assert_string_equal(rows(CORPUS), "train|neg|bad train|pos|good train|pos|good");
    check_invariants();
}

/* It is a document or file of rows that is not there. */
static void test_ingest__a_link_that_leads_nowhere_cannot_be_read(void **state)
{
    (void)state;
    static const char *const folders[] = {"gone", "gone/pos", "gone/neg", "rows"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        make_subfolder(folders[i]);
    (void)write_text("gone/neg/1.txt", "bad");
    assert_int_equal(symlink("nowhere", at("gone/pos/1.txt")), 0);
    assert_int_equal(ingest(at("gone")), DBT_EDATA);
    assert_string_equal(said, "gone: folder of 2 classes ('neg', 'pos'), split 'train'\n");
    assert_non_null(strstr(err.message, "/gone/pos/1.txt: is a link that leads nowhere"));
    (void)write_text("rows/a.csv", "pos,good\n");
    assert_int_equal(symlink("c.csv", at("rows/b.csv")), 0);
    assert_int_equal(symlink("b.csv", at("rows/c.csv")), 0);
    assert_int_equal(ingest(at("rows")), DBT_EDATA);
    assert_non_null(strstr(err.message, "/rows/b.csv: cannot be read: "));
    assert_string_equal(rows(CORPUS), "");
    check_invariants();
}

static void test_ingest__a_class_folder_alone(void **state)
{
    (void)state;
    static const char *const folders[] = {"a", "a/b", "a/b/pos", "dev", "dev/neg"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        make_subfolder(folders[i]);
    (void)write_text("a/b/pos/1.txt", "good");
    (void)write_text("dev/neg/1.txt", "bad");
    assert_ok(ingest(at("dev/neg")), err);
    assert_string_equal(said, "dev/neg: folder of 1 class ('neg'), split 'dev'\n");
    assert_ok(ingest(at("a/b/pos/")), err);
    assert_ok(ingest(at("a")), err); /* the same file */
    assert_int_equal(result.recognised, 1);
    options.split = "all";
    options.again = true;
    assert_ok(ingest(at("a")), err);
    assert_string_equal(said, "a: folder of 1 class ('pos'), split 'all'\n");
    assert_string_equal(rows(CORPUS), "all|pos|good dev|neg|bad train|pos|good");
    check_invariants();
}

/* Folders that strayed into a class folder take nothing from it, however many files are in it. */
static void test_ingest__a_class_folder_with_folders_in_it(void **state)
{
    (void)state;
    static const char *const folders[] = {"r",         "r/pos",        "r/neg",  "r/neg/empty",
                                          "r/pos/old", "r/pos/old/er", "r/train"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        make_subfolder(folders[i]);
    (void)write_text("r/neg/1", "bad");
    (void)write_text("r/pos/1", "good");
    (void)write_text("r/pos/2", "fine");
    (void)write_text("r/pos/3", "nice");
    (void)write_text("r/pos/old/4", "stray");
    (void)write_text("r/pos/old/er/5", "stray");
    assert_ok(ingest(at("r")), err);
    assert_string_equal(said, "r: folder of 2 classes ('neg', 'pos'), split 'train'; left out: "
                              "pos/old/4, pos/old/er/5\n");
    assert_string_equal(rows(CORPUS), "train|neg|bad train|pos|good train|pos|fine train|pos|nice");
    /* As many below: then these are the class folders. A split is no class. */
    (void)write_text("r/pos/old/6", "stray");
    (void)write_text("r/train/1", "note");
    (void)write_text("r/train/2", "note");
    make_subfolder("r/train/odd");
    (void)write_text("r/train/odd/1", "odd");
    assert_ok(ingest(at("r")), err);
    assert_non_null(strstr(said, "r: folder of 3 classes ('er', 'neg', 'odd'), split 'train'; "
                                 "class folders at different depths: neg, pos/old/er; left out: "
                                 "pos/"));
    assert_string_equal(rows("SELECT name FROM label ORDER BY name"), "er neg odd pos");
    check_invariants();
}

static void test_ingest__many_files_that_are_left_out_are_counted(void **state)
{
    (void)state;
    static const entry entries[] = {{"train.csv", "a,x\n"},
                                    {"1.md", ""},
                                    {"2.md", ""},
                                    {"3.md", ""},
                                    {"4.md", ""},
                                    {"5.md", ""},
                                    {"__MACOSX/._train.csv", "junk"}};
    assert_ok(ingest(write_archive("few.zip", entries, 7)), err);
    if (strstr(said, "few.zip: archive of 1 file; left out: 1.md, 2.md, 3.md and 2 more\n") == NULL)
        fail_msg("%s", said);
    assert_string_equal(rows(CORPUS), "train|a|x");
    check_invariants();
}

static void test_errors__a_layout_that_was_asked_for_and_is_not_there(void **state)
{
    (void)state;
    static const entry inner[] = {{"a.csv", "a,x\n"}};
    make_subfolder("in");
    make_subfolder("bare");
    (void)write_text("bare/notes.md", "nothing");
    options.format = DBT_FORMAT_CSV;
    assert_int_equal(ingest(at("bare")), DBT_EDATA);
    if (strstr(err.message, "bare: no csv files in it") == NULL) fail_msg("%s", err.message);
    options.format = DBT_FORMAT_FOLDER;
    assert_int_equal(ingest(write_text("plain.csv", "a,x\n")), DBT_EDATA);
    assert_non_null(strstr(err.message, "plain.csv: neither a folder nor an archive"));
    options.format = DBT_FORMAT_DETECT;
    (void)write_archive("in/rows.zip.csv", inner, 1);
    assert_int_equal(ingest(at("in")), DBT_EDATA);
    assert_non_null(strstr(err.message, "in/rows.zip.csv: an archive within a folder"));
    assert_int_equal(count("SELECT count(*) FROM document"), 0);
}

static void test_ingest__a_compressed_file_is_one_source(void **state)
{
    (void)state;
    struct archive *a = archive_write_new();
    assert_int_equal(archive_write_set_format_raw(a), ARCHIVE_OK);
    assert_int_equal(archive_write_add_filter_zstd(a), ARCHIVE_OK);
    assert_int_equal(archive_write_open_filename(a, at("x-test.csv.zst")), ARCHIVE_OK);
    struct archive_entry *e = archive_entry_new();
    archive_entry_set_filetype(e, AE_IFREG);
    archive_entry_set_pathname(e, "data");
    assert_int_equal(archive_write_header(a, e), ARCHIVE_OK);
    assert_int_equal(archive_write_data(a, "a,x\n", 4), 4);
    archive_entry_free(e);
    assert_int_equal(archive_write_free(a), ARCHIVE_OK);
    assert_ok(ingest(at("x-test.csv.zst")), err);
    assert_string_equal(rows(CORPUS), "test|a|x");
    assert_ok(ingest(at("x-test.csv.zst")), err);
    assert_int_equal(result.recognised, 1);
    /* Cut short it is damaged, not short. */
    struct stat is;
    assert_int_equal(stat(at("x-test.csv.zst"), &is), 0);
    assert_int_equal(truncate(at("x-test.csv.zst"), is.st_size - 3), 0);
    assert_int_equal(ingest(at("x-test.csv.zst")), DBT_EDATA);
    check_invariants();
    assert_int_equal(count("SELECT count(*) FROM document"), 1);
}

/* The bytes of a file in a pipe, whose reading end becomes `as`. */
static void pour_into_pipe(const char *path, int as)
{
    char bytes[16384]; /* less than a pipe holds */
    int ends[2], fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    ssize_t n = read(fd, bytes, sizeof bytes);
    assert_true(n > 0 && (size_t)n < sizeof bytes);
    (void)close(fd);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], bytes, (size_t)n), n);
    (void)close(ends[1]);
    assert_int_equal(dup2(ends[0], as), as);
    (void)close(ends[0]);
}

/* Ingests the bytes of a file as they come through a pipe. */
static dbt_status ingest_piped(const char *path)
{
    int kept = dup(STDIN_FILENO);
    pour_into_pipe(path, STDIN_FILENO);
    dbt_status status = ingest("-");
    if (kept >= 0) {
        assert_int_equal(dup2(kept, STDIN_FILENO), STDIN_FILENO);
        (void)close(kept);
    }
    return status;
}

static void test_ingest__what_comes_through_a_pipe(void **state)
{
    (void)state;
    static const entry entries[] = {{"n-train/b/2", "two"}, {"n-test/a/3", "three"}};
    static const char *const names[] = {"n.tar.gz", "n.zip", "n.7z", "n.tar"};
    options.again = true;
    for (size_t i = 0; i < 4; i++) {
        print_message("%s\n", names[i]);
        assert_ok(ingest_piped(write_archive(names[i], entries, 2)), err);
        assert_int_equal(result.documents, 2);
        assert_string_equal(said,
                            "stdin: folder of 2 classes ('a', 'b'), splits 'test', 'train'\n");
    }
    assert_ok(ingest_piped(write_text("x-test.tsv", "c\tx\n")), err);
    assert_string_equal(said, "stdin: tsv, no header, label = column 1, text = column 2, split "
                              "'train'\n");
    assert_string_equal(rows("SELECT DISTINCT name FROM source ORDER BY name"),
                        "stdin stdin/n-test/a/3 stdin/n-train/b/2");
    check_invariants();
}

/* --- refusal --- */

static void test_refusal__takes_out_the_rows_of_the_whole_command(void **state)
{
    (void)state;
    assert_ok(ingest(write_text("train.csv", "a,first\n")), err);
    const char *paths[] = {write_text("b.csv", "new,x\na,y\n"),
                           write_text("c.csv", "a,z\n,w\na,v\n"), write_text("d.csv", "a,u\n")};
    options.split = "later";
    said[0] = '\0';
    err = (dbt_error){0};
    assert_int_equal(dbt_ingest(store, paths, 3, &options, &result, &err), DBT_EDATA);
    assert_int_equal(err.line, 2);
    assert_non_null(strstr(err.message, "c.csv:2: empty label (1 row refused; --max-rejects N"));
    assert_string_equal(rows(CORPUS), "train|a|first");
    assert_string_equal(rows("SELECT name FROM label"), "a");
    assert_string_equal(rows("SELECT name FROM split"), "train");
    assert_string_equal(rows("SELECT status, documents, rejected FROM source ORDER BY id"),
                        "loaded|1|0 refused|0|0 refused|0|1");
    assert_string_equal(rows("SELECT line, reason, CAST(raw AS TEXT) FROM reject"),
                        "2|empty label|,w\n");
    check_invariants();
    /* A document id is never given twice. */
    options.max_rejects = 1;
    err = (dbt_error){0};
    assert_ok(dbt_ingest(store, paths, 3, &options, &result, &err), err);
    assert_int_equal(result.documents, 5);
    assert_int_equal(result.rejected, 1);
    assert_true(count("SELECT min(id) FROM document WHERE id > 1") > 3);
    check_invariants();
}

static void test_refusal__leaves_no_split_behind_that_it_made(void **state)
{
    (void)state;
    assert_ok(ingest(write_text("train.csv", "a,first\n")), err);
    options.split = "later";
    assert_int_equal(ingest(write_text("b.csv", ",x\na,y\n")), DBT_EDATA);
    assert_string_equal(rows("SELECT name FROM split"), "train");
    assert_string_equal(rows("SELECT count(*) FROM reject"), "1");
    options.split = "train"; /* which was there */
    assert_int_equal(ingest(at("b.csv")), DBT_EDATA);
    assert_string_equal(rows("SELECT name FROM split"), "train");
    check_invariants();
}

static void test_refusal__after_commits_takes_out_all(void **state)
{
    (void)state;
    /* More rows than a transaction holds, then a bad one. */
    enum { ROWS = 210000 };
    char *data = malloc(ROWS * 4 + 8);
    assert_non_null(data);
    for (size_t i = 0; i < ROWS; i++)
        memcpy(data + 4 * i, i % 2 == 0 ? "a,x\n" : "b,y\n", 4);
    memcpy(data + 4 * ROWS, "bad\n", 4);
    write_bytes(at("big.csv"), data, 4 * ROWS + 4);
    assert_int_equal(ingest(at("big.csv")), DBT_EDATA);
    assert_int_equal(err.line, ROWS + 1);
    assert_int_equal(count("SELECT count(*) FROM document"), 0);
    assert_int_equal(count("SELECT count(*) FROM label"), 0);
    check_invariants();
    free(data);
}

static void test_rejects__rows_in_are_rows_stored_and_refused(void **state)
{
    (void)state;
    options.max_rejects = -1;
    assert_ok(ingest(write_text("a.csv", "a,x\n,y\nb\nc,\"z\"q\nd,w\n")), err);
    assert_int_equal(result.documents, 2);
    assert_int_equal(result.rejected, 3);
    assert_string_equal(rows("SELECT line, reason FROM reject ORDER BY id"),
                        "2|empty label 3|has 1 field, needs 2 4|text after a closing quote");
    check_invariants();
}

static void test_errors__name_the_source(void **state)
{
    (void)state;
    const struct {
        const char *name, *text;
        dbt_status status;
        const char *message;
    } cases[] = {
        {"empty.csv", "", DBT_EDATA, "empty.csv: no rows"},
        {"blank.csv", "\n\n", DBT_EDATA, "blank.csv: no rows"},
        {"head.csv", "label,text\n", DBT_EDATA, "head.csv: no rows"},
        {"quote.csv", "a,x\nb,\"y\nc,z\n", DBT_EDATA,
         "quote.csv:2: the quote that opens here is never closed"},
        {"wide.csv",
         "\xff\xfe"
         "a",
         DBT_EDATA, "wide.csv: looks like UTF-16: give --encoding utf-16"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(ingest(write_text(cases[i].name, cases[i].text)), cases[i].status);
        if (strstr(err.message, cases[i].message) == NULL) fail_msg("%s", err.message);
        check_invariants();
    }
    assert_int_equal(ingest(at("missing.csv")), DBT_EDATA);
    assert_non_null(strstr(err.message, "missing.csv: no such file"));
    make_subfolder("nothing");
    assert_int_equal(ingest(at("nothing")), DBT_EDATA);
    options.label_column = "lable";
    assert_int_equal(ingest(write_text("a.csv", "label,text\na,b\n")), DBT_EUSAGE);
    options.label_column = NULL;
    options.encoding = "klingon";
    assert_int_equal(ingest(at("a.csv")), DBT_EUSAGE);
    assert_int_equal(count("SELECT count(*) FROM document"), 0);
}

/* A tar of GNU's sparse kind, with the blocks of its file in the wrong order. */
static const char *write_sparse(const char *name)
{
    enum { BLOCK = 512, CHECKSUM = 148 };
    static const struct {
        size_t at;
        const char *field;
    } header[] = {
        {0, "train.csv"},     {100, "0000644"},     {124, "00000000024"}, {CHECKSUM, "        "},
        {156, "S"},           {257, "ustar  "},     {386, "00000001750"}, {398, "00000000012"},
        {410, "00000000000"}, {422, "00000000012"}, {483, "00000001762"},
    };
    char tar[4 * BLOCK] = {0};
    unsigned sum = 0;
    for (size_t i = 0; i < sizeof header / sizeof *header; i++)
        memcpy(tar + header[i].at, header[i].field, strlen(header[i].field));
    for (size_t i = 0; i < BLOCK; i++)
        sum += (unsigned char)tar[i];
    (void)snprintf(tar + CHECKSUM, 7, "%06o", sum);
    memcpy(tar + BLOCK, "a,text012\nb,text012\n", 20);
    const char *path = at(name);
    write_bytes(path, tar, sizeof tar);
    return path;
}

/* libarchive says to try again, and says so for ever. */
static void test_errors__a_sparse_file_out_of_order_is_damage(void **state)
{
    (void)state;
    const char *path = write_sparse("sparse.tar");
    alarm(20);
    assert_int_equal(ingest(path), DBT_EDATA);
    alarm(0);
    assert_non_null(strstr(err.message, "sparse.tar: cannot be unpacked: "));
    assert_int_equal(count("SELECT count(*) FROM document"), 0);
    check_invariants();
}

static void test_errors__options_are_checked_before_anything_is_read(void **state)
{
    (void)state;
    const char *const missing = at("missing.csv");
    const char *const twice[] = {"-", "-"};
    const dbt_ingest_options usual = options;
    const struct {
        dbt_ingest_options options;
        const char *message;
    } cases[] = {
        {{.split = "", .max_document = 1}, "the name of a split cannot be empty"},
        {{.max_document = 0}, "max_document is 0, must be 1 .."},
        {{.max_document = SIZE_MAX}, ", must be 1 .."},
        {{.max_document = 1, .max_rejects = -2}, "max_rejects is -2, must be -1 (all), 0 or more"},
        {{.max_document = 1, .delimiter = '"'}, "a quote or line break cannot be the delimiter"},
        {{.max_document = 1, .delimiter = '\n'}, "a quote or line break cannot be the delimiter"},
        {{.max_document = 1, .delimiter = '\r'}, "a quote or line break cannot be the delimiter"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        options = cases[i].options;
        assert_int_equal(ingest(missing), DBT_EUSAGE);
        if (strstr(err.message, cases[i].message) == NULL) fail_msg("%s", err.message);
    }
    options = usual;
    err = (dbt_error){0};
    assert_int_equal(dbt_ingest(store, &missing, 0, &options, &result, &err), DBT_EUSAGE);
    assert_string_equal(err.message, "no source to ingest");
    err = (dbt_error){0};
    assert_int_equal(dbt_ingest(store, twice, 2, &options, &result, &err), DBT_EUSAGE);
    assert_string_equal(err.message, "stdin can be read only once");
    assert_int_equal(count("SELECT count(*) FROM source"), 0);
}

static void test_formats__have_the_names_of_the_option(void **state)
{
    (void)state;
    static const char *const names[] = {"detect", "csv", "tsv", "jsonl", "folder", "fasttext"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_string_equal(dbt_format_name((dbt_format)i), names[i]);
    assert_string_equal(dbt_format_name((dbt_format)99), "unknown");
}

static void test_formats__of_the_sources_that_came_in_are_told(void **state)
{
    (void)state;
    const char *paths[] = {write_text("a.csv", "a,x\n"),
                           write_text("b.jsonl", "{\"label\":\"a\",\"text\":\"y\"}\n")};
    assert_ok(dbt_ingest(store, paths, 2, &options, &result, &err), err);
    assert_int_equal(result.formats, 1u << DBT_FORMAT_CSV | 1u << DBT_FORMAT_JSONL);
    assert_ok(dbt_ingest(store, paths, 2, &options, &result, &err), err);
    assert_int_equal(result.formats, 0);
    make_subfolder("pos");
    make_subfolder("neg");
    (void)write_text("pos/1", "good");
    (void)write_text("neg/1", "bad");
    assert_ok(ingest(folder), err);
    assert_int_equal(result.formats, 1u << DBT_FORMAT_FOLDER);
    paths[0] = write_text("c.txt", "__label__a z\n");
    paths[1] = write_text("d.csv", "a,x\n,y\n");
    assert_int_equal(dbt_ingest(store, paths, 2, &options, &result, &err), DBT_EDATA);
    assert_int_equal(result.formats, 0);
}

/* --- again --- */

static void test_recognition__by_split_name_size_and_content(void **state)
{
    (void)state;
    assert_ok(ingest(write_text("a.csv", "a,x\n")), err);
    assert_ok(ingest(at("a.csv")), err);
    assert_int_equal(result.recognised, 1);
    assert_int_equal(result.documents, 0);
    assert_string_equal(said, "a.csv: already ingested (1 document): nothing to do, --again "
                              "ingests it once more, beside what is there\n");
    assert_ok(ingest(write_text("a.csv", "a,y\n")), err); /* same size, other content */
    assert_int_equal(result.documents, 1);
    options.split = "test";
    assert_ok(ingest(at("a.csv")), err);
    assert_int_equal(result.documents, 1);
    options.again = true;
    assert_ok(ingest(at("a.csv")), err);
    assert_string_equal(rows(CORPUS), "test|a|y test|a|y train|a|x train|a|y");
    check_invariants();
}

static void test_dedup__within_split_and_label(void **state)
{
    (void)state;
    assert_ok(ingest(write_text("a.csv", "a,x\na,x\n")), err);
    options.dedup = true;
    assert_ok(ingest(write_text("b.csv", "a,x\nb,x\na,y\na,y\na,\na,\n")), err);
    assert_int_equal(result.documents, 3);
    assert_int_equal(result.duplicates, 3);
    assert_ok(ingest(write_text("b-test.csv", "a,x\n")), err);
    assert_int_equal(result.duplicates, 0);
    assert_string_equal(rows(CORPUS), "test|a|x train|a|x train|a|x train|b|x train|a|y train|a|");
    check_invariants();
}

static void renew_store(void)
{
    dbt_error problem = {0};
    char path[160]; /* not at(): the callers hold what that gave */
    (void)snprintf(path, sizeof path, "%s/test.db", folder);
    assert_ok(dbt_store_close(store, &problem), problem);
    assert_int_equal(unlink(path), 0);
    assert_ok(dbt_store_open(path, DBT_STORE_CREATE, &store, &problem), problem);
}

/* Text whose bytes are ASCII, in UTF-16 with its mark. */
static const char *write_wide(const char *name, const char *text)
{
    char bytes[2048] = "\xff\xfe";
    size_t used = 2;
    for (; *text != '\0'; text++) {
        assert_true(used + 2 <= sizeof bytes);
        bytes[used++] = *text;
        bytes[used++] = '\0';
    }
    const char *path = at(name);
    write_bytes(path, bytes, used);
    return path;
}

/* It goes through libarchive, which looks at its end, too, before it says that it is none. */
static void test_recognition__of_what_merely_looks_packed(void **state)
{
    (void)state;
    enum { LARGE = 300000 };
    static const struct {
        const char *head, *encoding;
        size_t head_bytes, bytes;
    } cases[] = {
        {"PK,x\nb,", NULL, 7, 600},
        {"PK,x\nb,", NULL, 7, LARGE},
        {"BZh,x\nb,", NULL, 8, 600},
        {"a,x\0y\nb,", NULL, 8, 600},
        {"a,x\0y\nb,", NULL, 8, LARGE},
        {"\xff\xfe\x61\0,\0x\0\n\0b\0,\0", "utf-16", 14, 600},
        {"\xff\xfe\x61\0,\0x\0\n\0b\0,\0", "utf-16", 14, LARGE},
    };
    static char bytes[LARGE];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        print_message("case %zu\n", i);
        memset(bytes, 'x', sizeof bytes);
        memcpy(bytes, cases[i].head, cases[i].head_bytes);
        write_bytes(at("a.csv"), bytes, cases[i].bytes);
        renew_store();
        options.encoding = cases[i].encoding;
        assert_ok(ingest(at("a.csv")), err);
        assert_int_equal(result.documents, 2);
        assert_ok(ingest(at("a.csv")), err);
        assert_int_equal(result.recognised, 1);
        assert_int_equal(count("SELECT count(*) FROM document"), 2);
        if (cases[i].bytes == LARGE) continue;
        /* The digest is that of the bytes, however they came. */
        assert_ok(ingest_piped(at("a.csv")), err);
        assert_int_equal(result.documents, 2);
        assert_int_equal(count("SELECT count(DISTINCT digest) FROM source"), 1);
        check_invariants();
    }
}

/* As a shell names a pipe: <(tar c train.csv). */
static dbt_status ingest_named_pipe(const char *path)
{
    enum { END = 63 };
    pour_into_pipe(path, END);
    dbt_status status = ingest("/dev/fd/63");
    assert_int_equal(close(END), 0);
    return status;
}

/* A pipe is read once, whatever its name is and whatever it is copied to. */
static void test_recognition__not_of_rows_through_a_pipe_with_a_name(void **state)
{
    (void)state;
    static const entry files[] = {{"train.csv", "a,x\nb,y\n"}, {"test.csv", "b,z\n"}};
    static const entry documents[] = {{"train/a/1", "x"}, {"train/b/1", "y"}, {"test/b/1", "z"}};
    static const char *const names[] = {"rows.tar", "rows.tar.gz", "rows.zip", "rows.7z"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        print_message("%s\n", names[i]);
        renew_store();
        const char *path = write_archive(names[i], files, 2);
        assert_ok(ingest_named_pipe(path), err);
        assert_ok(ingest_named_pipe(path), err);
        assert_int_equal(result.documents, 3);
        assert_non_null(strstr(said, "the same was ingested before"));
        assert_null(strstr(said, "another content"));
        check_invariants();
        path = write_archive(names[i], documents, 3);
        assert_ok(ingest_named_pipe(path), err);
        assert_ok(ingest_named_pipe(path), err);
        assert_int_equal(result.recognised, 3);
        assert_int_equal(count("SELECT count(*) FROM document"), 9);
    }
}

/* --- a file that changes while it is read --- */

enum { CHANGING_ROWS = 60000, CHANGING_ROW_BYTES = 12 };

static void (*change)(const char *path); /* done before the first record is taken */
static char changing[160];

static bool change_in_time(void *context)
{
    (void)context;
    if (change != NULL) change(changing);
    change = NULL;
    return false;
}

static void shrink(const char *path)
{
    assert_int_equal(truncate(path, (off_t)40000 * CHANGING_ROW_BYTES), 0);
}

static void grow(const char *path)
{
    int fd = open(path, O_WRONLY | O_APPEND);
    assert_int_equal(write(fd, "b,row 60000\n", CHANGING_ROW_BYTES), CHANGING_ROW_BYTES);
    assert_int_equal(close(fd), 0);
}

static void rewrite(const char *path)
{
    int fd = open(path, O_WRONLY);
    off_t last = (off_t)(CHANGING_ROWS - 1) * CHANGING_ROW_BYTES;
    assert_int_equal(pwrite(fd, "b", 1, last), 1);
    assert_int_equal(close(fd), 0);
}

static void test_ingest__a_file_that_changes_while_it_is_read_is_told(void **state)
{
    (void)state;
    static const struct {
        void (*change)(const char *path);
        int64_t documents, labels;
    } cases[] = {{shrink, 40000, 1}, {grow, 60001, 2}, {rewrite, 60000, 2}};
    static char text[CHANGING_ROWS * CHANGING_ROW_BYTES + 1];
    /* The clock of a file system is coarse: a change must not fall into the tick of the making. */
    const struct timespec long_ago[2] = {{1, 0}, {1, 0}};
    for (int i = 0; i < CHANGING_ROWS; i++)
        (void)snprintf(text + (size_t)i * CHANGING_ROW_BYTES, CHANGING_ROW_BYTES + 1,
                       "a,row %05d\n", i);
    (void)snprintf(changing, sizeof changing, "%s/changing.csv", folder);
    options.stop = change_in_time;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_bytes(changing, text, sizeof text - 1);
        assert_int_equal(utimensat(AT_FDCWD, changing, long_ago, 0), 0);
        renew_store();
        change = cases[i].change;
        assert_ok(ingest(changing), err);
        assert_non_null(strstr(said, "changing.csv: changed while it was read\n"));
        assert_int_equal(result.documents, cases[i].documents);
        assert_int_equal(count("SELECT count(*) FROM label"), cases[i].labels);
        check_invariants();
    }
}

/* --- an ingest that did not end --- */

static int asks_left; /* until it is stopped, before a record or a read; -1: it is not */

static bool stop_when_due(void *context)
{
    (void)context;
    return asks_left >= 0 && asks_left-- == 0;
}

/* Stops it again and again, each time a little later, until so many documents of it are stored. */
static void interrupt_after(const char *path, int64_t documents)
{
    const int64_t before = count("SELECT count(*) FROM document");
    options.stop = stop_when_due;
    for (int n = 0; count("SELECT count(*) FROM document") < before + documents; n++) {
        asks_left = n;
        assert_int_equal(ingest(path), DBT_EINTERRUPTED);
    }
    assert_int_equal(count("SELECT count(*) FROM document"), before + documents);
}

static void test_interrupted__is_taken_out_when_another_comes_first(void **state)
{
    (void)state;
    assert_ok(ingest(write_text("train.csv", "a,1\n")), err);
    interrupt_after(write_text("b-test.csv", "c,2\nc,3\nc,4\n"), 2);
    assert_non_null(strstr(err.message, "interrupted after 2 documents"));
    assert_int_equal(count("SELECT count(*) FROM document"), 3);
    assert_int_equal(count("SELECT count(*) FROM source WHERE status = 'loading'"), 1);
    /* what was made of its split meanwhile goes with it */
    dbt_error problem = {0};
    assert_ok(dbt__sql_exec(dbt__store_sql(store),
                            "INSERT INTO vectorizer (id, settings, fingerprint, documents, terms,"
                            " digest) VALUES (1, '{}', '', 1, 1, '');"
                            "INSERT INTO row_cache (id, vectorizer_id, split_id, documents,"
                            " fingerprint, status) SELECT id, 1, id, 1, '', 'filled' FROM split;"
                            "INSERT INTO row_block SELECT id, 0, x'00', '' FROM row_cache",
                            &problem),
              problem);
    assert_int_equal(count("SELECT count(*) FROM row_block"), 2);
    check_invariants();
    assert_ok(ingest(at("train.csv")), err); /* which is there, so that nothing is written */
    assert_int_equal(count("SELECT count(*) FROM document"), 3);
    assert_ok(ingest(write_text("c.csv", "a,5\n")), err);
    assert_non_null(strstr(said, "did not end, and another source comes first now: what is "
                                 "there of it (2 documents) was taken out\n"));
    assert_string_equal(rows(CORPUS), "train|a|1 train|a|5");
    assert_string_equal(rows("SELECT name FROM label"), "a");
    assert_int_equal(count("SELECT count(*) FROM row_block"), 1);
    check_invariants();
}

static void test_interrupted__is_left_by_what_cannot_begin(void **state)
{
    (void)state;
    const struct {
        const char *name, *text, *label_column;
        dbt_status status;
    } cases[] = {
        {"missing.csv", NULL, NULL, DBT_EDATA},
        {"empty.csv", "", NULL, DBT_EDATA},
        {"head.csv", "label,text\n", NULL, DBT_EDATA},
        {"wide.csv", "\xff\xfe,", NULL, DBT_EDATA},
        {"other.csv", "label,text\na,b\n", "lable", DBT_EUSAGE},
    };
    interrupt_after(write_text("a.csv", "a,1\na,2\na,3\n"), 2);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (cases[i].text != NULL) (void)write_text(cases[i].name, cases[i].text);
        options.label_column = cases[i].label_column;
        assert_int_equal(ingest(at(cases[i].name)), cases[i].status);
        assert_string_equal(rows("SELECT name LIKE '%a.csv', status, documents FROM source"),
                            "1|loading|2");
        check_invariants();
    }
    options.label_column = NULL;
    assert_ok(ingest(at("a.csv")), err);
    assert_non_null(strstr(said, "goes on after 2 documents"));
    assert_int_equal(result.documents, 3);
    assert_int_equal(result.resumed, 2);
    assert_string_equal(rows(CORPUS), "train|a|1 train|a|2 train|a|3");
    check_invariants();
}

/* All that an ingest leaves, but ids and times. */
#define OUTCOME                                                                                    \
    "SELECT * FROM (SELECT 1, s.name, p.position, coalesce(l.name, '-'), d.text, o.name,"          \
    " d.source_line FROM split_document p JOIN document d ON d.id = p.document_id"                 \
    " JOIN split s ON s.id = p.split_id LEFT JOIN label l ON l.id = d.label_id"                    \
    " JOIN source o ON o.id = d.source_id ORDER BY s.name, p.position)"                            \
    " UNION ALL SELECT * FROM (SELECT 2, o.name, r.line, r.reason, r.raw, '', '' FROM reject r"    \
    " JOIN source o ON o.id = r.source_id ORDER BY r.id)"                                          \
    " UNION ALL SELECT * FROM (SELECT 3, name, format, status, documents, rejected, digest"        \
    " FROM source ORDER BY id)"                                                                    \
    " UNION ALL SELECT * FROM (SELECT 4, name, '', '', '', '', '' FROM label ORDER BY name)"

/* Stopped when it asks for the n-th time, from 0: DBT_OK when it does not so often. */
static dbt_status ingest_some(const char *const paths[2], int n)
{
    asks_left = n;
    said[0] = '\0';
    err = (dbt_error){0};
    options.stop = stop_when_due;
    return dbt_ingest(store, paths, 2, &options, &result, &err);
}

static const char a_csv[] = "label,text\nb,one\na,two\n";
static const char b_csv[] = "label,text\na,\"three\nlines\"\nb,two,2\na,two\nc,four\n,five\na,two\n"
                            "c,four\nb,\nd,six\n";

/* Stopped in a new store as soon as so many documents are there, which is when it asks for the n-th
 * time, or later. */
static int interrupt_some(const char *const paths[2], int64_t documents, int n)
{
    for (;; n++) {
        renew_store();
        assert_int_equal(ingest_some(paths, n), DBT_EINTERRUPTED);
        if (count("SELECT count(*) FROM document") >= documents) break;
    }
    assert_int_equal(count("SELECT count(*) FROM document"), documents);
    return n;
}

/* Wherever it is stopped, once and again, the next one goes on to the same rows. */
static void check_every_stop(const char *const paths[2])
{
    char expected[4096];
    renew_store();
    assert_ok(ingest_some(paths, -1), err);
    int64_t documents = result.documents, duplicates = result.duplicates;
    (void)snprintf(expected, sizeof expected, "%s", rows(OUTCOME));
    for (int n = 0;; n++) {
        renew_store();
        dbt_status status = ingest_some(paths, n);
        check_invariants();
        if (status == DBT_OK) break;
        if (status != DBT_EINTERRUPTED) fail_msg("asked %d times: %s", n, err.message);
        int64_t stored = count("SELECT count(*) FROM document");
        int64_t loaded =
            count("SELECT coalesce(sum(documents), 0) FROM source WHERE status = 'loaded'");
        status = ingest_some(paths, n / 2);
        assert_true(status == DBT_OK || status == DBT_EINTERRUPTED);
        assert_true(count("SELECT count(*) FROM document") >= stored);
        if (status != DBT_OK) assert_ok(ingest_some(paths, -1), err);
        assert_string_equal(rows(OUTCOME), expected);
        assert_null(strstr(said, "taken out"));
        if (loaded == 0) {
            assert_int_equal(result.documents, documents);
            assert_int_equal(result.duplicates, duplicates);
        }
        check_invariants();
    }
    options.stop = NULL;
}

static int64_t asked;      /* whether to stop, so often */
static int64_t stop_after; /* that often and from then on */

static bool stop_from_then_on(void *context)
{
    (void)context;
    return asked++ >= stop_after;
}

static dbt_status ingest_and_stop(const char *path, int64_t after)
{
    asked = 0;
    stop_after = after;
    options.stop = stop_from_then_on;
    return ingest(path);
}

/* Whether it is looked through for its headers, digested, read for its one record or drained. */
static void check_every_read(const char *path, int64_t least_reads)
{
    renew_store();
    assert_ok(ingest_and_stop(path, INT64_MAX), err);
    const int64_t first = asked;
    assert_true(first > least_reads);
    assert_ok(ingest_and_stop(path, INT64_MAX), err);
    const int64_t second = asked;
    assert_true(second > least_reads);
    assert_int_equal(result.recognised, 1);
    for (int64_t n = 0; n < second; n += 1 + second / 20) {
        assert_int_equal(ingest_and_stop(path, n), DBT_EINTERRUPTED);
        assert_int_equal(count("SELECT count(*) FROM document"), 1);
    }
    for (int64_t n = 0; n < first; n++) {
        renew_store();
        assert_int_equal(ingest_and_stop(path, n), DBT_EINTERRUPTED);
        assert_int_equal(asked, n + 1);
        if (count("SELECT count(*) FROM source WHERE status = 'loading'") > 0)
            assert_non_null(strstr(err.message, "; the same ingest again goes on from there"));
        check_invariants();
        assert_ok(ingest_and_stop(path, INT64_MAX), err);
        assert_int_equal(result.documents + result.recognised, 1);
        assert_string_equal(rows("SELECT status, documents FROM source"), "loaded|1");
        assert_int_equal(count("SELECT count(*) FROM document"), 1);
        check_invariants();
    }
}

static void test_interrupted__wherever_a_file_is_read(void **state)
{
    (void)state;
    enum { BYTES = 1 << 20, READ = 256 * 1024 };
    char *text = malloc(BYTES + 1);
    assert_non_null(text);
    for (size_t i = 0; i < BYTES; i++)
        text[i] = (char)('a' + dbt__random_below(1, i, 26));
    text[1] = ',';
    text[BYTES] = '\0';
    const entry files[] = {{"readme", text}, {"rows.csv", text}};
    check_every_read(write_text("rows.csv", text), BYTES / READ);
    check_every_read(write_archive("rows.tar", files, 2), BYTES / READ);
    check_every_read(write_archive("rows.tar.gz", files, 2), 2 * (BYTES / READ));
    check_every_read(write_archive("rows.zip", files, 2), BYTES / READ);
    free(text);
}

static void test_resume__goes_on_after_the_last_committed_row(void **state)
{
    (void)state;
    static const entry folders[] = {{"c/train/neg/1.txt", "bad"},
                                    {"c/train/neg/2.txt", "worse"},
                                    {"c/train/pos/1.txt", "good"},
                                    {"c/test/pos/9.txt", "fine"}};
    static const entry files[] = {{"d/train.csv", a_csv}, {"d/test.csv", b_csv}};
    const char *const tables[2] = {write_text("a.csv", a_csv), write_text("b.csv", b_csv)};
    const char *const archives[2] = {write_archive("c.tar.gz", folders, 4),
                                     write_archive("d.zip", files, 2)};
    const char *const lines[2] = {
        write_text("e.jsonl",
                   "{\"label\":\"a\",\"text\":\"x\"}\n[]\n{\"label\":1,\"text\":\"y\"}\n"),
        write_text("f.txt", "__label__b one\nnone\n__label__c two\n")};
    options.max_rejects = -1;
    check_every_stop(tables);
    check_every_stop(archives);
    check_every_stop(lines);
    const char *const classed[2] = {
        write_text("g.csv", "1,x\ncaf\xe9,y\n2,z\n"),
        write_text("h.csv",
                   "1,x\na\xd0\x96\xd0\x96\xd0\x96\xd0\x96\xd0\x96\xd0\x96\xd0\x96\xd0\x96"
                   "\xd0\x96\xd0\x96\xd0\x96\xd0\x96\xd0\x96\xd0\x96\xd0\x96\xd0\x96\xd0\x96"
                   "\xd0\x96\xd0\x96\xd0\x96\xd0\x96,y\n2,z\n")};
    options.classes = write_text("names.txt", "World\nSport\n");
    check_every_stop(classed);
    options.classes = NULL;
    options.dedup = true;
    check_every_stop(tables);
    options.split = "mine";
    options.label_column = "none";
    check_every_stop(tables);
}

static void test_resume__goes_on_behind_what_merely_looks_packed(void **state)
{
    (void)state;
    char text[300];
    (void)snprintf(text, sizeof text, "label,text\na,%0270d\nb,two\n", 1);
    const char *const wide[2] = {write_wide("a.csv", text), write_wide("b.csv", b_csv)};
    options.encoding = "utf-16";
    options.max_rejects = -1;
    check_every_stop(wide);
}

static void test_resume__what_reads_otherwise_now_is_read_anew(void **state)
{
    (void)state;
    static const char *const later[] = {
        "label,text\na,\"three\nlines\"\nb,two,2\na,two\nc,four\n,five\nx,two\n",
        "label,text\na,\"three\nlines\"\nb,two,2\na,two\nc,for\n,five\na,two\nc,four\nb,\nd,six\n",
        "label,text\na,\"three\nlines\"\nb,two,3\na,two\nc,four\n,five\na,two\nc,four\nb,\nd,six\n",
        ("label,text\na,\"three\nlines\"\n\nb,two,2\na,two\nc,four\n,five\na,two\nc,four\nb,\nd,"
         "six\n"),
        "label,text\nz,other\n",
        "label,text\na,\"three\nlines\"\n",
        "label,text\na,\"three\nlines\"\nb,two,2\na,two\nc,four\n,five\na,two\n",
    };
    int asks = 0;
    for (size_t i = 0; i < 2 * sizeof later / sizeof *later; i++) {
        const char *const paths[2] = {write_text("a.csv", a_csv), write_text("b.csv", b_csv)};
        const char *now = later[i / 2];
        char expected[4096];
        options.max_rejects = -1;
        options.dedup = i % 2 != 0; /* of the second one alone */
        renew_store();
        (void)write_text("b.csv", now);
        assert_ok(ingest_some(paths, -1), err);
        (void)snprintf(expected, sizeof expected, "%s", rows(OUTCOME));
        (void)write_text("b.csv", b_csv);
        options.dedup = false;
        asks = interrupt_some(paths, 8, asks);
        (void)write_text("b.csv", now);
        options.dedup = i % 2 != 0;
        assert_ok(ingest_some(paths, -1), err);
        assert_non_null(strstr(said, "b.csv: goes on after 6 documents"));
        assert_non_null(strstr(said, "of its documents were taken out"));
        assert_in_range(result.resumed, 0, 5);
        assert_true(result.resumed <= result.documents);
        assert_string_equal(rows(OUTCOME), expected);
        check_invariants();
    }
}

static void test_resume__other_splits_lose_what_is_taken_out(void **state)
{
    (void)state;
    const char *const paths[2] = {write_text("a.csv", a_csv), write_text("b.csv", b_csv)};
    dbt_error problem = {0};
    options.max_rejects = -1;
    (void)interrupt_some(paths, 8, 0);
    assert_ok(
        dbt__sql_exec(dbt__store_sql(store),
                      "INSERT INTO split (name) VALUES ('held');"
                      "INSERT INTO split_document SELECT 2, position, document_id FROM"
                      " (SELECT row_number() OVER (ORDER BY document_id DESC) - 1 AS position,"
                      " document_id FROM split_document);"
                      "UPDATE split SET documents = 8 WHERE id = 2",
                      &problem),
        problem);
    check_invariants();
    options.split = NULL;
    (void)write_text("b.csv", "label,text\na,\"three\nlines\"\nb,new\n");
    assert_ok(ingest_some(paths, -1), err);
    assert_string_equal(rows("SELECT d.text FROM split_document p JOIN document d ON d.id ="
                             " p.document_id WHERE p.split_id = 2 ORDER BY position"),
                        "three\nlines two one");
    check_invariants();
}

/* Documents that are long enough for a commit, if wanted, and then short ones. */
static const char *write_long_and_short(bool with_long)
{
    enum { LONG = 33, LONG_BYTES = 1 << 20, SHORT = 100 };
    char *data = malloc((size_t)LONG * (LONG_BYTES + 16) + SHORT * 16);
    size_t used = 0;
    assert_non_null(data);
    for (int i = 0; with_long && i < LONG; i++) {
        used += (size_t)sprintf(data + used, "a,long%d", i);
        memset(data + used, 'x', LONG_BYTES);
        used += LONG_BYTES;
        data[used++] = '\n';
    }
    for (int i = 0; i < SHORT; i++)
        used += (size_t)sprintf(data + used, "b,short%d\n", i % 60);
    write_bytes(at("train.csv"), data, used);
    free(data);
    return at("train.csv");
}

/* A checksum is over the id, which SQLite gives. */
static void test_ingest__ids_that_cannot_be_foreseen_are_damage(void **state)
{
    (void)state;
    dbt_error problem = {0};
    renew_store();
    write_bytes(at("a.csv"), "pos,good\nneg,bad\n", 17);
    assert_int_equal(ingest(at("a.csv")), DBT_OK);
    assert_ok(dbt__sql_exec(dbt__store_sql(store),
                            "UPDATE sqlite_sequence SET seq = 'x' WHERE name = 'document'",
                            &problem),
              problem);
    write_bytes(at("b.csv"), "pos,better\nneg,worse\n", 21);
    assert_int_equal(ingest(at("b.csv")), DBT_EFORMAT);
    assert_non_null(strstr(err.message, "documents were not given the ids that were next"));
    assert_int_equal(count("SELECT count(*) FROM document"), 2);
    assert_int_equal(count("SELECT count(*) FROM split_document"), 2);
}

/* The first source is committed, the second goes with the transaction in which it began. */
static void test_refusal__takes_out_sources_before_one_that_cannot_be_stored(void **state)
{
    (void)state;
    dbt_error problem = {0};
    renew_store();
    assert_ok(dbt__sql_exec(dbt__store_sql(store), "CREATE UNIQUE INDEX mine ON document (text)",
                            &problem),
              problem);
    const char *paths[] = {write_text("a.csv", "a,first\nb,second\n"), write_long_and_short(false)};
    err = (dbt_error){0};
    assert_int_equal(dbt_ingest(store, paths, 2, &options, &result, &err), DBT_EFORMAT);
    assert_non_null(strstr(err.message, "UNIQUE constraint failed"));
    assert_int_equal(result.documents, 0);
    assert_string_equal(rows("SELECT status, documents FROM source"), "refused|0");
    assert_int_equal(count("SELECT count(*) FROM document"), 0);
    check_invariants();
}

/* One that adds many documents, or their places, fails at one of them, and SQLite neither takes
 * back the others nor ends the transaction. */
static void test_ingest__a_statement_that_fails_half_way_leaves_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *before, *after;
    } cases[] = {
        {"CREATE UNIQUE INDEX mine ON document (text)", "DROP INDEX mine"},
        {"PRAGMA foreign_keys = OFF; CREATE UNIQUE INDEX mine ON split_document (document_id);"
         "INSERT INTO split (id, name, documents) VALUES (9, 'other', 1);"
         "INSERT INTO split_document VALUES (9, 0, 61)",
         "DROP INDEX mine; DELETE FROM split_document WHERE split_id = 9;"
         "DELETE FROM split WHERE id = 9"},
    };
    for (size_t i = 0; i < 2 * sizeof cases / sizeof *cases; i++) {
        bool with_long = i % 2 != 0; /* some were committed before it fails */
        dbt_error problem = {0};
        renew_store();
        assert_ok(dbt__sql_exec(dbt__store_sql(store), cases[i / 2].before, &problem), problem);
        assert_int_equal(ingest(write_long_and_short(with_long)), DBT_EFORMAT);
        assert_non_null(strstr(err.message, "UNIQUE constraint failed"));
        assert_true(dbt__sql_idle(dbt__store_sql(store)));
        assert_ok(dbt__sql_exec(dbt__store_sql(store), cases[i / 2].after, &problem), problem);
        assert_int_equal(count("SELECT count(*) FROM document"), 0);
        assert_int_equal(count("SELECT (SELECT count(*) FROM split) + (SELECT count(*) FROM label)"
                               " + (SELECT count(*) FROM split_document)"),
                         0);
        assert_string_equal(rows("SELECT status, documents FROM source"),
                            with_long ? "refused|0" : "");
        check_invariants();
        assert_ok(ingest(at("train.csv")), err);
        assert_int_equal(result.documents, with_long ? 133 : 100);
        check_invariants();
    }
}

static void test_clean_up__that_was_killed_is_finished_by_the_next(void **state)
{
    (void)state;
    assert_ok(ingest(write_text("a.csv", "a,1\n")), err);
    assert_ok(ingest(write_text("b.csv", "b,2\nb,3\n")), err);
    assert_ok(ingest(write_text("c.csv", "c,4\n")), err);
    /* As a kill between the mark and the deletion leaves it; the rows are not the last of the
     * split. */
    dbt_error problem = {0};
    assert_ok(dbt__sql_exec(dbt__store_sql(store),
                            "UPDATE source SET status = 'refused' WHERE id = 2", &problem),
              problem);
    assert_ok(ingest(write_text("d.csv", "d,5\n")), err);
    assert_string_equal(rows(CORPUS), "train|a|1 train|c|4 train|d|5");
    assert_string_equal(rows("SELECT name FROM label ORDER BY name"), "a c d");
    check_invariants();
}

/* What somebody has put into the file between two transactions of the ingest. */
static void test_clean_up__leaves_what_is_not_of_the_source(void **state)
{
    (void)state;
    dbt_error problem = {0};
    assert_ok(ingest(write_text("a.csv", "a,1\n")), err);
    assert_ok(ingest(write_text("b.csv", "b,2\nb,3\nb,4\n")), err);
    assert_ok(dbt__sql_exec(dbt__store_sql(store),
                            "UPDATE document SET source_id = NULL WHERE text = '3';"
                            "INSERT INTO split (id, name, documents) VALUES (9, 'mine', 1);"
                            "INSERT INTO split_document SELECT 9, 0, id FROM document"
                            " WHERE text = '3';"
                            "UPDATE source SET status = 'refused', documents = 2 WHERE id = 2",
                            &problem),
              problem);
    assert_ok(ingest(write_text("c.csv", "c,5\n")), err);
    assert_string_equal(rows(CORPUS), "mine|b|3 train|a|1 train|b|3 train|c|5");
    check_invariants();
}

static void test_labels__are_kept_byte_for_byte(void **state)
{
    (void)state;
    assert_ok(ingest(write_text("a.csv", "007,a\n1e3,b\n 5 ,c\n0x10,d\na'); DROP TABLE x;--,e\n")),
              err);
    assert_string_equal(rows("SELECT '<' || name || '>' FROM label ORDER BY id"),
                        "<007> <1e3> < 5 > <0x10> <a'); DROP TABLE x;-->");
}

static void test_labels__may_be_more_than_fit_in_memory(void **state)
{
    (void)state;
    enum { LABELS = 70000 };
    char *data = malloc(LABELS * 20);
    size_t used = 0;
    assert_non_null(data);
    for (int i = 0; i < LABELS + 10; i++)
        used += (size_t)snprintf(data + used, 20, "l%d,x\n", i % LABELS);
    write_bytes(at("a.csv"), data, used);
    free(data);
    assert_ok(ingest(at("a.csv")), err);
    assert_int_equal(count("SELECT count(*) FROM label"), LABELS);
    assert_int_equal(count("SELECT count(*) FROM document"), LABELS + 10);
}

static void test_20_newsgroups__has_the_splits_of_bydate(void **state)
{
    (void)state;
    static const char path[] = DBT_SHARED_DATA "/data/20news-bydate.tar.gz";
    if (access(path, R_OK) != 0) {
        print_message("skipped: %s is not there\n", path);
        skip();
    }
    assert_ok(ingest(path), err);
    assert_string_equal(rows("SELECT name, documents FROM split ORDER BY name"),
                        "test|7532 train|11314");
    assert_int_equal(count("SELECT count(*) FROM label"), 20);
    assert_true(result.replaced_utf8 > 0);
    check_invariants();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_store, close_store)

static int64_t told; /* documents of the last progress */

static void check_progress(void *context, const dbt_ingest_progress *progress)
{
    (void)context;
    told = progress->documents;
    assert_true(dbt__sql_idle(dbt__store_sql(store)));
    assert_int_equal(count("SELECT count(*) FROM document"), told);
}

static void test_ingest__progress_tells_what_is_committed(void **state)
{
    (void)state;
    const char *const paths[] = {write_text("one.csv", "pos,a good one\nneg,a bad one\n"),
                                 write_text("two.csv", "pos,another\n")};
    options.progress = check_progress;
    assert_ok(dbt_ingest(store, paths, 2, &options, &result, &err), err);
    assert_int_equal(told, 3);
}

/* Bytes behind its number in the text of line n: some are longer than what waits in memory. */
static size_t padding_of(size_t line)
{
    return line == 200 ? 300000 : line % 100 == 50 ? 90000 : line % 7;
}

#define PADDING_OF_LINE                                                                            \
    "iif(source_line = 200, 300000, iif(source_line % 100 = 50, 90000, source_line % 7))"

static const char *write_numbered(size_t n)
{
    const char *path = at("n.csv");
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (size_t i = 1; i <= n; i++) {
        (void)fprintf(file, "%zu,%zu", i % 3, i);
        for (size_t k = padding_of(i); k > 0; k--)
            (void)fputc('x', file);
        (void)fputc('\n', file);
    }
    assert_int_equal(fclose(file), 0);
    return path;
}

static void test_ingest__any_number_of_documents_of_any_length(void **state)
{
    (void)state;
    static const size_t numbers[] = {1, 15, 16, 17, 49, 200, 255, 256, 257, 550};
    for (size_t i = 0; i < 2 * sizeof numbers / sizeof *numbers; i++) {
        int64_t n = (int64_t)numbers[i / 2];
        bool labelled = i % 2 == 0;
        renew_store();
        options.label_column = labelled ? NULL : "none";
        options.text_column = (const char *const[]){"2"};
        options.n_text_columns = 1;
        assert_ok(ingest(write_text("first.csv", "0,zero\n")), err);
        assert_ok(ingest(write_numbered((size_t)n)), err);
        assert_int_equal(result.documents, n);
        assert_int_equal(
            count("SELECT count(*) FROM document d JOIN split_document p ON p.document_id = d.id"
                  " LEFT JOIN label l ON l.id = d.label_id WHERE source_id = 2"
                  " AND position = source_line AND d.id = source_line + 1"
                  " AND text = source_line || replace(hex(zeroblob(" PADDING_OF_LINE
                  ")), '00', 'x') AND coalesce(l.name = source_line % 3, 2)"),
            n);
        assert_int_equal(count("SELECT count(label_id) FROM document WHERE source_id = 2"),
                         labelled ? n : 0);
        assert_int_equal(count("SELECT last_document_id - first_document_id + 1 FROM source"
                               " WHERE id = 2"),
                         n);
        check_invariants();
    }
}

/* As somebody does with the sqlite3 shell after the first commit. */
static void change_corpus(void *context, const dbt_ingest_progress *progress)
{
    (void)context;
    (void)progress;
    dbt__sql *other;
    dbt_error problem = {0};
    options.progress = NULL;
    assert_ok(dbt__sql_open(dbt_store_path(store), DBT__SQL_WRITE, &other, &problem), problem);
    assert_ok(dbt__sql_exec(other,
                            "UPDATE label SET name = 'b' WHERE name = 'a';"
                            "DELETE FROM split_document WHERE position = 99999;"
                            "UPDATE split SET documents = 99999",
                            &problem),
              problem);
    dbt__sql_close(other);
}

static void test_ingest__what_others_change_between_two_commits_is_seen(void **state)
{
    (void)state;
    const char *path = at("a.csv");
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (int i = 0; i < 100020; i++)
        (void)fprintf(file, "a,x\n");
    assert_int_equal(fclose(file), 0);
    options.progress = change_corpus;
    assert_ok(ingest(path), err);
    assert_string_equal(rows("SELECT l.name, count(*) FROM document d JOIN label l"
                             " ON l.id = d.label_id GROUP BY 1 ORDER BY 1"),
                        "a|20 b|100000");
    assert_int_equal(count("SELECT documents FROM split"), 100019);
    check_invariants();
}

/* --- a database that is written into past SQLite meanwhile --- */

static sqlite3 *opened; /* the connection that was opened last */
static int log_writes;  /* since the database was written into */

static int keep_opened(sqlite3 *connection, char **message, const struct sqlite3_api_routines *api)
{
    (void)message;
    (void)api;
    opened = connection;
    return SQLITE_OK;
}

static int count_log_write(void *context, sqlite3 *connection, const char *name, int pages)
{
    (void)context;
    (void)connection;
    (void)name;
    (void)pages;
    log_writes++;
    return SQLITE_OK;
}

/* Its time says so; the bytes may stay as they are. */
static void intrude(void)
{
    const struct timespec long_ago[2] = {{1, 0}, {1, 0}};
    assert_int_equal(utimensat(AT_FDCWD, dbt_store_path(store), long_ago, 0), 0);
    log_writes = 0;
}

static int intrude_in_commit(void *context)
{
    (void)context;
    intrude();
    (void)sqlite3_commit_hook(opened, NULL, NULL);
    return 0;
}

/* The first commit begins a log, of which nothing can be told. */
static void intrude_in_next_commit(void *context, const dbt_ingest_progress *progress)
{
    (void)context;
    (void)progress;
    options.progress = NULL;
    (void)sqlite3_commit_hook(opened, intrude_in_commit, NULL);
}

static void intrude_after_commit(void *context, const dbt_ingest_progress *progress)
{
    (void)context;
    (void)progress;
    intrude();
}

static void intrude_before_rows(void *context, const char *line)
{
    (void)context;
    (void)line;
    intrude();
}

static void renew_watched_store(void)
{
    assert_int_equal(sqlite3_auto_extension((void (*)(void))keep_opened), SQLITE_OK);
    renew_store();
    (void)sqlite3_cancel_auto_extension((void (*)(void))keep_opened);
    (void)sqlite3_wal_hook(opened, count_log_write, NULL);
}

/* Of `expected` writes into the log that is the commit which was under way. */
static void expect_intrusion(dbt_status status, int expected)
{
    dbt_error ignored = {0};
    assert_int_equal(status, DBT_EFORMAT);
    assert_non_null(strstr(err.message, "was written to"));
    assert_int_equal(log_writes, expected);
    options.progress = NULL;
    options.said = hear;
    assert_int_equal(dbt_store_close(store, &ignored), DBT_EFORMAT);
    store = NULL;
    assert_ok(dbt_store_open(at("test.db"), DBT_STORE_CREATE, &store, &err), err);
}

static void test_ingest__writes_nothing_once_the_file_was_written_into(void **state)
{
    (void)state;
    const char *const paths[] = {write_text("one.csv", "pos,a good one\nneg,a bad one\n"),
                                 write_text("two.csv", "pos,another\n")};
    renew_watched_store();
    options.progress = intrude_in_next_commit;
    expect_intrusion(dbt_ingest(store, paths, 2, &options, &result, &err), 1);
    renew_watched_store();
    options.progress = intrude_after_commit;
    expect_intrusion(dbt_ingest(store, paths, 2, &options, &result, &err), 0);
    renew_watched_store();
    assert_int_equal(ingest_some(paths, 1), DBT_EINTERRUPTED);
    options.stop = NULL;
    options.said = intrude_before_rows;
    err = (dbt_error){0};
    expect_intrusion(dbt_ingest(store, paths + 1, 1, &options, &result, &err), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_ingest__a_file_by_its_name),
        TEST(test_ingest__a_folder_of_class_folders),
        TEST(test_ingest__an_archive_of_class_folders),
        TEST(test_ingest__an_archive_of_files_with_classes),
        TEST(test_ingest__a_link_in_an_archive_has_no_content),
        TEST(test_ingest__what_is_no_regular_file_is_left_out),
        TEST(test_ingest__a_link_that_leads_nowhere_cannot_be_read),
        TEST(test_ingest__a_class_folder_alone),
        TEST(test_ingest__a_class_folder_with_folders_in_it),
        TEST(test_ingest__many_files_that_are_left_out_are_counted),
        TEST(test_errors__a_layout_that_was_asked_for_and_is_not_there),
        TEST(test_ingest__a_compressed_file_is_one_source),
        TEST(test_ingest__what_comes_through_a_pipe),
        TEST(test_refusal__takes_out_the_rows_of_the_whole_command),
        TEST(test_refusal__leaves_no_split_behind_that_it_made),
        TEST(test_refusal__after_commits_takes_out_all),
        TEST(test_rejects__rows_in_are_rows_stored_and_refused),
        TEST(test_errors__name_the_source),
        TEST(test_errors__a_sparse_file_out_of_order_is_damage),
        TEST(test_errors__options_are_checked_before_anything_is_read),
        TEST(test_formats__have_the_names_of_the_option),
        TEST(test_formats__of_the_sources_that_came_in_are_told),
        TEST(test_recognition__by_split_name_size_and_content),
        TEST(test_recognition__of_what_merely_looks_packed),
        TEST(test_recognition__not_of_rows_through_a_pipe_with_a_name),
        TEST(test_dedup__within_split_and_label),
        TEST(test_ingest__progress_tells_what_is_committed),
        TEST(test_ingest__any_number_of_documents_of_any_length),
        TEST(test_ingest__what_others_change_between_two_commits_is_seen),
        TEST(test_ingest__writes_nothing_once_the_file_was_written_into),
        TEST(test_ingest__a_file_that_changes_while_it_is_read_is_told),
        TEST(test_interrupted__is_taken_out_when_another_comes_first),
        TEST(test_interrupted__is_left_by_what_cannot_begin),
        TEST(test_interrupted__wherever_a_file_is_read),
        TEST(test_resume__goes_on_after_the_last_committed_row),
        TEST(test_resume__goes_on_behind_what_merely_looks_packed),
        TEST(test_resume__what_reads_otherwise_now_is_read_anew),
        TEST(test_resume__other_splits_lose_what_is_taken_out),
        TEST(test_ingest__ids_that_cannot_be_foreseen_are_damage),
        TEST(test_refusal__takes_out_sources_before_one_that_cannot_be_stored),
        TEST(test_ingest__a_statement_that_fails_half_way_leaves_nothing),
        TEST(test_clean_up__that_was_killed_is_finished_by_the_next),
        TEST(test_clean_up__leaves_what_is_not_of_the_source),
        TEST(test_labels__are_kept_byte_for_byte),
        TEST(test_labels__may_be_more_than_fit_in_memory),
        TEST(test_20_newsgroups__has_the_splits_of_bydate),
    };
    return cmocka_run_group_tests_name("ingest", tests, NULL, NULL);
}
