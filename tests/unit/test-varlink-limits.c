/* test-varlink-limits.c - peers that leave, stall, crowd or are somebody else; and the end of a service. */
#include "tests/unit/varlink-fixture.h"

static void test_peer_leaves(void **state) {
        struct fixture *f = *state;
        unsigned before = count_fds();
        int fd = peer(f);

        say(f, fd, CALL("Keep"));
        assert_non_null(f->kept);
        fd = fd_close(fd);
        settle(f, 1);
        assert_int_equal(f->n_gone, 1);
        assert_null(f->kept);

        fd = peer(f);
        say(f, fd, "{\"method\":\"org.example.Test.Watch\",\"more\":true}");
        fd = fd_close(fd);
        settle(f, 1);
        assert_int_equal(f->n_gone, 2);
        assert_int_equal(count_fds(), before);
}

/* It said what it wanted, and left: served all the same, so that `lock` from a script works. */
static void test_peer_leaves_at_once(void **state) {
        struct fixture *f = *state;
        int fd = peer(f);

        assert_int_equal(send(fd, CALL("Lock"), sizeof(CALL("Lock")), 0), sizeof(CALL("Lock")));
        fd = fd_close(fd);
        settle(f, 1);
        assert_int_equal(f->n_runs, 1);
}

/* A subscriber that does not read: at a bound it is dropped, and we have not waited for it. */
static void test_peer_does_not_read(void **state) {
        struct fixture *f = *state;
        _cleanup_(fd_closep) int fd = peer(f);
        char text[4096];
        int r = 0, n = 0;

        memset(text, 'x', sizeof(text));
        text[sizeof(text) - 1] = '\0';
        say(f, fd, "{\"method\":\"org.example.Test.Watch\",\"more\":true}");
        while (r == 0 && n++ < 1000) {
                r = varlink_call_notify(f->kept, json_pack("{s:s}", "text", text));
                settle(f, 0);
        }
        assert_int_equal(r, -ENOBUFS);
        assert_int_equal(f->n_gone, 1);
        assert_true(n > 64 && n < 1000);
        settle(f, 1);
}

/* Answers within the bound arrive whole, however slowly they are read; beyond it the peer is dropped. */
static void test_big_answers(void **state) {
        struct fixture *f = *state;
        _cleanup_(fd_closep) int fd = peer(f), other = -EBADF;
        size_t got = 0;
        char part[1000];

        say(f, fd, "{\"method\":\"org.example.Test.Big\",\"parameters\":{\"bytes\":262000}}");
        for (;;) {
                ssize_t n = recv(fd, part, sizeof(part), 0);

                if (n <= 0)
                        break;
                got += (size_t)n;
                settle(f, 0);
        }
        assert_int_equal(got, 262000 + strlen(ECHOED("")) + 1);
        say(f, fd, ECHO("next"));
        hear(fd, ECHOED("next"));

        other = peer(f);
        say(f, other, "{\"method\":\"org.example.Test.Big\",\"parameters\":{\"bytes\":263000}}");
        settle(f, 1);
        hear_end(other);
}

/* Messages of the longest legal length, and one byte more. */
static void test_longest_message(void **state) {
        static const char head[] = ECHO("x");
        struct fixture *f = *state;
        char *text = malloc(VARLINK_IN_MAX + 1);

        assert_non_null(text);
        for (size_t more = 0; more < 2; more++) {
                _cleanup_(fd_closep) int fd = peer(f);
                size_t len = VARLINK_IN_MAX + more;

                memset(text, ' ', len);
                memcpy(text, head, sizeof(head) - 1);
                text[len - 1] = '\0';
                assert_int_equal(send(fd, text, len, MSG_NOSIGNAL), len);
                settle(f, 1);
                if (more == 0)
                        hear(fd, ECHOED("x"));
                else
                        hear_end(fd);
        }
        free(text);
}

/* A message that has begun must end in time; silence may last. The reserved place is never kept. */
static void test_deadline(void **state) {
        struct fixture *f = *state;
        _cleanup_(fd_closep) int silent = peer(f), half = peer(f), drip = peer(f), kept = peer(f);
        _cleanup_(fd_closep) int deaf = peer(f);

        say(f, kept, CALL("Keep"));
        say(f, deaf, "{\"method\":\"org.example.Test.Big\",\"parameters\":{\"bytes\":262000}}");
        assert_int_equal(send(half, "{", 1, 0), 1);
        for (unsigned i = 0; i < VARLINK_MESSAGE_SEC * 2 - 1; i++) {
                assert_int_equal(send(drip, "{", 1, MSG_NOSIGNAL), 1);
                run_for(f, 500);
        }
        hear_nothing(half);
        hear_nothing(drip);
        run_for(f, 1000);
        hear_end(half);
        hear_end(drip); /* a byte now and then does not prolong it */
        assert_int_equal(send(deaf, "{", 1, MSG_NOSIGNAL), -1);

        say(f, silent, ECHO("awake"));
        hear(silent, ECHOED("awake"));
        hear_nothing(kept); /* a call may take its time */
        varlink_call_reply(TAKE_PTR(f->kept), NULL);
        settle(f, 1);
        hear(kept, "{}");
}

