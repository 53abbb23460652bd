/* fake-front.h - what stands behind the HTTP face, as a test wants it: sessions, profiles, the signer.
 * Owns:  one session per name in fake_sessions, and what the others are told.
 * Calls: creds.h, secret.h. Takes the place of session.c, profiles.c and signer_client.c.
 * Limit: FAKE_SESSIONS_MAX sessions. */
#pragma once
#include "common/signer_proto.h"
#include "daemon/front/failure.h"
#include "daemon/front/session.h"
#include <stdbool.h>

#define FAKE_SESSIONS_MAX 4
#define FAKE_SECRET       "wJalrFAKEsecretFAKEsecretFAKEsecretFAKE1"
#define FAKE_KEY_ID       "ASIAFAKEFAKEFAKEFAKE"

struct creds;

struct session {
        char key[KEY_NAME_MAX + 1];
        enum session_state state;
        struct creds *creds;
        bool is_busy;
        bool has_expired;
        bool has_failed;
        struct failure failure;
        const char *account;
};

extern struct session fake_sessions[FAKE_SESSIONS_MAX];
extern size_t fake_n_sessions;
extern enum vault_state fake_vault;
extern bool fake_is_connected;
extern const char *fake_default_profile; /* NULL: there is none */
extern unsigned fake_n_resolved;

/* As after a start: no session, an open vault. */
void fake_reset(void);
/* A session for the key @name, locked. */
struct session *fake_session_add(const char *name);
/* @token_len: 0 for a usual one. */
void fake_session_unlock(struct session *s, size_t token_len);
/* Drops the credentials, as at their end. */
void fake_session_lock(struct session *s);
/* Tells whoever watches. */
void fake_session_changed(const struct session *s);
