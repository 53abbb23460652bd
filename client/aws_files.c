#include "client/aws_files.h"
#include "client/output.h"
#include "common/buf.h"
#include "common/fs.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

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

static int find(const char *variable, const char *fallback, const char *home, char *out) {
        const char *value = getenv(variable);

        return make_absolute(value && *value ? value : fallback, home, out);
}

enum exit_code aws_files_find(const char *from, struct aws_files *ret) {
        struct aws_files files;
        struct fs_places places;
        int r;

        r = fs_places(&places);
        if (r >= 0)
                r = find("AWS_CONFIG_FILE", "~/.aws/config", places.home, files.config);
        if (r >= 0)
                r = from ? make_absolute(from, places.home, files.credentials)
                         : find("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials", places.home,
                                files.credentials);
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

/* What is in @text without the key lines of each section, in @ret. */
static int without_keys(struct buf *text, const char *const sections[], size_t n_sections,
                        struct buf *ret) {
        int removed = 0, r;

        for (size_t i = 0; i < n_sections; i++) {
                buf_clear(ret);
                r = aws_credentials_without_key(buf_text(text), text->len, sections[i], ret);
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

/* Somebody's editor or `aws configure` may write at the same time: then nothing is replaced. */
static bool has_changed(const char *path, const struct stat *before) {
        struct stat now;

        return stat(path, &now) < 0 || now.st_ino != before->st_ino ||
               now.st_dev != before->st_dev || now.st_size != before->st_size ||
               now.st_mtim.tv_sec != before->st_mtim.tv_sec ||
               now.st_mtim.tv_nsec != before->st_mtim.tv_nsec;
}

/* @real: the file itself, no link. @ret_what: why not, when strerror(3) cannot say it. */
static int remove_keys(char *real, const char *const sections[], size_t n_sections,
                       const char **ret_what) {
        _cleanup_(buf_clear) struct buf text = BUF_INIT(AWS_FILE_MAX),
                                        rest = BUF_INIT(AWS_FILE_MAX);
        _cleanup_(fd_closep) int fd = -EBADF, dir = -EBADF;
        char *slash = strrchr(real, '/');
        struct stat st;
        int r;

        fd = open(real, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (st.st_uid != geteuid() || st.st_nlink != 1) {
                *ret_what = "the file is not ours, or has a second name";
                return -EPERM;
        }
        r = fs_read_fd(fd, &text);
        if (r < 0)
                return r;
        r = without_keys(&text, sections, n_sections, &rest);
        if (r <= 0)
                return r;
        if (has_changed(real, &st)) {
                *ret_what = "it was changed at the same time";
                return -EAGAIN;
        }
        *slash = '\0';
        dir = open(*real ? real : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir < 0)
                return -errno;
        return fs_replace_file(dir, slash + 1, buf_text(&rest), rest.len, st.st_mode & 07777);
}

enum exit_code aws_files_remove_keys(const char *path, const char *const sections[],
                                     size_t n_sections) {
        _cleanup_(freep) char *real = realpath(path, NULL);
        const char *what = NULL;
        int r;

        r = real ? remove_keys(real, sections, n_sections, &what) : -errno;
        if (r >= 0)
                return EXIT_CODE_OK;
        output_error("cannot remove the plain keys from %s: %s", path, what ? what : strerror(-r));
        output_hint("nothing was changed there; the keys are in the vault");
        return EXIT_CODE_FAILURE;
}
