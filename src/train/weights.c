/* weights.c: parameters as little-endian float32 blobs, and back. */
#include "weights.h"

#include <math.h>
#include <string.h>

/* The blobs are the memory as it is. A big-endian machine would have to turn each number round
 * here. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "weights are stored little-endian");
_Static_assert(sizeof(float) == 4, "weights are stored as float32");

const char *dbt__weights_name(dbt_weights kind)
{
    return kind == DBT_WEIGHTS_BEST ? "best" : "last";
}

static size_t count_values(const dbt_parameter *parameter)
{
    return parameter->rows * parameter->columns;
}

static dbt_status write_parameter(dbt__statement *insert, int64_t run_id, dbt_weights kind,
                                  const dbt_parameter *parameter, dbt_error *err)
{
    size_t bytes = count_values(parameter) * sizeof(float);
    char digest[DBT__DIGEST_CHARS];
    dbt__digest_text(dbt__hash(parameter->value, bytes, 0), digest);
    dbt__bind_int(insert, 1, run_id);
    dbt__bind_string(insert, 2, dbt__weights_name(kind));
    dbt__bind_int(insert, 3, (int64_t)parameter->layer);
    dbt__bind_string(insert, 4, parameter->name);
    dbt__bind_int(insert, 5, (int64_t)parameter->rows);
    dbt__bind_int(insert, 6, (int64_t)parameter->columns);
    dbt__bind_blob(insert, 7, parameter->value, bytes);
    dbt__bind_string(insert, 8, digest);
    return dbt__run(insert, err);
}

dbt_status dbt__weights_copy(dbt_network *network, float **copy, dbt_error *err)
{
    size_t n = 0;
    for (size_t i = 0; i < dbt_network_parameters(network); i++) {
        dbt_parameter parameter = dbt_network_parameter(network, i);
        n += count_values(&parameter);
    }
    dbt_status status = dbt_network_check(network, err);
    if (status < 0) return status;
    if (*copy == NULL) *copy = dbt__alloc_array(n, sizeof **copy);
    if (*copy == NULL) return dbt__out_of_memory(err, "the best weights");
    float *at = *copy;
    for (size_t i = 0; i < dbt_network_parameters(network); i++) {
        dbt_parameter parameter = dbt_network_parameter(network, i);
        memcpy(at, parameter.value, count_values(&parameter) * sizeof *at);
        at += count_values(&parameter);
    }
    return DBT_OK;
}

dbt_status dbt__weights_write(dbt__sql *sql, int64_t run_id, dbt_weights kind, dbt_network *network,
                              const float *copy, dbt_error *err)
{
    dbt__statement *insert = NULL;
    dbt_status status = copy == NULL ? dbt_network_check(network, err) : DBT_OK;
    if (status == DBT_OK)
        status = dbt__prepare(sql,
                              "INSERT INTO parameter"
                              " (run_id, kind, layer, name, rows, columns, value, digest)"
                              " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
                              " ON CONFLICT (run_id, kind, layer, name) DO UPDATE SET"
                              " rows = excluded.rows, columns = excluded.columns,"
                              " value = excluded.value, digest = excluded.digest",
                              &insert, err);
    if (status == DBT_OK) dbt__allow_bytes(insert, DBT__LONGEST_WEIGHTS);
    for (size_t i = 0; status == DBT_OK && i < dbt_network_parameters(network); i++) {
        dbt_parameter parameter = dbt_network_parameter(network, i);
        if (copy != NULL) {
            parameter.value = (float *)copy;
            copy += count_values(&parameter);
        }
        status = write_parameter(insert, run_id, kind, &parameter, err);
    }
    dbt__finalize(insert);
    return status;
}

dbt_status dbt__weights_check_size(dbt__sql *sql, int64_t run_id, dbt_weights kind,
                                   const dbt_network_options *options, dbt_error *err)
{
    dbt__statement *select = NULL;
    dbt_status status = dbt__prepare(
        sql, "SELECT total(length(value)) FROM parameter WHERE run_id = ? AND kind = ?", &select,
        err);
    if (status < 0) return status;
    dbt__bind_int(select, 1, run_id);
    dbt__bind_string(select, 2, dbt__weights_name(kind));
    status = dbt__step(select, err);
    /* The optimizer's state and what is kept for each input and layer are a few times the weights.
     */
    if (status == DBT_OK &&
        (double)dbt_network_bytes(options) > 32 * dbt__column_double(select, 0) + (1 << 20))
        status =
            dbt__fail(err, DBT_EFORMAT, "run %lld: its %s weights are not of its settings' shape",
                      (long long)run_id, dbt__weights_name(kind));
    dbt__finalize(select);
    return status;
}

/* The row at hand of `select` into a parameter, after every check that keeps a bad blob from the
 * arithmetic. */
static dbt_status take_parameter(dbt__statement *select, const dbt_parameter *parameter,
                                 dbt_error *err)
{
    size_t bytes = 0;
    const void *value = dbt__column_blob(select, 2, &bytes);
    dbt_text stored = dbt__column_text(select, 3);
    if (dbt__column_int(select, 0) != (int64_t)parameter->rows ||
        dbt__column_int(select, 1) != (int64_t)parameter->columns ||
        bytes != count_values(parameter) * sizeof(float))
        return dbt__fail(err, DBT_EFORMAT, "not of the run's shape, %zu x %zu", parameter->rows,
                         parameter->columns);
    char digest[DBT__DIGEST_CHARS];
    dbt__digest_text(dbt__hash(value, bytes, 0), digest);
    if (stored.bytes != 16 || memcmp(stored.data, digest, 16) != 0)
        return dbt__fail(err, DBT_EFORMAT, "damaged: its digest does not match");
    memcpy(parameter->value, value, bytes);
    for (size_t i = 0; i < count_values(parameter); i++)
        if (!isfinite(parameter->value[i]))
            return dbt__fail(err, DBT_EFORMAT, "a number in it is not finite");
    return DBT_OK;
}

dbt_status dbt__weights_read(dbt__sql *sql, int64_t run_id, dbt_weights kind, dbt_network *network,
                             dbt_error *err)
{
    dbt__statement *select = NULL;
    dbt_status status = dbt__prepare(sql,
                                     "SELECT rows, columns, value, digest FROM parameter"
                                     " WHERE run_id = ? AND kind = ? AND layer = ? AND name = ?",
                                     &select, err);
    if (status == DBT_OK) dbt__allow_bytes(select, DBT__LONGEST_WEIGHTS);
    for (size_t i = 0; status == DBT_OK && i < dbt_network_parameters(network); i++) {
        dbt_parameter parameter = dbt_network_parameter(network, i);
        dbt__bind_int(select, 1, run_id);
        dbt__bind_string(select, 2, dbt__weights_name(kind));
        dbt__bind_int(select, 3, (int64_t)parameter.layer);
        dbt__bind_string(select, 4, parameter.name);
        status = dbt__step(select, err);
        if (status == DBT_DONE)
            status = dbt__fail(err, DBT_EFORMAT, "missing");
        else if (status == DBT_OK)
            status = take_parameter(select, &parameter, err);
        if (status < 0)
            (void)dbt__context(err, "run %lld: %s %s of layer %zu", (long long)run_id,
                               dbt__weights_name(kind), parameter.name, parameter.layer);
        dbt__reset(select);
    }
    dbt__finalize(select);
    return status;
}
