/* test-fs.c - directories and files that must be ours alone, bounded reads, and whole replacements.
 * Owns:  a temporary folder.
 * Calls: fs.h.
 * Limit: none. Crashes between the steps of a replacement are for the integration tests. */
#include "common/buf.h"
#include "common/fs.h"

#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static char folder[] = "/tmp/test-fs-XXXXXX";

static const char *in_folder(const char *name) {
        static char path[PATH_LEN_MAX];

        assert_int_equal(fs_join(path, sizeof(path), folder, name), 0);
        return path;
}

static void test_join(void **state) {
        char out[6];

        (void)state;
        assert_int_equal(fs_join(out, sizeof(out), "/a", "bc"), 0);
        assert_string_equal(out, "/a/bc");
        assert_int_equal(fs_join(out, sizeof(out), "/a", "bcd"), -ENAMETOOLONG);
}

static void test_places(void **state) {
        struct fs_places p;
        char long_path[PATH_LEN_MAX + 10];

        (void)state;
        assert_int_equal(unsetenv("XDG_CONFIG_HOME") | unsetenv("XDG_RUNTIME_DIR"), 0);
        assert_int_equal(setenv("HOME", "/home/user", 1), 0);
        assert_int_equal(setenv("XDG_DATA_HOME", "", 1), 0);
        assert_int_equal(fs_places(&p), 0);
        assert_string_equal(p.home, "/home/user");
        assert_string_equal(p.runtime, "");
        assert_string_equal(p.config, "/home/user/.config/mfad");
        assert_string_equal(p.data, "/home/user/.local/share/mfad");

        assert_int_equal(setenv("XDG_DATA_HOME", "/d", 1), 0);
        assert_int_equal(setenv("XDG_RUNTIME_DIR", "/run/user/1", 1), 0);
        assert_int_equal(fs_places(&p), 0);
        assert_string_equal(p.data, "/d/mfad");
        assert_string_equal(p.runtime, "/run/user/1/mfad");

        assert_int_equal(setenv("XDG_DATA_HOME", "d", 1), 0);
        assert_int_equal(fs_places(&p), -EINVAL);
        assert_int_equal(setenv("XDG_DATA_HOME", "/d", 1), 0);
        assert_int_equal(setenv("XDG_RUNTIME_DIR", "r", 1), 0);
        assert_int_equal(fs_places(&p), -EINVAL);
        assert_int_equal(unsetenv("XDG_RUNTIME_DIR"), 0);
        memset(long_path, 'a', sizeof(long_path) - 1);
        long_path[0] = '/';
        long_path[sizeof(long_path) - 1] = '\0';
        assert_int_equal(setenv("HOME", long_path, 1), 0);
        assert_int_equal(fs_places(&p), -ENAMETOOLONG);
        assert_int_equal(setenv("HOME", "", 1), 0);
        assert_int_equal(fs_places(&p), -ENOENT);
        assert_int_equal(setenv("HOME", "home", 1), 0);
        assert_int_equal(fs_places(&p), -EINVAL);
}

