/* budget.c: the sizes that a memory limit is cut by, and the estimate for one that is to be set. */
#include "budget.h"

#include <string.h>

#include <dbtrain/network.h>
#include <dbtrain/pool.h>

#include "loader.h"
#include "scan.h"

#define MIB ((size_t)1 << 20)
/* Kept back from the memory limit for what is not a table of the vectorizer: program, libraries,
 * SQLite's caches, ends of huge pages, batches of BATCHES_BYTES, and the scratch of two threads. */
#define FIXED_BYTES (41 * MIB)
/* Of each other thread: items, a page of texts, a connection. */
#define THREAD_BYTES (6 * MIB)
/* What a thread makes of a text, if its terms all differ, and of a page that it reads, for each
 * byte: of documents of 4 to 16 MB each thread took 4.5 times one at most. */
#define TEXT_FACTOR 4
#define PAGE_FACTOR 2
#define BATCHES_BYTES (6 * MIB)
/* What a name of a label takes, for each byte: 2,000 of 60 KB each took seven times that. */
#define LABEL_FACTOR 8
/* The least that counting is given. */
#define COUNTING_BYTES (16 * MIB)
/* What the cursor holds of a shuffled split whose rows are not kept. */
#define WINDOW_BYTES (32 * MIB)
/* Of a row of a batch that is made ahead, beside its text and entries. */
#define SLOT_ROW_BYTES 80

/* Of a feature on its way into the vocabulary: what was counted, its term, its place in the order;
 * and then, at least. */
#define FEATURE_BYTES 140
#define LEAST_FEATURE_BYTES 64

/* The part of the vectorizer's memory that the strings of features may take, one of so many: while
 * they are gathered, beside the table of all terms, they are there two and a half times. Nearly all
 * are much shorter than FEATURE_BYTES allows for. */
#define TERMS_PART 4

/* The most features that there will be; 0: not known before counting. */
static size_t expect_features(const dbt_vectorizer_options *options)
{
    return options->hash_bits != 0 ? (size_t)1 << options->hash_bits : (size_t)options->top_k;
}

/* Bytes of text that are counted in a second or two. */
#define LITTLE_TEXT ((int64_t)64 << 20)

/* Sums of bytes that stay at SIZE_MAX when they overflow. */
static size_t add(size_t a, size_t b)
{
    size_t sum;
    return __builtin_add_overflow(a, b, &sum) ? SIZE_MAX : sum;
}

static size_t multiply(size_t a, size_t b)
{
    size_t product;
    return dbt__multiply(a, b, &product) ? product : SIZE_MAX;
}

/* Of each thread. Before the documents are surveyed (NULL) none is long. */
static size_t thread_bytes(const dbt__survey *survey)
{
    if (survey == NULL) return THREAD_BYTES;
    size_t bytes = add(multiply(survey->longest, TEXT_FACTOR), multiply(survey->page, PAGE_FACTOR));
    return bytes > THREAD_BYTES ? bytes : THREAD_BYTES;
}

/* Names of labels, here and on their way into the run's settings. FIXED_BYTES has room for usual
 * ones. */
static size_t label_bytes(const dbt__survey *survey)
{
    size_t bytes = 0;
    for (size_t i = 0; survey != NULL && i < survey->labels.n; i++)
        bytes = add(bytes, strlen(survey->labels.label[i].name));
    return dbt__budget_left(multiply(bytes, LABEL_FACTOR), MIB);
}

/* FIXED_BYTES has the share of two threads. */
static size_t fixed_bytes_of(size_t threads, const dbt__survey *survey)
{
    size_t others = dbt__budget_left(threads, 2), each = thread_bytes(survey);
    size_t two = multiply(threads - others, each - THREAD_BYTES);
    return add(add(FIXED_BYTES, label_bytes(survey)), add(two, multiply(others, each)));
}

size_t dbt__budget_threads(const dbt_fit_options *options, const dbt__survey *survey)
{
    size_t threads = options->threads != 0 ? options->threads : dbt_usable_cores();
    size_t least = thread_bytes(survey) > THREAD_BYTES ? 1 : 2;
    while (options->threads == 0 && threads > least &&
           fixed_bytes_of(threads, survey) > options->memory / 2)
        threads--;
    return threads;
}

static size_t fixed_bytes(const dbt_fit_options *options, const dbt__survey *survey)
{
    return fixed_bytes_of(dbt__budget_threads(options, survey), survey);
}

