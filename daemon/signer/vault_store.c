#include "daemon/signer/vault_store.h"
#include "common/buf.h"
#include "common/fs.h"
#include "common/log.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#define NAME         "vault"
#define NAME_OLD     "vault.old"
#define NAME_NEW     "vault.new" /* of fs_replace_file() */
#define NAME_GEN     "vault.gen"
#define NAME_GEN_NEW "vault.gen.new"
#define NAME_LOCK    "vault.lock"
#define GEN_MAX      80 /* 32 hex digits, a space, 20 decimal digits, a newline */

struct vault_store {
        char dir_path[PATH_LEN_MAX];
        char path[PATH_LEN_MAX];
        char old_path[PATH_LEN_MAX];
        int dir_fd;  /* -EBADF unless locked */
        int lock_fd; /* -EBADF unless locked; also where the file system takes no lock file */
};

int vault_store_new(const char *dir_path, struct vault_store **ret) {
        _cleanup_(vault_store_freep) struct vault_store *s = NULL;
        int r;

        assert(ret);

        s = calloc(1, sizeof(*s));
        if (!s)
                return -ENOMEM;
        s->dir_fd = s->lock_fd = -EBADF;
        if (strlen(dir_path) >= sizeof(s->dir_path))
                return -ENAMETOOLONG;
        strcpy(s->dir_path, dir_path);
        r = fs_join(s->path, sizeof(s->path), dir_path, NAME);
        if (r < 0)
                return r;
        r = fs_join(s->old_path, sizeof(s->old_path), dir_path, NAME_OLD);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(s);
        return 0;
}

struct vault_store *vault_store_free(struct vault_store *s) {
        if (!s)
                return NULL;
        vault_store_unlock(s);
        free(s);
        return NULL;
}

const char *vault_store_path(const struct vault_store *s) {
        return s->path;
}

bool vault_store_exists(const struct vault_store *s) {
        struct stat st;

        /* anything of that name counts, so that nothing is ever created over it */
        return lstat(s->path, &st) == 0;
}

bool vault_store_has_old(const struct vault_store *s) {
        return access(s->old_path, F_OK) == 0;
}

/* Errors that only say that nothing can be written there. */
static bool is_about_writing(int r) {
        return r == -EROFS || r == -EACCES || r == -ENOSPC || r == -EDQUOT;
}

