/*
 * test_train.c: the parts of src/train, each by itself: labels, class weights, settings, runs,
 * weights, vocabularies, the loader and the scanner. What they make together is tested in
 * integration/.
 */
#include "testing.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include <dbtrain/cursor.h>
#include <dbtrain/train.h>

#include "../corpus_store.h"
#include "budget.h"
#include "class_weight.h"
#include "labels.h"
#include "loader.h"
#include "page_rows.h"
#include "run.h"
#include "scan.h"
#include "settings.h"
#include "vocabulary.h"
#include "weights.h"

/* --- labels --- */

/* Ids in an order that is neither that of the names nor that of the bytes. */
static dbt_store *make_label_store(void)
{
    dbt_store *store = create_store("labels.db");
    run_sql(store, "INSERT INTO label (id, name) VALUES (7, 'b'), (2, 'B'), (9, 'ä'), (4, 'a'),"
                   " (11, 'Z'), (12, 'another')");
    return store;
}

static void count_labels(dbt__label_map *map)
{
    static const int64_t ids[] = {9, 2, 7, 4, 11, 2, 9, 9};
    dbt_error err = {0};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        assert_ok(dbt__label_map_count(map, ids[i], 10, &err), err);
}

static void test_labels__outputs_follow_the_byte_order_of_names(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int64_t id, documents;
    } expected[] = {{"B", 2, 20}, {"Z", 11, 10}, {"a", 4, 10}, {"b", 7, 10}, {"ä", 9, 30}};
    dbt_store *store = make_label_store();
    dbt_error err = {0};
    dbt__label_map map = {0};
    count_labels(&map);
    assert_ok(dbt__label_map_finish(&map, dbt__store_sql(store), &err), err);
    assert_int_equal(map.n, 5);
    for (size_t i = 0; i < map.n; i++) {
        assert_string_equal(map.label[i].name, expected[i].name);
        assert_int_equal(map.label[i].id, expected[i].id);
        assert_int_equal(map.label[i].documents, expected[i].documents);
        assert_int_equal(dbt__label_map_output(&map, expected[i].id), i);
    }
    dbt__label_map_release(&map);
    close_store(store);
}

static void test_labels__missing_and_unknown_ones_are_told_apart(void **state)
{
    (void)state;
    static const int64_t ids[] = {4, 0, 12, 9, 1, 13, -1, INT64_MAX, INT64_MIN};
    static const int32_t outputs[] = {2,
                                      DBT_NO_LABEL,
                                      DBT_UNKNOWN_LABEL,
                                      4,
                                      DBT_UNKNOWN_LABEL,
                                      DBT_UNKNOWN_LABEL,
                                      DBT_UNKNOWN_LABEL,
                                      DBT_UNKNOWN_LABEL,
                                      DBT_UNKNOWN_LABEL};
    enum { N = sizeof ids / sizeof *ids };
    dbt_store *store = make_label_store();
    dbt_error err = {0};
    dbt__label_map map = {0};
    dbt_page *page;
    int32_t output[N];
    count_labels(&map);
    assert_ok(dbt__label_map_finish(&map, dbt__store_sql(store), &err), err);
    assert_ok(dbt_page_new(&page, &err), err);
    for (size_t i = 0; i < N; i++)
        assert_ok(dbt_page_append(page, (dbt_text){"", 0}, 1, ids[i], 1, &err), err);
    dbt__label_map_page(&map, page, output);
    for (size_t i = 0; i < N; i++)
        assert_int_equal(output[i], outputs[i]);
    dbt_page_free(page);
    dbt__label_map_release(&map);

    /* of no labels at all */
    assert_ok(dbt__label_map_finish(&map, dbt__store_sql(store), &err), err);
    assert_int_equal(dbt__label_map_output(&map, 4), DBT_UNKNOWN_LABEL);
    assert_int_equal(dbt__label_map_output(&map, 0), DBT_NO_LABEL);
    dbt__label_map_release(&map);
    close_store(store);
}

static void test_labels__one_that_the_table_lacks_is_an_error(void **state)
{
    (void)state;
    dbt_store *store = make_label_store();
    dbt_error err = {0};
    dbt__label_map map = {0};
    assert_ok(dbt__label_map_count(&map, 3, 1, &err), err);
    assert_int_equal(dbt__label_map_finish(&map, dbt__store_sql(store), &err), DBT_EFORMAT);
    assert_string_equal(err.message, "documents have label 3, which is not in label");
    dbt__label_map_release(&map);
    close_store(store);
}

static void insert_run(dbt_store *store, int64_t id)
{
    char text[200];
    (void)snprintf(text, sizeof text,
                   "INSERT INTO run (id, status, seed, settings)"
                   " VALUES (%lld, 'finished', 1, '{}')",
                   (long long)id);
    run_sql(store, text);
}

static void test_labels__of_a_run_are_read_back(void **state)
{
    (void)state;
    dbt_store *store = make_label_store();
    dbt__sql *sql = dbt__store_sql(store);
    dbt_error err = {0};
    dbt__label_map map = {0}, read = {0};
    insert_run(store, 1);
    count_labels(&map);
    assert_ok(dbt__label_map_finish(&map, sql, &err), err);
    assert_ok(dbt__label_map_write(&map, sql, 1, &err), err);
    assert_ok(dbt__label_map_read(&read, sql, 1, &err), err);
    assert_int_equal(read.n, map.n);
    for (size_t i = 0; i < map.n; i++) {
        assert_string_equal(read.label[i].name, map.label[i].name);
        assert_int_equal(read.label[i].id, map.label[i].id);
        assert_int_equal(dbt__label_map_output(&read, map.label[i].id), i);
    }
    dbt__label_map_release(&read);
    dbt__label_map_release(&map);

    run_sql(store, "DELETE FROM run_label WHERE output = 3");
    assert_int_equal(dbt__label_map_read(&read, sql, 1, &err), DBT_EFORMAT);
    assert_string_equal(err.message, "run_label of run 1 lacks output 3");
    dbt__label_map_release(&read);
    close_store(store);
}

/* --- class weights --- */

static dbt__label weighed[] = {{1, (char *)"neg", 300},
                               {2, (char *)"neutral", 100},
                               {3, (char *)"a=b", 200},
                               {4, (char *)"x=1, y", 200}};
static const dbt__label_map weighed_map = {.n = 4, .label = weighed};

