/* growth.c: time and memory of ingest and fit as the documents grow tenfold and again. */
#include <string.h>

#include "bench.h"

enum { TEST_DOCUMENTS = 5000 };

typedef struct contest {
    const bench_options *options;
    const char *database;
    const char *train, *test; /* CSV */
    const char *memory;       /* NULL: the default */
    int64_t documents;
} contest;

static void report(const contest *c, bench_usage usage, double *value)
{
    value[0] = usage.seconds;
    value[1] = usage.cpu;
    value[2] = usage.seconds / (double)c->documents * 1e6;
    value[3] = usage.peak / 0x1.0p20;
}

static void run_ingest(void *context, size_t run, double *value)
{
    (void)run;
    const contest *c = context;
    const char *const argv[] = {
        c->options->dbtrain, "ingest", c->database, c->train, c->test, NULL};
    bench_remove_database(c->database);
    report(c, bench_process(c->options, argv, NULL, NULL), value);
}

/* One epoch, with a vocabulary of its own: one that the file has would be used again. */
static void run_fit(void *context, size_t run, double *value)
{
    (void)run;
    const contest *c = context;
    char threads[24];
    (void)snprintf(threads, sizeof threads, "%zu", c->options->threads);
    const char *const argv[] = {c->options->dbtrain,
                                "fit",
                                c->database,
                                "--validation",
                                "test",
                                "--epochs",
                                "1",
                                "--threads",
                                threads,
                                c->memory == NULL ? NULL : "--memory",
                                c->memory,
                                NULL};
    bench_execute(c->database, "DELETE FROM run; DELETE FROM vectorizer");
    report(c, bench_process(c->options, argv, NULL, NULL), value);
}

static void measure_size(const bench_options *options, int64_t documents)
{
    contest c = {.options = options,
                 .database = bench_path(options, "growth.db"),
                 .train = bench_path(options, "train.csv"),
                 .test = bench_path(options, "test.csv"),
                 .documents = documents};
    generator_options corpus;
    generator_options_init(&corpus);
    corpus.documents = documents;
    bench_write_csv(&corpus, c.train);
    corpus.documents = TEST_DOCUMENTS;
    corpus.seed = 2;
    bench_write_csv(&corpus, c.test);
    contest tight = c;
    tight.memory = "150M";
    char title[64];
    (void)snprintf(title, sizeof title, "%lld documents", (long long)documents);
    const bench_contestant contestants[] = {{"ingest", run_ingest, &c},
                                            {"fit --epochs 1", run_fit, &c},
                                            {"fit --epochs 1 --memory 150M", run_fit, &tight}};
    bench_measure(options,
                  &(bench_table){
                      .section = "growth",
                      .title = title,
                      .n_metrics = 4,
                      .metric = {{"seconds", 2}, {"CPU s", 2}, {"us/document", 1}, {"peak MiB", 1}},
                      .n_contestants = 3,
                      .contestant = contestants,
                  });
}

void bench_section_growth(const bench_options *options)
{
    static const int64_t usual[] = {25000, 250000, 2500000, 10000000};
    const int64_t *size = options->n_sizes > 0 ? options->size : usual;
    size_t n = options->n_sizes > 0 ? options->n_sizes : options->large ? 4 : 3;
    for (size_t i = 0; i < n; i++)
        measure_size(options, size[i]);
    bench_remove_database(bench_path(options, "growth.db"));
}
