/*
 * runs.c: writing sorted runs of counts, and merging them.
 *
 *     record: key, 8 bytes; as LEB128 4 * document frequency, plus 2 where its first document is
 *             the one that was cut before the run, plus 1 where its last one is the one that is cut
 *             after it; then, where totals are wanted, the occurrences
 *
 * The keys of a segment are spread evenly over 64 bits, so that their differences would take as
 * many bytes as they do.
 */
#include "runs.h"

#include <string.h>

#include "leb128.h"

#define RECORD_MAX (sizeof(uint64_t) + 2 * DBT__LEB128_MAX)
/* Bytes that are written at once, and the fewest and the most that are read. */
#define WRITE_BYTES ((size_t)64 * 1024)
#define LEAST_READ ((size_t)4 * 1024)
#define MOST_READ ((size_t)128 * 1024)

void dbt__runs_init(dbt__runs *runs, const char *folder, bool totals)
{
    *runs = (dbt__runs){.folder = folder, .totals = totals};
}

void dbt__runs_release(dbt__runs *runs)
{
    dbt__spill_free(runs->spill);
    dbt__free(runs->segment);
    dbt__free(runs->cut);
    *runs = (dbt__runs){0};
}

dbt_status dbt__runs_begin(dbt__runs *runs, uint32_t cut, dbt_error *err)
{
    dbt_status status = DBT_OK;
    if (runs->spill == NULL) status = dbt__spill_new(runs->folder, &runs->spill, err);
    if (status == DBT_OK)
        status =
            dbt__reserve((void **)&runs->segment, &runs->segment_capacity,
                         (runs->n + 1) * DBT__GROUPS, sizeof *runs->segment, "counting terms", err);
    if (status == DBT_OK)
        status = dbt__reserve((void **)&runs->cut, &runs->cut_capacity, runs->n + 1,
                              sizeof *runs->cut, "counting terms", err);
    if (status < 0) return status;
    memset(runs->segment + runs->n * DBT__GROUPS, 0, DBT__GROUPS * sizeof *runs->segment);
    runs->cut[runs->n++] = cut;
    return DBT_OK;
}

/* --- writing --- */

static size_t put_record(const dbt__runs *runs, const dbt__shard *shard, size_t i,
                         unsigned char *to)
{
    const dbt__count_entry *entry = &shard->entry[i];
    bool begins = (entry->document_frequency & DBT__GOES_ON) != 0;
    bool ends = entry->last_document == runs->cut[runs->n - 1];
    uint64_t df = entry->document_frequency & ~DBT__GOES_ON;
    memcpy(to, &entry->key, sizeof entry->key);
    size_t n = sizeof entry->key;
    n += dbt__leb128_put(to + n, df << 2 | (uint64_t)begins << 1 | ends);
    return shard->total == NULL ? n : n + dbt__leb128_put(to + n, shard->total[i]);
}

static size_t segment_bytes(const dbt__runs *runs, const dbt__shard *shard)
{
    unsigned char record[RECORD_MAX];
    size_t bytes = 0;
    for (size_t i = 0; i < shard->n; i++)
        bytes += put_record(runs, shard, i, record);
    return bytes;
}

dbt_status dbt__runs_write(dbt__runs *runs, size_t number, dbt__shard *shard, dbt_error *err)
{
    dbt__shard_sort(shard,
                    (dbt__df_bounds){1, UINT32_MAX}); /* which of them are kept, all runs tell */
    dbt__segment *segment = &runs->segment[(runs->n - 1) * DBT__GROUPS + number];
    segment->bytes = segment_bytes(runs, shard);
    segment->offset = atomic_fetch_add(&runs->end, segment->bytes);
    unsigned char *buffer = dbt__grow_array(NULL, WRITE_BYTES + RECORD_MAX, 1);
    if (buffer == NULL) return dbt__out_of_memory(err, "counting terms");
    uint64_t offset = segment->offset;
    size_t n = 0;
    dbt_status status = DBT_OK;
    for (size_t i = 0; status == DBT_OK && i < shard->n; i++) {
        n += put_record(runs, shard, i, buffer + n);
        if (n < WRITE_BYTES && i + 1 < shard->n) continue;
        status = dbt__spill_write(runs->spill, offset, buffer, n, err);
        offset += n;
        n = 0;
    }
    dbt__free(buffer);
    return status;
}

