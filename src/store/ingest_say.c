/*
 * ingest_say.c: what ingest says beside its result, and the words it has for things.
 *
 * Little of it is an error: what is there already, or is seldom meant, comes in as it was asked
 * for. But who meant something else can only know it from here, so each line names what it is about
 * and, where there is something to do, the option that does it.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ingest_say.h"

/* Of fewer the first may well have a label of its own. */
#define LEAST_ROWS 50
/* Of fewer most may well be equal to others. */
#define LEAST_FILES 10

const char *dbt_format_name(dbt_format format)
{
    switch (format) {
#define FORMAT_CASE(name, text)                                                                    \
    case name:                                                                                     \
        return text;
        DBT_FORMAT_LIST(FORMAT_CASE)
#undef FORMAT_CASE
    }
    return "unknown";
}

void dbt__say(const dbt_ingest_options *to, const char *format, ...)
{
    char line[1024];
    va_list arguments;
    if (to->said == NULL) return;
    va_start(arguments, format);
    (void)vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    to->said(to->context, line);
}

/* "25,000" */
static const char *group_digits(int64_t n, char text[32])
{
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%lld", (long long)n);
    char *out = text;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0 && digits[i - 1] != '-') *out++ = ',';
        *out++ = digits[i];
    }
    *out = '\0';
    return text;
}

/* --- what is there already --- */

static void say_gone(const dbt_ingest_options *to, const char *name, int64_t documents,
                     int64_t gone, const char *split)
{
    char lost[32], all[32];
    dbt__say(
        to,
        "%s: already ingested, but %s of its %s document%s %s not in %s%s%s any more: nothing to "
        "do, --again ingests all of it once more, beside what is there",
        name, group_digits(gone, lost), group_digits(documents, all), documents == 1 ? "" : "s",
        gone == 1 ? "is" : "are", split == NULL ? "their splits" : "split '",
        split == NULL ? "" : split, split == NULL ? "" : "'");
}

/* Whether the options say how a source is to be read, which those that are there were already. */
static bool tell_how_to_read(const dbt_ingest_options *options)
{
    dbt_ingest_options usual;
    dbt_ingest_options_init(&usual);
    return options->format != usual.format || options->label_column != NULL ||
           options->n_text_columns != 0 || options->header != usual.header ||
           options->delimiter != 0 || options->classes != NULL || options->unescape ||
           options->encoding != NULL;
}

void dbt__say_known(const dbt_ingest_options *to, const char *name, int64_t documents, int64_t gone,
                    const char *split)
{
    char number[32];
    if (gone > 0)
        say_gone(to, name, documents, gone, split);
    else if (tell_how_to_read(to))
        dbt__say(
            to,
            "%s: already ingested (%s document%s), and left as it was read then: to read it in "
            "another way begin with a new database, or take it out first, as schema/README.md "
            "shows (--again ingests it once more, beside what is there)",
            name, group_digits(documents, number), documents == 1 ? "" : "s");
    else
        dbt__say(
            to,
            "%s: already ingested (%s document%s): nothing to do, --again ingests it once more, "
            "beside what is there",
            name, group_digits(documents, number), documents == 1 ? "" : "s");
}

void dbt__say_namesake(const dbt_ingest_options *to, const char *name, int64_t documents)
{
    char number[32];
    dbt__say(to,
             "%s: a source of that name is there with another content: its %s document%s stay%s "
             "beside these",
             name, group_digits(documents, number), documents == 1 ? "" : "s",
             documents == 1 ? "s" : "");
}

static void say_twin(const dbt_ingest_options *to, const char *name, const char *split,
                     const dbt__twin *twin)
{
    bool same_name = strcmp(twin->name.data, name) == 0;
    if (!twin->same_split)
        dbt__say(to,
                 "%s: the same content is in split '%s'%s%s%s: the two splits hold the same texts",
                 name, twin->split.data, same_name ? "" : ", as '",
                 same_name ? "" : twin->name.data, same_name ? "" : "'");
    else if (same_name)
        dbt__say(to, "%s: the same was ingested before: its documents are in split '%s' once more",
                 name, split);
    else
        dbt__say(
            to,
            "%s: the same content was ingested before, as '%s': its documents are in split '%s' "
            "once more",
            name, twin->name.data, split);
}

dbt_status dbt__tell_twin(const dbt_ingest_options *to, const char *name, const char *split,
                          dbt__twins *twins, const char *digest, int64_t bytes, dbt_error *err)
{
    dbt__twin twin = {.found = false};
    dbt__buffer_init(&twin.name, DBT__SOURCE_NAME_BYTES);
    dbt__buffer_init(&twin.split, DBT__SOURCE_NAME_BYTES);
    dbt_status status = dbt__twins_find(twins, digest, bytes, split, name, &twin, err);
    if (status == DBT_OK && twin.found) say_twin(to, name, split, &twin);
    dbt__buffer_release(&twin.name);
    dbt__buffer_release(&twin.split);
    return status;
}

