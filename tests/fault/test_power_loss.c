/*
 * test_power_loss.c: the power fails at every change of the disk (FAULTS A3, A4).
 *
 * A scenario runs until the n-th write, truncation, sync or deletion, and the files are left in one
 * of the states in which the disk may be then, several for each n. Then the file must be as
 * scenario_check says: sound, nothing lost that was acknowledged, and the command repeated
 * completes it. Every second time the power fails again while that state is recovered and worked
 * on.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../amount.h"
#include "base.h"
#include "crashvfs.h"
#include "sweep.h"

enum { COMMIT_STATES = 8, NIGHTLY_STATES = 300 };

static void lose_index(void)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s-shm", scenario_path());
    (void)unlink(path);
}

/* Runs the scenario with a loss of power at the n-th change. False: it ended before. */
static bool run_with_crash(scenario_kind scenario, long n, uint64_t seed, scenario_outcome *outcome)
{
    crash_begin(n);
    *outcome = scenario_run(scenario);
    bool crashed = crash_happened();
    crash_leave(seed);
    lose_index();
    return crashed;
}

/* False: there was no n-th change. */
static bool lose_power(scenario_kind scenario, long n, uint64_t seed, long *losses)
{
    scenario_outcome outcome, second;
    scenario_reset(scenario);
    if (!run_with_crash(scenario, n, seed, &outcome)) return false;
    ++*losses;
    if (seed % 2 == 0 && outcome.status != DBT_OK) {
        long m = 1 + (long)dbt__random_below(seed, 1, (uint64_t)n + 20);
        if (run_with_crash(scenario, m, seed + 1, &second)) ++*losses;
        int64_t documents = outcome.documents;
        outcome = second;
        if (outcome.documents < documents) outcome.documents = documents;
    }
    const char *wrong = scenario_check(scenario, &outcome, true);
    if (wrong != NULL)
        fail_msg("%s, power lost at change %ld, DBT_SEED=%llu: %s (status %d: %s)",
                 scenario_name(scenario), n, (unsigned long long)seed, wrong, outcome.status,
                 outcome.err.message);
    return true;
}

static void sweep(scenario_kind scenario)
{
    long losses = 0;
    /* Threads write what one does. */
    const long few = scenario == SCENARIO_FIT_THREADS ? COMMIT_STATES / 4 : COMMIT_STATES;
    const uint64_t states = (uint64_t)choose_amount(1, few, NIGHTLY_STATES);
    const long step = choose_amount(23, 1, 1);
    for (uint64_t state = 0; state < states; state++) {
        long n = 1;
        while (lose_power(scenario, n, dbt__random(chosen_seed(), state * 10000 + (uint64_t)n),
                          &losses))
            n += step;
    }
    print_message("%s: %ld losses of power, DBT_SEED=%llu\n", scenario_name(scenario), losses,
                  (unsigned long long)chosen_seed());
    assert_true(losses > (step == 1 ? 10 * (long)states : 0));
}

static void install(void)
{
    crash_begin(0);
    shim_register(crash_hook);
}

SWEEP_MAIN(test_power_loss, SCENARIO_WRITE_LIST)
