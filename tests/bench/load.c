/* load.c - asks a server on 127.0.0.1 as often as it can and counts whole, right answers.
 * Owns:  its connections.
 * Calls: the kernel.
 * Limit: CONNECTIONS_MAX connections; ends after SECONDS or REQUESTS, whichever comes first.
 * usage: load PORT keep|close CONNECTIONS REQUESTS SECONDS REQUEST-FILE ANSWER-LENGTH
 * Prints: answers, errors, connections without any answer, seconds, microseconds of the slowest one. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS_MAX 2048
#define REQUEST_MAX     4096
#define EVENTS_MAX      256
#define ERRORS_MAX      1000 /* a server that refuses everything must not keep us busy */

struct connection {
        int fd;
        size_t got;
        uint64_t sent_nsec;
        uint64_t answers;
};

static struct connection connections[CONNECTIONS_MAX];
static struct sockaddr_in address = {.sin_family = AF_INET};
static char request[REQUEST_MAX];
static size_t request_len, answer_len;
static uint64_t answers, errors, slowest_nsec, started, wanted;
static bool is_closing;
static int epoll_fd;

static uint64_t now_nsec(void) {
        struct timespec t;

        (void)clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail for this clock */
        return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void send_request(struct connection *c) {
        c->got = 0;
        c->sent_nsec = now_nsec();
        if (started < wanted && write(c->fd, request, request_len) == (ssize_t)request_len)
                started++;
}

static void open_connection(struct connection *c) {
        struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = c}};

        c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        /* a blocking connect: on loopback it is done when it returns */
        if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
            fcntl(c->fd, F_SETFL, O_NONBLOCK) < 0 ||
            epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &event) < 0) {
                errors++;
                if (c->fd >= 0)
                        (void)close(c->fd);
                c->fd = -1;
                return;
        }
        send_request(c);
}

static void close_connection(struct connection *c) {
        (void)close(c->fd);
        c->fd = -1;
}

static void count_answer(struct connection *c) {
        uint64_t took = now_nsec() - c->sent_nsec;

        answers++;
        c->answers++;
        if (took > slowest_nsec)
                slowest_nsec = took;
}

static void on_readable(struct connection *c) {
        char buffer[16384];
        ssize_t n = read(c->fd, buffer, sizeof(buffer));

        if (n < 0 && errno == EAGAIN)
                return;
        if (n > 0) {
                if (c->got == 0 && (n < 12 || memcmp(buffer + 9, "200", 3) != 0))
                        errors++;
                c->got += (size_t)n;
                if (c->got < answer_len)
                        return;
                if (c->got > answer_len)
                        errors++;
                count_answer(c);
                if (!is_closing) {
                        send_request(c);
                        return;
                }
                /* "one connection per request" includes the server's close */
                while ((n = read(c->fd, buffer, sizeof(buffer))) > 0)
                        errors++;
                if (n < 0 && errno == EAGAIN) {
                        c->got = answer_len + 1; /* only the end is missing */
                        return;
                }
        } else if (c->got != answer_len + 1) {
                errors++; /* ended before the answer was whole */
        }
        close_connection(c);
        if (started < wanted && errors < ERRORS_MAX)
                open_connection(c);
}

static void load_request(const char *path) {
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : read(fd, request, sizeof(request));

        if (n <= 0) {
                perror(path);
                exit(1);
        }
        request_len = (size_t)n;
        (void)close(fd); /* read only */
}

static void report(unsigned count, uint64_t began) {
        unsigned silent = 0;

        for (unsigned i = 0; i < count; i++)
                silent += connections[i].answers == 0;
        printf("%lu %lu %u %.6f %.1f\n", answers, errors, silent,
               (double)(now_nsec() - began) / 1e9, (double)slowest_nsec / 1e3);
}

int main(int argc, char *argv[]) {
        struct epoll_event events[EVENTS_MAX];
        struct rlimit limit = {CONNECTIONS_MAX + 64, CONNECTIONS_MAX + 64};
        unsigned count;
        uint64_t began, end;

        if (argc != 8) {
                fprintf(stderr, "usage: load PORT keep|close CONNECTIONS REQUESTS SECONDS "
                                "REQUEST-FILE ANSWER-LENGTH\n");
                return 2;
        }
        address.sin_port = htons((uint16_t)atoi(argv[1]));
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        is_closing = strcmp(argv[2], "close") == 0;
        count = (unsigned)atoi(argv[3]);
        wanted = strtoull(argv[4], NULL, 10);
        load_request(argv[6]);
        answer_len = strtoull(argv[7], NULL, 10);
        if (count == 0 || count > CONNECTIONS_MAX)
                return 2;
        (void)setrlimit(RLIMIT_NOFILE, &limit); /* else connect() says so */
        epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        began = now_nsec();
        end = began + strtoull(argv[5], NULL, 10) * 1000000000;
        for (unsigned i = 0; i < count; i++)
                open_connection(&connections[i]);
        while (answers < wanted && errors < ERRORS_MAX && now_nsec() < end) {
                /* never asleep: else a server would pay for waking us, the more so the slower it is */
                int n = epoll_wait(epoll_fd, events, EVENTS_MAX, 0);
                for (int i = 0; i < n; i++)
                        on_readable(events[i].data.ptr);
        }
        report(count, began);
        return errors > 0;
}
