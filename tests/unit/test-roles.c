/* test-roles.c - roles: who is bought when, how often, and what is told when AWS says no. */
#include "common/macros.h"
#include "tests/unit/roles-world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static void test_bought_once(void **state _unused_) {
        struct role *role = ask("a");

        assert_true(role_is_busy(role));
        assert_null(lease_creds(role_lease(role)));
        for (unsigned i = 0; i < 1000; i++)
                assert_ptr_equal(ask("a"), role);
        assert_int_equal(n_asked, 1);
        assert_int_equal(calls[0].duration_sec, HOUR);
        assert_ptr_equal(calls[0].creds, work.lease.creds);
        assert_int_equal(answer_calls(FAILURE_NONE), 1);
        assert_false(role_is_busy(role));
        assert_string_equal(role_lease(role)->role_arn, "arn:aws:iam::123456789012:role/a");
        assert_string_equal(role_lease(role)->account, "123456789012");
        (void)ask("a");
        assert_int_equal(n_asked, 1);
        assert_int_equal(roles_n_held(roles), 1);
        assert_true(n_changes >= 1);
}

static void test_duration_is_capped(void **state _unused_) {
        (void)ask("long"); /* its profile says twelve hours */
        assert_int_equal(calls[0].duration_sec, HOUR);
}

/* A day, with one role that is asked for again and again and one that was asked for once. */
static void test_a_day(void **state _unused_) {
        struct role *busy = bought("a"), *once = bought("b");
        uint64_t least = HOUR;
        unsigned n_a = 0;

        n_asked = 0;
        for (unsigned minute = 0; minute < 24 * 60; minute++) {
                if (minute % 2 == 0)
                        assert_ptr_equal(ask("a"), busy);
                for (size_t i = 0; i < ELEMENTSOF(calls); i++)
                        n_a += calls[i].is_used && strcmp(strrchr(calls[i].arn, '/'), "/a") == 0;
                while (answer_calls(FAILURE_NONE) > 0)
                        ;
                assert_non_null(lease_creds(role_lease(busy)));
                if (lease_left_sec(role_lease(busy)) < least)
                        least = lease_left_sec(role_lease(busy));
                advance(MINUTE);
        }
        assert_in_range(least, ROLE_LEAD_SEC - MINUTE, ROLE_LEAD_SEC + 3 * MINUTE);
        /* every 27 to 30 minutes, seen once a minute */
        assert_in_range(n_a, 24 * 60 / 31, 24 * 60 / 27 + 1);
        assert_ptr_equal(roles_find(roles, "a"), busy);
        assert_ptr_equal(dropped, once); /* a day after it was asked for */
        assert_null(roles_find(roles, "b"));
        while (answer_calls(FAILURE_NONE) > 0)
                ;
        n_asked = 0;
        advance(HOUR);
        assert_int_equal(n_asked, 1); /* "b" is not refreshed any more */
}

static void test_short_life_is_refreshed_at_half(void **state _unused_) {
        life_sec = 15 * MINUTE;
        (void)bought("a");
        n_asked = 0;
        advance(6 * MINUTE);
        assert_int_equal(n_asked, 0);
        advance(2 * MINUTE);
        assert_int_equal(n_asked, 1);
}

static void test_chain(void **state _unused_) {
        struct role *last = ask("d-c-b-a");

        assert_true(role_is_busy(last));
        assert_int_equal(n_asked,
                         1); /* the first, and each with the credentials of the one before */
        assert_string_equal(asked_first, "arn:aws:iam::123456789012:role/a");
        for (unsigned i = 0; i < 4; i++) {
                assert_int_equal(n_in_flight(), 1);
                assert_int_equal(answer_calls(FAILURE_NONE), 1);
        }
        assert_int_equal(n_asked, 4);
        assert_non_null(lease_creds(role_lease(last)));
        assert_int_equal(roles_n_held(roles), 4);
        (void)ask("b-a"); /* bought already */
        (void)ask("a");
        assert_int_equal(n_asked, 4);
}

