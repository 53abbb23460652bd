#include "client/duration.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

static void test_parse(void **state) {
        static const struct {
                const char *text;
                int r;
                uint32_t sec;
        } cases[] = {
                {"15m", 0, 900},
                {"900", 0, 900},
                {"900s", 0, 900},
                {"3600", 0, 3600},
                {"12h", 0, 43200},
                {"36h", 0, 129600},
                {"129600", 0, 129600},
                {"0012h", 0, 43200},
                {"14m", -ERANGE, 0},
                {"899", -ERANGE, 0},
                {"37h", -ERANGE, 0},
                {"129601", -ERANGE, 0},
                {"12", -ERANGE, 0},
                {"0", -ERANGE, 0},
                {"99999999999999999999h", -ERANGE, 0},
                {"999999999h", -ERANGE, 0},
                {"", -EINVAL, 0},
                {"h", -EINVAL, 0},
                {"soon", -EINVAL, 0},
                {"-1h", -EINVAL, 0},
                {"+1h", -EINVAL, 0},
                {" 1h", -EINVAL, 0},
                {"1h ", -EINVAL, 0},
                {"1.5h", -EINVAL, 0},
                {"1h30m", -EINVAL, 0},
                {"1d", -EINVAL, 0},
                {"12H", -EINVAL, 0},
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                uint32_t sec = 7;

                assert_int_equal(duration_parse(cases[i].text, &sec), cases[i].r);
                assert_int_equal(sec, cases[i].r == 0 ? cases[i].sec : 7);
        }
}

static void test_words(void **state) {
        static const struct {
                int64_t sec;
                const char *words;
        } cases[] = {
                {-5, "0 s"},           {0, "0 s"},
                {59, "59 s"},          {60, "1 min"},
                {3599, "59 min"},      {3600, "1 h 0 min"},
                {43200, "12 h 0 min"}, {129599, "35 h 59 min"},
        };
        char words[DURATION_TEXT_MAX];

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                duration_words(cases[i].sec, words);
                assert_string_equal(words, cases[i].words);
        }
}

static void test_clock(void **state) {
        const int64_t noon = 1795348800; /* 2026-11-22T12:00:00Z, a Sunday */
        char clock[DURATION_TEXT_MAX];

        (void)state;
        assert_int_equal(setenv("TZ", "UTC", 1), 0);
        tzset();
        duration_clock(noon + 6 * 3600 + 20 * 60, noon, clock);
        assert_string_equal(clock, "18:20");
        duration_clock(noon + 13 * 3600, noon, clock);
        assert_string_equal(clock, "Mon 23 Nov 01:00");
        duration_clock(noon - 365 * 86400, noon, clock);
        assert_string_equal(clock, "Sat 22 Nov 12:00");
        /* the same two instants fall on one day further west */
        assert_int_equal(setenv("TZ", "XXX5", 1), 0);
        tzset();
        duration_clock(noon + 13 * 3600, noon, clock);
        assert_string_equal(clock, "20:00");
        duration_clock(INT64_MAX, noon, clock);
        assert_string_equal(clock, "");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_parse),
                cmocka_unit_test(test_words),
                cmocka_unit_test(test_clock),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
