/* fuzz-fetch-packet.c - any bytes as a packet between mfad and mfad-fetch, both ways.
 * Owns:  nothing.
 * Calls: fetch_proto.h, creds.h, secret.h.
 * Limit: none. */
#include "common/buf.h"
#include "common/creds.h"
#include "common/fetch_proto.h"
#include "common/secret.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Each packet has one spelling: what was understood is written as it was read. */
static void check_same(const struct buf *b, const uint8_t *data, size_t size) {
        assert(b->len == size && memcmp(b->data, data, size) == 0);
}

/* What mfad puts into JSON and on terminals. */
static void check_texts(const struct fetch_answer *a) {
        assert(text_is_printable(a->text, FETCH_TEXT_MAX));
        assert(!strpbrk(a->aws_code, "\"\\") && !strpbrk(a->user_arn, "\"\\"));
        if (a->signin_token) {
                assert(a->outcome == FETCH_OK && secret_len(a->signin_token) > 0);
                assert(text_is_graph(secret_reveal(a->signin_token), SIGNIN_TOKEN_MAX));
        }
        if (!a->creds)
                return;
        assert(a->outcome == FETCH_OK && text_is_access_key_id(a->creds->access_key_id));
        assert(text_is_graph(secret_reveal(a->creds->secret_key), SECRET_KEY_MAX));
        assert(text_is_graph(secret_reveal(a->creds->session_token), SESSION_TOKEN_MAX));
        assert(!strpbrk(secret_reveal(a->creds->session_token), "\"\\"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(fetch_request_clear) struct fetch_request q = {0};
        _cleanup_(fetch_answer_clear) struct fetch_answer a = {0};
        struct buf b = BUF_INIT(FETCH_PACKET_MAX);

        assert(secret_arena_open() == 0);
        if (size > FETCH_PACKET_MAX)
                return 0;
        if (fetch_request_decode(data, size, &q) == 0) {
                assert(q.proxy[0] == '\0' || text_is_proxy(q.proxy));
                assert(fetch_request_encode(&q, &b) == 0);
                check_same(&b, data, size);
        }
        buf_clear(&b);
        if (fetch_answer_decode(data, size, &a) == 0) {
                assert(fetch_answer_encode(&a, &b) == 0);
                check_same(&b, data, size);
                check_texts(&a);
        }
        buf_clear(&b);
        return 0;
}
