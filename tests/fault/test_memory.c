/*
 * test_memory.c: a fit of the real program takes no more memory than it says it needs, whatever
 * makes it large: features, batches, labels, layers. To evaluate it takes no more for many labels.
 */
#include "testing.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "../scratch.h"
#include "base.h"
#include "program.h"

enum { VOCABULARY = 5000, MOST_OPTIONS = 16 };

/* Documents of n_words random words, whose labels go round. */
static void make_corpus(const char *database, int n_documents, int n_labels, int n_words)
{
    const char *path = path_of("corpus.tsv");
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (int i = 0; i < n_documents; i++) {
        (void)fprintf(file, "l%d\t", i % n_labels);
        for (int j = 0; j < n_words; j++)
            (void)fprintf(file, "%sw%d", j == 0 ? "" : " ",
                          (int)dbt__random_below((uint64_t)i, (uint64_t)j, VOCABULARY));
        (void)fputc('\n', file);
    }
    assert_int_equal(fclose(file), 0);
    const char *words[] = {"ingest", database, path, NULL};
    assert_int_equal(program_run(words), 0);
}

/* fit with the options and that limit; its peak in KiB and what it says. Returns its exit code. */
static int fit(const char *database, const char *const *options, const char *limit, long *peak,
               char *said, size_t capacity)
{
    const char *words[MOST_OPTIONS + 5] = {"fit", database, "--memory", limit};
    for (int i = 0; options[i] != NULL; i++)
        words[i + 4] = options[i];
    program child;
    program_start(&child, false, words);
    int status = program_wait(&child);
    *peak = child.peak;
    (void)snprintf(said, capacity, "%s", child.text);
    program_release(&child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* The MiB that a refused fit says it needs. */
static long needed_of(const char *said, const char *hint)
{
    const char *at = strstr(said, "this network needs ");
    assert_non_null(at);
    if (strstr(at, hint) == NULL) fail_msg("%s", said);
    at += strcspn(at, "0123456789");
    return strtol(at, NULL, 10);
}

static void assert_peak(long peak, long mib)
{
#ifdef DBT_SANITIZED
    (void)peak, (void)mib; /* a sanitizer takes memory of its own */
#else
    if (peak > mib * 1024) fail_msg("%ld KiB were taken, %ld MiB allowed", peak, mib);
#endif
}

/* Of what takes a sanitizer a minute, and shows nothing but a peak. */
static void skip_without_peaks(void)
{
#ifdef DBT_SANITIZED
    skip();
#endif
}

/* Refused below what it says it needs, which it then keeps: what a batch takes is known before the
 * documents are counted, and again, with its entries, after. To be refused takes no more, either.
 */
static void assert_kept(const char *database, const char *limit, const char *hint,
                        const char *const *options)
{
    char said[4096], needed[32];
    long peak, mib = strtol(limit, NULL, 10);
    int code = fit(database, options, limit, &peak, said, sizeof said);
    assert_int_equal(code, 2);
    for (int refused = 1; code == 2 && refused <= 2; refused++) {
        assert_peak(peak, mib);
        mib = needed_of(said, hint);
        (void)snprintf(needed, sizeof needed, "%ldM", mib);
        code = fit(database, options, needed, &peak, said, sizeof said);
    }
    if (code != 0) fail_msg("%s", said);
    print_message("%s: %ld MiB needed, %ld taken\n", database, mib, peak / 1024);
    assert_peak(peak, mib);
}

static void test_memory__of_all_terms_as_features(void **state)
{
    (void)state;
    static const char *const options[] = {
        "--top-k", "0",   "--min-df",           "1",   "--epochs", "4",
        "--units", "128", "--checkpoint-every", "0.1", NULL};
    const char *database = path_of("features.db");
    make_corpus(database, 3000, 2, 25);
    assert_kept(database, "64M", "; a top-k, a higher min-df or fewer units take less", options);
}

static void test_memory__of_large_batches(void **state)
{
    (void)state;
    static const char *const options[] = {
        "--top-k",  "100", "--batch-size",       "12000", "--units", "512", "--layers", "5",
        "--epochs", "4",   "--checkpoint-every", "0.1",   NULL};
    const char *database = path_of("batches.db");
    make_corpus(database, 15000, 2, 6);
    assert_kept(database, "100M", "; a lower batch-size or fewer units take less", options);
}

static void test_memory__of_batches_with_many_labels(void **state)
{
    (void)state;
    static const char *const options[] = {"--top-k", "500",     "--batch-size", "4000", "--epochs",
                                          "2",       "--units", "16",           NULL};
    const char *database = path_of("labels.db");
    make_corpus(database, 6000, 2000, 6);
    assert_kept(database, "64M", "; a lower batch-size or fewer units take less", options);
}

static void test_memory__of_hashed_columns(void **state)
{
    (void)state;
    static const char *const options[] = {"--hash-bits",        "16",  "--epochs", "4",
                                          "--checkpoint-every", "0.1", NULL};
    const char *database = path_of("columns.db");
    make_corpus(database, 3000, 2, 25);
    assert_kept(database, "64M", "; fewer hash-bits or units take less", options);
}

static void test_memory__of_the_defaults(void **state)
{
    (void)state;
    static const char *const options[] = {"--epochs", "4", "--checkpoint-every", "0.1", NULL};
    const char *database = path_of("defaults.db");
    make_corpus(database, 30000, 3, 80);
    assert_kept(database, "64M", "; a lower top-k or fewer units take less", options);
}

/* More than there is room for: refused before their strings are fetched. */
static void test_memory__of_a_million_features(void **state)
{
    (void)state;
    static const char *const options[] = {"--top-k", "0",        "--min-df", "1", "--units",
                                          "1",       "--epochs", "1",        NULL};
    char said[4096];
    long peak;
    const char *database = path_of("million.db");
    make_corpus(database, 20000, 3, 40);
    assert_int_equal(fit(database, options, "72M", &peak, said, sizeof said), 2);
    print_message("%s: 72 MiB allowed, %ld taken, %ld needed\n", database, peak / 1024,
                  needed_of(said, "; a top-k, a higher min-df or fewer units take less"));
    assert_peak(peak, 72);
}

static void assert_within(const char *database, long mib, const char *const *options)
{
    char said[4096], limit[32];
    long peak;
    (void)snprintf(limit, sizeof limit, "%ldM", mib);
    if (fit(database, options, limit, &peak, said, sizeof said) != 0) fail_msg("%s", said);
    print_message("%s: %ld MiB allowed, %ld taken\n", database, mib, peak / 1024);
    assert_peak(peak, mib);
}

/* Each has a word of its own, and all of these have the same score: of so many terms each could be
 * one of the features. */
static void test_memory__of_terms_that_are_tied(void **state)
{
    (void)state;
    skip_without_peaks();
    static const char *const options[] = {
        "--validation", "train", "--ngram-range", "1,1", "--min-df",  "1", "--top-k", "2000",
        "--units",      "4",     "--epochs",      "1",   "--threads", "2", NULL};
    const char *database = path_of("tied.db"), *path = path_of("tied.tsv");
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (int i = 0; i < 400000; i++)
        (void)fprintf(file, "l%d\tword%d\n", i % 2, i);
    assert_int_equal(fclose(file), 0);
    const char *words[] = {"ingest", database, path, NULL};
    assert_int_equal(program_run(words), 0);
    assert_within(database, 64, options);
}

/* A batch of them would take more than half of the limit, and each thread has some. */
static void test_memory__of_long_documents(void **state)
{
    (void)state;
    skip_without_peaks();
    static const char *const options[] = {"--threads", "8", "--epochs", "1", NULL};
    const char *database = path_of("long.db");
    make_corpus(database, 300, 2, 40000);
    assert_within(database, 128, options);
}

/* Their batches are many times as large as most: the ring of batches has room for few of them. */
static void test_memory__of_a_few_long_documents(void **state)
{
    (void)state;
    skip_without_peaks();
    static const char *const options[] = {
        "--threads", "4", "--epochs", "2",  "--ngram-range", "1,1", "--top-k", "0",
        "--min-df",  "1", "--units",  "16", "--batch-size",  "32",  NULL};
    const char *database = path_of("skewed.db"), *path = path_of("skewed.tsv");
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (int i = 0; i < 60000; i++) {
        int n = i % 600 == 0 ? 60000 : 6;
        (void)fprintf(file, "l%d\t", i % 2);
        for (int j = 0; j < n; j++)
            (void)fprintf(file, "%sw%d", j == 0 ? "" : " ", n == 6 ? (i + 7 * j) % 60000 : j);
        (void)fputc('\n', file);
    }
    assert_int_equal(fclose(file), 0);
    const char *words[] = {"ingest", database, path, NULL};
    assert_int_equal(program_run(words), 0);
    assert_within(database, 112, options);
}

/* Each thread holds a document: threads that were asked for are refused, others are left out. */
static void test_memory__of_documents_of_megabytes(void **state)
{
    (void)state;
    skip_without_peaks();
    static const char *const eight[] = {"--threads", "8", "--epochs", "1", "--top-k", "100", NULL};
    static const char *const one[] = {"--threads", "1", "--epochs", "1", "--top-k", "100", NULL};
    const char *database = path_of("megabytes.db");
    make_corpus(database, 8, 2, 500000);
    assert_kept(database, "100M", "; fewer threads take less", eight);
    assert_kept(database, "64M",
                "; the longest of the documents, or the names of the labels, take much of it", one);
    assert_within(database, 80, one + 2);
}

static void test_memory__of_long_labels(void **state)
{
    (void)state;
    skip_without_peaks();
    enum { LABELS = 400, LABEL_BYTES = 60000 };
    static const char *const options[] = {"--validation", "train", "--epochs", "1",
                                          "--threads",    "1",     NULL};
    const char *database = path_of("named.db"), *path = path_of("named.tsv");
    char name[LABEL_BYTES + 1];
    memset(name, 'x', LABEL_BYTES);
    name[LABEL_BYTES] = '\0';
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (int i = 0; i < 2 * LABELS; i++)
        (void)fprintf(file, "%s%03d\tgood word%d\n", name, i % LABELS, i % 50);
    assert_int_equal(fclose(file), 0);
    const char *words[] = {"ingest", database, path, NULL};
    assert_int_equal(program_run(words), 0);
    assert_kept(database, "128M",
                "; the longest of the documents, or the names of the labels, take much of it",
                options);
}

/* Of as many labels most pairs of an actual and a predicted one never occur: they take nothing. */
static void test_memory__of_an_evaluation_with_many_labels(void **state)
{
    (void)state;
    enum { MIB = 100 }; /* counts of all pairs would be 128 */
    const char *database = path_of("evaluated.db");
    const char *const commands[][6] = {{"evaluate", database, "--split", "train"},
                                       {"evaluate", database, "--split", "train", "--json"},
                                       {"predict", database, "--split", "train"}};
    static const char *const options[] = {"--validation", "train",   "--epochs", "1", "--units",
                                          "16",           "--top-k", "500",      NULL};
    char said[4096];
    long peak;
    make_corpus(database, 8000, 4000, 6);
    if (fit(database, options, "1G", &peak, said, sizeof said) != 0) fail_msg("%s", said);
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        program child;
        program_start(&child, false, commands[i]);
        int status = program_wait(&child);
        if (status != 0) fail_msg("%.400s", child.text);
        print_message("%s: %ld MiB taken\n", commands[i][0], child.peak / 1024);
        assert_peak(child.peak, MIB);
        program_release(&child);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory__of_all_terms_as_features),
        cmocka_unit_test(test_memory__of_large_batches),
        cmocka_unit_test(test_memory__of_batches_with_many_labels),
        cmocka_unit_test(test_memory__of_hashed_columns),
        cmocka_unit_test(test_memory__of_the_defaults),
        cmocka_unit_test(test_memory__of_a_million_features),
        cmocka_unit_test(test_memory__of_terms_that_are_tied),
        cmocka_unit_test(test_memory__of_long_documents),
        cmocka_unit_test(test_memory__of_a_few_long_documents),
        cmocka_unit_test(test_memory__of_documents_of_megabytes),
        cmocka_unit_test(test_memory__of_long_labels),
        cmocka_unit_test(test_memory__of_an_evaluation_with_many_labels),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
