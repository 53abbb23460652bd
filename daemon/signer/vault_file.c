#include "daemon/signer/vault_file.h"
#include "common/aead.h"
#include "common/buf.h"

#include <openssl/rand.h>
#include <string.h>

#define MAGIC   "MFADVLT\1"
#define VERSION 1
#define KDF_ID  1 /* scrypt */
#define AEAD_ID 1 /* AES-256-GCM */

/* Offsets; docs/vault-format.md shows them as a table. */
enum {
        AT_MAGIC = 0,
        AT_VERSION = 8,
        AT_HEADER_LEN = 10,
        AT_KDF = 12,
        AT_AEAD = 13,
        AT_LOG2N = 14,
        AT_RESERVED_1 = 15,
        AT_R = 16,
        AT_P = 20,
        AT_GENERATION = 24,
        AT_ID = 32,
        AT_CREATED = 48,
        AT_RESERVED_8 = 56,
        AT_SALT = 64,
        AT_WRAP_NONCE = 96,
        AT_WRAPPED_KEY = 108,
        AT_WRAP_TAG = 140,
        AT_PAYLOAD_LEN = 156,
        AT_PAYLOAD_NONCE = 160, /* the header ends here */
        AT_PAYLOAD = 172,
};
#define OVERHEAD ((size_t)AT_PAYLOAD + AEAD_TAG_LEN)

static uint64_t get_le(const uint8_t *at, size_t n) {
        uint64_t v = 0;

        for (size_t i = 0; i < n; i++)
                v |= (uint64_t)at[i] << (8 * i);
        return v;
}

static void put_le(uint8_t *at, uint64_t v, size_t n) {
        for (size_t i = 0; i < n; i++)
                at[i] = (uint8_t)(v >> (8 * i));
}

/* The file key under the KEK: everything before the wrap, and the payload's length, are bound to it. */
static struct aead wrap_of(uint8_t *file, const struct secret *kek, bool encrypt) {
        return (struct aead){
                .encrypt = encrypt,
                .key = secret_reveal(kek),
                .nonce = file + AT_WRAP_NONCE,
                .aad = {file, file + AT_PAYLOAD_LEN},
                .aad_len = {AT_WRAP_NONCE, 4},
                .tag = file + AT_WRAP_TAG,
        };
}

/* The payload under the file key: the whole header is bound to it. */
static struct aead payload_of(uint8_t *file, size_t payload_len, const struct secret *file_key,
                              bool encrypt) {
        return (struct aead){
                .encrypt = encrypt,
                .key = secret_reveal(file_key),
                .nonce = file + AT_PAYLOAD_NONCE,
                .aad = {file},
                .aad_len = {VAULT_HEADER_LEN},
                .tag = file + AT_PAYLOAD + payload_len,
        };
}

static bool payload_len_is_legal(uint64_t len) {
        return len > 0 && len <= VAULT_PAYLOAD_MAX && len % VAULT_PAD_LEN == 0;
}

int vault_file_header(const void *bytes, size_t len, struct vault_header *ret) {
        const uint8_t *p = bytes;
        struct vault_header h = {};

        assert(ret);

        if (len < AT_VERSION || memcmp(p, MAGIC, AT_VERSION) != 0)
                return VAULT_FILE_ALIEN;
        if (len < OVERHEAD || len > VAULT_FILE_MAX)
                return VAULT_FILE_WRONG_SIZE;
        if (get_le(p + AT_VERSION, 2) != VERSION || p[AT_KDF] != KDF_ID || p[AT_AEAD] != AEAD_ID)
                return VAULT_FILE_NEWER;
        if (get_le(p + AT_HEADER_LEN, 2) != VAULT_HEADER_LEN || p[AT_RESERVED_1] != 0 ||
            get_le(p + AT_RESERVED_8, 8) != 0 || p[AT_LOG2N] < KDF_LOG2N_MIN ||
            p[AT_LOG2N] > KDF_LOG2N_MAX || get_le(p + AT_R, 4) != KDF_R ||
            get_le(p + AT_P, 4) != KDF_P)
                return VAULT_FILE_OUT_OF_BOUNDS;
        if (!payload_len_is_legal(get_le(p + AT_PAYLOAD_LEN, 4)) ||
            get_le(p + AT_PAYLOAD_LEN, 4) != len - OVERHEAD)
                return VAULT_FILE_WRONG_SIZE;

        h.log2n = p[AT_LOG2N];
        h.generation = get_le(p + AT_GENERATION, 8);
        memcpy(h.id, p + AT_ID, sizeof(h.id));
        h.created_sec = (int64_t)get_le(p + AT_CREATED, 8);
        memcpy(h.salt, p + AT_SALT, sizeof(h.salt));
        *ret = h;
        return VAULT_FILE_OK;
}

