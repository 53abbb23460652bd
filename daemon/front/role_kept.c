#include "daemon/front/role_kept.h"
#include "common/clock.h"
#include "daemon/front/role_table.h"
#include "daemon/front/role_times.h"
#include "daemon/front/roles.h"

bool role_kept_get(const struct roles *r, size_t i, struct role_kept *ret) {
        const struct role_table *t = roles_table((struct roles *)r); /* only read */
        const struct role *role;

        if (i >= t->n)
                return false;
        role = t->all[i];
        *ret = (struct role_kept){.name = role->name,
                                  .is_arn = role->is_arn,
                                  .is_asked_for = role->is_asked_for,
                                  .used_usec = role->used_usec,
                                  .mark = role->mark,
                                  .lease = role->lease};
        return true;
}

int role_kept_put(struct roles *r, struct role_kept *kept) {
        struct role_table *t = roles_table(r);
        struct role *role;
        int k;

        if (role_table_find(t, kept->name, kept->is_arn))
                return 0;
        if (t->n >= ROLES_MAX)
                return -EBUSY;
        k = role_table_add(t, kept->name, kept->is_arn, &role);
        if (k < 0)
                return k;
        role->shop = roles_shop(r);
        role->is_asked_for = kept->is_asked_for;
        role->used_usec = kept->used_usec;
        role->mark = kept->mark;
        role->generation = 0; /* none: the mark is compared before anything else is done with it */
        role->lease = kept->lease;
        kept->lease = (struct lease){0};
        if (role->is_asked_for)
                role->due_usec = role_refresh_due_usec(&role->lease);
        return 0;
}
