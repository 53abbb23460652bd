#include "client/mfad_conf.h"
#include "common/buf.h"
#include "common/fs.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static struct fs_places places;

static int setup(void **state) {
        char folder[] = "/tmp/mfad-test-XXXXXX";

        (void)state;
        places = (struct fs_places){0};
        if (!mkdtemp(folder))
                return -1;
        return fs_join(places.config, sizeof(places.config), folder, "mfad");
}

static int teardown(void **state) {
        char command[PATH_LEN_MAX + 32];

        (void)state;
        *strrchr(places.config, '/') = '\0';
        (void)snprintf(command, sizeof(command), "rm -r '%s'", places.config);
        return system(command);
}

/* Writes the file @name, relative to the configuration's folder. */
static void put(const char *name, const char *text) {
        char path[PATH_LEN_MAX], dir[PATH_LEN_MAX];
        FILE *f;

        assert_int_equal(fs_join(dir, sizeof(dir), places.config, "mfad.conf.d"), 0);
        (void)mkdir(places.config, 0755);
        (void)mkdir(dir, 0755);
        assert_int_equal(fs_join(path, sizeof(path), places.config, name), 0);
        f = fopen(path, "w");
        assert_non_null(f);
        assert_true(fputs(text, f) >= 0);
        assert_int_equal(fclose(f), 0);
}

static void expect(const char *config, const char *credentials) {
        struct mfad_conf conf;

        assert_int_equal(mfad_conf_read(&places, &conf), 0);
        assert_string_equal(conf.aws_config_file, config);
        assert_string_equal(conf.aws_credentials_file, credentials);
}

static void test_nothing_is_said(void **state) {
        (void)state;
        expect("", "");
        put("mfad.conf", "[mfad]\nport = 4000\n");
        expect("", "");
}

static void test_last_one_wins(void **state) {
        (void)state;
        put("mfad.conf", "[mfad]\naws_config_file = /a\naws_credentials_file = /b\n");
        expect("/a", "/b");
        put("mfad.conf.d/2.conf", "[mfad]\naws_config_file = /two\n");
        put("mfad.conf.d/1.conf", "[mfad]\naws_config_file = /one\n");
        put("mfad.conf.d/.3.conf", "[mfad]\naws_config_file = /hidden\n");
        put("mfad.conf.d/3.conf~", "[mfad]\naws_config_file = /backup\n");
        expect("/two", "/b");
}

static void test_what_mfad_would_not_take(void **state) {
        (void)state;
        put("mfad.conf",
            "[mfad]\naws_config_file = relative\n[other]\naws_credentials_file = /x\n");
        expect("", "");
        put("mfad.conf", "[mfad]\naws_config_file = /a\nthis is no INI\n");
        expect("/a", ""); /* mfad does not start with that, and says so */
}

static void expect_command(const char *command, const char *file, bool is_safe) {
        struct mfad_conf conf;

        assert_int_equal(mfad_conf_read(&places, &conf), 0);
        assert_string_equal(conf.passphrase_command, command);
        if (*file)
                assert_non_null(strstr(conf.passphrase_command_file, file));
        assert_int_equal(conf.is_command_safe, is_safe);
}

static void expect_port(unsigned port) {
        struct mfad_conf conf;

        assert_int_equal(mfad_conf_read(&places, &conf), 0);
        assert_int_equal(conf.port, port);
}

static void test_port(void **state) {
        static const char *const unfit[] = {
                "", "0", "1023", "65536", "-1", "9912x", "99999999999999999999", "x"};
        char text[64];

        (void)state;
        expect_port(0);
        for (size_t i = 0; i < ELEMENTSOF(unfit); i++) {
                (void)snprintf(text, sizeof(text), "[mfad]\nport = %s\n", unfit[i]);
                put("mfad.conf", text);
                expect_port(0);
        }
        put("mfad.conf", "[mfad]\nport = 1024\n");
        expect_port(1024);
        put("mfad.conf.d/1.conf", "[mfad]\nport = 65535\n");
        expect_port(65535);
}

