/* settings.c: the tables of what is stored of options, and their way to JSON and back. */
#include "settings.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const analyzer_names[] = {"word", "char", "char_wb", NULL};
static const char *const accents_names[] = {"keep", "unicode", NULL};
static const char *const norm_names[] = {"none", "l1", "l2", NULL};
static const char *const optimizer_names[] = {
#define OPTIMIZER_NAME(name, text) text,
    DBT_OPTIMIZER_LIST(OPTIMIZER_NAME)
#undef OPTIMIZER_NAME
        NULL};

#define VECTORIZER(field) offsetof(dbt_vectorizer_options, field)
/* `memory` is left out: it does not change the result. */
const dbt__field dbt__vectorizer_fields[] = {
    {"analyzer", DBT__FIELD_ENUM, VECTORIZER(analyzer), analyzer_names},
    {"ngram_min", DBT__FIELD_UINT32, VECTORIZER(ngram_min), NULL},
    {"ngram_max", DBT__FIELD_UINT32, VECTORIZER(ngram_max), NULL},
    {"lowercase", DBT__FIELD_BOOL, VECTORIZER(lowercase), NULL},
    {"strip_accents", DBT__FIELD_ENUM, VECTORIZER(strip_accents), accents_names},
    {"min_df", DBT__FIELD_INT64, VECTORIZER(min_df), NULL},
    {"max_df", DBT__FIELD_DOUBLE, VECTORIZER(max_df), NULL},
    {"max_features", DBT__FIELD_INT64, VECTORIZER(max_features), NULL},
    {"sublinear_tf", DBT__FIELD_BOOL, VECTORIZER(sublinear_tf), NULL},
    {"use_idf", DBT__FIELD_BOOL, VECTORIZER(use_idf), NULL},
    {"smooth_idf", DBT__FIELD_BOOL, VECTORIZER(smooth_idf), NULL},
    {"norm", DBT__FIELD_ENUM, VECTORIZER(norm), norm_names},
    {"top_k", DBT__FIELD_INT64, VECTORIZER(top_k), NULL},
    {"hash_bits", DBT__FIELD_UINT32, VECTORIZER(hash_bits), NULL},
    {NULL, DBT__FIELD_INT64, 0, NULL},
};

#define FIT(field) offsetof(dbt_fit_options, field)
/* What cannot change the bits of a run (threads, memory, cache) is left out; its seed and name are
 * columns. */
const dbt__field dbt__fit_fields[] = {
    {"train", DBT__FIELD_STRING, FIT(train), NULL},
    {"validation", DBT__FIELD_STRING, FIT(validation), NULL},
    {"validation_split", DBT__FIELD_DOUBLE, FIT(validation_split), NULL},
    {"batch_size", DBT__FIELD_INT64, FIT(batch_size), NULL},
    {"epochs", DBT__FIELD_INT64, FIT(epochs), NULL},
    {"patience", DBT__FIELD_INT64, FIT(patience), NULL},
    {"steps_per_epoch", DBT__FIELD_INT64, FIT(steps_per_epoch), NULL},
    {"validation_steps", DBT__FIELD_INT64, FIT(validation_steps), NULL},
    {"shuffle", DBT__FIELD_BOOL, FIT(shuffle), NULL},
    {"class_weight", DBT__FIELD_STRING, FIT(class_weight), NULL},
    {"inputs", DBT__FIELD_SIZE, FIT(network.n_inputs), NULL},
    {"classes", DBT__FIELD_SIZE, FIT(network.n_classes), NULL},
    {"layers", DBT__FIELD_SIZE, FIT(network.layers), NULL},
    {"units", DBT__FIELD_SIZE, FIT(network.units), NULL},
    {"dropout", DBT__FIELD_DOUBLE, FIT(network.dropout), NULL},
    {"l2", DBT__FIELD_DOUBLE, FIT(network.l2), NULL},
    {"label_smoothing", DBT__FIELD_DOUBLE, FIT(network.label_smoothing), NULL},
    {"optimizer", DBT__FIELD_ENUM, FIT(network.optimizer), optimizer_names},
    {"learning_rate", DBT__FIELD_DOUBLE, FIT(network.learning_rate), NULL},
    {"momentum", DBT__FIELD_DOUBLE, FIT(network.momentum), NULL},
    {"nesterov", DBT__FIELD_BOOL, FIT(network.nesterov), NULL},
    {"weight_decay", DBT__FIELD_DOUBLE, FIT(network.weight_decay), NULL},
    {NULL, DBT__FIELD_INT64, 0, NULL},
};

