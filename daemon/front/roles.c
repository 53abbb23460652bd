#include "daemon/front/roles.h"
#include "common/clock.h"
#include "common/log.h"
#include "daemon/front/aws_api.h"
#include "daemon/front/aws_gate.h"
#include "daemon/front/lease.h"
#include "daemon/front/profiles.h"
#include "daemon/front/role_table.h"
#include "daemon/front/role_times.h"
#include "daemon/front/session.h"

#include <stdio.h>
#include <string.h>

#define TIMER_ACCURACY_USEC (100 * USEC_PER_MSEC)

struct roles {
        struct aws_api *api; /* these are lent */
        struct profiles *profiles;
        struct sessions *sessions;
        struct aws_gate *gate;
        struct role_table table;
        unsigned n_calls;
        sd_event_source *timer;
        struct {
                roles_changed_fn fn;
                void *userdata;
        } watches[ROLES_WATCHES_MAX];
        size_t n_watches;
};

static void tell_watchers(struct roles *r, const struct role *role) {
        for (size_t i = 0; i < r->n_watches; i++)
                r->watches[i].fn(role, r->watches[i].userdata);
}

struct role *roles_find(const struct roles *r, const char *name) {
        return role_table_find(&r->table, name, /* is_arn= */ false);
}

struct role_table *roles_table(struct roles *r) {
        return &r->table;
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

static void end_call(struct role *role) {
        if (!role->call)
                return;
        role->call = aws_api_call_cancel(role->call);
        role->roles->n_calls--;
        aws_gate_cancelled(role->roles->gate, role->url);
}

static void drop(struct roles *r, struct role *role) {
        role_table_remove(&r->table, role);
        end_call(role);
        role->is_wanted = false;
        lease_end(&role->lease);
        tell_watchers(r, role);
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
        (*ret)->roles = r;
        (*ret)->used_usec = clock_boot_usec();
        return 0;
}

static void forget_failure(struct role *role) {
        free(role->failure);
        role->failure = NULL;
        role->n_refused = 0;
        role->refused_until_usec = 0;
        role->has_retried = false;
}

/* What the entry has was bought for a profile that reads otherwise now. */
static void start_over(struct role *role) {
        end_call(role);
        forget_failure(role);
        lease_clear(&role->lease);
        role->due_usec = USEC_INFINITY;
}

/* Compares the entry with what the files say today. */
static int follow_config(struct role *role, const struct profile_view *view) {
        struct role_mark now;
        int k;

        if (role->generation == profiles_generation(role->roles->profiles))
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
                tell_watchers(role->roles, role);
        }
        role->generation = profiles_generation(role->roles->profiles);
        return 0;
}

static enum profile_kind resolve(const struct role *role, struct profile_view *ret) {
        struct profiles *p = role->roles->profiles;

        return role->is_arn ? profiles_resolve_arn(p, role->name, ret)
                            : profiles_resolve(p, role->name, ret);
}

