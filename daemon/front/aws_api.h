/* aws_api.h - one AWS call from its parameters to its answer: signed, sent by mfad-fetch, and understood.
 * Owns:  the calls under way, with the code of each until its fate is known.
 * Calls: signer_client.h for what a long-term key signs, aws_request.h for what credentials sign,
 *        fetcher.h, aws_clock.h, failure.h, config.h.
 * Limit: AWS_API_CALLS_MAX calls at once. Nothing is ever sent twice. */
#pragma once
#include "common/aws_request.h"
#include "common/encode.h"
#include "common/macros.h"
#include "daemon/front/failure.h"
#include <systemd/sd-event.h>

#define AWS_API_CALLS_MAX 16

struct aws_api;
struct aws_api_call;
struct aws_clock;
struct aws_profile;
struct config;
struct creds;
struct signer_client;

struct aws_api_request {
        enum aws_op op;
        const char *key;                   /* of the vault, which signs in mfad-signer; or NULL */
        const struct creds *creds;         /* then these sign, here */
        const struct aws_profile *profile; /* says where to call; NULL for nothing said */
        const char *mfa_serial; /* GetSessionToken, and AssumeRole with a code; else NULL */
        const char *mfa_code;
        uint32_t duration_sec;       /* GetSessionToken, AssumeRole; GetSigninToken: may be 0 */
        const struct aws_role *role; /* AssumeRole */
};

/* All but @fetch_path, which is copied, are lent until aws_api_free(). */
int aws_api_new(sd_event *event, const struct config *config, struct signer_client *signer,
                struct aws_clock *clock, const char *fetch_path, struct aws_api **ret);
/* Ends the calls under way; their callbacks do not run. */
struct aws_api *aws_api_free(struct aws_api *a);
DEFINE_FREEP(struct aws_api, aws_api)

/* On success @failure is NULL and @answer is FETCH_OK; it may be robbed of its secrets. On failure
 * @answer is NULL. Both are lent. */
typedef void (*aws_api_fn)(const struct failure *failure, struct fetch_answer *answer,
                           void *userdata);
/* Nothing in @request is needed afterwards. @fn runs exactly once, never before this returns, unless
 * cancelled. Returns 0, -ENOMEM or -EBUSY. */
int aws_api_ask(struct aws_api *a, const struct aws_api_request *request, aws_api_fn fn,
                void *userdata, struct aws_api_call **ret);
/* After this @fn will not run, and the call is broken off, so its code may be burnt. NULL is allowed.
 * Always returns NULL. */
struct aws_api_call *aws_api_call_cancel(struct aws_api_call *call);

/* What time it is for AWS. */
int64_t aws_api_now_sec(const struct aws_api *a);
/* What time it is where @profile's STS is, minus our wall clock. */
int64_t aws_api_clock_offset_sec(const struct aws_api *a, const struct aws_profile *profile);
