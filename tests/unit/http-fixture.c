#include "tests/unit/http-fixture.h"
#include "common/secret.h"
#include "tests/unit/fake-front.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#define STEP_USEC (5 * USEC_PER_MSEC)

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

int set_up(void **state) {
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
        if (fake_endpoint_new(s->event, s->tokens, &s->endpoint) < 0)
                return -1;
        *state = s;
        return http_in_new(s->event, fd, fd6, s->port, s->endpoint, NULL, &s->http);
}

int tear_down(void **state) {
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

struct client *client_new(const struct server *s) {
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

struct client *client_free(struct client *c) {
        if (c) {
                (void)fd_close(c->fd);
                free(c);
        }
        return NULL;
}
void client_send(struct client *c, const char *text) {
        assert_int_equal(send(c->fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

void client_get_with(struct client *c, const struct server *s, const char *path,
                     const char *token) {
        char text[1024];

        (void)snprintf(text, sizeof(text),
                       "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nAuthorization: %s\r\n\r\n", path,
                       (unsigned)s->port, token);
        client_send(c, text);
}

void client_get(struct client *c, const struct server *s, const char *path) {
        client_get_with(c, s, path, s->token);
}

void client_take(struct client *c) {
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

bool client_has_answer(const struct client *c) {
        const char *end = strstr(c->answer, "\r\n\r\n");
        const char *length = strstr(c->answer, "Content-Length: ");

        return end && length && c->len >= (size_t)(end + 4 - c->answer) + (size_t)atoi(length + 16);
}

void turn(struct server *s) {
        assert_true(sd_event_run(s->event, STEP_USEC) >= 0);
}

bool run_until_answer(struct server *s, struct client *c, unsigned msec) {
        uint64_t end = clock_boot_usec() + msec * USEC_PER_MSEC;

        do {
                turn(s);
                client_take(c);
        } while (!client_has_answer(c) && !c->is_closed && clock_boot_usec() < end);
        return client_has_answer(c);
}

bool run_until_closed(struct server *s, struct client *c, unsigned msec) {
        uint64_t end = clock_boot_usec() + msec * USEC_PER_MSEC;

        do {
                turn(s);
                client_take(c);
        } while (!c->is_closed && clock_boot_usec() < end);
        return c->is_closed;
}

void run_for(struct server *s, unsigned msec) {
        uint64_t end = clock_boot_usec() + msec * USEC_PER_MSEC;

        while (clock_boot_usec() < end)
                turn(s);
}

unsigned status_of(const struct client *c) {
        return strncmp(c->answer, "HTTP/1.1 ", 9) == 0 ? (unsigned)atoi(c->answer + 9) : 0;
}

void expect(struct server *s, struct client *c, unsigned status, const char *text) {
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

void ask(struct server *s, const char *path, unsigned status, const char *text) {
        _cleanup_(client_freep) struct client *c = client_new(s);

        client_get(c, s, path);
        expect(s, c, status, text);
}
