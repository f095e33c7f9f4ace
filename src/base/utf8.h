/* utf8.h: is it UTF-8, and what to do when it is not. */
#ifndef DBT_UTF8_H
#define DBT_UTF8_H

#include <string.h>

#include "base.h"

/* The bytes at the beginning that are well-formed UTF-8 without NUL; `bytes` when all are. */
size_t dbt__utf8_valid(const char *data, size_t bytes);
static inline bool dbt__is_utf8(const char *text)
{
    size_t bytes = strlen(text);
    return dbt__utf8_valid(text, bytes) == bytes;
}
/*
 * Appends `data` with U+FFFD for every NUL and for every maximal subpart of an ill-formed sequence
 * (Unicode, section 3.9, table 3-8; what the WHATWG decoder does), and adds to the counts.
 * DBT_EDATA, DBT_ENOMEM.
 */
dbt_status dbt__utf8_clean(const char *data, size_t bytes, dbt__buffer *out, int64_t *replaced,
                           int64_t *nuls, dbt_error *err) DBT_MUST_USE;
/* The same for ill-formed sequences alone: a NUL stays. */
dbt_status dbt__utf8_repair(const char *data, size_t bytes, dbt__buffer *out, int64_t *replaced,
                            dbt_error *err) DBT_MUST_USE;

#endif
