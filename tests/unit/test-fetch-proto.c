/* test-fetch-proto.c - every packet comes back as it went, and an answer that lies is not taken.
 * Owns:  nothing.
 * Calls: fetch_proto.h, creds.h, secret.h.
 * Limit: none. */
#include "common/buf.h"
#include "common/creds.h"
#include "common/fetch_proto.h"
#include "common/secret.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_request(void **state) {
        _cleanup_(buf_clear) struct buf b = BUF_INIT(FETCH_PACKET_MAX),
                                        again = BUF_INIT(FETCH_PACKET_MAX);
        _cleanup_(fetch_request_clear) struct fetch_request back = {0};
        struct fetch_request q = {.op = AWS_OP_GET_CALLER_IDENTITY,
                                  .http = {.url = "https://sts.amazonaws.com/",
                                           .headers = BUF_INIT(AWS_HEADERS_MAX),
                                           .body = BUF_INIT(AWS_BODY_MAX)},
                                  .ca_file = "/etc/ca.pem",
                                  .proxy = "http://me:secret@proxy.example:3128"},
                             never = {.op = AWS_OP_LIST_MFA_DEVICES};

        (void)state;
        assert_int_equal(buf_puts(&q.http.headers, "A: b\nC: d\n"), 0);
        assert_int_equal(buf_puts(&q.http.body, "Action=GetCallerIdentity"), 0);
        assert_int_equal(fetch_request_encode(&q, &b), 0);
        assert_int_equal(fetch_request_decode(b.data, b.len, &back), 0);
        assert_string_equal(back.http.url, q.http.url);
        assert_string_equal(back.http.headers.data, q.http.headers.data);
        assert_string_equal(back.ca_file, q.ca_file);
        assert_string_equal(back.proxy, q.proxy);
        assert_int_equal(fetch_request_encode(&back, &again), 0);
        assert_int_equal(again.len, b.len);
        assert_memory_equal(again.data, b.data, b.len);
        for (size_t n = 0; n < b.len; n++)
                assert_int_equal(fetch_request_decode(b.data, n, &never), -EBADMSG);
        assert_int_equal(fetch_request_decode(b.data, b.len + 1, &never), -EBADMSG);
        b.data[0] = 0;
        assert_int_equal(fetch_request_decode(b.data, b.len, &never), -EBADMSG);
        b.data[0] = _AWS_OP_MAX;
        assert_int_equal(fetch_request_decode(b.data, b.len, &never), -EBADMSG);
        assert_int_equal(never.op, AWS_OP_LIST_MFA_DEVICES);
        fetch_request_clear(&q);
}

static void test_proxies(void **state) {
        static const struct {
                const char *proxy;
                int result;
        } cases[] = {
                {"", 0},
                {"http://proxy.example:3128", 0},
                {"http://me:p%40ss@127.0.0.1:1", 0},
                {"http://proxy.example", -EBADMSG},
                {"https://proxy.example:3128", -EBADMSG},
                {"socks5://proxy.example:1080", -EBADMSG},
                {"proxy.example:3128", -EBADMSG},
                {"http://proxy.example:3128/", -EBADMSG},
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(buf_clear) struct buf b = BUF_INIT(FETCH_PACKET_MAX);
                _cleanup_(fetch_request_clear) struct fetch_request back = {0};
                struct fetch_request q = {.op = AWS_OP_ASSUME_ROLE};

                print_message("%s\n", cases[i].proxy);
                strcpy(q.proxy, cases[i].proxy);
                assert_int_equal(fetch_request_encode(&q, &b), 0);
                assert_int_equal(fetch_request_decode(b.data, b.len, &back), cases[i].result);
        }
}

