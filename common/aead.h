/* aead.h - AES-256-GCM in one pass: what is encrypted, and what is vouched for with it.
 * Owns:  nothing.
 * Calls: libcrypto.
 * Limit: INT_MAX bytes. A nonce may meet a key only once: draw a new one for every encryption. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AEAD_KEY_LEN   32
#define AEAD_NONCE_LEN 12
#define AEAD_TAG_LEN   16

/* Serves both directions. Two pieces of associated data, because some formats authenticate what does not
 * stand together. */
struct aead {
        bool encrypt; /* then @tag is written, else it is checked */
        const void *key;
        const uint8_t *nonce;
        const void *aad[2];
        int aad_len[2];
        uint8_t *tag;
};

/* @in and @out have @len bytes. Returns 0, -EBADMSG when the tag does not fit (then @out is worth nothing),
 * -EIO when libcrypto fails. */
int aead_run(const struct aead *a, const void *in, size_t len, void *out);
