#include "daemon/front/failure.h"
#include "common/aws_config_limits.h"
#include "common/clock.h"
#include "common/macros.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define OFFSET_SEC_MAX (24 * 60 * 60) /* beyond, aws_clock.h does not correct */

/* `what` and one of `advices` make the sentence. */
struct failure_row {
        const char *name;
        const char *error;
        unsigned status;
        const char *code;
        const char *what;
};

#define CONTROL "org.mfad.Control."

/* 403 and 400 are shown by the SDKs at once; only a call in flight, which ends by itself, is 503. */
static const struct failure_row rows[_FAILURE_MAX] = {
        [FAILURE_NONE] = {"locked", CONTROL "Locked", 403, "MfadLocked", "locked"},
        [FAILURE_SEALED] = {"sealed", CONTROL "Sealed", 403, "MfadLocked", "the vault is sealed"},
        [FAILURE_NO_VAULT] = {"no_vault", CONTROL "NoVault", 403, "MfadLocked",
                              "there is no vault yet"},
        [FAILURE_UNKNOWN_KEY] = {"unknown_key", CONTROL "UnknownKey", 400, "MfadUnknownKey",
                                 "the vault has no such key"},
        [FAILURE_NO_MFA_SERIAL] = {"no_mfa_serial", CONTROL "NoMfaSerial", 403, "MfadNoMfaSerial",
                                   "the MFA device of this key is not known"},
        [FAILURE_WRONG_CODE] = {"wrong_code", CONTROL "WrongCode", 403, "MfadWrongCode",
                                "AWS refused the code: it is wrong or was used before"},
        [FAILURE_CODE_USED] = {"code_used", CONTROL "CodeUsed", 403, "MfadCodeUsed",
                               "this code has been sent to AWS before"},
        [FAILURE_WRONG_SERIAL] = {"wrong_serial", CONTROL "WrongSerial", 403, "MfadWrongSerial",
                                  "AWS cannot check the code with this MFA device"},
        [FAILURE_KEY_REFUSED] = {"key_refused", CONTROL "KeyRefused", 403, "MfadKeyRefused",
                                 "AWS refused the access key: deleted or inactive"},
        [FAILURE_TEMPORARY_KEY] = {"temporary_key", CONTROL "TemporaryKey", 403, "MfadTemporaryKey",
                                   "the vault's key is a temporary one, and mfad needs a "
                                   "long-term one (AKIA...)"},
        [FAILURE_WRONG_SECRET] = {"wrong_secret", CONTROL "WrongSecret", 403, "MfadWrongSecret",
                                  "AWS refused the signature: not the right secret for this key"},
        [FAILURE_EXPIRED] = {"expired", CONTROL "Expired", 403, "MfadMfaRequired",
                             "the session has expired"},
        [FAILURE_CLOCK_WRONG] = {"clock_wrong", CONTROL "ClockWrong", 403, "MfadClockWrong",
                                 "this machine's clock is wrong"},
        [FAILURE_THROTTLED] = {"throttled", CONTROL "Throttled", 400, "MfadUpstreamBusy",
                               "AWS asks for fewer requests"},
        [FAILURE_DENIED] = {"denied", CONTROL "Denied", 403, "MfadDenied", "AWS says no"},
        [FAILURE_DURATION] = {"duration", CONTROL "Duration", 403, "MfadDuration",
                              "that is longer than AWS allows"},
        [FAILURE_REGION_DISABLED] = {"region_disabled", CONTROL "RegionDisabled", 403,
                                     "MfadRegionDisabled", "STS is switched off in this region"},
        [FAILURE_BAD_POLICY] = {"bad_policy", CONTROL "BadPolicy", 403, "MfadBadPolicy",
                                "AWS does not take the session policy or tags"},
        [FAILURE_SERVER_ERROR] = {"server_error", CONTROL "ServerError", 400, "MfadUpstreamError",
                                  "AWS has trouble of its own"},
        [FAILURE_UNREACHABLE] = {"unreachable", CONTROL "Unreachable", 400,
                                 "MfadUpstreamUnreachable", "AWS cannot be reached"},
        [FAILURE_OUTCOME_UNKNOWN] = {"outcome_unknown", CONTROL "OutcomeUnknown", 400,
                                     "MfadUpstreamUnreachable",
                                     "the request went out, but no result came back"},
        [FAILURE_BAD_ANSWER] = {"bad_answer", CONTROL "BadAnswer", 400, "MfadUpstreamBadAnswer",
                                "what answered was not AWS, or not as it should be"},
        [FAILURE_BUSY] = {"busy", CONTROL "Busy", 503, "MfadPending", "a call to AWS is under way"},
        [FAILURE_MUST_WAIT] = {"must_wait", CONTROL "MustWait", 403, "MfadMustWait",
                               "AWS refused several codes"},
        [FAILURE_UNUSABLE] = {"unusable", CONTROL "UnusableProfile", 400, "MfadUnusableProfile",
                              "the profile cannot be used as it stands"},
        [FAILURE_INTERNAL] = {"internal", CONTROL "Internal", 500, "MfadInternal",
                              "mfad has a problem of its own"},
};

