/* The vault's life on disk: made, opened, changed, sealed; and all that may have happened to the file. */
#include "common/buf.h"
#include "common/fs.h"
#include "common/secret.h"
#include "daemon/signer/vault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#define LOG2N      15 /* the cheapest that is legal: 0.2 s */
#define PASSPHRASE "correct horse"
#define AT_LOG2N   14
#define AT_SALT    64

static struct signer_key key_named(const char *name) {
        struct signer_key k = {.access_key_id = "AKIDEXAMPLE"};

        snprintf(k.name, sizeof(k.name), "%s", name);
        return k;
}

struct place {
        char dir[64];
        char file[128];
        struct vault *vault;
};

static int set_up(void **state) {
        struct place *p = calloc(1, sizeof(*p));

        strcpy(p->dir, "/tmp/test-vault-XXXXXX");
        if (!mkdtemp(p->dir) || fs_join(p->file, sizeof(p->file), p->dir, "vault") < 0 ||
            vault_new(p->dir, LOG2N, &p->vault) < 0)
                return -1;
        *state = p;
        return 0;
}

static int tear_down(void **state) {
        static const char *const names[] = {"vault",      "vault.old",     "vault.new", "vault.gen",
                                            "vault.lock", "vault.gen.new", "backup"};
        struct place *p = *state;
        char path[128];

        p->vault = vault_free(p->vault);
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (fs_join(path, sizeof(path), p->dir, names[i]) == 0)
                        (void)unlink(path);
        if (rmdir(p->dir) < 0)
                return -1; /* a file that nobody told us of */
        free(p);
        return 0;
}

static void read_whole(const struct place *p, const char *name, struct buf *ret) {
        char path[128];

        assert_int_equal(fs_join(path, sizeof(path), p->dir, name), 0);
        *ret = BUF_INIT(VAULT_FILE_MAX);
        assert_int_equal(fs_read_file(path, ret), 0);
}

static void overwrite(const struct place *p, const struct buf *b) {
        int fd = open(p->file, O_WRONLY | O_CREAT | O_TRUNC, 0600);

        assert_true(fd >= 0);
        assert_int_equal(fs_write_all(fd, b->data, b->len), 0);
        (void)close(fd);
}

static bool has(const struct place *p, const char *name) {
        char path[128];

        return fs_join(path, sizeof(path), p->dir, name) == 0 && access(path, F_OK) == 0;
}

static unsigned n_changes;
static void count_change(void *userdata _unused_) {
        n_changes++;
}

static void test_life(void **state) {
        struct place *p = *state;
        struct signer_key info = key_named("default");
        struct vault *v = p->vault;

        n_changes = 0;
        vault_watch(v, count_change, NULL);
        assert_int_equal(vault_state(v), VAULT_NONE);
        assert_int_equal(vault_open(v, PASSPHRASE, false), VAULT_E_NO_VAULT);
        assert_int_equal(vault_add_key(v, &info, "s", false), VAULT_E_NO_VAULT);
        assert_int_equal(vault_create(v, ""), VAULT_E_WEAK);
        assert_int_equal(vault_create(v, "7 bytes"), VAULT_E_WEAK);
        assert_int_equal(n_changes, 0);
        assert_int_equal(vault_create(v, PASSPHRASE), VAULT_OK);
        assert_int_equal(vault_create(v, PASSPHRASE), VAULT_E_EXISTS);
        assert_int_equal(vault_state(v), VAULT_OPEN);
        assert_int_equal(vault_add_key(v, &info, "s", false), VAULT_OK);
        assert_int_equal(vault_add_key(v, &info, "s", false), VAULT_E_KEY_EXISTS);
        assert_int_equal(vault_add_key(v, &info, "other", true), VAULT_OK);
        assert_int_equal(vault_set_key_info(v, "default", "GAHT12345678", NULL), VAULT_OK);
        assert_int_equal(vault_set_key_info(v, "default", NULL, "arn"), VAULT_OK);
        assert_int_equal(vault_remove_key(v, "nobody"), VAULT_E_UNKNOWN_KEY);
        assert_int_equal(vault_generation(v), 5);
        assert_int_equal(n_changes, 5);
        vault_seal(v);
        assert_int_equal(n_changes, 6);
        assert_int_equal(vault_state(v), VAULT_SEALED);
        assert_null(vault_keys(v));
        assert_int_equal(vault_remove_key(v, "default"), VAULT_E_SEALED);
        assert_int_equal(vault_open(v, "wrong passphrase", false), VAULT_E_CANNOT_OPEN);
        assert_int_equal(vault_state(v), VAULT_SEALED);
        assert_true(has(p, "vault.old"));
        assert_int_equal(vault_open(v, PASSPHRASE, false), VAULT_OK);
        assert_false(has(p, "vault.old"));
        assert_string_equal(secret_reveal(vault_keys(v)->keys[0].secret_key), "other");
        assert_string_equal(vault_keys(v)->keys[0].info.mfa_serial, "GAHT12345678");
        assert_string_equal(vault_keys(v)->keys[0].info.user_arn, "arn");
        /* a wrong passphrase does not seal what is open */
        assert_int_equal(vault_open(v, "wrong passphrase", false), VAULT_E_CANNOT_OPEN);
        assert_int_equal(vault_state(v), VAULT_OPEN);
}

