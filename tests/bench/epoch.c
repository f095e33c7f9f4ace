/*
 * epoch.c: one training epoch, its parts, and what the threads wait for.
 *
 * The parts of a step are timed by doing them: what dbt_network_train calls is called here, with
 * the network's own functions and in its order, on one thread. Backward is what is left of the
 * step.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <dbtrain/network.h>
#include <dbtrain/train.h>

#include "bench.h"
#include "network_internal.h"

typedef enum part {
    FIT_FIRST, /* epochs 1 and 2 of dbt_fit, all threads */
    FIT_SECOND,
    WAITING,
    STEPS_THREADS, /* all but page and vectorize, all threads */
    STEPS,         /* the same, one thread */
    PAGE,
    VECTORIZE,
    TRANSPOSE,
    CATCH_UP,
    FORWARD,
    BACKWARD,
    UPDATE,
    N_PARTS
} part;

static const char *const part_names[N_PARTS] = {
    [FIT_FIRST] = "epoch 1 of dbt_fit, all threads",
    [FIT_SECOND] = "epoch 2 of dbt_fit, all threads",
    [WAITING] = "waiting for batches, epoch 1",
    [STEPS_THREADS] = "steps, batches ready, all threads",
    [STEPS] = "steps, batches ready, 1 thread",
    [PAGE] = "page: cursor, shuffled",
    [VECTORIZE] = "vectorize",
    [TRANSPOSE] = "forward: dropout, transpose",
    [CATCH_UP] = "optimizer: catching up",
    [FORWARD] = "forward: layers",
    [BACKWARD] = "backward",
    [UPDATE] = "optimizer: update",
};

typedef struct contest {
    const bench_options *options;
    const char *database;
    dbt_model *model;
    size_t n_batches;
    dbt_batch **batch;
    int32_t **label;
    size_t n_documents;
    double value[N_PARTS][BENCH_MAXIMUM_METRICS];
} contest;

static void set_seconds(contest *c, part p, double seconds)
{
    c->value[p][0] = seconds;
    c->value[p][1] = seconds / (double)c->n_documents * 1e6;
}

/* --- batches --- */

static dbt_cursor *open_cursor(const contest *c)
{
    dbt_error err = {0};
    dbt_cursor *cursor;
    dbt_cursor_options options;
    dbt_store *store = bench_open(c->database, DBT_STORE_READ);
    dbt_cursor_options_init(&options);
    options.split = "train";
    options.shuffle = true;
    bench_must(dbt_cursor_open(store, &options, &cursor, &err), &err);
    bench_must(dbt_store_close(store, &err), &err);
    return cursor;
}

static int32_t *list_outputs(const contest *c, const dbt_page *page)
{
    int32_t *label = bench_allocate(page->n_rows, sizeof *label);
    for (size_t r = 0; r < page->n_rows; r++)
        label[r] = dbt_model_output(c->model, page->label_id[r]);
    return label;
}

/* Pages the split and vectorizes it, as one thread of the loader does; the batches are kept from
 * the first time. */
static void make_batches(contest *c)
{
    dbt_error err = {0};
    dbt_page *page;
    dbt_transformer *transformer;
    dbt_status status;
    dbt_cursor *cursor = open_cursor(c);
    double paging = 0, vectorizing = 0;
    bench_must(dbt_page_new(&page, &err), &err);
    bench_must(dbt_transformer_new(dbt_model_vectorizer(c->model), &transformer, &err), &err);
    for (size_t i = 0;; i++) {
        double begin = bench_now();
        status = dbt_cursor_next(cursor, page, &err);
        paging += bench_now() - begin;
        if (status != DBT_OK) break;
        if (c->batch[i] == NULL) {
            bench_must(dbt_batch_new(&c->batch[i], &err), &err);
            c->label[i] = list_outputs(c, page);
        }
        begin = bench_now();
        bench_must(dbt_transform(transformer, page, NULL, c->batch[i], &err), &err);
        vectorizing += bench_now() - begin;
    }
    bench_must(status, &err);
    set_seconds(c, PAGE, paging);
    set_seconds(c, VECTORIZE, vectorizing);
    dbt_transformer_free(transformer);
    dbt_page_free(page);
    dbt_cursor_close(cursor);
}

/* --- steps --- */

