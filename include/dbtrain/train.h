/*
 * train.h: fit a network on a split of a store, evaluate it, predict with it.
 *
 * dbt_fit pages the training split through a cursor, vectorizes each page, trains on it, validates
 * at the end of each epoch, stops early, and writes all of it to the store as it happens: run,
 * epoch, parameter. A model is a stored run read back: its vectorizer, its network and its labels.
 *
 *     dbt_fit_options options;
 *     dbt_fit_options_init(&options);
 *     options.validation_split = 0.1;
 *     dbt_fit(store, &options, NULL, &result, &err);
 *     dbt_model_open(store, NULL, DBT_WEIGHTS_BEST, &model, &err);
 *     dbt_evaluate(store, model, "test", 2, NULL, &report, &err);
 *
 * A run that was interrupted or killed is gone on with by dbt_resume_find and dbt_fit, and ends
 * with the same bits as one that was not.
 */
#ifndef DBTRAIN_TRAIN_H
#define DBTRAIN_TRAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <dbtrain/batch.h>
#include <dbtrain/network.h>
#include <dbtrain/page.h>
#include <dbtrain/status.h>
#include <dbtrain/store.h>
#include <dbtrain/vectorizer.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One row of the history. */
typedef struct dbt_epoch {
    int64_t run_id;
    int64_t epoch;  /* from 1 */
    int64_t epochs; /* the most there will be */
    int64_t steps;
    double loss; /* running means over the epoch, dropout on, l2 penalty included */
    double acc;
    double val_loss;
    double val_acc;
    double learning_rate;
    int64_t documents; /* seen in this epoch's steps */
    double seconds;
    bool best; /* val_loss is the lowest so far */
} dbt_epoch;

/* Who is told what happens, on the calling thread; any function may be NULL. */
typedef struct dbt_observer {
    void (*note)(void *context, const char *line); /* something that a person should know */
    /* A step is done: running means of loss and accuracy over the epoch so far. */
    void (*step)(void *context, int64_t epoch, int64_t step, int64_t steps, double loss,
                 double acc);
    void (*epoch)(void *context, const dbt_epoch *epoch); /* after its row was committed */
    /* Asked between batches and pages; true ends with DBT_EINTERRUPTED. */
    bool (*stop)(void *context);
    void *context;
} dbt_observer;

typedef struct dbt_fit_options {
    const char *name;         /* NULL: none; unique among the runs, not a number */
    const char *train;        /* "train" */
    const char *validation;   /* NULL: validation_split cuts it off `train` */
    double validation_split;  /* 0.2; (0, 1) */
    int64_t batch_size;       /* 128; 1 .. 2^20 */
    int64_t epochs;           /* 1000; the most; 1 .. */
    int64_t patience;         /* 2; epochs without a lower val_loss before stopping; 0 .. */
    int64_t steps_per_epoch;  /* 0: ceil(rows / batch_size) */
    int64_t validation_steps; /* 0: all pages of the validation split; else its first ones */
    bool shuffle;             /* true */
    const char
        *class_weight; /* NULL: all 1; "balanced": n / (classes * n_class); or "label=w,..." */
    uint64_t seed;     /* 123; below 2^63 */
    size_t threads;    /* 0: usable cores, or fewer where memory is short */
    size_t memory; /* 512 MiB; the most that the process may take; less than it needs is refused.
                      What does not fit (counts, terms, vectorized rows) is made in several passes,
                      or kept in temporary files beside the store: the same bits, later */
    bool cache;    /* false; true keeps the vectorized rows of both splits in the store, for
                      later fits with `cache` and the same vectorizer and documents */
    double checkpoint_every; /* 60; seconds between checkpoints; 0: none but at an epoch's end (when
                                a second has passed since the last), at the end, and when stopped */
    int64_t resume;          /* 0: a new run; else goes on with that one: dbt_resume_find */
    dbt_vectorizer_options vectorizer; /* its memory is set by dbt_fit */
    dbt_network_options network;       /* its n_inputs, n_classes and seed are set by dbt_fit */
} dbt_fit_options;

