/*
 * jsonl.c: JSON Lines: one object a line, parsed by jansson.
 *
 * jansson wants valid UTF-8 and knows no NUL in keys; so ill-formed bytes and the escape of NUL are
 * replaced (and counted) in a copy of the line first, where there are any. It turns numbers into
 * binary ones; a label 1.50 is to stay 1.50, so the text of a number is taken from the line itself.
 * So one that is too large for a double, which jansson refuses, can be given to it as another.
 * Nesting is limited by jansson (2,048); lone surrogates, control characters and NaN are errors
 * there.
 */
#include "reader_internal.h"

#include <errno.h>
#include <string.h>

#include "utf8.h"

enum { SAMPLE_LINES = 64, SAMPLE_NAMES = 256 };
/* Numbers of a line that are too large for a double: for each it is parsed anew. */
enum { MOST_TOO_LARGE = 16 };

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static const char *skip_spaces(const char *p, const char *end)
{
    while (p < end && is_space(*p))
        p++;
    return p;
}

/* Behind the string that begins at p. */
static const char *skip_string(const char *p, const char *end)
{
    for (p++; p < end && *p != '"'; p++)
        if (*p == '\\') p++;
    return p < end ? p + 1 : end;
}

/* Behind the value that begins at p, in a line that is known to be valid. */
static const char *skip_value(const char *p, const char *end)
{
    size_t depth = 0;
    do {
        if (*p == '"') {
            p = skip_string(p, end);
        } else {
            if (*p == '{' || *p == '[') depth++;
            if ((*p == '}' || *p == ']') && depth > 0) depth--;
            p++;
        }
    } while (p < end && (depth > 0 || (*p != ',' && *p != '}' && *p != ']' && !is_space(*p))));
    return p;
}

/* Is the quoted key of those bytes `name`? */
static bool is_key(const char *quoted, size_t bytes, const char *name)
{
    size_t length = strlen(name);
    if (memchr(quoted, '\\', bytes) == NULL)
        return bytes == length + 2 && memcmp(quoted + 1, name, length) == 0;
    json_t *key = json_loadb(quoted, bytes, JSON_DECODE_ANY, NULL);
    bool same = key != NULL && strcmp(json_string_value(key), name) == 0;
    json_decref(key);
    return same;
}

/* The bytes of the value of a key (the last one) in a valid object. */
static dbt_text find_literal(dbt_text line, const char *name)
{
    const char *p = line.data, *end = p + line.bytes;
    dbt_text found = {"", 0};
    p = skip_spaces(p, end) + 1;
    for (;;) {
        p = skip_spaces(p, end);
        if (p < end && *p == ',') p = skip_spaces(p + 1, end);
        if (p >= end || *p != '"') return found;
        const char *key = p;
        p = skip_string(p, end);
        bool same = is_key(key, (size_t)(p - key), name);
        p = skip_spaces(p, end);
        p = skip_spaces(p + 1, end); /* ':' */
        const char *value = p;
        p = skip_value(p, end);
        if (same) found = (dbt_text){value, (size_t)(p - value)};
    }
}

/* Replaces what jansson does not take, in r->text; *line is the copy then. */
static dbt_status prepare_line(dbt__reader *r, dbt_text *line, int64_t *replaced, int64_t *nuls,
                               dbt_error *err)
{
    static const char escaped_nul[] = "\\u0000";
    const size_t width = sizeof escaped_nul - 1;
    bool valid = dbt__utf8_valid(line->data, line->bytes) == line->bytes;
    bool slash = memchr(line->data, '\\', line->bytes) != NULL;
    if (valid && !slash) return DBT_OK;
    r->text.length = 0;
    dbt_status status = dbt__utf8_repair(line->data, line->bytes, &r->text, replaced, err);
    if (status < 0) return status;
    char *p = r->text.data, *end = p + r->text.length;
    while ((p = memchr(p, '\\', (size_t)(end - p))) != NULL) {
        if ((size_t)(end - p) >= width && memcmp(p, escaped_nul, width) == 0) {
            memcpy(p + 2, "fffd", 4);
            ++*nuls;
        }
        p += end - p > 1 ? 2 : 1;
        if (p == end) break;
    }
    *line = (dbt_text){r->text.data, r->text.length};
    return DBT_OK;
}

/*
 * *json NULL: the line is none, and *why says what is wrong. jansson calls a line invalid where it
 * was short of memory, or loses a part of a string: errno knows better.
 */
static dbt_status load_line(dbt_text line, json_t **json, json_error_t *why, dbt_error *err)
{
    errno = 0;
    /* As a double an id of 64 bits is in range; no number is used but as it is written. */
    *json = json_loadb(line.data, line.bytes, JSON_DECODE_INT_AS_REAL, why);
    if (errno != ENOMEM) return DBT_OK;
    json_decref(*json);
    *json = NULL;
    return dbt__out_of_memory(err, "a JSON object");
}

