/* vault_keys.h - the list of long-term keys, and its form inside the vault's payload.
 * Owns:  every secret key in it (struct secret).
 * Calls: common/wire.h, secret.h, signer_proto.h.
 * Limit: SIGNER_KEYS_MAX keys, VAULT_PAYLOAD_MAX bytes encoded. */
#pragma once
#include "common/macros.h"
#include "common/signer_proto.h"
#include <stddef.h>
#include <stdint.h>

struct secret;

struct vault_key {
        struct signer_key info;
        struct secret *secret_key;
        int64_t created_sec;
};

struct vault_keys {
        size_t n;
        struct vault_key keys[SIGNER_KEYS_MAX]; /* in the order in which they were added */
};

/* An empty list, or a deep copy. Return 0 or -ENOMEM. */
int vault_keys_new(struct vault_keys **ret);
int vault_keys_copy(const struct vault_keys *k, struct vault_keys **ret);
/* Wipes and frees. NULL is allowed. Always returns NULL. */
struct vault_keys *vault_keys_free(struct vault_keys *k);
DEFINE_FREEP(struct vault_keys, vault_keys)

/* NULL when there is no key of this name. */
struct vault_key *vault_keys_find(struct vault_keys *k, const char *name);
const struct vault_key *vault_keys_get(const struct vault_keys *k, const char *name);

/* Replaces a key of the same name or appends one; @secret_key is copied.
 * Returns 0, -ENOSPC when the list is full, -ENOMEM. */
int vault_keys_put(struct vault_keys *k, const struct signer_key *info, const char *secret_key,
                   size_t secret_len, int64_t created_sec);
/* Returns 0 or -ENOENT. */
int vault_keys_remove(struct vault_keys *k, const char *name);

/* The payload, padded with zeros to a multiple of VAULT_PAD_LEN. Returns 0, -E2BIG beyond
 * VAULT_PAYLOAD_MAX, -ENOMEM. */
int vault_keys_encode(const struct vault_keys *k, struct secret **ret);
/* Returns 0, -EBADMSG for anything that vault_keys_encode() would not have written, -ENOMEM. */
int vault_keys_decode(const void *bytes, size_t len, struct vault_keys **ret);
