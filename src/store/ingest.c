/*
 * ingest.c: paths into the store: what is read (src/reader) meets what is written (ingest_write.c).
 * What is said meanwhile is in ingest_say.c.
 *
 * Each file is a row in `source`: 'loading' while its rows come in, 'loaded' when they are all
 * there. A command that must refuse its input marks all its sources 'refused', commits that, and
 * then takes the documents out (ingest_clean.c); its rows in `source` and `reject` stay, to be
 * asked what was wrong. Only one writer uses a file at a time.
 *
 * An ingest that was killed leaves a source 'loading'. When that is the first one that the next
 * ingest has to read, it goes on behind the last committed row, after it has seen that the rows
 * before are those that are stored (ingest_replay.c); else they are taken out first. Either way the
 * rows come in the order in which one ingest would have brought them.
 *
 * A file that is there already is known by name, split, size and digest. The digest comes from
 * reading it for ingestion; beforehand it is computed only where the first three agree with a
 * source that is there.
 */
#include <stdio.h>
#include <string.h>

#include "ingest_internal.h"
#include "ingest_say.h"
#include "store_internal.h"
#include "utf8.h"

#define MAX_DOCUMENT DBT__TEXT_BYTES
_Static_assert(DBT__TEXT_BYTES <= DBT__LONGEST_TEXT && DBT__LABEL_BYTES <= DBT__LONGEST_NAME,
               "what the reader lets through can be stored");

typedef struct ingestion {
    const dbt_ingest_options *options;
    dbt_ingest_result *result;
    dbt__sql *sql;
    dbt__writer *writer;
    dbt__reader *reader;
    dbt__twins *twins;             /* NULL until they are asked for */
    dbt__file_twins *file_twins;   /* likewise */
    dbt__catalog *catalog;         /* of the path that is being read */
    dbt__path_counts path;         /* likewise */
    int64_t known_utf8, known_nul; /* characters that were replaced in documents that are there */
    dbt__buffer name;              /* of a source, where the file's is not UTF-8 */
    dbt_error idle;                /* of a commit while a pipe was waited for */
    dbt__buffer first_label;       /* of rows that may begin with a header, while no other has it */
    int64_t resumed;               /* documents of the source that it goes on with */
    bool has_begun;                /* a source; so none is left unfinished by an earlier ingest */
    int64_t first_line;            /* of the first refused row */
    char first_reject[512];
} ingestion;

void dbt_ingest_options_init(dbt_ingest_options *options)
{
    *options = (dbt_ingest_options){.max_document = 16 * 1024 * 1024};
}

_Static_assert((int)DBT_FORMAT_CSV == (int)DBT__CSV && (int)DBT_FORMAT_TSV == (int)DBT__TSV &&
                   (int)DBT_FORMAT_JSONL == (int)DBT__JSONL &&
                   (int)DBT_FORMAT_FOLDER == (int)DBT__FOLDER &&
                   (int)DBT_FORMAT_FASTTEXT == (int)DBT__FASTTEXT,
               "the reader's formats are the public ones");

static void report_progress(const ingestion *in, const char *name)
{
    if (in->options->progress == NULL) return;
    const dbt__written *source = dbt__writer_source(in->writer);
    /* `result` counts the sources that are complete. */
    dbt_ingest_progress progress = {.source = name,
                                    .documents = in->result->documents + source->documents,
                                    .rejected = in->result->rejected,
                                    .bytes = dbt__catalog_bytes_read(in->catalog)};
    in->options->progress(in->options->context, &progress);
}

/* --- one part --- */

/* Of its documents so many may be deleted since. */
static void note_known(ingestion *in, int64_t documents, int64_t gone)
{
    in->path.known_parts++;
    in->path.known_documents += documents;
    in->path.gone_documents += gone;
    in->result->recognised++;
}

/* Is the file that is to be read there already? */
static dbt_status recognise(ingestion *in, const dbt__part *part, const char *split, bool *known,
                            dbt_error *err)
{
    int64_t documents, gone;
    uint64_t digest;
    char text[DBT__DIGEST_CHARS];
    *known = false;
    if (in->options->again || part->is_document || part->bytes < 0) return DBT_OK;
    dbt_status status = dbt__writer_find_source(in->writer, part->name, split, part->bytes, NULL,
                                                &documents, NULL, err);
    if (status < 0 || documents < 0) return status;
    bool can_tell;
    status = dbt__catalog_digest(in->catalog, &digest, &can_tell, err);
    if (status < 0 || !can_tell) return status;
    dbt__digest_text(digest, text);
    status = dbt__writer_find_source(in->writer, part->name, split, part->bytes, text, &documents,
                                     &gone, err);
    *known = status == DBT_OK && documents >= 0;
    if (!*known) return status;
    note_known(in, documents, gone);
    dbt__say_known(in->options, part->name, documents, gone, split);
    return DBT_OK;
}

