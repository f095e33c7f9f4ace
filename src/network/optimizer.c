/*
 * optimizer.c: what a step does to weights that have a gradient, and to those that have none.
 *
 * The rules are Keras'. Adam and momentum move every weight at every step; for the first layer, of
 * which a batch touches a part of the rows, that sweep would be most of the work. A row without a
 * gradient only decays, so its steps can be made up for when it is next needed. For Adam, D steps
 * after step t = T - D, with a_n = lr * sqrt(1 - b2^n) / (1 - b1^n), q_j = b2^(j/2), s = sqrt(v), z
 * = s / (s + eps),
 *
 *     w -= sum over j = 1..D of a_(t+j) * b1^j m / (q_j s + eps)
 *        = m / (s + eps) * (A0 + z A1 + z^2 A2 + z^3 A3),  A_k = sum of a_(t+j) b1^j (1 - q_j)^k,
 *
 * by expanding 1 / (q_j s + eps) = 1 / ((s + eps) (1 - z (1 - q_j))) in 1 - q_j, which is small as
 * long as b1^j is not. AdamW shrinks w by r = 1 - lr * decay before each of them, so w starts at
 * r^D w and term j gets r^(D-j).
 *
 * All rows are caught up to the same step T, so A_k depends on D alone, and a table over D serves
 * all of them. By the binomial theorem A_k is made of S_p = sum of a_(t+j) (b1 b2^(p/2))^j r^(D-j),
 * p = 0..3, and those follow from each other: with c_p = b1 b2^(p/2),
 *
 *     S_p(D) = c_p * (a_(T-D+1) r^(D-1) + S_p(D-1)),
 *
 * a few multiplications for each D. (The differences of the S_p cancel, which costs relative, not
 * absolute, precision of A_k, and z is at most 1.) A gap longer than the table is summed on its
 * own, over its first 200 steps: b1^200 is 7e-10. Nothing here depends on the past but `step`.
 *
 * All of this takes the learning rate of the gap to be one number: dbt_network_set_learning_rate
 * catches everything up before it changes it.
 */
#include <math.h>

#include "network_internal.h"

static const double b1 = 0.9;
static const double b2 = 0.999;
static const double epsilon = 1e-7;
static const double adagrad_start = 0.1;

/* Steps of a gap after which b1^j is nothing. */
#define SUMMED_STEPS 200
/* Steps from which both corrections are 1 in double: 0.999^40000 is 4e-18. */
#define CORRECTED_STEPS 40000

enum { BIAS, WEIGHT };

static bool is_adam(dbt_optimizer kind)
{
    return kind == DBT_ADAM || kind == DBT_ADAMW || kind == DBT_LAZY_ADAM;
}

size_t dbt__optimizer_states(const dbt_network_options *options)
{
    if (is_adam(options->optimizer)) return 2;
    if (options->optimizer == DBT_SGD) return options->momentum > 0 ? 1 : 0;
    return 1;
}

float dbt__optimizer_initial_state(const dbt_network_options *options)
{
    return options->optimizer == DBT_ADAGRAD ? (float)adagrad_start : 0;
}

bool dbt__optimizer_lags(const dbt_network_options *options)
{
    if (options->l2 > 0) return false; /* every row has a gradient at every step */
    return options->optimizer == DBT_ADAM || options->optimizer == DBT_ADAMW ||
           (options->optimizer == DBT_SGD && options->momentum > 0);
}

/* The learning rate with Adam's corrections, from b1^n and b2^n of the step n. */
static double correct_rate(const dbt__optimizer *optimizer, double b1_power, double b2_power)
{
    return optimizer->learning_rate * sqrt(1 - b2_power) / (1 - b1_power);
}

static double rate_of_step(const dbt__optimizer *optimizer, int64_t n)
{
    return correct_rate(optimizer, pow(b1, (double)n), pow(b2, (double)n));
}

static double shrink_of_a_step(const dbt__optimizer *optimizer)
{
    return 1 - optimizer->learning_rate * optimizer->weight_decay;
}

