/* test_base.c: errors, memory, temporary files, buffers, pages, random numbers, the pool. */
#define _GNU_SOURCE /* madvise, mincore, sbrk */
#include "testing.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <dbtrain/batch.h>
#include <dbtrain/heap.h>
#include <dbtrain/page.h>
#include <dbtrain/pool.h>

#include "base.h"
#include "spill.h"

static void test_error__first_error_wins(void **state)
{
    (void)state;
    dbt_error err = {0};
    assert_int_equal(dbt__fail(&err, DBT_EIO, "first %d", 1), DBT_EIO);
    assert_int_equal(dbt__fail(&err, DBT_ENOMEM, "second"), DBT_ENOMEM);
    assert_int_equal(err.status, DBT_EIO);
    assert_string_equal(err.message, "first 1");
    assert_int_equal(dbt__context(&err, "a.csv:%d", 7), DBT_EIO);
    assert_string_equal(err.message, "a.csv:7: first 1");
}

static void test_error__long_context_is_cut_not_overrun(void **state)
{
    (void)state;
    dbt_error err = {0};
    char word[DBT_ERROR_BYTES];
    memset(word, 'x', sizeof word - 1);
    word[sizeof word - 1] = '\0';
    dbt__fail(&err, DBT_EIO, "%s", word);
    dbt__context(&err, "%s", word);
    assert_int_equal(strlen(err.message), DBT_ERROR_BYTES - 1);
}

static void test_error__without_one_there_is_nothing_to_add_to(void **state)
{
    (void)state;
    dbt_error err = {0};
    assert_int_equal(dbt__context(&err, "a.csv"), DBT_OK);
    assert_string_equal(err.message, "");
    assert_int_equal(dbt__fail(NULL, DBT_EIO, "nobody listens"), DBT_EIO);
    assert_int_equal(dbt__context(NULL, "a.csv"), DBT_EINTERNAL);
}

static void test_error__each_status_has_a_text_of_its_own(void **state)
{
    (void)state;
    static const dbt_status all[] = {
#define STATUS_NAME(name, value, text) name,
        DBT_STATUS_LIST(STATUS_NAME)
#undef STATUS_NAME
    };
    size_t n = sizeof all / sizeof *all;
    for (size_t i = 0; i < n; i++) {
        assert_true(strlen(dbt_status_text(all[i])) > 0);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(dbt_status_text(all[i]), dbt_status_text(all[j]));
    }
    assert_string_equal(dbt_status_text((dbt_status)-1000), "unknown status");
}

static void test_memory__sizes_that_overflow_are_out_of_memory(void **state)
{
    (void)state;
    dbt_error err = {0};
    dbt__buffer buffer;
    size_t capacity = 0;
    void *memory = NULL;
    assert_null(dbt__alloc_array(SIZE_MAX / 4, 8));
    assert_null(dbt__grow_array(NULL, SIZE_MAX / 4, 8));
    assert_null(dbt__alloc_aligned(SIZE_MAX / 4, 8));
    assert_null(dbt__alloc_aligned(SIZE_MAX - 10, 1));
    assert_int_equal(dbt__reserve(&memory, &capacity, SIZE_MAX / 4, 8, "rows", &err), DBT_ENOMEM);
    assert_string_equal(err.message, "out of memory for rows");
    assert_null(memory);
    assert_int_equal(capacity, 0);
    dbt__buffer_init(&buffer, 0);
    assert_int_equal(dbt__buffer_append(&buffer, "a", 1, NULL), DBT_OK);
    assert_int_equal(dbt__buffer_reserve(&buffer, SIZE_MAX, NULL), DBT_ENOMEM);
    assert_int_equal(buffer.length, 1);
    dbt__buffer_release(&buffer);
}

static void test_memory__of_no_bytes_is_memory(void **state)
{
    (void)state;
    void *array = dbt__alloc_array(0, 8), *aligned = dbt__alloc_aligned(0, 8);
    void *grown = dbt__grow_array(NULL, 0, 8);
    assert_non_null(array);
    assert_non_null(aligned);
    assert_non_null(grown);
    dbt__free(array);
    dbt__free(aligned);
    dbt__free(grown);
}

