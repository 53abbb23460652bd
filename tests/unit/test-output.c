#include "client/output.h"
#include "common/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct {
        const char *what, *text, *shown, *shown_in_ascii; /* NULL: the same as shown */
} cases[] = {
        {"plain", "AWS says no.", "AWS says no.", NULL},
        {"newline and tab stay", "a\n\tb", "a\n\tb", NULL},
        {"empty", "", "", NULL},
        {"title escape (T21)", "\x1b]0;pwn\x07!", "\\x1b]0;pwn\\x07!", NULL},
        {"carriage return", "safe\revil", "safe\\x0devil", NULL},
        {"backspace, vertical tab", "\b\v", "\\x08\\x0b", NULL},
        {"DEL", "a\x7f", "a\\x7f", NULL},
        {"C1 CSI in UTF-8",
         "\xc2\x9b"
         "31m",
         "\\u009b31m", "\\xc2\\x9b31m"},
        {"C1 CSI as a raw byte",
         "\x9b"
         "31m",
         "\\x9b31m", NULL},
        {"right-to-left override (T21)",
         "\xe2\x80\xae"
         "txt",
         "\\u202etxt", "\\xe2\\x80\\xaetxt"},
        {"isolate", "\xe2\x81\xa6", "\\u2066", "\\xe2\\x81\\xa6"},
        {"Arabic letter mark", "\xd8\x9c", "\\u061c", "\\xd8\\x9c"},
        {"zero-width space", "\xe2\x80\x8b", "\\u200b", "\\xe2\\x80\\x8b"},
        {"line separator", "\xe2\x80\xa8", "\\u2028", "\\xe2\\x80\\xa8"},
        {"byte-order mark", "\xef\xbb\xbf", "\\ufeff", "\\xef\\xbb\\xbf"},
        {"tag characters", "\xf3\xa0\x81\x81", "\\ue0041", "\\xf3\\xa0\\x81\\x81"},
        {"letters beyond ASCII", "Z\xc3\xbcrich \xe2\x82\xac", "Z\xc3\xbcrich \xe2\x82\xac",
         "Z\\xc3\\xbcrich \\xe2\\x82\\xac"},
        {"overlong NUL", "\xc0\x80", "\\xc0\\x80", NULL},
        {"overlong ESC", "\xc0\x9b", "\\xc0\\x9b", NULL},
        {"overlong in three", "\xe0\x80\x9b", "\\xe0\\x80\\x9b", NULL},
        {"surrogate", "\xed\xa0\x80", "\\xed\\xa0\\x80", NULL},
        {"beyond Unicode", "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80", NULL},
        {"cut sequence", "\xe2\x82", "\\xe2\\x82", NULL},
        {"cut before a letter", "\xe2\x82x", "\\xe2\\x82x", NULL},
        {"latin-1", "caf\xe9", "caf\\xe9", NULL},
};

static void test_filter(void **state) {
        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const char *ascii = cases[i].shown_in_ascii;
                struct buf b = BUF_INIT(1024), a = BUF_INIT(1024);

                print_message("%s\n", cases[i].what);
                assert_int_equal(output_filter(cases[i].text, true, &b), 0);
                assert_string_equal(buf_text(&b), cases[i].shown);
                assert_int_equal(output_filter(cases[i].text, false, &a), 0);
                assert_string_equal(buf_text(&a), ascii ? ascii : cases[i].shown);
                buf_clear(&b);
                buf_clear(&a);
        }
}

/* Whatever the byte, nothing comes out that a terminal obeys. */
static void test_every_pair_of_bytes(void **state) {
        (void)state;
        for (unsigned first = 1; first < 256; first++)
                for (unsigned second = 1; second < 256; second++) {
                        char text[3] = {(char)first, (char)second, '\0'};
                        struct buf b = BUF_INIT(64);

                        assert_int_equal(output_filter(text, true, &b), 0);
                        for (size_t i = 0; i < b.len; i++) {
                                unsigned char c = (unsigned char)b.data[i];

                                assert_true(c >= 0x20 || c == '\n' || c == '\t');
                                assert_int_not_equal(c, 0x7f);
                                /* C1 in UTF-8 is c2 80 to c2 9f; a raw one has no lead before it */
                                if (c >= 0x80 && c < 0xa0)
                                        assert_true(i > 0 && (unsigned char)b.data[i - 1] > 0xc2);
                        }
                        buf_clear(&b);
                }
}

static void test_limit(void **state) {
        struct buf b = BUF_INIT(8);

        (void)state;
        assert_int_equal(output_filter("1234567890", true, &b), -E2BIG);
        assert_string_equal(buf_text(&b), "12345678");
        buf_clear(&b);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_filter),
                cmocka_unit_test(test_every_pair_of_bytes),
                cmocka_unit_test(test_limit),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
