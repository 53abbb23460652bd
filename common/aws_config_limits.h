/* aws_config_limits.h - how much of the AWS files is taken, and what is said of a broken one.
 * Owns:  nothing.
 * Calls: encode.h.
 * Limit: these. */
#pragma once
#include "common/encode.h"

#define AWS_FILE_MAX     ((size_t)4 * 1024 * 1024)
#define AWS_PROFILES_MAX 4096
#define PROFILE_NAME_MAX 128

/* Where a file is broken. */
struct aws_config_error {
        char file[PATH_LEN_MAX];
        unsigned line;    /* from 1; 0 when the whole file could not be read */
        const char *what; /* static text; NULL: the errno says it */
};
