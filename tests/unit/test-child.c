/* test-child.c - other programs: their output, their end, and what they may see. */
#include "client/child.h"
#include "common/clock.h"
#include "common/macros.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#define PATIENT_MSEC 30000

static char out[64];
static size_t len;

static int run_for(const char *script, unsigned msec, bool is_seen) {
        const char *argv[] = {"/bin/sh", "-c", script, NULL};
        struct child_wish wish = {argv, msec, is_seen, out, sizeof(out)};

        memset(out, 0, sizeof(out));
        len = 0;
        return child_run(&wish, &len);
}

static int run(const char *script) {
        return run_for(script, PATIENT_MSEC, false);
}

static void expect(const char *script, int code, const char *text) {
        assert_int_equal(run(script), code);
        assert_int_equal(len, strlen(text));
        assert_memory_equal(out, text, len);
}

static void test_output_and_code(void **state _unused_) {
        expect("echo a; echo b", 0, "a\nb\n");
        expect("printf 'a b'; exit 3", 3, "a b");
        expect("printf x; kill -TERM $$", 128 + SIGTERM, "x");
        expect("exec >&-; exit 4", 4, "");
        expect("i=0; while [ $i -lt 64 ]; do printf y; i=$((i+1)); done", 0,
               "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy");
}

/* What stays behind holds the pipe, but nobody waits for it. */
static void test_children_of_its_own(void **state _unused_) {
        int pid = 0;

        assert_int_equal(run("sleep 600 & echo $!"), 0);
        assert_int_equal(sscanf(out, "%d", &pid), 1);
        assert_int_equal(kill(pid, SIGKILL), 0);
}

static void test_not_there(void **state _unused_) {
        const char *argv[] = {"mfad-no-such-program", NULL};
        struct child_wish wish = {argv, PATIENT_MSEC, false, out, sizeof(out)};

        /* a folder in PATH that may not be read would make it another answer */
        assert_int_equal(setenv("PATH", "/usr/bin:/bin", 1), 0);
        assert_int_equal(child_run(&wish, &len), CHILD_NOT_FOUND);
        wish.argv = (const char *[]){"/etc/passwd", NULL};
        assert_int_equal(child_run(&wish, &len), 126);
}

static void test_too_much(void **state _unused_) {
        assert_int_equal(run("while :; do printf yyyyyyyy; done"), -E2BIG);
}

/* The process that @script wrote the number of has gone, or is at least no more than a corpse. */
static void expect_gone(const char *path) {
        uint64_t end = clock_boot_usec() + 10 * USEC_PER_SEC;
        FILE *f = fopen(path, "r");
        int pid = 0, r;

        assert_non_null(f);
        r = fscanf(f, "%d", &pid);
        (void)fclose(f);
        assert_int_equal(r, 1);
        for (;;) {
                char stat_path[64], name[64], letter = 'Z';

                (void)snprintf(stat_path, sizeof(stat_path), "/proc/%d/stat", pid);
                f = fopen(stat_path, "r");
                if (f) {
                        if (fscanf(f, "%*d %63s %c", name, &letter) != 2)
                                letter = 'Z';
                        (void)fclose(f);
                }
                if (letter == 'Z' || letter == 'X')
                        return;
                assert_true(clock_boot_usec() < end);
                (void)usleep(10000);
        }
}

static void test_too_long(void **state _unused_) {
        char path[] = "/tmp/mfad-test-XXXXXX", script[128];
        int fd = mkstemp(path);

        assert_true(fd >= 0);
        (void)close(fd);
        (void)snprintf(script, sizeof(script), "sleep 600 & echo $! >%s; wait", path);
        assert_int_equal(run_for(script, 500, false), -ETIMEDOUT);
        expect_gone(path); /* not the shell only */
        assert_int_equal(unlink(path), 0);
}

static void test_what_it_sees(void **state _unused_) {
        int fd = open("/dev/null", O_RDONLY), high = fcntl(fd, F_DUPFD, 9); /* not CLOEXEC */

        assert_true(high >= 9);
        /* ls has one more, for the folder */
        expect("ls /proc/self/fd | tr '\\n' ' '", 0, "0 1 2 3 ");
        (void)close(high);
        (void)close(fd);
        expect("pwd; cat", 0, "/\n"); /* and an empty standard input */
        expect("readlink /proc/self/fd/2", 0, "/dev/null\n");
        assert_true(signal(SIGPIPE, SIG_IGN) != SIG_ERR); /* as in mfactl, but pipelines need it */
        expect("sh -c 'kill -PIPE $$'; echo $?", 0, "141\n");
        expect("[ $(ps -o sid= -p $$) = $$ ] && echo leader", 0, "leader\n");
}

