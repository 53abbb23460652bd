#include "daemon/signer/vault.h"
#include "common/buf.h"
#include "common/clock.h"
#include "common/secret.h"
#include "daemon/signer/kdf.h"
#include "daemon/signer/vault_store.h"

#include <openssl/rand.h>
#include <string.h>

/* Everything that comes into being when a vault is opened and goes when it is sealed. */
struct opened {
        struct vault_header header;
        uint8_t header_bytes[VAULT_HEADER_LEN]; /* as on disk: tells whether somebody replaced it */
        struct secret *kek;
        struct secret *former[VAULT_FORMER_KEKS + 1]; /* ends with NULL */
        struct vault_keys *keys;
};

struct vault {
        struct vault_store *store;
        uint8_t log2n;
        struct opened *open; /* NULL unless open */
        struct vault_problem problem;
        void (*watch)(void *userdata);
        void *watch_userdata;
};

static struct opened *opened_free(struct opened *o) {
        if (!o)
                return NULL;
        o->kek = secret_free(o->kek);
        for (size_t i = 0; i < VAULT_FORMER_KEKS; i++)
                o->former[i] = secret_free(o->former[i]);
        o->keys = vault_keys_free(o->keys);
        free(o);
        return NULL;
}
DEFINE_FREEP(struct opened, opened)

int vault_new(const char *dir_path, uint8_t log2n, struct vault **ret) {
        _cleanup_(vault_freep) struct vault *v = NULL;
        int r;

        assert(ret);
        assert(log2n >= KDF_LOG2N_MIN && log2n <= KDF_LOG2N_MAX);

        v = calloc(1, sizeof(*v));
        if (!v)
                return -ENOMEM;
        v->log2n = log2n;
        r = vault_store_new(dir_path, &v->store);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(v);
        return 0;
}

struct vault *vault_free(struct vault *v) {
        if (!v)
                return NULL;
        v->open = opened_free(v->open);
        v->store = vault_store_free(v->store);
        free(v);
        return NULL;
}

void vault_watch(struct vault *v, void (*fn)(void *userdata), void *userdata) {
        v->watch = fn;
        v->watch_userdata = userdata;
}

static void tell(struct vault *v) {
        if (v->watch)
                v->watch(v->watch_userdata);
}

enum vault_state vault_state(const struct vault *v) {
        if (v->open)
                return VAULT_OPEN;
        return vault_store_exists(v->store) ? VAULT_SEALED : VAULT_NONE;
}

const char *vault_path(const struct vault *v) {
        return vault_store_path(v->store);
}

const struct vault_keys *vault_keys(const struct vault *v) {
        return v->open ? v->open->keys : NULL;
}

const struct secret *vault_kek(const struct vault *v) {
        return v->open ? v->open->kek : NULL;
}

const struct secret *const *vault_former_keks(const struct vault *v) {
        return v->open ? (const struct secret *const *)v->open->former : NULL;
}

const uint8_t *vault_id(const struct vault *v) {
        return v->open ? v->open->header.id : NULL;
}

uint64_t vault_generation(const struct vault *v) {
        return v->open ? v->open->header.generation : 0;
}

uint8_t vault_log2n(const struct vault *v) {
        return v->open ? v->open->header.log2n : v->log2n;
}

const struct vault_problem *vault_problem(const struct vault *v) {
        return &v->problem;
}

/* Notes what is wrong, and passes the answer on. */
static int problem(struct vault *v, enum vault_result result, int error) {
        v->problem =
                (struct vault_problem){.error = error, .has_old = vault_store_has_old(v->store)};
        return result;
}

/* What a failed access to the directory or to the file in it means. */
static int cannot(struct vault *v, enum vault_result otherwise, int r) {
        if (r == -ENOMEM)
                return r;
        if (r == -EBUSY)
                return problem(v, VAULT_E_BUSY, r);
        if (r == -EPERM || r == -ELOOP || r == -ENOTDIR)
                return problem(v, VAULT_E_UNSAFE, r);
        return problem(v, otherwise, r);
}

