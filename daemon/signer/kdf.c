#include "daemon/signer/kdf.h"
#include "common/secret.h"

#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <string.h>

/* Keeps this use of the passphrase apart from any other that may come. */
#define DOMAIN     "mfad/vault/v1/kek"
#define DOMAIN_LEN (sizeof(DOMAIN) - 1)

static void kdf_freep(EVP_KDF **p) {
        EVP_KDF_free(*p);
}

static void kdf_ctx_freep(EVP_KDF_CTX **p) {
        EVP_KDF_CTX_free(*p);
}

static int scrypt(const char *passphrase, size_t len, const uint8_t *salt, size_t salt_len,
                  uint64_t n, char *out) {
        _cleanup_(kdf_freep) EVP_KDF *kdf = EVP_KDF_fetch(NULL, "SCRYPT", NULL);
        _cleanup_(kdf_ctx_freep) EVP_KDF_CTX *ctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
        /* without it OpenSSL refuses anything above 32 MiB */
        uint64_t memory_max = UINT64_C(128) * n * KDF_R + UINT64_C(2) * 1024 * 1024;
        uint32_t r = KDF_R, p = KDF_P;
        OSSL_PARAM params[] = {
                OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_PASSWORD, (void *)passphrase, len),
                OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)salt, salt_len),
                OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_N, &n),
                OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_R, &r),
                OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_P, &p),
                OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_MAXMEM, &memory_max),
                OSSL_PARAM_construct_end(),
        };

        /* with parameters in bounds, memory is all that can be missing */
        if (!ctx || EVP_KDF_derive(ctx, (unsigned char *)out, KDF_KEY_LEN, params) != 1)
                return -ENOMEM;
        return 0;
}

int kdf_derive(const char *passphrase, size_t len, const uint8_t salt[KDF_SALT_LEN], unsigned log2n,
               struct secret **ret) {
        _cleanup_(secret_freep) struct secret *key = NULL;
        uint8_t domain_and_salt[DOMAIN_LEN + KDF_SALT_LEN];
        int r;

        assert(passphrase);
        assert(ret);

        if (log2n < KDF_LOG2N_MIN || log2n > KDF_LOG2N_MAX)
                return -EINVAL;
        r = secret_new(KDF_KEY_LEN, &key);
        if (r < 0)
                return r;
        memcpy(domain_and_salt, DOMAIN, DOMAIN_LEN);
        memcpy(domain_and_salt + DOMAIN_LEN, salt, KDF_SALT_LEN);
        r = scrypt(passphrase, len, domain_and_salt, sizeof(domain_and_salt), UINT64_C(1) << log2n,
                   secret_reveal(key));
        secret_burn_stack(); /* scrypt works on blocks of the derived key there */
        if (r < 0)
                return r;
        *ret = TAKE_PTR(key);
        return 0;
}
