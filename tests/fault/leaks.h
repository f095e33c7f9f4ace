/*
 * leaks.h: under AddressSanitizer, whether memory has leaked so far; elsewhere it never has.
 *
 * To look takes longer than most of what is tried, so it is done after every 16th fault and after
 * the last; of a night's amounts after each. The report names the function that allocated.
 */
#ifndef DBT_TEST_LEAKS_H
#define DBT_TEST_LEAKS_H

#include <stdbool.h>

#include "../amount.h"

#define LEAK_MESSAGE "memory leaked, now or at one of the 15 points before"

#if defined(__SANITIZE_ADDRESS__)
#define HAS_LEAK_CHECK 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_LEAK_CHECK 1
#endif
#endif

#ifdef HAS_LEAK_CHECK
#include <sanitizer/lsan_interface.h>
static inline bool has_leaked(bool last)
{
    static long calls;
    return (++calls % choose_amount(16, 16, 1) == 0 || last) &&
           __lsan_do_recoverable_leak_check() != 0;
}
#else
static inline bool has_leaked(bool last)
{
    (void)last;
    return false;
}
#endif

#endif