/* What gaps need that do not change from step to step, and the rates of the steps before. */
static void set_adam(dbt__optimizer *optimizer)
{
    double shrink = shrink_of_a_step(optimizer), b1_power = 1, b2_power = 1;
    optimizer->shrink[0] = 1;
    for (size_t d = 1; d <= DBT__MAXIMUM_GAP; d++) {
        dbt__adam_gap *gap = &optimizer->gap[d].adam;
        optimizer->shrink[d] = optimizer->shrink[d - 1] * shrink;
        b1_power *= b1;
        b2_power *= b2;
        gap->m_scale = (float)b1_power;
        gap->v_scale = (float)b2_power;
        gap->epsilon = (float)optimizer->epsilon;
        gap->decay = (float)(1 - optimizer->shrink[d]);
    }
    int64_t last = optimizer->step;
    for (int64_t n = last < DBT__MAXIMUM_GAP ? 1 : last - DBT__MAXIMUM_GAP + 1; n <= last; n++)
        optimizer->rate[n % DBT__MAXIMUM_GAP] = rate_of_step(optimizer, n);
}

void dbt__optimizer_set(dbt__optimizer *optimizer, int64_t step, double learning_rate)
{
    optimizer->step = step;
    optimizer->learning_rate = learning_rate;
    optimizer->n_gaps = 0; /* gaps end at another step now */
    if (is_adam(optimizer->kind)) set_adam(optimizer);
}

void dbt__optimizer_init(dbt__optimizer *optimizer, const dbt_network_options *options,
                         const dbt__kernels *kernels)
{
    *optimizer = (dbt__optimizer){
        .kernels = kernels,
        .kind = options->optimizer,
        .momentum = options->momentum,
        .nesterov = options->nesterov,
        .weight_decay = options->optimizer == DBT_ADAMW ? options->weight_decay : 0,
        .l2 = options->l2,
        .epsilon = epsilon,
    };
    dbt__optimizer_set(optimizer, 0, options->learning_rate);
}

void dbt__optimizer_begin(dbt__optimizer *optimizer)
{
    int64_t n = optimizer->step + 1;
    double rate = rate_of_step(optimizer, n);
    optimizer->rate[n % DBT__MAXIMUM_GAP] = rate;
    for (int i = BIAS; i <= WEIGHT; i++) {
        float l2 = i == WEIGHT ? (float)(2 * optimizer->l2) : 0;
        optimizer->adam[i] = (dbt__adam_step){
            .b1 = (float)b1,
            .b1_rest = (float)(1 - b1),
            .b2 = (float)b2,
            .b2_rest = (float)(1 - b2),
            .rate = (float)rate,
            .epsilon = (float)optimizer->epsilon,
            .decay = (float)(optimizer->learning_rate * optimizer->weight_decay),
            .l2 = l2,
        };
        optimizer->sgd[i] = (dbt__sgd_step){
            .rate = (float)optimizer->learning_rate,
            .momentum = (float)optimizer->momentum,
            .l2 = l2,
            .nesterov = optimizer->nesterov,
        };
    }
}

void dbt__optimizer_update(const dbt__optimizer *optimizer, bool is_weight, size_t n,
                           const float *gradient, float *value, float *state0, float *state1)
{
    const dbt__kernels *kernels = optimizer->kernels;
    const dbt__sgd_step *sgd = &optimizer->sgd[is_weight ? WEIGHT : BIAS];
    if (is_adam(optimizer->kind))
        kernels->adam(n, &optimizer->adam[is_weight ? WEIGHT : BIAS], gradient, value, state0,
                      state1);
    else if (optimizer->kind == DBT_SGD)
        kernels->sgd(n, sgd, gradient, value, state0);
    else
        kernels->adagrad(n, sgd->rate, (float)optimizer->epsilon, sgd->l2, gradient, value, state0);
}

void dbt__optimizer_end(dbt__optimizer *optimizer)
{
    optimizer->step++;
    optimizer->n_gaps = 0; /* gaps end at another step now */
}

/* A_k from S_p. */
static void set_coefficients(dbt__adam_gap *gap, const double s[4])
{
    gap->a[0] = (float)s[0];
    gap->a[1] = (float)(s[0] - s[1]);
    gap->a[2] = (float)(s[0] - 2 * s[1] + s[2]);
    gap->a[3] = (float)(s[0] - 3 * s[1] + 3 * s[2] - s[3]);
}

/* c_p = b1 b2^(p/2) */
static void make_factors(double factor[4])
{
    for (int p = 0; p < 4; p++)
        factor[p] = b1 * pow(b2, p / 2.0);
}

