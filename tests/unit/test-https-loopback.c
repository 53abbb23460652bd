/* Which URLs are of this machine, and so need no proxy. */
#include "common/macros.h"
#include "daemon/fetch/https.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void test_urls(void **state _unused_) {
        static const struct {
                const char *url;
                bool is_loopback;
        } cases[] = {
                {"https://localhost/", true},
                {"https://LOCALHOST:4566/", true},
                {"https://sts.localhost:4566/", true},
                {"https://127.0.0.1/", true},
                {"https://127.255.255.254:1/", true},
                {"https://[::1]/", true},
                {"https://[::1]:4566/federation", true},
                {"https://[0:0:0:0:0:0:0:1]:4566/", true},
                {"http://127.0.0.1:4566/", true},
                {"http://elsewhere.example/", true}, /* nothing goes there */
                {"https://sts.amazonaws.com/", false},
                {"https://localhost.example/", false},
                {"https://notlocalhost/", false},
                {"https://.localhost/", false},
                {"https://128.0.0.1/", false},
                {"https://10.0.0.127/", false},
                {"https://127.0.0.1.example/", false},
                {"https://[::2]/", false},
                {"https://[::ffff:10.0.0.1]/", false},
                {"https://", false},
                {"nothing", false},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                print_message("%s\n", cases[i].url);
                assert_int_equal(https_is_loopback(cases[i].url), cases[i].is_loopback);
        }
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_urls),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
