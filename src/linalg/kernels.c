/*
 * kernels.c: which kernels this processor can run.
 *
 * The choice is made from what the processor says of itself, not from the environment, and is the
 * same at every call, so nothing is kept and nothing needs a lock.
 */
#include "linalg.h"

#define MAXIMUM_VARIANTS 3

static size_t list_variants(const dbt__kernels *list[MAXIMUM_VARIANTS])
{
    size_t n = 0;
    list[n++] = dbt__kernels_plain();
#if defined(__x86_64__) || defined(__i386__)
    __builtin_cpu_init();
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (avx2 && dbt__kernels_avx2() != NULL) list[n++] = dbt__kernels_avx2();
    if (avx2 && __builtin_cpu_supports("avx512f") && dbt__kernels_avx512() != NULL)
        list[n++] = dbt__kernels_avx512();
#endif
    return n;
}

const dbt__kernels *dbt__kernels_variant(size_t index)
{
    const dbt__kernels *list[MAXIMUM_VARIANTS];
    size_t n = list_variants(list);
    return index < n ? list[index] : NULL;
}

const dbt__kernels *dbt__kernels_get(void)
{
    const dbt__kernels *list[MAXIMUM_VARIANTS];
    return list[list_variants(list) - 1];
}