static dbt_network_options network_of(const dbt_fit_options *options, size_t n_features,
                                      size_t n_labels)
{
    dbt_network_options network = options->network;
    network.n_inputs = n_features > 0 ? n_features : 1;
    network.n_classes = n_labels;
    return network;
}

/* What the steps that are prepared take, and those who prepare them. */
static size_t prepared_bytes(const dbt_network_options *network, size_t n_rows, double n_entries,
                             size_t threads)
{
    if (!dbt__loader_prepares(n_entries, network->units)) return 0;
    size_t bytes = add(dbt_prepared_bytes(network, n_rows, (size_t)n_entries),
                       multiply((size_t)n_entries, sizeof(uint32_t) + sizeof(float)));
    bytes = add(bytes, multiply(n_rows, SLOT_ROW_BYTES));
    return add(multiply(bytes, dbt__loader_slots(threads, n_rows, 0, n_entries)),
               multiply(dbt_preparer_bytes(network), threads));
}

/* What batches take in any case: what a step and the validation make of them, and the entries of
 * the two that there are at least. Their texts are not counted: where rows are kept there are none.
 */
static size_t batches_bytes(const dbt_fit_options *options, const dbt_network_options *network,
                            const dbt__survey *survey, double row_entries)
{
    if (survey == NULL) return 0;
    size_t n_rows = (size_t)options->batch_size;
    if (n_rows > (size_t)survey->documents) n_rows = (size_t)survey->documents;
    size_t n_entries = (size_t)((double)n_rows * row_entries);
    size_t page = n_rows < DBT__SCAN_ROWS ? n_rows : DBT__SCAN_ROWS;
    size_t bytes = add(multiply(n_rows, 2 * SLOT_ROW_BYTES),
                       multiply(n_entries, 2 * (sizeof(uint32_t) + sizeof(float))));
    bytes = add(bytes, dbt_network_step_bytes(network, n_rows, n_entries));
    size_t threads = dbt__budget_threads(options, survey);
    bytes = add(bytes, prepared_bytes(network, n_rows, (double)n_rows * row_entries, threads));
    return add(bytes, multiply(dbt_workspace_bytes(network, page), threads));
}

double dbt__budget_row_entries(const dbt_vectorizer *vectorizer)
{
    if (dbt_vectorizer_get_options(vectorizer)->hash_bits != 0) return 0;
    double sum = 0;
    for (size_t i = 0; i < dbt_vectorizer_features(vectorizer); i++)
        sum += (double)dbt_vectorizer_feature(vectorizer, i).document_frequency;
    return sum / (double)dbt_vectorizer_documents(vectorizer);
}

/* What training takes at most, beside vocabulary and rows. */
typedef struct demand {
    size_t network; /* and a copy of its best weights, and a checkpoint on the way into the
                     * database: what the optimizer keeps of the weights, up to twice their size,
                     * here and in SQLite */
    size_t batches;
    size_t total;
} demand;

/* Before the documents are surveyed (NULL) there are two labels, the least, and no batches. */
static demand training_bytes(const dbt_fit_options *options, const dbt__survey *survey,
                             size_t n_features, double row_entries)
{
    dbt_network_options network =
        network_of(options, n_features, survey == NULL ? 2 : survey->labels.n);
    size_t stored = multiply(dbt_network_weight_bytes(&network), 5);
    demand t = {.network = add(dbt_network_bytes(&network), stored),
                .batches = batches_bytes(options, &network, survey, row_entries)};
    t.total = add(fixed_bytes(options, survey),
                  add(t.network, dbt__budget_left(t.batches, BATCHES_BYTES)));
    return t;
}

/* Whether fewer threads, or shorter documents, would do; "": neither. */
static const char *hint_of_fixed(const dbt_fit_options *options, const dbt__survey *survey,
                                 size_t needed)
{
    size_t missing = needed - options->memory, one = fixed_bytes_of(1, survey);
    if (missing <= fixed_bytes(options, survey) - one) return "; fewer threads take less";
    return missing <= one - FIXED_BYTES
               ? "; the longest of the documents, or the names of the labels, take much of it"
               : "";
}

/* What would take less, or else may be given. */
static const char *hint_of(const dbt_fit_options *options, const dbt__survey *survey,
                           const demand *t, size_t needed)
{
    const char *fixed = hint_of_fixed(options, survey, needed);
    if (options->resume != 0) return ": it can go on with a higher --memory";
    if (fixed[0] != '\0') return fixed;
    if (needed - options->memory <= dbt__budget_left(t->batches, BATCHES_BYTES))
        return "; a lower batch-size or fewer units take less";
    if (options->vectorizer.hash_bits != 0) return "; fewer hash-bits or units take less";
    if (options->vectorizer.top_k == 0)
        return "; a top-k, a higher min-df or fewer units take less";
    return "; a lower top-k or fewer units take less";
}

