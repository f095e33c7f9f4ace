/*
 * fuzz_gzip.c: bytes as a gzip stream: however they are cut into pieces, the same comes out of
 * them, and the same refusal.
 *
 * Byte 0 is the size of a piece, byte 1 the room for what comes out; the rest is the stream.
 */
#include "fuzz.h"

#include "gzip.h"

/* Of what is unpacked, so that a small input does not take a minute. */
#define MOST_BYTES ((size_t)1 << 20)

typedef struct outcome {
    dbt_status status;
    size_t bytes;
    uint64_t digest;
    dbt_error err;
} outcome;

static outcome unpack(const char *data, size_t bytes, size_t piece, size_t room)
{
    static char out[4096];
    outcome made = {0};
    dbt__gunzip *gunzip;
    dbt__hasher *hasher = dbt__hasher_new();
    size_t at = 0, got = 1;
    fuzz_check(hasher != NULL);
    fuzz_ok(dbt__gunzip_new(&gunzip, &made.err), made.err);
    while (made.status == DBT_OK && made.bytes < MOST_BYTES) {
        if (dbt__gunzip_is_hungry(gunzip)) {
            size_t n = bytes - at < piece ? bytes - at : piece;
            dbt__gunzip_give(gunzip, data + at, n);
            at += n;
        } else if (got == 0) {
            break;
        }
        size_t left = MOST_BYTES - made.bytes;
        made.status = dbt__gunzip_read(gunzip, out, room < left ? room : left, &got, &made.err);
        fuzz_check(got <= room);
        made.bytes += got;
        dbt__hasher_update(hasher, out, got);
    }
    made.digest = dbt__hasher_digest(hasher);
    dbt__hasher_free(hasher);
    dbt__gunzip_free(gunzip);
    return made;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    fuzz_input input = {data, bytes};
    size_t piece = 1 + fuzz_byte(&input), room = 1 + fuzz_byte(&input);
    char *copy = fuzz_copy(input.data, input.bytes);
    outcome whole = unpack(copy, input.bytes, SIZE_MAX, 4096);
    outcome parts = unpack(copy, input.bytes, piece, room);
    fuzz_check(whole.status == parts.status);
    if (whole.status < 0) {
        fuzz_refused(whole.status, &whole.err);
        fuzz_check(strcmp(whole.err.message, parts.err.message) == 0);
    } else {
        /* What comes out before a refusal depends on where the pieces end. */
        fuzz_check(whole.bytes == parts.bytes && whole.digest == parts.digest);
    }
    free(copy);
    return 0;
}