/* The open vault no longer matters for the lock: it goes when nothing is open. */
static void unlock_unless_open(struct vault *v) {
        if (!v->open)
                vault_store_unlock(v->store);
}

static bool is_same_kek(const struct opened *a, const struct opened *b) {
        return secret_equal(secret_reveal(a->kek), secret_reveal(b->kek), VAULT_KEK_LEN);
}

/* What was wrapped under @o's KEKs can still be opened when @next takes its place. */
static void hand_over_keks(struct opened *o, struct opened *next) {
        size_t n = 0;

        if (memcmp(o->header.id, next->header.id, VAULT_ID_LEN) != 0)
                return;
        if (!is_same_kek(o, next))
                next->former[n++] = TAKE_PTR(o->kek);
        for (size_t i = 0; n < VAULT_FORMER_KEKS && o->former[i]; i++)
                next->former[n++] = TAKE_PTR(o->former[i]);
}

/* Makes @next the open vault. */
static void enter(struct vault *v, struct opened *next) {
        if (v->open)
                hand_over_keks(v->open, next);
        v->open = opened_free(v->open);
        v->open = next;
        tell(v);
}

/* --- reading -------------------------------------------------------------------------------- */

static int load(struct vault *v, struct buf *ret, struct vault_header *ret_header) {
        int r;

        r = vault_store_load(v->store, ret);
        if (r == -ENOENT)
                return problem(v, VAULT_E_NO_VAULT, r);
        if (r == -E2BIG || r == -EINVAL || r == -EISDIR) {
                (void)problem(v, VAULT_E_BAD_FILE, r);
                v->problem.file = r == -E2BIG ? VAULT_FILE_WRONG_SIZE : VAULT_FILE_ALIEN;
                return VAULT_E_BAD_FILE;
        }
        if (r < 0)
                return cannot(v, VAULT_E_CANNOT_READ, r);
        r = vault_file_header(buf_text(ret), ret->len, ret_header);
        if (r != VAULT_FILE_OK) {
                (void)problem(v, VAULT_E_BAD_FILE, 0);
                v->problem.file = (enum vault_file_result)r;
                return VAULT_E_BAD_FILE;
        }
        return VAULT_OK;
}

static int decrypt(struct vault *v, const struct buf *file, struct opened *o) {
        _cleanup_(secret_freep) struct secret *payload = NULL;
        int r;

        r = vault_file_open(file->data, file->len, o->kek, &payload);
        if (r == -EBADMSG)
                return problem(v, VAULT_E_CANNOT_OPEN, 0);
        if (r < 0)
                return r;
        r = vault_keys_decode(secret_reveal(payload), secret_len(payload), &o->keys);
        if (r == -EBADMSG) {
                /* authentic, yet not as we write it: only another mfad can have made it */
                (void)problem(v, VAULT_E_BAD_FILE, 0);
                v->problem.file = VAULT_FILE_NEWER;
                return VAULT_E_BAD_FILE;
        }
        memcpy(o->header_bytes, file->data, VAULT_HEADER_LEN);
        return r;
}

/* Only after decryption: a generation that nobody vouches for says nothing. */
static int check_generation(struct vault *v, const struct vault_header *h, bool accept_rollback) {
        uint64_t known = vault_store_generation(v->store, h->id);

        if (h->generation < known && !accept_rollback) {
                (void)problem(v, VAULT_E_ROLLBACK, 0);
                v->problem.generation = h->generation;
                v->problem.expected = known;
                return VAULT_E_ROLLBACK;
        }
        if (h->generation != known)
                vault_store_note_generation(v->store, h->id, h->generation);
        return VAULT_OK;
}

static int read_vault(struct vault *v, const char *passphrase, bool accept_rollback,
                      struct opened **ret) {
        _cleanup_(buf_clear) struct buf file = BUF_INIT(VAULT_FILE_MAX);
        _cleanup_(opened_freep) struct opened *o = calloc(1, sizeof(*o));
        int r;

        if (!o)
                return -ENOMEM;
        r = load(v, &file, &o->header);
        if (r != VAULT_OK)
                return r;
        r = kdf_derive(passphrase, strlen(passphrase), o->header.salt, o->header.log2n, &o->kek);
        if (r < 0)
                return r;
        r = decrypt(v, &file, o);
        if (r != VAULT_OK)
                return r;
        r = check_generation(v, &o->header, accept_rollback);
        if (r != VAULT_OK)
                return r;
        *ret = TAKE_PTR(o);
        return VAULT_OK;
}

