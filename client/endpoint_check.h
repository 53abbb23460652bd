/* endpoint_check.h - is the endpoint that an environment would name really ours?
 * Owns:  nothing that outlives a call.
 * Calls: call.h, sockdiag.h, fs.h, aws_files.h, environment.h.
 * Limit: none.
 * Another user who holds the port would collect client tokens and hand out keys of his own. */
#pragma once
#include "client/call.h"
#include "client/environment.h"

/* Builds the environment for @profile (NULL: the default one) after these checks: the port's listener
 * is a process of ours, the token's file ours alone. @with_token: put the token in as well. */
enum exit_code endpoint_check(struct link *control, const char *profile, bool with_token,
                              const char *expiration, struct environment **ret);