/* Who made the call decides what is to be done next. */
enum call_kind {
        CALL_UNLOCK, /* with a code, for a key's session; also where no call was made */
        CALL_DIRECT, /* AssumeRole with a code */
        CALL_ROLE,   /* AssumeRole without: mfad repeats it by itself */
        CALL_QUERY,  /* anything else without a code: somebody waits for it, once */
        _CALL_KIND_MAX,
};

#define UNLOCK    "Run: mfactl unlock"
#define NEXT_CODE "Wait for the next code, then run: mfactl unlock"
#define USED_CODE "The code may be used up. Wait for the next one, then run: mfactl unlock"
#define ITSELF    "mfad tries again by itself"
#define AGAIN     "Try again in a minute"
#define TRUST     "Check the role's trust policy and that role_arn and external_id are right"
#define LOWER     "Lower duration_seconds of its profile in ~/.aws/config"
#define NETWORK   "Check the network (a log-in page?) and endpoint_url"

/* Where a kind has no text of its own that of CALL_UNLOCK stands in. */
static const char *const advices[_FAILURE_MAX][_CALL_KIND_MAX] = {
        [FAILURE_NONE] = {UNLOCK},
        [FAILURE_SEALED] = {UNLOCK},
        [FAILURE_NO_VAULT] = {"Run: mfactl init"},
        [FAILURE_UNKNOWN_KEY] = {"Run: mfactl key list"},
        [FAILURE_NO_MFA_SERIAL] = {"Put mfa_serial = ARN into its profile in ~/.aws/config, or "
                                   "run: mfactl init"},
        [FAILURE_WRONG_CODE] = {NEXT_CODE},
        [FAILURE_CODE_USED] = {"Then run mfactl unlock with the next code"},
        [FAILURE_WRONG_SERIAL] = {"See that mfa_serial in ~/.aws/config is this user's device, "
                                  "then run: mfactl unlock"},
        [FAILURE_KEY_REFUSED] = {"Check it in the IAM console, then run: mfactl key import",
                                 [CALL_ROLE] = "A session ends with its key: check that one in "
                                               "the IAM console"},
        [FAILURE_TEMPORARY_KEY] = {"Replace it, run: mfactl key remove, then mfactl key add"},
        [FAILURE_WRONG_SECRET] = {"Import it again, run: mfactl key import",
                                  [CALL_ROLE] = "See whether a proxy or endpoint_url changes "
                                                "what is sent"},
        [FAILURE_EXPIRED] = {UNLOCK},
        [FAILURE_CLOCK_WRONG] = {NEXT_CODE, [CALL_ROLE] = ITSELF, [CALL_QUERY] = AGAIN},
        [FAILURE_THROTTLED] = {NEXT_CODE, [CALL_ROLE] = ITSELF, [CALL_QUERY] = AGAIN},
        [FAILURE_DENIED] = {"Ask whoever manages this AWS account", [CALL_DIRECT] = TRUST,
                            [CALL_ROLE] = TRUST},
        [FAILURE_DURATION] = {"Ask for less with the next code: mfactl unlock --duration 1h",
                              [CALL_ROLE] = LOWER, [CALL_QUERY] = LOWER},
        [FAILURE_REGION_DISABLED] = {"Set another region in the profile, or have STS activated "
                                     "there (IAM console, account settings)"},
        [FAILURE_BAD_POLICY] = {"Check mfad_session_policy, mfad_policy_arns and "
                                "mfad_session_tags of its profile"},
        [FAILURE_SERVER_ERROR] = {USED_CODE, [CALL_ROLE] = ITSELF, [CALL_QUERY] = AGAIN},
        [FAILURE_UNREACHABLE] = {"No code was sent; when the network is back run: mfactl unlock",
                                 [CALL_ROLE] = ITSELF, [CALL_QUERY] = AGAIN},
        [FAILURE_OUTCOME_UNKNOWN] = {USED_CODE, [CALL_ROLE] = ITSELF, [CALL_QUERY] = AGAIN},
        [FAILURE_BAD_ANSWER] = {NETWORK ", take the next code, and run: mfactl unlock",
                                [CALL_ROLE] = NETWORK "; " ITSELF, [CALL_QUERY] = NETWORK},
        [FAILURE_BUSY] = {"Try again in a moment"},
        [FAILURE_MUST_WAIT] = {"Then run: mfactl unlock"},
        [FAILURE_UNUSABLE] = {"Correct it in ~/.aws/config"},
        [FAILURE_INTERNAL] = {"See its log"},
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

bool failure_is_of_endpoint(enum failure_reason reason) {
        return reason == FAILURE_THROTTLED || reason == FAILURE_SERVER_ERROR ||
               reason == FAILURE_UNREACHABLE || reason == FAILURE_OUTCOME_UNKNOWN ||
               reason == FAILURE_BAD_ANSWER;
}

bool failure_is_refused_code(enum failure_reason reason) {
        return reason == FAILURE_WRONG_CODE || reason == FAILURE_WRONG_SERIAL;
}

/* Returns the length. */
static size_t put_printable(char *out, size_t size, const char *text) {
        size_t n = 0;

        for (; text[n] && n + 1 < size; n++)
                out[n] = text[n] < 0x20 || text[n] >= 0x7f ? '?' : text[n];
        out[n] = '\0';
        return n;
}

/* AWS's texts end in full stops and blanks; ours continue after them. */
static void put_detail(char *out, size_t size, const char *detail) {
        size_t n = put_printable(out, size, detail);

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
        ret->since_wall_sec = ret->at_wall_sec;
        (void)snprintf(ret->message, sizeof(ret->message), "%s%s%s. %s", row(reason)->what,
                       *text ? ": " : "", text, advice);
        ret->detail_len = strlen(text);
        ret->detail_at = strlen(row(reason)->what) + (*text ? strlen(": ") : 0);
}

void failure_set(struct failure *ret, enum failure_reason reason, const char *detail) {
        set(ret, reason, detail, advices[reason][CALL_UNLOCK]);
}

void failure_set_wait(struct failure *ret, enum failure_reason reason, uint32_t wait_sec) {
        char detail[64];

        (void)snprintf(detail, sizeof(detail), "wait %" PRIu32 " s", wait_sec);
        failure_set(ret, reason, detail);
        ret->wait_sec = wait_sec;
}

void failure_set_of_source(struct failure *ret, const struct failure *source, const char *name) {
        char printable[PROFILE_NAME_MAX + 1], message[FAILURE_TEXT_MAX];
        size_t len = strlen(source->message), room = sizeof(message) - 1 - len;
        size_t prefix_len, excess, keep;

        (void)put_printable(printable, sizeof(printable), name);
        prefix_len = strlen("its source \"\": ") + strlen(printable);
        excess = prefix_len > room ? prefix_len - room : 0;
        *ret = *source;
        if (excess > source->detail_len)
                return; /* nothing is left to cut: the names of the nearer links stay */
        keep = source->detail_at + source->detail_len - excess;
        (void)snprintf(message, sizeof(message), "its source \"%s\": %.*s%s", printable, (int)keep,
                       source->message, source->message + keep + excess);
        strcpy(ret->message, message); /* as large */
        ret->detail_at = prefix_len + source->detail_at;
        ret->detail_len = source->detail_len - excess;
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
        case SIGNER_REFUSED_ALIEN: break; /* of UNWRAP, which is nobody's attempt */
        }
        failure_set(ret, FAILURE_INTERNAL, "mfad-signer refused for an unknown reason");
}

