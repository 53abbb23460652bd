/* fuzz-ini.c - any bytes as an INI file, and as a credentials file from which a key is taken out.
 * Owns:  nothing.
 * Calls: ini.h, aws_profile.h.
 * Limit: FUZZ_LEN_MAX bytes an input. */
#include "common/aws_profile.h"
#include "common/buf.h"
#include "common/ini.h"

#include <stdint.h>
#include <string.h>

#define FUZZ_LEN_MAX ((size_t)64 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct walk {
        size_t len, end; /* of the text, of the entry before */
        unsigned line;
        struct buf section; /* the first one's name */
        unsigned n_keys;    /* lines of a plain key in it */
};

/* Entries come in order, do not overlap and stay in the text. */
static int on_entry(const struct ini_entry *e, void *userdata, const char **ret_what) {
        struct walk *w = userdata;

        (void)ret_what;
        assert(e->start >= w->end && e->start < e->end && e->end <= w->len);
        assert(e->line > w->line && e->section && e->section[0] && e->value);
        assert(!e->key || (e->key[0] && !strpbrk(e->key, "=:\n\r")));
        w->end = e->end;
        w->line = e->line;
        if (!w->section.data && buf_puts(&w->section, e->section) < 0)
                return -ENOMEM;
        if (e->key && strcmp(e->section, w->section.data) == 0 &&
            (strcmp(e->key, "aws_access_key_id") == 0 ||
             strcmp(e->key, "aws_secret_access_key") == 0))
                w->n_keys++;
        return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const char *text = (const char *)data;
        _cleanup_(buf_clear) struct buf without = BUF_INIT(size), again = BUF_INIT(size);
        struct walk w = {.len = size, .section = BUF_INIT(size)};
        struct ini_error error = {0};
        int r, n;

        if (size > FUZZ_LEN_MAX)
                return 0;
        r = ini_parse(text, size, on_entry, &w, &error);
        assert(r == 0 || (r == -EINVAL && error.line > 0 && error.what));
        n = aws_credentials_without_key(text, size, buf_text(&w.section), &without);
        assert((n < 0) == (r < 0));
        if (r == 0) {
                assert((unsigned)n >= w.n_keys && (w.n_keys > 0 || without.len == size));
                /* what is left is sound, and has no key */
                n = aws_credentials_without_key(buf_text(&without), without.len,
                                                buf_text(&w.section), &again);
                assert(n == 0 && again.len == without.len);
        }
        buf_clear(&w.section);
        return 0;
}
