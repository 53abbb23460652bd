/* control_status.h - the answer of GetStatus, and what is told about one profile.
 * Owns:  nothing; a new JSON object each time.
 * Calls: session.h, roles.h, profiles.h, signer_client.h, aws_api.h.
 * Limit: CONTROL_FAILING_MAX failing roles in a status, and the number of all. No secrets: of an access key the last four characters. */
#pragma once
#include <jansson.h>

#define CONTROL_FAILING_MAX 16

struct control_parts;

/* NULL when out of memory. */
json_t *control_status_new(const struct control_parts *p);
/* The type Profile, for the profile or key @name. NULL when out of memory. */
json_t *control_profile_new(const struct control_parts *p, const char *name);
