#include "daemon/front/persist_blob.h"
#include "common/aead.h"
#include "common/aws_config_limits.h"
#include "common/aws_request.h"
#include "common/buf.h"
#include "common/clock.h"
#include "common/secret.h"
#include "common/wire.h"

#include <endian.h>
#include <openssl/rand.h>
#include <string.h>

/* The last byte is the version. */
#define MAGIC_LEN 8
static const uint8_t magic[MAGIC_LEN] = {'M', 'F', 'A', 'D', 'S', 'E', 'S', 2};

/* Offsets; docs/vault-format.md shows them as a table. */
enum {
        AT_WRAPPED = MAGIC_LEN,
        AT_ASLEEP = AT_WRAPPED + SIGNER_WRAPPED_LEN,
        AT_NONCE = AT_ASLEEP + sizeof(uint64_t),
        AT_ENTRIES = AT_NONCE + AEAD_NONCE_LEN,
};
static_assert(AT_ENTRIES == PERSIST_HEADER_LEN, "the header ends where the entries begin");
static_assert(PERSIST_FILE_MAX - AT_ENTRIES - AEAD_TAG_LEN == PERSIST_ENTRIES_MAX, "and a tag");

/* A life that AWS grants, and what lease_take() allows beyond. */
#define LIFE_USEC_MAX ((AWS_DURATION_SEC_MAX + 3600) * USEC_PER_SEC)
#define WALL_SEC_MAX  INT64_C(253402300799) /* the end of the year 9999 */

static int put_lease(const struct lease *l, struct buf *b) {
        const struct creds *c = l->creds;
        int r;

        if ((r = wire_put_text(b, c->access_key_id)) < 0 ||
            (r = wire_put_bytes(b, secret_reveal(c->secret_key), secret_len(c->secret_key))) < 0 ||
            (r = wire_put_bytes(b, secret_reveal(c->session_token), secret_len(c->session_token))) <
                    0 ||
            (r = wire_put_u64(b, (uint64_t)c->expiration_sec)) < 0 ||
            (r = wire_put_u64(b, l->bought_boot_usec)) < 0 ||
            (r = wire_put_u64(b, l->ends_boot_usec)) < 0 ||
            (r = wire_put_u64(b, (uint64_t)l->bought_wall_sec)) < 0 ||
            (r = wire_put_u64(b, (uint64_t)l->ends_wall_sec)) < 0 ||
            (r = wire_put_text(b, l->account)) < 0 || (r = wire_put_text(b, l->role_arn)) < 0)
                return r;
        return 0;
}

bool persist_is_session(enum persist_kind kind) {
        return kind == PERSIST_SESSION || kind == PERSIST_DIRECT;
}

static int put_mark(const struct persist_entry *e, struct buf *b) {
        return wire_put_bytes(b, e->mark.sha256, sizeof(e->mark.sha256));
}

static int put_fields(const struct persist_entry *e, struct buf *b) {
        int r;

        if ((r = wire_put_u8(b, (uint8_t)e->kind)) < 0 || (r = wire_put_text(b, e->name)) < 0)
                return r;
        if (persist_is_session(e->kind))
                r = wire_put_text(b, e->mfa_serial);
        else if ((r = wire_put_u8(b, e->is_asked_for)) >= 0)
                r = wire_put_u64(b, e->used_usec);
        if (r >= 0 && e->kind != PERSIST_SESSION)
                r = put_mark(e, b);
        return r < 0 ? r : put_lease(&e->lease, b);
}

int persist_entry_put(const struct persist_entry *e, struct buf *b) {
        size_t before = b->len;
        int r;

        assert(e->lease.creds);

        r = put_fields(e, b);
        if (r < 0 && b->len > before) { /* half an entry is none */
                explicit_bzero(b->data + before, b->len - before);
                b->len = before;
        }
        return r;
}