/* AWS's codes, first match wins. @text: what the message must contain; NULL for anything. Several
 * errors share a code and differ in the message only. @says and @advice replace what AWS says and what
 * the reason's row advises, where more is known; NULL where not. */
static const struct aws_error {
        const char *code;
        const char *text;
        enum failure_reason reason;
        const char *says;
        const char *advice;
} aws_errors[] = {
        {"AccessDenied", "MultiFactorAuthentication failed with invalid MFA", FAILURE_WRONG_CODE,
         "", NULL}, /* our own sentence says it all */
        {"AccessDenied", "MultiFactorAuthentication failed, must provide both",
         FAILURE_NO_MFA_SERIAL, NULL, NULL},
        {"AccessDenied", "MultiFactorAuthentication failed", FAILURE_WRONG_SERIAL, NULL, NULL},
        {"AccessDenied", "with session credentials", FAILURE_TEMPORARY_KEY, "", NULL},
        /* AWS quotes the code */
        {"ValidationError", "tokenCode", FAILURE_WRONG_CODE, "AWS calls it malformed", NULL},
        {"ValidationError", "serialNumber", FAILURE_WRONG_SERIAL, NULL, NULL},
        {"ValidationError", "by role chaining", FAILURE_DURATION,
         "one hour is the most for a role that is assumed with temporary credentials", NULL},
        {"ValidationError", "MaxSessionDuration", FAILURE_DURATION,
         "the role's MaxSessionDuration is less", NULL},
        {"ValidationError", "DurationSeconds", FAILURE_DURATION, NULL, NULL},
        {"ValidationError", "durationSeconds", FAILURE_DURATION, NULL, NULL},
        {"ValidationError", "'policy", FAILURE_BAD_POLICY, NULL, NULL}, /* 'policyArns' too */
        {"ValidationError", "'tags", FAILURE_BAD_POLICY, NULL, NULL},   /* 'tags.1.member.key' */
        {"ValidationError", "'transitiveTagKeys", FAILURE_BAD_POLICY, NULL, NULL},
        {"MalformedPolicyDocument", NULL, FAILURE_BAD_POLICY, NULL,
         "Check mfad_session_policy of the profile"},
        {"MalformedPolicyDocumentException", NULL, FAILURE_BAD_POLICY, NULL,
         "Check mfad_session_policy of the profile"},
        {"PackedPolicyTooLarge", NULL, FAILURE_BAD_POLICY, NULL,
         "Shorten mfad_session_policy or mfad_session_tags of the profile"},
        {"PackedPolicyTooLargeException", NULL, FAILURE_BAD_POLICY, NULL,
         "Shorten mfad_session_policy or mfad_session_tags of the profile"},
        {"RegionDisabledException", NULL, FAILURE_REGION_DISABLED, NULL, NULL},
        {"InvalidClientTokenId", NULL, FAILURE_KEY_REFUSED, NULL, NULL},
        {"UnrecognizedClientException", NULL, FAILURE_KEY_REFUSED, NULL, NULL},
        {"InvalidAccessKeyId", NULL, FAILURE_KEY_REFUSED, NULL, NULL}, /* STS-compatible services */
        {"InvalidTokenId", NULL, FAILURE_KEY_REFUSED, NULL, NULL},     /* the same */
        {"SignatureDoesNotMatch", "Signature expired", FAILURE_CLOCK_WRONG, NULL, NULL},
        {"SignatureDoesNotMatch", "Signature not yet current", FAILURE_CLOCK_WRONG, NULL, NULL},
        {"SignatureDoesNotMatch", NULL, FAILURE_WRONG_SECRET, NULL, NULL},
        {"RequestExpired", NULL, FAILURE_CLOCK_WRONG, NULL, NULL},
        {"RequestTimeTooSkewed", NULL, FAILURE_CLOCK_WRONG, NULL, NULL},
        {"ExpiredToken", NULL, FAILURE_EXPIRED, NULL, NULL},
        {"ExpiredTokenException", NULL, FAILURE_EXPIRED, NULL, NULL},
        /* botocore's data/_retry.json */
        {"Throttling", NULL, FAILURE_THROTTLED, NULL, NULL},
        {"ThrottlingException", NULL, FAILURE_THROTTLED, NULL, NULL},
        {"ThrottledException", NULL, FAILURE_THROTTLED, NULL, NULL},
        {"RequestThrottled", NULL, FAILURE_THROTTLED, NULL, NULL},
        {"RequestThrottledException", NULL, FAILURE_THROTTLED, NULL, NULL},
        {"TooManyRequestsException", NULL, FAILURE_THROTTLED, NULL, NULL},
        {"RequestLimitExceeded", NULL, FAILURE_THROTTLED, NULL, NULL},
        {"SlowDown", NULL, FAILURE_THROTTLED, NULL, NULL},
        /* in case they come with a 4xx */
        {"InternalFailure", NULL, FAILURE_SERVER_ERROR, NULL, NULL},
        {"InternalError", NULL, FAILURE_SERVER_ERROR, NULL, NULL},
        {"ServiceUnavailable", NULL, FAILURE_SERVER_ERROR, NULL, NULL},
        {"RequestTimeout", NULL, FAILURE_SERVER_ERROR, NULL, NULL},
};

