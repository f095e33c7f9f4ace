/*
 * select.c: the k-th highest of many numbers, exactly.
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
