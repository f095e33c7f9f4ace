/*
 * fit_data.c: the documents of a fit: its splits, found or cut off, and what a scan of them tells
 * (labels, fingerprints), checked before anything is counted.
 */
#include <stdio.h>
#include <string.h>

#include "class_weight.h"
#include "fit_internal.h"
#include "observer.h"
#include "run.h"
#include "store_internal.h"
#include "unfinished.h"

static dbt_status copy_name(char **copy, const char *name, const char *suffix, dbt_error *err)
{
    size_t bytes = strlen(name) + strlen(suffix) + 1;
    *copy = dbt__alloc_array(bytes, 1);
    if (*copy == NULL) return dbt__out_of_memory(err, "a name");
    (void)snprintf(*copy, bytes, "%s%s", name, suffix);
    return DBT_OK;
}

/* Says which run, the newest of those that did not finish, was on another cut of the parts. Where
 * what is stored of other runs cannot be read, that is no failure of this one. */
static void tell_left(const dbt__fit *fit)
{
    dbt__statement *select = NULL;
    dbt_status status = dbt__prepare(
        fit->sql,
        "SELECT id FROM"
        " (SELECT r.id, checked_json(r.settings) -> 'train_origin' AS made,"
        "  checked_json(s.origin) AS now FROM run r JOIN split s ON s.id = r.train_split_id"
        "  WHERE s.id = ? AND r.status IN ('running', 'interrupted', 'failed'))"
        " WHERE " DBT__CUT_ANEW " ORDER BY id DESC LIMIT 1",
        &select, NULL);
    if (status < 0) return;
    dbt__bind_int(select, 1, fit->train_split.id);
    status = dbt__step(select, NULL);
    long long run = status == DBT_OK ? (long long)dbt__column_int(select, 0) : 0;
    dbt__finalize(select);
    if (run != 0)
        dbt__fit_note(fit,
                      "run %lld, which did not finish, was on other parts of '%s': it can go on "
                      "once they are cut as they were, and --resume=%lld says how",
                      run, fit->options.train, run);
}

/* Says what the cut has done to parts that were there. */
static dbt_status tell_replaced(const dbt__fit *fit, dbt_error *err)
{
    bool took_outcomes;
    dbt__fit_note(
        fit,
        "'%s' and '%s' were cut from other documents, with another share or another seed: they "
        "are replaced, and no longer hold what earlier runs were trained and validated on",
        fit->train, fit->validation);
    dbt_status status = dbt__hold_out_took(fit->store, &took_outcomes, err);
    if (status == DBT_OK && took_outcomes)
        dbt__fit_note(fit,
                      "evaluations and predictions of '%s' and '%s' are deleted: they are of the "
                      "documents that these had before",
                      fit->train, fit->validation);
    if (status == DBT_OK) tell_left(fit);
    return status;
}

static dbt_status hold_out(dbt__fit *fit, dbt_error *err)
{
    const dbt_fit_options *options = &fit->options;
    bool reused = false;
    dbt_split before = {0}, parent;
    dbt_error absent = {0};
    dbt_status status = copy_name(&fit->train, options->train, "/train", err);
    if (status == DBT_OK) status = copy_name(&fit->validation, options->train, "/validation", err);
    if (status < 0) return status;
    bool existed = dbt_store_find_split(fit->store, fit->validation, &before, &absent) == DBT_OK;
    status = dbt__split_find_verified(fit->store, options->train, &parent, err);
    if (status < 0) return status;
    const dbt_hold_out_options cut = {.fraction = options->validation_split,
                                      .seed = options->seed,
                                      .stop = fit->observer->stop,
                                      .context = fit->observer->context};
    status = dbt_store_hold_out(fit->store, options->train, &cut, &fit->train_split,
                                &fit->validation_split, &reused, err);
    fit->has_cut = status == DBT_OK && !reused;
    if (status == DBT_OK && reused)
        status = dbt__split_find_verified(fit->store, fit->train, &fit->train_split, err);
    if (status == DBT_OK && reused)
        status = dbt__split_find_verified(fit->store, fit->validation, &fit->validation_split, err);
    fit->has_replaced = fit->has_cut && existed;
    return fit->has_replaced ? tell_replaced(fit, err) : status;
}

