/* shimvfs.c: SQLite's calls to its file system, through a hook. */
#include "shimvfs.h"

#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

typedef struct shim_file {
    sqlite3_file base;
    const char *name;    /* SQLite keeps it for as long as the file is open */
    sqlite3_file *below; /* in the same piece of memory */
} shim_file;

static sqlite3_vfs shim, *unix_vfs;
static shim_hook hook;
static pthread_mutex_t asking = PTHREAD_MUTEX_INITIALIZER;

/* One thread at a time. */
static int ask(const shim_call *call)
{
    (void)pthread_mutex_lock(&asking);
    int code = hook(call);
    (void)pthread_mutex_unlock(&asking);
    return code;
}

int shim_error(shim_operation operation)
{
    static const int errors[SHIM_OPERATIONS] = {
        [SHIM_OPEN] = SQLITE_CANTOPEN,       [SHIM_READ] = SQLITE_IOERR_READ,
        [SHIM_WRITE] = SQLITE_IOERR_WRITE,   [SHIM_TRUNCATE] = SQLITE_IOERR_TRUNCATE,
        [SHIM_SYNC] = SQLITE_IOERR_FSYNC,    [SHIM_SIZE] = SQLITE_IOERR_FSTAT,
        [SHIM_DELETE] = SQLITE_IOERR_DELETE, [SHIM_ACCESS] = SQLITE_IOERR_ACCESS,
        [SHIM_MAP] = SQLITE_IOERR_SHMMAP,
    };
    return errors[operation];
}

static sqlite3_file *below(sqlite3_file *file)
{
    return ((shim_file *)file)->below;
}

static int ask_about(sqlite3_file *file, shim_operation operation, int64_t offset, const void *data,
                     int bytes)
{
    const shim_call call = {operation, ((shim_file *)file)->name, offset, data, bytes, false};
    return ask(&call);
}

static int close_file(sqlite3_file *file)
{
    return below(file)->pMethods == NULL ? SQLITE_OK : below(file)->pMethods->xClose(below(file));
}

static int read_file(sqlite3_file *file, void *data, int bytes, sqlite3_int64 offset)
{
    int code = ask_about(file, SHIM_READ, offset, NULL, bytes);
    if (code == SQLITE_OK) return below(file)->pMethods->xRead(below(file), data, bytes, offset);
    memset(data, 0, (size_t)bytes);
    return code;
}

static int write_file(sqlite3_file *file, const void *data, int bytes, sqlite3_int64 offset)
{
    int code = ask_about(file, SHIM_WRITE, offset, data, bytes);
    return code != SQLITE_OK ? code
                             : below(file)->pMethods->xWrite(below(file), data, bytes, offset);
}

static int truncate_file(sqlite3_file *file, sqlite3_int64 size)
{
    int code = ask_about(file, SHIM_TRUNCATE, size, NULL, 0);
    return code != SQLITE_OK ? code : below(file)->pMethods->xTruncate(below(file), size);
}

static int sync_file(sqlite3_file *file, int flags)
{
    (void)flags;
    return ask_about(file, SHIM_SYNC, 0, NULL, 0);
}

static int size_file(sqlite3_file *file, sqlite3_int64 *size)
{
    int code = ask_about(file, SHIM_SIZE, 0, NULL, 0);
    return code != SQLITE_OK ? code : below(file)->pMethods->xFileSize(below(file), size);
}

static int lock_file(sqlite3_file *file, int level)
{
    return below(file)->pMethods->xLock(below(file), level);
}

static int unlock_file(sqlite3_file *file, int level)
{
    return below(file)->pMethods->xUnlock(below(file), level);
}

static int check_reserved(sqlite3_file *file, int *result)
{
    return below(file)->pMethods->xCheckReservedLock(below(file), result);
}

static int control_file(sqlite3_file *file, int operation, void *argument)
{
    return below(file)->pMethods->xFileControl(below(file), operation, argument);
}

static int sector_size(sqlite3_file *file)
{
    return below(file)->pMethods->xSectorSize(below(file));
}

static int characteristics(sqlite3_file *file)
{
    return below(file)->pMethods->xDeviceCharacteristics(below(file));
}

static int map_index(sqlite3_file *file, int region, int bytes, int extend, void volatile **memory)
{
    int code = ask_about(file, SHIM_MAP, region, NULL, bytes);
    *memory = NULL;
    return code != SQLITE_OK
               ? code
               : below(file)->pMethods->xShmMap(below(file), region, bytes, extend, memory);
}

static int lock_index(sqlite3_file *file, int offset, int n, int flags)
{
    return below(file)->pMethods->xShmLock(below(file), offset, n, flags);
}

static void order_index(sqlite3_file *file)
{
    below(file)->pMethods->xShmBarrier(below(file));
}

static int unmap_index(sqlite3_file *file, int delete_it)
{
    return below(file)->pMethods->xShmUnmap(below(file), delete_it);
}

static const sqlite3_io_methods methods = {
    .iVersion = 2, /* no memory map of the file itself */
    .xClose = close_file,
    .xRead = read_file,
    .xWrite = write_file,
    .xTruncate = truncate_file,
    .xSync = sync_file,
    .xFileSize = size_file,
    .xLock = lock_file,
    .xUnlock = unlock_file,
    .xCheckReservedLock = check_reserved,
    .xFileControl = control_file,
    .xSectorSize = sector_size,
    .xDeviceCharacteristics = characteristics,
    .xShmMap = map_index,
    .xShmLock = lock_index,
    .xShmBarrier = order_index,
    .xShmUnmap = unmap_index,
};

static int open_file(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
                     int *flags_out)
{
    (void)vfs;
    shim_file *opened = (shim_file *)file;
    *opened = (shim_file){.name = name, .below = (sqlite3_file *)(opened + 1)};
    const shim_call call = {.operation = SHIM_OPEN, .name = name};
    int code = ask(&call);
    if (code == SQLITE_OK) code = unix_vfs->xOpen(unix_vfs, name, opened->below, flags, flags_out);
    if (code == SQLITE_OK) opened->base.pMethods = &methods;
    return code;
}

static int delete_file(sqlite3_vfs *vfs, const char *name, int sync_folder)
{
    (void)vfs;
    const shim_call call = {
        .operation = SHIM_DELETE, .name = name, .sync_folder = sync_folder != 0};
    int code = ask(&call);
    return code != SQLITE_OK ? code : unix_vfs->xDelete(unix_vfs, name, sync_folder);
}

static int access_file(sqlite3_vfs *vfs, const char *name, int flags, int *result)
{
    (void)vfs;
    const shim_call call = {.operation = SHIM_ACCESS, .name = name};
    int code = ask(&call);
    return code != SQLITE_OK ? code : unix_vfs->xAccess(unix_vfs, name, flags, result);
}

void shim_register(shim_hook called)
{
    hook = called;
    unix_vfs = sqlite3_vfs_find("unix");
    if (unix_vfs == NULL) abort();
    shim = *unix_vfs;
    shim.zName = "shim";
    shim.pNext = NULL;
    shim.szOsFile = (int)sizeof(shim_file) + unix_vfs->szOsFile;
    shim.xOpen = open_file;
    shim.xDelete = delete_file;
    shim.xAccess = access_file;
    if (sqlite3_vfs_register(&shim, 1) != SQLITE_OK) abort();
}
