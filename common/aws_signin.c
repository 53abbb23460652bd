#include "common/aws_endpoint.h"
#include "common/aws_request.h"
#include "common/creds.h"
#include "common/secret.h"

#include <stdio.h>
#include <string.h>

static const char path[] = "/federation";

_Static_assert(sizeof(path) <= AWS_URL_PATH_MAX + 1, "the URL has no room for the path");

/* Text that stands in JSON as it is. */
static bool is_plain(const char *text, size_t max) {
        return text_is_graph(text, max) && !strpbrk(text, "\"\\");
}

/* {"sessionId":"...","sessionKey":"...","sessionToken":"..."}, percent-encoded as it is written: so the
 * secrets pass through no buffer but the body. */
static int put_session(struct buf *b, const struct creds *creds) {
        int r;

        if ((r = buf_puts(b, "%7B%22sessionId%22%3A%22")) < 0 ||
            (r = encode_uri(b, creds->access_key_id)) < 0 ||
            (r = buf_puts(b, "%22%2C%22sessionKey%22%3A%22")) < 0 ||
            (r = encode_uri(b, secret_reveal(creds->secret_key))) < 0 ||
            (r = buf_puts(b, "%22%2C%22sessionToken%22%3A%22")) < 0 ||
            (r = encode_uri(b, secret_reveal(creds->session_token))) < 0 ||
            (r = buf_puts(b, "%22%7D")) < 0)
                return r;
        return 0;
}

int aws_signin_request_build(const char *endpoint, const struct creds *creds, uint32_t duration_sec,
                             struct aws_http_request *ret) {
        _cleanup_(aws_http_request_clear) struct aws_http_request q = {
                .headers = BUF_INIT(AWS_HEADERS_MAX), .body = BUF_INIT(AWS_BODY_MAX)};
        char host[URL_MAX_LEN];
        int n, r;

        if (duration_sec != 0 &&
            (duration_sec < AWS_DURATION_SEC_MIN || duration_sec > AWS_ROLE_SEC_MAX))
                return -EINVAL;
        if (!text_is_access_key_id(creds->access_key_id) || !creds->secret_key ||
            !creds->session_token || !is_plain(secret_reveal(creds->secret_key), SECRET_KEY_MAX) ||
            !is_plain(secret_reveal(creds->session_token), SESSION_TOKEN_MAX))
                return -EINVAL;
        r = aws_endpoint_check(endpoint, host, sizeof(host));
        if (r < 0)
                return r;
        n = snprintf(q.url, sizeof(q.url), "%s%s", endpoint, path);
        if (n < 0 || (size_t)n >= sizeof(q.url))
                return -EINVAL;

        /* SessionType is not in the guide, but AWS's own JetBrains toolkit sends it with its POST */
        if ((r = buf_puts(&q.headers, "Content-Type: application/x-www-form-urlencoded\n")) < 0 ||
            (r = buf_puts(&q.body, "Action=getSigninToken&SessionType=json")) < 0 ||
            (duration_sec > 0 &&
             (r = buf_printf(&q.body, "&SessionDuration=%u", duration_sec)) < 0) ||
            (r = buf_puts(&q.body, "&Session=")) < 0 || (r = put_session(&q.body, creds)) < 0)
                return r;
        *ret = q;
        q = (struct aws_http_request){0}; /* what it owned is the caller's now */
        return 0;
}

int aws_signin_url(const char *endpoint, const char *token, const char *destination,
                   struct buf *ret) {
        int r;

        if ((r = buf_printf(ret, "%s%s?Action=login&Destination=", endpoint, path)) < 0 ||
            (r = encode_uri(ret, destination)) < 0 || (r = buf_puts(ret, "&SigninToken=")) < 0 ||
            (r = encode_uri(ret, token)) < 0)
                return r;
        return 0;
}
