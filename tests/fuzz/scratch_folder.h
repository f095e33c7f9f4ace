/* scratch_folder.h: a folder in memory, where there is one, for targets that need files. */
#ifndef DBT_FUZZ_SCRATCH_FOLDER_H
#define DBT_FUZZ_SCRATCH_FOLDER_H

#include <unistd.h>

#include "fuzz.h"

static char scratch_folder[64];

static inline void remove_scratch_folder(void)
{
    char command[96];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", scratch_folder);
    (void)!system(command);
}

/* A path in the folder, which is made by the first call; valid until the fourth call after it. */
static inline const char *scratch_path(const char *name)
{
    static char paths[4][128];
    static unsigned turn;
    if (scratch_folder[0] == '\0') {
        strcpy(scratch_folder, access("/dev/shm", W_OK) == 0 ? "/dev/shm/dbtrain-fuzz-XXXXXX"
                                                             : "/tmp/dbtrain-fuzz-XXXXXX");
        fuzz_check(mkdtemp(scratch_folder) != NULL);
        fuzz_check(atexit(remove_scratch_folder) == 0);
    }
    char *path = paths[turn++ % 4];
    (void)snprintf(path, sizeof paths[0], "%s/%s", scratch_folder, name);
    return path;
}

static inline void scratch_write(const char *path, const void *data, size_t bytes)
{
    FILE *file = fopen(path, "wb");
    fuzz_check(file != NULL);
    fuzz_check(fwrite(data, 1, bytes, file) == bytes);
    fuzz_check(fclose(file) == 0);
}

#endif
