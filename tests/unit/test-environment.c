#include "client/environment.h"
#include "common/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct environment_input plain = {
        .port = 9912, .token = "tok", .token_path = "/run/user/1000/mfad/token", .region = ""};

/* Nothing of the machine's own. */
static int setup(void **state) {
        (void)state;
        return clearenv();
}

static struct environment *make(const struct environment_input *in) {
        struct environment *e = NULL;

        assert_int_equal(environment_new(in, &e), 0);
        return e;
}

static void test_what_is_set(void **state) {
        struct environment *e = make(&plain);

        (void)state;
        assert_string_equal(environment_value(e, "AWS_CONTAINER_CREDENTIALS_FULL_URI"),
                            "http://127.0.0.1:9912/");
        assert_string_equal(environment_value(e, "AWS_CONTAINER_AUTHORIZATION_TOKEN"), "tok");
        assert_string_equal(environment_value(e, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
                            "/run/user/1000/mfad/token");
        assert_string_equal(environment_value(e, "AWS_EC2_METADATA_DISABLED"), "true");
        assert_string_equal(environment_value(e, "NO_PROXY"), "127.0.0.1");
        assert_string_equal(environment_value(e, "no_proxy"), "127.0.0.1");
        assert_null(environment_value(e, "AWS_REGION"));
        assert_false(environment_unsets(e, "AWS_REGION"));
        assert_true(environment_unsets(e, "AWS_CREDENTIAL_EXPIRATION"));
        (void)environment_free(e);
}

/* What stands before the container endpoint in some SDK's chain. */
static void test_what_is_unset(void **state) {
        static const char *const shadows[] = {
                "AWS_ACCESS_KEY_ID",   "AWS_SECRET_ACCESS_KEY",
                "AWS_SESSION_TOKEN",   "AWS_SECURITY_TOKEN",
                "AWS_PROFILE",         "AWS_DEFAULT_PROFILE",
                "AWS_ROLE_ARN",        "AWS_WEB_IDENTITY_TOKEN_FILE",
                "AWS_CREDENTIAL_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        };
        struct environment *e = make(&plain);

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(shadows); i++)
                assert_true(environment_unsets(e, shadows[i]));
        (void)environment_free(e);
}

static void test_profile_in_the_address(void **state) {
        static const struct {
                const char *profile, *address; /* NULL: cannot stand in one */
        } cases[] = {
                {"work", "http://127.0.0.1:9912/profile/work"},
                {"a.b_c@d+e=f,g:h-i", "http://127.0.0.1:9912/profile/a.b_c@d+e=f,g:h-i"},
                {"", NULL},
                {"my profile", "http://127.0.0.1:9912/profile/my~20profile"},
                {"../x", "http://127.0.0.1:9912/profile/~2E~2E~2Fx"},
                {"a..b", "http://127.0.0.1:9912/profile/a.~2Eb"},
                {"a/b", "http://127.0.0.1:9912/profile/a~2Fb"},
                {"a?b#c", "http://127.0.0.1:9912/profile/a~3Fb~23c"},
                {"a%2fb~", "http://127.0.0.1:9912/profile/a~252fb~7E"},
                {"\xc3\xa9", "http://127.0.0.1:9912/profile/~C3~A9"},
                {"a'b", "http://127.0.0.1:9912/profile/a~27b"},
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct environment_input in = plain;
                struct environment *e = NULL;

                in.profile = cases[i].profile;
                assert_int_equal(environment_new(&in, &e), cases[i].address ? 0 : -EINVAL);
                if (!cases[i].address)
                        continue;
                assert_string_equal(environment_value(e, "AWS_CONTAINER_CREDENTIALS_FULL_URI"),
                                    cases[i].address);
                (void)environment_free(e);
        }
}

static void test_token_only_in_its_file(void **state) {
        struct environment_input in = plain;
        struct environment *e;

        (void)state;
        in.token = NULL;
        e = make(&in);
        assert_true(environment_unsets(e, "AWS_CONTAINER_AUTHORIZATION_TOKEN"));
        assert_non_null(environment_value(e, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"));
        (void)environment_free(e);
}

static void test_no_proxy(void **state) {
        static const struct {
                const char *upper, *lower, *ret_upper, *ret_lower;
        } cases[] = {
                {NULL, NULL, "127.0.0.1", "127.0.0.1"},
                {"corp", NULL, "corp,127.0.0.1", "corp,127.0.0.1"},
                {NULL, "corp", "corp,127.0.0.1", "corp,127.0.0.1"},
                {"a,b", "c", "a,b,127.0.0.1", "c,127.0.0.1"},
                {"a, 127.0.0.1 ,b", "127.0.0.1", "a, 127.0.0.1 ,b", "127.0.0.1"},
                {"127.0.0.10", "x127.0.0.1", "127.0.0.10,127.0.0.1", "x127.0.0.1,127.0.0.1"},
                {"*", "", "*", "*"},
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct environment *e;

                assert_int_equal(clearenv(), 0);
                if (cases[i].upper)
                        assert_int_equal(setenv("NO_PROXY", cases[i].upper, 1), 0);
                if (cases[i].lower)
                        assert_int_equal(setenv("no_proxy", cases[i].lower, 1), 0);
                e = make(&plain);
                assert_string_equal(environment_value(e, "NO_PROXY"), cases[i].ret_upper);
                assert_string_equal(environment_value(e, "no_proxy"), cases[i].ret_lower);
                (void)environment_free(e);
        }
}

static void test_region_and_expiration(void **state) {
        struct environment_input in = plain;
        struct environment *e;

        (void)state;
        in.region = "eu-central-1";
        in.expiration = "2026-11-22T18:20:00Z";
        e = make(&in);
        assert_string_equal(environment_value(e, "AWS_REGION"), "eu-central-1");
        assert_string_equal(environment_value(e, "AWS_DEFAULT_REGION"), "eu-central-1");
        assert_string_equal(environment_value(e, "AWS_CREDENTIAL_EXPIRATION"), in.expiration);
        (void)environment_free(e);

        /* the user's own choice stays, whichever of the two it is */
        assert_int_equal(setenv("AWS_DEFAULT_REGION", "us-west-2", 1), 0);
        e = make(&in);
        assert_null(environment_value(e, "AWS_REGION"));
        assert_null(environment_value(e, "AWS_DEFAULT_REGION"));
        (void)environment_free(e);

        /* unless a profile was named: then that is the choice */
        in.is_region_meant = true;
        e = make(&in);
        assert_string_equal(environment_value(e, "AWS_REGION"), "eu-central-1");
        assert_string_equal(environment_value(e, "AWS_DEFAULT_REGION"), "eu-central-1");
        (void)environment_free(e);
        in.region = "";
        e = make(&in);
        assert_null(environment_value(e, "AWS_REGION"));
        (void)environment_free(e);
}

static void test_quoting(void **state) {
        static const struct {
                enum environment_shell shell;
                const char *path, *line; /* NULL: cannot be expressed */
        } cases[] = {
                {ENVIRONMENT_SH, "/a b", "export F='/a b';\n"},
                {ENVIRONMENT_SH, "/a'b", "export F='/a'\\''b';\n"},
                {ENVIRONMENT_SH, "$(id)`id`\\\n\"", "export F='$(id)`id`\\\n\"';\n"},
                {ENVIRONMENT_SH, "", "export F='';\n"},
                {ENVIRONMENT_FISH, "/a'b", "set -gx F '/a\\'b';\n"},
                {ENVIRONMENT_FISH, "(id)$x\\", "set -gx F '(id)$x\\\\';\n"},
                {ENVIRONMENT_FISH, "a\nb", "set -gx F 'a\nb';\n"},
                {ENVIRONMENT_CSH, "/a'b", "setenv F '/a'\\''b';\n"},
                {ENVIRONMENT_CSH, "a!b", "setenv F 'a\\!b';\n"},
                {ENVIRONMENT_CSH, "`id`$x", "setenv F '`id`$x';\n"},
                {ENVIRONMENT_CSH, "a\nb", NULL},
                {ENVIRONMENT_POWERSHELL, "/a'b", "$env:F = '/a''b';\n"},
                {ENVIRONMENT_POWERSHELL, "$(id)`n", "$env:F = '$(id)`n';\n"},
                {ENVIRONMENT_POWERSHELL, "a\xe2\x80\x99;id",
                 "$env:F = 'a\xe2\x80\x99\xe2\x80\x99;id';\n"},
                {ENVIRONMENT_POWERSHELL, "\xe2\x80\x98", "$env:F = '\xe2\x80\x98\xe2\x80\x98';\n"},
                {ENVIRONMENT_POWERSHELL, "a\xe2\x80\x9b",
                 "$env:F = 'a\xe2\x80\x9b\xe2\x80\x9b';\n"},
                {ENVIRONMENT_POWERSHELL, "a\xe2\x80\x9c", "$env:F = 'a\xe2\x80\x9c';\n"},
                {ENVIRONMENT_POWERSHELL, "\xe2", "$env:F = '\xe2';\n"},
        };
        static const char name[] = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct environment_input in = plain;
                struct buf b = BUF_INIT(65536);
                struct environment *e;
                char expected[256], *at;
                const char *f;

                in.token_path = cases[i].path;
                e = make(&in);
                if (!cases[i].line) {
                        assert_int_equal(environment_print(e, cases[i].shell, &b), -EINVAL);
                } else {
                        assert_int_equal(environment_print(e, cases[i].shell, &b), 0);
                        /* the line with F in the place of the long name */
                        f = strstr(cases[i].line,
                                   cases[i].shell == ENVIRONMENT_POWERSHELL ? ":F" : " F");
                        at = expected + (f + 1 - cases[i].line);
                        memcpy(expected, cases[i].line, (size_t)(at - expected));
                        strcpy(at, name);
                        strcat(at, f + 2);
                        if (!strstr(buf_text(&b), expected))
                                fail_msg("%s is not in:\n%s", expected, buf_text(&b));
                }
                buf_clear(&b);
                (void)environment_free(e);
        }
}

static void test_unset_lines(void **state) {
        static const char *const lines[] = {
                [ENVIRONMENT_SH] = "unset AWS_PROFILE;\n",
                [ENVIRONMENT_FISH] = "set -e AWS_PROFILE;\n",
                [ENVIRONMENT_CSH] = "unsetenv AWS_PROFILE;\n",
                [ENVIRONMENT_POWERSHELL] = "Remove-Item -ErrorAction Ignore Env:AWS_PROFILE;\n",
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(lines); i++) {
                struct environment *e = make(&plain);
                struct buf b = BUF_INIT(65536);

                assert_int_equal(environment_print(e, (enum environment_shell)i, &b), 0);
                assert_non_null(strstr(buf_text(&b), lines[i]));
                buf_clear(&b);
                (void)environment_free(e);
        }
}

static void test_apply(void **state) {
        struct environment *e;

        (void)state;
        assert_int_equal(setenv("AWS_PROFILE", "old", 1), 0);
        e = make(&plain);
        assert_int_equal(environment_apply(e), 0);
        assert_null(getenv("AWS_PROFILE"));
        assert_string_equal(getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI"), "http://127.0.0.1:9912/");
        (void)environment_free(e);
}

static void test_shell_names(void **state) {
        static const struct {
                const char *name;
                int r;
                enum environment_shell shell;
        } cases[] = {
                {"sh", 0, ENVIRONMENT_SH},
                {"/bin/bash", 0, ENVIRONMENT_SH},
                {"/usr/bin/zsh", 0, ENVIRONMENT_SH},
                {"/usr/bin/fish", 0, ENVIRONMENT_FISH},
                {"/bin/tcsh", 0, ENVIRONMENT_CSH},
                {"csh", 0, ENVIRONMENT_CSH},
                {"pwsh", 0, ENVIRONMENT_POWERSHELL},
                {"powershell", 0, ENVIRONMENT_POWERSHELL},
                {"", -EINVAL, 0},
                {"/usr/bin/", -EINVAL, 0},
                {"nushell", -EINVAL, 0},
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                enum environment_shell shell = ENVIRONMENT_SH;

                assert_int_equal(environment_shell(cases[i].name, &shell), cases[i].r);
                if (cases[i].r == 0)
                        assert_int_equal(shell, cases[i].shell);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup(test_what_is_set, setup),
                cmocka_unit_test_setup(test_what_is_unset, setup),
                cmocka_unit_test_setup(test_profile_in_the_address, setup),
                cmocka_unit_test_setup(test_token_only_in_its_file, setup),
                cmocka_unit_test_setup(test_no_proxy, setup),
                cmocka_unit_test_setup(test_region_and_expiration, setup),
                cmocka_unit_test_setup(test_quoting, setup),
                cmocka_unit_test_setup(test_unset_lines, setup),
                cmocka_unit_test_setup(test_apply, setup),
                cmocka_unit_test_setup(test_shell_names, setup),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
