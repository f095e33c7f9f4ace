/* scratch.h: a temporary folder for a group of tests, and files in it. For cmocka's group fixtures.
 */
#ifndef DBT_SCRATCH_H
#define DBT_SCRATCH_H

#include "testing.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[64];

static inline int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/dbtrain-test-XXXXXX");
    return mkdtemp(folder) == NULL ? -1 : 0;
}

static inline int remove_folder(void **state)
{
    (void)state;
    char command[96];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

/* A path in the folder; valid until the fourth call after it. */
static inline const char *path_of(const char *name)
{
    static char paths[4][160];
    static unsigned turn;
    char *path = paths[turn++ % 4];
    (void)snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static inline void write_file(const char *path, const char *data, size_t bytes)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, bytes, file), bytes);
    assert_int_equal(fclose(file), 0);
}

static inline bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

/* Runs `body` as a user without rights of its own where the tests run as root. */
static inline void as_nobody(void (*body)(const char *path), const char *path)
{
    bool root = geteuid() == 0;
    if (root) assert_int_equal(seteuid(65534), 0);
    body(path);
    if (root) assert_int_equal(seteuid(0), 0);
}

#endif
