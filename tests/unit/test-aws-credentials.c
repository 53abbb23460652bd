/* test-aws-credentials.c - how keys go into the text of a credentials file, and out of it.
 * Owns:  nothing.
 * Calls: aws_credentials.h, creds.h.
 * Limit: none. botocore reads the results in tests/integration/test_config_botocore.py. */
#include "common/aws_credentials.h"
#include "common/aws_profile.h"
#include "common/buf.h"
#include "common/creds.h"
#include "common/secret.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_without_key(void **state) {
        static const struct {
                const char *before, *section, *after;
                int n;
        } cases[] = {
                {"", "a", "", 0},
                {"[a]\nregion = x\n", "a", "[a]\nregion = x\n", 0},
                {"# c\n[a]\naws_access_key_id = A\n# d\naws_secret_access_key = s\nregion = x\n",
                 "a", "# c\n[a]\n# d\nregion = x\n", 2},
                {"[a]\r\naws_access_key_id = A\r\naws_secret_access_key = s\r\n\r\n[b]\r\n"
                 "aws_access_key_id = B\r\n",
                 "a", "[a]\r\n\r\n[b]\r\naws_access_key_id = B\r\n", 2},
                {"[b]\naws_access_key_id = B\n[a]\nAWS_Secret_Access_Key: s\n  s2\n\nx = y", "a",
                 "[b]\naws_access_key_id = B\n[a]\n\nx = y", 2},
                {"[a]\nx = y\naws_secret_access_key = s", "a", "[a]\nx = y\n", 1},
                {"[a]\raws_access_key_id = A\raws_secret_access_key = s\rx = y", "a", "[a]\rx = y",
                 2},
                {"\xef\xbb\xbf[a]\naws_access_key_id=A\n", "a", "\xef\xbb\xbf[a]\n", 1},
                {"[a]\n#aws_secret_access_key = s\nnote = x\n  aws_access_key_id = A\n", "a",
                 "[a]\n#aws_secret_access_key = s\nnote = x\n  aws_access_key_id = A\n", 0},
                {"[a-long-term]\naws_access_key_id = A\n[a]\naws_access_key_id = B\n",
                 "a-long-term", "[a-long-term]\n[a]\naws_access_key_id = B\n", 1},
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(buf_clear) struct buf out = BUF_INIT(1000);

                assert_int_equal(aws_credentials_without_key(cases[i].before,
                                                             strlen(cases[i].before),
                                                             cases[i].section, &out),
                                 cases[i].n);
                assert_string_equal(buf_text(&out), cases[i].after);
        }
}

/* Our lines; @eol ends them, @indent goes before. */
#define LINES(indent, eol)                                                                         \
        indent "# written by mfactl export from profile p q" eol indent                            \
               "aws_access_key_id = ASIANEW" eol indent                                            \
               "aws_secret_access_key = new/secret+=" eol indent                                   \
               "aws_session_token = new-token" eol indent                                          \
               "x_mfad_expiration = 2027-01-15T08:00:00Z" eol
#define NEW LINES("", "\n")
#define OLD                                                                                        \
        "# written by mfactl export from profile some other\naws_access_key_id = ASIAOLD\n"        \
        "aws_secret_access_key = s\naws_session_token = t\nx_mfad_expiration = then\n"

static struct creds *example(void) {
        struct creds *creds;

        assert_int_equal(creds_new(&creds), 0);
        strcpy(creds->access_key_id, "ASIANEW");
        assert_int_equal(secret_copy("new/secret+=", 12, &creds->secret_key), 0);
        assert_int_equal(secret_copy("new-token", 9, &creds->session_token), 0);
        creds->expiration_sec = 1800000000;
        return creds;
}

