/* test-http-in.c - the HTTP face over real loopback connections, with fakes behind it: what is answered,
 * who is held and for how long, and when connections end. Server and clients share this thread. */
#include "common/clock.h"
#include "common/secret.h"
#include "daemon/front/endpoint.h"
#include "daemon/front/http_in.h"
#include "daemon/front/tokens.h"
#include "tests/unit/fake-front.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <cmocka.h>

#define ANSWER_MAX 32768
#define SOON_MSEC  1500 /* for what should come at once; long enough for a busy machine */
#define STEP_USEC  (5 * USEC_PER_MSEC)

struct server {
        char path[64];
        int dir_fd;
        char token[TOKEN_LEN + 1];
        sd_event *event;
        struct tokens *tokens;
        struct endpoint *endpoint;
        struct http_in *http;
        uint16_t port, port6;
        char nothing; /* the fakes look at none of the pointers they get */
};

struct client {
        int fd;
        size_t len;
        bool is_closed;
        char answer[ANSWER_MAX];
};

static int listen_any(int family, uint16_t *ret_port) {
        struct sockaddr_in a4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        struct sockaddr_in6 a6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
        bool is_v6 = family == AF_INET6;
        struct sockaddr *a = is_v6 ? (struct sockaddr *)&a6 : (struct sockaddr *)&a4;
        socklen_t len = is_v6 ? sizeof(a6) : sizeof(a4);
        int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        if (fd < 0 || bind(fd, a, len) < 0 || listen(fd, 4096) < 0 ||
            getsockname(fd, a, &len) < 0) {
                (void)fd_close(fd);
                return -1;
        }
        *ret_port = ntohs(is_v6 ? a6.sin6_port : a4.sin_port);
        return fd;
}

static int set_up(void **state) {
        struct server *s = calloc(1, sizeof(*s));
        int fd, fd6, token_fd;

        (void)signal(SIGPIPE, SIG_IGN);
        (void)snprintf(s->path, sizeof(s->path), "/tmp/test-http-in-XXXXXX");
        if (secret_arena_open() < 0 || !mkdtemp(s->path))
                return -1;
        s->dir_fd = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        fake_reset();
        fd = listen_any(AF_INET, &s->port);
        fd6 = listen_any(AF_INET6, &s->port6); /* there may be no IPv6 */
        if (fd < 0 || sd_event_new(&s->event) < 0 || tokens_new(s->dir_fd, &s->tokens) < 0)
                return -1;
        token_fd = openat(s->dir_fd, TOKEN_FILE, O_RDONLY | O_CLOEXEC);
        if (read(token_fd, s->token, TOKEN_LEN) != TOKEN_LEN)
                return -1;
        (void)close(token_fd);
        if (endpoint_new(s->event, (struct sessions *)&s->nothing, (struct profiles *)&s->nothing,
                         s->tokens, (struct signer_client *)&s->nothing, &s->endpoint) < 0)
                return -1;
        *state = s;
        return http_in_new(s->event, fd, fd6, s->port, s->endpoint, &s->http);
}

static int tear_down(void **state) {
        struct server *s = *state;

        s->http = http_in_free(s->http);
        s->endpoint = endpoint_free(s->endpoint);
        s->tokens = tokens_free(s->tokens);
        s->event = sd_event_unref(s->event);
        fake_reset();
        (void)unlinkat(s->dir_fd, TOKEN_FILE, 0);
        (void)close(s->dir_fd);
        (void)rmdir(s->path);
        free(s);
        return 0;
}

