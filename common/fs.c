#include "common/fs.h"
#include "common/buf.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

int fs_join(char *out, size_t size, const char *dir, const char *name) {
        int n = snprintf(out, size, "%s/%s", dir, name);

        return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

/* "$@variable/mfad", or "@home/@fallback/mfad" when the variable is not set or empty. */
static int place(const char *variable, const char *home, const char *fallback, char *out) {
        const char *value = getenv(variable);
        char base[PATH_LEN_MAX];
        int r;

        if (value && *value) {
                if (value[0] != '/')
                        return -EINVAL;
                return fs_join(out, PATH_LEN_MAX, value, "mfad");
        }
        r = fs_join(base, sizeof(base), home, fallback);
        if (r < 0)
                return r;
        return fs_join(out, PATH_LEN_MAX, base, "mfad");
}

int fs_places(struct fs_places *ret) {
        const char *home = getenv("HOME"), *runtime = getenv("XDG_RUNTIME_DIR");
        int r;

        if (!home || !*home)
                return -ENOENT;
        if (home[0] != '/' || (runtime && *runtime && runtime[0] != '/'))
                return -EINVAL;
        if (strlen(home) >= sizeof(ret->home))
                return -ENAMETOOLONG;
        strcpy(ret->home, home);

        ret->runtime[0] = '\0';
        if (runtime && *runtime) {
                r = fs_join(ret->runtime, sizeof(ret->runtime), runtime, "mfad");
                if (r < 0)
                        return r;
        }
        r = place("XDG_CONFIG_HOME", home, ".config", ret->config);
        if (r < 0)
                return r;
        return place("XDG_DATA_HOME", home, ".local/share", ret->data);
}

static int make_dirs(const char *path) {
        char part[PATH_LEN_MAX];
        size_t n = strlen(path);

        if (n >= sizeof(part))
                return -ENAMETOOLONG;
        memcpy(part, path, n + 1);
        for (char *p = part + 1;; p++) {
                char c = *p;

                if (c != '/' && c != '\0')
                        continue;
                *p = '\0';
                if (mkdir(part, 0700) < 0 && errno != EEXIST)
                        return -errno;
                if (c == '\0')
                        return 0;
                *p = c;
        }
}

int fs_open_private_dir(const char *path, bool create) {
        _cleanup_(fd_closep) int fd = -EBADF;
        struct stat st;
        int r;

        if (create) {
                r = make_dirs(path);
                if (r < 0)
                        return r;
        }
        fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (st.st_uid != geteuid() || (st.st_mode & 077) != 0)
                return -EPERM;
        return TAKE_FD(fd);
}

int fs_check_private_file(int fd) {
        struct stat st;

        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077) != 0 ||
            st.st_nlink != 1)
                return -EPERM;
        return 0;
}

int fs_read_fd(int fd, struct buf *b) {
        struct stat st;

        if (fstat(fd, &st) < 0)
                return -errno;
        if (S_ISDIR(st.st_mode))
                return -EISDIR;
        if (!S_ISREG(st.st_mode))
                return -EINVAL;
        for (;;) {
                size_t room = b->max - b->len < 4096 ? b->max - b->len : 4096;
                char past_the_end;
                char *at;
                ssize_t n;
                int r;

                if (room == 0) {
                        n = read(fd, &past_the_end, 1);
                        return n < 0 ? -errno : n > 0 ? -E2BIG : 0;
                }
                r = buf_reserve(b, room, &at);
                if (r < 0)
                        return r;
                n = read(fd, at, room);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                buf_commit(b, (size_t)n);
                if (n == 0)
                        return 0;
        }
}

int fs_read_private_file(int dir_fd, const char *name, struct buf *b) {
        _cleanup_(fd_closep) int fd = -EBADF;
        int r;

        fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (fd < 0)
                return -errno;
        r = fs_check_private_file(fd);
        return r < 0 ? r : fs_read_fd(fd, b);
}

int fs_read_file(const char *path, struct buf *b) {
        _cleanup_(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

        if (fd < 0)
                return -errno;
        return fs_read_fd(fd, b);
}

int fs_write_all(int fd, const void *bytes, size_t len) {
        const char *p = bytes;

        while (len > 0) {
                ssize_t n = write(fd, p, len);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                p += n;
                len -= (size_t)n;
        }
        return 0;
}

static int verify_contents(int fd, const char *bytes, size_t len) {
        char chunk[4096];
        size_t done = 0;

        for (;;) {
                ssize_t n = pread(fd, chunk, sizeof(chunk), (off_t)done);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                if ((size_t)n > len - done || memcmp(chunk, bytes + done, (size_t)n) != 0)
                        return -EIO;
                done += (size_t)n;
        }
        explicit_bzero(chunk, sizeof(chunk));
        return done == len ? 0 : -EIO;
}

static int write_new(int dir_fd, const char *name, const void *bytes, size_t len, mode_t mode) {
        _cleanup_(fd_closep) int fd = -EBADF;
        int r;

        fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
        if (fd < 0)
                return -errno;
        r = fs_write_all(fd, bytes, len);
        if (r < 0)
                return r;
        r = verify_contents(fd, bytes, len);
        if (r < 0)
                return r;
        /* the umask may have taken bits away that the caller asked for */
        if (fchmod(fd, mode) < 0 || fsync(fd) < 0)
                return -errno;
        return 0;
}

int fs_replace_file(int dir_fd, const char *name, const void *bytes, size_t len, mode_t mode) {
        char new_name[NAME_MAX + 1];
        int n, r;

        n = snprintf(new_name, sizeof(new_name), "%s.new", name);
        if (n < 0 || (size_t)n >= sizeof(new_name))
                return -ENAMETOOLONG;
        if (unlinkat(dir_fd, new_name, 0) < 0 && errno != ENOENT) /* left by a crash */
                return -errno;

        r = write_new(dir_fd, new_name, bytes, len, mode);
        if (r >= 0 && renameat(dir_fd, new_name, dir_fd, name) < 0)
                r = -errno;
        if (r < 0) {
                (void)unlinkat(dir_fd, new_name, 0); /* the first failure is the one to report */
                return r;
        }
        return fsync(dir_fd) < 0 ? -errno : 0;
}
