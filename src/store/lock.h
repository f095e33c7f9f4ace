/*
 * lock.h: one writer a file.
 *
 * A writer holds an open-file-description lock on a side file, DATABASE-writer. The kernel drops it
 * when the process ends, however it ends, so a killed writer never blocks the next. It is not a
 * lock on the database itself: to open and close that beside SQLite would drop SQLite's own POSIX
 * locks. The side file says who holds it, and is removed with the lock.
 *
 * A file of several names (hard links) would have a side file for each: of that one, and only of
 * that, the writer locks the database too, a byte that SQLite does not know of. Let other
 * connections of the same process to it be closed first.
 */
#ifndef DBT_LOCK_H
#define DBT_LOCK_H

#include <stdbool.h>

#include "base.h"

typedef struct dbt__lock dbt__lock;

/* Takes the lock of a database at once or not at all. DBT_ELOCKED, naming the holder; DBT_EIO when
 * the side file cannot be made, or there is a file or a link of that name that is no lock;
 * DBT_ENOMEM. */
dbt_status dbt__lock_take(const char *database, dbt__lock **lock, dbt_error *err) DBT_MUST_USE;
/* Gives it back and removes the side file. After SQLite's connection is closed. Takes NULL. */
void dbt__lock_release(dbt__lock *lock);
/* Some process, this one too, holds the lock. */
bool dbt__lock_is_held(const char *database);

#endif
