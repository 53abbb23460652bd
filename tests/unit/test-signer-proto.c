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
                .blob_key = "thirty-two bytes, and they are 0",
                .wrapped = "sixty bytes, which only mfad-signer can read, with tag/nonce",
        };

        return q;
}

static struct aws_role some_role(void) {
        return (struct aws_role){.arn = "arn:aws:iam::123456789012:role/admin",
                                 .session_name = "mfad-me-desk",
                                 .external_id = "id",
                                 .source_identity = "me",
                                 .policy = "{}",
                                 .policy_arns = "arn:aws:iam::aws:policy/ReadOnlyAccess",
                                 .tags = "team=blue,stage=",
                                 .transitive_tags = "team"};
}

static void check_same_call(const struct aws_call *a, const struct aws_call *b) {
        assert_int_equal(a->op, b->op);
        assert_string_equal(a->region, b->region);
        assert_string_equal(a->endpoint, b->endpoint);
        assert_string_equal(a->mfa_serial, b->mfa_serial);
        assert_string_equal(a->mfa_code, b->mfa_code);
        assert_int_equal(a->duration_sec, b->duration_sec);
        assert_int_equal(a->wall_sec, b->wall_sec);
}

static void check_cuts(const struct buf *b) {
        struct signer_request back;

        for (size_t n = 0; n < b->len; n++)
                assert_int_equal(signer_request_decode(b->data, n, &back), -EBADMSG);
        assert_int_equal(signer_request_decode(b->data, b->len + 1, &back), -EBADMSG);
}

static void test_requests(void **state) {
        (void)state;
        for (int type = SIGNER_REQUEST_STATUS; type <= SIGNER_REQUEST_UNWRAP; type++) {
                _cleanup_(buf_clear) struct buf b = BUF_INIT(SIGNER_PACKET_MAX),
                                                again = BUF_INIT(SIGNER_PACKET_MAX);
                struct signer_request q = request_of((enum signer_request_type)type), back;

                assert_int_equal(signer_request_encode(&q, &b), 0);
                assert_int_equal(signer_request_decode(b.data, b.len, &back), 0);
                assert_int_equal(signer_request_encode(&back, &again), 0);
                assert_int_equal(b.len, again.len);
                assert_memory_equal(b.data, again.data, b.len);
                assert_null(back.call.role);
                if (type == SIGNER_REQUEST_SIGN)
                        check_same_call(&back.call, &q.call);
                if (type == SIGNER_REQUEST_WRAP)
                        assert_memory_equal(back.blob_key, q.blob_key, sizeof(q.blob_key));
                if (type == SIGNER_REQUEST_UNWRAP)
                        assert_memory_equal(back.wrapped, q.wrapped, sizeof(q.wrapped));
                check_cuts(&b);
        }
}

static void test_assume_role(void **state) {
        _cleanup_(buf_clear) struct buf b = BUF_INIT(SIGNER_PACKET_MAX),
                                        again = BUF_INIT(SIGNER_PACKET_MAX);
        struct signer_request q = request_of(SIGNER_REQUEST_SIGN), back;
        struct aws_role role = some_role();

        (void)state;
        q.call.op = AWS_OP_ASSUME_ROLE;
        q.call.role = &role; /* lent: @q.role is for what was decoded */
        assert_int_equal(signer_request_encode(&q, &b), 0);
        memset(&back, 'x', sizeof(back));
        assert_int_equal(signer_request_decode(b.data, b.len, &back), 0);
        check_same_call(&back.call, &q.call);
        assert_ptr_equal(back.call.role, &back.role);
        assert_string_equal(back.role.arn, role.arn);
        assert_string_equal(back.role.session_name, role.session_name);
        assert_string_equal(back.role.external_id, role.external_id);
        assert_string_equal(back.role.source_identity, role.source_identity);
        assert_string_equal(back.role.policy, role.policy);
        assert_string_equal(back.role.policy_arns, role.policy_arns);
        assert_string_equal(back.role.tags, role.tags);
        assert_string_equal(back.role.transitive_tags, role.transitive_tags);
        assert_int_equal(signer_request_encode(&back, &again), 0);
        assert_int_equal(b.len, again.len);
        assert_memory_equal(b.data, again.data, b.len);
        check_cuts(&b);

        /* the same bytes under an operation without a role are too many */
        b.data[13] = AWS_OP_GET_SESSION_TOKEN;
        assert_int_equal(signer_request_decode(b.data, b.len, &back), -EBADMSG);
}

