#include "daemon/front/role_buy.h"
#include "common/clock.h"
#include "daemon/front/aws_api.h"
#include "daemon/front/aws_gate.h"
#include "daemon/front/role_times.h"
#include "daemon/front/session.h"

#include <stdio.h>
#include <string.h>

static void tell(const struct role *role) {
        role->shop->changed(role->shop->userdata, role);
}

enum profile_kind role_buy_resolve(const struct role *role, struct profile_view *ret) {
        struct profiles *p = role->shop->profiles;

        return role->is_arn ? profiles_resolve_arn(p, role->name, ret)
                            : profiles_resolve(p, role->name, ret);
}

void role_buy_cancel(struct role *role) {
        if (!role->call)
                return;
        role->call = aws_api_call_cancel(role->call);
        role->shop->n_calls--;
        aws_gate_cancelled(role->shop->gate, role->route);
}

void role_buy_forget_failure(struct role *role) {
        free(role->failure);
        role->failure = NULL;
        role->refused_until_usec = 0;
        role->has_retried = false;
}

void role_buy_plan(struct role *role) {
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
        if (role->failure) { /* without memory for it, nobody hears why */
                *role->failure = *f;
                role->failure->since_wall_sec = since;
        }
        if (until_usec == 0)
                until_usec =
                        clock_boot_usec() +
                        (f->reason == FAILURE_INTERNAL ? ROLE_INTERNAL_SEC : ROLE_REFUSED_SEC) *
                                USEC_PER_SEC;
        role->refused_until_usec = until_usec;
        role->due_usec = role->lease.creds ? role_retry_due_usec(until_usec) : USEC_INFINITY;
        if (is_new)
                role_say_failed(role, f);
        tell(role);
}

static void fail_with(struct role *role, enum failure_reason reason, const char *detail) {
        struct failure f;

        failure_set(&f, reason, detail);
        fail(role, &f, 0);
}

/* The role that it is assumed from has failed. */
static void fail_like(struct role *role, const struct role *source) {
        struct failure f;

        failure_set_of_source(&f, source->failure, source->name);
        fail(role, &f, source->refused_until_usec);
}

/* The way to AWS is open again: what has nothing because of that only has to be asked for. Who holds
 * credentials tries by itself. */
static void forget_outage(const struct role *worked) {
        const struct role_table *t = worked->shop->table;

        for (size_t i = 0; i < t->n; i++) {
                struct role *role = t->all[i];

                if (role->lease.creds || !role->failure ||
                    !failure_is_of_endpoint(role->failure->reason) || !role->route ||
                    strcmp(role->route, worked->route) != 0)
                        continue;
                role_buy_forget_failure(role);
                tell(role);
        }
}

static void on_bought(const struct failure *failure, struct fetch_answer *answer, void *userdata) {
        struct role *role = userdata;
        struct role_shop *shop = role->shop;
        struct failure bad_answer;

        role->call = NULL;
        shop->n_calls--;
        if (!failure && lease_take(&role->lease, answer, aws_api_now_sec(shop->api)) < 0) {
                failure_set(&bad_answer, FAILURE_BAD_ANSWER, "the credentials' end makes no sense");
                failure = &bad_answer;
        }
        if (!failure) {
                aws_gate_worked(shop->gate, role->route);
                forget_outage(role);
                role_buy_forget_failure(role);
                role->is_wanted = role->is_forced = false;
                role_buy_plan(role);
                role_say_bought(role);
                tell(role);
        } else if (failure_is_of_endpoint(failure->reason)) {
                aws_gate_failed(shop->gate, role->route, failure);
                fail(role, failure, aws_gate_opens_usec(shop->gate, role->route));
        } else {
                aws_gate_worked(shop->gate, role->route);
                /* it carried no code, and now we know what time it is for AWS: once more, at once */
                if (failure->reason == FAILURE_CLOCK_WRONG && !role->has_retried)
                        role->has_retried = role->is_wanted = true;
                else
                        fail(role, failure, 0);
        }
        shop->call_ended(shop->userdata);
}

static uint32_t duration_of(const struct profile_view *view) {
        uint32_t sec = view->profile.duration_sec;

        return sec == 0 || sec > AWS_CHAINED_SEC_MAX ? AWS_CHAINED_SEC_MAX : sec;
}

