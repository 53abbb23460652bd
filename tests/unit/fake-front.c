#include "tests/unit/fake-front.h"
#include "common/clock.h"
#include "common/secret.h"
#include "daemon/front/endpoint.h"
#include "daemon/front/lease.h"
#include "daemon/front/persist.h"
#include "daemon/front/profiles.h"
#include "daemon/front/roles.h"
#include "daemon/front/signer_client.h"

#include <stdio.h>
#include <string.h>

#define FAKE_LIFE_SEC 3600

struct session fake_sessions[FAKE_SESSIONS_MAX];
size_t fake_n_sessions;
enum vault_state fake_vault = VAULT_OPEN;
bool fake_is_connected = true;
bool fake_is_restoring;
const char *fake_default_profile = "default";
unsigned fake_n_resolved;
struct role fake_role;
unsigned fake_n_asked;

static sessions_changed_fn watcher;
static void *watcher_userdata;
static roles_changed_fn role_watcher;
static void *role_watcher_userdata;

int fake_endpoint_new(sd_event *event, struct tokens *tokens, struct endpoint **ret) {
        static char nothing; /* none of the fakes looks at what it is given */

        return endpoint_new(event,
                            &(struct endpoint_parts){.sessions = (struct sessions *)&nothing,
                                                     .roles = (struct roles *)&nothing,
                                                     .profiles = (struct profiles *)&nothing,
                                                     .tokens = tokens,
                                                     .persist = (struct persist *)&nothing,
                                                     .signer = (struct signer_client *)&nothing},
                            ret);
}

void fake_reset(void) {
        for (size_t i = 0; i < fake_n_sessions; i++)
                lease_clear(&fake_sessions[i].lease);
        memset(fake_sessions, 0, sizeof(fake_sessions));
        fake_n_sessions = 0;
        fake_vault = VAULT_OPEN;
        fake_is_connected = true;
        fake_is_restoring = false;
        fake_default_profile = "default";
        fake_n_resolved = fake_n_asked = 0;
        lease_clear(&fake_role.lease);
        fake_role = (struct role){.name = (char *)"role"};
}

struct session *fake_session_add(const char *name) {
        struct session *s = &fake_sessions[fake_n_sessions++];

        assert(fake_n_sessions <= FAKE_SESSIONS_MAX);
        (void)snprintf(s->key, sizeof(s->key), "%s", name);
        strcpy(s->lease.account, "123456789012");
        return s;
}

void fake_lease_fill(struct lease *l, size_t token_len) {
        size_t n = token_len > 0 ? token_len : 900;

        lease_end(l);
        assert(creds_new(&l->creds) == 0);
        (void)snprintf(l->creds->access_key_id, sizeof(l->creds->access_key_id), FAKE_KEY_ID);
        assert(secret_copy(FAKE_SECRET, strlen(FAKE_SECRET), &l->creds->secret_key) == 0);
        assert(secret_new(n, &l->creds->session_token) == 0);
        memset(secret_reveal(l->creds->session_token), 'T', n);
        l->bought_boot_usec = clock_boot_usec();
        l->ends_boot_usec = l->bought_boot_usec + FAKE_LIFE_SEC * USEC_PER_SEC;
        l->bought_wall_sec = clock_wall_sec();
        l->ends_wall_sec = l->bought_wall_sec + FAKE_LIFE_SEC;
}

void fake_session_unlock(struct session *s, size_t token_len) {
        fake_lease_fill(&s->lease, token_len);
        s->state = SESSION_UNLOCKED;
        s->is_busy = s->has_failed = s->has_expired = false;
        fake_session_changed(s);
}

void fake_session_lock(struct session *s) {
        lease_end(&s->lease);
        s->state = SESSION_LOCKED;
        fake_session_changed(s);
}

void fake_role_changed(void) {
        if (role_watcher)
                role_watcher(&fake_role, role_watcher_userdata);
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

const char *session_name(const struct session *s) {
        return s->key;
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

const struct lease *session_lease(const struct session *s) {
        return &s->lease;
}

bool session_has_expired(const struct session *s) {
        return s->has_expired;
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

int roles_watch(struct roles *r, roles_changed_fn fn, void *userdata) {
        (void)r;
        role_watcher = fn;
        role_watcher_userdata = userdata;
        return 0;
}

int roles_ask(struct roles *r, const struct profile_view *view, struct role **ret) {
        (void)r;
        assert(view->kind == PROFILE_ROLE);
        fake_n_asked++;
        *ret = &fake_role;
        return 0;
}

/* A name that begins with "role" is a role's, "broken" is of no use, "unknown" is nobody's, any other is a
 * key's. */
enum profile_kind profiles_resolve(struct profiles *p, const char *name, struct profile_view *ret) {
        (void)p;
        fake_n_resolved++;
        *ret = (struct profile_view){.kind = PROFILE_UNKNOWN, .source = ""};
        if (!name || !*name)
                name = fake_default_profile;
        if (!name || strncmp(name, "unknown", 7) == 0)
                return ret->kind;
        ret->profile.name = name;
        ret->kind = PROFILE_KEY;
        if (strncmp(name, "role", 4) == 0)
                ret->kind = PROFILE_ROLE;
        if (strncmp(name, "broken", 6) == 0) {
                ret->kind = PROFILE_UNUSABLE;
                strcpy(ret->problem, "source_profile goes in a circle: a -> a");
        }
        (void)snprintf(ret->session, sizeof(ret->session), "%s",
                       ret->kind == PROFILE_ROLE ? "default" : name);
        return ret->kind;
}

enum profile_kind profiles_resolve_arn(struct profiles *p, const char *arn,
                                       struct profile_view *ret) {
        (void)profiles_resolve(p, "role", ret);
        ret->profile.name = arn;
        ret->is_arn = true;
        return ret->kind;
}

bool persist_is_restoring(const struct persist *p) {
        (void)p;
        return fake_is_restoring;
}

bool signer_client_is_connected(const struct signer_client *c) {
        (void)c;
        return fake_is_connected;
}

enum vault_state signer_client_vault(const struct signer_client *c) {
        (void)c;
        return fake_vault;
}
