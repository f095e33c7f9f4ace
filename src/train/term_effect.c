/*
 * term_effect.c: the terms that raise the probability of each label most.
 *
 * The effect of a term is the probability of the label for a document of that term alone, less that
 * for an empty one. Such documents are predicted in chunks, a chunk a thread at a time, and looked
 * through in the order of the terms.
 */
#include "term_effect.h"

#include <string.h>

/* Rows of a chunk; fewer where there are many labels, whose probabilities all are kept. */
#define CHUNK_ROWS ((size_t)256)
#define CHUNK_PROBABILITIES ((size_t)1 << 18)

typedef struct effect {
    float value;
    uint32_t feature;
} effect;

typedef struct effect_worker {
    dbt_workspace *workspace;
    dbt_batch *batch;
} effect_worker;

typedef struct term_effects {
    const dbt_network *network;
    const dbt_vectorizer *vectorizer;
    dbt_pool *pool;
    size_t n_terms;
    size_t n_labels;
    size_t chunk_rows;
    size_t n_workers;
    effect_worker *worker;
    size_t first;       /* term of this round's chunk 0 */
    float *probability; /* [n_workers x chunk_rows x n_labels], of this round's */
    float *empty;       /* [n_labels], of a document without terms */
    effect *kept;       /* [n_labels x DBT__STRONGEST_TERMS], the strongest first */
    size_t *n_kept;     /* [n_labels] */
} term_effects;

static size_t chunk_rows(size_t n_labels)
{
    size_t rows = CHUNK_PROBABILITIES / n_labels;
    return rows < 1 ? 1 : rows > CHUNK_ROWS ? CHUNK_ROWS : rows;
}

static dbt_status make_worker(const term_effects *t, effect_worker *worker, dbt_error *err)
{
    dbt_status status = dbt_workspace_new(t->network, &worker->workspace, err);
    if (status == DBT_OK) status = dbt_batch_new(&worker->batch, err);
    if (status == DBT_OK)
        status = dbt_batch_reserve(worker->batch, t->chunk_rows, t->chunk_rows, err);
    return status;
}

static dbt_status make_memory(term_effects *t, dbt_error *err)
{
    size_t round_rows = t->n_workers * t->chunk_rows, n_probabilities, n_kept;
    if (!dbt__multiply(round_rows, t->n_labels, &n_probabilities) ||
        !dbt__multiply(t->n_labels, DBT__STRONGEST_TERMS, &n_kept))
        return dbt__out_of_memory(err, "the effects of terms");
    t->worker = dbt__alloc_array(t->n_workers, sizeof *t->worker);
    t->probability = dbt__alloc_array(n_probabilities, sizeof *t->probability);
    t->empty = dbt__alloc_array(t->n_labels, sizeof *t->empty);
    t->kept = dbt__alloc_array(n_kept, sizeof *t->kept);
    t->n_kept = dbt__alloc_array(t->n_labels, sizeof *t->n_kept);
    if (t->worker == NULL || t->probability == NULL || t->empty == NULL || t->kept == NULL ||
        t->n_kept == NULL)
        return dbt__out_of_memory(err, "the effects of terms");
    dbt_status status = DBT_OK;
    for (size_t i = 0; status == DBT_OK && i < t->n_workers; i++)
        status = make_worker(t, &t->worker[i], err);
    return status;
}

static void release_memory(term_effects *t)
{
    for (size_t i = 0; t->worker != NULL && i < t->n_workers; i++) {
        dbt_workspace_free(t->worker[i].workspace);
        dbt_batch_free(t->worker[i].batch);
    }
    dbt__free(t->worker);
    dbt__free(t->probability);
    dbt__free(t->empty);
    dbt__free(t->kept);
    dbt__free(t->n_kept);
}

/* --- predicting --- */

/* What the vectorizer makes of a document of the term alone. */
static float value_of(const dbt_vectorizer *vectorizer, size_t term)
{
    if (dbt_vectorizer_get_options(vectorizer)->norm != DBT_NORM_NONE) return 1;
    return (float)dbt_vectorizer_feature(vectorizer, term).idf;
}

/* Of n documents of a term each, or for n = 0 of one without terms. */
static void fill_batch(const term_effects *t, size_t first, size_t n, dbt_batch *batch)
{
    batch->n_rows = n == 0 ? 1 : n;
    batch->n_columns = t->n_terms;
    batch->row_start[0] = 0;
    batch->row_start[1] = 0;
    for (size_t i = 0; i < n; i++) {
        batch->row_start[i + 1] = i + 1;
        batch->column[i] = (uint32_t)(first + i);
        batch->value[i] = value_of(t->vectorizer, first + i);
    }
}

