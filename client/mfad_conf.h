/* mfad_conf.h - the settings of mfad.conf that mfactl needs: AWS files, passphrase_command, proxy, port.
 * Owns:  the drop-in MFAD_CONF_DROPIN.
 * Calls: ini.h, fs.h.
 * Limit: MFAD_CONF_MAX bytes a file, MFAD_CONF_DROPINS_MAX drop-ins.
 * What is wrong with the files is for mfad to say, which does not start then: here it counts as not there. */
#pragma once
#include "common/encode.h"
#include "common/macros.h"
#include <stdbool.h>
#include <stdint.h>

#define MFAD_CONF_MAX          ((size_t)64 * 1024)
#define MFAD_CONF_DROPINS_MAX  64
#define MFAD_CONF_DROPIN       "aws-files.conf"
#define MFAD_CONF_PORT_DEFAULT 9912

struct fs_places;

struct mfad_conf { /* "" for what no file says */
        char aws_config_file[PATH_LEN_MAX];
        char aws_credentials_file[PATH_LEN_MAX];
        char passphrase_command[PASSPHRASE_COMMAND_MAX + 1];
        char passphrase_command_file[PATH_LEN_MAX]; /* the file that says it */
        bool is_command_safe; /* nobody but the user and root can have written that */
        bool has_proxy;
        uint16_t port; /* 0: no file says it */
};

/* mfad.conf, then its drop-ins in the order of their names. Returns 0 or -ENAMETOOLONG. */
int mfad_conf_read(const struct fs_places *places, struct mfad_conf *ret);
/* Replaces the drop-in by one with these settings ("" ones are left out); its path is in @ret_path, also
 * after a failure. Returns 0; -EINVAL for a path that mfad.conf cannot hold; another negative errno. */
int mfad_conf_write(const struct fs_places *places, const struct mfad_conf *conf,
                    char ret_path[PATH_LEN_MAX]);
