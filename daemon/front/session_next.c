#include "daemon/front/session.h"

enum session_state session_next(enum session_state s, enum session_event e, bool has_creds) {
        switch (e) {
        case SESSION_EV_CREDS: return SESSION_UNLOCKED;
        case SESSION_EV_UNLOCK: return has_creds && s != SESSION_LOCKED ? s : SESSION_UNLOCKING;
        case SESSION_EV_FAILED:
                if (!has_creds)
                        return SESSION_LOCKED;
                return s == SESSION_UNLOCKING ? SESSION_UNLOCKED : s;
        case SESSION_EV_NEAR_EXPIRY: return s == SESSION_UNLOCKED ? SESSION_EXPIRING : s;
        case SESSION_EV_EXPIRED: return s == SESSION_UNLOCKING ? s : SESSION_LOCKED;
        case _SESSION_EVENT_MAX: break;
        }
        abort(); /* no default: above, so a new event is a compiler warning */
}

const char *session_state_name(enum session_state s) {
        switch (s) {
        case SESSION_LOCKED: return "locked";
        case SESSION_UNLOCKING: return "unlocking";
        case SESSION_UNLOCKED: return "unlocked";
        case SESSION_EXPIRING: return "expiring";
        case _SESSION_STATE_MAX: break;
        }
        abort();
}
