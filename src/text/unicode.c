/*
 * unicode.c: categories, case and decompositions from utf8proc, the rest from small tables.
 *
 * utf8proc knows no Cased and Case_Ignorable. Both are derived: Cased is Lu, Ll, Lt and the code
 * points of Other_Lowercase and Other_Uppercase; Case_Ignorable is Mn, Me, Cf, Lm, Sk and the code
 * points that break no word between letters. A modifier letter of Other_Lowercase is in both; the
 * rule for sigma asks for Case_Ignorable first, so the table of the cased leaves them out.
 */
#include "unicode.h"

#include <string.h>

#include <utf8proc.h>

typedef struct code_range {
    uint32_t first;
    uint32_t last;
} code_range;

static const code_range other_cased[] = {
    {0xAA, 0xAA},       {0xBA, 0xBA},       {0x2160, 0x217F},   {0x24B6, 0x24E9},
    {0x1F130, 0x1F149}, {0x1F150, 0x1F169}, {0x1F170, 0x1F189},
};

/* Word_Break MidLetter, MidNumLet and Single_Quote. */
static const uint32_t mid_letters[] = {0x27,   0x2E,   0x3A,   0xB7,   0x387,  0x55F,
                                       0x5F4,  0x2018, 0x2019, 0x2024, 0x2027, 0xFE13,
                                       0xFE52, 0xFE55, 0xFF07, 0xFF0E, 0xFF1A};

static bool is_continuation(unsigned char byte)
{
    return (byte & 0xC0) == 0x80;
}

/* Length of the sequence that `lead` begins, and what its second byte may be; 0: it begins none. */
static size_t sequence_length(unsigned char lead, unsigned char *low, unsigned char *high)
{
    *low = 0x80;
    *high = 0xBF;
    if (lead >= 0xC2 && lead <= 0xDF) return 2;
    if (lead >= 0xE0 && lead <= 0xEF) {
        if (lead == 0xE0) *low = 0xA0;
        if (lead == 0xED) *high = 0x9F;
        return 3;
    }
    if (lead >= 0xF0 && lead <= 0xF4) {
        if (lead == 0xF0) *low = 0x90;
        if (lead == 0xF4) *high = 0x8F;
        return 4;
    }
    return 0;
}

size_t dbt__decode(const char *data, size_t bytes, uint32_t *code_point)
{
    unsigned char lead = (unsigned char)data[0], low, high;
    *code_point = lead;
    if (lead < 0x80) return 1;
    *code_point = DBT__REPLACEMENT;
    size_t length = sequence_length(lead, &low, &high);
    if (length == 0 || bytes < 2) return 1;
    unsigned char second = (unsigned char)data[1];
    if (second < low || second > high) return 1;
    uint32_t value = ((uint32_t)lead & (0x7FU >> length)) << 6 | (second & 0x3FU);
    for (size_t i = 2; i < length; i++) {
        if (i >= bytes || !is_continuation((unsigned char)data[i])) return i;
        value = value << 6 | ((unsigned char)data[i] & 0x3FU);
    }
    *code_point = value;
    return length;
}

size_t dbt__encode(uint32_t code_point, char *data)
{
    utf8proc_uint8_t bytes[4];
    utf8proc_ssize_t n = utf8proc_encode_char((utf8proc_int32_t)code_point, bytes);
    memcpy(data, bytes, (size_t)n);
    return (size_t)n;
}

static size_t lower_code_point(uint32_t code_point, uint32_t lowered[2])
{
    /* The one code point whose lower case, whatever stands around it, is two. */
    if (code_point == 0x130) {
        lowered[0] = 'i';
        lowered[1] = 0x307;
        return 2;
    }
    lowered[0] = (uint32_t)utf8proc_tolower((utf8proc_int32_t)code_point);
    return 1;
}

size_t dbt__map_code_point(uint32_t code_point, bool lowercase, bool strip,
                           uint32_t mapped[DBT__MAPPED_MAX])
{
    uint32_t lowered[2] = {code_point, 0};
    size_t n_lowered = lowercase ? lower_code_point(code_point, lowered) : 1;
    size_t n = 0;
    for (size_t i = 0; i < n_lowered; i++) {
        if (!strip) {
            mapped[n++] = lowered[i];
            continue;
        }
        utf8proc_int32_t parts[DBT__MAPPED_MAX];
        int boundary = 0;
        utf8proc_ssize_t n_parts =
            utf8proc_decompose_char((utf8proc_int32_t)lowered[i], parts, DBT__MAPPED_MAX,
                                    UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT, &boundary);
        for (utf8proc_ssize_t k = 0; k < n_parts && n < DBT__MAPPED_MAX; k++)
            if (utf8proc_get_property(parts[k])->combining_class == 0)
                mapped[n++] = (uint32_t)parts[k];
    }
    return n;
}

static bool is_case_ignorable(uint32_t code_point)
{
    switch (utf8proc_category((utf8proc_int32_t)code_point)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK:
        return true;
    default:
        break;
    }
    for (size_t i = 0; i < sizeof mid_letters / sizeof *mid_letters; i++)
        if (mid_letters[i] == code_point) return true;
    return false;
}

static bool is_cased(uint32_t code_point)
{
    switch (utf8proc_category((utf8proc_int32_t)code_point)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
        return true;
    default:
        break;
    }
    for (size_t i = 0; i < sizeof other_cased / sizeof *other_cased; i++)
        if (code_point >= other_cased[i].first && code_point <= other_cased[i].last) return true;
    return false;
}

/* The code point that ends before `end`, and where it begins. */
static size_t decode_before(const char *data, size_t end, uint32_t *code_point)
{
    size_t start = end - 1;
    while (start > 0 && end - start < 4 && is_continuation((unsigned char)data[start]))
        start--;
    if (dbt__decode(data + start, end - start, code_point) == end - start) return start;
    *code_point = DBT__REPLACEMENT;
    return end - 1;
}

bool dbt__is_final_sigma(const char *data, size_t bytes, size_t at)
{
    uint32_t code_point = DBT__REPLACEMENT;
    size_t before = at;
    while (before > 0) {
        before = decode_before(data, before, &code_point);
        if (!is_case_ignorable(code_point)) break;
        code_point = DBT__REPLACEMENT;
    }
    if (!is_cased(code_point)) return false;
    size_t behind = at + 2;
    while (behind < bytes) {
        behind += dbt__decode(data + behind, bytes - behind, &code_point);
        if (!is_case_ignorable(code_point)) return !is_cased(code_point);
    }
    return true;
}

bool dbt__is_word(uint32_t code_point)
{
    if (code_point == '_') return true;
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)code_point);
    return (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO) ||
           (category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO);
}

size_t dbt__space_length(const char *data, size_t bytes)
{
    unsigned char lead = (unsigned char)data[0];
    if (lead < 0x80)
        return lead == ' ' || (lead >= 0x09 && lead <= 0x0D) || (lead >= 0x1C && lead <= 0x1F);
    if (lead != 0xC2 && (lead < 0xE1 || lead > 0xE3)) return 0;
    uint32_t c;
    size_t length = dbt__decode(data, bytes, &c);
    bool space = c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) ||
                 c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
    return space ? length : 0;
}

const char *dbt__unicode_version(void)
{
    return utf8proc_unicode_version();
}
