/*
 * fit.c: from a corpus to a vectorizer: count, limit, score, select, fetch.
 *
 * Until the strings are fetched a term is its hash, or its rank among the hashes. Those that may
 * become features, the candidates, are all above the k-th score and all tied with it; their strings
 * decide between the tied.
 */
#include <string.h>

#include "vectorizer_internal.h"

typedef struct fit_state {
    const dbt_vectorizer_options *options;
    const dbt_classes *classes; /* NULL: nothing is scored */
    dbt__rounds rounds;
    dbt__counts counts;
    dbt__scores scores;
    dbt__terms terms; /* of the candidates */
    size_t n_candidates;
    uint32_t *rank;      /* [n_candidates] */
    uint32_t *frequency; /* [n_candidates] */
    uint64_t threshold;  /* key of the k-th score */
    size_t n_tied;       /* of those with that key are features */
    dbt_vectorizer *vectorizer;
} fit_state;

/* --- max_features --- */

/* Of the terms tied at the k-th total, marks the `wanted` that sort first as higher than it. */
static dbt_status break_ties(fit_state *fit, uint64_t threshold, size_t wanted, dbt_error *err)
{
    dbt__counts *counts = &fit->counts;
    dbt__table table = {0};
    dbt__terms terms = {0};
    uint32_t *order = NULL;
    size_t n = 0;
    for (size_t i = 0; i < counts->n; i++)
        n += counts->total[i] == threshold;
    dbt_status status = DBT_OK;
    dbt__kept *tied = dbt__alloc_array(n, sizeof *tied);
    size_t *place = dbt__alloc_array(n, sizeof *place);
    if (tied == NULL || place == NULL) {
        status = dbt__out_of_memory(err, "a vocabulary");
        goto out;
    }
    n = 0;
    for (size_t i = 0; i < counts->n; i++) {
        if (counts->total[i] != threshold) continue;
        place[n] = i;
        tied[n++] = counts->kept[i];
    }
    status = dbt__table_init(&table, tied, n, fit->options, fit->rounds.corpus->n_documents, err);
    if (status == DBT_OK) status = dbt__fetch(&fit->rounds, &table, n, NULL, &terms, err);
    if (status == DBT_OK) status = dbt__terms_sort(&terms, &order, err);
    for (size_t i = 0; status == DBT_OK && i < wanted; i++)
        counts->total[place[order[i]]] = threshold + 1;
out:
    dbt__free(tied);
    dbt__free(place);
    dbt__free(order);
    dbt__terms_release(&terms);
    dbt__table_release(&table);
    return status;
}

/* scikit-learn's max_features: the terms with the highest totals, of tied ones those that sort
 * first. */
static dbt_status limit_features(fit_state *fit, dbt_error *err)
{
    dbt__counts *counts = &fit->counts;
    size_t wanted = (size_t)fit->options->max_features;
    if (wanted == 0 || counts->n <= wanted) return DBT_OK;
    size_t n_higher;
    uint64_t threshold = dbt__select_key(counts->total, counts->n, wanted, &n_higher);
    dbt_status status = break_ties(fit, threshold, wanted - n_higher, err);
    if (status < 0) return status;
    size_t n = 0;
    for (size_t i = 0; i < counts->n; i++)
        if (counts->total[i] > threshold) counts->kept[n++] = counts->kept[i];
    counts->n = n;
    return DBT_OK;
}

/* --- features --- */

static uint64_t key_of(const fit_state *fit, uint32_t rank)
{
    return fit->scores.score == NULL ? 0 : dbt__score_key(fit->scores.score[rank]);
}

/* Finds the k-th score, how many candidates there are and how many of the tied ones are kept. */
static dbt_status find_threshold(fit_state *fit, dbt_error *err)
{
    size_t n = fit->vectorizer->table.n_terms, k = (size_t)fit->options->top_k;
    fit->threshold = 0;
    fit->n_tied = n;
    fit->n_candidates = n;
    if (k == 0 || k >= n) return DBT_OK;
    uint64_t *key = dbt__alloc_array(n, sizeof *key);
    if (key == NULL) return dbt__out_of_memory(err, "selecting terms");
    for (size_t i = 0; i < n; i++)
        key[i] = key_of(fit, (uint32_t)i);
    size_t n_higher;
    fit->threshold = dbt__select_key(key, n, k, &n_higher);
    fit->n_tied = k - n_higher;
    fit->n_candidates = 0;
    for (size_t i = 0; i < n; i++)
        fit->n_candidates += key[i] >= fit->threshold;
    dbt__free(key);
    return DBT_OK;
}

