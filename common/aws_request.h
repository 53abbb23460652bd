/* aws_request.h - the typed AWS calls we make, turned into one complete signed POST each.
 * Owns:  the bytes of the request it builds.
 * Calls: sigv4.h, aws_endpoint.h, wire.h, encode.h, buf.h.
 * Limit: AWS_HEADERS_MAX and AWS_BODY_MAX bytes.
 * Source: STS API reference 2011-06-15, IAM API reference 2010-05-08 (AWS query protocol); for the sign-in
 * token IAM User Guide, "Enable custom identity broker access to the AWS console". */
#pragma once
#include "common/buf.h"
#include "common/encode.h"
#include <stdbool.h>
#include <stdint.h>

#define AWS_HEADERS_MAX      ((size_t)24 * 1024)
#define AWS_BODY_MAX         ((size_t)32 * 1024)
#define AWS_DURATION_SEC_MIN 900    /* STS API reference, GetSessionToken */
#define AWS_DURATION_SEC_MAX 129600 /* 36 h */
#define AWS_ROLE_SEC_MAX     43200  /* AssumeRole: 12 h */
#define AWS_CHAINED_SEC_MAX  3600   /* AssumeRole with temporary credentials */

/* STS API reference, AssumeRole; the two lists are bounded as texts */
#define ROLE_SESSION_NAME_MAX 64
#define EXTERNAL_ID_MAX       1224
#define SOURCE_IDENTITY_MAX   64
#define SESSION_POLICY_MAX    2048
#define POLICY_ARNS_MAX       10
#define SESSION_TAGS_MAX      50
#define POLICY_ARNS_LEN_MAX   2048
#define SESSION_TAGS_LEN_MAX  4096

struct creds;
struct sigv4_key;
struct wire_reader;

enum aws_op { /* the numbers are part of signer_proto and fetch_proto */
        AWS_OP_GET_SESSION_TOKEN = 1,
        AWS_OP_LIST_MFA_DEVICES = 2,
        AWS_OP_GET_CALLER_IDENTITY = 3,
        AWS_OP_ASSUME_ROLE = 4,
        AWS_OP_GET_SIGNIN_TOKEN = 5, /* see aws_signin_request_build(); never signed */
        _AWS_OP_MAX,
};

/* The parameters of AssumeRole beside those in struct aws_call; "" for what is not sent. */
struct aws_role {
        char arn[USER_ARN_MAX + 1];                   /* required */
        char session_name[ROLE_SESSION_NAME_MAX + 1]; /* required: 2-64 of [A-Za-z0-9_+=,.@-] */
        char external_id[EXTERNAL_ID_MAX + 1];
        char source_identity[SOURCE_IDENTITY_MAX + 1];
        char policy[SESSION_POLICY_MAX + 1];       /* JSON */
        char policy_arns[POLICY_ARNS_LEN_MAX + 1]; /* "ARN,ARN": at most POLICY_ARNS_MAX */
        char tags[SESSION_TAGS_LEN_MAX + 1]; /* "KEY=VALUE,KEY=VALUE": at most SESSION_TAGS_MAX */
        char transitive_tags[SESSION_TAGS_LEN_MAX + 1]; /* "KEY,KEY" */
};

struct aws_call {
        enum aws_op op;
        char region[33];                /* that the signature names */
        char endpoint[URL_MAX_LEN + 1]; /* "https://host[:port]" without a path */
        /* GetSessionToken: both required, the code six digits; AssumeRole: both, or "" */
        char mfa_serial[MFA_SERIAL_MAX + 1];
        char mfa_code[7];
        /* AWS_DURATION_SEC_MIN to _MAX for GetSessionToken, to AWS_ROLE_SEC_MAX for AssumeRole */
        uint32_t duration_sec;
        int64_t wall_sec;            /* the time that the signature carries */
        const struct aws_role *role; /* AssumeRole: required, lent; else NULL */
};

#define AWS_URL_PATH_MAX 16
struct aws_http_request {
        char url[URL_MAX_LEN + AWS_URL_PATH_MAX + 1]; /* endpoint plus "/" or "/federation" */
        struct buf headers; /* "Name: value\n" each, all that curl has to send but Host */
        struct buf body;
};

/* Builds and signs @call with @key. The caller has checked @call against its policy; what cannot be
 * expressed is refused here again: -EINVAL. Else 0, -ENOMEM, -E2BIG. */
int aws_request_build(const struct aws_call *call, const struct sigv4_key *key,
                      struct aws_http_request *ret);
/* The request for a sign-in token of the console: a POST of @creds to @endpoint's /federation, as form
 * and not as query, so that no log of a URL holds them. @duration_sec: how long the console may be used; 0 to leave
 * that to AWS, as credentials of a chained role demand. Errors as above. */
int aws_signin_request_build(const char *endpoint, const struct creds *creds, uint32_t duration_sec,
                             struct aws_http_request *ret);
/* The address that signs a browser in with @token and shows @destination. Errors as buf_put(). */
int aws_signin_url(const char *endpoint, const char *token, const char *destination,
                   struct buf *ret);
/* True when @role can be expressed; else @ret_why (may be NULL) names the first part that cannot: "the
 * external ID". What AWS's reference says of alphabets and lengths. */
bool aws_role_is_legal(const struct aws_role *role, const char **ret_why);
/* A role's part of our packets: all texts in the order of the struct. Put: errors as buf_put(). */
int aws_role_put(const struct aws_role *role, struct buf *b);
void aws_role_get(struct wire_reader *reader, struct aws_role *ret);

/* Wipes and frees what the request owns. */
void aws_http_request_clear(struct aws_http_request *r);

/* A request as signer_proto and fetch_proto carry it. Put: errors as buf_put(). Get: returns 0 or
 * -ENOMEM; what does not fit marks @reader as failed; clear @ret in any case. */
int aws_http_request_put(const struct aws_http_request *r, struct buf *b);
int aws_http_request_get(struct wire_reader *reader, struct aws_http_request *ret);

/* "sts" or "iam", as signatures name it; NULL for a number that is no operation, or none that is signed. */
const char *aws_op_service(enum aws_op op);
/* True when the operation carries an MFA code in @call: such a request is never sent twice. */
bool aws_call_has_code(const struct aws_call *call);
/* "GetSessionToken" and so on; NULL for a number that is no operation. */
const char *aws_op_name(enum aws_op op);
