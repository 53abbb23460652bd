/* fuzz-http-guard.c - whatever the guard accepts must pass rules written a second time, another way.
 * Input: a byte (bit 0: the head was whole), then lines: "METHOD PATH VERSION", "NAME:VALUE"... */
#include "common/macros.h"
#include "daemon/front/http_guard.h"

#include <regex.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define PORT 9912

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool truth, const char *what) {
        if (truth)
                return;
        fprintf(stderr, "accepted, but: %s\n", what);
        abort();
}

/* As a C string, by an anchored POSIX expression; a NUL inside never matches. */
static bool matches(const struct http_text *t, const char *pattern, int more_flags) {
        char *copy = strndup(t->len > 0 ? t->text : "", t->len);
        regex_t re;
        bool is_match;

        assert(copy && regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB | more_flags) == 0);
        is_match = strlen(copy) == t->len && regexec(&re, copy, 0, NULL, 0) == 0;
        regfree(&re);
        free(copy);
        return is_match;
}

static void check_head(const struct http_head *head) {
        must(head->is_whole, "not whole");
        must(head->n_headers <= 32, "too many headers");
        must(matches(&head->method, "^GET$", 0), "method");
        must(matches(&head->version, "^HTTP/1\\.[01]$", 0), "version");
        must(head->path.len <= 1775 && matches(&head->path, "^/[A-Za-z0-9._~/:=,@+-]*$", 0),
             "path");
        must(!matches(&head->path, "//|\\.\\.", 0), "path with // or ..");
}

/* The routes, and that what was taken for the name is all that follows. */
static void check_route(const struct http_head *head, const struct http_call *call) {
        static const struct {
                const char *path;
                size_t prefix_len, name_len_max;
        } routes[] = {
                [HTTP_ROUTE_DEFAULT] = {"^/$", 1, 0},
                [HTTP_ROUTE_PROFILE] = {"^/profile/.+$", 9, 384},
                [HTTP_ROUTE_ROLE_ARN] = {"^/role-arn/.+$", 10, 1765},
                [HTTP_ROUTE_HEALTH] = {"^/healthz$", 8, 0},
        };

        must(call->route >= 0 && call->route < ELEMENTSOF(routes), "known route");
        must(matches(&head->path, routes[call->route].path, 0), "route");
        must(call->name.len == head->path.len - routes[call->route].prefix_len, "name's length");
        must(call->name.len <= routes[call->route].name_len_max, "name too long");
        must(call->name.len == 0 ||
                     call->name.text == head->path.text + routes[call->route].prefix_len,
             "name's place");
}

static void check_headers(const struct http_head *head, const struct http_call *call) {
        unsigned hosts = 0, tokens = 0, lengths = 0;
        size_t sum = 0;

        for (size_t i = 0; i < head->n_headers; i++) {
                const struct http_text *name = &head->headers[i].name;
                const struct http_text *value = &head->headers[i].value;

                sum += name->len + value->len;
                must(matches(name, "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$", 0), "name");
                must(matches(value, "^[ -~]*$", 0), "value");
                must(!matches(name,
                              "^(origin|referer|cookie|forwarded|via|x-real-ip|upgrade|"
                              "http2-settings|transfer-encoding|expect|content-type|"
                              "(sec-|x-forwarded-|proxy-|access-control-).*)$",
                              REG_ICASE),
                     "forbidden header");
                if (matches(name, "^host$", REG_ICASE)) {
                        hosts++;
                        must(matches(value, "^(127\\.0\\.0\\.1|localhost|\\[::1\\])(:9912)?$", 0),
                             "host");
                }
                if (matches(name, "^user-agent$", REG_ICASE))
                        must(!matches(value, "mozilla", REG_ICASE), "browser");
                if (matches(name, "^content-length$", REG_ICASE)) {
                        lengths++;
                        must(matches(value, "^0$", 0), "body");
                }
                if (matches(name, "^authorization$", REG_ICASE)) {
                        tokens++;
                        if (call->route != HTTP_ROUTE_HEALTH)
                                must(value->len > 0 && value->text == call->authorization.text,
                                     "token");
                }
        }
        must(hosts == 1, "one host");
        must(lengths <= 1, "one length");
        must(tokens == 1 || call->route == HTTP_ROUTE_HEALTH, "one token");
        must(sum <= 8192, "sum");
}

static struct http_text take_until(struct http_text *rest, char end) {
        const char *at = rest->len > 0 ? memchr(rest->text, end, rest->len) : NULL;
        struct http_text taken = {rest->text, at ? (size_t)(at - rest->text) : rest->len};

        rest->text += taken.len + (at ? 1 : 0);
        rest->len -= taken.len + (at ? 1 : 0);
        return taken;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct http_text rest = {(const char *)data + 1, size - 1}, line;
        struct http_call call = {0};
        struct http_head head = {0};

        if (size < 1)
                return 0;
        head.is_whole = data[0] & 1;
        line = take_until(&rest, '\n');
        head.method = take_until(&line, ' ');
        head.path = take_until(&line, ' ');
        head.version = line;
        while (rest.len > 0 && head.n_headers < ELEMENTSOF(head.headers)) {
                struct http_header *h = &head.headers[head.n_headers++];

                line = take_until(&rest, '\n');
                h->name = take_until(&line, ':');
                h->value = line;
        }
        if (http_guard(&head, PORT, &call) == HTTP_OK) {
                check_head(&head);
                check_route(&head, &call);
                check_headers(&head, &call);
        }
        return 0;
}
