/*
 * fit.c: from a corpus to a vectorizer: count, limit, score, select, fetch.
 *
 * Until the strings are fetched a term is its hash. Those that may become features, the candidates,
 * are all above the k-th score and those tied with it; their strings decide between the tied.
 *
 * A vocabulary whose table does not fit into memory is scored in parts: ranges of hashes, of which
 * each goes over the corpus alone. Norms, which run over all terms, are then summed beforehand
 * (norms.c). The parts change the time, not a bit of the result.
 */
#include <stdlib.h>
#include <string.h>

#include "vectorizer_internal.h"

/* The part of the memory that norms of documents may take: one of so many. */
#define NORMS_PART 16

typedef struct fit_state {
    const dbt_vectorizer_options *options;
    const dbt_classes *classes; /* NULL: nothing is scored */
    dbt__rounds rounds;
    dbt__counts counts;
    dbt__candidates candidates;
    size_t n_tied;    /* of the candidates at the threshold are features */
    dbt__terms terms; /* of the candidates */
    dbt_vectorizer *vectorizer;
} fit_state;

/* --- max_features --- */

/* scikit-learn's max_features: the terms with the highest totals, of tied ones those that sort
 * first. */
static dbt_status limit_features(fit_state *fit, dbt_error *err)
{
    const dbt__counts *counts = &fit->counts;
    dbt__lexicon *lexicon = &fit->counts.lexicon;
    size_t wanted = (size_t)fit->options->max_features;
    if (wanted == 0 || lexicon->n_kept <= wanted) return DBT_OK;
    dbt__candidates best;
    dbt__candidates_init(&best, wanted, fit->options->memory);
    dbt_status status = DBT_OK;
    for (size_t i = 0; status == DBT_OK && i < lexicon->n_kept; i++) {
        const dbt__kept *kept = &lexicon->kept[i];
        const dbt__candidate candidate = {kept->hash, (double)counts->total[i],
                                          kept->document_frequency, DBT__NO_DOCUMENT};
        status = dbt__candidates_add(&best, &candidate, &fit->rounds, err);
    }
    if (status == DBT_OK) status = dbt__candidates_decide(&best, &fit->rounds, err);
    for (size_t i = 0; status == DBT_OK && i < best.n; i++)
        lexicon->kept[i] = (dbt__kept){best.item[i].hash, best.item[i].document_frequency, 0};
    if (status == DBT_OK) lexicon->n_kept = best.n;
    dbt__free(best.item);
    return status;
}

/* --- scores --- */

/* Without classes every term is a candidate. */
static dbt_status add_unscored(fit_state *fit, const dbt__table *table, dbt_error *err)
{
    dbt_status status = DBT_OK;
    for (size_t i = 0; status == DBT_OK && i < table->n_places; i++) {
        const dbt__entry *entry = &table->entry[i];
        if (entry->hash == UINT64_MAX) continue;
        const dbt__candidate candidate = {entry->hash, __builtin_nan(""),
                                          table->document_frequency[entry->idf], DBT__NO_DOCUMENT};
        status = dbt__candidates_add(&fit->candidates, &candidate, &fit->rounds, err);
    }
    return status;
}

static dbt_status score_table(fit_state *fit, const dbt__table *table, int64_t *passes,
                              dbt_error *err)
{
    if (fit->classes == NULL) return add_unscored(fit, table, err);
    return dbt__score(&fit->rounds, table, fit->classes, &fit->candidates, passes, err);
}

