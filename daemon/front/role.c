#include "daemon/front/role.h"
#include "common/log.h"
#include "daemon/front/failure.h"

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

void role_say_bought(const struct role *role) {
        log_event(EVENT_ROLE_BOUGHT, &(struct event_fields){.profile = role->name, .result = "ok"},
                  "role \"%s\": bought", role->name);
}

void role_say_failed(const struct role *role, const struct failure *f) {
        log_event(EVENT_ROLE_FAILED,
                  &(struct event_fields){.profile = role->name, .result = failure_name(f->reason)},
                  "role \"%s\": %s%s", role->name, f->message,
                  role->lease.creds ? " The old credentials are served until they end" : "");
}

struct role *role_free(struct role *role) {
        if (!role)
                return NULL;
        assert(!role->call);
        lease_clear(&role->lease);
        free(role->failure);
        free(role->route);
        free(role->name);
        free(role);
        return NULL;
}
