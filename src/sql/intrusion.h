/* intrusion.h: notices that a database file was written to past SQLite. */
#ifndef DBT_SQL_INTRUSION_H
#define DBT_SQL_INTRUSION_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include <sqlite3.h>

/* Of a file in WAL mode: when it was written to last, its bytes, and what SQLite's users have said
 * of that in the log's index. */
typedef struct dbt__file_state {
    bool is_known;
    struct timespec written;
    int64_t bytes;
    uint32_t salt[2];        /* of the log since it began anew */
    uint32_t moved, to_move; /* frames of it that were moved into the file, or are to be */
} dbt__file_state;

/* The state as it is; not known where it cannot be read. The connection has the file open in WAL
 * mode, and has read from it. */
void dbt__file_look(sqlite3 *handle, const char *path, dbt__file_state *state);
/* When it was written to and its bytes alone; false: that cannot be told. */
bool dbt__file_glance(const char *path, dbt__file_state *state);
bool dbt__file_is_same(const dbt__file_state *before, const dbt__file_state *now);
/* The file has changed from `before` to `now`, and nobody said that he moved the log into it. */
bool dbt__file_has_intruder(const dbt__file_state *before, const dbt__file_state *now);

#endif
