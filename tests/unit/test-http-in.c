/* test-http-in.c - connections of the HTTP face: when they end, and what happens when there are too many. */
#include "daemon/front/endpoint.h"
#include "daemon/front/http_in.h"
#include "tests/unit/fake-front.h"
#include "tests/unit/http-fixture.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <cmocka.h>

static void test_pipelined_and_slow(void **state) {
        _cleanup_(client_freep) struct client *c = NULL, *slow = NULL;
        struct server *s = *state;
        char text[1024];

        fake_session_unlock(fake_session_add("default"), 0);
        (void)snprintf(text, sizeof(text),
                       "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
                       "GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: %s\r\n\r\n",
                       s->token);
        c = client_new(s);
        client_send(c, text);
        run_for(s, 100);
        client_take(c);
        assert_non_null(strstr(c->answer, "\"state\":\"unlocked\""));
        assert_non_null(strstr(c->answer, FAKE_SECRET));

        slow = client_new(s);
        for (const char *p = strstr(text, "GET / "); *p; p++) {
                assert_int_equal(send(slow->fd, p, 1, MSG_NOSIGNAL), 1);
                turn(s);
        }
        expect(s, slow, 200, FAKE_SECRET);
}

/* MHD's pool has room for the longest path beside all that an SDK sends, and for the answer's head. */
static void test_longest_path(void **state) {
        static const char *const headers[] = {
                "Accept: application/json", "Accept-Encoding: identity", "Connection: keep-alive",
                "Amz-Sdk-Request: attempt=1; max=3",
                "Amz-Sdk-Invocation-Id: 01234567-89ab-cdef-0123-456789abcdef"};
        _cleanup_(client_freep) struct client *c = NULL;
        struct server *s = *state;
        char text[8192] = "GET /role-arn/arn:aws-us-gov:iam::123456789012:role";
        unsigned status;

        for (size_t i = 0; i < 512 + 64; i++)
                strcat(text, "~2F");
        strcat(text, " HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: ");
        strcat(text, s->token);
        for (size_t i = 0; i < ELEMENTSOF(headers); i++) {
                strcat(text, "\r\n");
                strcat(text, headers[i]);
        }
        strcat(text, "\r\nUser-Agent: ");
        memset(text + strlen(text), 'u', 512);
        strcat(text, "\r\n\r\n");

        c = client_new(s);
        client_send(c, text);
        assert_true(run_until_answer(s, c, SOON_MSEC));
        status = status_of(
                c); /* whatever it is, it is the endpoint's and not MHD's or the guard's */
        assert_true(status == 200 || status == 400 || status == 403 || status == 503);
        assert_non_null(strstr(c->answer, "\"code\":\"Mfad"));
}

/* All end HTTP_REQUEST_SEC after their last right to time, however busy they look. */
static void test_deadlines(void **state) {
        _cleanup_(client_freep) struct client *silent = NULL, *drip = NULL, *idle = NULL;
        _cleanup_(client_freep) struct client *late = NULL, *second = NULL;
        uint64_t begin = clock_boot_usec(), until = (HTTP_REQUEST_SEC + 1) * USEC_PER_SEC;
        uint64_t silent_usec = 0, drip_usec = 0, idle_usec = 0, late_usec = 0;
        struct server *s = *state;
        unsigned step = 0;

        silent = client_new(s);
        drip = client_new(s);
        idle = client_new(s);
        late = client_new(s);
        second = client_new(s);
        client_get(idle, s, "/healthz");
        client_get(second, s, "/healthz");
        for (uint64_t now = 0; now < until; now = clock_boot_usec() - begin) {
                turn(s);
                if (!drip->is_closed)
                        (void)send(drip->fd, "G", 1, MSG_NOSIGNAL); /* it may end just now */
                if (step == 0 && now > 2 * USEC_PER_SEC) {
                        client_take(second);
                        assert_true(client_has_answer(second));
                        second->len = 0;
                        memset(second->answer, 0, sizeof(second->answer));
                        client_get(late, s, "/healthz");
                        client_send(second, "GET /healthz HTTP/1.1\r\nX: "); /* time begins anew */
                        step = 1;
                }
                if (step == 1 && now > 5800 * USEC_PER_MSEC) {
                        client_send(second, "y\r\nHost: localhost\r\n\r\n");
                        step = 2;
                }
                client_take(silent);
                client_take(drip);
                client_take(idle);
                client_take(late);
                if (silent->is_closed && !silent_usec)
                        silent_usec = now;
                if (drip->is_closed && !drip_usec)
                        drip_usec = now;
                if (idle->is_closed && !idle_usec)
                        idle_usec = now;
                if (late->is_closed && !late_usec)
                        late_usec = now;
        }
        assert_true(client_has_answer(idle));
        assert_true(client_has_answer(late));
        assert_in_range(silent_usec, 4900000, 5700000);
        assert_in_range(drip_usec, 1, 5700000); /* or earlier, when MHD has had enough of it */
        assert_in_range(idle_usec, 4900000, 5700000);
        assert_int_equal(late_usec, 0); /* it began anew at two seconds */
        expect(s, second, 200, "state");
        assert_true(run_until_closed(s, late, 1700));
}

