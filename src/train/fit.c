/*
 * fit.c: from options to a trained run.
 *
 * In order: splits, threads, a survey of their documents (labels and fingerprints), the vocabulary
 * (found or fitted), the network, cursors, the run's row; then the loop of epochs.c; then the last
 * checkpoint and the run's status. What is checked is checked before the run's row is made, so a
 * mistake leaves no run. A run that goes on takes the same way; what it finds rather than makes is
 * in resume.c.
 */
#include "fit_internal.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "class_weight.h"
#include "environment.h"
#include "run.h"
#include "store_internal.h"
#include "weights.h"

#define MIB ((size_t)1 << 20)
/* Kept back from the memory limit for what is not a table of the vectorizer: program, libraries,
 * SQLite's caches, pages under way. */
#define FIXED_BYTES (36 * MIB)
/* The least that counting is given. */
#define COUNTING_BYTES (16 * MIB)
/* What the cursor holds of a shuffled split whose rows are not kept. */
#define WINDOW_BYTES (32 * MIB)

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
        .memory = 512 * MIB,
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

static dbt_status copy_name(char **copy, const char *name, const char *suffix, dbt_error *err)
{
    size_t bytes = strlen(name) + strlen(suffix) + 1;
    *copy = dbt__alloc_array(bytes, 1);
    if (*copy == NULL) return dbt__out_of_memory(err, "a name");
    (void)snprintf(*copy, bytes, "%s%s", name, suffix);
    return DBT_OK;
}

static dbt_status hold_out(dbt__fit *fit, dbt_error *err)
{
    const dbt_fit_options *options = &fit->options;
    bool reused = false;
    dbt_split before = {0};
    dbt_error absent = {0};
    dbt_status status = copy_name(&fit->train, options->train, "/train", err);
    if (status == DBT_OK) status = copy_name(&fit->validation, options->train, "/validation", err);
    if (status < 0) return status;
    bool existed = dbt_store_find_split(fit->store, fit->validation, &before, &absent) == DBT_OK;
    status =
        dbt_store_hold_out(fit->store, options->train, options->validation_split, options->seed,
                           &fit->train_split, &fit->validation_split, &reused, err);
    if (status == DBT_OK && existed && !reused)
        dbt__fit_note(
            fit,
            "'%s' and '%s' are made anew, of other documents, with another share or seed: "
            "earlier runs knew others by these names",
            fit->train, fit->validation);
    return status;
}

static dbt_status resolve_splits(dbt__fit *fit, dbt_error *err)
{
    const dbt_fit_options *options = &fit->options;
    if (options->validation == NULL) return hold_out(fit, err);
    dbt_status status = dbt_store_find_split(fit->store, options->train, &fit->train_split, err);
    if (status == DBT_OK)
        status = dbt_store_find_split(fit->store, options->validation, &fit->validation_split, err);
    if (status == DBT_OK) status = copy_name(&fit->train, options->train, "", err);
    if (status == DBT_OK) status = copy_name(&fit->validation, options->validation, "", err);
    return status;
}

static dbt_status check_splits(const dbt__fit *fit, dbt_error *err)
{
    if (fit->train_split.documents == 0 || fit->validation_split.documents == 0)
        return dbt__fail(err, DBT_EDATA, "split '%s' has no documents",
                         fit->train_split.documents == 0 ? fit->train : fit->validation);
    dbt__fit_note(fit, "training on '%s' (%lld documents), validating on '%s' (%lld)%s", fit->train,
                  (long long)fit->train_split.documents, fit->validation,
                  (long long)fit->validation_split.documents,
                  fit->train_split.id == fit->validation_split.id
                      ? ": the same documents, so val_loss says nothing about new ones"
                      : "");
    return DBT_OK;
}

