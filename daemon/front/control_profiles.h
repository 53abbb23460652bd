/* control_profiles.h - the methods of org.mfad.Control that are about profiles: their list, their credentials,
 * and what is done with those.
 * Owns:  nothing; a call that waits is a control_work.
 * Calls: roles.h, profiles.h, session.h, aws_api.h; answers through varlink_server.h.
 * Limit: CONTROL_PAGE_MAX profiles in one answer. */
#pragma once
#include "daemon/front/control_work.h"

#define CONTROL_PAGE_MAX        64
#define CONTROL_DESTINATION_MAX 1024

extern const char control_no_default[];

void control_get_credentials(struct varlink_call *call, const json_t *parameters, void *userdata);
void control_list_profiles(struct varlink_call *call, const json_t *parameters, void *userdata);
void control_refresh(struct varlink_call *call, const json_t *parameters, void *userdata);
void control_test_session(struct varlink_call *call, const json_t *parameters, void *userdata);
void control_get_console_url(struct varlink_call *call, const json_t *parameters, void *userdata);

/* Notes which calls @role has news for; they are looked at in control_profiles_go_on(), outside of what
 * changed the role. */
void control_profiles_role_changed(struct control_context *c, const struct role *role);
void control_profiles_go_on(struct control_context *c);