static void test_connection_limit(void **state) {
        enum {
                N = HTTP_CONNECTIONS_MAX + 20
        };
        static struct client *clients[N];
        struct rlimit files = {4096, 4096};
        struct server *s = *state;
        unsigned n_closed = 0;

        fake_session_unlock(fake_session_add("default"), 0);
        if (setrlimit(RLIMIT_NOFILE, &files) < 0)
                skip();
        for (size_t i = 0; i < N; i++) {
                clients[i] = client_new(s);
                if (i % 64 == 0)
                        turn(s);
        }
        client_get(clients[N - 1], s, "/");
        expect(s, clients[N - 1], 200, FAKE_SECRET);
        for (size_t i = 0; i < N; i++) {
                client_take(clients[i]);
                n_closed += clients[i]->is_closed;
                assert_int_equal(clients[i]->is_closed, i < N - HTTP_CONNECTIONS_MAX);
        }
        assert_int_equal(n_closed, N - HTTP_CONNECTIONS_MAX);
        for (size_t i = 0; i < N; i++)
                clients[i] = client_free(clients[i]);
}

/* Leaves not one descriptor to open. */
static void exhaust_descriptors(const struct rlimit *before) {
        struct rlimit none = *before;
        int lowest = open("/dev/null", O_RDONLY | O_CLOEXEC);

        assert_true(lowest >= 0);
        (void)close(lowest);
        none.rlim_cur = (rlim_t)lowest;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
}

static void test_no_descriptors(void **state) {
        _cleanup_(client_freep) struct client *refused = NULL, *idle = NULL, *next = NULL;
        struct server *s = *state;
        struct rlimit before;

        fake_session_unlock(fake_session_add("default"), 0);
        ask(s, "/", 200, FAKE_SECRET);
        run_for(s, 50);
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);

        /* nobody to give way: the connection is taken and dropped, and the loop does not spin */
        refused = client_new(s);
        exhaust_descriptors(&before);
        assert_true(run_until_closed(s, refused, SOON_MSEC));
        assert_int_equal(refused->len, 0);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);

        /* an idle one gives way */
        idle = client_new(s);
        run_for(s, 50);
        next = client_new(s);
        exhaust_descriptors(&before);
        client_get(next, s, "/");
        expect(s, next, 200, FAKE_SECRET);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        assert_true(run_until_closed(s, idle, SOON_MSEC));
}

static void test_ipv6_is_refused(void **state) {
        struct server *s = *state;
        struct sockaddr_in6 a = {.sin6_family = AF_INET6,
                                 .sin6_port = htons(s->port6),
                                 .sin6_addr = IN6ADDR_LOOPBACK_INIT};
        _cleanup_(client_freep) struct client *c = calloc(1, sizeof(*c));

        if (s->port6 == 0)
                skip();
        c->fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(c->fd, (struct sockaddr *)&a, sizeof(a)), 0);
        client_get(c, s, "/");
        assert_true(run_until_closed(s, c, SOON_MSEC));
        assert_int_equal(c->len, 0);
}

static void test_detach(void **state) {
        _cleanup_(client_freep) struct client *held = NULL, *idle = NULL, *next = NULL;
        struct server *s = *state;
        int fd = -EBADF, fd6 = -EBADF;

        fake_session_add("default")->is_busy = true;
        idle = client_new(s);
        held = client_new(s);
        client_get(held, s, "/");
        run_for(s, 50);
        http_in_detach(s->http, &fd, &fd6);
        s->http = http_in_free(s->http);
        assert_true(fd >= 0);
        client_take(held);
        client_take(idle);
        assert_int_equal(status_of(held), 503);
        assert_true(held->is_closed);
        assert_true(idle->is_closed);

        /* a connection that comes now waits for whoever serves next */
        next = client_new(s);
        client_get(next, s, "/healthz");
        s->endpoint = endpoint_free(s->endpoint);
        assert_int_equal(fake_endpoint_new(s->event, s->tokens, &s->endpoint), 0);
        assert_int_equal(http_in_new(s->event, fd, fd6, s->port, s->endpoint, NULL, &s->http), 0);
        expect(s, next, 200, "state");
}

int main(void) {
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(test_pipelined_and_slow),
                TEST(test_longest_path),
                TEST(test_deadlines),
                TEST(test_connection_limit),
                TEST(test_no_descriptors),
                TEST(test_ipv6_is_refused),
                TEST(test_detach),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
