/* wrap.h - a key of mfad's, encrypted so that only this vault opens it, and only in this boot.
 * Owns:  nothing.
 * Calls: libcrypto (HKDF), common/aead.h, secret.h. No sockets, no files.
 * Limit: SIGNER_BLOB_KEY_LEN bytes.
 *
 * mfad keeps its sessions in a file under such a key. The signer never sees what that key encrypts, and mfad
 * without the signer cannot open it: docs/vault-format.md. */
#pragma once
#include "common/signer_proto.h"

struct wrap {
        const struct secret *kek; /* of the open vault, VAULT_KEK_LEN bytes */
        const uint8_t *vault_id;  /* VAULT_ID_LEN bytes */
        const char *boot_id;      /* BOOT_ID_LEN characters */
};

/* Returns 0, -EIO when libcrypto fails, -ENOMEM. */
int wrap_seal(const struct wrap *w, const uint8_t blob_key[SIGNER_BLOB_KEY_LEN],
              uint8_t ret[SIGNER_WRAPPED_LEN]);
/* Returns 0, -EBADMSG for another vault, another passphrase, another boot or a changed bit (one answer for
 * all), and as above. */
int wrap_open(const struct wrap *w, const uint8_t wrapped[SIGNER_WRAPPED_LEN], struct secret **ret);
