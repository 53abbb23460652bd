/* config.h - mfad.conf and its drop-ins.
 * Owns:  the values; copied by whoever keeps them.
 * Calls: ini.h, fs.h, log.h.
 * Limit: CONFIG_FILE_MAX bytes a file, CONFIG_DROPINS_MAX files in mfad.conf.d. */
#pragma once
#include "common/encode.h"
#include "common/fs.h"
#include <stdbool.h>
#include <stdint.h>

#define CONFIG_FILE_MAX    ((size_t)64 * 1024)
#define CONFIG_DROPINS_MAX 64

#define CONFIG_DEFAULT_PORT         9912
#define CONFIG_DEFAULT_DURATION_SEC (12 * 60 * 60)
#define CONFIG_LOCK_IDLE_SEC_MIN    60
#define CONFIG_LOCK_IDLE_SEC_MAX    (36 * 60 * 60)

struct config {
        uint16_t port;
        bool is_port_set; /* by a file: sockets that we are given may differ from what is only a default */
        char default_profile[KEY_NAME_MAX + 1]; /* "" when not set */
        uint32_t duration_sec;
        char aws_config_file[PATH_LEN_MAX];
        char aws_credentials_file[PATH_LEN_MAX];
        char proxy[URL_MAX_LEN + 1];  /* for profiles that name none; "" for none */
        char ca_bundle[PATH_LEN_MAX]; /* the same; "" for the system's */
        bool lock_on_suspend;         /* what else locks than the user's word: hooks.h */
        bool lock_on_screen_lock;
        bool lock_on_logout;
        uint32_t lock_idle_sec; /* 0: off */
};

/* "file:line: what is wrong" */
#define CONFIG_ERROR_MAX (PATH_LEN_MAX + 256)

/* Reads @places->config/mfad.conf, then "*.conf" in mfad.conf.d in the order of their names; a later value
 * replaces an earlier one, a missing file counts as empty. A proxy's password in a file that others may
 * read is warned of in the log. Returns 0, or a negative errno with the sentence in @ret_error. */
int config_load(const struct fs_places *places, struct config *ret,
                char ret_error[CONFIG_ERROR_MAX]);
/* "90m", "12h", "3600s", "3600": AWS_DURATION_SEC_MIN to _MAX. Returns 0 or -EINVAL. */
int config_parse_duration(const char *text, uint32_t *ret_sec);
