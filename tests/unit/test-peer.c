/* test-peer.c - which process holds a socket, and what is known about it; asked of another process. */
#include "common/clock.h"
#include "common/macros.h"
#include "daemon/front/peers.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#define SOON_USEC (20 * USEC_PER_SEC) /* for a busy machine; a find takes a millisecond */

/* A unix socket has an inode of the same kind as a TCP one. */
static uint32_t make_socket(int *ret_fd) {
        struct stat st;
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        assert_true(fd >= 0);
        assert_int_equal(fstat(fd, &st), 0);
        *ret_fd = fd;
        return (uint32_t)st.st_ino;
}

static void find(uint32_t inode, struct peer *ret) {
        peer_find(inode, NULL, 0, clock_boot_usec() + SOON_USEC, ret);
}

static void expect_me(const struct peer *p) {
        char exe[PEER_EXE_MAX + 1];
        ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

        exe[n] = '\0';
        assert_int_equal(p->pid, getpid());
        assert_string_equal(p->exe, exe);
        assert_string_equal(p->comm, "test-peer");
}

static void test_find(_unused_ void **state) {
        struct peer p;
        int fd;
        uint32_t inode = make_socket(&fd);

        find(inode, &p);
        expect_me(&p);
        (void)close(fd);
        find(inode, &p);
        assert_int_equal(p.pid, 0);
        assert_string_equal(p.exe, "");
}

static void test_recent_first(_unused_ void **state) {
        const pid_t recent[] = {1, getpid()};
        struct peer p;
        int fd;
        uint32_t inode = make_socket(&fd);

        /* no time is left for a search of all */
        peer_find(inode, recent, ELEMENTSOF(recent), clock_boot_usec(), &p);
        expect_me(&p);
        peer_find(inode, recent, 1, clock_boot_usec(), &p);
        assert_int_equal(p.pid, 0);
        (void)close(fd);
}

/* A socket among a thousand files, in another process. */
static void test_child_with_many_files(_unused_ void **state) {
        struct peer p;
        int fd, ready[2];
        uint32_t inode;
        char byte = 0;
        pid_t pid;

        assert_int_equal(pipe(ready), 0);
        inode = make_socket(&fd);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
                for (int i = 0; i < 900; i++)
                        (void)open("/dev/null", O_RDONLY);
                (void)prctl(PR_SET_NAME, "odd\n\x1b name");
                if (write(ready[1], &byte, 1) == 1)
                        (void)pause();
                _exit(0);
        }
        (void)close(fd);
        assert_int_equal(read(ready[0], &byte, 1), 1);
        find(inode, &p);
        assert_int_equal(p.pid, pid);
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
        (void)close(ready[0]);
        (void)close(ready[1]);
}

static void test_undumpable_hides(_unused_ void **state) {
        struct peer p;
        int fd;
        uint32_t inode = make_socket(&fd);
        bool is_hidden;

        assert_int_equal(prctl(PR_SET_DUMPABLE, 0), 0);
        is_hidden = access("/proc/self/fd", R_OK) < 0; /* not for root */
        find(inode, &p);
        assert_int_equal(prctl(PR_SET_DUMPABLE, 1), 0);
        assert_int_equal(p.pid, is_hidden ? 0 : getpid());
        (void)close(fd);
}

static void test_unit(_unused_ void **state) {
        static const struct {
                const char *cgroup, *unit;
        } rows[] = {
                {"", ""},
                {"0::/\n", ""},
                {"0::/user.slice/user-1000.slice/user@1000.service/app.slice/app-gnome-x.scope\n",
                 "app-gnome-x.scope"},
                {"0::/user.slice/user-1000.slice/user@1000.service/init.scope\n", "init.scope"},
                {"0::/user.slice/user-1000.slice/user@1000.service/app.slice/ide.service/tasks/a.scope\n",
                 "ide.service"},
                {"0::/user.slice/user-1000.slice/user@1000.service\n", "user@1000.service"},
                {"0::/user.slice/user-1000.slice/session-4.scope\n", "session-4.scope"},
                {"0::/system.slice/cron.service\n", "cron.service"},
                {"12:pids:/a.service\n1:name=systemd:/user.slice/session-c1.scope\n0::/\n",
                 "session-c1.scope"},
                {"1:name=systemd:/x.service\n0::/system.slice/y.service\n", "y.service"},
                {"0::/docker/0123abcd\n", ""},
                {"0::/.service\n", ""},
                {"0::/a.slice/b.slice", ""},
                {"1:name=systemd:/\n0::/\n", ""},
                {"10::/x.service\n", ""},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                char unit[PEER_UNIT_MAX + 1] = "old";

                peer_unit(rows[i].cgroup, unit, sizeof(unit));
                if (strcmp(unit, rows[i].unit) != 0)
                        fail_msg("row %zu: '%s', not '%s'", i, unit, rows[i].unit);
        }
}

