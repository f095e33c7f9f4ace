/* test_text.c: decoding, normalising and the analyzers. */
#include "testing.h"

#include <stdlib.h>
#include <string.h>

#include "analyzer.h"
#include "normalize.h"
#include "unicode.h"

static void test_decode__replaces_maximal_subparts(void **state)
{
    (void)state;
    /* Unicode 15, tables 3-8 to 3-11, and more. */
    static const struct {
        const char *bytes, *expected;
    } cases[] = {
        {"a\xc3\xa9z", "a\xc3\xa9z"},
        {"\xc0\xaf\xe0\x80\xbf\xf0\x81\x82\x41", "????????A"},
        {"\xed\xa0\x80\xed\xbf\xbf\xed\xaf\x41", "????????A"},
        {"\xf4\x91\x92\x93\xff\x41\x80\xbf\x42", "?????A??B"},
        {"\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41", "????A"},
        {"\xf0\x9f\x98", "?"},
        {"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
        {"\xc3", "?"},
        {"\xf5\x80", "??"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char out[64];
        size_t n = 0, bytes = strlen(cases[i].bytes);
        for (size_t at = 0; at < bytes;) {
            uint32_t c;
            at += dbt__decode(cases[i].bytes + at, bytes - at, &c);
            if (c == DBT__REPLACEMENT)
                out[n++] = '?';
            else
                n += dbt__encode(c, out + n);
        }
        out[n] = '\0';
        assert_string_equal(out, cases[i].expected);
    }
}

/* What the normalizer does, one code point at a time. */
static size_t normalize_plainly(const char *text, size_t bytes, bool lowercase, bool strip,
                                char *out, unsigned char *word)
{
    size_t n = 0;
    for (size_t at = 0; at < bytes;) {
        uint32_t c, mapped[DBT__MAPPED_MAX];
        size_t length = dbt__decode(text + at, bytes - at, &c);
        size_t n_mapped = dbt__map_code_point(c, lowercase, strip, mapped);
        if (c == DBT__CAPITAL_SIGMA && lowercase && dbt__is_final_sigma(text, bytes, at))
            mapped[0] = 0x3C2;
        for (size_t i = 0; i < n_mapped; i++) {
            size_t more = dbt__encode(mapped[i], out + n);
            memset(word + n, dbt__is_word(mapped[i]), more);
            n += more;
        }
        at += length;
    }
    return n;
}

static void check_normalized(dbt__normalizer *normalizer, const char *text, size_t bytes,
                             bool lowercase, bool strip)
{
    static char out[1 << 16];
    static unsigned char word[1 << 16];
    dbt_error err = {0};
    size_t n = normalize_plainly(text, bytes, lowercase, strip, out, word);
    assert_ok(dbt__normalize(normalizer, text, bytes, &err), err);
    assert_int_equal(normalizer->length, n);
    assert_memory_equal(normalizer->data, out, n);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(normalizer->word[i / 64] >> (i % 64) & 1, word[i]);
}

static void test_normalize__blocks_agree_with_single_code_points(void **state)
{
    (void)state;
    /* Pieces that make every kind of step: ASCII, marks that vanish, growth, sigma, invalid bytes.
     */
    static const char *const piece[] = {
        "The Quick_brown ",
        "x",
        "0123456789 @[`{/:\x7f",
        "\xc3\x89t\xc3\xa9",
        "\xce\xa3",
        "\xcc\x81\xcc\x82",
        "\xef\xb7\xba",
        "\xea\xb0\x81",
        "\xd0\x96\xd0\xb8\xd0\xb2\xd0\xb0\xd0\xb3\xd0\xbe ",
        "\xff",
        "\xe2\x82",
        "\xf0\x9d\x94\xb8",
        "\xc4\xb0",
        "\xef\xac\x81",
        "\xe4\xba\xba\xe5\x8f\xa3",
        "LONG ASCII RUN, LONGER THAN A CHUNK OF SIXTEEN ",
        "and_one that is longer than 64 BYTES, with 0123456789 and @[`{/:\x7f in it ",
    };
    size_t n_pieces = sizeof piece / sizeof *piece;
    for (unsigned setting = 0; setting < 4; setting++) {
        bool lowercase = (setting & 1) != 0, strip = (setting & 2) != 0;
        dbt_error err = {0};
        dbt__normalizer normalizer;
        assert_ok(dbt__normalizer_init(&normalizer, lowercase, strip, &err), err);
        for (uint64_t round = 0; round < 2000; round++) {
            size_t bytes = 0, n = dbt__random_below(round, 0, 40);
            for (size_t i = 0; i < n; i++)
                bytes += strlen(piece[dbt__random_below(round, i + 1, n_pieces)]);
            /* Exactly as long as the text, so that a sanitizer sees a byte too many being read. */
            char *text = malloc(bytes + 1);
            size_t at = 0;
            for (size_t i = 0; i < n; i++) {
                const char *p = piece[dbt__random_below(round, i + 1, n_pieces)];
                memcpy(text + at, p, strlen(p));
                at += strlen(p);
            }
            char *exact = malloc(bytes > 0 ? bytes : 1);
            memcpy(exact, text, bytes);
            check_normalized(&normalizer, exact, bytes, lowercase, strip);
            free(exact);
            free(text);
        }
        dbt__normalizer_release(&normalizer);
    }
}

static void test_normalize__takes_every_code_point(void **state)
{
    (void)state;
    dbt_error err = {0};
    dbt__normalizer normalizer;
    assert_ok(dbt__normalizer_init(&normalizer, true, true, &err), err);
    for (uint32_t c = 0; c < 0x110000; c += c >= 0x20000 && c < 0xE0000 ? 977 : 1) {
        if (c >= 0xD800 && c <= 0xDFFF) continue;
        char text[8] = "a";
        size_t n = 1 + dbt__encode(c, text + 1);
        check_normalized(&normalizer, text, n, true, true);
    }
    dbt__normalizer_release(&normalizer);
}

static void test_normalize__is_pythons_lower(void **state)
{
    (void)state;
    /* The right-hand sides are CPython's str.lower(). */
    static const struct {
        const char *text, *lower;
    } cases[] = {
        {"\xce\xa3", "\xcf\x83"},
        {"\xce\x91\xce\xa3", "\xce\xb1\xcf\x82"},
        {"\xce\x91\xce\xa3\xce\x91", "\xce\xb1\xcf\x83\xce\xb1"},
        {"\xce\x91\xce\xa3 \xce\x91", "\xce\xb1\xcf\x82 \xce\xb1"},
        {"A'\xce\xa3", "a'\xcf\x82"},
        {"A.\xce\xa3.A", "a.\xcf\x83.a"},
        {"1\xce\xa3", "1\xcf\x83"},
        {"\xce\xa3\xce\xa3", "\xcf\x83\xcf\x82"},
        {"A\xcc\x81\xce\xa3\xcc\x81", "a\xcc\x81\xcf\x82\xcc\x81"},
        {"\xc2\xaa\xce\xa3", "\xc2\xaa\xcf\x82"},
        {"\xe2\x93\x90\xce\xa3", "\xe2\x93\x90\xcf\x82"},
        {"A\xff\xce\xa3", "a\xef\xbf\xbd\xcf\x83"},
        {"\xc4\xb0", "i\xcc\x87"},
        {"\xe1\xba\x9e", "\xc3\x9f"},
        {"\xf0\x90\x90\x80", "\xf0\x90\x90\xa8"},
    };
    dbt_error err = {0};
    dbt__normalizer normalizer;
    assert_ok(dbt__normalizer_init(&normalizer, true, false, &err), err);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_ok(dbt__normalize(&normalizer, cases[i].text, strlen(cases[i].text), &err), err);
        assert_int_equal(normalizer.length, strlen(cases[i].lower));
        assert_memory_equal(normalizer.data, cases[i].lower, normalizer.length);
    }
    dbt__normalizer_release(&normalizer);
}

static void test_space__is_pythons(void **state)
{
    (void)state;
    static const uint32_t spaces[] = {
        0x9,    0xA,    0xB,    0xC,    0xD,    0x1C,   0x1D,   0x1E,   0x1F,   0x20,
        0x85,   0xA0,   0x1680, 0x2000, 0x2001, 0x2002, 0x2003, 0x2004, 0x2005, 0x2006,
        0x2007, 0x2008, 0x2009, 0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000};
    size_t next = 0;
    for (uint32_t c = 0; c < 0x110000; c++) {
        if (c >= 0xD800 && c <= 0xDFFF) continue;
        char text[4];
        size_t n = dbt__encode(c, text);
        bool space = next < sizeof spaces / sizeof *spaces && spaces[next] == c;
        assert_int_equal(dbt__space_length(text, n), space ? n : 0);
        next += space;
    }
}

static dbt__analyzer *make_analyzer(dbt__analyzer_kind kind, uint32_t n_min, uint32_t n_max)
{
    dbt_error err = {0};
    dbt__analyzer *analyzer;
    dbt__analyzer_options options = {kind, n_min, n_max, true, true, 0, UINT64_MAX};
    assert_ok(dbt__analyzer_new(&options, &analyzer, &err), err);
    return analyzer;
}

/* All n-grams of a text, each followed by '|'. */
static void list_terms(dbt__analyzer *analyzer, const char *text, char *out)
{
    dbt_error err = {0};
    dbt__ngram group[DBT__NGRAM_MAX];
    size_t n, length = 0, width = dbt__analyzer_width(analyzer);
    assert_ok(dbt__analyzer_begin(analyzer, text, strlen(text), &err), err);
    while ((n = dbt__analyzer_next(analyzer, 7, group, width)) > 0) {
        for (size_t i = 0; i < n; i++) {
            const char *term;
            size_t bytes;
            dbt__ngram again;
            assert_int_equal(group[i].tag, 7);
            assert_ok(dbt__analyzer_term(analyzer, i, &term, &bytes, &err), err);
            memcpy(out + length, term, bytes);
            length += bytes;
            out[length++] = '|';
            assert_ok(dbt__analyzer_hash(analyzer, term, bytes, &again, &err), err);
            assert_true(again.hash == group[i].hash && again.check == group[i].check);
        }
    }
    out[length] = '\0';
}

static void test_analyzer__gives_the_terms_of_scikit_learn(void **state)
{
    (void)state;
    static const struct {
        dbt__analyzer_kind kind;
        uint32_t n_min, n_max;
        const char *text, *terms;
    } cases[] = {
        {DBT__ANALYZER_WORD, 1, 1, "It's a cat_1, CAT!", "it|cat_1|cat|"},
        {DBT__ANALYZER_WORD, 1, 2, "to be, or x not", "to|be|to be|or|be or|not|or not|"},
        {DBT__ANALYZER_WORD, 2, 3, "aa bb cc", "aa bb|bb cc|aa bb cc|"},
        {DBT__ANALYZER_WORD, 1, 2, "", ""},
        {DBT__ANALYZER_WORD, 1, 2, "a b c", ""},
        {DBT__ANALYZER_WORD, 1, 1, "\xd0\xaf \xd0\xbe\xd0\xbd \xe4\xba\xba", "\xd0\xbe\xd0\xbd|"},
        {DBT__ANALYZER_WORD, 1, 1,
         "0123456789012345678901234567890123456789012345678901234567890123 ab",
         "0123456789012345678901234567890123456789012345678901234567890123|ab|"},
        {DBT__ANALYZER_CHAR, 1, 2, "ab \n c", "a|ab|b|b | | c|c|"},
        {DBT__ANALYZER_CHAR, 2, 2, "a\nb", "a\n|\nb|"},
        {DBT__ANALYZER_CHAR, 3, 5, "ab", ""},
        {DBT__ANALYZER_CHAR, 1, 2, "\xc3\x89\xe4\xba\xba", "e|e\xe4\xba\xba|\xe4\xba\xba|"},
        {DBT__ANALYZER_CHAR_WB, 2, 3, "ab c", " a| ab|ab|ab |b | c| c |c |"},
        {DBT__ANALYZER_CHAR_WB, 4, 6, "ab c", " ab | c |"},
        {DBT__ANALYZER_CHAR_WB, 3, 6, "ab", " ab| ab |ab |"},
        {DBT__ANALYZER_CHAR_WB, 1, 2, " \t ", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char out[1024];
        dbt__analyzer *analyzer = make_analyzer(cases[i].kind, cases[i].n_min, cases[i].n_max);
        list_terms(analyzer, cases[i].text, out);
        assert_string_equal(out, cases[i].terms);
        dbt__analyzer_free(analyzer);
    }
}

static void test_analyzer__blocks_of_any_size_give_the_same_terms(void **state)
{
    (void)state;
    static const char text[] = "one two three four five six seven eight nine ten eleven twelve "
                               "thirteen fourteen fifteen sixteen seventeen eighteen nineteen";
    for (int kind = DBT__ANALYZER_WORD; kind <= DBT__ANALYZER_CHAR_WB; kind++) {
        dbt_error err = {0};
        dbt__analyzer *analyzer = make_analyzer((dbt__analyzer_kind)kind, 1, 3);
        dbt__ngram all[1024], some[1024];
        assert_ok(dbt__analyzer_begin(analyzer, text, sizeof text - 1, &err), err);
        size_t n = dbt__analyzer_next(analyzer, 0, all, 1024);
        assert_int_equal(dbt__analyzer_next(analyzer, 0, all, 0 + 3), 0);
        for (size_t capacity = 3; capacity < 40; capacity++) {
            size_t total = 0, given;
            assert_ok(dbt__analyzer_begin(analyzer, text, sizeof text - 1, &err), err);
            while ((given = dbt__analyzer_next(analyzer, 0, some + total, capacity)) > 0)
                total += given;
            assert_int_equal(total, n);
            assert_memory_equal(some, all, n * sizeof *all);
        }
        dbt__analyzer_free(analyzer);
    }
}

static int compare_hashes(const void *a, const void *b)
{
    const dbt__ngram *x = a, *y = b;
    return (x->hash > y->hash) - (x->hash < y->hash);
}

static void test_hash__short_strings_do_not_collide(void **state)
{
    (void)state;
    dbt__analyzer *analyzer = make_analyzer(DBT__ANALYZER_WORD, 1, 2);
    enum { N = 200000 };
    dbt__ngram *ngram = calloc(2 * N, sizeof *ngram);
    for (int i = 0; i < N; i++) {
        dbt_error err = {0};
        char term[64];
        int bytes = snprintf(term, sizeof term, "%d", i);
        assert_ok(dbt__analyzer_hash(analyzer, term, (size_t)bytes, &ngram[2 * i], &err), err);
        bytes = snprintf(term, sizeof term, "%d %0*d", i % 450, i % 30 + 1, i / 450);
        assert_ok(dbt__analyzer_hash(analyzer, term, (size_t)bytes, &ngram[2 * i + 1], &err), err);
    }
    qsort(ngram, 2 * N, sizeof *ngram, compare_hashes);
    size_t per_shard[256] = {0};
    for (size_t i = 0; i < 2 * N; i++) {
        if (i > 0) assert_true(ngram[i].hash != ngram[i - 1].hash);
        per_shard[ngram[i].hash >> 56]++;
    }
    /* 400,000 into 256: 1,562 each, with a deviation of 40. */
    for (size_t i = 0; i < 256; i++)
        assert_in_range(per_shard[i], 1562 - 6 * 40, 1562 + 6 * 40);
    free(ngram);
    dbt__analyzer_free(analyzer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decode__replaces_maximal_subparts),
        cmocka_unit_test(test_normalize__blocks_agree_with_single_code_points),
        cmocka_unit_test(test_normalize__takes_every_code_point),
        cmocka_unit_test(test_normalize__is_pythons_lower),
        cmocka_unit_test(test_space__is_pythons),
        cmocka_unit_test(test_analyzer__gives_the_terms_of_scikit_learn),
        cmocka_unit_test(test_analyzer__blocks_of_any_size_give_the_same_terms),
        cmocka_unit_test(test_hash__short_strings_do_not_collide),
    };
    return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
