/* amount.h: how much of a fault test runs: a sample, what a commit can wait for, or a
 * night's worth. */
#ifndef DBT_TEST_AMOUNT_H
#define DBT_TEST_AMOUNT_H

#include <stdint.h>
#include <stdio.h>
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

/* Of the points of a sweep every n-th, from the k-th of 0 ... n - 1 on. */
typedef struct {
    long k, n;
} sweep_part;

/* DBT_PART: K/N, counted from 1, or all points. A night's sweep is shared out among processors so.
 */
static inline sweep_part chosen_part(void)
{
    sweep_part part = {1, 1};
    const char *text = getenv("DBT_PART");
    if (text != NULL &&
        (sscanf(text, "%ld/%ld", &part.k, &part.n) != 2 || part.k < 1 || part.k > part.n)) {
        (void)fprintf(stderr, "DBT_PART is %s: K/N, K from 1 to N\n", text);
        exit(2);
    }
    part.k--;
    return part;
}

#endif
