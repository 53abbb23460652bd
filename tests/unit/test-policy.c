/* What mfad-signer signs and what it does not: the whole table. */
#include "common/aws_request.h"
#include "common/macros.h"
#include "daemon/signer/policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define NOW     INT64_C(1795305600)
#define MARGIN  POLICY_CLOCK_SEC_MAX
#define SERIAL  "arn:aws:iam::123456789012:mfa/alice"
#define URL     "https://sts.us-east-1.amazonaws.com"
#define TOKEN   AWS_OP_GET_SESSION_TOKEN
#define DEVICES AWS_OP_LIST_MFA_DEVICES
#define WHO     AWS_OP_GET_CALLER_IDENTITY
#define ROLE    AWS_OP_ASSUME_ROLE
#define SIGNIN  AWS_OP_GET_SIGNIN_TOKEN

static const struct aws_role admin = {.arn = "arn:aws:iam::123456789012:role/admin",
                                      .session_name = "mfad-alice-desk"},
                             full = {.arn = "arn:aws:iam::123456789012:role/admin",
                                     .session_name = "mfad-alice-desk",
                                     .external_id = "id",
                                     .source_identity = "alice",
                                     .policy = "{}",
                                     .policy_arns = "arn:aws:iam::aws:policy/ReadOnlyAccess",
                                     .tags = "team=blue",
                                     .transitive_tags = "team"},
                             nobody = {.session_name = "mfad-alice-desk"},
                             nameless = {.arn = "arn:aws:iam::123456789012:role/admin"},
                             tagless = {.arn = "arn:aws:iam::123456789012:role/admin",
                                        .session_name = "mfad-alice-desk",
                                        .tags = "team"};

