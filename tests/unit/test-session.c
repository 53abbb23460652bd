/* test-session.c - the whole transition table, and the session object with AWS and the clock in our hands. */
#include "common/clock.h"
#include "common/creds.h"
#include "common/macros.h"
#include "common/secret.h"
#include "daemon/front/attempts.h"
#include "daemon/front/aws_api.h"
#include "daemon/front/lease.h"
#include "daemon/front/session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define WALL   INT64_C(1800000000)
#define SERIAL "arn:aws:iam::123456789012:mfa/alice"

static const struct {
        enum session_state from;
        enum session_event event;
        bool has_creds;
        enum session_state to;
} transitions[] = {
        {SESSION_LOCKED, SESSION_EV_UNLOCK, false, SESSION_UNLOCKING},
        {SESSION_LOCKED, SESSION_EV_UNLOCK, true, SESSION_UNLOCKING},
        {SESSION_LOCKED, SESSION_EV_CREDS, false, SESSION_UNLOCKED},
        {SESSION_LOCKED, SESSION_EV_CREDS, true, SESSION_UNLOCKED},
        {SESSION_LOCKED, SESSION_EV_FAILED, false, SESSION_LOCKED},
        {SESSION_LOCKED, SESSION_EV_FAILED, true, SESSION_LOCKED},
        {SESSION_LOCKED, SESSION_EV_NEAR_EXPIRY, false, SESSION_LOCKED},
        {SESSION_LOCKED, SESSION_EV_NEAR_EXPIRY, true, SESSION_LOCKED},
        {SESSION_LOCKED, SESSION_EV_EXPIRED, false, SESSION_LOCKED},
        {SESSION_LOCKED, SESSION_EV_EXPIRED, true, SESSION_LOCKED},
        {SESSION_UNLOCKING, SESSION_EV_UNLOCK, false, SESSION_UNLOCKING},
        {SESSION_UNLOCKING, SESSION_EV_UNLOCK, true, SESSION_UNLOCKING},
        {SESSION_UNLOCKING, SESSION_EV_CREDS, false, SESSION_UNLOCKED},
        {SESSION_UNLOCKING, SESSION_EV_CREDS, true, SESSION_UNLOCKED},
        {SESSION_UNLOCKING, SESSION_EV_FAILED, false, SESSION_LOCKED},
        {SESSION_UNLOCKING, SESSION_EV_FAILED, true, SESSION_UNLOCKED},
        {SESSION_UNLOCKING, SESSION_EV_NEAR_EXPIRY, false, SESSION_UNLOCKING},
        {SESSION_UNLOCKING, SESSION_EV_NEAR_EXPIRY, true, SESSION_UNLOCKING},
        {SESSION_UNLOCKING, SESSION_EV_EXPIRED, false, SESSION_UNLOCKING},
        {SESSION_UNLOCKING, SESSION_EV_EXPIRED, true, SESSION_UNLOCKING},
        {SESSION_UNLOCKED, SESSION_EV_UNLOCK, false, SESSION_UNLOCKING},
        {SESSION_UNLOCKED, SESSION_EV_UNLOCK, true, SESSION_UNLOCKED},
        {SESSION_UNLOCKED, SESSION_EV_CREDS, false, SESSION_UNLOCKED},
        {SESSION_UNLOCKED, SESSION_EV_CREDS, true, SESSION_UNLOCKED},
        {SESSION_UNLOCKED, SESSION_EV_FAILED, false, SESSION_LOCKED},
        {SESSION_UNLOCKED, SESSION_EV_FAILED, true, SESSION_UNLOCKED},
        {SESSION_UNLOCKED, SESSION_EV_NEAR_EXPIRY, false, SESSION_EXPIRING},
        {SESSION_UNLOCKED, SESSION_EV_NEAR_EXPIRY, true, SESSION_EXPIRING},
        {SESSION_UNLOCKED, SESSION_EV_EXPIRED, false, SESSION_LOCKED},
        {SESSION_UNLOCKED, SESSION_EV_EXPIRED, true, SESSION_LOCKED},
        {SESSION_EXPIRING, SESSION_EV_UNLOCK, false, SESSION_UNLOCKING},
        {SESSION_EXPIRING, SESSION_EV_UNLOCK, true, SESSION_EXPIRING},
        {SESSION_EXPIRING, SESSION_EV_CREDS, false, SESSION_UNLOCKED},
        {SESSION_EXPIRING, SESSION_EV_CREDS, true, SESSION_UNLOCKED},
        {SESSION_EXPIRING, SESSION_EV_FAILED, false, SESSION_LOCKED},
        {SESSION_EXPIRING, SESSION_EV_FAILED, true, SESSION_EXPIRING},
        {SESSION_EXPIRING, SESSION_EV_NEAR_EXPIRY, false, SESSION_EXPIRING},
        {SESSION_EXPIRING, SESSION_EV_NEAR_EXPIRY, true, SESSION_EXPIRING},
        {SESSION_EXPIRING, SESSION_EV_EXPIRED, false, SESSION_LOCKED},
        {SESSION_EXPIRING, SESSION_EV_EXPIRED, true, SESSION_LOCKED},
};

