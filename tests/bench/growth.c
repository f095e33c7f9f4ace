/* growth.c: time and memory of ingest and fit as the documents grow tenfold and again. */
#include <string.h>

#include "bench.h"

enum { TEST_DOCUMENTS = 1000 };

typedef struct contest {
    const bench_options *options;
    const char *database;
    const char *train, *test; /* CSV */
    const char *memory;       /* NULL: the default */
    int64_t documents;
} contest;

static void report(int64_t documents, bench_usage usage, double *value)
{
    value[0] = usage.seconds / (double)documents * 1e6;
    value[1] = usage.seconds;
    value[2] = usage.cpu;
    value[3] = usage.peak / 0x1.0p20;
}

static void run_ingest(void *context, size_t run, double *value)
{
    (void)run;
    const contest *c = context;
    const char *const argv[] = {
        c->options->dbtrain, "ingest", c->database, c->train, c->test, NULL};
    bench_remove_database(c->database);
    report(c->documents + TEST_DOCUMENTS, bench_process(c->options, argv, NULL, NULL), value);
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
    report(c->documents, bench_process(c->options, argv, NULL, NULL), value);
}

/* Of one size; the files are made. */
static contest make_contest(const bench_options *options, int64_t documents)
{
    contest c = {.options = options, .documents = documents};
    /* The base names decide the splits. */
    c.database = bench_path(options, "growth-%lld.db", (long long)documents);
    c.train = bench_path(options, "%lld-train.csv", (long long)documents);
    c.test = bench_path(options, "%lld-test.csv", (long long)documents);
    generator_options corpus;
    generator_options_init(&corpus);
    corpus.documents = documents;
    bench_write_csv(&corpus, c.train);
    corpus.documents = TEST_DOCUMENTS;
    corpus.seed = 2;
    bench_write_csv(&corpus, c.test);
    return c;
}

static void measure(const bench_options *options, const char *title, size_t n,
                    const bench_contestant *contestants)
{
    bench_measure(options,
                  &(bench_table){
                      .section = "growth",
                      .title = title,
                      .n_metrics = 4,
                      .metric = {{"us/document", 1}, {"seconds", 2}, {"CPU s", 2}, {"peak MiB", 1}},
                      .n_contestants = n,
                      .contestant = contestants,
                  });
}

void bench_section_growth(const bench_options *options)
{
    static const int64_t usual[] = {25000, 250000, 2500000, 10000000};
    const int64_t *size = options->n_sizes > 0 ? options->size : usual;
    size_t n = options->n_sizes > 0 ? options->n_sizes : options->large ? 4 : 3;
    contest contests[2][BENCH_MAXIMUM_SIZES];
    bench_contestant ingests[BENCH_MAXIMUM_SIZES], fits[2 * BENCH_MAXIMUM_SIZES];
    char names[3][BENCH_MAXIMUM_SIZES][64];
    for (size_t i = 0; i < n; i++) {
        const char *documents = bench_grouped(size[i]);
        contests[0][i] = contests[1][i] = make_contest(options, size[i]);
        contests[1][i].memory = "150M";
        (void)snprintf(names[0][i], sizeof names[0][i], "%s documents", documents);
        (void)snprintf(names[1][i], sizeof names[1][i], "%s documents, default memory", documents);
        (void)snprintf(names[2][i], sizeof names[2][i], "%s documents, --memory 150M", documents);
        ingests[i] = (bench_contestant){names[0][i], run_ingest, &contests[0][i]};
        fits[i] = (bench_contestant){names[1][i], run_fit, &contests[0][i]};
        fits[n + i] = (bench_contestant){names[2][i], run_fit, &contests[1][i]};
    }
    measure(options, "dbtrain ingest", n, ingests);
    measure(options, "dbtrain fit --epochs 1", 2 * n, fits);
    for (size_t i = 0; i < n; i++)
        bench_remove_database(contests[0][i].database);
}
