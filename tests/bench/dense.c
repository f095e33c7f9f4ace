/*
 * dense.c: a layer of 1024 x 1024 weights, batches of 128: what dbtrain gets out of OpenBLAS.
 *
 * With units 1024 and layers 3 a step has three large products: Y = X W, dW = X^T dY, dX = dY W^T.
 * They are timed as OpenBLAS alone does them, on as many threads of its own; cut into blocks and
 * spread over a pool, as forward.c and train.c do; and as the whole step of a network whose input
 * is one feature a row, so that hardly anything but the dense layers is left.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cblas.h>

#include <dbtrain/network.h>

#include "bench.h"
#include "network_internal.h"

enum { ROWS = BENCH_PAGE_ROWS, UNITS = 1024, STEPS = 50 };

static const double products_flop = 3.0 * 2 * ROWS * UNITS * UNITS;

typedef struct contest {
    size_t threads;
    dbt_pool *pool;
    dbt_network *network;
    dbt_batch *batch;
    float *x, *w, *y, *dx, *dw;
    __typeof__(&cblas_sgemm) sgemm;
    void (*set_threads)(int n);
    int64_t step;
} contest;

static void rate(double seconds, double *value)
{
    value[0] = products_flop * STEPS / seconds / 1e9;
    value[1] = seconds / STEPS * 1e3;
}

static void run_blas(void *context, size_t run, double *value)
{
    (void)run;
    const contest *c = context;
    c->set_threads((int)c->threads);
    double begin = bench_now();
    for (int i = 0; i < STEPS; i++) {
        c->sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, ROWS, UNITS, UNITS, 1, c->x, UNITS,
                 c->w, UNITS, 0, c->y, UNITS);
        c->sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, UNITS, UNITS, ROWS, 1, c->x, UNITS, c->y,
                 UNITS, 0, c->dw, UNITS);
        c->sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, ROWS, UNITS, UNITS, 1, c->y, UNITS, c->w,
                 UNITS, 0, c->dx, UNITS);
    }
    rate(bench_now() - begin, value);
    c->set_threads(1);
}

static dbt_status run_forward_block(void *context, size_t task, size_t worker, dbt_error *err)
{
    (void)worker;
    const contest *c = context;
    size_t at = task * DBT__BLOCK;
    return dbt__gemm(DBT__AS_IS, DBT__AS_IS, ROWS, DBT__BLOCK, UNITS, 1, c->x, UNITS, c->w + at,
                     UNITS, 0, c->y + at, UNITS, err);
}

static dbt_status run_backward_block(void *context, size_t task, size_t worker, dbt_error *err)
{
    (void)worker;
    const contest *c = context;
    size_t blocks = UNITS / DBT__BLOCK, at = task % blocks * DBT__BLOCK;
    if (task < blocks)
        return dbt__gemm(DBT__TRANSPOSED, DBT__AS_IS, DBT__BLOCK, UNITS, ROWS, 1, c->x + at, UNITS,
                         c->y, UNITS, 0, c->dw + at * UNITS, UNITS, err);
    return dbt__gemm(DBT__AS_IS, DBT__TRANSPOSED, ROWS, DBT__BLOCK, UNITS, 1, c->y, UNITS,
                     c->w + at * UNITS, UNITS, 0, c->dx + at, UNITS, err);
}

static void run_blocks(void *context, size_t run, double *value)
{
    (void)run;
    contest *c = context;
    dbt_error err = {0};
    double begin = bench_now();
    for (int i = 0; i < STEPS; i++) {
        bench_must(dbt_pool_for(c->pool, UNITS / DBT__BLOCK, run_forward_block, c, &err), &err);
        bench_must(dbt_pool_for(c->pool, 2 * UNITS / DBT__BLOCK, run_backward_block, c, &err),
                   &err);
    }
    rate(bench_now() - begin, value);
}

static void run_steps(void *context, size_t run, double *value)
{
    (void)run;
    contest *c = context;
    dbt_error err = {0};
    dbt_metrics metrics;
    int32_t label[ROWS];
    for (int r = 0; r < ROWS; r++)
        label[r] = r % 2;
    double begin = bench_now();
    for (int i = 0; i < STEPS; i++) {
        dbt_position position = {1, ++c->step};
        bench_must(dbt_network_train(c->network, c->batch, label, NULL, position, &metrics, &err),
                   &err);
    }
    rate(bench_now() - begin, value);
}

/* A batch of which row r has feature r. */
static void make_network(contest *c)
{
    dbt_error err = {0};
    dbt_network_options options;
    dbt_network_options_init(&options);
    options.n_inputs = ROWS;
    options.n_classes = 2;
    options.units = UNITS;
    options.layers = 3;
    bench_must(dbt_pool_new(c->threads, &c->pool, &err), &err);
    bench_must(dbt_network_new(&options, c->pool, &c->network, &err), &err);
    bench_must(dbt_batch_new(&c->batch, &err), &err);
    bench_must(dbt_batch_reserve(c->batch, ROWS, ROWS, &err), &err);
    c->batch->n_rows = c->batch->n_columns = ROWS;
    for (size_t r = 0; r < ROWS; r++) {
        c->batch->row_start[r] = r;
        c->batch->column[r] = (uint32_t)r;
        c->batch->value[r] = 1;
    }
    c->batch->row_start[ROWS] = ROWS;
}

static float *make_matrix(size_t rows)
{
    float *matrix = dbt__alloc_aligned(rows * UNITS, sizeof *matrix);
    if (matrix == NULL) bench_fail("out of memory for a matrix");
    for (size_t i = 0; i < rows * UNITS; i++)
        matrix[i] = (float)(dbt__random_double(1, i) - 0.5);
    return matrix;
}

/* The library that the network has loaded; POSIX lets a pointer from dlsym be a function's. */
static void find_blas(contest *c)
{
    void *library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_NOLOAD);
    void *sgemm = library == NULL ? NULL : dlsym(library, "cblas_sgemm");
    void *set_threads = library == NULL ? NULL : dlsym(library, "openblas_set_num_threads");
    if (sgemm == NULL || set_threads == NULL) bench_fail("OpenBLAS is not loaded");
    memcpy(&c->sgemm, &sgemm, sizeof sgemm);
    memcpy(&c->set_threads, &set_threads, sizeof set_threads);
}

void bench_section_dense(const bench_options *options)
{
    contest c = {.threads = options->threads};
    make_network(&c);
    find_blas(&c);
    c.x = make_matrix(ROWS);
    c.y = make_matrix(ROWS);
    c.dx = make_matrix(ROWS);
    c.w = make_matrix(UNITS);
    c.dw = make_matrix(UNITS);
    const bench_contestant contestants[] = {{"OpenBLAS, threads of its own", run_blas, &c},
                                            {"dbtrain's products", run_blocks, &c},
                                            {"dbtrain's whole step", run_steps, &c}};
    bench_measure(
        options, &(bench_table){
                     .section = "dense",
                     .title = "--units 1024 --layers 3, batches of 128",
                     .note = "Products: forward and both of backward of the 1024 x 1024 layer, cut "
                             "and spread as in a step.\n"
                             "Whole step: with dropout, loss and Adam over all weights; only the "
                             "flop of the products are counted.",
                     .n_metrics = 2,
                     .metric = {{"Gflop/s", 1}, {"ms/step", 2}},
                     .n_contestants = 3,
                     .contestant = contestants,
                 });
    dbt_network_free(c.network);
    dbt_batch_free(c.batch);
    dbt_pool_free(c.pool);
}
