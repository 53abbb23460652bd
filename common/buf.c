#include "common/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define BUF_FIRST_LEN 256

int buf_reserve(struct buf *b, size_t len, char **ret) {
        size_t need, size;
        char *grown;

        assert(b);

        if (len > b->max || b->len > b->max - len)
                return -E2BIG;
        need = b->len + len + 1;
        if (need > b->size) {
                size = b->size > 0 ? b->size : BUF_FIRST_LEN;
                while (size < need)
                        size *= 2;
                /* not realloc(3): it would leave the old copy in the heap */
                grown = calloc(1, size);
                if (!grown)
                        return -ENOMEM;
                if (b->data) {
                        memcpy(grown, b->data, b->len);
                        explicit_bzero(b->data, b->size);
                        free(b->data);
                }
                b->data = grown;
                b->size = size;
        }
        if (ret)
                *ret = b->data + b->len;
        return 0;
}

void buf_commit(struct buf *b, size_t len) {
        assert(b->len + len < b->size);

        b->len += len;
        b->data[b->len] = '\0';
}

int buf_put(struct buf *b, const void *bytes, size_t len) {
        char *at;
        int r;

        r = buf_reserve(b, len, &at);
        if (r < 0)
                return r;
        if (len > 0)
                memcpy(at, bytes, len);
        buf_commit(b, len);
        return 0;
}

int buf_puts(struct buf *b, const char *text) {
        return buf_put(b, text, strlen(text));
}

int buf_printf(struct buf *b, const char *format, ...) {
        va_list ap;
        char *at;
        int n, r;

        va_start(ap, format);
        n = vsnprintf(NULL, 0, format, ap);
        va_end(ap);
        if (n < 0)
                return -EINVAL;
        r = buf_reserve(b, (size_t)n, &at);
        if (r < 0)
                return r;
        va_start(ap, format);
        (void)vsnprintf(at, (size_t)n + 1, format, ap); /* same arguments, same length */
        va_end(ap);
        buf_commit(b, (size_t)n);
        return 0;
}

void buf_consume(struct buf *b, size_t len) {
        size_t rest;

        assert(len <= b->len);

        if (len == 0)
                return;
        rest = b->len - len;
        memmove(b->data, b->data + len, rest);
        explicit_bzero(b->data + rest, len);
        b->len = rest;
}

const char *buf_text(const struct buf *b) {
        return b->data ? b->data : "";
}

void buf_clear(struct buf *b) {
        if (b->data) {
                explicit_bzero(b->data, b->size);
                free(b->data);
        }
        b->data = NULL;
        b->len = b->size = 0;
}
