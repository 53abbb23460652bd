/* test-config.c - mfad.conf: what is taken, what is refused, and how the refusal is worded. */
#include "common/macros.h"
#include "daemon/front/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

static char dir[64];
static struct fs_places places;

static int setup(void **state _unused_) {
        strcpy(dir, "/tmp/mfad-test-XXXXXX");
        if (!mkdtemp(dir))
                return -1;
        (void)snprintf(places.home, sizeof(places.home), "%s", dir);
        (void)snprintf(places.config, sizeof(places.config), "%s/mfad", dir);
        return mkdir(places.config, 0700);
}

static int teardown(void **state _unused_) {
        char command[128];

        (void)snprintf(command, sizeof(command), "rm -rf %s", dir);
        return system(command);
}

static void write_file(const char *name, const char *text) {
        char path[PATH_LEN_MAX];
        FILE *f;

        assert_int_equal(fs_join(path, sizeof(path), places.config, name), 0);
        f = fopen(path, "w");
        assert_non_null(f);
        assert_true(fputs(text, f) >= 0);
        assert_int_equal(fclose(f), 0);
}

static void make_dropins(void) {
        char path[PATH_LEN_MAX];

        assert_int_equal(fs_join(path, sizeof(path), places.config, "mfad.conf.d"), 0);
        assert_int_equal(mkdir(path, 0700), 0);
}

static void test_defaults(void **state _unused_) {
        char error[CONFIG_ERROR_MAX], path[PATH_LEN_MAX];
        struct config c;

        assert_int_equal(config_load(&places, &c, error), 0);
        assert_int_equal(c.port, 9912);
        assert_int_equal(c.duration_sec, 43200);
        assert_string_equal(c.default_profile, "");
        assert_string_equal(c.proxy, "");
        assert_string_equal(c.ca_bundle, "");
        assert_false(c.lock_on_suspend || c.lock_on_screen_lock || c.lock_idle_sec > 0);
        assert_true(c.lock_on_logout);
        (void)snprintf(path, sizeof(path), "%s/.aws/config", dir);
        assert_string_equal(c.aws_config_file, path);
        (void)snprintf(path, sizeof(path), "%s/.aws/credentials", dir);
        assert_string_equal(c.aws_credentials_file, path);
}

static void test_everything_set(void **state _unused_) {
        char error[CONFIG_ERROR_MAX];
        struct config c;

        write_file("mfad.conf", "# ours\n[mfad]\nport = 19912\ndefault_profile = work\n"
                                "duration: 90m\naws_config_file = /a b/config\n"
                                "aws_credentials_file = /c/credentials\n"
                                "proxy = http://proxy.example:3128\n"
                                "ca_bundle = /etc/corp ca.pem\n"
                                "passphrase_command = pass show a | head -1\n");
        assert_int_equal(config_load(&places, &c, error), 0);
        assert_int_equal(c.port, 19912);
        assert_string_equal(c.default_profile, "work");
        assert_int_equal(c.duration_sec, 5400);
        assert_string_equal(c.aws_config_file, "/a b/config");
        assert_string_equal(c.aws_credentials_file, "/c/credentials");
        assert_string_equal(c.proxy, "http://proxy.example:3128");
        assert_string_equal(c.ca_bundle, "/etc/corp ca.pem");
}

static void test_locks(void **state _unused_) {
        char error[CONFIG_ERROR_MAX];
        struct config c;

        write_file("mfad.conf", "[mfad]\nlock_on_suspend = yes\nlock_on_screen_lock = yes\n"
                                "lock_on_logout = no\nlock_idle = 1m\n");
        assert_int_equal(config_load(&places, &c, error), 0);
        assert_true(c.lock_on_suspend && c.lock_on_screen_lock && !c.lock_on_logout);
        assert_int_equal(c.lock_idle_sec, 60);
        write_file("mfad.conf", "[mfad]\nlock_on_suspend = no\nlock_idle = 36h\n");
        assert_int_equal(config_load(&places, &c, error), 0);
        assert_false(c.lock_on_suspend);
        assert_int_equal(c.lock_idle_sec, 36 * 3600);
        write_file("mfad.conf", "[mfad]\nlock_idle = off\n");
        assert_int_equal(config_load(&places, &c, error), 0);
        assert_int_equal(c.lock_idle_sec, 0);
}

