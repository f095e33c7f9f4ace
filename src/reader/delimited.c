/*
 * delimited.c: CSV (RFC 4180) and TSV.
 *
 * A record is found in place: parse_record sets the spans of its fields in the window and changes
 * nothing, so that a record that is not complete in memory is simply parsed again when there is
 * more, and a refused one still has its bytes. All the scanning is memchr (inside quotes) and
 * dbt__find_break (outside).
 *
 * What RFC 4180 leaves open, as Python's csv module and sqlite3 read it: a quote inside an unquoted
 * field is a character like any other; blank lines are no records; "\r" alone ends a line. What
 * they let pass is refused here, because the row is not what its writer meant: text after a closing
 * quote, a quote that is never closed. Such a quote is most often a stray one, and what it seems to
 * enclose are rows: reading goes on with the line after the one it is in.
 *
 * TSV has no quoting: a tab and a line break cannot be in a field, and a quote is a quote. Where
 * fields look quoted that is said (reader.c).
 */
#include "reader_internal.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { MAX_FIELDS = 65536 };

/*
 * The end of a quoted field whose text begins at p: the closing quote, or NULL when it is not in
 * memory; then what is from *undecided on has to be seen again with what follows it. A quote at the
 * very end of what is in memory is the closing one only at the end of the data.
 */
static const char *find_closing_quote(const char *p, const char *end, bool at_end, bool *doubled,
                                      const char **undecided)
{
    *undecided = end;
    while (p < end && (p = memchr(p, '"', (size_t)(end - p))) != NULL) {
        if (p + 1 == end) {
            *undecided = p;
            return at_end ? p : NULL;
        }
        if (p[1] != '"') return p;
        *doubled = true;
        p += 2;
    }
    return NULL;
}

/* The field at p; its end in *stop. */
static dbt__scan parse_field(dbt__reader *r, const char *p, const char *end, bool at_end,
                             dbt__field *field, const char **stop)
{
    *field = (dbt__field){.data = p};
    if (!r->quoting || p == end || *p != '"') {
        *stop = dbt__find_break(p, end, r->delimiter);
        field->bytes = (size_t)(*stop - p);
        return DBT__SCAN_RECORD;
    }
    const char *undecided;
    const char *close = find_closing_quote(p + 1, end, at_end, &field->doubled, &undecided);
    if (close == NULL) {
        r->open_quote = (size_t)(p - dbt__window_data(&r->window));
        return at_end ? DBT__SCAN_OPEN_QUOTE : DBT__SCAN_MORE;
    }
    r->has_quotes = field->quoted = true;
    field->data = p + 1;
    field->bytes = (size_t)(close - p - 1);
    *stop = close + 1;
    if (*stop < end && **stop != r->delimiter && **stop != '\n' && **stop != '\r') {
        r->open_quote = (size_t)(p - dbt__window_data(&r->window));
        r->stop = (size_t)(*stop - dbt__window_data(&r->window));
        return DBT__SCAN_TEXT_AFTER_QUOTE;
    }
    return DBT__SCAN_RECORD;
}

/* Parses the record at the window's beginning as far as it is in memory. */
static dbt_status parse_record(dbt__reader *r, dbt__scan *scan, dbt_error *err)
{
    const char *begin = dbt__window_data(&r->window), *p = begin;
    const char *end = begin + dbt__window_bytes(&r->window);
    bool at_end = r->window.at_end;
    r->n_fields = 0;
    r->has_quotes = false;
    r->open_quote = SIZE_MAX;
    for (;; p++) {
        dbt_status status = dbt__reserve((void **)&r->field, &r->field_capacity, r->n_fields + 1,
                                         sizeof *r->field, "the fields of a record", err);
        if (status < 0) return status;
        *scan = parse_field(r, p, end, at_end, &r->field[r->n_fields++], &p);
        if (*scan != DBT__SCAN_RECORD) return DBT_OK;
        if (p == end || *p != r->delimiter) break;
        if (r->n_fields == MAX_FIELDS) {
            r->stop = (size_t)(p - begin);
            *scan = DBT__SCAN_TOO_MANY_FIELDS;
            return DBT_OK;
        }
    }
    if (!at_end && (p == end || (*p == '\r' && p + 1 == end))) {
        *scan = DBT__SCAN_MORE;
        return DBT_OK;
    }
    if (p < end) p += *p == '\r' && p + 1 < end && p[1] == '\n' ? 2 : 1;
    r->record_bytes = (size_t)(p - begin);
    return DBT_OK;
}

