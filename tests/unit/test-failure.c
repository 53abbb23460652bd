/* test-failure.c - every reason has its row, and every error of AWS its reason. */
#include "common/aws_config_limits.h"
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
                assert_true(status == 400 || status == 403 || status == 500 || status == 503);
                assert_int_equal(strncmp(failure_http_code(reason), "Mfad", 4), 0);

                /* both names stand in the installed interface */
                assert_int_equal(strncmp(failure_varlink_error(reason), "org.mfad.Control.", 17),
                                 0);
                (void)snprintf(text, sizeof(text), "\nerror %s (message: string",
                               failure_varlink_error(reason) + 17);
                assert_non_null(strstr(varlink_text_org_mfad_Control, text));
                /* the list begins with "locked" and ends with "internal" */
                (void)snprintf(text, sizeof(text), "%s%s%s",
                               reason == FAILURE_NONE ? "reason: (" : " ", failure_name(reason),
                               reason == FAILURE_INTERNAL ? ")," : ",");
                assert_non_null(strstr(varlink_text_org_mfad_Control, text));

                failure_set(&f, reason, NULL);
                assert_int_equal(f.reason, reason);
                assert_null(strstr(f.message, "(null)")); /* what happened is there */
                assert_true(strcspn(f.message, ".") > 0);
                assert_int_equal(f.since_wall_sec, f.at_wall_sec);
                assert_in_range(f.at_wall_sec, clock_wall_sec() - 60, clock_wall_sec());
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

/* Some SDKs retry on these code strings, whatever the status says. */
static void test_no_code_that_sdks_retry(void **state _unused_) {
        static const char *const words[] = {"Expired",  "Timeout",    "Throttl", "TooMany",
                                            "SlowDown", "Exceeded",   "Limit",   "InProgress",
                                            "TooEarly", "NotComplete"};

        for (int i = 0; i < _FAILURE_MAX; i++)
                for (size_t j = 0; j < ELEMENTSOF(words); j++)
                        assert_null(strstr(failure_http_code((enum failure_reason)i), words[j]));
}

/* docs/protocol.md says the same; whoever reads codes relies on them. */
static void test_statuses_and_codes(void **state _unused_) {
        static const struct {
                enum failure_reason reason;
                unsigned status;
                const char *code;
        } expected[] = {
                {FAILURE_NONE, 403, "MfadLocked"},
                {FAILURE_SEALED, 403, "MfadLocked"},
                {FAILURE_NO_VAULT, 403, "MfadLocked"},
                {FAILURE_UNKNOWN_KEY, 400, "MfadUnknownKey"},
                {FAILURE_NO_MFA_SERIAL, 403, "MfadNoMfaSerial"},
                {FAILURE_WRONG_CODE, 403, "MfadWrongCode"},
                {FAILURE_CODE_USED, 403, "MfadCodeUsed"},
                {FAILURE_WRONG_SERIAL, 403, "MfadWrongSerial"},
                {FAILURE_KEY_REFUSED, 403, "MfadKeyRefused"},
                {FAILURE_TEMPORARY_KEY, 403, "MfadTemporaryKey"},
                {FAILURE_WRONG_SECRET, 403, "MfadWrongSecret"},
                {FAILURE_EXPIRED, 403, "MfadMfaRequired"},
                {FAILURE_CLOCK_WRONG, 403, "MfadClockWrong"},
                {FAILURE_THROTTLED, 400, "MfadUpstreamBusy"},
                {FAILURE_DENIED, 403, "MfadDenied"},
                {FAILURE_DURATION, 403, "MfadDuration"},
                {FAILURE_REGION_DISABLED, 403, "MfadRegionDisabled"},
                {FAILURE_BAD_POLICY, 403, "MfadBadPolicy"},
                {FAILURE_SERVER_ERROR, 400, "MfadUpstreamError"},
                {FAILURE_UNREACHABLE, 400, "MfadUpstreamUnreachable"},
                {FAILURE_OUTCOME_UNKNOWN, 400, "MfadUpstreamUnreachable"},
                {FAILURE_BAD_ANSWER, 400, "MfadUpstreamBadAnswer"},
                {FAILURE_BUSY, 503, "MfadPending"},
                {FAILURE_MUST_WAIT, 403, "MfadMustWait"},
                {FAILURE_UNUSABLE, 400, "MfadUnusableProfile"},
                {FAILURE_INTERNAL, 500, "MfadInternal"},
        };

        assert_int_equal(ELEMENTSOF(expected), _FAILURE_MAX);
        for (size_t i = 0; i < ELEMENTSOF(expected); i++) {
                assert_int_equal(expected[i].reason, i);
                assert_int_equal(failure_http_status(expected[i].reason), expected[i].status);
                assert_string_equal(failure_http_code(expected[i].reason), expected[i].code);
        }
}

