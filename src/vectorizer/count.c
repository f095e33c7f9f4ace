/*
 * count.c: in how many documents each n-gram is.
 *
 * The top 8 bits of a hash choose one of 256 shards (shard.h), tables that grow on their own. When
 * they outgrow the memory all are written to a file as a sorted run (runs.h) and begin anew; in the
 * end the runs are merged, shard by shard. So memory changes how much is written, not the counts,
 * and the corpus is read once.
 *
 * Two n-grams of one hash with different check bits: counting begins anew with another hash
 * function.
 */
#include <string.h>

#include "runs.h"
#include "shard.h"
#include "vectorizer_internal.h"

#define N_SHARDS DBT__GROUPS
#define FIRST_CAPACITY 1024
#define LEAST_CAPACITY 16
/* Items whose places are fetched ahead, the first ones of a group before it begins: documents may
 * be so short that few are in it. */
#define PREFETCH 48
/* How distinct n-grams grow with the documents (Heaps' law), at least: for making room in few
 * steps.
 */
#define HEAPS_EXPONENT 0.8
#define MOST_GROWTH 8.0
/* Less than so many times as large is not worth moving the entries. */
#define WORTH_GROWING 1.1

typedef struct count_pass {
    dbt__pass pass;
    dbt__rounds *rounds;
    dbt__counts *counts;
    bool totals;
    atomic_bool collided;
    double growth;  /* of the shards that are due for it, in this round */
    uint32_t most;  /* homes that they grow to, unless that is not worth it */
    bool is_little; /* there is not the memory for more than `most` */
    size_t n;       /* entries of all shards */
    uint32_t added; /* to a shard in the last round, on the average */
    /* The pages after which there were `n`: the last mark of which there are twice as many now, and
     * the one that will be it next. */
    struct {
        int64_t page;
        size_t n;
    } mark[2];
    dbt__runs runs;
    uint32_t cut; /* the document in whose middle the last run ends */
    dbt__shard shard[N_SHARDS];
} count_pass;

/* --- the pass --- */

static inline uint32_t shard_of(const dbt__ngram *ngram)
{
    return (uint32_t)(ngram->hash >> 56);
}

static size_t append_block(dbt__worker *worker, const dbt__ngram *block, size_t n)
{
    size_t n_items = worker->n_items;
    for (size_t i = 0; i < n; i++, n_items++) {
        worker->item[n_items].ngram = block[i];
        worker->group[n_items] = (uint8_t)shard_of(&block[i]);
    }
    return n_items;
}

static dbt_status take_document(dbt__pass *pass, dbt__worker *worker, dbt__slot *slot, size_t row,
                                uint32_t document, bool *complete, dbt_error *err)
{
    const count_pass *count = (const count_pass *)pass;
    dbt_text text = worker->page->text[row];
    dbt__ngram *block = worker->row.block;
    if (worker->unfinished != (int64_t)document) {
        dbt_status status = dbt__analyzer_begin(worker->analyzer, text.data, text.bytes, err);
        if (status < 0) return status;
        worker->taken = 0;
    }
    size_t n = DBT__BLOCK, capacity = count->rounds->slot_capacity;
    while (n != 0 && (worker->taken < slot->skip || worker->n_items + DBT__BLOCK <= capacity)) {
        n = dbt__analyzer_next(worker->analyzer, document, block, DBT__BLOCK);
        /* Blocks are cut alike each time, so those that an earlier round took are whole. */
        if (worker->taken >= slot->skip) worker->n_items = append_block(worker, block, n);
        worker->taken += n;
    }
    *complete = n == 0;
    slot->skip = *complete ? 0 : worker->taken;
    if (*complete) slot->tokens += (int64_t)worker->taken;
    return DBT_OK;
}

/* A search may go on in the next line. */
static DBT__ALWAYS_INLINE void prefetch_places(const dbt__shard *s, const dbt__item *item)
{
    const dbt__count_entry *home = s->entry + dbt__shard_home(s, dbt__count_key(&item->ngram));
    __builtin_prefetch(home, 1);
    __builtin_prefetch(home + 1, 1);
}

