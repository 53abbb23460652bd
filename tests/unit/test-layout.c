#include "client/layout.h"
#include "common/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_break(void **state) {
        static const struct {
                const char *what, *text;
                size_t columns, at, indent;
                const char *lines;
        } cases[] = {
                {"one line", "a b", 80, 0, 0, "a b\n"},
                {"nothing", "", 80, 0, 4, "\n"},
                {"blanks only", " \t\n ", 80, 0, 4, "\n"},
                {"blanks become one", " a \n\t b ", 80, 0, 0, "a b\n"},
                {"just fits", "abc de", 6, 0, 0, "abc de\n"},
                {"one too many", "abc de", 5, 0, 2, "abc\n  de\n"},
                {"begins later", "abc de", 10, 5, 5, "abc\n     de\n"},
                {"begins later and fits", "abc de", 11, 5, 5, "abc de\n"},
                {"the indent counts", "a bb cc dd", 6, 0, 2, "a bb\n  cc\n  dd\n"},
                {"a long word stays whole", "a bbbbbbbbbb c", 4, 0, 1, "a\n bbbbbbbbbb\n c\n"},
                {"a long first word", "bbbbbbbbbb c", 4, 2, 2, "bbbbbbbbbb\n  c\n"},
                {"never", "a bbbbbbbbbb c", 0, 99, 3, "a bbbbbbbbbb c\n"},
                {"characters, not bytes", "\xc3\xa9\xc3\xa9\xc3\xa9 \xe2\x82\xac", 5, 0, 0,
                 "\xc3\xa9\xc3\xa9\xc3\xa9 \xe2\x82\xac\n"},
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct buf b = BUF_INIT(1024);

                print_message("%s\n", cases[i].what);
                assert_int_equal(layout_break(cases[i].text, cases[i].columns, cases[i].at,
                                              cases[i].indent, &b),
                                 0);
                assert_string_equal(buf_text(&b), cases[i].lines);
                buf_clear(&b);
        }
}

static void test_break_within_the_limit(void **state) {
        struct buf b = BUF_INIT(8);

        (void)state;
        assert_int_equal(layout_break("aaaa bbbb", 80, 0, 0, &b), -E2BIG);
        buf_clear(&b);
}

static void test_width(void **state) {
        (void)state;
        assert_int_equal(setenv("LC_ALL", "C.UTF-8", 1), 0);
        output_open();
        assert_int_equal(layout_width(""), 0);
        assert_int_equal(layout_width("abc"), 3);
        assert_int_equal(layout_width("\xc3\xa9\xe2\x82\xac"), 2);
        assert_int_equal(layout_width("\x1b[2J"), 7); /* \x1b[2J */
        assert_int_equal(setenv("LC_ALL", "C", 1), 0);
        output_open();
        assert_int_equal(layout_width("\xc3\xa9"), 8); /* \xc3\xa9 */
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_break),
                cmocka_unit_test(test_break_within_the_limit),
                cmocka_unit_test(test_width),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
