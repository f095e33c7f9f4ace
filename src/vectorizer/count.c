/*
 * count.c: in how many documents each n-gram is.
 *
 * The top 8 bits of a hash choose one of 256 shards (shard.h), tables that grow on their own.
 *
 * When the shards outgrow the memory the highest is dropped, and again; what was dropped is counted
 * in the next pass. A shard is always counted from the first document to the last in one pass, so
 * memory changes the time, not the counts. Until the end of the first pass a dropped shard's
 * n-grams go to its gate (gate.h), which in the next passes keeps out nearly all that are in fewer
 * documents than min_df, and with them most of the passes.
 *
 * Two n-grams of one hash with different check bits: counting begins anew with another hash
 * function.
 */
#include <string.h>

#include "gate.h"
#include "shard.h"
#include "vectorizer_internal.h"

#define N_SHARDS DBT__GROUPS
/* All gates take at most this part of the memory: a third, without which the passes that follow are
 * half as many again. They are worth it when they keep out enough. */
#define GATES_PART 3
#define WORTH_OPEN 0.6
#define FIRST_CAPACITY 1024
#define PREFETCH 24
/* How distinct n-grams grow with the documents (Heaps' law): for making room in few steps. */
#define HEAPS_EXPONENT 0.8
#define MOST_GROWTH 8.0
/* Eighths of the homes that a shard fills before it grows: searches are short; where memory is, the
 * most before searches are long. */
#define DUE 5
#define DUE_IN_LITTLE_MEMORY 6

typedef struct count_pass {
    dbt__pass pass;
    dbt__rounds *rounds;
    dbt__counts *counts;
    bool totals;
    atomic_bool collided;
    uint32_t low; /* shards low .. high - 1 are counted */
    uint32_t high;
    double growth;  /* of the shards that are due for it, in this round */
    uint32_t due;   /* eighths of its homes that a shard may fill before it is */
    uint32_t least; /* occurrences below which a gate keeps an n-gram out; 1: there are no gates */
    bool fills_gates;         /* this is the first pass */
    unsigned char *gates;     /* [N_SHARDS * gate_bytes]; NULL until a shard is dropped */
    dbt__gate gate[N_SHARDS]; /* of shards that were dropped in the first pass */
    dbt__shard shard[N_SHARDS];
} count_pass;

/* --- the pass --- */

static inline uint32_t shard_of(const dbt__ngram *ngram)
{
    return (uint32_t)(ngram->hash >> 56);
}

/* Appends the n-grams of shards first .. first + span - 1. */
static size_t append_all(dbt__worker *worker, const dbt__ngram *block, size_t n, uint32_t first,
                         uint32_t span)
{
    size_t n_items = worker->n_items;
    for (size_t i = 0; i < n; i++) {
        worker->item[n_items].ngram = block[i];
        worker->group[n_items] = (uint8_t)shard_of(&block[i]);
        n_items += shard_of(&block[i]) - first < span;
    }
    return n_items;
}

/* Appends those that their gates admit, too. All of these shards have gates. */
static size_t append_admitted(const count_pass *count, dbt__worker *worker, const dbt__ngram *block,
                              size_t n)
{
    size_t first = worker->n_items,
           end = append_all(worker, block, n, count->low, count->high - count->low);
    dbt__item *item = worker->item;
    for (size_t i = first; i < end; i++)
        dbt__gate_prefetch(&count->gate[worker->group[i]], dbt__count_key(&item[i].ngram));
    size_t n_items = first;
    for (size_t i = first; i < end; i++) {
        uint8_t group = worker->group[i];
        item[n_items] = item[i];
        worker->group[n_items] = group;
        n_items +=
            dbt__gate_admits(&count->gate[group], dbt__count_key(&item[i].ngram), count->least);
    }
    return n_items;
}

