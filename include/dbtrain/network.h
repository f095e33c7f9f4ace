/*
 * network.h: a dense network over sparse rows, with Keras' losses, initializers and optimizers.
 *
 *     h_0 = dropout(x);  h_i = dropout(relu(h_(i-1) W_(i-1) + b_(i-1)));  z = h_last W_last +
 * b_last
 *
 * `layers` counts the dense layers: 2 means one hidden layer. Two classes have one output unit and
 * a sigmoid (its probability is that of class 1), more have one each and a softmax. It knows
 * matrices, neither text nor SQL.
 *
 * Every random number is a function of (seed, epoch, step, row, element), so a step is a function
 * of the network, the batch and the position, and gives the same bits for any number of threads.
 *
 * Adam, AdamW and SGD with momentum move every weight at every step, as in Keras; a row of the
 * first layer that a batch does not touch is caught up, in closed form, when it is next read, or by
 * dbt_network_settle. (With l2 every row has a gradient at every step and all are moved, which is
 * slow. lazy-adam is Adam that moves the rows a batch touches and no others, l2 or not.) Between
 * steps the weights of such rows lag: call dbt_network_settle (at the end of an epoch) before
 * dbt_network_predict and before reading weights that are to be shown.
 */
#ifndef DBTRAIN_NETWORK_H
#define DBTRAIN_NETWORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <dbtrain/batch.h>
#include <dbtrain/pool.h>
#include <dbtrain/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/* X(name, text) */
#define DBT_OPTIMIZER_LIST(X)                                                                      \
    X(DBT_ADAM, "adam")                                                                            \
    X(DBT_ADAMW, "adamw")                                                                          \
    X(DBT_LAZY_ADAM, "lazy-adam")                                                                  \
    X(DBT_SGD, "sgd")                                                                              \
    X(DBT_ADAGRAD, "adagrad")

typedef enum dbt_optimizer {
#define DBT_OPTIMIZER_ENUM(name, text) name,
    DBT_OPTIMIZER_LIST(DBT_OPTIMIZER_ENUM)
#undef DBT_OPTIMIZER_ENUM
} dbt_optimizer;

typedef struct dbt_network_options {
    size_t n_inputs;         /* features; 1 .. 2^31 - 1 */
    size_t n_classes;        /* 2 .. 2^24 */
    size_t layers;           /* 2; dense layers, 1 .. 64 */
    size_t units;            /* 64; of each hidden layer, 1 .. 65536 */
    double dropout;          /* 0.2; on the input and after each hidden layer; [0, 1) */
    double l2;               /* 0; the loss gets l2 * sum of squared weights (not biases); >= 0 */
    double label_smoothing;  /* 0; [0, 1) */
    dbt_optimizer optimizer; /* adam */
    double learning_rate;    /* 1e-3; > 0 */
    double momentum;         /* 0; of sgd; [0, 1) */
    bool nesterov;           /* false; of sgd */
    double weight_decay;     /* 4e-3; of adamw; >= 0 */
    uint64_t seed;           /* 123 */
} dbt_network_options;

/* Labels of dbt_network_score beside the classes: one that the network does not know, and none. */
#define DBT_UNKNOWN_LABEL (-1)
#define DBT_NO_LABEL (-2)

/* Sums over the rows of a step or of predictions: divide by n_rows. */
typedef struct dbt_metrics {
    double loss;    /* sum of weight * loss of the row, without the l2 penalty */
    double correct; /* rows whose most probable class is the label (sigmoid: p > 0.5) */
    size_t n_rows;
} dbt_metrics;

/* Where a step stands: what its random numbers depend on besides the seed. Both count from 1. */
typedef struct dbt_position {
    int64_t epoch;
    int64_t step; /* in the whole run, not in the epoch */
} dbt_position;

