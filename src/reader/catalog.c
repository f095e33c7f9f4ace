/*
 * catalog.c: a path as a sequence of parts.
 *
 * A single file, compressed or not, is one part. A folder is walked once, without recursion, to
 * note its folders (tree.c), then read in byte order of path; of its file names only those of one
 * class folder are held at a time. An archive is gone through twice in its own order: headers alone
 * for the layout, then the content.
 */
#define _XOPEN_SOURCE 700 /* realpath */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <archive_entry.h>

#include "reader_internal.h"
#include "tree.h"

enum { MAX_FILES = 1 << 24, MAX_CLASSES_BYTES = 1024 * 1024 };

typedef enum catalog_kind { KIND_FILE, KIND_FOLDER, KIND_ARCHIVE } catalog_kind;

/* File names, owned. */
typedef struct name_list {
    char **name;
    size_t n, capacity, next;
} name_list;

struct dbt__catalog {
    char *path;        /* as given, without slashes at its end */
    const char *shown; /* the path in names and messages: "stdin" for "-" */
    char *root;        /* its base name */
    char *above;       /* the name before that */
    catalog_kind kind;
    bool own_classes;
    dbt__waiting waiting;
    dbt__tree tree;
    dbt__input *input; /* of the file, the archive, or the folder's current file */
    struct archive *archive;
    bool file_given; /* KIND_FILE: the one part was */
    name_list files; /* KIND_FOLDER: all files of rows, or the documents of one class folder */
    size_t folder;   /* KIND_FOLDER: the class folder that comes next */
    const dbt__folder *current;
    uint64_t *digest; /* KIND_ARCHIVE: of its files of rows, when they were asked for */
    size_t n_digests, digest_capacity;
    size_t given;         /* parts so far */
    int64_t bytes_before; /* read of files that are closed */
    dbt__buffer name;
    dbt__part part;
    dbt__stream stream;
    bool streaming;
    bool ends_oddly; /* the archive */
    char said[1024];
};

/* --- names --- */

static void clear_names(name_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        dbt__free(list->name[i]);
    list->n = list->next = 0;
}

static dbt_status add_name(name_list *list, const char *name, dbt_error *err)
{
    if (list->n == MAX_FILES)
        return dbt__fail(err, DBT_EDATA, "more than %d files in one folder", MAX_FILES);
    dbt_status status = dbt__reserve((void **)&list->name, &list->capacity, list->n + 1,
                                     sizeof *list->name, "file names", err);
    if (status < 0) return status;
    list->name[list->n] = dbt__strdup(name);
    if (list->name[list->n] == NULL) return dbt__out_of_memory(err, "file names");
    list->n++;
    return DBT_OK;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* a, '/' unless a is empty, b; terminated, in `out`. */
static dbt_status join_path(const char *a, const char *b, dbt__buffer *out, dbt_error *err)
{
    out->length = 0;
    dbt_status status = dbt__buffer_append(out, a, strlen(a), err);
    if (status == DBT_OK && a[0] != '\0' && b[0] != '\0' && a[strlen(a) - 1] != '/')
        status = dbt__buffer_append(out, "/", 1, err);
    if (status == DBT_OK) status = dbt__buffer_append(out, b, strlen(b) + 1, err);
    return status;
}

/* The last two names of a path; those of the real one when it ends in a dot. */
static dbt_status name_root(dbt__catalog *c, dbt_error *err)
{
    const char *path = c->path, *slash = strrchr(path, '/');
    const char *base = slash == NULL ? path : slash + 1;
    char *real = NULL;
    if (strcmp(base, ".") == 0 || strcmp(base, "..") == 0) real = realpath(path, NULL);
    char *copy = dbt__strdup(real == NULL ? path : real);
    free(real); /* realpath's own */
    if (copy == NULL) return dbt__out_of_memory(err, "a path");
    char *last = strrchr(copy, '/'), *before = NULL;
    if (last != NULL) {
        *last = '\0';
        before = strrchr(copy, '/');
        before = before == NULL ? copy : before + 1;
    }
    c->root = dbt__strdup(last == NULL ? copy : last + 1);
    c->above = dbt__strdup(before == NULL ? "" : before);
    dbt__free(copy);
    if (c->root == NULL || c->above == NULL) return dbt__out_of_memory(err, "a path");
    c->tree.root = c->root;
    c->tree.above_root = c->above;
    return DBT_OK;
}

/* --- folders on disk --- */

static dbt_status fail_to_read(const char *path, dbt_error *err)
{
    return dbt__fail(err, DBT_EDATA, "%s: cannot be read: %s", path, strerror(errno));
}

/* Of a part that was listed. */
static dbt_status fail_to_find(const char *path, dbt_error *err)
{
    struct stat is;
    if (errno == ENOENT && lstat(path, &is) == 0)
        return dbt__fail(err, DBT_EDATA, "%s: is a link that leads nowhere", path);
    return fail_to_read(path, err);
}

/* *there is false of what has gone since the folder was listed. A link that leads nowhere is looked
 * at itself. */
static dbt_status look_at(const char *path, struct stat *is, bool *there, dbt_error *err)
{
    *there = stat(path, is) == 0;
    bool gone = !*there && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP);
    if (!*there && !gone) return fail_to_read(path, err);
    if (gone) *there = lstat(path, is) == 0 && S_ISLNK(is->st_mode);
    return DBT_OK;
}

