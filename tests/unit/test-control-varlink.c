/* test-control-varlink.c - the methods of mfad are those of the installed interface. */
#include "common/macros.h"
#include "common/varlink_text.h"
#include "daemon/front/control_methods.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "varlink-check.h"

static void test_interface(void **state _unused_) {
        const struct varlink_interface interface = {.name = "org.mfad.Control",
                                                    .description = varlink_text_org_mfad_Control,
                                                    .product = "mfad",
                                                    .methods = control_methods};

        varlink_check_interface(&interface);
}

static void test_lock_is_the_urgent_one(void **state _unused_) {
        for (const struct varlink_method *m = control_methods; m->name; m++) {
                assert_int_equal(m->is_urgent, strcmp(m->name, "Lock") == 0);
                assert_int_equal(m->takes_more, strcmp(m->name, "GetStatus") == 0 ||
                                                        strcmp(m->name, "GetLog") == 0);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_interface),
                cmocka_unit_test(test_lock_is_the_urgent_one),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