/* `least`: what counting finds may take more. */
static dbt_status fail_memory(const dbt_fit_options *options, const char *least, size_t needed,
                              const char *hint, dbt_error *err)
{
    return dbt__fail(err, DBT_EUSAGE,
                     "a memory limit of %zu MiB is too low: this network needs %s%zu MiB%s",
                     options->memory / MIB, least, needed / MIB + (needed % MIB != 0), hint);
}

/* What a fit takes at least that has so many features. */
static size_t features_bytes(const dbt_fit_options *options, const dbt__survey *survey, size_t n)
{
    size_t training = training_bytes(options, survey, n, 0).total;
    size_t fitting = add(fixed_bytes(options, survey), multiply(n, FEATURE_BYTES));
    training = add(training, multiply(n, LEAST_FEATURE_BYTES));
    return fitting > training ? fitting : training;
}

/* The most features for which there is room. */
static int64_t most_features(const dbt_fit_options *options, const dbt__survey *survey)
{
    size_t low = 1, high = UINT32_MAX;
    while (low < high) {
        size_t middle = low + (high - low + 1) / 2;
        if (features_bytes(options, survey, middle) <= options->memory)
            low = middle;
        else
            high = middle - 1;
    }
    return (int64_t)low;
}

dbt_status dbt__budget_refuse(const dbt_fit_options *options, const dbt__survey *survey,
                              int64_t n_features, dbt_error *err)
{
    size_t n = (size_t)n_features, needed = features_bytes(options, survey, n);
    demand t = training_bytes(options, survey, n, 0);
    return fail_memory(options, "at least ", needed, hint_of(options, survey, &t, needed), err);
}

/* The features to make room for before they are counted. 0, where they are not known: also where so
 * many as were asked for would not fit, and there are perhaps fewer, as will soon be known. */
static size_t plan_features(const dbt_fit_options *options, const dbt__survey *survey)
{
    size_t most = expect_features(&options->vectorizer);
    bool may_be_fewer =
        options->vectorizer.hash_bits == 0 && (survey == NULL || survey->text_bytes <= LITTLE_TEXT);
    if (!may_be_fewer || training_bytes(options, survey, most, 0).total <= options->memory)
        return most;
    return 0;
}

dbt_status dbt__budget_vectorizer(dbt_fit_options *options, const dbt__survey *survey,
                                  dbt_error *err)
{
    dbt_vectorizer_options *vectorizer = &options->vectorizer;
    size_t most = plan_features(options, survey);
    demand t = training_bytes(options, survey, most, 0);
    size_t fixed = fixed_bytes(options, survey), counting = add(fixed, COUNTING_BYTES);
    if (options->memory < t.total && t.total >= counting)
        return fail_memory(options, "at least ", t.total, hint_of(options, survey, &t, t.total),
                           err);
    if (options->memory < counting)
        return fail_memory(options, "at least ", counting, hint_of_fixed(options, survey, counting),
                           err);
    vectorizer->memory = options->memory - fixed;
    vectorizer->most_term_bytes = vectorizer->memory / TERMS_PART;
    /* Those that there is room made for have been looked at. */
    if (most == 0) vectorizer->most_features = most_features(options, survey);
    vectorizer->table_memory = dbt__budget_left(options->memory, t.total + WINDOW_BYTES) + MIB;
    return DBT_OK;
}

/* Of training with this vocabulary. */
static demand known_bytes(const dbt_fit_options *options, const dbt__survey *survey,
                          const dbt_vectorizer *vectorizer)
{
    return training_bytes(options, survey, dbt_vectorizer_features(vectorizer),
                          dbt__budget_row_entries(vectorizer));
}

dbt_status dbt__budget_check(const dbt_fit_options *options, const dbt__survey *survey,
                             const dbt_vectorizer *vectorizer, dbt_error *err)
{
    demand t = known_bytes(options, survey, vectorizer);
    size_t needed = t.total;
    /* Where the features were asked for, the vocabulary takes what they leave. */
    if (plan_features(options, survey) == 0) needed = add(needed, dbt_vectorizer_bytes(vectorizer));
    if (needed <= options->memory) return DBT_OK;
    return fail_memory(options, "", needed, hint_of(options, survey, &t, needed), err);
}

