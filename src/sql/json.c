/*
 * json.c: JSON that a file claims to have.
 *
 * SQLite (3.40 does) takes an object or an array for a member's name, as in {{"a":1}:2}, calls that
 * valid, and reads memory that is not its own when it looks for a member. So a look at the text
 * comes before the parser: is every brace, and every comma between members, followed by a string?
 * (Later ones take JSON5, too, with a comma behind the last member.)
 */
#include "json.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define DEPTH 2048 /* SQLite's own limit is 2,000 */

/* Of a string that begins at `at`: where its closing quote is, or the text's end. */
static size_t skip_string(const char *text, size_t bytes, size_t at)
{
    for (at++; at < bytes && text[at] != '"'; at++)
        if (text[at] == '\\') at++;
    return at;
}

/* Whether a string comes after the brace or comma at `at`, or after a brace the end of the object.
 */
static bool is_before_name(const char *text, size_t bytes, size_t at)
{
    bool may_end = text[at] == '{';
    do
        at++;
    while (at < bytes && strchr(" \t\n\r", text[at]) != NULL);
    return at < bytes && (text[at] == '"' || (may_end && text[at] == '}'));
}

/* Names of members are strings, if `text` is JSON at all. */
static bool has_plain_names(const char *text, size_t bytes)
{
    bool in_object[DEPTH] = {false}; /* by the containers that are open; text itself is in none */
    size_t depth = 0;
    for (size_t at = 0; at < bytes; at++) {
        char c = text[at];
        if (c == '"') {
            at = skip_string(text, bytes, at);
        } else if (c == '{' || c == '[') {
            if (++depth == DEPTH) return false;
            in_object[depth] = c == '{';
        } else if ((c == '}' || c == ']') && depth-- == 0) {
            return false;
        }
        bool name = c == '{' || (c == ',' && in_object[depth]);
        if (name && !is_before_name(text, bytes, at)) return false;
    }
    return true;
}

/* By json_type, which fails on what is no JSON; json_valid calls any text invalid when memory is
 * short. */
static int ask_whether_object(sqlite3 *handle, sqlite3_value *value, bool *is_object)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(handle, "SELECT json_type(?) = 'object'", -1, &statement, NULL);
    if (code == SQLITE_OK) code = sqlite3_bind_value(statement, 1, value);
    if (code == SQLITE_OK) code = sqlite3_step(statement);
    *is_object = code == SQLITE_ROW && sqlite3_column_int(statement, 0) != 0;
    (void)sqlite3_finalize(statement);
    return code == SQLITE_ROW || (code & 0xff) == SQLITE_ERROR ? SQLITE_OK : code;
}

static void check_json(sqlite3_context *context, int n, sqlite3_value **value)
{
    (void)n;
    if (sqlite3_value_type(value[0]) == SQLITE_NULL) return;
    const char *text = (const char *)sqlite3_value_text(value[0]);
    if (text == NULL) {
        sqlite3_result_error_nomem(context);
        return;
    }
    bool is_object = false;
    int code = SQLITE_OK;
    if (has_plain_names(text, (size_t)sqlite3_value_bytes(value[0])))
        code = ask_whether_object(sqlite3_context_db_handle(context), value[0], &is_object);
    if (code != SQLITE_OK) {
        sqlite3_result_error_code(context, code);
    } else if (is_object) {
        sqlite3_result_value(context, value[0]);
    } else {
        sqlite3_result_error(context, "settings or origins in it are no JSON object", -1);
        sqlite3_result_error_code(context, SQLITE_CORRUPT);
    }
}

int dbt__add_checked_json(sqlite3 *handle)
{
    return sqlite3_create_function_v2(handle, "checked_json", 1,
                                      SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY, NULL,
                                      check_json, NULL, NULL, NULL);
}
