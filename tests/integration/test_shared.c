/*
 * test_shared.c: what is reached on public corpora, where their files are (DBT_SHARED_DATA): IMDb
 * reviews, 20 Newsgroups by date, SMS spam. Skipped where they are not, and, since they take
 * minutes there, under sanitizers.
 */
#include "testing.h"

#include "quickstart.h"

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

static void skip_unless_there(const char *path)
{
    if (SANITIZED) {
        print_message("skipped: takes minutes under sanitizers\n");
        skip();
    }
    if (access(path, R_OK) != 0) {
        print_message("skipped: no %s\n", path);
        skip();
    }
}

/* Fits, evaluates the split with the best weights and gives the accuracy. */
static double accuracy(dbt_store *store, const dbt_fit_options *options, const char *split)
{
    dbt_error err = {0};
    dbt_report report;
    (void)fit(store, options);
    dbt_model *model = open_model(store, NULL, DBT_WEIGHTS_BEST);
    assert_ok(dbt_evaluate(store, model, split, 0, NULL, &report, &err), err);
    double acc = report.acc;
    print_message("accuracy %.4f of %lld documents\n", acc, (long long)report.documents);
    dbt_report_release(&report);
    dbt_model_close(model);
    return acc;
}

static void test_shared__imdb_is_learnt_in_two_epochs(void **state)
{
    (void)state;
    static const char *const paths[] = {DBT_SHARED_DATA "/data/imdb/train.csv",
                                        DBT_SHARED_DATA "/data/imdb/test.csv"};
    skip_unless_there(paths[0]);
    dbt_store *store = create_store("imdb.db");
    dbt_fit_options options;
    dbt_fit_options_init(&options);
    ingest_files(store, paths, 2);
    assert_int_equal(ask(store, "SELECT count(*) FROM document"), 50000);
    options.validation = "test";
    options.epochs = 2;
    assert_true(accuracy(store, &options, "test") >= 0.90);
    close_store(store);
}

static void test_shared__newsgroups_are_told_apart(void **state)
{
    (void)state;
    static const char *const paths[] = {DBT_SHARED_DATA "/data/20news-bydate.tar.gz"};
    skip_unless_there(paths[0]);
    dbt_store *store = create_store("news.db");
    dbt_fit_options options;
    dbt_fit_options_init(&options);
    ingest_files(store, paths, 1);
    assert_int_equal(ask(store, "SELECT count(*) FROM label"), 20);
    options.validation = "test";
    options.epochs = 12;
    double sum = 0;
    for (options.seed = 123; options.seed < 126; options.seed++)
        sum += accuracy(store, &options, "test");
    assert_true(sum / 3 >= 0.843);
    close_store(store);
}

static void test_shared__spam_is_found_in_a_held_out_fifth(void **state)
{
    (void)state;
    static const char *const paths[] = {DBT_SHARED_DATA "/data/sms_spam.tsv"};
    skip_unless_there(paths[0]);
    dbt_store *store = create_store("spam.db");
    dbt_fit_options options;
    dbt_fit_options_init(&options);
    ingest_files(store, paths, 1);
    assert_true(accuracy(store, &options, "train/validation") >= 0.98);
    close_store(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shared__imdb_is_learnt_in_two_epochs),
        cmocka_unit_test(test_shared__newsgroups_are_told_apart),
        cmocka_unit_test(test_shared__spam_is_found_in_a_held_out_fifth),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