static void test_class_weights__are_what_the_setting_says(void **state)
{
    (void)state;
    static const struct {
        const char *setting;
        float weight[4];
    } cases[] = {
        {NULL, {1, 1, 1, 1}},
        /* n / (k * n_c) with n = 800, k = 4 */
        {"balanced", {800.0F / 1200, 2, 1, 1}},
        {"neg=2", {2, 1, 1, 1}},
        {"neutral=0.25,neg=3", {3, 0.25F, 1, 1}},
        {"a=b=1.5", {1, 1, 1.5F, 1}},
        {"neg=0", {0, 1, 1, 1}},
        {"neg=1000000", {1e6F, 1, 1, 1}},
        {"neg=.5,neutral=2.", {0.5F, 2, 1, 1}},
        {"neg=1e-1,neutral=2.5E+3,a=b=1e0", {0.1F, 2500, 1, 1}},
        {"neg=0.000001e12", {1e6F, 1, 1, 1}},
        {"x=1, y=2", {1, 1, 1, 2}},
        {"neg=3,x=1, y=2,neutral=4", {3, 4, 1, 2}},
        {"neg=0,neutral=0,a=b=0", {0, 0, 0, 1}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        float weight[4];
        dbt_error err = {0};
        assert_ok(dbt__class_weights(cases[i].setting, &weighed_map, weight, &err), err);
        for (size_t j = 0; j < 4; j++)
            assert_true(weight[j] == cases[i].weight[j]);
    }
}

static void test_class_weights__refuse_what_they_cannot_mean(void **state)
{
    (void)state;
    static const struct {
        const char *setting, *message;
    } cases[] = {
        {"pos=2", "class weight 'pos=2': no label 'pos' in the training split"},
        {"a=2", "class weight 'a=2': no label 'a' in the training split"},
        {"ne=2", "class weight 'ne=2': no label 'ne' in the training split"},
        {"neg=2,pos=1", "class weight 'pos=1': no label 'pos' in the training split"},
        {"neg", "class weight 'neg' is not label=weight"},
        {"=2", "class weight '=2' is not label=weight"},
        {"", "class weight '' is not label=weight"},
        {"neg=2,", "class weight '' is not label=weight"},
        {"neg=", "class weight 'neg=' is not a number from 0 to 1000000"},
        {"neg=.", "class weight 'neg=.' is not a number from 0 to 1000000"},
        {"neg=-1", "class weight 'neg=-1' is not a number from 0 to 1000000"},
        {"neg=1.5.2", "class weight 'neg=1.5.2' is not a number from 0 to 1000000"},
        {"neg=1e7", "class weight 'neg=1e7' is not a number from 0 to 1000000"},
        {"neg=1e", "class weight 'neg=1e' is not a number from 0 to 1000000"},
        {"neg=1e-", "class weight 'neg=1e-' is not a number from 0 to 1000000"},
        {"neg=1e1.5", "class weight 'neg=1e1.5' is not a number from 0 to 1000000"},
        {"neg=1e9999", "class weight 'neg=1e9999' is not a number from 0 to 1000000"},
        {"neg=e3", "class weight 'neg=e3' is not a number from 0 to 1000000"},
        {"neg=2,neg=2", "class weight 'neg=2': label 'neg' has one already"},
        {"nag, x=2,neg=1", "class weight 'nag, x=2': no label 'nag, x' in the training split"},
        {"neg=0,neutral=0,a=b=0,x=1, y=0",
         "class weights 'neg=0,neutral=0,a=b=0,x=1, y=0' are all 0: nothing would be learnt"},
        {"neg=nan", "class weight 'neg=nan' is not a number from 0 to 1000000"},
        {"neg=1000001", "class weight 'neg=1000001' is not a number from 0 to 1000000"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        float weight[4];
        dbt_error err = {0};
        assert_int_equal(dbt__class_weights(cases[i].setting, &weighed_map, weight, &err),
                         DBT_EUSAGE);
        assert_string_equal(err.message, cases[i].message);
    }
}

/* --- settings --- */

/* Every field away from its default, the numbers such that they need all their digits. */
static dbt_vectorizer_options odd_vectorizer_options(void)
{
    return (dbt_vectorizer_options){
        .analyzer = DBT_ANALYZER_CHAR_WB,
        .ngram_min = 3,
        .ngram_max = 5,
        .lowercase = false,
        .strip_accents = DBT_ACCENTS_KEEP,
        .min_df = 7,
        .max_df = 0.1 + 0.2,
        .max_features = INT64_C(123456789012345),
        .sublinear_tf = true,
        .use_idf = false,
        .smooth_idf = false,
        .norm = DBT_NORM_L1,
        .top_k = 321,
        .hash_bits = 19,
    };
}

static dbt_fit_options odd_fit_options(void)
{
    dbt_fit_options options;
    dbt_fit_options_init(&options);
    options.validation_split = 1.0 / 3;
    options.batch_size = 17;
    options.epochs = 999;
    options.patience = 5;
    options.steps_per_epoch = 31;
    options.validation_steps = 4;
    options.shuffle = false;
    options.class_weight = "it's \"x\"=2";
    options.network = (dbt_network_options){.n_inputs = 1000,
                                            .n_classes = 12,
                                            .layers = 3,
                                            .units = 33,
                                            .dropout = 0.7 / 3,
                                            .l2 = 1e-300,
                                            .label_smoothing = 0.1 * 3,
                                            .optimizer = DBT_ADAGRAD,
                                            .learning_rate = 1e-3 / 7,
                                            .momentum = 0.9 - 1e-16,
                                            .nesterov = true,
                                            .weight_decay = 1e-4 / 3};
    return options;
}

static void test_settings__vectorizer_options_come_back_as_they_were(void **state)
{
    (void)state;
    dbt_store *store = create_store("settings.db");
    dbt_error err = {0};
    const dbt_vectorizer_options odd = odd_vectorizer_options();
    dbt_vectorizer_options read;
    char *json;
    dbt_vectorizer_options_init(&read);
    assert_ok(dbt__settings_write(dbt__store_sql(store), dbt__vectorizer_fields, &odd, &json, &err),
              err);
    assert_ok(dbt__settings_read(dbt__store_sql(store), dbt__vectorizer_fields, &read, json, &err),
              err);
    dbt__free(json);
    assert_int_equal(read.analyzer, odd.analyzer);
    assert_int_equal(read.ngram_min, odd.ngram_min);
    assert_int_equal(read.ngram_max, odd.ngram_max);
    assert_int_equal(read.lowercase, odd.lowercase);
    assert_int_equal(read.strip_accents, odd.strip_accents);
    assert_int_equal(read.min_df, odd.min_df);
    assert_true(read.max_df == odd.max_df);
    assert_int_equal(read.max_features, odd.max_features);
    assert_int_equal(read.sublinear_tf, odd.sublinear_tf);
    assert_int_equal(read.use_idf, odd.use_idf);
    assert_int_equal(read.smooth_idf, odd.smooth_idf);
    assert_int_equal(read.norm, odd.norm);
    assert_int_equal(read.top_k, odd.top_k);
    assert_int_equal(read.hash_bits, odd.hash_bits);
    close_store(store);
}

static void assert_fit_options_equal(const dbt_fit_options *a, const dbt_fit_options *b)
{
    const dbt_network_options *x = &a->network, *y = &b->network;
    assert_true(a->validation_split == b->validation_split);
    assert_int_equal(a->batch_size, b->batch_size);
    assert_int_equal(a->epochs, b->epochs);
    assert_int_equal(a->patience, b->patience);
    assert_int_equal(a->steps_per_epoch, b->steps_per_epoch);
    assert_int_equal(a->validation_steps, b->validation_steps);
    assert_int_equal(a->shuffle, b->shuffle);
    assert_int_equal(x->n_inputs, y->n_inputs);
    assert_int_equal(x->n_classes, y->n_classes);
    assert_int_equal(x->layers, y->layers);
    assert_int_equal(x->units, y->units);
    assert_true(x->dropout == y->dropout);
    assert_true(x->l2 == y->l2);
    assert_true(x->label_smoothing == y->label_smoothing);
    assert_int_equal(x->optimizer, y->optimizer);
    assert_true(x->learning_rate == y->learning_rate);
    assert_true(x->momentum == y->momentum);
    assert_int_equal(x->nesterov, y->nesterov);
    assert_true(x->weight_decay == y->weight_decay);
}

static void test_settings__fit_options_come_back_as_they_were(void **state)
{
    (void)state;
    dbt_store *store = create_store("settings.db");
    dbt_error err = {0};
    const dbt_fit_options odd = odd_fit_options();
    dbt_fit_options read;
    char *json;
    dbt_fit_options_init(&read);
    assert_ok(dbt__settings_write(dbt__store_sql(store), dbt__fit_fields, &odd, &json, &err), err);
    assert_ok(dbt__settings_read(dbt__store_sql(store), dbt__fit_fields, &read, json, &err), err);
    assert_fit_options_equal(&read, &odd);

    /* what is not read back can still be asked of the file */
    bind_and_run(store, "INSERT INTO run (status, seed, settings) VALUES ('failed', 1, ?)", json,
                 NULL, NULL);
    assert_answer(store, "SELECT json_extract(settings, '$.class_weight') FROM run",
                  odd.class_weight);
    assert_answer(store, "SELECT json_extract(settings, '$.optimizer') FROM run", "adagrad");
    dbt__free(json);
    close_store(store);
}

static void test_settings__differences_are_those_of_what_both_have(void **state)
{
    (void)state;
    static const struct {
        const char *stored, *given, *differences;
    } cases[] = {
        {"{\"a\":1,\"b\":\"x\"}", "{\"a\":1,\"b\":\"x\"}", NULL},
        {"{\"b\":\"x\",\"a\":1,\"old\":7}", "{\"a\":1,\"b\":\"x\",\"new\":8}", NULL},
        {"{\"a\":1,\"b\":\"x\"}", "{\"a\":2,\"b\":\"y\"}", "a is 1, not 2; b is \"x\", not \"y\""},
        {"{\"a\":null}", "{\"a\":\"x\"}", "a is null, not \"x\""},
        {"{\"a\":\"x\"}", "{\"a\":null}", "a is \"x\", not null"},
        {"{\"a\":null}", "{\"a\":null}", NULL},
        {"{\"a\":0.1}", "{\"a\":0.10000000000000002}", "a is 0.1, not 0.10000000000000002"},
    };
    dbt_store *store = create_store("compare.db");
    dbt__sql *sql = dbt__store_sql(store);
    char *differences;
    dbt_error err = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_ok(dbt__settings_compare(sql, cases[i].stored, cases[i].given, &differences, &err),
                  err);
        assert_int_equal(differences == NULL, cases[i].differences == NULL);
        if (differences != NULL) assert_string_equal(differences, cases[i].differences);
        dbt__free(differences);
    }
    assert_int_equal(dbt__settings_compare(sql, "[", "{}", &differences, &err), DBT_EFORMAT);
    close_store(store);
}

static void test_settings__the_same_options_give_the_same_text(void **state)
{
    (void)state;
    dbt_store *store = create_store("settings.db");
    dbt_error err = {0};
    dbt_fit_options options = odd_fit_options(), read;
    char *json, *again;
    assert_ok(dbt__settings_write(dbt__store_sql(store), dbt__fit_fields, &options, &json, &err),
              err);
    dbt_fit_options_init(&read);
    assert_ok(dbt__settings_read(dbt__store_sql(store), dbt__fit_fields, &read, json, &err), err);
    read.class_weight = options.class_weight;
    assert_ok(dbt__settings_write(dbt__store_sql(store), dbt__fit_fields, &read, &again, &err),
              err);
    assert_string_equal(again, json);
    dbt__free(again);

    options.network.learning_rate = nextafter(options.network.learning_rate, 1);
    assert_ok(dbt__settings_write(dbt__store_sql(store), dbt__fit_fields, &options, &again, &err),
              err);
    assert_string_not_equal(again, json);
    dbt__free(again);
    dbt__free(json);
    close_store(store);
}

static void test_settings__fields_that_are_not_there_keep_their_value(void **state)
{
    (void)state;
    dbt_store *store = create_store("settings.db");
    dbt_error err = {0};
    const dbt_fit_options odd = odd_fit_options();
    dbt_fit_options read = odd;
    assert_ok(dbt__settings_read(dbt__store_sql(store), dbt__fit_fields, &read,
                                 "{\"batch_size\":17,\"l2\":null,\"of a later version\":[1]}",
                                 &err),
              err);
    assert_fit_options_equal(&read, &odd);
    close_store(store);
}

static void test_settings__damage_is_told(void **state)
{
    (void)state;
    static const char not_settings[] = "stored settings are not a JSON object";
    static const struct {
        const char *json, *message;
    } cases[] = {
        {"", not_settings},
        {"{", not_settings},
        {"{\"epochs\":3", not_settings},
        {"{\"epochs\":}", not_settings},
        {"[1,2]", not_settings},
        {"3", not_settings},
        {"null", not_settings},
        {"{\"optimizer\":\"adamx\"}",
         "stored setting optimizer is 'adamx', which this program does not know"},
        {"{\"optimizer\":\"ada\"}",
         "stored setting optimizer is 'ada', which this program does not know"},
        {"{\"optimizer\":1}", "stored setting optimizer is of the wrong type"},
        {"{\"epochs\":\"three\"}", "stored setting epochs is of the wrong type"},
        {"{\"epochs\":1.5}", "stored setting epochs is of the wrong type"},
        {"{\"epochs\":[1]}", "stored setting epochs is of the wrong type"},
        {"{\"dropout\":\"0.5\"}", "stored setting dropout is of the wrong type"},
        {"{\"dropout\":1e999}", "stored setting dropout is not finite"},
        {"{\"shuffle\":\"yes\"}", "stored setting shuffle is of the wrong type"},
        {"{\"units\":-1}", "stored setting units is negative"},
    };
    dbt_store *store = create_store("settings.db");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        dbt_fit_options read;
        dbt_error err = {0};
        dbt_fit_options_init(&read);
        assert_int_equal(
            dbt__settings_read(dbt__store_sql(store), dbt__fit_fields, &read, cases[i].json, &err),
            DBT_EFORMAT);
        assert_string_equal(err.message, cases[i].message);
    }
    dbt_vectorizer_options read;
    dbt_error err = {0};
    assert_int_equal(dbt__settings_read(dbt__store_sql(store), dbt__vectorizer_fields, &read,
                                        "{\"ngram_max\":4294967296}", &err),
                     DBT_EFORMAT);
    assert_string_equal(err.message, "stored setting ngram_max is too large");
    err = (dbt_error){0};
    assert_int_equal(
        dbt__settings_read(dbt__store_sql(store), dbt__vectorizer_fields, &read, NULL, &err),
        DBT_EFORMAT);
    close_store(store);
}

