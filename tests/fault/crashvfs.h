/*
 * crashvfs.h: a simulated loss of power (FAULTS A4), a hook of shimvfs.h.
 *
 * A disk may write what it was given since the last sync in any order, in part, or not at all. For
 * each file is kept what was synced, and every write since. At the n-th change the disk stops: from
 * then on every call fails. crash_leave then puts in place of each file one of the states that the
 * disk might have been left in: of the 512-byte sectors written since the sync some are there, some
 * are not, some are torn or zeroed, some were overtaken by later ones; a file whose folder was not
 * synced may be there or not.
 */
#ifndef DBT_TEST_CRASHVFS_H
#define DBT_TEST_CRASHVFS_H

#include <stdbool.h>
#include <stdint.h>

#include "shimvfs.h"

int crash_hook(const shim_call *call);
/* The disk is new and everything on it synced; its n-th change (from 1) stops it. 0: never. */
void crash_begin(long n);
bool crash_happened(void);
/* Changes so far. */
long crash_changes(void);
/* Writes the files as the power loss left them, and forgets them. The same seed, the same state. */
void crash_leave(uint64_t seed);

#endif