static void fill(struct fixture *f, int *fds) {
        for (unsigned i = 0; i < VARLINK_CONNECTIONS_MAX; i++) {
                fds[i] = peer(f);
                say(f, fds[i], ECHO("in"));
                hear(fds[i], ECHOED("in"));
        }
}

static void test_reserved_connection(void **state) {
        struct fixture *f = *state;
        int fds[VARLINK_CONNECTIONS_MAX], fd, other;

        fill(f, fds);
        fd = peer(f); /* the 65th, and not urgent */
        say(f, fd, ECHO("x"));
        hear_end(fd);
        fd = fd_close(fd);
        fd = peer(f);
        say(f, fd, CALL("Nothing"));
        hear_end(fd);
        fd = fd_close(fd);

        fd = peer(f); /* an urgent one with wrong parameters is told so */
        say(f, fd, "{\"method\":\"org.example.Test.Lock\",\"parameters\":{\"x\":1}}");
        hear(fd, ERROR("InvalidParameter", "parameter", "x"));
        fd = fd_close(fd);
        settle(f, 1);

        fd = peer(f);
        other = peer(f); /* the 66th */
        hear_end(other);
        other = fd_close(other);
        say(f, fd, CALL("Lock"));
        hear(fd, "{\"error\":\"org.example.Test.Failed\",\"parameters\":{\"message\":\"no\"}}");
        hear_end(fd); /* one call, and the place is free again */
        fd = fd_close(fd);

        fd = peer(f); /* silence does not keep the place */
        run_for(f, VARLINK_MESSAGE_SEC * 1000 + 400);
        hear_end(fd);
        fd = fd_close(fd);

        fds[7] = fd_close(fds[7]); /* a place becomes free: ordinary again */
        settle(f, 1);
        fds[7] = peer(f);
        say(f, fds[7], ECHO("x"));
        hear(fds[7], ECHOED("x"));
        for (unsigned i = 0; i < VARLINK_CONNECTIONS_MAX; i++)
                fds[i] = fd_close(fds[i]);
}

/* 333 at once, as systemd's own test does it: 64 served, one kept for the urgent, the rest closed. */
static void test_flood(void **state) {
        struct fixture *f = *state;
        unsigned before = count_fds(), n_served = 0, n_closed = 0;
        int fds[333];

        for (unsigned i = 0; i < ELEMENTSOF(fds); i++)
                fds[i] = peer(f);
        for (unsigned i = 0; i < ELEMENTSOF(fds); i++)
                (void)send(fds[i], ECHO("x"), sizeof(ECHO("x")),
                           MSG_NOSIGNAL); /* most are closed */
        settle(f, 1);
        for (unsigned i = 0; i < ELEMENTSOF(fds); i++) {
                char answer[256];
                ssize_t n = recv(fds[i], answer, sizeof(answer), 0);

                if (n > 0)
                        n_served++;
                else if (n == 0 || errno != EAGAIN)
                        n_closed++;
                fds[i] = fd_close(fds[i]);
        }
        assert_int_equal(n_served, VARLINK_CONNECTIONS_MAX);
        assert_int_equal(n_closed, ELEMENTSOF(fds) - VARLINK_CONNECTIONS_MAX);
        settle(f, 1);
        assert_int_equal(count_fds(), before);
        fds[0] = peer(f);
        say(f, fds[0], ECHO("after"));
        hear(fds[0], ECHOED("after"));
        fds[0] = fd_close(fds[0]);
}

/* Descriptors in a message never become ours, and the connection is refused. */
static void test_sent_descriptors(void **state) {
        static char call[] = ECHO("x");
        union {
                char bytes[CMSG_SPACE(8 * sizeof(int))];
                struct cmsghdr align;
        } control = {0};
        struct iovec part = {.iov_base = call, .iov_len = sizeof(call)};
        struct msghdr m = {.msg_iov = &part,
                           .msg_iovlen = 1,
                           .msg_control = &control,
                           .msg_controllen = sizeof(control)};
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        struct fixture *f = *state;
        int fd = peer(f), sent[8];
        unsigned before = count_fds();

        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(sent));
        for (unsigned i = 0; i < ELEMENTSOF(sent); i++)
                sent[i] = fd;
        memcpy(CMSG_DATA(c), sent, sizeof(sent));
        assert_int_equal(sendmsg(fd, &m, MSG_NOSIGNAL), sizeof(call));
        settle(f, 1);
        hear_end(fd);
        assert_int_equal(f->n_runs, 0);
        assert_int_equal(count_fds(), before - 1); /* the service's own end is closed */
        fd = fd_close(fd);
}

