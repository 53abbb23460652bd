/* test-persist.c - when the file of sessions is written, read and removed, with mfad-signer and the roles in our
 * hands; and sessions_restore(), with the real sessions. */
#include "tests/unit/persist-world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void test_written_at_once_when_the_key_is_wrapped(void **state _unused_) {
        tell(VAULT_OPEN);
        assert_int_equal(signer.n_wrap, 1);
        answer();
        assert_false(has_file()); /* there is nothing to be lost */
        hold("work", "ASIAONE", 12 * HOUR);
        assert_true(has_file());
}

static void test_written_when_the_wrapped_key_comes(void **state _unused_) {
        tell(VAULT_OPEN);
        hold("work", "ASIAONE", 12 * HOUR);
        assert_false(has_file());
        answer();
        assert_true(has_file());
}

static void test_never_written_without_a_wrapped_key(void **state _unused_) {
        signer.refusal = SIGNER_REFUSED_INTERNAL;
        tell(VAULT_OPEN);
        answer();
        hold("work", "ASIAONE", 12 * HOUR);
        persist_role_changed(persist);
        clock_advance(5 * USEC_PER_SEC);
        run_events();
        assert_false(has_file());
}

static void test_other_changes_are_written_a_moment_later(void **state _unused_) {
        ino_t before;

        held();
        before = inode();
        n_roles = 250;
        persist_role_changed(persist);
        run_events();
        assert_int_equal(inode(), before);
        end(); /* what waits is written at the end at the latest */
        assert_int_not_equal(inode(), before);
        begin();
}

static void test_comes_back(void **state _unused_) {
        held();
        end();
        begin();
        assert_true(persist_is_restoring(persist)); /* the state of the vault is asked for */
        assert_string_equal(id_of("work"), "");
        signer.vault = VAULT_OPEN;
        answer();
        assert_int_equal(signer.n_unwrap, 1);
        assert_true(persist_is_restoring(persist));
        answer();
        assert_false(persist_is_restoring(persist));
        assert_string_equal(id_of("work"), "ASIAONE");
        assert_int_equal(session_state(sessions_find(sessions, "work")), SESSION_UNLOCKED);
        assert_string_equal(session_mfa_serial(sessions_find(sessions, "work")), SERIAL);
        assert_true(has_file());
}

static void test_waits_for_the_vault(void **state _unused_) {
        held();
        end();
        begin();
        signer.vault = VAULT_SEALED;
        answer();
        assert_false(persist_is_restoring(persist));
        assert_int_equal(signer.n_unwrap, 0);
        persist_role_changed(persist); /* nothing of what is there may be lost meanwhile */
        assert_true(has_file());

        tell(VAULT_OPEN);
        assert_true(persist_is_restoring(persist));
        signer.refusal = SIGNER_REFUSED_SEALED;
        answer();
        assert_false(persist_is_restoring(persist));
        signer.refusal = 0;

        tell(VAULT_OPEN);
        signer.r = -ETIMEDOUT;
        answer();
        assert_false(persist_is_restoring(persist));
        assert_true(has_file());
        signer.r = 0;

        tell(VAULT_OPEN);
        answer();
        assert_string_equal(id_of("work"), "ASIAONE");
}

static void test_alien_file_goes(void **state _unused_) {
        held();
        end();
        begin();
        signer.vault = VAULT_OPEN;
        answer();
        signer.refusal = SIGNER_REFUSED_ALIEN;
        answer();
        assert_false(has_file());
        assert_int_equal(signer.n_wrap, 2); /* from now on with a key of our own */
        signer.refusal = 0;
        answer();
        hold("work", "ASIATWO", 12 * HOUR);
        assert_true(has_file());
}

static void test_what_was_bought_meanwhile_wins(void **state _unused_) {
        held();
        end();
        begin();
        hold("work", "ASIATWO", 12 * HOUR);
        hold("home", "ASIAHOME", 12 * HOUR);
        signer.vault = VAULT_OPEN;
        answer();
        answer();
        assert_string_equal(id_of("work"), "ASIATWO");
        assert_string_equal(id_of("home"), "ASIAHOME");
}

