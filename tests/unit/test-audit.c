/* test-audit.c - what is recorded of those who ask for credentials, how much of it, and the ring of events. */
#include "common/clock.h"
#include "common/log.h"
#include "daemon/front/audit.h"
#include "daemon/front/recent.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define NOW 1795305600 /* 2026-11-22T00:00:00Z */

struct world {
        sd_event *event;
        struct recent *recent;
        struct audit *audit;
        int64_t seen;
};

static int start(void **state) {
        struct world *w = calloc(1, sizeof(*w));

        log_open("test", (enum log_level)0); /* the ring hears of it all the same */
        clock_freeze(1000 * USEC_PER_SEC, NOW);
        *state = w;
        if (sd_event_new(&w->event) < 0 || recent_new(&w->recent) < 0)
                return -1;
        return audit_new(w->event, NULL, &w->audit);
}

static int stop(void **state) {
        struct world *w = *state;

        w->audit = audit_free(w->audit);
        w->recent = recent_free(w->recent);
        w->event = sd_event_unref(w->event);
        free(w);
        return 0;
}

/* The next event; the test fails when there is none. */
static const struct recent_event *next(struct world *w) {
        const struct recent_event *e = recent_after(w->recent, w->seen);

        assert_non_null(e);
        assert_true(e->number > w->seen);
        w->seen = e->number;
        return e;
}

static void expect_no_more(const struct world *w) {
        const struct recent_event *e = recent_after(w->recent, w->seen);

        if (e && w->seen > 0)
                fail_msg("one more: %s", e->sentence);
}

static void ask(struct world *w, pid_t pid, const char *profile, const char *result) {
        struct peer_end end = {.pid = pid};

        if (strcmp(result, "ok") == 0)
                audit_lent(w->audit, &end, profile, "default", "ASIAEXAMPLEEXAMPWXYZ");
        else
                audit_refused(w->audit, &end, profile, "default", result);
}

static void test_fields(void **state) {
        struct world *w = *state;
        const struct recent_event *e;

        ask(w, 4242, "work", "ok");
        e = next(w);
        assert_int_equal(e->event, EVENT_LENT);
        assert_string_equal(e->fields.profile, "work");
        assert_string_equal(e->fields.result, "ok");
        assert_string_equal(e->fields.token, "default");
        assert_string_equal(e->fields.key_id_suffix, "WXYZ");
        assert_true(e->fields.has_peer);
        assert_int_equal(e->fields.uid, getuid());
        assert_int_equal(e->fields.pid, 4242);
        assert_null(e->fields.exe);
        assert_non_null(strstr(e->sentence, "\"work\""));
        assert_null(strstr(e->sentence, "ASIA"));

        ask(w, 4242, NULL, "MfadBadToken");
        e = next(w);
        assert_int_equal(e->event, EVENT_REFUSED);
        assert_null(e->fields.profile);
        assert_null(e->fields.key_id_suffix);
        assert_string_equal(e->fields.result, "MfadBadToken");
        expect_no_more(w);
}

/* An access key id of four characters has no end that would not be all of it. */
static void test_short_key_id(void **state) {
        struct world *w = *state;
        struct peer_end end = {.pid = 1};

        audit_lent(w->audit, &end, "work", NULL, "WXYZ");
        assert_null(next(w)->fields.key_id_suffix);
}

static void test_nobody(void **state) {
        struct world *w = *state;
        const struct recent_event *e;

        audit_lent(NULL, NULL, "work", NULL, "ASIAEXAMPLE");
        audit_refused(NULL, NULL, "work", NULL, "MfadLocked");
        audit_refused(w->audit, NULL, "work", NULL, "MfadLocked");
        e = next(w);
        assert_int_equal(e->fields.pid, 0);
        assert_true(e->fields.has_peer);
}

static void test_limit_of_each(void **state) {
        struct world *w = *state;
        const struct recent_event *e;

        for (int i = 0; i < AUDIT_EACH_MAX + 7; i++)
                ask(w, 1, "work", "ok");
        for (int i = 0; i < AUDIT_EACH_MAX; i++)
                assert_int_equal(next(w)->event, EVENT_LENT);
        expect_no_more(w);
        /* another program, profile or result has a limit of its own */
        ask(w, 2, "work", "ok");
        assert_int_equal(next(w)->fields.pid, 2);
        ask(w, 1, "play", "ok");
        assert_string_equal(next(w)->fields.profile, "play");
        ask(w, 1, "work", "MfadLocked");
        assert_string_equal(next(w)->fields.result, "MfadLocked");

        clock_advance(AUDIT_WINDOW_SEC * USEC_PER_SEC);
        ask(w, 1, "work", "ok");
        e = next(w);
        assert_int_equal(e->event, EVENT_SUPPRESSED);
        assert_int_equal(e->fields.n_suppressed, 7);
        assert_string_equal(e->fields.profile, "work");
        assert_string_equal(e->fields.result, "ok");
        assert_int_equal(e->fields.pid, 1);
        assert_int_equal(next(w)->event, EVENT_LENT);
        expect_no_more(w);
}

