#include "daemon/front/config.h"
#include "common/aws_request.h"
#include "common/buf.h"
#include "common/ini.h"
#include "common/log.h"

#include <ctype.h>
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* A number with "s", "m" or "h", or of seconds, from @min to @max. */
static int parse_seconds(const char *text, unsigned long min, unsigned long max,
                         uint32_t *ret_sec) {
        static const char units[] = "smh";
        static const unsigned long factors[] = {1, 60, 3600};
        unsigned long value, factor = 1;
        const char *unit;
        char *end;

        if (!isdigit((unsigned char)text[0]))
                return -EINVAL;
        errno = 0;
        value = strtoul(text, &end, 10);
        if (errno != 0 || value > max)
                return -EINVAL;
        if (*end) {
                unit = strchr(units, *end);
                if (!unit || end[1])
                        return -EINVAL;
                factor = factors[unit - units];
        }
        if (value > max / factor || value * factor < min)
                return -EINVAL;
        *ret_sec = (uint32_t)(value * factor);
        return 0;
}

int config_parse_duration(const char *text, uint32_t *ret_sec) {
        return parse_seconds(text, AWS_DURATION_SEC_MIN, AWS_DURATION_SEC_MAX, ret_sec);
}

static int set_port(struct config *c, const char *value, const char **ret_what) {
        unsigned long port;
        char *end;

        errno = 0;
        port = strtoul(value, &end, 10);
        /* below 1024 a user cannot listen */
        if (!isdigit((unsigned char)value[0]) || *end || errno != 0 || port < 1024 ||
            port > 65535) {
                *ret_what = "port must be a number from 1024 to 65535";
                return -EINVAL;
        }
        c->port = (uint16_t)port;
        c->is_port_set = true;
        return 0;
}

static int set_default_profile(struct config *c, const char *value, const char **ret_what) {
        if (!text_is_key_name(value)) {
                *ret_what = "default_profile is not a profile's name";
                return -EINVAL;
        }
        strcpy(c->default_profile, value);
        return 0;
}

static int set_duration(struct config *c, const char *value, const char **ret_what) {
        if (config_parse_duration(value, &c->duration_sec) < 0) {
                *ret_what = "duration must be from 15m to 36h";
                return -EINVAL;
        }
        return 0;
}

static int set_path(char *out, const char *value, const char **ret_what) {
        if (value[0] != '/' || !text_is_printable(value, PATH_LEN_MAX - 1)) {
                *ret_what = "the path must be absolute";
                return -EINVAL;
        }
        strcpy(out, value);
        return 0;
}

static int set_aws_config_file(struct config *c, const char *value, const char **ret_what) {
        return set_path(c->aws_config_file, value, ret_what);
}

static int set_aws_credentials_file(struct config *c, const char *value, const char **ret_what) {
        return set_path(c->aws_credentials_file, value, ret_what);
}

static int set_proxy(struct config *c, const char *value, const char **ret_what) {
        if (!text_is_proxy(value)) {
                *ret_what = "proxy must be http://host:port or http://user:password@host:port";
                return -EINVAL;
        }
        strcpy(c->proxy, value);
        return 0;
}

static int set_ca_bundle(struct config *c, const char *value, const char **ret_what) {
        return set_path(c->ca_bundle, value, ret_what);
}

/* Ours to check, but not to run: that is mfactl's. */
static int set_passphrase_command(struct config *c _unused_, const char *value,
                                  const char **ret_what) {
        if (*value && text_is_printable(value, PASSPHRASE_COMMAND_MAX))
                return 0;
        *ret_what = "passphrase_command must be one line of text, at most 1024 bytes";
        return -EINVAL;
}

static int set_yes_no(bool *out, const char *value, const char *what, const char **ret_what) {
        if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0) {
                *ret_what = what;
                return -EINVAL;
        }
        *out = *value == 'y';
        return 0;
}

static int set_lock_on_suspend(struct config *c, const char *value, const char **ret_what) {
        return set_yes_no(&c->lock_on_suspend, value, "lock_on_suspend must be yes or no",
                          ret_what);
}

static int set_lock_on_screen_lock(struct config *c, const char *value, const char **ret_what) {
        return set_yes_no(&c->lock_on_screen_lock, value, "lock_on_screen_lock must be yes or no",
                          ret_what);
}

static int set_lock_on_logout(struct config *c, const char *value, const char **ret_what) {
        return set_yes_no(&c->lock_on_logout, value, "lock_on_logout must be yes or no", ret_what);
}

static int set_lock_idle(struct config *c, const char *value, const char **ret_what) {
        if (strcmp(value, "off") == 0) {
                c->lock_idle_sec = 0;
                return 0;
        }
        if (parse_seconds(value, CONFIG_LOCK_IDLE_SEC_MIN, CONFIG_LOCK_IDLE_SEC_MAX,
                          &c->lock_idle_sec) < 0) {
                *ret_what = "lock_idle must be off, or from 1m to 36h";
                return -EINVAL;
        }
        return 0;
}

