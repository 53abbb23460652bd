#include "daemon/front/session.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/secret.h"
#include "daemon/front/attempts.h"
#include "daemon/front/aws_api.h"
#include "daemon/front/lease.h"
#include "daemon/front/role_mark.h"

#include <inttypes.h>
#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

#define CODE_MAC_LEN    32
#define CODE_MEMORY_SEC 120 /* four windows of a code: as long as AWS may remember it */
#define CODE_STEP_SEC   30  /* RFC 6238: a new code appears so often */
#define MFA_CODE_LEN    6   /* text_is_mfa_code() */
#define MARK_LEN        sizeof(struct role_mark)
#define MAC_INPUT_MAX   (MFA_SERIAL_MAX + 1 + MFA_CODE_LEN + 1 + MARK_LEN)
#define SHORT_LIFE_SEC  3600
#define NOTICES         3
static const uint64_t notice_sec[NOTICES] = {30 * 60, 10 * 60, 2 * 60};

struct session {
        char name[KEY_NAME_MAX + 1];
        char mfa_serial[MFA_SERIAL_MAX + 1];
        enum session_state state;
        struct failure failure;
        struct lease lease;
        bool has_mark; /* bought for a profile with mfad_direct_mfa, as it read then: */
        struct role_mark mark;
        unsigned char bought_by[CODE_MAC_LEN];
        unsigned notices_given;
        bool has_expired;
        bool is_busy; /* the call in flight is for this one */
};

struct session_waiter {
        struct sessions *sessions;
        struct session_waiter *next;
        struct session *session;
        bool is_answered; /* else it waits for the call in flight */
        bool has_failed;
        bool already;
        struct failure failure;
        session_unlock_fn fn;
        void *userdata;
};

struct sessions {
        sd_event *event;
        struct aws_api *api;       /* lent */
        struct attempts *attempts; /* lent */
        unsigned char mac_key[CODE_MAC_LEN];
        struct session *all[SIGNER_KEYS_MAX]; /* each stays where it is: they are lent */
        size_t n;

        /* the one MFA call in flight, ever; NULL for none */
        struct aws_api_call *call;
        struct session *call_session;
        unsigned char call_mac[CODE_MAC_LEN];
        struct lease call_lease; /* whose credentials it buys; they are still to come */
        bool call_has_mark;
        struct role_mark call_mark;

        struct session_waiter *waiters;
        size_t n_waiters;
        sd_event_source *news;  /* tells waiters, outside of sessions_unlock() */
        sd_event_source *timer; /* for the next end or notice of any session */
        struct {
                sessions_changed_fn fn;
                void *userdata;
        } watches[SESSION_WATCHES_MAX];
        size_t n_watches;
};

const struct session *sessions_find(const struct sessions *s, const char *name) {
        for (size_t i = 0; i < s->n; i++)
                if (strcmp(s->all[i]->name, name) == 0)
                        return s->all[i];
        return NULL;
}

const struct session *sessions_at(const struct sessions *s, size_t i) {
        return i < s->n ? s->all[i] : NULL;
}

const char *session_name(const struct session *s) {
        return s->name;
}

enum session_state session_state(const struct session *s) {
        return s->state;
}

bool session_is_busy(const struct session *s) {
        return s->is_busy;
}

const struct lease *session_lease(const struct session *s) {
        return &s->lease;
}

bool session_has_expired(const struct session *s) {
        /* also before the timer had its turn, as after a suspend */
        return s->has_expired || (s->lease.creds && !lease_creds(&s->lease));
}

const char *session_mfa_serial(const struct session *s) {
        return s->mfa_serial;
}

const struct role_mark *session_mark(const struct session *s) {
        return s->has_mark ? &s->mark : NULL;
}

const struct failure *session_failure(const struct session *s) {
        return s->failure.reason == FAILURE_NONE ? NULL : &s->failure;
}

static void tell_watchers(struct sessions *s, const struct session *session) {
        for (size_t i = 0; i < s->n_watches; i++)
                s->watches[i].fn(session, s->watches[i].userdata);
}

static uint64_t near_expiry_sec(const struct session *s) {
        uint64_t life_sec = lease_life_sec(&s->lease);

        return life_sec >= SHORT_LIFE_SEC ? SESSION_NEAR_EXPIRY_SEC : life_sec / 2;
}

