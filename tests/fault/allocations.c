/* allocations.c: counting allocations, and failing one. */
#include "allocations.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>

#include <jansson.h>
#include <sqlite3.h>

static struct {
    allocation_door door; /* DOORS: none is shut */
    long at;
    bool from_then_on;
    atomic_long calls;
} shut = {.door = DOORS};

static bool fails(allocation_door door)
{
    if (shut.door != door) return false;
    long call = atomic_fetch_add(&shut.calls, 1) + 1;
    return call == shut.at || (shut.from_then_on && call > shut.at);
}

void allocations_arm(allocation_door door, long n, bool from_then_on)
{
    shut.at = n;
    shut.from_then_on = from_then_on;
    atomic_store(&shut.calls, 0);
    shut.door = door;
}

long allocations_disarm(void)
{
    shut.door = DOORS;
    return atomic_load(&shut.calls);
}

/* --- dbtrain's: the linker sends the calls here --- */

void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *memory, size_t size);
int __real_posix_memalign(void **memory, size_t alignment, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *memory, size_t size);
int __wrap_posix_memalign(void **memory, size_t alignment, size_t size);

void *__wrap_calloc(size_t n, size_t size)
{
    return fails(DOOR_OWN) ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    return fails(DOOR_OWN) ? NULL : __real_realloc(memory, size);
}

int __wrap_posix_memalign(void **memory, size_t alignment, size_t size)
{
    return fails(DOOR_OWN) ? 12 /* ENOMEM */ : __real_posix_memalign(memory, alignment, size);
}

static void *allocate_json(size_t bytes)
{
    void *memory = __wrap_realloc(NULL, bytes);
    if (memory == NULL) errno = ENOMEM; /* as malloc does */
    return memory;
}

void allocations_install_json(void)
{
    json_set_alloc_funcs(allocate_json, free);
}

/* --- SQLite's --- */

static sqlite3_mem_methods usual;

static void *allocate(int bytes)
{
    return fails(DOOR_SQLITE) ? NULL : usual.xMalloc(bytes);
}

static void *reallocate(void *memory, int bytes)
{
    return fails(DOOR_SQLITE) ? NULL : usual.xRealloc(memory, bytes);
}

void allocations_install(void)
{
    if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &usual) != SQLITE_OK) abort();
    sqlite3_mem_methods counted = usual;
    counted.xMalloc = allocate;
    counted.xRealloc = reallocate;
    if (sqlite3_config(SQLITE_CONFIG_MALLOC, &counted) != SQLITE_OK) abort();
}
