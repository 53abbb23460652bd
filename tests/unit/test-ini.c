/* test-ini.c - what is read as a section, a key, a value or an error, and which bytes an entry covers.
 * Owns:  nothing.
 * Calls: ini.h.
 * Limit: none. Python judges a folder of odd files in tests/integration/test_config_botocore.py. */
#include "common/buf.h"
#include "common/ini.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include <cmocka.h>

/* Writes each entry as "section|key|value|line\n"; the value's line ends become "~". */
static int describe(const struct ini_entry *e, void *userdata, const char **ret_what) {
        struct buf *b = userdata;
        size_t start = b->len;

        if (e->key && strcmp(e->key, "refused") == 0) {
                *ret_what = "refused here";
                return -EINVAL;
        }
        assert_int_equal(buf_printf(b, "%s|%s|%s", e->section, e->key ? e->key : "-", e->value), 0);
        for (size_t i = start; i < b->len; i++)
                if (b->data[i] == '\n')
                        b->data[i] = '~';
        assert_int_equal(buf_printf(b, "|%u\n", e->line), 0);
        return 0;
}

static void test_good(void **state) {
        static const struct {
                const char *text, *entries;
        } cases[] = {
                {"", ""},
                {"# only\n ; comments\n\n", ""},
                {"[a]\nk=v", "a|-||1\na|k|v|2\n"},
                {"[a]\r\nk = v\r\n\r\n[b]\rj:w\r", "a|-||1\na|k|v|2\nb|-||4\nb|j|w|5\n"},
                {"\xef\xbb\xbf[a]\n", "a|-||1\n"},
                {"[a]\nKEY = Value # not a comment ; nor this\n",
                 "a|-||1\na|key|Value # not a comment ; nor this|2\n"},
                {"[a]\nk =\n  x = 1\n\n  y = 2\n\nj = w\n",
                 "a|-||1\na|k|~x = 1~~y = 2|2\na|j|w|7\n"},
                {"[a]\nk = v\n  # inside\n  w\n", "a|-||1\na|k|v~w|2\n"},
                {"[a]\n  k = v\n j = w\n  i = not a key\n",
                 "a|-||1\na|k|v|2\na|j|w~i = not a key|3\n"},
                {"[a]\n  k = v\n", "a|-||1\na|k|v|2\n"},
                {"[a]b]c\nk: = v\n", "a]b|-||1\na]b|k|= v|2\n"},
                {"[a]\nk:=v\nx y = z\n", "a|-||1\na|k|=v|2\na|x y|z|3\n"},
                {"[a]\n[k = v\n[] = w\n", "a|-||1\na|[k|v|2\na|[]|w|3\n"},
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(buf_clear) struct buf out = BUF_INIT(1000);
                struct ini_error error = {0};

                assert_int_equal(
                        ini_parse(cases[i].text, strlen(cases[i].text), describe, &out, &error), 0);
                assert_string_equal(buf_text(&out), cases[i].entries);
        }
}

static void test_bad(void **state) {
        static const struct {
                const char *text;
                size_t len; /* 0: strlen() */
                unsigned line;
        } cases[] = {
                {"k = v\n", 0, 1},
                {"\n# x\n  k = v\n", 0, 3},
                {"[]\n", 0, 1},
                {"[a]\nk\n", 0, 2},
                {"[a]\n= v\n", 0, 2},
                {"[a]\n[a]\n", 0, 2},
                {"[a]\n[b]\nk=v\n[a]\n", 0, 4},
                {"[a]\nk = v\nj = w\nK : x\n", 0, 4},
                {"[a]\nk = v\0\n", 11, 2},
                {"[a]\n\n# x\nrefused = x\n\nj = w\n", 0, 4},
                {"[a]\nj = w\nrefused = x\n  y\n", 0, 3},
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(buf_clear) struct buf out = BUF_INIT(1000);
                struct ini_error error = {0};
                size_t len = cases[i].len > 0 ? cases[i].len : strlen(cases[i].text);

                assert_int_equal(ini_parse(cases[i].text, len, describe, &out, &error), -EINVAL);
                assert_int_equal(error.line, cases[i].line);
                assert_non_null(error.what);
        }
}

static void test_same_names_elsewhere(void **state) {
        static const char text[] = "[a]\nk = v\n[b]\nk = w\n[ab]\nkk = x\n";
        _cleanup_(buf_clear) struct buf out = BUF_INIT(1000);
        struct ini_error error;

        (void)state;
        assert_int_equal(ini_parse(text, strlen(text), describe, &out, &error), 0);
}

static void test_limits(void **state) {
        _cleanup_(buf_clear) struct buf text = BUF_INIT(100000), out = BUF_INIT(200000);
        struct ini_error error;

        (void)state;
        assert_int_equal(buf_puts(&text, "[s]\n"), 0);
        for (unsigned i = 0; i < INI_KEYS_MAX; i++)
                assert_int_equal(buf_printf(&text, "k%u=\n", i), 0);
        assert_int_equal(ini_parse(text.data, text.len, describe, &out, &error), 0);
        assert_int_equal(buf_puts(&text, "more = x\n"), 0);
        assert_int_equal(ini_parse(text.data, text.len, describe, &out, &error), -EINVAL);
        assert_int_equal(error.line, INI_KEYS_MAX + 2);

        buf_clear(&text);
        for (unsigned i = 0; i <= INI_SECTIONS_MAX; i++)
                assert_int_equal(buf_printf(&text, "[%u]\n", i), 0);
        assert_int_equal(ini_parse(text.data, text.len, describe, &out, &error), -EINVAL);
        assert_int_equal(error.line, INI_SECTIONS_MAX + 1);
}

struct range {
        const char *key;
        size_t start, end;
};

static int find_range(const struct ini_entry *e, void *userdata, const char **ret_what) {
        struct range *r = userdata;

        (void)ret_what;
        if (e->key && strcmp(e->key, r->key) == 0) {
                r->start = e->start;
                r->end = e->end;
        }
        return 0;
}

static void test_ranges(void **state) {
        static const char text[] = "\xef\xbb\xbf[a]\n  # c\n  k = v\r\n\t\t\tw\n\n# d\nj = x";
        static const struct {
                const char *key, *lines;
        } cases[] = {{"k", "  k = v\r\n\t\t\tw\n"}, {"j", "j = x"}};

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct range range = {.key = cases[i].key};
                struct ini_error error;

                assert_int_equal(ini_parse(text, strlen(text), find_range, &range, &error), 0);
                assert_int_equal(range.end - range.start, strlen(cases[i].lines));
                assert_memory_equal(text + range.start, cases[i].lines, strlen(cases[i].lines));
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_good),
                cmocka_unit_test(test_bad),
                cmocka_unit_test(test_same_names_elsewhere),
                cmocka_unit_test(test_limits),
                cmocka_unit_test(test_ranges),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