static dbt_status take_document(dbt__pass *pass, dbt__worker *worker, dbt__slot *slot, size_t row,
                                uint32_t document, bool *complete, dbt_error *err)
{
    const count_pass *count = (const count_pass *)pass;
    dbt_text text = worker->page->text[row];
    dbt_status status = dbt__analyzer_begin(worker->analyzer, text.data, text.bytes, err);
    if (status < 0) return status;
    dbt__ngram *block = worker->row.block;
    uint64_t taken = 0;
    *complete = true;
    for (;;) {
        size_t n = dbt__analyzer_next(worker->analyzer, document, block, DBT__BLOCK);
        if (n == 0) break;
        /* Blocks are cut alike each time, so those that an earlier round took are whole. */
        if (taken >= slot->skip) {
            if (worker->n_items + n > count->rounds->slot_capacity) {
                *complete = false;
                break;
            }
            if (count->fills_gates)
                worker->n_items = append_all(worker, block, n, 0, N_SHARDS);
            else if (count->gate[count->low].counter != NULL)
                worker->n_items = append_admitted(count, worker, block, n);
            else
                worker->n_items =
                    append_all(worker, block, n, count->low, count->high - count->low);
        }
        taken += n;
    }
    slot->skip = *complete ? 0 : taken;
    if (*complete) slot->tokens += (int64_t)taken;
    return DBT_OK;
}

static void fill_gate(dbt__gate *gate, const dbt__item *item, size_t n_items)
{
    for (size_t i = 0; i < n_items; i++) {
        if (i + PREFETCH < n_items)
            dbt__gate_prefetch(gate, dbt__count_key(&item[i + PREFETCH].ngram));
        dbt__gate_count(gate, dbt__count_key(&item[i].ngram), 1);
    }
}

