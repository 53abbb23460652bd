#include "daemon/front/failure.h"
#include "common/clock.h"
#include "common/macros.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define OFFSET_SEC_MAX (24 * 60 * 60) /* beyond, aws_clock.h does not correct */

/* `what` and `advice` make the sentence. `retry` replaces `advice` where a request carried no code. */
struct failure_row {
        const char *name;
        const char *error;
        unsigned status;
        const char *code;
        const char *what;
        const char *advice;
        const char *retry;
};

static const char next_code[] = "Wait for the next code, then run: mfactl unlock";
static const char try_again[] = "Try again in a minute.";

/* 403 and 400 are shown by the SDKs at once; only a call in flight, which ends by itself, is 503. */
static const struct failure_row rows[_FAILURE_MAX] = {
        [FAILURE_NONE] = {"none", "org.mfad.Control.Locked", 403, "MfadLocked", "locked",
                          "Run: mfactl unlock", NULL},
        [FAILURE_SEALED] = {"sealed", "org.mfad.Control.Sealed", 403, "MfadLocked",
                            "the vault is sealed", "Run: mfactl unlock", NULL},
        [FAILURE_NO_VAULT] = {"no_vault", "org.mfad.Control.NoVault", 403, "MfadLocked",
                              "there is no vault yet", "Run: mfactl init", NULL},
        [FAILURE_UNKNOWN_KEY] = {"unknown_key", "org.mfad.Control.UnknownKey", 400,
                                 "MfadUnknownKey", "the vault has no such key",
                                 "Run: mfactl key list", NULL},
        [FAILURE_NO_MFA_SERIAL] =
                {"no_mfa_serial", "org.mfad.Control.NoMfaSerial", 403, "MfadNoMfaSerial",
                 "the MFA device of this key is not known",
                 "Put mfa_serial = ARN into its profile in ~/.aws/config, or run: "
                 "mfactl init",
                 NULL},
        [FAILURE_WRONG_CODE] = {"wrong_code", "org.mfad.Control.WrongCode", 403, "MfadWrongCode",
                                "AWS refused the code: it is wrong or was used before", next_code,
                                NULL},
        [FAILURE_CODE_USED] = {"code_used", "org.mfad.Control.CodeUsed", 403, "MfadCodeUsed",
                               "this code has been sent to AWS before",
                               "Then run mfactl unlock with the next code", NULL},
        [FAILURE_WRONG_SERIAL] =
                {"wrong_serial", "org.mfad.Control.WrongSerial", 403, "MfadWrongSerial",
                 "AWS cannot check the code with this MFA device",
                 "See that mfa_serial in ~/.aws/config is this user's device, then "
                 "run: mfactl unlock",
                 NULL},
        [FAILURE_KEY_REFUSED] = {"key_refused", "org.mfad.Control.KeyRefused", 403,
                                 "MfadKeyRefused",
                                 "AWS refused the access key: deleted, inactive or not the right "
                                 "secret",
                                 "Check it in the IAM console, then run: mfactl key import", NULL},
        [FAILURE_CLOCK_WRONG] = {"clock_wrong", "org.mfad.Control.ClockWrong", 403,
                                 "MfadClockWrong", "this machine's clock is wrong", next_code,
                                 try_again},
        [FAILURE_THROTTLED] = {"throttled", "org.mfad.Control.Throttled", 400, "MfadUpstreamBusy",
                               "AWS asks for fewer requests", next_code, try_again},
        [FAILURE_DENIED] = {"denied", "org.mfad.Control.Denied", 403, "MfadDenied", "AWS says no",
                            "Ask whoever manages this AWS account", NULL},
        [FAILURE_UNREACHABLE] = {"unreachable", "org.mfad.Control.Unreachable", 400,
                                 "MfadUpstreamUnreachable", "AWS cannot be reached",
                                 "No code was sent; when the network is back run: mfactl unlock",
                                 try_again},
        [FAILURE_OUTCOME_UNKNOWN] = {"outcome_unknown", "org.mfad.Control.OutcomeUnknown", 400,
                                     "MfadUpstreamUnreachable",
                                     "the request went out, but no result came back",
                                     "The code may be used up. Wait for the next one, then run: "
                                     "mfactl unlock",
                                     try_again},
        [FAILURE_BAD_ANSWER] =
                {"bad_answer", "org.mfad.Control.BadAnswer", 400, "MfadUpstreamBadAnswer",
                 "what answered was not AWS, or not as it should be",
                 "Check the network (a log-in page?) and endpoint_url, take the next "
                 "code, and run: mfactl unlock",
                 try_again},
        [FAILURE_BUSY] = {"busy", "org.mfad.Control.Busy", 503, "MfadPending",
                          "an unlock is under way", "Try again in a moment", NULL},
        [FAILURE_MUST_WAIT] = {"must_wait", "org.mfad.Control.MustWait", 403, "MfadMustWait",
                               "AWS refused several codes", "Then run: mfactl unlock", NULL},
        [FAILURE_INTERNAL] = {"internal", "org.mfad.Control.Internal", 500, "MfadInternal",
                              "mfad has a problem of its own", "See its log", NULL},
};