/* Lists the candidates and makes them, in the table, features 0 .. n_candidates - 1. */
static dbt_status list_candidates(fit_state *fit, dbt_error *err)
{
    dbt__table *table = &fit->vectorizer->table;
    fit->rank = dbt__alloc_array(fit->n_candidates, sizeof *fit->rank);
    fit->frequency = dbt__alloc_array(fit->n_candidates, sizeof *fit->frequency);
    if (fit->rank == NULL || fit->frequency == NULL)
        return dbt__out_of_memory(err, "selecting terms");
    uint32_t n = 0, rank = 0;
    for (size_t i = 0; i < table->n_places; i++) {
        dbt__entry *entry = &table->entry[i];
        if (entry->hash == UINT64_MAX) continue;
        if (key_of(fit, rank) >= fit->threshold) {
            fit->rank[n] = rank;
            fit->frequency[n] = table->document_frequency[entry->idf];
            entry->feature = n++;
        } else {
            entry->feature = DBT__NO_FEATURE;
        }
        rank++;
    }
    return DBT_OK;
}

static dbt_status fetch_candidates(fit_state *fit, dbt_error *err)
{
    uint64_t *wanted = NULL;
    if (fit->scores.first_document != NULL) {
        size_t words = (size_t)fit->rounds.corpus->n_documents / 64 + 1;
        wanted = dbt__alloc_array(words, sizeof *wanted);
        if (wanted == NULL) return dbt__out_of_memory(err, "terms");
        for (size_t i = 0; i < fit->n_candidates; i++) {
            uint32_t document = fit->scores.first_document[fit->rank[i]];
            wanted[document / 64] |= UINT64_C(1) << (document % 64);
        }
    }
    dbt_status status = dbt__fetch(&fit->rounds, &fit->vectorizer->table, fit->n_candidates, wanted,
                                   &fit->terms, err);
    dbt__free(wanted);
    return status;
}

/* Of the candidates in byte order keeps those above the threshold and the first of those at it: *n
 * of them are left in `order`. */
static void drop_tied(const fit_state *fit, uint32_t *order, size_t *n)
{
    size_t tied = fit->n_tied, kept = 0;
    for (size_t i = 0; i < fit->n_candidates; i++) {
        bool at = key_of(fit, fit->rank[order[i]]) == fit->threshold;
        if (at && tied == 0) continue;
        tied -= at;
        order[kept++] = order[i];
    }
    *n = kept;
}

static dbt_status build_features(fit_state *fit, const uint32_t *order, size_t n, dbt_error *err)
{
    dbt_vectorizer *vectorizer = fit->vectorizer;
    size_t bytes = 0;
    for (size_t i = 0; i < n; i++)
        bytes += fit->terms.length[order[i]];
    uint32_t *id = dbt__alloc_array(fit->n_candidates, sizeof *id);
    vectorizer->term_bytes = dbt__alloc_array(bytes, 1);
    vectorizer->term_start = dbt__alloc_array(n + 1, sizeof *vectorizer->term_start);
    vectorizer->document_frequency = dbt__alloc_array(n, sizeof *vectorizer->document_frequency);
    vectorizer->score = dbt__alloc_array(n, sizeof *vectorizer->score);
    if (id == NULL || vectorizer->term_bytes == NULL || vectorizer->term_start == NULL ||
        vectorizer->document_frequency == NULL || vectorizer->score == NULL) {
        dbt__free(id);
        return dbt__out_of_memory(err, "a vocabulary");
    }
    memset(id, 0xFF, fit->n_candidates * sizeof *id);
    size_t start = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t c = order[i];
        id[c] = (uint32_t)i;
        memcpy(vectorizer->term_bytes + start, fit->terms.bytes + fit->terms.start[c],
               fit->terms.length[c]);
        vectorizer->term_start[i] = start;
        start += fit->terms.length[c];
        vectorizer->document_frequency[i] = fit->frequency[c];
        vectorizer->score[i] =
            fit->scores.score == NULL ? __builtin_nan("") : fit->scores.score[fit->rank[c]];
    }
    vectorizer->term_start[n] = start;
    vectorizer->n_features = n;
    dbt__table_map(&vectorizer->table, id);
    dbt__free(id);
    return dbt__vectorizer_weigh(vectorizer, err);
}

