/* test-link.c - mfactl's end of the sockets, against a service that says what the test wants. */
#include "client/link.h"
#include "common/clock.h"
#include "common/varlink.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <cmocka.h>

static char runtime[64], dir[96];
static int listen_fd = -EBADF;

static struct sockaddr_un address(void) {
        struct sockaddr_un a = {.sun_family = AF_UNIX};

        (void)snprintf(a.sun_path, sizeof(a.sun_path), "%s/control", dir);
        return a;
}

static int setup(void **state _unused_) {
        struct sockaddr_un a;

        strcpy(runtime, "/tmp/mfad-test-XXXXXX");
        if (!mkdtemp(runtime))
                return -1;
        (void)snprintf(dir, sizeof(dir), "%s/mfad", runtime);
        assert_int_equal(mkdir(dir, 0700), 0);
        assert_int_equal(setenv("XDG_RUNTIME_DIR", runtime, 1), 0);
        a = address();
        listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(listen_fd, (struct sockaddr *)&a, sizeof(a)), 0);
        assert_int_equal(listen(listen_fd, 8), 0);
        return 0;
}

static int teardown(void **state _unused_) {
        char command[160];

        listen_fd = fd_close(listen_fd);
        (void)snprintf(command, sizeof(command), "rm -rf %s", runtime);
        return system(command);
}

/* Reads one call; exits with 1 unless it is @call. */
static void child_expects(int fd, const char *call) {
        char got[512] = "";
        size_t n = 0;

        while (n < sizeof(got) && read(fd, got + n, 1) == 1)
                if (got[n++] == '\0')
                        break;
        if (strcmp(got, call) != 0) {
                fprintf(stderr, "got %s\n", got);
                _exit(1);
        }
}

/* Forks a service for one connection: for each pair of @script it expects a call ("" for none) and
 * says the answer in segments of @segment bytes. Then it closes, or with @hangs waits for the end. */
static pid_t serve(const char *const (*script)[2], size_t n, size_t segment, bool hangs) {
        pid_t pid = fork();
        int fd;

        assert_true(pid >= 0);
        if (pid > 0)
                return pid;
        (void)alarm(20); /* in case the test fails */
        fd = accept(listen_fd, NULL, NULL);
        for (size_t i = 0; i < n; i++) {
                size_t len = strlen(script[i][1]) + 1;

                if (*script[i][0])
                        child_expects(fd, script[i][0]);
                for (size_t at = 0; at < len; at += segment)
                        if (send(fd, script[i][1] + at, len - at < segment ? len - at : segment,
                                 MSG_NOSIGNAL) < 0)
                                _exit(2);
        }
        if (hangs) {
                char c;

                while (read(fd, &c, 1) > 0)
                        continue;
        }
        _exit(0);
}

static void reap(pid_t pid) {
        int status;

        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
}

#define PING "{\"method\":\"a.b.Ping\"}"

static void test_call(void **state _unused_) {
        static const char *const script[][2] = {
                {"{\"method\":\"a.b.Echo\",\"parameters\":{\"text\":\"x\"}}",
                 "{\"parameters\":{\"text\":\"y\"}}"},
                {PING, "{}"},
                {PING, "{\"parameters\":null}"},
                {PING, "{\"error\":\"a.b.Busy\",\"parameters\":{\"message\":\"later\"}}"},
                {PING, "{\"error\":\"a.b.Busy\"}"},
        };
        char error[LINK_ERROR_MAX] = "?";
        struct link *l;
        json_t *p;

        for (size_t segment = 1; segment < 1000; segment *= 7) {
                pid_t pid = serve(script, ELEMENTSOF(script), segment, false);

                assert_int_equal(link_open("control", &l), 0);
                assert_int_equal(
                        link_call(l, "a.b.Echo", json_pack("{s:s}", "text", "x"), 5, error, &p), 0);
                assert_string_equal(varlink_string(p, "text"), "y");
                assert_string_equal(error, "");
                json_decref(p);
                for (int i = 0; i < 2; i++) {
                        assert_int_equal(link_call(l, "a.b.Ping", NULL, 0, error, &p), 0);
                        assert_true(json_is_object(p));
                        json_decref(p);
                }
                assert_int_equal(link_call(l, "a.b.Ping", NULL, 5, error, &p), 1);
                assert_string_equal(error, "a.b.Busy");
                assert_string_equal(varlink_string(p, "message"), "later");
                json_decref(p);
                assert_int_equal(link_call(l, "a.b.Ping", NULL, 5, error, &p), 1);
                assert_int_equal(json_object_size(p), 0);
                json_decref(p);
                l = link_free(l);
                reap(pid);
        }
}