/* --- runs --- */

static void insert_weights(dbt_store *store, int64_t run_id)
{
    char text[200];
    (void)snprintf(text, sizeof text,
                   "INSERT INTO parameter (run_id, kind, layer, name, rows, columns, value, digest)"
                   " VALUES (%lld, 'last', 0, 'bias', 1, 1, x'00000000', '')",
                   (long long)run_id);
    run_sql(store, text);
}

static void assert_no_run(dbt_store *store, const char *reference, const char *message)
{
    dbt_error err = {0};
    int64_t id = 0;
    assert_int_equal(dbt__run_find(dbt__store_sql(store), reference, &id, &err), DBT_EUSAGE);
    assert_string_equal(err.message, message);
}

static void assert_run(dbt_store *store, const char *reference, int64_t expected)
{
    dbt_error err = {0};
    int64_t id = 0;
    assert_ok(dbt__run_find(dbt__store_sql(store), reference, &id, &err), err);
    assert_int_equal(id, expected);
}

static void test_run__is_found_by_id_by_name_or_as_the_newest_with_weights(void **state)
{
    (void)state;
    dbt_store *store = create_store("runs.db");
    assert_no_run(store, NULL, "there is no run yet: dbtrain fit makes one");
    assert_no_run(store, "1", "there is no run yet: dbtrain fit makes one");
    for (int64_t id = 1; id <= 4; id++)
        insert_run(store, id);
    run_sql(store, "UPDATE run SET name = 'long' WHERE id = 2");
    assert_no_run(store, NULL, "no run has weights yet (runs: 4, 3, 2 'long', 1)");
    insert_weights(store, 1);
    insert_weights(store, 3);
    assert_run(store, NULL, 3);
    assert_run(store, "1", 1);
    assert_run(store, "4", 4);
    assert_run(store, "long", 2);
    assert_no_run(store, "lung", "no run 'lung' (has: 4, 3, 2 'long', 1)");
    assert_no_run(store, "5", "no run '5' (has: 4, 3, 2 'long', 1)");
    assert_no_run(store, "01", "no run '01' (has: 4, 3, 2 'long', 1)");
    assert_no_run(store, "", "no run '' (has: 4, 3, 2 'long', 1)");
    const char all[] = "no run 'x' (has: 20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5,"
                       " 4, 3, 2 'long', 1)";
    for (int64_t id = 5; id <= 20; id++)
        insert_run(store, id);
    assert_no_run(store, "x", all);
    insert_run(store, 21);
    assert_no_run(store, "x",
                  "no run 'x' (has: 21, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5,"
                  " 4, 3, 2 'long', ...)");
    close_store(store);
}

static const dbt__run_row run_row = {1, 2, 30, 8, 0xdef, 0xabc, "{\"min_df\": 4}"};

/* A store with a vectorizer, 5, and run 1, which does not have it yet. */
static dbt_store *make_run_store(const char *name, dbt_fit_options *options, dbt__label_map *map)
{
    dbt_store *store = make_label_store();
    dbt__sql *sql = dbt__store_sql(store);
    dbt_error err = {0};
    int64_t id = 0;
    run_sql(store, "INSERT INTO vectorizer (id, settings, fingerprint, documents, terms, digest)"
                   " VALUES (5, '{}', '', 1, 1, '')");
    *map = (dbt__label_map){0};
    count_labels(map);
    assert_ok(dbt__label_map_finish(map, sql, &err), err);
    dbt_fit_options_init(options);
    options->name = name;
    assert_ok(dbt__run_create(sql, options, &run_row, map, &id, &err), err);
    assert_int_equal(id, 1);
    return store;
}

static void test_run__takes_no_name_that_is_taken_or_could_be_an_id(void **state)
{
    (void)state;
    static const struct {
        const char *name, *message;
    } cases[] = {
        {"first",
         "run 1 is called 'first' already: choose another name, or go on with it (--resume)"},
        {"", "a run's name must not be empty or a number, which would be an id: ''"},
        {"12", "a run's name must not be empty or a number, which would be an id: '12'"},
    };
    dbt_error err = {0};
    dbt__label_map map;
    dbt_fit_options options;
    int64_t id;
    dbt_store *store = make_run_store("first", &options, &map);
    dbt__sql *sql = dbt__store_sql(store);
    assert_answer(store, "SELECT name || ' ' || status || ' ' || seed FROM run",
                  "first running 123");
    assert_int_equal(ask(store, "SELECT settings ->> 'train_documents' FROM run"), 30);
    assert_int_equal(ask(store, "SELECT settings ->> 'validation_documents' FROM run"), 8);
    assert_answer(store,
                  "SELECT (settings ->> 'validation_fingerprint') || ' ' ||"
                  " (settings ->> 'train_fingerprint') || ' ' || (settings -> 'vectorizer')"
                  " || ' ' || (settings ->> 'units') FROM run",
                  "0000000000000abc 0000000000000def {\"min_df\":4} 64");
    assert_int_equal(ask(store, "SELECT vectorizer_id IS NULL FROM run"), 1);
    assert_int_equal(ask(store, "SELECT count(*) FROM run_label"), 5);
    assert_ok(dbt__run_verify(sql, 1, &err), err);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        err = (dbt_error){0};
        options.name = cases[i].name;
        assert_int_equal(dbt__run_create(sql, &options, &run_row, &map, &id, &err), DBT_EUSAGE);
        assert_string_equal(err.message, cases[i].message);
    }
    assert_int_equal(ask(store, "SELECT count(*) FROM run"), 1);
    run_sql(store, "UPDATE run SET status = 'finished'");
    err = (dbt_error){0};
    assert_int_equal(dbt__run_check_name(sql, "first", &err), DBT_EUSAGE);
    assert_string_equal(err.message, "run 1 is called 'first' already: choose another name");
    dbt__label_map_release(&map);
    close_store(store);
}

static void test_run__gets_its_vocabulary_if_it_is_as_it_was_made(void **state)
{
    (void)state;
    static const char environment[] = "{\"kernels\": \"plain\"}";
    dbt_error err = {0};
    dbt__label_map map;
    dbt_fit_options options;
    const int64_t id = 1;
    dbt_store *store = make_run_store(NULL, &options, &map);
    dbt__sql *sql = dbt__store_sql(store);
    options.network.n_inputs = 77;
    options.network.n_classes = 5;
    run_sql(store, "UPDATE run SET seed = 124");
    assert_int_equal(dbt__run_complete(sql, id, 5, &options.network, environment, &err),
                     DBT_EFORMAT);
    assert_int_equal(ask(store, "SELECT vectorizer_id IS NULL FROM run"), 1);
    run_sql(store, "UPDATE run SET seed = 123");
    err = (dbt_error){0};
    assert_ok(dbt__run_complete(sql, id, 5, &options.network, environment, &err), err);
    assert_ok(dbt__run_verify(sql, id, &err), err);
    assert_answer(store,
                  "SELECT vectorizer_id || ' ' || (settings ->> 'inputs') || ' ' ||"
                  " (settings ->> 'classes') || ' ' || (settings ->> 'kernels') FROM run",
                  "5 77 5 plain");
    assert_int_equal(ask(store, "SELECT coalesce(settings ->> 'vectorizer',"
                                " settings ->> 'train_fingerprint') IS NULL FROM run"),
                     1);
    assert_ok(dbt__run_delete(sql, id, &err), err);
    assert_int_equal(ask(store, "SELECT count(*) FROM run"), 0);
    assert_int_equal(ask(store, "SELECT count(*) FROM run_label"), 0);
    dbt__label_map_release(&map);
    close_store(store);
}

/* --- weights --- */

/* 5 x 3, 3 x 4 and their biases. */
static dbt_network *make_network(uint64_t seed)
{
    dbt_error err = {0};
    dbt_network *network;
    dbt_network_options options;
    dbt_network_options_init(&options);
    options.n_inputs = 5;
    options.n_classes = 4;
    options.units = 3;
    options.seed = seed;
    assert_ok(dbt_network_new(&options, NULL, &network, &err), err);
    return network;
}

static dbt_store *make_weight_store(dbt_network *network)
{
    dbt_store *store = create_store("weights.db");
    dbt_error err = {0};
    insert_run(store, 3);
    assert_ok(dbt__weights_write(dbt__store_sql(store), 3, DBT_WEIGHTS_BEST, network, NULL, &err),
              err);
    return store;
}

