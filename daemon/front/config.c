#include "daemon/front/config.h"
#include "common/aws_request.h"
#include "common/buf.h"
#include "common/ini.h"

#include <ctype.h>
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

int config_parse_duration(const char *text, uint32_t *ret_sec) {
        static const char units[] = "smh";
        static const unsigned long factors[] = {1, 60, 3600};
        unsigned long value, factor = 1;
        const char *unit;
        char *end;

        if (!isdigit((unsigned char)text[0]))
                return -EINVAL;
        errno = 0;
        value = strtoul(text, &end, 10);
        if (errno != 0 || value > AWS_DURATION_SEC_MAX)
                return -EINVAL;
        if (*end) {
                unit = strchr(units, *end);
                if (!unit || end[1])
                        return -EINVAL;
                factor = factors[unit - units];
        }
        if (value > AWS_DURATION_SEC_MAX / factor || value * factor < AWS_DURATION_SEC_MIN)
                return -EINVAL;
        *ret_sec = (uint32_t)(value * factor);
        return 0;
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
};

static int on_entry(const struct ini_entry *entry, void *userdata, const char **ret_what) {
        if (strcmp(entry->section, "mfad") != 0) {
                *ret_what = "the only section is [mfad]";
                return -EINVAL;
        }
        if (!entry->key)
                return 0;
        for (size_t i = 0; i < ELEMENTSOF(settings); i++)
                if (strcmp(entry->key, settings[i].key) == 0)
                        return settings[i].set(userdata, entry->value, ret_what);
        *ret_what = "no such setting; see mfad.conf(5)";
        return -EINVAL;
}

/* Returns 0 also for a missing file. */
static int read_file(const char *path, struct config *c, char ret_error[CONFIG_ERROR_MAX]) {
        _cleanup_(buf_clear) struct buf text = BUF_INIT(CONFIG_FILE_MAX);
        struct ini_error error = {.what = "cannot be parsed"};
        int r;

        r = fs_read_file(path, &text);
        if (r == -ENOENT)
                return 0;
        if (r < 0) {
                (void)snprintf(ret_error, CONFIG_ERROR_MAX, "%s: %s", path, strerror(-r));
                return r;
        }
        r = ini_parse(buf_text(&text), text.len, on_entry, c, &error);
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
                           .duration_sec = CONFIG_DEFAULT_DURATION_SEC};
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
