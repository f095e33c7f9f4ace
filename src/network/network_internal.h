/*
 * network_internal.h: the network's structures, for its own files and for whoever stores its state.
 *
 * options.c     ranges, names, sizes
 * network.c     the object: making, freeing, parameters
 * sparse.c      a batch after dropout, and its transpose
 * prepare.c     the same, of a batch whose step is to come
 * first_layer.c what a step does to the layer whose inputs are sparse
 * forward.c     activations; predict and score
 * loss.c        losses, probabilities, and the gradient of the logits
 * train.c       a step: forward, backward, gradient, update
 * optimizer.c   what a gradient, or its absence, does to weights
 * state.c       what a resume needs, handed out and taken back
 *
 * A step makes its gradient as a value (dbt__gradient, and dbt__span for the first layer) before
 * the optimizer sees it, so that gradients of several machines could be summed in between.
 *
 * An exact resume needs, besides the options: every dbt__layer's weights and states as they are,
 * last_step (when not NULL), and optimizer.step: state.h. All else is scratch that a step fills
 * anew.
 *
 * Threads. The work of a phase is cut into tasks that each own a part of the output; no task adds
 * to what another wrote. Kernels give an element the same bits however the rows around it are cut;
 * products through OpenBLAS do not, so those are cut into blocks of DBT__BLOCK columns (or rows of
 * a weight's gradient), whatever the pool, and a sum over the features of the first layer is one
 * over DBT__PARTS sums. Whether a phase is worth waking the pool decides about speed alone.
 */
#ifndef DBT_NETWORK_INTERNAL_H
#define DBT_NETWORK_INTERNAL_H

#include <string.h>

#include <dbtrain/network.h>

#include "base.h"
#include "linalg.h"

/* Columns of an output that one product computes. */
#define DBT__BLOCK 256
/* Parts of the first layer's rows, each of which is summed on its own. */
#define DBT__PARTS 8
/* Rows of the batch whose sums are held at once. Bits do not depend on it. */
#define DBT__SUM_ROWS 256
/* Counts the changes of what a step computes in its last bits. 1: a sum over features is one sum;
 * 2: one of DBT__PARTS; 3: they are added in pairs, and Adam's rates are each computed on its own.
 */
#define DBT__ARITHMETIC 3
/* How many times faster, for each multiply-add, a dense product is than a sum of scattered rows. */
#define DBT__DENSE_SPEED 3.0
/* What an update of a weight costs, in multiply-adds of such a sum. */
#define DBT__UPDATE_COST 4.0
/* Gaps whose coefficients are tabulated; longer ones are computed one by one. */
#define DBT__MAXIMUM_GAP 2048

/* Tasks of `by` elements that n elements make. */
static inline size_t dbt__divide_up(size_t n, size_t by)
{
    return (n + by - 1) / by;
}

static inline size_t dbt__smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* --- optimizer.c --- */

/* What steps without a gradient do to a row. */
typedef union dbt__gap {
    dbt__adam_gap adam;
    struct {
        float move;
        float scale;
    } sgd;
} dbt__gap;

typedef struct dbt__optimizer {
    const dbt__kernels *kernels;
    dbt_optimizer kind;
    double learning_rate;
    double momentum;
    bool nesterov;
    double weight_decay; /* 0 unless adamw */
    double l2;
    double epsilon;
    int64_t step; /* steps taken; the next one is step + 1 */
    /* Of Adam: the corrected learning rates of the last steps, of step n at n % DBT__MAXIMUM_GAP,
     * and what d steps shrink a weight to. */
    double rate[DBT__MAXIMUM_GAP];
    double shrink[DBT__MAXIMUM_GAP + 1];

    /* Of the step that dbt__optimizer_begin announced: for biases, and for weights (with l2). */
    dbt__adam_step adam[2];
    dbt__sgd_step sgd[2];

    /* gap[d]: d steps up to and including `step`, d = 1 .. n_gaps. The running sums continue it. */
    size_t n_gaps;
    double gap_sums[4];
    double gap_power;
    dbt__gap gap[DBT__MAXIMUM_GAP + 1];
} dbt__optimizer;

void dbt__optimizer_init(dbt__optimizer *optimizer, const dbt_network_options *options,
                         const dbt__kernels *kernels);
