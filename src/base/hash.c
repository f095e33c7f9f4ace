/* hash.c: XXH3, compiled into this file alone. */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base.h"

struct dbt__hasher {
    XXH3_state_t *state;
};

uint64_t dbt__hash(const void *data, size_t bytes, uint64_t seed)
{
    return XXH3_64bits_withSeed(data, bytes, seed);
}

dbt__hasher *dbt__hasher_new(void)
{
    dbt__hasher *hasher = dbt__alloc(sizeof *hasher);
    if (hasher == NULL) return NULL;
    hasher->state = dbt__alloc_aligned(1, sizeof *hasher->state);
    if (hasher->state == NULL) {
        dbt__free(hasher);
        return NULL;
    }
    XXH3_INITSTATE(hasher->state);
    (void)XXH3_64bits_reset(hasher->state);
    return hasher;
}

void dbt__hasher_free(dbt__hasher *hasher)
{
    if (hasher == NULL) return;
    dbt__free(hasher->state);
    dbt__free(hasher);
}

void dbt__hasher_update(dbt__hasher *hasher, const void *data, size_t bytes)
{
    (void)XXH3_64bits_update(hasher->state, data, bytes);
}

uint64_t dbt__hasher_digest(const dbt__hasher *hasher)
{
    return XXH3_64bits_digest(hasher->state);
}

void dbt__digest_text(uint64_t digest, char text[DBT__DIGEST_CHARS])
{
    for (int i = 0; i < 16; i++)
        text[i] = "0123456789abcdef"[digest >> (60 - 4 * i) & 15];
    text[16] = '\0';
}
