/*
 * test_linalg.c: every variant of every kernel against its definition in double, the products
 * against the plain body, and how OpenBLAS is loaded.
 */
#define _GNU_SOURCE
#include "testing.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base.h"
#include "linalg.h"

#define MAXIMUM 300
#define ROWS 40

/* Lengths around the sizes of vectors and blocks. */
static const size_t lengths[] = {0,  1,  2,  3,  4,  5,  7,  8,  9,   15,  16,  17,  20,
                                 31, 32, 33, 48, 63, 64, 65, 96, 100, 127, 128, 200, MAXIMUM};
#define LENGTHS (sizeof lengths / sizeof *lengths)

/* Uniform in [-1, 1), or [0, 1) for a key whose first bit is set. */
static void fill(uint64_t key, size_t n, float *x)
{
    for (size_t i = 0; i < n; i++) {
        double u = dbt__random_double(key, i);
        x[i] = (float)(key % 2 == 1 ? u : 2 * u - 1);
    }
}

static void check_close(const dbt__kernels *kernels, size_t n, size_t i, float found,
                        double expected)
{
    if (!(fabs((double)found - expected) <= 1e-6 * (1 + fabs(expected))))
        fail_msg("%s, n = %zu: element %zu is %.9g, not %.9g", kernels->name, n, i, (double)found,
                 expected);
}

typedef void (*check)(const dbt__kernels *kernels, size_t n);

/* Runs a check for each variant that this processor has, and each length. */
static void check_all(check run)
{
    const dbt__kernels *kernels;
    for (size_t v = 0; (kernels = dbt__kernels_variant(v)) != NULL; v++)
        for (size_t i = 0; i < LENGTHS; i++)
            run(kernels, lengths[i]);
}

static void test_kernels__the_best_variant_is_taken(void **state)
{
    (void)state;
    size_t n = 0;
    while (dbt__kernels_variant(n) != NULL)
        n++;
    assert_true(n >= 1);
    assert_string_equal(dbt__kernels_variant(0)->name, "plain");
    assert_ptr_equal(dbt__kernels_get(), dbt__kernels_variant(n - 1));
}

static void check_gather(const dbt__kernels *kernels, size_t n)
{
    const size_t stride = n + 3;
    static float table[ROWS * (MAXIMUM + 3)], start[MAXIMUM], y[MAXIMUM + 1], value[ROWS];
    uint32_t index[ROWS];
    fill(2, ROWS * stride, table);
    fill(4, MAXIMUM, start);
    fill(6, ROWS, value);
    for (size_t entries = 0; entries <= ROWS; entries += 13) {
        for (size_t e = 0; e < entries; e++)
            index[e] = (uint32_t)dbt__random_below(8, e, ROWS);
        for (int with_start = 0; with_start < 2; with_start++) {
            y[n] = 77;
            kernels->gather(n, with_start ? start : NULL, entries, index, value, table, stride, y);
            for (size_t i = 0; i < n; i++) {
                double sum = with_start ? (double)start[i] : 0;
                for (size_t e = 0; e < entries; e++)
                    sum += (double)value[e] * (double)table[index[e] * stride + i];
                check_close(kernels, n, i, y[i], sum);
            }
            assert_true(y[n] == 77);
        }
    }
}

static void test_kernels__gather_sums_scattered_rows(void **state)
{
    (void)state;
    check_all(check_gather);
}

/* An element's bits must not depend on which columns are computed with it: tasks cut columns at
 * will. */
static void test_kernels__gather_of_some_columns_has_the_same_bits(void **state)
{
    (void)state;
    static float table[ROWS * 256], whole[256], part[256], value[ROWS];
    uint32_t index[ROWS];
    fill(2, ROWS * 256, table);
    fill(6, ROWS, value);
    for (uint32_t e = 0; e < ROWS; e++)
        index[e] = e;
    const dbt__kernels *kernels;
    for (size_t v = 0; (kernels = dbt__kernels_variant(v)) != NULL; v++) {
        kernels->gather(256, NULL, ROWS, index, value, table, 256, whole);
        for (size_t column = 0; column < 256; column += 128)
            kernels->gather(128, NULL, ROWS, index, value, table + column, 256, part + column);
        assert_memory_equal(whole, part, sizeof whole);
    }
}

