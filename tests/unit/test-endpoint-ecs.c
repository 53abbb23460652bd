/* test-endpoint-ecs.c - the bodies, byte for byte: SDKs differ in what they forgive. */
#include "common/buf.h"
#include "common/secret.h"
#include "daemon/front/endpoint_ecs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define EXPIRES 1795309200 /* 2026-11-22T01:00:00Z */
#define UPDATED 1795305600 /* 2026-11-22T00:00:00Z */

static struct creds *make(const char *key_id, const char *secret, const char *token) {
        struct creds *c;

        assert_int_equal(creds_new(&c), 0);
        (void)strcpy(c->access_key_id, key_id);
        assert_int_equal(secret_copy(secret, strlen(secret), &c->secret_key), 0);
        assert_int_equal(secret_copy(token, strlen(token), &c->session_token), 0);
        return c;
}

static void test_creds(void **state) {
        static const char expected[] = "{\n"
                                       "  \"Code\" : \"Success\",\n"
                                       "  \"LastUpdated\" : \"2026-11-22T00:00:00Z\",\n"
                                       "  \"Type\" : \"AWS-HMAC\",\n"
                                       "  \"AccessKeyId\" : \"ASIAFAKE\",\n"
                                       "  \"SecretAccessKey\" : \"s/e+c=\",\n"
                                       "  \"Token\" : \"tok/en==\",\n"
                                       "  \"Expiration\" : \"2026-11-22T01:00:00Z\",\n"
                                       "  \"AccountId\" : \"123456789012\"\n"
                                       "}";
        _cleanup_(creds_freep) struct creds *c = make("ASIAFAKE", "s/e+c=", "tok/en==");
        _cleanup_(secret_freep) struct secret *body = NULL;

        (void)state;
        assert_int_equal(endpoint_ecs_creds(c, "123456789012", EXPIRES, UPDATED, &body), 0);
        assert_string_equal(secret_reveal(body), expected);
        assert_int_equal(secret_len(body), strlen(expected));
}

static void test_creds_without_account(void **state) {
        static const char end[] = "  \"Expiration\" : \"2026-11-22T01:00:00Z\"\n}";
        _cleanup_(creds_freep) struct creds *c = make("ASIAFAKE", "s", "t");
        _cleanup_(secret_freep) struct secret *body = NULL;
        const char *text;

        (void)state;
        assert_int_equal(endpoint_ecs_creds(c, "", EXPIRES, UPDATED, &body), 0);
        text = secret_reveal(body);
        assert_null(strstr(text, "AccountId"));
        assert_string_equal(text + strlen(text) - strlen(end), end);
}

/* What JSON would have to escape is not AWS's. */
static void test_creds_refused(void **state) {
        static const char *const values[] = {"a\"b", "a\\b", "a\nb", "a\x7f", "\xc3\xa4"};

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(values); i++) {
                _cleanup_(creds_freep) struct creds *c = make("ASIA", "s", values[i]);
                struct secret *body = NULL;

                assert_int_equal(endpoint_ecs_creds(c, "", EXPIRES, UPDATED, &body), -EBADMSG);
                assert_null(body);
        }
}

static void test_creds_large(void **state) {
        static char token[ECS_BODY_MAX + 1];
        struct secret *body = NULL;

        (void)state;
        memset(token, 't', SESSION_TOKEN_MAX);
        {
                _cleanup_(creds_freep) struct creds *c = make("ASIA", "s", token);

                assert_int_equal(endpoint_ecs_creds(c, "", EXPIRES, UPDATED, &body), 0);
                body = secret_free(body);
        }
        memset(token, 't', sizeof(token) - 1);
        {
                _cleanup_(creds_freep) struct creds *c = make("ASIA", "s", token);

                assert_int_equal(endpoint_ecs_creds(c, "", EXPIRES, UPDATED, &body), -E2BIG);
        }
}

static void test_error(void **state) {
        static const struct {
                const char *code, *message, *expected;
        } rows[] = {
                {"MfadLocked", "locked, run: mfactl unlock",
                 "{\"message\":\"mfad: locked, run: mfactl unlock\",\"code\":\"MfadLocked\","
                 "\"Message\":\"mfad: locked, run: mfactl unlock\",\"Code\":\"MfadLocked\"}"},
                {"X", "a \"quoted\" b\\c",
                 "{\"message\":\"mfad: a \\\"quoted\\\" b\\\\c\",\"code\":\"X\","
                 "\"Message\":\"mfad: a \\\"quoted\\\" b\\\\c\",\"Code\":\"X\"}"},
                {"X", "\x1b]0;\n\xc3\xa4",
                 "{\"message\":\"mfad: ?]0;???\",\"code\":\"X\",\"Message\":\"mfad: ?]0;???\","
                 "\"Code\":\"X\"}"},
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_(buf_clear) struct buf b = BUF_INIT(ECS_ERROR_MAX);

                assert_int_equal(endpoint_ecs_error(rows[i].code, rows[i].message, &b), 0);
                assert_string_equal(buf_text(&b), rows[i].expected);
        }
}

static int set_up(void **state) {
        (void)state;
        return secret_arena_open();
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_creds),         cmocka_unit_test(test_creds_without_account),
                cmocka_unit_test(test_creds_refused), cmocka_unit_test(test_creds_large),
                cmocka_unit_test(test_error),
        };

        return cmocka_run_group_tests(tests, set_up, NULL);
}
