/*
 * gate.h: which n-grams of a shard may occur often enough, in two bits for each.
 *
 * An n-gram has a place by its hash, shared with others, and there a counter that stops at 3. What
 * is counted there occurs at most that often, so an n-gram whose counter is below what is asked
 * for need not be counted exactly. Most n-grams of a large corpus occur once.
 */
#ifndef DBT_GATE_H
#define DBT_GATE_H

#include "base.h"

#define DBT__GATE_MOST 3u

/* A view of memory of its owner's. */
typedef struct dbt__gate {
    unsigned char *counter; /* four a byte; NULL: there is no gate */
    uint32_t n;             /* places */
} dbt__gate;

/* The gate in zeroed memory of so many bytes. */
static inline dbt__gate dbt__gate_in(unsigned char *memory, size_t bytes)
{
    return (dbt__gate){memory, bytes > UINT32_MAX / 4 ? UINT32_MAX : (uint32_t)(4 * bytes)};
}

/* `key`: evenly spread in its upper 32 bits. */
static inline uint32_t dbt__gate_place(const dbt__gate *gate, uint64_t key)
{
    return (uint32_t)(((key >> 32) * gate->n) >> 32);
}

static inline void dbt__gate_prefetch(const dbt__gate *gate, uint64_t key)
{
    __builtin_prefetch(gate->counter + dbt__gate_place(gate, key) / 4);
}

/* So many occurrences more. */
static inline void dbt__gate_count(dbt__gate *gate, uint64_t key, uint32_t times)
{
    uint32_t place = dbt__gate_place(gate, key), shift = place % 4 * 2;
    uint32_t byte = gate->counter[place / 4], count = byte >> shift & DBT__GATE_MOST;
    uint32_t room = DBT__GATE_MOST - count;
    gate->counter[place / 4] = (unsigned char)(byte + ((times < room ? times : room) << shift));
}

/* Places that admit. */
static inline uint32_t dbt__gate_open_places(const dbt__gate *gate, uint32_t least)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < gate->n; i++)
        n += (gate->counter[i / 4] >> i % 4 * 2 & DBT__GATE_MOST) >= least;
    return n;
}

/* Whether the n-gram may occur `least` times, 1 .. DBT__GATE_MOST. */
static inline bool dbt__gate_admits(const dbt__gate *gate, uint64_t key, uint32_t least)
{
    uint32_t place = dbt__gate_place(gate, key);
    return (gate->counter[place / 4] >> place % 4 * 2 & DBT__GATE_MOST) >= least;
}

#endif