/* --- merging --- */

/* A segment that is being read, and its record at hand. */
typedef struct source {
    uint64_t offset, left; /* of what is in the file yet */
    unsigned char *buffer;
    const unsigned char *at, *end;
    uint64_t key;
    uint64_t total;
    uint32_t document_frequency;
    bool begins, ends;
} source;

/* Sources by key, and those of the same key by run: a binary heap, the least first. */
typedef struct node {
    uint64_t key;
    size_t run;
} node;

typedef struct merger {
    const dbt__runs *runs;
    dbt__df_bounds bounds;
    dbt__merged *merged;
    uint64_t number; /* of the shard */
    size_t buffer_bytes;
    unsigned char *buffers;
    source *source; /* [runs] */
    node *heap;     /* [n] */
    size_t n;
    /* the n-gram at hand */
    bool any;
    uint64_t key;
    uint64_t document_frequency, total;
    uint32_t last_document; /* DBT__NO_DOCUMENT unless it goes on in a later run */
} merger;

static bool is_less(node a, node b)
{
    return a.key < b.key || (a.key == b.key && a.run < b.run);
}

static void sift_down(merger *merge, size_t at)
{
    node *heap = merge->heap, moved = heap[at];
    for (size_t child; (child = 2 * at + 1) < merge->n; at = child) {
        if (child + 1 < merge->n && is_less(heap[child + 1], heap[child])) child++;
        if (!is_less(heap[child], moved)) break;
        heap[at] = heap[child];
    }
    heap[at] = moved;
}

/* Fills the buffer behind what is left of it. */
static dbt_status refill(const merger *merge, source *s, dbt_error *err)
{
    size_t kept = (size_t)(s->end - s->at), more = merge->buffer_bytes - kept;
    if (more > s->left) more = (size_t)s->left;
    memmove(s->buffer, s->at, kept);
    dbt_status status = dbt__spill_read(merge->runs->spill, s->offset, s->buffer + kept, more, err);
    s->offset += more;
    s->left -= more;
    s->at = s->buffer;
    s->end = s->buffer + kept + more;
    return status;
}

/* The next record; *done: there is none. */
static dbt_status advance(const merger *merge, source *s, bool *done, dbt_error *err)
{
    if ((size_t)(s->end - s->at) < RECORD_MAX && s->left > 0) {
        dbt_status status = refill(merge, s, err);
        if (status < 0) return status;
    }
    *done = s->at == s->end;
    if (*done) return DBT_OK;
    uint64_t packed = 0;
    bool read = (size_t)(s->end - s->at) > sizeof s->key;
    if (read) {
        memcpy(&s->key, s->at, sizeof s->key);
        s->at += sizeof s->key;
        read = dbt__leb128_get(&s->at, s->end, &packed) &&
               (!merge->runs->totals || dbt__leb128_get(&s->at, s->end, &s->total));
    }
    if (!read) return dbt__fail(err, DBT_EIO, "a temporary file has changed");
    s->ends = (packed & 1) != 0;
    s->begins = (packed & 2) != 0;
    s->document_frequency = (uint32_t)(packed >> 2);
    return DBT_OK;
}

