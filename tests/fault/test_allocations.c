/*
 * test_allocations.c: every allocation fails once, and from then on (FAULTS C1, A8).
 *
 * For n = 1, 2, 3, ... a scenario runs with its n-th allocation failing, dbtrain's own or SQLite's,
 * until there is no n-th. It must end with DBT_ENOMEM or complete success, and the file must be as
 * scenario_check says; under AddressSanitizer nothing may have leaked either (leaks.h).
 *
 * The commit amount takes every 17th point of an ingest and a fit and every 85th of SQLite's in the
 * others (of a fit of threads a quarter of that), from another first one for each sweep. DBT_PART
 * shares a night's points out (amount.h).
 */
#include <stdlib.h>
#include <string.h>

#include "allocations.h"
#include "../amount.h"
#include "leaks.h"
#include "shimvfs.h"
#include "sweep.h"

#include <sqlite3.h>

static const char *const door_name[DOORS] = {"dbtrain's", "SQLite's"};

/* False: there was no n-th allocation. */
static bool run_with_fault(scenario_kind scenario, allocation_door door, bool from_then_on, long n,
                           long *failed)
{
    scenario_reset(scenario);
    allocations_arm(door, n, from_then_on);
    scenario_outcome outcome = scenario_run(scenario);
    bool hit = allocations_disarm() >= n;
    const char *wrong = outcome.status == DBT_OK || outcome.status == DBT_ENOMEM
                            ? scenario_check(scenario, &outcome, true)
                            : "the status is neither success nor out of memory";
    if (wrong == NULL && has_leaked(!hit)) wrong = LEAK_MESSAGE;
    if (wrong != NULL)
        fail_msg("%s, %s allocation %ld%s: %s (status %d: %s)", scenario_name(scenario),
                 door_name[door], n, from_then_on ? " and all later ones" : "", wrong,
                 outcome.status, outcome.err.message);
    if (!hit) assert_int_equal(outcome.status, DBT_OK);
    *failed += outcome.status < 0;
    return hit;
}

static void sweep(scenario_kind scenario)
{
    const sweep_part part = chosen_part();
    bool is_main = scenario == SCENARIO_INGEST || scenario == SCENARIO_FIT;
    for (int door = 0; door < DOORS; door++) {
        long points = 0, failed = 0;
        long every = is_main || door == DOOR_OWN ? 17 : 85;
        if (scenario == SCENARIO_FIT_THREADS) every *= 4; /* most of its points are the fit's */
        long step = choose_amount(16 * every, every, 1);
        for (int from_then_on = 0; from_then_on < 2; from_then_on++) {
            long first = 1 + (2 * (long)scenario + 5 * door + 9 * from_then_on) % step;
            long n = first + part.k * step;
            for (; run_with_fault(scenario, (allocation_door)door, from_then_on != 0, n, &failed);
                 n += part.n * step)
                points++;
        }
        print_message("%s, %s: %ld points, %ld with an error, %ld absorbed\n",
                      scenario_name(scenario), door_name[door], points, failed, points - failed);
        assert_true(failed > 0);
    }
}

/* The shim is here for its speed alone: it waits for no disk. */
static int let_through(const shim_call *call)
{
    (void)call;
    return SQLITE_OK;
}

static void install(void)
{
    allocations_install();
    shim_register(let_through);
}

SWEEP_MAIN(test_allocations, SCENARIO_LIST)
