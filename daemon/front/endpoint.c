#include "daemon/front/endpoint.h"
#include "common/buf.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/encode.h"
#include "daemon/front/audit.h"
#include "daemon/front/endpoint_ecs.h"
#include "daemon/front/endpoint_ready.h"
#include "daemon/front/http_answer.h"
#include "daemon/front/lease.h"
#include "daemon/front/no_creds.h"
#include "daemon/front/persist.h"
#include "daemon/front/profiles.h"
#include "daemon/front/roles.h"
#include "daemon/front/session.h"
#include "daemon/front/signer_client.h"
#include "daemon/front/tokens.h"

#include <microhttpd.h>
#include <stdio.h>
#include <string.h>

#define ROUTES_MAX 64 /* profile names remembered; more are looked up each time */
#define ROUTE_FRESH_USEC                                                                           \
        USEC_PER_SEC /* then the AWS files and the creds' life are looked at again */
#define BAD_TOKENS_USEC (60 * USEC_PER_SEC)
#define TOKEN_NAME      "default" /* of the one client token that there is */

/* A name that had credentials when last looked at. */
struct route {
        char name[HTTP_NAME_LEN_MAX + 1];   /* of a profile, as spelled; "" is the default one */
        char profile[PROFILE_NAME_MAX + 1]; /* that it means */
        const struct lease *lease;          /* NULL for a free place */
        uint64_t checked_usec;
};

struct endpoint {
        struct endpoint_parts parts;

        struct MHD_Response *refusals[_HTTP_REFUSAL_MAX];
        struct MHD_Response *bad_token;
        struct endpoint_ready ready;
        struct route routes[ROUTES_MAX];
        unsigned next_route;

        struct endpoint_hold for_creds, for_token;
        bool is_draining;

        uint64_t bad_tokens_since_usec;
        unsigned n_bad_tokens;
};

/* What a request without credentials hears, where no attempt has failed: failure.h has the others. */
struct excuse {
        unsigned status;
        const char *code;
        const char *message;
};
static const struct excuse pending = {503, "MfadPending",
                                      "a call to AWS is under way, try again in a moment"};
static const struct excuse restoring = {503, "MfadPending", NO_CREDS_RESTORING};
static const struct excuse unknown = {400, "MfadUnknownProfile",
                                      "no such profile, run: mfactl profiles"};
static const struct excuse bad_arn = {
        400, "MfadUnknownProfile", "no role ARN; it is /role-arn/arn:aws:iam::ACCOUNT:role/NAME"};
static const struct excuse no_default = {
        400, "MfadUnknownProfile",
        "no default profile, set default_profile in mfad.conf or ask for /profile/NAME"};
static const struct excuse internal = {500, "MfadInternal", "internal error, see the log of mfad"};
static const struct excuse bad_token = {403, "MfadBadToken", "wrong client token, run: mfactl env"};

static int excuse_answer(const struct excuse *x, struct MHD_Response **ret) {
        _cleanup_(buf_clear) struct buf body = BUF_INIT(ECS_ERROR_MAX);
        int r;

        r = endpoint_ecs_error(x->code, x->message, &body);
        if (r < 0)
                return r;
        return http_answer_new(body.data, body.len, ret);
}

static int queue(struct MHD_Connection *connection, unsigned status, struct MHD_Response *answer) {
        return MHD_queue_response(connection, status, answer) == MHD_YES ? 0 : -EIO;
}

/* A request for credentials. */
struct question {
        struct endpoint_request *request;
        struct MHD_Connection *connection;
        struct http_text spelled; /* the profile's name, as asked */
        const char *name;         /* the same, read; "" for the default profile */
        const char *profile;      /* that it means; NULL for nobody's */
        bool is_arn;
};

/* Answers with @x, and records that. */
static int queue_excuse(struct endpoint *e, const struct question *q, const struct excuse *x) {
        _cleanup_(http_answer_freep) struct MHD_Response *answer = NULL;
        int r;

        r = excuse_answer(x, &answer);
        if (r >= 0)
                r = queue(q->connection, x->status, answer);
        if (r >= 0)
                audit_refused(e->parts.audit, q->request->peer, q->profile, TOKEN_NAME, x->code);
        return r;
}

