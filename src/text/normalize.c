/*
 * normalize.c: one pass over a document that lowers, decomposes, strips and classifies.
 *
 * ASCII goes 16 bytes at a time: lowered without a branch, and a bit for each byte that belongs to
 * a word. Any other code point is looked up in a table of what it becomes. But for capital sigma
 * that depends on the code point alone, so lower(), NFKD and the dropping of marks are worked out
 * once a code point, in blocks of 256 that are filled when a text first needs them (all of Unicode
 * would be 17 MB). The table belongs to the normalizer, that is to one thread: nothing is shared,
 * nothing locked.
 */
#include "normalize.h"

#include <string.h>

#include "unicode.h"
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define CHUNK 16
#define N_BLOCKS (0x110000 / 256)
#define INLINE_BYTES 12
/* More than one code point becomes: DBT__MAPPED_MAX code points of 4 bytes, and a chunk. */
#define SLACK (DBT__MAPPED_MAX * 4 + CHUNK + DBT__NORMALIZE_PADDING)

enum { MAPPING_LONG = 1, MAPPING_SIGMA = 2 };

struct dbt__mapping {
    char bytes[INLINE_BYTES];
    uint16_t word; /* bit i: bytes[i] belongs to a word */
    uint8_t length;
    uint8_t flags;
};

dbt_status dbt__normalizer_init(dbt__normalizer *normalizer, bool lowercase, bool strip_accents,
                                dbt_error *err)
{
    *normalizer = (dbt__normalizer){.lowercase = lowercase, .strip_accents = strip_accents};
    normalizer->block = dbt__alloc_array(N_BLOCKS, sizeof *normalizer->block);
    if (normalizer->block == NULL) return dbt__out_of_memory(err, "an analyzer");
    return DBT_OK;
}

void dbt__normalizer_release(dbt__normalizer *normalizer)
{
    for (size_t i = 0; normalizer->block != NULL && i < N_BLOCKS; i++)
        dbt__free(normalizer->block[i]);
    dbt__free(normalizer->block);
    dbt__free(normalizer->data);
    dbt__free(normalizer->word);
    *normalizer = (dbt__normalizer){0};
}

static void make_mapping(const dbt__normalizer *normalizer, uint32_t code_point,
                         dbt__mapping *mapping)
{
    uint32_t mapped[DBT__MAPPED_MAX];
    size_t n =
        dbt__map_code_point(code_point, normalizer->lowercase, normalizer->strip_accents, mapped);
    if (code_point == DBT__CAPITAL_SIGMA && normalizer->lowercase) mapping->flags = MAPPING_SIGMA;
    size_t length = 0;
    for (size_t i = 0; i < n; i++) {
        char bytes[4];
        size_t more = dbt__encode(mapped[i], bytes);
        if (length + more > INLINE_BYTES) {
            mapping->flags = MAPPING_LONG;
            return;
        }
        memcpy(mapping->bytes + length, bytes, more);
        if (dbt__is_word(mapped[i])) mapping->word |= (uint16_t)(((1U << more) - 1) << length);
        length += more;
    }
    mapping->length = (uint8_t)length;
}

static dbt__mapping *fill_block(dbt__normalizer *normalizer, uint32_t number)
{
    dbt__mapping *block = dbt__alloc_array(256, sizeof *block);
    if (block == NULL) return NULL;
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t code_point = number * 256 + i;
        if (code_point < 0xD800 || code_point > 0xDFFF)
            make_mapping(normalizer, code_point, &block[i]);
    }
    normalizer->block[number] = block;
    return block;
}

/* Appends the word bits of `n` (at most 16) bytes that go to `at`. The words behind it hold no bits
 * yet. */
static inline void put_bits(uint64_t *word, size_t at, uint64_t bits)
{
    size_t i = at / 64, shift = at % 64;
    word[i] |= bits << shift;
    word[i + 1] |= bits >> 1 >> (63 - shift);
}