static void test_more(void **state _unused_) {
        static const char *const script[][2] = {
                {"{\"method\":\"a.b.Watch\",\"more\":true}",
                 "{\"parameters\":{\"n\":1},\"continues\":true}"},
                {"", "{\"parameters\":{\"n\":2},\"continues\":true}"},
                {"", "{\"parameters\":{\"n\":3}}"},
        };
        pid_t pid = serve(script, ELEMENTSOF(script), 1000, false);
        char error[LINK_ERROR_MAX];
        bool continues = false;
        struct link *l;
        json_t *p;

        assert_int_equal(link_open("control", &l), 0);
        assert_int_equal(link_call_more(l, "a.b.Watch", NULL, error, &p, &continues), 0);
        for (int n = 1;; n++) {
                assert_int_equal(varlink_int(p, "n", 0), n);
                json_decref(p);
                assert_int_equal(continues, n < 3);
                if (!continues)
                        break;
                assert_int_equal(link_next(l, error, &p, &continues), 0);
        }
        assert_int_equal(link_next(l, error, &p, &continues), -ECONNRESET); /* it has left */
        assert_int_equal(link_next(l, error, &p, &continues), -ENOTCONN);
        l = link_free(l);
        reap(pid);
}

/* What is no answer: each gives -EBADMSG, leaves @ret alone, and ends the link. */
static void test_bad_answers(void **state _unused_) {
        static const char *const answers[] = {
                "",
                "x",
                "[]",
                "{\"parameters\":[]}",
                "{\"error\":1}",
                "{\"error\":null}",
                "{\"error\":\"0123456789012345678901234567890123456789012345678901234567890123456789"
                "0123456789012345678901234567890123456789012345678901234567\"}",
                "{\"continues\":true}",
                "{\"parameters\":{\"a\":1,\"a\":1}}",
                "{\"parameters\":{\"a\":[[[[[[[]]]]]]]}}",
        };

        for (size_t i = 0; i < ELEMENTSOF(answers); i++) {
                const char *const script[][2] = {{PING, answers[i]}};
                pid_t pid = serve(script, 1, 1000, false);
                char error[LINK_ERROR_MAX];
                json_t *p = NULL;
                struct link *l;

                assert_int_equal(link_open("control", &l), 0);
                assert_int_equal(link_call(l, "a.b.Ping", NULL, 5, error, &p), -EBADMSG);
                assert_null(p);
                assert_int_equal(link_call(l, "a.b.Ping", NULL, 5, error, &p), -ENOTCONN);
                l = link_free(l);
                reap(pid);
        }
}

static void test_answer_without_end(void **state _unused_) {
        char error[LINK_ERROR_MAX];
        struct link *l;
        json_t *p = NULL;
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0) {
                int fd = accept(listen_fd, NULL, NULL);
                static char spaces[4096];

                (void)alarm(20);
                memset(spaces, ' ', sizeof(spaces));
                while (send(fd, spaces, sizeof(spaces), MSG_NOSIGNAL) > 0)
                        continue;
                _exit(0);
        }
        assert_int_equal(link_open("control", &l), 0);
        assert_int_equal(link_call(l, "a.b.Ping", NULL, 5, error, &p), -EBADMSG);
        l = link_free(l);
        reap(pid);
}