/* Suspends the request until what it waits for changes, or its time is over. It may wait again, but not
 * longer in all. Returns false when it must be answered now. */
static bool hold(struct endpoint *e, const struct question *question, const void *waits_for) {
        struct endpoint_request *q = question->request;
        uint64_t now = clock_boot_usec();

        if (e->is_draining || e->for_creds.n >= ENDPOINT_HELD_MAX)
                return false;
        if (q->until_usec == 0)
                q->until_usec = now + ENDPOINT_HOLD_MSEC * USEC_PER_MSEC;
        if (q->until_usec <= now)
                return false;
        endpoint_hold_add(&e->for_creds, q, waits_for, question->connection);
        return true;
}

static void forget_lease(struct endpoint *e, const struct lease *lease) {
        endpoint_ready_forget(&e->ready, lease);
        for (size_t i = 0; i < ELEMENTSOF(e->routes); i++)
                if (e->routes[i].lease == lease)
                        e->routes[i].lease = NULL;
}

static void on_session_changed(const struct session *session, void *userdata) {
        struct endpoint *e = userdata;

        forget_lease(e, session_lease(session));
        for (size_t i = 0; i < ELEMENTSOF(e->routes); i++)
                e->routes[i].lease = NULL; /* a name may lead to another session now */
        if (!session_is_busy(session) || lease_creds(session_lease(session)))
                endpoint_hold_resume(&e->for_creds, session);
}

static void on_role_changed(const struct role *role, void *userdata) {
        struct endpoint *e = userdata;

        forget_lease(e, role_lease(role));
        if (!role_is_busy(role) || lease_creds(role_lease(role)))
                endpoint_hold_resume(&e->for_creds, role);
}

static struct route *route_find(struct endpoint *e, const char *name, size_t len) {
        for (size_t i = 0; i < ELEMENTSOF(e->routes); i++) {
                struct route *route = &e->routes[i];

                if (route->lease && strncmp(route->name, name, len) == 0 && !route->name[len])
                        return route;
        }
        return NULL;
}

static void route_remember(struct endpoint *e, const struct question *q,
                           const struct lease *lease) {
        const struct http_text *name = &q->spelled;
        struct route *route = route_find(e, name->text, name->len);

        if (name->len > HTTP_NAME_LEN_MAX)
                return;
        if (!route) {
                route = &e->routes[e->next_route];
                e->next_route = (e->next_route + 1) % ROUTES_MAX;
                memcpy(route->name, name->text, name->len);
                route->name[name->len] = '\0';
        }
        (void)snprintf(route->profile, sizeof(route->profile), "%s", q->profile); /* it fits */
        route->lease = lease;
        route->checked_usec = clock_boot_usec();
}

/* Hands out @answer, the credentials of @lease, and records that. */
static int queue_creds(struct endpoint *e, const struct endpoint_request *request,
                       struct MHD_Connection *connection, struct MHD_Response *answer,
                       const char *profile, const struct lease *lease) {
        int r = queue(connection, MHD_HTTP_OK, answer);

        if (r >= 0)
                audit_lent(e->parts.audit, request->peer, profile, TOKEN_NAME,
                           lease->creds->access_key_id);
        return r;
}

static int answer_creds(struct endpoint *e, const struct question *q, const struct lease *lease) {
        struct MHD_Response *answer;
        int r;

        r = endpoint_ready_make(&e->ready, lease, &answer);
        if (r < 0) {
                (void)log_error(r, "cannot make an answer, serving an error instead");
                return queue_excuse(e, q, &internal);
        }
        if (!q->is_arn)
                route_remember(e, q, lease);
        return queue_creds(e, q->request, q->connection, answer, q->profile, lease);
}

/* What was unlocked before a restart may come back in a moment. */
static int answer_restoring(struct endpoint *e, const struct question *q) {
        return hold(e, q, e->parts.persist) ? -EINPROGRESS : queue_excuse(e, q, &restoring);
}

void endpoint_restored(struct endpoint *e) {
        endpoint_hold_resume(&e->for_creds, e->parts.persist);
}

static int answer_failure(struct endpoint *e, const struct question *q, const struct failure *f) {
        struct excuse x = {failure_http_status(f->reason), failure_http_code(f->reason),
                           f->message};

        return queue_excuse(e, q, &x);
}

