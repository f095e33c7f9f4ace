/*
 * utf8.c: validation at memory speed, replacement by the book.
 *
 * Nearly all input is valid and most of it ASCII: blocks of 64 bytes are tested with a loop that
 * compilers turn into vector instructions; b | (b - 1) has its high bit set for NUL and for
 * everything past 127. What remains goes byte by byte through the ranges of Unicode's table 3-7.
 */
#include "utf8.h"

#include <string.h>

static const char replacement[3] = {'\xef', '\xbf', '\xbd'};

/*
 * Bytes of the sequence at p: 1 to 4 and *valid, or the length of its maximal subpart (at least 1).
 * The lead byte decides how many follow and the range of the second (table 3-7); later ones
 * are 80..BF.
 */
static size_t measure_sequence(const unsigned char *p, const unsigned char *end, bool *valid)
{
    unsigned char lead = *p, low = 0x80, high = 0xBF;
    size_t length;
    *valid = lead < 0x80;
    if (lead < 0x80) return 1;
    if (lead < 0xC2 || lead > 0xF4) return 1;
    if (lead < 0xE0) {
        length = 2;
    } else if (lead < 0xF0) {
        length = 3;
        if (lead == 0xE0) low = 0xA0;
        if (lead == 0xED) high = 0x9F;
    } else {
        length = 4;
        if (lead == 0xF0) low = 0x90;
        if (lead == 0xF4) high = 0x8F;
    }
    for (size_t i = 1; i < length; i++) {
        if (p + i == end || p[i] < low || p[i] > high) return i;
        low = 0x80;
        high = 0xBF;
    }
    *valid = true;
    return length;
}

size_t dbt__utf8_valid(const char *data, size_t bytes)
{
    const unsigned char *begin = (const unsigned char *)data, *p = begin, *end = p + bytes;
    while (p < end) {
        while (end - p >= 64) {
            unsigned char seen = 0;
            for (size_t i = 0; i < 64; i++)
                seen = (unsigned char)(seen | p[i] | (unsigned char)(p[i] - 1));
            if (seen >= 0x80) break;
            p += 64;
        }
        const unsigned char *stop = end - p > 64 ? p + 64 : end;
        while (p < stop) {
            bool valid;
            size_t length = measure_sequence(p, end, &valid);
            if (!valid || *p == 0) return (size_t)(p - begin);
            p += length;
        }
    }
    return bytes;
}

static dbt_status replace(const char *data, size_t bytes, bool replace_nul, dbt__buffer *out,
                          int64_t *replaced, int64_t *nuls, dbt_error *err)
{
    dbt_status status = DBT_OK;
    size_t i = 0;
    while (i < bytes && status == DBT_OK) {
        size_t good = dbt__utf8_valid(data + i, bytes - i);
        status = dbt__buffer_append(out, data + i, good, err);
        i += good;
        if (status < 0 || i == bytes) break;
        if (data[i] == '\0') {
            ++*nuls;
            status =
                dbt__buffer_append(out, replace_nul ? replacement : "", replace_nul ? 3 : 1, err);
            i++;
        } else {
            bool valid;
            i += measure_sequence((const unsigned char *)data + i,
                                  (const unsigned char *)data + bytes, &valid);
            ++*replaced;
            status = dbt__buffer_append(out, replacement, sizeof replacement, err);
        }
    }
    return status;
}

dbt_status dbt__utf8_clean(const char *data, size_t bytes, dbt__buffer *out, int64_t *replaced,
                           int64_t *nuls, dbt_error *err)
{
    return replace(data, bytes, true, out, replaced, nuls, err);
}

dbt_status dbt__utf8_repair(const char *data, size_t bytes, dbt__buffer *out, int64_t *replaced,
                            dbt_error *err)
{
    int64_t nuls = 0;
    return replace(data, bytes, false, out, replaced, &nuls, err);
}
