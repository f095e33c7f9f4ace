/*
 * bench.c: the benchmark's program: options, and a process for each section.
 *
 * run.sh builds and calls it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <dbtrain/heap.h>
#include <dbtrain/pool.h>

#include "bench.h"

typedef struct section {
    const char *name;
    const char *what;
    void (*run)(const bench_options *options);
} section;

static const section sections[] = {
#define SECTION_ROW(name, what) {#name, what, bench_section_##name},
    BENCH_SECTIONS(SECTION_ROW)
#undef SECTION_ROW
};
enum { N_SECTIONS = sizeof sections / sizeof sections[0] };

static const char usage[] =
    "usage: bench --folder DIR [OPTION...] [SECTION...]\n"
    "\n"
    "Measures contestants in turn and prints medians, with minimum and maximum. Without a\n"
    "SECTION all are measured.\n"
    "\n"
    "  --folder DIR     where files are put; --large needs 15 GB there\n"
    "  --runs N         of each contestant (default: 5)\n"
    "  --threads N      (default: usable cores)\n"
    "  --size N,...     documents of generated corpora, instead of each section's own\n"
    "  --large          10 million documents, too, in paging and growth\n"
    "  --data DIR       data sets: imdb/train.csv, imdb/test.csv, 20news-bydate.tar.gz\n"
    "  --dbtrain FILE   the program\n"
    "  --python FILE    an interpreter with scikit-learn and torch (default: /usr/bin/python3)\n"
    "  --json           an object of JSON a line instead of tables\n"
    "\n"
    "Sections:\n";

static void print_usage(void)
{
    (void)fputs(usage, stdout);
    for (size_t i = 0; i < N_SECTIONS; i++)
        (void)printf("  %-10s %s\n", sections[i].name, sections[i].what);
}

/* A number from 1; what follows it is put into *rest. */
static int64_t parse_count(const char *text, const char **rest)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno != 0 || end == text || value < 1) bench_fail("not an acceptable number '%s'", text);
    *rest = end;
    return value;
}

static int64_t parse_only_count(const char *text)
{
    const char *rest;
    int64_t value = parse_count(text, &rest);
    if (*rest != '\0') bench_fail("not an acceptable number '%s'", text);
    return value;
}

static void parse_sizes(const char *text, bench_options *options)
{
    for (options->n_sizes = 0; options->n_sizes < BENCH_MAXIMUM_SIZES; text++) {
        options->size[options->n_sizes++] = parse_count(text, &text);
        if (*text != ',') break;
    }
    if (*text != '\0') bench_fail("not a list of at most %d sizes", BENCH_MAXIMUM_SIZES);
}

enum { FOLDER = 1, RUNS, THREADS, SIZES, LARGE, DATA, DBTRAIN, PYTHON, JSON, HELP };

static const struct option option_names[] = {{"folder", required_argument, NULL, FOLDER},
                                             {"runs", required_argument, NULL, RUNS},
                                             {"threads", required_argument, NULL, THREADS},
                                             {"size", required_argument, NULL, SIZES},
                                             {"large", no_argument, NULL, LARGE},
                                             {"data", required_argument, NULL, DATA},
                                             {"dbtrain", required_argument, NULL, DBTRAIN},
                                             {"python", required_argument, NULL, PYTHON},
                                             {"json", no_argument, NULL, JSON},
                                             {"help", no_argument, NULL, HELP},
                                             {0}};

static void parse_options(int argc, char **argv, bench_options *options)
{
    int name;
    while ((name = getopt_long(argc, argv, "", option_names, NULL)) != -1) {
        switch (name) {
        case FOLDER:
            options->folder = optarg;
            break;
        case RUNS:
            options->runs = (size_t)parse_only_count(optarg);
            break;
        case THREADS:
            options->threads = (size_t)parse_only_count(optarg);
            break;
        case SIZES:
            parse_sizes(optarg, options);
            break;
        case LARGE:
            options->large = true;
            break;
        case DATA:
            options->data = optarg;
            break;
        case DBTRAIN:
            options->dbtrain = optarg;
            break;
        case PYTHON:
            options->python = optarg;
            break;
        case JSON:
            options->json = true;
            break;
        case HELP:
            print_usage();
            exit(0);
        default:
            exit(2);
        }
    }
    if (options->folder == NULL) bench_fail("--folder is missing");
}

/* The first "model name" of /proc/cpuinfo. */
static void read_processor(char *name, size_t bytes)
{
    char line[256];
    (void)snprintf(name, bytes, "unknown processor");
    FILE *file = fopen("/proc/cpuinfo", "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        char *value = strstr(line, ": ");
        if (strncmp(line, "model name", 10) != 0 || value == NULL) continue;
        value[strcspn(value, "\n")] = '\0';
        (void)snprintf(name, bytes, "%s", value + 2);
        break;
    }
    if (file != NULL) (void)fclose(file);
}

static void print_machine(const bench_options *options)
{
    char processor[128], date[32];
    time_t now = time(NULL);
    read_processor(processor, sizeof processor);
    (void)strftime(date, sizeof date, "%Y-%m-%d %H:%M UTC", gmtime(&now));
    if (options->json)
        (void)printf("{\"date\": \"%s\", \"processor\": \"%s\", \"cores\": %zu}\n", date, processor,
                     dbt_usable_cores());
    else
        (void)printf(
            "%s, %s, %zu cores; %zu threads; median (minimum-maximum) of %zu runs in turn\n", date,
            processor, dbt_usable_cores(), options->threads, options->runs);
}

static bool is_wanted(const section *s, int n, char **names)
{
    for (int i = 0; i < n; i++)
        if (strcmp(names[i], s->name) == 0) return true;
    return n == 0;
}

static void check_names(int n, char **names)
{
    for (int i = 0; i < n; i++) {
        bool known = false;
        for (size_t s = 0; s < N_SECTIONS; s++)
            known |= strcmp(names[i], sections[s].name) == 0;
        if (!known) bench_fail("unknown section '%s'", names[i]);
    }
}

static bool run_section(const section *s, const bench_options *options)
{
    (void)fflush(stdout);
    pid_t child = fork();
    if (child < 0) bench_fail("cannot start a process: %s", strerror(errno));
    if (child == 0) {
        s->run(options);
        exit(0);
    }
    int status;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR) bench_fail("cannot wait: %s", strerror(errno));
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return true;
    (void)fprintf(stderr, "bench: section %s failed\n", s->name);
    return false;
}

int main(int argc, char **argv)
{
    bench_options options = {.data = BENCH_DATA,
                             .dbtrain = BENCH_DBTRAIN,
                             .python = "/usr/bin/python3",
                             .scripts = BENCH_SCRIPTS,
                             .runs = 5,
                             .threads = dbt_usable_cores()};
    dbt_tune_heap(); /* as the program does */
    parse_options(argc, argv, &options);
    check_names(argc - optind, argv + optind);
    print_machine(&options);
    bool all_ran = true;
    for (size_t i = 0; i < N_SECTIONS; i++)
        if (is_wanted(&sections[i], argc - optind, argv + optind))
            all_ran &= run_section(&sections[i], &options);
    return all_ran ? 0 : 1;
}