static const struct failure_row *row(enum failure_reason reason) {
        assert(reason >= 0 && reason < _FAILURE_MAX);
        return &rows[reason];
}

const char *failure_name(enum failure_reason reason) {
        return row(reason)->name;
}

const char *failure_varlink_error(enum failure_reason reason) {
        return row(reason)->error;
}

unsigned failure_http_status(enum failure_reason reason) {
        return row(reason)->status;
}

const char *failure_http_code(enum failure_reason reason) {
        return row(reason)->code;
}

const char *failure_what(enum failure_reason reason) {
        return row(reason)->what;
}

bool failure_is_refused_code(enum failure_reason reason) {
        return reason == FAILURE_WRONG_CODE || reason == FAILURE_WRONG_SERIAL;
}

/* AWS's texts end in full stops and blanks; ours continue after them. */
static void put_detail(char *out, size_t size, const char *detail) {
        size_t n = 0;

        for (; detail[n] && n + 1 < size; n++)
                out[n] = detail[n] < 0x20 || detail[n] >= 0x7f ? '?' : detail[n];
        while (n > 0 && (out[n - 1] == ' ' || out[n - 1] == '.'))
                n--;
        out[n] = '\0';
}

static void set(struct failure *ret, enum failure_reason reason, const char *detail,
                const char *advice) {
        /* what stands around it always fits; see test-failure */
        char text[FAILURE_TEXT_MAX / 2] = "";

        if (detail)
                put_detail(text, sizeof(text), detail);
        *ret = (struct failure){.reason = reason, .at_wall_sec = clock_wall_sec()};
        (void)snprintf(ret->message, sizeof(ret->message), "%s%s%s. %s", row(reason)->what,
                       *text ? ": " : "", text, advice);
}

void failure_set(struct failure *ret, enum failure_reason reason, const char *detail) {
        set(ret, reason, detail, row(reason)->advice);
}

void failure_set_wait(struct failure *ret, enum failure_reason reason, uint32_t wait_sec) {
        char detail[64];

        (void)snprintf(detail, sizeof(detail), "wait %" PRIu32 " s", wait_sec);
        failure_set(ret, reason, detail);
        ret->wait_sec = wait_sec;
}

