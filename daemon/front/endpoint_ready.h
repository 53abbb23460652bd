/* endpoint_ready.h - answers made ready for the leases that were asked for lately.
 * Owns:  the answers.
 * Calls: lease.h, endpoint_ecs.h, http_answer.h.
 * Limit: ENDPOINT_READY_MAX answers; the next one takes the place of the one that was made first. */
#pragma once
#include <stdint.h>

#define ENDPOINT_READY_MAX 64

struct MHD_Response;
struct lease;

struct endpoint_ready {
        struct {
                const struct lease *lease; /* NULL for a free place */
                int64_t expires_wall_sec;  /* as the answer says */
                struct MHD_Response *answer;
        } all[ENDPOINT_READY_MAX];
        unsigned next;
};

/* The answer for @lease, NULL when none is ready. */
struct MHD_Response *endpoint_ready_find(const struct endpoint_ready *e, const struct lease *lease);
/* The answer for @lease, whose credentials are good, as it is to be from now on. Lent until the next call
 * here. Returns 0, or an error of endpoint_ecs_creds(). */
int endpoint_ready_make(struct endpoint_ready *e, const struct lease *lease,
                        struct MHD_Response **ret);
/* @lease has changed, or is about to go. */
void endpoint_ready_forget(struct endpoint_ready *e, const struct lease *lease);
void endpoint_ready_clear(struct endpoint_ready *e);
