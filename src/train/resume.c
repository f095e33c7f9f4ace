/*
 * resume.c: going on with a run that was interrupted or killed.
 *
 * What a run's bits depend on is either stored with it and taken from there (settings, seed, splits
 * by their ids and how many documents of each, vocabulary, the state at its last checkpoint) or
 * compared with what was stored (options that were given, fingerprints of the documents, processor
 * and libraries). So a resume either goes on exactly, or says why it cannot.
 *
 * The history may be ahead of the checkpoint: an epoch's row is stored at every epoch's end,
 * checkpoints, and with them the best weights, less often. Those epochs are computed again, and
 * come out the same, except where the processor or a library is another one: then they are taken
 * back first, so that no weights of the one computation are mixed with figures of the other.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <dbtrain/cursor.h>

#include "budget.h"
#include "environment.h"
#include "fit_internal.h"
#include "run.h"
#include "settings.h"
#include "weights.h"

/* --- options --- */

/* One row of a query with the run's id as its first parameter. */
static dbt_status ask_run(const dbt__fit *fit, const char *query, dbt__statement **select,
                          dbt_error *err)
{
    return dbt__run_ask(fit->sql, fit->options.resume, query, select, err);
}

/* Seed and name, which are columns of a run, as members beside its settings; without what dbt_fit
 * itself sets. */
static dbt_status complete_settings(dbt__fit *fit, const char *plain, char **json, dbt_error *err)
{
    *json = NULL;
    dbt__statement *statement = NULL;
    dbt_status status = dbt__prepare(fit->sql,
                                     "SELECT json_remove(json_set(?, '$.seed', ?, '$.name', ?),"
                                     " '$.inputs', '$.classes')",
                                     &statement, err);
    if (status < 0) return status;
    dbt__bind_string(statement, 1, plain);
    dbt__bind_int(statement, 2, (int64_t)fit->options.seed);
    dbt__bind_string(statement, 3, fit->options.name);
    status = dbt__step(statement, err);
    if (status == DBT_OK) status = dbt__column_copy(statement, 0, json, err);
    dbt__finalize(statement);
    return status;
}

/* Where the options given differ from the run's: two lists, either of which may be NULL. */
static dbt_status compare_options(dbt__fit *fit, char *differences[2], dbt_error *err)
{
    char *plain = NULL, *given = NULL, *given_vectorizer = NULL;
    dbt__statement *select = NULL;
    dbt_status status = dbt__settings_write(fit->sql, dbt__fit_fields, &fit->options, &plain, err);
    if (status == DBT_OK) status = complete_settings(fit, plain, &given, err);
    if (status == DBT_OK)
        status = dbt__settings_write(fit->sql, dbt__vectorizer_fields, &fit->options.vectorizer,
                                     &given_vectorizer, err);
    if (status == DBT_OK)
        status =
            ask_run(fit,
                    "SELECT json_set(checked_json(r.settings), '$.seed', r.seed, '$.name', r.name),"
                    " coalesce(v.settings, checked_json(r.settings) -> 'vectorizer') FROM run r"
                    " LEFT JOIN vectorizer v ON v.id = r.vectorizer_id WHERE r.id = ?",
                    &select, err);
    char *stored = NULL, *stored_vectorizer = NULL;
    if (status == DBT_OK) status = dbt__column_copy(select, 0, &stored, err);
    if (status == DBT_OK) status = dbt__column_copy(select, 1, &stored_vectorizer, err);
    if (status == DBT_OK)
        status = dbt__settings_compare(fit->sql, stored, given, &differences[0], err);
    if (status == DBT_OK)
        status = dbt__settings_compare(fit->sql, stored_vectorizer, given_vectorizer,
                                       &differences[1], err);
    dbt__finalize(select);
    dbt__free(plain);
    dbt__free(given);
    dbt__free(given_vectorizer);
    dbt__free(stored);
    dbt__free(stored_vectorizer);
    return status;
}