static dbt_status survey_splits(dbt__fit *fit, dbt_error *err)
{
    dbt_status status =
        dbt__survey_split(fit->store, fit->train, fit->train_split.documents, &fit->survey, err);
    if (status < 0) return status;
    return dbt__survey_split(fit->store, fit->validation, fit->validation_split.documents,
                             &fit->validation_survey, err);
}

static dbt_status check_survey(const dbt__fit *fit, dbt_error *err)
{
    if (fit->survey.unlabelled > 0)
        return dbt__fail(err, DBT_EDATA, "split '%s' has %lld documents without a label",
                         fit->train, (long long)fit->survey.unlabelled);
    if (fit->survey.labels.n < 2)
        return dbt__fail(err, DBT_EDATA,
                         "a classifier needs at least two labels: split '%s' has only '%s'",
                         fit->train, fit->survey.labels.label[0].name);
    return DBT_OK;
}

/* Every document of the validation split needs a label that training knows. */
static dbt_status check_validation_labels(const dbt__fit *fit, dbt_error *err)
{
    const dbt__label_map *labels = &fit->validation_survey.labels;
    if (fit->validation_survey.unlabelled > 0)
        return dbt__fail(err, DBT_EDATA, "split '%s' has documents without a label",
                         fit->validation);
    for (size_t i = 0; i < labels->n; i++)
        if (dbt__label_map_output(&fit->survey.labels, labels->label[i].id) == DBT_UNKNOWN_LABEL)
            return dbt__fail(err, DBT_EDATA,
                             "split '%s' has label '%s', which training split '%s' lacks",
                             fit->validation, labels->label[i].name, fit->train);
    return DBT_OK;
}

static dbt_status weigh_classes(dbt__fit *fit, dbt_error *err)
{
    fit->class_weight = dbt__alloc_array(fit->survey.labels.n, sizeof *fit->class_weight);
    if (fit->class_weight == NULL) return dbt__out_of_memory(err, "class weights");
    return dbt__class_weights(fit->options.class_weight, &fit->survey.labels, fit->class_weight,
                              err);
}

/* --- what may take how much memory --- */

/* What training takes at most, beside vocabulary and rows: the network, and a checkpoint on the way
 * into the database: what the optimizer keeps of the largest matrix, up to twice its size, here and
 * in SQLite. */
static size_t training_bytes(const dbt__fit *fit, size_t n_features)
{
    dbt_network_options network = fit->options.network;
    network.n_inputs = n_features > 0 ? n_features : 1;
    network.n_classes = fit->survey.labels.n;
    size_t bytes = dbt_network_bytes(&network), matrix;
    size_t outputs = network.layers == 1 ? network.n_classes : network.units;
    if (!dbt__multiply(network.n_inputs * sizeof(float), outputs, &matrix) ||
        !dbt__multiply(matrix, 4, &matrix) || __builtin_add_overflow(bytes, matrix, &bytes) ||
        __builtin_add_overflow(bytes, FIXED_BYTES, &bytes))
        return SIZE_MAX;
    return bytes;
}

static size_t left_of(size_t memory, size_t used)
{
    return used < memory ? memory - used : 0;
}

/* The most that there will be; 0: not known before counting. */
static size_t expect_features(const dbt_vectorizer_options *options)
{
    return options->hash_bits != 0 ? (size_t)1 << options->hash_bits : (size_t)options->top_k;
}

/* Counting and training follow each other: each may have what the other gave back. */
static dbt_status budget_vectorizer(dbt__fit *fit, dbt_error *err)
{
    dbt_vectorizer_options *vectorizer = &fit->options.vectorizer;
    size_t memory = fit->options.memory;
    size_t training = training_bytes(fit, expect_features(vectorizer));
    size_t least = FIXED_BYTES + COUNTING_BYTES;
    if (least < training) least = training;
    if (memory < least)
        return dbt__fail(err, DBT_EUSAGE,
                         "a memory limit of %zu MiB is too low: this network needs %zu MiB",
                         memory / MIB, (least + MIB - 1) / MIB);
    vectorizer->memory = memory - FIXED_BYTES;
    vectorizer->table_memory = left_of(memory, training + WINDOW_BYTES) + MIB;
    vectorizer->spill_folder = fit->folder;
    return DBT_OK;
}