/* The vocabulary in one table, which becomes the vectorizer's. */
static dbt_status score_whole(fit_state *fit, dbt_vectorizer_stats *stats, dbt_error *err)
{
    dbt__table *table = &fit->vectorizer->table;
    dbt__lexicon *lexicon = &fit->counts.lexicon;
    dbt_status status =
        dbt__lexicon_table(lexicon, 0, dbt__lexicon_terms(lexicon), fit->options->memory / 4,
                           fit->options, fit->rounds.corpus->n_documents, table, err);
    if (status < 0) return status;
    dbt__counts_release(&fit->counts);
    dbt__trim_memory(fit->options->memory / DBT__HEAP_PART);
    dbt__norms *norms = &fit->vectorizer->norms;
    if (fit->classes != NULL)
        dbt__norms_init_small(norms, fit->rounds.corpus->n_documents,
                              fit->options->memory / NORMS_PART);
    fit->rounds.norm = norms->value;
    status = score_table(fit, table, &stats->scoring_passes, err);
    fit->rounds.norm = NULL;
    return status;
}

typedef dbt_status (*part_visit)(fit_state *fit, const dbt__table *table, int64_t *passes,
                                 dbt_error *err);

static dbt_status add_norms(fit_state *fit, const dbt__table *table, int64_t *passes,
                            dbt_error *err)
{
    ++*passes;
    return dbt__norms_add(&fit->vectorizer->norms, &fit->rounds, table, err);
}

/* How many terms of n the parts have, so that passes over the corpus are few: of each part one for
 * norms, and one or more, as sums of its terms fit beside its table, for scores. */
static size_t plan_part(const fit_state *fit, size_t n)
{
    size_t n_classes = fit->classes == NULL ? 0 : fit->classes->n_classes;
    size_t most = dbt__part_terms(fit->options->memory), best = most, fewest = SIZE_MAX;
    for (size_t parts = (n - 1) / most + 1;; parts++) {
        size_t part = (n - 1) / parts + 1;
        size_t span = dbt__score_span(&fit->rounds, n_classes, part, dbt__table_bytes(part));
        size_t passes = parts * (1 + (part - 1) / span + 1);
        if (passes <= fewest) {
            fewest = passes;
            best = part;
        }
        if (span == part) return best;
    }
}

static dbt_status visit_parts(fit_state *fit, part_visit visit, dbt_vectorizer_stats *stats,
                              dbt_error *err)
{
    const dbt__lexicon *lexicon = &fit->counts.lexicon;
    size_t n_terms = dbt__lexicon_terms(lexicon), part = plan_part(fit, n_terms);
    dbt_status status = DBT_OK;
    for (size_t first = 0; status == DBT_OK && first < n_terms; first += part) {
        dbt__table table;
        size_t n = n_terms - first < part ? n_terms - first : part;
        status = dbt__lexicon_table(lexicon, first, n, 0, fit->options,
                                    fit->rounds.corpus->n_documents, &table, err);
        if (status == DBT_OK) status = visit(fit, &table, &stats->scoring_passes, err);
        dbt__table_release(&table);
    }
    return status;
}

static dbt_status score_parts(fit_state *fit, dbt_vectorizer_stats *stats, dbt_error *err)
{
    dbt__norms *norms = &fit->vectorizer->norms;
    dbt__trim_memory(0);
    dbt_status status = dbt__norms_init(norms, fit->options, fit->options->spill_folder, err);
    if (status == DBT_OK) status = visit_parts(fit, add_norms, stats, err);
    if (status < 0) return status;
    fit->rounds.norms = norms;
    status = visit_parts(fit, score_table, stats, err);
    fit->rounds.norms = NULL;
    /* The vectorizer keeps all terms: as a file, from which they are stored. */
    fit->vectorizer->lexicon = fit->counts.lexicon;
    fit->counts.lexicon = (dbt__lexicon){0};
    return status;
}

/* --- features --- */

/* Of the candidates in byte order keeps those above the threshold and the first of those at it: *n
 * of them are left in `order`. */
static void drop_tied(const fit_state *fit, uint32_t *order, size_t *n)
{
    size_t tied = fit->n_tied, kept = 0;
    for (size_t i = 0; i < fit->candidates.n; i++) {
        uint64_t key = dbt__score_key(fit->candidates.item[order[i]].score);
        bool at = key == fit->candidates.threshold;
        if (at && tied == 0) continue;
        tied -= at;
        order[kept++] = order[i];
    }
    *n = kept;
}