static dbt_network *make_network(const contest *c, dbt_pool *pool)
{
    dbt_error err = {0};
    dbt_network *network;
    dbt_network_options options;
    dbt_model_info info = dbt_model_get_info(c->model);
    dbt_network_options_init(&options);
    options.n_inputs = info.n_features;
    options.n_classes = info.n_labels;
    bench_must(dbt_network_new(&options, pool, &network, &err), &err);
    return network;
}

static void train(const contest *c, dbt_network *network, size_t i)
{
    dbt_error err = {0};
    dbt_metrics metrics;
    dbt_position position = {1, (int64_t)i + 1};
    bench_must(dbt_network_train(network, c->batch[i], c->label[i], NULL, position, &metrics, &err),
               &err);
}

static void repeat_first_layer(const dbt_network *network, const dbt__span *span)
{
    dbt__layer *layer = &network->layer[0];
    for (size_t i = 0; i < span->sparse->n_active; i++) {
        size_t at = span->sparse->active[i] * layer->outputs;
        dbt__optimizer_update(network->optimizer, true, layer->outputs,
                              span->gradient + i * layer->outputs, layer->weight + at,
                              layer->weight_state[0] + at, layer->weight_state[1] + at);
    }
}

/* The update of the step that was just taken, once more: it costs what it cost then. */
static void repeat_update(dbt_network *network)
{
    dbt__optimizer *optimizer = network->optimizer;
    const dbt__gradient *gradient = &network->gradient;
    dbt__optimizer_begin(optimizer);
    for (size_t i = 0; i < network->n_spans; i++)
        repeat_first_layer(network, &network->span[i]);
    for (size_t i = 0; i < network->options.layers; i++) {
        dbt__layer *layer = &network->layer[i];
        size_t n = layer->inputs * layer->outputs;
        if (i > 0)
            dbt__optimizer_update(optimizer, true, n, gradient->weight[i], layer->weight,
                                  layer->weight_state[0], layer->weight_state[1]);
        dbt__optimizer_update(optimizer, false, layer->outputs, gradient->bias[i], layer->bias,
                              layer->bias_state[0], layer->bias_state[1]);
    }
}

/* Adds the seconds since *begin to a part, and begins anew. */
static void lap(double *begin, double *seconds)
{
    double now = bench_now();
    *seconds += now - *begin;
    *begin = now;
}

/* Dropout and transpose, and what the first layer asks of them before it begins. */
static void prepare_step(dbt_network *network, dbt_preparer *preparer, const dbt_batch *batch,
                         dbt_position position, dbt_prepared *prepared)
{
    dbt_error err = {0};
    bench_must(dbt_prepare(preparer, batch, position, prepared, &err), &err);
    bench_must(dbt__first_layer_read(network, NULL, prepared, &err), &err);
}

static void forward(dbt_network *network, const dbt_batch *batch, const dbt__mask *mask)
{
    dbt_error err = {0};
    dbt__activations *activations = &network->activations;
    bench_must(dbt__first_layer_forward(network, mask, batch->n_rows, activations->output[0], &err),
               &err);
    bench_must(dbt__forward_dense(network, NULL, batch->n_rows, mask, activations, &err), &err);
}

static void time_parts(contest *c)
{
    dbt_error err = {0};
    double seconds[N_PARTS] = {0};
    dbt_network *network = make_network(c, NULL);
    dbt_preparer *preparer;
    dbt_prepared *prepared;
    bench_must(dbt_preparer_new(network, &preparer, &err), &err);
    bench_must(dbt_prepared_new(network, &prepared, &err), &err);
    for (size_t i = 0; i < c->n_batches; i++) {
        const dbt_batch *batch = c->batch[i];
        dbt_position position = {1, (int64_t)i + 1};
        bench_must(dbt__activations_reserve(network, batch->n_rows, &network->activations, &err),
                   &err);
        /* Once before: train finds the batch in the cache, so the parts must, too. */
        prepare_step(network, preparer, batch, position, prepared);
        double begin = bench_now();
        prepare_step(network, preparer, batch, position, prepared);
        lap(&begin, &seconds[TRANSPOSE]);
        forward(network, batch, &prepared->mask); /* with the rows that lag */
        lap(&begin, &seconds[CATCH_UP]);
        forward(network, batch, &prepared->mask);
        lap(&begin, &seconds[FORWARD]);
        train(c, network, i); /* finds its rows caught up */
        lap(&begin, &seconds[BACKWARD]);
        repeat_update(network);
        lap(&begin, &seconds[UPDATE]);
    }
    seconds[CATCH_UP] -= seconds[FORWARD];
    seconds[BACKWARD] -= seconds[TRANSPOSE] + seconds[FORWARD] + seconds[UPDATE];
    for (part p = TRANSPOSE; p <= UPDATE; p++)
        set_seconds(c, p, seconds[p]);
    dbt_preparer_free(preparer);
    dbt_prepared_free(prepared);
    dbt_network_free(network);
}

