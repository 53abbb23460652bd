/* test-encode.c - the encodings against their specifications' own examples, and what each check lets through.
 * Owns:  nothing.
 * Calls: encode.h.
 * Limit: none. */
#include "common/buf.h"
#include "common/encode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_hex(void **state) {
        char out[9];

        (void)state;
        encode_hex("\x00\x7f\x80\xff", 4, out);
        assert_string_equal(out, "007f80ff");
        encode_hex("", 0, out);
        assert_string_equal(out, "");
}

static void test_base64url(void **state) {
        static const struct
        { /* RFC 4648, section 10, unpadded, and two that need the other digits */
                const char *bytes, *text;
        } cases[] = {{"", ""},
                     {"f", "Zg"},
                     {"fo", "Zm8"},
                     {"foo", "Zm9v"},
                     {"foob", "Zm9vYg"},
                     {"fooba", "Zm9vYmE"},
                     {"foobar", "Zm9vYmFy"},
                     {"\xff\xff\xff", "____"},
                     {"\xfb\xef\xbe", "----"}};
        char out[16];

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                encode_base64url(cases[i].bytes, strlen(cases[i].bytes), out);
                assert_string_equal(out, cases[i].text);
        }
}

static void test_uri(void **state) {
        _cleanup_(buf_clear) struct buf b = BUF_INIT(100), tiny = BUF_INIT(3);

        (void)state;
        assert_int_equal(encode_uri(&b, "azAZ09-._~ /:%+=&\x01\x7f\xc3\xa9"), 0);
        assert_string_equal(b.data, "azAZ09-._~%20%2F%3A%25%2B%3D%26%01%7F%C3%A9");
        assert_int_equal(encode_uri(&tiny, " a"), -E2BIG);
}

static void test_times(void **state) {
        static const struct {
                int64_t sec;
                const char *iso, *basic;
        } cases[] = {
                {0, "1970-01-01T00:00:00Z", "19700101T000000Z"},
                {951782400, "2000-02-29T00:00:00Z", "20000229T000000Z"},
                {1795305600, "2026-11-22T00:00:00Z", "20261122T000000Z"},
                {4294967296, "2106-02-07T06:28:16Z", "21060207T062816Z"},
                {253402300799, "9999-12-31T23:59:59Z", "99991231T235959Z"},
        };
        char out[21];
        int64_t sec;

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                encode_time_iso(cases[i].sec, out);
                assert_string_equal(out, cases[i].iso);
                assert_int_equal(decode_time_iso(out, &sec), 0);
                assert_int_equal(sec, cases[i].sec);
                encode_time_basic(cases[i].sec, out);
                assert_string_equal(out, cases[i].basic);
        }
        encode_time_iso(253402300800, out);
        assert_string_equal(out, "");
        encode_time_basic(253402300800, out);
        assert_string_equal(out, "");
        assert_int_equal(decode_time_iso("2026-11-22T00:00:00.123456789Z", &sec), 0);
        assert_int_equal(sec, 1795305600);
}

static void test_no_times(void **state) {
        static const char *const cases[] = {
                "",
                "2026-11-22",
                "2026-11-22T00:00:00",
                "2026-11-22T00:00:00z",
                "2026-11-22T00:00:00+00:00",
                "2026-11-22T00:00:00.Z",
                "2026-11-22T00:00:00.1234567890Z",
                "2026-11-22T00:00:00Z ",
                " 2026-11-22T00:00:00Z",
                "2026-11-22 00:00:00Z",
                "2026-11-31T00:00:00Z",
                "2026-02-29T00:00:00Z",
                "2026-13-01T00:00:00Z",
                "2026-00-01T00:00:00Z",
                "2026-01-00T00:00:00Z",
                "2026-01-01T24:00:00Z",
                "2026-01-01T00:60:00Z",
                "2026-01-01T00:00:60Z",
                "2026-1-01T00:00:00Z",
                "+026-01-01T00:00:00Z",
                "2026-01-01T00:00:-1Z",
        };
        int64_t sec = 42;

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                if (decode_time_iso(cases[i], &sec) != -EINVAL)
                        fail_msg("taken for a time: %s", cases[i]);
        assert_int_equal(sec, 42);
}