/* What a source of that name has left stays: who meant to replace it must know. */
static dbt_status look_for_namesake(ingestion *in, const dbt__part *part, const char *split,
                                    dbt_error *err)
{
    int64_t documents;
    if (in->options->again || part->bytes < 0) return DBT_OK;
    dbt_status status =
        dbt__writer_find_source(in->writer, part->name, split, -1, NULL, &documents, NULL, err);
    if (status < 0 || documents < 0) return status;
    in->path.changed_parts++;
    if (!part->is_document) dbt__say_namesake(in->options, part->name, documents);
    return DBT_OK;
}

/* One row more is refused: is it one too many? */
static dbt_status count_reject(ingestion *in, const char *name, const dbt__record *record,
                               dbt_error *err)
{
    int64_t rejected = ++in->result->rejected, allowed = in->options->max_rejects;
    if (rejected == 1) {
        in->first_line = record->line;
        (void)snprintf(in->first_reject, sizeof in->first_reject, "%s:%lld: %s", name,
                       (long long)record->line, record->reason);
    }
    if (allowed < 0 || rejected <= allowed) return DBT_OK;
    if (err != NULL && err->status == DBT_OK) err->line = in->first_line;
    return dbt__fail(err, DBT_EDATA,
                     "%s (%lld row%s refused; --max-rejects N accepts some, 'select * from reject' "
                     "lists them)",
                     in->first_reject, (long long)rejected, rejected == 1 ? "" : "s");
}

static bool wants_to_stop(void *context)
{
    const ingestion *in = context;
    return in->options->stop != NULL && in->options->stop(in->options->context);
}

/* Others may write, and see what is there, while a pipe has nothing. */
static void commit_before_wait(void *context)
{
    ingestion *in = context;
    if (in->idle.status == DBT_OK) (void)!dbt__writer_commit(in->writer, &in->idle);
}

/* What went wrong while a source was read that is begun; somebody may have wanted to stop. */
static dbt_status judge_reading(const ingestion *in, const char *name, dbt_status status,
                                const dbt_error *cause, dbt_error *err)
{
    if (status == DBT_EINTERRUPTED)
        return dbt__fail_interrupted(name, dbt__writer_source(in->writer), err);
    if (status < 0 && err != NULL && err->status == DBT_OK) *err = *cause;
    return status;
}

/* Of a source that is begun. */
static dbt_status next_record(const ingestion *in, const char *name, const dbt__record **record,
                              dbt_error *err)
{
    dbt_error cause = {0};
    dbt_status status = dbt__reader_next(in->reader, record, &cause);
    if (status != DBT_EINTERRUPTED && in->idle.status < 0) {
        cause = in->idle;
        status = in->idle.status;
    }
    return judge_reading(in, name, status, &cause, err);
}

/* Writes a record and, when it is time, commits. */
static dbt_status take_record(ingestion *in, const char *name, const dbt__record *record,
                              dbt_error *err)
{
    if (wants_to_stop(in)) return dbt__fail_interrupted(name, dbt__writer_source(in->writer), err);
    dbt_status status = dbt__writer_add(in->writer, record, err);
    if (status < 0) {
        if (err != NULL) err->line = record->line;
        if (status == DBT_EDATA) (void)dbt__context(err, "%s:%lld", name, (long long)record->line);
        return status;
    }
    if (record->reason != NULL) {
        status = count_reject(in, name, record, err);
        if (status < 0) return status;
    }
    if (!dbt__writer_is_full(in->writer)) return DBT_OK;
    status = dbt__writer_commit(in->writer, err);
    if (status == DBT_OK) report_progress(in, name);
    return status;
}

/* Where another source comes first now. */
static dbt_status abandon_unfinished(const ingestion *in, dbt_error *err)
{
    dbt__abandoned gone;
    dbt_status status = dbt__ingest_abandon(in->sql, &gone, err);
    if (status == DBT_OK && gone.sources > 0) dbt__say_abandoned(in->options, &gone);
    return status;
}

