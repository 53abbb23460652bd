#include "client/errors.h"
#include "common/macros.h"
#include "common/varlink_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Does the text @interface's description have an "error @name ("? */
static bool is_described(const char *text, const char *name) {
        char line[128];

        (void)snprintf(line, sizeof(line), "\nerror %s (", name);
        return strstr(text, line);
}

/* Every "error NAME (" of the interface's text stands in the table. Returns how many there are. */
static size_t check_interface(const char *text, const char *interface) {
        size_t n = 0;

        for (const char *p = strstr(text, "\nerror "); p; p = strstr(p + 1, "\nerror ")) {
                char name[64], full[128];

                assert_int_equal(sscanf(p, "\nerror %63[A-Za-z]", name), 1);
                (void)snprintf(full, sizeof(full), "%s.%s", interface, name);
                if (!errors_find(full))
                        fail_msg("%s is not in the table", full);
                n++;
        }
        return n;
}

static void test_table_is_complete(void **state) {
        (void)state;
        assert_true(check_interface(varlink_text_org_mfad_Control, "org.mfad.Control") > 20);
        assert_true(check_interface(varlink_text_org_mfad_Vault, "org.mfad.Vault") > 10);
}

/* And nothing else does: an error that is gone must leave the table too. */
static void test_table_has_no_more(void **state) {
        static const char control[] = "org.mfad.Control.", vault[] = "org.mfad.Vault.";

        (void)state;
        assert_true(errors_n() > 30);
        for (size_t i = 0; i < errors_n(); i++) {
                const char *error = errors_at(i)->error;

                assert_ptr_equal(errors_find(error), errors_at(i)); /* no name stands twice */
                if (strncmp(error, control, strlen(control)) == 0)
                        assert_true(is_described(varlink_text_org_mfad_Control,
                                                 error + strlen(control)));
                else if (strncmp(error, vault, strlen(vault)) == 0)
                        assert_true(
                                is_described(varlink_text_org_mfad_Vault, error + strlen(vault)));
                else
                        assert_memory_equal(error, "org.varlink.service.", 20);
        }
        assert_null(errors_at(errors_n()));
}

static void test_worst(void **state) {
        static const enum exit_code order[] = {
                EXIT_CODE_OK,           EXIT_CODE_BUSY,  EXIT_CODE_LOCKED,
                EXIT_CODE_CODE_REFUSED, EXIT_CODE_AWS,   EXIT_CODE_FAILURE,
                EXIT_CODE_VAULT,        EXIT_CODE_USAGE, EXIT_CODE_NOT_RUNNING,
        };

        (void)state;
        for (size_t a = 0; a < ELEMENTSOF(order); a++)
                for (size_t b = 0; b < ELEMENTSOF(order); b++)
                        assert_int_equal(errors_worse(order[a], order[b]), order[a > b ? a : b]);
}

static void test_codes(void **state) {
        static const struct {
                const char *error;
                enum exit_code code;
        } cases[] = {
                {"org.mfad.Control.Locked", EXIT_CODE_LOCKED},
                {"org.mfad.Control.Sealed", EXIT_CODE_LOCKED},
                {"org.mfad.Vault.Sealed", EXIT_CODE_LOCKED},
                {"org.mfad.Control.WrongCode", EXIT_CODE_CODE_REFUSED},
                {"org.mfad.Control.CodeUsed", EXIT_CODE_CODE_REFUSED},
                {"org.mfad.Control.Busy", EXIT_CODE_BUSY},
                {"org.mfad.Control.MustWait", EXIT_CODE_BUSY},
                {"org.mfad.Control.Throttled", EXIT_CODE_AWS},
                {"org.mfad.Control.Unreachable", EXIT_CODE_AWS},
                {"org.mfad.Control.Denied", EXIT_CODE_AWS},
                {"org.mfad.Control.KeyRefused", EXIT_CODE_AWS},
                {"org.mfad.Control.TemporaryKey", EXIT_CODE_AWS},
                {"org.mfad.Control.ClockWrong", EXIT_CODE_AWS},
                {"org.mfad.Control.WrongSerial", EXIT_CODE_AWS},
                {"org.mfad.Control.OutcomeUnknown", EXIT_CODE_AWS},
                {"org.mfad.Control.BadAnswer", EXIT_CODE_AWS},
                {"org.mfad.Control.Expired", EXIT_CODE_LOCKED},
                {"org.mfad.Control.WrongSecret", EXIT_CODE_AWS},
                {"org.mfad.Control.Duration", EXIT_CODE_AWS},
                {"org.mfad.Control.RegionDisabled", EXIT_CODE_AWS},
                {"org.mfad.Control.BadPolicy", EXIT_CODE_AWS},
                {"org.mfad.Control.ServerError", EXIT_CODE_AWS},
                {"org.mfad.Control.UnusableProfile", EXIT_CODE_FAILURE},
                {"org.mfad.Control.NotARole", EXIT_CODE_FAILURE},
                {"org.mfad.Control.NoVault", EXIT_CODE_VAULT},
                {"org.mfad.Vault.CannotOpen", EXIT_CODE_VAULT},
                {"org.mfad.Vault.Rollback", EXIT_CODE_VAULT},
                {"org.mfad.Vault.CannotWrite", EXIT_CODE_VAULT},
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const struct errors_entry *entry = errors_find(cases[i].error);

                assert_non_null(entry);
                assert_int_equal(entry->code, cases[i].code);
        }
        assert_null(errors_find("org.mfad.Control.NoSuchThing"));
        assert_null(errors_find(""));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_table_is_complete),
                cmocka_unit_test(test_table_has_no_more),
                cmocka_unit_test(test_worst),
                cmocka_unit_test(test_codes),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
