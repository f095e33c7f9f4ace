/*
 * stream.c: the bytes of a part, decoded, as a window that slides over them.
 *
 * The window grows by doubling while one record does not fit and never shrinks; how far is the
 * business of those who ask for more: they refuse a record that is longer than max_document.
 */
#include "stream.h"

#include <errno.h>
#include <iconv.h>
#include <string.h>
#include <strings.h>

enum {
    RAW_CHUNK = 64 * 1024,
    DECODE_ROOM =
        16 /* with less, iconv may have no room for one character, which would look like the end */
};

dbt_status dbt__stream_read(dbt__stream *stream, char *data, size_t capacity, size_t *bytes,
                            dbt_error *err)
{
    dbt_status status =
        stream->archive == NULL
            ? dbt__input_read(stream->input, data, capacity, bytes, err)
            : dbt__archive_read(stream->input, stream->archive, data, capacity, bytes, err);
    stream->bytes += (int64_t)*bytes;
    if (stream->hasher != NULL) dbt__hasher_update(stream->hasher, data, *bytes);
    return status;
}

dbt_status dbt__stream_finish(dbt__stream *stream, int64_t *bytes, uint64_t *digest, bool *changed,
                              dbt_error *err)
{
    *changed = false;
    char rest[4096];
    size_t got = 1;
    while (got > 0) {
        dbt_status status = dbt__stream_read(stream, rest, sizeof rest, &got, err);
        if (status < 0) return status;
    }
    *bytes = stream->bytes;
    if (stream->hasher != NULL) {
        *digest = dbt__hasher_digest(stream->hasher);
        return DBT_OK;
    }
    dbt_status status = dbt__input_drain(stream->input, err);
    *bytes = dbt__input_position(stream->input);
    *digest = dbt__input_digest(stream->input);
    *changed = dbt__input_changed(stream->input);
    return status;
}

/* --- decoding --- */

struct dbt__decoder {
    iconv_t iconv;
    size_t unit; /* bytes to skip when they mean nothing */
    char raw[RAW_CHUNK];
    size_t begin, end;
    bool at_end;
};

dbt_status dbt__decoder_new(const char *encoding, dbt__decoder **decoder, dbt_error *err)
{
    *decoder = NULL;
    if (encoding == NULL || strcasecmp(encoding, "utf-8") == 0 || strcasecmp(encoding, "utf8") == 0)
        return DBT_OK;
    dbt__decoder *made = dbt__alloc(sizeof *made);
    if (made == NULL) return dbt__out_of_memory(err, "a decoder");
    made->iconv = iconv_open("UTF-8", encoding);
    if (made->iconv == (iconv_t)-1) { // NOLINT: iconv's own idea of an error
        int error = errno;
        dbt__free(made);
        if (error == ENOMEM) return dbt__out_of_memory(err, "a decoder");
        return dbt__fail(err, DBT_EUSAGE, "unknown encoding '%s' ('iconv -l' lists them)",
                         encoding);
    }
    made->unit = 1;
    if (strncasecmp(encoding, "utf-16", 6) == 0 || strncasecmp(encoding, "ucs-2", 5) == 0)
        made->unit = 2;
    if (strncasecmp(encoding, "utf-32", 6) == 0 || strncasecmp(encoding, "ucs-4", 5) == 0)
        made->unit = 4;
    *decoder = made;
    return DBT_OK;
}

void dbt__decoder_free(dbt__decoder *decoder)
{
    if (decoder == NULL) return;
    (void)iconv_close(decoder->iconv);
    dbt__free(decoder);
}

static void restart_decoder(dbt__decoder *decoder)
{
    (void)iconv(decoder->iconv, NULL, NULL, NULL, NULL);
    decoder->begin = decoder->end = 0;
    decoder->at_end = false;
}