static void test_what_is_the_endpoints_fault(void **state _unused_) {
        static const enum failure_reason of_endpoint[] = {
                FAILURE_THROTTLED, FAILURE_SERVER_ERROR, FAILURE_UNREACHABLE,
                FAILURE_OUTCOME_UNKNOWN, FAILURE_BAD_ANSWER};

        for (int i = 0; i < _FAILURE_MAX; i++) {
                bool expected = false;

                for (size_t j = 0; j < ELEMENTSOF(of_endpoint); j++)
                        expected |= of_endpoint[j] == (enum failure_reason)i;
                assert_int_equal(failure_is_of_endpoint((enum failure_reason)i), expected);
        }
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
         FAILURE_NO_MFA_SERIAL},
        {FETCH_AWS_ERROR, true, 403, "AccessDenied",
         "User: arn:aws:iam::123456789012:user/alice is not authorized to perform: "
         "sts:GetSessionToken with an explicit deny",
         FAILURE_DENIED},
        {FETCH_AWS_ERROR, true, 403, "AccessDenied",
         "User: arn:aws:iam::123456789012:user/alice is not authorized to perform: sts:AssumeRole "
         "on resource: arn:aws:iam::210987654321:role/ops",
         FAILURE_DENIED},
        {FETCH_AWS_ERROR, true, 403, "AccessDenied",
         "Cannot call GetSessionToken with session credentials", FAILURE_TEMPORARY_KEY},
        {FETCH_AWS_ERROR, true, 403, "InvalidClientTokenId",
         "The security token included in the request is invalid.", FAILURE_KEY_REFUSED},
        {FETCH_AWS_ERROR, true, 403, "SignatureDoesNotMatch",
         "The request signature we calculated does not match the signature you provided.",
         FAILURE_WRONG_SECRET},
        {FETCH_AWS_ERROR, true, 403, "SignatureDoesNotMatch",
         "Signature expired: 20160609T184512Z is now earlier than 20160610T013008Z "
         "(20160610T014508Z - 15 min.)",
         FAILURE_CLOCK_WRONG},
        {FETCH_AWS_ERROR, true, 403, "SignatureDoesNotMatch",
         "Signature not yet current: 20160609T184512Z is still later than 20160609T013008Z",
         FAILURE_CLOCK_WRONG},
        {FETCH_AWS_ERROR, true, 400, "RequestExpired", "Request has expired.", FAILURE_CLOCK_WRONG},
        {FETCH_AWS_ERROR, true, 403, "ExpiredToken",
         "The security token included in the request is expired", FAILURE_EXPIRED},
        {FETCH_AWS_ERROR, true, 400, "ExpiredTokenException",
         "The security token included in the request is expired", FAILURE_EXPIRED},
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
        {FETCH_AWS_ERROR, true, 400, "ValidationError",
         "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role "
         "chaining.",
         FAILURE_DURATION},
        {FETCH_AWS_ERROR, true, 400, "ValidationError",
         "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
         FAILURE_DURATION},
        {FETCH_AWS_ERROR, true, 400, "ValidationError",
         "1 validation error detected: Value '60' at 'durationSeconds' failed to satisfy constraint",
         FAILURE_DURATION},
        {FETCH_AWS_ERROR, true, 400, "ValidationError",
         "1 validation error detected: Value at 'policyArns' failed to satisfy constraint",
         FAILURE_BAD_POLICY},
        {FETCH_AWS_ERROR, true, 400, "ValidationError",
         "1 validation error detected: Value '' at 'tags.1.member.key' failed to satisfy constraint",
         FAILURE_BAD_POLICY},
        {FETCH_AWS_ERROR, true, 400, "ValidationError",
         "1 validation error detected: Value 'x' at 'roleArn' failed to satisfy constraint",
         FAILURE_DENIED},
        {FETCH_AWS_ERROR, true, 400, "MalformedPolicyDocument", "This policy contains invalid Json",
         FAILURE_BAD_POLICY},
        {FETCH_AWS_ERROR, true, 400, "MalformedPolicyDocumentException", "", FAILURE_BAD_POLICY},
        {FETCH_AWS_ERROR, true, 400, "PackedPolicyTooLarge",
         "Packed policy consumes 130% of allotted space, please use smaller policy.",
         FAILURE_BAD_POLICY},
        {FETCH_AWS_ERROR, true, 403, "RegionDisabledException",
         "STS is not activated in this region for account:123456789012.", FAILURE_REGION_DISABLED},
        {FETCH_AWS_ERROR, true, 500, "InternalFailure", "", FAILURE_SERVER_ERROR},
        {FETCH_AWS_ERROR, true, 503, "ServiceUnavailable", "", FAILURE_SERVER_ERROR},
        {FETCH_AWS_ERROR, true, 500, "ServiceFailure", "", FAILURE_SERVER_ERROR},
        {FETCH_AWS_ERROR, true, 502, "", "", FAILURE_SERVER_ERROR},
        /* STS-compatible services */
        {FETCH_AWS_ERROR, true, 403, "InvalidAccessKeyId", "", FAILURE_KEY_REFUSED},
        {FETCH_AWS_ERROR, true, 403, "RequestTimeTooSkewed", "", FAILURE_CLOCK_WRONG},
        {FETCH_AWS_ERROR, true, 503, "SlowDown", "", FAILURE_THROTTLED},
        {FETCH_AWS_ERROR, true, 500, "InternalError", "", FAILURE_SERVER_ERROR},
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
                bool failed = failure_from_fetch(&f, &a, AWS_OP_GET_SESSION_TOKEN, true, 0);

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
        assert_true(failure_from_fetch(&f, &a, AWS_OP_GET_SESSION_TOKEN, true, 0));
        assert_null(strstr(f.message, "123456"));
}