static void test_transitions(void **state _unused_) {
        size_t i = 0;

        for (int s = 0; s < _SESSION_STATE_MAX; s++)
                for (int e = 0; e < _SESSION_EVENT_MAX; e++)
                        for (int has_creds = 0; has_creds < 2; has_creds++, i++) {
                                assert_true(i < ELEMENTSOF(transitions));
                                assert_int_equal(transitions[i].from, s);
                                assert_int_equal(transitions[i].event, e);
                                assert_int_equal(transitions[i].has_creds, has_creds);
                                if (session_next(s, e, has_creds) != transitions[i].to)
                                        fail_msg("line %zu: %s", i,
                                                 session_state_name(session_next(s, e, has_creds)));
                        }
        assert_int_equal(i, ELEMENTSOF(transitions));
}

/* AWS and the count of refusals, in our hands */

static struct {
        unsigned n_asked;
        struct aws_api_request last;
        aws_api_fn fn; /* NULL: no call in flight */
        void *userdata;
        bool is_cancelled;
        uint32_t wait_sec;
        unsigned n_refused, n_accepted;
} fake;

int aws_api_ask(struct aws_api *a _unused_, const struct aws_api_request *request, aws_api_fn fn,
                void *userdata, struct aws_api_call **ret) {
        assert_null(fake.fn); /* one MFA call in flight, ever */
        fake.n_asked++;
        fake.last = *request;
        fake.fn = fn;
        fake.userdata = userdata;
        *ret = (struct aws_api_call *)&fake;
        return 0;
}

struct aws_api_call *aws_api_call_cancel(struct aws_api_call *call) {
        fake.is_cancelled = call != NULL;
        return NULL;
}

int64_t aws_api_now_sec(const struct aws_api *a _unused_) {
        return clock_wall_sec();
}

uint32_t attempts_wait_sec(const struct attempts *a _unused_, const char *serial _unused_) {
        return fake.wait_sec;
}

void attempts_refused(struct attempts *a _unused_, const char *serial) {
        assert_string_equal(serial, SERIAL);
        fake.n_refused++;
}

void attempts_accepted(struct attempts *a _unused_, const char *serial) {
        assert_string_equal(serial, SERIAL);
        fake.n_accepted++;
}

/* one world per test */

struct heard {
        unsigned n;
        enum failure_reason reason;
        uint32_t wait_sec;
        bool already;
};
static struct world {
        sd_event *event;
        struct sessions *sessions;
        struct session_waiter *waiter;
        unsigned n_changes;
} w;

static void on_changed(const struct session *session, void *userdata) {
        assert_non_null(session);
        assert_ptr_equal(userdata, &w);
        w.n_changes++;
}

static void on_heard(const struct session *session, const struct failure *failure, bool already,
                     void *userdata) {
        struct heard *h = userdata;

        assert_non_null(session);
        h->n++;
        h->reason = failure ? failure->reason : FAILURE_NONE;
        h->wait_sec = failure ? failure->wait_sec : 0;
        h->already = already;
}