/* Who is only the source of others is bought when they need it. */
static void test_sources_are_not_refreshed_by_themselves(void **state _unused_) {
        (void)ask("b-a");
        while (answer_calls(FAILURE_NONE) > 0)
                ;
        n_asked = 0;
        advance(31 * MINUTE);
        assert_int_equal(n_asked, 1); /* "b-a" with what "a" still has */
        assert_int_equal(answer_calls(FAILURE_NONE), 1);
        advance(31 * MINUTE);
        assert_int_equal(n_asked, 2); /* now "a" has come to its end */
        assert_string_equal(calls[0].arn, "arn:aws:iam::123456789012:role/a");
        while (answer_calls(FAILURE_NONE) > 0)
                ;
        assert_int_equal(n_asked, 3);
}

static void test_source_fails(void **state _unused_) {
        struct role *last = ask("c-b-a");

        assert_int_equal(answer_calls(FAILURE_DENIED), 1);
        assert_false(role_is_busy(last));
        assert_int_equal(role_failure(last)->reason, FAILURE_DENIED);
        assert_non_null(
                strstr(role_failure(last)->message, "its source \"b-a\": its source \"a\": "));
        assert_int_equal(n_asked, 1);
}

/* The same where the entries' order is the other way round: who asks comes before whom he needs. */
static void test_source_later_in_the_table_fails(void **state _unused_) {
        struct role *last = ask("a-b-c");

        assert_int_equal(answer_calls(FAILURE_DENIED), 1);
        for (unsigned i = 0; i < 3; i++) {
                assert_false(role_is_busy(last));
                assert_int_equal(role_failure(last)->reason, FAILURE_DENIED);
                assert_int_equal(n_in_flight(), 0);
                advance(MINUTE);
                assert_ptr_equal(ask("a-b-c"), last);
                assert_int_equal(n_asked, 2 + i);
                assert_int_equal(answer_calls(FAILURE_DENIED), 1);
        }
        advance(MINUTE);
        (void)ask("a-b-c");
        while (answer_calls(FAILURE_NONE) > 0)
                ;
        assert_non_null(lease_creds(role_lease(last)));
}

static void test_source_later_in_the_table_in_an_outage(void **state _unused_) {
        struct role *last;

        (void)ask("z");
        assert_int_equal(answer_calls(FAILURE_UNREACHABLE), 1);
        last = ask("a-b"); /* fails at once: nobody calls there for a second */
        assert_false(role_is_busy(last));
        assert_int_equal(role_failure(last)->reason, FAILURE_UNREACHABLE);
        assert_int_equal(n_asked, 1);
        advance(MINUTE);
        (void)ask("a-b");
        while (answer_calls(FAILURE_NONE) > 0)
                ;
        assert_non_null(lease_creds(role_lease(last)));
}

/* What fails between us and AWS for one profile alone does not concern the others. */
static void test_proxy_of_its_own(void **state _unused_) {
        struct role *role = ask("p");

        assert_int_equal(answer_calls(FAILURE_UNREACHABLE), 1);
        (void)ask("a");
        assert_int_equal(n_in_flight(), 1);
        assert_int_equal(answer_calls(FAILURE_NONE), 1);
        assert_int_equal(role_failure(role)->reason, FAILURE_UNREACHABLE);
}

static void test_many_at_once(void **state _unused_) {
        char name[16];

        for (unsigned i = 0; i < 100; i++) {
                (void)snprintf(name, sizeof(name), "r%u", i);
                (void)ask(name);
                assert_true(n_in_flight() <= ROLES_CALLS_MAX);
        }
        while (answer_calls(FAILURE_NONE) > 0)
                assert_true(n_in_flight() <= ROLES_CALLS_MAX);
        assert_int_equal(n_asked, 100);
        assert_int_equal(roles_n_held(roles), 100);
}