#ifdef __SSE2__
/* Copies 16 bytes, lowered if `lowercase`; *word gets the bits of \w. Returns the bits of the bytes
 * that are not ASCII. */
static inline unsigned copy_chunk(char *to, const char *from, bool lowercase, unsigned *word)
{
    __m128i text = _mm_loadu_si128((const __m128i *)(const void *)from);
    /* c - 'A' < 26 unsigned, as a signed comparison of both sides moved down by 128. */
    __m128i upper = _mm_cmplt_epi8(_mm_add_epi8(text, _mm_set1_epi8((char)(128 - 'A'))),
                                   _mm_set1_epi8(-128 + 26));
    __m128i lower = _mm_or_si128(text, _mm_and_si128(upper, _mm_set1_epi8(0x20)));
    __m128i letter = _mm_cmplt_epi8(_mm_add_epi8(lower, _mm_set1_epi8((char)(128 - 'a'))),
                                    _mm_set1_epi8(-128 + 26));
    __m128i digit = _mm_cmplt_epi8(_mm_add_epi8(text, _mm_set1_epi8((char)(128 - '0'))),
                                   _mm_set1_epi8(-128 + 10));
    __m128i line = _mm_cmpeq_epi8(text, _mm_set1_epi8('_'));
    _mm_storeu_si128((__m128i *)(void *)to, lowercase ? lower : text);
    *word = (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(letter, digit), line));
    return (unsigned)_mm_movemask_epi8(text);
}
#else
static inline unsigned copy_chunk(char *to, const char *from, bool lowercase, unsigned *word)
{
    unsigned other = 0, words = 0;
    for (unsigned i = 0; i < CHUNK; i++) {
        unsigned char c = (unsigned char)from[i];
        bool upper = (unsigned)(c - 'A') < 26;
        bool letter = (unsigned)((c | 0x20) - 'a') < 26;
        bool digit = (unsigned)(c - '0') < 10;
        to[i] = (char)(upper && lowercase ? c | 0x20 : c);
        words |= (unsigned)(letter || digit || c == '_') << i;
        other |= (unsigned)(c >> 7) << i;
    }
    *word = words;
    return other;
}
#endif

/* Room for `rest` bytes of ASCII and SLACK more behind `length`. */
static dbt_status reserve_output(dbt__normalizer *normalizer, size_t rest, dbt_error *err)
{
    size_t needed;
    if (__builtin_add_overflow(normalizer->length + SLACK, rest, &needed))
        return dbt__out_of_memory(err, "a document");
    dbt_status status = dbt__reserve((void **)&normalizer->data, &normalizer->capacity, needed, 1,
                                     "a document", err);
    size_t before = normalizer->word_capacity;
    if (status == DBT_OK)
        status = dbt__reserve((void **)&normalizer->word, &normalizer->word_capacity,
                              normalizer->capacity / 64 + 2, sizeof *normalizer->word, "a document",
                              err);
    if (status == DBT_OK && normalizer->word_capacity > before)
        memset(normalizer->word + before, 0,
               (normalizer->word_capacity - before) * sizeof *normalizer->word);
    return status;
}

static void append_code_point(dbt__normalizer *normalizer, uint32_t code_point)
{
    size_t n = dbt__encode(code_point, normalizer->data + normalizer->length);
    if (dbt__is_word(code_point))
        put_bits(normalizer->word, normalizer->length, (UINT64_C(1) << n) - 1);
    normalizer->length += n;
}

/* A code point whose mapping does not fit its entry, and one whose mapping depends on its place. */
static void append_special(dbt__normalizer *normalizer, const char *text, size_t bytes, size_t at,
                           uint32_t code_point, unsigned flags)
{
    uint32_t mapped[DBT__MAPPED_MAX];
    if ((flags & MAPPING_SIGMA) != 0 && dbt__is_final_sigma(text, bytes, at)) {
        append_code_point(normalizer, 0x3C2);
        return;
    }
    size_t n =
        dbt__map_code_point(code_point, normalizer->lowercase, normalizer->strip_accents, mapped);
    for (size_t i = 0; i < n; i++)
        append_code_point(normalizer, mapped[i]);
}