static int setup(void **state _unused_) {
        memset(&fake, 0, sizeof(fake));
        memset(&w, 0, sizeof(w));
        /* frozen at the real boot time, so that real timers stay far away */
        clock_freeze(clock_boot_usec(), WALL);
        if (secret_arena_open() < 0 || sd_event_new(&w.event) < 0 ||
            sessions_new(w.event, NULL, NULL, &w.sessions) < 0)
                return -1;
        return sessions_watch(w.sessions, on_changed, &w);
}

static int teardown(void **state _unused_) {
        w.sessions = sessions_free(w.sessions);
        w.event = sd_event_unref(w.event);
        return 0;
}

static void run_events(void) {
        int r;

        do {
                r = sd_event_run(w.event, 0);
                assert_true(r >= 0);
        } while (r > 0);
}

static struct session_unlock unlock_of(const char *code) {
        return (struct session_unlock){.name = "work",
                                       .key = "work",
                                       .code = code,
                                       .duration_sec = 43200,
                                       .mfa_serial = SERIAL,
                                       .user_arn = ""};
}

static void unlock(const char *code, struct heard *h) {
        struct session_unlock u = unlock_of(code);

        assert_int_equal(sessions_unlock(w.sessions, &u, on_heard, h, &w.waiter), 0);
        assert_int_equal(h->n, 0); /* never before it returns */
}

static const struct session *work(void) {
        const struct session *s = sessions_find(w.sessions, "work");

        assert_non_null(s);
        return s;
}

/* AWS answers with credentials that live @life_sec by its clock, which is @offset_sec before ours. */
static void answer_creds(int64_t life_sec, int64_t offset_sec) {
        struct fetch_answer a = {.outcome = FETCH_OK,
                                 .was_sent = true,
                                 .is_date_verified = true,
                                 .date_sec = clock_wall_sec() + offset_sec};
        aws_api_fn fn = fake.fn;

        assert_int_equal(creds_new(&a.creds), 0);
        strcpy(a.creds->access_key_id, "ASIAEXAMPLE");
        a.creds->expiration_sec = a.date_sec + life_sec;
        fake.fn = NULL;
        fn(NULL, &a, fake.userdata);
        (void)creds_free(a.creds);
        run_events();
}

static void answer_failure(enum failure_reason reason) {
        aws_api_fn fn = fake.fn;
        struct failure f;

        failure_set(&f, reason, NULL);
        fake.fn = NULL;
        fn(&f, NULL, fake.userdata);
        run_events();
}

static void unlocked(int64_t life_sec) {
        struct heard h = {0};

        unlock("111111", &h);
        answer_creds(life_sec, 0);
        assert_int_equal(h.n, 1);
        assert_int_equal(h.reason, FAILURE_NONE);
}

static void advance(uint64_t sec) {
        clock_advance(sec * USEC_PER_SEC);
        sessions_check_time(w.sessions);
}

static void test_unlock_asks_and_serves(void **state _unused_) {
        struct heard h = {0};

        assert_null(sessions_find(w.sessions, "work"));
        unlock("111111", &h);
        assert_int_equal(fake.n_asked, 1);
        assert_int_equal(fake.last.op, AWS_OP_GET_SESSION_TOKEN);
        assert_int_equal(session_state(work()), SESSION_UNLOCKING);
        assert_true(session_is_busy(work()));
        assert_null(lease_creds(session_lease(work())));

        answer_creds(43200, 0);
        assert_int_equal(h.n, 1);
        assert_false(h.already);
        assert_int_equal(session_state(work()), SESSION_UNLOCKED);
        assert_false(session_is_busy(work()));
        assert_string_equal(lease_creds(session_lease(work()))->access_key_id, "ASIAEXAMPLE");
        assert_string_equal(session_lease(work())->account, "123456789012");
        assert_int_equal(lease_expires_wall_sec(session_lease(work())), WALL + 43200);
        assert_int_equal(fake.n_accepted, 1);
        assert_true(w.n_changes >= 2);
}

