/* fuzz-peer-cgroup.c - any text of /proc/PID/cgroup names a unit within its bounds, or none.
 * Owns:  nothing.
 * Calls: peer.h.
 * Limit: none. */
#include "common/macros.h"
#include "daemon/front/peer.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char unit[PEER_UNIT_MAX + 1], *text = malloc(size + 1);
        size_t len;

        assert(text);
        memcpy(text, data, size);
        text[size] = '\0';
        memset(unit, 'x', sizeof(unit));
        peer_unit(text, unit, sizeof(unit));
        len = strnlen(unit, sizeof(unit));
        assert(len < sizeof(unit));
        assert(!strpbrk(unit, "/\n"));
        assert(len == 0 || strstr(text, unit));
        assert(len == 0 || (len > 8 && strcmp(unit + len - 8, ".service") == 0) ||
               (len > 6 && strcmp(unit + len - 6, ".scope") == 0));
        free(text);
        return 0;
}
