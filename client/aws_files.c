#include "client/aws_files.h"
#include "client/mfad_conf.h"
#include "client/output.h"
#include "common/aws_credentials.h"
#include "common/buf.h"
#include "common/clock.h"
#include "common/fs.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#define LOCK_RETRY_MSEC 20

/* @path made absolute: "~/" against @home, else against the working directory. */
static int make_absolute(const char *path, const char *home, char *out) {
        _cleanup_(freep) char *here = NULL;

        if (path[0] == '/') {
                if (strlen(path) >= PATH_LEN_MAX)
                        return -ENAMETOOLONG;
                strcpy(out, path);
                return 0;
        }
        if (strncmp(path, "~/", 2) == 0)
                return fs_join(out, PATH_LEN_MAX, home, path + 2);
        here = getcwd(NULL, 0);
        return here ? fs_join(out, PATH_LEN_MAX, here, path) : -errno;
}

/* What @variable says, else @configured by mfad.conf, else @fallback. */
static int find(const char *variable, const char *configured, const char *fallback,
                const char *home, char *out) {
        const char *value = getenv(variable);

        return make_absolute(value && *value ? value
                             : *configured   ? configured
                                             : fallback,
                             home, out);
}

static int find_both(const struct fs_places *places, const struct mfad_conf *conf, const char *from,
                     struct aws_files *ret) {
        int r = find("AWS_CONFIG_FILE", conf->aws_config_file, "~/.aws/config", places->home,
                     ret->config);

        if (r < 0)
                return r;
        return from ? make_absolute(from, places->home, ret->credentials)
                    : find("AWS_SHARED_CREDENTIALS_FILE", conf->aws_credentials_file,
                           "~/.aws/credentials", places->home, ret->credentials);
}

enum exit_code aws_files_find(const char *from, struct aws_files *ret) {
        struct mfad_conf conf = {0};
        struct aws_files files;
        struct fs_places places;
        int r;

        r = fs_places(&places);
        if (r >= 0)
                r = mfad_conf_read(&places, &conf);
        if (r >= 0)
                r = find_both(&places, &conf, from, &files);
        if (r < 0) {
                output_error("cannot tell where the AWS files are: %s (HOME must be set)",
                             strerror(-r));
                return EXIT_CODE_FAILURE;
        }
        if (from && access(files.credentials, F_OK) < 0) {
                output_error("cannot read %s: %s", files.credentials, strerror(errno));
                return EXIT_CODE_FAILURE;
        }
        *ret = files;
        return EXIT_CODE_OK;
}

int aws_files_of_mfad(struct aws_files *ret) {
        struct mfad_conf conf = {0};
        struct aws_files files;
        struct fs_places places;
        int r;

        r = fs_places(&places);
        if (r >= 0)
                r = mfad_conf_read(&places, &conf);
        if (r >= 0)
                r = make_absolute(*conf.aws_config_file ? conf.aws_config_file : "~/.aws/config",
                                  places.home, files.config);
        if (r >= 0)
                r = make_absolute(*conf.aws_credentials_file ? conf.aws_credentials_file
                                                             : "~/.aws/credentials",
                                  places.home, files.credentials);
        if (r < 0)
                return r;
        *ret = files;
        return 0;
}

bool aws_files_differ(const char *a, const char *b) {
        struct stat its, other;

        if (strcmp(a, b) == 0)
                return false;
        return stat(a, &its) < 0 || stat(b, &other) < 0 || its.st_dev != other.st_dev ||
               its.st_ino != other.st_ino;
}

static bool warn_of(const char *variable, const char *ours, const char *its) {
        if (!aws_files_differ(ours, its))
                return false;
        output_warning("%s names %s, but mfad reads %s", variable, ours, its);
        return true;
}

bool aws_files_warn(void) {
        struct aws_files ours, its;
        bool differ;

        if (aws_files_of_mfad(&its) < 0 || aws_files_find(NULL, &ours) != EXIT_CODE_OK)
                return false;
        differ = warn_of("AWS_CONFIG_FILE", ours.config, its.config);
        return warn_of("AWS_SHARED_CREDENTIALS_FILE", ours.credentials, its.credentials) || differ;
}