/* So is a link that leads nowhere: when its turn comes, it cannot be read. */
static bool counts_as_file(const struct stat *is)
{
    return S_ISREG(is->st_mode) || S_ISLNK(is->st_mode);
}

/* The name of the next entry that is not hidden; NULL: there is none. */
static dbt_status next_entry(DIR *folder, const char *path, const char **name, dbt_error *err)
{
    const struct dirent *entry;
    do {
        errno = 0;
        entry = readdir(folder);
    } while (entry != NULL && entry->d_name[0] == '.');
    *name = entry == NULL ? NULL : entry->d_name;
    return entry == NULL && errno != 0 ? fail_to_read(path, err) : DBT_OK;
}

/* One entry of a folder: noted as a file, or put on the stack of folders to walk. */
static dbt_status note_entry(dbt__catalog *c, const char *relative, name_list *stack,
                             dbt__buffer *full, dbt_error *err)
{
    struct stat is, link;
    dbt__folder *folder;
    bool there = false;
    dbt_status status = join_path(c->path, relative, full, err);
    if (status == DBT_OK) status = look_at(full->data, &is, &there, err);
    if (status < 0 || !there) return status;
    if (S_ISDIR(is.st_mode)) {
        if (lstat(full->data, &link) != 0) return fail_to_read(full->data, err);
        if (S_ISLNK(link.st_mode)) {
            dbt__tree_add_link(&c->tree, relative);
            return DBT_OK;
        }
        status = dbt__tree_add_folder(&c->tree, relative, strlen(relative), &folder, err);
        return status < 0 ? status : add_name(stack, relative, err);
    }
    if (!counts_as_file(&is)) {
        dbt__few_names_add(&c->tree.special, relative);
        return DBT_OK;
    }
    status = dbt__tree_add_file(&c->tree, relative, &folder, err);
    if (status < 0) return status;
    if (dbt__tree_is_tabular(&c->tree, relative)) return add_name(&c->files, relative, err);
    const char *base = strrchr(relative, '/');
    if (!c->own_classes || strcmp(base == NULL ? relative : base + 1, "classes.txt") != 0)
        return DBT_OK;
    folder->classes_name = dbt__strdup(full->data); /* read when it is needed */
    return folder->classes_name == NULL ? dbt__out_of_memory(err, "class names") : DBT_OK;
}

/* Notes what is directly in a folder. */
static dbt_status list_folder(dbt__catalog *c, const char *relative, name_list *stack,
                              dbt_error *err)
{
    dbt__buffer full, path;
    dbt__buffer_init(&full, 0);
    dbt__buffer_init(&path, 0);
    dbt_status status = join_path(c->path, relative, &full, err);
    DIR *folder = status < 0 ? NULL : opendir(full.data);
    if (status == DBT_OK && folder == NULL) status = fail_to_read(full.data, err);
    while (status == DBT_OK) {
        const char *name;
        status = next_entry(folder, c->path, &name, err);
        if (status < 0 || name == NULL) break;
        status = join_path(relative, name, &path, err);
        if (status == DBT_OK) status = note_entry(c, path.data, stack, &full, err);
    }
    if (folder != NULL) (void)closedir(folder);
    dbt__buffer_release(&full);
    dbt__buffer_release(&path);
    return status;
}