void failure_from_refusal(struct failure *ret, enum signer_refusal refusal) {
        switch (refusal) {
        case SIGNER_REFUSED_NO_VAULT: failure_set(ret, FAILURE_NO_VAULT, NULL); return;
        case SIGNER_REFUSED_SEALED: failure_set(ret, FAILURE_SEALED, NULL); return;
        case SIGNER_REFUSED_UNKNOWN_KEY: failure_set(ret, FAILURE_UNKNOWN_KEY, NULL); return;
        case SIGNER_REFUSED_CODE_USED: failure_set(ret, FAILURE_CODE_USED, NULL); return;
        case SIGNER_REFUSED_POLICY:
                failure_set(ret, FAILURE_INTERNAL, "mfad-signer does not sign such a request");
                return;
        case SIGNER_REFUSED_INTERNAL:
                failure_set(ret, FAILURE_INTERNAL, "mfad-signer failed to sign");
                return;
        }
        failure_set(ret, FAILURE_INTERNAL, "mfad-signer refused for an unknown reason");
}

/* AWS's codes, first match wins. @text: what the message must contain; NULL for anything.
 * Both errors of a wrong code are AccessDenied and differ in the message only. */
static const struct {
        const char *code;
        const char *text;
        enum failure_reason reason;
} aws_errors[] = {
        {"AccessDenied", "MultiFactorAuthentication failed with invalid MFA", FAILURE_WRONG_CODE},
        {"AccessDenied", "MultiFactorAuthentication failed", FAILURE_WRONG_SERIAL},
        {"ValidationError", "tokenCode", FAILURE_WRONG_CODE},
        {"ValidationError", "serialNumber", FAILURE_WRONG_SERIAL},
        {"InvalidClientTokenId", NULL, FAILURE_KEY_REFUSED},
        {"UnrecognizedClientException", NULL, FAILURE_KEY_REFUSED},
        {"InvalidAccessKeyId", NULL, FAILURE_KEY_REFUSED}, /* STS-compatible services */
        {"SignatureDoesNotMatch", "Signature expired", FAILURE_CLOCK_WRONG},
        {"SignatureDoesNotMatch", "Signature not yet current", FAILURE_CLOCK_WRONG},
        {"SignatureDoesNotMatch", NULL, FAILURE_KEY_REFUSED},
        {"RequestExpired", NULL, FAILURE_CLOCK_WRONG},
        {"RequestTimeTooSkewed", NULL, FAILURE_CLOCK_WRONG},
        /* botocore's data/_retry.json */
        {"Throttling", NULL, FAILURE_THROTTLED},
        {"ThrottlingException", NULL, FAILURE_THROTTLED},
        {"ThrottledException", NULL, FAILURE_THROTTLED},
        {"RequestThrottledException", NULL, FAILURE_THROTTLED},
        {"TooManyRequestsException", NULL, FAILURE_THROTTLED},
        {"RequestLimitExceeded", NULL, FAILURE_THROTTLED},
        {"SlowDown", NULL, FAILURE_THROTTLED},
};

static enum failure_reason classify_aws_error(const struct fetch_answer *a) {
        for (size_t i = 0; i < ELEMENTSOF(aws_errors); i++)
                if (strcmp(a->aws_code, aws_errors[i].code) == 0 &&
                    (!aws_errors[i].text || strstr(a->text, aws_errors[i].text)))
                        return aws_errors[i].reason;
        if (a->http_status == 429)
                return FAILURE_THROTTLED;
        if (a->http_status >= 500)
                return FAILURE_OUTCOME_UNKNOWN;
        /* a proxy or a log-in page may say 403 as well */
        return *a->aws_code ? FAILURE_DENIED : FAILURE_BAD_ANSWER;
}

static enum failure_reason classify(const struct fetch_answer *a) {
        switch (a->outcome) {
        case FETCH_OK: return FAILURE_NONE;
        case FETCH_AWS_ERROR: return classify_aws_error(a);
        case FETCH_BAD_ANSWER: return FAILURE_BAD_ANSWER;
        case FETCH_RESOLVE_FAILED:
        case FETCH_CONNECT_FAILED:
        case FETCH_TLS_UNTRUSTED:
        case FETCH_TLS_WRONG_NAME:
        case FETCH_TLS_EXPIRED:
        case FETCH_TLS_FAILED:
        case FETCH_NO_ANSWER: return a->was_sent ? FAILURE_OUTCOME_UNKNOWN : FAILURE_UNREACHABLE;
        case FETCH_INTERNAL: return FAILURE_INTERNAL;
        case _FETCH_OUTCOME_MAX: break;
        }
        return FAILURE_INTERNAL;
}

