/* test-secret.c - the arena: bounds, growth, reuse, wiping, and that no child and no core dump has it.
 * Owns:  nothing.
 * Calls: secret.h.
 * Limit: none. */
#include "common/secret.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
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

/* The mappings without any right that lie directly before a mapping of a block's length: one a block. */
static size_t count_blocks(void) {
        char line[256], rights[5], closed[5] = "";
        unsigned long start, end, end_of_last = 0;
        size_t n = 0;
        FILE *f = fopen("/proc/self/maps", "r");

        assert_non_null(f);
        while (fgets(line, sizeof(line), f)) {
                if (sscanf(line, "%lx-%lx %4s", &start, &end, rights) != 3)
                        continue;
                n += end - start == SECRET_BLOCK_LEN && start == end_of_last &&
                     memcmp(rights, "rw-", 3) == 0 && memcmp(closed, "---", 3) == 0;
                end_of_last = end;
                memcpy(closed, rights, sizeof(closed));
        }
        (void)fclose(f);
        return n;
}

/* Grows to its limit and not beyond, reports it, and gives all but the first block back. */
static void test_limits(void **state) {
        static struct secret *all[SECRET_ARENA_MAX / SECRET_LEN_MAX + 1];
        /* seven of the longest leave so many bytes of a block: they lie at multiples of 64, and have a
         * length before and a NUL behind them */
        const size_t rest = SECRET_BLOCK_LEN - 7 * (SECRET_LEN_MAX + 64) - sizeof(size_t) - 1;
        size_t n = 0, at = ELEMENTSOF(all) / 3;
        int r = 0;

        (void)state;
        assert_int_equal(count_blocks(), 1); /* one until there is need for more */
        assert_int_equal(secret_new(SECRET_LEN_MAX + 1, &all[0]), -E2BIG);
        while (n < ELEMENTSOF(all) && (r = secret_new(SECRET_LEN_MAX, &all[n])) == 0)
                memset(secret_reveal(all[n++]), 'x', SECRET_LEN_MAX);
        assert_int_equal(r, -ENOMEM);
        /* one a block less than its length would allow, because of the few bytes before each */
        assert_int_equal(n, SECRET_ARENA_MAX / SECRET_BLOCK_LEN *
                                    (SECRET_BLOCK_LEN / SECRET_LEN_MAX - 1));
        assert_int_equal(count_blocks(), SECRET_ARENA_MAX / SECRET_BLOCK_LEN);
        assert_int_equal(secret_new(SECRET_LEN_MAX, &all[n]), -ENOMEM); /* and again */

        all[at] = secret_free(all[at]);
        assert_int_equal(secret_new(SECRET_LEN_MAX, &all[at]), 0); /* the hole is found */
        for (size_t i = 0; i < SECRET_LEN_MAX; i++)
                assert_int_equal(secret_reveal(all[at])[i], 0);

        /* two blocks become empty and one of them goes; the room of both is found again */
        for (size_t i = 70; i < 84; i++)
                all[i] = secret_free(all[i]);
        assert_int_equal(count_blocks(), SECRET_ARENA_MAX / SECRET_BLOCK_LEN - 1);
        for (size_t i = 70; i < 84; i++)
                assert_int_equal(secret_new(SECRET_LEN_MAX, &all[i]), 0);
        /* what is left at a block's end is found to the last byte, also after a vain search for more */
        assert_int_equal(secret_new(rest + 1, &all[n]), -ENOMEM);
        assert_int_equal(secret_new(rest, &all[n]), 0);
        for (size_t i = 0; i <= n; i++)
                all[i] = secret_free(all[i]);
        assert_int_equal(count_blocks(), 1);
}

/* A block in the middle goes when it is empty; its place is taken again. */
static void test_gap(void **state) {
        struct secret *all[7 * 4], *more[7] = {0};

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(all); i++)
                assert_int_equal(secret_new(SECRET_LEN_MAX, &all[i]), 0);
        assert_int_equal(count_blocks(), 4);
        for (size_t i = 7; i < 14; i++)
                all[i] = secret_free(all[i]);
        assert_int_equal(count_blocks(), 4); /* one to spare */
        for (size_t i = 14; i < 21; i++)
                all[i] = secret_free(all[i]);
        assert_int_equal(count_blocks(), 3);
        for (size_t i = 0; i < 7; i++)
                assert_int_equal(secret_new(SECRET_LEN_MAX, &more[i]), 0);
        assert_int_equal(count_blocks(), 3);
        for (size_t i = 7; i < 14; i++)
                assert_int_equal(secret_new(SECRET_LEN_MAX, &all[i]), 0);
        assert_int_equal(count_blocks(), 4);
        for (size_t i = 0; i < ELEMENTSOF(all); i++)
                if (i < 14 || i >= 21)
                        all[i] = secret_free(all[i]);
        for (size_t i = 0; i < ELEMENTSOF(more); i++)
                more[i] = secret_free(more[i]);
        assert_int_equal(count_blocks(), 1);
}

