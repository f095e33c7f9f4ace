/* kernels_avx512.c: the kernels compiled for x86 with AVX512; on other architectures there are
 * none. */
#include "linalg.h"

#if defined(__AVX512F__)
#define KERNELS_NAME "avx512"
#include "kernels_body.h"

const dbt__kernels *dbt__kernels_avx512(void)
{
    return &table_of_kernels;
}
#else
const dbt__kernels *dbt__kernels_avx512(void)
{
    return NULL;
}
#endif