/* The n-gram at hand is complete. */
static dbt_status finish_ngram(merger *merge, dbt_error *err)
{
    dbt__merged *merged = merge->merged;
    uint64_t df = merge->document_frequency;
    if (!merge->any || df < merge->bounds.low || df > merge->bounds.high) return DBT_OK;
    dbt_status status = dbt__reserve((void **)&merged->kept, &merged->kept_capacity, merged->n + 1,
                                     sizeof *merged->kept, "a vocabulary", err);
    if (status == DBT_OK && merge->runs->totals)
        status = dbt__reserve((void **)&merged->total, &merged->total_capacity, merged->n + 1,
                              sizeof *merged->total, "a vocabulary", err);
    if (status < 0) return status;
    if (merge->runs->totals) merged->total[merged->n] = merge->total;
    merged->kept[merged->n++] = (dbt__kept){.hash = merge->number << 56 | merge->key >> 8,
                                            .document_frequency = (uint32_t)df};
    return DBT_OK;
}

static dbt_status take_record(merger *merge, const source *s, size_t run, dbt_error *err)
{
    dbt_status status = DBT_OK;
    if (!merge->any || !dbt__same_hash(s->key, merge->key)) {
        status = finish_ngram(merge, err);
        merge->any = true;
        merge->key = s->key;
        merge->document_frequency = merge->total = 0;
        merge->last_document = DBT__NO_DOCUMENT;
    }
    merge->merged->collided |= s->key != merge->key;
    bool counted = s->begins && merge->last_document != DBT__NO_DOCUMENT &&
                   merge->last_document == merge->runs->cut[run - 1];
    merge->document_frequency += s->document_frequency - counted;
    merge->total += s->total;
    merge->last_document = s->ends ? merge->runs->cut[run] : DBT__NO_DOCUMENT;
    return status;
}

static dbt_status open_sources(merger *merge, size_t memory, dbt_error *err)
{
    const dbt__runs *runs = merge->runs;
    merge->buffer_bytes = memory / runs->n;
    if (merge->buffer_bytes < LEAST_READ) merge->buffer_bytes = LEAST_READ;
    if (merge->buffer_bytes > MOST_READ) merge->buffer_bytes = MOST_READ;
    merge->buffers = dbt__grow_array(NULL, runs->n * merge->buffer_bytes, 1);
    merge->source = dbt__alloc_array(runs->n, sizeof *merge->source);
    merge->heap = dbt__alloc_array(runs->n, sizeof *merge->heap);
    if (merge->buffers == NULL || merge->source == NULL || merge->heap == NULL)
        return dbt__out_of_memory(err, "counting terms");
    dbt_status status = DBT_OK;
    for (size_t run = 0; status == DBT_OK && run < runs->n; run++) {
        source *s = &merge->source[run];
        const dbt__segment *segment = &runs->segment[run * DBT__GROUPS + merge->number];
        unsigned char *buffer = merge->buffers + run * merge->buffer_bytes;
        bool done = true;
        *s = (source){segment->offset, segment->bytes, buffer, buffer, buffer, 0, 0, 0, 0, 0};
        status = advance(merge, s, &done, err);
        if (!done) merge->heap[merge->n++] = (node){s->key, run};
    }
    for (size_t i = merge->n / 2; i-- > 0;)
        sift_down(merge, i);
    return status;
}

dbt_status dbt__runs_merge(const dbt__runs *runs, size_t number, dbt__df_bounds bounds,
                           size_t memory, dbt__merged *merged, dbt_error *err)
{
    merger merge = {.runs = runs, .bounds = bounds, .merged = merged, .number = number};
    dbt_status status = open_sources(&merge, memory, err);
    while (status == DBT_OK && merge.n > 0) {
        size_t run = merge.heap[0].run;
        source *s = &merge.source[run];
        bool done;
        status = take_record(&merge, s, run, err);
        if (status == DBT_OK) status = advance(&merge, s, &done, err);
        if (status < 0) break;
        merge.heap[0] = done ? merge.heap[--merge.n] : (node){s->key, run};
        if (merge.n > 0) sift_down(&merge, 0);
    }
    if (status == DBT_OK) status = finish_ngram(&merge, err);
    dbt__free(merge.buffers);
    dbt__free(merge.source);
    dbt__free(merge.heap);
    return status;
}

void dbt__merged_release(dbt__merged *merged)
{
    dbt__free(merged->kept);
    dbt__free(merged->total);
    *merged = (dbt__merged){0};
}
