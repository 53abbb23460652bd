#include "daemon/front/role_table.h"
#include "common/clock.h"

#include <string.h>

static int compare(const char *name, bool is_arn, const struct role *role) {
        int order = strcmp(name, role->name);

        return order != 0 ? order : (int)is_arn - (int)role->is_arn;
}

/* Where @name stands, or would. */
static size_t place_of(const struct role_table *t, const char *name, bool is_arn,
                       bool *ret_is_there) {
        size_t low = 0, high = t->n;

        *ret_is_there = false;
        while (low < high) {
                size_t middle = low + (high - low) / 2;
                int order = compare(name, is_arn, t->all[middle]);

                if (order == 0) {
                        *ret_is_there = true;
                        return middle;
                }
                if (order < 0)
                        high = middle;
                else
                        low = middle + 1;
        }
        return low;
}

struct role *role_table_find(const struct role_table *t, const char *name, bool is_arn) {
        bool is_there;
        size_t i = place_of(t, name, is_arn, &is_there);

        return is_there ? t->all[i] : NULL;
}

int role_table_add(struct role_table *t, const char *name, bool is_arn, struct role **ret) {
        struct role **more, *role;
        bool is_there;
        size_t i;

        more = reallocarray(t->all, t->n + 1, sizeof(struct role *));
        if (!more)
                return -ENOMEM;
        t->all = more;
        role = calloc(1, sizeof(*role));
        if (!role)
                return -ENOMEM;
        role->is_arn = is_arn;
        role->due_usec = USEC_INFINITY;
        role->name = strdup(name);
        if (!role->name) {
                free(role);
                return -ENOMEM;
        }
        i = place_of(t, name, is_arn, &is_there);
        assert(!is_there);
        /* not memmove(3), whose fortified form valgrind takes for memcpy(3) */
        for (size_t k = t->n; k > i; k--)
                t->all[k] = t->all[k - 1];
        t->all[i] = role;
        t->n++;
        *ret = role;
        return 0;
}

void role_table_remove(struct role_table *t, const struct role *role) {
        bool is_there;
        size_t i = place_of(t, role->name, role->is_arn, &is_there);

        assert(is_there);
        for (t->n--; i < t->n; i++)
                t->all[i] = t->all[i + 1];
}

void role_table_clear(struct role_table *t) {
        for (size_t i = 0; i < t->n; i++)
                (void)role_free(t->all[i]); /* always NULL */
        free(t->all);
        *t = (struct role_table){0};
}
