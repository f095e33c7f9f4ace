/*
 * score.c: how well each term tells the labels apart: F of a one-way analysis of variance.
 *
 * F of a term needs the sum of its normalised values in each class, and of all their squares. A
 * cell of a document is added to them in the order of the documents, by the one task that has the
 * term's range of ranks: the same bits for any number of threads. Where the sums of all terms do
 * not fit into memory, several passes take a range each. Of the scores the best are kept alone.
 */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "vectorizer_internal.h"

/* Items whose sums are fetched ahead, the first ones of a group before it begins. */
#define PREFETCH 16
/* Terms whose scores one task computes. */
#define TASK_TERMS 4096
/* Of the memory, what sums are given at least, however large the table is: one of so many. */
#define SUMS_PART 4

typedef struct label_class {
    int64_t label_id;
    uint32_t class;
} label_class;

typedef struct score_pass {
    dbt__pass pass;
    dbt__rounds *rounds;
    const dbt__table *table;
    dbt__candidates *candidates;
    size_t n_classes;
    label_class *label; /* [n_classes]: by label_id */
    int64_t *n_class;   /* [n_classes]: documents */
    uint32_t low;       /* terms low .. low + span - 1 are summed */
    uint32_t span;
    unsigned shift; /* (rank - low) >> shift is the group */
    /* [span][n_classes + 2], on a cache line: the sums, that of the squares, and, as a uint32, the
     * number (from 1) of the first document. */
    double *sum;
    size_t place; /* of the table, where term `low` is or that is before it */
} score_pass;

double dbt__anova_f(const double *sum, const int64_t *n_class, size_t n_classes, double squares)
{
    double total = 0, between = 0, n = 0;
    size_t present = 0;
    for (size_t k = 0; k < n_classes; k++) {
        if (n_class[k] == 0) continue;
        present++;
        total += sum[k];
        n += (double)n_class[k];
        between += sum[k] * sum[k] / (double)n_class[k];
    }
    double square_of_sum = total * total / n;
    between -= square_of_sum;
    double within = squares - square_of_sum - between;
    /* Of squares that sum up to 0 rounding leaves so much, of either sign: scikit-learn divides by
     * it, and may take a term that separates the classes wholly for the worst. */
    double rounding = DBL_EPSILON * squares;
    if (between <= 4 * rounding && fabs(within) <= n * rounding)
        return between == 0 && within == 0 ? (double)NAN : 0; /* it does not vary */
    if (within <= 0) return (double)INFINITY;
    double mean_between = between / ((double)present - 1);
    double mean_within = within / (n - (double)present);
    double f = mean_between / mean_within;
    return f <= 0 ? 0 : f; /* not -0: SQLite stores no sign of a zero */
}

static int compare_labels(const void *a, const void *b)
{
    int64_t x = ((const label_class *)a)->label_id, y = ((const label_class *)b)->label_id;
    return (x > y) - (x < y);
}

static dbt_status find_class(const score_pass *score, int64_t label_id, uint32_t document,
                             uint32_t *class, dbt_error *err)
{
    label_class key = {.label_id = label_id};
    const label_class *found =
        bsearch(&key, score->label, score->n_classes, sizeof key, compare_labels);
    if (found == NULL)
        return dbt__fail(err, DBT_EDATA, "document %u has label %lld, which is none of the classes",
                         document + 1, (long long)label_id);
    *class = found->class;
    return DBT_OK;
}

/* Items of the document's cells whose terms are summed in this pass. */
static dbt_status take_document(dbt__pass *pass, dbt__worker *worker, dbt__slot *slot, size_t row,
                                uint32_t document, bool *complete, dbt_error *err)
{
    const score_pass *score = (const score_pass *)pass;
    uint32_t *class = &slot->class_of[document - slot->first_document];
    dbt_status status = find_class(score, worker->page->label_id[row], document, class, err);
    if (status == DBT_OK && worker->unfinished != (int64_t)document)
        status = dbt__row_fill(&worker->row, score->table, score->rounds->options, worker->analyzer,
                               worker->page->text[row], err);
    if (status < 0) return status;
    dbt__row *cells = &worker->row;
    if (score->rounds->norms != NULL)
        cells->norm = dbt__norm_of(score->rounds->options, worker->shares[row]);
    if (score->rounds->norm != NULL) score->rounds->norm[document] = cells->norm;
    size_t capacity = score->rounds->slot_capacity, n_items = worker->n_items;
    size_t i = (size_t)slot->skip;
    for (; i < cells->n && n_items < capacity; i++) {
        uint32_t term = cells->cell[i].feature - score->low;
        if (term >= score->span) continue;
        dbt__item *item = &worker->item[n_items];
        item->cell.value = dbt__row_value(cells, score->table, score->rounds->options, i);
        item->cell.term = term;
        item->cell.document = document;
        worker->group[n_items++] = (uint8_t)(term >> score->shift);
    }
    *complete = i == cells->n;
    slot->skip = *complete ? 0 : i;
    worker->n_items = n_items;
    return DBT_OK;
}

/* Of a term. */
static size_t sums_bytes(size_t n_classes)
{
    return (n_classes + 2) * sizeof(double);
}

static double *sums_of(const score_pass *score, uint32_t term)
{
    return score->sum + (size_t)term * (score->n_classes + 2);
}

static uint32_t *first_of(const score_pass *score, double *sums)
{
    return (uint32_t *)(sums + score->n_classes + 1);
}

static DBT__ALWAYS_INLINE void prefetch_sums(const score_pass *score, const dbt__item *item)
{
    __builtin_prefetch(sums_of(score, item->cell.term), 1);
}

