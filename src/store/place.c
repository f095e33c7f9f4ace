/* place.c: what about the place where a file lies a user should know. */
#define _GNU_SOURCE /* statfs */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/vfs.h>
#endif

#include "base.h"
#include "store_internal.h"

const char *dbt__shared_system(const char *path)
{
#ifdef __linux__
    static const struct {
        uint32_t magic; /* linux/magic.h */
        const char *name;
    } systems[] = {
        {0x6969, "NFS"},        {0x517b, "SMB"},      {0xff534d42, "CIFS"},   {0xfe534d42, "SMB"},
        {0x01021997, "9P"},     {0x65735546, "FUSE"}, {0x00c36400, "Ceph"},   {0x5346414f, "AFS"},
        {0x0bd00bd0, "Lustre"}, {0x47504653, "GPFS"}, {0x786f4256, "vboxsf"},
    };
    struct statfs facts;
    if (statfs(path, &facts) != 0) return NULL;
    for (size_t i = 0; i < sizeof systems / sizeof *systems; i++)
        if (systems[i].magic == (uint32_t)facts.f_type) return systems[i].name;
#else
    (void)path;
#endif
    return NULL;
}

bool dbt_store_may_write(const char *path)
{
    /* SQLite's log and the lock are beside the file itself, whatever symbolic link leads to it. */
    char *file = realpath(path, NULL);
    if (file == NULL) return false;
    bool may = faccessat(AT_FDCWD, file, W_OK, AT_EACCESS) == 0;
    strrchr(file, '/')[1] = '\0';
    may = may && faccessat(AT_FDCWD, file, W_OK | X_OK, AT_EACCESS) == 0;
    free(file);
    return may;
}

void dbt_store_cautions(const dbt_store *store, dbt_caution tell, void *context)
{
    const char *path = dbt_store_path(store), *system = dbt__shared_system(path);
    char line[DBT_ERROR_BYTES];
    struct stat facts;
    if (system != NULL) {
        (void)snprintf(line, sizeof line,
                       "'%s' is on %s, where locking is not reliable: let no other program use it "
                       "meanwhile, or work on a copy on a local disk",
                       path, system);
        tell(context, line);
    }
    if (stat(path, &facts) == 0 && facts.st_nlink > 1) {
        (void)snprintf(line, sizeof line,
                       "'%s' has %llu names (hard links): use it under this one alone, the log "
                       "beside it is not found from the others",
                       path, (unsigned long long)facts.st_nlink);
        tell(context, line);
    }
}
