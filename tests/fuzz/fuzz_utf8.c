/*
 * fuzz_utf8.c: cleaning and normalising against plain references: WHATWG's decoder as a state
 * machine, and one code point at a time.
 *
 * Byte 0: lower case, accents.
 */
#include "fuzz.h"
#include "normalize.h"
#include "unicode.h"
#include "utf8.h"

#define REPLACEMENT "\xef\xbf\xbd"

/* The decoder of the WHATWG Encoding Standard, with U+FFFD for each error and each NUL. */
static size_t clean_plainly(const uint8_t *data, size_t bytes, char *out, int64_t *replaced)
{
    uint32_t needed = 0, seen = 0;
    uint8_t lower = 0x80, upper = 0xbf;
    size_t n = 0, start = 0;
    *replaced = 0;
    for (size_t i = 0; i <= bytes; i++) {
        bool fits = i < bytes && data[i] >= lower && data[i] <= upper;
        if (needed > 0 && !fits) {
            memcpy(out + n, REPLACEMENT, 3);
            n += 3, ++*replaced, needed = 0;
            lower = 0x80, upper = 0xbf;
        } else if (needed > 0) {
            lower = 0x80, upper = 0xbf;
            if (++seen == needed) {
                memcpy(out + n, data + start, i + 1 - start);
                n += i + 1 - start, needed = 0;
            }
            continue;
        }
        if (i == bytes) break;
        uint8_t c = data[i];
        start = i, seen = 0;
        if (c > 0 && c < 0x80) {
            out[n++] = (char)c;
        } else if (c >= 0xc2 && c <= 0xf4) {
            needed = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
            lower = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
            upper = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
        } else {
            memcpy(out + n, REPLACEMENT, 3);
            n += 3, ++*replaced;
        }
    }
    return n;
}

static void check_cleaning(const char *data, size_t bytes)
{
    dbt__buffer out;
    int64_t replaced = 0, nuls = 0, expected = 0;
    char *plain = malloc(3 * bytes + 1);
    fuzz_check(plain != NULL);
    size_t n = clean_plainly((const uint8_t *)data, bytes, plain, &expected);
    dbt__buffer_init(&out, 0);
    fuzz_check(dbt__utf8_clean(data, bytes, &out, &replaced, &nuls, NULL) == DBT_OK);
    fuzz_check(out.length == n && (n == 0 || memcmp(out.data, plain, n) == 0));
    fuzz_check(replaced + nuls == expected);
    fuzz_check((dbt__utf8_valid(data, bytes) == bytes) == (expected == 0));
    fuzz_check(n == 0 || dbt__utf8_valid(out.data, n) == n);
    dbt__buffer_release(&out);
    free(plain);
}

static void check_normalizing(const char *data, size_t bytes, bool lowercase, bool strip)
{
    static dbt__normalizer normalizers[2][2];
    dbt__normalizer *normalizer = &normalizers[lowercase][strip];
    dbt_error err = {0};
    if (normalizer->block == NULL)
        fuzz_ok(dbt__normalizer_init(normalizer, lowercase, strip, &err), err);
    fuzz_ok(dbt__normalize(normalizer, data, bytes, &err), err);
    size_t n = 0;
    for (size_t at = 0; at < bytes;) {
        uint32_t c, mapped[DBT__MAPPED_MAX];
        size_t length = dbt__decode(data + at, bytes - at, &c);
        size_t n_mapped = dbt__map_code_point(c, lowercase, strip, mapped);
        if (c == DBT__CAPITAL_SIGMA && lowercase && dbt__is_final_sigma(data, bytes, at))
            mapped[0] = 0x3c2;
        for (size_t i = 0; i < n_mapped; i++) {
            char encoded[4];
            size_t more = dbt__encode(mapped[i], encoded);
            fuzz_check(n + more <= normalizer->length);
            fuzz_check(memcmp(normalizer->data + n, encoded, more) == 0);
            for (size_t b = n; b < n + more; b++)
                fuzz_check((normalizer->word[b / 64] >> (b % 64) & 1) == dbt__is_word(mapped[i]));
            n += more;
        }
        fuzz_check(length >= 1 && length <= bytes - at);
        at += length;
    }
    fuzz_check(n == normalizer->length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    fuzz_input input = {data, bytes};
    unsigned flags = fuzz_byte(&input);
    char *text = fuzz_copy(input.data, input.bytes);
    check_cleaning(text, input.bytes);
    check_normalizing(text, input.bytes, (flags & 1) != 0, (flags & 2) != 0);
    free(text);
    return 0;
}
