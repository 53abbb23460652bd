/* role_times.h - when a role's credentials are bought again: after success, and after failure.
 * Owns:  nothing.
 * Calls: lease.h, libcrypto (random numbers).
 * Limit: ROLE_LEAD_SEC and ROLE_REFUSED_SEC. Times are CLOCK_BOOTTIME. */
#pragma once
#include <stdint.h>

#define ROLE_LEAD_SEC (30 * 60) /* so that no SDK ever sees less than its own refresh window */
#define ROLE_REFUSED_SEC                                                                           \
        55 /* AWS's no to one role is remembered: its yes is noticed within a minute */
#define ROLE_INTERNAL_SEC 5 /* our own trouble: out of memory, too many processes */

struct lease;

/* ROLE_LEAD_SEC before the end, or at half of a life that is shorter than twice that; up to a tenth of the
 * lead earlier by chance, so that roles that were bought together come apart. */
uint64_t role_refresh_due_usec(const struct lease *l);
/* When the next try is due that may be made from @from_usec on: up to a second later by chance. */
uint64_t role_retry_due_usec(uint64_t from_usec);
