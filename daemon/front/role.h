/* role.h - what is known about one role: its credentials, and when they are bought again.
 * Owns:  the credentials and the last failure.
 * Calls: lease.h, role_mark.h, log.h.
 * Limit: none. Only roles.c changes an entry; others use the functions. */
#pragma once
#include "daemon/front/lease.h"
#include "daemon/front/role_mark.h"
#include <stdbool.h>

struct aws_api_call;
struct failure;
struct role_shop;

struct role {
        struct role_shop *shop; /* where it is bought */
        char *name;
        bool is_arn;
        struct lease lease;
        bool is_asked_for;  /* by somebody, and not only as the source of another role */
        uint64_t used_usec; /* when it last was, by either */
        uint64_t
                due_usec; /* when it is to be bought again; USEC_INFINITY for not before it is used */
        bool is_wanted;   /* a purchase has to begin as soon as it can */
        bool is_forced;   /* whatever is held or was refused */
        bool has_retried; /* with a clock that was learnt from a refusal */
        uint64_t refused_until_usec;
        struct failure *failure; /* NULL for none: most have none, and it is large */
        struct aws_api_call *call;
        char *route; /* the way that its call takes to AWS: what fails there fails all of them */
        struct role_mark mark; /* what it was bought for */
        uint64_t generation;   /* of the profiles when the mark was last compared */
};

const char *role_name(const struct role *role);
/* Its name is an ARN, and it has no profile. */
bool role_is_arn(const struct role *role);
/* Its credentials, if any are good. Lent as long as the entry. */
const struct lease *role_lease(const struct role *role);
/* True while they are being bought, or about to be. */
bool role_is_busy(const struct role *role);
/* Why the last attempt failed; NULL when it did not, or none was made. */
const struct failure *role_failure(const struct role *role);

/* In the log. */
void role_say_bought(const struct role *role);
void role_say_failed(const struct role *role, const struct failure *f);

/* Its call must have ended. NULL is allowed. Always returns NULL. */
struct role *role_free(struct role *role);
