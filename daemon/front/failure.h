/* failure.h - why an attempt failed, and the one table of its names, statuses and sentences.
 * Owns:  the table.
 * Calls: nothing.
 * Limit: FAILURE_TEXT_MAX bytes a message. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define FAILURE_TEXT_MAX 512

enum failure_reason {
        FAILURE_NONE = 0,
        FAILURE_SEALED,
        FAILURE_NO_VAULT,
        FAILURE_UNKNOWN_KEY,
        FAILURE_NO_MFA_SERIAL,
        FAILURE_WRONG_CODE,
        FAILURE_CODE_USED,
        FAILURE_WRONG_SERIAL,
        FAILURE_KEY_REFUSED,
        FAILURE_CLOCK_WRONG,
        FAILURE_THROTTLED,
        FAILURE_DENIED,
        FAILURE_UNREACHABLE,     /* nothing was sent: the code is still good */
        FAILURE_OUTCOME_UNKNOWN, /* sent, no answer: take the next code */
        FAILURE_BAD_ANSWER,
        FAILURE_BUSY,
        FAILURE_MUST_WAIT,
        FAILURE_INTERNAL,
        _FAILURE_MAX,
};

struct failure {
        enum failure_reason reason;
        int64_t at_wall_sec;
        uint32_t wait_sec;              /* CODE_USED, MUST_WAIT */
        int64_t offset_sec;             /* CLOCK_WRONG: AWS's clock minus ours */
        char message[FAILURE_TEXT_MAX]; /* "mfad: ..." without the prefix; printable ASCII */
};

/* "wrong_code": as the Varlink type Failure spells it. */
const char *failure_name(enum failure_reason reason);
/* "org.mfad.Control.WrongCode". */
const char *failure_varlink_error(enum failure_reason reason);
/* For a request that finds no credentials because of this: HTTP status and the AWS-style code
 * ("MfadUpstreamUnreachable"), per client-contract: 403 MfadLocked, 400 MfadUpstreamBusy and so on. */
unsigned failure_http_status(enum failure_reason reason);
const char *failure_http_code(enum failure_reason reason);
