/*
 * fit.c: from options to a trained run.
 *
 * In order: splits and a survey of their documents (fit_data.c), each part's share of the memory
 * (budget.c), the run's row (fit_run.c), the vocabulary (fit_vocabulary.c), vectorized rows where
 * they are kept, the network, cursors; then the loop of epochs.c; then the last checkpoint and the
 * run's status. What is refused leaves no run, and no splits that were cut off for it. A run that
 * goes on takes the same way; what it finds rather than makes is in resume.c.
 */
#include "fit_internal.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "budget.h"
#include "page_rows.h"
#include "run.h"
#include "store_internal.h"

/* Units from which threads do more for a step than for the batches to come. */
#define WIDE_UNITS 192

void dbt_fit_options_init(dbt_fit_options *options)
{
    *options = (dbt_fit_options){
        .train = "train",
        .validation_split = 0.2,
        .batch_size = 128,
        .epochs = 1000,
        .patience = 2,
        .shuffle = true,
        .seed = 123,
        .memory = (size_t)512 << 20,
        .checkpoint_every = 60,
    };
    dbt_vectorizer_options_init(&options->vectorizer);
    dbt_network_options_init(&options->network);
}

void dbt__fit_note(const dbt__fit *fit, const char *format, ...)
{
    if (fit->observer->note == NULL) return;
    char line[DBT_ERROR_BYTES];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    fit->observer->note(fit->observer->context, line);
}

static dbt_status check_options(const dbt_fit_options *options, dbt_error *err)
{
    if (options->batch_size < 1 || options->batch_size > 1 << 20)
        return dbt__fail(err, DBT_EUSAGE, "batch size must be 1 to 1048576");
    if (options->epochs < 1 || options->patience < 0)
        return dbt__fail(err, DBT_EUSAGE, "epochs must be at least 1, patience at least 0");
    if (options->steps_per_epoch < 0 || options->validation_steps < 0)
        return dbt__fail(err, DBT_EUSAGE, "steps must not be negative");
    if (options->validation == NULL &&
        !(options->validation_split > 0 && options->validation_split < 1))
        return dbt__fail(err, DBT_EUSAGE, "validation split must be between 0 and 1");
    if (!(options->checkpoint_every >= 0 && isfinite(options->checkpoint_every)))
        return dbt__fail(err, DBT_EUSAGE, "seconds between checkpoints must be 0 or more");
    if (options->seed > INT64_MAX) return dbt__fail(err, DBT_EUSAGE, "seed must be below 2^63");
    /* Network and vectorizer check their options themselves, but are asked for their size before
     * they are made. */
    if (options->vectorizer.hash_bits > DBT_MAX_HASH_BITS)
        return dbt__fail(err, DBT_EUSAGE, "hash-bits must be at most %d", DBT_MAX_HASH_BITS);
    if (options->network.layers < 1 || options->network.layers > 64)
        return dbt__fail(err, DBT_EUSAGE, "layers must be 1 to 64");
    return DBT_OK;
}

/* On the average. */
static double batch_entries(const dbt__fit *fit)
{
    return dbt__budget_row_entries(fit->vectorizer) * (double)fit->options.batch_size;
}

/* Whether steps are prepared by those who make the batches. */
static bool steps_are_prepared(const dbt__fit *fit)
{
    return dbt__loader_prepares(batch_entries(fit), fit->options.network.units);
}

/* Whether all threads work on a step, rather than all but one on the batches to come. Rows in
 * memory are batches almost at once: nobody has to make them ahead. And who has a part of a step to
 * do needs a processor now, for the others wait. */
static bool steps_are_shared(const dbt__fit *fit)
{
    return fit->train_rows != NULL && !dbt__row_cache_is_stored(fit->train_rows) &&
           dbt_pool_threads(fit->pool) <= dbt_usable_cores() && !steps_are_prepared(fit);
}

/* Of one blob. Doubles, which do not overflow. */
static double largest_parameter_bytes(const dbt_network_options *network)
{
    double outputs = network->n_classes == 2 ? 1 : (double)network->n_classes;
    double units = (double)network->units, inputs = (double)network->n_inputs;
    double largest = inputs * (network->layers == 1 ? outputs : units);
    if (network->layers > 1) largest = fmax(largest, units * outputs);
    if (network->layers > 2) largest = fmax(largest, units * units);
    return largest * sizeof(float);
}

static dbt_status check_value(const char *what, double bytes, dbt_error *err)
{
    if (bytes <= (double)DBT__CHECKPOINT_MAX_BYTES) return DBT_OK;
    return dbt__fail(err, DBT_EUSAGE,
                     "%s of this network is of %.0f MB, and SQLite stores at most %zu in a value: "
                     "take fewer features or units",
                     what, floor(bytes / 1e6), DBT__CHECKPOINT_MAX_BYTES / 1000000);
}

