/* test-aws-request.c - the exact bytes of each call, and what is refused before it is signed.
 * Owns:  nothing.
 * Calls: aws_request.h, creds.h, secret.h.
 * Limit: none. botocore judges the signatures in tests/integration/test_sigv4_botocore.py. */
#include "common/aws_request.h"
#include "common/creds.h"
#include "common/secret.h"
#include "common/sigv4.h"
#include "common/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include <cmocka.h>

static struct secret *secret_key;

static const struct aws_call good = {
        .op = AWS_OP_GET_SESSION_TOKEN,
        .region = "eu-central-1",
        .endpoint = "https://sts.eu-central-1.amazonaws.com",
        .mfa_serial = "arn:aws:iam::123456789012:mfa/me",
        .mfa_code = "012345",
        .duration_sec = 43200,
        .wall_sec = 1795305600,
};

static struct sigv4_key long_term_key(void) {
        return (struct sigv4_key){.access_key_id = "AKIAIOSFODNN7EXAMPLE",
                                  .secret_key = secret_key};
}

static void test_get_session_token(void **state) {
        _cleanup_(aws_http_request_clear) struct aws_http_request q = {0};
        struct sigv4_key key = long_term_key();

        (void)state;
        assert_int_equal(aws_request_build(&good, &key, &q), 0);
        assert_string_equal(q.url, "https://sts.eu-central-1.amazonaws.com/");
        assert_string_equal(
                q.body.data,
                "Action=GetSessionToken&Version=2011-06-15&DurationSeconds=43200"
                "&SerialNumber=arn%3Aaws%3Aiam%3A%3A123456789012%3Amfa%2Fme&TokenCode=012345");
        assert_non_null(strstr(q.headers.data,
                               "Content-Type: application/x-www-form-urlencoded; charset=utf-8\n"
                               "X-Amz-Date: 20261122T000000Z\n"
                               "Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/"
                               "20261122/eu-central-1/sts/aws4_request, "
                               "SignedHeaders=content-type;host;x-amz-date, Signature="));
        assert_null(strstr(q.headers.data, "Host"));
        assert_null(strstr(q.headers.data, "X-Amz-Security-Token"));
}

static void test_with_session(void **state) {
        _cleanup_(aws_http_request_clear) struct aws_http_request q = {0};
        struct sigv4_key key = long_term_key();
        struct aws_call call = good;

        (void)state;
        call.op = AWS_OP_LIST_MFA_DEVICES;
        key.session_token = "token+/=";
        assert_int_equal(aws_request_build(&call, &key, &q), 0);
        assert_string_equal(q.body.data, "Action=ListMFADevices&Version=2010-05-08");
        assert_non_null(strstr(q.headers.data, "\nX-Amz-Security-Token: token+/=\n"));
        assert_non_null(strstr(q.headers.data, "/iam/aws4_request, "
                                               "SignedHeaders=content-type;host;x-amz-date;"
                                               "x-amz-security-token, "));
        assert_int_equal(q.headers.data[q.headers.len - 1], '\n');
}

static void test_refusals(void **state) {
        static const struct {
                size_t offset; /* of the text in struct aws_call */
                const char *text;
        } cases[] = {
                {offsetof(struct aws_call, region), ""},
                {offsetof(struct aws_call, region), "eu/central"},
                {offsetof(struct aws_call, endpoint), ""},
                {offsetof(struct aws_call, endpoint), "http://sts.amazonaws.com"},
                {offsetof(struct aws_call, mfa_serial), ""},
                {offsetof(struct aws_call, mfa_serial), "arn&x=1 2 3"},
                {offsetof(struct aws_call, mfa_code), ""},
                {offsetof(struct aws_call, mfa_code), "12345x"},
        };
        struct sigv4_key key = long_term_key();
        struct aws_http_request q = {0};
        struct aws_call call;

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                call = good;
                strcpy((char *)&call + cases[i].offset, cases[i].text);
                assert_int_equal(aws_request_build(&call, &key, &q), -EINVAL);
        }
        for (uint32_t op = 0; op <= _AWS_OP_MAX; op += _AWS_OP_MAX) {
                call = good;
                call.op = (enum aws_op)op;
                assert_int_equal(aws_request_build(&call, &key, &q), -EINVAL);
        }
        call = good;
        call.duration_sec = AWS_DURATION_SEC_MIN - 1;
        assert_int_equal(aws_request_build(&call, &key, &q), -EINVAL);
        call.duration_sec = AWS_DURATION_SEC_MAX + 1;
        assert_int_equal(aws_request_build(&call, &key, &q), -EINVAL);
        call = good;
        call.wall_sec = -1;
        assert_int_equal(aws_request_build(&call, &key, &q), -EINVAL);
        call.wall_sec = INT64_C(253402300800);
        assert_int_equal(aws_request_build(&call, &key, &q), -EINVAL);
        key.access_key_id = "AKIA\nX: y";
        assert_int_equal(aws_request_build(&good, &key, &q), -EINVAL);
        key = long_term_key();
        key.session_token = "token\nX: y";
        assert_int_equal(aws_request_build(&good, &key, &q), -EINVAL);
        assert_null(q.body.data); /* untouched by all of these */
}

