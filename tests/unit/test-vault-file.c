/* The vault's bytes: the key of a passphrase, the file, the list of keys in it. */
#include "common/buf.h"
#include "common/encode.h"
#include "common/secret.h"
#include "daemon/signer/kdf.h"
#include "daemon/signer/vault_file.h"
#include "daemon/signer/vault_keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define LOG2N          15 /* the cheapest that is legal: 0.2 s */
#define AT_LOG2N       14
#define AT_PAYLOAD_LEN 156
#define OVERHEAD       188

static const struct vault_header header = {.log2n = LOG2N,
                                           .generation = 3,
                                           .id = "sixteen bytes...",
                                           .created_sec = 1795305600,
                                           .salt = "salt"};

static struct secret *some_kek(char c) {
        char bytes[VAULT_KEK_LEN];
        struct secret *kek;

        memset(bytes, c, sizeof(bytes));
        assert_int_equal(secret_copy(bytes, sizeof(bytes), &kek), 0);
        return kek;
}

static void write_file(const struct secret *kek, char fill, struct buf *ret) {
        char payload[VAULT_PAD_LEN];

        memset(payload, fill, sizeof(payload));
        *ret = BUF_INIT(VAULT_FILE_MAX);
        assert_int_equal(vault_file_write(&header, kek, payload, sizeof(payload), ret), 0);
}

/* What a reader makes of it: > 0 for a refused header, -EBADMSG for refused contents. */
static int read_file(const void *bytes, size_t len, const struct secret *kek) {
        _cleanup_(secret_freep) struct secret *payload = NULL;
        struct vault_header h;
        int r;

        r = vault_file_header(bytes, len, &h);
        return r != VAULT_FILE_OK ? r : vault_file_open(bytes, len, kek, &payload);
}

static void test_kdf(void **state _unused_) {
        /* hashlib.scrypt(b"correct horse battery staple", salt=b"mfad/vault/v1/kek" + bytes(range(32)),
         * n=2**15, r=8, p=1, dklen=32) */
        static const char expected[] =
                "71477419c95896bf54fa15c3266c783e1a47088ba4cb91e18cbc9e83ab5fffe6";
        static const char passphrase[] = "correct horse battery staple";
        _cleanup_(secret_freep) struct secret *key = NULL;
        uint8_t salt[KDF_SALT_LEN];
        char hex[2 * KDF_KEY_LEN + 1];

        for (size_t i = 0; i < sizeof(salt); i++)
                salt[i] = (uint8_t)i;
        assert_int_equal(kdf_derive(passphrase, strlen(passphrase), salt, 15, &key), 0);
        encode_hex(secret_reveal(key), KDF_KEY_LEN, hex);
        assert_string_equal(hex, expected);
        assert_int_equal(kdf_derive(passphrase, strlen(passphrase), salt, 14, &key), -EINVAL);
        assert_int_equal(kdf_derive(passphrase, strlen(passphrase), salt, 30, &key), -EINVAL);
}

static void test_file_round_trip(void **state _unused_) {
        _cleanup_(secret_freep) struct secret *kek = some_kek('k'), *other = some_kek('o');
        _cleanup_(secret_freep) struct secret *payload = NULL;
        _cleanup_(buf_clear) struct buf file = {0};
        struct vault_header h;

        write_file(kek, 'p', &file);
        assert_int_equal(file.len, OVERHEAD + VAULT_PAD_LEN);
        assert_int_equal(vault_file_header(file.data, file.len, &h), VAULT_FILE_OK);
        assert_int_equal(h.log2n, header.log2n);
        assert_int_equal(h.generation, header.generation);
        assert_int_equal(h.created_sec, header.created_sec);
        assert_memory_equal(h.id, header.id, sizeof(h.id));
        assert_memory_equal(h.salt, header.salt, sizeof(h.salt));
        assert_int_equal(vault_file_open(file.data, file.len, kek, &payload), 0);
        assert_int_equal(secret_len(payload), VAULT_PAD_LEN);
        for (size_t i = 0; i < VAULT_PAD_LEN; i++)
                assert_int_equal(secret_reveal(payload)[i], 'p');
        assert_int_equal(read_file(file.data, file.len, other), -EBADMSG);
}