int vault_open(struct vault *v, const char *passphrase, bool accept_rollback) {
        struct opened *o;
        int r;

        r = vault_store_lock(v->store, /* create= */ false);
        if (r == -ENOENT)
                return problem(v, VAULT_E_NO_VAULT, r);
        if (r < 0)
                return cannot(v, VAULT_E_CANNOT_READ, r);
        r = read_vault(v, passphrase, accept_rollback, &o);
        if (r != VAULT_OK) {
                unlock_unless_open(v);
                return r;
        }
        vault_store_tidy(v->store);
        enter(v, o);
        return VAULT_OK;
}

void vault_seal(struct vault *v) {
        if (!v->open)
                return;
        v->open = opened_free(v->open);
        vault_store_unlock(v->store);
        tell(v);
}

/* --- writing -------------------------------------------------------------------------------- */

/* Fails with -ESTALE when the file is no longer the one that was opened: a restored backup, say. */
static int check_unchanged(struct vault *v) {
        _cleanup_(buf_clear) struct buf file = BUF_INIT(VAULT_FILE_MAX);
        int r;

        r = vault_store_lock(v->store, /* create= */ true);
        if (r < 0)
                return r;
        r = vault_store_load(v->store, &file);
        if (r < 0 && r != -ENOENT && r != -E2BIG)
                return r;
        if (file.len < VAULT_HEADER_LEN ||
            memcmp(file.data, v->open->header_bytes, VAULT_HEADER_LEN) != 0)
                return -ESTALE;
        return 0;
}

/* Writes @o as the next generation and makes it the open vault. Takes @o, also on failure. */
static int write_vault(struct vault *v, struct opened *o) {
        _cleanup_(opened_freep) struct opened *next = o;
        _cleanup_(buf_clear) struct buf file = BUF_INIT(VAULT_FILE_MAX);
        _cleanup_(secret_freep) struct secret *payload = NULL;
        int r;

        next->header.generation++;
        r = vault_keys_encode(next->keys, &payload);
        if (r == -E2BIG)
                return problem(v, VAULT_E_FULL, r);
        if (r < 0)
                return r;
        r = vault_file_write(&next->header, next->kek, secret_reveal(payload), secret_len(payload),
                             &file);
        if (r < 0)
                return r;
        r = vault_store_save(v->store, file.data, file.len);
        if (r < 0)
                return problem(v, VAULT_E_CANNOT_WRITE, r);
        memcpy(next->header_bytes, file.data, VAULT_HEADER_LEN);
        /* after the vault: a crash in between must not make the good file look rolled back */
        vault_store_note_generation(v->store, next->header.id, next->header.generation);
        enter(v, TAKE_PTR(next));
        return VAULT_OK;
}

/* A copy of the open vault to change and write; what fails leaves the original. */
static int begin_change(struct vault *v, struct opened **ret) {
        _cleanup_(opened_freep) struct opened *o = NULL;
        int r;

        if (!v->open)
                return problem(v, vault_state(v) == VAULT_NONE ? VAULT_E_NO_VAULT : VAULT_E_SEALED,
                               0);
        r = check_unchanged(v);
        if (r < 0)
                return cannot(v, VAULT_E_CANNOT_WRITE, r);
        o = calloc(1, sizeof(*o));
        if (!o)
                return -ENOMEM;
        o->header = v->open->header;
        r = secret_copy(secret_reveal(v->open->kek), secret_len(v->open->kek), &o->kek);
        if (r < 0)
                return r;
        r = vault_keys_copy(v->open->keys, &o->keys);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(o);
        return VAULT_OK;
}

