/*
 * leb128.h: whole numbers as bytes, small ones in few: 7 bits a byte, the lowest first, the high
 * bit set on all but the last (LEB128, as in DWARF).
 */
#ifndef DBT_LEB128_H
#define DBT_LEB128_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of the longest. */
#define DBT__LEB128_MAX 10

/* Writes 1 to 10 bytes; returns how many. */
static inline size_t dbt__leb128_put(unsigned char *to, uint64_t number)
{
    size_t n = 0;
    for (; number >= 0x80; number >>= 7)
        to[n++] = (unsigned char)(number | 0x80);
    to[n++] = (unsigned char)number;
    return n;
}

/* Moves *from on; false: it ends before the number does, or the number is over 64 bits. */
static inline bool dbt__leb128_get(const unsigned char **from, const unsigned char *end,
                                   uint64_t *number)
{
    *number = 0;
    for (unsigned shift = 0; *from < end && shift < 64; shift += 7) {
        unsigned char byte = *(*from)++;
        if (shift == 63 && byte > 1) return false;
        *number |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80) return true;
    }
    return false;
}

#endif
