#include "tests/unit/roles-world.h"
#include "common/creds.h"
#include "common/secret.h"
#include "daemon/front/session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define WALL INT64_C(1800000000)

/* the profiles */

uint64_t generation;
const char *changed_role_arn; /* of every role; NULL for one of its own */
bool is_removed;

enum profile_kind profiles_resolve(struct profiles *p _unused_, const char *name,
                                   struct profile_view *ret) {
        static char arn[64];
        const char *dash = strchr(name, '-');

        *ret = (struct profile_view){.kind = is_removed ? PROFILE_UNKNOWN : PROFILE_ROLE};
        (void)snprintf(arn, sizeof(arn), "arn:aws:iam::123456789012:role/%s", name);
        strcpy(ret->session, "work");
        strcpy(ret->key, "work");
        ret->source = dash ? dash + 1 : "";
        ret->profile = (struct aws_profile){.name = name,
                                            .where = aws_nowhere,
                                            .ca_bundle = "",
                                            .proxy = name[0] == 'p' ? "http://127.0.0.1:3128" : "",
                                            .role_arn = changed_role_arn ? changed_role_arn : arn,
                                            .external_id = "",
                                            .role_session_name = "",
                                            .source_identity = "",
                                            .session_policy = "",
                                            .policy_arns = "",
                                            .session_tags = "",
                                            .transitive_tags = "",
                                            .duration_sec = name[0] == 'l' ? 43200 : 0};
        return ret->kind;
}

enum profile_kind profiles_resolve_arn(struct profiles *p, const char *arn,
                                       struct profile_view *ret) {
        (void)profiles_resolve(p, arn, ret);
        ret->is_arn = true;
        ret->source = "";
        return ret->kind;
}

void profiles_fill_role(const struct profiles *p _unused_, const struct profile_view *view,
                        struct aws_role *ret) {
        *ret = (struct aws_role){0};
        strcpy(ret->arn, view->profile.role_arn);
}

uint64_t profiles_generation(const struct profiles *p _unused_) {
        return generation;
}

/* the session */

struct session work;
static sessions_changed_fn session_watcher;
static void *session_watcher_userdata;

const struct session *sessions_find(const struct sessions *s _unused_, const char *name) {
        assert_string_equal(name, "work");
        return &work;
}

const struct lease *session_lease(const struct session *s) {
        return &s->lease;
}

enum session_state session_state(const struct session *s) {
        return lease_creds(&s->lease) ? SESSION_UNLOCKED : SESSION_LOCKED;
}

bool session_is_busy(const struct session *s _unused_) {
        return false;
}

int sessions_watch(struct sessions *s _unused_, sessions_changed_fn fn, void *userdata) {
        session_watcher = fn;
        session_watcher_userdata = userdata;
        return 0;
}

/* AWS */

struct aws_api_call calls[AWS_API_CALLS_MAX];
unsigned n_asked, n_cancelled;
char asked_first[64];

int aws_api_ask(struct aws_api *a _unused_, const struct aws_api_request *q, aws_api_fn fn,
                void *userdata, struct aws_api_call **ret) {
        for (size_t i = 0; i < ELEMENTSOF(calls); i++) {
                if (calls[i].is_used)
                        continue;
                assert_int_equal(q->op, AWS_OP_ASSUME_ROLE);
                assert_null(q->key);
                assert_null(q->mfa_code);
                calls[i] = (struct aws_api_call){.is_used = true,
                                                 .duration_sec = q->duration_sec,
                                                 .creds = q->creds,
                                                 .fn = fn,
                                                 .userdata = userdata};
                assert_true(strlen(q->role->arn) < sizeof(calls[i].arn));
                strcpy(calls[i].arn, q->role->arn);
                if (n_asked++ == 0)
                        strcpy(asked_first, calls[i].arn);
                *ret = &calls[i];
                return 0;
        }
        return -EBUSY;
}

struct aws_api_call *aws_api_call_cancel(struct aws_api_call *call) {
        call->is_used = false;
        n_cancelled++;
        return NULL;
}

int64_t aws_api_now_sec(const struct aws_api *a _unused_) {
        return clock_wall_sec();
}

static struct creds *make_creds(uint64_t sec) {
        struct creds *c;

        assert_int_equal(creds_new(&c), 0);
        strcpy(c->access_key_id, "ASIAEXAMPLE");
        assert_int_equal(secret_copy("secret", 6, &c->secret_key), 0);
        assert_int_equal(secret_copy("token", 5, &c->session_token), 0);
        c->expiration_sec = clock_wall_sec() + (int64_t)sec;
        return c;
}

unsigned n_in_flight(void) {
        unsigned n = 0;

        for (size_t i = 0; i < ELEMENTSOF(calls); i++)
                n += calls[i].is_used;
        return n;
}

uint64_t life_sec = HOUR;

unsigned answer_calls(enum failure_reason reason) {
        struct aws_api_call copy[ELEMENTSOF(calls)];
        unsigned n = 0;

        memcpy(copy, calls, sizeof(copy));
        for (size_t i = 0; i < ELEMENTSOF(copy); i++) {
                struct failure f;
                struct fetch_answer a = {.outcome = FETCH_OK};

                if (!copy[i].is_used || !calls[i].is_used)
                        continue;
                n++;
                calls[i].is_used = false;
                if (reason != FAILURE_NONE) {
                        failure_set(&f, reason, NULL);
                        copy[i].fn(&f, NULL, copy[i].userdata);
                        continue;
                }
                a.creds = make_creds(life_sec);
                copy[i].fn(NULL, &a, copy[i].userdata);
                (void)creds_free(a.creds);
        }
        return n;
}

/* one world per test */

sd_event *event;
struct roles *roles;
unsigned n_changes;
const struct role *dropped;

static void on_changed(const struct role *role, void *userdata) {
        assert_ptr_equal(userdata, &n_changes);
        n_changes++;
        if (!role_is_arn(role) && roles_find(roles, role_name(role)) != role)
                dropped = role;
}

void session_unlock(uint64_t sec) {
        struct fetch_answer a = {.creds = make_creds(sec)};

        assert_int_equal(lease_take(&work.lease, &a, clock_wall_sec()), 0);
        session_watcher(&work, session_watcher_userdata);
}

int world_set_up(void **state _unused_) {
        memset(calls, 0, sizeof(calls));
        n_asked = n_cancelled = n_changes = 0;
        generation = 1;
        changed_role_arn = NULL;
        is_removed = false;
        dropped = NULL;
        life_sec = HOUR;
        clock_freeze(clock_boot_usec(), WALL);
        if (secret_arena_open() < 0 || sd_event_new(&event) < 0 ||
            roles_new(event, NULL, NULL, NULL, &roles) < 0)
                return -1;
        session_unlock(36 * HOUR);
        return roles_watch(roles, on_changed, &n_changes);
}

int world_tear_down(void **state _unused_) {
        roles = roles_free(roles);
        event = sd_event_unref(event);
        lease_clear(&work.lease);
        return 0;
}

struct role *ask(const char *name) {
        struct profile_view view;
        struct role *role;

        (void)profiles_resolve(NULL, name, &view);
        assert_int_equal(roles_ask(roles, &view, &role), 0);
        assert_string_equal(role_name(role), name);
        return role;
}

struct role *bought(const char *name) {
        struct role *role = ask(name);

        assert_int_equal(answer_calls(FAILURE_NONE), 1);
        assert_non_null(lease_creds(role_lease(role)));
        return role;
}

void advance(uint64_t sec) {
        clock_advance(sec * USEC_PER_SEC);
        roles_check_time(roles);
}