static void test_unit_too_long(_unused_ void **state) {
        char unit[16], cgroup[64];

        (void)snprintf(cgroup, sizeof(cgroup), "0::/%s\n", "1234567.service"); /* 15 and a NUL */
        peer_unit(cgroup, unit, sizeof(unit));
        assert_string_equal(unit, "1234567.service");
        (void)snprintf(cgroup, sizeof(cgroup), "0::/%s\n", "12345678.service");
        peer_unit(cgroup, unit, sizeof(unit));
        assert_string_equal(unit, "");
}

static int start(void **state) {
        int fd = peers_start();

        return fd < 0 ? fd : peers_new(fd, (struct peers **)state);
}

static int stop(void **state) {
        *state = peers_free(*state);
        return 0;
}

static void test_finder(void **state) {
        struct peer_end end = {0}, by_pid = {.pid = getpid()}, gone = {0};
        const struct peer *p;
        int fd;

        end.inode = make_socket(&fd);
        p = peers_look(*state, &end);
        expect_me(p);
        (void)close(fd);
        /* once a connection: the socket is gone, and the answer stays */
        expect_me(peers_look(*state, &end));
        gone.inode = end.inode;
        assert_int_equal(peers_look(*state, &gone)->pid, 0);
        expect_me(peers_look(*state, &by_pid));
        assert_int_equal(by_pid.id, end.id);
}

/* The finder ends with us; what is known stays, and nobody new is. */
static void test_finder_is_gone(void **state) {
        struct peer_end end = {.pid = getpid()}, later = {.pid = getpid()};

        expect_me(peers_look(*state, &end));
        (void)close(peers_detach_fd(*state));
        expect_me(peers_look(*state, &end));
        assert_string_equal(peers_look(*state, &later)->exe, "");
        assert_int_equal(later.id, 0);
        assert_int_equal(peers_look(*state, &later)->pid, getpid()); /* the kernel said so */
}

static void test_budget(void **state) {
        unsigned n_known = 0, n = 20000;

        for (unsigned i = 0; i < n; i++) {
                struct peer_end end = {.pid = getpid()};

                n_known += *peers_look(*state, &end)->exe != '\0';
        }
        /* all of them would take ten times the time that there is */
        assert_in_range(n_known, 1, n / 2);
}

/* Whatever the finder has become: what it sends are texts that end. */
static void test_texts_without_an_end(_unused_ void **state) {
        struct {
                uint32_t id;
                struct peer peer;
        } answer = {.id = 1};
        struct peer_end end = {.pid = getpid()};
        const struct peer *found;
        struct peers *p;
        int fds[2];

        memset(answer.peer.exe, 'e', sizeof(answer.peer.exe));
        memset(answer.peer.comm, 'c', sizeof(answer.peer.comm));
        memset(answer.peer.unit, 'u', sizeof(answer.peer.unit));
        answer.peer.pid = getpid();
        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
        assert_int_equal(send(fds[1], &answer, sizeof(answer), 0), sizeof(answer));
        assert_int_equal(peers_new(fds[0], &p), 0);
        found = peers_look(p, &end);
        assert_int_equal(strnlen(found->exe, sizeof(found->exe)), PEER_EXE_MAX);
        assert_int_equal(strnlen(found->comm, sizeof(found->comm)), PEER_COMM_MAX);
        assert_int_equal(strnlen(found->unit, sizeof(found->unit)), PEER_UNIT_MAX);
        p = peers_free(p);
        (void)close(fds[1]);
}

/* Neither a failure nor a success is looked for again on the same connection. */
static void test_once(void **state) {
        struct peer_end end = {.inode = UINT32_MAX};
        int fd;

        assert_int_equal(peers_look(*state, &end)->pid, 0);
        end.inode = make_socket(&fd);
        assert_int_equal(peers_look(*state, &end)->pid, 0);
        (void)close(fd);
}

static void test_without(_unused_ void **state) {
        struct peer_end end = {.inode = 5};

        assert_int_equal(peers_look(NULL, &end)->pid, 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_find),
                cmocka_unit_test(test_recent_first),
                cmocka_unit_test(test_child_with_many_files),
                cmocka_unit_test(test_undumpable_hides),
                cmocka_unit_test(test_unit),
                cmocka_unit_test(test_unit_too_long),
                cmocka_unit_test_setup_teardown(test_finder, start, stop),
                cmocka_unit_test_setup_teardown(test_finder_is_gone, start, stop),
                cmocka_unit_test_setup_teardown(test_once, start, stop),
                cmocka_unit_test_setup_teardown(test_budget, start, stop),
                cmocka_unit_test(test_texts_without_an_end),
                cmocka_unit_test(test_without),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
