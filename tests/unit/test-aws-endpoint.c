/* test-aws-endpoint.c - which URLs may be called, the Host header they give, and AWS's own endpoint cases.
 * Owns:  nothing.
 * Calls: aws_endpoint.h, jansson.
 * Limit: none. botocore judges every region in tests/integration/test_endpoint_botocore.py. */
#include "common/aws_endpoint.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include <cmocka.h>

#define LABEL_63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const struct {
        const char *url, *host; /* NULL: refused */
} urls[] = {
        {"https://sts.amazonaws.com", "sts.amazonaws.com"},
        {"https://sts.amazonaws.com:443", "sts.amazonaws.com"},
        {"https://sts.amazonaws.com:80", "sts.amazonaws.com:80"},
        {"https://localhost:8443", "localhost:8443"},
        {"https://10.0.0.1", "10.0.0.1"},
        {"https://my_proxy.local", "my_proxy.local"},
        {"https://[2001:db8::1]:443", "[2001:db8::1]"},
        {"https://" LABEL_63 ".x", LABEL_63 ".x"},
        {"http://localhost", "localhost"},
        {"http://localhost:80", "localhost"},
        {"http://127.0.0.1:4566", "127.0.0.1:4566"},
        {"http://127.255.0.1:65535", "127.255.0.1:65535"},
        {"http://[::1]:443", "[::1]:443"},
        /* plain HTTP to anything but loopback */
        {"http://sts.amazonaws.com", NULL},
        {"http://128.0.0.1", NULL},
        {"http://[::2]", NULL},
        {"http://localhost.example.com", NULL},
        {"http://127.0.0.1.example.com", NULL},
        /* other spellings of addresses, which curl would change */
        {"http://127.1", NULL},
        {"http://0x7f.0.0.1", NULL},
        {"http://2130706433", NULL},
        {"http://0177.0.0.1", NULL},
        {"https://1.2.3.4.5", NULL},
        {"http://[0:0:0:0:0:0:0:1]", NULL},
        {"https://[2001:DB8::1]", NULL},
        {"https://[fe80::1%25eth0]", NULL},
        {"https://[::1", NULL},
        {"https://[]", NULL},
        {"https://[::1]x", NULL},
        /* more than scheme, host and port */
        {"https://sts.amazonaws.com/", NULL},
        {"https://sts.amazonaws.com/x", NULL},
        {"https://sts.amazonaws.com?x", NULL},
        {"https://sts.amazonaws.com#x", NULL},
        {"https://user@sts.amazonaws.com", NULL},
        {"https://user:443@localhost", NULL},
        {"https://sts.amazonaws.com\n", NULL},
        {"https://sts.amazonaws.com\r\nX: y", NULL},
        {"https://a b", NULL},
        /* odd names and ports */
        {"https://STS.amazonaws.com", NULL},
        {"HTTPS://sts.amazonaws.com", NULL},
        {"https://", NULL},
        {"https://.", NULL},
        {"https://a..b", NULL},
        {"https://a.", NULL},
        {"https://.a", NULL},
        {"https://-a.b", NULL},
        {"https://a-.b", NULL},
        {"https://a" LABEL_63, NULL},
        {"https://a%41", NULL},
        {"https://h\xc3\xa9", NULL},
        {"https://a:", NULL},
        {"https://a:0", NULL},
        {"https://a:0443", NULL},
        {"https://a:65536", NULL},
        {"https://a:4294967739", NULL},
        {"https://a:44x", NULL},
        {"https://a: 443", NULL},
        {"https://a:443:443", NULL},
        {"ftp://localhost", NULL},
        {"file:///etc/passwd", NULL},
        {"sts.amazonaws.com", NULL},
        {"", NULL},
};

static void test_check(void **state) {
        char host[300], tiny[5];

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(urls); i++) {
                int r = aws_endpoint_check(urls[i].url, host, sizeof(host));

                if ((r == 0) != (urls[i].host != NULL))
                        fail_msg("%s: %d", urls[i].url, r);
                if (r == 0)
                        assert_string_equal(host, urls[i].host);
                else
                        assert_int_equal(r, -EINVAL);
        }
        assert_int_equal(aws_endpoint_check("https://abcd", tiny, sizeof(tiny)), 0);
        assert_int_equal(aws_endpoint_check("https://abcde", tiny, sizeof(tiny)), -EINVAL);
}

