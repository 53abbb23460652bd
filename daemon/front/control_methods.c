#include "daemon/front/control_methods.h"
#include "common/clock.h"
#include "common/log.h"
#include "daemon/front/aws_api.h"
#include "daemon/front/config.h"
#include "daemon/front/control_log.h"
#include "daemon/front/control_profiles.h"
#include "daemon/front/control_status.h"
#include "daemon/front/lease.h"
#include "daemon/front/profiles.h"
#include "daemon/front/role_mark.h"
#include "daemon/front/session.h"
#include "daemon/front/signer_client.h"

#include <stdio.h>
#include <string.h>

#define TIME_LEN 21

static void status_heard(struct control_work *w) {
        json_t *status = control_status_new(&w->context->parts);

        if (!varlink_call_wants_more(w->call) || !status) {
                control_work_reply(w, status);
                return;
        }
        w->is_watching = true;
        (void)varlink_call_notify(w->call, status); /* on failure on_gone() has run */
}

static void get_status(struct varlink_call *call, _unused_ const json_t *parameters,
                       void *userdata) {
        struct control_context *c = userdata;
        struct control_work *w = control_work_new(c, call, status_heard);

        if (!w)
                return;
        if (signer_client_is_connected(c->parts.signer))
                status_heard(w);
        else
                control_work_ask_signer(w, CONTROL_STATUS_MSEC);
}

void control_methods_tell_watchers(struct control_context *c) {
        struct control_work *next;

        for (struct control_work *w = c->works; w; w = next) {
                next = w->next; /* only @w itself may go away */
                if (w->is_watching)
                        status_heard(w);
        }
}

/* True when keys can be asked for at all; else @w has been answered. */
static bool has_vault(struct control_work *w) {
        const struct control_parts *p = &w->context->parts;

        if (!signer_client_is_connected(p->signer)) {
                control_work_fail(w, FAILURE_SEALED, "mfad-signer does not answer");
                return false;
        }
        switch (signer_client_vault(p->signer)) {
        case VAULT_NONE: control_work_fail(w, FAILURE_NO_VAULT, NULL); return false;
        case VAULT_SEALED: control_work_fail(w, FAILURE_SEALED, NULL); return false;
        case VAULT_OPEN: return true;
        }
        abort();
}

/* Finds the session that @w wants a code for: its view is a KEY or DIRECT one. On failure @w has been
 * answered. */
static bool find_session(struct control_work *w, struct profile_view *ret) {
        struct profiles *p = w->context->parts.profiles;
        char session[sizeof(ret->session)];

        profiles_refresh(p);
        if (profiles_resolve(p, w->name, ret) == PROFILE_ROLE) {
                /* the one that its chain starts from */
                strcpy(session, ret->session);
                if (strcmp(session, ret->key) != 0)
                        (void)profiles_resolve(p, session, ret); /* DIRECT: so it was found */
                return true;
        }
        switch (ret->kind) {
        case PROFILE_KEY:
        case PROFILE_DIRECT:
        case PROFILE_ROLE: return true;
        case PROFILE_UNUSABLE: control_work_fail(w, FAILURE_UNUSABLE, ret->problem); return false;
        case PROFILE_UNKNOWN: break;
        }
        if (*w->name)
                control_work_fail(w, FAILURE_UNKNOWN_KEY, w->name);
        else
                control_work_error(w, "org.mfad.Control.UnknownProfile", control_no_default);
        return false;
}

static void on_unlocked(const struct session *session, const struct failure *failure, bool already,
                        void *userdata) {
        struct control_work *w = userdata;
        int64_t ends;
        char at[TIME_LEN];

        w->waiting = NULL;
        if (failure) {
                control_work_failure(w, failure);
                return;
        }
        ends = lease_expires_wall_sec(session_lease(session));
        encode_time_iso(ends, at);
        control_work_reply(w, json_pack("{s:s, s:s, s:I, s:b}", "key", session_name(session),
                                        "expires_at", at, "seconds_left",
                                        (json_int_t)(ends - clock_wall_sec()), "already", already));
}

