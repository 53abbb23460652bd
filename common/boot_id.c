#include "common/boot_id.h"
#include "common/buf.h"
#include "common/fs.h"

#include <string.h>

int boot_id_read(char ret[BOOT_ID_LEN + 1]) {
        _cleanup_(buf_clear) struct buf text = BUF_INIT(4096);
        int r;

        r = fs_read_file("/proc/sys/kernel/random/boot_id", &text);
        if (r < 0)
                return r;
        if (text.len < BOOT_ID_LEN)
                return -EIO;
        memcpy(ret, text.data, BOOT_ID_LEN);
        ret[BOOT_ID_LEN] = '\0';
        return 0;
}
