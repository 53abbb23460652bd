#include "daemon/shared/listen.h"
#include "common/fs.h"
#include "common/log.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

#define TCP_BACKLOG 1024

static void strv_freep(char ***v) {
        for (char **p = *v; p && *p; p++)
                free(*p);
        free(*v);
}

static int make_nonblocking(int fd) {
        int flags = fcntl(fd, F_GETFL);

        return flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ? -errno : 0;
}

/* A socket unit gives one name to all of its sockets: its own, unless FileDescriptorName= says another. Then
 * only their addresses tell them apart. */
static void name_by_address(struct listen_fd *f) {
        struct sockaddr_un address = {0};
        socklen_t len = sizeof(address) - 1; /* a NUL behind the path, whatever it is */
        const char *end = strrchr(f->name, '.'), *file;

        if (!end || strcmp(end, ".socket") != 0 ||
            getsockname(f->fd, (struct sockaddr *)&address, &len) < 0)
                return;
        if (address.sun_family == AF_INET)
                strcpy(f->name, "http");
        if (address.sun_family == AF_INET6)
                strcpy(f->name, "http6");
        file = address.sun_family == AF_UNIX ? strrchr(address.sun_path, '/') : NULL;
        if (file && strlen(file + 1) < sizeof(f->name))
                strcpy(f->name, file + 1);
}

int listen_inherit(struct listen_set *ret) {
        _cleanup_(strv_freep) char **names = NULL;
        struct listen_set set = {0};
        int n, r = 0;

        /* after listen_exec_again() the kernel calls us "exe"; nobody could find that in ps */
        (void)prctl(PR_SET_NAME, program_invocation_short_name); /* a name, not a promise */

        n = sd_listen_fds_with_names(/* unset_environment= */ true, &names);
        if (n < 0)
                return n;
        for (int i = 0; i < n; i++) {
                struct listen_fd *f = set.fds + set.n;
                int fd = SD_LISTEN_FDS_START + i;

                if (r == 0 && set.n >= LISTEN_NAMES_MAX)
                        r = -E2BIG;
                if (r == 0 && strlen(names[i]) >= sizeof(f->name))
                        r = -ENAMETOOLONG;
                if (r == 0)
                        r = make_nonblocking(fd);
                if (r < 0) {
                        (void)fd_close(fd);
                        continue;
                }
                strcpy(f->name, names[i]);
                f->fd = fd;
                name_by_address(f);
                set.n++;
        }
        if (r < 0) {
                listen_close(&set);
                return r;
        }
        *ret = set;
        return 0;
}

int listen_take(struct listen_set *set, const char *name) {
        for (unsigned i = 0; i < set->n; i++)
                if (strcmp(set->fds[i].name, name) == 0) {
                        int fd = set->fds[i].fd;

                        set->fds[i] = set->fds[--set->n];
                        return fd;
                }
        return -ENOENT;
}

void listen_close(struct listen_set *set) {
        while (set->n > 0)
                (void)fd_close(set->fds[--set->n].fd);
}

/* Whether @address is free: 0, or after removing a socket file that nobody listens on; -EADDRINUSE
 * when somebody does; -EEXIST for anything that is not a socket. */
static int clear_place(int dir_fd, const char *name, const struct sockaddr_un *address, int type) {
        _cleanup_(fd_closep) int fd = -EBADF;
        struct stat st;

        if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 0 : -errno;
        if (!S_ISSOCK(st.st_mode))
                return -EEXIST;
        fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        /* EAGAIN is a full backlog and EPROTOTYPE another type: somebody is there in both cases */
        if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ||
            errno != ECONNREFUSED)
                return -EADDRINUSE;
        return unlinkat(dir_fd, name, 0) < 0 ? -errno : 0;
}

int listen_open_dir(const char *path) {
        static const char advice[] = "log in through PAM, or, in every terminal, run: export "
                                     "XDG_RUNTIME_DIR=\"$HOME/.cache/mfad-run\"";
        int fd;

        if (!*path) {
                log_write(
                        LOG_LEVEL_ERROR, 0,
                        "XDG_RUNTIME_DIR is not set, so there is no private place for sockets; %s",
                        advice);
                return -ENOENT;
        }
        fd = fs_open_private_dir(path, /* create= */ true);
        if (fd == -EPERM || fd == -ENOTDIR || fd == -ELOOP)
                log_write(LOG_LEVEL_ERROR, 0, "%s must be a directory of yours with mode 0700",
                          path);
        else if (fd < 0)
                log_write(LOG_LEVEL_ERROR, 0, "cannot make the directory %s (%s); %s", path,
                          strerror(-fd), advice);
        return fd;
}

int listen_unix(const char *dir_path, const char *name, int type) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        _cleanup_(fd_closep) int dir_fd = -EBADF, fd = -EBADF;
        mode_t saved;
        int r;

        dir_fd = fs_open_private_dir(dir_path, /* create= */ true);
        if (dir_fd < 0)
                return dir_fd;
        r = fs_join(address.sun_path, sizeof(address.sun_path), dir_path, name);
        if (r < 0)
                return r;
        /* two programs that start at once must not remove each other's socket; ends with dir_fd */
        if (flock(dir_fd, LOCK_EX) < 0)
                return -errno;
        r = clear_place(dir_fd, name, &address, type);
        if (r < 0)
                return r;

        fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        saved = umask(0177); /* bind(2) makes the file with what umask leaves of 0777: 0600 */
        r = bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
        (void)umask(saved);
        if (r < 0)
                return r;
        if (listen(fd, LISTEN_BACKLOG) < 0)
                return -errno;
        return TAKE_FD(fd);
}

