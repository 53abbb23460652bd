/* fuzz-persist-blob.c - any bytes as mfad's file of sessions: only what we would have written ourselves is taken.
 * Owns:  a key and one good file.
 * Calls: daemon/front/persist_blob.h, common/wire.h.
 * Limit: the first byte says what follows: a file, decrypted entries, or changes to the good file. */
#include "common/buf.h"
#include "common/secret.h"
#include "common/wire.h"
#include "daemon/front/persist_blob.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct secret *key;
static struct buf good_file;

static void set_up(void) {
        static const uint8_t wrapped[SIGNER_WRAPPED_LEN] = "what mfad-signer made of the key";
        _cleanup_(buf_clear) struct buf entries = BUF_INIT(256);

        if (key)
                return;
        if (secret_arena_open() < 0 ||
            secret_copy("0123456789abcdef0123456789abcdef", 32, &key) < 0 ||
            buf_puts(&entries, "whatever stands in the entries") < 0)
                abort();
        good_file = BUF_INIT(512);
        if (persist_blob_seal(key, wrapped, &entries, &good_file) < 0)
                abort();
}

static int open_file(const uint8_t *data, size_t size) {
        _cleanup_(buf_clear) struct buf entries = BUF_INIT(PERSIST_ENTRIES_MAX);
        uint8_t wrapped[SIGNER_WRAPPED_LEN];
        int r;

        r = persist_blob_check(data, size, wrapped);
        return r < 0 ? r : persist_blob_open(key, data, size, &entries);
}

/* Nobody who lacks the key makes a file that opens. */
static void try_file(const uint8_t *data, size_t size) {
        if (open_file(data, size) == 0)
                abort();
}

/* What is taken is spelled as it was read, up to the first entry that is not taken. */
static void try_entries(const uint8_t *data, size_t size) {
        _cleanup_(buf_clear) struct buf again = BUF_INIT(PERSIST_ENTRIES_MAX);
        struct wire_reader reader;
        int r;

        wire_reader_init(&reader, data, size);
        do {
                _cleanup_(persist_entry_clear) struct persist_entry e = {0};

                r = persist_entry_get(&reader, &e);
                if (r > 0 && persist_entry_put(&e, &again) < 0)
                        abort();
        } while (r > 0);
        if (again.len > size || (again.len > 0 && memcmp(again.data, data, again.len) != 0) ||
            (r == 0 && again.len != size))
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
        case 1: try_entries(data + 1, size - 1); break;
        case 2: try_changes(data + 1, size - 1); break;
        }
        return 0;
}
