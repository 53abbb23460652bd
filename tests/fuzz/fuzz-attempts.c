/* fuzz-attempts.c - any bytes as the runtime file `attempts`.
 * Owns:  nothing.
 * Calls: the parser within attempts.c, which takes this boot and its time as arguments.
 * Limit: none. */
#include "daemon/front/attempts.c"

#define BOOT "11111111-2222-3333-4444-555555555555"
#define NOW  UINT64_C(100000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whatever the file was, each device that is remembered could have been remembered by us. */
static void check_devices(const struct attempts *a) {
        for (size_t i = 0; i < ATTEMPTS_DEVICES_MAX; i++) {
                const struct device *d = &a->devices[i];

                if (!*d->mfa_serial)
                        continue;
                assert(text_is_mfa_serial(d->mfa_serial));
                assert(find(a, d->mfa_serial) == d);
                assert(d->wait_sec <= ATTEMPTS_WAIT_SEC_MAX);
                for (size_t k = 0; k < ATTEMPTS_FREE; k++)
                        assert(d->refused_sec[k] <= (k > 0 ? d->refused_sec[k - 1] : NOW));
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(buf_clear) struct buf text = BUF_INIT(FILE_MAX), again = BUF_INIT(FILE_MAX);
        struct attempts a = {.runtime_dir_fd = -EBADF};

        if (size > FILE_MAX - 1 || buf_put(&text, data, size) < 0)
                return 0;
        if (parse(&a, buf_text(&text), size, BOOT, NOW) == 0) {
                assert(print(&a, BOOT, &again) == 0);
                assert(again.len == size && memcmp(again.data, data, size) == 0);
        }
        check_devices(&a);
        return 0;
}
