/* AWS's XML, file by file of tests/vectors/xml: what is taken, and why the rest is refused. */
#include "common/buf.h"
#include "common/clock.h"
#include "common/creds.h"
#include "common/fetch_proto.h"
#include "common/fs.h"
#include "common/secret.h"
#include "daemon/fetch/aws_answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define NOW INT64_C(1795305600) /* 2026-11-22T00:00:00Z: the Date of every answer here */

static void read_vector(const char *name, struct buf *ret) {
        char path[PATH_LEN_MAX];

        assert_true(snprintf(path, sizeof(path), "%s/tests/vectors/xml/%s.xml", SOURCE_ROOT, name) >
                    0);
        *ret = BUF_INIT(64 * 1024);
        assert_int_equal(fs_read_file(path, ret), 0);
}

static void read_answer(const char *name, enum aws_op op, struct fetch_answer *a) {
        _cleanup_(buf_clear) struct buf xml = {0};

        read_vector(name, &xml);
        *a = (struct fetch_answer){.http_status = 200, .date_sec = NOW};
        assert_int_equal(aws_answer_read(op, buf_text(&xml), xml.len, a), 0);
}

static void test_sessions(void **state _unused_) {
        static const struct {
                const char *name;
                size_t token_len;
                int64_t life_sec;
        } cases[] = {
                {"session-aws", 720, 43200},
                {"session-no-namespace", 720, 43200},
                {"session-prefixed", 720, 43200},
                {"session-fraction", 720, 43200},
                {"session-offset-date", 720, 43200},
                {"session-elsewhere", 720, 43200},
                {"session-jwt-token", 51, 43200},
                {"session-entities", 720, 43200},
                {"session-unknown-elements", 720, 43200},
                {"session-longest-life", 720, 36 * 3600 + 900},
                {"session-longest-token", 16384, 43200},
                {"session-16-deep", 720, 43200},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(fetch_answer_clear) struct fetch_answer a;

                print_message("%s\n", cases[i].name);
                read_answer(cases[i].name, AWS_OP_GET_SESSION_TOKEN, &a);
                assert_string_equal(a.text, "");
                assert_int_equal(a.outcome, FETCH_OK);
                assert_string_equal(a.creds->access_key_id, "ASIAIOSFODNN7EXAMPLE");
                assert_string_equal(secret_reveal(a.creds->secret_key),
                                    "wJalrXUtnFEMI/K7MDENG/bPxRfiCYzEXAMPLEKEY");
                assert_int_equal(secret_len(a.creds->session_token), cases[i].token_len);
                assert_int_equal(a.creds->expiration_sec - NOW, cases[i].life_sec);
        }
}

#define ASSUMED "assumed-role/Admin/mfad-me-here"

/* Also as services other than AWS write them. */
static void test_roles(void **state _unused_) {
        static const struct {
                const char *name, *key_id, *arn;
                size_t secret_len, token_len;
        } cases[] = {
                {"role-aws", "ASIAIOSFODNN7EXAMPLE", "arn:aws:sts::123456789012:" ASSUMED, 41, 720},
                {"role-no-user", "ASIAIOSFODNN7EXAMPLE", "", 41, 720},
                {"role-bare", "ASIAIOSFODNN7EXAMPLE", "", 41, 720},
                {"role-empty-subject", "ASIAIOSFODNN7EXAMPLE", "arn:aws:sts::123456789012:" ASSUMED,
                 41, 720},
                {"role-localstack", "LSIAQAAAAAAVNCBMPNSG", "arn:aws:sts::000000000000:" ASSUMED,
                 40, 356},
                {"role-minio", "X0BVS8KDEMT9QZ2RW4LH", "", 40, 59},
                {"role-ceph", "uJ4kQm0ZtXw7bRs2Lc9P", "arn:aws:sts:::" ASSUMED, 40, 402},
                {"role-other-names", "key_x-1", "arn:aws:sts::123456789012:" ASSUMED, 1, 1},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(fetch_answer_clear) struct fetch_answer a;

                print_message("%s\n", cases[i].name);
                read_answer(cases[i].name, AWS_OP_ASSUME_ROLE, &a);
                assert_string_equal(a.text, "");
                assert_int_equal(a.outcome, FETCH_OK);
                assert_string_equal(a.creds->access_key_id, cases[i].key_id);
                assert_string_equal(a.user_arn, cases[i].arn);
                assert_int_equal(secret_len(a.creds->secret_key), cases[i].secret_len);
                assert_int_equal(secret_len(a.creds->session_token), cases[i].token_len);
                assert_int_equal(a.creds->expiration_sec - NOW, 3600);
        }
}

