/* test-listen.c - listening sockets: made here, inherited, handed over to a new process image. The test
 * runs itself again for what happens across execve(2): see the parts called new_image_*. */
#include "common/macros.h"
#include "daemon/shared/listen.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <cmocka.h>

static char dir[64];

static int setup(void **state _unused_) {
        strcpy(dir, "/tmp/mfad-test-XXXXXX");
        return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state _unused_) {
        char command[128];

        (void)snprintf(command, sizeof(command), "rm -rf %s", dir);
        return system(command);
}

static struct sockaddr_un address_of(const char *name) {
        struct sockaddr_un a = {.sun_family = AF_UNIX};

        (void)snprintf(a.sun_path, sizeof(a.sun_path), "%s/%s", dir, name);
        return a;
}

static int connect_unix(const char *name, int type) {
        struct sockaddr_un a = address_of(name);
        int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

        assert_true(fd >= 0);
        if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
                int r = -errno;

                (void)fd_close(fd);
                return r;
        }
        return fd;
}

static void test_unix(void **state _unused_) {
        static const int types[] = {SOCK_STREAM, SOCK_SEQPACKET};

        for (size_t i = 0; i < ELEMENTSOF(types); i++) {
                _cleanup_(fd_closep) int fd = listen_unix(dir, "s", types[i]), client = -EBADF;
                struct sockaddr_un a = address_of("s");
                mode_t before = umask(0);
                struct stat st;

                (void)umask(before);
                assert_true(fd >= 0);
                assert_int_equal(stat(a.sun_path, &st), 0);
                assert_int_equal(st.st_mode, S_IFSOCK | 0600);
                assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
                assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
                assert_int_equal(listen_check_unix(fd, types[i]), 0);
                assert_int_equal(listen_check_unix(fd, types[1 - i]), -EINVAL);
                client = connect_unix("s", types[i]);
                assert_true(client >= 0);
                assert_int_equal(unlink(a.sun_path), 0);
        }
}

static void test_unix_keeps_umask(void **state _unused_) {
        mode_t before = umask(0027);
        _cleanup_(fd_closep) int fd = listen_unix(dir, "s", SOCK_STREAM);

        assert_int_equal(umask(before), 0027);
        assert_true(fd >= 0);
}

static void test_unix_makes_its_directory(void **state _unused_) {
        _cleanup_(fd_closep) int fd = -EBADF;
        char path[128];
        struct stat st;

        (void)snprintf(path, sizeof(path), "%s/a/b", dir);
        fd = listen_unix(path, "s", SOCK_STREAM);
        assert_true(fd >= 0);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode, S_IFDIR | 0700);
}

static void test_unix_replaces_a_stale_one(void **state _unused_) {
        _cleanup_(fd_closep) int old = listen_unix(dir, "s", SOCK_STREAM), fd = -EBADF;
        _cleanup_(fd_closep) int client = -EBADF;

        assert_true(old >= 0);
        old = fd_close(old); /* the file stays, as after kill -9 */
        assert_int_equal(connect_unix("s", SOCK_STREAM), -ECONNREFUSED);
        fd = listen_unix(dir, "s", SOCK_STREAM);
        assert_true(fd >= 0);
        client = connect_unix("s", SOCK_STREAM);
        assert_true(client >= 0);
}

static void test_unix_spares_a_live_one(void **state _unused_) {
        _cleanup_(fd_closep) int fd = listen_unix(dir, "s", SOCK_STREAM), client = -EBADF;
        int crowd[LISTEN_BACKLOG + 2];
        size_t n = 0;

        assert_int_equal(listen_unix(dir, "s", SOCK_STREAM), -EADDRINUSE);
        assert_int_equal(listen_unix(dir, "s", SOCK_SEQPACKET), -EADDRINUSE);
        client = connect_unix("s", SOCK_STREAM);
        assert_true(client >= 0);
        /* with a full backlog it is still somebody's */
        while (n < ELEMENTSOF(crowd)) {
                struct sockaddr_un a = address_of("s");

                crowd[n] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
                if (connect(crowd[n++], (struct sockaddr *)&a, sizeof(a)) < 0)
                        break;
        }
        assert_int_equal(errno, EAGAIN);
        assert_int_equal(listen_unix(dir, "s", SOCK_STREAM), -EADDRINUSE);
        while (n > 0)
                (void)fd_close(crowd[--n]);
}

