/* test-failure.c - every reason has its row, and every error of AWS its reason. */
#include "common/clock.h"
#include "common/macros.h"
#include "common/varlink_text.h"
#include "daemon/front/failure.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static void test_rows_are_complete(void **state _unused_) {
        for (int i = 0; i < _FAILURE_MAX; i++) {
                enum failure_reason reason = (enum failure_reason)i;
                unsigned status = failure_http_status(reason);
                struct failure f;
                char text[128];

                assert_non_null(failure_name(reason));
                assert_non_null(failure_what(reason));
                assert_true(status == 400 || status == 403 || status == 500 || status == 503);
                assert_int_equal(strncmp(failure_http_code(reason), "Mfad", 4), 0);

                /* both names stand in the installed interface */
                assert_int_equal(strncmp(failure_varlink_error(reason), "org.mfad.Control.", 17),
                                 0);
                (void)snprintf(text, sizeof(text), "\nerror %s (message: string",
                               failure_varlink_error(reason) + 17);
                assert_non_null(strstr(varlink_text_org_mfad_Control, text));
                (void)snprintf(text, sizeof(text), " %s,", failure_name(reason));
                if (reason != FAILURE_NONE && reason != FAILURE_SEALED &&
                    reason != FAILURE_INTERNAL) /* first and last of the list */
                        assert_non_null(strstr(varlink_text_org_mfad_Control, text));

                failure_set(&f, reason, NULL);
                assert_int_equal(f.reason, reason);
                assert_true(strlen(f.message) > 10);
                for (int j = 0; j < i; j++)
                        assert_string_not_equal(failure_name((enum failure_reason)j),
                                                failure_name(reason));
        }
}

static void test_only_what_ends_by_itself_is_retried(void **state _unused_) {
        for (int i = 0; i < _FAILURE_MAX; i++)
                assert_int_equal(failure_http_status((enum failure_reason)i) == 503,
                                 i == FAILURE_BUSY);
}

/* Go retries on these code strings, whatever the status says. */
static void test_no_code_that_sdks_retry(void **state _unused_) {
        static const char *const words[] = {"Expired", "Timeout", "Throttl", "TooMany"};

        for (int i = 0; i < _FAILURE_MAX; i++)
                for (size_t j = 0; j < ELEMENTSOF(words); j++)
                        assert_null(strstr(failure_http_code((enum failure_reason)i), words[j]));
}

static void test_sentences_are_whole_with_the_longest_detail(void **state _unused_) {
        char detail[4096];
        struct failure f, plain;

        memset(detail, 'x', sizeof(detail) - 1);
        detail[sizeof(detail) - 1] = '\0';
        for (int i = 0; i < _FAILURE_MAX; i++) {
                const char *advice;

                failure_set(&plain, (enum failure_reason)i, NULL);
                failure_set(&f, (enum failure_reason)i, detail);
                advice = strstr(plain.message, ". ");
                assert_non_null(advice);
                assert_true(strlen(f.message) >= strlen(advice));
                assert_string_equal(f.message + strlen(f.message) - strlen(advice), advice);
        }
}

static void test_details_are_made_printable(void **state _unused_) {
        struct failure f;

        failure_set(&f, FAILURE_DENIED,
                    "a\033]0;b\nc\xe2\x80\xae"
                    "d. ");
        assert_string_equal(f.message,
                            "AWS says no: a?]0;b?c???d. Ask whoever manages this AWS account");
        failure_set_wait(&f, FAILURE_MUST_WAIT, 42);
        assert_int_equal(f.wait_sec, 42);
        assert_non_null(strstr(f.message, "wait 42 s"));
}

