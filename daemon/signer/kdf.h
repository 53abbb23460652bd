/* kdf.h - from a passphrase to the key that opens the vault: scrypt (RFC 7914).
 * Owns:  nothing.
 * Calls: libcrypto, common/secret.h.
 * Limit: KDF_LOG2N_MIN to KDF_LOG2N_MAX; blocks for 0.7 s and takes 133 MiB at the default cost. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define KDF_LOG2N_MIN     15 /* 15 and 16 are read, never written by mfactl */
#define KDF_LOG2N_MAX     20 /* a file cannot ask for more than 1 GiB and 6 s */
#define KDF_LOG2N_DEFAULT 17
#define KDF_R             8 /* r and p are fixed in version 1 of the file */
#define KDF_P             1
#define KDF_SALT_LEN      32
#define KDF_KEY_LEN       32

struct secret;

/* @passphrase: the bytes as they were typed, in whatever normalisation the terminal sent.
 * Returns 0, -EINVAL for a cost out of bounds, -ENOMEM (also when scrypt's memory is not to be had). */
int kdf_derive(const char *passphrase, size_t len, const uint8_t salt[KDF_SALT_LEN], unsigned log2n,
               struct secret **ret);