static int find_or_add(struct roles *r, const struct profile_view *view, struct role **ret) {
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

/* What is only the source of other roles is bought when they need it. */
static void plan_refresh(struct role *role) {
        role->due_usec = role->is_asked_for && role->lease.creds
                                 ? role_refresh_due_usec(&role->lease)
                                 : USEC_INFINITY;
}

/* The attempt is over. @until_usec: when another one may be made; 0 for as long as AWS's no holds. */
static void fail(struct role *role, const struct failure *f, uint64_t until_usec) {
        int64_t since = role->failure ? role->failure->since_wall_sec : f->since_wall_sec;
        bool is_new = !role->failure || role->failure->reason != f->reason;

        role->is_wanted = role->is_forced = false;
        if (!role->failure)
                role->failure = malloc(sizeof(*role->failure));
        if (!role->failure)
                return; /* the next request asks again */
        *role->failure = *f;
        role->failure->since_wall_sec = since;
        role->n_refused++;
        if (until_usec == 0)
                until_usec = clock_boot_usec() + role_refused_usec(f->reason == FAILURE_INTERNAL,
                                                                   role->n_refused,
                                                                   role->lease.creds != NULL);
        role->refused_until_usec = until_usec;
        role->due_usec = role->lease.creds ? role_retry_due_usec(until_usec) : USEC_INFINITY;
        if (is_new)
                role_say_failed(role, f);
        tell_watchers(role->roles, role);
}

static void fail_with(struct role *role, enum failure_reason reason, const char *detail) {
        struct failure f;

        failure_set(&f, reason, detail);
        fail(role, &f, 0);
}

/* The role that it is assumed from has failed. */
static void fail_like(struct role *role, const struct role *source) {
        struct failure f = *source->failure;

        (void)snprintf(f.message, sizeof(f.message), "its source \"%.128s\": %.300s", source->name,
                       source->failure->message);
        fail(role, &f, source->refused_until_usec);
}

static void pump(struct roles *r);

static void on_bought(const struct failure *failure, struct fetch_answer *answer, void *userdata) {
        struct role *role = userdata;
        struct roles *r = role->roles;
        struct failure bad_answer;

        role->call = NULL;
        r->n_calls--;
        if (!failure && lease_take(&role->lease, answer, aws_api_now_sec(r->api)) < 0) {
                failure_set(&bad_answer, FAILURE_BAD_ANSWER, "the credentials' end makes no sense");
                failure = &bad_answer;
        }
        if (!failure) {
                aws_gate_worked(r->gate, role->url);
                forget_failure(role);
                role->is_wanted = role->is_forced = false;
                plan_refresh(role);
                role_say_bought(role);
                tell_watchers(r, role);
        } else if (failure_is_of_endpoint(failure->reason)) {
                aws_gate_failed(r->gate, role->url, failure);
                fail(role, failure, aws_gate_opens_usec(r->gate, role->url));
        } else {
                aws_gate_worked(r->gate, role->url);
                /* it carried no code, and now we know what time it is for AWS: once more, at once */
                if (failure->reason == FAILURE_CLOCK_WRONG && !role->has_retried)
                        role->has_retried = role->is_wanted = true;
                else
                        fail(role, failure, 0);
        }
        pump(r);
}

static uint32_t duration_of(const struct profile_view *view) {
        uint32_t sec = view->profile.duration_sec;

        return sec == 0 || sec > AWS_CHAINED_SEC_MAX ? AWS_CHAINED_SEC_MAX : sec;
}

static int ask_aws(struct role *role, const struct profile_view *view, const struct creds *creds) {
        struct roles *r = role->roles;
        struct aws_role parameters;
        struct aws_api_request q = {.op = AWS_OP_ASSUME_ROLE,
                                    .creds = creds,
                                    .profile = &view->profile,
                                    .duration_sec = duration_of(view),
                                    .role = &parameters};
        int k;

        profiles_fill_role(r->profiles, view, &parameters);
        k = aws_api_ask(r->api, &q, on_bought, role, &role->call);
        if (k < 0)
                return k;
        r->n_calls++;
        aws_gate_began(r->gate, role->url);
        return 0;
}

/* Notes where the call would go. Returns false, with the answer given, when there is no use in it. */
static bool find_url(struct role *role, const struct profile_view *view) {
        struct aws_endpoint endpoint;
        const char *why = NULL;

        if (aws_endpoint_find(AWS_STS, &view->profile.where, &endpoint, &why) < 0) {
                fail_with(role, FAILURE_UNUSABLE, why);
                return false;
        }
        if (role->url && strcmp(role->url, endpoint.url) == 0)
                return true;
        free(role->url);
        role->url = strdup(endpoint.url);
        if (!role->url)
                fail_with(role, FAILURE_INTERNAL, "out of memory");
        return role->url != NULL;
}

/* Begins the call with @creds, unless it has to wait for others. */
static void begin(struct role *role, const struct profile_view *view, const struct creds *creds) {
        struct roles *r = role->roles;
        uint64_t opens;
        int k;

        if (!find_url(role, view))
                return;
        opens = aws_gate_opens_usec(r->gate, role->url);
        if (opens == USEC_INFINITY || r->n_calls >= ROLES_CALLS_MAX)
                return; /* whose call it is pumps when it ends */
        if (opens > 0 && !role->is_forced) {
                fail(role, aws_gate_failure(r->gate, role->url), opens);
                return;
        }
        k = ask_aws(role, view, creds);
        if (k < 0 && (k != -EBUSY || r->n_calls == 0))
                fail_with(role, FAILURE_INTERNAL, strerror(-k));
}

static bool may_try(const struct role *role) {
        return role->is_forced || role->refused_until_usec <= clock_boot_usec();
}

/* The session that the role's chain starts from has ended or never was: no failure of the role, it
 * goes on by itself when a code was given. */
static void wait_for_code(struct role *role) {
        role->is_wanted = role->is_forced = false;
        role->due_usec = USEC_INFINITY;
        tell_watchers(role->roles, role);
}

/* The role that @view is assumed from, as an entry; NULL, with the answer given, when there is none. */
static struct role *find_source(struct role *role, const struct profile_view *view) {
        struct roles *r = role->roles;
        struct profile_view source_view;
        struct role *source;

        if (profiles_resolve(r->profiles, view->source, &source_view) != PROFILE_ROLE ||
            find_or_add(r, &source_view, &source) < 0) {
                fail_with(role, FAILURE_INTERNAL, "no room for its source");
                return NULL;
        }
        source->used_usec = clock_boot_usec();
        return source;
}

/* Begins the purchase of @role with the credentials of the one it is assumed from, or returns that one
 * when it has to be bought first. */
static struct role *start_from_role(struct role *role, const struct profile_view *view,
                                    bool has_session) {
        struct role *source = find_source(role, view);
        const struct creds *creds;

        if (!source)
                return NULL;
        creds = lease_creds(&source->lease);
        if (creds) {
                begin(role, view, creds);
                return NULL;
        }
        if (!has_session) {
                wait_for_code(role);
                return NULL;
        }
        if (source->failure && !may_try(source)) {
                fail_like(role, source);
                return NULL;
        }
        source->is_wanted = true;
        return source;
}

/* Begins the purchase of @role, which is wanted, or says what has to be bought before it: returns that, or
 * NULL when @role is under way, has to wait, or has failed. */
static struct role *try_start(struct role *role) {
        struct roles *r = role->roles;
        const struct session *session;
        const struct creds *creds;
        struct profile_view view;

        if (role->call)
                return NULL;
        if (resolve(role, &view) != PROFILE_ROLE) {
                fail_with(role, FAILURE_UNUSABLE, view.problem);
                return NULL;
        }
        session = sessions_find(r->sessions, view.session);
        creds = session ? lease_creds(session_lease(session)) : NULL;
        if (*view.source)
                return start_from_role(role, &view, creds != NULL);
        if (creds)
                begin(role, &view, creds);
        else
                wait_for_code(role);
        return NULL;
}

static uint64_t earlier(uint64_t a, uint64_t b) {
        return a < b ? a : b;
}

/* When something has to be done for @role without anybody asking. */
static uint64_t next_due_usec(const struct role *role) {
        uint64_t next = role->used_usec + ROLES_FORGET_SEC * USEC_PER_SEC;

        /* one more microsecond, so that "less than a minute" is true when the minute begins */
        if (role->lease.creds)
                next = earlier(next,
                               role->lease.ends_boot_usec - LEASE_SERVE_SEC_MIN * USEC_PER_SEC + 1);
        /* who is at work or waits for a call to end is woken by that */
        return role_is_busy(role) ? next : earlier(next, role->due_usec);
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

/* Begins what is wanted and can begin: first what somebody waits for, then what is to be refreshed. */
static void pump(struct roles *r) {
        /* a thousand may wait: while all calls are under way nothing can begin, and whose call ends pumps */
        for (int pass = 0; pass < 2; pass++)
                for (size_t i = 0; i < r->table.n && r->n_calls < ROLES_CALLS_MAX; i++) {
                        struct role *role = r->table.all[i];

                        if (role->is_wanted && !role->call &&
                            (role->lease.creds != NULL) == (pass == 1))
                                while (role)
                                        role = try_start(role);
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
                        tell_watchers(r, role);
                }
                i++;
        }
        pump(r);
}

static int on_timer(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        roles_check_time(userdata);
        return 0;
}

static int ask(struct roles *r, const struct profile_view *view, struct role **ret) {
        struct role *role;
        int k;

        assert(view->kind == PROFILE_ROLE);

        k = find_or_add(r, view, &role);
        if (k < 0)
                return k;
        role->used_usec = clock_boot_usec();
        role->is_asked_for = true;
        *ret = role;
        return 0;
}

int roles_ask(struct roles *r, const struct profile_view *view, struct role **ret) {
        struct role *role;
        int k;

        k = ask(r, view, &role);
        if (k < 0)
                return k;
        *ret = role;
        if (role_is_busy(role))
                return 0;
        if (!lease_creds(&role->lease)) {
                if (!may_try(role))
                        return 0;
                role->is_wanted = true;
                pump(r);
        } else if (role->due_usec == USEC_INFINITY) {
                plan_refresh(role);
                arm_timer(r);
        }
        return 0;
}

int roles_renew(struct roles *r, const struct profile_view *view, struct role **ret) {
        struct role *role;
        int k;

        k = ask(r, view, &role);
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

                if (resolve(role, &view) != PROFILE_ROLE || follow_config(role, &view) < 0) {
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
                if (role->failure && !failure_is_of_endpoint(role->failure->reason))
                        forget_failure(role);
                if (role->due_usec == USEC_INFINITY)
                        plan_refresh(role);
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
        r->api = api;
        r->profiles = profiles;
        r->sessions = sessions;
        k = aws_gate_new(&r->gate);
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
                end_call(r->table.all[i]);
        role_table_clear(&r->table);
        (void)aws_gate_free(r->gate); /* both return NULL */
        (void)sd_event_source_disable_unref(r->timer);
        free(r);
        return NULL;
}