/* Two bytes and three, where they are valid, are nearly all that is not ASCII. */
static inline size_t decode_fast(const char *text, size_t bytes, uint32_t *code_point)
{
    const unsigned char *c = (const unsigned char *)text;
    if (bytes >= 2 && c[0] >= 0xC2 && c[0] < 0xE0 && (c[1] & 0xC0) == 0x80) {
        *code_point = (c[0] & 0x1FU) << 6 | (c[1] & 0x3FU);
        return 2;
    }
    if (bytes >= 3 && c[0] > 0xE0 && c[0] < 0xF0 && c[0] != 0xED && (c[1] & 0xC0) == 0x80 &&
        (c[2] & 0xC0) == 0x80) {
        *code_point = (c[0] & 0xFU) << 12 | (c[1] & 0x3FU) << 6 | (c[2] & 0x3FU);
        return 3;
    }
    return dbt__decode(text, bytes, code_point);
}

/* Takes code points from `at` until one is ASCII; *next is where it is. */
static dbt_status append_others(dbt__normalizer *normalizer, const char *text, size_t bytes,
                                size_t at, size_t *next, dbt_error *err)
{
    while (at < bytes && ((unsigned char)text[at] & 0x80) != 0) {
        uint32_t code_point;
        size_t length = decode_fast(text + at, bytes - at, &code_point);
        dbt__mapping *block = normalizer->block[code_point / 256];
        if (block == NULL) block = fill_block(normalizer, code_point / 256);
        if (block == NULL) return dbt__out_of_memory(err, "an analyzer");
        const dbt__mapping *mapping = &block[code_point % 256];
        if (mapping->flags == 0) {
            memcpy(normalizer->data + normalizer->length, mapping->bytes, INLINE_BYTES);
            put_bits(normalizer->word, normalizer->length, mapping->word);
            normalizer->length += mapping->length;
        } else {
            append_special(normalizer, text, bytes, at, code_point, mapping->flags);
        }
        at += length;
        if (normalizer->capacity - normalizer->length < bytes - at + SLACK) {
            dbt_status status = reserve_output(normalizer, bytes - at, err);
            if (status < 0) return status;
        }
    }
    *next = at;
    return DBT_OK;
}

/* Takes ASCII from `at` to its end, or the text's, and returns where that is. */
static inline size_t append_ascii(dbt__normalizer *normalizer, const char *text, size_t bytes,
                                  size_t at)
{
    bool lowercase = normalizer->lowercase;
    size_t length = normalizer->length;
    for (;;) {
        char last[CHUNK] = {0};
        const char *from = text + at;
        size_t n = bytes - at < CHUNK ? bytes - at : CHUNK;
        if (n < CHUNK) {
            memcpy(last, from, n);
            from = last;
        }
        unsigned word;
        unsigned other = copy_chunk(normalizer->data + length, from, lowercase, &word);
        if (other != 0) {
            n = (size_t)__builtin_ctz(other);
            word &= (1U << n) - 1;
        }
        put_bits(normalizer->word, length, word);
        length += n;
        at += n;
        if (n < CHUNK) break;
    }
    normalizer->length = length;
    return at;
}

dbt_status dbt__normalize(dbt__normalizer *normalizer, const char *text, size_t bytes,
                          dbt_error *err)
{
    if (normalizer->word != NULL)
        memset(normalizer->word, 0, (normalizer->length / 64 + 2) * sizeof *normalizer->word);
    normalizer->length = 0;
    dbt_status status = reserve_output(normalizer, bytes, err);
    for (size_t at = 0; status == DBT_OK && at < bytes;) {
        at = append_ascii(normalizer, text, bytes, at);
        if (at < bytes) status = append_others(normalizer, text, bytes, at, &at, err);
    }
    if (status == DBT_OK) memset(normalizer->data + normalizer->length, 0, DBT__NORMALIZE_PADDING);
    return status;
}