static void test_refusal_is_remembered(void **state _unused_) {
        struct role *role = ask("a");

        assert_int_equal(answer_calls(FAILURE_DENIED), 1);
        assert_int_equal(role_failure(role)->reason, FAILURE_DENIED);
        for (unsigned i = 1; i < ROLE_REFUSED_SEC; i++) {
                (void)ask("a");
                advance(1);
        }
        assert_int_equal(n_asked, 1);
        advance(1);
        assert_int_equal(n_asked, 1); /* nobody asks by himself */
        (void)ask("a");
        assert_int_equal(n_asked, 2);
        assert_int_equal(answer_calls(FAILURE_NONE), 1);
        assert_null(role_failure(role));
}

static void test_refused_refresh_keeps_the_old(void **state _unused_) {
        struct role *role = bought("a");
        int64_t since;
        unsigned n = 0;

        advance(30 * MINUTE);
        assert_int_equal(answer_calls(FAILURE_DENIED), 1);
        assert_non_null(lease_creds(role_lease(role)));
        since = role_failure(role)->since_wall_sec;
        for (unsigned i = 0; i < 28 * 60; i++) {
                advance(1);
                n += answer_calls(FAILURE_DENIED);
        }
        assert_in_range(n, 28, 31); /* one a minute */
        assert_int_equal(role_failure(role)->since_wall_sec, since);
        advance(90);
        assert_null(lease_creds(role_lease(role))); /* they have come to their end */
        assert_int_equal(role_failure(role)->reason, FAILURE_DENIED);
}

/* The network is gone for an hour: one of the roles tries, and all are there within a minute of its return. */
static void test_outage(void **state _unused_) {
        char name[16];
        unsigned n = 0;

        for (unsigned i = 0; i < 40; i++) {
                (void)snprintf(name, sizeof(name), "r%u", i);
                (void)ask(name);
        }
        while (answer_calls(FAILURE_NONE) > 0)
                ;
        advance(26 * MINUTE);
        for (unsigned i = 0; i < 30 * 60; i++) {
                advance(1);
                n += answer_calls(FAILURE_UNREACHABLE);
        }
        assert_int_equal(roles_n_held(roles), 40);
        assert_in_range(n, 30 * 60 / 31, 30 * 60 / 20 + 16); /* and not forty times as many */
        n = 0;
        for (unsigned i = 0; i < 60; i++) {
                advance(1);
                n += answer_calls(FAILURE_NONE);
        }
        assert_int_equal(n, 40);
        for (unsigned i = 0; i < 40; i++) {
                (void)snprintf(name, sizeof(name), "r%u", i);
                assert_null(role_failure(ask(name)));
        }
}

static void test_outage_with_nothing_held(void **state _unused_) {
        struct role *a = ask("a"), *b;

        assert_int_equal(answer_calls(FAILURE_UNREACHABLE), 1);
        b = ask("b"); /* the same endpoint: told at once, and not called */
        assert_int_equal(n_asked, 1);
        assert_false(role_is_busy(b));
        assert_int_equal(role_failure(b)->reason, FAILURE_UNREACHABLE);
        advance(2);
        (void)ask("b");
        assert_int_equal(n_asked, 2);
        assert_int_equal(role_failure(a)->reason, FAILURE_UNREACHABLE);
        (void)ask("a"); /* waits for the one that tries */
        assert_int_equal(n_asked, 2);
        assert_true(role_is_busy(a));
        assert_int_equal(answer_calls(FAILURE_NONE), 1);
        assert_null(role_failure(a)); /* the way is open */
        assert_int_equal(answer_calls(FAILURE_NONE), 1);
        assert_non_null(lease_creds(role_lease(a)));
        assert_non_null(lease_creds(role_lease(b)));
}

static void test_wrong_clock_is_tried_again_once(void **state _unused_) {
        struct role *role = ask("a");

        assert_int_equal(answer_calls(FAILURE_CLOCK_WRONG), 1);
        assert_int_equal(n_asked, 2);
        assert_true(role_is_busy(role));
        assert_int_equal(answer_calls(FAILURE_CLOCK_WRONG), 1);
        assert_int_equal(n_asked, 2);
        assert_int_equal(role_failure(role)->reason, FAILURE_CLOCK_WRONG);
}

