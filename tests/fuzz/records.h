/* records.h: what the reader makes of bytes, for the targets of its formats. */
#ifndef DBT_FUZZ_RECORDS_H
#define DBT_FUZZ_RECORDS_H

#include <fcntl.h>
#include <unistd.h>

#include "reader.h"
#include "scratch_folder.h"

/* The bytes as a file, which is made once and written over. */
static inline const char *fuzz_file(const char *data, size_t bytes)
{
    static int fd = -1;
    const char *path = scratch_path("input");
    if (fd < 0) fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    fuzz_check(fd >= 0);
    fuzz_check(ftruncate(fd, 0) == 0);
    fuzz_check(pwrite(fd, data, bytes, 0) == (ssize_t)bytes);
    return path;
}

/* Called for each record. */
typedef void (*fuzz_visit)(void *context, const dbt__record *record);

/* DBT_OK: read to the end. */
static inline dbt_status fuzz_read(const char *data, size_t bytes,
                                   const dbt__reader_options *options, fuzz_visit visit,
                                   void *context, dbt_error *err)
{
    dbt__catalog *catalog = NULL;
    dbt__reader *reader = NULL;
    dbt__stream *stream;
    const dbt__part *part;
    const dbt__record *record;
    dbt_status status = dbt__catalog_open(fuzz_file(data, bytes), options->format, true,
                                          (dbt__waiting){0}, &catalog, err);
    if (status == DBT_OK) status = dbt__reader_new(options, &reader, err);
    if (status == DBT_OK) status = dbt__catalog_next(catalog, &part, err);
    if (status == DBT_OK) status = dbt__catalog_stream(catalog, &stream, err);
    if (status == DBT_OK) status = dbt__reader_start(reader, stream, part, err);
    while (status == DBT_OK && (status = dbt__reader_next(reader, &record, err)) == DBT_OK)
        visit(context, record);
    dbt__reader_free(reader);
    dbt__catalog_close(catalog);
    return status == DBT_DONE ? DBT_OK : status;
}

/* What a record is, and that it is what reader.h promises. */
typedef struct fuzz_records {
    uint64_t digest; /* over all records in order */
    int64_t n;
    int64_t accepted;
    int64_t line;
} fuzz_records;

static inline bool fuzz_is_utf8(dbt_text text)
{
    size_t at = 0;
    while (at < text.bytes) {
        static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
        uint8_t first = (uint8_t)text.data[at];
        size_t length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
        uint32_t point = length == 1 ? first : first & (0x7fu >> length);
        if (first >= 0x80 && (first < 0xc2 || first > 0xf4)) return false;
        if (length > text.bytes - at) return false;
        for (size_t i = 1; i < length; i++) {
            uint8_t next = (uint8_t)text.data[at + i];
            if ((next & 0xc0) != 0x80) return false;
            point = point << 6 | (next & 0x3f);
        }
        if (point < least[length] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000))
            return false;
        at += length;
    }
    return true;
}

static inline void fuzz_digest_text(uint64_t *digest, dbt_text text)
{
    *digest = dbt__hash(text.data == NULL ? "" : text.data, text.bytes, *digest + text.bytes);
}

static inline void fuzz_take_record(void *context, const dbt__record *record)
{
    fuzz_records *records = context;
    records->n++;
    fuzz_check(record->line >= records->line);
    records->line = record->line;
    records->digest = dbt__hash(&record->line, sizeof record->line, records->digest);
    if (record->reason != NULL) {
        const dbt_text reason = {record->reason, strlen(record->reason)};
        fuzz_check(fuzz_is_utf8(reason));
        fuzz_check(record->raw.bytes <= DBT__RAW_BYTES);
        fuzz_digest_text(&records->digest, reason);
        fuzz_digest_text(&records->digest, record->raw);
        return;
    }
    records->accepted++;
    fuzz_check(fuzz_is_utf8(record->text));
    fuzz_check(record->text.bytes == 0 || memchr(record->text.data, 0, record->text.bytes) == NULL);
    fuzz_digest_text(&records->digest, record->text);
    if (!record->labelled) return;
    fuzz_check(record->label.bytes > 0 && fuzz_is_utf8(record->label));
    fuzz_digest_text(&records->digest, record->label);
}

/* The same records whatever the chunk size: `chunk` and 4096 are compared. A sample is read first,
 * whole, and the same decides on the format: it is no longer than a chunk. */
static inline void fuzz_compare_chunks(const char *data, size_t bytes, dbt__reader_options *options,
                                       size_t chunk)
{
    fuzz_records small = {0}, large = {0};
    dbt_error small_err = {0}, large_err = {0};
    options->chunk = options->sample = chunk;
    dbt_status small_status = fuzz_read(data, bytes, options, fuzz_take_record, &small, &small_err);
    options->chunk = 4096;
    dbt_status large_status = fuzz_read(data, bytes, options, fuzz_take_record, &large, &large_err);
    fuzz_check(small_status == large_status);
    fuzz_check(strcmp(small_err.message, large_err.message) == 0);
    fuzz_check(small.n == large.n && small.digest == large.digest);
    if (small_status < 0) fuzz_refused(small_status, &small_err);
}

#endif
