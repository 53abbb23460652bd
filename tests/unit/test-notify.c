/* test-notify.c - what the service manager hears, and that one which does not listen holds nobody up. */
#include "common/clock.h"
#include "common/macros.h"
#include "daemon/shared/notify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <cmocka.h>

static char dir[64], path[96];
static sd_event *event;
static int manager_fd = -EBADF;

static int set_up(void **state _unused_) {
        struct sockaddr_un a = {.sun_family = AF_UNIX};

        strcpy(dir, "/tmp/mfad-test-XXXXXX");
        if (!mkdtemp(dir))
                return -1;
        (void)snprintf(path, sizeof(path), "%s/notify", dir);
        strcpy(a.sun_path, path);
        manager_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (bind(manager_fd, (const struct sockaddr *)&a, sizeof(a)) < 0 ||
            setenv("NOTIFY_SOCKET", path, 1) < 0 || unsetenv("WATCHDOG_USEC") < 0)
                return -1;
        (void)alarm(20); /* who waits for the manager waits for ever */
        return sd_event_new(&event);
}

static int tear_down(void **state _unused_) {
        notify_stop();
        event = sd_event_unref(event);
        manager_fd = fd_close(manager_fd);
        (void)alarm(0);
        (void)unlink(path);
        return rmdir(dir);
}

/* The next message, "" for none. */
static const char *next(void) {
        static char text[NOTIFY_TEXT_MAX + 1];
        ssize_t n = recv(manager_fd, text, NOTIFY_TEXT_MAX, MSG_DONTWAIT);

        text[n > 0 ? n : 0] = '\0';
        return text;
}

static void fill_queue(void) {
        struct sockaddr_un a = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        size_t n = 0;

        strcpy(a.sun_path, path);
        while (sendto(fd, "x", 1, 0, (const struct sockaddr *)&a, sizeof(a)) == 1)
                assert_true(++n < 100000);
        assert_int_equal(errno, EAGAIN);
        (void)fd_close(fd);
}

static void empty_queue(void) {
        while (*next())
                ;
}

/* Runs the loop for @msec. Returns how often something happened. */
static unsigned run(uint64_t msec) {
        uint64_t end = clock_boot_usec() + msec * USEC_PER_MSEC, now;
        unsigned n = 0;

        while ((now = clock_boot_usec()) < end)
                n += sd_event_run(event, end - now) > 0;
        return n;
}

static void test_told_at_once(void **state _unused_) {
        assert_int_equal(notify_start(event), 0);
        notify_send("READY=1\nSTATUS=locked");
        assert_string_equal(next(), "READY=1\nSTATUS=locked");
        assert_int_equal(run(1500), 0); /* nobody wants a sign of life, so nothing wakes */
        assert_string_equal(next(), "");
}

static void test_what_was_dropped_is_told_again(void **state _unused_) {
        assert_int_equal(notify_start(event), 0);
        fill_queue();
        notify_send("READY=1\nSTATUS=locked");
        (void)run(1500);
        empty_queue();
        (void)run(1500);
        assert_string_equal(next(), "READY=1\nSTATUS=locked");
        assert_int_equal(run(1500), 0);
        assert_string_equal(next(), "");
}

static void test_news_replace_what_was_dropped(void **state _unused_) {
        assert_int_equal(notify_start(event), 0);
        fill_queue();
        notify_send("READY=1\nSTATUS=locked");
        notify_send("STATUS=unlocked");
        empty_queue();
        notify_send("STATUS=locked again");
        assert_string_equal(next(), "READY=1\nSTATUS=locked again");
        notify_send("STATUS=unlocked again"); /* it knows that we are ready */
        assert_string_equal(next(), "STATUS=unlocked again");
        (void)run(1500);
        assert_string_equal(next(), "");
}

/* Only the state is told again, but by no news of something else is it forgotten. */
static void test_other_news_leave_the_state(void **state _unused_) {
        assert_int_equal(notify_start(event), 0);
        fill_queue();
        notify_send("STATUS=unlocked");
        empty_queue();
        notify_send("RELOADING=1");
        assert_string_equal(next(), "RELOADING=1");
        (void)run(1500);
        assert_string_equal(next(), "STATUS=unlocked");
        fill_queue();
        notify_send("STATUS=locked");
        notify_send("STOPPING=1");
        (void)run(100);
        empty_queue();
        (void)run(1500);
        assert_string_equal(next(), "STATUS=locked");
}

static void test_watchdog(void **state _unused_) {
        unsigned n = 0;

        assert_int_equal(setenv("WATCHDOG_USEC", "200000", 1), 0);
        assert_true(notify_start(event) >= 0);
        (void)run(1000);
        for (const char *text; *(text = next()); n++)
                assert_string_equal(text, "WATCHDOG=1");
        assert_in_range(n, 5, 12); /* never more than 200 ms apart, and no more often than needed */
}

static void test_watchdog_of_a_manager_that_hangs(void **state _unused_) {
        assert_int_equal(setenv("WATCHDOG_USEC", "200000", 1), 0);
        assert_true(notify_start(event) >= 0);
        fill_queue();
        assert_true(run(1000) >= 5); /* the loop runs on */
        empty_queue();
        (void)run(300);
        assert_string_equal(next(), "WATCHDOG=1");
}

/* A manager that was away for less than the time that it gives us hears us in time. */
static void test_watchdog_of_a_manager_that_comes_back(void **state _unused_) {
        uint64_t last;

        assert_int_equal(setenv("WATCHDOG_USEC", "2000000", 1), 0);
        assert_true(notify_start(event) >= 0);
        (void)run(50);
        last = clock_boot_usec();
        empty_queue();
        (void)run(700);
        fill_queue();
        (void)run(700); /* over the second one */
        empty_queue();
        while (!*next() && clock_boot_usec() < last + 5 * USEC_PER_SEC)
                (void)run(10);
        assert_true(clock_boot_usec() - last < 2 * USEC_PER_SEC);
}

static void test_without_a_manager(void **state _unused_) {
        assert_int_equal(unsetenv("NOTIFY_SOCKET"), 0);
        notify_send("READY=1");
        assert_int_equal(notify_start(event), 0);
        notify_send("READY=1");
        assert_int_equal(run(100), 0);
        assert_string_equal(next(), "");
}

#define WORLD(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                WORLD(test_told_at_once),
                WORLD(test_what_was_dropped_is_told_again),
                WORLD(test_news_replace_what_was_dropped),
                WORLD(test_other_news_leave_the_state),
                WORLD(test_watchdog),
                WORLD(test_watchdog_of_a_manager_that_hangs),
                WORLD(test_watchdog_of_a_manager_that_comes_back),
                WORLD(test_without_a_manager),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
