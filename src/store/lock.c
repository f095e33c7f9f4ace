/*
 * lock.c: the side file and its lock.
 *
 * The holder unlinks the side file while it still holds the lock, so another process may lock an
 * inode that has no name any more. Whoever gets a lock therefore looks whether the name still leads
 * to what was locked, and begins again when it does not.
 */
#define _GNU_SOURCE /* F_OFD_SETLK */
#include "lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct dbt__lock {
    char *path;
    int descriptor;
};

/* Of the file itself, whatever symbolic link led to it: two names of one file have one lock. */
static char *side_path(const char *database)
{
    char *resolved = realpath(database, NULL); /* NULL while there is no file yet */
    const char *name = resolved == NULL ? database : resolved;
    size_t bytes = strlen(name) + sizeof "-writer";
    char *path = dbt__alloc_array(bytes, 1);
    if (path != NULL) (void)snprintf(path, bytes, "%s-writer", name);
    free(resolved);
    return path;
}

static bool still_named(const dbt__lock *lock)
{
    struct stat held, named;
    return fstat(lock->descriptor, &held) == 0 && stat(lock->path, &named) == 0 &&
           held.st_dev == named.st_dev && held.st_ino == named.st_ino;
}

static dbt_status fail_held(const dbt__lock *lock, const char *database, dbt_error *err)
{
    char holder[96] = "";
    ssize_t bytes = pread(lock->descriptor, holder, sizeof holder - 1, 0);
    holder[bytes < 0 ? 0 : bytes] = '\0';
    return dbt__fail(err, DBT_ELOCKED, "'%s' is being written by another dbtrain%s%s: wait for it",
                     database, holder[0] == '\0' ? "" : ", ", holder);
}

/* Who holds it, for the message of whoever comes second; the lock holds without it too. */
static void sign(const dbt__lock *lock)
{
    char text[96], when[32] = "";
    time_t now = time(NULL);
    struct tm utc;
    if (gmtime_r(&now, &utc) != NULL) (void)strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S", &utc);
    int bytes = snprintf(text, sizeof text, "process %ld since %s UTC", (long)getpid(), when);
    if (ftruncate(lock->descriptor, 0) != 0 ||
        pwrite(lock->descriptor, text, (size_t)bytes, 0) != bytes)
        (void)ftruncate(lock->descriptor, 0);
}

/* DBT_DONE: what was locked has lost its name meanwhile. */
static dbt_status try_once(dbt__lock *lock, const char *database, dbt_error *err)
{
    lock->descriptor = open(lock->path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (lock->descriptor < 0)
        return dbt__fail(err, DBT_EIO, "cannot make '%s', which locks the database: %s", lock->path,
                         strerror(errno));
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    dbt_status status = DBT_OK;
    if (fcntl(lock->descriptor, F_OFD_SETLK, &whole) != 0)
        status = errno == EAGAIN || errno == EACCES
                     ? fail_held(lock, database, err)
                     : dbt__fail(err, DBT_EIO, "cannot lock '%s': %s", lock->path, strerror(errno));
    else if (!still_named(lock))
        status = DBT_DONE;
    if (status != DBT_OK) {
        (void)close(lock->descriptor);
        lock->descriptor = -1;
    }
    return status;
}

dbt_status dbt__lock_take(const char *database, dbt__lock **lock, dbt_error *err)
{
    *lock = NULL;
    dbt__lock *made = dbt__alloc(sizeof *made);
    if (made == NULL) return dbt__out_of_memory(err, "a lock");
    made->descriptor = -1;
    made->path = side_path(database);
    dbt_status status = made->path == NULL ? dbt__out_of_memory(err, "a lock") : DBT_DONE;
    while (status == DBT_DONE)
        status = try_once(made, database, err);
    if (status < 0) {
        dbt__lock_release(made);
        return status;
    }
    sign(made);
    *lock = made;
    return DBT_OK;
}

void dbt__lock_release(dbt__lock *lock)
{
    if (lock == NULL) return;
    if (lock->descriptor >= 0) {
        (void)unlink(lock->path);
        (void)close(lock->descriptor);
    }
    dbt__free(lock->path);
    dbt__free(lock);
}

bool dbt__lock_is_held(const char *database)
{
    char *path = side_path(database);
    int descriptor = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    bool held =
        descriptor >= 0 && fcntl(descriptor, F_OFD_GETLK, &whole) == 0 && whole.l_type != F_UNLCK;
    if (descriptor >= 0) (void)close(descriptor);
    dbt__free(path);
    return held;
}
