#include "tests/unit/fake-front.h"
#include "common/clock.h"
#include "common/creds.h"
#include "common/secret.h"
#include "daemon/front/profiles.h"
#include "daemon/front/signer_client.h"

#include <stdio.h>
#include <string.h>

#define FAKE_LIFE_SEC 3600

struct session fake_sessions[FAKE_SESSIONS_MAX];
size_t fake_n_sessions;
enum vault_state fake_vault = VAULT_OPEN;
bool fake_is_connected = true;
const char *fake_default_profile = "default";
unsigned fake_n_resolved;

static sessions_changed_fn watcher;
static void *watcher_userdata;

void fake_reset(void) {
        for (size_t i = 0; i < fake_n_sessions; i++)
                fake_sessions[i].creds = creds_free(fake_sessions[i].creds);
        memset(fake_sessions, 0, sizeof(fake_sessions));
        fake_n_sessions = 0;
        fake_vault = VAULT_OPEN;
        fake_is_connected = true;
        fake_default_profile = "default";
        fake_n_resolved = 0;
}

struct session *fake_session_add(const char *name) {
        struct session *s = &fake_sessions[fake_n_sessions++];

        assert(fake_n_sessions <= FAKE_SESSIONS_MAX);
        (void)snprintf(s->key, sizeof(s->key), "%s", name);
        s->account = "123456789012";
        return s;
}

void fake_session_unlock(struct session *s, size_t token_len) {
        size_t n = token_len > 0 ? token_len : 900;

        s->creds = creds_free(s->creds);
        assert(creds_new(&s->creds) == 0);
        (void)snprintf(s->creds->access_key_id, sizeof(s->creds->access_key_id), FAKE_KEY_ID);
        assert(secret_copy(FAKE_SECRET, strlen(FAKE_SECRET), &s->creds->secret_key) == 0);
        assert(secret_new(n, &s->creds->session_token) == 0);
        memset(secret_reveal(s->creds->session_token), 'T', n);
        s->creds->expiration_sec = clock_wall_sec() + FAKE_LIFE_SEC;
        s->state = SESSION_UNLOCKED;
        s->is_busy = s->has_failed = s->has_expired = false;
        fake_session_changed(s);
}

void fake_session_lock(struct session *s) {
        s->creds = creds_free(s->creds);
        s->state = SESSION_LOCKED;
        fake_session_changed(s);
}

void fake_session_changed(const struct session *s) {
        if (watcher)
                watcher(s, watcher_userdata);
}

const struct session *sessions_find(const struct sessions *s, const char *key) {
        (void)s;
        for (size_t i = 0; i < fake_n_sessions; i++)
                if (strcmp(fake_sessions[i].key, key) == 0)
                        return &fake_sessions[i];
        return NULL;
}

const struct session *sessions_at(const struct sessions *s, size_t i) {
        (void)s;
        return i < fake_n_sessions ? &fake_sessions[i] : NULL;
}

enum session_state session_state(const struct session *s) {
        return s->state;
}

const char *session_state_name(enum session_state s) {
        static const char *const names[] = {"locked", "unlocking", "unlocked", "expiring"};

        return names[s];
}

bool session_is_busy(const struct session *s) {
        return s->is_busy;
}

const struct creds *session_creds(const struct session *s) {
        return s->creds;
}

int64_t session_expires_wall_sec(const struct session *s) {
        return s->creds ? s->creds->expiration_sec : 0;
}

int64_t session_bought_wall_sec(const struct session *s) {
        return s->creds ? s->creds->expiration_sec - FAKE_LIFE_SEC : 0;
}

bool session_has_expired(const struct session *s) {
        return s->has_expired;
}

const char *session_account(const struct session *s) {
        return s->account;
}

const struct failure *session_failure(const struct session *s) {
        return s->has_failed ? &s->failure : NULL;
}

int sessions_watch(struct sessions *s, sessions_changed_fn fn, void *userdata) {
        (void)s;
        watcher = fn;
        watcher_userdata = userdata;
        return 0;
}

/* A name that begins with "role" is a role's, "unknown" is nobody's, any other is a key's. */
enum profile_answer profiles_resolve(struct profiles *p, const char *name,
                                     struct aws_profile *ret) {
        (void)p;
        fake_n_resolved++;
        if (!name || !*name)
                name = fake_default_profile;
        if (!name || strncmp(name, "unknown", 7) == 0)
                return PROFILE_UNKNOWN;
        if (strncmp(name, "role", 4) == 0)
                return PROFILE_IS_ROLE;
        *ret = (struct aws_profile){0};
        (void)snprintf(ret->name, sizeof(ret->name), "%s", name);
        return PROFILE_IS_KEY;
}

bool signer_client_is_connected(const struct signer_client *c) {
        (void)c;
        return fake_is_connected;
}

enum vault_state signer_client_vault(const struct signer_client *c) {
        (void)c;
        return fake_vault;
}
