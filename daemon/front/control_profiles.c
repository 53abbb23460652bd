#include "daemon/front/control_profiles.h"
#include "common/buf.h"
#include "common/clock.h"
#include "common/creds.h"
#include "common/secret.h"
#include "daemon/front/aws_api.h"
#include "daemon/front/control_status.h"
#include "daemon/front/lease.h"
#include "daemon/front/no_creds.h"
#include "daemon/front/persist.h"
#include "daemon/front/profiles.h"
#include "daemon/front/roles.h"
#include "daemon/front/session.h"
#include "daemon/front/signer_client.h"

#include <stdio.h>
#include <string.h>

#define TIME_LEN            21
#define CONSOLE_URL_LEN_MAX ((size_t)40 * 1024) /* a token of SIGNIN_TOKEN_MAX, percent-encoded */
#define CONSOLE_SEC_MIN     900 /* IAM User Guide, custom identity broker: SessionDuration */
#define CONSOLE_SEC_MAX     43200

const char control_no_default[] =
        "there is no default profile. Name one, or set default_profile in "
        "mfad.conf";

/* Tells why the session @s, which may be NULL, has no credentials. Whatever a failed unlock has said of it:
 * for who asks now it is locked. */
static void explain(struct control_work *w, const struct session *s) {
        struct failure why;
        bool is_itself;

        if (persist_is_restoring(w->context->parts.persist)) {
                control_work_error(w, failure_varlink_error(FAILURE_BUSY), NO_CREDS_RESTORING);
                return;
        }
        no_creds_explain(s, w->context->parts.signer, &why);
        is_itself = why.reason == FAILURE_NO_VAULT || why.reason == FAILURE_BUSY ||
                    why.reason == FAILURE_SEALED;
        control_work_error(w, failure_varlink_error(is_itself ? why.reason : FAILURE_NONE),
                           why.message);
}

/* Resolves what @w asks for. On failure @w has been answered. */
static bool find_profile(struct control_work *w, struct profile_view *ret) {
        switch (profiles_resolve(w->context->parts.profiles, w->name, ret)) {
        case PROFILE_KEY:
        case PROFILE_DIRECT:
        case PROFILE_ROLE: return true;
        case PROFILE_UNUSABLE: control_work_fail(w, FAILURE_UNUSABLE, ret->problem); return false;
        case PROFILE_UNKNOWN: break;
        }
        control_work_error(w, "org.mfad.Control.UnknownProfile",
                           *w->name ? "no such profile. Run: mfactl profiles" : control_no_default);
        return false;
}

/* The role of @view, asked for, or waited for when it is being bought. NULL: not yet, or @w has been
 * answered. */
static const struct lease *lease_of_role(struct control_work *w, const struct profile_view *view) {
        const struct control_parts *p = &w->context->parts;
        struct role *role;
        int r;

        r = roles_ask(p->roles, view, &role);
        if (r < 0) {
                control_work_fail(w, FAILURE_INTERNAL, strerror(-r));
                return NULL;
        }
        if (lease_creds(role_lease(role)))
                return role_lease(role);
        if (role_is_busy(role)) {
                w->role = role;
                w->waits_for_role = true;
        } else if (role_failure(role)) {
                control_work_failure(w, role_failure(role));
        } else {
                explain(w, sessions_find(p->sessions, view->session));
        }
        return NULL;
}

/* The credentials of the profile that @w asks for, with its view. NULL as above. */
static const struct lease *find_lease(struct control_work *w, struct profile_view *view) {
        const struct session *s;

        if (!find_profile(w, view))
                return NULL;
        if (view->kind == PROFILE_ROLE)
                return lease_of_role(w, view);
        s = sessions_find(w->context->parts.sessions, view->session);
        if (s && lease_creds(session_lease(s)))
                return session_lease(s);
        explain(w, s);
        return NULL;
}

static json_t *credentials_json(const struct lease *l, const char *region) {
        const struct creds *creds = lease_creds(l);
        char ends[TIME_LEN];

        encode_time_iso(lease_expires_wall_sec(l), ends);
        return json_pack("{s:{s:s, s:s, s:s, s:s, s:s?}, s:s?, s:s?}", "credentials",
                         "access_key_id", creds->access_key_id, "secret_access_key",
                         secret_reveal(creds->secret_key), "session_token",
                         secret_reveal(creds->session_token), "expiration", ends, "account_id",
                         *l->account ? l->account : NULL, "region", *region ? region : NULL,
                         "role_arn", l->role_arn);
}

static void lend(struct control_work *w) {
        struct profile_view view;
        const struct lease *l = find_lease(w, &view);

        if (!l)
                return;
        control_work_note_lent(w, view.profile.name, lease_creds(l)->access_key_id);
        control_work_reply(w, credentials_json(l, view.profile.where.region));
}

