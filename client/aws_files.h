/* aws_files.h - the user's ~/.aws files as mfactl sees them: found, read, plain keys taken out, sessions put in.
 * Owns:  nothing that outlives a call.
 * Calls: aws_profile.h, aws_credentials.h, mfad_conf.h, fs.h, output.h.
 * Limit: AWS_FILE_MAX bytes a file; AWS_FILES_LOCK_SEC for another mfactl that edits at the same time.
 * AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE count here as they do for AWS's own tools; where they say
 * nothing, mfad.conf does, as for mfad. */
#pragma once
#include "client/errors.h"
#include "common/aws_profile.h"
#include <stdbool.h>

#define AWS_FILES_LOCK_SEC 10

struct creds;

struct aws_files {
        char config[PATH_LEN_MAX];
        char credentials[PATH_LEN_MAX];
};

/* @from: another credentials file, or NULL. */
enum exit_code aws_files_find(const char *from, struct aws_files *ret);
/* Those that mfad reads, which does not see this environment. Returns 0 or a negative errno. */
int aws_files_of_mfad(struct aws_files *ret);
/* Are the paths @a and @b two files? Two names of one are the same. */
bool aws_files_differ(const char *a, const char *b);
/* Warns when this environment names other files than mfad reads. Returns whether it does. */
bool aws_files_warn(void);

/* Reads both. @with_keys as in aws_config_load(). */
enum exit_code aws_files_load(const struct aws_files *files, bool with_keys,
                              struct aws_config **ret);

/* Removes the key lines of @sections from the file at @path (through a symbolic link: from its target)
 * by replacing it whole: mode and every other byte stay. */
enum exit_code aws_files_remove_keys(const char *path, const char *const sections[],
                                     size_t n_sections);
/* Writes @creds of profile @profile into @section of the file at @path, likewise; it is made when it is not
 * there, and its mode becomes 0600. */
enum exit_code aws_files_put_session(const char *path, const char *section, const char *profile,
                                     const struct creds *creds);
