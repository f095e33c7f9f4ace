/*
 * intrusion.c: notices that a database file was written to past SQLite: by cp or a shell's ">".
 *
 * In WAL mode the file itself is written to by those alone who move the log into it, and they say
 * so in the log's index beforehand and when they have done (https://www.sqlite.org/walformat.html,
 * 2.1, for the offsets); as long as the log does not begin anew they say more and more. SQLite has
 * the index mapped, and gives its address to who asks its layer of files. The index's file must not
 * be opened: to close it would drop SQLite's locks.
 */
#include "intrusion.h"

#include <string.h>
#include <sys/stat.h>

#define INDEX_PAGE 32768
#define SALT_AT 32
#define MOVED_AT 96
#define TO_MOVE_AT 128
/* To read the index and the file's time, while others move the log. */
#define MOST_TRIES 1000

static const unsigned char *find_index(sqlite3 *handle)
{
    sqlite3_file *file = NULL;
    void volatile *page = NULL;
    if (sqlite3_file_control(handle, "main", SQLITE_FCNTL_FILE_POINTER, &file) != SQLITE_OK ||
        file == NULL || file->pMethods == NULL || file->pMethods->iVersion < 2 ||
        file->pMethods->xShmMap == NULL ||
        file->pMethods->xShmMap(file, 0, INDEX_PAGE, 0, &page) != SQLITE_OK)
        return NULL;
    return (const unsigned char *)page;
}

static void read_index(const unsigned char *index, dbt__file_state *state)
{
    memcpy(state->salt, index + SALT_AT, sizeof state->salt);
    memcpy(&state->moved, index + MOVED_AT, sizeof state->moved);
    memcpy(&state->to_move, index + TO_MOVE_AT, sizeof state->to_move);
}

static bool is_same_log(const dbt__file_state *a, const dbt__file_state *b)
{
    return a->moved == b->moved && a->to_move == b->to_move &&
           memcmp(a->salt, b->salt, sizeof a->salt) == 0;
}

bool dbt__file_glance(const char *path, dbt__file_state *state)
{
    struct stat facts;
    if (stat(path, &facts) != 0) return false;
    state->written = facts.st_mtim;
    state->bytes = facts.st_size;
    return true;
}

bool dbt__file_is_same(const dbt__file_state *before, const dbt__file_state *now)
{
    return before->bytes == now->bytes && before->written.tv_sec == now->written.tv_sec &&
           before->written.tv_nsec == now->written.tv_nsec;
}

/* The file's time and the index are of one moment when the index is the same before and after. */
void dbt__file_look(sqlite3 *handle, const char *path, dbt__file_state *state)
{
    *state = (dbt__file_state){0};
    for (int try = 0; !state->is_known && try < MOST_TRIES; try++) {
        dbt__file_state after = {0};
        const unsigned char *index = find_index(handle);
        if (index == NULL) return;
        read_index(index, state);
        if (!dbt__file_glance(path, state)) return;
        read_index(index, &after);
        state->is_known = is_same_log(state, &after);
    }
}

bool dbt__file_has_intruder(const dbt__file_state *before, const dbt__file_state *now)
{
    if (!before->is_known || !now->is_known) return false;
    if (dbt__file_is_same(before, now)) return false;
    /* Somebody is at it; or was killed then: until the log is moved the next time nothing can be
     * told. */
    if (now->to_move != now->moved) return false;
    return is_same_log(before, now);
}
