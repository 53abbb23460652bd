/* http_guard.h - whether a request is one that an SDK would send, and which of our answers it asks for.
 * Owns:  the rules, the routes and the one table of refusals.
 * Calls: nothing; a pure function over a request's head.
 * Limit: HTTP_HEADERS_MAX headers of HTTP_HEADERS_LEN_MAX bytes in all, HTTP_PATH_MAX bytes of path:
 *        a name of HTTP_NAME_LEN_MAX or an ARN of HTTP_ARN_LEN_MAX, as they are spelled.
 *
 * libmicrohttpd accepts much that no client of ours sends: two Host headers, folded headers, bodies,
 * absolute URIs. A browser that was lured to 127.0.0.1 sends what no SDK sends. Both end here. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_HEADERS_MAX     32
#define HTTP_HEADERS_LEN_MAX ((size_t)8 * 1024)
/* PROFILE_NAME_MAX bytes, each spelled ~XX; a longer name is nobody's */
#define HTTP_NAME_LEN_MAX    ((size_t)3 * 128)
/* IAM's longest: 37 bytes up to "role", a path of 512 and a name of 64 bytes (IAM API reference, CreateRole),
 * each of those spelled ~XX */
#define HTTP_ARN_LEN_MAX     ((size_t)37 + 3 * (512 + 64))
#define HTTP_PATH_MAX        (sizeof("/role-arn/") - 1 + HTTP_ARN_LEN_MAX)

struct http_text {
        const char *text; /* not necessarily NUL-terminated */
        size_t len;
};
struct http_header {
        struct http_text name;
        struct http_text value;
};
struct http_head {
        struct http_text method;
        struct http_text path; /* raw, before any unescaping; empty when it was cut */
        struct http_text version;
        struct http_header
                headers[HTTP_HEADERS_MAX + 1]; /* one more shows that there are too many */
        size_t n_headers;
        bool is_whole; /* every byte of the head is accounted for: no NUL, no folding, only CRLF */
};

enum http_route {
        HTTP_ROUTE_DEFAULT,  /* GET / */
        HTTP_ROUTE_PROFILE,  /* GET /profile/NAME */
        HTTP_ROUTE_ROLE_ARN, /* GET /role-arn/ARN */
        HTTP_ROUTE_HEALTH,   /* GET /healthz: the one route without a token */
};
struct http_call {
        enum http_route route;
        /* NAME or ARN as sent, to be read by decode_path_name(), here and there with "/" for ~2F; within
         * head->path. Empty for the other routes. */
        struct http_text name;
        struct http_text
                authorization; /* raw value, not yet compared; empty for HTTP_ROUTE_HEALTH */
};

enum http_refusal {
        HTTP_OK = 0,
        HTTP_REFUSED_VERSION,
        HTTP_REFUSED_METHOD,
        HTTP_REFUSED_PATH,
        HTTP_REFUSED_HEADER,
        HTTP_REFUSED_HOST,
        HTTP_REFUSED_BROWSER,
        HTTP_REFUSED_BODY,
        HTTP_REFUSED_NO_TOKEN,
        _HTTP_REFUSAL_MAX,
};

/* Judges @head for a server on @port. Fills @ret only for HTTP_OK; it lends from @head. The first
 * rule that is broken, in the order of the enum, names the refusal. */
enum http_refusal http_guard(const struct http_head *head, uint16_t port, struct http_call *ret);

/* What a refusal tells the client. Fixed texts: nothing of the request is ever echoed. */
struct http_refusal_text {
        unsigned status;
        const char *code;
        const char *message; /* without the "mfad: " in front */
};
const struct http_refusal_text *http_refusal_text(enum http_refusal refusal);
