/*
 * reader.c: from a stream to records: what all formats share.
 *
 * start looks at the sample and settles everything that is open; next asks the format for a record
 * and hands it on. A format fills reader->record through dbt__reader_emit or dbt__reader_refuse. A
 * text that needs nothing done to it is handed on where it lies in the window; only what must be
 * changed (quotes, escapes, joined columns, ill-formed UTF-8) is copied.
 */
#include "reader_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "utf8.h"

void dbt__reader_options_init(dbt__reader_options *options)
{
    *options = (dbt__reader_options){
        .max_document = 16 * 1024 * 1024, .chunk = 256 * 1024, .sample = 64 * 1024};
}

bool dbt__is_no_label(const char *label_column)
{
    return label_column != NULL && strcmp(label_column, "none") == 0;
}

dbt_status dbt__reader_new(const dbt__reader_options *options, dbt__reader **reader, dbt_error *err)
{
    *reader = NULL;
    dbt__reader *made = dbt__alloc(sizeof *made);
    if (made == NULL) return dbt__out_of_memory(err, "a reader");
    made->options = *options;
    dbt_status status = dbt__decoder_new(options->encoding, &made->decoder, err);
    if (status < 0) {
        dbt__reader_free(made);
        return status;
    }
    dbt__window_init(&made->window, made->decoder, options->chunk == 0 ? 1 : options->chunk);
    *reader = made;
    return DBT_OK;
}

/* Forgets the part, keeps the memory that the next one can use. */
static void forget_part(dbt__reader *r)
{
    json_decref(r->json);
    r->json = NULL;
    dbt__free(r->name);
    dbt__free(r->part_label);
    r->name = r->part_label = NULL;
    dbt__columns_release(&r->columns);
    r->document_read = r->has_header = r->shows_escapes = r->has_quotes = false;
    r->record_bytes = 0;
    r->said[0] = r->label_column[0] = r->hint[0] = '\0';
}

void dbt__reader_free(dbt__reader *reader)
{
    if (reader == NULL) return;
    forget_part(reader);
    dbt__window_release(&reader->window);
    dbt__decoder_free(reader->decoder);
    dbt__buffer_release(&reader->label);
    dbt__buffer_release(&reader->text);
    dbt__buffer_release(&reader->clean_label);
    dbt__buffer_release(&reader->clean_text);
    dbt__buffer_release(&reader->in_range);
    dbt__free(reader->field);
    dbt__free(reader);
}

int dbt__cut_text(const char *text, size_t bytes, int most)
{
    if (bytes <= (size_t)most) return (int)bytes;
    int cut = most;
    while (cut > 0 && most - cut < 3 && (text[cut] & 0xc0) == 0x80)
        cut--;
    return cut;
}

/* A reason is stored as text, and names and labels that are quoted in it may be anything. */
static void set_reason(dbt__reader *r, const char *text, size_t bytes)
{
    bytes = (size_t)dbt__cut_text(text, bytes, (int)sizeof r->reason - 1);
    memcpy(r->reason, text, bytes);
    r->reason[bytes] = '\0';
    for (size_t i = 0; (i += dbt__utf8_valid(r->reason + i, bytes - i)) < bytes; i++)
        r->reason[i] = '?';
}

dbt_status dbt__reader_refuse(dbt__reader *r, size_t raw_bytes, const char *format, ...)
{
    char text[sizeof r->reason + 1]; /* of one that is too long, what it is to be cut before, too */
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    set_reason(r, text, strlen(text));
    if (raw_bytes > DBT__RAW_BYTES) raw_bytes = DBT__RAW_BYTES;
    if (raw_bytes > 0) memcpy(r->raw, dbt__window_data(&r->window), raw_bytes);
    r->record.reason = r->reason;
    r->record.raw = (dbt_text){r->raw, raw_bytes};
    return DBT_OK;
}

dbt_status dbt__reader_refuse_long(dbt__reader *r)
{
    /* So many bytes are the record's; behind them the next one may begin. */
    size_t raw = dbt__window_bytes(&r->window), most = r->options.max_document;
    return dbt__reader_refuse(r, raw < most ? raw : most, "longer than %zu bytes (--max-document)",
                              r->options.max_document);
}

/* *text as it is, or cleaned in `clean`. */
static dbt_status clean_text(dbt__reader *r, dbt_text *text, dbt__buffer *clean, dbt_error *err)
{
    if (text->bytes == 0) text->data = "";
    if (dbt__utf8_valid(text->data, text->bytes) == text->bytes) return DBT_OK;
    clean->length = 0;
    dbt_status status =
        dbt__utf8_clean(text->data, text->bytes, clean, &r->replaced_utf8, &r->replaced_nul, err);
    *text = (dbt_text){clean->data, clean->length};
    return status;
}

/* Puts the class name that a label stands for in its place; false: none. */
static bool name_class(const dbt__class_names *classes, dbt_text *label)
{
    const char *name = dbt__class_names_find(classes, *label);
    if (name == NULL) return false;
    *label = (dbt_text){name, strlen(name)};
    return true;
}