static dbt_status allocate_features(dbt_vectorizer *vectorizer, size_t n, size_t term_bytes,
                                    dbt_error *err)
{
    vectorizer->n_features = n;
    vectorizer->term_bytes = dbt__alloc_array(term_bytes, 1);
    vectorizer->term_start = dbt__alloc_array(n + 1, sizeof *vectorizer->term_start);
    vectorizer->document_frequency = dbt__alloc_array(n, sizeof *vectorizer->document_frequency);
    vectorizer->score = dbt__alloc_array(n, sizeof *vectorizer->score);
    if (vectorizer->term_bytes == NULL || vectorizer->term_start == NULL ||
        vectorizer->document_frequency == NULL || vectorizer->score == NULL)
        return dbt__out_of_memory(err, "a vocabulary");
    return DBT_OK;
}

static dbt_status build_features(fit_state *fit, const uint32_t *order, size_t n, dbt_error *err)
{
    dbt_vectorizer *vectorizer = fit->vectorizer;
    size_t bytes = 0, start = 0;
    for (size_t i = 0; i < n; i++)
        bytes += fit->terms.length[order[i]];
    dbt_status status = allocate_features(vectorizer, n, bytes, err);
    if (status < 0) return status;
    for (size_t i = 0; i < n; i++) {
        const dbt__candidate *candidate = &fit->candidates.item[order[i]];
        memcpy(vectorizer->term_bytes + start, fit->terms.bytes + fit->terms.start[order[i]],
               fit->terms.length[order[i]]);
        vectorizer->term_start[i] = start;
        start += fit->terms.length[order[i]];
        vectorizer->document_frequency[i] = candidate->document_frequency;
        vectorizer->score[i] = fit->classes == NULL ? __builtin_nan("") : candidate->score;
    }
    vectorizer->term_start[n] = start;
    return dbt__vectorizer_weigh(vectorizer, err);
}

static int compare_candidates(const void *a, const void *b)
{
    uint64_t x = ((const dbt__kept *)a)->hash, y = ((const dbt__kept *)b)->hash;
    return (x > y) - (x < y);
}

/* The table of the features alone. */
static dbt_status make_feature_table(const fit_state *fit, const uint64_t *hash, dbt__table *table,
                                     dbt_error *err)
{
    const dbt_vectorizer *vectorizer = fit->vectorizer;
    size_t n = vectorizer->n_features;
    dbt__kept *kept = dbt__alloc_array(n, sizeof *kept);
    if (kept == NULL) return dbt__out_of_memory(err, "a vocabulary");
    for (size_t i = 0; i < n; i++)
        kept[i] =
            (dbt__kept){.hash = hash[i], .document_frequency = vectorizer->document_frequency[i]};
    qsort(kept, n, sizeof *kept, compare_candidates);
    dbt_status status =
        dbt__table_init(table, kept, n, SIZE_MAX, fit->options, vectorizer->n_documents, err);
    dbt__free(kept);
    if (status == DBT_OK) dbt__table_set_features(table, hash, n);
    return status;
}

/* Feature i is candidate order[i]. */
static dbt_status mark_features(fit_state *fit, const uint32_t *order, dbt_error *err)
{
    dbt_vectorizer *vectorizer = fit->vectorizer;
    size_t n = vectorizer->n_features;
    uint64_t *hash = dbt__alloc_array(n, sizeof *hash);
    if (hash == NULL) return dbt__out_of_memory(err, "a vocabulary");
    for (size_t i = 0; i < n; i++)
        hash[i] = fit->candidates.item[order[i]].hash;
    dbt_status status = DBT_OK;
    if (!dbt_vectorizer_is_whole(vectorizer)) {
        status = make_feature_table(fit, hash, &vectorizer->table, err);
    } else {
        dbt__table_set_features(&vectorizer->table, hash, n);
        if (n > vectorizer->table.n_terms / 2) /* a table of these alone is no gain */
            dbt__norms_release(&vectorizer->norms);
        else if (vectorizer->norms.value != NULL)
            status = make_feature_table(fit, hash, &vectorizer->features, err);
    }
    dbt__free(hash);
    return status;
}

