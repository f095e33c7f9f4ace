/*
 * test_vectorizer.c: what golden values do not show: the same bits for any threads and memory, hash
 * collisions, ties, errors, storing and loading.
 */
#include "scratch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <dbtrain/vectorizer.h>

#include "corpus.h"
#include "runs.h"
#include "term_sample.h"
#include "vectorizer_internal.h"

/* --- a pool whose tasks are dealt out by chance --- */

/* A thread that is delayed may run any of the tasks, or none of a call: unless `dealing` is zero,
 * tasks are run one after another, in an order and by workers that chance, seeded with it, chooses.
 */
static uint64_t dealing;
static uint64_t dealt; /* calls */

dbt_status __real_dbt_pool_for(dbt_pool *pool, size_t n_tasks, dbt_task task, void *context,
                               dbt_error *err);
dbt_status __wrap_dbt_pool_for(dbt_pool *pool, size_t n_tasks, dbt_task task, void *context,
                               dbt_error *err);

dbt_status __wrap_dbt_pool_for(dbt_pool *pool, size_t n_tasks, dbt_task task, void *context,
                               dbt_error *err)
{
    if (dealing == 0) return __real_dbt_pool_for(pool, n_tasks, task, context, err);
    uint64_t seed = dbt__random(dealing, dealt++);
    size_t first = (size_t)dbt__random_below(seed, 0, n_tasks), n = dbt_pool_threads(pool);
    for (size_t i = 0; i < n_tasks; i++) {
        size_t worker = (size_t)dbt__random_below(seed, i + 1, n);
        dbt_status status = task(context, (first + i) % n_tasks, worker, err);
        if (status < 0) return status;
    }
    return DBT_OK;
}

/* --- a corpus: documents of made-up words, frequent ones and rare ones, in three labels --- */

typedef struct made_corpus {
    char *bytes;
    dbt_text *text;
    int64_t *label_id;
    array_corpus array;
} made_corpus;

static const int64_t three_labels[] = {30, 10, 20};
static const dbt_classes three_classes = {3, three_labels};

static made_corpus make_corpus(size_t n_documents, size_t words, size_t vocabulary)
{
    made_corpus corpus = {
        .bytes = malloc(n_documents * words * 12 + 1),
        .text = calloc(n_documents, sizeof *corpus.text),
        .label_id = calloc(n_documents, sizeof *corpus.label_id),
    };
    char *to = corpus.bytes;
    for (size_t d = 0; d < n_documents; d++) {
        char *start = to;
        size_t n = dbt__random_below(d, 0, 2 * words);
        if (n > words) n = words;
        corpus.label_id[d] = three_labels[dbt__random_below(d, 1, 3)];
        for (size_t w = 0; w < n; w++) {
            double u = dbt__random_double(d, w + 2);
            to += sprintf(to, "w%zu ", (size_t)(u * u * u * (double)vocabulary));
        }
        corpus.text[d] = (dbt_text){start, (size_t)(to - start)};
    }
    corpus.array = (array_corpus){corpus.text, corpus.label_id, (int64_t)n_documents, 16, -1};
    return corpus;
}

static void free_corpus(made_corpus *corpus)
{
    free(corpus->bytes);
    free(corpus->text);
    free(corpus->label_id);
}

static dbt_vectorizer_options make_options(int64_t top_k)
{
    dbt_vectorizer_options options;
    dbt_vectorizer_options_init(&options);
    options.top_k = top_k;
    return options;
}

static dbt_vectorizer *fit_on(made_corpus *corpus, const dbt_vectorizer_options *options,
                              size_t threads, uint64_t hash_mask, dbt_vectorizer_stats *stats)
{
    dbt_error err = {0};
    dbt_pool *pool;
    dbt_vectorizer *vectorizer;
    dbt_corpus source = make_array_corpus(&corpus->array);
    assert_ok(dbt_pool_new(threads, &pool, &err), err);
    assert_ok(dbt__vectorizer_fit_masked(options, &source, &three_classes, pool, hash_mask,
                                         &vectorizer, stats, &err),
              err);
    dbt_pool_free(pool);
    return vectorizer;
}

static dbt_page *make_page(const made_corpus *corpus)
{
    dbt_error err = {0};
    dbt_page *page;
    assert_ok(dbt_page_new(&page, &err), err);
    for (int64_t i = 0; i < corpus->array.n_documents; i++)
        assert_ok(dbt_page_append(page, corpus->text[i], i + 1, corpus->label_id[i], 1, &err), err);
    return page;
}

static dbt_batch *transform_with(const dbt_vectorizer *vectorizer, const made_corpus *corpus,
                                 const double *norm)
{
    dbt_error err = {0};
    dbt_transformer *transformer;
    dbt_batch *batch;
    dbt_page *page = make_page(corpus);
    assert_ok(dbt_transformer_new(vectorizer, &transformer, &err), err);
    assert_ok(dbt_batch_new(&batch, &err), err);
    assert_ok(dbt_transform(transformer, page, norm, batch, &err), err);
    dbt_transformer_free(transformer);
    dbt_page_free(page);
    return batch;
}

static dbt_batch *transform_all(const dbt_vectorizer *vectorizer, const made_corpus *corpus)
{
    return transform_with(vectorizer, corpus, NULL);
}

static void assert_same_features(const dbt_vectorizer *a, const dbt_vectorizer *b)
{
    assert_int_equal(dbt_vectorizer_features(a), dbt_vectorizer_features(b));
    assert_int_equal(dbt_vectorizer_terms(a), dbt_vectorizer_terms(b));
    assert_int_equal(dbt_vectorizer_documents(a), dbt_vectorizer_documents(b));
    for (size_t i = 0; i < dbt_vectorizer_features(a); i++) {
        dbt_feature x = dbt_vectorizer_feature(a, i), y = dbt_vectorizer_feature(b, i);
        assert_int_equal(x.term_bytes, y.term_bytes);
        assert_memory_equal(x.term, y.term, x.term_bytes);
        assert_int_equal(x.document_frequency, y.document_frequency);
        assert_memory_equal(&x.idf, &y.idf, sizeof x.idf);
        assert_memory_equal(&x.score, &y.score, sizeof x.score);
    }
}

static void assert_same_batch(const dbt_batch *x, const dbt_batch *y)
{
    assert_int_equal(x->n_rows, y->n_rows);
    assert_int_equal(x->n_columns, y->n_columns);
    assert_memory_equal(x->row_start, y->row_start, (x->n_rows + 1) * sizeof *x->row_start);
    assert_memory_equal(x->column, y->column, x->row_start[x->n_rows] * sizeof *x->column);
    assert_memory_equal(x->value, y->value, x->row_start[x->n_rows] * sizeof *x->value);
}

static void assert_same_batches(const dbt_vectorizer *a, const dbt_vectorizer *b,
                                const made_corpus *corpus)
{
    dbt_batch *x = transform_all(a, corpus), *y = transform_all(b, corpus);
    assert_same_batch(x, y);
    dbt_batch_free(x);
    dbt_batch_free(y);
}

static void assert_same_parts(const dbt_vectorizer *a, const dbt_vectorizer *b)
{
    dbt_error err = {0};
    assert_int_equal(dbt_vectorizer_parts(a), dbt_vectorizer_parts(b));
    for (size_t i = 0; i < dbt_vectorizer_parts(a); i++) {
        unsigned char *x, *y;
        size_t x_bytes, y_bytes;
        assert_ok(dbt_vectorizer_encode(a, i, &x, &x_bytes, &err), err);
        assert_ok(dbt_vectorizer_encode(b, i, &y, &y_bytes, &err), err);
        assert_int_equal(x_bytes, y_bytes);
        assert_memory_equal(x, y, x_bytes);
        dbt_free(x);
        dbt_free(y);
    }
}

static void test_fit__threads_and_pages_do_not_change_a_bit(void **state)
{
    (void)state;
    static const size_t threads[] = {2, 3, 4, 8};
    made_corpus corpus = make_corpus(1500, 60, 4000);
    dbt_vectorizer_options options = make_options(700);
    dbt_vectorizer *one = fit_on(&corpus, &options, 1, UINT64_MAX, NULL);
    for (size_t i = 0; i < sizeof threads / sizeof *threads; i++) {
        corpus.array.page_rows = (int64_t)(1 + i * 97);
        dbt_vectorizer *many = fit_on(&corpus, &options, threads[i], UINT64_MAX, NULL);
        assert_same_features(one, many);
        assert_same_parts(one, many);
        assert_same_batches(one, many, &corpus);
        dbt_vectorizer_free(many);
    }
    dbt_vectorizer_free(one);
    free_corpus(&corpus);
}

static void assert_same_vocabulary(const dbt_vectorizer *one, const dbt_vectorizer_stats *much,
                                   const dbt_vectorizer *other, const dbt_vectorizer_stats *little)
{
    assert_int_equal(little->terms, much->terms);
    assert_int_equal(little->tokens, much->tokens);
    assert_same_features(one, other);
    assert_same_parts(one, other);
}

static void test_fit__memory_does_not_change_a_bit(void **state)
{
    (void)state;
    /* Some 60,000 terms: their tables do not fit into the least memory, nor a page's items into a
     * slot. */
    made_corpus corpus = make_corpus(1500, 100, 4000);
    corpus.array.page_rows = 400;
    dbt_vectorizer_options options = make_options(500);
    options.ngram_max = 3;
    options.min_df = 1;
    dbt_vectorizer_stats much, little;
    dbt_vectorizer *one = fit_on(&corpus, &options, 1, UINT64_MAX, &much);
    assert_int_equal(much.counting_passes, 1);
    assert_int_equal(much.scoring_passes, 1);
    assert_int_equal(much.spilled_bytes, 0);
    options.memory = (size_t)1 << 20;
    options.spill_folder = folder;
    for (size_t threads = 1; threads <= 2; threads++) {
        dbt_vectorizer *other = fit_on(&corpus, &options, threads, UINT64_MAX, &little);
        assert_int_equal(little.counting_passes, 1);
        assert_true(little.spilled_bytes > 0);
        assert_true(little.scoring_passes > 1);
        assert_same_vocabulary(one, &much, other, &little);
        dbt_vectorizer_free(other);
    }
    dbt_vectorizer_free(one);
    free_corpus(&corpus);
}