dbt_status dbt__reader_emit(dbt__reader *r, dbt_text label, dbt_text text, dbt_error *err)
{
    r->record.labelled = label.data != NULL;
    if (r->record.labelled) {
        if (label.bytes == 0) return dbt__reader_refuse(r, r->record_bytes, "empty label");
        if (r->classes != NULL && !name_class(r->classes, &label))
            return dbt__reader_refuse(
                r, r->record_bytes,
                "label '%.*s' is not one of the %zu classes of '%s', counted from 1",
                dbt__cut_text(label.data, label.bytes, 40), label.data, r->classes->n,
                r->classes_name);
        dbt_status status = clean_text(r, &label, &r->clean_label, err);
        if (status < 0) return status;
        if (label.bytes > DBT__LABEL_BYTES)
            return dbt__reader_refuse(r, r->record_bytes, "label of %zu bytes, at most %zu",
                                      label.bytes, DBT__LABEL_BYTES);
    }
    dbt_status status = clean_text(r, &text, &r->clean_text, err);
    if (status == DBT_OK && text.bytes > DBT__TEXT_BYTES)
        return dbt__reader_refuse(r, r->record_bytes, "text of %zu bytes, at most %zu", text.bytes,
                                  DBT__TEXT_BYTES);
    r->record.label = label;
    r->record.text = text;
    return status;
}

/* --- the beginning --- */

static dbt_status fill_sample(dbt__reader *r, dbt_error *err)
{
    /* A byte order mark is no text, and none of the sample. */
    static const char mark[] = "\xef\xbb\xbf";
    const size_t length = sizeof mark - 1;
    dbt_status status = DBT_OK;
    while (status == DBT_OK && dbt__window_bytes(&r->window) < r->options.sample + length)
        status = dbt__window_more(&r->window, err);
    if (status < 0) return status;
    if (dbt__window_bytes(&r->window) >= length &&
        memcmp(dbt__window_data(&r->window), mark, length) == 0)
        dbt__window_advance(&r->window, length, 0);
    return DBT_OK;
}

static bool find_escapes(const char *p, size_t bytes)
{
    for (const char *end = p + bytes; (p = memchr(p, '\\', (size_t)(end - p))) != NULL; p++)
        if (p + 1 < end && (p[1] == 'n' || p[1] == '"')) return true;
    return false;
}

/* A field as csv would quote it; *doubled: with a quote in it. */
static bool is_quoted(const char *p, size_t bytes, bool *doubled)
{
    *doubled = false;
    if (bytes < 2 || *p != '"' || p[bytes - 1] != '"') return false;
    for (const char *end = p++ + bytes - 1; (p = memchr(p, '"', (size_t)(end - p))) != NULL;
         p += 2) {
        if (p + 1 == end || p[1] != '"') return false;
        *doubled = true;
    }
    return true;
}

/* Are the fields quoted as csv's are? A text in quotes now and then is none of that. */
static bool find_quotes(const char *p, size_t bytes, char delimiter)
{
    size_t fields = 0, quoted = 0, sure = 0;
    for (const char *end = p + bytes; p < end; p++) {
        bool doubled;
        const char *stop = dbt__find_break(p, end, delimiter);
        fields += stop > p;
        bool is = is_quoted(p, (size_t)(stop - p), &doubled);
        quoted += is;
        sure += is && doubled;
        p = stop;
    }
    return quoted >= 3 && (sure >= 3 || quoted >= fields / 10);
}

static dbt_status detect(dbt__reader *r, dbt_error *err)
{
    const char *sample = dbt__window_data(&r->window);
    size_t bytes = dbt__window_bytes(&r->window);
    if (bytes > r->options.sample) bytes = r->options.sample;
    const char *foreign =
        bytes == 0 ? NULL : dbt__detect_foreign(sample, bytes, r->decoder != NULL);
    if (foreign != NULL) return dbt__fail(err, DBT_EDATA, "%s: %s", r->name, foreign);
    r->delimiter = r->options.delimiter;
    r->format = r->options.format;
    if (r->format == DBT__DETECT && bytes == 0) r->format = DBT__CSV;
    if (r->format == DBT__DETECT)
        r->format = dbt__detect_format(r->name, sample, bytes, &r->options);
    if (r->format == DBT__JSONL && dbt__detect_array(sample, bytes))
        return dbt__fail(err, DBT_EDATA,
                         "%s: is a JSON array, but JSON is read as one object a line: "
                         "jq -c '.[]' makes that of it",
                         r->name);
    if (r->delimiter == 0) r->delimiter = r->format == DBT__TSV ? '\t' : ',';
    r->quoting = r->format == DBT__CSV;
    bool delimited = r->format == DBT__CSV || r->format == DBT__TSV;
    r->shows_escapes = delimited && bytes > 0 && find_escapes(sample, bytes);
    r->shows_quotes =
        r->format == DBT__TSV && bytes > 0 && find_quotes(sample, bytes, r->delimiter);
    return DBT_OK;
}