static struct control_work *start(struct varlink_call *call, const json_t *parameters,
                                  void *userdata, void (*then)(struct control_work *w)) {
        const char *name = varlink_string(parameters, "profile");
        struct control_work *w = control_work_new(userdata, call, then);

        if (w && name)
                (void)snprintf(w->name, sizeof(w->name), "%s", name); /* the table bounds it */
        return w;
}

void control_get_credentials(struct varlink_call *call, const json_t *parameters, void *userdata) {
        struct control_work *w = start(call, parameters, userdata, lend);

        if (!w)
                return;
        w->lends = true;
        lend(w);
}

void control_list_profiles(struct varlink_call *call, const json_t *parameters, void *userdata) {
        const struct control_parts *p = &((struct control_context *)userdata)->parts;
        const char *names[CONTROL_PAGE_MAX + 1]; /* one more tells whether there are more */
        struct control_work *w = control_work_new(userdata, call, NULL);
        json_t *profiles = json_array();
        size_t n;

        if (!w) {
                json_decref(profiles);
                return;
        }
        n = profiles_list(p->profiles, varlink_string(parameters, "after"), names,
                          ELEMENTSOF(names));
        for (size_t i = 0; i < n && i < CONTROL_PAGE_MAX; i++)
                if (json_array_append_new(profiles, control_profile_new(p, names[i])) < 0) {
                        json_decref(profiles);
                        profiles = NULL; /* and appending to that fails, too */
                }
        control_work_reply(
                w, json_pack("{s:o, s:b}", "profiles", profiles, "is_last", n <= CONTROL_PAGE_MAX));
}

static void refuse_key(struct control_work *w, const char *message) {
        control_work_error(w, "org.mfad.Control.NotARole", message);
}

static void renewed(struct control_work *w) {
        const struct role *role = w->role;

        if (role_is_busy(role)) {
                w->waits_for_role = true;
                return;
        }
        if (role_failure(role))
                control_work_failure(w, role_failure(role));
        else if (!lease_creds(role_lease(role)) ||
                 role_lease(role)->bought_boot_usec == w->bought_usec)
                control_work_fail(w, FAILURE_NONE, "its session has ended");
        else
                control_work_reply(w, json_pack("{s:o}", "profile",
                                                control_profile_new(&w->context->parts, w->name)));
}

void control_refresh(struct varlink_call *call, const json_t *parameters, void *userdata) {
        struct control_work *w = start(call, parameters, userdata, renewed);
        struct profile_view view;
        struct role *role;
        int r;

        if (!w || !find_profile(w, &view))
                return;
        if (view.kind != PROFILE_ROLE) {
                refuse_key(w, "a session is renewed with a code. Run: mfactl unlock");
                return;
        }
        (void)snprintf(w->name, sizeof(w->name), "%s", view.profile.name); /* the default's, too */
        role = roles_find(w->context->parts.roles, w->name);
        w->bought_usec = role ? role_lease(role)->bought_boot_usec : 0;
        r = roles_renew(w->context->parts.roles, &view, &role);
        if (r < 0) {
                control_work_fail(w, FAILURE_INTERNAL, strerror(-r));
                return;
        }
        w->role = role;
        renewed(w);
}

static void ask_about_session(struct control_work *w);

/* First whose credentials they are; then, with @w->text holding the answer to that, what IAM says. */
static void on_session_tested(const struct failure *failure, struct fetch_answer *answer,
                              void *userdata) {
        struct control_work *w = userdata;
        char account[ACCOUNT_LEN + 1];
        struct profile_view view;
        bool is_first = !*w->text;

        w->fetching = NULL;
        if (failure && failure->reason == FAILURE_CLOCK_WRONG && !w->has_retried) {
                w->has_retried = true; /* see control_methods.c */
                ask_about_session(w);
                return;
        }
        if (failure && (is_first || failure->reason != FAILURE_DENIED)) {
                control_work_failure(w, failure);
                return;
        }
        if (is_first) {
                (void)snprintf(w->text, sizeof(w->text), "%s", answer->user_arn); /* or its start */
                if (!find_profile(w, &view))
                        return;
                if (view.kind == PROFILE_KEY) {
                        ask_about_session(w);
                        return;
                }
        }
        (void)lease_read_account(w->text, account); /* or "" */
        control_work_reply(w, json_pack("{s:s, s:s, s:o}", "user_arn", w->text, "account_id",
                                        account, "may_ask_iam",
                                        is_first ? json_null() : json_boolean(!failure)));
}

static void ask_about_session(struct control_work *w) {
        struct aws_api_request q = {.op = *w->text ? AWS_OP_LIST_MFA_DEVICES
                                                   : AWS_OP_GET_CALLER_IDENTITY};
        struct profile_view view;
        const struct lease *l;

        l = find_lease(w, &view);
        if (!l)
                return;
        q.creds = lease_creds(l);
        q.profile = &view.profile;
        control_work_asked(
                w, aws_api_ask(w->context->parts.aws, &q, on_session_tested, w, &w->fetching));
}

