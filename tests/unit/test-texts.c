/* test-texts.c - texts stay where they are, and each name has one place.
 * Owns:  nothing.
 * Calls: texts.h.
 * Limit: none. */
#include "common/macros.h"
#include "common/texts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define MANY ((size_t)5000)

static void test_texts(void **state) {
        static char big[3 * TEXTS_CHUNK_LEN];
        static const size_t lens[] = {
                0, 1, TEXTS_CHUNK_LEN - 1, TEXTS_CHUNK_LEN, TEXTS_CHUNK_LEN + 1, sizeof(big)};
        struct texts t = {0};
        const char *kept[ELEMENTSOF(lens)];

        (void)state;
        memset(big, 'x', sizeof(big));
        for (size_t i = 0; i < ELEMENTSOF(lens); i++) {
                big[0] = (char)('a' + i);
                kept[i] = texts_put(&t, big, lens[i]);
                assert_non_null(kept[i]);
        }
        for (size_t i = 0; i < ELEMENTSOF(lens); i++) {
                assert_int_equal(strlen(kept[i]), lens[i]);
                assert_true(lens[i] == 0 || kept[i][0] == (char)('a' + i));
        }
        texts_clear(&t);
        assert_string_equal(texts_put(&t, "again", 5), "again");
        texts_clear(&t);
        texts_clear(&t);
}

static void test_names(void **state) {
        struct names n = {0};
        char name[32];
        size_t place;

        (void)state;
        assert_int_equal(names_find(&n, ""), SIZE_MAX);
        for (size_t round = 0; round < 2; round++)
                for (size_t i = 0; i < MANY; i++) {
                        (void)snprintf(name, sizeof(name), i ? "name-%zu" : "", i);
                        assert_int_equal(names_find(&n, name), round ? i : SIZE_MAX);
                        assert_int_equal(names_put(&n, name, &place), 0);
                        assert_int_equal(place, i);
                        assert_string_equal(n.list[i], name);
                }
        assert_int_equal(n.n, MANY);
        assert_int_equal(names_find(&n, "name-5000"), SIZE_MAX);
        assert_int_equal(names_find(&n, "name-499"), 499);
        names_clear(&n);
        assert_int_equal(names_find(&n, "name-499"), SIZE_MAX);
        assert_int_equal(names_put(&n, "x", &place), 0);
        assert_int_equal(place, 0);
        names_clear(&n);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_texts),
                cmocka_unit_test(test_names),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