static void test_weights__a_copy_is_what_they_were(void **state)
{
    (void)state;
    dbt_error err = {0};
    float *copy = NULL;
    dbt_network *network = make_network(1), *read = make_network(2), *same = make_network(1);
    dbt_store *store = make_weight_store(network);
    assert_ok(dbt__weights_copy(network, &copy, &err), err);
    dbt_network_parameter(network, 0).value[0] = 7;
    assert_ok(dbt__weights_write(dbt__store_sql(store), 3, DBT_WEIGHTS_BEST, network, copy, &err),
              err);
    assert_ok(dbt__weights_read(dbt__store_sql(store), 3, DBT_WEIGHTS_BEST, read, &err), err);
    for (size_t i = 0; i < dbt_network_parameters(same); i++) {
        dbt_parameter a = dbt_network_parameter(same, i), b = dbt_network_parameter(read, i);
        assert_memory_equal(a.value, b.value, a.rows * a.columns * sizeof(float));
    }
    const float *first = copy;
    assert_ok(dbt__weights_copy(network, &copy, &err), err);
    assert_ptr_equal(copy, first);
    assert_true(copy[0] == 7);
    dbt__free(copy);
    dbt_network_free(network);
    dbt_network_free(read);
    dbt_network_free(same);
    close_store(store);
}

static void test_weights__are_read_back_bit_by_bit(void **state)
{
    (void)state;
    dbt_error err = {0};
    dbt_network *written = make_network(1), *read = make_network(2);
    dbt_store *store = make_weight_store(written);
    assert_ok(dbt__weights_read(dbt__store_sql(store), 3, DBT_WEIGHTS_BEST, read, &err), err);
    for (size_t i = 0; i < dbt_network_parameters(written); i++) {
        dbt_parameter a = dbt_network_parameter(written, i), b = dbt_network_parameter(read, i);
        assert_memory_equal(a.value, b.value, a.rows * a.columns * sizeof(float));
    }
    assert_answer(store,
                  "SELECT group_concat(layer || name || rows || 'x' || columns || ':' ||"
                  " length(value)) FROM (SELECT * FROM parameter ORDER BY layer, name DESC)",
                  "0weight5x3:60,0bias1x3:12,1weight3x4:48,1bias1x4:16");
    dbt_network_free(written);
    dbt_network_free(read);
    close_store(store);
}

static void assert_weights_refused(dbt_store *store, const char *message)
{
    dbt_error err = {0};
    dbt_network *read = make_network(2);
    assert_int_equal(dbt__weights_read(dbt__store_sql(store), 3, DBT_WEIGHTS_BEST, read, &err),
                     DBT_EFORMAT);
    assert_string_equal(err.message, message);
    dbt_network_free(read);
}

/* Puts other bytes into a parameter, and, where `sealed`, the digest that belongs to them. */
static void set_value(dbt_store *store, const char *name, const void *value, size_t bytes,
                      bool sealed)
{
    char digest[DBT__DIGEST_CHARS], text[160];
    dbt_error err = {0};
    dbt__statement *statement = NULL;
    dbt__digest_text(dbt__hash(value, bytes, 0), digest);
    (void)snprintf(text, sizeof text,
                   "UPDATE parameter SET value = ?1, digest = iif(?2, ?3, digest)"
                   " WHERE layer = 1 AND name = '%s'",
                   name);
    assert_ok(dbt__prepare(dbt__store_sql(store), text, &statement, &err), err);
    dbt__bind_blob(statement, 1, value, bytes);
    dbt__bind_int(statement, 2, sealed);
    dbt__bind_string(statement, 3, digest);
    assert_ok(dbt__run(statement, &err), err);
    dbt__finalize(statement);
}

static void test_weights__every_flipped_byte_is_noticed(void **state)
{
    (void)state;
    dbt_network *network = make_network(1);
    dbt_store *store = make_weight_store(network);
    dbt_parameter weight = dbt_network_parameter(network, 2);
    unsigned char value[48];
    assert_int_equal(weight.rows * weight.columns * sizeof(float), sizeof value);
    for (size_t i = 0; i < sizeof value; i++) {
        memcpy(value, weight.value, sizeof value);
        value[i] ^= (unsigned char)(1 << (i % 8));
        set_value(store, "weight", value, sizeof value, false);
        assert_weights_refused(store,
                               "run 3: best weight of layer 1: damaged: its digest does not match");
    }
    dbt_network_free(network);
    close_store(store);
}

static void test_weights__what_is_not_a_weight_is_refused(void **state)
{
    (void)state;
    dbt_network *network = make_network(1);
    dbt_store *store = make_weight_store(network);
    float bias[5] = {0};
    set_value(store, "bias", bias, sizeof bias, true);
    assert_weights_refused(store, "run 3: best bias of layer 1: not of the run's shape, 1 x 4");
    set_value(store, "bias", bias, 15, true);
    assert_weights_refused(store, "run 3: best bias of layer 1: not of the run's shape, 1 x 4");
    const float bad[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < 3; i++) {
        bias[2] = bad[i];
        set_value(store, "bias", bias, 16, true);
        assert_weights_refused(store, "run 3: best bias of layer 1: a number in it is not finite");
    }
    bias[2] = 0;
    set_value(store, "bias", bias, 16, true);
    run_sql(store, "UPDATE parameter SET rows = 2, columns = 2 WHERE layer = 1 AND name = 'bias'");
    assert_weights_refused(store, "run 3: best bias of layer 1: not of the run's shape, 1 x 4");
    run_sql(store, "DELETE FROM parameter WHERE layer = 1 AND name = 'bias'");
    assert_weights_refused(store, "run 3: best bias of layer 1: missing");
    dbt_network_free(network);
    close_store(store);
}

static void test_weights__that_are_not_finite_are_not_written(void **state)
{
    (void)state;
    dbt_network *network = make_network(1);
    dbt_store *store = make_weight_store(network);
    dbt_error err = {0};
    dbt_network_parameter(network, 2).value[3] = NAN;
    assert_int_equal(
        dbt__weights_write(dbt__store_sql(store), 3, DBT_WEIGHTS_LAST, network, NULL, &err),
        DBT_EDIVERGED);
    assert_int_equal(ask(store, "SELECT count(*) FROM parameter WHERE kind = 'last'"), 0);
    dbt_network_free(network);
    close_store(store);
}

/* --- vocabularies --- */

enum { N_DOCUMENTS = 210, N_LABELS = 3, BATCH = 8 };

static const dbt_observer nobody = {0};

typedef struct world {
    dbt_store *store;
    dbt__survey survey;
    dbt_vectorizer *vectorizer;
    int64_t vectorizer_id;
} world;

static dbt_vectorizer_options world_options(void)
{
    dbt_vectorizer_options options;
    dbt_vectorizer_options_init(&options);
    options.top_k = 100;
    options.memory = (size_t)4 << 20;
    return options;
}

/* The vectorizer, found, or else fitted and stored; `found` is which is expected. */
static void obtain_vectorizer(world *w, const dbt_vectorizer_options *options, bool found)
{
    dbt_error err = {0};
    dbt_vectorizer_stats stats;
    assert_ok(dbt__vocabulary_find(w->store, options, &w->survey, &w->vectorizer, &w->vectorizer_id,
                                   &err),
              err);
    assert_int_equal(w->vectorizer != NULL, found);
    assert_int_equal(w->vectorizer_id != 0, found);
    if (found) return;
    assert_ok(dbt__vocabulary_fit(w->store, "train", options, &w->survey, NULL, &nobody,
                                  &w->vectorizer, &stats, &err),
              err);
    assert_ok(dbt__vocabulary_store(w->store, options, &w->survey, w->vectorizer, &w->vectorizer_id,
                                    &err),
              err);
}

/* A corpus with its survey and vectorizer. */
static void obtain(world *w, bool found)
{
    dbt_error err = {0};
    const dbt_vectorizer_options options = world_options();
    assert_ok(dbt__survey_split(w->store, "train", N_DOCUMENTS, NULL, NULL, &w->survey, &err), err);
    obtain_vectorizer(w, &options, found);
}

static world make_world(void)
{
    world w = {.store = create_store("world.db")};
    add_corpus(w.store, "train", 1, N_DOCUMENTS, N_LABELS);
    obtain(&w, false);
    return w;
}

static void forget(world *w)
{
    dbt_vectorizer_free(w->vectorizer);
    dbt__survey_release(&w->survey);
    w->vectorizer = NULL;
}

static void release_world(world *w)
{
    forget(w);
    close_store(w->store);
}

