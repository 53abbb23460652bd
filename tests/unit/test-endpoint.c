/* test-endpoint.c - what the HTTP face answers, who is held and for how long, with fakes behind it. */
#include "daemon/front/lease.h"
#include "daemon/front/endpoint.h"
#include "tests/unit/fake-front.h"
#include "tests/unit/http-fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static void test_creds(void **state) {
        _cleanup_(client_freep) struct client *c = NULL;
        struct server *s = *state;

        fake_session_unlock(fake_session_add("default"), 0);
        fake_session_unlock(fake_session_add("other"), 16000);
        ask(s, "/", 200, "\"AccessKeyId\" : \"" FAKE_KEY_ID "\"");
        ask(s, "/profile/default", 200, FAKE_SECRET);
        ask(s, "/profile/other", 200, FAKE_SECRET);

        /* one connection for many, and the profile is not looked up each time */
        fake_n_resolved = 0;
        c = client_new(s);
        for (unsigned i = 0; i < 100; i++) {
                client_get(c, s, "/");
                expect(s, c, 200, FAKE_SECRET);
        }
        assert_true(fake_n_resolved <= 3);
        assert_false(c->is_closed);
}

static void test_excuses(void **state) {
        struct server *s = *state;
        struct session *session;

        ask(s, "/", 403, "\"code\":\"MfadLocked\"");
        ask(s, "/", 403, "mfad: locked. Run: mfactl unlock");
        fake_vault = VAULT_SEALED;
        ask(s, "/", 403, "the vault is sealed. Run: mfactl unlock");
        ask(s, "/profile/unknown", 403, "the vault is sealed");
        ask(s, "/healthz", 200, "{\"state\":\"sealed\"}");
        fake_vault = VAULT_NONE;
        ask(s, "/", 403, "there is no vault yet. Run: mfactl init");
        ask(s, "/profile/unknown", 400, "MfadUnknownProfile");
        fake_vault = VAULT_OPEN;
        ask(s, "/profile/unknown", 400, "MfadUnknownProfile");
        ask(s, "/profile/broken", 400, "goes in a circle: a -> a");
        ask(s, "/profile/broken", 400, "MfadUnusableProfile");
        ask(s, "/profile/def~61ult", 400, "MfadUnknownProfile"); /* not how we spell it */
        ask(s, "/role-arn/nonsense", 400, "MfadUnknownProfile");
        fake_default_profile = NULL;
        ask(s, "/", 400, "default_profile");
        fake_default_profile = "default";

        session = fake_session_add("default");
        session->has_expired = true;
        ask(s, "/", 403, "MfadMfaRequired");
        session->has_failed = true;
        session->failure = (struct failure){.reason = FAILURE_UNREACHABLE,
                                            .at_wall_sec = clock_wall_sec(),
                                            .message = "no way to AWS"};
        ask(s, "/", 400, "mfad: no way to AWS\",\"code\":\"MfadUpstreamUnreachable\"");
        session->failure.reason = FAILURE_WRONG_CODE;
        ask(s, "/", 403, "mfad: no way to AWS");
        session->failure.at_wall_sec -= 3600; /* history */
        ask(s, "/", 403, "MfadMfaRequired");
        ask(s, "/healthz", 200, "{\"state\":\"locked\"}");

        fake_session_unlock(session, 0);
        ask(s, "/", 200, FAKE_SECRET);
        fake_session_lock(session);
        ask(s, "/", 403, "MfadLocked");
}

/* Creds that are held are served, whatever is known about the vault. */
static void test_closed_vault(void **state) {
        struct server *s = *state;

        fake_session_unlock(fake_session_add("unknown-name"), 0);
        fake_vault = VAULT_SEALED;
        fake_default_profile = NULL;
        ask(s, "/profile/unknown-name", 200, FAKE_SECRET);
        ask(s, "/", 200, FAKE_SECRET);
        fake_is_connected = false;
        ask(s, "/", 200, FAKE_SECRET);
        fake_session_unlock(fake_session_add("second"), 0);
        ask(s, "/", 400, "MfadUnknownProfile"); /* which one? */
        fake_is_connected = true;
        fake_vault = VAULT_OPEN; /* now it is known that the key is gone */
        ask(s, "/profile/unknown-name", 400, "MfadUnknownProfile");
}