static int set_option(int fd, int level, int option) {
        int one = 1;

        return setsockopt(fd, level, option, &one, sizeof(one)) < 0 ? -errno : 0;
}

/* Accepted sockets inherit these. A socket unit can set them too, but then grumbles about its unix socket. */
static int set_options(int fd, bool is_v6) {
        int r = set_option(fd, IPPROTO_TCP, TCP_NODELAY);

        if (r < 0)
                return r;
        /* one hop: nothing that forwards packets into this machine gets an answer out of it */
        return is_v6 ? set_option(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS)
                     : set_option(fd, IPPROTO_IP, IP_TTL);
}

int listen_loopback(uint16_t port, bool is_v6) {
        const struct sockaddr_in v4 = {.sin_family = AF_INET,
                                       .sin_port = htons(port),
                                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        const struct sockaddr_in6 v6 = {.sin6_family = AF_INET6,
                                        .sin6_port = htons(port),
                                        .sin6_addr = IN6ADDR_LOOPBACK_INIT};
        _cleanup_(fd_closep) int fd = -EBADF;
        int r;

        fd = socket(is_v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        r = set_option(fd, SOL_SOCKET,
                       SO_REUSEADDR); /* old connections in TIME_WAIT do not count */
        if (r >= 0)
                r = set_options(fd, is_v6);
        if (r >= 0 && is_v6)
                r = set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY);
        if (r < 0)
                return r;
        r = is_v6 ? bind(fd, (const struct sockaddr *)&v6, sizeof(v6))
                  : bind(fd, (const struct sockaddr *)&v4, sizeof(v4));
        if (r < 0 || listen(fd, TCP_BACKLOG) < 0)
                return -errno;
        return TAKE_FD(fd);
}

static int option_of(int fd, int option) {
        socklen_t len = sizeof(int);
        int value;

        return getsockopt(fd, SOL_SOCKET, option, &value, &len) < 0 ? -1 : value;
}

static bool is_listener(int fd, int domain, int type) {
        return option_of(fd, SO_DOMAIN) == domain && option_of(fd, SO_TYPE) == type &&
               option_of(fd, SO_ACCEPTCONN) == 1;
}

int listen_adopt_loopback(int fd, bool is_v6, uint16_t *ret_port) {
        union {
                struct sockaddr any;
                struct sockaddr_in v4;
                struct sockaddr_in6 v6;
        } address = {0};
        socklen_t len = sizeof(address);

        if (!is_listener(fd, is_v6 ? AF_INET6 : AF_INET, SOCK_STREAM) ||
            option_of(fd, SO_PROTOCOL) != IPPROTO_TCP)
                return -EINVAL;
        /* a second listener of ours could steal connections, and nobody would notice */
        if (option_of(fd, SO_REUSEPORT) != 0)
                return -EINVAL;
        if (getsockname(fd, &address.any, &len) < 0)
                return -EINVAL;
        if (is_v6 ? !IN6_IS_ADDR_LOOPBACK(&address.v6.sin6_addr)
                  : address.v4.sin_addr.s_addr != htonl(INADDR_LOOPBACK))
                return -EINVAL;
        *ret_port = ntohs(is_v6 ? address.v6.sin6_port : address.v4.sin_port);
        return set_options(fd, is_v6);
}

int listen_check_unix(int fd, int type) {
        struct sockaddr_un address = {0};
        socklen_t len = sizeof(address);

        if (!is_listener(fd, AF_UNIX, type))
                return -EINVAL;
        /* an abstract name has no owner and no mode */
        if (getsockname(fd, (struct sockaddr *)&address, &len) < 0 || address.sun_path[0] != '/')
                return -EINVAL;
        return 0;
}

static int set_listen_environment(const char *names, unsigned n) {
        char number[16];

        (void)snprintf(number, sizeof(number), "%d", (int)getpid()); /* both fit in 11 characters */
        if (setenv("LISTEN_PID", number, 1) < 0)
                return -errno;
        (void)snprintf(number, sizeof(number), "%u", n);
        if (setenv("LISTEN_FDS", number, 1) < 0 || setenv("LISTEN_FDNAMES", names, 1) < 0)
                return -errno;
        return 0;
}

int listen_exec_again(char *const argv[], const struct listen_set *set) {
        char names[LISTEN_NAMES_MAX * sizeof(set->fds[0].name)] = "";
        int fds[LISTEN_NAMES_MAX];
        unsigned n = 0;
        int r;

        for (unsigned i = 0; i < set->n; i++) {
                if (set->fds[i].fd < 0)
                        continue;
                if (n > 0)
                        strcat(names, ":");
                strcat(names,
                       set->fds[i].name); /* each is shorter than its array: see sizeof(names) */
                /* first out of the way of the numbers that they will get */
                fds[n] = fcntl(set->fds[i].fd, F_DUPFD_CLOEXEC,
                               SD_LISTEN_FDS_START + LISTEN_NAMES_MAX);
                if (fds[n++] < 0)
                        return -errno;
        }
        r = set_listen_environment(names, n);
        if (r < 0)
                return r;
        for (unsigned i = 0; i < n; i++)
                if (dup2(fds[i], SD_LISTEN_FDS_START + (int)i) < 0) /* without CLOEXEC */
                        return -errno;
        /* ours are CLOEXEC by birth; this is for what a library opened */
        if (close_range(SD_LISTEN_FDS_START + n, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
                return -errno;
        (void)execve("/proc/self/exe", argv, environ);
        return -errno;
}
