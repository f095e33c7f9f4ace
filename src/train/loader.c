/*
 * loader.c: a ring of slots between the threads that make batches and the one that uses them.
 *
 * Two locks. `reading` is held while a number is claimed and its page is read, so that pages are
 * read in order by one thread at a time; `state` guards the counters and is never held for long. A
 * thread waits for room under `state` alone, before it takes `reading`: waiting with `reading` held
 * would keep the training thread, which frees the room, from helping. Who waits for room is woken
 * when half of the ring is free: waking somebody costs as much as making a small batch.
 */
#include "loader.h"

#include <pthread.h>

/* Rows in the ring from which it has no more slots than it needs. */
#define ROWS_AHEAD 16384
/* Slots for each thread; and of batches whose steps are prepared, at least, if these have no more
 * than so many entries together. */
#define THREAD_SLOTS 4
#define PREPARED_SLOTS 32
#define PREPARED_ENTRIES (128.0 * 1024)
/* Entries, and multiply-adds of the first layer, up to which steps are prepared. Of 128 rows and 64
 * units, with two processors, epochs of batches of 900 and 7,500 entries take a third and a quarter
 * less than if they are shared out, those of 18,000 a tenth more; with 256 units, of 900 as much.
 */
#define SMALL_BATCH 16384.0
#define SMALL_STEP 700e3
/* Times the entries of most batches from which one leaves no memory behind in its slot. */
#define LARGE_BATCH 4.0

typedef struct slot {
    dbt__page_batch pair;
    dbt_prepared *prepared; /* NULL: steps are not */
    bool ready;
    dbt_status status;
    dbt_error err;
} slot;

typedef struct maker {
    dbt__loader *loader;
    dbt_transformer *transformer;
    dbt_preparer *preparer; /* NULL: steps are not prepared */
    pthread_t thread;       /* of makers 1 .. ; maker 0 is the training thread */
} maker;

struct dbt__loader {
    dbt__feed feed;
    const dbt_network *network; /* whose steps are prepared; NULL: none are */
    int64_t steps;              /* of an epoch */
    int64_t pass;               /* that the cursor is at; 0: none yet */
    pthread_mutex_t reading;
    pthread_mutex_t state;
    pthread_cond_t room;
    pthread_cond_t made;
    int64_t next_claim; /* the next number to be made */
    int64_t next_use;   /* the next number to be handed out; the one before is in use */
    int64_t end;
    bool in_use;
    bool ending;
    double batch_entries; /* on the average; 0: not known */
    size_t entries;       /* of the batches that are ready or in use */
    size_t depth;
    size_t least; /* slots that are filled, however many entries there are */
    slot *slots;  /* [depth]; number s is in slot s % depth */
    size_t n_makers;
    size_t n_started;
    maker *makers;
};

static slot *slot_of(dbt__loader *loader, int64_t number)
{
    return &loader->slots[number % (int64_t)loader->depth];
}

static size_t entries_of(const slot *s)
{
    return s->pair.batch->row_start[s->pair.batch->n_rows];
}

/* Under `state`. The slot of the batch in use is not free. Where batches are larger than most,
 * there are fewer of them. */
static bool has_room(const dbt__loader *loader)
{
    int64_t oldest = loader->next_use - (loader->in_use ? 1 : 0);
    int64_t taken = loader->next_claim - oldest;
    if (loader->next_claim >= loader->end || taken >= (int64_t)loader->depth) return false;
    double usual = loader->batch_entries * (double)loader->depth;
    return taken < (int64_t)loader->least || usual == 0 || (double)loader->entries <= usual;
}

/* Under `reading`. */
static dbt_status read_page(dbt__loader *loader, int64_t number, dbt__page_batch *pair,
                            dbt_error *err)
{
    int64_t pages = dbt_cursor_pages(loader->feed.cursor);
    int64_t pass = number / pages + 1;
    if (pass != loader->pass) {
        dbt_status status = dbt_cursor_reset(loader->feed.cursor, pass, err);
        if (status < 0) return status;
        loader->pass = pass;
    }
    return dbt__feed_read(&loader->feed, number % pages, pair, err);
}

/* The batch of what was read, and its step. */
static dbt_status make_step(const maker *self, int64_t number, slot *s, dbt_error *err)
{
    const dbt__loader *loader = self->loader;
    dbt_status status = dbt__feed_vectorize(&loader->feed, self->transformer, &s->pair, err);
    if (status < 0 || loader->network == NULL) return status;
    dbt_position position = {number / loader->steps + 1, number + 1};
    return dbt_prepare(self->preparer, s->pair.batch, position, s->prepared, err);
}

