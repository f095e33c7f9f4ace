/* crashvfs.c: what was synced, what was not, and what a loss of power makes of it. */
#include "crashvfs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base.h"

enum { SECTOR = 512, MAX_FILES = 8 };

/* A write of at most a sector, or a truncation. */
typedef struct change {
    bool is_truncation;
    int64_t offset; /* truncation: the new size */
    int bytes;
    unsigned char data[SECTOR];
} change;

typedef struct image {
    char name[256];        /* "": a free place */
    bool in_folder;        /* its name will be there after a crash */
    bool deleted;          /* but may come back: the folder was not synced */
    unsigned char *synced; /* [room], `size` of it used */
    int64_t size, room;
    change *pending; /* since the sync, in their order */
    size_t n_pending, capacity;
} image;

static image files[MAX_FILES];
static long changes, stop_at;
static bool stopped;

static void *resize(void *memory, size_t bytes)
{
    memory = realloc(memory, bytes == 0 ? 1 : bytes);
    if (memory == NULL) abort();
    return memory;
}

static void forget(image *file)
{
    free(file->synced);
    free(file->pending);
    *file = (image){0};
}

static void read_synced(image *file)
{
    FILE *stream = fopen(file->name, "rb");
    file->in_folder = stream != NULL;
    if (stream == NULL) return;
    (void)fseek(stream, 0, SEEK_END);
    file->size = file->room = ftell(stream);
    rewind(stream);
    file->synced = resize(NULL, (size_t)file->size);
    if (fread(file->synced, 1, (size_t)file->size, stream) != (size_t)file->size) abort();
    (void)fclose(stream);
}

static image *find(const char *name)
{
    for (int i = 0; i < MAX_FILES; i++)
        if (strcmp(files[i].name, name) == 0) return &files[i];
    return NULL;
}

/* A file that is opened: as it is on the disk, unless it is known already. */
static void open_image(const char *name)
{
    image *file = find(name);
    if (file != NULL && !file->deleted) return;
    if (file != NULL) forget(file); /* a new one of the same name */
    file = find("");
    if (file == NULL) abort();
    (void)snprintf(file->name, sizeof file->name, "%s", name);
    read_synced(file);
}

/* So much of a change as `bytes` says. What is synced grows by halves: sanitizers copy it each
 * time. */
static void apply(image *file, const change *c, int bytes)
{
    int64_t end = c->is_truncation ? c->offset : c->offset + bytes;
    if (end > file->room) {
        file->room = end + end / 2;
        file->synced = resize(file->synced, (size_t)file->room);
    }
    if (end > file->size) {
        memset(file->synced + file->size, 0, (size_t)(end - file->size));
        file->size = end;
    }
    if (c->is_truncation)
        file->size = end;
    else
        memcpy(file->synced + c->offset, c->data, (size_t)bytes);
}

static void add_pending(image *file, const change *c)
{
    if (file->n_pending == file->capacity) {
        file->capacity = file->capacity * 2 + 16;
        file->pending = resize(file->pending, file->capacity * sizeof *file->pending);
    }
    file->pending[file->n_pending++] = *c;
}

static void add_write(image *file, const shim_call *call)
{
    const unsigned char *data = call->data;
    int64_t end = call->offset + call->bytes;
    for (int64_t at = call->offset; at < end;) {
        int64_t next = (at / SECTOR + 1) * SECTOR;
        change c = {.offset = at, .bytes = (int)((next < end ? next : end) - at)};
        memcpy(c.data, data + (at - call->offset), (size_t)c.bytes);
        add_pending(file, &c);
        at += c.bytes;
    }
}

/* Deletions are certain now. */
static void sync_folder(void)
{
    for (int i = 0; i < MAX_FILES; i++)
        if (files[i].deleted) forget(&files[i]);
}

static void apply_pending(image *file)
{
    for (size_t i = 0; i < file->n_pending; i++)
        apply(file, &file->pending[i], file->pending[i].bytes);
    file->n_pending = 0;
}