static const struct {
        enum fetch_outcome outcome;
        bool was_sent;
        uint32_t status;
        const char *code, *text;
        enum failure_reason reason;
} answers[] = {
        /* client contract, errors of STS; the texts as AWS writes them */
        {FETCH_AWS_ERROR, true, 403, "AccessDenied",
         "MultiFactorAuthentication failed with invalid MFA one time pass code. ",
         FAILURE_WRONG_CODE},
        {FETCH_AWS_ERROR, true, 403, "AccessDenied",
         "MultiFactorAuthentication failed, unable to validate MFA code.  Please verify your MFA "
         "serial number is valid and associated with this user.",
         FAILURE_WRONG_SERIAL},
        {FETCH_AWS_ERROR, true, 403, "AccessDenied",
         "MultiFactorAuthentication failed, must provide both MFA serial number and one time pass "
         "code.",
         FAILURE_WRONG_SERIAL},
        {FETCH_AWS_ERROR, true, 403, "AccessDenied",
         "User: arn:aws:iam::123456789012:user/alice is not authorized to perform: "
         "sts:GetSessionToken with an explicit deny",
         FAILURE_DENIED},
        {FETCH_AWS_ERROR, true, 403, "AccessDenied",
         "Cannot call GetSessionToken with session credentials", FAILURE_DENIED},
        {FETCH_AWS_ERROR, true, 403, "InvalidClientTokenId",
         "The security token included in the request is invalid.", FAILURE_KEY_REFUSED},
        {FETCH_AWS_ERROR, true, 403, "SignatureDoesNotMatch",
         "The request signature we calculated does not match the signature you provided.",
         FAILURE_KEY_REFUSED},
        {FETCH_AWS_ERROR, true, 403, "SignatureDoesNotMatch",
         "Signature expired: 20160609T184512Z is now earlier than 20160610T013008Z "
         "(20160610T014508Z - 15 min.)",
         FAILURE_CLOCK_WRONG},
        {FETCH_AWS_ERROR, true, 403, "SignatureDoesNotMatch",
         "Signature not yet current: 20160609T184512Z is still later than 20160609T013008Z",
         FAILURE_CLOCK_WRONG},
        {FETCH_AWS_ERROR, true, 400, "RequestExpired", "Request has expired.", FAILURE_CLOCK_WRONG},
        {FETCH_AWS_ERROR, true, 403, "ExpiredToken",
         "The security token included in the request is expired", FAILURE_DENIED},
        {FETCH_AWS_ERROR, true, 400, "Throttling", "Rate exceeded", FAILURE_THROTTLED},
        {FETCH_AWS_ERROR, true, 503, "Throttling", "Rate exceeded", FAILURE_THROTTLED},
        {FETCH_AWS_ERROR, true, 429, "TooManyRequestsException", "", FAILURE_THROTTLED},
        {FETCH_AWS_ERROR, true, 429, "", "", FAILURE_THROTTLED},
        {FETCH_AWS_ERROR, true, 400, "ValidationError",
         "1 validation error detected: Value '12345' at 'tokenCode' failed to satisfy constraint",
         FAILURE_WRONG_CODE},
        {FETCH_AWS_ERROR, true, 400, "ValidationError",
         "1 validation error detected: Value 'x' at 'serialNumber' failed to satisfy constraint",
         FAILURE_WRONG_SERIAL},
        {FETCH_AWS_ERROR, true, 400, "ValidationError", "The requested DurationSeconds exceeds",
         FAILURE_DENIED},
        {FETCH_AWS_ERROR, true, 403, "RegionDisabledException", "STS is not activated",
         FAILURE_DENIED},
        {FETCH_AWS_ERROR, true, 500, "InternalFailure", "", FAILURE_OUTCOME_UNKNOWN},
        {FETCH_AWS_ERROR, true, 503, "ServiceUnavailable", "", FAILURE_OUTCOME_UNKNOWN},
        {FETCH_AWS_ERROR, true, 502, "", "", FAILURE_OUTCOME_UNKNOWN},
        /* not AWS at all: a proxy, a log-in page */
        {FETCH_AWS_ERROR, true, 403, "", "", FAILURE_BAD_ANSWER},
        {FETCH_BAD_ANSWER, true, 200, "", "not XML", FAILURE_BAD_ANSWER},
        {FETCH_BAD_ANSWER, true, 302, "", "a redirect", FAILURE_BAD_ANSWER},
        /* the way to it */
        {FETCH_RESOLVE_FAILED, false, 0, "", "", FAILURE_UNREACHABLE},
        {FETCH_CONNECT_FAILED, false, 0, "", "Connection refused", FAILURE_UNREACHABLE},
        {FETCH_TLS_UNTRUSTED, false, 0, "", "", FAILURE_UNREACHABLE},
        {FETCH_TLS_WRONG_NAME, false, 0, "", "", FAILURE_UNREACHABLE},
        {FETCH_TLS_EXPIRED, false, 0, "", "", FAILURE_UNREACHABLE},
        {FETCH_TLS_FAILED, false, 0, "", "", FAILURE_UNREACHABLE},
        {FETCH_TLS_FAILED, true, 0, "", "", FAILURE_OUTCOME_UNKNOWN},
        {FETCH_NO_ANSWER, false, 0, "", "", FAILURE_UNREACHABLE},
        {FETCH_NO_ANSWER, true, 0, "", "", FAILURE_OUTCOME_UNKNOWN},
        {FETCH_INTERNAL, false, 0, "", "", FAILURE_INTERNAL},
        {FETCH_INTERNAL, true, 0, "", "", FAILURE_INTERNAL},
        {FETCH_OK, true, 200, "", "", FAILURE_NONE},
};

static struct fetch_answer answer(size_t i) {
        struct fetch_answer a = {.outcome = answers[i].outcome,
                                 .was_sent = answers[i].was_sent,
                                 .http_status = answers[i].status};

        strcpy(a.aws_code, answers[i].code);
        strcpy(a.text, answers[i].text);
        return a;
}

static void test_answers(void **state _unused_) {
        for (size_t i = 0; i < ELEMENTSOF(answers); i++) {
                struct fetch_answer a = answer(i);
                struct failure f = {0};
                bool failed = failure_from_fetch(&f, &a, AWS_OP_GET_SESSION_TOKEN, 0);

                assert_int_equal(failed, answers[i].reason != FAILURE_NONE);
                if (f.reason != answers[i].reason)
                        fail_msg("line %zu: %s (%s)", i, failure_name(f.reason), f.message);
        }
}

