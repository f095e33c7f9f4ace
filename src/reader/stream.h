/* stream.h: the bytes of one part, and the window through which a reader sees them. */
#ifndef DBT_STREAM_H
#define DBT_STREAM_H

#include "input.h"
#include "reader.h"

struct dbt__stream {
    dbt__input *input;
    struct archive *archive; /* NULL: read the input directly */
    dbt__hasher *hasher;     /* of an entry; NULL: the input's own is meant */
    int64_t bytes;           /* unpacked, so far */
};

/* Reads up to `capacity` bytes; *bytes 0: the end. DBT_EDATA. */
dbt_status dbt__stream_read(dbt__stream *stream, char *data, size_t capacity, size_t *bytes,
                            dbt_error *err) DBT_MUST_USE;

typedef struct dbt__decoder dbt__decoder;

/* What --encoding asks for; *decoder stays NULL when it is UTF-8. DBT_EUSAGE: iconv does not know
 * it. */
dbt_status dbt__decoder_new(const char *encoding, dbt__decoder **decoder,
                            dbt_error *err) DBT_MUST_USE;
/* Takes NULL. */
void dbt__decoder_free(dbt__decoder *decoder);

/*
 * The part of a stream that is in memory: data[begin .. end). Records are parsed in place; what is
 * consumed makes room for what comes. The bytes move when more are read.
 */
typedef struct dbt__window {
    dbt__stream *stream;
    dbt__decoder *decoder; /* NULL: none */
    char *data;
    size_t capacity;
    size_t begin;
    size_t end;
    size_t chunk;     /* bytes read at a time */
    bool at_end;      /* the stream has no more */
    int64_t line;     /* of data[begin], from 1 */
    int64_t replaced; /* bytes that the decoder could not convert */
} dbt__window;

void dbt__window_init(dbt__window *window, dbt__decoder *decoder, size_t chunk);
void dbt__window_release(dbt__window *window);
void dbt__window_start(dbt__window *window, dbt__stream *stream);
/* Appends a chunk: DBT_OK, DBT_DONE (nothing more), DBT_EDATA, DBT_ENOMEM. */
dbt_status dbt__window_more(dbt__window *window, dbt_error *err) DBT_MUST_USE;
/* Gives up the first bytes, whose line breaks are counted. */
void dbt__window_consume(dbt__window *window, size_t bytes);
/* The same when it is known how many line breaks they hold. */
static inline void dbt__window_advance(dbt__window *window, size_t bytes, int64_t lines)
{
    window->begin += bytes;
    window->line += lines;
}
static inline const char *dbt__window_data(const dbt__window *window)
{
    return window->data + window->begin;
}
static inline size_t dbt__window_bytes(const dbt__window *window)
{
    return window->end - window->begin;
}

/* The first of a, '\n' and '\r' in [p, end), or end. */
const char *dbt__find_break(const char *p, const char *end, char a);
/* Line breaks in [p, end): "\n", "\r\n" and lone "\r". */
int64_t dbt__count_lines(const char *p, const char *end);
/*
 * The line at the window's beginning, without its break; *next is what to consume with it. The line
 * is not consumed. *too_long: there are more than `maximum` bytes of it; *line is then what is in
 * memory. DBT_DONE: the end.
 */
dbt_status dbt__window_line(dbt__window *window, size_t maximum, dbt_text *line, size_t *next,
                            bool *too_long, dbt_error *err) DBT_MUST_USE;
/* Consumes up to the next line break and that, in constant memory. */
dbt_status dbt__window_skip_line(dbt__window *window, dbt_error *err) DBT_MUST_USE;

#endif