static dbt_status make_network(dbt__fit *fit, dbt_error *err)
{
    dbt_network_options *network = &fit->options.network;
    network->n_inputs = dbt_vectorizer_features(fit->vectorizer);
    network->n_classes = fit->survey.labels.n;
    network->seed = fit->options.seed;
    bool share = steps_are_shared(fit) || network->units >= WIDE_UNITS;
    /* Before it takes the memory. */
    dbt_status status = check_value("the largest weight", largest_parameter_bytes(network), err);
    if (status == DBT_OK)
        status = dbt_network_new(network, share ? fit->pool : NULL, &fit->network, err);
    if (status < 0) return status;
    status = check_value("the state", (double)dbt__checkpoint_bytes(fit->network), err);
    if (status < 0) return status;
    fit->label = dbt__alloc_array((size_t)fit->options.batch_size, sizeof *fit->label);
    fit->weight = dbt__alloc_array((size_t)fit->options.batch_size, sizeof *fit->weight);
    if (fit->label == NULL || fit->weight == NULL) return dbt__out_of_memory(err, "a batch");
    return DBT_OK;
}

/* Keeps the vectorized rows of a split, where they fit and are needed more than once, or have to be
 * kept, or are to be kept in the database. */
static dbt_status keep_split(dbt__fit *fit, const char *name, const dbt_split *split,
                             dbt__survey *survey, const dbt_norms *norms, bool has_to,
                             size_t memory, dbt__row_cache **cache, dbt_error *err)
{
    bool stored = fit->options.cache;
    const dbt__block_key key = {name, split->id, fit->vectorizer_id, split->documents,
                                survey->row_fingerprint};
    const dbt__row_cache_options options = {
        .split = name,
        .n_rows = split->documents,
        .memory = memory,
        .work_memory = dbt__budget_work(&fit->options, &fit->survey, fit->vectorizer),
        .norms = norms,
        .spill_folder = has_to ? fit->folder : NULL,
        .key = stored ? &key : NULL,
        .digests = stored ? &survey->pages : NULL, /* else they are told of when it has ended */
        .meanwhile = dbt__fit_begin_storing,
        .context = fit,
    };
    if (!has_to && !stored && fit->options.epochs == 1) return DBT_OK;
    dbt_status status = dbt__row_cache_fill(fit->store, &options, fit->vectorizer, fit->pool,
                                            fit->observer, cache, err);
    if (status == DBT_OK && stored)
        dbt__fit_note(fit, "vectorized rows of '%s': %s in the database", name,
                      dbt__row_cache_was_found(*cache) ? "found" : "kept");
    return status;
}

/* Texts of so many pages may wait in batches. */
#define PAGES_AHEAD 16

/* Rows have to be kept where they cannot be made one by one, and where the texts of batches would
 * take too much: of many documents that are long, or of some that are very long. */
static dbt_status keep_rows(dbt__fit *fit, dbt_error *err)
{
    size_t memory = dbt__budget_rows(&fit->options, &fit->survey, fit->vectorizer), page_rows;
    bool has_to = !dbt_vectorizer_is_whole(fit->vectorizer);
    dbt_status status = dbt__page_rows(fit->store, fit->train, fit->train_split.documents,
                                       DBT__SCAN_ROWS, &page_rows, err);
    if (status < 0) return status;
    fit->rows_ahead = PAGES_AHEAD * page_rows;
    if (fit->options.cache || dbt_pool_threads(fit->pool) == 1)
        status = dbt__fit_finish_storing(fit, status, err);
    if (status < 0) return status;
    status = keep_split(fit, fit->train, &fit->train_split, &fit->survey,
                        dbt_vectorizer_norms(fit->vectorizer),
                        has_to || (size_t)fit->options.batch_size >= fit->rows_ahead ||
                            fit->survey.longest > DBT__PAGE_BYTES,
                        memory, &fit->train_rows, err);
    status = dbt__fit_finish_storing(fit, status, err);
    if (status < 0) return status;
    return keep_split(fit, fit->validation, &fit->validation_split, &fit->validation_survey, NULL,
                      has_to, dbt__budget_left(memory, dbt__row_cache_bytes(fit->train_rows)),
                      &fit->validation_rows, err);
}

/* validation_steps counts batches, which are read in pages that are not larger than they need be.
 */
static int64_t validation_rows(const dbt__fit *fit)
{
    int64_t rows, documents = fit->validation_split.documents;
    if (fit->options.validation_steps == 0 ||
        __builtin_mul_overflow(fit->options.validation_steps, fit->options.batch_size, &rows))
        return documents;
    return rows < documents ? rows : documents;
}

