/* control_work.h - one call of org.mfad.Control that is not answered at once, and how calls are answered.
 * Owns:  what the call waits for.
 * Calls: signer_client.h, session.h, aws_api.h, audit.h; answers through varlink_server.h.
 * Limit: the Varlink server's number of connections. */
#pragma once
#include "common/aws_request.h"
#include "daemon/front/control_parts.h"
#include "daemon/front/failure.h"
#include "daemon/shared/varlink_server.h"

struct aws_api_call;
struct role;
struct session_waiter;
struct signer_call;

/* The userdata of the methods. */
struct control_context {
        sd_event *event;
        struct control_parts parts;
        struct control_work *works;
        sd_event_source *log_news; /* one-shot: control_log.h */
};

struct control_work {
        struct control_context *context;
        struct control_work *next;
        struct varlink_call *call;
        void (*then)(struct control_work *w); /* once the signer, or @role, has news */
        struct signer_call *asking;
        sd_event_source *timer;
        struct session_waiter *waiting;
        struct aws_api_call *fetching;
        const struct role *role; /* that it waits for; NULL when that one is gone */
        bool waits_for_role;
        uint64_t bought_usec; /* what it had before, CLOCK_BOOTTIME; 0 for nothing */
        bool has_role_news;
        bool lends;                      /* it is about credentials: how it ends is recorded */
        bool has_retried;                /* with a clock that was learnt from a refusal */
        bool is_watching;                /* a GetStatus that goes on */
        bool follows_log;                /* a GetLog that goes on */
        int64_t log_number;              /* of the last event that it heard of */
        enum aws_op op;                  /* ListMfaDevices, GetKeyIdentity */
        char name[VARLINK_TEXT_MAX + 1]; /* of the key or profile; "" for the default one */
        char text[VARLINK_TEXT_MAX + 1]; /* GetConsoleUrl: the destination */
        char code[7];                    /* Unlock */
        uint32_t duration_sec;           /* Unlock; 0 when not said */
};

/* A call that is answered later by @then. NULL when out of memory: then it has been answered. */
struct control_work *control_work_new(struct control_context *context, struct varlink_call *call,
                                      void (*then)(struct control_work *w));
/* All of these answer the call and free @w. @parameters is taken; NULL is out of memory. */
void control_work_reply(struct control_work *w, json_t *parameters);
void control_work_error(struct control_work *w, const char *error, const char *message);
void control_work_failure(struct control_work *w, const struct failure *f);
void control_work_fail(struct control_work *w, enum failure_reason reason, const char *detail);
/* @r: as aws_api_ask() returned it. Only when that has not begun a call. */
void control_work_asked(struct control_work *w, int r);

/* Records that @w, which lends, hands out credentials of @profile, for the call that is still unanswered. */
void control_work_note_lent(struct control_work *w, const char *profile, const char *access_key_id);

/* Runs @w->then when the signer has told its state, so that what another program has just done to the
 * vault is known; or after @limit_msec, or when it cannot be asked. 0 for the signer's own limit. */
void control_work_ask_signer(struct control_work *w, unsigned limit_msec);
