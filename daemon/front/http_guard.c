#include "daemon/front/http_guard.h"
#include "common/macros.h"

#include <string.h>
#include <strings.h>

enum char_class {
        CHAR_PATH = 1,  /* may stand in a path of ours */
        CHAR_TOKEN = 2, /* RFC 9110 section 5.6.2: may stand in a header's name */
};
#define CHAR_BOTH (CHAR_PATH | CHAR_TOKEN)
static const uint8_t char_classes[256] = {
        ['0' ... '9'] = CHAR_BOTH, ['A' ... 'Z'] = CHAR_BOTH, ['a' ... 'z'] = CHAR_BOTH,
        ['.'] = CHAR_BOTH,         ['_'] = CHAR_BOTH,         ['~'] = CHAR_BOTH,
        ['-'] = CHAR_BOTH,         ['+'] = CHAR_BOTH,         ['/'] = CHAR_PATH,
        [':'] = CHAR_PATH,         ['='] = CHAR_PATH,         [','] = CHAR_PATH,
        ['@'] = CHAR_PATH,         ['!'] = CHAR_TOKEN,        ['#'] = CHAR_TOKEN,
        ['$'] = CHAR_TOKEN,        ['%'] = CHAR_TOKEN,        ['&'] = CHAR_TOKEN,
        ['\''] = CHAR_TOKEN,       ['*'] = CHAR_TOKEN,        ['^'] = CHAR_TOKEN,
        ['`'] = CHAR_TOKEN,        ['|'] = CHAR_TOKEN,
};

enum header_kind {
        HEADER_OTHER,
        HEADER_HOST,
        HEADER_AUTHORIZATION,
        HEADER_USER_AGENT,
        HEADER_CONTENT_LENGTH,
        HEADER_BODY,    /* announces a body or a dialogue about one */
        HEADER_BROWSER, /* browsers, proxies and protocol upgrades send it, SDKs never */
};
static const struct {
        const char *name;
        uint8_t len;
        bool is_prefix;
        enum header_kind kind;
} header_kinds[] = {
#define NAMED(text, what)                                                                          \
        { .name = text, .len = sizeof(text) - 1, .kind = what }
#define STARTS(text, what)                                                                         \
        { .name = text, .len = sizeof(text) - 1, .is_prefix = true, .kind = what }
        NAMED("host", HEADER_HOST),
        NAMED("authorization", HEADER_AUTHORIZATION),
        NAMED("user-agent", HEADER_USER_AGENT),
        NAMED("content-length", HEADER_CONTENT_LENGTH),
        NAMED("content-type", HEADER_BODY),
        NAMED("transfer-encoding", HEADER_BODY),
        NAMED("expect", HEADER_BODY),
        NAMED("origin", HEADER_BROWSER),
        NAMED("referer", HEADER_BROWSER),
        NAMED("cookie", HEADER_BROWSER),
        NAMED("forwarded", HEADER_BROWSER),
        NAMED("via", HEADER_BROWSER),
        NAMED("x-real-ip", HEADER_BROWSER),
        NAMED("upgrade", HEADER_BROWSER),
        NAMED("http2-settings", HEADER_BROWSER),
        STARTS("sec-", HEADER_BROWSER),
        STARTS("x-forwarded", HEADER_BROWSER),
        STARTS("proxy-", HEADER_BROWSER),
        STARTS("access-control-", HEADER_BROWSER),
};

/* What the headers add up to. */
struct findings {
        unsigned n_hosts, n_authorizations, n_content_lengths;
        bool is_malformed, is_wrong_host, is_browser, has_body;
        struct http_text authorization;
};