/* The next instant at which sessions_check_time() has something to do for @s. */
static uint64_t next_due_usec(const struct session *s) {
        uint64_t sec = LEASE_SERVE_SEC_MIN;

        if (s->notices_given < NOTICES && notice_sec[s->notices_given] > sec)
                sec = notice_sec[s->notices_given];
        if (s->state == SESSION_UNLOCKED && near_expiry_sec(s) > sec)
                sec = near_expiry_sec(s);
        /* one more microsecond, so that "less than a minute" is true when the minute begins */
        return s->lease.ends_boot_usec - sec * USEC_PER_SEC + (sec == LEASE_SERVE_SEC_MIN ? 1 : 0);
}

static void arm_timer(struct sessions *s) {
        uint64_t due = USEC_INFINITY;
        int r;

        for (size_t i = 0; i < s->n; i++)
                if (s->all[i]->lease.creds && next_due_usec(s->all[i]) < due)
                        due = next_due_usec(s->all[i]);
        r = due == USEC_INFINITY ? 0 : sd_event_source_set_time(s->timer, due);
        if (r >= 0)
                r = sd_event_source_set_enabled(s->timer, due == USEC_INFINITY ? SD_EVENT_OFF
                                                                               : SD_EVENT_ONESHOT);
        if (r < 0) /* lease_creds() looks at the clock itself, so nothing stale is served */
                (void)log_error(r, "cannot arm the timer, no notice will be given");
}

static enum event kind_of(enum session_event e, enum session_state now) {
        if (e == SESSION_EV_CREDS)
                return EVENT_UNLOCKED;
        return e == SESSION_EV_EXPIRED && now == SESSION_LOCKED ? EVENT_ENDED : EVENT_SESSION;
}

/* The only place where a state changes. */
static void session_enter(struct sessions *s, struct session *session, enum session_event e) {
        enum session_state old = session->state;

        session->state = session_next(old, e, lease_creds(&session->lease) != NULL);
        if (session->state != old || e == SESSION_EV_CREDS)
                log_event(kind_of(e, session->state),
                          &(struct event_fields){.profile = session->name},
                          "session \"%s\": %s -> %s", session->name, session_state_name(old),
                          session_state_name(session->state));
        arm_timer(s);
        tell_watchers(s, session);
}

static void end(struct sessions *s, struct session *session) {
        lease_end(&session->lease);
        session_enter(s, session, SESSION_EV_EXPIRED);
        if (session->is_busy && session->state == SESSION_LOCKED)
                session_enter(s, session, SESSION_EV_UNLOCK); /* a renewal was running beside it */
}

static void check_session(struct sessions *s, struct session *session) {
        uint64_t left = lease_left_sec(&session->lease);
        bool is_due = false;

        if (!session->lease.creds)
                return;
        if (left < LEASE_SERVE_SEC_MIN) {
                session->has_expired = true;
                end(s, session);
                return;
        }
        while (session->notices_given < NOTICES && left <= notice_sec[session->notices_given]) {
                session->notices_given++;
                is_due = true;
        }
        if (is_due)
                log_event(EVENT_ENDS_SOON, &(struct event_fields){.profile = session->name},
                          "session \"%s\": the session ends in %" PRIu64 " min", session->name,
                          (left + 30) / 60);
        if (session->state == SESSION_UNLOCKED && left <= near_expiry_sec(session))
                session_enter(s, session, SESSION_EV_NEAR_EXPIRY);
        else if (is_due)
                tell_watchers(s, session);
}

void sessions_check_time(struct sessions *s) {
        for (size_t i = 0; i < s->n; i++)
                check_session(s, s->all[i]);
        arm_timer(s);
}

static int on_timer(_unused_ sd_event_source *source, _unused_ uint64_t usec, void *userdata) {
        sessions_check_time(userdata);
        return 0;
}

void sessions_end(struct sessions *s, const struct session *session) {
        end(s, (struct session *)session); /* one of ours, lent as const */
}

static bool is_awaited(const struct sessions *s, const struct session *session) {
        for (const struct session_waiter *w = s->waiters; w; w = w->next)
                if (w->session == session)
                        return true;
        return false;
}

/* Finds the session @name, or makes it: in a new place, else in that of one that is of no more use. */
static int find_or_make(struct sessions *s, const char *name, struct session **ret) {
        struct session *session = (struct session *)sessions_find(s, name);

        for (size_t i = 0; !session && s->n == SIGNER_KEYS_MAX && i < s->n; i++)
                if (s->all[i]->state == SESSION_LOCKED && !s->all[i]->is_busy &&
                    !is_awaited(s, s->all[i])) {
                        session = s->all[i];
                        lease_clear(&session->lease);
                        *session = (struct session){0};
                }
        if (!session) {
                if (s->n == SIGNER_KEYS_MAX)
                        return -EBUSY;
                session = calloc(1, sizeof(*session));
                if (!session)
                        return -ENOMEM;
                s->all[s->n++] = session;
        }
        (void)snprintf(session->name, sizeof(session->name), "%s", name); /* same length limit */
        *ret = session;
        return 0;
}

