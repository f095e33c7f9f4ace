/*
 * shimvfs.h: a file system for SQLite that passes every call on to the usual one and first asks a
 * hook about it. What fails, and when, is the hook's affair: test_io_faults.c fails the n-th call,
 * powerloss.c keeps what a disk had not yet written.
 *
 * Syncs are told to the hook and not passed on: no test here waits for a disk.
 */
#ifndef DBT_TEST_SHIMVFS_H
#define DBT_TEST_SHIMVFS_H

#include <stdbool.h>
#include <stdint.h>

typedef enum shim_operation {
    SHIM_OPEN,
    SHIM_READ,
    SHIM_WRITE,
    SHIM_TRUNCATE,
    SHIM_SYNC,
    SHIM_SIZE,
    SHIM_DELETE,
    SHIM_ACCESS,
    SHIM_MAP, /* of the log's index */
    SHIM_OPERATIONS
} shim_operation;

typedef struct shim_call {
    shim_operation operation;
    const char *name; /* of the file; NULL: a temporary one */
    int64_t offset;   /* read, write; truncate: the new size */
    const void *data; /* write */
    int bytes;        /* read, write */
    bool sync_folder; /* delete: the folder is synced afterwards */
} shim_call;

/* SQLITE_OK lets the call through; anything else is its result. */
typedef int (*shim_hook)(const shim_call *call);

/* What SQLite's own file system would report when that operation fails. */
int shim_error(shim_operation operation);
/* Registers the shim as the default, with a hook; the one beneath stays available as "unix". */
void shim_register(shim_hook hook);

#endif