void control_test_session(struct varlink_call *call, const json_t *parameters, void *userdata) {
        struct control_work *w = start(call, parameters, userdata, ask_about_session);

        if (w)
                ask_about_session(w);
}

static void put_destination(const struct control_work *w, const struct profile_view *view,
                            char out[CONTROL_DESTINATION_MAX + 1]) {
        const char *region = view->profile.where.region;

        if (*w->text)
                strcpy(out, w->text); /* the table bounds it */
        else
                (void)snprintf(out, CONTROL_DESTINATION_MAX + 1, "%sconsole/home%s%s",
                               aws_endpoint_console(region), *region ? "?region=" : "", region);
}

static void on_signin_token(const struct failure *failure, struct fetch_answer *answer,
                            void *userdata) {
        _cleanup_(buf_clear) struct buf url = BUF_INIT(CONSOLE_URL_LEN_MAX);
        char destination[CONTROL_DESTINATION_MAX + 1];
        struct control_work *w = userdata;
        struct aws_endpoint endpoint;
        struct profile_view view;
        int r;

        w->fetching = NULL;
        if (failure) {
                control_work_failure(w, failure);
                return;
        }
        if (!find_profile(w, &view))
                return; /* the files have changed meanwhile */
        put_destination(w, &view, destination);
        r = aws_endpoint_find(AWS_SIGNIN, &view.profile.where, &endpoint, NULL);
        if (r >= 0)
                r = aws_signin_url(endpoint.url, secret_reveal(answer->signin_token), destination,
                                   &url);
        if (r < 0)
                control_work_fail(w, FAILURE_INTERNAL, strerror(-r));
        else {
                control_work_note_lent(w, view.profile.name, NULL); /* these credentials' console */
                control_work_reply(w, json_pack("{s:s}", "url", buf_text(&url)));
        }
}

/* How long the console may be used. For credentials that were bought with temporary ones AWS decides,
 * and refuses to be told. */
static uint32_t console_sec(const struct profile_view *view, const struct lease *l) {
        uint64_t left = lease_left_sec(l);

        if (view->kind != PROFILE_DIRECT || left < CONSOLE_SEC_MIN)
                return 0;
        return left > CONSOLE_SEC_MAX ? CONSOLE_SEC_MAX : (uint32_t)left;
}

static void ask_signin_token(struct control_work *w) {
        struct aws_api_request q = {.op = AWS_OP_GET_SIGNIN_TOKEN};
        struct profile_view view;
        const struct lease *l;

        l = find_lease(w, &view);
        if (!l)
                return;
        if (view.kind == PROFILE_KEY) {
                refuse_key(w, "the console takes a role's credentials only. Name a role's profile: "
                              "--profile NAME");
                return;
        }
        if (*view.profile.where.sts_url && !*view.profile.where.signin_url) {
                control_work_fail(
                        w, FAILURE_UNUSABLE,
                        "its credentials come from an endpoint_url of its own, which AWS's "
                        "console does not know; mfad_signin_url would name another");
                return;
        }
        q.creds = lease_creds(l);
        q.profile = &view.profile;
        q.duration_sec = console_sec(&view, l);
        control_work_asked(
                w, aws_api_ask(w->context->parts.aws, &q, on_signin_token, w, &w->fetching));
}

void control_get_console_url(struct varlink_call *call, const json_t *parameters, void *userdata) {
        const char *destination = varlink_string(parameters, "destination");
        struct control_work *w;

        if (destination && strncmp(destination, "https://", 8) != 0) {
                varlink_call_error(call, "org.varlink.service.InvalidParameter",
                                   json_pack("{s:s}", "parameter", "destination"));
                return;
        }
        w = start(call, parameters, userdata, ask_signin_token);
        if (!w)
                return;
        w->lends = true;
        if (destination)
                (void)snprintf(w->text, sizeof(w->text), "%s", destination); /* bounded, too */
        ask_signin_token(w);
}

void control_profiles_role_changed(struct control_context *c, const struct role *role) {
        for (struct control_work *w = c->works; w; w = w->next)
                if (w->waits_for_role && w->role == role) {
                        w->has_role_news = true;
                        /* it may be gone afterwards: who was told looks for it again */
                        if (!role_is_busy(role) &&
                            roles_find(c->parts.roles, role_name(role)) != role)
                                w->role = NULL;
                }
}

void control_profiles_go_on(struct control_context *c) {
        struct control_work *next;

        for (struct control_work *w = c->works; w; w = next) {
                next = w->next; /* only @w itself may go away */
                if (!w->has_role_news)
                        continue;
                w->has_role_news = w->waits_for_role = false;
                if (w->role)
                        w->then(w);
                else
                        control_work_error(w, "org.mfad.Control.UnknownProfile",
                                           "the profile has changed meanwhile. Try again");
        }
}
