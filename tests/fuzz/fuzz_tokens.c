/*
 * fuzz_tokens.c: the analyzers: as many n-grams as the words make, every term within bounds and of
 * its own hash, the same n-grams in groups of one and of many.
 *
 * Byte 0: analyzer, case, accents; byte 1: lengths.
 */
#include "analyzer.h"
#include "fuzz.h"
#include "normalize.h"
#include "unicode.h"

enum { MANY = 64 };

static dbt__analyzer_options read_options(fuzz_input *input)
{
    unsigned flags = fuzz_byte(input), lengths = fuzz_byte(input);
    uint32_t longest = 1 + lengths % DBT__NGRAM_MAX;
    return (dbt__analyzer_options){
        .kind = (dbt__analyzer_kind)(flags % 3),
        .lowercase = (flags & 4) != 0,
        .strip_accents = (flags & 8) != 0,
        .ngram_min = 1 + lengths / DBT__NGRAM_MAX % longest,
        .ngram_max = longest,
        .seed = 7,
        .hash_mask = UINT64_MAX,
    };
}

/* Runs of two or more code points of \w in the normalised text. */
static size_t count_words(const dbt__analyzer_options *options, const char *text, size_t bytes)
{
    dbt__normalizer normalizer;
    dbt_error err = {0};
    size_t words = 0, run = 0;
    fuzz_ok(dbt__normalizer_init(&normalizer, options->lowercase, options->strip_accents, &err),
            err);
    fuzz_ok(dbt__normalize(&normalizer, text, bytes, &err), err);
    for (size_t at = 0; at < normalizer.length;) {
        uint32_t c;
        at += dbt__decode(normalizer.data + at, normalizer.length - at, &c);
        run = dbt__is_word(c) ? run + 1 : 0;
        words += run == 2;
    }
    dbt__normalizer_release(&normalizer);
    return words;
}

static uint64_t add_ngrams(const dbt__ngram *ngram, size_t n, uint64_t digest)
{
    for (size_t i = 0; i < n; i++) {
        fuzz_check(ngram[i].hash != UINT64_MAX && ngram[i].tag == 9);
        digest = digest * 31 + ngram[i].hash + ngram[i].check;
    }
    return digest;
}

/* Group by group, with the strings of the terms. */
static size_t take_groups(dbt__analyzer *analyzer, dbt__analyzer *other, uint64_t *digest)
{
    dbt__ngram ngram[DBT__NGRAM_MAX], again;
    dbt_error err = {0};
    size_t n, total = 0;
    while ((n = dbt__analyzer_next(analyzer, 9, ngram, dbt__analyzer_width(analyzer))) > 0) {
        fuzz_check(n <= dbt__analyzer_width(analyzer));
        *digest = add_ngrams(ngram, n, *digest);
        total += n;
        for (size_t i = 0; i < n; i++) {
            const char *term;
            size_t bytes;
            fuzz_ok(dbt__analyzer_term(analyzer, i, &term, &bytes, &err), err);
            char *copy = fuzz_copy(term, bytes);
            fuzz_ok(dbt__analyzer_hash(other, copy, bytes, &again, &err), err);
            fuzz_check(bytes > 0);
            fuzz_check(again.hash == ngram[i].hash && again.check == ngram[i].check);
            free(copy);
        }
    }
    return total;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    fuzz_input input = {data, bytes};
    dbt__analyzer_options options = read_options(&input);
    dbt__analyzer *analyzer, *other;
    dbt__ngram ngram[MANY];
    dbt_error err = {0};
    char *text = fuzz_copy(input.data, input.bytes);
    fuzz_ok(dbt__analyzer_new(&options, &analyzer, &err), err);
    fuzz_ok(dbt__analyzer_new(&options, &other, &err), err);
    uint64_t in_groups = 0, at_once = 0;
    fuzz_ok(dbt__analyzer_begin(analyzer, text, input.bytes, &err), err);
    size_t total = take_groups(analyzer, other, &in_groups), n;
    fuzz_ok(dbt__analyzer_begin(analyzer, text, input.bytes, &err), err);
    while ((n = dbt__analyzer_next(analyzer, 9, ngram, MANY)) > 0)
        at_once = add_ngrams(ngram, n, at_once);
    fuzz_check(in_groups == at_once);
    if (options.kind == DBT__ANALYZER_WORD) {
        size_t words = count_words(&options, text, input.bytes), expected = 0;
        for (uint32_t k = options.ngram_min; k <= options.ngram_max; k++)
            expected += words >= k ? words - k + 1 : 0;
        fuzz_check(total == expected);
    }
    dbt__analyzer_free(analyzer);
    dbt__analyzer_free(other);
    free(text);
    return 0;
}
