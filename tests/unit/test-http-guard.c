/* test-http-guard.c - the refusal table, line by line, as lists of headers. What libmicrohttpd itself does
 * to raw bytes is tests/integration/test_http_raw.py's part. */
#include "common/macros.h"
#include "daemon/front/http_guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define PORT  9912
#define TOKEN "0123456789abcdefghijABCDEFGHIJ-_0123456789a"
#define HOST  "Host: 127.0.0.1:9912"
#define AUTH  "Authorization: " TOKEN

#define ARN         "arn:aws:iam::123456789012:role/ops"
#define ARN_SPELLED "arn:aws:iam::123456789012:role~2Fops"

struct row {
        const char *what;
        const char *request;     /* "METHOD PATH VERSION" */
        const char *headers[12]; /* "Name: value", split at the first ": " */
        enum http_refusal expected;
};

#define GET "GET / HTTP/1.1"

static const struct row rows[] = {
        /* what SDKs send */
        {"botocore",
         GET,
         {"Accept-Encoding: identity", HOST, "User-Agent: python-urllib3/1.26.12",
          "Accept: application/json", AUTH},
         HTTP_OK},
        {"CRT sends no port", GET, {"Host: 127.0.0.1", AUTH}, HTTP_OK},
        {"localhost", GET, {"Host: localhost", AUTH}, HTTP_OK},
        {"localhost with port", GET, {"Host: localhost:9912", AUTH}, HTTP_OK},
        {"IPv6 name", GET, {"Host: [::1]:9912", AUTH}, HTTP_OK},
        {"IPv6 name, no port", GET, {"Host: [::1]", AUTH}, HTTP_OK},
        {"HTTP/1.0", "GET / HTTP/1.0", {HOST, AUTH}, HTTP_OK},
        {"a profile", "GET /profile/corp.dev_1 HTTP/1.1", {HOST, AUTH}, HTTP_OK},
        {"a profile with a slash", "GET /profile/corp/dev HTTP/1.1", {HOST, AUTH}, HTTP_OK},
        {"a profile with a blank", "GET /profile/corp~20dev HTTP/1.1", {HOST, AUTH}, HTTP_OK},
        {"a profile in UTF-8", "GET /profile/b~C3~BCro HTTP/1.1", {HOST, AUTH}, HTTP_OK},
        {"a role", "GET /role-arn/" ARN " HTTP/1.1", {HOST, AUTH}, HTTP_OK},
        {"a role, spelled", "GET /role-arn/" ARN_SPELLED " HTTP/1.1", {HOST, AUTH}, HTTP_OK},
        {"a role with a path",
         "GET /role-arn/arn:aws-us-gov:iam::123456789012:role/a/b/c@d.e,f=g+h HTTP/1.1",
         {HOST, AUTH},
         HTTP_OK},
        {"Content-Length: 0", GET, {HOST, AUTH, "Content-Length: 0"}, HTTP_OK},
        {"Go's retry counter", GET, {HOST, AUTH, "Amz-Sdk-Request: attempt=1; max=3"}, HTTP_OK},
        {"lower-case names", GET, {"host: 127.0.0.1:9912", "authorization: " TOKEN}, HTTP_OK},
        {"health needs no token", "GET /healthz HTTP/1.1", {HOST}, HTTP_OK},
        {"health with a token", "GET /healthz HTTP/1.1", {HOST, AUTH}, HTTP_OK},
        {"another scheme is just a string", GET, {HOST, "Authorization: Bearer x"}, HTTP_OK},

        /* E5 */
        {"HTTP/1.9", "GET / HTTP/1.9", {HOST, AUTH}, HTTP_REFUSED_VERSION},
        {"HTTP/2.0", "GET / HTTP/2.0", {HOST, AUTH}, HTTP_REFUSED_VERSION},
        {"HTTP/0.9 has none", "GET / ", {HOST, AUTH}, HTTP_REFUSED_VERSION},
        {"http/1.1", "GET / http/1.1", {HOST, AUTH}, HTTP_REFUSED_VERSION},
        {"HTTP/1.10", "GET / HTTP/1.10", {HOST, AUTH}, HTTP_REFUSED_VERSION},
        {"get", "get / HTTP/1.1", {HOST, AUTH}, HTTP_REFUSED_METHOD},
        {"FOO", "FOO / HTTP/1.1", {HOST, AUTH}, HTTP_REFUSED_METHOD},
        {"HEAD", "HEAD / HTTP/1.1", {HOST, AUTH}, HTTP_REFUSED_METHOD},
        {"OPTIONS", "OPTIONS / HTTP/1.1", {HOST, AUTH}, HTTP_REFUSED_METHOD},
        {"POST", "POST / HTTP/1.1", {HOST, AUTH}, HTTP_REFUSED_METHOD},
        {"PUT", "PUT /latest/api/token HTTP/1.1", {HOST, AUTH}, HTTP_REFUSED_METHOD},

        /* E6 */
        {"absolute form", "GET http://127.0.0.1:9912/ HTTP/1.1", {HOST, AUTH}, HTTP_REFUSED_PATH},
        {"asterisk", "GET * HTTP/1.1", {HOST, AUTH}, HTTP_REFUSED_PATH},
        {"no path, or one that a NUL has cut", "GET  HTTP/1.1", {HOST, AUTH}, HTTP_REFUSED_PATH},
        {"%2e%2e", "GET /profile/%2e%2e HTTP/1.1", {HOST, AUTH}, HTTP_REFUSED_PATH},
        {"%00", "GET /%00 HTTP/1.1", {HOST, AUTH}, HTTP_REFUSED_PATH},
        {"..", "GET /profile/../healthz HTTP/1.1", {HOST, AUTH}, HTTP_REFUSED_PATH},
        {"//", "GET //profile/x HTTP/1.1", {HOST, AUTH}, HTTP_REFUSED_PATH},
        {"query", "GET /?a HTTP/1.1", {HOST, AUTH}, HTTP_REFUSED_PATH},
        {"fragment", "GET /#a HTTP/1.1", {HOST, AUTH}, HTTP_REFUSED_PATH},
        {"CRLF in the path", "GET /a\r\nX: HTTP/1.1", {HOST, AUTH}, HTTP_REFUSED_PATH},
        {"control character", "GET /profile/a\tb HTTP/1.1", {HOST, AUTH}, HTTP_REFUSED_PATH},
        {"no such path", "GET /latest/meta-data HTTP/1.1", {HOST, AUTH}, HTTP_REFUSED_PATH},
        {"profile without name", "GET /profile/ HTTP/1.1", {HOST, AUTH}, HTTP_REFUSED_PATH},
        {"/profile", "GET /profile HTTP/1.1", {HOST, AUTH}, HTTP_REFUSED_PATH},
        {"role without ARN", "GET /role-arn/ HTTP/1.1", {HOST, AUTH}, HTTP_REFUSED_PATH},
        {"/role-arn", "GET /role-arn HTTP/1.1", {HOST, AUTH}, HTTP_REFUSED_PATH},
        {"/role-arns", "GET /role-arns/" ARN " HTTP/1.1", {HOST, AUTH}, HTTP_REFUSED_PATH},
        {"// in an ARN", "GET /role-arn/" ARN "//x HTTP/1.1", {HOST, AUTH}, HTTP_REFUSED_PATH},
        {".. in an ARN", "GET /role-arn/" ARN "/../x HTTP/1.1", {HOST, AUTH}, HTTP_REFUSED_PATH},
        {"%2F in an ARN",
         "GET /role-arn/arn:aws:iam::123456789012:role%2Fops HTTP/1.1",
         {HOST, AUTH},
         HTTP_REFUSED_PATH},
        {"query behind an ARN",
         "GET /role-arn/" ARN "?x HTTP/1.1",
         {HOST, AUTH},
         HTTP_REFUSED_PATH},
        {"a blank in a name", "GET /profile/a b HTTP/1.1", {HOST, AUTH}, HTTP_REFUSED_PATH},
        {"healthz/", "GET /healthz/ HTTP/1.1", {HOST, AUTH}, HTTP_REFUSED_PATH},

        /* E7 */
        {"blank before the colon", GET, {HOST, AUTH, "X : y"}, HTTP_REFUSED_HEADER},
        {"Host with a blank", GET, {"Host : 127.0.0.1", AUTH}, HTTP_REFUSED_HEADER},
        {"empty name", GET, {HOST, AUTH, ": y"}, HTTP_REFUSED_HEADER},
        {"tab in a value", GET, {HOST, AUTH, "X: a\tb"}, HTTP_REFUSED_HEADER},
        {"bare CR in a value", GET, {HOST, AUTH, "X: a\rOrigin: y"}, HTTP_REFUSED_HEADER},
        {"UTF-8 in a value", GET, {HOST, AUTH, "X: \xc3\xa4"}, HTTP_REFUSED_HEADER},
        {"UTF-8 in a name", GET, {HOST, AUTH, "X\xc3\xa4: y"}, HTTP_REFUSED_HEADER},

        /* E8 */
        {"no Host", GET, {AUTH}, HTTP_REFUSED_HOST},
        {"no Host in HTTP/1.0", "GET / HTTP/1.0", {AUTH}, HTTP_REFUSED_HOST},
        {"two Hosts", GET, {HOST, HOST, AUTH}, HTTP_REFUSED_HOST},
        {"two different Hosts", GET, {HOST, "Host: evil", AUTH}, HTTP_REFUSED_HOST},
        {"rebinding", GET, {"Host: evil.example:9912", AUTH}, HTTP_REFUSED_HOST},
        {"0.0.0.0", GET, {"Host: 0.0.0.0:9912", AUTH}, HTTP_REFUSED_HOST},
        {"next port", GET, {"Host: 127.0.0.1:9913", AUTH}, HTTP_REFUSED_HOST},
        {"port with more", GET, {"Host: 127.0.0.1:99120", AUTH}, HTTP_REFUSED_HOST},
        {"port cut", GET, {"Host: 127.0.0.1:991", AUTH}, HTTP_REFUSED_HOST},
        {"port with a zero", GET, {"Host: 127.0.0.1:09912", AUTH}, HTTP_REFUSED_HOST},
        {"colon only", GET, {"Host: 127.0.0.1:", AUTH}, HTTP_REFUSED_HOST},
        {"trailing dot", GET, {"Host: localhost.", AUTH}, HTTP_REFUSED_HOST},
        {"userinfo", GET, {"Host: a@127.0.0.1:9912", AUTH}, HTTP_REFUSED_HOST},
        {"name that begins like ours", GET, {"Host: localhost.evil", AUTH}, HTTP_REFUSED_HOST},
        {"another loopback address", GET, {"Host: 127.0.0.2", AUTH}, HTTP_REFUSED_HOST},
        {"blank after it", GET, {"Host: 127.0.0.1 ", AUTH}, HTTP_REFUSED_HOST},
        {"empty Host", GET, {"Host: ", AUTH}, HTTP_REFUSED_HOST},

        /* E9 */
        {"Origin", GET, {HOST, AUTH, "Origin: http://127.0.0.1:9912"}, HTTP_REFUSED_BROWSER},
        {"empty Origin", GET, {HOST, AUTH, "Origin: "}, HTTP_REFUSED_BROWSER},
        {"ORIGIN", GET, {HOST, AUTH, "ORIGIN: x"}, HTTP_REFUSED_BROWSER},
        {"Referer", GET, {HOST, AUTH, "Referer: http://evil/"}, HTTP_REFUSED_BROWSER},
        {"Cookie", GET, {HOST, AUTH, "Cookie: a=b"}, HTTP_REFUSED_BROWSER},
        {"Sec-Fetch-Mode", GET, {HOST, AUTH, "Sec-Fetch-Mode: cors"}, HTTP_REFUSED_BROWSER},
        {"sec-ch-ua", GET, {HOST, AUTH, "sec-ch-ua: x"}, HTTP_REFUSED_BROWSER},
        {"X-Forwarded-For", GET, {HOST, AUTH, "X-Forwarded-For: 1"}, HTTP_REFUSED_BROWSER},
        {"empty X-Forwarded-Host", GET, {HOST, AUTH, "X-Forwarded-Host: "}, HTTP_REFUSED_BROWSER},
        {"Forwarded", GET, {HOST, AUTH, "Forwarded: for=1"}, HTTP_REFUSED_BROWSER},
        {"Via", GET, {HOST, AUTH, "Via: 1.1 x"}, HTTP_REFUSED_BROWSER},
        {"X-Real-IP", GET, {HOST, AUTH, "X-Real-IP: 1"}, HTTP_REFUSED_BROWSER},
        {"Proxy-Connection", GET, {HOST, AUTH, "Proxy-Connection: x"}, HTTP_REFUSED_BROWSER},
        {"Upgrade", GET, {HOST, AUTH, "Upgrade: h2c"}, HTTP_REFUSED_BROWSER},
        {"HTTP2-Settings", GET, {HOST, AUTH, "HTTP2-Settings: AAMA"}, HTTP_REFUSED_BROWSER},
        {"Access-Control-Request-Method",
         GET,
         {HOST, AUTH, "Access-Control-Request-Method: GET"},
         HTTP_REFUSED_BROWSER},
        {"Access-Control-Request-Private-Network",
         GET,
         {HOST, AUTH, "Access-Control-Request-Private-Network: true"},
         HTTP_REFUSED_BROWSER},
        {"Mozilla", GET, {HOST, AUTH, "User-Agent: Mozilla/5.0 (X11)"}, HTTP_REFUSED_BROWSER},
        {"mOZILLA inside", GET, {HOST, AUTH, "User-Agent: x mOZILLA"}, HTTP_REFUSED_BROWSER},
        {"health is guarded too",
         "GET /healthz HTTP/1.1",
         {HOST, "Origin: x"},
         HTTP_REFUSED_BROWSER},

        /* E10 */
        {"two Content-Lengths",
         GET,
         {HOST, AUTH, "Content-Length: 0", "Content-Length: 0"},
         HTTP_REFUSED_BODY},
        {"Content-Length: 5", GET, {HOST, AUTH, "Content-Length: 5"}, HTTP_REFUSED_BODY},
        {"Content-Length: 00", GET, {HOST, AUTH, "Content-Length: 00"}, HTTP_REFUSED_BODY},
        {"Content-Length: +0", GET, {HOST, AUTH, "Content-Length: +0"}, HTTP_REFUSED_BODY},
        {"empty Content-Length", GET, {HOST, AUTH, "Content-Length: "}, HTTP_REFUSED_BODY},
        {"TE and CL",
         GET,
         {HOST, AUTH, "Transfer-Encoding: chunked", "Content-Length: 0"},
         HTTP_REFUSED_BODY},
        {"TE", GET, {HOST, AUTH, "Transfer-Encoding: identity"}, HTTP_REFUSED_BODY},
        {"Expect", GET, {HOST, AUTH, "Expect: 100-continue"}, HTTP_REFUSED_BODY},
        {"Content-Type", GET, {HOST, AUTH, "Content-Type: text/plain"}, HTTP_REFUSED_BODY},

        /* E11: the value itself is tokens.c's part */
        {"no Authorization", GET, {HOST}, HTTP_REFUSED_NO_TOKEN},
        {"empty Authorization", GET, {HOST, "Authorization: "}, HTTP_REFUSED_NO_TOKEN},
        {"two Authorizations", GET, {HOST, AUTH, AUTH}, HTTP_REFUSED_NO_TOKEN},
        {"two, one empty", GET, {HOST, AUTH, "Authorization: "}, HTTP_REFUSED_NO_TOKEN},

        /* the order of the rules */
        {"version before all", "FOO %% HTTP/9.9", {"X : y", "Origin: x"}, HTTP_REFUSED_VERSION},
        {"method before path", "FOO %% HTTP/1.1", {"X : y", "Origin: x"}, HTTP_REFUSED_METHOD},
        {"path before headers", "GET %% HTTP/1.1", {"X : y", "Origin: x"}, HTTP_REFUSED_PATH},
        {"headers before Host", GET, {"X : y", "Origin: x"}, HTTP_REFUSED_HEADER},
        {"Host before browsers", GET, {"Origin: x", "Expect: y"}, HTTP_REFUSED_HOST},
        {"browsers before bodies", GET, {HOST, "Origin: x", "Expect: y"}, HTTP_REFUSED_BROWSER},
        {"bodies before tokens", GET, {HOST, "Expect: y"}, HTTP_REFUSED_BODY},
};