/* The longest "%.17g" is 24 characters; a locale's decimal point may take several bytes. */
#define NUMBER_BYTES 48

/*
 * A number as JSON has it, in the fewest digits that give it back bit by bit. SQLite keeps only 15
 * of them, so that options which differ would look equal. printf and strtod follow the locale, JSON
 * does not.
 */
static void write_number(double value, char text[NUMBER_BYTES])
{
    if (!isfinite(value)) {
        memcpy(text, "null", 5);
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        (void)snprintf(text, NUMBER_BYTES, "%.*g", digits, value);
        if (strtod(text, NULL) == value) break;
    }
    char *point = text + strspn(text, "+-0123456789e");
    char *rest = point + strcspn(point, "+-0123456789e");
    if (rest == point) return;
    *point = '.';
    memmove(point + 1, rest, strlen(rest) + 1);
}

/* A number of JSON; what is longer than any that was written loses digits that do not matter. */
static double read_number(dbt_text json)
{
    char text[2 * NUMBER_BYTES];
    const char *decimal_point = localeconv()->decimal_point;
    size_t bytes = json.bytes < NUMBER_BYTES ? json.bytes : NUMBER_BYTES;
    const char *point = memchr(json.data, '.', bytes);
    if (point == NULL)
        (void)snprintf(text, sizeof text, "%.*s", (int)bytes, json.data);
    else
        (void)snprintf(text, sizeof text, "%.*s%s%.*s", (int)(point - json.data), json.data,
                       decimal_point, (int)(json.data + bytes - point - 1), point + 1);
    return strtod(text, NULL);
}

/* `number` is where a double is written to; it must stay until the statement is reset. */
static void bind_field(dbt__statement *statement, int index, const dbt__field *field,
                       const void *options, char number[NUMBER_BYTES])
{
    const char *at = (const char *)options + field->offset;
    switch (field->kind) {
    case DBT__FIELD_INT64:
        dbt__bind_int(statement, index, *(const int64_t *)(const void *)at);
        break;
    case DBT__FIELD_SIZE:
        dbt__bind_int(statement, index, (int64_t) * (const size_t *)(const void *)at);
        break;
    case DBT__FIELD_UINT32:
        dbt__bind_int(statement, index, *(const uint32_t *)(const void *)at);
        break;
    case DBT__FIELD_DOUBLE:
        write_number(*(const double *)(const void *)at, number);
        dbt__bind_string(statement, index, number);
        break;
    case DBT__FIELD_BOOL:
        dbt__bind_int(statement, index, *(const bool *)(const void *)at);
        break;
    case DBT__FIELD_ENUM:
        dbt__bind_string(statement, index, field->names[*(const int *)(const void *)at]);
        break;
    case DBT__FIELD_STRING:
        dbt__bind_string(statement, index, *(const char *const *)(const void *)at);
        break;
    }
}