/* Standard input of ours holds a line that is for somebody else. */
static void test_our_input_is_left_alone(void **state _unused_) {
        int fds[2], saved = dup(STDIN_FILENO);
        char line[8] = "";

        assert_int_equal(pipe(fds), 0);
        assert_int_equal(write(fds[1], "code\n", 5), 5);
        (void)close(fds[1]);
        assert_int_equal(dup2(fds[0], STDIN_FILENO), STDIN_FILENO);
        (void)close(fds[0]);
        expect("cat", 0, "");
        assert_int_equal(run_for("readlink /proc/self/fd/0 | grep -c pipe", PATIENT_MSEC, true), 1);
        assert_int_equal(read(STDIN_FILENO, line, sizeof(line)), 5);
        assert_string_equal(line, "code\n");
        assert_int_equal(dup2(saved, STDIN_FILENO), STDIN_FILENO);
        (void)close(saved);
}

static volatile sig_atomic_t n_signals;

static void on_signal(int number _unused_) {
        n_signals++;
}

static void test_signals(void **state _unused_) {
        struct sigaction ours = {.sa_handler = on_signal}, before;
        sigset_t mask;

        assert_int_equal(sigaction(SIGHUP, &ours, &before), 0);
        assert_int_equal(run("kill -HUP $PPID; sleep 600"), -EINTR);
        assert_int_equal(n_signals, 1); /* passed on once the program has gone */
        assert_int_equal(sigprocmask(SIG_BLOCK, NULL, &mask), 0);
        assert_false(sigismember(&mask, SIGHUP));

        /* one that is ignored stays so; and stopping is not for now */
        assert_true(signal(SIGHUP, SIG_IGN) != SIG_ERR);
        expect("kill -HUP $PPID; kill -TSTP $PPID; sleep 0.1; echo on", 0, "on\n");
        assert_int_equal(sigaction(SIGHUP, &before, NULL), 0);
        assert_int_equal(n_signals, 1);
}

static struct {
        char text[256];
        int until; /* lines; then no more is wanted */
} heard;

static int on_line(const char *line, size_t n, void *userdata) {
        assert_ptr_equal(userdata, &heard);
        assert_true(n < sizeof(out));
        (void)snprintf(heard.text + strlen(heard.text), sizeof(heard.text) - strlen(heard.text),
                       "%.*s|", (int)n, line);
        return --heard.until == 0 ? -ECANCELED : 0;
}

static int lines_of(const char *script, unsigned msec, int until) {
        const char *argv[] = {"/bin/sh", "-c", script, NULL};
        struct child_wish wish = {argv, msec, false, out, sizeof(out)};

        heard.text[0] = '\0';
        heard.until = until;
        return child_lines(&wish, on_line, &heard);
}

static void test_lines(void **state _unused_) {
        assert_int_equal(lines_of("echo a; echo; printf 'b\nc'; exit 3", PATIENT_MSEC, 0), 3);
        assert_string_equal(heard.text, "a||b|"); /* what has no end is no line */
        assert_int_equal(lines_of("echo a; kill -TERM $$", 0, 0), 128 + SIGTERM);
        assert_string_equal(heard.text, "a|");
        /* one after the other, and one that comes in parts */
        assert_int_equal(lines_of("for i in 1 2 3; do printf $i; sleep 0.05; echo x; done", 0, 0),
                         0);
        assert_string_equal(heard.text, "1x|2x|3x|");
        /* 63 bytes fit with their newline, 64 do not, nor do thousands */
        assert_int_equal(lines_of("printf '%063d\n%064d\n%09999d\nend\n' 1 2 3", PATIENT_MSEC, 0),
                         0);
        assert_string_equal(heard.text,
                            "000000000000000000000000000000000000000000000000000000000000001|end|");
        assert_int_equal(lines_of("readlink /proc/self/fd/2; pwd; cat", PATIENT_MSEC, 0), 0);
        assert_string_equal(heard.text, "/dev/null|/|");
}

static void test_lines_end(void **state _unused_) {
        char path[] = "/tmp/mfad-test-XXXXXX", script[128];
        int fd = mkstemp(path);

        assert_true(fd >= 0);
        (void)close(fd);
        (void)snprintf(script, sizeof(script), "echo a; sleep 600 & echo $! >%s; echo b; wait",
                       path);
        assert_int_equal(lines_of(script, 500, 0), -ETIMEDOUT);
        assert_string_equal(heard.text, "a|b|");
        expect_gone(path);
        assert_int_equal(lines_of(script, 0, 2), -ECANCELED);
        expect_gone(path);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(lines_of("exec /nonexistent/program", 0, 0), CHILD_NOT_FOUND);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_output_and_code),
                cmocka_unit_test(test_children_of_its_own),
                cmocka_unit_test(test_not_there),
                cmocka_unit_test(test_too_much),
                cmocka_unit_test(test_too_long),
                cmocka_unit_test(test_what_it_sees),
                cmocka_unit_test(test_our_input_is_left_alone),
                cmocka_unit_test(test_signals),
                cmocka_unit_test(test_lines),
                cmocka_unit_test(test_lines_end),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
