/* test_block_store.c: blocks that are read in any order come as they were written, however many of
 * them can be held. */
#include "scratch.h"

#include "base.h"
#include "block_store.h"

/* Byte i of a block. */
static unsigned char byte_of(size_t block, size_t i)
{
    return (unsigned char)dbt__random(block, i / 64);
}

/* Blocks of 0, 1 ... most_bytes bytes, read `reads` times. */
static void check_blocks(size_t n_blocks, size_t most_bytes, size_t reads)
{
    dbt_error err = {0};
    dbt__block_place place;
    dbt__block_store *store;
    unsigned char *block = malloc(most_bytes + 1);
    assert_non_null(block);
    assert_ok(dbt__block_file(folder, n_blocks, &place, &err), err);
    assert_ok(dbt__block_store_new(&place, n_blocks, &store, &err), err);
    for (size_t b = 0; b < n_blocks; b++) {
        size_t bytes = dbt__random_below(1, b, most_bytes + 1);
        for (size_t i = 0; i < bytes; i++)
            block[i] = byte_of(b, i);
        assert_ok(dbt__block_store_write(store, b, block, bytes, &err), err);
    }
    assert_ok(dbt__block_store_finish(store, &err), err);
    for (size_t k = 0; k < reads; k++) {
        const unsigned char *data;
        size_t bytes, b = dbt__random_below(2, k / 2, n_blocks); /* each twice: held, the second */
        assert_ok(dbt__block_store_read(store, b, &data, &bytes, &err), err);
        assert_int_equal(bytes, dbt__random_below(1, b, most_bytes + 1));
        for (size_t i = 0; i < bytes; i += 61)
            assert_int_equal(data[i], byte_of(b, i));
    }
    dbt__block_store_free(store);
    free(block);
}

static void test_block_store__more_blocks_than_are_held(void **state)
{
    (void)state;
    check_blocks(5000, 40, 20000);
}

static void test_block_store__more_bytes_than_are_held(void **state)
{
    (void)state;
    check_blocks(30, 2 << 20, 200);
}

static void test_block_store__a_few(void **state)
{
    (void)state;
    check_blocks(1, 100, 10);
    check_blocks(2, 0, 10);
    dbt__block_store_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_block_store__more_blocks_than_are_held),
        cmocka_unit_test(test_block_store__more_bytes_than_are_held),
        cmocka_unit_test(test_block_store__a_few),
    };
    return cmocka_run_group_tests_name("block_store", tests, make_folder, remove_folder);
}
