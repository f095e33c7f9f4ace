/* lines.c: fastText's lines, and files that are one document each. */
#include "reader_internal.h"

#include <string.h>

static const char prefix[] = "__label__";
enum { PREFIX = sizeof prefix - 1 };

static bool begins_with_label(const char *p, const char *end)
{
    return end - p > PREFIX && memcmp(p, prefix, PREFIX) == 0;
}

static bool is_gap(char c)
{
    return c == ' ' || c == '\t';
}

/* A label among the words of the text: fastText takes labels anywhere in the line. */
static bool holds_label(const char *p, const char *end)
{
    const char *begin = p;
    while (p < end && (p = memchr(p, '_', (size_t)(end - p))) != NULL) {
        if ((p == begin || is_gap(p[-1])) && begins_with_label(p, end)) return true;
        p++;
    }
    return false;
}

static const char *skip_word(const char *p, const char *end)
{
    while (p < end && !is_gap(*p))
        p++;
    return p;
}

static const char *skip_gap(const char *p, const char *end)
{
    while (p < end && is_gap(*p))
        p++;
    return p;
}

/* All labels in front; the text is as it is where there are none. */
static const char *skip_labels(const char *p, const char *end)
{
    const char *word = skip_gap(p, end);
    while (begins_with_label(word, end))
        p = word = skip_gap(skip_word(word, end), end);
    return p;
}

static dbt_status build_record(dbt__reader *r, dbt_text line, dbt_error *err)
{
    const char *p = line.data, *end = p + line.bytes;
    dbt_text label = {NULL, 0};
    if (dbt__is_no_label(r->options.label_column)) {
        p = skip_labels(p, end);
    } else {
        if (!begins_with_label(p, end))
            return dbt__reader_refuse(r, r->record_bytes, "no label: it does not begin with '%s'",
                                      prefix);
        const char *name = p + PREFIX;
        p = skip_word(name, end);
        label = (dbt_text){name, (size_t)(p - name)};
        p = skip_gap(p, end);
        if (holds_label(p, end))
            return dbt__reader_refuse(r, r->record_bytes,
                                      "several labels: one label a document is supported");
    }
    return dbt__reader_emit(r, label, (dbt_text){p, (size_t)(end - p)}, err);
}

dbt_status dbt__fasttext_next(dbt__reader *r, dbt_error *err)
{
    dbt_text line;
    bool too_long;
    do {
        dbt__window_advance(&r->window, r->record_bytes, r->record_bytes > 0);
        r->record_bytes = 0;
        size_t next;
        dbt_status status =
            dbt__window_line(&r->window, r->options.max_document, &line, &next, &too_long, err);
        if (status != DBT_OK) return status;
        r->record.line = r->window.line;
        if (too_long) {
            (void)dbt__reader_refuse_long(r);
            return dbt__window_skip_line(&r->window, err);
        }
        r->record_bytes = next;
    } while (line.bytes == 0);
    return build_record(r, line, err);
}

dbt_status dbt__document_next(dbt__reader *r, dbt_error *err)
{
    if (r->document_read) return DBT_DONE;
    r->document_read = true;
    r->record.line = 1;
    dbt_status status = DBT_OK;
    while (status == DBT_OK && dbt__window_bytes(&r->window) <= r->options.max_document)
        status = dbt__window_more(&r->window, err);
    if (status < 0) return status;
    r->record_bytes = dbt__window_bytes(&r->window);
    if (r->record_bytes > r->options.max_document) return dbt__reader_refuse_long(r);
    const char *data = dbt__window_data(&r->window);
    size_t sample = r->record_bytes < r->options.sample ? r->record_bytes : r->options.sample;
    const char *foreign = dbt__detect_foreign(data, sample, r->decoder != NULL);
    if (foreign != NULL) return dbt__reader_refuse(r, r->record_bytes, "%s", foreign);
    dbt_text label = {NULL, 0};
    if (r->part_label != NULL && !dbt__is_no_label(r->options.label_column))
        label = (dbt_text){r->part_label, strlen(r->part_label)};
    return dbt__reader_emit(r, label, (dbt_text){data, r->record_bytes}, err);
}
