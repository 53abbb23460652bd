/* fake-front.h - what stands behind the HTTP face, as a test wants it: sessions, one role, profiles, the signer.
 * Owns:  one session per name in fake_sessions, and what the others are told.
 * Calls: lease.h, secret.h. Takes the place of session.c, roles.c, profiles.c, persist.c and signer_client.c.
 * Limit: FAKE_SESSIONS_MAX sessions. */
#pragma once
#include "common/signer_proto.h"
#include "daemon/front/failure.h"
#include "daemon/front/role.h"
#include "daemon/front/session.h"
#include <stdbool.h>

#define FAKE_SESSIONS_MAX 4
#define FAKE_SECRET       "wJalrFAKEsecretFAKEsecretFAKEsecretFAKE1"
#define FAKE_KEY_ID       "ASIAFAKEFAKEFAKEFAKE"

struct session {
        char key[KEY_NAME_MAX + 1];
        enum session_state state;
        struct lease lease;
        bool is_busy;
        bool has_expired;
        bool has_failed;
        struct failure failure;
};

extern struct session fake_sessions[FAKE_SESSIONS_MAX];
extern size_t fake_n_sessions;
extern enum vault_state fake_vault;
extern bool fake_is_connected;
extern bool fake_is_restoring;           /* what was unlocked before */
extern const char *fake_default_profile; /* NULL: there is none */
extern unsigned fake_n_resolved;
/* Every name that begins with "role", and every ARN, is this one's. */
extern struct role fake_role;
extern unsigned fake_n_asked; /* for it */

struct endpoint;
struct tokens;

/* An endpoint with all of this behind it. */
int fake_endpoint_new(sd_event *event, struct tokens *tokens, struct endpoint **ret);
/* As after a start: no session, an open vault. */
void fake_reset(void);
/* A session for the key @name, locked. */
struct session *fake_session_add(const char *name);
/* @token_len: 0 for a usual one. */
void fake_session_unlock(struct session *s, size_t token_len);
/* Drops the credentials, as at their end. */
void fake_session_lock(struct session *s);
/* Gives @l credentials. */
void fake_lease_fill(struct lease *l, size_t token_len);
void fake_role_changed(void);
/* Tells whoever watches. */
void fake_session_changed(const struct session *s);
