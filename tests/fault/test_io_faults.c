/*
 * test_io_faults.c: every call to the file system fails once, and from then on (FAULTS A5, A6, A8).
 *
 * For n = 1, 2, 3, ... a scenario runs with its n-th call failing, until there is no n-th call.
 * Every run must end with a clear error or complete success, and the file must be as scenario_check
 * says.
 */
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "../amount.h"
#include "shimvfs.h"
#include "sweep.h"

/* What fails, and how. */
typedef enum fault_kind {
    FAIL_ANY,   /* any call, with its own error */
    FAIL_FULL,  /* a write: the disk is full */
    FAIL_SHORT, /* a read: the file is shorter than it was */
    FAULT_KINDS
} fault_kind;

static const char *const fault_name[FAULT_KINDS] = {"any call fails", "the disk is full",
                                                    "reads are short"};

static struct {
    bool armed;
    fault_kind kind;
    bool from_then_on;
    long at;    /* the call that fails, from 1 */
    long calls; /* so far, of those that can fail this way */
} fault;

/* A journal that is shorter has ended there: nothing tells SQLite that it was longer. */
static bool can_be_short(const shim_call *call)
{
    return call->operation == SHIM_READ &&
           (call->name == NULL || strstr(call->name, "-journal") == NULL);
}

static int fail_nth(const shim_call *call)
{
    if (!fault.armed) return SQLITE_OK;
    if (fault.kind == FAIL_FULL && call->operation != SHIM_WRITE) return SQLITE_OK;
    if (fault.kind == FAIL_SHORT && !can_be_short(call)) return SQLITE_OK;
    fault.calls++;
    if (fault.calls < fault.at || (fault.calls > fault.at && !fault.from_then_on)) return SQLITE_OK;
    switch (fault.kind) {
    case FAIL_FULL:
        return SQLITE_FULL;
    case FAIL_SHORT:
        return SQLITE_IOERR_SHORT_READ;
    default:
        return shim_error(call->operation);
    }
}

/* A short read looks like a damaged file. */
static bool is_clear(fault_kind kind, dbt_status status)
{
    return status == DBT_OK || status == DBT_EIO || (kind == FAIL_SHORT && status == DBT_EFORMAT);
}

/* False: there was no n-th call. */
static bool run_with_fault(scenario_kind scenario, fault_kind kind, bool from_then_on, long n,
                           long *failed)
{
    scenario_reset(scenario);
    fault.armed = true;
    fault.kind = kind;
    fault.from_then_on = from_then_on;
    fault.at = n;
    fault.calls = 0;
    scenario_outcome outcome = scenario_run(scenario);
    fault.armed = false;
    bool hit = fault.calls >= n;
    const char *wrong = is_clear(kind, outcome.status) ? scenario_check(scenario, &outcome, true)
                                                       : "the status is none of an I/O error";
    if (wrong != NULL)
        fail_msg("%s, %s%s, call %ld: %s (status %d: %s)", scenario_name(scenario),
                 fault_name[kind], from_then_on ? " from then on" : "", n, wrong, outcome.status,
                 outcome.err.message);
    if (!hit) assert_int_equal(outcome.status, DBT_OK);
    *failed += outcome.status < 0;
    return hit;
}

static void sweep(scenario_kind scenario)
{
    long points = 0, failed = 0;
    bool is_main = scenario == SCENARIO_INGEST || scenario == SCENARIO_FIT;
    long step = choose_amount(is_main ? 19 : 8, is_main ? 1 : 5, 1);
    for (int kind = 0; kind < FAULT_KINDS; kind++)
        for (int from_then_on = 0; from_then_on < 2; from_then_on++) {
            long n = 1;
            for (; run_with_fault(scenario, (fault_kind)kind, from_then_on != 0, n, &failed);
                 n += step)
                points++;
        }
    print_message("%s: %ld points, %ld with an error, %ld absorbed\n", scenario_name(scenario),
                  points, failed, points - failed);
    assert_true(points > 10 && failed > 5);
}

static void install(void)
{
    shim_register(fail_nth);
}

SWEEP_MAIN(test_io_faults, SCENARIO_LIST)
