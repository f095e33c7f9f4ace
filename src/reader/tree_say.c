/*
 * tree_say.c: the one line that says what a folder or archive is.
 *
 * Labels come from the names of folders alone, so a layout that is not the expected one is taken
 * wrongly without an error. The line names the classes where they are few, and says what is seldom
 * meant: a label that is the name of a split, folders that become one class although they are in
 * different places, class folders at different depths. Splits are in the way of none of that: to a
 * place, the parts of a path that name a split do not count.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "reader.h"
#include "tree.h"

/* Labels that are named, at most, and their bytes. */
enum { MAX_LABELS = 8, LABELS_BYTES = 160 };

static int compare_strings(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sorts and drops what is there twice. */
static size_t make_unique(const char **text, size_t n)
{
    size_t kept = 0;
    qsort(text, n, sizeof *text, compare_strings);
    for (size_t i = 0; i < n; i++)
        if (kept == 0 || strcmp(text[kept - 1], text[i]) != 0) text[kept++] = text[i];
    return kept;
}

static void append_format(char *text, size_t bytes, const char *format, ...) DBT_PRINTF(3, 4);
static void append_format(char *text, size_t bytes, const char *format, ...)
{
    size_t used = strlen(text);
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text + used, bytes - used, format, arguments);
    va_end(arguments);
}

static void append_quoted(const char *const *name, size_t n, char *text, size_t bytes)
{
    for (size_t i = 0; i < n; i++)
        append_format(text, bytes, "%s'%s'", i == 0 ? "" : ", ", name[i]);
}

static void say_splits(const char *const *splits, size_t n, char *text, size_t bytes)
{
    append_format(text, bytes, n == 1 ? ", split " : ", splits ");
    append_quoted(splits, n, text, bytes);
}

/* Where they are few and short: the line is to be read. */
static void say_labels(const char *const *labels, size_t n, char *text, size_t bytes)
{
    size_t long_as = 0;
    append_format(text, bytes, "folder of %zu class%s", n, n == 1 ? "" : "es");
    for (size_t i = 0; i < n && n <= MAX_LABELS; i++)
        long_as += strlen(labels[i]) + strlen("'', ");
    if (n == 0 || n > MAX_LABELS || long_as > LABELS_BYTES) return;
    append_format(text, bytes, " (");
    append_quoted(labels, n, text, bytes);
    append_format(text, bytes, ")");
}

static void say_names(const char *lead, const char *names, size_t listed, size_t n, char *text,
                      size_t bytes)
{
    if (n == 0) return;
    append_format(text, bytes, "; %s: %s", lead, names);
    if (n > listed)
        append_format(text, bytes, "%s%zu more", listed == 0 ? "" : " and ", n - listed);
}

static void say_few(const char *lead, const dbt__few_names *few, char *text, size_t bytes)
{
    say_names(lead, few->names, few->listed, few->n, text, bytes);
}

/* --- what is seldom meant --- */

/* The next part of a path that names no split, from *at on; *at is behind it then. Without bytes:
 * there is none. */
static dbt_text next_plain_part(const char **at, const char *end)
{
    while (*at < end) {
        const char *begin = *at, *slash = memchr(begin, '/', (size_t)(end - begin));
        size_t bytes = (size_t)((slash == NULL ? end : slash) - begin);
        *at = slash == NULL ? end : slash + 1;
        if (bytes > 0 && dbt__split_of_name(begin, bytes) == NULL) return (dbt_text){begin, bytes};
    }
    return (dbt_text){NULL, 0};
}

static const char *end_of_place(const dbt__folder *folder)
{
    const char *slash = strrchr(folder->path, '/');
    return slash == NULL ? folder->path : slash;
}

/* Are both class folders below the same folders, but for those of splits? */
static bool is_same_place(const dbt__folder *a, const dbt__folder *b)
{
    const char *p = a->path, *q = b->path;
    for (;;) {
        dbt_text left = next_plain_part(&p, end_of_place(a));
        dbt_text right = next_plain_part(&q, end_of_place(b));
        if (left.bytes != right.bytes) return false;
        if (left.bytes == 0) return true;
        if (memcmp(left.data, right.data, left.bytes) != 0) return false;
    }
}

static size_t depth_of(const dbt__folder *folder)
{
    size_t depth = 0;
    const char *at = folder->path;
    while (next_plain_part(&at, end_of_place(folder)).bytes > 0)
        depth++;
    return depth;
}

static int compare_labels(const void *a, const void *b)
{
    const dbt__folder *const *left = a, *const *right = b;
    int order = strcmp((*left)->label, (*right)->label);
    return order != 0 ? order : strcmp((*left)->path, (*right)->path);
}

/* One that ends in such a name ("python-dev") may well be a label. */
static bool is_name_of_split(const char *label)
{
    const char *split = dbt__split_of_name(label, strlen(label));
    return split != NULL && strcasecmp(split, label) == 0;
}

static void say_split_labels(const char *const *labels, size_t n, char *text, size_t bytes)
{
    dbt__few_names few = {0};
    for (size_t i = 0; i < n; i++)
        if (is_name_of_split(labels[i])) dbt__few_names_add(&few, labels[i]);
    say_few("labels that are names of splits (whose folders belong above those of the classes)",
            &few, text, bytes);
}