typedef struct dbt_fit_result {
    int64_t run_id;     /* 0: none was made, or it was refused */
    int64_t epochs;     /* that were finished */
    int64_t best_epoch; /* 0: none was finished */
    double best_val_loss;
    double best_val_acc;
    bool stopped_early; /* by patience */
} dbt_fit_result;

DBT_EXPORT void dbt_fit_options_init(dbt_fit_options *options);

/*
 * Trains a run. `observer` may be NULL. The store must be writable. The best and the last weights
 * are stored; after DBT_EINTERRUPTED too, and of a run that diverged the best, if any, and those of
 * its last checkpoint; of one that failed, those that were the best at that checkpoint. A run that
 * was stopped before it trained has none, and can go on. DBT_EUSAGE (an option out of range, no
 * such split, a label in class_weight that is unknown, a name that is taken), DBT_EDATA (fewer than
 * two labels, documents without a label, a validation label that training lacks, an empty
 * vocabulary; documents that another program changed while their vocabulary was made),
 * DBT_EDIVERGED, DBT_EINTERRUPTED, and the store's.
 */
DBT_EXPORT DBT_MUST_USE dbt_status dbt_fit(dbt_store *store, const dbt_fit_options *options,
                                           const dbt_observer *observer, dbt_fit_result *result,
                                           dbt_error *err);

/* A run that can be gone on with. */
typedef struct dbt_resume {
    int64_t run_id; /* 0: there is none */
    dbt_fit_options
        options; /* those it was made with, and `resume` set to it; strings are the
                    resume's; threads, memory, cache and checkpoint_every have their defaults */
    struct dbt__resume_memory *memory;
} dbt_resume;

/*
 * The run that `run`, an id or a name, means; NULL is the newest that was interrupted, killed or
 * failed, else the newest; where there is no run at all, the options are the defaults, with which
 * dbt_fit begins one. Its options, changed in what does not change the result (threads,
 * memory, cache, checkpoint_every) and in nothing else, make dbt_fit go on with it, from its last
 * checkpoint or, if there is none, from step 0, or from counting its vocabulary; what was evaluated
 * before goes.
 *
 * dbt_fit then also returns DBT_EUSAGE, listing the differences, when other options have changed,
 * or the documents, labels or vocabulary are not those it began with (documents that were added to
 * a split later are not its), and DBT_EDIVERGED of a run that diverged. Of one that has finished it
 * only fills in the result. When the processor or a library is another the observer is told: the
 * bits may differ then.
 *
 * Release in any case. DBT_EUSAGE (no such run: the message lists those that there are),
 * DBT_EFORMAT, DBT_ENOMEM.
 */
DBT_EXPORT DBT_MUST_USE dbt_status dbt_resume_find(dbt_store *store, const char *run,
                                                   dbt_resume *resume, dbt_error *err);
DBT_EXPORT void dbt_resume_release(dbt_resume *resume);

/* What went with a run. */
typedef struct dbt_removed {
    int64_t run_id;
    int64_t bytes;   /* of its weights, predictions and checkpoint */
    bool vocabulary; /* its vocabulary went too: no other run uses it */
} dbt_removed;

/*
 * Deletes a run (an id or a name) with its history, weights, checkpoint, evaluations and
 * predictions, and its vocabulary with the rows that are cached for it unless another run uses it,
 * in one transaction. The file keeps its size: the space is used again. DBT_EUSAGE (no such run),
 * DBT_EIO (opened read-only), and the store's.
 */
DBT_EXPORT DBT_MUST_USE dbt_status dbt_run_remove(dbt_store *store, const char *run,
                                                  dbt_removed *removed, dbt_error *err);

/*
 * Deletes the vectorized rows that fits with `cache` have kept; *bytes is what they took. The file
 * keeps its size. DBT_EIO (opened read-only), and the store's.
 */
DBT_EXPORT DBT_MUST_USE dbt_status dbt_cache_remove(dbt_store *store, int64_t *bytes,
                                                    dbt_error *err);

/* Which weights of a run: of the epoch with the lowest val_loss, or of the last step. */
typedef enum dbt_weights { DBT_WEIGHTS_BEST, DBT_WEIGHTS_LAST } dbt_weights;

/* A run read back. */
typedef struct dbt_model dbt_model;