/* Whose code it is and what for, without keeping the code: for joining, and for answering a repeated one. */
static int mac_of_code(const struct sessions *s, const struct session_unlock *u,
                       unsigned char ret[CODE_MAC_LEN]) {
        unsigned char text[MAC_INPUT_MAX];
        unsigned len = CODE_MAC_LEN;
        unsigned char *done;
        int n;

        n = snprintf((char *)text, sizeof(text) - MARK_LEN, "%s %s", u->mfa_serial, u->code);
        if (n < 0 || (size_t)n >= sizeof(text) - MARK_LEN)
                return -E2BIG;
        if (u->mark)
                memcpy(text + n, u->mark, MARK_LEN);
        done = HMAC(EVP_sha256(), s->mac_key, sizeof(s->mac_key), text,
                    (size_t)n + (u->mark ? MARK_LEN : 0), ret, &len);
        explicit_bzero(text, sizeof(text));
        return done ? 0 : -EIO;
}

static bool is_same_code(const unsigned char *a, const unsigned char *b) {
        return secret_equal(a, b, CODE_MAC_LEN);
}

/* This very code has bought what the session holds, and not so long ago that it could be another
 * window's code with the same digits. */
static bool was_bought_by(const struct session *session, const unsigned char *mac) {
        return lease_creds(&session->lease) && is_same_code(session->bought_by, mac) &&
               clock_boot_usec() - session->lease.bought_boot_usec < CODE_MEMORY_SEC * USEC_PER_SEC;
}

static void answer_waiter(struct session_waiter *w, const struct failure *failure, bool already) {
        w->is_answered = true;
        w->already = already;
        w->has_failed = failure != NULL;
        if (failure)
                w->failure = *failure;
        (void)sd_event_source_set_enabled(w->sessions->news, SD_EVENT_ONESHOT); /* cannot fail */
}

static void answer_all(struct sessions *s, const struct failure *failure, bool already) {
        for (struct session_waiter *w = s->waiters; w; w = w->next)
                if (!w->is_answered)
                        answer_waiter(w, failure, already);
}

static int on_news(_unused_ sd_event_source *source, void *userdata) {
        struct sessions *s = userdata;
        struct session_waiter *w;

        for (;;) {
                for (w = s->waiters; w && !w->is_answered; w = w->next)
                        ;
                if (!w)
                        return 0;
                struct session_waiter copy = *w;

                (void)session_waiter_cancel(
                        w); /* always NULL; it is gone before its caller hears */
                copy.fn(copy.session, copy.has_failed ? &copy.failure : NULL, copy.already,
                        copy.userdata);
        }
}

static void record_failure(struct sessions *s, struct session *session,
                           const struct failure *failure) {
        session->failure = *failure;
        log_event(EVENT_UNLOCK_FAILED,
                  &(struct event_fields){.profile = session->name,
                                         .result = failure_name(failure->reason)},
                  "session \"%s\": unlock failed: %s", session->name, failure->message);
        session_enter(s, session, SESSION_EV_FAILED);
}

static void took_creds(struct sessions *s, struct session *session) {
        lease_clear(&session->lease);
        session->lease = s->call_lease;
        s->call_lease = (struct lease){0};
        session->has_mark = s->call_has_mark;
        session->mark = s->call_mark;
        memcpy(session->bought_by, s->call_mac, CODE_MAC_LEN);
        session->has_expired = false;
        session->failure = (struct failure){0};
        session->notices_given = 0;
        while (session->notices_given < NOTICES &&
               notice_sec[session->notices_given] >= lease_life_sec(&session->lease))
                session->notices_given++;
}

static void on_refused(struct sessions *s, struct session *session, const struct failure *failure) {
        struct failure f = *failure;

        if (f.reason == FAILURE_CODE_USED && was_bought_by(session, s->call_mac)) {
                session_enter(s, session, SESSION_EV_FAILED); /* nothing was lost, nothing failed */
                answer_all(s, NULL, true);
                return;
        }
        if (f.reason == FAILURE_CODE_USED)
                failure_set_wait(&f, f.reason,
                                 CODE_STEP_SEC -
                                         (uint32_t)(aws_api_now_sec(s->api) % CODE_STEP_SEC));
        if (failure_is_refused_code(f.reason)) {
                attempts_refused(s->attempts, session->mfa_serial);
                f.wait_sec = attempts_wait_sec(s->attempts, session->mfa_serial);
        }
        record_failure(s, session, &f);
        answer_all(s, &f, false);
}