int vault_file_open(const void *bytes, size_t len, const struct secret *kek,
                    struct secret **ret_payload) {
        _cleanup_(secret_freep) struct secret *file_key = NULL, *payload = NULL;
        uint8_t *file = (uint8_t *)bytes; /* only read: struct aead serves both directions */
        size_t payload_len = len - OVERHEAD;
        struct aead a;
        int r;

        assert(len >= OVERHEAD && payload_len_is_legal(payload_len));
        assert(secret_len(kek) == VAULT_KEK_LEN);

        r = secret_new(AEAD_KEY_LEN, &file_key);
        if (r < 0)
                return r;
        a = wrap_of(file, kek, /* encrypt= */ false);
        r = aead_run(&a, file + AT_WRAPPED_KEY, AEAD_KEY_LEN, secret_reveal(file_key));
        if (r < 0)
                return r;
        r = secret_new(payload_len, &payload);
        if (r < 0)
                return r;
        a = payload_of(file, payload_len, file_key, /* encrypt= */ false);
        r = aead_run(&a, file + AT_PAYLOAD, payload_len, secret_reveal(payload));
        if (r < 0)
                return r;
        *ret_payload = TAKE_PTR(payload);
        return 0;
}

static void put_header(uint8_t *file, const struct vault_header *h, size_t payload_len) {
        memset(file, 0, VAULT_HEADER_LEN);
        memcpy(file + AT_MAGIC, MAGIC, AT_VERSION);
        put_le(file + AT_VERSION, VERSION, 2);
        put_le(file + AT_HEADER_LEN, VAULT_HEADER_LEN, 2);
        file[AT_KDF] = KDF_ID;
        file[AT_AEAD] = AEAD_ID;
        file[AT_LOG2N] = h->log2n;
        put_le(file + AT_R, KDF_R, 4);
        put_le(file + AT_P, KDF_P, 4);
        put_le(file + AT_GENERATION, h->generation, 8);
        memcpy(file + AT_ID, h->id, VAULT_ID_LEN);
        put_le(file + AT_CREATED, (uint64_t)h->created_sec, 8);
        memcpy(file + AT_SALT, h->salt, KDF_SALT_LEN);
        put_le(file + AT_PAYLOAD_LEN, payload_len, 4);
}

static int encrypt(uint8_t *file, const struct secret *kek, const void *payload,
                   size_t payload_len) {
        _cleanup_(secret_freep) struct secret *file_key = NULL;
        struct aead a;
        int r;

        r = secret_new(AEAD_KEY_LEN, &file_key);
        if (r < 0)
                return r;
        if (RAND_priv_bytes((uint8_t *)secret_reveal(file_key), AEAD_KEY_LEN) != 1 ||
            RAND_bytes(file + AT_WRAP_NONCE, AEAD_NONCE_LEN) != 1 ||
            RAND_bytes(file + AT_PAYLOAD_NONCE, AEAD_NONCE_LEN) != 1)
                return -EIO;
        a = wrap_of(file, kek, /* encrypt= */ true);
        r = aead_run(&a, secret_reveal(file_key), AEAD_KEY_LEN, file + AT_WRAPPED_KEY);
        if (r < 0)
                return r;
        /* after the wrap: its nonce, key and tag are part of what the payload authenticates */
        a = payload_of(file, payload_len, file_key, /* encrypt= */ true);
        return aead_run(&a, payload, payload_len, file + AT_PAYLOAD);
}

/* What cannot be opened must never replace what can. */
static int verify(const uint8_t *file, size_t len, const struct secret *kek, const void *payload,
                  size_t payload_len) {
        _cleanup_(secret_freep) struct secret *opened = NULL;
        struct vault_header h;
        int r;

        if (vault_file_header(file, len, &h) != VAULT_FILE_OK)
                return -EIO;
        r = vault_file_open(file, len, kek, &opened);
        if (r < 0)
                return r == -EBADMSG ? -EIO : r;
        if (!secret_equal(secret_reveal(opened), payload, payload_len))
                return -EIO;
        return 0;
}

int vault_file_write(const struct vault_header *header, const struct secret *kek,
                     const void *payload, size_t payload_len, struct buf *ret) {
        size_t len = payload_len + OVERHEAD;
        uint8_t *file;
        char *at;
        int r;

        assert(header);
        assert(secret_len(kek) == VAULT_KEK_LEN);
        assert(payload_len_is_legal(payload_len));

        r = buf_reserve(ret, len, &at);
        if (r < 0)
                return r;
        file = (uint8_t *)at;
        put_header(file, header, payload_len);
        r = encrypt(file, kek, payload, payload_len);
        if (r < 0)
                return r;
        r = verify(file, len, kek, payload, payload_len);
        if (r < 0)
                return r;
        buf_commit(ret, len);
        return 0;
}