static dbt_status select_features(fit_state *fit, dbt_error *err)
{
    dbt_status status = dbt__candidates_finish(&fit->candidates, &fit->n_tied, err);
    if (status == DBT_OK)
        status = dbt__fetch_candidates(&fit->rounds, fit->candidates.item, fit->candidates.n,
                                       &fit->terms, err);
    uint32_t *order = NULL;
    if (status == DBT_OK) status = dbt__terms_sort(&fit->terms, &order, err);
    if (status < 0) return status;
    size_t n;
    drop_tied(fit, order, &n);
    status = build_features(fit, order, n, err);
    if (status == DBT_OK) status = mark_features(fit, order, err);
    dbt__free(order);
    return status;
}

/* Before the terms of all of them are fetched. */
static dbt_status check_features(const dbt_vectorizer_options *options, int64_t n_terms,
                                 dbt_error *err)
{
    bool all = options->top_k == 0 || options->top_k > n_terms;
    int64_t n = all ? n_terms : options->top_k;
    if (options->most_features == 0 || n <= options->most_features) return DBT_OK;
    return dbt__fail(err, DBT_EUSAGE,
                     "there are %lld features, more than the %lld that there is room for",
                     (long long)n, (long long)options->most_features);
}

/* --- all of it --- */

static dbt_status check_corpus(const dbt_vectorizer_options *options, const dbt_corpus *corpus,
                               const dbt_classes *classes, dbt_error *err)
{
    if (corpus->page_rows < 1 || corpus->page_rows > INT32_MAX)
        return dbt__fail(err, DBT_EUSAGE, "pages of %lld documents", (long long)corpus->page_rows);
    if (corpus->n_documents >= (int64_t)DBT__MAX_DOCUMENTS)
        return dbt__fail(err, DBT_EUSAGE, "%lld documents are more than the %u that can be counted",
                         (long long)corpus->n_documents, DBT__MAX_DOCUMENTS - 1);
    if (classes == NULL && options->top_k > 0 && options->hash_bits == 0)
        return dbt__fail(err, DBT_EUSAGE, "selecting the best terms needs labels");
    if (classes != NULL && classes->n_classes < 2)
        return dbt__fail(err, DBT_EDATA, "the documents have %s: at least two labels are needed",
                         classes->n_classes == 0 ? "no label" : "only one label");
    if (corpus->n_documents < 1)
        return dbt__fail(err, DBT_EDATA, "empty vocabulary: there are no documents");
    return DBT_OK;
}

static dbt_status fail_without_terms(int64_t n_documents, dbt_error *err)
{
    return dbt__fail(err, DBT_EDATA,
                     "empty vocabulary: none of the %lld documents has a term; check that the "
                     "right column is the text",
                     (long long)n_documents);
}

static dbt_status fail_empty(const fit_state *fit, dbt_error *err)
{
    long long n = (long long)fit->rounds.corpus->n_documents;
    if (fit->counts.tokens == 0) return fail_without_terms(n, err);
    if (fit->options->max_df < 1)
        return dbt__fail(err, DBT_EDATA,
                         "empty vocabulary: no term is in at least %lld and at most %g of the %lld "
                         "documents; lower min-df, raise max-df or add documents",
                         (long long)fit->options->min_df, fit->options->max_df * (double)n, n);
    return dbt__fail(err, DBT_EDATA,
                     "empty vocabulary: no term is in at least %lld of the %lld documents; lower "
                     "min-df or add documents",
                     (long long)fit->options->min_df, n);
}