static void test_longest_role_fits(void **state) {
        _cleanup_(buf_clear) struct buf b = BUF_INIT(SIGNER_PACKET_MAX);
        struct signer_request q = request_of(SIGNER_REQUEST_SIGN), back;
        static struct aws_role role;

        (void)state;
        memset(role.arn, 'a', sizeof(role.arn) - 1);
        memset(role.session_name, 'a', sizeof(role.session_name) - 1);
        memset(role.external_id, 'a', sizeof(role.external_id) - 1);
        memset(role.source_identity, 'a', sizeof(role.source_identity) - 1);
        memset(role.policy, 'a', sizeof(role.policy) - 1);
        memset(role.policy_arns, 'a', sizeof(role.policy_arns) - 1);
        memset(role.tags, 'a', sizeof(role.tags) - 1);
        memset(role.transitive_tags, 'a', sizeof(role.transitive_tags) - 1);
        q.call.op = AWS_OP_ASSUME_ROLE;
        q.call.role = &role;
        assert_int_equal(signer_request_encode(&q, &b), 0);
        assert_int_equal(signer_request_decode(b.data, b.len, &back), 0);
        assert_memory_equal(&back.role, &role, sizeof(role));
}

static void test_bad_requests(void **state) {
        static const struct {
                size_t at;
                char byte;
        } changes[] = {
                {0, 0},   {0, 4},
                {0, 5},   {0, 6},
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

/* A key or a wrapped key of another length is none. */
static void test_lengths_of_keys(void **state) {
        static const struct {
                size_t len;
                const char *bytes;
        } requests[] =
                {
                        {9, "\4\1\0\0\0\0\0\0\0"}, /* no key to wrap */
                        {40, "\4\1\0\0\0\37\0\0\0abcdefghijklmnopqrstuvwxyz12345"},   /* 31 bytes */
                        {42, "\4\1\0\0\0\41\0\0\0abcdefghijklmnopqrstuvwxyz1234567"}, /* 33 bytes */
                        {41,
                         "\5\1\0\0\0\40\0\0\0abcdefghijklmnopqrstuvwxyz123456"}, /* not wrapped */
                },
          answers[] = {
                  {9, "\5\1\0\0\0\0\0\0\0"},
                  {41, "\5\1\0\0\0\40\0\0\0abcdefghijklmnopqrstuvwxyz123456"},
                  {40, "\6\1\0\0\0\37\0\0\0abcdefghijklmnopqrstuvwxyz12345"},
                  {42, "\6\1\0\0\0\41\0\0\0abcdefghijklmnopqrstuvwxyz1234567"},
          };
        struct signer_request q;
        struct signer_answer a;

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(requests); i++)
                assert_int_equal(signer_request_decode(requests[i].bytes, requests[i].len, &q),
                                 -EBADMSG);
        for (size_t i = 0; i < ELEMENTSOF(answers); i++)
                assert_int_equal(signer_answer_decode(answers[i].bytes, answers[i].len, &a),
                                 -EBADMSG);
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
                                                       .body = BUF_INIT(100)}},
                             wrapped = {.type = SIGNER_ANSWER_WRAPPED,
                                        .id = 4,
                                        .wrapped = "sixty bytes, and some of them"},
                             unwrapped = {.type = SIGNER_ANSWER_UNWRAPPED, .id = 5},
                             alien = {.type = SIGNER_ANSWER_REFUSED,
                                      .id = 6,
                                      .refusal = SIGNER_REFUSED_ALIEN};

        (void)state;
        assert_int_equal(buf_puts(&signed_one.request.headers, "A: b\n"), 0);
        assert_int_equal(buf_puts(&signed_one.request.body, "Action=x"), 0);
        check_answer(&status);
        check_answer(&sealed);
        check_answer(&refused);
        check_answer(&done);
        check_answer(&signed_one);
        check_answer(&wrapped);
        check_answer(&alien);
        assert_int_equal(secret_arena_open(), 0);
        assert_int_equal(secret_copy("abcdefghijklmnopqrstuvwxyz123456", SIGNER_BLOB_KEY_LEN,
                                     &unwrapped.blob_key),
                         0);
        check_answer(&unwrapped);
        signer_answer_clear(&unwrapped);
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
                {5, "\7\1\0\0\0"},
                {5, "\4\0\0\0\0"},              /* DONE with id 0 */
                {6, "\4\1\0\0\0\0"},            /* trailing */
                {10, "\3\1\0\0\0\0\0\0\0\0"},   /* refusal 0 */
                {10, "\3\1\0\0\0\10\0\0\0\0"},  /* refusal 8 */
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
                cmocka_unit_test(test_requests),
                cmocka_unit_test(test_bad_requests),
                cmocka_unit_test(test_lengths_of_keys),
                cmocka_unit_test(test_answers),
                cmocka_unit_test(test_longest_status_fits),
                cmocka_unit_test(test_bad_answers),
                cmocka_unit_test(test_assume_role),
                cmocka_unit_test(test_longest_role_fits),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
