/* varlink-fixture.h - a real service on a real socket, and peers in the same process, for its tests.
 * Owns:  the service org.example.Test, its event loop and its directory, new for each test.
 * Calls: daemon/shared, cmocka.
 * Limit: one service at a time. */
#pragma once
#include "common/clock.h"
#include "daemon/shared/listen.h"
#include "daemon/shared/varlink_server.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <cmocka.h>

static const char description[] = "# A service for tests.\n"
                                  "interface org.example.Test\n"
                                  "type Pair (method: string, b: ?int)\n"
                                  "method Echo(text: string, # said back\n"
                                  "  times: ?int) -> (text: string)\n"
                                  "method Keep() -> ()\n"
                                  "method Watch() -> ()\n"
                                  "method Big(bytes: int) -> (text: string)\n"
                                  "method Detach() -> ()\n"
                                  "method FreeServer() -> ()\n"
                                  "method Lock(now: ?bool) -> ()\n"
                                  "error Failed (message: string)\n";

struct fixture {
        sd_event *event;
        struct varlink_server *server;
        char dir[64];
        struct sockaddr_un address;
        struct varlink_call *kept; /* of Keep or Watch */
        unsigned n_runs, n_gone;
        int detached;
};

static void on_echo(struct varlink_call *call, const json_t *parameters, void *userdata) {
        struct fixture *f = userdata;

        f->n_runs++;
        varlink_call_reply(call, json_pack("{s:s}", "text", varlink_string(parameters, "text")));
}

static void on_gone(struct varlink_call *call, void *userdata) {
        struct fixture *f = userdata;

        assert_ptr_equal(call, f->kept);
        f->kept = NULL;
        f->n_gone++;
}

static void on_keep(struct varlink_call *call, const json_t *parameters _unused_, void *userdata) {
        struct fixture *f = userdata;

        f->n_runs++;
        f->kept = call;
        varlink_call_on_gone(call, on_gone, f);
}

static void on_watch(struct varlink_call *call, const json_t *parameters, void *userdata) {
        if (!varlink_call_wants_more(call)) {
                varlink_call_reply(call, NULL);
                return;
        }
        on_keep(call, parameters, userdata);
        assert_int_equal(varlink_call_notify(call, json_pack("{s:i}", "n", 0)), 0);
}

static void on_big(struct varlink_call *call, const json_t *parameters, void *userdata _unused_) {
        size_t len = (size_t)varlink_int(parameters, "bytes", 0);
        _cleanup_(freep) char *text = malloc(len + 1);

        assert_non_null(text);
        memset(text, 'x', len);
        text[len] = '\0';
        varlink_call_reply(call, json_pack("{s:s}", "text", text));
}

static void on_detach(struct varlink_call *call, const json_t *parameters _unused_,
                      void *userdata) {
        struct fixture *f = userdata;

        f->detached = varlink_call_detach_fd(call);
}

static void on_free_server(struct varlink_call *call _unused_, const json_t *parameters _unused_,
                           void *userdata) {
        struct fixture *f = userdata;

        f->server = varlink_server_free(f->server);
}

static void on_lock(struct varlink_call *call, const json_t *parameters _unused_, void *userdata) {
        struct fixture *f = userdata;

        f->n_runs++;
        varlink_call_error(call, "org.example.Test.Failed", json_pack("{s:s}", "message", "no"));
}

static const struct varlink_field echo_fields[] = {
        {.name = "text", .type = VARLINK_STRING, .max = 64},
        {.name = "times", .type = VARLINK_INT, .is_optional = true, .min = 1, .max = 3},
        {0},
};
static const struct varlink_field big_fields[] = {
        {.name = "bytes", .type = VARLINK_INT, .max = 1024 * 1024},
        {0},
};
static const struct varlink_field lock_fields[] = {
        {.name = "now", .type = VARLINK_BOOL, .is_optional = true},
        {0},
};
static const struct varlink_method methods[] = {
        {.name = "Echo", .fields = echo_fields, .fn = on_echo},
        {.name = "Keep", .fn = on_keep},
        {.name = "Watch", .fn = on_watch, .takes_more = true},
        {.name = "Big", .fields = big_fields, .fn = on_big},
        {.name = "Detach", .fn = on_detach},
        {.name = "FreeServer", .fn = on_free_server},
        {.name = "Lock", .fields = lock_fields, .fn = on_lock, .is_urgent = true},
        {0},
};
static const struct varlink_interface test_interface = {
        .name = "org.example.Test",
        .description = description,
        .product = "test",
        .methods = methods,
};