/* Every field as long as it may be. */
static void test_longest_request_fits(void **state) {
        _cleanup_(buf_clear) struct buf b = BUF_INIT(FETCH_PACKET_MAX);
        _cleanup_(fetch_request_clear) struct fetch_request back = {0};
        struct fetch_request q = {
                .op = AWS_OP_ASSUME_ROLE,
                .http = {.headers = BUF_INIT(AWS_HEADERS_MAX), .body = BUF_INIT(AWS_BODY_MAX)},
                .proxy = "http://"};
        char *at;

        (void)state;
        memset(q.http.url, 'u', sizeof(q.http.url) - 1);
        memset(q.ca_file, 'c', sizeof(q.ca_file) - 1);
        memset(q.proxy + 7, 'p', sizeof(q.proxy) - 1 - 7);
        memcpy(q.proxy + 8, ":", 1); /* a user of one letter, a long password */
        strcpy(q.proxy + sizeof(q.proxy) - 1 - strlen("@h:1"), "@h:1");
        assert_int_equal(buf_reserve(&q.http.headers, AWS_HEADERS_MAX, &at), 0);
        memset(at, 'h', AWS_HEADERS_MAX);
        buf_commit(&q.http.headers, AWS_HEADERS_MAX);
        assert_int_equal(buf_reserve(&q.http.body, AWS_BODY_MAX, &at), 0);
        memset(at, 'b', AWS_BODY_MAX);
        buf_commit(&q.http.body, AWS_BODY_MAX);
        assert_int_equal(fetch_request_encode(&q, &b), 0);
        assert_int_equal(fetch_request_decode(b.data, b.len, &back), 0);
        assert_int_equal(back.http.body.len, AWS_BODY_MAX);
        assert_string_equal(back.proxy, q.proxy);
        fetch_request_clear(&q);
}

/* A proxy's password does not stay behind. */
static void test_request_is_wiped(void **state) {
        static const struct fetch_request nothing;
        struct fetch_request q = {.op = AWS_OP_ASSUME_ROLE, .proxy = "http://me:secret@p:1"};

        (void)state;
        fetch_request_clear(&q);
        assert_memory_equal(&q, &nothing, sizeof(q));
}

static struct creds *make_creds(const char *id, const char *secret_key, const char *token) {
        struct creds *c;

        assert_int_equal(creds_new(&c), 0);
        strcpy(c->access_key_id, id);
        assert_int_equal(secret_copy(secret_key, strlen(secret_key), &c->secret_key), 0);
        assert_int_equal(secret_copy(token, strlen(token), &c->session_token), 0);
        c->expiration_sec = 1795305600;
        return c;
}

static struct fetch_answer good_answer(void) {
        return (struct fetch_answer){.outcome = FETCH_OK,
                                     .was_sent = true,
                                     .http_status = 200,
                                     .date_sec = 1795305600,
                                     .is_date_verified = true};
}

/* Encodes @a, decodes it, and compares. Returns what decoding returned. */
static int round_trip(const struct fetch_answer *a) {
        _cleanup_(buf_clear) struct buf b = BUF_INIT(FETCH_PACKET_MAX),
                                        again = BUF_INIT(FETCH_PACKET_MAX);
        _cleanup_(fetch_answer_clear) struct fetch_answer back = {0};
        struct fetch_answer never = {.http_status = 99};
        int r;

        assert_int_equal(fetch_answer_encode(a, &b), 0);
        r = fetch_answer_decode(b.data, b.len, &back);
        if (r < 0)
                return r;
        assert_int_equal(fetch_answer_encode(&back, &again), 0);
        assert_int_equal(again.len, b.len);
        assert_memory_equal(again.data, b.data, b.len);
        for (size_t n = 0; n < b.len; n++)
                assert_int_equal(fetch_answer_decode(b.data, n, &never), -EBADMSG);
        assert_int_equal(fetch_answer_decode(b.data, b.len + 1, &never), -EBADMSG);
        assert_int_equal(never.http_status, 99);
        return 0;
}