/* How long the session shall last: as the user said, else as the profile or mfad.conf says. */
static uint32_t duration_of(const struct control_work *w, const struct profile_view *view) {
        uint32_t said = w->duration_sec;

        if (view->kind != PROFILE_DIRECT)
                return said > 0 ? said : w->context->parts.config->duration_sec;
        if (said == 0)
                said = view->profile.duration_sec;
        return said == 0 ? AWS_CHAINED_SEC_MAX : said > AWS_ROLE_SEC_MAX ? AWS_ROLE_SEC_MAX : said;
}

/* What the profile says, else others of the same key, else what was found out when the key was stored. */
static const char *mfa_serial_of(const struct control_work *w, const struct profile_view *view,
                                 const struct signer_key *key) {
        const char *serial = view->kind == PROFILE_DIRECT ? view->profile.mfa_serial : "";

        if (!*serial)
                serial = profiles_mfa_serial(w->context->parts.profiles, view->key);
        return *serial ? serial : key->mfa_serial;
}

static void unlock_heard(struct control_work *w) {
        const struct control_parts *p = &w->context->parts;
        struct session_unlock u = {.code = w->code};
        const struct signer_key *key;
        struct profile_view view;
        struct role_mark mark;
        struct aws_role role;
        int r = 0;

        if (!has_vault(w) || !find_session(w, &view))
                return;
        key = signer_client_find_key(p->signer, view.key);
        if (!key) {
                control_work_fail(w, FAILURE_UNKNOWN_KEY, view.key);
                return;
        }
        u.name = view.session;
        u.key = view.key;
        u.duration_sec = duration_of(w, &view);
        u.mfa_serial = mfa_serial_of(w, &view, key);
        u.user_arn = key->user_arn;
        u.profile = profiles_of_key(p->profiles, view.key);
        if (view.kind == PROFILE_DIRECT) {
                profiles_fill_role(p->profiles, &view, &role);
                u.role = &role;
                u.profile = &view.profile;
                u.mark = &mark;
                r = role_mark_make(&view, &mark);
        }
        if (r >= 0)
                r = sessions_unlock(p->sessions, &u, on_unlocked, w, &w->waiting);
        explicit_bzero(w->code, sizeof(w->code));
        if (r == -EBUSY)
                control_work_fail(w, FAILURE_BUSY, NULL);
        else if (r < 0)
                control_work_fail(w, FAILURE_INTERNAL, strerror(-r));
}

static void unlock(struct varlink_call *call, const json_t *parameters, void *userdata) {
        const char *code = varlink_string(parameters, "code");
        const char *key = varlink_string(parameters, "key");
        struct control_work *w;

        if (!text_is_mfa_code(code)) {
                varlink_call_error(call, "org.varlink.service.InvalidParameter",
                                   json_pack("{s:s}", "parameter", "code"));
                return;
        }
        w = control_work_new(userdata, call, unlock_heard);
        if (!w)
                return;
        memcpy(w->code, code, sizeof(w->code));
        w->duration_sec = (uint32_t)varlink_int(parameters, "duration_seconds", 0);
        (void)snprintf(w->name, sizeof(w->name), "%s", key ? key : ""); /* the table bounds it */
        control_work_ask_signer(w, 0);
}

static void lock(struct varlink_call *call, _unused_ const json_t *parameters, void *userdata) {
        struct control_context *c = userdata;

        c->parts.lock(varlink_call_detach_fd(call), c->parts.lock_userdata);
}

static json_t *devices_json(const struct fetch_answer *a) {
        json_t *serials = json_array();

        for (size_t i = 0; i < a->n_mfa_serials; i++)
                if (json_array_append_new(serials, json_string(a->mfa_serials[i])) < 0) {
                        json_decref(serials);
                        return NULL;
                }
        return json_pack("{s:o}", "serials", serials);
}

static void ask_aws_heard(struct control_work *w);

static void on_aws_answer(const struct failure *failure, struct fetch_answer *answer,
                          void *userdata) {
        struct control_work *w = userdata;

        w->fetching = NULL;
        if (failure && failure->reason == FAILURE_CLOCK_WRONG && !w->has_retried) {
                /* it carried no code, and now we know what time it is for AWS: once more */
                w->has_retried = true;
                ask_aws_heard(w);
        } else if (failure) {
                control_work_failure(w, failure);
        } else if (w->op == AWS_OP_LIST_MFA_DEVICES) {
                control_work_reply(w, devices_json(answer));
        } else {
                control_work_reply(w, json_pack("{s:s, s:s}", "user_arn", answer->user_arn,
                                                "account_id", answer->account));
        }
}