static void test_end_is_told_by_our_clock(void **state _unused_) {
        struct heard h = {0};

        unlock("111111", &h);
        answer_creds(43200, -3600); /* AWS's clock is an hour behind ours */
        assert_int_equal(lease_expires_wall_sec(session_lease(work())), WALL + 43200);
        clock_freeze(clock_boot_usec(), WALL + 86400); /* somebody sets our clock */
        assert_non_null(lease_creds(session_lease(work())));
        assert_int_equal(lease_expires_wall_sec(session_lease(work())), WALL + 86400 + 43200);
        clock_freeze(clock_boot_usec(), WALL - 86400);
        assert_int_equal(lease_expires_wall_sec(session_lease(work())), WALL - 86400 + 43200);
}

static void test_clocks_that_tick_apart_do_not_move_the_end(void **state _unused_) {
        unlocked(43200);
        clock_freeze(clock_boot_usec() + USEC_PER_SEC - 1, WALL);
        assert_int_equal(lease_expires_wall_sec(session_lease(work())), WALL + 43200);
        clock_freeze(clock_boot_usec() + 1, WALL + 2);
        assert_int_equal(lease_expires_wall_sec(session_lease(work())), WALL + 43200);
}

static void test_expiring_then_expired(void **state _unused_) {
        unlocked(43200);
        advance(43200 - 1801);
        assert_int_equal(session_state(work()), SESSION_UNLOCKED);
        advance(1);
        assert_int_equal(session_state(work()), SESSION_EXPIRING);
        assert_non_null(lease_creds(session_lease(work())));
        advance(1800 - 60);
        assert_non_null(lease_creds(session_lease(work()))); /* exactly one minute left */
        assert_int_equal(session_state(work()), SESSION_EXPIRING);
        clock_advance(1);
        assert_null(lease_creds(session_lease(work()))); /* before any timer had its turn */
        assert_true(session_has_expired(work()));
        sessions_check_time(w.sessions);
        assert_int_equal(session_state(work()), SESSION_LOCKED);
        assert_true(session_has_expired(work()));
        assert_int_equal(lease_expires_wall_sec(session_lease(work())), 0);
}

static void test_short_session_expires_at_half_life(void **state _unused_) {
        unlocked(900);
        advance(449);
        assert_int_equal(session_state(work()), SESSION_UNLOCKED);
        advance(1);
        assert_int_equal(session_state(work()), SESSION_EXPIRING);
}

static void test_notices(void **state _unused_) {
        static const unsigned left[] = {1800, 600, 120};
        unsigned before;

        unlocked(43200);
        clock_advance(UINT64_C(40000) * USEC_PER_SEC);
        sessions_check_time(w.sessions);
        before = w.n_changes;
        for (size_t i = 0; i < ELEMENTSOF(left); i++) {
                advance((i == 0 ? 3200 : left[i - 1]) - left[i] - 1);
                assert_int_equal(w.n_changes, before + i);
                advance(1);
                assert_int_equal(w.n_changes, before + i + 1);
                sessions_check_time(w.sessions); /* once only */
                assert_int_equal(w.n_changes, before + i + 1);
        }
}

static void test_resume_after_the_end(void **state _unused_) {
        unlocked(43200);
        advance(8 * 86400); /* CLOCK_BOOTTIME counts a suspend */
        assert_null(lease_creds(session_lease(work())));
        assert_int_equal(session_state(work()), SESSION_LOCKED);
}

static void test_renewal_loses_nothing(void **state _unused_) {
        struct heard h = {0};

        unlocked(43200);
        advance(42000);
        assert_int_equal(session_state(work()), SESSION_EXPIRING);
        unlock("222222", &h);
        assert_true(session_is_busy(work()));
        assert_int_equal(session_state(work()), SESSION_EXPIRING);
        assert_non_null(lease_creds(session_lease(work())));
        answer_failure(FAILURE_WRONG_CODE);
        assert_int_equal(h.reason, FAILURE_WRONG_CODE);
        assert_int_equal(session_state(work()), SESSION_EXPIRING);
        assert_non_null(lease_creds(session_lease(work())));
        assert_int_equal(session_failure(work())->reason, FAILURE_WRONG_CODE);

        h = (struct heard){0};
        unlock("333333", &h);
        answer_creds(43200, 0);
        assert_int_equal(session_state(work()), SESSION_UNLOCKED);
        assert_null(session_failure(work()));
        assert_int_equal(lease_expires_wall_sec(session_lease(work())), clock_wall_sec() + 43200);
}

