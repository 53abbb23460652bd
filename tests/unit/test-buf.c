/* test-buf.c - what a buffer holds, refuses, and leaves behind: nothing.
 * Owns:  nothing.
 * Calls: buf.h.
 * Limit: none. */
#include "common/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void test_put(void **state) {
        _cleanup_(buf_clear) struct buf b = BUF_INIT(1000);

        (void)state;
        assert_string_equal(buf_text(&b), "");
        assert_int_equal(buf_puts(&b, "one "), 0);
        assert_int_equal(buf_put(&b, "two\0x", 5), 0);
        assert_int_equal(buf_printf(&b, "%s-%d", "three", 3), 0);
        assert_int_equal(b.len, 16);
        assert_memory_equal(b.data, "one two\0xthree-3", 17);
        assert_int_equal(buf_put(&b, NULL, 0), 0);
        assert_int_equal(b.len, 16);
}

static void test_maximum(void **state) {
        _cleanup_(buf_clear) struct buf b = BUF_INIT(5), none = {0};

        (void)state;
        assert_int_equal(buf_puts(&b, "1234"), 0);
        assert_int_equal(buf_puts(&b, "56"), -E2BIG);
        assert_int_equal(buf_printf(&b, "%d", 56), -E2BIG);
        assert_string_equal(b.data, "1234"); /* nothing of it was appended */
        assert_int_equal(buf_puts(&b, "5"), 0);
        assert_int_equal(buf_put(&b, "x", SIZE_MAX), -E2BIG);
        assert_int_equal(buf_puts(&none, "x"), -E2BIG);
}

static void test_growth(void **state) {
        _cleanup_(buf_clear) struct buf b = BUF_INIT(100000);

        (void)state;
        for (unsigned i = 0; i < 10000; i++)
                assert_int_equal(buf_printf(&b, "%04u ", i), 0);
        assert_int_equal(b.len, 50000);
        for (unsigned i = 0; i < 10000; i++) {
                char expected[6];

                (void)snprintf(expected, sizeof(expected), "%04u ",
                               i); /* four digits and a blank */
                assert_memory_equal(b.data + 5 * i, expected, 5);
        }
}

static void test_reserve(void **state) {
        _cleanup_(buf_clear) struct buf b = BUF_INIT(10);
        char *at;

        (void)state;
        assert_int_equal(buf_puts(&b, "ab"), 0);
        assert_int_equal(buf_reserve(&b, 8, &at), 0);
        memcpy(at, "cd", 2);
        buf_commit(&b, 2);
        assert_string_equal(b.data, "abcd");
        assert_int_equal(buf_reserve(&b, 7, &at), -E2BIG);
}

static void test_consume_wipes(void **state) {
        _cleanup_(buf_clear) struct buf b = BUF_INIT(100);

        (void)state;
        assert_int_equal(buf_puts(&b, "secret-rest"), 0);
        buf_consume(&b, 7);
        assert_string_equal(b.data, "rest");
        for (size_t i = b.len; i < b.size; i++)
                assert_int_equal(b.data[i], 0);
        buf_consume(&b, 0);
        buf_consume(&b, 4);
        assert_string_equal(buf_text(&b), "");
        assert_int_equal(buf_puts(&b, "again"), 0);
        assert_string_equal(b.data, "again");
}

static void test_clear(void **state) {
        struct buf b = BUF_INIT(100);

        (void)state;
        assert_int_equal(buf_puts(&b, "x"), 0);
        buf_clear(&b);
        assert_null(b.data);
        assert_int_equal(b.len, 0);
        assert_int_equal(buf_puts(&b, "y"), 0); /* of use again, with the same maximum */
        assert_int_equal(b.max, 100);
        buf_clear(&b);
        buf_clear(&b);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_put),           cmocka_unit_test(test_maximum),
                cmocka_unit_test(test_growth),        cmocka_unit_test(test_reserve),
                cmocka_unit_test(test_consume_wipes), cmocka_unit_test(test_clear),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
