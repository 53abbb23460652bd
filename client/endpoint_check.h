/* endpoint_check.h - is the endpoint that an environment would name really ours?
 * Owns:  nothing that outlives a call.
 * Calls: call.h, sockdiag.h, client_token.h, aws_files.h, environment.h, port.h, units.h.
 * Limit: none.
 * Another user who holds the port would collect client tokens and hand out keys of his own. */
#pragma once
#include "client/call.h"
#include "client/environment.h"

struct endpoint_wish {
        const char *profile;    /* NULL: the default one */
        const char *region;     /* as mfad told it; NULL: the one in the files */
        const char *expiration; /* NULL: not to be told */
        bool with_token;        /* put the token itself in as well */
};

/* Builds the environment for @wish after these checks: the port's listener is a process of ours, the
 * token's file ours alone. */
enum exit_code endpoint_check(struct link *control, const struct endpoint_wish *wish,
                              struct environment **ret);