/* `step` steps have been taken, and the next ones are at this learning rate. */
void dbt__optimizer_set(dbt__optimizer *optimizer, int64_t step, double learning_rate);
/* Arrays of the size of the weights that the rule keeps: 0, 1 or 2; and what they start with. */
size_t dbt__optimizer_states(const dbt_network_options *options);
float dbt__optimizer_initial_state(const dbt_network_options *options);
/* Whether rows without a gradient move, and may be caught up later. */
bool dbt__optimizer_lags(const dbt_network_options *options);
/* Makes the constants of step + 1, which dbt__optimizer_update applies. */
void dbt__optimizer_begin(dbt__optimizer *optimizer);
/* One step of n weights or biases; states that the rule does not have are NULL. Any thread. */
void dbt__optimizer_update(const dbt__optimizer *optimizer, bool is_weight, size_t n,
                           const float *gradient, float *value, float *state0, float *state1);
/* The step is done. */
void dbt__optimizer_end(dbt__optimizer *optimizer);
/* Tabulates gaps up to `longest`, before threads call dbt__optimizer_catch_up. */
void dbt__optimizer_prepare(dbt__optimizer *optimizer, int64_t longest);
/* The `gap` steps (> 0) up to and including optimizer->step, none of which had a gradient. Any
 * thread. */
void dbt__optimizer_catch_up(const dbt__optimizer *optimizer, int64_t gap, size_t n, float *value,
                             float *state0, float *state1);

/* --- sparse.c --- */

/* What dropout needs to know of where it is; layer 0 is the input. */
typedef struct dbt__mask {
    dbt__dropout dropout;
    uint64_t step_key;
} dbt__mask;

dbt__mask dbt__mask_make(const dbt_network_options *options, dbt_position position);
/* The key of a row's elements. */
uint64_t dbt__mask_key(const dbt__mask *mask, size_t row, size_t layer);

/* What of a batch lies in a range of columns, after dropout, and its transpose: feature by feature,
 * the rows that have it. */
typedef struct dbt__sparse {
    const dbt__kernels *kernels;
    size_t n_parts;                 /* of the range */
    uint32_t bound[DBT__PARTS + 1]; /* [n_parts + 1]: part p has columns bound[p] .. bound[p+1]-1 */

    size_t n_rows;
    size_t *start; /* [n_rows * n_parts + 1]: entries of row r in part p are start[r * n_parts + p]
                      up to the next number */
    uint32_t *column;
    float *value;

    size_t n_active;
    uint32_t *active;     /* [n_active] columns with an entry, ascending */
    size_t *active_start; /* [n_active + 1] */
    uint32_t *active_row; /* [active_start[n_active]] rows of each, ascending */
    float *active_value;

    /* private */
    size_t row_capacity, column_capacity, value_capacity;
    size_t active_capacity, start_capacity, active_row_capacity, active_value_capacity;
} dbt__sparse;

/* Scratch of whoever fills one, for the columns of its range: all zeros between calls. */
typedef struct dbt__column_set {
    uint32_t *cursor; /* [columns] */
    uint64_t *seen;   /* bit set of them */
} dbt__column_set;

/* DBT_ENOMEM. */
dbt_status dbt__column_set_init(dbt__column_set *columns, size_t n_columns,
                                dbt_error *err) DBT_MUST_USE;
/* One of zeros too. */
void dbt__column_set_release(dbt__column_set *columns);
/* bound [n_parts + 1] ascends; n_parts is DBT__PARTS at most. */
void dbt__sparse_init(dbt__sparse *sparse, const uint32_t *bound, size_t n_parts,
                      const dbt__kernels *kernels);
/* One of zeros too. */
void dbt__sparse_release(dbt__sparse *sparse);
/* Refuses a batch that does not fit n_columns: DBT_EUSAGE. */
dbt_status dbt__batch_check(const dbt_batch *batch, size_t n_columns, dbt_error *err) DBT_MUST_USE;
/* The batch is checked. DBT_ENOMEM. */
dbt_status dbt__sparse_fill(dbt__sparse *sparse, dbt__column_set *columns, const dbt_batch *batch,
                            const dbt__mask *mask, dbt_error *err) DBT_MUST_USE;

/* --- the network --- */

