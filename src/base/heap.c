/*
 * heap.c: huge pages for large blocks, and for the heap when the program has given it to us.
 *
 * A first touch of a page costs more than what is written to it, the more so in a virtual machine,
 * and tables that are walked at random miss the cache of translations. The heap cannot be told to
 * use huge pages: what was added to it since the last allocation is, before it is touched.
 */
#define _DEFAULT_SOURCE /* madvise, sbrk */
#include "heap.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include <dbtrain/heap.h>

#define HEAP_STEP ((size_t)32 << 20)
/* Bytes from which a block is apart from the heap, the most that glibc takes: blocks below are made
 * of pages that were touched before. */
#define APART ((size_t)32 << 20)
#define PAGE ((uintptr_t)4096)

/* Where the heap begins, 0 where it is not ours, and where it ended when it was seen last. */
static uintptr_t start;
static atomic_uintptr_t seen_end;
static bool is_tuned;

void dbt_tune_heap(void)
{
    is_tuned = true;
#ifdef __GLIBC__
    (void)mallopt(M_ARENA_MAX, 1);
    (void)mallopt(M_MMAP_THRESHOLD, (int)APART);
    (void)mallopt(M_TOP_PAD, (int)HEAP_STEP);
    (void)mallopt(M_TRIM_THRESHOLD, (int)(2 * HEAP_STEP));
    start = (uintptr_t)sbrk(0);
    atomic_store(&seen_end, start);
#endif
}

bool dbt__heap_is_tuned(void)
{
    return is_tuned;
}

static void advise(uintptr_t first, uintptr_t end)
{
#ifdef MADV_HUGEPAGE
    first = (first + PAGE - 1) / PAGE * PAGE;
    end = end / PAGE * PAGE;
    if (first < end) (void)madvise((void *)first, end - first, MADV_HUGEPAGE);
#else
    (void)first;
    (void)end;
#endif
}

/* All of it: it may have shrunk and grown since. Costs a few instructions where it ends as before.
 */
void dbt__advise_heap(void)
{
    if (start == 0) return;
    uintptr_t end = (uintptr_t)sbrk(0);
    if (end == atomic_exchange_explicit(&seen_end, end, memory_order_relaxed)) return;
    advise(start, end);
}

void dbt__advise_huge_pages(void *memory, size_t bytes)
{
    dbt__advise_heap();
    if (bytes >= DBT__LARGE_BLOCK) advise((uintptr_t)memory, (uintptr_t)memory + bytes);
}