/* `run` is an id or a name; NULL is the newest run with weights. A run without best weights
 * (stopped in its first epoch) gives its last. DBT_EUSAGE (no such run, or it has no weights),
 * DBT_EFORMAT (what is stored is damaged), DBT_ENOMEM. The model does not need the store
 * afterwards. */
DBT_EXPORT DBT_MUST_USE dbt_status dbt_model_open(dbt_store *store, const char *run,
                                                  dbt_weights weights, dbt_model **model,
                                                  dbt_error *err);
/* Takes NULL. */
DBT_EXPORT void dbt_model_close(dbt_model *model);

/* What a model was made of; strings are the model's. */
typedef struct dbt_model_info {
    int64_t run_id;
    const char *name; /* NULL: none */
    dbt_weights weights;
    int64_t best_epoch; /* 0: none */
    size_t n_labels;
    size_t n_features;
    const char *train_split; /* NULL when the split is gone */
    const char *validation_split;
} dbt_model_info;

DBT_EXPORT dbt_model_info dbt_model_get_info(const dbt_model *model);
/* Name of the label of an output class, 0 .. n_labels - 1; valid as long as the model. */
DBT_EXPORT const char *dbt_model_label(const dbt_model *model, size_t output);
/* Output class of a label id, -1 when the model does not know it. */
DBT_EXPORT int32_t dbt_model_output(const dbt_model *model, int64_t label_id);
/* Its vectorizer; the model's own. */
DBT_EXPORT const dbt_vectorizer *dbt_model_vectorizer(const dbt_model *model);

/* Probabilities [n_rows x n_labels] of a page, row-major; valid until the next call. Not for two
 * threads at once. DBT_ENOMEM; DBT_EDIVERGED: one is not finite. */
DBT_EXPORT DBT_MUST_USE dbt_status dbt_model_predict(dbt_model *model, const dbt_page *page,
                                                     const float **probability, dbt_error *err);

/* How a model did on a split. Labels: first the model's n_labels outputs, then those of the split
 * that the model does not know. Undefined ratios are 0, as scikit-learn's. */
typedef struct dbt_class_row {
    const char *label; /* the report's */
    int64_t support;
    int64_t predicted; /* documents that are taken for it, of those with a label */
    int64_t correct;   /* of its own */
    double precision;
    double recall;
    double f1;
} dbt_class_row;

/* A cell of the confusion matrix: rows are actual labels, columns predicted ones. */
typedef struct dbt_report_cell {
    size_t actual;    /* a class */
    size_t predicted; /* an output of the model */
    int64_t documents;
} dbt_report_cell;

typedef struct dbt_report {
    int64_t documents; /* with a label; the others are predicted but not counted */
    int64_t unlabelled;
    double loss; /* mean, without dropout, weights or label smoothing, with the l2 penalty */
    double acc;
    bool is_train;         /* documents of the split were trained on, in whatever split; */
    bool is_validation;    /* or stopped the training; */
    bool is_recut;         /* or may have: a later fit has cut the run's parts anew */
    int64_t changed_since; /* the first run that was evaluated on the split when it had other
                              documents, labels or texts, as far as is stored; 0: none */
    bool stored;           /* evaluation and predictions are in the store; false: it is read-only */
    size_t n_classes;      /* rows of the confusion matrix */
    size_t n_outputs;      /* the model's labels, its columns */
    dbt_class_row *class_row; /* [n_classes] */
    /* Of the matrix, the cells that have documents, row by row: it may have a billion, but of these
     * no more than there are documents. dbt_report_documents is about any cell. */
    size_t n_cells;
    dbt_report_cell *cell; /* [n_cells] */
    int64_t *predicted; /* [n_outputs]: documents by predicted label, those without a label too */
    /* Over the labels that are a document's or are predicted, as scikit-learn's. */
    double macro_precision, macro_recall, macro_f1;
    double weighted_precision, weighted_recall, weighted_f1;
    struct dbt__report_memory *memory;
} dbt_report;

/*
 * Evaluates a split and stores the outcome (evaluation, prediction; those of an earlier evaluation
 * of the same split, run and weights are replaced), all in one transaction, unless the store was
 * opened read-only. Of a split without labels the predictions are stored, there is no evaluation,
 * and loss and acc are NaN. The observer gets a note where an ingest into the split did not end.
 * threads 0: usable cores. Free the report with dbt_report_release in any case. DBT_EUSAGE (no such
 * split), DBT_EDIVERGED (a probability is not finite), DBT_EINTERRUPTED, and the store's.
 */
