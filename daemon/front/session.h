/* session.h - what one MFA code bought, per key or per role with mfad_direct_mfa, and how the next is bought.
 * Owns:  every session, its credentials, its timers and the one MFA call in flight.
 * Calls: aws_api.h, attempts.h, lease.h, profiles.h, role_mark.h. Never calls roles, HTTP or control; they watch.
 * Limit: SIGNER_KEYS_MAX sessions, SESSION_WAITERS_MAX callers waiting for one answer. */
#pragma once
#include "common/encode.h"
#include "common/macros.h"
#include "common/signer_proto.h"
#include "daemon/front/failure.h"
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#define SESSION_WAITERS_MAX     64
#define SESSION_NEAR_EXPIRY_SEC (30 * 60)

enum session_state {
        SESSION_LOCKED,
        SESSION_UNLOCKING,
        SESSION_UNLOCKED,
        SESSION_EXPIRING, /* still serves */
        _SESSION_STATE_MAX,
};
enum session_event {
        SESSION_EV_UNLOCK, /* a code was given */
        SESSION_EV_CREDS,  /* AWS gave credentials */
        SESSION_EV_FAILED, /* AWS or the way to it did not */
        SESSION_EV_NEAR_EXPIRY,
        SESSION_EV_EXPIRED,
        _SESSION_EVENT_MAX,
};

/* The pure transition. @has_creds: unexpired credentials are held, so that an attempt that fails or
 * is under way loses nothing. */
enum session_state session_next(enum session_state s, enum session_event e, bool has_creds);
const char *session_state_name(enum session_state s);

struct aws_api;
struct aws_profile;
struct aws_role;
struct attempts;
struct lease;
struct profiles;
struct role_mark;
struct session;
struct sessions;

/* @api and @attempts are lent until sessions_free(). */
int sessions_new(sd_event *event, struct aws_api *api, struct attempts *attempts,
                 struct sessions **ret);
struct sessions *sessions_free(struct sessions *s);
DEFINE_FREEP(struct sessions, sessions)

/* The session @name, or NULL when it was never unlocked or tried. Lent until sessions_free(). */
const struct session *sessions_find(const struct sessions *s, const char *name);
/* The i-th session, NULL beyond the last: for status. */
const struct session *sessions_at(const struct sessions *s, size_t i);

/* The name of its key, or of the profile with mfad_direct_mfa. */
const char *session_name(const struct session *s);
enum session_state session_state(const struct session *s);
/* True while an MFA call for this session is in flight, whatever the state says: a renewal runs
 * beside EXPIRING or UNLOCKED. */
bool session_is_busy(const struct session *s);
/* Its credentials, if any are good. Lent until sessions_free(). */
const struct lease *session_lease(const struct session *s);
/* True when there were credentials and their time is over: a client hears "expired", not "locked". */
bool session_has_expired(const struct session *s);
const char *session_mfa_serial(const struct session *s);
/* How the profile with mfad_direct_mfa read that its credentials were bought for; NULL for those of a key. */
const struct role_mark *session_mark(const struct session *s);
/* NULL when the last attempt succeeded or none was made. */
const struct failure *session_failure(const struct session *s);

/* Everything an attempt needs; nothing in it is needed after the call. */
struct session_unlock {
        const char *name; /* of the session, at most KEY_NAME_MAX bytes */
        const char *key;  /* that signs */
        const char *code; /* text_is_mfa_code() */
        uint32_t duration_sec;
        const char *mfa_serial;            /* "" when nobody knows: an answer of its own */
        const char *user_arn;              /* "" when not known */
        const struct aws_profile *profile; /* says where to call; NULL for nothing said */
        const struct aws_role *role;       /* AssumeRole with the code; NULL: GetSessionToken */
        const struct role_mark *mark;      /* of the profile that says so; NULL without @role */
};
/* @failure is NULL on success. @already: the same code had been accepted before. Lent. */
typedef void (*session_unlock_fn)(const struct session *session, const struct failure *failure,
                                  bool already, void *userdata);
struct session_waiter;
/* Buys a session. Joins the call in flight when name and code are the same; while another one is in
 * flight the answer is BUSY. @fn runs exactly once, never before this returns, unless cancelled. Returns 0, -ENOMEM or -EBUSY at a limit. */
int sessions_unlock(struct sessions *s, const struct session_unlock *u, session_unlock_fn fn,
                    void *userdata, struct session_waiter **ret);
/* After this @fn will not run; the call itself goes on. NULL is allowed. Always returns NULL. */
struct session_waiter *session_waiter_cancel(struct session_waiter *w);

/* Puts back what was bought before this process began, and @lease (taken then) with it; unless better was
 * bought meanwhile. @mark: see session_mark(). Credentials whose time is over are told to clients as
 * expired. Returns 0, -ENOMEM or -EBUSY at a limit. */
int sessions_restore(struct sessions *s, const char *name, const char *mfa_serial,
                     const struct role_mark *mark, struct lease *lease);

/* Ends what @session holds before its time. */
void sessions_end(struct sessions *s, const struct session *session);
/* Ends what was bought for a profile with mfad_direct_mfa that reads otherwise now, or is no longer one. */
void sessions_follow_profiles(struct sessions *s, struct profiles *p);

/* @fn runs after every change of any session and at every notice of a coming end, from the event
 * loop. At most SESSION_WATCHES_MAX; -EBUSY beyond. */
#define SESSION_WATCHES_MAX 4
typedef void (*sessions_changed_fn)(const struct session *session, void *userdata);
int sessions_watch(struct sessions *s, sessions_changed_fn fn, void *userdata);

/* Ends what is over and gives the notices that are due. The timer calls it; so do tests that own the
 * clock. */
void sessions_check_time(struct sessions *s);