static dbt_status walk_folder(dbt__catalog *c, dbt_error *err)
{
    name_list stack = {0};
    dbt__folder *root;
    dbt_status status = dbt__tree_add_folder(&c->tree, "", 0, &root, err);
    if (status == DBT_OK) status = add_name(&stack, "", err);
    while (status == DBT_OK && stack.n > 0) {
        char *relative = stack.name[--stack.n];
        status = list_folder(c, relative, &stack, err);
        dbt__free(relative);
    }
    clear_names(&stack);
    dbt__free(stack.name);
    if (status == DBT_OK) status = dbt__tree_decide(&c->tree, c->shown, err);
    if (status < 0) return status;
    if (c->tree.layout == DBT__LAYOUT_CLASSES)
        clear_names(&c->files);
    else
        qsort(c->files.name, c->files.n, sizeof *c->files.name, compare_names);
    return DBT_OK;
}

/* The documents of a class folder, in byte order. */
static dbt_status list_documents(dbt__catalog *c, const dbt__folder *from, dbt_error *err)
{
    dbt__buffer full, path;
    dbt__buffer_init(&full, 0);
    dbt__buffer_init(&path, 0);
    clear_names(&c->files);
    dbt_status status = join_path(c->path, from->path, &full, err);
    DIR *folder = status < 0 ? NULL : opendir(full.data);
    if (status == DBT_OK && folder == NULL) status = fail_to_read(full.data, err);
    while (status == DBT_OK) {
        const char *name;
        struct stat is;
        bool there = false;
        status = next_entry(folder, full.data, &name, err);
        if (status < 0 || name == NULL) break;
        status = join_path(full.data, name, &path, err);
        if (status == DBT_OK) status = look_at(path.data, &is, &there, err);
        if (status == DBT_OK && there && counts_as_file(&is))
            status = add_name(&c->files, name, err);
    }
    if (folder != NULL) (void)closedir(folder);
    dbt__buffer_release(&full);
    dbt__buffer_release(&path);
    if (status == DBT_OK) qsort(c->files.name, c->files.n, sizeof *c->files.name, compare_names);
    return status;
}

/* --- archives --- */

/* Reads a classes.txt that the walk through the headers has come to. */
static dbt_status take_classes(dbt__catalog *c, const char *path, dbt__folder *folder,
                               dbt_error *err)
{
    dbt__buffer text;
    char block[4096];
    size_t got = 1;
    dbt__buffer_init(&text, MAX_CLASSES_BYTES);
    dbt_status status = DBT_OK;
    while (status == DBT_OK && got > 0) {
        status = dbt__archive_read(c->input, c->archive, block, sizeof block, &got, err);
        if (status == DBT_OK) status = dbt__buffer_append(&text, block, got, err);
    }
    if (status == DBT_OK && folder->classes.n == 0)
        status = dbt__class_names_parse(text.data, text.length, path, &folder->classes, err);
    if (status == DBT_OK && folder->classes_name == NULL) {
        folder->classes_name = dbt__strdup(path);
        if (folder->classes_name == NULL) status = dbt__out_of_memory(err, "class names");
    }
    dbt__buffer_release(&text);
    return status;
}

/* A spreadsheet or text document is an archive, too, of XML files in folders. */
static bool is_office_document(const char *path)
{
    return strcmp(path, "[Content_Types].xml") == 0 || strcmp(path, "META-INF/manifest.xml") == 0;
}

/* What is to be read, and is a link. */
static dbt_status fail_link(const dbt__catalog *c, const dbt__entry *entry, dbt_error *err)
{
    return dbt__fail(err, DBT_EDATA, "%s/%s: %s", c->shown, entry->path, entry->link);
}

/* Notes one file of the archive; a link counts as one, for the layout is that of the folder which
 * was packed. */
static dbt_status scan_entry(dbt__catalog *c, const dbt__entry *entry, dbt_error *err)
{
    dbt__folder *folder;
    if (is_office_document(entry->path))
        return dbt__fail(err, DBT_EDATA,
                         "%s: is a document of an office program: save it as csv, in UTF-8",
                         c->shown);
    if (dbt__path_is_hidden(entry->path)) return DBT_OK;
    dbt_status status = dbt__tree_add_file(&c->tree, entry->path, &folder, err);
    if (status < 0 || c->tree.format == DBT__FOLDER || !c->own_classes) return status;
    const char *base = strrchr(entry->path, '/');
    if (strcmp(base == NULL ? entry->path : base + 1, "classes.txt") != 0) return DBT_OK;
    if (entry->link != NULL) return fail_link(c, entry, err);
    return take_classes(c, entry->path, folder, err);
}