/* Where the number begins that ends at p: of two with nothing between them, which is an error, the
 * second begins with its sign. */
static char *find_number(const char *begin, char *p)
{
    static const char of_numbers[] = "0123456789.eE+-";
    while (p > begin && memchr(of_numbers, p[-1], sizeof of_numbers - 1) != NULL) {
        p--;
        if (*p == '-' && p > begin && p[-1] != 'e' && p[-1] != 'E') break;
    }
    return p;
}

/* Makes a 0 of the number that ends at byte `end`, in r->in_range; *line is that copy then. Blanks
 * keep it apart from what is before and behind it. */
static dbt_status replace_number(dbt__reader *r, dbt_text *line, size_t end, dbt_error *err)
{
    if (line->data != r->in_range.data) {
        r->in_range.length = 0;
        dbt_status status = dbt__buffer_append(&r->in_range, line->data, line->bytes, err);
        if (status < 0) return status;
        line->data = r->in_range.data;
    }
    char *number = find_number(line->data, r->in_range.data + end);
    memset(number, ' ', (size_t)(r->in_range.data + end - number));
    number[1] = '0';
    return DBT_OK;
}

static bool has_too_large(const json_t *json, const json_error_t *why)
{
    return json == NULL && json_error_code(why) == json_error_numeric_overflow;
}

/* As load_line, whatever the size of numbers. */
static dbt_status parse_line(dbt__reader *r, dbt_text line, json_t **json, json_error_t *why,
                             dbt_error *err)
{
    dbt_status status = load_line(line, json, why, err);
    for (int i = 0; i < MOST_TOO_LARGE && status == DBT_OK && has_too_large(*json, why); i++) {
        status = replace_number(r, &line, (size_t)why->position, err);
        if (status == DBT_OK) status = load_line(line, json, why, err);
    }
    return status;
}

/* The text of a value; *reason says why it has none. */
static dbt_text get_text(const json_t *object, dbt_text line, const char *name, const char **reason)
{
    const json_t *value = json_object_get(object, name);
    switch (value == NULL ? JSON_NULL : json_typeof(value)) {
    case JSON_STRING:
        return (dbt_text){json_string_value(value), json_string_length(value)};
    case JSON_INTEGER:
    case JSON_REAL:
        return find_literal(line, name);
    case JSON_TRUE:
        return (dbt_text){"true", 4};
    case JSON_FALSE:
        return (dbt_text){"false", 5};
    case JSON_NULL:
        *reason = value == NULL ? "is missing" : "is null";
        break;
    case JSON_ARRAY:
        *reason = "is an array";
        break;
    case JSON_OBJECT:
        *reason = "is an object";
        break;
    }
    return (dbt_text){NULL, 0};
}

/* A title that was found, not asked for, goes in front where there is one. */
static bool lacks_title(const dbt__reader *r)
{
    if (r->options.n_text_columns > 0 || r->columns.n_text < 2) return false;
    const json_t *title = json_object_get(r->json, r->columns.name[r->columns.text[0]]);
    return title == NULL || json_is_null(title);
}

static dbt_status refuse_value(dbt__reader *r, const char *use, const char *name,
                               const char *reason)
{
    return dbt__reader_refuse(r, r->record_bytes, "no %s: '%.*s' %s", use,
                              dbt__cut_text(name, strlen(name), 80), name, reason);
}

static dbt_status build_record(dbt__reader *r, dbt_text line, dbt_error *err)
{
    const dbt__columns *columns = &r->columns;
    dbt_text label = {NULL, 0}, text = {"", 0};
    const char *reason = NULL;
    if (columns->label != DBT__NO_COLUMN) {
        const char *name = columns->name[columns->label];
        label = get_text(r->json, line, name, &reason);
        if (reason != NULL) return refuse_value(r, "label", name, reason);
    }
    r->label.length = 0; /* serves as the joined text: labels of JSON are never joined */
    size_t first = lacks_title(r) ? 1 : 0;
    for (size_t i = first; i < columns->n_text; i++) {
        const char *name = columns->name[columns->text[i]];
        text = get_text(r->json, line, name, &reason);
        if (reason != NULL) return refuse_value(r, "text", name, reason);
        if (columns->n_text == first + 1) break;
        dbt_status status = dbt__buffer_append(&r->label, ", ", i == first ? 0 : 2, err);
        if (status == DBT_OK) status = dbt__buffer_append(&r->label, text.data, text.bytes, err);
        if (status < 0) return status;
        text = (dbt_text){r->label.data, r->label.length};
    }
    return dbt__reader_emit(r, label, text, err);
}

