/* take.h: an SQL function that passes a row on while SQLite walks over it. */
#ifndef DBT_SQL_TAKE_H
#define DBT_SQL_TAKE_H

#include <sqlite3.h>

#include "sql.h"

/* Who takes the rows of the statement that dbt__each runs, and how that went. */
typedef struct dbt__taker {
    dbt__take_values *take; /* NULL: no such statement is running */
    void *context;
    dbt_status status;
    dbt_error *err;
} dbt__taker;

/* Adds take(...): passes its arguments to the taker and is 0; where that fails, so does the
 * statement. The taker must live as long as the connection. Returns a code of SQLite's. */
int dbt__add_take(sqlite3 *handle, dbt__taker *taker);

#endif
