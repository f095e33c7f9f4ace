/*
 * test_vectorizer_golden.c: the vectorizer's values against scikit-learn's.
 *
 * tests/data/golden/vectorizer.json holds eleven settings over corpus.tsv; the suites of the shared
 * data are read where they are there.
 */
#include "testing.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include <dbtrain/vectorizer.h>

#include "../unit/corpus.h"
#include "vectorizer_internal.h"

#define TOLERANCE 1e-12

static json_t *load_json(const char *path)
{
    json_error_t error;
    return json_load_file(path, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
}

static dbt_text text_of(const json_t *string)
{
    return (dbt_text){json_string_value(string), json_string_length(string)};
}

static bool same_text(dbt_text a, dbt_text b)
{
    return a.bytes == b.bytes && memcmp(a.data, b.data, a.bytes) == 0;
}

/* TfidfVectorizer's parameters; what is not given has scikit-learn's default. */
static dbt_vectorizer_options read_options(const json_t *parameters, bool counts)
{
    dbt_vectorizer_options options;
    dbt_vectorizer_options_init(&options);
    options.ngram_max = 1;
    options.min_df = 1;
    options.top_k = 0;
    options.strip_accents = DBT_ACCENTS_KEEP;
    if (counts) {
        options.use_idf = false;
        options.norm = DBT_NORM_NONE;
    }
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)parameters, key, value)
    {
        const char *string = json_is_string(value) ? json_string_value(value) : "";
        if (strcmp(key, "analyzer") == 0) {
            options.analyzer = strcmp(string, "word") == 0   ? DBT_ANALYZER_WORD
                               : strcmp(string, "char") == 0 ? DBT_ANALYZER_CHAR
                                                             : DBT_ANALYZER_CHAR_WB;
        } else if (strcmp(key, "ngram_range") == 0) {
            options.ngram_min = (uint32_t)json_integer_value(json_array_get(value, 0));
            options.ngram_max = (uint32_t)json_integer_value(json_array_get(value, 1));
        } else if (strcmp(key, "strip_accents") == 0) {
            options.strip_accents = json_is_null(value) ? DBT_ACCENTS_KEEP : DBT_ACCENTS_UNICODE;
        } else if (strcmp(key, "lowercase") == 0) {
            options.lowercase = json_is_true(value);
        } else if (strcmp(key, "min_df") == 0) {
            options.min_df = json_integer_value(value);
        } else if (strcmp(key, "max_df") == 0) {
            options.max_df = json_number_value(value);
        } else if (strcmp(key, "max_features") == 0) {
            options.max_features = json_integer_value(value);
        } else if (strcmp(key, "sublinear_tf") == 0) {
            options.sublinear_tf = json_is_true(value);
        } else if (strcmp(key, "use_idf") == 0) {
            options.use_idf = json_is_true(value);
        } else if (strcmp(key, "smooth_idf") == 0) {
            options.smooth_idf = json_is_true(value);
        } else if (strcmp(key, "norm") == 0) {
            options.norm = json_is_null(value)         ? DBT_NORM_NONE
                           : strcmp(string, "l1") == 0 ? DBT_NORM_L1
                                                       : DBT_NORM_L2;
        } else if (strcmp(key, "decode_error") != 0) {
            fail_msg("unknown parameter %s", key);
        }
    }
    return options;
}

/* --- the analyzer's tokens, as a multiset --- */