static void check_add_and_squares(const dbt__kernels *kernels, size_t n)
{
    float x[MAXIMUM], y[MAXIMUM], before[MAXIMUM];
    double sum = 0;
    fill(2, MAXIMUM, x);
    fill(4, MAXIMUM, y);
    memcpy(before, y, sizeof before);
    kernels->add(n, x, y);
    for (size_t i = 0; i < n; i++) {
        check_close(kernels, n, i, y[i], (double)x[i] + (double)before[i]);
        sum += (double)x[i] * (double)x[i];
    }
    assert_true(fabs(kernels->squares(n, x) - sum) <= 1e-12 * sum);
}

static void test_kernels__add_and_squares(void **state)
{
    (void)state;
    check_all(check_add_and_squares);
}

static void check_finite(const dbt__kernels *kernels, size_t n)
{
    static const float bad[] = {NAN, -NAN, INFINITY, -INFINITY};
    float x[MAXIMUM];
    fill(2, MAXIMUM, x);
    if (n > 1) x[0] = 3.4e38f, x[1] = 1e-45f;
    assert_true(kernels->is_finite(n, x));
    for (size_t i = 0; i < n; i++) {
        float kept = x[i];
        x[i] = bad[i % 4];
        assert_false(kernels->is_finite(n, x));
        x[i] = kept;
    }
}

static void test_kernels__is_finite_sees_every_place(void **state)
{
    (void)state;
    check_all(check_finite);
}

static const dbt__dropout fifth = {.threshold = 858993459, .scale = 1.25f};

static void check_relu(const dbt__kernels *kernels, size_t n)
{
    float x[MAXIMUM], plain[MAXIMUM], dropped[MAXIMUM], gradient[MAXIMUM], d[MAXIMUM];
    const uint64_t key = UINT64_C(0x123456789abcdef);
    const size_t first = 128;
    fill(2, MAXIMUM, x);
    fill(4, MAXIMUM, d);
    memcpy(plain, x, sizeof x);
    memcpy(dropped, x, sizeof x);
    memcpy(gradient, d, sizeof d);
    kernels->relu(n, NULL, 0, 0, plain);
    kernels->relu(n, &fifth, key, first, dropped);
    kernels->relu_gradient(n, dropped, fifth.scale, gradient);
    for (size_t i = 0; i < n; i++) {
        bool kept = dbt__dropout_hash(key, (uint32_t)(first + i)) >= fifth.threshold;
        double expected = x[i] > 0 ? (double)x[i] : 0;
        check_close(kernels, n, i, plain[i], expected);
        check_close(kernels, n, i, dropped[i], kept ? 1.25 * expected : 0);
        check_close(kernels, n, i, gradient[i], kept && x[i] > 0 ? 1.25 * (double)d[i] : 0);
    }
}

static void test_kernels__relu_and_its_gradient(void **state)
{
    (void)state;
    check_all(check_relu);
}

static void test_kernels__relu_does_not_hide_a_nan(void **state)
{
    (void)state;
    const dbt__kernels *kernels;
    for (size_t v = 0; (kernels = dbt__kernels_variant(v)) != NULL; v++) {
        float x[40];
        for (size_t i = 0; i < 40; i++)
            x[i] = NAN;
        kernels->relu(40, NULL, 0, 0, x);
        for (size_t i = 0; i < 40; i++)
            assert_true(isnan(x[i]));
        kernels->relu(40, &fifth, 1, 0, x);
        for (size_t i = 0; i < 40; i++)
            assert_true(isnan(x[i])); /* NaN * 0 is NaN */
    }
}