/* The socket's mode is opened up, so that only the check of the uid can refuse. Needs root. */
static void test_other_uid(void **state) {
        struct fixture *f = *state;
        _cleanup_(fd_closep) int fd = -EBADF;

        if (geteuid() != 0)
                skip();
        assert_int_equal(chmod(f->dir, 0755), 0);
        assert_int_equal(chmod(f->address.sun_path, 0666), 0);
        assert_int_equal(seteuid(12345), 0);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        assert_int_equal(connect(fd, (struct sockaddr *)&f->address, sizeof(f->address)), 0);
        assert_int_equal(seteuid(0), 0);
        (void)send(fd, CALL("Lock"), sizeof(CALL("Lock")),
                   MSG_NOSIGNAL); /* refused or never read */
        settle(f, 1);
        hear_end(fd);
        assert_int_equal(f->n_runs, 0);
}

static void test_detach(void **state) {
        struct fixture *f = *state;
        int fd = peer(f);

        say(f, fd, CALL("Detach"));
        assert_true(f->detached >= 0);
        assert_true(fcntl(f->detached, F_GETFD) & FD_CLOEXEC);
        assert_true(fcntl(f->detached, F_GETFL) & O_NONBLOCK);
        hear_nothing(fd);
        f->server = varlink_server_free(f->server);
        assert_int_equal(send(f->detached, "{}", 3, 0), 3); /* as the new image does */
        hear(fd, "{}");
        fd = fd_close(fd);
}

static void test_detach_later(void **state) {
        struct fixture *f = *state;
        int fd = peer(f);

        say(f, fd, CALL("Keep"));
        f->detached = varlink_call_detach_fd(TAKE_PTR(f->kept));
        settle(f, 1);
        assert_int_equal(f->n_gone, 0);
        assert_int_equal(send(f->detached, "{}", 3, 0), 3);
        hear(fd, "{}");
        fd = fd_close(fd);
}

static void test_free_with_calls(void **state) {
        struct fixture *f = *state;
        _cleanup_(fd_closep) int fd = peer(f), other = peer(f);
        unsigned with_server = count_fds();

        say(f, fd, CALL("Keep"));
        say(f, other, "{"); /* with its NUL: closed */
        f->server = varlink_server_free(f->server);
        assert_int_equal(f->n_gone, 1);
        hear_end(fd);
        assert_int_equal(count_fds(), with_server - 3);
        settle(f, 1);
}

static void test_free_inside_method(void **state) {
        struct fixture *f = *state;
        _cleanup_(fd_closep) int fd = peer(f), other = peer(f);

        say(f, other, CALL("Keep"));
        say(f, fd, CALL("FreeServer"));
        assert_null(f->server);
        assert_int_equal(f->n_gone, 1);
        hear_end(fd);
        hear_end(other);
        settle(f, 1);
}

/* An answer that was given before the service ends still goes out. */
static void test_free_sends_answers(void **state) {
        struct fixture *f = *state;
        _cleanup_(fd_closep) int fd = peer(f);

        say(f, fd, CALL("Keep"));
        varlink_call_reply(TAKE_PTR(f->kept), NULL);
        f->server = varlink_server_free(f->server);
        hear(fd, "{}");
}

/* Without a free descriptor the service waits, and serves when there is one again. */
static void test_no_descriptors(void **state) {
        struct fixture *f = *state;
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), hoard[128];
        struct rlimit saved, few;
        unsigned n = 0, n_turns = 0;
        uint64_t end;

        assert_int_equal(getrlimit(RLIMIT_NOFILE, &saved), 0);
        few = saved;
        few.rlim_cur = ELEMENTSOF(hoard);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
        assert_int_equal(connect(fd, (struct sockaddr *)&f->address, sizeof(f->address)), 0);
        while ((hoard[n] = dup(fd)) >= 0)
                n++;
        end = clock_boot_usec() + 300 * USEC_PER_MSEC;
        for (uint64_t now = clock_boot_usec(); now < end; now = clock_boot_usec()) {
                (void)sd_event_run(f->event, end - now); /* 0 is the time-out */
                n_turns++;
        }
        assert_true(n_turns < 20);
        while (n > 0)
                (void)fd_close(hoard[--n]);
        run_for(f, 400);
        say(f, fd, ECHO("x"));
        hear(fd, ECHOED("x"));
        fd = fd_close(fd);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &saved), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_peer_leaves),
                TEST(test_peer_leaves_at_once),
                TEST(test_peer_does_not_read),
                TEST(test_big_answers),
                TEST(test_longest_message),
                TEST(test_deadline),
                TEST(test_reserved_connection),
                TEST(test_flood),
                TEST(test_sent_descriptors),
                TEST(test_other_uid),
                TEST(test_detach),
                TEST(test_detach_later),
                TEST(test_free_with_calls),
                TEST(test_free_inside_method),
                TEST(test_free_sends_answers),
                TEST(test_no_descriptors),
        };

        varlink_wipe_json();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