static dbt_status select_features(fit_state *fit, dbt_error *err)
{
    dbt_status status = find_threshold(fit, err);
    if (status == DBT_OK) status = list_candidates(fit, err);
    if (status == DBT_OK) status = fetch_candidates(fit, err);
    uint32_t *order = NULL;
    if (status == DBT_OK) status = dbt__terms_sort(&fit->terms, &order, err);
    if (status < 0) return status;
    size_t n;
    drop_tied(fit, order, &n);
    status = build_features(fit, order, n, err);
    dbt__free(order);
    return status;
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
    if (classes == NULL && options->top_k > 0)
        return dbt__fail(err, DBT_EUSAGE, "selecting the best terms needs labels");
    if (classes != NULL && classes->n_classes < 2)
        return dbt__fail(err, DBT_EDATA, "the documents have %s: at least two labels are needed",
                         classes->n_classes == 0 ? "no label" : "only one label");
    if (corpus->n_documents < 1)
        return dbt__fail(err, DBT_EDATA, "empty vocabulary: there are no documents");
    return DBT_OK;
}

static dbt_status fail_empty(const fit_state *fit, dbt_error *err)
{
    long long n = (long long)fit->rounds.corpus->n_documents;
    if (fit->counts.tokens == 0)
        return dbt__fail(err, DBT_EDATA,
                         "empty vocabulary: none of the %lld documents has a term; check the text "
                         "column and the analyzer",
                         n);
    return dbt__fail(err, DBT_EDATA,
                     "empty vocabulary: no term is in at least %lld and at most %g of the %lld "
                     "documents; lower min-df, raise max-df or add documents",
                     (long long)fit->options->min_df, fit->options->max_df * (double)n, n);
}

static dbt_status run_fit(fit_state *fit, uint64_t hash_mask, dbt_vectorizer_stats *stats,
                          dbt_error *err)
{
    dbt_vectorizer *vectorizer = fit->vectorizer;
    dbt_status status = dbt__count(&fit->rounds, hash_mask, &fit->counts, err);
    if (status == DBT_OK) status = limit_features(fit, err);
    if (status < 0) return status;
    if (fit->counts.n == 0) return fail_empty(fit, err);
    vectorizer->seed = fit->counts.seed;
    vectorizer->n_terms = (int64_t)fit->counts.n;
    stats->tokens = fit->counts.tokens;
    stats->terms = vectorizer->n_terms;
    stats->counting_passes = fit->counts.passes;
    status = dbt__table_init(&vectorizer->table, fit->counts.kept, fit->counts.n, fit->options,
                             vectorizer->n_documents, err);
    if (status < 0) return status;
    dbt__counts_release(&fit->counts);
    dbt__trim_memory();
    if (fit->classes != NULL)
        status = dbt__score(&fit->rounds, &vectorizer->table, fit->classes, &fit->scores, err);
    stats->scoring_passes = fit->scores.passes;
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
    fit.vectorizer->n_documents = corpus->n_documents;
    status = dbt__rounds_init(&fit.rounds, options, corpus, pool, err);
    if (status == DBT_OK) status = run_fit(&fit, hash_mask, stats, err);
    dbt__counts_release(&fit.counts);
    dbt__scores_release(&fit.scores);
    dbt__terms_release(&fit.terms);
    dbt__free(fit.rank);
    dbt__free(fit.frequency);
    dbt__rounds_release(&fit.rounds);
    if (status < 0)
        dbt_vectorizer_free(fit.vectorizer);
    else
        *vectorizer = fit.vectorizer;
    dbt__trim_memory();
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