/* What SDKs and our own answers can carry without escaping it: as in the answers of mfad-fetch. */
static int get_secret(struct wire_reader *r, size_t max, struct secret **ret) {
        size_t len;
        const void *at = wire_get_bytes(r, max, &len);
        int k;

        if (len == 0 || memchr(at, '\0', len)) {
                r->failed = true;
                return 0;
        }
        k = secret_copy(at, len, ret);
        if (k < 0)
                return k;
        if (!text_is_graph(secret_reveal(*ret), max) || strpbrk(secret_reveal(*ret), "\"'\\"))
                r->failed = true;
        return 0;
}

static int get_creds(struct wire_reader *r, struct creds *c) {
        int k;

        wire_get_text(r, c->access_key_id, sizeof(c->access_key_id));
        if (!text_is_access_key_id(c->access_key_id))
                r->failed = true;
        k = get_secret(r, SECRET_KEY_MAX, &c->secret_key);
        if (k >= 0)
                k = get_secret(r, SESSION_TOKEN_MAX, &c->session_token);
        c->expiration_sec = (int64_t)wire_get_u64(r);
        return k;
}

static bool is_wall_sec(int64_t sec) {
        return sec >= 0 && sec <= WALL_SEC_MAX;
}

static bool times_make_sense(const struct lease *l) {
        return l->bought_boot_usec <= l->ends_boot_usec &&
               l->ends_boot_usec - l->bought_boot_usec <= LIFE_USEC_MAX &&
               is_wall_sec(l->bought_wall_sec) && is_wall_sec(l->ends_wall_sec) &&
               is_wall_sec(l->creds->expiration_sec);
}

static bool account_makes_sense(const char *account) {
        size_t n = strlen(account);

        return n == 0 || (n == ACCOUNT_LEN && strspn(account, "0123456789") == n);
}

static int get_lease(struct wire_reader *r, struct lease *l) {
        char role_arn[USER_ARN_MAX + 1];
        int k;

        k = creds_new(&l->creds);
        if (k >= 0)
                k = get_creds(r, l->creds);
        if (k < 0)
                return k;
        l->bought_boot_usec = wire_get_u64(r);
        l->ends_boot_usec = wire_get_u64(r);
        l->bought_wall_sec = (int64_t)wire_get_u64(r);
        l->ends_wall_sec = (int64_t)wire_get_u64(r);
        wire_get_text(r, l->account, sizeof(l->account));
        wire_get_text(r, role_arn, sizeof(role_arn));
        if (!times_make_sense(l) || !account_makes_sense(l->account) ||
            (*role_arn && !text_is_role_arn(role_arn)))
                r->failed = true;
        return *role_arn ? lease_set_role(l, role_arn) : 0;
}

static void get_session(struct wire_reader *r, struct persist_entry *e) {
        wire_get_text(r, e->mfa_serial, sizeof(e->mfa_serial));
        if (!text_is_mfa_serial(e->mfa_serial))
                r->failed = true;
}

static void get_role(struct wire_reader *r, struct persist_entry *e) {
        uint8_t is_asked_for = wire_get_u8(r);

        if (is_asked_for > 1)
                r->failed = true;
        e->is_asked_for = is_asked_for;
        e->used_usec = wire_get_u64(r);
}

static void get_mark(struct wire_reader *r, struct persist_entry *e) {
        size_t len;
        const void *mark = wire_get_bytes(r, sizeof(e->mark.sha256), &len);

        if (len != sizeof(e->mark.sha256))
                r->failed = true;
        else
                memcpy(e->mark.sha256, mark, len);
}

static size_t name_size(enum persist_kind kind) {
        switch (kind) {
        case PERSIST_SESSION:
        case PERSIST_DIRECT: return KEY_NAME_MAX + 1;
        case PERSIST_ROLE: return PROFILE_NAME_MAX + 1;
        case PERSIST_ROLE_ARN: return USER_ARN_MAX + 1;
        }
        abort();
}

