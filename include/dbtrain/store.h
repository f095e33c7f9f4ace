/*
 * store.h: the SQLite file that holds a corpus and everything that was made of it.
 *
 * dbt_store_open opens (and migrates) the file. Text comes in through ingest.h, is read in pages
 * through cursor.h, and is trained on through train.h. The tables are a contract
 * (schema/README.md): everything in them can be asked of the file with any SQLite client, also
 * while this one writes.
 *
 * A store belongs to one thread.
 */
#ifndef DBTRAIN_STORE_H
#define DBTRAIN_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <dbtrain/status.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct dbt_store dbt_store;

typedef enum dbt_store_mode {
    DBT_STORE_READ,  /* the file must exist; nothing is written, no migration */
    DBT_STORE_WRITE, /* the file must exist; migrated when it is of an older version */
    DBT_STORE_CREATE /* as WRITE, but a missing or empty file is made */
} dbt_store_mode;

/*
 * DBT_EFORMAT: the file is missing, not a dbtrain file, damaged, or of a newer version (the message
 * says which); DBT_ELOCKED (another process has it open for writing: one does at a time, and the
 * message names it), DBT_EIO, DBT_ENOMEM. A writer keeps a lock file, PATH-writer, until it closes.
 */
DBT_EXPORT DBT_MUST_USE dbt_status dbt_store_open(const char *path, dbt_store_mode mode,
                                                  dbt_store **store, dbt_error *err);
/* Whether the rights are there that a writer needs: to the file, and to its folder, where log and
 * lock are made. False when there is no file. */
DBT_EXPORT bool dbt_store_may_write(const char *path);
/*
 * Closes; takes NULL. Before it, a writer moves what the write-ahead log holds into the file; when
 * that fails, `err` says so, but nothing is lost: the log is kept and used by the next open. The
 * store is closed in any case.
 */
DBT_EXPORT dbt_status dbt_store_close(dbt_store *store, dbt_error *err);

/* As dbt_store_close; takes NULL. Then deletes a file that this store has made, into which no
 * source came, and which no other program has written to or has open. */
DBT_EXPORT dbt_status dbt_store_abandon(dbt_store *store, dbt_error *err);

typedef void (*dbt_caution)(void *context, const char *line);
/*
 * Calls `tell` with a line for each thing about the place of the file that whoever writes it should
 * know: on this file system locking is not reliable; it has more than one name.
 */
DBT_EXPORT void dbt_store_cautions(const dbt_store *store, dbt_caution tell, void *context);

DBT_EXPORT const char *dbt_store_path(const dbt_store *store);
/* False when the file was opened with DBT_STORE_READ. */
DBT_EXPORT bool dbt_store_writable(const dbt_store *store);

typedef struct dbt_split {
    int64_t id;
    int64_t documents;
} dbt_split;

/* Finds a split by name. DBT_EUSAGE when there is none: the message lists those that there are. */
DBT_EXPORT DBT_MUST_USE dbt_status dbt_store_find_split(dbt_store *store, const char *name,
                                                        dbt_split *split, dbt_error *err);

typedef struct dbt_hold_out_options {
    double fraction; /* 0.2; (0, 1) */
    uint64_t seed;   /* 123; any */
    /* NULL: nobody; asked after every few thousand rows, inside of the transaction, so that it must
     * leave the store alone; true ends the cut. */
    bool (*stop)(void *context);
    void *context;
} dbt_hold_out_options;

DBT_EXPORT void dbt_hold_out_options_init(dbt_hold_out_options *options);

/*
 * Cuts the split `name` into `name`/train and `name`/validation and stores both: a document is held
 * out when a hash of its text and the seed falls under the fraction, but the first
 * document of each label stays in training, and its copies with it. So copies of a text never
 * straddle the two, and documents that are added later move no other. Splits of those names that
 * were made of the same data with the same fraction and seed are reused (*reused); others are
 * replaced, under the same id, and evaluations and predictions of a part go unless its documents
 * are still there, each in its place. One transaction. DBT_EUSAGE, DBT_EDATA (one part would be
 * empty), DBT_EFORMAT (documents are missing), DBT_EINTERRUPTED, DBT_ELOCKED, DBT_EIO, DBT_ENOMEM:
 * then the file is as it was.
 */
DBT_EXPORT DBT_MUST_USE dbt_status dbt_store_hold_out(dbt_store *store, const char *name,
                                                      const dbt_hold_out_options *options,
                                                      dbt_split *train, dbt_split *validation,
                                                      bool *reused, dbt_error *err);

#ifdef __cplusplus
}
#endif
#endif