static void sync_image(image *file)
{
    apply_pending(file);
    if (file->in_folder) return;
    /* SQLite syncs the folder with the first sync of a new journal or log. */
    file->in_folder = true;
    sync_folder();
}

static void record(image *file, const shim_call *call)
{
    switch (call->operation) {
    case SHIM_WRITE:
        add_write(file, call);
        break;
    case SHIM_TRUNCATE:
        add_pending(file, &(change){.is_truncation = true, .offset = call->offset});
        break;
    case SHIM_SYNC:
        /* The disk stops while it syncs: nothing is certain yet. */
        if (!stopped) sync_image(file);
        break;
    default:
        file->deleted = true;
        if (call->sync_folder && !stopped) sync_folder();
        break;
    }
}

int crash_hook(const shim_call *call)
{
    if (stop_at < 0) return SQLITE_OK; /* no disk has begun */
    if (stopped) return shim_error(call->operation);
    if (call->name == NULL) return SQLITE_OK;
    if (call->operation == SHIM_OPEN) open_image(call->name);
    if (call->operation != SHIM_WRITE && call->operation != SHIM_TRUNCATE &&
        call->operation != SHIM_SYNC && call->operation != SHIM_DELETE)
        return SQLITE_OK;
    stopped = ++changes == stop_at;
    image *file = find(call->name);
    if (file != NULL) record(file, call);
    return stopped ? shim_error(call->operation) : SQLITE_OK;
}

void crash_begin(long n)
{
    for (int i = 0; i < MAX_FILES; i++)
        forget(&files[i]);
    changes = 0;
    stop_at = n;
    stopped = false;
}

bool crash_happened(void)
{
    return stopped;
}

long crash_changes(void)
{
    return changes;
}

/* --- what is left --- */

typedef struct dice {
    uint64_t seed, thrown;
} dice;

static bool one_in(dice *d, uint64_t n)
{
    return dbt__random_below(d->seed, d->thrown++, n) == 0;
}

/* Some changes change places. */
static void reorder(image *file, dice *d)
{
    for (size_t i = 0; i + 1 < file->n_pending; i++) {
        if (!one_in(d, 8)) continue;
        size_t left = file->n_pending - i;
        size_t j = i + (size_t)dbt__random_below(d->seed, d->thrown++, left);
        change kept = file->pending[i];
        file->pending[i] = file->pending[j];
        file->pending[j] = kept;
    }
}

static void damage(image *file, dice *d)
{
    reorder(file, d);
    for (size_t i = 0; i < file->n_pending; i++) {
        change *c = &file->pending[i];
        int bytes = c->bytes;
        if (one_in(d, 2)) continue; /* lost */
        if (one_in(d, 8))
            bytes = (int)dbt__random_below(d->seed, d->thrown++, SECTOR) % (bytes + 1);
        if (one_in(d, 16)) memset(c->data, 0, sizeof c->data);
        apply(file, c, bytes);
    }
}

static void write_image(const image *file)
{
    FILE *stream = fopen(file->name, "wb");
    if (stream == NULL ||
        fwrite(file->synced, 1, (size_t)file->size, stream) != (size_t)file->size ||
        fclose(stream) != 0)
        abort();
}

void crash_leave(uint64_t seed)
{
    dice d = {seed, 0};
    bool nothing = one_in(&d, 6), everything = !nothing && one_in(&d, 6);
    for (int i = 0; i < MAX_FILES; i++) {
        image *file = &files[i];
        if (file->name[0] == '\0') continue;
        bool there = (file->in_folder || one_in(&d, 2)) && (!file->deleted || one_in(&d, 2));
        if (everything)
            apply_pending(file);
        else if (!nothing)
            damage(file, &d);
        if (there)
            write_image(file);
        else
            (void)unlink(file->name);
        forget(file);
    }
    stop_at = -1;
    stopped = false;
}