static void test_survey__counts_and_fingerprints_the_documents(void **state)
{
    (void)state;
    static const struct {
        const char *change;
        bool differs;
    } cases[] = {
        {"UPDATE source SET name = 'x'", false},
        {"UPDATE document SET text = text || ' ' WHERE id = 105", true},
        {"UPDATE document SET label_id = 3 WHERE id = 1", true},
        {"UPDATE document SET weight = 2 WHERE id = 210", true},
        {"UPDATE document SET label_id = NULL WHERE id = 7", true},
        {"UPDATE split_document SET document_id = iif(position = 3, 5, 4)"
         " WHERE position IN (3, 4)",
         true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        dbt_store *store = create_store("survey.db");
        dbt_error err = {0};
        dbt__survey before, after;
        add_corpus(store, "train", 1, N_DOCUMENTS, N_LABELS);
        assert_ok(dbt__survey_split(store, "train", N_DOCUMENTS, NULL, NULL, &before, &err), err);
        assert_int_equal(before.documents, N_DOCUMENTS);
        assert_int_equal(before.unlabelled, 0);
        assert_int_equal(before.labels.n, N_LABELS);
        assert_int_equal(before.labels.label[0].documents, N_DOCUMENTS / N_LABELS);
        assert_int_equal(before.text_bytes,
                         ask(store, "SELECT sum(length(CAST(text AS BLOB))) FROM document"));
        run_sql(store, cases[i].change);
        assert_ok(dbt__survey_split(store, "train", N_DOCUMENTS, NULL, NULL, &after, &err), err);
        assert_int_equal(before.fingerprint != after.fingerprint, cases[i].differs);
        assert_int_equal(after.unlabelled, i == 4);
        dbt__survey_release(&before);
        dbt__survey_release(&after);
        close_store(store);
    }
}

static bool stop_at_once(void *context)
{
    (void)context;
    return true;
}

static void test_survey__does_not_depend_on_the_threads(void **state)
{
    (void)state;
    enum { DOCUMENTS = 3000 };
    dbt_store *store = create_store("survey.db");
    dbt_error err = {0};
    add_corpus(store, "train", 1, DOCUMENTS, N_LABELS);
    dbt__survey alone, together;
    assert_ok(dbt__survey_split(store, "train", DOCUMENTS, NULL, NULL, &alone, &err), err);
    for (size_t threads = 1; threads <= 5; threads += 2) {
        dbt_pool *pool;
        assert_ok(dbt_pool_new(threads, &pool, &err), err);
        assert_ok(dbt__survey_split(store, "train", DOCUMENTS, pool, NULL, &together, &err), err);
        assert_true(together.fingerprint == alone.fingerprint);
        assert_true(together.row_fingerprint == alone.row_fingerprint);
        assert_int_equal(together.documents, DOCUMENTS);
        assert_int_equal(together.labels.n, N_LABELS);
        dbt__survey_release(&together);
        dbt_pool_free(pool);
    }
    dbt__survey_release(&alone);
    const dbt_observer impatient = {.stop = stop_at_once};
    assert_int_equal(
        dbt__survey_split(store, "train", DOCUMENTS, NULL, &impatient, &together, NULL),
        DBT_EINTERRUPTED);
    dbt__survey_release(&together);

    run_sql(store, "DELETE FROM split_document WHERE position IN (1023, 1700, 2999)");
    for (size_t threads = 1; threads <= 5; threads += 2) {
        dbt_pool *pool;
        dbt_error gap = {0};
        assert_ok(dbt_pool_new(threads, &pool, &err), err);
        assert_int_equal(dbt__survey_split(store, "train", DOCUMENTS, pool, NULL, &together, &gap),
                         DBT_EFORMAT);
        assert_non_null(strstr(gap.message, "1023"));
        dbt__survey_release(&together);
        dbt_pool_free(pool);
    }
    close_store(store);
}

static void test_budget__has_no_more_threads_than_memory_for_them(void **state)
{
    (void)state;
    dbt_fit_options options;
    dbt_fit_options_init(&options);
    size_t cores = dbt_usable_cores();
    options.memory = (size_t)1 << 40;
    assert_int_equal(dbt__budget_threads(&options, NULL), cores);
    options.memory = (size_t)64 << 20;
    assert_int_equal(dbt__budget_threads(&options, NULL), cores < 2 ? cores : 2);
    /* Each of them holds a document. */
    const dbt__survey survey = {.longest = 5000000, .page = 5000000};
    assert_int_equal(dbt__budget_threads(&options, &survey), 1);
    options.memory = (size_t)1 << 40;
    assert_int_equal(dbt__budget_threads(&options, &survey), cores);
    options.threads = 7;
    options.memory = (size_t)64 << 20;
    assert_int_equal(dbt__budget_threads(&options, NULL), 7);
    assert_int_equal(dbt__budget_threads(&options, &survey), 7);
}

static void test_page_rows__are_fewer_of_long_documents(void **state)
{
    (void)state;
    static const struct {
        const char *lengthen;
        size_t most, rows;
    } cases[] = {
        {"UPDATE document SET text = printf('%.*c', 4096, 'x')", 256, 256},
        {"UPDATE document SET text = printf('%.*c', 4097, 'x')", 256, 128},
        {"UPDATE document SET text = printf('%.*c', 4097, 'x')", 100, 100},
        {"UPDATE document SET text = printf('%.*c', 16384, 'x')", 100, 50},
        {"UPDATE document SET text = printf('%.*c', 262144, 'x')", 128, 4},
        {"UPDATE document SET text = printf('%.*c', 2000000, 'x') WHERE id <= 2", 128, 2},
        {"UPDATE document SET text = ''", 128, 128},
        {"UPDATE document SET text = printf('%.*c', 2000000, 'x')", 128, 1},
        {"DELETE FROM document WHERE id > 7", 128, 1},
        {"DELETE FROM document", 128, 128},
    };
    enum { DOCUMENTS = 20 };
    dbt_store *store = create_store("rows.db");
    dbt_error err = {0};
    size_t rows;
    add_corpus(store, "train", 1, DOCUMENTS, N_LABELS);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        run_sql(store, cases[i].lengthen);
        assert_ok(dbt__page_rows(store, "train", DOCUMENTS, cases[i].most, &rows, &err), err);
        if (rows != cases[i].rows) fail_msg("case %zu: %zu rows", i, rows);
    }
    assert_ok(dbt__page_rows(store, "none", DOCUMENTS, 32, &rows, &err), err);
    assert_int_equal(rows, 32);
    close_store(store);
}

static void test_vocabulary__is_found_again_as_it_was(void **state)
{
    (void)state;
    world w = make_world();
    world again = {.store = w.store};
    obtain(&again, true);
    assert_int_equal(again.vectorizer_id, w.vectorizer_id);
    assert_int_equal(dbt_vectorizer_features(again.vectorizer), 100);
    assert_int_equal(dbt_vectorizer_terms(again.vectorizer), dbt_vectorizer_terms(w.vectorizer));
    for (size_t i = 0; i < 100; i++) {
        dbt_feature a = dbt_vectorizer_feature(w.vectorizer, i),
                    b = dbt_vectorizer_feature(again.vectorizer, i);
        assert_int_equal(a.term_bytes, b.term_bytes);
        assert_memory_equal(a.term, b.term, a.term_bytes);
        assert_int_equal(a.document_frequency, b.document_frequency);
        assert_true(a.idf == b.idf && a.score == b.score);
    }
    forget(&again);
    release_world(&w);
}

/* Stored before there were hashing vectorizers. */
static void test_vocabulary__of_a_hashing_vectorizer_is_a_row_alone(void **state)
{
    (void)state;
    world w = {.store = create_store("hashing.db")};
    dbt_error err = {0};
    dbt_vectorizer_options options = world_options();
    options.hash_bits = 12;
    add_corpus(w.store, "train", 1, N_DOCUMENTS, N_LABELS);
    assert_ok(dbt__survey_split(w.store, "train", N_DOCUMENTS, NULL, NULL, &w.survey, &err), err);
    for (int i = 0; i < 2; i++) {
        obtain_vectorizer(&w, &options, i == 1);
        assert_int_equal(w.vectorizer_id, 1);
        assert_int_equal(dbt_vectorizer_features(w.vectorizer), 4096);
        dbt_vectorizer_free(w.vectorizer);
    }
    assert_int_equal(ask(w.store, "SELECT count(*) FROM feature"), 0);
    assert_int_equal(ask(w.store, "SELECT count(*) FROM vocabulary"), 0);
    assert_int_equal(ask(w.store, "SELECT documents FROM vectorizer"), N_DOCUMENTS);
    run_sql(w.store, "UPDATE vectorizer SET settings = json_set(settings, '$.hash_bits', 4000)");
    assert_int_equal(dbt__vocabulary_load(dbt__store_sql(w.store), 1, NULL, &w.vectorizer, &err),
                     DBT_EFORMAT);
    release_world(&w);
}

