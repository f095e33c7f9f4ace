/*
 * threads.c: a whole fit by one thread and by all, and as many fits by one thread as there are
 * threads, at once: what the processors of the machine can do together, whatever the program.
 */
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"

enum { TEST_DOCUMENTS = 5000 };

typedef struct contest {
    const bench_options *options;
    char threads[24];
    size_t n_databases; /* that are fitted at once */
    const char **database;
} contest;

static const char script[] =
    "threads=$1; shift; for file; do"
    " \"$0\" fit \"$file\" --validation test --threads $threads & jobs=\"$jobs $!\"; done;"
    " for job in $jobs; do wait $job || exit 1; done";

/* Each with a vocabulary of its own: one that the file has would be used again. */
static void run_fits(void *context, size_t run, double *value)
{
    (void)run;
    const contest *c = context;
    const char **argv = calloc(c->n_databases + 6, sizeof *argv);
    if (argv == NULL) bench_fail("out of memory");
    const char *const start[] = {"sh", "-c", script, c->options->dbtrain, c->threads};
    for (size_t i = 0; i < 5; i++)
        argv[i] = start[i];
    for (size_t i = 0; i < c->n_databases; i++) {
        argv[5 + i] = c->database[i];
        bench_execute(c->database[i], "DELETE FROM run; DELETE FROM vectorizer");
    }
    bench_usage usage = bench_process(c->options, argv, NULL, NULL);
    free(argv);
    value[0] = usage.seconds;
    value[1] = usage.cpu;
    value[2] = usage.peak / 0x1.0p20;
}

static void measure_corpus(const bench_options *options, const char *title,
                           const char *const paths[2])
{
    size_t n = options->threads;
    const char **databases = calloc(n, sizeof *databases);
    if (databases == NULL) bench_fail("out of memory");
    for (size_t i = 0; i < n; i++) {
        databases[i] = bench_path(options, "threads-%zu.db", i);
        bench_ingest(databases[i], paths, 2);
    }
    contest all = {options, "", 1, databases}, one = {options, "1", 1, databases},
            several = {options, "1", n, databases};
    char names[2][48];
    (void)snprintf(all.threads, sizeof all.threads, "%zu", n);
    (void)snprintf(names[0], sizeof names[0], "fit --threads %zu", n);
    (void)snprintf(names[1], sizeof names[1], "%zu fits --threads 1 at once", n);
    const bench_contestant contestants[] = {{names[0], run_fits, &all},
                                            {"fit --threads 1", run_fits, &one},
                                            {names[1], run_fits, &several}};
    bench_measure(options, &(bench_table){
                               .section = "threads",
                               .title = title,
                               .note = "guide's settings; counting, training and validating",
                               .n_metrics = 3,
                               .metric = {{"seconds", 2}, {"CPU s", 2}, {"peak MiB", 1}},
                               .n_contestants = 3,
                               .contestant = contestants,
                           });
    for (size_t i = 0; i < n; i++)
        bench_remove_database(databases[i]);
    free(databases);
}

void bench_section_threads(const bench_options *options)
{
    const char *paths[2];
    if (bench_find_imdb(options, paths))
        measure_corpus(options, "IMDb, train.csv", paths);
    else
        bench_skip(options, "threads", "IMDb: no '%s'", paths[0]);

    generator_options corpus;
    generator_options_init(&corpus);
    corpus.documents = bench_size(options, 250000);
    paths[0] = bench_path(options, "train.csv");
    paths[1] = bench_path(options, "test.csv");
    char title[64];
    (void)snprintf(title, sizeof title, "%s generated documents", bench_grouped(corpus.documents));
    bench_write_csv(&corpus, paths[0]);
    corpus.documents = TEST_DOCUMENTS;
    corpus.seed = 2;
    bench_write_csv(&corpus, paths[1]);
    measure_corpus(options, title, paths);
}