/* SELECT json_object(?,?,?,json(?),...) with two parameters a field. */
static dbt_status prepare_object(dbt__sql *sql, const dbt__field *fields, size_t n_fields,
                                 dbt__statement **statement, dbt_error *err)
{
    dbt__buffer text;
    dbt__buffer_init(&text, 0);
    dbt_status status = dbt__buffer_append(&text, "SELECT json_object(", 19, err);
    for (size_t i = 0; status == DBT_OK && i < n_fields; i++) {
        const char *pair = fields[i].kind == DBT__FIELD_DOUBLE ? ",?,json(?)" : ",?,?";
        if (i == 0) pair++;
        status = dbt__buffer_append(&text, pair, strlen(pair), err);
    }
    if (status == DBT_OK) status = dbt__buffer_append(&text, ")", 2, err);
    if (status == DBT_OK) status = dbt__prepare(sql, text.data, statement, err);
    dbt__buffer_release(&text);
    return status;
}

dbt_status dbt__settings_write(dbt__sql *sql, const dbt__field *fields, const void *options,
                               char **json, dbt_error *err)
{
    *json = NULL;
    size_t n = 0;
    while (fields[n].name != NULL)
        n++;
    dbt__statement *statement = NULL;
    char(*numbers)[NUMBER_BYTES] = dbt__alloc_array(n, sizeof *numbers);
    dbt_status status = numbers == NULL ? dbt__out_of_memory(err, "settings") : DBT_OK;
    if (status == DBT_OK) status = prepare_object(sql, fields, n, &statement, err);
    if (status < 0) goto out;
    for (size_t i = 0; i < n; i++) {
        dbt__bind_string(statement, (int)(2 * i + 1), fields[i].name);
        bind_field(statement, (int)(2 * i + 2), &fields[i], options, numbers[i]);
    }
    status = dbt__step(statement, err);
    if (status == DBT_OK) status = dbt__column_copy(statement, 0, json, err);
out:
    dbt__finalize(statement);
    dbt__free(numbers);
    return status;
}

static dbt_status read_enum(const dbt__field *field, dbt_text text, int *value, dbt_error *err)
{
    for (int i = 0; field->names[i] != NULL; i++) {
        if (strlen(field->names[i]) == text.bytes &&
            memcmp(field->names[i], text.data, text.bytes) == 0) {
            *value = i;
            return DBT_OK;
        }
    }
    return dbt__fail(err, DBT_EFORMAT,
                     "stored setting %s is '%.*s', which this program does not know", field->name,
                     (int)(text.bytes > 40 ? 40 : text.bytes), text.data);
}

static dbt_status read_whole(int64_t value, const dbt__field *field, void *at, dbt_error *err)
{
    if (field->kind != DBT__FIELD_INT64 && value < 0)
        return dbt__fail(err, DBT_EFORMAT, "stored setting %s is negative", field->name);
    if (field->kind == DBT__FIELD_UINT32 && value > UINT32_MAX)
        return dbt__fail(err, DBT_EFORMAT, "stored setting %s is too large", field->name);
    if (field->kind == DBT__FIELD_INT64)
        *(int64_t *)at = value;
    else if (field->kind == DBT__FIELD_SIZE)
        *(size_t *)at = (size_t)value;
    else
        *(uint32_t *)at = (uint32_t)value;
    return DBT_OK;
}

/* Whether a value of this JSON type can be of that kind. */
static bool is_of_kind(const char *type, dbt__field_kind kind)
{
    bool whole = strcmp(type, "integer") == 0;
    switch (kind) {
    case DBT__FIELD_DOUBLE:
        return whole || strcmp(type, "real") == 0;
    case DBT__FIELD_BOOL:
        return whole || strcmp(type, "true") == 0 || strcmp(type, "false") == 0;
    case DBT__FIELD_ENUM:
    case DBT__FIELD_STRING:
        return strcmp(type, "text") == 0;
    default:
        return whole;
    }
}