enum exit_code aws_files_load(const struct aws_files *files, bool with_keys,
                              struct aws_config **ret) {
        struct aws_config_error error = {0};
        int r;

        r = aws_config_load(files->config, files->credentials, with_keys, ret, &error);
        if (r >= 0)
                return EXIT_CODE_OK;
        if (error.line > 0)
                output_error("%s, line %u: %s", error.file, error.line, error.what);
        else
                output_error("cannot read %s: %s", error.file,
                             error.what ? error.what : strerror(-r));
        return EXIT_CODE_FAILURE;
}

/* A change of the credentials file: from @text to @ret, which is empty. Returns more than 0 when there is
 * something to write, 0 when not, or a negative errno. @text may be used up. */
typedef int (*change_fn)(struct buf *text, void *userdata, struct buf *ret);

struct sections {
        const char *const *names;
        size_t n;
};

static int remove_keys(struct buf *text, void *userdata, struct buf *ret) {
        const struct sections *sections = userdata;
        int removed = 0, r;

        for (size_t i = 0; i < sections->n; i++) {
                buf_clear(ret);
                r = aws_credentials_without_key(buf_text(text), text->len, sections->names[i], ret);
                if (r < 0)
                        return r;
                removed += r;
                buf_clear(text);
                r = buf_put(text, buf_text(ret), ret->len);
                if (r < 0)
                        return r;
        }
        return removed;
}

struct session {
        const char *section, *profile;
        const struct creds *creds;
};

static int put_session(struct buf *text, void *userdata, struct buf *ret) {
        const struct session *s = userdata;
        int r = aws_credentials_with_session(buf_text(text), text->len, s->section, s->profile,
                                             s->creds, ret);

        return r < 0 ? r : 1;
}

/* Somebody's editor or `aws configure` may write at the same time: then nothing is replaced. @before: NULL
 * when there was no file. */
static bool has_changed(int dir, const char *name, const struct stat *before) {
        struct stat now;

        if (fstatat(dir, name, &now, AT_SYMLINK_NOFOLLOW) < 0)
                return before || errno != ENOENT;
        return !before || now.st_ino != before->st_ino || now.st_dev != before->st_dev ||
               now.st_size != before->st_size || now.st_mtim.tv_sec != before->st_mtim.tv_sec ||
               now.st_mtim.tv_nsec != before->st_mtim.tv_nsec;
}

