/* test-persist-trouble.c - a file of sessions that cannot be written, a sleep since it was, and an mfad-signer that is
 * not ready when it is asked for the key. */
#include "tests/unit/persist-world.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static void test_a_failed_write_is_repeated(void **state _unused_) {
        int64_t since;

        tell(VAULT_OPEN);
        answer();
        assert_int_equal(mkdirat(dir_fd, PERSIST_FILE_NAME, 0700), 0); /* nothing takes its place */
        hold("work", "ASIAONE", 12 * HOUR);
        assert_int_equal(persist_problem(persist, &since), -EISDIR);
        assert_int_equal(since, WALL);
        clock_advance(5 * USEC_PER_SEC);
        persist_role_changed(persist);
        run_events();
        assert_int_equal(persist_problem(persist, &since), -EISDIR);
        assert_int_equal(since, WALL);

        assert_int_equal(unlinkat(dir_fd, PERSIST_FILE_NAME, AT_REMOVEDIR), 0);
        clock_advance(PERSIST_AGAIN_SEC * USEC_PER_SEC);
        hold("home", "ASIAHOME", 12 * HOUR); /* what is urgent does not wait for the next try */
        assert_int_equal(persist_problem(persist, &since), 0);
        assert_true(has_file());
}

static void test_a_failed_write_is_repeated_at_the_end(void **state _unused_) {
        tell(VAULT_OPEN);
        answer();
        assert_int_equal(mkdirat(dir_fd, PERSIST_FILE_NAME, 0700), 0);
        hold("work", "ASIAONE", 12 * HOUR);
        assert_int_equal(unlinkat(dir_fd, PERSIST_FILE_NAME, AT_REMOVEDIR), 0);
        end();
        assert_true(has_file());
        begin();
}

/* Begins anew after the machine has slept, with an open vault. */
static void begin_after_sleep(bool lock_on_suspend, uint64_t usec) {
        held();
        end();
        config.lock_on_suspend = lock_on_suspend;
        clock_sleep(usec);
        begin();
        signer.vault = VAULT_OPEN;
        answer();
        answer();
}

static void test_a_sleep_that_should_have_locked(void **state _unused_) {
        begin_after_sleep(/* lock_on_suspend= */ true, 2 * USEC_PER_SEC);
        assert_string_equal(id_of("work"), "");
        assert_false(has_file());
        assert_int_equal(signer.n_wrap, 2); /* from now on with a key of our own */
}

static void test_a_sleep_that_locks_nothing(void **state _unused_) {
        begin_after_sleep(/* lock_on_suspend= */ false, 3600 * USEC_PER_SEC);
        assert_string_equal(id_of("work"), "ASIAONE");
}

static void test_no_sleep(void **state _unused_) {
        begin_after_sleep(/* lock_on_suspend= */ true, 100 * USEC_PER_MSEC);
        assert_string_equal(id_of("work"), "ASIAONE");
}

static unsigned n_restored, n_back;

static void on_restored(bool is_back, void *userdata _unused_) {
        assert_false(persist_is_restoring(persist));
        n_restored++;
        n_back += is_back;
}

static void begin_watched(void) {
        n_restored = n_back = 0;
        held();
        end();
        begin();
        persist_watch(persist, on_restored, NULL);
}

static void test_whoever_watches_hears_of_the_end(void **state _unused_) {
        begin_watched();
        signer.vault = VAULT_OPEN;
        answer();
        assert_int_equal(n_restored, 0);
        answer();
        assert_int_equal(n_restored, 1);
        assert_int_equal(n_back, 1);
}

static void test_a_sealed_vault_ends_it_too(void **state _unused_) {
        begin_watched();
        signer.vault = VAULT_SEALED;
        answer();
        assert_int_equal(n_restored, 1);
        assert_int_equal(n_back, 0);
}

/* It is asked again, but not for ever. */
static void test_a_signer_that_starts_afresh(void **state _unused_) {
        begin_watched();
        signer.r = -ECONNRESET;
        for (unsigned i = 0; i < 3; i++) {
                answer();
                assert_true(persist_is_restoring(persist));
        }
        signer.r = 0;
        signer.vault = VAULT_OPEN;
        answer();
        signer.r = -ECONNRESET; /* UNWRAP */
        answer();
        assert_true(persist_is_restoring(persist));
        assert_int_equal(n_restored, 0);
        clock_advance(PERSIST_RESTORE_SEC * USEC_PER_SEC);
        answer();
        assert_int_equal(n_restored, 1);
        assert_false(persist_is_restoring(persist));
}

static void test_a_signer_that_is_not_there_or_hangs(void **state _unused_) {
        static const int errors[] = {-ECONNREFUSED, -ENOENT, -ETIMEDOUT};

        for (size_t i = 0; i < ELEMENTSOF(errors); i++) {
                begin_watched();
                signer.r = errors[i];
                answer();
                assert_int_equal(n_restored, 1);
                assert_false(persist_is_restoring(persist));
                end();
                signer.r = 0;
                (void)unlinkat(dir_fd, PERSIST_FILE_NAME, 0);
                begin();
        }
}

static void test_a_role_without_room_costs_nothing_else(void **state _unused_) {
        keeps_role = true;
        held();
        end();
        begin();
        signer.vault = VAULT_OPEN;
        answer();
        answer();
        assert_string_equal(id_of("work"), "ASIAONE");
        assert_true(has_file());
}

/* That says nothing about the file. */
static void test_no_descriptor_left_for_a_moment(void **state _unused_) {
        struct rlimit usual, none;

        clock_freeze(USEC_PER_SEC,
                     WALL); /* the timer is due by the kernel's clock, which is ahead */
        held();
        end();
        begin();
        signer.vault = VAULT_OPEN;
        answer();
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &usual), 0);
        none = usual;
        none.rlim_cur = 0;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
        answer();
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &usual), 0);
        assert_string_equal(id_of("work"), "");
        assert_true(has_file());
        run_events(); /* by itself: mfad-signer has no news */
        answer();
        answer();
        assert_string_equal(id_of("work"), "ASIAONE");
}

#define WORLD(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                WORLD(test_a_failed_write_is_repeated),
                WORLD(test_a_failed_write_is_repeated_at_the_end),
                WORLD(test_a_sleep_that_should_have_locked),
                WORLD(test_a_sleep_that_locks_nothing),
                WORLD(test_no_sleep),
                WORLD(test_whoever_watches_hears_of_the_end),
                WORLD(test_a_sealed_vault_ends_it_too),
                WORLD(test_a_signer_that_starts_afresh),
                WORLD(test_a_signer_that_is_not_there_or_hangs),
                WORLD(test_a_role_without_room_costs_nothing_else),
                WORLD(test_no_descriptor_left_for_a_moment),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