static dbt_status apply_items(dbt__pass *pass, size_t group, const dbt__slot *slot,
                              const dbt__item *item, size_t n_items, dbt_error *err)
{
    (void)slot;
    count_pass *count = (count_pass *)pass;
    dbt__shard *s = &count->shard[group];
    bool collided = false;
    for (size_t i = 0; i < n_items && i < PREFETCH; i++)
        prefetch_places(s, &item[i]);
    for (size_t i = 0; i < n_items; i++) {
        if (i + PREFETCH < n_items) prefetch_places(s, &item[i + PREFETCH]);
        uint64_t key = dbt__count_key(&item[i].ngram);
        uint32_t document = item[i].ngram.tag;
        size_t at = dbt__shard_find(s, key);
        dbt__count_entry *entry = &s->entry[at];
        if (entry->document_frequency == 0) {
            dbt_status status = dbt__shard_add(s, key, document, document == count->cut, at, err);
            if (status < 0) return status;
            continue;
        }
        collided |= entry->key != key;
        entry->document_frequency += entry->last_document != document;
        entry->last_document = document;
        if (s->total != NULL) s->total[at]++;
    }
    if (collided) atomic_store(&count->collided, true);
    return DBT_OK;
}

static dbt_status finish_slot(dbt__pass *pass, const dbt__slot *slot, dbt_error *err)
{
    (void)err;
    const count_pass *count = (const count_pass *)pass;
    count->counts->tokens += slot->tokens;
    return DBT_OK;
}

static size_t place_bytes(const count_pass *count)
{
    return sizeof(dbt__count_entry) + (count->totals ? sizeof(uint64_t) : 0);
}

/* The most homes of a shard when all take the memory. */
static uint32_t full_capacity(const count_pass *count)
{
    size_t places = count->rounds->memory / place_bytes(count) / N_SHARDS;
    size_t spare = dbt__shard_places(0);
    size_t capacity = places > spare ? (places - spare) / 9 * 8 : 0;
    if (capacity < LEAST_CAPACITY) return LEAST_CAPACITY;
    return capacity > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uint32_t)capacity;
}

/* Where there is memory, with five eighths of its homes taken: searches are short. Else not before
 * another round like the last one, and an eighth, would make the shard grow in its middle. */
static bool is_due(const count_pass *count, const dbt__shard *s)
{
    if (!count->is_little) return s->n >= s->capacity / 8 * 5;
    return s->n + count->added + count->added / 8 >= DBT__SHARD_FULL(s->capacity);
}

/* How many times as large a shard becomes in this round. */
static double growth_of(const count_pass *count, const dbt__shard *s)
{
    if (!is_due(count, s)) return 1;
    double most = (double)count->most / s->capacity;
    return most >= WORTH_GROWING && most < count->growth ? most : count->growth;
}

/* What the tables will take when those that are due have grown. */
static size_t count_bytes(const count_pass *count)
{
    size_t places = 0;
    for (uint32_t i = 0; i < N_SHARDS; i++) {
        const dbt__shard *s = &count->shard[i];
        places += dbt__shard_places((uint32_t)ceil(s->capacity * growth_of(count, s)));
    }
    return places * place_bytes(count);
}

static size_t count_entries(const count_pass *count)
{
    size_t n = 0;
    for (uint32_t i = 0; i < N_SHARDS; i++)
        n += count->shard[i].n;
    return n;
}

static void note_added(count_pass *count)
{
    size_t n = count_entries(count);
    count->added = (uint32_t)((n - count->n) / N_SHARDS);
    count->n = n;
}

/* The exponent of Heaps' law since there were half as many entries, or fewer: it falls as they
 * grow, so what it promises of the rest is enough. Where a page takes several rounds it may come
 * out infinite, or as no number, and is not taken. */
static double find_exponent(count_pass *count, int64_t page)
{
    if (count->n >= 2 * count->mark[1].n) {
        count->mark[0] = count->mark[1];
        count->mark[1].page = page;
        count->mark[1].n = count->n;
    }
    if (count->mark[0].n == 0) return HEAPS_EXPONENT;
    double exponent = log((double)count->n / (double)count->mark[0].n) /
                      log((double)page / (double)count->mark[0].page);
    return exponent > HEAPS_EXPONENT && exponent < 1 ? exponent : HEAPS_EXPONENT;
}

