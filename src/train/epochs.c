/*
 * epochs.c: the training loop: steps, validation, early stopping, and what is stored of each epoch.
 *
 * Each epoch ends with one transaction: its row of the history and, when it is the best so far, its
 * weights. So a shell that looks on sees whole epochs, and a killed training leaves its best
 * weights.
 */
#include "fit_internal.h"

#include <math.h>
#include <time.h>

#include "run.h"
#include "weights.h"

static double now(void)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static bool stop_wanted(const dbt__fit *fit)
{
    return fit->observer->stop != NULL && fit->observer->stop(fit->observer->context);
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

static dbt_status train_step(dbt__fit *fit, dbt_position position, dbt_metrics *sums,
                             dbt_error *err)
{
    const dbt_page *page;
    const dbt_batch *batch;
    dbt_status status = dbt__loader_next(fit->loader, &page, &batch, err);
    if (status == DBT_DONE)
        return dbt__fail(err, DBT_EINTERNAL, "the batches ended before the steps");
    bool weighted = false;
    if (status == DBT_OK) status = label_page(fit, page, &weighted, err);
    if (status < 0) return status;
    /* The l2 penalty before the update is part of the loss of a step, as Keras reports it. */
    double penalty = dbt_network_penalty(fit->network);
    dbt_metrics metrics = {0};
    status = dbt_network_train(fit->network, batch, fit->label, weighted ? fit->weight : NULL,
                               position, &metrics, err);
    if (status < 0) return status;
    sums->loss += metrics.loss + (double)metrics.n_rows * penalty;
    sums->correct += metrics.correct;
    sums->n_rows += metrics.n_rows;
    return DBT_OK;
}

static dbt_status train_epoch(dbt__fit *fit, dbt_epoch *epoch, dbt_error *err)
{
    dbt_metrics sums = {0};
    for (int64_t i = 1; i <= fit->steps; i++) {
        if (stop_wanted(fit))
            return dbt__fail(err, DBT_EINTERRUPTED, "interrupted in epoch %lld, step %lld of %lld",
                             (long long)epoch->epoch, (long long)i, (long long)fit->steps);
        dbt_position position = {epoch->epoch, (epoch->epoch - 1) * fit->steps + i};
        dbt_status status = train_step(fit, position, &sums, err);
        if (status < 0) return status;
        epoch->loss = sums.loss / (double)sums.n_rows;
        epoch->acc = sums.correct / (double)sums.n_rows;
        epoch->documents = (int64_t)sums.n_rows;
        if (fit->observer->step != NULL)
            fit->observer->step(fit->observer->context, epoch->epoch, i, fit->steps, epoch->loss,
                                epoch->acc);
    }
    dbt_network_settle(fit->network);
    return DBT_OK;
}

static dbt_status validate(dbt__fit *fit, dbt_epoch *epoch, dbt_error *err)
{
    dbt_metrics metrics;
    dbt_status status =
        dbt__scan(fit->scanner, fit->validation_pages, NULL, NULL, fit->observer, &metrics, err);
    if (status < 0) return status;
    epoch->val_loss = metrics.loss / (double)metrics.n_rows + dbt_network_penalty(fit->network);
    epoch->val_acc = metrics.correct / (double)metrics.n_rows;
    if (!isfinite(epoch->val_loss))
        return dbt__fail(err, DBT_EDIVERGED, "val_loss of epoch %lld is not finite",
                         (long long)epoch->epoch);
    return DBT_OK;
}

static dbt_status store_epoch(dbt__fit *fit, const dbt_epoch *epoch, dbt_error *err)
{
    dbt_status status = dbt__sql_begin(fit->sql, err);
    if (status < 0) return status;
    status = dbt__run_add_epoch(fit->sql, epoch, err);
    if (status == DBT_OK && epoch->best)
        status = dbt__weights_write(fit->sql, epoch->run_id, DBT_WEIGHTS_BEST, fit->network, err);
    if (status == DBT_OK) status = dbt__sql_commit(fit->sql, err);
    if (status < 0) dbt__sql_rollback(fit->sql);
    return status;
}

static dbt_status run_epoch(dbt__fit *fit, dbt_epoch *epoch, dbt_error *err)
{
    double begin = now();
    dbt_status status = train_epoch(fit, epoch, err);
    if (status == DBT_OK) status = validate(fit, epoch, err);
    if (status < 0) return status;
    epoch->seconds = now() - begin;
    epoch->best = epoch->val_loss < fit->best_val_loss;
    status = store_epoch(fit, epoch, err);
    if (status < 0) return status;
    fit->result->epochs = epoch->epoch;
    fit->wait++;
    if (epoch->best) {
        fit->wait = 0;
        fit->best_val_loss = epoch->val_loss;
        fit->result->best_epoch = epoch->epoch;
        fit->result->best_val_loss = epoch->val_loss;
        fit->result->best_val_acc = epoch->val_acc;
    }
    if (fit->observer->epoch != NULL) fit->observer->epoch(fit->observer->context, epoch);
    return DBT_OK;
}

dbt_status dbt__fit_epochs(dbt__fit *fit, dbt_error *err)
{
    fit->best_val_loss = (double)INFINITY;
    for (int64_t e = 1; e <= fit->options.epochs; e++) {
        dbt_epoch epoch = {.run_id = fit->result->run_id,
                           .epoch = e,
                           .epochs = fit->options.epochs,
                           .steps = fit->steps,
                           .learning_rate = fit->options.network.learning_rate};
        dbt_status status = run_epoch(fit, &epoch, err);
        if (status < 0) return status;
        /* Keras' EarlyStopping: after `patience` epochs in a row without a lower val_loss. */
        if (!epoch.best && fit->wait >= fit->options.patience) {
            fit->result->stopped_early = true;
            return DBT_OK;
        }
    }
    return DBT_OK;
}