/* One weight matrix (row-major) or bias (one row). */
typedef struct dbt_parameter {
    size_t layer;
    const char *name; /* "weight" or "bias"; static */
    size_t rows;
    size_t columns;
    float *value; /* [rows * columns], the network's own memory */
} dbt_parameter;

typedef struct dbt_network dbt_network;
typedef struct dbt_workspace dbt_workspace;
typedef struct dbt_preparer dbt_preparer;
typedef struct dbt_prepared dbt_prepared;

DBT_EXPORT void dbt_network_options_init(dbt_network_options *options);
/* Name of an optimizer, and the optimizer of a name (DBT_EUSAGE lists the names). */
DBT_EXPORT const char *dbt_optimizer_name(dbt_optimizer optimizer);
DBT_EXPORT DBT_MUST_USE dbt_status dbt_optimizer_parse(const char *name, dbt_optimizer *optimizer,
                                                       dbt_error *err);

/*
 * A new network with Glorot-uniform weights (U(-a, a), a = sqrt(6 / (inputs + outputs))), zero
 * biases and fresh optimizer state. The pool, which may be NULL, must outlive it; it changes the
 * speed alone. DBT_EUSAGE (an option out of range), DBT_ENOMEM (also when the size overflows),
 * DBT_EINTERNAL (OpenBLAS cannot be loaded; the message says what to install).
 *
 * The first call in a process loads OpenBLAS and for that moment sets OPENBLAS_NUM_THREADS: no
 * other thread may use the environment meanwhile.
 */
DBT_EXPORT DBT_MUST_USE dbt_status dbt_network_new(const dbt_network_options *options,
                                                   dbt_pool *pool, dbt_network **network,
                                                   dbt_error *err);
/* Takes NULL. */
DBT_EXPORT void dbt_network_free(dbt_network *network);
DBT_EXPORT const dbt_network_options *dbt_network_get_options(const dbt_network *network);
/* The bytes that a network of these options takes at most, its training state included but not the
 * scratch that grows with the batch; SIZE_MAX on overflow. */
DBT_EXPORT size_t dbt_network_bytes(const dbt_network_options *options);
/* The bytes of its weights and biases alone; SIZE_MAX on overflow. */
DBT_EXPORT size_t dbt_network_weight_bytes(const dbt_network_options *options);
/* That scratch at most, of steps with so many rows and entries in a batch; and a workspace's that
 * predicts so many rows at once. SIZE_MAX on overflow. */
DBT_EXPORT size_t dbt_network_step_bytes(const dbt_network_options *options, size_t n_rows,
                                         size_t n_entries);
DBT_EXPORT size_t dbt_workspace_bytes(const dbt_network_options *options, size_t n_rows);
/* And of a step that is prepared, and of who prepares it. */
DBT_EXPORT size_t dbt_prepared_bytes(const dbt_network_options *options, size_t n_rows,
                                     size_t n_entries);
DBT_EXPORT size_t dbt_preparer_bytes(const dbt_network_options *options);

/* 2 * layers parameters: weight and bias of layer 0, of layer 1, ... */
DBT_EXPORT size_t dbt_network_parameters(const dbt_network *network);
DBT_EXPORT dbt_parameter dbt_network_parameter(dbt_network *network, size_t index);

/*
 * One step: forward with dropout, backward, update. label[r] is 0 .. n_classes - 1; weight[r] is
 * the row's class or sample weight, NULL means all 1. The loss that is minimised is
 * sum(weight * loss) / n_rows (+ l2), as in Keras. Metrics are taken before the update, with
 * dropout on. DBT_EDIVERGED when loss or gradient is not finite, naming the step: the weights are
 * then as before (rows that lagged may have been caught up). DBT_EUSAGE when the batch does not fit
 * the network (columns, labels) or has no rows. DBT_ENOMEM. After any failure the step may be
 * repeated.
 */
DBT_EXPORT DBT_MUST_USE dbt_status dbt_network_train(dbt_network *network, const dbt_batch *batch,
                                                     const int32_t *label, const float *weight,
                                                     dbt_position position, dbt_metrics *metrics,
                                                     dbt_error *err);