static const struct {
        const char *name;
        enum aws_op op;
        const char *text;
} refused[] = {
        {"session-no-token", AWS_OP_GET_SESSION_TOKEN, "the answer has no SessionToken"},
        {"session-error-in-200", AWS_OP_GET_SESSION_TOKEN, "the answer has no AccessKeyId"},
        {"session-empty-secret", AWS_OP_GET_SESSION_TOKEN,
         "the answer has an illegal SecretAccessKey"},
        {"session-bad-secret", AWS_OP_GET_SESSION_TOKEN,
         "the answer has an illegal SecretAccessKey"},
        {"session-bad-key-id", AWS_OP_GET_SESSION_TOKEN, "the answer has an illegal AccessKeyId"},
        {"session-bad-token", AWS_OP_GET_SESSION_TOKEN, "the answer has an illegal SessionToken"},
        {"session-utf8-token", AWS_OP_GET_SESSION_TOKEN, "the answer has an illegal SessionToken"},
        {"session-latin1", AWS_OP_GET_SESSION_TOKEN,
         "the answer is not XML: not well-formed (invalid token)"},
        {"session-twice", AWS_OP_GET_SESSION_TOKEN, "the answer has the same field twice"},
        {"session-nested-field", AWS_OP_GET_SESSION_TOKEN,
         "the answer has an element inside a field"},
        {"session-long-secret", AWS_OP_GET_SESSION_TOKEN,
         "the answer has a field that is too long"},
        {"session-long-token", AWS_OP_GET_SESSION_TOKEN, "the answer has a field that is too long"},
        {"session-long-text", AWS_OP_GET_SESSION_TOKEN,
         "the answer has too much text in one element"},
        {"session-long-names", AWS_OP_GET_SESSION_TOKEN,
         "the answer has element names that are too long"},
        {"session-17-deep", AWS_OP_GET_SESSION_TOKEN,
         "the answer has too many elements inside each other"},
        {"session-expired", AWS_OP_GET_SESSION_TOKEN,
         "the answer has an Expiration that has passed"},
        {"session-too-far", AWS_OP_GET_SESSION_TOKEN,
         "the answer has an Expiration that is too far ahead"},
        {"session-no-date", AWS_OP_GET_SESSION_TOKEN, "the answer has an illegal Expiration"},
        {"session-30-february", AWS_OP_GET_SESSION_TOKEN, "the answer has an illegal Expiration"},
        {"session-doctype", AWS_OP_GET_SESSION_TOKEN, "the answer has a DOCTYPE"},
        {"billion-laughs", AWS_OP_GET_SESSION_TOKEN, "the answer has a DOCTYPE"},
        {"session-truncated", AWS_OP_GET_SESSION_TOKEN, "the answer is not XML: no element found"},
        {"session-trailing", AWS_OP_GET_SESSION_TOKEN,
         "the answer is not XML: junk after document element"},
        {"empty", AWS_OP_GET_SESSION_TOKEN, "the answer is not XML: no element found"},
        {"html", AWS_OP_GET_SESSION_TOKEN, "the answer is not XML: mismatched tag"},
        {"json", AWS_OP_GET_SESSION_TOKEN,
         "the answer is not XML: not well-formed (invalid token)"},
        {"role-bad-arn", AWS_OP_ASSUME_ROLE, "the answer has an illegal Arn"},
        {"role-two-users", AWS_OP_ASSUME_ROLE, "the answer has the same field twice"},
        {"role-two-sets", AWS_OP_ASSUME_ROLE, "the answer has two sets of credentials"},
        {"role-stray-token", AWS_OP_ASSUME_ROLE, "the answer has no SessionToken"},
        {"role-expired", AWS_OP_ASSUME_ROLE, "the answer has an Expiration that has passed"},
        {"role-10-digits", AWS_OP_ASSUME_ROLE, "the answer has an illegal Expiration"},
        {"role-other-offset", AWS_OP_ASSUME_ROLE, "the answer has an illegal Expiration"},
        {"role-only-offset", AWS_OP_ASSUME_ROLE, "the answer has an illegal Expiration"},
        {"role-two-ends", AWS_OP_ASSUME_ROLE, "the answer has an illegal Expiration"},
        {"session-aws", AWS_OP_GET_CALLER_IDENTITY, "the answer has no Arn"},
        {"error-s3", AWS_OP_ASSUME_ROLE, "the answer has no AccessKeyId"},
        {"devices-bad-serial", AWS_OP_LIST_MFA_DEVICES, "the answer has an illegal SerialNumber"},
        {"devices-no-list", AWS_OP_LIST_MFA_DEVICES, "the answer has no IsTruncated"},
        {"identity-bad-arn", AWS_OP_GET_CALLER_IDENTITY, "the answer has an illegal Arn"},
        {"identity-long-account", AWS_OP_GET_CALLER_IDENTITY,
         "the answer has a field that is too long"},
};