static struct client *client_new(const struct server *s) {
        struct sockaddr_in a = {.sin_family = AF_INET,
                                .sin_port = htons(s->port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        struct client *c = calloc(1, sizeof(*c));

        assert_non_null(c);
        c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_true(c->fd >= 0);
        assert_int_equal(connect(c->fd, (struct sockaddr *)&a, sizeof(a)), 0);
        return c;
}

static struct client *client_free(struct client *c) {
        if (c) {
                (void)fd_close(c->fd);
                free(c);
        }
        return NULL;
}
DEFINE_FREEP(struct client, client)

static void client_send(struct client *c, const char *text) {
        assert_int_equal(send(c->fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void client_get_with(struct client *c, const struct server *s, const char *path,
                            const char *token) {
        char text[1024];

        (void)snprintf(text, sizeof(text),
                       "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nAuthorization: %s\r\n\r\n", path,
                       (unsigned)s->port, token);
        client_send(c, text);
}

static void client_get(struct client *c, const struct server *s, const char *path) {
        client_get_with(c, s, path, s->token);
}

static void client_take(struct client *c) {
        ssize_t n;

        while (!c->is_closed) {
                n = recv(c->fd, c->answer + c->len, sizeof(c->answer) - 1 - c->len, MSG_DONTWAIT);
                if (n < 0 && errno == EAGAIN)
                        return;
                if (n <= 0)
                        c->is_closed = true;
                else
                        c->len += (size_t)n;
        }
}

/* Whether a whole answer has come: its length is that of the head plus Content-Length. */
static bool client_has_answer(const struct client *c) {
        const char *end = strstr(c->answer, "\r\n\r\n");
        const char *length = strstr(c->answer, "Content-Length: ");

        return end && length && c->len >= (size_t)(end + 4 - c->answer) + (size_t)atoi(length + 16);
}

static void turn(struct server *s) {
        assert_true(sd_event_run(s->event, STEP_USEC) >= 0);
}

static bool run_until_answer(struct server *s, struct client *c, unsigned msec) {
        uint64_t end = clock_boot_usec() + msec * USEC_PER_MSEC;

        do {
                turn(s);
                client_take(c);
        } while (!client_has_answer(c) && !c->is_closed && clock_boot_usec() < end);
        return client_has_answer(c);
}

static bool run_until_closed(struct server *s, struct client *c, unsigned msec) {
        uint64_t end = clock_boot_usec() + msec * USEC_PER_MSEC;

        do {
                turn(s);
                client_take(c);
        } while (!c->is_closed && clock_boot_usec() < end);
        return c->is_closed;
}

static void run_for(struct server *s, unsigned msec) {
        uint64_t end = clock_boot_usec() + msec * USEC_PER_MSEC;

        while (clock_boot_usec() < end)
                turn(s);
}

static unsigned status_of(const struct client *c) {
        return strncmp(c->answer, "HTTP/1.1 ", 9) == 0 ? (unsigned)atoi(c->answer + 9) : 0;
}

static void expect(struct server *s, struct client *c, unsigned status, const char *text) {
        if (!run_until_answer(s, c, SOON_MSEC))
                fail_msg("no answer for '%s', got '%s'", text, c->answer);
        if (status_of(c) != status || !strstr(c->answer, text))
                fail_msg("not %u with '%s': %s", status, text, c->answer);
        if (status != 200) {
                assert_null(strstr(c->answer, FAKE_KEY_ID));
                assert_null(strstr(c->answer, FAKE_SECRET));
        }
        c->len = 0;
        memset(c->answer, 0, sizeof(c->answer));
}

static void ask(struct server *s, const char *path, unsigned status, const char *text) {
        _cleanup_(client_freep) struct client *c = client_new(s);

        client_get(c, s, path);
        expect(s, c, status, text);
}

static void test_creds(void **state) {
        _cleanup_(client_freep) struct client *c = NULL;
        struct server *s = *state;

        fake_session_unlock(fake_session_add("default"), 0);
        fake_session_unlock(fake_session_add("other"), 16000);
        ask(s, "/", 200, "\"AccessKeyId\" : \"" FAKE_KEY_ID "\"");
        ask(s, "/profile/default", 200, FAKE_SECRET);
        ask(s, "/profile/other", 200, FAKE_SECRET);

        /* one connection for many, and the profile is not looked up each time */
        fake_n_resolved = 0;
        c = client_new(s);
        for (unsigned i = 0; i < 100; i++) {
                client_get(c, s, "/");
                expect(s, c, 200, FAKE_SECRET);
        }
        assert_true(fake_n_resolved <= 3);
        assert_false(c->is_closed);
}

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

static void test_excuses(void **state) {
        struct server *s = *state;
        struct session *session;

        ask(s, "/", 403, "\"code\":\"MfadLocked\"");
        ask(s, "/", 403, "mfad: locked, run: mfactl unlock");
        fake_vault = VAULT_SEALED;
        ask(s, "/", 403, "the vault is sealed, run: mfactl unlock");
        ask(s, "/profile/unknown", 403, "the vault is sealed");
        ask(s, "/healthz", 200, "{\"state\":\"sealed\"}");
        fake_vault = VAULT_NONE;
        ask(s, "/", 403, "run: mfactl init");
        ask(s, "/profile/unknown", 400, "MfadUnknownProfile");
        fake_vault = VAULT_OPEN;
        ask(s, "/profile/unknown", 400, "MfadUnknownProfile");
        ask(s, "/profile/role", 400, "MfadRoleProfile");
        fake_default_profile = NULL;
        ask(s, "/", 400, "default_profile");
        fake_default_profile = "default";

        session = fake_session_add("default");
        session->has_expired = true;
        ask(s, "/", 403, "MfadMfaRequired");
        session->has_failed = true;
        session->failure = (struct failure){.reason = FAILURE_UNREACHABLE,
                                            .at_wall_sec = clock_wall_sec(),
                                            .message = "no way to AWS"};
        ask(s, "/", 400, "mfad: no way to AWS\",\"code\":\"MfadUpstreamUnreachable\"");
        session->failure.reason = FAILURE_WRONG_CODE;
        ask(s, "/", 403, "mfad: no way to AWS");
        session->failure.at_wall_sec -= 3600; /* history */
        ask(s, "/", 403, "MfadMfaRequired");
        ask(s, "/healthz", 200, "{\"state\":\"locked\"}");

        fake_session_unlock(session, 0);
        ask(s, "/", 200, FAKE_SECRET);
        fake_session_lock(session);
        ask(s, "/", 403, "MfadLocked");
}

/* Creds that are held are served, whatever is known about the vault. */
static void test_closed_vault(void **state) {
        struct server *s = *state;

        fake_session_unlock(fake_session_add("unknown-name"), 0);
        fake_vault = VAULT_SEALED;
        fake_default_profile = NULL;
        ask(s, "/profile/unknown-name", 200, FAKE_SECRET);
        ask(s, "/", 200, FAKE_SECRET);
        fake_is_connected = false;
        ask(s, "/", 200, FAKE_SECRET);
        fake_session_unlock(fake_session_add("second"), 0);
        ask(s, "/", 400, "MfadUnknownProfile"); /* which one? */
        fake_is_connected = true;
        fake_vault = VAULT_OPEN; /* now it is known that the key is gone */
        ask(s, "/profile/unknown-name", 400, "MfadUnknownProfile");
}

static void test_held_then_unlocked(void **state) {
        _cleanup_(client_freep) struct client *a = NULL, *b = NULL, *other = NULL;
        struct server *s = *state;
        struct session *session = fake_session_add("default");
        struct session *second = fake_session_add("second");

        session->is_busy = second->is_busy = true;
        session->state = SESSION_UNLOCKING;
        a = client_new(s);
        b = client_new(s);
        other = client_new(s);
        client_get(a, s, "/");
        client_get(b, s, "/profile/default");
        client_get(other, s, "/profile/second");
        run_for(s, 200);
        client_take(a);
        assert_int_equal(a->len, 0);
        fake_session_changed(session); /* still busy: nothing to tell */
        run_for(s, 50);
        client_take(a);
        assert_int_equal(a->len, 0);

        fake_session_unlock(session, 0);
        expect(s, a, 200, FAKE_SECRET);
        expect(s, b, 200, FAKE_SECRET);
        client_take(other);
        assert_int_equal(other->len, 0);
        expect(s, other, 503, "MfadPending");

        client_get(a, s, "/"); /* and the connection is as good as before */
        expect(s, a, 200, FAKE_SECRET);
}

static void test_held_in_vain(void **state) {
        _cleanup_(client_freep) struct client *c = NULL, *gone = NULL;
        struct server *s = *state;
        struct session *session = fake_session_add("default");
        uint64_t begin, took;

        session->is_busy = true;
        c = client_new(s);
        gone = client_new(s);
        client_get(c, s, "/");
        client_get(gone, s, "/");
        begin = clock_boot_usec();
        run_for(s, 100);
        gone = client_free(gone); /* leaves while held */
        expect(s, c, 503, "MfadPending");
        took = (clock_boot_usec() - begin) / USEC_PER_MSEC;
        assert_in_range(took, ENDPOINT_HOLD_MSEC, ENDPOINT_HOLD_MSEC + SOON_MSEC);

        session->is_busy = false;
        session->has_failed = true;
        session->failure = (struct failure){
                .reason = FAILURE_WRONG_CODE, .at_wall_sec = clock_wall_sec(), .message = "no"};
        fake_session_changed(session);
        ask(s, "/", 403, "mfad: no");
}

static void test_bad_tokens(void **state) {
        static const char wrong[] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        _cleanup_(client_freep) struct client *c = NULL;
        struct server *s = *state;
        uint64_t begin;

        fake_session_unlock(fake_session_add("default"), 0);
        c = client_new(s);
        begin = clock_boot_usec();
        for (unsigned i = 0; i < ENDPOINT_BAD_TOKENS_MAX; i++) {
                client_get_with(c, s, "/", wrong);
                expect(s, c, 403, "MfadBadToken");
        }
        assert_true(clock_boot_usec() - begin < ENDPOINT_BAD_TOKENS_MAX * 100 * USEC_PER_MSEC / 2);

        begin = clock_boot_usec();
        client_get_with(c, s, "/", wrong);
        expect(s, c, 403, "MfadBadToken");
        assert_true(clock_boot_usec() - begin >= ENDPOINT_BAD_TOKEN_MSEC * USEC_PER_MSEC);

        client_get(c, s, "/"); /* a good one is not delayed */
        expect(s, c, 200, FAKE_SECRET);
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
        assert_int_equal(endpoint_new(s->event, (struct sessions *)&s->nothing,
                                      (struct profiles *)&s->nothing, s->tokens,
                                      (struct signer_client *)&s->nothing, &s->endpoint),
                         0);
        assert_int_equal(http_in_new(s->event, fd, fd6, s->port, s->endpoint, &s->http), 0);
        expect(s, next, 200, "state");
}

int main(void) {
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(test_creds),
                TEST(test_pipelined_and_slow),
                TEST(test_excuses),
                TEST(test_closed_vault),
                TEST(test_held_then_unlocked),
                TEST(test_held_in_vain),
                TEST(test_bad_tokens),
                TEST(test_deadlines),
                TEST(test_connection_limit),
                TEST(test_no_descriptors),
                TEST(test_ipv6_is_refused),
                TEST(test_detach),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
