/* profiles.h - what a profile's name stands for: a key's session, a role and its source, or nothing usable.
 * Owns:  the parsed AWS configuration, read again when its files have changed.
 * Calls: common/aws_profile.h, config.h, signer_client.h (for the names of keys), inotify(7).
 * Limit: AWS_PROFILES_MAX profiles. Chains of roles may be as long as there are profiles. */
#pragma once
#include "common/aws_profile.h"
#include "common/aws_request.h"
#include "common/macros.h"
#include <systemd/sd-event.h>

struct config;
struct profiles;
struct signer_client;

#define PROFILE_PROBLEM_MAX 512

enum profile_kind {
        PROFILE_KEY,      /* served by the session of the key that has its name */
        PROFILE_DIRECT,   /* a role with mfad_direct_mfa: has a session of its own */
        PROFILE_ROLE,     /* assumed from a session, or from another role */
        PROFILE_UNUSABLE, /* it exists, but see `problem` */
        PROFILE_UNKNOWN,  /* no file names it and no key has this name */
};

/* All texts inside are lent until profiles_refresh(), which the event loop may call between two events. */
struct profile_view {
        enum profile_kind kind;
        struct aws_profile
                profile; /* what a role does not say about where to call, its source says */
        char session[KEY_NAME_MAX + 1]; /* that serves it, or that its chain of roles starts from */
        char key[KEY_NAME_MAX + 1];     /* the long-term key at the start of it all */
        const char
                *source; /* ROLE: the role profile it is assumed from; "" for the session itself */
        bool is_arn;     /* of profiles_resolve_arn(); its name is the ARN */
        bool is_shortened; /* ROLE: duration_seconds is more than AWS grants to temporary credentials */
        char problem[PROFILE_PROBLEM_MAX]; /* UNUSABLE: why, for the user */
};

/* @config and @signer are lent until profiles_free(). */
int profiles_new(sd_event *event, const struct config *config, struct signer_client *signer,
                 struct profiles **ret);
struct profiles *profiles_free(struct profiles *p);
DEFINE_FREEP(struct profiles, profiles)

/* Resolves @name; NULL or "" means the default profile: mfad.conf's `default_profile`, else "default"
 * when a key or a role has that name, else the only key of the open vault. While the vault is sealed a
 * profile without role_arn counts as a key's. */
enum profile_kind profiles_resolve(struct profiles *p, const char *name, struct profile_view *ret);
/* The role @arn, assumed from the session that the default profile starts from. @arn is legal and lent
 * as long as @ret is used. */
enum profile_kind profiles_resolve_arn(struct profiles *p, const char *arn,
                                       struct profile_view *ret);
/* The profile of the key @key, which may also be a role's; NULL when no file has one. Lent as above. */
const struct aws_profile *profiles_of_key(const struct profiles *p, const char *key);
/* The MFA device of the key @key: what its profile says, else a role profile whose chain starts from it.
 * "" when neither does. Lent as above. */
const char *profiles_mfa_serial(struct profiles *p, const char *key);
/* What AssumeRole is to be asked for @view, a ROLE or DIRECT. */
void profiles_fill_role(const struct profiles *p, const struct profile_view *view,
                        struct aws_role *ret);

/* The names of all profiles, and of keys that have none, sorted; up to @max of those after @after (NULL
 * or "" for the first). Returns how many there are in @ret; lent as above. */
size_t profiles_list(struct profiles *p, const char *after, const char **ret, size_t max);

/* Reads the files again if they have changed; a broken file keeps the old state and is logged. */
void profiles_refresh(struct profiles *p);
/* After @config has changed, but for the files' names. */
void profiles_config_changed(struct profiles *p);
/* What is wrong with the files at present: "/home/alice/.aws/config line 12: ..."; NULL for nothing. */
const char *profiles_notice(const struct profiles *p);
/* Counts up whenever profiles may resolve differently than before. */
uint64_t profiles_generation(const struct profiles *p);
/* @fn runs from the event loop after the files have been read again. One watcher. */
void profiles_watch(struct profiles *p, void (*fn)(void *userdata), void *userdata);
