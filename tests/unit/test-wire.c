/* test-wire.c - the exact bytes of each field, and a reader that fails once and for all.
 * Owns:  nothing.
 * Calls: wire.h.
 * Limit: none. */
#include "common/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const unsigned char packet[] =
        "\x01\x05\x04\x03\x02\x0d\x0c\x0b\x0a\x09\x08\x07\x06\x02\0\0\0\0x\x03\0\0\0abc\0\0\0\0";
#define PACKET_LEN (sizeof(packet) - 1)

static void test_write(void **state) {
        _cleanup_(buf_clear) struct buf b = BUF_INIT(100), tiny = BUF_INIT(3);

        (void)state;
        assert_int_equal(wire_put_u8(&b, 1), 0);
        assert_int_equal(wire_put_u32(&b, 0x02030405), 0);
        assert_int_equal(wire_put_u64(&b, UINT64_C(0x060708090a0b0c0d)), 0);
        assert_int_equal(wire_put_bytes(&b, "\0x", 2), 0);
        assert_int_equal(wire_put_text(&b, "abc"), 0);
        assert_int_equal(wire_put_text(&b, NULL), 0);
        assert_int_equal(b.len, PACKET_LEN);
        assert_memory_equal(b.data, packet, PACKET_LEN);
        assert_int_equal(wire_put_u32(&tiny, 1), -E2BIG);
}

static void test_read(void **state) {
        struct wire_reader r;
        const void *bytes;
        char text[4];
        size_t len;

        (void)state;
        wire_reader_init(&r, packet, PACKET_LEN);
        assert_int_equal(wire_get_u8(&r), 1);
        assert_int_equal(wire_get_u32(&r), 0x02030405);
        assert_int_equal(wire_get_u64(&r), UINT64_C(0x060708090a0b0c0d));
        bytes = wire_get_bytes(&r, 2, &len);
        assert_int_equal(len, 2);
        assert_memory_equal(bytes, "\0x", 2);
        assert_int_equal(wire_end(&r), -EBADMSG); /* not yet */
        wire_get_text(&r, text, sizeof(text));
        assert_string_equal(text, "abc");
        wire_get_text(&r, text, sizeof(text));
        assert_string_equal(text, "");
        assert_int_equal(wire_end(&r), 0);
}

static void test_failure_stays(void **state) {
        struct wire_reader r;
        const void *bytes;
        char text[4] = "old";
        size_t len = 9;

        (void)state;
        wire_reader_init(&r, "\1\2\3", 3);
        assert_int_equal(wire_get_u32(&r), 0);
        assert_true(r.failed);
        assert_int_equal(wire_get_u8(&r), 0); /* although a byte is there */
        wire_get_text(&r, text, sizeof(text));
        assert_string_equal(text, "");
        bytes = wire_get_bytes(&r, 10, &len);
        assert_null(bytes);
        assert_int_equal(len, 0);
        assert_int_equal(wire_end(&r), -EBADMSG);
}

static void test_lengths_that_lie(void **state) {
        static const struct {
                const char *bytes;
                size_t len;
        } cases[] = {
                {"\3\0\0\0ab", 6},   /* more than there is */
                {"\4\0\0\0abcd", 8}, /* more than fits */
                {"\377\377\377\377ab", 6},
                {"\3\0\0\0a\0b", 7}, /* NUL inside */
                {"\3\0\0", 3},
                {"", 0},
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct wire_reader r;
                char text[4];

                wire_reader_init(&r, cases[i].bytes, cases[i].len);
                wire_get_text(&r, text, sizeof(text));
                assert_true(r.failed);
                assert_string_equal(text, "");
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_write),
                cmocka_unit_test(test_read),
                cmocka_unit_test(test_failure_stays),
                cmocka_unit_test(test_lengths_that_lie),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