static void test_vocabulary__damage_is_told(void **state)
{
    (void)state;
    static const char damaged[] = "settings or features are damaged: their digest does not match";
    static const struct {
        const char *change, *part; /* of the message */
    } cases[] = {
        {"UPDATE feature SET term = term || 'x' WHERE id = 99", damaged},
        {"UPDATE feature SET idf = idf + 1e-6 WHERE id = 10", "feature 10 has the idf"},
        {"UPDATE feature SET score = score * 2 WHERE id = 10", damaged},
        {"UPDATE feature SET document_frequency = document_frequency + 1 WHERE id = 50",
         "feature 50 has the idf"},
        {"DELETE FROM feature WHERE id = 0", "feature 0 is missing"},
        {"DELETE FROM feature WHERE id = 50", "feature 50 is missing"},
        {"DELETE FROM feature WHERE id = 99", NULL},
        {"DELETE FROM vocabulary WHERE part = 0", NULL},
        {"UPDATE vectorizer SET digest = 'x'", damaged},
        {"UPDATE vectorizer SET terms = terms + 1", NULL},
        {"UPDATE vectorizer SET settings = '{}x'", "stored settings are not a JSON object"},
        {"UPDATE vectorizer SET settings = json_set(settings, '$.norm', 'l3')",
         "stored setting norm is 'l3', which this program does not know"},
        {"UPDATE vectorizer SET settings = json_set(settings, '$.ngram_max', 99)", NULL},
        {"UPDATE vocabulary SET digest = '0'", "part 0 is damaged: its digest does not match"},
        {"DELETE FROM feature; DELETE FROM vocabulary; DELETE FROM vectorizer",
         "vectorizer 1: missing"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        world w = make_world();
        dbt_error err = {0};
        dbt_vectorizer *loaded;
        run_sql(w.store, cases[i].change);
        dbt_status status =
            dbt__vocabulary_load(dbt__store_sql(w.store), w.vectorizer_id, NULL, &loaded, &err);
        if (status != DBT_EFORMAT) fail_msg("%s: %d %s", cases[i].change, status, err.message);
        assert_null(loaded);
        assert_memory_equal(err.message, "vectorizer 1: ", 14);
        if (cases[i].part != NULL && strstr(err.message, cases[i].part) == NULL)
            fail_msg("%s: %s", cases[i].change, err.message);
        release_world(&w);
    }
}

static void test_vocabulary__every_flipped_byte_is_noticed(void **state)
{
    (void)state;
    world w = make_world();
    dbt_error err = {0};
    dbt__statement *statement = NULL;
    size_t bytes = 0;
    assert_ok(dbt__prepare(dbt__store_sql(w.store), "SELECT value FROM vocabulary WHERE part = 0",
                           &statement, &err),
              err);
    assert_ok(dbt__step(statement, &err), err);
    const void *stored = dbt__column_blob(statement, 0, &bytes);
    unsigned char *value = malloc(bytes);
    assert_non_null(value);
    memcpy(value, stored, bytes);
    dbt__finalize(statement);
    assert_true(bytes > 64);
    for (size_t i = 0; i < bytes; i += 1 + i / 16) {
        dbt_vectorizer *loaded;
        err = (dbt_error){0};
        value[i] ^= 4;
        assert_ok(dbt__prepare(dbt__store_sql(w.store),
                               "UPDATE vocabulary SET value = ? WHERE part = 0", &statement, &err),
                  err);
        dbt__bind_blob(statement, 1, value, bytes);
        assert_ok(dbt__run(statement, &err), err);
        dbt__finalize(statement);
        value[i] ^= 4;
        assert_int_equal(
            dbt__vocabulary_load(dbt__store_sql(w.store), w.vectorizer_id, NULL, &loaded, &err),
            DBT_EFORMAT);
        assert_string_equal(err.message,
                            "vectorizer 1: part 0 is damaged: its digest does not match");
    }
    free(value);
    release_world(&w);
}

/* --- the loader --- */

static dbt_cursor *open_cursor(dbt_store *store, bool shuffle)
{
    dbt_error err = {0};
    dbt_cursor *cursor;
    dbt_cursor_options options;
    dbt_cursor_options_init(&options);
    options.split = "train";
    options.batch_size = BATCH;
    options.shuffle = shuffle;
    assert_ok(dbt_cursor_open(store, &options, &cursor, &err), err);
    return cursor;
}

/* Takes a batch into a digest of all of them. */
static void hash_batch(dbt__hasher *hasher, const dbt_page *page, const dbt_batch *batch)
{
    size_t n_entries = batch->row_start[batch->n_rows];
    assert_int_equal(page->n_rows, batch->n_rows);
    dbt__hasher_update(hasher, page->document_id, page->n_rows * sizeof(int64_t));
    dbt__hasher_update(hasher, page->label_id, page->n_rows * sizeof(int64_t));
    dbt__hasher_update(hasher, batch->row_start, (batch->n_rows + 1) * sizeof(size_t));
    dbt__hasher_update(hasher, batch->column, n_entries * sizeof(uint32_t));
    dbt__hasher_update(hasher, batch->value, n_entries * sizeof(float));
}

/* Batches first .. end - 1, made one after the other without a loader. */
static uint64_t hash_plainly(const world *w, int64_t first, int64_t end)
{
    dbt_error err = {0};
    dbt_cursor *cursor = open_cursor(w->store, true);
    dbt__hasher *hasher = dbt__hasher_new();
    dbt_transformer *transformer;
    dbt_page *page;
    dbt_batch *batch;
    assert_non_null(hasher);
    assert_ok(dbt_transformer_new(w->vectorizer, &transformer, &err), err);
    assert_ok(dbt_page_new(&page, &err), err);
    assert_ok(dbt_batch_new(&batch, &err), err);
    int64_t pages = dbt_cursor_pages(cursor);
    for (int64_t i = 0; i < end; i++) {
        if (i % pages == 0) assert_ok(dbt_cursor_reset(cursor, i / pages + 1, &err), err);
        assert_ok(dbt_cursor_next(cursor, page, &err), err);
        if (i < first) continue;
        assert_ok(dbt_transform(transformer, page, NULL, batch, &err), err);
        hash_batch(hasher, page, batch);
    }
    uint64_t digest = dbt__hasher_digest(hasher);
    dbt__hasher_free(hasher);
    dbt_batch_free(batch);
    dbt_page_free(page);
    dbt_transformer_free(transformer);
    dbt_cursor_close(cursor);
    return digest;
}

static uint64_t hash_loaded(const world *w, dbt__row_cache *cache, size_t threads, int64_t first,
                            int64_t end)
{
    dbt_error err = {0};
    dbt_cursor *cursor = open_cursor(w->store, true);
    dbt__hasher *hasher = dbt__hasher_new();
    dbt__loader *loader;
    dbt__loaded loaded;
    const dbt__loader_options options = {.feed = {.cursor = cursor,
                                                  .vectorizer = w->vectorizer,
                                                  .cache = cache,
                                                  .batch_size = BATCH,
                                                  .rows_ahead = 3 * BATCH},
                                         .n_threads = threads,
                                         .first = first,
                                         .end = end};
    assert_non_null(hasher);
    assert_ok(dbt__loader_new(&options, &loader, &err), err);
    for (int64_t i = first; i < end; i++) {
        assert_ok(dbt__loader_next(loader, &loaded, &err), err);
        assert_null(loaded.prepared);
        hash_batch(hasher, loaded.page, loaded.batch);
    }
    for (int i = 0; i < 3; i++)
        assert_int_equal(dbt__loader_next(loader, &loaded, &err), DBT_DONE);
    uint64_t digest = dbt__hasher_digest(hasher);
    dbt__loader_free(loader);
    dbt__hasher_free(hasher);
    dbt_cursor_close(cursor);
    return digest;
}

static const size_t thread_counts[] = {1, 2, 3, 8};
#define THREAD_COUNTS (sizeof thread_counts / sizeof *thread_counts)

static void test_loader__batches_do_not_depend_on_threads(void **state)
{
    (void)state;
    /* 210 documents in pages of 8: 27 pages a pass, the last one of 2 */
    static const struct {
        int64_t first, end;
    } cases[] = {{0, 27}, {0, 27 * 4 + 5}, {13, 60}, {27, 28}, {5, 5}};
    world w = make_world();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t expected = hash_plainly(&w, cases[i].first, cases[i].end);
        for (size_t t = 0; t < THREAD_COUNTS; t++)
            for (int repeat = 0; repeat < 5; repeat++)
                assert_int_equal(
                    hash_loaded(&w, NULL, thread_counts[t], cases[i].first, cases[i].end),
                    expected);
    }
    release_world(&w);
}

static dbt__row_cache *fill_cache(const world *w, size_t threads, size_t memory,
                                  const char *spill_folder)
{
    dbt_error err = {0};
    dbt_pool *pool;
    dbt__row_cache *cache;
    assert_ok(dbt_pool_new(threads, &pool, &err), err);
    const dbt__row_cache_options options = {
        .split = "train", .n_rows = N_DOCUMENTS, .memory = memory, .spill_folder = spill_folder};
    assert_ok(dbt__row_cache_fill(w->store, &options, w->vectorizer, pool, &nobody, &cache, &err),
              err);
    dbt_pool_free(pool);
    return cache;
}

static void test_row_cache__gives_the_batches_of_the_texts(void **state)
{
    (void)state;
    world w = make_world();
    run_sql(w.store, "UPDATE document SET weight = 0.25 WHERE id % 3 = 0");
    run_sql(w.store, "UPDATE document SET label_id = NULL WHERE id = 7");
    uint64_t expected = hash_plainly(&w, 20, 27 * 3 + 5);
    for (size_t t = 0; t < THREAD_COUNTS; t++) {
        dbt__row_cache *cache = fill_cache(&w, thread_counts[t], 1 << 20, NULL);
        assert_non_null(cache);
        assert_int_equal(hash_loaded(&w, cache, thread_counts[t], 20, 27 * 3 + 5), expected);
        dbt__row_cache_free(cache);
        cache = fill_cache(&w, thread_counts[t], 1000, folder);
        assert_non_null(cache);
        assert_true(dbt__row_cache_is_stored(cache));
        assert_int_equal(hash_loaded(&w, cache, thread_counts[t], 20, 27 * 3 + 5), expected);
        dbt__row_cache_free(cache);
    }
    release_world(&w);
}

/* A block is made of several pages then. */
static void test_row_cache__of_long_documents_is_the_same(void **state)
{
    (void)state;
    world w = make_world();
    uint64_t expected = hash_plainly(&w, 0, 27 * 2);
    run_sql(w.store, "UPDATE document SET text = text || printf('%*s', 40000 + id * 100, '')");
    for (size_t t = 0; t < THREAD_COUNTS; t++) {
        dbt__row_cache *cache = fill_cache(&w, thread_counts[t], 1 << 20, NULL);
        assert_non_null(cache);
        assert_int_equal(hash_loaded(&w, cache, thread_counts[t], 0, 27 * 2), expected);
        dbt__row_cache_free(cache);
        assert_int_equal(hash_loaded(&w, NULL, thread_counts[t], 0, 27 * 2), expected);
    }
    release_world(&w);
}

static void test_row_cache__in_the_database_gives_the_batches_of_the_texts(void **state)
{
    (void)state;
    world w = make_world();
    run_sql(w.store, "INSERT INTO vectorizer (id, settings, fingerprint, documents, terms, digest)"
                     " VALUES (5, '', '', 0, 0, '')");
    run_sql(w.store, "UPDATE document SET weight = 0.25 WHERE id % 3 = 0");
    run_sql(w.store, "UPDATE document SET label_id = NULL WHERE id = 7");
    const dbt__block_key key = {"train", ask(w.store, "SELECT id FROM split"), 5, N_DOCUMENTS, 42};
    const dbt__row_cache_options options = {
        .split = "train", .n_rows = N_DOCUMENTS, .memory = 1 << 20, .key = &key};
    uint64_t expected = hash_plainly(&w, 20, 27 * 3 + 5);
    for (size_t t = 0; t < THREAD_COUNTS; t++)
        for (int found = 0; found < 2; found++) {
            dbt_error err = {0};
            dbt_pool *pool;
            dbt__row_cache *cache;
            assert_ok(dbt_pool_new(thread_counts[t], &pool, &err), err);
            if (!found) run_sql(w.store, "DELETE FROM row_cache");
            assert_ok(
                dbt__row_cache_fill(w.store, &options, w.vectorizer, pool, &nobody, &cache, &err),
                err);
            assert_true(dbt__row_cache_is_stored(cache));
            assert_int_equal(dbt__row_cache_was_found(cache), found);
            assert_int_equal(hash_loaded(&w, cache, thread_counts[t], 20, 27 * 3 + 5), expected);
            dbt__row_cache_free(cache);
            dbt_pool_free(pool);
        }
    release_world(&w);
}