/* The row at hand: the value's type (NULL: not there), the value, and its JSON. */
static dbt_status read_field(dbt__statement *statement, const dbt__field *field, void *options,
                             dbt_error *err)
{
    void *at = (char *)options + field->offset;
    const char *type = dbt__column_text(statement, 0).data;
    if (type == NULL || strcmp(type, "null") == 0) return DBT_OK;
    if (!is_of_kind(type, field->kind))
        return dbt__fail(err, DBT_EFORMAT, "stored setting %s is of the wrong type", field->name);
    switch (field->kind) {
    case DBT__FIELD_DOUBLE:
        *(double *)at = read_number(dbt__column_text(statement, 2));
        if (!isfinite(*(double *)at))
            return dbt__fail(err, DBT_EFORMAT, "stored setting %s is not finite", field->name);
        return DBT_OK;
    case DBT__FIELD_BOOL:
        *(bool *)at = dbt__column_int(statement, 1) != 0;
        return DBT_OK;
    case DBT__FIELD_ENUM:
        return read_enum(field, dbt__column_text(statement, 1), at, err);
    case DBT__FIELD_STRING:
        return DBT_OK;
    default:
        return read_whole(dbt__column_int(statement, 1), field, at, err);
    }
}

static dbt_status check_json(dbt__sql *sql, const char *json, dbt_error *err)
{
    dbt__statement *statement = NULL;
    dbt_status status = dbt__prepare(sql, "SELECT checked_json(?1)", &statement, err);
    if (status < 0) return status;
    dbt_error cause = {0};
    dbt__bind_string(statement, 1, json);
    status = dbt__step(statement, &cause);
    if (status == DBT_EFORMAT || (status == DBT_OK && dbt__column_is_null(statement, 0)))
        status = dbt__fail(err, DBT_EFORMAT, "stored settings are not a JSON object");
    else if (status < 0)
        (void)dbt__fail(err, status, "%s", cause.message);
    dbt__finalize(statement);
    return status;
}

dbt_status dbt__settings_read(dbt__sql *sql, const dbt__field *fields, void *options,
                              const char *json, dbt_error *err)
{
    dbt_status status = check_json(sql, json, err);
    if (status < 0) return status;
    dbt__statement *statement = NULL;
    status = dbt__prepare(sql,
                          "SELECT json_type(?1, '$.' || ?2), json_extract(?1, '$.' || ?2),"
                          " ?1 -> ('$.' || ?2)",
                          &statement, err);
    for (size_t i = 0; status == DBT_OK && fields[i].name != NULL; i++) {
        dbt__bind_string(statement, 1, json);
        dbt__bind_string(statement, 2, fields[i].name);
        status = dbt__step(statement, err);
        if (status == DBT_OK) status = read_field(statement, &fields[i], options, err);
        dbt__reset(statement);
    }
    dbt__finalize(statement);
    return status;
}

dbt_status dbt__settings_read_column(dbt__sql *sql, const dbt__field *fields, void *options,
                                     dbt__statement *row, int column, dbt_error *err)
{
    char *json;
    dbt_status status = dbt__column_copy(row, column, &json, err);
    if (status == DBT_OK) status = dbt__settings_read(sql, fields, options, json, err);
    dbt__free(json);
    return status;
}

dbt_status dbt__settings_compare(dbt__sql *sql, const char *stored, const char *given,
                                 char **differences, dbt_error *err)
{
    *differences = NULL;
    dbt__statement *select = NULL;
    dbt_status status = check_json(sql, stored, err);
    /* Members are compared as JSON text: SQLite's own numbers would lose digits. */
    if (status == DBT_OK)
        status = dbt__prepare(
            sql,
            "SELECT group_concat(key || ' is ' || (?1 -> fullkey) || ', not ' || (?2 -> fullkey),"
            " '; ') FROM json_each(?2) WHERE json_type(?1, fullkey) IS NOT NULL"
            " AND (?1 -> fullkey) <> (?2 -> fullkey)",
            &select, err);
    if (status < 0) return status;
    dbt__bind_string(select, 1, stored);
    dbt__bind_string(select, 2, given);
    status = dbt__step(select, err);
    if (status == DBT_OK) status = dbt__column_copy(select, 0, differences, err);
    dbt__finalize(select);
    return status;
}
