/* syscalls.c: counting calls to the operating system and to SQLite, and failing one. */
#include "syscalls.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>

#include <sqlite3.h>

static struct {
    bool armed;
    syscall_fault fault;
    long at;
    bool from_then_on;
    atomic_long calls;
} shut;

void syscalls_arm(syscall_fault fault, long n, bool from_then_on)
{
    shut.fault = fault;
    shut.at = n;
    shut.from_then_on = from_then_on;
    atomic_store(&shut.calls, 0);
    shut.armed = true;
}

long syscalls_disarm(void)
{
    shut.armed = false;
    return atomic_load(&shut.calls);
}

static bool is_met(void)
{
    long call = atomic_fetch_add(&shut.calls, 1) + 1;
    return call == shut.at || (shut.from_then_on && call > shut.at);
}

/* For calls that transfer nothing. */
static bool fails(void)
{
    if (!shut.armed || shut.fault != SYSCALLS_FAIL || !is_met()) return false;
    errno = EIO;
    return true;
}

/* For reads and writes; a short one shortens *bytes. */
static bool transfer_fails(size_t *bytes)
{
    if (!shut.armed || shut.fault == SYSCALLS_SQLITE || !is_met()) return false;
    if (shut.fault == SYSCALLS_SHORT && *bytes > 0) *bytes = 1;
    if (shut.fault == SYSCALLS_SHORT) return false;
    errno = shut.fault == SYSCALLS_FAIL ? EIO : EINTR;
    return true;
}

/* Each __wrap_f is what calls of f are linked to, __real_f is f. */
int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    int mode = va_arg(rest, int); /* read only where the flags ask for it */
    va_end(rest);
    return fails() ? -1 : __real_open(path, flags, mode);
}

#define WRAP(type, failure, name, parameters, arguments)                                           \
    type __real_##name parameters;                                                                 \
    type __wrap_##name parameters;                                                                 \
    type __wrap_##name parameters                                                                  \
    {                                                                                              \
        return fails() ? failure : __real_##name arguments;                                        \
    }

WRAP(int, -1, fstat, (int fd, struct stat *facts), (fd, facts))
WRAP(int, -1, stat, (const char *path, struct stat *facts), (path, facts))
WRAP(int, -1, lstat, (const char *path, struct stat *facts), (path, facts))
WRAP(off_t, -1, lseek, (int fd, off_t offset, int whence), (fd, offset, whence))
WRAP(DIR *, NULL, opendir, (const char *path), (path))
WRAP(struct dirent *, NULL, readdir, (DIR * folder), (folder))
WRAP(int, -1, mkstemp, (char *name), (name))
WRAP(int, -1, mkostemp, (char *name, int flags), (name, flags))

#define WRAP_TRANSFER(name, parameters, arguments)                                                 \
    ssize_t __real_##name parameters;                                                              \
    ssize_t __wrap_##name parameters;                                                              \
    ssize_t __wrap_##name parameters                                                               \
    {                                                                                              \
        return transfer_fails(&bytes) ? -1 : __real_##name arguments;                              \
    }

WRAP_TRANSFER(read, (int fd, void *data, size_t bytes), (fd, data, bytes))
WRAP_TRANSFER(write, (int fd, const void *data, size_t bytes), (fd, data, bytes))
WRAP_TRANSFER(pread, (int fd, void *data, size_t bytes, off_t at), (fd, data, bytes, at))
WRAP_TRANSFER(pwrite, (int fd, const void *data, size_t bytes, off_t at), (fd, data, bytes, at))

/* --- SQLite: what it says of its last error is that of the call that failed --- */

static _Thread_local bool sqlite_failed;

static bool sqlite_fails(void)
{
    sqlite_failed = shut.armed && shut.fault == SYSCALLS_SQLITE && is_met();
    return sqlite_failed;
}

int __real_sqlite3_step(sqlite3_stmt *statement);
int __wrap_sqlite3_step(sqlite3_stmt *statement);
int __wrap_sqlite3_step(sqlite3_stmt *statement)
{
    /* Whatever a rollback says, nothing is left of the transaction. */
    if (strcmp(sqlite3_sql(statement), "ROLLBACK") == 0) return __real_sqlite3_step(statement);
    return sqlite_fails() ? SQLITE_IOERR : __real_sqlite3_step(statement);
}

int __real_sqlite3_prepare_v3(sqlite3 *handle, const char *text, int bytes, unsigned flags,
                              sqlite3_stmt **statement, const char **tail);
int __wrap_sqlite3_prepare_v3(sqlite3 *handle, const char *text, int bytes, unsigned flags,
                              sqlite3_stmt **statement, const char **tail);
int __wrap_sqlite3_prepare_v3(sqlite3 *handle, const char *text, int bytes, unsigned flags,
                              sqlite3_stmt **statement, const char **tail)
{
    *statement = NULL;
    return sqlite_fails() ? SQLITE_IOERR
                          : __real_sqlite3_prepare_v3(handle, text, bytes, flags, statement, tail);
}

int __real_sqlite3_exec(sqlite3 *handle, const char *script, sqlite3_callback row, void *context,
                        char **message);
int __wrap_sqlite3_exec(sqlite3 *handle, const char *script, sqlite3_callback row, void *context,
                        char **message);
int __wrap_sqlite3_exec(sqlite3 *handle, const char *script, sqlite3_callback row, void *context,
                        char **message)
{
    return sqlite_fails() ? SQLITE_IOERR
                          : __real_sqlite3_exec(handle, script, row, context, message);
}

#define WRAP_ERROR(name)                                                                           \
    int __real_##name(sqlite3 *handle);                                                            \
    int __wrap_##name(sqlite3 *handle);                                                            \
    int __wrap_##name(sqlite3 *handle)                                                             \
    {                                                                                              \
        return sqlite_failed ? SQLITE_IOERR : __real_##name(handle);                               \
    }

WRAP_ERROR(sqlite3_errcode)
WRAP_ERROR(sqlite3_extended_errcode)