static dbt_status scan_archive(dbt__catalog *c, dbt_error *err)
{
    dbt__folder *root;
    dbt__entry entry;
    dbt_status status = dbt__tree_add_folder(&c->tree, "", 0, &root, err);
    while (status == DBT_OK) {
        status = dbt__archive_next(c->input, c->archive, &entry, err);
        if (status == DBT_OK) status = scan_entry(c, &entry, err);
    }
    if (status == DBT_DONE) {
        c->ends_oddly = dbt__archive_ends_oddly(c->input, c->archive);
        status = dbt__tree_decide(&c->tree, c->shown, err);
    }
    if (status < 0) return status;
    (void)archive_read_free(c->archive);
    return dbt__input_reopen(c->input, &c->archive, err);
}

/* --- opening --- */

static dbt_status open_file(dbt__catalog *c, dbt_error *err)
{
    bool is_archive = false;
    dbt_status status = dbt__input_open(c->path, c->waiting, &c->input, err);
    if (status == DBT_OK && dbt__input_is_packed(c->input))
        status = dbt__input_unpack(c->input, &c->archive, &is_archive, err);
    if (status < 0) return status;
    c->kind = is_archive ? KIND_ARCHIVE : KIND_FILE;
    c->tree.is_archive = is_archive;
    if (!is_archive && c->tree.format == DBT__FOLDER)
        return dbt__fail(err, DBT_EDATA, "%s: neither a folder nor an archive", c->shown);
    return is_archive ? scan_archive(c, err) : DBT_OK;
}

dbt_status dbt__catalog_open(const char *path, dbt__format format, bool own_classes,
                             dbt__waiting waiting, dbt__catalog **catalog, dbt_error *err)
{
    struct stat is;
    *catalog = NULL;
    dbt__catalog *c = dbt__alloc(sizeof *c);
    if (c == NULL) return dbt__out_of_memory(err, "a catalog");
    dbt_status status = DBT_OK;
    c->tree.format = format;
    c->own_classes = own_classes;
    c->waiting = waiting;
    c->path = dbt__strdup(path);
    if (c->path == NULL) status = dbt__out_of_memory(err, "a catalog");
    for (size_t n = status < 0 ? 0 : strlen(c->path); n > 1 && c->path[n - 1] == '/'; n--)
        c->path[n - 1] = '\0';
    if (status == DBT_OK) c->shown = strcmp(c->path, "-") == 0 ? "stdin" : c->path;
    if (status == DBT_OK) status = name_root(c, err);
    if (status == DBT_OK && stat(c->path, &is) == 0 && S_ISDIR(is.st_mode)) {
        c->kind = KIND_FOLDER;
        status = walk_folder(c, err);
    } else if (status == DBT_OK) {
        status = open_file(c, err);
    }
    if (status < 0)
        dbt__catalog_close(c);
    else
        *catalog = c;
    return status;
}

static void end_stream(dbt__catalog *c)
{
    dbt__hasher_free(c->stream.hasher);
    if (c->kind == KIND_FOLDER && c->input != NULL) {
        if (c->archive != NULL) (void)archive_read_free(c->archive);
        c->archive = NULL;
        c->bytes_before += dbt__input_position(c->input);
        dbt__input_close(c->input);
        c->input = NULL;
    }
    c->stream = (dbt__stream){0};
    c->streaming = false;
}

void dbt__catalog_close(dbt__catalog *c)
{
    if (c == NULL) return;
    end_stream(c);
    if (c->archive != NULL) (void)archive_read_free(c->archive);
    dbt__input_close(c->input);
    dbt__tree_release(&c->tree);
    clear_names(&c->files);
    dbt__free(c->files.name);
    dbt__buffer_release(&c->name);
    dbt__free(c->digest);
    dbt__free(c->path);
    dbt__free(c->root);
    dbt__free(c->above);
    dbt__free(c);
}

const char *dbt__catalog_said(dbt__catalog *c, const char *split, bool labelled)
{
    if (c->kind == KIND_FILE) return NULL;
    int used = snprintf(c->said, sizeof c->said, "%.300s: ", c->shown);
    size_t at = used < 0 ? 0 : (size_t)used;
    c->said[at] = '\0';
    if (dbt__tree_say(&c->tree, split, labelled, c->said + at, sizeof c->said - at, NULL) < 0)
        return NULL;
    at = strlen(c->said);
    if (c->ends_oddly)
        (void)snprintf(c->said + at, sizeof c->said - at,
                       "; its end is not that of an archive: it may be cut short");
    return c->said;
}

