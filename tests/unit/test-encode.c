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

static void test_path_names(void **state) {
        static const struct {
                const char *name, *path;
        } cases[] = {
                {"", ""},
                {"default", "default"},
                {"azAZ09._@:=,+-", "azAZ09._@:=,+-"},
                {"two words", "two~20words"},
                {"a/b~c%d", "a~2Fb~7Ec~25d"},
                {"\x01\x1f\x7f\xff", "~01~1F~7F~FF"},
                {"caf\xc3\xa9", "caf~C3~A9"},
                {"\"'?#[]!$&()*;\\", "~22~27~3F~23~5B~5D~21~24~26~28~29~2A~3B~5C"},
                /* what a client would take for a place in a tree of folders */
                {".", "~2E"},
                {"..", "~2E~2E"},
                {".a.b.", "~2Ea.b."},
                {"a..b...", "a.~2Eb.~2E~2E"},
                {"/.", "~2F."},
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(buf_clear) struct buf b = BUF_INIT(100);
                size_t len = strlen(cases[i].path), n = strlen(cases[i].name);
                char name[100];

                assert_int_equal(encode_path_name(&b, cases[i].name), 0);
                assert_string_equal(buf_text(&b), cases[i].path);
                memset(name, 'x', sizeof(name));
                assert_int_equal(decode_path_name(cases[i].path, len, name, n + 1), 0);
                assert_string_equal(name, cases[i].name);
                assert_int_equal(decode_path_name(cases[i].path, len, name, n), -E2BIG);
        }
}

static void test_every_byte_in_a_path_name(void **state) {
        (void)state;
        for (unsigned c = 1; c < 256; c++) {
                _cleanup_(buf_clear) struct buf b = BUF_INIT(10), tiny = BUF_INIT(1);
                char name[3] = {'a', (char)c, '\0'}, again[3];

                assert_int_equal(encode_path_name(&b, name), 0);
                assert_int_equal(decode_path_name(b.data, b.len, again, sizeof(again)), 0);
                assert_string_equal(again, name);
                assert_int_equal(encode_path_name(&tiny, name), -E2BIG);
        }
}

