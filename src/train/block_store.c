/* block_store.c: blocks in a temporary file, and the ones that are held of any place. A shuffled
 * epoch reads each window's blocks once, as it does the texts. */
#include "block_store.h"

#include "spill.h"

/* Blocks that are held: those of two windows of the shuffled order (cursor/order.h), or fewer where
 * they take more than that. */
#define HELD_BLOCKS 256
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
    size_t block;  /* SIZE_MAX: none */
    uint64_t used; /* when: the least is given up first */
    unsigned char *data;
    size_t bytes;
} held_block;

struct dbt__block_store {
    dbt__block_place place;
    held_block held[HELD_BLOCKS];
    size_t held_bytes;
    uint64_t clock;
};

dbt_status dbt__block_store_new(const dbt__block_place *place, dbt__block_store **store,
                                dbt_error *err)
{
    *store = dbt__alloc(sizeof **store);
    if (*store == NULL) {
        place->free(place->context);
        return dbt__out_of_memory(err, "vectorized rows");
    }
    (*store)->place = *place;
    for (size_t i = 0; i < HELD_BLOCKS; i++)
        (*store)->held[i].block = SIZE_MAX;
    return DBT_OK;
}

void dbt__block_store_free(dbt__block_store *store)
{
    if (store == NULL) return;
    for (size_t i = 0; i < HELD_BLOCKS; i++)
        dbt__free(store->held[i].data);
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

/* The one that holds `block`, else the one used longest ago. */
static held_block *find_held(dbt__block_store *store, size_t block)
{
    held_block *oldest = &store->held[0];
    for (size_t i = 0; i < HELD_BLOCKS; i++) {
        if (store->held[i].block == block) return &store->held[i];
        if (store->held[i].used < oldest->used) oldest = &store->held[i];
    }
    return oldest;
}

static void drop_held(dbt__block_store *store, held_block *held)
{
    store->held_bytes -= held->bytes;
    dbt__free(held->data);
    *held = (held_block){.block = SIZE_MAX};
}

/* The held block that was used longest ago; NULL: none is held. */
static held_block *oldest_held(dbt__block_store *store)
{
    held_block *oldest = NULL;
    for (size_t i = 0; i < HELD_BLOCKS; i++) {
        held_block *held = &store->held[i];
        if (held->block != SIZE_MAX && (oldest == NULL || held->used < oldest->used)) oldest = held;
    }
    return oldest;
}

static dbt_status load_held(dbt__block_store *store, held_block *held, size_t block, dbt_error *err)
{
    unsigned char *data;
    size_t bytes;
    dbt_status status = store->place.read(store->place.context, block, &data, &bytes, err);
    if (status < 0) return status;
    drop_held(store, held);
    while (store->held_bytes > 0 && store->held_bytes + bytes > HELD_BYTES)
        drop_held(store, oldest_held(store));
    *held = (held_block){.block = block, .data = data, .bytes = bytes};
    store->held_bytes += bytes;
    return DBT_OK;
}

dbt_status dbt__block_store_read(dbt__block_store *store, size_t block, const unsigned char **data,
                                 size_t *bytes, dbt_error *err)
{
    held_block *held = find_held(store, block);
    dbt_status status = held->block == block ? DBT_OK : load_held(store, held, block, err);
    if (status < 0) return status;
    held->used = ++store->clock;
    *data = held->data;
    *bytes = held->bytes;
    return DBT_OK;
}
