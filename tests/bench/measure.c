/* measure.c: contestants in turn, medians, and how they are shown. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

enum { CELL_BYTES = 64, PATH_BYTES = 512 };

/* The values of a metric over the runs. */
typedef struct summary {
    double median, minimum, maximum; /* NaN: not measured */
} summary;

double bench_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

void bench_fail(const char *format, ...)
{
    va_list arguments;
    (void)fflush(stdout);
    (void)fputs("bench: ", stderr);
    va_start(arguments, format);
    (void)vfprintf(stderr, format, arguments);
    va_end(arguments);
    (void)fputc('\n', stderr);
    exit(1);
}

void bench_must(dbt_status status, const dbt_error *err)
{
    if (status < 0) bench_fail("%s", err->message);
}

void *bench_allocate(size_t n, size_t size)
{
    void *memory = calloc(n == 0 ? 1 : n, size);
    if (memory == NULL) bench_fail("out of memory for %zu times %zu bytes", n, size);
    return memory;
}

const char *bench_path(const bench_options *options, const char *format, ...)
{
    char *path = bench_allocate(PATH_BYTES, 1), name[PATH_BYTES / 2];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(name, sizeof name, format, arguments);
    va_end(arguments);
    if (snprintf(path, PATH_BYTES, "%s/%s", options->folder, name) >= PATH_BYTES)
        bench_fail("'%s' is too long", options->folder);
    return path;
}

const char *bench_grouped(int64_t n)
{
    char digits[24], *grouped = bench_allocate(sizeof digits * 2, 1), *end = grouped;
    (void)snprintf(digits, sizeof digits, "%lld", (long long)n);
    for (size_t left = strlen(digits), i = 0; left > 0; left--, i++) {
        if (i > 0 && left % 3 == 0) *end++ = ',';
        *end++ = digits[i];
    }
    return grouped;
}

void bench_remove_database(const char *path)
{
    static const char *const endings[] = {"", "-wal", "-shm", "-writer"};
    char name[PATH_BYTES + 8];
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        (void)snprintf(name, sizeof name, "%s%s", path, endings[i]);
        (void)unlink(name);
    }
}

static void print_json_text(const char *name, const char *text)
{
    (void)printf("\"%s\": \"", name);
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\') (void)putchar('\\');
        (void)putchar(*text);
    }
    (void)putchar('"');
}

void bench_skip(const bench_options *options, const char *section, const char *format, ...)
{
    char cause[PATH_BYTES];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(cause, sizeof cause, format, arguments);
    va_end(arguments);
    if (options->json) {
        (void)printf("{\"section\": \"%s\", ", section);
        print_json_text("skipped", cause);
        (void)printf("}\n");
    } else {
        (void)printf("\n%s: skipped: %s\n", section, cause);
    }
    (void)fflush(stdout);
}

void bench_read_values(void *context, size_t run, double *value)
{
    (void)run;
    memcpy(value, context, BENCH_MAXIMUM_METRICS * sizeof *value);
}

static int compare_numbers(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* Sorts the values. */
static summary summarise(size_t n, double *value)
{
    for (size_t i = 0; i < n; i++)
        if (isnan(value[i])) return (summary){NAN, NAN, NAN};
    qsort(value, n, sizeof *value, compare_numbers);
    return (summary){(value[(n - 1) / 2] + value[n / 2]) / 2, value[0], value[n - 1]};
}

static void write_cell(char cell[CELL_BYTES], summary s, int decimals)
{
    if (isnan(s.median))
        (void)strcpy(cell, "-");
    else
        (void)snprintf(cell, CELL_BYTES, "%.*f (%.*f-%.*f)", decimals, s.median, decimals,
                       s.minimum, decimals, s.maximum);
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static void print_table(const bench_table *table, const summary *s)
{
    char cell[CELL_BYTES];
    size_t name_width = 0, width[BENCH_MAXIMUM_METRICS] = {0};
    for (size_t c = 0; c < table->n_contestants; c++)
        name_width = larger(name_width, strlen(table->contestant[c].name));
    for (size_t m = 0; m < table->n_metrics; m++) {
        width[m] = strlen(table->metric[m].name);
        for (size_t c = 0; c < table->n_contestants; c++) {
            write_cell(cell, s[c * table->n_metrics + m], table->metric[m].decimals);
            width[m] = larger(width[m], strlen(cell));
        }
    }
    (void)printf("\n%s: %s\n%*s", table->section, table->title, (int)name_width, "");
    for (size_t m = 0; m < table->n_metrics; m++)
        (void)printf("  %*s", (int)width[m], table->metric[m].name);
    (void)printf("   ratio\n");
    for (size_t c = 0; c < table->n_contestants; c++) {
        (void)printf("%-*s", (int)name_width, table->contestant[c].name);
        for (size_t m = 0; m < table->n_metrics; m++) {
            write_cell(cell, s[c * table->n_metrics + m], table->metric[m].decimals);
            (void)printf("  %*s", (int)width[m], cell);
        }
        (void)printf("  %6.2f\n", s[c * table->n_metrics].median / s[0].median);
    }
    if (table->note != NULL) (void)printf("%s\n", table->note);
}

static void print_json(const bench_options *options, const bench_table *table, const summary *s)
{
    for (size_t c = 0; c < table->n_contestants; c++) {
        (void)printf("{\"section\": \"%s\", ", table->section);
        print_json_text("title", table->title);
        (void)printf(", ");
        print_json_text("contestant", table->contestant[c].name);
        (void)printf(", \"runs\": %zu, \"threads\": %zu", options->runs, options->threads);
        for (size_t m = 0; m < table->n_metrics; m++) {
            const summary *value = &s[c * table->n_metrics + m];
            if (!isnan(value->median))
                (void)printf(", \"%s\": {\"median\": %.9g, \"min\": %.9g, \"max\": %.9g}",
                             table->metric[m].name, value->median, value->minimum, value->maximum);
        }
        double ratio = s[c * table->n_metrics].median / s[0].median;
        if (!isnan(ratio)) (void)printf(", \"ratio\": %.4g", ratio);
        (void)printf("}\n");
    }
}

void bench_measure(const bench_options *options, const bench_table *table)
{
    size_t n = table->n_contestants, runs = options->runs;
    double *value = bench_allocate(n * table->n_metrics * runs, sizeof *value);
    summary *s = bench_allocate(n * table->n_metrics, sizeof *s);
    for (size_t run = 0; run < runs; run++) {
        for (size_t c = 0; c < n; c++) {
            double measured[BENCH_MAXIMUM_METRICS];
            for (size_t m = 0; m < BENCH_MAXIMUM_METRICS; m++)
                measured[m] = NAN;
            table->contestant[c].run(table->contestant[c].context, run, measured);
            for (size_t m = 0; m < table->n_metrics; m++)
                value[(c * table->n_metrics + m) * runs + run] = measured[m];
        }
    }
    for (size_t i = 0; i < n * table->n_metrics; i++)
        s[i] = summarise(runs, value + i * runs);
    if (options->json)
        print_json(options, table, s);
    else
        print_table(table, s);
    (void)fflush(stdout);
    free(value);
    free(s);
}
