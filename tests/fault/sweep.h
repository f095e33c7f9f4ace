/*
 * sweep.h: a test program that goes through all faults of one kind in each scenario.
 *
 * The program defines `sweep`, which does so for one scenario, and `install`, which puts what makes
 * things fail between SQLite and the system, and ends with SWEEP_MAIN.
 */
#ifndef DBT_TEST_SWEEP_H
#define DBT_TEST_SWEEP_H

#include "testing.h"

#include <stdlib.h>

#include "../scratch.h"
#include "scenario.h"

static void sweep(scenario_kind scenario);
static void install(void);

static int prepare_sweeps(void **state)
{
    install();
    return make_folder(state) == 0 && scenario_prepare(folder) ? 0 : -1;
}

#define SWEEP_TEST(program, name, kind)                                                            \
    static void program##__##name(void **state)                                                    \
    {                                                                                              \
        (void)state;                                                                               \
        sweep(kind);                                                                               \
    }
#define SWEEP_ENTRY(program, name, kind) cmocka_unit_test(program##__##name),

/* A test program##__##name for each scenario of a LIST; those that DBT_SCENARIO matches, as in
 * '*__fit', where it is set. */
#define SWEEP_MAIN(program, LIST)                                                                  \
    LIST(SWEEP_TEST, program)                                                                      \
    int main(void)                                                                                 \
    {                                                                                              \
        const struct CMUnitTest tests[] = {LIST(SWEEP_ENTRY, program)};                            \
        cmocka_set_test_filter(getenv("DBT_SCENARIO"));                                            \
        return cmocka_run_group_tests(tests, prepare_sweeps, remove_folder);                       \
    }

#endif
