/*
 * ingest.h: labelled text from files, folders, archives and streams into a store.
 *
 * A source is read record by record in constant memory; each record becomes one document, or one
 * row in `reject` that says why not: rows in = documents + rejects. Rows are committed as they
 * come; a source that must be refused as a whole has its rows taken out again. What is detected
 * (format, header, split, columns) is told to `said` as one line a source.
 */
#ifndef DBTRAIN_INGEST_H
#define DBTRAIN_INGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <dbtrain/status.h>
#include <dbtrain/store.h>

#ifdef __cplusplus
extern "C" {
#endif

/* X(name, text) */
#define DBT_FORMAT_LIST(X)                                                                         \
    X(DBT_FORMAT_DETECT, "detect")                                                                 \
    X(DBT_FORMAT_CSV, "csv")                                                                       \
    X(DBT_FORMAT_TSV, "tsv")                                                                       \
    X(DBT_FORMAT_JSONL, "jsonl")                                                                   \
    X(DBT_FORMAT_FOLDER, "folder")                                                                 \
    X(DBT_FORMAT_FASTTEXT, "fasttext")

typedef enum dbt_format {
#define DBT_FORMAT_ENUM(name, text) name,
    DBT_FORMAT_LIST(DBT_FORMAT_ENUM)
#undef DBT_FORMAT_ENUM
} dbt_format;

typedef enum dbt_header { DBT_HEADER_DETECT, DBT_HEADER_YES, DBT_HEADER_NO } dbt_header;

/* Where a command stands. */
typedef struct dbt_ingest_progress {
    const char *source;
    int64_t documents; /* of all its sources so far, committed */
    int64_t rejected;
    int64_t bytes; /* of this source, read, as stored on disk (compressed) */
} dbt_ingest_progress;

typedef struct dbt_ingest_options {
    dbt_format format;              /* detected, and said */
    const char *split;              /* NULL: from the file's or folder's name, else 'train' */
    const char *label_column;       /* a name, a number from 1, or "none", which leaves out those of
                                       fastText's lines and class folders, too; NULL: the first, or
                                       where there is a header label, class, category, target,
                                       sentiment, stars or rating */
    const char *const *text_column; /* [n_text_columns]: names or numbers, joined with ", " */
    size_t n_text_columns;          /* 0: detected; of two columns the one beside the label */
    dbt_header header;              /* detected */
    char delimiter;                 /* 0: ',' for csv, tab for tsv */
    const char *classes;            /* file with the names of labels 1..n, one a line; a label that
                                       is a name, and no number, is left as it is; "none": there are
                                       none; NULL: a classes.txt in the folder or archive, if any */
    bool unescape;                  /* false; literal \n, \" and \\ in csv become what they mean */
    const char *encoding;           /* NULL: UTF-8; else a name that iconv knows */
    bool
        dedup; /* false; a text with the same label already in the same split is not stored again */
    int64_t max_rejects; /* 0; -1: all */
    size_t
        max_document; /* 16 MiB, at most 64 MiB; bytes of one record, with all that is in it
                         (other columns, quotes, a whole line of JSON); larger ones are rejects */
    bool again;       /* false; true: ingest a file that is there already once more */
    void (*said)(void *context, const char *line); /* may be NULL */
    void (*progress)(void *context,
                     const dbt_ingest_progress *progress); /* after commits; may be NULL */
    bool (*stop)(void *context); /* asked between records and reads; true ends with
                                    DBT_EINTERRUPTED; may be NULL */
    void *context;
} dbt_ingest_options;

typedef struct dbt_ingest_result {
    int64_t sources;    /* completed now */
    int64_t recognised; /* there already, left alone */
    int64_t documents;  /* of the sources completed now, */
    int64_t resumed;    /* of which so many are of an earlier ingest that did not end */
    int64_t rejected;
    int64_t duplicates;    /* left out by dedup */
    int64_t replaced_utf8; /* invalid UTF-8 sequences replaced by U+FFFD */
    int64_t replaced_nul;  /* NUL characters replaced by U+FFFD */
    unsigned formats;      /* of the sources completed now: 1u << dbt_format of each */
} dbt_ingest_result;

DBT_EXPORT void dbt_ingest_options_init(dbt_ingest_options *options);
DBT_EXPORT const char *dbt_format_name(dbt_format format);

/*
 * Ingests paths in their order ("-" is stdin). DBT_EUSAGE (an option out of range, no such column
 * or two, an unknown encoding), DBT_EDATA (missing, unreadable, binary, without rows, more than
 * max_rejects rows refused; err->line is the line of the record), DBT_EINTERRUPTED, and the
 * store's.
 *
 * On failure the rows of this command, those of sources that were complete too, are out again; the
 * sources that had a row stay in `source` with status 'refused', and in `reject` what was refused.
 * DBT_EINTERRUPTED, DBT_EIO, DBT_ENOMEM and DBT_ELOCKED keep what was committed: complete sources
 * are 'loaded' and will be recognised; the one that was being read stays 'loading', as it does when
 * the process is killed. When the first source that the next dbt_ingest has to read is this one, by
 * name, format and split, it is read from its beginning, but as long as its rows are those that are
 * stored they are left alone: the ingest goes on after the last committed row. From the first row
 * on that is another one (the file has changed, or an option) what is stored is taken out and
 * written anew, and that is said. When another source, that has a row, comes first, all of it is
 * taken out. So only one process may ingest into a file at a time.
 *
 * A file is recognised by name, split, size and XXH3 of its content (of a compressed file: as it is
 * stored; of a part of an archive: unpacked); what comes through a pipe only when it is an archive
 * of class folders. Else, and where the same content comes under another name, it comes in once
 * more, and that is said; what is compressed, or compressed anew, is other content. Documents of a
 * folder `unsup` or `unlabeled` go to the split of that name, whatever `split` says.
 */
DBT_EXPORT DBT_MUST_USE dbt_status dbt_ingest(dbt_store *store, const char *const *paths,
                                              size_t n_paths, const dbt_ingest_options *options,
                                              dbt_ingest_result *result, dbt_error *err);

#ifdef __cplusplus
}
#endif
#endif
