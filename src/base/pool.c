/*
 * pool.c: a fixed set of threads that share out numbered tasks.
 *
 * A call gives each thread a run of neighbouring tasks, its share, under the lock, and wakes the
 * others. A thread takes its share from the front; when it is done it takes from the back of the
 * others'. So calls that cut the same work alike, round after round, find a task's memory in the
 * cache of the processor that touched it last: fetching it from another one's is dear. The caller
 * leaves when all threads that joined in have left, so the context may live on its stack.
 */
#define _GNU_SOURCE
#include <dbtrain/pool.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>

#include "base.h"

#define MAXIMUM_THREADS 256
/* What processors fetch together. */
#define CACHE_LINES 128

typedef struct worker {
    dbt_pool *pool;
    size_t number; /* 0 is the caller's */
    pthread_t thread;
    /* Tasks of its share that nobody has taken: the first, and above it, in the upper half, the one
     * after the last. */
    _Atomic uint64_t share;
    char apart[CACHE_LINES]; /* from the next one's */
} worker;

struct dbt_pool {
    size_t n_threads;
    size_t n_started; /* threads that exist besides the caller's */
    worker *workers;
    pthread_mutex_t lock;
    pthread_cond_t wake; /* a new generation of tasks, or the end */
    pthread_cond_t left; /* a thread has finished its generation */
    uint64_t generation;
    size_t n_busy;
    bool ending;

    dbt_task task;
    void *context;
    atomic_size_t end; /* n_tasks; the lowest task that has failed: those below are still run */
    dbt_error error;   /* its; under lock */
};

size_t dbt_usable_cores(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
    int cores = CPU_COUNT(&set);
    return cores < 1 ? 1 : cores > MAXIMUM_THREADS ? MAXIMUM_THREADS : (size_t)cores;
}

static void record_failure(dbt_pool *pool, size_t task, dbt_status status, const dbt_error *err)
{
    (void)pthread_mutex_lock(&pool->lock);
    if (task < atomic_load(&pool->end)) {
        atomic_store(&pool->end, task);
        pool->error = *err;
        pool->error.status = status;
    }
    (void)pthread_mutex_unlock(&pool->lock);
}

static uint64_t make_share(size_t first, size_t end)
{
    return (uint64_t)end << 32 | first;
}

/* The first task of a worker's share, or the last; false: none is left. */
static bool take_from(worker *w, bool first, size_t *task)
{
    uint64_t share = atomic_load(&w->share), left;
    do {
        size_t begin = (uint32_t)share, end = (size_t)(share >> 32);
        if (begin == end) return false;
        *task = first ? begin : end - 1;
        left = first ? make_share(begin + 1, end) : make_share(begin, end - 1);
    } while (!atomic_compare_exchange_weak(&w->share, &share, left));
    return true;
}

static bool take_task(dbt_pool *pool, size_t number, size_t *task)
{
    if (take_from(&pool->workers[number], true, task)) return true;
    for (size_t i = 1; i < pool->n_threads; i++)
        if (take_from(&pool->workers[(number + i) % pool->n_threads], false, task)) return true;
    return false;
}

static void take_tasks(dbt_pool *pool, size_t number)
{
    for (size_t task; take_task(pool, number, &task);) {
        if (task >= atomic_load_explicit(&pool->end, memory_order_relaxed)) continue;
        dbt_error err = {0};
        dbt_status status = pool->task(pool->context, task, number, &err);
        if (status < 0) record_failure(pool, task, status, &err);
    }
}

static void *run_worker(void *argument)
{
    worker *self = argument;
    dbt_pool *pool = self->pool;
    uint64_t seen = 0;
    (void)pthread_mutex_lock(&pool->lock);
    for (;;) {
        while (pool->generation == seen && !pool->ending)
            (void)pthread_cond_wait(&pool->wake, &pool->lock);
        if (pool->ending) break;
        seen = pool->generation;
        (void)pthread_mutex_unlock(&pool->lock);
        take_tasks(pool, self->number);
        (void)pthread_mutex_lock(&pool->lock);
        if (--pool->n_busy == 0) (void)pthread_cond_signal(&pool->left);
    }
    (void)pthread_mutex_unlock(&pool->lock);
    return NULL;
}

