/* test-sigv4.c - our vectors (tests/vectors/make_sigv4.py) and, where it is at hand, AWS's own suite.
 * Owns:  nothing.
 * Calls: sigv4.h, fs.h, secret.h, jansson.
 * Limit: FILE_MAX bytes a file. */
#include "common/buf.h"
#include "common/encode.h"
#include "common/fs.h"
#include "common/secret.h"
#include "common/sigv4.h"

#include <dirent.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define FILE_MAX ((size_t)64 * 1024)

/* The services that we call take no path but "/", so sigv4.c signs a path as it is sent. */
static const char *const needs_path_normalization[] = {
        "get-relative-normalized",
        "get-relative-relative-normalized",
        "get-slash-dot-slash-normalized",
        "get-slash-normalized",
        "get-slash-pointless-dot-normalized",
        "get-slashes-normalized",
};

struct test_case {
        struct buf request; /* cut into strings in place */
        json_t *context;
        struct sigv4_header headers[SIGV4_HEADERS_MAX];
        struct sigv4_request parsed;
        char time[17], body_hash[65];
        int64_t wall_sec;
};

static void read_text(const char *folder, const char *name, struct buf *ret) {
        char path[PATH_LEN_MAX];

        assert_int_equal(fs_join(path, sizeof(path), folder, name), 0);
        *ret = BUF_INIT(FILE_MAX);
        assert_int_equal(fs_read_file(path, ret), 0);
        assert_int_equal(buf_put(ret, "", 0), 0);
}

static const char *context_text(const json_t *object, const char *name) {
        return json_string_value(json_object_get(object, name));
}

static void add_header(struct test_case *t, const char *name, const char *value) {
        assert_true(t->parsed.n_headers < SIGV4_HEADERS_MAX);
        t->headers[t->parsed.n_headers++] = (struct sigv4_header){name, value};
}

/* Cuts the next line off @at; folded lines stay with their header. */
static char *take_line(char **at) {
        char *line = *at, *end = line;

        for (;;) {
                end = strchr(end, '\n');
                if (!end)
                        break;
                if (end == line || (end[1] != ' ' && end[1] != '\t')) {
                        *end++ = '\0';
                        break;
                }
                end++;
        }
        *at = end ? end : line + strlen(line);
        return line;
}

static void parse_request(struct test_case *t) {
        char *at = t->request.data, *line = take_line(&at), *target, *query;
        const char *end = t->request.data + t->request.len;

        target = strchr(line, ' ');
        assert_non_null(target);
        *target++ = '\0';
        *strstr(target, " HTTP/1.1") = '\0';
        query = strchr(target, '?');
        if (query)
                *query++ = '\0';
        t->parsed.method = line;
        t->parsed.path = target;
        t->parsed.query = query ? query : "";
        while (*(line = take_line(&at))) {
                char *colon = strchr(line, ':');

                assert_non_null(colon);
                *colon = '\0';
                add_header(t, line, colon + 1);
        }
        t->parsed.body = at;
        t->parsed.body_len = (size_t)(end - at);
}

/* What the suite's own signer adds before it signs. */
static void add_context_headers(struct test_case *t) {
        const json_t *keys = json_object_get(t->context, "credentials");
        const char *token = context_text(keys, "token");
        struct buf unused = BUF_INIT(FILE_MAX);

        assert_int_equal(decode_time_iso(context_text(t->context, "timestamp"), &t->wall_sec), 0);
        encode_time_basic(t->wall_sec, t->time);
        add_header(t, "X-Amz-Date", t->time);
        if (token && !json_is_true(json_object_get(t->context, "omit_session_token")))
                add_header(t, "X-Amz-Security-Token", token);
        t->parsed.headers = t->headers;
        if (json_is_true(json_object_get(t->context, "sign_body"))) {
                assert_int_equal(sigv4_canonical_request(&t->parsed, &unused), 0);
                strcpy(t->body_hash, unused.data + unused.len - 64);
                add_header(t, "X-Amz-Content-Sha256", t->body_hash);
                buf_clear(&unused);
        }
}

