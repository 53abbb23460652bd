/* test-role-kept.c - roles taken out of one process and put into the next: kept, planned, or dropped. */
#include "common/creds.h"
#include "common/secret.h"
#include "daemon/front/role_kept.h"
#include "tests/unit/roles-world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static struct role_kept kept;
static char *kept_name;

/* The role @name as the process before held it, and a new process: nothing but the profiles is the same. */
static void begin_anew(const char *name) {
        struct role_kept lent;
        struct creds *c;

        (void)bought(name);
        assert_true(role_kept_get(roles, 0, &lent));
        assert_string_equal(lent.name, name);
        kept = lent;
        kept_name = strdup(name);
        kept.name = kept_name;
        assert_int_equal(creds_new(&c), 0);
        strcpy(c->access_key_id, "ASIAKEPT");
        assert_int_equal(secret_copy("secret", 6, &c->secret_key), 0);
        assert_int_equal(secret_copy("token", 5, &c->session_token), 0);
        kept.lease.creds = c;
        kept.lease.role_arn = strdup(lent.lease.role_arn);
        assert_int_equal(world_tear_down(NULL), 0);
        assert_int_equal(world_set_up(NULL), 0);
        n_asked = n_changes = 0;
}

static int tear_down(void **state) {
        lease_clear(&kept.lease);
        free(kept_name);
        kept_name = NULL;
        kept = (struct role_kept){0};
        return world_tear_down(state);
}

static void put(void) {
        assert_int_equal(role_kept_put(roles, &kept), 0);
        roles_config_changed(roles);
}

static void test_kept_and_served(void **state _unused_) {
        begin_anew("a");
        put();
        assert_null(kept.lease.creds); /* taken */
        assert_int_equal(roles_n_held(roles), 1);
        assert_string_equal(lease_creds(role_lease(ask("a")))->access_key_id, "ASIAKEPT");
        assert_int_equal(n_asked, 0);
}

static void test_refreshed_when_due(void **state _unused_) {
        begin_anew("a");
        put();
        advance(31 * MINUTE);
        assert_int_equal(n_asked, 1);
        assert_int_equal(answer_calls(FAILURE_NONE), 1);
        assert_string_equal(lease_creds(role_lease(ask("a")))->access_key_id, "ASIAEXAMPLE");
}

/* Its time came while nobody ran. */
static void test_refreshed_at_once(void **state _unused_) {
        begin_anew("a");
        clock_advance(50 * MINUTE * USEC_PER_SEC);
        put();
        roles_check_time(roles);
        assert_int_equal(n_asked, 1);
        assert_int_equal(roles_n_held(roles), 1); /* served meanwhile */
}

static void test_only_a_source_is_not_refreshed(void **state _unused_) {
        begin_anew("a");
        kept.is_asked_for = false;
        put();
        advance(50 * MINUTE);
        assert_int_equal(n_asked, 0);
}

static void test_changed_profile(void **state _unused_) {
        begin_anew("a");
        changed_role_arn = "arn:aws:iam::123456789012:role/other";
        put();
        assert_int_equal(roles_n_held(roles), 0);
        (void)ask("a");
        assert_int_equal(n_asked, 1);
        assert_string_equal(asked_first, changed_role_arn);
}

static void test_removed_profile(void **state _unused_) {
        begin_anew("a");
        is_removed = true;
        put();
        assert_null(roles_find(roles, "a"));
}

static void test_what_is_there_is_newer(void **state _unused_) {
        begin_anew("a");
        (void)bought("a");
        put();
        assert_non_null(kept.lease.creds); /* not taken */
        assert_string_equal(lease_creds(role_lease(ask("a")))->access_key_id, "ASIAEXAMPLE");
}

static void test_forgotten_after_a_day(void **state _unused_) {
        begin_anew("a");
        kept.lease.ends_boot_usec += 36 * HOUR * USEC_PER_SEC;
        clock_advance((ROLES_FORGET_SEC - 10) * USEC_PER_SEC);
        put();
        assert_int_equal(roles_n_held(roles), 1);
        advance(20);
        assert_null(roles_find(roles, "a")); /* counted from the last request, not from the start */
}

#undef WORLD
#define WORLD(f) cmocka_unit_test_setup_teardown(f, world_set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                WORLD(test_kept_and_served),        WORLD(test_refreshed_when_due),
                WORLD(test_refreshed_at_once),      WORLD(test_only_a_source_is_not_refreshed),
                WORLD(test_changed_profile),        WORLD(test_removed_profile),
                WORLD(test_what_is_there_is_newer), WORLD(test_forgotten_after_a_day),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
