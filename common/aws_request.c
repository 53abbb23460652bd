#include "common/aws_request.h"
#include "common/aws_endpoint.h"
#include "common/secret.h"
#include "common/sigv4.h"
#include "common/wire.h"

#include <stdio.h>
#include <string.h>

#define WALL_SEC_MAX INT64_C(253402300799) /* 9999-12-31: the last with a year of four digits */

static const char sts_version[] = "2011-06-15";
static const char iam_version[] = "2010-05-08";
static const char content_type[] = "application/x-www-form-urlencoded; charset=utf-8";

const char *aws_op_service(enum aws_op op) {
        switch (op) {
        case AWS_OP_GET_SESSION_TOKEN: return "sts";
        case AWS_OP_LIST_MFA_DEVICES: return "iam";
        case AWS_OP_GET_CALLER_IDENTITY: return "sts";
        case _AWS_OP_MAX: break;
        }
        return NULL;
}

const char *aws_op_name(enum aws_op op) {
        switch (op) {
        case AWS_OP_GET_SESSION_TOKEN: return "GetSessionToken";
        case AWS_OP_LIST_MFA_DEVICES: return "ListMFADevices";
        case AWS_OP_GET_CALLER_IDENTITY: return "GetCallerIdentity";
        case _AWS_OP_MAX: break;
        }
        return NULL;
}

static bool can_be_expressed(const struct aws_call *call, const struct sigv4_key *key) {
        if (!aws_op_name(call->op) || !text_is_region(call->region) || call->wall_sec < 0 ||
            call->wall_sec > WALL_SEC_MAX)
                return false;
        /* both become part of a header line */
        if (!text_is_access_key_id(key->access_key_id) ||
            (key->session_token && !text_is_graph(key->session_token, SESSION_TOKEN_MAX)))
                return false;
        if (call->op != AWS_OP_GET_SESSION_TOKEN)
                return true;
        return text_is_mfa_serial(call->mfa_serial) && text_is_mfa_code(call->mfa_code) &&
               call->duration_sec >= AWS_DURATION_SEC_MIN &&
               call->duration_sec <= AWS_DURATION_SEC_MAX;
}

static int put_body(struct buf *b, const struct aws_call *call) {
        bool is_sts = strcmp(aws_op_service(call->op), "sts") == 0;
        int r;

        r = buf_printf(b, "Action=%s&Version=%s", aws_op_name(call->op),
                       is_sts ? sts_version : iam_version);
        if (r < 0 || call->op != AWS_OP_GET_SESSION_TOKEN)
                return r;
        if ((r = buf_printf(b, "&DurationSeconds=%u&SerialNumber=", call->duration_sec)) < 0 ||
            (r = encode_uri(b, call->mfa_serial)) < 0 ||
            (r = buf_printf(b, "&TokenCode=%s", call->mfa_code)) < 0)
                return r;
        return 0;
}

static int put_headers(struct buf *b, const struct sigv4_header *headers, size_t n,
                       const char *authorization) {
        for (size_t i = 0; i < n; i++) {
                int r;

                if (strcmp(headers[i].name, "Host") == 0)
                        continue; /* curl's own, from the URL */
                r = buf_printf(b, "%s: %s\n", headers[i].name, headers[i].value);
                if (r < 0)
                        return r;
        }
        return buf_printf(b, "Authorization: %s\n", authorization);
}

static int put_signed_headers(struct buf *b, const struct aws_call *call, const char *host,
                              const struct sigv4_key *key, const struct buf *body) {
        _cleanup_(buf_clear) struct buf authorization = BUF_INIT(AWS_HEADERS_MAX);
        char time[17];
        struct sigv4_header headers[] = {
                {"Content-Type", content_type},
                {"Host", host},
                {"X-Amz-Date", time},
                {"X-Amz-Security-Token", key->session_token},
        };
        struct sigv4_request request = {
                .method = "POST",
                .path = "/",
                .query = "",
                .headers = headers,
                .n_headers = ELEMENTSOF(headers) - (key->session_token ? 0 : 1),
                .body = body->data,
                .body_len = body->len,
        };
        int r;

        encode_time_basic(call->wall_sec, time);
        r = sigv4_authorization(&request, key, call->wall_sec, call->region,
                                aws_op_service(call->op), &authorization);
        if (r < 0)
                return r;
        return put_headers(b, headers, request.n_headers, authorization.data);
}

int aws_request_build(const struct aws_call *call, const struct sigv4_key *key,
                      struct aws_http_request *ret) {
        _cleanup_(aws_http_request_clear) struct aws_http_request q = {
                .headers = BUF_INIT(AWS_HEADERS_MAX), .body = BUF_INIT(AWS_BODY_MAX)};
        char host[URL_MAX_LEN];
        int n, r;

        if (!can_be_expressed(call, key))
                return -EINVAL;
        r = aws_endpoint_check(call->endpoint, host, sizeof(host));
        if (r < 0)
                return r;
        n = snprintf(q.url, sizeof(q.url), "%s/", call->endpoint);
        if (n < 0 || (size_t)n >= sizeof(q.url))
                return -EINVAL;
        if ((r = put_body(&q.body, call)) < 0 ||
            (r = put_signed_headers(&q.headers, call, host, key, &q.body)) < 0)
                return r;
        *ret = q;
        q = (struct aws_http_request){0}; /* what it owned is the caller's now */
        return 0;
}

void aws_http_request_clear(struct aws_http_request *r) {
        buf_clear(&r->headers);
        buf_clear(&r->body);
        *r = (struct aws_http_request){0};
}

int aws_http_request_put(const struct aws_http_request *r, struct buf *b) {
        int k;

        if ((k = wire_put_text(b, r->url)) < 0 ||
            (k = wire_put_bytes(b, buf_text(&r->headers), r->headers.len)) < 0 ||
            (k = wire_put_bytes(b, buf_text(&r->body), r->body.len)) < 0)
                return k;
        return 0;
}

/* Text without NUL, so that it may be used as a string. */
static int get_text(struct wire_reader *reader, size_t max, struct buf *ret) {
        size_t len;
        const void *at = wire_get_bytes(reader, max, &len);

        *ret = BUF_INIT(max);
        if (!at)
                return 0;
        if (memchr(at, '\0', len)) {
                reader->failed = true;
                return 0;
        }
        return buf_put(ret, at, len);
}

int aws_http_request_get(struct wire_reader *reader, struct aws_http_request *ret) {
        int r;

        wire_get_text(reader, ret->url, sizeof(ret->url));
        r = get_text(reader, AWS_HEADERS_MAX, &ret->headers);
        return r < 0 ? r : get_text(reader, AWS_BODY_MAX, &ret->body);
}
