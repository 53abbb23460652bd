/* fuzz-varlink.c - bytes from a peer: framing in pieces, parsing, checking, writing again.
 * Owns:  nothing.
 * Calls: common/varlink.h.
 * Limit: the first input byte says how long the pieces are.
 * Whatever the pieces, the same messages come out; what was accepted is within the depth limit and
 * survives being written and read again. */
#include "common/varlink.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static const struct varlink_field fields[] = {
        {.name = "name", .type = VARLINK_STRING, .min = 1, .max = 64},
        {.name = "text", .type = VARLINK_STRING, .is_optional = true},
        {.name = "seconds", .type = VARLINK_INT, .is_optional = true, .min = 900, .max = 129600},
        {.name = "replace", .type = VARLINK_BOOL, .is_optional = true},
        {0},
};

static unsigned depth_of(const json_t *value) {
        unsigned deepest = 0, depth;
        const char *key;
        json_t *inner;
        size_t i;

        if (!json_is_object(value) && !json_is_array(value))
                return 0;
        json_object_foreach((json_t *)value, key, inner) {
                depth = depth_of(inner);
                deepest = depth > deepest ? depth : deepest;
        }
        json_array_foreach(value, i, inner) {
                depth = depth_of(inner);
                deepest = depth > deepest ? depth : deepest;
        }
        return deepest + 1;
}

static void check_message(json_t *message) {
        struct buf b = BUF_INIT(8 * VARLINK_IN_MAX); /* escapes take up to six bytes for one */
        const char *bad = NULL;
        json_t *again = NULL;

        if (!json_is_object(message) || depth_of(message) > VARLINK_DEPTH_MAX)
                abort();
        if (varlink_check(message, fields, &bad) == 0) {
                const char *name = varlink_string(message, "name");
                int64_t seconds = varlink_int(message, "seconds", 900);

                if (!name || strlen(name) < 1 || strlen(name) > 64 || seconds < 900 ||
                    seconds > 129600)
                        abort();
        } else if (!bad)
                abort();
        if (depth_of(message) == VARLINK_DEPTH_MAX) /* as a parameter it would be one too deep */
                return;
        if (varlink_put_reply(&b, message, false) < 0 || varlink_frame(&b) != (ssize_t)b.len - 1 ||
            varlink_parse(b.data, b.len - 1, &again) < 0)
                abort();
        /* reals may lose digits: equality is claimed for what our messages consist of */
        if (!json_object_get(again, "parameters"))
                abort();
        json_decref(again);
        buf_clear(&b);
}

/* Takes every complete message out of @b. Returns false when one was bad. */
static bool drain(struct buf *b, bool with_checks, uint64_t *seen) {
        ssize_t n;

        while ((n = varlink_frame(b)) >= 0) {
                json_t *message = NULL;
                int r = varlink_parse(b->data, (size_t)n, &message);

                buf_consume(b, (size_t)n + 1);
                *seen = *seen * 31 + (uint64_t)n + 1;
                if (r < 0)
                        return false;
                if (with_checks)
                        check_message(message);
                json_decref(message);
        }
        return b->len < b->max; /* full without a message: too long */
}

/* Feeds @data in pieces of at most @piece bytes, as a server reads them. Returns a number that depends
 * on what was accepted. */
static uint64_t feed(const uint8_t *data, size_t size, size_t piece, bool with_checks) {
        struct buf b = BUF_INIT(VARLINK_IN_MAX);
        uint64_t seen = 0;
        bool is_open = true;

        while (is_open && size > 0) {
                size_t len = b.max - b.len;

                len = len < piece ? len : piece;
                len = len < size ? len : size;
                if (buf_put(&b, data, len) < 0)
                        abort();
                data += len;
                size -= len;
                is_open = drain(&b, with_checks, &seen);
        }
        buf_clear(&b);
        return seen * 2 + is_open;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        size_t piece;

        if (size < 1 || size > 2 * VARLINK_IN_MAX)
                return 0;
        piece = (size_t)data[0] + 1;
        if (feed(data + 1, size - 1, SIZE_MAX, true) != feed(data + 1, size - 1, piece, false))
                abort();
        return 0;
}
