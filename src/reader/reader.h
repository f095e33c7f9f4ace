/*
 * reader.h: labelled text out of files, folders, archives and streams, record by record.
 *
 * Three objects, each made for the next:
 *
 *   catalog  what a path holds: one file, or the parts of a folder or archive that are to be read,
 * each with its split and, in a folder of class folders, its label; stream   the bytes of one part,
 * decompressed; reader   the records of a stream. One reader serves any number of streams, one
 * after another.
 *
 *     dbt__catalog_open(path, format, true, stop, &catalog, err);
 *     while ((status = dbt__catalog_next(catalog, &part, err)) == DBT_OK) {
 *         dbt__catalog_stream(catalog, &stream, err);
 *         dbt__reader_start(reader, stream, part, err);
 *         while ((status = dbt__reader_next(reader, &record, err)) == DBT_OK)
 *             use(record);
 *     }
 *
 * Memory does not depend on how much there is to read: the reader holds a chunk and one record,
 * which max_document bounds; the catalog holds the folders' names and the file names of one folder.
 *
 * Everything that is wrong with a path or its content is DBT_EDATA; DBT_EUSAGE is what the caller
 * asked for and the data does not have (a column, an encoding). Messages begin with the part's
 * name.
 */
#ifndef DBT_READER_H
#define DBT_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <dbtrain/page.h>
#include <dbtrain/status.h>

/* What is done while an input is read; either may be NULL. */
typedef struct dbt__waiting {
    bool (*stop)(void *context); /* before each read and now and then in a wait: whether to stop */
    void (*idle)(void *context); /* once before each long wait for a pipe or a terminal, for what
                                  * must not be held so long */
    void *context;
} dbt__waiting;

/* In the order of ingest.h's dbt_format. */
typedef enum dbt__format {
    DBT__DETECT,
    DBT__CSV,
    DBT__TSV,
    DBT__JSONL,
    DBT__FOLDER,
    DBT__FASTTEXT
} dbt__format;

typedef enum dbt__header { DBT__HEADER_DETECT, DBT__HEADER_YES, DBT__HEADER_NO } dbt__header;

const char *dbt__format_name(dbt__format format);

/* --- names of classes: what the labels 1..n stand for --- */

typedef struct dbt__class_names {
    size_t n;
    char **name;          /* [n]; valid UTF-8 */
    char *const **sorted; /* [n]; into name, in the order of strcmp */
} dbt__class_names;

/* One name a line; blank lines at the end do not count. DBT_EDATA when there is none, or one is
 * empty or there twice. */
dbt_status dbt__class_names_parse(const char *data, size_t bytes, const char *where,
                                  dbt__class_names *classes, dbt_error *err) DBT_MUST_USE;
dbt_status dbt__class_names_read(const char *path, dbt__class_names *classes,
                                 dbt_error *err) DBT_MUST_USE;
void dbt__class_names_release(dbt__class_names *classes);
/* The name that the label, a number 1..n or itself one of the names, stands for; NULL: none. Digits
 * are always a number: of names that are numbers, rows that are labelled with them would else come
 * under one another's. */
const char *dbt__class_names_find(const dbt__class_names *classes, dbt_text label);
/* Whether what was given as the file of them is "none": no class has a name. */
bool dbt__is_no_classes(const char *classes);

/* --- catalog --- */

typedef struct dbt__catalog dbt__catalog;
typedef struct dbt__stream dbt__stream;

typedef struct dbt__part {
    const char *name;  /* the path as given, for a part of it '/' and the part's own path */
    const char *split; /* from the names, 'train' when they say nothing */
    const char *label; /* of a document in a class folder; NULL: unlabelled, or no document */
    bool is_document;  /* the whole file is one document */
    int64_t bytes;     /* of the file, or of the archive's entry, unpacked; -1: not known yet,
                        * or of what comes through a pipe */
    const char *classes_name; /* NULL, or the classes.txt beside it */
    const dbt__class_names *classes;
} dbt__part;

/* `path` "-" is stdin. The layout is known when this returns; nothing is read of the content but
 * the archive's headers. own_classes: a classes.txt beside rows names their labels, and is else not
 * read. DBT_EDATA (missing, unreadable, nothing in it that can be read),
 * DBT_ENOMEM. */
dbt_status dbt__catalog_open(const char *path, dbt__format format, bool own_classes,
                             dbt__waiting waiting, dbt__catalog **catalog,
                             dbt_error *err) DBT_MUST_USE;
/* Takes NULL. Ends its streams. */
void dbt__catalog_close(dbt__catalog *catalog);
/* What was found, in one line, NULL for a single file; valid as long as the catalog. `split`
 * is the caller's choice, NULL for the detected ones; labelled: documents get the names of their
 * class folders. */
const char *dbt__catalog_said(dbt__catalog *catalog, const char *split, bool labelled);
/* The next part; it and its stream are valid until the next call. DBT_OK, DBT_DONE, DBT_EDATA,
 * DBT_ENOMEM. */
dbt_status dbt__catalog_next(dbt__catalog *catalog, const dbt__part **part,
                             dbt_error *err) DBT_MUST_USE;