/* Of terms in min_df documents at least, as fitting finds them. */
static double count_terms(made_corpus *corpus, dbt_vectorizer_options options, int64_t min_df)
{
    dbt_vectorizer_stats stats;
    options.min_df = min_df;
    dbt_vectorizer_free(fit_on(corpus, &options, 1, UINT64_MAX, &stats));
    return (double)stats.terms;
}

/* One of `rate` n-grams is in the sample, or more: numbers are within four standard deviations. */
static void assert_sampled(made_corpus *corpus, double rate)
{
    dbt_error err = {0};
    dbt__term_sample *sample;
    dbt_vectorizer_options options = make_options(0);
    assert_ok(dbt__term_sample_new(&options, &sample, &err), err);
    assert_true(dbt__term_sample_ngrams(sample) == 0);
    for (int64_t i = 0; i < corpus->array.n_documents; i++)
        assert_ok(dbt__term_sample_add(sample, corpus->text[i], &err), err);
    const struct {
        double expected, got;
    } counts[] = {{count_terms(corpus, options, 1), dbt__term_sample_ngrams(sample)},
                  {count_terms(corpus, options, 1), dbt__term_sample_terms(sample, 1)},
                  {count_terms(corpus, options, 2), dbt__term_sample_terms(sample, 2)},
                  {count_terms(corpus, options, 5), dbt__term_sample_terms(sample, 5)}};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        if (!(fabs(counts[i].got - counts[i].expected) <=
              4 * sqrt((rate - 1) * counts[i].expected)))
            fail_msg("count %zu: %g, not %g", i, counts[i].got, counts[i].expected);
    dbt__term_sample_free(sample);
}

static void test_term_sample__counts_few_exactly_and_estimates_many(void **state)
{
    (void)state;
    made_corpus few = make_corpus(300, 60, 400), many = make_corpus(15000, 60, 4000);
    assert_sampled(&few, 1);
    assert_true(count_terms(&many, make_options(0), 1) > 300000);
    assert_sampled(&many, 16);
    free_corpus(&few);
    free_corpus(&many);
}

static int times_left; /* that it goes on */

static dbt_status go_on(void *context, dbt_error *err)
{
    (void)context;
    if (times_left-- > 0) return DBT_OK;
    *err = (dbt_error){DBT_EINTERRUPTED, 0, "enough"};
    return DBT_EINTERRUPTED;
}

/* The pages are all read by then: 256 shards are merged, two at a time. */
static void test_fit__ends_within_a_merge_when_it_is_told_to(void **state)
{
    (void)state;
    made_corpus corpus = make_corpus(1500, 100, 4000);
    dbt_corpus source = make_array_corpus(&corpus.array);
    dbt_vectorizer_options options = make_options(500);
    dbt_pool *pool;
    dbt_vectorizer *vectorizer;
    dbt_error err = {0};
    options.memory = (size_t)1 << 20;
    options.spill_folder = folder;
    source.go_on = go_on;
    assert_ok(dbt_pool_new(2, &pool, &err), err);
    for (int times = 0; times < 128; times += 127) {
        times_left = times;
        err = (dbt_error){0};
        assert_int_equal(
            dbt_vectorizer_fit(&options, &source, &three_classes, pool, &vectorizer, NULL, &err),
            DBT_EINTERRUPTED);
        assert_string_equal(err.message, "enough");
        assert_int_equal(times_left, -1);
        assert_null(vectorizer);
    }
    dbt_pool_free(pool);
    free_corpus(&corpus);
}

static void test_lexicon__takes_no_more_than_its_limit(void **state)
{
    (void)state;
    enum { LIMIT = 1000, MORE = 70, TIMES = 100 };
    dbt_error err = {0};
    dbt__lexicon lexicon;
    dbt__kept *kept = calloc((size_t)MORE * TIMES, sizeof *kept);
    assert_non_null(kept);
    dbt__lexicon_init(&lexicon, folder, LIMIT * sizeof *kept);
    for (uint32_t i = 0; i < TIMES; i++) {
        assert_ok(dbt__lexicon_reserve(&lexicon, MORE, &err), err);
        assert_in_range(lexicon.capacity, MORE, LIMIT);
        for (uint32_t j = 0; j < MORE; j++)
            lexicon.kept[lexicon.n_kept++] =
                (dbt__kept){.hash = i * MORE + j, .document_frequency = j};
    }
    assert_ok(dbt__lexicon_finish(&lexicon, 0, &err), err);
    assert_true(dbt__lexicon_is_spilled(&lexicon));
    assert_int_equal(dbt__lexicon_terms(&lexicon), MORE * TIMES);
    assert_ok(dbt__lexicon_read(&lexicon, 0, MORE * TIMES, kept, &err), err);
    for (uint32_t i = 0; i < MORE * TIMES; i++)
        assert_int_equal(kept[i].hash, i);
    dbt__lexicon_release(&lexicon);
    free(kept);
}

/* What runs leave out is what counting in memory does. */
static void test_fit__runs_drop_what_min_df_and_max_df_drop(void **state)
{
    (void)state;
    made_corpus corpus = make_corpus(1500, 100, 4000);
    corpus.array.page_rows = 128;
    dbt_vectorizer_options options = make_options(500);
    options.ngram_max = 3;
    for (options.min_df = 1; options.min_df <= 5; options.min_df++) {
        dbt_vectorizer_stats much, little;
        options.max_df = options.min_df == 5 ? 0.1 : 1;
        options.max_features = options.min_df == 4 ? 700 : 0;
        options.memory = (size_t)64 << 20;
        options.spill_folder = NULL;
        dbt_vectorizer *one = fit_on(&corpus, &options, 1, UINT64_MAX, &much);
        options.memory = (size_t)1 << 20;
        options.spill_folder = folder;
        dbt_vectorizer *other = fit_on(&corpus, &options, 2, UINT64_MAX, &little);
        assert_true(little.spilled_bytes > 0);
        assert_same_vocabulary(one, &much, other, &little);
        dbt_vectorizer_free(one);
        dbt_vectorizer_free(other);
    }
    free_corpus(&corpus);
}

static void count_in_shard(dbt__shard *shard, uint64_t hash, uint64_t check, uint32_t document,
                           bool goes_on)
{
    dbt_error err = {0};
    uint64_t key = hash << 8 | check;
    size_t at = dbt__shard_find(shard, key);
    if (shard->entry[at].document_frequency == 0) {
        assert_ok(dbt__shard_add(shard, key, document, goes_on, at, &err), err);
        return;
    }
    shard->entry[at].document_frequency++;
    shard->entry[at].last_document = document;
}

static void write_run(dbt__runs *runs, uint32_t cut, size_t number, dbt__shard *shard)
{
    dbt_error err = {0};
    assert_ok(dbt__runs_begin(runs, cut, &err), err);
    assert_ok(dbt__runs_write(runs, number, shard, &err), err);
    dbt__shard_clear(shard);
}

/* Runs, and a shard to make them of. */
typedef struct run_world {
    dbt__runs runs;
    dbt__shard shard;
    dbt__merged merged;
} run_world;

static void open_runs(run_world *w)
{
    dbt_error err = {0};
    w->merged = (dbt__merged){0};
    dbt__runs_init(&w->runs, folder, false);
    assert_ok(dbt__shard_init(&w->shard, 64, false, &err), err);
}

static void close_runs(run_world *w)
{
    dbt__merged_release(&w->merged);
    dbt__shard_release(&w->shard);
    dbt__runs_release(&w->runs);
}

/* Document 7 is cut twice: it is in all three runs. */
static void test_runs__count_a_cut_document_once(void **state)
{
    (void)state;
    enum { NUMBER = 5, A = 1000, B = 2000, C = 3000 };
    dbt_error err = {0};
    run_world w;
    open_runs(&w);
    for (uint32_t document = 5; document <= 7; document++)
        count_in_shard(&w.shard, A, 1, document, false);
    count_in_shard(&w.shard, B, 1, 6, false);
    write_run(&w.runs, 7, NUMBER, &w.shard);
    count_in_shard(&w.shard, B, 1, 7, true);
    write_run(&w.runs, 7, NUMBER, &w.shard);
    count_in_shard(&w.shard, A, 1, 7, true);
    count_in_shard(&w.shard, A, 1, 9, false);
    count_in_shard(&w.shard, B, 1, 7, true);
    count_in_shard(&w.shard, C, 1, 8, false);
    write_run(&w.runs, DBT__NO_DOCUMENT, NUMBER, &w.shard);
    assert_ok(dbt__runs_merge(&w.runs, NUMBER, (dbt__df_bounds){2, 9}, 1, &w.merged, &err), err);
    assert_false(w.merged.collided);
    assert_int_equal(w.merged.n, 2);
    assert_true(w.merged.kept[0].hash == ((uint64_t)NUMBER << 56 | A));
    assert_int_equal(w.merged.kept[0].document_frequency, 4); /* 5, 6, 7, 9 */
    assert_true(w.merged.kept[1].hash == ((uint64_t)NUMBER << 56 | B));
    assert_int_equal(w.merged.kept[1].document_frequency, 2); /* 6, 7 */
    close_runs(&w);
}

