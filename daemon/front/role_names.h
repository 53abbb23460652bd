/* role_names.h - the session name that AWS's logs show for a role when its profile gives none.
 * Owns:  nothing.
 * Calls: getpwuid(3), gethostname(2).
 * Limit: ROLE_SESSION_NAME_MAX bytes. */
#pragma once
#include "common/aws_request.h"

/* "mfad-USER-HOST", without what AWS does not allow in it. */
void role_session_name(char ret[ROLE_SESSION_NAME_MAX + 1]);
/* The same from parts; pure. What does not fit is cut. */
void role_session_name_from(const char *user, const char *host,
                            char ret[ROLE_SESSION_NAME_MAX + 1]);