static void make_writable(const char *name, mode_t mode) {
        char path[PATH_LEN_MAX];

        assert_int_equal(fs_join(path, sizeof(path), places.config, name), 0);
        assert_int_equal(chmod(path, mode), 0);
}

static void test_passphrase_command(void **state) {
        char text[PASSPHRASE_COMMAND_MAX + 64];

        (void)state;
        expect_command("", "", false);
        put("mfad.conf", "[mfad]\npassphrase_command = pass show a | head -1 # no comment\n");
        expect_command("pass show a | head -1 # no comment", "/mfad.conf", true);
        put("mfad.conf.d/1.conf", "[mfad]\npassphrase_command = one\n");
        expect_command("one", "/mfad.conf.d/1.conf", true);
        make_writable("mfad.conf", 0666); /* it has been overruled */
        expect_command("one", "1.conf", true);
        make_writable("mfad.conf.d", 0777);
        expect_command("one", "1.conf", false);
        make_writable("mfad.conf.d", 0755);
        make_writable("mfad.conf.d/1.conf", 0620);
        expect_command("one", "1.conf", false);

        put("mfad.conf.d/1.conf", "[mfad]\npassphrase_command = one\n two\n"); /* two lines */
        make_writable("mfad.conf", 0600);
        expect_command("pass show a | head -1 # no comment", "/mfad.conf", true);
        for (size_t more = 0; more < 2; more++) {
                (void)snprintf(text, sizeof(text), "[mfad]\npassphrase_command = %0*d\n",
                               (int)(PASSPHRASE_COMMAND_MAX + more), 1);
                put("mfad.conf", text);
                (void)snprintf(text, sizeof(text), "%0*d", PASSPHRASE_COMMAND_MAX, 1);
                expect_command(more == 0 ? text : "", "", more == 0);
        }
}

static void test_proxy(void **state) {
        struct mfad_conf conf;

        (void)state;
        put("mfad.conf", "[mfad]\nport = 4000\n");
        assert_int_equal(mfad_conf_read(&places, &conf), 0);
        assert_false(conf.has_proxy);
        put("mfad.conf.d/1.conf", "[mfad]\nproxy = http://proxy.example:3128\n");
        assert_int_equal(mfad_conf_read(&places, &conf), 0);
        assert_true(conf.has_proxy);
}

static void test_write(void **state) {
        struct mfad_conf conf = {.aws_config_file = "/a b/# c", .aws_credentials_file = ""};
        char path[PATH_LEN_MAX];
        struct stat st;

        (void)state;
        assert_int_equal(mfad_conf_write(&places, &conf, path), 0);
        expect("/a b/# c", "");
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
        assert_int_equal(stat(places.config, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0700);

        strcpy(conf.aws_credentials_file, "/c");
        assert_int_equal(mfad_conf_write(&places, &conf, path), 0);
        expect("/a b/# c", "/c");
}

static void test_write_beside_others(void **state) {
        struct mfad_conf conf = {.aws_config_file = "/a"};
        char path[PATH_LEN_MAX];

        (void)state;
        put("mfad.conf", "[mfad]\nport = 4000\n"); /* its folder is open to others */
        assert_int_equal(mfad_conf_write(&places, &conf, path), 0);
        expect("/a", "");
}

static void test_write_what_no_line_can_hold(void **state) {
        static const char *const bad[] = {"relative", "/a\nport = 1", "/a ", "/a\x1b"};
        char path[PATH_LEN_MAX];

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                struct mfad_conf conf = {0};

                strcpy(conf.aws_config_file, bad[i]);
                assert_int_equal(mfad_conf_write(&places, &conf, path), -EINVAL);
                expect("", "");
        }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_nothing_is_said),
                TEST(test_last_one_wins),
                TEST(test_what_mfad_would_not_take),
                TEST(test_port),
                TEST(test_passphrase_command),
                TEST(test_proxy),
                TEST(test_write),
                TEST(test_write_beside_others),
                TEST(test_write_what_no_line_can_hold),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