static void check_drop(const dbt__kernels *kernels, size_t n)
{
    float value[MAXIMUM], kept_value[MAXIMUM];
    uint32_t index[MAXIMUM] = {0}, kept_index[MAXIMUM];
    fill(2, MAXIMUM, value);
    for (size_t i = 0; i < n; i++)
        index[i] = (uint32_t)(7 * i + 3);
    size_t kept = kernels->drop_entries(n, &fifth, 99, index, value, kept_index, kept_value);
    size_t expected = 0;
    for (size_t i = 0; i < n; i++) {
        if (dbt__dropout_hash(99, index[i]) < fifth.threshold) continue;
        assert_true(expected < kept);
        assert_int_equal(kept_index[expected], index[i]);
        assert_true(kept_value[expected] == value[i] * 1.25f);
        expected++;
    }
    assert_int_equal(kept, expected);
}

static void test_kernels__drop_entries_by_key_and_index_alone(void **state)
{
    (void)state;
    check_all(check_drop);
}

/* Shares, over elements of one key and over keys of one element, and of neighbours together. */
static void test_dropout__keeps_the_right_share_independently(void **state)
{
    (void)state;
    enum { TRIALS = 200000 };
    size_t elements = 0, keys = 0, pairs = 0, rows = 0;
    bool before = false;
    for (uint32_t i = 0; i < TRIALS; i++) {
        bool dropped = dbt__dropout_hash(dbt__random(5, 7), i) < fifth.threshold;
        bool of_key = dbt__dropout_hash(dbt__random(5, i), 7) < fifth.threshold;
        bool next_row = dbt__dropout_hash(dbt__random(5, i + 1), 7) < fifth.threshold;
        elements += dropped;
        keys += of_key;
        pairs += dropped && before;
        rows += of_key && next_row;
        before = dropped;
    }
    /* Five standard deviations. */
    double single = 5 * sqrt(0.2 * 0.8 * TRIALS), both = 5 * sqrt(0.04 * 0.96 * TRIALS);
    assert_true(fabs((double)elements - 0.2 * TRIALS) < single);
    assert_true(fabs((double)keys - 0.2 * TRIALS) < single);
    assert_true(fabs((double)pairs - 0.04 * TRIALS) < both);
    assert_true(fabs((double)rows - 0.04 * TRIALS) < both);
}

static void check_adam(const dbt__kernels *kernels, size_t n)
{
    float g[MAXIMUM], w[MAXIMUM], m[MAXIMUM], v[MAXIMUM], w0[MAXIMUM], m0[MAXIMUM], v0[MAXIMUM];
    const dbt__adam_step s = {0.9f, 0.1f, 0.999f, 0.001f, 0.01f, 1e-7f, 0.02f, 0.03f};
    fill(2, MAXIMUM, g);
    fill(4, MAXIMUM, w0);
    fill(6, MAXIMUM, m0);
    fill(7, MAXIMUM, v0);
    memcpy(w, w0, sizeof w), memcpy(m, m0, sizeof m), memcpy(v, v0, sizeof v);
    kernels->adam(n, &s, g, w, m, v);
    for (size_t i = 0; i < n; i++) {
        double gradient = (double)g[i] + 0.03 * (double)w0[i];
        double first = 0.9 * (double)m0[i] + 0.1 * gradient;
        double second = 0.999 * (double)v0[i] + 0.001 * gradient * gradient;
        check_close(kernels, n, i, m[i], first);
        check_close(kernels, n, i, v[i], second);
        check_close(kernels, n, i, w[i],
                    0.98 * (double)w0[i] - 0.01 * first / (sqrt(second) + 1e-7));
    }
}

