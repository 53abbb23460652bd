/* fetch_proto.h - the one request and the one answer between mfad and mfad-fetch (SOCK_SEQPACKET).
 * Owns:  the layout; docs/protocol.md tells it byte by byte.
 * Calls: wire.h, creds.h, aws_request.h.
 * Limit: FETCH_PACKET_MAX bytes a packet. */
#pragma once
#include "common/aws_request.h"
#include "common/encode.h"
#include <stdbool.h>
#include <stdint.h>

#define FETCH_PACKET_MAX      ((size_t)80 * 1024)
#define FETCH_MFA_DEVICES_MAX 8    /* IAM allows eight per user */
#define FETCH_TEXT_MAX        1024 /* AWS's message, or curl's */
#define FETCH_SOCKET_FD       3    /* where mfad-fetch finds its socket */
#define FETCH_TOTAL_SEC       15
#define SIGNIN_TOKEN_MAX      ((size_t)8 * 1024)

struct creds;
struct secret;

struct fetch_request {
        enum aws_op op; /* how to read the answer */
        struct aws_http_request http;
        char ca_file[PATH_LEN_MAX];  /* "" for the system's directory of hashed certificates */
        char proxy[URL_MAX_LEN + 1]; /* as text_is_proxy(), or ""; not used for loopback */
};

enum fetch_outcome {
        FETCH_OK = 1,     /* HTTP 200 and an answer that is complete and legal */
        FETCH_AWS_ERROR,  /* an HTTP error; aws_code may be "" when the body was not AWS's XML */
        FETCH_BAD_ANSWER, /* 200 without a legal answer, a redirect, or beyond the limits */
        FETCH_RESOLVE_FAILED,
        FETCH_CONNECT_FAILED,
        FETCH_TLS_UNTRUSTED, /* self-signed or unknown issuer */
        FETCH_TLS_WRONG_NAME,
        FETCH_TLS_EXPIRED, /* or not yet valid: often a wrong clock here */
        FETCH_TLS_FAILED,  /* anything else before the request went out */
        FETCH_NO_ANSWER,   /* the request went out, no complete answer came back */
        FETCH_INTERNAL,    /* our own trouble: out of memory, exit without an answer */
        _FETCH_OUTCOME_MAX,
};

struct fetch_answer {
        enum fetch_outcome outcome;
        bool was_sent;        /* at least one byte of the request went out: a code in it is burnt */
        uint32_t http_status; /* 0 when there was none */
        int64_t date_sec; /* the answer's Date header; 0 when there was none. Trust it over TLS only */
        bool is_date_verified; /* the answer came over verified TLS, or from loopback */
        char aws_code[129];
        char text[FETCH_TEXT_MAX + 1]; /* AWS's message, or why the exchange failed; printable */
        struct creds *creds;           /* GetSessionToken, AssumeRole */
        size_t n_mfa_serials;          /* ListMFADevices */
        char mfa_serials[FETCH_MFA_DEVICES_MAX][MFA_SERIAL_MAX + 1];
        char user_arn[USER_ARN_MAX + 1]; /* GetCallerIdentity; AssumeRole: of the role, or "" */
        char account[33];                /* GetCallerIdentity */
        struct secret *signin_token;     /* GetSigninToken: 1 to SIGNIN_TOKEN_MAX bytes, or NULL */
};

int fetch_request_encode(const struct fetch_request *q, struct buf *b);
int fetch_answer_encode(const struct fetch_answer *a, struct buf *b);
/* Return 0, -EBADMSG or -ENOMEM; @ret is untouched on failure. mfad does not trust mfad-fetch, which
 * parses what strangers send: an answer is legal only when its text is printable, everything else in it
 * is plain ASCII without spaces, quotes or backslashes, and results stand beside FETCH_OK only. */
int fetch_request_decode(const void *bytes, size_t len, struct fetch_request *ret);
int fetch_answer_decode(const void *bytes, size_t len, struct fetch_answer *ret);
void fetch_request_clear(struct fetch_request *q);
void fetch_answer_clear(struct fetch_answer *a);