typedef struct dbt__layer {
    size_t inputs;
    size_t outputs;
    float *weight;          /* [inputs x outputs] */
    float *bias;            /* [outputs] */
    float *weight_state[2]; /* the optimizer's, or NULL: m and v; velocity; sum of squares */
    float *bias_state[2];
} dbt__layer;

/* The rows that a batch touches are far apart, in arrays that no near cache holds: they are asked
 * of memory so many rows before their turn. */
#define DBT__ROWS_AHEAD 8

/* Asks for the beginning of a row and its state, to be written: the processor sees what follows. */
static inline void dbt__prefetch_row(const dbt__layer *layer, size_t row)
{
    enum { LINE = 16, MOST = 8 * LINE }; /* floats */
    size_t at = row * layer->outputs, end = at + dbt__smaller(layer->outputs, MOST);
    for (; at < end; at += LINE) {
        __builtin_prefetch(layer->weight + at, 1);
        for (size_t i = 0; i < 2; i++)
            if (layer->weight_state[i] != NULL) __builtin_prefetch(layer->weight_state[i] + at, 1);
    }
}

/* Outputs of every layer for the rows of a batch, and what they are in the end: forward.c. */
typedef struct dbt__activations {
    size_t n_layers;
    float **output; /* [n_layers]: [rows x outputs]; after relu and dropout, the last one logits */
    size_t *capacity;
} dbt__activations;

/* The gradient of a step, without the l2 penalty, which is a function of the weights. */
typedef struct dbt__gradient {
    float **weight; /* [layers]; weight[0] is NULL: the spans have it */
    float **bias;   /* [layers] */
} dbt__gradient;

/* Neighbouring parts of layer 0's rows, with what a step needs for them. */
typedef struct dbt__span {
    size_t first_part, n_parts;
    size_t first_row, end_row;
    const dbt__sparse *sparse; /* of the step's batch, which has it */
    float *gradient;           /* [sparse.n_active x outputs of layer 0]: of row sparse.active[i] */
    size_t gradient_capacity;
    int64_t longest_gap; /* steps that the rows at hand lag behind, at most */
} dbt__span;

struct dbt_prepared {
    size_t n_rows;
    size_t n_entries; /* of the batch, before dropout */
    dbt__mask mask;
    int64_t step;
    size_t n_spans;
    dbt__sparse *sparse; /* [n_spans]: of the network's spans */
};

struct dbt_preparer {
    const dbt_network *network;
    dbt__column_set *columns; /* [spans of the network] */
};

struct dbt_network {
    dbt_network_options options;
    dbt_pool *pool;
    const dbt__kernels *kernels;
    dbt__layer *layer;
    dbt__optimizer *optimizer;
    int64_t *last_step; /* [n_inputs]: the step up to which a row of layer 0 has moved; NULL: all of
                           them */

    /* scratch of a step */
    size_t n_spans;
    dbt__span
        *span; /* [n_spans]: one a thread, DBT__PARTS at most; layer 0's rows in their order */
    bool share_step;        /* the step is worth the pool */
    dbt_preparer *preparer; /* for batches that nobody has prepared; NULL until there is one */
    dbt_prepared *prepared;
    float *sums; /* [DBT__PARTS x rows x outputs of layer 0]: of some rows of the batch */
    size_t sums_capacity;
    dbt__activations activations;
    dbt__gradient gradient;
    float *delta[2]; /* gradient of the outputs of the layer at hand and of the one below */
    size_t delta_capacity[2];
    float
        *zero_row; /* the gradient of a row that has none, [outputs of layer 0]; NULL without l2 */
};

/* --- options.c --- */

dbt_status dbt__network_options_check(const dbt_network_options *options,
                                      dbt_error *err) DBT_MUST_USE;
/* Outputs of the last layer: 1 for two classes. */
size_t dbt__network_outputs(const dbt_network_options *options);
/* Inputs and outputs of a layer. */
void dbt__layer_shape(const dbt_network_options *options, size_t layer, size_t *inputs,
                      size_t *outputs);

/* --- network.c --- */

/* dbt_pool_for, on the caller's thread alone when `work`, in multiply-adds, is not worth waking the
 * pool. */
