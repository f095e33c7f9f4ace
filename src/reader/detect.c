/* detect.c: what a name and a sample say about a file. */
#include "reader_internal.h"

#include <string.h>
#include <strings.h>

#include "utf8.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

const char *dbt__format_name(dbt__format format)
{
    static const char *const names[] = {"detect", "csv", "tsv", "jsonl", "folder", "fasttext"};
    return names[format];
}

/* --- names --- */

static const char *const packed_extensions[] = {".gz",  ".bz2",  ".xz",  ".zst", ".lzma", ".tar",
                                                ".tgz", ".tbz2", ".txz", ".zip", ".7z",   NULL};
static const struct {
    const char *extension;
    dbt__format format; /* DBT__DETECT: to be told by the content */
} formats[] = {
    {".csv", DBT__CSV},      {".tsv", DBT__TSV},    {".tab", DBT__TSV},     {".jsonl", DBT__JSONL},
    {".ndjson", DBT__JSONL}, {".txt", DBT__DETECT}, {".json", DBT__DETECT}, {".data", DBT__DETECT},
};

static bool ends_in(const char *name, size_t bytes, const char *ending)
{
    size_t length = strlen(ending);
    return bytes > length && strncasecmp(name + bytes - length, ending, length) == 0;
}

static size_t strip_packed(const char *name, size_t bytes)
{
    for (size_t i = 0; packed_extensions[i] != NULL; i++) {
        if (!ends_in(name, bytes, packed_extensions[i])) continue;
        bytes -= strlen(packed_extensions[i]);
        i = SIZE_MAX; /* .tar.gz: from the beginning again */
    }
    return bytes;
}

bool dbt__name_is_packed(const char *name)
{
    return strip_packed(name, strlen(name)) != strlen(name);
}

bool dbt__name_has_format(const char *name, dbt__format *format)
{
    size_t bytes = strip_packed(name, strlen(name));
    for (size_t i = 0; i < COUNT(formats); i++) {
        if (!ends_in(name, bytes, formats[i].extension)) continue;
        *format = formats[i].format;
        return true;
    }
    return false;
}

static size_t strip_digits(const char *name, size_t bytes)
{
    while (bytes > 0 && name[bytes - 1] >= '0' && name[bytes - 1] <= '9')
        bytes--;
    return bytes;
}

/* "train-00000-of-00004" is a part of "train". */
static size_t strip_shard(const char *name, size_t bytes)
{
    size_t all = strip_digits(name, bytes);
    if (all == bytes || all < 4 || memcmp(name + all - 4, "-of-", 4) != 0) return bytes;
    size_t number = strip_digits(name, all - 4);
    return number == all - 4 || number == 0 || name[number - 1] != '-' ? bytes : number - 1;
}

const char *dbt__split_of_name(const char *name, size_t bytes)
{
    static const char *const splits[] = {"train", "test", "valid", "validation", "val", "dev"};
    bytes = strip_packed(name, bytes);
    for (size_t i = 0; i < COUNT(formats); i++) {
        if (!ends_in(name, bytes, formats[i].extension)) continue;
        bytes -= strlen(formats[i].extension);
        break;
    }
    bytes = strip_shard(name, bytes);
    for (size_t i = 0; i < COUNT(splits); i++) {
        size_t length = strlen(splits[i]);
        if (bytes < length || strncasecmp(name + bytes - length, splits[i], length) != 0) continue;
        if (bytes == length || strchr("-_.", name[bytes - length - 1]) != NULL) return splits[i];
    }
    return NULL;
}

/* --- content --- */

/* NULs at even and at odd offsets, and other control characters that text does not have. */
typedef struct odd_bytes {
    size_t even_nuls, odd_nuls, controls;
} odd_bytes;

static odd_bytes count_odd_bytes(const char *sample, size_t bytes)
{
    odd_bytes odd = {0};
    for (size_t i = 0; i < bytes; i++) {
        unsigned char c = (unsigned char)sample[i];
        if (c == 0) ++*(i % 2 == 0 ? &odd.even_nuls : &odd.odd_nuls);
        odd.controls += c < 0x20 && c != 0 && strchr("\t\n\v\f\r\x1b\x1a", c) == NULL;
    }
    return odd;
}