static void test_refused(void **state _unused_) {
        for (size_t i = 0; i < ELEMENTSOF(refused); i++) {
                _cleanup_(fetch_answer_clear) struct fetch_answer a;

                print_message("%s\n", refused[i].name);
                read_answer(refused[i].name, refused[i].op, &a);
                assert_string_equal(a.text, refused[i].text);
                assert_int_equal(a.outcome, FETCH_BAD_ANSWER);
                assert_null(a.creds);
                assert_string_equal(a.user_arn, "");
                assert_int_equal(a.n_mfa_serials, 0);
        }
}

static void test_devices_and_identity(void **state _unused_) {
        struct fetch_answer a;

        read_answer("devices-none", AWS_OP_LIST_MFA_DEVICES, &a);
        assert_int_equal(a.outcome, FETCH_OK);
        assert_int_equal(a.n_mfa_serials, 0);

        read_answer("devices-two", AWS_OP_LIST_MFA_DEVICES, &a);
        assert_int_equal(a.outcome, FETCH_OK);
        assert_int_equal(a.n_mfa_serials, 2);
        assert_string_equal(a.mfa_serials[0], "arn:aws:iam::123456789012:mfa/alice");
        assert_string_equal(a.mfa_serials[1], "GAHT12345678");

        read_answer("devices-nine", AWS_OP_LIST_MFA_DEVICES, &a);
        assert_int_equal(a.outcome, FETCH_OK);
        assert_int_equal(a.n_mfa_serials, FETCH_MFA_DEVICES_MAX);

        read_answer("identity", AWS_OP_GET_CALLER_IDENTITY, &a);
        assert_int_equal(a.outcome, FETCH_OK);
        assert_string_equal(a.user_arn, "arn:aws:iam::123456789012:user/team/alice");
        assert_string_equal(a.account, "123456789012");
}

