/* aws_gate.h - whether an AWS endpoint is worth a call now: one back-off for all that take the same way to it.
 * Owns:  what failed last, per route.
 * Calls: failure.h, clock.h.
 * Limit: AWS_GATE_ROUTES_MAX routes that fail at a time; AWS_GATE_WAIT_SEC_MAX between two tries.
 *
 * A laptop without network has as many failing roles as there are profiles. One of them tries the endpoint
 * again, at intervals that grow; the others go on when that has worked. A route is a text that names the
 * host, and the proxy and CA on the way: who has a proxy of his own that is down is alone with that. */
#pragma once
#include "common/macros.h"
#include <stdbool.h>
#include <stdint.h>

#define AWS_GATE_ROUTES_MAX   32
#define AWS_GATE_WAIT_SEC_MAX 30 /* so that recovery is noticed within a minute */

struct aws_gate;
struct failure;

int aws_gate_new(struct aws_gate **ret);
struct aws_gate *aws_gate_free(struct aws_gate *g);
DEFINE_FREEP(struct aws_gate, aws_gate)

/* When @route may be called, CLOCK_BOOTTIME; 0 for now. USEC_INFINITY while the one call that tries it
 * again is under way: aws_gate_worked() or aws_gate_failed() ends that. */
uint64_t aws_gate_opens_usec(const struct aws_gate *g, const char *route);
/* Why it is not worth a call; NULL when it is. Lent until the next call of a function here. */
const struct failure *aws_gate_failure(const struct aws_gate *g, const char *route);

/* A call has begun, and every call that has begun ends with one of the next three. */
void aws_gate_began(struct aws_gate *g, const char *route);
void aws_gate_worked(struct aws_gate *g, const char *route);
/* @f: failure_is_of_endpoint(). */
void aws_gate_failed(struct aws_gate *g, const char *route, const struct failure *f);
/* The call was broken off and says nothing. */
void aws_gate_cancelled(struct aws_gate *g, const char *route);
