#include "daemon/front/control_work.h"
#include "common/clock.h"
#include "common/log.h"
#include "daemon/front/audit.h"
#include "daemon/front/aws_api.h"
#include "daemon/front/session.h"
#include "daemon/front/signer_client.h"

#include <stdio.h>
#include <string.h>

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

void control_work_reply(struct control_work *w, json_t *parameters) {
        struct varlink_call *call = w->call;

        work_free(w);
        if (parameters)
                varlink_call_reply(call, parameters);
        else
                reply_error(call, "org.mfad.Control.Internal", "out of memory");
}

/* Records the refusal with the last word of the error @name. */
static void note_refused(struct control_work *w, const char *name) {
        struct peer_end end = {.pid = varlink_call_peer_pid(w->call)};

        if (w->lends)
                audit_refused(w->context->parts.audit, &end, w->name, NULL, strrchr(name, '.') + 1);
}

void control_work_note_lent(struct control_work *w, const char *profile,
                            const char *access_key_id) {
        struct peer_end end = {.pid = varlink_call_peer_pid(w->call)};

        audit_lent(w->context->parts.audit, &end, profile, NULL, access_key_id);
}

void control_work_error(struct control_work *w, const char *error, const char *message) {
        struct varlink_call *call = w->call;

        note_refused(w, error);
        work_free(w);
        reply_error(call, error, message);
}

void control_work_failure(struct control_work *w, const struct failure *f) {
        struct varlink_call *call = w->call;
        json_t *parameters = json_pack("{s:s}", "message", f->message);

        /* json_object_set_new() takes no NULL object or value: out of memory gives {} */
        if (f->reason == FAILURE_CODE_USED || f->reason == FAILURE_MUST_WAIT)
                (void)json_object_set_new(parameters, "wait_seconds", json_integer(f->wait_sec));
        if (f->reason == FAILURE_CLOCK_WRONG)
                (void)json_object_set_new(parameters, "offset_seconds",
                                          json_integer(f->offset_sec));
        note_refused(w, failure_varlink_error(f->reason));
        work_free(w);
        varlink_call_error(call, failure_varlink_error(f->reason), parameters);
}

void control_work_fail(struct control_work *w, enum failure_reason reason, const char *detail) {
        struct failure f;

        failure_set(&f, reason, detail);
        control_work_failure(w, &f);
}

void control_work_asked(struct control_work *w, int r) {
        if (r == -EBUSY)
                control_work_fail(w, FAILURE_BUSY, "other calls");
        else if (r < 0)
                control_work_fail(w, FAILURE_INTERNAL, strerror(-r));
}

struct control_work *control_work_new(struct control_context *context, struct varlink_call *call,
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

void control_work_ask_signer(struct control_work *w, unsigned limit_msec) {
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