static void test_no_bit_may_flip(void **state _unused_) {
        _cleanup_(secret_freep) struct secret *kek = some_kek('k');
        _cleanup_(buf_clear) struct buf file = {0};

        write_file(kek, 'p', &file);
        for (size_t bit = 0; bit < file.len * 8; bit++) {
                int r;

                file.data[bit / 8] ^= (char)(1 << bit % 8);
                r = read_file(file.data, file.len, kek);
                if (r <= 0 && r != -EBADMSG)
                        fail_msg("bit %zu flipped: %d", bit, r);
                file.data[bit / 8] ^= (char)(1 << bit % 8);
        }
        assert_int_equal(read_file(file.data, file.len, kek), 0);
}

static void test_no_other_length(void **state _unused_) {
        _cleanup_(secret_freep) struct secret *kek = some_kek('k');
        _cleanup_(buf_clear) struct buf file = {0};
        char longer[OVERHEAD + 3 * VAULT_PAD_LEN] = {0};
        struct vault_header h;

        write_file(kek, 'p', &file);
        for (size_t len = 0; len < file.len; len++) {
                _cleanup_(freep) char *exact = malloc(len > 0 ? len : 1); /* for the sanitizers */

                memcpy(exact, file.data, len);
                assert_int_not_equal(vault_file_header(exact, len, &h), VAULT_FILE_OK);
        }
        memcpy(longer, file.data, file.len);
        for (size_t len = file.len + 1; len <= sizeof(longer); len++) {
                assert_int_equal(vault_file_header(longer, len, &h), VAULT_FILE_WRONG_SIZE);
                /* nor when the length field agrees */
                longer[AT_PAYLOAD_LEN] = (char)((len - OVERHEAD) & 0xff);
                longer[AT_PAYLOAD_LEN + 1] = (char)((len - OVERHEAD) >> 8);
                assert_int_not_equal(read_file(longer, len, kek), 0);
                memcpy(longer + AT_PAYLOAD_LEN, file.data + AT_PAYLOAD_LEN, 4);
        }
}

static void test_bounds(void **state _unused_) {
        static const struct {
                size_t at;
                uint8_t value;
                enum vault_file_result result;
        } cases[] = {
                {0, 'm', VAULT_FILE_ALIEN},
                {7, 2, VAULT_FILE_ALIEN},
                {8, 2, VAULT_FILE_NEWER},
                {9, 1, VAULT_FILE_NEWER},
                {10, 161, VAULT_FILE_OUT_OF_BOUNDS},
                {12, 2, VAULT_FILE_NEWER},
                {13, 2, VAULT_FILE_NEWER},
                {13, 0, VAULT_FILE_NEWER},
                {AT_LOG2N, 0, VAULT_FILE_OUT_OF_BOUNDS},
                {AT_LOG2N, 14, VAULT_FILE_OUT_OF_BOUNDS},
                {AT_LOG2N, 15, VAULT_FILE_OK},
                {AT_LOG2N, 20, VAULT_FILE_OK},
                {AT_LOG2N, 21, VAULT_FILE_OUT_OF_BOUNDS},
                {AT_LOG2N, 30, VAULT_FILE_OUT_OF_BOUNDS},
                {AT_LOG2N, 255, VAULT_FILE_OUT_OF_BOUNDS},
                {15, 1, VAULT_FILE_OUT_OF_BOUNDS},
                {16, 9, VAULT_FILE_OUT_OF_BOUNDS},
                {19, 1, VAULT_FILE_OUT_OF_BOUNDS},
                {20, 2, VAULT_FILE_OUT_OF_BOUNDS},
                {20, 0, VAULT_FILE_OUT_OF_BOUNDS},
                {56, 1, VAULT_FILE_OUT_OF_BOUNDS},
                {63, 1, VAULT_FILE_OUT_OF_BOUNDS},
                {AT_PAYLOAD_LEN, 1, VAULT_FILE_WRONG_SIZE},
                {AT_PAYLOAD_LEN + 1, 0, VAULT_FILE_WRONG_SIZE},
                {AT_PAYLOAD_LEN + 3, 0xff, VAULT_FILE_WRONG_SIZE},
        };
        _cleanup_(secret_freep) struct secret *kek = some_kek('k');
        _cleanup_(buf_clear) struct buf file = {0};
        struct vault_header h;

        write_file(kek, 'p', &file);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char saved = file.data[cases[i].at];

                print_message("byte %zu = %u\n", cases[i].at, cases[i].value);
                file.data[cases[i].at] = (char)cases[i].value;
                assert_int_equal(vault_file_header(file.data, file.len, &h), cases[i].result);
                file.data[cases[i].at] = saved;
        }
}