static void test_runs__find_a_collision_between_them(void **state)
{
    (void)state;
    dbt_error err = {0};
    run_world w;
    open_runs(&w);
    for (uint64_t check = 1; check <= 2; check++) {
        count_in_shard(&w.shard, 1000, check, 3, false);
        write_run(&w.runs, DBT__NO_DOCUMENT, 0, &w.shard);
    }
    assert_ok(dbt__runs_merge(&w.runs, 0, (dbt__df_bounds){1, 9}, 1, &w.merged, &err), err);
    assert_true(w.merged.collided);
    close_runs(&w);
}

static void test_runs__that_have_changed_are_an_error(void **state)
{
    (void)state;
    dbt_error err = {0};
    run_world w;
    open_runs(&w);
    count_in_shard(&w.shard, 1000, 1, 3, false);
    write_run(&w.runs, DBT__NO_DOCUMENT, 0, &w.shard);
    /* the number behind the key does not end */
    assert_ok(dbt__spill_write(w.runs.spill, 8, "\x80", 1, &err), err);
    assert_int_equal(dbt__runs_merge(&w.runs, 0, (dbt__df_bounds){1, 9}, 1, &w.merged, &err),
                     DBT_EIO);
    assert_string_equal(err.message, "a temporary file has changed");
    close_runs(&w);
}

/* Documents of so many words that each takes several rounds and runs. A sixth of the words is in
 * all of them, three times in each and far apart; the others are in two of them. */
enum { LONG_DOCUMENTS = 6, LONG_WORDS = 60000 };

static made_corpus make_long_corpus(void)
{
    made_corpus corpus = make_corpus(LONG_DOCUMENTS, LONG_WORDS, 1);
    char *to = corpus.bytes;
    for (size_t d = 0; d < LONG_DOCUMENTS; d++) {
        char *start = to;
        for (size_t i = 0; i < LONG_WORDS; i++)
            to += i % 2 == 0 ? sprintf(to, "c%zu ", i % (LONG_WORDS / 3))
                             : sprintf(to, "w%zu ", d / 2 * LONG_WORDS + i);
        corpus.text[d] = (dbt_text){start, (size_t)(to - start)};
        corpus.label_id[d] = three_labels[d % 3];
    }
    return corpus;
}

static void test_fit__a_document_cut_by_runs_counts_once(void **state)
{
    (void)state;
    made_corpus corpus = make_long_corpus();
    dbt_vectorizer_options options = make_options(0);
    options.min_df = 1;
    options.ngram_max = 1;
    dbt_vectorizer_stats much, little;
    dbt_vectorizer *one = fit_on(&corpus, &options, 1, UINT64_MAX, &much);
    int64_t common = 0;
    for (size_t i = 0; i < dbt_vectorizer_features(one); i++)
        common += dbt_vectorizer_feature(one, i).document_frequency == LONG_DOCUMENTS;
    assert_int_equal(common, LONG_WORDS / 6);
    options.memory = (size_t)1 << 20;
    options.spill_folder = folder;
    for (size_t threads = 1; threads <= 2; threads++) {
        dbt_vectorizer *other = fit_on(&corpus, &options, threads, UINT64_MAX, &little);
        assert_true(little.spilled_bytes > 0);
        assert_same_vocabulary(one, &much, other, &little);
        dbt_vectorizer_free(other);
    }
    dbt_vectorizer_free(one);
    free_corpus(&corpus);
}

/* A worker may find a document that it began taken further by another. Totals count a word as often
 * as it is there; whose are highest is what max_features chooses. */
static void test_fit__whoever_goes_on_with_a_document_changes_no_bit(void **state)
{
    (void)state;
    made_corpus corpus = make_long_corpus();
    dbt_vectorizer_options options = make_options(0);
    options.min_df = 1;
    options.ngram_max = 1;
    options.max_features = 5000;
    dbt_vectorizer_stats much, little;
    dbt_vectorizer *one = fit_on(&corpus, &options, 1, UINT64_MAX, &much);
    options.memory = (size_t)1 << 20;
    options.spill_folder = folder;
    for (dealing = 1, dealt = 0; dealing <= 8; dealing++, dealt = 0) {
        dbt_vectorizer *other = fit_on(&corpus, &options, 3, UINT64_MAX, &little);
        assert_same_vocabulary(one, &much, other, &little);
        dbt_vectorizer_free(other);
    }
    dealing = 0;
    dbt_vectorizer_free(one);
    free_corpus(&corpus);
}

/* The norms that fitting left are those that are made of its vectorizer. */
static void assert_same_norms(const dbt_vectorizer *spilled, made_corpus *corpus, size_t memory)
{
    dbt_error err = {0};
    dbt_corpus source = make_array_corpus(&corpus->array);
    const dbt_norms *fitted = dbt_vectorizer_norms(spilled);
    dbt_norms *made;
    size_t n = (size_t)corpus->array.n_documents;
    double *a = calloc(n, sizeof *a), *b = calloc(n, sizeof *b);
    assert_true(a != NULL && b != NULL && fitted != NULL);
    assert_int_equal(dbt_norms_new(spilled, &source, NULL, 20, &made, NULL), DBT_EUSAGE);
    assert_ok(dbt_norms_new(spilled, &source, NULL, memory, &made, &err), err);
    assert_ok(dbt_norms_read(made, 0, n, a, &err), err);
    assert_ok(dbt_norms_read(fitted, 0, n, b, &err), err);
    assert_memory_equal(a, b, n * sizeof *a);
    dbt_norms_free(made);
    free(a);
    free(b);
}

/* Packed rows of all documents, made with norms where the vectorizer needs them. */
static void assert_same_packed(const dbt_vectorizer *whole, const dbt_vectorizer *spilled,
                               made_corpus *corpus, size_t memory)
{
    dbt_error err = {0};
    dbt_corpus source = make_array_corpus(&corpus->array);
    dbt_norms *norms;
    dbt_transformer *a, *b;
    dbt_packed_row x, y;
    double *norm = calloc((size_t)corpus->array.n_documents, sizeof *norm);
    assert_non_null(norm);
    assert_ok(dbt_norms_new(spilled, &source, NULL, memory, &norms, &err), err);
    assert_ok(dbt_norms_read(norms, 0, (size_t)corpus->array.n_documents, norm, &err), err);
    assert_ok(dbt_transformer_new(whole, &a, &err), err);
    assert_ok(dbt_transformer_new(spilled, &b, &err), err);
    assert_int_equal(dbt_pack_text(b, corpus->text[0], NULL, &y, NULL), DBT_EUSAGE);
    for (int64_t d = 0; d < corpus->array.n_documents; d++) {
        assert_ok(dbt_pack_text(a, corpus->text[d], NULL, &x, &err), err);
        assert_ok(dbt_pack_text(b, corpus->text[d], &norm[d], &y, &err), err);
        assert_int_equal(x.bytes, y.bytes);
        assert_memory_equal(x.data, y.data, x.bytes);
    }
    free(norm);
    dbt_transformer_free(a);
    dbt_transformer_free(b);
    dbt_norms_free(norms);
}

/* Rows of a vectorizer that has the norms of its documents are the same with and without them. */
static void assert_norms_kept(const dbt_vectorizer *vectorizer, made_corpus *corpus)
{
    dbt_error err = {0};
    size_t n = (size_t)corpus->array.n_documents;
    double *norm = calloc(n, sizeof *norm);
    assert_true(norm != NULL && dbt_vectorizer_norms(vectorizer) != NULL);
    assert_ok(dbt_norms_read(dbt_vectorizer_norms(vectorizer), 0, n, norm, &err), err);
    dbt_batch *found = transform_all(vectorizer, corpus);
    dbt_batch *given = transform_with(vectorizer, corpus, norm);
    assert_same_batch(found, given);
    dbt_batch_free(found);
    dbt_batch_free(given);
    dbt_transformer *transformer;
    dbt_packed_row row;
    assert_ok(dbt_transformer_new(vectorizer, &transformer, &err), err);
    for (size_t d = 0; d < n; d++) {
        unsigned char first[4096];
        assert_ok(dbt_pack_text(transformer, corpus->text[d], NULL, &row, &err), err);
        size_t bytes = row.bytes;
        assert_true(bytes <= sizeof first);
        memcpy(first, row.data, bytes);
        assert_ok(dbt_pack_text(transformer, corpus->text[d], &norm[d], &row, &err), err);
        assert_int_equal(row.bytes, bytes);
        assert_memory_equal(row.data, first, bytes);
    }
    dbt_transformer_free(transformer);
    free(norm);
}

static void test_fit__keeps_the_norms_that_scoring_finds(void **state)
{
    (void)state;
    made_corpus corpus = make_corpus(600, 60, 900);
    corpus.text[0] = (dbt_text){"", 0}; /* a norm of nothing */
    for (int norm = DBT_NORM_NONE; norm <= DBT_NORM_L2; norm++) {
        for (int sublinear = 0; sublinear <= 1; sublinear++) {
            dbt_vectorizer_options options = make_options(300);
            options.norm = (dbt_norm)norm;
            options.sublinear_tf = sublinear == 1;
            options.min_df = 1;
            dbt_vectorizer *vectorizer = fit_on(&corpus, &options, 2, UINT64_MAX, NULL);
            assert_norms_kept(vectorizer, &corpus);
            dbt_vectorizer_free(vectorizer);
        }
    }
    /* Where most terms are features, or memory is short, they are not. */
    dbt_vectorizer_options options = make_options(0);
    dbt_vectorizer *vectorizer = fit_on(&corpus, &options, 1, UINT64_MAX, NULL);
    assert_null(dbt_vectorizer_norms(vectorizer));
    dbt_vectorizer_free(vectorizer);
    free_corpus(&corpus);
    corpus = make_corpus(9000, 10, 50);
    options = make_options(10);
    options.memory = (size_t)1 << 20;
    vectorizer = fit_on(&corpus, &options, 1, UINT64_MAX, NULL);
    assert_true(dbt_vectorizer_is_whole(vectorizer));
    assert_null(dbt_vectorizer_norms(vectorizer));
    dbt_vectorizer_free(vectorizer);
    free_corpus(&corpus);
}

