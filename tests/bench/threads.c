/* threads.c: a whole fit by one thread and by all. */
#include <stdio.h>

#include "bench.h"

enum { TEST_DOCUMENTS = 5000 };

typedef struct contest {
    const bench_options *options;
    const char *database;
    char threads[24];
} contest;

/* With a vocabulary of its own: one that the file has would be used again. */
static void run_fit(void *context, size_t run, double *value)
{
    (void)run;
    const contest *c = context;
    const char *const argv[] = {c->options->dbtrain, "fit",  c->database,
                                "--validation",      "test", "--threads",
                                c->threads,          NULL};
    bench_execute(c->database, "DELETE FROM run; DELETE FROM vectorizer");
    bench_usage usage = bench_process(c->options, argv, NULL, NULL);
    value[0] = usage.seconds;
    value[1] = usage.cpu;
    value[2] = usage.peak / 0x1.0p20;
}

static void measure_corpus(const bench_options *options, const char *title,
                           const char *const paths[2])
{
    contest one = {.options = options, .database = bench_path(options, "threads.db")}, all = one;
    char name[32];
    (void)snprintf(one.threads, sizeof one.threads, "1");
    (void)snprintf(all.threads, sizeof all.threads, "%zu", options->threads);
    (void)snprintf(name, sizeof name, "fit --threads %zu", options->threads);
    bench_ingest(one.database, paths, 2);
    const bench_contestant contestants[] = {{name, run_fit, &all},
                                            {"fit --threads 1", run_fit, &one}};
    bench_measure(options, &(bench_table){
                               .section = "threads",
                               .title = title,
                               .note = "guide's settings; counting, training and validating",
                               .n_metrics = 3,
                               .metric = {{"seconds", 2}, {"CPU s", 2}, {"peak MiB", 1}},
                               .n_contestants = 2,
                               .contestant = contestants,
                           });
    bench_remove_database(one.database);
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
