/*
 * heap.c: huge pages for large blocks, and for the heap when the program has given it to us.
 *
 * A first touch of a page costs more than what is written to it, the more so in a virtual machine,
 * and tables that are walked at random miss the cache of translations. The heap cannot be told to
 * use huge pages: what was added to it since the last allocation is, before it is touched.
 *
 * malloc itself is often the first to touch a page of the heap: behind a block that it cuts off it
 * notes how much is left, and holds its lock meanwhile. Threads that each want a block would clear
 * their pages one after the other. So whoever gets a block touches what comes behind it, without
 * the lock.
 */
#define _GNU_SOURCE /* madvise, sbrk */
#include "heap.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include <dbtrain/heap.h>

#include "base.h"

#define HEAP_STEP ((size_t)32 << 20)
/* Bytes from which a block is apart from the heap, the most that glibc takes: blocks below are made
 * of pages that were touched before. */
#define APART ((size_t)32 << 20)
#define PAGE ((uintptr_t)4096)
/* How much is touched behind a block of so many bytes or more, and what of it must be left for the
 * next one: a huge page, and half of one. */
#define AHEAD ((uintptr_t)2 << 20)
#define LEAST_AHEAD ((uintptr_t)1 << 20)
#define WORTH_TOUCHING ((size_t)64 << 10)

/* Where the heap begins, 0 where it is not ours, where it ended when it was seen last, and up to
 * where it was touched ahead since it was trimmed. */
static uintptr_t start;
static atomic_uintptr_t seen_end;
static atomic_uintptr_t touched_end;
static bool is_tuned;

void dbt_tune_heap(void)
{
    if (is_tuned) return;
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
static void advise_heap(void)
{
    if (start == 0) return;
    uintptr_t end = (uintptr_t)sbrk(0);
    if (end == atomic_exchange_explicit(&seen_end, end, memory_order_relaxed)) return;
    advise(start, end);
    if (end < atomic_load_explicit(&touched_end, memory_order_relaxed))
        atomic_store_explicit(&touched_end, end, memory_order_relaxed);
}

/* The block may be apart from the heap, or in its middle: nothing is to be done then. Several
 * threads may be here; each touches what no other does. */
static void touch_ahead(uintptr_t block_end)
{
#ifdef MADV_POPULATE_WRITE
    uintptr_t end = atomic_load_explicit(&seen_end, memory_order_relaxed) / PAGE * PAGE;
    uintptr_t touched = atomic_load_explicit(&touched_end, memory_order_relaxed);
    if (block_end < start || block_end > end || touched >= block_end + LEAST_AHEAD) return;
    uintptr_t from = block_end / PAGE * PAGE, to = from + AHEAD < end ? from + AHEAD : end;
    if (from < touched) from = touched;
    if (from < to && atomic_compare_exchange_strong(&touched_end, &touched, to))
        (void)madvise((void *)from, to - from, MADV_POPULATE_WRITE);
#else
    (void)block_end;
#endif
}

void dbt__advise_huge_pages(void *memory, size_t bytes)
{
    advise_heap();
    uintptr_t first = (uintptr_t)memory, end = first + bytes;
    if (bytes >= DBT__LARGE_BLOCK) advise(first, end);
    if (start != 0 && bytes >= WORTH_TOUCHING) touch_ahead(end);
}

#ifdef __GLIBC__
/* Bytes that the heap has, in use or not. */
static size_t heap_bytes(void)
{
#if __GLIBC_PREREQ(2, 33)
    struct mallinfo2 facts = mallinfo2();
    return facts.arena + facts.hblkhd;
#else
    return SIZE_MAX;
#endif
}
#endif

void dbt__trim_memory(size_t enough)
{
#ifdef __GLIBC__
    if (heap_bytes() <= enough) return;
    (void)malloc_trim(0);
    advise_heap();
    atomic_store_explicit(&touched_end, 0, memory_order_relaxed);
#else
    (void)enough;
#endif
}