/* What the status alone says. */
static const struct aws_error status_429 = {.reason = FAILURE_THROTTLED};
static const struct aws_error status_5xx = {.reason = FAILURE_SERVER_ERROR};
static const struct aws_error other_code = {.reason = FAILURE_DENIED};
/* a proxy or a log-in page may say 403 as well */
static const struct aws_error no_code = {.reason = FAILURE_BAD_ANSWER};
/* the sign-in endpoint has no codes: its refusals are pages */
static const struct aws_error no_signin = {
        .reason = FAILURE_DENIED,
        .advice = "The role's credentials may be over, run: mfactl refresh",
};

static const struct aws_error *find_aws_error(const struct fetch_answer *a, enum aws_op op) {
        for (size_t i = 0; i < ELEMENTSOF(aws_errors); i++)
                if (strcmp(a->aws_code, aws_errors[i].code) == 0 &&
                    (!aws_errors[i].text || strstr(a->text, aws_errors[i].text)))
                        return &aws_errors[i];
        if (a->http_status == 429)
                return &status_429;
        if (a->http_status >= 500)
                return &status_5xx;
        if (*a->aws_code)
                return &other_code;
        return op == AWS_OP_GET_SIGNIN_TOKEN && a->http_status <= 403 ? &no_signin : &no_code;
}

