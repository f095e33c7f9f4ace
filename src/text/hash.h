/*
 * hash.h: 96-bit hashes of terms, inline.
 *
 * A term is known by a 64-bit hash, and while terms are counted by 32 check bits more, so that two
 * terms with one hash are noticed. A token of at most 16 bytes, nearly every one, is two masked
 * loads and two multiplications (the folded multiply of Wang Yi's wyhash, with no branch on the
 * length). An n-gram's hash
 * is mixed from its tokens' hashes, so the string of a bigram is never built.
 *
 * A folded multiply forgets one factor where the other is zero. The first factor is text ^ key, and
 * each key has a byte that occurs in no valid UTF-8, so text never makes it zero.
 */
#ifndef DBT_TEXT_HASH_H
#define DBT_TEXT_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base.h"

/* Bytes behind a hashed string that must be readable. */
#define DBT__HASH_PADDING 16

typedef struct dbt__hash_keys {
    uint64_t key[4];
} dbt__hash_keys;

typedef struct dbt__hash128 {
    uint64_t low;  /* the hash */
    uint64_t high; /* its low half holds the check bits */
} dbt__hash128;

static inline dbt__hash_keys dbt__hash_make_keys(uint64_t seed)
{
    dbt__hash_keys keys;
    for (uint64_t i = 0; i < 4; i++)
        keys.key[i] = dbt__random(seed, i) | UINT64_C(0xff000000000000ff);
    return keys;
}

static inline uint64_t dbt__hash_load(const char *data)
{
    uint64_t word;
    memcpy(&word, data, sizeof word);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

static inline dbt__hash128 dbt__hash_mix(uint64_t x, uint64_t y)
{
    dbt__uint128 product = (dbt__uint128)x * y;
    uint64_t low = (uint64_t)product, high = (uint64_t)(product >> 64);
    return (dbt__hash128){low ^ high, low + (((x << 32) | (x >> 32)) ^ y)};
}

/* Hash of `bytes` bytes; DBT__HASH_PADDING bytes behind them are read too, and ignored. */
static inline dbt__hash128 dbt__hash_bytes(const dbt__hash_keys *keys, const char *data,
                                           size_t bytes)
{
    static const uint64_t ones = ~UINT64_C(0);
    static const uint64_t mask[17][2] = {
        {0, 0},
        {ones >> 56, 0},
        {ones >> 48, 0},
        {ones >> 40, 0},
        {ones >> 32, 0},
        {ones >> 24, 0},
        {ones >> 16, 0},
        {ones >> 8, 0},
        {ones, 0},
        {ones, ones >> 56},
        {ones, ones >> 48},
        {ones, ones >> 40},
        {ones, ones >> 32},
        {ones, ones >> 24},
        {ones, ones >> 16},
        {ones, ones >> 8},
        {ones, ones},
    };
    dbt__hash128 before = {bytes * UINT64_C(0x9e3779b97f4a7c15), 0};
    size_t rest = bytes;
    while (rest > 16) {
        dbt__hash128 block = dbt__hash_mix(dbt__hash_load(data) ^ keys->key[0],
                                           dbt__hash_load(data + 8) ^ keys->key[1]);
        before = dbt__hash_mix(before.low * keys->key[2] + block.low,
                               before.high * keys->key[3] + block.high);
        data += 16;
        rest -= 16;
    }
    dbt__hash128 block = dbt__hash_mix((dbt__hash_load(data) & mask[rest][0]) ^ keys->key[0],
                                       (dbt__hash_load(data + 8) & mask[rest][1]) ^ keys->key[1]);
    return dbt__hash_mix(block.low ^ before.low ^ keys->key[2],
                         block.high ^ before.high ^ keys->key[3]);
}

/* Hash of the n-gram `front` followed by one more token; not symmetric. */
static inline dbt__hash128 dbt__hash_join(dbt__hash128 front, dbt__hash128 token)
{
    return dbt__hash_mix(front.low * UINT64_C(0x9e3779b97f4a7c15) + token.low,
                         front.high * UINT64_C(0xc2b2ae3d27d4eb4f) + token.high);
}

#endif
