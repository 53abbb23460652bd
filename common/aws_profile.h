/* aws_profile.h - the user's ~/.aws/config and ~/.aws/credentials, read as botocore reads them.
 * Owns:  a parsed copy; plain keys in it live in secrets.
 * Calls: aws_config_read.h, aws_config_check.h, texts.h, secret.h.
 * Limit: AWS_FILE_MAX bytes a file, AWS_PROFILES_MAX profiles. A profile whose name is longer than
 *        PROFILE_NAME_MAX is passed over.
 * docs/aws-config.md tells the rules, and where they differ from botocore's and why. */
#pragma once
#include "common/aws_config_limits.h"
#include "common/aws_endpoint.h"
#include "common/encode.h"
#include "common/macros.h"
#include <stdbool.h>
#include <stdint.h>

struct aws_config;
struct buf;
struct secret;

/* What we use of one profile. Every text is lent until aws_config_free(), never NULL, and "" where the
 * files say nothing. NAME-long-term (aws-mfa) counts as part of NAME. */
struct aws_profile {
        const char *name;
        bool has_key;           /* a plain key for it stands in ~/.aws/credentials */
        struct aws_where where; /* region, endpoint_url, services, use_fips_endpoint, ... */
        const char *ca_bundle;  /* "~" expanded against HOME */
        const char *proxy;      /* mfad_proxy */
        const char *mfa_serial; /* mfa_serial, else aws_mfa_device */

        /* Why it cannot be used, for the user: "credential_source = Ec2InstanceMetadata ...", "line 12:
         * duration_seconds is no number". "" when nothing is wrong with the profile itself; its source
         * may still be missing. */
        const char *problem;

        /* a role */
        bool is_role;       /* has role_arn */
        bool is_direct_mfa; /* mfad_direct_mfa */
        uint32_t
                duration_sec; /* duration_seconds, AWS_DURATION_SEC_MIN to 43200; 0 when not said */
        const char *role_arn;
        const char *source_profile;
        const char *external_id;
        const char *role_session_name;
        const char *source_identity; /* mfad_source_identity */
        const char *session_policy;  /* mfad_session_policy: JSON */
        const char *policy_arns;     /* mfad_policy_arns: "ARN,ARN", no blanks */
        const char *
                session_tags; /* mfad_session_tags: "KEY=VALUE,KEY=VALUE", no blanks around , and = */
        const char *transitive_tags; /* mfad_transitive_tags: "KEY,KEY" */
};

struct aws_plain_key {                      /* a long-term key that stands in ~/.aws/credentials */
        char section[PROFILE_NAME_MAX + 1]; /* as written: NAME or NAME-long-term */
        char access_key_id[ACCESS_KEY_ID_MAX + 1];
        const struct secret *secret_key; /* lent until aws_config_free() */
};

/* Reads both files; a missing one counts as empty. @config_path, @credentials_path: absolute.
 * @with_keys: also keep plain keys (mfactl only; the daemon passes false and never holds one).
 * Returns 0, or a negative errno with @ret_error filled: the text is no INI, or too large. A value that
 * makes no sense spoils its own profile only, see `problem`. */
int aws_config_load(const char *config_path, const char *credentials_path, bool with_keys,
                    struct aws_config **ret, struct aws_config_error *ret_error);
struct aws_config *aws_config_free(struct aws_config *c);
DEFINE_FREEP(struct aws_config, aws_config)

/* NULL when no file mentions @name. Lent. */
const struct aws_profile *aws_config_find(const struct aws_config *c, const char *name);
/* All profiles, "-long-term" removed, each once, in the files' order. Lent. */
size_t aws_config_n_profiles(const struct aws_config *c);
const struct aws_profile *aws_config_at(const struct aws_config *c, size_t i);

/* The plain key of profile @name: that of "NAME-long-term" when that section exists (aws-mfa keeps
 * the short-lived one under NAME), else of NAME unless it has a session token. Returns 0 or -ENOENT. */
int aws_config_plain_key(const struct aws_config *c, const char *name, struct aws_plain_key *ret);
