/*
 * fuzz.h: what every fuzz target includes.
 *
 * A target is one file that defines LLVMFuzzerTestOneInput: bytes in, an abort when what comes out
 * is not as promised. Built with -DDBT_FUZZ=ON (clang) it is a libFuzzer program; in every other
 * build replay.c runs it over its seed corpus and some thousand mutations of it, as a test.
 */
#ifndef DBT_FUZZ_H
#define DBT_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* Ends the program where a promise is broken; not assert, which a release build drops. */
#define fuzz_check(condition)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* A call that nothing in the input may make fail. */
#define fuzz_ok(call, err)                                                                         \
    do {                                                                                           \
        if ((call) != DBT_OK) {                                                                    \
            fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #call, (err).message);          \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* A refusal is a status, a message that ends, and never a bug of the program's own. */
static inline void fuzz_refused(dbt_status status, const dbt_error *err)
{
    if (status == DBT_EINTERNAL || status >= 0 || err->status != status) {
        fprintf(stderr, "refused with %d: %s\n", (int)status, err->message);
        abort();
    }
    fuzz_check(err->message[0] != '\0');
    fuzz_check(memchr(err->message, '\0', DBT_ERROR_BYTES) != NULL);
}

/* The input, taken from its beginning; zeros when it is at its end. */
typedef struct fuzz_input {
    const uint8_t *data;
    size_t bytes;
} fuzz_input;

static inline uint8_t fuzz_byte(fuzz_input *input)
{
    if (input->bytes == 0) return 0;
    input->bytes--;
    return *input->data++;
}

static inline uint64_t fuzz_number(fuzz_input *input, int n_bytes)
{
    uint64_t number = 0;
    for (int i = 0; i < n_bytes; i++)
        number |= (uint64_t)fuzz_byte(input) << (8 * i);
    return number;
}

/* A copy of exactly the bytes, so that a sanitizer sees one too many being read. */
static inline char *fuzz_copy(const void *data, size_t bytes)
{
    char *copy = malloc(bytes > 0 ? bytes : 1);
    fuzz_check(copy != NULL);
    if (bytes > 0) memcpy(copy, data, bytes);
    return copy;
}

#endif
