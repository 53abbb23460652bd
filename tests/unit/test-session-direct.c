/* test-session-direct.c - whose credentials a session says it has, while more are bought and when the profile that they
 * were bought for changes. AWS, the profiles and the memory that a caller lends are in our hands. */
#include "common/clock.h"
#include "common/creds.h"
#include "common/macros.h"
#include "common/secret.h"
#include "daemon/front/attempts.h"
#include "daemon/front/aws_api.h"
#include "daemon/front/lease.h"
#include "daemon/front/profiles.h"
#include "daemon/front/role_mark.h"
#include "daemon/front/session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define SERIAL "arn:aws:iam::123456789012:mfa/alice"
#define OLD    "arn:aws:iam::210987654321:role/Old"
#define NEW    "arn:aws:iam::333333333333:role/New"

/* what a caller lends to sessions_unlock(); aws_api_ask() takes it away */

static struct {
        char mfa_serial[MFA_SERIAL_MAX + 1], user_arn[USER_ARN_MAX + 1];
        struct aws_role role;
} lent;

static struct {
        unsigned n_asked;
        aws_api_fn fn; /* NULL: no call in flight */
        void *userdata;
} aws;

int aws_api_ask(struct aws_api *a _unused_, const struct aws_api_request *q _unused_, aws_api_fn fn,
                void *userdata, struct aws_api_call **ret) {
        aws.n_asked++;
        aws.fn = fn;
        aws.userdata = userdata;
        memset(&lent, 'x', sizeof(lent)); /* mfad-signer has died, and its keys went with it */
        *ret = (struct aws_api_call *)&aws;
        return 0;
}

struct aws_api_call *aws_api_call_cancel(struct aws_api_call *call _unused_) {
        return NULL;
}

int64_t aws_api_now_sec(const struct aws_api *a _unused_) {
        return clock_wall_sec();
}

uint32_t attempts_wait_sec(const struct attempts *a _unused_, const char *serial _unused_) {
        return 0;
}

void attempts_refused(struct attempts *a _unused_, const char *serial) {
        assert_string_equal(serial, SERIAL);
}

void attempts_accepted(struct attempts *a _unused_, const char *serial) {
        assert_string_equal(serial, SERIAL);
}

/* the one profile, "admin" */

static struct profile_view view;

enum profile_kind profiles_resolve(struct profiles *p _unused_, const char *name,
                                   struct profile_view *ret) {
        assert_string_equal(name, "admin");
        *ret = view;
        return ret->kind;
}

static void set_profile(enum profile_kind kind, const char *arn) {
        view = (struct profile_view){.kind = kind, .session = "admin", .key = "work", .source = ""};
        view.profile = (struct aws_profile){.name = "admin",
                                            .where = {.region = "", .sts_url = ""},
                                            .ca_bundle = "",
                                            .proxy = "",
                                            .role_arn = arn,
                                            .external_id = "",
                                            .role_session_name = "",
                                            .source_identity = "",
                                            .session_policy = "",
                                            .policy_arns = "",
                                            .session_tags = "",
                                            .transitive_tags = ""};
}

/* one world per test */

static sd_event *event;
static struct sessions *sessions;
static unsigned n_heard, n_already, n_failed;
static enum failure_reason reason;

static void on_heard(const struct session *session _unused_, const struct failure *failure,
                     bool already, void *userdata _unused_) {
        n_heard++;
        n_already += already;
        n_failed += failure != NULL;
        reason = failure ? failure->reason : FAILURE_NONE;
}

static int set_up(void **state _unused_) {
        memset(&aws, 0, sizeof(aws));
        n_heard = n_already = n_failed = 0;
        clock_freeze(clock_boot_usec(), 1800000000);
        set_profile(PROFILE_DIRECT, OLD);
        return secret_arena_open() < 0 || sd_event_new(&event) < 0
                       ? -1
                       : sessions_new(event, NULL, NULL, &sessions);
}

static int tear_down(void **state _unused_) {
        sessions = sessions_free(sessions);
        event = sd_event_unref(event);
        return 0;
}

static void run_events(void) {
        while (sd_event_run(event, 0) > 0)
                ;
}

/* A code for what the profile says now. */
static void unlock(const char *code) {
        struct role_mark mark;
        struct session_unlock u = {.name = "admin",
                                   .key = "work",
                                   .code = code,
                                   .duration_sec = 43200,
                                   .mfa_serial = lent.mfa_serial,
                                   .user_arn = lent.user_arn};

        strcpy(lent.mfa_serial, SERIAL);
        strcpy(lent.user_arn, "arn:aws:iam::123456789012:user/alice");
        if (view.kind == PROFILE_DIRECT) {
                strcpy(lent.role.arn, view.profile.role_arn);
                assert_int_equal(role_mark_make(&view, &mark), 0);
                u.role = &lent.role;
                u.mark = &mark;
        }
        n_heard = 0;
        assert_int_equal(sessions_unlock(sessions, &u, on_heard, NULL, NULL), 0);
        run_events();
}

static void answer(enum failure_reason why) {
        struct fetch_answer a = {.outcome = FETCH_OK, .is_date_verified = true};
        aws_api_fn fn = aws.fn;
        struct failure f;

        assert_non_null(fn);
        aws.fn = NULL;
        failure_set(&f, why, NULL);
        assert_int_equal(creds_new(&a.creds), 0);
        strcpy(a.creds->access_key_id, "ASIAEXAMPLE");
        a.date_sec = clock_wall_sec();
        a.creds->expiration_sec = a.date_sec + 43200;
        fn(why == FAILURE_NONE ? NULL : &f, why == FAILURE_NONE ? &a : NULL, aws.userdata);
        (void)creds_free(a.creds);
        run_events();
        assert_int_equal(n_heard, 1);
        assert_int_equal(reason, why);
}