/* @session, NULL when there never was one, has no credentials to give. */
static int answer_without_session(struct endpoint *e, const struct question *q,
                                  const struct session *session) {
        struct failure why;

        if (session && session_is_busy(session))
                return hold(e, q, session) ? -EINPROGRESS : queue_excuse(e, q, &pending);
        if (persist_is_restoring(e->parts.persist))
                return answer_restoring(e, q);
        no_creds_explain(session, e->parts.signer, &why);
        return answer_failure(e, q, &why);
}

static int answer_session(struct endpoint *e, const struct question *q,
                          const struct profile_view *view) {
        const struct session *session = sessions_find(e->parts.sessions, view->session);

        if (session && lease_creds(session_lease(session)))
                return answer_creds(e, q, session_lease(session));
        return answer_without_session(e, q, session);
}

static int answer_role(struct endpoint *e, const struct question *q,
                       const struct profile_view *view) {
        struct role *role;
        int r;

        r = roles_ask(e->parts.roles, view, &role);
        if (r < 0) {
                (void)log_error(r, "cannot keep one more role");
                return queue_excuse(e, q, &internal);
        }
        if (lease_creds(role_lease(role)))
                return answer_creds(e, q, role_lease(role));
        if (role_is_busy(role))
                return hold(e, q, role) ? -EINPROGRESS : queue_excuse(e, q, &pending);
        if (role_failure(role))
                return answer_failure(e, q, role_failure(role));
        /* nothing was tried, because a code is needed first */
        return answer_without_session(e, q, sessions_find(e->parts.sessions, view->session));
}

static int answer_unusable(struct endpoint *e, const struct question *q,
                           const struct profile_view *view) {
        struct failure f;

        failure_set(&f, FAILURE_UNUSABLE, view->problem);
        return answer_failure(e, q, &f);
}

/* While the vault is not open nobody knows which keys it has; credentials that are held are served
 * all the same. Without a name, those of the only session. */
static const struct session *session_of_closed_vault(const struct endpoint *e, const char *name) {
        const struct session *only = NULL, *s;

        if (signer_client_is_connected(e->parts.signer) &&
            signer_client_vault(e->parts.signer) == VAULT_OPEN)
                return NULL;
        if (*name) {
                s = sessions_find(e->parts.sessions, name);
                return s && lease_creds(session_lease(s)) ? s : NULL;
        }
        for (size_t i = 0; (s = sessions_at(e->parts.sessions, i)); i++) {
                if (!lease_creds(session_lease(s)))
                        continue;
                if (only)
                        return NULL;
                only = s;
        }
        return only;
}

static int answer_unknown(struct endpoint *e, struct question *q) {
        const struct session *session = q->is_arn ? NULL : session_of_closed_vault(e, q->name);
        struct failure why;

        if (session) {
                q->profile = session_name(session);
                return answer_creds(e, q, session_lease(session));
        }
        if (persist_is_restoring(e->parts.persist))
                return answer_restoring(e, q);
        no_creds_explain(NULL, e->parts.signer, &why);
        if (why.reason == FAILURE_SEALED || (why.reason == FAILURE_NO_VAULT && !*q->name))
                return answer_failure(e, q, &why);
        return queue_excuse(e, q, *q->name ? &unknown : &no_default);
}

static int answer_view(struct endpoint *e, struct question *q, const struct profile_view *view) {
        q->profile = view->profile.name ? view->profile.name : q->name;
        switch (view->kind) {
        case PROFILE_KEY:
        case PROFILE_DIRECT: return answer_session(e, q, view);
        case PROFILE_ROLE: return answer_role(e, q, view);
        case PROFILE_UNUSABLE: return answer_unusable(e, q, view);
        case PROFILE_UNKNOWN: return answer_unknown(e, q);
        }
        abort();
}

/* @spelled as encode_path_name() spells it; slashes may stand as they are. Another spelling is nobody's. */
static bool read_name(const struct http_text *spelled, char *out, size_t size) {
        size_t n = 0;

        for (size_t i = 0; i < spelled->len; i++) {
                const char *part = spelled->text + i;
                const char *slash = memchr(part, '/', spelled->len - i);
                size_t len = slash ? (size_t)(slash - part) : spelled->len - i;

                if (decode_path_name(part, len, out + n, size - n) < 0)
                        return false;
                n += strlen(out + n);
                i += len;
                if (!slash)
                        break;
                if (n + 1 == size)
                        return false;
                out[n++] = '/';
        }
        out[n] = '\0';
        return true;
}

