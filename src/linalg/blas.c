/*
 * blas.c: OpenBLAS, loaded so that it never runs threads of its own, behind one checked function.
 *
 * OpenBLAS starts its threads while it is being loaded, and with more than one the process can hang
 * when it exits short of memory, whatever is told to it later; and its results depend on the number
 * of threads. Only OPENBLAS_NUM_THREADS in the environment at the moment of loading prevents both,
 * so the library is opened here with dlopen, with the variable set around it and then put back.
 * This is the only place where the library touches the environment; dbt_network_new, which calls
 * it, says so to programs that have threads already.
 *
 * Loading late has a second use: programs that ingest or page never pay for it.
 *
 * Every product that is under way has a buffer of 128 MiB of address space, which OpenBLAS keeps
 * for later ones; when it cannot get one it tries for ever. So no more products run at once than
 * there is room for buffers: the first is made when the library is loaded, and where there is none
 * for another the products take turns. They also do with builds of OpenBLAS without any threads
 * (Debian's libopenblas0-serial), whose buffers have no locks.
 */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cblas.h>

#include "base.h"
#include "linalg.h"

#define THREADS_VARIABLE "OPENBLAS_NUM_THREADS"
#define INSTALL_HINT "install OpenBLAS (Debian, Ubuntu: apt install libopenblas0-pthread)"

/* What the header declares, without linking to it. */
typedef __typeof__(&cblas_sgemm) sgemm_function;

static const char *const library_names[] = {"libopenblas.so.0", "libopenblas.so"};

static pthread_once_t load_once = PTHREAD_ONCE_INIT;
static sgemm_function sgemm;
static const char *blas_name = "unknown";
static dbt_error load_error; /* status DBT_OK when sgemm is there */

/* The products under way. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t ended;
    bool may_grow; /* there may be room for another buffer */
    size_t n_buffers;
    size_t n_running; /* at most n_buffers */
    size_t n_making;  /* of those, how many are making their buffer */
} products = {.lock = PTHREAD_MUTEX_INITIALIZER, .ended = PTHREAD_COND_INITIALIZER};

#define BUFFER_BYTES (((size_t)128 << 20) + ((size_t)1 << 16)) /* with what aligns it */

static bool has_room_for(size_t n_buffers)
{
    void *room = mmap(NULL, n_buffers * BUFFER_BYTES, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return room != MAP_FAILED && munmap(room, n_buffers * BUFFER_BYTES) == 0;
}

/* Waits for a buffer, or for room to make one: *makes. */
static void begin_product(bool *makes)
{
    (void)pthread_mutex_lock(&products.lock);
    while (products.n_running == products.n_buffers) {
        if (products.may_grow) products.may_grow = has_room_for(products.n_making + 1);
        if (products.may_grow) break;
        (void)pthread_cond_wait(&products.ended, &products.lock);
    }
    *makes = products.n_running == products.n_buffers;
    products.n_buffers += *makes;
    products.n_making += *makes;
    products.n_running++;
    (void)pthread_mutex_unlock(&products.lock);
}

static void end_product(bool makes)
{
    (void)pthread_mutex_lock(&products.lock);
    products.n_making -= makes;
    products.n_running--;
    (void)pthread_cond_signal(&products.ended);
    (void)pthread_mutex_unlock(&products.lock);
}

static void *open_library(dbt_error *err)
{
    void *library = NULL;
    for (size_t i = 0; library == NULL && i < sizeof library_names / sizeof *library_names; i++)
        library = dlopen(library_names[i], RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        const char *cause = dlerror();
        if (cause != NULL && (strstr(cause, "failed to map") != NULL ||
                              strstr(cause, "annot allocate memory") != NULL))
            (void)dbt__fail(err, DBT_ENOMEM, "out of memory for OpenBLAS: %s", cause);
        (void)dbt__fail(err, DBT_EINTERNAL, "cannot load OpenBLAS: %s; " INSTALL_HINT,
                        cause == NULL ? "unknown cause" : cause);
    }
    return library;
}

static void *open_with_one_thread(dbt_error *err)
{
    const char *before = getenv(THREADS_VARIABLE);
    char *kept = before == NULL ? NULL : dbt__strdup(before);
    if ((before != NULL && kept == NULL) || setenv(THREADS_VARIABLE, "1", 1) != 0) {
        dbt__free(kept);
        (void)dbt__out_of_memory(err, "OpenBLAS");
        return NULL;
    }
    void *library = open_library(err);
    if (kept == NULL || setenv(THREADS_VARIABLE, kept, 1) != 0) (void)unsetenv(THREADS_VARIABLE);
    dbt__free(kept);
    return library;
}

/* A function's address; POSIX lets a pointer from dlsym be one, for which ISO C has no cast. */
static bool find_function(void *library, const char *name, void *function, size_t bytes)
{
    void *symbol = dlsym(library, name);
    if (symbol == NULL || bytes != sizeof symbol) return false;
    memcpy(function, &symbol, bytes);
    return true;
}

/* A product that is too large to do without a buffer. */
static void make_first_buffer(void)
{
    enum { N = 128 };
    float *zeros = has_room_for(1) ? dbt__alloc_aligned(2 * N * N, sizeof *zeros) : NULL;
    if (zeros == NULL) {
        sgemm = NULL;
        (void)dbt__out_of_memory(&load_error, "OpenBLAS, which needs 128 MiB of address space");
        return;
    }
    sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, N, N, N, 1, zeros, N, zeros, N, 0,
          zeros + N * N, N);
    products.n_buffers = 1;
    dbt__free(zeros);
}

