#include "daemon/front/endpoint_hold.h"
#include "common/clock.h"

#include <microhttpd.h>

#define TIMER_ACCURACY_USEC (5 * USEC_PER_MSEC)

static void arm(struct endpoint_hold *h) {
        /* neither call can fail for a timer of a running loop */
        if (!h->first) {
                (void)sd_event_source_set_enabled(h->timer, SD_EVENT_OFF);
                return;
        }
        (void)sd_event_source_set_time(h->timer, h->first->until_usec);
        (void)sd_event_source_set_enabled(h->timer, SD_EVENT_ONESHOT);
}

static void resume(struct endpoint_hold *h, struct endpoint_request *q) {
        if (q->prev)
                q->prev->next = q->next;
        else
                h->first = q->next;
        if (q->next)
                q->next->prev = q->prev;
        else
                h->last = q->prev;
        q->prev = q->next = NULL;
        q->is_held = false;
        h->n--;
        MHD_resume_connection(q->connection);
        if (h->on_resumed)
                h->on_resumed(h->on_resumed_userdata);
}

void endpoint_hold_add(struct endpoint_hold *h, struct endpoint_request *q, const void *waits_for,
                       struct MHD_Connection *connection) {
        struct endpoint_request *before = h->last;

        /* nearly always the last one: only who waits again has an earlier end */
        while (before && before->until_usec > q->until_usec)
                before = before->prev;
        q->connection = connection;
        q->waits_for = waits_for;
        q->is_held = true;
        q->prev = before;
        q->next = before ? before->next : h->first;
        if (q->prev)
                q->prev->next = q;
        else
                h->first = q;
        if (q->next)
                q->next->prev = q;
        else
                h->last = q;
        h->n++;
        if (h->first == q)
                arm(h);
        MHD_suspend_connection(connection);
}

void endpoint_hold_resume(struct endpoint_hold *h, const void *waits_for) {
        struct endpoint_request *next;

        for (struct endpoint_request *q = h->first; q; q = next) {
                next = q->next;
                if (q->waits_for == waits_for)
                        resume(h, q);
        }
        arm(h);
}

void endpoint_hold_resume_until(struct endpoint_hold *h, uint64_t usec) {
        while (h->first && h->first->until_usec <= usec)
                resume(h, h->first);
        arm(h);
}

static int on_timer(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        endpoint_hold_resume_until(userdata, clock_boot_usec());
        return 0;
}

int endpoint_hold_init(struct endpoint_hold *h, sd_event *event, const char *description) {
        int r;

        r = sd_event_add_time(event, &h->timer, CLOCK_BOOTTIME, 0, TIMER_ACCURACY_USEC, on_timer,
                              h);
        if (r < 0)
                return r;
        (void)sd_event_source_set_description(h->timer, description); /* for debugging only */
        return sd_event_source_set_enabled(h->timer, SD_EVENT_OFF);
}

void endpoint_hold_clear(struct endpoint_hold *h) {
        assert(h->n == 0);
        h->timer = sd_event_source_disable_unref(h->timer);
}
