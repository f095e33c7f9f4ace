/*
 * input.c: files, stdin and libarchive.
 *
 * Plain text is read with read(2) straight into the reader's window: no copy, no call per record.
 * Whatever begins like something packed goes through libarchive, with those filters and formats
 * that one meets corpora in and no others: libarchive also takes mtree files, web archives and the
 * like, and text must never be mistaken for them. gzip is unpacked before it gets there (gzip.h).
 *
 * A pipe cannot be read twice, but an archive must be (once for its layout, once for its content;
 * zip and 7-zip have their directory at the end). So what libarchive reads of a pipe until it knows
 * what it is, is kept: a compressed stream goes on from there in constant memory, an archive is
 * copied to a file in /var/tmp or /tmp that is unlinked at once.
 */
#include "input.h"

#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gzip.h"

enum {
    HEAD_BYTES = 512,             /* a tar header: what is looked at to tell packed from plain */
    BLOCK_BYTES = 128 * 1024,     /* what libarchive gets at a time */
    TAR_BLOCK = 512,              /* a tar ends with at least one of zeros */
    LONG_WAIT_MS = 200,           /* for which a pipe has nothing */
    KEPT_BYTES = 64 * 1024 * 1024 /* of a pipe, at most, until it is known what it is */
};

struct dbt__input {
    char *name;
    dbt__waiting waiting;
    int fd;
    bool owned;
    bool seekable;
    bool is_file; /* the path is that of a regular file: who opens it anew can read it again */
    struct stat opened; /* as it was then */
    int64_t position;
    dbt__hasher *hasher;
    char *block;
    bool is_gzip;
    dbt__gunzip *gunzip; /* of the archive that is open, with what it unpacks: [BLOCK_BYTES] */
    char *unpacked;
    dbt_status damage; /* what gunzip failed with, and why */
    dbt_error cause;
    dbt__buffer kept; /* bytes read ahead: the head, and all of a pipe while `keeping` */
    size_t given;     /* bytes of `kept` that were given out */
    bool keeping;
    size_t zeros;     /* that what libarchive got so far ends with */
    int error;        /* errno of what failed when libarchive called; 0: nothing */
    dbt__buffer path; /* of the archive's entry */
};

static bool is_stopped(const dbt__input *input)
{
    return input->waiting.stop != NULL && input->waiting.stop(input->waiting.context);
}

/* Until a read does not have to wait; false: somebody wants to stop. A signal that comes before the
 * read would not end it, so it is the wait that looks for one. */
static bool wait_for_input(const dbt__input *input)
{
    struct pollfd pipe = {.fd = input->fd, .events = POLLIN};
    if (input->seekable || (input->waiting.stop == NULL && input->waiting.idle == NULL))
        return true;
    for (bool told = false;;) {
        int ready = poll(&pipe, 1, LONG_WAIT_MS);
        if (ready > 0 || (ready < 0 && errno != EINTR)) return true;
        if (ready == 0 && !told && input->waiting.idle != NULL) {
            input->waiting.idle(input->waiting.context);
            told = true;
        }
        if (is_stopped(input)) return false;
    }
}

/* Of EINTR only where somebody wanted to stop. */
static dbt_status fail_read(const dbt__input *input, int error, dbt_error *err)
{
    if (error == EINTR)
        return dbt__fail(err, DBT_EINTERRUPTED, "interrupted while '%s' was read", input->name);
    return dbt__fail(err, DBT_EDATA, "%s: cannot be read: %s", input->name, strerror(error));
}

/* read(2) with counting and hashing; -1 sets errno, to EINTR where somebody wants to stop: no
 * signal ends the read of a file. */
static ssize_t read_some(dbt__input *input, char *data, size_t capacity)
{
    ssize_t got;
    if (is_stopped(input) || !wait_for_input(input)) {
        errno = EINTR;
        return -1;
    }
    do
        got = read(input->fd, data, capacity);
    while (got < 0 && errno == EINTR && !is_stopped(input));
    if (got > 0) {
        input->position += got;
        dbt__hasher_update(input->hasher, data, (size_t)got);
    }
    return got;
}

/* Reads the head into `kept`. */
static dbt_status read_head(dbt__input *input, dbt_error *err)
{
    dbt_status status = dbt__buffer_reserve(&input->kept, HEAD_BYTES, err);
    if (status < 0) return status;
    while (input->kept.length < HEAD_BYTES) {
        ssize_t got = read_some(input, input->kept.data + input->kept.length,
                                HEAD_BYTES - input->kept.length);
        if (got < 0) return fail_read(input, errno, err);
        if (got == 0) break;
        input->kept.length += (size_t)got;
    }
    input->is_gzip = dbt__is_gzip(input->kept.data, input->kept.length);
    return DBT_OK;
}

