/*
 * fuzz_settings.c: a text as the stored settings of a run and of a vectorizer: refused, or options
 * that are written and read as the same ones, and with which a network and a vectorizer are made or
 * refused.
 */
#include "fuzz.h"
#include "settings.h"

enum { MOST_BYTES = 1 << 20 };

static dbt__sql *sql;

static char *write_settings(const dbt__field *fields, const void *options)
{
    dbt_error err = {0};
    char *json;
    fuzz_ok(dbt__settings_write(sql, fields, options, &json, &err), err);
    fuzz_check(json != NULL);
    return json;
}

/* What was read is written; `again`, read from that, is written as the same text. */
static void check_options(const dbt__field *fields, const char *text, const void *options,
                          void *again)
{
    dbt_error err = {0};
    char *json = write_settings(fields, options), *differences;
    fuzz_ok(dbt__settings_read(sql, fields, again, json, &err), err);
    char *json_again = write_settings(fields, again);
    fuzz_check(strcmp(json, json_again) == 0);
    fuzz_ok(dbt__settings_compare(sql, json, json_again, &differences, &err), err);
    fuzz_check(differences == NULL);
    fuzz_ok(dbt__settings_compare(sql, text, json, &differences, &err), err);
    dbt__free(differences);
    dbt__free(json);
    dbt__free(json_again);
}

static void use_network(const dbt_network_options *options)
{
    dbt_error err = {0};
    dbt_network *network;
    if (dbt_network_bytes(options) > MOST_BYTES) return;
    dbt_status status = dbt_network_new(options, NULL, &network, &err);
    if (status < 0) fuzz_refused(status, &err);
    dbt_network_free(network);
}

static void use_vectorizer(const dbt_vectorizer_options *options)
{
    dbt_error err = {0};
    dbt_vectorizer *vectorizer;
    dbt_status status = dbt_vectorizer_load_new(options, 4, 10, &vectorizer, &err);
    if (status < 0) fuzz_refused(status, &err);
    dbt_vectorizer_free(vectorizer);
}

static void read_fit(const char *text)
{
    dbt_error err = {0};
    dbt_fit_options options, again;
    dbt_fit_options_init(&options);
    dbt_fit_options_init(&again);
    dbt_status status = dbt__settings_read(sql, dbt__fit_fields, &options, text, &err);
    if (status < 0) {
        fuzz_refused(status, &err);
        fuzz_check(status == DBT_EFORMAT);
        return;
    }
    check_options(dbt__fit_fields, text, &options, &again);
    use_network(&options.network);
}

static void read_vectorizer(const char *text)
{
    dbt_error err = {0};
    dbt_vectorizer_options options, again;
    dbt_vectorizer_options_init(&options);
    dbt_vectorizer_options_init(&again);
    dbt_status status = dbt__settings_read(sql, dbt__vectorizer_fields, &options, text, &err);
    if (status < 0) {
        fuzz_refused(status, &err);
        fuzz_check(status == DBT_EFORMAT);
        return;
    }
    check_options(dbt__vectorizer_fields, text, &options, &again);
    use_vectorizer(&options);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    dbt_error err = {0};
    if (sql == NULL) fuzz_ok(dbt__sql_open_memory(&sql, &err), err);
    char *text = malloc(bytes + 1);
    fuzz_check(text != NULL);
    if (bytes > 0) memcpy(text, data, bytes);
    text[bytes] = '\0';
    read_fit(text);
    read_vectorizer(text);
    free(text);
    return 0;
}