static void tell_twin_files(const dbt_ingest_options *to, const char *name,
                            const dbt__path_counts *path)
{
    char twins[32], files[32];
    if (path->new_files < LEAST_FILES || path->twin_files <= path->new_files / 2) return;
    dbt__say(to,
             "%s: %s of its %s files have the content of files that were ingested before %s: those "
             "documents are there once more",
             name, group_digits(path->twin_files, twins), group_digits(path->new_files, files),
             path->moved_files > path->twin_files / 2 ? "into another split" : "under other names");
}

void dbt__tell_files(const dbt_ingest_options *to, const char *name, const dbt__path_counts *path,
                     bool some_new)
{
    char number[32];
    if (path->known_parts > 0 && !some_new)
        dbt__say_known(to, name, path->known_documents, path->gone_documents, NULL);
    else if (path->known_parts > 0)
        dbt__say(to, "%s: %s of its files were already ingested, --again ingests them once more",
                 name, group_digits(path->known_parts, number));
    if (path->changed_parts > 0)
        dbt__say(to,
                 "%s: %s of its files are there with another content: those documents stay beside "
                 "these",
                 name, group_digits(path->changed_parts, number));
    tell_twin_files(to, name, path);
}

/* --- what an earlier ingest has left --- */

void dbt__say_resumed(const dbt_ingest_options *to, const char *name, int64_t documents)
{
    char number[32];
    dbt__say(to, "%s: goes on after %s document%s of an ingest that did not end", name,
             group_digits(documents, number), documents == 1 ? "" : "s");
}

void dbt__say_abandoned(const dbt_ingest_options *to, const dbt__abandoned *gone)
{
    char number[32];
    dbt__say(to,
             "an earlier ingest, of '%s', did not end, and another source comes first now: what is "
             "there of it (%s document%s) was taken out",
             gone->name, group_digits(gone->documents, number), gone->documents == 1 ? "" : "s");
}

void dbt__say_taken_out(const dbt_ingest_options *to, const char *name, int64_t documents)
{
    char number[32];
    dbt__say(
        to, "%s: not what the ingest that did not end has read: %s of its documents were taken out",
        name, group_digits(documents, number));
}

dbt_status dbt__fail_interrupted(const char *name, const dbt__written *source, dbt_error *err)
{
    char number[32];
    int64_t n = source->documents;
    return dbt__fail(err, DBT_EINTERRUPTED,
                     "interrupted after %s document%s of '%s'; the same ingest again goes on from "
                     "there, another one takes them out",
                     group_digits(n, number), n == 1 ? "" : "s", name);
}

/* --- rows that were not taken as they were meant --- */

static void say_header(const dbt_ingest_options *to, const char *name, dbt_text label)
{
    dbt__say(
        to,
        "%s: '%.*s' is the label of its first row alone: if that row is a header, begin with a "
        "new database and give --header",
        name, label.bytes < 80 ? (int)label.bytes : 80, label.data);
}

static void say_many_labels(const dbt_ingest_options *to, const char *name, int64_t labels,
                            int64_t documents, const char *column)
{
    char some[32], all[32];
    bool has_column = column[0] != '\0';
    dbt__say(to, "%s: %s labels in %s documents%s%s%s", name, group_digits(labels, some),
             group_digits(documents, all), has_column ? ": is " : "", column,
             has_column ? " the label? begin with a new database and give --label-column" : "");
}

static void say_none(const dbt_ingest_options *to, const char *name, int64_t rejected)
{
    char number[32];
    dbt__say(to, "%s: none of its rows was accepted (%s refused): 'select * from reject' tells why",
             name, group_digits(rejected, number));
}

dbt_status dbt__tell_rows(const dbt_ingest_options *to, const char *name, dbt__writer *writer,
                          const char *label_column, dbt_text first_label, dbt_error *err)
{
    const dbt__written *source = dbt__writer_source(writer);
    int64_t labels;
    if (source->documents == 0 && source->duplicates == 0 && source->rejected > 0)
        say_none(to, name, source->rejected);
    if (source->documents < LEAST_ROWS) return DBT_OK;
    dbt_status status = dbt__writer_count_labels(writer, &labels, err);
    if (status < 0) return status;
    /* Where nearly all labels differ, that of the first row does, too. */
    if (labels > 0)
        say_many_labels(to, name, labels, source->documents, label_column);
    else if (first_label.bytes > 0)
        say_header(to, name, first_label);
    return DBT_OK;
}
