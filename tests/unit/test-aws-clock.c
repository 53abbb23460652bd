/* test-aws-clock.c - signing time when the wall clock is wrong, set right, or far off. */
#include "common/clock.h"
#include "common/macros.h"
#include "daemon/front/aws_clock.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define WALL INT64_C(1800000000)

static char dir[64];
static int dir_fd = -EBADF;
static struct aws_clock *c;

static int setup(void **state _unused_) {
        strcpy(dir, "/tmp/mfad-test-XXXXXX");
        if (!mkdtemp(dir))
                return -1;
        dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        clock_freeze(UINT64_C(100000) * USEC_PER_SEC, WALL);
        return aws_clock_new(dir_fd, &c);
}

static int teardown(void **state _unused_) {
        char command[128];

        c = aws_clock_free(c);
        dir_fd = fd_close(dir_fd);
        (void)snprintf(command, sizeof(command), "rm -rf %s", dir);
        return system(command);
}

static bool has_file(void) {
        return faccessat(dir_fd, "clock", F_OK, 0) == 0;
}

static void test_right_clock(void **state _unused_) {
        assert_int_equal(aws_clock_now_sec(c, ""), WALL);
        aws_clock_learn(c, "", WALL + 2);
        assert_int_equal(aws_clock_now_sec(c, ""), WALL);
        aws_clock_learn(c, "", WALL - 2);
        assert_int_equal(aws_clock_offset_sec(c, ""), 0);
        assert_false(has_file());
}

static void test_wrong_clock(void **state _unused_) {
        aws_clock_learn(c, "", WALL + 3600);
        assert_int_equal(aws_clock_now_sec(c, ""), WALL + 3600);
        assert_int_equal(aws_clock_offset_sec(c, ""), 3600);
        clock_advance(10 * USEC_PER_SEC);
        assert_int_equal(aws_clock_now_sec(c, ""), WALL + 3610);
        /* set right meanwhile: no difference to AWS any more, and none in what we sign */
        clock_freeze(clock_boot_usec(), WALL + 3610);
        assert_int_equal(aws_clock_now_sec(c, ""), WALL + 3610);
        assert_int_equal(aws_clock_offset_sec(c, ""), 0);
        aws_clock_learn(c, "", WALL + 3610);
        assert_false(has_file());
}

/* What a profile's own endpoint says matters to nobody else. */
static void test_own_endpoints(void **state _unused_) {
        char url[64];

        aws_clock_learn(c, "http://127.0.0.1:4566", WALL + 72000);
        assert_int_equal(aws_clock_offset_sec(c, "http://127.0.0.1:4566"), 72000);
        assert_int_equal(aws_clock_now_sec(c, ""), WALL);
        assert_int_equal(aws_clock_now_sec(c, "https://sts.example.com"), WALL);
        assert_false(has_file());

        /* who was not heard yet has AWS's time; who was, his own, also when that is right */
        aws_clock_learn(c, "https://sts.example.com", WALL);
        aws_clock_learn(c, "", WALL - 3600);
        assert_true(has_file());
        assert_int_equal(aws_clock_now_sec(c, "https://other.example.com"), WALL - 3600);
        assert_int_equal(aws_clock_now_sec(c, "https://sts.example.com"), WALL);
        assert_int_equal(aws_clock_now_sec(c, "http://127.0.0.1:4566"), WALL + 72000);

        /* too many: those that were not heard for longest go */
        for (unsigned i = 0; i < AWS_CLOCK_CUSTOM_MAX; i++) {
                (void)snprintf(url, sizeof(url), "https://sts-%u.example.com", i);
                aws_clock_learn(c, url, WALL + 100 + i);
                aws_clock_learn(c, "https://sts-0.example.com", WALL + 50);
        }
        assert_int_equal(aws_clock_now_sec(c, "https://sts-0.example.com"), WALL + 50);
        assert_int_equal(aws_clock_now_sec(c, url), WALL + 100 + AWS_CLOCK_CUSTOM_MAX - 1);
        assert_int_equal(aws_clock_now_sec(c, "http://127.0.0.1:4566"), WALL - 3600);
}

static void test_restart_remembers(void **state _unused_) {
        aws_clock_learn(c, "", WALL - 7200);
        assert_true(has_file());
        c = aws_clock_free(c);
        clock_advance(USEC_PER_SEC);
        assert_int_equal(aws_clock_new(dir_fd, &c), 0);
        assert_int_equal(aws_clock_now_sec(c, ""), WALL - 7199);
        assert_int_equal(aws_clock_offset_sec(c, ""), -7200);
}

static void test_bounds(void **state _unused_) {
        aws_clock_learn(c, "", WALL + 86400);
        assert_int_equal(aws_clock_offset_sec(c, ""), 86400);
        aws_clock_learn(c, "", WALL + 86401); /* not believed, but told */
        assert_int_equal(aws_clock_now_sec(c, ""), WALL + 86400);
        assert_int_equal(aws_clock_offset_sec(c, ""), 86401);
        aws_clock_learn(c, "", WALL - 86401);
        assert_int_equal(aws_clock_now_sec(c, ""), WALL + 86400);
        assert_int_equal(aws_clock_offset_sec(c, ""), -86401);
        /* until the clock is set right, or AWS says something else */
        clock_advance(10 * USEC_PER_SEC);
        clock_freeze(clock_boot_usec(), WALL - 86391);
        assert_int_equal(aws_clock_offset_sec(c, ""), 0);
        aws_clock_learn(c, "", WALL - 86391);
        assert_int_equal(aws_clock_now_sec(c, ""), WALL - 86391);
        assert_int_equal(aws_clock_offset_sec(c, ""), 0);
}

static void test_unfit_files(void **state _unused_) {
        static const char *const texts[] = {"", "x", "00000000-0000-0000-0000-000000000000 5\n",
                                            "00000000-0000-0000-0000-000000000000\n"};

        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                int fd = openat(dir_fd, "clock", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

                assert_int_equal(write(fd, texts[i], strlen(texts[i])), strlen(texts[i]));
                (void)fd_close(fd);
                c = aws_clock_free(c);
                assert_int_equal(aws_clock_new(dir_fd, &c), 0);
                assert_int_equal(aws_clock_offset_sec(c, ""), 0);
        }
}

/* With this boot's name in front, and not as we would have written it. */
static void test_unfit_differences(void **state _unused_) {
        static const char *const texts[] = {
                " +5\n", " 05\n",          " 5", " 5\n\n", " 9223372036854775807\n",
                "\n5\n", " 253402300800\n"};
        char boot[36];
        int fd;

        aws_clock_learn(c, "", WALL - 7200);
        fd = openat(dir_fd, "clock", O_RDONLY | O_CLOEXEC);
        assert_int_equal(read(fd, boot, sizeof(boot)), sizeof(boot));
        (void)fd_close(fd);
        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                fd = openat(dir_fd, "clock", O_WRONLY | O_TRUNC | O_CLOEXEC);
                assert_int_equal(write(fd, boot, sizeof(boot)), sizeof(boot));
                assert_int_equal(write(fd, texts[i], strlen(texts[i])), strlen(texts[i]));
                (void)fd_close(fd);
                c = aws_clock_free(c);
                assert_int_equal(aws_clock_new(dir_fd, &c), 0);
                assert_int_equal(aws_clock_offset_sec(c, ""), 0);
        }
}

#define WORLD(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                WORLD(test_right_clock),       WORLD(test_own_endpoints), WORLD(test_wrong_clock),
                WORLD(test_restart_remembers), WORLD(test_bounds),        WORLD(test_unfit_files),
                WORLD(test_unfit_differences),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
