/* vectorize.c: texts to tf-idf rows, one thread, in three scripts. */
#include <string.h>

#include "bench.h"

typedef struct contest {
    const char *name;
    bench_documents documents;
    dbt_vectorizer *vectorizer;
} contest;

/* A vocabulary of the guide's settings; labels are 1 .. n. */
static dbt_vectorizer *fit_vocabulary(const bench_documents *documents)
{
    static const int64_t labels[] = {1, 2};
    const dbt_classes classes = {2, labels};
    dbt_error err = {0};
    dbt_vectorizer *vectorizer;
    dbt_vectorizer_options options;
    dbt_vectorizer_options_init(&options);
    dbt_corpus corpus = bench_corpus(documents);
    bench_must(dbt_vectorizer_fit(&options, &corpus, &classes, NULL, &vectorizer, NULL, &err),
               &err);
    return vectorizer;
}

static void run_transform(void *context, size_t run, double *value)
{
    (void)run;
    const contest *c = context;
    dbt_error err = {0};
    dbt_transformer *transformer;
    dbt_page *page;
    dbt_batch *batch;
    bench_must(dbt_transformer_new(c->vectorizer, &transformer, &err), &err);
    bench_must(dbt_page_new(&page, &err), &err);
    bench_must(dbt_batch_new(&batch, &err), &err);
    double seconds = 0;
    for (size_t i = 0; i < bench_pages(&c->documents); i++) {
        bench_fill_page(&c->documents, i, page);
        double begin = bench_now();
        bench_must(dbt_transform(transformer, page, NULL, batch, &err), &err);
        seconds += bench_now() - begin;
    }
    value[0] = (double)c->documents.bytes / seconds / 1e6;
    value[1] = (double)c->documents.n / seconds / 1e3;
    dbt_batch_free(batch);
    dbt_page_free(page);
    dbt_transformer_free(transformer);
}

static void load_imdb(const bench_options *options, contest *c)
{
    const char *paths[2];
    if (!bench_find_imdb(options, paths)) {
        bench_skip(options, "vectorize", "IMDb: no '%s'", paths[0]);
        return;
    }
    const char *database = bench_path(options, "imdb.db");
    bench_ingest(database, paths, 1);
    c->documents = bench_load(database, "train");
    c->name = "IMDb, English";
}

static void generate_script(const bench_options *options, generator_script script, contest *c)
{
    static const char *const names[GENERATOR_SCRIPTS] = {"generated, Latin", "generated, Cyrillic",
                                                         "generated, Hangul"};
    generator_options corpus;
    generator_options_init(&corpus);
    corpus.documents = bench_size(options, 100000);
    corpus.script = script;
    c->documents = bench_generate(&corpus);
    c->name = names[script];
}

void bench_section_vectorize(const bench_options *options)
{
    contest contests[GENERATOR_SCRIPTS + 1] = {0};
    bench_contestant contestants[GENERATOR_SCRIPTS + 1];
    size_t n = 0;
    load_imdb(options, &contests[0]);
    for (size_t i = 0; i < GENERATOR_SCRIPTS; i++)
        generate_script(options, (generator_script)i, &contests[i + 1]);
    for (size_t i = 0; i <= GENERATOR_SCRIPTS; i++) {
        contest *c = &contests[i];
        if (c->documents.n == 0) continue;
        c->vectorizer = fit_vocabulary(&c->documents);
        contestants[n++] = (bench_contestant){c->name, run_transform, c};
    }
    bench_measure(options, &(bench_table){
                               .section = "vectorize",
                               .title = "dbt_transform on one core, pages of 128 in memory",
                               .n_metrics = 2,
                               .metric = {{"MB/s", 1}, {"thousand documents/s", 1}},
                               .n_contestants = n,
                               .contestant = contestants,
                           });
    for (size_t i = 0; i <= GENERATOR_SCRIPTS; i++) {
        dbt_vectorizer_free(contests[i].vectorizer);
        bench_release(&contests[i].documents);
    }
}