size_t dbt__budget_beside_network(const dbt_fit_options *options, const dbt__survey *survey,
                                  const dbt_vectorizer *vectorizer)
{
    return dbt__budget_left(options->memory, known_bytes(options, survey, vectorizer).total);
}

size_t dbt__budget_rows(const dbt_fit_options *options, const dbt__survey *survey,
                        const dbt_vectorizer *vectorizer)
{
    return dbt__budget_left(dbt__budget_beside_network(options, survey, vectorizer),
                            dbt_vectorizer_bytes(vectorizer));
}

size_t dbt__budget_work(const dbt_fit_options *options, const dbt__survey *survey,
                        const dbt_vectorizer *vectorizer)
{
    return dbt__budget_left(options->memory,
                            add(fixed_bytes(options, survey), dbt_vectorizer_bytes(vectorizer)));
}

/* --- how much memory it takes --- */

/* Fitted to the maximum resident set of default fits on 1,000, 5,000 and 25,000 reviews of IMDb,
 * SMS spam, 20 Newsgroups, and ten generated corpora of up to 2.5 million documents and 20 labels.
 * Of the program as it is the estimate is within an eighth of SMS spam and IMDb, and up to a fifth
 * above 20 Newsgroups.
 */
#define PROCESS_BYTES (11.0 * (double)MIB) /* program, libraries, SQLite */
#define LEAST_BYTES (24.0 * (double)MIB)   /* of the smallest fit */
#define TRAINING_FACTOR 2.2 /* of the network: weights being stored, features, batches */
#define TERM_BYTES 24.0     /* of a term while training */
#define TOKEN_BYTES 24.0    /* of an n-gram on its way to being counted, */
#define TOKENS_BYTES (27.0 * (double)MIB) /* and of all that are */
#define NGRAM_BYTES 36.0                  /* of a different one while counting */
#define SCORED_BYTES 60.0                 /* of a term while scoring, */
#define SUM_BYTES 12.0                    /* and of each of its sums */
/* Of the limit, what tables take of it at most. */
#define TABLES_PART 0.65
#define WORD_BYTES 6.0
/* Text that the cursor shuffles at once, of a split that it does not hold whole. */
#define WINDOW_TEXT_BYTES (18.0 * (double)MIB)

static double larger(double a, double b)
{
    return a > b ? a : b;
}

static double smaller(double a, double b)
{
    return a < b ? a : b;
}

/* While counting and scoring, beside the process. */
static double vocabulary_bytes(const dbt_fit_options *options, const dbt_split_info *split,
                               double ngrams, double terms)
{
    double limit = (double)options->memory;
    double tokens = 2.0 * (double)split->documents * split->mean_words * TOKEN_BYTES;
    double scored = SCORED_BYTES + SUM_BYTES * ((double)split->n_labels + 2);
    double tables = larger(ngrams * NGRAM_BYTES, terms * scored);
    return smaller(tokens, smaller(TOKENS_BYTES, limit / 8)) + smaller(tables, TABLES_PART * limit);
}

size_t dbt_fit_bytes(const dbt_fit_options *options, const dbt_split_info *split)
{
    double per_width = options->vectorizer.ngram_max / 2.0, ngrams = split->ngrams * per_width;
    double terms = options->vectorizer.min_df > 1 ? split->terms * per_width : ngrams;
    double features = (double)expect_features(&options->vectorizer);
    if (options->vectorizer.hash_bits != 0)
        terms = ngrams = 0;
    else
        features = features > 0 ? smaller(terms, features) : terms;
    dbt_network_options network =
        network_of(options, (size_t)features, split->n_labels < 2 ? 2 : split->n_labels);
    size_t network_bytes = dbt_network_bytes(&network);
    if (network_bytes == SIZE_MAX) return SIZE_MAX;

    double text = (double)split->documents * split->mean_words * WORD_BYTES;
    double kept = TERM_BYTES * terms; /* unless they are used in parts */
    if (kept > TABLES_PART * (double)options->memory) kept = 0;
    double training =
        TRAINING_FACTOR * (double)network_bytes + kept + smaller(text, WINDOW_TEXT_BYTES);
    double bytes =
        PROCESS_BYTES + larger(vocabulary_bytes(options, split, ngrams, terms), training);
    return (size_t)larger(LEAST_BYTES, bytes);
}
