/* kernels_avx2.c: the kernels compiled for x86 with AVX2; on other architectures there are none. */
#include "linalg.h"

#if defined(__AVX2__)
#define KERNELS_NAME "avx2"
#include "kernels_body.h"

const dbt__kernels *dbt__kernels_avx2(void)
{
    return &table_of_kernels;
}
#else
const dbt__kernels *dbt__kernels_avx2(void)
{
    return NULL;
}
#endif
