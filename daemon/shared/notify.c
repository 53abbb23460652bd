#include "daemon/shared/notify.h"
#include "common/log.h"

#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

void notify_send(const char *text) {
        const char *path = getenv("NOTIFY_SOCKET");
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        _cleanup_(fd_closep) int fd = -EBADF;
        size_t len;

        if (!path || !*path)
                return;
        len = strlen(path);
        if (len >= sizeof(address.sun_path)) {
                log_debug("NOTIFY_SOCKET is too long");
                return;
        }
        memcpy(address.sun_path, path, len);
        if (*path == '@') /* the abstract name space */
                address.sun_path[0] = '\0';
        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0 || sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&address,
                             (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0)
                log_debug("the service manager was not told: %s", strerror(errno));
}