static dbt_status predict_rows(const term_effects *t, size_t first, size_t n, size_t number,
                               float *to, dbt_error *err)
{
    const effect_worker *worker = &t->worker[number];
    const float *probability;
    fill_batch(t, first, n, worker->batch);
    dbt_status status =
        dbt_network_predict(t->network, worker->workspace, worker->batch, &probability, err);
    if (status == DBT_OK) memcpy(to, probability, worker->batch->n_rows * t->n_labels * sizeof *to);
    return status;
}

static size_t rows_from(const term_effects *t, size_t first)
{
    size_t left = t->n_terms - first;
    return left < t->chunk_rows ? left : t->chunk_rows;
}

static dbt_status predict_chunk(void *context, size_t task, size_t number, dbt_error *err)
{
    const term_effects *t = context;
    size_t first = t->first + task * t->chunk_rows;
    return predict_rows(t, first, rows_from(t, first), number,
                        t->probability + task * t->chunk_rows * t->n_labels, err);
}

/* --- choosing --- */

static void keep(term_effects *t, size_t label, effect made)
{
    effect *kept = t->kept + label * DBT__STRONGEST_TERMS;
    size_t *n = &t->n_kept[label], at = *n;
    if (!(made.value > 0)) return;
    if (at == DBT__STRONGEST_TERMS) {
        if (made.value <= kept[at - 1].value) return;
        at--;
    } else {
        ++*n;
    }
    for (; at > 0 && kept[at - 1].value < made.value; at--)
        kept[at] = kept[at - 1];
    kept[at] = made;
}

static void keep_round(term_effects *t, size_t n_rows)
{
    const float *probability = t->probability;
    for (size_t row = 0; row < n_rows; row++, probability += t->n_labels)
        for (size_t label = 0; label < t->n_labels; label++)
            keep(t, label,
                 (effect){probability[label] - t->empty[label], (uint32_t)(t->first + row)});
}

static dbt_status find_effects(term_effects *t, dbt_error *err)
{
    dbt_status status = predict_rows(t, 0, 0, 0, t->empty, err);
    for (size_t n; status == DBT_OK && t->first < t->n_terms; t->first += n) {
        size_t left = t->n_terms - t->first, round_rows = t->n_workers * t->chunk_rows;
        n = left < round_rows ? left : round_rows;
        status =
            dbt_pool_for(t->pool, (n + t->chunk_rows - 1) / t->chunk_rows, predict_chunk, t, err);
        if (status == DBT_OK) keep_round(t, n);
    }
    return status;
}

/* --- writing --- */

static dbt_status write_label(const dbt__bulk *bulk, int64_t run_id, int64_t label_id,
                              const effect *kept, size_t n, dbt_error *err)
{
    dbt_status status = DBT_OK;
    for (size_t at = 0, rows; status == DBT_OK && at < n; at += rows) {
        dbt__statement *insert;
        rows = dbt__bulk_next(bulk, n - at, &insert);
        dbt__bind_int(insert, 1, run_id);
        dbt__bind_int(insert, 2, label_id);
        for (size_t i = 0; i < rows; i++) {
            dbt__bind_int(insert, (int)(2 * i) + 3, kept[at + i].feature);
            dbt__bind_double(insert, (int)(2 * i) + 4, (double)kept[at + i].value);
        }
        status = dbt__run(insert, err);
    }
    return status;
}

static dbt_status write_effects(const term_effects *t, dbt__sql *sql, int64_t run_id,
                                const dbt__label_map *labels, dbt_error *err)
{
    dbt__bulk bulk;
    dbt_status status = dbt__bulk_prepare(
        sql, "INSERT OR FAIL INTO term_effect (run_id, label_id, feature_id, effect) VALUES",
        "(?1, ?2, ?, ?)", &bulk, err);
    for (size_t i = 0; status == DBT_OK && i < t->n_labels; i++)
        status = write_label(&bulk, run_id, labels->label[i].id, t->kept + i * DBT__STRONGEST_TERMS,
                             t->n_kept[i], err);
    dbt__bulk_finalize(&bulk);
    return status;
}

dbt_status dbt__term_effect_write(dbt__sql *sql, int64_t run_id, const dbt_network *network,
                                  const dbt_vectorizer *vectorizer, const dbt__label_map *labels,
                                  dbt_pool *pool, dbt_error *err)
{
    term_effects t = {.network = network,
                      .vectorizer = vectorizer,
                      .pool = pool,
                      .n_terms = dbt_vectorizer_features(vectorizer),
                      .n_labels = labels->n,
                      .chunk_rows = chunk_rows(labels->n),
                      .n_workers = dbt_pool_threads(pool)};
    dbt_status status =
        dbt__sql_run(sql, "DELETE FROM term_effect WHERE run_id = ?", &run_id, 1, err);
    if (status < 0 || dbt_vectorizer_get_options(vectorizer)->hash_bits != 0) return status;
    status = make_memory(&t, err);
    if (status == DBT_OK) status = find_effects(&t, err);
    if (status == DBT_OK) status = write_effects(&t, sql, run_id, labels, err);
    release_memory(&t);
    return status;
}