static struct http_text text_between(const char *from, const char *to) {
        return (struct http_text){from, (size_t)(to - from)};
}

static void head_from(const struct row *row, struct http_head *ret) {
        const char *first = strchr(row->request, ' ');
        const char *last = strrchr(row->request, ' ');

        *ret = (struct http_head){.is_whole = true};
        ret->method = text_between(row->request, first);
        ret->path = last > first ? text_between(first + 1, last) : text_between("", "");
        ret->version = text_between(last + 1, last + 1 + strlen(last + 1));
        for (size_t i = 0; i < ELEMENTSOF(row->headers) && row->headers[i]; i++) {
                const char *header = row->headers[i];
                const char *colon = strstr(header, ": ");

                assert_non_null(colon);
                ret->headers[ret->n_headers++] = (struct http_header){
                        .name = text_between(header, colon),
                        .value = text_between(colon + 2, header + strlen(header)),
                };
        }
}

static void test_table(void **state) {
        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                struct http_head head;
                struct http_call call;
                enum http_refusal got;

                head_from(&rows[i], &head);
                got = http_guard(&head, PORT, &call);
                if (got != rows[i].expected)
                        fail_msg("%s: %d, not %d", rows[i].what, (int)got, (int)rows[i].expected);
        }
}

static void test_call(void **state) {
        static const struct row profile = {"", "GET /profile/a/b HTTP/1.1", {HOST, AUTH}, HTTP_OK};
        static const struct row role = {
                "", "GET /role-arn/" ARN_SPELLED " HTTP/1.1", {HOST, AUTH}, HTTP_OK};
        static const struct row root = {"", GET, {AUTH, HOST}, HTTP_OK};
        static const struct row health = {"", "GET /healthz HTTP/1.1", {AUTH, HOST}, HTTP_OK};
        struct http_head head;
        struct http_call call;

        (void)state;
        head_from(&profile, &head);
        assert_int_equal(http_guard(&head, PORT, &call), HTTP_OK);
        assert_int_equal(call.route, HTTP_ROUTE_PROFILE);
        assert_int_equal(call.name.len, 3);
        assert_memory_equal(call.name.text, "a/b", 3);
        assert_int_equal(call.authorization.len, strlen(TOKEN));
        assert_memory_equal(call.authorization.text, TOKEN, strlen(TOKEN));

        head_from(&role, &head);
        assert_int_equal(http_guard(&head, PORT, &call), HTTP_OK);
        assert_int_equal(call.route, HTTP_ROUTE_ROLE_ARN);
        assert_int_equal(call.name.len, strlen(ARN_SPELLED));
        assert_memory_equal(call.name.text, ARN_SPELLED, strlen(ARN_SPELLED)); /* not yet decoded */
        assert_int_equal(call.authorization.len, strlen(TOKEN));

        head_from(&root, &head);
        assert_int_equal(http_guard(&head, PORT, &call), HTTP_OK);
        assert_int_equal(call.route, HTTP_ROUTE_DEFAULT);
        assert_int_equal(call.name.len, 0);

        head_from(&health, &head);
        assert_int_equal(http_guard(&head, PORT, &call), HTTP_OK);
        assert_int_equal(call.route, HTTP_ROUTE_HEALTH);
        assert_int_equal(call.authorization.len, 0);
}

