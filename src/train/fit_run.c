/*
 * fit_run.c: the row of `run` while it is fitted.
 *
 * It is there before the vocabulary is: counting may take long, and a run that is killed meanwhile
 * can go on, with its own settings.
 */
#include <stdio.h>
#include <string.h>

#include "environment.h"
#include "fit_internal.h"
#include "run.h"

dbt_status dbt__fit_create_run(dbt__fit *fit, dbt_error *err)
{
    char *vectorizer = NULL;
    dbt_status status =
        dbt__vocabulary_settings(fit->sql, &fit->options.vectorizer, &vectorizer, err);
    if (status < 0) return status;
    const dbt__run_row row = {
        .train_split_id = fit->train_split.id,
        .validation_split_id = fit->validation_split.id,
        .n_train = fit->train_split.documents,
        .n_validation = fit->validation_split.documents,
        .train_fingerprint = fit->survey.fingerprint,
        .validation_fingerprint = fit->validation_survey.fingerprint,
        .vectorizer = vectorizer,
    };
    status = dbt__run_create(fit->sql, &fit->options, &row, &fit->survey.labels,
                             &fit->result->run_id, err);
    fit->has_begun = status == DBT_OK;
    if (status < 0) fit->result->run_id = 0;
    dbt__free(vectorizer);
    return status;
}

dbt_status dbt__fit_reopen_run(dbt__fit *fit, dbt_error *err)
{
    dbt_status status = dbt__run_reopen(fit->sql, fit->options.resume, 1, err);
    fit->has_begun = status == DBT_OK;
    if (fit->has_begun) fit->result->run_id = fit->options.resume;
    return status;
}

dbt_status dbt__fit_complete_run(const dbt__fit *fit, dbt_error *err)
{
    char *environment = NULL;
    dbt_status status = dbt__environment_write(fit->sql, fit->network, &environment, err);
    if (status < 0) return status;
    status = dbt__run_complete(fit->sql, fit->result->run_id, fit->vectorizer_id,
                               &fit->options.network, environment, err);
    dbt__free(environment);
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

bool dbt__fit_is_refused(dbt_status status)
{
    return status == DBT_EDATA || status == DBT_EUSAGE || status == DBT_EFORMAT;
}

static bool has_other_documents(const dbt__fit *fit)
{
    return atomic_load(&fit->survey.pages.mismatch) ||
           atomic_load(&fit->validation_survey.pages.mismatch);
}

/* Documents that are no data for a run will never be: one that goes on is deleted, too, unless they
 * were changed meanwhile, and may be changed back. Of its options, some may be others the next
 * time. */
static dbt_status settle_run(dbt__fit *fit, dbt_status outcome, const dbt_error *cause,
                             dbt_error *err)
{
    bool resumed = fit->options.resume != 0;
    bool deleted =
        resumed ? outcome == DBT_EDATA && !has_other_documents(fit) : dbt__fit_is_refused(outcome);
    dbt_status status = dbt__sql_begin(fit->sql, err);
    if (status < 0) return status;
    status = deleted ? dbt__run_delete(fit->sql, fit->result->run_id, err)
                     : dbt__run_set_status(fit->sql, fit->result->run_id, run_status_of(outcome),
                                           cause->message, err);
    status = dbt__sql_end(fit->sql, status, err);
    if (deleted) fit->result->run_id = 0;
    if (status == DBT_OK && deleted && resumed)
        dbt__fit_note(fit, "run %lld can never be trained: it is deleted",
                      (long long)fit->options.resume);
    return status;
}

void dbt__fit_settle_run(dbt__fit *fit, dbt_status outcome, const dbt_error *cause)
{
    /* Where that fails too, the run is shown as interrupted. */
    if (outcome < 0 && fit->has_begun) (void)!settle_run(fit, outcome, cause, NULL);
}

/* The best epoch whose weights are in the file: 0 when that cannot be asked. */
static int64_t stored_best_epoch(const dbt__fit *fit)
{
    dbt__statement *select = NULL;
    int64_t epoch = 0;
    if (dbt__prepare(fit->sql, "SELECT best_epoch FROM run WHERE id = ?", &select, NULL) < 0)
        return 0;
    dbt__bind_int(select, 1, fit->result->run_id);
    if (dbt__step(select, NULL) == DBT_OK) epoch = dbt__column_int(select, 0);
    dbt__finalize(select);
    return epoch;
}

/* What there is to keep of a training that has ended so. One that failed goes on from the
 * checkpoint before and computes what came after again, perhaps with other bits: the best weights
 * that the checkpoint knows stay. */
static dbt_status save_outcome(dbt__fit *fit, dbt_status outcome, dbt_error *err)
{
    if (outcome == DBT_OK) return dbt__fit_finish(fit, err);
    if (outcome == DBT_EINTERRUPTED) return dbt__fit_save(fit, err);
    if (outcome != DBT_EDIVERGED && stored_best_epoch(fit) != 0) return DBT_OK;
    return dbt__fit_save_best(fit, err);
}

/* What is to be known of a run that has finished, to be freed; NULL: nothing, or no memory. */
static char *make_remark(dbt__fit *fit)
{
    static const char text[] =
        "documents of split '%s' were changed by another program while the run was under way";
    const char *split = dbt__fit_changed_split(fit);
    if (split == NULL) return NULL;
    size_t bytes = sizeof text + strlen(split);
    char *remark = dbt__alloc_array(bytes, 1);
    if (remark == NULL) return NULL;
    (void)snprintf(remark, bytes, text, split);
    dbt__fit_note(fit, "%s: what it has learnt and its figures may be of either", remark);
    return remark;
}

/* In one transaction with the status. */
static dbt_status close_run(dbt__fit *fit, dbt_status outcome, const char *message, dbt_error *err)
{
    dbt_status status = dbt__sql_begin(fit->sql, err);
    if (status < 0) return status;
    status = save_outcome(fit, outcome, err);
    if (status == DBT_OK)
        status = dbt__run_set_status(fit->sql, fit->result->run_id, run_status_of(outcome), message,
                                     err);
    return dbt__sql_end(fit->sql, status, err);
}

/* Nothing goes on from numbers that are not finite: a training that is stopped with such has
 * diverged, as the end of its epoch would have said. */
static dbt_status judge_stop(const dbt__fit *fit, dbt_status outcome, dbt_error *err)
{
    dbt_error cause = {0};
    if (outcome != DBT_EINTERRUPTED || dbt__checkpoint_check(fit->network, &cause) == DBT_OK)
        return outcome;
    *err = cause;
    return cause.status;
}

dbt_status dbt__fit_close_run(dbt__fit *fit, dbt_status outcome, dbt_error *err)
{
    dbt_error late = {0};
    outcome = judge_stop(fit, outcome, err);
    char *remark = outcome == DBT_OK ? make_remark(fit) : NULL;
    dbt_status closed = close_run(fit, outcome, outcome == DBT_OK ? remark : err->message, &late);
    dbt__free(remark);
    if (closed < 0) {
        /* The weights could not be stored: the status alone. */
        if (outcome == DBT_OK || outcome == DBT_EINTERRUPTED) {
            *err = late;
            outcome = closed;
        }
        dbt_error ignored = {0};
        fit->best_is_stored = true;
        (void)close_run(fit, outcome, err->message, &ignored);
    }
    if (outcome < 0) fit->result->best_epoch = stored_best_epoch(fit);
    return outcome;
}