static const char *describe_outcome(enum fetch_outcome outcome) {
        switch (outcome) {
        case FETCH_RESOLVE_FAILED: return "its name cannot be resolved";
        case FETCH_CONNECT_FAILED: return "no connection";
        case FETCH_TLS_UNTRUSTED: return "its certificate is not from a trusted issuer";
        case FETCH_TLS_WRONG_NAME: return "its certificate is for another host";
        case FETCH_TLS_EXPIRED:
                return "its certificate is not valid now; is this machine's clock right?";
        case FETCH_TLS_FAILED: return "no TLS connection";
        case FETCH_OK:
        case FETCH_AWS_ERROR:
        case FETCH_BAD_ANSWER:
        case FETCH_NO_ANSWER:
        case FETCH_INTERNAL:
        case _FETCH_OUTCOME_MAX: break;
        }
        return "";
}

/* "1 h 2 min behind AWS's" */
static void describe_offset(char *out, size_t size, int64_t offset_sec) {
        int64_t sec = offset_sec < 0 ? -offset_sec : offset_sec;
        const char *side = offset_sec < 0 ? "ahead of AWS's" : "behind AWS's";
        const char *then = sec <= OFFSET_SEC_MAX ? "mfad corrects for it from now on"
                                                 : "set it, that is too much to correct for";

        if (sec >= 2 * OFFSET_SEC_MAX)
                (void)snprintf(out, size, "%" PRId64 " days %s; %s", sec / OFFSET_SEC_MAX, side,
                               then);
        else if (sec >= 3600)
                (void)snprintf(out, size, "%" PRId64 " h %" PRId64 " min %s; %s", sec / 3600,
                               sec / 60 % 60, side, then);
        else
                (void)snprintf(out, size, "%" PRId64 " min %" PRId64 " s %s; %s", sec / 60,
                               sec % 60, side, then);
}

static void describe(char *out, size_t size, const struct fetch_answer *a,
                     enum failure_reason reason, int64_t offset_sec) {
        const char *why = describe_outcome(a->outcome);

        if (reason == FAILURE_CLOCK_WRONG && offset_sec != 0)
                describe_offset(out, size, offset_sec);
        else if (a->outcome == FETCH_AWS_ERROR && (*a->text || *a->aws_code))
                (void)snprintf(out, size, "HTTP %" PRIu32 "%s%s, %s", a->http_status,
                               *a->aws_code ? " " : "", a->aws_code, a->text);
        else if (a->outcome == FETCH_AWS_ERROR)
                (void)snprintf(out, size, "HTTP %" PRIu32, a->http_status);
        else
                (void)snprintf(out, size, "%s%s%s", why, *why && *a->text ? " - " : "", a->text);
}

bool failure_from_fetch(struct failure *ret, const struct fetch_answer *answer, enum aws_op op,
                        int64_t offset_sec) {
        enum failure_reason reason = classify(answer);
        char detail[FETCH_TEXT_MAX + 256] = ""; /* set() cuts it */
        const char *advice;

        if (reason == FAILURE_NONE)
                return false;
        /* what a wrong code means is in our own sentence; AWS's adds nothing but length */
        if (reason != FAILURE_WRONG_CODE)
                describe(detail, sizeof(detail), answer, reason, offset_sec);
        advice = row(reason)->retry && op != AWS_OP_GET_SESSION_TOKEN ? row(reason)->retry
                                                                      : row(reason)->advice;
        set(ret, reason, detail, advice);
        if (reason == FAILURE_CLOCK_WRONG)
                ret->offset_sec = offset_sec;
        return true;
}