static dbt_status begin_source(ingestion *in, const char *name, const char *format,
                               const char *split, dbt_error *err)
{
    bool resumed = false;
    dbt_status status = DBT_OK;
    if (!in->has_begun)
        status = dbt__writer_resume_source(in->writer, name, format, split, &resumed, err);
    if (resumed) {
        in->resumed = dbt__writer_source(in->writer)->documents;
        dbt__say_resumed(in->options, name, in->resumed);
    }
    if (status == DBT_OK && !in->has_begun && !resumed) status = abandon_unfinished(in, err);
    in->has_begun = true;
    if (status < 0 || resumed) return status;
    return dbt__writer_begin_source(in->writer, name, format, split, err);
}

/* The source is read to its end: counts it. */
static dbt_status end_source(ingestion *in, const char *name, int64_t bytes, const char *digest,
                             dbt_error *err)
{
    dbt__written source;
    dbt_status status = dbt__writer_end_source(in->writer, bytes, digest, &source, err);
    if (status < 0) return status;
    if (source.taken_out > 0) dbt__say_taken_out(in->options, name, source.taken_out);
    in->result->sources++;
    in->result->documents += source.documents;
    in->result->resumed += in->resumed - (in->resumed > 0 ? source.taken_out : 0);
    in->resumed = 0;
    in->result->duplicates += source.duplicates;
    in->result->formats |= 1u << dbt__reader_format(in->reader);
    return DBT_OK;
}

/* A file that comes in: was its content there when its path was begun? */
static dbt_status count_file(ingestion *in, const char *name, int64_t bytes, const char *digest,
                             dbt_error *err)
{
    bool found = false, same_name = false;
    dbt_status status = DBT_OK;
    if (in->options->again) return DBT_OK;
    if (in->file_twins == NULL) status = dbt__file_twins_new(in->sql, &in->file_twins, err);
    if (status == DBT_OK && in->path.new_files++ == 0)
        status = dbt__file_twins_update(in->file_twins, err);
    if (status == DBT_OK)
        status = dbt__file_twins_find(in->file_twins, digest, bytes, name, &found, &same_name, err);
    in->path.twin_files += found;
    in->path.moved_files += same_name;
    return status;
}

/* A file that is one document: small enough to know its digest before it is written. */
static dbt_status ingest_document(ingestion *in, const dbt__part *part, const char *split,
                                  dbt__stream *stream, dbt_error *err)
{
    const dbt__record *record;
    int64_t bytes, gone = 0, documents = -1;
    uint64_t digest;
    bool changed;
    char text[DBT__DIGEST_CHARS];
    const int64_t utf8 = dbt__reader_replaced_utf8(in->reader);
    const int64_t nul = dbt__reader_replaced_nul(in->reader);
    dbt_status status = dbt__reader_next(in->reader, &record, err);
    if (status == DBT_OK) status = dbt__stream_finish(stream, &bytes, &digest, &changed, err);
    if (status < 0) return status;
    dbt__digest_text(digest, text);
    if (!in->options->again)
        status = dbt__writer_find_source(in->writer, part->name, split, bytes, text, &documents,
                                         &gone, err);
    if (status == DBT_OK && documents >= 0) {
        in->known_utf8 += dbt__reader_replaced_utf8(in->reader) - utf8;
        in->known_nul += dbt__reader_replaced_nul(in->reader) - nul;
        note_known(in, documents, gone);
        return DBT_OK;
    }
    if (status == DBT_OK) status = look_for_namesake(in, part, split, err);
    if (status == DBT_OK) status = count_file(in, part->name, bytes, text, err);
    if (status == DBT_OK) status = begin_source(in, part->name, "folder", split, err);
    if (status == DBT_OK) status = take_record(in, part->name, record, err);
    return status < 0 ? status : end_source(in, part->name, bytes, text, err);
}

/* Says that the same content is there already: a pipe's is read once, so it is known too late to
 * leave it alone; and a file of another name or for another split may well be meant to come in,
 * too. */
static dbt_status tell_twice(ingestion *in, const dbt__part *part, const char *split, int64_t bytes,
                             const char *digest, dbt_error *err)
{
    if (in->options->again) return DBT_OK;
    dbt_status status = in->twins == NULL ? dbt__twins_new(in->sql, &in->twins, err) : DBT_OK;
    if (status < 0) return status;
    return dbt__tell_twin(in->options, part->name, split, in->twins, digest, bytes, err);
}

