/*
 * fit_internal.h: a training under way, shared by its preparation (fit.c, fit_data.c,
 * fit_vocabulary.c; resume.c for one that goes on), its row of `run` (fit_run.c) and its loop
 * (epochs.c).
 */
#ifndef DBT_FIT_INTERNAL_H
#define DBT_FIT_INTERNAL_H

#include <pthread.h>

#include <dbtrain/cursor.h>
#include <dbtrain/network.h>
#include <dbtrain/pool.h>
#include <dbtrain/train.h>
#include <dbtrain/vectorizer.h>

#include "base.h"
#include "checkpoint.h"
#include "labels.h"
#include "loader.h"
#include "row_cache.h"
#include "scan.h"
#include "sql.h"
#include "store_internal.h"
#include "vocabulary.h"

typedef struct dbt__fit {
    dbt_store *store;
    dbt__sql *sql;                /* the store's */
    dbt_fit_options options;      /* the caller's, completed */
    const dbt_observer *observer; /* never NULL */
    dbt_fit_result *result;

    char *folder; /* of the database */
    char *train;  /* names of the splits */
    char *validation;
    dbt_split train_split;
    dbt_split validation_split;
    bool has_cut;      /* these two, for this run */
    bool has_replaced; /* others of these names by them */
    bool has_begun;    /* the run's row is there, and without a vocabulary yet */
    int64_t version;   /* of the file's content: another one after another program's commit */

    dbt_pool *pool;
    dbt__survey survey; /* of the training split; its labels are the outputs */
    dbt__survey validation_survey;
    int64_t vectorizer_id; /* 0: there is none yet */
    dbt_vectorizer *vectorizer;
    struct { /* of the vocabulary, beside what else is done */
        pthread_t thread;
        bool runs;
        dbt_status status;
        dbt_error cause;
    } storing;
    dbt_network *network;
    float *class_weight; /* [labels] */

    dbt_cursor *train_cursor;
    dbt_cursor *validation_cursor;
    dbt__row_cache *train_rows; /* NULL: they are vectorized anew in each epoch */
    dbt__row_cache *validation_rows;
    dbt__loader *loader;
    dbt__scanner *scanner;
    size_t rows_ahead; /* texts of so many rows may wait in batches */
    size_t validation_page_rows;
    int64_t steps;            /* of an epoch */
    int64_t validation_pages; /* of a validation */

    int32_t *label; /* [batch_size], scratch */
    float *weight;  /* [batch_size], scratch */

    dbt__progress progress;
    float *best;         /* a copy of the best epoch's weights; NULL: none yet */
    bool best_is_stored; /* or there is none */
    bool told_of_log;    /* that it is large */
    dbt__patience patience;
    double clock;        /* up to when progress.seconds counts */
    double checkpointed; /* when the last checkpoint was made, or else training began */
} dbt__fit;

void dbt__fit_note(const dbt__fit *fit, const char *format, ...) DBT_PRINTF(2, 3);

/* Keras' EarlyStopping: `patience` epochs in a row, but at least one, without a lower val_loss than
 * the best's. */
static inline bool dbt__patience_is_over(int64_t epochs, int64_t best_epoch, int64_t patience)
{
    int64_t waited = best_epoch == 0 ? 0 : epochs - best_epoch;
    return waited > 0 && waited >= patience;
}

/* --- fit_data.c --- */

/* Splits, what a survey of their documents tells, and class weights; of a run that goes on, those
 * it was trained on. DBT_EUSAGE, DBT_EDATA. */
dbt_status dbt__fit_data(dbt__fit *fit, dbt_error *err) DBT_MUST_USE;
/* Once the run has been trained: names the split whose documents are not those that were surveyed,
 * because another program has changed them; NULL: neither. */
const char *dbt__fit_changed_split(dbt__fit *fit);
/* Once it is known whether there is a run: splits that were cut off for one that was refused become
 * what they were. */
void dbt__fit_data_settle(dbt__fit *fit, dbt_status status);

/* --- fit_vocabulary.c --- */