static void test_service_leaves(void **state _unused_) {
        static const char *const script[][2] = {{PING, "{}"}};
        pid_t pid = serve(script, 1, 1000, false);
        char error[LINK_ERROR_MAX];
        struct link *l;
        json_t *p;

        assert_int_equal(link_open("control", &l), 0);
        assert_int_equal(link_call(l, "a.b.Ping", NULL, 5, error, &p), 0);
        json_decref(p);
        reap(pid);
        assert_int_equal(link_call(l, "a.b.Ping", NULL, 5, error, &p), -ECONNRESET);
        l = link_free(l);
}

static void test_timeout(void **state _unused_) {
        pid_t pid = serve(NULL, 0, 1, /* hangs= */ true);
        uint64_t before = clock_boot_usec(), took;
        char error[LINK_ERROR_MAX];
        struct link *l;
        json_t *p;

        assert_int_equal(link_open("control", &l), 0);
        assert_int_equal(link_call(l, "a.b.Ping", NULL, 1, error, &p), -ETIMEDOUT);
        took = clock_boot_usec() - before;
        assert_true(took >= USEC_PER_SEC && took < 2 * USEC_PER_SEC);
        assert_int_equal(link_call(l, "a.b.Ping", NULL, 1, error, &p), -ENOTCONN);
        l = link_free(l);
        reap(pid);
}

/* A service that does not read, and a call that its buffers do not take. */
static void test_timeout_while_sending(void **state _unused_) {
        char error[LINK_ERROR_MAX], *text = malloc(60001);
        unsigned n_unread = 0;
        struct link *l;
        json_t *p;
        pid_t pid;
        int r;

        assert_non_null(text);
        memset(text, 'x', 60000);
        text[60000] = '\0';
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) { /* answers before it was asked, and reads nothing */
                int fd = accept(listen_fd, NULL, NULL);

                (void)alarm(20);
                for (int i = 0; i < 100; i++)
                        (void)send(fd, "{}", 3, MSG_NOSIGNAL);
                (void)pause();
        }
        assert_int_equal(link_open("control", &l), 0);
        do {
                r = link_call(l, "a.b.Ping", json_pack("{s:s}", "t", text), 1, error, &p);
                if (r == 0)
                        json_decref(p);
        } while (r == 0 && ++n_unread < 100);
        assert_int_equal(r, -ETIMEDOUT);
        assert_true(n_unread > 0);
        l = link_free(l);
        free(text);
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void test_too_long_a_call(void **state _unused_) {
        char error[LINK_ERROR_MAX], *text = malloc(VARLINK_IN_MAX + 1);
        struct link *l;
        json_t *p;

        memset(text, 'x', VARLINK_IN_MAX);
        text[VARLINK_IN_MAX] = '\0';
        assert_int_equal(link_open("control", &l), 0);
        assert_int_equal(link_call(l, "a.b.Ping", json_pack("{s:s}", "t", text), 1, error, &p),
                         -E2BIG);
        free(text);
        l = link_free(l);
}

static void test_nobody_there(void **state _unused_) {
        struct sockaddr_un a = address();
        struct link *l;

        assert_int_equal(link_open("vault", &l), -ENOENT);
        listen_fd = fd_close(listen_fd);
        assert_int_equal(link_open("control", &l), -ECONNREFUSED);
        assert_int_equal(unlink(a.sun_path), 0);
        assert_int_equal(link_open("control", &l), -ENOENT);
        assert_int_equal(rmdir(dir), 0);
        assert_int_equal(link_open("control", &l), -ENOENT);
        assert_int_equal(unsetenv("XDG_RUNTIME_DIR"), 0);
        assert_int_equal(link_open("control", &l), -ENOENT);
}

/* Nothing was sent to a service that is not ours. */
static void refused(void) {
        struct link *l;
        struct ucred peer;
        socklen_t len = sizeof(peer);
        int fd;

        assert_int_equal(link_open("control", &l), -EPERM);
        fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) { /* it had to connect to learn whose it is */
                char c;

                assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len), 0);
                assert_int_equal(read(fd, &c, 1), 0);
                (void)fd_close(fd);
        }
}

