#include "daemon/front/roles.h"
#include "common/clock.h"
#include "common/log.h"
#include "daemon/front/aws_api.h"
#include "daemon/front/aws_gate.h"
#include "daemon/front/lease.h"
#include "daemon/front/profiles.h"
#include "daemon/front/role_buy.h"
#include "daemon/front/role_times.h"
#include "daemon/front/session.h"

#include <string.h>

#define TIMER_ACCURACY_USEC (100 * USEC_PER_MSEC)

struct roles {
        struct role_table table;
        struct role_shop shop;
        sd_event_source *timer;
        struct {
                roles_changed_fn fn;
                void *userdata;
        } watches[ROLES_WATCHES_MAX];
        size_t n_watches;
};

static void tell_watchers(void *userdata, const struct role *role) {
        const struct roles *r = userdata;

        for (size_t i = 0; i < r->n_watches; i++)
                r->watches[i].fn(role, r->watches[i].userdata);
}

struct role *roles_find(const struct roles *r, const char *name) {
        return role_table_find(&r->table, name, /* is_arn= */ false);
}

struct role_table *roles_table(struct roles *r) {
        return &r->table;
}

struct role_shop *roles_shop(struct roles *r) {
        return &r->shop;
}

size_t roles_n_held(const struct roles *r) {
        size_t n = 0;

        for (size_t i = 0; i < r->table.n; i++)
                if (lease_creds(&r->table.all[i]->lease))
                        n++;
        return n;
}

size_t roles_failing(const struct roles *r, const struct role **ret, size_t max) {
        size_t n = 0;

        for (size_t i = 0; i < r->table.n && n < max; i++)
                if (r->table.all[i]->failure)
                        ret[n++] = r->table.all[i];
        return n;
}

static void drop(struct roles *r, struct role *role) {
        role_table_remove(&r->table, role);
        role_buy_cancel(role);
        role->is_wanted = false;
        lease_end(&role->lease);
        tell_watchers(role->shop->userdata, role);
        (void)role_free(role); /* always NULL */
}

/* Makes room for one more. Returns -EBUSY when every entry is at work. */
static int drop_oldest(struct roles *r) {
        struct role *oldest = NULL;

        for (size_t i = 0; i < r->table.n; i++) {
                struct role *role = r->table.all[i];

                if (!role_is_busy(role) && (!oldest || role->used_usec < oldest->used_usec))
                        oldest = role;
        }
        if (!oldest)
                return -EBUSY;
        drop(r, oldest);
        return 0;
}

static int add(struct roles *r, const struct profile_view *view, struct role **ret) {
        int k = 0;

        if (r->table.n == ROLES_MAX)
                k = drop_oldest(r);
        if (k >= 0)
                k = role_table_add(&r->table, view->profile.name, view->is_arn, ret);
        if (k < 0)
                return k;
        (*ret)->shop = &r->shop;
        (*ret)->used_usec = clock_boot_usec();
        return 0;
}

/* What the entry has was bought for a profile that reads otherwise now. */
static void start_over(struct role *role) {
        role_buy_cancel(role);
        role_buy_forget_failure(role);
        lease_clear(&role->lease);
        role->due_usec = USEC_INFINITY;
}

/* Compares the entry with what the files say today. */
static int follow_config(struct role *role, const struct profile_view *view) {
        struct role_mark now;
        int k;

        if (role->generation == profiles_generation(role->shop->profiles))
                return 0;
        k = role_mark_make(view, &now);
        if (k < 0)
                return k;
        if (memcmp(&now, &role->mark, sizeof(now)) != 0) {
                start_over(role);
                role->mark = now;
                k = lease_set_role(&role->lease, view->profile.role_arn);
                if (k < 0)
                        return k;
                (void)lease_read_account(view->profile.role_arn, role->lease.account); /* or "" */
                tell_watchers(role->shop->userdata, role);
        }
        role->generation = profiles_generation(role->shop->profiles);
        return 0;
}

