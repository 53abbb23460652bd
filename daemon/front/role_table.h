/* role_table.h - where to find the entry of a role by its name. For roles.c and role_kept.c; control_status.c only reads.
 * Owns:  the entries.
 * Calls: role.h.
 * Limit: the caller's. */
#pragma once
#include "daemon/front/role.h"
#include <stddef.h>

struct role_table {
        struct role **all; /* sorted by name */
        size_t n;
};

/* NULL when there is none. */
struct role *role_table_find(const struct role_table *t, const char *name, bool is_arn);
/* A new entry that is due for nothing; there is none of that name. Returns 0 or -ENOMEM. */
int role_table_add(struct role_table *t, const char *name, bool is_arn, struct role **ret);
/* Takes @role out of the table; it is the caller's now. */
void role_table_remove(struct role_table *t, const struct role *role);
void role_table_clear(struct role_table *t);
