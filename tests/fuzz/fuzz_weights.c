/*
 * fuzz_weights.c: a row of the table `parameter` with any shape, blob and digest: refused, or
 * finite weights of the network's shape.
 *
 * Byte 0: bit 0 makes the digest right, bit 1 the shape, bit 2 stores a text. Then rows and
 * columns, 8 bytes each, and the blob.
 */
#include <math.h>

#include "fuzz.h"
#include "weights.h"

static dbt__sql *sql;
static dbt_network *network;

/* A network of one layer, 3 inputs and 2 classes: a weight of 3 x 1 and a bias. */
static void make_world(void)
{
    dbt_error err = {0};
    dbt_network_options options;
    dbt_network_options_init(&options);
    options.n_inputs = 3;
    options.n_classes = 2;
    options.layers = 1;
    fuzz_ok(dbt_network_new(&options, NULL, &network, &err), err);
    fuzz_ok(dbt__sql_open_memory(&sql, &err), err);
    fuzz_ok(dbt__sql_exec(sql,
                          "CREATE TABLE parameter (run_id, kind, layer, name, rows, columns, value,"
                          " digest, PRIMARY KEY (run_id, kind, layer, name))",
                          &err),
            err);
    fuzz_ok(dbt__weights_write(sql, 1, DBT_WEIGHTS_BEST, network, NULL, &err), err);
}

static void store_row(fuzz_input *input)
{
    dbt_error err = {0};
    dbt__statement *update;
    char digest[DBT__DIGEST_CHARS] = "0123456789abcdef";
    unsigned flags = fuzz_byte(input);
    int64_t rows = (int64_t)fuzz_number(input, 8), columns = (int64_t)fuzz_number(input, 8);
    if ((flags & 1) != 0) dbt__digest_text(dbt__hash(input->data, input->bytes, 0), digest);
    fuzz_ok(dbt__prepare(sql,
                         "UPDATE parameter SET rows = ?, columns = ?, value = ?, digest = ?"
                         " WHERE name = 'weight'",
                         &update, &err),
            err);
    dbt__bind_int(update, 1, (flags & 2) != 0 ? 3 : rows);
    dbt__bind_int(update, 2, (flags & 2) != 0 ? 1 : columns);
    if ((flags & 4) != 0)
        dbt__bind_text(update, 3, (const char *)input->data, input->bytes);
    else
        dbt__bind_blob(update, 3, input->bytes == 0 ? (const void *)"" : input->data, input->bytes);
    dbt__bind_string(update, 4, digest);
    fuzz_ok(dbt__run(update, &err), err);
    dbt__finalize(update);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    fuzz_input input = {data, bytes};
    dbt_error err = {0};
    if (sql == NULL) make_world();
    store_row(&input);
    dbt_status status = dbt__weights_read(sql, 1, DBT_WEIGHTS_BEST, network, &err);
    if (status < 0) {
        fuzz_refused(status, &err);
        return 0;
    }
    dbt_parameter weight = dbt_network_parameter(network, 0);
    fuzz_check(input.bytes == 12 && memcmp(weight.value, input.data, 12) == 0);
    for (size_t i = 0; i < 3; i++)
        fuzz_check(isfinite(weight.value[i]));
    return 0;
}
