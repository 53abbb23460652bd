#include "client/link.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/varlink.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#define CONNECT_MSEC 5000
#define READ_LEN     4096
#define AGAIN_MSEC   1000
#define AGAIN_NSEC   20000000 /* between two of them */

struct link {
        int fd; /* negative after a failure */
        struct buf in;
};

/* Under sudo the sockets of the invoking user are out of our reach, and a service of root's is not
 * the one that was meant. */
static bool is_under_sudo(void) {
        const char *uid = getenv("SUDO_UID");

        return uid && strtoul(uid, NULL, 10) != getuid();
}

static int check_server(int fd) {
        struct ucred server;
        socklen_t len = sizeof(server);

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &server, &len) < 0)
                return -errno;
        return server.uid == getuid() ? 0 : -EPERM;
}

/* Connects to @name in the runtime directory, which must be ours. Returns a descriptor. */
static int connect_to(const char *name, unsigned patience_msec) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        _cleanup_(fd_closep) int dir_fd = -EBADF, fd = -EBADF;
        struct timeval patience = {.tv_sec = patience_msec / 1000,
                                   .tv_usec = patience_msec % 1000 * 1000};
        struct fs_places places;
        int r;

        r = fs_places(&places);
        if (r < 0)
                return r;
        if (!places.runtime[0])
                return -ENOENT;
        dir_fd = fs_open_private_dir(places.runtime, /* create= */ false);
        if (dir_fd == -EACCES || dir_fd == -ELOOP || dir_fd == -ENOTDIR)
                return -EPERM; /* something else stands where our directory should be */
        if (dir_fd < 0)
                return dir_fd;
        r = fs_join(address.sun_path, sizeof(address.sun_path), places.runtime, name);
        if (r < 0)
                return r;

        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        /* a full backlog would hold connect(2) for ever */
        if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0 ||
            connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
                return errno == EAGAIN ? -ETIMEDOUT : -errno;
        r = check_server(fd);
        return r < 0 ? r : TAKE_FD(fd);
}

static int open_link(const char *socket, unsigned patience_msec, struct link **ret) {
        _cleanup_(fd_closep) int fd = -EBADF;
        struct link *l;

        if (is_under_sudo())
                return -EPERM;
        fd = connect_to(socket, patience_msec);
        if (fd < 0)
                return fd;
        l = calloc(1, sizeof(*l));
        if (!l)
                return -ENOMEM;
        l->fd = TAKE_FD(fd);
        l->in = BUF_INIT(VARLINK_OUT_MAX);
        *ret = l;
        return 0;
}

int link_open(const char *socket, struct link **ret) {
        return open_link(socket, CONNECT_MSEC, ret);
}

int link_open_again(const char *socket, struct link **ret) {
        const struct timespec pause = {.tv_nsec = AGAIN_NSEC};
        uint64_t now = clock_boot_usec(), end = now + AGAIN_MSEC * USEC_PER_MSEC;
        int r = -ECONNREFUSED;

        for (; (r == -ECONNREFUSED || r == -ENOENT) && now < end; now = clock_boot_usec()) {
                (void)nanosleep(&pause, NULL); /* a signal ends us or means nothing */
                r = open_link(socket, AGAIN_MSEC, ret);
        }
        return r;
}

struct link *link_free(struct link *l) {
        if (!l)
                return NULL;
        (void)fd_close(l->fd);
        buf_clear(&l->in);
        free(l);
        return NULL;
}

/* Waits until @fd is ready for @events or the clock passes @deadline (USEC_INFINITY: never). */
static int wait_for(int fd, short events, uint64_t deadline) {
        struct pollfd p = {.fd = fd, .events = events};

        for (;;) {
                uint64_t now = clock_boot_usec(), left = deadline > now ? deadline - now : 0;
                int n;

                n = poll(&p, 1, deadline == USEC_INFINITY ? -1 : (int)(left / USEC_PER_MSEC) + 1);
                if (n > 0)
                        return 0;
                if (n < 0 && errno != EINTR)
                        return -errno;
                if (n == 0 && left == 0)
                        return -ETIMEDOUT;
        }
}

