/* fuzz-aws-clock.c - any bytes as the runtime file `clock`.
 * Owns:  nothing.
 * Calls: the parser within aws_clock.c, which takes this boot as an argument.
 * Limit: none. */
#include "daemon/front/aws_clock.c"

#define BOOT "11111111-2222-3333-4444-555555555555"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(buf_clear) struct buf text = BUF_INIT(FILE_MAX);
        int64_t difference_sec;
        char again[FILE_MAX];

        if (size > FILE_MAX - 1 || buf_put(&text, data, size) < 0)
                return 0;
        if (parse(buf_text(&text), size, BOOT, &difference_sec) == 0) {
                assert(difference_sec <= INT64_C(1) << 40 && difference_sec >= -(INT64_C(1) << 40));
                assert(print(again, BOOT, difference_sec) == size);
                assert(memcmp(again, data, size) == 0);
        }
        return 0;
}
