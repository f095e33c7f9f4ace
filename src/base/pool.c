/*
 * pool.c: a fixed set of threads that share out numbered tasks.
 *
 * A call gives each thread a run of neighbouring tasks, its share, and opens a gate. A thread takes
 * its share from the front; when it is done it takes from the back of the others'. So calls that
 * cut the same work alike, round after round, find a task's memory in the cache of the processor
 * that touched it last: fetching it from another one's is dear.
 *
 * When no task is left the caller closes the gate and waits for the threads that are inside, so the
 * context may live on its stack; who comes late stays outside, and nobody waits for a thread that
 * the system does not run. Threads wait at the gate awake for a while before they sleep: calls may
 * follow each other in less time than it takes to wake somebody.
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

/* The gate: the number of the call in the upper half, whether it is open, and who is inside. */
#define GATE_CALL (UINT64_C(1) << 32)
#define GATE_OPEN (UINT64_C(1) << 31)
#define GATE_INSIDE (GATE_OPEN - 1)

/* Looks at what is waited for before a thread sleeps: 40 microseconds of pauses, then, between
 * looks that let other threads through, up to 400 more. */
#define LOOKS 2304
#define LOOKS_ALONE 2048

struct dbt_pool {
    size_t n_threads;
    size_t n_started; /* threads that exist besides the caller's */
    size_t n_looks;   /* 0 where there are more threads than processors */
    worker *workers;
    pthread_mutex_t lock;   /* for sleeping, and for the error */
    pthread_cond_t wake;    /* a call has begun, or the end */
    pthread_cond_t left;    /* the last thread has left */
    atomic_size_t n_asleep; /* threads at the gate; */
    atomic_bool caller_asleep;
    atomic_bool ending;

    dbt_task task;
    void *context;
    atomic_size_t end; /* n_tasks; the lowest task that has failed: those below are still run */
    dbt_error error;   /* its; under lock */
    char apart[CACHE_LINES];
    _Atomic uint64_t gate;
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

static void let_others_run(size_t look)
{
    if (look >= LOOKS_ALONE)
        (void)sched_yield();
    else
        dbt__pause();
}

/* A call that is not `seen` has begun, or the pool ends. */
static bool is_called(const dbt_pool *pool, uint64_t seen)
{
    return atomic_load(&pool->gate) / GATE_CALL != seen || atomic_load(&pool->ending);
}

static void wait_for_call(dbt_pool *pool, uint64_t seen)
{
    for (size_t look = 0; look < pool->n_looks; look++) {
        if (is_called(pool, seen)) return;
        let_others_run(look);
    }
    (void)pthread_mutex_lock(&pool->lock);
    /* Said before the last look: a caller that opens the gate after it sees that somebody sleeps.
     */
    atomic_fetch_add(&pool->n_asleep, 1);
    while (!is_called(pool, seen))
        (void)pthread_cond_wait(&pool->wake, &pool->lock);
    atomic_fetch_sub(&pool->n_asleep, 1);
    (void)pthread_mutex_unlock(&pool->lock);
}

/* Into the gate of the newest call, *seen; false: it is closed again. */
static bool enter(dbt_pool *pool, uint64_t *seen)
{
    uint64_t gate = atomic_load(&pool->gate);
    do {
        *seen = gate / GATE_CALL;
        if ((gate & GATE_OPEN) == 0) return false;
    } while (!atomic_compare_exchange_weak(&pool->gate, &gate, gate + 1));
    return true;
}

static void leave(dbt_pool *pool)
{
    uint64_t before = atomic_fetch_sub(&pool->gate, 1);
    if ((before & (GATE_OPEN | GATE_INSIDE)) != 1 || !atomic_load(&pool->caller_asleep)) return;
    (void)pthread_mutex_lock(&pool->lock);
    (void)pthread_cond_signal(&pool->left);
    (void)pthread_mutex_unlock(&pool->lock);
}

static void *run_worker(void *argument)
{
    worker *self = argument;
    dbt_pool *pool = self->pool;
    uint64_t seen = 0;
    for (;;) {
        wait_for_call(pool, seen);
        if (atomic_load(&pool->ending)) return NULL;
        if (!enter(pool, &seen)) continue;
        take_tasks(pool, self->number);
        leave(pool);
    }
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
    made->n_looks = n_threads <= dbt_usable_cores() ? LOOKS : 0;
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
    atomic_store(&pool->ending, true);
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

static void open_gate(dbt_pool *pool, size_t n_tasks, dbt_task task, void *context)
{
    pool->task = task;
    pool->context = context;
    pool->error = (dbt_error){0};
    atomic_store(&pool->end, n_tasks);
    for (size_t i = 0; i < pool->n_threads; i++)
        atomic_store(&pool->workers[i].share, make_share(n_tasks * i / pool->n_threads,
                                                         n_tasks * (i + 1) / pool->n_threads));
    uint64_t call = atomic_load(&pool->gate) / GATE_CALL + 1;
    atomic_store(&pool->gate, call * GATE_CALL | GATE_OPEN);
    if (atomic_load(&pool->n_asleep) == 0) return;
    (void)pthread_mutex_lock(&pool->lock);
    (void)pthread_cond_broadcast(&pool->wake);
    (void)pthread_mutex_unlock(&pool->lock);
}

static bool is_inside(const dbt_pool *pool)
{
    return (atomic_load(&pool->gate) & GATE_INSIDE) != 0;
}

static void close_gate(dbt_pool *pool)
{
    atomic_fetch_and(&pool->gate, ~GATE_OPEN);
    for (size_t look = 0; look < pool->n_looks; look++) {
        if (!is_inside(pool)) return;
        let_others_run(look);
    }
    (void)pthread_mutex_lock(&pool->lock);
    atomic_store(&pool->caller_asleep, true);
    while (is_inside(pool))
        (void)pthread_cond_wait(&pool->left, &pool->lock);
    atomic_store(&pool->caller_asleep, false);
    (void)pthread_mutex_unlock(&pool->lock);
}

dbt_status dbt_pool_for(dbt_pool *pool, size_t n_tasks, dbt_task task, void *context,
                        dbt_error *err)
{
    if (pool == NULL || pool->n_started == 0 || n_tasks < 2)
        return run_in_order(n_tasks, task, context, err);
    if (n_tasks > UINT32_MAX) return dbt__fail(err, DBT_EUSAGE, "%zu tasks are too many", n_tasks);

    open_gate(pool, n_tasks, task, context);
    take_tasks(pool, 0);
    close_gate(pool);

    if (pool->error.status == DBT_OK) return DBT_OK;
    if (err != NULL && err->status == DBT_OK) *err = pool->error;
    return pool->error.status;
}
