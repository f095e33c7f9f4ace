/* testing.h: what every test program includes first: cmocka with what it needs before it. */
#ifndef DBT_TESTING_H
#define DBT_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <dbtrain/status.h>

/* Fails the test with the library's own message when a call did not give DBT_OK. */
#define assert_ok(call, err)                                                                       \
    do {                                                                                           \
        if ((call) != DBT_OK) fail_msg("%s: %s", #call, (err).message);                            \
    } while (0)

#endif
