#include "daemon/signer/vault_keys.h"
#include "daemon/signer/vault_file.h"
#include "common/buf.h"
#include "common/secret.h"
#include "common/wire.h"

#include <string.h>

/* Tags of the fields. Every key has all of them, in this order; TAG_END closes the list. */
enum {
        TAG_END = 0,
        TAG_NAME = 1,
        TAG_ACCESS_KEY_ID = 2,
        TAG_SECRET_KEY = 3,
        TAG_MFA_SERIAL = 4,
        TAG_USER_ARN = 5,
        TAG_CREATED = 6,
};

int vault_keys_new(struct vault_keys **ret) {
        struct vault_keys *k = calloc(1, sizeof(*k));

        if (!k)
                return -ENOMEM;
        *ret = k;
        return 0;
}

static void clear_key(struct vault_key *key) {
        key->secret_key = secret_free(key->secret_key);
        explicit_bzero(key, sizeof(*key));
}

struct vault_keys *vault_keys_free(struct vault_keys *k) {
        if (!k)
                return NULL;
        for (size_t i = 0; i < k->n; i++)
                clear_key(&k->keys[i]);
        free(k);
        return NULL;
}

const struct vault_key *vault_keys_get(const struct vault_keys *k, const char *name) {
        for (size_t i = 0; i < k->n; i++)
                if (strcmp(k->keys[i].info.name, name) == 0)
                        return &k->keys[i];
        return NULL;
}

struct vault_key *vault_keys_find(struct vault_keys *k, const char *name) {
        return (struct vault_key *)vault_keys_get(k, name); /* the list is the caller's to change */
}

int vault_keys_put(struct vault_keys *k, const struct signer_key *info, const char *secret_key,
                   size_t secret_len, int64_t created_sec) {
        struct vault_key *key = vault_keys_find(k, info->name);
        struct secret *copy;
        int r;

        if (!key && k->n == SIGNER_KEYS_MAX)
                return -ENOSPC;
        r = secret_copy(secret_key, secret_len, &copy);
        if (r < 0)
                return r;
        if (key)
                clear_key(key);
        else
                key = &k->keys[k->n++];
        *key = (struct vault_key){.info = *info, .secret_key = copy, .created_sec = created_sec};
        return 0;
}

int vault_keys_copy(const struct vault_keys *k, struct vault_keys **ret) {
        _cleanup_(vault_keys_freep) struct vault_keys *copy = NULL;
        int r;

        r = vault_keys_new(&copy);
        for (size_t i = 0; r >= 0 && i < k->n; i++)
                r = vault_keys_put(copy, &k->keys[i].info, secret_reveal(k->keys[i].secret_key),
                                   secret_len(k->keys[i].secret_key), k->keys[i].created_sec);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(copy);
        return 0;
}

int vault_keys_remove(struct vault_keys *k, const char *name) {
        struct vault_key *key = vault_keys_find(k, name);
        size_t i;

        if (!key)
                return -ENOENT;
        i = (size_t)(key - k->keys);
        clear_key(key);
        memmove(key, key + 1, (k->n - i - 1) * sizeof(*key));
        k->n--;
        explicit_bzero(&k->keys[k->n], sizeof(*key));
        return 0;
}

static int put_text(struct buf *b, uint8_t tag, const char *text) {
        int r = wire_put_u8(b, tag);

        return r < 0 ? r : wire_put_text(b, text);
}

static int put_key(struct buf *b, const struct vault_key *key) {
        int r;

        r = put_text(b, TAG_NAME, key->info.name);
        if (r >= 0)
                r = put_text(b, TAG_ACCESS_KEY_ID, key->info.access_key_id);
        if (r >= 0)
                r = wire_put_u8(b, TAG_SECRET_KEY);
        if (r >= 0)
                r = wire_put_bytes(b, secret_reveal(key->secret_key), secret_len(key->secret_key));
        if (r >= 0)
                r = put_text(b, TAG_MFA_SERIAL, key->info.mfa_serial);
        if (r >= 0)
                r = put_text(b, TAG_USER_ARN, key->info.user_arn);
        if (r >= 0)
                r = wire_put_u8(b, TAG_CREATED);
        if (r >= 0)
                r = wire_put_u32(b, 8); /* every value has a length */
        if (r >= 0)
                r = wire_put_u64(b, (uint64_t)key->created_sec);
        return r;
}