static void test_errors(void **state _unused_) {
        static const char unexplained[] = "HTTP status 403 without a reason from AWS";
        static const char wrong_code[] =
                "MultiFactorAuthentication failed with invalid MFA one time pass code.";
        static const struct {
                const char *name, *code, *text;
        } cases[] = {
                {"error-plain-id", "AccessDenied", wrong_code},
                {"error-metadata-id", "AccessDenied", wrong_code},
                {"error-ec2", "RequestExpired", "Request has expired."},
                {"error-escapes", "AccessDenied", "?gpj? ? <b> two lines ?"},
                {"error-control-reference", "", unexplained}, /* XML knows no escape character */
                {"error-long-code", "", unexplained},
                {"error-bad-code", "", unexplained},
                {"error-two", "", unexplained},
                {"error-no-message", "Throttling", ""},
                {"error-s3", "InvalidAccessKeyId",
                 "The Access Key Id you provided does not exist in our records."},
                {"error-minio", "AccessDenied",
                 "Generating temporary credentials not allowed for this request."},
                {"error-ceph", "NoSuchEntity", ""},
                {"error-two-messages", "", unexplained},
                {"billion-laughs", "", unexplained},
                {"html", "", unexplained},
                {"json", "", unexplained},
                {"empty", "", unexplained},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(buf_clear) struct buf xml = {0};
                struct fetch_answer a = {.http_status = 403, .date_sec = NOW};

                print_message("%s\n", cases[i].name);
                read_vector(cases[i].name, &xml);
                assert_int_equal(aws_answer_read_error(buf_text(&xml), xml.len, &a), 0);
                assert_int_equal(a.outcome, FETCH_AWS_ERROR);
                assert_string_equal(a.aws_code, cases[i].code);
                assert_string_equal(a.text, cases[i].text);
        }
}

static void test_long_message_is_cut(void **state _unused_) {
        _cleanup_(buf_clear) struct buf xml = {0};
        struct fetch_answer a = {.http_status = 400};

        read_vector("error-long-message", &xml);
        assert_int_equal(aws_answer_read_error(buf_text(&xml), xml.len, &a), 0);
        assert_string_equal(a.aws_code, "AccessDenied");
        assert_in_range(strlen(a.text), FETCH_TEXT_MAX - 1, FETCH_TEXT_MAX);
}

/* Without a Date the local clock judges. */
static void test_without_date(void **state _unused_) {
        _cleanup_(buf_clear) struct buf xml = {0};
        _cleanup_(fetch_answer_clear) struct fetch_answer a = {.http_status = 200};

        read_vector("session-aws", &xml);
        clock_freeze(0, NOW + 43200);
        assert_int_equal(aws_answer_read(AWS_OP_GET_SESSION_TOKEN, xml.data, xml.len, &a), 0);
        assert_int_equal(a.outcome, FETCH_BAD_ANSWER);
        clock_freeze(0, NOW + 43199);
        assert_int_equal(aws_answer_read(AWS_OP_GET_SESSION_TOKEN, xml.data, xml.len, &a), 0);
        assert_int_equal(a.outcome, FETCH_OK);
}

static void test_printable(void **state _unused_) {
        static const struct {
                const char *in, *out;
        } cases[] = {
                {"", ""},
                {"plain", "plain"},
                {"  a \r\n\t b  ", "a b"},
                {"\x1b]0;x\x07", "?]0;x?"},
                {"\xe2\x80\xaex", "?x"},
                {"\xff\x80\x80z", "?z"},
                {"123456789", "1234567"},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char out[8] = "";

                aws_answer_make_printable(cases[i].in, out, sizeof(out));
                assert_string_equal(out, cases[i].out);
        }
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_sessions),     cmocka_unit_test(test_roles),
                cmocka_unit_test(test_refused),      cmocka_unit_test(test_devices_and_identity),
                cmocka_unit_test(test_errors),       cmocka_unit_test(test_long_message_is_cut),
                cmocka_unit_test(test_without_date), cmocka_unit_test(test_printable),
        };

        if (secret_arena_open() < 0)
                return 1;
        return cmocka_run_group_tests(tests, NULL, NULL);
}
