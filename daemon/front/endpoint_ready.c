#include "daemon/front/endpoint_ready.h"
#include "common/clock.h"
#include "daemon/front/endpoint_ecs.h"
#include "daemon/front/http_answer.h"
#include "daemon/front/lease.h"

static unsigned place_of(const struct endpoint_ready *e, const struct lease *lease) {
        unsigned i = 0;

        while (i < ENDPOINT_READY_MAX && e->all[i].lease != lease)
                i++;
        return i;
}

static void clear_place(struct endpoint_ready *e, unsigned i) {
        e->all[i].answer = http_answer_free(e->all[i].answer);
        e->all[i].lease = NULL;
}

struct MHD_Response *endpoint_ready_find(const struct endpoint_ready *e,
                                         const struct lease *lease) {
        unsigned i = place_of(e, lease);

        return i < ENDPOINT_READY_MAX ? e->all[i].answer : NULL;
}

static int make(struct endpoint_ready *e, const struct lease *lease, unsigned i) {
        struct MHD_Response *answer;
        struct secret *body;
        int r;

        r = endpoint_ecs_creds(lease, &body);
        if (r < 0)
                return r;
        r = http_answer_new_secret(body, &answer); /* takes body */
        if (r < 0)
                return r;
        e->all[i].lease = lease;
        e->all[i].answer = answer;
        e->all[i].expires_wall_sec = lease_expires_wall_sec(lease);
        return 0;
}

int endpoint_ready_make(struct endpoint_ready *e, const struct lease *lease,
                        struct MHD_Response **ret) {
        unsigned i = place_of(e, lease);
        int r;

        /* whoever has set the wall clock has moved the end of the credentials */
        if (i < ENDPOINT_READY_MAX && e->all[i].expires_wall_sec != lease_expires_wall_sec(lease)) {
                clear_place(e, i);
                i = ENDPOINT_READY_MAX;
        }
        if (i == ENDPOINT_READY_MAX) {
                i = place_of(e, NULL);
                if (i == ENDPOINT_READY_MAX) {
                        i = e->next;
                        e->next = (e->next + 1) % ENDPOINT_READY_MAX;
                        clear_place(e, i);
                }
                r = make(e, lease, i);
                if (r < 0)
                        return r;
        }
        http_answer_set_date(e->all[i].answer, clock_wall_sec());
        *ret = e->all[i].answer;
        return 0;
}

void endpoint_ready_forget(struct endpoint_ready *e, const struct lease *lease) {
        unsigned i = place_of(e, lease);

        if (i < ENDPOINT_READY_MAX)
                clear_place(e, i);
}

void endpoint_ready_clear(struct endpoint_ready *e) {
        for (unsigned i = 0; i < ENDPOINT_READY_MAX; i++)
                clear_place(e, i);
}
