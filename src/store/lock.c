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

/* How a side file begins. */
#define SIGNATURE "process "
/* The byte of a database that is locked: the last one, far from those that SQLite locks. */
#define LOCKED_BYTE INT64_MAX

struct dbt__lock {
    char *path;
    int descriptor;
    int database; /* descriptor of the database, where that has several names; else -1 */
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

static bool lock_bytes(int descriptor, off_t start, off_t n)
{
    struct flock bytes = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = start, .l_len = n};
    return fcntl(descriptor, F_OFD_SETLK, &bytes) == 0;
}

static bool is_held_elsewhere(void)
{
    return errno == EAGAIN || errno == EACCES;
}

/* Whether what is locked may be signed and removed: a user's own file of that name may not. */
static dbt_status check_side_file(const dbt__lock *lock, dbt_error *err)
{
    char start[sizeof SIGNATURE - 1];
    ssize_t bytes;
    do
        bytes = pread(lock->descriptor, start, sizeof start, 0);
    while (bytes < 0 && errno == EINTR);
    if (bytes < 0)
        return dbt__fail(err, DBT_EIO, "cannot read '%s': %s", lock->path, strerror(errno));
    if (bytes == 0 || (bytes == sizeof start && memcmp(start, SIGNATURE, sizeof start) == 0))
        return DBT_OK;
    return dbt__fail(err, DBT_EIO,
                     "'%s', which is to lock the database, is another file: move it away",
                     lock->path);
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
    int bytes = snprintf(text, sizeof text, SIGNATURE "%ld since %s UTC", (long)getpid(), when);
    if (ftruncate(lock->descriptor, 0) != 0 ||
        pwrite(lock->descriptor, text, (size_t)bytes, 0) != bytes)
        (void)ftruncate(lock->descriptor, 0);
}

/* DBT_DONE: what was locked has lost its name meanwhile. */
static dbt_status try_once(dbt__lock *lock, const char *database, dbt_error *err)
{
    lock->descriptor = open(lock->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (lock->descriptor < 0)
        return dbt__fail(err, DBT_EIO, "cannot make '%s', which locks the database: %s", lock->path,
                         strerror(errno));
    dbt_status status = DBT_OK;
    if (!lock_bytes(lock->descriptor, 0, 0))
        status = is_held_elsewhere()
                     ? fail_held(lock, database, err)
                     : dbt__fail(err, DBT_EIO, "cannot lock '%s': %s", lock->path, strerror(errno));
    else if (!still_named(lock))
        status = DBT_DONE;
    else
        status = check_side_file(lock, err);
    if (status != DBT_OK) {
        (void)close(lock->descriptor);
        lock->descriptor = -1;
    }
    return status;
}

/* A system on which that cannot be locked is warned of: dbt_store_cautions. */
static dbt_status lock_names(dbt__lock *lock, const char *database, dbt_error *err)
{
    struct stat facts;
    if (stat(database, &facts) != 0 || facts.st_nlink < 2) return DBT_OK;
    lock->database = open(database, O_RDWR | O_CLOEXEC);
    if (lock->database < 0 || lock_bytes(lock->database, LOCKED_BYTE, 1) || !is_held_elsewhere())
        return DBT_OK;
    return dbt__fail(err, DBT_ELOCKED,
                     "'%s' is being written by another dbtrain, under another of its names (hard "
                     "links): wait for it",
                     database);
}

dbt_status dbt__lock_take(const char *database, dbt__lock **lock, dbt_error *err)
{
    *lock = NULL;
    dbt__lock *made = dbt__alloc(sizeof *made);
    if (made == NULL) return dbt__out_of_memory(err, "a lock");
    made->descriptor = made->database = -1;
    made->path = side_path(database);
    dbt_status status = made->path == NULL ? dbt__out_of_memory(err, "a lock") : DBT_DONE;
    while (status == DBT_DONE)
        status = try_once(made, database, err);
    if (status == DBT_OK) status = lock_names(made, database, err);
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
    if (lock->database >= 0) (void)close(lock->database);
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