/* Chooses when and how shards grow: at once to what they will need at the end of the corpus, if
 * memory allows that, else late and little, in the end to all there is. */
static void plan_growth(count_pass *count)
{
    const dbt__rounds *rounds = count->rounds;
    int64_t page = rounds->slot[rounds->head].page;
    double done = (double)page / (double)rounds->n_pages;
    double growth = pow(done < 1 ? 1 / done : 1, find_exponent(count, page));
    if (!(growth >= DBT__LEAST_GROWTH)) growth = DBT__LEAST_GROWTH;
    count->growth = growth < MOST_GROWTH ? growth : MOST_GROWTH;
    count->most = UINT32_MAX;
    count->is_little = false;
    if (count_bytes(count) <= rounds->memory) return;
    count->growth = DBT__LEAST_GROWTH;
    count->most = full_capacity(count);
    count->is_little = true;
}

/* Grows a shard that would soon have to. */
static dbt_status grow_soon(void *context, size_t task, size_t worker, dbt_error *err)
{
    (void)worker;
    count_pass *count = context;
    dbt__shard *s = &count->shard[task];
    double growth = growth_of(count, s);
    return growth > 1 ? dbt__shard_grow(s, growth, err) : DBT_OK;
}

static dbt_status spill_shard(void *context, size_t task, size_t worker, dbt_error *err)
{
    (void)worker;
    count_pass *count = context;
    return dbt__runs_write(&count->runs, task, &count->shard[task], err);
}

/* Writes what is counted as a run. */
static dbt_status spill_shards(count_pass *count, dbt_error *err)
{
    dbt_status status = dbt__runs_begin(&count->runs, count->cut, err);
    if (status < 0) return status;
    return dbt_pool_for(count->rounds->pool, N_SHARDS, spill_shard, count, err);
}

/* Empties a shard, and gives it all that it may take: its memory was touched, and the next run will
 * fill it as this one did. */
static dbt_status empty_shard(void *context, size_t task, size_t worker, dbt_error *err)
{
    (void)worker;
    count_pass *count = context;
    dbt__shard *s = &count->shard[task];
    uint32_t capacity = full_capacity(count);
    if (s->capacity == capacity) {
        dbt__shard_clear(s);
        return DBT_OK;
    }
    dbt__shard_release(s);
    return dbt__shard_init(s, capacity, count->totals, err);
}

/* The document that is counted in part; the rest comes in the next rounds. */
static uint32_t find_cut(const dbt__rounds *rounds)
{
    const dbt__slot *slot = &rounds->slot[rounds->head];
    if (slot->skip == 0) return DBT__NO_DOCUMENT;
    return (uint32_t)(slot->page * rounds->corpus->page_rows + (int64_t)slot->row);
}

/* Lets the shards grow, or where memory does not allow it begin anew. */
static dbt_status finish_round(dbt__pass *pass, dbt_error *err)
{
    count_pass *count = (count_pass *)pass;
    dbt__rounds *rounds = count->rounds;
    /* The pass is given up as soon as possible; the caller looks at `collided` first. */
    if (atomic_load(&count->collided)) return dbt__fail(err, DBT_EINTERNAL, "colliding hashes");
    note_added(count);
    plan_growth(count);
    /* Here rather than in the middle of a round, where giving memory back would stop the others. */
    if (count->runs.folder == NULL || count_bytes(count) <= rounds->memory)
        return dbt_pool_for(rounds->pool, N_SHARDS, grow_soon, count, err);
    count->cut = find_cut(rounds);
    dbt_status status = spill_shards(count, err);
    count->n = 0;
    memset(count->mark, 0, sizeof count->mark);
    return status < 0 ? status : dbt_pool_for(rounds->pool, N_SHARDS, empty_shard, count, err);
}

/* --- reading out --- */

/* min_df and max_df as numbers of documents. */
static dbt__df_bounds find_bounds(const dbt__rounds *rounds)
{
    const dbt_vectorizer_options *options = rounds->options;
    double high = options->max_df * (double)rounds->corpus->n_documents;
    int64_t low = options->min_df;
    return (dbt__df_bounds){low > UINT32_MAX ? UINT32_MAX : (uint32_t)low, (uint32_t)high};
}