static dbt_status apply_items(dbt__pass *pass, size_t group, const dbt__slot *slot,
                              const dbt__item *item, size_t n_items, dbt_error *err)
{
    (void)group;
    (void)err;
    const score_pass *score = (const score_pass *)pass;
    for (size_t i = 0; i < n_items && i < PREFETCH; i++)
        prefetch_sums(score, &item[i]);
    for (size_t i = 0; i < n_items; i++) {
        if (i + PREFETCH < n_items) prefetch_sums(score, &item[i + PREFETCH]);
        double *sums = sums_of(score, item[i].cell.term), value = item[i].cell.value;
        uint32_t *first = first_of(score, sums), document = item[i].cell.document;
        sums[slot->class_of[document - slot->first_document]] += value;
        sums[score->n_classes] += value * value;
        if (*first == 0) *first = document + 1;
    }
    return DBT_OK;
}

static dbt_status finish_slot(dbt__pass *pass, const dbt__slot *slot, dbt_error *err)
{
    (void)err;
    const score_pass *score = (const score_pass *)pass;
    for (uint32_t i = 0; score->low == 0 && i < slot->n_documents; i++)
        score->n_class[slot->class_of[i]]++;
    return DBT_OK;
}

static dbt_status check_classes(const score_pass *score, dbt_error *err)
{
    size_t present = 0;
    for (size_t k = 0; k < score->n_classes; k++)
        present += score->n_class[k] > 0;
    if (present >= 2) return DBT_OK;
    return dbt__fail(err, DBT_EDATA, "the documents have only one label: at least two are needed");
}

/* Puts the score of each term where its first sum was. */
static dbt_status compute_scores(void *context, size_t task, size_t worker, dbt_error *err)
{
    (void)worker, (void)err;
    const score_pass *score = context;
    uint32_t begin = (uint32_t)task * TASK_TERMS;
    uint32_t end = score->span - begin < TASK_TERMS ? score->span : begin + TASK_TERMS;
    for (uint32_t i = begin; i < end; i++) {
        double *sums = sums_of(score, i);
        sums[0] = dbt__anova_f(sums, score->n_class, score->n_classes, sums[score->n_classes]);
    }
    return DBT_OK;
}

/* Term `low` + i is the i-th taken place from score->place on. */
static dbt_status add_candidates(score_pass *score, dbt_error *err)
{
    const dbt__table *table = score->table;
    dbt_status status = DBT_OK;
    for (uint32_t i = 0; status == DBT_OK && i < score->span; i++, score->place++) {
        while (table->entry[score->place].hash == UINT64_MAX)
            score->place++;
        const dbt__entry *entry = &table->entry[score->place];
        double *sums = sums_of(score, i);
        const dbt__candidate candidate = {
            .hash = entry->hash,
            .score = sums[0],
            .document_frequency = table->document_frequency[entry->idf],
            .first_document = *first_of(score, sums) - 1, /* 0: that is DBT__NO_DOCUMENT */
        };
        status = dbt__candidates_add(score->candidates, &candidate, score->rounds, err);
    }
    return status;
}

size_t dbt__score_span(const dbt__rounds *rounds, size_t n_classes, size_t n_terms,
                       size_t table_bytes)
{
    size_t least = rounds->memory / SUMS_PART;
    size_t left = rounds->memory > table_bytes ? rounds->memory - table_bytes : 0;
    size_t span = (left > least ? left : least) / sums_bytes(n_classes);
    if (span == 0) span = 1;
    return span < n_terms ? span : n_terms;
}

static dbt_status run_pass(score_pass *score, dbt_error *err)
{
    score->shift = 0;
    while ((score->span - 1) >> score->shift >= DBT__GROUPS)
        score->shift++;
    memset(score->sum, 0, score->span * sums_bytes(score->n_classes));
    dbt_status status = dbt__rounds_run(score->rounds, &score->pass, err);
    if (status == DBT_OK) status = check_classes(score, err);
    if (status == DBT_OK)
        status = dbt_pool_for(score->rounds->pool, (score->span - 1) / TASK_TERMS + 1,
                              compute_scores, score, err);
    if (status == DBT_OK) status = add_candidates(score, err);
    return status;
}

static dbt_status init_pass(score_pass *score, const dbt_classes *classes, dbt_error *err)
{
    size_t n = classes->n_classes;
    score->n_classes = n;
    score->label = dbt__alloc_array(n, sizeof *score->label);
    score->n_class = dbt__alloc_array(n, sizeof *score->n_class);
    const dbt__table *table = score->table;
    score->span = (uint32_t)dbt__score_span(score->rounds, n, table->n_terms,
                                            table->n_places * sizeof *table->entry);
    score->sum = dbt__alloc_aligned(score->span, sums_bytes(n));
    if (score->label == NULL || score->n_class == NULL || score->sum == NULL)
        return dbt__out_of_memory(err, "scoring terms");
    for (size_t k = 0; k < n; k++)
        score->label[k] = (label_class){classes->label_id[k], (uint32_t)k};
    qsort(score->label, n, sizeof *score->label, compare_labels);
    return DBT_OK;
}

dbt_status dbt__score(dbt__rounds *rounds, const dbt__table *table, const dbt_classes *classes,
                      dbt__candidates *candidates, int64_t *passes, dbt_error *err)
{
    score_pass score = {.pass = {take_document, apply_items, finish_slot, NULL},
                        .rounds = rounds,
                        .table = table,
                        .candidates = candidates};
    dbt_status status = init_pass(&score, classes, err);
    uint32_t n_terms = (uint32_t)table->n_terms;
    while (status == DBT_OK && score.low < n_terms) {
        if (score.span > n_terms - score.low) score.span = n_terms - score.low;
        status = run_pass(&score, err);
        score.low += score.span;
        ++*passes;
    }
    dbt__free(score.label);
    dbt__free(score.n_class);
    dbt__free(score.sum);
    return status;
}
