/*
 * gzip.h: what is packed in a gzip stream, with every member's CRC and length compared.
 *
 * libarchive takes gzip apart but does not look at either, so that damaged text would be ingested
 * without a word; nor does it mind what comes behind the last member. (bzip2, xz, zstd and the
 * entries of zip and 7-zip it does check; a gzip stream within another one is left to it.)
 */
#ifndef DBT_GZIP_H
#define DBT_GZIP_H

#include "base.h"

typedef struct dbt__gunzip dbt__gunzip;

/* Whether the bytes begin one. */
bool dbt__is_gzip(const char *data, size_t bytes);
/* DBT_ENOMEM. */
dbt_status dbt__gunzip_new(dbt__gunzip **gunzip, dbt_error *err) DBT_MUST_USE;
/* Takes NULL. */
void dbt__gunzip_free(dbt__gunzip *gunzip);
/* Whether all that was given has been used: the next call needs more bytes, or the end. */
bool dbt__gunzip_is_hungry(const dbt__gunzip *gunzip);
/* Gives the next bytes of the stream, which stay where they are until it is hungry; none: it has
 * ended. */
void dbt__gunzip_give(dbt__gunzip *gunzip, const char *data, size_t bytes);
/* Unpacks up to `capacity` bytes of what was given. *bytes 0: it is hungry, or all is unpacked once
 * the end was given. DBT_EDATA: damaged, cut short or followed by something else. DBT_ENOMEM. */
dbt_status dbt__gunzip_read(dbt__gunzip *gunzip, char *data, size_t capacity, size_t *bytes,
                            dbt_error *err) DBT_MUST_USE;

#endif