static void check_adam_gap(const dbt__kernels *kernels, size_t n)
{
    float w[MAXIMUM], m[MAXIMUM], v[MAXIMUM], w0[MAXIMUM], m0[MAXIMUM], v0[MAXIMUM];
    const dbt__adam_gap d = {{0.5f, 0.25f, 0.125f, 0.0625f}, 0.5f, 0.75f, 1e-7f, 0.02f};
    fill(4, MAXIMUM, w0);
    fill(6, MAXIMUM, m0);
    fill(7, MAXIMUM, v0);
    if (n > 0) m0[0] = v0[0] = 0; /* a weight that never had a gradient */
    memcpy(w, w0, sizeof w), memcpy(m, m0, sizeof m), memcpy(v, v0, sizeof v);
    kernels->adam_gap(n, &d, w, m, v);
    for (size_t i = 0; i < n; i++) {
        double root = sqrt((double)v0[i]), z = root / (root + 1e-7);
        double sum = 0.5 + z * (0.25 + z * (0.125 + z * 0.0625));
        double move = (double)m0[i] / (root + 1e-7) * sum;
        check_close(kernels, n, i, w[i], 0.98 * (double)w0[i] - move);
        check_close(kernels, n, i, m[i], 0.5 * (double)m0[i]);
        check_close(kernels, n, i, v[i], 0.75 * (double)v0[i]);
    }
}

static void test_kernels__adam_and_its_gap(void **state)
{
    (void)state;
    check_all(check_adam);
    check_all(check_adam_gap);
}

static void check_sgd(const dbt__kernels *kernels, size_t n)
{
    static const double momenta[] = {0, 0.5, 0.5};
    float g[MAXIMUM], w[MAXIMUM], u[MAXIMUM], w0[MAXIMUM], u0[MAXIMUM];
    fill(2, MAXIMUM, g);
    fill(4, MAXIMUM, w0);
    for (size_t k = 0; k < 3; k++) {
        double mu = momenta[k];
        const dbt__sgd_step s = {0.25f, (float)mu, 0.125f, k == 2};
        fill(6, MAXIMUM, u0);
        memcpy(w, w0, sizeof w), memcpy(u, u0, sizeof u);
        kernels->sgd(n, &s, g, w, mu == 0 ? NULL : u);
        for (size_t i = 0; i < n; i++) {
            double move = 0.25 * ((double)g[i] + 0.125 * (double)w0[i]);
            double velocity = mu * (double)u0[i] - move;
            if (mu > 0) check_close(kernels, n, i, u[i], velocity);
            double step = mu == 0 ? -move : k == 2 ? mu * velocity - move : velocity;
            check_close(kernels, n, i, w[i], (double)w0[i] + step);
        }
    }
    memcpy(w, w0, sizeof w), memcpy(u, u0, sizeof u);
    kernels->sgd_gap(n, 0.75f, 0.5f, w, u);
    for (size_t i = 0; i < n; i++) {
        check_close(kernels, n, i, w[i], (double)w0[i] + 0.75 * (double)u0[i]);
        check_close(kernels, n, i, u[i], 0.5 * (double)u0[i]);
    }
}

static void test_kernels__sgd_and_its_gap(void **state)
{
    (void)state;
    check_all(check_sgd);
}

static void check_adagrad(const dbt__kernels *kernels, size_t n)
{
    float g[MAXIMUM], w[MAXIMUM], a[MAXIMUM], w0[MAXIMUM], a0[MAXIMUM];
    fill(2, MAXIMUM, g);
    fill(4, MAXIMUM, w0);
    fill(7, MAXIMUM, a0);
    memcpy(w, w0, sizeof w), memcpy(a, a0, sizeof a);
    kernels->adagrad(n, 0.1f, 1e-7f, 0.5f, g, w, a);
    for (size_t i = 0; i < n; i++) {
        double gradient = (double)g[i] + 0.5 * (double)w0[i];
        double sum = (double)a0[i] + gradient * gradient;
        check_close(kernels, n, i, a[i], sum);
        check_close(kernels, n, i, w[i], (double)w0[i] - 0.1 * gradient / (sqrt(sum) + 1e-7));
    }
}

static void test_kernels__adagrad(void **state)
{
    (void)state;
    check_all(check_adagrad);
}

static size_t count_threads(void)
{
    DIR *tasks = opendir("/proc/self/task");
    assert_non_null(tasks);
    size_t n = 0;
    for (const struct dirent *entry; (entry = readdir(tasks)) != NULL;)
        n += entry->d_name[0] != '.';
    closedir(tasks);
    return n;
}

