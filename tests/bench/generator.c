/*
 * generator.c: words, lengths and classes of a made-up language.
 *
 * What takes time is drawing a word and copying it. A rank is drawn with one look into a table of
 * quantiles: where the frequent words are a quantile falls into one word, and where the rare ones
 * are it covers many, of nearly equal frequency, among which the rest of the random number chooses.
 * Words lie in slots of a fixed size, so that a copy has a length the compiler knows.
 */
#include "generator.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base.h"

enum {
    VOCABULARY = 1 << 20,
    QUANTILES = 1 << 16,
    SLOT_BYTES = 24, /* the last one is the word's length */
    MARK_BYTES = 2,  /* after a word: ", " */
    SYLLABLES = 100,
    CODAS = 6,
    PAIR_GROUPS = 64,
    FIRST_PAIR = 400 /* the rank of the first word of pairs */
};

/* Weights of the words' frequencies: 1 / (rank + SHIFT), rank from 1. */
static const double shift = 2.7;
static const double length_sigma = 0.6;

/* A syllable is one of 10 or 20 onsets and one of 10 or 5 vowels. */
typedef struct alphabet {
    const char *name;
    const char *onset[20];
    const char *vowel[5];
    const char *coda[CODAS];
} alphabet;

static const alphabet alphabets[GENERATOR_SCRIPTS] = {
    [GENERATOR_LATIN] = {"latin",
                         {"b", "c", "d", "f",  "g",  "h",  "k",  "l", "m", "n",
                          "p", "r", "s", "sh", "st", "th", "tr", "v", "w", "z"},
                         {"a", "e", "i", "o", "u"},
                         {"", "n", "r", "s", "t", "l"}},
    [GENERATOR_CYRILLIC] = {"cyrillic",
                            {"б", "в", "г", "д", "ж", "з", "к", "л", "м", "н",
                             "п", "р", "с", "т", "ф", "х", "ц", "ч", "ш", "щ"},
                            {"а", "е", "и", "о", "у"},
                            {"", "м", "т", "х", "л", "й"}},
    [GENERATOR_HANGUL] = {.name = "hangul"},
};

struct generator {
    generator_options options;
    uint32_t quantile[QUANTILES + 1]; /* the first rank, from 0, of each */
    char (*word)[SLOT_BYTES];         /* [VOCABULARY] */
    uint32_t *order;                  /* [documents]; NULL when sorted */
    uint64_t key;                     /* of the document at hand, */
    uint64_t drawn;                   /* and how many numbers were drawn */
    char *text;
    char *end; /* of what is written */
    size_t capacity;
    bool capital; /* the next word begins a sentence */
};

void generator_options_init(generator_options *options)
{
    *options = (generator_options){.seed = 1, .documents = 100000, .classes = 2, .words = 30};
}

const char *generator_script_name(generator_script script)
{
    return alphabets[script].name;
}

/* --- words --- */

static char *append(char *end, const char *text)
{
    size_t bytes = strlen(text);
    memcpy(end, text, bytes);
    return end + bytes;
}

/* Hangul's block of (lead * 21 + vowel) * 28 + tail, from U+AC00, in UTF-8. */
static char *append_hangul(char *end, uint32_t syllable, uint32_t coda)
{
    static const uint32_t tail[CODAS] = {0, 4, 8, 16, 21, 1};
    uint32_t block = (syllable / 10 * 21 + syllable % 10 * 2) * 28 + tail[coda];
    uint32_t point = 0xac00 + block;
    *end++ = (char)(0xe0 | point >> 12);
    *end++ = (char)(0x80 | (point >> 6 & 0x3f));
    *end++ = (char)(0x80 | (point & 0x3f));
    return end;
}

/* A word of n syllables; different numbers give different words. */
static char *append_syllables(char *end, generator_script script, uint64_t number, size_t n)
{
    const alphabet *letters = &alphabets[script];
    uint32_t coda = (uint32_t)(number % CODAS);
    number /= CODAS;
    for (size_t i = 0; i < n; i++, number /= SYLLABLES) {
        uint32_t syllable = (uint32_t)(number % SYLLABLES);
        if (script == GENERATOR_HANGUL) {
            end = append_hangul(end, syllable, i + 1 == n ? coda : 0);
        } else {
            end = append(end, letters->onset[syllable / 5]);
            end = append(end, letters->vowel[syllable % 5]);
        }
    }
    return script == GENERATOR_HANGUL ? end : append(end, letters->coda[coda]);
}