static void test_held_then_unlocked(void **state) {
        _cleanup_(client_freep) struct client *a = NULL, *b = NULL, *other = NULL;
        struct server *s = *state;
        struct session *session = fake_session_add("default");
        struct session *second = fake_session_add("second");

        session->is_busy = second->is_busy = true;
        session->state = SESSION_UNLOCKING;
        a = client_new(s);
        b = client_new(s);
        other = client_new(s);
        client_get(a, s, "/");
        client_get(b, s, "/profile/default");
        client_get(other, s, "/profile/second");
        run_for(s, 200);
        client_take(a);
        assert_int_equal(a->len, 0);
        fake_session_changed(session); /* still busy: nothing to tell */
        run_for(s, 50);
        client_take(a);
        assert_int_equal(a->len, 0);

        fake_session_unlock(session, 0);
        expect(s, a, 200, FAKE_SECRET);
        expect(s, b, 200, FAKE_SECRET);
        client_take(other);
        assert_int_equal(other->len, 0);
        expect(s, other, 503, "MfadPending");

        client_get(a, s, "/"); /* and the connection is as good as before */
        expect(s, a, 200, FAKE_SECRET);
}

static void test_held_in_vain(void **state) {
        _cleanup_(client_freep) struct client *c = NULL, *gone = NULL;
        struct server *s = *state;
        struct session *session = fake_session_add("default");
        uint64_t begin, took;

        session->is_busy = true;
        c = client_new(s);
        gone = client_new(s);
        client_get(c, s, "/");
        client_get(gone, s, "/");
        begin = clock_boot_usec();
        run_for(s, 100);
        gone = client_free(gone); /* leaves while held */
        expect(s, c, 503, "MfadPending");
        took = (clock_boot_usec() - begin) / USEC_PER_MSEC;
        assert_in_range(took, ENDPOINT_HOLD_MSEC, ENDPOINT_HOLD_MSEC + SOON_MSEC);

        session->is_busy = false;
        session->has_failed = true;
        session->failure = (struct failure){
                .reason = FAILURE_WRONG_CODE, .at_wall_sec = clock_wall_sec(), .message = "no"};
        fake_session_changed(session);
        ask(s, "/", 403, "mfad: no");
}

/* What was unlocked before a restart. */
static void test_held_while_restoring(void **state) {
        _cleanup_(client_freep) struct client *a = NULL, *b = NULL;
        struct server *s = *state;

        fake_is_restoring = true;
        fake_is_connected = false;
        fake_default_profile = NULL; /* which keys there are is not yet known */
        a = client_new(s);
        b = client_new(s);
        client_get(a, s, "/");
        client_get(b, s, "/profile/role");
        run_for(s, 100);
        client_take(a);
        assert_int_equal(a->len, 0);
        fake_is_restoring = false;
        fake_is_connected = true;
        fake_default_profile = "default";
        fake_session_unlock(fake_session_add("default"), 0);
        endpoint_restored(s->endpoint);
        expect(s, a, 200, FAKE_SECRET);
        expect(s, b, 403, "MfadLocked"); /* nothing came back for this one */
}

static void test_restoring_in_vain(void **state) {
        struct server *s = *state;
        uint64_t begin = clock_boot_usec(), took;

        fake_is_restoring = true;
        ask(s, "/", 503, "MfadPending");
        took = (clock_boot_usec() - begin) / USEC_PER_MSEC;
        assert_in_range(took, ENDPOINT_HOLD_MSEC, ENDPOINT_HOLD_MSEC + SOON_MSEC);
        fake_is_restoring = false;
        ask(s, "/", 403, "MfadLocked");
}

static void test_role(void **state) {
        _cleanup_(client_freep) struct client *c = NULL;
        struct server *s = *state;

        /* a code is needed first: what the session says */
        ask(s, "/profile/role", 403, "locked. Run: mfactl unlock");
        fake_session_unlock(fake_session_add("default"), 0);
        fake_role.failure = &(struct failure){.reason = FAILURE_DENIED, .message = "AWS says no"};
        ask(s, "/profile/role", 403, "mfad: AWS says no");
        fake_role.failure = NULL;
        fake_role.is_wanted = true; /* it is being bought */
        ask(s, "/role-arn/arn:aws:iam::123456789012:role/a/b", 503, "MfadPending");
        ask(s, "/profile/role", 503, "a call to AWS is under way, try again in a moment");
        c = client_new(s);
        client_get(c, s, "/profile/role~20x");
        run_for(s, 100);
        client_take(c);
        assert_int_equal(c->len, 0);

        fake_role.is_wanted = false;
        fake_lease_fill(&fake_role.lease, 0);
        assert_int_equal(lease_set_role(&fake_role.lease, "arn:aws:iam::123456789012:role/x"), 0);
        fake_role_changed();
        expect(s, c, 200, "\"RoleArn\" : \"arn:aws:iam::123456789012:role/x\"");
        fake_n_asked = 0;
        for (unsigned i = 0; i < 100; i++) {
                client_get(c, s, "/profile/role~20x");
                expect(s, c, 200, FAKE_SECRET);
        }
        assert_true(fake_n_asked <= 3);
        lease_end(&fake_role.lease);
        fake_role_changed(); /* what was ready is not served any more */
        ask(s, "/profile/role~20x", 403, "MfadLocked");
}

