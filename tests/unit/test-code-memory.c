/* No MFA code is signed twice, none is forgotten early, none is remembered for ever. */
#include "common/clock.h"
#include "common/secret.h"
#include "daemon/signer/code_memory.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#define SERIAL "arn:aws:iam::123456789012:mfa/alice"
#define START  (1000 * USEC_PER_SEC)

static int set_up(void **state) {
        struct code_memory *m;

        clock_freeze(START, 1795305600);
        if (code_memory_new(-EBADF, &m) < 0)
                return -1;
        *state = m;
        return 0;
}

static int tear_down(void **state) {
        *state = code_memory_free(*state);
        return 0;
}

static void use(struct code_memory *m, const char *serial, const char *code) {
        assert_int_equal(code_memory_check(m, serial, code), 0);
        assert_int_equal(code_memory_add(m, serial, code), 0);
}

static void test_remembers_for_two_minutes(void **state) {
        struct code_memory *m = *state;

        use(m, SERIAL, "123456");
        assert_int_equal(code_memory_check(m, SERIAL, "123456"), CODE_MEMORY_SEC);
        clock_advance(USEC_PER_SEC - 1);
        assert_int_equal(code_memory_check(m, SERIAL, "123456"), CODE_MEMORY_SEC);
        clock_advance(1);
        assert_int_equal(code_memory_check(m, SERIAL, "123456"), CODE_MEMORY_SEC - 1);
        clock_advance((CODE_MEMORY_SEC - 1) * USEC_PER_SEC - 1);
        assert_int_equal(code_memory_check(m, SERIAL, "123456"), 1);
        clock_advance(1);
        use(m, SERIAL, "123456");
}

static int truncate_at(int dir_fd, off_t len) {
        int fd = openat(dir_fd, "codes", O_WRONLY | O_CLOEXEC), r;

        r = ftruncate(fd, len);
        (void)fd_close(fd);
        return r;
}

static void test_others_are_free(void **state) {
        struct code_memory *m = *state;

        use(m, SERIAL, "123456");
        use(m, SERIAL, "123457");
        use(m, SERIAL "2", "123456");
        /* the boundary between serial and code is no accident of where they meet */
        use(m, "GAHT1234567812", "345600");
        use(m, "GAHT12345678", "123456");
}

static void test_forgets_on_request(void **state) {
        struct code_memory *m = *state;

        use(m, SERIAL, "123456");
        use(m, SERIAL, "654321");
        code_memory_forget(m, SERIAL, "111111");
        code_memory_forget(m, SERIAL "2", "123456");
        assert_true(code_memory_check(m, SERIAL, "123456") > 0);
        code_memory_forget(m, SERIAL, "123456");
        assert_int_equal(code_memory_check(m, SERIAL, "123456"), 0);
        assert_true(code_memory_check(m, SERIAL, "654321") > 0);
}

static void test_full(void **state) {
        struct code_memory *m = *state;
        char code[8];

        for (int i = 0; i < CODE_MEMORY_MAX; i++) {
                snprintf(code, sizeof(code), "%06d", i);
                use(m, SERIAL, code);
        }
        /* rather nothing new than a used one again */
        assert_int_equal(code_memory_check(m, SERIAL, "999999"), -ENOSPC);
        assert_int_equal(code_memory_check(m, SERIAL, "000000"), CODE_MEMORY_SEC);
        clock_advance(CODE_MEMORY_SEC * USEC_PER_SEC);
        use(m, SERIAL, "999999");
        assert_int_equal(code_memory_check(m, SERIAL, "000000"), 0);
}

static void test_outlives_its_process(void **state) {
        char dir[] = "/tmp/test-code-memory-XXXXXX";
        struct code_memory *m;
        int fd;

        (void)state;
        assert_non_null(mkdtemp(dir));
        fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(fd >= 0);
        clock_freeze(START, 1795305600);

        assert_int_equal(code_memory_new(fd, &m), 0);
        use(m, SERIAL, "123456");
        use(m, SERIAL, "654321");
        code_memory_forget(m, SERIAL, "654321");
        m = code_memory_free(m);

        clock_advance(USEC_PER_SEC);
        assert_int_equal(code_memory_new(fd, &m), 0);
        assert_int_equal(code_memory_check(m, SERIAL, "123456"), CODE_MEMORY_SEC - 1);
        assert_int_equal(code_memory_check(m, SERIAL, "654321"), 0);
        m = code_memory_free(m);

        /* a time that no process of this boot can have written would take a place forever */
        clock_freeze(START - 2 * USEC_PER_SEC, 1795305600);
        assert_int_equal(code_memory_new(fd, &m), 0);
        assert_int_equal(code_memory_check(m, SERIAL, "123456"), 0);
        m = code_memory_free(m);
        clock_freeze(START, 1795305600);

        /* a file that is cut short is no memory, and no obstacle */
        assert_int_equal(truncate_at(fd, 100), 0);
        assert_int_equal(code_memory_new(fd, &m), 0);
        assert_int_equal(code_memory_check(m, SERIAL, "123456"), 0);
        m = code_memory_free(m);

        assert_int_equal(unlinkat(fd, "codes", 0), 0);
        (void)fd_close(fd);
        assert_int_equal(rmdir(dir), 0);
}

#define WITH_MEMORY(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                WITH_MEMORY(test_remembers_for_two_minutes), WITH_MEMORY(test_others_are_free),
                WITH_MEMORY(test_forgets_on_request),        WITH_MEMORY(test_full),
                cmocka_unit_test(test_outlives_its_process),
        };

        assert_int_equal(secret_arena_open(), 0);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