/* One of the same settings and documents, or a new one; its id is 0 until it is stored. What
 * dbt__vocabulary_find, dbt__vocabulary_fit and dbt__budget_check return. */
dbt_status dbt__fit_find_vocabulary(dbt__fit *fit, dbt_error *err) DBT_MUST_USE;
/* Begins to store it, unless it is, in a thread of its own, `context` being the dbt__fit: nobody
 * else may use the store's connection until that ends. Where there is no thread nothing happens. */
void dbt__fit_begin_storing(void *context);
/* Waits for the end of that. `status` is what else was done meanwhile: where that failed it is
 * returned, else what the storing came to, after another try if somebody had the file locked, or
 * the first if it was not begun. What dbt__vocabulary_store returns. */
dbt_status dbt__fit_finish_storing(dbt__fit *fit, dbt_status status, dbt_error *err) DBT_MUST_USE;

/* --- fit_run.c --- */

/* A new run, whose splits are surveyed; its id is the result's. */
dbt_status dbt__fit_create_run(dbt__fit *fit, dbt_error *err) DBT_MUST_USE;
/* The same of one that goes on and has no vocabulary. */
dbt_status dbt__fit_reopen_run(dbt__fit *fit, dbt_error *err) DBT_MUST_USE;
/* Once that has a vocabulary and a network. */
dbt_status dbt__fit_complete_run(const dbt__fit *fit, dbt_error *err) DBT_MUST_USE;
/* Options or documents are not what a run can be made of, or what is stored of them is damaged. */
bool dbt__fit_is_refused(dbt_status status);
/* How the preparation ended: a new run that was refused never was, nor one whose vocabulary is
 * empty; any other that could not train can go on. */
void dbt__fit_settle_run(dbt__fit *fit, dbt_status outcome, const dbt_error *cause);
/* How the training ended: its weights and its status, and where documents have changed meanwhile,
 * that. Returns `outcome`, or why they could not be stored. */
dbt_status dbt__fit_close_run(dbt__fit *fit, dbt_status outcome, dbt_error *err) DBT_MUST_USE;

/* --- epochs.c --- */

/* Epochs until one of the reasons to stop, everything stored as it happens; fit->result is kept
 * current. */
dbt_status dbt__fit_epochs(dbt__fit *fit, dbt_error *err) DBT_MUST_USE;
/* Writes a checkpoint, inside the caller's transaction. */
dbt_status dbt__fit_save(dbt__fit *fit, dbt_error *err) DBT_MUST_USE;
/* Writes the best and the last weights of a training that is over, which needs no checkpoint, and
 * what its terms say: the network is then the best epoch's. */
dbt_status dbt__fit_finish(dbt__fit *fit, dbt_error *err) DBT_MUST_USE;
/* Writes the best weights alone, if they are not stored. */
dbt_status dbt__fit_save_best(dbt__fit *fit, dbt_error *err) DBT_MUST_USE;

/* --- resume.c: what a run that goes on does in place of the steps of fit.c --- */

/* Compares the options with the run's. *finished: it has, and fit->result is filled in. DBT_EUSAGE
 * lists the differences; DBT_EDIVERGED. */
dbt_status dbt__resume_begin(dbt__fit *fit, bool *finished, dbt_error *err) DBT_MUST_USE;
/* The splits that it was trained on, as long as they were. DBT_EUSAGE. */
dbt_status dbt__resume_splits(dbt__fit *fit, dbt_error *err) DBT_MUST_USE;
/* Once the splits are surveyed: its documents, labels and vocabulary are those it began with.
 * DBT_EUSAGE lists what is not. */
dbt_status dbt__resume_check_data(dbt__fit *fit, dbt_error *err) DBT_MUST_USE;
dbt_status dbt__resume_vocabulary(dbt__fit *fit, dbt_error *err) DBT_MUST_USE;
/* Network and progress as they were, and the run's row says that it is running. */
dbt_status dbt__resume_state(dbt__fit *fit, dbt_error *err) DBT_MUST_USE;

#endif
