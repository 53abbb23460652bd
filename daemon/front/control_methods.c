#include "daemon/front/control_methods.h"
#include "common/clock.h"
#include "common/creds.h"
#include "common/log.h"
#include "common/secret.h"
#include "daemon/front/aws_api.h"
#include "daemon/front/config.h"
#include "daemon/front/control_status.h"
#include "daemon/front/profiles.h"
#include "daemon/front/session.h"
#include "daemon/front/signer_client.h"

#include <stdio.h>
#include <string.h>

#define TIME_LEN 21

struct control_work {
        struct control_context *context;
        struct control_work *next;
        struct varlink_call *call;
        void (*then)(struct control_work *w); /* once the signer has told its state */
        struct signer_call *asking;
        sd_event_source *timer;
        struct session_waiter *waiting;
        struct aws_api_call *fetching;
        bool is_watching;                /* a GetStatus that goes on */
        enum aws_op op;                  /* ListMfaDevices, GetKeyIdentity */
        char name[VARLINK_TEXT_MAX + 1]; /* of the key that was asked for; "" for the default one */
        struct session_unlock unlock;    /* Unlock: its code and duration, then all of it */
};

/* Ends everything that would still call back. The Varlink call must have been answered. */
static void work_free(struct control_work *w) {
        struct control_work **at;

        for (at = &w->context->works; *at != w; at = &(*at)->next)
                ;
        *at = w->next;
        (void)signer_call_cancel(w->asking); /* all of these return NULL */
        (void)sd_event_source_disable_unref(w->timer);
        (void)session_waiter_cancel(w->waiting);
        (void)aws_api_call_cancel(w->fetching);
        explicit_bzero(w, sizeof(*w)); /* a code */
        free(w);
}

static void on_gone(_unused_ struct varlink_call *call, void *userdata) {
        work_free(userdata); /* an unlock goes on: its code is on its way */
}

static void reply_error(struct varlink_call *call, const char *error, const char *message) {
        varlink_call_error(call, error, json_pack("{s:s}", "message", message));
}

static void work_reply(struct control_work *w, json_t *parameters) {
        struct varlink_call *call = w->call;

        work_free(w);
        if (parameters)
                varlink_call_reply(call, parameters);
        else
                reply_error(call, "org.mfad.Control.Internal", "out of memory");
}

static void work_error(struct control_work *w, const char *error, const char *message) {
        struct varlink_call *call = w->call;

        work_free(w);
        reply_error(call, error, message);
}

static void work_failure(struct control_work *w, const struct failure *f) {
        struct varlink_call *call = w->call;
        json_t *parameters = json_pack("{s:s}", "message", f->message);

        /* json_object_set_new() takes no NULL object or value: out of memory gives {} */
        if (f->reason == FAILURE_CODE_USED || f->reason == FAILURE_MUST_WAIT)
                (void)json_object_set_new(parameters, "wait_seconds", json_integer(f->wait_sec));
        if (f->reason == FAILURE_CLOCK_WRONG)
                (void)json_object_set_new(parameters, "offset_seconds",
                                          json_integer(f->offset_sec));
        work_free(w);
        varlink_call_error(call, failure_varlink_error(f->reason), parameters);
}

static void work_fail(struct control_work *w, enum failure_reason reason, const char *detail) {
        struct failure f;

        failure_set(&f, reason, detail);
        work_failure(w, &f);
}

/* NULL when out of memory: then the call has been answered. */
static struct control_work *work_new(struct control_context *context, struct varlink_call *call,
                                     void (*then)(struct control_work *w)) {
        struct control_work *w = calloc(1, sizeof(*w));

        if (!w) {
                reply_error(call, "org.mfad.Control.Internal", "out of memory");
                return NULL;
        }
        w->context = context;
        w->call = call;
        w->then = then;
        w->next = context->works;
        context->works = w;
        varlink_call_on_gone(call, on_gone, w);
        return w;
}

static void on_signer_heard(_unused_ int r, _unused_ struct signer_answer *answer, void *userdata) {
        struct control_work *w = userdata;

        w->asking = NULL;
        w->timer = sd_event_source_disable_unref(w->timer);
        w->then(w); /* signer_client.h now tells all there is to know, also that nobody answers */
}

static int on_signer_late(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        struct control_work *w = userdata;

        w->timer = sd_event_source_disable_unref(w->timer);
        w->asking = signer_call_cancel(w->asking);
        w->then(w);
        return 0;
}

/* Asks the signer for its state, so that what another program has just done to the vault is known. */
static void work_ask_signer(struct control_work *w, unsigned limit_msec) {
        struct signer_request q = {.type = SIGNER_REQUEST_STATUS};
        int r;

        r = signer_client_ask(w->context->parts.signer, &q, on_signer_heard, w, &w->asking);
        if (r < 0) {
                w->then(w);
                return;
        }
        if (limit_msec == 0)
                return;
        r = sd_event_add_time_relative(w->context->event, &w->timer, CLOCK_BOOTTIME,
                                       limit_msec * USEC_PER_MSEC, 10 * USEC_PER_MSEC,
                                       on_signer_late, w);
        if (r < 0)
                log_debug("no timer for a status; the signer's own limit holds");
}

