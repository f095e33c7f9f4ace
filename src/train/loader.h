/*
 * loader.h: batches in order, made ahead of time.
 *
 * While the network works on one batch, the other threads page and vectorize the next ones into a
 * ring of `depth` slots, and the training thread, when the batch it needs is not ready, makes one
 * itself: so one thread and many give the same batches in the same order, and no thread idles while
 * there is work. Batches are numbered through all passes over the split: number s is page s % pages
 * of pass s / pages + 1, whose order is that of (seed, pass). The endless cursor of DESIGN, in
 * short.
 */
#ifndef DBT_LOADER_H
#define DBT_LOADER_H

#include <dbtrain/batch.h>
#include <dbtrain/page.h>

#include "base.h"
#include "feed.h"

typedef struct dbt__loader dbt__loader;

/* Batches first .. end - 1 of a feed that is used by nobody else; n_threads counts the caller's.
 * DBT_ENOMEM. */
dbt_status dbt__loader_new(const dbt__feed *feed, size_t n_threads, int64_t first, int64_t end,
                           dbt__loader **loader, dbt_error *err) DBT_MUST_USE;
/* Ends the threads. Takes NULL. */
void dbt__loader_free(dbt__loader *loader);
/* The next batch with its page, valid until the next call. DBT_DONE after the last one; else what
 * cursor and vectorizer return, for the first batch that failed, again and again. */
dbt_status dbt__loader_next(dbt__loader *loader, const dbt_page **page, const dbt_batch **batch,
                            dbt_error *err) DBT_MUST_USE;

#endif