static int find_or_add(void *userdata, const struct profile_view *view, struct role **ret) {
        struct roles *r = userdata;
        struct role *role = role_table_find(&r->table, view->profile.name, view->is_arn);
        int k;

        if (!role) {
                k = add(r, view, &role);
                if (k < 0)
                        return k;
        }
        k = follow_config(role, view);
        if (k < 0)
                return k;
        *ret = role;
        return 0;
}

static uint64_t earlier(uint64_t a, uint64_t b) {
        return a < b ? a : b;
}

/* When something has to be done for @role without anybody asking. */
static uint64_t next_due_usec(const struct role *role) {
        /* who is at work or waits for a call to end is woken by that */
        uint64_t next = role_is_busy(role)
                                ? USEC_INFINITY
                                : earlier(role->due_usec,
                                          role->used_usec + ROLES_FORGET_SEC * USEC_PER_SEC);

        /* one more microsecond, so that "less than a minute" is true when the minute begins */
        if (role->lease.creds)
                next = earlier(next,
                               role->lease.ends_boot_usec - LEASE_SERVE_SEC_MIN * USEC_PER_SEC + 1);
        return next;
}

static void arm_timer(struct roles *r) {
        uint64_t next = USEC_INFINITY;
        int k;

        for (size_t i = 0; i < r->table.n; i++)
                next = earlier(next, next_due_usec(r->table.all[i]));
        k = next == USEC_INFINITY ? 0 : sd_event_source_set_time(r->timer, next);
        if (k >= 0)
                k = sd_event_source_set_enabled(r->timer, next == USEC_INFINITY ? SD_EVENT_OFF
                                                                                : SD_EVENT_ONESHOT);
        if (k < 0) /* lease_creds() looks at the clock itself, so nothing stale is served */
                (void)log_error(k,
                                "cannot arm the timer, roles are bought when they are asked for");
}

static void pump(void *userdata) {
        struct roles *r = userdata;

        /* a thousand may wait: while all calls are under way nothing can begin, and whose call ends pumps */
        for (int pass = 0; pass < 2; pass++)
                for (size_t i = 0; i < r->table.n && r->shop.n_calls < ROLES_CALLS_MAX; i++) {
                        struct role *role = r->table.all[i];

                        if (role->is_wanted && (role->lease.creds != NULL) == (pass == 1))
                                role_buy(role);
                        /* a source came in before it, or went to make room: nobody is left out */
                        if (i >= r->table.n || r->table.all[i] != role)
                                i = (size_t)-1;
                }
        arm_timer(r);
}

void roles_check_time(struct roles *r) {
        uint64_t now = clock_boot_usec();

        for (size_t i = 0; i < r->table.n;) {
                struct role *role = r->table.all[i];

                if (!role_is_busy(role) &&
                    now - role->used_usec >= ROLES_FORGET_SEC * USEC_PER_SEC) {
                        log_info("role \"%s\": not used for a day, dropping it", role->name);
                        drop(r, role);
                        continue;
                }
                if (role->due_usec <= now) /* also after a suspend that outlasted them */
                        role->is_wanted = true;
                if (role->lease.creds && !lease_creds(&role->lease)) {
                        lease_end(&role->lease);
                        role->due_usec = USEC_INFINITY;
                        tell_watchers(role->shop->userdata, role);
                }
                i++;
        }
        pump(r);
}

static int on_timer(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        roles_check_time(userdata);
        return 0;
}

/* @ret_is_first: so far it was nothing, or only the source of others. */
static int ask(struct roles *r, const struct profile_view *view, struct role **ret,
               bool *ret_is_first) {
        struct role *role;
        int k;

        assert(view->kind == PROFILE_ROLE);

        k = find_or_add(r, view, &role);
        if (k < 0)
                return k;
        role->used_usec = clock_boot_usec();
        *ret_is_first = !role->is_asked_for;
        role->is_asked_for = true;
        *ret = role;
        return 0;
}

