/* lend.h - the credentials of a profile, for the commands that hand them on.
 * Owns:  nothing that outlives a call; JSON is wiped when it is freed.
 * Calls: call.h.
 * Limit: none. */
#pragma once
#include "client/call.h"

/* {"profile": @profile}, or NULL for the default profile. */
json_t *lend_parameters(const char *profile);
/* mfad's credentials for @profile (NULL: the default one), complete. @ret_region: the profile's region,
 * a JSON string or null; NULL: not wanted. */
enum exit_code lend(struct link *control, const char *profile, json_t **ret, json_t **ret_region);
