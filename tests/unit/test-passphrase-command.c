/* test-passphrase-command.c - what counts as the passphrase in what a command prints. */
#include "client/passphrase_command.h"
#include "client/prompt.h"
#include "common/macros.h"
#include "common/secret.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static void test_what_is_taken(void **state _unused_) {
        static const struct {
                const char *command;
                int r;
                const char *text; /* the passphrase, or the end of the sentence */
        } cases[] = {
                {"printf 'one line\\n'", 0, "one line"},
                {"printf 'no newline'", 0, "no newline"},
                {"printf 'first\\nlogin: x\\n'", 0, "first"},
                {"printf 'dos\\r\\n'", 0, "dos"},
                {"printf ' blanks \\n'", 0, " blanks "},
                {"printf 'caf\\303\\251\\n'", 0, "caf\xc3\xa9"},
                {"echo a | tr a b", 0, "b"}, /* a shell */
                {"echo \"$0\" \"$#\"", 0, "/bin/sh 0"},
                {"", -ENODATA, "printed nothing"},
                {"echo", -ENODATA, "printed nothing"},
                {"printf '\\r\\n'", -ENODATA, "printed nothing"},
                {"printf '\\nsecond\\n'", -ENODATA, "printed nothing"},
                {"echo right; exit 3", -ENOEXEC, "failed with exit code 3"},
                {"mfad-no-such-program 2>/dev/null", -ENOEXEC, "failed with exit code 127"},
                {"echo x; kill -KILL $$", -ENOEXEC, "failed with exit code 137"},
                {"echo x; sleep 600", -ETIMEDOUT, "took too long, and was ended"},
                {"while :; do echo x; done", -E2BIG, "printed too much, and was ended"},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(secret_freep) struct secret *s = NULL;
                char why[PASSPHRASE_COMMAND_WHY_MAX] = "";
                int r = passphrase_command_run(cases[i].command, cases[i].r == -ETIMEDOUT ? 1 : 30,
                                               &s, why);

                if (r != cases[i].r)
                        print_error("%s\n", cases[i].command);
                assert_int_equal(r, cases[i].r);
                assert_string_equal(r == 0 ? secret_reveal(s) : why, cases[i].text);
                assert_true(r == 0 || !s);
        }
}

static void test_length(void **state _unused_) {
        for (size_t more = 0; more < 2; more++) {
                _cleanup_(secret_freep) struct secret *s = NULL;
                char why[PASSPHRASE_COMMAND_WHY_MAX] = "", command[64];
                int r;

                (void)snprintf(command, sizeof(command), "printf '%%0%zud\\n' 1",
                               PROMPT_LINE_MAX + more);
                r = passphrase_command_run(command, 30, &s, why);
                assert_int_equal(r, more == 0 ? 0 : -E2BIG);
                if (r == 0)
                        assert_int_equal(secret_len(s), PROMPT_LINE_MAX);
                else
                        assert_string_equal(why, "printed a line that is too long");
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_is_taken),
                cmocka_unit_test(test_length),
        };

        if (secret_arena_open() < 0)
                return 1;
        return cmocka_run_group_tests(tests, NULL, NULL);
}
