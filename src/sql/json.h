/* json.h: the SQL function through which stored JSON is read. */
#ifndef DBT_SQL_JSON_H
#define DBT_SQL_JSON_H

#include <sqlite3.h>

/*
 * Adds checked_json(X): X, which is the text of a JSON object; NULL of NULL. Anything else ends the
 * statement with SQLITE_CORRUPT. Whatever is stored as JSON is read through it before SQLite's own
 * functions see it. Returns a code of SQLite's.
 */
int dbt__add_checked_json(sqlite3 *handle);

#endif