static dbt_status reserve_kept(dbt__counts *counts, size_t more, bool totals, dbt_error *err)
{
    dbt_status status = dbt__lexicon_reserve(&counts->lexicon, more, err);
    if (status == DBT_OK && totals)
        status =
            dbt__reserve((void **)&counts->total, &counts->total_capacity,
                         counts->lexicon.n_kept + more, sizeof *counts->total, "a vocabulary", err);
    return status;
}

static dbt_status sort_shard(void *context, size_t task, size_t worker, dbt_error *err)
{
    (void)worker, (void)err;
    count_pass *count = context;
    dbt__shard_sort(&count->shard[task], find_bounds(count->rounds));
    return DBT_OK;
}

/* Of a sorted shard. */
static dbt_status read_shard(dbt__shard *s, uint64_t number, dbt__counts *counts, dbt_error *err)
{
    dbt_status status = reserve_kept(counts, s->n, s->total != NULL, err);
    for (size_t i = 0; status == DBT_OK && i < s->n; i++) {
        size_t at = counts->lexicon.n_kept++;
        if (s->total != NULL) counts->total[at] = s->total[i];
        counts->lexicon.kept[at] =
            (dbt__kept){.hash = number << 56 | s->entry[i].key >> 8,
                        .document_frequency = s->entry[i].document_frequency};
    }
    dbt__shard_release(s);
    return status;
}

/* A quarter of the memory at most. */
static uint32_t first_capacity(const count_pass *count)
{
    size_t places = count->rounds->memory / 4 / place_bytes(count) / N_SHARDS;
    return places < 2 * FIRST_CAPACITY ? (uint32_t)(places / 2 + 1) : FIRST_CAPACITY;
}

/* --- merging --- */

/* Shards that are merged at the same time. */
typedef struct merge_round {
    count_pass *count;
    uint32_t first;
    size_t memory; /* of each, for reading */
    dbt__merged *merged;
} merge_round;

static dbt_status merge_shard(void *context, size_t task, size_t worker, dbt_error *err)
{
    (void)worker;
    const merge_round *round = context;
    const count_pass *count = round->count;
    return dbt__runs_merge(&count->runs, round->first + task, find_bounds(count->rounds),
                           round->memory, &round->merged[task], err);
}

static dbt_status take_merged(count_pass *count, const dbt__merged *merged, dbt_error *err)
{
    dbt__counts *counts = count->counts;
    if (merged->collided) atomic_store(&count->collided, true);
    dbt_status status = reserve_kept(counts, merged->n, count->totals, err);
    if (status < 0 || merged->n == 0) return status;
    size_t at = counts->lexicon.n_kept;
    memcpy(counts->lexicon.kept + at, merged->kept, merged->n * sizeof *merged->kept);
    if (count->totals) memcpy(counts->total + at, merged->total, merged->n * sizeof *merged->total);
    counts->lexicon.n_kept += merged->n;
    return DBT_OK;
}

/* Merging reads no page, at which the corpus could say that the work is to end. */
static dbt_status ask_corpus(const count_pass *count, dbt_error *err)
{
    const dbt_corpus *corpus = count->rounds->corpus;
    return corpus->go_on == NULL ? DBT_OK : corpus->go_on(corpus->context, err);
}

/* One shard a thread at a time: their terms wait in memory for those before. */
static dbt_status merge_runs(count_pass *count, dbt_error *err)
{
    size_t n_workers = count->rounds->n_workers;
    merge_round round = {.count = count, .memory = count->rounds->memory / 2 / n_workers};
    round.merged = dbt__alloc_array(n_workers, sizeof *round.merged);
    if (round.merged == NULL) return dbt__out_of_memory(err, "counting terms");
    dbt_status status = DBT_OK;
    for (uint32_t n; status == DBT_OK && round.first < N_SHARDS; round.first += n) {
        n = N_SHARDS - round.first < n_workers ? N_SHARDS - round.first : (uint32_t)n_workers;
        status = ask_corpus(count, err);
        if (status == DBT_OK)
            status = dbt_pool_for(count->rounds->pool, n, merge_shard, &round, err);
        for (uint32_t i = 0; i < n; i++) {
            if (status == DBT_OK) status = take_merged(count, &round.merged[i], err);
            dbt__merged_release(&round.merged[i]);
        }
    }
    dbt__free(round.merged);
    return status;
}