static void tell_vocabulary(const dbt__fit *fit, bool found, const dbt_vectorizer_stats *stats)
{
    size_t n = dbt_vectorizer_features(fit->vectorizer);
    long long terms = (long long)dbt_vectorizer_terms(fit->vectorizer);
    if (fit->options.vectorizer.hash_bits != 0)
        dbt__fit_note(fit, "vocabulary: none, n-grams hashed into %zu columns", n);
    else if (found)
        dbt__fit_note(fit, "vocabulary: %zu features of %lld terms, found from an earlier run", n,
                      terms);
    else
        dbt__fit_note(fit, "vocabulary: %zu features of %lld terms, counted in %lld pass%s%s", n,
                      terms, (long long)stats->counting_passes,
                      stats->counting_passes == 1 ? "" : "es",
                      dbt_vectorizer_is_whole(fit->vectorizer)
                          ? ""
                          : "; more terms than --memory holds: it is used in parts");
}

static dbt_status obtain_vocabulary(dbt__fit *fit, dbt_error *err)
{
    bool found = false;
    dbt_vectorizer_stats stats;
    dbt_status status = dbt__vocabulary_obtain(
        fit->store, fit->train, &fit->options.vectorizer, &fit->survey, fit->pool, fit->observer,
        &fit->vectorizer, &fit->vectorizer_id, &found, &stats, err);
    if (status == DBT_OK) tell_vocabulary(fit, found, &stats);
    return status;
}

static dbt_status make_network(dbt__fit *fit, dbt_error *err)
{
    dbt_network_options *network = &fit->options.network;
    network->n_inputs = dbt_vectorizer_features(fit->vectorizer);
    network->n_classes = fit->survey.labels.n;
    network->seed = fit->options.seed;
    dbt_status status = dbt_network_new(network, fit->pool, &fit->network, err);
    if (status < 0) return status;
    if (dbt__checkpoint_bytes(fit->network) > DBT__CHECKPOINT_MAX_BYTES)
        return dbt__fail(err, DBT_EUSAGE,
                         "the state of this network is of %zu MB, and SQLite stores at most %zu in "
                         "a value: take fewer features or units",
                         dbt__checkpoint_bytes(fit->network) / 1000000,
                         DBT__CHECKPOINT_MAX_BYTES / 1000000);
    fit->label = dbt__alloc_array((size_t)fit->options.batch_size, sizeof *fit->label);
    fit->weight = dbt__alloc_array((size_t)fit->options.batch_size, sizeof *fit->weight);
    if (fit->label == NULL || fit->weight == NULL) return dbt__out_of_memory(err, "a batch");
    return DBT_OK;
}

/* Keeps the vectorized rows of a split, where they fit and are needed more than once, or cannot be
 * made one by one, or are to be kept in the database. */
static dbt_status keep_split(dbt__fit *fit, const char *name, const dbt_split *split,
                             const dbt__survey *survey, size_t memory, dbt__row_cache **cache,
                             dbt_error *err)
{
    bool whole = dbt_vectorizer_is_whole(fit->vectorizer), stored = fit->options.cache;
    const dbt__block_key key = {name, split->id, fit->vectorizer_id, split->documents,
                                survey->row_fingerprint};
    const dbt__row_cache_options options = {
        .split = name,
        .n_rows = split->documents,
        .memory = memory,
        .work_memory =
            left_of(fit->options.memory, FIXED_BYTES + dbt_vectorizer_bytes(fit->vectorizer)),
        .spill_folder = whole ? NULL : fit->folder,
        .key = stored ? &key : NULL,
    };
    if (whole && !stored && fit->options.epochs == 1) return DBT_OK;
    dbt_status status = dbt__row_cache_fill(fit->store, &options, fit->vectorizer, fit->pool,
                                            fit->observer, cache, err);
    if (status == DBT_OK && stored)
        dbt__fit_note(fit, "vectorized rows of '%s': %s in the database", name,
                      dbt__row_cache_was_found(*cache) ? "found" : "kept");
    return status;
}

