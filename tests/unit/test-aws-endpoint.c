/* test-aws-endpoint.c - which URLs may be called, the Host header they give, and AWS's own endpoint cases.
 * Owns:  nothing.
 * Calls: aws_endpoint.h, jansson.
 * Limit: none. botocore judges every region in tests/integration/test_endpoint_botocore.py. */
#include "common/aws_endpoint.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
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

#define CUSTOM "a custom endpoint is"

static const struct {
        enum aws_service service;
        struct aws_where where; /* without the URLs: NULL is "" */
        const char *answer;     /* the URL, or how the reason begins */
        const char *region;     /* NULL: refused */
} finds[] = {
        {AWS_STS, {.region = ""}, "https://sts.us-east-1.amazonaws.com", "us-east-1"},
        {AWS_STS, {.region = "xx-new-9"}, "https://sts.xx-new-9.amazonaws.com", "xx-new-9"},
        {AWS_STS,
         {.region = "us-isof-east-1"},
         "https://sts.us-isof-east-1.csp.hci.ic.gov",
         "us-isof-east-1"},
        {AWS_IAM, {.region = "eu-west-1"}, "https://iam.amazonaws.com", "us-east-1"},
        {AWS_IAM, {.region = "us-gov-east-1"}, "https://iam.us-gov.amazonaws.com", "us-gov-west-1"},
        /* pseudo-regions */
        {AWS_STS, {.region = "aws-global"}, "https://sts.amazonaws.com", "us-east-1"},
        {AWS_STS,
         {.region = "aws-global", .use_fips = true},
         "https://sts-fips.us-east-1.amazonaws.com",
         "us-east-1"},
        {AWS_STS,
         {.region = "aws-cn-global"},
         "https://sts.cn-northwest-1.amazonaws.com.cn",
         "cn-northwest-1"},
        {AWS_STS,
         {.region = "aws-eusc-global"},
         "https://sts.eusc-de-east-1.amazonaws.eu",
         "eusc-de-east-1"},
        {AWS_IAM,
         {.region = "aws-iso-b-global"},
         "https://iam.us-isob-east-1.sc2s.sgov.gov",
         "us-isob-east-1"},
        {AWS_STS,
         {.region = "fips-us-west-2"},
         "https://sts-fips.us-west-2.amazonaws.com",
         "us-west-2"},
        {AWS_STS,
         {.region = "us-west-2-fips"},
         "https://sts-fips.us-west-2.amazonaws.com",
         "us-west-2"},
        {AWS_STS,
         {.region = "us-gov-west-1-fips"},
         "https://sts.us-gov-west-1.amazonaws.com",
         "us-gov-west-1"},
        {AWS_IAM,
         {.region = "aws-us-gov-global-fips"},
         "https://iam.us-gov.amazonaws.com",
         "us-gov-west-1"},
        {AWS_STS, {.region = "fips-"}, "the region", NULL},
        {AWS_STS, {.region = "-fips"}, "the region", NULL},
        /* the global endpoint: only the old regions, only without FIPS, dualstack, custom */
        {AWS_STS, {.region = "", .use_global = true}, "https://sts.amazonaws.com", "us-east-1"},
        {AWS_STS,
         {.region = "eu-west-3", .use_global = true},
         "https://sts.amazonaws.com",
         "us-east-1"},
        {AWS_STS,
         {.region = "eu-south-1", .use_global = true},
         "https://sts.eu-south-1.amazonaws.com",
         "eu-south-1"},
        {AWS_STS,
         {.region = "us-gov-west-1", .use_global = true},
         "https://sts.us-gov-west-1.amazonaws.com",
         "us-gov-west-1"},
        {AWS_STS,
         {.region = "us-west-2", .use_global = true, .use_fips = true},
         "https://sts-fips.us-west-2.amazonaws.com",
         "us-west-2"},
        {AWS_STS,
         {.region = "us-west-2", .use_global = true, .use_dualstack = true},
         "https://sts.us-west-2.api.aws",
         "us-west-2"},
        {AWS_STS,
         {.region = "us-west-2", .use_global = true, .sts_url = "https://x.example"},
         "https://x.example",
         "us-west-2"},
        {AWS_IAM,
         {.region = "cn-north-1", .use_global = true},
         "https://iam.cn-north-1.amazonaws.com.cn",
         "cn-north-1"},
        /* dualstack where AWS's own cases have none */
        {AWS_STS,
         {.region = "us-isof-east-1", .use_fips = true, .use_dualstack = true},
         "https://sts-fips.us-isof-east-1.api.aws.hci.ic.gov",
         "us-isof-east-1"},
        {AWS_STS,
         {.region = "eusc-de-east-1", .use_fips = true},
         "https://sts-fips.eusc-de-east-1.amazonaws.eu",
         "eusc-de-east-1"},
        /* custom endpoints, each for its own service */
        {AWS_STS,
         {.region = "eu-west-1", .sts_url = "http://127.0.0.1:4566/"},
         "http://127.0.0.1:4566",
         "eu-west-1"},
        {AWS_STS,
         {.region = "aws-cn-global", .sts_url = "https://x.example"},
         "https://x.example",
         "cn-northwest-1"},
        {AWS_IAM,
         {.region = "cn-northwest-1", .iam_url = "https://x.example"},
         "https://x.example",
         "cn-north-1"},
        {AWS_IAM,
         {.region = "eu-west-1", .sts_url = "https://x.example"},
         "https://iam.amazonaws.com",
         "us-east-1"},
        {AWS_IAM,
         {.region = "eu-west-1", .sts_url = "https://x.example", .use_fips = true},
         "https://iam-fips.amazonaws.com",
         "us-east-1"},
        {AWS_STS,
         {.region = "eu-west-1", .iam_url = "https://x.example"},
         "https://sts.eu-west-1.amazonaws.com",
         "eu-west-1"},
        {AWS_STS,
         {.region = "eu-west-1", .sts_url = "https://x.example", .use_fips = true},
         "FIPS and a custom endpoint do not go together",
         NULL},
        {AWS_STS,
         {.region = "fips-us-east-1", .sts_url = "https://x.example"},
         "FIPS and a custom endpoint do not go together",
         NULL},
        {AWS_STS,
         {.region = "eu-west-1", .sts_url = "https://x.example", .use_dualstack = true},
         "dualstack and a custom endpoint do not go together",
         NULL},
        {AWS_IAM,
         {.region = "eu-west-1", .iam_url = "https://x.example", .use_dualstack = true},
         "dualstack and",
         NULL},
        {AWS_STS, {.region = "eu-west-1", .sts_url = "https://x.example//"}, CUSTOM, NULL},
        {AWS_STS, {.region = "eu-west-1", .sts_url = "https://x.example/sts"}, CUSTOM, NULL},
        {AWS_STS, {.region = "eu-west-1", .sts_url = "http://x.example"}, CUSTOM, NULL},
        {AWS_STS, {.region = "eu-west-1", .sts_url = "/"}, CUSTOM, NULL},
        /* the console's sign-in: one host per partition, whatever else is set */
        {AWS_SIGNIN, {.region = ""}, "https://signin.aws.amazon.com", "us-east-1"},
        {AWS_SIGNIN,
         {.region = "eu-west-1", .use_fips = true, .use_dualstack = true, .use_global = true},
         "https://signin.aws.amazon.com",
         "eu-west-1"},
        {AWS_SIGNIN, {.region = "cn-north-1"}, "https://signin.amazonaws.cn", "cn-north-1"},
        {AWS_SIGNIN,
         {.region = "us-gov-east-1"},
         "https://signin.amazonaws-us-gov.com",
         "us-gov-east-1"},
        {AWS_SIGNIN,
         {.region = "eusc-de-east-1"},
         "https://eusc-de-east-1.signin.amazonaws-eusc.eu",
         "eusc-de-east-1"},
        {AWS_SIGNIN, {.region = "us-iso-west-1"}, "https://signin.c2shome.ic.gov", "us-iso-west-1"},
        {AWS_SIGNIN,
         {.region = "us-isob-east-1"},
         "https://signin.sc2shome.sgov.gov",
         "us-isob-east-1"},
        {AWS_SIGNIN,
         {.region = "eu-isoe-west-1"},
         "https://eu-isoe-west-1.signin.csphome.adc-e.uk",
         "eu-isoe-west-1"},
        {AWS_SIGNIN,
         {.region = "us-isof-east-1"},
         "https://us-isof-south-1.signin.csphome.hci.ic.gov",
         "us-isof-east-1"},
        {AWS_SIGNIN,
         {.region = "eu-west-1", .signin_url = "http://127.0.0.1:1/", .use_fips = true},
         "http://127.0.0.1:1",
         "eu-west-1"},
        {AWS_SIGNIN,
         {.region = "eu-west-1", .signin_url = "https://x.example/federation"},
         CUSTOM,
         NULL},
        /* no regions */
        {AWS_STS, {.region = "EU-WEST-1"}, "the region", NULL},
        {AWS_STS, {.region = "-"}, "the region", NULL},
        {AWS_IAM, {.region = "a.b"}, "the region", NULL},
        {AWS_SIGNIN, {.region = "012345678901234567890123456789012"}, "the region", NULL},
};