static dbt_status apply_items(dbt__pass *pass, size_t group, const dbt__slot *slot,
                              const dbt__item *item, size_t n_items, dbt_error *err)
{
    (void)slot;
    count_pass *count = (count_pass *)pass;
    dbt__shard *s = &count->shard[group];
    bool collided = false;
    /* Slots that were filled before the shard was dropped still have items of it. */
    if (s->entry == NULL) {
        if (count->fills_gates) fill_gate(&count->gate[group], item, n_items);
        return DBT_OK;
    }
    for (size_t i = 0; i < n_items; i++) {
        if (i + PREFETCH < n_items)
            __builtin_prefetch(
                s->entry + dbt__shard_home(s, dbt__count_key(&item[i + PREFETCH].ngram)), 1);
        uint64_t key = dbt__count_key(&item[i].ngram);
        uint32_t document = item[i].ngram.tag;
        size_t at = dbt__shard_find(s, key);
        dbt__count_entry *entry = &s->entry[at];
        if (entry->document_frequency == 0) {
            dbt_status status = dbt__shard_add(s, key, document, at, err);
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
    if (count->low == 0) count->counts->tokens += slot->tokens;
    return DBT_OK;
}

static size_t place_bytes(const count_pass *count)
{
    return sizeof(dbt__count_entry) + (count->totals ? sizeof(uint64_t) : 0);
}

static size_t gate_bytes(const count_pass *count)
{
    return count->rounds->memory / GATES_PART / N_SHARDS;
}

static bool is_due(const count_pass *count, const dbt__shard *s)
{
    return s->n >= s->capacity / 8 * count->due;
}

/* What the tables will take when those that are due have grown, and the gates. */
static size_t count_bytes(const count_pass *count)
{
    size_t places = 0, gates = 0;
    for (uint32_t i = count->low; i < count->high; i++) {
        const dbt__shard *s = &count->shard[i];
        double growth = is_due(count, s) ? count->growth : 1;
        places += dbt__shard_places((uint32_t)ceil(s->capacity * growth));
    }
    for (uint32_t i = 0; i < N_SHARDS; i++)
        gates += count->gate[i].counter != NULL;
    return places * place_bytes(count) + gates * gate_bytes(count);
}

/* A shard that is about to be dropped gets a gate that knows what was counted. The memory of all is
 * one piece, of which no more is touched than there are gates. */
static dbt_status make_gate(count_pass *count, uint32_t number, dbt_error *err)
{
    if (count->gates == NULL) count->gates = dbt__alloc_array(N_SHARDS, gate_bytes(count));
    if (count->gates == NULL) return dbt__out_of_memory(err, "counting terms");
    dbt__gate *gate = &count->gate[number];
    *gate = dbt__gate_in(count->gates + number * gate_bytes(count), gate_bytes(count));
    const dbt__shard *s = &count->shard[number];
    for (size_t i = 0; i < dbt__shard_places(s->capacity); i++)
        if (s->entry[i].document_frequency > 0)
            dbt__gate_count(gate, s->entry[i].key, s->entry[i].document_frequency);
    return DBT_OK;
}

static dbt_status drop_shard(count_pass *count, dbt_error *err)
{
    dbt_status status = DBT_OK;
    if (count->fills_gates) status = make_gate(count, count->high - 1, err);
    dbt__shard_release(&count->shard[--count->high]);
    return status;
}

/* Chooses when and how shards grow: at once to what they will need at the end of the corpus, if
 * memory allows that, else late and little. */
static void plan_growth(count_pass *count)
{
    const dbt__rounds *rounds = count->rounds;
    double done = (double)rounds->slot[rounds->head].page / (double)rounds->n_pages;
    double growth = pow(done < 1 ? 1 / done : 1, HEAPS_EXPONENT);
    if (!(growth >= DBT__LEAST_GROWTH)) growth = DBT__LEAST_GROWTH;
    count->growth = growth < MOST_GROWTH ? growth : MOST_GROWTH;
    count->due = DUE;
    if (count_bytes(count) <= rounds->memory) return;
    count->growth = DBT__LEAST_GROWTH;
    count->due = DUE_IN_LITTLE_MEMORY;
}

/* Grows a shard that would soon have to. */
static dbt_status grow_soon(void *context, size_t task, size_t worker, dbt_error *err)
{
    (void)worker;
    count_pass *count = context;
    dbt__shard *s = &count->shard[count->low + task];
    return is_due(count, s) ? dbt__shard_grow(s, count->growth, err) : DBT_OK;
}

/* Drops shards until the rest fits into memory, grown as it will be. */
static dbt_status finish_round(dbt__pass *pass, dbt_error *err)
{
    count_pass *count = (count_pass *)pass;
    /* The pass is given up as soon as possible; the caller looks at `collided` first. */
    if (atomic_load(&count->collided)) return dbt__fail(err, DBT_EINTERNAL, "colliding hashes");
    plan_growth(count);
    size_t memory = count->rounds->memory, bytes;
    while ((bytes = count_bytes(count)) > memory) {
        if (count->high - count->low == 1)
            return dbt__fail(err, DBT_ENOMEM,
                             "too many different terms to count them in %zu MiB: raise the memory "
                             "to %zu MiB",
                             count->rounds->options->memory >> 20, ((3 * bytes) >> 20) + 1);
        dbt_status status = drop_shard(count, err);
        if (status < 0) return status;
    }
    /* Here rather than in the middle of a round, where giving memory back would stop the others. */
    return dbt_pool_for(count->rounds->pool, count->high - count->low, grow_soon, count, err);
}

/* --- reading out --- */

typedef struct bounds {
    uint32_t low;
    uint32_t high;
} bounds;

/* min_df and max_df as numbers of documents. */
static bounds find_bounds(const dbt__rounds *rounds)
{
    const dbt_vectorizer_options *options = rounds->options;
    double high = options->max_df * (double)rounds->corpus->n_documents;
    int64_t low = options->min_df;
    return (bounds){low > UINT32_MAX ? UINT32_MAX : (uint32_t)low, (uint32_t)high};
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

/* Puts a term at its place among those from `first` on: it is at the end but for what probing
 * moved. */
static void insert_kept(dbt__counts *counts, size_t first, dbt__kept kept, const uint64_t *total)
{
    dbt__kept *sorted = counts->lexicon.kept;
    size_t at = counts->lexicon.n_kept++;
    for (; at > first && sorted[at - 1].hash > kept.hash; at--) {
        sorted[at] = sorted[at - 1];
        if (total != NULL) counts->total[at] = counts->total[at - 1];
    }
    sorted[at] = kept;
    if (total != NULL) counts->total[at] = *total;
}

static dbt_status read_shard(dbt__shard *s, uint64_t number, bounds limit, dbt__counts *counts,
                             dbt_error *err)
{
    size_t places = dbt__shard_places(s->capacity), n = 0;
    for (size_t i = 0; i < places; i++) {
        uint32_t df = s->entry[i].document_frequency;
        n += df >= limit.low && df <= limit.high;
    }
    dbt_status status = reserve_kept(counts, n, s->total != NULL, err);
    size_t first = counts->lexicon.n_kept;
    for (size_t i = 0; status == DBT_OK && i < places; i++) {
        uint32_t df = s->entry[i].document_frequency;
        if (df < limit.low || df > limit.high || df == 0) continue;
        insert_kept(counts, first, (dbt__kept){number << 56 | s->entry[i].key >> 8, df},
                    s->total == NULL ? NULL : &s->total[i]);
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

static void release_gates(count_pass *count)
{
    for (size_t i = 0; i < N_SHARDS; i++)
        count->gate[i] = (dbt__gate){0};
    dbt__free(count->gates);
    count->gates = NULL;
}

/* After the first pass: gates of which most places are open are given up for tables. */
static void judge_gates(count_pass *count)
{
    double open = 0, places = 0;
    for (uint32_t i = count->low; i < N_SHARDS; i++) {
        open += dbt__gate_open_places(&count->gate[i], count->least);
        places += count->gate[i].n;
    }
    if (open > WORTH_OPEN * places) release_gates(count);
}

/* Counts the shards from count->low on, as many as memory allows; count->low is then the first that
 * is left. */
static dbt_status run_pass(count_pass *count, dbt_error *err)
{
    dbt_status status = DBT_OK;
    uint32_t capacity = first_capacity(count);
    count->high = N_SHARDS;
    count->fills_gates = count->low == 0 && count->least > 1;
    for (uint32_t i = count->low; status == DBT_OK && i < count->high; i++)
        status = dbt__shard_init(&count->shard[i], capacity, count->totals, err);
    /* A collision ends the pass with an error that nobody is to see. */
    dbt_error pass_error = {0};
    if (status == DBT_OK) status = dbt__rounds_run(count->rounds, &count->pass, &pass_error);
    if (pass_error.status != DBT_OK && !atomic_load(&count->collided))
        return dbt__fail(err, status, "%s", pass_error.message);
    count->counts->passes++;
    for (uint32_t i = count->low; status == DBT_OK && i < count->high; i++)
        status = read_shard(&count->shard[i], i, find_bounds(count->rounds), count->counts, err);
    count->low = count->high;
    if (count->fills_gates) judge_gates(count);
    dbt__trim_memory();
    return status;
}

static dbt_status count_all(count_pass *count, dbt_error *err)
{
    dbt_status status = DBT_OK;
    for (count->low = 0; status == DBT_OK && count->low < N_SHARDS;)
        status = run_pass(count, err);
    if (status == DBT_OK)
        status =
            dbt__lexicon_finish(&count->counts->lexicon, count->rounds->options->table_memory, err);
    for (size_t i = 0; i < N_SHARDS; i++)
        dbt__shard_release(&count->shard[i]);
    release_gates(count);
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
    bounds limit = find_bounds(rounds);
    count->least = limit.low < 1 ? 1 : limit.low < DBT__GATE_MOST ? limit.low : DBT__GATE_MOST;
    dbt_status status;
    for (uint64_t seed = 0;; seed++) {
        atomic_store(&count->collided, false);
        /* Totals are by place in memory: with them terms stay there. */
        dbt__lexicon_init(&counts->lexicon, count->totals ? NULL : rounds->options->spill_folder,
                          rounds->options->memory / 6);
        status = dbt__rounds_set_hash(rounds, seed, seed == 0 ? hash_mask : UINT64_MAX, err);
        if (status == DBT_OK) status = count_all(count, err);
        if (!atomic_load(&count->collided)) {
            counts->seed = seed;
            break;
        }
        dbt__counts_release(counts);
    }
    dbt__free(count);
    if (status < 0) dbt__counts_release(counts);
    dbt__trim_memory();
    return status;
}

void dbt__counts_release(dbt__counts *counts)
{
    dbt__lexicon_release(&counts->lexicon);
    dbt__free(counts->total);
    *counts = (dbt__counts){0};
}
