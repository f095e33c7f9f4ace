/* amount.h: how much of a fault test runs: what a commit can wait for, or a night's worth. */
#ifndef DBT_TEST_AMOUNT_H
#define DBT_TEST_AMOUNT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static inline bool is_nightly(void)
{
    const char *amount = getenv("DBT_AMOUNT");
    return amount != NULL && strcmp(amount, "nightly") == 0;
}

/* DBT_SEED, or a fixed one: a test that draws prints it. */
static inline uint64_t chosen_seed(void)
{
    const char *seed = getenv("DBT_SEED");
    return seed == NULL ? 123 : strtoull(seed, NULL, 10);
}

#endif