/* The number is told also when nobody ever asks again: when there is an end, here that of the audit. */
static void test_count_at_the_end(void **state) {
        struct world *w = *state;

        for (int i = 0; i < AUDIT_EACH_MAX + 3; i++)
                ask(w, 1, "work", "MfadLocked");
        for (int i = 0; i < AUDIT_EACH_MAX; i++)
                (void)next(w);
        expect_no_more(w);
        w->audit = audit_free(w->audit);
        assert_int_equal(next(w)->fields.n_suppressed, 3);
        expect_no_more(w);
}

/* The total number of requests that the records speak of, and the number of records. */
static unsigned total(struct world *w, unsigned *ret_records) {
        const struct recent_event *e;
        unsigned n = 0;

        *ret_records = 0;
        for (; (e = recent_after(w->recent, w->seen)); w->seen = e->number) {
                n += e->event == EVENT_SUPPRESSED ? e->fields.n_suppressed : 1;
                ++*ret_records;
                if (w->seen >= e->number)
                        break;
        }
        return n;
}

/* Thousands of names make no more records than the limit of all; none is lost from the count. */
static void test_limit_of_all(void **state) {
        struct world *w = *state;
        unsigned n_records;

        for (int i = 0; i < 5000; i++) {
                char name[32];

                (void)snprintf(name, sizeof(name), "name-%d", i);
                ask(w, 1, name, "MfadUnknownProfile");
        }
        assert_int_equal(total(w, &n_records), AUDIT_ALL_MAX);
        assert_int_equal(n_records, AUDIT_ALL_MAX);
        w->audit = audit_free(w->audit);
        assert_int_equal(total(w, &n_records), 5000 - AUDIT_ALL_MAX);
        assert_true(n_records <= 300); /* the places, and one for what had none */
}

/* Each of them is told, however many there are, and the number of all their connections. */
static void test_strangers(void **state) {
        static const uid_t uids[] = {1001, 1001 + 16, 70000, 0, AUDIT_UNKNOWN_UID};
        unsigned n_of[ELEMENTSOF(uids)] = {0};
        struct world *w = *state;
        const struct recent_event *e;

        for (size_t i = 0; i < ELEMENTSOF(uids); i++)
                for (int k = 0; k < 100; k++)
                        audit_stranger(w->audit, uids[i]);
        audit_stranger(NULL, 1001);
        e = next(w);
        assert_int_equal(e->event, EVENT_REFUSED);
        assert_string_equal(e->fields.result, "foreign-uid");
        assert_null(e->fields.profile);
        assert_true(e->fields.has_peer);
        assert_int_equal(e->fields.uid, 1001);
        assert_int_equal(e->fields.pid, 0);
        w->audit = audit_free(w->audit);
        for (w->seen--; (e = recent_after(w->recent, w->seen)) && e->number > w->seen;
             w->seen = e->number)
                for (size_t i = 0; i < ELEMENTSOF(uids); i++) {
                        bool is_known = uids[i] != AUDIT_UNKNOWN_UID;

                        if (e->fields.has_peer != is_known ||
                            (is_known && e->fields.uid != uids[i]))
                                continue;
                        assert_string_equal(e->fields.result,
                                            is_known ? "foreign-uid" : "unknown-uid");
                        n_of[i] += e->event == EVENT_SUPPRESSED ? e->fields.n_suppressed : 1;
                }
        for (size_t i = 0; i < ELEMENTSOF(uids); i++)
                assert_int_equal(n_of[i], 100);
}

/* Whoever may be any number of users uses up nothing of what our own records need, nor the other way round. */
static void test_strangers_have_a_share_of_their_own(void **state) {
        struct world *w = *state;
        unsigned n_records;

        for (uid_t uid = 100000; uid < 105000; uid++)
                audit_stranger(w->audit, uid);
        assert_int_equal(total(w, &n_records), AUDIT_STRANGERS_MAX);
        ask(w, 1, "work", "ok");
        assert_int_equal(next(w)->event, EVENT_LENT);
        expect_no_more(w);
        for (int i = 0; i < 1000; i++) {
                char name[32];

                (void)snprintf(name, sizeof(name), "name-%d", i);
                ask(w, 1, name, "MfadUnknownProfile");
        }
        assert_int_equal(total(w, &n_records), AUDIT_ALL_MAX - 1);
        clock_advance(AUDIT_WINDOW_SEC * USEC_PER_SEC);
        for (int i = 0; i < 1000; i++)
                audit_stranger(w->audit, 99999);
        assert_true(total(w, &n_records) >= 1);
        assert_true(n_records <= 2); /* and what its place had suppressed */
        w->audit = audit_free(w->audit);
        (void)total(w, &n_records);
}

