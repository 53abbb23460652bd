/* The console's sign-in answers, file by file of tests/vectors/signin: which token is taken, and why the
 * rest is refused without a word of it being quoted. */
#include "common/buf.h"
#include "common/fetch_proto.h"
#include "common/fs.h"
#include "common/secret.h"
#include "common/wiping.h"
#include "daemon/fetch/signin_answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static void read_vector(const char *name, struct buf *ret) {
        char path[PATH_LEN_MAX];

        assert_true(snprintf(path, sizeof(path), "%s/tests/vectors/signin/%s", SOURCE_ROOT, name) >
                    0);
        *ret = BUF_INIT(2 * SIGNIN_ANSWER_MAX);
        assert_int_equal(fs_read_file(path, ret), 0);
}

static void test_tokens(void **state _unused_) {
        static const struct {
                const char *name;
                size_t len;
        } cases[] = {
                {"aws.json", 33},     {"spaced.json", 33},    {"more-fields.json", 33},
                {"escaped.json", 33}, {"longest.json", 8192},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(buf_clear) struct buf json = {0};
                _cleanup_(fetch_answer_clear) struct fetch_answer a = {.http_status = 200};

                print_message("%s\n", cases[i].name);
                read_vector(cases[i].name, &json);
                assert_int_equal(signin_answer_read(buf_text(&json), json.len, &a), 0);
                assert_string_equal(a.text, "");
                assert_int_equal(a.outcome, FETCH_OK);
                assert_int_equal(secret_len(a.signin_token), cases[i].len);
                if (cases[i].len == 33)
                        assert_string_equal(secret_reveal(a.signin_token),
                                            "VCQgs5qZZt3Q6fn8Tr5EXAMPLEToken_-");
        }
}

static const struct {
        const char *name, *text;
} refused[] = {
        {"twice.json", "the answer has the same field twice"},
        {"other-twice.json", "the answer has the same field twice"},
        {"trailing.json", "the answer is not JSON"},
        {"two-values.json", "the answer is not JSON"},
        {"truncated.json", "the answer is not JSON"},
        {"empty.json", "the answer is not JSON"},
        {"bare-words.json", "the answer is not JSON"},
        {"comment.json", "the answer is not JSON"},
        {"html.json", "the answer is not JSON"},
        {"byte-order-mark.json", "the answer is not JSON"},
        {"latin1.json", "the answer is not JSON"},
        {"deep.json", "the answer is not JSON"},
        {"token-nul.json", "the answer is not JSON"},
        {"null.json", "the answer is not JSON"}, /* jansson knows objects and lists at the top */
        {"text.json", "the answer is not JSON"},
        {"list.json", "the answer is no JSON object"},
        {"no-token.json", "the answer has no SigninToken"},
        {"nested.json", "the answer has no SigninToken"},
        {"token-null.json", "the answer has an illegal SigninToken"},
        {"token-number.json", "the answer has an illegal SigninToken"},
        {"token-list.json", "the answer has an illegal SigninToken"},
        {"token-empty.json", "the answer has an illegal SigninToken"},
        {"token-space.json", "the answer has an illegal SigninToken"},
        {"token-quote.json", "the answer has an illegal SigninToken"},
        {"token-backslash.json", "the answer has an illegal SigninToken"},
        {"token-newline.json", "the answer has an illegal SigninToken"},
        {"token-umlaut.json", "the answer has an illegal SigninToken"},
        {"token-del.json", "the answer has an illegal SigninToken"},
        {"too-long.json", "the answer has an illegal SigninToken"},
};

static void test_refused(void **state _unused_) {
        for (size_t i = 0; i < ELEMENTSOF(refused); i++) {
                _cleanup_(buf_clear) struct buf json = {0};
                struct fetch_answer a = {.http_status = 200};

                print_message("%s\n", refused[i].name);
                read_vector(refused[i].name, &json);
                assert_int_equal(signin_answer_read(buf_text(&json), json.len, &a), 0);
                assert_string_equal(a.text, refused[i].text);
                assert_int_equal(a.outcome, FETCH_BAD_ANSWER);
                assert_null(a.signin_token);
        }
}

/* A legal answer, and blanks after it: one byte makes the difference. */
static void test_too_big(void **state _unused_) {
        static const char json[] = "{\"SigninToken\":\"a\"}";
        static char big[SIGNIN_ANSWER_MAX + 1];
        struct fetch_answer a = {.http_status = 200};

        memset(big, ' ', sizeof(big));
        memcpy(big, json, sizeof(json) - 1);
        assert_int_equal(signin_answer_read(big, SIGNIN_ANSWER_MAX + 1, &a), 0);
        assert_string_equal(a.text, "the answer is too big");
        assert_null(a.signin_token);
        a = (struct fetch_answer){.http_status = 200};
        assert_int_equal(signin_answer_read(big, SIGNIN_ANSWER_MAX, &a), 0);
        assert_int_equal(a.outcome, FETCH_OK);
        fetch_answer_clear(&a);
        assert_null(a.signin_token);
}

static void test_errors(void **state _unused_) {
        static const char unexplained[] = "HTTP status 400 without a reason";
        static const struct {
                const char *name, *text;
        } cases[] = {
                {"page.txt", "HTTP status 400: HTTP Status 400 - Invalid credentials"},
                {"page-no-title.txt", unexplained},
                {"page-open-title.txt", unexplained},
                {"page-empty-title.txt", unexplained},
                {"title-alone.txt", unexplained},
                {"nothing.txt", unexplained},
                {"plain.txt", "HTTP status 400: Bad session parameter ?[31m"},
                {"umlauts.txt", "HTTP status 400: Ung?ltige Anfrage"},
        };
        _cleanup_(buf_clear) struct buf longer = {0};
        struct fetch_answer a;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(buf_clear) struct buf body = {0};

                print_message("%s\n", cases[i].name);
                a = (struct fetch_answer){.http_status = 400};
                read_vector(cases[i].name, &body);
                signin_answer_read_error(buf_text(&body), body.len, &a);
                assert_int_equal(a.outcome, FETCH_AWS_ERROR);
                assert_string_equal(a.aws_code, "");
                assert_string_equal(a.text, cases[i].text);
        }
        read_vector("plain-long.txt", &longer);
        a = (struct fetch_answer){.http_status = 503};
        signin_answer_read_error(buf_text(&longer), longer.len, &a);
        assert_in_range(strlen(a.text), 100, SIGNIN_REASON_MAX + strlen("HTTP status 503: "));
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_tokens),
                cmocka_unit_test(test_refused),
                cmocka_unit_test(test_too_big),
                cmocka_unit_test(test_errors),
        };

        wiping_install_json();
        if (secret_arena_open() < 0)
                return 1;
        return cmocka_run_group_tests(tests, NULL, NULL);
}
