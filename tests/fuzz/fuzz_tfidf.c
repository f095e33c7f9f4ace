/*
 * fuzz_tfidf.c: a vectorizer fitted on a tiny corpus: finite values, rows of norm 1 or 0, the same
 * from packed rows and from a stored copy.
 *
 * Bytes 0 to 2 are options; the rest are documents, one a line.
 */
#include <math.h>

#include <dbtrain/vectorizer.h>

#include "../unit/corpus.h"
#include "fuzz.h"

enum { MAX_DOCUMENTS = 40 };

typedef struct documents {
    dbt_text text[MAX_DOCUMENTS];
    int64_t label_id[MAX_DOCUMENTS];
    size_t n;
} documents;

static void split_lines(fuzz_input input, documents *d)
{
    d->n = 0;
    while (d->n < MAX_DOCUMENTS) {
        const uint8_t *end = memchr(input.data, '\n', input.bytes);
        size_t bytes = end == NULL ? input.bytes : (size_t)(end - input.data);
        d->text[d->n] = (dbt_text){(const char *)input.data, bytes};
        d->label_id[d->n] = 1 + (int64_t)(d->n % 3);
        d->n++;
        if (end == NULL) return;
        input.data += bytes + 1;
        input.bytes -= bytes + 1;
    }
}

static dbt_vectorizer_options read_options(fuzz_input *input)
{
    dbt_vectorizer_options options;
    unsigned kinds = fuzz_byte(input), counts = fuzz_byte(input), flags = fuzz_byte(input);
    dbt_vectorizer_options_init(&options);
    options.memory = 1 << 20;
    options.analyzer = (dbt_analyzer_kind)(kinds % 3);
    options.norm = (dbt_norm)(kinds / 3 % 3);
    options.ngram_max = 1 + kinds / 9 % 3;
    options.ngram_min = 1 + kinds / 27 % options.ngram_max;
    options.min_df = 1 + counts % 3;
    options.top_k = counts / 3 % 8;
    options.max_features = counts / 24 % 6;
    options.max_df = (flags & 1) != 0 ? 0.5 : 1;
    options.sublinear_tf = (flags & 2) != 0;
    options.use_idf = (flags & 4) == 0;
    options.smooth_idf = (flags & 8) == 0;
    options.lowercase = (flags & 16) == 0;
    options.strip_accents = (flags & 32) != 0 ? DBT_ACCENTS_KEEP : DBT_ACCENTS_UNICODE;
    return options;
}

static void check_row(const dbt_vectorizer *vectorizer, const uint32_t *column, const double *value,
                      size_t n)
{
    const dbt_vectorizer_options *options = dbt_vectorizer_get_options(vectorizer);
    double norm = 0;
    for (size_t i = 0; i < n; i++) {
        fuzz_check(isfinite(value[i]));
        fuzz_check(column[i] < dbt_vectorizer_features(vectorizer));
        fuzz_check(i == 0 || column[i] > column[i - 1]);
        norm += options->norm == DBT_NORM_L1 ? fabs(value[i]) : value[i] * value[i];
    }
    if (options->norm == DBT_NORM_NONE) return;
    fuzz_check(norm <= 1 + 1e-9);
    /* The norm runs over the terms that were not selected, too. */
    bool all = (int64_t)dbt_vectorizer_features(vectorizer) == dbt_vectorizer_terms(vectorizer);
    fuzz_check(!all || norm == 0 || norm >= 1 - 1e-9);
}