static void test_row_cache__holds_all_rows_or_is_none(void **state)
{
    (void)state;
    static const dbt_observer impatient = {.stop = stop_at_once};
    dbt_error err = {0};
    world w = make_world();
    dbt__row_cache *cache = fill_cache(&w, 2, 1 << 20, NULL);
    size_t bytes = dbt__row_cache_bytes(cache);
    assert_true(bytes > N_DOCUMENTS * 10);
    dbt__row_cache_free(cache);
    assert_null(fill_cache(&w, 2, bytes, NULL)); /* nothing left for what malloc adds */
    assert_null(fill_cache(&w, 2, bytes / 2, NULL));
    assert_null(fill_cache(&w, 2, 0, NULL));
    assert_int_equal(dbt__row_cache_bytes(NULL), 0);
    const dbt__row_cache_options options = {
        .split = "train", .n_rows = N_DOCUMENTS, .memory = 1 << 20};
    assert_int_equal(
        dbt__row_cache_fill(w.store, &options, w.vectorizer, NULL, &impatient, &cache, &err),
        DBT_EINTERRUPTED);
    assert_null(cache);
    run_sql(w.store, "DELETE FROM document WHERE id = 100");
    err = (dbt_error){0};
    assert_int_equal(dbt__row_cache_fill(w.store, &options, w.vectorizer, NULL, &(dbt_observer){0},
                                         &cache, &err),
                     DBT_EFORMAT);
    assert_null(cache);
    release_world(&w);
}

static void test_loader__may_be_freed_at_any_batch(void **state)
{
    (void)state;
    world w = make_world();
    for (size_t t = 0; t < THREAD_COUNTS; t++)
        for (int used = 0; used < 12; used++) {
            dbt_error err = {0};
            dbt_cursor *cursor = open_cursor(w.store, true);
            dbt__loader *loader;
            dbt__loaded loaded;
            const dbt__loader_options options = {
                .feed = {.cursor = cursor, .vectorizer = w.vectorizer, .batch_size = BATCH},
                .n_threads = thread_counts[t],
                .end = INT64_MAX};
            assert_ok(dbt__loader_new(&options, &loader, &err), err);
            for (int i = 0; i < used; i++)
                assert_ok(dbt__loader_next(loader, &loaded, &err), err);
            dbt__loader_free(loader);
            dbt_cursor_close(cursor);
        }
    release_world(&w);
}

/* The parameters after two epochs of three steps and one more, of a network that is given batches,
 * or, where `threads` is not 0, prepared steps. Where batches are said to have fewer entries than
 * they have, each is large, and its slot made anew. */
static uint64_t hash_trained(const world *w, size_t threads, double batch_entries)
{
    enum { STEPS = 3, ALL = 2 * STEPS + 1 };
    dbt_error err = {0};
    dbt_network_options options;
    dbt_network_options_init(&options);
    options.n_inputs = dbt_vectorizer_features(w->vectorizer);
    options.n_classes = 3;
    dbt_network *network;
    assert_ok(dbt_network_new(&options, NULL, &network, &err), err);
    dbt_cursor *cursor = open_cursor(w->store, true);
    dbt__loader *loader;
    const dbt__loader_options loading = {
        .feed = {.cursor = cursor, .vectorizer = w->vectorizer, .batch_size = BATCH},
        .network = threads == 0 ? NULL : network,
        .batch_entries = batch_entries,
        .steps = STEPS,
        .n_threads = threads == 0 ? 1 : threads,
        .end = ALL};
    assert_ok(dbt__loader_new(&loading, &loader, &err), err);
    for (int64_t i = 0; i < ALL; i++) {
        dbt__loaded loaded;
        dbt_metrics metrics;
        int32_t label[BATCH];
        assert_ok(dbt__loader_next(loader, &loaded, &err), err);
        for (size_t r = 0; r < loaded.page->n_rows; r++)
            label[r] = (int32_t)(loaded.page->document_id[r] % 3);
        dbt_position position = {i / STEPS + 1, i + 1};
        assert_int_equal(loaded.prepared == NULL, threads == 0);
        assert_ok(
            threads == 0
                ? dbt_network_train(network, loaded.batch, label, NULL, position, &metrics, &err)
                : dbt_network_train_prepared(network, loaded.prepared, label, NULL, &metrics, &err),
            err);
    }
    dbt_network_settle(network);
    dbt__hasher *hasher = dbt__hasher_new();
    assert_non_null(hasher);
    for (size_t i = 0; i < dbt_network_parameters(network); i++) {
        dbt_parameter p = dbt_network_parameter(network, i);
        dbt__hasher_update(hasher, p.value, p.rows * p.columns * sizeof *p.value);
    }
    uint64_t digest = dbt__hasher_digest(hasher);
    dbt__hasher_free(hasher);
    dbt__loader_free(loader);
    dbt_cursor_close(cursor);
    dbt_network_free(network);
    return digest;
}

static void test_loader__prepared_steps_are_those_of_the_batches(void **state)
{
    (void)state;
    world w = make_world();
    uint64_t expected = hash_trained(&w, 0, 100);
    for (size_t t = 0; t < THREAD_COUNTS; t++) {
        assert_true(hash_trained(&w, thread_counts[t], 100) == expected);
        assert_true(hash_trained(&w, thread_counts[t], 0.01) == expected);
    }
    release_world(&w);
}

/* Steps that the thread which uses them has not prepared itself. */
static pthread_t user;
static atomic_long prepared_ahead;

dbt_status __real_dbt_prepare(dbt_preparer *preparer, const dbt_batch *batch, dbt_position position,
                              dbt_prepared *prepared, dbt_error *err);
dbt_status __wrap_dbt_prepare(dbt_preparer *preparer, const dbt_batch *batch, dbt_position position,
                              dbt_prepared *prepared, dbt_error *err);
dbt_status __wrap_dbt_prepare(dbt_preparer *preparer, const dbt_batch *batch, dbt_position position,
                              dbt_prepared *prepared, dbt_error *err)
{
    if (!pthread_equal(pthread_self(), user)) (void)atomic_fetch_add(&prepared_ahead, 1);
    return __real_dbt_prepare(preparer, batch, position, prepared, err);
}

/* Who waits for room in the ring is woken: else it would be filled once, and no more. */
static void test_loader__the_ring_is_filled_again_and_again(void **state)
{
    (void)state;
    enum { MOST = 20000, RINGS = 5 };
    static const struct timespec millisecond = {0, 1000000};
    world w = make_world();
    dbt_error err = {0};
    dbt_network_options options;
    dbt_network_options_init(&options);
    options.n_inputs = dbt_vectorizer_features(w.vectorizer);
    options.n_classes = 3;
    dbt_network *network;
    assert_ok(dbt_network_new(&options, NULL, &network, &err), err);
    dbt_cursor *cursor = open_cursor(w.store, true);
    dbt__loader *loader;
    const dbt__loader_options loading = {
        .feed = {.cursor = cursor, .vectorizer = w.vectorizer, .batch_size = BATCH},
        .network = network,
        .batch_entries = 100,
        .steps = 3,
        .n_threads = 2,
        .end = MOST};
    long enough = RINGS * (long)dbt__loader_slots(2, BATCH, 0, 100);
    user = pthread_self();
    atomic_store(&prepared_ahead, 0);
    assert_ok(dbt__loader_new(&loading, &loader, &err), err);
    for (int i = 0; i < MOST && atomic_load(&prepared_ahead) < enough; i++) {
        dbt__loaded loaded;
        (void)nanosleep(&millisecond, NULL);
        assert_ok(dbt__loader_next(loader, &loaded, &err), err);
    }
    assert_true(atomic_load(&prepared_ahead) >= enough);
    dbt__loader_free(loader);
    dbt_cursor_close(cursor);
    dbt_network_free(network);
    release_world(&w);
}

static void test_loader__small_steps_are_prepared(void **state)
{
    (void)state;
    assert_false(dbt__loader_prepares(0, 64)); /* it is not known how many entries there are */
    assert_true(dbt__loader_prepares(1, 64));
    assert_false(dbt__loader_prepares(18000, 64));
    assert_false(dbt__loader_prepares(18000, 1));
    assert_false(dbt__loader_prepares(1000, 1024));
    /* the ring has more slots of small batches than of others, unless the threads ask for more */
    assert_int_equal(dbt__loader_slots(2, 128, 0, 0), 8);
    assert_int_equal(dbt__loader_slots(2, 128, 0, 900), 32);
    assert_int_equal(dbt__loader_slots(2, 128, 0, 10000), 13);
    assert_int_equal(dbt__loader_slots(2, 128, 0, 16000), 8);
    assert_int_equal(dbt__loader_slots(16, 128, 0, 900), 64);
    /* and fewer of long ones */
    assert_int_equal(dbt__loader_slots(2, 128, 1280, 900), 10);
    assert_int_equal(dbt__loader_slots(2, 8000, 0, 900), 2);
    assert_int_equal(dbt__loader_slots(1, 128, 0, 900), 2);
}

