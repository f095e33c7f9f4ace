/*
 * allocations.h: the n-th allocation fails.
 *
 * Two doors can be shut: dbtrain's own, which is src/base/memory.c, by the linker's --wrap of what
 * that file calls; and SQLite's, by its own configuration. jansson's can be made to go through the
 * first. The other libraries' allocations are left alone.
 */
#ifndef DBT_TEST_ALLOCATIONS_H
#define DBT_TEST_ALLOCATIONS_H

#include <stdbool.h>

typedef enum allocation_door { DOOR_OWN, DOOR_SQLITE, DOORS } allocation_door;

/* Once, before SQLite is used. */
void allocations_install(void);
/* Once, before jansson is used: what it allocates counts as dbtrain's. */
void allocations_install_json(void);
/* From here on the n-th allocation (from 1) through the door fails, and the later ones if so
 * wished. */
void allocations_arm(allocation_door door, long n, bool from_then_on);
/* Nothing fails any more. How many allocations there were through the door. */
long allocations_disarm(void);

#endif
