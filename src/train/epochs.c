/*
 * epochs.c: the training loop: steps, validation, early stopping, and what is stored of each epoch.
 *
 * Each epoch ends with a transaction: its row of the history and, when it is time for one, a
 * checkpoint. So a shell that looks on sees whole epochs. All that the loop knows is in
 * fit->progress, the network and the best weights, and a checkpoint stores these as they are, after
 * any step: so the loop begins anywhere as if it had never stopped.
 */
#include "fit_internal.h"

#include <math.h>
#include <time.h>

#include "observer.h"
#include "run.h"
#include "term_effect.h"
#include "weights.h"

/* Bytes of the log from which a user is told, and states of this network more: a commit writes up
 * to two, with the weights. */
#define LARGE_LOG ((size_t)256 << 20)
#define LARGE_LOG_STATES 4
/* Seconds since the last checkpoint from which the end of an epoch makes one. */
#define EPOCH_END_SECONDS 1.0

static double now(void)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* Outputs and weights of a page's rows. *weighted: not all weights are 1. */
static dbt_status label_page(dbt__fit *fit, const dbt_page *page, bool *weighted, dbt_error *err)
{
    *weighted = false;
    dbt__label_map_page(&fit->survey.labels, page, fit->label);
    for (size_t i = 0; i < page->n_rows; i++) {
        /* The survey knew every label: somebody has changed the documents since. */
        if (fit->label[i] < 0)
            return dbt__fail(err, DBT_EDATA,
                             "document %lld of split '%s' got another label while training ran",
                             (long long)page->document_id[i], fit->train);
        fit->weight[i] = (float)page->weight[i] * fit->class_weight[fit->label[i]];
        *weighted |= fit->weight[i] != 1;
    }
    return DBT_OK;
}

static dbt_status train_step(dbt__fit *fit, dbt_error *err)
{
    dbt__progress *progress = &fit->progress;
    dbt__loaded loaded;
    dbt_status status = dbt__loader_next(fit->loader, &loaded, err);
    if (status == DBT_DONE)
        return dbt__fail(err, DBT_EINTERNAL, "the batches ended before the steps");
    bool weighted = false;
    if (status == DBT_OK) status = label_page(fit, loaded.page, &weighted, err);
    if (status < 0) return status;
    /* The l2 penalty before the update is part of the loss of a step, as Keras reports it. */
    double penalty = dbt_network_penalty(fit->network);
    dbt_metrics metrics = {0};
    const float *weight = weighted ? fit->weight : NULL;
    dbt_position position = {progress->epoch, progress->step + 1};
    if (loaded.prepared != NULL)
        status = dbt_network_train_prepared(fit->network, loaded.prepared, fit->label, weight,
                                            &metrics, err);
    else
        status = dbt_network_train(fit->network, loaded.batch, fit->label, weight, position,
                                   &metrics, err);
    if (status < 0) return status;
    progress->loss += metrics.loss + (double)metrics.n_rows * penalty;
    progress->correct += metrics.correct;
    progress->rows += (int64_t)metrics.n_rows;
    progress->step++;
    return DBT_OK;
}

/* Brings the seconds of this epoch up to date. */
static void count_seconds(dbt__fit *fit)
{
    double time = now();
    fit->progress.seconds += time - fit->clock;
    fit->clock = time;
}

dbt_status dbt__fit_save_best(dbt__fit *fit, dbt_error *err)
{
    if (fit->best == NULL || fit->best_is_stored) return DBT_OK;
    int64_t run_id = fit->result->run_id;
    dbt_status status =
        dbt__weights_write(fit->sql, run_id, DBT_WEIGHTS_BEST, fit->network, fit->best, err);
    if (status == DBT_OK)
        status = dbt__run_set_best_epoch(fit->sql, run_id, fit->progress.best_epoch, err);
    return status;
}

