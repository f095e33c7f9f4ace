/*
 * select.c: the k-th highest of many numbers, exactly, and the terms that are at least as good.
 *
 * A number becomes a 64-bit key of the same order, and the k-th key is found 8 bits at a time:
 * eight walks, whatever the numbers are, where sorting 600,000 scores would take longer than
 * counting them took.
 */
#include <math.h>
#include <string.h>

#include "vectorizer_internal.h"

uint64_t dbt__score_key(double score)
{
    if (isnan(score)) return 0;
    if (score == 0) score = 0; /* -0 is 0 */
    uint64_t bits;
    memcpy(&bits, &score, sizeof bits);
    uint64_t sign = UINT64_C(1) << 63;
    return (bits & sign) != 0 ? ~bits : bits | sign;
}

uint64_t dbt__select_key(const uint64_t *key, size_t n, size_t k, size_t *n_higher)
{
    uint64_t prefix = 0;
    size_t higher = 0;
    for (unsigned shift = 56;; shift -= 8) {
        size_t count[256] = {0};
        for (size_t i = 0; i < n; i++)
            if (shift == 56 || key[i] >> (shift + 8) == prefix) count[key[i] >> shift & 0xFF]++;
        uint64_t digit = 255;
        while (digit > 0 && higher + count[digit] < k)
            higher += count[digit--];
        prefix = prefix << 8 | digit;
        if (shift == 0) break;
    }
    *n_higher = higher;
    return prefix;
}

static uint64_t candidate_key(const dbt__candidate *candidate)
{
    return dbt__score_key(candidate->score);
}

/* Finds the threshold and drops what is below it; *n_higher are above it. */
static dbt_status drop_candidates(dbt__candidates *candidates, size_t *n_higher, dbt_error *err)
{
    uint64_t *key = dbt__alloc_array(candidates->n, sizeof *key);
    if (key == NULL) return dbt__out_of_memory(err, "selecting terms");
    for (size_t i = 0; i < candidates->n; i++)
        key[i] = candidate_key(&candidates->item[i]);
    candidates->threshold = dbt__select_key(key, candidates->n, candidates->k, n_higher);
    size_t n = 0;
    for (size_t i = 0; i < candidates->n; i++)
        if (key[i] >= candidates->threshold) candidates->item[n++] = candidates->item[i];
    candidates->n = n;
    dbt__free(key);
    return DBT_OK;
}

dbt_status dbt__candidates_add(dbt__candidates *candidates, const dbt__candidate *candidate,
                               dbt_error *err)
{
    if (candidate_key(candidate) < candidates->threshold) return DBT_OK;
    /* Before it grows: what has fallen below the k-th goes. */
    if (candidates->n == candidates->capacity && candidates->k > 0 &&
        candidates->n > 2 * candidates->k) {
        size_t n_higher;
        dbt_status status = drop_candidates(candidates, &n_higher, err);
        if (status < 0) return status;
        if (candidate_key(candidate) < candidates->threshold) return DBT_OK;
    }
    dbt_status status =
        dbt__reserve((void **)&candidates->item, &candidates->capacity, candidates->n + 1,
                     sizeof *candidates->item, "selecting terms", err);
    if (status == DBT_OK) candidates->item[candidates->n++] = *candidate;
    return status;
}

dbt_status dbt__candidates_finish(dbt__candidates *candidates, size_t *n_tied, dbt_error *err)
{
    *n_tied = candidates->n;
    if (candidates->k == 0 || candidates->n <= candidates->k) {
        candidates->threshold = 0; /* all are in: none has to be chosen from the tied */
        return DBT_OK;
    }
    size_t n_higher = 0;
    dbt_status status = drop_candidates(candidates, &n_higher, err);
    *n_tied = candidates->k - n_higher;
    return status;
}
