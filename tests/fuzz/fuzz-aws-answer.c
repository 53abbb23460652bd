/* fuzz-aws-answer.c - any bytes as AWS's answer: no crash, and never more than mfad would accept.
 * Owns:  nothing.
 * Calls: daemon/fetch/aws_answer.h, common/fetch_proto.h as the judge.
 * Limit: the first byte says what was asked: '1' to '4' an operation, anything else an error's body. */
#include "common/buf.h"
#include "common/fetch_proto.h"
#include "common/secret.h"
#include "daemon/fetch/aws_answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(fetch_answer_clear) struct fetch_answer a = {.date_sec = 1795305600}, again = {0};
        _cleanup_(buf_clear) struct buf packet = BUF_INIT(FETCH_PACKET_MAX);
        int r;

        if (secret_arena_open() < 0 || size < 1 || size > 64 * 1024)
                return 0;
        if (data[0] >= '1' && data[0] <= '4')
                r = aws_answer_read((enum aws_op)(data[0] - '0'), data + 1, size - 1, &a);
        else
                r = aws_answer_read_error(data + 1, size - 1, &a);
        if (r < 0)
                return 0;
        if (a.outcome != FETCH_OK && a.text[0] == '\0' && a.aws_code[0] == '\0')
                abort(); /* a failure without a reason */
        if (fetch_answer_encode(&a, &packet) < 0 ||
            fetch_answer_decode(packet.data, packet.len, &again) < 0)
                abort();
        return 0;
}