int64_t dbt__catalog_bytes_read(const dbt__catalog *c)
{
    return c->bytes_before + (c->input == NULL ? 0 : dbt__input_position(c->input));
}

/* --- parts --- */

/* The part of a file in a folder or archive. */
static dbt_status set_part(dbt__catalog *c, const char *path, const dbt__folder *folder,
                           int64_t bytes, dbt_error *err)
{
    dbt_status status = join_path(c->shown, path, &c->name, err);
    if (status < 0) return status;
    c->part = (dbt__part){.name = c->name.data, .bytes = bytes};
    if (c->tree.layout == DBT__LAYOUT_CLASSES) {
        c->part.is_document = true;
        c->part.label = folder->label;
        c->part.split = folder->split;
    } else {
        c->part.split = dbt__tree_split(&c->tree, path);
        if (folder != NULL && folder->classes.n > 0) {
            c->part.classes = &folder->classes;
            c->part.classes_name = folder->classes_name;
        }
    }
    c->given++;
    return DBT_OK;
}

/* Of a file that is given by itself: a folder `dev` is as likely the one for devices, or for what
 * is being developed. */
static const char *split_of_folder(const char *name)
{
    const char *split = dbt__split_of_name(name, strlen(name));
    return split != NULL && strcmp(split, "dev") == 0 ? NULL : split;
}

static dbt_status next_file(dbt__catalog *c)
{
    if (c->file_given) return DBT_DONE;
    c->file_given = true;
    bool is_stdin = c->shown != c->path;
    const char *split = dbt__split_of_name(c->root, strlen(c->root));
    if (split == NULL && !is_stdin) split = split_of_folder(c->above);
    c->part = (dbt__part){.name = c->shown,
                          .split = split == NULL ? "train" : split,
                          .bytes = dbt__input_size(c->input)};
    return DBT_OK;
}

static dbt_status next_of_archive(dbt__catalog *c, dbt_error *err)
{
    for (;;) {
        dbt__entry entry;
        dbt_status status = dbt__archive_next(c->input, c->archive, &entry, err);
        if (status != DBT_OK) return status;
        if (dbt__path_is_hidden(entry.path)) continue;
        const dbt__folder *folder = dbt__tree_folder_of(&c->tree, entry.path);
        bool wanted = c->tree.layout == DBT__LAYOUT_CLASSES
                          ? folder != NULL && folder->is_class
                          : dbt__tree_is_tabular(&c->tree, entry.path);
        if (wanted && entry.link != NULL) return fail_link(c, &entry, err);
        /* As of a file that comes through a pipe: there is no second look at its rows. */
        bool once = c->tree.layout == DBT__LAYOUT_FILES && dbt__input_size(c->input) < 0;
        if (wanted) return set_part(c, entry.path, folder, once ? -1 : entry.bytes, err);
    }
}

/* Goes on to the next class folder when the names of this one are used up. */
static dbt_status advance_folder(dbt__catalog *c, dbt_error *err)
{
    while (c->tree.layout == DBT__LAYOUT_CLASSES && c->files.next == c->files.n) {
        while (c->folder < c->tree.n && !c->tree.folder[c->folder].is_class)
            c->folder++;
        if (c->folder == c->tree.n) return DBT_DONE;
        c->current = &c->tree.folder[c->folder++];
        dbt_status status = list_documents(c, c->current, err);
        if (status < 0) return status;
    }
    return c->files.next < c->files.n ? DBT_OK : DBT_DONE;
}

static dbt_status next_of_folder(dbt__catalog *c, dbt_error *err)
{
    dbt_status status = advance_folder(c, err);
    if (status != DBT_OK) return status;
    const char *path = c->files.name[c->files.next++];
    dbt__buffer joined;
    dbt__buffer_init(&joined, 0);
    dbt__folder *folder;
    if (c->tree.layout == DBT__LAYOUT_CLASSES) {
        status = join_path(c->current->path, path, &joined, err);
        if (status == DBT_OK) status = set_part(c, joined.data, c->current, -1, err);
    } else {
        folder = dbt__tree_folder_of(&c->tree, path);
        if (folder != NULL && folder->classes_name != NULL && folder->classes.n == 0)
            status = dbt__class_names_read(folder->classes_name, &folder->classes, err);
        if (status == DBT_OK) status = set_part(c, path, folder, -1, err);
    }
    dbt__buffer_release(&joined);
    struct stat is;
    if (status == DBT_OK && stat(c->part.name, &is) != 0) status = fail_to_find(c->part.name, err);
    if (status == DBT_OK) c->part.bytes = (int64_t)is.st_size;
    return status;
}

