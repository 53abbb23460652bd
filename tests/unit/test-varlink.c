/* test-varlink.c - what is a message, what is a parameter, and what we write. */
#include "common/varlink.h"
#include "common/wiping.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void test_frame(void **state _unused_) {
        _cleanup_(buf_clear) struct buf b = BUF_INIT(64);

        assert_int_equal(varlink_frame(&b), -1);
        assert_int_equal(buf_puts(&b, "{\"a\""), 0);
        assert_int_equal(varlink_frame(&b), -1); /* the NUL behind data[len] does not count */
        assert_int_equal(buf_put(&b, "}\0{", 3), 0);
        assert_int_equal(varlink_frame(&b), 5);
        buf_consume(&b, 6);
        assert_int_equal(varlink_frame(&b), -1);
        buf_consume(&b, 1);
        assert_int_equal(buf_put(&b, "\0", 1), 0);
        assert_int_equal(varlink_frame(&b), 0); /* an empty message is one, and a bad one */
}

static void test_parse(void **state _unused_) {
        static const struct {
                const char *text;
                bool is_good;
        } cases[] = {
                {"{}", true},
                {" {\"method\" : \"a.b.C\"}\n", true},
                {"{\"a\":[[[[[[[1]]]]]]]}", true},    /* depth 8 */
                {"{\"a\":[[[[[[[[1]]]]]]]]}", false}, /* depth 9 */
                {"{\"a\":\"[[[[[[[[[[[[\"}", true},   /* brackets in a string */
                {"{\"a\":\"\\\"[[[[[[[[[[[[\"}", true},
                {"{\"a\":\"\\\\\",\"b\":[[[[[[[[]]]]]]]]}", false},
                {"{\"a\":1,\"a\":2}", false},       /* duplicate key */
                {"{\"a\":1,\"\\u0061\":2}", false}, /* the same, spelt differently */
                {"{\"a\":{\"b\":1,\"b\":1}}", false},
                {"{\"a\":\"x\\u0000y\"}", false}, /* NUL */
                {"{\"a\\u0000\":1}", false},
                {"{\"a\":\"\xff\"}", false},         /* not UTF-8 */
                {"{\"a\":\"\xed\xa0\x80\"}", false}, /* a surrogate */
                {"{\"a\":\"\\ud800\"}", false},
                {"{\"a\":\"\xc3\xa9\"}", true},
                {"{\"a\":\"\x01\"}", false}, /* a bare control character */
                {"{\"a\":9223372036854775807}", true},
                {"{\"a\":9223372036854775808}", false},
                {"{\"a\":1e999}", false},
                {"{}{}", false},
                {"{} x", false},
                {"[]", false},
                {"[{}]", false},
                {"\"text\"", false},
                {"1", false},
                {"null", false},
                {"", false},
                {" ", false},
                {"{", false},
                {"}", false},
                {"{\"a\":\"", false},
                {"{\"a\":\"\\", false},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                json_t *message = NULL;
                int r = varlink_parse(cases[i].text, strlen(cases[i].text), &message);

                if ((r == 0) != cases[i].is_good)
                        fail_msg("%s gave %d", cases[i].text, r);
                if (r == 0)
                        assert_true(json_is_object(message));
                else
                        assert_null(message);
                assert_true(r == 0 || r == -EBADMSG);
                json_decref(message);
        }
}

/* A NUL inside the given length: framing never lets one through, parsing does not either. */
static void test_parse_nul(void **state _unused_) {
        json_t *message = NULL;

        assert_int_equal(varlink_parse("{}\0", 3, &message), -EBADMSG);
        assert_int_equal(varlink_parse("{\"a\":\"\0\"}", 9, &message), -EBADMSG);
        assert_null(message);
}

/* Deep enough to end a parser that recurses without a limit. */
static void test_parse_very_deep(void **state _unused_) {
        _cleanup_(freep) char *text = malloc(VARLINK_IN_MAX);
        json_t *message = NULL;

        assert_non_null(text);
        memset(text, '[', VARLINK_IN_MAX);
        assert_int_equal(varlink_parse(text, VARLINK_IN_MAX, &message), -EBADMSG);
        memset(text, ']', VARLINK_IN_MAX);
        assert_int_equal(varlink_parse(text, VARLINK_IN_MAX, &message), -EBADMSG);
}