static const struct {
        const char *before, *section, *after; /* NULL: refused */
} with_session[] = {
        {"", "a", "[a]\n" NEW},
        {"[b]\nx = y\n", "a", "[b]\nx = y\n\n[a]\n" NEW},
        {"[b]\nx = y", "a", "[b]\nx = y\n\n[a]\n" NEW},
        {"[b]\r\nx = y", "a", "[b]\r\nx = y\r\n\r\n[a]\r\n" LINES("", "\r\n")},
        {"[b]\rx = y\r", "a", "[b]\rx = y\r\r[a]\r" LINES("", "\r")},
        {"[a]\r\r\n[b]\r\n", "a", "[a]\r" LINES("", "\r\n") "\r\n[b]\r\n"},
        {"[a]\r\n\n", "a", "[a]\r\n" LINES("", "\r\n") "\n"},
        {"[b]\r\r[a]\r" OLD "\n", "a", "[b]\r\r[a]\r" NEW "\n"},
        {"# only a comment", "a", "# only a comment\n\n[a]\n" NEW},
        {"\xef\xbb\xbf[b]\n", "a", "\xef\xbb\xbf[b]\n\n[a]\n" NEW},
        {"[a b]\n", "a", "[a b]\n\n[a]\n" NEW},

        /* a section that is there, without a key */
        {"[a]", "a", "[a]\n" NEW},
        {"[a]\n", "a", "[a]\n" NEW},
        {"[a]\r\n[b]\r\n", "a", "[a]\r\n" LINES("", "\r\n") "[b]\r\n"},
        {"[a]\n# mine\nregion = x\n\n[b]\ny = z", "a",
         "[a]\n" NEW "# mine\nregion = x\n\n[b]\ny = z"},
        {"[a] ; odd\nregion = x\n", "a", "[a] ; odd\n" NEW "region = x\n"},
        /* indented lines must not become part of our last value */
        {"[a]\n  region = x\n  y = z\n", "a", "[a]\n" LINES("  ", "\n") "  region = x\n  y = z\n"},
        {"[a]\n\t# c\n\tregion =\n\t\tx = y\n", "a",
         "[a]\n" LINES("\t", "\n") "\t# c\n\tregion =\n\t\tx = y\n"},
        {"[a]\n\n   [b]\n", "a", "[a]\n" LINES("   ", "\n") "\n   [b]\n"},
        {"[a]\naws_access_key_id =\naws_secret_access_key=\n", "a", "[a]\n" NEW},

        /* our own, from earlier */
        {"[a]\n" NEW, "a", "[a]\n" NEW},
        {"[a]\n" OLD, "a", "[a]\n" NEW},
        {"[z]\nk = v\n[a]\n" OLD "region = x\n# mine\n\n[b]\ny = z\n", "a",
         "[z]\nk = v\n[a]\n" NEW "region = x\n# mine\n\n[b]\ny = z\n"},
        {"[a]\n# mine\nregion = x\n" OLD "output = json\n", "a",
         "[a]\n# mine\nregion = x\n" NEW "output = json\n"},
        {"[a]\n# mine\nx_mfad_expiration = then\n# other\nAWS_Session_Token: t\n  t2\nregion = x\n"
         "aws_access_key_id = ASIAOLD\noutput = json\naws_secret_access_key = s\n[b]\n",
         "a", "[a]\n# mine\n" NEW "# other\nregion = x\noutput = json\n[b]\n"},
        {"[a]\n    region = x\n  aws_access_key_id = ASIAOLD\n  aws_session_token = t\n"
         "  output = json\n  x_mfad_expiration = then",
         "a", "[a]\n    region = x\n" LINES("  ", "\n") "  output = json\n"},
        /* botocore prefers the token's old name */
        {"[a]\n" OLD "aws_security_token = t\n", "a", "[a]\n" NEW},
        /* the comment elsewhere is somebody's own */
        {"# written by mfactl export from profile x\n[b]\n# written by mfactl export from profile x"
         "\n[a]\n" OLD,
         "a",
         "# written by mfactl export from profile x\n[b]\n# written by mfactl export from profile x"
         "\n[a]\n" NEW},

        /* what may be a key that lasts stays */
        {"[a]\naws_access_key_id = AKIA\naws_secret_access_key = s\n", "a", NULL},
        {"[a]\naws_access_key_id = AKIA\n", "a", NULL},
        {"[a]\naws_secret_access_key = s\n", "a", NULL},
        {"[a]\naws_access_key_id = ASIA\naws_secret_access_key = s\naws_session_token = t\n", "a",
         NULL},
        {"[a]\n# written by mfactl export from profile p\naws_access_key_id = ASIA\n"
         "aws_secret_access_key = s\naws_session_token = t\n",
         "a", NULL},
        {"[a]\naws_access_key_id = AKIA\naws_secret_access_key = s\nx_mfad_expiration = then\n",
         "a", NULL},
        {"[a]\naws_access_key_id = AKIA\naws_secret_access_key = s\naws_session_token =\n"
         "x_mfad_expiration = then\n",
         "a", NULL},
        {"[a]\naws_access_key_id = AKIA\naws_session_token = t\nx_mfad_expiration =\n", "a", NULL},
};

static void test_with_session(void **state) {
        _cleanup_(creds_freep) struct creds *creds = example();

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(with_session); i++) {
                _cleanup_(buf_clear) struct buf out = BUF_INIT(4000), again = BUF_INIT(4000);
                const char *before = with_session[i].before, *after = with_session[i].after;
                int r;

                r = aws_credentials_with_session(before, strlen(before), with_session[i].section,
                                                 "p q", creds, &out);
                assert_int_equal(r, after ? 0 : -EEXIST);
                assert_string_equal(buf_text(&out), after ? after : "");
                if (!after)
                        continue;
                /* what was written is ours, and is replaced by itself */
                assert_int_equal(aws_credentials_with_session(buf_text(&out), out.len,
                                                              with_session[i].section, "p q", creds,
                                                              &again),
                                 0);
                assert_string_equal(buf_text(&again), after);
        }
}

static void test_what_is_not_written(void **state) {
        static const char *const names[] = {"", "DEFAULT", "a\nb", "a\x7f", "\xff"};
        _cleanup_(creds_freep) struct creds *creds = example();
        _cleanup_(buf_clear) struct buf out = BUF_INIT(4000), small = BUF_INIT(20);
        char *token = secret_reveal(creds->session_token);

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                assert_int_equal(aws_credentials_with_session("", 0, names[i], "p", creds, &out),
                                 -EINVAL);
        assert_int_equal(aws_credentials_with_session("", 0, "a", "p\nq", creds, &out), -EINVAL);
        assert_int_equal(aws_credentials_with_session("no ini", 6, "a", "p", creds, &out), -EINVAL);
        token[0] = '\n';
        assert_int_equal(aws_credentials_with_session("", 0, "a", "p", creds, &out), -EINVAL);
        token[0] = '\0';
        assert_int_equal(aws_credentials_with_session("", 0, "a", "p", creds, &out), -EINVAL);
        token[0] = 'n';
        assert_int_equal(out.len, 0);
        assert_int_equal(aws_credentials_with_session("", 0, "a", "p", creds, &small), -E2BIG);
        assert_int_equal(aws_credentials_with_session("", 0, "a", "p", creds, &out), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_without_key),
                cmocka_unit_test(test_with_session),
                cmocka_unit_test(test_what_is_not_written),
        };

        if (secret_arena_open() < 0)
                return 1;
        return cmocka_run_group_tests(tests, NULL, NULL);
}
