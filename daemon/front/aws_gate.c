#include "daemon/front/aws_gate.h"
#include "common/clock.h"
#include "common/encode.h"
#include "daemon/front/failure.h"

#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

struct place { /* an endpoint that fails; "" for a free place */
        char url[URL_MAX_LEN + 1];
        struct failure failure;
        unsigned n_failures;
        uint64_t opens_usec;
        bool is_trying;
};

struct aws_gate {
        struct place places[AWS_GATE_ENDPOINTS_MAX];
};

static struct place *find(const struct aws_gate *g, const char *url) {
        for (size_t i = 0; i < AWS_GATE_ENDPOINTS_MAX; i++)
                if (strcmp(g->places[i].url, url) == 0)
                        return (struct place *)&g->places[i];
        return NULL;
}

/* A free place, else that of the endpoint that was tried longest ago. */
static struct place *make(struct aws_gate *g, const char *url) {
        struct place *oldest = &g->places[0];

        for (size_t i = 0; i < AWS_GATE_ENDPOINTS_MAX; i++) {
                struct place *p = &g->places[i];

                if (!*p->url) {
                        oldest = p;
                        break;
                }
                if (p->opens_usec < oldest->opens_usec)
                        oldest = p;
        }
        *oldest = (struct place){0};
        (void)snprintf(oldest->url, sizeof(oldest->url), "%s", url); /* its own limit */
        return oldest;
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

uint64_t aws_gate_opens_usec(const struct aws_gate *g, const char *url) {
        const struct place *p = find(g, url);

        if (!p)
                return 0;
        if (p->is_trying)
                return USEC_INFINITY;
        return p->opens_usec <= clock_boot_usec() ? 0 : p->opens_usec;
}

const struct failure *aws_gate_failure(const struct aws_gate *g, const char *url) {
        const struct place *p = find(g, url);

        return p ? &p->failure : NULL;
}

void aws_gate_began(struct aws_gate *g, const char *url) {
        struct place *p = find(g, url);

        if (p)
                p->is_trying = true;
}

void aws_gate_worked(struct aws_gate *g, const char *url) {
        struct place *p = find(g, url);

        if (p)
                *p = (struct place){0};
}

void aws_gate_failed(struct aws_gate *g, const char *url, const struct failure *f) {
        struct place *p = find(g, url);
        int64_t since;

        /* several calls may have been under way when it broke: they count as one try */
        if (p && !p->is_trying && p->opens_usec > clock_boot_usec())
                return;
        if (!p)
                p = make(g, url);
        since = p->n_failures > 0 ? p->failure.since_wall_sec : f->at_wall_sec;
        p->failure = *f;
        p->failure.since_wall_sec = since;
        p->n_failures++;
        p->is_trying = false;
        p->opens_usec = clock_boot_usec() + wait_usec(p->n_failures);
}

void aws_gate_cancelled(struct aws_gate *g, const char *url) {
        struct place *p = find(g, url);

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
        free(g);
        return NULL;
}
