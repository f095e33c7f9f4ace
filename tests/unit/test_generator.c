/* The benchmark's generator of corpora keeps what its header promises. */
#include "testing.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base.h"
#include "bench/generator.h"

static char *write_corpus(const generator_options *options, size_t *bytes)
{
    char *content = NULL;
    FILE *file = open_memstream(&content, bytes);
    generator *g = generator_new(options);
    assert_non_null(file);
    assert_non_null(g);
    assert_true(generator_write(g, file));
    generator_free(g);
    assert_int_equal(fclose(file), 0);
    return content;
}

static generator_options small_corpus(void)
{
    generator_options options;
    generator_options_init(&options);
    options.documents = 2000;
    options.classes = 4;
    return options;
}

static void test_generator__same_seed_same_bytes(void **state)
{
    (void)state;
    for (generator_script script = 0; script < GENERATOR_SCRIPTS; script++) {
        generator_options options = small_corpus();
        options.script = script;
        size_t bytes[3];
        char *first = write_corpus(&options, &bytes[0]), *again = write_corpus(&options, &bytes[1]);
        options.seed = 2;
        char *other = write_corpus(&options, &bytes[2]);
        assert_int_equal(bytes[0], bytes[1]);
        assert_memory_equal(first, again, bytes[0]);
        assert_string_not_equal(first, other);
        free(first);
        free(again);
        free(other);
    }
}

/* The sum of the hashes of label and text, which no order changes. */
static uint64_t sum_rows(const generator_options *options, bool *ascending)
{
    uint64_t sum = 0;
    int64_t last = 0;
    generator *g = generator_new(options);
    assert_non_null(g);
    *ascending = true;
    for (int64_t k = 0; k < options->documents; k++) {
        generated document = generator_next(g, k);
        sum += dbt__hash(document.text, document.bytes, (uint64_t)document.label);
        *ascending &= document.label >= last;
        last = document.label;
    }
    generator_free(g);
    return sum;
}

static void test_generator__sorted_has_the_same_rows(void **state)
{
    (void)state;
    generator_options options = small_corpus();
    bool mixed_ascends, sorted_ascends;
    uint64_t mixed = sum_rows(&options, &mixed_ascends);
    options.sorted = true;
    assert_true(sum_rows(&options, &sorted_ascends) == mixed);
    assert_true(sorted_ascends);
    assert_false(mixed_ascends);
}

static void test_generator__noise_changes_its_share_of_labels(void **state)
{
    (void)state;
    generator_options options = small_corpus();
    generator *clean = generator_new(&options);
    options.noise = 0.4;
    generator *noisy = generator_new(&options);
    int changed = 0;
    for (int64_t k = 0; k < options.documents; k++)
        changed += generator_next(clean, k).label != generator_next(noisy, k).label;
    /* A label that is drawn anew is the old one in a quarter of the cases: 2000 * 0.4 * 3/4 = 600,
     * with a standard deviation of 20.5. */
    assert_in_range(changed, 600 - 103, 600 + 103);
    generator_free(clean);
    generator_free(noisy);
}

/* --- naive Bayes over hashed n-grams of one length --- */

enum { BUCKETS = 1 << 18, MAXIMUM_WORDS = 4096 };

typedef struct bayes {
    size_t length; /* 1: words, 2: pairs */
    uint32_t count[4][BUCKETS];
    uint32_t total[4];
} bayes;

/* The buckets of a text's n-grams; returns how many. */
static size_t list_buckets(char *text, size_t length, uint32_t bucket[MAXIMUM_WORDS])
{
    size_t n = 0;
    uint64_t before = 0;
    char *rest = NULL;
    for (char *word = strtok_r(text, " ,.", &rest); word != NULL && n < MAXIMUM_WORDS;
         word = strtok_r(NULL, " ,.", &rest)) {
        uint64_t hash = dbt__hash(word, strlen(word), 0);
        if (length == 1 || before != 0)
            bucket[n++] = (uint32_t)((length == 1 ? hash : hash ^ before * 31) % BUCKETS);
        before = hash;
    }
    return n;
}

static int classify(const bayes *model, const uint32_t *bucket, size_t n)
{
    const double smoothing = 5;
    double best_score = 0;
    int best = 0;
    for (int class = 0; class < 4; class ++) {
        double score = 0;
        for (size_t i = 0; i < n; i++)
            score += log((model->count[class][bucket[i]] + smoothing) /
                         (model->total[class] + smoothing * BUCKETS));
        if (class == 0 || score > best_score) {
            best = class;
            best_score = score;
        }
    }
    return best;
}

/* The share of 2,000 documents of seed 2 that a model of 20,000 of seed 1 gets right. */
static double measure_accuracy(size_t length)
{
    static uint32_t bucket[MAXIMUM_WORDS];
    bayes *model = calloc(1, sizeof *model);
    assert_non_null(model);
    int correct = 0;
    for (int part = 0; part < 2; part++) {
        generator_options options = small_corpus();
        options.documents = part == 0 ? 20000 : 2000;
        options.seed = part == 0 ? 1 : 2;
        generator *g = generator_new(&options);
        assert_non_null(g);
        for (int64_t k = 0; k < options.documents; k++) {
            generated document = generator_next(g, k);
            char *text = strdup(document.text);
            size_t n = list_buckets(text, length, bucket);
            int class = (int)document.label - 1;
            for (size_t i = 0; part == 0 && i < n; i++)
                model->count[class][bucket[i]]++;
            if (part == 0) model->total[class] += (uint32_t)n;
            if (part == 1) correct += classify(model, bucket, n) == class;
            free(text);
        }
        generator_free(g);
    }
    free(model);
    return correct / 2000.0;
}

static void test_generator__pairs_of_words_carry_the_class(void **state)
{
    (void)state;
    double words = measure_accuracy(1), pairs = measure_accuracy(2);
    print_message("words %.3f, pairs %.3f, chance 0.25\n", words, pairs);
    assert_true(pairs > 0.6);
    assert_true(words > 0.25);
    assert_true(words < pairs - 0.15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_generator__same_seed_same_bytes),
        cmocka_unit_test(test_generator__sorted_has_the_same_rows),
        cmocka_unit_test(test_generator__noise_changes_its_share_of_labels),
        cmocka_unit_test(test_generator__pairs_of_words_carry_the_class),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
