/* count.c: counting and selecting the vocabulary, by threads and by memory. */
#include "bench.h"

typedef struct contest {
    const bench_documents *documents;
    size_t threads;
    size_t memory;      /* 0: the default */
    const char *folder; /* for what does not fit into that; NULL with the default */
} contest;

static void run_fit(void *context, size_t run, double *value)
{
    (void)run;
    static const int64_t labels[] = {1, 2};
    const dbt_classes classes = {2, labels};
    const contest *c = context;
    dbt_error err = {0};
    dbt_pool *pool;
    dbt_vectorizer *vectorizer;
    dbt_vectorizer_stats stats;
    dbt_vectorizer_options options;
    dbt_corpus corpus = bench_corpus(c->documents);
    dbt_vectorizer_options_init(&options);
    if (c->memory != 0) options.memory = c->memory;
    options.spill_folder = c->folder;
    bench_must(dbt_pool_new(c->threads, &pool, &err), &err);
    double begin = bench_now();
    bench_must(dbt_vectorizer_fit(&options, &corpus, &classes, pool, &vectorizer, &stats, &err),
               &err);
    double seconds = bench_now() - begin;
    value[0] = seconds;
    value[1] = (double)c->documents->bytes / seconds / 1e6;
    value[2] = (double)stats.spilled_bytes / 0x1p20;
    value[3] = (double)stats.scoring_passes;
    dbt_vectorizer_free(vectorizer);
    dbt_pool_free(pool);
}

static void measure_corpus(const bench_options *options, const bench_documents *documents,
                           const char *title)
{
    contest one = {documents, 1, 0, NULL}, all = {documents, options->threads, 0, NULL},
            tight = {documents, options->threads, 16 << 20, options->folder};
    char names[2][48];
    (void)snprintf(names[0], sizeof names[0], "%zu threads", options->threads);
    (void)snprintf(names[1], sizeof names[1], "%zu threads, tables of 16 MiB", options->threads);
    const bench_contestant contestants[] = {
        {"1 thread", run_fit, &one}, {names[0], run_fit, &all}, {names[1], run_fit, &tight}};
    bench_measure(
        options,
        &(bench_table){
            .section = "count",
            .title = title,
            .note = "dbt_vectorizer_fit with the guide's settings, texts in memory",
            .n_metrics = 4,
            .metric = {{"seconds", 3}, {"MB/s", 1}, {"spilled MiB", 1}, {"scoring passes", 0}},
            .n_contestants = 3,
            .contestant = contestants,
        });
}

void bench_section_count(const bench_options *options)
{
    generator_options corpus;
    generator_options_init(&corpus);
    corpus.documents = bench_size(options, 250000);
    bench_documents documents = bench_generate(&corpus);
    char title[64];
    (void)snprintf(title, sizeof title, "%s generated documents", bench_grouped(corpus.documents));
    measure_corpus(options, &documents, title);
    bench_release(&documents);

    const char *paths[2];
    if (!bench_find_imdb(options, paths)) {
        bench_skip(options, "count", "IMDb: no '%s'", paths[0]);
        return;
    }
    const char *database = bench_path(options, "imdb.db");
    bench_ingest(database, paths, 1);
    documents = bench_load(database, "train");
    measure_corpus(options, &documents, "IMDb, train.csv");
    bench_release(&documents);
}
