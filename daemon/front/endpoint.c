#include "daemon/front/endpoint.h"
#include "common/buf.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/secret.h"
#include "daemon/front/endpoint_ecs.h"
#include "daemon/front/http_answer.h"
#include "daemon/front/profiles.h"
#include "daemon/front/session.h"
#include "daemon/front/signer_client.h"
#include "daemon/front/tokens.h"

#include <microhttpd.h>
#include <string.h>

#define ROUTES_MAX 16 /* profile names remembered; more are looked up each time */
#define ROUTE_FRESH_USEC                                                                           \
        USEC_PER_SEC            /* then the AWS files and the creds' life are looked at again */
#define FAILURE_FRESH_SEC   300 /* an older failure is history: the session is just locked */
#define BAD_TOKENS_USEC     (60 * USEC_PER_SEC)
#define TIMER_ACCURACY_USEC (5 * USEC_PER_MSEC)

/* A name whose session had credentials when last looked at. */
struct route {
        char name[PROFILE_NAME_MAX + 1]; /* "" is the default profile */
        const struct session *session;
        uint64_t checked_usec;
};
struct prepared {
        const struct session *session;
        int64_t expires_wall_sec; /* as the answer says */
        struct MHD_Response *answer;
};
/* Suspended requests that all wait equally long, so that the first one is the next one to go on. */
struct hold {
        uint64_t usec;
        struct endpoint_request *first, *last;
        sd_event_source *timer;
};

struct endpoint {
        struct sessions *sessions;
        struct profiles *profiles;
        struct tokens *tokens;
        struct signer_client *signer;

        struct MHD_Response *refusals[_HTTP_REFUSAL_MAX];
        struct MHD_Response *bad_token;
        struct prepared prepared[SIGNER_KEYS_MAX];
        struct route routes[ROUTES_MAX];
        unsigned next_route;

        struct hold for_session, for_token;
        unsigned n_held;
        void (*on_resumed)(void *userdata);
        void *on_resumed_userdata;
        bool is_draining;

        uint64_t bad_tokens_since_usec;
        unsigned n_bad_tokens;
};

/* What a request without credentials hears. */
struct excuse {
        unsigned status;
        const char *code;
        const char *message;
};
static const struct excuse locked = {403, "MfadLocked", "locked, run: mfactl unlock"};
static const struct excuse sealed = {403, "MfadLocked", "the vault is sealed, run: mfactl unlock"};
static const struct excuse no_vault = {403, "MfadLocked",
                                       "there is no vault yet, run: mfactl init"};
static const struct excuse expired = {403, "MfadMfaRequired",
                                      "the session has expired, run: mfactl unlock"};
static const struct excuse pending = {503, "MfadPending", "unlocking, try again in a moment"};
static const struct excuse unknown = {400, "MfadUnknownProfile",
                                      "no such profile, run: mfactl key list"};
static const struct excuse no_default = {
        400, "MfadUnknownProfile",
        "no default profile, set default_profile in mfad.conf or ask for /profile/NAME"};
static const struct excuse is_role = {
        400, "MfadRoleProfile",
        "a role profile: roles come later, for now use the profile of its key"};
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

static int queue_excuse(struct MHD_Connection *connection, const struct excuse *x) {
        _cleanup_(http_answer_freep) struct MHD_Response *answer = NULL;
        int r;

        r = excuse_answer(x, &answer);
        if (r < 0)
                return r;
        return queue(connection, x->status, answer);
}

static void hold_remove(struct hold *h, struct endpoint_request *q) {
        if (q->prev)
                q->prev->next = q->next;
        else
                h->first = q->next;
        if (q->next)
                q->next->prev = q->prev;
        else
                h->last = q->prev;
        q->prev = q->next = NULL;
}

static void hold_arm(struct hold *h) {
        /* neither call can fail for a timer of a running loop */
        if (!h->first) {
                (void)sd_event_source_set_enabled(h->timer, SD_EVENT_OFF);
                return;
        }
        (void)sd_event_source_set_time(h->timer, h->first->until_usec);
        (void)sd_event_source_set_enabled(h->timer, SD_EVENT_ONESHOT);
}

/* Suspends the request until its hold ends or a session changes. */
static int hold_add(struct endpoint *e, struct hold *h, struct endpoint_request *q,
                    const struct session *session, struct MHD_Connection *connection) {
        q->connection = connection;
        q->session = session;
        q->until_usec = clock_boot_usec() + h->usec;
        q->is_held = true;
        q->prev = h->last;
        if (h->last)
                h->last->next = q;
        else
                h->first = q;
        h->last = q;
        e->n_held++;
        if (h->first == q)
                hold_arm(h);
        MHD_suspend_connection(connection);
        return -EINPROGRESS;
}

