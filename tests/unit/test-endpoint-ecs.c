/* test-endpoint-ecs.c - the bodies, byte for byte: SDKs differ in what they forgive. */
#include "common/buf.h"
#include "common/clock.h"
#include "common/secret.h"
#include "daemon/front/endpoint_ecs.h"
#include "daemon/front/lease.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define EXPIRES 1795309200 /* 2026-11-22T01:00:00Z */
#define UPDATED 1795305600 /* 2026-11-22T00:00:00Z */

static void lease_clearp(struct lease *l) {
        lease_clear(l);
}

/* The clocks stand still, so that the wall clock gives these two times. */
static struct lease make(const char *key_id, const char *secret, const char *token) {
        uint64_t now = clock_boot_usec();
        struct lease l = {.bought_boot_usec = now,
                          .ends_boot_usec = now + (EXPIRES - UPDATED) * USEC_PER_SEC,
                          .bought_wall_sec = UPDATED,
                          .ends_wall_sec = EXPIRES};

        assert_int_equal(creds_new(&l.creds), 0);
        (void)strcpy(l.creds->access_key_id, key_id);
        assert_int_equal(secret_copy(secret, strlen(secret), &l.creds->secret_key), 0);
        assert_int_equal(secret_copy(token, strlen(token), &l.creds->session_token), 0);
        return l;
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
                                       "  \"AccountId\" : \"123456789012\",\n"
                                       "  \"RoleArn\" : "
                                       "\"arn:aws:iam::123456789012:role/x\"\n"
                                       "}";
        _cleanup_(lease_clearp) struct lease l = make("ASIAFAKE", "s/e+c=", "tok/en==");
        _cleanup_(secret_freep) struct secret *body = NULL;

        (void)state;
        strcpy(l.account, "123456789012");
        assert_int_equal(lease_set_role(&l, "arn:aws:iam::123456789012:role/x"), 0);
        assert_int_equal(endpoint_ecs_creds(&l, &body), 0);
        assert_string_equal(secret_reveal(body), expected);
        assert_int_equal(secret_len(body), strlen(expected));
}

static void test_creds_without_account(void **state) {
        static const char end[] = "  \"Expiration\" : \"2026-11-22T01:00:00Z\"\n}";
        _cleanup_(lease_clearp) struct lease l = make("ASIAFAKE", "s", "t");
        _cleanup_(secret_freep) struct secret *body = NULL;
        const char *text;

        (void)state;
        assert_int_equal(endpoint_ecs_creds(&l, &body), 0);
        text = secret_reveal(body);
        assert_null(strstr(text, "AccountId"));
        assert_string_equal(text + strlen(text) - strlen(end), end);
}

/* What JSON would have to escape is not AWS's. */
static void test_creds_refused(void **state) {
        static const char *const values[] = {"a\"b", "a\\b", "a\nb", "a\x7f", "\xc3\xa4"};

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(values); i++) {
                _cleanup_(lease_clearp) struct lease l = make("ASIA", "s", values[i]);
                struct secret *body = NULL;

                assert_int_equal(endpoint_ecs_creds(&l, &body), -EBADMSG);
                assert_null(body);
        }
}

static void test_creds_large(void **state) {
        static char token[ECS_BODY_MAX + 1];
        struct secret *body = NULL;

        (void)state;
        memset(token, 't', SESSION_TOKEN_MAX);
        {
                _cleanup_(lease_clearp) struct lease l = make("ASIA", "s", token);

                assert_int_equal(endpoint_ecs_creds(&l, &body), 0);
                body = secret_free(body);
        }
        memset(token, 't', sizeof(token) - 1);
        {
                _cleanup_(lease_clearp) struct lease l = make("ASIA", "s", token);

                assert_int_equal(endpoint_ecs_creds(&l, &body), -E2BIG);
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
        clock_freeze(clock_boot_usec(), UPDATED);
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
