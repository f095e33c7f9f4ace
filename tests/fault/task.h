/*
 * task.h: a task is run with each of its allocations and calls failing in turn.
 *
 * A task makes something from nothing, says what came out as a digest, and leaves nothing behind.
 * It must end with success and the digest of an undisturbed run, or with an error and a message:
 * DBT_ENOMEM when an allocation failed, DBT_EDATA or DBT_EIO when a system call did, DBT_EIO when
 * one of SQLite did, none when a call was only interrupted or short. A task is one thread, so that
 * the n-th call is the same in every run.
 */
#ifndef DBT_TEST_TASK_H
#define DBT_TEST_TASK_H

#include "testing.h"

#include <inttypes.h>

#include "allocations.h"
#include "leaks.h"
#include "syscalls.h"

typedef struct fault_task {
    const char *name;
    dbt_status (*run)(const void *what, uint64_t *digest, dbt_error *err);
    const void *what;
} fault_task;

typedef enum fault_door {
    DOOR_ALLOCATIONS,
    DOOR_CALLS,
    FAULT_DOORS = DOOR_CALLS + SYSCALL_FAULTS
} fault_door;

static inline const char *fault_door_name(fault_door door)
{
    static const char *const names[FAULT_DOORS] = {"allocation", "failing call", "interrupted call",
                                                   "short call", "failing call of SQLite"};
    return names[door];
}

static inline bool task_may_end_with(fault_door door, dbt_status status)
{
    if (door == DOOR_ALLOCATIONS) return status == DBT_ENOMEM;
    if (door == DOOR_CALLS + SYSCALLS_SQLITE) return status == DBT_EIO;
    return door == DOOR_CALLS + SYSCALLS_FAIL && (status == DBT_EDATA || status == DBT_EIO);
}

/* False: there was no n-th call. */
static inline bool run_task_with_fault(const fault_task *task, uint64_t expected, fault_door door,
                                       bool from_then_on, long n, long *failed)
{
    dbt_error err = {0};
    uint64_t digest = 0;
    if (door == DOOR_ALLOCATIONS)
        allocations_arm(DOOR_OWN, n, from_then_on);
    else
        syscalls_arm((syscall_fault)(door - DOOR_CALLS), n, from_then_on);
    dbt_status status = task->run(task->what, &digest, &err);
    long calls = door == DOOR_ALLOCATIONS ? allocations_disarm() : syscalls_disarm();
    const char *wrong = NULL;
    if (status == DBT_OK && digest != expected)
        wrong = "it says that it is done, but something else came out";
    else if (status < 0 && (err.message[0] == '\0' || err.status != status))
        wrong = "it says nothing";
    else if (status < 0 && !(calls >= n && task_may_end_with(door, status)))
        wrong = "the status is another one";
    else if (has_leaked(calls < n))
        wrong = LEAK_MESSAGE;
    if (wrong != NULL)
        fail_msg("%s, %s %ld%s: %s (status %d: %s)", task->name, fault_door_name(door), n,
                 from_then_on ? " and all later ones" : "", wrong, status, err.message);
    *failed += status < 0;
    return calls >= n;
}

/* Every point is tried, or one in `step`. */
static inline void run_task_with_faults(const fault_task *task, long step)
{
    dbt_error err = {0};
    uint64_t expected = 0;
    assert_ok(task->run(task->what, &expected, &err), err);
    for (fault_door door = 0; door < FAULT_DOORS; door++) {
        long points = 0, failed = 0;
        bool lasting = door != DOOR_CALLS + SYSCALLS_INTERRUPTED; /* for ever is no interruption */
        for (int from_then_on = 0; from_then_on <= lasting; from_then_on++)
            for (long n = 1;
                 run_task_with_fault(task, expected, door, from_then_on != 0, n, &failed);
                 n += step)
                points++;
        if (points > 0)
            print_message("%s, %s: %ld points, %ld with an error\n", task->name,
                          fault_door_name(door), points, failed);
        if (door == DOOR_ALLOCATIONS) assert_true(failed > 0);
    }
}

#endif