static void check_case(const char *folder) {
        _cleanup_(buf_clear) struct buf text = {0}, expected = {0}, canonical = BUF_INIT(FILE_MAX),
                                        to_sign = BUF_INIT(FILE_MAX),
                                        authorization = BUF_INIT(FILE_MAX);
        _cleanup_(secret_freep) struct secret *secret = NULL;
        struct test_case t = {0};
        const json_t *keys;
        struct sigv4_key key = {0};
        const char *region, *service, *secret_text;

        read_text(folder, "context.json", &text);
        read_text(folder, "request.txt", &t.request);
        t.context = json_loads(text.data, 0, NULL);
        assert_non_null(t.context);
        keys = json_object_get(t.context, "credentials");
        region = context_text(t.context, "region");
        service = context_text(t.context, "service");
        secret_text = context_text(keys, "secret_access_key");
        assert_int_equal(secret_copy(secret_text, strlen(secret_text), &secret), 0);
        key.access_key_id = context_text(keys, "access_key_id");
        key.secret_key = secret;
        parse_request(&t);
        add_context_headers(&t);

        assert_int_equal(sigv4_canonical_request(&t.parsed, &canonical), 0);
        read_text(folder, "header-canonical-request.txt", &expected);
        assert_string_equal(canonical.data, expected.data);
        buf_clear(&expected);

        assert_int_equal(
                sigv4_string_to_sign(canonical.data, t.wall_sec, region, service, &to_sign), 0);
        read_text(folder, "header-string-to-sign.txt", &expected);
        assert_string_equal(to_sign.data, expected.data);
        buf_clear(&expected);

        assert_int_equal(
                sigv4_authorization(&t.parsed, &key, t.wall_sec, region, service, &authorization),
                0);
        read_text(folder, "header-signature.txt", &expected);
        assert_string_equal(strstr(authorization.data, "Signature=") + 10, expected.data);

        buf_clear(&t.request);
        json_decref(t.context);
}

static bool is_applicable(const char *name) {
        for (size_t i = 0; i < ELEMENTSOF(needs_path_normalization); i++)
                if (strcmp(name, needs_path_normalization[i]) == 0)
                        return false;
        return true;
}

/* Returns the number of cases, 0 when there is no such folder. */
static unsigned check_folder(const char *path, unsigned *ret_skipped) {
        DIR *d = opendir(path);
        struct dirent *entry;
        unsigned n = 0;

        *ret_skipped = 0;
        while (d && (entry = readdir(d))) {
                char folder[PATH_LEN_MAX];

                if (entry->d_name[0] == '.')
                        continue;
                if (!is_applicable(entry->d_name)) {
                        ++*ret_skipped;
                        continue;
                }
                assert_int_equal(fs_join(folder, sizeof(folder), path, entry->d_name), 0);
                print_message("  %s\n",
                              entry->d_name); /* the last one printed is the one that failed */
                check_case(folder);
                n++;
        }
        if (d)
                (void)closedir(d);
        return n;
}

static void test_own_vectors(void **state) {
        unsigned skipped;

        (void)state;
        assert_int_equal(check_folder(SOURCE_ROOT "/tests/vectors/sigv4", &skipped), 9);
        assert_int_equal(skipped, 0);
}

static void test_public_suite(void **state) {
        unsigned n, skipped;

        (void)state;
        n = check_folder(SOURCE_ROOT "/../shared/data/sigv4", &skipped);
        if (n == 0) {
                print_message("AWS's test suite is not beside the checkout: skipped\n");
                skip();
        }
        print_message("%u cases, %u more need path normalization\n", n, skipped);
        assert_int_equal(n + skipped, 38);
        assert_int_equal(skipped, ELEMENTSOF(needs_path_normalization));
}

static void test_limits(void **state) {
        _cleanup_(buf_clear) struct buf out = BUF_INIT(FILE_MAX), tiny = BUF_INIT(20);
        struct sigv4_header headers[SIGV4_HEADERS_MAX + 1];
        struct sigv4_request request = {
                .method = "POST", .path = "/", .query = "", .headers = headers, .body = ""};

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(headers); i++)
                headers[i] = (struct sigv4_header){"X-A", "x"};
        request.n_headers = SIGV4_HEADERS_MAX;
        assert_int_equal(sigv4_canonical_request(&request, &out), 0);
        request.n_headers++;
        assert_int_equal(sigv4_canonical_request(&request, &out), -EINVAL);
        request.n_headers = 1;
        assert_int_equal(sigv4_canonical_request(&request, &tiny), -E2BIG);
        request.query = "1&2&3&4&5&6&7&8&9&0&1&2&3&4&5&6&7&8&9&0&1&2&3&4&5&6&7&8&9&0&1&2";
        assert_int_equal(sigv4_canonical_request(&request, &out), 0);
        request.query = "1&2&3&4&5&6&7&8&9&0&1&2&3&4&5&6&7&8&9&0&1&2&3&4&5&6&7&8&9&0&1&2&3";
        assert_int_equal(sigv4_canonical_request(&request, &out), -EINVAL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_own_vectors),
                cmocka_unit_test(test_public_suite),
                cmocka_unit_test(test_limits),
        };

        if (secret_arena_open() < 0)
                return 1;
        return cmocka_run_group_tests(tests, NULL, NULL);
}
