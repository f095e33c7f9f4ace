/* kernels_plain.c: the kernels for what every processor of the architecture has. */
#define KERNELS_NAME "plain"
#include "kernels_body.h"

const dbt__kernels *dbt__kernels_plain(void)
{
    return &table_of_kernels;
}