DBT_EXPORT DBT_MUST_USE dbt_status dbt_evaluate(dbt_store *store, const dbt_model *model,
                                                const char *split, size_t threads,
                                                const dbt_observer *observer, dbt_report *report,
                                                dbt_error *err);
DBT_EXPORT void dbt_report_release(dbt_report *report);
/* Documents of a class that were taken for an output. */
DBT_EXPORT int64_t dbt_report_documents(const dbt_report *report, size_t actual, size_t predicted);

/* Called for each batch of a split in order, with the output of each row's label (-1: none or
 * unknown). How many rows a batch has depends on how long the documents are. */
typedef dbt_status (*dbt_batch_visit)(void *context, const dbt_batch *batch, const dbt_page *page,
                                      const int32_t *output, dbt_error *err);
/* The split as the model's network sees it. DBT_EUSAGE (no such split), what `visit` returns, and
 * the store's. */
DBT_EXPORT DBT_MUST_USE dbt_status dbt_vectorize(dbt_store *store, const dbt_model *model,
                                                 const char *split, dbt_batch_visit visit,
                                                 void *context, dbt_error *err);

/* What is in the file; every array and string is the info's, freed by dbt_info_release. */
typedef struct dbt_label_count {
    const char *label; /* NULL: without a label */
    int64_t documents;
} dbt_label_count;

typedef struct dbt_split_info {
    const char *name;
    int64_t documents;            /* that are there */
    int64_t missing;              /* that were deleted from the file: no cursor pages the split */
    size_t n_labels;              /* rows of `label` */
    const dbt_label_count *label; /* most frequent first */
    double median_words; /* words a document: runs without white space, as the guide counts them */
    double mean_words;
    double ngrams; /* about how many different n-grams of one and two words, as fit's defaults make
                      them: exact up to 50,000, then within some 2 %, and beyond 16 million
                      extrapolated */
    double terms;  /* about how many of them are in two documents or more */
} dbt_split_info;

typedef struct dbt_run_info {
    int64_t id;
    const char *name;   /* NULL: none */
    const char *status; /* as in the table, but a killed run, 'running' there, is 'interrupted' */
    int64_t epochs;
    int64_t best_epoch; /* 0: none */
    double val_loss;    /* of the best epoch; NaN: none */
    double val_acc;
    int64_t bytes;                              /* of its weights, predictions and checkpoint */
    const char *train_split, *validation_split; /* NULL: gone */
    const char *started_at;
} dbt_run_info;

/* What was measured of a run last, on a split. */
typedef struct dbt_evaluation_info {
    int64_t run_id;
    const char *split;
    const char *weights; /* "best" or "last" */
    int64_t documents;
    double loss, acc; /* NaN: no document had a label */
    const char *evaluated_at;
} dbt_evaluation_info;

typedef struct dbt_info {
    int64_t file_bytes;
    int64_t documents;
    int64_t sources, rejected;
    int64_t unfinished;  /* documents of sources whose ingest has not ended */
    int64_t cache_bytes; /* of vectorized rows that are kept */
    size_t n_splits, n_runs, n_evaluations;
    const dbt_split_info *split;
    const dbt_run_info *run;
    const dbt_evaluation_info *evaluation;
    const char *sqlite_version;
    bool sqlite_has_wal_reset_bug; /* 3.7.0 .. 3.51.2, but for 3.44.6 and 3.50.7 */
    struct dbt__info_memory *memory;
} dbt_info;

/* Reads all texts once, to count words. Release in any case. */
DBT_EXPORT DBT_MUST_USE dbt_status dbt_info_read(dbt_store *store, dbt_info *info, dbt_error *err);
DBT_EXPORT void dbt_info_release(dbt_info *info);

/* About how many bytes a process takes at its peak in dbt_fit with these options: an estimate. */
DBT_EXPORT size_t dbt_fit_bytes(const dbt_fit_options *options, const dbt_split_info *split);

#ifdef __cplusplus
}
#endif
#endif
