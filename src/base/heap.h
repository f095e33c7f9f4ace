/* heap.h: what memory.c asks of heap.c. */
#ifndef DBT_BASE_HEAP_H
#define DBT_BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes from which huge pages gain more than is wasted at the ends of a block. */
#define DBT__LARGE_BLOCK ((size_t)4 << 20)

/* The program has called dbt_tune_heap: the process is dbtrain's. */
bool dbt__heap_is_tuned(void);
/* Asks for huge pages for a block that was just allocated, not written yet, and what was added to
 * the heap for it; in a heap of ours, what comes behind it is touched. */
void dbt__advise_huge_pages(void *memory, size_t bytes);

#endif
