/* test-role-rules.c - the pure rules about roles: when they are bought again, how their sessions are named, and
 * what makes them another role. */
#include "common/clock.h"
#include "common/macros.h"
#include "daemon/front/lease.h"
#include "daemon/front/profiles.h"
#include "daemon/front/role_mark.h"
#include "daemon/front/role_names.h"
#include "daemon/front/role_times.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void test_refresh_due(void **state _unused_) {
        static const struct {
                uint64_t life_sec, lead_sec;
        } rows[] = {
                {900, 450}, {3600, 1800}, {3599, 1799}, {3601, 1800}, {7200, 1800}, {43200, 1800},
        };
        bool differs = false;

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                struct lease l = {.bought_boot_usec = 77 * USEC_PER_SEC};
                uint64_t first = 0, lead = rows[i].lead_sec * USEC_PER_SEC;

                l.ends_boot_usec = l.bought_boot_usec + rows[i].life_sec * USEC_PER_SEC;
                for (unsigned k = 0; k < 50; k++) {
                        uint64_t due = role_refresh_due_usec(&l);

                        assert_in_range(l.ends_boot_usec - due, lead,
                                        lead + lead / 10 + USEC_PER_SEC);
                        if (k == 0)
                                first = due;
                        differs = differs || due != first;
                }
        }
        assert_true(differs);
}

static void test_retry(void **state _unused_) {
        assert_in_range(role_retry_due_usec(USEC_PER_SEC), USEC_PER_SEC, 2 * USEC_PER_SEC);
}

static void test_session_names(void **state _unused_) {
        static const struct {
                const char *user, *host, *name;
        } rows[] = {
                {"alice", "box", "mfad-alice-box"},
                {"alice", "box.example.com", "mfad-alice-box"},
                {"a b/c$\xc3\xa4", "h:o st", "mfad-abc-host"},
                {"", "", "mfad--"},
                {"a@b.c+d=e,f_g-h", "x", "mfad-a@b.c+d=e,f_g-h-x"},
                {"0123456789012345678901234567890123456789",
                 "01234567890123456789012345678901234567",
                 "mfad-0123456789012345678901234567890-012345678901234567890123456"},
        };
        char own[ROLE_SESSION_NAME_MAX + 1];

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                char name[ROLE_SESSION_NAME_MAX + 1];

                role_session_name_from(rows[i].user, rows[i].host, name);
                assert_string_equal(name, rows[i].name);
                assert_true(text_is_role_session_name(name));
        }
        role_session_name(own);
        assert_true(text_is_role_session_name(own));
}

/* Each of these alone makes it another role. */
static void assert_another_mark(const struct profile_view *view, const struct role_mark *mark) {
        struct role_mark other;

        assert_int_equal(role_mark_make(view, &other), 0);
        assert_memory_not_equal(mark, &other, sizeof(*mark));
}

static void test_marks(void **state _unused_) {
        struct profile_view v = {.session = "s", .key = "k", .source = ""}, w;
        struct role_mark mark, other;
        struct {
                const char **text;
        } texts[] = {
                {&w.source},
                {&w.profile.where.region},
                {&w.profile.where.sts_url},
                {&w.profile.ca_bundle},
                {&w.profile.proxy},
                {&w.profile.role_arn},
                {&w.profile.external_id},
                {&w.profile.role_session_name},
                {&w.profile.source_identity},
                {&w.profile.session_policy},
                {&w.profile.policy_arns},
                {&w.profile.session_tags},
                {&w.profile.transitive_tags},
        };
        bool *const flags[] = {&w.profile.where.use_fips, &w.profile.where.use_dualstack,
                               &w.profile.where.use_global};
        char *const names[] = {w.session, w.key};

        v.profile = (struct aws_profile){.where = aws_nowhere,
                                         .ca_bundle = "",
                                         .proxy = "",
                                         .role_arn = "",
                                         .external_id = "",
                                         .role_session_name = "",
                                         .source_identity = "",
                                         .session_policy = "",
                                         .policy_arns = "",
                                         .session_tags = "",
                                         .transitive_tags = ""};
        w = v;
        assert_int_equal(role_mark_make(&v, &mark), 0);
        assert_int_equal(role_mark_make(&w, &other), 0);
        assert_memory_equal(&mark, &other, sizeof(mark));
        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                w = v;
                *texts[i].text = "x";
                assert_another_mark(&w, &mark);
        }
        w = v;
        w.profile.duration_sec = 900;
        assert_another_mark(&w, &mark);
        for (size_t i = 0; i < ELEMENTSOF(flags); i++) {
                w = v;
                *flags[i] = true;
                assert_another_mark(&w, &mark);
        }
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                w = v;
                strcpy(names[i], "t");
                assert_another_mark(&w, &mark);
        }
}

static void test_accounts(void **state _unused_) {
        static const struct {
                const char *arn, *account;
        } rows[] = {
                {"arn:aws:iam::123456789012:mfa/alice", "123456789012"},
                {"arn:aws-cn:sts::210987654321:assumed-role/x/y", "210987654321"},
                {"arn:aws:iam::12345678901:role/x", ""},
                {"arn:aws:iam::1234567890123:role/x", ""},
                {"arn:aws:iam:::role/x", ""},
                {"GAHT12345678", ""},
                {"arn:aws", ""},
                {"", ""},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                char account[ACCOUNT_LEN + 1];

                assert_int_equal(lease_read_account(rows[i].arn, account),
                                 *rows[i].account != '\0');
                assert_string_equal(account, rows[i].account);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_refresh_due),   cmocka_unit_test(test_retry),
                cmocka_unit_test(test_session_names), cmocka_unit_test(test_marks),
                cmocka_unit_test(test_accounts),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