static void test_passphrase_change(void **state) {
        _cleanup_(buf_clear) struct buf before = {0}, after = {0};
        struct place *p = *state;
        struct vault *v = p->vault;

        assert_int_equal(vault_create(v, PASSPHRASE), VAULT_OK);
        read_whole(p, "vault", &before);
        assert_int_equal(vault_change_passphrase(v, "wrong passphrase", "new passphrase"),
                         VAULT_E_CANNOT_OPEN);
        assert_int_equal(vault_change_passphrase(v, PASSPHRASE, "short"), VAULT_E_WEAK);
        assert_int_equal(vault_change_passphrase(v, PASSPHRASE, "new passphrase"), VAULT_OK);
        read_whole(p, "vault", &after);
        assert_memory_not_equal(before.data + AT_SALT, after.data + AT_SALT, KDF_SALT_LEN);
        vault_seal(v);
        assert_int_equal(vault_open(v, PASSPHRASE, false), VAULT_E_CANNOT_OPEN);
        assert_int_equal(vault_open(v, "new passphrase", false), VAULT_OK);
}

/* What was wrapped under an earlier passphrase can be opened until the vault is sealed. */
static void test_former_keks(void **state) {
        struct secret *keks[VAULT_FORMER_KEKS + 2] = {0};
        char passphrase[32] = PASSPHRASE, next[32];
        struct signer_key info = key_named("default");
        struct place *p = *state;
        struct vault *v = p->vault;

        assert_null(vault_former_keks(v));
        assert_int_equal(vault_create(v, passphrase), VAULT_OK);
        for (size_t i = 0; i < ELEMENTSOF(keks); i++) {
                const struct secret *const *former = vault_former_keks(v);
                size_t n = i < VAULT_FORMER_KEKS ? i : VAULT_FORMER_KEKS;

                for (size_t k = 0; k < n; k++) {
                        assert_non_null(former[k]);
                        assert_memory_equal(secret_reveal(former[k]),
                                            secret_reveal(keks[i - 1 - k]), VAULT_KEK_LEN);
                }
                assert_null(former[n]);
                assert_int_equal(secret_copy(secret_reveal(vault_kek(v)), VAULT_KEK_LEN, &keks[i]),
                                 0);
                assert_int_equal(vault_add_key(v, &info, "s", true), VAULT_OK); /* same KEK */
                (void)snprintf(next, sizeof(next), "passphrase %zu", i);
                assert_int_equal(vault_change_passphrase(v, passphrase, next), VAULT_OK);
                strcpy(passphrase, next);
        }
        vault_seal(v);
        assert_null(vault_former_keks(v));
        assert_int_equal(vault_open(v, passphrase, false), VAULT_OK);
        assert_null(*vault_former_keks(v));
        for (size_t i = 0; i < ELEMENTSOF(keks); i++)
                keks[i] = secret_free(keks[i]);
}

