/* policy.h - what mfad-signer is willing to sign with a long-term key. Pure: no state, no I/O.
 * Owns:  nothing.
 * Calls: common/encode.h, aws_endpoint.h, aws_request.h.
 * Limit: none.
 * Whatever the front asks for, even when somebody else has taken it over, stays within this file. */
#pragma once
#include <stdint.h>

#define POLICY_CLOCK_SEC_MAX (24 * 3600 + 15 * 60) /* AWS's own ±15 min, around a clock a day off */

struct aws_call;

enum policy_result {
        POLICY_ALLOWED = 0,
        POLICY_OPERATION, /* none that we know, or none that is signed */
        POLICY_REGION,
        POLICY_ENDPOINT,
        POLICY_CLOCK, /* a signature for another day is not needed by anybody honest */
        POLICY_NO_SERIAL, /* GetSessionToken or AssumeRole without an MFA device: a session without MFA */
        POLICY_NO_CODE,
        POLICY_DURATION,
        POLICY_ROLE,        /* AssumeRole without a role, or with one that cannot be expressed */
        POLICY_STRAY_FIELD, /* a field that the operation does not use */
};

/* @now_sec: our own wall clock. */
enum policy_result policy_check(const struct aws_call *call, int64_t now_sec);
/* For the log: "the operation", "a six-digit code" and so on. */
const char *policy_name(enum policy_result result);