/* @error: NULL unless AWS answered with one. */
static enum failure_reason classify(const struct fetch_answer *a, const struct aws_error *error) {
        switch (a->outcome) {
        case FETCH_OK: return FAILURE_NONE;
        case FETCH_AWS_ERROR: return error->reason;
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

static enum call_kind kind_of(enum aws_op op, bool has_code) {
        if (op == AWS_OP_ASSUME_ROLE)
                return has_code ? CALL_DIRECT : CALL_ROLE;
        return has_code ? CALL_UNLOCK : CALL_QUERY;
}

static const char *advise(enum failure_reason reason, const struct aws_error *error,
                          enum call_kind kind) {
        if (error && error->advice)
                return error->advice;
        return advices[reason][kind] ? advices[reason][kind] : advices[reason][CALL_UNLOCK];
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
                        bool has_code, int64_t offset_sec) {
        const struct aws_error *error =
                answer->outcome == FETCH_AWS_ERROR ? find_aws_error(answer, op) : NULL;
        enum failure_reason reason = classify(answer, error);
        char detail[FETCH_TEXT_MAX + 256] = ""; /* set() cuts it */

        if (reason == FAILURE_NONE)
                return false;
        if (error && error->says)
                (void)snprintf(detail, sizeof(detail), "%s", error->says);
        else
                describe(detail, sizeof(detail), answer, reason, offset_sec);
        set(ret, reason, detail, advise(reason, error, kind_of(op, has_code)));
        if (reason == FAILURE_CLOCK_WRONG)
                ret->offset_sec = offset_sec;
        return true;
}
