/*
 * tree.h: the folders of a folder or archive, and which layout their files have.
 *
 * Files are noted one by one, in any order, while a disk or an archive's headers are walked; then
 * dbt__tree_decide settles what they are.
 */
#ifndef DBT_TREE_H
#define DBT_TREE_H

#include "base.h"
#include "reader.h"

typedef struct dbt__folder {
    char *path;         /* relative to the root, which is "" */
    size_t files;       /* directly in it, */
    size_t files_below; /* and in the folders below it: counted when it is decided */
    size_t tabular;     /* of these, csv and the like */
    char *first_file;   /* name of one of them */
    char *classes_name;
    dbt__class_names classes; /* of its classes.txt */
    bool is_class;            /* decided: its files are documents, */
    bool has_class;           /* a folder in it holds nothing but documents, */
    bool in_class;            /* one that it is in, directly or not, is a class */
    const char *label;        /* of a class folder: the last part of its path; NULL: unlabelled */
    const char *split;
} dbt__folder;

/* Names of the first few of them. */
typedef struct dbt__few_names {
    size_t n, listed;
    char names[160];
} dbt__few_names;

/* Counts one more, and names it while it is one of the first and fits. */
void dbt__few_names_add(dbt__few_names *few, const char *name);

typedef enum dbt__layout { DBT__LAYOUT_FILES, DBT__LAYOUT_CLASSES } dbt__layout;

typedef struct dbt__tree {
    const char *root;       /* base name of the path, for labels and splits; borrowed */
    const char *above_root; /* the name before it, may be ""; borrowed */
    dbt__format format;     /* what the caller asked for */
    bool is_archive;        /* then the root is no folder */
    dbt__folder *folder;    /* [n]; by path when decided */
    size_t n, capacity;
    uint32_t *slot; /* [slots] hash table of folder indexes + 1 */
    size_t slots;
    size_t last;            /* the folder found last: neighbours come together */
    dbt__few_names other;   /* files that are neither tabular nor classes.txt */
    dbt__few_names link;    /* links to folders */
    dbt__few_names special; /* pipes, sockets and devices */
    dbt__layout layout;
} dbt__tree;

void dbt__tree_release(dbt__tree *tree);
/* Is this name hidden, in any of its folders? */
bool dbt__path_is_hidden(const char *path);
/* Is it a file of rows rather than a document? */
bool dbt__tree_is_tabular(const dbt__tree *tree, const char *path);
/* Notes a folder, and those above it. *folder is valid until the next is added. */
dbt_status dbt__tree_add_folder(dbt__tree *tree, const char *path, size_t bytes,
                                dbt__folder **folder, dbt_error *err) DBT_MUST_USE;
/* Notes a file; *folder is its folder. */
dbt_status dbt__tree_add_file(dbt__tree *tree, const char *path, dbt__folder **folder,
                              dbt_error *err) DBT_MUST_USE;
/* Notes a link to a folder, which might lead back: it is named, and not followed. */
void dbt__tree_add_link(dbt__tree *tree, const char *path);
/* The folder of a file; NULL when nothing in it was noted. */
dbt__folder *dbt__tree_folder_of(dbt__tree *tree, const char *path);
/* Chooses the layout, finds class folders, labels and splits. DBT_EDATA: there is nothing to read.
 */
dbt_status dbt__tree_decide(dbt__tree *tree, const char *name, dbt_error *err) DBT_MUST_USE;
/* Split of a file of rows: its own name's, else that of the nearest folder, else the root's, else
 * train. */
const char *dbt__tree_split(const dbt__tree *tree, const char *path);
/* "folder of 2 classes ('neg', 'pos'), splits 'test', 'train'; left out: README", and what may not
 * be meant so; `split` NULL: the detected ones; labelled: the classes are labels. tree_say.c. */
dbt_status dbt__tree_say(const dbt__tree *tree, const char *split, bool labelled, char *text,
                         size_t bytes, dbt_error *err) DBT_MUST_USE;

#endif
