/* profiles.h - which key answers for a profile's name.
 * Owns:  the parsed AWS configuration, read again when its files have changed.
 * Calls: common/aws_profile.h, config.h, signer_client.h (for the names of keys).
 * Limit: AWS_PROFILES_MAX profiles. */
#pragma once
#include "common/aws_profile.h"
#include "common/macros.h"

struct config;
struct profiles;
struct signer_client;

enum profile_answer {
        PROFILE_IS_KEY = 0, /* @ret is filled; ret->name is the key's name */
        PROFILE_IS_ROLE,    /* exists, but is a role profile */
        PROFILE_UNKNOWN,    /* no file names it and no key has this name */
};

int profiles_new(const struct config *config, struct signer_client *signer, struct profiles **ret);
struct profiles *profiles_free(struct profiles *p);
DEFINE_FREEP(struct profiles, profiles)

/* Resolves @name; NULL or "" means the default profile: mfad.conf's `default_profile`, else "default"
 * when a key or a file has it, else the only key of the open vault. While the vault is sealed a
 * profile that stands in the AWS files counts as a key's. */
enum profile_answer profiles_resolve(struct profiles *p, const char *name, struct aws_profile *ret);
/* Reads the files again if they have changed; a broken file keeps the old state and is logged. */
void profiles_refresh(struct profiles *p);
