/* control_status.h - the answer of GetStatus.
 * Owns:  nothing; a new JSON object each time.
 * Calls: session.h, profiles.h, signer_client.h, aws_api.h.
 * Limit: no secrets: of an access key the last four characters. */
#pragma once
#include <jansson.h>

struct control_parts;

/* NULL when out of memory. */
json_t *control_status_new(const struct control_parts *p);