static void test_private_dir(void **state) {
        struct stat st;
        int fd;

        (void)state;
        assert_int_equal(fs_open_private_dir(in_folder("a/b"), false), -ENOENT);
        fd = fs_open_private_dir(in_folder("a/b"), true);
        assert_true(fd >= 0);
        assert_int_equal(fstat(fd, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0700);
        assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
        fd = fd_close(fd);

        assert_int_equal(chmod(in_folder("a/b"), 0750), 0);
        assert_int_equal(fs_open_private_dir(in_folder("a/b"), true), -EPERM);
        assert_int_equal(chmod(in_folder("a/b"), 0701), 0);
        assert_int_equal(fs_open_private_dir(in_folder("a/b"), false), -EPERM);
        assert_int_equal(symlink("a", in_folder("link")), 0);
        fd = fs_open_private_dir(in_folder("link"), false);
        assert_true(fd == -ELOOP || fd == -ENOTDIR);
        assert_int_equal(close(creat(in_folder("file"), 0600)), 0);
        assert_int_equal(fs_open_private_dir(in_folder("file"), true), -ENOTDIR);
        assert_int_equal(fs_open_private_dir(in_folder("file/x"), true), -ENOTDIR);
        if (geteuid() == 0) {
                assert_int_equal(mkdir(in_folder("other"), 0700), 0);
                assert_int_equal(chown(in_folder("other"), 65534, 65534), 0);
                assert_int_equal(fs_open_private_dir(in_folder("other"), true), -EPERM);
        }
}

static void test_private_file(void **state) {
        int fd = open(in_folder("private"), O_RDWR | O_CREAT | O_CLOEXEC, 0600), dir;

        (void)state;
        assert_true(fd >= 0);
        assert_int_equal(fs_check_private_file(fd), 0);
        assert_int_equal(fchmod(fd, 0640), 0);
        assert_int_equal(fs_check_private_file(fd), -EPERM);
        assert_int_equal(fchmod(fd, 0400), 0);
        assert_int_equal(fs_check_private_file(fd), 0);
        dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(fs_check_private_file(dir), -EPERM);
        assert_int_equal(linkat(dir, "private", dir, "second-link", 0), 0);
        assert_int_equal(fs_check_private_file(fd), -EPERM);
        dir = fd_close(dir);
        fd = fd_close(fd);
        assert_int_equal(fs_check_private_file(fd), -EBADF);
}

static void write_file(const char *name, size_t len) {
        int fd = open(in_folder(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        char bytes[20000];

        memset(bytes, 'x', sizeof(bytes));
        assert_true(fd >= 0 && len <= sizeof(bytes));
        assert_int_equal(fs_write_all(fd, bytes, len), 0);
        fd = fd_close(fd);
}

static void test_read(void **state) {
        static const struct {
                size_t len, max;
                int r;
        } cases[] = {{0, 10, 0},     {10, 10, 0},     {11, 10, -E2BIG},     {0, 0, 0},
                     {1, 0, -E2BIG}, {4096, 4096, 0}, {4097, 4096, -E2BIG}, {20000, 20000, 0}};

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(buf_clear) struct buf b = BUF_INIT(cases[i].max);

                write_file("read", cases[i].len);
                assert_int_equal(fs_read_file(in_folder("read"), &b), cases[i].r);
                if (cases[i].r == 0)
                        assert_int_equal(b.len, cases[i].len);
        }
}

static void test_read_what_is_no_file(void **state) {
        _cleanup_(buf_clear) struct buf b = BUF_INIT(10);

        (void)state;
        assert_int_equal(fs_read_file(in_folder("nothing"), &b), -ENOENT);
        assert_int_equal(fs_read_file(folder, &b), -EISDIR);
        assert_int_equal(mkfifo(in_folder("fifo"), 0600), 0);
        assert_int_equal(fs_read_file(in_folder("fifo"), &b), -EINVAL); /* and does not hang */
        assert_int_equal(fs_read_file("/dev/zero", &b), -EINVAL);
}

static void check_file(const char *name, const char *text, mode_t mode) {
        _cleanup_(buf_clear) struct buf b = BUF_INIT(1000);
        struct stat st;

        assert_int_equal(fs_read_file(in_folder(name), &b), 0);
        assert_string_equal(buf_text(&b), text);
        assert_int_equal(stat(in_folder(name), &st), 0);
        assert_int_equal(st.st_mode & 07777, mode);
}

static void test_replace(void **state) {
        int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        char long_name[NAME_MAX + 1];

        (void)state;
        assert_int_equal(fs_replace_file(dir, "f", "one", 3, 0600), 0);
        check_file("f", "one", 0600);
        assert_int_equal(fs_replace_file(dir, "f", "", 0, 0644), 0); /* whatever the umask says */
        check_file("f", "", 0644);
        write_file("f.new", 3); /* left by a crash */
        assert_int_equal(fs_replace_file(dir, "f", "two", 3, 0600), 0);
        check_file("f", "two", 0600);
        assert_int_equal(access(in_folder("f.new"), F_OK), -1);

        assert_int_equal(mkdir(in_folder("d"), 0700), 0);
        assert_true(fs_replace_file(dir, "d", "x", 1, 0600) < 0); /* rename onto a directory */
        assert_int_equal(access(in_folder("d.new"), F_OK), -1);
        memset(long_name, 'n', NAME_MAX);
        long_name[NAME_MAX] = '\0';
        assert_int_equal(fs_replace_file(dir, long_name, "x", 1, 0600), -ENAMETOOLONG);
        assert_int_equal(fs_replace_file(-EBADF, "f", "x", 1, 0600), -EBADF);
        dir = fd_close(dir);
}

static void test_replace_does_not_follow_links(void **state) {
        int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        (void)state;
        assert_int_equal(fs_replace_file(dir, "target", "old", 3, 0600), 0);
        assert_int_equal(symlink("target", in_folder("l")), 0);
        assert_int_equal(symlink("target", in_folder("l.new")), 0);
        assert_int_equal(fs_replace_file(dir, "l", "new", 3, 0600), 0);
        check_file("target", "old", 0600);
        check_file("l", "new", 0600);
        dir = fd_close(dir);
}

static void test_write_errors(void **state) {
        int full = open("/dev/full", O_WRONLY | O_CLOEXEC);

        (void)state;
        if (full < 0)
                skip();
        assert_int_equal(fs_write_all(full, "x", 1), -ENOSPC);
        full = fd_close(full);
        assert_int_equal(fs_write_all(full, "x", 1), -EBADF);
}

static int remove_folder(void **state) {
        char command[64];

        (void)state;
        (void)snprintf(command, sizeof(command), "rm -rf %s", folder); /* a name of mkdtemp's */
        return system(command);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_join),
                cmocka_unit_test(test_places),
                cmocka_unit_test(test_private_dir),
                cmocka_unit_test(test_private_file),
                cmocka_unit_test(test_read),
                cmocka_unit_test(test_read_what_is_no_file),
                cmocka_unit_test(test_replace),
                cmocka_unit_test(test_replace_does_not_follow_links),
                cmocka_unit_test(test_write_errors),
        };

        (void)umask(077);
        if (!mkdtemp(folder))
                return 1;
        return cmocka_run_group_tests(tests, NULL, remove_folder);
}
