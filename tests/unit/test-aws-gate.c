/* test-aws-gate.c - one back-off per endpoint, and one call at a time that tries it again. */
#include "common/clock.h"
#include "common/macros.h"
#include "daemon/front/aws_gate.h"
#include "daemon/front/failure.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define A "https://sts.us-east-1.amazonaws.com"
#define B "https://sts.eu-west-1.amazonaws.com"

static struct aws_gate *g;

static int setup(void **state _unused_) {
        clock_freeze(1000 * USEC_PER_SEC, 1800000000);
        return aws_gate_new(&g);
}

static int teardown(void **state _unused_) {
        g = aws_gate_free(g);
        return 0;
}

static void fail_call(const char *url) {
        struct failure f;

        failure_set(&f, FAILURE_UNREACHABLE, url);
        aws_gate_began(g, url);
        aws_gate_failed(g, url, &f);
}

static uint64_t wait_msec(const char *url) {
        uint64_t opens = aws_gate_opens_usec(g, url);

        return opens == 0 ? 0 : (opens - clock_boot_usec()) / USEC_PER_MSEC;
}

static void test_waits_grow(void **state _unused_) {
        static const unsigned sec[] = {1, 2, 4, 8, 16, 30, 30, 30};

        assert_int_equal(wait_msec(A), 0);
        assert_null(aws_gate_failure(g, A));
        for (size_t i = 0; i < ELEMENTSOF(sec); i++) {
                fail_call(A);
                assert_in_range(wait_msec(A), sec[i] * 750 - 1, sec[i] * 1000);
                assert_int_equal(aws_gate_failure(g, A)->reason, FAILURE_UNREACHABLE);
                assert_int_equal(aws_gate_failure(g, A)->since_wall_sec, 1800000000);
                assert_int_equal(wait_msec(B), 0);
                clock_advance(30 * USEC_PER_SEC);
                assert_int_equal(wait_msec(A), 0);
        }
        aws_gate_began(g, A);
        aws_gate_worked(g, A);
        assert_null(aws_gate_failure(g, A));
        fail_call(A);
        assert_in_range(wait_msec(A), 749, 1000); /* from the start again */
}

static void test_one_tries(void **state _unused_) {
        fail_call(A);
        clock_advance(USEC_PER_SEC);
        assert_int_equal(aws_gate_opens_usec(g, A), 0);
        aws_gate_began(g, A);
        assert_true(aws_gate_opens_usec(g, A) == USEC_INFINITY);
        aws_gate_cancelled(g, A);
        assert_int_equal(aws_gate_opens_usec(g, A), 0);
        aws_gate_began(g, B); /* has not failed: any number at once */
        assert_int_equal(aws_gate_opens_usec(g, B), 0);
}

/* Eight calls were under way when the network went: that is one failure, not eight. */
static void test_failures_together_count_once(void **state _unused_) {
        struct failure f;

        failure_set(&f, FAILURE_UNREACHABLE, NULL);
        for (unsigned i = 0; i < 8; i++)
                aws_gate_began(g, A);
        for (unsigned i = 0; i < 8; i++)
                aws_gate_failed(g, A, &f);
        assert_in_range(wait_msec(A), 749, 1000);
}

static void test_more_endpoints_than_places(void **state _unused_) {
        char url[64];

        for (unsigned i = 0; i < AWS_GATE_ROUTES_MAX + 1; i++) {
                (void)snprintf(url, sizeof(url), "https://%u.example.com", i);
                fail_call(url);
                clock_advance(USEC_PER_SEC);
        }
        assert_null(aws_gate_failure(g, "https://0.example.com"));
        assert_non_null(aws_gate_failure(g, "https://1.example.com"));
        assert_non_null(aws_gate_failure(g, url));
}

#define WORLD(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                WORLD(test_waits_grow),
                WORLD(test_one_tries),
                WORLD(test_failures_together_count_once),
                WORLD(test_more_endpoints_than_places),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
