#include "daemon/signer/wrap.h"
#include "common/aead.h"
#include "common/boot_id.h"
#include "common/secret.h"
#include "daemon/signer/vault_file.h"

#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <string.h>

/* Keeps this use of the KEK apart from that of the vault's file, and from any other that may come. */
#define DOMAIN     "mfad/session/v1"
#define DOMAIN_LEN (sizeof(DOMAIN) - 1)

#define AT_KEY (AEAD_NONCE_LEN)
#define AT_TAG (AEAD_NONCE_LEN + SIGNER_BLOB_KEY_LEN)
static_assert(AT_TAG + AEAD_TAG_LEN == SIGNER_WRAPPED_LEN, "nonce, key and tag are all there is");

static void kdf_freep(EVP_KDF **p) {
        EVP_KDF_free(*p);
}

static void kdf_ctx_freep(EVP_KDF_CTX **p) {
        EVP_KDF_CTX_free(*p);
}

/* The key that wraps: HKDF-SHA256 (RFC 5869) of the KEK, with the vault's id as salt. */
static int derive(const struct wrap *w, struct secret **ret) {
        _cleanup_(kdf_freep) EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
        _cleanup_(kdf_ctx_freep) EVP_KDF_CTX *ctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
        _cleanup_(secret_freep) struct secret *key = NULL;
        OSSL_PARAM params[] = {
                OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)"SHA256", 0),
                OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, secret_reveal(w->kek),
                                                  VAULT_KEK_LEN),
                OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)w->vault_id,
                                                  VAULT_ID_LEN),
                OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)DOMAIN, DOMAIN_LEN),
                OSSL_PARAM_construct_end(),
        };
        int r;

        assert(secret_len(w->kek) == VAULT_KEK_LEN);

        r = secret_new(AEAD_KEY_LEN, &key);
        if (r < 0)
                return r;
        if (!ctx ||
            EVP_KDF_derive(ctx, (unsigned char *)secret_reveal(key), AEAD_KEY_LEN, params) != 1)
                return -EIO;
        *ret = TAKE_PTR(key);
        return 0;
}

static struct aead aead_of(const struct wrap *w, const struct secret *key, uint8_t *wrapped,
                           bool encrypt) {
        return (struct aead){
                .encrypt = encrypt,
                .key = secret_reveal(key),
                .nonce = wrapped,
                .aad = {w->boot_id},
                .aad_len = {BOOT_ID_LEN},
                .tag = wrapped + AT_TAG,
        };
}

int wrap_seal(const struct wrap *w, const uint8_t blob_key[SIGNER_BLOB_KEY_LEN],
              uint8_t ret[SIGNER_WRAPPED_LEN]) {
        _cleanup_(secret_freep) struct secret *key = NULL;
        struct aead a;
        int r;

        r = derive(w, &key);
        if (r < 0)
                return r;
        if (RAND_bytes(ret, AEAD_NONCE_LEN) != 1)
                return -EIO;
        a = aead_of(w, key, ret, /* encrypt= */ true);
        return aead_run(&a, blob_key, SIGNER_BLOB_KEY_LEN, ret + AT_KEY);
}

int wrap_open(const struct wrap *w, const uint8_t wrapped[SIGNER_WRAPPED_LEN],
              struct secret **ret) {
        _cleanup_(secret_freep) struct secret *key = NULL, *blob_key = NULL;
        struct aead a;
        int r;

        r = derive(w, &key);
        if (r >= 0)
                r = secret_new(SIGNER_BLOB_KEY_LEN, &blob_key);
        if (r < 0)
                return r;
        /* only read: struct aead serves both directions */
        a = aead_of(w, key, (uint8_t *)wrapped, /* encrypt= */ false);
        r = aead_run(&a, wrapped + AT_KEY, SIGNER_BLOB_KEY_LEN, secret_reveal(blob_key));
        if (r < 0)
                return r;
        *ret = TAKE_PTR(blob_key);
        return 0;
}