dbt_status dbt__input_open(const char *path, dbt__waiting waiting, dbt__input **input,
                           dbt_error *err)
{
    dbt_status status;
    *input = NULL;
    dbt__input *made = dbt__alloc(sizeof *made);
    if (made == NULL) return dbt__out_of_memory(err, "an input");
    dbt__buffer_init(&made->kept, KEPT_BYTES);
    made->waiting = waiting;
    made->owned = strcmp(path, "-") != 0;
    made->name = dbt__strdup(made->owned ? path : "stdin");
    made->hasher = dbt__hasher_new();
    made->fd = made->owned ? -1 : STDIN_FILENO;
    if (made->name == NULL || made->hasher == NULL) {
        status = dbt__out_of_memory(err, "an input");
        goto out;
    }
    if (made->owned) {
        do /* a named pipe waits for its writer here */
            made->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        while (made->fd < 0 && errno == EINTR && !is_stopped(made));
    }
    if (made->fd < 0 && (errno == ENOENT || errno == ENOTDIR)) {
        status = dbt__fail(err, DBT_EDATA, "%s: no such file", path);
        goto out;
    }
    if (made->fd < 0 || fstat(made->fd, &made->opened) != 0) {
        status = fail_read(made, errno, err);
        goto out;
    }
    made->is_file = made->seekable = S_ISREG(made->opened.st_mode) && made->owned;
    status = read_head(made, err);
out:
    if (status < 0)
        dbt__input_close(made);
    else
        *input = made;
    return status;
}

void dbt__input_close(dbt__input *input)
{
    if (input == NULL) return;
    if (input->owned && input->fd >= 0) (void)close(input->fd);
    dbt__hasher_free(input->hasher);
    dbt__buffer_release(&input->kept);
    dbt__buffer_release(&input->path);
    dbt__gunzip_free(input->gunzip);
    dbt__free(input->unpacked);
    dbt__free(input->block);
    dbt__free(input->name);
    dbt__free(input);
}

int64_t dbt__input_size(const dbt__input *input)
{
    return input->is_file ? (int64_t)input->opened.st_size : -1;
}

int64_t dbt__input_position(const dbt__input *input)
{
    return input->position;
}

uint64_t dbt__input_digest(const dbt__input *input)
{
    return dbt__hasher_digest(input->hasher);
}

bool dbt__input_changed(const dbt__input *input)
{
    struct stat now;
    if (!S_ISREG(input->opened.st_mode) || fstat(input->fd, &now) != 0) return false;
    return now.st_size != input->opened.st_size ||
           now.st_mtim.tv_sec != input->opened.st_mtim.tv_sec ||
           now.st_mtim.tv_nsec != input->opened.st_mtim.tv_nsec;
}

dbt_status dbt__input_read(dbt__input *input, char *data, size_t capacity, size_t *bytes,
                           dbt_error *err)
{
    size_t left = input->kept.length - input->given;
    if (left > 0) {
        *bytes = left < capacity ? left : capacity;
        memcpy(data, input->kept.data + input->given, *bytes);
        input->given += *bytes;
        return DBT_OK;
    }
    ssize_t got = read_some(input, data, capacity);
    *bytes = got < 0 ? 0 : (size_t)got;
    return got < 0 ? fail_read(input, errno, err) : DBT_OK;
}

static dbt_status need_block(dbt__input *input, dbt_error *err)
{
    if (input->block == NULL) input->block = dbt__grow_array(NULL, BLOCK_BYTES, 1);
    return input->block == NULL ? dbt__out_of_memory(err, "an input") : DBT_OK;
}

dbt_status dbt__input_drain(dbt__input *input, dbt_error *err)
{
    size_t bytes = 1;
    dbt_status status = need_block(input, err);
    while (status == DBT_OK && bytes > 0)
        status = dbt__input_read(input, input->block, BLOCK_BYTES, &bytes, err);
    return status;
}