static void test_limits(void **state) {
        static const struct row good = {"", GET, {HOST, AUTH}, HTTP_OK};
        static char filler[HTTP_HEADERS_LEN_MAX];
        struct http_head head;
        struct http_call call;

        (void)state;
        head_from(&good, &head);
        while (head.n_headers < HTTP_HEADERS_MAX)
                head.headers[head.n_headers++] = (struct http_header){{"X", 1}, {"y", 1}};
        assert_int_equal(http_guard(&head, PORT, &call), HTTP_OK);
        head.headers[head.n_headers++] = (struct http_header){{"X", 1}, {"y", 1}};
        assert_int_equal(http_guard(&head, PORT, &call), HTTP_REFUSED_HEADER);

        memset(filler, 'x', sizeof(filler));
        head_from(&good, &head);
        head.headers[head.n_headers++] = (struct http_header){{"X", 1}, {filler, 8000}};
        assert_int_equal(http_guard(&head, PORT, &call), HTTP_OK);
        head.headers[2].value.len = sizeof(filler);
        assert_int_equal(http_guard(&head, PORT, &call), HTTP_REFUSED_HEADER);

        head_from(&good, &head);
        head.is_whole = false;
        assert_int_equal(http_guard(&head, PORT, &call), HTTP_REFUSED_HEADER);
}

