/* fuzz-signin-answer.c - any bytes as the sign-in endpoint's answer: no crash, and nothing that mfad would refuse.
 * Owns:  nothing.
 * Calls: daemon/fetch/signin_answer.h, common/fetch_proto.h as the judge.
 * Limit: the first byte says what came: '5' with HTTP 200, anything else with an error. */
#include "common/buf.h"
#include "common/fetch_proto.h"
#include "common/secret.h"
#include "common/wiping.h"
#include "daemon/fetch/signin_answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(fetch_answer_clear) struct fetch_answer a = {.http_status = 400}, again = {0};
        _cleanup_(buf_clear) struct buf packet = BUF_INIT(FETCH_PACKET_MAX);

        wiping_install_json();
        if (secret_arena_open() < 0 || size < 1 || size > 2 * SIGNIN_ANSWER_MAX)
                return 0;
        if (data[0] != '5')
                signin_answer_read_error((const char *)data + 1, size - 1, &a);
        else if (signin_answer_read((const char *)data + 1, size - 1, &a) < 0)
                return 0;
        if ((a.outcome == FETCH_OK) != (a.signin_token != NULL))
                abort(); /* a token is there when all is well, and only then */
        if (a.outcome != FETCH_OK && a.text[0] == '\0')
                abort(); /* a failure without a reason */
        if (fetch_answer_encode(&a, &packet) < 0 ||
            fetch_answer_decode(packet.data, packet.len, &again) < 0)
                abort();
        return 0;
}