static dbt_status resolve_splits(dbt__fit *fit, dbt_error *err)
{
    const dbt_fit_options *options = &fit->options;
    if (options->validation == NULL) return hold_out(fit, err);
    dbt_status status =
        dbt__split_find_verified(fit->store, options->train, &fit->train_split, err);
    if (status == DBT_OK)
        status =
            dbt__split_find_verified(fit->store, options->validation, &fit->validation_split, err);
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

/* Says how many documents the two splits share. Parts that were held out share none. */
static dbt_status tell_shared(const dbt__fit *fit, dbt_error *err)
{
    if (fit->options.validation == NULL || fit->train_split.id == fit->validation_split.id)
        return DBT_OK;
    int64_t shared;
    dbt_status status =
        dbt__split_shared(fit->sql, fit->validation_split.id, fit->train_split.id, &shared, err);
    if (shared > 0)
        dbt__fit_note(fit,
                      "%lld of the documents of '%s' are in '%s' too: val_loss says little about "
                      "new ones",
                      (long long)shared, fit->validation, fit->train);
    return status;
}

static dbt_status survey_splits(dbt__fit *fit, dbt_error *err)
{
    dbt_status status = dbt__survey_split(fit->store, fit->train, fit->train_split.documents,
                                          fit->pool, fit->observer, &fit->survey, err);
    if (status < 0) return status;
    dbt__survey *other = &fit->validation_survey;
    status = dbt__survey_split(fit->store, fit->validation, fit->validation_split.documents,
                               fit->pool, fit->observer, other, err);
    /* Threads that have room for the one have room for the other. */
    if (other->longest > fit->survey.longest) fit->survey.longest = other->longest;
    if (other->page > fit->survey.page) fit->survey.page = other->page;
    return status;
}

/* A vectorized row that is kept has twice the id. */
static dbt_status check_label_ids(const dbt__fit *fit, dbt_error *err)
{
    const dbt__label_map *labels = &fit->survey.labels;
    for (size_t i = 0; i < labels->n; i++)
        if (labels->label[i].id < 1 || labels->label[i].id > INT64_MAX / 2)
            return dbt__fail(
                err, DBT_EDATA,
                "label '%s' of split '%s' has the id %lld, which no dbtrain gives: ids "
                "of labels must be from 1 to %lld",
                labels->label[i].name, fit->train, (long long)labels->label[i].id,
                (long long)(INT64_MAX / 2));
    return DBT_OK;
}

static dbt_status check_survey(const dbt__fit *fit, dbt_error *err)
{
    if (fit->survey.unlabelled > 0)
        return dbt__fail(
            err, DBT_EDATA,
            "split '%s' has %lld document%s without a label: what is to be learnt from "
            "needs one, so let a split of its own have them",
            fit->train, (long long)fit->survey.unlabelled, fit->survey.unlabelled == 1 ? "" : "s");
    if (fit->survey.bad_weight >= 0)
        return dbt__fail(err, DBT_EDATA,
                         "the document at position %lld of split '%s' has a weight that is "
                         "negative or too large: document.weight must be 0 or more",
                         (long long)fit->survey.bad_weight, fit->train);
    if (!fit->survey.has_weight)
        return dbt__fail(err, DBT_EDATA,
                         "all documents of split '%s' have the weight 0: there is nothing to learn",
                         fit->train);
    if (fit->survey.labels.n < 2)
        return dbt__fail(err, DBT_EDATA,
                         "a classifier needs at least two labels: split '%s' has only '%s'",
                         fit->train, fit->survey.labels.label[0].name);
    return check_label_ids(fit, err);
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

/* SQLite's number for what other connections have committed. */
static dbt_status read_version(const dbt__fit *fit, int64_t *version, dbt_error *err)
{
    return dbt__sql_int(fit->sql, "PRAGMA data_version", 0, version, err);
}

/* A split that is gone, or cannot be read any more, has changed; what else may go wrong says
 * nothing of it. Who wants to stop does not wait for it. */
static bool has_changed(dbt__fit *fit, const char *split, const dbt__survey *before)
{
    dbt__survey now;
    dbt_status status = dbt__survey_split(fit->store, split, before->documents, fit->pool,
                                          fit->observer, &now, NULL);
    dbt__survey_release(&now);
    return status == DBT_OK ? now.row_fingerprint != before->row_fingerprint
                            : status == DBT_EFORMAT || status == DBT_EUSAGE;
}

const char *dbt__fit_changed_split(dbt__fit *fit)
{
    int64_t version;
    if (read_version(fit, &version, NULL) < 0 || version == fit->version) return NULL;
    dbt__fit_note(fit,
                  "another program has written to '%s': reading '%s' and '%s' again, whether they "
                  "have changed",
                  dbt_store_path(fit->store), fit->train, fit->validation);
    if (has_changed(fit, fit->train, &fit->survey)) return fit->train;
    return has_changed(fit, fit->validation, &fit->validation_survey) ? fit->validation : NULL;
}

dbt_status dbt__fit_data(dbt__fit *fit, dbt_error *err)
{
    bool resumed = fit->options.resume != 0;
    dbt_status status = read_version(fit, &fit->version, err);
    if (status < 0) return status;
    status = dbt__names_verify(fit->sql, err);
    if (status == DBT_OK)
        status = resumed ? dbt__resume_splits(fit, err) : resolve_splits(fit, err);
    if (status == DBT_OK) status = check_splits(fit, err);
    if (status == DBT_OK)
        status = dbt__unfinished_tell(fit->sql, fit->observer, fit->options.train,
                                      fit->options.validation, err);
    if (status == DBT_OK) status = tell_shared(fit, err);
    if (status == DBT_OK) status = survey_splits(fit, err);
    if (status == DBT_OK && resumed) status = dbt__resume_check_data(fit, err);
    if (status == DBT_OK) status = check_survey(fit, err);
    if (status == DBT_OK) status = check_validation_labels(fit, err);
    if (status == DBT_OK) status = weigh_classes(fit, err);
    return status;
}

void dbt__fit_data_settle(dbt__fit *fit, dbt_status status)
{
    if (!fit->has_cut) return;
    bool is_of_use =
        fit->result->run_id != 0 || !fit->has_replaced; /* new ones are to the next run */
    /* Where that fails, what the splits were goes with the connection, and they stay. */
    if (!dbt__fit_is_refused(status) && is_of_use)
        (void)!dbt__hold_out_keep(fit->store, NULL);
    else if (dbt__hold_out_undo(fit->store, NULL) == DBT_OK && fit->has_replaced)
        dbt__fit_note(fit, "'%s' and '%s' are again what they were", fit->train, fit->validation);
}
