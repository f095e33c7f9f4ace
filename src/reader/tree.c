/*
 * tree.c: class folders, or files of rows?
 *
 * A class folder holds documents and no folders that hold files; but one beside a class folder is
 * one, too, if more files are in it than in the folders below it, which are then left out, and
 * named. Where there are two class folders or more, the files are documents (and a stray csv beside
 * them is left out, and named); otherwise, where there is a csv, tsv or jsonl file, these are the
 * corpus. --format overrules both. Only folders are kept, in a hash table by path, not files: an
 * archive of a million documents has few folders.
 */
#include "tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "reader_internal.h"

enum { MAX_FOLDERS = 1 << 20 };

void dbt__tree_release(dbt__tree *tree)
{
    for (size_t i = 0; i < tree->n; i++) {
        dbt__free(tree->folder[i].path);
        dbt__free(tree->folder[i].first_file);
        dbt__free(tree->folder[i].classes_name);
        dbt__class_names_release(&tree->folder[i].classes);
    }
    dbt__free(tree->folder);
    dbt__free(tree->slot);
    *tree = (dbt__tree){0};
}

bool dbt__path_is_hidden(const char *path)
{
    for (const char *p = path; p != NULL; p = strchr(p, '/')) {
        if (*p == '/') p++;
        if (*p == '.' && strncmp(p, "./", 2) != 0 && strncmp(p, "../", 3) != 0) return true;
        if (strncmp(p, "__MACOSX/", 9) == 0) return true;
    }
    return false;
}