/* Next-to-last word of a generator that everybody knows; the tests must not differ from run to run. */
static uint32_t next_number(uint32_t *seed) {
        *seed = *seed * 1664525 + 1013904223;
        return *seed >> 8;
}

/* Thousands of secrets of the lengths that roles have, coming and going: each keeps its bytes. */
static void test_many(void **state) {
        enum {
                N = 3000,
                LEN_MAX = 1800,
                STEPS = 60000
        };
        static struct secret *all[N];
        static size_t lens[N];
        uint32_t seed = 1;

        (void)state;
        for (size_t step = 0; step < STEPS; step++) {
                size_t i = next_number(&seed) % N;

                if (all[i]) {
                        const char *bytes = secret_reveal(all[i]);

                        assert_int_equal(secret_len(all[i]), lens[i]);
                        for (size_t k = 0; k < lens[i]; k++)
                                if (bytes[k] != (char)(i + k))
                                        fail_msg("secret %zu, byte %zu", i, k);
                        assert_int_equal(bytes[lens[i]], 0);
                        all[i] = secret_free(all[i]);
                        continue;
                }
                lens[i] = next_number(&seed) % LEN_MAX;
                assert_int_equal(secret_new(lens[i], &all[i]), 0);
                for (size_t k = 0; k < lens[i]; k++) {
                        assert_int_equal(secret_reveal(all[i])[k], 0);
                        secret_reveal(all[i])[k] = (char)(i + k);
                }
        }
        /* half of them at a time, of half the length, and not much is lost between them */
        assert_in_range(count_blocks(), 2, 2 + (size_t)N * LEN_MAX / 3 / SECRET_BLOCK_LEN);
        for (size_t i = 0; i < N; i++)
                all[i] = secret_free(all[i]);
        assert_int_equal(count_blocks(), 1);
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

/* What must be tried in a process of its own, which is this program with one more argument. */

#define EXIT_SKIPPED 77
#define SMALL_LIMIT  ((rlim_t)SECRET_BLOCK_LEN * 3)

/* The bytes beside the first block and beside a later one. Returns 0 only if all of it can be read. */
static int own_touch(const char *where) {
        size_t page = (size_t)sysconf(_SC_PAGESIZE);
        struct secret *s[8];
        char *block;

        if (secret_arena_open() < 0)
                return 2;
        for (size_t i = 0; i < ELEMENTSOF(s); i++)
                if (secret_new(SECRET_LEN_MAX, &s[i]) < 0)
                        return 2;
        (void)signal(SIGSEGV, SIG_DFL);
        block = secret_reveal(s[where[0] == '1' ? 0 : 7]);
        block -= (uintptr_t)block % page;
        if (strcmp(where + 1, "-before") == 0)
                block[-1] = 'x';
        else if (strcmp(where + 1, "-behind") == 0)
                block[SECRET_BLOCK_LEN] = 'x';
        else
                block[SECRET_BLOCK_LEN - 1] = block[0] = 'x';
        return 0;
}

/* As a user without privileges, whom RLIMIT_MEMLOCK binds. */
static bool limit_locking(rlim_t soft, rlim_t hard) {
        if (setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){soft, hard}) < 0)
                return false;
        return geteuid() != 0 || setresuid(65534, 65534, 65534) == 0;
}

/* The first blocks are protected, what is beyond the limit is not, and that is said as long as it is so. */
static int own_weakest(_unused_ const char *unused) {
        struct secret *s[7 * 4];
        enum secret_arena strong;

        if (!limit_locking(SMALL_LIMIT, SMALL_LIMIT) || secret_arena_open() < 0)
                return EXIT_SKIPPED;
        strong = secret_arena_kind();
        if (strong == SECRET_ARENA_PLAIN)
                return EXIT_SKIPPED; /* something is in our way */
        for (size_t i = 0; i < ELEMENTSOF(s); i++) {
                if (secret_new(SECRET_LEN_MAX, &s[i]) < 0)
                        return 2;
                memset(secret_reveal(s[i]), 'x', SECRET_LEN_MAX);
                if (secret_arena_kind() != (i < 21 ? strong : SECRET_ARENA_PLAIN))
                        return 3;
        }
        for (size_t i = ELEMENTSOF(s); i > 0; i--)
                s[i - 1] = secret_free(s[i - 1]);
        return secret_arena_kind() == strong ? 0 : 4;
}

