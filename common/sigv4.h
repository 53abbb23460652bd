/* sigv4.h - AWS Signature Version 4 over one request.
 * Owns:  nothing; key material lives in secrets and is wiped.
 * Calls: libcrypto (HMAC, SHA-256), buf.h, encode.h, secret.h.
 * Limit: SIGV4_HEADERS_MAX headers.
 * Source: AWS IAM User Guide, "Create a signed AWS API request"; judged by botocore and by AWS's
 * test suite in the tests. */
#pragma once
#include "common/buf.h"
#include <stdbool.h>
#include <stdint.h>

#define SIGV4_HEADERS_MAX 32

struct secret;

struct sigv4_key {
        const char *access_key_id;
        const struct secret *secret_key;
        const char *session_token; /* NULL for long-term keys */
};

struct sigv4_header {
        const char *name;
        const char *value;
};

struct sigv4_request {
        const char *method;
        const char *path;                   /* as sent; "/" at least */
        const char *query;                  /* as sent, without "?"; "" for none */
        const struct sigv4_header *headers; /* all that are to be signed, Host and X-Amz-Date too */
        size_t n_headers;
        const void *body;
        size_t body_len;
};

/* The intermediate texts, for the tests. Errors as buf_put(), -EINVAL beyond SIGV4_HEADERS_MAX. */
int sigv4_canonical_request(const struct sigv4_request *request, struct buf *ret);
int sigv4_string_to_sign(const char *canonical_request, int64_t wall_sec, const char *region,
                         const char *service, struct buf *ret);

/* The value of the Authorization header. Errors as above, -EIO when libcrypto fails. */
int sigv4_authorization(const struct sigv4_request *request, const struct sigv4_key *key,
                        int64_t wall_sec, const char *region, const char *service, struct buf *ret);
