/* environment.c: the processor and the libraries, as JSON. */
#include "environment.h"

#include <limits.h> /* any header of the C library says whose it is */

#ifdef __GLIBC__
#include <gnu/libc-version.h>
#endif

#include <dbtrain/vectorizer.h>

#include "settings.h"
#include "state.h"

typedef struct environment {
    const char *kernels;
    int64_t arithmetic;
    const char *blas;
    const char *unicode;
    const char *libc; /* its exp and log are in every loss */
} environment;

static const dbt__field fields[] = {
    {"kernels", DBT__FIELD_STRING, offsetof(environment, kernels), NULL},
    {"arithmetic", DBT__FIELD_INT64, offsetof(environment, arithmetic), NULL},
    {"blas", DBT__FIELD_STRING, offsetof(environment, blas), NULL},
    {"unicode", DBT__FIELD_STRING, offsetof(environment, unicode), NULL},
    {"libc", DBT__FIELD_STRING, offsetof(environment, libc), NULL},
    {NULL, DBT__FIELD_INT64, 0, NULL},
};

static const char *libc_version(void)
{
#ifdef __GLIBC__
    return gnu_get_libc_version();
#else
    return "unknown";
#endif
}

dbt_status dbt__environment_write(dbt__sql *sql, const dbt_network *network, char **json,
                                  dbt_error *err)
{
    dbt__machine machine = dbt__network_machine(network);
    const environment here = {machine.kernels, machine.arithmetic, machine.blas,
                              dbt_vectorizer_unicode_version(), libc_version()};
    return dbt__settings_write(sql, fields, &here, json, err);
}
