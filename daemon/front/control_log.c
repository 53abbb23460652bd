#include "daemon/front/control_log.h"
#include "common/clock.h"
#include "common/encode.h"
#include "daemon/front/recent.h"

#define TIME_LEN 21

static json_t *peer_json(const struct event_fields *f) {
        if (!f->has_peer)
                return json_null();
        return json_pack("{s:i, s:o, s:s?, s:s?, s:s?}", "uid", (int)f->uid, "pid",
                         f->pid > 0 ? json_integer(f->pid) : json_null(), "exe", f->exe, "comm",
                         f->comm, "unit", f->unit);
}

static json_t *record_json(const struct recent_event *e) {
        const struct event_fields *f = &e->fields;
        char at[TIME_LEN];

        encode_time_iso(e->wall_usec / (int64_t)USEC_PER_SEC, at);
        return json_pack("{s:I, s:s, s:I, s:s, s:s, s:s?, s:s?, s:s?, s:s?, s:o, s:o}", "number",
                         (json_int_t)e->number, "at", at, "at_usec", (json_int_t)e->wall_usec,
                         "event", event_name(e->event), "message", e->sentence, "profile",
                         f->profile, "result", f->result, "token", f->token, "access_key_id",
                         f->key_id_suffix, "peer", peer_json(f), "suppressed",
                         f->n_suppressed > 0 ? json_integer(f->n_suppressed) : json_null());
}

/* The answer with what comes after *@number, which is moved on. NULL when out of memory. */
static json_t *page_new(const struct recent *recent, int64_t *number) {
        const struct recent_event *e = recent_after(recent, *number);
        json_t *records = json_array();

        for (int i = 0; e && i < CONTROL_LOG_PAGE; i++) {
                if (json_array_append_new(records, record_json(e)) < 0) {
                        json_decref(records);
                        return NULL;
                }
                *number = e->number;
                e = recent_after(recent, *number);
        }
        return json_pack("{s:o, s:I, s:b}", "records", records, "last", (json_int_t)*number,
                         "is_last", e == NULL);
}

/* Tells what there is. Returns whether there is more. */
static bool tell(struct control_work *w) {
        const struct recent *recent = w->context->parts.recent;
        json_t *page = page_new(recent, &w->log_number);

        if (!page) {
                control_work_reply(w, NULL);
                return false;
        }
        if (varlink_call_notify(w->call, page) < 0)
                return false; /* on_gone() has run */
        return recent_after(recent, w->log_number) != NULL;
}

void control_get_log(struct varlink_call *call, const json_t *parameters, void *userdata) {
        struct control_context *c = userdata;
        int64_t after = varlink_int(parameters, "after", 0);
        struct control_work *w = control_work_new(c, call, NULL);

        if (!w)
                return;
        if (!varlink_call_wants_more(call)) {
                control_work_reply(w, page_new(c->parts.recent, &after));
                return;
        }
        w->log_number = after;
        w->follows_log = true;
        if (tell(w))
                control_log_wake(c);
}

void control_log_wake(struct control_context *c) {
        (void)sd_event_source_set_enabled(c->log_news,
                                          SD_EVENT_ONESHOT); /* cannot fail once added */
}

void control_log_go_on(struct control_context *c) {
        struct control_work *next;
        bool is_more = false;

        for (struct control_work *w = c->works; w; w = next) {
                next = w->next; /* only @w itself may go away */
                if (w->follows_log && recent_after(c->parts.recent, w->log_number))
                        is_more |= tell(w);
        }
        if (is_more)
                control_log_wake(c);
}
