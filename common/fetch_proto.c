#include "common/fetch_proto.h"
#include "common/creds.h"
#include "common/secret.h"
#include "common/wire.h"

#include <string.h>

/* u32 length and at most as many bytes */
#define FIELD_LEN(max) (sizeof(uint32_t) + (max))

/* No legal packet is too long to be sent. */
static_assert(1 + FIELD_LEN(sizeof(((struct aws_http_request *)0)->url) - 1) +
                              FIELD_LEN(AWS_HEADERS_MAX) + FIELD_LEN(AWS_BODY_MAX) +
                              FIELD_LEN(PATH_LEN_MAX - 1) + FIELD_LEN(URL_MAX_LEN) <=
                      FETCH_PACKET_MAX,
              "a request fits into a packet");
static_assert(sizeof(struct fetch_answer) + FIELD_LEN(ACCESS_KEY_ID_MAX) +
                              FIELD_LEN(SECRET_KEY_MAX) + FIELD_LEN(SESSION_TOKEN_MAX) +
                              sizeof(uint64_t) + FIELD_LEN(SIGNIN_TOKEN_MAX) +
                              (4 + FETCH_MFA_DEVICES_MAX) * sizeof(uint32_t) <=
                      FETCH_PACKET_MAX,
              "an answer fits into a packet");

int fetch_request_encode(const struct fetch_request *q, struct buf *b) {
        int r;

        if ((r = wire_put_u8(b, (uint8_t)q->op)) < 0 ||
            (r = aws_http_request_put(&q->http, b)) < 0 || (r = wire_put_text(b, q->ca_file)) < 0 ||
            (r = wire_put_text(b, q->proxy)) < 0)
                return r;
        return 0;
}

int fetch_request_decode(const void *bytes, size_t len, struct fetch_request *ret) {
        _cleanup_(fetch_request_clear) struct fetch_request q = {0};
        struct wire_reader reader;
        uint8_t op;
        int r;

        wire_reader_init(&reader, bytes, len);
        op = wire_get_u8(&reader);
        if (op == 0 || op >= _AWS_OP_MAX)
                reader.failed = true;
        q.op = (enum aws_op)op;
        r = aws_http_request_get(&reader, &q.http);
        if (r < 0)
                return r;
        wire_get_text(&reader, q.ca_file, sizeof(q.ca_file));
        wire_get_text(&reader, q.proxy, sizeof(q.proxy));
        if (q.proxy[0] != '\0' && !text_is_proxy(q.proxy))
                reader.failed = true;
        r = wire_end(&reader);
        if (r < 0)
                return r;
        *ret = q;
        q = (struct fetch_request){0}; /* what it owned is the caller's now */
        return 0;
}

void fetch_request_clear(struct fetch_request *q) {
        aws_http_request_clear(&q->http);
        explicit_bzero(q, sizeof(*q)); /* a proxy's password is in it */
}

/* NULL is written as no bytes. */
static int put_secret(struct buf *b, const struct secret *s) {
        return s ? wire_put_bytes(b, secret_reveal(s), secret_len(s)) : wire_put_bytes(b, "", 0);
}

static int put_creds(struct buf *b, const struct creds *c) {
        int r;

        r = wire_put_u8(b, c ? 1 : 0);
        if (r < 0 || !c)
                return r;
        if ((r = wire_put_text(b, c->access_key_id)) < 0 ||
            (r = put_secret(b, c->secret_key)) < 0 || (r = put_secret(b, c->session_token)) < 0 ||
            (r = wire_put_u64(b, (uint64_t)c->expiration_sec)) < 0)
                return r;
        return 0;
}

int fetch_answer_encode(const struct fetch_answer *a, struct buf *b) {
        int r;

        assert(a->n_mfa_serials <= FETCH_MFA_DEVICES_MAX);

        if ((r = wire_put_u8(b, (uint8_t)a->outcome)) < 0 ||
            (r = wire_put_u8(b, a->was_sent)) < 0 || (r = wire_put_u32(b, a->http_status)) < 0 ||
            (r = wire_put_u64(b, (uint64_t)a->date_sec)) < 0 ||
            (r = wire_put_u8(b, a->is_date_verified)) < 0 ||
            (r = wire_put_text(b, a->aws_code)) < 0 || (r = wire_put_text(b, a->text)) < 0 ||
            (r = put_creds(b, a->creds)) < 0 || (r = wire_put_u8(b, (uint8_t)a->n_mfa_serials)) < 0)
                return r;
        for (size_t i = 0; i < a->n_mfa_serials; i++) {
                r = wire_put_text(b, a->mfa_serials[i]);
                if (r < 0)
                        return r;
        }
        if ((r = wire_put_text(b, a->user_arn)) < 0 || (r = wire_put_text(b, a->account)) < 0 ||
            (r = put_secret(b, a->signin_token)) < 0)
                return r;
        return 0;
}