static int send_all(int fd, struct buf *b, uint64_t deadline) {
        while (b->len > 0) {
                ssize_t n = send(fd, b->data, b->len, MSG_DONTWAIT | MSG_NOSIGNAL);
                int r;

                if (n >= 0) {
                        buf_consume(b, (size_t)n);
                        continue;
                }
                if (errno == EPIPE)
                        return -ECONNRESET;
                if (errno != EAGAIN && errno != EINTR)
                        return -errno;
                r = wait_for(fd, POLLOUT, deadline);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Reads until a whole message is in the buffer. Returns its length. */
static ssize_t read_message(struct link *l, uint64_t deadline) {
        for (;;) {
                ssize_t len = varlink_frame(&l->in), n;
                size_t room = l->in.max - l->in.len;
                char *at;
                int r;

                if (len >= 0)
                        return len;
                if (room == 0)
                        return -EBADMSG;
                r = wait_for(l->fd, POLLIN, deadline);
                if (r >= 0)
                        r = buf_reserve(&l->in, room < READ_LEN ? room : READ_LEN, &at);
                if (r < 0)
                        return r;
                n = recv(l->fd, at, room < READ_LEN ? room : READ_LEN, MSG_DONTWAIT);
                if (n == 0)
                        return -ECONNRESET;
                if (n < 0 && errno != EAGAIN && errno != EINTR)
                        return -errno;
                if (n > 0)
                        buf_commit(&l->in, (size_t)n);
        }
}

/* What an answer may hold (varlink.org/Method-Call), each of the right type. */
static bool is_answer(const json_t *message) {
        const json_t *parameters = json_object_get(message, "parameters");
        const json_t *error = json_object_get(message, "error");

        if (parameters && !json_is_object(parameters) && !json_is_null(parameters))
                return false;
        return !error || (json_is_string(error) && json_string_length(error) < LINK_ERROR_MAX);
}

/* Takes one answer apart. Returns as link_call(). */
static int take_answer(struct link *l, size_t len, char *ret_error, json_t **ret,
                       bool *ret_continues) {
        json_t *message, *parameters;
        const char *error;
        int r;

        r = varlink_parse(l->in.data, len, &message);
        buf_consume(&l->in, len + 1);
        if (l->in.len == 0)
                buf_clear(&l->in);
        if (r < 0)
                return r;
        if (is_answer(message)) {
                parameters = json_object_get(message, "parameters");
                parameters = json_is_object(parameters) ? json_incref(parameters) : json_object();
                error = varlink_string(message, "error");
                r = !parameters ? -ENOMEM : error ? 1 : 0;
        } else
                r = -EBADMSG;
        if (r >= 0) {
                strcpy(ret_error, error ? error : "");
                *ret = parameters;
                *ret_continues = !error && varlink_bool(message, "continues", false);
        }
        json_decref(message);
        return r;
}

static int receive(struct link *l, uint64_t deadline, char *ret_error, json_t **ret,
                   bool *ret_continues) {
        ssize_t len;
        int r;

        if (l->fd < 0)
                return -ENOTCONN;
        len = read_message(l, deadline);
        r = len < 0 ? (int)len : take_answer(l, (size_t)len, ret_error, ret, ret_continues);
        if (r < 0)
                l->fd = fd_close(l->fd); /* a late answer must not be taken for the next call's */
        return r;
}

static int call(struct link *l, const char *method, json_t *parameters, bool more,
                uint64_t deadline, char *ret_error, json_t **ret, bool *ret_continues) {
        _cleanup_(buf_clear) struct buf out = BUF_INIT(VARLINK_IN_MAX);
        int r;

        r = varlink_put_call(&out, method, parameters, more);
        json_decref(parameters);
        if (r < 0)
                return r;
        if (l->fd < 0)
                return -ENOTCONN;
        r = send_all(l->fd, &out, deadline);
        if (r < 0) {
                l->fd = fd_close(l->fd);
                return r;
        }
        return receive(l, deadline, ret_error, ret, ret_continues);
}

static int call_once(struct link *l, const char *method, json_t *parameters, uint64_t deadline,
                     char *ret_error, json_t **ret) {
        bool continues = false;
        int r;

        r = call(l, method, parameters, /* more= */ false, deadline, ret_error, ret, &continues);
        if (r >= 0 && continues) {
                json_decref(*ret);
                *ret = NULL;
                l->fd = fd_close(l->fd);
                return -EBADMSG; /* nobody asked for more */
        }
        return r;
}

int link_call(struct link *l, const char *method, json_t *parameters, unsigned timeout_sec,
              char ret_error[LINK_ERROR_MAX], json_t **ret) {
        uint64_t deadline =
                timeout_sec == 0 ? USEC_INFINITY : clock_boot_usec() + timeout_sec * USEC_PER_SEC;

        return call_once(l, method, parameters, deadline, ret_error, ret);
}

int link_call_more(struct link *l, const char *method, json_t *parameters,
                   char ret_error[LINK_ERROR_MAX], json_t **ret, bool *ret_continues) {
        return call(l, method, parameters, /* more= */ true, USEC_INFINITY, ret_error, ret,
                    ret_continues);
}

int link_next(struct link *l, char ret_error[LINK_ERROR_MAX], json_t **ret, bool *ret_continues) {
        return receive(l, USEC_INFINITY, ret_error, ret, ret_continues);
}

int link_ask(const char *socket, const char *method, unsigned patience_msec, json_t **ret) {
        uint64_t deadline = clock_boot_usec() + patience_msec * USEC_PER_MSEC;
        _cleanup_(link_freep) struct link *l = NULL;
        char error[LINK_ERROR_MAX];
        int r = open_link(socket, patience_msec, &l);

        return r < 0 ? r : call_once(l, method, NULL, deadline, error, ret);
}
