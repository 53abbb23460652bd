/* event_json.h - an event in JSON: the LogRecord of org.mfad.Control, which is also what `mfactl log --json` prints.
 * Owns:  nothing.
 * Calls: jansson.
 * Limit: none. */
#pragma once
#include "common/events.h"
#include <jansson.h>
#include <stdint.h>

/* All texts are lent, and valid UTF-8. Returns NULL when out of memory. */
json_t *event_json(int64_t number, int64_t wall_usec, enum event event,
                   const struct event_fields *fields, const char *sentence);
