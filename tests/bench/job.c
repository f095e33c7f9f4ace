/*
 * job.c: from raw files to a model and its accuracy on the test split, by dbtrain, by fastText and
 * by a pipeline of scikit-learn and torch.
 *
 * fastText reads a file that is made for it here, in its authors' way (lower case, punctuation
 * apart, a document a line, in random order), and not counted. It tests that it can write its model
 * when it starts, and writes 400 MB of it when it is trained: so the first byte of the model says
 * when training ended.
 */
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "base.h"
#include "bench.h"

typedef struct job {
    const bench_options *options;
    const char *sources[2]; /* for ingest, and for the pipeline */
    const char *epochs;     /* NULL: early stopping alone ends */
    const char *fasttext_epochs;
    const char *database, *report;
    const char *model;                  /* fastText's, without ".bin" */
    const char *train_text, *test_text; /* for fastText */
    char threads[24];
    double fit_value[BENCH_MAXIMUM_METRICS];
    double trained_value[BENCH_MAXIMUM_METRICS];
} job;

static void report_usage(bench_usage usage, double accuracy, double *value)
{
    value[0] = usage.seconds;
    value[1] = usage.cpu;
    value[2] = usage.peak / 0x1.0p20;
    value[3] = 100 * accuracy;
}

/* --- contestants --- */

static void run_dbtrain(void *context, size_t run, double *value)
{
    job *j = context;
    const char *program = j->options->dbtrain;
    char seed[24];
    (void)snprintf(seed, sizeof seed, "%zu", run + 1);
    const char *const ingest[] = {program,       "ingest",      j->database,
                                  j->sources[0], j->sources[1], NULL};
    const char *const fit[] = {
        program,     "fit",      j->database, "--validation", "test",
        "--threads", j->threads, "--seed",    seed,           j->epochs == NULL ? NULL : "--epochs",
        j->epochs,   NULL};
    const char *const evaluate[] = {program,     "evaluate", j->database, "--json",
                                    "--threads", j->threads, NULL};
    bench_remove_database(j->database);
    bench_usage sum = bench_process(j->options, ingest, NULL, NULL);
    bench_usage fitted = bench_process(j->options, fit, NULL, NULL);
    bench_add_usage(&sum, fitted);
    bench_add_usage(&sum, bench_process(j->options, evaluate, j->report, NULL));
    report_usage(sum, bench_number_in(j->report, "\"acc\": "), value);
    report_usage(fitted, NAN, j->fit_value);
}

static void run_fasttext(void *context, size_t run, double *value)
{
    (void)run;
    job *j = context;
    char binary[512];
    (void)snprintf(binary, sizeof binary, "%s.bin", j->model);
    const char *const train[] = {"fasttext", "supervised", "-input",      j->train_text,
                                 "-output",  j->model,     "-wordNgrams", "2",
                                 "-dim",     "10",         "-minCount",   "1",
                                 "-bucket",  "10000000",   "-epoch",      j->fasttext_epochs,
                                 "-lr",      "0.25",       "-thread",     j->threads,
                                 NULL};
    const char *const test[] = {"fasttext", "test", binary, j->test_text, NULL};
    (void)unlink(binary);
    bench_usage sum = bench_process(j->options, train, NULL, binary);
    report_usage((bench_usage){sum.watched, NAN, NAN, NAN}, NAN, j->trained_value);
    bench_add_usage(&sum, bench_process(j->options, test, j->report, NULL));
    report_usage(sum, bench_number_in(j->report, "P@1\t"), value);
}

static void run_pipeline(void *context, size_t run, double *value)
{
    const job *j = context;
    char script[512], seed[24];
    (void)snprintf(script, sizeof script, "%s/pipeline.py", j->options->scripts);
    (void)snprintf(seed, sizeof seed, "%zu", run + 1);
    const char *const argv[] = {
        j->options->python, script,        "--threads", j->threads,
        "--seed",           seed,          "--epochs",  j->epochs == NULL ? "1000" : j->epochs,
        j->sources[0],      j->sources[1], NULL};
    bench_usage usage = bench_process(j->options, argv, j->report, NULL);
    report_usage(usage, bench_number_in(j->report, "\"accuracy\": "), value);
}

/* --- fastText's input --- */