static _noinline_ int answer_resolved(struct endpoint *e, struct question *q) {
        char name[PROFILE_NAME_MAX + 1];
        struct profile_view view;
        int r;

        if (!read_name(&q->spelled, name, sizeof(name)))
                return queue_excuse(e, q, &unknown);
        q->name = name;
        (void)profiles_resolve(e->parts.profiles, name, &view); /* it is in the view, too */
        r = answer_view(e, q, &view);
        q->name = NULL; /* it goes with this frame */
        return r;
}

static _noinline_ int answer_arn(struct endpoint *e, struct question *q) {
        char arn[HTTP_ARN_LEN_MAX + 1];
        struct profile_view view;

        if (!read_name(&q->spelled, arn, sizeof(arn)) || !text_is_role_arn(arn))
                return queue_excuse(e, q, &bad_arn);
        q->name = "";
        (void)profiles_resolve_arn(e->parts.profiles, arn, &view); /* it is in the view, too */
        return answer_view(e, q, &view);
}

/* The way of nearly every request; the other one is a function of its own for the size of its frame. */
static int answer_profile(struct endpoint *e, struct question *q) {
        const struct route *route = route_find(e, q->spelled.text, q->spelled.len);
        struct MHD_Response *answer;

        if (route && clock_boot_usec() - route->checked_usec < ROUTE_FRESH_USEC) {
                answer = endpoint_ready_find(&e->ready, route->lease);
                if (answer && route->lease->creds)
                        return queue_creds(e, q->request, q->connection, answer, route->profile,
                                           route->lease);
        }
        return answer_resolved(e, q);
}

static int answer_health(struct endpoint *e, struct MHD_Connection *connection) {
        static const uint8_t ranks[_SESSION_STATE_MAX] = {
                [SESSION_LOCKED] = 0,
                [SESSION_UNLOCKING] = 1,
                [SESSION_EXPIRING] = 2,
                [SESSION_UNLOCKED] = 3,
        };
        _cleanup_(http_answer_freep) struct MHD_Response *answer = NULL;
        _cleanup_(buf_clear) struct buf body = BUF_INIT(ECS_ERROR_MAX);
        enum session_state best = SESSION_LOCKED;
        struct failure why;
        const struct session *s;
        const char *name;
        int r;

        for (size_t i = 0; (s = sessions_at(e->parts.sessions, i)); i++)
                if (ranks[session_state(s)] > ranks[best])
                        best = session_state(s);
        no_creds_explain(NULL, e->parts.signer, &why);
        name = best == SESSION_LOCKED && why.reason == FAILURE_SEALED ? "sealed"
                                                                      : session_state_name(best);
        r = buf_printf(&body, "{\"state\":\"%s\"}", name);
        if (r < 0)
                return r;
        r = http_answer_new(body.data, body.len, &answer);
        if (r < 0)
                return r;
        return queue(connection, MHD_HTTP_OK, answer);
}

/* Guessing 256 bits is hopeless; a client with a stale token in a loop is slowed and shows once. */
static int answer_bad_token(struct endpoint *e, struct endpoint_request *q,
                            struct MHD_Connection *connection) {
        uint64_t now_usec = clock_boot_usec();
        int r;

        if (q->until_usec == 0) {
                if (now_usec - e->bad_tokens_since_usec > BAD_TOKENS_USEC) {
                        e->bad_tokens_since_usec = now_usec;
                        e->n_bad_tokens = 0;
                }
                if (e->n_bad_tokens++ == ENDPOINT_BAD_TOKENS_MAX)
                        (void)log_warning(0,
                                          "%u requests with a wrong client token within a "
                                          "minute, delaying more of them",
                                          e->n_bad_tokens);
                if (e->n_bad_tokens > ENDPOINT_BAD_TOKENS_MAX && !e->is_draining &&
                    e->for_token.n < ENDPOINT_HELD_MAX) {
                        q->until_usec = now_usec + ENDPOINT_BAD_TOKEN_MSEC * USEC_PER_MSEC;
                        endpoint_hold_add(&e->for_token, q, NULL, connection);
                        return -EINPROGRESS;
                }
        }
        r = queue(connection, bad_token.status, e->bad_token);
        if (r >= 0)
                audit_refused(e->parts.audit, q->peer, NULL, NULL, bad_token.code);
        return r;
}

