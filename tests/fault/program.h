/* program.h: the real program as a child: started, listened to, killed. */
#ifndef DBT_TEST_PROGRAM_H
#define DBT_TEST_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

typedef struct program {
    pid_t pid;
    int output; /* its stdout and stderr */
    char *text; /* what came out so far, with a NUL */
    size_t length;
    long peak; /* KiB that were resident at most; once it has ended */
} program;

/* Starts `arguments` (NULL ends them; the program's name is not among them). On a terminal of its
 * own it shows its progress. */
void program_start(program *child, bool terminal, const char *const *arguments);
/* Listens for so long, or until it has ended: true. */
bool program_listen(program *child, double seconds);
/* Listens until so much has come out, or until it has ended: true. */
bool program_hear(program *child, size_t bytes);
/* Listens until it has ended; waitpid's status. */
int program_wait(program *child);
void program_release(program *child);
/* Runs it to its end and gives its exit code, 128 + n when signal n ended it. */
int program_run(const char *const *arguments);
double program_clock(void);

#endif