bool dbt__input_is_packed(const dbt__input *input)
{
    static const struct {
        const char *bytes;
        size_t n;
    } magic[] = {
        {"\x1f\x8b", 2}, /* gzip */
        {"BZh", 3},      /* bzip2 */
        {"\xfd"
         "7zXZ",
         5},                     /* xz */
        {"\x28\xb5\x2f\xfd", 4}, /* zstd */
        {"\x5d\0\0", 3},         /* lzma */
        {"PK", 2},               /* zip */
        {"7z\xbc\xaf", 4},       /* 7-zip */
    };
    const dbt__buffer *head = &input->kept;
    if (head->length == 0) return false;
    for (size_t i = 0; i < sizeof magic / sizeof *magic; i++)
        if (head->length >= magic[i].n && memcmp(head->data, magic[i].bytes, magic[i].n) == 0)
            return true;
    /* A tar header is padded with NULs from its first field on. */
    return head->length == HEAD_BYTES && memchr(head->data, '\0', 100) != NULL &&
           head->data[0] != '\0';
}

/* --- libarchive --- */

/* The next bytes as they are; 0: the end, -1: input->error. */
static ssize_t take_block(dbt__input *input, const char **block)
{
    *block = input->block;
    size_t left = input->kept.length - input->given;
    if (left > 0) {
        *block = input->kept.data + input->given;
        input->given += left;
        return (ssize_t)left;
    }
    ssize_t got = read_some(input, input->block, BLOCK_BYTES);
    if (got < 0) input->error = errno;
    if (got > 0 && input->keeping) {
        /* The block that is handed out must not move: it is block, not kept. */
        if (dbt__buffer_append(&input->kept, input->block, (size_t)got, NULL) < 0) {
            input->error = ENOMEM;
            return -1;
        }
        input->given = input->kept.length;
    }
    return got;
}

/* The same unpacked; -1: input->error or input->damage. */
static ssize_t take_unpacked(dbt__input *input, const char **block)
{
    size_t bytes = 0;
    bool ended = false;
    *block = input->unpacked;
    while (bytes == 0 && !ended) {
        const char *packed;
        if (dbt__gunzip_is_hungry(input->gunzip)) {
            ssize_t got = take_block(input, &packed);
            if (got < 0) return got;
            dbt__gunzip_give(input->gunzip, packed, (size_t)got);
        }
        input->damage =
            dbt__gunzip_read(input->gunzip, input->unpacked, BLOCK_BYTES, &bytes, &input->cause);
        if (input->damage < 0) return -1;
        ended = !dbt__gunzip_is_hungry(input->gunzip);
    }
    return (ssize_t)bytes;
}

/* As it is, or of gzip unpacked. Counts the zeros that the bytes so far end with. */
static ssize_t take_next(dbt__input *input, const char **block)
{
    ssize_t got = input->gunzip == NULL ? take_block(input, block) : take_unpacked(input, block);
    ssize_t zeros = 0;
    while (zeros < got && (*block)[got - 1 - zeros] == '\0')
        zeros++;
    if (got > 0) input->zeros = (zeros < got ? 0 : input->zeros) + (size_t)zeros;
    return got;
}

static la_ssize_t give_block(struct archive *archive, void *context, const void **block)
{
    dbt__input *input = context;
    const char *bytes;
    ssize_t got = take_next(input, &bytes);
    *block = bytes;
    if (got >= 0) return (la_ssize_t)got;
    archive_set_error(archive, input->error, "cannot be read");
    return ARCHIVE_FATAL;
}

static la_int64_t seek_input(struct archive *archive, void *context, la_int64_t offset, int whence)
{
    dbt__input *input = context;
    off_t at = lseek(input->fd, (off_t)offset, whence);
    if (at < 0) {
        input->error = errno;
        archive_set_error(archive, input->error, "%s", strerror(input->error));
        return ARCHIVE_FATAL;
    }
    input->kept.length = input->given = 0;
    input->position = (int64_t)at;
    return (la_int64_t)at;
}

static la_int64_t skip_input(struct archive *archive, void *context, la_int64_t request)
{
    dbt__input *input = context;
    (void)archive;
    if (input->given < input->kept.length) return 0;
    off_t from = lseek(input->fd, 0, SEEK_CUR);
    if (from < 0 || (int64_t)from + request > (int64_t)input->opened.st_size) return 0;
    off_t at = lseek(input->fd, (off_t)request, SEEK_CUR);
    if (at < 0) return 0;
    input->position = (int64_t)at;
    input->zeros = 0;
    return (la_int64_t)(at - from);
}