dbt_status dbt_pool_new(size_t n_threads, dbt_pool **pool, dbt_error *err)
{
    *pool = NULL;
    if (n_threads < 1 || n_threads > MAXIMUM_THREADS)
        return dbt__fail(err, DBT_EUSAGE, "threads must be 1 to %d", MAXIMUM_THREADS);
    dbt_pool *made = dbt__alloc(sizeof *made);
    if (made == NULL) return dbt__out_of_memory(err, "threads");
    made->workers = dbt__alloc_array(n_threads, sizeof *made->workers);
    if (made->workers == NULL) {
        dbt__free(made);
        return dbt__out_of_memory(err, "threads");
    }
    made->n_threads = n_threads;
    (void)pthread_mutex_init(&made->lock, NULL);
    (void)pthread_cond_init(&made->wake, NULL);
    (void)pthread_cond_init(&made->left, NULL);
    for (size_t i = 1; i < n_threads; i++) {
        worker *w = &made->workers[i];
        w->pool = made;
        w->number = i;
        if (pthread_create(&w->thread, NULL, run_worker, w) != 0) {
            dbt_pool_free(made);
            return dbt__fail(err, DBT_ENOMEM, "cannot start thread %zu of %zu", i + 1, n_threads);
        }
        made->n_started++;
    }
    *pool = made;
    return DBT_OK;
}

void dbt_pool_free(dbt_pool *pool)
{
    if (pool == NULL) return;
    (void)pthread_mutex_lock(&pool->lock);
    pool->ending = true;
    (void)pthread_cond_broadcast(&pool->wake);
    (void)pthread_mutex_unlock(&pool->lock);
    for (size_t i = 1; i <= pool->n_started; i++)
        (void)pthread_join(pool->workers[i].thread, NULL);
    (void)pthread_cond_destroy(&pool->left);
    (void)pthread_cond_destroy(&pool->wake);
    (void)pthread_mutex_destroy(&pool->lock);
    dbt__free(pool->workers);
    dbt__free(pool);
}

size_t dbt_pool_threads(const dbt_pool *pool)
{
    return pool == NULL ? 1 : pool->n_threads;
}

static dbt_status run_in_order(size_t n_tasks, dbt_task task, void *context, dbt_error *err)
{
    for (size_t i = 0; i < n_tasks; i++) {
        dbt_status status = task(context, i, 0, err);
        if (status < 0) return status;
    }
    return DBT_OK;
}

/* Under lock. */
static void publish(dbt_pool *pool, size_t n_tasks, dbt_task task, void *context)
{
    pool->task = task;
    pool->context = context;
    pool->error = (dbt_error){0};
    atomic_store(&pool->end, n_tasks);
    for (size_t i = 0; i < pool->n_threads; i++)
        atomic_store(&pool->workers[i].share, make_share(n_tasks * i / pool->n_threads,
                                                         n_tasks * (i + 1) / pool->n_threads));
    pool->n_busy = pool->n_started;
    pool->generation++;
    (void)pthread_cond_broadcast(&pool->wake);
}

dbt_status dbt_pool_for(dbt_pool *pool, size_t n_tasks, dbt_task task, void *context,
                        dbt_error *err)
{
    if (pool == NULL || pool->n_started == 0 || n_tasks < 2)
        return run_in_order(n_tasks, task, context, err);
    if (n_tasks > UINT32_MAX) return dbt__fail(err, DBT_EUSAGE, "%zu tasks are too many", n_tasks);

    (void)pthread_mutex_lock(&pool->lock);
    publish(pool, n_tasks, task, context);
    (void)pthread_mutex_unlock(&pool->lock);

    take_tasks(pool, 0);

    (void)pthread_mutex_lock(&pool->lock);
    while (pool->n_busy > 0)
        (void)pthread_cond_wait(&pool->left, &pool->lock);
    (void)pthread_mutex_unlock(&pool->lock);

    if (pool->error.status == DBT_OK) return DBT_OK;
    if (err != NULL && err->status == DBT_OK) *err = pool->error;
    return pool->error.status;
}