/* Runs first: before it, nothing has loaded OpenBLAS. */
static void test_blas__loads_without_threads_and_puts_the_environment_back(void **state)
{
    (void)state;
    dbt_error err = {0};
    float a = 2, c = 0;
    assert_int_equal(dbt__gemm(DBT__AS_IS, DBT__AS_IS, 1, 1, 1, 1, &a, 1, &a, 1, 0, &c, 1, &err),
                     DBT_EINTERNAL); /* not loaded */
    err = (dbt_error){0};
    size_t threads = count_threads();
    assert_int_equal(setenv("OPENBLAS_NUM_THREADS", "7", 1), 0);
    assert_ok(dbt__blas_load(&err), err);
    assert_string_equal(getenv("OPENBLAS_NUM_THREADS"), "7");
    assert_int_equal(count_threads(), threads);
    assert_ok(dbt__blas_load(&err), err);
    assert_ok(dbt__gemm(DBT__AS_IS, DBT__AS_IS, 1, 1, 1, 1, &a, 1, &a, 1, 0, &c, 1, &err), err);
    assert_true(c == 4);
}

/* Not under AddressSanitizer: its shadow is beyond any limit, and it ends a process short of
 * memory. */
#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define LIMITS_MEMORY false
#else
#define LIMITS_MEMORY true
#endif

/* In a child, with OpenBLAS loaded and no room for another buffer; what it ends with is the
 * outcome.
 */
static void multiply_without_memory(void)
{
    dbt_error err = {0};
    float a = 2, c = 0;
    long pages = 0;
    if (dbt__blas_load(&err) != DBT_OK) _exit(2);
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%ld", &pages) != 1) _exit(3);
    rlim_t bytes = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + (32 << 20);
    if (setrlimit(RLIMIT_AS, &(struct rlimit){bytes, bytes}) != 0) _exit(4);
    if (setrlimit(RLIMIT_CPU, &(struct rlimit){5, 5}) != 0) _exit(5); /* instead of for ever */
    dbt_status status = dbt__gemm(DBT__AS_IS, DBT__AS_IS, 1, 1, 1, 1, &a, 1, &a, 1, 0, &c, 1, &err);
    _exit(status == DBT_OK && c == 4 ? 0 : 1);
}

static void test_gemm__ends_where_openblas_has_no_room_for_another_buffer(void **state)
{
    (void)state;
    if (!LIMITS_MEMORY) skip();
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) multiply_without_memory();
    int outcome;
    assert_int_equal(waitpid(child, &outcome, 0), child);
    assert_int_equal(outcome, 0);
}

enum { WIDEST = 140 };

static void check_product(dbt__transpose ta, dbt__transpose tb, size_t m, size_t n, size_t k)
{
    static float a[WIDEST * WIDEST], b[WIDEST * WIDEST], c[WIDEST * WIDEST], d[WIDEST * WIDEST];
    dbt_error err = {0};
    size_t lda = (ta == DBT__AS_IS ? k : m) + 2, ldb = (tb == DBT__AS_IS ? n : k) + 1, ldc = n + 3;
    for (int overwrite = 0; overwrite < 2; overwrite++) {
        float beta = overwrite ? 0 : 0.5f;
        fill(2, WIDEST * WIDEST, a);
        fill(4, WIDEST * WIDEST, b);
        fill(6, WIDEST * WIDEST, c);
        if (overwrite) c[0] = NAN;
        memcpy(d, c, sizeof d);
        assert_ok(dbt__gemm(ta, tb, m, n, k, 1.5f, a, lda, b, ldb, beta, c, ldc, &err), err);
        assert_ok(dbt__gemm_plain(ta, tb, m, n, k, 1.5f, a, lda, b, ldb, beta, d, ldc, &err), err);
        for (size_t i = 0; i < WIDEST * WIDEST; i++)
            if (!(fabsf(c[i] - d[i]) <= 2e-5f) && !(isnan(c[i]) && isnan(d[i])))
                fail_msg("%zu x %zu x %zu: %g, not %g", m, n, k, (double)c[i], (double)d[i]);
    }
}

