/*
 * fit_vocabulary.c: the vocabulary of a training: found or fitted, and stored.
 *
 * Storing it is a thread's work and much waiting for the disk. A thread of its own does it while
 * those of the pool vectorize the training split, which need the vocabulary, but not that it is
 * stored; the store's connection is that thread's until it has ended. Everybody who is told
 * something is so on the calling thread, so that one does not wait for the lock of another program:
 * what it could not store, the calling thread does, patiently.
 */
#include <stdio.h>

#include "budget.h"
#include "fit_internal.h"

static void tell_vocabulary(const dbt__fit *fit, bool found, const dbt_vectorizer_stats *stats)
{
    size_t n = dbt_vectorizer_features(fit->vectorizer);
    long long terms = (long long)dbt_vectorizer_terms(fit->vectorizer);
    char spilled[64] = "";
    if (!found && stats->spilled_bytes > 0)
        (void)snprintf(spilled, sizeof spilled, " through a temporary file of %lld MiB",
                       (long long)(stats->spilled_bytes >> 20) + 1);
    if (fit->options.vectorizer.hash_bits != 0)
        dbt__fit_note(fit, "vocabulary: none, n-grams hashed into %zu columns", n);
    else if (found)
        dbt__fit_note(fit, "vocabulary: %zu features of %lld terms, found from an earlier run", n,
                      terms);
    else
        dbt__fit_note(fit, "vocabulary: %zu features of %lld terms, counted in %lld pass%s%s%s", n,
                      terms, (long long)stats->counting_passes,
                      stats->counting_passes == 1 ? "" : "es", spilled,
                      dbt_vectorizer_is_whole(fit->vectorizer)
                          ? ""
                          : "; more terms than --memory holds: it is used in parts");
}

static dbt_status fit_vocabulary(dbt__fit *fit, dbt_vectorizer_stats *stats, dbt_error *err)
{
    const dbt_vectorizer_options *options = &fit->options.vectorizer;
    dbt_error cause = {0};
    dbt_status status =
        dbt__vocabulary_fit(fit->store, fit->train, options, &fit->survey, fit->pool, fit->observer,
                            &fit->vectorizer, stats, &cause);
    if (status == DBT_OK) return DBT_OK;
    int64_t n = stats->terms; /* features that there would be */
    if (options->top_k != 0 && options->top_k < n) n = options->top_k;
    if (options->most_features != 0 && n > options->most_features)
        return dbt__budget_refuse(&fit->options, &fit->survey, n, err);
    return dbt__fail(err, status, "%s", cause.message);
}

dbt_status dbt__fit_find_vocabulary(dbt__fit *fit, dbt_error *err)
{
    const dbt_vectorizer_options *options = &fit->options.vectorizer;
    dbt_vectorizer_stats stats = {0};
    dbt_status status = dbt__vocabulary_find(fit->store, options, &fit->survey, &fit->vectorizer,
                                             &fit->vectorizer_id, err);
    bool found = fit->vectorizer != NULL;
    if (status == DBT_OK && !found) status = fit_vocabulary(fit, &stats, err);
    if (status == DBT_OK) tell_vocabulary(fit, found, &stats);
    /* One that the network has no room for is not stored. */
    return status < 0 ? status
                      : dbt__budget_check(&fit->options, &fit->survey, fit->vectorizer, err);
}

static dbt_status store_vocabulary(dbt__fit *fit, dbt_error *err)
{
    return dbt__vocabulary_store(fit->store, &fit->options.vectorizer, &fit->survey,
                                 fit->vectorizer, &fit->vectorizer_id, err);
}

static void *run_storing(void *context)
{
    dbt__fit *fit = context;
    fit->storing.status = store_vocabulary(fit, &fit->storing.cause);
    return NULL;
}

static bool do_not_wait(void *context, double seconds)
{
    (void)context, (void)seconds;
    return false;
}

void dbt__fit_begin_storing(void *context)
{
    dbt__fit *fit = context;
    if (fit->vectorizer_id != 0) return;
    dbt__sql_set_wait(fit->sql, do_not_wait, NULL);
    fit->storing.runs = pthread_create(&fit->storing.thread, NULL, run_storing, fit) == 0;
    if (!fit->storing.runs) dbt__store_be_patient(fit->store, &fit->patience);
}

dbt_status dbt__fit_finish_storing(dbt__fit *fit, dbt_status status, dbt_error *err)
{
    if (fit->storing.runs) {
        (void)pthread_join(fit->storing.thread, NULL);
        fit->storing.runs = false;
        dbt__store_be_patient(fit->store, &fit->patience);
    }
    if (status < 0) return status;
    if (fit->storing.status < 0 && fit->storing.status != DBT_ELOCKED)
        return dbt__fail(err, fit->storing.status, "%s", fit->storing.cause.message);
    return fit->vectorizer_id != 0 ? DBT_OK : store_vocabulary(fit, err);
}