static dbt_status check_settings(dbt__fit *fit, dbt_error *err)
{
    char *differences[2] = {NULL, NULL};
    dbt_status status = compare_options(fit, differences, err);
    if (status == DBT_OK && (differences[0] != NULL || differences[1] != NULL))
        status =
            dbt__fail(err, DBT_EUSAGE, "run %lld was begun with other settings: %s%s%s",
                      (long long)fit->options.resume, differences[0] == NULL ? "" : differences[0],
                      differences[0] == NULL || differences[1] == NULL ? "" : "; ",
                      differences[1] == NULL ? "" : differences[1]);
    dbt__free(differences[0]);
    dbt__free(differences[1]);
    return status;
}

/* What is stored of the run so far, into fit->result. */
static dbt_status read_outcome(dbt__fit *fit, dbt_error *err)
{
    dbt__statement *select = NULL;
    dbt_status status = ask_run(fit,
                                "SELECT (SELECT count(*) FROM epoch WHERE run_id = r.id),"
                                " b.epoch, b.val_loss, b.val_acc FROM run r"
                                " LEFT JOIN epoch b ON b.run_id = r.id AND b.epoch = r.best_epoch"
                                " WHERE r.id = ?",
                                &select, err);
    if (status == DBT_OK)
        *fit->result = (dbt_fit_result){.run_id = fit->options.resume,
                                        .epochs = dbt__column_int(select, 0),
                                        .best_epoch = dbt__column_int(select, 1),
                                        .best_val_loss = dbt__column_double(select, 2),
                                        .best_val_acc = dbt__column_double(select, 3)};
    dbt__finalize(select);
    return status;
}

static dbt_status check_status(dbt__fit *fit, bool *finished, dbt_error *err)
{
    long long run = (long long)fit->options.resume;
    dbt__statement *select = NULL;
    dbt_status status = ask_run(fit,
                                "SELECT status = 'finished', status = 'diverged', message FROM run"
                                " WHERE id = ?",
                                &select, err);
    if (status < 0) goto out;
    dbt_text message = dbt__column_text(select, 2);
    *finished = dbt__column_int(select, 0) != 0;
    if (*finished)
        dbt__fit_note(fit, "run %lld has finished: nothing is left to do", run);
    else if (dbt__column_int(select, 1) != 0)
        status = dbt__fail(err, DBT_EDIVERGED, "run %lld diverged, and would again (%.*s)", run,
                           (int)message.bytes, message.data);
out:
    dbt__finalize(select);
    return status;
}

dbt_status dbt__resume_begin(dbt__fit *fit, bool *finished, dbt_error *err)
{
    *finished = false;
    dbt_fit_result *result = fit->result;
    dbt_status status = check_settings(fit, err);
    if (status == DBT_OK) status = check_status(fit, finished, err);
    if (status < 0 || !*finished) return status;
    status = read_outcome(fit, err);
    result->stopped_early =
        dbt__patience_is_over(result->epochs, result->best_epoch, fit->options.patience);
    return status;
}

/* --- data --- */

/* Where the training split was cut off from another one, and has been cut anew with another share
 * or seed since: what cuts it as it was. Else ''. */
static dbt_status describe_cut(const dbt__fit *fit, char hint[DBT_ERROR_BYTES], dbt_error *err)
{
    hint[0] = '\0';
    dbt__statement *select = NULL;
    dbt_status status = dbt__prepare(
        fit->sql,
        "SELECT made ->> 'parent', made ->> 'fraction', made ->> 'seed' FROM"
        " (SELECT checked_json(r.settings) -> 'train_origin' AS made, checked_json(s.origin) AS now"
        "  FROM run r JOIN split s ON s.id = r.train_split_id WHERE r.id = ?)"
        " WHERE " DBT__CUT_ANEW,
        &select, err);
    if (status < 0) return status;
    dbt__bind_int(select, 1, fit->options.resume);
    status = dbt__step(select, err);
    if (status == DBT_OK) {
        dbt_text parent = dbt__column_text(select, 0), share = dbt__column_text(select, 1);
        if (parent.data != NULL && share.data != NULL)
            (void)snprintf(hint, DBT_ERROR_BYTES,
                           "; to cut '%.*s' as it was: dbtrain fit %s --train '%.*s'"
                           " --validation-split %.*s --seed %lld --epochs 1",
                           (int)parent.bytes, parent.data, dbt_store_path(fit->store),
                           (int)parent.bytes, parent.data, (int)share.bytes, share.data,
                           (long long)dbt__column_int(select, 2));
    }
    dbt__finalize(select);
    return status < 0 ? status : DBT_OK;
}