static dbt_status load_copy(const dbt_vectorizer *from, const dbt_vectorizer_options *options,
                            dbt_vectorizer **copy, dbt_error *err)
{
    dbt_status status = dbt_vectorizer_load_new(options, dbt_vectorizer_documents(from),
                                                dbt_vectorizer_terms(from), copy, err);
    for (size_t i = 0; status == DBT_OK && i < dbt_vectorizer_features(from); i++) {
        dbt_feature feature = dbt_vectorizer_feature(from, i);
        status = dbt_vectorizer_load_feature(*copy, &feature, err);
    }
    for (size_t i = 0; status == DBT_OK && i < dbt_vectorizer_parts(from); i++) {
        unsigned char *value;
        size_t bytes;
        status = dbt_vectorizer_encode(from, i, &value, &bytes, err);
        if (status == DBT_OK) status = dbt_vectorizer_load_part(*copy, value, bytes, err);
        dbt_free(value);
    }
    if (status == DBT_OK) status = dbt_vectorizer_load_finish(*copy, err);
    return status;
}

static void test_fit__a_vocabulary_larger_than_memory_has_the_same_bits(void **state)
{
    (void)state;
    made_corpus corpus = make_corpus(1500, 100, 4000);
    corpus.array.page_rows = 128;
    dbt_vectorizer_options options = make_options(500);
    options.ngram_max = 3;
    options.min_df = 1;
    dbt_vectorizer *whole = fit_on(&corpus, &options, 1, UINT64_MAX, NULL);
    assert_true(dbt_vectorizer_is_whole(whole));
    options.memory = (size_t)1 << 20;
    options.spill_folder = folder;
    for (size_t threads = 1; threads <= 2; threads++) {
        dbt_error err = {0};
        dbt_vectorizer_stats stats;
        dbt_vectorizer *spilled = fit_on(&corpus, &options, threads, UINT64_MAX, &stats), *loaded;
        assert_false(dbt_vectorizer_is_whole(spilled));
        assert_true(stats.scoring_passes > 2);
        assert_true(dbt_vectorizer_bytes(spilled) < options.memory);
        assert_same_features(whole, spilled);
        assert_same_parts(whole, spilled);
        assert_same_norms(spilled, &corpus, options.memory);
        assert_same_packed(whole, spilled, &corpus, options.memory);
        assert_ok(load_copy(spilled, &options, &loaded, &err), err);
        assert_false(dbt_vectorizer_is_whole(loaded));
        assert_null(dbt_vectorizer_norms(loaded));
        assert_same_features(whole, loaded);
        assert_same_parts(whole, loaded);
        assert_same_packed(whole, loaded, &corpus, options.memory);
        dbt_vectorizer_free(loaded);
        dbt_vectorizer_free(spilled);
    }
    /* A limit for the table alone. */
    options.memory = (size_t)64 << 20;
    options.table_memory = 100000;
    dbt_vectorizer *spilled = fit_on(&corpus, &options, 2, UINT64_MAX, NULL);
    assert_false(dbt_vectorizer_is_whole(spilled));
    assert_same_features(whole, spilled);
    dbt_vectorizer_free(spilled);
    dbt_vectorizer_free(whole);
    free_corpus(&corpus);
}

static void test_fit__more_features_than_there_is_room_for_are_refused(void **state)
{
    (void)state;
    made_corpus corpus = make_corpus(300, 50, 1000);
    dbt_vectorizer_options options = make_options(0);
    dbt_vectorizer *all = fit_on(&corpus, &options, 1, UINT64_MAX, NULL), *refused;
    int64_t n = dbt_vectorizer_terms(all);
    dbt_vectorizer_free(all);
    const struct {
        int64_t top_k, most;
        dbt_status status;
    } cases[] = {{0, n, DBT_OK},        {0, n - 1, DBT_EUSAGE},     {100, 100, DBT_OK},
                 {100, 99, DBT_EUSAGE}, {n + 5, n - 1, DBT_EUSAGE}, {n + 5, n, DBT_OK}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        dbt_error err = {0};
        dbt_vectorizer_stats stats;
        dbt_corpus source = make_array_corpus(&corpus.array);
        options.top_k = cases[i].top_k;
        options.most_features = cases[i].most;
        assert_int_equal(
            dbt_vectorizer_fit(&options, &source, &three_classes, NULL, &refused, &stats, &err),
            cases[i].status);
        assert_int_equal(stats.terms, n);
        if (cases[i].status < 0) assert_non_null(strstr(err.message, "that there is room for"));
        dbt_vectorizer_free(refused);
    }
    free_corpus(&corpus);
}

static void test_fit__longer_terms_than_there_is_room_for_are_refused(void **state)
{
    (void)state;
    made_corpus corpus = make_corpus(300, 50, 1000);
    dbt_vectorizer_options options = make_options(0);
    dbt_vectorizer *all = fit_on(&corpus, &options, 1, UINT64_MAX, NULL);
    size_t bytes = 0;
    for (size_t i = 0; i < dbt_vectorizer_features(all); i++)
        bytes += dbt_vectorizer_feature(all, i).term_bytes;
    for (size_t missing = 0; missing < 2; missing++) {
        dbt_error fitting = {0}, loading = {0};
        dbt_vectorizer *fitted, *loaded;
        dbt_corpus source = make_array_corpus(&corpus.array);
        options.most_term_bytes = bytes - missing;
        dbt_status status = missing == 0 ? DBT_OK : DBT_EUSAGE;
        assert_int_equal(
            dbt_vectorizer_fit(&options, &source, &three_classes, NULL, &fitted, NULL, &fitting),
            status);
        assert_int_equal(load_copy(all, &options, &loaded, &loading), status);
        assert_string_equal(fitting.message, loading.message);
        if (missing > 0) assert_non_null(strstr(fitting.message, "a lower top-k or more memory"));
        dbt_vectorizer_free(fitted);
        dbt_vectorizer_free(loaded);
    }
    dbt_vectorizer_free(all);
    free_corpus(&corpus);
}

/* The table of a part of a vocabulary, whose hashes are of a small part of the range. */
static void test_table__of_a_range_of_hashes_finds_at_once(void **state)
{
    (void)state;
    enum { N = 20000 };
    static const struct {
        uint64_t base, step;
    } cases[] = {
        {0, UINT64_MAX / N}, {UINT64_C(1) << 62, UINT64_C(1) << 40}, {UINT64_MAX - N * 3, 2}};
    static dbt__kept kept[N];
    dbt_vectorizer_options options = make_options(0);
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++)
        for (size_t memory = 0; memory <= SIZE_MAX / 2; memory += SIZE_MAX / 2) {
            dbt_error err = {0};
            dbt__table table;
            for (uint64_t i = 0; i < N; i++)
                kept[i] = (dbt__kept){.hash = cases[c].base + cases[c].step * i +
                                              dbt__random_below(7, i, cases[c].step),
                                      .document_frequency = 2 + (uint32_t)i % 5};
            assert_ok(dbt__table_init(&table, kept, N, memory, &options, 100, &err), err);
            for (size_t i = 0; i < N; i++) {
                size_t home = dbt__table_home(&table, kept[i].hash);
                size_t place = dbt__table_find(&table, kept[i].hash, home);
                assert_true(table.entry[place].hash == kept[i].hash);
                assert_int_equal(table.entry[place].feature, i);
                if (cases[c].step > 2) assert_true(place - home < 64);
                uint64_t other = kept[i].hash ^ UINT64_C(0x8000000000000001);
                place = dbt__table_find(&table, other, dbt__table_home(&table, other));
                assert_true(place < table.n_places && table.entry[place].hash != other);
            }
            dbt__table_release(&table);
        }
}

static void test_fit__counts_anew_after_a_collision(void **state)
{
    (void)state;
    made_corpus corpus = make_corpus(300, 40, 2000);
    dbt_vectorizer_options options = make_options(300);
    dbt_vectorizer_stats plain, again;
    dbt_vectorizer *one = fit_on(&corpus, &options, 1, UINT64_MAX, &plain);
    assert_int_equal(one->seed, 0);
    /* With 16 bits some of the terms must collide. */
    dbt_vectorizer *other = fit_on(&corpus, &options, 2, UINT64_C(0xFFFF) << 48, &again);
    assert_int_equal(other->seed, 1);
    assert_int_equal(plain.tokens, again.tokens);
    assert_int_equal(plain.counting_passes, 1);
    assert_int_equal(again.counting_passes, 2);
    assert_int_equal(dbt_vectorizer_terms(one), dbt_vectorizer_terms(other));
    assert_int_equal(dbt_vectorizer_features(one), dbt_vectorizer_features(other));
    for (size_t i = 0; i < dbt_vectorizer_features(one); i++) {
        dbt_feature x = dbt_vectorizer_feature(one, i), y = dbt_vectorizer_feature(other, i);
        assert_int_equal(x.term_bytes, y.term_bytes);
        assert_memory_equal(x.term, y.term, x.term_bytes);
        assert_int_equal(x.document_frequency, y.document_frequency);
    }
    assert_same_batches(one, other, &corpus);
    dbt_vectorizer_free(one);
    dbt_vectorizer_free(other);
    free_corpus(&corpus);
}

/* --- small corpora --- */

#define MAX_TEXTS 16

