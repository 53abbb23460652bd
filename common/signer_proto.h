/* signer_proto.h - the packets between mfad and mfad-signer on the `sign` socket (SOCK_SEQPACKET).
 * Owns:  the layout; docs/protocol.md tells it byte by byte.
 * Calls: wire.h, aws_request.h.
 * Limit: SIGNER_PACKET_MAX bytes a packet, SIGNER_KEYS_MAX keys. */
#pragma once
#include "common/aws_request.h"
#include "common/encode.h"
#include <stdint.h>

#define SIGNER_PACKET_MAX ((size_t)96 * 1024) /* SIGNER_KEYS_MAX keys, each as long as may be */
#define SIGNER_KEYS_MAX   32

/* What mfad has wrapped: one key of its own, for the file in which its sessions outlive it. */
#define SIGNER_BLOB_KEY_LEN 32
#define SIGNER_WRAPPED_LEN  60 /* nonce, the key encrypted, tag */

struct secret;

enum signer_request_type {
        SIGNER_REQUEST_STATUS = 1,
        SIGNER_REQUEST_SIGN = 2,
        SIGNER_REQUEST_FORGET_CODE =
                3, /* no byte of the request went out: the code may be sent again */
        SIGNER_REQUEST_WRAP = 4,
        SIGNER_REQUEST_UNWRAP = 5,
};

struct signer_request {
        enum signer_request_type type;
        uint32_t id;                /* not 0; echoed in the answer */
        char key[KEY_NAME_MAX + 1]; /* SIGN, FORGET_CODE */
        struct aws_call call;       /* SIGN: all of it; FORGET_CODE: mfa_serial and mfa_code */
        struct aws_role role;       /* SIGN of AssumeRole: decoded, and call.role points here */
        uint8_t blob_key[SIGNER_BLOB_KEY_LEN]; /* WRAP */
        uint8_t wrapped[SIGNER_WRAPPED_LEN];   /* UNWRAP */
};

enum signer_answer_type {
        SIGNER_ANSWER_STATUS = 1, /* with id 0: sent unasked whenever the vault's state changes */
        SIGNER_ANSWER_SIGNED = 2,
        SIGNER_ANSWER_REFUSED = 3,
        SIGNER_ANSWER_DONE = 4, /* FORGET_CODE */
        SIGNER_ANSWER_WRAPPED = 5,
        SIGNER_ANSWER_UNWRAPPED = 6,
};

enum signer_refusal {
        SIGNER_REFUSED_NO_VAULT = 1,
        SIGNER_REFUSED_SEALED,
        SIGNER_REFUSED_UNKNOWN_KEY,
        SIGNER_REFUSED_CODE_USED, /* this serial and code were signed before, within CODE_MEMORY_SEC */
        SIGNER_REFUSED_POLICY,    /* the operation or a parameter is not allowed */
        SIGNER_REFUSED_INTERNAL,
        SIGNER_REFUSED_ALIEN, /* UNWRAP: not wrapped by this vault, with this passphrase, in this boot */
};

enum vault_state {
        VAULT_NONE = 0, /* no vault file yet */
        VAULT_SEALED,
        VAULT_OPEN,
};

struct signer_key { /* what may be told about a key */
        char name[KEY_NAME_MAX + 1];
        char access_key_id[ACCESS_KEY_ID_MAX + 1];
        char mfa_serial[MFA_SERIAL_MAX + 1]; /* "" when not known */
        char user_arn[USER_ARN_MAX + 1];     /* "" when not known */
};

struct signer_answer {
        enum signer_answer_type type;
        uint32_t id;
        /* STATUS */
        enum vault_state vault;
        uint8_t arena; /* enum secret_arena of the signer */
        size_t n_keys; /* 0 unless open */
        struct signer_key *keys;
        /* SIGNED */
        struct aws_http_request request;
        /* REFUSED */
        enum signer_refusal refusal;
        uint32_t wait_sec; /* CODE_USED: until the memory of this code ends */
        /* WRAPPED */
        uint8_t wrapped[SIGNER_WRAPPED_LEN];
        /* UNWRAPPED */
        struct secret *blob_key;
};

/* Encoders append one packet to @b. AssumeRole is encoded from call.role, which may point anywhere.
 * Errors as buf_put(). */
int signer_request_encode(const struct signer_request *q, struct buf *b);
int signer_answer_encode(const struct signer_answer *a, struct buf *b);
/* Decoders check every bound and alphabet-free limit. Return 0, -EBADMSG or -ENOMEM; @ret is
 * untouched on failure; a decoded request must stay where it is (call.role). Free an answer with
 * signer_answer_clear(), a request by wiping it. */
int signer_request_decode(const void *bytes, size_t len, struct signer_request *ret);
int signer_answer_decode(const void *bytes, size_t len, struct signer_answer *ret);
void signer_answer_clear(struct signer_answer *a);
