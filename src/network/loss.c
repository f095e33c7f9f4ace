/*
 * loss.c: binary and categorical cross-entropy of logits, in double.
 *
 * With z the logits, y the target after smoothing and w the row's weight:
 *
 *     sigmoid: loss = max(z, 0) - z y + log(1 + e^-|z|),         d loss / dz   = sigmoid(z) - y
 *     softmax: loss = log(sum of e^z_k) - sum of y_k z_k,          d loss / dz_k = softmax(z)_k -
 * y_k
 *
 * which never take the logarithm of a probability that was rounded to 0. Smoothing as in Keras: y
 * (1 - s) + s / 2, and y_k (1 - s) + s / K. A NaN in a logit is a NaN in the loss.
 */
#include <math.h>

#include "network_internal.h"

/* Of logits that are further apart the probabilities differ in float, too, whose steps are at most
 * 2^-23 of a number. */
#define CLOSE_LOGITS 1e-6

/* Keras' smallest probability: the loss of a label that the network has no output for. */
#define SMALLEST_PROBABILITY 1e-7

static double sigmoid(double z)
{
    return 1 / (1 + exp(-z));
}

/* log(sum of e^z_k): the largest is taken out, so that nothing overflows. */
static double log_sum_exp(size_t n, const float *z)
{
    double largest = (double)z[0], sum = 0;
    for (size_t k = 1; k < n; k++)
        if ((double)z[k] > largest) largest = (double)z[k];
    for (size_t k = 0; k < n; k++)
        sum += exp((double)z[k] - largest);
    return largest + log(sum);
}

/* Of the softmax of these logits, rounded to float. */
static float softmax(float z, double log_sum)
{
    return (float)exp((double)z - log_sum);
}

static size_t find_largest(size_t n, const float *z)
{
    size_t best = 0;
    for (size_t k = 1; k < n; k++)
        if (z[k] > z[best]) best = k;
    return best;
}

/* Loss of a row with the label 0 or 1, and its derivative times `scale`. */
static double lose_binary(float logit, int32_t label, double smoothing, double scale, float *delta)
{
    double z = (double)logit;
    double target = label * (1 - smoothing) + smoothing / 2;
    if (delta != NULL) *delta = (float)(scale * (sigmoid(z) - target));
    return (z < 0 ? 0 : z) - z * target + log1p(exp(-fabs(z)));
}

static double lose_categorical(size_t n, const float *z, int32_t label, double smoothing,
                               double scale, float *delta)
{
    double log_sum = log_sum_exp(n, z);
    double rest = smoothing / (double)n; /* target of every class; the label's has 1 - s more */
    double loss = log_sum - (1 - smoothing) * (double)z[label];
    if (smoothing > 0)
        for (size_t k = 0; k < n; k++)
            loss -= rest * (double)z[k];
    if (delta == NULL) return loss;
    for (size_t k = 0; k < n; k++) {
        double target = rest + (k == (size_t)label ? 1 - smoothing : 0);
        delta[k] = (float)(scale * (exp((double)z[k] - log_sum) - target));
    }
    return loss;
}

/* The most probable class, the first of those whose logits are close and whose probabilities are
 * equal once they are rounded. */
static size_t classify_close(size_t n, const float *z)
{
    double log_sum = log_sum_exp(n, z);
    size_t best = 0;
    for (size_t k = 1; k < n; k++)
        if (softmax(z[k], log_sum) > softmax(z[best], log_sum)) best = k;
    return best;
}

/* The same decision as the probabilities of dbt__probabilities, rounded to float, give: those are
 * what predictions are chosen by. */
static size_t classify(size_t n_classes, const float *z)
{
    if (n_classes == 2) return (float)sigmoid((double)z[0]) > 0.5f ? 1 : 0;
    size_t best = find_largest(n_classes, z), close = 0;
    for (size_t k = 0; k < n_classes; k++)
        if ((double)z[k] >= (double)z[best] - CLOSE_LOGITS) close++;
    return close > 1 ? classify_close(n_classes, z) : best;
}

void dbt__loss(const dbt__targets *targets, const float *logits, float *delta, dbt_metrics *metrics)
{
    size_t n_classes = targets->n_classes, outputs = n_classes == 2 ? 1 : n_classes;
    double smoothing = targets->label_smoothing;
    *metrics = (dbt_metrics){.n_rows = targets->n_rows};
    for (size_t r = 0; r < targets->n_rows; r++) {
        const float *z = logits + r * outputs;
        float *d = delta == NULL ? NULL : delta + r * outputs;
        int32_t label = targets->label[r];
        if (label == DBT_NO_LABEL) {
            metrics->n_rows--;
            continue;
        }
        if (label < 0 || (size_t)label >= n_classes) {
            metrics->loss += -log(SMALLEST_PROBABILITY);
            continue;
        }
        double weight = targets->weight == NULL ? 1 : (double)targets->weight[r];
        double scale = weight / (double)targets->n_rows;
        double loss = n_classes == 2 ? lose_binary(z[0], label, smoothing, scale, d)
                                     : lose_categorical(outputs, z, label, smoothing, scale, d);
        metrics->loss += weight * loss;
        metrics->correct += classify(n_classes, z) == (size_t)label ? 1 : 0;
    }
}

void dbt__probabilities(size_t n_rows, size_t n_classes, const float *logits, float *probability)
{
    for (size_t r = 0; r < n_rows; r++) {
        float *p = probability + r * n_classes;
        if (n_classes == 2) {
            double z = (double)logits[r];
            p[0] = (float)sigmoid(-z);
            p[1] = (float)sigmoid(z);
            /* Floats are denser below a half: what decides is p[1] > 0.5, and p[1] > p[0] alike. */
            if (p[1] == 0.5f) p[0] = 0.5f;
            continue;
        }
        const float *z = logits + r * n_classes;
        double log_sum = log_sum_exp(n_classes, z);
        for (size_t k = 0; k < n_classes; k++)
            p[k] = softmax(z[k], log_sum);
    }
}
