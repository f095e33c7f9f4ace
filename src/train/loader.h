/*
 * loader.h: batches in order, made ahead of time.
 *
 * While the network works on one batch, the other threads page and vectorize the next ones into a
 * ring of `depth` slots, and the training thread, when the batch it needs is not ready, makes one
 * itself: so one thread and many give the same batches in the same order, and no thread idles while
 * there is work. Batches are numbered through all passes over the split: number s is page s % pages
 * of pass s / pages + 1, whose order is that of (seed, pass). It is the guide's generator, which
 * yields for ever.
 *
 * The same threads may prepare the steps: do what these make of their batches without the weights.
 */
#ifndef DBT_LOADER_H
#define DBT_LOADER_H

#include <dbtrain/network.h>

#include "base.h"
#include "feed.h"

typedef struct dbt__loader dbt__loader;

typedef struct dbt__loader_options {
    dbt__feed feed;             /* used by nobody else */
    const dbt_network *network; /* whose steps are prepared; NULL: none are */
    int64_t steps;              /* of an epoch, where they are */
    double batch_entries;       /* on the average; 0: not known */
    size_t n_threads;           /* the caller's too */
    int64_t first, end;         /* batches first .. end - 1 */
} dbt__loader_options;

typedef struct dbt__loaded {
    const dbt_page *page;
    const dbt_batch *batch;
    const dbt_prepared *prepared; /* NULL: it is not */
} dbt__loaded;

/* Whether steps are better prepared ahead than shared out: what of a step waits for other threads,
 * where these have little to do. `batch_entries` as above, 0: not known. */
bool dbt__loader_prepares(double batch_entries, size_t units);
/* Slots of a ring; rows_ahead as in a feed; prepared_entries: batch_entries, or 0 where steps are
 * not prepared. */
size_t dbt__loader_slots(size_t n_threads, size_t batch_size, size_t rows_ahead,
                         double prepared_entries);

/* DBT_ENOMEM. */
dbt_status dbt__loader_new(const dbt__loader_options *options, dbt__loader **loader,
                           dbt_error *err) DBT_MUST_USE;
/* Ends the threads. Takes NULL. */
void dbt__loader_free(dbt__loader *loader);
/* The next batch with its page, valid until the next call. DBT_DONE after the last one; else what
 * cursor and vectorizer return, for the first batch that failed, again and again. */
dbt_status dbt__loader_next(dbt__loader *loader, dbt__loaded *loaded, dbt_error *err) DBT_MUST_USE;

#endif
