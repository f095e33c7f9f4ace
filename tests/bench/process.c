/*
 * process.c: programs as contestants.
 *
 * A child's maximum resident set, as the kernel counts it, begins with what the process that it was
 * forked from holds. So memory that was freed is given back before a program is started, and
 * sections that report peaks hold little meanwhile.
 */
#define _DEFAULT_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base.h"
#include "bench.h"

enum { POLL_NANOSECONDS = 2000000, REPORT_BYTES = 4096 };

static void redirect(const char *path, int descriptor)
{
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (file < 0 || dup2(file, descriptor) < 0) _exit(126);
    (void)close(file);
}

/* Where a program's stderr goes. */
static const char *messages_path(const bench_options *options)
{
    static const char *path;
    if (path == NULL) path = bench_path(options, "stderr");
    return path;
}

static pid_t start(const char *const *argv, const char *output, const char *messages)
{
    (void)fflush(stdout);
    dbt__trim_memory(0);
    pid_t child = fork();
    if (child < 0) bench_fail("cannot start '%s': %s", argv[0], strerror(errno));
    if (child > 0) return child;
    redirect(output == NULL ? "/dev/null" : output, STDOUT_FILENO);
    redirect(messages, STDERR_FILENO);
    (void)execvp(argv[0], (char *const *)argv);
    _exit(127);
}

static bool has_content(const char *path)
{
    struct stat facts;
    return stat(path, &facts) == 0 && facts.st_size > 0;
}

/* Waits for the child, looking at the watched file now and then. Returns its status. */
static int wait_for(pid_t child, const char *watched, double begin, struct rusage *usage,
                    double *seen)
{
    const struct timespec pause = {.tv_nsec = POLL_NANOSECONDS};
    int status;
    for (;;) {
        bool watching = watched != NULL && isnan(*seen);
        pid_t ended = wait4(child, &status, watching ? WNOHANG : 0, usage);
        if (ended < 0 && errno != EINTR) bench_fail("cannot wait: %s", strerror(errno));
        if (ended == child) return status;
        if (watching && has_content(watched)) *seen = bench_now() - begin;
        if (watching) (void)nanosleep(&pause, NULL);
    }
}

static double seconds_of(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec * 1e-6;
}

static bool run(const bench_options *options, const char *const *argv, const char *output,
                const char *watched, bench_usage *result)
{
    struct rusage usage = {0};
    *result = (bench_usage){.watched = NAN};
    double begin = bench_now();
    pid_t child = start(argv, output, messages_path(options));
    int status = wait_for(child, watched, begin, &usage, &result->watched);
    result->seconds = bench_now() - begin;
    result->cpu = seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
    result->peak = (double)usage.ru_maxrss * 1024;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool bench_try(const bench_options *options, const char *const *argv)
{
    bench_usage usage;
    return run(options, argv, NULL, NULL, &usage);
}

bench_usage bench_process(const bench_options *options, const char *const *argv, const char *output,
                          const char *watched)
{
    bench_usage usage;
    if (run(options, argv, output, watched, &usage)) return usage;
    char report[REPORT_BYTES] = "";
    FILE *file = fopen(messages_path(options), "r");
    if (file != NULL) {
        report[fread(report, 1, sizeof report - 1, file)] = '\0';
        (void)fclose(file);
    }
    bench_fail("'%s %s' failed: %s", argv[0], argv[1] == NULL ? "" : argv[1], report);
}

void bench_add_usage(bench_usage *sum, bench_usage more)
{
    sum->seconds += more.seconds;
    sum->cpu += more.cpu;
    if (more.peak > sum->peak) sum->peak = more.peak;
}

double bench_number_in(const char *path, const char *key)
{
    char content[REPORT_BYTES];
    FILE *file = fopen(path, "r");
    if (file == NULL) return NAN;
    content[fread(content, 1, sizeof content - 1, file)] = '\0';
    (void)fclose(file);
    const char *found = strstr(content, key);
    return found == NULL ? NAN : strtod(found + strlen(key), NULL);
}