static dbt_status refuse(const dbt__fit *fit, const char *why, dbt_error *err)
{
    char hint[DBT_ERROR_BYTES];
    dbt_status status = describe_cut(fit, hint, err);
    if (status < 0) return status;
    return dbt__fail(err, DBT_EUSAGE, "run %lld cannot go on: %s%s", (long long)fit->options.resume,
                     why, hint);
}

/* The split of an id, cut off at the documents that the run has of it. */
static dbt_status find_split(dbt__fit *fit, const char *query, const char *role, char **name,
                             dbt_split *split, dbt_error *err)
{
    char why[DBT_ERROR_BYTES];
    dbt__statement *select = NULL;
    dbt_status status = ask_run(fit, query, &select, err);
    if (status < 0) goto out;
    long long documents = (long long)dbt__column_int(select, 3);
    *split = (dbt_split){dbt__column_int(select, 0), dbt__column_int(select, 2)};
    if (dbt__column_is_null(select, 0) || split->documents < 1)
        status = dbt__fail(err, DBT_EUSAGE, "run %lld cannot go on: its %s split is gone",
                           (long long)fit->options.resume, role);
    else
        status = dbt__column_copy(select, 1, name, err);
    if (status == DBT_OK && documents < split->documents) {
        (void)snprintf(why, sizeof why, "its %s split '%s' has %lld documents, and had %lld", role,
                       *name, documents, (long long)split->documents);
        status = refuse(fit, why, err);
    }
out:
    dbt__finalize(select);
    return status;
}

dbt_status dbt__resume_splits(dbt__fit *fit, dbt_error *err)
{
    dbt_status status = find_split(fit,
                                   "SELECT s.id, s.name,"
                                   " checked_json(r.settings) ->> 'train_documents',"
                                   " s.documents FROM run r"
                                   " LEFT JOIN split s ON s.id = r.train_split_id WHERE r.id = ?",
                                   "training", &fit->train, &fit->train_split, err);
    if (status < 0) return status;
    return find_split(
        fit,
        "SELECT s.id, s.name, checked_json(r.settings) ->> 'validation_documents', s.documents"
        " FROM run r LEFT JOIN split s ON s.id = r.validation_split_id"
        " WHERE r.id = ?",
        "validation", &fit->validation, &fit->validation_split, err);
}

static void add_difference(char list[DBT_ERROR_BYTES], const char *format, ...) DBT_PRINTF(2, 3);
static void add_difference(char list[DBT_ERROR_BYTES], const char *format, ...)
{
    size_t used = strlen(list);
    if (used > 0) used += (size_t)snprintf(list + used, DBT_ERROR_BYTES - used, "; ");
    if (used >= DBT_ERROR_BYTES) return;
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(list + used, DBT_ERROR_BYTES - used, format, arguments);
    va_end(arguments);
}

static void compare_documents(const char *split, const dbt__survey *survey, dbt_text stored,
                              char list[DBT_ERROR_BYTES])
{
    char fingerprint[DBT__DIGEST_CHARS];
    dbt__digest_text(survey->fingerprint, fingerprint);
    if (stored.bytes != 16 || memcmp(stored.data, fingerprint, 16) != 0)
        add_difference(list, "the first %lld documents of split '%s' are not those it began with",
                       (long long)survey->documents, split);
}

/* The order of the outputs is that of the labels' names: one that was renamed may move. */
static dbt_status compare_labels(const dbt__fit *fit, char list[DBT_ERROR_BYTES], dbt_error *err)
{
    dbt__label_map stored = {0};
    const dbt__label_map *labels = &fit->survey.labels;
    dbt_status status = dbt__label_map_read(&stored, fit->sql, fit->options.resume, err);
    bool same = status == DBT_OK && stored.n == labels->n;
    for (size_t i = 0; same && i < stored.n; i++)
        same = stored.label[i].id == labels->label[i].id;
    if (status == DBT_OK && !same) add_difference(list, "its labels are not those it began with");
    dbt__label_map_release(&stored);
    return status;
}