static dbt_status choose_validation_page(dbt__fit *fit, dbt_error *err)
{
    size_t batch_size = (size_t)fit->options.batch_size;
    return dbt__page_rows(fit->store, fit->validation, validation_rows(fit),
                          batch_size < DBT__SCAN_ROWS ? batch_size : DBT__SCAN_ROWS,
                          &fit->validation_page_rows, err);
}

static dbt_status open_cursors(dbt__fit *fit, dbt_error *err)
{
    const dbt_fit_options *options = &fit->options;
    dbt_cursor_options cursor;
    dbt_cursor_options_init(&cursor);
    cursor.split = fit->train;
    cursor.n_rows = fit->train_split.documents;
    cursor.batch_size = (size_t)options->batch_size;
    cursor.shuffle = options->shuffle;
    cursor.seed = options->seed;
    cursor.classes = fit->survey.labels.n;
    dbt_status status = dbt_cursor_open(fit->store, &cursor, &fit->train_cursor, err);
    if (status == DBT_OK) status = choose_validation_page(fit, err);
    if (status < 0) return status;
    cursor.split = fit->validation;
    cursor.n_rows = validation_rows(fit);
    cursor.batch_size = fit->validation_page_rows;
    cursor.shuffle = false;
    status = dbt_cursor_open(fit->store, &cursor, &fit->validation_cursor, err);
    if (status < 0) return status;

    fit->steps = options->steps_per_epoch > 0 ? options->steps_per_epoch
                                              : dbt_cursor_pages(fit->train_cursor);
    fit->validation_pages = dbt_cursor_pages(fit->validation_cursor);
    return DBT_OK;
}

/* From the step that the training is at. */
static dbt_status start_feeds(dbt__fit *fit, dbt_error *err)
{
    int64_t end;
    if (__builtin_mul_overflow(fit->steps, fit->options.epochs, &end)) end = INT64_MAX;
    const dbt__feed train = {
        .cursor = fit->train_cursor,
        .vectorizer = fit->vectorizer,
        .cache = fit->train_rows,
        .norms = fit->train_rows == NULL ? dbt_vectorizer_norms(fit->vectorizer) : NULL,
        .pool = steps_are_shared(fit) ? fit->pool : NULL,
        .batch_size = (size_t)fit->options.batch_size,
        .rows_ahead = fit->train_rows == NULL ? fit->rows_ahead : 0}; /* else without texts */
    const dbt__feed validation = {.cursor = fit->validation_cursor,
                                  .vectorizer = fit->vectorizer,
                                  .cache = fit->validation_rows,
                                  .batch_size = fit->validation_page_rows};
    const dbt__loader_options loader = {.feed = train,
                                        .network = steps_are_prepared(fit) ? fit->network : NULL,
                                        .batch_entries = batch_entries(fit),
                                        .steps = fit->steps,
                                        .n_threads =
                                            steps_are_shared(fit) ? 1 : dbt_pool_threads(fit->pool),
                                        .first = fit->progress.step,
                                        .end = end};
    dbt_status status = dbt__loader_new(&loader, &fit->loader, err);
    if (status < 0) return status;
    return dbt__scanner_new(&validation, fit->network, &fit->survey.labels, fit->pool,
                            &fit->scanner, err);
}

/* Temporary files go beside the database, where the user has seen to room. */
static dbt_status find_folder(dbt__fit *fit, dbt_error *err)
{
    const char *path = dbt_store_path(fit->store), *slash = strrchr(path, '/');
    fit->folder = dbt__strdup(slash == NULL ? "." : path);
    if (fit->folder == NULL) return dbt__out_of_memory(err, "a name");
    if (slash != NULL) fit->folder[slash == path ? 1 : slash - path] = '\0';
    fit->options.vectorizer.spill_folder = fit->folder;
    return DBT_OK;
}

/* What is refused in any case is so before documents are held out. */
static dbt_status check_memory(const dbt__fit *fit, dbt_error *err)
{
    dbt_fit_options options = fit->options;
    return dbt__budget_vectorizer(&options, NULL, err);
}

/* Each thread holds a document at a time: of long ones the limit may be enough for few. */
static dbt_status limit_threads(dbt__fit *fit, dbt_error *err)
{
    size_t n = dbt__budget_threads(&fit->options, &fit->survey);
    if (n >= dbt_pool_threads(fit->pool)) return DBT_OK;
    dbt__fit_note(
        fit, "a document has up to %zu MiB: %zu thread%s instead of %zu, to keep to --memory",
        (fit->survey.longest >> 20) + 1, n, n == 1 ? "" : "s", dbt_pool_threads(fit->pool));
    dbt_pool_free(fit->pool);
    fit->pool = NULL;
    return dbt_pool_new(n, &fit->pool, err);
}