/* What is not a socket is not ours to remove. */
static void test_unix_spares_other_files(void **state _unused_) {
        struct sockaddr_un file = address_of("file"), link = address_of("link");
        struct stat st;

        assert_int_equal(close(open(file.sun_path, O_CREAT | O_WRONLY, 0600)), 0);
        assert_int_equal(listen_unix(dir, "file", SOCK_STREAM), -EEXIST);
        assert_int_equal(stat(file.sun_path, &st), 0);
        assert_int_equal(symlink("/nowhere", link.sun_path), 0);
        assert_int_equal(listen_unix(dir, "link", SOCK_STREAM), -EEXIST);
        assert_int_equal(lstat(link.sun_path, &st), 0);
}

static void test_unix_refuses_an_unsafe_directory(void **state _unused_) {
        struct sockaddr_un link = address_of("link"), real = address_of("real");

        assert_int_equal(mkdir(real.sun_path, 0700), 0);
        assert_int_equal(symlink("real", link.sun_path), 0);
        assert_true(listen_unix(link.sun_path, "s", SOCK_STREAM) < 0);
        assert_int_equal(chmod(real.sun_path, 0750), 0);
        assert_int_equal(listen_unix(real.sun_path, "s", SOCK_STREAM), -EPERM);
        assert_int_equal(chmod(real.sun_path, 0701), 0);
        assert_int_equal(listen_unix(real.sun_path, "s", SOCK_STREAM), -EPERM);
        assert_int_equal(chmod(real.sun_path, 0700), 0);
        if (geteuid() == 0) {
                assert_int_equal(chown(real.sun_path, 12345, 12345), 0);
                assert_int_equal(listen_unix(real.sun_path, "s", SOCK_STREAM), -EPERM);
        }
}

static void test_unix_long_path(void **state _unused_) {
        char path[200];

        memset(path, 'x', sizeof(path));
        memcpy(path, dir, strlen(dir));
        path[strlen(dir)] = '/';
        path[sizeof(path) - 1] = '\0';
        assert_int_equal(listen_unix(path, "s", SOCK_STREAM), -ENAMETOOLONG);
}

static void test_loopback(void **state _unused_) {
        for (int is_v6 = 0; is_v6 < 2; is_v6++) {
                _cleanup_(fd_closep) int fd = listen_loopback(0, is_v6);
                uint16_t port = 0;
                int ttl = 0;
                socklen_t len = sizeof(ttl);

                if (fd == -EAFNOSUPPORT || fd == -EADDRNOTAVAIL) /* no IPv6 here */
                        continue;
                assert_true(fd >= 0);
                assert_int_equal(setsockopt(fd, is_v6 ? IPPROTO_IPV6 : IPPROTO_IP,
                                            is_v6 ? IPV6_UNICAST_HOPS : IP_TTL, &(int){64},
                                            sizeof(int)),
                                 0); /* as a socket unit makes it */
                assert_int_equal(listen_adopt_loopback(fd, is_v6, &port), 0);
                assert_true(port > 0);
                assert_int_equal(listen_adopt_loopback(fd, !is_v6, &port), -EINVAL);
                assert_int_equal(listen_check_unix(fd, SOCK_STREAM), -EINVAL);
                assert_int_equal(listen_loopback(port, is_v6), -EADDRINUSE);
                assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
                assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
                assert_int_equal(getsockopt(fd, is_v6 ? IPPROTO_IPV6 : IPPROTO_IP,
                                            is_v6 ? IPV6_UNICAST_HOPS : IP_TTL, &ttl, &len),
                                 0);
                assert_int_equal(ttl, 1);
        }
}