/* A first row that is taken for one like the others. */
static dbt_status keep_first_label(ingestion *in, const dbt__record *record, dbt_error *err)
{
    in->first_label.length = 0;
    if (record->reason != NULL || !record->labelled || !dbt__reader_takes_no_header(in->reader))
        return DBT_OK;
    return dbt__buffer_append(&in->first_label, record->label.data, record->label.bytes, err);
}

static void compare_first_label(ingestion *in, const dbt__record *record)
{
    dbt__buffer *first = &in->first_label;
    if (first->length == 0 || record->reason != NULL) return;
    if (record->label.bytes == first->length &&
        memcmp(record->label.data, first->data, first->length) == 0)
        first->length = 0;
}

static dbt_status ingest_rows(ingestion *in, const dbt__part *part, const char *split,
                              dbt__stream *stream, dbt_error *err)
{
    const dbt__record *record;
    int64_t bytes;
    uint64_t digest;
    char text[DBT__DIGEST_CHARS];
    bool changed;
    dbt__say(in->options, "%s: %s, split '%s'", part->name, dbt__reader_said(in->reader), split);
    /* A source is begun once it has a row: then what an earlier ingest has left makes way for it.
     */
    dbt_status status = dbt__reader_next(in->reader, &record, err);
    if (status == DBT_DONE) return dbt__fail(err, DBT_EDATA, "%s: no rows", part->name);
    if (status == DBT_OK) status = look_for_namesake(in, part, split, err);
    if (status == DBT_OK)
        status = begin_source(in, part->name, dbt__format_name(dbt__reader_format(in->reader)),
                              split, err);
    if (status == DBT_OK) status = keep_first_label(in, record, err);
    while (status == DBT_OK) {
        status = take_record(in, part->name, record, err);
        if (status == DBT_OK) status = next_record(in, part->name, &record, err);
        if (status == DBT_OK) compare_first_label(in, record);
    }
    if (status == DBT_DONE) {
        dbt_error cause = {0};
        status = dbt__stream_finish(stream, &bytes, &digest, &changed, &cause);
        status = judge_reading(in, part->name, status, &cause, err);
    }
    if (status < 0) return status;
    if (changed) dbt__say(in->options, "%s: changed while it was read", part->name);
    status =
        dbt__tell_rows(in->options, part->name, in->writer, dbt__reader_label_column(in->reader),
                       (dbt_text){in->first_label.data, in->first_label.length}, err);
    if (status < 0) return status;
    dbt__digest_text(digest, text);
    status = tell_twice(in, part, split, bytes, text, err);
    return status < 0 ? status : end_source(in, part->name, bytes, text, err);
}

/* The name of a file is bytes, that of a source is text: where it is not UTF-8 its backslashes are
 * doubled and the other bytes written as \xFF, so that different names stay different. */
static dbt_status escape_name(dbt__buffer *to, const char *name, size_t bytes, dbt_error *err)
{
    dbt_status status = DBT_OK;
    to->length = 0;
    for (size_t i = 0; status == DBT_OK && i < bytes;) {
        size_t valid = dbt__utf8_valid(name + i, bytes - i);
        for (size_t end = i + valid; status == DBT_OK && i < end; i++)
            status = dbt__buffer_append(to, name[i] == '\\' ? "\\\\" : name + i,
                                        name[i] == '\\' ? 2 : 1, err);
        if (status < 0 || i == bytes) break;
        char hex[8];
        int n = snprintf(hex, sizeof hex, "\\x%02x", (unsigned char)name[i++]);
        status = dbt__buffer_append(to, hex, (size_t)n, err);
    }
    return status < 0 ? status : dbt__buffer_append(to, "", 1, err);
}

/* "./corpus.csv" is "corpus.csv", or it would be another source. */
static const char *strip_here(const char *name)
{
    const char *rest = name;
    while (rest[0] == '.' && rest[1] == '/')
        rest += 1 + strspn(rest + 1, "/");
    return rest[0] == '\0' ? name : rest;
}

static dbt_status clean_name(ingestion *in, dbt__part *part, dbt_error *err)
{
    bool known = false;
    const char *name = strip_here(part->name);
    if (name == part->name && dbt__is_utf8(name)) return DBT_OK;
    /* Older programs have stored it as it is. */
    dbt_status status = dbt__writer_has_source(in->writer, part->name, &known, err);
    if (status < 0 || known) return status;
    part->name = name;
    if (dbt__is_utf8(name)) return DBT_OK;
    status = escape_name(&in->name, name, strlen(name), err);
    if (status == DBT_OK) part->name = in->name.data;
    return status;
}

