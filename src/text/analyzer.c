/*
 * analyzer.c: n-grams of a normalised document, as hashes.
 *
 * Words: the bits that say which bytes belong to a word are turned into bits that are set where a
 * run begins or ends; counting trailing zeros then goes from edge to edge without looking at the
 * text. A word's hash is joined to those of the n-grams that end before it, so each n-gram costs
 * one multiplication. The two ranges that are nearly all of use, (1,1) and (1,2), are compiled on
 * their own.
 *
 * Characters: white space is first brought into the form that scikit-learn slices (char: a run of
 * two or more becomes one space; char_wb: words with one space before, between and behind them, so
 * that a padded word is a slice of the text); then the n-grams at each place are hashed as bytes.
 *
 * The strings of n-grams are built on demand alone, for the few terms that are selected.
 */
#include "analyzer.h"

#include <string.h>

#include "hash.h"
#include "normalize.h"
#include "unicode.h"

typedef struct word_span {
    size_t start;
    size_t end;
} word_span;

struct dbt__analyzer {
    dbt__analyzer_options options;
    dbt__hash_keys keys;
    dbt__normalizer normalizer;
    const char *data; /* the text that is sliced */
    size_t length;

    /* word */
    size_t edge_word; /* index of the 64 edges under way, and those of them that are left */
    uint64_t edges;
    size_t n_edge_words;
    size_t start; /* of the word under way */
    bool open;    /* one is */
    size_t n_words;
    dbt__hash128 front[DBT__NGRAM_MAX + 1]; /* [n]: hash of the last n words */
    word_span span[DBT__NGRAM_MAX];         /* of word i: [i % DBT__NGRAM_MAX] */

    /* char, char_wb */
    size_t at;         /* where the next group begins */
    size_t group;      /* where the last one did */
    size_t word_start; /* char_wb: the space before the word, and that behind it */
    size_t word_end;

    dbt__buffer padded; /* char_wb: the text that is sliced */
    dbt__buffer term;   /* word: the string last asked for */
    dbt__buffer key;    /* the string whose hash was last asked for */
};

dbt_status dbt__analyzer_new(const dbt__analyzer_options *options, dbt__analyzer **analyzer,
                             dbt_error *err)
{
    *analyzer = NULL;
    dbt__analyzer *made = dbt__alloc(sizeof *made);
    if (made == NULL) return dbt__out_of_memory(err, "an analyzer");
    made->options = *options;
    made->keys = dbt__hash_make_keys(options->seed);
    dbt_status status =
        dbt__normalizer_init(&made->normalizer, options->lowercase, options->strip_accents, err);
    if (status < 0) {
        dbt__analyzer_free(made);
        return status;
    }
    *analyzer = made;
    return DBT_OK;
}

void dbt__analyzer_free(dbt__analyzer *analyzer)
{
    if (analyzer == NULL) return;
    dbt__normalizer_release(&analyzer->normalizer);
    dbt__buffer_release(&analyzer->padded);
    dbt__buffer_release(&analyzer->term);
    dbt__buffer_release(&analyzer->key);
    dbt__free(analyzer);
}

size_t dbt__analyzer_width(const dbt__analyzer *analyzer)
{
    return analyzer->options.ngram_max - analyzer->options.ngram_min + 1;
}

static inline dbt__ngram make_ngram(dbt__hash128 hash, uint64_t hash_mask, uint32_t tag)
{
    uint64_t low = hash.low & hash_mask;
    /* UINT64_MAX marks empty places of hash tables. */
    low -= low == UINT64_MAX;
    return (dbt__ngram){low, (uint32_t)hash.high, tag};
}

static inline dbt__ngram hash_slice(const dbt__analyzer *analyzer, size_t start, size_t end,
                                    uint32_t tag)
{
    return make_ngram(dbt__hash_bytes(&analyzer->keys, analyzer->data + start, end - start),
                      analyzer->options.hash_mask, tag);
}

/* --- words --- */