static dbt_status keep_rows(dbt__fit *fit, dbt_error *err)
{
    size_t used = training_bytes(fit, dbt_vectorizer_features(fit->vectorizer)) +
                  dbt_vectorizer_bytes(fit->vectorizer);
    size_t memory = left_of(fit->options.memory, used);
    dbt_status status =
        keep_split(fit, fit->train, &fit->train_split, &fit->survey, memory, &fit->train_rows, err);
    if (status < 0) return status;
    return keep_split(fit, fit->validation, &fit->validation_split, &fit->validation_survey,
                      left_of(memory, dbt__row_cache_bytes(fit->train_rows)), &fit->validation_rows,
                      err);
}

static dbt_status open_cursors(dbt__fit *fit, dbt_error *err)
{
    const dbt_fit_options *options = &fit->options;
    const size_t batch_size = (size_t)options->batch_size;
    dbt_cursor_options cursor;
    dbt_cursor_options_init(&cursor);
    cursor.split = fit->train;
    cursor.n_rows = fit->train_split.documents;
    cursor.batch_size = batch_size;
    cursor.shuffle = options->shuffle;
    cursor.seed = options->seed;
    dbt_status status = dbt_cursor_open(fit->store, &cursor, &fit->train_cursor, err);
    if (status < 0) return status;
    cursor.split = fit->validation;
    cursor.n_rows = fit->validation_split.documents;
    cursor.shuffle = false;
    status = dbt_cursor_open(fit->store, &cursor, &fit->validation_cursor, err);
    if (status < 0) return status;

    fit->steps = options->steps_per_epoch > 0 ? options->steps_per_epoch
                                              : dbt_cursor_pages(fit->train_cursor);
    fit->validation_pages = dbt_cursor_pages(fit->validation_cursor);
    if (options->validation_steps > 0 && options->validation_steps < fit->validation_pages)
        fit->validation_pages = options->validation_steps;
    return DBT_OK;
}

/* From the step that the training is at. */
static dbt_status start_feeds(dbt__fit *fit, dbt_error *err)
{
    int64_t end;
    if (__builtin_mul_overflow(fit->steps, fit->options.epochs, &end)) end = INT64_MAX;
    const size_t batch_size = (size_t)fit->options.batch_size;
    const dbt__feed train = {fit->train_cursor, fit->vectorizer, fit->train_rows, batch_size};
    const dbt__feed validation = {fit->validation_cursor, fit->vectorizer, fit->validation_rows,
                                  batch_size};
    dbt_status status = dbt__loader_new(&train, dbt_pool_threads(fit->pool), fit->progress.step,
                                        end, &fit->loader, err);
    if (status < 0) return status;
    return dbt__scanner_new(&validation, fit->network, &fit->survey.labels, fit->pool,
                            &fit->scanner, err);
}

/* Temporary files go beside the database, where the user has seen to room. */
static dbt_status find_folder(dbt__fit *fit, dbt_error *err)
{
    const char *path = dbt_store_path(fit->store), *slash = strrchr(path, '/');
    if (slash == NULL) return copy_name(&fit->folder, ".", "", err);
    dbt_status status = copy_name(&fit->folder, path, "", err);
    if (status == DBT_OK) fit->folder[slash == path ? 1 : slash - path] = '\0';
    return status;
}