/* Not the directory itself: flock(2) on a directory does not work over NFS. */
static int take_lock(int dir_fd, int *ret) {
        _cleanup_(fd_closep) int fd = -EBADF;

        fd = openat(dir_fd, NAME_LOCK, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0 && is_about_writing(-errno))
                fd = openat(dir_fd, NAME_LOCK, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        if (flock(fd, LOCK_EX | LOCK_NB) < 0)
                return errno == EWOULDBLOCK ? -EBUSY : -errno;
        *ret = TAKE_FD(fd);
        return 0;
}

int vault_store_lock(struct vault_store *s, bool create) {
        _cleanup_(fd_closep) int dir_fd = -EBADF, lock_fd = -EBADF;
        int r;

        if (s->lock_fd >= 0)
                return 0;
        dir_fd = fs_open_private_dir(s->dir_path, create);
        if (dir_fd < 0)
                return dir_fd;
        r = take_lock(dir_fd, &lock_fd);
        if (r < 0 && (create || (!is_about_writing(r) && r != -ENOENT)))
                return r;
        s->dir_fd = fd_close(s->dir_fd);
        s->dir_fd = TAKE_FD(dir_fd);
        s->lock_fd = TAKE_FD(lock_fd);
        return 0;
}

void vault_store_unlock(struct vault_store *s) {
        s->lock_fd = fd_close(s->lock_fd);
        s->dir_fd = fd_close(s->dir_fd);
}

/* A crash between link and rename in vault_store_save() leaves one file under two names. */
static void forget_twin(int dir_fd, int fd) {
        struct stat st, old;

        if (fstat(fd, &st) == 0 && st.st_nlink == 2 &&
            fstatat(dir_fd, NAME_OLD, &old, AT_SYMLINK_NOFOLLOW) == 0 && old.st_dev == st.st_dev &&
            old.st_ino == st.st_ino)
                (void)unlinkat(dir_fd, NAME_OLD, 0); /* the check that follows will tell */
}

int vault_store_load(struct vault_store *s, struct buf *ret) {
        _cleanup_(fd_closep) int fd = -EBADF;
        int r;

        assert(s->dir_fd >= 0);

        fd = openat(s->dir_fd, NAME, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        if (fd < 0)
                return -errno;
        forget_twin(s->dir_fd, fd);
        r = fs_check_private_file(fd);
        if (r < 0)
                return r;
        return fs_read_fd(fd, ret);
}

/* A second name for the present vault. Where there is none yet, or the file system has no hard links
 * (FAT, some network ones), there is no older copy; the rename alone is what must not fail. */
static int keep_old(int dir_fd) {
        if (unlinkat(dir_fd, NAME_OLD, 0) < 0 && errno != ENOENT)
                return -errno;
        if (linkat(dir_fd, NAME, dir_fd, NAME_OLD, 0) < 0 && errno != ENOENT && errno != EPERM &&
            errno != EOPNOTSUPP)
                return -errno;
        return 0;
}

/* After a failure: did the new file reach its name all the same? That is so when only the last step,
 * syncing the directory, went wrong. */
static bool was_saved(struct vault_store *s, const void *bytes, size_t len) {
        _cleanup_(buf_clear) struct buf b = BUF_INIT(VAULT_FILE_MAX);

        return vault_store_load(s, &b) == 0 && b.len == len && memcmp(b.data, bytes, len) == 0;
}

int vault_store_save(struct vault_store *s, const void *bytes, size_t len) {
        int r;

        assert(len > 0 && len <= VAULT_FILE_MAX);

        r = vault_store_lock(s, /* create= */ true);
        if (r < 0)
                return r;
        r = keep_old(s->dir_fd);
        if (r < 0)
                return r;
        r = fs_replace_file(s->dir_fd, NAME, bytes, len, 0600);
        if (r < 0 && was_saved(s, bytes, len)) {
                (void)log_warning(r, "the vault was written, but the disk did not confirm it");
                return 0;
        }
        return r;
}

void vault_store_tidy(struct vault_store *s) {
        assert(s->dir_fd >= 0);

        /* what cannot be removed does no harm: the next write replaces it */
        (void)unlinkat(s->dir_fd, NAME_OLD, 0);
        (void)unlinkat(s->dir_fd, NAME_NEW, 0);
        (void)unlinkat(s->dir_fd, NAME_GEN_NEW, 0);
}

uint64_t vault_store_generation(struct vault_store *s, const uint8_t id[VAULT_ID_LEN]) {
        _cleanup_(buf_clear) struct buf b = BUF_INIT(GEN_MAX);
        _cleanup_(fd_closep) int fd = -EBADF;
        char hex[2 * VAULT_ID_LEN + 1];
        unsigned long long generation;
        char *end;

        assert(s->dir_fd >= 0);

        fd = openat(s->dir_fd, NAME_GEN, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        if (fd < 0 || fs_read_fd(fd, &b) < 0 || b.len <= sizeof(hex))
                return 0;
        encode_hex(id, VAULT_ID_LEN, hex);
        /* another id: another vault, made after this note */
        if (memcmp(b.data, hex, sizeof(hex) - 1) != 0 || b.data[sizeof(hex) - 1] != ' ')
                return 0;
        errno = 0;
        generation = strtoull(b.data + sizeof(hex), &end, 10);
        if (errno != 0 || strcmp(end, "\n") != 0)
                return 0;
        return generation;
}

void vault_store_note_generation(struct vault_store *s, const uint8_t id[VAULT_ID_LEN],
                                 uint64_t generation) {
        char hex[2 * VAULT_ID_LEN + 1], text[GEN_MAX];
        int n, r;

        assert(s->dir_fd >= 0);

        encode_hex(id, VAULT_ID_LEN, hex);
        n = snprintf(text, sizeof(text), "%s %" PRIu64 "\n", hex, generation);
        assert(n > 0 && (size_t)n < sizeof(text));
        r = fs_replace_file(s->dir_fd, NAME_GEN, text, (size_t)n, 0600);
        if (r < 0)
                (void)log_warning(r, "cannot note the vault's generation, an older copy put in its "
                                     "place would not be noticed");
}
