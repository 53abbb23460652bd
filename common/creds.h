/* creds.h - temporary credentials, as bought from STS and as lent to a client.
 * Owns:  its secrets.
 * Calls: secret.h.
 * Limit: SESSION_TOKEN_MAX for the token, SECRET_KEY_MAX for the secret key. */
#pragma once
#include "common/encode.h"
#include "common/macros.h"

struct secret;

struct creds {
        char access_key_id[ACCESS_KEY_ID_MAX + 1];
        struct secret *secret_key;
        struct secret *session_token;
        int64_t expiration_sec; /* wall time by AWS's clock */
};

/* An empty set. Returns 0 or -ENOMEM. */
int creds_new(struct creds **ret);
/* Wipes and frees. NULL and half-filled sets are allowed. Always returns NULL. */
struct creds *creds_free(struct creds *c);
DEFINE_FREEP(struct creds, creds)