static void release_shards(count_pass *count)
{
    for (size_t i = 0; i < N_SHARDS; i++)
        dbt__shard_release(&count->shard[i]);
}

/* The terms from the shards, or from the runs and what the shards hold beyond them. */
static dbt_status read_counts(count_pass *count, dbt_error *err)
{
    dbt_status status = DBT_OK;
    if (count->runs.n == 0) {
        status = dbt_pool_for(count->rounds->pool, N_SHARDS, sort_shard, count, err);
        if (status == DBT_OK)
            status = dbt__lexicon_expect(&count->counts->lexicon, count_entries(count), err);
        for (uint32_t i = 0; status == DBT_OK && i < N_SHARDS; i++)
            status = read_shard(&count->shard[i], i, count->counts, err);
        return status;
    }
    count->cut = DBT__NO_DOCUMENT;
    status = spill_shards(count, err);
    release_shards(count);
    dbt__trim_memory(0);
    if (status == DBT_OK) status = merge_runs(count, err);
    count->counts->spilled_bytes = (int64_t)atomic_load(&count->runs.end);
    return status;
}

static dbt_status count_all(count_pass *count, dbt_error *err)
{
    dbt__counts *counts = count->counts;
    dbt_status status = DBT_OK;
    uint32_t capacity = first_capacity(count);
    count->cut = DBT__NO_DOCUMENT;
    count->n = count->added = 0; /* it may be the second time, with another hash function */
    memset(count->mark, 0, sizeof count->mark);
    dbt__runs_init(&count->runs, count->rounds->options->spill_folder, count->totals);
    for (uint32_t i = 0; status == DBT_OK && i < N_SHARDS; i++)
        status = dbt__shard_init(&count->shard[i], capacity, count->totals, err);
    if (status == DBT_OK) status = dbt__rounds_run(count->rounds, &count->pass, err);
    if (status == DBT_OK) status = read_counts(count, err);
    release_shards(count);
    dbt__runs_release(&count->runs);
    dbt__trim_memory(count->rounds->options->memory / DBT__HEAP_PART);
    if (status == DBT_OK)
        status = dbt__lexicon_finish(&counts->lexicon, count->rounds->options->table_memory, err);
    return status;
}

dbt_status dbt__count(dbt__rounds *rounds, uint64_t hash_mask, dbt__counts *counts, dbt_error *err)
{
    *counts = (dbt__counts){0};
    count_pass *count = dbt__alloc(sizeof *count);
    if (count == NULL) return dbt__out_of_memory(err, "counting terms");
    count->pass = (dbt__pass){take_document, apply_items, finish_slot, finish_round};
    count->rounds = rounds;
    count->counts = counts;
    count->totals = rounds->options->max_features > 0;
    dbt_status status;
    int64_t passes = 0;
    for (uint64_t seed = 0;; seed++) {
        atomic_store(&count->collided, false);
        /* Totals are by place in memory: with them terms stay there. */
        dbt__lexicon_init(&counts->lexicon, count->totals ? NULL : rounds->options->spill_folder,
                          rounds->options->memory);
        status = dbt__rounds_set_hash(rounds, seed, seed == 0 ? hash_mask : UINT64_MAX, err);
        /* A collision ends the pass with an error that nobody is to see. */
        dbt_error pass_error = {0};
        if (status == DBT_OK) status = count_all(count, &pass_error);
        passes++;
        if (!atomic_load(&count->collided)) {
            if (pass_error.status != DBT_OK)
                status = dbt__fail(err, status, "%s", pass_error.message);
            counts->seed = seed;
            break;
        }
        dbt__counts_release(counts);
    }
    counts->passes = passes;
    dbt__free(count);
    if (status < 0) dbt__counts_release(counts);
    return status;
}

void dbt__counts_release(dbt__counts *counts)
{
    dbt__lexicon_release(&counts->lexicon);
    dbt__free(counts->total);
    *counts = (dbt__counts){0};
}
