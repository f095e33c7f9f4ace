/*
 * status.h: how every fallible function of dbtrain reports.
 *
 * A function that can fail returns a dbt_status and takes, last, a dbt_error that the caller owns.
 * DBT_OK is 0; DBT_DONE is 1 and comes only from functions named *_next (it is sticky until the
 * object is reset); errors are negative. An error can therefore never be taken for the end of data.
 *
 * A dbt_error has a fixed size and never allocates. It is untouched on success. The first error
 * wins: a later failure (of a clean-up, say) does not overwrite it. Outer layers put their context
 * in front of the message. `err` may be NULL everywhere.
 *
 *     dbt_error err = {0};
 *     if (dbt_store_open("news.db", DBT_STORE_READ, &store, &err) < 0)
 *         fprintf(stderr, "%s\n", err.message);
 */
#ifndef DBTRAIN_STATUS_H
#define DBTRAIN_STATUS_H

#include <stdint.h>

#include <dbtrain/export.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define DBT_MUST_USE __attribute__((warn_unused_result))
#define DBT_PRINTF(text, arguments) __attribute__((format(printf, text, arguments)))
#else
#define DBT_MUST_USE
#define DBT_PRINTF(text, arguments)
#endif

/* X(name, value, text). The value of an error is the program's exit code, negated. */
#define DBT_STATUS_LIST(X)                                                                         \
    X(DBT_OK, 0, "done")                                                                           \
    X(DBT_DONE, 1, "no more rows")                                                                 \
    X(DBT_EINTERNAL, -1, "internal error")                                                         \
    X(DBT_EUSAGE, -2, "invalid argument")                                                          \
    X(DBT_EDATA, -3, "invalid input data")                                                         \
    X(DBT_EFORMAT, -4, "not a usable dbtrain file")                                                \
    X(DBT_ELOCKED, -5, "locked by another process")                                                \
    X(DBT_EIO, -6, "input/output error")                                                           \
    X(DBT_ENOMEM, -7, "out of memory")                                                             \
    X(DBT_EDIVERGED, -8, "training diverged")                                                      \
    X(DBT_EINTERRUPTED, -9, "interrupted")

typedef enum dbt_status {
#define DBT_STATUS_ENUM(name, value, text) name = value,
    DBT_STATUS_LIST(DBT_STATUS_ENUM)
#undef DBT_STATUS_ENUM
} dbt_status;

#define DBT_ERROR_BYTES 1024

typedef struct dbt_error {
    dbt_status status;             /* DBT_OK: no error has been recorded */
    int64_t line;                  /* line of the input that the error is about, or 0 */
    char message[DBT_ERROR_BYTES]; /* lower case, no full stop; always terminated by NUL */
} dbt_error;

/* Text of a status, never NULL; static storage. */
DBT_EXPORT const char *dbt_status_text(dbt_status status);

/* Frees memory that a function of dbtrain gave to its caller. Takes NULL. */
DBT_EXPORT void dbt_free(void *memory);

#ifdef __cplusplus
}
#endif
#endif