/* Offset of the quote that is open after the first `limit` bytes of the record, or SIZE_MAX. */
static size_t find_quote_around(const dbt__reader *r, size_t limit)
{
    const char *begin = dbt__window_data(&r->window);
    if (r->open_quote < limit) return r->open_quote;
    for (size_t i = 0; i < r->n_fields; i++) {
        const dbt__field *field = &r->field[i];
        size_t from = (size_t)(field->data - begin);
        if (field->quoted && from <= limit && from + field->bytes >= limit) return from - 1;
    }
    return SIZE_MAX;
}

/* Bytes that tell what the scan has found; more than are in memory beyond them change nothing. */
static size_t needed_bytes(const dbt__reader *r, dbt__scan scan)
{
    switch (scan) {
    case DBT__SCAN_RECORD:
        return r->record_bytes;
    case DBT__SCAN_TEXT_AFTER_QUOTE:
    case DBT__SCAN_TOO_MANY_FIELDS:
        return r->stop + 1;
    default:
        return dbt__window_bytes(&r->window);
    }
}

/* Parses it, reading on until it is complete or longer than a record may be. DBT_DONE: the end. */
static dbt_status peek_record(dbt__reader *r, dbt__scan *scan, dbt_error *err)
{
    const size_t limit = r->options.max_document + 2;
    for (;;) {
        if (dbt__window_bytes(&r->window) > 0) {
            dbt_status status = parse_record(r, scan, err);
            if (status < 0) return status;
            if (needed_bytes(r, *scan) > limit) {
                *scan = DBT__SCAN_TOO_LONG;
                r->open_quote = find_quote_around(r, limit);
            }
            if (*scan != DBT__SCAN_MORE) return DBT_OK;
        } else if (r->window.at_end) {
            return DBT_DONE;
        }
        dbt_status status = dbt__window_more(&r->window, err);
        if (status < 0) return status;
    }
}

static bool is_blank(const dbt__reader *r)
{
    return r->n_fields == 1 && r->field[0].bytes == 0 && !r->field[0].quoted;
}

/* peek_record, past blank lines. */
static dbt_status peek_filled(dbt__reader *r, dbt__scan *scan, dbt_error *err)
{
    for (;;) {
        dbt_status status = peek_record(r, scan, err);
        if (status != DBT_OK || *scan != DBT__SCAN_RECORD || !is_blank(r)) return status;
        dbt__window_consume(&r->window, r->record_bytes);
        r->record_bytes = 0;
    }
}

/* --- skipping what is too long to hold --- */

typedef enum skip_state { AT_FIELD, IN_QUOTES, IN_FIELD, AT_END } skip_state;

/* Goes over what is in memory and returns the bytes that are decided; the rest waits for more. */
static size_t skip_some(const dbt__reader *r, skip_state *state)
{
    const char *begin = dbt__window_data(&r->window), *p = begin;
    const char *end = begin + dbt__window_bytes(&r->window);
    bool at_end = r->window.at_end;
    while (p < end && *state != AT_END) {
        if (*state == AT_FIELD) {
            *state = r->quoting && *p == '"' ? IN_QUOTES : IN_FIELD;
            if (*state == IN_QUOTES) p++;
        } else if (*state == IN_QUOTES) {
            bool doubled = false;
            const char *undecided;
            const char *close = find_closing_quote(p, end, at_end, &doubled, &undecided);
            /* A '\r' at the end may be the first half of a line break, which counts once. */
            if (close == NULL) return (size_t)(undecided - begin) - (!at_end && end[-1] == '\r');
            p = close + 1;
            *state = IN_FIELD;
        } else {
            p = dbt__find_break(p, end, r->delimiter);
            if (p == end || (*p == '\r' && p + 1 == end && !at_end)) break;
            *state = *p == r->delimiter ? AT_FIELD : AT_END;
            p += *p == '\r' && p + 1 < end && p[1] == '\n' ? 2 : 1;
        }
    }
    return (size_t)(p - begin);
}