static const struct http_refusal_text refusal_texts[_HTTP_REFUSAL_MAX] = {
        [HTTP_REFUSED_VERSION] = {400, "MfadBadRequest", "this is not HTTP/1.0 or HTTP/1.1"},
        [HTTP_REFUSED_METHOD] = {405, "MfadBadMethod", "only GET is served"},
        [HTTP_REFUSED_PATH] = {404, "MfadNotFound",
                               "no such path; there are /, /profile/NAME, /role-arn/ARN, /healthz"},
        [HTTP_REFUSED_HEADER] = {400, "MfadBadRequest", "the headers are malformed or too many"},
        [HTTP_REFUSED_HOST] = {421, "MfadWrongHost", "wrong Host header, run: mfactl env"},
        [HTTP_REFUSED_BROWSER] = {403, "MfadForbidden", "browsers and proxies are not served"},
        [HTTP_REFUSED_BODY] = {400, "MfadBadRequest", "a request must not have a body"},
        [HTTP_REFUSED_NO_TOKEN] = {403, "MfadBadToken", "no client token, run: mfactl env"},
};

static bool text_is(const struct http_text *t, const char *expected) {
        return t->len == strlen(expected) && memcmp(t->text, expected, t->len) == 0;
}

static bool text_has_only(const struct http_text *t, enum char_class class) {
        for (size_t i = 0; i < t->len; i++)
                if (!(char_classes[(unsigned char)t->text[i]] & class))
                        return false;
        return true;
}

static bool text_is_printed(const struct http_text *t) {
        for (size_t i = 0; i < t->len; i++)
                if (t->text[i] < ' ' || t->text[i] > '~')
                        return false;
        return true;
}

/* @wanted begins with a lower-case letter. */
static bool text_contains(const struct http_text *t, const char *wanted) {
        size_t n = strlen(wanted);

        for (size_t i = 0; i + n <= t->len; i++)
                if ((t->text[i] | 0x20) == wanted[0] && strncasecmp(t->text + i, wanted, n) == 0)
                        return true;
        return false;
}

static bool path_is_legal(const struct http_text *path) {
        if (path->len < 1 || path->len > HTTP_PATH_MAX || path->text[0] != '/')
                return false;
        if (!text_has_only(path, CHAR_PATH))
                return false;
        for (size_t i = 1; i < path->len; i++)
                if ((path->text[i] == '/' || path->text[i] == '.') &&
                    path->text[i] == path->text[i - 1])
                        return false; /* "//" and ".." mean different things to different readers */
        return true;
}

/* The routes that end in a name. */
static const struct {
        const char *prefix;
        size_t name_len_max;
        enum http_route route;
} named_routes[] = {
        {"/profile/", HTTP_NAME_LEN_MAX, HTTP_ROUTE_PROFILE},
        {"/role-arn/", HTTP_ARN_LEN_MAX, HTTP_ROUTE_ROLE_ARN},
};

static bool path_route(const struct http_text *path, struct http_call *ret) {
        if (text_is(path, "/")) {
                ret->route = HTTP_ROUTE_DEFAULT;
                return true;
        }
        if (text_is(path, "/healthz")) {
                ret->route = HTTP_ROUTE_HEALTH;
                return true;
        }
        for (size_t i = 0; i < ELEMENTSOF(named_routes); i++) {
                size_t n = strlen(named_routes[i].prefix);

                if (path->len <= n || memcmp(path->text, named_routes[i].prefix, n) != 0)
                        continue;
                if (path->len - n > named_routes[i].name_len_max)
                        return false;
                ret->route = named_routes[i].route;
                ret->name = (struct http_text){path->text + n, path->len - n};
                return true;
        }
        return false;
}

/* As we would write it ourselves: no sign, no blank, no leading zero. */
static bool text_is_port(const struct http_text *t, uint16_t port) {
        unsigned rest = port;

        for (size_t i = t->len; i > 0; i--, rest /= 10)
                if (rest == 0 || t->text[i - 1] != (char)('0' + rest % 10))
                        return false;
        return rest == 0 && t->len > 0;
}

/* The names that SDKs have for us; the CRT based ones send no port. Anything else is DNS rebinding,
 * a request meant for another server, or a web page that tries 0.0.0.0. */
