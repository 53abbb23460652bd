/* vault_file.h - the vault's bytes: header, wrapped file key, encrypted payload (docs/vault-format.md).
 * Owns:  nothing.
 * Calls: libcrypto (AES-256-GCM, random), common/secret.h, buf.h. No files, no passphrase.
 * Limit: VAULT_FILE_MAX bytes a file, VAULT_PAYLOAD_MAX of them payload. */
#pragma once
#include "daemon/signer/kdf.h"
#include "common/secret.h"
#include <stddef.h>
#include <stdint.h>

#define VAULT_HEADER_LEN  ((size_t)160)
#define VAULT_ID_LEN      16
#define VAULT_PAD_LEN     ((size_t)256) /* payloads are a multiple, so that the size tells little */
#define VAULT_PAYLOAD_MAX SECRET_LEN_MAX /* it is decrypted straight into a secret */
#define VAULT_FILE_MAX    ((size_t)64 * 1024)
#define VAULT_KEK_LEN     KDF_KEY_LEN

struct buf;

/* What the header says in the clear; trust it only after vault_file_open(). */
struct vault_header {
        uint8_t log2n;
        uint64_t generation; /* one more with every write */
        uint8_t id[VAULT_ID_LEN];
        int64_t created_sec;
        uint8_t salt[KDF_SALT_LEN];
};

enum vault_file_result {
        VAULT_FILE_OK = 0,
        VAULT_FILE_ALIEN,         /* no vault of ours: another magic */
        VAULT_FILE_NEWER,         /* version, kdf or cipher of a later mfad */
        VAULT_FILE_OUT_OF_BOUNDS, /* scrypt's cost, or a reserved byte in use */
        VAULT_FILE_WRONG_SIZE,    /* cut short, or longer than the header says */
};

/* Checks every bound before any key is derived. Returns an answer above, @ret filled on 0. */
int vault_file_header(const void *bytes, size_t len, struct vault_header *ret);

/* Decrypts a file that has passed vault_file_header(). Returns 0, -EBADMSG for the wrong key or a
 * single changed bit (one answer for both), -ENOMEM. */
int vault_file_open(const void *bytes, size_t len, const struct secret *kek,
                    struct secret **ret_payload);

/* Writes a complete file to @ret: fresh file key and nonces; then opens what it wrote with @kek and
 * compares. @payload_len: a multiple of VAULT_PAD_LEN up to VAULT_PAYLOAD_MAX. Returns 0, -EIO when
 * libcrypto fails or the comparison does, -ENOMEM. */
int vault_file_write(const struct vault_header *header, const struct secret *kek,
                     const void *payload, size_t payload_len, struct buf *ret);
