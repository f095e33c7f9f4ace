/*
 * pool.h: the threads of a process, and the one way in which work is given to them.
 *
 * dbt_pool_for runs tasks 0 .. n_tasks - 1, each once, in any order, on the calling thread and the
 * pool's others. Results must not depend on which thread ran a task: work is cut by what it is
 * about (a page, a shard, a block of columns), never by thread, which is what makes the same seed
 * give the same bits for any number of threads.
 *
 * Calls from inside a task are not allowed. One thread calls dbt_pool_for at a time.
 */
#ifndef DBTRAIN_POOL_H
#define DBTRAIN_POOL_H

#include <stddef.h>

#include <dbtrain/status.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct dbt_pool dbt_pool;

/* `worker` (0 .. threads - 1) tells which scratch memory is this thread's; 0 is the caller. */
typedef dbt_status (*dbt_task)(void *context, size_t task, size_t worker, dbt_error *err);

/* Processors that this process may run on, at least 1. */
DBT_EXPORT size_t dbt_usable_cores(void);

/* A pool of n_threads threads (1 .. 256), the caller's included. DBT_EUSAGE, DBT_ENOMEM. */
DBT_EXPORT DBT_MUST_USE dbt_status dbt_pool_new(size_t n_threads, dbt_pool **pool, dbt_error *err);
/* Takes NULL. No dbt_pool_for may be under way. */
DBT_EXPORT void dbt_pool_free(dbt_pool *pool);
/* Threads of the pool, the caller's included; 1 for NULL. */
DBT_EXPORT size_t dbt_pool_threads(const dbt_pool *pool);
/*
 * Runs the tasks, 2^32 - 1 at most, and waits for all of them. A NULL pool runs them on the caller,
 * in order. After a task has failed only those below it are still run, so that the failure reported
 * is that of the lowest task that fails, whatever the threads.
 */
DBT_EXPORT DBT_MUST_USE dbt_status dbt_pool_for(dbt_pool *pool, size_t n_tasks, dbt_task task,
                                                void *context, dbt_error *err);

#ifdef __cplusplus
}
#endif
#endif