/* The place in which a program's records are counted may be another one's, whose count is told then. */
static void test_each_record_names_its_own(void **state) {
        struct world *w = *state;
        const struct recent_event *e;
        unsigned n_counts = 0;
        char name[16];

        for (pid_t pid = 1001; pid <= 1008; pid++)
                for (unsigned i = 0; i <= AUDIT_EACH_MAX; i++)
                        ask(w, pid, "work", "ok");
        while ((e = recent_after(w->recent, w->seen)))
                w->seen = e->number;
        for (unsigned i = 0; i < 200; i++) {
                (void)snprintf(name, sizeof(name), "p%u", i);
                ask(w, 2000, name, "ok");
                for (e = next(w); e->event == EVENT_SUPPRESSED; e = next(w)) {
                        assert_in_range(e->fields.pid, 1001, 1008);
                        n_counts++;
                }
                assert_int_equal(e->event, EVENT_LENT);
                assert_int_equal(e->fields.pid, 2000);
                assert_non_null(strstr(e->sentence, "pid 2000"));
        }
        assert_true(n_counts > 0);
}

static void test_ring(void **state) {
        struct world *w = *state;
        const struct recent_event *e;
        int64_t first;

        assert_null(recent_after(w->recent, 0));
        log_event(EVENT_STARTED, NULL, "0");
        first = next(w)->number;
        for (int i = 1; i <= RECENT_MAX; i++)
                log_event(EVENT_STARTED, NULL, "%d", i);
        e = recent_after(w->recent, 0); /* one has gone */
        assert_int_equal(e->number, first + 1);
        assert_string_equal(e->sentence, "1");
        e = recent_after(w->recent, first + RECENT_MAX - 1);
        assert_string_equal(e->sentence, "1000");
        assert_null(recent_after(w->recent, first + RECENT_MAX));
        /* numbers of another time */
        assert_int_equal(recent_after(w->recent, first + RECENT_MAX + 1)->number, first + 1);
        assert_int_equal(recent_after(w->recent, INT64_MAX)->number, first + 1);
}

/* A new process image, which knows nothing of the old one, gives higher numbers. */
static void test_numbers_grow_across_a_lock(void **state) {
        struct world *w = *state;
        const struct timespec image = {.tv_nsec = 5000000}; /* what a new one takes at least */
        int64_t before;

        for (int i = 0; i < 900; i++)
                log_event(EVENT_STARTED, NULL, "x");
        before = recent_after(w->recent, 0)->number + 899;
        w->recent = recent_free(w->recent);
        (void)nanosleep(&image, NULL);
        assert_int_equal(recent_new(&w->recent), 0);
        log_event(EVENT_LOCKED, NULL, "x");
        assert_true(recent_after(w->recent, before)->number > before);
}

/* What a peer can choose must be text in an answer, and within its length. */
static void test_odd_texts(void **state) {
        struct world *w = *state;
        struct event_fields f = {
                .profile = "b\xc3\xbcro", .exe = "/x\xff\n\x1b", .comm = "", .unit = NULL};
        const struct recent_event *e;
        char big[2 * RECENT_TEXT_MAX];

        memset(big, 'x', sizeof(big));
        big[sizeof(big) - 1] = '\0';
        f.result = big;
        log_event(EVENT_LENT, &f, "x");
        e = next(w);
        assert_string_equal(e->fields.profile, "b\xc3\xbcro");
        assert_string_equal(e->fields.exe, "/x???");
        assert_string_equal(e->fields.comm, "");
        assert_null(e->fields.unit);
        assert_int_equal(strlen(e->fields.result), RECENT_TEXT_MAX);
}

static unsigned n_told;

static void on_told(void *userdata) {
        assert_ptr_equal(userdata, &n_told);
        n_told++;
}

static void test_watch(void **state) {
        struct world *w = *state;

        recent_watch(w->recent, on_told, &n_told);
        log_event(EVENT_STARTED, NULL, "x");
        log_info("no event");
        assert_int_equal(n_told, 1);
        recent_watch(w->recent, NULL, NULL);
        log_event(EVENT_STARTED, NULL, "x");
        assert_int_equal(n_told, 1);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, start, stop)

int main(void) {
        const struct CMUnitTest tests[] = {
                T(test_fields),
                T(test_short_key_id),
                T(test_nobody),
                T(test_limit_of_each),
                T(test_count_at_the_end),
                T(test_limit_of_all),
                T(test_strangers),
                T(test_strangers_have_a_share_of_their_own),
                T(test_each_record_names_its_own),
                T(test_ring),
                T(test_numbers_grow_across_a_lock),
                T(test_odd_texts),
                T(test_watch),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
