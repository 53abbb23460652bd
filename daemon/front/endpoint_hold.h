/* endpoint_hold.h - requests that wait a moment for what they asked for.
 * Owns:  the list of suspended connections, and the timer that lets the first one go on.
 * Calls: libmicrohttpd, sd-event.
 * Limit: the caller's. */
#pragma once
#include "common/macros.h"
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

struct MHD_Connection;
struct peer_end;

/* One request under way; lives in its connection, zeroed before each request. */
struct endpoint_request {
        struct endpoint_request *prev, *next;
        struct MHD_Connection *connection;
        struct peer_end *peer; /* of the connection; NULL: not known */
        const void
                *waits_for; /* the session or role whose call it is; NULL for a bad token's delay */
        uint64_t until_usec; /* when its time is over, from the first wait on; 0 before */
        bool is_held;
};

struct endpoint_hold {
        struct endpoint_request *first, *last; /* by their ends */
        unsigned n;
        sd_event_source *timer;
        void (*on_resumed)(void *userdata); /* libmicrohttpd wants to be run then; may be NULL */
        void *on_resumed_userdata;
};

int endpoint_hold_init(struct endpoint_hold *h, sd_event *event, const char *description);
/* Nobody may be held any more. */
void endpoint_hold_clear(struct endpoint_hold *h);

/* Suspends @q's connection until @q->until_usec, or until one of the next two. */
void endpoint_hold_add(struct endpoint_hold *h, struct endpoint_request *q, const void *waits_for,
                       struct MHD_Connection *connection);
/* Lets all go on that wait for @waits_for. */
void endpoint_hold_resume(struct endpoint_hold *h, const void *waits_for);
/* Lets all go on whose time ends before @usec. */
void endpoint_hold_resume_until(struct endpoint_hold *h, uint64_t usec);
