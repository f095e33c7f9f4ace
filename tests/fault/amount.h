/* amount.h: how much of a fault test runs: a sample, what a commit can wait for, or a
 * night's worth. */
#ifndef DBT_TEST_AMOUNT_H
#define DBT_TEST_AMOUNT_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* DBT_AMOUNT: `sample` for builds that are slow (sanitizers), `nightly`, or else what a commit can
 * wait for. */
static inline long choose_amount(long sample, long commit, long nightly)
{
    const char *amount = getenv("DBT_AMOUNT");
    if (amount != NULL && strcmp(amount, "nightly") == 0) return nightly;
    if (amount != NULL && strcmp(amount, "sample") == 0) return sample;
    return commit;
}

/* DBT_SEED, or a fixed one: a test that draws prints it. */
static inline uint64_t chosen_seed(void)
{
    const char *seed = getenv("DBT_SEED");
    return seed == NULL ? 123 : strtoull(seed, NULL, 10);
}

#endif
