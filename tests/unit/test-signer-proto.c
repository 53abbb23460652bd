/* test-signer-proto.c - every packet comes back as it went, and nothing else is taken for one.
 * Owns:  nothing.
 * Calls: signer_proto.h, secret.h.
 * Limit: none. */
#include "common/buf.h"
#include "common/secret.h"
#include "common/signer_proto.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include <cmocka.h>

static struct signer_request request_of(enum signer_request_type type) {
        struct signer_request q = {
                .type = type,
                .id = 7,
                .key = "work",
                .call = {.op = AWS_OP_GET_SESSION_TOKEN,
                         .region = "eu-central-1",
                         .endpoint = "https://sts.eu-central-1.amazonaws.com",
                         .mfa_serial = "arn:aws:iam::123456789012:mfa/me",
                         .mfa_code = "123456",
                         .duration_sec = 43200,
                         .wall_sec = -1},
        };

        return q;
}

static void test_requests(void **state) {
        (void)state;
        for (int type = SIGNER_REQUEST_STATUS; type <= SIGNER_REQUEST_FORGET_CODE; type++) {
                _cleanup_(buf_clear) struct buf b = BUF_INIT(SIGNER_PACKET_MAX),
                                                again = BUF_INIT(SIGNER_PACKET_MAX);
                struct signer_request q = request_of((enum signer_request_type)type), back;

                assert_int_equal(signer_request_encode(&q, &b), 0);
                assert_int_equal(signer_request_decode(b.data, b.len, &back), 0);
                assert_int_equal(signer_request_encode(&back, &again), 0);
                assert_int_equal(b.len, again.len);
                assert_memory_equal(b.data, again.data, b.len);
                if (type == SIGNER_REQUEST_SIGN)
                        assert_memory_equal(&q.call, &back.call, sizeof(q.call));

                /* neither a part of it nor more than it */
                for (size_t n = 0; n < b.len; n++)
                        assert_int_equal(signer_request_decode(b.data, n, &back), -EBADMSG);
                assert_int_equal(signer_request_decode(b.data, b.len + 1, &back), -EBADMSG);
        }
}

static void test_bad_requests(void **state) {
        static const struct {
                size_t at;
                char byte;
        } changes[] = {
                {0, 0},   {0, 4},
                {0, 127},                    /* type */
                {1, 0},                      /* id */
                {5, 65},  {8, 1},            /* length of the key's name */
                {9, 0},                      /* NUL in it */
                {13, 0},  {13, _AWS_OP_MAX}, /* operation */
                {14, 33},                    /* length of the region */
        };
        struct signer_request q = request_of(SIGNER_REQUEST_SIGN), back = {.id = 99};

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(changes); i++) {
                _cleanup_(buf_clear) struct buf b = BUF_INIT(SIGNER_PACKET_MAX);

                assert_int_equal(signer_request_encode(&q, &b), 0);
                assert_int_not_equal(b.data[changes[i].at], changes[i].byte);
                b.data[changes[i].at] = changes[i].byte;
                assert_int_equal(signer_request_decode(b.data, b.len, &back), -EBADMSG);
        }
        assert_int_equal(back.id, 99); /* untouched */
}

static void check_answer(const struct signer_answer *a) {
        _cleanup_(buf_clear) struct buf b = BUF_INIT(SIGNER_PACKET_MAX),
                                        again = BUF_INIT(SIGNER_PACKET_MAX);
        _cleanup_(signer_answer_clear) struct signer_answer back = {0};
        struct signer_answer never = {.id = 99};

        assert_int_equal(signer_answer_encode(a, &b), 0);
        assert_int_equal(signer_answer_decode(b.data, b.len, &back), 0);
        assert_int_equal(signer_answer_encode(&back, &again), 0);
        assert_int_equal(b.len, again.len);
        assert_memory_equal(b.data, again.data, b.len);
        for (size_t n = 0; n < b.len && n < 3000; n++)
                assert_int_equal(signer_answer_decode(b.data, n, &never), -EBADMSG);
        assert_int_equal(signer_answer_decode(b.data, b.len + 1, &never), -EBADMSG);
        assert_int_equal(never.id, 99);
}