/* The library stays open until the process ends. */
static void load_library(void)
{
    void *library = open_with_one_thread(&load_error);
    if (library == NULL) return;
    if (!find_function(library, "cblas_sgemm", &sgemm, sizeof sgemm)) {
        (void)dbt__fail(&load_error, DBT_EINTERNAL, "OpenBLAS has no cblas_sgemm; " INSTALL_HINT);
        (void)dlclose(library);
        return;
    }
    int (*get_parallel)(void); /* 0: built without threads */
    products.may_grow =
        !find_function(library, "openblas_get_parallel", &get_parallel, sizeof get_parallel) ||
        get_parallel() != 0;
    char *(*get_config)(void); /* version, options, and the processor that it chose */
    if (find_function(library, "openblas_get_config", &get_config, sizeof get_config))
        blas_name = get_config();
    make_first_buffer();
}

dbt_status dbt__blas_load(dbt_error *err)
{
    (void)pthread_once(&load_once, load_library);
    if (load_error.status == DBT_OK) return DBT_OK;
    return dbt__fail(err, load_error.status, "%s", load_error.message);
}

const char *dbt__blas_name(void)
{
    return blas_name;
}

/* A matrix that is stored with `rows` rows of `columns` floats, `distance` floats apart. */
static dbt_status check_matrix(char name, size_t rows, size_t columns, size_t distance,
                               dbt_error *err)
{
    if (distance < columns || distance == 0)
        return dbt__fail(err, DBT_EINTERNAL,
                         "gemm: rows of %c have %zu floats but begin %zu floats apart", name,
                         columns, distance);
    if (rows > INT_MAX || distance > INT_MAX)
        return dbt__fail(err, DBT_EINTERNAL, "gemm: %c of %zu x %zu is too large for BLAS", name,
                         rows, distance);
    return DBT_OK;
}

static dbt_status check_product(dbt__transpose transpose_a, dbt__transpose transpose_b, size_t m,
                                size_t n, size_t k, size_t lda, size_t ldb, size_t ldc,
                                dbt_error *err)
{
    bool a_as_is = transpose_a == DBT__AS_IS, b_as_is = transpose_b == DBT__AS_IS;
    dbt_status status = check_matrix('A', a_as_is ? m : k, a_as_is ? k : m, lda, err);
    if (status == DBT_OK) status = check_matrix('B', b_as_is ? k : n, b_as_is ? n : k, ldb, err);
    if (status == DBT_OK) status = check_matrix('C', m, n, ldc, err);
    return status;
}

dbt_status dbt__gemm(dbt__transpose transpose_a, dbt__transpose transpose_b, size_t m, size_t n,
                     size_t k, float alpha, const float *a, size_t lda, const float *b, size_t ldb,
                     float beta, float *c, size_t ldc, dbt_error *err)
{
    dbt_status status = check_product(transpose_a, transpose_b, m, n, k, lda, ldb, ldc, err);
    if (status < 0) return status;
    if (sgemm == NULL) return dbt__fail(err, DBT_EINTERNAL, "gemm: OpenBLAS is not loaded");
    bool makes;
    begin_product(&makes);
    sgemm(CblasRowMajor, transpose_a == DBT__AS_IS ? CblasNoTrans : CblasTrans,
          transpose_b == DBT__AS_IS ? CblasNoTrans : CblasTrans, (int)m, (int)n, (int)k, alpha, a,
          (int)lda, b, (int)ldb, beta, c, (int)ldc);
    end_product(makes);
    return DBT_OK;
}

dbt_status dbt__gemm_plain(dbt__transpose transpose_a, dbt__transpose transpose_b, size_t m,
                           size_t n, size_t k, float alpha, const float *a, size_t lda,
                           const float *b, size_t ldb, float beta, float *c, size_t ldc,
                           dbt_error *err)
{
    dbt_status status = check_product(transpose_a, transpose_b, m, n, k, lda, ldb, ldc, err);
    if (status < 0) return status;
    for (size_t i = 0; i < m; i++) {
        for (size_t j = 0; j < n; j++) {
            double sum = 0;
            for (size_t p = 0; p < k; p++) {
                float x = transpose_a == DBT__AS_IS ? a[i * lda + p] : a[p * lda + i];
                float y = transpose_b == DBT__AS_IS ? b[p * ldb + j] : b[j * ldb + p];
                sum += (double)x * (double)y;
            }
            double old = beta == 0 ? 0 : (double)beta * (double)c[i * ldc + j];
            c[i * ldc + j] = (float)((double)alpha * sum + old);
        }
    }
    return DBT_OK;
}
