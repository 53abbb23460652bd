#include "daemon/front/role.h"

const char *role_name(const struct role *role) {
        return role->name;
}

bool role_is_arn(const struct role *role) {
        return role->is_arn;
}

const struct lease *role_lease(const struct role *role) {
        return &role->lease;
}

bool role_is_busy(const struct role *role) {
        return role->call || role->is_wanted;
}

const struct failure *role_failure(const struct role *role) {
        return role->failure;
}

struct role *role_free(struct role *role) {
        if (!role)
                return NULL;
        assert(!role->call);
        lease_clear(&role->lease);
        free(role->failure);
        free(role->url);
        free(role->name);
        free(role);
        return NULL;
}