static void test_answers(void **state) {
        struct fetch_answer session = good_answer(), devices = good_answer(),
                            identity = good_answer(), failed = {.outcome = FETCH_RESOLVE_FAILED},
                            refused = good_answer(), role = good_answer(), signin = good_answer();

        (void)state;
        session.creds = make_creds("ASIAEXAMPLE", "secret/+=", "token//+==");
        assert_int_equal(round_trip(&session), 0);
        fetch_answer_clear(&session);

        role.creds = make_creds("LSIAEXAMPLE", "secret/+=", "token//+==");
        strcpy(role.user_arn, "arn:aws:sts::123456789012:assumed-role/Admin/me");
        assert_int_equal(round_trip(&role), 0);
        fetch_answer_clear(&role);

        assert_int_equal(secret_copy("VCQgs5_-", 8, &signin.signin_token), 0);
        assert_int_equal(round_trip(&signin), 0);
        fetch_answer_clear(&signin);
        assert_null(signin.signin_token);

        devices.n_mfa_serials = FETCH_MFA_DEVICES_MAX;
        for (size_t i = 0; i < FETCH_MFA_DEVICES_MAX; i++)
                strcpy(devices.mfa_serials[i], "arn:aws:iam::123456789012:mfa/me");
        assert_int_equal(round_trip(&devices), 0);

        strcpy(identity.user_arn, "arn:aws:iam::123456789012:user/path/me");
        strcpy(identity.account, "123456789012");
        assert_int_equal(round_trip(&identity), 0);

        strcpy(failed.text, "Could not resolve host: sts.amazonaws.com");
        assert_int_equal(round_trip(&failed), 0);

        refused.outcome = FETCH_AWS_ERROR;
        refused.http_status = 403;
        strcpy(refused.aws_code, "AccessDenied");
        strcpy(refused.text, "MultiFactorAuthentication failed \xe2\x80\x93 \"wrong\" code. ");
        assert_int_equal(round_trip(&refused), 0);
}

static void test_longest_answer_fits(void **state) {
        static char token[SESSION_TOKEN_MAX + 1], id[ACCESS_KEY_ID_MAX + 1],
                key[SECRET_KEY_MAX + 1];
        struct fetch_answer a = good_answer();

        (void)state;
        memset(token, 't', SESSION_TOKEN_MAX);
        memset(id, 'I', ACCESS_KEY_ID_MAX);
        memset(key, 'k', SECRET_KEY_MAX);
        memset(a.text, 'x', FETCH_TEXT_MAX);
        memset(a.user_arn, 'u', USER_ARN_MAX);
        memset(a.aws_code, 'c', sizeof(a.aws_code) - 1);
        memset(a.account, '1', sizeof(a.account) - 1);
        a.n_mfa_serials = FETCH_MFA_DEVICES_MAX;
        for (size_t i = 0; i < FETCH_MFA_DEVICES_MAX; i++)
                memset(a.mfa_serials[i], 's', MFA_SERIAL_MAX);
        assert_int_equal(secret_new(SIGNIN_TOKEN_MAX, &a.signin_token), 0);
        memset(secret_reveal(a.signin_token), 't', SIGNIN_TOKEN_MAX);
        a.creds = make_creds(id, key, token);
        assert_int_equal(round_trip(&a), 0);
        fetch_answer_clear(&a);
}

static void test_texts_that_lie(void **state) {
        static const struct {
                size_t offset; /* in struct fetch_answer */
                const char *text;
        } cases[] = {
                {offsetof(struct fetch_answer, text), "\x1b]0;title\x07"},
                {offsetof(struct fetch_answer, text), "two\nlines"},
                {offsetof(struct fetch_answer, text), "not UTF-8 \xff"},
                {offsetof(struct fetch_answer, aws_code), "two words"},
                {offsetof(struct fetch_answer, aws_code), "quo\"te"},
                {offsetof(struct fetch_answer, user_arn), "back\\slash"},
                {offsetof(struct fetch_answer, account), "12'34"},
        };
        struct fetch_answer a;

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                a = good_answer();
                strcpy((char *)&a + cases[i].offset, cases[i].text);
                assert_int_equal(round_trip(&a), -EBADMSG);
        }
        a = good_answer();
        a.n_mfa_serials = 1;
        strcpy(a.mfa_serials[0], "short");
        assert_int_equal(round_trip(&a), -EBADMSG);
}

