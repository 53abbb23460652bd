#include "common/wire.h"

#include <string.h>

static int put_le(struct buf *b, uint64_t v, size_t n) {
        uint8_t bytes[8];

        for (size_t i = 0; i < n; i++)
                bytes[i] = (uint8_t)(v >> (8 * i));
        return buf_put(b, bytes, n);
}

int wire_put_u8(struct buf *b, uint8_t v) {
        return put_le(b, v, 1);
}

int wire_put_u32(struct buf *b, uint32_t v) {
        return put_le(b, v, 4);
}

int wire_put_u64(struct buf *b, uint64_t v) {
        return put_le(b, v, 8);
}

int wire_put_bytes(struct buf *b, const void *bytes, size_t len) {
        int r;

        if (len > UINT32_MAX)
                return -E2BIG;
        r = wire_put_u32(b, (uint32_t)len);
        if (r < 0)
                return r;
        return buf_put(b, bytes, len);
}

int wire_put_text(struct buf *b, const char *text) {
        return wire_put_bytes(b, text ? text : "", text ? strlen(text) : 0);
}

void wire_reader_init(struct wire_reader *r, const void *bytes, size_t len) {
        *r = (struct wire_reader){.p = bytes, .left = len};
}

static const uint8_t *take(struct wire_reader *r, size_t n) {
        const uint8_t *at = r->p;

        if (r->failed || n > r->left) {
                r->failed = true;
                return NULL;
        }
        r->p += n;
        r->left -= n;
        return at;
}

static uint64_t get_le(struct wire_reader *r, size_t n) {
        const uint8_t *at = take(r, n);
        uint64_t v = 0;

        for (size_t i = 0; at && i < n; i++)
                v |= (uint64_t)at[i] << (8 * i);
        return v;
}

uint8_t wire_get_u8(struct wire_reader *r) {
        return (uint8_t)get_le(r, 1);
}

uint32_t wire_get_u32(struct wire_reader *r) {
        return (uint32_t)get_le(r, 4);
}

uint64_t wire_get_u64(struct wire_reader *r) {
        return get_le(r, 8);
}

const void *wire_get_bytes(struct wire_reader *r, size_t max, size_t *ret_len) {
        uint32_t len = wire_get_u32(r);
        const uint8_t *at;

        *ret_len = 0;
        if (len > max)
                r->failed = true;
        at = take(r, len);
        if (at)
                *ret_len = len;
        return at;
}

void wire_get_text(struct wire_reader *r, char *out, size_t size) {
        size_t len;
        const void *at;

        assert(size > 0);

        at = wire_get_bytes(r, size - 1, &len);
        if (at && memchr(at, '\0', len)) {
                r->failed = true;
                len = 0;
        }
        if (at && len > 0)
                memcpy(out, at, len);
        out[len] = '\0';
}

int wire_end(const struct wire_reader *r) {
        return r->failed || r->left > 0 ? -EBADMSG : 0;
}
