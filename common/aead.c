#include "common/aead.h"
#include "common/macros.h"

#include <limits.h>
#include <openssl/evp.h>

static void cipher_freep(EVP_CIPHER_CTX **p) {
        EVP_CIPHER_CTX_free(*p); /* wipes the key schedule */
}

int aead_run(const struct aead *a, const void *in, size_t len, void *out) {
        _cleanup_(cipher_freep) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
        int n = 0;

        assert(len <= INT_MAX);

        if (!ctx ||
            EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL, a->key, a->nonce, a->encrypt) != 1)
                return -EIO;
        for (size_t i = 0; i < ELEMENTSOF(a->aad); i++)
                if (a->aad_len[i] > 0 &&
                    EVP_CipherUpdate(ctx, NULL, &n, a->aad[i], a->aad_len[i]) != 1)
                        return -EIO;
        if (EVP_CipherUpdate(ctx, out, &n, in, (int)len) != 1 || (size_t)n != len)
                return -EIO;
        if (!a->encrypt &&
            EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, AEAD_TAG_LEN, a->tag) != 1)
                return -EIO;
        if (EVP_CipherFinal_ex(ctx, (uint8_t *)out + len, &n) != 1)
                return a->encrypt ? -EIO : -EBADMSG;
        if (a->encrypt && EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, AEAD_TAG_LEN, a->tag) != 1)
                return -EIO;
        return 0;
}
