#include "client/child.h"
#include "common/clock.h"
#include "common/macros.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>

#define NOT_EXECUTABLE   126
#define KILLED_BY_SIGNAL 128

static const int caught[] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGTSTP};

struct child {
        pid_t pid;
        int pid_fd, out_fd, signal_fd;
        int last_signal;  /* one of ours that came meanwhile */
        size_t len;       /* printed so far, or of a line that is not complete */
        bool is_skipping; /* a line that is too long */
        uint64_t deadline;
};

/* A terminal for the program: ours by its own name where possible, as some want to know it. */
static int open_terminal(void) {
        if (isatty(STDIN_FILENO))
                return fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
        if (isatty(STDERR_FILENO))
                return fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
        return open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
}

/* In the child. It leads a session of its own: so it and its own children can be ended together, and it may
 * read from a terminal whose foreground it is not. Standard input is never ours: a code may stand there. */
_noreturn_ static void become(const struct child_wish *wish, int terminal, int out,
                              const sigset_t *mask) {
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);

        (void)setsid();
        (void)prctl(PR_SET_PDEATHSIG, SIGTERM); /* nobody else would end it, out of our group */
        if (null < 0 || dup2(terminal >= 0 ? terminal : null, STDIN_FILENO) < 0 ||
            dup2(out, STDOUT_FILENO) < 0 || (!wish->is_seen && dup2(null, STDERR_FILENO) < 0) ||
            (!wish->is_seen && chdir("/") < 0))
                _exit(NOT_EXECUTABLE);
        (void)close_range(STDERR_FILENO + 1, ~0U, 0);
        (void)signal(SIGPIPE, SIG_DFL); /* pipelines rely on it */
        (void)sigprocmask(SIG_SETMASK, mask, NULL);
        (void)execvp(wish->argv[0], (char *const *)wish->argv);
        _exit(errno == ENOENT ? CHILD_NOT_FOUND : NOT_EXECUTABLE);
}

/* What is ignored stays ignored: somebody said nohup. */
static void signals_to_catch(sigset_t *ret) {
        (void)sigemptyset(ret);
        for (size_t i = 0; i < ELEMENTSOF(caught); i++) {
                struct sigaction now;

                if (sigaction(caught[i], NULL, &now) == 0 && now.sa_handler != SIG_IGN)
                        (void)sigaddset(ret, caught[i]);
        }
}

/* Takes what is there to be read. Returns 0, -E2BIG, or -EPIPE at its end. */
static int take_output(struct child *c, const struct child_wish *wish) {
        for (;;) {
                char past_the_end;
                size_t room = wish->size - c->len;
                ssize_t n = read(c->out_fd, room > 0 ? wish->out + c->len : &past_the_end,
                                 room > 0 ? room : 1);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return errno == EAGAIN ? 0 : -errno;
                if (n == 0)
                        return -EPIPE;
                if (room == 0)
                        return -E2BIG;
                c->len += (size_t)n;
        }
}

static int take_signal(struct child *c) {
        struct signalfd_siginfo info;

        if (read(c->signal_fd, &info, sizeof(info)) != sizeof(info) || info.ssi_signo == SIGTSTP)
                return 0;
        c->last_signal = (int)info.ssi_signo;
        return -EINTR;
}

/* Until the program has ended: what its own children do with its output afterwards is not waited for. */
static int converse(struct child *c, const struct child_wish *wish) {
        struct pollfd p[] = {{.fd = c->pid_fd, .events = POLLIN},
                             {.fd = c->out_fd, .events = POLLIN},
                             {.fd = c->signal_fd, .events = POLLIN}};

        for (;;) {
                uint64_t now = clock_boot_usec();
                int r = 0;

                if (now >= c->deadline)
                        return -ETIMEDOUT;
                if (poll(p, ELEMENTSOF(p), (int)((c->deadline - now) / USEC_PER_MSEC) + 1) < 0 &&
                    errno != EINTR)
                        return -errno;
                if (p[2].revents)
                        r = take_signal(c);
                if (r >= 0 && (p[0].revents || p[1].revents))
                        r = take_output(c, wish);
                if (r == -EPIPE) { /* closed, but it may go on */
                        p[1].fd = -1;
                        r = 0;
                }
                if (r < 0 || p[0].revents)
                        return r;
        }
}

/* Ends what still runs, and takes the exit code. */
static int reap(struct child *c, int r) {
        int status;

        if (r < 0) {
                (void)kill(-c->pid, SIGKILL);
                (void)kill(c->pid, SIGKILL); /* should it have no group yet */
        }
        while (waitpid(c->pid, &status, 0) < 0)
                if (errno != EINTR)
                        return r < 0 ? r : -errno;
        if (r < 0)
                return r;
        return WIFEXITED(status) ? WEXITSTATUS(status) : KILLED_BY_SIGNAL + WTERMSIG(status);
}