static void test_rollback(void **state) {
        _cleanup_(buf_clear) struct buf old = {0};
        struct place *p = *state;
        struct signer_key info = key_named("default");
        struct vault *v = p->vault;

        assert_int_equal(vault_create(v, PASSPHRASE), VAULT_OK);
        read_whole(p, "vault", &old);
        assert_int_equal(vault_add_key(v, &info, "s", false), VAULT_OK);
        /* while open: not overwritten */
        overwrite(p, &old);
        assert_int_equal(vault_remove_key(v, "default"), VAULT_E_CANNOT_WRITE);
        assert_int_equal(vault_problem(v)->error, -ESTALE);
        vault_seal(v);
        assert_int_equal(vault_open(v, PASSPHRASE, false), VAULT_E_ROLLBACK);
        assert_int_equal(vault_problem(v)->generation, 1);
        assert_int_equal(vault_problem(v)->expected, 2);
        assert_int_equal(vault_open(v, PASSPHRASE, true), VAULT_OK);
        vault_seal(v);
        assert_int_equal(vault_open(v, PASSPHRASE, false), VAULT_OK);
}

static void test_generation_note_behind(void **state) {
        _cleanup_(buf_clear) struct buf newer = {0};
        struct place *p = *state;
        struct vault *v = p->vault;
        char path[128];

        /* a crash between the vault's rename and the note: the vault is newer, which is fine */
        assert_int_equal(vault_create(v, PASSPHRASE), VAULT_OK);
        assert_int_equal(fs_join(path, sizeof(path), p->dir, "vault.gen"), 0);
        assert_int_equal(unlink(path), 0);
        vault_seal(v);
        assert_int_equal(vault_open(v, PASSPHRASE, false), VAULT_OK);
        read_whole(p, "vault.gen", &newer);
        assert_string_equal(newer.data + 32, " 1\n");
}

static void test_crash_between_link_and_rename(void **state) {
        struct place *p = *state;
        struct vault *v = p->vault;
        char path[128];

        assert_int_equal(vault_create(v, PASSPHRASE), VAULT_OK);
        vault_seal(v);
        assert_int_equal(fs_join(path, sizeof(path), p->dir, "vault.old"), 0);
        (void)unlink(path);
        assert_int_equal(link(p->file, path), 0);
        assert_int_equal(vault_open(v, PASSPHRASE, false), VAULT_OK);
        assert_false(has(p, "vault.old"));
        vault_seal(v);
        /* but a link elsewhere is somebody else's hand on the file */
        assert_int_equal(fs_join(path, sizeof(path), p->dir, "backup"), 0);
        assert_int_equal(link(p->file, path), 0);
        assert_int_equal(vault_open(v, PASSPHRASE, false), VAULT_E_UNSAFE);
}

static void test_unsafe_modes(void **state) {
        struct place *p = *state;
        struct vault *v = p->vault;

        assert_int_equal(chmod(p->dir, 0755), 0);
        assert_int_equal(vault_create(v, PASSPHRASE), VAULT_E_UNSAFE);
        assert_int_equal(chmod(p->dir, 0700), 0);
        assert_int_equal(vault_create(v, PASSPHRASE), VAULT_OK);
        vault_seal(v);
        assert_int_equal(chmod(p->dir, 0750), 0);
        assert_int_equal(vault_open(v, PASSPHRASE, false), VAULT_E_UNSAFE);
        assert_int_equal(chmod(p->dir, 0700), 0);
        assert_int_equal(chmod(p->file, 0640), 0);
        assert_int_equal(vault_open(v, PASSPHRASE, false), VAULT_E_UNSAFE);
        assert_int_equal(chmod(p->file, 0600), 0);
        assert_int_equal(vault_open(v, PASSPHRASE, false), VAULT_OK);
}