static bool may_hold(const struct endpoint *e, const struct endpoint_request *q) {
        return !q->has_waited && !e->is_draining && e->n_held < ENDPOINT_HELD_MAX;
}

static void hold_resume(struct endpoint *e, struct hold *h, struct endpoint_request *q) {
        hold_remove(h, q);
        q->is_held = false;
        q->has_waited = true;
        e->n_held--;
        MHD_resume_connection(q->connection);
        if (e->on_resumed)
                e->on_resumed(e->on_resumed_userdata);
}

static void hold_resume_until(struct endpoint *e, struct hold *h, uint64_t now_usec) {
        while (h->first && h->first->until_usec <= now_usec)
                hold_resume(e, h, h->first);
        hold_arm(h);
}

static int on_session_hold_over(sd_event_source *s, uint64_t usec, void *userdata) {
        struct endpoint *e = userdata;

        (void)s; /* re-armed by hold_arm() */
        (void)usec;
        hold_resume_until(e, &e->for_session, clock_boot_usec());
        return 0;
}

static int on_token_hold_over(sd_event_source *s, uint64_t usec, void *userdata) {
        struct endpoint *e = userdata;

        (void)s; /* re-armed by hold_arm() */
        (void)usec;
        hold_resume_until(e, &e->for_token, clock_boot_usec());
        return 0;
}

static struct prepared *prepared_find(struct endpoint *e, const struct session *session) {
        for (size_t i = 0; i < ELEMENTSOF(e->prepared); i++)
                if (e->prepared[i].session == session)
                        return &e->prepared[i];
        return NULL;
}

static void prepared_clear(struct prepared *p) {
        *p = (struct prepared){.answer = http_answer_free(p->answer)};
}

/* Builds the answer for @session, whose credentials are good, and keeps it in @p. */
static int prepared_make(struct prepared *p, const struct session *session) {
        int64_t expires_wall_sec = session_expires_wall_sec(session);
        struct MHD_Response *answer;
        struct secret *body;
        int r;

        r = endpoint_ecs_creds(session_creds(session), session_account(session), expires_wall_sec,
                               session_bought_wall_sec(session), &body);
        if (r < 0)
                return r;
        r = http_answer_new_secret(body, &answer); /* takes body */
        if (r < 0)
                return r;
        *p = (struct prepared){session, expires_wall_sec, answer};
        return 0;
}

/* The answer for @session, as it is to be from now on and for ROUTE_FRESH_USEC. */
static int prepared_refresh(struct endpoint *e, const struct session *session,
                            struct MHD_Response **ret) {
        struct prepared *p = prepared_find(e, session);
        int r;

        /* whoever has set the wall clock has moved the end of the credentials */
        if (p && p->expires_wall_sec != session_expires_wall_sec(session)) {
                prepared_clear(p);
                p = NULL;
        }
        if (!p) {
                p = prepared_find(e, NULL);
                assert(p); /* there are as many places as sessions */
                r = prepared_make(p, session);
                if (r < 0)
                        return r;
        }
        http_answer_set_date(p->answer, clock_wall_sec());
        *ret = p->answer;
        return 0;
}

static void on_session_changed(const struct session *session, void *userdata) {
        struct endpoint *e = userdata;
        struct prepared *p = prepared_find(e, session);
        struct endpoint_request *next;

        if (p)
                prepared_clear(p);
        for (size_t i = 0; i < ELEMENTSOF(e->routes); i++)
                e->routes[i].session = NULL;

        if (session_is_busy(session) && !session_creds(session))
                return; /* the call that they wait for is still in flight */
        for (struct endpoint_request *q = e->for_session.first; q; q = next) {
                next = q->next;
                if (q->session == session)
                        hold_resume(e, &e->for_session, q);
        }
        hold_arm(&e->for_session);
}

static struct route *route_find(struct endpoint *e, const char *name, size_t len) {
        for (size_t i = 0; i < ELEMENTSOF(e->routes); i++) {
                struct route *route = &e->routes[i];

                if (route->session && strncmp(route->name, name, len) == 0 && !route->name[len])
                        return route;
        }
        return NULL;
}

static void route_remember(struct endpoint *e, const char *name, const struct session *session) {
        struct route *route = route_find(e, name, strlen(name));

        if (!route) {
                route = &e->routes[e->next_route];
                e->next_route = (e->next_route + 1) % ROUTES_MAX;
                (void)stpncpy(route->name, name, PROFILE_NAME_MAX); /* the guard bounds names */
                route->name[PROFILE_NAME_MAX] = '\0';
        }
        route->session = session;
        route->checked_usec = clock_boot_usec();
}

