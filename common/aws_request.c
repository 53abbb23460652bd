#include "common/aws_request.h"
#include "common/aws_endpoint.h"
#include "common/secret.h"
#include "common/sigv4.h"
#include "common/wire.h"

#include <ctype.h>
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
        case AWS_OP_GET_CALLER_IDENTITY:
        case AWS_OP_ASSUME_ROLE: return "sts";
        case AWS_OP_GET_SIGNIN_TOKEN:
        case _AWS_OP_MAX: break;
        }
        return NULL;
}

const char *aws_op_name(enum aws_op op) {
        switch (op) {
        case AWS_OP_GET_SESSION_TOKEN: return "GetSessionToken";
        case AWS_OP_LIST_MFA_DEVICES: return "ListMFADevices";
        case AWS_OP_GET_CALLER_IDENTITY: return "GetCallerIdentity";
        case AWS_OP_ASSUME_ROLE: return "AssumeRole";
        case AWS_OP_GET_SIGNIN_TOKEN: return "GetSigninToken";
        case _AWS_OP_MAX: break;
        }
        return NULL;
}

bool aws_call_has_code(const struct aws_call *call) {
        return *call->mfa_code != '\0';
}

/* True when @text is empty or has @min to @max of the characters that STS wants in names. */
static bool is_absent_or_name(const char *text, size_t min, size_t max, const char *more) {
        size_t n = strnlen(text, max + 1);

        if (n == 0)
                return true;
        if (n < min || n > max)
                return false;
        for (size_t i = 0; i < n; i++)
                if (!((unsigned char)text[i] < 0x80 && isalnum((unsigned char)text[i])) &&
                    !strchr(more, text[i]))
                        return false;
        return true;
}

/* Valid UTF-8 of tab, newlines, and U+0020 to U+00FF: the alphabet of Policy. Whether it is a policy is
 * for STS to say. */
static bool is_absent_or_policy(const char *text) {
        const unsigned char *p = (const unsigned char *)text;

        if (strnlen(text, SESSION_POLICY_MAX + 1) > SESSION_POLICY_MAX)
                return false;
        while (*p) {
                uint32_t point = 0;
                size_t n = text_utf8_sequence(p, &point);

                if (n == 0 || point > 0xff ||
                    (point < 0x20 && point != '\t' && point != '\n' && point != '\r'))
                        return false;
                p += n;
        }
        return true;
}

/* Copies the next of "ITEM,ITEM" to @out, and moves @text behind it. Returns false at the end. */
static bool next_item(const char **text, char *out, size_t size) {
        size_t len = strcspn(*text, ",");

        if (!**text || len >= size)
                return false;
        memcpy(out, *text, len);
        out[len] = '\0';
        *text += len + ((*text)[len] == ',');
        return true;
}

/* Length in characters when each is a letter, a digit, a blank or one of "_.:/=+-@"; else -EINVAL. Beyond
 * ASCII STS knows better than we what a letter is. */
static int tag_len(const char *text) {
        const unsigned char *p = (const unsigned char *)text;
        int count = 0;

        while (*p) {
                uint32_t point = 0;
                size_t n = text_utf8_sequence(p, &point);

                if (n == 0 || (point >= 0x7f && point < 0xa0) ||
                    (point < 0x7f && !isalnum((int)point) && !strchr(" _.:/=+-@", (int)point)))
                        return -EINVAL;
                p += n;
                count++;
        }
        return count;
}

static bool is_policy_arn(char *item) {
        return text_is_role_arn(item); /* the same bounds; what it names is for STS to say */
}

static bool is_tag_key(char *item) {
        int len = tag_len(item);

        return len >= 1 && len <= 128;
}

static bool is_tag(char *item) {
        char *equals = strchr(item, '=');
        int len;

        if (!equals)
                return false;
        *equals = '\0';
        len = tag_len(equals + 1);
        return is_tag_key(item) && len >= 0 && len <= 256;
}

/* At most @max items, separated by single commas. */
static bool is_list(const char *list, size_t len_max, size_t max, bool (*is_item)(char *item)) {
        char item[USER_ARN_MAX + 1];
        size_t len = strnlen(list, len_max + 1), n = 0;

        if (len > len_max || (len > 0 && list[len - 1] == ','))
                return false;
        for (const char *p = list; *p; n++)
                if (n == max || !next_item(&p, item, sizeof(item)) || !is_item(item))
                        return false;
        return true;
}

bool aws_role_is_legal(const struct aws_role *role, const char **ret_why) {
        const struct {
                bool is_legal;
                const char *what;
        } parts[] = {
                {text_is_role_arn(role->arn), "the role's ARN"},
                {text_is_role_session_name(role->session_name), "the session name"},
                {is_absent_or_name(role->external_id, 2, EXTERNAL_ID_MAX, "_+=,.@:/-"),
                 "the external ID"},
                {is_absent_or_name(role->source_identity, 2, SOURCE_IDENTITY_MAX, "_+=,.@-"),
                 "the source identity"},
                {is_absent_or_policy(role->policy), "the session policy"},
                {is_list(role->policy_arns, POLICY_ARNS_LEN_MAX, POLICY_ARNS_MAX, is_policy_arn),
                 "the policy ARNs"},
                {is_list(role->tags, SESSION_TAGS_LEN_MAX, SESSION_TAGS_MAX, is_tag),
                 "the session tags"},
                {is_list(role->transitive_tags, SESSION_TAGS_LEN_MAX, SESSION_TAGS_MAX, is_tag_key),
                 "the transitive tags"},
        };

        for (size_t i = 0; i < ELEMENTSOF(parts); i++)
                if (!parts[i].is_legal) {
                        if (ret_why)
                                *ret_why = parts[i].what;
                        return false;
                }
        return true;
}

