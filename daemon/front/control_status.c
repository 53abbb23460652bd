#include "daemon/front/control_status.h"
#include "common/clock.h"
#include "common/creds.h"
#include "common/secret.h"
#include "daemon/front/aws_api.h"
#include "daemon/front/control_parts.h"
#include "daemon/front/profiles.h"
#include "daemon/front/session.h"
#include "daemon/front/signer_client.h"

#include <string.h>

#define TIME_LEN 21

static const char *vault_name(const struct signer_client *signer) {
        if (!signer_client_is_connected(signer))
                return "unreachable";
        switch (signer_client_vault(signer)) {
        case VAULT_NONE: return "none";
        case VAULT_SEALED: return "sealed";
        case VAULT_OPEN: return "open";
        }
        abort();
}

/* Which state is worth more to somebody who wants credentials. */
static int worth(enum session_state s) {
        switch (s) {
        case SESSION_LOCKED: return 0;
        case SESSION_UNLOCKING: return 1;
        case SESSION_EXPIRING: return 2;
        case SESSION_UNLOCKED: return 3;
        case _SESSION_STATE_MAX: break;
        }
        abort();
}

static const char *best_state(const struct control_parts *p) {
        enum session_state best = SESSION_LOCKED;
        const struct session *s;

        for (size_t i = 0; (s = sessions_at(p->sessions, i)); i++)
                if (worth(session_state(s)) > worth(best))
                        best = session_state(s);
        /* without a connection this is VAULT_SEALED: no key can be used */
        if (best == SESSION_LOCKED && signer_client_vault(p->signer) == VAULT_SEALED)
                return "sealed";
        return session_state_name(best);
}

static json_t *failure_json(const struct failure *f) {
        char at[TIME_LEN];
        json_t *wait;

        if (!f)
                return json_null();
        encode_time_iso(f->at_wall_sec, at);
        wait = f->wait_sec > 0 ? json_integer(f->wait_sec) : json_null();
        return json_pack("{s:s, s:s, s:s, s:o}", "reason", failure_name(f->reason), "message",
                         f->message, "at", at, "wait_seconds", wait);
}

static json_t *session_json(const struct session *s) {
        const struct creds *creds = session_creds(s);
        const char *id = creds ? creds->access_key_id : "", *serial = session_mfa_serial(s);
        size_t len = strlen(id);
        int64_t ends = session_expires_wall_sec(s);
        char at[TIME_LEN];

        encode_time_iso(ends, at);
        return json_pack("{s:s, s:s, s:s?, s:o, s:s?, s:s?, s:o}", "key", session_key(s), "state",
                         session_state_name(session_state(s)), "expires_at", creds ? at : NULL,
                         "seconds_left",
                         creds ? json_integer(ends - clock_wall_sec()) : json_null(),
                         "access_key_id", creds ? id + (len > 4 ? len - 4 : 0) : NULL, "mfa_serial",
                         *serial ? serial : NULL, "failure", failure_json(session_failure(s)));
}

json_t *control_status_new(const struct control_parts *p) {
        json_t *sessions = json_array();
        struct aws_profile profile;
        const struct session *s;
        bool has_default = profiles_resolve(p->profiles, NULL, &profile) == PROFILE_IS_KEY;

        for (size_t i = 0; (s = sessions_at(p->sessions, i)); i++)
                if (json_array_append_new(sessions, session_json(s)) < 0) {
                        json_decref(sessions);
                        return NULL;
                }
        return json_pack("{s:s, s:s, s:s, s:s?, s:o, s:i, s:I, s:s}", "version", MFAD_VERSION,
                         "state", best_state(p), "vault", vault_name(p->signer), "default_key",
                         has_default ? profile.name : NULL, "sessions", sessions, "http_port",
                         (int)p->http_port, "clock_offset_seconds",
                         (json_int_t)aws_api_clock_offset_sec(p->aws), "memory",
                         secret_arena_name(secret_arena_kind()));
}