/* What libarchive has done. Where it could not read, it may see the end, or another format. */
static dbt_status check_archive(const dbt__input *input, struct archive *archive, bool failed,
                                dbt_error *err)
{
    if (input->error == ENOMEM || (failed && archive_errno(archive) == ENOMEM))
        return dbt__out_of_memory(err, "unpacking");
    if (input->error != 0) return fail_read(input, input->error, err);
    const char *cause = input->damage < 0 ? input->cause.message : archive_error_string(archive);
    if (input->damage == DBT_ENOMEM) return dbt__out_of_memory(err, "unpacking");
    if (!failed && input->damage == DBT_OK) return DBT_OK;
    if (cause == NULL) cause = "it is damaged or cut short";
    /* Some of libarchive's end with a newline. */
    size_t bytes = strlen(cause);
    while (bytes > 0 && cause[bytes - 1] == '\n')
        bytes--;
    return dbt__fail(err, DBT_EDATA, "%s: cannot be unpacked: %.*s", input->name, (int)bytes,
                     cause);
}

/* Unpacks what is left behind the archive's end, which nobody needs, to see that it is sound. */
static dbt_status check_rest(dbt__input *input, struct archive *archive, dbt_error *err)
{
    const char *block;
    ssize_t got = 1;
    while (input->gunzip != NULL && got > 0)
        got = take_next(input, &block);
    return check_archive(input, archive, got < 0, err);
}

static bool has_failed(int code)
{
    return code != ARCHIVE_OK && code != ARCHIVE_WARN && code != ARCHIVE_EOF;
}

/* For a new pass over what is packed. */
static dbt_status begin_gzip(dbt__input *input, dbt_error *err)
{
    dbt__gunzip_free(input->gunzip);
    input->gunzip = NULL;
    input->damage = DBT_OK;
    if (!input->is_gzip) return DBT_OK;
    if (input->unpacked == NULL) input->unpacked = dbt__grow_array(NULL, BLOCK_BYTES, 1);
    if (input->unpacked == NULL) return dbt__out_of_memory(err, "unpacking");
    return dbt__gunzip_new(&input->gunzip, err);
}

static dbt_status rewind_input(dbt__input *input, dbt_error *err)
{
    if (lseek(input->fd, 0, SEEK_SET) != 0) return fail_read(input, errno, err);
    dbt__hasher *fresh = dbt__hasher_new();
    if (fresh == NULL) return dbt__out_of_memory(err, "an input");
    dbt__hasher_free(input->hasher);
    input->hasher = fresh;
    input->kept.length = input->given = 0;
    input->position = 0;
    return DBT_OK;
}

dbt_status dbt__input_reopen(dbt__input *input, struct archive **archive, dbt_error *err)
{
    *archive = NULL;
    input->error = 0;
    input->zeros = 0;
    dbt_status status = need_block(input, err);
    if (status == DBT_OK) status = begin_gzip(input, err);
    if (status < 0) return status;
    if (input->seekable) status = rewind_input(input, err);
    if (status < 0) return status;
    struct archive *made = archive_read_new();
    if (made == NULL) return dbt__out_of_memory(err, "unpacking");
    bool sound = archive_read_support_filter_gzip(made) == ARCHIVE_OK &&
                 archive_read_support_filter_bzip2(made) == ARCHIVE_OK &&
                 archive_read_support_filter_xz(made) == ARCHIVE_OK &&
                 archive_read_support_filter_lzma(made) == ARCHIVE_OK &&
                 archive_read_support_filter_zstd(made) == ARCHIVE_OK &&
                 archive_read_support_format_empty(made) == ARCHIVE_OK &&
                 archive_read_support_format_raw(made) == ARCHIVE_OK &&
                 archive_read_support_format_tar(made) == ARCHIVE_OK &&
                 archive_read_support_format_zip(made) == ARCHIVE_OK &&
                 archive_read_support_format_7zip(made) == ARCHIVE_OK &&
                 archive_read_set_read_callback(made, give_block) == ARCHIVE_OK &&
                 archive_read_set_callback_data(made, input) == ARCHIVE_OK;
    if (sound && input->seekable && input->gunzip == NULL)
        sound = archive_read_set_seek_callback(made, seek_input) == ARCHIVE_OK &&
                archive_read_set_skip_callback(made, skip_input) == ARCHIVE_OK;
    if (!sound || archive_read_open1(made) != ARCHIVE_OK) {
        status = check_archive(input, made, true, err);
        (void)archive_read_free(made);
        return status;
    }
    *archive = made;
    return DBT_OK;
}