static dbt_status create_run(dbt__fit *fit, dbt_error *err)
{
    char *environment = NULL;
    dbt_status status = dbt__environment_write(fit->sql, fit->network, &environment, err);
    if (status < 0) return status;
    const dbt__run_row row = {
        .vectorizer_id = fit->vectorizer_id,
        .train_split_id = fit->train_split.id,
        .validation_split_id = fit->validation_split.id,
        .n_train = fit->train_split.documents,
        .n_validation = fit->validation_split.documents,
        .validation_fingerprint = fit->validation_survey.fingerprint,
        .environment = environment,
    };
    status = dbt__run_create(fit->sql, &fit->options, &row, &fit->survey.labels,
                             &fit->result->run_id, err);
    dbt__free(environment);
    return status;
}

/* Splits, and what a scan of their documents tells. */
static dbt_status prepare_data(dbt__fit *fit, dbt_error *err)
{
    bool resumed = fit->options.resume != 0;
    dbt_status status = resumed ? dbt__resume_splits(fit, err) : resolve_splits(fit, err);
    if (status == DBT_OK) status = check_splits(fit, err);
    if (status == DBT_OK) status = survey_splits(fit, err);
    if (status == DBT_OK && resumed) status = dbt__resume_check_data(fit, err);
    if (status == DBT_OK) status = check_survey(fit, err);
    if (status == DBT_OK) status = check_validation_labels(fit, err);
    if (status == DBT_OK) status = weigh_classes(fit, err);
    return status;
}

static dbt_status prepare(dbt__fit *fit, dbt_error *err)
{
    bool resumed = fit->options.resume != 0;
    size_t threads = fit->options.threads == 0 ? dbt_usable_cores() : fit->options.threads;
    fit->progress = (dbt__progress){.seed = fit->options.seed, .epoch = 1};
    /* Told now rather than by dbt__run_create, after minutes of counting. */
    dbt_status status = resumed ? DBT_OK : dbt__run_check_name(fit->sql, fit->options.name, err);
    if (status == DBT_OK) status = find_folder(fit, err);
    if (status == DBT_OK) status = dbt_pool_new(threads, &fit->pool, err);
    if (status == DBT_OK) status = prepare_data(fit, err);
    if (status == DBT_OK) status = budget_vectorizer(fit, err);
    if (status == DBT_OK)
        status = resumed ? dbt__resume_vocabulary(fit, err) : obtain_vocabulary(fit, err);
    if (status == DBT_OK) status = keep_rows(fit, err);
    if (status == DBT_OK) status = make_network(fit, err);
    if (status == DBT_OK) status = open_cursors(fit, err);
    if (status == DBT_OK) status = resumed ? dbt__resume_state(fit, err) : create_run(fit, err);
    return status;
}

static const char *run_status_of(dbt_status status)
{
    switch (status) {
    case DBT_OK:
        return "finished";
    case DBT_EINTERRUPTED:
        return "interrupted";
    case DBT_EDIVERGED:
        return "diverged";
    default:
        return "failed";
    }
}

/* Status, and a last checkpoint of what can be used or gone on with, in one transaction. Of what
 * diverged or failed the checkpoint before is kept. */
static dbt_status close_run(dbt__fit *fit, dbt_status outcome, const dbt_error *cause,
                            dbt_error *err)
{
    dbt_status status = dbt__sql_begin(fit->sql, err);
    if (status < 0) return status;
    if (outcome == DBT_OK || outcome == DBT_EINTERRUPTED) status = dbt__fit_save(fit, err);
    if (status == DBT_OK)
        status = dbt__run_set_status(fit->sql, fit->result->run_id, run_status_of(outcome),
                                     outcome == DBT_OK ? NULL : cause->message, err);
    if (status == DBT_OK) status = dbt__sql_commit(fit->sql, err);
    if (status < 0) dbt__sql_rollback(fit->sql);
    return status;
}

