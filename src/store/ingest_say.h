/*
 * ingest_say.h: what ingest says beside its result, a line each.
 *
 * `to`: the options, whose `said` takes the lines; where that is NULL nothing is said. `name` is
 * the source's, or the path's. What is named say_ says what the caller has found; what is named
 * tell_ looks itself whether there is something to say.
 */
#ifndef DBT_INGEST_SAY_H
#define DBT_INGEST_SAY_H

#include "ingest_internal.h"

/* What was found of the files of one path. */
typedef struct dbt__path_counts {
    int64_t known_parts; /* that are there already */
    int64_t known_documents;
    int64_t gone_documents; /* of these, that are not in their split any more */
    int64_t changed_parts;  /* that are there already with another content */
    int64_t new_files;      /* that are a document each, and came in: */
    int64_t twin_files;     /* of the content of others that were there before it, */
    int64_t moved_files;    /* of the same name, that is, in another split */
} dbt__path_counts;

void dbt__say(const dbt_ingest_options *to, const char *format, ...) DBT_PRINTF(2, 3);

/* A source that is there already, of whose documents so many are gone from the split since; `split`
 * NULL: files of several splits. */
void dbt__say_known(const dbt_ingest_options *to, const char *name, int64_t documents, int64_t gone,
                    const char *split);
/* A source of that name is there with another content. */
void dbt__say_namesake(const dbt_ingest_options *to, const char *name, int64_t documents);
void dbt__say_resumed(const dbt_ingest_options *to, const char *name, int64_t documents);
void dbt__say_abandoned(const dbt_ingest_options *to, const dbt__abandoned *gone);
/* Of a source that went on: documents that were not what is read now. */
void dbt__say_taken_out(const dbt_ingest_options *to, const char *name, int64_t documents);

/* Of the writer's source, whose rows are all read: whether none was accepted, most labels differ,
 * or the first row may be a header. `first_label` is that row's, if no other has it; else empty. */
dbt_status dbt__tell_rows(const dbt_ingest_options *to, const char *name, dbt__writer *writer,
                          const char *label_column, dbt_text first_label,
                          dbt_error *err) DBT_MUST_USE;
/* Whether the same content is there already, in this split or in another. */
dbt_status dbt__tell_twin(const dbt_ingest_options *to, const char *name, const char *split,
                          dbt__twins *twins, const char *digest, int64_t bytes,
                          dbt_error *err) DBT_MUST_USE;
/* Of a path whose files are a document each; `some_new`: of them, some came in. */
void dbt__tell_files(const dbt_ingest_options *to, const char *name, const dbt__path_counts *path,
                     bool some_new);

/* The error of an ingest that was asked to stop within `source`. */
dbt_status dbt__fail_interrupted(const char *name, const dbt__written *source,
                                 dbt_error *err) DBT_MUST_USE;

#endif