static void test_comes_back_beside_a_code(void **state _unused_) {
        struct failure f;

        held();
        end();
        begin();
        signer.vault = VAULT_OPEN;
        answer();
        give_code();
        assert_int_equal(session_state(sessions_find(sessions, "work")), SESSION_UNLOCKING);
        answer();
        assert_string_equal(id_of("work"), "ASIAONE");
        assert_int_equal(session_state(sessions_find(sessions, "work")), SESSION_UNLOCKED);
        assert_true(session_is_busy(sessions_find(sessions, "work")));
        failure_set(&f, FAILURE_WRONG_CODE, NULL);
        aws.fn(&f, NULL, aws.userdata);
        run_events();
        assert_string_equal(id_of("work"), "ASIAONE");
        assert_int_equal(session_state(sessions_find(sessions, "work")), SESSION_UNLOCKED);
}

static void test_expired_meanwhile(void **state _unused_) {
        held();
        end();
        clock_advance(12 * HOUR * USEC_PER_SEC);
        begin();
        signer.vault = VAULT_OPEN;
        answer();
        answer();
        assert_string_equal(id_of("work"), "");
        assert_true(session_has_expired(sessions_find(sessions, "work")));
        assert_false(has_file());
}

static void test_nearly_over(void **state _unused_) {
        held();
        end();
        clock_advance((12 * HOUR - 25 * 60) * USEC_PER_SEC);
        begin();
        signer.vault = VAULT_OPEN;
        answer();
        answer();
        assert_int_equal(session_state(sessions_find(sessions, "work")), SESSION_EXPIRING);
}

static void test_goes_with_the_last_credentials(void **state _unused_) {
        held();
        n_roles = 1;
        clock_advance(12 * HOUR * USEC_PER_SEC);
        sessions_check_time(sessions);
        assert_true(has_file()); /* the role's are still good */
        n_roles = 0;
        persist_role_changed(persist);
        assert_false(has_file());
}

static void test_forget(void **state _unused_) {
        held();
        persist_role_changed(persist);
        persist_forget(persist);
        assert_false(has_file());
        clock_advance(5 * USEC_PER_SEC);
        run_events();
        assert_false(has_file());

        end();
        assert_false(has_file());
        begin();
        assert_false(persist_is_restoring(persist));
}

static void test_forget_what_waits(void **state _unused_) {
        held();
        end();
        begin();
        signer.vault = VAULT_OPEN;
        answer();
        persist_forget(persist); /* mfad-signer has been asked */
        assert_null(signer.fn);
        assert_false(persist_is_restoring(persist));
        assert_string_equal(id_of("work"), "");
        assert_false(has_file());
}

static void test_news_of_the_vault_wraps_anew(void **state _unused_) {
        ino_t before;

        held();
        before = inode();
        tell(VAULT_OPEN); /* another passphrase, perhaps */
        assert_int_equal(signer.n_wrap, 2);
        answer();
        assert_int_not_equal(inode(), before); /* at once */
        before = inode();
        end();
        begin();
        tell(VAULT_OPEN);
        answer(); /* STATUS */
        answer(); /* UNWRAP: maybe under the passphrase of before */
        assert_string_equal(id_of("work"), "ASIAONE");
        assert_int_equal(signer.n_wrap, 3);
        answer();
        assert_int_not_equal(inode(), before);
        tell(VAULT_SEALED);
        assert_int_equal(signer.n_wrap, 3);
}

#define WORLD(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                WORLD(test_written_at_once_when_the_key_is_wrapped),
                WORLD(test_written_when_the_wrapped_key_comes),
                WORLD(test_never_written_without_a_wrapped_key),
                WORLD(test_other_changes_are_written_a_moment_later),
                WORLD(test_comes_back),
                WORLD(test_waits_for_the_vault),
                WORLD(test_alien_file_goes),
                WORLD(test_what_was_bought_meanwhile_wins),
                WORLD(test_comes_back_beside_a_code),
                WORLD(test_expired_meanwhile),
                WORLD(test_nearly_over),
                WORLD(test_goes_with_the_last_credentials),
                WORLD(test_forget),
                WORLD(test_forget_what_waits),
                WORLD(test_news_of_the_vault_wraps_anew),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