static dbt_status refill_raw(dbt__decoder *decoder, dbt__stream *stream, dbt_error *err)
{
    size_t left = decoder->end - decoder->begin, got;
    memmove(decoder->raw, decoder->raw + decoder->begin, left);
    decoder->begin = 0;
    decoder->end = left;
    dbt_status status =
        dbt__stream_read(stream, decoder->raw + left, sizeof decoder->raw - left, &got, err);
    decoder->end += got;
    decoder->at_end = got == 0;
    return status;
}

/* Fills data with converted bytes; *bytes 0: the end. What iconv refuses becomes U+FFFD. */
static dbt_status decode(dbt__decoder *decoder, dbt__stream *stream, char *data, size_t capacity,
                         size_t *bytes, int64_t *replaced, dbt_error *err)
{
    char *out = data;
    size_t room = capacity;
    for (;;) {
        char *from = decoder->raw + decoder->begin;
        size_t left = decoder->end - decoder->begin;
        errno = 0;
        size_t code = iconv(decoder->iconv, &from, &left, &out, &room);
        int error = code == (size_t)-1 ? errno : 0;
        decoder->begin = decoder->end - left;
        *bytes = (size_t)(out - data);
        if (error == E2BIG) return DBT_OK;
        bool cut = error == EINVAL;
        if (error == EILSEQ || (cut && decoder->at_end)) {
            if (room < 3) return DBT_OK;
            memcpy(out, "\xef\xbf\xbd", 3);
            out += 3;
            room -= 3;
            ++*replaced;
            decoder->begin += decoder->unit < left ? decoder->unit : left;
            if (cut) decoder->begin = decoder->end;
            continue;
        }
        if (decoder->at_end) {
            /* A letter that a mark might have followed: iconv holds it back until it is asked. */
            (void)iconv(decoder->iconv, NULL, NULL, &out, &room);
            *bytes = (size_t)(out - data);
            return DBT_OK;
        }
        dbt_status status = refill_raw(decoder, stream, err);
        if (status < 0) return status;
    }
}

/* --- window --- */

void dbt__window_init(dbt__window *window, dbt__decoder *decoder, size_t chunk)
{
    *window = (dbt__window){.decoder = decoder, .chunk = chunk};
}

void dbt__window_release(dbt__window *window)
{
    dbt__free(window->data);
    *window = (dbt__window){0};
}

void dbt__window_start(dbt__window *window, dbt__stream *stream)
{
    window->stream = stream;
    window->begin = window->end = 0;
    window->at_end = false;
    window->line = 1;
    if (window->decoder != NULL) restart_decoder(window->decoder);
}

/* A chunk's room behind the bytes that there are. */
static dbt_status make_room(dbt__window *window, dbt_error *err)
{
    size_t held = window->end - window->begin;
    size_t chunk = window->chunk;
    if (window->decoder != NULL && chunk < DECODE_ROOM) chunk = DECODE_ROOM;
    if (window->capacity - window->end >= chunk && window->capacity > 0) return DBT_OK;
    if (window->begin > 0) {
        memmove(window->data, window->data + window->begin, held);
        window->begin = 0;
        window->end = held;
    }
    if (held > SIZE_MAX / 4) return dbt__out_of_memory(err, "a record");
    size_t needed = held + chunk;
    if (needed <= window->capacity) return DBT_OK;
    if (needed < 2 * held) needed = 2 * held;
    return dbt__reserve((void **)&window->data, &window->capacity, needed, 1, "a record", err);
}

dbt_status dbt__window_more(dbt__window *window, dbt_error *err)
{
    if (window->at_end) return DBT_DONE;
    dbt_status status = make_room(window, err);
    if (status < 0) return status;
    size_t room = window->capacity - window->end, filled = 0;
    size_t wanted = window->chunk < room ? window->chunk : room;
    if (window->decoder != NULL && wanted < DECODE_ROOM) wanted = DECODE_ROOM;
    /* A pipe gives little at a time: a full chunk keeps records from being scanned again and again.
     */
    while (filled < wanted && (window->decoder == NULL || room - filled >= DECODE_ROOM)) {
        size_t got = 0;
        char *to = window->data + window->end;
        status = window->decoder == NULL
                     ? dbt__stream_read(window->stream, to, wanted - filled, &got, err)
                     : decode(window->decoder, window->stream, to, room - filled, &got,
                              &window->replaced, err);
        if (status < 0) return status;
        if (got == 0) {
            window->at_end = true;
            break;
        }
        window->end += got;
        filled += got;
    }
    return filled > 0 ? DBT_OK : DBT_DONE;
}