dbt_status dbt__resume_check_data(dbt__fit *fit, dbt_error *err)
{
    char list[DBT_ERROR_BYTES] = "";
    dbt__statement *select = NULL;
    dbt_status status =
        ask_run(fit,
                "SELECT coalesce(v.fingerprint, r.settings ->> 'train_fingerprint'),"
                " r.settings ->> 'validation_fingerprint',"
                " checked_json(v.settings) ->> 'version',"
                " v.id, coalesce(r.settings ->> 'order_version', 1)"
                " FROM (SELECT id, vectorizer_id, checked_json(settings) AS settings FROM run) AS r"
                " LEFT JOIN vectorizer v ON v.id = r.vectorizer_id WHERE r.id = ?",
                &select, err);
    if (status < 0) goto out;
    compare_documents(fit->train, &fit->survey, dbt__column_text(select, 0), list);
    compare_documents(fit->validation, &fit->validation_survey, dbt__column_text(select, 1), list);
    fit->vectorizer_id = dbt__column_int(select, 3);
    if (fit->vectorizer_id != 0 && dbt__column_int(select, 2) != DBT_VECTORIZER_VERSION)
        add_difference(list, "its vocabulary was made by version %lld of the vectorizer, not %d",
                       (long long)dbt__column_int(select, 2), DBT_VECTORIZER_VERSION);
    if (fit->options.shuffle && dbt__column_int(select, 4) != DBT_ORDER_VERSION)
        add_difference(list, "its documents are shuffled by version %lld of the order, not %d",
                       (long long)dbt__column_int(select, 4), DBT_ORDER_VERSION);
    status = compare_labels(fit, list, err);
    if (status == DBT_OK && list[0] != '\0') status = refuse(fit, list, err);
out:
    dbt__finalize(select);
    return status;
}

dbt_status dbt__resume_vocabulary(dbt__fit *fit, dbt_error *err)
{
    dbt_status status = dbt__vocabulary_load(fit->sql, fit->vectorizer_id, &fit->options.vectorizer,
                                             &fit->vectorizer, err);
    if (status < 0) return status;
    return dbt__budget_check(&fit->options, &fit->survey, fit->vectorizer, err);
}

/* --- state --- */

/* *difference, to be freed, is not NULL where processor or libraries are not those the run began
 * with; the observer is told. */
static dbt_status compare_environment(dbt__fit *fit, char **difference, dbt_error *err)
{
    char *here = NULL, *stored = NULL;
    dbt__statement *select = NULL;
    dbt_status status = dbt__environment_write(fit->sql, fit->network, &here, err);
    if (status == DBT_OK)
        /* Earlier runs say how many parts their sums have, those before them nothing. */
        status = ask_run(
            fit,
            "SELECT json_insert(settings, '$.arithmetic', 1 + (settings ->> '$.sum_parts' IS"
            " NOT NULL)) FROM (SELECT checked_json(settings) AS settings FROM run WHERE id = ?)",
            &select, err);
    if (status == DBT_OK) status = dbt__column_copy(select, 0, &stored, err);
    if (status == DBT_OK) status = dbt__settings_compare(fit->sql, stored, here, difference, err);
    if (*difference != NULL)
        dbt__fit_note(
            fit,
            "run %lld was begun on another processor, with other libraries or by another version "
            "of this program, so its bits "
            "may now differ from those of an undisturbed run: %s",
            (long long)fit->options.resume, *difference);
    dbt__finalize(select);
    dbt__free(here);
    dbt__free(stored);
    return status;
}

/* The checkpoint is of a training like this one. */
static dbt_status check_progress(const dbt__fit *fit, dbt_error *err)
{
    const dbt__progress *p = &fit->progress;
    int64_t begin, end;
    if (p->seed == fit->options.seed && p->epoch - 1 <= fit->options.epochs &&
        !__builtin_mul_overflow(p->epoch - 1, fit->steps, &begin) &&
        !__builtin_add_overflow(begin, fit->steps, &end) && p->step >= begin && p->step <= end)
        return DBT_OK;
    return dbt__fail(err, DBT_EFORMAT,
                     "run %lld: its checkpoint, at epoch %lld, step %lld, is not of this run",
                     (long long)fit->options.resume, (long long)p->epoch, (long long)p->step);
}