static void test_find(void **state) {
        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(finds); i++) {
                struct aws_endpoint e = {.region = "untouched"};
                struct aws_where where = finds[i].where;
                const char *why = NULL;
                int r;

                where.sts_url = where.sts_url ? where.sts_url : "";
                where.iam_url = where.iam_url ? where.iam_url : "";
                where.signin_url = where.signin_url ? where.signin_url : "";
                r = aws_endpoint_find(finds[i].service, &where, &e, &why);
                if (r != (finds[i].region ? 0 : -EINVAL))
                        fail_msg("case %zu: %d", i, r);
                assert_int_equal(aws_endpoint_find(finds[i].service, &where, &e, NULL), r);
                if (r == 0) {
                        assert_string_equal(e.url, finds[i].answer);
                        assert_string_equal(e.region, finds[i].region);
                        assert_null(why);
                } else {
                        assert_string_equal(e.region, "untouched");
                        assert_non_null(why);
                        assert_ptr_equal(strstr(why, finds[i].answer), why);
                }
        }
}

/* The table once more, as it is asked for. */
static const struct {
        const char *global, *home, *sts_suffix, *sts_dualstack, *iam_region, *iam[4];
} places[] = {
        {"aws-global",
         "us-east-1",
         NULL,
         "api.aws",
         "us-east-1",
         {"iam.amazonaws.com", "iam-fips.amazonaws.com", "iam.global.api.aws",
          "iam-fips.global.api.aws"}},
        {"aws-cn-global",
         "cn-northwest-1",
         "amazonaws.com.cn",
         "api.amazonwebservices.com.cn",
         "cn-north-1",
         {"iam.cn-north-1.amazonaws.com.cn", "iam-fips.amazonaws.com.cn",
          "iam.global.api.amazonwebservices.com.cn", "iam-fips.api.amazonwebservices.com.cn"}},
        {"aws-us-gov-global",
         "us-gov-west-1",
         "amazonaws.com",
         "api.aws",
         "us-gov-west-1",
         {"iam.us-gov.amazonaws.com", "iam.us-gov.amazonaws.com", "iam.us-gov.api.aws",
          "iam.us-gov.api.aws"}},
        {"aws-eusc-global",
         "eusc-de-east-1",
         "amazonaws.eu",
         "api.amazonwebservices.eu",
         "eusc-de-east-1",
         {"iam.eusc-de-east-1.amazonaws.eu", "iam-fips.amazonaws.eu",
          "iam.api.amazonwebservices.eu", "iam-fips.api.amazonwebservices.eu"}},
        {"aws-iso-global",
         "us-iso-east-1",
         "c2s.ic.gov",
         "api.aws.ic.gov",
         "us-iso-east-1",
         {"iam.us-iso-east-1.c2s.ic.gov", "iam-fips.us-iso-east-1.c2s.ic.gov", "iam.api.aws.ic.gov",
          "iam-fips.api.aws.ic.gov"}},
        {"aws-iso-b-global",
         "us-isob-east-1",
         "sc2s.sgov.gov",
         "api.aws.scloud",
         "us-isob-east-1",
         {"iam.us-isob-east-1.sc2s.sgov.gov", "iam-fips.us-isob-east-1.sc2s.sgov.gov",
          "iam.api.aws.scloud", "iam-fips.api.aws.scloud"}},
        {"aws-iso-e-global",
         "eu-isoe-west-1",
         "cloud.adc-e.uk",
         "api.cloud-aws.adc-e.uk",
         "eu-isoe-west-1",
         {"iam.eu-isoe-west-1.cloud.adc-e.uk", "iam-fips.cloud.adc-e.uk",
          "iam.api.cloud-aws.adc-e.uk", "iam-fips.api.cloud-aws.adc-e.uk"}},
        {"aws-iso-f-global",
         "us-isof-south-1",
         "csp.hci.ic.gov",
         "api.aws.hci.ic.gov",
         "us-isof-south-1",
         {"iam.us-isof-south-1.csp.hci.ic.gov", "iam-fips.csp.hci.ic.gov", "iam.api.aws.hci.ic.gov",
          "iam-fips.api.aws.hci.ic.gov"}},
};