static bool printable(const char *text) {
        return text_is_printable(text, 16);
}
static bool graph(const char *text) {
        return text_is_graph(text, 16);
}

static const struct {
        bool (*check)(const char *text);
        const char *text;
        bool passes;
} checks[] = {
        {graph, "!~", true},
        {graph, "0123456789abcdef", true},
        {graph, "0123456789abcdef0", false},
        {graph, "", false},
        {graph, "a b", false},
        {graph, "a\x7f", false},
        {graph, "\xc3\xa9", false},
        {printable, "", true},
        {printable, "two words", true},
        {printable, "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", true},
        {printable, "0123456789abcdef0", false},
        {printable, "tab\t", false},
        {printable, "\x1b[0m", false},
        {printable, "\x7f", false},
        {printable, "\xc2\x9b", false}, /* C1: a terminal's CSI */
        {printable, "\xff", false},
        {printable, "\xc3", false},
        {printable, "\xc3(", false},
        {printable, "\xc0\xaf", false},         /* overlong */
        {printable, "\xe0\x80\xaf", false},     /* overlong */
        {printable, "\xed\xa0\x80", false},     /* surrogate */
        {printable, "\xf4\x90\x80\x80", false}, /* beyond Unicode */
        {text_is_mfa_code, "000000", true},
        {text_is_mfa_code, "00000", false},
        {text_is_mfa_code, "0000000", false},
        {text_is_mfa_code, "00000a", false},
        {text_is_mfa_code, "", false},
        {text_is_mfa_code, "12345\n", false},
        {text_is_access_key_id, "AKIAIOSFODNN7EXAMPLE", true},
        {text_is_access_key_id, "a_-", true},
        {text_is_access_key_id, "ab", false},
        {text_is_access_key_id, "AKIA/x", false},
        {text_is_key_name, "a", true},
        {text_is_key_name, "Work._@+=,:/-9", true},
        {text_is_key_name, "", false},
        {text_is_key_name, "-x", false},
        {text_is_key_name, ".x", false},
        {text_is_key_name, "a b", false},
        {text_is_key_name, "a\"", false},
        {text_is_mfa_serial, "arn:aws:iam::123456789012:mfa/me", true},
        {text_is_mfa_serial, "GAHT12345", true},
        {text_is_mfa_serial, "GAHT1234", false},
        {text_is_mfa_serial, "GAHT 12345", false},
        {text_is_mfa_serial, "GAHT12345&", false},
        {text_is_region, "eu-central-1", true},
        {text_is_region, "01234567890123456789012345678901", true},
        {text_is_region, "012345678901234567890123456789012", false},
        {text_is_region, "", false},
        {text_is_region, "EU", false},
        {text_is_region, "a.b", false},
        {text_is_region, "a/b", false},
};

static void test_checks(void **state) {
        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(checks); i++)
                if (checks[i].check(checks[i].text) != checks[i].passes)
                        fail_msg("case %zu: %s", i, checks[i].text);
}

static void test_limits(void **state) {
        static const struct {
                bool (*check)(const char *text);
                size_t max;
        } cases[] = {{text_is_access_key_id, ACCESS_KEY_ID_MAX},
                     {text_is_key_name, KEY_NAME_MAX},
                     {text_is_mfa_serial, MFA_SERIAL_MAX}};

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char text[300] = "";

                memset(text, 'a', cases[i].max);
                assert_true(cases[i].check(text));
                text[cases[i].max] = 'a';
                assert_false(cases[i].check(text));
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_hex),      cmocka_unit_test(test_base64url),
                cmocka_unit_test(test_uri),      cmocka_unit_test(test_times),
                cmocka_unit_test(test_no_times), cmocka_unit_test(test_checks),
                cmocka_unit_test(test_limits),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
