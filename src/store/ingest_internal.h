/*
 * ingest_internal.h: the parts of ingest that know SQL: writing rows, finding rows of an earlier
 * ingest again, taking rows out.
 *
 * The writer holds the statements and one transaction at a time. Between two commits the counts of
 * source and split are in memory; a commit writes them with the rows they count, so that every
 * committed state is whole.
 */
#ifndef DBT_INGEST_INTERNAL_H
#define DBT_INGEST_INTERNAL_H

#include <dbtrain/ingest.h>

#include "base.h"
#include "reader.h"
#include "sql.h"

typedef struct dbt__writer dbt__writer;

/* The source that is being written. */
typedef struct dbt__written {
    int64_t id; /* 0: none */
    int64_t documents;
    int64_t rejected;
    int64_t duplicates;
    int64_t first_document_id;
    int64_t last_document_id;
    int64_t taken_out; /* documents of an earlier ingest that were not what is read now */
} dbt__written;

/* As much of an unfinished source as is stored and was read again. */
typedef struct dbt__kept {
    int64_t source_id;
    int64_t documents, last_document_id;
    int64_t rejected, last_reject_id;
} dbt__kept;

dbt_status dbt__writer_new(dbt__sql *sql, bool dedup, dbt__writer **writer,
                           dbt_error *err) DBT_MUST_USE;
/* Takes NULL. What is not committed is rolled back. */
void dbt__writer_free(dbt__writer *writer);
/* Whether there is a source of that name, in whatever state. */
dbt_status dbt__writer_has_source(dbt__writer *writer, const char *name, bool *has,
                                  dbt_error *err) DBT_MUST_USE;
/*
 * Finds a loaded source of that name, split and size: *documents is -1 when there is none. `bytes`
 * -1: any size will do; `digest` NULL: any digest, to know whether reading the file for its digest
 * is worth while. `gone` NULL, or (with size and digest) how many of its documents are no longer in
 * the split; of several sources, those of the one that has lost the fewest.
 */
dbt_status dbt__writer_find_source(dbt__writer *writer, const char *name, const char *split,
                                   int64_t bytes, const char *digest, int64_t *documents,
                                   int64_t *gone, dbt_error *err) DBT_MUST_USE;
/* Begins a source ('loading') that goes to a split, which is made when it is not there. */
dbt_status dbt__writer_begin_source(dbt__writer *writer, const char *name, const char *format,
                                    const char *split, dbt_error *err) DBT_MUST_USE;
/*
 * Goes on with the source that an ingest left 'loading', when it has that name, format and split:
 * as long as the records given are those that are stored, they are only counted. At the first that
 * is not, what is stored from there on is taken out, in transactions of its own. Outside of a
 * transaction, before any other source.
 */
dbt_status dbt__writer_resume_source(dbt__writer *writer, const char *name, const char *format,
                                     const char *split, bool *resumed, dbt_error *err) DBT_MUST_USE;
/* Writes a record: a document, or a row of `reject`; or neither, when it is a duplicate. */
dbt_status dbt__writer_add(dbt__writer *writer, const dbt__record *record,
                           dbt_error *err) DBT_MUST_USE;
/* The source is complete ('loaded'); *written: what it has in the end. */
dbt_status dbt__writer_end_source(dbt__writer *writer, int64_t bytes, const char *digest,
                                  dbt__written *written, dbt_error *err) DBT_MUST_USE;
const dbt__written *dbt__writer_source(const dbt__writer *writer);
/* How many labels the documents of the current source have, if more than every second one has a
 * label of its own; else 0. */
dbt_status dbt__writer_count_labels(dbt__writer *writer, int64_t *n, dbt_error *err) DBT_MUST_USE;
/* Enough has been written since the last commit. */
bool dbt__writer_is_full(const dbt__writer *writer);
dbt_status dbt__writer_commit(dbt__writer *writer, dbt_error *err) DBT_MUST_USE;
/* Marks all sources that this writer began as 'refused' and commits. */
dbt_status dbt__writer_refuse(dbt__writer *writer, dbt_error *err) DBT_MUST_USE;

/* --- labels in memory --- */

typedef struct dbt__labels dbt__labels;

dbt_status dbt__labels_new(dbt__sql *sql, dbt__labels **labels, dbt_error *err) DBT_MUST_USE;
/* Takes NULL. */
void dbt__labels_free(dbt__labels *labels);
/* The id of a label, which is made when it is new; `name` is not empty. */
dbt_status dbt__labels_get(dbt__labels *labels, dbt_text name, int64_t *id,
                           dbt_error *err) DBT_MUST_USE;
/* From now on those that are asked for are counted, until this is called again. */
void dbt__labels_count_anew(dbt__labels *labels);
/* More than every second one that was asked for was another. May be true where it is not, when
 * there are more than are kept in memory. */
bool dbt__labels_are_many(const dbt__labels *labels);
/* The file's labels may be others now: they are asked of it again. */
void dbt__labels_forget(dbt__labels *labels);

/* --- documents that wait to be stored --- */

typedef struct dbt__pending dbt__pending;

dbt_status dbt__pending_new(dbt__sql *sql, dbt__pending **pending, dbt_error *err) DBT_MUST_USE;
/* Takes NULL. */
void dbt__pending_free(dbt__pending *pending);
size_t dbt__pending_documents(const dbt__pending *pending);
/* To be called when a transaction begins: another program may have added documents, or what was
 * stored was taken back. */