/* The epochs before the checkpoint are in the history, which tells the best one. */
static dbt_status check_history(const dbt__fit *fit, dbt_error *err)
{
    int64_t done = fit->progress.epoch - 1;
    dbt__statement *select = NULL;
    dbt_status status = dbt__prepare(
        fit->sql, "SELECT count(*) FROM epoch WHERE run_id = ? AND epoch BETWEEN 1 AND ?", &select,
        err);
    if (status < 0) return status;
    dbt__bind_int(select, 1, fit->options.resume);
    dbt__bind_int(select, 2, done);
    status = dbt__step(select, err);
    if (status == DBT_OK && dbt__column_int(select, 0) != done)
        status = dbt__fail(
            err, DBT_EFORMAT,
            "run %lld: of the %lld epochs before its checkpoint only %lld are in the "
            "table epoch",
            (long long)fit->options.resume, (long long)done, (long long)dbt__column_int(select, 0));
    dbt__finalize(select);
    return status;
}

static void tell_position(const dbt__fit *fit, bool found)
{
    const dbt__progress *p = &fit->progress;
    long long run = (long long)fit->options.resume, done = p->step - (p->epoch - 1) * fit->steps;
    const char *name = fit->options.name;
    const char *open = name == NULL ? "" : " '", *close = name == NULL ? "" : "'";
    if (name == NULL) name = "";
    if (found)
        dbt__fit_note(fit, "resuming run %lld%s%s%s in epoch %lld, after step %lld of %lld", run,
                      open, name, close, (long long)p->epoch, done, (long long)fit->steps);
    else
        dbt__fit_note(fit, "resuming run %lld%s%s%s from its beginning: it has no checkpoint yet",
                      run, open, name, close);
}

/* What the run has ahead of its checkpoint stays where it will come out the same again: not on
 * another processor, nor back from one. */
static dbt_status reopen_run(dbt__fit *fit, const char *difference, dbt_error *err)
{
    int64_t run_id = fit->options.resume, first = fit->progress.epoch;
    if (difference != NULL) return dbt__run_continue(fit->sql, run_id, first, difference, err);
    dbt__statement *select = NULL;
    dbt_status status = ask_run(
        fit, "SELECT checked_json(settings) ->> 'continued' IS NOT NULL FROM run WHERE id = ?",
        &select, err);
    bool was_elsewhere = status == DBT_OK && dbt__column_int(select, 0) != 0;
    dbt__finalize(select);
    if (status < 0) return status;
    if (was_elsewhere)
        dbt__fit_note(fit,
                      "run %lld was continued on another processor, with other libraries or by "
                      "another version of this program, so its bits may now differ from those of "
                      "an undisturbed run",
                      (long long)run_id);
    return dbt__run_reopen(fit->sql, run_id, was_elsewhere ? first : INT64_MAX, err);
}

dbt_status dbt__resume_state(dbt__fit *fit, dbt_error *err)
{
    bool found = false;
    char *difference = NULL;
    int64_t run_id = fit->options.resume;
    dbt__progress *progress = &fit->progress;
    dbt_status status = dbt__checkpoint_read(fit->sql, run_id, fit->network, progress, &found, err);
    if (status == DBT_OK && found) status = check_progress(fit, err);
    if (status == DBT_OK && found) status = check_history(fit, err);
    if (status == DBT_OK) status = dbt__run_verify(fit->sql, run_id, err);
    if (status == DBT_OK) status = compare_environment(fit, &difference, err);
    if (status == DBT_OK) status = reopen_run(fit, difference, err);
    dbt__free(difference);
    if (status == DBT_OK) status = read_outcome(fit, err);
    if (status < 0) return status;
    if (fit->result->best_epoch == 0) {
        /* Its weights were taken back. */
        progress->best_epoch = 0;
        progress->best_val_loss = progress->best_val_acc = 0;
    }
    fit->result->epochs = progress->epoch - 1;
    tell_position(fit, found);
    return DBT_OK;
}