/* fs_replace_file() takes "@name.new" for a leftover of its own, but the folder is the user's. */
static bool is_in_the_way(int dir, const char *name) {
        char new_name[PATH_LEN_MAX];

        (void)snprintf(new_name, sizeof(new_name), "%s.new",
                       name); /* what is too long fails there */
        return faccessat(dir, new_name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Of all mfactls, only one edits in @dir at a time. The lock goes with the descriptor. */
static int lock_dir(int dir) {
        uint64_t deadline = clock_boot_usec() + AWS_FILES_LOCK_SEC * USEC_PER_SEC;
        struct timespec pause = {.tv_nsec = LOCK_RETRY_MSEC * 1000000L};

        while (flock(dir, LOCK_EX | LOCK_NB) < 0) {
                if (errno != EWOULDBLOCK)
                        return -errno;
                if (clock_boot_usec() > deadline)
                        return -ETIMEDOUT;
                (void)nanosleep(&pause, NULL); /* shorter after a signal: no harm */
        }
        return 0;
}

/* @path without symbolic links, in @ret; what is not there yet is created below it. Its directory is made
 * when @may_create. */
static int resolve(const char *path, bool may_create, char **ret) {
        _cleanup_(freep) char *dir = NULL, *real_dir = NULL;
        _cleanup_(fd_closep) int fd = -EBADF;
        const char *slash = strrchr(path, '/');
        struct stat st;

        *ret = realpath(path, NULL);
        if (*ret)
                return 0;
        if (errno != ENOENT || !may_create)
                return -errno;
        if (lstat(path, &st) == 0)
                return -ENOLINK; /* a link that leads nowhere */
        dir = strndup(path, slash == path ? 1 : (size_t)(slash - path));
        if (!dir)
                return -ENOMEM;
        real_dir = realpath(dir, NULL);
        if (!real_dir) {
                fd = fs_open_private_dir(dir, /* create= */ true);
                if (fd < 0)
                        return fd;
                real_dir = realpath(dir, NULL);
        }
        if (!real_dir)
                return -errno;
        return asprintf(ret, "%s%s", real_dir, slash) < 0 ? -ENOMEM : 0;
}

/* Reads the file @name in @dir. @ret_what: why not, when strerror(3) cannot say it. Returns 0, -ENOENT or
 * another errno. */
static int read_ours(int dir, const char *name, struct buf *text, struct stat *ret_st,
                     const char **ret_what) {
        _cleanup_(fd_closep) int fd =
                openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW);

        if (fd < 0 || fstat(fd, ret_st) < 0)
                return -errno;
        if (ret_st->st_uid != geteuid() || ret_st->st_nlink != 1) {
                *ret_what = "the file is not ours, or has a second name";
                return -EPERM;
        }
        return fs_read_fd(fd, text);
}

/* @mode: of the new file; 0: as the old one, which must be there. */
static int edit(const char *path, mode_t mode, change_fn change, void *userdata,
                const char **ret_what) {
        _cleanup_(buf_clear) struct buf text = BUF_INIT(AWS_FILE_MAX),
                                        changed = BUF_INIT(AWS_FILE_MAX);
        _cleanup_(freep) char *real = NULL;
        _cleanup_(fd_closep) int dir = -EBADF;
        struct stat st;
        bool is_there;
        char *name;
        int r;

        r = resolve(path, mode != 0, &real);
        if (r < 0) {
                *ret_what = r == -ENOLINK ? "it is a symbolic link that leads nowhere" : NULL;
                return r;
        }
        name = strrchr(real, '/');
        *name++ = '\0';
        dir = open(*real ? real : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        r = dir < 0 ? -errno : lock_dir(dir);
        if (r < 0) {
                *ret_what = r == -ETIMEDOUT ? "another mfactl does not let go of it" : NULL;
                return r;
        }
        r = read_ours(dir, name, &text, &st, ret_what);
        is_there = r >= 0;
        if (r == -ENOENT && mode != 0)
                r = 0;
        if (r >= 0)
                r = change(&text, userdata, &changed);
        if (r <= 0)
                return r;
        if (is_in_the_way(dir, name)) {
                *ret_what =
                        "a file of that name with .new at its end is in the way, perhaps left by a "
                        "crash: see whether you need it, and remove it";
                return -EBUSY;
        }
        if (has_changed(dir, name, is_there ? &st : NULL)) {
                *ret_what = "it was changed at the same time";
                return -EAGAIN;
        }
        return fs_replace_file(dir, name, buf_text(&changed), changed.len,
                               mode != 0 ? mode : st.st_mode & 07777);
}

enum exit_code aws_files_remove_keys(const char *path, const char *const sections[],
                                     size_t n_sections) {
        struct sections s = {sections, n_sections};
        const char *what = NULL;
        int r = edit(path, 0, remove_keys, &s, &what);

        if (r >= 0)
                return EXIT_CODE_OK;
        output_error("cannot remove the plain keys from %s: %s", path, what ? what : strerror(-r));
        output_hint("nothing was changed there; the keys are in the vault");
        return EXIT_CODE_FAILURE;
}

enum exit_code aws_files_put_session(const char *path, const char *section, const char *profile,
                                     const struct creds *creds) {
        struct session s = {section, profile, creds};
        const char *what = NULL;
        int r = edit(path, 0600, put_session, &s, &what);

        if (r >= 0)
                return EXIT_CODE_OK;
        if (r == -EEXIST) {
                output_error(
                        "[%s] in %s holds a key that mfactl did not write: nothing was changed",
                        section, path);
                output_hint("give another name, such as: --to %s-session", section);
                return EXIT_CODE_FAILURE;
        }
        output_error("cannot write to %s: %s", path,
                     what           ? what
                     : r == -EINVAL ? "it is no INI file"
                                    : strerror(-r));
        return EXIT_CODE_FAILURE;
}
