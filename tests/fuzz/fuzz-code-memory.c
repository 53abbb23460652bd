/* fuzz-code-memory.c - any bytes as the runtime file `codes`.
 * Owns:  nothing.
 * Calls: the parser within code_memory.c, which takes this boot and its time as arguments.
 * Limit: none. */
#include "daemon/signer/code_memory.c"

#define BOOT     "11111111-2222-3333-4444-555555555555"
#define NOW_USEC (UINT64_C(100000) * USEC_PER_SEC)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(buf_clear) struct buf again = BUF_INIT(FILE_MAX);
        struct kept kept;

        if (size > FILE_MAX || parse(data, size, BOOT, NOW_USEC, &kept) < 0)
                return 0;
        for (size_t i = 0; i < CODE_MEMORY_MAX; i++)
                assert(kept.entries[i].until_usec <= NOW_USEC + CODE_MEMORY_SEC * USEC_PER_SEC);
        assert(print(kept.boot, kept.key, kept.entries, &again) == 0);
        assert(again.len == size && memcmp(again.data, data, size) == 0);
        return 0;
}
