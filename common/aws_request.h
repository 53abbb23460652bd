/* aws_request.h - the typed AWS calls we make, turned into one complete signed POST each.
 * Owns:  the bytes of the request it builds.
 * Calls: sigv4.h, aws_endpoint.h, wire.h, encode.h, buf.h.
 * Limit: AWS_HEADERS_MAX and AWS_BODY_MAX bytes.
 * Source: STS API reference 2011-06-15, IAM API reference 2010-05-08 (AWS query protocol). */
#pragma once
#include "common/buf.h"
#include "common/encode.h"
#include <stdint.h>

#define AWS_HEADERS_MAX      ((size_t)24 * 1024)
#define AWS_BODY_MAX         ((size_t)8 * 1024)
#define AWS_DURATION_SEC_MIN 900    /* STS API reference, GetSessionToken */
#define AWS_DURATION_SEC_MAX 129600 /* 36 h */

struct sigv4_key;
struct wire_reader;

enum aws_op { /* the numbers are part of signer_proto and fetch_proto */
        AWS_OP_GET_SESSION_TOKEN = 1,
        AWS_OP_LIST_MFA_DEVICES = 2,
        AWS_OP_GET_CALLER_IDENTITY = 3,
        _AWS_OP_MAX,
};

struct aws_call {
        enum aws_op op;
        char region[33];                     /* that the signature names */
        char endpoint[URL_MAX_LEN + 1];      /* "https://host[:port]" without a path */
        char mfa_serial[MFA_SERIAL_MAX + 1]; /* GetSessionToken: required */
        char mfa_code[7];                    /* GetSessionToken: required, six digits */
        uint32_t duration_sec;               /* GetSessionToken: AWS_DURATION_SEC_MIN to _MAX */
        int64_t wall_sec;                    /* the time that the signature carries */
};

struct aws_http_request {
        char url[URL_MAX_LEN + 2]; /* endpoint plus "/" */
        struct buf headers;        /* "Name: value\n" each, all that curl has to send but Host */
        struct buf body;
};

/* Builds and signs @call with @key. The caller has checked @call against its policy; what cannot be
 * expressed is refused here again: -EINVAL. Else 0, -ENOMEM, -E2BIG. */
int aws_request_build(const struct aws_call *call, const struct sigv4_key *key,
                      struct aws_http_request *ret);
/* Wipes and frees what the request owns. */
void aws_http_request_clear(struct aws_http_request *r);

/* A request as signer_proto and fetch_proto carry it. Put: errors as buf_put(). Get: returns 0 or
 * -ENOMEM; what does not fit marks @reader as failed; clear @ret in any case. */
int aws_http_request_put(const struct aws_http_request *r, struct buf *b);
int aws_http_request_get(struct wire_reader *reader, struct aws_http_request *ret);

/* "sts" or "iam"; NULL for a number that is no operation. */
const char *aws_op_service(enum aws_op op);
/* "GetSessionToken" and so on; NULL for a number that is no operation. */
const char *aws_op_name(enum aws_op op);