static dbt_status fit_texts(const char *const *texts, const int64_t *label_id,
                            const dbt_vectorizer_options *options, const dbt_classes *classes,
                            dbt_vectorizer **vectorizer, dbt_error *err)
{
    dbt_text text[MAX_TEXTS];
    int64_t n = 0;
    for (; texts[n] != NULL; n++)
        text[n] = (dbt_text){texts[n], strlen(texts[n])};
    array_corpus array = {text, label_id, n, 2, -1};
    dbt_corpus corpus = make_array_corpus(&array);
    return dbt_vectorizer_fit(options, &corpus, classes, NULL, vectorizer, NULL, err);
}

static void test_fit__ties_go_to_the_term_that_sorts_first(void **state)
{
    (void)state;
    /* zz and aa, bb, cc tell the labels apart equally well; mm does not. */
    static const char *const texts[] = {"zz cc mm", "zz cc mm", "bb aa mm", "bb aa mm", NULL};
    static const int64_t label_id[] = {1, 1, 2, 2};
    static const int64_t labels[] = {1, 2};
    static const dbt_classes classes = {2, labels};
    static const char *const first[] = {"aa", "bb", "cc", "zz"};
    for (int64_t k = 1; k <= 4; k++) {
        dbt_error err = {0};
        dbt_vectorizer *vectorizer;
        dbt_vectorizer_options options = make_options(k);
        options.ngram_max = 1;
        assert_ok(fit_texts(texts, label_id, &options, &classes, &vectorizer, &err), err);
        assert_int_equal(dbt_vectorizer_features(vectorizer), k);
        for (size_t i = 0; i < (size_t)k; i++)
            assert_memory_equal(dbt_vectorizer_feature(vectorizer, i).term, first[i], 2);
        dbt_vectorizer_free(vectorizer);
    }
}

static void test_fit__max_features_ties_go_to_the_term_that_sorts_first(void **state)
{
    (void)state;
    static const char *const texts[] = {"dd cc bb", "dd aa dd", "ee", NULL};
    static const char *const first[] = {"aa", "bb", "dd"};
    dbt_error err = {0};
    dbt_vectorizer *vectorizer;
    dbt_vectorizer_options options = make_options(0);
    options.ngram_max = 1;
    options.min_df = 1;
    options.max_features = 3;
    assert_ok(fit_texts(texts, NULL, &options, NULL, &vectorizer, &err), err);
    assert_int_equal(dbt_vectorizer_features(vectorizer), 3);
    for (size_t i = 0; i < 3; i++)
        assert_memory_equal(dbt_vectorizer_feature(vectorizer, i).term, first[i], 2);
    assert_true(isnan(dbt_vectorizer_feature(vectorizer, 0).score));
    dbt_vectorizer_free(vectorizer);
}

/* Documents of one word each, which is in no other, but for a few: nearly all terms are tied, more
 * than are held, and are met in the order of their hashes. */
static made_corpus make_tied_corpus(void)
{
    enum { DOCUMENTS = 20000, FREQUENT = 300 };
    made_corpus corpus = make_corpus(DOCUMENTS, 1, 1);
    char *to = corpus.bytes;
    for (size_t d = 0; d < DOCUMENTS; d++) {
        size_t of_label = d % 3;
        int bytes = d < FREQUENT ? sprintf(to, "word%zu", of_label) : sprintf(to, "%zu", d);
        corpus.label_id[d] = three_labels[of_label];
        corpus.text[d] = (dbt_text){to, (size_t)bytes};
        to += bytes;
    }
    return corpus;
}

static void test_fit__ties_are_decided_in_little_memory(void **state)
{
    (void)state;
    enum { K = 50, HIGHER = 3 };
    made_corpus corpus = make_tied_corpus();
    for (int by_total = 0; by_total < 2; by_total++) {
        dbt_vectorizer_options options = make_options(by_total ? 0 : K);
        options.max_features = by_total ? K : 0;
        options.min_df = 1;
        dbt_vectorizer *whole = fit_on(&corpus, &options, 1, UINT64_MAX, NULL);
        assert_int_equal(dbt_vectorizer_features(whole), K);
        for (size_t i = 0; i < HIGHER; i++)
            assert_memory_equal(dbt_vectorizer_feature(whole, K - HIGHER + i).term, "word", 4);
        options.memory = (size_t)1 << 20;
        for (int spilled = 0; spilled < 2; spilled++) {
            options.spill_folder = spilled ? folder : NULL;
            options.table_memory = spilled ? 100000 : 0;
            dbt_vectorizer *little = fit_on(&corpus, &options, 2, UINT64_MAX, NULL);
            assert_int_equal(dbt_vectorizer_is_whole(little), !spilled || by_total);
            assert_same_features(whole, little);
            dbt_vectorizer_free(little);
        }
        dbt_vectorizer_free(whole);
    }
    free_corpus(&corpus);
}

static void test_select__orders_scores_like_scikit_learn(void **state)
{
    (void)state;
    static const double ascending[] = {NAN, -INFINITY, -1, -1e-300, 0, 1e-300, 1, INFINITY};
    for (size_t i = 1; i < sizeof ascending / sizeof *ascending; i++)
        assert_true(dbt__score_key(ascending[i - 1]) < dbt__score_key(ascending[i]));
    assert_true(dbt__score_key(-0.0) == dbt__score_key(0.0));
    uint64_t key[1000];
    for (size_t i = 0; i < 1000; i++)
        key[i] = dbt__random_below(3, i, 300) << 40;
    for (size_t k = 1; k <= 1000; k += 37) {
        size_t n_higher, higher = 0, equal = 0;
        uint64_t found = dbt__select_key(key, 1000, k, &n_higher);
        for (size_t i = 0; i < 1000; i++) {
            higher += key[i] > found;
            equal += key[i] == found;
        }
        assert_int_equal(higher, n_higher);
        assert_true(higher < k && k <= higher + equal);
    }
}

static void test_anova__is_scikit_learns_at_its_limits(void **state)
{
    (void)state;
    const int64_t n[] = {2, 0, 2};
    /* Constant within the classes, different between them; and constant throughout. */
    assert_true(isinf(dbt__anova_f((double[]){2, 0, 0}, n, 3, 2)));
    assert_true(isnan(dbt__anova_f((double[]){0, 0, 0}, n, 3, 0)));
    /* Constant throughout but for the rounding of its squares: 0, and not -0. */
    double f = dbt__anova_f((double[]){2, 0, 2}, n, 3, nextafter(4, 0));
    assert_true(f == 0 && !signbit(f));
    /* {1, 2} and {4, 5}: between 9, within 1 over 2. */
    assert_true(dbt__anova_f((double[]){3, 0, 9}, n, 3, 46) == 18);
}

/* F of a value that is in each document of class 0, and of class 1 or not, summed as scoring does.
 */
static double f_of_equal_values(double value, int64_t n_documents, bool everywhere)
{
    const int64_t n[] = {n_documents / 3, n_documents - n_documents / 3};
    double sum[2] = {0}, squares = 0;
    for (int k = 0; k < (everywhere ? 2 : 1); k++) {
        for (int64_t i = 0; i < n[k]; i++) {
            sum[k] += value;
            squares += value * value;
        }
    }
    return dbt__anova_f(sum, n, 2, squares);
}

/* Templates: terms without which, or with which alone, a document of a label comes. */
static void test_anova__rounding_makes_no_term_worse_than_noise(void **state)
{
    (void)state;
    for (int64_t n = 3; n <= 300000; n *= 10) {
        for (int i = 1; i < 100; i++) {
            double f = f_of_equal_values(0.01 * i, n, false);
            assert_true(f > 1e9);
            f = f_of_equal_values(0.01 * i, n, true);
            assert_true(isnan(f) || (f >= 0 && f < 100));
        }
    }
}

static void test_fit__refuses_what_it_cannot_fit(void **state)
{
    (void)state;
    static const char *const texts[] = {"aa bb", "cc dd", NULL};
    static const char *const none[] = {"a b", "", NULL};
    static const int64_t one_label[] = {1, 1}, two_labels[] = {1, 2}, stranger[] = {1, 3};
    static const int64_t labels[] = {1, 2};
    static const dbt_classes two = {2, labels}, one = {1, labels};
    static const struct {
        const char *const *texts;
        const int64_t *label_id;
        const dbt_classes *classes;
        int64_t min_df;
        dbt_status status;
        const char *message;
    } cases[] = {
        {texts, two_labels, &two, 2, DBT_EDATA,
         "empty vocabulary: no term is in at least 2 of the 2 documents"},
        {none, two_labels, &two, 1, DBT_EDATA,
         "empty vocabulary: none of the 2 documents has a term"},
        {texts + 2, two_labels, &two, 1, DBT_EDATA, "empty vocabulary: there are no documents"},
        {texts, one_label, &two, 1, DBT_EDATA, "the documents have only one label"},
        {texts, two_labels, &one, 1, DBT_EDATA, "the documents have only one label"},
        {texts, stranger, &two, 1, DBT_EDATA, "document 2 has label 3"},
        {texts, two_labels, NULL, 1, DBT_EUSAGE, "selecting the best terms needs labels"},
        {texts, two_labels, &two, 0, DBT_EUSAGE, "min-df must be at least 1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        dbt_error err = {0};
        dbt_vectorizer *vectorizer;
        dbt_vectorizer_options options = make_options(10);
        options.min_df = cases[i].min_df;
        dbt_status status = fit_texts(cases[i].texts, cases[i].label_id, &options, cases[i].classes,
                                      &vectorizer, &err);
        assert_int_equal(status, cases[i].status);
        assert_null(vectorizer);
        if (strncmp(err.message, cases[i].message, strlen(cases[i].message)) != 0)
            fail_msg("'%s' is not '%s'", err.message, cases[i].message);
    }
}

static void test_fit__options_out_of_range_are_usage_errors(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++) {
        dbt_error err = {0};
        dbt_vectorizer *vectorizer;
        dbt_vectorizer_options options = make_options(0);
        if (i == 0) options.ngram_min = 0;
        if (i == 1) options.ngram_min = 3;
        if (i == 2) options.ngram_max = 9;
        if (i == 3) options.max_df = 0;
        if (i == 4) options.max_df = 1.5;
        if (i == 5) options.max_df = NAN;
        if (i == 6) options.max_features = -1;
        if (i == 7) options.top_k = -1;
        if (i == 8) options.memory = 1000;
        if (i == 9) options.hash_bits = DBT_MAX_HASH_BITS + 1;
        static const char *const texts[] = {"aa", "aa", NULL};
        assert_int_equal(fit_texts(texts, NULL, &options, NULL, &vectorizer, &err), DBT_EUSAGE);
    }
}