/* Of a delimited format: what separates its columns, "" where it is the usual. */
static void name_delimiter(char delimiter, char usual, const char *lead, char text[32])
{
    const char name[] = {'\'', delimiter, '\'', '\0'};
    text[0] = '\0';
    if (delimiter != usual)
        (void)snprintf(text, 32, "%s%s", lead, delimiter == '\t' ? "tab" : name);
}

/* What of the text is read as it is, and may be meant otherwise. */
static void say_kept(const dbt__reader *r, char *text, size_t bytes)
{
    char delimiter[32];
    name_delimiter(r->delimiter, ',', " --delimiter ", delimiter);
    const char *escapes =
        !r->shows_escapes ? ""
        : r->options.unescape
            ? ", unescaped"
            : ", literal \\n or \\\" kept (--unescape turns them into characters)";
    (void)snprintf(text, bytes, "%s%s%s%s", escapes,
                   r->shows_quotes ? ", fields in quotes are kept as they are (--format csv" : "",
                   r->shows_quotes ? delimiter : "", r->shows_quotes ? " reads them)" : "");
}

/* Writes the one line that says what was detected. */
static void say(dbt__reader *r)
{
    char columns[384], delimiter[32] = "", kept[256];
    bool delimited = r->format == DBT__CSV || r->format == DBT__TSV;
    if (delimited)
        name_delimiter(r->delimiter, r->format == DBT__TSV ? '\t' : ',', ", delimiter ", delimiter);
    if (r->format == DBT__FASTTEXT) {
        (void)snprintf(columns, sizeof columns, "%s",
                       dbt__is_no_label(r->options.label_column)
                           ? "no label (__label__ in front of a text is left out)"
                           : "label = __label__");
    } else {
        dbt__columns_say(&r->columns, columns, sizeof columns);
        dbt__columns_say_label(&r->columns, r->label_column, sizeof r->label_column);
    }
    const char *header = !delimited ? "" : r->has_header ? ", header" : ", no header";
    say_kept(r, kept, sizeof kept);
    (void)snprintf(
        r->said, sizeof r->said, "%s%s%s, %s%s%.100s%s%s%.40s%s", dbt__format_name(r->format),
        delimiter, header, columns, r->classes == NULL ? "" : ", classes of '",
        r->classes == NULL ? "" : r->classes_name, r->classes == NULL ? "" : "'",
        r->decoder == NULL ? "" : ", from ", r->decoder == NULL ? "" : r->options.encoding, kept);
}

static dbt_status start_format(dbt__reader *r, dbt_error *err)
{
    switch (r->format) {
    case DBT__CSV:
    case DBT__TSV:
        return dbt__delimited_start(r, err);
    case DBT__JSONL:
        return dbt__jsonl_start(r, err);
    default:
        return DBT_OK;
    }
}

dbt_status dbt__reader_start(dbt__reader *r, dbt__stream *stream, const dbt__part *part,
                             dbt_error *err)
{
    forget_part(r);
    r->name = dbt__strdup(part->name);
    r->part_label = part->label == NULL ? NULL : dbt__strdup(part->label);
    if (r->name == NULL || (part->label != NULL && r->part_label == NULL))
        return dbt__out_of_memory(err, "a reader");
    r->is_document = part->is_document;
    r->classes = NULL;
    if (!part->is_document) {
        r->classes = r->options.classes != NULL ? r->options.classes : part->classes;
        r->classes_name = r->options.classes != NULL ? r->options.classes_name : part->classes_name;
    }
    dbt__window_start(&r->window, stream);
    dbt_status status = fill_sample(r, err);
    if (status < 0) return status;
    if (r->is_document) {
        r->format = DBT__FOLDER;
        return DBT_OK;
    }
    status = detect(r, err);
    if (status == DBT_OK) status = start_format(r, err);
    if (status == DBT_OK) say(r);
    return status;
}

dbt_status dbt__reader_next(dbt__reader *r, const dbt__record **record, dbt_error *err)
{
    dbt_status status;
    *record = &r->record;
    r->record = (dbt__record){0};
    if (r->is_document)
        status = dbt__document_next(r, err);
    else if (r->format == DBT__JSONL)
        status = dbt__jsonl_next(r, err);
    else if (r->format == DBT__FASTTEXT)
        status = dbt__fasttext_next(r, err);
    else
        status = dbt__delimited_next(r, err);
    if (status < 0 && err != NULL) err->line = r->window.line;
    return status;
}

const char *dbt__reader_said(const dbt__reader *reader)
{
    return reader->said;
}

const char *dbt__reader_label_column(const dbt__reader *reader)
{
    return reader->label_column;
}

dbt__format dbt__reader_format(const dbt__reader *reader)
{
    return reader->format;
}

bool dbt__reader_takes_no_header(const dbt__reader *reader)
{
    return (reader->format == DBT__CSV || reader->format == DBT__TSV) && !reader->has_header &&
           reader->options.header == DBT__HEADER_DETECT;
}

int64_t dbt__reader_replaced_utf8(const dbt__reader *reader)
{
    return reader->replaced_utf8 + reader->window.replaced;
}

int64_t dbt__reader_replaced_nul(const dbt__reader *reader)
{
    return reader->replaced_nul;
}
