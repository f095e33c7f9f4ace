/* leaks.h: under AddressSanitizer, whether memory has leaked so far; elsewhere it never has. */
#ifndef DBT_TEST_LEAKS_H
#define DBT_TEST_LEAKS_H

#include <stdbool.h>

#if defined(__SANITIZE_ADDRESS__)
#define HAS_LEAK_CHECK 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_LEAK_CHECK 1
#endif
#endif

#ifdef HAS_LEAK_CHECK
#include <sanitizer/lsan_interface.h>
static inline bool has_leaked(void)
{
    return __lsan_do_recoverable_leak_check() != 0;
}
#else
static inline bool has_leaked(void)
{
    return false;
}
#endif

#endif