static void test_code_never_stands_in_a_sentence(void **state _unused_) {
        struct fetch_answer a = {.outcome = FETCH_AWS_ERROR, .was_sent = true, .http_status = 400};
        struct failure f;

        strcpy(a.aws_code, "ValidationError");
        strcpy(a.text, "Value '123456' at 'tokenCode' failed to satisfy constraint");
        assert_true(failure_from_fetch(&f, &a, AWS_OP_GET_SESSION_TOKEN, 0));
        assert_null(strstr(f.message, "123456"));
}

static void test_ways_to_fail_are_told_apart(void **state _unused_) {
        char seen[_FETCH_OUTCOME_MAX][FAILURE_TEXT_MAX];
        size_t n = 0;

        for (int i = FETCH_RESOLVE_FAILED; i <= FETCH_TLS_FAILED; i++, n++) {
                struct fetch_answer a = {.outcome = (enum fetch_outcome)i};
                struct failure f;

                assert_true(failure_from_fetch(&f, &a, AWS_OP_GET_SESSION_TOKEN, 0));
                assert_non_null(strstr(f.message, "No code was sent"));
                for (size_t j = 0; j < n; j++)
                        assert_string_not_equal(seen[j], f.message);
                strcpy(seen[n], f.message);
        }
}

static void test_wrong_clock_says_how_wrong(void **state _unused_) {
        static const struct {
                int64_t offset_sec;
                const char *text;
        } rows[] = {
                {3725, "1 h 2 min behind AWS's; mfad corrects for it"},
                {-1000, "16 min 40 s ahead of AWS's; mfad corrects for it"},
                {86400, "24 h 0 min behind AWS's; mfad corrects for it"},
                {90000, "25 h 0 min behind AWS's; set it"},
                {-864000, "10 days ahead of AWS's; set it"},
        };
        struct fetch_answer a = {.outcome = FETCH_AWS_ERROR, .was_sent = true, .http_status = 403};

        strcpy(a.aws_code, "SignatureDoesNotMatch");
        strcpy(a.text, "Signature expired: x");
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                struct failure f;

                assert_true(
                        failure_from_fetch(&f, &a, AWS_OP_GET_SESSION_TOKEN, rows[i].offset_sec));
                assert_int_equal(f.reason, FAILURE_CLOCK_WRONG);
                assert_int_equal(f.offset_sec, rows[i].offset_sec);
                if (!strstr(f.message, rows[i].text))
                        fail_msg("%s", f.message);
        }
}

static void test_without_a_code_no_code_is_spoken_of(void **state _unused_) {
        for (size_t i = 0; i < ELEMENTSOF(answers); i++) {
                struct fetch_answer a = answer(i);
                struct failure f;

                if (answers[i].reason == FAILURE_NONE || failure_is_refused_code(answers[i].reason))
                        continue;
                assert_true(failure_from_fetch(&f, &a, AWS_OP_LIST_MFA_DEVICES, 0));
                if (strstr(f.message, "mfactl unlock"))
                        fail_msg("%s", f.message);
        }
}

static void test_refusals_of_the_signer(void **state _unused_) {
        static const enum failure_reason reasons[] = {
                [SIGNER_REFUSED_NO_VAULT] = FAILURE_NO_VAULT,
                [SIGNER_REFUSED_SEALED] = FAILURE_SEALED,
                [SIGNER_REFUSED_UNKNOWN_KEY] = FAILURE_UNKNOWN_KEY,
                [SIGNER_REFUSED_CODE_USED] = FAILURE_CODE_USED,
                [SIGNER_REFUSED_POLICY] = FAILURE_INTERNAL,
                [SIGNER_REFUSED_INTERNAL] = FAILURE_INTERNAL,
        };

        for (int i = SIGNER_REFUSED_NO_VAULT; i <= SIGNER_REFUSED_INTERNAL + 1; i++) {
                struct failure f = {0};

                failure_from_refusal(&f, (enum signer_refusal)i);
                assert_int_equal(f.reason,
                                 i <= SIGNER_REFUSED_INTERNAL ? reasons[i] : FAILURE_INTERNAL);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_rows_are_complete),
                cmocka_unit_test(test_only_what_ends_by_itself_is_retried),
                cmocka_unit_test(test_no_code_that_sdks_retry),
                cmocka_unit_test(test_sentences_are_whole_with_the_longest_detail),
                cmocka_unit_test(test_details_are_made_printable),
                cmocka_unit_test(test_answers),
                cmocka_unit_test(test_code_never_stands_in_a_sentence),
                cmocka_unit_test(test_ways_to_fail_are_told_apart),
                cmocka_unit_test(test_wrong_clock_says_how_wrong),
                cmocka_unit_test(test_without_a_code_no_code_is_spoken_of),
                cmocka_unit_test(test_refusals_of_the_signer),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
