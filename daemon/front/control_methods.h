/* control_methods.h - the methods of org.mfad.Control.
 * Owns:  the table of methods, and those of them that are about keys and sessions.
 * Calls: control_profiles.h for the others; session.h, profiles.h, signer_client.h, aws_api.h.
 * Limit: CONTROL_STATUS_MSEC that a status waits for the signer. */
#pragma once
#include "daemon/front/control_work.h"

#define CONTROL_STATUS_MSEC 1000

extern const struct varlink_method control_methods[];

/* Sends the status as it is now to everybody who watches it. */
void control_methods_tell_watchers(struct control_context *c);
/* Answers all calls in work with Locked. Who watches gets nothing, and is left to the server's end. */
void control_methods_end(struct control_context *c);