/* Makes the next batch that nobody has claimed, if there is room for one. */
static void make_batch(maker *self)
{
    dbt__loader *loader = self->loader;
    (void)pthread_mutex_lock(&loader->reading);
    (void)pthread_mutex_lock(&loader->state);
    if (!has_room(loader)) {
        (void)pthread_mutex_unlock(&loader->state);
        (void)pthread_mutex_unlock(&loader->reading);
        return;
    }
    int64_t number = loader->next_claim++;
    slot *s = slot_of(loader, number);
    s->ready = false;
    s->err = (dbt_error){0};
    (void)pthread_mutex_unlock(&loader->state);

    s->status = read_page(loader, number, &s->pair, &s->err);
    (void)pthread_mutex_unlock(&loader->reading);
    if (s->status == DBT_OK) s->status = make_step(self, number, s, &s->err);

    (void)pthread_mutex_lock(&loader->state);
    s->ready = true;
    if (s->status == DBT_OK) loader->entries += entries_of(s);
    if (s->status < 0) loader->end = number + 1 < loader->end ? number + 1 : loader->end;
    (void)pthread_cond_signal(&loader->made);
    (void)pthread_mutex_unlock(&loader->state);
}

static void *run_maker(void *argument)
{
    maker *self = argument;
    dbt__loader *loader = self->loader;
    for (;;) {
        (void)pthread_mutex_lock(&loader->state);
        while (!loader->ending && !has_room(loader))
            (void)pthread_cond_wait(&loader->room, &loader->state);
        bool ending = loader->ending;
        (void)pthread_mutex_unlock(&loader->state);
        if (ending) return NULL;
        make_batch(self);
    }
}

static dbt_status init_slot(const dbt__loader *loader, slot *s, dbt_error *err)
{
    *s = (slot){0};
    dbt_status status = dbt__page_batch_init(&s->pair, &loader->feed, err);
    if (status == DBT_OK && loader->network != NULL)
        status = dbt_prepared_new(loader->network, &s->prepared, err);
    return status;
}

static void release_slot(slot *s)
{
    dbt__page_batch_release(&s->pair);
    dbt_prepared_free(s->prepared);
}

static dbt_status allocate_slots(dbt__loader *loader, dbt_error *err)
{
    loader->slots = dbt__alloc_array(loader->depth, sizeof *loader->slots);
    if (loader->slots == NULL) return dbt__out_of_memory(err, "batches");
    dbt_status status = DBT_OK;
    for (size_t i = 0; status == DBT_OK && i < loader->depth; i++)
        status = init_slot(loader, &loader->slots[i], err);
    return status;
}

static dbt_status start_makers(dbt__loader *loader, dbt_error *err)
{
    for (size_t i = 0; i < loader->n_makers; i++) {
        maker *m = &loader->makers[i];
        m->loader = loader;
        dbt_status status = dbt_transformer_new(loader->feed.vectorizer, &m->transformer, err);
        if (status == DBT_OK && loader->network != NULL)
            status = dbt_preparer_new(loader->network, &m->preparer, err);
        if (status < 0) return status;
        if (i == 0) continue;
        if (pthread_create(&m->thread, NULL, run_maker, m) != 0)
            return dbt__fail(err, DBT_ENOMEM, "cannot start thread %zu of %zu", i + 1,
                             loader->n_makers);
        loader->n_started++;
    }
    return DBT_OK;
}

bool dbt__loader_prepares(double batch_entries, size_t units)
{
    return batch_entries > 0 && batch_entries < SMALL_BATCH &&
           batch_entries * (double)units < SMALL_STEP;
}

/* Where rows need no bound. */
static size_t most_slots(size_t n_threads, double prepared_entries)
{
    size_t slots = THREAD_SLOTS * n_threads;
    if (prepared_entries == 0 || slots >= PREPARED_SLOTS) return slots;
    if (prepared_entries * PREPARED_SLOTS <= PREPARED_ENTRIES) return PREPARED_SLOTS;
    size_t few = (size_t)(PREPARED_ENTRIES / prepared_entries);
    return few > slots ? few : slots;
}

size_t dbt__loader_slots(size_t n_threads, size_t batch_size, size_t rows_ahead,
                         double prepared_entries)
{
    size_t slots = (rows_ahead == 0 ? ROWS_AHEAD : rows_ahead) / batch_size;
    size_t most = most_slots(n_threads, prepared_entries);
    if (n_threads == 1 || slots < 2) return 2;
    return slots < most ? slots : most;
}