/* The longest name and the longest ARN pass, in any spelling, and nothing longer. */
static void test_path_limits(void **state) {
        static const struct row good = {"", GET, {HOST, AUTH}, HTTP_OK};
        static const struct {
                const char *prefix;
                size_t max;
        } routes[] = {{"/profile/", 384}, {"/role-arn/", 1765}};
        char path[4096];
        struct http_head head;
        struct http_call call;

        (void)state;
        head_from(&good, &head);
        for (size_t i = 0; i < ELEMENTSOF(routes); i++) {
                size_t n = strlen(routes[i].prefix);

                memset(path, 'a', sizeof(path));
                memcpy(path, routes[i].prefix, n);
                head.path = (struct http_text){path, n + routes[i].max};
                assert_true(head.path.len <= HTTP_PATH_MAX);
                assert_int_equal(http_guard(&head, PORT, &call), HTTP_OK);
                assert_int_equal(call.name.len, routes[i].max);
                for (size_t len = n + routes[i].max + 1; len <= sizeof(path); len++) {
                        head.path.len = len;
                        assert_int_equal(http_guard(&head, PORT, &call), HTTP_REFUSED_PATH);
                }
        }
}

/* An ARN of IAM's longest kind, spelled as a stranger would see it in `mfactl profiles`. */
static void test_longest_arn(void **state) {
        static const struct row good = {"", GET, {HOST, AUTH}, HTTP_OK};
        static const char start[] = "/role-arn/arn:aws-us-gov:iam::123456789012:role";
        char path[HTTP_PATH_MAX + 1] = "";
        struct http_head head;
        struct http_call call;

        (void)state;
        strcpy(path, start);
        for (size_t i = 0; i < 512 + 64; i++)
                strcat(path, "~2F");
        assert_int_equal(strlen(path), HTTP_PATH_MAX);
        head_from(&good, &head);
        head.path = (struct http_text){path, strlen(path)};
        assert_int_equal(http_guard(&head, PORT, &call), HTTP_OK);
        assert_int_equal(call.route, HTTP_ROUTE_ROLE_ARN);
}

