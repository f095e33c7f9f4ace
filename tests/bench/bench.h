/*
 * bench.h: what the sections of the benchmark share: how contestants are measured and shown, child
 * processes, and documents in memory.
 *
 * A section is a function that measures one or more tables. Each runs in a process of its own, so
 * that its memory, and its failure, are its own: whatever goes wrong there ends it with a message
 * (bench_must, bench_fail).
 */
#ifndef DBT_BENCH_H
#define DBT_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <dbtrain/batch.h>
#include <dbtrain/cursor.h>
#include <dbtrain/page.h>
#include <dbtrain/pool.h>
#include <dbtrain/status.h>
#include <dbtrain/store.h>
#include <dbtrain/vectorizer.h>

#include "generator.h"

enum { BENCH_MAXIMUM_SIZES = 8, BENCH_PAGE_ROWS = 128 };

typedef struct bench_options {
    const char *folder;  /* for files; whoever calls the program removes it */
    const char *data;    /* folder of data sets; may be missing */
    const char *dbtrain; /* the program */
    const char *python;  /* an interpreter that may have scikit-learn and torch */
    const char *scripts; /* the folder of pipeline.py */
    size_t runs;
    size_t threads;
    size_t n_sizes;
    int64_t size[BENCH_MAXIMUM_SIZES]; /* documents of generated corpora; none: the section's own */
    bool large;                        /* 10 million documents too, where sizes grow */
    bool json;
} bench_options;

/* --- measure.c --- */

enum { BENCH_MAXIMUM_METRICS = 6 };

typedef struct bench_metric {
    const char *name; /* with the unit */
    int decimals;
} bench_metric;

/* Measures a run, 0 .. runs - 1; value[m] is NaN unless it is set. */
typedef void (*bench_run)(void *context, size_t run, double *value);

typedef struct bench_contestant {
    const char *name;
    bench_run run;
    void *context;
} bench_contestant;

typedef struct bench_table {
    const char *section;
    const char *title;
    const char *note; /* what is counted; NULL: nothing needs saying */
    size_t n_metrics;
    bench_metric metric[BENCH_MAXIMUM_METRICS]; /* ratios are those of the first */
    size_t n_contestants;
    const bench_contestant *contestant;
} bench_table;

/* Runs the contestants in turn, A B A B ..., and prints median, minimum and maximum of each metric,
 * and the ratio of the medians of the first metric to the first contestant's. */
void bench_measure(const bench_options *options, const bench_table *table);
/* A contestant that was measured together with one before it: context is its double values, as many
 * as there are metrics. */
void bench_read_values(void *context, size_t run, double *value);
/* Says that something is not measured, and why. */
void bench_skip(const bench_options *options, const char *section, const char *format, ...)
    DBT_PRINTF(3, 4);
double bench_now(void); /* seconds, of a clock that only goes forward */

/* Ends the section. */
_Noreturn void bench_fail(const char *format, ...) DBT_PRINTF(1, 2);
/* Ends the section unless status is DBT_OK or DBT_DONE. */
void bench_must(dbt_status status, const dbt_error *err);
void *bench_allocate(size_t n, size_t size);

/* A path in the section's folder; valid as long as the section runs. */
const char *bench_path(const bench_options *options, const char *format, ...) DBT_PRINTF(2, 3);
/* "1,000,000"; valid as long as the section runs. */
const char *bench_grouped(int64_t n);
/* With the files that SQLite and dbtrain put beside it. */
void bench_remove_database(const char *path);

/* --- process.c --- */

typedef struct bench_usage {
    double seconds;
    double cpu;     /* user and system */
    double peak;    /* bytes, maximum resident set */
    double watched; /* seconds until the watched file had content; NaN: none */
} bench_usage;

/* Runs a program to its end; argv ends with NULL. stdout goes to `output` unless it is NULL. Ends
 * the section when the program fails. */
bench_usage bench_process(const bench_options *options, const char *const *argv, const char *output,
                          const char *watched);
/* As it, but tells whether the program succeeded. */
bool bench_try(const bench_options *options, const char *const *argv);
/* Adds up seconds and cpu; peak is the larger. */
void bench_add_usage(bench_usage *sum, bench_usage more);
/* The number after `key` in a file, NaN when it is not there. */
double bench_number_in(const char *path, const char *key);

/* --- documents.c --- */

/* Documents in memory. */
typedef struct bench_documents {
    size_t n;
    dbt_text *text;
    int64_t *label_id;
    size_t bytes; /* of all texts */
    char *memory;
} bench_documents;

bench_documents bench_generate(const generator_options *options);
/* All documents of a split, through the cursor. */
bench_documents bench_load(const char *database, const char *split);
/* Appends copies of `more`. */
void bench_append(bench_documents *documents, const bench_documents *more);
void bench_release(bench_documents *documents);
/* As pages of BENCH_PAGE_ROWS. */
dbt_corpus bench_corpus(const bench_documents *documents);
/* Page `index` of it. */
void bench_fill_page(const bench_documents *documents, size_t index, dbt_page *page);
size_t bench_pages(const bench_documents *documents);

/* Writes a generated corpus as CSV. */
void bench_write_csv(const generator_options *options, const char *path);
/* Ingests files into a new database, with the library. */
void bench_ingest(const char *database, const char *const *paths, size_t n_paths);
/* A writable store, or one to read. */
dbt_store *bench_open(const char *database, dbt_store_mode mode);
/* Runs SQL, with foreign keys on and a function draw(n): random in [0, 1), the same for the same n.
 */
void bench_execute(const char *database, const char *script);
/* train.csv and test.csv of IMDb; false: they are not there. */
bool bench_find_imdb(const bench_options *options, const char *paths[2]);
/* The first of the sizes asked for, or `usual`. */
int64_t bench_size(const bench_options *options, int64_t usual);

/* --- the sections --- */

/* X(name, what) */
#define BENCH_SECTIONS(X)                                                                          \
    X(ingest, "CSV into a file: INSERT loop, sqlite3 .import, dbtrain")                            \
    X(paging, "pages of a split: raw scan, in order, shuffled, literal OFFSET; near and far")      \
    X(vectorize, "texts to tf-idf rows on one core, in three scripts")                             \
    X(count, "counting and selecting the vocabulary")                                              \
    X(epoch, "one training epoch and its parts")                                                   \
    X(threads, "a whole fit by one thread and by all")                                             \
    X(dense, "products of a wide network against OpenBLAS")                                        \
    X(shuffle, "accuracy after one epoch on a corpus sorted by class")                             \
    X(growth, "time and memory as documents grow")                                                 \
    X(job, "raw files to a model with its accuracy: dbtrain, fastText, scikit-learn and torch")

#define BENCH_SECTION_FUNCTION(name, what) void bench_section_##name(const bench_options *options);
BENCH_SECTIONS(BENCH_SECTION_FUNCTION)
#undef BENCH_SECTION_FUNCTION

#endif