/* The soft limit gives way, when it has to and not before. */
static int own_soft_limit(_unused_ const char *unused) {
        enum secret_arena strong;
        struct rlimit limit;
        struct secret *s[14];

        if (!limit_locking(SECRET_BLOCK_LEN, SMALL_LIMIT) || secret_arena_open() < 0)
                return EXIT_SKIPPED;
        strong = secret_arena_kind();
        if (strong == SECRET_ARENA_PLAIN)
                return EXIT_SKIPPED;
        if (getrlimit(RLIMIT_MEMLOCK, &limit) < 0 || limit.rlim_cur != SECRET_BLOCK_LEN)
                return 2;
        for (size_t i = 0; i < ELEMENTSOF(s); i++)
                if (secret_new(SECRET_LEN_MAX, &s[i]) < 0)
                        return 3;
        if (getrlimit(RLIMIT_MEMLOCK, &limit) < 0 || limit.rlim_cur != SMALL_LIMIT)
                return 4;
        return secret_arena_kind() == strong ? 0 : 5;
}

/* Must not come back: a stray free is a bug that nothing should be built on. */
static int own_double_free(_unused_ const char *unused) {
        struct secret *s;

        (void)signal(SIGABRT, SIG_DFL);
        if (secret_arena_open() < 0 || secret_copy("x", 1, &s) < 0)
                return 2;
        (void)secret_free(s);
        (void)secret_free(s);
        return 0;
}

static const struct {
        const char *name;
        int (*run)(const char *name);
} own[] = {
        {"1-before", own_touch},  {"1-behind", own_touch},        {"1-inside", own_touch},
        {"2-before", own_touch},  {"2-behind", own_touch},        {"2-inside", own_touch},
        {"weakest", own_weakest}, {"soft-limit", own_soft_limit}, {"double-free", own_double_free},
};

static const char *self; /* not /proc/self/exe, which may be valgrind */

static int run_own(const char *name) {
        char *argv[] = {(char *)"test-secret", (char *)name, NULL};
        int status = 0;
        pid_t pid = fork();

        if (pid == 0) {
                int null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

                (void)dup2(null_fd, STDERR_FILENO); /* the noise of what has to fail */
                (void)execvp(self, argv);
                _exit(127);
        }
        assert_true(pid > 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        return status;
}

/* Killed by @signal, or ended by a sanitizer that saw it first. */
static bool was_killed(int status, int signal) {
        return (WIFSIGNALED(status) && WTERMSIG(status) == signal) ||
               (WIFEXITED(status) && WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != 2 &&
                WEXITSTATUS(status) != 127);
}

static void test_guard_pages(void **state) {
        static const char *const closed[] = {"1-before", "1-behind", "2-before", "2-behind"};

        (void)state;
        assert_int_equal(run_own("1-inside"), 0);
        assert_int_equal(run_own("2-inside"), 0);
        for (size_t i = 0; i < ELEMENTSOF(closed); i++)
                if (!was_killed(run_own(closed[i]), SIGSEGV))
                        fail_msg("%s", closed[i]);
}

static void test_double_free_ends_the_program(void **state) {
        (void)state;
        assert_true(was_killed(run_own("double-free"), SIGABRT));
}

static void test_beyond_the_lock_limit(void **state) {
        int status = run_own("weakest");

        (void)state;
        if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SKIPPED)
                skip();
        assert_int_equal(status, 0);
}

static void test_soft_limit_gives_way(void **state) {
        int status = run_own("soft-limit");

        (void)state;
        if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SKIPPED)
                skip();
        assert_int_equal(status, 0);
}

int main(int argc, char *argv[]) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_kind),
                cmocka_unit_test(test_copy),
                cmocka_unit_test(test_new_is_zero_and_free_wipes),
                cmocka_unit_test(test_limits),
                cmocka_unit_test(test_gap),
                cmocka_unit_test(test_many),
                cmocka_unit_test(test_neighbours_stay_apart),
                cmocka_unit_test(test_equal),
                cmocka_unit_test(test_children_do_not_have_it),
                cmocka_unit_test(test_guard_pages),
                cmocka_unit_test(test_double_free_ends_the_program),
                cmocka_unit_test(test_beyond_the_lock_limit),
                cmocka_unit_test(test_soft_limit_gives_way),
        };

        self = argv[0];
        for (size_t i = 0; argc == 2 && i < ELEMENTSOF(own); i++)
                if (strcmp(argv[1], own[i].name) == 0)
                        return own[i].run(argv[1]);
        if (secret_arena_kind() != SECRET_ARENA_NONE || secret_arena_open() < 0)
                return 1;
        return cmocka_run_group_tests(tests, NULL, NULL);
}