/* A name that reads like the spelling of another one is not taken for it. */
static void test_spelling(void **state) {
        struct server *s = *state;

        fake_session_unlock(fake_session_add("a~20b"), 0);
        ask(s, "/profile/a~7E20b", 200, FAKE_SECRET);
        ask(s, "/profile/a~20b", 403, "MfadLocked"); /* that is "a b" */
        fake_session_unlock(fake_session_add("team/dev"), 0);
        ask(s, "/profile/team~2Fdev", 200, FAKE_SECRET);
        ask(s, "/profile/team/dev", 200, FAKE_SECRET);
}

static void test_bad_tokens(void **state) {
        static const char wrong[] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        _cleanup_(client_freep) struct client *c = NULL;
        struct server *s = *state;
        uint64_t begin;

        fake_session_unlock(fake_session_add("default"), 0);
        c = client_new(s);
        begin = clock_boot_usec();
        for (unsigned i = 0; i < ENDPOINT_BAD_TOKENS_MAX; i++) {
                client_get_with(c, s, "/", wrong);
                expect(s, c, 403, "MfadBadToken");
        }
        assert_true(clock_boot_usec() - begin < ENDPOINT_BAD_TOKENS_MAX * 100 * USEC_PER_MSEC / 2);

        begin = clock_boot_usec();
        client_get_with(c, s, "/", wrong);
        expect(s, c, 403, "MfadBadToken");
        assert_true(clock_boot_usec() - begin >= ENDPOINT_BAD_TOKEN_MSEC * USEC_PER_MSEC);

        client_get(c, s, "/"); /* a good one is not delayed */
        expect(s, c, 200, FAKE_SECRET);
}

/* The value after @name in the one answer of a new connection, up to the line's end. */
static void get_value(struct server *s, const char *name, char *ret, size_t size) {
        _cleanup_(client_freep) struct client *c = client_new(s);
        const char *value;

        client_get(c, s, "/");
        assert_true(run_until_answer(s, c, SOON_MSEC));
        value = strstr(c->answer, name);
        assert_non_null(value);
        assert_null(strstr(value + 1, name));
        value += strlen(name);
        (void)snprintf(ret, size, "%.*s", (int)strcspn(value, "\r\n"), value);
}

/* What SDKs compare with their own clock, which somebody has just set. */
static void test_clock_is_set(void **state) {
        struct server *s = *state;
        struct session *session = fake_session_add("default");
        char before[64], after[64];

        fake_session_unlock(session, 0);
        get_value(s, "\"Expiration\" : ", before, sizeof(before));
        /* as if the wall clock had been set two hours ahead */
        session->lease.ends_boot_usec += 7200 * USEC_PER_SEC;
        run_for(s, 1100);
        get_value(s, "\"Expiration\" : ", after, sizeof(after));
        assert_string_not_equal(before, after);
}

/* RFC 9110 section 6.6.1: the time at which the answer was made, not at which its body was. */
static void test_date(void **state) {
        struct server *s = *state;
        char before[64], after[64], expected[64];
        time_t now;

        fake_session_unlock(fake_session_add("default"), 0);
        get_value(s, "\r\nDate: ", before, sizeof(before));
        run_for(s, 2100);
        get_value(s, "\r\nDate: ", after, sizeof(after));
        assert_string_not_equal(before, after);
        for (now = time(NULL) - 2; now <= time(NULL); now++) {
                (void)strftime(expected, sizeof(expected), "%a, %d %b %Y %H:%M:%S GMT",
                               gmtime(&now));
                if (strcmp(after, expected) == 0)
                        return;
        }
        fail_msg("'%s' is not now", after);
}

int main(void) {
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(test_creds),
                TEST(test_excuses),
                TEST(test_closed_vault),
                TEST(test_held_then_unlocked),
                TEST(test_held_in_vain),
                TEST(test_held_while_restoring),
                TEST(test_restoring_in_vain),
                TEST(test_bad_tokens),
                TEST(test_clock_is_set),
                TEST(test_date),
                TEST(test_role),
                TEST(test_spelling),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