static void test_gemm__agrees_with_the_plain_body(void **state)
{
    (void)state;
    static const size_t shapes[][3] = {{1, 1, 1},    {1, 5, 3},    {7, 1, 9},     {2, 3, 4},
                                       {16, 16, 16}, {33, 17, 5},  {128, 64, 20}, {128, 1, 64},
                                       {5, 128, 64}, {64, 5, 128}, {100, 99, 101}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int t = 0; t < 4; t++)
            check_product(t % 2 == 0 ? DBT__AS_IS : DBT__TRANSPOSED,
                          t / 2 == 0 ? DBT__AS_IS : DBT__TRANSPOSED, shapes[i][0], shapes[i][1],
                          shapes[i][2]);
}

static void test_gemm__refuses_wrong_shapes_and_writes_nothing(void **state)
{
    (void)state;
    static const struct {
        dbt__transpose ta, tb;
        size_t m, n, k, lda, ldb, ldc;
    } cases[] = {
        {DBT__AS_IS, DBT__AS_IS, 2, 3, 4, 3, 3, 3},
        {DBT__AS_IS, DBT__AS_IS, 2, 3, 4, 4, 2, 3},
        {DBT__AS_IS, DBT__AS_IS, 2, 3, 4, 4, 3, 2},
        {DBT__TRANSPOSED, DBT__AS_IS, 4, 3, 2, 3, 3, 3},
        {DBT__AS_IS, DBT__TRANSPOSED, 2, 3, 4, 4, 3, 3},
        {DBT__AS_IS, DBT__AS_IS, 2, 3, 0, 0, 3, 3},
        {DBT__AS_IS, DBT__AS_IS, (size_t)1 << 31, 1, 1, 1, 1, 1},
        {DBT__AS_IS, DBT__AS_IS, 1, 1, 1, (size_t)1 << 40, 1, 1},
        {DBT__AS_IS, DBT__AS_IS, 1, SIZE_MAX, 1, 1, SIZE_MAX, SIZE_MAX},
    };
    float a[16] = {0}, c = 5;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        dbt_error err = {0};
        assert_int_equal(dbt__gemm(cases[i].ta, cases[i].tb, cases[i].m, cases[i].n, cases[i].k, 1,
                                   a, cases[i].lda, a, cases[i].ldb, 0, &c, cases[i].ldc, &err),
                         DBT_EINTERNAL);
        assert_int_equal(err.status, DBT_EINTERNAL);
        assert_true(c == 5);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gemm__ends_where_openblas_has_no_room_for_another_buffer),
        cmocka_unit_test(test_blas__loads_without_threads_and_puts_the_environment_back),
        cmocka_unit_test(test_kernels__the_best_variant_is_taken),
        cmocka_unit_test(test_kernels__gather_sums_scattered_rows),
        cmocka_unit_test(test_kernels__gather_of_some_columns_has_the_same_bits),
        cmocka_unit_test(test_kernels__add_and_squares),
        cmocka_unit_test(test_kernels__is_finite_sees_every_place),
        cmocka_unit_test(test_kernels__relu_and_its_gradient),
        cmocka_unit_test(test_kernels__relu_does_not_hide_a_nan),
        cmocka_unit_test(test_kernels__drop_entries_by_key_and_index_alone),
        cmocka_unit_test(test_dropout__keeps_the_right_share_independently),
        cmocka_unit_test(test_kernels__adam_and_its_gap),
        cmocka_unit_test(test_kernels__sgd_and_its_gap),
        cmocka_unit_test(test_kernels__adagrad),
        cmocka_unit_test(test_gemm__agrees_with_the_plain_body),
        cmocka_unit_test(test_gemm__refuses_wrong_shapes_and_writes_nothing),
    };
    return cmocka_run_group_tests_name("linalg", tests, NULL, NULL);
}
