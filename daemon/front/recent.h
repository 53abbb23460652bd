/* recent.h - the last events, in memory: what `mfactl log` shows where no journal does.
 * Owns:  a copy of each event; nothing in it is secret.
 * Calls: log.h, whose listener it is.
 * Limit: RECENT_MAX events, each with at most RECENT_TEXT_MAX bytes of text; the oldest goes first. */
#pragma once
#include "common/events.h"
#include "common/macros.h"
#include <stdint.h>

#define RECENT_MAX      1000
#define RECENT_TEXT_MAX 512 /* of one text, which is cut */

struct recent_event {
        int64_t number; /* grows with every event, also across a lock or a restart */
        int64_t wall_usec;
        enum event event;
        struct event_fields fields; /* valid UTF-8 without control characters */
        const char *sentence;
};

struct recent;
int recent_new(struct recent **ret);
struct recent *recent_free(struct recent *r);
DEFINE_FREEP(struct recent, recent)

/* The first event after @number, 0 for the oldest; NULL when there is none. A number that was never given
 * counts as 0. Lent until the next event. */
const struct recent_event *recent_after(const struct recent *r, int64_t number);
/* The newest event; NULL when there is none. Lent as above. */
const struct recent_event *recent_newest(const struct recent *r);
/* @fn runs after every event, from wherever that happened; it must not log. NULL for nobody. */
void recent_watch(struct recent *r, void (*fn)(void *userdata), void *userdata);
