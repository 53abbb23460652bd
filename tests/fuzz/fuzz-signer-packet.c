/* fuzz-signer-packet.c - any bytes as a packet of the `sign` socket, both ways.
 * Owns:  nothing.
 * Calls: signer_proto.h, secret.h.
 * Limit: none. */
#include "common/buf.h"
#include "common/secret.h"
#include "common/signer_proto.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Each packet has one spelling: what was understood is written as it was read. */
static void check_same(const struct buf *b, const uint8_t *data, size_t size) {
        assert(b->len == size && memcmp(b->data, data, size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(signer_answer_clear) struct signer_answer a = {0};
        struct buf b = BUF_INIT(SIGNER_PACKET_MAX);
        static bool is_set_up;
        struct signer_request q;

        if (!is_set_up)
                assert(secret_arena_open() == 0);
        is_set_up = true;
        if (size > SIGNER_PACKET_MAX)
                return 0;
        if (signer_request_decode(data, size, &q) == 0) {
                assert(signer_request_encode(&q, &b) == 0);
                check_same(&b, data, size);
        }
        buf_clear(&b);
        if (signer_answer_decode(data, size, &a) == 0) {
                assert(signer_answer_encode(&a, &b) == 0);
                check_same(&b, data, size);
        }
        buf_clear(&b);
        return 0;
}