static void test_fit__passes_on_what_reading_returns(void **state)
{
    (void)state;
    made_corpus corpus = make_corpus(200, 20, 100);
    for (size_t threads = 1; threads <= 2; threads++) {
        dbt_error err = {0};
        dbt_pool *pool;
        dbt_vectorizer *vectorizer;
        dbt_vectorizer_options options = make_options(10);
        corpus.array.fail_at = 7;
        dbt_corpus source = make_array_corpus(&corpus.array);
        assert_ok(dbt_pool_new(threads, &pool, &err), err);
        assert_int_equal(
            dbt_vectorizer_fit(&options, &source, &three_classes, pool, &vectorizer, NULL, &err),
            DBT_EIO);
        assert_string_equal(err.message, "page failed");
        dbt_pool_free(pool);
    }
    free_corpus(&corpus);
}

/* Pages that have other texts from some reading on. */
typedef struct fickle_corpus {
    array_corpus *array;
    long calm; /* readings that are left until then */
} fickle_corpus;

static dbt_status read_fickle_page(void *context, size_t reader, int64_t index, dbt_page *page,
                                   dbt_error *err)
{
    fickle_corpus *corpus = context;
    if (corpus->calm-- > 0) return read_array_page(corpus->array, reader, index, page, err);
    static const dbt_text other = {"other words", 11};
    array_corpus changed = *corpus->array;
    dbt_text text[64];
    for (int64_t i = 0; i < changed.n_documents; i++)
        text[i] = other;
    changed.text = text;
    return read_array_page(&changed, reader, index, page, err);
}

/* Each term in the same two documents of all. */
static void test_fit__of_a_corpus_that_changes_ends_in_an_error(void **state)
{
    (void)state;
    enum { DOCUMENTS = 64, ROWS = 4, PAGES = DOCUMENTS / ROWS };
    char words[DOCUMENTS][24];
    dbt_text text[DOCUMENTS];
    int64_t label_id[DOCUMENTS];
    for (int i = 0; i < DOCUMENTS; i++) {
        text[i] = (dbt_text){words[i], (size_t)sprintf(words[i], "pair%d twice%d", i / 2, i / 2)};
        label_id[i] = 1 + i % 2;
    }
    array_corpus array = {text, label_id, DOCUMENTS, ROWS, -1};
    const dbt_classes classes = {2, (const int64_t[]){1, 2}};
    for (long calm = PAGES; calm < 3 * PAGES; calm++) {
        fickle_corpus fickle = {&array, calm};
        const dbt_corpus source = {.context = &fickle,
                                   .n_documents = DOCUMENTS,
                                   .page_rows = ROWS,
                                   .read = read_fickle_page};
        dbt_error err = {0};
        dbt_vectorizer *vectorizer;
        dbt_vectorizer_options options = make_options(0);
        assert_int_equal(
            dbt_vectorizer_fit(&options, &source, &classes, NULL, &vectorizer, NULL, &err),
            DBT_EINTERNAL);
        assert_non_null(strstr(err.message, "the corpus changed while it was read"));
        assert_null(vectorizer);
    }
}

static void test_transform__rows_do_not_depend_on_each_other(void **state)
{
    (void)state;
    dbt_error err = {0};
    made_corpus corpus = make_corpus(200, 300, 3000);
    dbt_vectorizer_options options = make_options(500);
    dbt_vectorizer *vectorizer = fit_on(&corpus, &options, 1, UINT64_MAX, NULL);
    dbt_batch *batch = transform_all(vectorizer, &corpus);
    dbt_transformer *transformer;
    assert_ok(dbt_transformer_new(vectorizer, &transformer, &err), err);
    for (size_t r = batch->n_rows; r-- > 0;) {
        const uint32_t *column;
        const double *value;
        size_t n, start = batch->row_start[r];
        assert_ok(dbt_transform_text(transformer, corpus.text[r], &column, &value, &n, &err), err);
        assert_int_equal(n, batch->row_start[r + 1] - start);
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(column[i], batch->column[start + i]);
            assert_true((float)value[i] == batch->value[start + i]);
            assert_true(i == 0 || column[i] > column[i - 1]);
        }
    }
    dbt_transformer_free(transformer);
    dbt_batch_free(batch);
    dbt_vectorizer_free(vectorizer);
    free_corpus(&corpus);
}

static void assert_unpacks_to(const dbt_vectorizer *vectorizer, const made_corpus *corpus,
                              const dbt_batch *expected)
{
    dbt_error err = {0};
    dbt_transformer *transformer;
    dbt_batch *batch;
    dbt_packed_row *rows = calloc(expected->n_rows, sizeof *rows);
    assert_non_null(rows);
    assert_ok(dbt_transformer_new(vectorizer, &transformer, &err), err);
    assert_ok(dbt_batch_new(&batch, &err), err);
    for (size_t r = 0; r < expected->n_rows; r++) {
        dbt_packed_row row;
        assert_ok(dbt_pack_text(transformer, corpus->text[r], NULL, &row, &err), err);
        unsigned char *copy = malloc(row.bytes);
        assert_non_null(copy);
        memcpy(copy, row.data, row.bytes);
        rows[r] = (dbt_packed_row){copy, row.bytes};
    }
    for (size_t threads = 1; threads <= 3; threads++) {
        dbt_pool *pool;
        assert_ok(dbt_pool_new(threads, &pool, &err), err);
        assert_ok(
            dbt_unpack(vectorizer, rows, expected->n_rows, threads == 1 ? NULL : pool, batch, &err),
            err);
        assert_same_batch(batch, expected);
        dbt_pool_free(pool);
    }
    for (size_t r = 0; r < expected->n_rows; r++)
        free((void *)(uintptr_t)rows[r].data);
    free(rows);
    dbt_batch_free(batch);
    dbt_transformer_free(transformer);
}

static void test_pack__unpacks_to_the_same_bits(void **state)
{
    (void)state;
    made_corpus corpus = make_corpus(200, 300, 3000);
    dbt_vectorizer_options options[] = {make_options(500), make_options(0), make_options(500),
                                        make_options(500), make_options(500)};
    options[1].norm = DBT_NORM_L1;
    options[1].use_idf = false;
    options[2].norm = DBT_NORM_NONE;
    options[2].sublinear_tf = true;
    options[3].hash_bits = 22;
    options[4].hash_bits = 5;
    options[4].sublinear_tf = true;
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        dbt_vectorizer *vectorizer = fit_on(&corpus, &options[i], 1, UINT64_MAX, NULL);
        dbt_batch *batch = transform_all(vectorizer, &corpus);
        assert_true(batch->row_start[batch->n_rows] > 4096); /* threads share the work */
        assert_unpacks_to(vectorizer, &corpus, batch);
        dbt_batch_free(batch);
        dbt_vectorizer_free(vectorizer);
    }
    free_corpus(&corpus);
}

static void test_pack__counts_beyond_16_bits(void **state)
{
    (void)state;
    enum { TIMES = 70000 };
    made_corpus corpus = make_corpus(60, 200, 500);
    dbt_vectorizer_options options = make_options(2000);
    dbt_vectorizer *vectorizer = fit_on(&corpus, &options, 1, UINT64_MAX, NULL);
    char *text = malloc(TIMES * 3);
    assert_non_null(text);
    for (size_t i = 0; i < TIMES; i++)
        memcpy(text + i * 3, "w0 ", 3);
    corpus.text[3] = (dbt_text){text, TIMES * 3};
    dbt_batch *batch = transform_all(vectorizer, &corpus);
    assert_unpacks_to(vectorizer, &corpus, batch);
    free(text);
    dbt_batch_free(batch);
    dbt_vectorizer_free(vectorizer);
    free_corpus(&corpus);
}

