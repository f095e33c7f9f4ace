/*
 * base.h: what every module uses: errors, memory, buffers, random numbers, hashes.
 *
 * All memory of dbtrain comes through dbt__alloc, dbt__alloc_array, dbt__grow_array and goes
 * through dbt__free: one door, so that tests can make any allocation fail. Sizes are multiplied
 * with overflow checks here and nowhere else.
 */
#ifndef DBT_BASE_H
#define DBT_BASE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <dbtrain/status.h>

/* For a function whose callers pass constants that its inner loop depends on: the compiler's own
 * judgement may leave them variables. */
#define DBT__ALWAYS_INLINE inline __attribute__((always_inline))

/* Tells the processor that this thread waits for another one's store. */
static inline void dbt__pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* --- errors --- */

/* Records (status, message) in err unless it holds an earlier error, and returns status. */
dbt_status dbt__fail(dbt_error *err, dbt_status status, const char *format, ...) DBT_PRINTF(3, 4);
/* "out of memory for WHAT"; returns DBT_ENOMEM. */
dbt_status dbt__out_of_memory(dbt_error *err, const char *what);
/* Puts "CONTEXT: " in front of the message of a recorded error. Returns err's status. */
dbt_status dbt__context(dbt_error *err, const char *format, ...) DBT_PRINTF(2, 3);

/* --- memory --- */

/* Zeroed memory; NULL when there is none, or n * size overflows. n or size 0 gives a valid pointer.
 */
void *dbt__alloc_array(size_t n, size_t size) DBT_MUST_USE;
#define dbt__alloc(size) dbt__alloc_array(1, (size))
/* Grows to n * size bytes, new memory uninitialised; NULL leaves the old memory as it was. */
void *dbt__grow_array(void *memory, size_t n, size_t size) DBT_MUST_USE;
/* Zeroed memory on a 64-byte boundary, for matrices, of huge pages where it is large; freed with
 * dbt__free. */
void *dbt__alloc_aligned(size_t n, size_t size) DBT_MUST_USE;
/* Takes NULL. */
void dbt__free(void *memory);
/* Copy of a string; NULL when there is no memory. */
char *dbt__strdup(const char *text) DBT_MUST_USE;
/* *product = a * b; false on overflow. */
bool dbt__multiply(size_t a, size_t b, size_t *product) DBT_MUST_USE;
/* After a phase that took much: gives what it has freed back to the operating system if the heap
 * has more than `enough`. Below that the next phase takes it as it is: pages that are touched for
 * the first time again cost more than what is written to them. */
void dbt__trim_memory(size_t enough);
/* At least `needed` elements fit into *memory of *capacity elements of `size` bytes; grows by half.
 */
dbt_status dbt__reserve(void **memory, size_t *capacity, size_t needed, size_t size,
                        const char *what, dbt_error *err) DBT_MUST_USE;

/* --- buffer: bytes that grow, up to a maximum --- */

typedef struct dbt__buffer {
    char *data; /* NULL while empty and never used; not terminated */
    size_t length;
    size_t capacity;
    size_t maximum; /* bytes; 0: no maximum but memory */
} dbt__buffer;

void dbt__buffer_init(dbt__buffer *buffer, size_t maximum);
void dbt__buffer_release(dbt__buffer *buffer);
/* DBT_EDATA when the maximum is passed, DBT_ENOMEM; the buffer is then as before. */
dbt_status dbt__buffer_reserve(dbt__buffer *buffer, size_t more, dbt_error *err) DBT_MUST_USE;
dbt_status dbt__buffer_append(dbt__buffer *buffer, const char *data, size_t bytes,
                              dbt_error *err) DBT_MUST_USE;

__extension__ typedef unsigned __int128 dbt__uint128;

/* --- random numbers: functions of a key and a counter --- */

/* The n-th output (n from 0) of SplitMix64 seeded with `key` (Steele, Lea, Flood, OOPSLA 2014). */
static inline uint64_t dbt__random(uint64_t key, uint64_t n)
{
    uint64_t z = key + (n + 1) * UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}
/* Uniform in [0, 1), 53 bits. */
static inline double dbt__random_double(uint64_t key, uint64_t n)
{
    return (double)(dbt__random(key, n) >> 11) * 0x1.0p-53;
}
/* Uniform in 0 .. bound - 1 (Lemire's multiply-shift; the bias is below bound / 2^64). */
static inline uint64_t dbt__random_below(uint64_t key, uint64_t n, uint64_t bound)
{
    return (uint64_t)(((dbt__uint128)dbt__random(key, n) * bound) >> 64);
}

/* --- hashes --- */

/* XXH3, 64 bits: fingerprints and checksums that are stored. */
uint64_t dbt__hash(const void *data, size_t bytes, uint64_t seed);
/* The same over data that comes in pieces. */
typedef struct dbt__hasher dbt__hasher;
dbt__hasher *dbt__hasher_new(void) DBT_MUST_USE;
void dbt__hasher_free(dbt__hasher *hasher);
void dbt__hasher_update(dbt__hasher *hasher, const void *data, size_t bytes);
uint64_t dbt__hasher_digest(const dbt__hasher *hasher);
/* 16 hexadecimal digits of a digest, and the end of the string: as it is stored. */
#define DBT__DIGEST_CHARS 17
void dbt__digest_text(uint64_t digest, char text[DBT__DIGEST_CHARS]);

#endif