static size_t folder_bytes(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? 0 : (size_t)(slash - path);
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

bool dbt__tree_is_tabular(const dbt__tree *tree, const char *path)
{
    dbt__format format;
    const char *name = base_name(path);
    if (tree->format == DBT__FOLDER || !dbt__name_has_format(name, &format)) return false;
    /* Nothing unpacks a compressed file inside an archive. */
    if (tree->is_archive && dbt__name_is_packed(name)) return false;
    if (strcmp(name, "classes.txt") == 0 || strcasecmp(name, "readme.txt") == 0) return false;
    if (tree->format == DBT__DETECT) return format != DBT__DETECT;
    return format == tree->format || format == DBT__DETECT;
}

/* --- the table of folders --- */

static size_t find_slot(const dbt__tree *tree, const char *path, size_t bytes)
{
    size_t at = (size_t)dbt__hash(path, bytes, 0) & (tree->slots - 1);
    while (tree->slot[at] != 0) {
        const char *other = tree->folder[tree->slot[at] - 1].path;
        if (strncmp(other, path, bytes) == 0 && other[bytes] == '\0') break;
        at = (at + 1) & (tree->slots - 1);
    }
    return at;
}

/* (Re)builds the hash table with room for twice the folders. */
static dbt_status index_folders(dbt__tree *tree, dbt_error *err)
{
    size_t slots = 64;
    while (slots < tree->n * 4)
        slots *= 2;
    uint32_t *fresh = dbt__alloc_array(slots, sizeof *fresh);
    if (fresh == NULL) return dbt__out_of_memory(err, "folders");
    dbt__free(tree->slot);
    tree->slot = fresh;
    tree->slots = slots;
    for (size_t i = 0; i < tree->n; i++)
        tree->slot[find_slot(tree, tree->folder[i].path, strlen(tree->folder[i].path))] =
            (uint32_t)(i + 1);
    return DBT_OK;
}

static dbt__folder *find_folder(dbt__tree *tree, const char *path, size_t bytes)
{
    if (tree->slots == 0) return NULL;
    const dbt__folder *last = tree->last < tree->n ? &tree->folder[tree->last] : NULL;
    if (last != NULL && strncmp(last->path, path, bytes) == 0 && last->path[bytes] == '\0')
        return &tree->folder[tree->last];
    uint32_t index = tree->slot[find_slot(tree, path, bytes)];
    if (index == 0) return NULL;
    tree->last = index - 1;
    return &tree->folder[tree->last];
}

dbt__folder *dbt__tree_folder_of(dbt__tree *tree, const char *path)
{
    return find_folder(tree, path, folder_bytes(path));
}

static dbt_status add_one(dbt__tree *tree, const char *path, size_t bytes, dbt_error *err)
{
    if (tree->n == MAX_FOLDERS)
        return dbt__fail(err, DBT_EDATA, "%s: more than %d folders", tree->root, MAX_FOLDERS);
    dbt_status status = dbt__reserve((void **)&tree->folder, &tree->capacity, tree->n + 1,
                                     sizeof *tree->folder, "folders", err);
    if (status < 0) return status;
    char *copy = dbt__alloc_array(bytes + 1, 1);
    if (copy == NULL) return dbt__out_of_memory(err, "folders");
    memcpy(copy, path, bytes);
    tree->folder[tree->n] = (dbt__folder){.path = copy};
    tree->last = tree->n++;
    if (tree->n * 2 > tree->slots) return index_folders(tree, err);
    tree->slot[find_slot(tree, path, bytes)] = (uint32_t)tree->n;
    return DBT_OK;
}

static size_t parent_bytes(const char *path, size_t bytes)
{
    while (bytes > 0 && path[bytes - 1] != '/')
        bytes--;
    return bytes > 0 ? bytes - 1 : 0;
}

dbt_status dbt__tree_add_folder(dbt__tree *tree, const char *path, size_t bytes,
                                dbt__folder **folder, dbt_error *err)
{
    bool missing = find_folder(tree, path, bytes) == NULL;
    /* Upwards until one is known: those above it are known then. */
    for (size_t at = bytes; missing;) {
        dbt_status status = add_one(tree, path, at, err);
        if (status < 0) return status;
        if (at == 0) break;
        at = parent_bytes(path, at);
        missing = find_folder(tree, path, at) == NULL;
    }
    *folder = find_folder(tree, path, bytes);
    return DBT_OK;
}

void dbt__few_names_add(dbt__few_names *few, const char *path)
{
    size_t used = strlen(few->names);
    few->n++;
    if (few->n > 3 || used + strlen(path) + 3 >= sizeof few->names) return;
    (void)snprintf(few->names + used, sizeof few->names - used, "%s%s", used == 0 ? "" : ", ",
                   path);
    few->listed++;
}

void dbt__tree_add_link(dbt__tree *tree, const char *path)
{
    dbt__few_names_add(&tree->link, path);
}

dbt_status dbt__tree_add_file(dbt__tree *tree, const char *path, dbt__folder **folder,
                              dbt_error *err)
{
    dbt_status status = dbt__tree_add_folder(tree, path, folder_bytes(path), folder, err);
    if (status < 0) return status;
    const char *name = base_name(path);
    if ((*folder)->first_file == NULL) {
        (*folder)->first_file = dbt__strdup(name);
        if ((*folder)->first_file == NULL) return dbt__out_of_memory(err, "folders");
    }
    (*folder)->files++;
    if (dbt__tree_is_tabular(tree, path))
        (*folder)->tabular++;
    else if (strcmp(name, "classes.txt") != 0)
        dbt__few_names_add(&tree->other, path);
    return DBT_OK;
}

/* --- the decision --- */

static int compare_folders(const void *a, const void *b)
{
    /* As if each path ended in '/': then the files of the folders, in this order, are in byte order
     * of path. */
    const unsigned char *p = (const unsigned char *)((const dbt__folder *)a)->path;
    const unsigned char *q = (const unsigned char *)((const dbt__folder *)b)->path;
    while (*p != '\0' && *p == *q)
        p++, q++;
    int left = *p == '\0' ? '/' : *p, right = *q == '\0' ? '/' : *q;
    if (left == right && *p != *q) return *p == '\0' ? -1 : 1;
    return *p == *q ? 0 : left - right;
}

static dbt__folder *folder_above(dbt__tree *tree, const dbt__folder *folder)
{
    if (folder->path[0] == '\0') return NULL;
    return find_folder(tree, folder->path, parent_bytes(folder->path, strlen(folder->path)));
}

static bool has_documents(const dbt__tree *tree, const dbt__folder *folder)
{
    if (folder->files == 0 || (tree->is_archive && folder->path[0] == '\0')) return false;
    return tree->format == DBT__FOLDER || folder->tabular == 0;
}

/* A class folder into which folders have strayed, rather than one of class folders with a few files
 * beside them. */
static bool is_class_with_strays(const dbt__tree *tree, const dbt__folder *folder,
                                 const dbt__folder *above)
{
    const char *name = base_name(folder->path);
    return above->has_class && has_documents(tree, folder) && folder->files > folder->files_below &&
           dbt__split_of_name(name, strlen(name)) == NULL;
}

/* Finds the class folders and counts them. A folder comes before those in it, in tree->folder. */
static size_t find_classes(dbt__tree *tree)
{
    size_t classes = 0;
    for (size_t i = tree->n; i-- > 0;) {
        dbt__folder *folder = &tree->folder[i], *above = folder_above(tree, folder);
        folder->is_class = has_documents(tree, folder) && folder->files_below == 0;
        if (above == NULL) continue;
        above->files_below += folder->files + folder->files_below;
        above->has_class |= folder->is_class;
    }
    for (size_t i = 0; i < tree->n; i++) {
        dbt__folder *folder = &tree->folder[i], *above = folder_above(tree, folder);
        folder->in_class = above != NULL && (above->is_class || above->in_class);
        if (folder->in_class)
            folder->is_class = false;
        else if (!folder->is_class && above != NULL)
            folder->is_class = is_class_with_strays(tree, folder, above);
        classes += folder->is_class;
    }
    return classes;
}

/* The nearest of the folders of a path that names a split; the first `bytes` bytes of it are looked
 * at. */
static const char *split_above(const dbt__tree *tree, const char *path, size_t bytes)
{
    while (bytes > 0) {
        size_t above = parent_bytes(path, bytes), from = above == 0 ? 0 : above + 1;
        const char *split = dbt__split_of_name(path + from, bytes - from);
        if (split != NULL) return split;
        bytes = above;
    }
    const char *split = dbt__split_of_name(tree->root, strlen(tree->root));
    return split == NULL ? "train" : split;
}

const char *dbt__tree_split(const dbt__tree *tree, const char *path)
{
    return split_above(tree, path, strlen(path));
}

static void name_class_folder(const dbt__tree *tree, dbt__folder *folder)
{
    bool is_root = folder->path[0] == '\0';
    const char *name = is_root ? tree->root : base_name(folder->path);
    folder->label = name;
    if (is_root) {
        const char *split = dbt__split_of_name(tree->above_root, strlen(tree->above_root));
        folder->split = split == NULL ? "train" : split;
    } else {
        folder->split = split_above(tree, folder->path, folder_bytes(folder->path));
    }
    static const char *const unlabelled[] = {"unsup", "unlabeled"};
    for (size_t i = 0; i < 2; i++)
        if (strcmp(name, unlabelled[i]) == 0) {
            folder->label = NULL;
            folder->split = unlabelled[i];
        }
}

dbt_status dbt__tree_decide(dbt__tree *tree, const char *name, dbt_error *err)
{
    size_t tabular = 0;
    qsort(tree->folder, tree->n, sizeof *tree->folder, compare_folders);
    dbt_status status = index_folders(tree, err);
    if (status < 0) return status;
    size_t classes = find_classes(tree);
    for (size_t i = 0; i < tree->n; i++)
        tabular += tree->folder[i].tabular;
    bool wants_rows = tree->format != DBT__DETECT && tree->format != DBT__FOLDER;
    if (tabular > 0 && (wants_rows || classes < 2)) {
        tree->layout = DBT__LAYOUT_FILES;
        return DBT_OK;
    }
    if (wants_rows)
        return dbt__fail(err, DBT_EDATA, "%s: no %s files in it", name,
                         dbt__format_name(tree->format));
    if (classes == 0)
        return dbt__fail(err, DBT_EDATA,
                         "%s: neither class folders nor csv, tsv or jsonl files in it%s", name,
                         tree->link.n > 0 ? ", and links to folders are not followed" : "");
    tree->layout = DBT__LAYOUT_CLASSES;
    for (size_t i = 0; i < tree->n; i++)
        if (tree->folder[i].is_class) name_class_folder(tree, &tree->folder[i]);
    return DBT_OK;
}