/* The 120 most frequent words have one syllable, the next 6,000 two, then come three and four.
 * Multiplying by a number that is coprime to how many there are makes neighbours differ. */
static void make_word(generator_script script, uint32_t rank, char slot[SLOT_BYTES])
{
    static const uint32_t last[] = {120, 6120, 606120, VOCABULARY};
    size_t level = 0;
    uint64_t possible = (uint64_t)CODAS * SYLLABLES;
    while (rank >= last[level]) {
        level++;
        possible *= SYLLABLES;
    }
    uint64_t index = rank - (level == 0 ? 0 : last[level - 1]);
    char *end = append_syllables(slot, script, index * 1000003 % possible, level + 1);
    slot[SLOT_BYTES - 1] = (char)(end - slot);
}

static void fill_quantiles(uint32_t quantile[QUANTILES + 1])
{
    double total = 0, sum = 0;
    for (uint32_t rank = 0; rank < VOCABULARY; rank++)
        total += 1 / (rank + 1 + shift);
    uint32_t rank = 0;
    for (uint32_t q = 0; q <= QUANTILES; q++) {
        while (rank < VOCABULARY - 1 && sum + 1 / (rank + 1 + shift) <= q * (total / QUANTILES)) {
            sum += 1 / (rank + 1 + shift);
            rank++;
        }
        quantile[q] = rank;
    }
}

/* --- the order of documents --- */

static uint32_t *shuffle_order(uint64_t seed, int64_t n)
{
    uint32_t *order = malloc((size_t)n * sizeof *order);
    if (order == NULL) return NULL;
    for (int64_t i = 0; i < n; i++)
        order[i] = (uint32_t)i;
    for (int64_t i = n - 1; i > 0; i--) {
        uint64_t j = dbt__random_below(~seed, (uint64_t)i, (uint64_t)i + 1);
        uint32_t kept = order[i];
        order[i] = order[j];
        order[j] = kept;
    }
    return order;
}

generator *generator_new(const generator_options *options)
{
    generator *made = calloc(1, sizeof *made);
    if (made == NULL) return NULL;
    made->options = *options;
    made->word = calloc(VOCABULARY, sizeof *made->word);
    if (!options->sorted) made->order = shuffle_order(options->seed, options->documents);
    if (made->word == NULL || (!options->sorted && made->order == NULL)) {
        generator_free(made);
        return NULL;
    }
    for (uint32_t rank = 0; rank < VOCABULARY; rank++)
        make_word(options->script, rank, made->word[rank]);
    fill_quantiles(made->quantile);
    return made;
}

void generator_free(generator *g)
{
    if (g == NULL) return;
    free(g->word);
    free(g->order);
    free(g->text);
    free(g);
}

/* --- documents --- */

static uint64_t draw(generator *g)
{
    return dbt__random(g->key, g->drawn++);
}

static bool draw_chance(generator *g, double chance)
{
    return (double)(draw(g) >> 11) * 0x1.0p-53 < chance;
}

static uint32_t draw_below(generator *g, uint32_t bound)
{
    return (uint32_t)((draw(g) >> 32) * bound >> 32);
}

/* exp(sigma * z) * median; z is a sum of twelve uniform numbers. */
static size_t draw_length(generator *g)
{
    double z = -6;
    for (int i = 0; i < 3; i++) {
        uint64_t r = draw(g);
        for (int part = 0; part < 4; part++, r >>= 16)
            z += (double)(r & 0xffff) * 0x1.0p-16;
    }
    double length = g->options.words * exp(length_sigma * z);
    return length < 1 ? 1 : (size_t)length;
}

/* a to z, а to п and р to я; other scripts have no capitals. */
static void capitalise(char *word)
{
    unsigned char *byte = (unsigned char *)word;
    if (byte[0] >= 'a' && byte[0] <= 'z')
        byte[0] = (unsigned char)(byte[0] - 32);
    else if (byte[0] == 0xd0 && byte[1] >= 0xb0)
        byte[1] = (unsigned char)(byte[1] - 32);
    else if (byte[0] == 0xd1 && byte[1] < 0x90) {
        byte[0] = 0xd0;
        byte[1] = (unsigned char)(byte[1] + 32);
    }
}