static dbt_status prepare(dbt__fit *fit, dbt_error *err)
{
    bool resumed = fit->options.resume != 0;
    fit->progress = (dbt__progress){.seed = fit->options.seed, .epoch = 1};
    /* Told now rather than by dbt__run_create, after documents are held out. */
    dbt_status status = resumed ? DBT_OK : dbt__run_check_name(fit->sql, fit->options.name, err);
    if (status == DBT_OK)
        status = dbt_pool_new(dbt__budget_threads(&fit->options, NULL), &fit->pool, err);
    if (status == DBT_OK && !resumed) status = check_memory(fit, err);
    if (status == DBT_OK) status = find_folder(fit, err);
    if (status == DBT_OK) status = dbt__fit_data(fit, err);
    if (status == DBT_OK) status = limit_threads(fit, err);
    if (status == DBT_OK) status = dbt__budget_vectorizer(&fit->options, &fit->survey, err);
    bool is_complete = fit->vectorizer_id != 0;
    if (status == DBT_OK && !is_complete)
        status = resumed ? dbt__fit_reopen_run(fit, err) : dbt__fit_create_run(fit, err);
    /* From here on there is something to lose. */
    dbt__store_be_patient(fit->store, &fit->patience);
    if (status == DBT_OK)
        status =
            is_complete ? dbt__resume_vocabulary(fit, err) : dbt__fit_find_vocabulary(fit, err);
    if (status == DBT_OK) status = keep_rows(fit, err);
    if (status == DBT_OK) {
        /* Large matrices are made apart from what counting has left free in the heap. */
        dbt__trim_memory(dbt__budget_beside_network(&fit->options, &fit->survey, fit->vectorizer));
        status = make_network(fit, err);
    }
    if (status == DBT_OK) status = open_cursors(fit, err);
    if (status == DBT_OK && !is_complete) status = dbt__fit_complete_run(fit, err);
    if (status == DBT_OK && resumed) status = dbt__resume_state(fit, err);
    return status;
}

static void release_feeds(dbt__fit *fit)
{
    dbt__loader_free(fit->loader);
    dbt__scanner_free(fit->scanner);
    dbt_cursor_close(fit->train_cursor);
    dbt_cursor_close(fit->validation_cursor);
    dbt__row_cache_free(fit->train_rows);
    dbt__row_cache_free(fit->validation_rows);
    fit->loader = NULL;
    fit->scanner = NULL;
    fit->train_cursor = fit->validation_cursor = NULL;
    fit->train_rows = fit->validation_rows = NULL;
}

/* Epochs, and how they ended. */
static dbt_status train_run(dbt__fit *fit, dbt_error *err)
{
    dbt_status status = start_feeds(fit, err);
    if (status == DBT_OK) status = dbt__fit_epochs(fit, err);
    release_feeds(fit);
    return dbt__fit_close_run(fit, status, err);
}

static void release(dbt__fit *fit)
{
    dbt__sql_set_wait(fit->sql, NULL, NULL);
    release_feeds(fit);
    dbt_network_free(fit->network);
    dbt_vectorizer_free(fit->vectorizer);
    dbt__survey_release(&fit->survey);
    dbt__survey_release(&fit->validation_survey);
    dbt_pool_free(fit->pool);
    dbt__free(fit->best);
    dbt__free(fit->class_weight);
    dbt__free(fit->label);
    dbt__free(fit->weight);
    dbt__free(fit->folder);
    dbt__free(fit->train);
    dbt__free(fit->validation);
}

dbt_status dbt_fit(dbt_store *store, const dbt_fit_options *options, const dbt_observer *observer,
                   dbt_fit_result *result, dbt_error *err)
{
    static const dbt_observer nobody = {0};
    *result = (dbt_fit_result){0};
    if (!dbt_store_writable(store))
        return dbt__fail(err, DBT_EIO, "'%s' was opened read-only", dbt_store_path(store));
    dbt__fit fit = {.store = store,
                    .sql = dbt__store_sql(store),
                    .options = *options,
                    .observer = observer == NULL ? &nobody : observer,
                    .result = result};
    fit.patience = (dbt__patience){
        .note = fit.observer->note, .stop = fit.observer->stop, .context = fit.observer->context};
    bool finished = false;
    dbt_error cause = {0};
    dbt_status status = check_options(&fit.options, &cause);
    if (status == DBT_OK && fit.options.resume != 0)
        status = dbt__resume_begin(&fit, &finished, &cause);
    if (status == DBT_OK && !finished) {
        status = prepare(&fit, &cause);
        dbt__fit_settle_run(&fit, status, &cause);
        dbt__fit_data_settle(&fit, status);
        if (status == DBT_OK) status = train_run(&fit, &cause);
    }
    release(&fit);
    if (status < 0 && err != NULL && err->status == DBT_OK) *err = cause;
    return status;
}