static void test_longest_request_fits(void **state) {
        _cleanup_(aws_http_request_clear) struct aws_http_request q = {0};
        struct sigv4_key key = long_term_key();
        static char token[SESSION_TOKEN_MAX + 1], id[ACCESS_KEY_ID_MAX + 1];
        struct aws_call call = good;

        (void)state;
        memset(token, 't', SESSION_TOKEN_MAX);
        memset(id, 'I', ACCESS_KEY_ID_MAX);
        memset(call.mfa_serial, ':', MFA_SERIAL_MAX);
        memset(call.region, 'r', sizeof(call.region) - 1);
        key.session_token = token;
        key.access_key_id = id;
        assert_int_equal(aws_request_build(&call, &key, &q), 0);
}

static const struct aws_role admin = {.arn = "arn:aws:iam::123456789012:role/admin",
                                      .session_name = "mfad-me-desk"};

static struct aws_call assume(const struct aws_role *role) {
        struct aws_call call = good;

        call.op = AWS_OP_ASSUME_ROLE;
        call.duration_sec = 3600;
        call.role = role;
        *call.mfa_serial = *call.mfa_code = '\0';
        return call;
}

static void test_assume_role(void **state) {
        static const struct aws_role full = {
                .arn = "arn:aws-cn:iam::123456789012:role/a/b",
                .session_name = "me_+=,.@-9",
                .external_id = "_+=,.@:/-",
                .source_identity = "me@home",
                .policy = "{\n\t\"Version\": \"2012-10-17\", \"Sid\": \"caf\xc3\xa9\"}\r",
                .policy_arns = "arn:aws:iam::aws:policy/One,arn:aws:iam::aws:policy/Two",
                .tags = "team=blue & green=?,",
                .transitive_tags = "team,stage",
        };
        _cleanup_(aws_http_request_clear) struct aws_http_request q = {0}, with_code = {0},
                                                                  all = {0};
        struct sigv4_key key = long_term_key();
        struct aws_call call = assume(&admin);
        struct aws_role role = full;

        (void)state;
        key.session_token = "token";
        assert_int_equal(aws_request_build(&call, &key, &q), 0);
        assert_string_equal(q.body.data, "Action=AssumeRole&Version=2011-06-15&DurationSeconds=3600"
                                         "&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fadmin"
                                         "&RoleSessionName=mfad-me-desk");
        assert_non_null(strstr(q.headers.data, "/eu-central-1/sts/aws4_request, "));

        strcpy(call.mfa_serial, "GAHT12345678");
        strcpy(call.mfa_code, "012345");
        assert_int_equal(aws_request_build(&call, &key, &with_code), 0);
        assert_string_equal(with_code.body.data,
                            "Action=AssumeRole&Version=2011-06-15&DurationSeconds=3600"
                            "&SerialNumber=GAHT12345678&TokenCode=012345"
                            "&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fadmin"
                            "&RoleSessionName=mfad-me-desk");

        strcpy(role.tags, "team=blue=green,a b/c:d=,caf\xc3\xa9=\xe2\x82\xac");
        call = assume(&role);
        assert_int_equal(aws_request_build(&call, &key, &all), 0);
        assert_string_equal(
                all.body.data,
                "Action=AssumeRole&Version=2011-06-15&DurationSeconds=3600"
                "&RoleArn=arn%3Aaws-cn%3Aiam%3A%3A123456789012%3Arole%2Fa%2Fb"
                "&RoleSessionName=me_%2B%3D%2C.%40-9&ExternalId=_%2B%3D%2C.%40%3A%2F-"
                "&SourceIdentity=me%40home&Policy=%7B%0A%09%22Version%22%3A%20%222012-10-17%22%2C"
                "%20%22Sid%22%3A%20%22caf%C3%A9%22%7D%0D"
                "&PolicyArns.member.1.arn=arn%3Aaws%3Aiam%3A%3Aaws%3Apolicy%2FOne"
                "&PolicyArns.member.2.arn=arn%3Aaws%3Aiam%3A%3Aaws%3Apolicy%2FTwo"
                "&Tags.member.1.Key=team&Tags.member.1.Value=blue%3Dgreen"
                "&Tags.member.2.Key=a%20b%2Fc%3Ad&Tags.member.2.Value="
                "&Tags.member.3.Key=caf%C3%A9&Tags.member.3.Value=%E2%82%AC"
                "&TransitiveTagKeys.member.1=team&TransitiveTagKeys.member.2=stage");
        assert_false(aws_role_is_legal(&full,
                                       NULL)); /* its tags have '&', '?', and a comma at the end */
}

