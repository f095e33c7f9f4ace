/*
 * heap.h: the C library's heap as dbtrain wants it, for a program that does little else.
 */
#ifndef DBTRAIN_HEAP_H
#define DBTRAIN_HEAP_H

#include <dbtrain/export.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Sets up the heap of the whole process: one for all threads, so that what one of them frees
 * another can take and a limit of memory is one; grown in large steps, of huge pages; large blocks
 * apart from it, given back to the operating system when they are freed. SQLite's, whoever uses it
 * in the process, is limited to what the stores that are opened from then on may need. Call it
 * once, before there are threads. Without it dbtrain computes the same, some tenth slower, and may
 * pass a limit of memory by what the heaps of its threads keep. Where the C library is not glibc
 * only SQLite's heap is limited.
 */
DBT_EXPORT void dbt_tune_heap(void);

#ifdef __cplusplus
}
#endif
#endif
