/* aws_config_read.h - the two AWS files as sections: what each says, where, and what of it we know.
 * Owns:  a copy of the values; plain keys in it live in secrets.
 * Calls: ini.h, fs.h, texts.h, secret.h.
 * Limit: as aws_config_limits.h; AWS_VALUE_MAX bytes of a value.
 * For aws_profile.c alone, which makes profiles of it. */
#pragma once
#include "common/texts.h"
#include <stdbool.h>
#include <stdint.h>

/* More than any setting of ours can have; what is longer counts as said, but not what. */
#define AWS_VALUE_MAX ((size_t)8 * 1024)

struct aws_config_error;
struct secret;

enum aws_setting {
        AWS_SET_REGION,
        AWS_SET_MFA_SERIAL,
        AWS_SET_MFA_DEVICE,
        AWS_SET_ENDPOINT_URL,
        AWS_SET_SERVICES,
        AWS_SET_IGNORE_ENDPOINT_URLS,
        AWS_SET_STS_REGIONAL,
        AWS_SET_FIPS,
        AWS_SET_DUALSTACK,
        AWS_SET_CA_BUNDLE,
        AWS_SET_ROLE_ARN,
        AWS_SET_SOURCE_PROFILE,
        AWS_SET_CREDENTIAL_SOURCE,
        AWS_SET_EXTERNAL_ID,
        AWS_SET_DURATION,
        AWS_SET_SESSION_NAME,
        AWS_SET_WEB_IDENTITY,
        AWS_SET_PROCESS,
        AWS_SET_SSO_SESSION,
        AWS_SET_SSO_START_URL,
        AWS_SET_DIRECT_MFA,
        AWS_SET_POLICY,
        AWS_SET_POLICY_ARNS,
        AWS_SET_TAGS,
        AWS_SET_TRANSITIVE_TAGS,
        AWS_SET_SOURCE_IDENTITY,
        AWS_SET_PROXY,
        AWS_SET_SIGNIN_URL,
        _AWS_SET_MAX,
};

struct aws_value {
        const char *text; /* NULL when nothing is said; "" also for a nested block */
        unsigned line;
        bool is_credentials; /* the line is one of that file */
        bool is_too_long;    /* then @text is "" */
};

struct aws_section { /* what both files say under one name */
        const char *name;
        struct aws_value values[_AWS_SET_MAX];
        const char *access_key_id; /* the last four from the credentials file only */
        struct secret *secret_key; /* kept only when asked for */
        bool has_secret_key;
        bool has_session_token;
};

struct aws_services { /* one [services NAME] */
        struct aws_value sts_url, iam_url;
        unsigned sts_bad_line,
                iam_bad_line; /* "sts" is no nested block; 0 when there is nothing to say */
        bool is_filled;       /* it has any key at all */
};

struct aws_sections {       /* all zero is an empty one */
        struct names names; /* of the profiles' sections, in the files' order */
        struct aws_section *list;
        size_t list_size;
        struct names services_names;
        struct aws_services *services;
        size_t services_size;
        struct texts texts;
};

/* Adds what a file says; a missing one says nothing. Returns 0, or a negative errno with @ret_error
 * filled. Clear @s in any case. */
int aws_config_read(struct aws_sections *s, const char *path, bool is_credentials, bool with_keys,
                    struct aws_config_error *ret_error);
void aws_sections_clear(struct aws_sections *s);

const struct aws_section *aws_sections_find(const struct aws_sections *s, const char *name);
/* As the user writes it: "region". */
const char *aws_setting_name(enum aws_setting setting);