static void test_loader__an_error_in_the_middle_is_not_the_end(void **state)
{
    (void)state;
    world w = make_world();
    /* positions 100 .. 103 are on page 12; one more is on page 20 */
    run_sql(w.store, "DELETE FROM document WHERE id IN (102, 103, 165)");
    for (size_t t = 0; t < THREAD_COUNTS; t++)
        for (int repeat = 0; repeat < 20; repeat++) {
            dbt_error err = {0}, later = {0};
            dbt_cursor *cursor = open_cursor(w.store, false);
            dbt__loader *loader;
            dbt__loaded loaded;
            const dbt__loader_options options = {
                .feed = {.cursor = cursor, .vectorizer = w.vectorizer, .batch_size = BATCH},
                .n_threads = thread_counts[t],
                .end = 54};
            assert_ok(dbt__loader_new(&options, &loader, &err), err);
            for (int i = 0; i < 12; i++)
                assert_ok(dbt__loader_next(loader, &loaded, &err), err);
            assert_int_equal(dbt__loader_next(loader, &loaded, &err), DBT_EFORMAT);
            assert_non_null(strstr(err.message, "101"));
            for (int i = 0; i < 3; i++) {
                later = (dbt_error){0};
                assert_int_equal(dbt__loader_next(loader, &loaded, &later), DBT_EFORMAT);
                assert_string_equal(later.message, err.message);
            }
            dbt__loader_free(loader);
            dbt_cursor_close(cursor);
        }
    release_world(&w);
}

/* --- the scanner --- */

typedef struct seen {
    int64_t pages;
    int64_t stop_at; /* page at which `visit` fails; -1: none */
    dbt__hasher *hasher;
} seen;

static dbt_status see_page(void *context, const dbt__scanned *scanned, dbt_error *err)
{
    seen *s = context;
    size_t n = scanned->n_rows;
    assert_int_equal(scanned->page, s->pages);
    if (s->pages == s->stop_at) return dbt__fail(err, DBT_EIO, "seen enough");
    s->pages++;
    dbt__hasher_update(s->hasher, scanned->document_id, n * sizeof(int64_t));
    dbt__hasher_update(s->hasher, scanned->actual, n * sizeof(int32_t));
    dbt__hasher_update(s->hasher, scanned->predicted, n * sizeof(int32_t));
    dbt__hasher_update(s->hasher, scanned->probability, n * sizeof(float));
    return DBT_OK;
}

static dbt_network *world_network(const world *w)
{
    dbt_error err = {0};
    dbt_network *network;
    dbt_network_options options;
    dbt_network_options_init(&options);
    options.n_inputs = dbt_vectorizer_features(w->vectorizer);
    options.n_classes = N_LABELS;
    assert_ok(dbt_network_new(&options, NULL, &network, &err), err);
    return network;
}

/* One scan with so many threads; `s` tells what came out and, beforehand, where to fail. */
static dbt_status scan_world(const world *w, dbt__row_cache *cache, const dbt_network *network,
                             size_t threads, const dbt_observer *observer, seen *s,
                             dbt_metrics *metrics, uint64_t *digest, dbt_error *err)
{
    dbt_error fault = {0};
    dbt_cursor *cursor = open_cursor(w->store, false);
    dbt_pool *pool;
    dbt__scanner *scanner;
    s->hasher = dbt__hasher_new();
    assert_non_null(s->hasher);
    assert_ok(dbt_pool_new(threads, &pool, &fault), fault);
    const dbt__feed feed = {
        .cursor = cursor, .vectorizer = w->vectorizer, .cache = cache, .batch_size = BATCH};
    assert_ok(dbt__scanner_new(&feed, network, &w->survey.labels, pool, &scanner, &fault), fault);
    dbt_status status =
        dbt__scan(scanner, dbt_cursor_pages(cursor), see_page, s, observer, metrics, err);
    *digest = dbt__hasher_digest(s->hasher);
    dbt__hasher_free(s->hasher);
    dbt__scanner_free(scanner);
    dbt_pool_free(pool);
    dbt_cursor_close(cursor);
    return status;
}

static void test_scan__results_do_not_depend_on_threads(void **state)
{
    (void)state;
    world w = make_world();
    dbt_network *network = world_network(&w);
    dbt_metrics expected = {0};
    uint64_t expected_digest = 0;
    run_sql(w.store, "UPDATE document SET label_id = NULL WHERE id IN (5, 6)");
    for (size_t t = 0; t < THREAD_COUNTS; t++) {
        dbt_error err = {0};
        seen s = {.stop_at = -1};
        dbt_metrics metrics;
        uint64_t digest;
        dbt__row_cache *cache = t % 2 == 1 ? fill_cache(&w, thread_counts[t], 1 << 20, NULL) : NULL;
        assert_ok(
            scan_world(&w, cache, network, thread_counts[t], NULL, &s, &metrics, &digest, &err),
            err);
        dbt__row_cache_free(cache);
        if (t == 0) {
            expected = metrics;
            expected_digest = digest;
        }
        assert_int_equal(s.pages, 27);
        assert_int_equal(metrics.n_rows, N_DOCUMENTS - 2);
        assert_true(metrics.loss == expected.loss && metrics.correct == expected.correct);
        assert_int_equal(digest, expected_digest);
    }
    assert_true(isfinite(expected.loss) && expected.loss > 0);
    dbt_network_free(network);
    release_world(&w);
}

static void test_scan__failures_and_the_wish_to_stop_are_passed_on(void **state)
{
    (void)state;
    world w = make_world();
    dbt_network *network = world_network(&w);
    const dbt_observer impatient = {.stop = stop_at_once};
    for (size_t t = 0; t < THREAD_COUNTS; t++) {
        dbt_metrics metrics;
        uint64_t digest;
        dbt_error err = {0};
        seen s = {.stop_at = 20};
        assert_int_equal(
            scan_world(&w, NULL, network, thread_counts[t], NULL, &s, &metrics, &digest, &err),
            DBT_EIO);
        assert_string_equal(err.message, "seen enough");
        err = (dbt_error){0};
        s = (seen){.stop_at = -1};
        assert_int_equal(scan_world(&w, NULL, network, thread_counts[t], &impatient, &s, &metrics,
                                    &digest, &err),
                         DBT_EINTERRUPTED);
        assert_int_equal(s.pages, 0);
    }
    run_sql(w.store, "DELETE FROM document WHERE id = 150");
    for (size_t t = 0; t < THREAD_COUNTS; t++) {
        dbt_metrics metrics;
        uint64_t digest;
        dbt_error err = {0};
        seen s = {.stop_at = -1};
        assert_int_equal(
            scan_world(&w, NULL, network, thread_counts[t], NULL, &s, &metrics, &digest, &err),
            DBT_EFORMAT);
        assert_non_null(strstr(err.message, "149"));
    }
    dbt_network_free(network);
    release_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_labels__outputs_follow_the_byte_order_of_names),
        cmocka_unit_test(test_labels__missing_and_unknown_ones_are_told_apart),
        cmocka_unit_test(test_labels__one_that_the_table_lacks_is_an_error),
        cmocka_unit_test(test_labels__of_a_run_are_read_back),
        cmocka_unit_test(test_class_weights__are_what_the_setting_says),
        cmocka_unit_test(test_class_weights__refuse_what_they_cannot_mean),
        cmocka_unit_test(test_settings__vectorizer_options_come_back_as_they_were),
        cmocka_unit_test(test_settings__fit_options_come_back_as_they_were),
        cmocka_unit_test(test_settings__differences_are_those_of_what_both_have),
        cmocka_unit_test(test_settings__the_same_options_give_the_same_text),
        cmocka_unit_test(test_settings__fields_that_are_not_there_keep_their_value),
        cmocka_unit_test(test_settings__damage_is_told),
        cmocka_unit_test(test_run__is_found_by_id_by_name_or_as_the_newest_with_weights),
        cmocka_unit_test(test_run__takes_no_name_that_is_taken_or_could_be_an_id),
        cmocka_unit_test(test_run__gets_its_vocabulary_if_it_is_as_it_was_made),
        cmocka_unit_test(test_weights__a_copy_is_what_they_were),
        cmocka_unit_test(test_weights__are_read_back_bit_by_bit),
        cmocka_unit_test(test_weights__every_flipped_byte_is_noticed),
        cmocka_unit_test(test_weights__what_is_not_a_weight_is_refused),
        cmocka_unit_test(test_weights__that_are_not_finite_are_not_written),
        cmocka_unit_test(test_survey__counts_and_fingerprints_the_documents),
        cmocka_unit_test(test_survey__does_not_depend_on_the_threads),
        cmocka_unit_test(test_budget__has_no_more_threads_than_memory_for_them),
        cmocka_unit_test(test_page_rows__are_fewer_of_long_documents),
        cmocka_unit_test(test_vocabulary__is_found_again_as_it_was),
        cmocka_unit_test(test_vocabulary__of_a_hashing_vectorizer_is_a_row_alone),
        cmocka_unit_test(test_vocabulary__damage_is_told),
        cmocka_unit_test(test_vocabulary__every_flipped_byte_is_noticed),
        cmocka_unit_test(test_loader__batches_do_not_depend_on_threads),
        cmocka_unit_test(test_row_cache__gives_the_batches_of_the_texts),
        cmocka_unit_test(test_row_cache__of_long_documents_is_the_same),
        cmocka_unit_test(test_row_cache__in_the_database_gives_the_batches_of_the_texts),
        cmocka_unit_test(test_row_cache__holds_all_rows_or_is_none),
        cmocka_unit_test(test_loader__may_be_freed_at_any_batch),
        cmocka_unit_test(test_loader__prepared_steps_are_those_of_the_batches),
        cmocka_unit_test(test_loader__the_ring_is_filled_again_and_again),
        cmocka_unit_test(test_loader__small_steps_are_prepared),
        cmocka_unit_test(test_loader__an_error_in_the_middle_is_not_the_end),
        cmocka_unit_test(test_scan__results_do_not_depend_on_threads),
        cmocka_unit_test(test_scan__failures_and_the_wish_to_stop_are_passed_on),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
