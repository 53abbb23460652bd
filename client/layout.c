#include "client/layout.h"
#include "common/buf.h"
#include "common/encode.h"

#include <string.h>
#include <sys/ioctl.h>

#define COLUMNS_WHEN_UNKNOWN 80 /* a terminal that does not tell, such as a serial line */

static const char blanks[] = " \t\n";

size_t layout_columns(void) {
        struct winsize size = {0};

        if (!output_is_terminal())
                return 0;
        if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
                return COLUMNS_WHEN_UNKNOWN;
        return size.ws_col < LAYOUT_COLUMNS_MIN   ? LAYOUT_COLUMNS_MIN
               : size.ws_col > LAYOUT_COLUMNS_MAX ? LAYOUT_COLUMNS_MAX
                                                  : size.ws_col;
}

/* Of @len bytes that have been made safe: valid UTF-8. */
static size_t count(const char *text, size_t len) {
        size_t n = 0;

        for (size_t i = 0; i < len; i++)
                n += ((unsigned char)text[i] & 0xc0) != 0x80; /* not a continuation byte */
        return n;
}

size_t layout_width(const char *text) {
        _cleanup_(buf_clear) struct buf safe = BUF_INIT(OUTPUT_TEXT_MAX);

        (void)output_safe(text, &safe); /* what is beyond the limit is not said either */
        return count(buf_text(&safe), safe.len);
}

int layout_break(const char *text, size_t columns, size_t at, size_t indent, struct buf *ret) {
        bool is_first = true;

        for (const char *word = text + strspn(text, blanks); *word; word += strspn(word, blanks)) {
                size_t len = strcspn(word, blanks), width = count(word, len);
                int r = 0;

                if (is_first) {
                        at += width;
                } else if (columns == 0 || at + 1 + width <= columns) {
                        r = buf_puts(ret, " ");
                        at += 1 + width;
                } else {
                        r = buf_printf(ret, "\n%*s", (int)indent, "");
                        at = indent + width;
                }
                if (r >= 0)
                        r = buf_put(ret, word, len);
                if (r < 0)
                        return r;
                is_first = false;
                word += len;
        }
        return buf_puts(ret, "\n");
}

int layout_paragraph(enum output_style style, size_t columns, size_t at, size_t indent,
                     const char *text) {
        _cleanup_(buf_clear) struct buf safe = BUF_INIT(OUTPUT_TEXT_MAX),
                                        lines = BUF_INIT(2 * OUTPUT_TEXT_MAX);
        int r;

        (void)output_safe(text, &safe); /* cut at worst */
        r = layout_break(buf_text(&safe), columns, at, indent, &lines);
        if (r >= 0)
                output_say(style, "%s", buf_text(&lines));
        return r;
}