dbt_status dbt__fit_save(dbt__fit *fit, dbt_error *err)
{
    count_seconds(fit);
    dbt_status status = dbt__fit_save_best(fit, err);
    if (status < 0) return status;
    return dbt__checkpoint_write(fit->sql, fit->result->run_id, fit->network, &fit->progress, err);
}

dbt_status dbt__fit_finish(dbt__fit *fit, dbt_error *err)
{
    int64_t run_id = fit->result->run_id;
    dbt_status status = dbt__fit_save_best(fit, err);
    if (status == DBT_OK) status = dbt__checkpoint_finish(fit->sql, run_id, fit->network, err);
    /* The network has done its work: it may take the best weights. */
    if (status == DBT_OK)
        status = dbt__weights_read(fit->sql, run_id, DBT_WEIGHTS_BEST, fit->network, err);
    if (status < 0) return status;
    return dbt__term_effect_write(fit->sql, run_id, fit->network, fit->vectorizer,
                                  &fit->survey.labels, fit->pool, err);
}

/* After the commit of a checkpoint. */
static void note_checkpoint(dbt__fit *fit)
{
    fit->checkpointed = now();
    fit->best_is_stored = true;
}

/* A checkpoint when it is time for one. Of numbers that are not finite there is none, but that they
 * are is for the end of the epoch to say, as where none fell due. */
static dbt_status save_in_time(dbt__fit *fit, dbt_error *err)
{
    double every = fit->options.checkpoint_every;
    if (every == 0 || now() - fit->checkpointed < every) return DBT_OK;
    if (dbt__checkpoint_check(fit->network, NULL) < 0) return DBT_OK;
    dbt_status status = dbt__sql_begin(fit->sql, err);
    if (status < 0) return status;
    status = dbt__fit_save(fit, err);
    status = dbt__sql_end(fit->sql, status, err);
    if (status == DBT_OK) note_checkpoint(fit);
    return status;
}

static dbt_status train_epoch(dbt__fit *fit, dbt_epoch *epoch, dbt_error *err)
{
    const dbt__progress *p = &fit->progress;
    int64_t before = (p->epoch - 1) * fit->steps; /* steps of the epochs before */
    while (p->step - before < fit->steps) {
        if (dbt__stop_wanted(fit->observer))
            return dbt__fail(err, DBT_EINTERRUPTED, "interrupted in epoch %lld, step %lld of %lld",
                             (long long)p->epoch, (long long)(p->step - before + 1),
                             (long long)fit->steps);
        dbt_status status = train_step(fit, err);
        if (status == DBT_OK) status = save_in_time(fit, err);
        if (status < 0) return status;
        if (fit->observer->step != NULL)
            fit->observer->step(fit->observer->context, p->epoch, p->step - before, fit->steps,
                                p->loss / (double)p->rows, p->correct / (double)p->rows);
    }
    epoch->loss = p->loss / (double)p->rows;
    epoch->acc = p->correct / (double)p->rows;
    epoch->documents = p->rows;
    dbt_network_settle(fit->network);
    return DBT_OK;
}

static dbt_status validate(dbt__fit *fit, dbt_epoch *epoch, dbt_error *err)
{
    dbt_metrics metrics;
    dbt_status status =
        dbt__scan(fit->scanner, fit->validation_pages, NULL, NULL, fit->observer, &metrics, err);
    if (status == DBT_EINTERRUPTED)
        (void)dbt__context(err, "validation of epoch %lld", (long long)epoch->epoch);
    if (status < 0) return status;
    epoch->val_loss = metrics.loss / (double)metrics.n_rows + dbt_network_penalty(fit->network);
    epoch->val_acc = metrics.correct / (double)metrics.n_rows;
    if (!isfinite(epoch->val_loss))
        return dbt__fail(err, DBT_EDIVERGED, "val_loss of epoch %lld is not finite",
                         (long long)epoch->epoch);
    /* Losses may be finite all the same. */
    status = dbt__checkpoint_check(fit->network, err);
    if (status < 0) (void)dbt__context(err, "end of epoch %lld", (long long)epoch->epoch);
    return status;
}