static void ask_aws_heard(struct control_work *w) {
        const struct control_parts *p = &w->context->parts;
        struct aws_api_request q = {.op = w->op, .key = w->name};

        if (!has_vault(w))
                return;
        profiles_refresh(p->profiles);
        if (!signer_client_find_key(p->signer, w->name)) {
                control_work_fail(w, FAILURE_UNKNOWN_KEY, w->name);
                return;
        }
        q.profile = profiles_of_key(p->profiles, w->name);
        control_work_asked(w, aws_api_ask(p->aws, &q, on_aws_answer, w, &w->fetching));
}

static void ask_aws(struct varlink_call *call, const json_t *parameters, void *userdata,
                    enum aws_op op) {
        struct control_work *w = control_work_new(userdata, call, ask_aws_heard);

        if (!w)
                return;
        w->op = op;
        (void)snprintf(w->name, sizeof(w->name), "%s", varlink_string(parameters, "key"));
        control_work_ask_signer(w, 0);
}

static void list_mfa_devices(struct varlink_call *call, const json_t *parameters, void *userdata) {
        ask_aws(call, parameters, userdata, AWS_OP_LIST_MFA_DEVICES);
}

static void get_key_identity(struct varlink_call *call, const json_t *parameters, void *userdata) {
        ask_aws(call, parameters, userdata, AWS_OP_GET_CALLER_IDENTITY);
}

void control_methods_end(struct control_context *c) {
        struct control_work *next;

        for (struct control_work *w = c->works; w; w = next) {
                next = w->next;
                /* who watches comes back by himself */
                if (!varlink_call_wants_more(w->call))
                        control_work_error(w, "org.mfad.Control.Locked",
                                           "locked meanwhile. Run: mfactl unlock");
        }
}

static const struct varlink_field unlock_fields[] = {
        {"code", VARLINK_STRING, false, 6, 6},
        {"key", VARLINK_STRING, true, 1, PROFILE_NAME_MAX},
        {"duration_seconds", VARLINK_INT, true, AWS_DURATION_SEC_MIN, AWS_DURATION_SEC_MAX},
        {0},
};
static const struct varlink_field profile_fields[] = {
        {"profile", VARLINK_STRING, true, 1, PROFILE_NAME_MAX},
        {0},
};
static const struct varlink_field after_fields[] = {
        {"after", VARLINK_STRING, true, 0, PROFILE_NAME_MAX},
        {0},
};
static const struct varlink_field log_fields[] = {
        {"after", VARLINK_INT, true, 0, INT64_MAX},
        {0},
};
static const struct varlink_field console_fields[] = {
        {"profile", VARLINK_STRING, true, 1, PROFILE_NAME_MAX},
        {"destination", VARLINK_STRING, true, 1, CONTROL_DESTINATION_MAX},
        {0},
};
static const struct varlink_field key_fields[] = {
        {"key", VARLINK_STRING, false, 1, PROFILE_NAME_MAX},
        {0},
};

const struct varlink_method control_methods[] = {
        {.name = "GetStatus", .fn = get_status, .takes_more = true},
        {.name = "Unlock", .fields = unlock_fields, .fn = unlock},
        {.name = "Lock", .fn = lock, .is_urgent = true},
        {.name = "GetCredentials", .fields = profile_fields, .fn = control_get_credentials},
        {.name = "ListProfiles", .fields = after_fields, .fn = control_list_profiles},
        {.name = "Refresh", .fields = profile_fields, .fn = control_refresh},
        {.name = "TestSession", .fields = profile_fields, .fn = control_test_session},
        {.name = "GetConsoleUrl", .fields = console_fields, .fn = control_get_console_url},
        {.name = "GetLog", .fields = log_fields, .fn = control_get_log, .takes_more = true},
        {.name = "ListMfaDevices", .fields = key_fields, .fn = list_mfa_devices},
        {.name = "GetKeyIdentity", .fields = key_fields, .fn = get_key_identity},
        {0},
};