static void test_end_during_a_renewal(void **state _unused_) {
        struct heard h = {0};

        unlocked(43200);
        advance(43000);
        unlock("222222", &h);
        advance(200);
        assert_int_equal(session_state(work()), SESSION_UNLOCKING);
        assert_null(lease_creds(session_lease(work())));
        answer_failure(FAILURE_OUTCOME_UNKNOWN);
        assert_int_equal(session_state(work()), SESSION_LOCKED);
}

static void test_same_code_joins_another_is_busy(void **state _unused_) {
        struct heard h[3] = {0};

        unlock("111111", &h[0]);
        unlock("111111", &h[1]);
        unlock("222222", &h[2]);
        assert_int_equal(fake.n_asked, 1);
        run_events();
        assert_int_equal(h[2].reason, FAILURE_BUSY);
        assert_int_equal(h[0].n + h[1].n, 0);
        assert_null(session_failure(work())); /* "busy" is no attempt */
        answer_creds(43200, 0);
        for (size_t i = 0; i < ELEMENTSOF(h); i++)
                assert_int_equal(h[i].n, 1);
        assert_int_equal(h[0].reason, FAILURE_NONE);
        assert_int_equal(h[1].reason, FAILURE_NONE);
}

static void test_another_key_is_busy_too(void **state _unused_) {
        struct session_unlock u = unlock_of("111111");
        struct heard h[2] = {0};

        unlock("111111", &h[0]);
        u.name = u.key = "home";
        assert_int_equal(sessions_unlock(w.sessions, &u, on_heard, &h[1], NULL), 0);
        run_events();
        assert_int_equal(h[1].reason, FAILURE_BUSY);
        answer_creds(43200, 0);
}

static void test_same_code_again_is_answered_from_memory(void **state _unused_) {
        struct heard h = {0};

        unlocked(43200);
        unlock("111111", &h);
        run_events();
        assert_int_equal(fake.n_asked, 1);
        assert_int_equal(h.reason, FAILURE_NONE);
        assert_true(h.already);

        /* after two minutes it may be another window's code with the same digits */
        h = (struct heard){0};
        advance(120);
        unlock("111111", &h);
        assert_int_equal(fake.n_asked, 2);
        answer_failure(FAILURE_CODE_USED);
        assert_int_equal(h.reason, FAILURE_CODE_USED);
        assert_in_range(h.wait_sec, 1, 30);
        assert_int_equal(session_state(work()), SESSION_UNLOCKED);
}

static void test_refusals_are_counted(void **state _unused_) {
        struct heard h = {0};

        unlock("111111", &h);
        answer_failure(FAILURE_WRONG_CODE);
        assert_int_equal(session_state(work()), SESSION_LOCKED);
        h = (struct heard){0};
        unlock("222222", &h);
        answer_failure(FAILURE_UNREACHABLE);
        assert_int_equal(fake.n_refused, 1);

        fake.wait_sec = 42;
        h = (struct heard){0};
        unlock("333333", &h);
        run_events();
        assert_int_equal(h.reason, FAILURE_MUST_WAIT);
        assert_int_equal(h.wait_sec, 42);
        assert_int_equal(fake.n_asked, 2);
        assert_int_equal(session_failure(work())->reason, FAILURE_MUST_WAIT);
}

static void test_no_mfa_serial(void **state _unused_) {
        struct session_unlock u = unlock_of("111111");
        struct heard h = {0};

        u.mfa_serial = "";
        assert_int_equal(sessions_unlock(w.sessions, &u, on_heard, &h, NULL), 0);
        run_events();
        assert_int_equal(h.reason, FAILURE_NO_MFA_SERIAL);
        assert_int_equal(fake.n_asked, 0);
}