/* A refused request leaves nothing to act upon. */
static void test_untouched_on_refusal(void **state) {
        static const struct row bad = {"", GET, {HOST, AUTH, "Origin: x"}, HTTP_REFUSED_BROWSER};
        struct http_call call, before;
        struct http_head head;

        (void)state;
        memset(&call, 0x5a, sizeof(call));
        before = call;
        head_from(&bad, &head);
        assert_int_equal(http_guard(&head, PORT, &call), HTTP_REFUSED_BROWSER);
        assert_memory_equal(&call, &before, sizeof(call));
}

static void test_texts(void **state) {
        static const unsigned expected[_HTTP_REFUSAL_MAX] = {
                [HTTP_REFUSED_VERSION] = 400, [HTTP_REFUSED_METHOD] = 405,
                [HTTP_REFUSED_PATH] = 404,    [HTTP_REFUSED_HEADER] = 400,
                [HTTP_REFUSED_HOST] = 421,    [HTTP_REFUSED_BROWSER] = 403,
                [HTTP_REFUSED_BODY] = 400,    [HTTP_REFUSED_NO_TOKEN] = 403,
        };

        (void)state;
        for (enum http_refusal i = HTTP_OK + 1; i < _HTTP_REFUSAL_MAX; i++) {
                const struct http_refusal_text *text = http_refusal_text(i);

                assert_int_equal(text->status, expected[i]);
                /* codes with these words are retried by Go, whatever the status */
                assert_null(strstr(text->code, "Expired"));
                assert_null(strstr(text->code, "Thrott"));
                assert_null(strstr(text->code, "Timeout"));
                assert_true(strlen(text->message) > 0);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_table),       cmocka_unit_test(test_call),
                cmocka_unit_test(test_limits),      cmocka_unit_test(test_path_limits),
                cmocka_unit_test(test_longest_arn), cmocka_unit_test(test_untouched_on_refusal),
                cmocka_unit_test(test_texts),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
