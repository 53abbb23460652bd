#include "daemon/front/tokens.h"
#include "common/buf.h"
#include "common/encode.h"
#include "common/fs.h"
#include "common/log.h"
#include "common/secret.h"

#include <openssl/evp.h>
#include <stdint.h>
#include <string.h>
#include <sys/random.h>

#define DIGEST_LEN 32

struct tokens {
        /* both made once: EVP_MD_fetch(3) per request would cost more than the digest itself */
        EVP_MD *sha256;
        EVP_MD_CTX *context;
        uint8_t digest[DIGEST_LEN];
};

/* libcrypto wipes the block it has digested (HASH_FINAL in md32_common.h), so no token stays here. */
static int token_digest(const struct tokens *t, const char *value, size_t len, uint8_t *out) {
        if (EVP_DigestInit_ex(t->context, t->sha256, NULL) != 1 ||
            EVP_DigestUpdate(t->context, value, len) != 1 ||
            EVP_DigestFinal_ex(t->context, out, NULL) != 1)
                return -EIO;
        return 0;
}

static bool token_is_fit(const struct buf *b) {
        static const char digits[] =
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

        return b->len == TOKEN_LEN && strspn(b->data, digits) == TOKEN_LEN;
}

/* Returns 0 with the text in @b, or -ENOENT when there is no file or none that is fit. */
static int token_read(int dir_fd, struct buf *b) {
        int r = fs_read_private_file(dir_fd, TOKEN_FILE, b);

        if (r == -E2BIG)
                return -ENOENT;
        if (r < 0)
                return r;
        return token_is_fit(b) ? 0 : -ENOENT;
}

static int token_make(int dir_fd, struct buf *b) {
        uint8_t bytes[TOKEN_BYTES];
        char *text;
        int r;

        buf_clear(b);
        r = buf_reserve(b, TOKEN_LEN, &text);
        if (r < 0)
                return r;
        if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
                return -EIO;
        encode_base64url(bytes, sizeof(bytes), text);
        explicit_bzero(bytes, sizeof(bytes));
        buf_commit(b, TOKEN_LEN);
        return fs_replace_file(dir_fd, TOKEN_FILE, b->data, b->len, 0600);
}

/* Somebody else may have read it, or has even put it there. To refuse it would only mean to be started again and
 * again: the folder is ours alone, so a new one in its place is as good as the first was. */
static bool token_is_leaked(int r) {
        return r == -EPERM || r == -EACCES || r == -ELOOP;
}

int tokens_new(int runtime_dir_fd, struct tokens **ret) {
        _cleanup_(tokens_freep) struct tokens *t = NULL;
        _cleanup_(buf_clear) struct buf text = BUF_INIT(2 * TOKEN_LEN);
        bool is_leaked;
        int r;

        assert(ret);

        t = calloc(1, sizeof(*t));
        if (!t)
                return -ENOMEM;
        t->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
        t->context = EVP_MD_CTX_new();
        if (!t->sha256 || !t->context)
                return -ENOMEM;

        r = token_read(runtime_dir_fd, &text);
        is_leaked = token_is_leaked(r);
        if (r == -ENOENT || is_leaked)
                r = token_make(runtime_dir_fd, &text);
        if (r >= 0 && is_leaked)
                (void)log_warning(
                        0, "the client token was not ours alone and counts as leaked: there is a "
                           "new one. Programs that read its file follow; shells that have the "
                           "old one need: eval \"$(mfactl env)\"");
        if (r < 0)
                return r;
        r = token_digest(t, text.data, text.len, t->digest);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(t);
        return 0;
}

struct tokens *tokens_free(struct tokens *t) {
        if (!t)
                return NULL;
        EVP_MD_CTX_free(t->context);
        EVP_MD_free(t->sha256);
        free(t);
        return NULL;
}

bool tokens_accept(const struct tokens *t, const char *value, size_t len) {
        uint8_t digest[DIGEST_LEN];

        assert(t);

        /* that a token has TOKEN_LEN characters is no secret */
        if (len != TOKEN_LEN || token_digest(t, value, len, digest) < 0)
                return false;
        return secret_equal(digest, t->digest, DIGEST_LEN);
}