static int compare_texts(const void *a, const void *b)
{
    const dbt_text *x = a, *y = b;
    int order = memcmp(x->data, y->data, x->bytes < y->bytes ? x->bytes : y->bytes);
    return order != 0 ? order : (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

static void check_tokens(const dbt_vectorizer_options *options, dbt_text document,
                         const json_t *expected)
{
    dbt_error err = {0};
    dbt__analyzer *analyzer;
    dbt__analyzer_options made = dbt__options_analyzer(options, 0, UINT64_MAX);
    assert_ok(dbt__analyzer_new(&made, &analyzer, &err), err);
    assert_ok(dbt__analyzer_begin(analyzer, document.data, document.bytes, &err), err);
    size_t n_expected = json_array_size(expected), n = 0, given;
    dbt_text *want = calloc(n_expected + 1, sizeof *want);
    dbt_text *have = calloc(n_expected + DBT__NGRAM_MAX, sizeof *have);
    dbt__ngram group[DBT__NGRAM_MAX];
    size_t width = dbt__analyzer_width(analyzer);
    while ((given = dbt__analyzer_next(analyzer, 0, group, width)) > 0) {
        for (size_t i = 0; i < given; i++, n++) {
            assert_true(n < n_expected);
            const char *term;
            assert_ok(dbt__analyzer_term(analyzer, i, &term, &have[n].bytes, &err), err);
            char *copy = malloc(have[n].bytes + 1);
            memcpy(copy, term, have[n].bytes);
            have[n].data = copy;
        }
    }
    assert_int_equal(n, n_expected);
    for (size_t i = 0; i < n; i++)
        want[i] = text_of(json_array_get(expected, i));
    qsort(want, n, sizeof *want, compare_texts);
    qsort(have, n, sizeof *have, compare_texts);
    for (size_t i = 0; i < n; i++) {
        assert_true(same_text(want[i], have[i]));
        free((char *)(uintptr_t)have[i].data);
    }
    free(want);
    free(have);
    dbt__analyzer_free(analyzer);
}

/* --- golden/vectorizer.json --- */

typedef struct golden_corpus {
    char *bytes;
    dbt_text text[64];
    int64_t label_id[64];
    array_corpus array;
} golden_corpus;

static golden_corpus *load_corpus(void)
{
    golden_corpus *corpus = calloc(1, sizeof *corpus);
    FILE *file = fopen(DBT_TEST_DATA "/golden/corpus.tsv", "rb");
    assert_non_null(file);
    corpus->bytes = calloc(1, 1 << 16);
    size_t bytes = fread(corpus->bytes, 1, 1 << 16, file);
    fclose(file);
    size_t n = 0;
    for (char *at = corpus->bytes; at < corpus->bytes + bytes; n++) {
        char *end = strchr(at, '\n');
        char *tab = strchr(at, '\t');
        assert_true(n < 64 && tab != NULL && end != NULL && tab < end);
        corpus->label_id[n] = strtol(at, NULL, 10) + 100;
        corpus->text[n] = (dbt_text){tab + 1, (size_t)(end - tab - 1)};
        at = end + 1;
    }
    corpus->array = (array_corpus){corpus->text, corpus->label_id, (int64_t)n, 7, -1};
    return corpus;
}

static void free_corpus(golden_corpus *corpus)
{
    free(corpus->bytes);
    free(corpus);
}

static size_t list_labels(const golden_corpus *corpus, int64_t *label_id)
{
    size_t n = 0;
    for (int64_t i = 0; i < corpus->array.n_documents; i++) {
        size_t k = 0;
        while (k < n && label_id[k] != corpus->label_id[i])
            k++;
        if (k == n) label_id[n++] = corpus->label_id[i];
    }
    return n;
}

static dbt_vectorizer *fit_golden(golden_corpus *corpus, const dbt_vectorizer_options *options)
{
    dbt_error err = {0};
    int64_t label_id[64];
    dbt_classes classes = {list_labels(corpus, label_id), label_id};
    dbt_corpus source = make_array_corpus(&corpus->array);
    dbt_vectorizer *vectorizer;
    assert_ok(dbt_vectorizer_fit(options, &source, &classes, NULL, &vectorizer, NULL, &err), err);
    return vectorizer;
}

static void check_features(const dbt_vectorizer *vectorizer, const json_t *features)
{
    size_t n = json_array_size(features);
    assert_int_equal(dbt_vectorizer_features(vectorizer), n);
    assert_int_equal(dbt_vectorizer_terms(vectorizer), n);
    for (size_t i = 0; i < n; i++) {
        const json_t *want = json_array_get(features, i);
        dbt_feature have = dbt_vectorizer_feature(vectorizer, i);
        assert_true(same_text(text_of(json_object_get(want, "term")),
                              (dbt_text){have.term, have.term_bytes}));
        assert_int_equal(have.document_frequency, json_integer_value(json_object_get(want, "df")));
        const json_t *idf = json_object_get(want, "idf");
        double wanted_idf = json_is_null(idf) ? 1 : json_number_value(idf);
        assert_true(fabs(have.idf - wanted_idf) <= TOLERANCE);
        const json_t *f = json_object_get(want, "f");
        if (json_is_null(f)) {
            assert_true(!isfinite(have.score));
        } else {
            double wanted = json_number_value(f);
            assert_true(fabs(have.score - wanted) <= 1e-9 * fmax(1, fabs(wanted)));
        }
    }
}

static void check_row(const dbt_vectorizer *vectorizer, dbt_text text, const json_t *tfidf)
{
    dbt_error err = {0};
    dbt_transformer *transformer;
    const uint32_t *column;
    const double *value;
    size_t n;
    assert_ok(dbt_transformer_new(vectorizer, &transformer, &err), err);
    assert_ok(dbt_transform_text(transformer, text, &column, &value, &n, &err), err);
    assert_int_equal(n, json_object_size(tfidf));
    for (size_t i = 0; i < n; i++) {
        dbt_feature feature = dbt_vectorizer_feature(vectorizer, column[i]);
        const json_t *want = json_object_getn(tfidf, feature.term, feature.term_bytes);
        assert_non_null(want);
        assert_true(fabs(value[i] - json_number_value(want)) <= TOLERANCE);
        assert_true(i == 0 || column[i] > column[i - 1]);
    }
    dbt_transformer_free(transformer);
}

/* The selected terms are the best top_k by F, ties to the term that sorts first. */
static void check_selection(golden_corpus *corpus, dbt_vectorizer_options options,
                            const json_t *config)
{
    const json_t *top = json_object_get(config, "top_terms_by_f");
    options.top_k = json_integer_value(json_object_get(config, "top_k"));
    dbt_vectorizer *vectorizer = fit_golden(corpus, &options);
    size_t n = json_array_size(top);
    assert_int_equal(dbt_vectorizer_features(vectorizer), n);
    for (size_t i = 0; i < n; i++) {
        dbt_text want = text_of(json_array_get(top, i));
        size_t k = 0;
        for (; k < n; k++) {
            dbt_feature have = dbt_vectorizer_feature(vectorizer, k);
            if (same_text(want, (dbt_text){have.term, have.term_bytes})) break;
        }
        if (k == n)
            fail_msg("%s: '%.*s' is not selected",
                     json_string_value(json_object_get(config, "name")), (int)want.bytes,
                     want.data);
    }
    dbt_vectorizer_free(vectorizer);
}

static void test_vectorizer__agrees_with_scikit_learn(void **state)
{
    (void)state;
    json_t *golden = load_json(DBT_TEST_DATA "/golden/vectorizer.json");
    assert_non_null(golden);
    golden_corpus *corpus = load_corpus();
    size_t index;
    json_t *config;
    json_array_foreach(json_object_get(golden, "configs"), index, config)
    {
        dbt_vectorizer_options options = read_options(json_object_get(config, "parameters"), false);
        dbt_vectorizer *vectorizer = fit_golden(corpus, &options);
        check_features(vectorizer, json_object_get(config, "features"));
        const json_t *documents = json_object_get(config, "documents");
        assert_int_equal(json_array_size(documents), corpus->array.n_documents);
        for (size_t d = 0; d < json_array_size(documents); d++) {
            const json_t *document = json_array_get(documents, d);
            check_tokens(&options, corpus->text[d], json_object_get(document, "tokens"));
            check_row(vectorizer, corpus->text[d], json_object_get(document, "tfidf"));
        }
        dbt_vectorizer_free(vectorizer);
        check_selection(corpus, options, config);
    }
    assert_int_equal(index, 11);
    free_corpus(corpus);
    json_decref(golden);
}

/* --- suites/sklearn-text --- */

static size_t append_documents(const json_t *list, dbt_text *text, size_t n)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        text[n++] = text_of(json_array_get(list, i));
    return n;
}

static size_t list_documents(const json_t *golden, const char *docs, dbt_text *text)
{
    size_t n = 0;
    if (strcmp(docs, "extra") != 0)
        n = append_documents(json_object_get(golden, "food_docs"), text, n);
    if (strcmp(docs, "food") != 0)
        n = append_documents(json_object_get(golden, "extra_docs"), text, n);
    return n;
}

/* Occurrences of a uni- or bigram in the food documents: a column sum of the case that counts them.
 */
static double count_total(const json_t *golden, dbt_text term)
{
    size_t index, r, c;
    json_t *item, *row, *cell;
    double total = 0;
    json_array_foreach(json_object_get(golden, "cases"), index, item)
    {
        if (strcmp(json_string_value(json_object_get(item, "name")), "count-word-12") != 0)
            continue;
        const json_t *vocabulary = json_object_get(item, "vocabulary");
        json_array_foreach(json_object_get(item, "rows"), r, row) json_array_foreach(row, c, cell)
        {
            size_t column = (size_t)json_integer_value(json_array_get(cell, 0));
            if (same_text(text_of(json_array_get(vocabulary, column)), term))
                total += json_number_value(json_array_get(cell, 1));
        }
    }
    return total;
}

static bool has_feature(const dbt_vectorizer *vectorizer, dbt_text term)
{
    for (size_t i = 0; i < dbt_vectorizer_features(vectorizer); i++) {
        dbt_feature have = dbt_vectorizer_feature(vectorizer, i);
        if (same_text(term, (dbt_text){have.term, have.term_bytes})) return true;
    }
    return false;
}

/*
 * The vocabulary and its idf; true: it is equal. With max_features which of the terms tied at the
 * limit scikit-learn keeps is an accident of its sort: there a term of scikit-learn's may be
 * missing, if it is such a one. Its rows are then not comparable.
 */
static bool check_vocabulary(const json_t *golden, const json_t *item,
                             const dbt_vectorizer *vectorizer)
{
    const json_t *vocabulary = json_object_get(item, "vocabulary");
    const json_t *idf = json_object_get(item, "idf");
    size_t n = json_array_size(vocabulary);
    bool limited = json_object_get(json_object_get(item, "params"), "max_features") != NULL;
    bool equal = true;
    double limit = HUGE_VAL;
    assert_int_equal(dbt_vectorizer_features(vectorizer), n);
    for (size_t i = 0; limited && i < n; i++)
        limit = fmin(limit, count_total(golden, text_of(json_array_get(vocabulary, i))));
    for (size_t i = 0; i < n; i++) {
        dbt_text want = text_of(json_array_get(vocabulary, i));
        dbt_feature have = dbt_vectorizer_feature(vectorizer, i);
        if (limited && !has_feature(vectorizer, want)) {
            assert_true(count_total(golden, want) == limit);
            equal = false;
        }
        if (limited) {
            assert_true(count_total(golden, (dbt_text){have.term, have.term_bytes}) >= limit);
            continue;
        }
        assert_true(same_text(want, (dbt_text){have.term, have.term_bytes}));
        if (json_is_array(idf))
            assert_true(fabs(have.idf - json_number_value(json_array_get(idf, i))) <= TOLERANCE);
    }
    return equal;
}

static void check_case(const json_t *golden, const json_t *item)
{
    dbt_error err = {0};
    dbt_text text[64];
    bool counts = strcmp(json_string_value(json_object_get(item, "class")), "CountVectorizer") == 0;
    dbt_vectorizer_options options = read_options(json_object_get(item, "params"), counts);
    size_t n = list_documents(golden, json_string_value(json_object_get(item, "docs")), text);
    array_corpus array = {text, NULL, (int64_t)n, 4, -1};
    dbt_corpus corpus = make_array_corpus(&array);
    dbt_vectorizer *vectorizer;
    dbt_status status = dbt_vectorizer_fit(&options, &corpus, NULL, NULL, &vectorizer, NULL, &err);
    if (json_object_get(item, "error") != NULL) {
        assert_int_equal(status, DBT_EDATA);
        return;
    }
    if (status != DBT_OK) fail_msg("%s", err.message);
    if (!check_vocabulary(golden, item, vectorizer)) {
        dbt_vectorizer_free(vectorizer);
        return;
    }
    dbt_transformer *transformer;
    assert_ok(dbt_transformer_new(vectorizer, &transformer, &err), err);
    const json_t *rows = json_object_get(item, "rows");
    assert_int_equal(json_array_size(rows), n);
    for (size_t r = 0; r < n; r++) {
        const uint32_t *column;
        const double *value;
        size_t n_cells;
        const json_t *row = json_array_get(rows, r);
        assert_ok(dbt_transform_text(transformer, text[r], &column, &value, &n_cells, &err), err);
        assert_int_equal(n_cells, json_array_size(row));
        for (size_t i = 0; i < n_cells; i++) {
            const json_t *cell = json_array_get(row, i);
            assert_int_equal(column[i], json_integer_value(json_array_get(cell, 0)));
            double want = json_number_value(json_array_get(cell, 1));
            assert_true(fabs(value[i] - want) <= TOLERANCE);
        }
    }
    dbt_transformer_free(transformer);
    dbt_vectorizer_free(vectorizer);
}

static void test_vectorizer__agrees_on_scikit_learns_own_cases(void **state)
{
    (void)state;
    json_t *golden = load_json(DBT_SHARED_DATA "/suites/sklearn-text/golden.json");
    if (golden == NULL) {
        print_message("skipped: %s/suites/sklearn-text is not there\n", DBT_SHARED_DATA);
        skip();
    }
    size_t index;
    json_t *item;
    json_array_foreach(json_object_get(golden, "cases"), index, item) check_case(golden, item);
    assert_int_equal(index, 25);
    json_decref(golden);
}

static void test_analyzer__agrees_on_extra_documents(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        dbt_analyzer_kind kind;
        uint32_t ngram_min, ngram_max;
    } analyzers[] = {
        {"word1", DBT_ANALYZER_WORD, 1, 1},
        {"word12", DBT_ANALYZER_WORD, 1, 2},
        {"char36", DBT_ANALYZER_CHAR, 3, 6},
        {"charwb36", DBT_ANALYZER_CHAR_WB, 3, 6},
    };
    json_t *golden = load_json(DBT_SHARED_DATA "/suites/sklearn-text/golden.json");
    if (golden == NULL) {
        print_message("skipped: %s/suites/sklearn-text is not there\n", DBT_SHARED_DATA);
        skip();
    }
    json_t *all = json_object_get(golden, "analyzers_on_extra_docs");
    json_t *documents = json_object_get(golden, "extra_docs");
    assert_int_equal(json_object_size(all), sizeof analyzers / sizeof *analyzers);
    for (size_t a = 0; a < sizeof analyzers / sizeof *analyzers; a++) {
        dbt_vectorizer_options options;
        dbt_vectorizer_options_init(&options);
        options.strip_accents = DBT_ACCENTS_KEEP;
        options.analyzer = analyzers[a].kind;
        options.ngram_min = analyzers[a].ngram_min;
        options.ngram_max = analyzers[a].ngram_max;
        json_t *expected = json_object_get(all, analyzers[a].name);
        assert_int_equal(json_array_size(expected), json_array_size(documents));
        for (size_t d = 0; d < json_array_size(documents); d++)
            check_tokens(&options, text_of(json_array_get(documents, d)),
                         json_array_get(expected, d));
    }
    json_decref(golden);
}