static bool get_bool(struct wire_reader *r) {
        uint8_t v = wire_get_u8(r);

        if (v > 1)
                r->failed = true;
        return v == 1;
}

/* Seconds since 1970, not before. */
static int64_t get_time(struct wire_reader *r) {
        uint64_t v = wire_get_u64(r);

        if (v > INT64_MAX)
                r->failed = true;
        return r->failed ? 0 : (int64_t)v;
}

/* True for text that is safe in a JSON string, a header or a shell word as it stands. */
static bool is_plain(const char *text, size_t max) {
        return text_is_graph(text, max) && !strpbrk(text, "\"'\\");
}

/* As is_plain(), or empty. */
static void get_plain_or_nothing(struct wire_reader *r, char *out, size_t size) {
        wire_get_text(r, out, size);
        if (out[0] != '\0' && !is_plain(out, size - 1))
                r->failed = true;
}

/* No bytes are NULL. Returns 0 or -ENOMEM; @ret stays NULL when the reader has failed. */
static int get_secret(struct wire_reader *r, size_t max, struct secret **ret) {
        size_t len;
        const void *at = wire_get_bytes(r, max, &len);
        int k;

        if (!at || len == 0)
                return 0;
        k = secret_copy(at, len, ret);
        if (k < 0)
                return k;
        if (memchr(at, '\0', len) || !is_plain(secret_reveal(*ret), max))
                r->failed = true;
        return 0;
}

static int get_creds(struct wire_reader *r, struct creds **ret) {
        _cleanup_(creds_freep) struct creds *c = NULL;
        int k;

        if (!get_bool(r))
                return 0;
        if ((k = creds_new(&c)) < 0)
                return k;
        wire_get_text(r, c->access_key_id, sizeof(c->access_key_id));
        if (!text_is_access_key_id(c->access_key_id))
                r->failed = true;
        if ((k = get_secret(r, SECRET_KEY_MAX, &c->secret_key)) < 0 ||
            (k = get_secret(r, SESSION_TOKEN_MAX, &c->session_token)) < 0)
                return k;
        if (!c->secret_key || !c->session_token)
                r->failed = true;
        c->expiration_sec = get_time(r);
        *ret = TAKE_PTR(c);
        return 0;
}

static void get_mfa_serials(struct wire_reader *r, struct fetch_answer *a) {
        uint8_t n = wire_get_u8(r);

        if (n > FETCH_MFA_DEVICES_MAX) {
                r->failed = true;
                return;
        }
        a->n_mfa_serials = n;
        for (size_t i = 0; i < n; i++) {
                wire_get_text(r, a->mfa_serials[i], sizeof(a->mfa_serials[i]));
                if (!text_is_mfa_serial(a->mfa_serials[i]))
                        r->failed = true;
        }
}

static int get_answer(struct wire_reader *r, struct fetch_answer *a) {
        uint8_t outcome = wire_get_u8(r);
        int k;

        if (outcome < FETCH_OK || outcome >= _FETCH_OUTCOME_MAX)
                r->failed = true;
        a->outcome = (enum fetch_outcome)outcome;
        a->was_sent = get_bool(r);
        a->http_status = wire_get_u32(r);
        if (a->http_status > 999)
                r->failed = true;
        a->date_sec = get_time(r);
        a->is_date_verified = get_bool(r);
        get_plain_or_nothing(r, a->aws_code, sizeof(a->aws_code));
        wire_get_text(r, a->text, sizeof(a->text));
        if (!text_is_printable(a->text, FETCH_TEXT_MAX))
                r->failed = true;
        k = get_creds(r, &a->creds);
        if (k < 0)
                return k;
        get_mfa_serials(r, a);
        get_plain_or_nothing(r, a->user_arn, sizeof(a->user_arn));
        get_plain_or_nothing(r, a->account, sizeof(a->account));
        k = get_secret(r, SIGNIN_TOKEN_MAX, &a->signin_token);
        if (k < 0)
                return k;
        if (a->outcome != FETCH_OK && (a->creds || a->n_mfa_serials > 0 || a->user_arn[0] ||
                                       a->account[0] || a->signin_token))
                r->failed = true; /* a failure has no results */
        return 0;
}

int fetch_answer_decode(const void *bytes, size_t len, struct fetch_answer *ret) {
        _cleanup_(fetch_answer_clear) struct fetch_answer a = {0};
        struct wire_reader reader;
        int r;

        wire_reader_init(&reader, bytes, len);
        r = get_answer(&reader, &a);
        if (r < 0)
                return r;
        r = wire_end(&reader);
        if (r < 0)
                return r;
        *ret = a;
        a = (struct fetch_answer){0}; /* what it owned is the caller's now */
        return 0;
}

void fetch_answer_clear(struct fetch_answer *a) {
        a->creds = creds_free(a->creds);
        a->signin_token = secret_free(a->signin_token);
        *a = (struct fetch_answer){0};
}
