/* control_methods.h - the methods of org.mfad.Control.
 * Owns:  each call in work, with what it waits for.
 * Calls: session.h, profiles.h, signer_client.h, aws_api.h; answers through varlink_server.h.
 * Limit: CONTROL_STATUS_MSEC that a status waits for the signer. */
#pragma once
#include "daemon/front/control_parts.h"
#include "daemon/shared/varlink_server.h"

#define CONTROL_STATUS_MSEC 1000

struct control_work;

/* The userdata of the methods. */
struct control_context {
        sd_event *event;
        struct control_parts parts;
        struct control_work *works;
};

extern const struct varlink_method control_methods[];

/* Sends the status as it is now to everybody who watches it. */
void control_methods_tell_watchers(struct control_context *c);
/* Answers all calls in work with Locked. Who watches gets nothing, and is left to the server's end. */
void control_methods_end(struct control_context *c);