int persist_entry_get(struct wire_reader *r, struct persist_entry *ret) {
        uint8_t kind;
        int k;

        *ret = (struct persist_entry){0};
        if (r->left == 0 && !r->failed)
                return 0;
        kind = wire_get_u8(r);
        if (kind < PERSIST_SESSION || kind > PERSIST_DIRECT)
                return -EBADMSG;
        ret->kind = (enum persist_kind)kind;
        wire_get_text(r, ret->name, name_size(ret->kind));
        if (!*ret->name || (ret->kind == PERSIST_ROLE_ARN && !text_is_role_arn(ret->name)))
                r->failed = true;
        if (persist_is_session(ret->kind))
                get_session(r, ret);
        else
                get_role(r, ret);
        if (ret->kind != PERSIST_SESSION)
                get_mark(r, ret);
        k = get_lease(r, &ret->lease);
        if (k < 0)
                return k;
        return r->failed ? -EBADMSG : 1;
}

void persist_entry_clear(struct persist_entry *e) {
        lease_clear(&e->lease);
        *e = (struct persist_entry){0};
}

static struct aead aead_of(uint8_t *file, size_t len, const struct secret *key, bool encrypt) {
        return (struct aead){
                .encrypt = encrypt,
                .key = secret_reveal(key),
                .nonce = file + AT_NONCE,
                .aad = {file},
                .aad_len = {PERSIST_HEADER_LEN},
                .tag = file + AT_ENTRIES + len,
        };
}

int persist_blob_seal(const struct secret *key, const uint8_t wrapped[SIGNER_WRAPPED_LEN],
                      const struct buf *entries, struct buf *ret) {
        uint64_t asleep = htole64(clock_asleep_usec());
        struct aead a;
        uint8_t *file;
        char *at;
        int r;

        assert(secret_len(key) == AEAD_KEY_LEN);
        assert(ret->len == 0);

        r = buf_reserve(ret, PERSIST_HEADER_LEN + entries->len + AEAD_TAG_LEN, &at);
        if (r < 0)
                return r;
        file = (uint8_t *)at;
        memcpy(file, magic, MAGIC_LEN);
        memcpy(file + AT_WRAPPED, wrapped, SIGNER_WRAPPED_LEN);
        memcpy(file + AT_ASLEEP, &asleep, sizeof(asleep));
        if (RAND_bytes(file + AT_NONCE, AEAD_NONCE_LEN) != 1)
                return -EIO;
        a = aead_of(file, entries->len, key, /* encrypt= */ true);
        r = aead_run(&a, buf_text(entries), entries->len, file + AT_ENTRIES);
        if (r < 0)
                return r;
        buf_commit(ret, PERSIST_HEADER_LEN + entries->len + AEAD_TAG_LEN);
        return 0;
}

int persist_blob_check(const void *file, size_t len, uint8_t ret_wrapped[SIGNER_WRAPPED_LEN]) {
        if (len < PERSIST_HEADER_LEN + AEAD_TAG_LEN || len > PERSIST_FILE_MAX ||
            memcmp(file, magic, MAGIC_LEN) != 0)
                return -EBADMSG;
        memcpy(ret_wrapped, (const uint8_t *)file + AT_WRAPPED, SIGNER_WRAPPED_LEN);
        return 0;
}

uint64_t persist_blob_asleep_usec(const void *file) {
        uint64_t asleep;

        memcpy(&asleep, (const uint8_t *)file + AT_ASLEEP, sizeof(asleep));
        return le64toh(asleep);
}

int persist_blob_open(const struct secret *key, const void *file, size_t len, struct buf *ret) {
        size_t entries_len = len - PERSIST_HEADER_LEN - AEAD_TAG_LEN;
        uint8_t *bytes = (uint8_t *)file; /* only read: struct aead serves both directions */
        struct aead a;
        char *at;
        int r;

        assert(secret_len(key) == AEAD_KEY_LEN);
        assert(len >= PERSIST_HEADER_LEN + AEAD_TAG_LEN && len <= PERSIST_FILE_MAX);

        r = buf_reserve(ret, entries_len, &at);
        if (r < 0)
                return r;
        a = aead_of(bytes, entries_len, key, /* encrypt= */ false);
        r = aead_run(&a, bytes + AT_ENTRIES, entries_len, at);
        /* also on failure: what is counted is wiped */
        buf_commit(ret, entries_len);
        return r;
}