static void test_without_a_session(void **state _unused_) {
        struct role *role;

        lease_end(&work.lease);
        role = ask("c-b-a");
        assert_false(role_is_busy(role));
        assert_null(role_failure(role));
        assert_int_equal(n_asked, 0);
        session_unlock(12 * HOUR);
        assert_int_equal(n_asked, 0); /* nobody waits for it any more */
        (void)ask("c-b-a");
        assert_int_equal(n_asked, 1);
}

/* The session ends while a role is held: it is served to its end, and goes on after the next code. */
static void test_session_ends(void **state _unused_) {
        struct role *role = bought("a");

        lease_end(&work.lease);
        advance(40 * MINUTE);
        assert_int_equal(n_asked, 1);
        assert_null(role_failure(role));
        assert_non_null(lease_creds(role_lease(role)));
        session_unlock(12 * HOUR);
        assert_int_equal(n_asked, 2);
        assert_int_equal(answer_calls(FAILURE_NONE), 1);
        assert_int_equal(lease_left_sec(role_lease(role)), HOUR);
}

/* The next morning: what failed yesterday is not the reason any more, and asking for it costs nothing. */
static void test_session_ends_after_an_outage(void **state _unused_) {
        struct role *role = bought("a");
        unsigned n;

        advance(31 * MINUTE);
        assert_int_equal(answer_calls(FAILURE_UNREACHABLE), 1);
        assert_int_equal(role_failure(role)->reason, FAILURE_UNREACHABLE);
        lease_end(&work.lease);
        advance(10 * MINUTE);
        (void)ask("a");
        assert_null(role_failure(role));
        assert_non_null(lease_creds(role_lease(role)));
        n = n_changes;
        for (unsigned i = 0; i < 10; i++) {
                (void)ask("a");
                advance(1);
        }
        assert_int_equal(n_changes, n);
        assert_int_equal(n_asked, 2);
        advance(HOUR);
        (void)ask("a");
        assert_null(role_failure(role));
        assert_false(role_is_busy(role));
}

static void test_a_code_forgives(void **state _unused_) {
        (void)ask("a");
        assert_int_equal(answer_calls(FAILURE_DENIED), 1);
        session_unlock(12 * HOUR);
        (void)ask("a");
        assert_int_equal(n_asked, 2);
}

static void test_renew(void **state _unused_) {
        struct role *role = bought("a"), *same;
        struct profile_view view;

        advance(5);
        (void)profiles_resolve(NULL, "a", &view);
        assert_int_equal(roles_renew(roles, &view, &same), 0);
        assert_ptr_equal(same, role);
        assert_true(role_is_busy(role));
        assert_int_equal(answer_calls(FAILURE_DENIED), 1);
        assert_int_equal(lease_left_sec(role_lease(role)), HOUR - 5);
        assert_int_equal(roles_renew(roles, &view, &same), 0); /* whatever AWS has just said */
        assert_int_equal(answer_calls(FAILURE_NONE), 1);
        assert_int_equal(lease_left_sec(role_lease(role)), HOUR);
}

/* Whoever renews a role means those that it needs, too. */
static void test_renew_chain(void **state _unused_) {
        struct role *role = ask("a-b");
        struct profile_view view;

        assert_int_equal(answer_calls(FAILURE_DENIED), 1);
        (void)profiles_resolve(NULL, "a-b", &view);
        for (unsigned i = 0; i < 2; i++) {
                assert_int_equal(roles_renew(roles, &view, &role), 0);
                assert_int_equal(n_asked, 2 + i);
                assert_int_equal(answer_calls(i == 0 ? FAILURE_DENIED : FAILURE_UNREACHABLE), 1);
                assert_int_equal(n_in_flight(), 0); /* once, and not for ever */
                assert_false(role_is_busy(role));
        }
        assert_int_equal(roles_renew(roles, &view, &role), 0);
        assert_int_equal(n_asked, 4);
        while (answer_calls(FAILURE_NONE) > 0)
                ;
        assert_non_null(lease_creds(role_lease(role)));
}

