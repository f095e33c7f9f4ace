/* generate.c: a made-up corpus as CSV on stdout; generator.h says what it is like. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "generator.h"

static const char usage[] =
    "usage: generate [OPTION...] >FILE.csv\n"
    "\n"
    "Writes a corpus of made-up words with natural statistics as CSV (label, text). The same\n"
    "options give the same bytes; another seed gives other documents of the same language.\n"
    "\n"
    "  --documents N    (default: 100000)\n"
    "  --classes N      2 .. 1000, labels 1 .. N, equally frequent (default: 2)\n"
    "  --words N        median length of a document in words (default: 30)\n"
    "  --noise SHARE    of the labels that are drawn anew (default: 0)\n"
    "  --script NAME    latin, cyrillic or hangul (default: latin)\n"
    "  --sorted         ordered by class; the rows are the same\n"
    "  --seed N         (default: 1)\n";

typedef struct range {
    double low, high;
} range;

/* The ranges of the options that are numbers, by the letter that getopt returns. */
static const range ranges[] = {
    ['d'] = {1, 0x1.0p32 - 1}, ['c'] = {2, 1000}, ['w'] = {1, 100000}, ['n'] = {0, 1},
    ['s'] = {0, 0x1p53},
};

static int fail(const char *cause, const char *subject)
{
    (void)fprintf(stderr, "generate: %s '%s'\n", cause, subject);
    return 2;
}

static bool parse_number(int letter, const char *text, double *value)
{
    char *end;
    errno = 0;
    *value = strtod(text, &end);
    return errno == 0 && end != text && *end == '\0' && *value >= ranges[letter].low &&
           *value <= ranges[letter].high;
}

static bool parse_script(const char *text, generator_script *script)
{
    for (*script = 0; *script < GENERATOR_SCRIPTS; (*script)++)
        if (strcmp(text, generator_script_name(*script)) == 0) return true;
    return false;
}

/* Returns 0, or the program's exit code. */
static int parse_options(int argc, char **argv, generator_options *options)
{
    static const struct option names[] = {
        {"documents", required_argument, NULL, 'd'}, {"classes", required_argument, NULL, 'c'},
        {"words", required_argument, NULL, 'w'},     {"noise", required_argument, NULL, 'n'},
        {"seed", required_argument, NULL, 's'},      {"script", required_argument, NULL, 'S'},
        {"sorted", no_argument, NULL, 'o'},          {0}};
    int letter;
    while ((letter = getopt_long(argc, argv, "", names, NULL)) != -1) {
        double value = 0;
        if (letter == '?') return 2;
        if (letter == 'S' && !parse_script(optarg, &options->script))
            return fail("unknown script", optarg);
        if (strchr("dcwns", letter) != NULL && !parse_number(letter, optarg, &value))
            return fail("not an acceptable number", optarg);
        if (letter == 'd') options->documents = (int64_t)value;
        if (letter == 'c') options->classes = (int64_t)value;
        if (letter == 'w') options->words = value;
        if (letter == 'n') options->noise = value;
        if (letter == 's') options->seed = (uint64_t)value;
        if (letter == 'o') options->sorted = true;
    }
    return optind == argc ? 0 : fail("unexpected argument", argv[optind]);
}

int main(int argc, char **argv)
{
    generator_options options;
    generator_options_init(&options);
    if (argc == 2 && strcmp(argv[1], "--help") == 0) return fputs(usage, stdout) < 0;
    int code = parse_options(argc, argv, &options);
    if (code != 0) return code;
    generator *g = generator_new(&options);
    (void)setvbuf(stdout, NULL, _IOFBF, 1 << 20);
    bool written = g != NULL && generator_write(g, stdout);
    if (!written) (void)fprintf(stderr, "generate: %s\n", strerror(errno));
    generator_free(g);
    return written ? 0 : 6;
}
