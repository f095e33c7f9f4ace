/* survey.h: what one scan of the documents of a split tells, before anything is made of them. */
#ifndef DBT_SURVEY_H
#define DBT_SURVEY_H

#include <dbtrain/pool.h>
#include <dbtrain/store.h>
#include <dbtrain/train.h>

#include "base.h"
#include "labels.h"
#include "page_digests.h"

typedef struct dbt__survey {
    uint64_t fingerprint;     /* over label, weight and text of each document, in order */
    uint64_t row_fingerprint; /* over these and the documents' ids */
    int64_t documents;
    int64_t unlabelled;
    int64_t text_bytes;
    size_t longest;          /* bytes of a text, at most, */
    size_t page;             /* and of neighbouring ones that are read as a page */
    int64_t bad_weight;      /* position of the first one that is negative or infinite; -1: none */
    bool has_weight;         /* one that is not 0 */
    dbt__label_map labels;   /* counted and finished */
    dbt__page_digests pages; /* as dbt__corpus reads them */
} dbt__survey;

/* Reads the first n_rows documents of a split once. The observer, which may be NULL, is asked
 * between pages whether to stop: DBT_EINTERRUPTED. Release it in any case. */
dbt_status dbt__survey_split(dbt_store *store, const char *split, int64_t n_rows, dbt_pool *pool,
                             const dbt_observer *observer, dbt__survey *survey,
                             dbt_error *err) DBT_MUST_USE;
/* One of zeros too. */
void dbt__survey_release(dbt__survey *survey);

#endif