static void test_every_partition(void **state) {
        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(places); i++) {
                struct aws_where where = aws_nowhere;
                struct aws_endpoint e;
                char url[200];

                where.region = places[i].global;
                for (int kind = 0; kind < 4; kind++) {
                        where.use_fips = kind & 1, where.use_dualstack = kind & 2;
                        assert_int_equal(aws_endpoint_find(AWS_IAM, &where, &e, NULL), 0);
                        assert_string_equal(e.region, places[i].iam_region);
                        assert_string_equal(e.url + strlen("https://"), places[i].iam[kind]);
                }
                where.use_fips = false;
                assert_int_equal(aws_endpoint_find(AWS_STS, &where, &e, NULL), 0);
                assert_string_equal(e.region, places[i].home);
                (void)snprintf(url, sizeof(url), "https://sts.%s.%s", places[i].home,
                               places[i].sts_dualstack);
                assert_string_equal(e.url, url);
                where.use_dualstack = false;
                assert_int_equal(aws_endpoint_find(AWS_STS, &where, &e, NULL), 0);
                assert_string_equal(e.region, places[i].home);
                (void)snprintf(url, sizeof(url), "https://sts.%s.%s", places[i].home,
                               places[i].sts_suffix);
                assert_string_equal(e.url,
                                    places[i].sts_suffix ? url : "https://sts.amazonaws.com");
        }
}

