/* role_kept.h - what of a role outlives this process, taken out of its entry and put back. For persist.c alone.
 * Owns:  nothing.
 * Calls: roles.h, role_table.h, role_times.h.
 * Limit: ROLES_MAX. */
#pragma once
#include "daemon/front/lease.h"
#include "daemon/front/role_mark.h"
#include <stdbool.h>
#include <stddef.h>

struct roles;

struct role_kept {
        const char *name;
        bool is_arn;
        bool is_asked_for;
        uint64_t used_usec;
        struct role_mark mark;
        struct lease lease;
};

/* The @i-th role; false beyond the last. All of @ret is lent until the next change. Its lease may have no
 * credentials. */
bool role_kept_get(const struct roles *r, size_t i, struct role_kept *ret);
/* Puts @kept back unless there is an entry of that name, which is newer; its lease is taken then. Follow with
 * roles_config_changed(), which drops what was bought for a profile that reads otherwise now. Returns 0,
 * -ENOMEM, or -EBUSY at the limit. */
int role_kept_put(struct roles *r, struct role_kept *kept);