/* Descriptors that a wrong socket unit might hand us. */
static void test_check_loopback(void **state _unused_) {
        struct sockaddr_in a = {.sin_family = AF_INET};
        _cleanup_(fd_closep) int wide = socket(AF_INET, SOCK_STREAM, 0);
        _cleanup_(fd_closep) int bound = socket(AF_INET, SOCK_STREAM, 0);
        _cleanup_(fd_closep) int shared = socket(AF_INET, SOCK_STREAM, 0);
        _cleanup_(fd_closep) int udp = socket(AF_INET, SOCK_DGRAM, 0);
        _cleanup_(fd_closep) int second = socket(AF_INET, SOCK_STREAM, 0);
        uint16_t port = 7;
        int one = 1;

        assert_int_equal(bind(wide, (struct sockaddr *)&a, sizeof(a)), 0);
        assert_int_equal(listen(wide, 1), 0);
        assert_int_equal(listen_adopt_loopback(wide, false, &port), -EINVAL); /* all interfaces */

        a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        assert_int_equal(bind(bound, (struct sockaddr *)&a, sizeof(a)), 0);
        assert_int_equal(listen_adopt_loopback(bound, false, &port), -EINVAL); /* does not listen */
        assert_int_equal(bind(udp, (struct sockaddr *)&a, sizeof(a)), 0);
        assert_int_equal(listen_adopt_loopback(udp, false, &port), -EINVAL);
        assert_int_equal(setsockopt(shared, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)), 0);
        assert_int_equal(bind(shared, (struct sockaddr *)&a, sizeof(a)), 0);
        assert_int_equal(listen(shared, 1), 0);
        assert_int_equal(listen_adopt_loopback(shared, false, &port), -EINVAL);

        a.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
        assert_int_equal(bind(second, (struct sockaddr *)&a, sizeof(a)), 0);
        assert_int_equal(listen(second, 1), 0);
        assert_int_equal(listen_adopt_loopback(second, false, &port), -EINVAL); /* 127.0.0.2 */
        assert_int_equal(listen_adopt_loopback(-1, false, &port), -EINVAL);
        assert_int_equal(port, 7);
}

static void test_check_unix_abstract(void **state _unused_) {
        struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "\0mfad-test"};
        _cleanup_(fd_closep) int fd = socket(AF_UNIX, SOCK_STREAM, 0);

        assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
        assert_int_equal(listen_check_unix(fd, SOCK_STREAM), -EINVAL); /* does not listen */
        assert_int_equal(listen(fd, 1), 0);
        assert_int_equal(listen_check_unix(fd, SOCK_STREAM), -EINVAL); /* no file, no mode */
}

static void test_set(void **state _unused_) {
        struct listen_set set = {.n = 3};
        int fd;

        for (unsigned i = 0; i < set.n; i++) {
                set.fds[i].fd = dup(0);
                (void)snprintf(set.fds[i].name, sizeof(set.fds[i].name), "n%u", i);
        }
        assert_int_equal(listen_take(&set, "n"), -ENOENT);
        assert_int_equal(listen_take(&set, ""), -ENOENT);
        fd = listen_take(&set, "n1");
        assert_true(fd >= 0);
        assert_int_equal(listen_take(&set, "n1"), -ENOENT);
        assert_int_equal(set.n, 2);
        listen_close(&set);
        assert_int_equal(set.n, 0);
        assert_int_equal(fcntl(fd, F_GETFD) < 0, 0);
        (void)fd_close(fd);
        assert_int_equal(listen_take(&set, "n0"), -ENOENT);
}

static void test_inherit_nothing(void **state _unused_) {
        struct listen_set set = {.n = 5};

        assert_int_equal(listen_inherit(&set), 0);
        assert_int_equal(set.n, 0);
}

/* Runs this program again with @mode; in it, descriptors from 3 on are @n copies of /dev/null, as
 * @names. Returns its exit code. */