int roles_ask(struct roles *r, const struct profile_view *view, struct role **ret) {
        bool is_first;
        struct role *role;
        int k;

        k = ask(r, view, &role, &is_first);
        if (k < 0)
                return k;
        *ret = role;
        if (role_is_busy(role) && r->shop.n_calls > 0)
                return 0; /* when a call ends, what waits is looked at */
        if (!lease_creds(&role->lease)) {
                if (!role->is_wanted && !role_buy_may_try(role))
                        return 0;
                role->is_wanted = true;
                pump(r);
        } else if (is_first) {
                role_buy_plan(role);
                arm_timer(r);
        }
        return 0;
}

int roles_renew(struct roles *r, const struct profile_view *view, struct role **ret) {
        struct role *role;
        bool is_first;
        int k;

        k = ask(r, view, &role, &is_first);
        if (k < 0)
                return k;
        role->is_wanted = role->is_forced = true;
        pump(r);
        *ret = role;
        return 0;
}

int roles_watch(struct roles *r, roles_changed_fn fn, void *userdata) {
        if (r->n_watches == ROLES_WATCHES_MAX)
                return -EBUSY;
        r->watches[r->n_watches].fn = fn;
        r->watches[r->n_watches++].userdata = userdata;
        return 0;
}

void roles_config_changed(struct roles *r) {
        for (size_t i = 0; i < r->table.n;) {
                struct role *role = r->table.all[i];
                struct profile_view view;

                if (role_buy_resolve(role, &view) != PROFILE_ROLE ||
                    follow_config(role, &view) < 0) {
                        drop(r, role);
                        continue;
                }
                i++;
        }
        pump(r);
}

/* A code was given: what waited for one goes on, and what AWS refused before may be allowed now. */
static void on_session_changed(const struct session *session, void *userdata) {
        struct roles *r = userdata;

        if (session_state(session) != SESSION_UNLOCKED || session_is_busy(session))
                return;
        for (size_t i = 0; i < r->table.n; i++) {
                struct role *role = r->table.all[i];

                if (role_is_busy(role))
                        continue;
                if (!role->lease.creds ||
                    (role->failure && !failure_is_of_endpoint(role->failure->reason)))
                        role_buy_forget_failure(role);
                if (role->due_usec == USEC_INFINITY)
                        role_buy_plan(role);
        }
        roles_check_time(r);
}

int roles_new(sd_event *event, struct aws_api *api, struct profiles *profiles,
              struct sessions *sessions, struct roles **ret) {
        _cleanup_(roles_freep) struct roles *r = NULL;
        int k;

        r = calloc(1, sizeof(*r));
        if (!r)
                return -ENOMEM;
        r->shop = (struct role_shop){.api = api,
                                     .profiles = profiles,
                                     .sessions = sessions,
                                     .table = &r->table,
                                     .n_calls_max = ROLES_CALLS_MAX,
                                     .userdata = r,
                                     .find_or_add = find_or_add,
                                     .changed = tell_watchers,
                                     .call_ended = pump};
        k = aws_gate_new(&r->shop.gate);
        if (k >= 0)
                k = sd_event_add_time(event, &r->timer, CLOCK_BOOTTIME, 0, TIMER_ACCURACY_USEC,
                                      on_timer, r);
        if (k >= 0)
                k = sd_event_source_set_enabled(r->timer, SD_EVENT_OFF);
        if (k >= 0)
                k = sessions_watch(sessions, on_session_changed, r);
        if (k < 0)
                return k;
        (void)sd_event_source_set_description(r->timer, "roles-timer"); /* for debugging only */
        *ret = TAKE_PTR(r);
        return 0;
}

struct roles *roles_free(struct roles *r) {
        if (!r)
                return NULL;
        for (size_t i = 0; i < r->table.n; i++)
                role_buy_cancel(r->table.all[i]);
        role_table_clear(&r->table);
        (void)aws_gate_free(r->shop.gate); /* both return NULL */
        (void)sd_event_source_disable_unref(r->timer);
        free(r);
        return NULL;
}