static void write_line(FILE *file, dbt_text text, int64_t label)
{
    (void)fprintf(file, "__label__%lld ", (long long)label);
    for (size_t i = 0; i < text.bytes; i++) {
        char c = text.data[i];
        if (c >= 'A' && c <= 'Z') c = (char)(c + 32);
        if (c == '\n' || c == '\r' || c == '\0') c = ' ';
        if (strchr(".!?,'\"/()", c) != NULL)
            (void)fprintf(file, " %c ", c);
        else
            (void)fputc(c, file);
    }
    (void)fputc('\n', file);
}

/* In random order: fastText reads its file from front to end. */
static void write_split(const job *j, const char *split, const char *path)
{
    bench_documents documents = bench_load(j->database, split);
    FILE *file = fopen(path, "wb");
    if (file == NULL) bench_fail("cannot write '%s'", path);
    for (size_t i = documents.n; i > 0; i--) {
        size_t chosen = dbt__random_below(1, i, i);
        write_line(file, documents.text[chosen], documents.label_id[chosen]);
        documents.text[chosen] = documents.text[i - 1];
        documents.label_id[chosen] = documents.label_id[i - 1];
    }
    if (fclose(file) != 0) bench_fail("cannot write '%s'", path);
    bench_release(&documents);
}

/* --- jobs --- */

static bool has_fasttext(const bench_options *options)
{
    return bench_try(options, (const char *const[]){"sh", "-c", "command -v fasttext", NULL});
}

static bool has_python(const bench_options *options)
{
    return bench_try(options,
                     (const char *const[]){options->python, "-c", "import sklearn, torch", NULL});
}

static void run_job(job *j, const char *title)
{
    const bench_options *options = j->options;
    bench_contestant contestants[5] = {
        {"dbtrain: ingest, fit, evaluate", run_dbtrain, j},
        {"dbtrain: fit alone", bench_read_values, j->fit_value},
    };
    size_t n = 2;
    if (has_fasttext(options)) {
        bench_ingest(j->database, j->sources, j->sources[1] == NULL ? 1 : 2);
        write_split(j, "train", j->train_text);
        write_split(j, "test", j->test_text);
        contestants[n++] = (bench_contestant){"fastText: supervised, test", run_fasttext, j};
        contestants[n++] =
            (bench_contestant){"fastText: until it writes", bench_read_values, j->trained_value};
    } else {
        bench_skip(options, "job", "fastText: no fasttext");
    }
    if (has_python(options))
        contestants[n++] = (bench_contestant){"scikit-learn + torch", run_pipeline, j};
    else
        bench_skip(options, "job", "scikit-learn and torch: '%s' lacks them", options->python);
    bench_measure(
        options,
        &(bench_table){
            .section = "job",
            .title = title,
            .note =
                "Sums of the commands, peak of the largest; whole processes, but for fastText's "
                "prepared file. The test split stops\n"
                "dbtrain and scikit-learn + torch early, as in the guide; fastText has a "
                "fixed number of epochs.\n"
                "'until it writes': training without saving the model.",
            .n_metrics = 4,
            .metric = {{"seconds", 2}, {"CPU s", 2}, {"peak MiB", 1}, {"accuracy %", 2}},
            .n_contestants = n,
            .contestant = contestants,
        });
}

static job make_job(const bench_options *options, const char *name)
{
    job j = {.options = options,
             .database = bench_path(options, "%s.db", name),
             .report = bench_path(options, "report"),
             .train_text = bench_path(options, "fasttext-train.txt"),
             .test_text = bench_path(options, "fasttext-test.txt"),
             .model = bench_path(options, "fasttext-model")};
    (void)snprintf(j.threads, sizeof j.threads, "%zu", options->threads);
    return j;
}

void bench_section_job(const bench_options *options)
{
    static char archive[512];
    job imdb = make_job(options, "imdb"), news = make_job(options, "news");
    imdb.fasttext_epochs = "5";
    if (bench_find_imdb(options, imdb.sources))
        run_job(&imdb, "IMDb, from train.csv and test.csv");
    else
        bench_skip(options, "job", "IMDb: no '%s'", imdb.sources[0]);

    (void)snprintf(archive, sizeof archive, "%s/20news-bydate.tar.gz", options->data);
    news.sources[0] = archive;
    news.epochs = "12";
    news.fasttext_epochs = "25";
    if (access(archive, R_OK) == 0)
        run_job(&news, "20 Newsgroups, from 20news-bydate.tar.gz");
    else
        bench_skip(options, "job", "20 Newsgroups: no '%s'", archive);
}