static void test_ways_to_fail_are_told_apart(void **state _unused_) {
        char seen[_FETCH_OUTCOME_MAX][FAILURE_TEXT_MAX];
        size_t n = 0;

        for (int i = FETCH_RESOLVE_FAILED; i <= FETCH_TLS_FAILED; i++, n++) {
                struct fetch_answer a = {.outcome = (enum fetch_outcome)i};
                struct failure f;

                assert_true(failure_from_fetch(&f, &a, AWS_OP_GET_SESSION_TOKEN, true, 0));
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

                assert_true(failure_from_fetch(&f, &a, AWS_OP_GET_SESSION_TOKEN, true,
                                               rows[i].offset_sec));
                assert_int_equal(f.reason, FAILURE_CLOCK_WRONG);
                assert_int_equal(f.offset_sec, rows[i].offset_sec);
                if (!strstr(f.message, rows[i].text))
                        fail_msg("%s", f.message);
        }
}

static void test_without_a_code_no_code_is_spoken_of(void **state _unused_) {
        static const enum aws_op ops[] = {AWS_OP_LIST_MFA_DEVICES, AWS_OP_ASSUME_ROLE,
                                          AWS_OP_GET_SIGNIN_TOKEN};

        for (size_t i = 0; i < ELEMENTSOF(answers); i++)
                for (size_t j = 0; j < ELEMENTSOF(ops); j++) {
                        struct fetch_answer a = answer(i);
                        struct failure f;

                        /* of a code that AWS refused, and of a session that is over, we must speak */
                        if (answers[i].reason == FAILURE_NONE ||
                            answers[i].reason == FAILURE_EXPIRED ||
                            failure_is_refused_code(answers[i].reason))
                                continue;
                        assert_true(failure_from_fetch(&f, &a, ops[j], false, 0));
                        if (strstr(f.message, "mfactl unlock") || strstr(f.message, "next code"))
                                fail_msg("%s", f.message);
                }
}

