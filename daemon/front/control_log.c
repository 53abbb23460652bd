#include "daemon/front/control_log.h"
#include "common/event_json.h"
#include "common/log.h"
#include "daemon/front/recent.h"

static json_t *record_json(const struct recent_event *e) {
        return event_json(e->number, e->wall_usec, e->event, &e->fields, e->sentence);
}

/* The answer with what comes after *@number, which is moved on. NULL when out of memory. */
static json_t *page_new(const struct recent *recent, int64_t *number) {
        const struct recent_event *e = recent_after(recent, *number);
        const struct recent_event *newest = recent_newest(recent);
        json_t *records = json_array();

        for (int i = 0; e && i < CONTROL_LOG_PAGE; i++) {
                if (json_array_append_new(records, record_json(e)) < 0) {
                        json_decref(records);
                        return NULL;
                }
                *number = e->number;
                e = recent_after(recent, *number);
        }
        return json_pack("{s:o, s:I, s:b, s:b, s:I}", "records", records, "last",
                         (json_int_t)*number, "is_last", e == NULL, "in_journal",
                         log_is_in_journal(), "newest_usec",
                         (json_int_t)(newest ? newest->wall_usec : 0));
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