static void status_heard(struct control_work *w) {
        json_t *status = control_status_new(&w->context->parts);

        if (!varlink_call_wants_more(w->call) || !status) {
                work_reply(w, status);
                return;
        }
        w->is_watching = true;
        (void)varlink_call_notify(w->call, status); /* on failure on_gone() has run */
}

static void get_status(struct varlink_call *call, _unused_ const json_t *parameters,
                       void *userdata) {
        struct control_context *c = userdata;
        struct control_work *w = work_new(c, call, status_heard);

        if (!w)
                return;
        if (signer_client_is_connected(c->parts.signer))
                status_heard(w);
        else
                work_ask_signer(w, CONTROL_STATUS_MSEC);
}

void control_methods_tell_watchers(struct control_context *c) {
        struct control_work *next;

        for (struct control_work *w = c->works; w; w = next) {
                next = w->next; /* only @w itself may go away */
                if (w->is_watching)
                        status_heard(w);
        }
}

/* Finds the key that @w asks for, and its profile. On failure @w has been answered. */
static const struct signer_key *find_key(struct control_work *w, struct aws_profile *ret) {
        const struct control_parts *p = &w->context->parts;
        const struct signer_key *key;

        if (!signer_client_is_connected(p->signer)) {
                work_fail(w, FAILURE_SEALED, "mfad-signer does not answer");
                return NULL;
        }
        switch (signer_client_vault(p->signer)) {
        case VAULT_NONE: work_fail(w, FAILURE_NO_VAULT, NULL); return NULL;
        case VAULT_SEALED: work_fail(w, FAILURE_SEALED, NULL); return NULL;
        case VAULT_OPEN: break;
        }
        profiles_refresh(p->profiles);
        switch (profiles_resolve(p->profiles, w->name, ret)) {
        case PROFILE_IS_KEY: break;
        case PROFILE_IS_ROLE:
                work_error(w, "org.mfad.Control.RoleProfile",
                           "this is a role profile. Unlock the key that it is assumed from");
                return NULL;
        case PROFILE_UNKNOWN: work_fail(w, FAILURE_UNKNOWN_KEY, w->name); return NULL;
        }
        key = signer_client_find_key(p->signer, ret->name);
        if (!key)
                work_fail(w, FAILURE_UNKNOWN_KEY, ret->name);
        return key;
}

static void on_unlocked(const struct session *session, const struct failure *failure, bool already,
                        void *userdata) {
        struct control_work *w = userdata;
        int64_t ends;
        char at[TIME_LEN];

        w->waiting = NULL;
        if (failure) {
                work_failure(w, failure);
                return;
        }
        ends = session_expires_wall_sec(session);
        encode_time_iso(ends, at);
        work_reply(w, json_pack("{s:s, s:s, s:I, s:b}", "key", session_key(session), "expires_at",
                                at, "seconds_left", (json_int_t)(ends - clock_wall_sec()),
                                "already", already));
}

static void unlock_heard(struct control_work *w) {
        struct session_unlock *u = &w->unlock;
        const struct signer_key *key;
        struct aws_profile profile;
        int r;

        key = find_key(w, &profile);
        if (!key)
                return;
        strcpy(u->key, key->name);
        strcpy(u->mfa_serial, *profile.mfa_serial ? profile.mfa_serial : key->mfa_serial);
        strcpy(u->user_arn, key->user_arn);
        strcpy(u->region, profile.region);
        strcpy(u->endpoint_url, profile.endpoint_url);
        strcpy(u->ca_bundle, profile.ca_bundle);
        r = sessions_unlock(w->context->parts.sessions, u, on_unlocked, w, &w->waiting);
        explicit_bzero(u->code, sizeof(u->code));
        if (r == -EBUSY)
                work_fail(w, FAILURE_BUSY, NULL);
        else if (r < 0)
                work_fail(w, FAILURE_INTERNAL, strerror(-r));
}

static void unlock(struct varlink_call *call, const json_t *parameters, void *userdata) {
        struct control_context *c = userdata;
        const char *code = varlink_string(parameters, "code");
        const char *key = varlink_string(parameters, "key");
        struct control_work *w;

        if (!text_is_mfa_code(code)) {
                varlink_call_error(call, "org.varlink.service.InvalidParameter",
                                   json_pack("{s:s}", "parameter", "code"));
                return;
        }
        w = work_new(c, call, unlock_heard);
        if (!w)
                return;
        memcpy(w->unlock.code, code, sizeof(w->unlock.code));
        w->unlock.duration_sec = (uint32_t)varlink_int(parameters, "duration_seconds",
                                                       c->parts.config->duration_sec);
        (void)snprintf(w->name, sizeof(w->name), "%s", key ? key : ""); /* the table bounds it */
        work_ask_signer(w, 0);
}

static void lock(struct varlink_call *call, _unused_ const json_t *parameters, void *userdata) {
        struct control_context *c = userdata;

        c->parts.lock(varlink_call_detach_fd(call), c->parts.lock_userdata);
}