/* Epochs, and how they ended. */
static dbt_status train_run(dbt__fit *fit, dbt_error *err)
{
    dbt_status status = start_feeds(fit, err);
    if (status == DBT_OK) status = dbt__fit_epochs(fit, err);
    dbt_error late = {0};
    dbt_status closed = close_run(fit, status, err, &late);
    if (closed == DBT_OK || (status != DBT_OK && status != DBT_EINTERRUPTED)) return status;
    /* The last checkpoint could not be made: that is how it ended. */
    dbt_error ignored = {0};
    (void)close_run(fit, closed, &late, &ignored);
    *err = late;
    return closed;
}

static void release(dbt__fit *fit)
{
    dbt__loader_free(fit->loader);
    dbt__scanner_free(fit->scanner);
    dbt_cursor_close(fit->train_cursor);
    dbt_cursor_close(fit->validation_cursor);
    dbt__row_cache_free(fit->train_rows);
    dbt__row_cache_free(fit->validation_rows);
    dbt_network_free(fit->network);
    dbt_vectorizer_free(fit->vectorizer);
    dbt__label_map_release(&fit->survey.labels);
    dbt__label_map_release(&fit->validation_survey.labels);
    dbt_pool_free(fit->pool);
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
    bool finished = false;
    dbt_error cause = {0};
    dbt_status status = check_options(&fit.options, &cause);
    if (status == DBT_OK && fit.options.resume != 0)
        status = dbt__resume_begin(&fit, &finished, &cause);
    if (status == DBT_OK && !finished) {
        status = prepare(&fit, &cause);
        if (status == DBT_OK) status = train_run(&fit, &cause);
    }
    release(&fit);
    if (status < 0 && err != NULL && err->status == DBT_OK) *err = cause;
    return status;
}

/* --- how much memory it takes --- */

/* Fitted to the maximum resident set of default fits on 550 notes, SMS spam, 1,000, 5,000 and
 * 25,000 reviews of IMDb, and 20 Newsgroups: the estimate is within a fifth of each but the
 * smallest, where it says half too much. */
#define PROCESS_BYTES (9.0 * (double)MIB) /* program, libraries, SQLite */
#define TRAINING_FACTOR 2.0      /* of the network: weights being stored, features, batches */
#define TERM_BYTES 24.0          /* of a term while training */
#define COUNTED_TERM_BYTES 192.0 /* while counting, the n-grams that are dropped later included */
#define SCORED_TERM_BYTES 130.0  /* while scoring, beside its sums */
#define WINDOW_ROWS 16384.0      /* that the cursor shuffles at once */
#define WORD_BYTES 6.0

static double larger(double a, double b)
{
    return a > b ? a : b;
}

static double smaller(double a, double b)
{
    return a < b ? a : b;
}

size_t dbt_fit_bytes(const dbt_fit_options *options, int64_t documents, double mean_words,
                     size_t n_labels)
{
    double words = (double)documents * mean_words;
    /* Heaps' law, fitted to the terms that those corpora have with n-grams of 1 and 2 words. */
    double terms = 0.94 * pow(words, 0.85) * options->vectorizer.ngram_max / 2.0;
    double features = (double)expect_features(&options->vectorizer);
    if (options->vectorizer.hash_bits != 0)
        terms = 0;
    else
        features = features > 0 ? smaller(terms, features) : terms;
    dbt_network_options network = options->network;
    network.n_inputs = features < 1 ? 1 : (size_t)features;
    network.n_classes = n_labels < 2 ? 2 : n_labels;
    size_t network_bytes = dbt_network_bytes(&network);
    if (network_bytes == SIZE_MAX) return SIZE_MAX;

    double sums = 8.0 * (double)(network.n_classes + 1);
    double tables = terms * larger(COUNTED_TERM_BYTES, SCORED_TERM_BYTES + sums);
    double window = smaller(smaller((double)documents, WINDOW_ROWS) * mean_words * WORD_BYTES,
                            32.0 * (double)MIB);
    double training = TRAINING_FACTOR * (double)network_bytes + TERM_BYTES * terms + window;
    return (size_t)(PROCESS_BYTES + larger(smaller(tables, (double)options->memory), training));
}
