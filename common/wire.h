/* wire.h - the fields of our binary packets and of the vault's payload: little-endian integers and
 * length-prefixed bytes, read with every bound checked.
 * Owns:  nothing; a reader lends pointers into the caller's bytes.
 * Calls: buf.h.
 * Limit: the writer's buffer; the reader's input. */
#pragma once
#include "common/buf.h"
#include <stdbool.h>
#include <stdint.h>

/* Writers. Errors as buf_put(). */
int wire_put_u8(struct buf *b, uint8_t v);
int wire_put_u32(struct buf *b, uint32_t v);
int wire_put_u64(struct buf *b, uint64_t v);
/* u32 length, then the bytes. */
int wire_put_bytes(struct buf *b, const void *bytes, size_t len);
/* NULL is written as "". */
int wire_put_text(struct buf *b, const char *text);

/* After the first field that does not fit, `failed` stays true and every further read gives 0 or "";
 * so a decoder reads all its fields and asks wire_end() once. */
struct wire_reader {
        const uint8_t *p;
        size_t left;
        bool failed;
};

void wire_reader_init(struct wire_reader *r, const void *bytes, size_t len);
uint8_t wire_get_u8(struct wire_reader *r);
uint32_t wire_get_u32(struct wire_reader *r);
uint64_t wire_get_u64(struct wire_reader *r);
/* Lends up to @max bytes. */
const void *wire_get_bytes(struct wire_reader *r, size_t max, size_t *ret_len);
/* Copies a text of at most @size - 1 bytes without NUL inside into @out, NUL-terminated. */
void wire_get_text(struct wire_reader *r, char *out, size_t size);
/* 0 when every field fitted and no byte is left over; else -EBADMSG. */
int wire_end(const struct wire_reader *r);