static void test_answers(void **state) {
        struct signer_key keys[2] = {
                {"work", "AKIAWORK", "serial-of-work", "arn:aws:iam::1:user/w"},
                {"home", "AKIAHOME", "", ""}};
        struct signer_answer status = {.type = SIGNER_ANSWER_STATUS,
                                       .vault = VAULT_OPEN,
                                       .arena = SECRET_ARENA_PLAIN,
                                       .n_keys = 2,
                                       .keys = keys},
                             sealed = {.type = SIGNER_ANSWER_STATUS, .vault = VAULT_SEALED},
                             refused = {.type = SIGNER_ANSWER_REFUSED,
                                        .id = 1,
                                        .refusal = SIGNER_REFUSED_CODE_USED,
                                        .wait_sec = 119},
                             done = {.type = SIGNER_ANSWER_DONE, .id = UINT32_MAX},
                             signed_one = {.type = SIGNER_ANSWER_SIGNED,
                                           .id = 3,
                                           .request = {.url = "https://x/",
                                                       .headers = BUF_INIT(100),
                                                       .body = BUF_INIT(100)}};

        (void)state;
        assert_int_equal(buf_puts(&signed_one.request.headers, "A: b\n"), 0);
        assert_int_equal(buf_puts(&signed_one.request.body, "Action=x"), 0);
        check_answer(&status);
        check_answer(&sealed);
        check_answer(&refused);
        check_answer(&done);
        check_answer(&signed_one);
        signer_answer_clear(&signed_one);
}

static void test_longest_status_fits(void **state) {
        static struct signer_key keys[SIGNER_KEYS_MAX];
        struct signer_answer a = {.type = SIGNER_ANSWER_STATUS,
                                  .vault = VAULT_OPEN,
                                  .n_keys = SIGNER_KEYS_MAX,
                                  .keys = keys};

        (void)state;
        for (size_t i = 0; i < SIGNER_KEYS_MAX; i++) {
                memset(keys[i].name, 'n', KEY_NAME_MAX);
                memset(keys[i].access_key_id, 'a', ACCESS_KEY_ID_MAX);
                memset(keys[i].mfa_serial, 's', MFA_SERIAL_MAX);
                memset(keys[i].user_arn, 'u', USER_ARN_MAX);
        }
        check_answer(&a);
}

static void test_bad_answers(void **state) {
        /* type, id, then the fields of each type */
        static const struct {
                size_t len;
                const char *bytes;
        } cases[] = {
                {0, ""},
                {5, "\0\1\0\0\0"},
                {5, "\5\1\0\0\0"},
                {5, "\4\0\0\0\0"},              /* DONE with id 0 */
                {6, "\4\1\0\0\0\0"},            /* trailing */
                {10, "\3\1\0\0\0\0\0\0\0\0"},   /* refusal 0 */
                {10, "\3\1\0\0\0\7\0\0\0\0"},   /* refusal 7 */
                {11, "\1\0\0\0\0\3\0\0\0\0\0"}, /* vault state 3 */
                {11, "\1\0\0\0\0\0\4\0\0\0\0"}, /* arena 4 */
                {27,
                 "\1\0\0\0\0\1\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"}, /* keys while sealed */
                {11, "\1\0\0\0\0\2\0\41\0\0\0"},                            /* 33 keys */
                {11, "\1\0\0\0\0\2\0\377\377\377\377"},                     /* 4 G keys */
                {17, "\2\1\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0"},   /* a body that is not there */
                {18, "\2\1\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\0"}, /* NUL in the body */
                {18, "\2\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\0"}, /* NUL in the headers */
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct signer_answer a;

                assert_int_equal(signer_answer_decode(cases[i].bytes, cases[i].len, &a), -EBADMSG);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_requests),    cmocka_unit_test(test_bad_requests),
                cmocka_unit_test(test_answers),     cmocka_unit_test(test_longest_status_fits),
                cmocka_unit_test(test_bad_answers),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