static int ask_aws(struct role *role, const struct profile_view *view, const struct creds *creds) {
        struct role_shop *shop = role->shop;
        struct aws_role parameters;
        struct aws_api_request q = {.op = AWS_OP_ASSUME_ROLE,
                                    .creds = creds,
                                    .profile = &view->profile,
                                    .duration_sec = duration_of(view),
                                    .role = &parameters};
        int k;

        profiles_fill_role(shop->profiles, view, &parameters);
        k = aws_api_ask(shop->api, &q, on_bought, role, &role->call);
        if (k < 0)
                return k;
        shop->n_calls++;
        aws_gate_began(shop->gate, role->route);
        return 0;
}

/* Notes which way the call would go: a host, and what is between us and it. Returns false, with the answer
 * given, when there is none. */
static bool find_route(struct role *role, const struct profile_view *view) {
        struct aws_endpoint endpoint;
        const char *why = NULL;

        if (aws_endpoint_find(AWS_STS, &view->profile.where, &endpoint, &why) < 0) {
                fail_with(role, FAILURE_UNUSABLE, why);
                return false;
        }
        free(role->route);
        if (asprintf(&role->route, "%s %s %s", endpoint.url, view->profile.ca_bundle,
                     view->profile.proxy) < 0) {
                role->route = NULL;
                fail_with(role, FAILURE_INTERNAL, "out of memory");
        }
        return role->route != NULL;
}

/* Begins the call with @creds, unless it has to wait for others. */
static void begin(struct role *role, const struct profile_view *view, const struct creds *creds) {
        struct role_shop *shop = role->shop;
        uint64_t opens;
        int k;

        if (!find_route(role, view))
                return;
        opens = aws_gate_opens_usec(shop->gate, role->route);
        if (opens == USEC_INFINITY || shop->n_calls >= shop->n_calls_max)
                return; /* whose call it is pumps when it ends */
        if (opens > 0 && !role->is_forced) {
                fail(role, aws_gate_failure(shop->gate, role->route), opens);
                return;
        }
        k = ask_aws(role, view, creds);
        if (k < 0 && (k != -EBUSY || shop->n_calls == 0))
                fail_with(role, FAILURE_INTERNAL, strerror(-k));
}

bool role_buy_may_try(const struct role *role) {
        return role->is_forced || role->refused_until_usec <= clock_boot_usec();
}

/* The session that the role's chain starts from has ended or never was: no failure of the role, nor is
 * an older one the reason any more. It goes on by itself when a code was given. */
static void wait_for_code(struct role *role) {
        role->is_wanted = role->is_forced = false;
        role_buy_forget_failure(role);
        role->due_usec = USEC_INFINITY;
        tell(role);
}

/* The role that @view is assumed from, as an entry; NULL, with the answer given, when there is none. */
static struct role *find_source(struct role *role, const struct profile_view *view) {
        struct role_shop *shop = role->shop;
        struct profile_view source_view;
        struct role *source;

        if (profiles_resolve(shop->profiles, view->source, &source_view) != PROFILE_ROLE ||
            shop->find_or_add(shop->userdata, &source_view, &source) < 0) {
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
        /* handed on, and once: the source's failure is an answer */
        source->is_forced |= role->is_forced;
        role->is_forced = false;
        if (source->failure && !role_buy_may_try(source)) {
                fail_like(role, source);
                return NULL;
        }
        source->is_wanted = true;
        return source;
}

/* Begins the purchase of @role, which is wanted, or says what has to be bought before it: returns that, or
 * NULL when @role is under way, has to wait, or has failed. */
static struct role *try_start(struct role *role) {
        struct role_shop *shop = role->shop;
        const struct session *session;
        const struct creds *creds;
        struct profile_view view;

        if (role->call)
                return NULL;
        if (role_buy_resolve(role, &view) != PROFILE_ROLE) {
                fail_with(role, FAILURE_UNUSABLE, view.problem);
                return NULL;
        }
        session = sessions_find(shop->sessions, view.session);
        creds = session ? lease_creds(session_lease(session)) : NULL;
        if (*view.source)
                return start_from_role(role, &view, creds != NULL);
        if (creds)
                begin(role, &view, creds);
        else
                wait_for_code(role);
        return NULL;
}

void role_buy(struct role *role) {
        /* each turn ends a link, and there cannot be more of them than entries */
        for (size_t turn = 0; turn <= role->shop->table->n && role->is_wanted && !role->call;
             turn++) {
                struct role *last = role, *next;

                while ((next = try_start(last)))
                        last = next;
                if (role_is_busy(last))
                        return; /* and who ends its call pumps */
        }
}
