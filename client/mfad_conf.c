#include "client/mfad_conf.h"
#include "common/buf.h"
#include "common/fs.h"
#include "common/ini.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define DROPINS "mfad.conf.d"

/* One file. */
struct reading {
        struct mfad_conf *conf;
        const char *path;
        bool is_safe;
};

static void take_path(char *out, const char *value) {
        if (value[0] == '/' && strlen(value) < PATH_LEN_MAX)
                strcpy(out, value);
}

static void take_command(const struct reading *reading, const char *value) {
        struct mfad_conf *conf = reading->conf;

        if (!*value || !text_is_printable(value, PASSPHRASE_COMMAND_MAX))
                return;
        strcpy(conf->passphrase_command, value);
        strcpy(conf->passphrase_command_file, reading->path);
        conf->is_command_safe = reading->is_safe;
}

/* mfad takes no other either. */
static void take_port(struct mfad_conf *conf, const char *value) {
        unsigned long port;
        char *end;

        errno = 0;
        port = strtoul(value, &end, 10);
        if (errno == 0 && *end == '\0' && port >= 1024 && port <= UINT16_MAX)
                conf->port = (uint16_t)port;
}

static int on_entry(const struct ini_entry *entry, void *userdata, const char **ret_what) {
        const struct reading *reading = userdata;

        (void)ret_what; /* nothing is an error here */
        if (!entry->key || strcmp(entry->section, "mfad") != 0)
                return 0;
        if (strcmp(entry->key, "aws_config_file") == 0)
                take_path(reading->conf->aws_config_file, entry->value);
        else if (strcmp(entry->key, "aws_credentials_file") == 0)
                take_path(reading->conf->aws_credentials_file, entry->value);
        else if (strcmp(entry->key, "passphrase_command") == 0)
                take_command(reading, entry->value);
        else if (strcmp(entry->key, "port") == 0)
                take_port(reading->conf, entry->value);
        else if (strcmp(entry->key, "proxy") == 0)
                reading->conf->has_proxy = *entry->value;
        return 0;
}

/* Root may own it too: some systems keep a user's configuration for him. */
static bool is_writable_by_others(const struct stat *st) {
        return (st->st_uid != geteuid() && st->st_uid != 0) ||
               (st->st_mode & (S_IWGRP | S_IWOTH)) != 0;
}

/* @dir: where the file stands, and could be replaced. */
static void read_file(const char *dir, const char *path, struct mfad_conf *conf) {
        _cleanup_(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        _cleanup_(buf_clear) struct buf text = BUF_INIT(MFAD_CONF_MAX);
        struct reading reading = {.conf = conf, .path = path};
        struct ini_error error;
        struct stat its, dirs;

        /* missing or unreadable: it says nothing */
        if (fd < 0 || fstat(fd, &its) < 0 || stat(dir, &dirs) < 0 || fs_read_fd(fd, &text) < 0)
                return;
        reading.is_safe = !is_writable_by_others(&its) && !is_writable_by_others(&dirs);
        (void)ini_parse(buf_text(&text), text.len, on_entry, &reading, &error);
}

static int is_dropin(const struct dirent *entry) {
        size_t n = strlen(entry->d_name);

        return n > 5 && entry->d_name[0] != '.' && strcmp(entry->d_name + n - 5, ".conf") == 0;
}

int mfad_conf_read(const struct fs_places *places, struct mfad_conf *ret) {
        char dir[PATH_LEN_MAX], path[PATH_LEN_MAX];
        struct dirent **entries = NULL;
        struct mfad_conf conf = {0};
        int n, r;

        r = fs_join(path, sizeof(path), places->config, "mfad.conf");
        if (r >= 0)
                r = fs_join(dir, sizeof(dir), places->config, DROPINS);
        if (r < 0)
                return r;
        read_file(places->config, path, &conf);
        n = scandir(dir, &entries, is_dropin, alphasort); /* in the "C" locale, as mfad does */
        for (int i = 0; i < n; i++) {
                if (i < MFAD_CONF_DROPINS_MAX &&
                    fs_join(path, sizeof(path), dir, entries[i]->d_name) == 0)
                        read_file(dir, path, &conf);
                free(entries[i]);
        }
        free(entries);
        *ret = conf;
        return 0;
}

/* One line of the INI file, unless @value is "". */
static int put(struct buf *b, const char *key, const char *value) {
        size_t n = strlen(value);

        if (n == 0)
                return 0;
        if (value[0] != '/' || value[n - 1] == ' ' || !text_is_printable(value, PATH_LEN_MAX - 1))
                return -EINVAL;
        return buf_printf(b, "%s = %s\n", key, value);
}

/* The drop-ins' directory, made when it is not there. Returns a descriptor. */
static int open_dropins(const struct fs_places *places, const char *dir) {
        int fd = fs_open_private_dir(places->config, /* create= */ true);

        /* one that others may look into is no secret: mfad reads it all the same */
        if (fd < 0 && fd != -EPERM)
                return fd;
        (void)fd_close(fd);
        if (mkdir(dir, 0700) < 0 && errno != EEXIST)
                return -errno;
        fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

int mfad_conf_write(const struct fs_places *places, const struct mfad_conf *conf,
                    char ret_path[PATH_LEN_MAX]) {
        _cleanup_(buf_clear) struct buf text = BUF_INIT(MFAD_CONF_MAX);
        _cleanup_(fd_closep) int fd = -EBADF;
        char dir[PATH_LEN_MAX];
        int r;

        ret_path[0] = '\0';
        r = fs_join(dir, sizeof(dir), places->config, DROPINS);
        if (r >= 0)
                r = fs_join(ret_path, PATH_LEN_MAX, dir, MFAD_CONF_DROPIN);
        if (r >= 0)
                r = buf_puts(&text, "# written by mfactl init, from AWS_CONFIG_FILE and "
                                    "AWS_SHARED_CREDENTIALS_FILE\n[mfad]\n");
        if (r >= 0)
                r = put(&text, "aws_config_file", conf->aws_config_file);
        if (r >= 0)
                r = put(&text, "aws_credentials_file", conf->aws_credentials_file);
        if (r < 0)
                return r;
        fd = open_dropins(places, dir);
        return fd < 0 ? fd : fs_replace_file(fd, MFAD_CONF_DROPIN, buf_text(&text), text.len, 0600);
}
