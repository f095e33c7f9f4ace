/*
 * shuffle.c: is the shuffle good? Accuracy after one epoch on a corpus that is sorted by class.
 *
 * The contestants are dbtrain's shuffle; a random order of the whole corpus, made when it was
 * written and kept by --no-shuffle; and, to see what is at stake, the sorted order itself. A run is
 * a seed.
 */
#include <string.h>

#include "bench.h"

enum { TEST_DOCUMENTS = 20000 };

typedef struct contest {
    const bench_options *options;
    const char *train, *test; /* CSV */
    const char *database;
    bool keep_order; /* of the file */
} contest;

static void run_fit(void *context, size_t run, double *value)
{
    const contest *c = context;
    char seed[24], threads[24];
    (void)snprintf(seed, sizeof seed, "%zu", run + 1);
    (void)snprintf(threads, sizeof threads, "%zu", c->options->threads);
    const char *report = bench_path(c->options, "report");
    const char *const fit[] = {c->options->dbtrain,
                               "fit",
                               c->database,
                               "--validation",
                               "test",
                               "--epochs",
                               "1",
                               "--seed",
                               seed,
                               "--threads",
                               threads,
                               c->keep_order ? "--no-shuffle" : NULL,
                               NULL};
    const char *const evaluate[] = {c->options->dbtrain, "evaluate", c->database, "--json", NULL};
    (void)bench_process(c->options, fit, NULL, NULL);
    (void)bench_process(c->options, evaluate, report, NULL);
    value[0] = 100 * bench_number_in(report, "\"acc\": ");
}

/* As many as an epoch can tell apart. */
static int64_t classes_of(int64_t documents)
{
    return documents < 100000 ? 4 : 14;
}

static void write_corpus(const contest *c, int64_t documents, bool sorted)
{
    generator_options corpus;
    generator_options_init(&corpus);
    corpus.documents = documents;
    corpus.classes = classes_of(documents);
    corpus.sorted = sorted;
    bench_write_csv(&corpus, c->train);
    corpus.documents = TEST_DOCUMENTS;
    corpus.seed = 2;
    bench_write_csv(&corpus, c->test);
    bench_ingest(c->database, (const char *const[]){c->train, c->test}, 2);
}

static void measure_size(const bench_options *options, int64_t documents)
{
    contest sorted = {.options = options,
                      .train = bench_path(options, "train.csv"),
                      .test = bench_path(options, "test.csv"),
                      .database = bench_path(options, "sorted.db")};
    contest mixed = sorted, kept = sorted;
    mixed.database = bench_path(options, "mixed.db");
    mixed.keep_order = kept.keep_order = true;
    write_corpus(&sorted, documents, true);
    write_corpus(&mixed, documents, false);
    const bench_contestant contestants[] = {{"rows in random order, --no-shuffle", run_fit, &mixed},
                                            {"sorted by class, shuffled by fit", run_fit, &sorted},
                                            {"sorted by class, --no-shuffle", run_fit, &kept}};
    char title[96];
    (void)snprintf(title, sizeof title, "%s documents of %lld classes, one epoch, a seed a run",
                   bench_grouped(documents), (long long)classes_of(documents));
    bench_measure(options, &(bench_table){
                               .section = "shuffle",
                               .title = title,
                               .n_metrics = 1,
                               .metric = {{"accuracy %", 2}},
                               .n_contestants = 3,
                               .contestant = contestants,
                           });
    bench_remove_database(sorted.database);
    bench_remove_database(mixed.database);
}

void bench_section_shuffle(const bench_options *options)
{
    static const int64_t usual[] = {20000, 200000};
    const int64_t *size = options->n_sizes > 0 ? options->size : usual;
    size_t n = options->n_sizes > 0 ? options->n_sizes : 2;
    for (size_t i = 0; i < n; i++)
        measure_size(options, size[i]);
}