static void test_nowhere(void **state) {
        struct aws_endpoint e;

        (void)state;
        assert_int_equal(aws_endpoint_find(AWS_STS, &aws_nowhere, &e, NULL), 0);
        assert_string_equal(e.url, "https://sts.us-east-1.amazonaws.com");
}

static void test_longest_custom(void **state) {
        char url[sizeof(((struct aws_endpoint *)NULL)->url) + 2] = "https://";
        struct aws_where where = aws_nowhere;
        struct aws_endpoint e;

        (void)state;
        memset(url + 8, 'a', sizeof(url) - 9);
        where.sts_url = url;
        assert_int_equal(aws_endpoint_find(AWS_STS, &where, &e, NULL), -EINVAL);
}

static void test_partitions(void **state) {
        static const struct {
                const char *region, *partition, *console;
        } cases[] = {
                {"", "aws", "https://console.aws.amazon.com/"},
                {"eu-central-1", "aws", "https://console.aws.amazon.com/"},
                {"no region", "aws", "https://console.aws.amazon.com/"},
                {"us-iso", "aws", "https://console.aws.amazon.com/"},
                {"cn-north-1", "aws-cn", "https://console.amazonaws.cn/"},
                {"aws-cn-global", "aws-cn", "https://console.amazonaws.cn/"},
                {"us-gov-west-1", "aws-us-gov", "https://console.amazonaws-us-gov.com/"},
                {"fips-us-gov-west-1", "aws-us-gov", "https://console.amazonaws-us-gov.com/"},
                {"eusc-de-east-1", "aws-eusc", "https://eusc-de-east-1.console.amazonaws-eusc.eu/"},
                {"us-iso-east-1", "aws-iso", "https://console.c2shome.ic.gov/"},
                {"us-isob-east-1", "aws-iso-b", "https://console.sc2shome.sgov.gov/"},
                {"eu-isoe-west-1", "aws-iso-e", "https://console.csphome.adc-e.uk/"},
                {"us-isof-south-1", "aws-iso-f", "https://console.csphome.hci.ic.gov/"},
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                assert_string_equal(aws_endpoint_partition(cases[i].region), cases[i].partition);
                assert_string_equal(aws_endpoint_console(cases[i].region), cases[i].console);
        }
}

