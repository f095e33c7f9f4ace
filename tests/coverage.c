/*
 * coverage.c: the program of a coverage build writes its counts when it ends by a signal, too.
 *
 * gcov writes them at exit, which a program that ends by the signal that stopped it does not reach.
 * Within the handler, where the signal is blocked, they are let go: nothing there may allocate.
 */
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

void __gcov_dump(void);
int __real_raise(int number);
int __wrap_raise(int number);

int __wrap_raise(int number)
{
    sigset_t blocked;
    bool in_handler = sigprocmask(SIG_BLOCK, NULL, &blocked) != 0 || sigismember(&blocked, number);
    if (!in_handler) __gcov_dump();
    return __real_raise(number);
}