/* Bits of words to bits of edges: set where a run begins, and where the byte behind a run is. */
static void find_edges(dbt__analyzer *analyzer)
{
    uint64_t *word = analyzer->normalizer.word;
    size_t n = analyzer->normalizer.length / 64 + 1;
    uint64_t carry = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t bits = word[i];
        word[i] = bits ^ (bits << 1 | carry);
        carry = bits >> 63;
    }
    /* Where the length is a multiple of 64 the last edge lies in the word that holds no byte: it is
     * among the n. */
    analyzer->n_edge_words = n;
    analyzer->edge_word = 0;
    analyzer->edges = word[0];
    analyzer->open = false;
    analyzer->n_words = 0;
}

/* A run of one code point is no token. Half of all words are short: no branch asks for that. */
static inline bool is_token(const char *data, size_t bytes)
{
    unsigned char lead = (unsigned char)data[0];
    return bytes > 1U + (lead >= 0xC0) + (lead >= 0xE0) + (lead >= 0xF0);
}

/* The n-grams that end with a word of this hash; front[n] is the hash of the last n words. */
static inline size_t take_word(dbt__hash128 *front, dbt__hash128 hash, size_t n_before,
                               uint32_t n_min, uint32_t n_max, uint64_t hash_mask, uint32_t tag,
                               dbt__ngram *ngrams)
{
    size_t longest = n_before + 1 < n_max ? n_before + 1 : n_max, given = 0;
    for (size_t n = longest; n >= 2; n--)
        front[n] = dbt__hash_join(front[n - 1], hash);
    front[1] = hash;
    for (size_t n = n_min; n <= longest; n++)
        ngrams[given++] = make_ngram(front[n], hash_mask, tag);
    return given;
}

/* Inlined with constant n_min and n_max; what the loop uses is held in local variables, since what
 * it writes could be anything of the analyzer. */
static inline size_t next_words(dbt__analyzer *analyzer, uint32_t n_min, uint32_t n_max,
                                uint32_t tag, dbt__ngram *ngrams, size_t capacity)
{
    const uint64_t *word = analyzer->normalizer.word;
    const char *data = analyzer->data;
    const dbt__hash_keys keys = analyzer->keys;
    const uint64_t hash_mask = analyzer->options.hash_mask;
    const size_t width = n_max - n_min + 1, n_edge_words = analyzer->n_edge_words;
    size_t i = analyzer->edge_word, start = analyzer->start, n_words = analyzer->n_words, given = 0;
    uint64_t edges = analyzer->edges;
    bool open = analyzer->open;
    dbt__hash128 front[DBT__NGRAM_MAX + 1];
    for (size_t n = 1; n <= n_max; n++)
        front[n] = analyzer->front[n];
    while (given + width <= capacity) {
        while (edges == 0 && i + 1 < n_edge_words)
            edges = word[++i];
        if (edges == 0) break;
        size_t edge = i * 64 + (size_t)__builtin_ctzll(edges);
        edges &= edges - 1;
        open = !open;
        if (open) {
            start = edge;
        } else if (is_token(data + start, edge - start)) {
            dbt__hash128 hash = dbt__hash_bytes(&keys, data + start, edge - start);
            given += take_word(front, hash, n_words, n_min, n_max, hash_mask, tag, ngrams + given);
            analyzer->span[n_words++ % DBT__NGRAM_MAX] = (word_span){start, edge};
        }
    }
    for (size_t n = 1; n <= n_max; n++)
        analyzer->front[n] = front[n];
    analyzer->edge_word = i;
    analyzer->edges = edges;
    analyzer->start = start;
    analyzer->open = open;
    analyzer->n_words = n_words;
    return given;
}

/* --- characters --- */

/* Runs of two or more white space become one space; a single one stays what it is. */
static void collapse_spaces(dbt__analyzer *analyzer)
{
    char *data = analyzer->normalizer.data;
    size_t length = analyzer->normalizer.length, to = 0;
    for (size_t at = 0; at < length;) {
        size_t first = dbt__space_length(data + at, length - at), run = first;
        if (first == 0) {
            data[to++] = data[at++];
            continue;
        }
        for (size_t more = first; more > 0 && at + run < length; run += more)
            more = dbt__space_length(data + at + run, length - at - run);
        if (run > first)
            data[to++] = ' ';
        else
            for (size_t i = 0; i < first; i++)
                data[to++] = data[at + i];
        at += run;
    }
    memset(data + to, 0, length - to);
    analyzer->length = to;
}