/* Consumes the record at the window's beginning, however long, in constant memory. DBT_EDATA: it
 * has no end, so that whatever rows there are would be refused as one. */
static dbt_status skip_record(dbt__reader *r, dbt_error *err)
{
    skip_state state = AT_FIELD;
    bool was_last = false;
    while (!was_last) {
        was_last = r->window.at_end; /* then nothing is undecided */
        dbt__window_consume(&r->window, skip_some(r, &state));
        if (state == AT_END) return DBT_OK;
        dbt_status status = dbt__window_more(&r->window, err);
        if (status < 0) return status;
    }
    if (state != IN_QUOTES) return DBT_OK;
    return dbt__fail(err, DBT_EDATA,
                     "%s:%lld: the quote that opens here is never closed: mend this line, what "
                     "follows it cannot be read",
                     r->name, (long long)r->record.line);
}

/* *bytes: up to the end of the line that goes on at `from`, or as many as are kept of a record that
 * is refused. */
static dbt_status read_line(dbt__reader *r, size_t from, size_t *bytes, dbt_error *err)
{
    for (;;) {
        const char *begin = dbt__window_data(&r->window);
        size_t held = dbt__window_bytes(&r->window);
        *bytes = (size_t)(dbt__find_break(begin + from, begin + held, '\n') - begin);
        if (*bytes < held || held >= DBT__RAW_BYTES) return DBT_OK;
        dbt_status status = dbt__window_more(&r->window, err);
        if (status != DBT_OK) return status == DBT_DONE ? DBT_OK : status;
    }
}

/* The quote at open_quote is no sound one: refuses its line, and what of the record is before. */
static dbt_status refuse_quote(dbt__reader *r, dbt__scan scan, dbt_error *err)
{
    size_t raw;
    dbt_status status = read_line(r, r->open_quote, &raw, err);
    if (status < 0) return status;
    const char *begin = dbt__window_data(&r->window), *quote = begin + r->open_quote;
    if (scan == DBT__SCAN_OPEN_QUOTE) {
        (void)dbt__reader_refuse(r, raw, "the quote that opens here is never closed");
    } else {
        int64_t lines = dbt__count_lines(quote, begin + r->stop);
        /* MySQL and Spark write \", which cannot be told from a text that ends with a backslash. */
        const char *hint = begin[r->stop - 2] != '\\'
                               ? ""
                               : ": a quote within quotes is doubled (\"\"), not written \\\"";
        if (lines == 0)
            (void)dbt__reader_refuse(r, raw, "text after a closing quote%s", hint);
        else
            (void)dbt__reader_refuse(r, raw,
                                     "the quote that opens here is closed in line %lld, with text "
                                     "after it%s",
                                     (long long)(r->record.line + lines), hint);
    }
    dbt__window_consume(&r->window, r->open_quote);
    return dbt__window_skip_line(&r->window, err);
}

/* The row cannot be parsed: refuses and leaves it. */
static dbt_status refuse_scan(dbt__reader *r, dbt__scan scan, dbt_error *err)
{
    const char *begin = dbt__window_data(&r->window);
    size_t held = dbt__window_bytes(&r->window), most = r->options.max_document;
    bool open = r->open_quote != SIZE_MAX;
    if (open) r->record.line += dbt__count_lines(begin, begin + r->open_quote);
    switch (scan) {
    case DBT__SCAN_TEXT_AFTER_QUOTE:
    case DBT__SCAN_OPEN_QUOTE:
        return refuse_quote(r, scan, err);
    case DBT__SCAN_TOO_MANY_FIELDS:
        (void)dbt__reader_refuse(r, held, "more than %d fields", MAX_FIELDS);
        return skip_record(r, err);
    default:
        if (open)
            (void)dbt__reader_refuse(r, held < most ? held : most,
                                     "the quote that opens here is not closed within %zu bytes",
                                     most);
        else
            (void)dbt__reader_refuse_long(r);
        return skip_record(r, err);
    }
}

/* --- records --- */