static void test_assume_role_refusals(void **state) {
        static const struct {
                uint32_t duration_sec;
                const char *serial, *code;
                bool is_legal;
        } cases[] = {
                {900, "", "", true},
                {43200, "GAHT12345678", "123456", true},
                {899, "", "", false},
                {43201, "", "", false},
                {0, "", "", false},
                {900, "GAHT12345678", "", false},
                {900, "", "123456", false},
                {900, "short", "123456", false},
                {900, "GAHT12345678", "12345x", false},
        };
        struct sigv4_key key = long_term_key();

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(aws_http_request_clear) struct aws_http_request q = {0};
                struct aws_call call = assume(&admin);

                call.duration_sec = cases[i].duration_sec;
                strcpy(call.mfa_serial, cases[i].serial);
                strcpy(call.mfa_code, cases[i].code);
                if (aws_request_build(&call, &key, &q) != (cases[i].is_legal ? 0 : -EINVAL))
                        fail_msg("case %zu", i);
        }
}

/* A role belongs to AssumeRole; the sign-in token has a request of its own. */
static void test_roles_out_of_place(void **state) {
        struct sigv4_key key = long_term_key();
        struct aws_http_request q = {0};
        static const struct aws_role illegal = {.arn = "arn:aws:iam::123456789012:role/admin"};

        (void)state;
        for (int op = 1; op < _AWS_OP_MAX; op++) {
                bool wants_role = op == AWS_OP_ASSUME_ROLE;
                struct aws_call call = wants_role ? assume(NULL) : good;

                call.op = (enum aws_op)op;
                call.role = wants_role ? NULL : &admin;
                assert_int_equal(aws_request_build(&call, &key, &q), -EINVAL);
                call.role = &illegal;
                assert_int_equal(aws_request_build(&call, &key, &q), -EINVAL);
        }
        for (int with_role = 0; with_role < 2; with_role++) {
                struct aws_call call = assume(with_role ? &admin : NULL);

                call.op = AWS_OP_GET_SIGNIN_TOKEN;
                assert_int_equal(aws_request_build(&call, &key, &q), -EINVAL);
        }
        assert_null(q.body.data);
}

#define AT(field) offsetof(struct aws_role, field), sizeof(((struct aws_role *)NULL)->field)
#define TEN(x)    x "," x "," x "," x "," x "," x "," x "," x "," x "," x
#define ARN       "arn:aws:iam::aws:policy/Job"