static void test_pack__damaged_rows_are_refused_or_harmless(void **state)
{
    (void)state;
    dbt_error err = {0};
    made_corpus corpus = make_corpus(60, 200, 500);
    dbt_vectorizer_options options = make_options(2000);
    dbt_vectorizer *vectorizer = fit_on(&corpus, &options, 1, UINT64_MAX, NULL);
    dbt_transformer *transformer;
    dbt_batch *batch;
    dbt_packed_row row;
    assert_ok(dbt_transformer_new(vectorizer, &transformer, &err), err);
    assert_ok(dbt_batch_new(&batch, &err), err);
    size_t longest = 0;
    for (size_t d = 0; d < 60; d++)
        if (corpus.text[d].bytes > corpus.text[longest].bytes) longest = d;
    assert_ok(dbt_pack_text(transformer, corpus.text[longest], NULL, &row, &err), err);
    assert_true(row.bytes > 30);
    for (size_t cut = 0; cut < row.bytes; cut++) {
        const dbt_packed_row shorter = {row.data, cut};
        assert_int_equal(dbt_unpack(vectorizer, &shorter, 1, NULL, batch, NULL), DBT_EFORMAT);
    }
    size_t refused = 0;
    for (size_t at = 8; at < row.bytes; at++) {
        for (int bit = 0; bit < 8; bit++) {
            unsigned char *copy = malloc(row.bytes); /* exact, so that reading past it is seen */
            assert_non_null(copy);
            memcpy(copy, row.data, row.bytes);
            copy[at] ^= (unsigned char)(1 << bit);
            const dbt_packed_row damaged = {copy, row.bytes};
            dbt_status status = dbt_unpack(vectorizer, &damaged, 1, NULL, batch, NULL);
            assert_true(status == DBT_OK || status == DBT_EFORMAT);
            refused += status == DBT_EFORMAT;
            for (size_t e = 0; status == DBT_OK && e < batch->row_start[1]; e++)
                assert_true(batch->column[e] < dbt_vectorizer_features(vectorizer));
            free(copy);
        }
    }
    assert_true(refused > 0);
    dbt_batch_free(batch);
    dbt_transformer_free(transformer);
    dbt_vectorizer_free(vectorizer);
    free_corpus(&corpus);
}

/* --- hashing --- */

static dbt_vectorizer_options hashing_options(uint32_t hash_bits)
{
    dbt_vectorizer_options options = make_options(500);
    options.hash_bits = hash_bits;
    return options;
}

/* How often each column's n-grams are in a text, counted without a vectorizer; to be freed. */
static uint32_t *count_columns(const dbt_vectorizer_options *options, dbt_text text,
                               int64_t *n_ngrams)
{
    dbt_error err = {0};
    dbt__analyzer *analyzer;
    dbt__ngram ngram[8];
    size_t n;
    uint32_t *count = calloc((size_t)1 << options->hash_bits, sizeof *count);
    const dbt__analyzer_options with = dbt__options_analyzer(options, 0, UINT64_MAX);
    assert_non_null(count);
    assert_ok(dbt__analyzer_new(&with, &analyzer, &err), err);
    assert_ok(dbt__analyzer_begin(analyzer, text.data, text.bytes, &err), err);
    *n_ngrams = 0;
    while ((n = dbt__analyzer_next(analyzer, 0, ngram, 8)) > 0) {
        for (size_t i = 0; i < n; i++)
            count[ngram[i].hash >> (64 - options->hash_bits)]++;
        *n_ngrams += (int64_t)n;
    }
    dbt__analyzer_free(analyzer);
    return count;
}

static void test_hashing__a_column_is_the_top_bits_of_the_hash_of_its_term(void **state)
{
    (void)state;
    static const struct {
        const char *term;
        double count;
    } terms[] = {{"red", 2}, {"blue", 1}, {"red blue", 1}, {"blue red", 1}};
    enum { N_TERMS = sizeof terms / sizeof *terms };
    dbt_error err = {0};
    made_corpus corpus = make_corpus(10, 10, 10);
    dbt_vectorizer_options options = hashing_options(20);
    dbt_vectorizer *vectorizer = fit_on(&corpus, &options, 1, UINT64_MAX, NULL);
    dbt_transformer *transformer;
    dbt__analyzer *analyzer;
    const dbt__analyzer_options with = dbt__options_analyzer(&options, 0, UINT64_MAX);
    const uint32_t *column;
    const double *value;
    size_t n;
    assert_int_equal(dbt_vectorizer_features(vectorizer), 1 << 20);
    assert_ok(dbt__analyzer_new(&with, &analyzer, &err), err);
    assert_ok(dbt_transformer_new(vectorizer, &transformer, &err), err);
    assert_ok(dbt_transform_text(transformer, (dbt_text){"Red blue r\303\251d", 13}, &column,
                                 &value, &n, &err),
              err);
    assert_int_equal(n, N_TERMS);
    for (size_t t = 0; t < N_TERMS; t++) {
        dbt__ngram ngram;
        size_t i = 0;
        assert_ok(dbt__analyzer_hash(analyzer, terms[t].term, strlen(terms[t].term), &ngram, &err),
                  err);
        while (i < n && column[i] != ngram.hash >> 44)
            i++;
        assert_true(i < n);
        assert_true(value[i] == terms[t].count / sqrt(7));
    }
    dbt__analyzer_free(analyzer);
    dbt_transformer_free(transformer);
    dbt_vectorizer_free(vectorizer);
    free_corpus(&corpus);
}

/* The row of a text holds the weights of its columns' counts, over their norm. */
static void assert_row_of(dbt_transformer *transformer, const dbt_vectorizer_options *options,
                          dbt_text text)
{
    dbt_error err = {0};
    const uint32_t *column;
    const double *value;
    size_t n;
    int64_t n_ngrams, found = 0;
    double sum = 0, squares = 0;
    uint32_t *count = count_columns(options, text, &n_ngrams);
    assert_ok(dbt_transform_text(transformer, text, &column, &value, &n, &err), err);
    for (size_t i = 0; i < n; i++) {
        double weight = options->sublinear_tf ? 1 + log(count[column[i]]) : count[column[i]];
        found += count[column[i]];
        sum += weight;
        squares += weight * weight;
    }
    assert_int_equal(found, n_ngrams);
    double norm = options->norm == DBT_NORM_NONE ? 1 : sum;
    if (options->norm == DBT_NORM_L2) norm = sqrt(squares);
    for (size_t i = 0; i < n; i++) {
        double weight = options->sublinear_tf ? 1 + log(count[column[i]]) : count[column[i]];
        assert_true(fabs(value[i] * norm - weight) <= 1e-12 * weight);
    }
    free(count);
}

static void test_hashing__ngrams_of_a_column_add_up_before_the_norm(void **state)
{
    (void)state;
    static const uint32_t bits[] = {1, 6, 13, DBT_MAX_HASH_BITS};
    static const dbt_norm norms[] = {DBT_NORM_NONE, DBT_NORM_L1, DBT_NORM_L2};
    made_corpus corpus = make_corpus(20, 200, 3000);
    for (size_t i = 0; i < 4 * 3 * 2; i++) {
        dbt_error err = {0};
        dbt_transformer *transformer;
        dbt_vectorizer_options options = hashing_options(bits[i % 4]);
        options.norm = norms[i / 4 % 3];
        options.sublinear_tf = i / 12 == 1;
        dbt_vectorizer *vectorizer = fit_on(&corpus, &options, 1, UINT64_MAX, NULL);
        assert_ok(dbt_transformer_new(vectorizer, &transformer, &err), err);
        for (size_t d = 0; d < 20; d++)
            assert_row_of(transformer, &options, corpus.text[d]);
        dbt_transformer_free(transformer);
        dbt_vectorizer_free(vectorizer);
    }
    free_corpus(&corpus);
}

static void test_hashing__reads_a_page_and_is_the_same_whatever_the_data(void **state)
{
    (void)state;
    made_corpus corpus = make_corpus(300, 60, 4000), other = make_corpus(7, 3, 10);
    dbt_vectorizer_options options = hashing_options(16);
    dbt_vectorizer_stats stats, nothing = {0};
    dbt_vectorizer *one = fit_on(&other, &options, 1, UINT64_MAX, NULL);
    corpus.array.fail_at = 1; /* the first one has a term */
    corpus.array.page_rows = 37;
    options.memory = (size_t)1 << 20;
    options.table_memory = 1;
    options.min_df = 1000;
    options.use_idf = false;
    options.top_k = 3;
    dbt_vectorizer *two = fit_on(&corpus, &options, 3, UINT64_MAX, &stats);
    assert_memory_equal(&stats, &nothing, sizeof stats);
    assert_same_batches(one, two, &corpus);
    assert_int_equal(dbt_vectorizer_documents(two), 300);
    assert_int_equal(dbt_vectorizer_terms(two), 0);
    assert_int_equal(dbt_vectorizer_parts(two), 0);
    assert_true(dbt_vectorizer_is_whole(two));
    assert_true(dbt_vectorizer_bytes(two) < 1000);
    assert_int_equal(dbt_vectorizer_feature(two, 65535).term_bytes, 0);
    assert_true(isnan(dbt_vectorizer_feature(two, 65535).score));
    dbt_vectorizer_free(one);
    dbt_vectorizer_free(two);
    free_corpus(&corpus);
    free_corpus(&other);
}

static void test_hashing__of_documents_without_a_term_is_an_empty_vocabulary(void **state)
{
    (void)state;
    static const char *const texts[] = {"a b", "", "c", NULL};
    static const int64_t labels[] = {1, 2, 1};
    const dbt_classes classes = {2, (const int64_t[]){1, 2}};
    dbt_error err = {0};
    dbt_vectorizer *vectorizer;
    dbt_vectorizer_options options = hashing_options(10);
    assert_int_equal(fit_texts(texts, labels, &options, &classes, &vectorizer, &err), DBT_EDATA);
    assert_non_null(strstr(err.message, "none of the 3 documents has a term"));
}

static void test_hashing__needs_two_labels_as_a_vocabulary_does(void **state)
{
    (void)state;
    static const char *const texts[] = {"aa bb", "cc dd", NULL};
    static const int64_t labels[] = {1};
    static const dbt_classes one = {1, labels};
    dbt_error err = {0};
    dbt_vectorizer *vectorizer;
    dbt_vectorizer_options options = hashing_options(8);
    assert_int_equal(fit_texts(texts, NULL, &options, &one, &vectorizer, &err), DBT_EDATA);
    assert_null(vectorizer);
    assert_ok(fit_texts(texts, NULL, &options, NULL, &vectorizer, &err), err);
    dbt_vectorizer_free(vectorizer);
}

