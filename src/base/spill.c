/*
 * spill.c: a nameless file, by O_TMPFILE or, on a file system that lacks it, by a name that is
 * taken away at once.
 */
#define _GNU_SOURCE /* O_TMPFILE */
#include "spill.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct dbt__spill {
    char *folder;
    pthread_mutex_t lock; /* of making the file */
    int descriptor;       /* -1: not made yet */
};

dbt_status dbt__spill_new(const char *folder, dbt__spill **spill, dbt_error *err)
{
    *spill = NULL;
    dbt__spill *made = dbt__alloc(sizeof *made);
    if (made != NULL) made->folder = dbt__strdup(folder);
    if (made == NULL || made->folder == NULL) {
        dbt__free(made);
        return dbt__out_of_memory(err, "a temporary file");
    }
    (void)pthread_mutex_init(&made->lock, NULL);
    made->descriptor = -1;
    *spill = made;
    return DBT_OK;
}

void dbt__spill_free(dbt__spill *spill)
{
    if (spill == NULL) return;
    if (spill->descriptor >= 0) (void)close(spill->descriptor);
    (void)pthread_mutex_destroy(&spill->lock);
    dbt__free(spill->folder);
    dbt__free(spill);
}

const char *dbt__spill_folder(const dbt__spill *spill)
{
    return spill->folder;
}

static dbt_status fail_spill(const dbt__spill *spill, const char *what, dbt_error *err)
{
    bool is_full = errno == ENOSPC || errno == EDQUOT || errno == EFBIG;
    return dbt__fail(err, DBT_EIO, "cannot %s a temporary file in '%s': %s%s", what, spill->folder,
                     strerror(errno), is_full ? ": make room there, or allow more memory" : "");
}

static int make_file(const char *folder)
{
    int descriptor = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (descriptor >= 0) return descriptor;
    size_t bytes = strlen(folder) + sizeof "/dbtrain-XXXXXX";
    char *name = dbt__alloc_array(bytes, 1);
    if (name == NULL) return -1;
    (void)snprintf(name, bytes, "%s/dbtrain-XXXXXX", folder);
    descriptor = mkostemp(name, O_CLOEXEC);
    if (descriptor >= 0) (void)unlink(name);
    dbt__free(name);
    return descriptor;
}

static dbt_status open_file(dbt__spill *spill, dbt_error *err)
{
    (void)pthread_mutex_lock(&spill->lock);
    if (spill->descriptor < 0) spill->descriptor = make_file(spill->folder);
    dbt_status status = spill->descriptor < 0 ? fail_spill(spill, "make", err) : DBT_OK;
    (void)pthread_mutex_unlock(&spill->lock);
    return status;
}

dbt_status dbt__spill_write(dbt__spill *spill, uint64_t offset, const void *data, size_t bytes,
                            dbt_error *err)
{
    dbt_status status = open_file(spill, err);
    const char *from = data;
    while (status == DBT_OK && bytes > 0) {
        ssize_t n = pwrite(spill->descriptor, from, bytes, (off_t)offset);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return fail_spill(spill, "write", err);
        from += n;
        offset += (uint64_t)n;
        bytes -= (size_t)n;
    }
    return status;
}

dbt_status dbt__spill_read(dbt__spill *spill, uint64_t offset, void *data, size_t bytes,
                           dbt_error *err)
{
    char *to = data;
    while (bytes > 0) {
        ssize_t n = pread(spill->descriptor, to, bytes, (off_t)offset);
        if (n < 0 && errno == EINTR) continue;
        if (n == 0) errno = EIO;
        if (n <= 0) return fail_spill(spill, "read", err);
        to += n;
        offset += (uint64_t)n;
        bytes -= (size_t)n;
    }
    return DBT_OK;
}
