/* role_times.h - when a role's credentials are bought again: after success, and after failure.
 * Owns:  nothing.
 * Calls: lease.h, libcrypto (random numbers).
 * Limit: ROLE_LEAD_SEC, ROLE_REFUSED_SEC and ROLE_RETRY_SEC_MAX. Times are CLOCK_BOOTTIME. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define ROLE_LEAD_SEC      (30 * 60) /* so that no SDK ever sees less than its own refresh window */
#define ROLE_REFUSED_SEC   60        /* how long AWS's no to one role is remembered, first */
#define ROLE_RETRY_SEC_MAX 300       /* and at most, while credentials are held */
#define ROLE_INTERNAL_SEC  5         /* our own trouble: out of memory, too many processes */

struct lease;

/* ROLE_LEAD_SEC before the end, or at half of a life that is shorter than twice that; up to a tenth of the
 * lead earlier by chance, so that roles that were bought together come apart. */
uint64_t role_refresh_due_usec(const struct lease *l);
/* How long not to ask again after the @n-th refusal in a row, from 1: 60, 120, 240, then 300 s while
 * credentials are held; always 60 when they are not, for then somebody has to ask again anyhow. */
uint64_t role_refused_usec(bool is_internal, unsigned n, bool holds_creds);
/* When the next try is due that may be made from @from_usec on: up to a second later by chance. */
uint64_t role_retry_due_usec(uint64_t from_usec);