/* Continues the table of Adam's gaps from n_gaps to `longest`. */
static void tabulate_adam(dbt__optimizer *optimizer, size_t longest)
{
    double *s = optimizer->gap_sums, factor[4];
    if (optimizer->n_gaps == 0) s[0] = s[1] = s[2] = s[3] = 0;
    make_factors(factor);
    for (size_t d = optimizer->n_gaps + 1; d <= longest; d++) {
        size_t first = (size_t)optimizer->step - d + 1;
        double moved = optimizer->rate[first % DBT__MAXIMUM_GAP] * optimizer->shrink[d - 1];
        for (int p = 0; p < 4; p++)
            s[p] = factor[p] * (moved + s[p]);
        set_coefficients(&optimizer->gap[d].adam, s);
    }
}

/* velocity *= mu^D; w += velocity * (mu + mu^2 + ... + mu^D), times mu with nesterov. */
static void tabulate_sgd(dbt__optimizer *optimizer, size_t longest)
{
    double *sum = &optimizer->gap_sums[0], *power = &optimizer->gap_power;
    double mu = optimizer->momentum;
    if (optimizer->n_gaps == 0) {
        *sum = 0;
        *power = 1;
    }
    for (size_t d = optimizer->n_gaps + 1; d <= longest; d++) {
        *sum = mu * (1 + *sum);
        *power *= mu;
        double move = optimizer->nesterov ? mu * *sum : *sum;
        optimizer->gap[d].sgd.move = (float)move;
        optimizer->gap[d].sgd.scale = (float)*power;
    }
}

void dbt__optimizer_prepare(dbt__optimizer *optimizer, int64_t longest)
{
    size_t needed = longest > DBT__MAXIMUM_GAP ? DBT__MAXIMUM_GAP : (size_t)longest;
    if (needed <= optimizer->n_gaps) return;
    if (optimizer->kind == DBT_SGD)
        tabulate_sgd(optimizer, needed);
    else
        tabulate_adam(optimizer, needed);
    optimizer->n_gaps = needed;
}

/* A gap beyond the table, from the steps that count. */
static dbt__gap sum_adam_gap(const dbt__optimizer *optimizer, int64_t gap)
{
    int64_t begin = optimizer->step - gap;
    double shrink = shrink_of_a_step(optimizer), factor[4], s[4] = {0};
    double term[4] = {1, 1, 1, 1};
    double b1_power = pow(b1, (double)begin), b2_power = pow(b2, (double)begin);
    /* r^(D-j), from the end of the sum, without dividing by r. */
    double shrinks[SUMMED_STEPS + 1];
    shrinks[SUMMED_STEPS] = pow(shrink, (double)(gap - SUMMED_STEPS));
    for (int j = SUMMED_STEPS; j > 0; j--)
        shrinks[j - 1] = shrinks[j] * shrink;
    make_factors(factor);
    for (int j = 1; j <= SUMMED_STEPS; j++) {
        b1_power *= b1;
        b2_power *= b2;
        double rate = begin > CORRECTED_STEPS ? optimizer->learning_rate
                                              : correct_rate(optimizer, b1_power, b2_power);
        for (int p = 0; p < 4; p++) {
            term[p] *= factor[p];
            s[p] += rate * term[p] * shrinks[j];
        }
    }
    dbt__gap effect = {.adam = {.m_scale = (float)pow(b1, (double)gap),
                                .v_scale = (float)pow(b2, (double)gap),
                                .epsilon = (float)optimizer->epsilon,
                                .decay = (float)(1 - pow(shrink, (double)gap))}};
    set_coefficients(&effect.adam, s);
    return effect;
}

static dbt__gap sum_sgd_gap(const dbt__optimizer *optimizer, int64_t gap)
{
    double mu = optimizer->momentum, power = pow(mu, (double)gap);
    double move = mu * (1 - power) / (1 - mu);
    return (dbt__gap){
        .sgd = {.move = (float)(optimizer->nesterov ? mu * move : move), .scale = (float)power}};
}

void dbt__optimizer_catch_up(const dbt__optimizer *optimizer, int64_t gap, size_t n, float *value,
                             float *state0, float *state1)
{
    dbt__gap effect;
    if (gap <= (int64_t)optimizer->n_gaps)
        effect = optimizer->gap[gap];
    else if (optimizer->kind == DBT_SGD)
        effect = sum_sgd_gap(optimizer, gap);
    else
        effect = sum_adam_gap(optimizer, gap);
    if (optimizer->kind == DBT_SGD)
        optimizer->kernels->sgd_gap(n, effect.sgd.move, effect.sgd.scale, value, state0);
    else
        optimizer->kernels->adam_gap(n, &effect.adam, value, state0, state1);
}