static dbt_status write_all(int fd, const char *data, size_t bytes)
{
    while (bytes > 0) {
        ssize_t put = write(fd, data, bytes);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return DBT_EIO;
        data += put;
        bytes -= (size_t)put;
    }
    return DBT_OK;
}

static int open_unnamed(void)
{
    static const char *const folders[] = {"/var/tmp", "/tmp"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        char path[64];
        (void)snprintf(path, sizeof path, "%s/dbtrain-XXXXXX", folders[i]);
        int fd = mkstemp(path);
        if (fd < 0) continue;
        (void)unlink(path);
        return fd;
    }
    return -1;
}

/* Copies a pipe, what was read of it and the rest, to a file, which then is the input. */
static dbt_status spool(dbt__input *input, dbt_error *err)
{
    dbt_status status = need_block(input, err);
    if (status < 0) return status;
    int fd = open_unnamed();
    if (fd < 0)
        return dbt__fail(err, DBT_EIO, "cannot make a temporary file for the archive '%s': %s",
                         input->name, strerror(errno));
    const char *from = input->kept.data;
    size_t bytes = input->kept.length;
    while (status == DBT_OK && bytes > 0) {
        status = write_all(fd, from, bytes);
        if (status < 0) {
            status = dbt__fail(err, DBT_EIO, "cannot write the temporary file for '%s': %s",
                               input->name, strerror(errno));
            break;
        }
        ssize_t got = read_some(input, input->block, BLOCK_BYTES);
        if (got < 0) status = fail_read(input, errno, err);
        from = input->block;
        bytes = got < 0 ? 0 : (size_t)got;
    }
    if (status == DBT_OK && fstat(fd, &input->opened) != 0) status = fail_read(input, errno, err);
    if (status < 0) {
        (void)close(fd);
        return status;
    }
    if (input->owned) (void)close(input->fd);
    input->fd = fd;
    input->owned = true;
    input->seekable = true;
    dbt__buffer_release(&input->kept);
    input->given = 0;
    return DBT_OK;
}

/* Formats with their directory at the end. */
static bool needs_seeking(const dbt__input *input)
{
    return input->kept.length >= 2 &&
           (memcmp(input->kept.data, "PK", 2) == 0 || memcmp(input->kept.data, "7z", 2) == 0);
}

/* One compressed stream. libarchive takes what nothing has packed for one, too. */
static bool is_stream(const dbt__input *input, struct archive *archive)
{
    return archive_format(archive) == ARCHIVE_FORMAT_RAW &&
           (input->gunzip != NULL || archive_filter_code(archive, 0) != ARCHIVE_FILTER_NONE);
}

/* Back to the first byte: libarchive has read ahead when it looked for a format, of a file its end,
 * too, which the digest must not have twice. Of a pipe all that was read is kept. */
static dbt_status begin_again(dbt__input *input, dbt_error *err)
{
    if (input->seekable) return rewind_input(input, err);
    input->given = 0;
    return DBT_OK;
}

dbt_status dbt__input_unpack(dbt__input *input, struct archive **archive, bool *is_archive,
                             dbt_error *err)
{
    *archive = NULL;
    *is_archive = false;
    dbt_status status = DBT_OK;
    if (!input->seekable && needs_seeking(input)) status = spool(input, err);
    input->keeping = !input->seekable;
    if (status == DBT_OK) status = dbt__input_reopen(input, archive, err);
    if (status < 0) return status;
    struct archive_entry *entry;
    int code = archive_read_next_header(*archive, &entry);
    bool is_empty = code == ARCHIVE_EOF;
    input->keeping = false;
    status = check_archive(input, *archive, has_failed(code), err);
    if (status == DBT_OK && is_empty) status = check_rest(input, *archive, err);
    if (status == DBT_OK && !is_empty && is_stream(input, *archive)) return DBT_OK;
    *is_archive = status == DBT_OK && !is_empty && archive_format(*archive) != ARCHIVE_FORMAT_RAW;
    (void)archive_read_free(*archive);
    *archive = NULL;
    if (status < 0) return status;
    if (*is_archive) {
        if (!input->seekable) status = spool(input, err);
        return status < 0 ? status : dbt__input_reopen(input, archive, err);
    }
    status = begin_again(input, err);
    return status == DBT_OK && is_empty ? dbt__input_drain(input, err) : status;
}