static void test_analyzer__takes_naughty_strings_as_scikit_learn(void **state)
{
    (void)state;
    json_t *strings = load_json(DBT_SHARED_DATA "/suites/blns/blns.json");
    json_t *golden = load_json(DBT_SHARED_DATA "/suites/sklearn-text/blns_tokens.json");
    if (strings == NULL || golden == NULL) {
        print_message("skipped: %s/suites/blns is not there\n", DBT_SHARED_DATA);
        json_decref(strings);
        json_decref(golden);
        skip();
    }
    const json_t *tokens = json_object_get(golden, "tokens");
    assert_int_equal(json_array_size(strings), json_array_size(tokens));
    dbt_vectorizer_options options;
    dbt_vectorizer_options_init(&options);
    options.strip_accents = DBT_ACCENTS_KEEP;
    options.ngram_max = 1;
    for (size_t i = 0; i < json_array_size(strings); i++)
        check_tokens(&options, text_of(json_array_get(strings, i)), json_array_get(tokens, i));
    json_decref(strings);
    json_decref(golden);
}

/* --- suites/nist-strd --- */

typedef struct anova {
    double sum[64], squares, certified;
    int64_t n[64];
    size_t n_classes;
} anova;

/* A file's certified F, and the sums of its data less `shift`. */
static bool read_anova(const char *name, double shift, anova *result)
{
    char path[512], line[256];
    snprintf(path, sizeof path, "%s/suites/nist-strd/%s.dat", DBT_SHARED_DATA, name);
    FILE *file = fopen(path, "r");
    if (file == NULL) return false;
    *result = (anova){0};
    for (int number = 1; fgets(line, sizeof line, file) != NULL; number++) {
        double df, squares, mean, y;
        long class;
        if (number < 60 && strncmp(line, "Between ", 8) == 0)
            assert_int_equal(sscanf(line, "Between %*s %lf %lf %lf %lf", &df, &squares, &mean,
                                    &result->certified),
                             4);
        if (number > 60 && sscanf(line, "%ld %lf", &class, &y) == 2) {
            assert_true(class >= 1 && class <= 64);
            size_t k = (size_t) class - 1;
            if (k >= result->n_classes) result->n_classes = k + 1;
            result->n[k]++;
            result->sum[k] += y - shift;
            result->squares += (y - shift) * (y - shift);
        }
    }
    fclose(file);
    assert_true(result->certified > 0);
    return true;
}