static void test_dropins_in_order(void **state _unused_) {
        char error[CONFIG_ERROR_MAX];
        struct config c;

        make_dropins();
        write_file("mfad.conf", "[mfad]\nport = 2000\nduration = 1h\n");
        /* neither in this order nor backwards does the right one come last */
        write_file("mfad.conf.d/10-a.conf", "[mfad]\nport = 2010\ndefault_profile = a\n");
        write_file("mfad.conf.d/30-c.conf", "[mfad]\nport = 2030\n");
        write_file("mfad.conf.d/20-b.conf", "[mfad]\nport = 2020\n");
        write_file("mfad.conf.d/40-d.conf.bak", "[mfad]\nport = 2040\n");
        write_file("mfad.conf.d/.50-e.conf", "[mfad]\nduration = 2h\n");
        assert_int_equal(config_load(&places, &c, error), 0);
        assert_int_equal(c.port, 2030);
        assert_string_equal(c.default_profile, "a");
        assert_int_equal(c.duration_sec, 3600);
}

static void test_refused(void **state _unused_) {
        static const struct {
                const char *text;
                unsigned line;
                const char *what;
        } rows[] = {
                {"[mfad]\nport = 80\n", 2, "port must be"},
                {"[mfad]\nport = 65536\n", 2, "port must be"},
                {"[mfad]\nport = -1\n", 2, "port must be"},
                {"[mfad]\nport = 9912x\n", 2, "port must be"},
                {"[mfad]\nport =\n", 2, "port must be"},
                {"[mfad]\n\nduration = 14m\n", 3, "duration must be"},
                {"[mfad]\nduration = 37h\n", 2, "duration must be"},
                {"[mfad]\ndefault_profile = a b\n", 2, "default_profile"},
                {"[mfad]\ndefault_profile =\n", 2, "default_profile"},
                {"[mfad]\naws_config_file = ~/.aws/config\n", 2, "absolute"},
                {"[mfad]\naws_credentials_file = x\n", 2, "absolute"},
                {"[mfad]\nproxy = proxy.example:3128\n", 2, "proxy must be http://"},
                {"[mfad]\nproxy = https://proxy.example:3128\n", 2, "proxy must be http://"},
                {"[mfad]\nproxy = http://proxy.example\n", 2, "proxy must be http://"},
                {"[mfad]\nproxy =\n", 2, "proxy must be http://"},
                {"[mfad]\nca_bundle = ca.pem\n", 2, "absolute"},
                {"[mfad]\npassphrase_command =\n", 2, "passphrase_command must be"},
                {"[mfad]\npassphrase_command = a\n b\n", 2, "passphrase_command must be"},
                {"[mfad]\nlock_on_suspend = true\n", 2, "lock_on_suspend must be yes or no"},
                {"[mfad]\nlock_on_screen_lock =\n", 2, "lock_on_screen_lock must be"},
                {"[mfad]\nlock_on_logout = YES\n", 2, "lock_on_logout must be"},
                {"[mfad]\nlock_idle = no\n", 2, "lock_idle must be off, or from 1m"},
                {"[mfad]\nlock_idle = 0\n", 2, "lock_idle must be"},
                {"[mfad]\nlock_idle = 59s\n", 2, "lock_idle must be"},
                {"[mfad]\nlock_idle = 37h\n", 2, "lock_idle must be"},
                {"[mfad]\nprot = 9912\n", 2, "no such setting"},
                {"[other]\nport = 9912\n", 1, "[mfad]"},
                {"[mfad]\nport = 9912\nport = 9913\n", 3, NULL},
                {"port = 9912\n", 1, NULL},
                {"[mfad\n", 1, NULL},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                char error[CONFIG_ERROR_MAX] = "", place[2 * PATH_LEN_MAX];
                struct config c = {.port = 1};

                write_file("mfad.conf", rows[i].text);
                assert_int_equal(config_load(&places, &c, error), -EINVAL);
                assert_int_equal(c.port, 1); /* untouched */
                (void)snprintf(place, sizeof(place), "%s/mfad.conf:%u: ", places.config,
                               rows[i].line);
                if (strncmp(error, place, strlen(place)) != 0)
                        fail_msg("row %zu: %s", i, error);
                if (rows[i].what && !strstr(error, rows[i].what))
                        fail_msg("row %zu: %s", i, error);
        }
}

/* What config_load() writes to the log. */
static void load_and_listen(char *out, size_t size) {
        char error[CONFIG_ERROR_MAX];
        int fds[2], kept = dup(STDERR_FILENO);
        struct config c;
        ssize_t n;

        assert_int_equal(pipe(fds), 0);
        assert_true(kept >= 0 && dup2(fds[1], STDERR_FILENO) >= 0);
        assert_int_equal(config_load(&places, &c, error), 0);
        assert_true(dup2(kept, STDERR_FILENO) >= 0);
        assert_int_equal(close(fds[1]), 0);
        n = read(fds[0], out, size - 1);
        assert_true(n >= 0);
        out[n] = '\0';
        assert_int_equal(close(fds[0]), 0);
        assert_int_equal(close(kept), 0);
}