/* Who heard of it may have ended it at once. */
static void answer_bought(struct sessions *s, const struct session *session) {
        struct failure f;

        failure_set(&f, FAILURE_NONE, "its profile has changed meanwhile, and the code is used up");
        answer_all(s, lease_creds(&session->lease) ? NULL : &f, false);
}

static void on_token(const struct failure *failure, struct fetch_answer *answer, void *userdata) {
        struct sessions *s = userdata;
        struct session *session = TAKE_PTR(s->call_session);
        struct failure bad_answer;

        s->call = NULL;
        session->is_busy = false;
        if (!failure && lease_take(&s->call_lease, answer, aws_api_now_sec(s->api)) < 0) {
                failure_set(&bad_answer, FAILURE_BAD_ANSWER, "the credentials' end makes no sense");
                failure = &bad_answer;
        }
        if (failure) {
                on_refused(s, session, failure);
        } else {
                took_creds(s, session);
                attempts_accepted(s->attempts, session->mfa_serial);
                session_enter(s, session, SESSION_EV_CREDS);
                answer_bought(s, session);
        }
        explicit_bzero(s->call_mac, sizeof(s->call_mac));
        lease_clear(&s->call_lease);
}

/* Notes what is bought, beside what is held: that stays as it is until AWS has said yes. */
static int prepare_call(struct sessions *s, const struct session_unlock *u) {
        struct lease *lease = &s->call_lease;

        s->call_has_mark = u->mark != NULL;
        s->call_mark = u->mark ? *u->mark : (struct role_mark){0};
        if (!(u->role && lease_read_account(u->role->arn, lease->account)) &&
            !lease_read_account(u->mfa_serial, lease->account))
                (void)lease_read_account(u->user_arn, lease->account); /* "" when it names none */
        return lease_set_role(lease, u->role ? u->role->arn : NULL);
}

static int start_call(struct sessions *s, struct session *session, const struct session_unlock *u) {
        struct aws_api_request q = {.op = u->role ? AWS_OP_ASSUME_ROLE : AWS_OP_GET_SESSION_TOKEN,
                                    .key = u->key,
                                    .profile = u->profile,
                                    .mfa_serial = u->mfa_serial,
                                    .mfa_code = u->code,
                                    .duration_sec = u->duration_sec,
                                    .role = u->role};
        int r;

        /* all of it now: what @u lends may be gone when aws_api_ask() has met a mfad-signer that died */
        r = prepare_call(s, u);
        (void)snprintf(session->mfa_serial, sizeof(session->mfa_serial), "%s", u->mfa_serial);
        if (r >= 0)
                r = aws_api_ask(s->api, &q, on_token, s, &s->call);
        if (r < 0) {
                lease_clear(&s->call_lease);
                return r;
        }
        s->call_session = session;
        session->is_busy = true;
        session_enter(s, session, SESSION_EV_UNLOCK);
        return 0;
}

/* Decides what becomes of the attempt: @w is answered, or waits for the call in flight. */
static void decide(struct sessions *s, struct session *session, const struct session_unlock *u,
                   struct session_waiter *w) {
        unsigned char mac[CODE_MAC_LEN];
        uint32_t wait_sec = attempts_wait_sec(s->attempts, u->mfa_serial);
        struct failure f = {0};
        int r;

        r = mac_of_code(s, u, mac);
        if (r < 0) {
                failure_set(&f, FAILURE_INTERNAL, "no HMAC");
        } else if (s->call) {
                if (s->call_session == session && is_same_code(s->call_mac, mac))
                        return;
                failure_set(&f, FAILURE_BUSY, NULL);
                answer_waiter(w, &f, false); /* about this caller only, so not recorded */
                return;
        } else if (was_bought_by(session, mac)) {
                answer_waiter(w, NULL, true);
                return;
        } else if (!text_is_mfa_serial(u->mfa_serial)) {
                failure_set(&f, FAILURE_NO_MFA_SERIAL, NULL);
        } else if (wait_sec > 0) {
                failure_set_wait(&f, FAILURE_MUST_WAIT, wait_sec);
        } else {
                memcpy(s->call_mac, mac, sizeof(mac));
                r = start_call(s, session, u);
                if (r >= 0)
                        return;
                failure_set(&f, FAILURE_INTERNAL, strerror(-r));
        }
        record_failure(s, session, &f);
        answer_waiter(w, &f, false);
}