dbt_status dbt__loader_new(const dbt__loader_options *options, dbt__loader **loader, dbt_error *err)
{
    size_t n_threads = options->n_threads;
    *loader = NULL;
    dbt__loader *made = dbt__alloc(sizeof *made);
    if (made == NULL) return dbt__out_of_memory(err, "batches");
    made->feed = options->feed;
    made->network = options->network;
    made->steps = options->steps;
    made->next_claim = made->next_use = options->first;
    made->end = options->end;
    made->batch_entries = options->batch_entries;
    made->depth = dbt__loader_slots(n_threads, made->feed.batch_size, made->feed.rows_ahead,
                                    made->network == NULL ? 0 : options->batch_entries);
    made->least = THREAD_SLOTS * n_threads;
    made->n_makers = n_threads;
    (void)pthread_mutex_init(&made->reading, NULL);
    (void)pthread_mutex_init(&made->state, NULL);
    (void)pthread_cond_init(&made->room, NULL);
    (void)pthread_cond_init(&made->made, NULL);
    made->makers = dbt__alloc_array(n_threads, sizeof *made->makers);
    dbt_status status =
        made->makers == NULL ? dbt__out_of_memory(err, "batches") : allocate_slots(made, err);
    if (status == DBT_OK) status = start_makers(made, err);
    if (status < 0) {
        dbt__loader_free(made);
        return status;
    }
    *loader = made;
    return DBT_OK;
}

void dbt__loader_free(dbt__loader *loader)
{
    if (loader == NULL) return;
    (void)pthread_mutex_lock(&loader->state);
    loader->ending = true;
    (void)pthread_cond_broadcast(&loader->room);
    (void)pthread_mutex_unlock(&loader->state);
    for (size_t i = 1; i <= loader->n_started; i++)
        (void)pthread_join(loader->makers[i].thread, NULL);
    for (size_t i = 0; loader->makers != NULL && i < loader->n_makers; i++) {
        dbt_transformer_free(loader->makers[i].transformer);
        dbt_preparer_free(loader->makers[i].preparer);
    }
    for (size_t i = 0; loader->slots != NULL && i < loader->depth; i++)
        release_slot(&loader->slots[i]);
    (void)pthread_cond_destroy(&loader->made);
    (void)pthread_cond_destroy(&loader->room);
    (void)pthread_mutex_destroy(&loader->state);
    (void)pthread_mutex_destroy(&loader->reading);
    dbt__free(loader->slots);
    dbt__free(loader->makers);
    dbt__free(loader);
}

/* Gives the slot of a batch that was larger than most new memory: else in the end each slot would
 * have that of the largest batch. */
static dbt_status renew_slot(const dbt__loader *loader, slot *s, dbt_error *err)
{
    slot renewed;
    if (loader->batch_entries == 0 || (double)entries_of(s) <= LARGE_BATCH * loader->batch_entries)
        return DBT_OK;
    dbt_status status = init_slot(loader, &renewed, err);
    release_slot(status < 0 ? &renewed : s);
    if (status == DBT_OK) *s = renewed;
    return status;
}

/* The batch in use is no longer. */
static dbt_status give_back(dbt__loader *loader, dbt_error *err)
{
    if (!loader->in_use) return DBT_OK;
    slot *s = slot_of(loader, loader->next_use - 1);
    size_t entries = entries_of(s);
    dbt_status status = renew_slot(loader, s, err);
    if (status < 0) return status;
    (void)pthread_mutex_lock(&loader->state);
    loader->in_use = false;
    loader->entries -= entries;
    int64_t taken = loader->next_claim - loader->next_use;
    if (taken <= (int64_t)loader->depth / 2) (void)pthread_cond_signal(&loader->room);
    (void)pthread_mutex_unlock(&loader->state);
    return DBT_OK;
}

dbt_status dbt__loader_next(dbt__loader *loader, dbt__loaded *loaded, dbt_error *err)
{
    dbt_status status = give_back(loader, err);
    if (status < 0) return status;
    (void)pthread_mutex_lock(&loader->state);
    int64_t number = loader->next_use;
    if (number >= loader->end) {
        (void)pthread_mutex_unlock(&loader->state);
        return DBT_DONE;
    }
    slot *s = slot_of(loader, number);
    while (number >= loader->next_claim || !s->ready) {
        if (has_room(loader)) {
            (void)pthread_mutex_unlock(&loader->state);
            make_batch(&loader->makers[0]);
            (void)pthread_mutex_lock(&loader->state);
        } else {
            (void)pthread_cond_wait(&loader->made, &loader->state);
        }
    }
    /* A batch that failed stays the next one: an error never becomes the end. */
    if (s->status == DBT_OK) {
        loader->next_use++;
        loader->in_use = true;
    }
    (void)pthread_mutex_unlock(&loader->state);
    if (s->status < 0) {
        if (err != NULL && err->status == DBT_OK) *err = s->err;
        return s->status;
    }
    *loaded = (dbt__loaded){s->pair.page, s->pair.batch, s->prepared};
    return DBT_OK;
}