static void test_proxy_password_should_be_private(void **state _unused_) {
        static const struct {
                const char *proxy;
                mode_t mode;
                bool is_warned;
        } rows[] = {
                {"http://me:hush-hush@proxy.example:3128", 0644, true},
                {"http://me:hush-hush@proxy.example:3128", 0640, true},
                {"http://me:hush-hush@proxy.example:3128", 0604, true},
                {"http://me:hush-hush@proxy.example:3128", 0600, false},
                {"http://proxy.example:3128", 0644, false},
        };
        char path[PATH_LEN_MAX];

        make_dropins();
        assert_int_equal(fs_join(path, sizeof(path), places.config, "mfad.conf.d/10-a.conf"), 0);
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                char text[256], heard[4096];

                (void)snprintf(text, sizeof(text), "[mfad]\nproxy = %s\n", rows[i].proxy);
                write_file("mfad.conf.d/10-a.conf", text);
                write_file("mfad.conf.d/20-b.conf", "[mfad]\nport = 2010\n"); /* holds none */
                assert_int_equal(chmod(path, rows[i].mode), 0);
                load_and_listen(heard, sizeof(heard));
                assert_int_equal(strstr(heard, "10-a.conf\" holds a proxy's password") != NULL,
                                 rows[i].is_warned);
                assert_null(strstr(heard, "20-b.conf"));
                assert_null(strstr(heard, "hush-hush"));
        }
}

/* Nor does the sentence about a broken one quote it. */
static void test_proxy_password_is_not_shown(void **state _unused_) {
        char error[CONFIG_ERROR_MAX] = "";
        struct config c;

        write_file("mfad.conf", "[mfad]\nproxy = http://me:hush-hush@proxy.example\n");
        assert_int_equal(config_load(&places, &c, error), -EINVAL);
        assert_non_null(strstr(error, "proxy must be"));
        assert_null(strstr(error, "hush-hush"));
}

static void test_broken_dropin_is_named(void **state _unused_) {
        char error[CONFIG_ERROR_MAX];
        struct config c;

        make_dropins();
        write_file("mfad.conf.d/10-a.conf", "[mfad]\nport = 2010\n");
        write_file("mfad.conf.d/20-b.conf", "[mfad]\nport = none\n");
        assert_int_equal(config_load(&places, &c, error), -EINVAL);
        assert_non_null(strstr(error, "mfad.conf.d/20-b.conf:2: port must be"));
}

static void test_what_cannot_be_read(void **state _unused_) {
        char error[CONFIG_ERROR_MAX], path[PATH_LEN_MAX];
        struct config c;

        assert_int_equal(fs_join(path, sizeof(path), places.config, "mfad.conf"), 0);
        assert_int_equal(mkdir(path, 0700), 0);
        assert_int_equal(config_load(&places, &c, error), -EISDIR);
        assert_non_null(strstr(error, "mfad.conf: Is a directory"));
}

static void test_durations(void **state _unused_) {
        static const struct {
                const char *text;
                uint32_t sec; /* 0: refused */
        } rows[] = {
                {"900", 900},    {"900s", 900},      {"15m", 900}, {"12h", 43200},
                {"36h", 129600}, {"129600", 129600}, {"899", 0},   {"129601", 0},
                {"", 0},         {"h", 0},           {"-1h", 0},   {"1d", 0},
                {"1h ", 0},      {" 1h", 0},         {"1hh", 0},   {"99999999999999999999h", 0},
                {"0x400", 0},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                uint32_t sec = 0;
                int r = config_parse_duration(rows[i].text, &sec);

                if (r != (rows[i].sec > 0 ? 0 : -EINVAL) || sec != rows[i].sec)
                        fail_msg("\"%s\" gave %d, %u", rows[i].text, r, sec);
        }
}

#define WORLD(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                WORLD(test_defaults),
                WORLD(test_everything_set),
                WORLD(test_locks),
                WORLD(test_dropins_in_order),
                WORLD(test_refused),
                WORLD(test_proxy_password_should_be_private),
                WORLD(test_proxy_password_is_not_shown),
                WORLD(test_broken_dropin_is_named),
                WORLD(test_what_cannot_be_read),
                cmocka_unit_test(test_durations),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