/* One error, told to who can do something about it. */
static void test_advice_is_for_who_made_the_call(void **state _unused_) {
        static const struct {
                uint32_t status;
                const char *code, *text;
                enum aws_op op;
                bool has_code;
                const char *advice;
        } rows[] = {
                {403, "AccessDenied", "User: x is not authorized", AWS_OP_ASSUME_ROLE, false,
                 "Check the role's trust policy and that role_arn and external_id are right"},
                {403, "AccessDenied", "User: x is not authorized", AWS_OP_ASSUME_ROLE, true,
                 "Check the role's trust policy and that role_arn and external_id are right"},
                {403, "AccessDenied", "User: x is not authorized", AWS_OP_GET_SESSION_TOKEN, true,
                 "Ask whoever manages this AWS account"},
                {403, "AccessDenied", "Cannot call GetSessionToken with session credentials",
                 AWS_OP_GET_SESSION_TOKEN, true, "mfactl key add"},
                {403, "AccessDenied", "Cannot call GetSessionToken with session credentials",
                 AWS_OP_GET_SESSION_TOKEN, true, "a long-term one (AKIA...). Replace it"},
                {403, "InvalidClientTokenId", "", AWS_OP_GET_SESSION_TOKEN, true,
                 "mfactl key import"},
                {403, "InvalidClientTokenId", "", AWS_OP_ASSUME_ROLE, true, "mfactl key import"},
                {403, "InvalidClientTokenId", "", AWS_OP_ASSUME_ROLE, false,
                 "A session ends with its key"},
                {403, "SignatureDoesNotMatch", "", AWS_OP_GET_CALLER_IDENTITY, false,
                 "mfactl key import"},
                {403, "SignatureDoesNotMatch", "", AWS_OP_ASSUME_ROLE, false, "proxy"},
                {403, "ExpiredToken", "", AWS_OP_ASSUME_ROLE, false, "Run: mfactl unlock"},
                {400, "Throttling", "", AWS_OP_ASSUME_ROLE, false, "tries again by itself"},
                {400, "Throttling", "", AWS_OP_GET_CALLER_IDENTITY, false, "Try again"},
                {400, "Throttling", "", AWS_OP_GET_SESSION_TOKEN, true, "next code"},
                {500, "InternalFailure", "", AWS_OP_ASSUME_ROLE, false, "tries again by itself"},
                {500, "InternalFailure", "", AWS_OP_ASSUME_ROLE, true, "may be used up"},
                {400, "ValidationError", "DurationSeconds exceeds by role chaining.",
                 AWS_OP_ASSUME_ROLE, false, "one hour is the most"},
                {400, "ValidationError", "DurationSeconds exceeds the MaxSessionDuration",
                 AWS_OP_ASSUME_ROLE, false, "the role's MaxSessionDuration is less"},
                {400, "ValidationError", "DurationSeconds exceeds the MaxSessionDuration",
                 AWS_OP_ASSUME_ROLE, false, "Lower duration_seconds"},
                {400, "ValidationError", "DurationSeconds exceeds the MaxSessionDuration",
                 AWS_OP_ASSUME_ROLE, true, "--duration"},
                {403, "RegionDisabledException", "", AWS_OP_ASSUME_ROLE, false, "another region"},
                {400, "MalformedPolicyDocument", "", AWS_OP_ASSUME_ROLE, false,
                 "Check mfad_session_policy"},
                {400, "PackedPolicyTooLarge", "", AWS_OP_ASSUME_ROLE, false, "Shorten"},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                struct fetch_answer a = {.outcome = FETCH_AWS_ERROR,
                                         .was_sent = true,
                                         .http_status = rows[i].status};
                struct failure f;

                strcpy(a.aws_code, rows[i].code);
                strcpy(a.text, rows[i].text);
                assert_true(failure_from_fetch(&f, &a, rows[i].op, rows[i].has_code, 0));
                if (!strstr(f.message, rows[i].advice))
                        fail_msg("line %zu: %s", i, f.message);
        }
}

/* The sign-in endpoint refuses with pages, and has no codes. */
static void test_sign_in(void **state _unused_) {
        struct fetch_answer a = {.outcome = FETCH_AWS_ERROR, .was_sent = true, .http_status = 400};
        struct failure f;

        assert_true(failure_from_fetch(&f, &a, AWS_OP_GET_SIGNIN_TOKEN, false, 0));
        assert_int_equal(f.reason, FAILURE_DENIED);
        assert_non_null(strstr(f.message, "mfactl refresh"));
        a.http_status = 404;
        assert_true(failure_from_fetch(&f, &a, AWS_OP_GET_SIGNIN_TOKEN, false, 0));
        assert_int_equal(f.reason, FAILURE_BAD_ANSWER);
        a.http_status = 400;
        assert_true(failure_from_fetch(&f, &a, AWS_OP_ASSUME_ROLE, false, 0));
        assert_int_equal(f.reason, FAILURE_BAD_ANSWER);
}

