/* program.c: a child process and its output, through a pipe or a pseudo terminal. */
#define _DEFAULT_SOURCE /* wait4 */
#define _XOPEN_SOURCE 700
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_ARGUMENTS = 80 };

double program_clock(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* *ours reads what is written to *theirs. */
static void open_terminal(int *ours, int *theirs)
{
    *ours = posix_openpt(O_RDWR | O_NOCTTY);
    if (*ours < 0 || grantpt(*ours) != 0 || unlockpt(*ours) != 0) abort();
    *theirs = open(ptsname(*ours), O_RDWR | O_NOCTTY);
    if (*theirs < 0) abort();
}

void program_start(program *child, bool terminal, const char *const *arguments)
{
    char *copy[MAX_ARGUMENTS] = {(char *)DBT_PROGRAM};
    int ends[2];
    for (int i = 0; arguments[i] != NULL && i + 2 < MAX_ARGUMENTS; i++)
        copy[i + 1] = (char *)arguments[i];
    if (terminal)
        open_terminal(&ends[0], &ends[1]);
    else if (pipe(ends) != 0)
        abort();
    *child = (program){.output = ends[0], .text = calloc(1, 1), .pid = fork()};
    if (child->pid < 0) abort();
    if (child->pid == 0) {
        /* A test in the background may have been told to ignore some of them. */
        static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
        for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
            (void)signal(numbers[i], SIG_DFL);
        (void)dup2(ends[1], STDOUT_FILENO);
        (void)dup2(ends[1], STDERR_FILENO);
        (void)close(ends[0]);
        (void)close(ends[1]);
        (void)execv(DBT_PROGRAM, copy);
        _exit(127);
    }
    (void)close(ends[1]);
}

/* True at the end: a terminal that nobody has open any more gives an error. */
static bool take_output(program *child)
{
    char data[4096];
    ssize_t bytes = read(child->output, data, sizeof data);
    if (bytes <= 0) return !(bytes < 0 && errno == EINTR);
    child->text = realloc(child->text, child->length + (size_t)bytes + 1);
    if (child->text == NULL) abort();
    memcpy(child->text + child->length, data, (size_t)bytes);
    child->length += (size_t)bytes;
    child->text[child->length] = '\0';
    return false;
}

bool program_listen(program *child, double seconds)
{
    double end = program_clock() + seconds;
    for (double left = seconds; left > 0; left = end - program_clock()) {
        struct pollfd output = {.fd = child->output, .events = POLLIN};
        int ready = poll(&output, 1, (int)(left * 1000)); /* 0: a last look */
        if (ready > 0 && take_output(child)) return true;
    }
    return false;
}

bool program_hear(program *child, size_t bytes)
{
    while (child->length < bytes)
        if (take_output(child)) return true;
    return false;
}

int program_wait(program *child)
{
    int status;
    struct rusage usage;
    while (!take_output(child))
        continue;
    while (wait4(child->pid, &status, 0, &usage) < 0)
        if (errno != EINTR) abort();
    child->peak = usage.ru_maxrss;
    return status;
}

void program_release(program *child)
{
    (void)close(child->output);
    free(child->text);
    *child = (program){.output = -1};
}

int program_run(const char *const *arguments)
{
    program child;
    program_start(&child, false, arguments);
    int status = program_wait(&child);
    program_release(&child);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
