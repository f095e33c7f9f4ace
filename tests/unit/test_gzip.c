/* test_gzip.c: gzip streams in pieces, damaged, cut short, followed by something. */
#include "testing.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base.h"
#include "gzip.h"

enum { TEXT_BYTES = 5000, PACKED_BYTES = 8192 };

static char text[TEXT_BYTES];
static char packed[PACKED_BYTES];

/* Some words and some noise, so that there are blocks of several kinds. */
static int make_text(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEXT_BYTES; i++)
        text[i] = i % 1000 < 400 ? (char)dbt__random_below(1, i, 256) : "a good film "[i % 12];
    return 0;
}

/* One member at `at`; its bytes. */
static size_t pack(const char *data, size_t bytes, char *at)
{
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (z_const Bytef *)data;
    z.avail_in = (uInt)bytes;
    z.next_out = (Bytef *)at;
    z.avail_out = (uInt)(packed + sizeof packed - at);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    size_t made = z.total_out;
    assert_int_equal(deflateEnd(&z), Z_OK);
    return made;
}

/* Unpacks in pieces: what came out, and DBT_OK, or why not all did. */
static dbt_status unpack(const char *data, size_t bytes, size_t piece, size_t room, char *out,
                         size_t *made, dbt_error *err)
{
    dbt__gunzip *gunzip;
    assert_ok(dbt__gunzip_new(&gunzip, err), *err);
    dbt_status status = DBT_OK;
    size_t at = 0, got = 0;
    *made = 0;
    for (;;) {
        bool hungry = dbt__gunzip_is_hungry(gunzip);
        if (hungry) {
            size_t n = bytes - at < piece ? bytes - at : piece;
            dbt__gunzip_give(gunzip, data + at, n);
            at += n;
        }
        /* More than the text is not kept. */
        size_t kept = *made < TEXT_BYTES ? *made : TEXT_BYTES, left = TEXT_BYTES + 1 - kept;
        status = dbt__gunzip_read(gunzip, out + kept, room < left ? room : left, &got, err);
        *made += got;
        if (status < 0 || (got == 0 && !dbt__gunzip_is_hungry(gunzip))) break;
    }
    dbt__gunzip_free(gunzip);
    return status;
}

static void assert_text(const char *data, size_t bytes, size_t piece, size_t room)
{
    static char out[TEXT_BYTES + 1];
    size_t made;
    dbt_error err = {0};
    assert_ok(unpack(data, bytes, piece, room, out, &made, &err), err);
    assert_int_equal(made, TEXT_BYTES);
    assert_memory_equal(out, text, TEXT_BYTES);
}

static void assert_damaged(const char *data, size_t bytes, const char *message)
{
    static char out[TEXT_BYTES + 1];
    size_t made;
    dbt_error err = {0};
    assert_int_equal(unpack(data, bytes, 100, 1000, out, &made, &err), DBT_EDATA);
    if (strstr(err.message, message) == NULL) fail_msg("'%s': %s", message, err.message);
    assert_true(made <= TEXT_BYTES);
    assert_memory_equal(out, text, made);
}

static void test_gzip__any_pieces_give_the_same_bytes(void **state)
{
    (void)state;
    static const size_t pieces[] = {1, 2, 7, 64, 1000, PACKED_BYTES};
    size_t bytes = pack(text, TEXT_BYTES, packed);
    assert_true(dbt__is_gzip(packed, bytes));
    assert_false(dbt__is_gzip(packed, 1));
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++)
        for (size_t j = 0; j < sizeof pieces / sizeof *pieces; j++)
            assert_text(packed, bytes, pieces[i], pieces[j]);
}

static void test_gzip__members_follow_each_other_and_zeros(void **state)
{
    (void)state;
    static const size_t pieces[] = {1, 3, PACKED_BYTES};
    memset(packed, 0, sizeof packed);
    size_t bytes = pack(text, 100, packed);
    bytes += pack(text + 100, 0, packed + bytes);
    bytes += pack(text + 100, TEXT_BYTES - 100, packed + bytes);
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++)
        for (size_t padding = 0; padding < 200; padding += 66)
            assert_text(packed, bytes + padding, pieces[i], 512);
    packed[bytes + 150] = 'x';
    assert_damaged(packed, bytes + 200, "something follows the gzip stream that is none");
    packed[bytes] = 'x';
    assert_damaged(packed, bytes + 1, "something follows the gzip stream that is none");
    packed[bytes] = '\x1f';
    assert_damaged(packed, bytes + 1, "the gzip stream is cut short");
    packed[bytes + 1] = 'x';
    assert_damaged(packed, bytes + 2, "the gzip stream is damaged: incorrect header check");
}

static void test_gzip__cut_anywhere_it_is_cut_short(void **state)
{
    (void)state;
    size_t bytes = pack(text, TEXT_BYTES, packed);
    for (size_t n = 2; n < bytes; n++)
        assert_damaged(packed, n, "the gzip stream is cut short");
}

/* But for the header's that say nothing of the content (of text, time, system), and those that fill
 * up the last byte of the deflated data. */
static void test_gzip__no_flipped_bit_goes_unnoticed(void **state)
{
    (void)state;
    static char out[TEXT_BYTES + 1];
    size_t bytes = pack(text, TEXT_BYTES, packed), made, noticed = 0;
    for (size_t bit = 16; bit < 8 * bytes; bit++) {
        dbt_error err = {0};
        packed[bit / 8] ^= (char)(1 << bit % 8);
        dbt_status status = unpack(packed, bytes, 512, 512, out, &made, &err);
        packed[bit / 8] ^= (char)(1 << bit % 8);
        assert_true(status == DBT_OK || status == DBT_EDATA);
        noticed += status < 0;
        if (status == DBT_OK) {
            assert_int_equal(made, TEXT_BYTES);
            assert_memory_equal(out, text, TEXT_BYTES);
        }
    }
    assert_true(noticed >= 8 * (bytes - 10) - 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gzip__any_pieces_give_the_same_bytes),
        cmocka_unit_test(test_gzip__members_follow_each_other_and_zeros),
        cmocka_unit_test(test_gzip__cut_anywhere_it_is_cut_short),
        cmocka_unit_test(test_gzip__no_flipped_bit_goes_unnoticed),
    };
    return cmocka_run_group_tests(tests, make_text, NULL);
}
