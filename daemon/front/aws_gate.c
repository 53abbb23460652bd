#include "daemon/front/aws_gate.h"
#include "common/clock.h"
#include "common/encode.h"
#include "daemon/front/failure.h"

#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

struct place { /* a route that fails; NULL for a free place */
        char *route;
        struct failure failure;
        unsigned n_failures;
        uint64_t opens_usec;
        bool is_trying;
};

struct aws_gate {
        struct place places[AWS_GATE_ROUTES_MAX];
};

static struct place *find(const struct aws_gate *g, const char *route) {
        for (size_t i = 0; i < AWS_GATE_ROUTES_MAX; i++)
                if (g->places[i].route && strcmp(g->places[i].route, route) == 0)
                        return (struct place *)&g->places[i];
        return NULL;
}

static void clear(struct place *p) {
        free(p->route);
        *p = (struct place){0};
}

/* A free place, else that of the route that was tried longest ago. NULL without memory. */
static struct place *make(struct aws_gate *g, const char *route) {
        struct place *oldest = &g->places[0];

        for (size_t i = 0; i < AWS_GATE_ROUTES_MAX; i++) {
                struct place *p = &g->places[i];

                if (!p->route) {
                        oldest = p;
                        break;
                }
                if (p->opens_usec < oldest->opens_usec)
                        oldest = p;
        }
        clear(oldest);
        oldest->route = strdup(route);
        return oldest->route ? oldest : NULL;
}

/* 1, 2, 4 ... AWS_GATE_WAIT_SEC_MAX seconds, less up to a quarter by chance: not all machines that
 * lost the same network shall come back in step. */
static uint64_t wait_usec(unsigned n_failures) {
        uint64_t sec = n_failures > 5 ? AWS_GATE_WAIT_SEC_MAX : UINT64_C(1) << (n_failures - 1);
        uint32_t chance = 0;

        if (sec > AWS_GATE_WAIT_SEC_MAX)
                sec = AWS_GATE_WAIT_SEC_MAX;
        (void)RAND_bytes((unsigned char *)&chance, sizeof(chance)); /* 0 does as well */
        return sec * USEC_PER_SEC - sec * USEC_PER_SEC / 4 * (chance % 1024) / 1024;
}

uint64_t aws_gate_opens_usec(const struct aws_gate *g, const char *route) {
        const struct place *p = find(g, route);

        if (!p)
                return 0;
        if (p->is_trying)
                return USEC_INFINITY;
        return p->opens_usec <= clock_boot_usec() ? 0 : p->opens_usec;
}

const struct failure *aws_gate_failure(const struct aws_gate *g, const char *route) {
        const struct place *p = find(g, route);

        return p ? &p->failure : NULL;
}

void aws_gate_began(struct aws_gate *g, const char *route) {
        struct place *p = find(g, route);

        if (p)
                p->is_trying = true;
}

void aws_gate_worked(struct aws_gate *g, const char *route) {
        struct place *p = find(g, route);

        if (p)
                clear(p);
}

void aws_gate_failed(struct aws_gate *g, const char *route, const struct failure *f) {
        struct place *p = find(g, route);
        int64_t since;

        /* several calls may have been under way when it broke: they count as one try */
        if (p && !p->is_trying && p->opens_usec > clock_boot_usec())
                return;
        if (!p)
                p = make(g, route);
        if (!p)
                return; /* without a back-off, then */
        since = p->n_failures > 0 ? p->failure.since_wall_sec : f->at_wall_sec;
        p->failure = *f;
        p->failure.since_wall_sec = since;
        p->n_failures++;
        p->is_trying = false;
        p->opens_usec = clock_boot_usec() + wait_usec(p->n_failures);
}

void aws_gate_cancelled(struct aws_gate *g, const char *route) {
        struct place *p = find(g, route);

        if (p)
                p->is_trying = false;
}

int aws_gate_new(struct aws_gate **ret) {
        struct aws_gate *g = calloc(1, sizeof(*g));

        if (!g)
                return -ENOMEM;
        *ret = g;
        return 0;
}

struct aws_gate *aws_gate_free(struct aws_gate *g) {
        if (!g)
                return NULL;
        for (size_t i = 0; i < AWS_GATE_ROUTES_MAX; i++)
                clear(&g->places[i]);
        free(g);
        return NULL;
}
