/*
 * settings.h: options to JSON and back, from tables of fields.
 *
 * What a run or a vectorizer was made with is stored as one JSON object, so that it can be asked
 * with json_extract and compared as text: SQLite writes it, so equal options give equal text on any
 * machine and under any locale.
 */
#ifndef DBT_SETTINGS_H
#define DBT_SETTINGS_H

#include <stddef.h>

#include <dbtrain/train.h>

#include "base.h"
#include "sql.h"

typedef enum dbt__field_kind {
    DBT__FIELD_INT64,
    DBT__FIELD_SIZE,
    DBT__FIELD_UINT32,
    DBT__FIELD_DOUBLE,
    DBT__FIELD_BOOL,
    DBT__FIELD_ENUM,  /* an enumeration, stored by name; as wide as an int */
    DBT__FIELD_STRING /* const char *; NULL is stored as null; never read back */
} dbt__field_kind;

typedef struct dbt__field {
    const char *name;
    dbt__field_kind kind;
    size_t offset;
    const char *const *names; /* of an enumeration, ending with NULL */
} dbt__field;

/* Tables that end with a field without a name. */
extern const dbt__field dbt__vectorizer_fields[]; /* of dbt_vectorizer_options */
extern const dbt__field dbt__fit_fields[];        /* of dbt_fit_options, without its vectorizer */

/* *json is the caller's, to be freed with dbt__free. */
dbt_status dbt__settings_write(dbt__sql *sql, const dbt__field *fields, const void *options,
                               char **json, dbt_error *err) DBT_MUST_USE;
/* Fields that the JSON lacks keep their value; strings are not read. DBT_EFORMAT: not a settings
 * object. */
dbt_status dbt__settings_read(dbt__sql *sql, const dbt__field *fields, void *options,
                              const char *json, dbt_error *err) DBT_MUST_USE;
/* The same, of a column of the row at hand, whose text need not end with a NUL. DBT_ENOMEM. */
dbt_status dbt__settings_read_column(dbt__sql *sql, const dbt__field *fields, void *options,
                                     dbt__statement *row, int column, dbt_error *err) DBT_MUST_USE;
/* Where the members that both objects have differ: "units is 64, not 32; ..." (stored, given), to
 * be freed with dbt__free; NULL: nowhere. DBT_EFORMAT: `stored` is not an object. */
dbt_status dbt__settings_compare(dbt__sql *sql, const char *stored, const char *given,
                                 char **differences, dbt_error *err) DBT_MUST_USE;

#endif