static const char *text_in(const json_t *object, const char *key) {
        const char *text = json_string_value(json_object_get(object, key));

        return text ? text : "";
}

/* Where we go, for one of AWS's cases; "" when nowhere. */
static void answer_case(enum aws_service service, const json_t *params, struct aws_endpoint *ret) {
        struct aws_where where = {
                .region = text_in(params, "Region"),
                .sts_url = text_in(params, "Endpoint"),
                .iam_url = text_in(params, "Endpoint"),
                .signin_url = "",
                .use_fips = json_is_true(json_object_get(params, "UseFIPS")),
                .use_dualstack = json_is_true(json_object_get(params, "UseDualStack")),
                .use_global = json_is_true(json_object_get(params, "UseGlobalEndpoint")),
        };

        *ret = (struct aws_endpoint){0};
        (void)aws_endpoint_find(service, &where, ret, NULL);
}

/* Returns the number of cases. */
static size_t check_public(enum aws_service service, json_t *suite) {
        json_t *cases = json_object_get(suite, "testCases"), *c;
        size_t i;

        json_array_foreach(cases, i, c) {
                const json_t *params = json_object_get(c, "params");
                const char *url = "", *region = NULL;
                struct aws_endpoint e;

                answer_case(service, params, &e);
                if (!params) { /* "Missing region": ours is us-east-1 then */
                        assert_string_equal(text_in(json_object_get(c, "expect"), "error"),
                                            "Invalid Configuration: Missing Region");
                        assert_string_equal(e.region, "us-east-1");
                        continue;
                }
                (void)json_unpack(c, "{s:{s:{s:s}}}", "expect", "endpoint", "url", &url);
                (void)json_unpack(c, "{s:{s:{s:{s:[{s:s}]}}}}", "expect", "endpoint", "properties",
                                  "authSchemes", "signingRegion", &region); /* only some say it */
                if (strcmp(e.url, url) != 0)
                        fail_msg("%s: %s, not %s", text_in(c, "documentation"), e.url, url);
                if (region)
                        assert_string_equal(e.region, region);
        }
        return json_array_size(cases);
}

static void test_public_cases(void **state) {
        static const struct {
                enum aws_service service;
                const char *path;
                size_t n;
        } suites[] = {
                {AWS_STS, SOURCE_ROOT "/../shared/data/endpoints/sts-endpoint-tests-1.json", 69},
                {AWS_IAM, SOURCE_ROOT "/../shared/data/endpoints/iam-endpoint-tests-1.json", 26},
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(suites); i++) {
                json_t *suite = json_load_file(suites[i].path, 0, NULL);

                if (!suite) {
                        print_message(
                                "AWS's endpoint cases are not beside the checkout: skipped\n");
                        skip();
                }
                assert_int_equal(check_public(suites[i].service, suite), suites[i].n);
                json_decref(suite);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_check),           cmocka_unit_test(test_find),
                cmocka_unit_test(test_every_partition), cmocka_unit_test(test_nowhere),
                cmocka_unit_test(test_longest_custom),  cmocka_unit_test(test_partitions),
                cmocka_unit_test(test_public_cases),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