/* Appends a field's text, with "" as one quote. */
static dbt_status append_field(const dbt__field *field, dbt__buffer *out, dbt_error *err)
{
    const char *p = field->data, *end = p + field->bytes;
    while (field->doubled) {
        const char *quote = memchr(p, '"', (size_t)(end - p));
        if (quote == NULL) break;
        dbt_status status = dbt__buffer_append(out, p, (size_t)(quote + 1 - p), err);
        if (status < 0) return status;
        p = quote + 2;
    }
    return dbt__buffer_append(out, p, (size_t)(end - p), err);
}

/* Literal \n, \" and \\ become what they mean, in place. */
static void unescape(dbt__buffer *text)
{
    char *out = text->data, *p = text->data, *end = p + text->length;
    while (p < end) {
        char *slash = memchr(p, '\\', (size_t)(end - p));
        size_t plain = (size_t)((slash == NULL ? end : slash) - p);
        memmove(out, p, plain);
        out += plain;
        p += plain;
        if (slash == NULL) break;
        char next = p + 1 < end ? p[1] : '\0';
        bool known = next == 'n' || next == '"' || next == '\\';
        *out++ = next == 'n' ? '\n' : known ? next : '\\';
        p += known ? 2 : 1;
    }
    text->length = (size_t)(out - text->data);
}

/* The text columns of the record: in place where it is one plain field, else joined in r->text. */
static dbt_status join_text(dbt__reader *r, dbt_text *text, dbt_error *err)
{
    const dbt__columns *columns = &r->columns;
    size_t n = columns->rest ? r->n_fields : columns->n_text, joined = 0;
    const dbt__field *only = NULL;
    dbt_status status = DBT_OK;
    r->text.length = 0;
    for (size_t i = 0; i < n && status == DBT_OK; i++) {
        size_t index = columns->rest ? i : columns->text[i];
        if (columns->rest && index == columns->label) continue;
        const dbt__field *field = &r->field[index];
        if (joined == 1 && only != NULL) status = append_field(only, &r->text, err);
        if (joined > 0 && status == DBT_OK) status = dbt__buffer_append(&r->text, ", ", 2, err);
        if (joined > 0 && status == DBT_OK) status = append_field(field, &r->text, err);
        only = joined++ == 0 ? field : NULL;
    }
    if (status == DBT_OK && only != NULL) {
        bool escapes =
            r->options.unescape && only->bytes > 0 && memchr(only->data, '\\', only->bytes) != NULL;
        *text = (dbt_text){only->data, only->bytes};
        if (!escapes && !only->doubled) return DBT_OK;
        status = append_field(only, &r->text, err);
    }
    if (status == DBT_OK && r->options.unescape && r->text.length > 0) unescape(&r->text);
    *text = (dbt_text){r->text.data, r->text.length};
    return status;
}

static dbt_status build_record(dbt__reader *r, dbt_error *err)
{
    const dbt__columns *columns = &r->columns;
    if (r->has_header && r->n_fields != columns->n)
        return dbt__reader_refuse(r, r->record_bytes, "has %zu field%s, the header has %zu",
                                  r->n_fields, r->n_fields == 1 ? "" : "s", columns->n);
    if (r->n_fields < columns->needed)
        return dbt__reader_refuse(r, r->record_bytes, "has %zu field%s, needs %zu%s", r->n_fields,
                                  r->n_fields == 1 ? "" : "s", columns->needed,
                                  r->n_fields == 1 ? r->hint : "");
    dbt_text label = {NULL, 0}, text;
    dbt_status status = DBT_OK;
    if (columns->label != DBT__NO_COLUMN) {
        const dbt__field *field = &r->field[columns->label];
        label = (dbt_text){field->data, field->bytes};
        r->label.length = 0;
        if (field->doubled) {
            status = append_field(field, &r->label, err);
            label = (dbt_text){r->label.data, r->label.length};
        }
    }
    if (status == DBT_OK) status = join_text(r, &text, err);
    return status < 0 ? status : dbt__reader_emit(r, label, text, err);
}

