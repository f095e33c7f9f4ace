/* store_internal.h: what the modules above the store get of it besides the public header. */
#ifndef DBT_STORE_INTERNAL_H
#define DBT_STORE_INTERNAL_H

#include <dbtrain/store.h>

#include "sql.h"

/* The store's connection; it stays the store's. */
dbt__sql *dbt__store_sql(dbt_store *store);
/* Some process has the file open for writing; what is 'running' or 'loading' otherwise was killed.
 */
bool dbt__store_has_writer(const dbt_store *store);
/* Who is told of a long wait, and asked whether to go on with it; either may be NULL. */
typedef struct dbt__patience {
    void (*note)(void *context, const char *line);
    bool (*stop)(void *context);
    void *context;
    const char *path;
    bool told;
    bool in_vain; /* it has waited once: what closes a run then does not so again */
} dbt__patience;

/* From now on another program's transaction is waited for for a minute, for five seconds when
 * somebody wants to stop, until dbt__sql_set_wait(sql, NULL, NULL) or a checkpoint. *patience must
 * live so long. */
void dbt__store_be_patient(dbt_store *store, dbt__patience *patience);
/* A second, read-only connection to the same file, to be closed with dbt__sql_close. */
dbt_status dbt__store_reader(dbt_store *store, dbt__sql **sql, dbt_error *err) DBT_MUST_USE;
/* The name of a system of files that other machines use too, or of a program: SQLite's locks and
 * the shared index of its log may not reach all who use the file. NULL: none of these. */
const char *dbt__shared_system(const char *path);
/* How many documents of split `a` are in split `b` too. */
dbt_status dbt__split_shared(dbt__sql *sql, int64_t a, int64_t b, int64_t *documents,
                             dbt_error *err) DBT_MUST_USE;
/* After a dbt_store_hold_out that did not reuse the parts, and before what comes below: whether
 * evaluations or predictions of them are gone by it. */
dbt_status dbt__hold_out_took(dbt_store *store, bool *outcomes, dbt_error *err) DBT_MUST_USE;
/* After a dbt_store_hold_out that did not reuse the parts, one of these: the parts stay as they are
 * now; or they become what they were before it, with what was evaluated and predicted of them, and
 * those that were not there are gone. */
dbt_status dbt__hold_out_keep(dbt_store *store, dbt_error *err) DBT_MUST_USE;
dbt_status dbt__hold_out_undo(dbt_store *store, dbt_error *err) DBT_MUST_USE;
/* document.checksum: of XXH3 of the text, seeded with that of the others, the lower 32 bits as a
 * signed number. label_id is 0 where there is none. */
int64_t dbt__document_checksum(int64_t id, int64_t label_id, double weight, dbt_text text);
/* The text of a row of `document`, as dbt__column_text; DBT_EFORMAT when there is none. */
dbt_status dbt__document_text(dbt__statement *row, int column, dbt_text *text,
                              dbt_error *err) DBT_MUST_USE;
/* DBT_EFORMAT when the name of a label or a split is not that of its index. */
dbt_status dbt__names_verify(dbt__sql *sql, dbt_error *err) DBT_MUST_USE;
/* As dbt_store_find_split; DBT_EFORMAT when the places of the split are not those of their index,
 * or more than it says. Takes 80 ns a place of the split, and 80 (of others 35) for each place in
 * the file. */
dbt_status dbt__split_find_verified(dbt_store *store, const char *name, dbt_split *split,
                                    dbt_error *err) DBT_MUST_USE;
/* Records that the document at `position` of a split is not there, and what to do; returns
 * DBT_EFORMAT. */
dbt_status dbt__split_lacks(const char *split, int64_t position, dbt_error *err);

#endif
