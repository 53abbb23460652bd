/* test-aws-profile.c - what we take from the AWS files, and how a plain key is taken out of one.
 * Owns:  a temporary folder with the two files.
 * Calls: aws_profile.h, secret.h.
 * Limit: none. botocore judges the reading in tests/integration/test_config_botocore.py. */
#include "common/aws_profile.h"
#include "common/buf.h"
#include "common/secret.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static char folder[] = "/tmp/test-aws-profile-XXXXXX";
static char config_path[PATH_LEN_MAX], credentials_path[PATH_LEN_MAX];

static void write_file(const char *path, const char *text) {
        FILE *f = fopen(path, "w");

        assert_non_null(f);
        assert_int_equal(fputs(text, f) >= 0, 1);
        assert_int_equal(fclose(f), 0);
}

static struct aws_config *load(const char *config, const char *credentials, bool with_keys) {
        struct aws_config_error error;
        struct aws_config *c;

        write_file(config_path, config);
        write_file(credentials_path, credentials);
        assert_int_equal(aws_config_load(config_path, credentials_path, with_keys, &c, &error), 0);
        return c;
}

static void test_profiles(void **state) {
        _cleanup_(aws_config_freep) struct aws_config *c =
                load("[default]\nregion = eu-central-1\n"
                     "[profile work]\nregion = eu-west-1\nmfa_serial = serial-work\n"
                     "aws_mfa_device = other-serial\nca_bundle = ~/ca.pem\n"
                     "[profile admin]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = work\n",
                     "[work]\nregion = us-east-1\naws_access_key_id = AKIAWORK\n"
                     "aws_secret_access_key = secret\n"
                     "[old-long-term]\naws_access_key_id = AKIAOLD\naws_secret_access_key = old\n"
                     "aws_mfa_device = serial-old\n"
                     "[old]\naws_access_key_id = ASIAOLD\naws_secret_access_key = x\n"
                     "aws_session_token = y\n",
                     true);
        struct aws_plain_key key;
        struct aws_profile p;
        static const char *const names[] = {"default", "work", "admin", "old"};

        (void)state;
        assert_int_equal(aws_config_n_profiles(c), ELEMENTSOF(names));
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                assert_string_equal(aws_config_profile_name(c, i), names[i]);

        assert_int_equal(aws_config_profile(c, "work", &p), 0);
        assert_string_equal(p.name, "work");
        assert_string_equal(p.region, "us-east-1"); /* the credentials file comes first */
        assert_string_equal(p.mfa_serial, "serial-work");
        assert_string_equal(p.ca_bundle, "/home/somebody/ca.pem");
        assert_true(p.has_key && !p.is_role);
        assert_int_equal(aws_config_profile(c, "admin", &p), 0);
        assert_true(p.is_role && !p.has_key);
        assert_int_equal(aws_config_profile(c, "old", &p), 0);
        assert_true(p.has_key);
        assert_string_equal(p.mfa_serial, "serial-old");
        assert_int_equal(aws_config_profile(c, "nobody", &p), -ENOENT);

        assert_int_equal(aws_config_plain_key(c, "old", &key), 0);
        assert_string_equal(key.section, "old-long-term");
        assert_string_equal(key.access_key_id, "AKIAOLD");
        assert_string_equal(secret_reveal(key.secret_key), "old");
        assert_int_equal(aws_config_plain_key(c, "default", &key), -ENOENT);
}

static void test_short_lived_keys_are_not_keys(void **state) {
        _cleanup_(aws_config_freep) struct aws_config *c = load(
                "[default]\naws_access_key_id = AKIACONFIG\naws_secret_access_key = x\n",
                "[a]\naws_access_key_id = ASIA1\naws_secret_access_key = x\naws_security_token=t\n"
                "[b]\naws_access_key_id = AKIA1\n[c]\naws_secret_access_key = x\n"
                "[d]\naws_access_key_id = AKIA1\naws_secret_access_key = two words\n",
                true);
        struct aws_plain_key key;
        struct aws_profile p;

        (void)state;
        assert_int_equal(aws_config_n_profiles(c), 5);
        for (size_t i = 0; i < 5; i++) {
                const char *name = aws_config_profile_name(c, i);

                assert_int_equal(aws_config_plain_key(c, name, &key), -ENOENT);
                assert_int_equal(aws_config_profile(c, name, &p), 0);
                assert_false(p.has_key);
        }
}

static void test_daemon_keeps_no_keys(void **state) {
        _cleanup_(aws_config_freep) struct aws_config *c =
                load("", "[a]\naws_access_key_id = AKIA1\naws_secret_access_key = secret\n", false);
        struct aws_plain_key key;
        struct aws_profile p;

        (void)state;
        assert_int_equal(aws_config_profile(c, "a", &p), 0);
        assert_true(p.has_key);
        assert_int_equal(aws_config_plain_key(c, "a", &key), -ENOENT);
}

static void test_errors_name_file_and_line(void **state) {
        struct aws_config_error error;
        struct aws_config *c;

        (void)state;
        write_file(config_path, "[default]\nregion = x\n");
        write_file(credentials_path, "[a]\n\noops\n");
        assert_int_equal(aws_config_load(config_path, credentials_path, false, &c, &error),
                         -EINVAL);
        assert_string_equal(error.file, credentials_path);
        assert_int_equal(error.line, 3);

        write_file(config_path, "[default]\ns3 =\n  no equals\n");
        assert_int_equal(aws_config_load(config_path, credentials_path, false, &c, &error),
                         -EINVAL);
        assert_string_equal(error.file, config_path);
        assert_int_equal(error.line, 2);

        write_file(config_path, "[default]\nregion = 012345678901234567890123456789012\n");
        assert_int_equal(aws_config_load(config_path, credentials_path, false, &c, &error),
                         -EINVAL);
        assert_int_equal(error.line, 2);

        assert_true(aws_config_load(folder, credentials_path, false, &c, &error) < 0);
        assert_int_equal(error.line, 0);
        assert_string_equal(error.file, folder);
}

static void test_missing_files_are_empty(void **state) {
        struct aws_config_error error;
        _cleanup_(aws_config_freep) struct aws_config *c = NULL;

        (void)state;
        assert_int_equal(aws_config_load("/nonexistent/a", "/nonexistent/b", false, &c, &error), 0);
        assert_int_equal(aws_config_n_profiles(c), 0);
}

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

static int remove_folder(void **state) {
        (void)state;
        (void)unlink(config_path); /* /tmp is cleaned anyway */
        (void)unlink(credentials_path);
        return rmdir(folder);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_profiles),
                cmocka_unit_test(test_short_lived_keys_are_not_keys),
                cmocka_unit_test(test_daemon_keeps_no_keys),
                cmocka_unit_test(test_errors_name_file_and_line),
                cmocka_unit_test(test_missing_files_are_empty),
                cmocka_unit_test(test_without_key),
        };

        if (secret_arena_open() < 0 || !mkdtemp(folder) || setenv("HOME", "/home/somebody", 1) < 0)
                return 1;
        (void)snprintf(config_path, sizeof(config_path), "%s/config", folder); /* both are short */
        (void)snprintf(credentials_path, sizeof(credentials_path), "%s/credentials", folder);
        return cmocka_run_group_tests(tests, NULL, remove_folder);
}