/* A new salt, the present cost, and the KEK that belongs to them. */
static int set_passphrase(struct vault *v, struct opened *o, const char *passphrase) {
        struct secret *kek;
        int r;

        if (RAND_bytes(o->header.salt, sizeof(o->header.salt)) != 1)
                return -EIO;
        o->header.log2n = v->log2n;
        r = kdf_derive(passphrase, strlen(passphrase), o->header.salt, o->header.log2n, &kek);
        if (r < 0)
                return r;
        o->kek = secret_free(o->kek);
        o->kek = kek;
        return 0;
}

static int create_vault(struct vault *v, const char *passphrase) {
        _cleanup_(opened_freep) struct opened *o = calloc(1, sizeof(*o));
        int r;

        if (!o)
                return -ENOMEM;
        if (vault_store_exists(v->store))
                return problem(v, VAULT_E_EXISTS, 0);
        if (RAND_bytes(o->header.id, sizeof(o->header.id)) != 1)
                return -EIO;
        o->header.created_sec = clock_wall_sec();
        r = vault_keys_new(&o->keys);
        if (r < 0)
                return r;
        r = set_passphrase(v, o, passphrase);
        if (r < 0)
                return r;
        return write_vault(v, TAKE_PTR(o));
}

int vault_create(struct vault *v, const char *passphrase) {
        int r;

        if (strlen(passphrase) < VAULT_PASSPHRASE_MIN)
                return problem(v, VAULT_E_WEAK, 0);
        if (v->open || vault_store_exists(v->store))
                return problem(v, VAULT_E_EXISTS, 0);
        r = vault_store_lock(v->store, /* create= */ true);
        if (r < 0)
                return cannot(v, VAULT_E_CANNOT_WRITE, r);
        r = create_vault(v, passphrase); /* looks again: nobody else can make one now */
        unlock_unless_open(v);
        return r;
}

int vault_change_passphrase(struct vault *v, const char *old, const char *new) {
        _cleanup_(opened_freep) struct opened *o = NULL;
        int r;

        if (strlen(new) < VAULT_PASSPHRASE_MIN)
                return problem(v, VAULT_E_WEAK, 0);
        r = vault_open(v, old, /* accept_rollback= */ false);
        if (r != VAULT_OK)
                return r;
        r = begin_change(v, &o);
        if (r != VAULT_OK)
                return r;
        r = set_passphrase(v, o, new);
        if (r < 0)
                return r;
        return write_vault(v, TAKE_PTR(o));
}

int vault_add_key(struct vault *v, const struct signer_key *info, const char *secret_key,
                  bool replace) {
        _cleanup_(opened_freep) struct opened *o = NULL;
        int r;

        r = begin_change(v, &o);
        if (r != VAULT_OK)
                return r;
        if (!replace && vault_keys_get(o->keys, info->name))
                return problem(v, VAULT_E_KEY_EXISTS, 0);
        r = vault_keys_put(o->keys, info, secret_key, strlen(secret_key), clock_wall_sec());
        if (r == -ENOSPC)
                return problem(v, VAULT_E_FULL, r);
        if (r < 0)
                return r;
        return write_vault(v, TAKE_PTR(o));
}

int vault_set_key_info(struct vault *v, const char *name, const char *mfa_serial,
                       const char *user_arn) {
        _cleanup_(opened_freep) struct opened *o = NULL;
        struct vault_key *key;
        int r;

        r = begin_change(v, &o);
        if (r != VAULT_OK)
                return r;
        key = vault_keys_find(o->keys, name);
        if (!key)
                return problem(v, VAULT_E_UNKNOWN_KEY, 0);
        if (mfa_serial)
                (void)stpncpy(key->info.mfa_serial, mfa_serial, MFA_SERIAL_MAX);
        if (user_arn)
                (void)stpncpy(key->info.user_arn, user_arn, USER_ARN_MAX);
        return write_vault(v, TAKE_PTR(o));
}

int vault_remove_key(struct vault *v, const char *name) {
        _cleanup_(opened_freep) struct opened *o = NULL;
        int r;

        r = begin_change(v, &o);
        if (r != VAULT_OK)
                return r;
        if (vault_keys_remove(o->keys, name) < 0)
                return problem(v, VAULT_E_UNKNOWN_KEY, 0);
        return write_vault(v, TAKE_PTR(o));
}