static void test_damaged_file(void **state) {
        _cleanup_(buf_clear) struct buf good = {0};
        struct buf bad;
        struct place *p = *state;
        struct vault *v = p->vault;
        char byte;

        assert_int_equal(vault_create(v, PASSPHRASE), VAULT_OK);
        vault_seal(v);
        read_whole(p, "vault", &good);
        bad = good;
        bad.len = 100;
        overwrite(p, &bad);
        assert_int_equal(vault_open(v, PASSPHRASE, false), VAULT_E_BAD_FILE);
        assert_int_equal(vault_problem(v)->file, VAULT_FILE_WRONG_SIZE);
        byte = good.data[AT_LOG2N];
        good.data[AT_LOG2N] = 30;
        overwrite(p, &good);
        assert_int_equal(vault_open(v, PASSPHRASE, false), VAULT_E_BAD_FILE);
        assert_int_equal(vault_problem(v)->file, VAULT_FILE_OUT_OF_BOUNDS);
        good.data[AT_LOG2N] = (char)(byte + 1); /* scrypt runs, and gives another key */
        overwrite(p, &good);
        assert_int_equal(vault_open(v, PASSPHRASE, false), VAULT_E_CANNOT_OPEN);
        good.data[AT_LOG2N] = byte;
        good.data[good.len - 1] ^= 1;
        overwrite(p, &good);
        assert_int_equal(vault_open(v, PASSPHRASE, false), VAULT_E_CANNOT_OPEN);
        good.data[good.len - 1] ^= 1;
        overwrite(p, &good);
        assert_int_equal(vault_open(v, PASSPHRASE, false), VAULT_OK);
}

static void test_lock(void **state) {
        _cleanup_(vault_freep) struct vault *other = NULL;
        struct place *p = *state;

        assert_int_equal(vault_new(p->dir, LOG2N, &other), 0);
        assert_int_equal(vault_create(p->vault, PASSPHRASE), VAULT_OK);
        assert_int_equal(vault_open(other, PASSPHRASE, false), VAULT_E_BUSY);
        vault_seal(p->vault);
        assert_int_equal(vault_open(other, PASSPHRASE, false), VAULT_OK);
        assert_int_equal(vault_open(p->vault, PASSPHRASE, false), VAULT_E_BUSY);
}

/* Files that tests/vectors/make_vault.py has written from the documentation alone. */
static void test_vectors(void **state) {
        static const struct {
                const char *name;
                size_t n_keys;
        } cases[] = {{"v1-empty", 0}, {"v1-two-keys", 2}};
        struct place *p = *state;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(buf_clear) struct buf b = BUF_INIT(VAULT_FILE_MAX);
                const struct vault_keys *keys;
                char path[PATH_LEN_MAX];

                assert_int_equal(fs_join(path, sizeof(path), SOURCE_ROOT "/tests/vectors/vault",
                                         cases[i].name),
                                 0);
                assert_int_equal(fs_read_file(path, &b), 0);
                overwrite(p, &b);
                assert_int_equal(vault_open(p->vault, "vector passphrase", false), VAULT_OK);
                assert_int_equal(vault_generation(p->vault), 7);
                keys = vault_keys(p->vault);
                assert_int_equal(keys->n, cases[i].n_keys);
                if (keys->n == 0)
                        continue;
                assert_string_equal(keys->keys[0].info.mfa_serial,
                                    "arn:aws:iam::123456789012:mfa/alice");
                assert_string_equal(keys->keys[1].info.name, "work@example");
                assert_string_equal(secret_reveal(keys->keys[1].secret_key),
                                    "vector/secret+key/two");
                assert_int_equal(keys->keys[1].created_sec, 1795305601);
        }
}

#define ON_DISK(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                ON_DISK(test_life),
                ON_DISK(test_passphrase_change),
                ON_DISK(test_former_keks),
                ON_DISK(test_rollback),
                ON_DISK(test_generation_note_behind),
                ON_DISK(test_crash_between_link_and_rename),
                ON_DISK(test_unsafe_modes),
                ON_DISK(test_damaged_file),
                ON_DISK(test_lock),
                ON_DISK(test_vectors),
        };

        (void)umask(0077);
        assert_int_equal(secret_arena_open(), 0);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