int vault_keys_encode(const struct vault_keys *k, struct secret **ret) {
        _cleanup_(secret_freep) struct secret *room = NULL;
        struct buf b;
        size_t len;
        int r;

        r = secret_new(VAULT_PAYLOAD_MAX, &room);
        if (r < 0)
                return r;
        /* a buffer that is full-grown from the start stays where it is: inside the secret */
        b = (struct buf){.data = secret_reveal(room),
                         .size = VAULT_PAYLOAD_MAX + 1,
                         .max = VAULT_PAYLOAD_MAX};
        for (size_t i = 0; r >= 0 && i < k->n; i++)
                r = put_key(&b, &k->keys[i]);
        if (r >= 0)
                r = wire_put_u8(&b, TAG_END);
        if (r < 0)
                return r;
        len = (b.len + VAULT_PAD_LEN - 1) / VAULT_PAD_LEN * VAULT_PAD_LEN;
        return secret_copy(secret_reveal(room), len, ret); /* zero behind b.len */
}

/* Reads the tag and, unless it is the expected one, makes every further read fail. */
static void expect_tag(struct wire_reader *r, uint8_t tag) {
        if (wire_get_u8(r) != tag)
                r->failed = true;
}

static int get_key(struct wire_reader *r, struct vault_keys *k) {
        struct signer_key info = {};
        const char *secret_key;
        size_t secret_len;
        int64_t created_sec;

        wire_get_text(r, info.name, sizeof(info.name)); /* its tag was read by the caller */
        expect_tag(r, TAG_ACCESS_KEY_ID);
        wire_get_text(r, info.access_key_id, sizeof(info.access_key_id));
        expect_tag(r, TAG_SECRET_KEY);
        secret_key = wire_get_bytes(r, SECRET_KEY_MAX, &secret_len);
        expect_tag(r, TAG_MFA_SERIAL);
        wire_get_text(r, info.mfa_serial, sizeof(info.mfa_serial));
        expect_tag(r, TAG_USER_ARN);
        wire_get_text(r, info.user_arn, sizeof(info.user_arn));
        expect_tag(r, TAG_CREATED);
        if (wire_get_u32(r) != 8)
                r->failed = true;
        created_sec = (int64_t)wire_get_u64(r);

        if (r->failed || secret_len == 0 || memchr(secret_key, '\0', secret_len) ||
            !text_is_key_name(info.name) || !text_is_access_key_id(info.access_key_id) ||
            (*info.mfa_serial && !text_is_mfa_serial(info.mfa_serial)) ||
            !text_is_printable(info.user_arn, USER_ARN_MAX) || vault_keys_get(k, info.name))
                return -EBADMSG;
        return vault_keys_put(k, &info, secret_key, secret_len, created_sec);
}

static bool is_padding(const struct wire_reader *r) {
        if (r->failed || r->left >= VAULT_PAD_LEN)
                return false;
        for (size_t i = 0; i < r->left; i++)
                if (r->p[i] != 0)
                        return false;
        return true;
}

int vault_keys_decode(const void *bytes, size_t len, struct vault_keys **ret) {
        _cleanup_(vault_keys_freep) struct vault_keys *k = NULL;
        struct wire_reader reader;
        uint8_t tag;
        int r;

        if (len == 0 || len % VAULT_PAD_LEN != 0)
                return -EBADMSG;
        r = vault_keys_new(&k);
        if (r < 0)
                return r;
        wire_reader_init(&reader, bytes, len);
        while ((tag = wire_get_u8(&reader)) == TAG_NAME) {
                r = get_key(&reader, k);
                if (r < 0)
                        return r == -ENOMEM ? r : -EBADMSG;
        }
        if (tag != TAG_END || !is_padding(&reader))
                return -EBADMSG;
        *ret = TAKE_PTR(k);
        return 0;
}