static dbt_status ingest_part(ingestion *in, const dbt__part *found, dbt_error *err)
{
    dbt__part clean = *found;
    const dbt__part *part = &clean;
    /* Unlabelled documents never go where a training would find them. */
    bool unlabelled = part->is_document && part->label == NULL;
    bool given = in->options->split != NULL && !unlabelled;
    const char *split = given ? in->options->split : part->split;
    dbt__stream *stream;
    bool known = false;
    dbt_status status = clean_name(in, &clean, err);
    if (status == DBT_OK) status = recognise(in, part, split, &known, err);
    if (status < 0 || known) return status;
    status = dbt__catalog_stream(in->catalog, &stream, err);
    if (status == DBT_OK) status = dbt__reader_start(in->reader, stream, part, err);
    if (status < 0) return status;
    return part->is_document ? ingest_document(in, part, split, stream, err)
                             : ingest_rows(in, part, split, stream, err);
}

static dbt_status ingest_path(ingestion *in, const char *path, dbt_error *err)
{
    const dbt__part *part;
    bool documents = false;
    const char *shown = strcmp(path, "-") == 0 ? "stdin" : path;
    int64_t before = in->result->sources;
    dbt_status status =
        dbt__catalog_open(path, (dbt__format)in->options->format, in->options->classes == NULL,
                          (dbt__waiting){wants_to_stop, commit_before_wait, in}, &in->catalog, err);
    if (status < 0) return status;
    bool labelled = !dbt__is_no_label(in->options->label_column);
    const char *said = dbt__catalog_said(in->catalog, in->options->split, labelled);
    if (said != NULL) dbt__say(in->options, "%s", said);
    in->path = (dbt__path_counts){0};
    while (status == DBT_OK && (status = dbt__catalog_next(in->catalog, &part, err)) == DBT_OK) {
        documents = part->is_document;
        status = ingest_part(in, part, err);
    }
    if (status == DBT_DONE) status = dbt__writer_commit(in->writer, err);
    if (status == DBT_OK) report_progress(in, shown);
    if (status == DBT_OK && documents)
        dbt__tell_files(in->options, shown, &in->path, in->result->sources > before);
    dbt__catalog_close(in->catalog);
    in->catalog = NULL;
    return status;
}

/* --- the command --- */

static dbt_status check_options(const dbt_ingest_options *options, const char *const *paths,
                                size_t n_paths, dbt_error *err)
{
    size_t stdins = 0;
    for (size_t i = 0; i < n_paths; i++)
        stdins += strcmp(paths[i], "-") == 0;
    if (n_paths == 0) return dbt__fail(err, DBT_EUSAGE, "no source to ingest");
    if (stdins > 1) return dbt__fail(err, DBT_EUSAGE, "stdin can be read only once");
    if (options->split != NULL && options->split[0] == '\0')
        return dbt__fail(err, DBT_EUSAGE, "the name of a split cannot be empty");
    if (options->split != NULL && !dbt__is_utf8(options->split))
        return dbt__fail(err, DBT_EUSAGE, "the name of a split must be UTF-8");
    if (options->max_document < 1 || options->max_document > MAX_DOCUMENT)
        return dbt__fail(err, DBT_EUSAGE, "max_document is %zu, must be 1 .. %zu",
                         options->max_document, MAX_DOCUMENT);
    if (options->max_rejects < -1)
        return dbt__fail(err, DBT_EUSAGE, "max_rejects is %lld, must be -1 (all), 0 or more",
                         (long long)options->max_rejects);
    if (options->delimiter == '"' || options->delimiter == '\n' || options->delimiter == '\r')
        return dbt__fail(err, DBT_EUSAGE, "a quote or line break cannot be the delimiter");
    return DBT_OK;
}

/* What fit has cut off stays as it is: documents beside it would be in training and in validation.
 */
static dbt_status check_split(const ingestion *in, dbt_error *err)
{
    dbt__statement *select = NULL;
    if (in->options->split == NULL) return DBT_OK;
    dbt_status status = dbt__prepare(
        in->sql,
        "SELECT checked_json(origin) ->> 'parent' FROM split WHERE name = ? AND origin IS NOT NULL",
        &select, err);
    if (status < 0) return status;
    dbt__bind_string(select, 1, in->options->split);
    status = dbt__step(select, err);
    if (status == DBT_OK) {
        dbt_text parent = dbt__column_text(select, 0);
        status = dbt__fail(
            err, DBT_EUSAGE,
            "split '%s' was cut from '%.*s' by fit, and cannot be added to: give that one, or "
            "a split of another name",
            in->options->split, (int)parent.bytes, parent.data == NULL ? "" : parent.data);
    }
    dbt__finalize(select);
    return status < 0 ? status : DBT_OK;
}