/* Words with one space before, between and behind them, in the buffer. */
static dbt_status pad_words(dbt__analyzer *analyzer, dbt_error *err)
{
    const char *data = analyzer->normalizer.data;
    size_t length = analyzer->normalizer.length;
    dbt__buffer *out = &analyzer->padded;
    out->length = 0;
    dbt_status status = dbt__buffer_reserve(out, length + 2 + DBT__NORMALIZE_PADDING, err);
    if (status < 0) return status;
    char *to = out->data;
    *to++ = ' ';
    for (size_t at = 0; at < length;) {
        size_t space = dbt__space_length(data + at, length - at);
        if (space == 0)
            *to++ = data[at++];
        else if (to[-1] != ' ')
            *to++ = ' ';
        at += space;
    }
    if (to[-1] != ' ') *to++ = ' ';
    memset(to, 0, DBT__NORMALIZE_PADDING);
    analyzer->data = out->data;
    analyzer->length = (size_t)(to - out->data);
    analyzer->word_start = analyzer->word_end = 0;
    return DBT_OK;
}

/* `at` moved over one code point. */
static inline size_t skip_code_point(const char *data, size_t at)
{
    unsigned char lead = (unsigned char)data[at];
    return at + (lead < 0x80 ? 1U : lead < 0xE0 ? 2U : lead < 0xF0 ? 3U : 4U);
}

static inline size_t next_chars(dbt__analyzer *analyzer, uint32_t tag, dbt__ngram *ngrams,
                                size_t capacity)
{
    uint32_t n_min = analyzer->options.ngram_min, n_max = analyzer->options.ngram_max;
    size_t width = n_max - n_min + 1, given = 0, at = analyzer->at;
    const char *data = analyzer->data;
    while (at < analyzer->length && given + width <= capacity) {
        size_t end = at;
        analyzer->group = at;
        for (uint32_t n = 1; n <= n_max && end < analyzer->length; n++) {
            end = skip_code_point(data, end);
            if (n >= n_min) ngrams[given++] = hash_slice(analyzer, at, end, tag);
        }
        at = skip_code_point(data, at);
    }
    analyzer->at = at;
    return given;
}

/*
 * scikit-learn slides each length over the padded word; a word that is not longer than the length
 * counts once, whole, and ends the lengths. So at the word's first place there is one n-gram more,
 * the whole of a short word.
 */
static inline size_t next_padded(dbt__analyzer *analyzer, uint32_t tag, dbt__ngram *ngrams,
                                 size_t capacity)
{
    uint32_t n_min = analyzer->options.ngram_min, n_max = analyzer->options.ngram_max;
    size_t width = n_max - n_min + 1, given = 0, at = analyzer->at;
    const char *data = analyzer->data;
    while (given + width <= capacity) {
        if (at >= analyzer->word_end) {
            if (analyzer->word_end + 1 >= analyzer->length) break;
            analyzer->word_start = at = analyzer->word_end == 0 ? 0 : analyzer->word_end - 1;
            const char *space = memchr(data + at + 1, ' ', analyzer->length - at - 1);
            analyzer->word_end = (size_t)(space - data) + 1;
        }
        size_t end = at, before = given;
        uint32_t n = 0;
        while (n < n_max && end < analyzer->word_end) {
            end = skip_code_point(data, end);
            if (++n >= n_min) ngrams[given++] = hash_slice(analyzer, at, end, tag);
        }
        if (at == analyzer->word_start && n < n_min)
            ngrams[given++] = hash_slice(analyzer, at, end, tag);
        if (given > before) analyzer->group = at;
        /* Later places have no n-gram either. */
        at = n < n_min ? analyzer->word_end : skip_code_point(data, at);
    }
    analyzer->at = at;
    return given;
}

/* --- either --- */

