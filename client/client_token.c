#include "client/client_token.h"
#include "common/buf.h"
#include "common/fs.h"

#include <fcntl.h>
#include <string.h>

int client_token_read(char path[PATH_LEN_MAX], struct buf *token) {
        _cleanup_(fd_closep) int dir = -EBADF, fd = -EBADF;
        struct fs_places places;
        int r;

        path[0] = '\0';
        r = fs_places(&places);
        if (r >= 0)
                r = fs_join(path, PATH_LEN_MAX, places.runtime, "token");
        if (r < 0)
                return r;
        dir = fs_open_private_dir(places.runtime, false);
        if (dir < 0)
                return dir;
        fd = openat(dir, "token", O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (fd < 0)
                return -errno;
        r = fs_check_private_file(fd);
        if (r >= 0)
                r = fs_read_fd(fd, token);
        if (r < 0)
                return r;
        return strlen(buf_text(token)) == token->len &&
                               text_is_graph(buf_text(token), CLIENT_TOKEN_TEXT_MAX)
                       ? 0
                       : -EBADMSG;
}

const char *client_token_why_not(int r) {
        return r == -EPERM     ? "others may read it"
               : r == -EBADMSG ? "no SDK could send what stands in it"
                               : strerror(-r);
}