static void test_anova__reaches_the_certified_f(void **state)
{
    (void)state;
    /* Sums of squares of numbers that agree in their leading digits cancel. What the formula, which
     * is scikit-learn's, keeps of the certified F in double is said here, for the data as they are
     * (none of it from SmLs05 on) and less their leading digits. Normalised tf-idf has no leading
     * digits in common. */
    static const struct {
        const char *name;
        double shift, plain, shifted;
    } files[] = {
        {"SmLs01", 1, 1e-12, 1e-12},       {"SmLs02", 1, 1e-11, 1e-11},
        {"SmLs03", 1, 1e-9, 1e-11},        {"SmLs04", 1e6, 1e-2, 1e-9},
        {"SmLs05", 1e6, HUGE_VAL, 1e-9},   {"SmLs06", 1e6, HUGE_VAL, 1e-9},
        {"SmLs07", 1e12, HUGE_VAL, 1e-3},  {"SmLs08", 1e12, HUGE_VAL, 1e-3},
        {"SmLs09", 1e12, HUGE_VAL, 1e-3},  {"SiRstv", 196, 1e-7, 1e-11},
        {"AtmWtAg", 107.8681, 1e-1, 1e-9},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        anova data;
        if (!read_anova(files[i].name, 0, &data)) {
            print_message("skipped: %s/suites/nist-strd is not there\n", DBT_SHARED_DATA);
            skip();
        }
        double f = dbt__anova_f(data.sum, data.n, data.n_classes, data.squares);
        double plain = fabs(f - data.certified) / data.certified;
        assert_true(read_anova(files[i].name, files[i].shift, &data));
        f = dbt__anova_f(data.sum, data.n, data.n_classes, data.squares);
        double shifted = fabs(f - data.certified) / data.certified;
        if (!(plain <= files[i].plain) || !(shifted <= files[i].shifted))
            fail_msg("%s: relative errors %g and %g", files[i].name, plain, shifted);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectorizer__agrees_with_scikit_learn),
        cmocka_unit_test(test_vectorizer__agrees_on_scikit_learns_own_cases),
        cmocka_unit_test(test_analyzer__agrees_on_extra_documents),
        cmocka_unit_test(test_analyzer__takes_naughty_strings_as_scikit_learn),
        cmocka_unit_test(test_anova__reaches_the_certified_f),
    };
    return cmocka_run_group_tests_name("vectorizer golden", tests, NULL, NULL);
}