/* All there is; mfad.conf(5) says the same. */
static const struct {
        const char *key;
        int (*set)(struct config *c, const char *value, const char **ret_what);
} settings[] = {
        {"port", set_port},
        {"default_profile", set_default_profile},
        {"duration", set_duration},
        {"aws_config_file", set_aws_config_file},
        {"aws_credentials_file", set_aws_credentials_file},
        {"proxy", set_proxy},
        {"ca_bundle", set_ca_bundle},
        {"lock_on_suspend", set_lock_on_suspend},
        {"lock_on_screen_lock", set_lock_on_screen_lock},
        {"lock_on_logout", set_lock_on_logout},
        {"lock_idle", set_lock_idle},
        {"passphrase_command", set_passphrase_command},
};

/* One file. */
struct reading {
        struct config *config;
        bool has_password;
};

static int on_entry(const struct ini_entry *entry, void *userdata, const char **ret_what) {
        struct reading *reading = userdata;

        if (strcmp(entry->section, "mfad") != 0) {
                *ret_what = "the only section is [mfad]";
                return -EINVAL;
        }
        if (!entry->key)
                return 0;
        /* user and password end in "@", which stands nowhere else in a proxy */
        reading->has_password |= strcmp(entry->key, "proxy") == 0 && strchr(entry->value, '@');
        for (size_t i = 0; i < ELEMENTSOF(settings); i++)
                if (strcmp(entry->key, settings[i].key) == 0)
                        return settings[i].set(reading->config, entry->value, ret_what);
        *ret_what = "no such setting; see mfad.conf(5)";
        return -EINVAL;
}

static void warn_if_not_private(const char *path) {
        struct stat st;

        if (stat(path, &st) == 0 && (st.st_mode & (S_IRGRP | S_IROTH)))
                (void)log_warning(0,
                                  "\"%s\" holds a proxy's password and other users may read it; "
                                  "run: chmod 600 \"%s\"",
                                  path, path);
}

/* Returns 0 also for a missing file. */
static int read_file(const char *path, struct config *c, char ret_error[CONFIG_ERROR_MAX]) {
        _cleanup_(buf_clear) struct buf text = BUF_INIT(CONFIG_FILE_MAX);
        struct ini_error error = {.what = "cannot be parsed"};
        struct reading reading = {.config = c};
        int r;

        r = fs_read_file(path, &text);
        if (r == -ENOENT)
                return 0;
        if (r < 0) {
                (void)snprintf(ret_error, CONFIG_ERROR_MAX, "%s: %s", path, strerror(-r));
                return r;
        }
        r = ini_parse(buf_text(&text), text.len, on_entry, &reading, &error);
        if (reading.has_password)
                warn_if_not_private(path); /* also when its sentence below ends the start */
        if (r < 0)
                (void)snprintf(ret_error, CONFIG_ERROR_MAX, "%s:%u: %s", path, error.line,
                               r == -EINVAL ? error.what : strerror(-r));
        return r;
}

static int is_dropin(const struct dirent *entry) {
        size_t n = strlen(entry->d_name);

        return n > 5 && entry->d_name[0] != '.' && strcmp(entry->d_name + n - 5, ".conf") == 0;
}

static int read_dropins(const char *dir, struct config *c, char ret_error[CONFIG_ERROR_MAX]) {
        struct dirent **entries = NULL;
        int n, r = 0;

        /* strcmp() order in the "C" locale that process_harden() has set */
        n = scandir(dir, &entries, is_dropin, alphasort);
        if (n < 0 && errno == ENOENT)
                return 0;
        if (n < 0) {
                r = -errno;
                (void)snprintf(ret_error, CONFIG_ERROR_MAX, "%s: %s", dir, strerror(-r));
                return r;
        }
        if (n > CONFIG_DROPINS_MAX) {
                r = -E2BIG;
                (void)snprintf(ret_error, CONFIG_ERROR_MAX, "%s: more than %d files", dir,
                               CONFIG_DROPINS_MAX);
        }
        for (int i = 0; i < n; i++) {
                char path[PATH_LEN_MAX];

                if (r >= 0) {
                        r = fs_join(path, sizeof(path), dir, entries[i]->d_name);
                        if (r >= 0)
                                r = read_file(path, c, ret_error);
                        else
                                (void)snprintf(ret_error, CONFIG_ERROR_MAX, "%s: name too long",
                                               dir);
                }
                free(entries[i]);
        }
        free(entries);
        return r;
}

int config_load(const struct fs_places *places, struct config *ret,
                char ret_error[CONFIG_ERROR_MAX]) {
        struct config c = {.port = CONFIG_DEFAULT_PORT,
                           .duration_sec = CONFIG_DEFAULT_DURATION_SEC,
                           .lock_on_logout = true};
        char path[PATH_LEN_MAX];
        int r;

        (void)snprintf(ret_error, CONFIG_ERROR_MAX, "%s: path too long", places->config);
        if ((r = fs_join(c.aws_config_file, PATH_LEN_MAX, places->home, ".aws/config")) < 0 ||
            (r = fs_join(c.aws_credentials_file, PATH_LEN_MAX, places->home, ".aws/credentials")) <
                    0 ||
            (r = fs_join(path, sizeof(path), places->config, "mfad.conf")) < 0)
                return r;
        r = read_file(path, &c, ret_error);
        if (r < 0)
                return r;
        r = fs_join(path, sizeof(path), places->config, "mfad.conf.d");
        if (r >= 0)
                r = read_dropins(path, &c, ret_error);
        if (r < 0)
                return r;
        *ret = c;
        return 0;
}
