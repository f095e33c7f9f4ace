/*
 * select.c: the k-th highest of many numbers, exactly, and the terms that are at least as good.
 *
 * A number becomes a 64-bit key of the same order, and the k-th key is found 8 bits at a time:
 * eight walks, whatever the numbers are, where sorting 600,000 scores would take longer than
 * counting them took.
 *
 * Of terms tied with the k-th those are taken that sort first, which their strings tell, and these
 * are in the corpus alone. As a rule a few are tied, and wait until all terms are scored. But where
 * documents are much alike, of a single word each, say, most terms may be: when they are more than
 * memory has room for, the strings of those so far are fetched, and the first of them go on.
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

/* The part of the memory that candidates may take, with their strings: one of so many. */
#define CANDIDATES_PART 8
/* Of a candidate: itself, and what it takes to fetch its string and to sort it. */
#define CANDIDATE_BYTES 184

void dbt__candidates_init(dbt__candidates *candidates, size_t k, size_t memory)
{
    size_t most = memory / CANDIDATES_PART / CANDIDATE_BYTES, least = k + k / 2 + 1024;
    *candidates = (dbt__candidates){.k = k, .most = most > least ? most : least};
}

/* Of the tied keeps the `wanted` that sort first. The others stay in the order in which they came.
 */
static dbt_status drop_tied(dbt__candidates *candidates, size_t wanted, dbt__rounds *rounds,
                            dbt_error *err)
{
    dbt__terms terms = {0};
    uint32_t *order = NULL;
    size_t n_tied = 0, n = 0;
    bool *first = dbt__alloc_array(candidates->n, sizeof *first);
    dbt__candidate *tied = dbt__alloc_array(candidates->n, sizeof *tied);
    dbt_status status =
        first == NULL || tied == NULL ? dbt__out_of_memory(err, "selecting terms") : DBT_OK;
    for (size_t i = 0; status == DBT_OK && i < candidates->n; i++)
        if (candidate_key(&candidates->item[i]) == candidates->threshold)
            tied[n_tied++] = candidates->item[i];
    if (status == DBT_OK) status = dbt__fetch_candidates(rounds, tied, n_tied, &terms, err);
    if (status == DBT_OK) status = dbt__terms_sort(&terms, &order, err);
    for (size_t i = 0; status == DBT_OK && i < wanted; i++)
        first[order[i]] = true;
    n_tied = 0;
    for (size_t i = 0; status == DBT_OK && i < candidates->n; i++) {
        bool is_tied = candidate_key(&candidates->item[i]) == candidates->threshold;
        if (!is_tied || first[n_tied]) candidates->item[n++] = candidates->item[i];
        n_tied += is_tied;
    }
    if (status == DBT_OK) candidates->n = n;
    dbt__free(first);
    dbt__free(tied);
    dbt__free(order);
    dbt__terms_release(&terms);
    return status;
}

dbt_status dbt__candidates_decide(dbt__candidates *candidates, dbt__rounds *rounds, dbt_error *err)
{
    if (candidates->k == 0 || candidates->n <= candidates->k) return DBT_OK;
    size_t n_higher;
    dbt_status status = drop_candidates(candidates, &n_higher, err);
    if (status < 0 || candidates->n == candidates->k) return status;
    return drop_tied(candidates, candidates->k - n_higher, rounds, err);
}

/* Makes room: what has fallen below the k-th goes, and where that is little, of the tied, too. */
static dbt_status make_room(dbt__candidates *candidates, dbt__rounds *rounds, dbt_error *err)
{
    size_t n_higher;
    dbt_status status = drop_candidates(candidates, &n_higher, err);
    if (status < 0 || candidates->n - candidates->k < (candidates->most - candidates->k) / 2)
        return status;
    return drop_tied(candidates, candidates->k - n_higher, rounds, err);
}

dbt_status dbt__candidates_add(dbt__candidates *candidates, const dbt__candidate *candidate,
                               dbt__rounds *rounds, dbt_error *err)
{
    if (candidate_key(candidate) < candidates->threshold) return DBT_OK;
    bool would_grow = candidates->n == candidates->capacity && candidates->n > 2 * candidates->k;
    if (candidates->k > 0 && (would_grow || candidates->n >= candidates->most)) {
        dbt_status status = make_room(candidates, rounds, err);
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
