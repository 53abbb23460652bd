#include "client/output.h"
#include "common/buf.h"
#include "common/encode.h"
#include "common/fs.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static struct {
        bool out_is_terminal, error_is_terminal;
        bool out_has_colour, error_has_colour;
        bool is_utf8, is_dumb;
} terminal;
static bool is_progress_shown;
static int out_error; /* errno of the first write to stdout that failed */

/* POSIX: the first of these that is set and not empty decides. */
static bool locale_is_utf8(void) {
        static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                const char *value = getenv(names[i]);

                if (value && *value)
                        return strcasestr(value, "utf-8") || strcasestr(value, "utf8");
        }
        return false;
}

void output_open(void) {
        const char *no_colour = getenv("NO_COLOR"), *term = getenv("TERM");
        bool may_colour;

        terminal.is_dumb = !term || !*term || strcmp(term, "dumb") == 0;
        may_colour = !(no_colour && *no_colour) && !terminal.is_dumb;
        terminal.out_is_terminal = isatty(STDOUT_FILENO);
        terminal.error_is_terminal = isatty(STDERR_FILENO);
        terminal.out_has_colour = terminal.out_is_terminal && may_colour;
        terminal.error_has_colour = terminal.error_is_terminal && may_colour;
        terminal.is_utf8 = locale_is_utf8();
}

bool output_is_terminal(void) {
        return terminal.out_is_terminal;
}

bool output_error_is_terminal(void) {
        return terminal.error_is_terminal;
}

/* Characters that a terminal obeys or hides instead of showing: C0, DEL, C1, zero-width and
 * bidirectional controls (Unicode TR 36 and TR 39, CVE-2021-42574), separators, tags. */
static bool is_hidden(uint32_t point) {
        static const struct {
                uint32_t first, last;
        } ranges[] = {
                {0x00, 0x1f},     {0x7f, 0x9f},     {0xad, 0xad},       {0x61c, 0x61c},
                {0x180e, 0x180e}, {0x200b, 0x200f}, {0x2028, 0x202e},   {0x2060, 0x206f},
                {0xfeff, 0xfeff}, {0xfff0, 0xfffb}, {0xe0000, 0xe0fff},
        };

        if (point == '\n' || point == '\t')
                return false;
        for (size_t i = 0; i < ELEMENTSOF(ranges); i++)
                if (point >= ranges[i].first && point <= ranges[i].last)
                        return true;
        return false;
}

int output_filter(const char *text, bool utf8, struct buf *ret) {
        for (const unsigned char *p = (const unsigned char *)text; *p;) {
                uint32_t point = 0;
                size_t n = text_utf8_sequence(p, &point);
                int r;

                if (n == 0 || (n > 1 && !utf8)) {
                        r = buf_printf(ret, "\\x%02x", *p);
                        n = 1;
                } else if (!is_hidden(point)) {
                        r = buf_put(ret, p, n);
                } else if (n == 1) {
                        r = buf_printf(ret, "\\x%02x", point);
                } else {
                        r = buf_printf(ret, "\\u%04x", point);
                }
                if (r < 0)
                        return r;
                p += n;
        }
        return 0;
}

int output_safe(const char *text, struct buf *ret) {
        return output_filter(text, terminal.is_utf8, ret);
}

static const char *style_code(enum output_style style) {
        switch (style) {
        case OUTPUT_PLAIN: return "";
        case OUTPUT_GOOD: return "\x1b[32m";
        case OUTPUT_BAD: return "\x1b[31m";
        case OUTPUT_WARN: return "\x1b[33m";
        case OUTPUT_STRONG: return "\x1b[1m";
        case OUTPUT_FAINT: return "\x1b[2m";
        }
        abort();
}

static void _printf_(4, 0)
        put(FILE *to, bool has_colour, enum output_style style, const char *format, va_list ap) {
        _cleanup_(freep) char *text = NULL;
        _cleanup_(buf_clear) struct buf safe = BUF_INIT(OUTPUT_TEXT_MAX);
        bool is_styled = has_colour && style != OUTPUT_PLAIN;

        if (vasprintf(&text, format, ap) < 0) {
                text = NULL; /* its value is undefined after a failure */
                return;
        }
        (void)output_safe(text, &safe); /* what is beyond the limit is cut */
        if (fprintf(to, "%s%s%s", is_styled ? style_code(style) : "", buf_text(&safe),
                    is_styled ? "\x1b[0m" : "") < 0 &&
            to == stdout && out_error == 0)
                out_error = errno; /* output_close() tells */
}

void output_say(enum output_style style, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        put(stdout, terminal.out_has_colour, style, format, ap);
        va_end(ap);
}

static void put_error(enum output_style style, const char *prefix, const char *format, va_list ap) {
        output_progress_end();
        (void)fflush(stdout); /* keep the order of the two streams on one terminal */
        (void)fputs("mfactl: ", stderr);
        if (*prefix)
                (void)fputs(prefix, stderr);
        put(stderr, terminal.error_has_colour, style, format, ap);
        (void)fputc('\n', stderr);
}

void output_error(const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        put_error(OUTPUT_BAD, "", format, ap);
        va_end(ap);
}

void output_warning(const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        put_error(OUTPUT_WARN, "warning: ", format, ap);
        va_end(ap);
}

void output_hint(const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        put_error(OUTPUT_PLAIN, "", format, ap);
        va_end(ap);
}

void output_progress(const char *text) {
        if (!terminal.error_is_terminal)
                return;
        (void)fflush(stdout);
        output_progress_end();
        (void)fprintf(stderr, "%s", text);
        (void)fflush(stderr);
        is_progress_shown = true;
}

void output_progress_end(void) {
        if (!is_progress_shown)
                return;
        is_progress_shown = false;
        (void)fputs(terminal.is_dumb ? "\n" : "\r\x1b[K", stderr); /* erase the line (ECMA-48 EL) */
}

int output_raw(const void *bytes, size_t len) {
        if (fflush(stdout) != 0)
                return -errno;
        return fs_write_all(STDOUT_FILENO, bytes, len);
}

int output_close(void) {
        if (fflush(stdout) != 0 && out_error == 0)
                out_error = errno;
        if (ferror(stdout) && out_error == 0)
                out_error = EIO;
        return -out_error;
}
