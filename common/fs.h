/* fs.h - files and directories that must be ours alone, read within a bound and replaced whole.
 * Owns:  nothing that outlives a call.
 * Calls: the kernel; buf.h, log.h at debug level.
 * Limit: PATH_LEN_MAX bytes a path; the caller's maximum for what is read. */
#pragma once
#include "common/encode.h"
#include "common/macros.h"
#include <sys/types.h>

struct buf;

/* The places of this user, from XDG_* or HOME (XDG Base Directory Specification). Each path is
 * absolute and NUL-terminated. */
struct fs_places {
        char home[PATH_LEN_MAX];
        char runtime[PATH_LEN_MAX]; /* $XDG_RUNTIME_DIR/mfad; "" when XDG_RUNTIME_DIR is not set */
        char config[PATH_LEN_MAX];  /* $XDG_CONFIG_HOME/mfad */
        char data[PATH_LEN_MAX];    /* $XDG_DATA_HOME/mfad */
};

/* Returns 0, -ENOENT when HOME is not set, -EINVAL for a relative path, -ENAMETOOLONG. */
int fs_places(struct fs_places *ret);

/* "@dir/@name" into @out of @size bytes. Returns 0 or -ENAMETOOLONG. */
int fs_join(char *out, size_t size, const char *dir, const char *name);

/* Opens @path, a directory that is ours, with mode 0700 and not a symbolic link; makes it (and
 * missing parents, 0700) first when @create. Returns an O_CLOEXEC descriptor, -EPERM when owner or
 * mode are not safe, -ENOTDIR or -ELOOP when it is something else, or another errno. */
int fs_open_private_dir(const char *path, bool create);

/* Checks that @fd is a regular file of ours that nobody else may read or write, with one link.
 * Returns 0, -EPERM, or another errno. */
int fs_check_private_file(int fd);

/* Appends the whole file to @b. Returns 0, -E2BIG beyond the buffer's maximum, -EISDIR or -EINVAL
 * for what is not a regular file, or another errno. */
int fs_read_fd(int fd, struct buf *b);
/* Appends the file @name of a folder, which must pass fs_check_private_file() and be no link. Returns as these
 * two, or another errno. */
int fs_read_private_file(int dir_fd, const char *name, struct buf *b);
int fs_read_file(const char *path, struct buf *b);

/* Writes all of @bytes. Returns 0 or a negative errno. */
int fs_write_all(int fd, const void *bytes, size_t len);

/* Replaces @name in the directory @dir_fd: "@name.new" is written with @mode, read back, synced,
 * renamed, and the directory synced. On failure the old file is untouched and no ".new" is left.
 * Returns 0 or a negative errno (-EIO also when what was read back differs). */
int fs_replace_file(int dir_fd, const char *name, const void *bytes, size_t len, mode_t mode);