static bool is_blank(dbt_text line)
{
    return skip_spaces(line.data, line.data + line.bytes) == line.data + line.bytes;
}

dbt_status dbt__jsonl_next(dbt__reader *r, dbt_error *err)
{
    dbt_text line;
    bool too_long;
    size_t next;
    json_decref(r->json);
    r->json = NULL;
    do {
        dbt__window_advance(&r->window, r->record_bytes, r->record_bytes > 0);
        r->record_bytes = 0;
        dbt_status status =
            dbt__window_line(&r->window, r->options.max_document, &line, &next, &too_long, err);
        if (status != DBT_OK) return status;
        r->record.line = r->window.line;
        if (too_long) {
            (void)dbt__reader_refuse_long(r);
            return dbt__window_skip_line(&r->window, err);
        }
        r->record_bytes = next;
    } while (is_blank(line));

    int64_t replaced = 0, nuls = 0;
    json_error_t error;
    /* jansson skips a NUL between tokens without a word. */
    if (memchr(line.data, '\0', line.bytes) != NULL)
        return dbt__reader_refuse(r, r->record_bytes, "invalid JSON: a NUL byte");
    dbt_status status = prepare_line(r, &line, &replaced, &nuls, err);
    if (status < 0) return status;
    status = parse_line(r, line, &r->json, &error, err);
    if (status < 0) return status;
    if (r->json == NULL)
        return dbt__reader_refuse(r, r->record_bytes, "invalid JSON at byte %d: %.160s",
                                  error.position, error.text);
    if (!json_is_object(r->json)) return dbt__reader_refuse(r, r->record_bytes, "no JSON object");
    r->replaced_utf8 += replaced;
    r->replaced_nul += nuls;
    return build_record(r, line, err);
}

/* --- the beginning --- */

/* Adds the keys of one sampled line that are new. */
static dbt_status sample_names(dbt__reader *r, dbt_text line, dbt_error *err)
{
    int64_t ignored = 0;
    dbt_status status = prepare_line(r, &line, &ignored, &ignored, err);
    if (status < 0) return status;
    json_t *object, *value;
    json_error_t ignored_error;
    const char *key;
    status = parse_line(r, line, &object, &ignored_error, err);
    if (status < 0) return status;
    json_object_foreach(object, key, value)
    {
        bool known = r->columns.n >= SAMPLE_NAMES;
        for (size_t i = 0; i < r->columns.n && !known; i++)
            known = strcmp(r->columns.name[i], key) == 0;
        if (!known) status = dbt__columns_add(&r->columns, key, strlen(key), err);
        if (status < 0) break;
    }
    json_decref(object);
    return status;
}

/* Without one object to look at, the rows are to be refused one by one, each with its reason. */
static dbt_status assume_names(dbt__reader *r, dbt_error *err)
{
    const dbt__reader_options *options = &r->options;
    const char *label = options->label_column == NULL ? "label" : options->label_column;
    dbt_status status = dbt__columns_add(&r->columns, label, strlen(label), err);
    for (size_t i = 0; i < options->n_text_columns && status == DBT_OK; i++)
        status = dbt__columns_add(&r->columns, options->text_column[i],
                                  strlen(options->text_column[i]), err);
    if (options->n_text_columns == 0 && status == DBT_OK)
        status = dbt__columns_add(&r->columns, "text", 4, err);
    return status;
}

dbt_status dbt__jsonl_start(dbt__reader *r, dbt_error *err)
{
    dbt_text line;
    bool too_long;
    size_t next = 0;
    /* The first line is to be whole, the others as many as are in the sample. */
    dbt_status status =
        dbt__window_line(&r->window, r->options.max_document, &line, &next, &too_long, err);
    if (status != DBT_OK) return status == DBT_DONE ? DBT_OK : status;
    size_t held = dbt__window_bytes(&r->window), sample = r->options.sample;
    bool is_all = held < sample || held == next; /* else its last line may go on */
    if (sample < next) sample = next;
    const char *p = dbt__window_data(&r->window), *end = p + (held < sample ? held : sample);
    for (int i = 0; i < SAMPLE_LINES && p < end; i++) {
        const char *stop = dbt__find_break(p, end, '\n');
        if (stop == end && !is_all) break;
        status = sample_names(r, (dbt_text){p, (size_t)(stop - p)}, err);
        if (status < 0) return status;
        p = stop == end ? end : stop + 1;
    }
    if (r->columns.n == 0) status = assume_names(r, err);
    return status < 0 ? status : dbt__columns_choose(r, err);
}