static double time_steps(const contest *c, size_t threads)
{
    dbt_error err = {0};
    dbt_pool *pool;
    bench_must(dbt_pool_new(threads, &pool, &err), &err);
    dbt_network *network = make_network(c, pool);
    double begin = bench_now();
    for (size_t i = 0; i < c->n_batches; i++)
        train(c, network, i);
    double seconds = bench_now() - begin;
    dbt_network_free(network);
    dbt_pool_free(pool);
    return seconds;
}

/* --- whole epochs --- */

static void keep_epoch(void *context, const dbt_epoch *epoch)
{
    set_seconds(context, epoch->epoch == 1 ? FIT_FIRST : FIT_SECOND, epoch->seconds);
}

/* Two epochs, validated on one page. A second call finds the vocabulary in the file. */
static void fit_two_epochs(contest *c)
{
    dbt_error err = {0};
    dbt_fit_result result;
    dbt_fit_options options;
    dbt_observer observer = {.epoch = keep_epoch, .context = c};
    dbt_store *store = bench_open(c->database, DBT_STORE_WRITE);
    dbt_fit_options_init(&options);
    options.validation = "train";
    options.validation_steps = 1;
    options.epochs = 2;
    options.threads = c->options->threads;
    bench_must(dbt_fit(store, &options, &observer, &result, &err), &err);
    if (c->model == NULL)
        bench_must(dbt_model_open(store, NULL, DBT_WEIGHTS_LAST, &c->model, &err), &err);
    bench_must(dbt_store_close(store, &err), &err);
}

static void run_all(void *context, size_t run, double *value)
{
    contest *c = context;
    make_batches(c);
    time_parts(c);
    set_seconds(c, STEPS, time_steps(c, 1));
    set_seconds(c, STEPS_THREADS, time_steps(c, c->options->threads));
    fit_two_epochs(c);
    set_seconds(c, WAITING, c->value[FIT_FIRST][0] - c->value[STEPS_THREADS][0]);
    bench_read_values(c->value[0], run, value);
}

static void prepare(contest *c)
{
    dbt_error err = {0};
    dbt_store *store;
    dbt_split split;
    fit_two_epochs(c);
    store = bench_open(c->database, DBT_STORE_READ);
    bench_must(dbt_store_find_split(store, "train", &split, &err), &err);
    bench_must(dbt_store_close(store, &err), &err);
    c->n_documents = (size_t)split.documents;
    c->n_batches = (c->n_documents + BENCH_PAGE_ROWS - 1) / BENCH_PAGE_ROWS;
    c->batch = bench_allocate(c->n_batches, sizeof *c->batch);
    c->label = bench_allocate(c->n_batches, sizeof *c->label);
}

void bench_section_epoch(const bench_options *options)
{
    contest c = {.options = options, .database = bench_path(options, "epoch.db")};
    const char *paths[2];
    char title[64] = "IMDb, train.csv";
    if (!bench_find_imdb(options, paths) || options->n_sizes > 0) {
        generator_options corpus;
        generator_options_init(&corpus);
        corpus.documents = bench_size(options, 100000);
        paths[0] = bench_path(options, "train.csv");
        bench_write_csv(&corpus, paths[0]);
        (void)snprintf(title, sizeof title, "%s generated documents",
                       bench_grouped(corpus.documents));
    }
    bench_ingest(c.database, paths, 1);
    prepare(&c);
    bench_contestant contestants[N_PARTS];
    for (part p = 0; p < N_PARTS; p++)
        contestants[p] = (bench_contestant){part_names[p], p == 0 ? run_all : bench_read_values,
                                            p == 0 ? (void *)&c : c.value[p]};
    bench_measure(
        options,
        &(bench_table){
            .section = "epoch",
            .title = title,
            .note = "Parts: on one thread, one after the other, with the network's own functions; "
                    "backward is a step less its other parts.\n"
                    "Waiting: epoch 1 of dbt_fit less its steps with batches ready.",
            .n_metrics = 2,
            .metric = {{"seconds", 3}, {"us/document", 2}},
            .n_contestants = N_PARTS,
            .contestant = contestants,
        });
}
