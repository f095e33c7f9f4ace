/*
 * input.h: bytes of a file or of stdin, and through libarchive what is packed in them.
 *
 * An input is opened, asked whether it is packed, and read either directly (dbt__input_read) or
 * through the archive that dbt__input_unpack opens on it. It counts and hashes what it reads.
 */
#ifndef DBT_INPUT_H
#define DBT_INPUT_H

#include <archive.h>

#include "base.h"
#include "reader.h"

typedef struct dbt__input dbt__input;

/* "-" is stdin. The name is kept for messages. DBT_EDATA, DBT_EINTERRUPTED (so may whatever reads),
 * DBT_ENOMEM. */
dbt_status dbt__input_open(const char *path, dbt__waiting waiting, dbt__input **input,
                           dbt_error *err) DBT_MUST_USE;
/* Takes NULL. */
void dbt__input_close(dbt__input *input);
/* -1: stdin, or the path is not that of a regular file, and can be read but once. */
int64_t dbt__input_size(const dbt__input *input);
/* Bytes read since the opening or the last rewind, and their XXH3. */
int64_t dbt__input_position(const dbt__input *input);
uint64_t dbt__input_digest(const dbt__input *input);
/* Reads up to `capacity` bytes; *bytes 0: the end. DBT_EDATA. */
dbt_status dbt__input_read(dbt__input *input, char *data, size_t capacity, size_t *bytes,
                           dbt_error *err) DBT_MUST_USE;
/* Reads to the end, for the digest's sake. */
dbt_status dbt__input_drain(dbt__input *input, dbt_error *err) DBT_MUST_USE;
/* *changed: it is not as long, or not as old, as when it was opened. */
bool dbt__input_changed(const dbt__input *input);

/* Whether the first bytes may be those of something compressed or an archive: libarchive has the
 * last word. */
bool dbt__input_is_packed(const dbt__input *input);
/*
 * Opens libarchive on the input and reads the first header. *is_archive: it has entries (tar, zip,
 * 7-zip); else it is one compressed stream, to be read with dbt__archive_read at once. NULL: it is
 * plain after all, or there is nothing in it, and dbt__input_read reads it. An archive that comes
 * through a pipe is first copied to a temporary file without a name. DBT_EDATA, DBT_ENOMEM.
 */
dbt_status dbt__input_unpack(dbt__input *input, struct archive **archive, bool *is_archive,
                             dbt_error *err) DBT_MUST_USE;
/* Opens an archive anew, before its first entry. Ends earlier ones on this input: free them first.
 */
dbt_status dbt__input_reopen(dbt__input *input, struct archive **archive,
                             dbt_error *err) DBT_MUST_USE;
/* A file of an archive. */
typedef struct dbt__entry {
    const char *path; /* without empty parts and "."; valid until the next call */
    int64_t bytes;    /* -1: unknown */
    const char *link; /* NULL; else there is no content: it is that of another file, and this says
                         what to do about it */
} dbt__entry;

/* The next file of an archive, or link, which may lead to a file. DBT_DONE, DBT_EDATA, DBT_ENOMEM.
 */
dbt_status dbt__archive_next(dbt__input *input, struct archive *archive, dbt__entry *next,
                             dbt_error *err) DBT_MUST_USE;
/* After the last entry: a tar does not end as one should, and may have been cut short between two
 * entries, which is all that tells it. */
bool dbt__archive_ends_oddly(const dbt__input *input, struct archive *archive);
/* Content of the current entry; *bytes 0: its end. */
dbt_status dbt__archive_read(dbt__input *input, struct archive *archive, char *data,
                             size_t capacity, size_t *bytes, dbt_error *err) DBT_MUST_USE;

#endif