static dbt_status make_reader(ingestion *in, dbt__class_names *classes, dbt_error *err)
{
    const dbt_ingest_options *from = in->options;
    dbt__reader_options options;
    dbt__reader_options_init(&options);
    options.format = (dbt__format)from->format;
    options.header = from->header == DBT_HEADER_YES  ? DBT__HEADER_YES
                     : from->header == DBT_HEADER_NO ? DBT__HEADER_NO
                                                     : DBT__HEADER_DETECT;
    options.label_column = from->label_column;
    options.text_column = from->text_column;
    options.n_text_columns = from->n_text_columns;
    options.delimiter = from->delimiter;
    options.unescape = from->unescape;
    options.encoding = from->encoding;
    options.max_document = from->max_document;
    if (from->classes != NULL && !dbt__is_no_classes(from->classes)) {
        dbt_status status = dbt__class_names_read(from->classes, classes, err);
        if (status < 0) return status;
        options.classes = classes;
        options.classes_name = from->classes;
    }
    return dbt__reader_new(&options, &in->reader, err);
}

/* After a failure: keeps or takes out what was committed. The error is already recorded. */
static void settle(ingestion *in, dbt_status status)
{
    dbt__sql *sql = in->sql;
    switch (status) {
    case DBT_EINTERRUPTED:
        if (dbt__writer_commit(in->writer, NULL) < 0) dbt__sql_rollback(sql);
        break;
    case DBT_EIO:
    case DBT_ENOMEM:
    case DBT_ELOCKED:
        dbt__sql_rollback(sql);
        break;
    default:
        /* Should this fail, the sources are 'refused' or 'loading' and the next writer finishes it.
         */
        if (dbt__writer_refuse(in->writer, NULL) < 0) dbt__sql_rollback(sql);
        dbt__writer_free(in->writer);
        in->writer = NULL;
        if (dbt__ingest_clean(sql, NULL) < 0) dbt__sql_rollback(sql);
        in->result->documents = in->result->sources = in->result->duplicates = 0;
        in->result->resumed = 0;
        in->result->formats = 0;
        break;
    }
}

dbt_status dbt_ingest(dbt_store *store, const char *const *paths, size_t n_paths,
                      const dbt_ingest_options *options, dbt_ingest_result *result, dbt_error *err)
{
    dbt__class_names classes = {0};
    ingestion in = {.options = options, .result = result, .sql = dbt__store_sql(store)};
    dbt__buffer_init(&in.name, DBT__SOURCE_NAME_BYTES);
    dbt__patience patience = {
        .note = options->said, .stop = options->stop, .context = options->context};
    *result = (dbt_ingest_result){0};
    dbt_status status = check_options(options, paths, n_paths, err);
    dbt__store_be_patient(store, &patience);
    if (status == DBT_OK) status = check_split(&in, err);
    if (status == DBT_OK) status = make_reader(&in, &classes, err);
    if (status == DBT_OK) status = dbt__ingest_clean(in.sql, err); /* what a killed one left */
    if (status == DBT_OK) status = dbt__writer_new(in.sql, options->dedup, &in.writer, err);
    for (size_t i = 0; i < n_paths && status == DBT_OK; i++)
        status = ingest_path(&in, paths[i], err);
    if (status < 0 && in.writer != NULL) settle(&in, status);
    if (in.reader != NULL) {
        result->replaced_utf8 = dbt__reader_replaced_utf8(in.reader) - in.known_utf8;
        result->replaced_nul = dbt__reader_replaced_nul(in.reader) - in.known_nul;
    }
    dbt__twins_free(in.twins);
    dbt__file_twins_free(in.file_twins);
    dbt__writer_free(in.writer);
    dbt__reader_free(in.reader);
    dbt__catalog_close(in.catalog);
    dbt__buffer_release(&in.name);
    dbt__buffer_release(&in.first_label);
    dbt__class_names_release(&classes);
    dbt__sql_set_wait(in.sql, NULL, NULL);
    return status;
}
