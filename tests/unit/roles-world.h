/* roles-world.h - everything that roles.c stands on, in a test's hands: AWS, profiles, the session, the clock.
 * Owns:  one roles, one session "work", and the calls that AWS has not answered yet.
 * Calls: lease.h. Takes the place of aws_api.c, profiles.c and session.c.
 * Limit: AWS_API_CALLS_MAX calls. */
#pragma once
#include "common/clock.h"
#include "daemon/front/aws_api.h"
#include "daemon/front/lease.h"
#include "daemon/front/profiles.h"
#include "daemon/front/role_times.h"
#include "daemon/front/roles.h"

#define MINUTE UINT64_C(60)
#define HOUR   (60 * MINUTE)

struct session {
        struct lease lease;
        bool is_locked;
};

struct aws_api_call {
        bool is_used;
        char arn[64];
        uint32_t duration_sec;
        const struct creds *creds;
        aws_api_fn fn;
        void *userdata;
};

/* A role's name says what it is: "a" is assumed from the session, "a-b" from the role "b"; one that begins with
 * "l" wants twelve hours, and "p" has a proxy of its own. */
extern uint64_t generation;
extern const char *changed_role_arn; /* of every role; NULL for one of its own */
extern bool is_removed;              /* every role's profile */

extern struct session work;
extern struct aws_api_call calls[AWS_API_CALLS_MAX];
extern unsigned n_asked, n_cancelled;
extern char asked_first[64];
extern uint64_t life_sec; /* of what AWS gives */

extern sd_event *event;
extern struct roles *roles;
extern unsigned n_changes;
extern const struct role *dropped;

int world_set_up(void **state);
int world_tear_down(void **state);
#define WORLD(f) cmocka_unit_test_setup_teardown(f, world_set_up, world_tear_down)

void session_unlock(uint64_t sec);
unsigned n_in_flight(void);
/* Answers the calls that are in flight now, not those that come of that. Returns how many. */
unsigned answer_calls(enum failure_reason reason);
struct role *ask(const char *name);
/* Asks and answers. */
struct role *bought(const char *name);
void advance(uint64_t sec);