static const struct {
        size_t offset, size;
        const char *text, *why; /* NULL: legal */
} role_texts[] = {
        {AT(arn), "", "the role's ARN"},
        {AT(arn), "arn:aws:iam::role/admin", "the role's ARN"},
        {AT(arn), "arn:aws:iam::123456789012:role/a b", "the role's ARN"},
        {AT(session_name), "", "the session name"},
        {AT(session_name), "x", "the session name"},
        {AT(session_name), "a b", "the session name"},
        {AT(session_name), "me/you", "the session name"},
        {AT(external_id), "x", "the external ID"},
        {AT(external_id), "xx", NULL},
        {AT(external_id), "a b", "the external ID"},
        {AT(external_id), "a&b", "the external ID"},
        {AT(external_id), "caf\xc3\xa9", "the external ID"},
        {AT(source_identity), "x", "the source identity"},
        {AT(source_identity), "me/you", "the source identity"},
        {AT(source_identity), "me:you", "the source identity"},
        {AT(source_identity), "Me_+=,.@-1", NULL},
        {AT(policy), "\xc3\xbf", NULL},
        {AT(policy), "\xc4\x80", "the session policy"}, /* U+0100 */
        {AT(policy), "\xff", "the session policy"},
        {AT(policy), "{}\x01", "the session policy"},
        {AT(policy), "{}\x0b", "the session policy"},
        {AT(policy_arns), TEN(ARN), NULL},
        {AT(policy_arns), TEN(ARN) "," ARN, "the policy ARNs"},
        {AT(policy_arns), ARN ",", "the policy ARNs"},
        {AT(policy_arns), "," ARN, "the policy ARNs"},
        {AT(policy_arns), ARN ",," ARN, "the policy ARNs"},
        {AT(policy_arns), ARN ", " ARN, "the policy ARNs"},
        {AT(policy_arns), "ReadOnlyAccess", "the policy ARNs"},
        {AT(tags), "k=v", NULL},
        {AT(tags), "k=", NULL},
        {AT(tags), "k=a=b", NULL},
        {AT(tags), "a b_.:/+-@=a b_.:/=+-@", NULL},
        {AT(tags), "\xc3\xa9=\xe6\x97\xa5", NULL},
        {AT(tags), "k", "the session tags"},
        {AT(tags), "=v", "the session tags"},
        {AT(tags), "k=v,", "the session tags"},
        {AT(tags), ",k=v", "the session tags"},
        {AT(tags), "k=v,,l=w", "the session tags"},
        {AT(tags), "k=v;w", "the session tags"},
        {AT(tags), "k?=v", "the session tags"},
        {AT(tags), "k=a\tb", "the session tags"},
        {AT(tags), "k=\xff", "the session tags"},
        {AT(tags), "k=\xc2\x85", "the session tags"}, /* a C1 control */
        {AT(tags), TEN("a=") "," TEN("b=") "," TEN("c=") "," TEN("d=") "," TEN("e="), NULL},
        {AT(tags), TEN("a=") "," TEN("b=") "," TEN("c=") "," TEN("d=") "," TEN("e=") ",f=",
         "the session tags"},
        {AT(transitive_tags), "team,a b,\xc3\xa9", NULL},
        {AT(transitive_tags), "team,", "the transitive tags"},
        {AT(transitive_tags), "team,,stage", "the transitive tags"},
        {AT(transitive_tags), "te;am", "the transitive tags"},
        {AT(transitive_tags), TEN("a") "," TEN("b") "," TEN("c") "," TEN("d") "," TEN("e"), NULL},
        {AT(transitive_tags), TEN("a") "," TEN("b") "," TEN("c") "," TEN("d") "," TEN("e") ",f",
         "the transitive tags"},
};

static void test_role_texts(void **state) {
        (void)state;
        assert_true(aws_role_is_legal(&admin, NULL));
        for (size_t i = 0; i < ELEMENTSOF(role_texts); i++) {
                struct aws_role role = admin;
                const char *why = NULL;
                bool is_legal;

                assert_true(strlen(role_texts[i].text) < role_texts[i].size);
                strcpy((char *)&role + role_texts[i].offset, role_texts[i].text);
                is_legal = aws_role_is_legal(&role, &why);
                if (is_legal != !role_texts[i].why)
                        fail_msg("case %zu: %s", i, role_texts[i].text);
                assert_int_equal(aws_role_is_legal(&role, NULL), is_legal);
                if (is_legal)
                        assert_null(why);
                else
                        assert_string_equal(why, role_texts[i].why);
        }
}

static void test_tag_lengths(void **state) {
        static const struct {
                size_t key, value; /* in characters of two bytes */
                bool is_legal;
        } cases[] = {{128, 256, true}, {129, 1, false}, {1, 257, false}};

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct aws_role role = admin, keys = admin;
                char *p = role.tags, *k = keys.transitive_tags;

                for (size_t n = 0; n < cases[i].key; n++)
                        p = stpcpy(p, "\xc3\xa9"), k = stpcpy(k, "\xc3\xa9");
                p = stpcpy(p, "=");
                for (size_t n = 0; n < cases[i].value; n++)
                        p = stpcpy(p, "\xc3\xa9");
                assert_int_equal(aws_role_is_legal(&role, NULL), cases[i].is_legal);
                assert_int_equal(aws_role_is_legal(&keys, NULL), cases[i].key <= 128);
        }
}

