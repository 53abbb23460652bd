#include "daemon/front/control_status.h"
#include "common/buf.h"
#include "common/clock.h"
#include "common/creds.h"
#include "common/secret.h"
#include "daemon/front/aws_api.h"
#include "daemon/front/control_parts.h"
#include "daemon/front/lease.h"
#include "daemon/front/persist.h"
#include "daemon/front/profiles.h"
#include "daemon/front/reload.h"
#include "daemon/front/role_table.h"
#include "daemon/front/roles.h"
#include "daemon/front/session.h"
#include "daemon/front/signer_client.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define TIME_LEN     21
#define PATH_MAX_LEN 1024 /* "/profile/" and a name, each byte of it as ~XX */

#define SHORTENED                                                                                  \
        "duration_seconds is shortened to %d: AWS grants no more to credentials that are "         \
        "temporary themselves; mfad_direct_mfa = true allows more"

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
        char at[TIME_LEN], since[TIME_LEN];
        json_t *wait;

        if (!f)
                return json_null();
        encode_time_iso(f->at_wall_sec, at);
        encode_time_iso(f->since_wall_sec, since);
        wait = f->wait_sec > 0 ? json_integer(f->wait_sec) : json_null();
        return json_pack("{s:s, s:s, s:s, s:s, s:o}", "reason", failure_name(f->reason), "message",
                         f->message, "at", at, "since", since, "wait_seconds", wait);
}

/* expires_at, seconds_left and access_key_id of @l, which may be NULL. Returns 0 or -ENOMEM. */
static int put_lease(json_t *object, const struct lease *l) {
        const struct creds *creds = l ? lease_creds(l) : NULL;
        const char *id = creds ? creds->access_key_id : "";
        size_t len = strlen(id);
        char at[TIME_LEN] = "";
        int64_t ends = 0;
        json_t *left;

        if (creds) {
                ends = lease_expires_wall_sec(l);
                encode_time_iso(ends, at);
        }
        left = creds ? json_integer(ends - clock_wall_sec()) : json_null();
        if (json_object_set_new(object, "expires_at", creds ? json_string(at) : json_null()) < 0 ||
            json_object_set_new(object, "seconds_left", left) < 0 ||
            json_object_set_new(object, "access_key_id",
                                creds ? json_string(id + (len > 4 ? len - 4 : 0)) : json_null()) <
                    0)
                return -ENOMEM;
        return 0;
}

static json_t *session_json(const struct session *s) {
        const char *serial = session_mfa_serial(s);
        json_t *object;

        object = json_pack("{s:s, s:s, s:s?, s:o}", "key", session_name(s), "state",
                           session_state_name(session_state(s)), "mfa_serial",
                           *serial ? serial : NULL, "failure", failure_json(session_failure(s)));
        if (object && put_lease(object, session_lease(s)) < 0) {
                json_decref(object);
                return NULL;
        }
        return object;
}

static const char *kind_name(const struct profile_view *view) {
        switch (view->kind) {
        case PROFILE_KEY: return "key";
        case PROFILE_DIRECT: return "direct";
        case PROFILE_ROLE: return "role";
        case PROFILE_UNUSABLE:
        case PROFILE_UNKNOWN: return "unusable";
        }
        abort();
}

static const char *role_state(const struct role *role, const struct session *session) {
        bool has_session = session && lease_creds(session_lease(session));

        if (role && lease_creds(role_lease(role))) /* who will renew them? */
                return role_failure(role) || !has_session ? "expiring" : "unlocked";
        if (role && role_is_busy(role))
                return "unlocking";
        if (role && role_failure(role))
                return "failing";
        return has_session ? "idle" : "locked";
}

/* Where an SDK finds it. "" when out of memory. */
static void put_path(const struct profile_view *view, char out[PATH_MAX_LEN]) {
        _cleanup_(buf_clear) struct buf b = BUF_INIT(PATH_MAX_LEN - 1);

        if (buf_puts(&b, view->is_arn ? "/role-arn/" : "/profile/") < 0 ||
            (view->is_arn ? buf_puts(&b, view->profile.name)
                          : encode_path_name(&b, view->profile.name)) < 0)
                buf_clear(&b);
        strcpy(out, buf_text(&b));
}

/* What the user should know of it; "" for nothing. */
static void put_notice(const struct profile_view *view, char out[PROFILE_PROBLEM_MAX]) {
        *out = '\0';
        if (view->kind == PROFILE_UNUSABLE)
                strcpy(out, view->problem);
        else if (view->is_shortened)
                (void)snprintf(out, PROFILE_PROBLEM_MAX, SHORTENED, AWS_CHAINED_SEC_MAX);
}

static json_t *view_json(const struct control_parts *p, const struct profile_view *view,
                         const struct role *role) {
        const struct session *session = sessions_find(p->sessions, view->session);
        bool is_role = view->kind == PROFILE_ROLE, is_session = view->kind != PROFILE_UNUSABLE;
        const struct aws_profile *from = &view->profile;
        char path[PATH_MAX_LEN], notice[PROFILE_PROBLEM_MAX];
        const struct lease *l = NULL;
        const struct failure *f = NULL;
        const char *state = "unusable";
        json_t *object;

        put_path(view, path);
        put_notice(view, notice);
        if (is_role) {
                state = role_state(role, session);
                l = role ? role_lease(role) : NULL;
                f = role ? role_failure(role) : NULL;
        } else if (is_session) {
                state = session_state_name(session ? session_state(session) : SESSION_LOCKED);
                l = session ? session_lease(session) : NULL;
                f = session ? session_failure(session) : NULL;
        }
        object = json_pack("{s:s, s:s, s:s?, s:s?, s:s?, s:s, s:s, s:s?, s:o}", "name", from->name,
                           "kind", kind_name(view), "source",
                           *from->source_profile ? from->source_profile : NULL, "role_arn",
                           *from->role_arn ? from->role_arn : NULL, "region",
                           *from->where.region ? from->where.region : NULL, "path", path, "state",
                           state, "notice", *notice ? notice : NULL, "failure", failure_json(f));
        if (object && put_lease(object, l) < 0) {
                json_decref(object);
                return NULL;
        }
        return object;
}