static void test_no_path_names(void **state) {
        static const struct {
                const char *text;
                size_t len;
        } cases[] = {
                {"~", 1},      {"a~", 2},    {"~2", 2},    {"a~2", 3},
                {"~20", 2},    {"~41", 3},   {"~2e", 3},   {"~c3~a9", 6},
                {"~C3~a9", 6}, {"~00", 3},   {"a~00b", 5}, {"a\0b", 3},
                {"\0", 1},     {"~g0", 3},   {"~0g", 3},   {"~ 1", 3},
                {"~+1", 3},    {"~-1", 3},   {"~~20", 4},  {"a b", 3},
                {"a/b", 3},    {"a%20b", 5}, {"%20", 3},   {"\xc3\xa9", 2},
                {"\x7f", 1},   {".", 1},     {"..", 2},    {".a", 2},
                {"a..b", 4},   {"~2E.", 4},  {"a~2E", 4},  {"a.~2E~2Eb~2E", 12},
                {"~5F", 3},    {"~3A", 3},   {"~2D", 3},   {"~30", 3},
                {"~7a", 3},
        };
        char out[20] = "untouched?";

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                if (decode_path_name(cases[i].text, cases[i].len, out, sizeof(out)) != -EINVAL)
                        fail_msg("taken for a name: case %zu, %s", i, cases[i].text);
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
        {text_is_role_arn, "arn:aws:iam::123456789012:role/admin", true},
        {text_is_role_arn, "arn:aws:iam:::role/a", true},
        {text_is_role_arn, "arn:aws:iam:::role/", false},
        {text_is_role_arn, "arn:aws-cn:iam::123456789012:role/path/to/admin", true},
        {text_is_role_arn, "arn:minio:iam:::role/dummy-internal", true},
        {text_is_role_arn, "arn:aws:iam::role/12345678", false}, /* four colons */
        {text_is_role_arn, "ARN:aws:iam::123456789012:role/admin", false},
        {text_is_role_arn, "aws:iam::::123456789012:role/admin", false},
        {text_is_role_arn, "arn:aws:iam::123456789012:role/a b", false},
        {text_is_role_arn, "arn:aws:iam::123456789012:role/a\n", false},
        {text_is_role_arn, "arn:aws:iam::123456789012:role/\xc3\xa9", false},
        {text_is_role_arn, "", false},
        {text_is_role_session_name, "me", true},
        {text_is_role_session_name, "mfad-me-host_+=,.@9", true},
        {text_is_role_session_name, "m", false},
        {text_is_role_session_name, "", false},
        {text_is_role_session_name, "me too", false},
        {text_is_role_session_name, "me/too", false},
        {text_is_role_session_name, "me:too", false},
        {text_is_role_session_name, "m\xc3\xa9", false},
        {text_is_proxy, "http://proxy:3128", true},
        {text_is_proxy, "http://10.0.0.1:1", true},
        {text_is_proxy, "http://Proxy.Example.com:65535", true},
        {text_is_proxy, "http://my_proxy.local:8080", true},
        {text_is_proxy, "http://[2001:db8::1]:3128", true},
        {text_is_proxy, "http://user:password@proxy:3128", true},
        {text_is_proxy, "http://user:@proxy:3128", true},
        {text_is_proxy, "http://a-._~!$&'()*+,;=:p%40ss%2F@[::1]:80", true},
        {text_is_proxy, "http://proxy", false},
        {text_is_proxy, "http://proxy:", false},
        {text_is_proxy, "http://proxy:0", false},
        {text_is_proxy, "http://proxy:080", false},
        {text_is_proxy, "http://proxy:65536", false},
        {text_is_proxy, "http://proxy:100000", false},
        {text_is_proxy, "http://proxy:80x", false},
        {text_is_proxy, "http://proxy:80/", false},
        {text_is_proxy, "http://proxy/path:80", false},
        {text_is_proxy, "http://:80", false},
        {text_is_proxy, "http://-proxy:80", false},
        {text_is_proxy, "http://.proxy:80", false},
        {text_is_proxy, "http://pro xy:80", false},
        {text_is_proxy, "http://proxy:80\n", false},
        {text_is_proxy, "http://proxy?x:80", false},
        {text_is_proxy, "http://a:80:80", false},
        {text_is_proxy, "http://[::1:80", false},
        {text_is_proxy, "http://[]:80", false},
        {text_is_proxy, "http://[::1]80", false},
        {text_is_proxy, "http://[::1]", false},
        {text_is_proxy, "http://[fe80::1%25eth0]:80", false},
        {text_is_proxy, "http://user@proxy:80", false},
        {text_is_proxy, "http://:password@proxy:80", false},
        {text_is_proxy, "http://user:pass:word@proxy:80", false},
        {text_is_proxy, "http://user:p@ss@proxy:80", false},
        {text_is_proxy, "http://user:p/ss@proxy:80", false},
        {text_is_proxy, "http://user:p%4@proxy:80", false},
        {text_is_proxy, "http://user:p%zz@proxy:80", false},
        {text_is_proxy, "http://user:p%00s@proxy:80", false},
        {text_is_proxy, "http://user:p%", false},
        {text_is_proxy, "https://proxy:3128", false},
        {text_is_proxy, "HTTP://proxy:3128", false},
        {text_is_proxy, "socks5://proxy:3128", false},
        {text_is_proxy, "proxy:3128", false},
        {text_is_proxy, "http://", false},
        {text_is_proxy, "", false},
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
                     {text_is_mfa_serial, MFA_SERIAL_MAX},
                     {text_is_role_session_name, 64}};

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char text[300] = "";

                memset(text, 'a', cases[i].max);
                assert_true(cases[i].check(text));
                text[cases[i].max] = 'a';
                assert_false(cases[i].check(text));
        }
}

static void test_long_arns_and_proxies(void **state) {
        char arn[USER_ARN_MAX + 2] = "arn:aws:iam::123456789012:role/", url[URL_MAX_LEN + 2] = "";

        (void)state;
        memset(arn + strlen(arn), 'a', USER_ARN_MAX - strlen(arn));
        assert_true(text_is_role_arn(arn));
        arn[USER_ARN_MAX] = 'a';
        assert_false(text_is_role_arn(arn));

        strcpy(url, "http://user:");
        memset(url + strlen(url), 'p', URL_MAX_LEN - strlen(url) - strlen("@proxy:3128"));
        strcat(url, "@proxy:3128");
        assert_true(text_is_proxy(url));
        strcat(url, "0");
        assert_false(text_is_proxy(url));

        strcpy(url, "http://");
        memset(url + 7, 'h', 254);
        strcpy(url + 7 + 253, ":80");
        assert_true(text_is_proxy(url));
        strcpy(url + 7 + 253, "h:80");
        assert_false(text_is_proxy(url));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_hex),
                cmocka_unit_test(test_base64url),
                cmocka_unit_test(test_uri),
                cmocka_unit_test(test_times),
                cmocka_unit_test(test_no_times),
                cmocka_unit_test(test_checks),
                cmocka_unit_test(test_limits),
                cmocka_unit_test(test_path_names),
                cmocka_unit_test(test_every_byte_in_a_path_name),
                cmocka_unit_test(test_no_path_names),
                cmocka_unit_test(test_long_arns_and_proxies),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
