#include "daemon/front/peers.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/sandbox.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define CHILD_FD         0     /* the finder's only descriptor */
#define CHILD_LOOK_USEC  25000 /* it may find too late, and knows better the next time */
#define CHILD_RECENT_MAX 16

/* Both ends are of the same program. But the other end looks at what strangers made: mfad makes sure that
 * its texts end. */
struct question {
        uint32_t id;
        uint32_t inode; /* 0: @pid is known */
        int32_t pid;
};
struct answer {
        uint32_t id;
        struct peer peer;
};

struct peers {
        int fd;
        uint32_t last_question;
        uint64_t credit_usec, credited_usec;
        uint32_t last_id; /* of a program; its place is what is left of it modulo PEERS_MAX */
        struct peer known[PEERS_MAX]; /* their id is that of ids[] */
        uint32_t ids[PEERS_MAX];
};

/* The one that was found goes to the front. */
static void remember(pid_t *recent, size_t *n, pid_t pid) {
        size_t at = 0;

        while (at < *n && recent[at] != pid)
                at++;
        if (at == *n && *n < CHILD_RECENT_MAX)
                ++*n;
        if (at == CHILD_RECENT_MAX)
                at--;
        memmove(recent + 1, recent, at * sizeof(*recent));
        recent[0] = pid;
}

static _noreturn_ void find_for_ever(void) {
        pid_t recent[CHILD_RECENT_MAX];
        size_t n_recent = 0;
        struct question q;

        while (recv(CHILD_FD, &q, sizeof(q), 0) == (ssize_t)sizeof(q)) {
                struct answer a = {.id = q.id};

                if (q.inode == 0)
                        peer_describe(q.pid, &a.peer);
                else
                        peer_find(q.inode, recent, n_recent, clock_boot_usec() + CHILD_LOOK_USEC,
                                  &a.peer);
                if (q.inode != 0 && a.peer.pid > 0)
                        remember(recent, &n_recent, a.peer.pid);
                if (send(CHILD_FD, &a, sizeof(a), MSG_NOSIGNAL) < 0)
                        break;
        }
        _exit(EXIT_SUCCESS);
}

static _noreturn_ void become_finder(int fd) {
        sigset_t none;

        (void)prctl(PR_SET_NAME, "mfad-peers"); /* for ps(1) */
        /* `systemctl kill` means mfad with it; SIGTERM ends both */
        (void)signal(SIGUSR1, SIG_IGN);
        (void)signal(SIGHUP, SIG_IGN);
        (void)sigemptyset(&none); /* what mfad keeps for its loop has no loop here; cannot fail */
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
        /* no listening socket may outlive mfad here */
        if (dup2(fd, CHILD_FD) < 0 || close_range(CHILD_FD + 1, ~0U, 0) < 0 || chdir("/") < 0)
                _exit(EXIT_FAILURE);
        (void)sandbox_enter_finder(); /* as far as the kernel can */
        find_for_ever();
}