static const struct {
        enum policy_result result;
        struct aws_call call;
} cases[] = {
        {POLICY_ALLOWED, {TOKEN, "us-east-1", URL, SERIAL, "123456", 3600, NOW, NULL}},
        {POLICY_ALLOWED, {TOKEN, "us-east-1", URL, "GAHT12345678", "000000", 900, NOW, NULL}},
        {POLICY_ALLOWED, {TOKEN, "eu-west-3", URL, SERIAL, "999999", 129600, NOW, NULL}},
        {POLICY_ALLOWED, {DEVICES, "us-east-1", "https://iam.amazonaws.com", "", "", 0, NOW, NULL}},
        {POLICY_ALLOWED, {WHO, "us-east-1", URL, "", "", 0, NOW, NULL}},
        {POLICY_ALLOWED, {WHO, "us-east-1", "http://127.0.0.1:4566", "", "", 0, NOW, NULL}},
        /* a session without MFA is what this program is there to prevent */
        {POLICY_NO_SERIAL, {TOKEN, "us-east-1", URL, "", "123456", 3600, NOW, NULL}},
        {POLICY_NO_SERIAL, {TOKEN, "us-east-1", URL, "short", "123456", 3600, NOW, NULL}},
        {POLICY_NO_SERIAL, {TOKEN, "us-east-1", URL, "a serial & more", "123456", 3600, NOW, NULL}},
        {POLICY_NO_SERIAL, {TOKEN, "us-east-1", URL, "", "", 3600, NOW, NULL}},
        {POLICY_NO_CODE, {TOKEN, "us-east-1", URL, SERIAL, "", 3600, NOW, NULL}},
        {POLICY_NO_CODE, {TOKEN, "us-east-1", URL, SERIAL, "12345", 3600, NOW, NULL}},
        {POLICY_NO_CODE, {TOKEN, "us-east-1", URL, SERIAL, "12345x", 3600, NOW, NULL}},
        {POLICY_NO_CODE, {TOKEN, "us-east-1", URL, SERIAL, " 12345", 3600, NOW, NULL}},
        {POLICY_DURATION, {TOKEN, "us-east-1", URL, SERIAL, "123456", 0, NOW, NULL}},
        {POLICY_DURATION, {TOKEN, "us-east-1", URL, SERIAL, "123456", 899, NOW, NULL}},
        {POLICY_DURATION, {TOKEN, "us-east-1", URL, SERIAL, "123456", 129601, NOW, NULL}},
        {POLICY_DURATION, {TOKEN, "us-east-1", URL, SERIAL, "123456", UINT32_MAX, NOW, NULL}},
        {POLICY_STRAY_FIELD, {WHO, "us-east-1", URL, "", "123456", 0, NOW, NULL}},
        {POLICY_STRAY_FIELD, {WHO, "us-east-1", URL, SERIAL, "", 0, NOW, NULL}},
        {POLICY_STRAY_FIELD, {DEVICES, "us-east-1", URL, "", "", 900, NOW, NULL}},
        {POLICY_STRAY_FIELD, {DEVICES, "us-east-1", URL, SERIAL, "", 0, NOW, NULL}},
        {POLICY_OPERATION, {(enum aws_op)0, "us-east-1", URL, "", "", 0, NOW, NULL}},
        {POLICY_OPERATION, {_AWS_OP_MAX, "us-east-1", URL, "", "", 0, NOW, NULL}},
        {POLICY_OPERATION, {(enum aws_op)77, "us-east-1", URL, SERIAL, "123456", 900, NOW, NULL}},
        {POLICY_REGION, {WHO, "", URL, "", "", 0, NOW, NULL}},
        {POLICY_REGION, {WHO, "US-EAST-1", URL, "", "", 0, NOW, NULL}},
        {POLICY_REGION, {WHO, "us/east", URL, "", "", 0, NOW, NULL}},
        {POLICY_REGION, {WHO, "a\nb", URL, "", "", 0, NOW, NULL}},
        {POLICY_ENDPOINT, {WHO, "us-east-1", "", "", "", 0, NOW, NULL}},
        {POLICY_ENDPOINT, {WHO, "us-east-1", "http://sts.amazonaws.com", "", "", 0, NOW, NULL}},
        {POLICY_ENDPOINT,
         {WHO, "us-east-1", "https://sts.amazonaws.com/path", "", "", 0, NOW, NULL}},
        {POLICY_ENDPOINT,
         {WHO, "us-east-1", "https://user@sts.amazonaws.com", "", "", 0, NOW, NULL}},
        {POLICY_ENDPOINT, {WHO, "us-east-1", "https://a\nb", "", "", 0, NOW, NULL}},
        {POLICY_ENDPOINT, {WHO, "us-east-1", "file:///etc/passwd", "", "", 0, NOW, NULL}},
        {POLICY_ALLOWED, {WHO, "us-east-1", URL, "", "", 0, NOW - MARGIN, NULL}},
        {POLICY_ALLOWED, {WHO, "us-east-1", URL, "", "", 0, NOW + MARGIN, NULL}},
        {POLICY_CLOCK, {WHO, "us-east-1", URL, "", "", 0, NOW - MARGIN - 1, NULL}},
        {POLICY_CLOCK, {WHO, "us-east-1", URL, "", "", 0, NOW + MARGIN + 1, NULL}},
        {POLICY_CLOCK, {WHO, "us-east-1", URL, "", "", 0, 0, NULL}},
        {POLICY_CLOCK, {WHO, "us-east-1", URL, "", "", 0, INT64_MAX, NULL}},
        {POLICY_CLOCK, {WHO, "us-east-1", URL, "", "", 0, INT64_MIN, NULL}},
        /* a role with the long-term key: only with a code, and no longer than AWS's 12 h */
        {POLICY_ALLOWED, {ROLE, "us-east-1", URL, SERIAL, "123456", 900, NOW, &admin}},
        {POLICY_ALLOWED, {ROLE, "us-east-1", URL, SERIAL, "123456", 43200, NOW, &full}},
        {POLICY_NO_SERIAL, {ROLE, "us-east-1", URL, "", "", 3600, NOW, &admin}},
        {POLICY_NO_SERIAL, {ROLE, "us-east-1", URL, "", "123456", 3600, NOW, &admin}},
        {POLICY_NO_SERIAL, {ROLE, "us-east-1", URL, "a b", "123456", 3600, NOW, &admin}},
        {POLICY_NO_CODE, {ROLE, "us-east-1", URL, SERIAL, "", 3600, NOW, &admin}},
        {POLICY_NO_CODE, {ROLE, "us-east-1", URL, SERIAL, "12345", 3600, NOW, &admin}},
        {POLICY_NO_CODE, {ROLE, "us-east-1", URL, SERIAL, "12345x", 3600, NOW, &admin}},
        {POLICY_DURATION, {ROLE, "us-east-1", URL, SERIAL, "123456", 0, NOW, &admin}},
        {POLICY_DURATION, {ROLE, "us-east-1", URL, SERIAL, "123456", 899, NOW, &admin}},
        {POLICY_DURATION, {ROLE, "us-east-1", URL, SERIAL, "123456", 43201, NOW, &admin}},
        {POLICY_ROLE, {ROLE, "us-east-1", URL, SERIAL, "123456", 3600, NOW, NULL}},
        {POLICY_ROLE, {ROLE, "us-east-1", URL, SERIAL, "123456", 3600, NOW, &nobody}},
        {POLICY_ROLE, {ROLE, "us-east-1", URL, SERIAL, "123456", 3600, NOW, &nameless}},
        {POLICY_ROLE, {ROLE, "us-east-1", URL, SERIAL, "123456", 3600, NOW, &tagless}},
        {POLICY_REGION, {ROLE, "", URL, SERIAL, "123456", 3600, NOW, &admin}},
        {POLICY_ENDPOINT, {ROLE, "us-east-1", "http://x", SERIAL, "123456", 900, NOW, &admin}},
        {POLICY_CLOCK, {ROLE, "us-east-1", URL, SERIAL, "123456", 900, 0, &admin}},
        {POLICY_STRAY_FIELD, {TOKEN, "us-east-1", URL, SERIAL, "123456", 3600, NOW, &admin}},
        {POLICY_STRAY_FIELD, {WHO, "us-east-1", URL, "", "", 0, NOW, &admin}},
        {POLICY_STRAY_FIELD, {DEVICES, "us-east-1", URL, "", "", 0, NOW, &admin}},
        /* whose body would be credentials */
        {POLICY_OPERATION, {SIGNIN, "us-east-1", URL, "", "", 0, NOW, NULL}},
        {POLICY_OPERATION, {SIGNIN, "us-east-1", URL, SERIAL, "123456", 900, NOW, &admin}},
};

static void test_table(void **state _unused_) {
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                print_message("case %zu\n", i);
                assert_int_equal(policy_check(&cases[i].call, NOW), cases[i].result);
        }
}

static void test_names(void **state _unused_) {
        for (int r = POLICY_ALLOWED; r <= POLICY_STRAY_FIELD; r++)
                assert_true(strlen(policy_name((enum policy_result)r)) > 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_table),
                cmocka_unit_test(test_names),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