static void test_find(void **state) {
        static const struct {
                const char *service, *region, *override, *url, *signing_region; /* NULL: refused */
        } cases[] = {
                {"sts", NULL, NULL, "https://sts.us-east-1.amazonaws.com", "us-east-1"},
                {"sts", "", "", "https://sts.us-east-1.amazonaws.com", "us-east-1"},
                {"sts", "xx-new-9", NULL, "https://sts.xx-new-9.amazonaws.com", "xx-new-9"},
                {"sts", "eusc-de-east-1", NULL, "https://sts.eusc-de-east-1.amazonaws.eu",
                 "eusc-de-east-1"},
                {"sts", "us-isof-east-1", NULL, "https://sts.us-isof-east-1.csp.hci.ic.gov",
                 "us-isof-east-1"},
                {"iam", "eu-west-1", NULL, "https://iam.amazonaws.com", "us-east-1"},
                {"iam", "us-gov-east-1", NULL, "https://iam.us-gov.amazonaws.com", "us-gov-west-1"},
                {"sts", "eu-west-1", "http://127.0.0.1:4566/", "http://127.0.0.1:4566",
                 "eu-west-1"},
                {"iam", "cn-north-1", "https://x.example", "https://x.example", "cn-north-1"},
                {"sts", "EU-WEST-1", NULL, NULL, NULL},
                {"sts", "-", NULL, NULL, NULL},
                {"sts", "a.b", NULL, NULL, NULL},
                {"sts", "eu-west-1", "https://x.example//", NULL, NULL},
                {"sts", "eu-west-1", "https://x.example/sts", NULL, NULL},
                {"sts", "eu-west-1", "http://x.example", NULL, NULL},
                {"sts", "eu-west-1", "/", NULL, NULL},
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct aws_endpoint e;
                int r = aws_endpoint_find(cases[i].service, cases[i].region, cases[i].override, &e);

                if ((r == 0) != (cases[i].url != NULL))
                        fail_msg("case %zu: %d", i, r);
                if (r == 0) {
                        assert_string_equal(e.url, cases[i].url);
                        assert_string_equal(e.region, cases[i].signing_region);
                }
        }
}

/* FIPS and dual-stack endpoints are not ours yet; `aws-global` and the legacy global endpoint of STS
 * are never used: its tokens do not work in newer regions. */
static bool is_plain_case(const json_t *params) {
        const char *region = json_string_value(json_object_get(params, "Region"));

        return region && strcmp(region, "aws-global") != 0 &&
               !json_is_true(json_object_get(params, "UseFIPS")) &&
               !json_is_true(json_object_get(params, "UseDualStack")) &&
               !json_is_true(json_object_get(params, "UseGlobalEndpoint"));
}

/* Returns how many cases were plain. */
static unsigned check_public(const char *service, json_t *suite) {
        unsigned n = 0;
        size_t i;
        json_t *c;

        json_array_foreach(json_object_get(suite, "testCases"), i, c) {
                const json_t *params = json_object_get(c, "params");
                const char *url = NULL, *region = NULL;
                struct aws_endpoint e;

                if (!is_plain_case(params))
                        continue;
                assert_int_equal(json_unpack(c, "{s:{s:{s:s}}}", "expect", "endpoint", "url", &url),
                                 0);
                (void)json_unpack(c, "{s:{s:{s:{s:[{s:s}]}}}}", "expect", "endpoint", "properties",
                                  "authSchemes", "signingRegion", &region); /* only some say it */
                assert_int_equal(
                        aws_endpoint_find(
                                service, json_string_value(json_object_get(params, "Region")),
                                json_string_value(json_object_get(params, "Endpoint")), &e),
                        0);
                assert_string_equal(e.url, url);
                if (region)
                        assert_string_equal(e.region, region);
                n++;
        }
        return n;
}

static void test_public_cases(void **state) {
        static const struct {
                const char *service, *path;
                unsigned least;
        } suites[] = {
                {"sts", SOURCE_ROOT "/../shared/data/endpoints/sts-endpoint-tests-1.json", 30},
                {"iam", SOURCE_ROOT "/../shared/data/endpoints/iam-endpoint-tests-1.json", 8},
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(suites); i++) {
                json_t *suite = json_load_file(suites[i].path, 0, NULL);

                if (!suite) {
                        print_message(
                                "AWS's endpoint cases are not beside the checkout: skipped\n");
                        skip();
                }
                assert_true(check_public(suites[i].service, suite) >= suites[i].least);
                json_decref(suite);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_check),
                cmocka_unit_test(test_find),
                cmocka_unit_test(test_public_cases),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