int sessions_unlock(struct sessions *s, const struct session_unlock *u, session_unlock_fn fn,
                    void *userdata, struct session_waiter **ret) {
        struct session *session;
        struct session_waiter *w;
        int r;

        assert(text_is_mfa_code(u->code));
        assert(*u->name && *u->key);

        if (s->n_waiters >= SESSION_WAITERS_MAX)
                return -EBUSY;
        r = find_or_make(s, u->name, &session);
        if (r < 0)
                return r;
        w = calloc(1, sizeof(*w));
        if (!w)
                return -ENOMEM;
        *w = (struct session_waiter){.sessions = s,
                                     .next = s->waiters,
                                     .session = session,
                                     .fn = fn,
                                     .userdata = userdata};
        s->waiters = w;
        s->n_waiters++;
        if (ret)
                *ret = w;
        decide(s, session, u, w);
        return 0;
}

struct session_waiter *session_waiter_cancel(struct session_waiter *w) {
        struct session_waiter **at;

        if (!w)
                return NULL;
        for (at = &w->sessions->waiters; *at != w; at = &(*at)->next)
                ;
        *at = w->next;
        w->sessions->n_waiters--;
        free(w);
        return NULL;
}

int sessions_restore(struct sessions *s, const char *name, const char *mfa_serial,
                     const struct role_mark *mark, struct lease *lease) {
        struct session *session;
        uint64_t left = lease_left_sec(lease);
        int r;

        r = find_or_make(s, name, &session);
        if (r < 0 || lease_creds(&session->lease))
                return r;
        session->has_expired = !lease_creds(lease);
        if (session->has_expired)
                return 0;        /* it stays locked, so nothing changes for anybody who watches */
        if (!session->is_busy) { /* else what its call says about itself holds */
                (void)snprintf(session->mfa_serial, sizeof(session->mfa_serial), "%s", mfa_serial);
                session->failure = (struct failure){0};
        }
        lease_clear(&session->lease);
        session->lease = *lease;
        *lease = (struct lease){0};
        session->has_mark = mark != NULL;
        session->mark = mark ? *mark : (struct role_mark){0};
        session->notices_given = 0;
        while (session->notices_given < NOTICES && notice_sec[session->notices_given] >= left)
                session->notices_given++; /* those were given */
        session_enter(s, session, SESSION_EV_CREDS);
        sessions_check_time(s);
        return 0;
}

int sessions_watch(struct sessions *s, sessions_changed_fn fn, void *userdata) {
        if (s->n_watches == SESSION_WATCHES_MAX)
                return -EBUSY;
        s->watches[s->n_watches].fn = fn;
        s->watches[s->n_watches++].userdata = userdata;
        return 0;
}

int sessions_new(sd_event *event, struct aws_api *api, struct attempts *attempts,
                 struct sessions **ret) {
        _cleanup_(sessions_freep) struct sessions *s = NULL;
        int r;

        assert(ret);

        s = calloc(1, sizeof(*s));
        if (!s)
                return -ENOMEM;
        s->event = sd_event_ref(event);
        s->api = api;
        s->attempts = attempts;
        if (RAND_bytes(s->mac_key, sizeof(s->mac_key)) != 1)
                return -EIO;
        r = sd_event_add_defer(event, &s->news, on_news, s);
        if (r >= 0)
                r = sd_event_source_set_enabled(s->news, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_time(event, &s->timer, CLOCK_BOOTTIME, 0, 0, on_timer, s);
        if (r >= 0)
                r = sd_event_source_set_enabled(s->timer, SD_EVENT_OFF);
        if (r < 0)
                return r;
        (void)sd_event_source_set_description(s->news, "session-news");   /* for debugging only */
        (void)sd_event_source_set_description(s->timer, "session-timer"); /* for debugging only */
        *ret = TAKE_PTR(s);
        return 0;
}

struct sessions *sessions_free(struct sessions *s) {
        if (!s)
                return NULL;
        (void)aws_api_call_cancel(s->call); /* all of these return NULL */
        lease_clear(&s->call_lease);
        while (s->waiters)
                (void)session_waiter_cancel(s->waiters);
        for (size_t i = 0; i < s->n; i++) {
                lease_clear(&s->all[i]->lease);
                free(s->all[i]);
        }
        (void)sd_event_source_disable_unref(s->timer);
        (void)sd_event_source_disable_unref(s->news);
        (void)sd_event_unref(s->event);
        explicit_bzero(s, sizeof(*s)); /* the key of the codes' MACs */
        free(s);
        return NULL;
}