int aws_role_put(const struct aws_role *role, struct buf *b) {
        const char *const texts[] = {
                role->arn,    role->session_name, role->external_id, role->source_identity,
                role->policy, role->policy_arns,  role->tags,        role->transitive_tags};

        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                int r = wire_put_text(b, texts[i]);

                if (r < 0)
                        return r;
        }
        return 0;
}

void aws_role_get(struct wire_reader *reader, struct aws_role *ret) {
        wire_get_text(reader, ret->arn, sizeof(ret->arn));
        wire_get_text(reader, ret->session_name, sizeof(ret->session_name));
        wire_get_text(reader, ret->external_id, sizeof(ret->external_id));
        wire_get_text(reader, ret->source_identity, sizeof(ret->source_identity));
        wire_get_text(reader, ret->policy, sizeof(ret->policy));
        wire_get_text(reader, ret->policy_arns, sizeof(ret->policy_arns));
        wire_get_text(reader, ret->tags, sizeof(ret->tags));
        wire_get_text(reader, ret->transitive_tags, sizeof(ret->transitive_tags));
}

static bool is_mfa_legal(const struct aws_call *call) {
        return text_is_mfa_serial(call->mfa_serial) && text_is_mfa_code(call->mfa_code);
}

static bool is_duration_legal(const struct aws_call *call, uint32_t max) {
        return call->duration_sec >= AWS_DURATION_SEC_MIN && call->duration_sec <= max;
}

static bool are_parameters_legal(const struct aws_call *call) {
        switch (call->op) {
        case AWS_OP_GET_SESSION_TOKEN:
                return !call->role && is_mfa_legal(call) &&
                       is_duration_legal(call, AWS_DURATION_SEC_MAX);
        case AWS_OP_ASSUME_ROLE:
                return call->role && aws_role_is_legal(call->role, NULL) &&
                       is_duration_legal(call, AWS_ROLE_SEC_MAX) &&
                       (is_mfa_legal(call) || (!*call->mfa_serial && !*call->mfa_code));
        case AWS_OP_LIST_MFA_DEVICES:
        case AWS_OP_GET_CALLER_IDENTITY: return !call->role;
        case AWS_OP_GET_SIGNIN_TOKEN:
        case _AWS_OP_MAX: break;
        }
        return false; /* any number is possible */
}

static bool can_be_expressed(const struct aws_call *call, const struct sigv4_key *key) {
        if (!are_parameters_legal(call) || !text_is_region(call->region) || call->wall_sec < 0 ||
            call->wall_sec > WALL_SEC_MAX)
                return false;
        /* both become part of a header line */
        return text_is_access_key_id(key->access_key_id) &&
               (!key->session_token || text_is_graph(key->session_token, SESSION_TOKEN_MAX));
}

/* "&NAME=VALUE", or nothing for an empty value. */
static int put_optional(struct buf *b, const char *name, const char *value) {
        int r;

        if (!*value)
                return 0;
        r = buf_printf(b, "&%s=", name);
        return r < 0 ? r : encode_uri(b, value);
}

/* "&NAME.member.1FIELD=ITEM&..." for "ITEM,ITEM": lists as the query protocol spells them. */
static int put_list(struct buf *b, const char *name, const char *field, const char *list) {
        char item[USER_ARN_MAX + 1];
        int r;

        for (unsigned i = 1; next_item(&list, item, sizeof(item)); i++)
                if ((r = buf_printf(b, "&%s.member.%u%s=", name, i, field)) < 0 ||
                    (r = encode_uri(b, item)) < 0)
                        return r;
        return 0;
}

static int put_tags(struct buf *b, const char *list) {
        char item[USER_ARN_MAX + 1];
        int r;

        for (unsigned i = 1; next_item(&list, item, sizeof(item)); i++) {
                char *equals = strchr(item, '=');

                *equals = '\0'; /* is_tag() */
                if ((r = buf_printf(b, "&Tags.member.%u.Key=", i)) < 0 ||
                    (r = encode_uri(b, item)) < 0 ||
                    (r = buf_printf(b, "&Tags.member.%u.Value=", i)) < 0 ||
                    (r = encode_uri(b, equals + 1)) < 0)
                        return r;
        }
        return 0;
}

static int put_role(struct buf *b, const struct aws_role *role) {
        int r;

        if ((r = put_optional(b, "RoleArn", role->arn)) < 0 ||
            (r = put_optional(b, "RoleSessionName", role->session_name)) < 0 ||
            (r = put_optional(b, "ExternalId", role->external_id)) < 0 ||
            (r = put_optional(b, "SourceIdentity", role->source_identity)) < 0 ||
            (r = put_optional(b, "Policy", role->policy)) < 0 ||
            (r = put_list(b, "PolicyArns", ".arn", role->policy_arns)) < 0 ||
            (r = put_tags(b, role->tags)) < 0 ||
            (r = put_list(b, "TransitiveTagKeys", "", role->transitive_tags)) < 0)
                return r;
        return 0;
}

static int put_body(struct buf *b, const struct aws_call *call) {
        bool is_sts = strcmp(aws_op_service(call->op), "sts") == 0;
        int r;

        r = buf_printf(b, "Action=%s&Version=%s", aws_op_name(call->op),
                       is_sts ? sts_version : iam_version);
        if (r < 0 || (call->op != AWS_OP_GET_SESSION_TOKEN && call->op != AWS_OP_ASSUME_ROLE))
                return r;
        if ((r = buf_printf(b, "&DurationSeconds=%u", call->duration_sec)) < 0 ||
            (r = put_optional(b, "SerialNumber", call->mfa_serial)) < 0 ||
            (r = put_optional(b, "TokenCode", call->mfa_code)) < 0)
                return r;
        return call->role ? put_role(b, call->role) : 0;
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