/* Its profile reads otherwise, and nobody has said so before somebody asks, in the middle of its call. */
static void test_changed_config_is_noticed_by_who_asks(void **state _unused_) {
        struct role *role = ask("a");

        generation++;
        changed_role_arn = "arn:aws:iam::210987654321:role/other";
        assert_ptr_equal(ask("a"), role);
        assert_int_equal(n_cancelled, 1);
        assert_int_equal(n_in_flight(), 1);
        assert_int_equal(answer_calls(FAILURE_NONE), 1);
        assert_string_equal(role_lease(role)->account, "210987654321");
}

static void test_changed_config(void **state _unused_) {
        struct role *role = bought("a");

        generation++;
        roles_config_changed(roles); /* nothing that concerns it */
        assert_non_null(lease_creds(role_lease(role)));
        generation++;
        changed_role_arn = "arn:aws:iam::210987654321:role/other";
        roles_config_changed(roles);
        assert_null(lease_creds(role_lease(role)));
        assert_ptr_equal(ask("a"), role);
        assert_int_equal(n_asked, 2);
        generation++;
        changed_role_arn = NULL;
        roles_config_changed(roles); /* in the middle of the call: what it brings is not wanted */
        assert_int_equal(n_cancelled, 1);
        (void)bought("a");
        generation++;
        is_removed = true;
        roles_config_changed(roles);
        assert_ptr_equal(dropped, role);
        assert_null(roles_find(roles, "a"));
}

static void test_arn_and_profile_of_one_name(void **state _unused_) {
        struct role *profile = ask("x"), *arn;
        struct profile_view view;

        (void)profiles_resolve_arn(NULL, "x", &view);
        assert_int_equal(roles_ask(roles, &view, &arn), 0);
        assert_ptr_not_equal(profile, arn);
        assert_true(role_is_arn(arn));
        assert_ptr_equal(roles_find(roles, "x"), profile);
}

static void test_limit(void **state _unused_) {
        struct role *first;
        char name[16];

        first = bought("first");
        for (unsigned i = 0; i < ROLES_MAX - 1; i++) {
                (void)snprintf(name, sizeof(name), "r%u", i);
                clock_advance(1);
                (void)ask(name);
                (void)answer_calls(FAILURE_DENIED);
        }
        assert_null(dropped);
        clock_advance(1);
        (void)ask("more");
        assert_ptr_equal(dropped, first); /* unused the longest */
}

/* What is due is done by the timer, too. */
static void test_timer(void **state _unused_) {
        (void)bought("a");
        n_asked = 0;
        clock_advance(31 * MINUTE * USEC_PER_SEC);
        (void)ask(
                "b"); /* whatever arms the timer anew: it is due in the past of the frozen clock */
        for (unsigned i = 0; i < 3; i++)
                assert_true(sd_event_run(event, 0) >= 0);
        assert_int_equal(n_asked, 1);
        roles_check_time(roles);
        assert_int_equal(n_asked, 2);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                WORLD(test_bought_once),
                WORLD(test_duration_is_capped),
                WORLD(test_a_day),
                WORLD(test_short_life_is_refreshed_at_half),
                WORLD(test_chain),
                WORLD(test_sources_are_not_refreshed_by_themselves),
                WORLD(test_source_fails),
                WORLD(test_source_later_in_the_table_fails),
                WORLD(test_source_later_in_the_table_in_an_outage),
                WORLD(test_proxy_of_its_own),
                WORLD(test_many_at_once),
                WORLD(test_refusal_is_remembered),
                WORLD(test_refused_refresh_keeps_the_old),
                WORLD(test_outage),
                WORLD(test_outage_with_nothing_held),
                WORLD(test_wrong_clock_is_tried_again_once),
                WORLD(test_without_a_session),
                WORLD(test_session_ends),
                WORLD(test_session_ends_after_an_outage),
                WORLD(test_a_code_forgives),
                WORLD(test_renew),
                WORLD(test_renew_chain),
                WORLD(test_changed_config_is_noticed_by_who_asks),
                WORLD(test_changed_config),
                WORLD(test_arn_and_profile_of_one_name),
                WORLD(test_limit),
                WORLD(test_timer),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