/* The kernel's flags of the mapping that holds an address; false: they cannot be told, or the
 * mapping is not the heap. */
static bool read_heap_flags(const void *address, char *flags, size_t bytes)
{
    FILE *file = fopen("/proc/self/smaps", "r");
    if (file == NULL) return false;
    char line[512];
    bool inside = false, found = false;
    while (!found && fgets(line, sizeof line, file) != NULL) {
        unsigned long first, end;
        if (sscanf(line, "%lx-%lx", &first, &end) == 2)
            inside = (uintptr_t)address >= first && (uintptr_t)address < end &&
                     strstr(line, "[heap]") != NULL;
        found = inside && strncmp(line, "VmFlags:", 8) == 0;
    }
    (void)fclose(file);
    if (found) (void)snprintf(flags, bytes, "%s", line);
    return found;
}

static void test_heap__grows_in_huge_pages_after_it_shrank_too(void **state)
{
    (void)state;
    enum { BLOCK = 1 << 20, BLOCKS = 80 };
    void *block[BLOCKS];
    char flags[512];
    dbt_tune_heap();
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < BLOCKS; i++)
            block[i] = dbt__alloc(BLOCK);
        bool told = read_heap_flags(block[BLOCKS - 1], flags, sizeof flags);
        for (int i = 0; i < BLOCKS; i++)
            dbt__free(block[i]);
        dbt__trim_memory(0);
        if (!told) {
            print_message("skipped: no heap of glibc, or no /proc\n");
            skip();
        }
        assert_non_null(strstr(flags, " hg"));
    }
}

/* Whether the kernel can be told to touch pages (since Linux 5.14). */
static bool can_populate(void)
{
#ifdef MADV_POPULATE_WRITE
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    void *memory = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(memory != MAP_FAILED);
    bool can = madvise(memory, page, MADV_POPULATE_WRITE) == 0;
    assert_int_equal(munmap(memory, page), 0);
    return can;
#else
    return false;
#endif
}

static bool is_resident(uintptr_t address)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    unsigned char in_memory = 0;
    assert_int_equal(mincore((void *)(address / page * page), page, &in_memory), 0);
    return (in_memory & 1) != 0;
}

/* Each block is written nowhere; what is near its end within the heap is in memory all the same,
 * farther than a huge page that malloc touches there. */
static void test_heap__is_touched_behind_a_block(void **state)
{
    (void)state;
    enum { BLOCK = 1 << 20, BLOCKS = 80, BEHIND = (2 << 20) - 4096 };
    void *block[BLOCKS];
    char flags[512];
    size_t looked_at = 0;
    dbt_tune_heap();
    for (int i = 0; i < BLOCKS; i++) {
        block[i] = dbt__grow_array(NULL, BLOCK, 1);
        assert_non_null(block[i]);
        uintptr_t behind = (uintptr_t)block[i] + BLOCK + BEHIND;
        if (!can_populate() || behind >= (uintptr_t)sbrk(0) ||
            !read_heap_flags((void *)behind, flags, sizeof flags))
            continue;
        looked_at++;
        assert_true(is_resident(behind));
    }
    for (int i = 0; i < BLOCKS; i++)
        dbt__free(block[i]);
    dbt__trim_memory(0);
    if (looked_at == 0) {
        print_message("skipped: no heap of glibc, or of a kernel that touches no pages\n");
        skip();
    }
}

static void test_spill__gives_back_what_was_written(void **state)
{
    (void)state;
    dbt_error err = {0};
    dbt__spill *spill;
    char read[4] = "";
    assert_ok(dbt__spill_new("/tmp", &spill, &err), err);
    assert_ok(dbt__spill_write(spill, 3, "abc", 3, &err), err);
    assert_ok(dbt__spill_write(spill, 0, "xyz", 3, &err), err);
    assert_ok(dbt__spill_read(spill, 2, read, 3, &err), err);
    assert_string_equal(read, "zab");
    assert_int_equal(dbt__spill_read(spill, 4, read, 3, &err), DBT_EIO);
    assert_non_null(strstr(err.message, "cannot read a temporary file in '/tmp'"));
    dbt__spill_free(spill);
}