static inline int setup(void **state) {
        struct fixture *f = calloc(1, sizeof(*f));
        int fd;

        assert_non_null(f);
        strcpy(f->dir, "/tmp/mfad-test-XXXXXX");
        assert_non_null(mkdtemp(f->dir));
        fd = listen_unix(f->dir, "s", SOCK_STREAM);
        assert_true(fd >= 0);
        f->address.sun_family = AF_UNIX;
        (void)snprintf(f->address.sun_path, sizeof(f->address.sun_path), "%s/s", f->dir);
        assert_true(sd_event_new(&f->event) >= 0);
        assert_int_equal(varlink_server_new(f->event, fd, &test_interface, f, &f->server), 0);
        assert_int_equal(varlink_server_listen_fd(f->server), fd);
        f->detached = -EBADF;
        *state = f;
        return 0;
}

static inline int teardown(void **state) {
        struct fixture *f = *state;

        f->server = varlink_server_free(f->server);
        assert_null(f->kept);
        (void)unlink(f->address.sun_path); /* may be gone: the next line tells */
        assert_int_equal(rmdir(f->dir), 0);
        (void)fd_close(f->detached);
        f->event = sd_event_unref(f->event);
        free(f);
        return 0;
}

/* Runs the loop until nothing is left to do for @msec. */
static inline void settle(struct fixture *f, unsigned msec) {
        while (sd_event_run(f->event, msec * USEC_PER_MSEC) > 0)
                continue;
}

static inline int peer(struct fixture *f) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        assert_true(fd >= 0);
        assert_int_equal(connect(fd, (struct sockaddr *)&f->address, sizeof(f->address)), 0);
        settle(f, 0);
        return fd;
}

/* Sends @text and a NUL, and lets the service work. */
static inline void say(struct fixture *f, int fd, const char *text) {
        size_t len = strlen(text) + 1;

        assert_int_equal(send(fd, text, len, MSG_NOSIGNAL), len);
        settle(f, 1);
}

/* The next bytes from @fd are @text and a NUL. */
static inline void hear(int fd, const char *text) {
        char answer[8192] = "";
        ssize_t n;

        assert_true(strlen(text) < sizeof(answer));
        n = recv(fd, answer, strlen(text) + 1, 0);
        if (n < 0)
                fail_msg("no answer where %s should be", text);
        assert_string_equal(answer, text);
        assert_int_equal(n, strlen(text) + 1);
}

static inline void hear_nothing(int fd) {
        char c;

        assert_int_equal(recv(fd, &c, 1, 0), -1);
        assert_int_equal(errno, EAGAIN);
}

/* Closed, and without an answer. Unread bytes turn the end of file into ECONNRESET. */
static inline void hear_end(int fd) {
        char c;
        ssize_t n = recv(fd, &c, 1, 0);

        assert_true(n == 0 || (n < 0 && errno == ECONNRESET));
}

static inline unsigned count_fds(void) {
        DIR *d = opendir("/proc/self/fd");
        unsigned n = 0;

        assert_non_null(d);
        while (readdir(d))
                n++;
        (void)closedir(d);
        return n;
}

#define ECHO(text)   "{\"method\":\"org.example.Test.Echo\",\"parameters\":{\"text\":\"" text "\"}}"
#define ECHOED(text) "{\"parameters\":{\"text\":\"" text "\"}}"
#define CALL(name)   "{\"method\":\"org.example.Test." name "\"}"
#define ERROR(name, key, value)                                                                    \
        "{\"error\":\"org.varlink.service." name "\",\"parameters\":{\"" key "\":\"" value "\"}}"

/* Runs the loop until @msec have passed. */
static inline void run_for(struct fixture *f, unsigned msec) {
        uint64_t end = clock_boot_usec() + msec * USEC_PER_MSEC;

        for (uint64_t now = clock_boot_usec(); now < end; now = clock_boot_usec())
                (void)sd_event_run(f->event, end - now); /* 0 is the time-out */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