/* With our signals blocked. @terminal: for it, or negative. */
static int run(struct child *c, const struct child_wish *wish, int terminal, const sigset_t *mask) {
        _cleanup_(fd_closep) int out = -EBADF, pid_fd = -EBADF, write_end = -EBADF;
        int pipe_fds[2], r;

        if (pipe2(pipe_fds, O_CLOEXEC) < 0)
                return -errno;
        c->out_fd = out = pipe_fds[0];
        write_end = pipe_fds[1];
        if (fcntl(out, F_SETFL, O_NONBLOCK) < 0)
                return -errno;
        c->pid = fork();
        if (c->pid < 0)
                return -errno;
        if (c->pid == 0)
                become(wish, terminal, write_end, mask);
        write_end = fd_close(write_end);
        c->pid_fd = pid_fd = (int)syscall(SYS_pidfd_open, c->pid, 0);
        r = pid_fd < 0 ? -errno : converse(c, wish);
        return reap(c, r);
}

int child_run(const struct child_wish *wish, size_t *ret_len) {
        struct child c = {.deadline = clock_boot_usec() + wish->timeout_msec * USEC_PER_MSEC};
        _cleanup_(fd_closep) int terminal = wish->is_seen ? open_terminal() : -EBADF,
                                 signal_fd = -EBADF;
        struct termios before;
        bool has_termios = terminal >= 0 && tcgetattr(terminal, &before) == 0;
        sigset_t ours, mask;
        int r;

        (void)signal(SIGCHLD, SIG_DFL); /* else there would be nothing to wait for */
        signals_to_catch(&ours);
        c.signal_fd = signal_fd = signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK);
        if (signal_fd < 0 || sigprocmask(SIG_BLOCK, &ours, &mask) < 0)
                return -errno;
        r = run(&c, wish, terminal, &mask);
        (void)sigprocmask(SIG_SETMASK, &mask, NULL);
        /* it may have been killed while the terminal showed nothing of what is typed */
        if (r < 0 && has_termios && tcgetpgrp(terminal) == getpgrp())
                (void)tcsetattr(terminal, TCSANOW, &before);
        if (c.last_signal != 0)
                (void)raise(c.last_signal); /* ends us */
        *ret_len = c.len;
        return r;
}

/* Hands on the lines that are complete, and keeps the one that is not. */
static int hand_on(struct child *c, const struct child_wish *wish, child_line_fn fn,
                   void *userdata) {
        char *line = wish->out, *end;
        int r = 0;

        while (r >= 0 && (end = memchr(line, '\n', c->len - (size_t)(line - wish->out)))) {
                if (!c->is_skipping)
                        r = fn(line, (size_t)(end - line), userdata);
                c->is_skipping = false;
                line = end + 1;
        }
        c->len -= (size_t)(line - wish->out);
        memmove(wish->out, line, c->len);
        if (c->len == wish->size) {
                c->is_skipping = true;
                c->len = 0;
        }
        return r < 0 ? r : 0;
}

/* Until its end. Returns 0 or as child_lines(). */
static int hear(struct child *c, const struct child_wish *wish, child_line_fn fn, void *userdata) {
        struct pollfd p = {.fd = c->out_fd, .events = POLLIN};

        for (;;) {
                uint64_t now = clock_boot_usec();
                int msec = -1, r;
                ssize_t n;

                if (wish->timeout_msec > 0 && now >= c->deadline)
                        return -ETIMEDOUT;
                if (wish->timeout_msec > 0)
                        msec = (int)((c->deadline - now) / USEC_PER_MSEC) + 1;
                r = poll(&p, 1, msec);
                if (r == 0 || (r < 0 && errno == EINTR))
                        continue;
                if (r < 0)
                        return -errno;
                n = read(c->out_fd, wish->out + c->len, wish->size - c->len);
                if (n < 0 && errno != EINTR && errno != EAGAIN)
                        return -errno;
                if (n == 0)
                        return 0;
                c->len += n > 0 ? (size_t)n : 0;
                r = hand_on(c, wish, fn, userdata);
                if (r < 0)
                        return r;
        }
}

int child_lines(const struct child_wish *wish, child_line_fn fn, void *userdata) {
        struct child c = {.deadline = clock_boot_usec() + wish->timeout_msec * USEC_PER_MSEC};
        _cleanup_(fd_closep) int out = -EBADF;
        int pipe_fds[2];
        sigset_t mask;

        (void)signal(SIGCHLD, SIG_DFL); /* else there would be nothing to wait for */
        if (sigprocmask(SIG_BLOCK, NULL, &mask) < 0 || pipe2(pipe_fds, O_CLOEXEC) < 0)
                return -errno;
        c.out_fd = out = pipe_fds[0];
        c.pid = fork();
        if (c.pid == 0)
                become(wish, -EBADF, pipe_fds[1], &mask);
        (void)fd_close(pipe_fds[1]);
        return c.pid < 0 ? -errno : reap(&c, hear(&c, wish, fn, userdata));
}
