/* bare-server.c - the least that a single-threaded epoll server can do, as the yardstick for mfad.
 * Owns:  one listener on 127.0.0.1 and its connections.
 * Calls: the kernel.
 * Limit: CONNECTIONS_MAX connections, REQUEST_MAX bytes a request; it checks nothing at all.
 * usage: bare-server PORT KEEP-ALIVE-ANSWER CLOSE-ANSWER: files with the whole bytes of each answer. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS_MAX 4096
#define REQUEST_MAX     4096
#define ANSWER_MAX      16384
#define EVENTS_MAX      256

struct answer {
        char bytes[ANSWER_MAX];
        size_t len;
};
struct connection {
        size_t len;
        char request[REQUEST_MAX];
};

static struct answer keep_answer, close_answer;
static struct connection *connections[CONNECTIONS_MAX]; /* by descriptor */

static void die(const char *what) {
        perror(what);
        exit(1);
}

static void load_answer(const char *path, struct answer *ret) {
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : read(fd, ret->bytes, sizeof(ret->bytes));

        if (n <= 0)
                die(path);
        ret->len = (size_t)n;
        (void)close(fd); /* read only */
}

static int listen_on(int port) {
        struct sockaddr_in address = {.sin_family = AF_INET,
                                      .sin_port = htons((uint16_t)port),
                                      .sin_addr = {htonl(INADDR_LOOPBACK)}};
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        int one = 1;

        if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
            bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 1024) < 0)
                die("listen");
        return fd;
}

static void drop(int fd) {
        free(connections[fd]);
        connections[fd] = NULL;
        (void)close(fd); /* leaves the epoll set with it */
}

static void accept_all(int listen_fd, int epoll_fd) {
        for (;;) {
                int fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
                struct epoll_event event = {.events = EPOLLIN, .data = {.fd = fd}};
                int one = 1;

                if (fd < 0)
                        return;
                if (fd >= CONNECTIONS_MAX ||
                    !(connections[fd] = malloc(sizeof(struct connection)))) {
                        (void)close(fd);
                        continue;
                }
                connections[fd]->len = 0;
                (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)); /* speed only */
                if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
                        drop(fd);
        }
}

/* Answers one request once its head is complete. Returns false when the connection must go. */
static bool serve(int fd, struct connection *c) {
        ssize_t n = read(fd, c->request + c->len, sizeof(c->request) - 1 - c->len);
        const struct answer *answer = &keep_answer;

        if (n <= 0)
                return n < 0 && errno == EAGAIN;
        c->len += (size_t)n;
        c->request[c->len] = '\0';
        if (c->len < 4 || memcmp(c->request + c->len - 4, "\r\n\r\n", 4) != 0)
                return c->len < sizeof(c->request) - 1;
        if (strstr(c->request, "\r\nConnection: close\r\n"))
                answer = &close_answer;
        c->len = 0;
        if (write(fd, answer->bytes, answer->len) != (ssize_t)answer->len)
                return false; /* an answer fits any fresh socket buffer */
        return answer == &keep_answer;
}

int main(int argc, char *argv[]) {
        struct epoll_event events[EVENTS_MAX];
        struct rlimit limit = {CONNECTIONS_MAX, CONNECTIONS_MAX};
        int listen_fd, epoll_fd;

        if (argc != 4) {
                fprintf(stderr, "usage: bare-server PORT KEEP-ALIVE-ANSWER CLOSE-ANSWER\n");
                return 2;
        }
        (void)setrlimit(RLIMIT_NOFILE,
                        &limit); /* the 1,000-connection case says if it was needed */
        load_answer(argv[2], &keep_answer);
        load_answer(argv[3], &close_answer);
        listen_fd = listen_on(atoi(argv[1]));
        epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        struct epoll_event event = {.events = EPOLLIN, .data = {.fd = listen_fd}};
        if (epoll_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listen_fd, &event) < 0)
                die("epoll");
        for (;;) {
                int n = epoll_wait(epoll_fd, events, EVENTS_MAX, -1);
                for (int i = 0; i < n; i++) {
                        int fd = events[i].data.fd;
                        if (fd == listen_fd)
                                accept_all(listen_fd, epoll_fd);
                        else if (!serve(fd, connections[fd]))
                                drop(fd);
                }
        }
}