static void append_word(generator *g, uint32_t rank)
{
    const char *slot = g->word[rank];
    memcpy(g->end, slot, SLOT_BYTES);
    if (g->capital) capitalise(g->end);
    g->capital = false;
    g->end += slot[SLOT_BYTES - 1];
    *g->end++ = ' ';
}

/* A sentence has some sixteen words, and a comma. */
static void append_mark(generator *g, uint64_t random)
{
    if ((random & 15) > 1) return;
    g->capital = (random & 15) == 0;
    g->end[-1] = g->capital ? '.' : ',';
    *g->end++ = ' ';
}

static void append_random_word(generator *g, uint64_t random)
{
    const uint32_t *quantile = &g->quantile[random >> 48];
    uint64_t rest = random >> 32 & 0xffff;
    append_word(g, quantile[0] + (uint32_t)((quantile[1] - quantile[0]) * rest >> 16));
    append_mark(g, random);
}

/*
 * A pair of the class, or in a third of the cases of a random one; one in eight is a topic word
 * instead, of the class in a third of the cases.
 *
 * Words of pairs are in groups of as many as there are classes. In a group any a is as frequent as
 * any other; after a number `row` comes b number row + class, so each b is, too.
 */
static void append_hint(generator *g, uint32_t class)
{
    uint32_t classes = (uint32_t)g->options.classes;
    bool topic = draw_below(g, 8) == 0;
    if (!draw_chance(g, topic ? 1.0 / 3 : 2.0 / 3)) class = draw_below(g, classes);
    uint32_t low = draw_below(g, PAIR_GROUPS), high = draw_below(g, PAIR_GROUPS);
    uint32_t first = (low < high ? low : high) * classes; /* earlier groups are more frequent */
    uint32_t row = draw_below(g, classes);
    if (topic) {
        append_word(g, FIRST_PAIR + 3 * (first + class) + 2);
        return;
    }
    append_word(g, FIRST_PAIR + 3 * (first + row));
    append_word(g, FIRST_PAIR + 3 * (first + (row + class) % classes) + 1);
}

static bool reserve_text(generator *g, size_t words)
{
    size_t needed = (words + 2) * (SLOT_BYTES + MARK_BYTES);
    if (needed > g->capacity) {
        char *grown = realloc(g->text, 2 * needed);
        if (grown == NULL) return false;
        g->text = grown;
        g->capacity = 2 * needed;
    }
    g->end = g->text;
    g->capital = true;
    return true;
}

generated generator_next(generator *g, int64_t k)
{
    int64_t document = g->order == NULL ? k : g->order[k];
    int64_t classes = g->options.classes;
    uint32_t class = (uint32_t)(document * classes / g->options.documents);
    g->key = dbt__random(g->options.seed, (uint64_t)document);
    g->drawn = 0;
    size_t words = draw_length(g);
    if (!reserve_text(g, words)) return (generated){0};
    for (size_t i = 0; i < words; i++) {
        uint64_t random = draw(g);
        if ((random >> 16 & 7) == 0)
            append_hint(g, class);
        else
            append_random_word(g, random);
    }
    while (g->end[-1] == ' ' || g->end[-1] == '.' || g->end[-1] == ',')
        g->end--;
    *g->end++ = '.';
    *g->end = '\0';
    bool noisy = g->options.noise > 0 && draw_chance(g, g->options.noise);
    uint32_t label = noisy ? draw_below(g, (uint32_t)classes) : class;
    return (generated){g->text, (size_t)(g->end - g->text), (int64_t)label + 1};
}

bool generator_write(generator *g, FILE *file)
{
    for (int64_t k = 0; k < g->options.documents; k++) {
        generated document = generator_next(g, k);
        if (document.text == NULL) return false;
        (void)fprintf(file, "\"%lld\",\"", (long long)document.label);
        (void)fwrite(document.text, 1, document.bytes, file);
        if (fwrite("\"\n", 1, 2, file) != 2) return false;
    }
    return fflush(file) == 0;
}