static int run_again(const char *mode, unsigned n, const char *names) {
        pid_t pid = fork();
        char number[16];
        int status;

        assert_true(pid >= 0);
        if (pid == 0) {
                int null = fcntl(open("/dev/null", O_RDWR | O_CLOEXEC), F_DUPFD_CLOEXEC, 100);

                for (unsigned i = 0; i < n; i++)
                        (void)dup2(null, 3 + (int)i); /* the child finds out */
                (void)snprintf(number, sizeof(number), "%d", (int)getpid());
                (void)setenv("LISTEN_PID", number, 1);
                (void)snprintf(number, sizeof(number), "%u", n);
                (void)setenv("LISTEN_FDS", number, 1);
                (void)setenv("LISTEN_FDNAMES", names, 1);
                (void)execl("/proc/self/exe", "test-listen", mode, dir, NULL);
                _exit(99);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        return WEXITSTATUS(status);
}

static void test_inherit(void **state _unused_) {
        assert_int_equal(run_again("inherits-two", 2, "http:control"), 0);
        assert_int_equal(run_again("refuses", 17, "a:b:c:d:e:f:g:h:i:j:k:l:m:n:o:p:q"), 0);
        assert_int_equal(run_again("refuses", 2, "a:a-name-that-is-longer-than-any-of-ours"), 0);
        assert_int_equal(run_again("refuses", 3, "http:control"), 0); /* one name too few */
}

static void test_inherit_by_address(void **state _unused_) {
        assert_int_equal(run_again("takes-a-unit", 0, ""), 0);
}

static void test_exec_again(void **state _unused_) {
        assert_int_equal(run_again("execs-again", 0, ""), 0);
}

#define REQUIRE(claim)                                                                             \
        do {                                                                                       \
                if (!(claim)) {                                                                    \
                        fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #claim);                \
                        return 1;                                                                  \
                }                                                                                  \
        } while (0)

static int new_image_inherits_two(void) {
        struct listen_set set;
        char name[16] = "";
        int fd;

        REQUIRE(listen_inherit(&set) == 0);
        REQUIRE(set.n == 2);
        REQUIRE(!getenv("LISTEN_PID") && !getenv("LISTEN_FDS") && !getenv("LISTEN_FDNAMES"));
        fd = listen_take(&set, "control");
        REQUIRE(fd == 4);
        REQUIRE(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        REQUIRE(fcntl(fd, F_GETFL) & O_NONBLOCK);
        listen_close(&set);
        REQUIRE(fcntl(3, F_GETFD) < 0);
        REQUIRE(prctl(PR_GET_NAME, name) == 0 && strcmp(name, "test-listen") == 0);
        return 0;
}

static int new_image_refuses(void) {
        struct listen_set set = {.n = 5};

        REQUIRE(listen_inherit(&set) < 0);
        REQUIRE(set.n == 5);
        REQUIRE(!getenv("LISTEN_FDS"));
        return 0;
}

/* Moves @fd up, so that the numbers that it will be handed over under are free. */
static int moved(int fd) {
        int high = fcntl(fd, F_DUPFD_CLOEXEC, 50);

        (void)fd_close(fd);
        return high;
}

/* As systemd hands over the sockets of a unit that gives them no name: by the unit's, all of them. */
static int new_image_takes_a_unit(void) {
        static const char *const names[] = {"control", "sign", "http", "http6"};
        int fds[] = {moved(listen_unix(dir, "control", SOCK_STREAM)),
                     moved(listen_unix(dir, "sign", SOCK_SEQPACKET)),
                     moved(listen_loopback(0, false)), moved(listen_loopback(0, true))};
        unsigned n = fds[3] < 0 ? 3 : 4; /* no IPv6 here */
        struct listen_set set;
        ino_t inodes[4];
        struct stat st;

        for (unsigned i = 0; i < n; i++) {
                REQUIRE(dup2(fds[i], 3 + (int)i) == 3 + (int)i && fstat(fds[i], &st) == 0);
                inodes[i] = st.st_ino;
        }
        REQUIRE(fcntl(fds[0], F_DUPFD, 3 + n) == 3 + (int)n);
        REQUIRE(setenv("LISTEN_FDS", n == 4 ? "5" : "4", 1) == 0);
        REQUIRE(setenv("LISTEN_FDNAMES",
                       n == 4 ? "a.socket:a.socket:a.socket:a.socket:given"
                              : "a.socket:a.socket:a.socket:given",
                       1) == 0);
        REQUIRE(listen_inherit(&set) == 0);
        for (unsigned i = 0; i < n; i++)
                REQUIRE(fstat(listen_take(&set, names[i]), &st) == 0 && st.st_ino == inodes[i]);
        REQUIRE(listen_take(&set, "given") == 3 + (int)n); /* FileDescriptorName= goes first */
        REQUIRE(set.n == 0);
        return 0;
}

/* Before: two listeners, a client that waits on one of them, a connection to be answered later, a
 * descriptor that must not survive, and a signal that waits. */
static int new_image_execs_again(void) {
        char *argv[] = {(char[]){"test-listen"}, (char[]){"was-execed-again"}, dir, NULL};
        int listen_fd = moved(listen_unix(dir, "s", SOCK_STREAM));
        int http = moved(listen_loopback(0, false));
        struct listen_set set = {.n = 4};
        int pair[2];
        sigset_t usr1;
        char number[16];

        REQUIRE(listen_fd >= 0 && http >= 0);
        REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
        pair[0] = moved(pair[0]);
        pair[1] = moved(pair[1]);
        REQUIRE(moved(connect_unix("s", SOCK_STREAM)) >=
                0);                       /* ends with this image, but has connected */
        REQUIRE(dup2(pair[1], 60) == 60); /* not CLOEXEC: as a library might leave one */
        /* the last byte that the other end will ever send */
        REQUIRE(send(pair[1], "?", 1, 0) == 1);
        set.fds[0] = (struct listen_fd){"control", listen_fd};
        set.fds[1] = (struct listen_fd){"nothing", -EBADF};
        set.fds[2] = (struct listen_fd){"http", http};
        set.fds[3] = (struct listen_fd){"ack", pair[0]};
        (void)sigemptyset(&usr1);
        (void)sigaddset(&usr1, SIGUSR1);
        REQUIRE(sigprocmask(SIG_BLOCK, &usr1, NULL) == 0 && raise(SIGUSR1) == 0);
        (void)snprintf(number, sizeof(number), "%d", (int)getpid());
        REQUIRE(setenv("TEST_PID", number, 1) == 0);
        fprintf(stderr, "listen_exec_again: %d\n", listen_exec_again(argv, &set));
        return 1;
}

static int new_image_was_execed_again(void) {
        struct listen_set set;
        sigset_t waiting;
        uint16_t port;
        char c = 0, name[16] = "";
        int control, http, ack;

        REQUIRE(atoi(getenv("TEST_PID")) == (int)getpid());
        REQUIRE(listen_inherit(&set) == 0);
        REQUIRE(set.n == 3);
        control = listen_take(&set, "control");
        http = listen_take(&set, "http");
        ack = listen_take(&set, "ack");
        REQUIRE(listen_check_unix(control, SOCK_STREAM) == 0);
        REQUIRE(listen_adopt_loopback(http, false, &port) == 0);
        REQUIRE(accept(control, NULL, NULL) >= 0); /* the backlog has survived */
        REQUIRE(recv(ack, &c, 1, 0) == 1 && c == '?');
        REQUIRE(recv(ack, &c, 1, 0) ==
                0); /* the other end did not survive, descriptor 60 neither */
        REQUIRE(fcntl(60, F_GETFD) < 0);
        REQUIRE(sigpending(&waiting) == 0 && sigismember(&waiting, SIGUSR1) == 1);
        REQUIRE(prctl(PR_GET_NAME, name) == 0 && strcmp(name, "test-listen") == 0);
        return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char *argv[]) {
        static const struct {
                const char *mode;
                int (*fn)(void);
        } images[] = {
                {"inherits-two", new_image_inherits_two},
                {"refuses", new_image_refuses},
                {"takes-a-unit", new_image_takes_a_unit},
                {"execs-again", new_image_execs_again},
                {"was-execed-again", new_image_was_execed_again},
        };
        const struct CMUnitTest tests[] = {
                TEST(test_unix),
                TEST(test_unix_keeps_umask),
                TEST(test_unix_makes_its_directory),
                TEST(test_unix_replaces_a_stale_one),
                TEST(test_unix_spares_a_live_one),
                TEST(test_unix_spares_other_files),
                TEST(test_unix_refuses_an_unsafe_directory),
                TEST(test_unix_long_path),
                TEST(test_loopback),
                TEST(test_check_loopback),
                TEST(test_check_unix_abstract),
                TEST(test_set),
                TEST(test_inherit_nothing),
                TEST(test_inherit),
                TEST(test_inherit_by_address),
                TEST(test_exec_again),
        };

        for (size_t i = 0; argc == 3 && i < ELEMENTSOF(images); i++)
                if (strcmp(argv[1], images[i].mode) == 0) {
                        strcpy(dir, argv[2]);
                        return images[i].fn();
                }
        return cmocka_run_group_tests(tests, NULL, NULL);
}
