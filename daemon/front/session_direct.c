#include "common/log.h"
#include "daemon/front/lease.h"
#include "daemon/front/profiles.h"
#include "daemon/front/role_mark.h"
#include "daemon/front/session.h"

#include <string.h>

/* Whether what @s holds is what a profile of its name stands for today. */
static bool is_still_wanted(const struct session *s, struct profiles *p) {
        const struct role_mark *bought = session_mark(s);
        struct profile_view view;
        struct role_mark now;

        switch (profiles_resolve(p, session_name(s), &view)) {
        case PROFILE_KEY:
        case PROFILE_ROLE: return !bought; /* they are served by sessions of keys */
        case PROFILE_DIRECT:
                return bought && role_mark_make(&view, &now) >= 0 &&
                       memcmp(bought, &now, sizeof(now)) == 0;
        case PROFILE_UNUSABLE:
        case PROFILE_UNKNOWN: return true; /* nobody gets it until the profile is back */
        }
        abort();
}

void sessions_follow_profiles(struct sessions *s, struct profiles *p) {
        const struct session *session;

        for (size_t i = 0; (session = sessions_at(s, i)); i++)
                if (lease_creds(session_lease(session)) && !is_still_wanted(session, p)) {
                        log_notice("session \"%s\": its profile has changed, a code is needed",
                                   session_name(session));
                        sessions_end(s, session);
                }
}
