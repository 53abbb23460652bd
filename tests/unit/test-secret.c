/* test-secret.c - the arena: bounds, reuse, wiping, and that no child and no core dump has it.
 * Owns:  nothing.
 * Calls: secret.h.
 * Limit: none. */
#include "common/secret.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

static void test_kind(void **state) {
        (void)state;
        assert_int_not_equal(secret_arena_kind(), SECRET_ARENA_NONE);
        assert_int_equal(secret_arena_open(), 0); /* a second time is harmless */
        print_message("arena: %s\n", secret_arena_name(secret_arena_kind()));
        assert_string_equal(secret_arena_name(SECRET_ARENA_SECRETMEM), "secretmem");
}

static void test_copy(void **state) {
        _cleanup_(secret_freep) struct secret *s = NULL, *empty = NULL;

        (void)state;
        assert_int_equal(secret_copy("a\0b", 3, &s), 0);
        assert_int_equal(secret_len(s), 3);
        assert_memory_equal(secret_reveal(s), "a\0b", 4); /* and a NUL behind it */
        assert_int_equal(secret_copy("", 0, &empty), 0);
        assert_int_equal(secret_len(empty), 0);
        assert_string_equal(secret_reveal(empty), "");
        assert_null(secret_free(NULL));
}

static void test_new_is_zero_and_free_wipes(void **state) {
        struct secret *s;
        char *bytes;

        (void)state;
        assert_int_equal(secret_new(200, &s), 0);
        bytes = secret_reveal(s);
        for (size_t i = 0; i <= 200; i++)
                assert_int_equal(bytes[i], 0);
        memset(bytes, 'x', 200);
        s = secret_free(s);
        assert_null(s);
        for (size_t i = 0; i < 200; i++) /* the arena itself stays mapped */
                assert_int_equal(bytes[i], 0);
}

static void test_limits(void **state) {
        struct secret *all[SECRET_ARENA_LEN / SECRET_LEN_MAX + 1] = {0};
        size_t n = 0;
        int r = 0;

        (void)state;
        assert_int_equal(secret_new(SECRET_LEN_MAX + 1, &all[0]), -E2BIG);
        while (n < ELEMENTSOF(all) && (r = secret_new(SECRET_LEN_MAX, &all[n])) == 0)
                n++;
        assert_int_equal(r, -ENOMEM);
        assert_true(n >= SECRET_ARENA_LEN / SECRET_LEN_MAX - 1);
        all[0] = secret_free(all[0]);
        assert_int_equal(secret_new(SECRET_LEN_MAX, &all[0]), 0); /* the hole is found again */
        for (size_t i = 0; i < n; i++)
                all[i] = secret_free(all[i]);
}

static void test_neighbours_stay_apart(void **state) {
        struct secret *all[100];

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(all); i++) {
                assert_int_equal(secret_new(i, &all[i]), 0);
                memset(secret_reveal(all[i]), (int)i, i);
        }
        for (size_t i = 0; i < ELEMENTSOF(all); i += 2)
                all[i] = secret_free(all[i]);
        for (size_t i = 1; i < ELEMENTSOF(all); i += 2) {
                for (size_t k = 0; k < i; k++)
                        assert_int_equal(secret_reveal(all[i])[k], (char)i);
                all[i] = secret_free(all[i]);
        }
}

static void test_equal(void **state) {
        (void)state;
        assert_true(secret_equal("abc", "abd", 2));
        assert_false(secret_equal("abc", "abd", 3));
        assert_false(secret_equal("xbc", "abc", 3));
        assert_true(secret_equal("x", "y", 0));
}

static void test_children_do_not_have_it(void **state) {
        _cleanup_(secret_freep) struct secret *s = NULL;
        int status;
        pid_t pid;

        (void)state;
        assert_int_equal(secret_copy("x", 1, &s), 0);
        pid = fork();
        if (pid == 0) {
                /* reading it has to be a segmentation fault, without the noise of one */
                (void)signal(SIGSEGV, SIG_DFL);
                _exit(*(volatile char *)secret_reveal(s) == 'x' ? 0 : 1);
        }
        assert_true(pid > 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true((WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV) ||
                    (WIFEXITED(status) && WEXITSTATUS(status) > 1)); /* a sanitizer's report */
}

/* The guard pages: both neighbours of the arena are mapped without any right. */
static void test_guards(void **state) {
        _cleanup_(secret_freep) struct secret *s = NULL;
        char line[256];
        bool before_is_closed = false, found = false;
        unsigned long end_of_last = 0;
        FILE *f = fopen("/proc/self/maps", "r");

        (void)state;
        assert_non_null(f);
        assert_int_equal(secret_copy("x", 1, &s), 0);
        while (fgets(line, sizeof(line), f)) {
                unsigned long start, end, at = (unsigned long)(uintptr_t)secret_reveal(s);
                char rights[5];

                if (sscanf(line, "%lx-%lx %4s", &start, &end, rights) != 3)
                        continue;
                if (found) {
                        assert_int_equal(start, end_of_last);
                        assert_memory_equal(rights, "---", 3);
                        break;
                }
                if (at >= start && at < end) {
                        assert_true(before_is_closed && start == end_of_last);
                        found = true;
                }
                before_is_closed = memcmp(rights, "---", 3) == 0;
                end_of_last = end;
        }
        (void)fclose(f);
        assert_true(found);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_kind),
                cmocka_unit_test(test_copy),
                cmocka_unit_test(test_new_is_zero_and_free_wipes),
                cmocka_unit_test(test_limits),
                cmocka_unit_test(test_neighbours_stay_apart),
                cmocka_unit_test(test_equal),
                cmocka_unit_test(test_children_do_not_have_it),
                cmocka_unit_test(test_guards),
        };

        if (secret_arena_kind() != SECRET_ARENA_NONE || secret_arena_open() < 0)
                return 1;
        return cmocka_run_group_tests(tests, NULL, NULL);
}