static const struct session *admin(void) {
        return sessions_find(sessions, "admin");
}

static bool serves(void) {
        return lease_creds(session_lease(admin())) != NULL;
}

static void test_what_was_lent_may_go(void **state _unused_) {
        unlock("111111");
        answer(FAILURE_NONE);
        assert_string_equal(session_mfa_serial(admin()), SERIAL);
        assert_string_equal(session_lease(admin())->role_arn, OLD);
        assert_string_equal(session_lease(admin())->account, "210987654321");
}

static void test_without_a_role_the_account_is_the_users(void **state _unused_) {
        view.kind = PROFILE_KEY;
        unlock("111111");
        answer(FAILURE_NONE);
        assert_null(session_lease(admin())->role_arn);
        assert_null(session_mark(admin()));
        assert_string_equal(session_lease(admin())->account, "123456789012");
}

/* Whatever AWS says of the new one, the old credentials are the old role's. */
static void test_an_attempt_changes_no_credentials(void **state _unused_) {
        unlock("111111");
        answer(FAILURE_NONE);
        set_profile(PROFILE_DIRECT, NEW);
        unlock("222222");
        assert_true(session_is_busy(admin()));
        assert_string_equal(session_lease(admin())->role_arn, OLD);
        assert_string_equal(session_lease(admin())->account, "210987654321");
        answer(FAILURE_WRONG_CODE);
        assert_string_equal(session_lease(admin())->role_arn, OLD);
        assert_string_equal(session_lease(admin())->account, "210987654321");

        unlock("333333");
        answer(FAILURE_NONE);
        assert_string_equal(session_lease(admin())->role_arn, NEW);
        assert_string_equal(session_lease(admin())->account, "333333333333");
        sessions_follow_profiles(sessions, NULL);
        assert_true(serves());
}

static void test_ends_when_its_profile_changes(void **state _unused_) {
        static const struct {
                enum profile_kind kind;
                const char *arn;
                bool serves;
        } rows[] = {
                {PROFILE_DIRECT, OLD, true},   {PROFILE_DIRECT, NEW, false},
                {PROFILE_KEY, "", false},      {PROFILE_ROLE, OLD, false},
                {PROFILE_UNKNOWN, "", true}, /* nobody is served it, and it may come back as it was */
                {PROFILE_UNUSABLE, NEW, true},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                set_profile(PROFILE_DIRECT, OLD);
                clock_advance(300 * USEC_PER_SEC);
                unlock("111111");
                answer(FAILURE_NONE);
                set_profile(rows[i].kind, rows[i].arn);
                sessions_follow_profiles(sessions, NULL);
                if (serves() != rows[i].serves ||
                    (session_state(admin()) == SESSION_UNLOCKED) != rows[i].serves)
                        fail_msg("row %zu", i);
                assert_false(session_has_expired(admin())); /* its time was not over */
        }
}

static void test_a_keys_session_stays_one(void **state _unused_) {
        set_profile(PROFILE_KEY, "");
        unlock("111111");
        answer(FAILURE_NONE);
        sessions_follow_profiles(sessions, NULL);
        assert_true(serves());
        set_profile(PROFILE_DIRECT, NEW);
        sessions_follow_profiles(sessions, NULL);
        assert_false(serves());
}

/* What a code has bought is not what it is given for now. */
static void test_same_code_for_another_role_is_not_already(void **state _unused_) {
        unlock("111111");
        answer(FAILURE_NONE);
        unlock("111111");
        assert_int_equal(n_already, 1);
        set_profile(PROFILE_DIRECT, NEW);
        unlock("111111");
        assert_int_equal(n_already, 1);
        assert_int_equal(aws.n_asked, 2);
        unlock("111111"); /* joins */
        set_profile(PROFILE_DIRECT, OLD);
        unlock("111111");
        assert_int_equal(n_heard, 1);
        assert_int_equal(reason, FAILURE_BUSY);
}

static void follow(const struct session *session _unused_, void *userdata _unused_) {
        sessions_follow_profiles(sessions, NULL);
}

/* What was bought for the old profile ends at once, and is not called unlocked. */
static void test_changes_while_it_is_bought(void **state _unused_) {
        assert_int_equal(sessions_watch(sessions, follow, NULL), 0);
        unlock("111111");
        set_profile(PROFILE_DIRECT, NEW);
        answer(FAILURE_NONE);
        assert_int_equal(n_failed, 1);
        assert_false(serves());
}

static void test_comes_back_with_its_mark(void **state _unused_) {
        struct lease lease = {.bought_boot_usec = clock_boot_usec(),
                              .ends_boot_usec = clock_boot_usec() + 3600 * USEC_PER_SEC};
        struct role_mark mark;

        assert_int_equal(creds_new(&lease.creds), 0);
        assert_int_equal(role_mark_make(&view, &mark), 0);
        assert_int_equal(sessions_restore(sessions, "admin", SERIAL, &mark, &lease), 0);
        sessions_follow_profiles(sessions, NULL);
        assert_true(serves());
        set_profile(PROFILE_DIRECT, NEW);
        sessions_follow_profiles(sessions, NULL);
        assert_false(serves());
}

#define WORLD(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                WORLD(test_what_was_lent_may_go),
                WORLD(test_without_a_role_the_account_is_the_users),
                WORLD(test_an_attempt_changes_no_credentials),
                WORLD(test_ends_when_its_profile_changes),
                WORLD(test_a_keys_session_stays_one),
                WORLD(test_same_code_for_another_role_is_not_already),
                WORLD(test_changes_while_it_is_bought),
                WORLD(test_comes_back_with_its_mark),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
