/* failure.h - why an attempt failed, and the one table of its names, statuses and sentences.
 * Owns:  the table, and the reading of AWS's error texts.
 * Calls: clock.h; the enums of fetch_proto.h and signer_proto.h.
 * Limit: FAILURE_TEXT_MAX bytes a message. */
#pragma once
#include "common/fetch_proto.h"
#include "common/signer_proto.h"
#include <stdbool.h>
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
        FAILURE_KEY_REFUSED,   /* AWS does not know it, or it is inactive */
        FAILURE_TEMPORARY_KEY, /* the vault's key is of the kind that comes with a session token */
        FAILURE_WRONG_SECRET,  /* the signature does not match */
        FAILURE_EXPIRED,       /* AWS says that the session's credentials are over */
        FAILURE_CLOCK_WRONG,
        FAILURE_THROTTLED,
        FAILURE_DENIED,
        FAILURE_DURATION,        /* longer than the role, or a chained role, may last */
        FAILURE_REGION_DISABLED, /* STS is off there */
        FAILURE_BAD_POLICY,      /* session policy or tags: malformed, or too large when packed */
        FAILURE_SERVER_ERROR,    /* AWS's own trouble; a code may be used up */
        FAILURE_UNREACHABLE,     /* nothing was sent: the code is still good */
        FAILURE_OUTCOME_UNKNOWN, /* sent, no answer: take the next code */
        FAILURE_BAD_ANSWER,
        FAILURE_BUSY,
        FAILURE_MUST_WAIT,
        FAILURE_UNUSABLE, /* the profile as it stands; no call was made */
        FAILURE_INTERNAL,
        _FAILURE_MAX,
};

struct failure {
        enum failure_reason reason;
        int64_t at_wall_sec;
        int64_t since_wall_sec; /* the first of a row of failures; @at_wall_sec unless its owner sets it */
        uint32_t wait_sec;              /* CODE_USED, MUST_WAIT */
        int64_t offset_sec;             /* CLOCK_WRONG: AWS's clock minus ours */
        char message[FAILURE_TEXT_MAX]; /* "mfad: ..." without the prefix; printable ASCII */
        size_t detail_at, detail_len;   /* the part of it that is mostly AWS's own text, if any */
};

/* "wrong_code": as the Varlink type Failure spells it. */
const char *failure_name(enum failure_reason reason);
/* "org.mfad.Control.WrongCode". */
const char *failure_varlink_error(enum failure_reason reason);
/* For a request that finds no credentials because of this: HTTP status and the AWS-style code
 * ("MfadUpstreamUnreachable"), per docs/protocol.md: 403 MfadLocked, 400 MfadUpstreamBusy and so on. */
unsigned failure_http_status(enum failure_reason reason);
const char *failure_http_code(enum failure_reason reason);

/* Fills @ret: the reason, the time and the sentence "what: @detail. What to do." @detail may be NULL;
 * of it only printable ASCII is kept. @wait_sec and @offset_sec are left 0. */
void failure_set(struct failure *ret, enum failure_reason reason, const char *detail);
/* CODE_USED or MUST_WAIT, with the seconds in the sentence. */
void failure_set_wait(struct failure *ret, enum failure_reason reason, uint32_t wait_sec);
/* Of a role whose source, the profile @name, has failed with @source: the same, with "its source NAME" said
 * first. Where that is too long the detail gives way, never what happened and what to do; after it the
 * names: those of the links nearer to the fault stay. @ret may be @source. */
void failure_set_of_source(struct failure *ret, const struct failure *source, const char *name);

/* Why mfad-signer said no. */
void failure_from_refusal(struct failure *ret, enum signer_refusal refusal);
/* Why @answer is not what was asked for: docs/protocol.md, the table of AWS's errors. @has_code: a code
 * was part of the request; @offset_sec is AWS's clock minus ours as @answer tells it, 0 when it does
 * not. Returns false, and leaves @ret, when @answer is FETCH_OK. */
bool failure_from_fetch(struct failure *ret, const struct fetch_answer *answer, enum aws_op op,
                        bool has_code, int64_t offset_sec);
/* True when the way to AWS or AWS as a whole is at fault, so that other calls to the same endpoint would
 * fail too: throttled, unreachable, no or a bad answer, AWS's own trouble. */
bool failure_is_of_endpoint(enum failure_reason reason);
/* True for the refusals that count against the MFA device. */
bool failure_is_refused_code(enum failure_reason reason);
