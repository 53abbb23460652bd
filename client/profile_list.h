/* profile_list.h - all profiles that mfad knows, collected from its pages.
 * Owns:  nothing that outlives a call.
 * Calls: call.h.
 * Limit: PROFILE_LIST_MAX profiles. */
#pragma once
#include "client/call.h"

#define PROFILE_LIST_MAX 8192 /* AWS_PROFILES_MAX, and the keys without a profile */

/* Every profile, as org.mfad.Control describes it, in an array. */
enum exit_code profile_list(struct link *control, json_t **ret);
/* The profile @name; NULL in @ret when there is none. */
enum exit_code profile_list_find(struct link *control, const char *name, json_t **ret);

/* Are credentials held for @profile at this moment? */
bool profile_list_is_held(const json_t *profile);