const char *dbt__find_break(const char *p, const char *end, char a)
{
    /* Eight bytes at a time: (x - 01..01) & ~x & 80..80 is not 0 where x has a byte 0 (Mycroft
     * 1987). */
    const uint64_t ones = UINT64_C(0x0101010101010101), highs = UINT64_C(0x8080808080808080);
    const uint64_t as = ones * (unsigned char)a, feeds = ones * '\n', returns = ones * '\r';
    while (end - p >= 8) {
        uint64_t x;
        memcpy(&x, p, sizeof x);
        uint64_t b = x ^ as, f = x ^ feeds, r = x ^ returns;
        if (((((b - ones) & ~b) | ((f - ones) & ~f) | ((r - ones) & ~r)) & highs) != 0) break;
        p += 8;
    }
    while (p < end && *p != a && *p != '\n' && *p != '\r')
        p++;
    return p;
}

int64_t dbt__count_lines(const char *p, const char *end)
{
    int64_t lines = 0;
    for (const char *q = p; (q = memchr(q, '\n', (size_t)(end - q))) != NULL; q++)
        lines++;
    for (const char *q = p; (q = memchr(q, '\r', (size_t)(end - q))) != NULL; q++)
        if (q + 1 == end || q[1] != '\n') lines++;
    return lines;
}

void dbt__window_consume(dbt__window *window, size_t bytes)
{
    const char *p = dbt__window_data(window);
    dbt__window_advance(window, bytes, bytes == 0 ? 0 : dbt__count_lines(p, p + bytes));
}

dbt_status dbt__window_line(dbt__window *window, size_t maximum, dbt_text *line, size_t *next,
                            bool *too_long, dbt_error *err)
{
    size_t seen = 0;
    *too_long = false;
    for (;;) {
        size_t held = dbt__window_bytes(window);
        if (held > seen) {
            const char *begin = dbt__window_data(window), *end = begin + held;
            const char *stop = dbt__find_break(begin + seen, end, '\n');
            *line = (dbt_text){begin, (size_t)(stop - begin)};
            *too_long = line->bytes > maximum;
            if (*too_long) return DBT_OK;
            /* A '\r' at the very end may be half of a line break. */
            if (stop < end && (*stop == '\n' || stop + 1 < end || window->at_end)) {
                bool two = *stop == '\r' && stop + 1 < end && stop[1] == '\n';
                *next = line->bytes + (two ? 2 : 1);
                return DBT_OK;
            }
            seen = line->bytes;
        }
        dbt_status status = dbt__window_more(window, err);
        if (status < 0) return status;
        if (status == DBT_OK) continue;
        if (held == 0) return DBT_DONE;
        if (seen < held) continue; /* the '\r' at the end is a line break after all */
        *line = (dbt_text){dbt__window_data(window), held};
        *next = held;
        return DBT_OK;
    }
}

dbt_status dbt__window_skip_line(dbt__window *window, dbt_error *err)
{
    dbt_text line;
    size_t next;
    bool too_long;
    for (;;) {
        dbt_status status = dbt__window_line(window, window->chunk, &line, &next, &too_long, err);
        if (status != DBT_OK) return status == DBT_DONE ? DBT_OK : status;
        if (!too_long) {
            dbt__window_consume(window, next);
            return DBT_OK;
        }
        dbt__window_advance(window, line.bytes, 0);
    }
}
