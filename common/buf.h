/* buf.h - a growing byte buffer with a hard maximum that never leaves a copy behind.
 * Owns:  its bytes; wiped when it grows, is cut and is freed.
 * Calls: the C library.
 * Limit: the maximum given at birth. */
#pragma once
#include "common/macros.h"
#include <stddef.h>

struct buf {
        char *data; /* always NUL-terminated at data[len] once anything was put; else NULL */
        size_t len;
        size_t size;
        size_t max;
};

#define BUF_INIT(maximum)                                                                          \
        (struct buf) {                                                                             \
                .max = (maximum)                                                                   \
        }

/* Appends. Returns 0, -E2BIG beyond the maximum (nothing was appended), -ENOMEM. */
int buf_put(struct buf *b, const void *bytes, size_t len);
int buf_puts(struct buf *b, const char *text);
int buf_printf(struct buf *b, const char *format, ...) _printf_(2, 3);
/* Makes room for @len more bytes and lends their place; follow with buf_commit(). */
int buf_reserve(struct buf *b, size_t len, char **ret);
void buf_commit(struct buf *b, size_t len);
/* Removes @len bytes from the front; what is moved away is wiped. */
void buf_consume(struct buf *b, size_t len);
/* "" when empty. */
const char *buf_text(const struct buf *b);
/* Wipes and frees the bytes; the buffer may be used again with the same maximum. */
void buf_clear(struct buf *b);