static void test_spill__says_where_it_cannot_make_a_file(void **state)
{
    (void)state;
    dbt_error err = {0};
    dbt__spill *spill;
    assert_ok(dbt__spill_new("/nonexistent", &spill, &err), err);
    assert_int_equal(dbt__spill_write(spill, 0, "abc", 3, &err), DBT_EIO);
    assert_string_equal(err.message, "cannot make a temporary file in '/nonexistent': "
                                     "No such file or directory");
    dbt__spill_free(spill);
}

/* A limit on the size of files stands for a disk that is full. */
static void test_spill__says_what_to_do_where_there_is_no_room(void **state)
{
    (void)state;
    enum { LIMIT = 4096 };
    static const char bytes[2 * LIMIT];
    dbt_error err = {0};
    dbt__spill *spill;
    struct rlimit before, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = (struct rlimit){LIMIT, before.rlim_max};
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_ok(dbt__spill_new("/tmp", &spill, &err), err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    dbt_status status = dbt__spill_write(spill, 0, bytes, sizeof bytes, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    (void)signal(SIGXFSZ, handler);
    assert_int_equal(status, DBT_EIO);
    assert_string_equal(err.message, "cannot write a temporary file in '/tmp': File too large: "
                                     "make room there, or allow more memory");
    dbt__spill_free(spill);
}

static void test_random__is_splitmix64(void **state)
{
    (void)state;
    /* Outputs of Vigna's splitmix64.c for the seed 1234567. */
    static const uint64_t expected[] = {
        UINT64_C(6457827717110365317), UINT64_C(3203168211198807973), UINT64_C(9817491932198370423),
        UINT64_C(4593380528125082431), UINT64_C(16408922859458223821)};
    for (size_t i = 0; i < 5; i++)
        assert_true(dbt__random(1234567, i) == expected[i]);
    for (uint64_t i = 0; i < 1000; i++) {
        double u = dbt__random_double(5, i);
        assert_true(u >= 0 && u < 1);
        assert_true(dbt__random_below(5, i, 7) < 7);
    }
}

static void test_buffer__refuses_to_pass_its_maximum(void **state)
{
    (void)state;
    dbt_error err = {0};
    dbt__buffer buffer;
    dbt__buffer_init(&buffer, 4);
    assert_int_equal(dbt__buffer_append(&buffer, "abcd", 4, &err), DBT_OK);
    assert_int_equal(dbt__buffer_append(&buffer, "e", 1, &err), DBT_EDATA);
    assert_int_equal(buffer.length, 4);
    dbt__buffer_release(&buffer);
}

static void test_page__texts_survive_growth(void **state)
{
    (void)state;
    dbt_error err = {0};
    dbt_page *page;
    assert_int_equal(dbt_page_new(&page, &err), DBT_OK);
    for (int round = 0; round < 2; round++) {
        char text[32];
        for (int i = 0; i < 1000; i++) {
            int bytes = i % 10 == 0 ? 0 : snprintf(text, sizeof text, "text %d of %d", i, round);
            assert_int_equal(
                dbt_page_append(page, (dbt_text){text, (size_t)bytes}, i + 1, i % 3, 0.5, &err),
                DBT_OK);
        }
        assert_int_equal(page->n_rows, 1000);
        for (int i = 0; i < 1000; i++) {
            int bytes = i % 10 == 0 ? 0 : snprintf(text, sizeof text, "text %d of %d", i, round);
            assert_int_equal(page->text[i].bytes, bytes);
            assert_memory_equal(page->text[i].data, text, (size_t)bytes);
            assert_int_equal(page->document_id[i], i + 1);
            assert_int_equal(page->label_id[i], i % 3);
        }
        dbt_page_clear(page);
        assert_int_equal(page->n_rows, 0);
    }
    dbt_page_free(page);
}

static dbt_status count_task(void *context, size_t task, size_t worker, dbt_error *err)
{
    (void)err;
    atomic_int *counts = context;
    assert_true(worker < 8);
    atomic_fetch_add(&counts[task], 1);
    return DBT_OK;
}

static void test_pool__runs_each_task_once(void **state)
{
    (void)state;
    static atomic_int counts[500];
    for (size_t threads = 1; threads <= 8; threads++) {
        dbt_error err = {0};
        dbt_pool *pool;
        assert_int_equal(dbt_pool_new(threads, &pool, &err), DBT_OK);
        assert_int_equal(dbt_pool_threads(pool), threads);
        for (int round = 0; round < 50; round++)
            assert_int_equal(dbt_pool_for(pool, 500, count_task, counts, &err), DBT_OK);
        for (size_t i = 0; i < 500; i++) {
            assert_int_equal(atomic_load(&counts[i]), 50);
            atomic_store(&counts[i], 0);
        }
        dbt_pool_free(pool);
    }
}

static dbt_status fail_task(void *context, size_t task, size_t worker, dbt_error *err)
{
    (void)context;
    (void)worker;
    if (task >= 3) return dbt__fail(err, DBT_EDATA, "task %zu", task);
    return DBT_OK;
}

static void test_pool__reports_the_lowest_failure(void **state)
{
    (void)state;
    for (size_t threads = 1; threads <= 4; threads++) {
        dbt_error err = {0};
        dbt_pool *pool;
        assert_int_equal(dbt_pool_new(threads, &pool, &err), DBT_OK);
        assert_int_equal(dbt_pool_for(pool, 100, fail_task, NULL, &err), DBT_EDATA);
        assert_string_equal(err.message, "task 3");
        dbt_pool_free(pool);
    }
}

static void test_pool__refuses_absurd_sizes(void **state)
{
    (void)state;
    dbt_error err = {0};
    dbt_pool *pool;
    assert_int_equal(dbt_pool_new(0, &pool, &err), DBT_EUSAGE);
    assert_null(pool);
    err = (dbt_error){0};
    assert_int_equal(dbt_pool_new(2, &pool, &err), DBT_OK);
    assert_int_equal(dbt_pool_for(pool, (size_t)UINT32_MAX + 1, count_task, NULL, &err),
                     DBT_EUSAGE);
    dbt_pool_free(pool);
}

static void test_batch__keeps_what_is_there_when_it_grows(void **state)
{
    (void)state;
    dbt_error err = {0};
    dbt_batch *batch;
    assert_int_equal(dbt_batch_new(&batch, &err), DBT_OK);
    assert_int_equal(dbt_batch_reserve(batch, 2, 3, &err), DBT_OK);
    batch->row_start[2] = 3;
    batch->column[2] = 9;
    batch->value[2] = 0.5f;
    assert_int_equal(dbt_batch_reserve(batch, 5000, 100000, &err), DBT_OK);
    assert_int_equal(batch->row_start[2], 3);
    assert_int_equal(batch->column[2], 9);
    assert_true(batch->value[2] == 0.5f);
    dbt_batch_free(batch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_error__first_error_wins),
        cmocka_unit_test(test_error__long_context_is_cut_not_overrun),
        cmocka_unit_test(test_error__without_one_there_is_nothing_to_add_to),
        cmocka_unit_test(test_error__each_status_has_a_text_of_its_own),
        cmocka_unit_test(test_memory__sizes_that_overflow_are_out_of_memory),
        cmocka_unit_test(test_memory__of_no_bytes_is_memory),
        cmocka_unit_test(test_heap__grows_in_huge_pages_after_it_shrank_too),
        cmocka_unit_test(test_heap__is_touched_behind_a_block),
        cmocka_unit_test(test_spill__gives_back_what_was_written),
        cmocka_unit_test(test_spill__says_where_it_cannot_make_a_file),
        cmocka_unit_test(test_spill__says_what_to_do_where_there_is_no_room),
        cmocka_unit_test(test_random__is_splitmix64),
        cmocka_unit_test(test_buffer__refuses_to_pass_its_maximum),
        cmocka_unit_test(test_page__texts_survive_growth),
        cmocka_unit_test(test_pool__runs_each_task_once),
        cmocka_unit_test(test_pool__reports_the_lowest_failure),
        cmocka_unit_test(test_pool__refuses_absurd_sizes),
        cmocka_unit_test(test_batch__keeps_what_is_there_when_it_grows),
    };
    return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
