#include "daemon/front/lock.h"
#include "common/buf.h"
#include "common/log.h"
#include "common/varlink.h"
#include "daemon/shared/listen.h"

#include <sys/socket.h>

#define ACK_MAX ((size_t)256)

void lock_become_new(char *const argv[], const struct listen_set *set) {
        int r;

        r = listen_exec_again(argv, set);
        (void)log_error(r, "cannot start afresh, ending without it");
        abort();
}

void lock_acknowledge(int ack_fd) {
        _cleanup_(buf_clear) struct buf b = BUF_INIT(ACK_MAX);
        _cleanup_(fd_closep) int fd = ack_fd;

        if (fd < 0)
                return;
        if (varlink_put_reply(&b, NULL, /* continues= */ false) < 0 ||
            send(fd, b.data, b.len, MSG_NOSIGNAL) != (ssize_t)b.len)
                log_debug("whoever asked for the lock did not wait for the answer");
}