/* `folder` is sorted by label. Of each label the places are held against its first folder's. Of
 * names of splits enough is said. */
static void say_scattered(const dbt__folder *const *folder, size_t n, char *text, size_t bytes)
{
    dbt__few_names few = {0};
    size_t first = 0;
    bool told = false; /* its first folder, too */
    for (size_t i = 0; i < n; i++) {
        if (strcmp(folder[i]->label, folder[first]->label) != 0) {
            first = i;
            told = false;
        }
        if (is_same_place(folder[i], folder[first]) || is_name_of_split(folder[i]->label)) continue;
        if (!told) dbt__few_names_add(&few, folder[first]->path);
        dbt__few_names_add(&few, folder[i]->path);
        told = true;
    }
    say_few("folders of the same name are one class", &few, text, bytes);
}

static void say_depths(const dbt__folder *const *folder, size_t n, char *text, size_t bytes)
{
    const dbt__folder *shallow = NULL, *deep = NULL;
    size_t least = 0, most = 0;
    for (size_t i = 0; i < n; i++) {
        size_t depth = depth_of(folder[i]);
        if (shallow == NULL || depth < least) shallow = folder[i], least = depth;
        if (deep == NULL || depth > most) deep = folder[i], most = depth;
    }
    if (least == most) return;
    append_format(text, bytes, "; class folders at different depths: %.80s, %.80s", shallow->path,
                  deep->path);
}

/* --- the line --- */

/* What a layout of class folders is made of; each array has room for all folders. */
typedef struct class_list {
    const char **label, **split;
    const dbt__folder **folder; /* labelled class folders */
    size_t n_labels, n_splits, n;
} class_list;

static void list_classes(const dbt__tree *tree, const char *split, class_list *list)
{
    for (size_t i = 0; i < tree->n; i++) {
        const dbt__folder *folder = &tree->folder[i];
        if (!folder->is_class) continue;
        bool given = split != NULL && folder->label != NULL;
        list->split[list->n_splits++] = given ? split : folder->split;
        if (folder->label == NULL) continue;
        list->label[list->n++] = folder->label;
        list->folder[list->n - 1] = folder;
    }
    list->n_labels = make_unique(list->label, list->n);
    list->n_splits = make_unique(list->split, list->n_splits);
    qsort(list->folder, list->n, sizeof *list->folder, compare_labels);
}

static void say_odd_labels(const class_list *list, char *text, size_t bytes)
{
    say_split_labels(list->label, list->n_labels, text, bytes);
    say_scattered(list->folder, list->n, text, bytes);
    say_depths(list->folder, list->n, text, bytes);
}

static void say_left_out(const dbt__tree *tree, char *text, size_t bytes)
{
    size_t left_out = 0, listed = 0;
    char names[200] = "";
    for (size_t i = 0; i < tree->n; i++) {
        const dbt__folder *folder = &tree->folder[i];
        if (folder->is_class || folder->files == 0) continue;
        left_out += folder->files;
        if (listed < 3 && strlen(names) + strlen(folder->path) + 64 < sizeof names)
            append_format(names, sizeof names, "%s%s%s%.40s", listed++ == 0 ? "" : ", ",
                          folder->path, folder->path[0] == '\0' ? "" : "/", folder->first_file);
    }
    say_names("left out", names, listed, left_out, text, bytes);
}

static dbt_status say_classes(const dbt__tree *tree, const char *split, bool labelled, char *text,
                              size_t bytes, dbt_error *err)
{
    class_list list = {.label = dbt__alloc_array(tree->n, sizeof *list.label),
                       .split = dbt__alloc_array(tree->n, sizeof *list.split),
                       .folder = dbt__alloc_array(tree->n, sizeof *list.folder)};
    dbt_status status = DBT_OK;
    if (list.label == NULL || list.split == NULL || list.folder == NULL) {
        status = dbt__out_of_memory(err, "folders");
    } else {
        list_classes(tree, split, &list);
        say_labels(list.label, list.n_labels, text, bytes);
        if (!labelled) append_format(text, bytes, ", no label");
        say_splits(list.split, list.n_splits, text, bytes);
        if (labelled) say_odd_labels(&list, text, bytes);
        say_left_out(tree, text, bytes);
    }
    dbt__free(list.label);
    dbt__free(list.split);
    dbt__free(list.folder);
    return status;
}

static void say_files(const dbt__tree *tree, char *text, size_t bytes)
{
    size_t tabular = 0;
    for (size_t i = 0; i < tree->n; i++)
        tabular += tree->folder[i].tabular;
    append_format(text, bytes, "%s of %zu file%s", tree->is_archive ? "archive" : "folder", tabular,
                  tabular == 1 ? "" : "s");
    say_few("left out", &tree->other, text, bytes);
}

dbt_status dbt__tree_say(const dbt__tree *tree, const char *split, bool labelled, char *text,
                         size_t bytes, dbt_error *err)
{
    dbt_status status = DBT_OK;
    if (tree->layout == DBT__LAYOUT_FILES)
        say_files(tree, text, bytes);
    else
        status = say_classes(tree, split, labelled, text, bytes, err);
    say_few("links to folders are not followed", &tree->link, text, bytes);
    say_few("left out, for they are no files", &tree->special, text, bytes);
    return status;
}