static bool host_is_ours(const struct http_text *host, uint16_t port) {
        static const char *const names[] = {"127.0.0.1", "localhost", "[::1]"};

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                size_t n = strlen(names[i]);

                if (host->len < n || memcmp(host->text, names[i], n) != 0)
                        continue;
                if (host->len == n)
                        return true;
                return host->text[n] == ':' &&
                       text_is_port(&(struct http_text){host->text + n + 1, host->len - n - 1},
                                    port);
        }
        return false;
}

static enum header_kind header_kind(const struct http_text *name) {
        for (size_t i = 0; i < ELEMENTSOF(header_kinds); i++) {
                size_t n = header_kinds[i].len;

                if (name->len != n && !(header_kinds[i].is_prefix && name->len > n))
                        continue;
                /* the first letter spares most of the comparisons */
                if ((name->text[0] | 0x20) == header_kinds[i].name[0] &&
                    strncasecmp(name->text, header_kinds[i].name, n) == 0)
                        return header_kinds[i].kind;
        }
        return HEADER_OTHER;
}

static void header_note(const struct http_header *header, uint16_t port, struct findings *f) {
        if (header->name.len == 0 || !text_has_only(&header->name, CHAR_TOKEN) ||
            !text_is_printed(&header->value))
                f->is_malformed = true;

        switch (header_kind(&header->name)) {
        case HEADER_OTHER: break;
        case HEADER_HOST:
                f->n_hosts++;
                f->is_wrong_host |= !host_is_ours(&header->value, port);
                break;
        case HEADER_AUTHORIZATION:
                f->n_authorizations++;
                f->authorization = header->value;
                break;
        case HEADER_USER_AGENT: f->is_browser |= text_contains(&header->value, "mozilla"); break;
        case HEADER_CONTENT_LENGTH:
                f->n_content_lengths++;
                f->has_body |= !text_is(&header->value, "0");
                break;
        case HEADER_BODY: f->has_body = true; break;
        case HEADER_BROWSER: f->is_browser = true; break;
        }
}

static void headers_note(const struct http_head *head, uint16_t port, struct findings *f) {
        size_t len = 0;

        if (head->n_headers > HTTP_HEADERS_MAX || !head->is_whole) {
                f->is_malformed = true; /* the list is not what was sent: do not look further */
                return;
        }
        for (size_t i = 0; i < head->n_headers; i++) {
                len += head->headers[i].name.len + head->headers[i].value.len;
                header_note(&head->headers[i], port, f);
        }
        f->is_malformed |= len > HTTP_HEADERS_LEN_MAX;
}

enum http_refusal http_guard(const struct http_head *head, uint16_t port, struct http_call *ret) {
        struct http_call call = {.name = {.text = ""}, .authorization = {.text = ""}};
        struct findings f = {0};

        assert(head);
        assert(ret);

        if (!text_is(&head->version, "HTTP/1.1") && !text_is(&head->version, "HTTP/1.0"))
                return HTTP_REFUSED_VERSION;
        if (!text_is(&head->method, "GET"))
                return HTTP_REFUSED_METHOD;
        if (!path_is_legal(&head->path) || !path_route(&head->path, &call))
                return HTTP_REFUSED_PATH;

        headers_note(head, port, &f);
        if (f.is_malformed)
                return HTTP_REFUSED_HEADER;
        if (f.n_hosts != 1 || f.is_wrong_host)
                return HTTP_REFUSED_HOST;
        if (f.is_browser)
                return HTTP_REFUSED_BROWSER;
        if (f.has_body || f.n_content_lengths > 1)
                return HTTP_REFUSED_BODY;
        if (call.route != HTTP_ROUTE_HEALTH) {
                /* an empty one is none: the C++ SDK sends it when it has no token */
                if (f.n_authorizations != 1 || f.authorization.len == 0)
                        return HTTP_REFUSED_NO_TOKEN;
                call.authorization = f.authorization;
        }
        *ret = call;
        return HTTP_OK;
}

const struct http_refusal_text *http_refusal_text(enum http_refusal refusal) {
        assert(refusal > HTTP_OK && refusal < _HTTP_REFUSAL_MAX);

        return &refusal_texts[refusal];
}
