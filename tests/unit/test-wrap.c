/* test-wrap.c - what mfad-signer wraps comes back from the same vault in the same boot, and from nothing else. */
#include "common/boot_id.h"
#include "common/secret.h"
#include "daemon/signer/vault_file.h"
#include "daemon/signer/wrap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static const uint8_t blob_key[SIGNER_BLOB_KEY_LEN] = "thirty-two bytes of a random key";
static const uint8_t id[VAULT_ID_LEN] = "id of this vault",
                     other_id[VAULT_ID_LEN] = "id of this vaulT";
static const char boot[] = "01234567-89ab-cdef-0123-456789abcdef",
                  other_boot[] = "01234567-89ab-cdef-0123-456789abcdeF";
static struct secret *kek, *other_kek;
static uint8_t wrapped[SIGNER_WRAPPED_LEN];

static struct wrap here(void) {
        return (struct wrap){.kek = kek, .vault_id = id, .boot_id = boot};
}

static int set_up(void **state _unused_) {
        struct wrap w;

        if (secret_arena_open() < 0 ||
            secret_copy("0123456789abcdef0123456789abcdef", VAULT_KEK_LEN, &kek) < 0 ||
            secret_copy("0123456789abcdef0123456789abcdeF", VAULT_KEK_LEN, &other_kek) < 0)
                return -1;
        w = here();
        return wrap_seal(&w, blob_key, wrapped);
}

static int tear_down(void **state _unused_) {
        kek = secret_free(kek);
        other_kek = secret_free(other_kek);
        return 0;
}

static void check(const struct wrap *w, const uint8_t *bytes, int expected) {
        _cleanup_(secret_freep) struct secret *back = NULL;

        assert_int_equal(wrap_open(w, bytes, &back), expected);
        if (expected == 0) {
                assert_int_equal(secret_len(back), sizeof(blob_key));
                assert_memory_equal(secret_reveal(back), blob_key, sizeof(blob_key));
        } else {
                assert_null(back);
        }
}

static void test_comes_back(void **state _unused_) {
        struct wrap w = here();

        check(&w, wrapped, 0);
        assert_null(memmem(wrapped, sizeof(wrapped), blob_key, 4));
}

static void test_each_time_another(void **state _unused_) {
        uint8_t again[SIGNER_WRAPPED_LEN];
        struct wrap w = here();

        assert_int_equal(wrap_seal(&w, blob_key, again), 0);
        assert_memory_not_equal(again, wrapped, 12); /* the nonce */
        assert_memory_not_equal(again + 12, wrapped + 12, 32);
        check(&w, again, 0);
}

static void test_elsewhere(void **state _unused_) {
        const struct wrap others[] = {
                {.kek = other_kek, .vault_id = id, .boot_id = boot}, /* another passphrase */
                {.kek = kek, .vault_id = other_id, .boot_id = boot},
                {.kek = kek, .vault_id = id, .boot_id = other_boot},
        };

        assert_int_equal(strlen(boot), BOOT_ID_LEN);
        for (size_t i = 0; i < ELEMENTSOF(others); i++)
                check(&others[i], wrapped, -EBADMSG);
}

static void test_every_bit_counts(void **state _unused_) {
        struct wrap w = here();

        for (size_t i = 0; i < 8 * sizeof(wrapped); i++) {
                uint8_t changed[SIGNER_WRAPPED_LEN];

                memcpy(changed, wrapped, sizeof(changed));
                changed[i / 8] ^= (uint8_t)(1 << i % 8);
                check(&w, changed, -EBADMSG);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_comes_back),
                cmocka_unit_test(test_each_time_another),
                cmocka_unit_test(test_elsewhere),
                cmocka_unit_test(test_every_bit_counts),
        };

        return cmocka_run_group_tests(tests, set_up, tear_down);
}