/* Why there are no credentials of @s, which may be NULL. */
static void explain(struct varlink_call *call, const struct control_parts *p,
                    const struct session *s) {
        const struct failure *failure = s ? session_failure(s) : NULL;
        struct failure f;

        if (failure)
                f = *failure;
        else if (s && session_is_busy(s))
                failure_set(&f, FAILURE_BUSY, NULL);
        else if (s && session_has_expired(s))
                failure_set(&f, FAILURE_NONE, "the session has ended");
        else if (signer_client_is_connected(p->signer) &&
                 signer_client_vault(p->signer) == VAULT_NONE)
                failure_set(&f, FAILURE_NO_VAULT, NULL);
        else
                failure_set(&f, FAILURE_NONE, NULL);
        reply_error(call,
                    f.reason == FAILURE_NO_VAULT || f.reason == FAILURE_BUSY
                            ? failure_varlink_error(f.reason)
                            : "org.mfad.Control.Locked",
                    f.message);
}

static json_t *credentials_json(const struct session *s, const struct creds *creds) {
        const char *account = session_account(s);
        char ends[TIME_LEN];

        encode_time_iso(session_expires_wall_sec(s), ends);
        return json_pack("{s:{s:s, s:s, s:s, s:s, s:s?}}", "credentials", "access_key_id",
                         creds->access_key_id, "secret_access_key",
                         secret_reveal(creds->secret_key), "session_token",
                         secret_reveal(creds->session_token), "expiration", ends, "account_id",
                         *account ? account : NULL);
}

static void get_credentials(struct varlink_call *call, const json_t *parameters, void *userdata) {
        const struct control_parts *p = &((struct control_context *)userdata)->parts;
        const char *name = varlink_string(parameters, "profile");
        const struct creds *creds;
        const struct session *s;
        struct aws_profile profile;

        switch (profiles_resolve(p->profiles, name, &profile)) {
        case PROFILE_IS_KEY: break;
        case PROFILE_IS_ROLE:
                reply_error(call, "org.mfad.Control.RoleProfile",
                            "this is a role profile; for now use the profile of its key");
                return;
        case PROFILE_UNKNOWN:
                reply_error(call, "org.mfad.Control.UnknownProfile",
                            name && *name ? "no such profile. Run: mfactl key list"
                                          : "there is no default profile. Name one, or set "
                                            "default_profile in mfad.conf");
                return;
        }
        s = sessions_find(p->sessions, profile.name);
        creds = s ? session_creds(s) : NULL;
        if (creds)
                varlink_call_reply(call, credentials_json(s, creds));
        else
                explain(call, p, s);
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

static void on_aws_answer(const struct failure *failure, struct fetch_answer *answer,
                          void *userdata) {
        struct control_work *w = userdata;

        w->fetching = NULL;
        if (failure)
                work_failure(w, failure);
        else if (w->op == AWS_OP_LIST_MFA_DEVICES)
                work_reply(w, devices_json(answer));
        else
                work_reply(w, json_pack("{s:s, s:s}", "user_arn", answer->user_arn, "account_id",
                                        answer->account));
}

static void ask_aws_heard(struct control_work *w) {
        struct aws_api_request q = {.op = w->op};
        const struct signer_key *key;
        struct aws_profile profile = {0};
        int r;

        key = find_key(w, &profile);
        if (!key)
                return;
        q.key = key->name;
        q.region = profile.region;
        q.endpoint_url = profile.endpoint_url;
        q.ca_bundle = profile.ca_bundle;
        r = aws_api_ask(w->context->parts.aws, &q, on_aws_answer, w, &w->fetching);
        if (r == -EBUSY)
                work_fail(w, FAILURE_BUSY, "other calls");
        else if (r < 0)
                work_fail(w, FAILURE_INTERNAL, strerror(-r));
}

static void ask_aws(struct varlink_call *call, const json_t *parameters, void *userdata,
                    enum aws_op op) {
        struct control_work *w = work_new(userdata, call, ask_aws_heard);

        if (!w)
                return;
        w->op = op;
        (void)snprintf(w->name, sizeof(w->name), "%s", varlink_string(parameters, "key"));
        work_ask_signer(w, 0);
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
                if (!w->is_watching)
                        work_error(w, "org.mfad.Control.Locked",
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
static const struct varlink_field key_fields[] = {
        {"key", VARLINK_STRING, false, 1, PROFILE_NAME_MAX},
        {0},
};

const struct varlink_method control_methods[] = {
        {.name = "GetStatus", .fn = get_status, .takes_more = true},
        {.name = "Unlock", .fields = unlock_fields, .fn = unlock},
        {.name = "Lock", .fn = lock, .is_urgent = true},
        {.name = "GetCredentials", .fields = profile_fields, .fn = get_credentials},
        {.name = "ListMfaDevices", .fields = key_fields, .fn = list_mfa_devices},
        {.name = "GetKeyIdentity", .fields = key_fields, .fn = get_key_identity},
        {0},
};