/* Parts of two good files under the same passphrase make no third. */
static void test_swapped_parts(void **state _unused_) {
        static const struct {
                size_t from, to;
        } parts[] = {{160, 444}, {96, 156}, {24, 32}, {96, 160}, {32, 64}, {172, 444}, {428, 444}};
        _cleanup_(secret_freep) struct secret *kek = some_kek('k');
        _cleanup_(buf_clear) struct buf a = {0}, b = {0};
        struct vault_header newer = header;
        char payload[VAULT_PAD_LEN] = "other", saved[444];

        newer.generation++;
        newer.id[0]++;
        write_file(kek, 'p', &a);
        b = BUF_INIT(VAULT_FILE_MAX);
        assert_int_equal(vault_file_write(&newer, kek, payload, sizeof(payload), &b), 0);
        assert_int_equal(a.len, sizeof(saved));
        memcpy(saved, a.data, sizeof(saved));
        for (size_t i = 0; i < ELEMENTSOF(parts); i++) {
                memcpy(a.data + parts[i].from, b.data + parts[i].from, parts[i].to - parts[i].from);
                assert_int_equal(read_file(a.data, a.len, kek), -EBADMSG);
                memcpy(a.data, saved, sizeof(saved));
        }
        assert_int_equal(read_file(a.data, a.len, kek), 0);
}

/* --- keys --- */

static struct signer_key key_named(const char *name) {
        struct signer_key k = {.access_key_id = "AKIDEXAMPLE"};

        snprintf(k.name, sizeof(k.name), "%s", name);
        return k;
}

static void put(struct vault_keys *k, const char *name, const char *secret_key) {
        struct signer_key info = key_named(name);

        assert_int_equal(vault_keys_put(k, &info, secret_key, strlen(secret_key), 5), 0);
}

static void test_keys_round_trip(void **state _unused_) {
        _cleanup_(vault_keys_freep) struct vault_keys *k = NULL, *back = NULL;
        _cleanup_(secret_freep) struct secret *payload = NULL;
        struct signer_key extra = key_named("one-more");
        char name[16];

        assert_int_equal(vault_keys_new(&k), 0);
        for (int i = 0; i < SIGNER_KEYS_MAX; i++) {
                snprintf(name, sizeof(name), "key%d", i);
                put(k, name, "secret");
        }
        assert_int_equal(vault_keys_put(k, &extra, "s", 1, 0), -ENOSPC);
        put(k, "key7", "another");
        strcpy(vault_keys_find(k, "key7")->info.mfa_serial, "GAHT12345678");
        strcpy(vault_keys_find(k, "key7")->info.user_arn, "arn:aws:iam::123456789012:user/x");
        assert_int_equal(k->n, SIGNER_KEYS_MAX);
        assert_int_equal(vault_keys_encode(k, &payload), 0);
        assert_int_equal(secret_len(payload) % VAULT_PAD_LEN, 0);
        assert_int_equal(vault_keys_decode(secret_reveal(payload), secret_len(payload), &back), 0);
        assert_int_equal(back->n, k->n);
        for (size_t i = 0; i < k->n; i++) {
                assert_memory_equal(&back->keys[i].info, &k->keys[i].info,
                                    sizeof(struct signer_key));
                assert_string_equal(secret_reveal(back->keys[i].secret_key),
                                    secret_reveal(k->keys[i].secret_key));
                assert_int_equal(back->keys[i].created_sec, 5);
        }
        assert_int_equal(vault_keys_remove(back, "key0"), 0);
        assert_int_equal(vault_keys_remove(back, "key31"), 0);
        assert_int_equal(vault_keys_remove(back, "key31"), -ENOENT);
        assert_int_equal(back->n, SIGNER_KEYS_MAX - 2);
        assert_string_equal(back->keys[0].info.name, "key1");
        assert_null(vault_keys_get(back, "key0"));
}

