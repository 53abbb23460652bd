/* fuzz-vault.c - any bytes as a vault: only what we would have written ourselves is accepted.
 * Owns:  a key-encryption key (scrypt would slow the search down) and one good file.
 * Calls: daemon/signer/vault_file.h, vault_keys.h.
 * Limit: the first byte says what follows: a file, a decrypted payload, or changes to the good file. */
#include "common/buf.h"
#include "common/secret.h"
#include "daemon/signer/vault_file.h"
#include "daemon/signer/vault_keys.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct secret *kek;
static struct buf good_file;

static void set_up(void) {
        static const struct vault_header header = {.log2n = 17, .generation = 9, .id = "id"};
        char key[VAULT_KEK_LEN] = "0123456789abcdef0123456789abcde", payload[VAULT_PAD_LEN] = {0};

        if (kek)
                return;
        if (secret_arena_open() < 0 || secret_copy(key, sizeof(key), &kek) < 0)
                abort();
        good_file = BUF_INIT(VAULT_FILE_MAX);
        if (vault_file_write(&header, kek, payload, sizeof(payload), &good_file) < 0)
                abort();
}

static int open_file(const uint8_t *data, size_t size) {
        _cleanup_(secret_freep) struct secret *payload = NULL;
        struct vault_header h;
        int r;

        r = vault_file_header(data, size, &h);
        return r != VAULT_FILE_OK ? r : vault_file_open(data, size, kek, &payload);
}

/* Nobody who lacks the key makes a file that opens. */
static void try_file(const uint8_t *data, size_t size) {
        if (open_file(data, size) == 0)
                abort();
}

static void try_payload(const uint8_t *data, size_t size) {
        _cleanup_(vault_keys_freep) struct vault_keys *keys = NULL;
        _cleanup_(secret_freep) struct secret *again = NULL;

        if (size > VAULT_PAYLOAD_MAX || vault_keys_decode(data, size, &keys) < 0)
                return;
        if (vault_keys_encode(keys, &again) < 0 || secret_len(again) != size ||
            memcmp(secret_reveal(again), data, size) != 0)
                abort();
}

/* Three bytes a change: where, and what is flipped there. */
static void try_changes(const uint8_t *data, size_t size) {
        uint8_t changed[512];
        bool is_same;

        memcpy(changed, good_file.data, good_file.len);
        for (; size >= 3; data += 3, size -= 3)
                changed[(data[0] | data[1] << 8) % good_file.len] ^= data[2];
        is_same = memcmp(changed, good_file.data, good_file.len) == 0;
        if ((open_file(changed, good_file.len) == 0) != is_same)
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        set_up();
        if (size == 0)
                return 0;
        switch (data[0] % 3) {
        case 0: try_file(data + 1, size - 1); break;
        case 1: try_payload(data + 1, size - 1); break;
        case 2: try_changes(data + 1, size - 1); break;
        }
        return 0;
}
