/* control_log.h - the method GetLog: the recent events, and those to come.
 * Owns:  nothing.
 * Calls: recent.h, control_work.h.
 * Limit: CONTROL_LOG_PAGE events an answer. Who follows and does not read is cut off at VARLINK_OUT_MAX. */
#pragma once
#include "daemon/front/control_work.h"

#define CONTROL_LOG_PAGE 64

void control_get_log(struct varlink_call *call, const json_t *parameters, void *userdata);
/* There are new events: has control_log_go_on() called, which tells who follows. */
void control_log_wake(struct control_context *c);
void control_log_go_on(struct control_context *c);