dbt_status dbt__catalog_next(dbt__catalog *c, const dbt__part **part, dbt_error *err)
{
    end_stream(c);
    *part = &c->part;
    switch (c->kind) {
    case KIND_FILE:
        return next_file(c);
    case KIND_FOLDER:
        return next_of_folder(c, err);
    case KIND_ARCHIVE:
        return next_of_archive(c, err);
    }
    return DBT_DONE;
}

dbt_status dbt__catalog_stream(dbt__catalog *c, dbt__stream **stream, dbt_error *err)
{
    dbt_status status = DBT_OK;
    *stream = &c->stream;
    if (c->kind == KIND_FOLDER) {
        bool is_archive = false;
        status = dbt__input_open(c->part.name, c->waiting, &c->input, err);
        if (status == DBT_OK && dbt__input_is_packed(c->input))
            status = dbt__input_unpack(c->input, &c->archive, &is_archive, err);
        if (status == DBT_OK && is_archive)
            status = dbt__fail(err, DBT_EDATA, "%s: an archive within a folder", c->part.name);
    }
    if (status < 0) return status;
    c->stream = (dbt__stream){.input = c->input, .archive = c->archive};
    c->streaming = true;
    if (c->kind == KIND_ARCHIVE) {
        c->stream.hasher = dbt__hasher_new();
        if (c->stream.hasher == NULL) return dbt__out_of_memory(err, "a hash");
    }
    return DBT_OK;
}

/* --- digests beforehand --- */

static dbt_status digest_entry(dbt__input *input, struct archive *archive, uint64_t *digest,
                               dbt_error *err)
{
    char block[16 * 1024];
    size_t got = 1;
    dbt_status status = DBT_OK;
    dbt__hasher *hasher = dbt__hasher_new();
    if (hasher == NULL) return dbt__out_of_memory(err, "a hash");
    while (status == DBT_OK && got > 0) {
        status = dbt__archive_read(input, archive, block, sizeof block, &got, err);
        dbt__hasher_update(hasher, block, got);
    }
    *digest = dbt__hasher_digest(hasher);
    dbt__hasher_free(hasher);
    return status;
}

/* All files of rows of the archive, in one pass with an input of its own; none where the path is
 * that of something else by now. */
static dbt_status digest_archive(dbt__catalog *c, dbt_error *err)
{
    dbt__input *input;
    struct archive *archive = NULL;
    bool is_archive = false;
    dbt_status status = dbt__input_open(c->path, c->waiting, &input, err);
    if (status == DBT_OK) status = dbt__input_unpack(input, &archive, &is_archive, err);
    while (status == DBT_OK && is_archive) {
        dbt__entry entry;
        status = dbt__archive_next(input, archive, &entry, err);
        if (status != DBT_OK) break;
        if (dbt__path_is_hidden(entry.path) || !dbt__tree_is_tabular(&c->tree, entry.path))
            continue;
        status = dbt__reserve((void **)&c->digest, &c->digest_capacity, c->n_digests + 1,
                              sizeof *c->digest, "digests", err);
        if (status == DBT_OK) status = digest_entry(input, archive, &c->digest[c->n_digests], err);
        if (status == DBT_OK) c->n_digests++;
    }
    if (archive != NULL) (void)archive_read_free(archive);
    dbt__input_close(input);
    return status == DBT_DONE ? DBT_OK : status;
}

dbt_status dbt__catalog_digest(dbt__catalog *c, uint64_t *digest, bool *known, dbt_error *err)
{
    dbt_status status = DBT_OK;
    *known = c->part.bytes >= 0 && (c->kind != KIND_ARCHIVE || c->tree.layout == DBT__LAYOUT_FILES);
    if (!*known) return DBT_OK;
    if (c->kind == KIND_ARCHIVE) {
        if (c->digest == NULL) status = digest_archive(c, err);
        *known = c->given <= c->n_digests;
        if (status == DBT_OK && *known) *digest = c->digest[c->given - 1];
        return status;
    }
    dbt__input *input;
    status = dbt__input_open(c->part.name, c->waiting, &input, err);
    if (status == DBT_OK) status = dbt__input_drain(input, err);
    if (status == DBT_OK) *digest = dbt__input_digest(input);
    dbt__input_close(input);
    return status;
}