static int refusals_make(struct endpoint *e) {
        int r;

        for (enum http_refusal i = HTTP_OK + 1; i < _HTTP_REFUSAL_MAX; i++) {
                const struct http_refusal_text *text = http_refusal_text(i);
                struct excuse x = {text->status, text->code, text->message};

                r = excuse_answer(&x, &e->refusals[i]);
                if (r < 0)
                        return r;
        }
        /* RFC 9110 section 15.5.6: a 405 must say what is allowed */
        r = http_answer_add_header(e->refusals[HTTP_REFUSED_METHOD], MHD_HTTP_HEADER_ALLOW, "GET");
        if (r < 0)
                return r;
        return excuse_answer(&bad_token, &e->bad_token);
}

int endpoint_new(sd_event *event, const struct endpoint_parts *parts, struct endpoint **ret) {
        _cleanup_(endpoint_freep) struct endpoint *e = NULL;
        int r;

        assert(event && parts);
        assert(ret);

        e = calloc(1, sizeof(*e));
        if (!e)
                return -ENOMEM;
        e->parts = *parts;

        r = refusals_make(e);
        if (r >= 0)
                r = endpoint_hold_init(&e->for_creds, event, "endpoint-hold-creds");
        if (r >= 0)
                r = endpoint_hold_init(&e->for_token, event, "endpoint-hold-token");
        if (r >= 0)
                r = sessions_watch(parts->sessions, on_session_changed, e);
        if (r >= 0)
                r = roles_watch(parts->roles, on_role_changed, e);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(e);
        return 0;
}

struct endpoint *endpoint_free(struct endpoint *e) {
        if (!e)
                return NULL;
        for (size_t i = 0; i < ELEMENTSOF(e->refusals); i++)
                (void)http_answer_free(e->refusals[i]); /* returns NULL by convention */
        (void)http_answer_free(e->bad_token);           /* the same */
        endpoint_ready_clear(&e->ready);
        endpoint_hold_clear(&e->for_creds);
        endpoint_hold_clear(&e->for_token);
        free(e);
        return NULL;
}

void endpoint_on_resumed(struct endpoint *e, void (*fn)(void *userdata), void *userdata) {
        e->for_creds.on_resumed = e->for_token.on_resumed = fn;
        e->for_creds.on_resumed_userdata = e->for_token.on_resumed_userdata = userdata;
}

int endpoint_answer(struct endpoint *e, struct endpoint_request *request,
                    struct MHD_Connection *connection, const struct http_call *call) {
        struct question q = {.request = request,
                             .connection = connection,
                             .spelled = call->name,
                             .is_arn = call->route == HTTP_ROUTE_ROLE_ARN};

        assert(e && request && connection && call);
        assert(!request->is_held);

        if (call->route == HTTP_ROUTE_HEALTH)
                return answer_health(e, connection);
        if (!tokens_accept(e->parts.tokens, call->authorization.text, call->authorization.len))
                return answer_bad_token(e, request, connection);
        return q.is_arn ? answer_arn(e, &q) : answer_profile(e, &q);
}

int endpoint_refuse(struct endpoint *e, const struct endpoint_request *request,
                    struct MHD_Connection *connection, enum http_refusal refusal) {
        int r;

        assert(refusal > HTTP_OK && refusal < _HTTP_REFUSAL_MAX);

        r = queue(connection, http_refusal_text(refusal)->status, e->refusals[refusal]);
        if (r >= 0)
                audit_refused(e->parts.audit, request->peer, NULL, NULL,
                              http_refusal_text(refusal)->code);
        return r;
}

void endpoint_answer_held(struct endpoint *e) {
        e->is_draining = true;
        endpoint_hold_resume_until(&e->for_creds, USEC_INFINITY);
        endpoint_hold_resume_until(&e->for_token, USEC_INFINITY);
}