/* The next epoch is under way. */
static void end_epoch(dbt__progress *progress, const dbt_epoch *epoch)
{
    if (epoch->best) {
        progress->best_epoch = epoch->epoch;
        progress->best_val_loss = epoch->val_loss;
        progress->best_val_acc = epoch->val_acc;
    }
    progress->epoch++;
    progress->loss = progress->correct = progress->seconds = 0;
    progress->rows = 0;
}

static dbt_status store_epoch(dbt__fit *fit, const dbt_epoch *epoch, dbt_error *err)
{
    bool save = now() - fit->checkpointed >= EPOCH_END_SECONDS;
    dbt_status status = dbt__sql_begin(fit->sql, err);
    if (status < 0) return status;
    status = dbt__run_add_epoch(fit->sql, epoch, err);
    if (status == DBT_OK && save) status = dbt__fit_save(fit, err);
    status = dbt__sql_end(fit->sql, status, err);
    if (status == DBT_OK && save) note_checkpoint(fit);
    return status;
}

static void look_at_log(dbt__fit *fit)
{
    int64_t bytes = dbt__sql_log_bytes(fit->sql);
    double usual = LARGE_LOG + LARGE_LOG_STATES * (double)dbt__checkpoint_bytes(fit->network);
    if (fit->told_of_log || (double)bytes < usual) return;
    fit->told_of_log = true;
    dbt__fit_note(fit,
                  "the log '%s' has %lld MiB and grows: a program that reads '%s' holds a "
                  "transaction open, and the log is emptied when that ends",
                  dbt__sql_log_path(fit->sql), (long long)(bytes >> 20),
                  dbt_store_path(fit->store));
}

static void keep_result(dbt_fit_result *result, const dbt_epoch *epoch)
{
    result->epochs = epoch->epoch;
    if (!epoch->best) return;
    result->best_epoch = epoch->epoch;
    result->best_val_loss = epoch->val_loss;
    result->best_val_acc = epoch->val_acc;
}

static dbt_status run_epoch(dbt__fit *fit, dbt_error *err)
{
    dbt__progress *progress = &fit->progress;
    dbt_epoch epoch = {.run_id = fit->result->run_id,
                       .epoch = progress->epoch,
                       .epochs = fit->options.epochs,
                       .steps = fit->steps,
                       .learning_rate = dbt_network_get_options(fit->network)->learning_rate};
    dbt_status status = train_epoch(fit, &epoch, err);
    if (status == DBT_OK) status = save_in_time(fit, err); /* validation may take long */
    if (status == DBT_OK) status = validate(fit, &epoch, err);
    if (status < 0) return status;
    count_seconds(fit);
    epoch.seconds = progress->seconds;
    epoch.best = progress->best_epoch == 0 || epoch.val_loss < progress->best_val_loss;
    if (epoch.best) status = dbt__weights_copy(fit->network, &fit->best, err);
    if (status < 0) return status;
    fit->best_is_stored &= !epoch.best;
    end_epoch(progress, &epoch);
    status = store_epoch(fit, &epoch, err);
    if (status < 0) {
        /* Its epoch is not in the file: nor shall its weights be. */
        if (epoch.best) fit->best_is_stored = true;
        return status;
    }
    look_at_log(fit);
    keep_result(fit->result, &epoch);
    if (fit->observer->epoch != NULL) fit->observer->epoch(fit->observer->context, &epoch);
    return DBT_OK;
}

dbt_status dbt__fit_epochs(dbt__fit *fit, dbt_error *err)
{
    const dbt__progress *p = &fit->progress;
    bool *stopped_early = &fit->result->stopped_early;
    dbt_status status = DBT_OK;
    fit->clock = fit->checkpointed = now();
    while (status == DBT_OK) {
        *stopped_early = dbt__patience_is_over(p->epoch - 1, p->best_epoch, fit->options.patience);
        if (*stopped_early || p->epoch > fit->options.epochs) break;
        status = run_epoch(fit, err);
    }
    return status;
}
