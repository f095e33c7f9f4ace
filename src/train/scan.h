/*
 * scan.h: one pass of a trained network over the pages of a cursor, in parallel.
 *
 * Pages are worked on in rounds: each page of a round is a task of the pool, then the calling
 * thread goes over the round's pages in order. So sums have one order, whatever the threads.
 */
#ifndef DBT_SCAN_H
#define DBT_SCAN_H

#include <dbtrain/network.h>
#include <dbtrain/pool.h>
#include <dbtrain/train.h>

#include "base.h"
#include "feed.h"
#include "labels.h"

/* Rows of a page, if there is no reason for fewer (page_rows.h): more gain nothing, and take
 * memory. */
#define DBT__SCAN_ROWS 256

/* What is known of a page after it went through the network. */
typedef struct dbt__scanned {
    int64_t page; /* its number */
    size_t n_rows;
    int64_t *document_id; /* [n_rows] */
    int64_t *label_id;    /* [n_rows]; 0: none */
    uint64_t *text_hash;  /* [n_rows]; of vectorized rows that were kept: of no text */
    int32_t *actual;      /* [n_rows] output of the label, DBT_NO_LABEL, DBT_UNKNOWN_LABEL */
    int32_t *predicted;   /* [n_rows] */
    float *probability;   /* [n_rows], of the predicted output */
    dbt_metrics metrics;  /* of the rows with a label */
} dbt__scanned;

typedef dbt_status (*dbt__scan_visit)(void *context, const dbt__scanned *scanned, dbt_error *err);

typedef struct dbt__scanner dbt__scanner;

/* The network may change between scans, not during one. All must outlive the scanner, which uses
 * the feed alone. */
dbt_status dbt__scanner_new(const dbt__feed *feed, const dbt_network *network,
                            const dbt__label_map *labels, dbt_pool *pool, dbt__scanner **scanner,
                            dbt_error *err) DBT_MUST_USE;
/* Takes NULL. */
void dbt__scanner_free(dbt__scanner *scanner);
/* Pages 0 .. n_pages - 1 of the cursor's epoch. `visit` may be NULL; so may the observer, whose
 * stop is asked once a round. *metrics are sums. */
dbt_status dbt__scan(dbt__scanner *scanner, int64_t n_pages, dbt__scan_visit visit, void *context,
                     const dbt_observer *observer, dbt_metrics *metrics,
                     dbt_error *err) DBT_MUST_USE;

#endif
