/*
 * generator.h: labelled documents of any number, with the statistics of natural text.
 *
 * Words are made up, pronounceable, the shorter the more frequent; their frequencies are
 * Zipf-Mandelbrot's, 1 / (rank + 2.7), over 2^20 words, so distinct n-grams grow with the corpus as
 * they do in natural text. Lengths of documents are log-normal (sigma 0.6). There are sentences,
 * commas and capitals.
 *
 * The class is carried by word pairs: one word in eight begins a pair (a, b). Which words
 * occur in pairs, and how often, is the same for every class; which b follows an a is not: two
 * thirds of the pairs are those of the document's class, the others of a random one. So a bag of
 * single words sees nothing of it; it has one weak hint besides, a topic word now and then. Pairs
 * and topic words belong to the language, not to the seed: corpora of different seeds are train and
 * test of one another.
 *
 * Document i is a function of (seed, i), and which document comes k-th one of (seed, k): the same
 * options give the same bytes, and a sorted corpus has the rows of the unsorted one. (Lengths go
 * through exp(), whose last bit may differ between C libraries.)
 *
 *     generator *g = generator_new(&options);
 *     for (int64_t k = 0; k < options.documents; k++)
 *         use(generator_next(g, k));
 *     generator_free(g);
 */
#ifndef DBT_BENCH_GENERATOR_H
#define DBT_BENCH_GENERATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef enum generator_script {
    GENERATOR_LATIN,
    GENERATOR_CYRILLIC,
    GENERATOR_HANGUL,
    GENERATOR_SCRIPTS
} generator_script;

typedef struct generator_options {
    uint64_t seed;           /* 1 */
    int64_t documents;       /* 100,000; 1 .. 2^32 - 1 */
    int64_t classes;         /* 2; 2 .. 1000; class c has as many documents as any other */
    double words;            /* 30; median words a document; 1 .. 100,000 */
    double noise;            /* 0; share of the labels that are drawn anew; 0 .. 1 */
    bool sorted;             /* false; true: ordered by class */
    generator_script script; /* latin */
} generator_options;

typedef struct generated {
    const char *text; /* valid until the next call; terminated by NUL */
    size_t bytes;
    int64_t label; /* 1 .. classes */
} generated;

typedef struct generator generator;

void generator_options_init(generator_options *options);
/* "latin", "cyrillic", "hangul" */
const char *generator_script_name(generator_script script);
/* NULL when there is no memory. */
generator *generator_new(const generator_options *options);
/* Takes NULL. */
void generator_free(generator *g);
/* The document that comes k-th, k from 0; text NULL when there is no memory. */
generated generator_next(generator *g, int64_t k);
/* The whole corpus as CSV, "label","text", without a header. False: errno says why. */
bool generator_write(generator *g, FILE *file);

#endif