/* Columns need no pass, but a corpus without a term would be learnt from without a word. */
static dbt_status fit_hashing(const fit_state *fit, const dbt_corpus *corpus, dbt_error *err)
{
    bool has_term;
    dbt_status status = dbt__hashing_find_term(fit->options, corpus, &has_term, err);
    if (status == DBT_OK && !has_term) status = fail_without_terms(corpus->n_documents, err);
    return status < 0 ? status : dbt__hashing_init(fit->vectorizer, err);
}

static dbt_status fit_vocabulary(fit_state *fit, const dbt_corpus *corpus, dbt_pool *pool,
                                 uint64_t hash_mask, dbt_vectorizer_stats *stats, dbt_error *err)
{
    dbt_vectorizer *vectorizer = fit->vectorizer;
    dbt_status status = dbt__rounds_init(&fit->rounds, fit->options, corpus, pool, err);
    if (status == DBT_OK) status = dbt__count(&fit->rounds, hash_mask, &fit->counts, err);
    if (status == DBT_OK) status = limit_features(fit, err);
    if (status < 0) return status;
    if (dbt__lexicon_terms(&fit->counts.lexicon) == 0) return fail_empty(fit, err);
    vectorizer->seed = fit->counts.seed;
    vectorizer->n_terms = (int64_t)dbt__lexicon_terms(&fit->counts.lexicon);
    stats->tokens = fit->counts.tokens;
    stats->terms = vectorizer->n_terms;
    stats->counting_passes = fit->counts.passes;
    stats->spilled_bytes = fit->counts.spilled_bytes;
    dbt__candidates_init(&fit->candidates, (size_t)fit->options->top_k, fit->options->memory);
    status = check_features(fit->options, vectorizer->n_terms, err);
    if (status < 0) return status;
    status = dbt__lexicon_is_spilled(&fit->counts.lexicon) ? score_parts(fit, stats, err)
                                                           : score_whole(fit, stats, err);
    if (status == DBT_OK) status = select_features(fit, err);
    return status;
}

dbt_status dbt__vectorizer_fit_masked(const dbt_vectorizer_options *options,
                                      const dbt_corpus *corpus, const dbt_classes *classes,
                                      dbt_pool *pool, uint64_t hash_mask,
                                      dbt_vectorizer **vectorizer, dbt_vectorizer_stats *stats,
                                      dbt_error *err)
{
    *vectorizer = NULL;
    dbt_vectorizer_stats unused = {0};
    if (stats == NULL) stats = &unused;
    *stats = unused;
    dbt_status status = dbt__options_check(options, err);
    if (status == DBT_OK) status = check_corpus(options, corpus, classes, err);
    if (status < 0) return status;
    fit_state fit = {.options = options, .classes = classes};
    fit.vectorizer = dbt__alloc(sizeof *fit.vectorizer);
    if (fit.vectorizer == NULL) return dbt__out_of_memory(err, "a vectorizer");
    fit.vectorizer->options = *options;
    fit.vectorizer->options.spill_folder = NULL; /* the caller's */
    fit.vectorizer->n_documents = corpus->n_documents;
    status = options->hash_bits != 0 ? fit_hashing(&fit, corpus, err)
                                     : fit_vocabulary(&fit, corpus, pool, hash_mask, stats, err);
    dbt__counts_release(&fit.counts);
    dbt__free(fit.candidates.item);
    dbt__terms_release(&fit.terms);
    dbt__rounds_release(&fit.rounds);
    if (status < 0)
        dbt_vectorizer_free(fit.vectorizer);
    else
        *vectorizer = fit.vectorizer;
    dbt__trim_memory(options->memory / 2);
    return status;
}

dbt_status dbt_vectorizer_fit(const dbt_vectorizer_options *options, const dbt_corpus *corpus,
                              const dbt_classes *classes, dbt_pool *pool,
                              dbt_vectorizer **vectorizer, dbt_vectorizer_stats *stats,
                              dbt_error *err)
{
    return dbt__vectorizer_fit_masked(options, corpus, classes, pool, UINT64_MAX, vectorizer, stats,
                                      err);
}