static void test_keys_too_much(void **state _unused_) {
        _cleanup_(vault_keys_freep) struct vault_keys *k = NULL;
        _cleanup_(secret_freep) struct secret *payload = NULL;
        char name[16];

        assert_int_equal(vault_keys_new(&k), 0);
        for (int i = 0; i < 20; i++) {
                snprintf(name, sizeof(name), "key%d", i);
                put(k, name, "secret");
                memset(k->keys[i].info.user_arn, 'a', USER_ARN_MAX);
        }
        assert_int_equal(vault_keys_encode(k, &payload), -E2BIG);
        assert_null(payload);
}

static void test_keys_refused(void **state _unused_) {
        /* one legal key, and what becomes of it */
        static const char legal[] = "\1\1\0\0\0n\2\4\0\0\0AKID\3\1\0\0\0s\4\0\0\0\0\5\0\0\0\0"
                                    "\6\10\0\0\0\5\0\0\0\0\0\0\0";
        static const struct {
                size_t at;
                char value;
        } cases[] = {
                {0, 2},    /* no name */
                {0, 9},    /* unknown tag */
                {1, 0},    /* empty name */
                {2, 1},    /* name beyond its maximum */
                {5, '-'},  /* name of a wrong alphabet */
                {5, 0},    /* NUL in a name */
                {6, 3},    /* tag out of order */
                {11, ' '}, /* access key id of a wrong alphabet */
                {16, 0},   /* empty secret */
                {20, 0},   /* NUL in the secret */
                {22, 1},   /* serial too short, and all behind it shifted */
                {32, 9},   /* created of another length */
                {44, 7},   /* unknown tag in place of the end */
                {45, 1},   /* padding that is not zero */
                {255, 1},  /* the same at its end */
        };
        _cleanup_(vault_keys_freep) struct vault_keys *k = NULL;
        char payload[2 * VAULT_PAD_LEN] = {0};

        memcpy(payload, legal, sizeof(legal) - 1);
        assert_int_equal(vault_keys_decode(payload, VAULT_PAD_LEN, &k), 0);
        assert_int_equal(k->n, 1);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char saved = payload[cases[i].at];

                print_message("byte %zu = %d\n", cases[i].at, cases[i].value);
                payload[cases[i].at] = cases[i].value;
                assert_int_equal(vault_keys_decode(payload, VAULT_PAD_LEN, &k), -EBADMSG);
                payload[cases[i].at] = saved;
        }
        assert_int_equal(vault_keys_decode(payload, 0, &k), -EBADMSG);
        assert_int_equal(vault_keys_decode(payload, VAULT_PAD_LEN - 1, &k), -EBADMSG);
        assert_int_equal(vault_keys_decode(payload, 2 * VAULT_PAD_LEN, &k), -EBADMSG);
        /* the same name twice */
        memcpy(payload + sizeof(legal) - 1, legal, sizeof(legal) - 1);
        assert_int_equal(vault_keys_decode(payload, VAULT_PAD_LEN, &k), -EBADMSG);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_kdf),
                cmocka_unit_test(test_file_round_trip),
                cmocka_unit_test(test_no_bit_may_flip),
                cmocka_unit_test(test_no_other_length),
                cmocka_unit_test(test_bounds),
                cmocka_unit_test(test_swapped_parts),
                cmocka_unit_test(test_keys_round_trip),
                cmocka_unit_test(test_keys_too_much),
                cmocka_unit_test(test_keys_refused),
        };

        assert_int_equal(secret_arena_open(), 0);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