static void test_creds_that_lie(void **state) {
        static const struct {
                const char *id, *secret_key, *token;
        } cases[] = {
                {"", "secret", "token"},
                {"ASIA EXAMPLE", "secret", "token"},
                {"ASIAEXAMPLE", "", "token"},
                {"ASIAEXAMPLE", "secret", ""},
                {"ASIAEXAMPLE", "a\"b", "token"},
                {"ASIAEXAMPLE", "secret", "to\nken"},
                {"ASIAEXAMPLE", "secret", "to\\ken"},
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct fetch_answer a = good_answer();

                a.creds = make_creds(cases[i].id, cases[i].secret_key, cases[i].token);
                assert_int_equal(round_trip(&a), -EBADMSG);
                fetch_answer_clear(&a);
        }
}

static void test_signin_tokens_that_lie(void **state) {
        static const struct {
                const char *bytes;
                size_t len;
        } tokens[] = {
                {"two words", 9}, {"quo\"te", 6},  {"back\\slash", 10},
                {"new\nline", 8}, {"\xc3\xa4", 2}, {"n\0l", 3},
        };
        struct fetch_answer a;

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(tokens); i++) {
                a = good_answer();
                assert_int_equal(secret_copy(tokens[i].bytes, tokens[i].len, &a.signin_token), 0);
                assert_int_equal(round_trip(&a), -EBADMSG);
                fetch_answer_clear(&a);
        }
        a = good_answer();
        assert_int_equal(secret_new(SIGNIN_TOKEN_MAX + 1, &a.signin_token), 0);
        memset(secret_reveal(a.signin_token), 't', SIGNIN_TOKEN_MAX + 1);
        assert_int_equal(round_trip(&a), -EBADMSG);
        fetch_answer_clear(&a);
        a = good_answer();
        a.outcome = FETCH_AWS_ERROR; /* a failure cannot bring a token */
        assert_int_equal(secret_copy("t", 1, &a.signin_token), 0);
        assert_int_equal(round_trip(&a), -EBADMSG);
        fetch_answer_clear(&a);
}

static void test_numbers_that_lie(void **state) {
        struct fetch_answer a = good_answer();

        (void)state;
        a.outcome = (enum fetch_outcome)0;
        assert_int_equal(round_trip(&a), -EBADMSG);
        a.outcome = _FETCH_OUTCOME_MAX;
        assert_int_equal(round_trip(&a), -EBADMSG);
        a = good_answer();
        a.http_status = 1000;
        assert_int_equal(round_trip(&a), -EBADMSG);
        a = good_answer();
        a.date_sec = -1;
        assert_int_equal(round_trip(&a), -EBADMSG);
        a = good_answer();
        a.creds = make_creds("ASIAEXAMPLE", "secret", "token");
        a.creds->expiration_sec = -1;
        assert_int_equal(round_trip(&a), -EBADMSG);
        a.creds->expiration_sec = 1;
        a.outcome = FETCH_AWS_ERROR; /* a failure cannot bring credentials */
        assert_int_equal(round_trip(&a), -EBADMSG);
        fetch_answer_clear(&a);
}

static void test_bools_are_0_or_1(void **state) {
        _cleanup_(buf_clear) struct buf b = BUF_INIT(FETCH_PACKET_MAX);
        struct fetch_answer a = good_answer(), never;

        (void)state;
        assert_int_equal(fetch_answer_encode(&a, &b), 0);
        b.data[1] = 2; /* was_sent */
        assert_int_equal(fetch_answer_decode(b.data, b.len, &never), -EBADMSG);
        b.data[1] = 1;
        b.data[14] = 2; /* is_date_verified */
        assert_int_equal(fetch_answer_decode(b.data, b.len, &never), -EBADMSG);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_request),
                cmocka_unit_test(test_proxies),
                cmocka_unit_test(test_longest_request_fits),
                cmocka_unit_test(test_request_is_wiped),
                cmocka_unit_test(test_answers),
                cmocka_unit_test(test_longest_answer_fits),
                cmocka_unit_test(test_texts_that_lie),
                cmocka_unit_test(test_creds_that_lie),
                cmocka_unit_test(test_signin_tokens_that_lie),
                cmocka_unit_test(test_numbers_that_lie),
                cmocka_unit_test(test_bools_are_0_or_1),
        };

        if (secret_arena_open() < 0)
                return 1;
        return cmocka_run_group_tests(tests, NULL, NULL);
}
