/*
 * linalg.h: matrix products and the vector kernels of training. Matrices are float, row-major.
 *
 * Two kinds of work, two ways. Products of dense matrices go to OpenBLAS through one function,
 * dbt__gemm, which checks the shapes before (OpenBLAS reports a bad one on stdout, and returns).
 * What a sparse batch needs, sums of scattered rows and the optimizers' updates of rows, is written
 * here: one source, kernels_body.h, compiled for several instruction sets, the best of which is
 * taken when the program starts to use it.
 *
 * Every function is a plain function of its arguments: it has no state, uses no threads, sums in a
 * fixed order, and so gives the same bits on the same machine whoever calls it. A caller may cut
 * work for the kernels between rows as it likes; the result of OpenBLAS depends on the shape of the
 * product, so a caller that promises the same bits must cut products into blocks of fixed shape.
 */
#ifndef DBT_LINALG_H
#define DBT_LINALG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <dbtrain/status.h>

/* --- dense products --- */

/* Loads OpenBLAS, once in a process, from any thread. DBT_EINTERNAL, saying what to install. */
dbt_status dbt__blas_load(dbt_error *err) DBT_MUST_USE;
/* What the loaded library says of itself: version, how it was built, the processor that it chose
 * its kernels for. Static. */
const char *dbt__blas_name(void);

typedef enum dbt__transpose { DBT__AS_IS, DBT__TRANSPOSED } dbt__transpose;

/*
 * C = alpha * op(A) op(B) + beta * C, with op(A) m x k, op(B) k x n, C m x n. lda, ldb and ldc are
 * the floats between the starts of two rows as stored. C is only written when beta is 0. Runs on
 * the calling thread. DBT_EINTERNAL when a row is longer than its distance to the next or a size
 * is beyond BLAS' int, and when dbt__blas_load has not succeeded; DBT_ENOMEM.
 */
dbt_status dbt__gemm(dbt__transpose transpose_a, dbt__transpose transpose_b, size_t m, size_t n,
                     size_t k, float alpha, const float *a, size_t lda, const float *b, size_t ldb,
                     float beta, float *c, size_t ldc, dbt_error *err) DBT_MUST_USE;
/* The same by its definition, summed in double, without BLAS: what the tests compare with. */
dbt_status dbt__gemm_plain(dbt__transpose transpose_a, dbt__transpose transpose_b, size_t m,
                           size_t n, size_t k, float alpha, const float *a, size_t lda,
                           const float *b, size_t ldb, float beta, float *c, size_t ldc,
                           dbt_error *err) DBT_MUST_USE;

/* --- kernels --- */

/* One step of Adam: g' = g + l2 * w, m = b1 m + (1 - b1) g', v = b2 v + (1 - b2) g'^2,
 * w -= decay * w + rate * m / (sqrt(v) + epsilon). */
typedef struct dbt__adam_step {
    float b1;
    float b1_rest; /* 1 - b1, rounded once */
    float b2;
    float b2_rest;
    float rate; /* the learning rate with the corrections of both moments */
    float epsilon;
    float decay; /* AdamW: learning rate * weight decay; else 0 */
    float l2;    /* twice the factor of the penalty */
} dbt__adam_step;

/* Steps of Adam without a gradient, all at once: with s = sqrt(v), z = s / (s + epsilon),
 * w -= decay * w + m / (s + epsilon) * (a[0] + z a[1] + z^2 a[2] + z^3 a[3]),
 * m *= m_scale, v *= v_scale. */
typedef struct dbt__adam_gap {
    float a[4];
    float m_scale;
    float v_scale;
    float epsilon;
    float decay; /* 1 - (1 - learning rate * weight decay)^steps */
} dbt__adam_gap;

/* One step of SGD: g' = g + l2 * w, velocity = momentum * velocity - rate * g', then w += velocity,
 * or with nesterov w += momentum * velocity - rate * g'. */
typedef struct dbt__sgd_step {
    float rate;
    float momentum;
    float l2;
    bool nesterov;
} dbt__sgd_step;

/* The bits of a dropout mask are a function of (key, element) alone: an element is kept when
 * dbt__dropout_hash(key, element) >= threshold, and then multiplied by scale. */
typedef struct dbt__dropout {
    uint32_t threshold; /* rate * 2^32 */
    float scale;        /* 1 / (1 - rate) */
} dbt__dropout;

/* lowbias32 (Ellis), with half of the key before and half in the middle: 32-bit operations alone,
 * which every vector unit has. */
static inline uint32_t dbt__dropout_hash(uint64_t key, uint32_t element)
{
    uint32_t x = (element * UINT32_C(0x9e3779b9)) ^ (uint32_t)key;
    x = (x ^ (x >> 16)) * UINT32_C(0x7feb352d) + (uint32_t)(key >> 32);
    x = (x ^ (x >> 15)) * UINT32_C(0x846ca68b);
    return x ^ (x >> 16);
}

/* Arrays of one call must not overlap unless they are the same argument. n may be 0. */
typedef struct dbt__kernels {
    const char *name; /* of the instruction set */

    /* y = start + sum over e of value[e] * table[index[e], :], in the order of e. y, start and the
     * rows of the table have n floats; the rows lie `stride` floats apart. start NULL is zero. */
    void (*gather)(size_t n, const float *start, size_t n_entries, const uint32_t *index,
                   const float *value, const float *table, size_t stride, float *y);
    /* y += x */
    void (*add)(size_t n, const float *x, float *y);
    /* Whether all are finite. */
    bool (*is_finite)(size_t n, const float *x);
    /* Sum of squares. */
    double (*squares)(size_t n, const float *x);
    /* x = relu(x); with dropout not NULL, dropped or scaled, x[i] by hash(key, first + i). A NaN
     * that is kept stays one. */
    void (*relu)(size_t n, const dbt__dropout *dropout, uint64_t key, size_t first, float *x);
    /* The gradient before that relu, from the one after it: d = h > 0 ? d * scale : 0. */
    void (*relu_gradient)(size_t n, const float *h, float scale, float *d);
    /* The entries that dropout keeps, scaled; element e by hash(key, index[e]). Returns how many.
     * The outputs must have room for n_entries. */
    size_t (*drop_entries)(size_t n_entries, const dbt__dropout *dropout, uint64_t key,
                           const uint32_t *index, const float *value, uint32_t *kept_index,
                           float *kept_value);

    void (*adam)(size_t n, const dbt__adam_step *step, const float *g, float *w, float *m,
                 float *v);
    void (*adam_gap)(size_t n, const dbt__adam_gap *gap, float *w, float *m, float *v);
    void (*sgd)(size_t n, const dbt__sgd_step *step, const float *g, float *w, float *velocity);
    /* w += move * velocity, velocity *= scale */
    void (*sgd_gap)(size_t n, float move, float scale, float *w, float *velocity);
    /* g' = g + l2 * w, a += g'^2, w -= rate * g' / (sqrt(a) + epsilon) */
    void (*adagrad)(size_t n, float rate, float epsilon, float l2, const float *g, float *w,
                    float *a);
} dbt__kernels;

/* The kernels for this processor. */
const dbt__kernels *dbt__kernels_get(void);
/* Variant 0, 1, ... of those that this processor can run, the plain one first; NULL after the last.
 */
const dbt__kernels *dbt__kernels_variant(size_t index);

/* The variants, each in its file; NULL when it was not built for this architecture. */
const dbt__kernels *dbt__kernels_plain(void);
const dbt__kernels *dbt__kernels_avx2(void);
const dbt__kernels *dbt__kernels_avx512(void);

#endif