static void test_longest_roles(void **state) {
        _cleanup_(aws_http_request_clear) struct aws_http_request q = {0};
        struct sigv4_key key = long_term_key();
        static struct aws_role role;
        struct aws_call call = assume(&role);

        (void)state;
        role = admin;
        memset(role.session_name, 'a', sizeof(role.session_name) - 1);
        memset(role.external_id, '/', sizeof(role.external_id) - 1);
        memset(role.source_identity, '+', sizeof(role.source_identity) - 1);
        memset(role.policy, '"', sizeof(role.policy) - 1);
        assert_true(aws_role_is_legal(&role, NULL));
        assert_int_equal(aws_request_build(&call, &key, &q), 0);
        aws_http_request_clear(&q);

        /* more than a body may hold, and more than STS takes after packing it */
        for (char *p = role.tags; p < role.tags + sizeof(role.tags) - 160;)
                p = stpcpy(p,
                           "0123456789@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@"
                           "=@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@,");
        role.tags[strlen(role.tags) - 1] = '\0';
        memset(role.arn + strlen(role.arn), '@', sizeof(role.arn) - 1 - strlen(role.arn));
        memcpy(role.policy_arns, role.arn, sizeof(role.policy_arns));
        assert_true(aws_role_is_legal(&role, NULL));
        assert_int_equal(aws_request_build(&call, &key, &q), -E2BIG);
        assert_null(q.body.data);
}

static void test_has_code(void **state) {
        struct aws_call call = assume(&admin);

        (void)state;
        assert_true(aws_call_has_code(&good));
        assert_false(aws_call_has_code(&call));
        strcpy(call.mfa_code, "123456");
        assert_true(aws_call_has_code(&call));
}

static struct creds *session_creds(const char *id, const char *secret, const char *token) {
        struct creds *c = NULL;

        assert_int_equal(creds_new(&c), 0);
        strcpy(c->access_key_id, id);
        assert_int_equal(secret_copy(secret, strlen(secret), &c->secret_key), 0);
        assert_int_equal(secret_copy(token, strlen(token), &c->session_token), 0);
        return c;
}

static void test_signin(void **state) {
        _cleanup_(aws_http_request_clear) struct aws_http_request q = {0}, timed = {0};
        _cleanup_(creds_freep) struct creds *c =
                session_creds("ASIAEXAMPLE", "se/cr+et", "to=ken/");

        (void)state;
        assert_int_equal(aws_signin_request_build("https://signin.aws.amazon.com", c, 0, &q), 0);
        assert_string_equal(q.url, "https://signin.aws.amazon.com/federation");
        assert_string_equal(q.headers.data, "Content-Type: application/x-www-form-urlencoded\n");
        assert_string_equal(q.body.data, "Action=getSigninToken&SessionType=json&Session="
                                         "%7B%22sessionId%22%3A%22ASIAEXAMPLE%22%2C"
                                         "%22sessionKey%22%3A%22se%2Fcr%2Bet%22%2C"
                                         "%22sessionToken%22%3A%22to%3Dken%2F%22%7D");
        assert_int_equal(aws_signin_request_build("http://127.0.0.1:80", c, 43200, &timed), 0);
        assert_string_equal(timed.url, "http://127.0.0.1:80/federation");
        assert_non_null(strstr(timed.body.data, "&SessionDuration=43200&Session=%7B"));
}