json_t *control_profile_new(const struct control_parts *p, const char *name) {
        struct profile_view view;

        (void)profiles_resolve(p->profiles, name, &view); /* it is in the view, too */
        return view_json(p, &view, roles_find(p->roles, view.profile.name));
}

static void view_role(const struct control_parts *p, const struct role *role,
                      struct profile_view *ret) {
        if (role_is_arn(role))
                (void)profiles_resolve_arn(p->profiles, role_name(role),
                                           ret); /* in the view, too */
        else
                (void)profiles_resolve(p->profiles, role_name(role), ret); /* the same */
}

static json_t *role_json(const struct control_parts *p, const struct role *role) {
        struct profile_view view;

        view_role(p, role, &view);
        return view_json(p, &view, role);
}

static json_t *sessions_json(const struct control_parts *p) {
        json_t *sessions = json_array();
        const struct session *s;

        for (size_t i = 0; (s = sessions_at(p->sessions, i)); i++)
                if (json_array_append_new(sessions, session_json(s)) < 0) {
                        json_decref(sessions);
                        return NULL;
                }
        return sessions;
}

static json_t *failing_json(const struct role *const failing[], size_t n,
                            const struct control_parts *p) {
        json_t *roles = json_array();

        for (size_t i = 0; i < n && i < CONTROL_FAILING_MAX; i++)
                if (json_array_append_new(roles, role_json(p, failing[i])) < 0) {
                        json_decref(roles);
                        return NULL;
                }
        return roles;
}

/* Of the roles that are held those that last for less than their profiles ask for, in one sentence. NULL
 * for none, or when out of memory. */
static json_t *shortened_notice(const struct control_parts *p) {
        const struct role_table *t = roles_table(p->roles); /* only read */
        const char *name = NULL;
        size_t n = 0;
        char more[32] = "";

        for (size_t i = 0; i < t->n; i++) {
                struct profile_view view;

                if (!lease_creds(role_lease(t->all[i])))
                        continue;
                view_role(p, t->all[i], &view);
                if (view.is_shortened && n++ == 0)
                        name = role_name(t->all[i]);
        }
        if (n > 1)
                (void)snprintf(more, sizeof(more), " and %zu more", n - 1);
        return name ? json_sprintf("role \"%s\"%s: " SHORTENED, name, more, AWS_CHAINED_SEC_MAX)
                    : NULL;
}

/* Returns whether there is anything to be said. */
static bool put_persist_notice(const struct control_parts *p, char *out, size_t size) {
        char at[32] = "";
        int64_t since;
        int r = persist_problem(p->persist, &since);
        struct tm tm;
        time_t t = (time_t)since;

        if (r == 0)
                return false;
        if (localtime_r(&t, &tm)) /* else it is left out */
                (void)strftime(at, sizeof(at), " since %a %H:%M", &tm);
        (void)snprintf(
                out, size,
                "the session would not survive a restart of mfad, for its file in the runtime "
                "directory cannot be written%s: %s",
                at, strerror(-r));
        return true;
}

/* What is wrong with the configuration, or with the session's file. */
static json_t *notices_json(const struct control_parts *p, const struct profile_view *view) {
        const char *notice = profiles_notice(p->profiles), *reloaded;
        json_t *notices = json_array(), *shortened = shortened_notice(p);
        char unwritten[256];
        int r = 0;

        for (size_t i = 0; r == 0 && (reloaded = reload_notice(p->reload, i)); i++)
                r = json_array_append_new(notices, json_string(reloaded));
        if (r == 0 && notice)
                r = json_array_append_new(notices, json_string(notice));
        if (r == 0 && put_persist_notice(p, unwritten, sizeof(unwritten)))
                r = json_array_append_new(notices, json_string(unwritten));
        if (r == 0 && view->kind == PROFILE_UNUSABLE)
                r = json_array_append_new(
                        notices, json_sprintf("the default profile \"%s\" is not usable: %s",
                                              view->profile.name, view->problem));
        if (r == 0 && shortened)
                r = json_array_append(notices, shortened);
        json_decref(shortened);
        if (r == 0)
                return notices;
        json_decref(notices);
        return NULL;
}

json_t *control_status_new(const struct control_parts *p) {
        const struct role *failing[ROLES_MAX];
        size_t n_failing = roles_failing(p->roles, failing, ROLES_MAX);
        struct profile_view view;
        bool has_default;

        has_default = profiles_resolve(p->profiles, NULL, &view) != PROFILE_UNKNOWN;
        return json_pack(
                "{s:s, s:s, s:s, s:s?, s:s?, s:b, s:o, s:i, s:i, s:o, s:o, s:i, s:I, s:s}",
                "version", MFAD_VERSION, "state", best_state(p), "vault", vault_name(p->signer),
                "default_profile", has_default ? view.profile.name : NULL, "default_key",
                *view.session ? view.session : NULL, "restoring", persist_is_restoring(p->persist),
                "sessions", sessions_json(p), "roles_held", (int)roles_n_held(p->roles),
                "roles_failing_total", (int)n_failing, "roles_failing",
                failing_json(failing, n_failing, p), "notices", notices_json(p, &view), "http_port",
                (int)p->http_port, "clock_offset_seconds",
                (json_int_t)aws_api_clock_offset_sec(p->aws, &view.profile), "memory",
                secret_arena_name(secret_arena_kind()));
}
