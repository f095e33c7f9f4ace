/*
 * test_locale.c: a program that uses the library may have set its locale: a comma in numbers and a
 * Turkish i change nothing that is read, computed or stored. Run by locale.sh, which makes the
 * locales.
 */
#include "quickstart.h"

#include <locale.h>

/* Everything that a run leaves in the file, as one text, to be freed. */
static char *train_and_tell(const char *name)
{
    dbt_error err = {0};
    dbt_report report;
    dbt__statement *select = NULL;
    char *told;
    dbt_store *store = make_quickstart(name);
    dbt_fit_options options = quick_options(1);
    options.class_weight = "cooking=1.5,cycling=0.25";
    options.network.learning_rate = 0.0125;
    options.network.l2 = 1e-5;
    dbt_status status = dbt_fit(store, &options, NULL, &(dbt_fit_result){0}, &err);
    if (status < 0) fail_msg("%s", err.message);
    dbt_model *model = open_model(store, NULL, DBT_WEIGHTS_BEST);
    assert_ok(dbt_evaluate(store, model, "test", 1, NULL, &report, &err), err);
    assert_ok(dbt__prepare(dbt__store_sql(store),
                           "SELECT (SELECT settings || digest FROM vectorizer) ||"
                           " (SELECT settings FROM run) || (SELECT loss || val_loss FROM epoch) ||"
                           " (SELECT group_concat(digest) FROM parameter) ||"
                           " (SELECT group_concat(term || idf) FROM feature) ||"
                           " (SELECT group_concat(name) FROM label) ||"
                           " (SELECT group_concat(label_id || probability) FROM prediction)",
                           &select, &err),
              err);
    assert_ok(dbt__step(select, &err), err);
    assert_ok(dbt__column_copy(select, 0, &told, &err), err);
    assert_non_null(told);
    dbt__finalize(select);
    dbt_report_release(&report);
    dbt_model_close(model);
    close_store(store);
    return told;
}

static void test_locale__changes_nothing(void **state)
{
    (void)state;
    static const char *const locales[] = {"de_DE.UTF-8", "tr_TR.UTF-8"};
    char *plain = train_and_tell("plain.db");
    for (size_t i = 0; i < 2; i++) {
        assert_non_null(setlocale(LC_ALL, locales[i]));
        char number[8];
        (void)snprintf(number, sizeof number, "%.1f", 1.5);
        assert_string_equal(number, "1,5");
        char *told = train_and_tell("other.db");
        assert_non_null(setlocale(LC_ALL, "C"));
        assert_string_equal(told, plain);
        dbt_free(told);
    }
    dbt_free(plain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_locale__changes_nothing)};
    return cmocka_run_group_tests_name("locale", tests, make_folder, remove_folder);
}