static dbt_vectorizer *store_and_load(const dbt_vectorizer *from)
{
    dbt_vectorizer *copy;
    dbt_error err = {0};
    fuzz_ok(dbt_vectorizer_load_new(dbt_vectorizer_get_options(from),
                                    dbt_vectorizer_documents(from), dbt_vectorizer_terms(from),
                                    &copy, &err),
            err);
    for (size_t i = 0; i < dbt_vectorizer_features(from); i++) {
        dbt_feature feature = dbt_vectorizer_feature(from, i);
        fuzz_ok(dbt_vectorizer_load_feature(copy, &feature, &err), err);
    }
    for (size_t i = 0; i < dbt_vectorizer_parts(from); i++) {
        unsigned char *value;
        size_t bytes;
        fuzz_ok(dbt_vectorizer_encode(from, i, &value, &bytes, &err), err);
        fuzz_ok(dbt_vectorizer_load_part(copy, value, bytes, &err), err);
        dbt_free(value);
    }
    fuzz_ok(dbt_vectorizer_load_finish(copy, &err), err);
    return copy;
}

static void compare_batches(const dbt_batch *a, const dbt_batch *b)
{
    size_t n = a->row_start[a->n_rows];
    fuzz_check(a->n_rows == b->n_rows);
    fuzz_check(memcmp(a->row_start, b->row_start, (a->n_rows + 1) * sizeof *a->row_start) == 0);
    fuzz_check(n == 0 || memcmp(a->column, b->column, n * sizeof *a->column) == 0);
    fuzz_check(n == 0 || memcmp(a->value, b->value, n * sizeof *a->value) == 0);
}

static void check_vectorizer(const dbt_vectorizer *vectorizer, const documents *d)
{
    dbt_vectorizer *copy = store_and_load(vectorizer);
    dbt_transformer *one, *other;
    dbt_batch *batch, *unpacked;
    dbt_page *page;
    dbt_packed_row row;
    dbt_error err = {0};
    fuzz_ok(dbt_transformer_new(vectorizer, &one, &err), err);
    fuzz_ok(dbt_transformer_new(copy, &other, &err), err);
    fuzz_ok(dbt_batch_new(&batch, &err), err);
    fuzz_ok(dbt_batch_new(&unpacked, &err), err);
    fuzz_ok(dbt_page_new(&page, &err), err);
    for (size_t i = 0; i < d->n; i++) {
        const uint32_t *column;
        const double *value;
        size_t n;
        fuzz_ok(dbt_transform_text(one, d->text[i], &column, &value, &n, &err), err);
        check_row(vectorizer, column, value, n);
        dbt_page_clear(page);
        fuzz_ok(dbt_page_append(page, d->text[i], 1, 1, 1, &err), err);
        fuzz_ok(dbt_transform(other, page, NULL, batch, &err), err);
        fuzz_ok(dbt_pack_text(one, d->text[i], NULL, &row, &err), err);
        fuzz_ok(dbt_unpack(vectorizer, &row, 1, NULL, unpacked, &err), err);
        compare_batches(batch, unpacked);
    }
    dbt_page_free(page);
    dbt_batch_free(unpacked);
    dbt_batch_free(batch);
    dbt_transformer_free(other);
    dbt_transformer_free(one);
    dbt_vectorizer_free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static const int64_t labels[] = {1, 2, 3};
    static dbt_pool *pool;
    fuzz_input input = {data, bytes};
    documents d;
    dbt_error err = {0};
    dbt_vectorizer *vectorizer = NULL;
    if (pool == NULL) fuzz_ok(dbt_pool_new(1, &pool, &err), err);
    dbt_vectorizer_options options = read_options(&input);
    split_lines(input, &d);
    array_corpus array = {d.text, d.label_id, (int64_t)d.n, 7, -1};
    const dbt_corpus corpus = make_array_corpus(&array);
    const dbt_classes classes = {d.n < 3 ? d.n : 3, labels};
    dbt_status status = dbt_vectorizer_fit(&options, &corpus, options.top_k == 0 ? NULL : &classes,
                                           pool, &vectorizer, NULL, &err);
    if (status == DBT_OK)
        check_vectorizer(vectorizer, &d);
    else
        fuzz_refused(status, &err);
    dbt_vectorizer_free(vectorizer);
    return 0;
}