/* The content of the current part. The stream is the catalog's. */
dbt_status dbt__catalog_stream(dbt__catalog *catalog, dbt__stream **stream,
                               dbt_error *err) DBT_MUST_USE;
/* The digest that the current part will have when it has been read, by reading it now; *known is
 * false, and nothing read, where that cannot be done twice (stdin). */
dbt_status dbt__catalog_digest(dbt__catalog *catalog, uint64_t *digest, bool *known,
                               dbt_error *err) DBT_MUST_USE;
/* Bytes read so far, as they are stored (compressed). */
int64_t dbt__catalog_bytes_read(const dbt__catalog *catalog);

/* After the last record: how long the part was and XXH3 of it; of a compressed file as stored, of
 * an archive's entry as unpacked. *changed: the file is not as long as when it was opened. */
dbt_status dbt__stream_finish(dbt__stream *stream, int64_t *bytes, uint64_t *digest, bool *changed,
                              dbt_error *err) DBT_MUST_USE;

/* The split that a base name says, as the literal in the list, or NULL: the name without the
 * extensions of formats and compression, and without a shard's "-00000-of-00004", is, or ends in
 * one of "-_." and, train, test, valid, validation, val or dev. */
const char *dbt__split_of_name(const char *name, size_t bytes);

/* --- reader --- */

typedef struct dbt__reader_options {
    dbt__format format;              /* DBT__DETECT */
    dbt__header header;              /* DBT__HEADER_DETECT */
    const char *label_column;        /* NULL: detected; "none"; a name or a number from 1 */
    const char *const *text_column;  /* [n_text_columns]; names or numbers */
    size_t n_text_columns;           /* 0: detected */
    char delimiter;                  /* 0: by the format */
    bool unescape;                   /* literal \n, \" and \\ in csv and tsv texts */
    const char *encoding;            /* NULL: UTF-8 */
    const dbt__class_names *classes; /* NULL: none, or the part's */
    const char *classes_name;        /* for messages */
    size_t max_document;             /* 16 MiB; bytes of a record as it is in the file */
    size_t chunk;                    /* 256 KiB; bytes read at a time */
    size_t sample;                   /* 64 KiB; bytes that detection looks at */
} dbt__reader_options;

/* Whether what was given as label_column is "none": no document has a label. */
bool dbt__is_no_label(const char *label_column);

#define DBT__RAW_BYTES 1000
/* Bytes of a text, at most, once what is no UTF-8 in it is replaced: a byte becomes three. */
#define DBT__TEXT_BYTES ((size_t)64 << 20)
/* Bytes of a label, at most. A longer one is a text in the wrong column. */
#define DBT__LABEL_BYTES ((size_t)64 << 10)

/* A document, or a row that is refused. Everything in it is valid until the next call. */
typedef struct dbt__record {
    int64_t line;       /* where it begins; of an unclosed quote, where that opened */
    const char *reason; /* NULL: a document; else why it is refused, in UTF-8, and */
    dbt_text raw;       /* its first DBT__RAW_BYTES bytes as they are in the stream */
    bool labelled;
    dbt_text label; /* valid UTF-8, not empty */
    dbt_text text;  /* valid UTF-8 without NUL */
} dbt__record;

typedef struct dbt__reader dbt__reader;

void dbt__reader_options_init(dbt__reader_options *options);
/* The strings of `options` must outlive the reader. DBT_EUSAGE (unknown encoding), DBT_ENOMEM. */
dbt_status dbt__reader_new(const dbt__reader_options *options, dbt__reader **reader,
                           dbt_error *err) DBT_MUST_USE;
/* Takes NULL. */
void dbt__reader_free(dbt__reader *reader);
/*
 * Begins with a part: reads its beginning, detects what the options leave open. DBT_EDATA (binary,
 * UTF-16, no column that holds labels or text), DBT_EUSAGE (no such column), DBT_ENOMEM.
 */
dbt_status dbt__reader_start(dbt__reader *reader, dbt__stream *stream, const dbt__part *part,
                             dbt_error *err) DBT_MUST_USE;
/* DBT_OK: a record or a refused row; DBT_DONE, again and again; DBT_EDATA: the stream is damaged.
 */
dbt_status dbt__reader_next(dbt__reader *reader, const dbt__record **record,
                            dbt_error *err) DBT_MUST_USE;
/* What was detected: "csv, no header, label = column 1, text = column 2"; valid until the next
 * start. */
const char *dbt__reader_said(const dbt__reader *reader);
dbt__format dbt__reader_format(const dbt__reader *reader);
/* The column that the label is in, as it is said there; "" where there is none. */
const char *dbt__reader_label_column(const dbt__reader *reader);
/* Of rows whose first was looked at, and has no name that a header would have. */
bool dbt__reader_takes_no_header(const dbt__reader *reader);
/* Replaced in the records of all parts so far. */
int64_t dbt__reader_replaced_utf8(const dbt__reader *reader);
int64_t dbt__reader_replaced_nul(const dbt__reader *reader);

#endif