static bool begins(const char *sample, size_t bytes, const char *magic, size_t length)
{
    return bytes >= length && memcmp(sample, magic, length) == 0;
}

const char *dbt__detect_foreign(const char *sample, size_t bytes, bool decoded)
{
    if (!decoded) {
        if (begins(sample, bytes, "\xff\xfe\0\0", 4) || begins(sample, bytes, "\0\0\xfe\xff", 4))
            return "looks like UTF-32: give --encoding utf-32";
        if (begins(sample, bytes, "\xff\xfe", 2) || begins(sample, bytes, "\xfe\xff", 2))
            return "looks like UTF-16: give --encoding utf-16";
    }
    if (begins(sample, bytes, "SQLite format 3", 16)) return "is an SQLite database, no text";
    if (begins(sample, bytes, "PAR1", 4)) return "is a Parquet file: export it as csv or jsonl";
    if (begins(sample, bytes, "%PDF-", 5)) return "is a PDF document, no text";
    odd_bytes odd = count_odd_bytes(sample, bytes);
    size_t nuls = odd.even_nuls + odd.odd_nuls;
    if (!decoded && bytes >= 4 && nuls * 10 >= bytes * 3) {
        if (odd.even_nuls * 20 < nuls) return "looks like UTF-16: give --encoding utf-16le";
        if (odd.odd_nuls * 20 < nuls) return "looks like UTF-16: give --encoding utf-16be";
    }
    if (bytes >= 32 && (nuls + odd.controls) * 10 >= bytes) return "looks like binary data";
    size_t ill = 0;
    for (size_t i = 0; i < bytes; i++) {
        i += dbt__utf8_valid(sample + i, bytes - i);
        ill += i + 4 < bytes && sample[i] != 0; /* the sample may end inside a character */
    }
    if (!decoded && bytes >= 32 && ill * 10 >= bytes * 3)
        return "is not UTF-8: give --encoding, or it is no text";
    return NULL;
}

/* Every line that the sample holds whole has a tab. */
static bool has_tabs(const char *sample, size_t bytes)
{
    const char *p = sample, *end = sample + bytes;
    size_t lines = 0;
    while (p < end && lines < 32) {
        const char *stop = dbt__find_break(p, end, '\n');
        if (stop == end && lines > 0) break;
        if (stop > p && memchr(p, '\t', (size_t)(stop - p)) == NULL) return false;
        lines += stop > p;
        p = stop == end ? end : stop + 1;
    }
    return lines > 0;
}

/* What follows the white space of JSON. */
static size_t skip_space(const char *sample, size_t bytes, size_t i)
{
    while (i < bytes && sample[i] != '\0' && strchr(" \t\r\n", sample[i]) != NULL)
        i++;
    return i;
}

bool dbt__detect_array(const char *sample, size_t bytes)
{
    size_t i = skip_space(sample, bytes, 0);
    if (i == bytes || sample[i] != '[') return false;
    i = skip_space(sample, bytes, i + 1);
    return i < bytes && sample[i] == '{';
}

dbt__format dbt__detect_format(const char *name, const char *sample, size_t bytes,
                               const dbt__reader_options *options)
{
    dbt__format format = DBT__DETECT;
    bool known = dbt__name_has_format(name, &format);
    if (known && format != DBT__DETECT) return format;
    size_t i = skip_space(sample, bytes, 0);
    if (i < bytes && sample[i] == '{') return DBT__JSONL;
    if (dbt__detect_array(sample, bytes)) return DBT__JSONL; /* and refused as such */
    if (begins(sample + i, bytes - i, "__label__", 9)) return DBT__FASTTEXT;
    if (options->delimiter != 0) return DBT__CSV;
    if (has_tabs(sample, bytes)) return DBT__TSV;
    return known && dbt__is_no_label(options->label_column) && options->n_text_columns == 0
               ? DBT__TSV
               : DBT__CSV;
}
