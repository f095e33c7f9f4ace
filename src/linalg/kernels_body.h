/*
 * kernels_body.h: the source of the kernels, included by kernels_plain.c, kernels_avx2.c and
 * kernels_avx512.c, each of which is compiled for its instruction set (src/CMakeLists.txt) and
 * defines KERNELS_NAME before. linalg.h says what each kernel computes.
 *
 * gather is where training spends its time: it holds a block of the output in registers while it
 * walks the entries, so each entry costs one load of each cache line of its row and nothing is
 * stored until the end. That needs the vector types spelled out. The other kernels are loops that
 * the compiler vectorizes: one element does not depend on the next.
 */
#include <math.h>
#include <string.h>

#include "linalg.h"

#if defined(__AVX512F__)
#define LANES 16
#define BLOCK_VECTORS 4
#elif defined(__AVX2__)
#define LANES 8
#define BLOCK_VECTORS 8
#else
#define LANES 4
#define BLOCK_VECTORS 8
#endif

/* Rows begin on any float, so the vector's alignment is that of a float. */
typedef float lanes
    __attribute__((vector_size(LANES * sizeof(float)), aligned(sizeof(float)), may_alias));

#define INLINE static inline __attribute__((always_inline))

/* n_vectors is a constant where it is called: `sum` then lives in registers. */
INLINE void gather_block(size_t n_vectors, const float *start, size_t n_entries,
                         const uint32_t *index, const float *value, const float *table,
                         size_t stride, float *y)
{
    lanes sum[BLOCK_VECTORS];
    for (size_t i = 0; i < n_vectors; i++)
        sum[i] = start == NULL ? (lanes){0} : *(const lanes *)(start + i * LANES);
    for (size_t e = 0; e < n_entries; e++) {
        const float *row = table + (size_t)index[e] * stride;
        for (size_t i = 0; i < n_vectors; i++)
            sum[i] += value[e] * *(const lanes *)(row + i * LANES);
    }
    for (size_t i = 0; i < n_vectors; i++)
        *(lanes *)(y + i * LANES) = sum[i];
}

static void gather(size_t n, const float *start, size_t n_entries, const uint32_t *index,
                   const float *value, const float *table, size_t stride, float *y)
{
    const size_t block = BLOCK_VECTORS * LANES;
    size_t i = 0;
    for (; i + block <= n; i += block)
        gather_block(BLOCK_VECTORS, start == NULL ? NULL : start + i, n_entries, index, value,
                     table + i, stride, y + i);
    for (; i + LANES <= n; i += LANES)
        gather_block(1, start == NULL ? NULL : start + i, n_entries, index, value, table + i,
                     stride, y + i);
    for (; i < n; i++) {
        float sum = start == NULL ? 0 : start[i];
        for (size_t e = 0; e < n_entries; e++)
            sum += value[e] * table[(size_t)index[e] * stride + i];
        y[i] = sum;
    }
}

static void add(size_t n, const float *restrict x, float *restrict y)
{
    for (size_t i = 0; i < n; i++)
        y[i] += x[i];
}

static bool is_finite(size_t n, const float *x)
{
    /* An exponent of all ones is an infinity or a NaN. */
    uint32_t bad = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        bad |= (bits & UINT32_C(0x7f800000)) == UINT32_C(0x7f800000);
    }
    return bad == 0;
}

static double squares(size_t n, const float *x)
{
    double sum[8] = {0};
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (size_t j = 0; j < 8; j++)
            sum[j] += (double)x[i + j] * (double)x[i + j];
    for (size_t j = 0; i < n; i++, j++)
        sum[j] += (double)x[i] * (double)x[i];
    return ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
}

static void relu(size_t n, const dbt__dropout *dropout, uint64_t key, size_t first, float *x)
{
    /* Written so that a NaN, which is not less than 0, stays one and shows in the loss. */
    if (dropout == NULL) {
        for (size_t i = 0; i < n; i++)
            x[i] = x[i] < 0 ? 0 : x[i];
        return;
    }
    const uint32_t threshold = dropout->threshold, offset = (uint32_t)first;
    const float scale = dropout->scale;
    for (size_t i = 0; i < n; i++) {
        float factor = dbt__dropout_hash(key, offset + (uint32_t)i) >= threshold ? scale : 0;
        x[i] = (x[i] < 0 ? 0 : x[i]) * factor;
    }
}

