/* test-sockdiag.c - the kernel's word on who is at the other end. */
#include "common/macros.h"
#include "common/sockdiag.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <cmocka.h>

static const struct sockaddr *any(const struct sockaddr_in *a) {
        return (const struct sockaddr *)a;
}

static int listener(struct sockaddr_in *ret) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        socklen_t len = sizeof(*ret);

        *ret = (struct sockaddr_in){.sin_family = AF_INET,
                                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        assert_true(fd >= 0);
        assert_int_equal(bind(fd, any(ret), sizeof(*ret)), 0);
        assert_int_equal(listen(fd, 8), 0);
        assert_int_equal(getsockname(fd, (struct sockaddr *)ret, &len), 0);
        return fd;
}

struct pair {
        int listen_fd, client, server;
        struct sockaddr_in local, peer; /* as the server sees them */
};

static void connect_pair(struct pair *p) {
        socklen_t len = sizeof(p->peer);

        p->listen_fd = listener(&p->local);
        p->client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(p->client, any(&p->local), sizeof(p->local)), 0);
        p->server = accept4(p->listen_fd, (struct sockaddr *)&p->peer, &len, SOCK_CLOEXEC);
        assert_true(p->server >= 0);
}

static void close_pair(struct pair *p) {
        p->client = fd_close(p->client);
        p->server = fd_close(p->server);
        p->listen_fd = fd_close(p->listen_fd);
}

static void test_own_connection(void **state _unused_) {
        _cleanup_(fd_closep) int fd = sockdiag_open();
        uid_t uid = (uid_t)-1;
        struct pair p;

        assert_true(fd >= 0);
        connect_pair(&p);
        assert_int_equal(sockdiag_peer_uid(fd, &p.peer, &p.local, &uid, NULL), 0);
        assert_int_equal(uid, getuid());
        /* the same question the other way round is about our own end */
        assert_int_equal(sockdiag_peer_uid(fd, &p.local, &p.peer, &uid, NULL), 0);
        /* a client that has shut down its side still waits for its answer */
        assert_int_equal(shutdown(p.client, SHUT_WR), 0);
        assert_int_equal(sockdiag_peer_uid(fd, &p.peer, &p.local, &uid, NULL), 0);
        assert_int_equal(uid, getuid());
        close_pair(&p);
}

/* Needs root: another uid holds the client end. */
static void test_other_uid(void **state _unused_) {
        _cleanup_(fd_closep) int fd = sockdiag_open();
        uid_t uid = (uid_t)-1;
        struct pair p;

        if (geteuid() != 0)
                skip();
        p.listen_fd = listener(&p.local);
        assert_int_equal(seteuid(12345), 0);
        p.client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(seteuid(0), 0);
        assert_int_equal(connect(p.client, any(&p.local), sizeof(p.local)), 0);
        socklen_t len = sizeof(p.peer);
        p.server = accept4(p.listen_fd, (struct sockaddr *)&p.peer, &len, SOCK_CLOEXEC);
        assert_int_equal(sockdiag_peer_uid(fd, &p.peer, &p.local, &uid, NULL), 0);
        assert_int_equal(uid, 12345);
        close_pair(&p);
}

static void test_closed_peer(void **state _unused_) {
        _cleanup_(fd_closep) int fd = sockdiag_open();
        uid_t uid = 4711;
        struct pair p;

        connect_pair(&p);
        assert_int_equal(write(p.client, "x", 1), 1);
        p.client = fd_close(p.client);
        assert_int_equal(sockdiag_peer_uid(fd, &p.peer, &p.local, &uid, NULL), -ENOENT);
        assert_int_equal(uid, 4711);
        close_pair(&p);
}

static void test_reset_peer(void **state _unused_) {
        const struct linger now = {.l_onoff = 1};
        _cleanup_(fd_closep) int fd = sockdiag_open();
        uid_t uid = 4711;
        struct pair p;

        connect_pair(&p);
        assert_int_equal(setsockopt(p.client, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
        p.client = fd_close(p.client);
        assert_int_equal(sockdiag_peer_uid(fd, &p.peer, &p.local, &uid, NULL), -ENOENT);
        assert_int_equal(uid, 4711);
        close_pair(&p);
}

/* The client is gone and somebody listens on what was its port: that one is not the peer. */
static void test_listener_is_no_peer(void **state _unused_) {
        _cleanup_(fd_closep) int fd = sockdiag_open(), other = -EBADF;
        struct sockaddr_in address, local = {.sin_family = AF_INET,
                                             .sin_port = htons(1),
                                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        uid_t uid = 4711;

        other = listener(&address);
        assert_int_equal(sockdiag_peer_uid(fd, &address, &local, &uid, NULL), -ENOENT);
        assert_int_equal(uid, 4711);
}

static void test_listener(void **state _unused_) {
        _cleanup_(fd_closep) int fd = sockdiag_open(), other = -EBADF;
        struct sockaddr_in address;
        uid_t uid = 4711;

        other = listener(&address);
        assert_int_equal(sockdiag_listener_uid(fd, ntohs(address.sin_port), &uid), 0);
        assert_int_equal(uid, getuid());
        other = fd_close(other);
        uid = 4711;
        assert_int_equal(sockdiag_listener_uid(fd, ntohs(address.sin_port), &uid), -ENOENT);
        assert_int_equal(uid, 4711);
}

/* Many questions on one handle: no answer is taken for another one's. */
static void test_many(void **state _unused_) {
        _cleanup_(fd_closep) int fd = sockdiag_open();
        struct sockaddr_in nobody = {.sin_family = AF_INET,
                                     .sin_port = htons(1),
                                     .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        uid_t uid;
        struct pair p;

        connect_pair(&p);
        for (int i = 0; i < 1000; i++) {
                assert_int_equal(sockdiag_peer_uid(fd, &nobody, &p.local, &uid, NULL), -ENOENT);
                assert_int_equal(sockdiag_peer_uid(fd, &p.peer, &p.local, &uid, NULL), 0);
        }
        close_pair(&p);
}

static void test_listener_of_ipv6(void **state _unused_) {
        struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
        _cleanup_(fd_closep) int fd = sockdiag_open(), other = -EBADF;
        socklen_t len = sizeof(address);
        uid_t uid = 4711;

        other = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (other < 0 || bind(other, (const struct sockaddr *)&address, len) < 0)
                skip(); /* a machine without IPv6 */
        assert_int_equal(listen(other, 8), 0);
        assert_int_equal(getsockname(other, (struct sockaddr *)&address, &len), 0);
        /* the two families are told apart */
        assert_int_equal(sockdiag_listener_uid(fd, ntohs(address.sin6_port), &uid), -ENOENT);
        assert_int_equal(uid, 4711);
        assert_int_equal(sockdiag_listener6_uid(fd, ntohs(address.sin6_port), &uid), 0);
        assert_int_equal(uid, getuid());
        other = fd_close(other);
        assert_int_equal(sockdiag_listener6_uid(fd, ntohs(address.sin6_port), &uid), -ENOENT);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_own_connection),
                cmocka_unit_test(test_other_uid),
                cmocka_unit_test(test_closed_peer),
                cmocka_unit_test(test_reset_peer),
                cmocka_unit_test(test_listener_is_no_peer),
                cmocka_unit_test(test_listener_of_ipv6),
                cmocka_unit_test(test_listener),
                cmocka_unit_test(test_many),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
