/* The Date header: one form, and only dates that exist. */
#include "common/macros.h"
#include "daemon/fetch/https.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void test_dates(void **state _unused_) {
        static const struct {
                const char *text;
                int64_t sec; /* 0: refused */
        } cases[] = {
                {"Sun, 06 Nov 1994 08:49:37 GMT", 784111777}, /* RFC 9110 5.6.7 */
                {"Sun, 22 Nov 2026 00:00:00 GMT", 1795305600},
                {"Thu, 29 Feb 2024 23:59:59 GMT", 1709251199},
                {"Fri, 31 Dec 9999 23:59:59 GMT", 253402300799},
                {"", 0},
                {"Mon, 06 Nov 1994 08:49:37 GMT", 0}, /* it was a Sunday */
                {"Sun, 6 Nov 1994 08:49:37 GMT", 0},
                {"Sun, 06 nov 1994 08:49:37 GMT", 0},
                {"Sun,  06 Nov 1994 08:49:37 GMT", 0},
                {"Sunday, 06-Nov-94 08:49:37 GMT", 0}, /* RFC 850 */
                {"Sun Nov  6 08:49:37 1994", 0},       /* asctime(3) */
                {"Sun, 06 Nov 1994 08:49:37 UTC", 0},
                {"Sun, 06 Nov 1994 08:49:37 +0000", 0},
                {"Sun, 06 Nov 1994 08:49:37 GMT ", 0},
                {"Sun, 06 Nov 1994 24:00:00 GMT", 0},
                {"Sun, 06 Nov 1994 08:49:60 GMT", 0},
                {"Fri, 30 Feb 2024 00:00:00 GMT", 0},
                {"Wed, 31 Dec 1969 23:59:59 GMT", 0},
                {"Sun, 06 Nov 19994 08:49:37 GMT", 0},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                int64_t sec = -1;
                int r = https_parse_date(cases[i].text, &sec);

                print_message("%s\n", cases[i].text);
                assert_int_equal(r, cases[i].sec ? 0 : -EINVAL);
                assert_int_equal(sec, cases[i].sec ? cases[i].sec : -1);
        }
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_dates),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