static void relu_gradient(size_t n, const float *restrict h, float scale, float *restrict d)
{
    for (size_t i = 0; i < n; i++)
        d[i] = h[i] > 0 ? d[i] * scale : 0;
}

static size_t drop_entries(size_t n_entries, const dbt__dropout *dropout, uint64_t key,
                           const uint32_t *restrict index, const float *restrict value,
                           uint32_t *restrict kept_index, float *restrict kept_value)
{
    enum { CHUNK = 256 };
    const uint32_t threshold = dropout->threshold;
    const float scale = dropout->scale;
    size_t kept = 0;
    for (size_t begin = 0; begin < n_entries; begin += CHUNK) {
        size_t count = n_entries - begin < CHUNK ? n_entries - begin : CHUNK;
        uint32_t keep[CHUNK];
        for (size_t i = 0; i < count; i++)
            keep[i] = dbt__dropout_hash(key, index[begin + i]) >= threshold;
        for (size_t i = 0; i < count; i++) { /* no branch: a mask is what cannot be predicted */
            kept_index[kept] = index[begin + i];
            kept_value[kept] = value[begin + i] * scale;
            kept += keep[i];
        }
    }
    return kept;
}

static void adam(size_t n, const dbt__adam_step *step, const float *restrict g, float *restrict w,
                 float *restrict m, float *restrict v)
{
    const dbt__adam_step s = *step;
    for (size_t i = 0; i < n; i++) {
        float gradient = g[i] + s.l2 * w[i];
        float first = s.b1 * m[i] + s.b1_rest * gradient;
        float second = s.b2 * v[i] + s.b2_rest * (gradient * gradient);
        m[i] = first;
        v[i] = second;
        w[i] -= s.decay * w[i] + s.rate * first / (sqrtf(second) + s.epsilon);
    }
}

static void adam_gap(size_t n, const dbt__adam_gap *gap, float *restrict w, float *restrict m,
                     float *restrict v)
{
    const dbt__adam_gap d = *gap;
    for (size_t i = 0; i < n; i++) {
        float root = sqrtf(v[i]);
        float inverse = 1 / (root + d.epsilon);
        float z = root * inverse;
        float sum = d.a[0] + z * (d.a[1] + z * (d.a[2] + z * d.a[3]));
        w[i] -= d.decay * w[i] + m[i] * inverse * sum;
        m[i] *= d.m_scale;
        v[i] *= d.v_scale;
    }
}

static void sgd(size_t n, const dbt__sgd_step *step, const float *restrict g, float *restrict w,
                float *restrict velocity)
{
    const dbt__sgd_step s = *step;
    if (s.momentum == 0) { /* then there is no velocity */
        for (size_t i = 0; i < n; i++)
            w[i] -= s.rate * (g[i] + s.l2 * w[i]);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        float move = s.rate * (g[i] + s.l2 * w[i]);
        float next = s.momentum * velocity[i] - move;
        velocity[i] = next;
        w[i] += s.nesterov ? s.momentum * next - move : next;
    }
}

static void sgd_gap(size_t n, float move, float scale, float *restrict w, float *restrict velocity)
{
    for (size_t i = 0; i < n; i++) {
        w[i] += move * velocity[i];
        velocity[i] *= scale;
    }
}

static void adagrad(size_t n, float rate, float epsilon, float l2, const float *restrict g,
                    float *restrict w, float *restrict a)
{
    for (size_t i = 0; i < n; i++) {
        float gradient = g[i] + l2 * w[i];
        float sum = a[i] + gradient * gradient;
        a[i] = sum;
        w[i] -= rate * gradient / (sqrtf(sum) + epsilon);
    }
}

static const dbt__kernels table_of_kernels = {
    .name = KERNELS_NAME,
    .gather = gather,
    .add = add,
    .is_finite = is_finite,
    .squares = squares,
    .relu = relu,
    .relu_gradient = relu_gradient,
    .drop_entries = drop_entries,
    .adam = adam,
    .adam_gap = adam_gap,
    .sgd = sgd,
    .sgd_gap = sgd_gap,
    .adagrad = adagrad,
};