int peers_start(void) {
        _cleanup_(fd_closep) int ours = -EBADF, theirs = -EBADF;
        int fds[2], status;
        pid_t pid;

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
                return -errno;
        ours = fds[0];
        theirs = fds[1];
        pid = fork();
        if (pid < 0)
                return -errno;
        if (pid == 0) {
                /* a grandchild, so that its end never is ours to hear of */
                pid = fork();
                if (pid == 0)
                        become_finder(theirs);
                _exit(pid < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
        }
        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return -errno;
        return status == 0 ? TAKE_FD(ours) : -EAGAIN;
}

int peers_new(int fd, struct peers **ret) {
        struct peers *p = calloc(1, sizeof(*p));

        if (!p) {
                (void)fd_close(fd); /* taken in any case */
                return -ENOMEM;
        }
        p->fd = fd;
        p->credit_usec = PEERS_CREDIT_USEC;
        p->credited_usec = clock_boot_usec();
        *ret = p;
        return 0;
}

struct peers *peers_free(struct peers *p) {
        if (p)
                p->fd = fd_close(p->fd);
        free(p);
        return NULL;
}

int peers_detach_fd(struct peers *p) {
        return p ? TAKE_FD(p->fd) : -EBADF;
}

/* Whether there is time for one more look; @now is when it begins. */
static bool may_look(struct peers *p, uint64_t now) {
        uint64_t more = (now - p->credited_usec) / PEERS_SHARE;

        p->credit_usec += more;
        p->credited_usec += more * PEERS_SHARE; /* what is less than a microsecond is not lost */
        if (p->credit_usec > PEERS_CREDIT_USEC)
                p->credit_usec = PEERS_CREDIT_USEC;
        return p->fd >= 0 && p->credit_usec >= PEERS_LOOK_USEC;
}

/* The answer to @q, waited for until @until_usec. Returns 0, -ETIME, or another errno when nobody will ever
 * answer. */
static int hear(int fd, const struct question *q, uint64_t until_usec, struct answer *ret) {
        for (;;) {
                struct pollfd p = {.fd = fd, .events = POLLIN};
                uint64_t now = clock_boot_usec();
                struct timespec left;
                ssize_t n;

                left = (struct timespec){
                        .tv_nsec = (long)(now < until_usec ? until_usec - now : 0) * 1000};
                if (ppoll(&p, 1, &left, NULL) < 0)
                        return errno == EINTR ? -ETIME : -errno;
                if (p.revents == 0)
                        return -ETIME;
                n = recv(fd, ret, sizeof(*ret), MSG_DONTWAIT);
                if (n != (ssize_t)sizeof(*ret))
                        return n < 0 && errno == EAGAIN ? -ETIME : -ENOTCONN;
                ret->peer.exe[PEER_EXE_MAX] = ret->peer.comm[PEER_COMM_MAX] =
                        ret->peer.unit[PEER_UNIT_MAX] = '\0';
                if (ret->id == q->id)
                        return 0; /* others are late */
        }
}

static uint32_t keep(struct peers *p, const struct peer *peer) {
        for (size_t i = 0; i < PEERS_MAX; i++)
                if (p->ids[i] != 0 && p->known[i].pid == peer->pid &&
                    strcmp(p->known[i].exe, peer->exe) == 0 &&
                    strcmp(p->known[i].comm, peer->comm) == 0 &&
                    strcmp(p->known[i].unit, peer->unit) == 0)
                        return p->ids[i];
        if (++p->last_id == 0)
                p->last_id = 1;
        p->known[p->last_id % PEERS_MAX] = *peer;
        p->ids[p->last_id % PEERS_MAX] = p->last_id;
        return p->last_id;
}

static void look_up(struct peers *p, struct peer_end *end) {
        struct question q = {.id = ++p->last_question, .inode = end->inode, .pid = end->pid};
        uint64_t began = clock_boot_usec(), took;
        struct answer a = {0};
        int r = 0;

        if ((q.inode == 0 && q.pid <= 0) || !may_look(p, began))
                return;
        if (q.pid > 0)
                q.inode = 0;
        if (send(p->fd, &q, sizeof(q), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
                r = errno == EAGAIN ? -ETIME : -errno;
        if (r >= 0)
                r = hear(p->fd, &q, began + PEERS_LOOK_USEC, &a);
        took = clock_boot_usec() - began;
        p->credit_usec -= took < p->credit_usec ? took : p->credit_usec;
        if (r == 0 && a.peer.pid > 0)
                end->id = keep(p, &a.peer);
        if (r == 0 || r == -ETIME)
                return;
        /* another one would have to be started from inside our domain */
        (void)log_warning(r, "the process that finds out who asks has ended; the log names no "
                             "programs until mfad is started again");
        p->fd = fd_close(p->fd);
}

const struct peer *peers_look(struct peers *p, struct peer_end *end) {
        static struct peer otherwise; /* what the kernel told by itself */

        otherwise.pid = end->pid;
        if (!p)
                return &otherwise;
        if (!end->is_looked_up) {
                end->is_looked_up = true;
                look_up(p, end);
        }
        if (end->id == 0 || p->ids[end->id % PEERS_MAX] != end->id)
                return &otherwise; /* or so many have asked since that it was forgotten */
        return &p->known[end->id % PEERS_MAX];
}
