/* quickstart.h: the corpus that ships with the project in a database, and options with which it is
 * learnt quickly. */
#ifndef DBT_TEST_QUICKSTART_H
#define DBT_TEST_QUICKSTART_H

#include <math.h>

#include <dbtrain/ingest.h>
#include <dbtrain/train.h>

#include "../corpus_store.h"

enum { QUICKSTART_TRAIN = 440, QUICKSTART_TEST = 110, QUICKSTART_LABELS = 5 };

/* In double precision, which cmocka's assert_float_equal is not. */
static inline void assert_near(double a, double b, double tolerance)
{
    if (!(fabs(a - b) <= tolerance)) fail_msg("%.17g is not %.17g", a, b);
}

static inline void ingest_files(dbt_store *store, const char *const *paths, size_t n_paths)
{
    dbt_error err = {0};
    dbt_ingest_options options;
    dbt_ingest_result result;
    dbt_ingest_options_init(&options);
    assert_ok(dbt_ingest(store, paths, n_paths, &options, &result, &err), err);
}

/* Splits 'train' and 'test'. */
static inline dbt_store *make_quickstart(const char *name)
{
    static const char *const paths[] = {DBT_TEST_DATA "/quickstart-train.csv",
                                        DBT_TEST_DATA "/quickstart-test.csv"};
    dbt_store *store = create_store(name);
    ingest_files(store, paths, 2);
    return store;
}

/* 440 documents are few: only small batches make enough steps of an epoch. */
static inline dbt_fit_options quick_options(int64_t epochs)
{
    dbt_fit_options options;
    dbt_fit_options_init(&options);
    options.validation = "test";
    options.batch_size = 16;
    options.epochs = epochs;
    options.threads = 2;
    return options;
}

static inline dbt_fit_result fit(dbt_store *store, const dbt_fit_options *options)
{
    dbt_error err = {0};
    dbt_fit_result result;
    assert_ok(dbt_fit(store, options, NULL, &result, &err), err);
    return result;
}

/* Everything that must be the same bit by bit: vocabulary and what its terms say (which a hashing
 * vectorizer has not), weights, history. To be freed. */
static inline char *bits_of_run(dbt_store *store, int64_t run_id)
{
    char query[1600];
    (void)snprintf(
        query, sizeof query,
        "SELECT v.digest || (SELECT coalesce(group_concat(digest), '') FROM (SELECT digest"
        "   FROM vocabulary WHERE vectorizer_id = v.id ORDER BY part))"
        " || (SELECT group_concat(kind || layer || name || digest) FROM (SELECT * FROM parameter"
        "   WHERE run_id = r.id ORDER BY kind, layer, name))"
        " || (SELECT group_concat(printf('%%d %%!.17g %%!.17g %%!.17g %%!.17g', documents, loss,"
        "   acc, val_loss, val_acc)) FROM (SELECT * FROM epoch WHERE run_id = r.id"
        "   ORDER BY epoch))"
        " || coalesce((SELECT group_concat(printf('%%d %%d %%!.9g', label_id, feature_id, effect))"
        "   FROM (SELECT * FROM term_effect WHERE run_id = r.id ORDER BY label_id, feature_id)), "
        "'')"
        " FROM run r JOIN vectorizer v ON v.id = r.vectorizer_id WHERE r.id = %lld",
        (long long)run_id);
    char *bits = ask_text(store, query);
    assert_non_null(bits);
    assert_true(strlen(bits) > 200);
    return bits;
}

static inline dbt_model *open_model(dbt_store *store, const char *run, dbt_weights weights)
{
    dbt_error err = {0};
    dbt_model *model;
    assert_ok(dbt_model_open(store, run, weights, &model, &err), err);
    return model;
}

#endif
