/* test-hooks.c - when idle time is over, and that no bus, a silent one or an unwanted one changes nothing. */
#include "common/clock.h"
#include "common/log.h"
#include "daemon/front/config.h"
#include "daemon/front/hooks.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <cmocka.h>

#define NOW   (UINT64_C(100000) * USEC_PER_SEC)
#define LIMIT (600 * USEC_PER_SEC)

static char dir[64], path[96], address[128];
static struct config config;
static sd_event *event;
static struct hooks *hooks;
static unsigned locks;

static void on_lock(void *userdata _unused_) {
        locks++;
}

static int setup(void **state _unused_) {
        strcpy(dir, "/tmp/mfad-test-XXXXXX");
        if (!mkdtemp(dir))
                return -1;
        (void)snprintf(path, sizeof(path), "%s/bus", dir);
        (void)snprintf(address, sizeof(address), "unix:path=%s", path);
        config = (struct config){.lock_on_logout = true};
        locks = 0;
        if (setenv("DBUS_SYSTEM_BUS_ADDRESS", address, 1) < 0 || sd_event_new(&event) < 0)
                return -1;
        return hooks_new(event, &config, on_lock, NULL, &hooks);
}

static int teardown(void **state _unused_) {
        hooks = hooks_free(hooks);
        event = sd_event_unref(event);
        (void)unlink(path); /* not there in every test */
        return rmdir(dir);
}

static int listen_here(void) {
        struct sockaddr_un a = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        strcpy(a.sun_path, path);
        assert_int_equal(bind(fd, (const struct sockaddr *)&a, sizeof(a)), 0);
        assert_int_equal(listen(fd, 4), 0);
        return fd;
}

/* What is to be done now. */
static void run(void) {
        for (unsigned i = 0; i < 20 && sd_event_run(event, 0) > 0; i++)
                ;
}

static bool is_readable(int fd) {
        struct pollfd p = {.fd = fd, .events = POLLIN};

        return poll(&p, 1, 0) > 0;
}

static void test_idle_time(void **state _unused_) {
        static const struct {
                const char *what;
                bool is_idle;
                uint64_t since_sec; /* before now, while awake; 0: logind does not know */
                uint64_t from_sec;  /* before now */
                bool is_over;
                uint64_t due_sec; /* from now, when it is not over */
        } rows[] = {
                {"not idle", false, 3000, 3000, false, 600},
                {"just begun", true, 1, 3000, false, 599},
                {"almost", true, 599, 3000, false, 1},
                {"to the point", true, 600, 3000, true, 0},
                {"long since", true, 2500, 3000, true, 0},
                {"idle before we looked", true, 2500, 100, false, 500},
                {"nobody knows since when", true, 0, 100, false, 500},
                {"nobody knows, long since", true, 0, 600, true, 0},
        };

        clock_freeze(NOW, 1800000000);
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                struct hooks_idle idle = {.is_idle = rows[i].is_idle,
                                          .from_usec = NOW - rows[i].from_sec * USEC_PER_SEC,
                                          .limit_usec = LIMIT};
                uint64_t due = 0;

                if (rows[i].since_sec > 0)
                        idle.since_awake_usec = NOW - rows[i].since_sec * USEC_PER_SEC;
                if (hooks_idle_is_over(&idle, &due) != rows[i].is_over ||
                    (!rows[i].is_over && due != NOW + rows[i].due_sec * USEC_PER_SEC))
                        fail_msg("%s: due %lld s from now", rows[i].what,
                                 (long long)(due - NOW) / (long long)USEC_PER_SEC);
        }
}

static void test_sleep_between_two_looks(void **state _unused_) {
        static const struct {
                uint64_t before, now, slept;
        } rows[] = {
                {0, 0, 0},
                {100, 100, 0},
                {100, 99, 0}, /* the clocks were looked at a moment apart */
                {3, 0, 0},
                {0, LIMIT, LIMIT},
                {5, LIMIT + 4, LIMIT - 1},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                if (hooks_slept_usec(rows[i].before, rows[i].now) != rows[i].slept)
                        fail_msg("row %zu", i);
}

static void test_nothing_on(void **state _unused_) {
        int fd = listen_here();

        config.lock_on_logout = false;
        hooks_set_unlocked(hooks, true);
        run();
        assert_false(is_readable(fd));
        config.lock_idle_sec = 60;
        hooks_set_unlocked(hooks, true);
        assert_true(is_readable(fd));
        (void)fd_close(fd);
}

static void test_connected_only_while_unlocked(void **state _unused_) {
        int fd = listen_here(), peer;
        char byte[512];

        run();
        assert_false(is_readable(fd));
        hooks_set_unlocked(hooks, true);
        hooks_set_unlocked(hooks, true);
        run();
        peer = accept(fd, NULL, NULL);
        assert_true(peer >= 0);
        assert_false(is_readable(fd)); /* one connection is enough */
        hooks_set_unlocked(hooks, false);
        while (recv(peer, byte, sizeof(byte), MSG_DONTWAIT) > 0)
                ;
        assert_int_equal(recv(peer, byte, sizeof(byte), MSG_DONTWAIT), 0);
        hooks_set_unlocked(hooks, true);
        assert_true(is_readable(fd));
        (void)fd_close(peer);
        (void)fd_close(fd);
        assert_int_equal(locks, 0);
}

/* How often @f has the notice. */
static unsigned count_notices(FILE *f) {
        char line[LOG_LINE_MAX + 2];
        unsigned n = 0;

        rewind(f);
        while (fgets(line, sizeof(line), f))
                n += strstr(line, "may not work") != NULL;
        return n;
}

static void test_bad_bus_is_told_once(void **state _unused_) {
        static const char *const addresses[] = {NULL, "unixexec:path=/bin/true",
                                                "tcp:host=127.0.0.1,port=1", "",
                                                "unix:path=/nonexistent;tcp:host=127.0.0.1,port=1"};

        for (size_t i = 0; i < ELEMENTSOF(addresses); i++) {
                int saved = dup(STDERR_FILENO);
                FILE *f = tmpfile();
                unsigned n;

                assert_non_null(f);
                if (addresses[i])
                        assert_int_equal(setenv("DBUS_SYSTEM_BUS_ADDRESS", addresses[i], 1), 0);
                hooks = hooks_free(hooks);
                assert_int_equal(hooks_new(event, &config, on_lock, NULL, &hooks), 0);
                assert_true(dup2(fileno(f), STDERR_FILENO) >= 0);
                for (unsigned k = 0; k < 3; k++) {
                        hooks_set_unlocked(hooks, true);
                        run();
                        hooks_set_unlocked(hooks, false);
                }
                assert_true(dup2(saved, STDERR_FILENO) >= 0);
                (void)close(saved);
                n = count_notices(f);
                (void)fclose(f);
                if (n != 1)
                        fail_msg("row %zu: %u notices", i, n);
        }
        assert_int_equal(locks, 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_idle_time, setup, teardown),
                cmocka_unit_test(test_sleep_between_two_looks),
                cmocka_unit_test_setup_teardown(test_nothing_on, setup, teardown),
                cmocka_unit_test_setup_teardown(test_connected_only_while_unlocked, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(test_bad_bus_is_told_once, setup, teardown),
        };

        log_open("test-hooks", LOG_LEVEL_NOTICE);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