static int answer_creds(struct endpoint *e, struct MHD_Connection *connection, const char *name,
                        const struct session *session) {
        struct MHD_Response *answer;
        int r;

        r = prepared_refresh(e, session, &answer);
        if (r < 0) {
                (void)log_error(r, "cannot make an answer, serving an error instead");
                return queue_excuse(connection, &internal);
        }
        route_remember(e, name, session);
        return queue(connection, MHD_HTTP_OK, answer);
}

static const struct excuse *vault_excuse(const struct endpoint *e) {
        if (!signer_client_is_connected(e->signer))
                return &locked; /* nothing is known about the vault */
        switch (signer_client_vault(e->signer)) {
        case VAULT_NONE: return &no_vault;
        case VAULT_SEALED: return &sealed;
        case VAULT_OPEN: return &locked;
        }
        abort();
}

/* The last attempt's failure, when it says more than that the session is locked. */
static const struct failure *recent_failure(const struct session *session) {
        const struct failure *f = session_failure(session);

        if (!f || clock_wall_sec() - f->at_wall_sec > FAILURE_FRESH_SEC)
                return NULL;
        if (f->reason == FAILURE_SEALED || f->reason == FAILURE_NO_VAULT)
                return NULL; /* that may have changed since; vault_excuse() knows */
        return f;
}

/* @session, NULL when there never was one, has no credentials to give. */
static int answer_without_creds(struct endpoint *e, struct endpoint_request *q,
                                struct MHD_Connection *connection, const struct session *session) {
        const struct failure *f;

        if (!session)
                return queue_excuse(connection, vault_excuse(e));
        if (session_is_busy(session)) {
                if (may_hold(e, q))
                        return hold_add(e, &e->for_session, q, session, connection);
                return queue_excuse(connection, &pending);
        }
        f = recent_failure(session);
        if (f) {
                struct excuse x = {failure_http_status(f->reason), failure_http_code(f->reason),
                                   f->message};

                return queue_excuse(connection, &x);
        }
        return queue_excuse(connection, session_has_expired(session) ? &expired : vault_excuse(e));
}

/* While the vault is not open nobody knows which keys it has; credentials that are held are served
 * all the same. Without a name, those of the only session. */
static const struct session *session_of_closed_vault(const struct endpoint *e, const char *name) {
        const struct session *only = NULL, *s;

        if (signer_client_is_connected(e->signer) && signer_client_vault(e->signer) == VAULT_OPEN)
                return NULL;
        if (*name) {
                s = sessions_find(e->sessions, name);
                return s && session_creds(s) ? s : NULL;
        }
        for (size_t i = 0; (s = sessions_at(e->sessions, i)); i++) {
                if (!session_creds(s))
                        continue;
                if (only)
                        return NULL;
                only = s;
        }
        return only;
}

static int answer_unknown(struct endpoint *e, struct MHD_Connection *connection, const char *name) {
        const struct session *session = session_of_closed_vault(e, name);
        const struct excuse *x = vault_excuse(e);

        if (session)
                return answer_creds(e, connection, name, session);
        if (x == &sealed || (x == &no_vault && !*name))
                return queue_excuse(connection, x);
        return queue_excuse(connection, *name ? &unknown : &no_default);
}

static _noinline_ int answer_resolved(struct endpoint *e, struct endpoint_request *q,
                                      struct MHD_Connection *connection,
                                      const struct http_text *asked) {
        char name[PROFILE_NAME_MAX + 1] = "";
        const struct session *session;
        struct aws_profile profile;

        if (asked->len > PROFILE_NAME_MAX)
                return queue_excuse(connection, &unknown);
        memcpy(name, asked->text, asked->len);
        switch (profiles_resolve(e->profiles, name, &profile)) {
        case PROFILE_IS_KEY:
                session = sessions_find(e->sessions, profile.name);
                if (session && session_creds(session))
                        return answer_creds(e, connection, name, session);
                return answer_without_creds(e, q, connection, session);
        case PROFILE_IS_ROLE: return queue_excuse(connection, &is_role);
        case PROFILE_UNKNOWN: return answer_unknown(e, connection, name);
        }
        abort();
}