void dbt__pending_forget_ids(dbt__pending *pending);
/* For one more document with so long a text. */
bool dbt__pending_has_room(const dbt__pending *pending, size_t bytes);
/*
 * Needs room, or that no document is pending. The text is copied; one that is too long for that, so
 * that there is no room afterwards, must stay until it is stored. label_id 0: unlabelled.
 */
void dbt__pending_add(dbt__pending *pending, int64_t label_id, int64_t line, dbt_text text);
/*
 * Stores all, at least one, in the transaction that is open: in a split from a position on, under
 * ids from *first_id on. None is pending afterwards, not after a failure either; of several
 * documents some may be stored then.
 */
dbt_status dbt__pending_store(dbt__pending *pending, int64_t source_id, int64_t split_id,
                              int64_t position, int64_t *first_id, dbt_error *err) DBT_MUST_USE;

/* --- documents that splits hold, for finding duplicates --- */

typedef struct dbt__seen dbt__seen;

dbt_status dbt__seen_new(dbt__sql *sql, dbt__seen **seen, dbt_error *err) DBT_MUST_USE;
/* Takes NULL. No transaction may be open. */
void dbt__seen_free(dbt__seen *seen);
int64_t dbt__seen_hash(int64_t label_id, dbt_text text);
/* `hash` is that of the document's label and text. */
dbt_status dbt__seen_add(dbt__seen *seen, int64_t split_id, int64_t hash, int64_t document_id,
                         dbt_error *err) DBT_MUST_USE;
/* Adds what a split holds already, but for the documents of a source that goes on: of those only
 * what is read again counts. */
dbt_status dbt__seen_add_split(dbt__seen *seen, int64_t split_id, int64_t source_id,
                               dbt_error *err) DBT_MUST_USE;
/* Does the split hold this text with this label? */
dbt_status dbt__seen_find(dbt__seen *seen, int64_t split_id, int64_t hash, int64_t label_id,
                          dbt_text text, bool *found, dbt_error *err) DBT_MUST_USE;

/* --- sources of the same content (ingest_twins.c) --- */

typedef struct dbt__twins dbt__twins;

dbt_status dbt__twins_new(dbt__sql *sql, dbt__twins **twins, dbt_error *err) DBT_MUST_USE;
/* Takes NULL. */
void dbt__twins_free(dbt__twins *twins);
/* Of the name of a source or split. */
#define DBT__SOURCE_NAME_BYTES ((size_t)256 * 1024)
/* A source; the texts, which end in a NUL, are those of the last one that was found. The buffers
 * are the caller's. */
typedef struct dbt__twin {
    bool found, same_split;
    dbt__buffer name, split;
} dbt__twin;

/* The first loaded source of that content and split, whatever its name; else one of another split.
 * Where there is none in that split, `name` will be the first from now on. */
dbt_status dbt__twins_find(dbt__twins *twins, const char *digest, int64_t bytes, const char *split,
                           const char *name, dbt__twin *twin, dbt_error *err) DBT_MUST_USE;

/* Of files that are a document each: those that were loaded before the last update. */
typedef struct dbt__file_twins dbt__file_twins;

dbt_status dbt__file_twins_new(dbt__sql *sql, dbt__file_twins **twins, dbt_error *err) DBT_MUST_USE;
/* Takes NULL. */
void dbt__file_twins_free(dbt__file_twins *twins);
dbt_status dbt__file_twins_update(dbt__file_twins *twins, dbt_error *err) DBT_MUST_USE;
/* Is there one of that content, and has the first of them this name? (Then it is in another
 * split.) */
dbt_status dbt__file_twins_find(dbt__file_twins *twins, const char *digest, int64_t bytes,
                                const char *name, bool *found, bool *same_name,
                                dbt_error *err) DBT_MUST_USE;

/* --- what an earlier ingest has stored of a source --- */

typedef struct dbt__replay dbt__replay;

dbt_status dbt__replay_new(dbt__sql *sql, const dbt__written *stored, dbt__replay **replay,
                           dbt_error *err) DBT_MUST_USE;
/* Takes NULL. */
void dbt__replay_free(dbt__replay *replay);
/* Is the record the next one that is stored? Then it is kept. */
dbt_status dbt__replay_match(dbt__replay *replay, const dbt__record *record, bool *same,
                             dbt_error *err) DBT_MUST_USE;
/* All that was stored is kept. */
bool dbt__replay_is_over(const dbt__replay *replay);
const dbt__kept *dbt__replay_kept(const dbt__replay *replay);

/* --- taking out; not inside a transaction --- */

/* Takes out the documents of sources that are 'refused'; their rows in `source` and `reject` stay.
 */
dbt_status dbt__ingest_clean(dbt__sql *sql, dbt_error *err) DBT_MUST_USE;
typedef struct dbt__abandoned {
    int64_t sources;
    int64_t documents;
    char name[256]; /* of one source, cut off where it is longer */
} dbt__abandoned;

/* The same for sources that were left 'loading', which become 'refused'. */
dbt_status dbt__ingest_abandon(dbt__sql *sql, dbt__abandoned *abandoned,
                               dbt_error *err) DBT_MUST_USE;
/* Takes out what is stored of a source behind what is kept, up to a document; it stays 'loading'.
 * Killed on the way, it leaves a shorter source. */
dbt_status dbt__ingest_cut(dbt__sql *sql, const dbt__kept *kept, int64_t last_document_id,
                           dbt_error *err) DBT_MUST_USE;

#endif