dbt_status dbt__analyzer_begin(dbt__analyzer *analyzer, const char *text, size_t bytes,
                               dbt_error *err)
{
    dbt_status status = dbt__normalize(&analyzer->normalizer, text, bytes, err);
    if (status < 0) return status;
    analyzer->data = analyzer->normalizer.data;
    analyzer->length = analyzer->normalizer.length;
    analyzer->at = 0;
    switch (analyzer->options.kind) {
    case DBT__ANALYZER_WORD:
        find_edges(analyzer);
        return DBT_OK;
    case DBT__ANALYZER_CHAR:
        collapse_spaces(analyzer);
        return DBT_OK;
    case DBT__ANALYZER_CHAR_WB:
        return pad_words(analyzer, err);
    }
    return dbt__fail(err, DBT_EINTERNAL, "unknown analyzer");
}

size_t dbt__analyzer_next(dbt__analyzer *analyzer, uint32_t tag, dbt__ngram *ngrams,
                          size_t capacity)
{
    uint32_t n_min = analyzer->options.ngram_min, n_max = analyzer->options.ngram_max;
    switch (analyzer->options.kind) {
    case DBT__ANALYZER_CHAR:
        return next_chars(analyzer, tag, ngrams, capacity);
    case DBT__ANALYZER_CHAR_WB:
        return next_padded(analyzer, tag, ngrams, capacity);
    case DBT__ANALYZER_WORD:
        break;
    }
    if (n_min == 1 && n_max == 1) return next_words(analyzer, 1, 1, tag, ngrams, capacity);
    if (n_min == 1 && n_max == 2) return next_words(analyzer, 1, 2, tag, ngrams, capacity);
    return next_words(analyzer, n_min, n_max, tag, ngrams, capacity);
}

static dbt_status build_word_term(dbt__analyzer *analyzer, size_t n, dbt_error *err)
{
    dbt__buffer *term = &analyzer->term;
    term->length = 0;
    dbt_status status = DBT_OK;
    for (size_t k = n; status == DBT_OK && k > 0; k--) {
        word_span span = analyzer->span[(analyzer->n_words - k) % DBT__NGRAM_MAX];
        if (term->length > 0) status = dbt__buffer_append(term, " ", 1, err);
        if (status == DBT_OK)
            status =
                dbt__buffer_append(term, analyzer->data + span.start, span.end - span.start, err);
    }
    return status;
}

dbt_status dbt__analyzer_term(dbt__analyzer *analyzer, size_t i, const char **term,
                              size_t *term_bytes, dbt_error *err)
{
    size_t n = analyzer->options.ngram_min + i;
    if (analyzer->options.kind == DBT__ANALYZER_WORD) {
        dbt_status status = build_word_term(analyzer, n, err);
        if (status < 0) return status;
        *term = analyzer->term.data;
        *term_bytes = analyzer->term.length;
        return DBT_OK;
    }
    size_t limit =
        analyzer->options.kind == DBT__ANALYZER_CHAR_WB ? analyzer->word_end : analyzer->length;
    size_t end = analyzer->group;
    for (size_t k = 0; k < n && end < limit; k++)
        end = skip_code_point(analyzer->data, end);
    *term = analyzer->data + analyzer->group;
    *term_bytes = end - analyzer->group;
    return DBT_OK;
}

dbt_status dbt__analyzer_hash(dbt__analyzer *analyzer, const char *term, size_t term_bytes,
                              dbt__ngram *ngram, dbt_error *err)
{
    dbt__buffer *copy = &analyzer->key;
    copy->length = 0;
    dbt_status status = dbt__buffer_append(copy, term, term_bytes, err);
    if (status == DBT_OK) status = dbt__buffer_reserve(copy, DBT__HASH_PADDING, err);
    if (status < 0) return status;
    memset(copy->data + copy->length, 0, DBT__HASH_PADDING);
    bool words = analyzer->options.kind == DBT__ANALYZER_WORD;
    dbt__hash128 hash = {0, 0};
    for (size_t at = 0, end; at <= term_bytes; at = end + 1) {
        const char *space = words ? memchr(copy->data + at, ' ', term_bytes - at) : NULL;
        end = space == NULL ? term_bytes : (size_t)(space - copy->data);
        dbt__hash128 token = dbt__hash_bytes(&analyzer->keys, copy->data + at, end - at);
        hash = at == 0 ? token : dbt__hash_join(hash, token);
    }
    *ngram = make_ngram(hash, analyzer->options.hash_mask, 0);
    return DBT_OK;
}
