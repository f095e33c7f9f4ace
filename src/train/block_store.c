/* block_store.c: blocks in a temporary file, and the ones that are held of any place. A shuffled
 * epoch reads each window's blocks once, as it does the texts. */
#include "block_store.h"

#include "spill.h"

/* Blocks that are held: those of two windows of the shuffled order (cursor/order.h) and more, or
 * fewer where they take more than that. */
#define HELD_BLOCKS 2048
#define HELD_BYTES ((size_t)16 << 20)

/* --- a temporary file --- */

typedef struct block_file {
    dbt__spill *spill;
    uint64_t *offset; /* [n_blocks + 1] */
} block_file;

static dbt_status write_file(void *context, size_t block, const unsigned char *data, size_t bytes,
                             dbt_error *err)
{
    block_file *file = context;
    file->offset[block + 1] = file->offset[block] + bytes;
    return dbt__spill_write(file->spill, file->offset[block], data, bytes, err);
}

static dbt_status read_file(void *context, size_t block, unsigned char **data, size_t *bytes,
                            dbt_error *err)
{
    const block_file *file = context;
    *bytes = (size_t)(file->offset[block + 1] - file->offset[block]);
    *data = dbt__grow_array(NULL, *bytes, 1);
    if (*data == NULL) return dbt__out_of_memory(err, "vectorized rows");
    dbt_status status = dbt__spill_read(file->spill, file->offset[block], *data, *bytes, err);
    if (status < 0) {
        dbt__free(*data);
        *data = NULL;
    }
    return status;
}

static void free_file(void *context)
{
    block_file *file = context;
    dbt__spill_free(file->spill);
    dbt__free(file->offset);
    dbt__free(file);
}

dbt_status dbt__block_file(const char *folder, size_t n_blocks, dbt__block_place *place,
                           dbt_error *err)
{
    *place = (dbt__block_place){0};
    block_file *file = dbt__alloc(sizeof *file);
    if (file == NULL) return dbt__out_of_memory(err, "vectorized rows");
    file->offset = dbt__alloc_array(n_blocks + 1, sizeof *file->offset);
    dbt_status status = file->offset == NULL ? dbt__out_of_memory(err, "vectorized rows")
                                             : dbt__spill_new(folder, &file->spill, err);
    if (status < 0) {
        free_file(file);
        return status;
    }
    *place = (dbt__block_place){
        .context = file, .write = write_file, .read = read_file, .free = free_file};
    return DBT_OK;
}

/* --- held blocks --- */

typedef struct held_block {
    size_t block;
    uint64_t used; /* when: the least is given up first */
    unsigned char *data;
    size_t bytes;
} held_block;

struct dbt__block_store {
    dbt__block_place place;
    held_block held[HELD_BLOCKS]; /* the first n_held */
    size_t n_held;
    size_t held_bytes;
    uint16_t *slot; /* [n_blocks]: where in `held` a block is, from 1; 0: not there */
    uint64_t clock;
};

dbt_status dbt__block_store_new(const dbt__block_place *place, size_t n_blocks,
                                dbt__block_store **store, dbt_error *err)
{
    *store = dbt__alloc(sizeof **store);
    if (*store == NULL) {
        place->free(place->context);
        return dbt__out_of_memory(err, "vectorized rows");
    }
    (*store)->place = *place;
    (*store)->slot = dbt__alloc_array(n_blocks, sizeof *(*store)->slot);
    if ((*store)->slot != NULL) return DBT_OK;
    dbt__block_store_free(*store);
    *store = NULL;
    return dbt__out_of_memory(err, "vectorized rows");
}

void dbt__block_store_free(dbt__block_store *store)
{
    if (store == NULL) return;
    for (size_t i = 0; i < store->n_held; i++)
        dbt__free(store->held[i].data);
    dbt__free(store->slot);
    store->place.free(store->place.context);
    dbt__free(store);
}

dbt_status dbt__block_store_write(dbt__block_store *store, size_t block, const unsigned char *data,
                                  size_t bytes, dbt_error *err)
{
    return store->place.write(store->place.context, block, data, bytes, err);
}

dbt_status dbt__block_store_finish(dbt__block_store *store, dbt_error *err)
{
    return store->place.finish == NULL ? DBT_OK : store->place.finish(store->place.context, err);
}

/* The last one takes the place of the one that is given up. */
static void drop_oldest(dbt__block_store *store)
{
    held_block *oldest = store->held, *last = &store->held[store->n_held - 1];
    for (held_block *held = store->held; held <= last; held++)
        if (held->used < oldest->used) oldest = held;
    store->slot[last->block] = store->slot[oldest->block];
    store->slot[oldest->block] = 0;
    store->held_bytes -= oldest->bytes;
    dbt__free(oldest->data);
    *oldest = *last;
    store->n_held--;
}

static dbt_status load_block(dbt__block_store *store, size_t block, dbt_error *err)
{
    held_block held = {.block = block};
    dbt_status status =
        store->place.read(store->place.context, block, &held.data, &held.bytes, err);
    if (status < 0) return status;
    while (store->n_held == HELD_BLOCKS ||
           (store->n_held > 0 && store->held_bytes + held.bytes > HELD_BYTES))
        drop_oldest(store);
    store->held[store->n_held++] = held;
    store->held_bytes += held.bytes;
    store->slot[block] = (uint16_t)store->n_held;
    return DBT_OK;
}

dbt_status dbt__block_store_read(dbt__block_store *store, size_t block, const unsigned char **data,
                                 size_t *bytes, dbt_error *err)
{
    dbt_status status = store->slot[block] != 0 ? DBT_OK : load_block(store, block, err);
    if (status < 0) return status;
    held_block *held = &store->held[store->slot[block] - 1];
    held->used = ++store->clock;
    *data = held->data;
    *bytes = held->bytes;
    return DBT_OK;
}