/* "./a//b" and "/a/./b" are "a/b": a folder's name is never empty. */
static dbt_status clean_path(dbt__buffer *path, const char *name, dbt_error *err)
{
    dbt_status status = DBT_OK;
    path->length = 0;
    for (const char *part = name; status == DBT_OK && *part != '\0';) {
        size_t bytes = strcspn(part, "/");
        bool counts = bytes > 0 && !(bytes == 1 && part[0] == '.');
        if (counts && path->length > 0) status = dbt__buffer_append(path, "/", 1, err);
        if (counts && status == DBT_OK) status = dbt__buffer_append(path, part, bytes, err);
        part += bytes;
        if (*part == '/') part++;
    }
    return status < 0 ? status : dbt__buffer_append(path, "", 1, err);
}

bool dbt__archive_ends_oddly(const dbt__input *input, struct archive *archive)
{
    bool is_tar = (archive_format(archive) & ARCHIVE_FORMAT_BASE_MASK) == ARCHIVE_FORMAT_TAR;
    return is_tar && archive_filter_code(archive, 0) == ARCHIVE_FILTER_NONE &&
           input->zeros < TAR_BLOCK;
}

/* A hard link may have content in a pax archive; it has a size then. */
static const char *describe_link(struct archive_entry *entry)
{
    if (archive_entry_filetype(entry) == AE_IFLNK)
        return "is a symbolic link, and the archive may not hold what it leads to: pack that in "
               "its place (tar --dereference), or ingest the unpacked folder";
    if (archive_entry_hardlink(entry) != NULL && archive_entry_size(entry) == 0)
        return "is a hard link, whose content is stored under another name: pack it under both "
               "(tar --hard-dereference), or ingest the unpacked folder";
    return NULL;
}

/* tar writes a file that it is given twice, and that has other links, as a link to itself. */
static bool leads_to_itself(struct archive_entry *entry)
{
    const char *name = archive_entry_pathname(entry), *target = archive_entry_hardlink(entry);
    return name != NULL && target != NULL && strcmp(name, target) == 0;
}

dbt_status dbt__archive_next(dbt__input *input, struct archive *archive, dbt__entry *next,
                             dbt_error *err)
{
    for (;;) {
        struct archive_entry *entry;
        int code = archive_read_next_header(archive, &entry);
        dbt_status status = check_archive(input, archive, has_failed(code), err);
        if (status < 0) return status;
        if (code == ARCHIVE_EOF) {
            status = check_rest(input, archive, err);
            return status < 0 ? status : DBT_DONE;
        }
        next->link = describe_link(entry);
        if (next->link == NULL && archive_entry_filetype(entry) != AE_IFREG) continue;
        if (next->link != NULL && leads_to_itself(entry)) continue;
        const char *name = archive_entry_pathname_utf8(entry);
        if (name == NULL) name = archive_entry_pathname(entry);
        status = clean_path(&input->path, name == NULL ? "" : name, err);
        if (status < 0) return status;
        if (input->path.length == 1)
            return dbt__fail(err, DBT_EDATA, "%s: an entry has no name", input->name);
        next->path = input->path.data;
        next->bytes = archive_entry_size_is_set(entry) ? (int64_t)archive_entry_size(entry) : -1;
        return DBT_OK;
    }
}

/* libarchive takes what follows a stream of bzip2, and is none, for the end: a second one that is
 * damaged, say. */
static dbt_status check_end(const dbt__input *input, struct archive *archive, dbt_error *err)
{
    if (archive_format(archive) != ARCHIVE_FORMAT_RAW ||
        archive_filter_code(archive, 0) != ARCHIVE_FILTER_BZIP2)
        return DBT_OK;
    int64_t used = archive_filter_bytes(archive, -1);
    if (used == input->position) return DBT_OK;
    return dbt__fail(err, DBT_EDATA,
                     "%s: cannot be unpacked: what follows its first %lld bytes is no bzip2",
                     input->name, (long long)used);
}

dbt_status dbt__archive_read(dbt__input *input, struct archive *archive, char *data,
                             size_t capacity, size_t *bytes, dbt_error *err)
{
    *bytes = 0;
    /* What one read(2) brought may unpack to any amount. */
    if (is_stopped(input)) return fail_read(input, EINTR, err);
    /* ARCHIVE_RETRY, too, is damage: of a sparse file it would come again and again. */
    la_ssize_t got = archive_read_data(archive, data, capacity);
    *bytes = got < 0 ? 0 : (size_t)got;
    dbt_status status = check_archive(input, archive, got < 0, err);
    return status == DBT_OK && got == 0 ? check_end(input, archive, err) : status;
}
