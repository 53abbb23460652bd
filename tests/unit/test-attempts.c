/* test-attempts.c - how refused codes add up to waits, and what of them survives. */
#include "common/clock.h"
#include "common/macros.h"
#include "daemon/front/attempts.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define ALICE "arn:aws:iam::123456789012:mfa/alice"
#define BOB   "arn:aws:iam::123456789012:mfa/bob"

static char dir[64];
static int dir_fd = -EBADF;
static struct attempts *a;

static int setup(void **state _unused_) {
        strcpy(dir, "/tmp/mfad-test-XXXXXX");
        if (!mkdtemp(dir))
                return -1;
        dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        clock_freeze(UINT64_C(100000) * USEC_PER_SEC, 1800000000);
        return attempts_new(dir_fd, &a);
}

static int teardown(void **state _unused_) {
        char command[128];

        a = attempts_free(a);
        dir_fd = fd_close(dir_fd);
        (void)snprintf(command, sizeof(command), "rm -rf %s", dir);
        return system(command);
}

static void advance(uint64_t sec) {
        clock_advance(sec * USEC_PER_SEC);
}

static void restart(void) {
        a = attempts_free(a);
        assert_int_equal(attempts_new(dir_fd, &a), 0);
}

static void refuse(const char *serial, unsigned n) {
        while (n-- > 0)
                attempts_refused(a, serial);
}

static void test_third_refusal_makes_wait(void **state _unused_) {
        refuse(ALICE, 2);
        assert_int_equal(attempts_wait_sec(a, ALICE), 0);
        refuse(ALICE, 1);
        assert_int_equal(attempts_wait_sec(a, ALICE), 60);
        assert_int_equal(attempts_wait_sec(a, BOB), 0);
        assert_int_equal(attempts_wait_sec(a, ""), 0);
        advance(59);
        assert_int_equal(attempts_wait_sec(a, ALICE), 1);
        advance(1);
        assert_int_equal(attempts_wait_sec(a, ALICE), 0);
}

static void test_three_within_five_minutes_only(void **state _unused_) {
        refuse(ALICE, 1);
        advance(200);
        refuse(ALICE, 1);
        advance(101);
        refuse(ALICE, 1); /* the first is 301 s ago */
        assert_int_equal(attempts_wait_sec(a, ALICE), 0);
        advance(199);
        refuse(ALICE, 1); /* three within 300 s */
        assert_int_equal(attempts_wait_sec(a, ALICE), 60);
}

static void test_waits_double_to_a_quarter_of_an_hour(void **state _unused_) {
        static const unsigned waits[] = {120, 240, 480, 900, 900};

        refuse(ALICE, 3);
        for (size_t i = 0; i < ELEMENTSOF(waits); i++) {
                advance(attempts_wait_sec(a, ALICE));
                refuse(ALICE, 1);
                assert_int_equal(attempts_wait_sec(a, ALICE), waits[i]);
        }
}

static void test_success_resets(void **state _unused_) {
        refuse(ALICE, 4);
        attempts_accepted(a, ALICE);
        assert_int_equal(attempts_wait_sec(a, ALICE), 0);
        refuse(ALICE, 2);
        assert_int_equal(attempts_wait_sec(a, ALICE), 0);
        attempts_accepted(a, BOB); /* never seen */
        attempts_accepted(a, "");
}

static void test_an_hour_of_peace_resets(void **state _unused_) {
        refuse(ALICE, 5);
        advance(3601);
        refuse(ALICE, 1);
        assert_int_equal(attempts_wait_sec(a, ALICE), 0);
}

static void test_restart_keeps_the_count(void **state _unused_) {
        refuse(ALICE, 2);
        refuse(BOB, 3);
        restart();
        assert_int_equal(attempts_wait_sec(a, BOB), 60);
        refuse(ALICE, 1);
        assert_int_equal(attempts_wait_sec(a, ALICE), 60);
        advance(60);
        restart();
        refuse(ALICE, 1);
        assert_int_equal(attempts_wait_sec(a, ALICE), 120);
}

static void write_file(const char *text) {
        int fd = openat(dir_fd, "attempts", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
        (void)fd_close(fd);
}

static void test_another_boots_file_means_nothing(void **state _unused_) {
        write_file("00000000-0000-0000-0000-000000000000\n" ALICE " 900 99999 99999 99999\n");
        restart();
        assert_int_equal(attempts_wait_sec(a, ALICE), 0);
}

static void test_unfit_files_are_survived(void **state _unused_) {
        static const char *const lines[] = {
                "",
                "\n",
                "x 1 2 3",
                ALICE,
                ALICE " 901 99999 99999 99999",
                ALICE " 900 100001 1 1",
                ALICE " -1 1 1 1",
                ALICE " 900 99999 99999 100000", /* in disorder */
        };
        char text[1024], boot[37] = "";
        int fd;

        refuse(ALICE, 1);
        fd = openat(dir_fd, "attempts", O_RDONLY | O_CLOEXEC);
        assert_int_equal(read(fd, boot, 36), 36);
        (void)fd_close(fd);
        for (size_t i = 0; i < ELEMENTSOF(lines); i++) {
                (void)snprintf(text, sizeof(text), "%s\n%s\n", boot, lines[i]);
                write_file(text);
                restart();
                assert_int_equal(attempts_wait_sec(a, ALICE), 0);
        }
}

static void test_more_devices_than_fit(void **state _unused_) {
        char serial[64];

        refuse(ALICE, 3);
        for (unsigned i = 0; i < 2 * ATTEMPTS_DEVICES_MAX; i++) {
                advance(1);
                (void)snprintf(serial, sizeof(serial), "arn:aws:iam::123456789012:mfa/%u", i);
                refuse(serial, 3);
                assert_int_equal(attempts_wait_sec(a, serial), 60);
        }
        assert_int_equal(attempts_wait_sec(a, ALICE), 0);
        restart();
        assert_int_equal(attempts_wait_sec(a, serial), 60);
}

#define WORLD(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                WORLD(test_third_refusal_makes_wait),
                WORLD(test_three_within_five_minutes_only),
                WORLD(test_waits_double_to_a_quarter_of_an_hour),
                WORLD(test_success_resets),
                WORLD(test_an_hour_of_peace_resets),
                WORLD(test_restart_keeps_the_count),
                WORLD(test_another_boots_file_means_nothing),
                WORLD(test_unfit_files_are_survived),
                WORLD(test_more_devices_than_fit),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