/* However long AWS's own text is, the advice behind it is whole. */
static void test_advice_survives_a_long_text(void **state _unused_) {
        for (size_t i = 0; i < ELEMENTSOF(answers); i++)
                for (int kind = 0; kind < 4; kind++) {
                        enum aws_op op = kind < 2 ? AWS_OP_ASSUME_ROLE : AWS_OP_GET_SESSION_TOKEN;
                        struct fetch_answer a = answer(i);
                        struct failure f, plain;
                        const char *advice;

                        if (!failure_from_fetch(&plain, &a, op, kind % 2, 0))
                                continue;
                        memset(a.text + strlen(a.text), 'x', FETCH_TEXT_MAX - strlen(a.text));
                        assert_true(failure_from_fetch(&f, &a, op, kind % 2, 0));
                        advice = strrchr(plain.message, '.');
                        assert_non_null(advice);
                        if (strlen(f.message) < strlen(advice) ||
                            strcmp(f.message + strlen(f.message) - strlen(advice), advice) != 0)
                                fail_msg("%s", f.message);
                }
}

/* A chain of roles, the first of which AWS refuses at the length that its texts have. */
static void test_chain_names_its_links_and_keeps_the_advice(void **state _unused_) {
        static const char advice[] = ". Check the role's trust policy and that role_arn and "
                                     "external_id are right";
        static const char aws[] =
                "User: arn:aws:sts::123456789012:assumed-role/a-role-with-a-long-name/"
                "mfad-alice-laptop is not authorized to perform: sts:AssumeRole on resource: "
                "arn:aws:iam::210987654321:role/engineering/another-role-with-a-long-name";
        struct fetch_answer a = {.outcome = FETCH_AWS_ERROR, .was_sent = true, .http_status = 403};
        char name[PROFILE_NAME_MAX + 1];
        struct failure first, f;

        strcpy(a.aws_code, "AccessDenied");
        strcpy(a.text, aws);
        assert_true(failure_from_fetch(&first, &a, AWS_OP_ASSUME_ROLE, false, 0));
        first.since_wall_sec -= 60;
        f = first;
        failure_set_of_source(&f, &f, "base");
        failure_set_of_source(&f, &f, "middle");
        failure_set_of_source(&f, &f, "b\xc3\xbcro\n");
        assert_int_equal(strncmp(f.message,
                                 "its source \"b??ro?\": its source \"middle\": its source "
                                 "\"base\": AWS says no: HTTP 403 AccessDenied, User: ",
                                 100),
                         0);
        assert_non_null(strstr(f.message, "another-role-with-a-")); /* there is room for it */
        assert_string_equal(f.message + strlen(f.message) - strlen(advice), advice);
        assert_int_equal(f.reason, FAILURE_DENIED);
        assert_int_equal(f.at_wall_sec, first.at_wall_sec);
        assert_int_equal(f.since_wall_sec, first.since_wall_sec);

        /* AWS's text gives way to the longest names; where that is not enough the nearest stay */
        memset(name, 'n', PROFILE_NAME_MAX);
        name[PROFILE_NAME_MAX] = '\0';
        f = first;
        for (int i = 0; i < 5; i++) {
                name[0] = (char)('1' + i);
                failure_set_of_source(&f, &f, name);
                assert_true(strlen(f.message) < sizeof(f.message));
                assert_non_null(strstr(f.message, "its source \"1nnn"));
                assert_non_null(strstr(f.message, "nnn\": AWS says no: "));
                assert_string_equal(f.message + strlen(f.message) - strlen(advice), advice);
        }
        assert_int_equal(strncmp(f.message, "its source \"2nnn", 16), 0);

        /* without anything of AWS's in it */
        failure_set(&f, FAILURE_UNUSABLE, NULL);
        failure_set_of_source(&f, &f, "base");
        assert_string_equal(f.message, "its source \"base\": the profile cannot be used as it "
                                       "stands. Correct it in ~/.aws/config");
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
                cmocka_unit_test(test_statuses_and_codes),
                cmocka_unit_test(test_what_is_the_endpoints_fault),
                cmocka_unit_test(test_sentences_are_whole_with_the_longest_detail),
                cmocka_unit_test(test_details_are_made_printable),
                cmocka_unit_test(test_answers),
                cmocka_unit_test(test_code_never_stands_in_a_sentence),
                cmocka_unit_test(test_ways_to_fail_are_told_apart),
                cmocka_unit_test(test_wrong_clock_says_how_wrong),
                cmocka_unit_test(test_without_a_code_no_code_is_spoken_of),
                cmocka_unit_test(test_advice_is_for_who_made_the_call),
                cmocka_unit_test(test_sign_in),
                cmocka_unit_test(test_advice_survives_a_long_text),
                cmocka_unit_test(test_chain_names_its_links_and_keeps_the_advice),
                cmocka_unit_test(test_refusals_of_the_signer),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
