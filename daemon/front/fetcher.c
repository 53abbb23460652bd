#include "daemon/front/fetcher.h"
#include "common/buf.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/log.h"

#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

struct fetcher {
        int fd; /* our end */
        sd_event_source *child;
        sd_event_source *timer;
        fetcher_fn fn;
        void *userdata;
};

int fetcher_find(char ret_path[PATH_LEN_MAX]) {
        char path[PATH_LEN_MAX];
        ssize_t n;
        char *slash;

        n = readlink("/proc/self/exe", path, sizeof(path) - 1);
        if (n < 0)
                return -errno;
        path[n] = '\0'; /* a path that was cut, or ends in " (deleted)", still has its directory */
        slash = strrchr(path, '/');
        if (!slash)
                return -EINVAL;
        *slash = '\0';
        return fs_join(ret_path, PATH_LEN_MAX, path, "mfad-fetch");
}

/* Nothing of ours reaches the child but descriptors 0 to 2 and its socket: all others are CLOEXEC. */
static int spawn(const char *path, int child_fd, pid_t *ret) {
        char *const argv[] = {(char *)"mfad-fetch", NULL}, *const environment[] = {NULL};
        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attributes;
        sigset_t none, all;
        int r;

        (void)sigemptyset(&none); /* cannot fail */
        (void)sigfillset(&all);
        r = posix_spawn_file_actions_init(&actions);
        if (r != 0)
                return -r;
        r = posix_spawnattr_init(&attributes);
        if (r != 0) {
                (void)posix_spawn_file_actions_destroy(&actions); /* glibc: always 0 */
                return -r;
        }
        if ((r = posix_spawn_file_actions_adddup2(&actions, child_fd, FETCH_SOCKET_FD)) == 0 &&
            (r = posix_spawnattr_setsigmask(&attributes, &none)) == 0 &&
            (r = posix_spawnattr_setsigdefault(&attributes, &all)) == 0 &&
            (r = posix_spawnattr_setflags(&attributes,
                                          POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF)) == 0)
                r = posix_spawn(ret, path, &actions, &attributes, argv, environment);
        (void)posix_spawn_file_actions_destroy(&actions); /* glibc: always 0 */
        (void)posix_spawnattr_destroy(&attributes);
        return -r;
}

static int receive(int fd, struct fetch_answer *ret) {
        _cleanup_(buf_clear) struct buf packet = BUF_INIT(FETCH_PACKET_MAX);
        ssize_t n;
        char *at;
        int r;

        r = buf_reserve(&packet, FETCH_PACKET_MAX, &at);
        if (r < 0)
                return r;
        n = recv(fd, at, FETCH_PACKET_MAX, MSG_DONTWAIT | MSG_TRUNC);
        if (n <= 0)
                return n < 0 ? -errno : -ENODATA;
        if ((size_t)n > FETCH_PACKET_MAX)
                return -EMSGSIZE;
        buf_commit(&packet, (size_t)n);
        return fetch_answer_decode(packet.data, packet.len, ret);
}

/* The answer waits in the socket's queue, where it fits as a whole; so the end is all we watch for. */
static int on_child(_unused_ sd_event_source *s, const siginfo_t *info, void *userdata) {
        struct fetcher *f = userdata;
        struct fetch_answer answer = {0};
        fetcher_fn fn = f->fn;
        int r;

        userdata = f->userdata;
        r = receive(f->fd, &answer);
        if (r < 0) {
                (void)log_warning(r, "mfad-fetch ended without an answer (%s %d)",
                                  info->si_code == CLD_EXITED ? "exit code" : "signal",
                                  info->si_status);
                answer = (struct fetch_answer){.outcome = FETCH_NO_ANSWER, .was_sent = true};
                (void)snprintf(answer.text, sizeof(answer.text), "mfad-fetch ended early");
        }
        (void)fetcher_free(f); /* always NULL */
        fn(&answer, userdata);
        fetch_answer_clear(&answer);
        return 0;
}

static int on_too_late(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        struct fetcher *f = userdata;
        pid_t pid;

        if (sd_event_source_get_child_pid(f->child, &pid) < 0)
                return 0;
        log_notice("mfad-fetch is too late, killing it");
        /* not reaped yet, or on_child() would have run: the number is still its own */
        if (kill(pid, SIGKILL) < 0)
                (void)log_warning(-errno, "cannot kill mfad-fetch");
        return 0;
}

static int send_request(int fd, const struct fetch_request *request) {
        _cleanup_(buf_clear) struct buf packet = BUF_INIT(FETCH_PACKET_MAX);
        int r;

        r = fetch_request_encode(request, &packet);
        if (r < 0)
                return r;
        return send(fd, packet.data, packet.len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

static int watch_child(struct fetcher *f, sd_event *event, pid_t pid) {
        int r;

        r = sd_event_add_child(event, &f->child, pid, WEXITED, on_child, f);
        if (r < 0) {
                (void)kill(pid, SIGKILL); /* it is ours and not reaped */
                (void)waitpid(pid, NULL, 0);
                return r;
        }
        (void)sd_event_source_set_description(f->child, "fetch"); /* for debugging only */
        /* from here on fetcher_free() kills and reaps it */
        r = sd_event_source_set_child_process_own(f->child, true);
        if (r < 0)
                return r;
        return sd_event_add_time_relative(event, &f->timer, CLOCK_BOOTTIME,
                                          FETCHER_TOTAL_SEC * USEC_PER_SEC, 0, on_too_late, f);
}

int fetcher_start(sd_event *event, const char *path, const struct fetch_request *request,
                  fetcher_fn fn, void *userdata, struct fetcher **ret) {
        _cleanup_(fetcher_freep) struct fetcher *f = NULL;
        _cleanup_(fd_closep) int child_fd = -EBADF;
        int fds[2], r;
        pid_t pid = 0;

        assert(ret);
        assert(fn);

        f = calloc(1, sizeof(*f));
        if (!f)
                return -ENOMEM;
        f->fd = -EBADF;
        f->fn = fn;
        f->userdata = userdata;
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
                return -errno;
        f->fd = fds[0];
        child_fd = fds[1];
        /* sent before there is a child: if anything fails, nobody has read it */
        r = send_request(f->fd, request);
        if (r < 0)
                return r;
        r = spawn(path, child_fd, &pid);
        if (r < 0)
                return r;
        r = watch_child(f, event, pid);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(f);
        return 0;
}

struct fetcher *fetcher_free(struct fetcher *f) {
        if (!f)
                return NULL;
        (void)sd_event_source_disable_unref(f->timer); /* always NULL */
        (void)sd_event_source_disable_unref(f->child);
        (void)fd_close(f->fd);
        free(f);
        return NULL;
}