/*
 * A step in two halves. dbt_prepare does what needs no weights (dropout on the entries of the
 * batch, and their transpose): any thread may do it before the step's turn, each with a preparer of
 * its own. `prepared`, whose content it replaces, does not point into the batch. What
 * dbt_network_train_prepared returns, and the bits it makes, are those of dbt_network_train with
 * the same batch and position. The network must outlive preparers, and these and what they prepare
 * are of this network alone. dbt_prepare: DBT_EUSAGE, DBT_ENOMEM; after a failure, as before the
 * first time, `prepared` is no step, and dbt_network_train_prepared returns DBT_EUSAGE.
 */
DBT_EXPORT DBT_MUST_USE dbt_status dbt_preparer_new(const dbt_network *network,
                                                    dbt_preparer **preparer, dbt_error *err);
DBT_EXPORT DBT_MUST_USE dbt_status dbt_prepared_new(const dbt_network *network,
                                                    dbt_prepared **prepared, dbt_error *err);
/* Both take NULL. */
DBT_EXPORT void dbt_preparer_free(dbt_preparer *preparer);
DBT_EXPORT void dbt_prepared_free(dbt_prepared *prepared);
DBT_EXPORT DBT_MUST_USE dbt_status dbt_prepare(dbt_preparer *preparer, const dbt_batch *batch,
                                               dbt_position position, dbt_prepared *prepared,
                                               dbt_error *err);
DBT_EXPORT DBT_MUST_USE dbt_status dbt_network_train_prepared(dbt_network *network,
                                                              const dbt_prepared *prepared,
                                                              const int32_t *label,
                                                              const float *weight,
                                                              dbt_metrics *metrics, dbt_error *err);

/* Catches up all rows of the first layer to the last step taken. */
DBT_EXPORT void dbt_network_settle(dbt_network *network);

/* l2 * sum of squared weights: what the l2 penalty adds to a loss (0 without l2). */
DBT_EXPORT double dbt_network_penalty(const dbt_network *network);

/* Sets the learning rate (> 0) of the steps to come. Settles the network first if it changes. */
DBT_EXPORT void dbt_network_set_learning_rate(dbt_network *network, double learning_rate);

/* DBT_EDIVERGED, naming the parameter, when a weight is not finite. */
DBT_EXPORT DBT_MUST_USE dbt_status dbt_network_check(const dbt_network *network, dbt_error *err);

/* Scratch memory for predicting in one thread. The network must outlive it. DBT_ENOMEM. */
DBT_EXPORT DBT_MUST_USE dbt_status dbt_workspace_new(const dbt_network *network,
                                                     dbt_workspace **workspace, dbt_error *err);
/* Takes NULL. */
DBT_EXPORT void dbt_workspace_free(dbt_workspace *workspace);

/*
 * Probabilities [n_rows x n_classes], row-major, without dropout; the memory is the workspace's,
 * valid until its next use. Several threads may predict at once, each with its workspace. How rows
 * are put together into batches changes a result by rounding alone (less than 1e-6).
 * DBT_EUSAGE, DBT_ENOMEM.
 */
DBT_EXPORT DBT_MUST_USE dbt_status dbt_network_predict(const dbt_network *network,
                                                       dbt_workspace *workspace,
                                                       const dbt_batch *batch,
                                                       const float **probability, dbt_error *err);

/*
 * Metrics of the batch that `workspace` was last used to predict, against labels (no weights, no
 * label smoothing). A row of DBT_UNKNOWN_LABEL is not correct, and its loss is that of a
 * probability of 1e-7, Keras' smallest; a row of DBT_NO_LABEL is left out, of n_rows too.
 */
DBT_EXPORT dbt_metrics dbt_network_score(const dbt_workspace *workspace, const int32_t *label);

#ifdef __cplusplus
}
#endif
#endif
