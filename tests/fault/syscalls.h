/*
 * syscalls.h: the n-th call of dbtrain to the operating system fails, or to SQLite.
 *
 * The calls are those that src/ makes itself, by the linker's --wrap (the list is in
 * CMakeLists.txt). Other libraries' are left alone.
 */
#ifndef DBT_TEST_SYSCALLS_H
#define DBT_TEST_SYSCALLS_H

#include <stdbool.h>

typedef enum syscall_fault {
    SYSCALLS_FAIL,        /* EIO */
    SYSCALLS_INTERRUPTED, /* EINTR, of reads and writes: to be tried again */
    SYSCALLS_SHORT,       /* reads and writes one byte of what it should */
    SYSCALLS_SQLITE,      /* of SQLite: SQLITE_IOERR where a statement is prepared or stepped */
    SYSCALL_FAULTS
} syscall_fault;

/* From here on the n-th call (from 1) that the fault is for meets it, and the later ones if so
 * wished. */
void syscalls_arm(syscall_fault fault, long n, bool from_then_on);
/* Nothing fails any more. How many calls there were that the fault is for. */
long syscalls_disarm(void);

#endif
