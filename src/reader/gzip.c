/* gzip.c: RFC 1952 by zlib: one member after the other, then padding of zeros, as gzip takes it. */
#include "gzip.h"

#include <limits.h>
#include <zlib.h>

/* Of inflateInit2: gzip alone, with the largest window. */
#define GZIP_WINDOW (16 + MAX_WBITS)

struct dbt__gunzip {
    z_stream z;
    size_t more; /* given, beyond what z can count */
    bool at_end;
    bool in_member;
    bool in_padding;
    int64_t members; /* that are complete */
};

static void *allocate(void *opaque, uInt n, uInt size)
{
    (void)opaque;
    return dbt__alloc_array(n, size);
}

static void release(void *opaque, void *memory)
{
    (void)opaque;
    dbt__free(memory);
}

bool dbt__is_gzip(const char *data, size_t bytes)
{
    return bytes >= 2 && data[0] == '\x1f' && data[1] == '\x8b';
}

dbt_status dbt__gunzip_new(dbt__gunzip **gunzip, dbt_error *err)
{
    *gunzip = NULL;
    dbt__gunzip *made = dbt__alloc(sizeof *made);
    if (made == NULL) return dbt__out_of_memory(err, "unpacking");
    made->z = (z_stream){.zalloc = allocate, .zfree = release};
    if (inflateInit2(&made->z, GZIP_WINDOW) != Z_OK) {
        dbt__free(made);
        return dbt__out_of_memory(err, "unpacking");
    }
    *gunzip = made;
    return DBT_OK;
}

void dbt__gunzip_free(dbt__gunzip *gunzip)
{
    if (gunzip == NULL) return;
    (void)inflateEnd(&gunzip->z);
    dbt__free(gunzip);
}

bool dbt__gunzip_is_hungry(const dbt__gunzip *gunzip)
{
    return gunzip->z.avail_in == 0 && gunzip->more == 0 && !gunzip->at_end;
}

void dbt__gunzip_give(dbt__gunzip *gunzip, const char *data, size_t bytes)
{
    gunzip->z.next_in = (z_const Bytef *)data;
    gunzip->z.avail_in = 0;
    gunzip->more = bytes;
    gunzip->at_end = bytes == 0;
}

/* Lets z see bytes; false: there are none. */
static bool has_bytes(dbt__gunzip *g)
{
    if (g->z.avail_in > 0) return true;
    g->z.avail_in = g->more < UINT_MAX ? (uInt)g->more : UINT_MAX;
    g->more -= g->z.avail_in;
    return g->z.avail_in > 0;
}

static dbt_status fail_trailing(dbt_error *err)
{
    return dbt__fail(err, DBT_EDATA, "something follows the gzip stream that is none");
}

/* What comes after a member: another, zeros, or nothing. */
static dbt_status begin_member(dbt__gunzip *g, dbt_error *err)
{
    while (g->members > 0 && *g->z.next_in == 0) {
        g->in_padding = true;
        g->z.next_in++;
        g->z.avail_in--;
        if (!has_bytes(g)) return DBT_OK;
    }
    if (g->in_padding || (g->members > 0 && *g->z.next_in != 0x1f)) return fail_trailing(err);
    g->in_member = true;
    /* Of a stream that is sound. */
    return inflateReset(&g->z) == Z_OK ? DBT_OK : DBT_EINTERNAL;
}

/* One call of zlib within a member. */
static dbt_status inflate_some(dbt__gunzip *g, dbt_error *err)
{
    switch (inflate(&g->z, Z_NO_FLUSH)) {
    case Z_STREAM_END:
        g->in_member = false;
        g->members++;
        return DBT_OK;
    case Z_OK:
    case Z_BUF_ERROR: /* it needs more, of either */
        return DBT_OK;
    case Z_MEM_ERROR:
        return dbt__out_of_memory(err, "unpacking");
    default:
        return dbt__fail(err, DBT_EDATA, "the gzip stream is damaged: %s",
                         g->z.msg == NULL ? "it needs a dictionary" : g->z.msg);
    }
}

dbt_status dbt__gunzip_read(dbt__gunzip *g, char *data, size_t capacity, size_t *bytes,
                            dbt_error *err)
{
    dbt_status status = DBT_OK;
    uInt room = capacity < UINT_MAX ? (uInt)capacity : UINT_MAX;
    g->z.next_out = (Bytef *)data;
    g->z.avail_out = room;
    while (status == DBT_OK && g->z.avail_out > 0 && has_bytes(g)) {
        if (!g->in_member) status = begin_member(g, err);
        if (status == DBT_OK && g->in_member) status = inflate_some(g, err);
    }
    /* What zlib holds back when the room was full. */
    if (status == DBT_OK && g->in_member && g->at_end && g->z.avail_out > 0)
        status = inflate_some(g, err);
    *bytes = status < 0 ? 0 : room - g->z.avail_out;
    if (status == DBT_OK && *bytes == 0 && g->at_end && g->in_member)
        status = dbt__fail(err, DBT_EDATA, "the gzip stream is cut short");
    return status;
}
