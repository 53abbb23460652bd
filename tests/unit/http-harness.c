/* http-harness.c - the HTTP face of mfad alone, with a session of made-up credentials behind it: for
 * measuring it, and for looking at it under a debugger or valgrind.
 * usage: http-harness PORT FOLDER unlocked|locked; the client token is put into FOLDER.
 * Owns:  one listener.
 * Calls: http_in.h, endpoint.h, tokens.h; fake-front.h.
 * Limit: one session, for an hour. */
#include "common/log.h"
#include "common/secret.h"
#include "daemon/front/endpoint.h"
#include "daemon/front/http_in.h"
#include "daemon/front/tokens.h"
#include "tests/unit/fake-front.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#define BACKLOG 1024

static int listen_on(uint16_t port) {
        struct sockaddr_in a = {.sin_family = AF_INET,
                                .sin_port = htons(port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        int one = 1;
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
            bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, BACKLOG) < 0)
                return -errno;
        return fd;
}

static int run(uint16_t port, int dir_fd) {
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        _cleanup_(tokens_freep) struct tokens *tokens = NULL;
        _cleanup_(endpoint_freep) struct endpoint *endpoint = NULL;
        _cleanup_(http_in_freep) struct http_in *http = NULL;
        sigset_t mask;
        int fd, r;

        fd = listen_on(port);
        if (fd < 0)
                return fd;
        r = sd_event_default(&event);
        if (r < 0)
                return r;
        (void)sigemptyset(&mask);
        (void)sigaddset(&mask, SIGTERM);
        (void)sigprocmask(SIG_BLOCK, &mask, NULL);
        r = sd_event_add_signal(event, NULL, SIGTERM, NULL, NULL);
        if (r < 0)
                return r;
        r = tokens_new(dir_fd, &tokens);
        if (r < 0)
                return r;
        r = fake_endpoint_new(event, tokens, &endpoint);
        if (r < 0)
                return r;
        r = http_in_new(event, fd, -EBADF, port, endpoint, NULL, &http);
        if (r < 0)
                return r;
        return sd_event_loop(event);
}

int main(int argc, char *argv[]) {
        _cleanup_(fd_closep) int dir_fd = -EBADF;
        struct rlimit files = {4096, 4096};
        int r;

        log_open("http-harness", LOG_LEVEL_INFO);
        if (argc != 4) {
                fprintf(stderr, "usage: http-harness PORT FOLDER unlocked|locked\n");
                return 2;
        }
        (void)setrlimit(RLIMIT_NOFILE, &files); /* for measuring only */
        (void)signal(SIGPIPE, SIG_IGN);
        if (secret_arena_open() < 0)
                return 1;
        dir_fd = open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir_fd < 0)
                return 1;
        if (strcmp(argv[3], "unlocked") == 0)
                fake_session_unlock(fake_session_add("default"), 0);
        r = run((uint16_t)atoi(argv[1]), dir_fd);
        fake_reset();
        if (r < 0)
                (void)log_error(r, "harness failed");
        return r < 0;
}