dbt_status dbt__delimited_next(dbt__reader *r, dbt_error *err)
{
    dbt__scan scan;
    if (r->has_quotes)
        dbt__window_consume(&r->window, r->record_bytes);
    else
        dbt__window_advance(&r->window, r->record_bytes, r->record_bytes > 0);
    r->record_bytes = 0;
    dbt_status status = peek_filled(r, &scan, err);
    if (status != DBT_OK) return status;
    r->record.line = r->window.line;
    if (scan == DBT__SCAN_RECORD) return build_record(r, err);
    r->record_bytes = 0;
    return refuse_scan(r, scan, err);
}

/* --- the beginning --- */

/* Takes the names from the first record, which is at the window's beginning. */
static dbt_status take_header(dbt__reader *r, dbt_error *err)
{
    for (size_t i = 0; i < r->n_fields; i++) {
        r->label.length = 0;
        dbt_status status = append_field(&r->field[i], &r->label, err);
        if (status == DBT_OK)
            status = dbt__columns_add(&r->columns, r->label.data, r->label.length, err);
        if (status < 0) return status;
    }
    return DBT_OK;
}

static bool looks_like_header(dbt__reader *r)
{
    for (size_t i = 0; i < r->n_fields; i++)
        if (dbt__columns_is_known(&r->options, (dbt_text){r->field[i].data, r->field[i].bytes}))
            return true;
    return false;
}

/* A first row of one column, which holds what separates columns elsewhere. */
static void find_hint(dbt__reader *r)
{
    const dbt__field *field = &r->field[0];
    if (r->n_fields != 1 || field->quoted) return;
    for (const char *other = "\t;|,"; *other != '\0'; other++) {
        if (memchr(field->data, *other, field->bytes) == NULL) continue;
        char name[8] = "tab";
        if (*other != '\t') (void)snprintf(name, sizeof name, "'%c'", *other);
        (void)snprintf(r->hint, sizeof r->hint, "; if %s is the delimiter, give --delimiter %s",
                       name, name);
        return;
    }
}

/* "sep=;", which Excel writes before the records, is none of them: it names the delimiter, where
 * the caller does not. */
static bool take_separator(dbt__reader *r)
{
    static const char start[] = "sep=", separators[] = ";,|\t";
    const char *line = dbt__window_data(&r->window);
    size_t n = r->record_bytes, length = sizeof start - 1;
    while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r'))
        n--;
    if (r->format != DBT__CSV || n != length + 1 || strncasecmp(line, start, length) != 0 ||
        memchr(separators, line[length], sizeof separators - 1) == NULL)
        return false;
    if (r->options.delimiter == 0) r->delimiter = line[length];
    dbt__window_consume(&r->window, r->record_bytes);
    r->record_bytes = 0;
    return true;
}

/* The first record, which may be a header. DBT_DONE: there is none. */
static dbt_status peek_first(dbt__reader *r, dbt__scan *scan, dbt_error *err)
{
    dbt_status status = peek_filled(r, scan, err);
    if (status == DBT_OK && *scan == DBT__SCAN_RECORD && take_separator(r))
        status = peek_filled(r, scan, err);
    return status;
}

dbt_status dbt__delimited_start(dbt__reader *r, dbt_error *err)
{
    dbt__scan scan = DBT__SCAN_RECORD;
    r->has_header = false;
    r->n_fields = 0;
    dbt_status status = peek_first(r, &scan, err);
    if (status < 0) return status;
    bool sound = status == DBT_OK && scan == DBT__SCAN_RECORD;
    if (r->options.header == DBT__HEADER_YES && status == DBT_OK && !sound)
        return dbt__fail(err, DBT_EDATA, "%s: the header cannot be parsed: a quote is wrong",
                         r->name);
    if (sound)
        r->has_header = r->options.header == DBT__HEADER_YES ||
                        (r->options.header == DBT__HEADER_DETECT && looks_like_header(r));
    r->columns.n = sound ? r->n_fields : 0;
    if (sound) find_hint(r);
    if (r->has_header) {
        r->columns.n = 0;
        status = take_header(r, err);
        if (status < 0) return status;
        dbt__window_consume(&r->window, r->record_bytes);
    }
    r->record_bytes = 0;
    /* Nothing in it: there is no column to choose, and the caller finds no rows. */
    return status == DBT_DONE ? DBT_OK : dbt__columns_choose(r, err);
}
