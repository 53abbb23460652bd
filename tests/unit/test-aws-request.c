/* test-aws-request.c - the exact bytes of each call, and what is refused before it is signed.
 * Owns:  nothing.
 * Calls: aws_request.h, secret.h.
 * Limit: none. botocore judges the signatures in tests/integration/test_sigv4_botocore.py. */
#include "common/aws_request.h"
#include "common/secret.h"
#include "common/sigv4.h"
#include "common/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include <cmocka.h>

static struct secret *secret_key;

static const struct aws_call good = {
        .op = AWS_OP_GET_SESSION_TOKEN,
        .region = "eu-central-1",
        .endpoint = "https://sts.eu-central-1.amazonaws.com",
        .mfa_serial = "arn:aws:iam::123456789012:mfa/me",
        .mfa_code = "012345",
        .duration_sec = 43200,
        .wall_sec = 1795305600,
};

static struct sigv4_key long_term_key(void) {
        return (struct sigv4_key){.access_key_id = "AKIAIOSFODNN7EXAMPLE",
                                  .secret_key = secret_key};
}

static void test_get_session_token(void **state) {
        _cleanup_(aws_http_request_clear) struct aws_http_request q = {0};
        struct sigv4_key key = long_term_key();

        (void)state;
        assert_int_equal(aws_request_build(&good, &key, &q), 0);
        assert_string_equal(q.url, "https://sts.eu-central-1.amazonaws.com/");
        assert_string_equal(
                q.body.data,
                "Action=GetSessionToken&Version=2011-06-15&DurationSeconds=43200"
                "&SerialNumber=arn%3Aaws%3Aiam%3A%3A123456789012%3Amfa%2Fme&TokenCode=012345");
        assert_non_null(strstr(q.headers.data,
                               "Content-Type: application/x-www-form-urlencoded; charset=utf-8\n"
                               "X-Amz-Date: 20261122T000000Z\n"
                               "Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/"
                               "20261122/eu-central-1/sts/aws4_request, "
                               "SignedHeaders=content-type;host;x-amz-date, Signature="));
        assert_null(strstr(q.headers.data, "Host"));
        assert_null(strstr(q.headers.data, "X-Amz-Security-Token"));
}

static void test_with_session(void **state) {
        _cleanup_(aws_http_request_clear) struct aws_http_request q = {0};
        struct sigv4_key key = long_term_key();
        struct aws_call call = good;

        (void)state;
        call.op = AWS_OP_LIST_MFA_DEVICES;
        key.session_token = "token+/=";
        assert_int_equal(aws_request_build(&call, &key, &q), 0);
        assert_string_equal(q.body.data, "Action=ListMFADevices&Version=2010-05-08");
        assert_non_null(strstr(q.headers.data, "\nX-Amz-Security-Token: token+/=\n"));
        assert_non_null(strstr(q.headers.data, "/iam/aws4_request, "
                                               "SignedHeaders=content-type;host;x-amz-date;"
                                               "x-amz-security-token, "));
        assert_int_equal(q.headers.data[q.headers.len - 1], '\n');
}

static void test_refusals(void **state) {
        static const struct {
                size_t offset; /* of the text in struct aws_call */
                const char *text;
        } cases[] = {
                {offsetof(struct aws_call, region), ""},
                {offsetof(struct aws_call, region), "eu/central"},
                {offsetof(struct aws_call, endpoint), ""},
                {offsetof(struct aws_call, endpoint), "http://sts.amazonaws.com"},
                {offsetof(struct aws_call, mfa_serial), ""},
                {offsetof(struct aws_call, mfa_serial), "arn&x=1 2 3"},
                {offsetof(struct aws_call, mfa_code), ""},
                {offsetof(struct aws_call, mfa_code), "12345x"},
        };
        struct sigv4_key key = long_term_key();
        struct aws_http_request q = {0};
        struct aws_call call;

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                call = good;
                strcpy((char *)&call + cases[i].offset, cases[i].text);
                assert_int_equal(aws_request_build(&call, &key, &q), -EINVAL);
        }
        for (uint32_t op = 0; op <= _AWS_OP_MAX; op += _AWS_OP_MAX) {
                call = good;
                call.op = (enum aws_op)op;
                assert_int_equal(aws_request_build(&call, &key, &q), -EINVAL);
        }
        call = good;
        call.duration_sec = AWS_DURATION_SEC_MIN - 1;
        assert_int_equal(aws_request_build(&call, &key, &q), -EINVAL);
        call.duration_sec = AWS_DURATION_SEC_MAX + 1;
        assert_int_equal(aws_request_build(&call, &key, &q), -EINVAL);
        call = good;
        call.wall_sec = -1;
        assert_int_equal(aws_request_build(&call, &key, &q), -EINVAL);
        call.wall_sec = INT64_C(253402300800);
        assert_int_equal(aws_request_build(&call, &key, &q), -EINVAL);
        key.access_key_id = "AKIA\nX: y";
        assert_int_equal(aws_request_build(&good, &key, &q), -EINVAL);
        key = long_term_key();
        key.session_token = "token\nX: y";
        assert_int_equal(aws_request_build(&good, &key, &q), -EINVAL);
        assert_null(q.body.data); /* untouched by all of these */
}

static void test_longest_request_fits(void **state) {
        _cleanup_(aws_http_request_clear) struct aws_http_request q = {0};
        struct sigv4_key key = long_term_key();
        static char token[SESSION_TOKEN_MAX + 1], id[ACCESS_KEY_ID_MAX + 1];
        struct aws_call call = good;

        (void)state;
        memset(token, 't', SESSION_TOKEN_MAX);
        memset(id, 'I', ACCESS_KEY_ID_MAX);
        memset(call.mfa_serial, ':', MFA_SERIAL_MAX);
        memset(call.region, 'r', sizeof(call.region) - 1);
        key.session_token = token;
        key.access_key_id = id;
        assert_int_equal(aws_request_build(&call, &key, &q), 0);
}

static void test_names(void **state) {
        (void)state;
        assert_string_equal(aws_op_name(AWS_OP_GET_CALLER_IDENTITY), "GetCallerIdentity");
        assert_string_equal(aws_op_service(AWS_OP_LIST_MFA_DEVICES), "iam");
        assert_null(aws_op_name((enum aws_op)0));
        assert_null(aws_op_service(_AWS_OP_MAX));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_get_session_token),
                cmocka_unit_test(test_with_session),
                cmocka_unit_test(test_refusals),
                cmocka_unit_test(test_longest_request_fits),
                cmocka_unit_test(test_names),
        };

        if (secret_arena_open() < 0 || secret_copy("wJalrXUtnFEMI", 13, &secret_key) < 0)
                return 1;
        return cmocka_run_group_tests(tests, NULL, NULL);
}
