/* aws_files.h - the user's ~/.aws files as mfactl sees them: found, read, and plain keys taken out.
 * Owns:  nothing that outlives a call.
 * Calls: aws_profile.h, fs.h, output.h.
 * Limit: AWS_FILE_MAX bytes a file.
 * AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE count here as they do for AWS's own tools. */
#pragma once
#include "client/errors.h"
#include "common/aws_profile.h"

struct aws_files {
        char config[PATH_LEN_MAX];
        char credentials[PATH_LEN_MAX];
};

/* @from: another credentials file, or NULL. */
enum exit_code aws_files_find(const char *from, struct aws_files *ret);
/* Reads both. @with_keys as in aws_config_load(). */
enum exit_code aws_files_load(const struct aws_files *files, bool with_keys,
                              struct aws_config **ret);

/* Removes the key lines of @sections from the file at @path (through a symbolic link: from its target)
 * by replacing it whole: mode and every other byte stay. */
enum exit_code aws_files_remove_keys(const char *path, const char *const sections[],
                                     size_t n_sections);