static void test_nonsense_ends_are_no_credentials(void **state _unused_) {
        static const int64_t lives[] = {-1, 0, 59, 129600 + 301, INT64_C(315360000)};

        for (size_t i = 0; i < ELEMENTSOF(lives); i++) {
                struct heard h = {0};

                unlock("111111", &h);
                answer_creds(lives[i], 0);
                assert_int_equal(h.reason, FAILURE_BAD_ANSWER);
                assert_null(lease_creds(session_lease(work())));
                assert_int_equal(session_state(work()), SESSION_LOCKED);
        }
}

static void test_cancelled_waiter_hears_nothing(void **state _unused_) {
        struct heard h = {0};

        unlock("111111", &h);
        w.waiter = session_waiter_cancel(w.waiter);
        answer_creds(43200, 0); /* the call itself goes on: the code is on its way */
        assert_int_equal(h.n, 0);
        assert_int_equal(session_state(work()), SESSION_UNLOCKED);
}

static void test_limits(void **state _unused_) {
        struct session_unlock u = unlock_of("111111");
        struct heard h = {0};

        for (size_t i = 0; i < SESSION_WAITERS_MAX; i++)
                assert_int_equal(sessions_unlock(w.sessions, &u, on_heard, &h, NULL), 0);
        assert_int_equal(sessions_unlock(w.sessions, &u, on_heard, &h, NULL), -EBUSY);
        answer_failure(FAILURE_DENIED);
        assert_int_equal(h.n, SESSION_WAITERS_MAX);

        /* more keys than fit: those that are locked make room */
        for (unsigned i = 0; i < 2 * SIGNER_KEYS_MAX; i++) {
                char name[32];

                (void)snprintf(name, sizeof(name), "key-%u", i);
                u.name = u.key = name;
                assert_int_equal(sessions_unlock(w.sessions, &u, on_heard, &h, NULL), 0);
                answer_failure(FAILURE_DENIED);
        }
        assert_null(sessions_at(w.sessions, SIGNER_KEYS_MAX));
        assert_non_null(sessions_find(w.sessions, "key-63"));
}

/* mfad_direct_mfa: the code buys a role, and the session has the role's name. */
static void test_direct_role(void **state _unused_) {
        static const struct aws_role role = {.arn = "arn:aws:iam::210987654321:role/Admin"};
        struct session_unlock u = unlock_of("111111");
        const struct session *s;
        struct heard h = {0};

        u.name = "admin";
        u.role = &role;
        assert_int_equal(sessions_unlock(w.sessions, &u, on_heard, &h, NULL), 0);
        assert_int_equal(fake.last.op, AWS_OP_ASSUME_ROLE);
        assert_string_equal(fake.last.key, "work");
        assert_ptr_equal(fake.last.role, &role);
        answer_creds(43200, 0);
        assert_int_equal(h.reason, FAILURE_NONE);
        s = sessions_find(w.sessions, "admin");
        assert_non_null(s);
        assert_null(sessions_find(w.sessions, "work"));
        assert_string_equal(session_lease(s)->account, "210987654321");
        assert_string_equal(session_lease(s)->role_arn, role.arn);
}

static void test_end_of_everything_in_flight(void **state _unused_) {
        struct heard h = {0};

        unlock("111111", &h);
        w.sessions = sessions_free(w.sessions);
        assert_true(fake.is_cancelled);
        assert_int_equal(h.n, 0);
}

#define WORLD(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_transitions),
                WORLD(test_unlock_asks_and_serves),
                WORLD(test_end_is_told_by_our_clock),
                WORLD(test_clocks_that_tick_apart_do_not_move_the_end),
                WORLD(test_expiring_then_expired),
                WORLD(test_short_session_expires_at_half_life),
                WORLD(test_notices),
                WORLD(test_resume_after_the_end),
                WORLD(test_renewal_loses_nothing),
                WORLD(test_end_during_a_renewal),
                WORLD(test_same_code_joins_another_is_busy),
                WORLD(test_another_key_is_busy_too),
                WORLD(test_same_code_again_is_answered_from_memory),
                WORLD(test_refusals_are_counted),
                WORLD(test_no_mfa_serial),
                WORLD(test_nonsense_ends_are_no_credentials),
                WORLD(test_cancelled_waiter_hears_nothing),
                WORLD(test_limits),
                WORLD(test_direct_role),
                WORLD(test_end_of_everything_in_flight),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
