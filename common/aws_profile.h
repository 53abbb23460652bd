/* aws_profile.h - the user's ~/.aws/config and ~/.aws/credentials, read as botocore reads them.
 * Owns:  a parsed copy; plain keys in it live in secrets.
 * Calls: ini.h, fs.h, secret.h.
 * Limit: AWS_FILE_MAX bytes a file, AWS_PROFILES_MAX profiles. A profile whose name is longer than
 *        PROFILE_NAME_MAX is passed over.
 * docs/aws-config.md tells the rules, and where they differ from botocore's and why. */
#pragma once
#include "common/encode.h"
#include "common/macros.h"
#include <stdbool.h>

#define AWS_FILE_MAX     ((size_t)1024 * 1024)
#define AWS_PROFILES_MAX 4096
#define PROFILE_NAME_MAX 128

struct aws_config;
struct buf;
struct secret;

/* What we use of one profile; "" where the files say nothing. */
struct aws_profile {
        char name[PROFILE_NAME_MAX + 1];
        bool is_role; /* has role_arn: not a key's own profile */
        bool has_key; /* a plain key for it stands in ~/.aws/credentials, as NAME or NAME-long-term */
        char region[33];
        char mfa_serial[MFA_SERIAL_MAX +
                        1]; /* mfa_serial, else aws_mfa_device, of NAME or NAME-long-term */
        char endpoint_url[URL_MAX_LEN + 1];
        char ca_bundle[PATH_LEN_MAX]; /* "~" expanded against HOME */
};

struct aws_plain_key {                      /* a long-term key that stands in ~/.aws/credentials */
        char section[PROFILE_NAME_MAX + 1]; /* as written: NAME or NAME-long-term */
        char access_key_id[ACCESS_KEY_ID_MAX + 1];
        const struct secret *secret_key; /* lent until aws_config_free() */
};

/* Where a file is broken. */
struct aws_config_error {
        char file[PATH_LEN_MAX];
        unsigned line;    /* from 1; 0 when the whole file could not be read */
        const char *what; /* static text */
};

/* Reads both files; a missing one counts as empty. @config_path, @credentials_path: absolute.
 * @with_keys: also keep plain keys (mfactl only; the daemon passes false and never holds one).
 * Returns 0, or a negative errno with @ret_error filled. */
int aws_config_load(const char *config_path, const char *credentials_path, bool with_keys,
                    struct aws_config **ret, struct aws_config_error *ret_error);
struct aws_config *aws_config_free(struct aws_config *c);
DEFINE_FREEP(struct aws_config, aws_config)

/* Fills @ret for the profile @name. Returns 0, or -ENOENT when no file mentions it. */
int aws_config_profile(const struct aws_config *c, const char *name, struct aws_profile *ret);
/* The names of all profiles, "-long-term" removed, each once, in the files' order. Lent. */
size_t aws_config_n_profiles(const struct aws_config *c);
const char *aws_config_profile_name(const struct aws_config *c, size_t i);

/* The plain key of profile @name: that of "NAME-long-term" when that section exists (aws-mfa keeps
 * the short-lived one under NAME), else of NAME unless it has a session token. Returns 0 or -ENOENT. */
int aws_config_plain_key(const struct aws_config *c, const char *name, struct aws_plain_key *ret);

/* Copies the credentials file @text to @ret without the key lines (aws_access_key_id,
 * aws_secret_access_key) of @section; every other byte stays. Returns the number of lines removed,
 * or a negative errno. */
int aws_credentials_without_key(const char *text, size_t len, const char *section, struct buf *ret);
