/*
 * normalize.h: a document as the analyzers read it: lower case, without accents, and where its
 * words are.
 */
#ifndef DBT_TEXT_NORMALIZE_H
#define DBT_TEXT_NORMALIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base.h"

/* Readable (and zero) bytes behind the text. */
#define DBT__NORMALIZE_PADDING 64

typedef struct dbt__mapping dbt__mapping;

typedef struct dbt__normalizer {
    char *data; /* valid UTF-8 */
    size_t length;
    uint64_t *word; /* bit i: byte i belongs to a code point of \w */
    /* private */
    bool lowercase;
    bool strip_accents;
    size_t capacity;
    size_t word_capacity; /* 64-bit words */
    dbt__mapping **block; /* lazily, 256 code points each */
} dbt__normalizer;

/* A normalizer is one thread's. DBT_ENOMEM. */
dbt_status dbt__normalizer_init(dbt__normalizer *normalizer, bool lowercase, bool strip_accents,
                                dbt_error *err) DBT_MUST_USE;
/* A zeroed one too. */
void dbt__normalizer_release(dbt__normalizer *normalizer);
/* Replaces data, length, word by those of a text. DBT_ENOMEM. */
dbt_status dbt__normalize(dbt__normalizer *normalizer, const char *text, size_t bytes,
                          dbt_error *err) DBT_MUST_USE;

#endif