static void test_untrusted_directory(void **state _unused_) {
        char moved[128];
        int flags = fcntl(listen_fd, F_GETFL);

        assert_int_equal(fcntl(listen_fd, F_SETFL, flags | O_NONBLOCK), 0);
        assert_int_equal(chmod(dir, 0750), 0);
        refused();
        assert_int_equal(chmod(dir, 0707), 0);
        refused();
        assert_int_equal(chmod(dir, 0700), 0);
        if (geteuid() == 0) {
                assert_int_equal(chown(dir, 12345, 12345), 0);
                refused();
                assert_int_equal(chown(dir, 0, 0), 0);
        }
        (void)snprintf(moved, sizeof(moved), "%s/moved", runtime);
        assert_int_equal(rename(dir, moved), 0);
        assert_int_equal(symlink("moved", dir), 0);
        refused();
}

/* Somebody else's service in our directory. Needs root to be made. */
static void test_untrusted_service(void **state _unused_) {
        struct sockaddr_un a = address();
        int flags;

        if (geteuid() != 0)
                skip();
        /* SO_PEERCRED tells who called listen(2) */
        assert_int_equal(chmod(runtime, 0755), 0);
        assert_int_equal(unlink(a.sun_path), 0);
        listen_fd = fd_close(listen_fd);
        listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(listen_fd, (struct sockaddr *)&a, sizeof(a)), 0);
        flags = fcntl(listen_fd, F_GETFL);
        assert_int_equal(fcntl(listen_fd, F_SETFL, flags | O_NONBLOCK), 0);
        assert_int_equal(seteuid(12345), 0);
        assert_int_equal(listen(listen_fd, 8), 0);
        assert_int_equal(seteuid(0), 0);
        refused();
}

static void test_sudo(void **state _unused_) {
        char uid[16];
        struct link *l;

        (void)snprintf(uid, sizeof(uid), "%u", (unsigned)getuid() + 1);
        assert_int_equal(setenv("SUDO_UID", uid, 1), 0);
        assert_int_equal(link_open("control", &l), -EPERM);
        (void)snprintf(uid, sizeof(uid), "%u", (unsigned)getuid());
        assert_int_equal(setenv("SUDO_UID", uid, 1), 0);
        assert_int_equal(link_open("control", &l), 0);
        l = link_free(l);
        assert_int_equal(unsetenv("SUDO_UID"), 0);
}

static void test_ask(void **state _unused_) {
        static const char *const script[][2] = {{PING, "{\"parameters\":{\"text\":\"y\"}}"}};
        static const char *const refusal[][2] = {{PING, "{\"error\":\"a.b.Busy\"}"}};
        pid_t pid = serve(script, 1, 1000, false);
        uint64_t before;
        json_t *p;

        assert_int_equal(link_ask("control", "a.b.Ping", 5000, &p), 0);
        assert_string_equal(varlink_string(p, "text"), "y");
        json_decref(p);
        reap(pid);
        pid = serve(refusal, 1, 1000, false);
        assert_int_equal(link_ask("control", "a.b.Ping", 5000, &p), 1);
        json_decref(p);
        reap(pid);
        assert_int_equal(link_ask("vault", "a.b.Ping", 5000, &p), -ENOENT);

        pid = serve(NULL, 0, 1, /* hangs= */ true);
        before = clock_boot_usec();
        assert_int_equal(link_ask("control", "a.b.Ping", 50, &p), -ETIMEDOUT);
        assert_true(clock_boot_usec() - before < USEC_PER_SEC);
        reap(pid);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_call),
                TEST(test_more),
                TEST(test_bad_answers),
                TEST(test_answer_without_end),
                TEST(test_service_leaves),
                TEST(test_timeout),
                TEST(test_timeout_while_sending),
                TEST(test_ask),
                TEST(test_too_long_a_call),
                TEST(test_nobody_there),
                TEST(test_untrusted_directory),
                TEST(test_untrusted_service),
                TEST(test_sudo),
        };

        varlink_wipe_json();
        (void)unsetenv("SUDO_UID"); /* the tests may run under sudo; one of them sets it */
        return cmocka_run_group_tests(tests, NULL, NULL);
}