static void test_hashing__is_loaded_from_its_settings_alone(void **state)
{
    (void)state;
    dbt_error err = {0};
    made_corpus corpus = make_corpus(100, 50, 1000);
    dbt_vectorizer_options options = hashing_options(18), counting = make_options(50);
    dbt_vectorizer *fitted = fit_on(&corpus, &options, 1, UINT64_MAX, NULL), *copy;
    dbt_vectorizer *other = fit_on(&corpus, &counting, 1, UINT64_MAX, NULL);
    const dbt_feature feature = dbt_vectorizer_feature(other, 0);
    unsigned char *part;
    size_t bytes;
    assert_int_equal(dbt_vectorizer_load_new(&options, 100, 1, &copy, NULL), DBT_EFORMAT);
    assert_ok(dbt_vectorizer_load_new(&options, 100, 0, &copy, &err), err);
    assert_int_equal(dbt_vectorizer_load_feature(copy, &feature, NULL), DBT_EFORMAT);
    assert_int_equal(dbt_vectorizer_encode(fitted, 0, &part, &bytes, NULL), DBT_EUSAGE);
    assert_ok(dbt_vectorizer_encode(other, 0, &part, &bytes, &err), err);
    assert_int_equal(dbt_vectorizer_load_part(copy, part, bytes, NULL), DBT_EFORMAT);
    assert_ok(dbt_vectorizer_load_finish(copy, &err), err);
    assert_int_equal(dbt_vectorizer_load_finish(copy, NULL), DBT_EUSAGE);
    assert_same_batches(fitted, copy, &corpus);
    dbt_free(part);
    dbt_vectorizer_free(copy);
    dbt_vectorizer_free(other);
    dbt_vectorizer_free(fitted);
    free_corpus(&corpus);
}

/* --- storing and loading --- */

static void test_load__gives_the_bits_of_the_fitted_vectorizer(void **state)
{
    (void)state;
    /* Enough places for several parts; with all terms selected they hold none. */
    static const int64_t top_k[] = {500, 0};
    made_corpus corpus = make_corpus(1500, 150, 100000);
    for (size_t i = 0; i < 2; i++) {
        dbt_error err = {0};
        dbt_vectorizer *copy;
        dbt_vectorizer_options options = make_options(top_k[i]);
        options.min_df = 1;
        dbt_vectorizer *fitted = fit_on(&corpus, &options, 2, UINT64_MAX, NULL);
        assert_true(dbt_vectorizer_parts(fitted) > 1);
        assert_ok(load_copy(fitted, dbt_vectorizer_get_options(fitted), &copy, &err), err);
        assert_same_features(fitted, copy);
        assert_same_parts(fitted, copy);
        assert_same_batches(fitted, copy, &corpus);
        dbt_vectorizer_free(copy);
        dbt_vectorizer_free(fitted);
    }
    free_corpus(&corpus);
}

static void test_load__refuses_damaged_parts(void **state)
{
    (void)state;
    dbt_error err = {0};
    made_corpus corpus = make_corpus(100, 20, 200);
    dbt_vectorizer_options options = make_options(50);
    dbt_vectorizer *fitted = fit_on(&corpus, &options, 1, UINT64_MAX, NULL);
    unsigned char *value;
    size_t bytes;
    assert_ok(dbt_vectorizer_encode(fitted, 0, &value, &bytes, &err), err);
    assert_true(bytes > 40);
    /* Every cut and every flipped byte is noticed by the checksum; with the checksum mended no
     * damage is read outside the part, or makes more terms than there are. */
    for (size_t i = 0; i < 2 * bytes; i++) {
        bool mended = i >= bytes;
        dbt_vectorizer *copy;
        dbt_error load_err = {0};
        assert_ok(dbt_vectorizer_load_new(&options, 100, dbt_vectorizer_terms(fitted), &copy, &err),
                  err);
        unsigned char *exact = malloc(bytes);
        memcpy(exact, value, bytes);
        exact[i % bytes] ^= 0x80;
        if (mended) {
            uint64_t sum = dbt__hash(exact + 8, bytes - 8, 0);
            for (size_t k = 0; k < 8; k++)
                exact[k] = (unsigned char)(sum >> (8 * k));
        }
        dbt_status status = dbt_vectorizer_load_part(copy, exact, bytes, &load_err);
        if (!mended || (i % bytes >= 8 && i % bytes < 16)) assert_int_equal(status, DBT_EFORMAT);
        if (!mended)
            assert_int_equal(dbt_vectorizer_load_part(copy, exact, i, &load_err), DBT_EFORMAT);
        free(exact);
        dbt_vectorizer_free(copy);
    }
    dbt_free(value);
    dbt_vectorizer_free(fitted);
    free_corpus(&corpus);
}

static void test_load__refuses_wrong_features(void **state)
{
    (void)state;
    dbt_error err = {0};
    dbt_vectorizer *vectorizer;
    dbt_vectorizer_options options = make_options(50);
    assert_int_equal(dbt_vectorizer_load_new(&options, 0, 5, &vectorizer, &err), DBT_EFORMAT);
    assert_null(vectorizer);
    err = (dbt_error){0};
    assert_ok(dbt_vectorizer_load_new(&options, 10, 3, &vectorizer, &err), err);
    dbt_feature good = {"bb", 2, 3, dbt__idf(&options, 10, 3), 1};
    assert_ok(dbt_vectorizer_load_feature(vectorizer, &good, &err), err);
    for (int i = 0; i < 8; i++) {
        dbt_error load_err = {0};
        dbt_feature feature = good;
        feature.term = "cc";
        if (i == 0) feature.term = "bb";
        if (i == 1) feature.term = "aa";
        if (i == 2) feature.term_bytes = 0;
        if (i == 3) feature.document_frequency = 0;
        if (i == 4) feature.document_frequency = 11;
        if (i == 5) feature.idf = NAN;
        if (i == 6) feature.idf = 7;
        if (i == 7) feature.term = "bbb", feature.term_bytes = 1;
        assert_int_equal(dbt_vectorizer_load_feature(vectorizer, &feature, &load_err), DBT_EFORMAT);
    }
    /* No part, and two terms that nobody gave. */
    assert_int_equal(dbt_vectorizer_load_finish(vectorizer, &err), DBT_EFORMAT);
    dbt_vectorizer_free(vectorizer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fit__threads_and_pages_do_not_change_a_bit),
        cmocka_unit_test(test_fit__memory_does_not_change_a_bit),
        cmocka_unit_test(test_fit__ends_within_a_merge_when_it_is_told_to),
        cmocka_unit_test(test_lexicon__takes_no_more_than_its_limit),
        cmocka_unit_test(test_fit__runs_drop_what_min_df_and_max_df_drop),
        cmocka_unit_test(test_runs__count_a_cut_document_once),
        cmocka_unit_test(test_runs__find_a_collision_between_them),
        cmocka_unit_test(test_runs__that_have_changed_are_an_error),
        cmocka_unit_test(test_fit__a_document_cut_by_runs_counts_once),
        cmocka_unit_test(test_fit__whoever_goes_on_with_a_document_changes_no_bit),
        cmocka_unit_test(test_fit__keeps_the_norms_that_scoring_finds),
        cmocka_unit_test(test_fit__a_vocabulary_larger_than_memory_has_the_same_bits),
        cmocka_unit_test(test_fit__more_features_than_there_is_room_for_are_refused),
        cmocka_unit_test(test_fit__longer_terms_than_there_is_room_for_are_refused),
        cmocka_unit_test(test_table__of_a_range_of_hashes_finds_at_once),
        cmocka_unit_test(test_fit__counts_anew_after_a_collision),
        cmocka_unit_test(test_fit__ties_go_to_the_term_that_sorts_first),
        cmocka_unit_test(test_fit__max_features_ties_go_to_the_term_that_sorts_first),
        cmocka_unit_test(test_fit__ties_are_decided_in_little_memory),
        cmocka_unit_test(test_select__orders_scores_like_scikit_learn),
        cmocka_unit_test(test_anova__is_scikit_learns_at_its_limits),
        cmocka_unit_test(test_anova__rounding_makes_no_term_worse_than_noise),
        cmocka_unit_test(test_fit__refuses_what_it_cannot_fit),
        cmocka_unit_test(test_fit__options_out_of_range_are_usage_errors),
        cmocka_unit_test(test_fit__passes_on_what_reading_returns),
        cmocka_unit_test(test_fit__of_a_corpus_that_changes_ends_in_an_error),
        cmocka_unit_test(test_term_sample__counts_few_exactly_and_estimates_many),
        cmocka_unit_test(test_transform__rows_do_not_depend_on_each_other),
        cmocka_unit_test(test_pack__unpacks_to_the_same_bits),
        cmocka_unit_test(test_pack__counts_beyond_16_bits),
        cmocka_unit_test(test_pack__damaged_rows_are_refused_or_harmless),
        cmocka_unit_test(test_hashing__a_column_is_the_top_bits_of_the_hash_of_its_term),
        cmocka_unit_test(test_hashing__ngrams_of_a_column_add_up_before_the_norm),
        cmocka_unit_test(test_hashing__reads_a_page_and_is_the_same_whatever_the_data),
        cmocka_unit_test(test_hashing__of_documents_without_a_term_is_an_empty_vocabulary),
        cmocka_unit_test(test_hashing__needs_two_labels_as_a_vocabulary_does),
        cmocka_unit_test(test_hashing__is_loaded_from_its_settings_alone),
        cmocka_unit_test(test_load__gives_the_bits_of_the_fitted_vectorizer),
        cmocka_unit_test(test_load__refuses_damaged_parts),
        cmocka_unit_test(test_load__refuses_wrong_features),
    };
    return cmocka_run_group_tests_name("vectorizer", tests, make_folder, remove_folder);
}