static void test_signin_refusals(void **state) {
        static const struct {
                const char *endpoint, *id, *secret, *token;
                uint32_t duration_sec;
        } cases[] = {
                {"https://x", "ASIAEXAMPLE", "secret", "token", 899},
                {"https://x", "ASIAEXAMPLE", "secret", "token", 43201},
                {"https://x/", "ASIAEXAMPLE", "secret", "token", 0},
                {"http://x", "ASIAEXAMPLE", "secret", "token", 0},
                {"https://x", "AS", "secret", "token", 0},
                {"https://x", "ASIA\"", "secret", "token", 0},
                {"https://x", "ASIAEXAMPLE", "sec\"ret", "token", 0},
                {"https://x", "ASIAEXAMPLE", "sec\\ret", "token", 0},
                {"https://x", "ASIAEXAMPLE", "sec ret", "token", 0},
                {"https://x", "ASIAEXAMPLE", "", "token", 0},
                {"https://x", "ASIAEXAMPLE", "secret", "tok\"en", 0},
                {"https://x", "ASIAEXAMPLE", "secret", "tok\nen", 0},
                {"https://x", "ASIAEXAMPLE", "secret", "", 0},
        };
        _cleanup_(creds_freep) struct creds *empty = NULL;
        struct aws_http_request q = {0};

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(creds_freep) struct creds *c =
                        session_creds(cases[i].id, cases[i].secret, cases[i].token);

                if (aws_signin_request_build(cases[i].endpoint, c, cases[i].duration_sec, &q) !=
                    -EINVAL)
                        fail_msg("case %zu", i);
        }
        assert_int_equal(creds_new(&empty), 0);
        strcpy(empty->access_key_id, "ASIAEXAMPLE");
        assert_int_equal(aws_signin_request_build("https://x", empty, 0, &q), -EINVAL);
        assert_null(q.body.data);
}

static void test_longest_signin(void **state) {
        static char token[SESSION_TOKEN_MAX + 1];
        _cleanup_(aws_http_request_clear) struct aws_http_request q = {0};
        char secret[SECRET_KEY_MAX + 1] = "";

        (void)state;
        memset(token, 't', SESSION_TOKEN_MAX);
        memset(secret, '/', SECRET_KEY_MAX);
        for (int i = 0; i < 2; i++) {
                _cleanup_(creds_freep) struct creds *c =
                        session_creds("ASIAEXAMPLE", secret, token);

                assert_int_equal(aws_signin_request_build("https://x", c, 900, &q), i ? -E2BIG : 0);
                memset(token, '/', SESSION_TOKEN_MAX); /* three bytes each in the body */
        }
}

static void test_signin_url(void **state) {
        _cleanup_(buf_clear) struct buf b = BUF_INIT(200), tiny = BUF_INIT(60);

        (void)state;
        assert_int_equal(aws_signin_url("https://signin.aws.amazon.com", "a-_+/=",
                                        "https://console.aws.amazon.com/s3/?region=eu-west-1#x",
                                        &b),
                         0);
        assert_string_equal(b.data,
                            "https://signin.aws.amazon.com/federation?Action=login"
                            "&Destination=https%3A%2F%2Fconsole.aws.amazon.com%2Fs3%2F%3Fregion%3D"
                            "eu-west-1%23x&SigninToken=a-_%2B%2F%3D");
        assert_int_equal(aws_signin_url("https://signin.aws.amazon.com", "token",
                                        "https://console.aws.amazon.com/", &tiny),
                         -E2BIG);
}

static void test_names(void **state) {
        (void)state;
        assert_string_equal(aws_op_name(AWS_OP_GET_CALLER_IDENTITY), "GetCallerIdentity");
        assert_string_equal(aws_op_name(AWS_OP_ASSUME_ROLE), "AssumeRole");
        assert_string_equal(aws_op_name(AWS_OP_GET_SIGNIN_TOKEN), "GetSigninToken");
        assert_string_equal(aws_op_service(AWS_OP_LIST_MFA_DEVICES), "iam");
        assert_string_equal(aws_op_service(AWS_OP_ASSUME_ROLE), "sts");
        assert_null(aws_op_service(AWS_OP_GET_SIGNIN_TOKEN));
        assert_null(aws_op_name((enum aws_op)0));
        assert_null(aws_op_service(_AWS_OP_MAX));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_get_session_token),
                cmocka_unit_test(test_with_session),
                cmocka_unit_test(test_refusals),
                cmocka_unit_test(test_longest_request_fits),
                cmocka_unit_test(test_assume_role),
                cmocka_unit_test(test_assume_role_refusals),
                cmocka_unit_test(test_roles_out_of_place),
                cmocka_unit_test(test_role_texts),
                cmocka_unit_test(test_tag_lengths),
                cmocka_unit_test(test_longest_roles),
                cmocka_unit_test(test_has_code),
                cmocka_unit_test(test_signin),
                cmocka_unit_test(test_signin_refusals),
                cmocka_unit_test(test_longest_signin),
                cmocka_unit_test(test_signin_url),
                cmocka_unit_test(test_names),
        };

        if (secret_arena_open() < 0 || secret_copy("wJalrXUtnFEMI", 13, &secret_key) < 0)
                return 1;
        return cmocka_run_group_tests(tests, NULL, NULL);
}