dbt_status dbt__run_phase(dbt_pool *pool, double work, size_t n_tasks, dbt_task task, void *context,
                          dbt_error *err) DBT_MUST_USE;

/* --- prepare.c --- */

/* The first row of a part of layer 0, 0 .. DBT__PARTS: of the last one, the end. */
static inline uint32_t dbt__part_bound(const dbt_network *network, size_t part)
{
    return (uint32_t)(network->options.n_inputs * part / DBT__PARTS);
}

/* Checks a batch, of which nothing is prepared yet. DBT_EUSAGE. */
dbt_status dbt__prepare_begin(const dbt_network *network, const dbt_batch *batch,
                              dbt_position position, dbt_prepared *prepared,
                              dbt_error *err) DBT_MUST_USE;
/* Prepares what of it belongs to a span. DBT_ENOMEM. */
dbt_status dbt__prepare_span(const dbt_preparer *preparer, const dbt_batch *batch, size_t span,
                             dbt_prepared *prepared, dbt_error *err) DBT_MUST_USE;

/* --- first_layer.c, in the order of a step --- */

/* DBT_ENOMEM. */
dbt_status dbt__spans_init(dbt_network *network, dbt_error *err) DBT_MUST_USE;
void dbt__spans_release(dbt_network *network);
/* Takes in what was prepared of a batch; not NULL is one that is yet to be, into
 * network->prepared. DBT_ENOMEM. */
dbt_status dbt__first_layer_read(dbt_network *network, const dbt_batch *batch,
                                 const dbt_prepared *prepared, dbt_error *err) DBT_MUST_USE;
/* Brings the rows that the batch has to the present step, and sums them: output [n_rows x outputs],
 * after relu and dropout unless they are logits. */
dbt_status dbt__first_layer_forward(dbt_network *network, const dbt__mask *mask, size_t n_rows,
                                    float *output, dbt_error *err) DBT_MUST_USE;
/* The gradient of the rows, from that of the outputs before relu. DBT_EDIVERGED. */
dbt_status dbt__first_layer_backward(dbt_network *network, const float *delta, int64_t step,
                                     dbt_error *err) DBT_MUST_USE;
/* Applies it: dbt__optimizer_begin has been called. */
dbt_status dbt__first_layer_update(dbt_network *network, dbt_error *err) DBT_MUST_USE;

/* --- forward.c --- */

dbt_status dbt__activations_init(dbt__activations *activations, size_t n_layers,
                                 dbt_error *err) DBT_MUST_USE;
void dbt__activations_release(dbt__activations *activations);
/* Makes room for the outputs of n_rows rows. DBT_ENOMEM. */
dbt_status dbt__activations_reserve(const dbt_network *network, size_t n_rows,
                                    dbt__activations *activations, dbt_error *err) DBT_MUST_USE;
/* relu and dropout (mask NULL: none) of columns first .. first + n - 1 of a row's outputs, unless
 * they are logits. */
void dbt__activate(const dbt_network *network, const dbt__mask *mask, size_t layer, size_t row,
                   size_t first, size_t n, float *x);
/* Outputs of the layers above the first, from the first one's. */
dbt_status dbt__forward_dense(const dbt_network *network, dbt_pool *pool, size_t n_rows,
                              const dbt__mask *mask, dbt__activations *activations,
                              dbt_error *err) DBT_MUST_USE;

/* --- train.c --- */

/* DBT_EDIVERGED: the gradient of a layer is not finite. */
dbt_status dbt__fail_gradient(int64_t step, size_t layer, dbt_error *err);

/* --- loss.c --- */

/* Targets of rows, and how their losses count. */
typedef struct dbt__targets {
    size_t n_rows;
    size_t n_classes;
    const int32_t *label; /* -1: a class that the network does not know (score alone) */
    const float *weight;  /* NULL: all 1 */
    double label_smoothing;
} dbt__targets;

/* Metrics of logits [n_rows x outputs], and, into delta of the same shape unless NULL, the gradient
 * of sum(weight * loss) / n_rows. */
void dbt__loss(const dbt__targets *targets, const float *logits, float *delta,
               dbt_metrics *metrics);
/* Probabilities [n_rows x n_classes] of logits. */
void dbt__probabilities(size_t n_rows, size_t n_classes, const float *logits, float *probability);

#endif