/* The way of nearly every request; the other one is a function of its own for the size of its frame. */
static int answer_profile(struct endpoint *e, struct endpoint_request *q,
                          struct MHD_Connection *connection, const struct http_text *asked) {
        const struct route *route = route_find(e, asked->text, asked->len);
        const struct prepared *p;

        if (route && clock_boot_usec() - route->checked_usec < ROUTE_FRESH_USEC) {
                p = prepared_find(e, route->session);
                if (p)
                        return queue(connection, MHD_HTTP_OK, p->answer);
        }
        return answer_resolved(e, q, connection, asked);
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
        const struct session *s;
        const char *name;
        int r;

        for (size_t i = 0; (s = sessions_at(e->sessions, i)); i++)
                if (ranks[session_state(s)] > ranks[best])
                        best = session_state(s);
        name = best == SESSION_LOCKED && vault_excuse(e) == &sealed ? "sealed"
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

        if (!q->has_waited) {
                if (now_usec - e->bad_tokens_since_usec > BAD_TOKENS_USEC) {
                        e->bad_tokens_since_usec = now_usec;
                        e->n_bad_tokens = 0;
                }
                if (e->n_bad_tokens++ == ENDPOINT_BAD_TOKENS_MAX)
                        (void)log_warning(0,
                                          "%u requests with a wrong client token within a "
                                          "minute, delaying more of them",
                                          e->n_bad_tokens);
                if (e->n_bad_tokens > ENDPOINT_BAD_TOKENS_MAX && may_hold(e, q))
                        return hold_add(e, &e->for_token, q, NULL, connection);
        }
        return queue(connection, bad_token.status, e->bad_token);
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

static int hold_init(struct endpoint *e, struct hold *h, sd_event *event, uint64_t msec,
                     sd_event_time_handler_t fn, const char *description) {
        int r;

        h->usec = msec * USEC_PER_MSEC;
        r = sd_event_add_time(event, &h->timer, CLOCK_BOOTTIME, 0, TIMER_ACCURACY_USEC, fn, e);
        if (r < 0)
                return r;
        (void)sd_event_source_set_description(h->timer, description); /* for debugging only */
        return sd_event_source_set_enabled(h->timer, SD_EVENT_OFF);
}

int endpoint_new(sd_event *event, struct sessions *sessions, struct profiles *profiles,
                 struct tokens *tokens, struct signer_client *signer, struct endpoint **ret) {
        _cleanup_(endpoint_freep) struct endpoint *e = NULL;
        int r;

        assert(event && sessions && profiles && tokens && signer);
        assert(ret);

        e = calloc(1, sizeof(*e));
        if (!e)
                return -ENOMEM;
        e->sessions = sessions;
        e->profiles = profiles;
        e->tokens = tokens;
        e->signer = signer;

        r = refusals_make(e);
        if (r < 0)
                return r;
        r = hold_init(e, &e->for_session, event, ENDPOINT_HOLD_MSEC, on_session_hold_over,
                      "endpoint-hold-session");
        if (r < 0)
                return r;
        r = hold_init(e, &e->for_token, event, ENDPOINT_BAD_TOKEN_MSEC, on_token_hold_over,
                      "endpoint-hold-token");
        if (r < 0)
                return r;
        r = sessions_watch(sessions, on_session_changed, e);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(e);
        return 0;
}

struct endpoint *endpoint_free(struct endpoint *e) {
        if (!e)
                return NULL;
        assert(e->n_held == 0);
        for (size_t i = 0; i < ELEMENTSOF(e->refusals); i++)
                (void)http_answer_free(e->refusals[i]); /* returns NULL by convention */
        for (size_t i = 0; i < ELEMENTSOF(e->prepared); i++)
                (void)http_answer_free(e->prepared[i].answer); /* the same */
        (void)http_answer_free(e->bad_token);                  /* the same */
        sd_event_source_disable_unref(e->for_session.timer);
        sd_event_source_disable_unref(e->for_token.timer);
        free(e);
        return NULL;
}

void endpoint_on_resumed(struct endpoint *e, void (*fn)(void *userdata), void *userdata) {
        e->on_resumed = fn;
        e->on_resumed_userdata = userdata;
}

int endpoint_answer(struct endpoint *e, struct endpoint_request *request,
                    struct MHD_Connection *connection, const struct http_call *call) {
        assert(e && request && connection && call);
        assert(!request->is_held);

        if (call->route == HTTP_ROUTE_HEALTH)
                return answer_health(e, connection);
        if (!tokens_accept(e->tokens, call->authorization.text, call->authorization.len))
                return answer_bad_token(e, request, connection);
        return answer_profile(e, request, connection, &call->profile);
}

int endpoint_refuse(struct endpoint *e, struct MHD_Connection *connection,
                    enum http_refusal refusal) {
        assert(refusal > HTTP_OK && refusal < _HTTP_REFUSAL_MAX);

        return queue(connection, http_refusal_text(refusal)->status, e->refusals[refusal]);
}

void endpoint_answer_held(struct endpoint *e) {
        e->is_draining = true;
        hold_resume_until(e, &e->for_session, USEC_INFINITY);
        hold_resume_until(e, &e->for_token, USEC_INFINITY);
}