static const struct varlink_field fields[] = {
        {.name = "code", .type = VARLINK_STRING, .min = 2, .max = 6},
        {.name = "text", .type = VARLINK_STRING, .is_optional = true},
        {.name = "seconds", .type = VARLINK_INT, .is_optional = true, .min = -5, .max = 900},
        {.name = "replace", .type = VARLINK_BOOL, .is_optional = true},
        {0},
};

static void test_check(void **state _unused_) {
        static const struct {
                const char *parameters, *bad; /* NULL: legal */
        } cases[] = {
                {"{\"code\":\"12\"}", NULL},
                {"{\"code\":\"123456\"}", NULL},
                {"{\"code\":\"1\"}", "code"},
                {"{\"code\":\"1234567\"}", "code"},
                {"{\"code\":\"\xc3\xa9\xc3\xa9\xc3\xa9\"}", NULL}, /* bytes, not characters */
                {"{\"code\":\"\xc3\xa9\xc3\xa9\xc3\xa9x\"}", "code"},
                {"{\"code\":\"12\\n\"}", "code"},
                {"{\"code\":\"12\\u007f\"}", "code"},
                {"{\"code\":\"12\\u0085\"}", "code"},
                {"{\"code\":\"12\\u001b\"}", "code"},
                {"{\"code\":12}", "code"},
                {"{\"code\":null}", "code"},
                {"{}", "code"},
                {"{\"Code\":\"12\"}", "code"},
                {"{\"code\":\"12\",\"Code\":\"12\"}", "Code"},
                {"{\"code\":\"12\",\"\":1}", ""},
                {"{\"code\":\"12\",\"text\":null,\"seconds\":null,\"replace\":null}", NULL},
                {"{\"code\":\"12\",\"unknown\":null}", "unknown"},
                {"{\"code\":\"12\",\"text\":\"\"}", NULL},
                {"{\"code\":\"12\",\"text\":{}}", "text"},
                {"{\"code\":\"12\",\"seconds\":-5}", NULL},
                {"{\"code\":\"12\",\"seconds\":-6}", "seconds"},
                {"{\"code\":\"12\",\"seconds\":900}", NULL},
                {"{\"code\":\"12\",\"seconds\":901}", "seconds"},
                {"{\"code\":\"12\",\"seconds\":1.0}", "seconds"},
                {"{\"code\":\"12\",\"seconds\":\"1\"}", "seconds"},
                {"{\"code\":\"12\",\"seconds\":true}", "seconds"},
                {"{\"code\":\"12\",\"replace\":true}", NULL},
                {"{\"code\":\"12\",\"replace\":false}", NULL},
                {"{\"code\":\"12\",\"replace\":1}", "replace"},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const char *text = cases[i].parameters, *bad = NULL;
                json_t *parameters;
                int r;

                assert_int_equal(varlink_parse(text, strlen(text), &parameters), 0);
                r = varlink_check(parameters, fields, &bad);
                if (r != (cases[i].bad ? -EINVAL : 0))
                        fail_msg("%s gave %d", text, r);
                if (cases[i].bad)
                        assert_string_equal(bad, cases[i].bad);
                json_decref(parameters);
        }
}

static void test_check_without_fields(void **state _unused_) {
        const char *bad = NULL;
        json_t *parameters = json_object(), *list = json_array();

        assert_int_equal(varlink_check(NULL, NULL, &bad), 0);
        assert_int_equal(varlink_check(parameters, NULL, &bad), 0);
        assert_int_equal(json_object_set_new(parameters, "a", json_null()), 0);
        assert_int_equal(varlink_check(parameters, NULL, &bad), -EINVAL);
        assert_string_equal(bad, "a");
        assert_int_equal(varlink_check(list, NULL, &bad), -EINVAL);
        assert_string_equal(bad, "parameters");
        assert_int_equal(varlink_check(NULL, fields, &bad), -EINVAL);
        assert_string_equal(bad, "code");
        json_decref(parameters);
        json_decref(list);
}

/* The bound that holds when a table names none. */
static void test_check_text_max(void **state _unused_) {
        char text[VARLINK_TEXT_MAX + 2];
        const char *bad;
        json_t *parameters;

        memset(text, 'x', sizeof(text));
        text[VARLINK_TEXT_MAX] = '\0';
        parameters = json_pack("{s:s, s:s}", "code", "12", "text", text);
        assert_int_equal(varlink_check(parameters, fields, &bad), 0);
        json_decref(parameters);
        text[VARLINK_TEXT_MAX] = 'x';
        text[VARLINK_TEXT_MAX + 1] = '\0';
        parameters = json_pack("{s:s, s:s}", "code", "12", "text", text);
        assert_int_equal(varlink_check(parameters, fields, &bad), -EINVAL);
        json_decref(parameters);
}

