/* memory.c: the one door for allocation, and buffers that grow through it. */
#include <stdlib.h>
#include <string.h>

#include "base.h"
#include "heap.h"

#define CACHE_LINE ((size_t)64)
#define HUGE_PAGE ((size_t)2 << 20)

bool dbt__multiply(size_t a, size_t b, size_t *product)
{
    return !__builtin_mul_overflow(a, b, product);
}

void *dbt__alloc_array(size_t n, size_t size)
{
    size_t bytes;
    if (!dbt__multiply(n, size, &bytes)) return NULL;
    void *memory = calloc(bytes == 0 ? 1 : bytes, 1);
    if (memory != NULL) dbt__advise_huge_pages(memory, bytes);
    return memory;
}

void *dbt__grow_array(void *memory, size_t n, size_t size)
{
    size_t bytes;
    if (!dbt__multiply(n, size, &bytes)) return NULL;
    void *grown = realloc(memory, bytes == 0 ? 1 : bytes);
    if (grown != NULL) dbt__advise_huge_pages(grown, bytes);
    return grown;
}

void *dbt__alloc_aligned(size_t n, size_t size)
{
    size_t bytes;
    if (!dbt__multiply(n, size, &bytes) || bytes > SIZE_MAX - CACHE_LINE) return NULL;
    bytes = bytes == 0 ? CACHE_LINE : (bytes + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
    void *memory = NULL;
    size_t boundary = bytes >= DBT__LARGE_BLOCK ? HUGE_PAGE : CACHE_LINE;
    if (posix_memalign(&memory, boundary, bytes) != 0) return NULL;
    dbt__advise_huge_pages(memory, bytes);
    memset(memory, 0, bytes);
    return memory;
}

void dbt__free(void *memory)
{
    free(memory);
}

void dbt_free(void *memory)
{
    dbt__free(memory);
}

char *dbt__strdup(const char *text)
{
    size_t bytes = strlen(text) + 1;
    char *copy = dbt__alloc_array(bytes, 1);
    if (copy != NULL) memcpy(copy, text, bytes);
    return copy;
}

dbt_status dbt__reserve(void **memory, size_t *capacity, size_t needed, size_t size,
                        const char *what, dbt_error *err)
{
    if (needed <= *capacity) return DBT_OK;
    size_t grown = *capacity + *capacity / 2;
    if (grown < needed) grown = needed;
    if (grown < 16) grown = 16;
    void *moved = dbt__grow_array(*memory, grown, size);
    if (moved == NULL) return dbt__out_of_memory(err, what);
    *memory = moved;
    *capacity = grown;
    return DBT_OK;
}

void dbt__buffer_init(dbt__buffer *buffer, size_t maximum)
{
    *buffer = (dbt__buffer){.maximum = maximum};
}

void dbt__buffer_release(dbt__buffer *buffer)
{
    dbt__free(buffer->data);
    *buffer = (dbt__buffer){.maximum = buffer->maximum};
}

dbt_status dbt__buffer_reserve(dbt__buffer *buffer, size_t more, dbt_error *err)
{
    size_t needed;
    if (__builtin_add_overflow(buffer->length, more, &needed))
        return dbt__out_of_memory(err, "a buffer");
    if (buffer->maximum != 0 && needed > buffer->maximum)
        return dbt__fail(err, DBT_EDATA, "longer than %zu bytes", buffer->maximum);
    return dbt__reserve((void **)&buffer->data, &buffer->capacity, needed, 1, "a buffer", err);
}

dbt_status dbt__buffer_append(dbt__buffer *buffer, const char *data, size_t bytes, dbt_error *err)
{
    if (bytes == 0) return DBT_OK;
    dbt_status status = dbt__buffer_reserve(buffer, bytes, err);
    if (status < 0) return status;
    memcpy(buffer->data + buffer->length, data, bytes);
    buffer->length += bytes;
    return DBT_OK;
}
