/* load.c - asks a server on 127.0.0.1 as often as it can and counts right answers.
 * Owns:  its connections.
 * Calls: the kernel.
 * Limit: CONNECTIONS_MAX connections; ends after SECONDS or REQUESTS, whichever comes first.
 * Reads each answer as a client must, head and JSON body byte by byte, and compares the body.
 * usage: load PORT keep|close CONNECTIONS REQUESTS SECONDS REQUEST-FILE ANSWER-FILE
 * Prints: answers, errors, connections without any answer, seconds, microseconds of the slowest one. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS_MAX 2048
#define REQUEST_MAX     4096
#define ANSWER_MAX      16384
#define EVENTS_MAX      256
#define ERRORS_MAX      1000 /* a server that refuses everything must not keep us busy */

struct connection {
        int fd;
        size_t got;
        bool is_answered; /* only the server's close is missing */
        uint64_t sent_nsec;
        uint64_t answers;
        char answer[ANSWER_MAX];
};

static struct connection connections[CONNECTIONS_MAX];
static struct sockaddr_in address = {.sin_family = AF_INET};
static char request[REQUEST_MAX];
static char expected[ANSWER_MAX], *expected_body;
static size_t request_len, body_len;
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
        c->is_answered = false;
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

static void count_answer(struct connection *c) {
        uint64_t took = now_nsec() - c->sent_nsec;

        answers++;
        c->answers++;
        if (took > slowest_nsec)
                slowest_nsec = took;
}

/* What HTTP clients spend their time on: each byte of the head is looked at, as a name, a value or the
 * end of a line. Returns the body once the head is complete, else NULL; its length by its own word. */
static char *parse_head(char *text, size_t len, size_t *ret_body_len) {
        enum {
                LINE,
                NAME,
                VALUE
        } state = LINE;
        char *line = text;

        for (char *p = text; p < text + len; p++) {
                switch (state) {
                case LINE:
                        if (*p == '\n')
                                return p + 1;
                        if (*p == '\r')
                                break;
                        line = p;
                        state = NAME;
                        break;
                case NAME:
                        if (*p == ':' && strncasecmp(line, "Content-Length", 14) == 0)
                                *ret_body_len = strtoul(p + 1, NULL, 10);
                        if (*p == ':' || *p == ' ')
                                state = VALUE;
                        break;
                case VALUE:
                        if (*p == '\n')
                                state = LINE;
                        break;
                }
        }
        return NULL;
}

/* As far into JSON as it takes to know the strings: true when quotes and braces are balanced and the
 * bytes are the expected ones. */
static bool parse_body(const char *body, size_t len) {
        bool in_string = false;
        int depth = 0;

        if (len != body_len)
                return false;
        for (size_t i = 0; i < len; i++) {
                if (body[i] != expected_body[i])
                        return false;
                if (body[i] == '"')
                        in_string = !in_string;
                else if (!in_string)
                        depth += (body[i] == '{') - (body[i] == '}');
        }
        return !in_string && depth == 0;
}

/* True when the answer is whole, right or wrong. */
static bool judge(struct connection *c) {
        size_t len = 0;
        char *body = parse_head(c->answer, c->got, &len);

        if (!body || c->got < (size_t)(body - c->answer) + len)
                return false;
        if (memcmp(c->answer + 9, "200", 3) != 0 || c->got != (size_t)(body - c->answer) + len ||
            !parse_body(body, len))
                errors++;
        return true;
}

static void next_connection(struct connection *c) {
        (void)close(c->fd); /* it is over */
        c->fd = -1;
        if (started < wanted && errors < ERRORS_MAX)
                open_connection(c);
}

static void on_readable(struct connection *c) {
        ssize_t n = read(c->fd, c->answer + c->got, sizeof(c->answer) - 1 - c->got);

        if (n < 0 && errno == EAGAIN)
                return;
        if (n <= 0 || c->is_answered) {
                errors += n > 0 || !c->is_answered; /* more than was asked for, or less */
                next_connection(c);
                return;
        }
        c->got += (size_t)n;
        c->answer[c->got] = '\0';
        if (!judge(c))
                return;
        count_answer(c);
        if (!is_closing)
                send_request(c);
        else
                c->is_answered = true; /* "one request each" ends with the server's close */
}

static size_t load_file(const char *path, char *ret, size_t size) {
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : read(fd, ret, size - 1);

        if (n <= 0) {
                perror(path);
                exit(1);
        }
        ret[n] = '\0';
        (void)close(fd); /* read only */
        return (size_t)n;
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
                                "REQUEST-FILE ANSWER-FILE\n");
                return 2;
        }
        address.sin_port = htons((uint16_t)atoi(argv[1]));
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        is_closing = strcmp(argv[2], "close") == 0;
        count = (unsigned)atoi(argv[3]);
        wanted = strtoull(argv[4], NULL, 10);
        request_len = load_file(argv[6], request, sizeof(request));
        expected_body =
                parse_head(expected, load_file(argv[7], expected, sizeof(expected)), &body_len);
        if (!expected_body || count == 0 || count > CONNECTIONS_MAX)
                return 2;
        (void)setrlimit(RLIMIT_NOFILE, &limit); /* else connect() says so */
        epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        began = now_nsec();
        end = began + strtoull(argv[5], NULL, 10) * 1000000000;
        for (unsigned i = 0; i < count; i++)
                open_connection(&connections[i]);
        while (answers < wanted && errors < ERRORS_MAX && now_nsec() < end) {
                int n = epoll_wait(epoll_fd, events, EVENTS_MAX, 100);
                for (int i = 0; i < n; i++)
                        on_readable(events[i].data.ptr);
        }
        report(count, began);
        return errors > 0;
}