static void test_values(void **state _unused_) {
        json_t *p = json_pack("{s:s, s:i, s:b, s:n}", "s", "text", "i", 7, "b", 1, "n");

        assert_string_equal(varlink_string(p, "s"), "text");
        assert_null(varlink_string(p, "n"));
        assert_null(varlink_string(p, "absent"));
        assert_null(varlink_string(NULL, "s"));
        assert_int_equal(varlink_int(p, "i", 3), 7);
        assert_int_equal(varlink_int(p, "n", 3), 3);
        assert_int_equal(varlink_int(NULL, "i", 3), 3);
        assert_true(varlink_bool(p, "b", false));
        assert_true(varlink_bool(p, "absent", true));
        assert_false(varlink_bool(NULL, "b", false));
        json_decref(p);
}

static void expect_message(struct buf *b, const char *text) {
        assert_int_equal(b->len, strlen(text) + 1);
        assert_string_equal(b->data, text);
        buf_clear(b);
}

static void test_put(void **state _unused_) {
        _cleanup_(buf_clear) struct buf b = BUF_INIT(256);
        json_t *p = json_pack("{s:s, s:i}", "b", "x\"y\n", "a", -1);

        assert_int_equal(varlink_put_call(&b, "a.b.C", NULL, false), 0);
        expect_message(&b, "{\"method\":\"a.b.C\"}");
        assert_int_equal(varlink_put_call(&b, "a.b.C", p, true), 0);
        expect_message(&b, "{\"method\":\"a.b.C\",\"parameters\":{\"b\":\"x\\\"y\\n\",\"a\":-1},"
                           "\"more\":true}");
        assert_int_equal(varlink_put_reply(&b, NULL, false), 0);
        expect_message(&b, "{}");
        assert_int_equal(varlink_put_reply(&b, p, true), 0);
        expect_message(&b, "{\"parameters\":{\"b\":\"x\\\"y\\n\",\"a\":-1},\"continues\":true}");
        assert_int_equal(varlink_put_error(&b, "a.b.E", NULL), 0);
        expect_message(&b, "{\"error\":\"a.b.E\"}");
        assert_int_equal(p->refcount, 1); /* borrowed */
        json_decref(p);
}

static void test_put_appends_whole_messages_only(void **state _unused_) {
        _cleanup_(buf_clear) struct buf b = BUF_INIT(2 * 18);

        assert_int_equal(varlink_put_error(&b, "a.b.E", NULL), 0); /* 17 bytes and NUL */
        assert_int_equal(varlink_put_error(&b, "a.b.E", NULL), 0);
        assert_int_equal(b.len, 36);
        assert_int_equal(varlink_put_reply(&b, NULL, false), -E2BIG);
        assert_int_equal(b.len, 36);
        assert_int_equal(varlink_frame(&b), 17);
}

/* A message, written and read again, is the same. */
static void test_round_trip(void **state _unused_) {
        _cleanup_(buf_clear) struct buf b = BUF_INIT(VARLINK_OUT_MAX);
        json_t *p = json_pack("{s:[s, {s:s}], s:s}", "l", "\xf0\x9f\x94\x91", "k", "\t", "z", ""),
               *m;

        assert_int_equal(varlink_put_call(&b, "a.b.C", p, false), 0);
        assert_int_equal(varlink_parse(b.data, (size_t)varlink_frame(&b), &m), 0);
        assert_true(json_equal(json_object_get(m, "parameters"), p));
        json_decref(m);
        json_decref(p);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_frame),
                cmocka_unit_test(test_parse),
                cmocka_unit_test(test_parse_nul),
                cmocka_unit_test(test_parse_very_deep),
                cmocka_unit_test(test_check),
                cmocka_unit_test(test_check_without_fields),
                cmocka_unit_test(test_check_text_max),
                cmocka_unit_test(test_values),
                cmocka_unit_test(test_put),
                cmocka_unit_test(test_put_appends_whole_messages_only),
                cmocka_unit_test(test_round_trip),
        };

        varlink_wipe_json();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
