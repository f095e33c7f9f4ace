/*
 * patience.c: how long a command that has much to lose waits for another program's transaction.
 *
 * Somebody looks on with a shell, begins to change something, and goes for coffee: hours of
 * training should not end after five seconds of that, nor without a word.
 */
#include "store_internal.h"

#include <stdio.h>

/* Seconds of waiting, and after which it is said, and ends where somebody wants to stop, or where
 * it was in vain before. */
#define LONGEST_WAIT 60.0
#define LONG_WAIT 5.0

static void tell(dbt__patience *patience)
{
    char line[DBT_ERROR_BYTES];
    patience->told = true;
    if (patience->note == NULL) return;
    (void)snprintf(line, sizeof line,
                   "another program has a transaction open in '%s': what is to be stored waits for "
                   "its end, for %.0f seconds",
                   patience->path, LONGEST_WAIT);
    patience->note(patience->context, line);
}

static bool wait(void *context, double seconds)
{
    dbt__patience *patience = context;
    if (seconds < LONG_WAIT)
        patience->told = false;
    else if (!patience->told && !patience->in_vain)
        tell(patience);
    bool stop = patience->stop != NULL && patience->stop(patience->context);
    /* Who stops wants what was done to be stored, too. */
    bool waits = seconds < (stop || patience->in_vain ? LONG_WAIT : LONGEST_WAIT);
    if (!waits) patience->in_vain = true;
    return waits;
}

void dbt__store_be_patient(dbt_store *store, dbt__patience *patience)
{
    patience->path = dbt_store_path(store);
    dbt__sql_set_wait(dbt__store_sql(store), wait, patience);
}
